//! From text to nodes.

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub enum Node {
    /// Text that is shown as it is.
    Text(String),
    /// `{{pipeline}}`.
    Show(Pipeline),
    /// `{{if}}`, with its two branches.
    If(Pipeline, Vec<Node>, Vec<Node>),
    /// `{{with}}`, with its two branches.
    With(Pipeline, Vec<Node>, Vec<Node>),
    /// `{{range}}`: the body, and what is shown when there is nothing.
    Range(Pipeline, Vec<Node>, Vec<Node>),
}

/// Commands whose results are passed on, perhaps into variables.
#[derive(Debug, Default, PartialEq)]
pub struct Pipeline {
    /// `$x :=`, or `$key, $value :=` with a range.
    pub variables: Vec<String>,
    /// The commands.
    pub commands: Vec<Vec<Operand>>,
}

/// A word of a command, and where in the text it stands for errors.
#[derive(Debug, PartialEq)]
pub struct Operand {
    /// What it is.
    pub kind: Kind,
    /// Fields that are taken of it.
    pub fields: Vec<String>,
    /// Byte positions: of the whole, of what Go's errors point at.
    pub from: usize,
    /// Where the word ends.
    pub to: usize,
    /// What Go's errors point at: the second field, else the beginning.
    pub at: usize,
}

/// What a word begins with.
#[derive(Debug, PartialEq)]
pub enum Kind {
    /// `.`
    Dot,
    /// `$` or `$name`.
    Variable(String),
    /// A function.
    Function(String),
    /// A string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Bool(bool),
    /// `nil`.
    Nil,
    /// `(pipeline)`.
    Nested(Pipeline),
}

/// Nesting beyond this is refused.
const DEEPEST: usize = 50;

/// Reads a template.
pub fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { text, at: 0, trim: false, depth: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::Text => Ok(nodes),
        End::Closed => Err(parser.error("unexpected {{end}}")),
        End::Else(_) => Err(parser.error("unexpected {{else}}")),
    }
}

/// Tells whether any node uses the field.
pub fn uses(nodes: &[Node], field: &str) -> bool {
    fn in_pipeline(pipeline: &Pipeline, field: &str) -> bool {
        pipeline.commands.iter().flatten().any(|operand| {
            operand.fields.iter().any(|name| name == field)
                || matches!(&operand.kind,
                    Kind::Nested(inner) if in_pipeline(inner, field))
        })
    }
    nodes.iter().any(|node| match node {
        Node::Text(_) => false,
        Node::Show(pipeline) => in_pipeline(pipeline, field),
        Node::If(pipeline, then, other)
        | Node::With(pipeline, then, other)
        | Node::Range(pipeline, then, other) => {
            in_pipeline(pipeline, field)
                || uses(then, field)
                || uses(other, field)
        }
    })
}

