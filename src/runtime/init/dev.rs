//! The container's `/dev`: nodes and links, and the terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::place::{How, Source};
use super::{Init, failed};
use crate::runtime::devices::{LINKS, NODES};
use crate::runtime::error::{Result, StartError};
use crate::sys::fs::{self, Kind, OFlags};
use crate::sys::mount::Flags;
use crate::sys::tty::{self, WindowSize};
use crate::sys::{descriptors, errno, process};

/// `DEVPTS_SUPER_MAGIC` of statfs(2).
const DEVPTS_MAGIC: u64 = 0x1cd1;

/// What goes before any failure with a terminal.
const WORDS: &str = "error setting up the terminal";

impl Init<'_> {
    /// Makes the standard nodes and links in a fresh `/dev`. The umask is
    /// 0 here.
    pub(super) fn fill_dev(&self, dev: BorrowedFd<'_>) -> Result<()> {
        for node in NODES {
            let number = (node.major, node.minor);
            let made = fs::mknod_at(dev, node.name, Kind::Char, 0o666, number);
            match made {
                // Not allowed in this (nested) environment: the host's own
                // node serves.
                Err(error) if error.errno() == errno::EPERM => {
                    self.bind_node(dev, node.name)?;
                }
                other => other.map_err(failed(format!(
                    "error creating device nodes: mknod /dev/{}",
                    node.name
                )))?,
            }
        }
        for (name, text) in LINKS {
            fs::symlink_at(text, dev, name)
                .map_err(failed(format!("symlink {text} /dev/{name}")))?;
        }
        Ok(())
    }

    fn bind_node(&self, dev: BorrowedFd<'_>, name: &str) -> Result<()> {
        let words = format!("error creating device nodes: bind /dev/{name}");
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let target =
            fs::open_at(dev, name, flags, 0o666).map_err(failed(&words))?;
        let host = Path::new("/dev").join(name);
        let how = How::one(Flags::default());
        self.bind(Source::Path(&host), target.as_fd(), how)
            .map_err(failed(&words))
    }

    /// Makes a terminal in the container's own devpts, which becomes the
    /// standard streams, the controlling terminal and `/dev/console`.
    pub(super) fn make_console(&mut self, rows: u16, cols: u16) -> Result<()> {
        let Some(pts) = &self.pts else {
            return Err(StartError::init("no devpts is mounted"));
        };
        let (master, slave) = open_terminal(pts.as_fd(), rows, cols)?;
        // A link there, in a /dev that is a volume, would choose what the
        // terminal hides (CVE-2025-52565).
        let path = Path::new("/dev/console");
        let console = match self.open_plain(path) {
            Err(error) if error.errno() == errno::ENOENT => {
                self.make_file(path).and_then(|_| self.open_plain(path))
            }
            other => other,
        };
        let console = console.map_err(failed(WORDS))?;
        let how = How::one(Flags::default());
        self.bind(Source::Fd(slave.as_fd()), console.as_fd(), how)
            .map_err(failed(WORDS))?;
        self.take_terminal(master, &slave)
    }

    /// Makes a terminal for a further program, in the devpts that the
    /// container has now; what else it may have put there is none.
    pub(super) fn make_terminal(&mut self, rows: u16, cols: u16) -> Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let pts = fs::open_at(
            fs::open_dir(Path::new("/dev")).map_err(failed(WORDS))?,
            "pts",
            flags,
            0,
        )
        .map_err(failed(WORDS))?;
        if fs::space(&pts).map_err(failed(WORDS))?.magic != DEVPTS_MAGIC {
            return Err(StartError::init(format!(
                "{WORDS}: /dev/pts holds no terminals"
            )));
        }
        let (master, slave) = open_terminal(pts.as_fd(), rows, cols)?;
        self.take_terminal(master, &slave)
    }

    /// Makes a terminal the standard streams and the controlling one.
    fn take_terminal(
        &mut self,
        master: OwnedFd,
        slave: &OwnedFd,
    ) -> Result<()> {
        for number in 0..3 {
            descriptors::place(slave, number).map_err(failed(WORDS))?;
        }
        process::control_terminal(slave).map_err(failed(WORDS))?;
        self.console = Some(master);
        Ok(())
    }
}

/// Opens a new terminal in a devpts: its master and its other end.
fn open_terminal(
    pts: BorrowedFd<'_>,
    rows: u16,
    cols: u16,
) -> Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let master = fs::open_at(pts, "ptmx", flags, 0).map_err(failed(WORDS))?;
    tty::unlock_master(master.as_fd()).map_err(failed(WORDS))?;
    let slave = process::terminal_peer(&master).map_err(failed(WORDS))?;
    // A size of nothing is that of a client that has none.
    if rows > 0 && cols > 0 {
        tty::set_window_size(&master, WindowSize { rows, cols })
            .map_err(failed(WORDS))?;
    }
    Ok((master, slave))
}
