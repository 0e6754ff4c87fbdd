//! Points in time as Docker writes them, and the durations that people
//! type. Own code for the calendar: there is no time zone in here but UTC
//! and the offset that a caller brings.

mod parse;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::json::{self, FromJson, Value};
use crate::sys::clock;

pub use parse::{parse_duration, parse_since};

const DAY: i64 = 86_400;

/// A point in time, in nanoseconds since 1970 without leap seconds. Its
/// text, and its form in JSON, is RFC 3339 in UTC as Go's `RFC3339Nano`
/// writes it: the fraction without trailing zeroes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds since 1970-01-01T00:00:00Z; negative before.
    pub seconds: i64,
    /// Nanoseconds after them, 0 to 999 999 999.
    pub nanos: u32,
}

/// A date and a time of day in some zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year, 1 and later for all times that Docker knows.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 for Sunday to 6 for Saturday.
    pub weekday: u32,
}

impl Timestamp {
    /// Go's zero time, `0001-01-01T00:00:00Z`: "never" in Docker's JSON.
    pub const ZERO: Timestamp =
        Timestamp { seconds: -62_135_596_800, nanos: 0 };

    /// Returns the wall clock's time. For stamps only: the clock can jump.
    pub fn now() -> Timestamp {
        SystemTime::now().into()
    }

    /// Makes a point in time from the two parts of a Unix time; more than
    /// 999 999 999 nanoseconds are carried over.
    pub fn from_unix(seconds: i64, nanos: u32) -> Timestamp {
        let carry = i64::from(nanos / 1_000_000_000);
        Timestamp {
            seconds: seconds.saturating_add(carry),
            nanos: nanos % 1_000_000_000,
        }
    }

    /// Makes a point in time from nanoseconds since 1970; those out of
    /// range become the nearest.
    pub fn from_unix_nanos(nanos: i128) -> Timestamp {
        let seconds = nanos.div_euclid(1_000_000_000);
        let limits = i128::from(i64::MIN)..=i128::from(i64::MAX);
        Timestamp {
            seconds: seconds.clamp(*limits.start(), *limits.end()) as i64,
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// Reads an RFC 3339 time with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        parse::rfc3339(text)
    }

    /// Tells if this is [`Timestamp::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Timestamp::ZERO
    }

    /// Returns the nanoseconds since 1970.
    pub fn unix_nanos(&self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// Returns the time from `earlier` to this one; zero if it is later.
    pub fn duration_since(&self, earlier: Timestamp) -> Duration {
        let nanos = self.unix_nanos() - earlier.unix_nanos();
        duration_of_nanos(nanos.max(0))
    }

    /// Returns the point in time that much later.
    pub fn plus(&self, duration: Duration) -> Timestamp {
        let nanos = i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        Timestamp::from_unix_nanos(self.unix_nanos().saturating_add(nanos))
    }

    /// Returns the point in time that much earlier.
    pub fn minus(&self, duration: Duration) -> Timestamp {
        let nanos = i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        Timestamp::from_unix_nanos(self.unix_nanos().saturating_sub(nanos))
    }

    /// Returns the date and the time of day `offset` seconds east of UTC.
    pub fn civil(&self, offset: i32) -> Civil {
        let local = self.seconds.saturating_add(i64::from(offset));
        let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = date_of_days(days);
        Civil {
            year,
            month,
            day,
            hour: (rest / 3600) as u32,
            minute: (rest / 60 % 60) as u32,
            second: (rest % 60) as u32,
            // 1970-01-01 was a Thursday.
            weekday: (days + 4).rem_euclid(7) as u32,
        }
    }

    /// Writes RFC 3339 in UTC with nine digits of fraction, as in the
    /// lines of `docker logs --timestamps`.
    pub fn format_fixed(&self) -> String {
        format!("{}.{:09}Z", self.civil(0), self.nanos)
    }

    /// Writes RFC 3339 with nine digits of fraction in the machine's local
    /// zone, as in the lines of `docker events`.
    pub fn format_fixed_local(&self) -> String {
        let (offset, _) = clock::local_offset(self.seconds);
        let civil = self.civil(offset);
        format!("{civil}.{:09}{}", self.nanos, zone(offset, ":", "Z"))
    }

    /// Writes Go's plain form in the machine's local zone, as in the
    /// `CreatedAt` column: `2026-11-21 20:08:35 +0000 UTC`.
    pub fn format_local(&self) -> String {
        let (offset, name) = clock::local_offset(self.seconds);
        let civil = self.civil(offset).to_string().replace('T', " ");
        format!("{civil} {} {name}", zone(offset, "", "+0000"))
    }

    /// Writes syslog's form in the machine's local zone: `Nov  1 20:08:35`
    /// (RFC 3164, section 4.1.2).
    pub fn stamp_local(&self) -> String {
        let (offset, _) = clock::local_offset(self.seconds);
        let c = self.civil(offset);
        format!(
            "{} {:2} {:02}:{:02}:{:02}",
            MONTHS[c.month as usize - 1],
            c.day,
            c.hour,
            c.minute,
            c.second
        )
    }

    /// Returns the date and the time of day in the host's zone.
    pub fn civil_local(&self) -> Civil {
        self.civil(clock::local_offset(self.seconds).0)
    }

    /// Writes HTTP's form: `Sat, 21 Nov 2026 20:08:35 GMT` (RFC 9110,
    /// section 5.6.7).
    pub fn http_date(&self) -> String {
        const DAYS: [&str; 7] =
            ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let c = self.civil(0);
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            DAYS[c.weekday as usize],
            c.day,
            MONTHS[c.month as usize - 1],
            c.year,
            c.hour,
            c.minute,
            c.second
        )
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
    "Nov", "Dec",
];

/// Returns the time since boot with suspends counted, for intervals and
/// time-outs: unlike the wall clock it never jumps.
pub fn boottime() -> Duration {
    clock::boottime()
}

impl Default for Timestamp {
    fn default() -> Timestamp {
        Timestamp::ZERO
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        Timestamp::from_unix_nanos(nanos)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return write!(f, "{}Z", self.civil(0));
        }
        let fraction = format!("{:09}", self.nanos);
        write!(f, "{}.{}Z", self.civil(0), fraction.trim_end_matches('0'))
    }
}

