//! Heads of requests and answers: found and split by httparse, held in
//! memory that is used again, and checked for everything on which two
//! readers of one stream could disagree.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::target;

/// The most bytes of a head. Docker's clients put credentials into it
/// (`X-Registry-Config` holds those of all registries).
pub const MAX_BYTES: usize = 128 * 1024;

/// The most bytes of the first line: of a target that holds a whole
/// build's arguments.
pub const MAX_LINE: usize = 64 * 1024;

/// The most empty lines before a request's first one.
const MAX_BLANK: usize = 4;

/// The most header lines.
pub const MAX_HEADERS: usize = 100;

/// How a head breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A line ends with LF alone.
    BareLf,
    /// The first line is no request line or status line.
    StartLine,
    /// The first line is longer than [`MAX_LINE`].
    LineTooLong,
    /// The target has none of the forms that targets have.
    Target,
    /// The protocol is HTTP, but neither 1.0 nor 1.1.
    Version,
    /// A header's name or value has a byte that must not be there.
    Header,
    /// More than [`MAX_HEADERS`].
    TooManyHeaders,
    /// More than [`MAX_BYTES`].
    TooLong,
    /// `Content-Length` is no number, or is there twice.
    ContentLength,
    /// `Transfer-Encoding` together with `Content-Length`, or in HTTP/1.0.
    ConflictingFraming,
    /// A transfer coding other than `chunked`.
    TransferEncoding,
    /// `Host` is missing or there twice.
    Host,
    /// An `Expect` other than `100-continue`.
    Expectation,
}

impl Malformed {
    /// Returns the status with which a server refuses it.
    pub fn status(self) -> u16 {
        match self {
            Malformed::TooManyHeaders | Malformed::TooLong => 431,
            Malformed::LineTooLong => 414,
            Malformed::Version => 505,
            Malformed::TransferEncoding => 501,
            Malformed::Expectation => 417,
            _ => 400,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::BareLf => "bare line feed",
            Malformed::StartLine => "malformed first line",
            Malformed::LineTooLong => "request line too long",
            Malformed::Target => "malformed request target",
            Malformed::Version => "unsupported protocol version",
            Malformed::Header => "malformed header",
            Malformed::TooManyHeaders => "too many headers",
            Malformed::TooLong => "header fields too large",
            Malformed::ContentLength => "bad or repeated Content-Length",
            Malformed::ConflictingFraming => {
                "Transfer-Encoding conflicts with Content-Length"
            }
            Malformed::TransferEncoding => "unsupported transfer encoding",
            Malformed::Host => "missing or repeated Host header",
            Malformed::Expectation => "unsupported expectation",
        })
    }
}

impl std::error::Error for Malformed {}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    Empty,
    /// It has this many bytes.
    Length(u64),
    /// It is in chunks.
    Chunked,
    /// It ends with the connection; answers only.
    UntilClose,
}

/// Looks for the end of a head, which is where `\r\n\r\n` ends. `from` is
/// how many bytes were looked at before. A bare LF is refused at once.
pub fn find_end(bytes: &[u8], from: usize) -> Result<Option<usize>, Malformed> {
    // What lies behind the limit has no part in the outcome, however the
    // bytes came in.
    let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
    let mut at = from.saturating_sub(3).min(bytes.len());
    while let Some(next) = bytes[at..].iter().position(|&b| b == b'\n') {
        let lf = at + next;
        if lf == 0 || bytes[lf - 1] != b'\r' {
            return Err(Malformed::BareLf);
        }
        if lf >= 3 && bytes[lf - 3..lf - 1] == *b"\r\n" {
            return Ok(Some(lf + 1));
        }
        at = lf + 1;
    }
    match bytes.len() {
        MAX_BYTES => Err(Malformed::TooLong),
        _ => Ok(None),
    }
}

