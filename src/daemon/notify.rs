//! What systemd is told of the daemon's state (sd_notify(3)), if it started
//! us; else nothing is told.
//!
//! ```text
//! READY=1 ─▶ [RELOADING=1 ─▶ READY=1]… ─▶ STOPPING=1
//!     └ WATCHDOG=1, twice in each interval, if it is asked for
//! ```

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::Error;
use crate::engine::Engine;
use crate::sys::{clock, environment};

/// The variables that systemd sets for us.
const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// How long systemd may have no room for a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to tell systemd.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    target: Option<Arc<Target>>,
    /// How long the daemon may be silent.
    watchdog: Option<Duration>,
}

#[derive(Debug)]
struct Target {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// Takes the variables out of the environment, so that no child tells
    /// systemd anything in our name. To be called by the first thread.
    pub(super) fn take() -> Notifier {
        let taken = environment::take(VARIABLES);
        let [socket, interval, pid] = taken.unwrap_or_default();
        let Some(name) = socket else { return Notifier::default() };
        let target = match Target::open(&name) {
            Ok(target) => Some(Arc::new(target)),
            Err(error) => {
                log::warn!("NOTIFY_SOCKET is {name:?}: {error}");
                None
            }
        };
        let own = std::process::id();
        let watchdog = watchdog(interval.as_deref(), pid.as_deref(), own);
        Notifier { target, watchdog }
    }

    /// Tells that clients are served: at the start, and after a reload.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Tells that the configuration is read again, before it is.
    pub(super) fn reloading(&self) {
        let now = clock::monotonic().as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// Tells that the daemon is on its way out.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(target) = &self.target {
            target.tell(state);
        }
    }

    /// Starts to tell that the daemon lives, if systemd wants to know. An
    /// engine that is stuck is silent, and systemd ends the daemon.
    pub(super) fn watch(
        &self,
        engine: &Arc<Engine>,
    ) -> Result<Option<Watchdog>, Error> {
        let (Some(target), Some(most)) = (&self.target, self.watchdog) else {
            return Ok(None);
        };
        let (target, engine) = (Arc::clone(target), Arc::clone(engine));
        let (stop, stopped) = bounded(0);
        let each = most / 2;
        let tell = move || {
            while stopped.recv_timeout(each) == Err(RecvTimeoutError::Timeout) {
                engine.touch_locks();
                target.tell("WATCHDOG=1");
            }
        };
        std::thread::Builder::new()
            .name("watchdog".into())
            .stack_size(64 << 10)
            .spawn(tell)
            .map_err(|e| Error::System(format!("start a thread: {e}")))?;
        Ok(Some(Watchdog(stop)))
    }
}

/// Ends the telling when it is dropped.
#[derive(Debug)]
pub(super) struct Watchdog(#[expect(dead_code, reason = "held")] Sender<()>);

impl Target {
    /// Opens a socket for messages to a path, or to an abstract name
    /// behind `@`.
    fn open(name: &str) -> io::Result<Target> {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None if name.starts_with('/') => SocketAddr::from_pathname(name)?,
            None => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Target { socket, address })
    }

    fn tell(&self, state: &str) {
        let told = self.socket.send_to_addr(state.as_bytes(), &self.address);
        if let Err(error) = told {
            log::warn!("tell systemd {state:?}: {error}");
        }
    }
}

/// Returns how long the process `own` may be silent. The variables may be
/// for another one (sd_watchdog_enabled(3)).
fn watchdog(
    interval: Option<&str>,
    pid: Option<&str>,
    own: u32,
) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let micros = interval?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_only_if_it_is_asked_for() {
        let ten = Some(Duration::from_micros(10));
        assert_eq!(watchdog(Some("10"), None, 7), ten);
        assert_eq!(watchdog(Some("10"), Some("7"), 7), ten);
        for (interval, pid) in [
            (None, None),
            (None, Some("7")),
            (Some("10"), Some("8")),
            (Some("10"), Some("")),
            (Some("0"), None),
            (Some("x"), None),
        ] {
            assert_eq!(watchdog(interval, pid, 7), None);
        }
    }

    #[test]
    fn messages_reach_paths_and_abstract_names() {
        let name = format!("skiff-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let path = std::env::temp_dir().join(&name);
        let at_path = path.to_str().unwrap().to_string();
        for (socket, name) in [
            (UnixDatagram::bind_addr(&address), format!("@{name}")),
            (UnixDatagram::bind(&path), at_path),
        ] {
            let socket = socket.unwrap();
            let target = Some(Arc::new(Target::open(&name).unwrap()));
            let notifier = Notifier { target, watchdog: None };
            notifier.reloading();
            notifier.ready();
            let mut buffer = [0; 100];
            let mut next = || {
                let length = socket.recv(&mut buffer).unwrap();
                String::from_utf8_lossy(&buffer[..length]).into_owned()
            };
            let first = next();
            let micros = first.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
            assert!(micros.unwrap().parse::<u64>().is_ok(), "{first}");
            assert_eq!(next(), "READY=1");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Target::open("relative").is_err());
    }
}
