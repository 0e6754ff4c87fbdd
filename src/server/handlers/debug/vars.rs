//! `GET /debug/vars`: what the daemon counts. `cmdline` and `memstats` are
//! where Go's `expvar` has them, so that its tools find them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::profile::heap::figures;
use crate::profile::process::Process;
use crate::server::budget::Connections;
use crate::server::statistics::Asked;
use crate::server::{Error, Exchange, Statistics};
use crate::sys::{heap, memory};

/// Answers all variables.
pub fn vars(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let process = Process::read();
    let figures = figures(&heap::samples(), memory::usage());
    let memstats: Map<String, Value> =
        figures.iter().map(|(k, v)| (k.to_string(), json!(v))).collect();
    let version = engine.version();
    let answer = json!({
        "cmdline": words(),
        "memstats": memstats,
        "version": version.version,
        "commit": version.git_commit,
        "pid": std::process::id(),
        "uptime_seconds": process.uptime(),
        "cpu_seconds": process.cpu_seconds,
        "resident_bytes": process.resident,
        "threads": process.threads,
        "open_descriptors": process.open_files,
        "connections": connections(exchange.statistics()),
        "requests": requests(exchange.statistics()),
    });
    let mut text = answer.to_string().into_bytes();
    text.push(b'\n');
    exchange.bytes(200, "application/json; charset=utf-8", &text)
}

/// Returns the words of the command line.
pub fn words() -> Vec<String> {
    let words = std::env::args_os();
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

fn connections(statistics: &Statistics) -> Value {
    let of = |(address, count): (String, Connections)| {
        let count = json!({
            "open": count.open,
            "total": count.total,
            "evicted": count.evicted,
            "refused": count.refused,
        });
        (address, count)
    };
    Value::Object(statistics.connections().into_iter().map(of).collect())
}

/// Routes that were never asked are left out.
fn requests(statistics: &Statistics) -> Value {
    let asked = statistics.asked().filter(|asked| asked.requests > 0);
    let of = |asked: Asked| {
        let counts = json!({
            "count": asked.requests,
            "errors": asked.errors,
        });
        let name = match asked.route {
            Some((method, pattern)) => {
                format!("{} {pattern}", method.as_str())
            }
            None => "no route".to_string(),
        };
        (name, counts)
    };
    Value::Object(asked.map(of).collect())
}