/// Looks for a request's head, and returns where it stands. `from` is how
/// many bytes were looked at before. Empty lines before the head are passed
/// over (RFC 9112 §2.2), up to a few.
pub fn find_request(
    bytes: &[u8],
    from: usize,
) -> Result<Option<Range<usize>>, Malformed> {
    let lines = bytes.chunks_exact(2).take(MAX_BLANK + 1);
    let start = 2 * lines.take_while(|two| *two == b"\r\n").count();
    if start > 2 * MAX_BLANK {
        return Err(Malformed::StartLine);
    }
    let head = &bytes[start..];
    let line = head.len().min(MAX_LINE);
    let end = find_end(head, from.saturating_sub(start));
    if line == MAX_LINE && !head[..line].contains(&b'\n') {
        return Err(Malformed::LineTooLong);
    }
    Ok(end?.map(|end| start..start + end))
}

/// A place in the text of a head.
type Span = (u32, u32);

/// The header lines, and the text that they stand in.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    lines: Vec<(Span, Span)>,
}

/// What the header lines say about the connection and the body.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    content_length: Option<u64>,
    chunked: bool,
    hosts: u32,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Fields {
    /// Returns the first value of a header, if it is text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns all values of a header that are text, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(move |line| line.0.eq_ignore_ascii_case(name))
            .filter_map(|line| std::str::from_utf8(line.1).ok())
    }

    /// Returns all lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|(name, value)| {
            let name = std::str::from_utf8(self.slice(*name));
            (name.unwrap_or(""), self.slice(*value))
        })
    }

    fn slice(&self, (start, end): Span) -> &[u8] {
        &self.text[start as usize..end as usize]
    }

    fn load(
        &mut self,
        text: &[u8],
        headers: &[httparse::Header<'_>],
    ) -> Result<Facts, Malformed> {
        self.text.clear();
        self.lines.clear();
        self.text.extend_from_slice(text);
        let mut facts = Facts::default();
        for header in headers {
            let name = span(text, header.name.as_bytes());
            self.lines.push((name, span(text, header.value)));
            facts.note(header.name, header.value)?;
        }
        Ok(facts)
    }
}

/// Returns where `part`, a piece of `text`, stands in it. Both are shorter
/// than [`MAX_BYTES`] and a read, so 32 bits are enough.
fn span(text: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    let start = start.min(text.len());
    (start as u32, (start + part.len()).min(text.len()) as u32)
}

impl Facts {
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Malformed> {
        // By length first: most headers are passed over with one look.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => self.hosts += 1,
            6 if name.eq_ignore_ascii_case("expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Malformed::Expectation);
                }
                self.expects_continue = true;
            }
            10 if name.eq_ignore_ascii_case("connection") => {
                for word in value.split(|&b| b == b',') {
                    let word = word.trim_ascii();
                    self.close |= word.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                if self.content_length.is_some() {
                    return Err(Malformed::ContentLength);
                }
                self.content_length = Some(parse_length(value)?);
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::TransferEncoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, minor: u8) -> Result<Option<Framing>, Malformed> {
        if self.chunked && (self.content_length.is_some() || minor == 0) {
            return Err(Malformed::ConflictingFraming);
        }
        Ok(match (self.chunked, self.content_length) {
            (true, _) => Some(Framing::Chunked),
            (false, Some(0)) => Some(Framing::Empty),
            (false, Some(n)) => Some(Framing::Length(n)),
            (false, None) => None,
        })
    }

    fn keeps_alive(&self, minor: u8) -> bool {
        !self.close && (minor == 1 || self.keep_alive)
    }
}

/// Digits only: no sign, space or list, and no more than fit into 63 bits.
fn parse_length(value: &[u8]) -> Result<u64, Malformed> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|t| t.parse().ok())
        .filter(|&n: &u64| n <= i64::MAX as u64)
        .ok_or(Malformed::ContentLength)
}

fn malformed(error: httparse::Error, text: &[u8]) -> Malformed {
    match error {
        httparse::Error::Version if names_version(text) => Malformed::Version,
        httparse::Error::TooManyHeaders => Malformed::TooManyHeaders,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            Malformed::Header
        }
        _ => Malformed::StartLine,
    }
}

