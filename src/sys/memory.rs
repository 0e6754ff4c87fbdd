//! The memory of the calling process: fewer arenas, freed pages given back,
//! and program text that can be read again from the file.

use std::mem::MaybeUninit;

use super::{Error, Result};

/// Limits malloc to one arena (`M_ARENA_MAX`, mallopt(3)) and keeps large
/// blocks out of the heap. Each further arena reserves 64 MB of addresses
/// and keeps its own free pages. To be called first in `main`.
pub fn use_one_arena() {
    // SAFETY: mallopt has no memory preconditions.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // A fixed threshold: by default it grows with each large block
        // that is freed, and then those blocks stay in the heap.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * 1024);
    }
}

/// Gives malloc's free pages back to the kernel (malloc_trim(3)).
pub fn trim_heap() {
    // SAFETY: malloc_trim has no memory preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Drops the pages of the program's own text and constants from this
/// process; what is needed again comes back from the page cache. Makes the
/// RSS of a process that will mostly sleep small.
pub fn drop_text() {
    for segment in program_headers() {
        let clean = segment.p_flags & libc::PF_W == 0;
        if segment.p_type != libc::PT_LOAD || !clean {
            continue;
        }
        let base = load_bias();
        let start = (base + segment.p_vaddr as usize) & !(PAGE - 1);
        let end = base + segment.p_vaddr as usize + segment.p_memsz as usize;
        let len = (end - start).next_multiple_of(PAGE);
        // SAFETY: the range is a mapped, never written segment of the
        // program file: its pages are clean copies of the file, so that
        // dropping them changes no byte.
        unsafe {
            // Or the next touch of one page maps two megabytes.
            libc::madvise(start as *mut _, len, libc::MADV_NOHUGEPAGE);
            libc::madvise(start as *mut _, len, libc::MADV_DONTNEED);
        }
    }
}

/// Gives the calling thread's unused stack back to the kernel. To be called
/// when a thread ends: the C library keeps the stacks of ended threads for
/// new ones, with all that they ever touched.
pub fn drop_stack() {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised by the first call, read by the
    // second and destroyed by the third; both results are written to valid
    // places.
    let is_known = unsafe {
        let own = libc::pthread_self();
        libc::pthread_getattr_np(own, attributes.as_mut_ptr()) == 0 && {
            let got = libc::pthread_attr_getstack(
                attributes.as_ptr(),
                &mut low,
                &mut size,
            );
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            got == 0
        }
    };
    // What lies this far below the current frame is used by nobody: the
    // frames of the call that drops it are smaller.
    const MARGIN: usize = 2048;
    let here = (&raw const attributes).addr();
    let end = here.saturating_sub(MARGIN) & !(PAGE - 1);
    let (start, high) = (low.addr(), low.addr() + size);
    if !is_known || !(start..high).contains(&here) || end <= start {
        return;
    }
    // SAFETY: the range is the part of this thread's own stack below every
    // live frame: nobody reads it before writing it.
    unsafe {
        libc::madvise(low, end - start, libc::MADV_DONTNEED);
    }
}

/// Returns the resident set of the calling process in bytes.
pub fn resident() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")
        .map_err(|e| Error::from_io("read(\"/proc/self/statm\")", &e))?;
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    Ok(pages.unwrap_or(0) * PAGE as u64)
}

/// What malloc has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that it got from the kernel.
    pub obtained: u64,
}

/// Returns what malloc has (mallinfo(3)).
pub fn usage() -> Usage {
    // SAFETY: mallinfo2 has no preconditions.
    let info = unsafe { libc::mallinfo2() };
    Usage {
        used: (info.uordblks + info.hblkhd) as u64,
        obtained: (info.arena + info.hblkhd) as u64,
    }
}

/// The program's machine code, as it is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its first address.
    pub start: u64,
    /// The address behind its last one.
    pub limit: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// The file's path.
    pub file: String,
    /// The number that the linker gave it and its symbols, in hexadecimal.
    pub build_id: String,
}

/// Returns where the program's machine code is.
pub fn program_text() -> Option<Text> {
    let headers = program_headers();
    let code = headers
        .iter()
        .find(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_X != 0)?;
    let page = PAGE as u64 - 1;
    let bias = load_bias() as u64;
    let file = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    Some(Text {
        start: bias + (code.p_vaddr & !page),
        limit: (bias + code.p_vaddr + code.p_memsz + page) & !page,
        offset: code.p_offset & !page,
        file: file.to_string_lossy().into_owned(),
        build_id: headers.iter().find_map(build_id).unwrap_or_default(),
    })
}

/// Finds the build id among the notes of a segment (elf(5)).
fn build_id(header: &libc::Elf64_Phdr) -> Option<String> {
    const GNU_BUILD_ID: u32 = 3;
    if header.p_type != libc::PT_NOTE {
        return None;
    }
    let start = load_bias() + header.p_vaddr as usize;
    // SAFETY: a segment of notes is mapped, read-only, as long as the
    // process lives.
    let mut notes = unsafe {
        let length = header.p_memsz as usize;
        std::slice::from_raw_parts(start as *const u8, length)
    };
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let word = |at: usize| {
            u32::from_ne_bytes([
                head[at],
                head[at + 1],
                head[at + 2],
                head[at + 3],
            ])
        };
        let name_length = (word(0) as usize).next_multiple_of(4);
        let (name, rest) = rest.split_at_checked(name_length)?;
        let length = word(4) as usize;
        let content = rest.get(..length)?;
        if word(8) == GNU_BUILD_ID && name.starts_with(b"GNU\0") {
            return Some(content.iter().map(|b| format!("{b:02x}")).collect());
        }
        notes = rest.get(length.next_multiple_of(4)..)?;
    }
}

