//! An IPv4 address with the length of its network's prefix, and a
//! hardware address.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::sys::random;

/// An IPv4 address and a prefix length: `172.17.0.1/16`. As a network its
/// host bits are zero ([`Cidr::network`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: Ipv4Addr,
    prefix: u8,
}

impl Cidr {
    /// Makes one; `None` if the prefix is longer than 32.
    pub fn with_prefix(address: Ipv4Addr, prefix: u8) -> Option<Cidr> {
        (prefix <= 32).then_some(Cidr { address, prefix })
    }

    /// Returns the address, host bits included.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Returns the length of the prefix, 0 to 32.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns the network that the address is in.
    pub fn network(&self) -> Cidr {
        Cidr { address: self.first(), ..*self }
    }

    /// Returns the network's first address.
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.address.to_bits() & self.mask())
    }

    /// Returns the network's last address: the broadcast address.
    pub fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.address.to_bits() | !self.mask())
    }

    /// Tells if an address is in the network.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first()..=self.last()).contains(&address)
    }

    /// Tells if two networks share an address.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.first() <= other.last() && other.first() <= self.last()
    }

    fn mask(&self) -> u32 {
        // A shift by all 32 bits is none in Rust, so it is asked for.
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A text that is no address with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Go's words, which Docker's users know.
        write!(f, "invalid CIDR address: {}", self.0)
    }
}

impl std::error::Error for ParseError {}

impl FromStr for Cidr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Cidr, ParseError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            if !prefix.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let address = address.parse().ok()?;
            Cidr::with_prefix(address, prefix.parse().ok()?)
        };
        parse().ok_or_else(|| ParseError(text.to_string()))
    }
}

/// A hardware (MAC) address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Makes up an address of one station, locally administered, as
    /// Docker does since version 28.
    pub fn random() -> Mac {
        let mut bytes = random::bytes::<6>();
        bytes[0] = bytes[0] & 0xfe | 0x02;
        Mac(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Mac, ParseMacError> {
        let parse = || {
            let mut bytes = [0; 6];
            let mut parts = text.split([':', '-']);
            for byte in &mut bytes {
                let part = parts.next().filter(|part| part.len() == 2)?;
                if !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return None;
                }
                *byte = u8::from_str_radix(part, 16).ok()?;
            }
            parts.next().is_none().then_some(Mac(bytes))
        };
        parse().ok_or_else(|| ParseMacError(text.to_string()))
    }
}

/// A text that is no hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseMacError(String);

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address {}: invalid MAC address", self.0)
    }
}

impl std::error::Error for ParseMacError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_have_a_first_and_a_last_address() {
        let net = cidr("172.17.3.4/16");
        assert_eq!(net.network().to_string(), "172.17.0.0/16");
        assert_eq!(net.last(), Ipv4Addr::new(172, 17, 255, 255));
        assert_eq!(cidr("1.2.3.4/0").last(), Ipv4Addr::BROADCAST);
        assert_eq!(cidr("1.2.3.4/0").first(), Ipv4Addr::UNSPECIFIED);
        assert_eq!(cidr("1.2.3.4/32").first(), Ipv4Addr::new(1, 2, 3, 4));
    }

    #[test]
    fn what_is_no_network_is_refused_in_gos_words() {
        for bad in ["", "172.17.0.1", "172.17.0.1/33", "1.2.3/8", "1.2.3.4/+8"]
        {
            assert_eq!(
                bad.parse::<Cidr>().unwrap_err().to_string(),
                format!("invalid CIDR address: {bad}")
            );
        }
    }

    #[test]
    fn overlaps_go_both_ways() {
        let (wide, narrow) = (cidr("172.16.0.0/12"), cidr("172.20.1.0/24"));
        assert!(wide.overlaps(&narrow) && narrow.overlaps(&wide));
        assert!(!cidr("172.17.0.0/16").overlaps(&cidr("172.18.0.0/16")));
        assert!(wide.contains(Ipv4Addr::new(172, 31, 255, 255)));
        assert!(!wide.contains(Ipv4Addr::new(172, 32, 0, 0)));
    }

    #[test]
    fn hardware_addresses_are_local_stations() {
        for _ in 0..50 {
            let mac = Mac::random();
            assert_eq!(mac.0[0] & 3, 2, "{mac}");
            assert_eq!(mac.to_string().parse(), Ok(mac));
        }
        for bad in ["", "8a:4f:eb:82:07", "8a:4f:eb:82:07:be:00", "é:1"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad:?}");
        }
    }
}
