//! Help texts, derived from the data of commands and flags and laid out as
//! Docker's own are.

use super::command::{self, Action, Call, Command, Group};
use super::flag::Spec;

/// Lines are wrapped to so many columns.
const COLUMNS: usize = 79;

static HELP: Spec = Spec::switch("help", "Print usage");

/// The usage line of a command.
pub fn usage_line(call: &Call) -> String {
    let name = call.full_name();
    let usage = call.command.usage.replace("\n\t", &format!("\n\t{name} "));
    format!("Usage:  {name} {usage}")
}

/// The help of one command.
pub fn command(call: &Call) -> String {
    let mut text = format!("{}\n\n", usage_line(call));
    text.push_str(call.command.about);
    text.push('\n');
    if call.command.paths.len() > 1 {
        let names: Vec<_> = call
            .command
            .paths
            .iter()
            .map(|path| format!("{} {path}", call.program))
            .collect();
        text.push_str(&format!("\nAliases:\n  {}\n", names.join(", ")));
    }
    let mut flags = call.command.action.flags();
    // Where `-h` means something else, the other way to help is told.
    if flags.iter().any(|spec| spec.short() == Some('h')) {
        flags.push(&HELP);
        flags.sort_by_key(|spec| spec.long);
    }
    let flags = options(&flags);
    if !flags.is_empty() {
        text.push_str(&format!("\nOptions:\n{flags}"));
    }
    text
}

/// The help of a group.
pub fn group(
    program: &str,
    group: &Group,
    commands: &'static [&'static Command],
) -> String {
    let name = group.name;
    format!(
        "Usage:  {program} {name} COMMAND\n\n{}\n\nCommands:\n{}\n\
         Run '{program} {name} COMMAND --help' for more information on a \
         command.\n",
        group.about,
        list(command::members(commands, Some(name)).into_iter()),
    )
}

/// The help of the program as a whole. The commands named in `common` come
/// first.
pub fn program(
    program: &str,
    about: &str,
    commands: &'static [&'static Command],
    groups: &'static [Group],
    common: &[&str],
    globals: &dyn Action,
) -> String {
    let all = command::members(commands, None);
    let first = common
        .iter()
        .filter_map(|name| all.iter().find(|(n, _)| n == name).copied());
    let others = all.iter().filter(|(name, _)| !common.contains(name)).copied();
    let mut management = String::new();
    for group in groups {
        management.push_str(&format!("  {:10}  {}\n", group.name, group.about));
    }
    format!(
        "Usage:  {program} [OPTIONS] COMMAND\n\n{about}\n\n\
         Common Commands:\n{}\nManagement Commands:\n{management}\n\
         Commands:\n{}\nGlobal Options:\n{}\n\
         Run '{program} COMMAND --help' for more information on a command.\n",
        list(first),
        list(others),
        options(&globals.flags()),
    )
}

fn list(
    members: impl Iterator<Item = (&'static str, &'static Command)>,
) -> String {
    let mut text = String::new();
    for (name, command) in members {
        text.push_str(&format!("  {name:10}  {}\n", command.about));
    }
    text
}

/// Lays flags out in two columns.
pub fn options(flags: &[&Spec]) -> String {
    let heads: Vec<(String, String)> = flags
        .iter()
        .filter(|spec| !spec.is_hidden)
        .map(|spec| {
            let mut head = match spec.short() {
                Some(short) => format!("  -{short}, --{}", spec.long),
                None => format!("      --{}", spec.long),
            };
            if !spec.is_switch() {
                head.push(' ');
                head.push_str(spec.value);
            }
            let mut help = spec.help.to_owned();
            if !spec.default.is_empty() {
                help.push_str(&format!(" (default {})", spec.default));
            }
            (head, help)
        })
        .collect();
    let width = heads.iter().map(|(head, _)| head.len()).max().unwrap_or(0) + 3;
    let mut text = String::new();
    for (head, help) in &heads {
        let mut head = head.as_str();
        for line in wrap(help, COLUMNS - width) {
            text.push_str(&format!("{head:width$}{line}\n"));
            head = "";
        }
    }
    text
}

/// Breaks a text into lines of less than `width` characters. A line is broken
/// five characters early, so that a short last word need not stand alone.
fn wrap(text: &str, width: usize) -> Vec<&str> {
    const SLACK: usize = 5;
    let mut lines = Vec::new();
    for mut rest in text.split('\n') {
        while rest.len() >= width {
            let room = &rest[..width - SLACK];
            let Some(space) = room.rfind(' ').filter(|at| *at > 0) else {
                break;
            };
            lines.push(&rest[..space]);
            rest = &rest[space + 1..];
        }
        lines.push(rest);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_wrapped_at_words() {
        let text = "one two three four five six seven";
        assert_eq!(wrap(text, 20), ["one two three", "four five six seven"]);
        assert_eq!(wrap("short", 20), ["short"]);
        assert_eq!(wrap("a\nb", 20), ["a", "b"]);
        assert_eq!(
            wrap("averyveryverylongword", 10),
            ["averyveryverylongword"]
        );
    }
}
