//! Sizes and durations in the words that Docker's tables use, and the
//! sizes that people type.

use std::time::Duration;

const DECIMAL: [&str; 9] =
    ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] =
    ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// Reads a size in bytes with binary units, as `--memory` takes it: `512m`,
/// `1.5g`, `10KiB`, `2 GB`, `100b`, `4096`. Negative ones are refused; a
/// fraction of a byte is cut off.
pub fn parse_size(text: &str) -> Option<i64> {
    size_in(text, 1024.0)
}

/// Reads a size in bytes with decimal units, as the log option `max-size`
/// takes it: `10m` is ten million.
pub fn parse_decimal_size(text: &str) -> Option<i64> {
    size_in(text, 1000.0)
}

/// Writes a size in decimal units with four significant digits: `1.984MB`.
pub fn human_size(bytes: u64) -> String {
    human_size_with(bytes, 4)
}

/// Writes a size in decimal units with that many significant digits; three
/// as in the `SIZE` column: `1.98MB`.
pub fn human_size_with(bytes: u64, digits: usize) -> String {
    scaled(bytes, 1000.0, &DECIMAL, digits)
}

/// Writes a size in binary units with four significant digits: `7.607GiB`.
pub fn bytes_size(bytes: u64) -> String {
    scaled(bytes, 1024.0, &BINARY, 4)
}

