//! `stats`.

use std::thread;

use crate::api::container::Summary;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::format::{FORMAT_HELP_TABLE, Layout, Row};
use crate::cli::session::Session;
use crate::client::{self, Client, ListContainers};
use crate::json::Value;
use crate::{id, units};

/// `stats`.
pub static COMMAND: Command = Command {
    paths: &["container stats", "stats"],
    usage: "[OPTIONS] [CONTAINER...]",
    about: "Display a live stream of container(s) resource usage statistics",
    words: Words::AtLeast(0),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    all: bool,
    format: String,
    no_stream: bool,
    no_trunc: bool,
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "all",
        "Show all containers (default shows just running)",
        |t: &mut Typed, on| t.all = on,
    )
    .short('a'),
    Flag::value("format", "string", FORMAT_HELP_TABLE, |t, word| {
        let t: &mut Typed = t;
        word.clone_into(&mut t.format);
        Ok(())
    }),
    Flag::switch(
        "no-stream",
        "Disable streaming stats and only pull the first result",
        |t: &mut Typed, on| t.no_stream = on,
    ),
    Flag::switch("no-trunc", "Do not truncate output", |t, on| {
        let t: &mut Typed = t;
        t.no_trunc = on;
    }),
]];

const COLUMNS: &str = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t\
    {{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

const HEADS: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

const KIND: &str = "*container.statsContext";

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    let layout = Layout::parse(&typed.format, COLUMNS)?;
    // A name that is wrong from the start is an error, not an empty row.
    let mut strict = !names.is_empty();
    loop {
        let shown = match names.is_empty() {
            true => {
                let list =
                    ListContainers { all: typed.all, ..Default::default() };
                let found = session.client()?.containers(&list)?;
                found.into_iter().map(|s: Summary| s.id).collect()
            }
            false => names.clone(),
        };
        let read = read_all(session.client()?, &shown);
        let mut rows = Vec::new();
        for (name, stats) in shown.iter().zip(read) {
            match stats {
                Err(error) if strict => return Err(error.into()),
                // It has gone meanwhile.
                Err(_) if names.is_empty() => {}
                stats => rows.push(row(name, stats.ok(), typed.no_trunc)),
            }
        }
        strict = false;
        let text = layout.show(HEADS, KIND, rows.into_iter())?;
        if typed.no_stream {
            session.print(&text)?;
            return Ok(0);
        }
        // From the upper left corner; what stood there is wiped away.
        let text = text.replace('\n', "\x1b[K\n");
        session.print(&format!("\x1b[H{text}\x1b[J"))?;
        session.flush()?;
        if shown.is_empty() {
            thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}

/// Reads all of them at the same time: the daemon takes a second for each,
/// because it compares two moments.
fn read_all(
    client: &mut Client,
    names: &[String],
) -> Vec<client::Result<Value>> {
    // Agreed once, so that the others need not ask.
    let _ = client.version();
    let mut siblings: Vec<Client> =
        names.iter().map(|_| client.sibling()).collect();
    thread::scope(|scope| {
        let running: Vec<_> = names
            .iter()
            .zip(&mut siblings)
            .map(|(name, client)| scope.spawn(move || client.stats(name)))
            .collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|done| done.unwrap_or(Ok(Value::Null))).collect()
    })
}

/// A row; without figures dashes stand for them.
fn row(name: &str, stats: Option<Value>, whole: bool) -> Row {
    let stats = stats.unwrap_or_default();
    let text = |key: &str| stats[key].as_str().unwrap_or_default();
    let id = match whole {
        true => text("id"),
        false => id::short(text("id")),
    };
    let own = text("name").trim_start_matches('/');
    let or_dashes = |text: &str| match text {
        "" => "--".to_string(),
        text => text.to_string(),
    };
    let mut row: Row = vec![
        ("Container", name.into()),
        ("ID", or_dashes(id).as_str().into()),
        ("Name", or_dashes(own).as_str().into()),
    ];
    let figures = match stats.is_null() {
        true => ["--", "-- / --", "--", "--", "--", "--"].map(str::to_string),
        false => figures(&stats),
    };
    let names = ["CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];
    for (name, figure) in names.into_iter().zip(figures) {
        row.push((name, figure.as_str().into()));
    }
    row
}

/// The figures as Docker's client reckons them.
fn figures(stats: &Value) -> [String; 6] {
    let (memory, network) = (&stats["memory_stats"], &stats["networks"]);
    let limit = number(&memory["limit"]);
    let used = used_memory(memory);
    let percent = match limit {
        0 => 0.0,
        limit => used as f64 * 100.0 / limit as f64,
    };
    let of_networks = |key: &str| -> u64 {
        let all = network.as_object().into_iter().flatten();
        all.map(|(_, one)| number(&one[key])).sum()
    };
    let of_devices = |first: char| -> u64 {
        let all = &stats["blkio_stats"]["io_service_bytes_recursive"];
        let all = all.as_array().into_iter().flatten();
        all.filter(|entry| {
            let operation = entry["op"].as_str().unwrap_or_default();
            operation.to_ascii_lowercase().starts_with(first)
        })
        .map(|entry| number(&entry["value"]))
        .sum()
    };
    let pair = |a: u64, b: u64| {
        let [a, b] = [a, b].map(|bytes| units::human_size_with(bytes, 3));
        format!("{a} / {b}")
    };
    [
        format!("{:.2}%", cpu_percent(stats)),
        format!("{} / {}", units::bytes_size(used), units::bytes_size(limit)),
        format!("{percent:.2}%"),
        pair(of_networks("rx_bytes"), of_networks("tx_bytes")),
        pair(of_devices('r'), of_devices('w')),
        number(&stats["pids_stats"]["current"]).to_string(),
    ]
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// What is used without the cache that can be given up at any time: its
/// name differs between the versions of cgroups.
fn used_memory(memory: &Value) -> u64 {
    let usage = number(&memory["usage"]);
    let parts = &memory["stats"];
    let given_up = parts["total_inactive_file"].as_u64();
    let given_up = given_up.filter(|bytes| *bytes < usage);
    let given_up = given_up.or_else(|| parts["inactive_file"].as_u64());
    usage - given_up.filter(|bytes| *bytes < usage).unwrap_or(0)
}

fn cpu_percent(stats: &Value) -> f64 {
    let [now, before] = ["cpu_stats", "precpu_stats"].map(|key| {
        let cpu = &stats[key];
        let total = number(&cpu["cpu_usage"]["total_usage"]);
        (total as f64, number(&cpu["system_cpu_usage"]) as f64)
    });
    let (own, all) = (now.0 - before.0, now.1 - before.1);
    let cpus = match number(&stats["cpu_stats"]["online_cpus"]) {
        0 => {
            let each = &stats["cpu_stats"]["cpu_usage"]["percpu_usage"];
            each.as_array().map_or(0, Vec::len) as f64
        }
        cpus => cpus as f64,
    };
    match own > 0.0 && all > 0.0 {
        true => own / all * cpus * 100.0,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_are_those_of_dockers_client() {
        let cpu = |total: u64, system: u64| {
            json!({
                "cpu_usage": {"total_usage": total},
                "system_cpu_usage": system, "online_cpus": 2,
            })
        };
        let stats = json!({
            "cpu_stats": cpu(39_977_424, 8_932_530_000_000),
            "precpu_stats": cpu(39_106_337, 8_930_610_000_000),
            "memory_stats": {
                "usage": 663_552, "limit": 67_108_864,
                "stats": {"total_inactive_file": 0},
            },
            "pids_stats": {"current": 2},
            "networks": {"eth0": {"rx_bytes": 736, "tx_bytes": 126}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"op": "Read", "value": 2000}, {"op": "write", "value": 7},
            ]},
        });
        let wanted = [
            "0.09%",
            "648KiB / 64MiB",
            "0.99%",
            "736B / 126B",
            "2kB / 7B",
            "2",
        ];
        assert_eq!(figures(&stats), wanted);
        let v2 = json!({"usage": 100, "stats": {"inactive_file": 40}});
        assert_eq!(used_memory(&v2), 60);
    }
}
