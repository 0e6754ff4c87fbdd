//! The activation gate. Listeners are bound before the daemon is ready;
//! their accept threads wait here, and so do the clients, in the backlog.
//!
//! The gate opens for all at once when the channel's sending end closes;
//! what they are to serve stands ready by then. If the opener is dropped
//! unopened, the waiting threads end.

use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, bounded};

/// Opens the gate.
pub struct Opener<T> {
    value: Arc<OnceLock<T>>,
    /// Never sent on: closing it is the signal.
    _closes: Sender<()>,
}

/// The gate as those see it who wait.
pub struct Gate<T> {
    value: Arc<OnceLock<T>>,
    closes: Receiver<()>,
}

/// Makes a closed gate.
pub fn new<T>() -> (Opener<T>, Gate<T>) {
    let (sender, closes) = bounded(0);
    let value = Arc::new(OnceLock::new());
    let opener = Opener { value: value.clone(), _closes: sender };
    (opener, Gate { value, closes })
}

impl<T> Opener<T> {
    /// Opens the gate; all who wait get the value.
    pub fn open(self, value: T) {
        // The opener is used up here, so the cell was empty.
        let _ = self.value.set(value);
    }
}

impl<T: Clone> Gate<T> {
    /// Waits until the gate opens. `None` if it never will.
    pub fn wait(&self) -> Option<T> {
        // Nothing is ever sent: this ends when the channel closes.
        let _ = self.closes.recv();
        self.value.get().cloned()
    }
}

impl<T> Clone for Gate<T> {
    fn clone(&self) -> Gate<T> {
        Gate { value: self.value.clone(), closes: self.closes.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn all_who_wait_get_the_value_at_once() {
        let (opener, gate) = new();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let gate = gate.clone();
                thread::spawn(move || gate.wait())
            })
            .collect();
        opener.open("ready");
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some("ready"));
        }
        assert_eq!(gate.wait(), Some("ready"));
    }

    #[test]
    fn a_gate_that_never_opens_lets_nobody_wait_for_ever() {
        let (opener, gate) = new::<u8>();
        drop(opener);
        assert_eq!(gate.wait(), None);
    }
}
