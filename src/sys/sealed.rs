//! A copy of a file in memory that nobody can change (`memfd_create(2)`,
//! `F_ADD_SEALS` of fcntl(2)).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::{Error, Result};

/// Copies what is left to read of a file, and seals the copy.
pub fn copy(file: &mut File) -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create(c"skiff", flags)
        .map_err(|e| Error::from_rustix("memfd_create(\"skiff\", …)", e))?;
    let mut memory = File::from(memory);
    io::copy(file, &mut memory)
        .map_err(|e| Error::from_io("copy to a memfd", &e))?;
    let seals = SealFlags::SEAL
        | SealFlags::SHRINK
        | SealFlags::GROW
        | SealFlags::WRITE;
    fcntl_add_seals(&memory, seals)
        .map_err(|e| Error::from_rustix("fcntl(…, F_ADD_SEALS, …)", e))?;
    Ok(memory.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_sealed_copy_holds_the_bytes_and_takes_no_others() {
        let mut file = File::open("/proc/self/exe").unwrap();
        let mut whole = Vec::new();
        file.read_to_end(&mut whole).unwrap();
        file.rewind().unwrap();
        let mut copy = File::from(copy(&mut file).unwrap());
        assert!(copy.write_all(b"x").is_err());
        assert!(copy.set_len(0).is_err());
        copy.rewind().unwrap();
        let mut bytes = Vec::new();
        copy.read_to_end(&mut bytes).unwrap();
        assert!(bytes == whole);
    }
}
