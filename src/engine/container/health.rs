//! Health checks: a program that is executed in a running container, again
//! and again, tells whether it is well.
//!
//! ```text
//! start ──> starting ──success──> healthy
//!               │                  │   ▲
//!               └──failures in a row   success
//!                             ▼        │
//!                            unhealthy ┘
//! ```
//!
//! A container with a check has a thread of its own while it runs, which
//! sleeps between the checks; one without has none.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::Container;
use super::life::{Life, Phase};
use crate::api::container::{Config, Healthcheck};
use crate::api::inspect::{Health, HealthCheck};
use crate::engine::{Engine, Error, Filters, Result};
use crate::time::{self, Timestamp};
use crate::units;
use crate::wait::{self, EventFd, Ready};

const STARTING: &str = "starting";
const HEALTHY: &str = "healthy";
const UNHEALTHY: &str = "unhealthy";
/// What a container without checks is called in filters.
const NONE: &str = "none";

/// What is done if nothing is asked for: nanoseconds.
const INTERVAL: i64 = 30_000_000_000;
const START_INTERVAL: i64 = 5_000_000_000;
const TIMEOUT: i64 = 30_000_000_000;
/// How many failures in a row make a container unhealthy.
const RETRIES: i64 = 3;

/// How many checks are kept.
const KEPT: usize = 5;
/// How many bytes of the output of each.
const OUTPUT: usize = 4096;
/// How long the word of a container's end, which ends its check too, may be
/// on its way.
const ENDING: Duration = Duration::from_millis(50);
/// The shortest time that can be asked for, nanoseconds.
const SHORTEST: i64 = 1_000_000;
/// Stack of a thread that checks one container, bytes.
const STACK: usize = 192 << 10;

/// Checks a container's health until it is dropped.
pub(super) struct Checks(Arc<EventFd>);

impl Drop for Checks {
    fn drop(&mut self) {
        self.0.notify();
    }
}

impl Engine {
    /// Checks the health of a container that has just been started or taken
    /// over, if it asks for that.
    pub(super) fn check_health(
        self: &Arc<Engine>,
        container: &Arc<Container>,
    ) -> Option<Checks> {
        let record = Arc::clone(&container.snapshot().record);
        let command = command(&record.config)?;
        let begun = EventFd::open().map(Arc::new).map_err(|e| e.to_string());
        let begun = begun.and_then(|stop| {
            let (engine, container) = (Arc::clone(self), Arc::clone(container));
            let checks = Checks(Arc::clone(&stop));
            std::thread::Builder::new()
                .name("health".into())
                .stack_size(STACK)
                .spawn(move || engine.check_on(&container, &command, &stop))
                .map(|_| checks)
                .map_err(|e| e.to_string())
        });
        begun
            .inspect_err(|e| {
                log::error!("container {}: check its health: {e}", record.id);
            })
            .ok()
    }

    /// Checks one run of a container, until it is told to stop.
    fn check_on(
        &self,
        container: &Container,
        command: &[String],
        stop: &EventFd,
    ) {
        let run = container.snapshot().life.started_at;
        // The wall clock may jump.
        let age = Timestamp::now().duration_since(run);
        let began = time::boottime().saturating_sub(age);
        loop {
            let snapshot = container.snapshot();
            let config = &snapshot.record.config;
            let asked = config.healthcheck.clone().unwrap_or_default();
            let ran = time::boottime().saturating_sub(began);
            let pause = Some(pause(&asked, &snapshot.life, ran));
            match wait::first_ready(&[stop.as_fd()], None, pause) {
                Ok(Ready::TimedOut) => {}
                _ => return,
            }
            if container.phase() == Phase::Paused {
                continue;
            }
            let ran = time::boottime().saturating_sub(began);
            let check = self.check_once(container, command, &asked);
            if check.exit_code != 0
                && !matches!(
                    wait::first_ready(&[stop.as_fd()], None, Some(ENDING)),
                    Ok(Ready::TimedOut)
                )
            {
                return;
            }
            if !self.note_check(container, run, check, &asked, ran) {
                return;
            }
        }
    }

