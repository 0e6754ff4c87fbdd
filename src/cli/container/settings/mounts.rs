//! `--mount` and `-v`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::api::container::Empty;
use crate::api::host_config::{
    BindOptions, ImageOptions, Mount, TmpfsOptions, VolumeOptions,
};
use crate::cli::value;

/// Reads `type=bind,source=/a,target=/b,…`.
pub fn parse(word: &str) -> Result<Mount, String> {
    let mut mount = Mount { kind: "volume".to_owned(), ..Mount::default() };
    let mut bind = BindOptions::default();
    let mut tmpfs = TmpfsOptions::default();
    let mut volume = VolumeOptions::default();
    let mut image = ImageOptions::default();
    for field in word.split(',') {
        let (name, given) = match field.split_once('=') {
            Some((name, given)) => (name, Some(given)),
            None => (field, None),
        };
        let name = name.to_lowercase();
        let switch = || {
            value::boolean(given.unwrap_or("true")).map_err(|_| {
                let given = given.unwrap_or_default();
                format!("invalid value for {name}: {given}")
            })
        };
        match name.as_str() {
            "readonly" | "ro" => {
                mount.read_only = switch()?;
                continue;
            }
            "volume-nocopy" => {
                volume.no_copy = switch()?;
                continue;
            }
            "bind-nonrecursive" => {
                bind.non_recursive = switch()?;
                continue;
            }
            _ => {}
        }
        let Some(given) = given else {
            return Err(format!(
                "invalid field '{field}' must be a key=value pair"
            ));
        };
        let pair = || {
            let (name, value) = given.split_once('=').unwrap_or((given, ""));
            (name.to_owned(), value.to_owned())
        };
        match name.as_str() {
            "type" => mount.kind = given.to_lowercase(),
            "source" | "src" => {
                mount.source = match given.starts_with('.') {
                    true => absolute(given),
                    false => given.to_owned(),
                };
            }
            "target" | "dst" | "destination" => mount.target = given.to_owned(),
            "consistency" => mount.consistency = given.to_lowercase(),
            "bind-propagation" => bind.propagation = given.to_lowercase(),
            "bind-recursive" => match given {
                "enabled" => {}
                "disabled" => bind.non_recursive = true,
                "writable" => bind.read_only_non_recursive = true,
                "readonly" => bind.read_only_force_recursive = true,
                _ => {
                    return Err(format!(
                        "invalid value for {name}: {given} (must be \
                         \"enabled\", \"disabled\", \"writable\", or \
                         \"readonly\")"
                    ));
                }
            },
            "volume-label" => {
                volume.labels.get_or_insert_default().extend([pair()]);
            }
            "volume-subpath" => given.clone_into(&mut volume.subpath),
            "volume-driver" => {
                let config = volume.driver_config.get_or_insert_default();
                given.clone_into(&mut config.name);
            }
            "volume-opt" => {
                let config = volume.driver_config.get_or_insert_default();
                config.options.get_or_insert_default().extend([pair()]);
            }
            "image-subpath" => given.clone_into(&mut image.subpath),
            "tmpfs-size" => {
                tmpfs.size_bytes = value::size(given).map_err(|_| {
                    format!("invalid value for {name}: {given}")
                })?;
            }
            "tmpfs-mode" => {
                tmpfs.mode = u32::from_str_radix(given, 8).map_err(|_| {
                    format!("invalid value for {name}: {given}")
                })?;
            }
            _ => return Err(format!("unexpected key '{name}' in '{field}'")),
        }
    }
    if mount.kind.is_empty() {
        return Err("type is required".to_owned());
    }
    if mount.target.is_empty() {
        return Err("target is required".to_owned());
    }
    let is_wrong = |kind: &str, used: bool| used && mount.kind != kind;
    for (kind, used) in [
        ("bind", bind != BindOptions::default()),
        ("tmpfs", tmpfs != TmpfsOptions::default()),
        ("volume", volume != VolumeOptions::default()),
        ("image", image != ImageOptions::default()),
    ] {
        if is_wrong(kind, used) {
            return Err(format!(
                "cannot mix '{kind}-*' options with mount type '{}'",
                mount.kind
            ));
        }
    }
    mount.bind_options = (bind != BindOptions::default()).then_some(bind);
    mount.tmpfs_options = (tmpfs != TmpfsOptions::default()).then_some(tmpfs);
    mount.volume_options =
        (volume != VolumeOptions::default()).then_some(volume);
    mount.image_options = (image != ImageOptions::default()).then_some(image);
    Ok(mount)
}

