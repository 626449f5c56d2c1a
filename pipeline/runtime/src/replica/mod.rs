//! A replica from start to stop.
//!
//! Start: open the stream (which locks its folder), bind the address, answer health checks, ask
//! PostgreSQL how far its tables are, fold the history, append what the configuration changed, take
//! commands. Stop: take no more, answer what is in flight, let the sinks finish, stop PostgreSQL.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flightline_api::backend::Backend;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::Inner;
use crate::checkpoint::{self, Keeper};
use crate::database::Database;
use crate::several::digests::Comparer;
use crate::several::takeover::Watcher;
use crate::views::Watching;

mod beginning;
mod fanout;
mod history;
mod outside;
mod own;
#[cfg(feature = "simulation")]
pub(crate) mod simulated;
mod start;
mod writer;

pub(crate) use history::note_record;
pub(crate) use outside::ways;
use own::Ticker;

/// Why several replicas do not start without a database of their own.
pub(crate) const NEEDS_DATABASE: &str =
    "stream.shared needs database.url: all replicas of the stream use one PostgreSQL";

/// A running replica.
pub struct Replica {
    inner: Arc<Inner>,
    address: SocketAddr,
    control_token: String,
    stop_http: watch::Sender<bool>,
    http: JoinHandle<()>,
    failed: watch::Receiver<Option<Arc<str>>>,
    writer: std::thread::JoinHandle<()>,
    ticker: Ticker,
    keeper: Keeper,
    control: JoinHandle<()>,
    delivering: crate::webhooks::Running,
    intakes: crate::intake::Running,
    view_files: Watching,
    /// Absent = no other replica.
    watcher: Option<Watcher>,
    /// Absent = no other replica.
    comparer: Option<Comparer>,
    data_dir: PathBuf,
    shutdown_timeout: Duration,
    history_records: u64,
    from_checkpoint: u64,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Replica {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A token that is good while this replica runs, for commands of the same machine.
    pub fn control_token(&self) -> &str {
        &self.control_token
    }

    /// Records folded at the start.
    pub fn history_records(&self) -> u64 {
        self.history_records
    }

    /// Records that a checkpoint spared the start.
    pub fn checkpoint_records(&self) -> u64 {
        self.from_checkpoint
    }

    /// Makes a checkpoint of what the tables have.
    pub async fn checkpoint(&self) -> anyhow::Result<checkpoint::Taken> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.take_checkpoint())
            .await
            .context("making a checkpoint was broken off")?
    }

    /// What the HTTP layer sees; for benches and tests that leave HTTP out.
    pub fn backend(&self) -> Arc<dyn Backend> {
        self.inner.clone()
    }

    /// The database that the tables are in.
    pub fn database(&self) -> &Database {
        // Set before `start` returned.
        self.inner
            .postgres
            .get()
            .unwrap_or_else(|| unreachable!("a started replica has its database"))
    }

    /// Waits until the tables have everything that was decided before this call.
    pub async fn flushed(&self, timeout: Duration) -> anyhow::Result<()> {
        let until: Vec<u64> = (0..self.inner.partitions)
            .map(|p| self.inner.waiters.answered(p))
            .collect();
        self.database().wait_covered(&until, timeout).await
    }

    /// Folds the stream from its start and compares everything; see [`crate::verify`].
    pub async fn verify(&self) -> Result<crate::verify::VerifyReport, crate::verify::VerifyError> {
        let inner = &self.inner;
        let ends = (0..inner.partitions).map(|p| inner.waiters.answered(p));
        let database = inner.postgres.get().cloned();
        let checkpoints = inner.checkpoints.get().cloned();
        let views = inner.compiled_views();
        crate::verify::verify(
            inner.log.clone(),
            ends.collect(),
            database,
            checkpoints,
            views,
        )
        .await
    }

    /// Waits until the replica has failed, and says why.
    pub async fn failed(&self) -> Arc<str> {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops: everything in flight is answered, everything decided reaches the tables if PostgreSQL
    /// is there.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let _ = self.stop_http.send(true);
        // Reading the stream for a view that comes may take hours.
        if let Some(views) = self.inner.views.get() {
            views.leave();
        }
        self.intakes.stop().await;
        self.view_files.stop().await;
        let keeper = self.keeper;
        tokio::task::spawn_blocking(move || keeper.stop())
            .await
            .context("waiting for the thread of checkpoints")?;
        if let Some(watcher) = self.watcher {
            watcher.stop().await;
        }
        if let Some(comparer) = self.comparer {
            tokio::task::spawn_blocking(move || comparer.stop())
                .await
                .context("waiting for the thread that compares with other replicas")?;
        }
        self.control.abort();
        // It holds the stream until it has ended.
        let _ = self.control.await;
        crate::control::remove(&self.data_dir);
        let _ = self.http.await;
        // Not earlier: whoever is still answered may wait for something that is due by the clock, such
        // as a payment that is asked about again.
        self.ticker.stop();
        self.inner.sequencer.close("it is shutting down");
        self.inner.sequencer.stop();
        let writer = self.writer;
        let mut ended = tokio::task::spawn_blocking(move || writer.join());
        let joined = match tokio::time::timeout(self.shutdown_timeout, &mut ended).await {
            Ok(joined) => joined,
            Err(_) => {
                // A cluster that does not answer: what was not acknowledged was not answered either.
                tracing::warn!("the stream's backend does not answer: its waits are broken off");
                self.inner.log.interrupt();
                ended.await
            }
        };
        joined
            .context("waiting for the stream's thread")?
            .map_err(|_| anyhow::anyhow!("the stream's thread panicked"))?;
        self.inner.waiters.drop_all();
        // The dataflow let go of them with its sinks: their keeper ends when the last does.
        *self.inner.webhooks.write() = None;
        self.delivering.stop().await;
        if let Some(database) = self.inner.postgres.get() {
            database.stop().await?;
        }
        if let Some(telemetry) = self.inner.telemetry.clone() {
            tokio::task::spawn_blocking(move || telemetry.stop())
                .await
                .context("sending the last traces")?;
        }
        Ok(())
    }
}
