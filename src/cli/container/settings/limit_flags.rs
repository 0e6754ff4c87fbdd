//! Flags about limits that can be changed while a container runs.

use super::{Settings, number, text};
use crate::cli::flag::Flag;
use crate::cli::value;

type S = Settings;

/// The flags; `update` has them too.
pub const FLAGS: &[Flag<Settings>] = &[
    Flag::value(
        "blkio-weight",
        "uint16",
        "Block IO (relative weight), between 10 and 1000, or 0 to disable \
         (default 0)",
        |t: &mut S, word| {
            let weight = u16::try_from(value::unsigned(word)?);
            t.host.blkio_weight = weight.map_err(|_| {
                format!(
                    "strconv.ParseUint: parsing \"{word}\": value out of range"
                )
            })?;
            Ok(())
        },
    ),
    Flag::value(
        "cpu-period",
        "int",
        "Limit CPU CFS (Completely Fair Scheduler) period",
        |t: &mut S, word| number(&mut t.host.cpu_period, value::integer(word)),
    ),
    Flag::value(
        "cpu-quota",
        "int",
        "Limit CPU CFS (Completely Fair Scheduler) quota",
        |t: &mut S, word| number(&mut t.host.cpu_quota, value::integer(word)),
    ),
    Flag::value(
        "cpu-rt-period",
        "int",
        "Limit CPU real-time period in microseconds",
        |t: &mut S, word| {
            number(&mut t.host.cpu_realtime_period, value::integer(word))
        },
    ),
    Flag::value(
        "cpu-rt-runtime",
        "int",
        "Limit CPU real-time runtime in microseconds",
        |t: &mut S, word| {
            number(&mut t.host.cpu_realtime_runtime, value::integer(word))
        },
    ),
    Flag::value(
        "cpu-shares",
        "int",
        "CPU shares (relative weight)",
        |t: &mut S, word| number(&mut t.host.cpu_shares, value::integer(word)),
    )
    .short('c'),
    Flag::value("cpus", "decimal", "Number of CPUs", |t: &mut S, word| {
        number(&mut t.host.nano_cpus, value::cpus(word))
    }),
    Flag::value(
        "cpuset-cpus",
        "string",
        "CPUs in which to allow execution (0-3, 0,1)",
        |t: &mut S, word| text(&mut t.host.cpuset_cpus, word),
    ),
    Flag::value(
        "cpuset-mems",
        "string",
        "MEMs in which to allow execution (0-3, 0,1)",
        |t: &mut S, word| text(&mut t.host.cpuset_mems, word),
    ),
    Flag::value("kernel-memory", "bytes", "Kernel memory limit", |_, word| {
        value::size(word).map(drop)
    }),
    Flag::value("memory", "bytes", "Memory limit", |t: &mut S, word| {
        number(&mut t.host.memory, value::size(word))
    })
    .short('m'),
    Flag::value(
        "memory-reservation",
        "bytes",
        "Memory soft limit",
        |t: &mut S, word| {
            number(&mut t.host.memory_reservation, value::size(word))
        },
    ),
    Flag::value(
        "memory-swap",
        "bytes",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        |t: &mut S, word| {
            number(&mut t.host.memory_swap, value::size_or_unlimited(word))
        },
    ),
    Flag::value(
        "pids-limit",
        "int",
        "Tune container pids limit (set -1 for unlimited)",
        |t: &mut S, word| {
            t.pids_limit = Some(value::integer(word)?);
            Ok(())
        },
    ),
];
