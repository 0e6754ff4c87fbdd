//! Devices that are requested by what they are: `--gpus`, and names of the
//! Container Device Interface in `--device`.

use serde_json::{Map, Value, json};

/// Tells a name (`vendor.com/class=name`) from a path.
pub fn is_qualified(word: &str) -> bool {
    let Some((kind, name)) = word.split_once('=') else { return false };
    let Some((vendor, class)) = kind.split_once('/') else { return false };
    let is_word = |text: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.chars().all(fits)
    };
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && is_word(vendor, "-_.")
        && is_word(class, "-_")
        && is_word(name, "-_.:")
}

/// Makes the requests; none at all is null.
pub fn requests(
    gpus: &[String],
    names: Vec<String>,
) -> Result<Option<Vec<Value>>, String> {
    let read = gpus.iter().map(|word| gpu(word));
    let mut list = read.collect::<Result<Vec<_>, _>>()?;
    if !names.is_empty() {
        list.push(json!({
            "Driver": "cdi",
            "Count": 0,
            "DeviceIDs": names,
            "Capabilities": null,
            "Options": null,
        }));
    }
    Ok(Some(list).filter(|list| !list.is_empty()))
}

fn gpu(word: &str) -> Result<Value, String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut request = json!({
        "Driver": "",
        "Count": 0,
        "DeviceIDs": null,
        "Capabilities": [["gpu"]],
        "Options": {},
    });
    let fields = fields(word);
    for field in &fields {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, value),
            None => ("count", field.as_str()),
        };
        if seen.contains(&key) {
            return Err(format!(
                "gpu request key '{key}' can be specified only once"
            ));
        }
        seen.push(key);
        let words = || value.split(',');
        match key {
            "driver" => request["Driver"] = json!(value),
            "count" => request["Count"] = json!(count(value)?),
            "device" => {
                request["DeviceIDs"] = json!(words().collect::<Vec<_>>());
            }
            "capabilities" => {
                let all = words().chain(["gpu"]).collect::<Vec<_>>();
                request["Capabilities"] = json!([all]);
            }
            "options" => {
                let pair = |word: &str| {
                    let (name, value) =
                        word.split_once('=').unwrap_or((word, ""));
                    (name.to_owned(), json!(value))
                };
                request["Options"] =
                    Value::Object(words().map(pair).collect::<Map<_, _>>());
            }
            _ => {
                return Err(format!("unexpected key '{key}' in '{field}'"));
            }
        }
    }
    if !seen.contains(&"count") && request["DeviceIDs"].is_null() {
        request["Count"] = json!(1);
    }
    Ok(request)
}

fn count(text: &str) -> Result<i64, String> {
    match text {
        "all" => Ok(-1),
        text => text.parse().map_err(|_| {
            format!("invalid count ({text}): value must be either \"all\" or an integer")
        }),
    }
}

/// Parts a line of CSV, in which quotes hold commas together.
fn fields(word: &str) -> Vec<String> {
    let mut list = vec![String::new()];
    let mut is_quoted = false;
    for c in word.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => list.push(String::new()),
            c => list.last_mut().expect("one at least").push(c),
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_paths() {
        for name in ["vendor.com/class=name", "nvidia.com/gpu=0:1"] {
            assert!(is_qualified(name), "{name}");
        }
        for path in ["/dev/null", "/dev/a=b:/dev/c", "a=b", "a/b", "a/=b"] {
            assert!(!is_qualified(path), "{path}");
        }
    }

    #[test]
    fn gpus_are_counted_or_named() {
        let one = |word: &str| gpu(word).unwrap();
        assert_eq!(one("all")["Count"], -1);
        assert_eq!(one("2")["Count"], 2);
        let named = one("\"device=0,1\",capabilities=utility");
        assert_eq!(named["DeviceIDs"], json!(["0", "1"]));
        assert_eq!(named["Capabilities"], json!([["utility", "gpu"]]));
        assert_eq!(named["Count"], 0);
        assert_eq!(one("driver=x")["Count"], 1);
        assert!(gpu("many").is_err() && gpu("x=y").is_err());
        assert!(gpu("1,count=1").is_err());
    }
}
