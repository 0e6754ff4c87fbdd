//! Network interfaces over netlink: bridges and veth pairs.
//!
//! A container's pair is made in one step, its container end already in
//! the container's namespace: moving or deleting an interface makes the
//! kernel wait tens of milliseconds for RCU, making one does not. Neither
//! is ever done here; a pair dies with the container's namespace.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::conversation::{Conversation, Request};
use super::message::{
    CREATE, EXCL, Message, attributes, find as attribute, read_text, read_u16,
    read_u32,
};
use super::{Error, Mac, Result};
use crate::sys::random;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;

// linux/if_link.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INET_CONF: u16 = 1;
const IFLA_BRPORT_STATE: u16 = 1;
// linux/veth.h
const VETH_INFO_PEER: u16 = 1;
// linux/ip.h
const IPV4_DEVCONF_ARP_NOTIFY: u16 = 22;
// linux/if_bridge.h
const BR_STATE_FORWARDING: u8 = 3;

const AF_INET: u16 = 2;
const AF_BRIDGE: u8 = 7;
const IFF_UP: u32 = 1;

/// Asks that answers come without the long statistics.
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// The length of the fixed header, `struct ifinfomsg`.
const HEADER: usize = 16;
/// The longest name of an interface (`IFNAMSIZ` less the NUL).
const MAX_NAME: usize = 15;

/// What is known about an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its kind (`bridge`, `veth`); `None` for hardware and loopback.
    pub kind: Option<String>,
    /// The number of the interface that it is tied to: of a veth's other
    /// end, in that end's namespace.
    pub peer: Option<u32>,
    /// Its hardware address, if it has one of six bytes.
    pub mac: Option<Mac>,
    /// The longest packet that it carries, in bytes.
    pub mtu: u32,
    /// If it is up.
    pub is_up: bool,
}

/// Tells if the kernel takes a name for an interface.
pub fn is_valid_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|b| b.is_ascii_graphic())
        && !name.contains(['/', ':', '%'])
}

/// Makes up a name for the host's end of a pair: `veth` and seven
/// hexadecimal digits, as Docker does.
pub fn random_name() -> String {
    let number = u32::from_ne_bytes(random::bytes());
    format!("veth{:07x}", number >> 4)
}

/// Finds an interface by name.
pub fn find(talk: &mut Conversation, name: &str) -> Result<Option<Link>> {
    match talk.tell(get(name)) {
        Ok(answer) => parse(&answer)
            .map(Some)
            .ok_or_else(|| Error::Malformed(format!("find {name}"))),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks for an interface by name; [`parse`] reads the answer.
pub fn get(name: &str) -> Request {
    let message = Message::request(RTM_GETLINK, 0, &header(0, 0, 0))
        .text(IFLA_IFNAME, name)
        .number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    Request::new(format!("find {name}"), message)
}

/// Makes a bridge, down. Its hardware address is given, or it would change
/// with its ports.
pub fn create_bridge(name: &str, mac: Mac, mtu: u32) -> Request {
    let message =
        Message::request(RTM_NEWLINK, CREATE | EXCL, &header(0, 0, 0))
            .text(IFLA_IFNAME, name)
            .attribute(IFLA_ADDRESS, &mac.0)
            .number(IFLA_MTU, mtu)
            .nest(IFLA_LINKINFO, |m| m.text(IFLA_INFO_KIND, "bridge"));
    Request::new(format!("create bridge {name}"), message)
}

/// One end of a pair.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address; made up by the kernel if `None`.
    pub mac: Option<Mac>,
}

/// Makes a veth pair: `near` here, up, a port of the bridge `master`; `far`
/// in the namespace `netns`, down.
pub fn create_veth(
    near: End<'_>,
    far: End<'_>,
    netns: BorrowedFd<'_>,
    master: u32,
    mtu: u32,
) -> Request {
    let netns = netns.as_raw_fd() as u32;
    let end = |message: Message, end: End<'_>| {
        // More queues serve only XDP, and each takes its time to register:
        // by default the kernel makes one for each processor.
        let message = message
            .text(IFLA_IFNAME, end.name)
            .number(IFLA_MTU, mtu)
            .number(IFLA_NUM_TX_QUEUES, 1)
            .number(IFLA_NUM_RX_QUEUES, 1);
        match end.mac {
            Some(mac) => message.attribute(IFLA_ADDRESS, &mac.0),
            None => message,
        }
    };
    let up = header(0, 0, IFF_UP);
    let message = Message::request(RTM_NEWLINK, CREATE | EXCL, &up);
    let message = end(message, near).number(IFLA_MASTER, master).nest(
        IFLA_LINKINFO,
        |m| {
            m.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |m| {
                m.nest_after(VETH_INFO_PEER, &header(0, 0, 0), |m| {
                    end(m, far).number(IFLA_NET_NS_FD, netns)
                })
            })
        },
    );
    Request::new(format!("create veth {}", near.name), message)
}

/// Sets an interface up.
pub fn set_up(index: u32) -> Request {
    let message = Message::request(RTM_NEWLINK, 0, &header(0, index, IFF_UP));
    Request::new(format!("set interface {index} up"), message)
}

