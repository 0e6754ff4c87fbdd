//! A bridge network: its interface on the host, its subnet, and the pairs
//! that tie containers to it.

use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use log::debug;

use super::conversation::Conversation;
use super::ipam::{self, Ipam};
use super::link::{self, End, Link};
use super::{Cidr, Error, Lease, Mac, Result, Settings, route};
use crate::sys::netlink::{Family, Socket};
use crate::sys::netns;

/// The interface's name inside a container.
const INSIDE: &str = "eth0";

/// How often, and after which pause, a port is asked to forward.
const SETTLE_TRIES: u32 = 20;
const SETTLE_PAUSE: Duration = Duration::from_micros(200);

/// An open bridge network; shared by reference between threads.
#[derive(Debug)]
pub struct Bridge {
    name: String,
    index: u32,
    mtu: u32,
    /// The bridge's own address: the containers' gateway.
    address: Cidr,
    /// Which addresses are given away; held only for moments.
    ipam: Mutex<Ipam>,
}

impl Bridge {
    /// Makes the bridge that the settings name, or adopts it if it is
    /// there: then also its address, unless the settings fix one (`bip`).
    /// A new one gets the first subnet of the pools that shares no address
    /// with `in_use` ([`route::in_use`]).
    ///
    /// Works in the calling thread's network namespace.
    pub fn open(settings: &Settings, in_use: &[Cidr]) -> Result<Bridge> {
        let name = &settings.bridge;
        if !link::is_valid_name(name) {
            return Err(Error::BadName(name.clone()));
        }
        let mut talk = Conversation::open()?;
        let link = find_or_create(&mut talk, settings)?;
        let present = route::addresses(&mut talk, link.index)?;
        let address = match (settings.bip, present.first()) {
            (Some(bip), _) => bip,
            (None, Some(address)) => *address,
            (None, None) => {
                let subnet = ipam::free_subnet(&settings.pools, in_use)
                    .ok_or(Error::NoSubnet)?;
                first_host(subnet).ok_or(Error::NoSubnet)?
            }
        };
        let mut requests = Vec::new();
        if !present.contains(&address) {
            let old = present.iter().copied();
            requests
                .extend(old.map(|old| route::remove_address(link.index, old)));
            requests.push(route::add_address(link.index, address));
        }
        if !link.is_up {
            requests.push(link::set_up(link.index));
        }
        if !requests.is_empty() {
            talk.ask(requests)?;
        }
        debug!("bridge {name} has {address}");
        Ok(Bridge {
            name: name.clone(),
            index: link.index,
            mtu: settings.mtu,
            address,
            ipam: Mutex::new(Ipam::new(address, address.address())),
        })
    }

    /// Returns the interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the network: `172.17.0.0/16`.
    pub fn subnet(&self) -> Cidr {
        self.address.network()
    }

    /// Returns the bridge's own address, the containers' gateway.
    pub fn gateway(&self) -> Ipv4Addr {
        self.address.address()
    }

    /// Returns the length of the network's prefix.
    pub fn prefix(&self) -> u8 {
        self.address.prefix()
    }

    /// Returns the longest packet that containers may send, in bytes.
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Gives away the preferred address or else the lowest free one, with
    /// a new hardware address.
    pub fn allocate(&self, preferred: Option<Ipv4Addr>) -> Result<Lease> {
        let ip = self.ipam().allocate(preferred)?;
        Ok(Lease {
            ip,
            prefix: self.prefix(),
            gateway: self.gateway(),
            mac: Mac::random(),
        })
    }

    /// Marks an address as given away: that of a container which ran while
    /// the daemon was not there.
    pub fn reserve(&self, ip: Ipv4Addr) -> Result<()> {
        self.ipam().allocate(Some(ip)).map(|_| ())
    }

    /// Takes an address back; one that is free stays free.
    pub fn release(&self, ip: Ipv4Addr) {
        self.ipam().release(ip, self.gateway());
    }

