//! Credentials for registries, from the configuration or from the program
//! that keeps them.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Serialize;

use super::config::Config;
use crate::json::{self, FromJson};

/// What is sent to the daemon, in `X-Registry-Auth`.
#[derive(Debug, Default, Serialize)]
struct Credentials {
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    serveraddress: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    identitytoken: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    registrytoken: String,
}

/// The name under which Docker Hub's credentials are kept.
const HUB: &str = "https://index.docker.io/v1/";

/// Makes the value of `X-Registry-Auth` for a registry (`docker.io`, …).
pub fn header(config: &Config, domain: &str) -> String {
    let key = if domain == "docker.io" { HUB } else { domain };
    let found = find(config, key).unwrap_or_default();
    let text = serde_json::to_vec(&found).expect("plain strings are JSON");
    URL_SAFE.encode(text)
}

fn find(config: &Config, key: &str) -> Option<Credentials> {
    let keeper = match config.cred_helpers.get(key) {
        Some(keeper) => keeper,
        None => &config.creds_store,
    };
    if !keeper.is_empty()
        && let Some(found) = ask(keeper, key)
    {
        return Some(found);
    }
    let bare = |name: &str| {
        let name = name.split_once("://").map_or(name, |(_, rest)| rest);
        name.split('/').next().unwrap_or_default().to_owned()
    };
    let auth = config.auths.get(key).or_else(|| {
        let named = config.auths.iter();
        named.into_iter().find(|(name, _)| bare(name) == bare(key)).map(|n| n.1)
    })?;
    let pair = STANDARD.decode(&auth.auth).unwrap_or_default();
    let pair = String::from_utf8(pair).unwrap_or_default();
    let (username, password) = pair.split_once(':').unwrap_or_default();
    Some(Credentials {
        username: username.to_owned(),
        password: password.trim_matches('\0').to_owned(),
        serveraddress: key.to_owned(),
        identitytoken: auth.identitytoken.clone(),
        registrytoken: auth.registrytoken.clone(),
    })
}

/// Asks `docker-credential-KEEPER get`: the registry's name goes in, JSON
/// comes out.
fn ask(keeper: &str, key: &str) -> Option<Credentials> {
    #[derive(FromJson)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let mut child = Command::new(format!("docker-credential-{keeper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // Its end is what counts; a helper that reads nothing may still answer.
    let _ = child.stdin.take()?.write_all(key.as_bytes());
    let output = child.wait_with_output().ok()?;
    if !output.status.success() {
        return None;
    }
    let answer: Answer = json::from_slice(&output.stdout).ok()?;
    let mut found =
        Credentials { serveraddress: key.to_owned(), ..Default::default() };
    if answer.username == "<token>" {
        found.identitytoken = answer.secret;
    } else {
        found.username = answer.username;
        found.password = answer.secret;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::config::Auth;

    #[test]
    fn without_credentials_the_header_is_an_empty_object() {
        assert_eq!(header(&Config::default(), "docker.io"), "e30=");
    }

    #[test]
    fn credentials_are_found_under_every_spelling() {
        let auth = STANDARD.encode("me:se:cret");
        let auth = Auth { auth, ..Auth::default() };
        let mut config = Config::default();
        config.auths.insert(HUB.into(), auth.clone());
        config.auths.insert("http://reg:5000/v2/".into(), auth);
        for (domain, server) in [("docker.io", HUB), ("reg:5000", "reg:5000")] {
            let text = URL_SAFE.decode(header(&config, domain)).unwrap();
            assert_eq!(
                String::from_utf8(text).unwrap(),
                format!(
                    "{{\"username\":\"me\",\"password\":\"se:cret\",\
                     \"serveraddress\":\"{server}\"}}"
                )
            );
        }
    }
}
