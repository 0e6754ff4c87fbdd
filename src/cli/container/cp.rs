//! `cp`.

use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::copying::{self, End, Landing};
use super::output;
use crate::archive::extract::{Into, extract_into};
use crate::archive::pack::{Form, Pack};
use crate::archive::{self, write};
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::client::Owner;
use crate::sys::{fs, session as process, tty};
use crate::units;

/// `cp`.
pub static COMMAND: Command = Command {
    paths: &["container cp", "cp"],
    usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\
            \t[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    about: "Copy files/folders between a container and the local filesystem",
    words: Words::Exactly(2),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    archive: bool,
    follow: bool,
    quiet: Option<bool>,
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "archive",
        "Archive mode (copy all uid/gid information)",
        |t: &mut Typed, on| t.archive = on,
    )
    .short('a'),
    Flag::switch(
        "follow-link",
        "Always follow symbol link in SRC_PATH",
        |t: &mut Typed, on| t.follow = on,
    )
    .short('L'),
    Flag::switch(
        "quiet",
        "Suppress progress output during copy. Progress\n\
         output is automatically suppressed if no terminal\n\
         is attached",
        |t: &mut Typed, on| t.quiet = Some(on),
    )
    .short('q'),
]];

/// Bits of Go's `os.FileMode` in what a daemon tells of a path.
const DIRECTORY: u32 = 1 << 31;
const LINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(75);

fn run(
    session: &mut Session,
    typed: Typed,
    words: Vec<String>,
) -> Result<i32, Error> {
    for (word, name) in words.iter().zip(["source", "destination"]) {
        if word.is_empty() {
            return Err(Error::text(format!("{name} can not be empty")));
        }
    }
    let (from, source) = copying::split_word(&words[0]);
    let (to, target) = copying::split_word(&words[1]);
    match (from, to) {
        ("", "") => {
            Err(Error::text("must specify at least one container source"))
        }
        (from, "") => copy_out(session, &typed, from, source, target),
        ("", to) => copy_in(session, &typed, source, to, target),
        _ => Err(Error::text("copying between containers is not supported")),
    }
}

/// From a container to the host.
fn copy_out(
    session: &mut Session,
    typed: &Typed,
    container: &str,
    source: &str,
    target: &str,
) -> Result<i32, Error> {
    let to_stdout = target == "-";
    let target = match to_stdout {
        true => target.to_owned(),
        false => copying::absolute(target)?,
    };
    if !to_stdout {
        output::check(&target)?;
    }
    let client = session.client()?;
    let (mut source, mut rename) = (source.to_owned(), String::new());
    if typed.follow
        && let Ok(stat) = client.stat_path(container, &source)
        && stat.mode & LINK != 0
    {
        let link = copying::follow(&source, &stat.link_target);
        (source, rename) = copying::renamed(&source, link);
    }
    let (mut stream, stat) = client.copy_out(container, &source)?;
    if to_stdout {
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        io::copy(&mut stream, &mut std::fs::File::from(out))?;
        return Ok(0);
    }
    let is_dir = stat.mode & DIRECTORY != 0;
    let source = End { path: source, exists: true, is_dir, rename };
    let Landing { directory, names } =
        copying::land(&source, &copying::target(&target)?)?;
    let into = Into {
        keeps_kinds: true,
        owner: Some((process::user_id(), process::group_id())),
        rename: Some((entry_name(names.0).into(), names.1.into())),
        ..Into::default()
    };
    let mut shown = Shown::new(typed, "Copying from container - ", &mut stream);
    let done = fs::open_dir(Path::new(&directory))
        .map_err(|e| Error::text(format!("{directory}: {}", e.reason())))
        .and_then(|root| {
            extract_into(&mut shown, root.as_fd(), into)
                .map_err(|error| Error::text(error.to_string()))
        });
    shown.finish(&target);
    done.map(|_| 0)
}

/// What the top of an archive is called: of the root nothing is there.
fn entry_name(name: String) -> String {
    if name == "/" { String::new() } else { name }
}

