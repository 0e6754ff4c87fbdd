//! Device nodes and device rules: the standard ones of each container, and
//! the eBPF program that decides by them in cgroup v2.

use super::spec::{DeviceKind, DeviceRule, Spec};

/// A node of `/dev` that each container has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name in `/dev`.
    pub name: &'static str,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
}

/// The nodes of `/dev`, all character devices with mode 0666.
pub const NODES: [Node; 6] = [
    Node { name: "null", major: 1, minor: 3 },
    Node { name: "zero", major: 1, minor: 5 },
    Node { name: "full", major: 1, minor: 7 },
    Node { name: "random", major: 1, minor: 8 },
    Node { name: "urandom", major: 1, minor: 9 },
    Node { name: "tty", major: 5, minor: 0 },
];

/// The links of `/dev`: name and text.
pub const LINKS: [(&str, &str); 6] = [
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// Read, write and mknod of a device, as the kernel's program sees them.
const MKNOD: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;

/// The rules of a container, after "nothing is allowed": those that were
/// asked for, then the standard ones. None where all is allowed.
pub fn rules(spec: &Spec) -> Option<Vec<DeviceRule>> {
    if spec.privileged {
        return None;
    }
    let mut rules = spec.device_rules.clone();
    let allow = |kind, major, minor, access: &str| DeviceRule {
        allow: true,
        kind,
        major,
        minor,
        access: access.to_string(),
    };
    // A node may be made for any device; only using it is another matter.
    rules.push(allow(DeviceKind::Char, None, None, "m"));
    rules.push(allow(DeviceKind::Block, None, None, "m"));
    for node in NODES {
        let (major, minor) = (Some(node.major), Some(node.minor));
        rules.push(allow(DeviceKind::Char, major, minor, "rwm"));
    }
    // The pseudo terminals and their master.
    rules.push(allow(DeviceKind::Char, Some(136), None, "rwm"));
    rules.push(allow(DeviceKind::Char, Some(5), Some(2), "rwm"));
    Some(rules)
}

/// Compiles rules into a program of type `BPF_PROG_TYPE_CGROUP_DEVICE`.
/// The last rule that fits decides, so they are asked in reverse. As in
/// v1, an allowing rule fits if it covers all of the access asked for, a
/// denying one if it covers any of it.
pub fn program(rules: &[DeviceRule]) -> Vec<u64> {
    let mut code = vec![
        // r1 points to {access << 16 | kind, major, minor}, all u32.
        load(2, 1, 0),
        and(2, 0xffff),
        load(3, 1, 0),
        shift_right(3, 16),
        load(4, 1, 4),
        load(5, 1, 8),
    ];
    for rule in rules.iter().rev() {
        let access = access_bits(&rule.access);
        if access == 0 {
            continue;
        }
        let kind = match rule.kind {
            DeviceKind::Block => Some(1),
            DeviceKind::Char => Some(2),
            DeviceKind::Any => None,
        };
        let all = access == MKNOD | READ | WRITE;
        let mut tests: Vec<u64> = Vec::new();
        // Jumps are put in afterwards: 0 is "to the end of this rule".
        if let Some(kind) = kind {
            tests.push(jump_unless_equal(2, kind));
        }
        if !all {
            tests.push(copy(1, 3));
            match rule.allow {
                true => {
                    tests.push(and(1, access));
                    tests.push(jump_unless_same(1, 3));
                }
                false => {
                    tests.push(and(1, access));
                    tests.push(jump_if_equal(1, 0));
                }
            }
        }
        if let Some(major) = rule.major {
            tests.push(jump_unless_equal(4, major));
        }
        if let Some(minor) = rule.minor {
            tests.push(jump_unless_equal(5, minor));
        }
        tests.push(set(0, u32::from(rule.allow)));
        tests.push(EXIT);
        let count = tests.len();
        for (at, test) in tests.iter_mut().enumerate() {
            if is_jump(*test) {
                let over = (count - at - 1) as u64;
                *test |= over << 16;
            }
        }
        code.extend(tests);
    }
    code.push(set(0, 0));
    code.push(EXIT);
    code
}

fn access_bits(text: &str) -> u32 {
    text.chars().fold(0, |bits, c| {
        bits | match c {
            'm' => MKNOD,
            'r' => READ,
            'w' => WRITE,
            _ => 0,
        }
    })
}

// Instructions of bpf(2): code, registers, offset, constant.

const EXIT: u64 = 0x95;

fn instruction(code: u64, to: u64, from: u64, offset: u16, k: u32) -> u64 {
    code | to << 8 | from << 12 | u64::from(offset) << 16 | u64::from(k) << 32
}

/// A u32 of memory into a register.
fn load(to: u64, from: u64, offset: u16) -> u64 {
    instruction(0x61, to, from, offset, 0)
}

fn and(to: u64, k: u32) -> u64 {
    instruction(0x54, to, 0, 0, k)
}

fn shift_right(to: u64, k: u32) -> u64 {
    instruction(0x74, to, 0, 0, k)
}

fn copy(to: u64, from: u64) -> u64 {
    instruction(0xbc, to, from, 0, 0)
}

fn set(to: u64, k: u32) -> u64 {
    instruction(0xb7, to, 0, 0, k)
}

fn jump_unless_equal(a: u64, k: u32) -> u64 {
    instruction(0x55, a, 0, 0, k)
}

fn jump_if_equal(a: u64, k: u32) -> u64 {
    instruction(0x15, a, 0, 0, k)
}

fn jump_unless_same(a: u64, b: u64) -> u64 {
    instruction(0x5d, a, b, 0, 0)
}

fn is_jump(instruction: u64) -> bool {
    matches!(instruction & 0xff, 0x55 | 0x15 | 0x5d)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would, for the few instructions used.
    fn run(
        code: &[u64],
        kind: u32,
        access: u32,
        major: u32,
        minor: u32,
    ) -> bool {
        let memory = [access << 16 | kind, major, minor];
        let mut r = [0u64; 11];
        let mut at = 0;
        loop {
            let i = code[at];
            let (to, from) = ((i >> 8 & 15) as usize, (i >> 12 & 15) as usize);
            let offset = (i >> 16 & 0xffff) as usize;
            let k = i >> 32;
            at += 1;
            match i & 0xff {
                0x61 => r[to] = memory[offset / 4].into(),
                0x54 => r[to] = r[to] & k & 0xffff_ffff,
                0x74 => r[to] = (r[to] & 0xffff_ffff) >> k,
                0xbc => r[to] = r[from] & 0xffff_ffff,
                0xb7 => r[to] = k,
                0x55 if r[to] != k => at += offset,
                0x15 if r[to] == k => at += offset,
                0x5d if r[to] != r[from] => at += offset,
                0x55 | 0x15 | 0x5d => (),
                0x95 => return r[0] != 0,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    const BLOCK: u32 = 1;
    const CHAR: u32 = 2;

    #[test]
    fn the_standard_rules_allow_the_standard_devices() {
        let code = program(&rules(&Spec::default()).unwrap());
        for node in NODES {
            assert!(run(&code, CHAR, READ | WRITE, node.major, node.minor));
        }
        assert!(run(&code, CHAR, READ | WRITE, 136, 7));
        assert!(run(&code, CHAR, MKNOD, 10, 200));
        assert!(run(&code, BLOCK, MKNOD, 8, 0));
        assert!(!run(&code, BLOCK, READ, 8, 0));
        assert!(!run(&code, CHAR, READ, 1, 1));
        assert!(!run(&code, CHAR, READ | MKNOD, 10, 200));
        assert!(!run(&code, BLOCK, READ, 1, 3));
        assert!(!run(&code, CHAR, READ, 5, 1));
    }

    #[test]
    fn the_last_rule_that_fits_decides() {
        let rule = |allow, major, access: &str| DeviceRule {
            allow,
            kind: DeviceKind::Char,
            major: Some(major),
            minor: None,
            access: access.to_string(),
        };
        let code = program(&[rule(true, 10, "rw"), rule(false, 10, "w")]);
        assert!(run(&code, CHAR, READ, 10, 1));
        assert!(!run(&code, CHAR, WRITE, 10, 1));
        assert!(!run(&code, CHAR, READ | WRITE, 10, 1));
        let code = program(&[rule(false, 10, "w"), rule(true, 10, "rw")]);
        assert!(run(&code, CHAR, READ | WRITE, 10, 1));
    }

    #[test]
    fn a_privileged_container_has_no_rules() {
        let spec = Spec { privileged: true, ..Spec::default() };
        assert_eq!(rules(&spec), None);
    }
}
