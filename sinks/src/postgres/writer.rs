//! The sink's thread: merges what comes, and writes one batch at a time.
//!
//! While a transaction runs, epochs are merged into the next batch; when that is full it waits in the
//! spool and another is begun. A transaction whose end is unknown is neither repeated nor forgotten
//! blindly: `sink_progress` tells on the next connection whether it was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::sql::View;
use tokio::sync::oneshot;

use super::batch::{Batch, Sealed};
use super::connection::{Connection, Target};
use super::sink::Shared;
use super::spool::Spool;
use super::tables::ViewTable;
use super::{Committed, OnCommit, PostgresConfig, PostgresError, fence, lock};

pub(super) struct Writer {
    shared: Arc<Shared>,
    config: PostgresConfig,
    target: Arc<Target>,
    /// Being merged, and when its first epoch came.
    batch: Batch,
    batch_since: Option<Instant>,
    spool: Spool,
    /// When the first epoch of each batch in the spool came.
    spool_since: std::collections::VecDeque<Instant>,
    /// The batch that is next, or being tried again, or in a transaction.
    next: Option<(Arc<Sealed>, Instant)>,
    views: Views,
    connection: Option<Connection>,
    attempts: u32,
    not_before: Instant,
    /// When the session was last heard of, for those who look.
    heard: Instant,
}

/// Views in SQL, by their places among all that the sink was ever given.
struct Views {
    /// Those that are there, by the name of their table.
    places: BTreeMap<(String, String), usize>,
    /// How many there were at the start.
    from_start: usize,
    /// Tables that are to be filled from the first epoch.
    fresh: BTreeSet<usize>,
    /// Known to have failed.
    failed: BTreeSet<usize>,
}

fn table_of(view: &View) -> (String, String) {
    (view.schema.clone(), view.table.clone())
}

/// A transaction on its way.
type Writing = Pin<Box<dyn Future<Output = Written>>>;

struct Written {
    connection: Option<Connection>,
    result: Result<(), PostgresError>,
    took: Duration,
    /// Nothing was written: only the lock was held.
    is_said: bool,
}

/// Epochs merged before the connection is looked at again.
const TAKE_BYTES: usize = 2 << 20;

impl Writer {
    pub(super) async fn run(
        shared: Arc<Shared>,
        config: PostgresConfig,
        target: Target,
        spool: Spool,
        opened: oneshot::Sender<Result<Vec<u64>, PostgresError>>,
    ) {
        let (connection, progress, fresh) = match connect(&config, &target, &shared).await {
            Ok(connected) => connected,
            Err(error) => {
                // Whoever opened it has gone away: then nobody needs to know.
                let _ = opened.send(Err(error));
                return;
            }
        };
        shared.status.connected.store(true, Ordering::Relaxed);
        shared.written.send_replace(progress.clone().into());
        let places: BTreeMap<_, _> = {
            let views = target.views.lock();
            let tables = views.iter().map(|view| table_of(&view.view));
            tables.zip(0..).collect()
        };
        let mut writer = Self {
            shared,
            config,
            batch: Batch::new(progress.clone()),
            views: Views {
                places,
                from_start: fresh.len(),
                fresh: (0..).zip(fresh).filter(|f| f.1).map(|f| f.0).collect(),
                failed: BTreeSet::new(),
            },
            target: Arc::new(target),
            batch_since: None,
            spool,
            spool_since: Default::default(),
            next: None,
            connection: Some(connection),
            attempts: 0,
            not_before: Instant::now(),
            heard: Instant::now(),
        };
        if opened.send(Ok(progress)).is_err() {
            return;
        }
        if let Err(error) = writer.work().await {
            tracing::error!(%error, "the PostgreSQL sink has stopped");
            *writer.shared.status.failed.lock() = Some(Arc::new(error));
        }
    }

    async fn work(&mut self) -> Result<(), PostgresError> {
        let mut writing: Option<Writing> = None;
        loop {
            let taken = self.shared.take(TAKE_BYTES);
            for arrived in &taken.epochs {
                self.absorb(&arrived.epoch, arrived.at)?;
            }
            self.tell(writing.is_some());
            if taken.hurry {
                return Ok(());
            }
            if writing.is_none() && self.may_write(taken.closed) {
                writing = self.begin();
            }
            if writing.is_none() && !taken.closed && self.has_to_say() {
                writing = self.say();
            }
            let idle = writing.is_none() && self.nothing_pending();
            if idle && taken.closed && !taken.more {
                return Ok(());
            }
            let shared = Arc::clone(&self.shared);
            let write_at = (!idle && !self.is_paused()).then_some(self.not_before);
            let say_at = self.config.session_lock.then(|| self.heard + lock::SAY);
            let wait_until = write_at.into_iter().chain(say_at).min();
            let wait_until = wait_until.filter(|_| writing.is_none());
            let wait_until = wait_until.map(tokio::time::Instant::from_std);
            tokio::select! {
                biased;
                written = poll(&mut writing), if writing.is_some() => {
                    writing = None;
                    self.end(written)?;
                }
                () = tokio::task::yield_now(), if taken.more => {}
                () = shared.wake.notified() => {}
                () = sleep_until(wait_until), if wait_until.is_some() => {}
            }
        }
    }

