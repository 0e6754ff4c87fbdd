//! Processes: clone3(2) into new namespaces, exec, wait, pidfds, and what
//! a fresh process sets up of itself.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{Error, Result};

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Kinds of namespaces, combined with `|` (clone(2) `CLONE_NEW…`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(u32);

impl Namespaces {
    /// Mounts.
    pub const MOUNT: Namespaces = Namespaces(0x0002_0000);
    /// The view of the cgroup trees.
    pub const CGROUP: Namespaces = Namespaces(0x0200_0000);
    /// Host and domain name.
    pub const UTS: Namespaces = Namespaces(0x0400_0000);
    /// System V ipc and message queues.
    pub const IPC: Namespaces = Namespaces(0x0800_0000);
    /// Processes.
    pub const PID: Namespaces = Namespaces(0x2000_0000);
    /// Network.
    pub const NETWORK: Namespaces = Namespaces(0x4000_0000);

    /// Whether all of `other` is in it.
    pub fn has(self, other: Namespaces) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Namespaces {
    type Output = Namespaces;

    fn bitor(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 | other.0)
    }
}

/// Which of the two processes goes on after a clone.
#[derive(Debug)]
pub enum Side {
    /// The caller.
    Parent(Child),
    /// The new process.
    Child,
}

/// A new child.
#[derive(Debug)]
pub struct Child {
    /// Its process id, in the caller's pid namespace.
    pub pid: i32,
    /// Refers to it, whatever becomes of the id; none before Linux 5.3.
    pub pidfd: Option<OwnedFd>,
}

/// Clones the calling process, which must have one thread, into new
/// namespaces, and (5.7) into the cgroup of an open directory. The new
/// process goes on with a copy of all memory, as after fork(2). ENOSYS
/// before 5.3.
pub fn clone3(
    namespaces: Namespaces,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<Side> {
    let mut pidfd: RawFd = -1;
    let mut flags = u64::from(namespaces.0) | CLONE_PIDFD;
    if cgroup.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    // struct clone_args of 5.7, all numbers.
    let args: [u64; 11] = [
        flags,
        (&raw mut pidfd) as u64,
        0,
        0,
        libc::SIGCHLD as u64,
        0,
        0,
        0,
        0,
        0,
        cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    ];
    let size = if cgroup.is_some() { 88 } else { 64 };
    // SAFETY: `args` is a valid struct clone_args of which `size` bytes are
    // read; without CLONE_VM the child has its own memory and stack.
    let rc = unsafe { libc::syscall(libc::SYS_clone3, args.as_ptr(), size) };
    match rc {
        -1 => Err(Error::last(format!("clone3({flags:#x})"))),
        0 => Ok(Side::Child),
        pid => {
            // SAFETY: the kernel has put a new descriptor there.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent(Child { pid: pid as i32, pidfd: Some(pidfd) }))
        }
    }
}

/// As [`clone3`] with clone(2), for old kernels: no cgroup, and the pidfd
/// only where pidfd_open(2) exists.
pub fn clone(namespaces: Namespaces) -> Result<Side> {
    let flags = u64::from(namespaces.0) | libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM and with a null stack this is fork(2).
    let rc = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match rc {
        -1 => Err(Error::last(format!("clone({flags:#x})"))),
        0 => Ok(Side::Child),
        pid => {
            let pid = pid as i32;
            Ok(Side::Parent(Child { pid, pidfd: pidfd_open(pid).ok() }))
        }
    }
}

/// Opens a descriptor that refers to a process (5.3). The process must be
/// known to live, or the id may be another's.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: plain numbers.
    let rc = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if rc < 0 {
        return Err(Error::last(format!("pidfd_open({pid})")));
    }
    // SAFETY: the call has returned a new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(rc as RawFd) })
}

/// Sends a signal through a pidfd; ESRCH once the process is reaped.
pub fn pidfd_signal(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: a null siginfo is what kill(2) would send.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    check(rc, || format!("pidfd_send_signal(…, {signal})"))
}

/// Sends a signal to a process (kill(2)).
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: plain numbers.
    let rc = unsafe { libc::kill(pid, signal) };
    check(rc.into(), || format!("kill({pid}, {signal})"))
}

