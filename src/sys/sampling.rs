//! Where threads are: samples of all that run (a CPU profile), and the stack
//! of one thread. Both are taken in the handler of SIGPROF, the only signal
//! handler of this program.
//!
//! ```text
//! setitimer ─ 100 times a second of CPU time ─▶ SIGPROF to who runs ─┐
//! tgkill ─────────────── the asked thread ─▶ SIGPROF ─┐              │
//!                                    walk, answer ◀───┘  walk, count ◀┘
//! ```
//!
//! The timer is not inherited by children, and an exec puts the handler
//! away. It stays once it was set: a signal that comes late would end the
//! process otherwise. It interrupts system calls, so whoever waits in one
//! has to be ready for EINTR.

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering,
};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use super::stacks::{Counted, Table};
use super::unwind::{self, DEPTH, Registers};
use super::{Error, Result};

/// Samples for each second of CPU time.
pub const HERTZ: u32 = 100;

/// How long a thread has to tell where it is.
const ANSWER_TIME: Duration = Duration::from_millis(50);

static SAMPLES: Table<2048, DEPTH> = Table::empty();
/// Whether somebody takes a profile.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the handler is to count.
static COUNTING: AtomicBool = AtomicBool::new(false);
/// How many threads are in the handler.
static INSIDE: AtomicU32 = AtomicU32::new(0);

/// The thread that is asked for its stack; negative once it answers.
static ASKED: AtomicI32 = AtomicI32::new(0);
static ANSWERED: AtomicBool = AtomicBool::new(false);
static ANSWER: [AtomicUsize; DEPTH] = [const { AtomicUsize::new(0) }; DEPTH];
static ANSWER_DEPTH: AtomicUsize = AtomicUsize::new(0);

/// A running CPU profile; there is one at a time.
#[derive(Debug)]
pub struct Profile(());

/// What a CPU profile has found.
#[derive(Clone, Debug)]
pub struct Samples {
    /// The stacks; the first counter says how many times each was seen.
    pub stacks: Vec<Counted>,
    /// How many samples found no room.
    pub lost: u64,
}

impl Profile {
    /// Starts to take samples; none if somebody else does.
    pub fn start() -> Result<Option<Profile>> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let profile = Profile(());
        install();
        SAMPLES.clear();
        COUNTING.store(true, Ordering::Release);
        set_timer(1_000_000 / HERTZ)?;
        Ok(Some(profile))
    }

    /// Stops, and returns what was found.
    pub fn stop(self) -> Samples {
        end();
        let stacks = SAMPLES.all();
        Samples { stacks, lost: SAMPLES.lost() }
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        end();
        TAKEN.store(false, Ordering::Release);
    }
}

fn end() {
    // A valid timer can always be taken back.
    let _ = set_timer(0);
    COUNTING.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + ANSWER_TIME;
    while INSIDE.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
}

/// Returns the stack of a thread of this process, innermost frame first;
/// none if it does not answer in time.
pub fn stack_of(thread: i32) -> Option<Vec<usize>> {
    // Held by who asks: there is one answer.
    static ASKER: Mutex<()> = Mutex::new(());
    let _asker = ASKER.lock().unwrap_or_else(PoisonError::into_inner);
    install();
    if thread == own_thread() {
        return Some(unwind::walk(Registers::here()).frames().to_vec());
    }
    if ASKED.load(Ordering::Acquire) != 0 {
        // A thread is still answering the one who asked before.
        return None;
    }
    ANSWERED.store(false, Ordering::Relaxed);
    ASKED.store(thread, Ordering::Release);
    // SAFETY: tgkill has no memory preconditions; the handler is installed.
    let told = unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGPROF)
    };
    let deadline = Instant::now() + ANSWER_TIME;
    while told == 0
        && !ANSWERED.load(Ordering::Acquire)
        && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_micros(50));
    }
    if !ANSWERED.load(Ordering::Acquire) {
        let _ = ASKED.compare_exchange(
            thread,
            0,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        return None;
    }
    let depth = ANSWER_DEPTH.load(Ordering::Relaxed).min(DEPTH);
    let frames = ANSWER[..depth].iter();
    Some(frames.map(|f| f.load(Ordering::Relaxed)).collect())
}

fn own_thread() -> i32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}

