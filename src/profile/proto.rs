//! The encoder of profiles: a gzipped protocol-buffers message, as
//! `proto/profile.proto` of github.com/google/pprof describes it.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::sys::memory::{self, Text};

/// A kind of values, and their unit.
pub type Kind = (&'static str, &'static str);

/// A profile.
#[derive(Debug)]
pub struct Profile {
    /// What the values of each sample are.
    pub kinds: Vec<Kind>,
    /// The kind that is shown first; empty: the last one.
    pub default_kind: &'static str,
    /// What happens between two samples.
    pub period_kind: Kind,
    /// How much of it.
    pub period: i64,
    /// When it began.
    pub began: SystemTime,
    /// How long it took; zero: it is the state of one moment.
    pub took: Duration,
    /// The samples.
    pub samples: Vec<Sample>,
    /// A pattern of innermost functions that are not shown.
    pub drop_frames: &'static str,
    /// Remarks.
    pub comments: Vec<String>,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            kinds: Vec::new(),
            default_kind: "",
            period_kind: ("", ""),
            period: 0,
            began: SystemTime::now(),
            took: Duration::ZERO,
            samples: Vec::new(),
            drop_frames: "",
            comments: Vec::new(),
        }
    }
}

/// A stack with its values.
#[derive(Debug)]
pub struct Sample {
    /// Addresses inside of instructions, innermost first.
    pub frames: Vec<u64>,
    /// A value for each kind of the profile.
    pub values: Vec<i64>,
    /// What else is known.
    pub labels: Vec<Label>,
}

/// A remark on a sample.
#[derive(Debug)]
pub enum Label {
    /// A text.
    Text(&'static str, String),
    /// A number.
    Number(&'static str, i64),
}

impl Profile {
    /// Returns the bytes of the profile.
    pub fn encode(&self) -> Vec<u8> {
        let message = self.message(memory::program_text());
        let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
        zip.write_all(&message)
            .and_then(|()| zip.finish())
            .expect("a vector takes all bytes")
    }

    fn message(&self, text: Option<Text>) -> Vec<u8> {
        let mut strings = Strings::default();
        strings.number("");
        let mut out = Message::default();
        let kind = |strings: &mut Strings, kind: Kind| {
            let mut inner = Message::default();
            inner.number(1, strings.number(kind.0));
            inner.number(2, strings.number(kind.1));
            inner
        };
        for sampled in &self.kinds {
            out.message(1, &kind(&mut strings, *sampled));
        }
        let mut locations = Locations::default();
        for sample in &self.samples {
            let ids = sample.frames.iter().map(|f| locations.id(*f));
            let mut inner = Message::default();
            inner.packed(1, ids);
            inner.packed(2, sample.values.iter().map(|v| *v as u64));
            for label in &sample.labels {
                let mut pair = Message::default();
                match label {
                    Label::Text(key, text) => {
                        pair.number(1, strings.number(key));
                        pair.number(2, strings.number(text));
                    }
                    Label::Number(key, number) => {
                        pair.number(1, strings.number(key));
                        pair.number(3, *number as u64);
                    }
                }
                inner.message(3, &pair);
            }
            out.message(2, &inner);
        }
        if let Some(text) = &text {
            let mut inner = Message::default();
            inner.number(1, 1);
            inner.number(2, text.start);
            inner.number(3, text.limit);
            inner.number(4, text.offset);
            inner.number(5, strings.number(&text.file));
            inner.number(6, strings.number(&text.build_id));
            out.message(3, &inner);
        }
        for (at, address) in locations.addresses.iter().enumerate() {
            let mut inner = Message::default();
            inner.number(1, at as u64 + 1);
            let range = text.as_ref().map(|text| text.start..text.limit);
            if range.is_some_and(|range| range.contains(address)) {
                inner.number(2, 1);
            }
            inner.number(3, *address);
            out.message(4, &inner);
        }
        let drop_frames = strings.number(self.drop_frames);
        let default_kind = strings.number(self.default_kind);
        let period_kind = kind(&mut strings, self.period_kind);
        let comments: Vec<u64> =
            self.comments.iter().map(|c| strings.number(c)).collect();
        for string in &strings.list {
            out.bytes(6, string.as_bytes());
        }
        let since = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        out.number(7, drop_frames);
        out.number(9, since.as_nanos() as u64);
        out.number(10, self.took.as_nanos() as u64);
        out.message(11, &period_kind);
        out.number(12, self.period as u64);
        out.packed(13, comments.into_iter());
        out.number(14, default_kind);
        out.0
    }
}

/// The table of strings; texts are told by their number in it.
#[derive(Default)]
struct Strings {
    list: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.list.len() as u64;
        self.list.push(text.to_string());
        self.numbers.insert(text.to_string(), number);
        number
    }
}

/// The different addresses, numbered from 1.
#[derive(Default)]
struct Locations {
    addresses: Vec<u64>,
    ids: HashMap<u64, u64>,
}

impl Locations {
    fn id(&mut self, address: u64) -> u64 {
        let next = self.addresses.len() as u64 + 1;
        let id = *self.ids.entry(address).or_insert(next);
        if id == next {
            self.addresses.push(address);
        }
        id
    }
}

/// A message of the wire format of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A number; zero is what an absent field means.
    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, inner: &Message) {
        self.bytes(field, &inner.0);
    }

    fn packed(&mut self, field: u64, values: impl Iterator<Item = u64>) {
        let mut inner = Message::default();
        for value in values {
            inner.varint(value);
        }
        if !inner.0.is_empty() {
            self.message(field, &inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_profile_is_the_message_that_its_description_asks_for() {
        let profile = Profile {
            kinds: vec![("a", "b")],
            period_kind: ("a", "b"),
            period: 300,
            began: UNIX_EPOCH,
            samples: vec![Sample {
                frames: vec![0x1001, 0x9000, 0x1001],
                values: vec![-1],
                labels: vec![Label::Text("k", "v".into())],
            }],
            ..Profile::default()
        };
        let text = Text {
            start: 0x1000,
            limit: 0x2000,
            offset: 0,
            file: "f".into(),
            build_id: "id".into(),
        };
        let mut expected: Vec<u8> = Vec::new();
        expected.extend(b"\x0a\x04\x08\x01\x10\x02");
        expected.extend(b"\x12\x17\x0a\x03\x01\x02\x01\x12\x0a");
        expected.extend(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        expected.extend(b"\x1a\x04\x08\x03\x10\x04");
        expected.extend(b"\x1a\x0c\x08\x01\x10\x80\x20\x18\x80\x40");
        expected.extend(b"\x28\x05\x30\x06");
        expected.extend(b"\x22\x07\x08\x01\x10\x01\x18\x81\x20");
        expected.extend(b"\x22\x06\x08\x02\x18\x80\xa0\x02");
        for text in ["", "a", "b", "k", "v", "f", "id"] {
            expected.extend([b'\x32', text.len() as u8]);
            expected.extend(text.as_bytes());
        }
        expected.extend(b"\x5a\x04\x08\x01\x10\x02\x60\xac\x02");
        assert_eq!(profile.message(Some(text)), expected);
    }

    #[test]
    fn it_is_gzipped() {
        let bytes = Profile::default().encode();
        let mut zip = flate2::read::GzDecoder::new(&*bytes);
        let mut message = Vec::new();
        zip.read_to_end(&mut message).unwrap();
        assert!(message.windows(1).any(|w| w == b"\x32"));
    }
}
