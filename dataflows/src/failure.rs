//! What all threads of one dataflow share: how far it is, and whether it is still sound.

use std::any::Any;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

use parking_lot::Mutex;

use crate::config::OnFailure;

/// The dataflow is dead: a thread of it met a broken invariant (or a sink panicked).
///
/// Nothing that comes out of it after this can be trusted to be complete, so nothing does; a
/// replica should abort, and start again from the stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the dataflow stopped: {thread} failed: {message}")]
pub struct Failure {
    /// Which thread.
    pub thread: String,
    /// Its panic message.
    pub message: String,
}

/// State shared by the handle, the workers and the collector.
pub(crate) struct Shared {
    failure: OnceLock<Failure>,
    stop: AtomicBool,
    snapshot: AtomicBool,
    on_failure: Option<OnFailure>,
    workers: Mutex<Vec<Thread>>,
    pub(crate) records_sent: AtomicU64,
    pub(crate) records_done: AtomicU64,
    pub(crate) epochs_closed: AtomicU64,
    pub(crate) epochs_done: AtomicU64,
}

impl Shared {
    pub(crate) fn new(on_failure: Option<OnFailure>) -> Self {
        Self {
            failure: OnceLock::new(),
            stop: AtomicBool::new(false),
            snapshot: AtomicBool::new(false),
            on_failure,
            workers: Mutex::new(Vec::new()),
            records_sent: AtomicU64::new(0),
            records_done: AtomicU64::new(0),
            epochs_closed: AtomicU64::new(0),
            epochs_done: AtomicU64::new(0),
        }
    }

    /// Registers a worker's thread, to be woken when the dataflow stops.
    pub(crate) fn add_worker(&self, thread: Thread) {
        self.workers.lock().push(thread);
    }

    /// Poisons the dataflow with a panic caught on `thread`. The first one counts.
    pub(crate) fn fail(&self, thread: String, panic: &(dyn Any + Send)) {
        let message = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        let failure = Failure { thread, message };
        let first = self.failure.set(failure.clone()).is_ok();
        // Told before anything else of the dataflow ends because of it.
        if first && let Some(hook) = &self.on_failure {
            hook(&failure);
        }
        self.stop();
    }

    /// The failure, if there is one.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    /// The failure behind a closed channel.
    pub(crate) fn failure_or_stopped(&self) -> Failure {
        self.failure().cloned().unwrap_or_else(|| Failure {
            thread: "the dataflow".to_owned(),
            message: "it was shut down".to_owned(),
        })
    }

    /// Makes every thread leave as soon as it can, without finishing.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers.lock().iter() {
            worker.unpark();
        }
    }

    /// Is it over, because it failed or was abandoned?
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.failure.get().is_some()
    }

    /// Epoch 0 stands for a history: its decisions and rejects are not kept. Said before the first
    /// record is sent; the channels order it before them.
    pub(crate) fn set_snapshot(&self) {
        self.snapshot.store(true, Ordering::Release);
    }

    /// Is this epoch a snapshot?
    pub(crate) fn is_snapshot(&self, epoch: u64) -> bool {
        epoch == 0 && self.snapshot.load(Ordering::Acquire)
    }
}
