//! Waiting on many descriptors at once: `epoll(7)`.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll;
use rustix::io::Errno;

use super::{Error, Result};

/// How many events one wait brings at most.
const EVENTS: usize = 64;

/// When a descriptor is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// As long as it can be read.
    Level,
    /// Once, when it can be read or its peer is gone.
    Once,
}

/// A set of descriptors that are waited for. A descriptor leaves it when it
/// is closed.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    /// Opens an empty one (close-on-exec).
    pub fn open() -> Result<Epoll> {
        match epoll::create(epoll::CreateFlags::CLOEXEC) {
            Ok(fd) => Ok(Epoll(fd)),
            Err(errno) => Err(Error::from_rustix("epoll_create1(…)", errno)),
        }
    }

    /// Adds a descriptor under a number of the caller's choice.
    pub fn add(
        &self,
        fd: impl AsFd,
        number: u64,
        trigger: Trigger,
    ) -> Result<()> {
        let flags = match trigger {
            Trigger::Level => epoll::EventFlags::IN,
            Trigger::Once => {
                epoll::EventFlags::IN
                    | epoll::EventFlags::RDHUP
                    | epoll::EventFlags::ONESHOT
            }
        };
        let data = epoll::EventData::new_u64(number);
        epoll::add(&self.0, fd, data, flags)
            .map_err(|e| Error::from_rustix("epoll_ctl(EPOLL_CTL_ADD)", e))
    }

    /// Takes a descriptor out.
    pub fn remove(&self, fd: impl AsFd) -> Result<()> {
        epoll::delete(&self.0, fd)
            .map_err(|e| Error::from_rustix("epoll_ctl(EPOLL_CTL_DEL)", e))
    }

    /// Waits without a bound until a descriptor can be read, has an error or
    /// is hung up, and puts the numbers of those into `ready`.
    pub fn wait(&self, ready: &mut Vec<u64>) -> Result<()> {
        ready.clear();
        let none = epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        };
        let mut events = [none; EVENTS];
        loop {
            match epoll::wait(&self.0, &mut events[..], None) {
                Err(Errno::INTR) => continue,
                Err(e) => return Err(Error::from_rustix("epoll_wait(…)", e)),
                Ok(count) => {
                    let events = events.iter().take(count);
                    ready.extend(events.map(|event| event.data.u64()));
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_readable_is_told_of_by_its_number() {
        let epoll = Epoll::open().unwrap();
        let (one, mut far_one) = UnixStream::pair().unwrap();
        let (two, far_two) = UnixStream::pair().unwrap();
        epoll.add(&one, 1, Trigger::Level).unwrap();
        epoll.add(&two, 2, Trigger::Once).unwrap();
        drop(far_two);
        let mut ready = Vec::new();
        epoll.wait(&mut ready).unwrap();
        assert_eq!(ready, [2]);
        far_one.write_all(b"x").unwrap();
        for _ in 0..2 {
            epoll.wait(&mut ready).unwrap();
            assert_eq!(ready, [1]);
        }
        epoll.remove(&two).unwrap();
        assert!(epoll.remove(&two).is_err());
    }
}
