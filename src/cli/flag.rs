//! Flags as data, and the only place that reads words with lexopt.
//!
//! A command's flags are slices of [`Flag`]; parser, help and completion are
//! all derived from them. The rules are those of Docker's own command line:
//! `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`, bundled
//! short flags (`-it`), booleans with an optional value (`-d`, `-d=true`,
//! `--daemon="true"`), `--` as the end of flags.

use std::ffi::OsString;
use std::fmt;

/// What help and completion know of a flag.
#[derive(Debug)]
pub struct Spec {
    /// The one-letter name; a NUL character when it has none.
    short: char,
    /// The long name, without dashes.
    pub long: &'static str,
    /// What stands for the value in help (`string`, `list`, `bytes`, …);
    /// empty for a boolean.
    pub value: &'static str,
    /// The help text; line breaks are kept.
    pub help: &'static str,
    /// The default as help shows it; empty when it is the type's own zero.
    pub default: &'static str,
    /// The values it may have, for completion; empty when it is free.
    pub choices: &'static [&'static str],
    /// Whether help and completion leave it out.
    pub is_hidden: bool,
    /// Whether it may be given more than once.
    pub is_repeatable: bool,
}

impl Spec {
    /// Describes a boolean.
    pub const fn switch(long: &'static str, help: &'static str) -> Spec {
        spec(long, "", help)
    }

    /// Describes a flag with a value.
    pub const fn value(
        long: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> Spec {
        spec(long, value, help)
    }

    /// Gives it a one-letter name.
    pub const fn with_short(mut self, short: char) -> Spec {
        self.short = short;
        self
    }

    /// The one-letter name.
    pub fn short(&self) -> Option<char> {
        (self.short != '\0').then_some(self.short)
    }

    /// Tells whether the flag stands without a value.
    pub fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// The error of a value that the flag refuses.
    pub fn invalid(&self, word: Option<&str>, reason: String) -> Error {
        let word = word.unwrap_or_default().to_owned();
        Error::Invalid { word, flag: self.name(), reason }
    }

    /// The flag as error messages name it: `-m, --memory` or `--cpus`.
    fn name(&self) -> String {
        match self.short() {
            Some(short) => format!("-{short}, --{}", self.long),
            None => format!("--{}", self.long),
        }
    }
}

/// A flag of a command whose typed words are gathered in a `T`.
pub struct Flag<T> {
    /// What help and completion know of it.
    pub spec: Spec,
    apply: Apply<T>,
}

enum Apply<T> {
    Switch(fn(&mut T, bool)),
    Value(fn(&mut T, &str) -> Result<(), String>),
}

impl<T> Flag<T> {
    /// Makes a boolean flag.
    pub const fn switch(
        long: &'static str,
        help: &'static str,
        apply: fn(&mut T, bool),
    ) -> Flag<T> {
        Flag { spec: spec(long, "", help), apply: Apply::Switch(apply) }
    }

    /// Makes a flag with a value; `apply` refuses a bad one in words that
    /// come after `invalid argument "x" for "--flag" flag: `.
    pub const fn value(
        long: &'static str,
        value: &'static str,
        help: &'static str,
        apply: fn(&mut T, &str) -> Result<(), String>,
    ) -> Flag<T> {
        Flag { spec: spec(long, value, help), apply: Apply::Value(apply) }
    }

    /// Makes a flag with a value that may be given many times.
    pub const fn list(
        long: &'static str,
        value: &'static str,
        help: &'static str,
        apply: fn(&mut T, &str) -> Result<(), String>,
    ) -> Flag<T> {
        let mut flag = Flag::value(long, value, help, apply);
        flag.spec.is_repeatable = true;
        flag
    }

    /// Gives it a one-letter name.
    pub const fn short(mut self, short: char) -> Flag<T> {
        self.spec.short = short;
        self
    }

    /// Says what its default is, as help shows it.
    pub const fn default(mut self, text: &'static str) -> Flag<T> {
        self.spec.default = text;
        self
    }

    /// Says which values there are.
    pub const fn choices(
        mut self,
        choices: &'static [&'static str],
    ) -> Flag<T> {
        self.spec.choices = choices;
        self
    }

    /// Leaves it out of help and completion.
    pub const fn hidden(mut self) -> Flag<T> {
        self.spec.is_hidden = true;
        self
    }

    fn apply(&self, typed: &mut T, word: Option<&str>) -> Result<(), Error> {
        let done = match self.apply {
            Apply::Switch(set) => match word.map_or(Ok(true), boolean) {
                Ok(on) => {
                    set(typed, on);
                    Ok(())
                }
                Err(reason) => Err(reason),
            },
            Apply::Value(set) => set(typed, word.unwrap_or_default()),
        };
        done.map_err(|reason| self.spec.invalid(word, reason))
    }
}

