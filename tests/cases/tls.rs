//! TLS on TCP: who is let in, what is said to the others, and streams in
//! both directions, with our client, Docker's, openssl and curl.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::certificates::{CLIENT, SERVER};
use crate::harness::command::{Beside, Run};
use crate::harness::image::sha256;
use crate::harness::registry::free_port;
use crate::harness::secure::{Secure, clients};
use crate::harness::{Daemon, SOON, daemon, has, skip, until};

#[test]
fn clients_with_certificates_are_served() {
    let Some(secure) = Secure::start() else { return };
    secure.daemon.import("busybox");
    for program in clients() {
        let run = |words: &[&str], input: &[u8]| {
            let mut all = vec!["run", "--rm", "--network", "none"];
            all.extend(words);
            Run::of(&mut secure.client(&program, &all), input)
        };
        let version = Run::of(&mut secure.client(&program, &["version"]), b"");
        assert!(version.ok().out().contains("Server:"));
        run(&["busybox", "echo", "hello"], b"").ok().says("hello");
        run(&["busybox", "sh", "-c", "exit 7"], b"").exits(7);
        run(&["busybox", "nosuchcommand"], b"").exits(127);
        run(&["-i", "busybox", "cat"], b"hi\n").ok().says("hi");
        run(&["-i", "busybox", "head", "-c", "2"], b"hello").ok().says("he");
        let line = "echo up; while :; do echo more; sleep 0.05; done";
        secure.daemon.run("web", line);
        let attach = ["attach", "--no-stdin", "web"];
        let mut attached = Beside::start(&mut secure.client(&program, &attach));
        let mut logs =
            Beside::start(&mut secure.client(&program, &["logs", "-f", "web"]));
        let mut wait =
            Beside::start(&mut secure.client(&program, &["wait", "web"]));
        assert_eq!(logs.line().as_deref(), Some("up"));
        attached.line_with("more");
        secure.daemon.post("/containers/web/kill").is(204);
        assert_eq!(attached.end().0, 137);
        assert_eq!(logs.end().0, 0);
        assert_eq!(wait.line().as_deref(), Some("137"));
        secure.daemon.delete("/containers/web").is(204);
    }
    until("the end of the relays", || (secure.relays() == 0).then_some(()));
}

#[test]
fn ten_megabytes_pass_in_both_directions_at_once() {
    let Some(secure) = Secure::start() else { return };
    secure.daemon.import("busybox");
    let data: Vec<u8> = (0..10_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for (number, program) in clients().iter().enumerate() {
        let name = format!("cat{number}");
        let body = json!({
            "Cmd": ["cat"],
            "OpenStdin": true,
            "StdinOnce": true,
            "AttachStdin": true,
            "AttachStdout": true,
            "AttachStderr": true,
            "HostConfig": {"LogConfig": {"Type": "none"}},
        });
        secure.daemon.create(&name, body);
        let words = ["start", "-a", "-i", &name];
        let run = Run::of(&mut secure.client(program, &words), &data);
        assert_eq!(run.status, 0, "{}", run.err());
        assert_eq!(run.stdout.len(), data.len());
        assert_eq!(sha256(&run.stdout), sha256(&data));
    }
}

#[test]
fn a_terminal_works_through_tls() {
    let Some(secure) = Secure::start() else { return };
    secure.daemon.import("busybox");
    for program in clients() {
        let line = format!(
            "{} run -it --rm --network none busybox sh",
            program.display()
        );
        let words = ["-qec", &line, "/dev/null"];
        let mut terminal =
            Beside::start(&mut secure.client(Path::new("script"), &words));
        let mut type_in = |text: &str| {
            let stdin = terminal.stdin.as_mut().expect("it is open");
            stdin.write_all(text.as_bytes()).expect("it listens");
        };
        type_in("echo a$((40+2))z\n");
        type_in("exit 5\n");
        terminal.line_with("a42z");
        assert_eq!(terminal.end().0, 5);
    }
}

#[test]
fn both_versions_are_spoken_and_http_1_1_alone() {
    let Some(secure) = Secure::start() else { return };
    let own = "-cert cert.pem -key key.pem -alpn h2,http/1.1";
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let out = secure.openssl(&format!("{flag} {own}")).ok().out();
        assert!(out.contains(&format!("New, {version}, ")), "{out}");
        assert!(out.contains("ALPN protocol: http/1.1"), "{out}");
        assert!(out.contains("Verify return code: 0 (ok)"), "{out}");
        assert!(out.contains("HTTP/1.1 200 OK") && out.contains("\nOK"));
    }
    let old = secure.openssl(&format!("-tls1_1 {own}"));
    assert!(!old.out().contains("HTTP/1.1"), "{old:?}");
    let h2 = "-cert cert.pem -key key.pem -alpn h2";
    let h2 = secure.openssl(h2);
    assert!(h2.err().contains("no application protocol"), "{h2:?}");
}

