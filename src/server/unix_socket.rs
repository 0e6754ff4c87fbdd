//! The life of a Unix socket's file.
//!
//! 1. What a dead daemon left is removed; a socket on which somebody
//!    answers, or a file that is no socket, never is.
//! 2. It is bound with mode 0: nobody can connect.
//! 3. It is given to its group, and only then opened to owner and group.
//! 4. It goes with the listener, if it is still the same file.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use crate::{sys, users};

use super::listen::Error;

/// The group that the socket belongs to if none is named.
pub const DEFAULT_GROUP: &str = "docker";

/// Binds a socket at `path` and gives it to `group`; an empty one leaves
/// it alone.
pub(super) fn bind(
    path: &Path,
    group: &str,
    backlog: i32,
) -> Result<(UnixListener, SocketFile), Error> {
    let failed = |e| Error::Bind(format!("unix://{}", path.display()), e);
    let gid = group_id(group, "/etc/group")?;
    remove_stale(path)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let listener = sys::socket::listen_unix_closed(path, backlog)
        .map_err(|e| failed(io::Error::from_raw_os_error(e.errno())))?;
    let file = SocketFile::of(path).map_err(failed)?;
    let open = fs::Permissions::from_mode(0o660);
    chown(path, None, gid)
        .and_then(|()| fs::set_permissions(path, open))
        .map_err(|e| {
            file.remove();
            failed(e)
        })?;
    Ok((listener, file))
}

/// Finds the group of the socket. A host without the default one keeps the
/// daemon's own group; any other missing group is an error.
fn group_id(group: &str, file: &str) -> Result<Option<u32>, Error> {
    if group.is_empty() {
        return Ok(None);
    }
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    match users::resolve(&format!("0:{group}"), "", &text) {
        Ok(found) => Ok(Some(found.gid)),
        Err(_) if group == DEFAULT_GROUP => {
            log::debug!("there is no group {group}; the socket is root's");
            Ok(None)
        }
        Err(_) => Err(Error::Group(group.to_string())),
    }
}

/// Takes away the socket of a daemon that is dead.
fn remove_stale(path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Error::NotASocket(path.to_path_buf()));
    }
    match sys::socket::is_answered_unix(path) {
        Ok(true) => Err(Error::InUse(path.to_path_buf())),
        Ok(false) => fs::remove_file(path)
            .map_err(|e| Error::Bind(format!("unix://{}", path.display()), e)),
        // It went in the meantime.
        Err(_) => Ok(()),
    }
}

/// The address of a socket that somebody else bound, as `-H` has it.
pub(super) fn shown(address: &SocketAddr) -> String {
    let name = address.as_abstract_name().map(String::from_utf8_lossy);
    match (address.as_pathname(), name) {
        (Some(path), _) => format!("unix://{}", path.display()),
        (None, Some(name)) => format!("unix://@{name}"),
        (None, None) => "unix://".to_string(),
    }
}

/// The file of a Unix socket, known by its inode.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let found = fs::symlink_metadata(path)?;
        let (device, inode) = (found.dev(), found.ino());
        Ok(SocketFile { path: path.to_path_buf(), device, inode })
    }

    /// Whether this file is what `path` leads to.
    pub fn is_at(&self, path: &Path) -> bool {
        SocketFile::of(path).is_ok_and(|found| {
            (found.device, found.inode) == (self.device, self.inode)
        })
    }

    /// Removes the file, unless it is another one by now.
    pub fn remove(&self) {
        if self.is_at(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::listen::{self, Host};

    fn socket_path(tag: &str) -> PathBuf {
        std::env::temp_dir()
            .join(format!("skiff-listen-{}-{tag}", std::process::id()))
    }

    fn unix(path: &Path) -> Host {
        Host::parse(&format!("unix://{}", path.display())).unwrap()
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_never() {
        let path = socket_path("stale");
        drop(UnixListener::bind(&path).unwrap());
        let live = listen::bind(&unix(&path), "").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = listen::bind(&unix(&path), "").unwrap_err();
        assert!(matches!(error, Error::InUse(_)), "{error}");
        let _client = sys::socket::connect_unix(&path).unwrap();
        drop(live);
        assert!(!path.exists());
    }

    #[test]
    fn a_daemon_with_a_full_backlog_is_alive() {
        let path = socket_path("full");
        let listener = UnixListener::bind(&path).unwrap();
        sys::socket::set_backlog(&listener, 0).unwrap();
        let _waits = sys::socket::connect_unix(&path).unwrap();
        let error = listen::bind(&unix(&path), "").unwrap_err();
        assert!(matches!(error, Error::InUse(_)), "{error}");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let path = socket_path("file");
        fs::write(&path, "precious").unwrap();
        let error = listen::bind(&unix(&path), "").unwrap_err();
        assert!(matches!(error, Error::NotASocket(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_listener_does_not_remove_the_socket_of_another() {
        let path = socket_path("other");
        let first = listen::bind(&unix(&path), "").unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen::bind(&unix(&path), "").unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn only_the_default_group_may_be_missing() {
        let file = socket_path("group");
        fs::write(&file, "root:x:0:\nstaff:x:50:\n").unwrap();
        let find = |group| group_id(group, file.to_str().unwrap());
        assert_eq!(find("staff").unwrap(), Some(50));
        assert_eq!(find("").unwrap(), None);
        assert_eq!(find("docker").unwrap(), None);
        assert!(matches!(find("nosuch"), Err(Error::Group(_))));
        fs::remove_file(&file).unwrap();
    }
}
