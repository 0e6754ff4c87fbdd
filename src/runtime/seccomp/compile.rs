//! From what is done with each call to a program: for each machine a binary
//! search over ranges of numbers that are treated alike, so that a call
//! takes some ten instructions.
//!
//! Only those instructions are used by which a kernel (5.11) finds out
//! beforehand which calls are always allowed: it does not run the program
//! for them at all.

use crate::sys::seccomp::Instruction;

/// What the kernel does with a call: a value of SECCOMP_RET_* (seccomp(2)).
pub type Verdict = u32;

/// It goes through.
pub const ALLOW: Verdict = 0x7fff_0000;
/// It goes through and is logged.
pub const LOG: Verdict = 0x7ffc_0000;
/// A tracer is asked; the number that it gets is in the lower half.
pub const TRACE: Verdict = 0x7ff0_0000;
/// It fails with the number in the lower half.
pub const ERRNO: Verdict = 0x0005_0000;
/// SIGSYS.
pub const TRAP: Verdict = 0x0003_0000;
/// The thread ends.
pub const KILL_THREAD: Verdict = 0;
/// The process ends.
pub const KILL_PROCESS: Verdict = 0x8000_0000;

/// Number of a call that fails for want of a permission.
pub const EPERM: u32 = 1;
/// Number of a call that does not exist.
pub const ENOSYS: u32 = 38;

/// The most instructions that a kernel takes (BPF_MAXINSNS).
pub const LONGEST: usize = 4096;

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Differs from the value.
    Ne,
    /// Is less.
    Lt,
    /// Is less or the same.
    Le,
    /// Is the same.
    Eq,
    /// Is greater or the same.
    Ge,
    /// Is greater.
    Gt,
    /// What the value masks of it is the second value.
    MaskedEq,
}

/// How much of an argument is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// The lower 32 bits.
    Low,
    /// All 64.
    Full,
}

/// A test of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// Which argument, from 0 to 5.
    pub index: u8,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub value: u64,
    /// For [`Op::MaskedEq`]: what is left behind the mask.
    pub second: u64,
}

/// What is done with a call if all tests hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The tests.
    pub tests: Vec<Test>,
    /// What is done.
    pub verdict: Verdict,
}

/// What is done with the calls of one kind of machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// For each number from 0 on, which of the leaves.
    pub numbers: Vec<u16>,
    /// What is done with all numbers beyond.
    pub beyond: Verdict,
}

/// Pieces of code that end with a verdict, each kept once.
#[derive(Debug, Default)]
pub struct Leaves(Vec<Vec<Instruction>>);

impl Leaves {
    /// Keeps the code for rules, of which the first that fits decides, and
    /// for what is done if none does. Returns its place.
    pub fn add(
        &mut self,
        rules: &[Rule],
        otherwise: Verdict,
        width: Width,
    ) -> u16 {
        let mut code = Vec::new();
        for rule in rules {
            code.extend(conditional(rule, width));
        }
        code.push(give(otherwise));
        let at = self.0.iter().position(|known| *known == code);
        let at = at.unwrap_or_else(|| {
            self.0.push(code);
            self.0.len() - 1
        });
        at as u16
    }
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

// Offsets in struct seccomp_data.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;
const X32_BIT: u32 = 0x4000_0000;
/// The first number that x32 has for itself.
const X32_FIRST: u32 = 512;

/// Compiles what is done with the calls of three machines; a process of
/// one that is not given, or of another kind, is killed.
///
/// x32 shares the numbers below 512 with x86_64, and so the code for them:
/// a number that it has not itself ends in the kernel with ENOSYS.
pub fn compile(
    leaves: &Leaves,
    x86_64: &Machine,
    x32: Option<&Machine>,
    i386: Option<&Machine>,
) -> Vec<Instruction> {
    let kill = vec![give(KILL_PROCESS)];
    let list = |machine: Option<&Machine>, first| match machine {
        Some(machine) => search(leaves, &ranges(machine, first)),
        None => kill.clone(),
    };
    let shared = list(Some(x86_64), 0);
    let mut other = Vec::new();
    if x32.is_some() {
        other.push(and(!X32_BIT));
        other.extend(branch(JUMP_AT_LEAST, X32_FIRST, &shared));
        // Below: on to what is shared.
    } else {
        other.extend(kill.clone());
    }
    let mut wide = vec![load(NUMBER)];
    wide.push(jump(JUMP_AT_LEAST, X32_BIT, 0, other.len() as u8));
    wide.extend(other);
    wide.extend(shared);
    if x32.is_some() {
        wide.extend(list(x32, X32_FIRST));
    }
    let mut code = vec![load(ARCH)];
    code.extend(branch_unless_equal(AUDIT_X86_64, &wide));
    code.extend(wide);
    if i386.is_some() {
        let mut narrow = vec![load(NUMBER)];
        narrow.extend(list(i386, 0));
        code.extend(branch_unless_equal(AUDIT_I386, &narrow));
        code.extend(narrow);
    }
    code.extend(kill);
    code
}

/// A range of numbers: where it begins, and what is done there.
struct Range {
    start: u32,
    leaf: Leaf,
}

/// What is done in a range.
#[derive(Clone, Copy, PartialEq)]
enum Leaf {
    Kept(u16),
    Plain(Verdict),
}

/// The ranges of a machine, from the number `first` on.
fn ranges(machine: &Machine, first: u32) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let kept = machine.numbers.iter().map(|leaf| Leaf::Kept(*leaf));
    let all = kept.chain([Leaf::Plain(machine.beyond)]).enumerate();
    let last = machine.numbers.len();
    for (number, leaf) in all.skip(last.min(first as usize)) {
        if ranges.last().is_none_or(|range| range.leaf != leaf) {
            ranges.push(Range { start: number as u32, leaf });
        }
    }
    ranges
}

