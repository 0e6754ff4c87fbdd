//! The init's cgroup: joining it, and the container's view of it at
//! `/sys/fs/cgroup`.

use std::os::fd::{AsFd, BorrowedFd};

use super::place::{How, Source};
use super::{Init, failed};
use crate::runtime::cgroup::Kind;
use crate::runtime::channel::{Message, Received};
use crate::runtime::error::{Result, StartError};
use crate::runtime::exec::join_group;
use crate::runtime::plan::Planned;
use crate::sys::fs::{self, OFlags};
use crate::sys::mount::Flags;
use crate::sys::process::{self, Namespaces};

impl Init<'_> {
    /// Waits until the caller has made the group, and joins it.
    pub(super) fn join_cgroup(&mut self, namespace: bool) -> Result<()> {
        // In v2 it was made before this process.
        if self.group.kind() != Kind::V2 {
            match self.channel.receive() {
                Ok(Received::Message(Message::Cgroup, _)) => (),
                _ => return Err(StartError::init("the caller is gone")),
            }
        }
        if self.joins {
            join_group(self.group)?;
        }
        if namespace && self.group.kind() != Kind::None {
            process::unshare(Namespaces::CGROUP)
                .map_err(failed("unshare cgroup namespace"))?;
        }
        Ok(())
    }

    /// Mounts the container's view of the cgroups.
    pub(super) fn mount_cgroups(
        &mut self,
        planned: &Planned,
        target: BorrowedFd<'_>,
    ) -> Result<()> {
        match self.group.kind() {
            Kind::None => Ok(()),
            Kind::V2 => {
                let flags = planned.options.set;
                let mounted = self.new_file_system(
                    c"cgroup2",
                    &[],
                    flags,
                    target,
                    &planned.target,
                );
                match mounted {
                    Ok(_) => Ok(()),
                    // Without a namespace of its own in a nested one.
                    Err(_) => {
                        let dir = self.group.v2_dir().unwrap_or_default();
                        self.bind(Source::Path(&dir), target, How::one(flags))
                            .map_err(failed("mount cgroup2"))
                    }
                }
            }
            Kind::V1 | Kind::Hybrid => self.mount_cgroups_v1(planned, target),
        }
    }

    /// A tmpfs with a directory for each hierarchy, on which the
    /// container's own group is bound.
    fn mount_cgroups_v1(
        &mut self,
        planned: &Planned,
        target: BorrowedFd<'_>,
    ) -> Result<()> {
        let flags = planned.options.set;
        let top = self
            .new_file_system(
                c"tmpfs",
                &[("mode".into(), Some("755".into()))],
                flags.without(Flags::READ_ONLY),
                target,
                &planned.target,
            )
            .map_err(failed("mount cgroup"))?;
        for (hierarchy, dir) in self.group.v1_dirs() {
            let name = hierarchy.dir().file_name().unwrap_or_default();
            let words = || format!("mount cgroup {}", name.display());
            fs::mkdir_at(&top, name, 0o755).map_err(failed(words()))?;
            let target = fs::open_at(&top, name, OFlags::PATH, 0)
                .map_err(failed(words()))?;
            let (source, how) = (Source::Path(&dir), How::one(flags));
            self.bind(source, target.as_fd(), how).map_err(failed(words()))?;
            // cpu → cpu,cpuacct
            if hierarchy.controllers().len() > 1 {
                for controller in hierarchy.controllers() {
                    fs::symlink_at(name, &top, controller)
                        .map_err(failed(words()))?;
                }
            }
        }
        if flags.has(Flags::READ_ONLY) {
            self.set_flags(top.as_fd(), How::one(flags))
                .map_err(failed("remount cgroup"))?;
        }
        Ok(())
    }
}
