//! Network modes: none, host, and the bridge with its addresses.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use serde_json::json;

use crate::harness::command::Run;
use crate::harness::{Daemon, host, until};

fn on(mode: &str) -> serde_json::Value {
    json!({"HostConfig": {"NetworkMode": mode}})
}

#[test]
fn none_has_only_a_loopback() {
    let daemon = Daemon::with_image();
    let line = "ip -o link; ping -c1 -W1 127.0.0.1 >/dev/null && echo alive";
    let (code, out, err) = daemon.shell(line, on("none"));
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains(" lo: <LOOPBACK,UP,"), "{out}");
}

#[test]
fn host_is_the_hosts_own() {
    let daemon = Daemon::with_image();
    daemon.run_with("web", "hostname; sleep 1000", on("host"));
    let seen = daemon.inspect("web");
    let pid = seen["State"]["Pid"].as_i64().expect("a pid") as i32;
    let own = host::namespace(std::process::id() as i32, "net");
    assert_eq!(host::namespace(pid, "net"), own);
    let name = Run::of(Command::new("uname").arg("-n"), b"").ok().out();
    daemon.until_logged("web", &name);
    assert!(seen["NetworkSettings"]["Networks"]["host"].is_object());
}

#[test]
fn a_bridged_container_has_an_address_and_a_way_out() {
    let daemon = Daemon::with_image();
    let line = "ip -o -4 addr show eth0; ip route; sleep 1000";
    daemon.run_with("web", line, on("bridge"));
    let out = daemon.until_logged("web", "default");
    let seen = daemon.inspect("web");
    let network = &seen["NetworkSettings"]["Networks"]["bridge"];
    let address = network["IPAddress"].as_str().expect("an address");
    let subnet = format!("{}.", daemon.subnet);
    assert!(address.starts_with(&subnet), "{address} is not in {subnet}");
    assert!(out.contains(&format!("inet {address}/24")), "{out}");
    let gateway = format!("{subnet}1");
    assert!(out.contains(&format!("default via {gateway} dev eth0")), "{out}");
    assert_eq!(network["Gateway"], gateway.as_str(), "{seen}");
    assert_eq!(network["IPPrefixLen"], 24);
    let mac = network["MacAddress"].as_str().expect("an address");
    assert_eq!(mac.len(), 17, "{mac}");
    assert_eq!(seen["NetworkSettings"]["IPAddress"], address);
    assert_eq!(host::ports(&daemon.bridge).len(), 1);
    let hosts = daemon.run_with("names", "cat /etc/hosts", on("bridge"));
    daemon.wait(&hosts);
    let own = daemon.logs(&hosts).0;
    assert!(own.contains(&format!("\t{}", &hosts[..12])), "{own}");
}

#[test]
fn containers_reach_each_other() {
    let daemon = Daemon::with_image();
    let line = "echo -e 'served' > /page; echo up; \
                while :; do nc -l -p 8080 < /page; done";
    daemon.run_with("server", line, on("bridge"));
    daemon.until_logged("server", "up");
    let seen = daemon.inspect("server");
    let address = seen["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        .as_str()
        .expect("an address")
        .to_string();
    let line = format!(
        "ping -c1 -W2 {address} >/dev/null && for i in 1 2 3 4 5 6 7 8 9; do \
         nc -w 2 {address} 8080 </dev/null && exit 0; sleep 0.1; done; exit 1"
    );
    let (code, out, err) = daemon.shell(&line, on("bridge"));
    assert_eq!((code, out.as_str()), (0, "served\n"), "{err}");
    // And from the host.
    let page = until("the page", || {
        let mut stream =
            std::net::TcpStream::connect((address.as_str(), 8080)).ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        (!page.is_empty()).then_some(page)
    });
    assert_eq!(page, "served\n");
}

#[test]
fn a_container_reaches_the_host() {
    let daemon = Daemon::with_image();
    let address = format!("{}.1", daemon.subnet);
    // The bridge has its address from the daemon's start on.
    let listener = until("the bridge's address", || {
        TcpListener::bind((address.as_str(), 0)).ok()
    });
    let port = listener.local_addr().expect("it is bound").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.write_all(b"from the host\n").expect("it listens");
    });
    let line = format!("nc -w 5 {address} {port} </dev/null");
    let (code, out, err) = daemon.shell(&line, on("bridge"));
    assert_eq!((code, out.as_str()), (0, "from the host\n"), "{err}");
    server.join().expect("the server ends");
}

