//! Addresses of interfaces and routes, over netlink.

use std::net::{IpAddr, Ipv4Addr};

use super::conversation::{Conversation, Request};
use super::link::family;
use super::message::{CREATE, EXCL, Message, find as attribute, read_u32};
use super::{Cidr, Result};

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
// linux/rtnetlink.h
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RTN_UNICAST: u8 = 1;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// The length of `struct ifaddrmsg`.
const ADDRESS_HEADER: usize = 8;
/// The length of `struct rtmsg`.
const ROUTE_HEADER: usize = 12;

/// Gives an interface an address with its network's broadcast address.
pub fn add_address(index: u32, address: Cidr) -> Request {
    let message = address_message(RTM_NEWADDR, CREATE | EXCL, index, address);
    let message = match address.prefix() {
        31 | 32 => message,
        _ => message.attribute(IFA_BROADCAST, &address.last().octets()),
    };
    Request::new(format!("add address {address}"), message)
}

/// Takes an address from an interface.
pub fn remove_address(index: u32, address: Cidr) -> Request {
    let message = address_message(RTM_DELADDR, 0, index, address);
    Request::new(format!("remove address {address}"), message)
}

/// Adds the default route through a gateway.
pub fn add_default(index: u32, gateway: IpAddr) -> Request {
    let (family, gateway_bytes) = match gateway {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec()),
    };
    // family, dst_len, src_len, tos, table, protocol, scope, type, flags
    let header = [
        family,
        0,
        0,
        0,
        RT_TABLE_MAIN,
        RTPROT_BOOT,
        0,
        RTN_UNICAST,
        0,
        0,
        0,
        0,
    ];
    let message = Message::request(RTM_NEWROUTE, CREATE | EXCL, &header)
        .attribute(RTA_GATEWAY, &gateway_bytes)
        .number(RTA_OIF, index);
    Request::new(format!("add default route through {gateway}"), message)
}

/// Lists the IPv4 addresses of one interface, in the kernel's order.
pub fn addresses(talk: &mut Conversation, index: u32) -> Result<Vec<Cidr>> {
    let mut found = Vec::new();
    let header = [AF_INET, 0, 0, 0, 0, 0, 0, 0];
    let message = Message::request(RTM_GETADDR, 0, &header);
    talk.dump(Request::new("list addresses", message), |answer| {
        if let Some((owner, address)) = parse_address(answer)
            && owner == index
        {
            found.push(address);
        }
    })?;
    Ok(found)
}

/// Lists the IPv4 networks that this host has an address in or a route to;
/// default routes are none.
pub fn in_use() -> Result<Vec<Cidr>> {
    let mut talk = Conversation::open()?;
    let mut found = Vec::new();
    let message =
        Message::request(RTM_GETADDR, 0, &[AF_INET, 0, 0, 0, 0, 0, 0, 0]);
    talk.dump(Request::new("list addresses", message), |answer| {
        found.extend(parse_address(answer).map(|(_, net)| net.network()));
    })?;
    let mut header = [0; ROUTE_HEADER];
    header[0] = AF_INET;
    let message = Message::request(RTM_GETROUTE, 0, &header);
    talk.dump(Request::new("list routes", message), |answer| {
        found.extend(parse_route(answer));
    })?;
    found.sort_by_key(|net| (net.first(), net.prefix()));
    found.dedup();
    Ok(found)
}

fn address_message(
    kind: u16,
    flags: u16,
    index: u32,
    address: Cidr,
) -> Message {
    let mut header = [AF_INET, address.prefix(), 0, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&index.to_ne_bytes());
    let octets = address.address().octets();
    Message::request(kind, flags, &header)
        .attribute(IFA_LOCAL, &octets)
        .attribute(IFA_ADDRESS, &octets)
}