impl fmt::Display for Civil {
    /// Writes `2026-11-21T20:08:35`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)?;
        write!(f, "T{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl FromJson for Timestamp {
    fn kind() -> &'static str {
        "time.Time"
    }

    fn zero() -> Timestamp {
        Timestamp::ZERO
    }

    /// Reads RFC 3339; the empty text, which old clients send for "none",
    /// is [`Timestamp::ZERO`].
    fn fill(&mut self, value: Value) -> json::Result<()> {
        let read = json::from_text(value, |text| match text {
            "" => Ok(Timestamp::ZERO),
            text => Timestamp::parse_rfc3339(text)
                .ok_or_else(|| format!("not an RFC 3339 time: {text:?}")),
        })?;
        *self = read.unwrap_or(*self);
        Ok(())
    }
}

fn duration_of_nanos(nanos: i128) -> Duration {
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanos % 1_000_000_000) as u32)
}

/// Writes an offset as `+02:00`, or `zero` for none.
fn zone(offset: i32, colon: &str, zero: &str) -> String {
    if offset == 0 {
        return zero.to_string();
    }
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}

/// Returns year, month and day of a day counted from 1970-01-01, by the
/// Gregorian calendar. Counted in eras of 400 years that begin in March,
/// so that the leap day is the last of its year.
fn date_of_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let carry = i64::from(month <= 2);
    (era * 400 + year + carry, month as u32, day as u32)
}

/// The reverse of [`date_of_days`].
fn days_of_date(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day = (153 * month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: u32) -> Timestamp {
        Timestamp::from_unix(seconds, nanos)
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_795_291_715, 60_391_656, "2026-11-21T20:08:35.060391656Z"),
            (1_795_291_715, 500_000_000, "2026-11-21T20:08:35.5Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(at(seconds, nanos).to_string(), text);
            assert_eq!(
                Timestamp::parse_rfc3339(text),
                Some(at(seconds, nanos))
            );
        }
        assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
        assert!(Timestamp::default().is_zero());
    }

    #[test]
    fn log_times_have_nine_digits() {
        assert_eq!(
            at(1_795_291_715, 60_000_000).format_fixed(),
            "2026-11-21T20:08:35.060000000Z"
        );
    }

    #[test]
    fn http_dates_have_names() {
        assert_eq!(
            at(1_795_291_715, 0).http_date(),
            "Sat, 21 Nov 2026 20:08:35 GMT"
        );
        assert_eq!(at(0, 0).http_date(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn every_day_of_a_thousand_years_comes_back() {
        for days in -200_000..200_000 {
            let (year, month, day) = date_of_days(days);
            assert_eq!(days_of_date(year, month, day), days);
        }
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for seconds in [i64::MIN, i64::MAX] {
            let time = at(seconds, 999_999_999);
            let _ = (time.to_string(), time.format_fixed(), time.http_date());
            let _ = time.plus(Duration::MAX).minus(Duration::MAX);
            let _ = time.duration_since(Timestamp::ZERO);
        }
    }

    #[test]
    fn offsets_are_written_with_and_without_colon() {
        assert_eq!(zone(7200, ":", "Z"), "+02:00");
        assert_eq!(zone(-12_600, "", "+0000"), "-0330");
        assert_eq!(zone(0, ":", "Z"), "Z");
    }

    #[test]
    fn json_is_the_text() {
        let time = at(1_795_291_715, 500_000_000);
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(text, "\"2026-11-21T20:08:35.5Z\"");
        let back: Timestamp = json::from_slice(text.as_bytes()).unwrap();
        assert_eq!(back, time);
        let empty: Timestamp = json::from_slice(b"\"\"").unwrap();
        assert!(empty.is_zero());
        assert!(json::from_slice::<Timestamp>(b"\"soon\"").is_err());
    }

    #[test]
    fn differences_never_go_below_zero() {
        let (a, b) = (at(10, 0), at(12, 500_000_000));
        assert_eq!(b.duration_since(a), Duration::from_millis(2500));
        assert_eq!(a.duration_since(b), Duration::ZERO);
        assert_eq!(a.plus(Duration::from_millis(2500)), b);
        assert_eq!(b.minus(Duration::from_millis(2500)), a);
        assert_eq!(at(0, 0).minus(Duration::from_nanos(1)).nanos, 999_999_999);
    }
}
