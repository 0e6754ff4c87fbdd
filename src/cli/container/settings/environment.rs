//! Environment variables and labels, from flags and from files.

use std::collections::BTreeMap;

/// Gathers the environment: the files first, then the flags. A name without
/// a value takes the client's own; if that is not set, it is left out.
pub fn variables(
    files: &[String],
    flags: &[String],
) -> Result<Option<Vec<String>>, String> {
    let mut found = Vec::new();
    for file in files {
        for line in lines(file)? {
            found.extend(variable(file, &line)?);
        }
    }
    found.extend(flags.iter().filter_map(|word| filled(word)));
    Ok((!found.is_empty()).then_some(found))
}

/// Gathers the labels: the files first, then the flags.
pub fn labels(
    files: &[String],
    flags: &[String],
) -> Result<BTreeMap<String, String>, String> {
    let mut words = Vec::new();
    for file in files {
        for line in lines(file)? {
            check(file, "label", &line)?;
            words.push(line);
        }
    }
    words.extend(flags.iter().cloned());
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (word, String::new()),
    };
    Ok(words.into_iter().map(pair).collect())
}

/// Reads the lines of a file that say something.
fn lines(file: &str) -> Result<Vec<String>, String> {
    let text = std::fs::read(file).map_err(|error| {
        let reason = match error.raw_os_error() {
            Some(code) => crate::sys::Error::new("", code).reason(),
            None => error.to_string(),
        };
        format!("open {file}: {reason}")
    })?;
    let text = String::from_utf8(text)
        .map_err(|_| format!("invalid env file ({file}): not utf8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().map(str::trim_start);
    let said = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(said.map(str::to_owned).collect())
}

fn variable(file: &str, line: &str) -> Result<Option<String>, String> {
    check(file, "env", line)?;
    Ok(filled(line))
}

fn check(file: &str, kind: &str, line: &str) -> Result<(), String> {
    let name = line.split('=').next().unwrap_or_default();
    if name.is_empty() {
        return Err(format!(
            "invalid {kind} file ({file}): no variable name on line '{line}'"
        ));
    }
    if name.contains([' ', '\t']) {
        return Err(format!(
            "invalid {kind} file ({file}): variable '{name}' contains \
             whitespaces"
        ));
    }
    Ok(())
}

/// Fills in the client's own value of a name that stands alone.
fn filled(word: &str) -> Option<String> {
    match word.contains('=') {
        true => Some(word.to_owned()),
        false => {
            let value = std::env::var(word).ok()?;
            Some(format!("{word}={value}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> String {
        let name = format!("skiff-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn files_come_before_flags_and_lone_names_are_filled_in() {
        let path = file("env", "A=1\n# no\n\n  B=2 3\nSURELY_UNSET_X\n");
        let flags = ["A=9".to_owned(), "SURELY_UNSET_Y".into(), "PATH".into()];
        let found =
            variables(std::slice::from_ref(&path), &flags).unwrap().unwrap();
        assert_eq!(found[..3], ["A=1", "B=2 3", "A=9"]);
        assert!(found[3].starts_with("PATH=") && found.len() == 4);
        assert_eq!(variables(&[], &[]), Ok(None));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn bad_files_are_refused_in_dockers_words() {
        let path = file("badenv", "B C=2\n");
        assert_eq!(
            variables(std::slice::from_ref(&path), &[]).unwrap_err(),
            format!(
                "invalid env file ({path}): variable 'B C' contains \
                 whitespaces"
            )
        );
        std::fs::remove_file(path).unwrap();
        assert_eq!(
            labels(&["/nonexist".to_owned()], &[]).unwrap_err(),
            "open /nonexist: no such file or directory"
        );
    }
}
