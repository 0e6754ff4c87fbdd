//! Health checks of containers.

use serde_json::{Value, json};

use super::pull::pulled;
use crate::harness::hostile::Hostile;
use crate::harness::image::{Image, Layer, busybox_root};
use crate::harness::registry::free_port;
use crate::harness::{Daemon, Wire, host, until};

/// Nanoseconds of a hundredth of a second.
const SHORT: i64 = 10_000_000;

impl Daemon {
    /// Starts a container whose health a line of shell tells.
    fn run_checked(&self, name: &str, line: &str, mut check: Value) {
        check["Test"] = json!(["CMD-SHELL", line]);
        if check["Interval"].is_null() {
            check["Interval"] = SHORT.into();
        }
        let body = json!({ "Healthcheck": check });
        self.run_with(name, "sleep 1000", body);
    }

    fn health(&self, name: &str) -> Value {
        self.inspect(name)["State"]["Health"].clone()
    }

    /// Waits until its health is `status`.
    #[track_caller]
    fn until_health(&self, name: &str, status: &str) -> Value {
        until(&format!("{name} being {status}"), || {
            let health = self.health(name);
            (health["Status"] == status).then_some(health)
        })
    }

    /// The status lines of the list, with a filter for health.
    fn listed(&self, health: &str) -> Vec<String> {
        let filters = format!("%7B%22health%22%3A%5B%22{health}%22%5D%7D");
        let target = format!("/containers/json?filters={filters}");
        let list = self.get(&target).is(200).json();
        let rows = list.as_array().expect("a list").iter();
        rows.map(|row| row["Status"].as_str().expect("a line").to_string())
            .collect()
    }
}

#[test]
fn a_success_makes_it_healthy_and_failures_in_a_row_unhealthy() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let daemon = Daemon::with(&["--metrics-addr", &address]);
    daemon.import("busybox");
    let check = json!({"Retries": 2});
    daemon.run_checked("web", "echo seen; test ! -e /bad", check);
    let health = daemon.until_health("web", "healthy");
    assert_eq!(health["FailingStreak"], 0);
    let last = &health["Log"][0];
    assert_eq!(
        (&last["ExitCode"], &last["Output"]),
        (&json!(0), &json!("seen\n"))
    );
    assert!(last["Start"].as_str() < last["End"].as_str(), "{last}");
    let line = &daemon.listed("healthy")[0];
    assert!(line.starts_with("Up ") && line.ends_with(" (healthy)"), "{line}");
    assert!(daemon.listed("none").is_empty());

    daemon.skiff(&["exec", "web", "touch", "/bad"]).ok();
    let health = daemon.until_health("web", "unhealthy");
    assert!(health["FailingStreak"].as_i64() >= Some(2), "{health}");
    until("five that failed", || {
        let health = daemon.health("web");
        let log = health["Log"].as_array().expect("a list");
        assert!(log.len() <= 5);
        log.iter().all(|check| check["ExitCode"] == 1).then_some(())
    });
    daemon.skiff(&["exec", "web", "rm", "/bad"]).ok();
    assert_eq!(daemon.until_health("web", "healthy")["FailingStreak"], 0);
    // Who watches the daemon sees them counted.
    let page = Wire::tcp(port).exchange("GET", "/metrics", &[], None).text();
    let value = |name: &str| -> u64 {
        let name = format!("engine_daemon_{name} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|n| n.parse().ok()).expect("a figure")
    };
    let failed = value("health_checks_failed_total");
    assert!(failed >= 5 && value("health_checks_total") >= failed + 2);
    // Nobody takes one that has ended for healthy.
    daemon.post("/containers/web/kill").is(204);
    daemon.until_state("web", "exited");
    assert_eq!(daemon.health("web")["Status"], "unhealthy");
    daemon.post("/containers/web/start").is(204);
    daemon.until_health("web", "healthy");
}

