//! Commands as data, how one is found among them, and how its words are
//! checked before it runs.

use std::ffi::OsString;

use super::error::Error;
use super::flag::{self, Flag, Order, Spec, Table};
use super::help;
use super::session::Session;

/// A command of the client.
pub struct Command {
    /// Every way to call it, in the order in which help names them: the
    /// names in a group first (`container ls`), then the short one (`ps`).
    pub paths: &'static [&'static str],
    /// What follows the name in the usage line; what follows a line break
    /// and a tab is another usage of it.
    pub usage: &'static str,
    /// One sentence for help.
    pub about: &'static str,
    /// How many words it takes besides its flags.
    pub words: Words,
    /// Where flags end among the words.
    pub order: Order,
    /// Its flags and what it does.
    pub action: &'static dyn Action,
}

/// How many words a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// None.
    None,
    /// Just so many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// So many or fewer.
    AtMost(usize),
    /// From the first number to the second.
    Between(usize, usize),
}

impl Words {
    /// Says what is wrong with a number of words, as Docker does.
    fn refuse(self, count: usize) -> Option<String> {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        match self {
            Words::None if count > 0 => Some("accepts no arguments".into()),
            Words::Exactly(n) if count != n => {
                Some(format!("requires {n} argument{}", plural(n)))
            }
            Words::AtLeast(n) if count < n => {
                Some(format!("requires at least {n} argument{}", plural(n)))
            }
            Words::AtMost(n) if count > n => {
                Some(format!("requires at most {n} argument{}", plural(n)))
            }
            Words::Between(low, high) if count < low || count > high => {
                Some(format!(
                    "requires at least {low} and at most {high} argument{}",
                    plural(high)
                ))
            }
            _ => None,
        }
    }
}

/// A command's flags and what it does, whatever type they are gathered in.
pub trait Action: Sync {
    /// Lists the flags by their long names.
    fn flags(&self) -> Vec<&'static Spec>;

    /// Reads the words and carries the command out; returns the status to
    /// exit with.
    fn run(
        &self,
        session: &mut Session,
        call: &Call,
        words: &[OsString],
    ) -> Result<i32, Error>;
}

/// A table of flags, and the function that gets what was typed.
pub struct With<T: 'static> {
    /// The flags.
    pub flags: Table<T>,
    /// Carries the command out with the typed flags and words; returns the
    /// status to exit with.
    pub run: fn(&mut Session, T, Vec<String>) -> Result<i32, Error>,
}

impl<T: Default> Action for With<T> {
    fn flags(&self) -> Vec<&'static Spec> {
        flag::sorted(self.flags)
    }

    fn run(
        &self,
        session: &mut Session,
        call: &Call,
        words: &[OsString],
    ) -> Result<i32, Error> {
        let mut typed = T::default();
        let order = call.command.order;
        match flag::parse(self.flags, order, words, &mut typed) {
            Ok(words) => {
                call.check(words.len())?;
                (self.run)(session, typed, words)
            }
            Err(flag::Error::Help) => {
                session.print(&help::command(call))?;
                Ok(0)
            }
            Err(error) => Err(Error::Flag {
                text: error.to_string(),
                usage: help::usage_line(call),
                call: call.full_name(),
            }),
        }
    }
}

/// No flags at all.
pub const NO_FLAGS: &[Flag<()>] = &[];

/// One call of a command: which, and under which of its names.
pub struct Call {
    /// The command.
    pub command: &'static Command,
    /// The program's own name.
    pub program: String,
    /// The name it was called by, without aliases inside a group.
    pub path: &'static str,
}

impl Call {
    /// Names the command with the program in front: `docker container ls`.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.program, self.path)
    }

    /// Checks the number of words.
    fn check(&self, count: usize) -> Result<(), Error> {
        match self.command.words.refuse(count) {
            None => Ok(()),
            Some(text) => Err(Error::Words {
                text,
                usage: help::usage_line(self),
                call: self.full_name(),
                verb: match self.command.words {
                    Words::AtLeast(_) => "See",
                    _ => "Run",
                },
            }),
        }
    }
}

