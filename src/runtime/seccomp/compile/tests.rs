//! Programs run as the kernel would run them.

use super::*;

pub const X86_64: u32 = AUDIT_X86_64;
pub const I386: u32 = AUDIT_I386;
pub const X32: u32 = X32_BIT;

pub fn errno(number: u32) -> u32 {
    ERRNO | number
}

/// Runs a program as the kernel would; tells the verdict and how many
/// instructions it took.
pub fn trace(
    code: &[Instruction],
    arch: u32,
    number: u32,
    args: [u64; 6],
) -> (u32, usize) {
    let mut data = vec![number, arch, 0, 0];
    for arg in args {
        data.extend([arg as u32, (arg >> 32) as u32]);
    }
    let (mut a, mut at, mut steps) = (0u32, 0usize, 0);
    loop {
        let i = code[at];
        at += 1;
        steps += 1;
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
            RETURN => return (i.k, steps),
            JUMP_EQUAL => a == i.k,
            JUMP_GREATER => a > i.k,
            JUMP_AT_LEAST => a >= i.k,
            code => panic!("instruction {code:#x}"),
        };
        at += usize::from(if taken { i.if_true } else { i.if_false });
    }
}

pub fn run(
    code: &[Instruction],
    arch: u32,
    number: u32,
    args: [u64; 6],
) -> u32 {
    trace(code, arch, number, args).0
}

fn machine(numbers: Vec<u16>) -> Machine {
    Machine { numbers, beyond: errno(ENOSYS) }
}

#[test]
fn long_lists_jump_far() {
    // Allowed and denied in turns: many ranges.
    let mut leaves = Leaves::default();
    let allow = leaves.add(&[], ALLOW, Width::Low);
    let deny = leaves.add(&[], errno(EPERM), Width::Low);
    assert_eq!(leaves.add(&[], ALLOW, Width::Full), allow);
    let list = [allow, deny].repeat(1000);
    let list = machine(list);
    let none = machine(Vec::new());
    let code = compile(&leaves, &list, Some(&none), Some(&list));
    for number in 0..2000u32 {
        let wanted = match number % 2 {
            0 => ALLOW,
            _ => errno(EPERM),
        };
        assert_eq!(run(&code, X86_64, number, [0; 6]), wanted);
        assert_eq!(run(&code, I386, number, [0; 6]), wanted);
    }
    let x32 = |number| run(&code, X86_64, X32 | number, [0; 6]);
    assert_eq!(x32(5), errno(EPERM));
    assert_eq!(x32(600), errno(ENOSYS));
    assert_eq!(run(&code, 7, 0, [0; 6]), KILL_PROCESS);
}

#[test]
fn machines_that_are_not_given_are_killed() {
    let mut leaves = Leaves::default();
    let list = machine(vec![leaves.add(&[], ALLOW, Width::Low)]);
    let code = compile(&leaves, &list, None, None);
    assert_eq!(run(&code, X86_64, 0, [0; 6]), ALLOW);
    assert_eq!(run(&code, X86_64, X32, [0; 6]), KILL_PROCESS);
    assert_eq!(run(&code, I386, 0, [0; 6]), KILL_PROCESS);
}

#[test]
fn arguments_are_compared_as_numbers_are() {
    let ops = [
        (Op::Ne, u64::ne as fn(&u64, &u64) -> bool),
        (Op::Lt, |a, b| a < b),
        (Op::Le, |a, b| a <= b),
        (Op::Eq, |a, b| a == b),
        (Op::Ge, |a, b| a >= b),
        (Op::Gt, |a, b| a > b),
        (Op::MaskedEq, |a, mask| a & mask == 0x1_0000_0001 & mask),
    ];
    let halves = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    let numbers: Vec<u64> = halves
        .iter()
        .flat_map(|high| halves.map(|low| high << 32 | low))
        .collect();
    for (op, holds) in ops {
        for value in &numbers {
            for (width, mask) in
                [(Width::Full, u64::MAX), (Width::Low, 0xffff_ffff)]
            {
                let second = 0x1_0000_0001;
                let test = Test { index: 3, op, value: *value, second };
                // The second test only holds with the first.
                let last = Test { index: 5, op: Op::Eq, value: 7, second };
                let rule = Rule { tests: vec![test, last], verdict: LOG };
                let mut leaves = Leaves::default();
                let leaf = leaves.add(&[rule], TRAP, width);
                let list = machine(vec![leaf]);
                let code = compile(&leaves, &list, None, None);
                for arg in &numbers {
                    let got = |last| {
                        let args = [0, 0, 0, *arg, 0, last];
                        run(&code, X86_64, 0, args)
                    };
                    let wanted = holds(&(arg & mask), &(value & mask));
                    let wanted = if wanted { LOG } else { TRAP };
                    let said = format!("{arg:x} {op:?} {value:x}");
                    assert_eq!(got(7), wanted, "{said}");
                    assert_eq!(got(8), TRAP, "{said}");
                }
            }
        }
    }
}
