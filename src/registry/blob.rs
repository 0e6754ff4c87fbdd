//! Reading a blob: goes on by range after a cut, and checks size and digest.

use std::io::{self, Read};
use std::time::Duration;

use super::connections::Reply;
use super::error::{Cause, Error, Kind, Result};
use super::manifest::agent;
use super::remote::Remote;
use super::repository::Repository;
use crate::http::client::from_body;
use crate::oci::{Digest, Hasher};

/// How many bytes make good for the failures before them.
const PROGRESS: u64 = 1024 * 1024;

/// A blob as a stream of bytes. An error inside of its `io::Error` is found
/// by [`Error::inside`].
pub struct BlobReader {
    repository: Repository,
    digest: Digest,
    size: u64,
    position: u64,
    /// Hashes what was read, from the start on.
    hasher: Option<Hasher>,
    /// The answer that is being read, and its endpoint's place.
    reply: Option<(usize, Reply)>,
    /// Failures since the blob last got on, and where that was.
    failures: u32,
    good: u64,
    concluded: bool,
    on_retry: Option<OnRetry>,
}

/// Is told the seconds until the next attempt.
type OnRetry = Box<dyn FnMut(u64) + Send>;

impl BlobReader {
    pub(super) fn open(
        repository: Repository,
        digest: Digest,
        size: u64,
        offset: u64,
    ) -> Result<BlobReader> {
        if offset > size {
            return Err(Error::Range(digest));
        }
        Ok(BlobReader {
            repository,
            digest,
            size,
            position: offset,
            hasher: (offset == 0).then(Hasher::new),
            reply: None,
            failures: 0,
            good: offset,
            concluded: false,
            on_retry: None,
        })
    }

    /// Calls `notice` with the seconds that are left, each second, while
    /// waiting to try again.
    pub fn on_retry(&mut self, notice: impl FnMut(u64) + Send + 'static) {
        self.on_retry = Some(Box::new(notice));
    }

    /// Returns the size of the whole blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns how far the blob was read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads the blob to its end.
    pub(super) fn read_whole(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut piece = [0; 16 * 1024];
        loop {
            match self.next(&mut piece)? {
                0 => return Ok(bytes),
                n => bytes.extend_from_slice(&piece[..n]),
            }
        }
    }

    /// Reads the next bytes, over as many attempts as it takes.
    fn next(&mut self, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if self.repository.cancel().is_cancelled() {
                return Err(Error::Cancelled);
            }
            if self.position == self.size {
                self.conclude()?;
                return Ok(0);
            }
            match self.piece(buf) {
                Ok(n) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&buf[..n]);
                    }
                    self.position += n as u64;
                    if self.position - self.good >= PROGRESS {
                        (self.good, self.failures) = (self.position, 0);
                    }
                    if self.position == self.size {
                        // A reader may stop at the last byte that it needs:
                        // the check must come before it gets that.
                        self.conclude()?;
                    }
                    return Ok(n);
                }
                Err(error) => self.failed(error)?,
            }
        }
    }

    /// Reads once; never gives nothing.
    fn piece(&mut self, buf: &mut [u8]) -> Result<usize> {
        let Some((_, reply)) = &mut self.reply else {
            let opened = self.repository.open_blob(
                &self.digest,
                self.size,
                self.position,
            )?;
            self.reply = Some(opened);
            return self.piece(buf);
        };
        let left = usize::try_from(self.size - self.position);
        let want = buf.len().min(left.unwrap_or(usize::MAX));
        let error = match reply.read(&mut buf[..want]) {
            Ok(0) => return Err(Error::Cut(self.digest)),
            Ok(n) => return Ok(n),
            Err(error) => from_body(error),
        };
        let url = reply.url.to_string();
        let cause = Cause::Http(Box::new(error));
        Err(Error::Exchange { verb: "Get", url, cause })
    }

    /// Waits before the next attempt, or gives up.
    fn failed(&mut self, error: Error) -> Result<()> {
        self.reply = None;
        let cancel = self.repository.cancel().clone();
        if cancel.is_cancelled() || error.kind() == Kind::Cancelled {
            return Err(Error::Cancelled);
        }
        self.failures += 1;
        let pace = *self.repository.remote(0).connections.pace();
        let delay = pace.delay(&error, self.failures, pace.blob_attempts);
        let Some(mut left) = delay else { return Err(error) };
        log::info!("{}: {error}: trying again", self.digest);
        while !left.is_zero() {
            if let Some(notice) = &mut self.on_retry {
                notice(left.as_secs_f64().ceil() as u64);
            }
            let step = left.min(Duration::from_secs(1));
            if !cancel.sleep(step) {
                return Err(Error::Cancelled);
            }
            left -= step;
        }
        Ok(())
    }

    /// Checks that the blob ends here and is the right one.
    fn conclude(&mut self) -> Result<()> {
        if self.concluded {
            return Ok(());
        }
        if let Some((place, mut reply)) = self.reply.take() {
            // What was announced was checked with the head; this is for
            // bodies in chunks.
            if matches!(reply.read(&mut [0]), Ok(1..)) {
                return Err(Error::BlobSize {
                    digest: self.digest,
                    expected: self.size,
                    got: self.size + 1,
                });
            }
            self.repository.remote(place).connections.keep_read(reply);
        }
        if let Some(hasher) = self.hasher.take()
            && hasher.finish() != self.digest
        {
            return Err(Error::BlobDigest(self.digest));
        }
        self.concluded = true;
        Ok(())
    }
}

