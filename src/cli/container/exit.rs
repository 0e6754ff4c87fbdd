//! From the daemon's answers to exit statuses.

use crate::api::container::WaitResponse;
use crate::cli::error::Error;
use crate::client;

/// The status to exit with when the container has ended.
pub fn status(
    ended: Result<WaitResponse, client::Error>,
) -> Result<i32, Error> {
    match ended {
        Ok(WaitResponse { error: Some(error), .. }) => Err(Error::Text(
            format!("Error waiting for container: {}", error.message),
            125,
        )),
        Ok(ended) => Ok(code(ended.status_code)),
        Err(error) => Err(Error::Text(
            format!("Error waiting for container: {error}"),
            125,
        )),
    }
}

/// A process can end with 0 to 255 only.
fn code(status: i64) -> i32 {
    i32::from((status & 0xff) as u8)
}

/// The status of a container that could not be started, which the daemon
/// tells in words only: 127 when the program was not found, 126 when it
/// could not be executed, else 125.
pub fn of_refusal(text: &str) -> i32 {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["executable file not found", "no such file or directory"]) {
        return 127;
    }
    if says(&["permission denied", "is a directory"]) {
        return 126;
    }
    125
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_their_words() {
        let runc = "failed to create task for container: failed to create \
                    shim task: OCI runtime create failed: runc create \
                    failed: unable to start container process: exec: ";
        let cases = [
            (format!("{runc}\"x\": executable file not found in $PATH"), 127),
            (format!("{runc}\"/x\": stat /x: no such file or directory"), 127),
            (format!("{runc}\"/etc\": permission denied: unknown"), 126),
            (format!("{runc}\"/etc\": is a directory: unknown"), 126),
            ("network nosuch not found".to_owned(), 125),
        ];
        for (text, status) in cases {
            assert_eq!(of_refusal(&text), status, "{text}");
        }
    }

    #[test]
    fn waits_that_fail_give_125() {
        let answer = |text: &str| {
            status(Ok(crate::json::from_slice::<WaitResponse>(text.as_bytes())
                .unwrap()))
        };
        assert_eq!(answer("{\"StatusCode\":7}").unwrap(), 7);
        let failed =
            answer("{\"Error\":{\"Message\":\"x\"},\"StatusCode\":-1}");
        assert_eq!(failed.unwrap_err().status(), 125);
    }
}