    /// Ties the namespace `netns` to the bridge: a pair of `host_name`
    /// ([`link::random_name`]) here and `eth0` there, with the lease's
    /// addresses and the default route. The calling thread stays in its
    /// namespace, which must be the one that the bridge is in.
    ///
    /// After an error nothing is taken back: what was made goes with the
    /// namespace, so the caller ends that.
    pub fn attach(
        &self,
        lease: &Lease,
        netns: BorrowedFd<'_>,
        host_name: &str,
    ) -> Result<()> {
        if !link::is_valid_name(host_name) {
            return Err(Error::BadName(host_name.to_string()));
        }
        let mut here = Conversation::open()?;
        let near = End { name: host_name, mac: None };
        let far = End { name: INSIDE, mac: Some(lease.mac) };
        let pair = link::create_veth(near, far, netns, self.index, self.mtu);
        // A socket stays in the namespace in which it was opened, so only
        // the opening needs a thread that moves there.
        let (there, answers) = netns::inside_while(
            netns,
            || Socket::open(Family::Route),
            || here.ask(vec![pair, link::get(host_name)]),
        );
        let (there, answers) = (there??, answers?);
        let near = answers.last().and_then(|answer| link::parse(answer));
        let (near, far) = near
            .and_then(|link| Some((link.index, link.peer?)))
            .ok_or_else(|| Error::Malformed(format!("find {host_name}")))?;
        let mut there = Conversation::over(there);
        let address = Cidr::with_prefix(lease.ip, lease.prefix)
            .ok_or(Error::OutsideSubnet(lease.ip, self.subnet()))?;
        there.ask(vec![
            link::set_up_announcing(far),
            route::add_address(far, address),
            route::add_default(far, lease.gateway.into()),
        ])?;
        self.settle(&mut here, near, host_name);
        // Who still knows this address from a container before must learn
        // the new hardware address now.
        there.tell(link::announce_mac(far, lease.mac))?;
        Ok(())
    }

    /// Deletes the interface. Containers that are tied to it lose their
    /// network.
    pub fn remove(&self) -> Result<()> {
        Conversation::open()?.tell(link::delete(self.index)).map(|_| ())
    }

    /// Has the port forward. The kernel's own thread does that a little
    /// after it saw the carrier, and what is sent until then is lost. To be
    /// asked for an interface makes a kernel from 6.8 catch up at once; an
    /// older one is given the moment that it needs.
    ///
    /// A bridge that was adopted may run a spanning tree and forwards when
    /// that allows; so in the end this is never an error.
    fn settle(&self, here: &mut Conversation, port: u32, port_name: &str) {
        for _ in 0..SETTLE_TRIES {
            let settled = here.ask(vec![
                link::get(port_name),
                link::forward(port),
                link::get(&self.name),
            ]);
            match settled {
                Err(error) if error.is_network_down() => {
                    std::thread::sleep(SETTLE_PAUSE);
                }
                Err(error) => {
                    debug!("{error}");
                    break;
                }
                Ok(_) => break,
            }
        }
    }

