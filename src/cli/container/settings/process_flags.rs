//! Flags about the program that runs: its words, streams, environment and
//! rights.

use super::{Settings, append, number, push, text};
use crate::cli::flag::Flag;
use crate::cli::value;

type S = Settings;

/// The flags.
pub const FLAGS: &[Flag<Settings>] = &[
    Flag::list(
        "annotation",
        "map",
        "Add an annotation to the container (passed through to the OCI \
         runtime)",
        |t: &mut S, word| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            t.host.annotations.insert(name.to_owned(), value.to_owned());
            Ok(())
        },
    )
    .default("map[]"),
    Flag::list(
        "attach",
        "list",
        "Attach to STDIN, STDOUT or STDERR",
        |t: &mut S, word| {
            let stream = word.to_lowercase();
            match stream.as_str() {
                "stdin" | "stdout" | "stderr" => {
                    t.attach.push(stream);
                    Ok(())
                }
                _ => {
                    Err("valid streams are STDIN, STDOUT and STDERR".to_owned())
                }
            }
        },
    )
    .short('a')
    .choices(&["stdin", "stdout", "stderr"]),
    Flag::list(
        "cap-add",
        "list",
        "Add Linux capabilities",
        |t: &mut S, word| append(&mut t.host.cap_add, word),
    ),
    Flag::list(
        "cap-drop",
        "list",
        "Drop Linux capabilities",
        |t: &mut S, word| append(&mut t.host.cap_drop, word),
    ),
    Flag::value(
        "cidfile",
        "string",
        "Write the container ID to the file",
        |t: &mut S, word| text(&mut t.host.container_id_file, word),
    ),
    Flag::value(
        "domainname",
        "string",
        "Container NIS domain name",
        |t: &mut S, word| text(&mut t.config.domainname, word),
    ),
    Flag::value(
        "entrypoint",
        "string",
        "Overwrite the default ENTRYPOINT of the image",
        |t: &mut S, word| {
            t.entrypoint = Some(word.to_owned());
            Ok(())
        },
    ),
    Flag::list(
        "env",
        "list",
        "Set environment variables",
        |t: &mut S, word| match word.starts_with('=') || word.is_empty() {
            true => Err(format!("invalid environment variable: {word}")),
            false => push(&mut t.env, word),
        },
    )
    .short('e'),
    Flag::list(
        "env-file",
        "list",
        "Read in a file of environment variables",
        |t: &mut S, word| push(&mut t.env_files, word),
    ),
    Flag::list(
        "group-add",
        "list",
        "Add additional groups to join",
        |t: &mut S, word| append(&mut t.host.group_add, word),
    ),
    Flag::value(
        "health-cmd",
        "string",
        "Command to run to check health",
        |t: &mut S, word| {
            t.health.test = vec!["CMD-SHELL".to_owned(), word.to_owned()];
            Ok(())
        },
    ),
    Flag::value(
        "health-interval",
        "duration",
        "Time between running the check (ms|s|m|h) (default 0s)",
        |t: &mut S, word| number(&mut t.health.interval, value::duration(word)),
    ),
    Flag::value(
        "health-retries",
        "int",
        "Consecutive failures needed to report unhealthy",
        |t: &mut S, word| number(&mut t.health.retries, value::integer(word)),
    ),
    Flag::value(
        "health-start-interval",
        "duration",
        "Time between running the check during the start period (ms|s|m|h) \
         (default 0s)",
        |t: &mut S, word| {
            number(&mut t.health.start_interval, value::duration(word))
        },
    ),
    Flag::value(
        "health-start-period",
        "duration",
        "Start period for the container to initialize before starting \
         health-retries countdown (ms|s|m|h) (default 0s)",
        |t: &mut S, word| {
            number(&mut t.health.start_period, value::duration(word))
        },
    ),
    Flag::value(
        "health-timeout",
        "duration",
        "Maximum time to allow one check to run (ms|s|m|h) (default 0s)",
        |t: &mut S, word| number(&mut t.health.timeout, value::duration(word)),
    ),
    Flag::switch(
        "init",
        "Run an init inside the container that forwards signals and reaps \
         processes",
        |t: &mut S, on| t.host.init = Some(on),
    ),
    Flag::switch(
        "interactive",
        "Keep STDIN open even if not attached",
        |t: &mut S, on| t.config.open_stdin = on,
    )
    .short('i'),
    Flag::value(
        "isolation",
        "string",
        "Container isolation technology",
        |t: &mut S, word| text(&mut t.host.isolation, word),
    ),
    Flag::list(
        "label",
        "list",
        "Set meta data on a container",
        |t: &mut S, word| match word.starts_with('=') || word.is_empty() {
            true => Err(format!("invalid label '{word}': empty name")),
            false => push(&mut t.labels, word),
        },
    )
    .short('l'),
    Flag::list(
        "label-file",
        "list",
        "Read in a line delimited file of labels",
        |t: &mut S, word| push(&mut t.label_files, word),
    ),
    Flag::value(
        "name",
        "string",
        "Assign a name to the container",
        |t: &mut S, word| text(&mut t.name, word),
    ),
    Flag::switch(
        "no-healthcheck",
        "Disable any container-specified HEALTHCHECK",
        |t: &mut S, on| t.no_health = on,
    ),
    Flag::value(
        "platform",
        "string",
        "Set platform if server is multi-platform capable",
        |t: &mut S, word| text(&mut t.platform, word),
    ),
    Flag::switch(
        "privileged",
        "Give extended privileges to this container",
        |t: &mut S, on| t.host.privileged = on,
    ),
    Flag::value(
        "pull",
        "string",
        "Pull image before running (\"always\", \"missing\", \"never\")",
        |t: &mut S, word| text(&mut t.pull, word),
    )
    .default("\"missing\"")
    .choices(&["always", "missing", "never"]),
    Flag::switch("quiet", "Suppress the pull output", |t: &mut S, on| {
        t.quiet = on;
    })
    .short('q'),
    Flag::value(
        "restart",
        "string",
        "Restart policy to apply when a container exits",
        |t: &mut S, word| {
            t.restart = Some(word.to_owned());
            Ok(())
        },
    )
    .default("\"no\"")
    .choices(&["no", "always", "on-failure", "unless-stopped"]),
    Flag::switch(
        "rm",
        "Automatically remove the container and its associated anonymous \
         volumes when it exits",
        |t: &mut S, on| t.host.auto_remove = on,
    ),
    Flag::value(
        "runtime",
        "string",
        "Runtime to use for this container",
        |t: &mut S, word| text(&mut t.host.runtime, word),
    ),
    Flag::list(
        "security-opt",
        "list",
        "Security Options",
        |t: &mut S, word| push(&mut t.security_opts, word),
    ),
    Flag::value(
        "stop-signal",
        "string",
        "Signal to stop the container",
        |t: &mut S, word| text(&mut t.config.stop_signal, word),
    ),
    Flag::value(
        "stop-timeout",
        "int",
        "Timeout (in seconds) to stop a container",
        |t: &mut S, word| {
            t.config.stop_timeout = Some(value::integer(word)?);
            Ok(())
        },
    ),
    Flag::switch("tty", "Allocate a pseudo-TTY", |t: &mut S, on| {
        t.config.tty = on;
    })
    .short('t'),
    Flag::value(
        "user",
        "string",
        "Username or UID (format: <name|uid>[:<group|gid>])",
        |t: &mut S, word| text(&mut t.config.user, word),
    )
    .short('u'),
    Flag::value(
        "workdir",
        "string",
        "Working directory inside the container",
        |t: &mut S, word| text(&mut t.config.working_dir, word),
    )
    .short('w'),
    Flag::switch(
        "disable-content-trust",
        "Skip image verification (default true)",
        |_, _| {},
    ),
];
