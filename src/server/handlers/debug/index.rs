//! `GET /debug/pprof/`: which profiles there are; and the command line.

use std::fmt::Write;
use std::sync::Arc;

use super::{refuse, text};
use crate::engine::Engine;
use crate::profile::process::Process;
use crate::server::{Error, Exchange};
use crate::sys::heap;

/// The profiles, with Go's descriptions as far as they hold.
const PROFILES: [(&str, &str); 6] = [
    ("allocs", "A sampling of all past memory allocations"),
    ("cmdline", "The command line invocation of the current program"),
    ("goroutine", "Stack traces of all current threads"),
    ("heap", "A sampling of memory allocations of live objects"),
    (
        "profile",
        "CPU profile. You can specify the duration in the seconds GET \
         parameter. After you get the profile file, use the go tool pprof \
         command to investigate the profile.",
    ),
    ("threadcreate", "The threads that were created and are there"),
];

/// Lists the profiles.
pub fn index(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let mut page = String::from(
        "<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n\
         /debug/pprof/<br>\n<br>\nTypes of profiles available:\n<table>\n\
         <thead><td>Count</td><td>Profile</td></thead>\n",
    );
    let threads = Process::read().threads;
    for (name, _) in PROFILES {
        let count = match name {
            "allocs" | "heap" => heap::samples().len() as u64,
            "goroutine" | "threadcreate" => threads,
            _ => 0,
        };
        let _ = writeln!(
            page,
            "<tr><td>{count}</td><td><a href='/debug/pprof/{name}?debug=1'>\
             {name}</a></td></tr>"
        );
    }
    page.push_str(
        "</table>\n<a href=\"/debug/pprof/goroutine?debug=2\">full goroutine \
         stack dump</a>\n<br>\n<p>\nProfile Descriptions:\n<ul>\n",
    );
    for (name, words) in PROFILES {
        let _ = writeln!(page, "<li>{name}: {words}</li>");
    }
    page.push_str("</ul>\n</p>\n</body>\n</html>\n");
    exchange.set_header("X-Content-Type-Options", "nosniff");
    exchange.bytes(200, "text/html; charset=utf-8", page.as_bytes())
}

/// Answers the words that the daemon was started with.
pub fn cmdline(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    text(exchange, &super::vars::words().join("\0"))
}

/// Answers for profiles that there are not.
pub fn unknown(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    refuse(exchange, 404, "Unknown profile")
}
