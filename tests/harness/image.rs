//! Root file systems and images made by the tests: tars, layers, manifests,
//! and the OCI layout from which skopeo feeds a registry.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const DOCKER_MANIFEST: &str =
    "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str =
    "application/vnd.docker.distribution.manifest.list.v2+json";

/// An entry of a tar that a test writes.
pub struct Entry<'a> {
    pub path: &'a str,
    pub kind: Kind<'a>,
    pub mode: u32,
}

pub enum Kind<'a> {
    Directory,
    File(&'a [u8]),
    Symlink(&'a str),
    Hardlink(&'a str),
    Fifo,
}

/// A file entry.
pub fn file<'a>(path: &'a str, content: &'a str) -> Entry<'a> {
    Entry { path, kind: Kind::File(content.as_bytes()), mode: 0o644 }
}

/// A directory entry.
pub fn directory(path: &str) -> Entry<'_> {
    Entry { path, kind: Kind::Directory, mode: 0o755 }
}

/// A symbolic link entry.
pub fn symlink<'a>(path: &'a str, target: &'a str) -> Entry<'a> {
    Entry { path, kind: Kind::Symlink(target), mode: 0o777 }
}

/// A hard link entry.
pub fn hardlink<'a>(path: &'a str, target: &'a str) -> Entry<'a> {
    Entry { path, kind: Kind::Hardlink(target), mode: 0o644 }
}

/// Writes a tar; paths are stored as they stand, `..` included.
pub fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        let name = header.as_old_mut();
        assert!(entry.path.len() < 100, "{} is too long", entry.path);
        name.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        let mut content: &[u8] = &[];
        let mut target = "";
        header.set_entry_type(match entry.kind {
            Kind::Directory => tar::EntryType::Directory,
            Kind::File(bytes) => {
                content = bytes;
                tar::EntryType::Regular
            }
            Kind::Symlink(to) => {
                target = to;
                tar::EntryType::Symlink
            }
            Kind::Hardlink(to) => {
                target = to;
                tar::EntryType::Link
            }
            Kind::Fifo => tar::EntryType::Fifo,
        });
        header.as_old_mut().linkname[..target.len()]
            .copy_from_slice(target.as_bytes());
        header.set_size(content.len() as u64);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// A root file system with busybox, two users and the usual directories.
pub fn busybox_root() -> &'static [u8] {
    static ROOT: OnceLock<Vec<u8>> = OnceLock::new();
    ROOT.get_or_init(|| {
        let binary = fs::read("/bin/busybox").expect("busybox-static");
        let listed = Command::new("/bin/busybox").arg("--list").output();
        let listed = listed.expect("busybox runs").stdout;
        let listed = String::from_utf8(listed).expect("names of applets");
        let links: Vec<String> = listed
            .lines()
            .filter(|name| *name != "busybox")
            .map(|name| format!("bin/{name}"))
            .collect();
        let mut entries = vec![
            directory("bin/"),
            directory("etc/"),
            directory("root/"),
            directory("home/"),
            directory("home/app/"),
            directory("proc/"),
            directory("sys/"),
            directory("dev/"),
            directory("var/"),
            Entry { path: "tmp/", kind: Kind::Directory, mode: 0o1777 },
            file(
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\n\
                 app:x:1000:1000::/home/app:/bin/sh\n",
            ),
            file("etc/group", "root:x:0:\napp:x:1000:\nextra:x:2000:app\n"),
            file("etc/notexec", "no program\n"),
            Entry {
                path: "bin/busybox",
                kind: Kind::File(&binary),
                mode: 0o755,
            },
        ];
        entries.extend(links.iter().map(|link| symlink(link, "busybox")));
        tar(&entries)
    })
}

/// `sha256:` and the digest.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String =
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::fast();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}

/// A layer as a registry holds it.
#[derive(Clone)]
pub struct Layer {
    pub blob: Vec<u8>,
    pub media_type: &'static str,
    pub diff_id: String,
}

impl Layer {
    pub fn gzip(tar: &[u8]) -> Layer {
        Layer {
            blob: gzip(tar),
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip",
            diff_id: sha256(tar),
        }
    }

