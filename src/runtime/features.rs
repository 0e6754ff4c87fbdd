//! Which newer kernel features may be used: the one table of what is
//! needed from where, and what is done without it.
//!
//! A feature that is allowed is tried; a kernel that answers ENOSYS,
//! EINVAL or (in a filtered environment) EPERM to it gets the fallback.
//! Forbidding a feature takes the fallback at once, which is how the tests
//! run the ways of old kernels on a new one.

use std::ops::BitOr;

use crate::sys::process;

/// One feature of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    bit: u32,
    /// Its name in [`Features::ENVIRONMENT`].
    pub name: &'static str,
    /// The first kernel that has it.
    pub since: &'static str,
    /// What is done without it.
    pub fallback: &'static str,
}

/// A set of features that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u32);

macro_rules! features {
    ($($id:ident $bit:literal $name:literal $since:literal
       $fallback:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`, Linux ", $since)]
            #[doc = concat!("; else ", $fallback, ".")]
            pub const $id: Feature = Feature {
                bit: 1 << $bit,
                name: $name,
                since: $since,
                fallback: $fallback,
            };
        )*
        /// All features.
        pub const TABLE: &[Feature] = &[$($id),*];
    };
}

features! {
    CLONE3 0 "clone3" "5.3" "clone(2), then pidfd_open(2)";
    CLONE_INTO_CGROUP 1 "clone-into-cgroup" "5.7"
        "the init is moved into its cgroup";
    MOUNT_API 2 "mount-api" "5.2" "mount(2)";
    LOWERDIR_PLUS 3 "lowerdir-plus" "6.7"
        "mount(2) with relative paths";
    MOUNT_SETATTR 4 "mount-setattr" "5.12"
        "remounts, not recursively; a copy of the program in memory";
    OPENAT2 5 "openat2" "5.6" "a walk that follows links by itself";
    CLOSE_RANGE 6 "close-range" "5.9" "a walk over /proc/self/fd";
    OVERLAY_VOLATILE 7 "overlay-volatile" "5.10" "a mount that syncs";
    PIDFD 9 "pidfd" "5.3" "signalfd(2) for children, kill(2)";
    CGROUP_KILL 8 "cgroup-kill" "5.14" "a loop over cgroup.procs";
}

impl Features {
    /// The environment variable that forbids features, by their names with
    /// commas between them, or `all`.
    pub const ENVIRONMENT: &'static str = "SKIFF_WITHOUT";

    /// Allows all.
    pub fn all() -> Features {
        TABLE.iter().fold(Features(0), |set, f| Features(set.0 | f.bit))
    }

    /// Allows none: the ways of Linux 4.19.
    pub fn none() -> Features {
        Features(0)
    }

    /// Allows all but those that the environment forbids, and what this
    /// kernel would complain of in its log when it is tried.
    pub fn from_env() -> Features {
        let mut set = match std::env::var(Features::ENVIRONMENT) {
            Ok(names) => Features::without(&names),
            Err(_) => Features::all(),
        };
        if !is_since(&process::kernel_release(), LOWERDIR_PLUS.since) {
            set.0 &= !LOWERDIR_PLUS.bit;
        }
        set
    }

    /// Allows all but the named ones.
    pub fn without(names: &str) -> Features {
        let mut set = Features::all();
        for name in names.split(',').map(str::trim) {
            for feature in TABLE {
                if name == "all" || name == feature.name {
                    set.0 &= !feature.bit;
                }
            }
        }
        set
    }

    /// Whether a feature may be tried.
    pub fn allow(self, feature: Feature) -> bool {
        self.0 & feature.bit != 0
    }
}

impl BitOr<Feature> for Features {
    type Output = Features;

    fn bitor(self, feature: Feature) -> Features {
        Features(self.0 | feature.bit)
    }
}

/// Whether a kernel release (`6.1.0-56-cloud-amd64`) is at least a version
/// (`6.7`).
fn is_since(release: &str, version: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit())
            .map_while(|word| word.parse().ok())
            .take(2)
            .collect()
    };
    numbers(release) >= numbers(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_forbidden_by_name() {
        let set = Features::without("openat2, mount-api");
        assert!(!set.allow(OPENAT2) && !set.allow(MOUNT_API));
        assert!(set.allow(CLONE3));
        assert_eq!(Features::without("all"), Features::none());
        assert_eq!(Features::without(""), Features::all());
    }

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert!(!is_since("6.1.0-56-cloud-amd64", "6.7"));
        assert!(is_since("6.18.44-x", "6.7"));
        assert!(is_since("10.0", "6.7"));
        assert!(!is_since("5.15", "6.7"));
        assert!(!is_since("", "6.7"));
    }

    #[test]
    fn each_feature_has_its_own_bit() {
        let mut seen = 0;
        for feature in TABLE {
            assert_eq!(seen & feature.bit, 0, "{}", feature.name);
            seen |= feature.bit;
        }
    }
}
