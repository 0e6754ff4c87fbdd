//! `version`.

use crate::api;
use crate::api::system::Version;
use crate::cli::command::{Command, With, Words};
use crate::cli::endpoint;
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::format::Value;
use crate::cli::format::json::{self, Escape};
use crate::cli::format::only::{self, OnlyFormat};
use crate::cli::format::table::{self, Columns};
use crate::cli::format::template::{Missing, Mode, Template};
use crate::cli::format::value::HIDDEN;
use crate::cli::session::Session;
use crate::time::Timestamp;

/// `version`.
pub static COMMAND: Command = Command {
    paths: &["version"],
    usage: "[OPTIONS]",
    about: "Show the Docker version information",
    words: Words::None,
    order: Order::Mixed,
    action: &With { flags: only::FLAGS, run },
};

const COLUMNS: Columns = Columns { min_width: 20, padding: 1 };

fn run(
    session: &mut Session,
    typed: OnlyFormat,
    _: Vec<String>,
) -> Result<i32, Error> {
    let template = match typed.format.as_str() {
        "" | "json" => None,
        text => Some(Template::parse(text).map_err(|reason| {
            Error::Text(format!("template parsing error: {reason}"), 64)
        })?),
    };
    let context = endpoint::context(&session.globals, session.config());
    let client = session.client()?;
    // The client tells its own version even if no daemon answers.
    let answer = client.server_version();
    let spoken = match &answer {
        Ok(_) => client.version()?.to_owned(),
        Err(_) => api::VERSION.to_owned(),
    };
    let own = own(&spoken, &context);
    let shown = match typed.format.as_str() {
        "" => own.text(answer.as_ref().ok())?,
        _ => {
            let value = both(&own, answer.as_ref().ok())?;
            let mut line = match &template {
                None => json::compact(&value, Escape::Plain),
                Some(template) => template
                    .run(&value, Missing::Key, Mode::Values)
                    .map_err(Error::text)?,
            };
            line.push('\n');
            line
        }
    };
    session.print(&shown)?;
    session.flush()?;
    answer.map(|_| 0).map_err(Error::from)
}

/// What is known of the client.
struct Own {
    spoken: String,
    context: String,
}

fn own(spoken: &str, context: &str) -> Own {
    Own { spoken: spoken.to_owned(), context: context.to_owned() }
}

/// The name of the product, as the daemon tells it too.
const PRODUCT: &str = concat!("skiff ", env!("CARGO_PKG_VERSION"));

impl Own {
    fn text(&self, server: Option<&Vec<u8>>) -> Result<String, Error> {
        let downgraded = match self.spoken == api::VERSION {
            true => String::new(),
            false => format!(" (downgraded from {})", api::VERSION),
        };
        let mut text = format!(
            "Client: {PRODUCT}\n Version:\t{}\n API version:\t{}{downgraded}\n \
             OS/Arch:\tlinux/amd64\n Context:\t{}\n",
            api::ENGINE_VERSION,
            self.spoken,
            self.context,
        );
        if let Some(server) = server {
            let server: Version = crate::json::from_slice(server)
                .map_err(|error| Error::text(error.to_string()))?;
            text.push_str(&server_text(server));
        }
        Ok(table::align(&text, COLUMNS))
    }
}

fn server_text(server: Version) -> String {
    let name = match server.platform.name.as_str() {
        "" => String::new(),
        name => format!(" {name}"),
    };
    let mut text = format!("\nServer:{name}\n");
    let mut components = server.components;
    if components.is_empty() {
        // Daemons before API 1.35 tell of the engine alone.
        let details = [
            ("ApiVersion", &server.api_version),
            ("Arch", &server.arch),
            ("BuildTime", &server.build_time),
            ("GitCommit", &server.git_commit),
            ("GoVersion", &server.go_version),
            ("MinAPIVersion", &server.min_api_version),
            ("Os", &server.os),
        ];
        let details = details.map(|(name, v)| (name.to_owned(), v.clone()));
        components.push(api::system::Component {
            name: "Engine".to_owned(),
            version: server.version.clone(),
            details: details.into_iter().collect(),
        });
    }
    for component in &components {
        let detail =
            |name: &str| component.details.get(name).map_or("", String::as_str);
        text.push_str(&format!(
            " {}:\n  Version:\t{}\n",
            component.name, component.version
        ));
        if component.name != "Engine" {
            for (name, value) in &component.details {
                text.push_str(&format!("  {name}:\t{value}\n"));
            }
            continue;
        }
        text.push_str(&format!(
            "  API version:\t{} (minimum version {})\n  Go version:\t{}\n  \
             Git commit:\t{}\n  Built:\t{}\n  OS/Arch:\t{}/{}\n  \
             Experimental:\t{}\n",
            detail("ApiVersion"),
            detail("MinAPIVersion"),
            detail("GoVersion"),
            detail("GitCommit"),
            built(detail("BuildTime")),
            detail("Os"),
            detail("Arch"),
            detail("Experimental"),
        ));
    }
    text
}

