//! `top`.

use crate::cli::command::{Command, NO_FLAGS, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::session::Session;

/// `top`.
pub static COMMAND: Command = Command {
    paths: &["container top", "top"],
    usage: "CONTAINER [ps OPTIONS]",
    about: "Display the running processes of a container",
    words: Words::AtLeast(1),
    order: Order::FlagsFirst,
    action: &With { flags: &[NO_FLAGS], run },
};

/// The least width of a column, the space behind it included.
const WIDTH: usize = 20;

fn run(
    session: &mut Session,
    (): (),
    words: Vec<String>,
) -> Result<i32, Error> {
    let top = session.client()?.top(&words[0], &words[1..].join(" "))?;
    let mut rows = vec![top.titles];
    rows.extend(top.processes);
    let last = rows.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let widest = cells.map(|cell| cell.chars().count()).max();
        (widest.unwrap_or(0) + 3).max(WIDTH)
    };
    let widths: Vec<usize> = (0..last).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or(0);
            text.push_str(&format!("{cell:width$}"));
        }
        text.push('\n');
    }
    session.print(&text)?;
    Ok(0)
}
