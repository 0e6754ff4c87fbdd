//! `/containers/{id}/archive`, and `/copy` for old clients.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Container;
use super::filesystem::Intent;
use crate::api::files::PathStat;
use crate::archive::lookup::{self, Found};
use crate::archive::pack::{Form, Pack};
use crate::archive::{self, Into, extract_into, write};
use crate::engine::{Engine, Error, Result};
use crate::time::Timestamp;
use crate::users;

/// The longest passwd or group file that is read.
const LONGEST_USER_FILE: u64 = 8 << 20;

/// How files are put into a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// A directory stays one, and what is none stays none.
    pub keeps_kinds: bool,
    /// The container's user owns what is made.
    pub to_user: bool,
}

/// What an archive is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// What the path names.
    Included,
    /// Of a directory, what is in it.
    LeftOut,
}

impl Engine {
    /// Tells what stands at a path of a container.
    pub fn stat_path(&self, name: &str, path: &str) -> Result<PathStat> {
        let container = self.container(name)?;
        self.with_root(&container, Intent::Read, |root| {
            let found = look_up(root, name, path)?;
            Ok(described(&found))
        })
    }

    /// Writes what stands at a path as a tar. `begin` is told what that is
    /// before the first byte, and gives the writer.
    pub fn get_archive<W: Write, E: From<Error> + Send>(
        &self,
        name: &str,
        path: &str,
        top: Top,
        begin: impl FnOnce(&PathStat) -> std::result::Result<W, E> + Send,
    ) -> std::result::Result<(), E> {
        let container = self.container(name)?;
        self.with_root(&container, Intent::Read, |root| {
            let found = look_up(root, name, path)?;
            let record = &container.snapshot().record;
            self.container_event(record, "archive-path", &[]);
            Ok(begin(&described(&found)).and_then(|mut out| {
                let failed = |e| Error::internal("archive", e);
                send(&found, top, &mut out).map_err(failed)?;
                Ok(())
            }))
        })?
    }

    /// Unpacks a tar (plain or compressed) into a directory of a container.
    pub fn put_archive(
        &self,
        name: &str,
        path: &str,
        options: PutOptions,
        body: &mut (dyn Read + Send),
    ) -> Result<()> {
        let container = self.container(name)?;
        let operation = container.operate();
        let snapshot = container.snapshot();
        let record = &snapshot.record;
        // One that runs is not held up by a slow client.
        let operation = (!snapshot.life.has_process()).then_some(operation);
        self.with_root(&container, Intent::Write, |root| {
            let text = absolute(path);
            let prefix = lookup::directory(root, text.as_bytes());
            let prefix = prefix.map_err(|error| match error.errno() {
                NOT_DIR => {
                    Error::Invalid("extraction point is not a directory".into())
                }
                _ => missing(error, name, path),
            })?;
            check_writable(&container, &prefix)?;
            let owner = match options.to_user {
                true => Some(owner(root, &record.config.user)?),
                false => None,
            };
            let keeps_kinds = options.keeps_kinds;
            let into = Into { prefix, keeps_kinds, owner, rename: None };
            let plain = archive::decompress(body).map_err(refused)?;
            extract_into(plain, root, into).map_err(refused).map(drop)
        })?;
        drop(operation);
        self.container_event(record, "extract-to-dir", &[]);
        Ok(())
    }
}

const NOT_DIR: i32 = 20;
const IS_DIR: i32 = 21;
const NO_SPACE: i32 = 28;
const READ_ONLY: i32 = 30;

/// Docker takes a path without a slash in front from the root.
fn absolute(path: &str) -> String {
    match path.starts_with('/') {
        true => path.into(),
        false => format!("/{path}"),
    }
}

fn look_up(root: BorrowedFd<'_>, name: &str, path: &str) -> Result<Found> {
    let text = absolute(path);
    lookup::find(root, text.as_bytes())
        .map_err(|error| missing(error, name, path))
}

fn missing(error: impl std::fmt::Display, name: &str, path: &str) -> Error {
    log::debug!("container {name}: {path}: {error}");
    Error::NotFound(format!(
        "Could not find the file {path} in container {name}"
    ))
}

fn described(found: &Found) -> PathStat {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (seconds, nanos) = found.stat.mtime;
    PathStat {
        name: text(&found.name),
        size: i64::try_from(found.stat.size).unwrap_or(i64::MAX),
        mode: lookup::go_mode(&found.stat),
        mtime: Timestamp::from_unix(seconds, nanos).to_string(),
        link_target: text(&found.target),
    }
}

fn send(found: &Found, top: Top, out: &mut dyn Write) -> archive::Result<()> {
    let nothing = |_: &[u8], _: &_| false;
    let mut pack = Pack::new(Form::Plain, &nothing);
    match &found.base {
        Some(base) => {
            let base = OsStr::from_bytes(base);
            pack.file(found.dir.as_fd(), base, &found.name, out)?;
        }
        None => {
            let prefix = match (top, found.name.as_slice()) {
                (Top::LeftOut, _) => Vec::new(),
                (_, b"/") => b"/".to_vec(),
                (_, name) => [name, b"/"].concat(),
            };
            let shown = (top == Top::Included).then_some(prefix.as_slice());
            pack.tree(found.dir.as_fd(), shown, &prefix, out)?;
        }
    }
    write::end(out).and_then(|()| out.flush()).map_err(archive::Error::Read)
}

/// Refuses to write where the container itself may not.
fn check_writable(container: &Container, prefix: &[u8]) -> Result<()> {
    let snapshot = container.snapshot();
    let record = &snapshot.record;
    let full = [b"/", prefix].concat();
    let place = Path::new(OsStr::from_bytes(&full));
    let mounts = record.mounts.iter();
    let within = mounts.filter(|m| place.starts_with(&m.destination));
    match within.max_by_key(|m| m.destination.len()) {
        Some(mount) if !mount.rw => {
            Err(Error::Forbidden("mounted volume is marked read-only".into()))
        }
        None if record.host_config.readonly_rootfs => {
            Err(Error::Forbidden("container rootfs is marked read-only".into()))
        }
        _ => Ok(()),
    }
}

/// Looks up whom the container's files belong to.
fn owner(root: BorrowedFd<'_>, user: &str) -> Result<(u32, u32)> {
    let read = |path: &str| {
        archive::lookup::read(root, path.as_bytes(), LONGEST_USER_FILE)
    };
    let found = users::resolve(user, &read("etc/passwd"), &read("etc/group"));
    let found = found.map_err(|e| Error::Internal(e.to_string()))?;
    Ok((found.uid, found.gid))
}

/// Tells what is wrong with an archive; what is wrong with the host is told
/// as that.
fn refused(error: archive::Error) -> Error {
    let text = match &error {
        archive::Error::File { name, cause } if cause.call() == "overwrite" => {
            match cause.errno() {
                IS_DIR => format!(
                    "cannot overwrite directory {name:?} with non-directory"
                ),
                _ => format!(
                    "cannot overwrite non-directory {name:?} with directory"
                ),
            }
        }
        _ => error.to_string(),
    };
    match error.errno() {
        Some(NO_SPACE) => Error::Internal(text),
        Some(READ_ONLY) => Error::Forbidden(text),
        _ => Error::Invalid(text),
    }
}
