//! What a client that may only look does not get to see: the values of
//! environment variables, which is where secrets are kept.
//!
//! They stand in `Env`, wherever that is in an answer, and in the words
//! that made an image's layers (`ENV A=b`, and the build arguments in front
//! of a `RUN`).

use serde_json::Value;

/// What stands in place of a value.
const HIDDEN: &str = "(hidden)";

/// Hides all values of variables in a JSON answer; their names stay.
pub(super) fn hide_environment(answer: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut value = serde_json::from_slice(answer)?;
    hide(&mut value);
    answer.clear();
    serde_json::to_writer(answer, &value)
}

fn hide(answer: &mut Value) {
    match answer {
        Value::Array(list) => list.iter_mut().for_each(hide),
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), &mut *field) {
                    ("Env", Value::Array(variables)) => {
                        variables.iter_mut().for_each(hide_value);
                    }
                    ("CreatedBy", Value::String(text)) => hide_build(text),
                    ("Cmd", Value::Array(words)) => hide_made_by(words),
                    _ => hide(field),
                }
            }
        }
        _ => {}
    }
}

fn hide_value(variable: &mut Value) {
    if let Value::String(text) = variable
        && let Some(end) = text.find('=')
    {
        text.truncate(end + 1);
        text.push_str(HIDDEN);
    }
}

/// The command of a step of a build, as old images record it: a note
/// (`#(nop)  ENV A=b`), or arguments before the program (`|1 A=b …`).
fn hide_made_by(words: &mut Vec<Value>) {
    let has_arguments = words
        .first()
        .and_then(Value::as_str)
        .is_some_and(|first| first.starts_with('|') && first.len() > 1);
    if has_arguments {
        words.truncate(1);
        words.push(HIDDEN.into());
    }
    for word in words {
        if let Value::String(text) = word
            && text.trim_start().starts_with("#(nop)")
        {
            hide_build(text);
        }
    }
}

fn hide_build(text: &mut String) {
    let mut rest = text.trim_start();
    for before in ["RUN", "/bin/sh -c", "#(nop)"] {
        rest = rest.strip_prefix(before).unwrap_or(rest).trim_start();
    }
    let at = text.len() - rest.len();
    let end = match rest {
        _ if rest.starts_with("ENV ") || rest.starts_with("ARG ") => at + 4,
        // `RUN |1 A=b /bin/sh -c make`
        _ if rest.starts_with('|') => at + 1,
        _ => return,
    };
    text.truncate(end);
    text.push_str(HIDDEN);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_hidden_wherever_they_stand() {
        let mut answer = json!([{
            "Id": "x",
            "Config": {
                "Env": ["PATH=/bin", "TOKEN=a=b", "EMPTY=", "BARE"],
                "Cmd": ["sh", "-c", "ENV x", "|"],
            },
            "ContainerConfig": {
                "Env": null,
                "Cmd": ["/bin/sh", "-c", "#(nop)  ENV TOKEN=secret"],
            },
            "Made": { "Cmd": ["|1", "TOKEN=secret", "/bin/sh"] },
        }]);
        hide(&mut answer);
        assert_eq!(
            answer,
            json!([{
                "Id": "x",
                "Config": {
                    "Env": [
                        "PATH=(hidden)", "TOKEN=(hidden)", "EMPTY=(hidden)",
                        "BARE",
                    ],
                    "Cmd": ["sh", "-c", "ENV x", "|"],
                },
                "ContainerConfig": {
                    "Env": null,
                    "Cmd": ["/bin/sh", "-c", "#(nop)  ENV (hidden)"],
                },
                "Made": { "Cmd": ["|1", "(hidden)"] },
            }])
        );
    }

    #[test]
    fn what_made_a_layer_tells_no_values() {
        for (text, left) in [
            ("ENV TOKEN=secret", "ENV (hidden)"),
            (
                "/bin/sh -c #(nop)  ENV A=b C=d",
                "/bin/sh -c #(nop)  ENV (hidden)",
            ),
            ("ARG TOKEN=secret", "ARG (hidden)"),
            ("RUN |1 TOKEN=secret /bin/sh -c make", "RUN |(hidden)"),
            (
                "RUN /bin/sh -c make # buildkit",
                "RUN /bin/sh -c make # buildkit",
            ),
            ("CMD [\"sh\"]", "CMD [\"sh\"]"),
        ] {
            let mut history = json!([{ "CreatedBy": text }]);
            hide(&mut history);
            assert_eq!(history[0]["CreatedBy"], left);
        }
    }
}
