//! Netlink messages as bytes: building them, and taking the kernel's
//! answers apart (netlink(7), rtnetlink(7)). Pure. Whatever an answer
//! holds, reading it stays within its bounds.

/// The length of a message's head.
const HEAD: usize = 16;
/// The length of an attribute's head.
const ATTRIBUTE_HEAD: usize = 4;
/// Flags in an attribute's type: nested, network byte order.
const TYPE_FLAGS: u16 = 0xc000;
const NESTED: u16 = 0x8000;

/// Message types of netlink itself.
pub const NLMSG_ERROR: u16 = 2;
/// The end of a dump.
pub const NLMSG_DONE: u16 = 3;

/// It is a request.
pub const REQUEST: u16 = 0x1;
/// Answer also in case of success.
pub const ACK: u16 = 0x4;
/// All entries, not one.
pub const DUMP: u16 = 0x300;
/// Replace what is there.
pub const REPLACE: u16 = 0x100;
/// Fail if it is there.
pub const EXCL: u16 = 0x200;
/// Make it if it is not there.
pub const CREATE: u16 = 0x400;

/// A message under construction, its attributes included.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Begins a request of a type with the fixed header of its family.
    pub fn request(kind: u16, flags: u16, header: &[u8]) -> Message {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(header);
        let mut message = Message { bytes };
        message.pad();
        message
    }

    /// Appends an attribute. Values are short: at most 65 531 bytes.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Message {
        let length = u16::try_from(ATTRIBUTE_HEAD + value.len())
            .expect("attribute values are short");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
        self
    }

    /// Appends a text with the closing NUL that the kernel expects.
    pub fn text(self, kind: u16, value: &str) -> Message {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    /// Appends a number in the machine's byte order.
    pub fn number(self, kind: u16, value: u32) -> Message {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Appends an attribute that holds attributes.
    pub fn nest(
        self,
        kind: u16,
        fill: impl FnOnce(Message) -> Message,
    ) -> Message {
        self.nest_after(kind, &[], fill)
    }

    /// Appends an attribute that holds a fixed header and attributes.
    pub fn nest_after(
        mut self,
        kind: u16,
        header: &[u8],
        fill: impl FnOnce(Message) -> Message,
    ) -> Message {
        let start = self.bytes.len();
        let mut inner = self.attribute(kind | NESTED, header);
        inner = fill(inner);
        let length = u16::try_from(inner.bytes.len() - start)
            .expect("attribute values are short");
        inner.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self = inner;
        self
    }

    /// Closes the message: sets its length, its sequence number and more
    /// flags, and returns its bytes.
    pub fn finish(mut self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        let flags = flags | read_u16(&self.bytes, 6).unwrap_or(0);
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A message of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// The type.
    pub kind: u16,
    /// The flags.
    pub flags: u16,
    /// The number of the request that it answers.
    pub sequence: u32,
    /// What follows the head.
    pub payload: &'a [u8],
}

/// Walks the messages of a datagram; ends at the first that does not fit.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Received<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = read_u32(rest, 0)? as usize;
        let payload = rest.get(HEAD..length)?;
        let message = Received {
            kind: read_u16(rest, 4)?,
            flags: read_u16(rest, 6)?,
            sequence: read_u32(rest, 8)?,
            payload,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(message)
    })
}

/// Walks attributes as (type without flags, value); ends at the first that
/// does not fit.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(rest, 0)?);
        let kind = read_u16(rest, 2)? & !TYPE_FLAGS;
        let value = rest.get(ATTRIBUTE_HEAD..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// Returns the value of the first attribute of a type.
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// Reads a text up to its NUL; `None` if it is not UTF-8.
pub fn read_text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok()
}

/// Reads a number of two bytes in the machine's order.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// Reads a number of four bytes in the machine's order.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_built_byte_for_byte() {
        let bytes = Message::request(16, CREATE, &[0, 0, 0, 0])
            .text(3, "br0")
            .nest(18, |m| m.text(1, "veth").number(2, 7))
            .finish(ACK, 9);
        #[rustfmt::skip]
        let want = [
            52, 0, 0, 0, 16, 0, 0x05, 0x04, 9, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0,
            8, 0, 3, 0, b'b', b'r', b'0', 0,
            24, 0, 18, 0x80,
            9, 0, 1, 0, b'v', b'e', b't', b'h', 0, 0, 0, 0,
            8, 0, 2, 0, 7, 0, 0, 0,
        ];
        assert_eq!(bytes, want);
    }

    #[test]
    fn what_is_built_is_read_back() {
        let mut datagram = Message::request(16, 0, &[1, 2, 3])
            .nest_after(1, &[9; 4], |m| m.text(3, "eth0"))
            .finish(0, 1);
        datagram.extend(Message::request(20, 0, &[]).finish(0, 2));
        let all: Vec<_> = messages(&datagram).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[1].kind, all[1].sequence), (20, 2));
        let peer = find(&all[0].payload[4..], 1).unwrap();
        let name = find(&peer[4..], 3).and_then(read_text);
        assert_eq!(name, Some("eth0"));
    }

    #[test]
    fn hostile_answers_end_the_walk() {
        for bytes in [
            &[][..],
            &[1, 2, 3],
            // Lengths of none, of less than the head, of more than is there.
            &[0; 64],
            &[15, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[255, 255, 255, 255, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[17, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(messages(bytes).count(), 0, "{bytes:?}");
        }
        for (bytes, count) in [
            (&[][..], 0),
            (&[0, 0, 0, 0, 1], 0),
            (&[3, 0, 1, 0], 0),
            (&[4, 0, 1, 0], 1),
            (&[4, 0, 1, 0, 255, 255, 1, 0], 1),
            (&[5, 0, 1, 0, 7], 1),
        ] {
            assert_eq!(attributes(bytes).count(), count, "{bytes:?}");
        }
        assert_eq!(read_text(&[0xff, 0]), None);
        assert_eq!(read_text(b"lo"), Some("lo"));
        assert_eq!(read_u32(&[1, 2, 3], 0), None);
        assert_eq!(read_u32(&[1, 2, 3], usize::MAX), None);
    }

    #[test]
    fn noise_never_panics() {
        let mut state = 1u32;
        let mut noise = vec![0u8; 512];
        for _ in 0..2000 {
            for byte in &mut noise {
                state = state.wrapping_mul(1_664_525).wrapping_add(1);
                // Mostly small numbers, so that lengths often fit.
                *byte = (state >> 24) as u8 & (state >> 16) as u8 & 63;
            }
            for message in messages(&noise) {
                for (_, value) in attributes(message.payload) {
                    let _ = attributes(value).count();
                }
            }
        }
    }
}
