//! Where the daemon listens: addresses, sockets that it inherits, the life
//! of a Unix socket, and what becomes of it all when something fails.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::Shutdown;

use crate::harness::{Daemon, Wire, until};

/// A daemon that is given a Unix and a TCP socket, at 3 and 4.
fn with_passed(flag: &str) -> (Daemon, PathBuf, SocketAddr) {
    let mut daemon = Daemon::prepare(&["-H", flag]);
    let path = daemon.directory.join("passed.sock");
    let unix = UnixListener::bind(&path).expect("a socket");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = tcp.local_addr().expect("it is bound");
    daemon.pass("web:api", vec![unix.into(), tcp.into()]);
    (daemon, path, at)
}

/// Starts a daemon that must refuse; what it says.
#[track_caller]
fn refusal(mut daemon: Daemon) -> String {
    daemon.launch_only();
    let status = daemon.ended();
    let log = daemon.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!daemon.socket().exists(), "its socket stayed: {log}");
    assert!(!daemon.directory.join("pid").exists(), "the pid file stayed");
    log
}

fn refusal_of(host: &str) -> String {
    refusal(Daemon::prepare(&["-H", host]))
}

fn pings(wire: &mut Wire) {
    wire.exchange("GET", "/_ping", &[], None).is(200);
}

/// The addresses that the daemon says it listens on.
fn listened_on(log: &str) -> Vec<&str> {
    let lines = log.lines();
    let said = lines.filter_map(|line| line.split_once("API listen on "));
    said.map(|(_, address)| address).collect()
}

#[test]
fn inherited_sockets_are_served_and_outlive_the_daemon() {
    let (mut daemon, path, at) = with_passed("fd://*");
    daemon.launch();
    pings(&mut Wire::unix(&path));
    pings(&mut Wire::at(at));
    let log = daemon.log();
    let shown = format!("unix://{}", path.display());
    assert!(listened_on(&log).contains(&shown.as_str()), "{log}");
    // No program that the daemon starts gets them.
    for fd in [3, 4] {
        let info = format!("/proc/{}/fdinfo/{fd}", daemon.pid());
        let info = fs::read_to_string(info).expect("it is open");
        let flags = info.lines().find_map(|l| l.strip_prefix("flags:"));
        let flags = flags.expect("flags").trim();
        let flags = i32::from_str_radix(flags, 8).expect("octal");
        assert_eq!(flags & 0o2_000_000, 0o2_000_000, "fd {fd}");
    }
    assert!(daemon.terminate().success());
    assert!(!daemon.socket().exists(), "its own socket stayed");
    // A client who comes now is the next daemon's.
    let mut early = Wire::unix(&path);
    let mut over_tcp = Wire::at(at);
    early.send("GET", "/_ping", &[], None);
    over_tcp.send("GET", "/_ping", &[], None);
    daemon.launch();
    assert_eq!(early.head().status, 200);
    assert_eq!(over_tcp.head().status, 200);
}

#[test]
fn one_inherited_socket_is_taken_by_number_or_by_name() {
    for flag in ["fd://4", "fd://api"] {
        let (mut daemon, path, at) = with_passed(flag);
        daemon.launch();
        pings(&mut Wire::at(at));
        let mut other = Wire::unix(&path);
        other.send("GET", "/_ping", &[], None);
        assert!(other.is_quiet_for(Duration::from_millis(100)), "{flag}");
    }
}

#[test]
fn without_usable_inherited_sockets_it_says_why() {
    let nothing = "no sockets found via socket activation: make sure the \
                   service was started by systemd";
    assert!(refusal_of("fd://").contains(nothing));
    let passing = |host: &str, fd: OwnedFd| {
        let mut daemon = Daemon::prepare(&["-H", host]);
        daemon.pass("", vec![fd]);
        daemon
    };
    let listener = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut foreign = passing("fd://", listener().into());
    foreign.pass_to("1");
    let log = refusal(foreign);
    assert!(log.contains(nothing), "{log}");
    assert!(log.contains("LISTEN_PID is \"1\", but this is process"), "{log}");
    let file = fs::File::open("/dev/null").expect("/dev/null");
    let packets = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (pair, _other) = std::os::unix::net::UnixStream::pair().expect("two");
    for (host, fd, why) in [
        ("fd://", file.into(), "fd 3: it is no socket"),
        ("fd://*", packets.into(), "fd 3: it is no stream socket"),
        ("fd://3", pair.into(), "fd 3: it does not listen"),
        (
            "fd://4",
            listener().into(),
            "too few socket activated files passed in by systemd",
        ),
        ("fd://x", listener().into(), "no socket named \"x\" was passed"),
    ] {
        let log = refusal(passing(host, fd));
        assert!(log.contains(why), "{host}: {log}");
        assert!(log.contains("failed to load listeners"), "{host}: {log}");
    }
}