impl Read for BlobReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.next(buf).map_err(io::Error::from)
    }
}

impl std::fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BlobReader { digest, position, size, .. } = self;
        write!(f, "BlobReader({digest}, {position}/{size})")
    }
}

/// Asks an endpoint for a blob once; the answer's body starts at `offset`.
pub(super) fn request(
    remote: &Remote,
    path: &str,
    digest: &Digest,
    size: u64,
    offset: u64,
) -> Result<Reply> {
    let target = format!("/v2/{path}/blobs/{digest}");
    let mut headers = vec![
        agent(),
        // The digest is of the bytes as they are.
        ("Accept-Encoding".to_string(), "identity".to_string()),
    ];
    if offset > 0 {
        headers.push(("Range".into(), format!("bytes={offset}-")));
    }
    let mut reply = match remote.get("Get", &target, &headers) {
        Ok(reply) => reply,
        Err(Error::Answer { answer, .. }) if answer.is_missing() => {
            return Err(Error::UnknownBlob(*digest));
        }
        Err(error) => return Err(error),
    };
    let length = reply.content_length();
    let lie = |got| Error::BlobSize { digest: *digest, expected: size, got };
    match reply.status() {
        206 if offset > 0 => {
            let range = reply.header("content-range").and_then(parse_range);
            let Some((start, total)) = range else {
                return Err(Error::Range(*digest));
            };
            if let Some(total) = total.filter(|total| *total != size) {
                return Err(lie(total));
            }
            let fits = length.is_none_or(|n| n == size - offset);
            if start != offset || !fits {
                return Err(Error::Range(*digest));
            }
            Ok(reply)
        }
        200 => {
            if let Some(length) = length.filter(|length| *length != size) {
                return Err(lie(length));
            }
            // The range was passed over: so are the bytes before it.
            skip(&mut reply, offset)?;
            Ok(reply)
        }
        _ => Err(Error::Nonsense("unexpected status of a blob")),
    }
}

/// Reads and drops bytes.
fn skip(reply: &mut Reply, count: u64) -> Result<()> {
    let mut bounded = reply.by_ref().take(count);
    let skipped = io::copy(&mut bounded, &mut io::sink());
    let error = match skipped {
        Ok(skipped) if skipped == count => return Ok(()),
        Ok(_) => io::ErrorKind::UnexpectedEof.into(),
        Err(error) => error,
    };
    let url = reply.url.to_string();
    let cause = Cause::Http(Box::new(from_body(error)));
    Err(Error::Exchange { verb: "Get", url, cause })
}

