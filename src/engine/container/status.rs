//! The status line of `docker ps`: `Up 2 minutes`, `Exited (0) 3 days ago`.

use super::health;
use super::life::{Life, Phase};
use crate::time::Timestamp;
use crate::units::human_duration;

/// Writes the status line as of `now`.
pub fn status(life: &Life, now: Timestamp) -> String {
    let since = |then: Timestamp| human_duration(now.duration_since(then));
    match life.phase {
        Phase::Created => "Created".into(),
        Phase::Running => match health::shown(life) {
            Some(health) => {
                format!("Up {} ({health})", since(life.started_at))
            }
            None => format!("Up {}", since(life.started_at)),
        },
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
    use crate::api::inspect::Health;

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
        for (word, text) in [
            ("starting", "Up 2 minutes (health: starting)"),
            ("healthy", "Up 2 minutes (healthy)"),
            ("unhealthy", "Up 2 minutes (unhealthy)"),
        ] {
            let health = Health { status: word.into(), ..Health::default() };
            let life = Life { health: Some(health), ..life(Phase::Running) };
            assert_eq!(status(&life, at(1120)), text);
        }
    }
}