#[test]
fn curl_is_served() {
    if !has("curl") {
        return skip("curl is not installed");
    }
    let Some(secure) = Secure::start() else { return };
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--cacert", "ca.pem", "--cert", "cert.pem"])
        .args(["--key", "key.pem"])
        .arg(format!("https://localhost:{}/_ping", secure.port))
        .current_dir(&secure.certificates.directory);
    Run::of(&mut command, b"").ok().says("OK");
}

#[test]
fn clients_without_a_good_certificate_are_refused() {
    let Some(secure) = Secure::start() else { return };
    let made = &secure.certificates;
    made.authority("other");
    made.signed("foreign", "other", CLIENT, &["-days", "10"]);
    made.signed("old", "ca", CLIENT, &["-days", "-1"]);
    let words = "without";
    for (name, said, logged) in [
        (words, "no certificate was sent", "didn't provide a certificate"),
        ("foreign", "does not take the cert", "signed by unknown authority"),
        ("old", "does not take the cert", "expired or is not yet valid"),
    ] {
        let mut flags = made.flags(name, "ca");
        flags.push("--tlsverify".into());
        let run = secure.with("127.0.0.1", &flags).exits(1).complains(said);
        let tried = "error during connect: Head \"https://127.0.0.1:";
        run.complains(tried).complains("remote error: tls: ");
        until(logged, || secure.daemon.log().contains(logged).then_some(()));
        for version in ["-tls1_2", "-tls1_3"] {
            let own = match name == words {
                true => String::new(),
                false => format!("-cert {name}.pem -key {name}-key.pem"),
            };
            let run = secure.openssl(&format!("{version} {own}"));
            assert!(!run.out().contains("HTTP/1.1"), "{run:?}");
        }
    }
}

#[test]
fn without_verification_everybody_is_taken_and_believed() {
    let Some(mut secure) = Secure::prepare() else { return };
    let says = "subjectAltName=DNS:engine.example\n";
    secure.certificates.signed("named", "ca", says, &["-days", "-1"]);
    secure.launch("--tls", "named");
    // Nobody looks at name, dates and authority.
    secure.with("127.0.0.1", &["--tls".into()]).ok();
    let run = secure.openssl("-tls1_3").ok();
    assert!(run.out().contains("HTTP/1.1 200 OK"), "{run:?}");
}

#[test]
fn every_kind_of_key_is_taken() {
    let Some(mut secure) = Secure::prepare() else { return };
    let made = &secure.certificates;
    made.openssl("genrsa -traditional -out pkcs1-key.pem 2048");
    made.openssl("genpkey -algorithm RSA -out pkcs8-key.pem");
    made.openssl("ecparam -name secp384r1 -genkey -out sec1-key.pem");
    made.openssl("genpkey -algorithm ed25519 -out ed25519-key.pem");
    for name in ["pkcs1", "pkcs8", "sec1", "ed25519"] {
        made.certify(name, "ca", SERVER, &["-days", "10"]);
    }
    let pem = fs::read_to_string(made.key("pkcs1")).expect("a key");
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let pem = fs::read_to_string(made.key("sec1")).expect("a key");
    assert!(pem.contains("-----BEGIN EC PRIVATE KEY-----"));
    let mut first = true;
    for name in ["pkcs1", "pkcs8", "sec1", "ed25519"] {
        if !std::mem::take(&mut first) {
            secure.daemon.terminate();
        }
        // The last flags count.
        match name {
            "pkcs1" => secure.launch("--tlsverify", name),
            _ => {
                for flag in secure.certificates.flags(name, "ca") {
                    secure.daemon.add_flag(&flag);
                }
                secure.daemon.launch();
            }
        }
        Run::of(&mut secure.skiff(&["version"]), b"").ok();
    }
}

