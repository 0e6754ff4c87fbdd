//! A daemon that speaks TLS, and clients that have what they need for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificates::Certificates;
use super::command::Run;
use super::daemon::{Daemon, program};
use super::registry::free_port;
use super::{has, host, skip};

/// A daemon with a TLS port, and the files that it and its clients use.
pub struct Secure {
    pub daemon: Daemon,
    pub certificates: Certificates,
    pub port: u16,
}

impl Secure {
    /// Prepares one that is not started so far.
    #[track_caller]
    pub fn prepare() -> Option<Secure> {
        let daemon = Daemon::prepare(&[]);
        let directory = daemon.directory.join("certs");
        let certificates = Certificates::make(directory)?;
        Some(Secure { daemon, certificates, port: free_port() })
    }

    /// Starts one that demands certificates of clients.
    #[track_caller]
    pub fn start() -> Option<Secure> {
        let mut secure = Secure::prepare()?;
        secure.launch("--tlsverify", "server");
        Some(secure)
    }

    #[track_caller]
    pub fn launch(&mut self, how: &str, certificate: &str) {
        self.add_flags(how, certificate);
        self.daemon.launch();
    }

    pub fn add_flags(&mut self, how: &str, certificate: &str) {
        self.daemon.add_flag(&format!("-H=tcp://127.0.0.1:{}", self.port));
        self.daemon.add_flag(how);
        for flag in self.certificates.flags(certificate, "ca") {
            self.daemon.add_flag(&flag);
        }
    }

    /// A client with the usual files, found by the environment.
    pub fn client(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = self.daemon.client_of(program, words);
        command
            .env("DOCKER_HOST", format!("tcp://127.0.0.1:{}", self.port))
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", &self.certificates.directory);
        command
    }

    pub fn skiff(&self, words: &[&str]) -> Command {
        self.client(&program(), words)
    }

    /// Our client with other files, and no words of the environment.
    #[track_caller]
    pub fn with(&self, host: &str, flags: &[String]) -> Run {
        let mut command = Command::new(program());
        command.arg(format!("-H=tcp://{host}:{}", self.port));
        command.args(flags).arg("version");
        command.env("DOCKER_CONFIG", self.daemon.directory.join("config"));
        Run::of(&mut command, b"")
    }

    /// A request through openssl, which shows what was agreed on.
    #[track_caller]
    pub fn openssl(&self, flags: &str) -> Run {
        let mut command = Command::new("openssl");
        command
            .args(["s_client", "-ign_eof", "-CAfile", "ca.pem", "-connect"])
            .arg(format!("127.0.0.1:{}", self.port))
            .args(flags.split_whitespace())
            .current_dir(&self.certificates.directory);
        let request = b"GET /_ping HTTP/1.1\r\nHost: engine.example\r\n\
                        Connection: close\r\n\r\n";
        Run::of(&mut command, request)
    }

    /// How many relays of attached clients the daemon has.
    pub fn relays(&self) -> usize {
        let names = host::threads(self.daemon.pid());
        names.iter().filter(|name| *name == "relay").count()
    }
}

/// Our client, and Docker's where it is installed.
pub fn clients() -> Vec<PathBuf> {
    let mut programs = vec![program()];
    match has("docker") {
        true => programs.push("docker".into()),
        false => skip("the Docker CLI is not installed"),
    }
    programs
}
