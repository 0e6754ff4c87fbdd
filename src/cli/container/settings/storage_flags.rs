//! Flags about files: volumes, mounts, the root file system.

use super::{Settings, append, mounts, push, text};
use crate::cli::flag::Flag;

type S = Settings;

/// The flags.
pub const FLAGS: &[Flag<Settings>] = &[
    Flag::list(
        "mount",
        "mount",
        "Attach a filesystem mount to the container",
        |t: &mut S, word| {
            t.host.mounts.push(mounts::parse(word)?);
            Ok(())
        },
    ),
    Flag::switch(
        "read-only",
        "Mount the container's root filesystem as read only",
        |t: &mut S, on| t.host.readonly_rootfs = on,
    ),
    Flag::list(
        "storage-opt",
        "list",
        "Storage driver options for the container",
        |t: &mut S, word| push(&mut t.storage_opts, word),
    ),
    Flag::list("tmpfs", "list", "Mount a tmpfs directory", |t, word| {
        let t: &mut S = t;
        let (path, options) = word.split_once(':').unwrap_or((word, ""));
        t.host.tmpfs.insert(path.to_owned(), options.to_owned());
        Ok(())
    }),
    Flag::list("volume", "list", "Bind mount a volume", |t: &mut S, word| {
        push(&mut t.volumes, word)
    })
    .short('v'),
    Flag::value(
        "volume-driver",
        "string",
        "Optional volume driver for the container",
        |t: &mut S, word| text(&mut t.host.volume_driver, word),
    ),
    Flag::list(
        "volumes-from",
        "list",
        "Mount volumes from the specified container(s)",
        |t: &mut S, word| append(&mut t.host.volumes_from, word),
    ),
];
