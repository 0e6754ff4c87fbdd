//! What systemd is told, by a socket of the test's own.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Daemon, SOON, host, until};

struct Systemd(UnixDatagram);

impl Systemd {
    /// Listens where the daemon is to tell.
    fn of(daemon: &mut Daemon) -> Systemd {
        let path = daemon.directory.join("notify");
        let socket = UnixDatagram::bind(&path).expect("/tmp takes a socket");
        daemon.environment("NOTIFY_SOCKET", path.to_str().expect("UTF-8"));
        Systemd::over(socket)
    }

    fn over(socket: UnixDatagram) -> Systemd {
        socket.set_read_timeout(Some(SOON)).expect("a time-out");
        Systemd(socket)
    }

    #[track_caller]
    fn hears(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.0.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

fn monotonic() -> u128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32).as_micros()
}

#[test]
fn it_hears_of_every_state_of_the_daemon() {
    let mut daemon = Daemon::prepare(&[]);
    let systemd = Systemd::of(&mut daemon);
    daemon.launch();
    assert_eq!(systemd.hears(), "READY=1");
    let before = monotonic();
    host::signal(daemon.pid(), Signal::HUP);
    let reloading = systemd.hears();
    let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let at: u128 = at.and_then(|at| at.parse().ok()).expect(&reloading);
    assert!((before..=monotonic()).contains(&at), "{reloading}");
    assert_eq!(systemd.hears(), "READY=1");
    daemon.get("/_ping").is(200);
    assert!(daemon.terminate().success());
    assert_eq!(systemd.hears(), "STOPPING=1");
}

#[test]
fn it_hears_before_the_first_client_is_served() {
    let mut daemon = Daemon::prepare(&[]);
    let systemd = Systemd::of(&mut daemon);
    // While its queue is full nothing can be told.
    let filler = UnixDatagram::unbound().expect("a socket");
    filler.set_nonblocking(true).expect("a flag");
    let path = daemon.directory.join("notify");
    while filler.send_to(b"filler", &path).is_ok() {}
    daemon.launch_only();
    let socket = daemon.socket();
    until("the socket", || {
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    let mut early = daemon.wire();
    early.send("GET", "/_ping", &[], None);
    assert!(early.is_quiet_for(Duration::from_millis(500)));
    until("READY=1", || (systemd.hears() == "READY=1").then_some(()));
    assert_eq!(early.head().status, 200);
}

#[test]
fn its_socket_can_be_abstract_and_its_watchdog_is_fed() {
    let mut daemon = Daemon::prepare(&[]);
    let name = format!("skt-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = UnixDatagram::bind_addr(&address).expect("a socket");
    let systemd = Systemd::over(socket);
    daemon.environment("NOTIFY_SOCKET", &format!("@{name}"));
    daemon.environment("WATCHDOG_USEC", "100000");
    daemon.launch();
    assert_eq!(systemd.hears(), "READY=1");
    for _ in 0..3 {
        assert_eq!(systemd.hears(), "WATCHDOG=1");
    }
    assert!(daemon.terminate().success());
    until("the end", || match systemd.hears().as_str() {
        "WATCHDOG=1" => None,
        other => {
            assert_eq!(other, "STOPPING=1");
            Some(())
        }
    });
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let mut daemon = Daemon::prepare(&[]);
    let systemd = Systemd::of(&mut daemon);
    daemon.environment("WATCHDOG_USEC", "1000");
    daemon.environment("WATCHDOG_PID", "1");
    daemon.launch();
    assert_eq!(systemd.hears(), "READY=1");
    let names = host::threads(daemon.pid());
    assert!(names.iter().all(|name| name != "watchdog"), "{names:?}");
}
