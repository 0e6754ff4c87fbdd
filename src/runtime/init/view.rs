//! The file system of a container that does not run, as the container would
//! see it: root and binds, mounted in a namespace that one thread has for
//! itself while it looks. Nothing of it is ever mounted on the host.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::Init;
use crate::runtime::cgroup::{Group, Layout};
use crate::runtime::channel::Channel;
use crate::runtime::error::{Result, StartError};
use crate::runtime::features::Features;
use crate::runtime::plan::{Planned, Step, view_plan};
use crate::runtime::spec::{MountKind, Spec};
use crate::sys::fs::OFlags;
use crate::sys::mount;
use crate::sys::process::{self, Namespaces};

/// Does some work with the root of a container that does not run and is
/// kept from running meanwhile. The root can be written to unless
/// `spec.root` is sealed. Sources of binds that are missing are passed over,
/// and in a sealed root also those without a place.
pub fn with_stopped<T: Send>(
    spec: &Spec,
    work: impl FnOnce(BorrowedFd<'_>) -> T + Send,
) -> Result<T> {
    let failed = |what: &str| StartError::plain(format!("view: {what}"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("view".into())
            .spawn_scoped(scope, || {
                let root = look(spec)?;
                Ok(work(root.as_fd()))
            })
            .map_err(|e| failed(&e.to_string()))?;
        thread.join().map_err(|_| failed("it has panicked"))?
    })
}

/// Opens the root of a running container, by its first process. It is for
/// the caller to see that the process is still the container's after that.
pub fn open_running(pid: i32) -> crate::sys::Result<OwnedFd> {
    mount::open_path(Path::new(&format!("/proc/{pid}/root")))
}

/// Mounts all in a namespace of this thread's own.
fn look(spec: &Spec) -> Result<OwnedFd> {
    process::unshare(Namespaces::MOUNT).map_err(super::failed("unshare"))?;
    let mut spec = spec.clone();
    spec.mounts.retain(|mount| {
        mount.kind == MountKind::Bind
            && mount.namespace.as_os_str().is_empty()
            && mount.source.exists()
    });
    let plan = view_plan(&spec);
    let group = Group::at(Layout::default(), "", &spec.id);
    let (channel, _other) =
        Channel::pair().map_err(super::failed("socketpair"))?;
    let mut init = Init {
        spec: &spec,
        plan: &plan,
        group: &group,
        joins: false,
        features: Features::from_env(),
        channel,
        root: None,
        sources: Vec::new(),
        pts: None,
        proc: None,
        console: None,
        hidden: None,
        joining: None,
    };
    for step in &plan.steps {
        match step {
            Step::Mount(planned) if spec.root.sealed => {
                if init.has_place(planned) {
                    init.carry_out(step)?;
                }
            }
            step => init.carry_out(step)?,
        }
    }
    let root = init.root.take();
    root.ok_or_else(|| StartError::init("the root is not mounted"))
}

impl Init<'_> {
    fn has_place(&self, planned: &Planned) -> bool {
        self.open_in_root(&planned.target, OFlags::PATH).is_ok()
    }
}
