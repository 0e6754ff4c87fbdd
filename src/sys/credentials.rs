//! Who a process is and what it may: user and group ids, capabilities,
//! resource limits, `no_new_privs`, session keyring.

use super::process::prctl;
use super::{Error, Result};

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// The capability sets of the calling thread, a bit for each capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// In force now.
    pub effective: u64,
    /// What may be put in force.
    pub permitted: u64,
    /// What may survive an exec of a file with capabilities.
    pub inheritable: u64,
}

/// A resource limit (getrlimit(2)); `u64::MAX` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// How far the soft one may be raised.
    pub hard: u64,
}

/// The resources by name and number (setrlimit(2)).
const RESOURCES: [(&str, u32); 16] = [
    ("cpu", 0),
    ("fsize", 1),
    ("data", 2),
    ("stack", 3),
    ("core", 4),
    ("rss", 5),
    ("nproc", 6),
    ("nofile", 7),
    ("memlock", 8),
    ("as", 9),
    ("locks", 10),
    ("sigpending", 11),
    ("msgqueue", 12),
    ("nice", 13),
    ("rtprio", 14),
    ("rttime", 15),
];

/// The number of a resource: `nofile`, `RLIMIT_NOFILE`.
pub fn resource(name: &str) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("rlimit_").unwrap_or(&name);
    RESOURCES.iter().find(|(known, _)| *known == name).map(|(_, n)| *n)
}

/// Reads a resource limit of the calling process.
pub fn limit(resource: u32) -> Result<Limit> {
    let mut old = [0u64; 2];
    prlimit(resource, None, Some(&mut old))?;
    Ok(Limit { soft: old[0], hard: old[1] })
}

/// Sets a resource limit of the calling process. EPERM without
/// CAP_SYS_RESOURCE where the hard limit would rise.
pub fn set_limit(resource: u32, limit: Limit) -> Result<()> {
    prlimit(resource, Some(&[limit.soft, limit.hard]), None)
}

fn prlimit(
    resource: u32,
    new: Option<&[u64; 2]>,
    old: Option<&mut [u64; 2]>,
) -> Result<()> {
    let new = new.map_or(std::ptr::null(), |new| new.as_ptr());
    let old = old.map_or(std::ptr::null_mut(), |old| old.as_mut_ptr());
    // SAFETY: both are null or valid struct rlimit64.
    let rc =
        unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, new, old) };
    check(rc, || format!("prlimit64(0, {resource}, …)"))
}

/// Sets the supplementary groups.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: pointer and length are of one slice.
    let rc = unsafe {
        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr())
    };
    check(rc, || format!("setgroups({groups:?})"))
}

/// Sets real, effective and saved group id.
pub fn set_gid(gid: u32) -> Result<()> {
    // SAFETY: plain numbers.
    let rc = unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) };
    check(rc, || format!("setresgid({gid})"))
}

/// Sets real, effective and saved user id.
pub fn set_uid(uid: u32) -> Result<()> {
    // SAFETY: plain numbers.
    let rc = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    check(rc, || format!("setresuid({uid})"))
}

/// Keeps the permitted capabilities over the next change of the user id.
pub fn keep_capabilities() -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, 1, "PR_SET_KEEPCAPS, 1")
}

/// Reads the capability sets of the calling thread.
pub fn capabilities() -> Result<Capabilities> {
    let header = [CAPABILITY_VERSION_3, 0];
    let mut data = [0u32; 6];
    // SAFETY: version 3 of the header goes with two structs of three words.
    let rc = unsafe {
        libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr())
    };
    check(rc, || "capget(…)".to_string())?;
    let join = |at: usize| u64::from(data[at]) | u64::from(data[at + 3]) << 32;
    Ok(Capabilities {
        effective: join(0),
        permitted: join(1),
        inheritable: join(2),
    })
}

/// Sets the capability sets of the calling thread.
pub fn set_capabilities(sets: &Capabilities) -> Result<()> {
    let header = [CAPABILITY_VERSION_3, 0];
    let low = |set: u64| set as u32;
    let high = |set: u64| (set >> 32) as u32;
    let data = [
        low(sets.effective),
        low(sets.permitted),
        low(sets.inheritable),
        high(sets.effective),
        high(sets.permitted),
        high(sets.inheritable),
    ];
    // SAFETY: version 3 of the header goes with two structs of three words.
    let rc = unsafe {
        libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr())
    };
    check(rc, || format!("capset({sets:x?})"))
}

/// Takes a capability out of the bounding set for good. EINVAL for one
/// that the kernel does not know.
pub fn drop_bounding(capability: u32) -> Result<()> {
    prctl(libc::PR_CAPBSET_DROP, capability.into(), "PR_CAPBSET_DROP")
}

/// Empties the ambient set (4.3).
pub fn clear_ambient() -> Result<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as u64;
    prctl(libc::PR_CAP_AMBIENT, clear, "PR_CAP_AMBIENT, CLEAR_ALL")
}

/// Forbids to gain privileges by exec, for good.
pub fn forbid_new_privileges() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS, 1")
}

/// Joins a new session keyring, so that the caller's cannot be reached
/// (keyctl(2), `KEYCTL_JOIN_SESSION_KEYRING`).
pub fn new_session_keyring() -> Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name is an anonymous keyring.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    check(rc, || "keyctl(JOIN_SESSION_KEYRING)".to_string())
}

fn check(rc: libc::c_long, call: impl FnOnce() -> String) -> Result<()> {
    match rc {
        -1 => Err(Error::last(call())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_found_by_both_names() {
        assert_eq!(resource("nofile"), Some(libc::RLIMIT_NOFILE));
        assert_eq!(resource("RLIMIT_NPROC"), Some(libc::RLIMIT_NPROC));
        assert_eq!(resource("rtprio"), Some(libc::RLIMIT_RTPRIO));
        assert_eq!(resource("nothing"), None);
    }

    #[test]
    fn limits_and_capabilities_can_be_read() {
        let files = limit(libc::RLIMIT_NOFILE).unwrap();
        assert!(files.soft <= files.hard);
        let sets = capabilities().unwrap();
        assert_eq!(sets.effective & !sets.permitted, 0);
    }
}
