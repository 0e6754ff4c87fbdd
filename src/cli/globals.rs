//! The flags in front of a client's command.

use super::error::Error;
use super::flag::{Flag, Table};
use crate::api;

/// What was typed in front of the command.
#[derive(Clone, Debug, Default)]
pub struct Globals {
    /// Print the version and exit.
    pub version: bool,
    /// More messages.
    pub debug: bool,
    /// How many messages.
    pub log_level: String,
    /// Where the daemon is; more than one is an error.
    pub hosts: Vec<String>,
    /// A named place where a daemon is.
    pub context: String,
    /// The directory of the client's configuration.
    pub config: String,
    /// Use TLS.
    pub tls: bool,
    /// Use TLS and check the daemon's certificate.
    pub tls_verify: bool,
    /// The roots that are trusted.
    pub tls_ca: String,
    /// The client's certificate.
    pub tls_cert: String,
    /// The key of the certificate.
    pub tls_key: String,
}

/// The levels that messages can have.
pub const LEVELS: &[&str] = &["debug", "info", "warn", "error", "fatal"];

/// The flags themselves.
pub const FLAGS: Table<Globals> = &[&[
    Flag::value(
        "config",
        "string",
        "Location of client config files (default \"~/.docker\")",
        |t: &mut Globals, word| set(&mut t.config, word),
    ),
    Flag::value(
        "context",
        "string",
        "Name of the context to use to connect to the daemon (overrides \
         DOCKER_HOST env var and default context)",
        |t: &mut Globals, word| set(&mut t.context, word),
    )
    .short('c'),
    Flag::switch("debug", "Enable debug mode", |t: &mut Globals, on| {
        t.debug = on;
    })
    .short('D'),
    Flag::list("host", "list", "Daemon socket to connect to", |t, word| {
        let t: &mut Globals = t;
        t.hosts.push(word.to_owned());
        Ok(())
    })
    .short('H'),
    Flag::value(
        "log-level",
        "string",
        "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \
         \"fatal\")",
        |t: &mut Globals, word| set(&mut t.log_level, word),
    )
    .short('l')
    .default("\"info\"")
    .choices(LEVELS),
    Flag::switch("tls", "Use TLS; implied by --tlsverify", |t, on| {
        let t: &mut Globals = t;
        t.tls = on;
    }),
    Flag::value(
        "tlscacert",
        "string",
        "Trust certs signed only by this CA (default \"~/.docker/ca.pem\")",
        |t: &mut Globals, word| set(&mut t.tls_ca, word),
    ),
    Flag::value(
        "tlscert",
        "string",
        "Path to TLS certificate file (default \"~/.docker/cert.pem\")",
        |t: &mut Globals, word| set(&mut t.tls_cert, word),
    ),
    Flag::value(
        "tlskey",
        "string",
        "Path to TLS key file (default \"~/.docker/key.pem\")",
        |t: &mut Globals, word| set(&mut t.tls_key, word),
    ),
    Flag::switch("tlsverify", "Use TLS and verify the remote", |t, on| {
        let t: &mut Globals = t;
        t.tls_verify = on;
        // As for Docker's client, whatever is said of verifying.
        t.tls = true;
    }),
    Flag::switch("version", "Print version information and quit", |t, on| {
        let t: &mut Globals = t;
        t.version = on;
    })
    .short('v'),
    Flag::switch(
        "daemon",
        "Run the daemon; see its options with -d --help",
        |_, _| {},
    )
    .short('d'),
    // Settings of the daemon that Docker 1.2 takes here as well.
    Flag::switch("api-enable-cors", "", |_, _| {}).hidden(),
    Flag::value("group", "string", "", |_, _| Ok(())).short('G').hidden(),
]];

fn set(field: &mut String, word: &str) -> Result<(), String> {
    word.clone_into(field);
    Ok(())
}

impl Globals {
    /// Checks what no single flag can check.
    pub fn check(&self) -> Result<(), Error> {
        if self.hosts.len() > 1 {
            return Err(Error::text("Please specify only one -H"));
        }
        let level = self.log_level.as_str();
        if !level.is_empty() && !is_level(level) {
            let text = format!("Unable to parse logging level: {level}");
            return Err(Error::text(text));
        }
        if !self.hosts.is_empty() && !self.context.is_empty() {
            return Err(Error::text(
                "conflicting options: cannot specify both --host and --context",
            ));
        }
        Ok(())
    }
}

/// Tells whether a word is a level of messages.
pub fn is_level(word: &str) -> bool {
    LEVELS.contains(&word) || matches!(word, "panic" | "trace" | "warning")
}

/// What `--version` prints: Docker's form, which scripts take apart.
pub fn version_line() -> String {
    format!(
        "Docker version {}, build skiff-{}\n",
        api::ENGINE_VERSION,
        env!("CARGO_PKG_VERSION")
    )
}