#[test]
fn events_tell_of_each_check_and_each_change() {
    let daemon = Daemon::with_image();
    daemon.run_checked("web", "true", json!({"Interval": SHORT * 10}));
    daemon.until_health("web", "healthy");
    let actions: Vec<String> = until("the change", || {
        let events = daemon.past_events("");
        let actions = events.iter().filter_map(|e| e["Action"].as_str());
        let actions: Vec<_> = actions.map(str::to_string).collect();
        actions.iter().any(|a| a.starts_with("health")).then_some(actions)
    });
    let start = actions.iter().position(|a| a == "start").expect("a start");
    assert_eq!(
        actions[start + 1..start + 5],
        [
            "exec_create: /bin/sh -c true",
            "exec_start: /bin/sh -c true",
            "exec_die",
            "health_status: healthy",
        ]
    );
    // Further successes are no change, and leave nothing behind.
    until("further checks", || {
        let checks = daemon.health("web")["Log"].as_array()?.len();
        (checks >= 3).then_some(())
    });
    let events = daemon.past_events("");
    let changes = events.iter().filter_map(|e| e["Action"].as_str());
    let changes = changes.filter(|a| a.starts_with("health_status"));
    assert_eq!(changes.count(), 1);
    let of_health = daemon
        .past_events("filters=%7B%22event%22%3A%5B%22health_status%22%5D%7D");
    assert_eq!(of_health.len(), 1);
    assert_eq!(of_health[0]["Actor"]["Attributes"]["name"], "web");
}

#[test]
fn one_that_takes_too_long_or_cannot_be_executed_is_a_failure() {
    let daemon = Daemon::with_image();
    let check = json!({"Timeout": SHORT * 20, "Retries": 1});
    daemon.run_checked("slow", "echo begun; sleep 1000", check);
    let health = daemon.until_health("slow", "unhealthy");
    let last = &health["Log"][0];
    assert_eq!(last["ExitCode"], -1);
    let text = "Health check exceeded timeout (200ms): begun\n";
    assert_eq!(last["Output"], text);

    let check = json!({"Test": ["CMD", "/no/such"], "Interval": SHORT,
                       "Retries": 1});
    let body = json!({ "Healthcheck": check });
    daemon.run_with("odd", "sleep 1000", body);
    let health = daemon.until_health("odd", "unhealthy");
    let last = &health["Log"][0];
    assert_eq!(last["ExitCode"], -1);
    let output = last["Output"].as_str().expect("text");
    assert!(output.starts_with("OCI runtime exec failed: "), "{output}");

    let long = "head -c 5000 /dev/zero | tr '\\0' x";
    daemon.run_checked("long", long, json!({}));
    let health = daemon.until_health("long", "healthy");
    let output = health["Log"][0]["Output"].as_str().expect("text");
    assert_eq!(output, "x".repeat(4096) + "...");
}

#[test]
fn failures_of_the_start_period_do_not_count() {
    let daemon = Daemon::with_image();
    let check = json!({"Interval": SHORT, "Retries": 1,
        "StartPeriod": 3_600_000_000_000i64, "StartInterval": SHORT});
    daemon.run_checked("web", "test -e /good", check);
    let health = until("five checks", || {
        let health = daemon.health("web");
        (health["Log"].as_array()?.len() == 5).then_some(health)
    });
    assert_eq!(health["Status"], "starting");
    assert_eq!(health["FailingStreak"], 0);
    let line = &daemon.listed("starting")[0];
    assert!(line.ends_with(" (health: starting)"), "{line}");
    daemon.skiff(&["exec", "web", "touch", "/good"]).ok();
    daemon.until_health("web", "healthy");
    // It was well: from now on they count.
    daemon.skiff(&["exec", "web", "rm", "/good"]).ok();
    daemon.until_health("web", "unhealthy");
}

#[test]
fn the_next_daemon_goes_on_checking() {
    let mut daemon = Daemon::with_image();
    daemon.run_checked("web", "test ! -e /bad", json!({"Retries": 1}));
    daemon.until_health("web", "healthy");
    daemon.kill();
    daemon.launch();
    assert_eq!(daemon.health("web")["Status"], "healthy");
    daemon.skiff(&["exec", "web", "touch", "/bad"]).ok();
    daemon.until_health("web", "unhealthy");
}

#[test]
fn a_check_does_not_outlive_its_daemon() {
    let mut daemon = Daemon::with_image();
    let line = "echo >> /begun; exec sleep 2000";
    let check = json!({"Timeout": 3_600_000_000_000i64});
    daemon.run_checked("web", line, check);
    let begun = |daemon: &Daemon, wanted: &str| {
        until("a check", || {
            let words = ["exec", "web", "sh", "-c", "wc -l < /begun"];
            (daemon.skiff(&words).out() == wanted).then_some(())
        });
    };
    begun(&daemon, "1");
    daemon.kill();
    daemon.launch();
    begun(&daemon, "2");
    let count = "ps | grep -c '[s]leep 2000'";
    let run = daemon.skiff(&["exec", "web", "sh", "-c", count]);
    assert_eq!(run.ok().out(), "1");
}

