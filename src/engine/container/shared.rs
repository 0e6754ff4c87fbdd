//! What a container takes from another one: its namespaces, and with the
//! network its name and the files that tell of it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::life::{Phase, Record, Snapshot};
use crate::api::host_config::HostConfig;
use crate::engine::{Engine, Error, Result};
use crate::runtime::spec::{Mount, MountKind, Namespace, Spec};

/// Returns the container that a mode names: `container:web`.
pub fn donor(mode: &str) -> Option<&str> {
    mode.strip_prefix("container:")
}

impl Engine {
    /// Writes ids for the names of other containers, which may change.
    pub(super) fn name_donors_by_id(&self, host: &mut HostConfig) {
        for mode in
            [&mut host.network_mode, &mut host.pid_mode, &mut host.ipc_mode]
        {
            if let Some(name) = donor(mode)
                && let Ok(container) = self.container(name)
            {
                *mode = format!("container:{}", container.id);
            }
        }
    }

    /// Returns the container whose network another one joins, which must
    /// run; none for one with a network of its own.
    pub(in crate::engine) fn network_donor(
        &self,
        record: &Record,
    ) -> Result<Option<Arc<Snapshot>>> {
        let Some(name) = donor(&record.host_config.network_mode) else {
            return Ok(None);
        };
        let container = self.container(name).map_err(|e| {
            Error::Internal(format!(
                "joining network namespace of container: {e}"
            ))
        })?;
        if container.id == record.id {
            return Err(Error::Internal(
                "cannot join own network namespace".into(),
            ));
        }
        let snapshot = container.snapshot();
        match snapshot.life.phase {
            Phase::Running | Phase::Paused => Ok(Some(snapshot)),
            Phase::Restarting => Err(Error::Internal(format!(
                "cannot join network namespace of container: {}",
                restarting(name)
            ))),
            phase => Err(Error::Conflict(format!(
                "cannot join network namespace of a non running container: \
                 container {} is {}",
                snapshot.record.name,
                phase.as_str()
            ))),
        }
    }

    /// Gives a record the name of the container whose network it joins.
    pub(super) fn named_as_donor<'a>(
        &self,
        record: &'a Record,
    ) -> Result<Cow<'a, Record>> {
        let Some(donor) = self.network_donor(record)? else {
            return Ok(Cow::Borrowed(record));
        };
        let mut record = record.clone();
        let theirs = &donor.record.config;
        record.config.hostname.clone_from(&theirs.hostname);
        record.config.domainname.clone_from(&theirs.domainname);
        Ok(Cow::Owned(record))
    }

    /// Puts a container into the namespaces of those that it names.
    pub(super) fn join_donors(
        &self,
        spec: &mut Spec,
        record: &Record,
    ) -> Result<()> {
        let host = &record.host_config;
        let path = |life: &Snapshot, kind: &str| {
            PathBuf::from(format!("/proc/{}/ns/{kind}", life.life.pid))
        };
        if let Some(other) = self.network_donor(record)? {
            spec.namespaces.network = Namespace::Path(path(&other, "net"));
        }
        if let Some(name) = donor(&host.pid_mode) {
            let other = self.running_donor(name, "PID")?;
            spec.namespaces.pid = Namespace::Path(path(&other, "pid"));
        }
        if let Some(name) = donor(&host.ipc_mode) {
            let other = self.running_donor(name, "IPC")?;
            if other.record.host_config.ipc_mode != "shareable" {
                return Err(Error::Internal(format!(
                    "failed to join IPC namespace: container {name}: \
                     non-shareable IPC (hint: use IpcMode:shareable for the \
                     donor container)"
                )));
            }
            spec.namespaces.ipc = Namespace::Path(path(&other, "ipc"));
            shared_memory(spec, path(&other, "mnt"));
        }
        match host.ipc_mode.as_str() {
            "host" => shared_memory(spec, PathBuf::new()),
            "none" => spec.mounts.retain(|mount| {
                mount.kind != MountKind::Tmpfs
                    || mount.target != Path::new("/dev/shm")
            }),
            _ => {}
        }
        Ok(())
    }

    fn running_donor(&self, name: &str, kind: &str) -> Result<Arc<Snapshot>> {
        let failed = |reason: String| {
            Error::Internal(format!(
                "failed to join {kind} namespace: {reason}"
            ))
        };
        let found = self.container(name);
        let snapshot = found.map_err(|e| failed(e.to_string()))?.snapshot();
        match snapshot.life.phase {
            Phase::Running | Phase::Paused => Ok(snapshot),
            Phase::Restarting => Err(failed(restarting(name))),
            _ => Err(failed(Error::NotRunning(name.into()).to_string())),
        }
    }
}

fn restarting(name: &str) -> String {
    format!(
        "Container {name} is restarting, wait until the container is running"
    )
}

/// Shows the shared memory of the mount namespace at a path, or of the host.
fn shared_memory(spec: &mut Spec, namespace: PathBuf) {
    spec.add_mount(Mount {
        source: "/dev/shm".into(),
        namespace,
        target: "/dev/shm".into(),
        options: vec!["rbind,nosuid,noexec,nodev".into()],
        ..Mount::default()
    });
}
