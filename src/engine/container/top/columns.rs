//! The options of `ps`, as far as they say what is shown of a process, and
//! the columns that there are (ps(1) of procps).

use super::process::{Host, Process};

/// How a cell is written.
type Show = fn(&Process, &Host<'_>) -> String;

/// One column.
pub struct Column {
    /// Its title.
    pub title: String,
    /// How a cell is written.
    pub show: Show,
}

/// The columns by their names, several names for one with `|`.
const KNOWN: &[(&str, &str, Show)] = &[
    ("pid|tgid", "PID", |p, _| p.pid.to_string()),
    ("ppid", "PPID", |p, _| p.number(1)),
    ("pgid", "PGID", |p, _| p.number(2)),
    ("pgrp", "PGRP", |p, _| p.number(2)),
    ("sid", "SID", |p, _| p.number(3)),
    ("sess|session", "SESS", |p, _| p.number(3)),
    ("tty|tt", "TT", |p, _| p.terminal()),
    ("tname", "TTY", |p, _| p.terminal()),
    ("f|flag|flags", "F", |p, _| p.flags()),
    ("pri", "PRI", |p, _| (39 - p.field(15)).to_string()),
    ("ni|nice", "NI", |p, _| p.number(16)),
    ("nlwp", "NLWP", |p, _| p.number(17)),
    ("thcount", "THCNT", |p, _| p.number(17)),
    ("psr", "PSR", |p, _| p.number(36)),
    ("uid|euid", "UID", |p, _| p.uid.to_string()),
    ("gid|egid", "GID", |p, _| p.gid.to_string()),
    ("user|uname", "USER", |p, host| host.user(p.uid)),
    ("euser", "EUSER", |p, host| host.user(p.uid)),
    ("s|state", "S", |p, _| p.state().into()),
    ("stat", "STAT", |p, _| p.stat()),
    ("c", "C", |p, host| (host.share(p) as u64).min(99).to_string()),
    ("%cpu|pcpu", "%CPU", |p, host| format!("{:.1}", host.share(p))),
    ("%mem|pmem", "%MEM", |p, host| format!("{:.1}", host.memory(p))),
    ("vsz|vsize", "VSZ", |p, _| (p.field(20) / 1024).to_string()),
    ("sz", "SZ", |p, _| (p.field(20) / 4096).to_string()),
    ("rss|rssize", "RSS", |p, _| (p.field(21) * 4).to_string()),
    ("rsz", "RSZ", |p, _| (p.field(21) * 4).to_string()),
    ("stime", "STIME", |p, host| host.started(p)),
    ("start_time|bsdstart", "START", |p, host| host.started(p)),
    ("time|cputime", "TIME", |p, _| p.time()),
    ("bsdtime", "TIME", |p, _| p.bsd_time()),
    ("etime", "ELAPSED", |p, host| host.elapsed(p)),
    ("etimes", "ELAPSED", |p, host| host.age(p).to_string()),
    ("comm|ucomm", "COMMAND", |p, _| p.name.clone()),
    ("ucmd", "CMD", |p, _| p.name.clone()),
    ("args|command", "COMMAND", |p, _| p.command.clone()),
    ("cmd", "CMD", |p, _| p.command.clone()),
];

const PLAIN: &str = "pid,tname,time,ucmd";
const FULL: &str = "user=UID,pid,ppid,c,stime,tname,time,cmd";
const USER: &str =
    "user,pid,%cpu,%mem,vsz,rss,tname,stat,start_time,bsdtime,args";
const JOBS: &str = "pid,pgid,sid,tname,time,ucmd";

/// Reads the options; empty: `-ef`. The error is what `ps` says.
pub fn parse(options: &str) -> Result<Vec<Column>, String> {
    let options = match options {
        "" => "-ef",
        options => options,
    };
    let mut chosen = Vec::new();
    let mut shape = PLAIN;
    let mut words = options.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if let Some(list) = word.strip_prefix("--format=") {
            add(&mut chosen, list)?;
            continue;
        }
        if word.starts_with("--") {
            return Err("error: unknown gnu long option".into());
        }
        let (letters, refusal) = match word.strip_prefix('-') {
            // As ps does: it must be meant without the dash.
            Some(letters) if letters.starts_with("aux") => (letters, BSD),
            Some(letters) => (letters, SYSV),
            None => (word, BSD),
        };
        for (at, letter) in letters.char_indices() {
            match (letter, refusal == SYSV) {
                ('o', _) => {
                    let rest = &letters[at + 1..];
                    let list = match rest {
                        "" => words.next(),
                        rest => Some(rest),
                    };
                    add(&mut chosen, list.ok_or(NO_LIST)?)?;
                    break;
                }
                ('f', true) => shape = FULL,
                ('u', false) => shape = USER,
                ('j', true) => shape = JOBS,
                // Which processes, how wide, as a tree: no matter here.
                ('e' | 'A' | 'a' | 'd' | 'H' | 'w', true)
                | ('a' | 'x' | 'e' | 'f' | 'w', false) => {}
                _ => return Err(refusal.into()),
            }
        }
    }
    if chosen.is_empty() {
        add(&mut chosen, shape)?;
    }
    Ok(chosen)
}