#[test]
fn the_end_of_a_container_is_no_failure_of_its_check() {
    let daemon = Daemon::with_image();
    let line = "test ! -e /hang || exec sleep 2000";
    daemon.run_checked("web", line, json!({"Retries": 1}));
    daemon.until_health("web", "healthy");
    daemon.skiff(&["exec", "web", "touch", "/hang"]).ok();
    until("a check that hangs", || {
        let hangs = "ps | grep -q '[s]leep 2000'";
        let run = daemon.skiff(&["exec", "web", "sh", "-c", hangs]);
        (run.status == 0).then_some(())
    });
    daemon.post("/containers/web/kill").is(204);
    daemon.until_state("web", "exited");
    let events = daemon.past_events("");
    let actions = events.iter().filter_map(|e| e["Action"].as_str());
    let told: Vec<&str> =
        actions.filter(|a| a.starts_with("health_status")).collect();
    assert_eq!(told, ["health_status: healthy"]);
}

#[test]
fn a_paused_container_is_not_checked() {
    let daemon = Daemon::with_image();
    let check = json!({"Retries": 1, "Timeout": SHORT * 20});
    daemon.run_checked("web", "true", check);
    daemon.until_health("web", "healthy");
    daemon.post("/containers/web/pause").is(204);
    // What the pause froze is given up.
    until("no check under way", || {
        daemon.inspect("web")["ExecIDs"].is_null().then_some(())
    });
    let before = daemon.health("web")["Log"].clone();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(daemon.health("web")["Log"], before);
    daemon.post("/containers/web/unpause").is(204);
    until("the next check", || {
        (daemon.health("web")["Log"] != before).then_some(())
    });
    assert_eq!(daemon.health("web")["Status"], "healthy");
}

#[test]
fn an_images_check_is_completed_or_turned_off() {
    let daemon = Daemon::start();
    let hostile = Hostile::start();
    let settings = json!({
        "Cmd": ["sleep", "1000"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": SHORT,
                        "Retries": 7},
    });
    let image = Image::new(vec![Layer::gzip(busybox_root())], settings);
    hostile.offer("checked", &image);
    let name = hostile.name("checked");
    pulled(&daemon, &name, "latest");
    let checks = |daemon: &Daemon| {
        let threads = host::threads(daemon.pid());
        threads.iter().filter(|name| *name == "health").count()
    };
    let run = |container: &str, more: &[&str]| {
        let words = ["run", "-d", "--network=none", "--name", container];
        let words: Vec<&str> =
            words.iter().chain(more).chain(&[&*name]).copied().collect();
        daemon.skiff(&words).ok();
        daemon.inspect(container)
    };
    let off = run("off", &["--no-healthcheck"]);
    assert_eq!(off["Config"]["Healthcheck"]["Test"], json!(["NONE"]));
    assert_eq!(off["State"]["Health"], Value::Null);
    assert_eq!(daemon.listed("none").len(), 1);
    // A container without a check has no thread for it.
    assert_eq!(checks(&daemon), 0);
    run("on", &[]);
    daemon.until_health("on", "healthy");
    assert_eq!(checks(&daemon), 1);
    let own = run("own", &["--health-retries=2", "--health-cmd=false"]);
    let check = &own["Config"]["Healthcheck"];
    assert_eq!(check["Test"], json!(["CMD-SHELL", "false"]));
    assert_eq!(
        (&check["Interval"], &check["Retries"]),
        (&json!(SHORT), &json!(2))
    );
    daemon.until_health("own", "unhealthy");
    for name in ["on", "own"] {
        daemon.post(&format!("/containers/{name}/kill")).is(204);
    }
    until("no thread any more", || (checks(&daemon) == 0).then_some(()));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let daemon = Daemon::with_image();
    let body = json!({"Image": "busybox", "Healthcheck": {
        "Test": ["CMD", "true"], "Interval": 5}});
    daemon
        .post_json("/containers/create", &body)
        .refuses(400, "Interval in Healthcheck cannot be less than 1ms");
    let target = "/containers/json?filters=%7B%22health%22%3A%5B%22up%22%5D%7D";
    daemon.get(target).refuses(
        400,
        "invalid value for health (up): must be one of none, starting, \
         healthy, unhealthy",
    );
}