#[test]
fn addresses_are_not_given_twice_and_come_back() {
    let daemon = Daemon::with_image();
    let address = |name: &str| {
        let seen = daemon.inspect(name);
        let network = &seen["NetworkSettings"]["Networks"]["bridge"];
        network["IPAddress"].as_str().expect("an address").to_string()
    };
    let mut seen = Vec::new();
    for number in 0..5 {
        let name = format!("c{number}");
        daemon.run_with(&name, "sleep 1000", on("bridge"));
        seen.push(address(&name));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert_eq!(host::ports(&daemon.bridge).len(), 5);
    daemon.post("/containers/c0/stop?t=0").is(204);
    until("the link to go", || {
        (host::ports(&daemon.bridge).len() == 4).then_some(())
    });
    assert_eq!(address("c0"), "");
    daemon.post("/containers/c0/start").is(204);
    assert!(address("c0").starts_with(&daemon.subnet));
}

#[test]
fn a_failed_start_gives_its_address_and_link_back() {
    let daemon = Daemon::with_image();
    for number in 0..3 {
        let name = format!("bad{number}");
        let mut body = on("bridge");
        body["Cmd"] = json!(["nosuchcommand"]);
        daemon.create(&name, body);
        daemon.post(&format!("/containers/{name}/start")).is(400);
    }
    until("no link", || host::ports(&daemon.bridge).is_empty().then_some(()));
    daemon.run_with("good", "sleep 1000", on("bridge"));
    let seen = daemon.inspect("good");
    let network = &seen["NetworkSettings"]["Networks"]["bridge"];
    assert_eq!(network["IPAddress"], format!("{}.2", daemon.subnet));
}

#[test]
fn default_is_the_bridge() {
    let daemon = Daemon::with_image();
    let body = json!({"Image": "busybox", "Cmd": ["sleep", "1000"]});
    daemon.post_json("/containers/create?name=web", &body).is(201);
    daemon.post("/containers/web/start").is(204);
    let seen = daemon.inspect("web");
    let networks = &seen["NetworkSettings"]["Networks"];
    assert!(networks["bridge"]["IPAddress"].is_string(), "{seen}");
}

#[test]
fn a_taken_subnet_is_passed_over() {
    let mut daemon = Daemon::prepare(&[]);
    // No --bip: the daemon has to look for itself.
    daemon.forget_subnet();
    daemon.launch();
    daemon.import("busybox");
    let routes = std::fs::read_to_string("/proc/net/route").expect("/proc");
    let links: Vec<&str> = routes
        .lines()
        .filter_map(|line| line.split('\t').next())
        .filter(|link| *link != daemon.bridge)
        .collect();
    assert!(!links.is_empty(), "{routes}");
    daemon.run_with("web", "sleep 1000", on("bridge"));
    let seen = daemon.inspect("web");
    let network = &seen["NetworkSettings"]["Networks"]["bridge"];
    let address = network["IPAddress"].as_str().expect("an address");
    assert!(!address.is_empty(), "{seen}");
    let ours: Vec<&str> = routes
        .lines()
        .filter(|line| line.starts_with(&daemon.bridge))
        .collect();
    for line in routes.lines().skip(1) {
        let mut parts = line.split('\t');
        let link = parts.next().unwrap_or_default();
        let destination = parts.next().unwrap_or_default();
        if link == daemon.bridge || destination == "00000000" {
            continue;
        }
        let same = ours.iter().any(|own| own.contains(destination));
        assert!(!same, "{line} is also the bridge's\n{routes}");
    }
}
