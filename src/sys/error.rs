//! The error of a system call, printed as strace prints it.

use std::fmt;

/// A failed system call: what was called, and the `errno` it gave.
///
/// Prints like strace: `mount("proc", "/proc", …): EPERM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    call: String,
    errno: i32,
}

/// The result of a system call.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error from the text of a call and an `errno`.
    pub fn new(call: impl Into<String>, errno: i32) -> Error {
        Error { call: call.into(), errno }
    }

    /// Makes an error from the calling thread's current `errno`.
    pub fn last(call: impl Into<String>) -> Error {
        let errno = std::io::Error::last_os_error();
        Error::new(call, errno.raw_os_error().unwrap_or(libc::EIO))
    }

    /// Makes an error from rustix's `Errno`.
    pub fn from_rustix(
        call: impl Into<String>,
        errno: rustix::io::Errno,
    ) -> Error {
        Error::new(call, errno.raw_os_error())
    }

    /// Makes an error from a failed std call; one without a number is EIO.
    pub fn from_io(call: impl Into<String>, error: &std::io::Error) -> Error {
        Error::new(call, error.raw_os_error().unwrap_or(libc::EIO))
    }

    /// Returns the error number (`errno(3)`).
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// Whether it says that the kernel, or a filter around this process,
    /// does not know the call or a flag of it.
    pub fn is_missing_call(&self) -> bool {
        matches!(self.errno, libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP)
    }

    /// Returns the text of the call.
    pub fn call(&self) -> &str {
        &self.call
    }

    /// Returns the kernel's words for the number, as Go's `syscall.Errno`
    /// prints them (lower case: `no such file or directory`), because
    /// Docker's error texts carry them.
    pub fn reason(&self) -> String {
        let text = std::io::Error::from_raw_os_error(self.errno).to_string();
        let text = text.split(" (os error").next().unwrap_or("").to_string();
        let mut chars = text.chars();
        match chars.next() {
            Some(first) => first.to_lowercase().chain(chars).collect(),
            None => format!("errno {}", self.errno),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = rustix::io::Errno::from_raw_os_error(self.errno);
        match name_of(self.errno) {
            Some(known) => write!(f, "{}: {known}", self.call),
            None => write!(f, "{}: {name}", self.call),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        let kind = std::io::Error::from_raw_os_error(error.errno).kind();
        std::io::Error::new(kind, error)
    }
}

/// The names of the numbers that this program meets.
fn name_of(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EINTR => "EINTR",
        libc::EIO => "EIO",
        libc::ENXIO => "ENXIO",
        libc::E2BIG => "E2BIG",
        libc::ENOEXEC => "ENOEXEC",
        libc::EBADF => "EBADF",
        libc::ECHILD => "ECHILD",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EXDEV => "EXDEV",
        libc::ENODEV => "ENODEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::EISDIR => "EISDIR",
        libc::EINVAL => "EINVAL",
        libc::ENFILE => "ENFILE",
        libc::EMFILE => "EMFILE",
        libc::ENOTTY => "ENOTTY",
        libc::ETXTBSY => "ETXTBSY",
        libc::EFBIG => "EFBIG",
        libc::ENOSPC => "ENOSPC",
        libc::ESPIPE => "ESPIPE",
        libc::EROFS => "EROFS",
        libc::EMLINK => "EMLINK",
        libc::EPIPE => "EPIPE",
        libc::ERANGE => "ERANGE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTEMPTY => "ENOTEMPTY",
        libc::ELOOP => "ELOOP",
        libc::ENODATA => "ENODATA",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ECONNRESET => "ECONNRESET",
        libc::ENOTCONN => "ENOTCONN",
        libc::ETIMEDOUT => "ETIMEDOUT",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::EHOSTUNREACH => "EHOSTUNREACH",
        libc::ESTALE => "ESTALE",
        libc::EDQUOT => "EDQUOT",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_like_strace() {
        let error = Error::new("mount(\"proc\", \"/proc\", …)", libc::EPERM);
        assert_eq!(error.to_string(), "mount(\"proc\", \"/proc\", …): EPERM");
    }

    #[test]
    fn the_reason_is_in_gos_words() {
        let error = Error::new("open", libc::ENOENT);
        assert_eq!(error.reason(), "no such file or directory");
        assert_eq!(
            Error::new("exec", libc::EACCES).reason(),
            "permission denied"
        );
    }
}
