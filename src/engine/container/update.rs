//! `POST /containers/{id}/update`: other limits, for a container that runs
//! too, and another restart policy.

use super::host_config::{self, Purpose};
use super::life::{Phase, Record};
use super::spec::resources;
use crate::api::host_config::HostConfig;
use crate::engine::{Engine, Error, Result};
use crate::runtime::cgroup::Group;

impl Engine {
    /// Changes what `change` names of a container's limits and its restart
    /// policy; returns warnings. What the kernel refuses is not kept.
    pub fn update(
        &self,
        name: &str,
        mut change: HostConfig,
    ) -> Result<Vec<String>> {
        let settings = self.settings();
        let host = self.checked_against(&settings);
        host_config::check_limits(&change, host, Purpose::Update)?;
        host_config::check_kernel(&change, &self.host)?;
        host_config::check_policy(&change.restart_policy)?;
        let warnings = host_config::discard(&mut change, &self.host);
        let container = self.container(name)?;
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let old: &Record = &snapshot.record;
        let cannot = |reason: &dyn std::fmt::Display| {
            format!("Cannot update container {}: {reason}", container.id)
        };
        if matches!(snapshot.life.phase, Phase::Removing | Phase::Dead) {
            return Err(Error::Conflict(cannot(
                &"container is marked for removal and cannot be \"update\"",
            )));
        }
        let mut record = old.clone();
        merge(&mut record.host_config, &change)
            .map_err(|text| Error::Conflict(cannot(&text)))?;
        if snapshot.life.has_process() {
            let mut limits = resources(&record.host_config);
            if change.pids_limit.is_some_and(|limit| limit <= 0) {
                limits.pids_limit = -1;
            }
            let parent = self.cgroup_parent(old);
            let cgroups = self.host.cgroups.clone();
            let group = Group::at(cgroups, &parent, &record.id);
            if let Err(error) = group.update(&limits) {
                // What was written before is as it was.
                let _ = group.update(&resources(&old.host_config));
                return Err(Error::Internal(cannot(&error)));
            }
        }
        self.save_record(&container, record)?;
        let record = &container.snapshot().record;
        self.container_event(record, "update", &[]);
        Ok(warnings)
    }
}

/// Takes over what is named, as far as it fits what is there.
fn merge(
    old: &mut HostConfig,
    new: &HostConfig,
) -> std::result::Result<(), &'static str> {
    if new.nano_cpus > 0 && old.cpu_period > 0 {
        return Err("Conflicting options: Nano CPUs cannot be updated as CPU \
                    Period has already been set");
    }
    if new.nano_cpus > 0 && old.cpu_quota > 0 {
        return Err("Conflicting options: Nano CPUs cannot be updated as CPU \
                    Quota has already been set");
    }
    if new.cpu_period > 0 && old.nano_cpus > 0 {
        return Err("Conflicting options: CPU Period cannot be updated as \
                    NanoCPUs has already been set");
    }
    if new.cpu_quota > 0 && old.nano_cpus > 0 {
        return Err("Conflicting options: CPU Quota cannot be updated as \
                    NanoCPUs has already been set");
    }
    if new.memory != 0 && new.memory_swap == 0 && new.memory > old.memory_swap {
        return Err("Memory limit should be smaller than already set \
                    memoryswap limit, update the memoryswap at the same time");
    }
    for (place, value) in [
        (&mut old.cpu_shares, new.cpu_shares),
        (&mut old.nano_cpus, new.nano_cpus),
        (&mut old.cpu_period, new.cpu_period),
        (&mut old.cpu_quota, new.cpu_quota),
        (&mut old.cpu_realtime_period, new.cpu_realtime_period),
        (&mut old.cpu_realtime_runtime, new.cpu_realtime_runtime),
        (&mut old.memory, new.memory),
        (&mut old.memory_swap, new.memory_swap),
        (&mut old.memory_reservation, new.memory_reservation),
        (&mut old.kernel_memory, new.kernel_memory),
    ] {
        if value != 0 {
            *place = value;
        }
    }
    for (place, value) in [
        (&mut old.cpuset_cpus, &new.cpuset_cpus),
        (&mut old.cpuset_mems, &new.cpuset_mems),
    ] {
        if !value.is_empty() {
            place.clone_from(value);
        }
    }
    if new.blkio_weight != 0 {
        old.blkio_weight = new.blkio_weight;
    }
    if let Some(limit) = new.pids_limit {
        old.pids_limit = (limit > 0).then_some(limit);
    }
    if !new.restart_policy.name.is_empty() {
        if old.auto_remove && new.restart_policy.name != "no" {
            return Err("Restart policy cannot be updated because AutoRemove \
                        is enabled for the container");
        }
        old.restart_policy = new.restart_policy.clone();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        let mut old = HostConfig {
            memory: 64 << 20,
            memory_swap: 128 << 20,
            cpu_shares: 7,
            pids_limit: Some(9),
            ..Default::default()
        };
        let new = HostConfig {
            memory: 80 << 20,
            pids_limit: Some(-1),
            cpuset_cpus: "1".into(),
            ..Default::default()
        };
        merge(&mut old, &new).unwrap();
        assert_eq!((old.memory, old.memory_swap), (80 << 20, 128 << 20));
        assert_eq!((old.cpu_shares, old.pids_limit), (7, None));
        assert_eq!(old.cpuset_cpus, "1");
    }

    #[test]
    fn what_does_not_fit_is_refused_in_dockers_words() {
        let base = HostConfig::default;
        let table = [
            (
                HostConfig { memory: 64 << 20, ..base() },
                base(),
                "Memory limit should be smaller than already set memoryswap \
                 limit, update the memoryswap at the same time",
            ),
            (
                HostConfig { nano_cpus: 1, ..base() },
                HostConfig { cpu_quota: 5000, ..base() },
                "Conflicting options: Nano CPUs cannot be updated as CPU \
                 Quota has already been set",
            ),
            (
                HostConfig { cpu_period: 5000, ..base() },
                HostConfig { nano_cpus: 1, ..base() },
                "Conflicting options: CPU Period cannot be updated as \
                 NanoCPUs has already been set",
            ),
        ];
        for (new, mut old, text) in table {
            assert_eq!(merge(&mut old, &new), Err(text));
        }
    }
}