/// Reads an address: the interface's number and the address.
fn parse_address(answer: &[u8]) -> Option<(u32, Cidr)> {
    if family(answer)? != u16::from(AF_INET) {
        return None;
    }
    let rest = answer.get(ADDRESS_HEADER..)?;
    // On a point-to-point link `IFA_ADDRESS` is the other side.
    let value =
        attribute(rest, IFA_LOCAL).or_else(|| attribute(rest, IFA_ADDRESS))?;
    let address = Cidr::with_prefix(ipv4(value)?, answer[1])?;
    Some((read_u32(answer, 4)?, address))
}

/// Reads a route of the main table to one network.
fn parse_route(answer: &[u8]) -> Option<Cidr> {
    let rest = answer.get(ROUTE_HEADER..)?;
    let (family, prefix) = (answer[0], answer[1]);
    let (table, kind) = (answer[4], answer[7]);
    if family != AF_INET || table != RT_TABLE_MAIN || kind != RTN_UNICAST {
        return None;
    }
    let address = ipv4(attribute(rest, RTA_DST)?)?;
    Cidr::with_prefix(address, prefix).filter(|net| net.prefix() > 0)
}

fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = value.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_byte_for_byte() {
        let address = "172.17.0.2/16".parse().unwrap();
        let bytes = add_address(5, address).message.finish(4, 1);
        #[rustfmt::skip]
        let want = [
            48, 0, 0, 0, 20, 0, 5, 6, 1, 0, 0, 0, 0, 0, 0, 0,
            2, 16, 0, 0, 5, 0, 0, 0,
            8, 0, 2, 0, 172, 17, 0, 2,
            8, 0, 1, 0, 172, 17, 0, 2,
            8, 0, 4, 0, 172, 17, 255, 255,
        ];
        assert_eq!(bytes, want);
    }

    #[test]
    fn a_default_route_is_asked_for_byte_for_byte() {
        let gateway = "172.17.0.1".parse().unwrap();
        let bytes = add_default(5, gateway).message.finish(4, 1);
        #[rustfmt::skip]
        let want = [
            44, 0, 0, 0, 24, 0, 5, 6, 1, 0, 0, 0, 0, 0, 0, 0,
            2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0,
            8, 0, 5, 0, 172, 17, 0, 1,
            8, 0, 4, 0, 5, 0, 0, 0,
        ];
        assert_eq!(bytes, want);
    }

    #[test]
    fn addresses_are_read_within_bounds() {
        let answer = [
            2, 16, 0, 0, 5, 0, 0, 0, 8, 0, 1, 0, 9, 9, 9, 9, 8, 0, 2, 0, 172,
            17, 0, 2,
        ];
        let want = (5, "172.17.0.2/16".parse().unwrap());
        assert_eq!(parse_address(&answer), Some(want));
        for cut in 0..answer.len() {
            let _ = parse_address(&answer[..cut]);
        }
        // IPv6, a prefix that is none, an address of two bytes.
        assert_eq!(parse_address(&[10; 24]), None);
        let mut wrong = answer;
        wrong[1] = 64;
        assert_eq!(parse_address(&wrong), None);
        let short = [2, 16, 0, 0, 5, 0, 0, 0, 6, 0, 2, 0, 172, 17, 0, 0];
        assert_eq!(parse_address(&short), None);
    }

    #[test]
    fn only_routes_of_the_main_table_to_a_network_count() {
        let route = |prefix, table, kind| {
            [
                2, prefix, 0, 0, table, 3, 0, kind, 0, 0, 0, 0, 8, 0, 1, 0, 10,
                1, 0, 0,
            ]
        };
        let want = "10.1.0.0/16".parse().ok();
        assert_eq!(parse_route(&route(16, 254, 1)), want);
        assert_eq!(parse_route(&route(16, 255, 1)), None);
        assert_eq!(parse_route(&route(16, 254, 2)), None);
        assert_eq!(parse_route(&route(0, 254, 1)), None);
        assert_eq!(parse_route(&route(99, 254, 1)), None);
        assert_eq!(parse_route(&route(16, 254, 1)[..12]), None);
        assert_eq!(parse_route(&[2; 11]), None);
    }
}
