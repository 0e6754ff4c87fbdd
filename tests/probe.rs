//! A program that cases run in containers: it makes the system calls that
//! it is told to make. Not a part of the tests' own program: they have it
//! compiled (see `harness/probe.rs`), so it needs nothing but std.
//!
//! ```text
//! probe call NUMBER ARGUMENT…      a call of x86_64
//! probe x32 NUMBER ARGUMENT…       a call of x32
//! probe i386 NUMBER ARGUMENT…      a call of i386, by int 0x80
//! probe hold PATH                  holds an O_PATH descriptor, then writes
//! probe setcap PATH PERMITTED INHERITABLE   gives a file capabilities
//! ```
//!
//! A call's result is printed: `ok N` or `errno N`. An argument is a number
//! (`0x…` too) or `@TEXT`, the address of that text.

use std::arch::asm;
use std::ffi::CString;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["call", number, args @ ..] => {
            show(call(value(number), &values(args)));
        }
        ["x32", number, args @ ..] => {
            show(call(0x4000_0000 | value(number), &values(args)));
        }
        ["i386", number, args @ ..] => {
            show(old_call(value(number) as u32, &values(args)));
        }
        ["hold", path] => hold(path),
        ["setcap", path, permitted, inheritable] => {
            set_capabilities(path, value(permitted), value(inheritable));
        }
        _ => {
            eprintln!("probe: {words:?}");
            std::process::exit(2);
        }
    }
}

fn show(result: i64) {
    match result {
        -4095..0 => println!("errno {}", -result),
        fine => println!("ok {fine}"),
    }
}

fn value(word: &str) -> u64 {
    if let Some(text) = word.strip_prefix('@') {
        // Never freed: a call may keep the address.
        let text = CString::new(text).expect("no NUL in a word");
        return text.into_raw() as u64;
    }
    let number = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse::<i64>().map(|number| number as u64),
    };
    number.expect("a number")
}

fn values(words: &[&str]) -> [u64; 6] {
    let mut all = [0; 6];
    for (place, word) in all.iter_mut().zip(words) {
        *place = value(word);
    }
    all
}

fn call(number: u64, args: &[u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: what the call does is what the caller of this program wants.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

fn old_call(number: u32, args: &[u64; 6]) -> i64 {
    let result: i32;
    // SAFETY: as above; the compiler keeps rbx for itself.
    unsafe {
        asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) args[0] => _,
            inlateout("eax") number => result,
            in("ecx") args[1] as u32,
            in("edx") args[2] as u32,
            in("esi") args[3] as u32,
            in("edi") args[4] as u32,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    i64::from(result)
}

/// Takes hold of a file, waits while programs are executed from it, and
/// writes (CVE-2019-5736).
fn hold(path: &str) {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    const O_PATH: i32 = 0o10_000_000;
    let held = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(O_PATH)
        .open(path);
    let held = match held {
        Ok(held) => held,
        Err(error) => return println!("open: {error}"),
    };
    println!("holding");
    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    loop {
        match std::fs::OpenOptions::new().write(true).open(&again) {
            Ok(mut file) => {
                let written = file.write_all(b"overwritten");
                return println!("written: {written:?}");
            }
            Err(error) if error.raw_os_error() == Some(26) => {}
            Err(error) => return println!("refused: {error}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Sets `security.capability` (linux/capability.h, version 2).
fn set_capabilities(path: &str, permitted: u64, inheritable: u64) {
    const VERSION_2_EFFECTIVE: u32 = 0x0200_0001;
    let words = [
        VERSION_2_EFFECTIVE,
        permitted as u32,
        inheritable as u32,
        (permitted >> 32) as u32,
        (inheritable >> 32) as u32,
    ];
    let data: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let path = CString::new(path).expect("no NUL in a word");
    let args = [
        path.as_ptr() as u64,
        c"security.capability".as_ptr() as u64,
        data.as_ptr() as u64,
        data.len() as u64,
        0,
        0,
    ];
    show(call(188, &args));
}