    fn ipam(&self) -> MutexGuard<'_, Ipam> {
        // Each change is one step, so what a panicking thread left is whole.
        self.ipam.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Finds the bridge or makes it; an interface of another kind is an error.
fn find_or_create(
    talk: &mut Conversation,
    settings: &Settings,
) -> Result<Link> {
    let name = &settings.bridge;
    let link = match link::find(talk, name)? {
        Some(link) => link,
        None => {
            let mac = Mac::random();
            talk.tell(link::create_bridge(name, mac, settings.mtu))?;
            link::find(talk, name)?
                .ok_or_else(|| Error::Malformed(format!("find {name}")))?
        }
    };
    match link.kind.as_deref() {
        Some("bridge") => Ok(link),
        _ => Err(Error::NotABridge(name.clone())),
    }
}

/// Returns the first address of a subnet that is not the network's own.
fn first_host(subnet: Cidr) -> Option<Cidr> {
    let first = subnet.first().to_bits().checked_add(1)?;
    Cidr::with_prefix(first.into(), subnet.prefix())
        .filter(|host| host.address() < subnet.last())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Instant;

    use super::*;

    const WAIT: Duration = Duration::from_secs(5);

    /// Runs a test on a thread in a network namespace of its own, which is
    /// gone with all that is in it when the test ends.
    fn in_new_namespace(test: impl FnOnce() + Send + 'static) {
        let thread = std::thread::spawn(|| match netns::unshare() {
            Err(error) => println!("skipped: {error}"),
            Ok(_) => {
                let mut talk = Conversation::open().unwrap();
                talk.tell(link::set_up(1)).unwrap();
                test();
            }
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }

    /// A namespace as a container has it: its loopback is up.
    fn container() -> OwnedFd {
        std::thread::spawn(|| {
            let netns = netns::unshare().unwrap();
            let mut talk = Conversation::open().unwrap();
            talk.tell(link::set_up(1)).unwrap();
            netns
        })
        .join()
        .unwrap()
    }

    fn settings() -> Settings {
        Settings { bridge: "skifftest0".to_string(), ..Settings::default() }
    }

    fn attached(bridge: &Bridge) -> (Lease, OwnedFd) {
        let (lease, netns) = (bridge.allocate(None).unwrap(), container());
        bridge.attach(&lease, netns.as_fd(), &link::random_name()).unwrap();
        (lease, netns)
    }

    fn listen(netns: &OwnedFd, ip: Ipv4Addr) -> TcpListener {
        let bind = || TcpListener::bind((ip, 0)).unwrap();
        netns::inside(netns.as_fd(), bind).unwrap()
    }

    /// Connects and has a byte go there and come back.
    fn exchange(listener: &TcpListener, mut near: TcpStream) {
        near.set_read_timeout(Some(WAIT)).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"x").unwrap();
        let mut byte = [0];
        far.read_exact(&mut byte).unwrap();
        far.write_all(&byte).unwrap();
        near.read_exact(&mut byte).unwrap();
    }

    fn connect(address: SocketAddr) -> TcpStream {
        TcpStream::connect_timeout(&address, WAIT).unwrap()
    }

    #[test]
    fn a_bridge_is_made_once_and_adopted_afterwards() {
        in_new_namespace(|| {
            let in_use = ["172.17.0.0/16".parse().unwrap()];
            let first = Bridge::open(&settings(), &in_use).unwrap();
            assert_eq!(first.subnet().to_string(), "172.18.0.0/16");
            assert_eq!(first.gateway(), Ipv4Addr::new(172, 18, 0, 1));
            // The next time other networks are in use, its own among them.
            let second =
                Bridge::open(&settings(), &route::in_use().unwrap()).unwrap();
            assert_eq!(second.index, first.index);
            assert_eq!(second.subnet(), first.subnet());
            let mut talk = Conversation::open().unwrap();
            let link = link::find(&mut talk, first.name()).unwrap().unwrap();
            assert!(link.is_up);
            second.remove().unwrap();
            assert_eq!(link::find(&mut talk, first.name()), Ok(None));
        });
    }

    #[test]
    fn a_fixed_address_replaces_the_one_that_is_there() {
        in_new_namespace(|| {
            Bridge::open(&settings(), &[]).unwrap();
            let bip = "10.9.0.1/24".parse().ok();
            let fixed = Settings { bip, ..settings() };
            let bridge = Bridge::open(&fixed, &[]).unwrap();
            assert_eq!(bridge.subnet().to_string(), "10.9.0.0/24");
            let mut talk = Conversation::open().unwrap();
            let now = route::addresses(&mut talk, bridge.index).unwrap();
            assert_eq!(now, [bip.unwrap()]);
            let used = route::in_use().unwrap();
            assert!(used.contains(&bridge.subnet()), "{used:?}");
        });
    }

    #[test]
    fn an_interface_that_is_no_bridge_is_refused() {
        in_new_namespace(|| {
            let open = |name: &str| {
                let bridge = name.to_string();
                Bridge::open(&Settings { bridge, ..settings() }, &[])
                    .unwrap_err()
            };
            assert_eq!(open("lo"), Error::NotABridge("lo".to_string()));
            assert_eq!(open("a/b"), Error::BadName("a/b".to_string()));
        });
    }

    #[test]
    fn containers_reach_each_other_and_the_host() {
        in_new_namespace(|| {
            let bridge = Bridge::open(&settings(), &[]).unwrap();
            let (a, a_ns) = attached(&bridge);
            let (b, b_ns) = attached(&bridge);
            assert_eq!(a.ip, Ipv4Addr::new(172, 17, 0, 2));
            assert_eq!(b.ip, Ipv4Addr::new(172, 17, 0, 3));
            let at_b = listen(&b_ns, b.ip);
            let to_b = at_b.local_addr().unwrap();
            let near = netns::inside(a_ns.as_fd(), || connect(to_b)).unwrap();
            exchange(&at_b, near);
            exchange(&at_b, connect(to_b));
            let here = TcpListener::bind((bridge.gateway(), 0)).unwrap();
            let to_here = here.local_addr().unwrap();
            let near =
                netns::inside(b_ns.as_fd(), || connect(to_here)).unwrap();
            exchange(&here, near);
        });
    }

    #[test]
    fn a_container_has_its_address_its_name_and_a_default_route() {
        in_new_namespace(|| {
            let bridge = Bridge::open(&settings(), &[]).unwrap();
            let (lease, netns) = attached(&bridge);
            let (link, addresses, routes) =
                netns::inside(netns.as_fd(), || {
                    let mut talk = Conversation::open().unwrap();
                    let link = link::find(&mut talk, "eth0").unwrap().unwrap();
                    let index = link.index;
                    let text = "/proc/thread-self/net/route";
                    (
                        link,
                        route::addresses(&mut talk, index).unwrap(),
                        std::fs::read_to_string(text).unwrap(),
                    )
                })
                .unwrap();
            assert!(link.is_up);
            assert_eq!((link.mac, link.mtu), (Some(lease.mac), 1500));
            assert_eq!(addresses.len(), 1);
            assert_eq!(addresses[0].to_string(), "172.17.0.2/16");
            // Destination 0 through 172.17.0.1, in the kernel's byte order.
            assert!(routes.contains("eth0\t00000000\t010011AC"), "{routes}");
        });
    }

    #[test]
    fn a_successor_at_the_same_address_is_reached_at_once() {
        in_new_namespace(|| {
            let bridge = Bridge::open(&settings(), &[]).unwrap();
            let (other, other_ns) = attached(&bridge);
            let mut macs = Vec::new();
            for _ in 0..3 {
                let (lease, netns) = attached(&bridge);
                assert_ne!(lease.ip, other.ip);
                let at = listen(&netns, lease.ip);
                let to = at.local_addr().unwrap();
                // Both now hold the hardware address in their caches.
                let begin = Instant::now();
                exchange(&at, connect(to));
                let near =
                    netns::inside(other_ns.as_fd(), || connect(to)).unwrap();
                exchange(&at, near);
                assert!(begin.elapsed() < Duration::from_millis(900));
                macs.push(lease.mac);
                bridge.release(lease.ip);
            }
            assert_ne!(macs[0], macs[1]);
        });
    }

    #[test]
    fn a_name_that_is_taken_is_an_error_in_the_kernels_words() {
        in_new_namespace(|| {
            let bridge = Bridge::open(&settings(), &[]).unwrap();
            let (lease, netns) = (bridge.allocate(None).unwrap(), container());
            bridge.attach(&lease, netns.as_fd(), "vethsame").unwrap();
            let other = container();
            let error = bridge
                .attach(&lease, other.as_fd(), "vethsame")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("netlink(create veth vethsame): EEXIST"),
                "{error}"
            );
            // Not a namespace at all.
            let null = std::fs::File::open("/dev/null").unwrap();
            bridge.attach(&lease, null.as_fd(), "vethnull").unwrap_err();
        });
    }

    #[test]
    fn attaching_is_quick() {
        in_new_namespace(|| {
            let bridge = Bridge::open(&settings(), &[]).unwrap();
            let mut times = Vec::new();
            let mut connects = Vec::new();
            // Kept, as the kernel's clearing away would be measured too.
            let mut kept = Vec::new();
            for _ in 0..40 {
                let (lease, netns) =
                    (bridge.allocate(None).unwrap(), container());
                let at = listen(&netns, Ipv4Addr::UNSPECIFIED);
                let name = link::random_name();
                let begin = Instant::now();
                bridge.attach(&lease, netns.as_fd(), &name).unwrap();
                times.push(begin.elapsed());
                let port = at.local_addr().unwrap().port();
                let begin = Instant::now();
                drop(connect((lease.ip, port).into()));
                connects.push(begin.elapsed());
                kept.push((netns, at));
            }
            times.sort();
            connects.sort();
            println!(
                "attach: median {:?}, worst {:?}; first connect: median \
                 {:?}, worst {:?}",
                times[20], times[39], connects[20], connects[39]
            );
            // Far above what is usual, for machines under load.
            assert!(times[20] < Duration::from_millis(20), "{times:?}");
        });
    }
}