/// Copies memory of the calling process, up to the next page's start at
/// most, and returns how many bytes came: none if the address is not mapped
/// (process_vm_readv(2)). Fit for signal handlers.
pub(super) fn copy_own(address: usize, into: &mut [usize]) -> usize {
    let length = size_of_val(into).min(PAGE - address % PAGE);
    let local =
        libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: length };
    let remote = libc::iovec { iov_base: address as *mut _, iov_len: length };
    // SAFETY: the local range lies within `into`; the kernel checks the
    // remote one.
    let copied = unsafe {
        let own = libc::getpid();
        libc::process_vm_readv(own, &local, 1, &remote, 1, 0)
    };
    usize::try_from(copied).unwrap_or(0) & !7
}

/// Returns the segment of the program that holds its unwind tables, the
/// address of its first byte, and that of the tables' header.
pub(super) fn unwind_tables() -> Option<(&'static [u8], usize, usize)> {
    let headers = program_headers();
    let header = headers.iter().find(|h| h.p_type == libc::PT_GNU_EH_FRAME)?;
    let segment = headers.iter().find(|h| {
        let range = h.p_vaddr..h.p_vaddr + h.p_filesz;
        h.p_type == libc::PT_LOAD
            && h.p_flags & libc::PF_W == 0
            && range.contains(&header.p_vaddr)
    })?;
    let base = load_bias() + segment.p_vaddr as usize;
    // SAFETY: a read-only segment of the program is mapped as long as the
    // process lives.
    let bytes = unsafe {
        std::slice::from_raw_parts(base as *const u8, segment.p_filesz as usize)
    };
    Some((bytes, base, load_bias() + header.p_vaddr as usize))
}

/// The page size of x86_64.
const PAGE: usize = 4096;

fn program_headers() -> &'static [libc::Elf64_Phdr] {
    // SAFETY: getauxval has no preconditions; AT_PHDR is the address of the
    // program's own headers and AT_PHNUM their number (getauxval(3)); they
    // stay mapped, unchanged, as long as the process lives.
    unsafe {
        let at = libc::getauxval(libc::AT_PHDR) as *const libc::Elf64_Phdr;
        let count = libc::getauxval(libc::AT_PHNUM) as usize;
        if at.is_null() {
            return &[];
        }
        std::slice::from_raw_parts(at, count)
    }
}

/// Returns by how much the kernel moved the program from its linked
/// addresses: 0 unless it is position independent.
fn load_bias() -> usize {
    let headers = program_headers();
    let own = headers.iter().find(|h| h.p_type == libc::PT_PHDR);
    own.map_or(0, |h| headers.as_ptr() as usize - h.p_vaddr as usize)
}

/// Finds a byte, at the C library's speed (`memchr(3)`).
pub fn find_byte(bytes: &[u8], byte: u8) -> Option<usize> {
    let start = bytes.as_ptr();
    // SAFETY: `bytes` can be read for its whole length.
    let found = unsafe { libc::memchr(start.cast(), byte.into(), bytes.len()) };
    (!found.is_null()).then(|| found as usize - start as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn touch(depth: usize) -> usize {
        let page = std::hint::black_box([depth as u8; PAGE]);
        let below = if depth > 0 { touch(depth - 1) } else { 0 };
        below + page.iter().map(|&b| usize::from(b)).sum::<usize>()
    }

    #[test]
    fn a_stack_can_be_used_after_it_was_dropped() {
        let thread = std::thread::spawn(|| {
            let before = touch(20);
            drop_stack();
            (before, touch(20))
        });
        let (before, after) = thread.join().unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn a_process_runs_on_after_its_text_was_dropped() {
        let before = resident().unwrap();
        drop_text();
        trim_heap();
        assert!(before > 0 && resident().unwrap() > 0);
    }

    #[test]
    fn the_programs_text_is_where_its_functions_are() {
        let text = program_text().unwrap();
        let own = program_text as *const () as u64;
        assert!((text.start..text.limit).contains(&own), "{text:x?}");
        assert!(text.file.contains("skiff"), "{text:?}");
        assert!(text.build_id.len() >= 16, "{text:?}");
    }

    #[test]
    fn what_is_allocated_is_in_use() {
        let held = vec![1u8; 32 << 20];
        let usage = usage();
        assert!(usage.used > held.len() as u64, "{usage:?}");
        assert!(usage.obtained >= usage.used, "{usage:?}");
    }

    #[test]
    fn what_is_not_mapped_is_not_copied() {
        let (value, mut into) = ([7usize; 4], [0usize; 2]);
        assert_eq!(copy_own(value.as_ptr() as usize, &mut into), 16);
        assert_eq!(into, [7; 2]);
        assert_eq!(copy_own(8, &mut into), 0);
    }
}
