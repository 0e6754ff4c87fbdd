//! Reading times and durations: RFC 3339 and its shorter forms, Unix
//! times, Go's durations.

use std::time::Duration;

use super::{DAY, Timestamp, days_of_date, duration_of_nanos};
use crate::sys::clock;

/// Reads a Go duration such as `1h2m3.5s` or `300ms`; `None` if it is not
/// one, negative, or beyond Go's range of 2^63 nanoseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let nanos = signed_duration(text)?;
    (nanos >= 0).then(|| duration_of_nanos(nanos))
}

/// Reads what Docker takes for `since` and `until`: a Unix time with an
/// optional fraction, an RFC 3339 time or a shorter form of it (without
/// zone: local time), or a Go duration before `now`.
pub fn parse_since(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text != "0"
        && let Some(ago) = signed_duration(text)
    {
        return Some(Timestamp::from_unix_nanos(now.unix_nanos() - ago));
    }
    // A leading `-` is the sign of a Unix time, any other belongs to a date.
    if text.get(1..).is_some_and(|rest| rest.contains('-')) {
        return date_time(text, Short::Allowed);
    }
    unix_time(text)
}

/// Reads a whole RFC 3339 time.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    date_time(text, Short::Refused)
}

/// Whether the time of day or the zone may be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Short {
    Allowed,
    Refused,
}

/// Reads `seconds[.fraction]`.
fn unix_time(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: i64 = whole.parse().ok()?;
    Some(Timestamp { seconds, nanos: fraction_nanos(fraction)? })
}

/// Reads digits after a decimal point as nanoseconds; more than nine are
/// cut off.
fn fraction_nanos(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nine = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(nine.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

fn date_time(text: &str, short: Short) -> Option<Timestamp> {
    let mut rest = Rest(text.as_bytes());
    let year = i64::from(rest.number(4)?);
    let month = rest.after(b'-')?.number(2)?;
    let day = rest.after(b'-')?.number(2)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day)
    {
        return None;
    }
    let (mut clock, mut nanos) = ([0; 3], 0);
    if let Some(time) = rest.after(b'T') {
        clock[0] = time.number(2)?;
        for part in &mut clock[1..] {
            match time.after(b':') {
                Some(time) => *part = time.number(2)?,
                None if short == Short::Allowed => break,
                None => return None,
            }
        }
        if let Some(time) = time.after(b'.') {
            nanos = fraction_nanos(time.digits())?;
        }
    } else if short == Short::Refused {
        return None;
    }
    let [hour, minute, second] = clock;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_of_date(year, month, day);
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let local = days * DAY + seconds;
    let offset = match rest.0 {
        b"Z" => 0,
        b"" if short == Short::Allowed => {
            // The offset in force then; within the hour of a change the
            // second look settles it.
            let near = clock::local_offset(local).0;
            clock::local_offset(local - i64::from(near)).0
        }
        _ => rest.offset()?,
    };
    Some(Timestamp { seconds: local - i64::from(offset), nanos })
}

/// The bytes not yet read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Takes exactly `width` digits.
    fn number(&mut self, width: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(width)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(digits.iter().fold(0, |sum, d| sum * 10 + u32::from(d - b'0')))
    }

    /// Takes `byte` if it is next.
    fn after(&mut self, byte: u8) -> Option<&mut Rest<'a>> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(self)
    }

    /// Takes all digits that are next.
    fn digits(&mut self) -> &'a str {
        let end = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        std::str::from_utf8(digits).expect("digits are ASCII")
    }

    /// Takes `±hh:mm`, which must be the last.
    fn offset(&mut self) -> Option<i32> {
        let (&sign, rest) = self.0.split_first()?;
        self.0 = rest;
        let hours = self.number(2)?;
        let minutes = self.after(b':')?.number(2)?;
        if !self.0.is_empty() || hours > 24 || minutes > 59 {
            return None;
        }
        let east = (hours * 3600 + minutes * 60) as i32;
        match sign {
            b'+' => Some(east),
            b'-' => Some(-east),
            _ => None,
        }
    }
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads a Go duration with its sign, in nanoseconds.
fn signed_duration(text: &str) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if text == "0" {
        return Some(0);
    }
    if text.is_empty() {
        return None;
    }
    let (mut rest, mut total) = (text, 0i128);
    while !rest.is_empty() {
        let (term, next) = duration_term(rest)?;
        total = total.checked_add(term)?;
        if total > i128::from(i64::MAX) {
            return None;
        }
        rest = next;
    }
    Some(if negative { -total } else { total })
}

