//! Files that commands write to.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::cli::error::Error;

/// What an error of the system is called, without its number.
pub fn reason(error: &std::io::Error) -> String {
    let code = error.raw_os_error().unwrap_or_default();
    crate::sys::Error::new("", code).reason()
}

/// Refuses a path that nothing can be written to.
pub fn check(path: &str) -> Result<(), Error> {
    let trimmed = path.trim_end_matches('/');
    let above = trimmed.rsplit_once('/').map_or("", |(above, _)| above);
    if !above.is_empty() && is_missing(Path::new(above)) {
        return Err(Error::text(format!(
            "invalid output path: directory {above:?} does not exist"
        )));
    }
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(Error::text(format!("stat {path}: {}", reason(&error))))
        }
        Ok(data) if is_device(&data) => Err(Error::text(format!(
            "invalid output path: {path:?} must be a directory or a regular \
             file: got a device"
        ))),
        Ok(_) => Ok(()),
    }
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn is_device(data: &fs::Metadata) -> bool {
    let kind = data.file_type();
    kind.is_char_device() || kind.is_block_device()
}