/// Writes how long something takes or is ago, roughly, in words: `About a
/// minute`, `2 hours`.
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    // Only hours are rounded; so Docker says "2 hours" from 1 h 30 on.
    let hours = seconds / 3600 + u64::from(seconds % 3600 >= 1800);
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_string(),
        (1, ..) => "1 second".to_string(),
        (2..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_string(),
        (_, 2..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_string(),
        (.., 2..48) => format!("{hours} hours"),
        (.., 48..336) => format!("{} days", hours / 24),
        (.., 336..1440) => format!("{} weeks", hours / 24 / 7),
        (.., 1440..17_520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

fn size_in(text: &str, base: f64) -> Option<i64> {
    let last =
        text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let (number, unit) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    // Rust's numbers have words (`inf`) that sizes do not have.
    if !number.bytes().all(|b| b.is_ascii_digit() || b".+-eE".contains(&b)) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let unit = unit.to_ascii_lowercase();
    let power = match unit.as_bytes() {
        [] | [b'b'] => 0,
        [first] | [first, b'b'] | [first, b'i', b'b'] => match first {
            b'k' => 1,
            b'm' => 2,
            b'g' => 3,
            b't' => 4,
            b'p' => 5,
            _ => return None,
        },
        _ => return None,
    };
    let size = number * base.powi(power);
    // Beyond the range of i64 the cast would give a number not asked for.
    (0.0..9.2e18).contains(&size).then_some(size as i64)
}

fn scaled(bytes: u64, base: f64, units: &[&str], digits: usize) -> String {
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), units[unit])
}

/// Writes a number from 0 as C's and Go's `%.<digits>g` do: rounded to
/// significant digits, without trailing zeroes, with an exponent once it
/// is longer than that (999.9 with three digits: `1e+03`).
fn significant(number: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let text = format!("{:.*e}", digits - 1, number);
    let (mantissa, exponent) =
        text.split_once('e').expect("the format has an exponent");
    let exponent: i32 =
        exponent.parse().expect("the exponent is a small number");
    if exponent >= digits as i32 {
        return format!("{}e+{exponent:02}", trimmed(mantissa));
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    trimmed(&format!("{number:.decimals$}")).to_string()
}

fn trimmed(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// Writes how long something takes as Go does: `1m30s`, `1.5s`, `250ms`.
pub fn go_duration(duration: Duration) -> String {
    const SECOND: u128 = 1_000_000_000;
    let nanos = duration.as_nanos();
    let number = |nanos: u128, unit: u128| match nanos % unit {
        0 => (nanos / unit).to_string(),
        part => {
            let width = unit.ilog10() as usize;
            let text = format!("{}.{part:0width$}", nanos / unit);
            text.trim_end_matches('0').to_string()
        }
    };
    let seconds = number(nanos % (60 * SECOND), SECOND);
    let minutes = nanos / (60 * SECOND);
    match (minutes / 60, minutes, nanos) {
        (_, _, 0) => "0s".into(),
        (_, _, 1..1_000) => format!("{nanos}ns"),
        (_, _, 1_000..1_000_000) => format!("{}µs", number(nanos, 1_000)),
        (_, _, 1_000_000..SECOND) => {
            format!("{}ms", number(nanos, 1_000_000))
        }
        (_, 0, _) => format!("{seconds}s"),
        (0, minutes, _) => format!("{minutes}m{seconds}s"),
        (hours, ..) => format!("{hours}h{}m{seconds}s", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_have_their_units() {
        for (nanos, text) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (250_000_000, "250ms"),
            (1_000_000_000, "1s"),
            (1_050_000_000, "1.05s"),
            (60_000_000_000, "1m0s"),
            (90_500_000_000, "1m30.5s"),
            (60_500_000_000, "1m0.5s"),
            (3_661_000_000_000, "1h1m1s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn sizes_are_read_with_binary_units() {
        for (text, want) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("32k", 32 << 10),
            ("32Kb", 32 << 10),
            ("32KiB", 32 << 10),
            ("512m", 512 << 20),
            ("2 GB", 2 << 30),
            ("1.5g", 3 << 29),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
            ("32.5kB", 33_280),
            ("0.5b", 0),
        ] {
            assert_eq!(parse_size(text), Some(want), "{text}");
        }
        for bad in [
            "", "b", "hello", ".", "-1", "-1k", "1e", "32bb", "32kx", "32kib8",
            "1  g", "9999999p", "inf", "nan0", "32é", "1z",
        ] {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
        assert_eq!(parse_decimal_size("10m"), Some(10_000_000));
    }

    #[test]
    fn sizes_are_written_as_the_tables_show_them() {
        // Seen in `docker images`, `docker system df -v` and `docker info`.
        assert_eq!(human_size_with(1_986_402, 3), "1.99MB");
        assert_eq!(human_size(1_986_402), "1.986MB");
        assert_eq!(human_size(1_982_276), "1.982MB");
        assert_eq!(human_size(3), "3B");
        assert_eq!(human_size(0), "0B");
        assert_eq!(bytes_size(25_276_514_304), "23.54GiB");
        for (bytes, three, four) in [
            (999, "999B", "999B"),
            (1000, "1kB", "1kB"),
            (1024, "1.02kB", "1.024kB"),
            (100_000, "100kB", "100kB"),
            (999_900, "1e+03kB", "999.9kB"),
            (123_456_789, "123MB", "123.5MB"),
            (u64::MAX, "18.4EB", "18.45EB"),
        ] {
            assert_eq!(human_size_with(bytes, 3), three);
            assert_eq!(human_size(bytes), four);
        }
        assert_eq!(bytes_size(1023), "1023B");
        assert_eq!(bytes_size(1024 * 1024), "1MiB");
        assert_eq!(bytes_size((1 << 20) - 1), "1024KiB");
        assert_eq!(significant(999.96, 4), "1000");
    }

    #[test]
    fn durations_are_told_in_words() {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (30, "30 seconds"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 1799, "About an hour"),
            (HOUR + 1800, "2 hours"),
            (5 * HOUR, "5 hours"),
            (47 * HOUR, "47 hours"),
            (2 * DAY, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (59 * DAY, "8 weeks"),
            (60 * DAY, "2 months"),
            (120 * DAY, "4 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
            (3 * 365 * DAY, "3 years"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(human_duration(duration), words, "{seconds} s");
        }
        let nearly = Duration::from_millis(999);
        assert_eq!(human_duration(nearly), "Less than a second");
        let _ = human_duration(Duration::MAX);
    }
}
