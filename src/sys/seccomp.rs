//! System call filters (seccomp(2)) and programs on cgroups (bpf(2)).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::{Error, Result};

const SECCOMP_SET_MODE_FILTER: u32 = 1;
const BPF_PROG_LOAD: u32 = 5;
const BPF_PROG_ATTACH: u32 = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// One instruction of a classic BPF program (struct sock_filter).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions are passed over if a test holds.
    pub if_true: u8,
    /// How many if it does not.
    pub if_false: u8,
    /// The constant.
    pub k: u32,
}

impl From<Instruction> for u64 {
    fn from(instruction: Instruction) -> u64 {
        let Instruction { code, if_true, if_false, k } = instruction;
        u64::from(code) << 48
            | u64::from(if_true) << 40
            | u64::from(if_false) << 32
            | u64::from(k)
    }
}

impl From<u64> for Instruction {
    fn from(number: u64) -> Instruction {
        Instruction {
            code: (number >> 48) as u16,
            if_true: (number >> 40) as u8,
            if_false: (number >> 32) as u8,
            k: number as u32,
        }
    }
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Puts a filter upon the calling thread, for good, with flags of
/// seccomp(2). EACCES without CAP_SYS_ADMIN and `no_new_privs`; EINVAL for a
/// bad program or a flag that the kernel does not know.
pub fn set_filter(flags: u32, instructions: &[Instruction]) -> Result<()> {
    let length = u16::try_from(instructions.len())
        .map_err(|_| Error::new("seccomp(…)", libc::EINVAL))?;
    let program = Program { length, instructions: instructions.as_ptr() };
    // SAFETY: `program` is a valid struct sock_fprog.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match rc {
        -1 => Err(Error::last("seccomp(SECCOMP_SET_MODE_FILTER, …)")),
        _ => Ok(()),
    }
}

/// Loads an eBPF program that decides about devices (4.15), each
/// instruction as its eight bytes.
pub fn load_device_program(instructions: &[u64]) -> Result<OwnedFd> {
    // union bpf_attr: type, count, pointer to instructions, licence, …
    let licence = c"Apache-2.0";
    let mut attr = [0u64; 16];
    attr[0] = u64::from(BPF_PROG_TYPE_CGROUP_DEVICE)
        | (instructions.len() as u64) << 32;
    attr[1] = instructions.as_ptr() as u64;
    attr[2] = licence.as_ptr() as u64;
    // SAFETY: `attr` is a union bpf_attr, its pointers outlive the call.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            attr.as_ptr(),
            size_of_val(&attr),
        )
    };
    if rc < 0 {
        return Err(Error::last("bpf(BPF_PROG_LOAD, CGROUP_DEVICE)"));
    }
    // SAFETY: the call has returned a new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(rc as RawFd) })
}

/// Attaches a device program to a cgroup (an open directory); it lives as
/// long as the cgroup.
pub fn attach_device_program(
    cgroup: impl AsFd,
    program: impl AsFd,
) -> Result<()> {
    let attr: [u32; 5] = [
        cgroup.as_fd().as_raw_fd() as u32,
        program.as_fd().as_raw_fd() as u32,
        BPF_CGROUP_DEVICE,
        BPF_F_ALLOW_MULTI,
        0,
    ];
    // SAFETY: `attr` is the attach part of a union bpf_attr.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_ATTACH,
            attr.as_ptr(),
            size_of_val(&attr),
        )
    };
    match rc {
        -1 => Err(Error::last("bpf(BPF_PROG_ATTACH, BPF_CGROUP_DEVICE)")),
        _ => Ok(()),
    }
}