/// Shows a build's time as C's `asctime` does, if it is one.
fn built(text: &str) -> String {
    let Some(time) = Timestamp::parse_rfc3339(text) else {
        return text.to_owned();
    };
    let c = time.civil(0);
    // `Sat, 21 Nov 2026 20:08:35 GMT` has the names.
    let names = time.http_date();
    let (day, month) = (&names[..3], &names[8..11]);
    format!(
        "{day} {month} {:2} {:02}:{:02}:{:02} {}",
        c.day, c.hour, c.minute, c.second, c.year
    )
}

/// Puts the times of builds into the form in which they are shown.
fn show_build_times(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(show_build_times),
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), &*value) {
                    ("BuildTime", Value::String(text)) => {
                        *value = built(text).into();
                    }
                    ("Components" | "Details", _) => show_build_times(value),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Client and server as one value, for templates.
fn both(own: &Own, server: Option<&Vec<u8>>) -> Result<Value, Error> {
    let field = |name: &str, value: &str| (name.to_owned(), Value::from(value));
    let platform = Value::Object(vec![field("Name", PRODUCT)]);
    let mut client = vec![
        ("Platform".to_owned(), platform),
        field("Version", api::ENGINE_VERSION),
        field("ApiVersion", &own.spoken),
        field("DefaultAPIVersion", api::VERSION),
        field("GitCommit", ""),
        field("GoVersion", ""),
        field("Os", "linux"),
        field("Arch", "amd64"),
        field("BuildTime", ""),
        field("Context", &own.context),
    ];
    let hidden = |version: Value| (format!("{HIDDEN}APIVersion"), version);
    // The name of Go's field, which differs from that in JSON.
    client.push(hidden(own.spoken.as_str().into()));
    let server = match server {
        None => Value::Null,
        Some(text) => {
            let mut server: Value = serde_json::from_slice(text)
                .map_err(|error| Error::text(error.to_string()))?;
            let version = server.field("ApiVersion").cloned();
            show_build_times(&mut server);
            if let Value::Object(fields) = &mut server {
                let version = version.unwrap_or_default();
                fields.push(hidden(version));
            }
            server
        }
    };
    Ok(Value::Object(vec![
        ("Client".to_owned(), Value::Object(client)),
        ("Server".to_owned(), server),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_time_is_shown_as_docker_shows_it() {
        assert_eq!(
            built("2026-05-07T21:09:36.000000000+00:00"),
            "Thu May  7 21:09:36 2026"
        );
        assert_eq!(built("library-import"), "library-import");
    }

    #[test]
    fn the_servers_part_is_the_recorded_one() {
        let answer = br#"{"Platform":{"Name":""},"Components":[
            {"Name":"Engine","Version":"28.5.2","Details":{"ApiVersion":
            "1.51","Arch":"amd64","BuildTime":"library-import",
            "Experimental":"false","GitCommit":"v28.5.2","GoVersion":
            "go1.27.3","MinAPIVersion":"1.24","Os":"linux"}},
            {"Name":"docker-init","Version":"0.19.0","Details":
            {"GitCommit":""}}]}"#;
        let text = own("1.50", "default").text(Some(&answer.to_vec())).unwrap();
        assert_eq!(
            text.split_once("\n\n").unwrap().1,
            "Server:\n Engine:\n  Version:          28.5.2\n  API version:      \
             1.51 (minimum version 1.24)\n  Go version:       go1.27.3\n  Git \
             commit:       v28.5.2\n  Built:            library-import\n  \
             OS/Arch:          linux/amd64\n  Experimental:     false\n \
             docker-init:\n  Version:          0.19.0\n  GitCommit:        \n"
        );
        assert!(
            text.contains(" API version:       1.50 (downgraded from 1.51)\n")
        );
    }
}
