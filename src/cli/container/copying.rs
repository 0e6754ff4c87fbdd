//! What a copy is called where it arrives: the rules of `docker cp` for
//! slashes at the end, `/.`, links and targets that are not there.
//!
//! A path keeps what stood at its end, because that says what is wanted:
//! `d/` is a directory, `d/.` is what is in it.

use std::fs;
use std::io;

use super::output::reason;
use crate::cli::error::Error;

/// One end of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Where it is.
    pub path: String,
    /// Whether anything is there.
    pub exists: bool,
    /// Whether that is a directory.
    pub is_dir: bool,
    /// What a source is called instead of its path's last name.
    pub rename: String,
}

/// Where an archive is unpacked, and what its top is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The directory.
    pub directory: String,
    /// The name in the archive, and the one that is wanted.
    pub names: (String, String),
}

/// How many links of links are followed.
const MOST_LINKS: usize = 10;

/// Plans a copy.
pub fn land(source: &End, target: &End) -> Result<Landing, Error> {
    let (directory, name) = split(&target.path);
    let (_, base) = split(&source.path);
    let shown = match source.rename.as_str() {
        "" => base.clone(),
        rename => rename.to_owned(),
    };
    match (target.exists, source.is_dir) {
        (true, _) if target.is_dir => {
            Ok(Landing { directory: target.path.clone(), names: (base, shown) })
        }
        (true, true) => Err(Error::text("cannot copy directory")),
        (false, false) if asserts_directory(&target.path) => {
            Err(Error::text("no such directory"))
        }
        _ => Ok(Landing { directory, names: (base, name) }),
    }
}

/// Splits `CONTAINER:PATH`; a path that begins with a slash or a dot has no
/// container in front.
pub fn split_word(word: &str) -> (&str, &str) {
    match word.split_once(':') {
        Some((container, path)) if !word.starts_with(['/', '.']) => {
            (container, path)
        }
        _ => ("", word),
    }
}

/// Makes a path of the host absolute and clean, but for what its end says.
pub fn absolute(path: &str) -> Result<String, Error> {
    let full = match path.starts_with('/') {
        true => path.to_owned(),
        false => {
            let here = std::env::current_dir()
                .map_err(|e| Error::text(format!("getwd: {}", reason(&e))))?;
            format!("{}/{path}", here.display())
        }
    };
    Ok(keep_end(clean(&full), path))
}

/// Removes `.`, `..` and double slashes, by the text alone.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => match names.last() {
                Some(&last) if last != ".." => {
                    names.pop();
                }
                _ if rooted => {}
                _ => names.push(".."),
            },
            name => names.push(name),
        }
    }
    let joined = names.join("/");
    match rooted {
        true => format!("/{joined}"),
        false if joined.is_empty() => ".".to_owned(),
        false => joined,
    }
}

/// Puts the end of a path as typed at the end of a clean one.
fn keep_end(mut clean: String, typed: &str) -> String {
    if !is_inside(&clean) && is_inside(typed) {
        if !clean.ends_with('/') {
            clean.push('/');
        }
        clean.push('.');
    }
    if !clean.ends_with('/') && typed.ends_with('/') {
        clean.push('/');
    }
    clean
}

/// Tells whether a path means what is in a directory: `.`, `d/.`.
fn is_inside(path: &str) -> bool {
    base(path) == "."
}

fn asserts_directory(path: &str) -> bool {
    path.ends_with('/') || is_inside(path)
}

/// The last name of a path.
fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") if path.is_empty() => ".",
        Some("") | None => "/",
        Some(name) => name,
    }
}

/// Splits a path into the directory and the name there; `d/.` gives `d` and
/// `.`.
pub fn split(path: &str) -> (String, String) {
    let clean = clean(path);
    if is_inside(path) {
        return (clean, ".".to_owned());
    }
    let name = base(&clean).to_owned();
    let above = match clean.rfind('/') {
        Some(0) => "/".to_owned(),
        Some(at) => clean[..at].to_owned(),
        None => ".".to_owned(),
    };
    (above, name)
}

/// Tells where a link leads that stands at `path`.
pub fn follow(path: &str, link: &str) -> String {
    match link.starts_with('/') {
        true => link.to_owned(),
        false => clean(&format!("{}/{link}", split(path).0)),
    }
}

/// Gives a followed path the end of the one that was typed, and tells what
/// the copy is called if the names differ.
pub fn renamed(typed: &str, resolved: String) -> (String, String) {
    let resolved = keep_end(resolved, typed);
    let rename = match base(typed) == base(&resolved) {
        true => String::new(),
        false => base(typed).to_owned(),
    };
    (resolved, rename)
}

/// Looks at a source on the host.
pub fn source(path: &str, follows: bool) -> Result<End, Error> {
    let (resolved, rename) = if follows {
        renamed(path, real(path)?)
    } else {
        let at = path.rfind('/').map_or(0, |at| at + 1);
        let above = real(&path[..at])?;
        let above = above.trim_end_matches('/');
        let resolved = format!("{above}/{}", &path[at..]);
        match path.ends_with('/') && base(path) != base(&resolved) {
            true => (resolved, base(path).to_owned()),
            false => (resolved, String::new()),
        }
    };
    let data = fs::symlink_metadata(&resolved)
        .map_err(|e| failed("lstat", &resolved, &e))?;
    let is_dir = data.is_dir();
    Ok(End { path: resolved, exists: true, is_dir, rename })
}

