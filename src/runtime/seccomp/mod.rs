//! The system call filter: Docker's default profile, compiled to classic
//! BPF (Documentation/userspace-api/seccomp_filter.rst).
//!
//! What the profile says of a call depends on the container's capabilities
//! and, for a few, on an argument. Arguments are compared by their lower
//! 32 bits, which is all that the kernel looks at in these calls. A call
//! that is newer than all that the profile knows gets ENOSYS, so that
//! programs fall back to what they did before it existed.

pub mod compile;
pub mod oci;
pub mod profile;
pub mod table;

use super::caps::{self, Set};
use crate::sys::seccomp::Instruction;
use compile::{
    ALLOW, ENOSYS, EPERM, ERRNO, Leaves, Machine, Op, Rule, Test, Width,
};
use table::Call;

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
    /// All but `AF_VSOCK`, which would reach around the network namespace,
    /// and `AF_ALG`, the kernel's ciphers.
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
const NEW_NAMESPACES: u64 = 0x7e02_0000;

const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;

/// PER_LINUX, PER_LINUX32, each with UNAME26, and the one that only asks.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// How many classes there are.
const CLASSES: usize = Class::TtyConfig as usize + 1;

impl Class {
    /// The rules for a call of this class, and what is done if none fits.
    fn rules(self, set: Set) -> (Vec<Rule>, u32) {
        let deny = ERRNO | EPERM;
        let first = |op, value, second, verdict| Rule {
            tests: vec![Test { index: 0, op, value, second }],
            verdict,
        };
        let admin = set.has(caps::SYS_ADMIN);
        let allowed = match self {
            Class::Always => true,
            Class::Never => false,
            Class::Socket => {
                let refused = [AF_ALG, AF_VSOCK];
                let rule = |family| first(Op::Eq, family, 0, deny);
                return (refused.map(rule).into(), ALLOW);
            }
            Class::Personality => {
                let rule = |persona| first(Op::Eq, persona, 0, ALLOW);
                return (PERSONALITIES.map(rule).into(), deny);
            }
            Class::Clone if !admin => {
                let rule = first(Op::MaskedEq, NEW_NAMESPACES, 0, ALLOW);
                return (vec![rule], deny);
            }
            Class::Clone3 if !admin => return (Vec::new(), ERRNO | ENOSYS),
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
        (Vec::new(), if allowed { ALLOW } else { deny })
    }
}

/// Compiles the default profile for a set of capabilities.
pub fn default_filter(set: Set) -> Vec<Instruction> {
    let mut leaves = Leaves::default();
    let mut places = [None; CLASSES];
    let deny = leaves.add(&[], ERRNO | EPERM, Width::Low);
    let machine = |arch: Arch| {
        let mut numbers = Vec::new();
        for call in table::CALLS {
            // What is never mentioned by the profile is unknown to it, and
            // does not make newer ones known.
            let Some(number) = call.number(arch) else { continue };
            if call.class == Class::Never {
                continue;
            }
            let place = &mut places[call.class as usize];
            let place = *place.get_or_insert_with(|| {
                let (rules, otherwise) = call.class.rules(set);
                leaves.add(&rules, otherwise, Width::Low)
            });
            put(&mut numbers, number, place, deny);
        }
        Machine { numbers, beyond: ERRNO | ENOSYS }
    };
    let [x86_64, x32, i386] =
        [Arch::X86_64, Arch::X32, Arch::I386].map(machine);
    compile::compile(&leaves, &x86_64, Some(&x32), Some(&i386))
}

/// Notes the leaf of a number; those between that have none get `other`.
fn put(numbers: &mut Vec<u16>, number: usize, leaf: u16, other: u16) {
    if numbers.len() <= number {
        numbers.resize(number + 1, other);
    }
    numbers[number] = leaf;
}

impl Call {
    /// Its number on a machine, if it has it.
    pub fn number(&self, arch: Arch) -> Option<usize> {
        usize::try_from(self.numbers[arch as usize]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::compile::tests::{I386, X32, X86_64, errno, run, trace};
    use super::compile::{KILL_PROCESS, TRAP};
    use super::*;

    /// What containers have that ask for nothing.
    const DOCKER: Set = Set(0xa804_25fb);

    fn docker() -> Vec<Instruction> {
        default_filter(DOCKER)
    }

    /// The call with a number.
    fn known(arch: Arch, number: u32) -> Option<&'static Call> {
        let same = |call: &&Call| call.number(arch) == Some(number as usize);
        table::CALLS.iter().find(same)
    }

    /// The last number that the profile speaks of.
    fn last(arch: Arch) -> u32 {
        let spoken = |call: &&Call| call.class != Class::Never;
        let calls = table::CALLS.iter().filter(spoken);
        let number = calls.filter_map(|call| call.number(arch)).max();
        number.expect("calls") as u32
    }

    #[test]
    fn every_number_gets_what_its_class_says() {
        for set in [Set(0), DOCKER, Set(u64::MAX)] {
            let filter = default_filter(set);
            for (arch, audit, bit) in [
                (Arch::X86_64, X86_64, 0),
                (Arch::X32, X86_64, X32),
                (Arch::I386, I386, 0),
            ] {
                for number in 0..2048u32 {
                    // x32 shares the lower numbers of x86_64.
                    let arch = match (arch, number) {
                        (Arch::X32, 0..512) => Arch::X86_64,
                        _ => arch,
                    };
                    let call = known(arch, number);
                    let wanted = match call {
                        _ if number > last(arch) => errno(ENOSYS),
                        Some(call) => match call.class.rules(set) {
                            (rules, verdict) if rules.is_empty() => verdict,
                            (rules, verdict) => {
                                let first = rules[0].tests[0];
                                match first.op {
                                    Op::Eq if first.value == 0 => ALLOW,
                                    Op::MaskedEq => ALLOW,
                                    _ => verdict,
                                }
                            }
                        },
                        None => errno(EPERM),
                    };
                    let got = run(&filter, audit, number | bit, [0; 6]);
                    assert_eq!(got, wanted, "{arch:?} {number} {call:?}");
                }
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
        for bit in [17, 25, 26, 27, 28, 29, 30] {
            let namespace = 1 << bit;
            assert_eq!(call(clone, namespace | 0x11), errno(EPERM));
        }
        assert_eq!(call(socket, 2), ALLOW);
        assert_eq!(call(socket, 16), ALLOW);
        assert_eq!(call(socket, 38), errno(EPERM));
        assert_eq!(call(socket, 40), errno(EPERM));
        // The kernel takes the lower half.
        assert_eq!(call(socket, 0x1_0000_0028), errno(EPERM));
        assert_eq!(call(personality, 8), ALLOW);
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
        assert_ne!(call(&all, 250), TRAP);
    }

    #[test]
    fn unknown_calls_and_machines_are_told_apart() {
        let filter = docker();
        assert_eq!(run(&filter, X86_64, 900, [0; 6]), errno(ENOSYS));
        assert_eq!(run(&filter, I386, 900, [0; 6]), errno(ENOSYS));
        // A gap that was never used.
        assert_eq!(run(&filter, X86_64, 400, [0; 6]), errno(EPERM));
        // aarch64.
        assert_eq!(run(&filter, 0xc000_00b7, 0, [0; 6]), KILL_PROCESS);
        // keyctl, which no container may.
        assert_eq!(run(&filter, X86_64, 250, [0; 6]), errno(EPERM));
    }

    #[test]
    fn the_filter_is_short_and_a_call_passes_quickly() {
        let filter = docker();
        assert!(filter.len() < 600, "{}", filter.len());
        let steps =
            |arch, number| trace(&filter, arch, number, [0; 6]).1 as u64;
        // read write close mmap futex epoll_wait openat clone socket
        for number in [0, 1, 3, 9, 202, 232, 257, 56, 41] {
            let taken = steps(X86_64, number);
            assert!(taken <= 16, "call {number} takes {taken}");
        }
        let sum: u64 = (0..450).map(|number| steps(X86_64, number)).sum();
        assert!(sum / 450 <= 12, "{}", sum / 450);
    }

    #[test]
    fn calls_stand_by_name() {
        assert!(table::CALLS.is_sorted_by_key(|call| call.name));
    }
}
