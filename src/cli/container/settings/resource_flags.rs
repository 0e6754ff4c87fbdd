//! Flags about what a container may use of the host.

use super::{Settings, append, number, push, resources};
use crate::cli::flag::Flag;
use crate::cli::value;

type S = Settings;

/// The flags.
pub const FLAGS: &[Flag<Settings>] = &[
    Flag::list(
        "blkio-weight-device",
        "list",
        "Block IO weight (relative device weight)",
        |t: &mut S, word| {
            let device = resources::weight_device(word)?;
            t.host.blkio_weight_device.get_or_insert_default().push(device);
            Ok(())
        },
    )
    .default("[]"),
    Flag::list(
        "device",
        "list",
        "Add a host device to the container",
        |t: &mut S, word| push(&mut t.devices, word),
    ),
    Flag::list(
        "device-cgroup-rule",
        "list",
        "Add a rule to the cgroup allowed devices list",
        |t: &mut S, word| append(&mut t.host.device_cgroup_rules, word),
    ),
    Flag::list(
        "gpus",
        "gpu-request",
        "GPU devices to add to the container ('all' to pass all GPUs)",
        |t: &mut S, word| push(&mut t.gpus, word),
    ),
    Flag::list(
        "device-read-bps",
        "list",
        "Limit read rate (bytes per second) from a device",
        |t: &mut S, word| {
            let device = resources::bytes_rate(word)?;
            t.host.blkio_device_read_bps.get_or_insert_default().push(device);
            Ok(())
        },
    )
    .default("[]"),
    Flag::list(
        "device-read-iops",
        "list",
        "Limit read rate (IO per second) from a device",
        |t: &mut S, word| {
            let device = resources::calls_rate(word)?;
            t.host.blkio_device_read_iops.get_or_insert_default().push(device);
            Ok(())
        },
    )
    .default("[]"),
    Flag::list(
        "device-write-bps",
        "list",
        "Limit write rate (bytes per second) to a device",
        |t: &mut S, word| {
            let device = resources::bytes_rate(word)?;
            t.host.blkio_device_write_bps.get_or_insert_default().push(device);
            Ok(())
        },
    )
    .default("[]"),
    Flag::list(
        "device-write-iops",
        "list",
        "Limit write rate (IO per second) to a device",
        |t: &mut S, word| {
            let device = resources::calls_rate(word)?;
            t.host.blkio_device_write_iops.get_or_insert_default().push(device);
            Ok(())
        },
    )
    .default("[]"),
    Flag::value(
        "memory-swappiness",
        "int",
        "Tune container memory swappiness (0 to 100) (default -1)",
        |t: &mut S, word| {
            t.swappiness = Some(value::integer(word)?);
            Ok(())
        },
    ),
    Flag::switch("oom-kill-disable", "Disable OOM Killer", |t: &mut S, on| {
        t.oom_kill_disable = on
    }),
    Flag::value(
        "oom-score-adj",
        "int",
        "Tune host's OOM preferences (-1000 to 1000)",
        |t: &mut S, word| {
            number(&mut t.host.oom_score_adj, value::integer(word))
        },
    ),
    Flag::value("shm-size", "bytes", "Size of /dev/shm", |t: &mut S, word| {
        number(&mut t.host.shm_size, value::size(word))
    }),
    Flag::list("sysctl", "map", "Sysctl options", |t: &mut S, word| {
        let (name, value) = resources::sysctl(word)?;
        t.host.sysctls.insert(name, value);
        Ok(())
    })
    .default("map[]"),
    Flag::list("ulimit", "ulimit", "Ulimit options", |t: &mut S, word| {
        let (name, limits) = value::ulimit(word)?;
        t.ulimits.insert(name, limits);
        Ok(())
    })
    .default("[]"),
];
