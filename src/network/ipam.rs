//! Address management, pure: which subnet a bridge gets, and which address
//! a container gets in it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::{Cidr, Error, Result};

/// A range from which subnets of one size are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The whole range.
    pub base: Cidr,
    /// The length of a subnet's prefix.
    pub size: u8,
}

/// Docker's default pools in Docker's order: 172.17 to 172.31, a /16 each,
/// then sixteen /20 of 192.168.
pub fn default_pools() -> Vec<Pool> {
    let pool = |a, b, prefix, size| Pool {
        base: Cidr::with_prefix(Ipv4Addr::new(a, b, 0, 0), prefix)
            .expect("the table's prefixes are at most 32"),
        size,
    };
    vec![
        pool(172, 17, 16, 16),
        pool(172, 18, 16, 16),
        pool(172, 19, 16, 16),
        pool(172, 20, 14, 16),
        pool(172, 24, 14, 16),
        pool(172, 28, 14, 16),
        pool(192, 168, 16, 20),
    ]
}

/// Returns the first subnet of the pools that shares no address with any
/// network in use.
pub fn free_subnet(pools: &[Pool], in_use: &[Cidr]) -> Option<Cidr> {
    pools.iter().find_map(|pool| subnet_of(pool, in_use))
}

fn subnet_of(pool: &Pool, in_use: &[Cidr]) -> Option<Cidr> {
    if pool.size < pool.base.prefix() {
        return None;
    }
    let mut next = pool.base.first();
    loop {
        let subnet = Cidr::with_prefix(next, pool.size)?;
        if subnet.last() > pool.base.last() {
            return None;
        }
        let Some(taken) = in_use.iter().find(|net| net.overlaps(&subnet))
        else {
            return Some(subnet);
        };
        // Go on behind whichever ends later, so that one wide network does
        // not cost a step for each small subnet in it.
        let behind = subnet.last().max(taken.last()).to_bits();
        let behind = Ipv4Addr::from(behind.checked_add(1)?);
        let aligned = Cidr::with_prefix(behind, pool.size)?;
        next = match aligned.first() == behind {
            true => behind,
            false => aligned.last().to_bits().checked_add(1)?.into(),
        };
    }
}

/// The addresses of one subnet that are given away.
#[derive(Debug)]
pub struct Ipam {
    subnet: Cidr,
    used: BTreeSet<Ipv4Addr>,
}

impl Ipam {
    /// Begins with the network's own two addresses and the gateway used.
    pub fn new(subnet: Cidr, gateway: Ipv4Addr) -> Ipam {
        let subnet = subnet.network();
        let used = BTreeSet::from([subnet.first(), gateway, subnet.last()]);
        Ipam { subnet, used }
    }

