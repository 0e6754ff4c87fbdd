//! AppArmor: the profile that the next executed program runs under.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::runtime::error::{Result, StartError};
use crate::sys;

/// Where a thread asks for a profile (proc(5)): its own place since Linux
/// 5.8, the one that it shares with other modules before.
const PLACES: [&str; 2] =
    ["/proc/thread-self/attr/apparmor/exec", "/proc/thread-self/attr/exec"];

/// Asks for a profile, which takes effect when a program is executed. To be
/// called while `/proc` is the host's: on one of the container's a write
/// could be led elsewhere (CVE-2025-52881).
pub(super) fn ask(profile: &str) -> Result<()> {
    let [own, shared] = PLACES;
    let place = if Path::new(own).exists() { own } else { shared };
    let mut file = OpenOptions::new();
    let asked = file.write(true).open(place).and_then(|mut file| {
        file.write_all(format!("exec {profile}").as_bytes())
    });
    asked.map_err(|error| {
        let error = sys::Error::from_io(place, &error);
        StartError::create(&format!(
            "unable to apply apparmor profile: apparmor failed to apply \
             profile: write {place}: {}",
            error.reason()
        ))
        .with(&error)
    })
}
