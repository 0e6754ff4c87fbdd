//! What each part promises about whatever it is given.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use skiff::engine::Engine;
use skiff::http::chunk;
use skiff::http::head::{self, Framing, Malformed, Request, Response};
use skiff::http::input::Input;
use skiff::http::query::{self, Plus, Query};
use skiff::server::Method;
use skiff::server::route::{Router, split_version};
use skiff::server::routes::ROUTES;
use skiff::server::version::{self, Version};

use super::mutate::Mutator;

/// Gives bytes in pieces of these sizes, over and over.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    next: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes[self.next % self.sizes.len()];
        self.next += 1;
        let n = size.min(buf.len()).min(self.bytes.len());
        buf[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

/// What came of a part of a connection.
#[derive(Debug, PartialEq)]
enum Part {
    Request {
        head: String,
        framing: Framing,
        keep: bool,
        body: Vec<u8>,
    },
    BadHead(Malformed),
    BadChunk(chunk::Malformed),
    /// The end came in the middle.
    Cut,
}

/// Reads a connection to its end, or to the first thing that is wrong.
fn read(bytes: &[u8], sizes: Vec<usize>) -> Vec<Part> {
    let mut source = Pieces { bytes, sizes, next: 0 };
    let mut input = Input::new();
    let mut parts = Vec::new();
    loop {
        let part = read_one(&mut source, &mut input);
        let is_last = !matches!(part, Some(Part::Request { keep: true, .. }));
        parts.extend(part);
        if is_last {
            return parts;
        }
    }
}

fn read_one(source: &mut Pieces<'_>, input: &mut Input) -> Option<Part> {
    let mut request = Request::default();
    let mut seen = 0;
    loop {
        match head::find_request(input.bytes(), seen) {
            Err(e) => return Some(Part::BadHead(e)),
            Ok(Some(place)) => {
                assert!(place.end <= input.bytes().len());
                assert!(place.len() <= head::MAX_BYTES);
                let end = place.end;
                let parsed = request.parse(&input.bytes()[place]);
                input.consume(end);
                match parsed {
                    Ok(()) => break,
                    Err(e) => return Some(Part::BadHead(e)),
                }
            }
            Ok(None) => {}
        }
        seen = input.bytes().len();
        assert!(seen <= head::MAX_BYTES);
        if input.fill(&mut *source).expect("a read of memory") == 0 {
            return (seen > 0).then_some(Part::Cut);
        }
    }
    check_head(&request);
    let fields = request.fields().iter();
    let fields: Vec<_> = fields.map(|(n, v)| (n, v.to_vec())).collect();
    let head = format!(
        "{} {} {} {fields:?}",
        request.method(),
        request.target(),
        request.host()
    );
    let body = match request.framing {
        Framing::Length(n) => read_length(source, input, n),
        Framing::Chunked => match read_chunks(source, input) {
            Ok(body) => body,
            Err(e) => return Some(Part::BadChunk(e)),
        },
        _ => Some(Vec::new()),
    };
    let Some(body) = body else { return Some(Part::Cut) };
    let (framing, keep) = (request.framing, request.keep_alive);
    Some(Part::Request { head, framing, keep, body })
}

fn check_head(request: &Request) {
    assert!(request.fields().iter().count() <= head::MAX_HEADERS);
    assert!(request.target().len() <= head::MAX_LINE);
    assert!(!request.method().is_empty() && !request.path().is_empty());
    assert!(request.target().bytes().all(|b| b.is_ascii_graphic()));
    assert_ne!(request.framing, Framing::UntilClose);
    let lengths = request.fields().all("content-length").count();
    let codings = request.fields().all("transfer-encoding").count();
    assert!(lengths + codings <= 1, "two ways to find the end");
    for (name, value) in request.fields().iter() {
        assert!(!name.is_empty() && name.is_ascii());
        assert!(!value.iter().any(|b| b"\r\n\0".contains(b)));
    }
}

fn read_length(
    source: &mut Pieces<'_>,
    input: &mut Input,
    length: u64,
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while (body.len() as u64) < length {
        if input.is_empty() && input.fill(&mut *source).ok()? == 0 {
            return None;
        }
        let left = length - body.len() as u64;
        let n = input.bytes().len().min(usize::try_from(left).ok()?);
        body.extend_from_slice(&input.bytes()[..n]);
        input.consume(n);
    }
    Some(body)
}

fn read_chunks(
    source: &mut Pieces<'_>,
    input: &mut Input,
) -> Result<Option<Vec<u8>>, chunk::Malformed> {
    let mut decoder = chunk::Decoder::new();
    let (mut body, mut out) = (Vec::new(), [0; 77]);
    while !decoder.is_done() {
        if input.is_empty()
            && matches!(input.fill(&mut *source), Ok(0) | Err(_))
        {
            return Ok(None);
        }
        let step = decoder.decode(input.bytes(), &mut out)?;
        assert!(step.consumed <= input.bytes().len());
        assert!(step.produced <= step.consumed);
        assert!(step.consumed > 0, "the decoder stands still");
        body.extend_from_slice(&out[..step.produced]);
        input.consume(step.consumed);
    }
    Ok(Some(body))
}

/// Whole, byte by byte and in pieces a connection says the same.
pub fn request(bytes: &[u8], mutator: &mut Mutator) -> String {
    let whole = read(bytes, vec![usize::MAX]);
    let pieces = (0..4).map(|_| 1 + mutator.below(30)).collect();
    for sizes in [vec![1], pieces] {
        assert_eq!(read(bytes, sizes), whole);
    }
    let kind = |part: &Part| match part {
        Part::Request { framing, keep, .. } => {
            let framing = std::mem::discriminant(framing);
            format!("{framing:?}{keep}")
        }
        other => format!("{other:?}"),
    };
    whole.iter().take(4).map(kind).collect()
}

/// An answer is taken or refused, and its end is known.
pub fn answer(bytes: &[u8], _: &mut Mutator) -> String {
    let found = head::find_end(bytes, 0);
    let by_byte = (0..bytes.len().min(head::MAX_BYTES))
        .map(|seen| head::find_end(&bytes[..seen + 1], seen))
        .find(|found| *found != Ok(None))
        .unwrap_or(Ok(None));
    assert_eq!(found, by_byte);
    let Ok(Some(end)) = found else { return format!("{found:?}") };
    match Response::parse(&bytes[..end]) {
        Ok(response) => {
            assert!(response.status < 1000);
            format!("{} {:?}", response.status, response.keep_alive)
        }
        Err(e) => format!("{e:?}"),
    }
}

/// Data cut into chunks comes back, and no byte behind it is taken.
pub fn chunks(data: &[u8], mutator: &mut Mutator) -> String {
    let (mut coded, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let (now, later) =
            rest.split_at((1 + mutator.below(90)).min(rest.len()));
        chunk::push_size(&mut coded, now.len());
        coded.extend_from_slice(now);
        coded.extend_from_slice(b"\r\n");
        rest = later;
    }
    coded.extend_from_slice(chunk::LAST);
    coded.extend_from_slice(b"GET /");
    let sizes = vec![1 + mutator.below(50), 1 + mutator.below(5)];
    let mut source = Pieces { bytes: &coded, sizes, next: 0 };
    let mut input = Input::new();
    let got = read_chunks(&mut source, &mut input);
    assert_eq!(got, Ok(Some(data.to_vec())));
    let behind = [input.bytes(), source.bytes].concat();
    assert_eq!(behind, b"GET /");
    String::new()
}

/// What is encoded decodes to itself, and what is decoded can be encoded.
pub fn query(bytes: &[u8], _: &mut Mutator) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = text.replace('\0', "");
    let coded = query::encode(&plain);
    assert!(coded.bytes().all(|b| b.is_ascii_graphic() && b != b'&'));
    assert_eq!(query::decode(&coded, Plus::Space).as_ref(), Ok(&plain));
    let path = query::encode_path(&plain);
    assert!(path.bytes().all(|b| b.is_ascii_graphic()));
    assert_eq!(query::decode(&path, Plus::Plus).as_ref(), Ok(&plain));
    match Query::parse(&text) {
        Err(e) => std::mem::discriminant(&e).hash_text(),
        Ok(parsed) => {
            let pairs = parsed.pairs().iter();
            let again: Vec<String> = pairs
                .map(|(name, value)| {
                    format!("{}={}", query::encode(name), query::encode(value))
                })
                .collect();
            assert_eq!(Query::parse(&again.join("&")), Ok(parsed.clone()));
            for (name, value) in parsed.pairs() {
                assert!(!name.contains('\0') && !value.contains('\0'));
                let _ = (parsed.flag(name), parsed.integer(name));
            }
            format!("{}", parsed.pairs().len().min(9))
        }
    }
}