    /// Has a session that holds the lock been silent for long enough?
    fn has_to_say(&self) -> bool {
        self.config.session_lock && self.heard.elapsed() >= lock::SAY
    }

    /// Says something over the connection. One that was lost is made again, and with it the lock taken,
    /// when there is something to write; or here, when there is not.
    fn say(&mut self) -> Option<Writing> {
        self.heard = Instant::now();
        if self.attempts > 0 && Instant::now() < self.not_before {
            return None;
        }
        if self.connection.is_none() && self.next.is_some() {
            // What became of the last transaction is found out by whoever writes it again.
            return None;
        }
        let (target, connection) = (Arc::clone(&self.target), self.connection.take());
        Some(Box::pin(async move {
            let begun = Instant::now();
            let said = match connection {
                Some(connection) => connection.say().await.map(|()| connection),
                None => Connection::open(&target, false).await.map(|(c, ..)| c),
            };
            let (connection, result) = match said {
                Ok(connection) => (Some(connection), Ok(())),
                Err(error) => (None, Err(error)),
            };
            Written {
                connection,
                result,
                took: begun.elapsed(),
                is_said: true,
            }
        }))
    }

    fn is_paused(&self) -> bool {
        self.shared.status.paused.load(Ordering::SeqCst)
    }

    fn nothing_pending(&self) -> bool {
        self.next.is_none() && self.spool.is_empty() && self.batch.is_empty()
    }

    /// A full batch does not wait for the interval; a failed attempt waits for its pause.
    fn may_write(&self, closed: bool) -> bool {
        let behind = self.attempts == 0 && (closed || !self.spool.is_empty());
        !self.nothing_pending()
            && !self.is_paused()
            && (behind || Instant::now() >= self.not_before)
    }

    /// Takes an epoch into the batch.
    fn absorb(&mut self, epoch: &Epoch, at: Instant) -> Result<(), PostgresError> {
        // Views that come and go between two epochs.
        let is_between = epoch.covers.is_empty();
        let only_views = is_between || (epoch.is_snapshot && !self.take_snapshot(epoch)?);
        let concerns_views = self.absorb_views(epoch, only_views);
        if only_views && !concerns_views {
            let pending = &self.shared.status.pending_epochs;
            pending.fetch_sub(1, Ordering::Relaxed);
            return Ok(());
        }
        if only_views {
            self.batch.count_epoch();
        } else {
            self.batch.absorb(epoch);
        }
        self.batch_since.get_or_insert(at);
        if self.batch.bytes() >= self.config.batch_bytes_max {
            let (batch, since) = self.seal();
            self.spool_since.push_back(since);
            if let Err(error) = self.spool.push(batch) {
                tracing::error!(%error, "a batch for PostgreSQL stays in memory");
            }
        }
        Ok(())
    }

    /// Takes what an epoch says of views; of those that have their rows already nothing, when it is a snapshot
    /// that says it again. Is there anything to write?
    fn absorb_views(&mut self, epoch: &Epoch, is_said_again: bool) -> bool {
        let mut concerns = false;
        for view in &epoch.ended_views {
            let table = table_of(view);
            let Some(place) = self.views.places.get(&table).copied() else {
                continue;
            };
            let mut begin = epoch.views.iter().filter(|changes| changes.begins);
            // Another takes its place in one step, further below.
            if !begin.any(|changes| table_of(&changes.view) == table) {
                self.views.places.remove(&table);
                self.batch.end_view(place);
                concerns = true;
            }
        }
        for changes in &epoch.views {
            let table = table_of(&changes.view);
            if changes.begins {
                if let Some(before) = self.views.places.get(&table) {
                    self.batch.forget_view(*before);
                }
                let mut views = self.target.views.lock();
                self.views.places.insert(table.clone(), views.len());
                self.views.fresh.insert(views.len());
                views.push(ViewTable::new(Arc::clone(&changes.view)));
            }
            let Some(place) = self.views.places.get(&table).copied() else {
                continue;
            };
            let failed_before = self.views.failed.contains(&place);
            let fails = changes.failed.as_ref().filter(|_| !failed_before);
            let fills = self.views.fresh.remove(&place) && changes.failed.is_none();
            // The snapshot does not know of tables that were made after the start.
            let is_said_again = is_said_again && place < self.views.from_start;
            if is_said_again && !fills && fails.is_none() {
                continue;
            }
            if let Some(failure) = fails {
                tracing::error!(view = %changes.view.name, %failure, "a view has stopped; its table stays as it is");
                self.views.failed.insert(place);
            }
            let is_something = fills || fails.is_some() || !changes.rows.is_empty();
            if is_something {
                let view = self.target.views.lock()[place].clone();
                self.batch
                    .absorb_view(place, &view, changes, fills, failed_before);
            }
            concerns |= is_something;
        }
        concerns
    }

