//! Restart policies: pure decisions.

use std::time::Duration;

use super::life::EndedBy;
use crate::api::host_config::RestartPolicy;

/// The first pause before a restart; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// A run of at least this length makes the pauses start anew.
const STEADY: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// Who ended it.
    pub by: EndedBy,
    /// How often the policy has restarted it already.
    pub restarts: i64,
}

/// Tells whether a container that ended is to be started again.
pub fn wants_restart(policy: &RestartPolicy, ended: Ended) -> bool {
    if ended.by != EndedBy::Itself {
        return false;
    }
    match policy.name.as_str() {
        "always" | "unless-stopped" => true,
        "on-failure" => {
            ended.code != 0
                && (policy.maximum_retry_count == 0
                    || ended.restarts < policy.maximum_retry_count)
        }
        _ => false,
    }
}

/// Tells whether a container that was started before and does not run is
/// to be started with the daemon, after a reboot or an orderly end.
pub fn wants_start_at_boot(policy: &RestartPolicy, ended: Ended) -> bool {
    match policy.name.as_str() {
        "always" => true,
        "unless-stopped" => ended.by != EndedBy::Client,
        "on-failure" => {
            let by = match ended.by {
                EndedBy::Shutdown => EndedBy::Itself,
                by => by,
            };
            wants_restart(policy, Ended { by, ..ended })
        }
        _ => false,
    }
}

/// Returns the pause before the next restart: the first one after a steady
/// run, else twice the one before.
pub fn pause(before: Option<Duration>, ran: Duration) -> Duration {
    match before {
        Some(before) if ran < STEADY => (before * 2).min(LONGEST),
        _ => FIRST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, most: i64) -> RestartPolicy {
        RestartPolicy { name: name.into(), maximum_retry_count: most }
    }

    fn ended(code: i32, by: EndedBy, restarts: i64) -> Ended {
        Ended { code, by, restarts }
    }

    #[test]
    fn policies_decide_as_dockers() {
        use EndedBy::{Client, Itself};
        let table = [
            ("", 0, ended(1, Itself, 0), false),
            ("no", 0, ended(1, Itself, 0), false),
            ("always", 0, ended(0, Itself, 9), true),
            ("always", 0, ended(0, Client, 0), false),
            ("unless-stopped", 0, ended(0, Itself, 0), true),
            ("on-failure", 0, ended(0, Itself, 0), false),
            ("on-failure", 0, ended(3, Itself, 99), true),
            ("on-failure", 2, ended(3, Itself, 1), true),
            ("on-failure", 2, ended(3, Itself, 2), false),
        ];
        for (name, most, how, wanted) in table {
            assert_eq!(
                wants_restart(&policy(name, most), how),
                wanted,
                "{name}:{most} {how:?}"
            );
        }
    }

    #[test]
    fn a_stopped_container_starts_with_the_daemon_only_under_always() {
        use EndedBy::{Client, Itself, Shutdown};
        let stopped = ended(137, Client, 0);
        let boot = wants_start_at_boot;
        assert!(boot(&policy("always", 0), stopped));
        assert!(!boot(&policy("unless-stopped", 0), stopped));
        assert!(!boot(&policy("on-failure", 0), stopped));
        let cut = ended(255, Itself, 0);
        assert!(boot(&policy("unless-stopped", 0), cut));
        assert!(boot(&policy("on-failure", 0), cut));
        assert!(!boot(&policy("no", 0), cut));
        let shut = ended(143, Shutdown, 0);
        assert!(boot(&policy("unless-stopped", 0), shut));
        assert!(boot(&policy("on-failure", 0), shut));
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_start_anew() {
        let quick = Duration::from_secs(1);
        let mut last = None;
        for _ in 0..20 {
            last = Some(pause(last, quick));
        }
        assert_eq!(last, Some(LONGEST));
        assert_eq!(pause(last, Duration::from_secs(11)), FIRST);
        assert_eq!(pause(Some(FIRST), quick), FIRST * 2);
    }
}
