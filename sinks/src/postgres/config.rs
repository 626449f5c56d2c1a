//! How the sink is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flightline_dataflows::sql::View;

/// A transaction that was committed.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// By partition, the offset after the last record whose rows are in it or before it.
    pub until: &'a [u64],
    /// How long it took, its commit included.
    pub took: Duration,
    /// Epochs that it merged.
    pub epochs: u64,
    /// Rows inserted, changed and removed.
    pub rows: u64,
}

/// Is told of every commit, on the thread of the sink: it must be quick.
#[derive(Clone)]
pub struct OnCommit(pub Arc<dyn Fn(Committed<'_>) + Send + Sync>);

impl std::fmt::Debug for OnCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnCommit")
    }
}

/// Settings of a [`super::PostgresSink`]. All memory together is at most
/// `inbox_bytes_max + 2 × batch_bytes_max + memory_bytes_max`, near enough, 256 MiB by default,
/// whatever the database does: epochs that just came, the batch being merged, the one being written
/// (or brought from disk), and those that wait.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// Whom to connect to.
    pub connect: tokio_postgres::Config,
    /// Number of partitions of the stream.
    pub partitions: u32,
    /// Name of the stream, so that the tables of one are never mixed with those of another. Absent =
    /// not checked.
    pub stream_id: Option<Arc<str>>,
    /// Write only while this session holds the lock of the tables, which one of several replicas has:
    /// without it the sink does not open ([`super::PostgresError::HeldByAnother`]), and it ends when it
    /// has lost it.
    pub session_lock: bool,
    /// Folder for batches that do not fit into memory; made when it is missing. No other sink may
    /// use it at the same time.
    pub spool_dir: PathBuf,
    /// Waiting batches take so much memory before they go to `spool_dir`.
    pub memory_bytes_max: usize,
    /// Epochs are merged into batches of at most about so much. The more, the fewer rows are written
    /// when the database is behind: a flight's rows change with each of its bookings.
    pub batch_bytes_max: usize,
    /// Epochs that came and were not yet merged; beyond this the dataflow is held up.
    pub inbox_bytes_max: usize,
    /// The least time from one transaction's begin to the next, so that a quiet system does not
    /// commit a thousand times a second.
    pub commit_interval_min: Duration,
    /// How long to try to reach the database at the start.
    pub start_timeout: Duration,
    /// Pause after a failed attempt, doubled up to `retry_last`; the real one is drawn at random from
    /// the upper half.
    pub retry_first: Duration,
    /// See `retry_first`.
    pub retry_last: Duration,
    /// Views in SQL whose tables are made and written.
    pub views: Vec<Arc<View>>,
    /// Who is told of commits; absent = nobody.
    pub on_commit: Option<OnCommit>,
}

impl PostgresConfig {
    /// The usual settings.
    pub fn new(
        connect: tokio_postgres::Config,
        partitions: u32,
        spool_dir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            connect,
            partitions,
            stream_id: None,
            session_lock: false,
            spool_dir: spool_dir.into(),
            memory_bytes_max: 64 << 20,
            batch_bytes_max: 64 << 20,
            inbox_bytes_max: 64 << 20,
            commit_interval_min: Duration::from_millis(50),
            start_timeout: Duration::from_secs(60),
            retry_first: Duration::from_millis(100),
            retry_last: Duration::from_secs(10),
            views: Vec::new(),
            on_commit: None,
        }
    }
}