    fn check_once(
        &self,
        container: &Container,
        command: &[String],
        asked: &Healthcheck,
    ) -> HealthCheck {
        let start = Timestamp::now();
        let patience = nanos(asked.timeout, TIMEOUT);
        // One byte more tells that there is more.
        let probed =
            self.probe(&container.id, command.to_vec(), patience, OUTPUT + 1);
        let (exit_code, output) = match probed {
            Ok(probed) => {
                let said = text(&probed.output);
                match probed.code {
                    Some(code) => (code, said),
                    None => (-1, too_long(patience, &said)),
                }
            }
            Err(error) => (-1, error.to_string()),
        };
        self.metrics.checked(exit_code);
        let (start, end) = (start.to_string(), Timestamp::now().to_string());
        HealthCheck { start, end, exit_code, output }
    }

    /// Notes what a check has come to, and tells of a change; false if that
    /// run is over.
    fn note_check(
        &self,
        container: &Container,
        run: Timestamp,
        check: HealthCheck,
        asked: &Healthcheck,
        ran: Duration,
    ) -> bool {
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let life = &snapshot.life;
        if life.started_at != run || !life.has_process() {
            return false;
        }
        if life.phase == Phase::Paused && check.exit_code == -1 {
            // It was frozen in the middle.
            return true;
        }
        let mut health = life.health.clone().unwrap_or_default();
        let before = health.status.clone();
        note(&mut health, check, asked, ran);
        let status = health.status.clone();
        let life = Life { health: Some(health), ..life.clone() };
        if status != before {
            self.save_life(container, &life);
        }
        container.set_life(life);
        if status != before {
            let action = format!("health_status: {status}");
            self.container_event(&snapshot.record, &action, &[]);
        }
        true
    }
}

/// Returns the health of a container that is being started.
pub(super) fn at_start(config: &Config, before: &Life) -> Option<Health> {
    command(config)?;
    let log = before.health.clone().unwrap_or_default().log;
    Some(Health { status: STARTING.into(), failing_streak: 0, log })
}

/// Returns the health of a container that has ended: as in Docker, nobody
/// takes it for healthy.
pub(super) fn at_end(before: &Life) -> Option<Health> {
    let health = before.health.clone()?;
    Some(Health { status: UNHEALTHY.into(), ..health })
}

/// What the status line says of it.
pub(super) fn shown(life: &Life) -> Option<String> {
    let status = &life.health.as_ref()?.status;
    Some(match status.as_str() {
        STARTING => format!("health: {status}"),
        _ => status.clone(),
    })
}

/// What filters call it.
pub(super) fn word(life: &Life) -> &str {
    life.health.as_ref().map_or(NONE, |health| &health.status)
}

/// Refuses what no container's health can be.
pub(super) fn check_filter(filters: &Filters) -> Result<()> {
    let known = [NONE, STARTING, HEALTHY, UNHEALTHY];
    match filters.get("health").iter().find(|h| !known.contains(&h.as_str())) {
        None => Ok(()),
        Some(other) => Err(Error::Invalid(format!(
            "invalid value for health ({other}): must be one of {}",
            known.join(", ")
        ))),
    }
}

/// Refuses a client's check that makes no sense.
pub(super) fn check_config(config: &Config) -> Result<()> {
    let Some(asked) = &config.healthcheck else { return Ok(()) };
    if asked.test.is_empty() {
        return Ok(());
    }
    let short = |time: i64| time != 0 && time < SHORTEST;
    let wrong = match asked {
        a if short(a.interval) => "Interval in Healthcheck cannot be less",
        a if short(a.timeout) => "Timeout in Healthcheck cannot be less",
        a if a.retries < 0 => {
            let text = "Retries in Healthcheck cannot be negative";
            return Err(Error::Invalid(text.into()));
        }
        a if short(a.start_period) => {
            "StartPeriod in Healthcheck cannot be less"
        }
        a if short(a.start_interval) => {
            "StartInterval in Healthcheck cannot be less"
        }
        _ => return Ok(()),
    };
    Err(Error::Invalid(format!("{wrong} than 1ms")))
}