/// From the host to a container.
fn copy_in(
    session: &mut Session,
    typed: &Typed,
    source: &str,
    container: &str,
    target: &str,
) -> Result<i32, Error> {
    let source = match source {
        "-" => None,
        source => Some(copying::absolute(source)?),
    };
    let client = session.client()?;
    let mut end = End { path: target.to_owned(), ..End::default() };
    let mut stat = client.stat_path(container, target);
    if let Ok(link) = &stat
        && link.mode & LINK != 0
    {
        end.path = copying::follow(target, &link.link_target);
        stat = client.stat_path(container, &end.path);
    }
    // A target that cannot be looked at may still be made.
    if let Ok(stat) = stat {
        if stat.mode & DEVICE != 0 {
            return Err(Error::text(format!(
                "destination \"{container}:{target}\" must be a directory or \
                 a regular file: got a device"
            )));
        }
        end.exists = true;
        end.is_dir = stat.mode & DIRECTORY != 0;
    }
    let owner = match typed.archive {
        true => Owner::Archived,
        false => Owner::Root,
    };
    let Some(source) = source else {
        if !end.is_dir {
            return Err(Error::text(format!(
                "destination \"{container}:{target}\" must be a directory"
            )));
        }
        let tar = &mut io::stdin();
        client.copy_in(container, &end.path, owner, tar)?;
        return Ok(0);
    };
    let source = copying::source(&source, typed.follow)?;
    let landing = copying::land(&source, &end)?;
    let directory = landing.directory.clone();
    let mut packed = Packed::start(source, landing.names.1)?;
    let mut shown = Shown::new(typed, "Copying to container - ", &mut packed);
    let done = client.copy_in(container, &directory, owner, &mut shown);
    shown.finish(&format!("{container}:{}", end.path));
    // Why the archive ended early tells more than that it did.
    packed.result()?;
    done?;
    Ok(0)
}

/// A tar of files of the host, made while it is read.
struct Packed {
    pipe: Option<PipeReader>,
    thread: Option<JoinHandle<archive::Result<()>>>,
    failure: Option<archive::Error>,
}

impl Packed {
    fn start(source: End, name: String) -> Result<Packed, Error> {
        let (reader, writer) = io::pipe()?;
        let pack = move || pack(&source, &name, writer);
        let thread = std::thread::Builder::new().spawn(pack)?;
        let (pipe, thread) = (Some(reader), Some(thread));
        Ok(Packed { pipe, thread, failure: None })
    }

    /// Tells how the packing ended; who stopped to read has a reason.
    fn result(mut self) -> Result<(), Error> {
        self.pipe = None;
        self.join();
        match self.failure {
            None => Ok(()),
            Some(archive::Error::Read(_)) => Ok(()),
            Some(error) => Err(Error::text(error.to_string())),
        }
    }

    fn join(&mut self) {
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            self.failure = Some(error);
        }
    }
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        let count = pipe.read(buffer)?;
        if count == 0 {
            self.join();
            if self.failure.is_some() {
                // Half an archive must not look like a whole one.
                return Err(io::Error::other("the archive is not whole"));
            }
        }
        Ok(count)
    }
}

fn pack(source: &End, name: &str, out: PipeWriter) -> archive::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 << 10, out);
    let (above, base) = copying::split(&source.path);
    let (above, base) = match base.as_str() {
        "." | "/" => (above.as_str(), "."),
        base => (above.as_str(), base),
    };
    let file = |cause| archive::Error::File { name: base.into(), cause };
    let above = fs::open_dir(Path::new(above)).map_err(file)?;
    let above = above.as_fd();
    let mut pack = Pack::new(Form::Plain, &|_, _| false);
    if source.is_dir {
        let dir = fs::open_dir_at(above, base).map_err(file)?;
        let top = match name {
            "/" => "./".to_owned(),
            name => format!("{name}/"),
        };
        let top = top.as_bytes();
        let dir = dir.as_fd();
        pack.tree(dir, Some(top), top, &mut out)?;
    } else {
        pack.file(above, OsStr::new(base), name.as_bytes(), &mut out)?;
    }
    write::end(&mut out).map_err(archive::Error::Read)?;
    out.flush().map_err(archive::Error::Read)
}

/// Counts what is copied, and shows it on a terminal.
struct Shown<'a> {
    inner: &'a mut dyn Read,
    header: &'static str,
    is_quiet: bool,
    is_terminal: bool,
    bytes: u64,
    last: Option<Instant>,
}

impl<'a> Shown<'a> {
    fn new(
        typed: &Typed,
        header: &'static str,
        inner: &'a mut dyn Read,
    ) -> Shown<'a> {
        let is_terminal = tty::is_terminal(io::stderr());
        let is_quiet = typed.quiet.unwrap_or(!is_terminal);
        Shown { inner, header, is_quiet, is_terminal, bytes: 0, last: None }
    }

    fn size(&self) -> String {
        units::human_size_with(self.bytes, 3)
    }

    /// Says how much was copied, and where to.
    fn finish(self, target: &str) {
        if self.is_quiet {
            return;
        }
        let back = if self.last.is_some() { "\r\x1b[2K" } else { "" };
        let size = self.size();
        // Nobody is left to be told about a failure to tell.
        let _ = writeln!(
            io::stderr(),
            "{back}Successfully copied {size} to {target}"
        );
    }
}

impl Read for Shown<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        let is_due = self.last.is_none_or(|last| last.elapsed() >= TICK);
        if self.is_terminal && !self.is_quiet && is_due {
            self.last = Some(Instant::now());
            let (header, size) = (self.header, self.size());
            write!(io::stderr(), "\r\x1b[2K{header}{size}")?;
        }
        Ok(count)
    }
}
