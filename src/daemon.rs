//! The daemon: from its options to its end.
//!
//! 1. Sockets are bound; clients wait at the gate.
//! 2. The engine opens its state and takes over what runs.
//! 3. systemd is told, the gate opens.
//! 4. A signal, or a lost listener, ends it: sockets go first, then
//!    whatever does not outlive the daemon.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use log::LevelFilter;

use crate::cli::DaemonOptions;
use crate::engine::{Engine, LiveRestore, Settings};
use crate::runtime::features::{self, Features};
use crate::server::accept::{self, Accepting, Lost};
use crate::server::listen::{self, Host};
use crate::server::{self, Server, gate, routes};
use crate::sys::credentials::{self, Limit};
use crate::sys::mount::{self, Change, Flags, Reach};
use crate::sys::sigset::Signals;
use crate::sys::{self, memory, orphans, process, sealed};
use crate::{cli, signal};

/// Where clients look for the daemon if nobody says else.
const SOCKET: &str = "unix:///var/run/docker.sock";
/// How long requests may go on when the daemon ends.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Why the daemon cannot run.
#[derive(Debug)]
pub enum Error {
    /// An option makes no sense, or is not built.
    Option(String),
    /// A directory or file of the daemon's own cannot be made.
    Path(PathBuf, std::io::Error),
    /// Another daemon runs.
    Running(PathBuf, i32),
    /// An address cannot be listened on.
    Listen(String, listen::Error),
    /// A thread or a signal descriptor cannot be made.
    System(String),
    /// The engine cannot open its state.
    Engine(crate::engine::Error),
    /// A listener failed.
    Lost(Lost),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Option(text) | Error::System(text) => f.write_str(text),
            Error::Path(path, e) => write!(f, "{}: {e}", path.display()),
            Error::Running(path, pid) => write!(
                f,
                "failed to start daemon, ensure docker is not running or \
                 delete {}: process with PID {pid} is still running",
                path.display()
            ),
            Error::Listen(host, e) => {
                write!(f, "failed to load listeners: {host}: {e}")
            }
            Error::Engine(e) => write!(f, "failed to start daemon: {e}"),
            Error::Lost(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// Runs the daemon to its end; returns the exit code.
pub fn run(options: DaemonOptions) -> i32 {
    if options.version {
        println!("{}", cli::globals::version_line());
        return 0;
    }
    memory::use_one_arena();
    start_log(&options);
    match serve(&options) {
        Ok(()) => 0,
        Err(error) => {
            log::error!("{error}");
            1
        }
    }
}

fn start_log(options: &DaemonOptions) {
    let level = match options.log_level.as_str() {
        _ if options.debug => LevelFilter::Debug,
        "debug" => LevelFilter::Debug,
        "warn" => LevelFilter::Warn,
        "error" | "fatal" => LevelFilter::Error,
        _ => LevelFilter::Info,
    };
    env_logger::Builder::new()
        .filter_level(level)
        .format(|out, record| {
            let now = crate::time::Timestamp::now();
            let level = record.level().as_str().to_ascii_lowercase();
            writeln!(out, "{now} {level} {}", record.args())
        })
        .init();
}

fn serve(options: &DaemonOptions) -> Result<(), Error> {
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
    let settings = settings(options)?;
    let _pid_file = PidFile::write(&options.pidfile)?;
    let (opener, gate) = gate::new();
    let (lost_sender, lost) = unbounded();
    let mut accepting = Vec::new();
    for listener in bind(options)? {
        log::info!("API listen on {}", listener.address());
        let started =
            accept::start(listener, gate.clone(), lost_sender.clone())
                .map_err(|e| system("start a thread", &e))?;
        accepting.push(started);
    }
    // Held as long as monitors are started from it.
    let program = Program::open()?;
    let settings = Settings { program: program.path(), ..settings };
    let engine = Engine::open(settings).map_err(Error::Engine)?;
    let server = Server::new(
        Arc::clone(&engine),
        routes::ROUTES,
        server::Settings::default(),
    );
    opener.open(Arc::new(server));
    notify_init("READY=1");
    log::info!("Daemon has completed initialization");
    let outcome = await_end(&signals, &lost);
    notify_init("STOPPING=1");
    stop_listening(&mut accepting);
    engine.shut_down();
    log::info!("Daemon shutdown complete");
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
        log::debug!("the limit of open files stays: {error}");
    }
}

/// Waits for the signal to end, or for a listener's failure.
fn await_end(signals: &Signals, lost: &Receiver<Lost>) -> Result<(), Error> {
    // A thread turns the failure into a signal to ourselves, so that there
    // is one thing to wait for.
    let (failed_sender, failed) = unbounded();
    let lost = lost.clone();
    let own_pid = std::process::id() as i32;
    std::thread::Builder::new()
        .name("lost".into())
        .stack_size(64 << 10)
        .spawn(move || {
            if let Ok(failure) = lost.recv() {
                let _ = failed_sender.send(failure);
                let _ = process::kill(own_pid, signal::SIGTERM);
            }
        })
        .map_err(|e| Error::System(format!("start a thread: {e}")))?;
    loop {
        let number = signals
            .wait()
            .map_err(|e| Error::System(format!("signals: {e}")))?;
        match number {
            signal::SIGCHLD => {
                if own_pid == 1 {
                    orphans::reap();
                }
            }
            signal::SIGHUP => log::info!("nothing to reload"),
            _ => {
                if let Ok(failure) = failed.try_recv() {
                    return Err(Error::Lost(failure));
                }
                let name = signal::name(number).unwrap_or("a signal");
                log::info!("Processing signal '{name}'");
                return Ok(());
            }
        }
    }
}

fn stop_listening(accepting: &mut [Accepting]) {
    let deadline = Instant::now() + LAST_REQUESTS;
    for listener in accepting {
        let left = listener.stop(deadline);
        if left > 0 {
            log::warn!("{}: {left} requests are cut", listener.address());
        }
    }
}

fn bind(options: &DaemonOptions) -> Result<Vec<listen::Listener>, Error> {
    let usual = [SOCKET.to_string()];
    let hosts = match options.hosts.is_empty() {
        true => &usual[..],
        false => &options.hosts[..],
    };
    let mut listeners = Vec::new();
    for text in hosts {
        let failed = |e| Error::Listen(text.clone(), e);
        let host = Host::parse(text).map_err(failed)?;
        if let listen::Address::Tcp { host: name, .. } = &host.address
            && !is_loopback(name)
        {
            log::warn!(
                "[DEPRECATION NOTICE] API is accessible on {text} without \
                 encryption. Access to the remote API is equivalent to root \
                 access on the host."
            );
        }
        listeners.extend(listen::bind(&host, &options.group).map_err(failed)?);
    }
    Ok(listeners)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn settings(options: &DaemonOptions) -> Result<Settings, Error> {
    let bad = |text: String| Err(Error::Option(text));
    if options.tls || options.tls_verify {
        return bad("TLS listeners are not supported by this build".into());
    }
    if options.api_enable_cors {
        return bad("--api-enable-cors is not supported by this build".into());
    }
    if options.log_driver != "json-file" || !options.log_opts.is_empty() {
        return bad(
            "only the log driver json-file without options is supported as \
             the default"
                .into(),
        );
    }
    let mut dns = Vec::new();
    for text in &options.dns {
        match text.parse() {
            Ok(address) => dns.push(address),
            Err(_) => return bad(format!("invalid DNS server: {text}")),
        }
    }
    for dir in [&options.data_root, &options.exec_root] {
        if !dir.is_absolute() {
            return bad(format!(
                "{}: the daemon's directories must be absolute paths",
                dir.display()
            ));
        }
        make_dir(dir)?;
    }
    let bridge = match options.bridge.as_str() {
        "none" => None,
        "" => Some("skiff0".to_string()),
        name => Some(name.to_string()),
    };
    Ok(Settings {
        program: PathBuf::new(),
        data_root: options.data_root.clone(),
        exec_root: options.exec_root.clone(),
        bridge,
        bip: options.bip.clone(),
        mtu: options.mtu.unwrap_or(0),
        dns,
        insecure_registries: options.insecure_registries.clone(),
        registry_mirrors: options.registry_mirrors.clone(),
        certs_dirs: ["/etc/skiff/certs.d", "/etc/docker/certs.d"]
            .map(PathBuf::from)
            .to_vec(),
        cgroup_parent: options.cgroup_parent.clone(),
        live_restore: match options.live_restore {
            true => LiveRestore::Yes,
            false => LiveRestore::No,
        },
        shutdown_timeout: Duration::from_secs(
            u64::try_from(options.shutdown_timeout).unwrap_or(u64::MAX >> 1),
        ),
        labels: options.labels.clone(),
        debug: options.debug,
    })
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(dir)
        .map_err(|e| Error::Path(dir.to_owned(), e))
}

/// The file that monitors are executed from: one that no container can
/// write through `/proc/PID/exe` (CVE-2019-5736). It exists as long as this
/// does.
struct Program(OwnedFd);

impl Program {
    /// Makes it: a read-only mount of the daemon's own file, or where the
    /// kernel has no such mounts (before 5.12) a sealed copy in memory.
    fn open() -> Result<Program, Error> {
        let path = Path::new("/proc/self/exe");
        let failed = |e| Error::Path(path.to_owned(), e);
        let mut exe = File::open(path).map_err(failed)?;
        let has_mounts = Features::from_env().allow(features::MOUNT_SETATTR);
        if has_mounts {
            match read_only_mount(&exe) {
                Ok(mount) => return Ok(Program(mount)),
                Err(error) => log::debug!("a copy in memory it is: {error}"),
            }
        }
        let copy = sealed::copy(&mut exe);
        copy.map(Program).map_err(|e| failed(e.into()))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

fn read_only_mount(exe: &File) -> sys::Result<OwnedFd> {
    let mount = mount::clone_tree_of(exe, Reach::One)?;
    let change = Change { set: Flags::READ_ONLY, ..Change::default() };
    mount::change(&mount, Reach::One, &change)?;
    Ok(mount)
}

/// The daemon's pid file, removed at its end.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> Result<PidFile, Error> {
        let failed = |e| Error::Path(path.to_owned(), e);
        if let Some(pid) = fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<i32>().ok())
            && pid > 0
            && pid != std::process::id() as i32
            && is_daemon(pid)
        {
            return Err(Error::Running(path.to_owned(), pid));
        }
        if let Some(dir) = path.parent() {
            make_dir(dir)?;
        }
        fs::write(path, std::process::id().to_string()).map_err(failed)?;
        Ok(PidFile(path.to_owned()))
    }
}

/// Tells whether a process is a daemon of ours: after a reboot the number
/// in a pid file may be anybody's.
fn is_daemon(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    let own = fs::read_to_string("/proc/self/comm");
    // One that was killed and not reaped yet has no program any more.
    let is_alive = fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    is_alive && matches!((name, own), (Ok(name), Ok(own)) if name == own)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Tells systemd, if it started us (sd_notify(3)).
fn notify_init(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let told = UnixDatagram::unbound().and_then(|socket| {
        let name = path.to_string_lossy().into_owned();
        match name.strip_prefix('@') {
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                let address =
                    std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(state.as_bytes(), &address)
            }
            None => socket.send_to(state.as_bytes(), &name),
        }
    });
    if let Err(error) = told {
        log::warn!("tell init {state}: {error}");
    }
}
