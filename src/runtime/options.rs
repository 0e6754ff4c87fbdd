//! Mount options as typed (`nosuid,size=64m,rslave`), read into flags, the
//! file system's own parameters, reach and propagation.

use super::spec::{Mount, Propagation};
use crate::sys::mount::{Flags, Reach};

/// What the options of one mount say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Flags to be set.
    pub set: Flags,
    /// Flags to be cleared, on a bind.
    pub clear: Flags,
    /// The file system's own parameters, in order.
    pub data: Vec<(String, Option<String>)>,
    /// For a bind: with the mounts beneath or without.
    pub reach: Reach,
    /// For a read-only bind: whether the mounts beneath are too.
    pub read_only_reach: Reach,
    /// Whether it is an error if they cannot be.
    pub force: bool,
    /// How mounts travel.
    pub propagation: Propagation,
}

/// Reads the options of a mount.
pub fn parse(mount: &Mount) -> Options {
    let mut options = Options {
        set: Flags::default(),
        clear: Flags::default(),
        data: Vec::new(),
        reach: Reach::Tree,
        read_only_reach: Reach::Tree,
        force: false,
        propagation: mount.propagation,
    };
    if mount.readonly {
        options.set = Flags::READ_ONLY;
    }
    for word in mount.options.iter().flat_map(|text| text.split(',')) {
        options.word(word);
    }
    options
}

impl Options {
    fn word(&mut self, word: &str) {
        let set = |flag| (Some(flag), None);
        let clear = |flag| (None, Some(flag));
        let (on, off) = match word {
            "" | "defaults" | "async" | "relatime" => return,
            "ro" => set(Flags::READ_ONLY),
            "rw" => clear(Flags::READ_ONLY),
            "nosuid" => set(Flags::NO_SUID),
            "suid" => clear(Flags::NO_SUID),
            "nodev" => set(Flags::NO_DEV),
            "dev" => clear(Flags::NO_DEV),
            "noexec" => set(Flags::NO_EXEC),
            "exec" => clear(Flags::NO_EXEC),
            "noatime" => set(Flags::NO_ATIME),
            "atime" => clear(Flags::NO_ATIME),
            "strictatime" => set(Flags::STRICT_ATIME),
            "nodiratime" => set(Flags::NO_DIR_ATIME),
            "diratime" => clear(Flags::NO_DIR_ATIME),
            "rbind" => return self.reach = Reach::Tree,
            "bind" => return self.reach = Reach::One,
            "ro-nonrecursive" => return self.read_only_reach = Reach::One,
            "rro" => return self.force = true,
            "private" | "rprivate" => {
                return self.propagation = Propagation::Private;
            }
            "slave" | "rslave" => {
                return self.propagation = Propagation::Slave;
            }
            "shared" | "rshared" => {
                return self.propagation = Propagation::Shared;
            }
            other => {
                let (key, value) = match other.split_once('=') {
                    Some((key, value)) => (key, Some(value.to_string())),
                    None => (other, None),
                };
                return self.data.push((key.to_string(), value));
            }
        };
        // The last word counts.
        if let Some(flag) = on {
            self.set = self.set | flag;
            self.clear = self.clear.without(flag);
        }
        if let Some(flag) = off {
            self.clear = self.clear | flag;
            self.set = self.set.without(flag);
        }
    }

    /// Whether a parameter is given.
    pub fn has(&self, key: &str) -> bool {
        self.data.iter().any(|(known, _)| known == key)
    }

    /// The parameters as one text, for mount(2).
    pub fn data_text(&self) -> String {
        let word = |(key, value): &(String, Option<String>)| match value {
            Some(value) => format!("{key}={value}"),
            None => key.clone(),
        };
        self.data.iter().map(word).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Options {
        parse(&Mount { options: vec![words.to_string()], ..Mount::default() })
    }

    #[test]
    fn words_are_told_from_parameters() {
        let options = read("nosuid,size=64m,noexec,mode=1777,huge");
        assert_eq!(options.set, Flags::NO_SUID | Flags::NO_EXEC);
        assert_eq!(options.data_text(), "size=64m,mode=1777,huge");
        assert!(options.has("mode") && !options.has("uid"));
    }

    #[test]
    fn the_last_word_counts() {
        assert_eq!(read("noexec,exec").set, Flags::default());
        assert_eq!(read("noexec,exec").clear, Flags::NO_EXEC);
        assert_eq!(read("exec,noexec").set, Flags::NO_EXEC);
        assert_eq!(read("rslave").propagation, Propagation::Slave);
        assert_eq!(read("bind").reach, Reach::One);
    }
}
