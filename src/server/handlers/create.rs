//! `POST /containers/create`, and the form of its body that Docker had
//! before API 1.18.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::parameter;
use crate::api::container::CreateRequest;
use crate::engine::Engine;
use crate::server::{Error, Exchange};

/// The fields of `HostConfig` that stood beside it once, by both names.
const BESIDE: [(&str, &str); 6] = [
    ("Memory", "Memory"),
    ("MemorySwap", "MemorySwap"),
    ("CpuShares", "CpuShares"),
    ("Cpuset", "CpusetCpus"),
    ("CpusetCpus", "CpusetCpus"),
    ("RestartPolicy", "RestartPolicy"),
];

/// Makes a container.
pub fn create(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let name = exchange.query().text("name").to_string();
    let platform = parameter::platform(exchange.query())?;
    let mut body: Value = exchange.json_body()?.ok_or_else(|| {
        Error::bad_request(
            "config cannot be empty in order to create a container",
        )
    })?;
    if !exchange.speaks(18) {
        move_in(&mut body);
    }
    let request: CreateRequest = serde_json::from_value(body)
        .map_err(|e| Error::bad_request(format!("invalid JSON: {e}")))?;
    let created = engine.create(&name, platform.as_ref(), request)?;
    exchange.json(201, &created)
}

/// Moves the limits that stand beside `HostConfig` into it, unless it has
/// its own.
fn move_in(body: &mut Value) {
    let Value::Object(body) = body else { return };
    for (from, to) in BESIDE {
        let Some(value) = body.remove(from) else { continue };
        let host = body
            .entry("HostConfig")
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(host) = host else { return };
        if host.get(to).is_none_or(is_zero) {
            host.insert(to.into(), value);
        }
    }
}

fn is_zero(value: &Value) -> bool {
    value.as_i64() == Some(0) || value.as_str() == Some("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_beside_the_host_configuration_move_into_it() {
        let mut body = json!({
            "Image": "b", "Memory": 64, "CpuShares": 5, "Cpuset": "0,1",
            "HostConfig": {"Memory": 32, "CpuShares": 0},
        });
        move_in(&mut body);
        let wanted = json!({
            "Image": "b",
            "HostConfig": {
                "Memory": 32, "CpuShares": 5, "CpusetCpus": "0,1",
            },
        });
        assert_eq!(body, wanted);
        let mut body = json!({"Image": "b", "MemorySwap": -1});
        move_in(&mut body);
        assert_eq!(body["HostConfig"], json!({"MemorySwap": -1}));
        for mut other in [json!([1]), json!({"HostConfig": 7, "Memory": 1})] {
            move_in(&mut other);
        }
    }
}
