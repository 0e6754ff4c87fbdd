//! The names of an archive: made clean, refused when they climb out, and
//! told apart from whiteouts (OCI image specification, "Whiteouts").

/// Cleans a name as Go's `filepath.Clean` does and returns it relative to
/// the archive's directory; empty for the directory itself. `None` if it
/// climbs out. An absolute name is taken beneath the directory, and its
/// `..` end there.
pub fn clean(name: &[u8]) -> Option<Vec<u8>> {
    let absolute = name.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if parts.pop().is_none() && !absolute {
                    return None;
                }
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// Splits a clean name into its parent and its last component.
pub fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}

/// What the last component of a layer's entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// An entry like any other.
    None,
    /// `.wh.NAME`: the lower layers' NAME is gone.
    Hides(&'a [u8]),
    /// `.wh..wh..opq`: nothing of the lower layers shows in this directory.
    Opaque,
    /// Other `.wh..wh.*`: aufs' own files, without a meaning here.
    Meta,
    /// Hides nothing that can be named.
    Bad,
}

/// Tells what kind of whiteout a component is.
pub fn whiteout(base: &[u8]) -> Whiteout<'_> {
    let Some(hidden) = base.strip_prefix(b".wh.") else {
        return Whiteout::None;
    };
    match hidden {
        b".wh..opq" => Whiteout::Opaque,
        // `.wh...` would name the parent directory.
        b"" | b"." | b".." => Whiteout::Bad,
        _ if hidden.starts_with(b".wh.") => Whiteout::Meta,
        _ => Whiteout::Hides(hidden),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_or_refused() {
        for (name, want) in [
            ("a/b", Some("a/b")),
            ("./a//b/", Some("a/b")),
            ("/etc/passwd", Some("etc/passwd")),
            ("a/../b", Some("b")),
            ("/../../b", Some("b")),
            (".", Some("")),
            ("", Some("")),
            ("a/..", Some("")),
            ("..", None),
            ("a/../../b", None),
            ("./../b", None),
            ("...", Some("...")),
        ] {
            let got = clean(name.as_bytes());
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn whiteouts_are_told_apart() {
        assert_eq!(whiteout(b"x"), Whiteout::None);
        assert_eq!(whiteout(b".wh.x"), Whiteout::Hides(b"x"));
        assert_eq!(whiteout(b".wh..x"), Whiteout::Hides(b".x"));
        assert_eq!(whiteout(b".wh..wh..opq"), Whiteout::Opaque);
        assert_eq!(whiteout(b".wh..wh.plnk"), Whiteout::Meta);
        for name in [&b".wh."[..], b".wh..", b".wh..."] {
            assert_eq!(whiteout(name), Whiteout::Bad);
        }
    }
}
