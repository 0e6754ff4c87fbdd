//! The wire format of DNS messages (RFC 1035 §4), as far as addresses need
//! it. Every read is bounded by the message; compression pointers only lead
//! backwards, so no message can make a loop.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Types of records that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// The canonical name of an alias.
    Cname,
    /// Any other, by number.
    Other(u16),
}

impl Kind {
    /// Returns the number in a message.
    pub fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Cname => 5,
            Kind::Aaaa => 28,
            Kind::Other(n) => n,
        }
    }

    /// Returns the type of a number.
    pub fn from_number(number: u16) -> Kind {
        match number {
            1 => Kind::A,
            5 => Kind::Cname,
            28 => Kind::Aaaa,
            n => Kind::Other(n),
        }
    }
}

/// The class of the Internet, the only one in use.
pub const CLASS_IN: u16 = 1;

/// Response codes that are told apart.
pub mod rcode {
    /// No error.
    pub const OK: u8 = 0;
    /// The query could not be read.
    pub const FORMAT: u8 = 1;
    /// The server failed.
    pub const FAILURE: u8 = 2;
    /// The name does not exist.
    pub const NO_NAME: u8 = 3;
}

/// How a message breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends too early.
    Short,
    /// A name is too long, empty in the middle, or points forward.
    Name,
    /// A record's data does not fit its type.
    Data,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Short => "message too short",
            Malformed::Name => "malformed name",
            Malformed::Data => "malformed record",
        })
    }
}

impl std::error::Error for Malformed {}

/// What a query asks for. Names are lower case, without the last dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: Kind,
    /// The class.
    pub class: u16,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An address.
    Address(IpAddr),
    /// A canonical name.
    Name(String),
    /// Something else, which was passed over.
    Other,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose record it is.
    pub name: String,
    /// Seconds for which it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// A message: a query or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The number that joins query and response.
    pub id: u16,
    /// Is it a response?
    pub is_response: bool,
    /// Was it cut to fit into a datagram?
    pub truncated: bool,
    /// Should the server ask others?
    pub recursion_desired: bool,
    /// The response code.
    pub rcode: u8,
    /// The questions.
    pub questions: Vec<Question>,
    /// The answers; authority and additional records are passed over.
    pub answers: Vec<Record>,
}

/// Encodes a query for one name and type.
pub fn encode_query(
    id: u16,
    name: &str,
    kind: Kind,
) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(name.len() + 18);
    out.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question and nothing else.
    out.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    push_name(&mut out, name)?;
    out.extend_from_slice(&kind.number().to_be_bytes());
    out.extend_from_slice(&CLASS_IN.to_be_bytes());
    Ok(out)
}

/// Appends a name as labels.
pub fn push_name(out: &mut Vec<u8>, name: &str) -> Result<(), Malformed> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        return Err(Malformed::Name);
    }
    for label in name.split('.').filter(|_| !name.is_empty()) {
        if label.is_empty() || label.len() > 63 {
            return Err(Malformed::Name);
        }
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    Ok(())
}

/// Decodes a message.
pub fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    let id = reader.u16()?;
    let flags = reader.u16()?;
    let (questions, answers) = (reader.u16()?, reader.u16()?);
    reader.skip(4)?;
    let mut message = Message {
        id,
        is_response: flags & 0x8000 != 0,
        truncated: flags & 0x0200 != 0,
        recursion_desired: flags & 0x0100 != 0,
        rcode: (flags & 0xf) as u8,
        questions: Vec::new(),
        answers: Vec::new(),
    };
    for _ in 0..questions {
        let name = reader.name()?;
        let kind = Kind::from_number(reader.u16()?);
        message.questions.push(Question { name, kind, class: reader.u16()? });
    }
    for _ in 0..answers {
        match reader.record() {
            Ok(record) => message.answers.push(record),
            // A cut response ends somewhere in its records.
            Err(Malformed::Short) if message.truncated => break,
            Err(e) => return Err(e),
        }
    }
    Ok(message)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(n).ok_or(Malformed::Short)?;
        let part = self.bytes.get(self.at..end).ok_or(Malformed::Short)?;
        self.at = end;
        Ok(part)
    }

    fn skip(&mut self, n: usize) -> Result<(), Malformed> {
        self.take(n).map(|_| ())
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let two = self.take(2)?;
        Ok(u16::from_be_bytes([two[0], two[1]]))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    fn name(&mut self) -> Result<String, Malformed> {
        let mut name = String::new();
        // Where the reading goes on, once the first pointer was followed.
        let mut back = None;
        loop {
            let start = self.at;
            let length = self.u8()?;
            match length {
                0 => break,
                1..=63 => {
                    let label = self.take(usize::from(length))?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    for &byte in label {
                        // A dot inside of a label would be another name.
                        if !byte.is_ascii_graphic() || byte == b'.' {
                            return Err(Malformed::Name);
                        }
                        name.push(char::from(byte.to_ascii_lowercase()));
                    }
                    if name.len() > 253 {
                        return Err(Malformed::Name);
                    }
                }
                0xc0.. => {
                    let low = self.u8()?;
                    let target =
                        usize::from(length & 0x3f) << 8 | usize::from(low);
                    // Each jump goes back, so there is an end to them; the
                    // length of the name bounds the rest.
                    if target >= start {
                        return Err(Malformed::Name);
                    }
                    back.get_or_insert(self.at);
                    self.at = target;
                }
                _ => return Err(Malformed::Name),
            }
        }
        self.at = back.unwrap_or(self.at);
        Ok(name)
    }

    fn record(&mut self) -> Result<Record, Malformed> {
        let name = self.name()?;
        let kind = Kind::from_number(self.u16()?);
        let class = self.u16()?;
        let ttl = self.u32()?;
        let length = usize::from(self.u16()?);
        let start = self.at;
        let bytes = self.take(length)?;
        let data = match kind {
            _ if class != CLASS_IN => Data::Other,
            Kind::A => {
                let four: [u8; 4] =
                    bytes.try_into().map_err(|_| Malformed::Data)?;
                Data::Address(Ipv4Addr::from(four).into())
            }
            Kind::Aaaa => {
                let sixteen: [u8; 16] =
                    bytes.try_into().map_err(|_| Malformed::Data)?;
                Data::Address(Ipv6Addr::from(sixteen).into())
            }
            Kind::Cname => {
                let mut inner = Reader { bytes: self.bytes, at: start };
                let target = inner.name()?;
                if inner.at != start + length {
                    return Err(Malformed::Data);
                }
                Data::Name(target)
            }
            Kind::Other(_) => Data::Other,
        };
        Ok(Record { name, ttl, data })
    }
}