/// Waits for a child (`-1`: any) to end; returns its id and wait status.
/// A signal does not end the wait.
pub fn wait(pid: i32) -> Result<(i32, i32)> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid for writing.
        let rc = unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
        if rc >= 0 {
            return Ok((rc, status));
        }
        let error = Error::last(format!("wait4({pid})"));
        if error.errno() != libc::EINTR {
            return Err(error);
        }
    }
}

/// Reaps a child (`-1`: any) that has ended; none if none has.
pub fn try_wait(pid: i32) -> Result<Option<(i32, i32)>> {
    let mut status = 0;
    let flags = libc::WNOHANG | libc::__WALL;
    // SAFETY: `status` is valid for writing.
    let rc = unsafe { libc::waitpid(pid, &mut status, flags) };
    match rc {
        0 => Ok(None),
        -1 => Err(Error::last(format!("wait4({pid}, WNOHANG)"))),
        pid => Ok(Some((pid, status))),
    }
}

/// Moves the calling process into the namespace that `fd` refers to; for a
/// pid namespace, its later children.
pub fn enter_namespace(fd: impl AsFd, kind: Namespaces) -> Result<()> {
    // SAFETY: plain numbers.
    let rc =
        unsafe { libc::setns(fd.as_fd().as_raw_fd(), kind.0 as libc::c_int) };
    check(rc.into(), || format!("setns(…, {:#x})", kind.0))
}

/// Moves the calling process into new namespaces.
pub fn unshare(kinds: Namespaces) -> Result<()> {
    // SAFETY: plain number; no memory is shared or unshared by it.
    let rc = unsafe { libc::unshare(kinds.0 as libc::c_int) };
    check(rc.into(), || format!("unshare({:#x})", kinds.0))
}

/// Becomes another program; returns only on failure.
pub fn execve(path: &CStr, args: &[CString], env: &[CString]) -> Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        let end = std::iter::once(std::ptr::null());
        list.iter().map(|text| text.as_ptr()).chain(end).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both are arrays of NUL-terminated strings that end with null.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    Error::last(format!("execve({path:?}, …)"))
}

/// Ends the process at once: nothing is flushed, no destructor runs.
pub fn exit(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

/// Becomes the leader of a new session (setsid(2)).
pub fn new_session() -> Result<()> {
    // SAFETY: no arguments.
    let rc = unsafe { libc::setsid() };
    check(rc.into(), || "setsid()".to_string())
}

/// Makes a terminal the controlling one of this session leader.
pub fn control_terminal(fd: impl AsFd) -> Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the argument is a plain number.
    let rc = unsafe { libc::ioctl(fd, libc::TIOCSCTTY, 0) };
    check(rc.into(), || "ioctl(…, TIOCSCTTY)".to_string())
}

/// Opens the other end of an unlocked pseudo terminal master, wherever its
/// devpts is mounted (`TIOCGPTPEER`, 4.13).
pub fn terminal_peer(master: impl AsFd) -> Result<OwnedFd> {
    let fd = master.as_fd().as_raw_fd();
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the argument is a plain number.
    let rc = unsafe { libc::ioctl(fd, libc::TIOCGPTPEER, flags) };
    check(rc.into(), || "ioctl(…, TIOCGPTPEER)".to_string())?;
    // SAFETY: the call has returned a new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(rc) })
}

/// The number of a pseudo terminal in its devpts (`TIOCGPTN`).
pub fn terminal_number(master: impl AsFd) -> Result<u32> {
    let mut number: libc::c_uint = 0;
    let fd = master.as_fd().as_raw_fd();
    // SAFETY: `number` is valid for writing.
    let rc = unsafe { libc::ioctl(fd, libc::TIOCGPTN, &raw mut number) };
    check(rc.into(), || "ioctl(…, TIOCGPTN)".to_string())?;
    Ok(number)
}

