//! The short forms: `Binds`, `VolumesFrom`, and the paths of `Volumes`.

use super::{Copy, MODES, Point, check_destination, clean, is_absolute};
use crate::api::inspect::MountPoint;
use crate::engine::{Error, Result};

/// What the words of a mode say.
#[derive(Debug, PartialEq)]
pub struct Mode<'a> {
    /// Whether it can be written.
    pub rw: bool,
    /// How mounts travel, if it says so.
    pub propagation: Option<&'a str>,
    /// Whether an empty volume is filled.
    pub copy: Copy,
}

/// Reads `ro,z,rslave`; `None` if a word is unknown, or if two of them
/// are of one kind.
pub fn mode(text: &str) -> Option<Mode<'_>> {
    let mut mode = Mode { rw: true, propagation: None, copy: Copy::Yes };
    let mut counts = [0; 5];
    for word in text.split(',').filter(|_| !text.is_empty()) {
        let kind = match word {
            "ro" | "rw" => {
                mode.rw = word == "rw";
                0
            }
            "z" | "Z" => 1,
            "nocopy" => {
                mode.copy = Copy::No;
                2
            }
            "consistent" | "cached" | "delegated" | "default" => 3,
            word if MODES.contains(&word) => {
                mode.propagation = Some(word);
                4
            }
            _ => return None,
        };
        counts[kind] += 1;
    }
    counts.iter().all(|count| *count < 2).then_some(mode)
}

fn bad_spec(text: &str) -> Error {
    Error::Invalid(format!("invalid volume specification: '{text}'"))
}

fn bad_mode(mode: &str) -> Error {
    Error::Invalid(format!("invalid mode: {mode}"))
}

/// Reads `[source:]destination[:mode]`. A source that is no absolute path
/// names a volume.
pub fn bind(text: &str) -> Result<Point> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, word) = match parts[..] {
        [destination] => ("", destination, ""),
        // Docker refuses a volume without a name that has a mode.
        [source, word] if mode(word).is_none() => (source, word, ""),
        [source, destination, mode] => (source, destination, mode),
        _ => return Err(bad_spec(text)),
    };
    if parts[0].is_empty() || destination.is_empty() {
        return Err(bad_spec(text));
    }
    let mode = mode(word).ok_or_else(|| bad_mode(word))?;
    let is_bind = is_absolute(source);
    let wrong = |reason: String| {
        let kind = if is_bind { "bind" } else { "volume" };
        Error::Invalid(format!(
            "invalid volume specification: '{text}': invalid mount config \
             for type \"{kind}\": {reason}"
        ))
    };
    check_destination(destination).map_err(&wrong)?;
    // A mode is read into the options of a kind.
    let other = match is_bind {
        true => (mode.copy == Copy::No).then_some("VolumeOptions"),
        false => mode.propagation.map(|_| "BindOptions"),
    };
    if let Some(name) = other {
        return Err(wrong(format!("field {name} must not be specified")));
    }
    let mut shown = MountPoint {
        destination: clean(destination),
        mode: word.into(),
        rw: mode.rw,
        ..MountPoint::default()
    };
    if is_bind {
        shown.kind = "bind".into();
        shown.source = clean(source);
        shown.propagation = mode.propagation.unwrap_or("rprivate").into();
        return Ok(Point { shown, long: None, copy: Copy::No });
    }
    if source.is_empty() && !mode.rw {
        return Err(wrong(
            "must not set ReadOnly mode when using anonymous volumes".into(),
        ));
    }
    shown.kind = "volume".into();
    shown.name = source.into();
    if shown.mode.is_empty() {
        shown.mode = "z".into();
    }
    Ok(Point { shown, long: None, copy: mode.copy })
}

/// Reads a path of `Volumes`: a volume of the container's own.
pub fn volume(path: &str) -> Result<Point> {
    check_destination(path).map_err(|reason| {
        Error::Invalid(format!(
            "invalid volume specification: '{path}': invalid mount config \
             for type \"volume\": {reason}"
        ))
    })?;
    let shown = MountPoint {
        kind: "volume".into(),
        destination: clean(path),
        rw: true,
        ..MountPoint::default()
    };
    Ok(Point { shown, long: None, copy: Copy::Yes })
}

/// Reads `container[:mode]`: whose mounts, and whether they can be
/// written.
pub fn volumes_from(text: &str) -> Result<(&str, bool)> {
    let (container, word) = text.split_once(':').unwrap_or((text, "rw"));
    if container.is_empty() {
        return Err(Error::Invalid(
            "volumes-from specification cannot be an empty string".into(),
        ));
    }
    match mode(word) {
        Some(Mode { rw, propagation: None, .. }) => Ok((container, rw)),
        _ => Err(bad_mode(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> MountPoint {
        bind(text).unwrap().shown
    }

    #[test]
    fn binds_are_read_with_their_modes() {
        let point = shown("/a//b/../c:/d/:ro,rslave");
        assert_eq!((&*point.source, &*point.destination), ("/a/c", "/d"));
        assert_eq!(
            (&*point.mode, &*point.propagation),
            ("ro,rslave", "rslave")
        );
        assert!(!point.rw && shown("/a:/b").rw);
        assert_eq!(shown("/a:/b").propagation, "rprivate");
    }

    #[test]
    fn what_is_no_path_names_a_volume() {
        let point = shown("data:/d");
        assert_eq!((&*point.kind, &*point.name), ("volume", "data"));
        assert_eq!((&*point.mode, &*point.propagation), ("z", ""));
        assert_eq!(bind("data:/d").unwrap().copy, Copy::Yes);
        let point = bind("data:/d:ro,nocopy").unwrap();
        assert_eq!((&*point.shown.mode, point.shown.rw), ("ro,nocopy", false));
        assert_eq!(point.copy, Copy::No);
        let own = shown("/d");
        assert_eq!((&*own.kind, &*own.name, own.rw), ("volume", "", true));
    }

    #[test]
    fn bad_binds_are_refused_in_dockers_words() {
        for text in ["", ":", "/a:", ":/b", "/a:/b:ro:x", "/a:ro", "a:rw"] {
            let error = bind(text).unwrap_err().to_string();
            let words = format!("invalid volume specification: '{text}'");
            assert_eq!(error, words);
        }
        for (text, words) in [
            ("/a:/b:quick", "invalid mode: quick"),
            ("/a:/b:ro,rw", "invalid mode: ro,rw"),
            (
                "/a:/",
                "invalid volume specification: '/a:/': invalid mount config \
                 for type \"bind\": invalid specification: destination \
                 can't be '/'",
            ),
            (
                "data:/b:rslave",
                "invalid volume specification: 'data:/b:rslave': invalid \
                 mount config for type \"volume\": field BindOptions must \
                 not be specified",
            ),
            (
                "/a:/b:nocopy",
                "invalid volume specification: '/a:/b:nocopy': invalid mount \
                 config for type \"bind\": field VolumeOptions must not be \
                 specified",
            ),
            (
                "data:b",
                "invalid volume specification: 'data:b': invalid mount \
                 config for type \"volume\": invalid mount path: 'b' mount \
                 path must be absolute",
            ),
        ] {
            assert_eq!(bind(text).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn other_containers_are_named_with_a_mode() {
        assert_eq!(volumes_from("web"), Ok(("web", true)));
        assert_eq!(volumes_from("web:ro"), Ok(("web", false)));
        assert_eq!(volumes_from("web:z,nocopy"), Ok(("web", true)));
        for bad in ["", ":ro", "web:quick", "web:rslave"] {
            assert!(volumes_from(bad).is_err(), "{bad}");
        }
    }
}
