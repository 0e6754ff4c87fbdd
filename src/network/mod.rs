//! Networks of containers: bridges, addresses, and the files that tell a
//! container about its network. Speaks netlink itself; no helper program.
//!
//! ```text
//! bridge ── ipam, cidr                         pure
//!    │ └─── link, route ── message             pure
//!    └───── conversation ── sys::netlink       the kernel
//! files                                        pure
//! ```
//!
//! Attaching a container, in order (`here` is the host's namespace, `there`
//! the container's):
//!
//! 1. here: make the pair, its far end already there, its near end up and
//!    a port of the bridge;
//! 2. there: set `eth0` up, give it its address and the default route;
//! 3. here: let the port forward;
//! 4. there: announce the address to who may know it from before.
//!
//! A pair is never moved and never deleted: it dies with the container's
//! namespace.

pub mod bridge;
pub mod cidr;
pub mod conversation;
pub mod counters;
pub mod files;
pub mod ipam;
pub mod link;
pub mod message;
pub mod resolv;
pub mod route;

use std::fmt;
use std::net::Ipv4Addr;

use crate::sys;

pub use bridge::Bridge;
pub use cidr::{Cidr, Mac};
pub use ipam::{Pool, default_pools};
pub use link::random_name;
pub use route::in_use;

/// How the default bridge is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interface's name.
    pub bridge: String,
    /// The interface's address, if it is fixed.
    pub bip: Option<Cidr>,
    /// The longest packet, in bytes.
    pub mtu: u32,
    /// Where a subnet is taken from.
    pub pools: Vec<Pool>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            bridge: "skiff0".to_string(),
            bip: None,
            mtu: 1500,
            pools: default_pools(),
        }
    }
}

/// What a container is given on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its address.
    pub ip: Ipv4Addr,
    /// The length of the network's prefix.
    pub prefix: u8,
    /// Where its default route goes.
    pub gateway: Ipv4Addr,
    /// Its hardware address; another may be put in before it is attached.
    pub mac: Mac,
}

/// Which network a container asks for (`HostConfig.NetworkMode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only the loopback interface.
    None,
    /// The host's network.
    Host,
    /// The default bridge.
    Bridge,
    /// The network of another container, by name or id.
    Container(String),
    /// A network of the user's, by name or id.
    Named(String),
}

impl Mode {
    /// Reads Docker's words; empty and `default` mean the bridge.
    pub fn parse(text: &str) -> Mode {
        match text {
            "none" => Mode::None,
            "host" => Mode::Host,
            "" | "default" | "bridge" => Mode::Bridge,
            _ => match text.strip_prefix("container:") {
                Some(other) => Mode::Container(other.to_string()),
                None => Mode::Named(text.to_string()),
            },
        }
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A system call.
    Sys(sys::Error),
    /// The kernel refused a request, perhaps with words of its own.
    Kernel {
        /// The request and its errno.
        cause: sys::Error,
        /// The kernel's words.
        detail: Option<String>,
    },
    /// The kernel's answer to a request is not one.
    Malformed(String),
    /// No interface can have this name.
    BadName(String),
    /// There is an interface of this name which is no bridge.
    NotABridge(String),
    /// All subnets of the pools are in use.
    NoSubnet,
    /// All addresses of a subnet are given away.
    PoolExhausted(Cidr),
    /// This address is given away.
    AddressTaken(Ipv4Addr),
    /// This address is not in the subnet.
    OutsideSubnet(Ipv4Addr, Cidr),
}

/// The result of a step.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Tells if the kernel knows no such interface.
    fn is_absence(&self) -> bool {
        const ENODEV: i32 = 19;
        self.has_errno(ENODEV)
    }

    /// Tells if the kernel wants the interface to have a carrier first.
    fn is_network_down(&self) -> bool {
        const ENETDOWN: i32 = 100;
        self.has_errno(ENETDOWN)
    }

    fn has_errno(&self, errno: i32) -> bool {
        matches!(self, Error::Kernel { cause, .. } if cause.errno() == errno)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Sys(cause) => cause.fmt(f),
            Error::Kernel { cause, detail: None } => cause.fmt(f),
            Error::Kernel { cause, detail: Some(words) } => {
                write!(f, "{cause} ({words})")
            }
            Error::Malformed(action) => {
                write!(f, "netlink({action}): the answer is malformed")
            }
            Error::BadName(name) => {
                write!(f, "{name:?} cannot be an interface's name")
            }
            Error::NotABridge(name) => {
                write!(f, "interface {name} exists and is not a bridge")
            }
            Error::NoSubnet => f.write_str(
                "all predefined address pools have been fully subnetted",
            ),
            Error::PoolExhausted(subnet) => write!(
                f,
                "no available IPv4 addresses on this network's address \
                 pools: {subnet}"
            ),
            Error::AddressTaken(_) => f.write_str("Address already in use"),
            Error::OutsideSubnet(ip, subnet) => write!(
                f,
                "no configured subnet contains IP address {ip} ({subnet})"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Sys(cause) | Error::Kernel { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

impl From<sys::Error> for Error {
    fn from(cause: sys::Error) -> Error {
        Error::Sys(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_modes_are_dockers() {
        for (text, mode) in [
            ("", Mode::Bridge),
            ("default", Mode::Bridge),
            ("bridge", Mode::Bridge),
            ("none", Mode::None),
            ("host", Mode::Host),
            ("container:web", Mode::Container("web".to_string())),
            ("net1", Mode::Named("net1".to_string())),
        ] {
            assert_eq!(Mode::parse(text), mode, "{text}");
        }
    }

    #[test]
    fn the_kernels_words_stand_behind_the_errno() {
        let error = Error::Kernel {
            cause: sys::Error::new("netlink(create veth1)", 17),
            detail: Some("it is there".to_string()),
        };
        assert_eq!(
            error.to_string(),
            "netlink(create veth1): EEXIST (it is there)"
        );
    }
}
