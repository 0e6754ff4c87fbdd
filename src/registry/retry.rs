//! How long to wait for a registry, and how often to try again.

use std::time::Duration;

use super::Error;

/// Time-outs and attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// To resolve, connect and shake hands.
    pub connect: Duration,
    /// How long a connection may give no byte.
    pub stall: Duration,
    /// How long a manifest or a token may take as a whole.
    pub document: Duration,
    /// How often a manifest or a token is asked for.
    pub document_attempts: u32,
    /// How often in a row a blob may fail without getting on.
    pub blob_attempts: u32,
    /// The wait before the second attempt; it doubles with each.
    pub first_delay: Duration,
    /// The longest wait between attempts.
    pub longest_delay: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            document: Duration::from_secs(60),
            document_attempts: 3,
            blob_attempts: 5,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(20),
        }
    }
}

impl Pace {
    /// Returns the wait after the `failures`-th failure (from 1) in a row,
    /// or nothing if another attempt is of no use.
    pub fn delay(
        &self,
        error: &Error,
        failures: u32,
        attempts: u32,
    ) -> Option<Duration> {
        if failures >= attempts || !error.is_transient() {
            return None;
        }
        let doubled = self
            .first_delay
            .saturating_mul(1 << failures.saturating_sub(1).min(16))
            .min(self.longest_delay);
        match error.retry_after() {
            // Nobody waits for minutes in front of a progress bar.
            Some(asked) if asked > self.longest_delay => None,
            Some(asked) => Some(asked.max(doubled)),
            None => Some(doubled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        Error::Answer { answer: Answer::Status(status), retry_after }
    }

    #[test]
    fn the_wait_doubles_up_to_a_bound() {
        let pace = Pace::default();
        let error = status(503, None);
        let waits: Vec<u128> = (1..9)
            .map(|n| pace.delay(&error, n, 20).unwrap().as_millis())
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
        assert_eq!(pace.delay(&error, 5, 5), None);
    }

    #[test]
    fn the_servers_wish_counts_within_bounds() {
        let pace = Pace::default();
        let wish = |seconds| pace.delay(&status(503, Some(seconds)), 1, 5);
        assert_eq!(wish(3), Some(Duration::from_secs(3)));
        assert_eq!(wish(0), Some(pace.first_delay));
        assert_eq!(wish(3600), None);
    }

    #[test]
    fn a_final_error_is_not_tried_again() {
        let pace = Pace::default();
        assert_eq!(pace.delay(&Error::Cancelled, 1, 5), None);
        assert_eq!(pace.delay(&status(404, None), 1, 5), None);
    }
}
