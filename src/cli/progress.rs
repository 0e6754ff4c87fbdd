//! The progress of pulls and imports: lines where output is kept, bars that
//! are drawn again and again where it is a terminal.

use std::io::{self, Read, Write};

use crate::api::progress::{Message, bar};
use crate::cli::error::Error;
use crate::client;
use crate::sys::tty;

/// A window of at most so many columns has no room for bars.
const NARROW: u16 = 110;

/// Where progress is shown, and how.
pub struct Progress<W: Write> {
    out: Option<W>,
    /// The width of the terminal; none if it is none.
    columns: Option<u16>,
    /// The things that have a line of their own, topmost first.
    lines: Vec<String>,
}

impl Progress<io::Stdout> {
    /// Shows progress on standard output.
    pub fn to_stdout() -> Progress<io::Stdout> {
        let columns = columns(io::stdout());
        Progress { out: Some(io::stdout()), columns, lines: Vec::new() }
    }
}

impl Progress<io::Stderr> {
    /// Shows progress on standard error.
    pub fn to_stderr() -> Progress<io::Stderr> {
        let columns = columns(io::stderr());
        Progress { out: Some(io::stderr()), columns, lines: Vec::new() }
    }
}

impl Progress<io::Sink> {
    /// Shows nothing but errors.
    pub fn hidden() -> Progress<io::Sink> {
        Progress { out: None, columns: None, lines: Vec::new() }
    }
}

fn columns(stream: impl std::os::fd::AsFd) -> Option<u16> {
    if !tty::is_terminal(&stream) {
        return None;
    }
    // A terminal without a size is taken for a wide one.
    let size = tty::window_size(&stream).unwrap_or_default();
    Some(if size.cols == 0 { 200 } else { size.cols })
}

impl<W: Write> Progress<W> {
    /// Shows all messages; an error among them ends it.
    pub fn follow(mut self, stream: impl Read) -> Result<(), Error> {
        for message in client::objects::<Message>(stream) {
            let message = message?;
            if !message.error.is_empty() || message.error_detail.is_some() {
                let detail = message.error_detail.unwrap_or_default();
                return Err(Error::text(match detail.code {
                    401 => "authentication is required".to_owned(),
                    _ if detail.message.is_empty() => message.error,
                    _ => detail.message,
                }));
            }
            if message.aux.is_none() {
                self.show(&message)?;
            }
        }
        Ok(())
    }

    fn show(&mut self, message: &Message) -> io::Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let detail = message.progress_detail.as_ref();
        let moves = detail.is_some() && !message.id.is_empty();
        let head = match message.id.is_empty() {
            true => message.status.clone(),
            false => format!("{}: {}", message.id, message.status),
        };
        let Some(columns) = self.columns else {
            // Steps are shown, the bytes in between are not.
            let is_bar = detail.is_some_and(|d| d.current > 0 || d.total > 0);
            if !is_bar {
                writeln!(out, "{head}")?;
            }
            return out.flush();
        };
        if !moves {
            // Lines above it do not change any more.
            self.lines.clear();
            writeln!(out, "{head}")?;
            return out.flush();
        }
        let known = self.lines.iter().position(|id| *id == message.id);
        let line = known.unwrap_or_else(|| {
            self.lines.push(message.id.clone());
            self.lines.len() - 1
        });
        if known.is_none() {
            writeln!(out)?;
        }
        let up = self.lines.len() - line;
        let detail = detail.cloned().unwrap_or_default();
        let figures = match (detail.current, detail.total) {
            (current, total) if current <= 0 && total <= 0 => String::new(),
            (current, total) => {
                let full = bar(current, total);
                // `[===>   ] 1kB/2kB`: a narrow window gets the figures.
                match full.split_once(']') {
                    Some((_, rest)) if columns <= NARROW => {
                        rest.strip_prefix(' ').unwrap_or(rest).to_owned()
                    }
                    _ => full,
                }
            }
        };
        write!(out, "\x1b[{up}A\x1b[2K\r{head} {figures}\r\x1b[{up}B")?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = concat!(
        r#"{"status":"Pulling from library/busybox","id":"latest"}"#,
        "\n",
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"a577"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":14351,"total":1088882},"progress":"[>  ]","id":"a577"}"#,
        r#"{"status":"Pull complete","progressDetail":{},"id":"a577"}"#,
        r#"{"status":"Digest: sha256:6"}"#,
    );

    fn shown(text: &str, columns: Option<u16>) -> (String, Option<String>) {
        let mut out = Vec::new();
        let progress =
            Progress { out: Some(&mut out), columns, lines: Vec::new() };
        let error = progress.follow(text.as_bytes()).err();
        let error = error.map(|error| error.to_string());
        (String::from_utf8(out).unwrap(), error)
    }

    #[test]
    fn without_a_terminal_steps_are_lines() {
        assert_eq!(
            shown(RECORDED, None).0,
            "latest: Pulling from library/busybox\na577: Pulling fs layer\n\
             a577: Pull complete\nDigest: sha256:6\n"
        );
    }

    #[test]
    fn on_a_terminal_lines_are_drawn_again() {
        let narrow = shown(RECORDED, Some(80)).0;
        assert_eq!(
            narrow,
            "latest: Pulling from library/busybox\n\n\
             \x1b[1A\x1b[2K\ra577: Pulling fs layer \r\x1b[1B\
             \x1b[1A\x1b[2K\ra577: Downloading  14.35kB/1.089MB\r\x1b[1B\
             \x1b[1A\x1b[2K\ra577: Pull complete \r\x1b[1B\
             Digest: sha256:6\n"
        );
        assert!(shown(RECORDED, Some(200)).0.contains("Downloading [>"));
    }

    #[test]
    fn an_error_ends_it() {
        let text = format!(
            "{RECORDED}{{\"errorDetail\":{{\"message\":\"boom\"}},\
             \"error\":\"boom\"}}"
        );
        assert_eq!(shown(&text, None).1.as_deref(), Some("boom"));
        assert_eq!(shown(RECORDED, None).1, None);
    }
}