#[test]
fn bad_files_are_told_at_the_start() {
    let Some(mut secure) = Secure::prepare() else { return };
    let made = &secure.certificates;
    let write = |name: &str, text: &str| {
        fs::write(made.file(name), text).expect("a file");
    };
    write("empty", "");
    write("garbage", "no PEM at all\n");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n\
                  -----END CERTIFICATE-----\n";
    write("broken", broken);
    made.openssl(
        "pkcs8 -topk8 -in server-key.pem -passout pass:x -out pkcs8.pem",
    );
    made.openssl("ec -aes128 -in server-key.pem -passout pass:x -out old.pem");
    let old = fs::read_to_string(made.file("old")).expect("a key");
    assert!(old.contains("Proc-Type: 4,ENCRYPTED"), "{old}");
    let directory = made.directory.display().to_string();
    secure.add_flags("--tlsverify", "server");
    for (flag, name, words) in [
        ("cert", "missing", "open @/missing.pem: no such file or directory"),
        ("cert", "server-key", "certificate in @/server-key.pem, which has"),
        ("cert", "empty", "failed to find any PEM data in @/empty.pem"),
        ("cert", "garbage", "failed to find any PEM data in @/garbage.pem"),
        ("cert", "broken", "x509: malformed certificate"),
        ("cert", "cert", "tls: private key does not match public key"),
        ("key", "missing", "open @/missing.pem: no such file or directory"),
        ("key", "server", "private key in @/server.pem, which has: CERTIF"),
        ("key", "key", "tls: private key does not match public key"),
        ("key", "empty", "failed to find any PEM data in @/empty.pem"),
        ("key", "pkcs8", "the private key in @/pkcs8.pem is encrypted"),
        ("key", "old", "the private key in @/old.pem is encrypted"),
        ("cacert", "missing", "open @/missing.pem: no such file"),
        ("cacert", "empty", "failed to find any PEM data in @/empty.pem"),
        ("cacert", "key", "certificate in @/key.pem, which has: EC PRIVATE"),
        ("cacert", "broken", "@/broken.pem: "),
    ] {
        let mut command = secure.daemon.command();
        let path = secure.certificates.file(name);
        command.arg(format!("--tls{flag}={}", path.display()));
        let run = Run::of(&mut command, b"").exits(1);
        let run = run.complains(&words.replace('@', &directory));
        match flag {
            "cacert" => run.complains("Couldn't read CA certificate: "),
            _ => {
                let pair = format!("Couldn't load X509 key pair ({directory}");
                run.complains(&pair).complains(". Key encrypted?")
            }
        };
    }
    // A client says the same of its own files.
    secure.daemon.launch();
    for (flag, name, words) in [
        ("cacert", "missing", "Couldn't read ca cert @/missing.pem: open "),
        ("cacert", "key", "Couldn't read ca cert @/key.pem: failed to find"),
        ("key", "pkcs8", "Couldn't load X509 key pair: the private key in"),
        ("key", "old", "is encrypted"),
        ("key", "server-key", "private key does not match public key"),
    ] {
        let path = secure.certificates.file(name).display().to_string();
        let flag = format!("--tls{flag}={path}");
        let mut command = secure.skiff(&[&flag, "version"]);
        let run = Run::of(&mut command, b"").exits(1);
        run.complains(&words.replace('@', &directory));
    }
}

#[test]
fn dates_that_are_over_are_warned_of_and_refused() {
    let Some(mut secure) = Secure::prepare() else { return };
    secure.certificates.signed("old", "ca", SERVER, &["-days", "-1"]);
    secure.launch("--tlsverify", "old");
    let log = secure.daemon.log();
    assert!(log.contains("warn"), "{log}");
    assert!(log.contains("old.pem: the certificate "), "{log}");
    assert!(log.contains("is this machine's clock right?"), "{log}");
    Run::of(&mut secure.skiff(&["version"]), b"")
        .exits(1)
        .complains("x509: certificate has expired or is not yet valid")
        .complains("is this machine's clock right?");
}

