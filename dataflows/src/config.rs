//! What a dataflow is started with.

use std::fmt;
use std::sync::Arc;

use flightline_ledger::Ledger;

use crate::failure::Failure;

/// The most partitions a stream can have.
pub const PARTITIONS_MAX: u32 = 65_536;

/// The most workers a dataflow can have.
pub const WORKERS_MAX: usize = 256;

/// Called once, on the thread that failed, when the dataflow cannot go on.
pub type OnFailure = Arc<dyn Fn(&Failure) + Send + Sync>;

/// How to run the dataflow. None of this changes what comes out: only how fast.
#[derive(Clone)]
pub struct Config {
    /// Partitions of the stream; partition `p` is folded by worker `p % workers`.
    pub partitions: u32,
    /// Worker threads. One worker folds more than a machine's log and network deliver; more pay
    /// where cores are many and epochs large, since workers wait for each other at each epoch.
    pub workers: usize,
    /// Batches (calls of [`send`](crate::Dataflow::send)) that may wait in front of each worker
    /// before `send` blocks.
    pub queue_batches: usize,
    /// Closed epochs whose parts may wait for the [`EpochSink`](crate::changelog::EpochSink) before
    /// the workers wait for it.
    pub queue_epochs: usize,
    /// Flights in each partition that are kept as they are worked on though nobody holds a seat of them; the
    /// others are packed. See [`Ledger::keep_unpacked`](flightline_ledger::Ledger::keep_unpacked).
    pub flights_unpacked: usize,
    /// Told at once when a worker or a sink panics, so that a replica can abort; every call on the
    /// dataflow fails from then on.
    pub on_failure: Option<OnFailure>,
}

impl Config {
    /// One worker over the given number of partitions.
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions,
            workers: 1,
            queue_batches: 64,
            queue_epochs: 1024,
            flights_unpacked: Ledger::FLIGHTS_UNPACKED,
            on_failure: None,
        }
    }

    /// The same with another number of workers.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    pub(crate) fn check(&self) -> Result<(), StartError> {
        let within = |name, value: u64, max: u64| {
            if (1..=max).contains(&value) {
                Ok(())
            } else {
                Err(StartError::OutOfRange { name, value, max })
            }
        };
        within(
            "partitions",
            u64::from(self.partitions),
            u64::from(PARTITIONS_MAX),
        )?;
        within("workers", self.workers as u64, WORKERS_MAX as u64)?;
        within("queue_batches", self.queue_batches as u64, 1 << 20)?;
        within("queue_epochs", self.queue_epochs as u64, 1 << 20)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("partitions", &self.partitions)
            .field("workers", &self.workers)
            .field("queue_batches", &self.queue_batches)
            .field("queue_epochs", &self.queue_epochs)
            .field("flights_unpacked", &self.flights_unpacked)
            .field("on_failure", &self.on_failure.is_some())
            .finish()
    }
}

/// Why a dataflow did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is outside its range.
    #[error("{name} is {value}, but must be 1 to {max}")]
    OutOfRange {
        /// Name of the setting.
        name: &'static str,
        /// What it was.
        value: u64,
        /// The most it can be.
        max: u64,
    },
    /// The system gave no thread.
    #[error("cannot start the threads of the dataflow: {0}")]
    Threads(String),
    /// A worker failed while it set itself up.
    #[error(transparent)]
    Failed(#[from] Failure),
}