/// Reads one number with its unit; returns its nanoseconds and the rest.
fn duration_term(text: &str) -> Option<(i128, &str)> {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, mut rest) = text.split_at(digits(text));
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = after.split_at(digits(after));
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit: i128 = match unit {
        "ns" => 1,
        // Go takes the micro sign and the Greek letter.
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Fifteen digits of an hour are more than a nanosecond.
    let fraction = &fraction[..fraction.len().min(15)];
    let part = if fraction.is_empty() {
        0
    } else {
        let scale = 10i128.pow(fraction.len() as u32);
        fraction.parse::<i128>().ok()? * unit / scale
    };
    Some((whole.checked_mul(unit)?.checked_add(part)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_takes_any_offset() {
        let utc = rfc3339("2026-11-21T20:08:35Z").unwrap();
        for same in [
            "2026-11-21T22:08:35+02:00",
            "2026-11-21T16:38:35-03:30",
            "2026-11-21T20:08:35.000Z",
        ] {
            assert_eq!(rfc3339(same), Some(utc), "{same}");
        }
        let cut = rfc3339("2026-11-21T20:08:35.1234567899Z").unwrap();
        assert_eq!(cut.nanos, 123_456_789);
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for bad in [
            "",
            "2026",
            "2026-11-21",
            "2026-11-21T20:08Z",
            "2026-11-21T20:08:35",
            "2026-11-21 20:08:35Z",
            "2026-11-21T20:08:35z0",
            "2026-11-21T20:08:35.Z",
            "2026-11-21T24:00:00Z",
            "2026-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-21T20:08:35+0200",
            "2026-11-21T20:08:35+02:00x",
            "20é6-11-21T20:08:35Z",
        ] {
            assert_eq!(rfc3339(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn durations_are_gos() {
        let ms = Duration::from_millis;
        for (text, want) in [
            ("0", ms(0)),
            ("10m", ms(600_000)),
            ("1h2m3.5s", ms(3_723_500)),
            ("1.5h", ms(5_400_000)),
            (".5s", ms(500)),
            ("+1s", ms(1000)),
            ("300ms", ms(300)),
            ("1us", Duration::from_micros(1)),
            ("1µs2ns", Duration::from_nanos(1002)),
        ] {
            assert_eq!(parse_duration(text), Some(want), "{text}");
        }
        for bad in [
            "",
            "10",
            "m",
            ".s",
            "1x",
            "-1s",
            "1h 2m",
            "+",
            "-",
            "1.2.3s",
            "9999999999h",
            "1é",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn since_takes_every_form_that_docker_takes() {
        let now = Timestamp::from_unix(1_795_291_715, 5);
        let since = |text| parse_since(text, now);
        let at = |s, n| Some(Timestamp::from_unix(s, n));
        assert_eq!(since("10m"), at(1_795_291_115, 5));
        assert_eq!(since("-10m"), at(1_795_292_315, 5));
        assert_eq!(since("0"), at(0, 0));
        assert_eq!(since("1795291715"), at(1_795_291_715, 0));
        assert_eq!(since("1795291715.25"), at(1_795_291_715, 250_000_000));
        assert_eq!(since("-1"), at(-1, 0));
        assert_eq!(since("2026-11-21T20:08:35Z"), at(1_795_291_715, 0));
        assert_eq!(since("2026-11-21T20:08Z"), at(1_795_291_680, 0));
        assert_eq!(since("2026-11-21T20Z"), at(1_795_291_200, 0));
        assert_eq!(since("2026-11-21Z"), at(1_795_219_200, 0));
        assert_eq!(since("2026-11-21+01:00"), at(1_795_215_600, 0));
        // In the local zone, so only near.
        let local = since("2026-11-21T20:08:35").unwrap();
        assert!((local.seconds - 1_795_291_715).abs() <= DAY);
        for bad in ["", "-", "soon", "2026-11", "1.x", "1.", "10y"] {
            assert_eq!(since(bad), None, "{bad:?}");
        }
    }
}
