//! Threads of which one runs at a time, as long as it is let.
//!
//! The code that is simulated blocks: it asks the cluster and waits for the answer, it commits and waits for the
//! disk. So it runs on threads of its own, and wherever it would wait it hands the baton back to whoever
//! schedules. Between two such places nothing else runs, and the order of all is the scheduler's choice.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use flightline_stream::mutant::{self, Mutant};

/// Where a thread has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// It has nothing to do.
    Idle,
    /// In front of a question to the cluster, or of its answer, or of a commit. `writes`: it keeps the other thread
    /// of its process from writing and reading meanwhile.
    Outside {
        /// See above.
        writes: bool,
    },
    /// It waits until a time of the simulation, in milliseconds.
    Asleep {
        /// Until then.
        until_ms: u64,
        /// As above.
        writes: bool,
    },
}

impl At {
    /// Does it keep the other thread of its process from going on?
    pub(super) fn writes(self) -> bool {
        match self {
            At::Idle => false,
            At::Outside { writes } | At::Asleep { writes, .. } => writes,
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

enum Phase {
    Stopped(At),
    Running(Option<Job>),
    Panicked(String),
    Ended,
}

struct Baton {
    phase: Mutex<Phase>,
    changed: Condvar,
}

thread_local! {
    static MINE: RefCell<Option<Arc<Baton>>> = const { RefCell::new(None) };
}

impl Baton {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.lock() = phase;
        self.changed.notify_all();
    }

    fn wait_while(&self, is_so: impl Fn(&Phase) -> bool) -> MutexGuard<'_, Phase> {
        let phase = self.lock();
        let waited = self.changed.wait_while(phase, |phase| is_so(phase));
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the baton back, and returns when it is this thread's again. A thread without one just goes on.
pub(super) fn stop_at(at: At) {
    let mine = MINE.with(|mine| mine.borrow().clone());
    if let Some(baton) = mine {
        baton.set(Phase::Stopped(at));
        drop(baton.wait_while(|phase| !matches!(phase, Phase::Running(_))));
    }
}

/// Does the calling thread have a baton to hand back?
pub(super) fn is_scheduled() -> bool {
    MINE.with(|mine| mine.borrow().is_some())
}

/// One thread.
pub(super) struct Runner {
    baton: Arc<Baton>,
    thread: Option<JoinHandle<()>>,
}

impl Runner {
    pub(super) fn start(mutant: Option<Mutant>) -> Self {
        let baton = Arc::new(Baton {
            phase: Mutex::new(Phase::Stopped(At::Idle)),
            changed: Condvar::new(),
        });
        let theirs = baton.clone();
        let thread = std::thread::spawn(move || {
            mutant::turn_on(mutant);
            MINE.with(|mine| *mine.borrow_mut() = Some(theirs.clone()));
            run(&theirs);
        });
        Self {
            baton,
            thread: Some(thread),
        }
    }

    /// Where it is.
    pub(super) fn at(&self) -> At {
        match &*self.baton.lock() {
            Phase::Stopped(at) => *at,
            _ => At::Idle,
        }
    }

    /// Gives it something to do, or the baton back, and waits until it stops.
    ///
    /// # Errors
    /// It panicked, with this message.
    pub(super) fn go_on(&self, job: Option<Job>) -> Result<At, String> {
        self.baton.set(Phase::Running(job));
        let mut phase = self
            .baton
            .wait_while(|phase| matches!(phase, Phase::Running(_)));
        match &mut *phase {
            Phase::Stopped(at) => Ok(*at),
            Phase::Panicked(what) => {
                let what = std::mem::take(what);
                *phase = Phase::Stopped(At::Idle);
                Err(what)
            }
            Phase::Running(_) | Phase::Ended => Err("the thread has ended".to_owned()),
        }
    }
}

fn run(baton: &Baton) {
    loop {
        let mut phase = baton.wait_while(|phase| matches!(phase, Phase::Stopped(_)));
        let job = match &mut *phase {
            Phase::Running(job) => job.take(),
            _ => return,
        };
        drop(phase);
        let Some(job) = job else {
            baton.set(Phase::Stopped(At::Idle));
            continue;
        };
        let done = catch_unwind(AssertUnwindSafe(job));
        baton.set(match done {
            Ok(()) => Phase::Stopped(At::Idle),
            Err(panic) => Phase::Panicked(message(&*panic)),
        });
    }
}

/// What a panic says.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.baton.set(Phase::Ended);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
