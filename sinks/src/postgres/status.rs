//! How the sink is doing, for metrics, readiness and tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PostgresError;

/// Counters of a sink, written by its thread and read by anyone.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) begun: Instant,
    /// Epochs that came.
    pub(super) taken_epochs: AtomicU64,
    pub(super) pending_epochs: AtomicU64,
    pub(super) pending_rows: AtomicU64,
    pub(super) pending_bytes: AtomicU64,
    pub(super) spooled_bytes: AtomicU64,
    /// Milliseconds from `begun`, and one more; 0 = nothing is pending.
    pub(super) pending_since_ms: AtomicU64,
    /// As above; 0 = never.
    pub(super) last_commit_ms: AtomicU64,
    pub(super) last_commit_lag_us: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) epochs_written: AtomicU64,
    pub(super) rows_written: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    pub(super) write_us: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) connected: AtomicBool,
    pub(super) paused: AtomicBool,
    pub(super) failed: Mutex<Option<Arc<PostgresError>>>,
    /// What the last attempt said, while attempts fail.
    pub(super) trouble: Mutex<Option<String>>,
}

/// The counters at one moment.
#[derive(Clone, Debug)]
pub struct PostgresStatus {
    /// Epochs that are not written yet.
    pub pending_epochs: u64,
    /// Their rows, as far as they are merged already.
    pub pending_rows: u64,
    /// Memory that they take, near enough.
    pub pending_bytes: u64,
    /// Disk that they take.
    pub spooled_bytes: u64,
    /// How long the oldest of them waits; zero when there is none. This is the lag.
    pub lag: Duration,
    /// How long ago the last transaction was committed.
    pub since_last_commit: Option<Duration>,
    /// How long the oldest epoch of that transaction had waited when it was committed.
    pub last_commit_lag: Duration,
    /// Transactions committed.
    pub commits: u64,
    /// Epochs written.
    pub epochs_written: u64,
    /// Rows inserted, changed and removed.
    pub rows_written: u64,
    /// Bytes sent for them.
    pub bytes_written: u64,
    /// Time spent in transactions.
    pub write_time: Duration,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Is there a connection?
    pub connected: bool,
    /// Told to pause.
    pub paused: bool,
    /// Why the sink has stopped for good, if it has.
    pub failed: Option<Arc<PostgresError>>,
    /// Why the last attempt failed, while attempts fail.
    pub trouble: Option<String>,
}

impl Status {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            taken_epochs: AtomicU64::new(0),
            pending_epochs: AtomicU64::new(0),
            pending_rows: AtomicU64::new(0),
            pending_bytes: AtomicU64::new(0),
            spooled_bytes: AtomicU64::new(0),
            pending_since_ms: AtomicU64::new(0),
            last_commit_ms: AtomicU64::new(0),
            last_commit_lag_us: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            epochs_written: AtomicU64::new(0),
            rows_written: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            write_us: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            connected: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            failed: Mutex::new(None),
            trouble: Mutex::new(None),
        }
    }

    /// An instant as it is stored.
    pub(super) fn mark(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.begun).as_millis() as u64 + 1
    }

    fn since(&self, mark: u64) -> Option<Duration> {
        let mark = mark.checked_sub(1)?;
        Some(
            self.begun
                .elapsed()
                .saturating_sub(Duration::from_millis(mark)),
        )
    }

    pub(super) fn read(&self) -> PostgresStatus {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PostgresStatus {
            pending_epochs: get(&self.pending_epochs),
            pending_rows: get(&self.pending_rows),
            pending_bytes: get(&self.pending_bytes),
            spooled_bytes: get(&self.spooled_bytes),
            lag: self.since(get(&self.pending_since_ms)).unwrap_or_default(),
            since_last_commit: self.since(get(&self.last_commit_ms)),
            last_commit_lag: Duration::from_micros(get(&self.last_commit_lag_us)),
            commits: get(&self.commits),
            epochs_written: get(&self.epochs_written),
            rows_written: get(&self.rows_written),
            bytes_written: get(&self.bytes_written),
            write_time: Duration::from_micros(get(&self.write_us)),
            reconnects: get(&self.reconnects),
            connected: self.connected.load(Ordering::Relaxed),
            paused: self.paused.load(Ordering::Relaxed),
            failed: self.failed.lock().clone(),
            trouble: self.trouble.lock().clone(),
        }
    }
}