#[test]
fn a_listener_that_fails_ends_the_daemon() {
    let mut daemon = Daemon::prepare(&["-H", "fd://"]);
    let path = daemon.directory.join("passed.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    let ours = socket.try_clone().expect("a second descriptor");
    daemon.pass("", vec![socket.into()]);
    daemon.launch();
    rustix::net::shutdown(&ours, Shutdown::Both).expect("it is a socket");
    assert_eq!(daemon.ended().code(), Some(1));
    let log = daemon.log();
    let words = format!("the listener unix://{} is lost", path.display());
    assert!(log.contains(&words), "{log}");
    assert!(!daemon.socket().exists(), "its own socket stayed");
    assert!(!daemon.directory.join("pid").exists(), "the pid file stayed");
    assert!(path.exists(), "the inherited socket went");
}

#[test]
fn an_address_that_cannot_be_bound_undoes_those_before_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("it is bound");
    let log = refusal_of(&format!("tcp://{at}"));
    assert!(log.contains("address already in use"), "{log}");
    let log = refusal_of("tcp://a..b:1");
    assert!(log.contains("listen tcp: lookup a..b"), "{log}");
    let log = refusal_of("unix://relative");
    assert!(log.contains("path of a socket must be absolute"), "{log}");
    let log = refusal_of("tcp://127.0.0.1:0?access=all");
    assert!(log.contains("read, control or full, not \"all\""), "{log}");
    let daemon = Daemon::prepare(&["-H", "unix:///dev/null"]);
    let log = refusal(daemon);
    assert!(log.contains("/dev/null exists and is no socket"), "{log}");
    let mut twice = Daemon::prepare(&[]);
    let socket = twice.socket();
    twice.add_flag(&format!("-H=unix://{}", socket.display()));
    let log = refusal(twice);
    assert!(log.contains("is listened on already"), "{log}");
}

#[test]
fn a_second_daemon_on_a_root_disturbs_no_socket() {
    let first = Daemon::start();
    let mut second = Daemon::prepare(&[]);
    let stale = second.directory.join("stale.sock");
    drop(UnixListener::bind(&stale).expect("a socket"));
    let inode = || fs::metadata(&stale).map(|found| found.ino()).ok();
    let before = inode();
    second.add_flag(&format!("-H=unix://{}", stale.display()));
    second.use_root_of(&first);
    let pid = first.pid().to_string();
    second.launch_only();
    assert_eq!(second.ended().code(), Some(1));
    let log = second.log();
    assert!(log.contains(&pid), "it does not say who: {log}");
    assert!(listened_on(&log).is_empty(), "{log}");
    assert!(before.is_some() && inode() == before, "{log}");
    first.get("/_ping").is(200);
}

fn mode_and_group(path: &Path) -> (u32, u32) {
    let found = fs::metadata(path).expect("the socket");
    assert!(found.file_type().is_socket());
    (found.mode() & 0o777, found.gid())
}

#[test]
fn a_unix_socket_belongs_to_its_group() {
    let groups = fs::read_to_string("/etc/group").expect("groups");
    let (name, gid) = groups
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name, fields.nth(1)?.parse::<u32>().ok()?))
        })
        .find(|(_, gid)| *gid != 0)
        .expect("a group beside root's");
    let daemon = Daemon::with(&["-G", name]);
    assert_eq!(mode_and_group(&daemon.socket()), (0o660, gid));
    let daemon = Daemon::with(&["-G", ""]);
    assert_eq!(mode_and_group(&daemon.socket()), (0o660, 0));
    let log = refusal(Daemon::prepare(&["-G", "no-such-group"]));
    assert!(log.contains("group no-such-group not found"), "{log}");
}