fn set_timer(micros: u32) -> Result<()> {
    let time = libc::timeval { tv_sec: 0, tv_usec: micros.into() };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: the new value is valid, the old one is not asked for.
    let rc = unsafe {
        libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut())
    };
    match rc {
        0 => Ok(()),
        _ => Err(Error::last("setitimer(ITIMER_PROF, …)")),
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        unwind::prepare();
        // SAFETY: an all-zero sigaction is valid; the handler has the form
        // that SA_SIGINFO asks for, and does only what a handler may.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(_, _, _) = on_signal;
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut());
        }
    });
}

/// Touches atomics, the own stack and system calls, nothing else: whatever
/// was interrupted may hold any lock.
extern "C" fn on_signal(
    _: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes valid pointers to SA_SIGINFO handlers
    // (sigaction(2)); the location of errno is the thread's own.
    let (errno, code, context) = unsafe {
        (
            *libc::__errno_location(),
            (*info).si_code,
            &*context.cast::<libc::ucontext_t>(),
        )
    };
    INSIDE.fetch_add(1, Ordering::SeqCst);
    match code {
        libc::SI_TKILL => answer(context),
        _ if COUNTING.load(Ordering::SeqCst) => {
            let stack = unwind::walk(Registers::interrupted(context));
            if let Some(place) = SAMPLES.place(stack.frames()) {
                SAMPLES.add(place, 0, 1);
            }
        }
        _ => {}
    }
    INSIDE.fetch_sub(1, Ordering::SeqCst);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

fn answer(context: &libc::ucontext_t) {
    let own = own_thread();
    let asked =
        ASKED.compare_exchange(own, -own, Ordering::AcqRel, Ordering::Relaxed);
    if asked.is_err() {
        return;
    }
    let stack = unwind::walk(Registers::interrupted(context));
    for (slot, frame) in ANSWER.iter().zip(stack.frames()) {
        slot.store(*frame, Ordering::Relaxed);
    }
    ANSWER_DEPTH.store(stack.frames().len(), Ordering::Relaxed);
    ASKED.store(0, Ordering::Release);
    ANSWERED.store(true, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::mpsc;

    use super::*;
    use crate::sys::unwind::function_of;

    #[inline(never)]
    fn burn(end: Instant) -> u64 {
        let mut sum = 0;
        while Instant::now() < end {
            for n in 0..50_000u64 {
                sum = black_box(sum ^ n.wrapping_mul(3));
            }
        }
        black_box(sum)
    }

    #[test]
    fn a_profile_finds_who_burns_and_there_is_one_at_a_time() {
        let profile = Profile::start().unwrap().expect("nobody profiles");
        assert!(Profile::start().unwrap().is_none());
        let until = || Instant::now() + Duration::from_millis(300);
        std::thread::scope(|scope| {
            scope.spawn(|| burn(until()));
            burn(until());
        });
        let samples = profile.stop();
        let of_burn = |stack: &&Counted| {
            let wanted = Some(burn as *const () as usize);
            stack.frames.iter().any(|f| function_of(f - 1) == wanted)
        };
        let burnt = samples.stacks.iter().filter(of_burn);
        let burnt: u64 = burnt.map(|s| s.counters[0]).sum();
        assert!(burnt >= 5, "{burnt} of {samples:?}");
        assert!(Profile::start().unwrap().is_some());
    }

    #[inline(never)]
    fn block(receiver: mpsc::Receiver<()>, tell: mpsc::Sender<i32>) {
        tell.send(own_thread()).unwrap();
        black_box(receiver.recv().is_ok());
    }

    #[test]
    fn a_thread_that_waits_tells_where_and_waits_on() {
        let (tell, told) = mpsc::channel();
        let (wake, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || block(receiver, tell));
        let id = told.recv().unwrap();
        let wanted = Some(block as *const () as usize);
        for _ in 0..20 {
            let stack = stack_of(id).expect("it answers");
            let mut functions = stack.iter().map(|f| function_of(f - 1));
            assert!(functions.any(|f| f == wanted), "{stack:x?}");
        }
        assert!(!thread.is_finished());
        wake.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(stack_of(id), None, "it is gone");
        assert!(stack_of(own_thread()).is_some());
    }
}
