//! The dates of a certificate, read out of its DER, and what to say when
//! the clock is not between them.

use crate::time::Timestamp;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, in which the version stands if it is not the first.
const VERSION: u8 = 0xa0;

/// Finds the first and the last moment of a certificate (RFC 5280
/// §4.1.2.5).
pub(super) fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut signed, _) = element(certificate)?;
    if signed.first() == Some(&VERSION) {
        signed = element(signed)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        signed = element(signed)?.2;
    }
    let (tag, dates, _) = element(signed)?;
    if tag != SEQUENCE {
        return None;
    }
    let (start_tag, start, rest) = element(dates)?;
    let (end_tag, end, _) = element(rest)?;
    Some((date(start_tag, start)?, date(end_tag, end)?))
}

/// Splits the first DER element off: tag, content, what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(first & 7))?;
            let length = bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn date(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        // Two digits of a year from 1950 to 2049.
        UTC_TIME if text.as_bytes().first()? < &b'5' => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_string(),
        _ => return None,
    };
    let digits = text.strip_suffix('Z')?;
    if digits.len() != 14 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &digits[from..to];
    Timestamp::parse_rfc3339(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    ))
}

/// Earlier than this a clock was never set: no build of this program is
/// that old (1 January 2025).
const EARLIEST: i64 = 1_735_689_600;

/// Returns what is to be said of a certificate's dates, if they do not fit
/// the clock.
pub(super) fn complaint(der: &[u8], now: Timestamp) -> Option<String> {
    let (start, end) = validity(der)?;
    let words = match now.seconds {
        s if s < start.seconds => format!("is not valid before {start}"),
        s if s > end.seconds => format!("has expired at {end}"),
        _ => return None,
    };
    let clock = clock_words(now);
    Some(format!(
        "the certificate {words}, and clients will refuse it: current time \
         {now}; {clock}"
    ))
}

/// Asks whether the clock is right, or says that it is not.
pub(super) fn clock_words(now: Timestamp) -> &'static str {
    match now.seconds < EARLIEST {
        true => "this machine's clock is wrong, it was never set",
        false => "is this machine's clock right?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A DER element.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut out = vec![tag, 0x82];
        out.extend_from_slice(&(content.len() as u16).to_be_bytes());
        out.extend_from_slice(&content);
        out
    }

    fn certificate(start: &[u8], end: &[u8]) -> Vec<u8> {
        let dates = der(SEQUENCE, &[start, end]);
        let filler = der(SEQUENCE, &[]);
        let signed = der(
            SEQUENCE,
            &[
                &der(VERSION, &[&[2, 1, 2]]),
                &[2, 1, 7],
                &filler,
                &filler,
                &dates,
                &filler,
            ],
        );
        der(SEQUENCE, &[&signed, &filler])
    }

    #[test]
    fn the_dates_of_a_certificate_are_found() {
        let start = der(UTC_TIME, &[b"261121190757Z"]);
        let end = der(GENERALIZED_TIME, &[b"20991231235959Z"]);
        let (start, end) = validity(&certificate(&start, &end)).unwrap();
        assert_eq!(start.to_string(), "2026-11-21T19:07:57Z");
        assert_eq!(end.to_string(), "2099-12-31T23:59:59Z");
        let old = der(UTC_TIME, &[b"500101000000Z"]);
        let (start, _) = validity(&certificate(&old, &old)).unwrap();
        assert_eq!(start.to_string(), "1950-01-01T00:00:00Z");
    }

    #[test]
    fn rubbish_has_no_dates() {
        let good = der(UTC_TIME, &[b"261121190757Z"]);
        let whole = certificate(&good, &good);
        for end in 0..whole.len() {
            assert!(validity(&whole[..end]).is_none(), "{end}");
        }
        for bad in [&b"261121190757"[..], b"26112119075Z", b"2611211907\xffZ"] {
            let bad = der(UTC_TIME, &[bad]);
            assert!(validity(&certificate(&bad, &good)).is_none());
        }
        let bad = der(4, &[b"261121190757Z"]);
        assert!(validity(&certificate(&bad, &good)).is_none());
    }

    #[test]
    fn dates_that_do_not_fit_are_told_and_the_clock_is_doubted() {
        let start = der(UTC_TIME, &[b"250601000000Z"]);
        let end = der(UTC_TIME, &[b"260601000000Z"]);
        let certificate = certificate(&start, &end);
        let at = |text| {
            let now = Timestamp::parse_rfc3339(text).unwrap();
            complaint(&certificate, now)
        };
        assert_eq!(at("2025-12-31T00:00:00Z"), None);
        let words = at("2027-01-01T00:00:00Z").unwrap();
        assert!(words.contains("has expired at 2026-06-01T00:00:00Z"));
        assert!(words.ends_with("is this machine's clock right?"), "{words}");
        let words = at("1970-01-01T00:01:00Z").unwrap();
        assert!(words.contains("is not valid before 2025-06-01T00:00:00Z"));
        assert!(words.contains("clock is wrong"), "{words}");
    }
}
