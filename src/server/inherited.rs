//! Sockets that the daemon was started with: systemd opens them before it
//! starts us, and keeps them when we end (sd_listen_fds(3)).
//!
//! 1. The starter puts them at the descriptors from 3 on, and says in the
//!    environment how many, for which process, and by which names.
//! 2. [`Inherited::take`] owns them and removes the variables, before
//!    anything else is opened.
//! 3. Each `fd://` claims what it names; what nobody claims is closed.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;

use crate::sys::socket::{Listening, Unfit};
use crate::sys::{self, descriptors, environment};

use super::address::{FIRST_FD, Which};

/// How many sockets, the process that they are for, and their names.
const VARIABLES: [&str; 4] =
    ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// Why no inherited socket can be listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// None came; holds what more is known of that.
    Nothing(Option<String>),
    /// None has that descriptor.
    NoNumber(i32),
    /// None has that name.
    NoName(String),
    /// An address before this one took it.
    Taken(i32),
    /// It is not what can be listened on.
    Unfit(i32, Unfit),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Nothing(more) => {
                f.write_str(
                    "no sockets found via socket activation: make sure the \
                     service was started by systemd",
                )?;
                more.as_ref().map_or(Ok(()), |more| write!(f, " ({more})"))
            }
            Error::NoNumber(_) => f.write_str(
                "too few socket activated files passed in by systemd",
            ),
            Error::NoName(name) => {
                write!(f, "no socket named {name:?} was passed in by systemd")
            }
            Error::Taken(fd) => {
                write!(f, "the passed socket {fd} is named twice")
            }
            Error::Unfit(fd, why) => {
                let why = match why {
                    Unfit::NotASocket => "it is no socket",
                    Unfit::NotAStream => "it is no stream socket",
                    Unfit::NotListening => "it does not listen",
                    Unfit::Family => "it is neither a Unix nor a TCP socket",
                };
                write!(
                    f,
                    "failed to listen on systemd activated file: fd {fd}: \
                     {why}"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// The sockets that came, until they are claimed.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: BTreeMap<i32, Passed>,
    /// What is wrong with the announcement.
    problem: Option<String>,
}

#[derive(Debug)]
struct Passed {
    name: String,
    /// Gone once it was claimed.
    fd: Option<OwnedFd>,
}

impl Inherited {
    /// Takes the sockets, and the variables out of the environment. To be
    /// called once, by the first thread, before anything is opened.
    pub fn take() -> Inherited {
        match environment::take(VARIABLES) {
            Ok([count, pid, names, _]) => {
                let own = std::process::id();
                let announced = Announced { count, pid, names };
                announced.find(own, descriptors::adopt)
            }
            Err(error) => Inherited {
                problem: Some(error.to_string()),
                ..Inherited::default()
            },
        }
    }

    /// Gives the sockets that an address names, with their descriptors'
    /// numbers, in their order.
    pub fn claim(
        &mut self,
        which: &Which,
    ) -> Result<Vec<(i32, Listening)>, Error> {
        if self.sockets.is_empty() {
            return Err(Error::Nothing(self.problem.clone()));
        }
        let fits = |number: i32, passed: &Passed| match which {
            Which::All => true,
            Which::Number(wanted) => number == *wanted,
            Which::Name(name) => passed.name == *name,
        };
        let mut claimed = Vec::new();
        for (number, passed) in &mut self.sockets {
            if !fits(*number, passed) {
                continue;
            }
            let fd = passed.fd.take().ok_or(Error::Taken(*number))?;
            let socket = sys::socket::listening(fd)
                .map_err(|why| Error::Unfit(*number, why))?;
            claimed.push((*number, socket));
        }
        match which {
            Which::Number(number) if claimed.is_empty() => {
                Err(Error::NoNumber(*number))
            }
            Which::Name(name) if claimed.is_empty() => {
                Err(Error::NoName(name.clone()))
            }
            _ => Ok(claimed),
        }
    }
}

/// What the environment says.
#[derive(Debug, Default)]
struct Announced {
    count: Option<String>,
    pid: Option<String>,
    names: Option<String>,
}

impl Announced {
    /// Takes what is announced for the process `own`; `adopt` gives the
    /// descriptor of a number.
    fn find(
        &self,
        own: u32,
        adopt: impl Fn(i32) -> sys::Result<OwnedFd>,
    ) -> Inherited {
        let mut found = Inherited::default();
        if let Err(problem) = self.adopt_all(own, adopt, &mut found.sockets) {
            found.problem = Some(problem);
        }
        found
    }

    fn adopt_all(
        &self,
        own: u32,
        adopt: impl Fn(i32) -> sys::Result<OwnedFd>,
        sockets: &mut BTreeMap<i32, Passed>,
    ) -> Result<(), String> {
        let Some(count) = self.count.as_deref() else { return Ok(()) };
        let pid = self.pid.as_deref().unwrap_or("");
        // They may be for the program that started us.
        if pid.parse() != Ok(own) {
            return Err(format!(
                "LISTEN_PID is {pid:?}, but this is process {own}"
            ));
        }
        let last = count
            .parse::<i32>()
            .ok()
            .filter(|count| *count >= 0)
            .and_then(|count| count.checked_add(FIRST_FD))
            .ok_or_else(|| format!("LISTEN_FDS is {count:?}"))?;
        let names = self.names.as_deref().unwrap_or("");
        let mut names = names.split(':');
        for number in FIRST_FD..last {
            let Ok(fd) = adopt(number) else {
                sockets.clear();
                return Err(format!(
                    "LISTEN_FDS is {count}, but descriptor {number} is not \
                     open"
                ));
            };
            let name = names.next().unwrap_or("").to_string();
            sockets.insert(number, Passed { name, fd: Some(fd) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn announced(count: &str, pid: &str, names: &str) -> Announced {
        let text = |text: &str| Some(text.to_string());
        Announced { count: text(count), pid: text(pid), names: text(names) }
    }

    fn listener(_: i32) -> sys::Result<OwnedFd> {
        Ok(TcpListener::bind("127.0.0.1:0").unwrap().into())
    }

    fn numbers(claimed: Result<Vec<(i32, Listening)>, Error>) -> Vec<i32> {
        claimed.unwrap().into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn all_or_one_by_number_or_name_are_claimed_once() {
        let make = || announced("3", "7", "web:api:web").find(7, listener);
        assert_eq!(numbers(make().claim(&Which::All)), [3, 4, 5]);
        let mut found = make();
        assert_eq!(numbers(found.claim(&Which::Number(4))), [4]);
        let web = Which::Name("web".to_string());
        assert_eq!(numbers(found.claim(&web)), [3, 5]);
        let error = found.claim(&web).unwrap_err();
        assert_eq!(error, Error::Taken(3));
        let error = found.claim(&Which::Number(6)).unwrap_err();
        assert_eq!(error, Error::NoNumber(6));
        let error = found.claim(&Which::Name("x".to_string())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no socket named \"x\" was passed in by systemd"
        );
    }

    #[test]
    fn an_announcement_that_is_not_for_us_is_none() {
        let refusal = |announced: Announced, adopt: fn(i32) -> _| {
            let error = announced.find(7, adopt).claim(&Which::All);
            let Err(Error::Nothing(more)) = error else {
                panic!("{error:?}");
            };
            more.unwrap_or_default()
        };
        assert_eq!(refusal(Announced::default(), listener), "");
        assert_eq!(
            refusal(announced("1", "8", ""), listener),
            "LISTEN_PID is \"8\", but this is process 7"
        );
        let nobody = Announced { pid: None, ..announced("1", "", "") };
        assert!(refusal(nobody, listener).contains("LISTEN_PID is \"\""));
        for count in ["-1", "x", "99999999999", "2147483647"] {
            let text = refusal(announced(count, "7", ""), listener);
            assert_eq!(text, format!("LISTEN_FDS is {count:?}"));
        }
        let closed =
            |number| Err(sys::Error::new(format!("fcntl({number})"), 9));
        assert_eq!(
            refusal(announced("2", "7", ""), closed),
            "LISTEN_FDS is 2, but descriptor 3 is not open"
        );
    }

    #[test]
    fn only_what_listens_is_taken() {
        let why = |adopt: fn(i32) -> _| {
            let mut found = announced("1", "7", "").find(7, adopt);
            match found.claim(&Which::All) {
                Err(Error::Unfit(3, why)) => why,
                other => panic!("{other:?}"),
            }
        };
        let file = |_| Ok(File::open("/dev/null").unwrap().into());
        assert_eq!(why(file), Unfit::NotASocket);
        let datagrams = |_| Ok(UdpSocket::bind("127.0.0.1:0").unwrap().into());
        assert_eq!(why(datagrams), Unfit::NotAStream);
        let connected = |_| Ok(UnixStream::pair().unwrap().0.into());
        assert_eq!(why(connected), Unfit::NotListening);
    }
}