const fn spec(
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> Spec {
    Spec {
        short: '\0',
        long,
        value,
        help,
        default: "",
        choices: &[],
        is_hidden: false,
        is_repeatable: false,
    }
}

/// The flags of one command: slices, so that commands can share some.
pub type Table<T> = &'static [&'static [Flag<T>]];

/// Lists the flags of a table by their long names, as help does.
pub fn sorted<T>(table: Table<T>) -> Vec<&'static Spec> {
    let mut specs: Vec<_> = table
        .iter()
        .flat_map(|flags| flags.iter())
        .map(|flag| &flag.spec)
        .collect();
    specs.sort_by_key(|spec| spec.long);
    specs
}

/// Where flags end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// At the first word that is no flag (`run`, `exec`, global flags).
    FlagsFirst,
    /// Only at `--`: flags and words may be mixed.
    Mixed,
}

/// Why words could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// `--help` or `-h` was asked for.
    Help,
    /// No such long flag.
    Unknown(String),
    /// No such short flag, and the rest of its bundle.
    UnknownShort(char, String),
    /// A long flag at the end of the words lacks its value.
    Missing(String),
    /// A short flag at the end of the words lacks its value.
    MissingShort(char),
    /// A value that its flag refuses.
    Invalid {
        /// The value.
        word: String,
        /// The flag's names.
        flag: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Help => write!(f, "help requested"),
            Error::Unknown(name) => write!(f, "unknown flag: --{name}"),
            Error::UnknownShort(short, rest) => {
                write!(f, "unknown shorthand flag: '{short}' in -{short}{rest}")
            }
            Error::Missing(name) => {
                write!(f, "flag needs an argument: --{name}")
            }
            Error::MissingShort(short) => {
                write!(f, "flag needs an argument: '{short}' in -{short}")
            }
            Error::Invalid { word, flag, reason } => write!(
                f,
                "invalid argument {} for \"{flag}\" flag: {reason}",
                super::value::quote(word)
            ),
        }
    }
}

impl std::error::Error for Error {}

/// Reads words: flags go into `typed` as they come (so that it holds what
/// stood before an error), all other words are returned.
pub fn parse<T>(
    table: Table<T>,
    order: Order,
    words: &[OsString],
    typed: &mut T,
) -> Result<Vec<String>, Error> {
    let mut specs = Vec::new();
    for flags in table {
        specs.extend(flags.iter().map(|flag| &flag.spec));
    }
    let mut apply = |mut index: usize, word: Option<&str>| {
        for flags in table {
            match flags.get(index) {
                Some(flag) => return flag.apply(typed, word),
                None => index -= flags.len(),
            }
        }
        Ok(())
    };
    read(&specs, order, words, &mut apply)
}

/// Takes a flag's place among the specs, and its word.
pub type Sink<'a> = dyn FnMut(usize, Option<&str>) -> Result<(), Error> + 'a;

/// The part of [`parse`] that does not depend on the command.
pub fn read(
    specs: &[&Spec],
    order: Order,
    words: &[OsString],
    apply: &mut Sink<'_>,
) -> Result<Vec<String>, Error> {
    use lexopt::Arg;

    let mut parser = lexopt::Parser::from_args(words);
    let mut rest = Vec::new();
    // lexopt refuses only a value left over from the flag before, and every
    // flag below takes its own.
    while let Some(word) = parser.next().unwrap_or(None) {
        let (index, missing) = match word {
            Arg::Value(word) => {
                rest.push(text(word));
                if order == Order::FlagsFirst {
                    if let Ok(words) = parser.raw_args() {
                        rest.extend(words.map(text));
                    }
                    break;
                }
                continue;
            }
            Arg::Long(name) => {
                let found = specs.iter().position(|s| s.long == name);
                let name = name.to_owned();
                match found {
                    Some(index) => (index, Error::Missing(name)),
                    None if name == "help" => return Err(Error::Help),
                    None => return Err(Error::Unknown(name)),
                }
            }
            Arg::Short(short) => {
                match specs.iter().position(|s| s.short == short) {
                    Some(index) => (index, Error::MissingShort(short)),
                    None if short == 'h' => return Err(Error::Help),
                    None => {
                        let tail = parser.optional_value().map(text);
                        let tail = tail.unwrap_or_default();
                        return Err(Error::UnknownShort(short, tail));
                    }
                }
            }
        };
        if !specs[index].is_switch() {
            let word = parser.value().map_err(|_| missing)?;
            apply(index, Some(&text(word)))?;
            continue;
        }
        // `-it` is two switches; only `=` gives a switch a value.
        let word = match missing {
            Error::Missing(_) => parser.optional_value(),
            _ => bundled_value(&mut parser),
        };
        apply(index, word.map(text).as_deref())?;
    }
    Ok(rest)
}

