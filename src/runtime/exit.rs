//! How a program ended, as Docker counts it.

/// The end of a process, from `wait4(2)`'s status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Docker's exit code: the program's own, or 128 + signal.
    pub code: i32,
    /// The signal that killed it.
    pub signal: Option<i32>,
}

impl Ended {
    /// Reads a wait status; a status that is no end (stopped, continued)
    /// counts as 255.
    pub fn from_wait_status(status: i32) -> Ended {
        let signal = status & 0x7f;
        if signal == 0 {
            return Ended { code: (status >> 8) & 0xff, signal: None };
        }
        if signal == 0x7f {
            return Ended { code: 255, signal: None };
        }
        Ended { code: 128 + signal, signal: Some(signal) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_docker() {
        let code = |status| Ended::from_wait_status(status).code;
        assert_eq!(code(0), 0);
        assert_eq!(code(3 << 8), 3);
        assert_eq!(code(9), 137);
        assert_eq!(code(15 | 0x80), 143);
        assert_eq!(code(0x137f), 255);
        assert_eq!(Ended::from_wait_status(9).signal, Some(9));
    }
}