/// Sorts `-v` words: those with a source are binds, the others volumes of
/// the container itself.
pub fn volumes(
    words: &[String],
) -> (Option<Vec<String>>, BTreeMap<String, Empty>) {
    let (mut binds, mut own) = (Vec::new(), BTreeMap::new());
    for word in words {
        match word.split_once(':') {
            Some((source, rest)) if !source.is_empty() => {
                binds.push(match source.starts_with('.') {
                    true => format!("{}:{rest}", absolute(source)),
                    false => word.clone(),
                });
            }
            Some(("", path)) => drop(own.insert(path.to_owned(), Empty {})),
            _ => drop(own.insert(word.clone(), Empty {})),
        }
    }
    ((!binds.is_empty()).then_some(binds), own)
}

/// Refuses a `-v` word in the words of Docker's client.
pub fn check_volume(word: &str) -> Result<(), String> {
    let reason = match word {
        "" => return Err("invalid empty volume spec".to_owned()),
        // Left to the daemon, as Docker's client does.
        word if word.len() < 3 => return Ok(()),
        word if word.split(':').any(str::is_empty) => {
            "empty section between colons"
        }
        word if word.split(':').count() > 3 => "too many colons",
        _ => return Ok(()),
    };
    Err(format!("invalid spec: {word}: {reason}"))
}

/// Makes a path absolute without looking at the file system.
fn absolute(path: &str) -> String {
    let Ok(here) = std::env::current_dir() else { return path.to_owned() };
    let mut out = here;
    for part in Path::new(path).components() {
        match part {
            std::path::Component::ParentDir => drop(out.pop()),
            std::path::Component::Normal(part) => out.push(part),
            _ => {}
        }
    }
    out.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_words_are_checked_as_docker_does() {
        for good in ["/a", "/a:/b", "/a:/b:ro,z", ":", "name:/b"] {
            assert_eq!(check_volume(good), Ok(()));
        }
        for (bad, words) in [
            ("", "invalid empty volume spec"),
            ("/a:/b:ro:x", "invalid spec: /a:/b:ro:x: too many colons"),
            ("/a::ro", "invalid spec: /a::ro: empty section between colons"),
            (":/b", "invalid spec: :/b: empty section between colons"),
        ] {
            assert_eq!(check_volume(bad).unwrap_err(), words);
        }
    }

    #[test]
    fn volumes_with_a_source_are_binds() {
        let words = ["/a:/b:ro", "data:/d", "/own", "./x:/y", "../x:/z"];
        let words: Vec<String> = words.map(str::to_owned).into();
        let (binds, own) = volumes(&words);
        let here = std::env::current_dir().unwrap();
        let up = here.parent().unwrap().join("x");
        assert_eq!(
            binds.unwrap(),
            [
                "/a:/b:ro".to_owned(),
                "data:/d".to_owned(),
                format!("{}/x:/y", here.display()),
                format!("{}:/z", up.display()),
            ]
        );
        assert_eq!(own.into_keys().collect::<Vec<_>>(), ["/own"]);
    }

    #[test]
    fn mounts_become_the_apis_objects() {
        let json = |word: &str| {
            parse(word).map(|mount| serde_json::to_string(&mount).unwrap())
        };
        assert_eq!(
            json("type=bind,src=/a,dst=/b,ro,bind-propagation=rslave").unwrap(),
            "{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\
             \"ReadOnly\":true,\"BindOptions\":{\"Propagation\":\"rslave\"}}"
        );
        assert_eq!(
            json("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700").unwrap(),
            "{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":\
             {\"SizeBytes\":1048576,\"Mode\":448}}"
        );
        let error = |word: &str| parse(word).unwrap_err();
        assert_eq!(
            error("foo"),
            "invalid field 'foo' must be a key=value pair"
        );
        assert_eq!(error("type=bind,source=/x"), "target is required");
        assert_eq!(
            error("target=/x,tmpfs-mode=700"),
            "cannot mix 'tmpfs-*' options with mount type 'volume'"
        );
    }
}
