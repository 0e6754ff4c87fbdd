//! The kinds of values that flags take, read as Docker reads them; errors
//! are the reasons that follow `invalid argument … flag: `.

use crate::time::Timestamp;
use crate::{time, units};

/// The limits that `setrlimit(2)` knows.
const LIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads a boolean as Go does; quotes around it are taken off.
pub fn boolean(word: &str) -> Result<bool, String> {
    let bare = ['"', '\'']
        .iter()
        .find_map(|&q| word.strip_prefix(q)?.strip_suffix(q))
        .unwrap_or(word);
    match bare {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(go_syntax("ParseBool", word)),
    }
}

/// Reads a whole number.
pub fn integer(word: &str) -> Result<i64, String> {
    word.parse().map_err(|_| go_syntax("ParseInt", word))
}

/// Reads a number that is not negative.
pub fn unsigned(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| go_syntax("ParseUint", word))
}

fn go_syntax(function: &str, word: &str) -> String {
    format!("strconv.{function}: parsing {}: invalid syntax", quote(word))
}

/// Reads an amount of memory (`512m`, `1.5g`).
pub fn size(word: &str) -> Result<i64, String> {
    units::parse_size(word).ok_or_else(|| format!("invalid size: '{word}'"))
}

/// Reads an amount of memory, or -1 for no limit.
pub fn size_or_unlimited(word: &str) -> Result<i64, String> {
    if word == "-1" { Ok(-1) } else { size(word) }
}

/// Reads `name=soft[:hard]`; gives the soft limit first.
pub fn ulimit(word: &str) -> Result<(String, (i64, i64)), String> {
    let Some((name, limits)) = word.split_once('=') else {
        return Err(format!("invalid ulimit argument: {word}"));
    };
    if !LIMITS.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let (soft, hard) = match limits.split_once(':') {
        None => {
            let both = integer(limits)?;
            (both, both)
        }
        Some((_, hard)) if hard.contains(':') => {
            return Err(format!(
                "too many limit value arguments - {limits}, can only have up \
                 to two, `soft[:hard]`"
            ));
        }
        Some((soft, hard)) => (integer(soft)?, integer(hard)?),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!(
            "ulimit soft limit must be less than or equal to hard limit: \
             {soft} > {hard}"
        ));
    }
    Ok((name.to_owned(), (soft, hard)))
}

/// Reads a Go duration into nanoseconds.
pub fn duration(word: &str) -> Result<i64, String> {
    time::parse_duration(word)
        .and_then(|d| i64::try_from(d.as_nanos()).ok())
        .ok_or_else(|| bad_duration(word))
}

/// Go's reasons against a duration.
fn bad_duration(word: &str) -> String {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let bare = word.strip_prefix(['-', '+']).unwrap_or(word);
    let rest = bare.trim_start_matches(is_number);
    if rest.len() == bare.len() {
        return format!("time: invalid duration {}", quote(word));
    }
    let unit = &rest[..rest.find(is_number).unwrap_or(rest.len())];
    match unit {
        "" => format!("time: missing unit in duration {}", quote(word)),
        "ns" | "us" | "µs" | "ms" | "s" | "m" | "h" => {
            format!("time: invalid duration {}", quote(word))
        }
        unit => format!(
            "time: unknown unit {} in duration {}",
            quote(unit),
            quote(word)
        ),
    }
}

/// Reads a number of CPUs (`1.5`, `.5`, `3/2`) into thousand-millionths.
pub fn cpus(word: &str) -> Result<i64, String> {
    let bad = || format!("failed to parse {word} as a rational number");
    let nano = match word.split_once('/') {
        Some((over, under)) => {
            let over = decimal(over).ok_or_else(bad)?;
            let under: i128 = under.parse().map_err(|_| bad())?;
            if under == 0 {
                return Err(bad());
            }
            if over % under != 0 {
                return Err("value is too precise".to_owned());
            }
            over / under
        }
        None => decimal(word).ok_or_else(bad)?,
    };
    if nano % SCALE != 0 {
        return Err("value is too precise".to_owned());
    }
    i64::try_from(nano / SCALE).map_err(|_| bad())
}

/// Digits kept beyond the ninth decimal, to see that there is none.
const SCALE: i128 = 1_000_000_000;

