//! The stub resolver: the hosts file, then the servers of `resolv.conf`,
//! over UDP, and over TCP for answers that do not fit. Bounded by the
//! caller's deadline.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Error;
use super::config::{Config, find_in_hosts};
use super::message::{self, Kind, Message, rcode};

/// How long the answer for the other family is waited for when one is there.
const PATIENCE: Duration = Duration::from_millis(300);

/// The most bytes of the hosts file and of `resolv.conf` that are read.
const MAX_FILE: u64 = 4 << 20;

/// Resolves a name or an address with the host's own settings. IPv4
/// addresses come first; there is at least one address.
pub fn resolve(host: &str, deadline: Instant) -> Result<Vec<IpAddr>, Error> {
    Resolver::default().resolve(host, deadline)
}

/// Where a resolver finds its settings. They are read for each look-up, so
/// a change needs no restart.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The hosts file.
    pub hosts: PathBuf,
    /// The file that names the servers.
    pub resolv_conf: PathBuf,
    /// The port of the servers.
    pub port: u16,
}

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver {
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            port: 53,
        }
    }
}

/// What a server said of one name.
enum Answer {
    Addresses(Vec<IpAddr>),
    NoAddress,
    Failed,
    TimedOut,
}

impl Resolver {
    /// Resolves a name or an address; see [`resolve`].
    pub fn resolve(
        &self,
        host: &str,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Error> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        if !is_name(host) {
            return Err(Error::BadName(host.to_string()));
        }
        let found = find_in_hosts(&read_text(&self.hosts), host);
        if !found.is_empty() {
            return Ok(ipv4_first(found));
        }
        // RFC 6761 §6.3: these names never leave the host.
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![
                Ipv4Addr::LOCALHOST.into(),
                Ipv6Addr::LOCALHOST.into(),
            ]);
        }
        let config = Config::parse(&read_text(&self.resolv_conf));
        self.ask_servers(host, &config, deadline)
    }

    fn ask_servers(
        &self,
        host: &str,
        config: &Config,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Error> {
        let mut failure = None;
        for name in config.candidates(host) {
            match self.ask_for(&name, host, config, deadline) {
                Ok(found) => return Ok(ipv4_first(found)),
                // A domain that does not answer must not hide the others,
                // but its failure tells more than their «no such host».
                Err(e) => {
                    let better =
                        matches!(failure, None | Some(Error::NotFound { .. }));
                    if better {
                        failure = Some(e);
                    }
                }
            }
        }
        let host = host.to_string();
        Err(failure.unwrap_or(Error::NotFound { host, server: None }))
    }

    fn ask_for(
        &self,
        name: &str,
        host: &str,
        config: &Config,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Error> {
        let host = host.to_string();
        let mut failure = Error::TimedOut { host: host.clone(), server: None };
        for _ in 0..config.attempts {
            for server in &config.servers {
                let server = SocketAddr::new(*server, self.port);
                let until = deadline.min(Instant::now() + config.timeout);
                if until <= Instant::now() {
                    return Err(failure);
                }
                let host = host.clone();
                match ask(server, name, until) {
                    Answer::Addresses(found) => return Ok(found),
                    Answer::NoAddress => {
                        let server = Some(server);
                        return Err(Error::NotFound { host, server });
                    }
                    Answer::Failed => failure = Error::Failed { host, server },
                    Answer::TimedOut => {
                        let server = Some(server);
                        failure = Error::TimedOut { host, server };
                    }
                }
            }
        }
        Err(failure)
    }
}

/// Whether the text can be a host's name at all. Underscores are no part of
/// host names but common in private ones.
fn is_name(host: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !host.is_empty() && host.len() <= 254 && host.bytes().all(allowed)
}

/// Hosts with a half-working IPv6 are commoner than hosts without IPv4.
fn ipv4_first(mut found: Vec<IpAddr>) -> Vec<IpAddr> {
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

fn read_text(path: &PathBuf) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What could be read before an error still counts.
        let _ = file.take(MAX_FILE).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A number that others cannot guess: the standard library's hash keys come
/// from the kernel's random source.
fn random_id() -> u16 {
    RandomState::new().build_hasher().finish() as u16
}

/// Asks one server for both families at once.
fn ask(server: SocketAddr, name: &str, until: Instant) -> Answer {
    let ids = {
        let id = random_id();
        [id, id.wrapping_add(0x5555)]
    };
    let kinds = [Kind::A, Kind::Aaaa];
    let mut answers = [None, None];
    match exchange(server, name, until, ids, kinds, &mut answers) {
        Ok(()) => {}
        // What has been answered counts, even if the rest never comes.
        Err(_) if answers.iter().any(has_addresses(name)) => {}
        Err(e) if is_timeout(&e) => return Answer::TimedOut,
        Err(_) => return Answer::Failed,
    }
    let mut found = Vec::new();
    let mut failed = false;
    for message in answers.iter().flatten() {
        match message.rcode {
            rcode::OK => found.extend(message.addresses(name)),
            rcode::NO_NAME => {}
            _ => failed = true,
        }
    }
    match (found.is_empty(), failed) {
        (false, _) => Answer::Addresses(found),
        (true, true) => Answer::Failed,
        (true, false) => Answer::NoAddress,
    }
}

fn has_addresses(name: &str) -> impl Fn(&Option<Message>) -> bool {
    move |m| m.as_ref().is_some_and(|m| !m.addresses(name).is_empty())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn exchange(
    server: SocketAddr,
    name: &str,
    until: Instant,
    ids: [u16; 2],
    kinds: [Kind; 2],
    answers: &mut [Option<Message>; 2],
) -> io::Result<()> {
    let local: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0))?;
    // Connected: datagrams of others are dropped by the kernel, and a closed
    // port is told at once.
    socket.connect(server)?;
    let query = |i: usize| {
        message::encode_query(ids[i], name, kinds[i])
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
    };
    for i in 0..kinds.len() {
        socket.send(&query(i)?)?;
    }
    let mut until = until;
    let mut datagram = [0; 4096];
    while answers.iter().any(Option::is_none) {
        socket.set_read_timeout(Some(time_left(until)?))?;
        let n = match socket.recv(&mut datagram) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            got => got?,
        };
        let Ok(message) = message::decode(&datagram[..n]) else { continue };
        let Some(i) = (0..kinds.len())
            .find(|&i| answers_query(&message, ids[i], name, kinds[i]))
        else {
            continue;
        };
        answers[i] = Some(if message.truncated {
            ask_over_tcp(server, &query(i)?, until)?
        } else {
            message
        });
        if has_addresses(name)(&answers[i]) {
            until = until.min(Instant::now() + PATIENCE);
        }
    }
    Ok(())
}