/// Returns the program that checks a container, if there is one.
fn command(config: &Config) -> Option<Vec<String>> {
    let (kind, words) = config.healthcheck.as_ref()?.test.split_first()?;
    match kind.as_str() {
        "CMD" => Some(words.to_vec()),
        "CMD-SHELL" => {
            let mut command = match &config.shell {
                Some(shell) if !shell.is_empty() => shell.clone(),
                _ => ["/bin/sh", "-c"].map(String::from).into(),
            };
            command.extend_from_slice(words);
            Some(command)
        }
        "NONE" => None,
        _ => {
            log::warn!("Unknown healthcheck type '{kind}' (expected 'CMD')");
            None
        }
    }
}

/// Returns the time to the next check of a container that has run so long.
fn pause(asked: &Healthcheck, life: &Life, ran: Duration) -> Duration {
    if ran < nanos(asked.start_period, 0) && word(life) == STARTING {
        return nanos(asked.start_interval, START_INTERVAL);
    }
    nanos(asked.interval, INTERVAL)
}

/// Adds a check to what is known; the container had run so long when it
/// began.
fn note(
    health: &mut Health,
    check: HealthCheck,
    asked: &Healthcheck,
    ran: Duration,
) {
    let is_well = check.exit_code == 0;
    let over = (health.log.len() + 1).saturating_sub(KEPT);
    health.log.drain(..over);
    health.log.push(check);
    if is_well {
        health.failing_streak = 0;
        health.status = HEALTHY.into();
        return;
    }
    let period = nanos(asked.start_period, 0);
    if health.status == STARTING && ran < period {
        return;
    }
    health.failing_streak += 1;
    let most = match asked.retries {
        retries if retries > 0 => retries,
        _ => RETRIES,
    };
    if health.failing_streak >= most {
        health.status = UNHEALTHY.into();
    }
}

/// A time that was asked for, or the usual one.
fn nanos(asked: i64, usual: i64) -> Duration {
    let time = if asked > 0 { asked.max(SHORTEST) } else { usual };
    Duration::from_nanos(time.unsigned_abs())
}

/// The output as it is kept.
fn text(output: &[u8]) -> String {
    match output.get(..OUTPUT) {
        Some(kept) if output.len() > OUTPUT => {
            format!("{}...", String::from_utf8_lossy(kept))
        }
        _ => String::from_utf8_lossy(output).into_owned(),
    }
}

