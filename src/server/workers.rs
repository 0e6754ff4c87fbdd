//! The worker threads of one listener: one for each connection, and used
//! again for the next one if that comes soon. A thread that has had nothing
//! to do for a while ends: an idle listener has none.
//!
//! ```text
//! give ─▶ a spare thread, else a new one ─▶ work ─▶ spare ─▶ … ─▶ ends
//!              └ else, at the bound, the first that gets done
//! ```

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    most: usize,
    stack: usize,
}

struct Shared<T> {
    queue: Receiver<T>,
    /// Held for an addition.
    counts: Mutex<Counts>,
    work: Box<dyn Fn(T) + Send + Sync>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// The threads that there are.
    threads: usize,
    /// Those of them that wait for work, less the tasks that none has got
    /// yet.
    spare: isize,
}

impl<T: Send + 'static> Workers<T> {
    /// Makes a set without threads: there will be `most` at once, with
    /// stacks of `stack` bytes.
    pub fn new(
        most: usize,
        stack: usize,
        work: impl Fn(T) + Send + Sync + 'static,
    ) -> Workers<T> {
        let (tasks, queue) = unbounded();
        let (counts, work) = (Mutex::default(), Box::new(work));
        let shared = Arc::new(Shared { queue, counts, work });
        Workers { tasks, shared, most, stack }
    }

    /// Lets a thread do this. If there is none and none can be started, the
    /// task is given back.
    pub fn give(&self, task: T) -> Result<(), (io::Error, T)> {
        if self.shared.claim(self.most) == Claimed::New
            && let Err(error) = self.start()
        {
            self.shared.lock().threads -= 1;
            return Err((error, task));
        }
        // There is a receiver as long as there is `shared`.
        self.tasks.send(task).map_err(|e| (io::Error::other("closed"), e.0))
    }

    fn start(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name("worker".to_string());
        builder.stack_size(self.stack).spawn(move || shared.run())?;
        Ok(())
    }
}

/// Who does a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claimed {
    /// A thread that is there.
    Present,
    /// One that is to be started, and counts already.
    New,
}

impl<T> Shared<T> {
    /// Finds a thread for one task.
    fn claim(&self, most: usize) -> Claimed {
        let mut counts = self.lock();
        if counts.spare <= 0 && counts.threads < most {
            counts.threads += 1;
            return Claimed::New;
        }
        counts.spare -= 1;
        Claimed::Present
    }

    fn run(&self) {
        while let Some(task) = self.next() {
            // The panic is told by its hook; the next connection is
            // another one.
            let _ = catch_unwind(AssertUnwindSafe(|| (self.work)(task)));
            self.lock().spare += 1;
        }
        // Its stack stays with the C library, which keeps up to 40 MB.
        sys::memory::drop_stack();
    }

    /// Waits for a task; none if there is none for long.
    fn next(&self) -> Option<T> {
        match self.queue.recv_timeout(SPARE_FOR) {
            Ok(task) => Some(task),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) if self.leave() => None,
            // A task is on the way.
            Err(RecvTimeoutError::Timeout) => self.queue.recv().ok(),
        }
    }

    /// Counts the calling thread out, unless there is a task for it.
    fn leave(&self) -> bool {
        let mut counts = self.lock();
        let is_spare = counts.spare > 0;
        if is_spare {
            counts.spare -= 1;
            counts.threads -= 1;
        }
        is_spare
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::server::tests::eventually;

    #[test]
    fn a_spare_thread_is_used_again_and_ends_when_it_is_idle() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = seen.clone();
        let workers = Workers::new(8, 256 * 1024, move |_: u32| {
            note.lock().unwrap().push(thread::current().id());
        });
        for n in 0..20 {
            workers.give(n).unwrap();
            eventually("it is spare again", || {
                workers.shared.lock().spare == 1
            });
        }
        let threads: HashSet<_> = seen.lock().unwrap().drain(..).collect();
        assert_eq!(threads.len(), 1);
        eventually("it ends", || {
            *workers.shared.lock() == Counts::default()
                && Arc::strong_count(&workers.shared) == 1
        });
        workers.give(20).unwrap();
        eventually("the last is done", || seen.lock().unwrap().len() == 1);
    }

    #[test]
    fn tasks_at_once_have_a_thread_each() {
        let together = Arc::new(std::sync::Barrier::new(9));
        let inside = together.clone();
        let workers = Workers::new(8, 256 * 1024, move |_: u32| {
            inside.wait();
        });
        for round in 0..3 {
            for n in 0..8 {
                workers.give(round * 8 + n).unwrap();
            }
            together.wait();
        }
    }

    #[test]
    fn at_the_bound_a_task_waits_for_the_first_that_gets_done() {
        let (open, gate) = unbounded::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        let counted = done.clone();
        let workers = Workers::new(2, 256 * 1024, move |_: u32| {
            gate.recv().unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
        });
        for n in 0..5 {
            workers.give(n).unwrap();
        }
        assert_eq!(*workers.shared.lock(), Counts { threads: 2, spare: -3 });
        for so_far in 1..=5 {
            open.send(()).unwrap();
            eventually("one gets done", || {
                done.load(Ordering::SeqCst) == so_far
            });
        }
        eventually("both are spare", || workers.shared.lock().spare == 2);
        eventually("both end", || *workers.shared.lock() == Counts::default());
    }

    #[test]
    fn a_task_that_panics_takes_no_thread_with_it() {
        let workers = Workers::new(1, 256 * 1024, |n: u32| {
            assert!(n > 0, "on purpose");
        });
        for n in 0..3 {
            workers.give(n).unwrap();
        }
        let idle = Counts { threads: 1, spare: 1 };
        eventually("all are done", || *workers.shared.lock() == idle);
    }
}
