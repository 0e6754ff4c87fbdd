//! A real registry on the loopback: Debian's docker-registry with temporary
//! storage, fed by skopeo from layouts that the tests build.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::command::Run;
use super::image::{Image, write_layout};
use super::wire::Wire;
use super::{has, skip, until};

static COUNT: AtomicU32 = AtomicU32::new(0);

pub struct Registry {
    pub port: u16,
    directory: PathBuf,
    child: Child,
}

impl Registry {
    /// Starts a registry, or skips the case where its programs are missing.
    pub fn start() -> Option<Registry> {
        if !has("docker-registry") || !has("skopeo") {
            skip("docker-registry or skopeo is not installed");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let own = std::process::id();
        let directory = PathBuf::from(format!("/tmp/skt-reg-{own}-{number}"));
        fs::create_dir_all(&directory).expect("/tmp is there");
        let port = free_port();
        let settings = directory.join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  \
             addr: 127.0.0.1:{port}\n",
            directory.join("storage").display()
        );
        fs::write(&settings, text).expect("/tmp takes a file");
        let log = File::create(directory.join("log")).expect("a log");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor"))
            .stderr(log)
            .spawn()
            .expect("docker-registry starts");
        let registry = Registry { port, directory, child };
        until("the registry's port", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(registry)
    }

    /// Name of a repository of this registry.
    pub fn name(&self, repository: &str) -> String {
        format!("127.0.0.1:{}/{repository}", self.port)
    }

    /// Pushes one image, or an index over several, as REPOSITORY:latest.
    #[track_caller]
    pub fn push(&self, repository: &str, images: &[Image]) {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let layout = self.directory.join(format!("layout-{number}"));
        write_layout(&layout, images);
        let mut command = Command::new("skopeo");
        command
            .args(["--insecure-policy", "copy", "--all", "--quiet"])
            .arg("--dest-tls-verify=false")
            .arg(format!("oci:{}:latest", layout.display()))
            .arg(format!("docker://{}:latest", self.name(repository)));
        Run::of(&mut command, b"").ok();
    }

    /// Pushes an image in the older Docker formats.
    #[track_caller]
    pub fn push_as_docker(&self, repository: &str, image: &Image) {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let layout = self.directory.join(format!("layout-{number}"));
        write_layout(&layout, std::slice::from_ref(image));
        let mut command = Command::new("skopeo");
        command
            .args(["--insecure-policy", "copy", "--quiet", "--format", "v2s2"])
            .arg("--dest-tls-verify=false")
            .arg(format!("oci:{}:latest", layout.display()))
            .arg(format!("docker://{}:latest", self.name(repository)));
        Run::of(&mut command, b"").ok();
    }

    /// Digest that the registry gives to a tag.
    #[track_caller]
    pub fn digest(&self, repository: &str) -> String {
        let accept = [
            super::image::OCI_MANIFEST,
            super::image::OCI_INDEX,
            super::image::DOCKER_MANIFEST,
            super::image::DOCKER_LIST,
        ]
        .join(", ");
        let mut wire = Wire::tcp(self.port);
        let reply = wire.exchange(
            "HEAD",
            &format!("/v2/{repository}/manifests/latest"),
            &[("Accept", &accept)],
            None,
        );
        let reply = reply.is(200);
        reply.header("Docker-Content-Digest").expect("a digest").to_string()
    }

    /// What the registry logged: its requests are in there.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the registry's log\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A port of the loopback that nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
