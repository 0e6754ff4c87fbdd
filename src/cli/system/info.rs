//! `info`.

use crate::api;
use crate::api::system::Info;
use crate::cli::command::{Command, With, Words};
use crate::cli::endpoint;
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::format::Value;
use crate::cli::format::json::{self, Escape};
use crate::cli::format::only::{self, OnlyFormat};
use crate::cli::format::template::{Missing, Mode, Template};
use crate::cli::session::Session;
use crate::units;

/// `info`.
pub static COMMAND: Command = Command {
    paths: &["system info", "info"],
    usage: "[OPTIONS]",
    about: "Display system-wide information",
    words: Words::None,
    order: Order::Mixed,
    action: &With { flags: only::FLAGS, run },
};

fn run(
    session: &mut Session,
    typed: OnlyFormat,
    _: Vec<String>,
) -> Result<i32, Error> {
    let context = endpoint::context(&session.globals, session.config());
    let debug = session.globals.debug;
    if typed.format.is_empty() {
        session.print(&format!(
            "Client: skiff {}\n Version:    {}\n Context:    {context}\n \
             Debug Mode: {debug}\n\nServer:\n",
            env!("CARGO_PKG_VERSION"),
            api::ENGINE_VERSION,
        ))?;
        let failed = |error: &dyn std::fmt::Display| {
            Error::text(format!("ERROR: {error}\nerrors pretty printing info"))
        };
        session.flush()?;
        let answer = session.client()?.info().map_err(|e| failed(&e))?;
        let info: Info =
            crate::json::from_slice(&answer).map_err(|e| failed(&e))?;
        session.print(&text(&info))?;
        session.flush()?;
        for warning in info.warnings.iter().flatten() {
            session.warn(warning);
        }
        return Ok(0);
    }
    let answer = session.client()?.info()?;
    let mut value: Value = serde_json::from_slice(&answer)
        .map_err(|error| Error::text(error.to_string()))?;
    let own = Value::Object(vec![
        ("Debug".to_owned(), Value::Bool(debug)),
        ("Version".to_owned(), api::ENGINE_VERSION.into()),
        ("Context".to_owned(), context.into()),
        ("Plugins".to_owned(), Value::Array(Vec::new())),
        ("Warnings".to_owned(), Value::Null),
    ]);
    if let Value::Object(fields) = &mut value {
        fields.push(("ClientInfo".to_owned(), own));
    }
    let line = match typed.format.as_str() {
        "json" => json::compact(&value, Escape::Plain),
        format => {
            let template = Template::parse(format).map_err(|reason| {
                Error::Text(format!("template parsing error: {reason}"), 64)
            })?;
            let kind = Missing::Type("system.dockerInfo");
            match template.run(&value, kind, Mode::Values) {
                Ok(line) => line,
                Err(reason) => {
                    session.print_line("")?;
                    return Err(Error::text(reason));
                }
            }
        }
    };
    session.print_line(&line)?;
    Ok(0)
}

/// The lines about the daemon, each one level in.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!(" {name}: {value}\n"));
    }

    /// A line that is left out when it says nothing.
    fn said(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.line(name, value);
        }
    }

    /// A heading with a line for each item.
    fn list(&mut self, name: &str, items: &[String]) {
        if !items.is_empty() {
            self.0.push_str(&format!(" {name}:\n"));
            for item in items {
                self.0.push_str(&format!("  {item}\n"));
            }
        }
    }
}