#[test]
fn a_socket_can_lie_deeper_than_107_bytes() {
    let mut daemon = Daemon::prepare(&[]);
    let deep = daemon.directory.join("a".repeat(80)).join("b".repeat(80));
    let path = deep.join("sock");
    daemon.add_flag(&format!("-H=unix://{}", path.display()));
    daemon.launch();
    assert_eq!(mode_and_group(&path).0, 0o660);
    // This test's own client knows the long path by a short name.
    let short = daemon.directory.join("d");
    std::os::unix::fs::symlink(&deep, &short).expect("a link");
    pings(&mut Wire::unix(&short.join("sock")));
    assert!(daemon.terminate().success());
    assert!(!path.exists(), "the socket stayed");
    daemon.launch();
}

#[test]
fn addresses_are_bound_as_they_are_written() {
    let mut flags = vec!["-H=tcp://127.0.0.1:0", "-H=tcp://localhost:0/"];
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    if has_ipv6 {
        flags.push("-H=tcp://[::1]:0");
    }
    let daemon = Daemon::with(&flags);
    let log = daemon.log();
    let at: Vec<SocketAddr> = listened_on(&log)
        .iter()
        .filter_map(|address| address.strip_prefix("tcp://")?.parse().ok())
        .collect();
    assert!(at.len() >= flags.len(), "{log}");
    assert!(at.iter().all(|at| at.ip().is_loopback() && at.port() != 0));
    assert_eq!(at.iter().any(SocketAddr::is_ipv6), has_ipv6, "{log}");
    for at in at {
        pings(&mut Wire::at(at));
    }
    assert!(!log.contains("DEPRECATION"), "{log}");
}

#[test]
fn an_open_port_is_warned_of_once_for_each_address() {
    let mut flags = vec!["-H=tcp://127.0.0.1:0", "-H=tcp://0.0.0.0:0"];
    if TcpListener::bind("[::]:0").is_ok() {
        flags.push("-H=tcp://[::]:0");
    }
    let daemon = Daemon::with(&flags);
    let log = daemon.log();
    let info = daemon.get("/info").is(200).json();
    let warnings = info["Warnings"].as_array().expect("warnings").clone();
    let mut open = 0;
    for address in listened_on(&log) {
        let Some(at) = address.strip_prefix("tcp://") else { continue };
        let what =
            format!("API is accessible on http://{at} without encryption.");
        let lines: Vec<_> = log.lines().filter(|l| l.contains(&what)).collect();
        let is_local = at.starts_with("127.");
        assert_eq!(lines.len(), usize::from(!is_local), "{at}: {log}");
        for line in lines {
            open += 1;
            assert!(line.contains(" warn [DEPRECATION NOTICE]: "), "{line}");
            assert!(
                line.contains(
                    "Binding to IP address without --tlsverify is insecure \
                     and gives root access on this machine to everyone who \
                     has access to your network."
                ),
                "{line}"
            );
        }
        let words = [
            &format!("[DEPRECATION NOTICE]: {what}"),
            "         Access to the remote API is equivalent to root access \
             on the host. Refer",
            "         to the 'Docker daemon attack surface' section in the \
             documentation for",
            "         more information: \
             https://docs.docker.com/go/attack-surface/",
            "In future versions this will be a hard failure preventing the \
             daemon from starting! Learn more at: \
             https://docs.docker.com/go/api-security/",
        ]
        .join("\n");
        let told = warnings.iter().filter(|w| **w == words).count();
        assert_eq!(told, 1, "{at}: {warnings:?}");
    }
    assert_eq!(open, flags.len() - 1, "{log}");
}

#[test]
fn without_an_address_it_is_the_usual_socket() {
    let mut daemon = Daemon::prepare(&[]);
    daemon.without_addresses();
    daemon.launch_only();
    // It has a /run of its own, which is seen through its root.
    let root = PathBuf::from(format!("/proc/{}/root", daemon.pid()));
    let socket = root.join("run/docker.sock");
    until("the socket", || {
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    pings(&mut Wire::unix(&socket));
    assert_eq!(mode_and_group(&socket).0, 0o660);
    assert!(daemon.terminate().success());
}