/// Sets an interface up and has it announce its address whenever its
/// hardware address is set.
pub fn set_up_announcing(index: u32) -> Request {
    let message = Message::request(RTM_NEWLINK, 0, &header(0, index, IFF_UP))
        .nest(IFLA_AF_SPEC, |m| announce(m, 1));
    Request::new(format!("set interface {index} up"), message)
}

/// Has an interface tell its neighbours its address (a gratuitous ARP), by
/// setting the hardware address that it has, and ends its announcing.
pub fn announce_mac(index: u32, mac: Mac) -> Request {
    let message = Message::request(RTM_NEWLINK, 0, &header(0, index, 0))
        .attribute(IFLA_ADDRESS, &mac.0)
        .nest(IFLA_AF_SPEC, |m| announce(m, 0));
    Request::new(format!("announce interface {index}"), message)
}

/// Has a bridge's port forward at once, where the kernel would do so a
/// little later, once its own thread saw the carrier.
pub fn forward(port: u32) -> Request {
    let header = header(AF_BRIDGE, port, 0);
    let message = Message::request(RTM_SETLINK, 0, &header)
        .nest(IFLA_PROTINFO, |m| {
            m.attribute(IFLA_BRPORT_STATE, &[BR_STATE_FORWARDING])
        });
    Request::new(format!("forward through interface {port}"), message)
}

/// Deletes an interface; slow (RCU).
pub fn delete(index: u32) -> Request {
    let message = Message::request(RTM_DELLINK, 0, &header(0, index, 0));
    Request::new(format!("delete interface {index}"), message)
}

/// Reads what the kernel says about an interface.
pub fn parse(answer: &[u8]) -> Option<Link> {
    let rest = answer.get(HEADER..)?;
    let mut link = Link {
        index: read_u32(answer, 4)?,
        kind: None,
        peer: None,
        mac: None,
        mtu: 0,
        is_up: read_u32(answer, 8)? & IFF_UP != 0,
    };
    for (kind, value) in attributes(rest) {
        match kind {
            IFLA_MTU => link.mtu = read_u32(value, 0)?,
            IFLA_LINK => link.peer = read_u32(value, 0),
            IFLA_ADDRESS => link.mac = value.try_into().ok().map(Mac),
            IFLA_LINKINFO => {
                link.kind = attribute(value, IFLA_INFO_KIND)
                    .and_then(read_text)
                    .map(str::to_string);
            }
            _ => {}
        }
    }
    Some(link)
}

/// Sets `arp_notify`, by which the kernel itself sends announcements.
fn announce(message: Message, value: u32) -> Message {
    message.nest(AF_INET, |m| {
        m.nest(IFLA_INET_CONF, |m| m.number(IPV4_DEVCONF_ARP_NOTIFY, value))
    })
}

/// `struct ifinfomsg` with one flag set, or none changed.
fn header(family: u8, index: u32, flags: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0] = family;
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    // The mask of the flags to change.
    bytes[12..16].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

/// Reads the family that an answer is about.
pub(super) fn family(answer: &[u8]) -> Option<u16> {
    read_u16(answer, 0).map(|both| both & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        for good in ["skiff0", "br-1234567890ab", "a", "veth0.1"] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a:1", "sixteen-letters-", "é"]
        {
            assert!(!is_valid_name(bad), "{bad:?}");
        }
        let name = random_name();
        assert!(is_valid_name(&name) && name.len() == 11, "{name}");
    }

    #[test]
    fn a_bridge_is_asked_for_byte_for_byte() {
        let mac = Mac([2, 1, 2, 3, 4, 5]);
        let bytes = create_bridge("br0", mac, 1500).message.finish(4, 1);
        #[rustfmt::skip]
        let want = [
            76, 0, 0, 0, 16, 0, 5, 6, 1, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            8, 0, 3, 0, b'b', b'r', b'0', 0,
            10, 0, 1, 0, 2, 1, 2, 3, 4, 5, 0, 0,
            8, 0, 4, 0, 0xdc, 5, 0, 0,
            16, 0, 18, 0x80,
            11, 0, 1, 0, b'b', b'r', b'i', b'd', b'g', b'e', 0, 0,
        ];
        // The kernel's own count stops before the last padding or after
        // it, so only what is said is compared.
        assert_eq!(bytes[4..], want[4..]);
        assert_eq!(usize::from(bytes[0]), want.len());
    }

    #[test]
    fn an_answer_about_an_interface_is_read() {
        let mut answer = header(0, 7, IFF_UP).to_vec();
        answer.extend([10, 0, 1, 0, 2, 1, 2, 3, 4, 5, 0, 0]);
        answer.extend([8, 0, 4, 0, 0xdc, 5, 0, 0]);
        answer.extend([8, 0, 5, 0, 2, 0, 0, 0]);
        answer.extend([16, 0, 18, 0, 9, 0, 1, 0]);
        answer.extend(*b"veth\0\0\0\0");
        let want = Link {
            index: 7,
            kind: Some("veth".to_string()),
            peer: Some(2),
            mac: Some(Mac([2, 1, 2, 3, 4, 5])),
            mtu: 1500,
            is_up: true,
        };
        assert_eq!(parse(&answer), Some(want));
        for cut in 0..answer.len() {
            let _ = parse(&answer[..cut]);
        }
        assert_eq!(parse(&answer[..15]), None);
    }
}
