//! `WWW-Authenticate` challenges (RFC 9110 §11.6.1).

/// How a server wants its client to prove itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case: `basic`, `bearer`.
    pub scheme: String,
    /// The parameters, their names in lower case.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Returns a parameter's value; empty if it is not there.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }
}

/// Parses one header value, which may hold several challenges. What does
/// not follow the grammar ends the list; it is never guessed at.
pub fn parse(value: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = Cursor(value);
    loop {
        rest.skip_separators();
        let name = rest.token();
        if name.is_empty() {
            return found;
        }
        rest.skip_spaces();
        if !rest.take('=') {
            found.push(Challenge {
                scheme: name.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
            continue;
        }
        rest.skip_spaces();
        let Some(value) = rest.value() else { return found };
        let Some(last) = found.last_mut() else { return found };
        last.parameters.push((name.to_ascii_lowercase(), value));
    }
}

/// What is left of a header value.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> &'a str {
        let part = |c: char| {
            c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
        };
        let end = self.0.find(|c| !part(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        token
    }

    /// A token or a quoted string; `None` if a quote stays open.
    fn value(&mut self) -> Option<String> {
        if !self.take('"') {
            // Some servers leave the quotes of a URL away.
            let end = self.0.find([',', ' ', '\t']).unwrap_or(self.0.len());
            let (value, rest) = self.0.split_at(end);
            self.0 = rest;
            return Some(value.to_string());
        }
        let mut value = String::new();
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_challenge_is_read() {
        let found = parse(
            "Bearer realm=\"https://auth.io/token\",service=\"reg.io\", \
             scope=\"repository:a/b:pull,push\",error=\"invalid_token\"",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].scheme, "bearer");
        assert_eq!(found[0].parameter("realm"), "https://auth.io/token");
        assert_eq!(found[0].parameter("scope"), "repository:a/b:pull,push");
        assert_eq!(found[0].parameter("error"), "invalid_token");
        assert_eq!(found[0].parameter("absent"), "");
    }

    #[test]
    fn several_challenges_in_one_header_are_kept_apart() {
        let found =
            parse("Negotiate, Basic Realm = \"a \\\"b\\\"\", Bearer x=y");
        let schemes: Vec<&str> =
            found.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "bearer"]);
        assert_eq!(found[1].parameter("realm"), "a \"b\"");
        assert_eq!(found[2].parameter("x"), "y");
    }

    #[test]
    fn rubbish_gives_no_challenge() {
        assert!(parse("").is_empty());
        assert!(parse("=x").is_empty());
        assert!(parse("realm=\"x\"").is_empty());
        assert_eq!(parse("Bearer realm=\"open")[0].parameter("realm"), "");
        assert!(parse("é, Basic").is_empty());
    }
}
