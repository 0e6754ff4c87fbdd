//! The daemon's settings, by dockerd's names.
//!
//! ```text
//! flags ──────▶ Given ─┐
//!                      ├─ merged ─▶ DaemonOptions
//! daemon.json ▶ Given ─┘
//! ```
//!
//! A row of the table says everything of one setting: its flag, its key in
//! daemon.json, the kind of its value, what its value changes, or why it
//! changes nothing. Both sources are read into a [`Given`] by the same rows,
//! and the typed [`DaemonOptions`] are made of the two.

mod checks;
mod idle;
mod kind;
mod options;
mod table;

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::Value;

use super::flag::{self, Order, Spec};
use super::help;

pub use kind::{Kind, go_text};
pub use options::DaemonOptions;

/// What a setting changes.
#[derive(Clone, Copy)]
pub enum Effect {
    /// A field of the options.
    Sets(fn(&mut DaemonOptions, &Value)),
    /// Nothing here, and why.
    None(&'static str),
    /// Nothing any more; what is said of it.
    Deprecated(&'static str),
}

/// What becomes of a setting when the configuration is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It stays as it was at the start.
    Never,
    /// It changes if the file has it.
    IfSet,
    /// It changes; its default returns if the file does not have it.
    Always,
}

/// One setting.
pub struct Setting {
    /// Its flag; without a name if there is none.
    pub spec: Spec,
    /// Its key in daemon.json; empty if it has none.
    pub key: &'static str,
    /// The kind of its value.
    pub kind: Kind,
    /// What it changes.
    pub effect: Effect,
    /// Whether it can change while the daemon runs.
    pub reload: Reload,
    check: Option<Check>,
}

/// Says what is wrong with a text.
type Check = fn(&str) -> Result<(), String>;

impl Setting {
    const fn new(
        name: &'static str,
        kind: Kind,
        help: &'static str,
    ) -> Setting {
        let mut spec = Spec::value(name, kind.word(), help);
        spec.is_repeatable = kind.is_repeatable();
        Setting {
            spec,
            key: name,
            kind,
            effect: Effect::None(""),
            reload: Reload::Never,
            check: None,
        }
    }

    const fn key(mut self, key: &'static str) -> Setting {
        self.key = key;
        self
    }

    const fn short(mut self, short: char) -> Setting {
        self.spec = self.spec.with_short(short);
        self
    }

    const fn default(mut self, text: &'static str) -> Setting {
        self.spec.default = text;
        self
    }

    const fn choices(mut self, all: &'static [&'static str]) -> Setting {
        self.spec.choices = all;
        self
    }

    const fn hidden(mut self) -> Setting {
        self.spec.is_hidden = true;
        self
    }

    const fn sets(mut self, set: fn(&mut DaemonOptions, &Value)) -> Setting {
        self.effect = Effect::Sets(set);
        self
    }

    const fn idle(mut self, why: &'static str) -> Setting {
        self.effect = Effect::None(why);
        self.hidden()
    }

    const fn deprecated(mut self, text: &'static str) -> Setting {
        self.effect = Effect::Deprecated(text);
        self.hidden()
    }

    const fn reloads(mut self, reload: Reload) -> Setting {
        self.reload = reload;
        self
    }

    const fn check(mut self, check: Check) -> Setting {
        self.check = Some(check);
        self
    }

    /// The name under which its value is kept.
    pub fn name(&self) -> &'static str {
        match self.key {
            "" => self.spec.long,
            key => key,
        }
    }

    /// Checks the texts of a value.
    pub fn verify(&self, value: &Value) -> Result<(), String> {
        let Some(check) = self.check else {
            return Ok(());
        };
        match value {
            Value::String(text) => check(text),
            Value::Array(items) => {
                items.iter().filter_map(Value::as_str).try_for_each(check)
            }
            _ => Ok(()),
        }
    }

    /// Says why a value that was given changes nothing; none if it does, or
    /// if it asks for what is the case anyway.
    pub fn remark(&self, value: &Value) -> Option<String> {
        let text = go_text(value);
        let is_usual = matches!(text.as_str(), "" | "[]" | "map[]")
            || text == self.spec.default.trim_matches('"')
            || (self.spec.default.is_empty() && text == "false");
        let name = self.name();
        match self.effect {
            Effect::None(_) if is_usual => None,
            Effect::None(why) => Some(format!("{name} has no effect: {why}")),
            Effect::Deprecated(text) => Some(format!(
                "Flag --{} has been deprecated, {text}",
                self.spec.long
            )),
            Effect::Sets(_) => None,
        }
    }
}

/// All settings, in the order in which they take effect.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    table::SETTINGS.iter().chain(idle::SETTINGS)
}

/// Finds the settings of a key of daemon.json: none or one.
pub fn by_key(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| !key.is_empty() && setting.key == key)
}

/// The values that one source gave, by the settings' names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given(pub BTreeMap<&'static str, Value>);

impl Given {
    /// Reads the words of a command line up to the first that is no flag;
    /// returns the words from there on. Holds what stood before an error.
    pub fn read(
        &mut self,
        words: &[OsString],
    ) -> Result<Vec<String>, flag::Error> {
        let rows: Vec<&Setting> =
            settings().filter(|row| !row.spec.long.is_empty()).collect();
        let specs: Vec<&Spec> = rows.iter().map(|row| &row.spec).collect();
        let mut take = |index: usize, word: Option<&str>| {
            let row = rows[index];
            let held = self.0.entry(row.name()).or_default();
            let read = row.kind.read(word.unwrap_or("true"), held);
            let checked = read.and_then(|()| match word {
                Some(word) => row.check.map_or(Ok(()), |check| check(word)),
                None => Ok(()),
            });
            checked.map_err(|reason| row.spec.invalid(word, reason))
        };
        flag::read(&specs, Order::FlagsFirst, words, &mut take)
    }

    /// Makes the typed options of the values and of the defaults.
    pub fn options(&self) -> DaemonOptions {
        let mut options = DaemonOptions::default();
        for row in settings() {
            if let (Effect::Sets(set), Some(value)) =
                (row.effect, self.0.get(row.name()))
            {
                set(&mut options, value);
            }
        }
        options
    }
}

/// The daemon's help.
pub fn help(program: &str) -> String {
    let mut specs: Vec<&Spec> = settings()
        .map(|row| &row.spec)
        .filter(|spec| !spec.long.is_empty())
        .collect();
    specs.sort_by_key(|spec| spec.long);
    format!(
        "Usage:  {program} -d [OPTIONS]\n\nThe container engine as a \
         daemon\n\nOptions:\n{}\n\
         dockerd's other options are taken as well. They have no effect, \
         and the log says\nwhy.\n",
        help::options(&specs)
    )
}

#[cfg(test)]
mod tests;