    /// Gives away the preferred address, or else the lowest free one.
    pub fn allocate(
        &mut self,
        preferred: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr> {
        let address = match preferred {
            Some(address) if !self.subnet.contains(address) => {
                return Err(Error::OutsideSubnet(address, self.subnet));
            }
            Some(address) if self.used.contains(&address) => {
                return Err(Error::AddressTaken(address));
            }
            Some(address) => address,
            None => self.lowest().ok_or(Error::PoolExhausted(self.subnet))?,
        };
        self.used.insert(address);
        Ok(address)
    }

    /// Takes an address back. The network's own are never given away, and
    /// releasing one that is free does nothing.
    pub fn release(&mut self, address: Ipv4Addr, gateway: Ipv4Addr) {
        let own = [self.subnet.first(), self.subnet.last(), gateway];
        if !own.contains(&address) {
            self.used.remove(&address);
        }
    }

    fn lowest(&self) -> Option<Ipv4Addr> {
        // The used addresses are in order: the first that is not one more
        // than its forerunner leaves a gap.
        let mut next = self.subnet.first().to_bits();
        for used in &self.used {
            if used.to_bits() > next {
                break;
            }
            next = used.to_bits().checked_add(1)?;
        }
        let free = Ipv4Addr::from(next);
        self.subnet.contains(free).then_some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn pick(in_use: &[&str]) -> Option<String> {
        let in_use: Vec<Cidr> = in_use.iter().map(|net| cidr(net)).collect();
        free_subnet(&default_pools(), &in_use).map(|net| net.to_string())
    }

    #[test]
    fn the_first_subnet_is_dockers() {
        assert_eq!(pick(&[]).as_deref(), Some("172.17.0.0/16"));
    }

    #[test]
    fn subnets_in_use_are_passed_over() {
        for (in_use, want) in [
            (&["172.17.0.0/16"][..], "172.18.0.0/16"),
            (&["172.17.42.1/32", "172.18.0.0/24"], "172.19.0.0/16"),
            (&["172.17.0.0/16", "172.16.0.0/13"], "172.24.0.0/16"),
            (
                &["172.17.0.0/16", "172.18.0.0/15", "172.20.9.9/32"],
                "172.21.0.0/16",
            ),
            (&["172.16.0.0/12"], "192.168.0.0/20"),
            (&["172.16.0.0/12", "192.168.1.0/24"], "192.168.16.0/20"),
            (&["10.0.0.0/8", "172.0.0.0/8"], "192.168.0.0/20"),
        ] {
            assert_eq!(pick(in_use).as_deref(), Some(want), "{in_use:?}");
        }
        assert_eq!(pick(&["0.0.0.0/0"]), None);
        assert_eq!(pick(&["172.16.0.0/12", "192.168.0.0/16"]), None);
    }

    #[test]
    fn the_pools_hold_thirty_one_subnets() {
        let mut in_use = Vec::new();
        while let Some(net) = free_subnet(&default_pools(), &in_use) {
            assert_eq!(net, net.network());
            in_use.push(net);
        }
        assert_eq!(in_use.len(), 31);
        assert_eq!(in_use[14].to_string(), "172.31.0.0/16");
        assert_eq!(in_use[30].to_string(), "192.168.240.0/20");
    }

    #[test]
    fn pools_at_the_edges_do_not_overflow() {
        let pool = |base, size| [Pool { base: cidr(base), size }];
        let top = pool("255.255.255.0/24", 25);
        let used = [cidr("255.255.255.0/25"), cidr("255.255.255.128/25")];
        assert_eq!(free_subnet(&top, &used[..1]), Some(used[1]));
        assert_eq!(free_subnet(&top, &used), None);
        assert_eq!(free_subnet(&pool("10.0.0.0/16", 8), &[]), None);
        assert_eq!(free_subnet(&pool("10.0.0.0/16", 40), &[]), None);
        // Sixteen million subnets behind one wide network: one step.
        let wide = pool("10.0.0.0/8", 32);
        let next = free_subnet(&wide, &[cidr("10.0.0.0/9")]).unwrap();
        assert_eq!(next, cidr("10.128.0.0/32"));
    }

    fn ipam(net: &str) -> (Ipam, Ipv4Addr) {
        let gateway = cidr(net).address();
        (Ipam::new(cidr(net), gateway), gateway)
    }

    #[test]
    fn the_lowest_free_address_comes_next() {
        let (mut ipam, gateway) = ipam("172.17.0.1/16");
        let ip = |last| Ipv4Addr::new(172, 17, 0, last);
        assert_eq!(ipam.allocate(None), Ok(ip(2)));
        assert_eq!(ipam.allocate(None), Ok(ip(3)));
        assert_eq!(ipam.allocate(Some(ip(5))), Ok(ip(5)));
        ipam.release(ip(2), gateway);
        assert_eq!(ipam.allocate(None), Ok(ip(2)));
        assert_eq!(ipam.allocate(None), Ok(ip(4)));
        assert_eq!(ipam.allocate(None), Ok(ip(6)));
    }

    #[test]
    fn taken_and_foreign_addresses_are_refused() {
        let (mut ipam, gateway) = ipam("172.17.0.1/16");
        let taken = Err(Error::AddressTaken(gateway));
        assert_eq!(ipam.allocate(Some(gateway)), taken);
        ipam.release(gateway, gateway);
        assert_eq!(ipam.allocate(Some(gateway)), taken);
        let other = Ipv4Addr::new(10, 0, 0, 1);
        assert!(matches!(
            ipam.allocate(Some(other)),
            Err(Error::OutsideSubnet(..))
        ));
    }

    #[test]
    fn a_full_subnet_says_so_until_one_is_released() {
        let (mut ipam, gateway) = ipam("10.9.8.254/29");
        let ips: Vec<_> = (0..5).map(|_| ipam.allocate(None)).collect();
        assert!(ips.iter().all(|ip| ip.is_ok()), "{ips:?}");
        let full = Err(Error::PoolExhausted(cidr("10.9.8.248/29")));
        assert_eq!(ipam.allocate(None), full);
        let freed = Ipv4Addr::new(10, 9, 8, 251);
        ipam.release(freed, gateway);
        assert_eq!(ipam.allocate(None), Ok(freed));
    }

    #[test]
    fn the_smallest_subnets_have_no_room() {
        for net in ["10.0.0.1/32", "10.0.0.1/31", "255.255.255.255/32"] {
            let (mut ipam, _) = ipam(net);
            assert!(ipam.allocate(None).is_err(), "{net}");
        }
    }
}