const SYSV: &str = "error: unsupported SysV option";
const BSD: &str = "error: unsupported option (BSD syntax)";
const NO_LIST: &str = "error: format specification must follow -o";

/// Adds columns by their names; what follows a `=` is the last one's title.
fn add(columns: &mut Vec<Column>, list: &str) -> Result<(), String> {
    let mut rest = list;
    while !rest.is_empty() {
        let end = rest.find(',').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after.strip_prefix(',').unwrap_or(after);
        let (name, title) = match word.split_once('=') {
            Some((name, title)) => (name, Some(title)),
            None => (word, None),
        };
        let known = KNOWN
            .iter()
            .find(|(names, ..)| names.split('|').any(|known| known == name));
        let Some((_, usual, show)) = known else {
            return Err(format!(
                "error: unknown user-defined format specifier \"{name}\""
            ));
        };
        let title = title.unwrap_or(usual).to_string();
        columns.push(Column { title, show: *show });
    }
    Ok(())
}

/// Refuses to have another column take the title of the pids.
pub fn check_heads(options: &str) -> Result<(), String> {
    for word in options.split_ascii_whitespace().skip(1) {
        let Some((name, title)) = word.split_once('=') else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if title.starts_with("PID") && name != "pid" && name.chars().all(plain)
        {
            return Err(format!(
                "specifying \"{name}={title}\" is not allowed"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(options: &str) -> String {
        let columns = parse(options).unwrap();
        let titles: Vec<String> =
            columns.into_iter().map(|column| column.title).collect();
        titles.join(" ")
    }

    #[test]
    fn titles_are_those_of_ps() {
        let full = "UID PID PPID C STIME TTY TIME CMD";
        let user = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND";
        for (options, wanted) in [
            ("", full),
            ("-ef", full),
            ("-e -f", full),
            ("aux", user),
            ("-aux", user),
            ("-e", "PID TTY TIME CMD"),
            ("-o pid,comm", "PID COMMAND"),
            ("-eo pid,args", "PID COMMAND"),
            ("-opid -o user=WHO", "PID WHO"),
        ] {
            assert_eq!(titles(options), wanted, "{options}");
        }
    }

    #[test]
    fn refusals_are_those_of_ps() {
        let said = |options| parse(options).err().unwrap();
        assert_eq!(
            said("-o nosuch"),
            "error: unknown user-defined format specifier \"nosuch\""
        );
        assert_eq!(said("--nosuch"), "error: unknown gnu long option");
        assert_eq!(said("-Z"), SYSV);
        assert_eq!(said("q"), BSD);
        assert_eq!(
            check_heads("-o ppid=PID").unwrap_err(),
            "specifying \"ppid=PID\" is not allowed"
        );
        check_heads("-o pid=PID").unwrap();
    }
}
