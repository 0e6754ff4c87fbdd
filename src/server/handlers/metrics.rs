//! `GET /metrics` of the address for metrics: the engine's figures as
//! Prometheus reads them, under dockerd's names where dockerd has them.

use std::fmt::{Display, Write};
use std::sync::Arc;

use crate::engine::{BOUNDS, Engine, Measures};
use crate::profile::process::Process;
use crate::server::{Error, Exchange, Statistics};
use crate::sys::memory;

/// The text format's media type.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers all figures.
pub fn metrics(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let mut page = Page::default();
    push_engine(&mut page, &engine.measures());
    push_process(&mut page, &Process::read());
    push_server(&mut page, exchange.statistics());
    exchange.bytes(200, FORMAT, page.0.as_bytes())
}

fn push_engine(page: &mut Page, measures: &Measures) {
    let name = "engine_daemon_container_actions_seconds";
    page.head(
        name,
        "histogram",
        "The number of seconds it takes to process each container action",
    );
    for timed in &measures.actions {
        let action = timed.action.as_str();
        let bounds = BOUNDS.map(|bound| bound.to_string());
        let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
        for (bound, count) in bounds.zip(timed.buckets) {
            let labels = [("action", action), ("le", bound)];
            page.line(&format!("{name}_bucket"), &labels, count);
        }
        let labels = [("action", action)];
        page.line(&format!("{name}_sum"), &labels, timed.seconds);
        let all = timed.buckets[BOUNDS.len()];
        page.line(&format!("{name}_count"), &labels, all);
    }
    let name = "engine_daemon_container_states_containers";
    page.head(name, "gauge", "The count of containers in various states");
    for (state, count) in measures.states {
        page.line(name, &[("state", state)], count);
    }
    page.value(
        "engine_daemon_engine_cpus_cpus",
        "gauge",
        "The number of cpus that the host system of the engine has",
        measures.cpus,
    );
    let name = "engine_daemon_engine_info";
    page.head(
        name,
        "gauge",
        "The information related to the engine and the OS it is running on",
    );
    let labels = measures.info.each_ref().map(|(k, v)| (*k, v.as_str()));
    page.line(name, &labels, 1);
    page.value(
        "engine_daemon_engine_memory_bytes",
        "gauge",
        "The number of bytes of memory that the host system of the engine has",
        measures.memory,
    );
    page.value(
        "engine_daemon_events_subscribers_total",
        "gauge",
        "The number of current subscribers to events",
        measures.subscribers,
    );
    page.value(
        "engine_daemon_events_total",
        "counter",
        "The number of events logged",
        measures.events,
    );
    let [checks, failed] = measures.checks;
    page.value(
        "engine_daemon_health_checks_failed_total",
        "counter",
        "The total number of failed health checks",
        failed,
    );
    page.value(
        "engine_daemon_health_checks_total",
        "counter",
        "The total number of health checks",
        checks,
    );
}

fn push_process(page: &mut Page, process: &Process) {
    let usage = memory::usage();
    page.value(
        "go_goroutines",
        "gauge",
        "Number of threads, which stand for goroutines.",
        process.threads,
    );
    page.value(
        "go_memstats_alloc_bytes",
        "gauge",
        "Number of bytes allocated and still in use.",
        usage.used,
    );
    page.value(
        "go_memstats_sys_bytes",
        "gauge",
        "Number of bytes obtained from system.",
        usage.obtained,
    );
    page.value("go_threads", "gauge", "Number of threads.", process.threads);
    page.value(
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
        process.cpu_seconds,
    );
    page.value(
        "process_max_fds",
        "gauge",
        "Maximum number of open file descriptors.",
        process.max_files,
    );
    page.value(
        "process_open_fds",
        "gauge",
        "Number of open file descriptors.",
        process.open_files,
    );
    page.value(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory size in bytes.",
        process.resident,
    );
    page.value(
        "process_start_time_seconds",
        "gauge",
        "Start time of the process since unix epoch in seconds.",
        process.started,
    );
    page.value(
        "process_virtual_memory_bytes",
        "gauge",
        "Virtual memory size in bytes.",
        process.virtual_size,
    );
    page.value(
        "process_virtual_memory_max_bytes",
        "gauge",
        "Maximum amount of virtual memory available in bytes.",
        process.max_virtual_size,
    );
}

/// The server's own figures have no names in dockerd.
fn push_server(page: &mut Page, statistics: &Statistics) {
    let connections = statistics.connections();
    let open = "skiff_http_connections";
    page.head(open, "gauge", "The connections that each listener serves");
    for (address, count) in &connections {
        page.line(open, &[("listener", address)], count.open);
    }
    let total = "skiff_http_connections_total";
    page.head(total, "counter", "What became of connections, by listener");
    for (address, count) in &connections {
        for (outcome, number) in [
            ("evicted", count.evicted),
            ("refused", count.refused),
            ("served", count.total),
        ] {
            let labels = [("listener", address.as_str()), ("outcome", outcome)];
            page.line(total, &labels, number);
        }
    }
    let (requests, errors) =
        ("skiff_http_requests_total", "skiff_http_request_errors_total");
    for (name, help) in [
        (requests, "The number of requests to each route"),
        (errors, "The number of requests that were answered with an error"),
    ] {
        page.head(name, "counter", help);
        for asked in statistics.asked().filter(|asked| asked.requests > 0) {
            let (method, route) = match asked.route {
                Some((method, pattern)) => (method.as_str(), pattern),
                None => ("", ""),
            };
            let labels = [("method", method), ("route", route)];
            let value = match name == requests {
                true => asked.requests,
                false => asked.errors,
            };
            page.line(name, &labels, value);
        }
    }
}

/// The text, as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn value(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        value: impl Display,
    ) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }
}

/// Escapes the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.line("a", &[("b", "c\"\\\n"), ("d", "")], 1.5);
        page.value("e", "gauge", "An e.", 7);
        assert_eq!(
            page.0,
            "a{b=\"c\\\"\\\\\\n\",d=\"\"} 1.5\n# HELP e An e.\n\
             # TYPE e gauge\ne 7\n"
        );
    }
}
