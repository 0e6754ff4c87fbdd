//! Signal names and numbers as `docker kill`, `--stop-signal` and the
//! images' `StopSignal` write them. The numbers are Linux's on x86-64.

/// Hang-up.
pub const SIGHUP: i32 = 1;
/// Interrupt from the keyboard.
pub const SIGINT: i32 = 2;
/// Quit from the keyboard.
pub const SIGQUIT: i32 = 3;
/// Kill; cannot be caught.
pub const SIGKILL: i32 = 9;
/// First signal for programs.
pub const SIGUSR1: i32 = 10;
/// Second signal for programs.
pub const SIGUSR2: i32 = 12;
/// Broken pipe.
pub const SIGPIPE: i32 = 13;
/// Termination: what `docker stop` sends by default.
pub const SIGTERM: i32 = 15;
/// A child changed its state.
pub const SIGCHLD: i32 = 17;
/// Continue.
pub const SIGCONT: i32 = 18;
/// Stop; cannot be caught.
pub const SIGSTOP: i32 = 19;
/// Stop typed at a terminal.
pub const SIGTSTP: i32 = 20;
/// Urgent data on a socket; language runtimes send it to themselves.
pub const SIGURG: i32 = 23;
/// The terminal's size changed.
pub const SIGWINCH: i32 = 28;

/// The first real-time signal that the C library leaves to programs.
const RTMIN: i32 = 34;
/// The last signal.
const RTMAX: i32 = 64;

/// Each signal below the real-time ones by number; the first is 1.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The real-time signals as Docker names them; the first is 34.
const REAL_TIME: [&str; 31] = [
    "SIGRTMIN",
    "SIGRTMIN+1",
    "SIGRTMIN+2",
    "SIGRTMIN+3",
    "SIGRTMIN+4",
    "SIGRTMIN+5",
    "SIGRTMIN+6",
    "SIGRTMIN+7",
    "SIGRTMIN+8",
    "SIGRTMIN+9",
    "SIGRTMIN+10",
    "SIGRTMIN+11",
    "SIGRTMIN+12",
    "SIGRTMIN+13",
    "SIGRTMIN+14",
    "SIGRTMIN+15",
    "SIGRTMAX-14",
    "SIGRTMAX-13",
    "SIGRTMAX-12",
    "SIGRTMAX-11",
    "SIGRTMAX-10",
    "SIGRTMAX-9",
    "SIGRTMAX-8",
    "SIGRTMAX-7",
    "SIGRTMAX-6",
    "SIGRTMAX-5",
    "SIGRTMAX-4",
    "SIGRTMAX-3",
    "SIGRTMAX-2",
    "SIGRTMAX-1",
    "SIGRTMAX",
];

/// Further names of the same signals.
const ALIASES: [(&str, &str); 3] =
    [("CLD", "CHLD"), ("POLL", "IO"), ("IOT", "ABRT")];

/// Reads a signal: a number (1 to 64), or a name in any case, with or
/// without `SIG`, with `RTMIN+n` and `RTMAX-n`.
pub fn parse(text: &str) -> Option<i32> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let number = text.parse().ok()?;
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let plain = upper.strip_prefix("SIG").unwrap_or(&upper);
    let plain = match ALIASES.iter().find(|(alias, _)| *alias == plain) {
        Some((_, name)) => name,
        None => plain,
    };
    if let Some(more) = plain.strip_prefix("RTMIN") {
        return real_time(RTMIN, more, '+');
    }
    if let Some(less) = plain.strip_prefix("RTMAX") {
        return real_time(RTMAX, less, '-');
    }
    let index = NAMES.iter().position(|name| &name[3..] == plain)?;
    Some(index as i32 + 1)
}

/// Returns a signal's name with `SIG`; `None` for what is no signal, and
/// for 32 and 33, which the C library keeps for itself.
pub fn name(signal: i32) -> Option<&'static str> {
    let at = |table: &'static [&'static str], first: i32| {
        let index = usize::try_from(signal.checked_sub(first)?).ok()?;
        table.get(index).copied()
    };
    at(&NAMES, 1).or_else(|| at(&REAL_TIME, RTMIN))
}

fn real_time(from: i32, distance: &str, sign: char) -> Option<i32> {
    if distance.is_empty() {
        return Some(from);
    }
    let digits = distance.strip_prefix(sign)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let distance: i32 = digits.parse().ok()?;
    (0..=RTMAX - RTMIN).contains(&distance).then_some(match sign {
        '+' => from + distance,
        _ => from - distance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_in_every_form() {
        for (text, want) in [
            ("SIGTERM", SIGTERM),
            ("TERM", SIGTERM),
            ("term", SIGTERM),
            ("sigterm", SIGTERM),
            ("15", SIGTERM),
            ("KILL", SIGKILL),
            ("HUP", SIGHUP),
            ("CLD", SIGCHLD),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax-2", 62),
            ("RTMAX", 64),
            ("64", 64),
        ] {
            assert_eq!(parse(text), Some(want), "{text}");
        }
        for bad in [
            "",
            "SIG",
            "0",
            "65",
            "-9",
            "+9",
            "NOPE",
            "RTMIN-1",
            "RTMIN+",
            "RTMIN+31",
            "RTMAX+1",
            "RTMIN++1",
            "99999999999",
            "é",
            "sié",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_name_comes_back_as_its_number() {
        for signal in (1..=31).chain(34..=64) {
            let name = name(signal).unwrap();
            assert_eq!(parse(name), Some(signal), "{name}");
        }
        for none in [i32::MIN, -1, 0, 32, 33, 65, i32::MAX] {
            assert_eq!(name(none), None);
        }
        assert_eq!(name(SIGWINCH), Some("SIGWINCH"));
        assert_eq!(name(SIGTSTP), Some("SIGTSTP"));
        assert_eq!(name(SIGUSR2), Some("SIGUSR2"));
        assert_eq!(name(SIGURG), Some("SIGURG"));
    }
}
