//! Which media types a request's body may have.

use super::error::Error;
use super::reply::JSON;

/// Refuses a body that is not JSON by its `Content-Type`, in Docker's words.
pub(super) fn check_json(content_type: &str) -> Result<(), Error> {
    let media = content_type.split(';').next().unwrap_or("").trim();
    if media.is_empty() {
        return Err(Error::bad_request(format!(
            "malformed Content-Type header ({content_type}): mime: no media \
             type"
        )));
    }
    if !media.eq_ignore_ascii_case(JSON) {
        return Err(Error::bad_request(format!(
            "unsupported Content-Type header ({content_type}): must be \
             '{JSON}'"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_taken_for_json() {
        assert!(check_json("application/json").is_ok());
        assert!(check_json("Application/JSON; charset=utf-8").is_ok());
        assert_eq!(
            check_json("text/plain").unwrap_err().to_string(),
            "unsupported Content-Type header (text/plain): must be \
             'application/json'"
        );
        assert!(check_json("").is_err() && check_json(";").is_err());
    }
}
