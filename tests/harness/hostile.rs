//! A registry that misbehaves on demand: it cuts, stalls, lies about sizes
//! and digests, or answers errors, each for one path and a number of times.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::image::{Image, sha256};

/// What goes wrong when a path is asked for.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection closes after so many bytes of the body.
    Cut { after: usize },
    /// Nothing more comes after so many bytes, for as long as the peer waits.
    Stall { after: usize },
    /// The body comes in pieces, with a pause after each.
    Slow { piece: usize, pause: Duration },
    /// Other bytes of the same length.
    Swap,
    /// A body of another length, announced truthfully.
    Replace(Vec<u8>),
    /// An error status with a body.
    Status(u16, &'static str),
}

/// A request that the registry saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
}

#[derive(Default)]
struct State {
    content: HashMap<String, (String, Vec<u8>)>,
    faults: HashMap<String, (u32, Fault)>,
    seen: Vec<Seen>,
    open: Vec<TcpStream>,
    closing: bool,
}

pub struct Hostile {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Hostile {
    pub fn start() -> Hostile {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut locked = shared.lock().expect("no panic inside");
                if locked.closing {
                    return;
                }
                locked.open.extend(stream.try_clone().ok());
                drop(locked);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Hostile { port, state }
    }

    /// Name of a repository of this registry.
    pub fn name(&self, repository: &str) -> String {
        format!("127.0.0.1:{}/{repository}", self.port)
    }

    /// Offers an image under REPOSITORY:latest.
    pub fn offer(&self, repository: &str, image: &Image) {
        let manifest = &image.manifest;
        let parsed: serde_json::Value =
            serde_json::from_slice(manifest).expect("a manifest");
        let kind = parsed["mediaType"].as_str().expect("a type").to_string();
        self.offer_manifest(repository, "latest", &kind, manifest);
        self.offer_manifest(repository, &sha256(manifest), &kind, manifest);
        for (digest, bytes) in image.blobs() {
            self.offer_blob(repository, &digest, &bytes);
        }
    }

    /// Offers bytes as a manifest under a tag or digest.
    pub fn offer_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.put(path, media_type, bytes);
    }

    /// Offers bytes as a blob under a digest, true or not.
    pub fn offer_blob(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.put(path, "application/octet-stream", bytes);
    }

    fn put(&self, path: String, media_type: &str, bytes: &[u8]) {
        let mut state = self.state.lock().expect("no panic inside");
        state.content.insert(path, (media_type.into(), bytes.to_vec()));
    }

    /// Lets the next `times` requests of paths ending in `end` fail.
    pub fn spoil(&self, end: &str, times: u32, fault: Fault) {
        let mut state = self.state.lock().expect("no panic inside");
        state.faults.insert(end.into(), (times, fault));
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.state.lock().expect("no panic inside").faults.clear();
    }

    /// The requests so far whose path ends in `end`.
    pub fn seen(&self, end: &str) -> Vec<Seen> {
        let state = self.state.lock().expect("no panic inside");
        let seen = state.seen.iter().filter(|seen| seen.path.ends_with(end));
        seen.cloned().collect()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.closing = true;
            for stream in state.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        // Wakes the accept thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    // A client that tries TLS first is told at once that this is none.
    let mut first = [0];
    if stream.peek(&mut first).unwrap_or(0) == 0 || first[0] == 0x16 {
        let _ = stream.shutdown(Shutdown::Both);
        return;
    }
    let Ok(reading) = stream.try_clone() else { return };
    let mut lines = BufReader::new(reading).lines();
    let mut stream = stream;
    while let Some(Ok(first)) = lines.next() {
        let mut words = first.split(' ');
        let method = words.next().unwrap_or_default().to_string();
        let target = words.next().unwrap_or_default().to_string();
        let mut range = None;
        for line in lines.by_ref() {
            let Ok(line) = line else { return };
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("range")
            {
                range = Some(value.trim().to_string());
            }
        }
        let path = target.split('?').next().unwrap_or_default().to_string();
        if !answer(&mut stream, state, &method, &path, range) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Answers one request; false if the connection must close.
fn answer(
    stream: &mut TcpStream,
    state: &Mutex<State>,
    method: &str,
    path: &str,
    range: Option<String>,
) -> bool {
    let (content, fault) = {
        let mut state = state.lock().expect("no panic inside");
        state.seen.push(Seen {
            method: method.into(),
            path: path.into(),
            range: range.clone(),
        });
        let content = state.content.get(path).cloned();
        (content, next_fault(&mut state, path))
    };
    if path == "/v2/" {
        return send(stream, 200, "application/json", b"{}", "").is_ok();
    }
    if let Some(Fault::Status(status, body)) = fault {
        let body = body.as_bytes();
        return send(stream, status, "application/json", body, "").is_ok();
    }
    let Some((kind, mut bytes)) = content else {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        return send(stream, 404, "application/json", body, "").is_ok();
    };
    let digest = format!("Docker-Content-Digest: {}\r\n", sha256(&bytes));
    if method == "HEAD" {
        let head = head(200, &kind, bytes.len(), &digest);
        return stream.write_all(head.as_bytes()).is_ok();
    }
    match &fault {
        Some(Fault::Swap) => bytes.iter_mut().for_each(|byte| *byte ^= 0x55),
        Some(Fault::Replace(other)) => bytes = other.clone(),
        _ => {}
    }
    let whole = bytes.len();
    let from = range.as_deref().and_then(range_start).unwrap_or(0).min(whole);
    let extra = if from > 0 {
        format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1)
    } else {
        String::new()
    };
    let status = if from > 0 { 206 } else { 200 };
    let body = &bytes[from..];
    let head = head(status, &kind, body.len(), &(digest + &extra));
    if stream.write_all(head.as_bytes()).is_err() {
        return false;
    }
    match fault {
        Some(Fault::Cut { after }) => {
            let _ = stream.write_all(&body[..after.min(body.len())]);
            false
        }
        Some(Fault::Stall { after }) => {
            let _ = stream.write_all(&body[..after.min(body.len())]);
            // Ends when the peer, or the fixture's drop, closes it.
            let mut byte = [0];
            let _ = std::io::Read::read(stream, &mut byte);
            false
        }
        Some(Fault::Slow { piece, pause }) => {
            for part in body.chunks(piece) {
                if stream.write_all(part).is_err() {
                    return false;
                }
                std::thread::sleep(pause);
            }
            true
        }
        _ => stream.write_all(body).is_ok(),
    }
}

fn next_fault(state: &mut State, path: &str) -> Option<Fault> {
    let key = state.faults.keys().find(|end| path.ends_with(*end))?.clone();
    let (times, fault) = state.faults.get_mut(&key)?;
    if *times == 0 {
        return None;
    }
    *times -= 1;
    Some(fault.clone())
}

/// The start of a `bytes=N-` range.
fn range_start(range: &str) -> Option<usize> {
    range.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
}

fn head(status: u16, kind: &str, length: usize, extra: &str) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\n{extra}\r\n"
    )
}

fn send(
    stream: &mut TcpStream,
    status: u16,
    kind: &str,
    body: &[u8],
    extra: &str,
) -> std::io::Result<()> {
    stream.write_all(head(status, kind, body.len(), extra).as_bytes())?;
    stream.write_all(body)
}