    pub fn zstd(tar: &[u8]) -> Layer {
        Layer {
            blob: zstd(tar),
            media_type: "application/vnd.oci.image.layer.v1.tar+zstd",
            diff_id: sha256(tar),
        }
    }

    pub fn plain(tar: &[u8]) -> Layer {
        Layer {
            blob: tar.to_vec(),
            media_type: "application/vnd.oci.image.layer.v1.tar",
            diff_id: sha256(tar),
        }
    }

    fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": sha256(&self.blob),
            "size": self.blob.len(),
        })
    }
}

/// An image: config, manifest, layers.
#[derive(Clone)]
pub struct Image {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub layers: Vec<Layer>,
    pub architecture: String,
}

impl Image {
    /// An image of this machine's platform.
    pub fn new(layers: Vec<Layer>, settings: Value) -> Image {
        Image::of("amd64", layers, settings)
    }

    /// An image of another architecture.
    pub fn of(arch: &str, layers: Vec<Layer>, settings: Value) -> Image {
        let diff_ids: Vec<&str> =
            layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let config = json!({
            "created": "2024-05-06T07:08:09Z",
            "architecture": arch,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": layers.iter().map(|_| json!({
                "created": "2024-05-06T07:08:09Z",
                "created_by": "made by a test",
            })).collect::<Vec<_>>(),
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": OCI_CONFIG,
                "digest": sha256(&config),
                "size": config.len(),
            },
            "layers": layers.iter().map(Layer::descriptor).collect::<Vec<_>>(),
        });
        Image {
            manifest: manifest.to_string().into_bytes(),
            config,
            layers,
            architecture: arch.to_string(),
        }
    }

    /// The busybox root in one gzip layer.
    pub fn busybox() -> Image {
        Image::new(
            vec![Layer::gzip(busybox_root())],
            json!({"Cmd": ["sh"], "Env": ["PATH=/bin"]}),
        )
    }

    pub fn id(&self) -> String {
        sha256(&self.config)
    }

    pub fn digest(&self) -> String {
        sha256(&self.manifest)
    }

    pub fn descriptor(&self) -> Value {
        json!({
            "mediaType": OCI_MANIFEST,
            "digest": self.digest(),
            "size": self.manifest.len(),
            "platform": {"architecture": self.architecture, "os": "linux"},
        })
    }

    /// Every blob by its digest, the manifest included.
    pub fn blobs(&self) -> Vec<(String, Vec<u8>)> {
        let mut blobs = vec![
            (self.id(), self.config.clone()),
            (self.digest(), self.manifest.clone()),
        ];
        let layers = self.layers.iter();
        blobs.extend(layers.map(|l| (sha256(&l.blob), l.blob.clone())));
        blobs
    }
}

/// An index over images of several platforms.
pub fn index(images: &[Image]) -> Vec<u8> {
    let manifests: Vec<Value> = images.iter().map(Image::descriptor).collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": manifests,
    });
    index.to_string().into_bytes()
}

/// Writes an OCI layout whose tag `latest` is the image, or the index over
/// several.
pub fn write_layout(directory: &Path, images: &[Image]) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("a fresh directory");
    let put = |digest: &str, bytes: &[u8]| {
        let name = digest.strip_prefix("sha256:").expect("a digest");
        fs::write(blobs.join(name), bytes).expect("the disk takes a blob");
    };
    for image in images {
        for (digest, bytes) in image.blobs() {
            put(&digest, &bytes);
        }
    }
    let mut top = match images {
        [one] => one.descriptor(),
        several => {
            let bytes = index(several);
            let digest = sha256(&bytes);
            put(&digest, &bytes);
            json!({
                "mediaType": OCI_INDEX,
                "digest": digest,
                "size": bytes.len(),
            })
        }
    };
    top["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({"schemaVersion": 2, "manifests": [top]});
    fs::write(directory.join("index.json"), index.to_string())
        .expect("the disk takes the index");
    fs::write(
        directory.join("oci-layout"),
        json!({"imageLayoutVersion": "1.0.0"}).to_string(),
    )
    .expect("the disk takes the layout");
}
