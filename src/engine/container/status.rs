//! The status line of `docker ps`: `Up 2 minutes`, `Exited (0) 3 days ago`.

use super::life::{Life, Phase};
use crate::time::Timestamp;
use crate::units::human_duration;

/// Writes the status line as of `now`.
pub fn status(life: &Life, now: Timestamp) -> String {
    let since = |then: Timestamp| human_duration(now.duration_since(then));
    match life.phase {
        Phase::Created => "Created".into(),
        Phase::Running => format!("Up {}", since(life.started_at)),
        Phase::Paused => format!("Up {} (Paused)", since(life.started_at)),
        Phase::Restarting => format!(
            "Restarting ({}) {} ago",
            life.exit_code,
            since(life.finished_at)
        ),
        Phase::Removing => "Removal In Progress".into(),
        Phase::Dead => "Dead".into(),
        Phase::Exited => format!(
            "Exited ({}) {} ago",
            life.exit_code,
            since(life.finished_at)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_dockers() {
        let at = |s| Timestamp::from_unix(s, 0);
        let life = |phase| Life {
            phase,
            exit_code: 3,
            started_at: at(1000),
            finished_at: at(1060),
            ..Life::default()
        };
        let table = [
            (Phase::Created, "Created"),
            (Phase::Running, "Up 2 minutes"),
            (Phase::Paused, "Up 2 minutes (Paused)"),
            (Phase::Restarting, "Restarting (3) About a minute ago"),
            (Phase::Exited, "Exited (3) About a minute ago"),
            (Phase::Dead, "Dead"),
        ];
        for (phase, text) in table {
            assert_eq!(status(&life(phase), at(1120)), text);
        }
    }
}
