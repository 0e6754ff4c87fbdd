//! One process as /proc tells of it (proc(5)), and what its host adds.

use std::fs;

use crate::time::Timestamp;

/// Clock ticks of a second: `USER_HZ` is 100 wherever Linux runs.
const TICKS: i64 = 100;

/// A process.
#[derive(Debug, Default)]
pub struct Process {
    /// Its number on the host.
    pub pid: i32,
    /// Its short name.
    pub name: String,
    /// Its command line.
    pub command: String,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// The fields of `stat` from the third on.
    fields: Vec<String>,
}

/// What is the same for all processes of one list.
#[derive(Debug)]
pub struct Host<'a> {
    passwd: &'a str,
    memory: i64,
    now: Timestamp,
    /// Since the start of the machine, in ticks.
    uptime: i64,
}

impl Process {
    /// Reads what /proc tells; none if it has ended.
    pub fn read(pid: i32) -> Option<Process> {
        let read = |name: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        parse(pid, &read("stat")?, &read("status")?, &read("cmdline")?)
    }

    /// Returns a number of `stat`; its third field is 0.
    pub fn field(&self, at: usize) -> i64 {
        self.fields.get(at).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// As [`Process::field`], written out.
    pub fn number(&self, at: usize) -> String {
        self.field(at).to_string()
    }

    /// Its state, one letter.
    pub fn state(&self) -> &str {
        self.fields.first().map_or("?", String::as_str)
    }

    /// Its state with what else is worth a letter.
    pub fn stat(&self) -> String {
        let mut text = self.state().to_string();
        match self.field(16) {
            ..0 => text.push('<'),
            1.. => text.push('N'),
            0 => {}
        }
        if self.field(3) == i64::from(self.pid) {
            text.push('s');
        }
        if self.field(17) > 1 {
            text.push('l');
        }
        if self.field(5) == self.field(2) {
            text.push('+');
        }
        text
    }

    /// Whether it was forked only, and has been root.
    pub fn flags(&self) -> String {
        ((self.field(6) >> 6) & 7).to_string()
    }

    /// Its terminal.
    pub fn terminal(&self) -> String {
        let number = self.field(4);
        let minor = (number & 0xff) | ((number >> 12) & 0xf_ff00);
        match (number >> 8) & 0xfff {
            136..=143 => format!("pts/{minor}"),
            4 if minor < 64 => format!("tty{minor}"),
            _ => "?".into(),
        }
    }

    /// Seconds on the processors.
    fn busy(&self) -> i64 {
        (self.field(11) + self.field(12)) / TICKS
    }

    /// The same as hours, minutes and seconds.
    pub fn time(&self) -> String {
        clock(self.busy(), "00:")
    }

    /// The same as minutes and seconds.
    pub fn bsd_time(&self) -> String {
        let busy = self.busy();
        format!("{}:{:02}", busy / 60, busy % 60)
    }
}

impl Host<'_> {
    /// Looks at the clocks.
    pub fn now(passwd: &str, memory: i64) -> Host<'_> {
        let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds = text.split_whitespace().next();
        let seconds: f64 =
            seconds.and_then(|n| n.parse().ok()).unwrap_or_default();
        let uptime = (seconds * TICKS as f64) as i64;
        Host { passwd, memory, now: Timestamp::now(), uptime }
    }

    /// Names a user; one without a name is its number.
    pub fn user(&self, uid: u32) -> String {
        let number = uid.to_string();
        let name = self.passwd.lines().find_map(|line| {
            let mut words = line.split(':');
            let name = words.next()?;
            (words.nth(1)? == number).then_some(name)
        });
        match name {
            None => number,
            Some(long) if long.len() > 8 && long.is_ascii() => {
                format!("{}+", &long[..7])
            }
            Some(name) => name.into(),
        }
    }

    /// Seconds since its start.
    pub fn age(&self, process: &Process) -> i64 {
        ((self.uptime - process.field(19)) / TICKS).max(0)
    }

    /// The same as a clock shows them.
    pub fn elapsed(&self, process: &Process) -> String {
        clock(self.age(process), "")
    }

    /// The part of its life that it was on a processor, in hundredths.
    pub fn share(&self, process: &Process) -> f64 {
        let ticks = (process.field(11) + process.field(12)) as f64;
        let life = (self.uptime - process.field(19)).max(1) as f64;
        match self.age(process) {
            0 => 0.0,
            _ => ticks * 100.0 / life,
        }
    }

    /// The part of the memory that it has, in hundredths.
    pub fn memory(&self, process: &Process) -> f64 {
        let bytes = (process.field(21) * 4096) as f64;
        bytes * 100.0 / (self.memory.max(1) as f64)
    }

    /// When it was started: the hour today, else the day or the year.
    pub fn started(&self, process: &Process) -> String {
        const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let seconds = self.now.seconds - self.age(process);
        let then = Timestamp::from_unix(seconds, 0);
        let there = then.civil_local();
        let here = self.now.civil_local();
        if there.year != here.year {
            return there.year.to_string();
        }
        if (there.month, there.day) != (here.month, here.day) {
            let at = (there.month as usize - 1) * 3;
            let month = String::from_utf8_lossy(&MONTHS[at..at + 3]);
            return format!("{month}{:02}", there.day);
        }
        format!("{:02}:{:02}", there.hour, there.minute)
    }
}