/// Returns whether the first line, a request's or an answer's, has a
/// version where it belongs, of whatever number (`HTTP/2.0`).
fn names_version(text: &[u8]) -> bool {
    let line = text.split(|&b| b == b'\r').next().unwrap_or(text);
    let words: Vec<&[u8]> = line.splitn(4, |&b| b == b' ').collect();
    let version = match words.as_slice() {
        [_, target, version] if !target.is_empty() => version,
        [version, ..] => version,
        [] => return false,
    };
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    fields: Fields,
    method: Span,
    target: Span,
    minor: u8,
    /// How the body ends.
    pub framing: Framing,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The connection can serve a further request after this one.
    pub keep_alive: bool,
}

impl Request {
    /// Parses `text`, a whole head with its empty line, into this memory.
    pub fn parse(&mut self, text: &[u8]) -> Result<(), Malformed> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed.parse_with_uninit_headers(text, &mut headers);
        match status.map_err(|e| malformed(e, text))? {
            httparse::Status::Complete(n) if n == text.len() => {}
            _ => return Err(Malformed::StartLine),
        }
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(Malformed::StartLine);
        };
        target::check(method, target)?;
        self.method = span(text, method.as_bytes());
        self.target = span(text, target.as_bytes());
        self.minor = minor;
        let facts = self.fields.load(text, parsed.headers)?;
        // HTTP/1.0 had no Host; 1.1 without one is refused (RFC 9112 §3.2).
        if facts.hosts > 1 || (facts.hosts == 0 && minor == 1) {
            return Err(Malformed::Host);
        }
        self.framing = facts.framing(minor)?.unwrap_or(Framing::Empty);
        self.expects_continue = facts.expects_continue
            && minor == 1
            && self.framing != Framing::Empty;
        self.keep_alive = facts.keeps_alive(minor);
        Ok(())
    }

    /// Returns the method, as it was written.
    pub fn method(&self) -> &str {
        std::str::from_utf8(self.fields.slice(self.method)).unwrap_or("")
    }

    /// Returns the target, as it was written: path and query.
    pub fn target(&self) -> &str {
        std::str::from_utf8(self.fields.slice(self.target)).unwrap_or("")
    }

    /// Returns the target's path, still encoded.
    pub fn path(&self) -> &str {
        target::path(self.target())
    }

    /// Returns what stands behind the target's `?`, still encoded.
    pub fn query(&self) -> &str {
        target::query(self.target())
    }

    /// Returns whom the client calls: an absolute target's host goes before
    /// the header (RFC 9112 §3.2.2). Empty if it does not say.
    pub fn host(&self) -> &str {
        let absolute = target::authority(self.target());
        absolute.or_else(|| self.fields.get("host")).unwrap_or("")
    }

    /// Returns the minor version: 0 or 1.
    pub fn minor(&self) -> u8 {
        self.minor
    }

    /// Returns the header lines.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    fields: Fields,
    /// The status code.
    pub status: u16,
    /// How the body ends, if the request allows one.
    pub framing: Framing,
    /// The connection can serve a further request after this one.
    pub keep_alive: bool,
}