/// A kind of failure as text.
trait HashText {
    fn hash_text(&self) -> String;
}

impl<T> HashText for std::mem::Discriminant<T> {
    fn hash_text(&self) -> String {
        format!("{self:?}")
    }
}

fn router() -> &'static Router<Arc<Engine>> {
    static ROUTER: OnceLock<Router<Arc<Engine>>> = OnceLock::new();
    ROUTER.get_or_init(|| Router::new(ROUTES))
}

/// A path has one route for each method at most, whatever slashes are
/// doubled, and the variables are parts of the path.
pub fn path(bytes: &[u8], mutator: &mut Mutator) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (version_text, rest) = split_version(&text);
    assert!(text.ends_with(rest));
    let version = version_text.and_then(Version::parse);
    let version = version.unwrap_or(version::MAX);
    let _ = version.refusal(version_text.unwrap_or(""));
    let doubled = rest.replacen('/', &"/".repeat(1 + mutator.below(4)), 2);
    let mut kind = String::new();
    for name in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
        let method = Method::parse(name).expect("a method");
        let found = router().find(method, version, rest);
        let again = router().find(method, version, &doubled);
        let pattern = found.as_ref().map(|found| found.route.pattern);
        assert_eq!(pattern, again.map(|found| found.route.pattern));
        let Some(found) = found else { continue };
        assert_eq!(found.route.method, method);
        for word in found.route.pattern.split(['{', '}']).skip(1).step_by(2) {
            let value = found.variables.get(word.trim_end_matches('*'));
            let value = value.expect("a variable of the pattern");
            assert!(!value.is_empty() && rest.contains(value));
        }
        kind.push_str(found.route.pattern);
    }
    kind
}
