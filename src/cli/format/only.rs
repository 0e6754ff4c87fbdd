//! The flags of commands that have `--format` and no other.

use super::FORMAT_HELP;
use crate::cli::flag::{Flag, Table};

/// What was typed.
#[derive(Default)]
pub struct OnlyFormat {
    /// The template; empty: the usual form.
    pub format: String,
}

/// The flag.
pub const FLAGS: Table<OnlyFormat> = &[&[Flag::value(
    "format",
    "string",
    FORMAT_HELP,
    |t: &mut OnlyFormat, word| {
        word.clone_into(&mut t.format);
        Ok(())
    },
)
.short('f')]];
