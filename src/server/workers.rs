//! The worker threads of one listener: one for each connection, and used
//! again for the next one if that comes soon. A thread that has had nothing
//! to do for a while ends: an idle listener has none.
//!
//! ```text
//! give ─▶ a spare thread, else a new one ─▶ work ─▶ spare ─▶ … ─▶ ends
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::sys;

/// How long a thread waits for something to do.
const SPARE_FOR: Duration = Duration::from_secs(1);

/// Starts threads and gives them work.
pub struct Workers<T: 'static> {
    tasks: Sender<T>,
    shared: Arc<Shared<T>>,
    stack: usize,
}

struct Shared<T> {
    queue: Receiver<T>,
    /// How many threads wait for work that was not promised them yet.
    spare: AtomicUsize,
    work: Box<dyn Fn(T) + Send + Sync>,
}

impl<T: Send + 'static> Workers<T> {
    /// Makes a set without threads, which will have stacks of `stack`
    /// bytes.
    pub fn new(
        stack: usize,
        work: impl Fn(T) + Send + Sync + 'static,
    ) -> Workers<T> {
        let (tasks, queue) = unbounded();
        let spare = AtomicUsize::new(0);
        let work = Box::new(work);
        let shared = Arc::new(Shared { queue, spare, work });
        Workers { tasks, shared, stack }
    }

    /// Lets a thread do this. If there is none and none can be started, the
    /// task is given back.
    pub fn give(&self, task: T) -> Result<(), (io::Error, T)> {
        if !self.shared.claim() {
            let shared = Arc::clone(&self.shared);
            let builder = thread::Builder::new().name("worker".to_string());
            let builder = builder.stack_size(self.stack);
            if let Err(error) = builder.spawn(move || shared.run()) {
                return Err((error, task));
            }
        }
        // There is a receiver as long as there is `shared`.
        self.tasks.send(task).map_err(|e| (io::Error::other("closed"), e.0))
    }
}

impl<T> Shared<T> {
    /// Takes a spare thread, if there is one: the next task is for it.
    fn claim(&self) -> bool {
        let less = |spare: usize| spare.checked_sub(1);
        self.spare
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less)
            .is_ok()
    }

    /// A thread, which was started because there is a task.
    fn run(&self) {
        let mut next = self.queue.recv().ok();
        while let Some(task) = next {
            (self.work)(task);
            self.spare.fetch_add(1, Ordering::AcqRel);
            next = match self.queue.recv_timeout(SPARE_FOR) {
                Ok(task) => Some(task),
                Err(RecvTimeoutError::Disconnected) => None,
                Err(RecvTimeoutError::Timeout) if self.claim() => None,
                // It was claimed: its task is on the way.
                Err(RecvTimeoutError::Timeout) => self.queue.recv().ok(),
            };
        }
        // Its stack stays with the C library, which keeps up to 40 MB.
        sys::memory::drop_stack();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::*;
    use crate::server::tests::eventually;

    #[test]
    fn a_spare_thread_is_used_again_and_ends_when_it_is_idle() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = seen.clone();
        let workers = Workers::new(256 * 1024, move |_: u32| {
            note.lock().unwrap().push(thread::current().id());
        });
        for n in 0..20 {
            workers.give(n).unwrap();
            eventually("it is spare again", || {
                workers.shared.spare.load(Ordering::SeqCst) == 1
            });
        }
        let threads: HashSet<_> = seen.lock().unwrap().drain(..).collect();
        assert_eq!(threads.len(), 1);
        eventually("it ends", || {
            workers.shared.spare.load(Ordering::SeqCst) == 0
                && Arc::strong_count(&workers.shared) == 1
        });
        workers.give(20).unwrap();
        eventually("the last is done", || seen.lock().unwrap().len() == 1);
    }

    #[test]
    fn tasks_at_once_have_a_thread_each() {
        let together = Arc::new(std::sync::Barrier::new(9));
        let inside = together.clone();
        let workers = Workers::new(256 * 1024, move |_: u32| {
            inside.wait();
        });
        for round in 0..3 {
            for n in 0..8 {
                workers.give(round * 8 + n).unwrap();
            }
            together.wait();
        }
    }
}
