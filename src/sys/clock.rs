//! Clocks that std does not have: the time since boot, and the local zone.

use std::ffi::CStr;
use std::time::Duration;

use rustix::time::ClockId;

/// Returns the time since boot with suspends counted (`CLOCK_BOOTTIME`).
pub fn boottime() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Returns the time of the clock that suspends stop (`CLOCK_MONOTONIC`).
pub fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Returns how many seconds the local zone is east of UTC at a Unix time,
/// and the zone's abbreviation; UTC if the zone is unknown.
pub fn local_offset(unix: i64) -> (i32, String) {
    unsafe extern "C" {
        fn tzset();
    }
    let utc = || (0, "UTC".to_string());
    // SAFETY: `tm` is plain data for which all zeroes are a valid value,
    // and both pointers are valid for the whole call. No thread of this
    // program changes the environment that `tzset` reads.
    let tm = unsafe {
        tzset();
        let mut tm: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&unix, &mut tm).is_null() {
            return utc();
        }
        tm
    };
    if tm.tm_zone.is_null() {
        return utc();
    }
    // SAFETY: `localtime_r` set `tm_zone` to a NUL-terminated string that
    // lives as long as the program (tzset(3)).
    let zone = unsafe { CStr::from_ptr(tm.tm_zone) };
    (tm.tm_gmtoff as i32, zone.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boottime_only_rises() {
        let first = boottime();
        assert!(boottime() >= first && first > Duration::ZERO);
    }

    #[test]
    fn the_local_zone_has_a_name() {
        let (offset, zone) = local_offset(0);
        assert!(offset.abs() <= 24 * 3600 && !zone.is_empty());
    }
}
