//! The default profile as OCI's JSON, for runtimes that compile it
//! themselves: what [`super::default_filter`] lets through, and no more.

use serde_json::{Value, json};

use super::compile::{ALLOW, ENOSYS, ERRNO};
use super::table::CALLS;
use super::{CLASSES, Class, NEW_NAMESPACES, PERSONALITIES};
use crate::runtime::caps::Set;

const LOW: u64 = 0xffff_ffff;

/// Families of sockets as blocks (how many bits are free, first): all below
/// 64 but AF_ALG and AF_VSOCK. The kernel looks at the lower half of the
/// argument, which only a mask can say.
const FAMILIES: [(u64, u64); 8] =
    [(5, 0), (2, 32), (1, 36), (0, 39), (0, 41), (1, 42), (2, 44), (4, 48)];

/// Makes the default profile for a set of capabilities.
pub fn default_profile(set: Set) -> Value {
    let mut classes: [Option<(Class, Vec<&str>)>; CLASSES] = Default::default();
    for call in CALLS {
        let class = &mut classes[call.class as usize];
        let (_, names) = class.get_or_insert((call.class, Vec::new()));
        names.push(call.name);
    }
    let masked = |mask: u64, value: u64| {
        json!({
            "index": 0,
            "value": mask,
            "valueTwo": value,
            "op": "SCMP_CMP_MASKED_EQ",
        })
    };
    let mut always: Vec<&str> = Vec::new();
    let mut entries = Vec::new();
    for (class, names) in classes.iter().flatten() {
        let mut some = |test: Value| {
            entries.push(json!({
                "names": names,
                "action": "SCMP_ACT_ALLOW",
                "args": [test],
            }));
        };
        match class.rules(set) {
            (rules, ALLOW) if rules.is_empty() => always.extend(names),
            (_, verdict) if verdict == ERRNO | ENOSYS => {
                entries.push(json!({
                    "names": names,
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": ENOSYS,
                }));
            }
            (rules, _) if rules.is_empty() => {}
            _ => match class {
                Class::Socket => {
                    for (bits, first) in FAMILIES {
                        some(masked(LOW & !((1 << bits) - 1), first));
                    }
                }
                Class::Personality => {
                    for persona in PERSONALITIES {
                        some(masked(LOW, persona));
                    }
                }
                _ => some(masked(NEW_NAMESPACES, 0)),
            },
        }
    }
    entries.push(json!({"names": always, "action": "SCMP_ACT_ALLOW"}));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures":
            ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": entries,
    })
}

#[cfg(test)]
mod tests {
    use super::super::compile::tests::{I386, X32, X86_64, run};
    use super::super::{default_filter, profile};
    use super::*;
    use crate::sys::seccomp::Instruction;

    #[test]
    fn it_says_the_same_as_the_filter() {
        for set in [Set(0), Set(0xa804_25fb), Set(u64::MAX)] {
            let text = default_profile(set).to_string();
            let read = profile::compile_text(&text, set, "6.1").unwrap();
            let code = read.unwrap().code;
            let other: Vec<_> =
                code.into_iter().map(Instruction::from).collect();
            let own = default_filter(set);
            let firsts = [0, 8, 38, 40, 37, 63, 0x11, 0x1000_0000, LOW];
            for (audit, bit) in [(X86_64, 0), (X86_64, X32), (I386, 0)] {
                for number in (0..600u32).map(|number| number | bit) {
                    for first in firsts {
                        let args = [first, 0, 0, 0, 0, 0];
                        let wanted = run(&own, audit, number, args);
                        let got = run(&other, audit, number, args);
                        // There is no family beyond 63.
                        let is_socket = matches!(number & !X32, 41 | 359);
                        if is_socket && first > 63 {
                            continue;
                        }
                        assert_eq!(wanted, got, "{number:#x} {first:#x}");
                    }
                }
            }
        }
    }
}
