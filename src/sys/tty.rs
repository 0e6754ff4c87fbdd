//! Terminals: what a descriptor is, window sizes, raw mode that is always
//! taken back, and new pseudo-terminals.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios, Winsize};

use super::{Error, Result};

/// The size of a terminal's window, in character cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub cols: u16,
}

/// Tells whether the descriptor is a terminal.
pub fn is_terminal(fd: impl AsFd) -> bool {
    rustix::termios::isatty(fd)
}

/// Returns the window size of a terminal (`TIOCGWINSZ`).
pub fn window_size(fd: impl AsFd) -> Result<WindowSize> {
    let size = rustix::termios::tcgetwinsize(fd)
        .map_err(|e| Error::from_rustix("ioctl(…, TIOCGWINSZ)", e))?;
    Ok(WindowSize { rows: size.ws_row, cols: size.ws_col })
}

/// Sets the window size of a terminal (`TIOCSWINSZ`); the processes in its
/// foreground get SIGWINCH when it changes.
pub fn set_window_size(fd: impl AsFd, size: WindowSize) -> Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(fd, size)
        .map_err(|e| Error::from_rustix("ioctl(…, TIOCSWINSZ)", e))
}

/// A terminal in raw mode. Dropping it gives the terminal its old mode
/// back; so does [`RawMode::restore`], which may be called early.
#[derive(Debug)]
pub struct RawMode {
    fd: OwnedFd,
    before: Termios,
}

/// Puts a terminal into raw mode (`cfmakeraw`, termios(3)), but lets output
/// be processed as before when `output` says so.
pub fn make_raw(fd: impl AsFd, output: Output) -> Result<RawMode> {
    let fd = fd
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| Error::from_io("dup", &e))?;
    let before = rustix::termios::tcgetattr(&fd)
        .map_err(|e| Error::from_rustix("tcgetattr(…)", e))?;
    let mut raw = before.clone();
    raw.make_raw();
    if output == Output::Processed {
        raw.output_modes = before.output_modes;
    }
    set_modes(&fd, &raw)?;
    Ok(RawMode { fd, before })
}

/// What raw mode does with a terminal's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes go out as they are.
    Raw,
    /// A line feed still returns the cursor to the first column.
    Processed,
}

impl RawMode {
    /// Gives the terminal its old mode back. Safe to call more than once.
    pub fn restore(&self) {
        // A terminal that is gone has no mode to restore.
        let _ = set_modes(&self.fd, &self.before);
    }

    /// Goes back to raw mode, after [`RawMode::restore`].
    pub fn resume(&self) {
        let mut raw = self.before.clone();
        raw.make_raw();
        let _ = set_modes(&self.fd, &raw);
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.restore();
    }
}

fn set_modes(fd: impl AsFd, modes: &Termios) -> Result<()> {
    loop {
        match rustix::termios::tcsetattr(&fd, OptionalActions::Now, modes) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(Error::from_rustix("tcsetattr(…)", e)),
            Ok(()) => return Ok(()),
        }
    }
}

/// Unlocks the other end of a pseudo-terminal that was made by opening a
/// `ptmx` (`/dev/ptmx` on the host, `dev/pts/ptmx` in a container's root).
pub fn unlock_master(ptmx: BorrowedFd<'_>) -> Result<()> {
    rustix::pty::unlockpt(ptmx)
        .map_err(|e| Error::from_rustix("ioctl(…, TIOCSPTLCK)", e))
}

/// Opens a pseudo-terminal of the caller's own devpts; returns the master
/// and the path of the other end.
pub fn open_pty() -> Result<(OwnedFd, PathBuf)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)
        .map_err(|e| Error::from_rustix("open(\"/dev/ptmx\")", e))?;
    unlock_master(master.as_fd())?;
    let name = slave_path(&master)?;
    Ok((master, name))
}

/// Returns the path of a master's other end, in its own devpts.
pub fn slave_path(master: impl AsFd) -> Result<PathBuf> {
    let name = rustix::pty::ptsname(master, Vec::new())
        .map_err(|e| Error::from_rustix("ptsname(…)", e))?;
    use std::os::unix::ffi::OsStringExt;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes())))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use rustix::termios::{LocalModes, tcgetattr};

    use super::*;

    #[test]
    fn raw_mode_is_taken_back_on_drop() {
        let (master, path) = open_pty().unwrap();
        let other =
            OpenOptions::new().read(true).write(true).open(path).unwrap();
        assert!(is_terminal(&other));
        let canonical = |fd: &std::fs::File| {
            tcgetattr(fd).unwrap().local_modes.contains(LocalModes::ICANON)
        };
        assert!(canonical(&other));
        let raw = make_raw(&other, Output::Raw).unwrap();
        assert!(!canonical(&other));
        drop(raw);
        assert!(canonical(&other));
        drop(master);
    }

    #[test]
    fn the_window_size_set_at_one_end_is_seen_at_the_other() {
        let (master, path) = open_pty().unwrap();
        let other =
            OpenOptions::new().read(true).write(true).open(path).unwrap();
        let size = WindowSize { rows: 43, cols: 132 };
        set_window_size(&master, size).unwrap();
        assert_eq!(window_size(&other).unwrap(), size);
    }

    #[test]
    fn a_pipe_is_no_terminal() {
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(!is_terminal(&reader));
        assert!(window_size(&reader).is_err());
    }
}