fn answers_query(message: &Message, id: u16, name: &str, kind: Kind) -> bool {
    message.id == id
        && message.is_response
        && message.questions.first().is_none_or(|q| {
            q.kind == kind
                && q.name.eq_ignore_ascii_case(name.trim_end_matches('.'))
        })
}

fn time_left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

fn ask_over_tcp(
    server: SocketAddr,
    query: &[u8],
    until: Instant,
) -> io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&server, time_left(until)?)?;
    stream.set_write_timeout(Some(time_left(until)?))?;
    let length = u16::try_from(query.len()).expect("a query is short");
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        if let [high, low, rest @ ..] = bytes.as_slice() {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if rest.len() >= length {
                return message::decode(&rest[..length]).map_err(|e| {
                    io::Error::new(io::ErrorKind::InvalidData, e)
                });
            }
        }
        stream.set_read_timeout(Some(time_left(until)?))?;
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&part[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    /// A resolver whose only server is on a loopback port, and which ends a
    /// search in `domain`.
    fn resolver(tag: &str, port: u16, options: &str) -> Resolver {
        let dir = std::env::temp_dir()
            .join(format!("skiff-dns-{}-{tag}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let resolver = Resolver {
            hosts: dir.join("hosts"),
            resolv_conf: dir.join("resolv.conf"),
            port,
        };
        std::fs::write(&resolver.hosts, "10.9.8.7 known\n").unwrap();
        let conf = format!("nameserver 127.0.0.1\n{options}\n");
        std::fs::write(&resolver.resolv_conf, conf).unwrap();
        resolver
    }

    fn clean(resolver: &Resolver) {
        std::fs::remove_dir_all(resolver.hosts.parent().unwrap()).unwrap();
    }

    /// Turns a query into its response: rcode, truncation, one address.
    fn respond(query: &[u8], flags: u16, address: Option<[u8; 4]>) -> Vec<u8> {
        let mut out = query.to_vec();
        out[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
        if let Some(address) = address {
            out[7] = 1;
            out.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04");
            out.extend_from_slice(&address);
        }
        out
    }

    fn is_for_a(query: &[u8]) -> bool {
        query.ends_with(&[0, 1, 0, 1])
    }

    #[test]
    fn addresses_hosts_and_localhost_need_no_server() {
        let resolver = resolver("static", 1, "");
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        for (host, expected) in [
            ("192.0.2.1", vec![ip("192.0.2.1")]),
            ("fd00::1", vec![ip("fd00::1")]),
            ("KNOWN", vec![ip("10.9.8.7")]),
            ("x.localhost", vec![ip("127.0.0.1"), ip("::1")]),
        ] {
            assert_eq!(resolver.resolve(host, soon()), Ok(expected));
        }
        for host in ["", "a b", "a/b", "é", &"a".repeat(300)] {
            let error = resolver.resolve(host, soon()).unwrap_err();
            assert!(matches!(error, Error::BadName(_)), "{host}");
        }
        clean(&resolver);
    }

    #[test]
    fn a_short_name_is_found_in_the_search_domain() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let resolver = resolver("search", port, "search x.org");
        let thread = thread::spawn(move || {
            let mut query = [0; 512];
            for _ in 0..2 {
                let (n, from) = server.recv_from(&mut query).unwrap();
                let query = &query[..n];
                assert!(query.windows(7).any(|w| w == b"\x02db\x01x\x03o"));
                // A stray answer with another number is passed over.
                let mut stray = respond(query, 0, Some([6, 6, 6, 6]));
                stray[0] ^= 1;
                server.send_to(&stray, from).unwrap();
                let answer = is_for_a(query).then_some([10, 0, 0, 1]);
                let reply = respond(query, 0, answer);
                server.send_to(&reply, from).unwrap();
            }
        });
        let found = resolver.resolve("db", soon()).unwrap();
        assert_eq!(found, [IpAddr::from([10, 0, 0, 1])]);
        thread.join().unwrap();
        clean(&resolver);
    }

    #[test]
    fn a_cut_answer_is_fetched_over_tcp() {
        let (tcp, udp, port) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = tcp.local_addr().unwrap().port();
            if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
                break (tcp, udp, port);
            }
        };
        let resolver = resolver("tcp", port, "");
        let thread = thread::spawn(move || {
            let mut query = [0; 512];
            for _ in 0..2 {
                let (n, from) = udp.recv_from(&mut query).unwrap();
                let flags = if is_for_a(&query[..n]) { 0x0200 } else { 0 };
                let reply = respond(&query[..n], flags, None);
                udp.send_to(&reply, from).unwrap();
            }
            let (mut stream, _) = tcp.accept().unwrap();
            let n = stream.read(&mut query).unwrap();
            let reply = respond(&query[2..n], 0, Some([10, 0, 0, 2]));
            let length = (reply.len() as u16).to_be_bytes();
            stream.write_all(&length).unwrap();
            stream.write_all(&reply).unwrap();
        });
        let found = resolver.resolve("big.example", soon()).unwrap();
        assert_eq!(found, [IpAddr::from([10, 0, 0, 2])]);
        thread.join().unwrap();
        clean(&resolver);
    }

    #[test]
    fn failures_are_told_in_gos_words() {
        for (tag, flags, words) in
            [("none", 3, "no such host"), ("fail", 2, "server misbehaving")]
        {
            let server = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = server.local_addr().unwrap().port();
            let resolver = resolver(tag, port, "options attempts:1");
            let thread = thread::spawn(move || {
                let mut query = [0; 512];
                for _ in 0..2 {
                    let (n, from) = server.recv_from(&mut query).unwrap();
                    let reply = respond(&query[..n], flags, None);
                    server.send_to(&reply, from).unwrap();
                }
            });
            let error = resolver.resolve("nosuch.example", soon());
            assert_eq!(
                error.unwrap_err().to_string(),
                format!("lookup nosuch.example on 127.0.0.1:{port}: {words}")
            );
            thread.join().unwrap();
            clean(&resolver);
        }
    }

    #[test]
    fn a_silent_server_ends_with_the_deadline() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let resolver = resolver("silent", port, "");
        let start = Instant::now();
        let deadline = start + Duration::from_millis(80);
        let error = resolver.resolve("a.example", deadline).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(3));
        clean(&resolver);
    }
}
