//! From actions by number to a program: for each machine a binary search
//! over ranges of numbers with the same action, so that a call takes some
//! ten instructions.

use crate::sys::seccomp::Instruction;

/// What is done with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes through.
    Allow,
    /// EPERM.
    Deny,
    /// ENOSYS.
    Unknown,
    /// Allowed if the first argument is one of these, else EPERM.
    AllowIf(Vec<u32>),
    /// Allowed unless the first argument is one of these, then EPERM.
    AllowUnless(Vec<u32>),
    /// Allowed unless the first argument has one of these bits.
    AllowWithout(u32),
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;

const JUMP_AT_LEAST: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

const RET_ALLOW: u32 = 0x7fff_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_KILL_PROCESS: u32 = 0x8000_0000;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

// Offsets in struct seccomp_data.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;
const X32_BIT: u32 = 0x4000_0000;
/// The first number that x32 has for itself.
const X32_FIRST: u32 = 512;

/// Compiles the three lists: an action for each number from 0 on; all
/// numbers beyond are unknown. A machine of another kind is killed.
///
/// x32 shares the numbers below 512 with x86_64, and so the code for them:
/// a number that it has not itself ends in the kernel with ENOSYS.
pub fn compile(
    x86_64: &[Action],
    x32: &[Action],
    i386: &[Action],
) -> Vec<Instruction> {
    let shared = search(&ranges(x86_64, 0));
    let own = search(&ranges(x32, X32_FIRST));
    let i386 = search(&ranges(i386, 0));
    let mut code = vec![load(ARCH)];
    let mut x32 = vec![and(!X32_BIT)];
    x32.extend(branch(JUMP_AT_LEAST, X32_FIRST, &shared));
    let mut wide = vec![load(NUMBER)];
    wide.push(jump(JUMP_AT_LEAST, X32_BIT, 0, x32.len() as u8));
    wide.extend(x32);
    wide.extend(shared);
    wide.extend(own);
    code.extend(branch_unless_equal(AUDIT_X86_64, &wide));
    code.extend(wide);
    let mut narrow = vec![load(NUMBER)];
    narrow.extend(i386);
    code.extend(branch_unless_equal(AUDIT_I386, &narrow));
    code.extend(narrow);
    code.push(give(RET_KILL_PROCESS));
    code
}

/// A range of numbers: where it begins, and the code for it.
struct Range {
    start: u32,
    code: Vec<Instruction>,
}

/// The ranges of a list, from the number `first` on.
fn ranges(actions: &[Action], first: u32) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let mut last: Option<&Action> = None;
    let end = [Action::Unknown];
    let list = actions.iter().chain(&end).enumerate();
    for (number, action) in list.skip(first as usize) {
        if last != Some(action) {
            let start = number as u32;
            ranges.push(Range { start, code: leaf(action) });
        }
        last = Some(action);
    }
    ranges
}

fn leaf(action: &Action) -> Vec<Instruction> {
    let allow = give(RET_ALLOW);
    let deny = give(RET_ERRNO | EPERM);
    match action {
        Action::Allow => vec![allow],
        Action::Deny => vec![deny],
        Action::Unknown => vec![give(RET_ERRNO | ENOSYS)],
        Action::AllowWithout(bits) => {
            vec![load(FIRST_ARGUMENT), jump(JUMP_SET, *bits, 1, 0), allow, deny]
        }
        Action::AllowIf(list) => any_of(list, deny, allow),
        Action::AllowUnless(list) => any_of(list, allow, deny),
    }
}

/// Code that gives `found` if the first argument is in the list.
fn any_of(
    list: &[u32],
    other: Instruction,
    found: Instruction,
) -> Vec<Instruction> {
    let mut code = vec![load(FIRST_ARGUMENT)];
    for (at, value) in list.iter().enumerate() {
        let over = (list.len() - at) as u8;
        code.push(jump(JUMP_EQUAL, *value, over, 0));
    }
    code.extend([other, found]);
    code
}

