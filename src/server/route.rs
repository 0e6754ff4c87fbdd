//! Finding the handler of a request: a static table, turned once into a
//! trie over the segments of paths.
//!
//! - `{name}` stands for one segment, `{name*}` for one or more: names of
//!   images and containers have slashes in them (`/images/a/b/json`).
//! - Literals go before variables, `{name}` before `{name*}`, and a longer
//!   `{name*}` before a shorter one. A way that ends nowhere is given up for
//!   the next one.
//! - Empty segments collapse.
//! - Method and API version belong to the match: a route that does not fit
//!   them is passed over.
//!
//! A table with a mistake stops the program when the trie is built.

use super::error::Error;
use super::exchange::Exchange;
use super::version::{self, Version};

/// The most segments of a path.
const MAX_SEGMENTS: usize = 64;

/// The most variables of a pattern.
const MAX_VARIABLES: usize = 4;

/// What answers a request. `S` is the state of the server: the engine.
pub type Handler<S> = fn(&S, &mut Exchange<'_>) -> Result<(), Error>;

/// Methods that routes can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
}

impl Method {
    /// Returns the method of this name. Case matters (RFC 9110 §9.1).
    pub fn parse(name: &str) -> Option<Method> {
        Some(match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            _ => return None,
        })
    }

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }
}

/// What a route can do to the host; a listener can be narrowed to a class
/// and those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looks at what there is; the values of environment variables, the
    /// output and the files of containers are not shown.
    Read,
    /// Starts and stops what is there, and reads its output.
    Control,
    /// Everything; a container can be made that owns the host.
    #[default]
    Full,
}

impl Access {
    /// Returns the class of this name.
    pub fn parse(name: &str) -> Option<Access> {
        let all = [Access::Read, Access::Control, Access::Full];
        all.into_iter().find(|access| access.name() == name)
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Control => "control",
            Access::Full => "full",
        }
    }
}

/// One line of the route table.
pub struct Route<S: 'static> {
    /// The method.
    pub method: Method,
    /// The path, without a version.
    pub pattern: &'static str,
    /// What Docker's reference calls the operation (`ContainerStart`);
    /// empty for what it does not name.
    pub operation: &'static str,
    /// The first API version that has it.
    pub since: Version,
    /// The last API version that has it.
    pub until: Version,
    /// The class of access that it needs.
    pub access: Access,
    /// What answers.
    pub handler: Handler<S>,
}

impl<S> Route<S> {
    /// Makes a route of all API versions.
    pub const fn new(
        method: Method,
        pattern: &'static str,
        access: Access,
        handler: Handler<S>,
    ) -> Route<S> {
        let (since, until) = (version::MIN, version::MAX);
        let operation = "";
        Route { method, pattern, operation, since, until, access, handler }
    }

    /// Makes a `GET` route that looks only.
    pub const fn read(pattern: &'static str, handler: Handler<S>) -> Route<S> {
        Route::new(Method::Get, pattern, Access::Read, handler)
    }

    /// Sets the name of the operation.
    pub const fn named(mut self, operation: &'static str) -> Route<S> {
        self.operation = operation;
        self
    }

    /// Sets the first API version that has it.
    pub const fn since(mut self, minor: u16) -> Route<S> {
        self.since = Version::of(1, minor);
        self
    }

    /// Sets the last API version that has it.
    pub const fn until(mut self, minor: u16) -> Route<S> {
        self.until = Version::of(1, minor);
        self
    }

    /// Versions that are not spoken at all fit too: they are refused with
    /// words of their own, not with «page not found».
    fn fits(&self, method: Method, version: Version) -> bool {
        let version = version.clamp(version::MIN, version::MAX);
        self.method == method && (self.since..=self.until).contains(&version)
    }

    fn overlaps(&self, other: &Route<S>) -> bool {
        self.method == other.method
            && self.since <= other.until
            && other.since <= self.until
    }
}

/// A route that was found, and what its variables stand for.
pub struct Match<'p, S: 'static> {
    /// The route.
    pub route: &'static Route<S>,
    /// Its place in [`Router::routes`].
    pub number: usize,
    /// The values of its variables.
    pub variables: Variables<'p>,
}

