//! Random bytes from the kernel: `getrandom(2)`.

use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

use super::{Error, Result};

/// Fills `bytes` with random bytes; waits only while a machine that has
/// just booted has none yet.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let rest = &mut bytes[done..];
        match rustix::rand::getrandom(rest, GetRandomFlags::empty()) {
            Err(Errno::INTR) => continue,
            Err(e) => return Err(Error::from_rustix("getrandom(…)", e)),
            Ok(got) => done += got,
        }
    }
    Ok(())
}

/// Returns `N` random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes).expect("getrandom never fails since Linux 3.17");
    bytes
}