/// What ended a list of nodes.
enum End {
    Text,
    Closed,
    /// What follows `else` in its action.
    Else(String),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Whether the last action asked for the white space after it to go.
    trim: bool,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, reason: &str) -> String {
        let line = 1 + self.text[..self.at].matches('\n').count();
        format!("template: :{line}: {reason}")
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn nodes(&mut self) -> Result<(Vec<Node>, End), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("nested too deeply"));
        }
        let mut nodes = Vec::new();
        let end = loop {
            let rest = self.rest();
            let open = rest.find("{{");
            let mut shown = &rest[..open.unwrap_or(rest.len())];
            if self.trim {
                shown = shown.trim_start();
            }
            let Some(open) = open else {
                push_text(&mut nodes, shown);
                self.at = self.text.len();
                break End::Text;
            };
            self.at += open + 2;
            if self.rest().starts_with("- ") {
                self.at += 2;
                shown = shown.trim_end();
            }
            push_text(&mut nodes, shown);
            if let Some(end) = self.action(&mut nodes)? {
                break end;
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn action(&mut self, nodes: &mut Vec<Node>) -> Result<Option<End>, String> {
        self.space();
        if let Some(comment) = self.rest().strip_prefix("/*") {
            let Some(end) = comment.find("*/") else {
                return Err(self.error("unclosed comment"));
            };
            self.at += end + 4;
            self.close()?;
            return Ok(None);
        }
        let word = self.rest();
        let word = &word[..word.find(|c| !is_letter(c)).unwrap_or(word.len())];
        let from = self.at;
        self.at += word.len();
        match word {
            "end" => {
                self.close()?;
                Ok(Some(End::Closed))
            }
            "else" => {
                self.space();
                let word = self.rest();
                let chained =
                    ["if", "with"].iter().find(|name| word.starts_with(**name));
                match chained {
                    Some(name) => {
                        self.at += name.len();
                        Ok(Some(End::Else((*name).to_owned())))
                    }
                    None => {
                        self.close()?;
                        Ok(Some(End::Else(String::new())))
                    }
                }
            }
            "if" | "with" | "range" => {
                nodes.push(self.control(word)?);
                Ok(None)
            }
            "define" | "template" | "block" | "break" | "continue" => {
                Err(self.error(&format!("{word} is not supported")))
            }
            _ => {
                self.at = from;
                let pipeline = self.pipeline("command")?;
                self.close()?;
                nodes.push(Node::Show(pipeline));
                Ok(None)
            }
        }
    }

    /// Reads the rest of `{{if …}} … {{else}} … {{end}}`.
    fn control(&mut self, word: &str) -> Result<Node, String> {
        let pipeline = self.pipeline(word)?;
        self.close()?;
        let (then, end) = self.nodes()?;
        let other = match end {
            End::Closed => Vec::new(),
            End::Else(chained) if chained.is_empty() => {
                let (other, end) = self.nodes()?;
                if !matches!(end, End::Closed) {
                    return Err(self.error("expected end; found {{else}}"));
                }
                other
            }
            // `{{else if}}` is an `if` in the other branch; they share the
            // `end`.
            End::Else(chained) => vec![self.control(&chained)?],
            End::Text => return Err(self.error("unexpected EOF")),
        };
        Ok(match word {
            "if" => Node::If(pipeline, then, other),
            "with" => Node::With(pipeline, then, other),
            _ => Node::Range(pipeline, then, other),
        })
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes the `}}` of an action.
    fn close(&mut self) -> Result<(), String> {
        self.space();
        self.trim = self.rest().starts_with("-}}");
        if self.trim {
            self.at += 1;
        }
        if !self.rest().starts_with("}}") {
            return Err(self.error(
                match self.rest().chars().next() {
                    None => "unclosed action".to_owned(),
                    Some(c) => format!("unexpected {c:?} in command"),
                }
                .as_str(),
            ));
        }
        self.at += 2;
        Ok(())
    }

    /// `context` names the action in errors.
    fn pipeline(&mut self, context: &str) -> Result<Pipeline, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("nested too deeply"));
        }
        let mut pipeline = Pipeline::default();
        if let Some(length) = self.variables(&mut pipeline.variables) {
            self.at += length;
        }
        loop {
            let mut command = Vec::new();
            while let Some(operand) = self.operand()? {
                command.push(operand);
            }
            if command.is_empty() {
                if self.rest().is_empty() {
                    return Err(self.error("unclosed action"));
                }
                let what = match pipeline.commands.is_empty() {
                    true => format!("missing value for {context}"),
                    false => "missing value for command".to_owned(),
                };
                return Err(self.error(&what));
            }
            pipeline.commands.push(command);
            self.space();
            if !self.rest().starts_with('|') {
                break;
            }
            self.at += 1;
        }
        self.depth -= 1;
        Ok(pipeline)
    }

    /// Reads `$a, $b :=` without moving; returns its length.
    fn variables(&self, names: &mut Vec<String>) -> Option<usize> {
        let rest = self.rest();
        let length = rest.find(":=")?;
        let list: Vec<&str> =
            rest[..length].split(',').map(str::trim).collect();
        let is_name = |name: &&str| {
            name.strip_prefix('$').is_some_and(|n| n.chars().all(is_letter))
        };
        if list.len() > 2 || !list.iter().all(is_name) {
            return None;
        }
        names.extend(list.into_iter().map(str::to_owned));
        Some(length + 2)
    }

    fn operand(&mut self) -> Result<Option<Operand>, String> {
        self.space();
        let from = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(self.error("unclosed action"));
        };
        let kind = match first {
            '|' | ')' | '}' => return Ok(None),
            '-' if rest.starts_with("-}}") => return Ok(None),
            '(' => {
                self.at += 1;
                let inner = self.pipeline("parenthesized pipeline")?;
                self.space();
                if !self.rest().starts_with(')') {
                    return Err(self.error("unclosed left paren"));
                }
                self.at += 1;
                Kind::Nested(inner)
            }
            '"' => Kind::Text(self.quoted()?),
            '`' => {
                let Some(end) = rest[1..].find('`') else {
                    return Err(self.error("unterminated raw quoted string"));
                };
                self.at += end + 2;
                Kind::Text(rest[1..=end].to_owned())
            }
            '.' => {
                // The fields are read below; a dot alone has none.
                if !rest[1..].starts_with(is_letter) {
                    self.at += 1;
                }
                Kind::Dot
            }
            '$' => {
                let name = &rest[1..];
                let end = name.find(|c| !is_letter(c)).unwrap_or(name.len());
                self.at += 1 + end;
                Kind::Variable(rest[..=end].to_owned())
            }
            c if c.is_ascii_digit() || c == '-' || c == '+' => {
                let end = rest[1..].find(|c: char| !c.is_ascii_digit());
                let end = 1 + end.unwrap_or(rest.len() - 1);
                self.at += end;
                let number = rest[..end].parse().map_err(|_| {
                    self.error(&format!(
                        "bad number syntax: {:?}",
                        &rest[..end]
                    ))
                })?;
                Kind::Number(number)
            }
            c if is_letter(c) => {
                let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
                self.at += end;
                match &rest[..end] {
                    "true" => Kind::Bool(true),
                    "false" => Kind::Bool(false),
                    "nil" => Kind::Nil,
                    name if super::functions::is_known(name) => {
                        Kind::Function(name.to_owned())
                    }
                    name => {
                        let text = format!("function {name:?} not defined");
                        return Err(self.error(&text));
                    }
                }
            }
            c => {
                return Err(self.error(&format!("unexpected {c:?} in command")));
            }
        };
        let mut fields = Vec::new();
        let mut at = from;
        while let Some(rest) = self.rest().strip_prefix('.') {
            let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
            if end == 0 {
                break;
            }
            if fields.len() == 1 {
                at = self.at;
            }
            fields.push(rest[..end].to_owned());
            self.at += 1 + end;
        }
        Ok(Some(Operand { kind, fields, from, to: self.at, at }))
    }

    /// Reads a string in double quotes.
    fn quoted(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, c)) => out.push(c),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err(self.error("unterminated quoted string"))
    }
}

fn push_text(nodes: &mut Vec<Node>, text: &str) {
    if !text.is_empty() {
        nodes.push(Node::Text(text.to_owned()));
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
