//! Capability names and numbers (capabilities(7), linux/capability.h).

/// The names, each at its number.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Reading any file.
pub const DAC_READ_SEARCH: u32 = 2;
/// Loading kernel modules.
pub const SYS_MODULE: u32 = 16;
/// Input and output ports.
pub const SYS_RAWIO: u32 = 17;
/// Changing the root.
pub const SYS_CHROOT: u32 = 18;
/// Looking into other processes.
pub const SYS_PTRACE: u32 = 19;
/// Process accounting.
pub const SYS_PACCT: u32 = 20;
/// Mounts, namespaces and much else.
pub const SYS_ADMIN: u32 = 21;
/// Rebooting.
pub const SYS_BOOT: u32 = 22;
/// Priorities and memory policies.
pub const SYS_NICE: u32 = 23;
/// Setting the clock.
pub const SYS_TIME: u32 = 25;
/// Hanging terminals up.
pub const SYS_TTY_CONFIG: u32 = 26;
/// The kernel's log.
pub const SYSLOG: u32 = 34;
/// Performance counters.
pub const PERFMON: u32 = 38;
/// Loading BPF programs.
pub const BPF: u32 = 39;

/// A set of capabilities, a bit for each number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set(pub u64);

impl Set {
    /// Makes the set of the named ones; the other names come back.
    pub fn parse(names: &[String]) -> (Set, Vec<String>) {
        let mut set = Set::default();
        let mut unknown = Vec::new();
        for name in names {
            match number(name) {
                Some(bit) => set.0 |= 1 << bit,
                None => unknown.push(name.clone()),
            }
        }
        (set, unknown)
    }

    /// Whether the one with this number is in it.
    pub fn has(self, number: u32) -> bool {
        self.0 & (1 << number) != 0
    }

    /// The names of its members, by number.
    pub fn names(self) -> Vec<&'static str> {
        let member = |(bit, _): &(usize, &&str)| self.0 & (1 << bit) != 0;
        NAMES.iter().enumerate().filter(member).map(|(_, n)| *n).collect()
    }
}

/// All names, by number.
pub fn all() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied()
}

/// The number of a capability, with or without `CAP_`, in any case.
pub fn number(name: &str) -> Option<u32> {
    let bare = |n: &str| {
        let n = n.to_ascii_uppercase();
        n.strip_prefix("CAP_").map(str::to_string).unwrap_or(n)
    };
    let wanted = bare(name);
    let at = NAMES.iter().position(|known| known[4..] == wanted)?;
    Some(at as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_numbers_of_the_kernel() {
        assert_eq!(number("CAP_CHOWN"), Some(0));
        assert_eq!(number("sys_admin"), Some(21));
        assert_eq!(number("CAP_SYS_RESOURCE"), Some(24));
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
        assert_eq!(number("CAP_NONE"), None);
    }

    #[test]
    fn constants_have_the_numbers_of_their_names() {
        let pairs = [
            (DAC_READ_SEARCH, "DAC_READ_SEARCH"),
            (SYS_MODULE, "SYS_MODULE"),
            (SYS_RAWIO, "SYS_RAWIO"),
            (SYS_CHROOT, "SYS_CHROOT"),
            (SYS_PTRACE, "SYS_PTRACE"),
            (SYS_PACCT, "SYS_PACCT"),
            (SYS_ADMIN, "SYS_ADMIN"),
            (SYS_BOOT, "SYS_BOOT"),
            (SYS_NICE, "SYS_NICE"),
            (SYS_TIME, "SYS_TIME"),
            (SYS_TTY_CONFIG, "SYS_TTY_CONFIG"),
            (SYSLOG, "SYSLOG"),
            (PERFMON, "PERFMON"),
            (BPF, "BPF"),
        ];
        for (constant, name) in pairs {
            assert_eq!(number(name), Some(constant), "{name}");
        }
    }

    #[test]
    fn dockers_default_set_has_its_known_mask() {
        let names: Vec<String> = super::super::defaults::CAPABILITIES
            .iter()
            .map(|n| n.to_string())
            .collect();
        assert_eq!(Set::parse(&names), (Set(0xa80425fb), Vec::new()));
    }

    #[test]
    fn unknown_names_come_back() {
        let (set, unknown) = Set::parse(&["CAP_KILL".into(), "X".into()]);
        assert_eq!(set.names(), ["CAP_KILL"]);
        assert_eq!(unknown, ["X"]);
    }
}