/// Reads `bytes START-END/TOTAL`; the total may be `*`.
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((start.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::super::Cancel;
    use super::super::fake::{self, Fake, Seen, Then, answer};
    use super::*;

    #[test]
    fn a_content_range_is_read() {
        assert_eq!(parse_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((5, None)));
        for text in ["", "bytes", "bytes */10", "bytes 5/10", "lines 5-9/10"] {
            assert_eq!(parse_range(text), None, "{text}");
        }
    }

    const SIZE: usize = 100_000;

    fn bytes() -> Vec<u8> {
        (0..SIZE).map(|n| (n % 251) as u8).collect()
    }

    fn read(fake: &Fake, size: u64, offset: u64) -> Result<Vec<u8>> {
        let digest = Digest::of_bytes(&bytes());
        let mut blob = fake.repository().blob(&digest, size, offset)?;
        let mut all = Vec::new();
        let mut piece = [0; 777];
        loop {
            match blob.next(&mut piece)? {
                0 => return Ok(all),
                n => all.extend_from_slice(&piece[..n]),
            }
        }
    }

    /// The answer to a request with or without a range.
    fn honest(seen: &Seen) -> Vec<u8> {
        match seen.start() {
            None => answer(200, &[], &bytes()),
            Some(start) => {
                let last = SIZE - 1;
                let range =
                    format!("Content-Range: bytes {start}-{last}/{SIZE}");
                answer(206, &[&range], &bytes()[start..])
            }
        }
    }

    #[test]
    fn a_blob_is_read_and_the_connection_kept() {
        let fake = Fake::start(|seen| (honest(seen), Then::Keep));
        assert_eq!(read(&fake, SIZE as u64, 0).unwrap(), bytes());
        assert_eq!(read(&fake, SIZE as u64, 99).unwrap(), bytes()[99..]);
        assert!(read(&fake, SIZE as u64, SIZE as u64).unwrap().is_empty());
        assert!(read(&fake, SIZE as u64, SIZE as u64 + 1).is_err());
        assert_eq!(fake.seen()[1].header("range"), Some("bytes=99-"));
    }

    #[test]
    fn a_cut_blob_goes_on_where_it_was_cut() {
        let fake = Fake::start(|seen| {
            let mut bytes = honest(seen);
            if seen.number < 3 {
                bytes.truncate(20_000);
            }
            (bytes, Then::Close)
        });
        assert_eq!(read(&fake, SIZE as u64, 0).unwrap(), bytes());
        let starts: Vec<_> = fake.seen().iter().map(Seen::start).collect();
        assert_eq!(starts[0], None);
        assert!(starts[1] > Some(19_000) && starts[2] > starts[1]);
    }

    #[test]
    fn a_registry_that_knows_no_ranges_sends_it_again() {
        let fake = Fake::start(|seen| {
            let mut bytes = answer(200, &[], &bytes());
            if seen.number == 0 {
                bytes.truncate(20_000);
            }
            (bytes, Then::Close)
        });
        assert_eq!(read(&fake, SIZE as u64, 0).unwrap(), bytes());
        assert_eq!(fake.seen().len(), 2);
    }

    #[test]
    fn a_stalled_blob_goes_on_over_a_new_connection() {
        let fake = Fake::start(|seen| {
            let mut bytes = honest(seen);
            if seen.number == 0 {
                bytes.truncate(20_000);
                return (bytes, Then::Stall(Duration::from_secs(5)));
            }
            (bytes, Then::Keep)
        });
        assert_eq!(read(&fake, SIZE as u64, 0).unwrap(), bytes());
    }

    #[test]
    fn a_blob_that_never_gets_on_is_given_up() {
        let fake = Fake::start(|seen| {
            let mut bytes = honest(seen);
            bytes.truncate(200);
            (bytes, Then::Close)
        });
        let error = read(&fake, SIZE as u64, 0).unwrap_err();
        assert!(error.to_string().contains("unexpected EOF"), "{error}");
        assert_eq!(fake.seen().len(), 5);
    }

    #[test]
    fn a_lie_about_the_size_is_found_before_the_first_byte() {
        let fake = Fake::start(|seen| (honest(seen), Then::Keep));
        let error = read(&fake, SIZE as u64 - 1, 0).unwrap_err();
        let digest = Digest::of_bytes(&bytes());
        assert_eq!(
            error.to_string(),
            format!(
                "blob {digest} has 100000 bytes instead of the 99999 of its \
                 descriptor"
            )
        );
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(read(&fake, SIZE as u64 - 1, 5).is_err());
        assert_eq!(fake.seen().len(), 2);
    }

    #[test]
    fn an_endless_body_ends_at_the_size() {
        let fake = Fake::start(|_| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let mut all = head.as_bytes().to_vec();
            for _ in 0..20 {
                all.extend_from_slice(format!("{SIZE:x}\r\n").as_bytes());
                all.extend_from_slice(&bytes());
                all.extend_from_slice(b"\r\n");
            }
            (all, Then::Stall(Duration::from_secs(5)))
        });
        let error = read(&fake, SIZE as u64, 0).unwrap_err();
        assert!(matches!(error, Error::BlobSize { .. }), "{error}");
    }

    #[test]
    fn wrong_bytes_are_found_with_the_last_one() {
        let fake = Fake::start(|_| {
            let mut wrong = bytes();
            wrong[SIZE / 2] ^= 1;
            (answer(200, &[], &wrong), Then::Keep)
        });
        let digest = Digest::of_bytes(&bytes());
        let mut blob = fake.repository().blob(&digest, SIZE as u64, 0).unwrap();
        let mut got = Vec::new();
        let error = blob.read_to_end(&mut got).unwrap_err();
        assert!(got.len() < SIZE);
        assert_eq!(
            error.to_string(),
            format!("filesystem layer verification failed for digest {digest}")
        );
        let inside = Error::inside(&error).unwrap();
        assert!(matches!(inside, Error::BlobDigest(_)));
    }

    #[test]
    fn a_wrong_range_is_refused() {
        let fake = Fake::start(|_| {
            let range = format!("Content-Range: bytes 4-{}/{SIZE}", SIZE - 1);
            (answer(206, &[&range], &bytes()[4..]), Then::Keep)
        });
        let error = read(&fake, SIZE as u64, 5).unwrap_err();
        assert!(matches!(error, Error::Range(_)), "{error}");
        assert!(matches!(
            read(&fake, SIZE as u64, 0).unwrap_err(),
            Error::Nonsense(_)
        ));
    }

    #[test]
    fn a_blob_that_is_not_there_is_unknown() {
        let fake = Fake::start(|_| {
            let body = br#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#;
            (answer(404, &[], body), Then::Keep)
        });
        let error = read(&fake, 5, 0).unwrap_err();
        assert_eq!(error.to_string(), "unknown blob");
        assert_eq!(fake.seen().len(), 1);
    }

    #[test]
    fn waits_are_announced_and_end_when_cancelled() {
        let fake = Fake::start(|_| {
            (answer(503, &["Retry-After: 1"], b""), Then::Keep)
        });
        let cancel = Cancel::new();
        let mut settings = fake::settings();
        settings.pace.longest_delay = Duration::from_secs(5);
        let name = format!("{}/a/b", fake.host());
        let reference = crate::oci::Reference::parse(&name).unwrap();
        let client = super::super::Client::new(settings);
        let repository = client.repository(&reference, None, &cancel).unwrap();
        let digest = Digest::of_bytes(b"x");
        let mut blob = repository.blob(&digest, 1, 0).unwrap();
        blob.on_retry(move |seconds| {
            assert_eq!(seconds, 1);
            cancel.cancel();
        });
        let error = blob.next(&mut [0]).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }
}