/// Reads a decimal number as its 10^18th parts.
fn decimal(word: &str) -> Option<i128> {
    let (word, sign) = match word.strip_prefix('-') {
        Some(word) => (word, -1),
        None => (word.strip_prefix('+').unwrap_or(word), 1),
    };
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    let part = part.trim_end_matches('0');
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + part.len() == 0
        || !is_digits(whole)
        || !is_digits(part)
        || whole.len() > 12
    {
        return if word == "0" { Some(0) } else { None };
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    if part.len() > 18 {
        // A remainder that the caller reports as too precise.
        return Some(sign * (whole * SCALE * SCALE + 1));
    }
    let part: i128 = format!("{part:0<18}").parse().ok()?;
    Some(sign * (whole * SCALE * SCALE + part))
}

/// Puts a string in double quotes, as Go's `%q` does.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads a point in time, or a duration back from now, into the seconds
/// that the API takes. An empty word stays empty.
pub fn moment(word: &str) -> Result<String, String> {
    if word.is_empty() || word.parse::<f64>().is_ok() {
        return Ok(word.to_owned());
    }
    let failed = || {
        format!("failed to parse value as time or duration: {}", quote(word))
    };
    let now = Timestamp::now();
    let then = time::parse_since(word, now).ok_or_else(failed)?;
    Ok(match time::parse_duration(word) {
        Some(_) => then.seconds.to_string(),
        None => format!("{}.{:09}", then.seconds, then.nanos),
    })
}

/// Checks a filter's form (`name=value`) and splits it as Docker does.
pub fn filter(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((name, value)) => {
            Ok((name.trim().to_lowercase(), value.trim().to_owned()))
        }
        None => Err("bad format of filter (expected name=value)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_read_to_nine_decimals() {
        assert_eq!(cpus("0.5"), Ok(500_000_000));
        assert_eq!(cpus(".5"), Ok(500_000_000));
        assert_eq!(cpus("2"), Ok(2_000_000_000));
        assert_eq!(cpus("0"), Ok(0));
        assert_eq!(cpus("3/2"), Ok(1_500_000_000));
        assert_eq!(cpus("0.000000001"), Ok(1));
        assert_eq!(cpus("0.0000000001"), Err("value is too precise".into()));
        assert_eq!(cpus("1/3"), Err("value is too precise".into()));
        for word in ["abc", "", ".", "1/0", "1e9", "9999999999999"] {
            let text = format!("failed to parse {word} as a rational number");
            assert_eq!(cpus(word), Err(text));
        }
    }

    #[test]
    fn durations_are_refused_in_gos_words() {
        assert_eq!(duration("1.5s"), Ok(1_500_000_000));
        let cases = [
            ("1", "time: missing unit in duration \"1\""),
            ("1x", "time: unknown unit \"x\" in duration \"1x\""),
            ("x", "time: invalid duration \"x\""),
        ];
        for (word, reason) in cases {
            assert_eq!(duration(word).unwrap_err(), reason);
        }
    }

    #[test]
    fn moments_are_seconds() {
        assert_eq!(moment("").unwrap(), "");
        assert_eq!(moment("12.5").unwrap(), "12.5");
        assert_eq!(
            moment("2026-11-21T20:08:35.5Z").unwrap(),
            "1795291715.500000000"
        );
        assert!(!moment("10m").unwrap().contains('.'));
        assert_eq!(
            moment("foo").unwrap_err(),
            "failed to parse value as time or duration: \"foo\""
        );
    }

    #[test]
    fn filters_need_a_name_and_a_value() {
        let pair = ("label".to_owned(), "a=b".to_owned());
        assert_eq!(filter("Label = a=b"), Ok(pair));
        assert!(filter("foo").is_err());
    }

    #[test]
    fn quoting_is_gos() {
        assert_eq!(quote("a\"b\\c\n\u{1}é"), "\"a\\\"b\\\\c\\n\\x01é\"");
    }

    #[test]
    fn limits_are_soft_and_hard() {
        assert_eq!(ulimit("nofile=10").unwrap().1, (10, 10));
        assert_eq!(ulimit("nofile=5:-1").unwrap().1, (5, -1));
        let errors = [
            ("foo", "invalid ulimit argument: foo"),
            ("nosuch=10", "invalid ulimit type: nosuch"),
            ("nofile=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            (
                "nofile=10:5",
                "ulimit soft limit must be less than or equal to hard limit: \
                 10 > 5",
            ),
        ];
        for (word, error) in errors {
            assert_eq!(ulimit(word).unwrap_err(), error);
        }
    }
}
