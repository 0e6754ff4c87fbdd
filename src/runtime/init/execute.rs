//! Finding the program in the container and becoming it.

use std::ffi::{CStr, CString};
use std::io::Write;

use crate::runtime::error::{Result, StartError};
use crate::sys::{self, errno, process};

/// A program, ready to be executed.
#[derive(Debug)]
pub(super) struct Program {
    /// The file.
    pub path: CString,
    /// Its arguments, the first being its name as typed.
    pub args: Vec<CString>,
    /// Its environment.
    pub env: Vec<CString>,
}

impl Program {
    /// Becomes the program. If that fails, says so on standard error, as
    /// the caller has been told that it runs, and returns the exit code.
    pub(super) fn execute(&self) -> i32 {
        let error = process::execve(&self.path, &self.args, &self.env);
        let shown = self.path.to_string_lossy();
        let text = format!("exec {shown}: {}\n", error.reason());
        // There is nobody else to tell.
        let _ = std::io::stderr().write_all(text.as_bytes());
        255
    }
}

/// Finds the file of a program by the PATH of its environment, as the user
/// that it will run as.
pub(super) fn find(args: &[CString], env: &[CString]) -> Result<CString> {
    let name = args.first().map(|name| name.as_bytes()).unwrap_or_default();
    let shown = String::from_utf8_lossy(name).into_owned();
    let wrong = |detail: &str| {
        Err(StartError::create(&format!("exec: {shown:?}: {detail}")))
    };
    if name.contains(&b'/') {
        let path = CString::new(name).unwrap_or_default();
        return match check(&path) {
            Ok(()) => Ok(path),
            Err(Refusal::Missing(error)) => {
                wrong(&format!("stat {shown}: {}", error.reason()))
            }
            Err(Refusal::NotExecutable) => wrong("permission denied"),
        };
    }
    let dirs = env
        .iter()
        .rev()
        .find_map(|text| text.to_bytes().strip_prefix(b"PATH="))
        .unwrap_or_default();
    if name.is_empty() {
        return wrong("executable file not found in $PATH");
    }
    for dir in dirs.split(|byte| *byte == b':') {
        // An empty one is the working directory.
        let dir = if dir.is_empty() { b".".as_slice() } else { dir };
        let path = [dir, b"/", name].concat();
        let Ok(path) = CString::new(path) else { continue };
        if check(&path).is_err() {
            continue;
        }
        return match dir.first() {
            Some(b'/') => Ok(path),
            _ => wrong(
                "cannot run executable found relative to current directory",
            ),
        };
    }
    wrong("executable file not found in $PATH")
}

/// Why a file is not taken.
enum Refusal {
    Missing(sys::Error),
    NotExecutable,
}

fn check(path: &CStr) -> std::result::Result<(), Refusal> {
    use std::os::unix::ffi::OsStrExt;
    let file =
        std::path::Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
    match std::fs::metadata(file) {
        Err(e) => {
            let error = sys::Error::from_io("stat", &e);
            match error.errno() {
                errno::EACCES => Err(Refusal::NotExecutable),
                _ => Err(Refusal::Missing(error)),
            }
        }
        Ok(data) if data.is_dir() => Err(Refusal::NotExecutable),
        Ok(_) => match process::may_execute(path) {
            Ok(()) => Ok(()),
            Err(_) => Err(Refusal::NotExecutable),
        },
    }
}

/// Makes a C string; none of a text with a NUL in it.
pub(super) fn c_string(text: &str) -> Option<CString> {
    CString::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::error::StartErrorKind;

    fn c(list: &[&str]) -> Vec<CString> {
        list.iter().map(|text| c_string(text).unwrap()).collect()
    }

    fn search(name: &str, env: &[&str]) -> Result<CString> {
        find(&c(&[name]), &c(env))
    }

    #[test]
    fn programs_are_found_by_path() {
        let found = search("sh", &["PATH=/nonexistent:/bin"]).unwrap();
        assert_eq!(found.to_bytes(), b"/bin/sh");
        assert_eq!(search("/bin/sh", &[]).unwrap().to_bytes(), b"/bin/sh");
    }

    #[test]
    fn what_is_not_found_is_told_in_the_engines_words() {
        let told = |name, env: &[&str]| {
            let error = search(name, env).unwrap_err();
            let at = error.message.find("exec: ").unwrap();
            (error.kind, error.message[at..].to_string())
        };
        let path = ["PATH=/bin"];
        assert_eq!(
            told("nosuch", &path),
            (
                StartErrorKind::NotFound,
                "exec: \"nosuch\": executable file not found in $PATH: \
                 unknown"
                    .to_string()
            )
        );
        assert_eq!(
            told("/no/such", &path).1,
            "exec: \"/no/such\": stat /no/such: no such file or directory: \
             unknown"
        );
        assert_eq!(
            told("/etc", &path),
            (
                StartErrorKind::NotExecutable,
                "exec: \"/etc\": permission denied: unknown".to_string()
            )
        );
        assert_eq!(told("sh", &[]).0, StartErrorKind::NotFound);
    }
}