    /// A snapshot stands for what the tables have already; for an empty database it is all there is.
    fn take_snapshot(&self, epoch: &Epoch) -> Result<bool, PostgresError> {
        let takes = fence::takes_snapshot(&epoch.covers, self.batch.to(), self.nothing_pending())?;
        if takes {
            tracing::warn!(
                "the tables are filled from a snapshot: decisions and rejects before it are not in them, \
                 and its holds have ids in hexadecimal"
            );
        }
        Ok(takes)
    }

    /// Closes the batch and begins another.
    fn seal(&mut self) -> (Sealed, Instant) {
        let to = self.batch.to().to_vec();
        let batch = std::mem::replace(&mut self.batch, Batch::new(to));
        let since = self.batch_since.take().unwrap_or_else(Instant::now);
        (batch.seal(), since)
    }

    /// Begins the next transaction, if there is something to write.
    fn begin(&mut self) -> Option<Writing> {
        if self.next.is_none() {
            match self.spool.pop() {
                Ok(Some(batch)) => {
                    let since = self.spool_since.pop_front().unwrap_or_else(Instant::now);
                    self.next = Some((Arc::new(batch), since));
                }
                Ok(None) if self.batch.is_empty() => return None,
                Ok(None) => {
                    let (batch, since) = self.seal();
                    self.next = Some((Arc::new(batch), since));
                }
                Err(error) => {
                    self.failed_once(&error);
                    return None;
                }
            }
        }
        let (batch, _) = self.next.as_ref()?;
        let interval = self.config.commit_interval_min;
        self.not_before = Instant::now() + interval;
        let batch = Arc::clone(batch);
        let (target, connection) = (Arc::clone(&self.target), self.connection.take());
        Some(Box::pin(async move {
            let begun = Instant::now();
            let (connection, result) = write(&target, connection, &batch).await;
            let took = begun.elapsed();
            Written {
                connection,
                result,
                took,
                is_said: false,
            }
        }))
    }