/// A binary search over ranges.
fn search(leaves: &Leaves, ranges: &[Range]) -> Vec<Instruction> {
    match ranges {
        [] => vec![give(ERRNO | ENOSYS)],
        [only] => match only.leaf {
            Leaf::Kept(at) => leaves.0[usize::from(at)].clone(),
            Leaf::Plain(verdict) => vec![give(verdict)],
        },
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let first = right.first().map_or(0, |range| range.start);
            let left = search(leaves, left);
            let mut code = branch(JUMP_AT_LEAST, first, &left);
            code.extend(left);
            code.extend(search(leaves, right));
            code
        }
    }
}

/// Where a jump in a test leads to, until it is known how far that is: to
/// the next rule, or to the next test.
const FAIL: u8 = 255;
const PASS: u8 = 254;

/// Code that gives the verdict if all tests hold, and else goes on behind
/// itself. It is short: there are six arguments, so six tests at most.
fn conditional(rule: &Rule, width: Width) -> Vec<Instruction> {
    let mut code = Vec::new();
    for test in &rule.tests {
        let mut piece = test_argument(test, width);
        let end = piece.len();
        for (at, instruction) in piece.iter_mut().enumerate() {
            let rest = (end - at - 1) as u8;
            for way in [&mut instruction.if_true, &mut instruction.if_false] {
                if *way == PASS {
                    *way = rest;
                }
            }
        }
        code.extend(piece);
    }
    code.push(give(rule.verdict));
    let end = code.len();
    for (at, instruction) in code.iter_mut().enumerate() {
        let rest = (end - at - 1) as u8;
        for way in [&mut instruction.if_true, &mut instruction.if_false] {
            if *way == FAIL {
                *way = rest;
            }
        }
    }
    code
}

/// Compares the upper half, and where that does not decide the lower one.
fn test_argument(test: &Test, width: Width) -> Vec<Instruction> {
    let Test { index, op, value, second } = *test;
    let low = ARGUMENTS + 8 * u32::from(index);
    let high = load(low + 4);
    let halves = |n: u64| ((n >> 32) as u32, n as u32);
    let (upper, lower) = halves(value);
    let (upper_second, lower_second) = halves(second & value);
    let mut code = match (width, op) {
        (Width::Low, _) => Vec::new(),
        (_, Op::Eq) => vec![high, jump(JUMP_EQUAL, upper, 0, FAIL)],
        (_, Op::Ne) => vec![high, jump(JUMP_EQUAL, upper, 0, PASS)],
        (_, Op::Gt | Op::Ge) => vec![
            high,
            jump(JUMP_GREATER, upper, PASS, 0),
            jump(JUMP_EQUAL, upper, 0, FAIL),
        ],
        (_, Op::Lt | Op::Le) => vec![
            high,
            jump(JUMP_GREATER, upper, FAIL, 0),
            jump(JUMP_EQUAL, upper, 0, PASS),
        ],
        (_, Op::MaskedEq) => {
            vec![high, and(upper), jump(JUMP_EQUAL, upper_second, 0, FAIL)]
        }
    };
    code.push(load(low));
    if op == Op::MaskedEq {
        code.push(and(lower));
    }
    code.push(match op {
        Op::Eq => jump(JUMP_EQUAL, lower, 0, FAIL),
        Op::Ne => jump(JUMP_EQUAL, lower, FAIL, 0),
        Op::Gt => jump(JUMP_GREATER, lower, 0, FAIL),
        Op::Ge => jump(JUMP_AT_LEAST, lower, 0, FAIL),
        Op::Lt => jump(JUMP_AT_LEAST, lower, FAIL, 0),
        Op::Le => jump(JUMP_GREATER, lower, FAIL, 0),
        Op::MaskedEq => jump(JUMP_EQUAL, lower_second, 0, FAIL),
    });
    code
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
pub(super) mod tests;
