//! Checks of single values, in dockerd's words.

use std::net::IpAddr;

/// Checks an IP address.
pub fn address(word: &str) -> Result<(), String> {
    match word.trim().parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("IP address is not correctly formatted: {word}")),
    }
}

/// Checks an IP address that may be left open.
pub fn address_or_none(word: &str) -> Result<(), String> {
    match word {
        "" => Ok(()),
        word => address(word),
    }
}

/// Checks a label of the engine.
pub fn label(word: &str) -> Result<(), String> {
    match word.split_once('=') {
        Some((key, _)) if !key.is_empty() => Ok(()),
        _ => Err(format!("bad attribute format: {word}")),
    }
}

/// Checks the URL of a mirror.
pub fn mirror(word: &str) -> Result<(), String> {
    let shown = super::super::value::quote(word);
    let (scheme, rest) = word.split_once("://").unwrap_or(("", word));
    if !matches!(scheme, "http" | "https") {
        return Err(format!(
            "invalid mirror: unsupported scheme {} in {shown}",
            super::super::value::quote(scheme)
        ));
    }
    if rest.contains(['?', '#']) {
        return Err(format!(
            "invalid mirror: query or fragment at end of the URI {shown}"
        ));
    }
    if rest.contains('@') {
        return Err(
            "invalid mirror: username/password not allowed in URI".into()
        );
    }
    match rest.split('/').next() {
        None | Some("") => Err(format!("invalid mirror: no host in {shown}")),
        Some(_) => Ok(()),
    }
}

/// Checks the name of a registry that may be insecure.
pub fn registry(word: &str) -> Result<(), String> {
    let host = word
        .strip_prefix("http://")
        .or_else(|| word.strip_prefix("https://"))
        .unwrap_or(word);
    if host.starts_with('-') || host.ends_with('-') {
        return Err(format!(
            "invalid index name ({host}). Cannot begin or end with a hyphen"
        ));
    }
    match host.is_empty() || host.contains(char::is_whitespace) {
        true => Err(format!("invalid index name ({host})")),
        false => Ok(()),
    }
}

/// Checks a domain that names are looked up in.
pub fn domain(word: &str) -> Result<(), String> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let bare = word.trim();
    if bare == "." {
        return Ok(());
    }
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    match bare.len() <= 255 && bare.split('.').all(is_label) {
        true => Ok(()),
        false => Err(format!("{word} is not a valid domain")),
    }
}

/// Checks an amount of memory.
pub fn size(word: &str) -> Result<(), String> {
    super::super::value::size(word).map(|_| ())
}

/// Checks a resource that is told of.
pub fn resource(word: &str) -> Result<(), String> {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(()),
        _ => Err(format!(
            "invalid node-generic-resource format `{word}` expected \
             `name=value`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_values_are_refused_in_dockers_words() {
        type Check = fn(&str) -> Result<(), String>;
        let table: [(Check, &str, &str); 6] = [
            (address, "x", "IP address is not correctly formatted: x"),
            (label, "a", "bad attribute format: a"),
            (mirror, "x", "invalid mirror: unsupported scheme \"\" in \"x\""),
            (
                registry,
                "-x",
                "invalid index name (-x). Cannot begin or end \
                              with a hyphen",
            ),
            (domain, "a b", "a b is not a valid domain"),
            (size, "3x", "invalid size: '3x'"),
        ];
        for (check, word, text) in table {
            assert_eq!(check(word).unwrap_err(), text);
        }
        let fine: [(Check, &str); 7] = [
            (address, " ::1"),
            (label, "a="),
            (mirror, "https://m.example:5000/path/"),
            (registry, "10.0.0.0/8"),
            (domain, "example.com."),
            (domain, "."),
            (size, "64M"),
        ];
        for (check, word) in fine {
            assert_eq!(check(word), Ok(()), "{word}");
        }
    }
}