fn too_long(patience: Duration, said: &str) -> String {
    let time = units::go_duration(patience);
    match said {
        "" => format!("Health check exceeded timeout ({time})"),
        said => format!("Health check exceeded timeout ({time}): {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(test: &[&str]) -> Healthcheck {
        let test = test.iter().map(|w| w.to_string()).collect();
        Healthcheck { test, ..Healthcheck::default() }
    }

    fn check(exit_code: i32) -> HealthCheck {
        HealthCheck { exit_code, ..HealthCheck::default() }
    }

    fn starting() -> Health {
        Health { status: STARTING.into(), ..Health::default() }
    }

    #[test]
    fn failures_in_a_row_make_it_unhealthy_and_one_success_healthy() {
        let asked = Healthcheck { retries: 2, ..asked(&["CMD", "x"]) };
        let mut health = starting();
        for (code, status, streak) in [
            (1, STARTING, 1),
            (0, HEALTHY, 0),
            (-1, HEALTHY, 1),
            (1, UNHEALTHY, 2),
            (1, UNHEALTHY, 3),
            (0, HEALTHY, 0),
        ] {
            note(&mut health, check(code), &asked, Duration::ZERO);
            assert_eq!(health.status, status);
            assert_eq!(health.failing_streak, streak);
        }
        assert_eq!(health.log.len(), KEPT);
        let codes: Vec<i32> = health.log.iter().map(|c| c.exit_code).collect();
        assert_eq!(codes, [0, -1, 1, 1, 0]);
    }

    #[test]
    fn failures_of_the_start_period_do_not_count() {
        let asked = Healthcheck {
            retries: 1,
            start_period: 10_000_000_000,
            start_interval: 1_000_000_000,
            ..asked(&["CMD", "x"])
        };
        let mut life = Life { health: Some(starting()), ..Life::default() };
        let (early, late) = (Duration::from_secs(9), Duration::from_secs(11));
        let seconds = Duration::from_secs;
        assert_eq!(pause(&asked, &life, early), seconds(1));
        assert_eq!(pause(&asked, &life, late), seconds(30));
        let mut health = starting();
        note(&mut health, check(1), &asked, early);
        assert_eq!(
            (health.status.as_str(), health.failing_streak),
            (STARTING, 0)
        );
        note(&mut health, check(0), &asked, early);
        life.health = Some(health.clone());
        assert_eq!(pause(&asked, &life, early), seconds(30));
        // It has been healthy: now they do.
        note(&mut health, check(1), &asked, early);
        assert_eq!(health.status, UNHEALTHY);
    }

    #[test]
    fn the_usual_times_are_dockers() {
        let (asked, life) = (asked(&["CMD", "x"]), Life::default());
        assert_eq!(pause(&asked, &life, Duration::ZERO).as_secs(), 30);
        let mut health = starting();
        for _ in 0..2 {
            note(&mut health, check(1), &asked, Duration::ZERO);
            assert_eq!(health.status, STARTING);
        }
        note(&mut health, check(1), &asked, Duration::ZERO);
        assert_eq!(health.status, UNHEALTHY);
    }

    #[test]
    fn the_command_goes_to_the_containers_shell() {
        let with = |test: &[&str], shell: Option<&[&str]>| {
            command(&Config {
                healthcheck: Some(asked(test)),
                shell: shell.map(|s| s.iter().map(|w| w.to_string()).collect()),
                ..Config::default()
            })
            .map(|words| words.join(" "))
        };
        let own = Some(&["/bin/ash", "-ec"][..]);
        for (test, shell, wanted) in [
            (&["CMD", "a", "b"][..], None, Some("a b")),
            (&["CMD-SHELL", "a | b"], None, Some("/bin/sh -c a | b")),
            (&["CMD-SHELL", "a"], own, Some("/bin/ash -ec a")),
            (&["NONE"], None, None),
            (&[], None, None),
            (&["curl"], None, None),
        ] {
            assert_eq!(with(test, shell).as_deref(), wanted);
        }
        assert_eq!(command(&Config::default()), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_dockers_words() {
        let refused = |change: fn(&mut Healthcheck)| {
            let mut healthcheck = asked(&["CMD", "x"]);
            change(&mut healthcheck);
            let healthcheck = Some(healthcheck);
            check_config(&Config { healthcheck, ..Config::default() })
                .map_err(|e| e.to_string())
        };
        let wrong = |text: &str| Err(text.to_string());
        assert_eq!(
            refused(|h| h.interval = 999_999),
            wrong("Interval in Healthcheck cannot be less than 1ms")
        );
        assert_eq!(
            refused(|h| h.timeout = -1),
            wrong("Timeout in Healthcheck cannot be less than 1ms")
        );
        assert_eq!(
            refused(|h| h.retries = -1),
            wrong("Retries in Healthcheck cannot be negative")
        );
        assert_eq!(
            refused(|h| h.start_period = 1),
            wrong("StartPeriod in Healthcheck cannot be less than 1ms")
        );
        assert_eq!(
            refused(|h| h.start_interval = 1),
            wrong("StartInterval in Healthcheck cannot be less than 1ms")
        );
        assert_eq!(refused(|h| h.interval = SHORTEST), Ok(()));
        let filters = Filters::parse(r#"{"health":["fine"]}"#).unwrap();
        assert_eq!(
            check_filter(&filters).unwrap_err().to_string(),
            "invalid value for health (fine): must be one of none, starting, \
             healthy, unhealthy"
        );
    }

    #[test]
    fn long_outputs_are_cut() {
        assert_eq!(text(b"fine\n"), "fine\n");
        assert_eq!(text(&[b'x'; OUTPUT]).len(), OUTPUT);
        let cut = text(&[b'x'; OUTPUT + 1]);
        assert_eq!(cut.len(), OUTPUT + 3);
        assert!(cut.ends_with("x..."));
        let time = Duration::from_millis(1500);
        assert_eq!(too_long(time, ""), "Health check exceeded timeout (1.5s)");
        assert_eq!(
            too_long(Duration::from_secs(60), "so far"),
            "Health check exceeded timeout (1m0s): so far"
        );
    }
}