impl Response {
    /// Parses `text`, a whole head with its empty line.
    pub fn parse(text: &[u8]) -> Result<Response, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        match parsed.parse(text).map_err(|e| malformed(e, text))? {
            httparse::Status::Complete(n) if n == text.len() => {}
            _ => return Err(Malformed::StartLine),
        }
        let (Some(minor), Some(status)) = (parsed.version, parsed.code) else {
            return Err(Malformed::StartLine);
        };
        let mut head = Response { status, ..Response::default() };
        let facts = head.fields.load(text, parsed.headers)?;
        let bodiless = status < 200 || status == 204 || status == 304;
        let framing = facts.framing(minor)?;
        head.framing = match framing {
            _ if bodiless => Framing::Empty,
            Some(framing) => framing,
            None => Framing::UntilClose,
        };
        head.keep_alive =
            facts.keeps_alive(minor) && head.framing != Framing::UntilClose;
        Ok(head)
    }

    /// Returns the header lines.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<Request, Malformed> {
        let mut head = Request::default();
        head.parse(text.as_bytes()).map(|()| head)
    }

    #[test]
    fn the_end_of_a_head_is_found_however_it_arrives() {
        let text = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
        for seen in 0..text.len() - 4 {
            let partial = find_end(&text[..seen], 0).unwrap();
            assert_eq!(partial, None);
            assert_eq!(find_end(text, seen).unwrap(), Some(text.len() - 4));
        }
        assert_eq!(find_end(b"GET / HTTP/1.1\n", 0), Err(Malformed::BareLf));
        assert_eq!(find_end(b"\n", 0), Err(Malformed::BareLf));
        let endless = vec![b'a'; MAX_BYTES + 1];
        assert_eq!(find_end(&endless, 0), Err(Malformed::TooLong));
    }

    #[test]
    fn a_request_is_taken_apart() {
        let head = request(
            "POST /v1.51/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\
             x-a: 2\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n",
        )
        .unwrap();
        assert_eq!((head.method(), head.minor()), ("POST", 1));
        assert_eq!((head.path(), head.query()), ("/v1.51/a%20b", "x=1"));
        assert_eq!(head.fields().all("X-a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(head.fields().get("missing"), None);
        assert_eq!(head.framing, Framing::Length(12));
        assert!(head.expects_continue && head.keep_alive);
    }

    #[test]
    fn a_head_may_follow_a_few_empty_lines() {
        let head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        for blank in 0..7 {
            let start = 2 * blank;
            let text = [&b"\r\n".repeat(blank)[..], head, b"rest"].concat();
            let whole = start..start + head.len();
            // Byte by byte it comes to the same.
            let (mut seen, mut outcome) = (0, Ok(None));
            while seen < text.len() && outcome == Ok(None) {
                outcome = find_request(&text[..seen + 1], seen);
                seen += 1;
            }
            assert_eq!(outcome, find_request(&text, 0));
            let expected = match blank {
                0..=4 => Ok(Some(whole)),
                _ => Err(Malformed::StartLine),
            };
            assert_eq!(outcome, expected);
        }
        let long = vec![b'a'; MAX_LINE];
        assert_eq!(find_request(&long, 0), Err(Malformed::LineTooLong));
        assert_eq!(find_request(&long[1..], 0), Ok(None));
    }

    #[test]
    fn the_connection_is_kept_as_the_version_says() {
        for (version, line, kept) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Upgrade, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let text = format!("GET / HTTP/{version}\r\nHost: x\r\n{line}\r\n");
            assert_eq!(request(&text).unwrap().keep_alive, kept, "{text}");
        }
        assert!(request("GET / HTTP/1.0\r\n\r\n").is_ok());
    }

    #[test]
    fn ambiguous_and_broken_requests_are_refused() {
        let many = "A: b\r\n".repeat(MAX_HEADERS);
        let h = "Host: x\r\n";
        let cases: &[(&str, Malformed)] = &[
            ("", Malformed::Host),
            ("Host: x\r\nHost: x\r\n", Malformed::Host),
            (
                "Content-Length: 1\r\nContent-Length: 1\r\n",
                Malformed::ContentLength,
            ),
            ("Content-Length: 1, 1\r\n", Malformed::ContentLength),
            ("Content-Length: +1\r\n", Malformed::ContentLength),
            ("Content-Length: -1\r\n", Malformed::ContentLength),
            ("Content-Length: 0x1\r\n", Malformed::ContentLength),
            ("Content-Length:\r\n", Malformed::ContentLength),
            (
                "Content-Length: 9223372036854775808\r\n",
                Malformed::ContentLength,
            ),
            (
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                Malformed::ConflictingFraming,
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
                Malformed::ConflictingFraming,
            ),
            ("Transfer-Encoding: gzip\r\n", Malformed::TransferEncoding),
            (
                "Transfer-Encoding: gzip, chunked\r\n",
                Malformed::TransferEncoding,
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Malformed::TransferEncoding,
            ),
            ("Transfer-Encoding: \u{b}chunked\r\n", Malformed::Header),
            ("Transfer-Encoding : chunked\r\n", Malformed::Header),
            ("X: y\r\n folded\r\n", Malformed::Header),
            ("X: a\rb\r\n", Malformed::Header),
            ("X: a\0b\r\n", Malformed::Header),
            ("X y\r\n", Malformed::Header),
            (": y\r\n", Malformed::Header),
            ("Expect: 200-ok\r\n", Malformed::Expectation),
            (&many, Malformed::TooManyHeaders),
        ];
        for (lines, expected) in cases {
            let host = if *expected == Malformed::Host { "" } else { h };
            let text = format!("POST / HTTP/1.1\r\n{host}{lines}\r\n");
            assert_eq!(request(&text).unwrap_err(), *expected, "{text}");
        }
        for (line, expected) in [
            ("GET /\r\n\r\n", Malformed::StartLine),
            ("GET / http/1.1\r\n\r\n", Malformed::StartLine),
            ("PRI * HTTP/2.0\r\n\r\n", Malformed::Version),
            ("GET / HTTP/1.2\r\n\r\n", Malformed::Version),
            ("GET / HTTP/1.10\r\n\r\n", Malformed::StartLine),
            ("GET h:1 HTTP/1.1\r\n\r\n", Malformed::Target),
            ("GET / HTTP/2.0\r\n\r\n", Malformed::Version),
            ("GET  / HTTP/1.1\r\n\r\n", Malformed::StartLine),
            ("G(T / HTTP/1.1\r\n\r\n", Malformed::StartLine),
            ("GET /\u{7f} HTTP/1.1\r\n\r\n", Malformed::StartLine),
            (" GET / HTTP/1.1\r\n\r\n", Malformed::StartLine),
            ("\r\n\r\n", Malformed::StartLine),
        ] {
            assert_eq!(request(line).unwrap_err(), expected, "{line:?}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(request(old).unwrap_err(), Malformed::ConflictingFraming);
    }

    #[test]
    fn an_answer_says_how_its_body_ends() {
        let cases = [
            ("200 OK\r\nContent-Length: 5", Framing::Length(5), true),
            ("200 OK\r\nTransfer-Encoding: chunked", Framing::Chunked, true),
            ("200 OK\r\nX: y", Framing::UntilClose, false),
            ("204 No Content\r\nX: y", Framing::Empty, true),
            ("304 \r\nContent-Length: 7", Framing::Empty, true),
            ("101 UPGRADED\r\nUpgrade: tcp", Framing::Empty, true),
            ("200 OK\r\nContent-Length: 0", Framing::Empty, true),
        ];
        for (text, framing, kept) in cases {
            let text = format!("HTTP/1.1 {text}\r\n\r\n");
            let head = Response::parse(text.as_bytes()).unwrap();
            assert_eq!((head.framing, head.keep_alive), (framing, kept));
        }
        assert!(Response::parse(b"HTTP/1.1 2000 OK\r\n\r\n").is_err());
        assert!(Response::parse(b"ICY 200 OK\r\n\r\n").is_err());
    }

    /// Turns valid heads into broken ones by a fixed pseudo-random sequence:
    /// whatever comes, parsing answers and never panics.
    #[test]
    fn mutated_heads_never_panic() {
        let seeds: [&[u8]; 3] = [
            b"GET /v1.51/containers/json?a=%7B HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\
              Expect: 100-continue\r\nConnection: close, x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % bound.max(1) as u64) as usize
        };
        let special = b"\r\n\0\t :;,/%?#\x7f\xff\xc3\x28019+-";
        let mut head = Request::default();
        for round in 0..60_000 {
            let mut text = seeds[round % seeds.len()].to_vec();
            for _ in 0..=random(4) {
                if text.is_empty() {
                    break;
                }
                let at = random(text.len());
                match random(4) {
                    0 => text[at] = special[random(special.len())],
                    1 => text.insert(at, special[random(special.len())]),
                    2 => drop(text.remove(at)),
                    _ => text.truncate(at.max(1)),
                }
            }
            let Ok(Some(end)) = find_end(&text, 0) else { continue };
            if head.parse(&text[..end]).is_ok() {
                let _ = (head.method(), head.path(), head.query());
                let _ = super::super::query::Query::parse(head.query());
            }
            let _ = Response::parse(&text[..end]);
        }
    }
}
