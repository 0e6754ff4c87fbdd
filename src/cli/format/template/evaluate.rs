//! From nodes and data to text.

use super::functions;
use super::parse::{Kind, Node, Operand, Pipeline};
use crate::cli::format::value::Value;

/// How a field that is not there is reported.
#[derive(Clone, Copy, Debug)]
pub enum Missing {
    /// As of a map: `map has no entry for key "X"`. Fields that the engine
    /// leaves out when they are empty count as there.
    Key,
    /// As of a struct of this type: `can't evaluate field X in type T`.
    Type(&'static str),
}

/// What is being shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Data.
    Values,
    /// The heads of columns: functions that would change a word leave it.
    Heads,
}

/// Fields that are absent when they are not set.
const OPTIONAL: &[&str] = &[
    "Annotations",
    "ExposedPorts",
    "Health",
    "Healthcheck",
    "Init",
    "MacAddress",
    "Mounts",
    "Runtime",
    "Shell",
    "SizeRootFs",
    "SizeRw",
    "StopSignal",
    "StopTimeout",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Variant",
    "VirtualSize",
];

/// Fields whose `null` is an empty map.
const MAPS: &[&str] = &[
    "Annotations",
    "Data",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "Networks",
    "PortBindings",
    "Ports",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

/// Fields whose `null` is no value at all.
const POINTERS: &[&str] = &[
    "Health",
    "Healthcheck",
    "IPAMConfig",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "SizeRootFs",
    "SizeRw",
    "StopTimeout",
];

/// Carries a template out.
pub fn run(
    text: &str,
    nodes: &[Node],
    data: &Value,
    missing: Missing,
    mode: Mode,
) -> Result<String, String> {
    let mut run = Run {
        text,
        root: data,
        missing,
        mode,
        variables: Vec::new(),
        out: String::new(),
    };
    run.nodes(nodes, data)?;
    Ok(run.out)
}

struct Run<'a> {
    text: &'a str,
    root: &'a Value,
    missing: Missing,
    mode: Mode,
    variables: Vec<(String, Value)>,
    out: String,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), String> {
        let scope = self.variables.len();
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Show(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        let text = shown(pipeline, &value);
                        self.out.push_str(&text);
                    }
                }
                Node::If(pipeline, then, other) => {
                    let scope = self.variables.len();
                    let value = self.pipeline(pipeline, dot)?;
                    let branch = if value.is_true() { then } else { other };
                    self.nodes(branch, dot)?;
                    self.variables.truncate(scope);
                }
                Node::With(pipeline, then, other) => {
                    let scope = self.variables.len();
                    let value = self.pipeline(pipeline, dot)?;
                    match value.is_true() {
                        true => self.nodes(then, &value)?,
                        false => self.nodes(other, dot)?,
                    }
                    self.variables.truncate(scope);
                }
                Node::Range(pipeline, body, other) => {
                    self.range(pipeline, body, other, dot)?;
                }
            }
        }
        self.variables.truncate(scope);
        Ok(())
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        other: &[Node],
        dot: &Value,
    ) -> Result<(), String> {
        let plain = self.commands(pipeline, dot)?;
        let items: Vec<(Value, Value)> = match &plain {
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(i, value)| (Value::from(i as i64), value.clone()))
                .collect(),
            Value::Object(_) => plain
                .sorted()
                .into_iter()
                .map(|(name, value)| (Value::from(name), value.clone()))
                .collect(),
            Value::Null => Vec::new(),
            other => {
                let what = format!("range can't iterate over {other}");
                return Err(self.error_of(pipeline, &what));
            }
        };
        if items.is_empty() {
            return self.nodes(other, dot);
        }
        let scope = self.variables.len();
        for (key, value) in items {
            match &pipeline.variables[..] {
                [one] => self.variables.push((one.clone(), value.clone())),
                [one, two] => {
                    self.variables.push((one.clone(), key));
                    self.variables.push((two.clone(), value.clone()));
                }
                _ => {}
            }
            self.nodes(body, &value)?;
            self.variables.truncate(scope);
        }
        Ok(())
    }

    /// Evaluates a pipeline and sets its variable.
    fn pipeline(
        &mut self,
        pipeline: &Pipeline,
        dot: &Value,
    ) -> Result<Value, String> {
        let value = self.commands(pipeline, dot)?;
        for name in &pipeline.variables {
            self.variables.push((name.clone(), value.clone()));
        }
        Ok(value)
    }

    fn commands(
        &mut self,
        pipeline: &Pipeline,
        dot: &Value,
    ) -> Result<Value, String> {
        let mut piped: Option<Value> = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or_default())
    }

    fn command(
        &mut self,
        command: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, String> {
        let Some((first, words)) = command.split_first() else {
            return Ok(Value::Null);
        };
        let mut arguments = Vec::new();
        if let Kind::Function(name) = &first.kind {
            for word in words {
                arguments.push(self.operand(word, dot)?);
            }
            arguments.extend(piped);
            if self.mode == Mode::Heads && functions::changes_words(name) {
                // Separators and lengths stand before or after the word.
                let word = arguments
                    .into_iter()
                    .find(|value| self.is_head(value))
                    .unwrap_or_default();
                return Ok(word);
            }
            return functions::call(name, &arguments).map_err(|e| {
                self.error(first, &format!("error calling {name}: {e}"))
            });
        }
        // The one method that a row has: `.Label "name"`.
        if first.fields == ["Label"] && words.len() == 1 {
            let name = self.operand(&words[0], dot)?;
            if self.mode == Mode::Heads {
                return Ok(name);
            }
            if let Some(labels) = dot.any_field("labels") {
                let label = labels.field(&name.to_string()).cloned();
                return Ok(label.unwrap_or(Value::from("")));
            }
        }
        if !words.is_empty() || piped.is_some() {
            let what = match first.fields.last() {
                Some(name) => {
                    format!("{name} is not a method but has arguments")
                }
                None => format!(
                    "can't give argument to non-function {}",
                    &self.text[first.from..first.to]
                ),
            };
            return Err(self.error(first, &what));
        }
        self.operand(first, dot)
    }

    /// Tells whether a value is the head of some column.
    fn is_head(&self, value: &Value) -> bool {
        matches!(self.root, Value::Object(heads)
            if heads.iter().any(|(_, head)| head == value))
    }

    fn operand(
        &mut self,
        word: &Operand,
        dot: &Value,
    ) -> Result<Value, String> {
        let owned;
        let mut value: &Value = match &word.kind {
            Kind::Dot => dot,
            Kind::Variable(name) if name == "$" => self.root,
            Kind::Variable(name) => {
                let known = self.variables.iter().rev();
                match known.into_iter().find(|(known, _)| known == name) {
                    Some((_, value)) => {
                        owned = value.clone();
                        &owned
                    }
                    None => {
                        let what = format!("undefined variable {name:?}");
                        return Err(self.error(word, &what));
                    }
                }
            }
            Kind::Text(text) => {
                owned = Value::from(text.as_str());
                &owned
            }
            Kind::Number(number) => {
                owned = Value::from(*number);
                &owned
            }
            Kind::Bool(on) => {
                owned = Value::Bool(*on);
                &owned
            }
            Kind::Nil => &Value::Null,
            Kind::Nested(pipeline) => {
                owned = self.commands(pipeline, dot)?;
                &owned
            }
            Kind::Function(_) => {
                owned = self.command(std::slice::from_ref(word), dot, None)?;
                return Ok(owned);
            }
        };
        for name in &word.fields {
            value = match (value, value.any_field(name)) {
                (_, Some(found)) => found,
                (Value::Object(_), None)
                    if matches!(self.missing, Missing::Key)
                        && OPTIONAL.contains(&name.as_str()) =>
                {
                    &Value::Null
                }
                (Value::Object(_), None) => {
                    return Err(self.error(
                        word,
                        &match self.missing {
                            Missing::Key => {
                                format!("map has no entry for key {name:?}")
                            }
                            Missing::Type(kind) => format!(
                                "can't evaluate field {name} in type {kind}"
                            ),
                        },
                    ));
                }
                (Value::Null, None) => {
                    let what =
                        format!("nil pointer evaluating interface {{}}.{name}");
                    return Err(self.error(word, &what));
                }
                _ => {
                    let what = format!(
                        "can't evaluate field {name} in type interface {{}}"
                    );
                    return Err(self.error(word, &what));
                }
            };
        }
        Ok(value.clone())
    }

    fn error(&self, word: &Operand, reason: &str) -> String {
        let before = &self.text[..word.at];
        let line = 1 + before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        let shown = &self.text[word.from..word.to];
        format!(
            "template: :{line}:{column}: executing \"\" at <{shown}>: {reason}"
        )
    }

    fn error_of(&self, pipeline: &Pipeline, reason: &str) -> String {
        match pipeline.commands.first().and_then(|words| words.first()) {
            Some(word) => self.error(word, reason),
            None => reason.to_owned(),
        }
    }
}