fn text(info: &Info) -> String {
    let mut out = Lines::default();
    out.line("Containers", info.containers);
    out.line(" Running", info.containers_running);
    out.line(" Paused", info.containers_paused);
    out.line(" Stopped", info.containers_stopped);
    out.line("Images", info.images);
    out.said("Server Version", &info.server_version);
    out.line("Storage Driver", &info.driver);
    for [name, value] in &info.driver_status {
        out.line(&format!(" {name}"), value);
    }
    out.said("Logging Driver", &info.logging_driver);
    out.said("Cgroup Driver", &info.cgroup_driver);
    out.said("Cgroup Version", &info.cgroup_version);
    out.0.push_str(" Plugins:\n");
    out.line(" Volume", info.plugins.volume.join(" "));
    out.line(" Network", info.plugins.network.join(" "));
    if let Some(plugins) = &info.plugins.authorization
        && !plugins.is_empty()
    {
        out.line(" Authorization", plugins.join(" "));
    }
    out.line(" Log", info.plugins.log.join(" "));
    out.list("CDI spec directories", &info.cdi_spec_dirs);
    let state = info.swarm["LocalNodeState"].as_str();
    out.line("Swarm", state.unwrap_or("inactive"));
    let runtimes: Vec<&str> =
        info.runtimes.keys().map(String::as_str).collect();
    if !runtimes.is_empty() {
        out.line("Runtimes", runtimes.join(" "));
        out.line("Default Runtime", &info.default_runtime);
    }
    out.line("Init Binary", &info.init_binary);
    out.line("containerd version", &info.containerd_commit.id);
    out.line("runc version", &info.runc_commit.id);
    out.line("init version", &info.init_commit.id);
    security(&mut out, &info.security_options);
    out.said("Kernel Version", &info.kernel_version);
    out.said("Operating System", &info.operating_system);
    out.said("OSType", &info.os_type);
    out.said("Architecture", &info.architecture);
    out.line("CPUs", info.n_cpu);
    let memory = u64::try_from(info.mem_total).unwrap_or(0);
    out.line("Total Memory", units::bytes_size(memory));
    out.said("Name", &info.name);
    out.said("ID", &info.id);
    out.said("Docker Root Dir", &info.docker_root_dir);
    out.line("Debug Mode", info.debug);
    if info.debug {
        out.line(" File Descriptors", info.n_fd);
        out.line(" Goroutines", info.n_goroutines);
        out.line(" System Time", &info.system_time);
        out.line(" EventsListeners", info.n_events_listener);
    }
    out.said("HTTP Proxy", &info.http_proxy);
    out.said("HTTPS Proxy", &info.https_proxy);
    out.said("No Proxy", &info.no_proxy);
    out.list("Labels", &info.labels);
    out.line("Experimental", info.experimental_build);
    let registries = &info.registry_config;
    let mut insecure: Vec<String> = registries
        .index_configs
        .values()
        .filter(|index| !index.secure)
        .map(|index| index.name.clone())
        .collect();
    insecure.extend(registries.insecure_registry_cidrs.iter().cloned());
    out.list("Insecure Registries", &insecure);
    out.list("Registry Mirrors", registries.mirrors.as_deref().unwrap_or(&[]));
    out.line("Live Restore Enabled", info.live_restore_enabled);
    out.0.push('\n');
    out.0
}

/// `name=seccomp,profile=builtin` is a line with lines below it.
fn security(out: &mut Lines, options: &[String]) {
    if options.is_empty() {
        return;
    }
    out.0.push_str(" Security Options:\n");
    for option in options {
        for field in option.split(',') {
            match field.split_once('=') {
                Some(("name", name)) => {
                    out.0.push_str(&format!("  {name}\n"));
                }
                Some((name, value)) => {
                    let (first, rest) = name.split_at(1.min(name.len()));
                    let name = format!("{}{rest}", first.to_uppercase());
                    out.line(&format!("  {name}"), value);
                }
                None => out.0.push_str(&format!("  {field}\n")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_answer_gives_the_recorded_lines() {
        let answer = br#"{"ID":"2768","Containers":1,"Driver":"overlay2",
            "DriverStatus":[["Backing Filesystem","extfs"]],
            "Plugins":{"Volume":["local"],"Network":["bridge","host"],
            "Authorization":null,"Log":["json-file"]},"NCPU":2,
            "MemTotal":25276514304,"SecurityOptions":
            ["name=seccomp,profile=builtin"],"Swarm":{"LocalNodeState":
            "inactive"},"RegistryConfig":{"IndexConfigs":{"docker.io":
            {"Name":"docker.io","Secure":true}},"InsecureRegistryCIDRs":
            ["::1/128"],"Mirrors":null},"CDISpecDirs":["/etc/cdi"]}"#;
        let info: Info = crate::json::from_slice(answer).unwrap();
        let text = text(&info);
        for part in [
            " Containers: 1\n  Running: 0\n  Paused: 0\n  Stopped: 0\n",
            " Storage Driver: overlay2\n  Backing Filesystem: extfs\n",
            " Plugins:\n  Volume: local\n  Network: bridge host\n  Log: \
             json-file\n CDI spec directories:\n  /etc/cdi\n Swarm: inactive\n",
            " Security Options:\n  seccomp\n   Profile: builtin\n",
            " CPUs: 2\n Total Memory: 23.54GiB\n",
            " Insecure Registries:\n  ::1/128\n Live Restore Enabled: false\n\n",
        ] {
            assert!(text.contains(part), "{part}\nin\n{text}");
        }
    }
}