fn parse(pid: i32, stat: &str, status: &str, cmdline: &str) -> Option<Process> {
    // The name in parentheses may hold anything.
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(open + 1..close)?.to_string();
    let effective = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let id = line.and_then(|line| line.split_whitespace().nth(1));
        id.and_then(|id| id.parse().ok()).unwrap_or(0)
    };
    let words = cmdline.trim_end_matches('\0').replace(['\0', '\n'], " ");
    let fields = stat[close + 1..].split_whitespace();
    Some(Process {
        pid,
        command: match words.is_empty() {
            true => format!("[{name}]"),
            false => words,
        },
        name,
        uid: effective("Uid:"),
        gid: effective("Gid:"),
        fields: fields.map(str::to_string).collect(),
    })
}

/// Writes `[DD-]HH:MM:SS`; `zero` stands for hours that there are none of.
fn clock(seconds: i64, zero: &str) -> String {
    let (days, hours) = (seconds / 86400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let front = match (days, hours) {
        (0, 0) => zero.to_string(),
        (0, hours) => format!("{hours:02}:"),
        (days, hours) => format!("{days}-{hours:02}:"),
    };
    format!("{front}{minutes:02}:{seconds:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_as_ps_does() {
        let stat = "7 (a) b) S 3 7 7 34816 7 4194560 0 0 0 0 250 150 0 0 20 \
                    0 2 0 1000 8192000 300 0";
        let status = "Name:\ta\nUid:\t0\t1000\t0\t0\nGid:\t0\t5\t0\t0\n";
        let p = parse(7, stat, status, "sh\0-c\0sleep 1\0").unwrap();
        assert_eq!((p.name.as_str(), p.uid, p.gid), ("a) b", 1000, 5));
        assert_eq!(p.command, "sh -c sleep 1");
        assert_eq!((p.terminal(), p.stat()), ("pts/0".into(), "Ssl+".into()));
        assert_eq!(
            (p.time(), p.bsd_time()),
            ("00:00:04".into(), "0:04".into())
        );
        let passwd = "root:x:0:0::/:\nsomebodylong:x:1000:5::/:\n";
        let now = Timestamp::from_unix(1_000_000, 0);
        let host = Host { passwd, memory: 1 << 30, now, uptime: 2000 };
        assert_eq!(host.user(1000), "somebod+");
        assert_eq!(host.user(8), "8");
        assert_eq!(host.elapsed(&p), "00:10");
        assert_eq!(format!("{:.1}", host.share(&p)), "40.0");
        assert_eq!(clock(90061, ""), "1-01:01:01");
        let kernel = parse(2, "2 (kthreadd) S 0", "", "").unwrap();
        assert_eq!(kernel.command, "[kthreadd]");
    }
}
