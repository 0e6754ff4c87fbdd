//! Who a container's program runs as: `user[:group]` looked up in the text
//! of the container's own `/etc/passwd` and `/etc/group`. Pure; reading
//! the files is left to others.

use std::fmt;

/// The highest user or group id that Docker takes.
const MAX_ID: u32 = i32::MAX as u32;

/// What a `user[:group]` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
    /// All groups for `setgroups(2)`: the primary one first, then those
    /// that list the user as a member (none if the group was named).
    pub groups: Vec<u32>,
    /// The home directory, `/` if the user has none.
    pub home: String,
}

/// Why a user or group cannot be used; prints in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The user is neither listed nor a number.
    NoUser(String),
    /// The group is neither listed nor a number.
    NoGroup(String),
    /// A number is beyond 2^31 - 1.
    Range,
}

/// The result of a lookup.
pub type Result<T> = std::result::Result<T, Error>;

/// Looks `user[:group]` up. Both may be names or numbers; a number that is
/// not listed stands for itself; an empty user is root.
pub fn resolve(spec: &str, passwd: &str, group: &str) -> Result<Lookup> {
    let (user, group_name) = spec.split_once(':').unwrap_or((spec, ""));
    let listed = users(passwd).find(|entry| match user {
        "" => entry.uid == 0,
        _ => entry.name == user || number(user) == Some(Ok(entry.uid)),
    });
    let (uid, mut gid) = match (&listed, user) {
        (Some(entry), _) => (entry.uid, entry.gid),
        (None, "") => (0, 0),
        (None, _) => match number(user) {
            Some(uid) => (uid?, 0),
            None => return Err(Error::NoUser(user.to_string())),
        },
    };
    let mut others = Vec::new();
    if !group_name.is_empty() {
        gid = group_id(group_name, group)?;
    } else if let Some(entry) = &listed {
        others = groups(group)
            .filter(|g| g.members.split(',').any(|m| m == entry.name))
            .map(|g| g.gid)
            .collect();
    }
    let mut all = vec![gid];
    for other in others {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    let home = listed.map(|entry| entry.home).filter(|home| !home.is_empty());
    let home = home.unwrap_or("/").to_string();
    Ok(Lookup { uid, gid, groups: all, home })
}

/// Looks further groups (`--group-add`) up, each a name or a number;
/// doubles are left out.
pub fn additional_groups(names: &[String], group: &str) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for name in names {
        let id = group_id(name, group)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn group_id(name: &str, group: &str) -> Result<u32> {
    let listed = groups(group)
        .find(|g| g.name == name || number(name) == Some(Ok(g.gid)));
    match (listed, number(name)) {
        (Some(entry), _) => Ok(entry.gid),
        (None, Some(gid)) => gid,
        (None, None) => Err(Error::NoGroup(name.to_string())),
    }
}

/// Reads a number, which may be out of range; `None` for a name.
fn number(text: &str) -> Option<Result<u32>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let id = text.parse().ok().filter(|id| *id <= MAX_ID);
    Some(id.ok_or(Error::Range))
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Walks passwd(5) text. A line whose ids are no numbers is passed over: it
/// must not name root by chance.
fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let uid = number(fields.nth(1)?)?.ok()?;
        let gid = number(fields.next()?)?.ok()?;
        let home = fields.nth(1).unwrap_or("");
        Some(User { name, uid, gid, home })
    })
}

/// Walks group(5) text.
fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let gid = number(fields.nth(1)?)?.ok()?;
        Some(Group { name, gid, members: fields.next().unwrap_or("") })
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoUser(name) => write!(
                f,
                "unable to find user {name}: no matching entries in passwd \
                 file"
            ),
            Error::NoGroup(name) => write!(
                f,
                "unable to find group {name}: no matching entries in group \
                 file"
            ),
            Error::Range => {
                write!(f, "uids and gids must be in range 0-{MAX_ID}")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        \n\
        # a comment\n\
        broken:x:zero:0::/:/bin/sh\n\
        web:x:1000:1001:Web:/srv/web:/bin/sh\n\
        bare:x:7:8\n\
        42:x:9:9::/nine:\n";
    const GROUP: &str = "root:x:0:root\n\
        wheel:x:10:root,web\n\
        www:x:1001:\n\
        media:x:20:web,web\n\
        short:x:30\n";

    fn found(spec: &str) -> (u32, u32, Vec<u32>, String) {
        let l = resolve(spec, PASSWD, GROUP).unwrap();
        (l.uid, l.gid, l.groups, l.home)
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let root = (0, 0, vec![0, 10], "/root".to_string());
        assert_eq!(found(""), root);
        assert_eq!(found("root"), root);
        assert_eq!(found("0"), root);
        let web = (1000, 1001, vec![1001, 10, 20], "/srv/web".to_string());
        assert_eq!(found("web"), web);
        assert_eq!(found("1000"), web);
        assert_eq!(found("bare"), (7, 8, vec![8], "/".to_string()));
    }

    #[test]
    fn a_name_of_digits_is_a_name_first() {
        assert_eq!(found("42").0, 9);
    }

    #[test]
    fn unlisted_numbers_stand_for_themselves() {
        assert_eq!(found("4711"), (4711, 0, vec![0], "/".to_string()));
        assert_eq!(found("4711:4712").1, 4712);
        let empty = resolve("", "", "").unwrap();
        assert_eq!((empty.uid, empty.gid), (0, 0));
    }

    #[test]
    fn a_named_group_replaces_all_others() {
        let web = found("web:wheel");
        assert_eq!((web.0, web.1, web.2), (1000, 10, vec![10]));
        assert_eq!(found("web:30").1, 30);
        assert_eq!(found(":media").1, 20);
        // A colon alone names no group.
        assert_eq!(found("web:"), found("web"));
    }

    #[test]
    fn errors_are_in_dockers_words() {
        let text = |spec| resolve(spec, PASSWD, GROUP).unwrap_err().to_string();
        assert_eq!(
            text("nobody"),
            "unable to find user nobody: no matching entries in passwd file"
        );
        assert_eq!(
            text("web:none"),
            "unable to find group none: no matching entries in group file"
        );
        for range in ["2147483648", "-1", "0:4294967296", "99999999999999"] {
            assert_eq!(
                text(range),
                "uids and gids must be in range 0-2147483647"
            );
        }
        assert!(resolve("broken", PASSWD, GROUP).is_err());
    }

    #[test]
    fn further_groups_are_names_or_numbers() {
        let names = ["wheel", "20", "4711", "10"].map(String::from);
        assert_eq!(additional_groups(&names, GROUP), Ok(vec![10, 20, 4711]));
        let none = ["none".to_string()];
        assert!(additional_groups(&none, GROUP).is_err());
    }
}
