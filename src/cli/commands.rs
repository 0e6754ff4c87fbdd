//! All commands, in one table.

use super::command::{self, Action, Command, Group, With};
use super::error::Error;
use super::globals::{self, Globals};
use super::session::Session;
use super::{completion, container, help, image, system, volume};

/// Every command.
pub static ALL: &[&Command] = &[
    &container::attach::COMMAND,
    &container::commit::COMMAND,
    &container::cp::COMMAND,
    &container::create::COMMAND,
    &container::diff::COMMAND,
    &container::exec::COMMAND,
    &container::export::COMMAND,
    &container::inspect::COMMAND,
    &container::kill::COMMAND,
    &container::logs::COMMAND,
    &container::pause::PAUSE,
    &container::pause::UNPAUSE,
    &container::port::COMMAND,
    &container::prune::COMMAND,
    &container::ps::COMMAND,
    &container::rename::COMMAND,
    &container::restart::COMMAND,
    &container::rm::COMMAND,
    &container::run::COMMAND,
    &container::start::COMMAND,
    &container::stats::COMMAND,
    &container::stop::COMMAND,
    &container::top::COMMAND,
    &container::update::COMMAND,
    &container::wait::COMMAND,
    &image::images::COMMAND,
    &image::import::COMMAND,
    &image::inspect::COMMAND,
    &image::pull::COMMAND,
    &image::rmi::COMMAND,
    &system::dial_stdio::COMMAND,
    &system::events::COMMAND,
    &system::info::COMMAND,
    &system::inspect::COMMAND,
    &system::version::COMMAND,
    &volume::create::COMMAND,
    &volume::inspect::COMMAND,
    &volume::ls::COMMAND,
    &volume::prune::COMMAND,
    &volume::rm::COMMAND,
    &completion::COMPLETION,
];

/// The groups that commands can also be called in.
pub static GROUPS: &[Group] = &[
    Group { name: "container", about: "Manage containers" },
    Group { name: "image", about: "Manage images" },
    Group { name: "system", about: "Manage Docker" },
    Group { name: "volume", about: "Manage volumes" },
];

/// The commands that help names first.
const COMMON: &[&str] = &["run", "ps", "pull", "images", "version", "info"];

const ABOUT: &str = "A whole Docker Engine in one file";

static GLOBALS: With<Globals> =
    With { flags: globals::FLAGS, run: unreachable };

/// The global flags are read before any command is looked for.
fn unreachable(
    _: &mut Session,
    _: Globals,
    _: Vec<String>,
) -> Result<i32, Error> {
    Ok(0)
}

/// The help of the program as a whole.
pub fn help(program: &str) -> String {
    let globals: &dyn Action = &GLOBALS;
    help::program(program, ABOUT, ALL, GROUPS, COMMON, globals)
}

/// Says that there is no such command, what may be meant, and what there is.
pub fn not_found(program: &str, name: &str) -> String {
    let known = command::members(ALL, None);
    let known = known.iter().map(|(name, _)| *name);
    let groups = GROUPS.iter().map(|group| group.name);
    let near = command::near(name, known.chain(groups));
    let hint = match near.is_empty() {
        true => String::new(),
        false => {
            format!("\nDid you mean: {}?\n", near.join(", "))
        }
    };
    let help = help(program);
    let help = help.trim_end();
    format!("Error: Command not found: {name}\n{hint}\n{help}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::command::Call;

    #[test]
    fn no_command_has_a_flag_twice() {
        for command in ALL {
            let (mut long, mut short) = (BTreeSet::new(), BTreeSet::new());
            for spec in command.action.flags() {
                let name = command.paths[0];
                assert!(long.insert(spec.long), "{name} --{}", spec.long);
                if let Some(letter) = spec.short() {
                    assert!(short.insert(letter), "{name} -{letter}");
                }
            }
        }
    }

    #[test]
    fn no_two_commands_share_a_path() {
        let mut paths = BTreeSet::new();
        for path in ALL.iter().flat_map(|command| command.paths) {
            assert!(paths.insert(path), "{path}");
            if let Some((group, _)) = path.split_once(' ') {
                assert!(GROUPS.iter().any(|g| g.name == group), "{path}");
            }
        }
    }

    #[test]
    fn all_help_fits_80_columns() {
        let mut texts = Vec::new();
        for command in ALL {
            for path in command.paths {
                let program = "skiff".to_owned();
                texts.push(help::command(&Call { command, program, path }));
            }
        }
        texts.push(crate::cli::daemon::help("skiff"));
        for text in texts {
            for line in text.lines() {
                assert!(line.len() <= 80 && line.is_ascii(), "{line}");
            }
        }
    }

    #[test]
    fn near_names_are_suggested() {
        let text = not_found("skiff", "imagse");
        assert!(text.starts_with(
            "Error: Command not found: imagse\n\n\
             Did you mean: images, image?\n\nUsage:  skiff [OPTIONS] COMMAND"
        ));
    }
}
