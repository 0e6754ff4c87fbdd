//! Walks a stack by the program's own unwind tables (`.eh_frame`), from
//! within a signal handler too: no allocation, no lock, bounded steps, and
//! the stack is only read where the kernel says that it can be.
//!
//! Frame pointers would make every function longer (the C library has none
//! anyway), and the C runtime's unwinder takes locks. The tables are in the
//! file for panics already. What is not understood (DWARF expressions, code
//! outside of the program) ends the walk: a shorter stack, never a wrong
//! one.

mod tables;

use std::sync::OnceLock;

use super::memory;
use tables::Tables;

/// The most frames of one stack.
pub const DEPTH: usize = 64;

/// The registers by their DWARF numbers (System V ABI for AMD64, fig. 3.36):
/// those that calls preserve are tracked.
const RSP: usize = 7;
const RETURN: usize = 16;
const REGISTERS: usize = 17;

/// The state of a thread: what a walk starts from.
#[derive(Clone, Copy, Debug)]
pub struct Registers([usize; REGISTERS]);

impl Registers {
    /// Returns those of the calling function.
    #[inline(always)]
    pub fn here() -> Registers {
        let mut values = [0usize; REGISTERS];
        // SAFETY: writes within `values`, at the offsets of the DWARF
        // numbers; reads registers only.
        unsafe {
            std::arch::asm!(
                "mov [{at} + 3 * 8], rbx",
                "mov [{at} + 6 * 8], rbp",
                "mov [{at} + 7 * 8], rsp",
                "mov [{at} + 12 * 8], r12",
                "mov [{at} + 13 * 8], r13",
                "mov [{at} + 14 * 8], r14",
                "mov [{at} + 15 * 8], r15",
                "lea {pc}, [rip]",
                "mov [{at} + 16 * 8], {pc}",
                at = in(reg) values.as_mut_ptr(),
                pc = out(reg) _,
                options(nostack, preserves_flags),
            );
        }
        Registers(values)
    }

    /// Returns those that a signal interrupted.
    pub(super) fn interrupted(context: &libc::ucontext_t) -> Registers {
        let general = &context.uc_mcontext.gregs;
        let mut values = [0; REGISTERS];
        for (dwarf, name) in [
            (3, libc::REG_RBX),
            (6, libc::REG_RBP),
            (RSP, libc::REG_RSP),
            (12, libc::REG_R12),
            (13, libc::REG_R13),
            (14, libc::REG_R14),
            (15, libc::REG_R15),
            (RETURN, libc::REG_RIP),
        ] {
            values[dwarf] = general[name as usize] as usize;
        }
        Registers(values)
    }
}

/// The addresses of a stack, innermost first. The first one is where the
/// thread is, the others are where calls return to.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    frames: [usize; DEPTH],
    depth: usize,
}

impl Stack {
    /// Returns the addresses.
    pub fn frames(&self) -> &[usize] {
        &self.frames[..self.depth]
    }
}

/// Finds the tables; to be called before the first walk that must not
/// wait.
pub fn prepare() {
    let _ = tables();
}

/// Walks the stack of the calling thread that these registers are of.
pub fn walk(registers: Registers) -> Stack {
    let mut registers = registers;
    let mut stack = Stack { frames: [0; DEPTH], depth: 0 };
    let mut memory = Window::default();
    while stack.depth < DEPTH {
        let place = registers.0[RETURN];
        stack.frames[stack.depth] = place;
        stack.depth += 1;
        // A call may be the last instruction of its function, and then the
        // return address belongs to the next one.
        let inside = place - usize::from(stack.depth > 1 && place > 0);
        let Some(tables) = TABLES.get().and_then(Option::as_ref) else { break };
        let Some(row) = tables.row(inside) else { break };
        if row.step(&mut registers, &mut memory).is_none() {
            break;
        }
    }
    stack
}

/// Returns where the function around an address begins.
pub fn function_of(address: usize) -> Option<usize> {
    Some(tables()?.function(address)?.start)
}

static TABLES: OnceLock<Option<Tables>> = OnceLock::new();

fn tables() -> Option<&'static Tables> {
    TABLES
        .get_or_init(|| {
            let (bytes, base, header) = memory::unwind_tables()?;
            Some(Tables { bytes, base, header })
        })
        .as_ref()
}

/// A part of the stack, copied by the kernel: an address that is not mapped
/// is an error there, not a crash here.
struct Window {
    start: usize,
    length: usize,
    words: [usize; Window::WORDS],
}

impl Default for Window {
    fn default() -> Window {
        Window { start: 0, length: 0, words: [0; Window::WORDS] }
    }
}

impl Window {
    const WORDS: usize = 64;

    fn word(&mut self, address: usize) -> Option<usize> {
        if !address.is_multiple_of(8) || address == 0 {
            return None;
        }
        if !(self.start..self.start + self.length).contains(&address) {
            self.length = memory::copy_own(address, &mut self.words);
            self.start = address;
        }
        let index = address.checked_sub(self.start)? / 8;
        (address < self.start + self.length).then(|| self.words[index])
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[inline(never)]
    fn inner() -> Stack {
        let stack = walk(black_box(Registers::here()));
        black_box(stack)
    }

    #[inline(never)]
    fn outer() -> Stack {
        black_box(inner())
    }

    #[test]
    fn a_walk_finds_the_callers_up_to_the_threads_start() {
        prepare();
        let stack = std::thread::spawn(outer).join().unwrap();
        let functions: Vec<_> =
            stack.frames().iter().map(|f| function_of(*f - 1)).collect();
        assert_eq!(functions[0], Some(inner as *const () as usize));
        assert_eq!(functions[1], Some(outer as *const () as usize));
        // Through std, down to the C library's start of a thread.
        assert!(functions.len() > 6, "{functions:x?}");
        assert!(functions.len() < DEPTH, "{functions:x?}");
    }

    #[test]
    fn wild_registers_end_the_walk() {
        prepare();
        for sp in [0, 8, 4096, usize::MAX & !7, 0x7fff_ffff_f000] {
            let mut registers = Registers::here();
            registers.0[RSP] = sp;
            registers.0[6] = sp;
            assert!(!walk(registers).frames().is_empty());
            registers.0[RETURN] = sp;
            assert_eq!(walk(registers).frames(), [sp]);
        }
    }
}