/// Looks at a target on the host; links that it is lead on.
pub fn target(path: &str) -> Result<End, Error> {
    let mut at = path.to_owned();
    for _ in 0..=MOST_LINKS {
        let data = match fs::symlink_metadata(&at) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = split(&at).0;
                let data = fs::metadata(&above)
                    .map_err(|e| failed("stat", &above, &e))?;
                return match data.is_dir() {
                    true => Ok(End { path: at, ..End::default() }),
                    false => Err(Error::text("not a directory")),
                };
            }
            Err(error) => return Err(failed("lstat", &at, &error)),
        };
        if !data.is_symlink() {
            let (path, is_dir) = (at, data.is_dir());
            return Ok(End { path, exists: true, is_dir, ..End::default() });
        }
        let link =
            fs::read_link(&at).map_err(|e| failed("readlink", &at, &e))?;
        at = follow(&at, &link.to_string_lossy());
    }
    Err(Error::text(format!("too many symlinks in {path}")))
}

/// Follows all links of a path. What is told to be missing is the first name
/// of it that is.
fn real(path: &str) -> Result<String, Error> {
    let error = match fs::canonicalize(path) {
        Ok(real) => return Ok(real.to_string_lossy().into_owned()),
        Err(error) => error,
    };
    if error.kind() == io::ErrorKind::NotADirectory {
        return Err(Error::text(reason(&error)));
    }
    let path = path.trim_end_matches('/');
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    let missing = ends
        .map(|at| &path[..at])
        .find(|above| fs::symlink_metadata(above).is_err());
    Err(failed("lstat", missing.unwrap_or(path), &error))
}

fn failed(call: &str, path: &str, error: &io::Error) -> Error {
    Error::text(format!("{call} {path}: {}", reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_from_paths() {
        for (word, container, path) in [
            ("web:/etc", "web", "/etc"),
            ("web:", "web", ""),
            ("/a:b", "", "/a:b"),
            ("./a:b", "", "./a:b"),
            ("a", "", "a"),
            ("-", "", "-"),
        ] {
            assert_eq!(split_word(word), (container, path), "{word}");
        }
    }

    #[test]
    fn paths_keep_what_their_end_says() {
        for (path, wanted) in [
            ("/a/../b", "/b"),
            ("/a//b/", "/a/b/"),
            ("/a/.", "/a/."),
            ("/..", "/"),
            ("/", "/"),
            ("/.", "/."),
        ] {
            assert_eq!(absolute(path).unwrap(), wanted, "{path}");
        }
        for (path, above, name) in [
            ("/a/b", "/a", "b"),
            ("/a/b/", "/a", "b"),
            ("/a/b/.", "/a/b", "."),
            ("/a", "/", "a"),
            ("/", "/", "/"),
            ("a", ".", "a"),
        ] {
            assert_eq!(split(path), (above.into(), name.into()), "{path}");
        }
        assert_eq!(follow("/a/l", "../b"), "/b");
        assert_eq!(follow("/a/l", "/b"), "/b");
        let (path, name) = renamed("/a/l/.", "/b".into());
        assert_eq!((path.as_str(), name.as_str()), ("/b/.", ""));
        let (path, name) = renamed("/a/l", "/b".into());
        assert_eq!((path.as_str(), name.as_str()), ("/b", "l"));
    }

    #[test]
    fn a_copy_lands_where_docker_puts_it() {
        let end = |path: &str, kind: &str| End {
            path: path.into(),
            exists: kind != "none",
            is_dir: kind == "dir",
            rename: String::new(),
        };
        for (source, target, wanted) in [
            (("/f", "file"), ("/d", "dir"), Ok(("/d", "f", "f"))),
            (("/f", "file"), ("/d/g", "file"), Ok(("/d", "f", "g"))),
            (("/f", "file"), ("/d/g", "none"), Ok(("/d", "f", "g"))),
            (("/f", "file"), ("/d/g/", "none"), Err("no such directory")),
            (("/s", "dir"), ("/d", "dir"), Ok(("/d", "s", "s"))),
            (("/s/.", "dir"), ("/d", "dir"), Ok(("/d", ".", "."))),
            (("/s/.", "dir"), ("/d/n", "none"), Ok(("/d", ".", "n"))),
            (("/s", "dir"), ("/d/n/", "none"), Ok(("/d", "s", "n"))),
            (("/s", "dir"), ("/d/g", "file"), Err("cannot copy directory")),
        ] {
            let landed =
                land(&end(source.0, source.1), &end(target.0, target.1));
            let landed = landed.map_err(|error| error.to_string());
            let wanted = wanted.map_err(str::to_owned).map(|(d, a, b)| {
                let names = (a.into(), b.into());
                Landing { directory: d.into(), names }
            });
            assert_eq!(landed, wanted, "{source:?} {target:?}");
        }
    }
}
