//! The two small records in a container's run directory: `state.json`
//! while it runs, `exit.json` after. The directory lies on a tmpfs, so they
//! are not synced; both carry the machine's boot id, in case it does not.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Error;
use super::message::{Exit, State};
use crate::json::{self, FromJson};

const STATE: &str = "state.json";
const EXIT: &str = "exit.json";
/// Name of the control socket.
pub(super) const SOCKET: &str = "shim.sock";
/// Name of the monitor's own log.
pub(super) const LOG: &str = "shim.log";

/// `exit.json`: the exit with the boot it belongs to.
#[derive(Serialize, FromJson)]
struct ExitRecord {
    boot_id: String,
    exit: Exit,
}

/// Returns the id of this boot of the machine.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.unwrap_or_default().trim().to_string()
}

pub(super) fn save_state(dir: &Path, state: &State) -> Result<(), Error> {
    save(dir, STATE, state)
}

pub(super) fn save_exit(dir: &Path, exit: &Exit) -> Result<(), Error> {
    let record = ExitRecord { boot_id: boot_id(), exit: exit.clone() };
    save(dir, EXIT, &record)
}

/// Removes what an unfinished or earlier start left behind.
pub(super) fn clear(dir: &Path) {
    for name in [STATE, EXIT, SOCKET] {
        let _ = std::fs::remove_file(dir.join(name));
    }
}

/// Reads the state of a container that was started since the last boot.
pub(super) fn load_state(dir: &Path) -> Option<State> {
    let state: State = load(dir, STATE)?;
    Some(state)
}

/// Reads how a container ended, if that was since the last boot.
pub(super) fn load_exit(dir: &Path) -> Option<Exit> {
    let record: ExitRecord = load(dir, EXIT)?;
    (record.boot_id == boot_id()).then_some(record.exit)
}

/// A missing and a damaged record are the same: nothing is known.
fn load<T: FromJson>(dir: &Path, name: &str) -> Option<T> {
    let bytes = std::fs::read(dir.join(name)).ok()?;
    json::from_slice(&bytes).ok()
}

fn save(dir: &Path, name: &str, record: &impl Serialize) -> Result<(), Error> {
    let path = dir.join(name);
    let write = || -> io::Result<()> {
        let json = serde_json::to_vec(record)?;
        let temporary: PathBuf = dir.join(format!(".{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&json)?;
        std::fs::rename(&temporary, &path)
    };
    write().map_err(|e| Error::Record(path.clone(), e))
}

/// Reads when a process began (`/proc/PID/stat`, field 22, in clock ticks
/// since boot); 0 if it is gone.
pub fn start_time(pid: i32) -> u64 {
    let text = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse_start_time(&text).unwrap_or(0)
}

fn parse_start_time(stat: &[u8]) -> Option<u64> {
    // The second field is the name in parentheses and may hold anything.
    let end = stat.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_start_time_is_found_behind_any_name() {
        let stat = b"7 (a) b) ( c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 \
                     17 18 4242 20";
        assert_eq!(parse_start_time(stat), Some(4242));
        assert!(start_time(std::process::id() as i32) > 0);
        assert_eq!(start_time(-1), 0);
    }

    #[test]
    fn records_are_read_back_and_damaged_ones_are_nothing() {
        let dir = std::env::temp_dir()
            .join(format!("skiff-record-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        assert_eq!(load_exit(&dir), None);
        let exit = Exit {
            code: 137,
            signal: Some(9),
            oom: true,
            at: Timestamp::from_unix(5, 6),
            dropped_lines: 0,
        };
        save_exit(&dir, &exit).unwrap();
        assert_eq!(load_exit(&dir), Some(exit));
        let state = State { id: "x".into(), pid: 3, ..State::default() };
        save_state(&dir, &state).unwrap();
        assert_eq!(load_state(&dir), Some(state));
        std::fs::write(dir.join(STATE), "{\"id\":").unwrap();
        assert_eq!(load_state(&dir), None);
        let other = "{\"boot_id\":\"other\",\"exit\":{\"code\":0,\
                     \"at\":\"2024-01-01T00:00:00Z\"}}";
        std::fs::write(dir.join(EXIT), other).unwrap();
        assert_eq!(load_exit(&dir), None);
        clear(&dir);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
