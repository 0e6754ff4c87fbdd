//! The daemon: from its options to its end.
//!
//! 1. What the starter has passed is taken: sockets, the way to tell it.
//! 2. The data root is locked: a second daemon on it disturbs nothing.
//! 3. Sockets are bound; clients wait at the gate.
//! 4. The engine opens its state and takes over what runs.
//! 5. systemd is told, and the gate opens for all at once.
//! 6. A signal, or a lost listener, ends it: sockets go first, then
//!    whatever does not outlive the daemon.

mod check;
mod configuration;
mod error;
mod file;
mod listeners;
mod log;
mod notify;
mod pid_file;
mod program;
mod reload;
mod settings;
mod signals;
mod tls;
mod watching;

use std::fmt;
use std::sync::Arc;

use ::log::{debug, error, info};
use crossbeam_channel::unbounded;

pub use error::Error;

use crate::cli::Given;
use crate::engine::{Engine, Root, Settings};
use crate::server::inherited::Inherited;
use crate::server::{accept, gate};
use crate::signal;
use crate::sys::credentials::{self, Limit};
use crate::sys::sigset::Signals;
use crate::sys::{environment, heap, memory};

use configuration::Configuration;
use notify::Notifier;
use pid_file::PidFile;
use program::Program;
use reload::Reloader;

/// Runs the daemon to its end; returns the exit code.
pub fn run(flags: Given) -> i32 {
    let configuration = match Configuration::load(flags) {
        Ok(configuration) => configuration,
        Err(error) => {
            eprintln!("{error}");
            return 1;
        }
    };
    if configuration.options.validate {
        return validated(&configuration);
    }
    // Before anything has a descriptor, or a second thread runs.
    let inherited = Inherited::take();
    let notifier = Notifier::take();
    memory::use_one_arena();
    if configuration.options.debug {
        let _ = environment::set("DEBUG", "1");
        heap::start();
    }
    log::start(&configuration.options);
    configuration.log_remarks();
    match serve(configuration, inherited, &notifier) {
        Ok(()) => 0,
        Err(error) => {
            error!("{error}");
            1
        }
    }
}

/// Answers `--validate`, of what could be told without touching anything.
fn validated(configuration: &Configuration) -> i32 {
    match tls::load(&configuration.options) {
        Ok(_) => {
            println!("configuration OK");
            0
        }
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

fn serve(
    configuration: Configuration,
    inherited: Inherited,
    notifier: &Notifier,
) -> Result<(), Error> {
    let options = &configuration.options;
    let system = |what: &str, e: &dyn fmt::Display| {
        Error::System(format!("{what}: {e}"))
    };
    raise_file_limit();
    // Blocked before any thread starts, so that all of them inherit it.
    let signals = Signals::block(&[
        signal::SIGTERM,
        signal::SIGINT,
        signal::SIGHUP,
        signal::SIGCHLD,
    ])
    .map_err(|e| system("signals", &e))?;
    let seccomp = settings::seccomp(options)?;
    settings::make_dirs(options)?;
    let root = Root::take(&options.data_root).map_err(Error::Engine)?;
    let _pid_file = PidFile::write(&options.pidfile)?;
    let (opener, gate) = gate::new();
    let (lost_sender, lost) = unbounded();
    let bound = listeners::bind(options, inherited)?;
    let api_warnings = listeners::warnings(options, &bound);
    let mut accepting = Vec::new();
    for listener in bound {
        info!("API listen on {}", listener.address());
        let started =
            accept::start(listener, gate.clone(), lost_sender.clone())
                .map_err(|e| system("start a thread", &e))?;
        accepting.push(started);
    }
    let (metrics_opener, metrics_gate) = gate::new();
    for listener in watching::bind(options)? {
        info!("metrics API listening on {}", listener.address());
        let (gate, lost) = (metrics_gate.clone(), lost_sender.clone());
        let started = accept::start(listener, gate, lost)
            .map_err(|e| system("start a thread", &e))?;
        accepting.push(started);
    }
    // Held as long as monitors are started from it.
    let program = Program::open()?;
    let monitors = program.path();
    let mut settings =
        Settings { api_warnings, ..settings::engine(options, &monitors) };
    settings.containers.seccomp_text = seccomp;
    let engine = Engine::open(settings, root).map_err(Error::Engine)?;
    let (api, metrics) = watching::servers(&engine, settings::server(options));
    let _watchdog = notifier.watch(&engine)?;
    notifier.ready();
    opener.open(Arc::new(api));
    metrics_opener.open(Arc::new(metrics));
    info!("Daemon has completed initialization");
    let mut reloader = Reloader {
        configuration,
        engine: Arc::clone(&engine),
        program: &monitors,
        notifier,
    };
    let outcome = signals::await_end(&signals, &lost, &mut reloader);
    notifier.stopping();
    listeners::stop(&mut accepting);
    engine.shut_down();
    info!("Daemon shutdown complete");
    outcome
}

/// Each client and each container takes descriptors: as many as the hard
/// limit allows.
fn raise_file_limit() {
    let raised = credentials::resource("nofile").map_or(Ok(()), |number| {
        let limit = credentials::limit(number)?;
        let wanted = Limit { soft: limit.hard, ..limit };
        credentials::set_limit(number, wanted)
    });
    if let Err(error) = raised {
        debug!("the limit of open files stays: {error}");
    }
}
