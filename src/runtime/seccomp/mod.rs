//! The system call filter: Docker's default profile, compiled to classic
//! BPF (Documentation/userspace-api/seccomp_filter.rst).
//!
//! What the profile says of a call depends on the container's capabilities
//! and, for a few, on an argument. Arguments are compared by their lower
//! 32 bits, which is all that the kernel looks at in these calls. A call
//! that is newer than all that the profile knows gets ENOSYS, so that
//! programs fall back to what they did before it existed.

pub mod compile;
pub mod table;

use super::caps::{self, Set};
use crate::sys::seccomp::Instruction;
use compile::Action;

/// A kind of machine code, each with its own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// 64 bits.
    X86_64 = 0,
    /// 64 bits with short pointers: numbers with bit 30 set.
    X32 = 1,
    /// 32 bits.
    I386 = 2,
}

/// What the default profile says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// All may.
    Always,
    /// Nobody may.
    Never,
    /// All but `AF_VSOCK`, which would reach around the network namespace.
    Socket,
    /// The harmless personalities.
    Personality,
    /// With CAP_SYS_ADMIN; without it, only without new namespaces.
    Clone,
    /// With CAP_SYS_ADMIN; else it is unknown, as its flags are in memory
    /// where no filter sees them.
    Clone3,
    /// With CAP_SYS_ADMIN.
    Admin,
    /// With CAP_BPF or CAP_SYS_ADMIN.
    Bpf,
    /// With CAP_SYS_BOOT.
    Boot,
    /// With CAP_SYS_CHROOT.
    Chroot,
    /// With CAP_DAC_READ_SEARCH.
    DacReadSearch,
    /// With CAP_SYS_MODULE.
    Module,
    /// With CAP_SYS_NICE.
    Nice,
    /// With CAP_SYS_PACCT.
    Pacct,
    /// With CAP_PERFMON or CAP_SYS_ADMIN.
    Perfmon,
    /// With CAP_SYS_PTRACE.
    Ptrace,
    /// With CAP_SYS_RAWIO.
    RawIo,
    /// With CAP_SYSLOG or CAP_SYS_ADMIN.
    Syslog,
    /// With CAP_SYS_TIME.
    Time,
    /// With CAP_SYS_TTY_CONFIG.
    TtyConfig,
}

/// The namespaces of clone(2): NS CGROUP UTS IPC USER PID NET.
const NEW_NAMESPACES: u32 = 0x7e02_0000;

const AF_VSOCK: u32 = 40;

/// PER_LINUX, PER_LINUX32, each with UNAME26, and the one that only asks.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

impl Class {
    /// What is done with a call of this class.
    fn action(self, set: Set) -> Action {
        let admin = set.has(caps::SYS_ADMIN);
        let allowed = match self {
            Class::Always => true,
            Class::Never => false,
            Class::Socket => return Action::AllowUnless(vec![AF_VSOCK]),
            Class::Personality => {
                return Action::AllowIf(PERSONALITIES.to_vec());
            }
            Class::Clone if !admin => {
                return Action::AllowWithout(NEW_NAMESPACES);
            }
            Class::Clone3 if !admin => return Action::Unknown,
            Class::Clone | Class::Clone3 | Class::Admin => admin,
            Class::Bpf => admin || set.has(caps::BPF),
            Class::Perfmon => admin || set.has(caps::PERFMON),
            Class::Syslog => admin || set.has(caps::SYSLOG),
            Class::Boot => set.has(caps::SYS_BOOT),
            Class::Chroot => set.has(caps::SYS_CHROOT),
            Class::DacReadSearch => set.has(caps::DAC_READ_SEARCH),
            Class::Module => set.has(caps::SYS_MODULE),
            Class::Nice => set.has(caps::SYS_NICE),
            Class::Pacct => set.has(caps::SYS_PACCT),
            Class::Ptrace => set.has(caps::SYS_PTRACE),
            Class::RawIo => set.has(caps::SYS_RAWIO),
            Class::Time => set.has(caps::SYS_TIME),
            Class::TtyConfig => set.has(caps::SYS_TTY_CONFIG),
        };
        match allowed {
            true => Action::Allow,
            false => Action::Deny,
        }
    }
}

