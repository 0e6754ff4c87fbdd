//! How answers are shown: tables, templates, JSON.

pub mod json;
pub mod layout;
pub mod only;
pub mod table;
pub mod template;
pub mod value;

/// The help of `--format` where there is a template only.
pub const FORMAT_HELP: &str = "Format output using a custom template:\n\
    'json':             Print in JSON format\n\
    'TEMPLATE':         Print output using the given Go template.\n\
    Refer to https://docs.docker.com/go/formatting/ for more information \
    about formatting output with templates";

/// The help of `--format` of the lists.
pub const FORMAT_HELP_TABLE: &str = "Format output using a custom template:\n\
    'table':            Print output in table format with column headers \
    (default)\n\
    'table TEMPLATE':   Print output in table format using the given Go \
    template\n\
    'json':             Print in JSON format\n\
    'TEMPLATE':         Print output using the given Go template.\n\
    Refer to https://docs.docker.com/go/formatting/ for more information \
    about formatting output with templates";

pub use layout::{Layout, Row};
pub use value::Value;