/// The variables of a pattern with their values, in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variables<'p> {
    values: [(&'static str, &'p str); MAX_VARIABLES],
}

impl<'p> Variables<'p> {
    /// Returns the value of a variable of the route's pattern.
    pub fn get(&self, name: &str) -> Option<&'p str> {
        let found = self.values.iter().find(|v| v.0 == name)?;
        Some(found.1)
    }
}

/// The trie.
pub struct Router<S: 'static> {
    root: Node<S>,
    routes: Vec<&'static Route<S>>,
}

struct Node<S: 'static> {
    literals: Vec<(&'static str, Node<S>)>,
    one: Option<Box<Node<S>>>,
    many: Option<Box<Node<S>>>,
    /// What ends here, by number.
    routes: Vec<(usize, &'static Route<S>)>,
}

impl<S> Default for Node<S> {
    fn default() -> Node<S> {
        Node { literals: Vec::new(), one: None, many: None, routes: Vec::new() }
    }
}

/// One segment of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    One(&'static str),
    Many(&'static str),
}

impl<S> Router<S> {
    /// Builds the trie.
    ///
    /// # Panics
    ///
    /// If a pattern is malformed, or two routes answer the same request.
    pub fn new(table: &'static [Route<S>]) -> Router<S> {
        let mut router = Router { root: Node::default(), routes: Vec::new() };
        router.add(table);
        router
    }

    /// Adds the routes of one more table.
    ///
    /// # Panics
    ///
    /// As [`Router::new`].
    pub fn add(&mut self, table: &'static [Route<S>]) {
        for route in table {
            let mut node: &mut Node<S> = &mut self.root;
            for segment in parse_pattern(route.pattern) {
                node = node.child(segment);
            }
            let mut others = node.routes.iter().map(|(_, other)| other);
            if let Some(other) = others.find(|other| other.overlaps(route)) {
                panic!(
                    "routes {:?} {} and {:?} {} answer the same request",
                    other.method, other.pattern, route.method, route.pattern
                );
            }
            node.routes.push((self.routes.len(), route));
            self.routes.push(route);
        }
    }

    /// Returns all routes, by number.
    pub fn routes(&self) -> &[&'static Route<S>] {
        &self.routes
    }

    /// Finds the route of a decoded path without its version.
    pub fn find<'p>(
        &self,
        method: Method,
        version: Version,
        path: &'p str,
    ) -> Option<Match<'p, S>> {
        let mut places = [(0, 0); MAX_SEGMENTS];
        let mut count = 0;
        for (start, end) in segments(path) {
            *places.get_mut(count)? = (start, end);
            count += 1;
        }
        let search = Search { path, method, version };
        let mut values = [""; MAX_VARIABLES];
        let (number, route) =
            search.walk(&self.root, &places[..count], &mut values, 0)?;
        let mut variables = Variables::default();
        let names = route.pattern.split('/').filter_map(|text| {
            match parse_segment(text) {
                Segment::One(name) | Segment::Many(name) => Some(name),
                Segment::Literal(_) => None,
            }
        });
        for (slot, (name, value)) in
            variables.values.iter_mut().zip(names.zip(values))
        {
            *slot = (name, value);
        }
        Some(Match { route, number, variables })
    }
}

impl<S> Node<S> {
    fn child(&mut self, segment: Segment) -> &mut Node<S> {
        match segment {
            Segment::One(_) => self.one.get_or_insert_default(),
            Segment::Many(_) => self.many.get_or_insert_default(),
            Segment::Literal(text) => {
                let found = self.literals.iter().position(|l| l.0 == text);
                let at = found.unwrap_or_else(|| {
                    self.literals.push((text, Node::default()));
                    self.literals.len() - 1
                });
                &mut self.literals[at].1
            }
        }
    }
}

/// What is looked for.
struct Search<'p> {
    path: &'p str,
    method: Method,
    version: Version,
}