/// A binary search over ranges.
fn search(ranges: &[Range]) -> Vec<Instruction> {
    match ranges {
        [] => vec![give(RET_ERRNO | ENOSYS)],
        [only] => only.code.clone(),
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let first = right.first().map_or(0, |range| range.start);
            let left = search(left);
            let mut code = branch(JUMP_AT_LEAST, first, &left);
            code.extend(left);
            code.extend(search(right));
            code
        }
    }
}

/// Jumps over `code` if the test holds. A conditional jump goes 255
/// instructions far; beyond, it takes another.
fn branch(test: u16, k: u32, code: &[Instruction]) -> Vec<Instruction> {
    match u8::try_from(code.len()) {
        Ok(over) => vec![jump(test, k, over, 0)],
        Err(_) => vec![
            jump(test, k, 0, 1),
            Instruction {
                code: JUMP,
                if_true: 0,
                if_false: 0,
                k: code.len() as u32,
            },
        ],
    }
}

/// Jumps over `code` unless the value is `k`.
fn branch_unless_equal(k: u32, code: &[Instruction]) -> Vec<Instruction> {
    vec![
        jump(JUMP_EQUAL, k, 1, 0),
        Instruction {
            code: JUMP,
            if_true: 0,
            if_false: 0,
            k: code.len() as u32,
        },
    ]
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, if_true: 0, if_false: 0, k: offset }
}

fn and(k: u32) -> Instruction {
    Instruction { code: AND, if_true: 0, if_false: 0, k }
}

fn jump(code: u16, k: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code, if_true, if_false, k }
}

fn give(k: u32) -> Instruction {
    Instruction { code: RETURN, if_true: 0, if_false: 0, k }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const ALLOW: u32 = RET_ALLOW;
    pub const KILL: u32 = RET_KILL_PROCESS;

    pub fn errno(number: u32) -> u32 {
        RET_ERRNO | number
    }

    /// Runs a program as the kernel would.
    pub fn run(
        code: &[Instruction],
        arch: u32,
        number: u32,
        args: [u64; 6],
    ) -> u32 {
        let mut data = vec![number, arch, 0, 0];
        for arg in args {
            data.extend([arg as u32, (arg >> 32) as u32]);
        }
        let (mut a, mut at) = (0u32, 0usize);
        loop {
            let i = code[at];
            at += 1;
            let taken = match i.code {
                LOAD => {
                    a = data[i.k as usize / 4];
                    continue;
                }
                AND => {
                    a &= i.k;
                    continue;
                }
                JUMP => {
                    at += i.k as usize;
                    continue;
                }
                RETURN => return i.k,
                JUMP_EQUAL => a == i.k,
                JUMP_AT_LEAST => a >= i.k,
                JUMP_SET => a & i.k != 0,
                code => panic!("instruction {code:#x}"),
            };
            at += usize::from(if taken { i.if_true } else { i.if_false });
        }
    }

    #[test]
    fn long_lists_jump_far() {
        // Allowed and denied in turns: many ranges.
        let list: Vec<Action> = (0..2000)
            .map(|n| match n % 2 {
                0 => Action::Allow,
                _ => Action::Deny,
            })
            .collect();
        let code = compile(&list, &[], &list);
        for number in 0..2000u32 {
            let wanted = match number % 2 {
                0 => ALLOW,
                _ => errno(EPERM),
            };
            assert_eq!(run(&code, AUDIT_X86_64, number, [0; 6]), wanted);
            assert_eq!(run(&code, AUDIT_I386, number, [0; 6]), wanted);
        }
        let x32 = |number| run(&code, AUDIT_X86_64, X32_BIT | number, [0; 6]);
        assert_eq!(x32(5), errno(EPERM));
        assert_eq!(x32(600), errno(ENOSYS));
        assert_eq!(run(&code, 7, 0, [0; 6]), KILL);
    }
}
