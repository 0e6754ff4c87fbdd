//! Regular expressions as in `labels-regex`: the part of RE2's language
//! that tells whether names fit. Matching keeps the set of all places where
//! a part may end, so no expression takes more than polynomial time.

use std::collections::BTreeSet;

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern(Node);

#[derive(Clone, Debug)]
enum Node {
    Start,
    End,
    /// A character in one of these ranges, or in none.
    Class(Vec<(char, char)>, bool),
    All(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// The most repeats that are asked for by number (RE2's limit).
const REPEATS: u32 = 1000;

/// How deep groups may be nested.
const DEPTH: u32 = 50;

type Places = BTreeSet<usize>;

impl Pattern {
    /// Compiles an expression; the error names what it chokes on.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let node = parser.either()?;
        match parser.rest.chars().next() {
            None => Ok(Pattern(node)),
            Some(_) => Err(format!("unexpected ): `{text}`")),
        }
    }

    /// Tells whether some part of the text fits.
    pub fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        !self.0.ends(&text, (0..=text.len()).collect()).is_empty()
    }
}

impl Node {
    /// Where this may end if it begins at one of `starts`.
    fn ends(&self, text: &[char], starts: Places) -> Places {
        match self {
            Node::Start => starts.into_iter().filter(|at| *at == 0).collect(),
            Node::End => {
                starts.into_iter().filter(|at| *at == text.len()).collect()
            }
            Node::Class(ranges, wanted) => {
                let fits = |c: &char| {
                    ranges.iter().any(|(low, high)| low <= c && c <= high)
                        == *wanted
                };
                let fit = |at: &usize| text.get(*at).is_some_and(fits);
                starts.into_iter().filter(fit).map(|at| at + 1).collect()
            }
            Node::All(nodes) => nodes
                .iter()
                .fold(starts, |places, node| node.ends(text, places)),
            Node::Either(nodes) => nodes
                .iter()
                .flat_map(|node| node.ends(text, starts.clone()))
                .collect(),
            Node::Repeat(node, least, most) => {
                let mut places = starts;
                for _ in 0..*least {
                    places = node.ends(text, places);
                }
                let mut all = places.clone();
                let mut left = most.map(|most| most - least);
                while !places.is_empty() && left != Some(0) {
                    left = left.map(|n| n - 1);
                    places = node.ends(text, places);
                    places.retain(|at| all.insert(*at));
                }
                all
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: u32,
}

impl Parser<'_> {
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn either(&mut self) -> Result<Node, String> {
        let mut all = vec![self.sequence()?];
        while self.eat("|") {
            all.push(self.sequence()?);
        }
        Ok(Node::Either(all))
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut all = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let node = self.atom()?;
            all.push(self.repeated(node)?);
        }
        Ok(Node::All(all))
    }

    fn repeated(&mut self, node: Node) -> Result<Node, String> {
        let (least, most) = if self.eat("*") {
            (0, None)
        } else if self.eat("+") {
            (1, None)
        } else if self.eat("?") {
            (0, Some(1))
        } else if let Some(bounds) = self.bounds() {
            bounds
        } else {
            return Ok(node);
        };
        let wrong = |n: u32| n > REPEATS;
        if wrong(least) || most.is_some_and(|m| wrong(m) || m < least) {
            return Err("invalid repeat count".into());
        }
        // Whether it takes much or little does not matter here.
        self.eat("?");
        Ok(Node::Repeat(Box::new(node), least, most))
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else is text.
    fn bounds(&mut self) -> Option<(u32, Option<u32>)> {
        let (inside, rest) = self.rest.strip_prefix('{')?.split_once('}')?;
        let bounds = match inside.split_once(',') {
            None => (inside.parse().ok()?, Some(inside.parse().ok()?)),
            Some((least, "")) => (least.parse().ok()?, None),
            Some((least, most)) => {
                (least.parse().ok()?, Some(most.parse().ok()?))
            }
        };
        self.rest = rest;
        Some(bounds)
    }

    fn atom(&mut self) -> Result<Node, String> {
        let c = self.next().unwrap_or_default();
        Ok(match c {
            '^' => Node::Start,
            '$' => Node::End,
            '.' => Node::Class(vec![('\n', '\n')], false),
            '(' => {
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err("expression nests too deeply".into());
                }
                if self.eat("?") && !self.eat(":") {
                    return Err("invalid or unsupported Perl syntax".into());
                }
                let node = self.either()?;
                self.depth -= 1;
                if !self.eat(")") {
                    return Err("missing closing )".into());
                }
                node
            }
            '[' => self.class()?,
            '\\' => self.escape()?,
            '*' | '+' | '?' => {
                return Err(format!(
                    "missing argument to repetition operator: `{c}`"
                ));
            }
            c => Node::Class(vec![(c, c)], true),
        })
    }

    fn escape(&mut self) -> Result<Node, String> {
        let c = self.next().ok_or("trailing backslash at end of expression")?;
        let digits = || vec![('0', '9')];
        let word = || vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
        let space = || vec![('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
        let one = |c| Node::Class(vec![(c, c)], true);
        Ok(match c {
            'd' => Node::Class(digits(), true),
            'D' => Node::Class(digits(), false),
            'w' => Node::Class(word(), true),
            'W' => Node::Class(word(), false),
            's' => Node::Class(space(), true),
            'S' => Node::Class(space(), false),
            'A' => Node::Start,
            'z' => Node::End,
            't' => one('\t'),
            'n' => one('\n'),
            c if c.is_ascii_alphanumeric() => {
                return Err(format!("invalid escape sequence: `\\{c}`"));
            }
            c => one(c),
        })
    }

    fn class(&mut self) -> Result<Node, String> {
        let wanted = !self.eat("^");
        let mut ranges = Vec::new();
        let missing = || "missing closing ]".to_string();
        loop {
            let low = self.next().ok_or_else(missing)?;
            match low {
                ']' if !ranges.is_empty() => break,
                '\\' => match self.escape()? {
                    Node::Class(more, true) => ranges.extend(more),
                    _ => return Err("invalid character class".into()),
                },
                low if self.rest.starts_with('-')
                    && !self.rest.starts_with("-]") =>
                {
                    self.next();
                    let high = self.next().ok_or_else(missing)?;
                    if high < low {
                        return Err(format!(
                            "invalid character class range: `{low}-{high}`"
                        ));
                    }
                    ranges.push((low, high));
                }
                low => ranges.push((low, low)),
            }
        }
        Ok(Node::Class(ranges, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_fit_as_in_re2() {
        for (pattern, text, fits) in [
            ("", "x", true),
            ("^(dev|stage)", "dev-1", true),
            ("^(dev|stage)", "my-dev", false),
            ("a.c$", "xabc", true),
            ("^[a-c_]+\\.\\d{2,3}$", "ab_.123", true),
            ("^[a-c_]+\\.\\d{2,3}$", "ab_.1234", false),
            ("^[^x]*$", "abc", true),
            ("^(a*)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false),
            ("^(?:ab)?c", "abc", true),
            ("x{,3}", "x{,3}", true),
        ] {
            let compiled = Pattern::parse(pattern).unwrap();
            assert_eq!(compiled.fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["(", ")", "*a", "[z-a]", "[a", "a\\", "(?P<n>a)", "\\q"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