impl<'p> Search<'p> {
    /// Follows one way after the other; `used` counts the variables on it.
    fn walk<S>(
        &self,
        node: &Node<S>,
        places: &[(usize, usize)],
        values: &mut [&'p str; MAX_VARIABLES],
        used: usize,
    ) -> Option<(usize, &'static Route<S>)> {
        let Some((&(start, end), rest)) = places.split_first() else {
            let mut routes = node.routes.iter();
            let fits = |r: &Route<S>| r.fits(self.method, self.version);
            return routes.find(|(_, route)| fits(route)).copied();
        };
        let text = &self.path[start..end];
        let literal = node.literals.iter().find(|l| l.0 == text);
        if let Some((_, next)) = literal
            && let Some(found) = self.walk(next, rest, values, used)
        {
            return Some(found);
        }
        if let Some(next) = &node.one {
            values[used] = text;
            if let Some(found) = self.walk(next, rest, values, used + 1) {
                return Some(found);
            }
        }
        let next = node.many.as_ref()?;
        (1..=places.len()).rev().find_map(|taken| {
            values[used] = &self.path[start..places[taken - 1].1];
            self.walk(next, &places[taken..], values, used + 1)
        })
    }
}

/// Returns where the segments of a path are; empty ones are none.
fn segments(path: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    path.split('/').filter_map(move |text| {
        let start = at;
        at += text.len() + 1;
        (!text.is_empty()).then_some((start, start + text.len()))
    })
}

fn parse_segment(text: &'static str) -> Segment {
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    match inner {
        None => Segment::Literal(text),
        Some(name) => match name.strip_suffix('*') {
            Some(name) => Segment::Many(name),
            None => Segment::One(name),
        },
    }
}

fn parse_pattern(pattern: &'static str) -> Vec<Segment> {
    let Some(rest) = pattern.strip_prefix('/') else {
        panic!("route {pattern} does not begin with a slash");
    };
    let mut names = Vec::new();
    let parsed = rest.split('/').map(|text| {
        let segment = parse_segment(text);
        let (name, is_variable) = match segment {
            Segment::Literal(text) => (text, false),
            Segment::One(name) | Segment::Many(name) => (name, true),
        };
        if name.is_empty() || name.contains(['{', '}', '*']) {
            panic!("route {pattern} has a malformed segment");
        }
        if is_variable {
            if names.contains(&name) {
                panic!("route {pattern} has the variable {name} twice");
            }
            names.push(name);
        }
        segment
    });
    let parsed: Vec<_> = parsed.collect();
    if names.len() > MAX_VARIABLES || parsed.len() > MAX_SEGMENTS {
        panic!("route {pattern} is too long");
    }
    parsed
}

/// Splits a version in front off a decoded path: its text, and the rest.
/// Slashes before and after it count once.
pub fn split_version(path: &str) -> (Option<&str>, &str) {
    let trimmed = path.trim_start_matches('/');
    let (first, rest) = match trimmed.find('/') {
        Some(at) => trimmed.split_at(at),
        None => (trimmed, ""),
    };
    match first.strip_prefix('v') {
        Some(text) if Version::parse(text).is_some() => (Some(text), rest),
        _ => (None, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &(), _: &mut Exchange<'_>) -> Result<(), Error> {
        Ok(())
    }

    const fn get(pattern: &'static str) -> Route<()> {
        Route::read(pattern, nothing)
    }

    static TABLE: &[Route<()>] = &[
        get("/info"),
        get("/images/json"),
        get("/images/{name*}/json"),
        get("/images/{name*}/history"),
        get("/containers/json"),
        get("/containers/{id*}/json"),
        get("/containers/{id*}/old").until(20),
        get("/containers/{id*}/new").since(30),
        Route::new(
            Method::Delete,
            "/containers/{id*}",
            Access::Control,
            nothing,
        ),
        get("/exec/{id}/json"),
        get("/a/{x}/{y*}/b"),
        get("/a/c/{y*}/b"),
        Route::new(Method::Options, "/{any*}", Access::Read, nothing),
    ];

    fn find(method: Method, path: &str) -> Option<(&'static str, String)> {
        let router = Router::new(TABLE);
        let found = router.find(method, version::MAX, path)?;
        let values: Vec<_> = ["name", "id", "x", "y", "any"]
            .iter()
            .filter_map(|name| found.variables.get(name))
            .collect();
        Some((found.route.pattern, values.join(" ")))
    }

    #[test]
    fn paths_find_their_routes() {
        let cases = [
            ("/info", "/info", ""),
            ("//info/", "/info", ""),
            ("/images/json", "/images/json", ""),
            ("/images/json/json", "/images/{name*}/json", "json"),
            ("/images/a/json", "/images/{name*}/json", "a"),
            ("/images/r:5/a/b/json", "/images/{name*}/json", "r:5/a/b"),
            ("/images/a/json/json", "/images/{name*}/json", "a/json"),
            (
                "/images/a/history/history",
                "/images/{name*}/history",
                "a/history",
            ),
            ("/containers/x/json", "/containers/{id*}/json", "x"),
            ("/exec/1/json", "/exec/{id}/json", "1"),
            ("/a/c/d/b", "/a/c/{y*}/b", "d"),
            ("/a/c/b/b", "/a/c/{y*}/b", "b"),
            ("/a/d/c/b", "/a/{x}/{y*}/b", "d c"),
        ];
        for (path, pattern, values) in cases {
            let found = find(Method::Get, path);
            assert_eq!(found, Some((pattern, values.to_string())), "{path}");
        }
        assert_eq!(
            find(Method::Delete, "/containers/web/db"),
            Some(("/containers/{id*}", "web/db".to_string()))
        );
        assert_eq!(
            find(Method::Options, "/images/json"),
            Some(("/{any*}", "images/json".to_string()))
        );
    }

    #[test]
    fn other_paths_and_methods_find_nothing() {
        for path in ["", "/", "/infos", "/images", "/exec/1/2/json", "/a/b"] {
            assert_eq!(find(Method::Get, path), None, "{path}");
        }
        assert_eq!(find(Method::Post, "/info"), None);
        assert_eq!(find(Method::Head, "/info"), None);
        let deep = "/images".to_string() + &"/a".repeat(70) + "/json";
        assert_eq!(find(Method::Get, &deep), None);
    }

    #[test]
    fn a_route_is_there_in_its_versions_only() {
        let router = Router::new(TABLE);
        let has = |minor, path| {
            let version = Version::of(1, minor);
            router.find(Method::Get, version, path).is_some()
        };
        assert!(has(20, "/containers/x/old") && !has(21, "/containers/x/old"));
        assert!(has(30, "/containers/x/new") && !has(29, "/containers/x/new"));
        // These are refused later, with Docker's words.
        assert!(has(99, "/containers/x/new") && has(2, "/containers/x/old"));
    }

    #[test]
    fn a_version_in_front_is_split_off() {
        for (path, version, rest) in [
            ("/v1.51/info", Some("1.51"), "/info"),
            ("//v1.51//info", Some("1.51"), "//info"),
            ("/v1.51", Some("1.51"), ""),
            ("/v1/info", Some("1"), "/info"),
            ("/volumes", None, "/volumes"),
            ("/vx/info", None, "/vx/info"),
            ("/info", None, "/info"),
            ("", None, ""),
        ] {
            assert_eq!(split_version(path), (version, rest));
        }
    }

    fn builds(table: Vec<Route<()>>) -> bool {
        let table: &'static [Route<()>] = table.leak();
        std::panic::catch_unwind(|| drop(Router::new(table))).is_ok()
    }

    #[test]
    fn a_bad_table_stops_the_program() {
        assert!(builds(vec![get("/a").until(20), get("/a").since(21)]));
        assert!(!builds(vec![get("/a"), get("/a")]));
        assert!(!builds(vec![get("/a").until(21), get("/a").since(21)]));
        assert!(!builds(vec![get("/a/{x*}"), get("/a/{y*}")]));
        for pattern in ["", "a", "/", "/a/", "/a//b", "/{}", "/{x", "/{x}/{x}"]
        {
            assert!(!builds(vec![get(pattern)]), "{pattern}");
        }
    }
}