/// Empties the signal mask and gives each signal its default disposition.
pub fn reset_signals() {
    for number in 1..=64 {
        if number == libc::SIGKILL || number == libc::SIGSTOP {
            continue;
        }
        // The kernel's own call: glibc keeps two numbers for itself.
        let action = [0u64; 4];
        // SAFETY: all zero is a kernel sigaction with SIG_DFL.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                action.as_ptr(),
                std::ptr::null_mut::<u64>(),
                8,
            )
        };
    }
    set_signal_mask(0);
}

/// Sets the signal mask, a bit for each signal (bit 0 is signal 1).
pub fn set_signal_mask(mask: u64) {
    // SAFETY: `mask` is a kernel sigset of 8 bytes.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            std::ptr::null_mut::<u64>(),
            8,
        )
    };
}

/// Waits for a blocked signal of `mask` and takes it.
pub fn wait_signal(mask: u64) -> Result<i32> {
    loop {
        // SAFETY: `mask` is a kernel sigset of 8 bytes; no info, no limit.
        let rc = unsafe {
            libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const mask,
                std::ptr::null_mut::<libc::siginfo_t>(),
                std::ptr::null::<libc::timespec>(),
                8,
            )
        };
        if rc > 0 {
            return Ok(rc as i32);
        }
        let error = Error::last("rt_sigtimedwait(…)");
        if error.errno() != libc::EINTR {
            return Err(error);
        }
    }
}

/// Changes the working directory to an open directory.
pub fn change_dir(fd: impl AsFd) -> Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: plain number.
    check(unsafe { libc::fchdir(fd) }.into(), || "fchdir(…)".to_string())
}

/// Sets the file mode creation mask.
pub fn set_umask(mask: u32) {
    // SAFETY: cannot fail.
    unsafe { libc::umask(mask as libc::mode_t) };
}

/// Asks for a signal when the parent thread ends; 0 for none. Lost at each
/// change of credentials.
pub fn set_parent_death_signal(signal: i32) -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, signal as u64, "PR_SET_PDEATHSIG")
}

/// Forbids other processes without CAP_SYS_PTRACE to look into this one,
/// until it execs.
pub fn forbid_dump() -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE, 0")
}

/// Becomes the parent of orphans among its descendants
/// (`PR_SET_CHILD_SUBREAPER`).
pub fn adopt_orphans() -> Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER, 1")
}

/// Leaves orphans to the init again.
pub fn leave_orphans() -> Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 0, "PR_SET_CHILD_SUBREAPER, 0")
}

/// Becomes the leader of a new process group (setpgid(2)).
pub fn new_group() -> Result<()> {
    // SAFETY: plain numbers.
    let rc = unsafe { libc::setpgid(0, 0) };
    check(rc.into(), || "setpgid(0, 0)".to_string())
}

/// Makes the caller's group the foreground one of the terminal at the
/// descriptor `fd` (tcsetpgrp(3)). SIGTTOU must be blocked.
pub fn foreground(fd: RawFd) -> Result<()> {
    // SAFETY: plain numbers.
    let rc = unsafe { libc::tcsetpgrp(fd, libc::getpgrp()) };
    check(rc.into(), || format!("tcsetpgrp({fd})"))
}

/// Sets the name that ps shows (at most 15 bytes).
pub fn set_name(name: &CStr) -> Result<()> {
    prctl(libc::PR_SET_NAME, name.as_ptr() as u64, "PR_SET_NAME")
}