impl Message {
    /// Returns the addresses of `name`, through the aliases that the answer
    /// holds.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let mut name = name.trim_end_matches('.').to_ascii_lowercase();
        // An alias can be followed as often as there are records.
        for _ in 0..=self.answers.len() {
            let own = self.answers.iter().filter(|r| r.name == name);
            let (mut found, mut alias) = (Vec::new(), None);
            for record in own {
                match &record.data {
                    Data::Address(ip) => found.push(*ip),
                    Data::Name(target) => alias = Some(target.clone()),
                    Data::Other => {}
                }
            }
            match alias {
                Some(target) if found.is_empty() => name = target,
                _ => return found,
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response with an alias and two addresses, names compressed.
    const RESPONSE: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x03\0\0\0\0\
        \x03wWw\x07example\x03com\0\0\x01\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03web\xc0\x10\
        \xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04\
        \xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\x05\x06\x07\x08";

    #[test]
    fn a_query_is_encoded_and_decodes_to_itself() {
        let bytes = encode_query(7, "a.example.com.", Kind::Aaaa).unwrap();
        let message = decode(&bytes).unwrap();
        assert!(!message.is_response && message.recursion_desired);
        assert_eq!(message.id, 7);
        assert_eq!(
            message.questions,
            [Question {
                name: "a.example.com".to_string(),
                kind: Kind::Aaaa,
                class: CLASS_IN
            }]
        );
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = "a.".repeat(127) + "b";
        for name in ["a..b", ".a", &long_label, &long_name] {
            assert!(encode_query(1, name, Kind::A).is_err(), "{name}");
        }
    }

    #[test]
    fn addresses_are_found_through_aliases() {
        let message = decode(RESPONSE).unwrap();
        assert!(message.is_response && !message.truncated);
        assert_eq!(message.questions[0].name, "www.example.com");
        let expected: Vec<IpAddr> =
            vec!["1.2.3.4".parse().unwrap(), "5.6.7.8".parse().unwrap()];
        assert_eq!(message.addresses("WWW.example.com."), expected);
        assert_eq!(message.addresses("web.example.com"), expected);
        assert!(message.addresses("example.com").is_empty());
    }

    #[test]
    fn hostile_messages_end_in_errors() {
        let head = b"\0\x01\x81\x80\0\x01\0\0\0\0\0\0".as_slice();
        let cases: &[(&[u8], Malformed)] = &[
            (b"", Malformed::Short),
            (b"\xc0\x0c\0\x01\0\x01", Malformed::Name),
            (b"\xc0\xff\0\x01\0\x01", Malformed::Name),
            (b"\x01a\xc0\x0e\0\x01\0\x01", Malformed::Name),
            (b"\x80\0\x01\0\x01", Malformed::Name),
            (b"\x03a.b\0\0\x01\0\x01", Malformed::Name),
            (b"\x05a", Malformed::Short),
        ];
        for (tail, expected) in cases {
            let bytes = [head, tail].concat();
            assert_eq!(decode(&bytes), Err(*expected), "{tail:?}");
        }
    }

    #[test]
    fn an_alias_that_leads_to_itself_has_no_address() {
        let mut message = decode(RESPONSE).unwrap();
        message.answers.truncate(1);
        message.answers[0].data = Data::Name("www.example.com".to_string());
        assert!(message.addresses("www.example.com").is_empty());
    }

    #[test]
    fn mutated_messages_never_panic() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..50_000 {
            let mut bytes = RESPONSE.to_vec();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = state as u8;
            }
            bytes.truncate((state >> 40) as usize % (RESPONSE.len() + 1));
            if let Ok(message) = decode(&bytes) {
                message.addresses("www.example.com");
            }
        }
    }
}