/// What the first words of the command line stand for.
pub enum Found {
    /// A command; so many words name it.
    Command(&'static Command, &'static str, usize),
    /// The name of a group alone.
    Group(&'static Group),
    /// A word that is no command of this group.
    NotInGroup(&'static Group, String),
    /// No such command.
    Nothing,
}

/// A group of commands.
#[derive(Debug)]
pub struct Group {
    /// Its name, the first word of its commands.
    pub name: &'static str,
    /// One sentence for help.
    pub about: &'static str,
}

/// Finds the command that the words name.
pub fn find(
    commands: &'static [&'static Command],
    groups: &'static [Group],
    words: &[OsString],
) -> Found {
    let word = |i: usize| words.get(i).and_then(|word| word.to_str());
    let Some(first) = word(0) else { return Found::Nothing };
    let Some(group) = groups.iter().find(|group| group.name == first) else {
        return match lookup(commands, |path| path == first) {
            Some((command, path)) => Found::Command(command, path, 1),
            None => Found::Nothing,
        };
    };
    let Some(second) = word(1).filter(|word| !word.starts_with('-')) else {
        return Found::Group(group);
    };
    let is_it = |path: &str| path.split_once(' ') == Some((first, second));
    match lookup(commands, is_it) {
        Some((command, path)) => Found::Command(command, path, 2),
        None => Found::NotInGroup(group, second.to_owned()),
    }
}

/// Finds a command by one of its paths; returns the first path of the same
/// depth, which is the one that help shows.
fn lookup(
    commands: &'static [&'static Command],
    is_it: impl Fn(&str) -> bool,
) -> Option<(&'static Command, &'static str)> {
    let holds = |command: &&&Command| command.paths.iter().any(|p| is_it(p));
    let command = commands.iter().find(holds)?;
    let called = command.paths.iter().find(|path| is_it(path))?;
    let shown = command
        .paths
        .iter()
        .find(|path| path.contains(' ') == called.contains(' '))?;
    Some((command, shown))
}

/// Lists the commands of a group (`None`: those without one), by name.
pub fn members(
    commands: &'static [&'static Command],
    group: Option<&str>,
) -> Vec<(&'static str, &'static Command)> {
    let mut names = Vec::new();
    for command in commands {
        let name = command.paths.iter().find_map(|path| match group {
            None => (!path.contains(' ')).then_some(*path),
            Some(group) => path.strip_prefix(group)?.strip_prefix(' '),
        });
        names.extend(name.map(|name| (name, *command)));
    }
    names.sort_by_key(|(name, _)| *name);
    names
}

/// Returns the known names that are near to a mistyped one.
pub fn near<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    known
        .into_iter()
        .filter(|candidate| {
            distance(name, candidate) <= 2 || candidate.starts_with(name)
        })
        .collect()
}

/// Counts the letters to change, add or drop between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_counts_are_refused_in_dockers_words() {
        let text = |words: Words, n| words.refuse(n).unwrap_or_default();
        assert_eq!(text(Words::None, 1), "accepts no arguments");
        assert_eq!(text(Words::Exactly(1), 2), "requires 1 argument");
        assert_eq!(text(Words::AtLeast(1), 0), "requires at least 1 argument");
        assert_eq!(text(Words::AtMost(1), 2), "requires at most 1 argument");
        assert_eq!(text(Words::AtLeast(1), 3), "");
        assert_eq!(
            text(Words::Between(1, 2), 3),
            "requires at least 1 and at most 2 arguments"
        );
    }

    #[test]
    fn near_names_are_found() {
        let known = ["images", "inspect", "info", "ps", "pull", "version"];
        assert_eq!(near("imagse", known), ["images"]);
        assert_eq!(near("pul", known), ["ps", "pull"]);
        assert_eq!(near("vers", known), ["version"]);
        assert!(near("frobnicate", known).is_empty());
    }
}