    /// Takes note of how a transaction ended.
    fn end(&mut self, written: Written) -> Result<(), PostgresError> {
        self.heard = Instant::now();
        let status = &self.shared.status;
        match written.result {
            Ok(()) if written.is_said => {
                if self.attempts > 0 {
                    tracing::info!(attempts = self.attempts, "PostgreSQL is back");
                    *status.trouble.lock() = None;
                    self.attempts = 0;
                }
                self.connection = written.connection;
                status.connected.store(true, Ordering::Relaxed);
                Ok(())
            }
            Ok(()) => {
                let Some((batch, since)) = self.next.take() else {
                    return Ok(());
                };
                if self.attempts > 0 {
                    status.reconnects.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(attempts = self.attempts, "PostgreSQL is back");
                    *status.trouble.lock() = None;
                }
                self.attempts = 0;
                self.connection = written.connection;
                status.connected.store(true, Ordering::Relaxed);
                let now = Instant::now();
                let lag = now.saturating_duration_since(since);
                status
                    .last_commit_ms
                    .store(status.mark(now), Ordering::Relaxed);
                status
                    .last_commit_lag_us
                    .store(lag.as_micros() as u64, Ordering::Relaxed);
                status.commits.fetch_add(1, Ordering::Relaxed);
                status.rows_written.fetch_add(batch.rows, Ordering::Relaxed);
                let bytes = batch.bytes() as u64;
                status.bytes_written.fetch_add(bytes, Ordering::Relaxed);
                let took = written.took.as_micros() as u64;
                status.write_us.fetch_add(took, Ordering::Relaxed);
                status
                    .epochs_written
                    .fetch_add(batch.epochs, Ordering::Relaxed);
                status
                    .pending_epochs
                    .fetch_sub(batch.epochs, Ordering::Relaxed);
                self.shared.written.send_replace(batch.to.clone().into());
                if let Some(OnCommit(told)) = &self.config.on_commit {
                    told(Committed {
                        until: &batch.to,
                        took: written.took,
                        epochs: batch.epochs,
                        rows: batch.rows,
                    });
                }
                Ok(())
            }
            Err(error) if error.is_passing() => {
                self.failed_once(&error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Waits before the next attempt, longer each time.
    fn failed_once(&mut self, error: &PostgresError) {
        self.attempts += 1;
        let pause = pause(&self.config, self.attempts);
        self.not_before = Instant::now() + pause;
        let status = &self.shared.status;
        status.connected.store(false, Ordering::Relaxed);
        *status.trouble.lock() = Some(error.to_string());
        tracing::warn!(
            %error, attempt = self.attempts, retry_in_ms = pause.as_millis() as u64,
            pending_epochs = status.pending_epochs.load(Ordering::Relaxed),
            spooled_bytes = self.spool.disk(),
            "PostgreSQL does not take the rows; they are kept"
        );
    }

    /// Publishes what waits.
    fn tell(&self, writing: bool) {
        let status = &self.shared.status;
        let next = self.next.as_ref();
        let rows = self.batch.rows() + self.spool.rows() + next.map_or(0, |(b, _)| b.rows);
        let bytes =
            self.batch.bytes() + self.spool.memory() + next.map_or(0, |(batch, _)| batch.bytes());
        status.pending_rows.store(rows, Ordering::Relaxed);
        status.pending_bytes.store(bytes as u64, Ordering::Relaxed);
        status
            .spooled_bytes
            .store(self.spool.disk(), Ordering::Relaxed);
        let oldest = next
            .map(|(_, since)| *since)
            .or_else(|| self.spool_since.front().copied())
            .or(self.batch_since);
        let mark = oldest.map_or(0, |oldest| status.mark(oldest));
        status.pending_since_ms.store(mark, Ordering::Relaxed);
        debug_assert!(!writing || next.is_some());
    }
}

/// Writes a batch, on a new connection if there is none. A connection that failed is not given back.
async fn write(
    target: &Target,
    connection: Option<Connection>,
    batch: &Sealed,
) -> (Option<Connection>, Result<(), PostgresError>) {
    let mut connection = match connection {
        Some(connection) => connection,
        None => match Connection::open(target, false).await {
            // The last transaction on the lost connection was this one, and was committed.
            Ok((connection, progress, _))
                if fence::was_committed(&progress, &batch.from, &batch.to) =>
            {
                return (Some(connection), Ok(()));
            }
            // Whether the tables are where the batch begins is looked at in its transaction.
            Ok((connection, ..)) => connection,
            Err(error) => return (None, Err(error)),
        },
    };
    match connection.write(batch).await {
        Ok(()) => (Some(connection), Ok(())),
        Err(error) => (None, Err(error)),
    }
}

/// The first connection.
async fn connect(
    config: &PostgresConfig,
    target: &Target,
    shared: &Shared,
) -> Result<(Connection, Vec<u64>, Vec<bool>), PostgresError> {
    let begun = Instant::now();
    let mut attempt = 0;
    loop {
        let error = match Connection::open(target, true).await {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        attempt += 1;
        let waited = begun.elapsed();
        if !error.is_passing() {
            return Err(error);
        }
        if waited >= config.start_timeout {
            return Err(PostgresError::Unreachable {
                waited_s: waited.as_secs(),
                last: error.to_string(),
            });
        }
        let pause = pause(config, attempt).min(config.start_timeout - waited);
        *shared.status.trouble.lock() = Some(error.to_string());
        tracing::warn!(%error, attempt, retry_in_ms = pause.as_millis() as u64, "waiting for PostgreSQL");
        tokio::time::sleep(pause).await;
    }
}

/// Doubles from attempt to attempt; drawn from the upper half, so that replicas do not come back all
/// at once.
fn pause(config: &PostgresConfig, attempt: u32) -> Duration {
    let doubled = config
        .retry_first
        .saturating_mul(1 << (attempt - 1).min(16));
    let longest = doubled.min(config.retry_last);
    let random = RandomState::new().hash_one(attempt) % 1024;
    longest / 2 + longest.mul_f64(random as f64 / 2048.0)
}

async fn poll(writing: &mut Option<Writing>) -> Written {
    match writing {
        Some(writing) => writing.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