/// Compiles the default profile for a set of capabilities.
pub fn default_filter(set: Set) -> Vec<Instruction> {
    let list = |arch: Arch| -> Vec<Action> {
        let at = arch as usize;
        let mut actions = Vec::new();
        for call in table::CALLS {
            // What is never mentioned by the profile is unknown to it, and
            // does not make newer ones known.
            let Ok(number) = usize::try_from(call.numbers[at]) else {
                continue;
            };
            if call.class == Class::Never {
                continue;
            }
            if actions.len() <= number {
                actions.resize(number + 1, Action::Deny);
            }
            actions[number] = call.class.action(set);
        }
        actions
    };
    compile::compile(&list(Arch::X86_64), &list(Arch::X32), &list(Arch::I386))
}

#[cfg(test)]
mod tests {
    use super::compile::tests::{ALLOW, KILL, errno, run};
    use super::*;

    const X86_64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;
    const EPERM: u32 = 1;
    const ENOSYS: u32 = 38;

    fn docker() -> Vec<Instruction> {
        default_filter(Set(0xa804_25fb))
    }

    #[test]
    fn each_call_gets_what_its_class_says() {
        let filter = docker();
        let set = Set(0xa804_25fb);
        for (arch, audit, bit) in [
            (Arch::X86_64, X86_64, 0),
            (Arch::X32, X86_64, 0x4000_0000u32),
            (Arch::I386, I386, 0),
        ] {
            for call in table::CALLS {
                let number = call.numbers[arch as usize];
                let Ok(number) = u32::try_from(number) else { continue };
                let got = run(&filter, audit, number | bit, [0; 6]);
                // Shared with x86_64, of which it has not all.
                let wanted = match call.class.action(set) {
                    Action::Allow
                    | Action::AllowIf(_)
                    | Action::AllowUnless(_)
                    | Action::AllowWithout(_) => ALLOW,
                    Action::Unknown => errno(ENOSYS),
                    Action::Deny => errno(EPERM),
                };
                // Denied ones above the last that is known are unknown.
                if call.class == Class::Never && got == errno(ENOSYS) {
                    continue;
                }
                assert_eq!(got, wanted, "{} {arch:?}", call.name);
            }
        }
    }

    #[test]
    fn arguments_are_looked_at() {
        let filter = docker();
        let call = |number, first| {
            run(&filter, X86_64, number, [first, 0, 0, 0, 0, 0])
        };
        let (clone, socket, personality) = (56, 41, 135);
        assert_eq!(call(clone, 0x11), ALLOW);
        assert_eq!(call(clone, 0x1000_0011), errno(EPERM));
        assert_eq!(call(clone, 0x2000_0000), errno(EPERM));
        assert_eq!(call(socket, 2), ALLOW);
        assert_eq!(call(socket, 40), errno(EPERM));
        // The kernel takes the lower half.
        assert_eq!(call(socket, 0x1_0000_0028), errno(EPERM));
        assert_eq!(call(personality, 0xffff_ffff), ALLOW);
        assert_eq!(call(personality, 0x4_0000), errno(EPERM));
    }

    #[test]
    fn capabilities_open_their_calls() {
        let all = default_filter(Set(u64::MAX));
        let some = docker();
        let none = default_filter(Set(0));
        let call = |filter: &[Instruction], number| {
            run(filter, X86_64, number, [u64::MAX, 0, 0, 0, 0, 0])
        };
        let (mount, chroot, ptrace, clone3, bpf) = (165, 161, 101, 435, 321);
        assert_eq!(call(&all, mount), ALLOW);
        assert_eq!(call(&some, mount), errno(EPERM));
        assert_eq!(call(&some, chroot), ALLOW);
        assert_eq!(call(&none, chroot), errno(EPERM));
        assert_eq!(call(&none, ptrace), ALLOW);
        assert_eq!(call(&all, clone3), ALLOW);
        assert_eq!(call(&some, clone3), errno(ENOSYS));
        assert_eq!(call(&some, bpf), errno(EPERM));
        assert_eq!(call(&all, 56), ALLOW);
    }

    #[test]
    fn unknown_calls_and_machines_are_told_apart() {
        let filter = docker();
        assert_eq!(run(&filter, X86_64, 900, [0; 6]), errno(ENOSYS));
        assert_eq!(run(&filter, I386, 900, [0; 6]), errno(ENOSYS));
        // A gap that was never used.
        assert_eq!(run(&filter, X86_64, 400, [0; 6]), errno(EPERM));
        // aarch64.
        assert_eq!(run(&filter, 0xc000_00b7, 0, [0; 6]), KILL);
        // keyctl, which no container may.
        assert_eq!(run(&filter, X86_64, 250, [0; 6]), errno(EPERM));
    }

    #[test]
    fn the_filter_is_short() {
        assert!(docker().len() < 600, "{}", docker().len());
    }
}
