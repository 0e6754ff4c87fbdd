//! `create`, and the making of a container for `run`.

use std::io::Write;
use std::path::Path;

use super::settings::{self, SHARED, Settings};
use crate::api::container::CreateRequest;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Order, Table};
use crate::cli::image::pull::{self, Quiet};
use crate::cli::session::Session;
use crate::oci::reference::{self, Reference};

/// `create`.
pub static COMMAND: Command = Command {
    paths: &["container create", "create"],
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    about: "Create a new container",
    words: Words::AtLeast(1),
    order: Order::FlagsFirst,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<Settings> =
    &[SHARED[0], SHARED[1], SHARED[2], SHARED[3], SHARED[4]];

fn run(
    session: &mut Session,
    typed: Settings,
    words: Vec<String>,
) -> Result<i32, Error> {
    let hinted = |session: &Session, text: String| Error::Hinted {
        text,
        program: session.program.clone(),
        command: "create",
        status: 125,
    };
    check_pull(&typed.pull).map_err(|text| hinted(session, text))?;
    let wish = Wish::of(&typed);
    let request =
        settings::build(typed, &words).map_err(|text| hinted(session, text))?;
    let id = create(session, request, &wish)?;
    session.print_line(&id)?;
    Ok(0)
}

/// What is needed besides the request.
pub struct Wish {
    name: String,
    platform: String,
    pull: String,
    quiet: bool,
    cidfile: String,
    /// Flags that need a daemon of some version, and that version.
    needs: Vec<(&'static str, &'static str)>,
}

impl Wish {
    /// Takes it from what was typed.
    pub fn of(typed: &Settings) -> Wish {
        Wish {
            name: typed.name.clone(),
            platform: typed.platform.clone(),
            pull: typed.pull.clone(),
            quiet: typed.quiet,
            cidfile: typed.host.container_id_file.clone(),
            needs: typed.needs(),
        }
    }

    /// Checks that the daemon knows all flags in use.
    pub fn check_needs(&self, session: &mut Session) -> Result<(), Error> {
        for (flag, needed) in &self.needs {
            let client = session.client()?;
            if !client.speaks(needed)? {
                return Err(Error::text(format!(
                    "\"{flag}\" requires API version {needed}, but the Docker \
                 daemon API version is {}",
                    client.version()?
                )));
            }
        }
        Ok(())
    }
}

/// Checks `--pull`.
pub fn check_pull(word: &str) -> Result<(), String> {
    match word {
        "" | "always" | "missing" | "never" => Ok(()),
        word => Err(format!(
            "invalid pull option: '{word}': must be one of \"always\", \
             \"missing\" or \"never\""
        )),
    }
}

/// Creates a container; its image is pulled first if it is missing and may
/// be pulled. Returns the container's id.
pub fn create(
    session: &mut Session,
    mut request: CreateRequest,
    wish: &Wish,
) -> Result<String, Error> {
    let mut id_file = IdFile::open(&wish.cidfile)?;
    for server in request.host_config.dns.iter().flatten() {
        if server.starts_with("127.") || server == "::1" {
            session.warn(&format!(
                "WARNING: Localhost DNS ({server}) may fail in containers."
            ));
        }
    }
    let image = match Reference::parse(&request.config.image) {
        Ok(image) => Some(image.or_latest()),
        // An id, or the beginning of one: never pulled.
        Err(reference::Error::Identifier(_)) => None,
        Err(error) => return Err(Error::text(error.to_string())),
    };
    if session.client()?.speaks("1.44")? {
        request.config.mac_address.clear();
    }
    let quiet = if wish.quiet { Quiet::Yes } else { Quiet::No };
    if wish.pull == "always"
        && let Some(image) = &image
    {
        pull::pull(session, image, &wish.platform, quiet)?;
    }
    let client = session.client()?;
    let mut created = client.create(&request, &wish.name, &wish.platform);
    if let (Err(error), Some(image)) = (&created, &image)
        && error.is_not_found()
        && matches!(wish.pull.as_str(), "" | "missing")
    {
        if !wish.quiet {
            session.warn(&format!(
                "Unable to find image '{}' locally",
                image.familiar()
            ));
        }
        pull::pull(session, image, &wish.platform, quiet)?;
        let client = session.client()?;
        created = client.create(&request, &wish.name, &wish.platform);
    }
    let created = created?;
    for warning in &created.warnings {
        session.warn(&format!("WARNING: {warning}"));
    }
    id_file.write(&created.id)?;
    Ok(created.id)
}

/// `--cidfile`: made before the container, removed again if there is none.
struct IdFile {
    path: String,
    file: Option<std::fs::File>,
}

impl IdFile {
    fn open(path: &str) -> Result<IdFile, Error> {
        if path.is_empty() {
            return Ok(IdFile { path: String::new(), file: None });
        }
        if Path::new(path).exists() {
            return Err(Error::text(format!(
                "container ID file found, make sure the other container \
                 isn't running or delete {path}"
            )));
        }
        let file = std::fs::File::create(path).map_err(|error| {
            Error::text(format!(
                "failed to create the container ID file: {error}"
            ))
        })?;
        Ok(IdFile { path: path.to_owned(), file: Some(file) })
    }

    fn write(&mut self, id: &str) -> Result<(), Error> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        file.write_all(id.as_bytes()).map_err(|error| {
            Error::text(format!(
                "failed to write the container ID ({id}) to file: {error}"
            ))
        })
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // It is ours and empty; a failure leaves an empty file.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