/// Overwrites the command line that ps shows. The arguments and the
/// environment that this process was started with are gone then: neither
/// must be read any more, and there must be one thread only.
pub fn set_command_line(text: &[u8]) -> Result<()> {
    let path = "/proc/self/stat";
    let stat = std::fs::read_to_string(path)
        .map_err(|e| Error::from_io(format!("open({path:?})"), &e))?;
    // Behind the name, which ends with the last parenthesis, field 3
    // stands first; 48 to 51 are the bounds of arguments and environment.
    let fields = stat.rsplit(") ").next().unwrap_or("");
    let bound = |field: usize| -> usize {
        let word = fields.split(' ').nth(field - 3);
        word.and_then(|word| word.trim().parse().ok()).unwrap_or(0)
    };
    let (start, args_end) = (bound(48), bound(49));
    let (env_start, env_end) = (bound(50), bound(51));
    if start == 0 || args_end < start {
        return Err(Error::new("command line", libc::EINVAL));
    }
    // The kernel reads on into the environment, where it is adjacent, if
    // the arguments do not end with a NUL (proc(5)).
    let end = match env_start == args_end && env_end >= args_end {
        true => env_end,
        false => args_end,
    };
    let room = end - start;
    let length = text.len().min(room.saturating_sub(1));
    // SAFETY: the kernel says that this is the memory of this process's own
    // arguments and environment, which is mapped for writing; by contract
    // nobody reads it as such any more.
    unsafe {
        let memory = start as *mut u8;
        std::ptr::write_bytes(memory, 0, room);
        std::ptr::copy_nonoverlapping(text.as_ptr(), memory, length);
    }
    Ok(())
}

/// Sets the host name of the caller's uts namespace.
pub fn set_hostname(name: &str) -> Result<()> {
    // SAFETY: pointer and length are of one slice.
    let rc = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    check(rc.into(), || format!("sethostname({name:?})"))
}

/// Sets the NIS domain name of the caller's uts namespace.
pub fn set_domainname(name: &str) -> Result<()> {
    // SAFETY: pointer and length are of one slice.
    let rc = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    check(rc.into(), || format!("setdomainname({name:?})"))
}

/// The kernel's release: `6.1.0-56-cloud-amd64` (uname(2)).
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Whether the effective user may execute `path` (faccessat2(2) with
/// AT_EACCESS); falls back to access(2) before 5.8.
pub fn may_execute(path: &CStr) -> Result<()> {
    // SAFETY: `path` is a NUL-terminated string.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::X_OK,
            libc::AT_EACCESS,
        )
    };
    let checked = check(rc, || format!("faccessat2({path:?}, X_OK)"));
    match checked {
        Err(error) if error.errno() == libc::ENOSYS => {
            // SAFETY: `path` is a NUL-terminated string.
            let rc = unsafe { libc::access(path.as_ptr(), libc::X_OK) };
            check(rc.into(), || format!("access({path:?}, X_OK)"))
        }
        other => other,
    }
}

/// Sets `lo` of the caller's network namespace up (netdevice(7)).
pub fn loopback_up() -> Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: plain numbers.
    let rc = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    check(rc.into(), || "socket(AF_UNIX)".to_string())?;
    // SAFETY: the call has returned a new descriptor.
    let socket = unsafe { OwnedFd::from_raw_fd(rc) };
    // SAFETY: a struct ifreq is plain data; all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: `request` is a valid struct ifreq.
    let rc = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    check(rc.into(), || "ioctl(SIOCSIFFLAGS, lo)".to_string())
}

pub(super) fn prctl(
    option: libc::c_int,
    value: u64,
    text: &'static str,
) -> Result<()> {
    // SAFETY: the callers' options take a number, or a string that outlives
    // the call.
    let rc = unsafe { libc::prctl(option, value, 0, 0, 0) };
    check(rc.into(), || format!("prctl({text})"))
}

pub(super) fn check(
    rc: libc::c_long,
    call: impl FnOnce() -> String,
) -> Result<()> {
    match rc {
        -1 => Err(Error::last(call())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_enoent() {
        let error = execve(c"/nonexistent/program", &[], &[]);
        assert_eq!(error.errno(), libc::ENOENT);
    }

    #[test]
    fn a_pidfd_of_this_process_takes_the_null_signal() {
        let Ok(fd) = pidfd_open(std::process::id() as i32) else { return };
        pidfd_signal(&fd, 0).unwrap();
    }

    #[test]
    fn executable_files_are_told_from_others() {
        may_execute(c"/bin/sh").unwrap();
        let error = may_execute(c"/etc/passwd").unwrap_err();
        assert_eq!(error.errno(), libc::EACCES);
    }
}