/// Prints the result of `{{pipeline}}`; what `null` stands for is told by
/// the field's name.
fn shown(pipeline: &Pipeline, value: &Value) -> String {
    let name = match &pipeline.commands[..] {
        [words] => match &words[..] {
            [word] => word.fields.last().map(String::as_str),
            _ => None,
        },
        _ => None,
    };
    match (value, name) {
        (Value::Null, Some(name)) if MAPS.contains(&name) => "map[]".to_owned(),
        (Value::Null, Some(name)) if POINTERS.contains(&name) => {
            "<nil>".to_owned()
        }
        (Value::Null, Some("StopSignal" | "Variant" | "MacAddress")) => {
            String::new()
        }
        (Value::Null, Some(_)) => "[]".to_owned(),
        (Value::Null, None) => "<no value>".to_owned(),
        (value, _) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;

    const DATA: &str = r#"{
        "Name": "/web", "Num": 3, "On": true, "Off": false, "Nil": null,
        "List": ["a", "b"], "Empty": [],
        "State": {"Status": "running", "Pid": 7},
        "Config": {"Labels": {"x.y": "1", "z": "2"}, "Env": null},
        "Ports": {"80/tcp": [{"HostPort": "8080"}], "81/tcp": null}
    }"#;

    fn run(text: &str) -> Result<String, String> {
        let data: Value = serde_json::from_str(DATA).unwrap();
        Template::parse(text)?.run(&data, Missing::Key, Mode::Values)
    }

    #[test]
    fn templates_show_what_go_shows() {
        let cases = [
            ("plain", "plain"),
            ("{{.Name}} {{ .State.Status }}", "/web running"),
            ("{{.Num}}{{.On}}{{.List}}", "3true[a b]"),
            ("{{.Config.Env}}|{{.Config.Labels}}", "[]|map[x.y:1 z:2]"),
            ("{{json .State}}", "{\"Status\":\"running\",\"Pid\":7}"),
            ("{{.State.Health}}{{json .State.Health}}", "<nil>null"),
            ("{{index .Config.Labels \"x.y\"}}", "1"),
            ("{{index .Config.Labels \"none\"}}", ""),
            ("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080"),
            ("{{range .List}}<{{.}}>{{end}}", "<a><b>"),
            ("{{range .Empty}}x{{else}}none{{end}}", "none"),
            (
                "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}",
                "x.y=1 z=2 ",
            ),
            ("{{range $i, $v := .List}}{{$i}}{{$v}}{{end}}", "0a1b"),
            (
                "{{range $p, $b := .Ports}}{{$p}}:{{if $b}}{{(index $b 0).HostPort}}{{else}}-{{end}} {{end}}",
                "80/tcp:8080 81/tcp:- ",
            ),
            ("{{if .On}}yes{{else}}no{{end}}", "yes"),
            ("{{if .Off}}1{{else if .On}}2{{else}}3{{end}}", "2"),
            ("{{if and .On (eq .Num 3)}}ok{{end}}", "ok"),
            ("{{if or .Off (gt .Num 5)}}ok{{else}}not{{end}}", "not"),
            ("{{with .State}}{{.Pid}}{{$.Num}}{{end}}", "73"),
            ("{{$x := .Num}}{{$x}}", "3"),
            ("{{join .List \",\"}} {{.Name | upper}}", "a,b /WEB"),
            ("{{println .Num .Name}}", "3 /web\n"),
            ("{{printf \"%s-%d-%v %%\" .Name .Num .On}}", "/web-3-true %"),
            ("{{len .List}} {{len .Name}}", "2 4"),
            ("a {{- .Num -}} b{{/* nothing */}}", "a3b"),
            ("{{slice .Name 1}} {{truncate .Name 3}}", "web /we"),
            ("{{not .Off}} {{ne .Name \"x\"}}", "true true"),
            ("{{split .Name \"e\"}}", "[/w b]"),
            ("{{`raw`}} {{\"q\\\"\"}}", "raw q\""),
        ];
        for (text, shown) in cases {
            assert_eq!(run(text).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn errors_are_in_gos_words() {
        let cases = [
            ("{{", "template: :1: unclosed action"),
            ("{{.Name", "template: :1: unclosed action"),
            ("{{}}", "template: :1: missing value for command"),
            ("{{foo}}", "template: :1: function \"foo\" not defined"),
            ("{{if .On}}x", "template: :1: unexpected EOF"),
            ("{{end}}", "template: :1: unexpected {{end}}"),
            (
                "{{.Nope}}",
                "template: :1:2: executing \"\" at <.Nope>: map has no entry \
                 for key \"Nope\"",
            ),
            (
                "{{.State.Nope}}",
                "template: :1:8: executing \"\" at <.State.Nope>: map has no \
                 entry for key \"Nope\"",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(run(text).unwrap_err(), error, "{text}");
        }
        let hostile = "{{(".repeat(10_000);
        assert!(run(&hostile).is_err());
        assert!(run(&"{{if 1}}".repeat(10_000)).is_err());
    }
}