/// Takes the value of `-d=true`, but leaves the rest of a bundle alone.
fn bundled_value(parser: &mut lexopt::Parser) -> Option<OsString> {
    // The parser yields the rest of `-it` as further short flags; a rest
    // that starts with `=` can only be taken as a value.
    let mut ahead = parser.clone();
    match ahead.next() {
        Err(lexopt::Error::UnexpectedValue { .. }) => parser.optional_value(),
        _ => None,
    }
}

fn text(word: OsString) -> String {
    // What is not UTF-8 cannot be sent as JSON either.
    word.to_string_lossy().into_owned()
}

fn boolean(word: &str) -> Result<bool, String> {
    super::value::boolean(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Debug, PartialEq)]
    struct Typed {
        on: bool,
        tty: bool,
        env: Vec<String>,
        size: String,
    }

    const FLAGS: Table<Typed> = &[
        &[
            Flag::switch("on", "Turn on", |t: &mut Typed, on| t.on = on)
                .short('d'),
            Flag::switch("tty", "A terminal", |t: &mut Typed, on| t.tty = on)
                .short('t'),
        ],
        &[
            Flag::list("env", "list", "Variables", |t: &mut Typed, word| {
                t.env.push(word.to_owned());
                Ok(())
            })
            .short('e'),
            Flag::value("size", "bytes", "Size", |t: &mut Typed, word| {
                if word == "bad" {
                    return Err("invalid size: 'bad'".to_owned());
                }
                t.size = word.to_owned();
                Ok(())
            }),
        ],
    ];

    fn run(
        order: Order,
        words: &[&str],
    ) -> Result<(Typed, Vec<String>), String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut typed = Typed::default();
        match parse(FLAGS, order, &words, &mut typed) {
            Ok(rest) => Ok((typed, rest)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn booleans_take_an_optional_value_which_may_be_quoted() {
        for word in
            ["-d", "-d=true", "--on", "--on=true", "--on=\"true\"", "-d='true'"]
        {
            let (typed, rest) = run(Order::Mixed, &[word, "x"]).unwrap();
            assert!(typed.on, "{word}");
            assert_eq!(rest, ["x"]);
        }
        assert!(!run(Order::Mixed, &["-d", "--on=false"]).unwrap().0.on);
        assert_eq!(
            run(Order::Mixed, &["--on=maybe"]).unwrap_err(),
            "invalid argument \"maybe\" for \"-d, --on\" flag: \
             strconv.ParseBool: parsing \"maybe\": invalid syntax"
        );
    }

    #[test]
    fn values_come_attached_or_as_the_next_word() {
        let words = ["-e", "A=1", "-eB=2", "--env=C=3", "-e=D", "--env", "-x"];
        let (typed, _) = run(Order::Mixed, &words).unwrap();
        assert_eq!(typed.env, ["A=1", "B=2", "C=3", "D", "-x"]);
        let (typed, _) = run(Order::Mixed, &["-dte", "A"]).unwrap();
        assert!(typed.on && typed.tty);
        assert_eq!(typed.env, ["A"]);
    }

    #[test]
    fn flags_end_where_the_order_says() {
        let words = ["-d", "image", "-t", "--", "x"];
        let (typed, rest) = run(Order::FlagsFirst, &words).unwrap();
        assert!(typed.on && !typed.tty);
        assert_eq!(rest, ["image", "-t", "--", "x"]);
        let (typed, rest) = run(Order::Mixed, &words).unwrap();
        assert!(typed.tty);
        assert_eq!(rest, ["image", "x"]);
        let (_, rest) = run(Order::FlagsFirst, &["--", "-d", "-"]).unwrap();
        assert_eq!(rest, ["-d", "-"]);
    }

    #[test]
    fn errors_use_dockers_words() {
        let cases: [(&[&str], &str); 6] = [
            (&["--nosuch"], "unknown flag: --nosuch"),
            (&["-Zx"], "unknown shorthand flag: 'Z' in -Zx"),
            (&["-dZ"], "unknown shorthand flag: 'Z' in -Z"),
            (&["--env"], "flag needs an argument: --env"),
            (&["-e"], "flag needs an argument: 'e' in -e"),
            (
                &["--size", "bad"],
                "invalid argument \"bad\" for \"--size\" flag: \
                 invalid size: 'bad'",
            ),
        ];
        for (words, text) in cases {
            assert_eq!(run(Order::Mixed, words).unwrap_err(), text);
        }
    }

    #[test]
    fn help_is_found_unless_a_flag_has_its_letter() {
        let help = Error::Help.to_string();
        assert_eq!(run(Order::Mixed, &["--help"]).unwrap_err(), help);
        assert_eq!(run(Order::Mixed, &["-h"]).unwrap_err(), help);
    }
}