#[test]
fn a_client_says_what_is_wrong_with_the_daemon() {
    let Some(secure) = Secure::start() else { return };
    secure.certificates.authority("other");
    let mut flags = secure.certificates.flags("cert", "other");
    flags.push("--tlsverify".into());
    secure
        .with("127.0.0.1", &flags)
        .exits(1)
        .complains("x509: certificate signed by unknown authority")
        .complains("name its authority with --tlscacert");
    let Some(mut named) = Secure::prepare() else { return };
    let made = &named.certificates;
    let says = "subjectAltName=DNS:engine.example\n";
    made.signed("named", "ca", says, &["-days", "10"]);
    named.launch("--tlsverify", "named");
    Run::of(&mut named.skiff(&["version"]), b"").exits(1).complains(
        "x509: certificate is valid for engine.example, not 127.0.0.1",
    );
    // Plain to TLS.
    secure.with("127.0.0.1", &[]).exits(1).complains(
        "Error response from daemon: Client sent an HTTP request to an HTTPS \
         server.",
    );
    // TLS to plain.
    let plain = free_port();
    let daemon = Daemon::with(&[&format!("-H=tcp://127.0.0.1:{plain}")]);
    let mut command = secure.skiff(&["version"]);
    command.env("DOCKER_HOST", format!("tcp://127.0.0.1:{plain}"));
    Run::of(&mut command, b"")
        .exits(1)
        .complains("http: server gave HTTP response to HTTPS client")
        .complains("the daemon does not speak TLS there");
    drop(daemon);
}

#[test]
fn a_context_brings_its_own_files() {
    let Some(secure) = Secure::start() else { return };
    let store = secure.daemon.directory.join("config/contexts");
    let meta = store.join("meta/abc");
    let tls = store.join("tls/abc/docker");
    fs::create_dir_all(&meta).expect("a directory");
    fs::create_dir_all(&tls).expect("a directory");
    let host = format!("tcp://127.0.0.1:{}", secure.port);
    let text = json!({
        "Name": "far",
        "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": false}},
    });
    fs::write(meta.join("meta.json"), text.to_string()).expect("a file");
    for name in ["ca", "cert", "key"] {
        let to = tls.join(format!("{name}.pem"));
        fs::copy(secure.certificates.file(name), to).expect("a copy");
    }
    let mut command =
        secure.daemon.client_of(&daemon::program(), &["-c", "far", "version"]);
    command.env_remove("DOCKER_HOST");
    let out = Run::of(&mut command, b"").ok().out();
    assert!(out.contains("Server:"), "{out}");
}

#[test]
fn who_forgets_tls_is_told_and_who_is_silent_harms_nobody() {
    let Some(secure) = Secure::start() else { return };
    let connect = || TcpStream::connect(("127.0.0.1", secure.port));
    let say = |text: &[u8]| {
        let mut stream = connect().expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        stream.write_all(text).expect("it takes it");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    assert_eq!(
        String::from_utf8_lossy(&say(
            b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
        )),
        "HTTP/1.0 400 Bad Request\r\n\r\n\
         Client sent an HTTP request to an HTTPS server.\n"
    );
    // An alert, and the end.
    let answer = say(b"no TLS at all, and no HTTP\r\n\r\n");
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
    let words = "first record does not look like a TLS handshake";
    assert!(secure.daemon.log().contains(words));
    // More than there are workers for.
    let mut silent = Vec::new();
    for number in 0..700 {
        let mut stream = connect().expect("it listens");
        if number % 2 == 0 {
            let _ = stream.write_all(b"\x16\x03\x01");
        }
        silent.push(stream);
    }
    Run::of(&mut secure.skiff(&["version"]), b"").ok();
}

#[test]
fn a_client_that_is_gone_ends_its_relay() {
    let Some(mut secure) = Secure::start() else { return };
    secure.daemon.import("busybox");
    let body = json!({"Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true});
    secure.daemon.create("cat", body);
    secure.daemon.post("/containers/cat/start").is(204);
    let mut gone = Beside::start(&mut secure.skiff(&["attach", "cat"]));
    let stdin = gone.stdin.as_mut().expect("it is open");
    stdin.write_all(b"word\n").expect("it listens");
    gone.line_with("word");
    assert_eq!(secure.relays(), 1);
    drop(gone);
    // Its input ends with it.
    assert_eq!(secure.daemon.wait("cat"), 0);
    until("the end of the relay", || (secure.relays() == 0).then_some(()));
    // The daemon's end is the relay's, and the container goes on.
    secure.daemon.run("web", "echo up; while :; do sleep 0.1; done");
    let words = ["attach", "--no-stdin", "web"];
    let _attached = Beside::start(&mut secure.skiff(&words));
    until("the relay", || (secure.relays() == 1).then_some(()));
    assert!(secure.daemon.terminate().success());
    secure.daemon.launch();
    assert_eq!(secure.daemon.inspect("web")["State"]["Running"], true);
}
