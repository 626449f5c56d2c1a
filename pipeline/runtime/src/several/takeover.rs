//! Who writes the tables.
//!
//! The tables end at the last epoch of whoever wrote them, and epochs are each replica's own. So the next
//! one begins with a fold beside the running one: from a checkpoint to where the tables are, and from
//! there to where its own epochs stand. The difference is written, and its own epochs after it. Nothing
//! of this is needed while all is well, and decisions do not wait for it.
//!
//! Views in SQL come and go meanwhile. Who takes over first sees that it runs those that all replicas have, then makes
//! the tables of the views that are live between two of its own epochs, and those that come after that come with
//! the epochs.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context;
use flightline_connectors::database::DatabaseError;
use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::{DecisionSink, Epoch, EpochSink};
use flightline_dataflows::live::{Views, ViewsConfig};
use flightline_dataflows::sql::View;
use flightline_ledger::Decision;
use flightline_sinks::postgres::{
    Holder, LockWatch, Look, PostgresConfig, PostgresError, PostgresSink,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::tables::Tables;
use crate::backend::Inner;
use crate::checkpoint;
use crate::names;
use crate::reading::{ReadError, for_each_batch};
use crate::several::views::SharedViews;
use crate::views::{LiveViews, Refold};

/// How often who does not write looks whether anybody does.
const LOOK: Duration = Duration::from_millis(300);
/// How often who writes looks at the clock of the database.
const LOOK_WRITING: Duration = Duration::from_secs(1);
/// How often who would write looks whether it has the views that all have.
const LOOK_VIEWS: Duration = Duration::from_millis(50);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(2);
/// After what another try will not mend by itself, such as a table that somebody changed.
const PAUSE_BROKEN: Duration = Duration::from_secs(30);
/// A holder of the lock that is silent for so long is taken for dead. It says something each second.
const SILENT_MAX: Duration = Duration::from_secs(3);
/// Whoever has the lock and does not get as far as the tables in this time gives it back.
const REACH_MAX: Duration = Duration::from_secs(30);

/// What is known of who writes the tables.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// How far the tables of another writer were when they were last looked at.
    observed: RwLock<Option<Vec<u64>>>,
    counts: Mutex<TurnCounts>,
}

/// Counters, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TurnCounts {
    /// Times that this replica took the tables over.
    pub(crate) taken: u64,
    /// Times that it lost them.
    pub(crate) lost: u64,
    /// Sessions of silent holders that it ended.
    pub(crate) unseated: u64,
}

impl Turn {
    pub(crate) fn observed(&self) -> Option<Vec<u64>> {
        self.observed.read().clone()
    }

    pub(crate) fn counts(&self) -> TurnCounts {
        *self.counts.lock()
    }
}

/// Everything that taking over needs.
pub(crate) struct Setup {
    pub(crate) postgres: PostgresConfig,
    pub(crate) tables: Arc<Tables>,
    /// Which views there are.
    pub(crate) common: Arc<SharedViews>,
}

/// The task that looks; stopping it ends it between two takings-over.
pub(crate) struct Watcher {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Watcher {
    pub(crate) fn start(inner: &Arc<Inner>, setup: Setup) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(Arc::downgrade(inner), setup, stopped));
        Self { stop, task }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        // One that panicked has said so.
        let _ = self.task.await;
    }
}

async fn run(inner: Weak<Inner>, setup: Setup, mut stopped: watch::Receiver<bool>) {
    let mut watch = LockWatch::new(setup.postgres.connect.clone());
    let mut is_away = false;
    let mut waits = None;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let pause = match turn(&inner, &setup, &mut watch, &mut waits).await {
            Ok(pause) => {
                is_away = false;
                pause
            }
            Err(error) => {
                if let Some(database) = inner.postgres.get()
                    && !setup.tables.is_writing()
                {
                    database.set_trouble(Some(format!("{error:#}")));
                }
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!("who writes the tables cannot be found out: {error:#}");
                }
                PAUSE
            }
        };
        drop(inner);
        let stop = tokio::time::timeout(pause, stopped.wait_for(|stop| *stop));
        if stop.await.is_ok() {
            return;
        }
    }
}

/// One look. Says when to look again.
async fn turn(
    inner: &Arc<Inner>,
    setup: &Setup,
    watch: &mut LockWatch,
    waits: &mut Option<Instant>,
) -> anyhow::Result<Duration> {
    let database = inner.postgres.get().context("the database is not there")?;
    if setup.tables.is_writing() {
        let failed = database.sink().and_then(|sink| sink.status().failed);
        if let Some(why) = failed {
            tracing::warn!(%why, "this replica writes the tables no more");
            setup.tables.stand();
            database.set_sink(None);
            inner.turn.counts.lock().lost += 1;
            let is_turn = matches!(
                *why,
                PostgresError::HeldByAnother | PostgresError::Fenced { .. }
            );
            if !is_turn {
                // Trying again at once would find the same.
                database.set_trouble(Some(why.to_string()));
                return Ok(PAUSE_BROKEN);
            }
        }
    }
    let look = watch.look().await?;
    set_clock(inner, &look);
    if setup.tables.is_writing() {
        return Ok(LOOK_WRITING);
    }
    inner.turn.observed.write().clone_from(&look.progress);
    if let (Some(telemetry), Some(until)) = (&inner.telemetry, &look.progress) {
        telemetry.covered(until);
    }
    if look.holder.is_some() {
        database.set_trouble(None);
    }
    match next_step(look.holder) {
        Step::Stand => return Ok(LOOK),
        Step::Unseat(holder) => {
            tracing::warn!(
                pid = holder.pid,
                silent_ms = holder.silent.as_millis() as u64,
                "the replica that writes the tables is silent: its session is ended"
            );
            watch.unseat(&holder).await?;
            inner.turn.counts.lock().unseated += 1;
            return Ok(Duration::from_millis(20));
        }
        Step::Take => {}
    }
    match views_to_write(inner, setup).await? {
        Writes::All => *waits = None,
        Writes::NotYet => {
            let since = *waits.get_or_insert_with(Instant::now);
            if since.elapsed() < REACH_MAX {
                return Ok(LOOK_VIEWS);
            }
            tracing::warn!(
                "the tables are taken over with the views that are live here: others are not ready yet"
            );
        }
        Writes::None => {
            let why = "the replicas have views in SQL, and this one was started without: start it with `--views DIR`, an \
                       empty folder will do";
            tracing::warn!("this replica leaves the tables to another: {why}");
            database.set_trouble(Some(why.to_owned()));
            return Ok(PAUSE_BROKEN);
        }
    }
    let started = Instant::now();
    let mut postgres = setup.postgres.clone();
    postgres.views = setup.tables.views();
    let views = postgres.views.clone();
    let sink = match PostgresSink::open(postgres).await {
        Ok(sink) => sink,
        // Another was faster.
        Err(PostgresError::HeldByAnother) => return Ok(LOOK),
        Err(error) => return Err(error.into()),
    };
    if take_over(inner, setup, sink, views).await? {
        inner.turn.counts.lock().taken += 1;
        tracing::info!(
            took_ms = started.elapsed().as_millis() as u64,
            "this replica writes the tables now"
        );
    }
    Ok(LOOK)
}

/// Can a replica write the tables of all views?
enum Writes {
    All,
    /// Another replica has changed views, and that is not live here yet.
    NotYet,
    /// It runs none.
    None,
}

async fn views_to_write(inner: &Arc<Inner>, setup: &Setup) -> anyhow::Result<Writes> {
    let (common, inner) = (setup.common.clone(), inner.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let applied = inner.views.get().and_then(LiveViews::applied);
        Ok::<_, DatabaseError>(match applied {
            Some(applied) if applied == common.version()? => Writes::All,
            Some(_) => Writes::NotYet,
            None if common.read()?.views.is_empty() => Writes::All,
            None => Writes::None,
        })
    });
    let looked = looked
        .await
        .context("looking at the views was broken off")?;
    looked.context("the views that the replicas share")
}

/// What a replica that does not write the tables does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Another one writes.
    Stand,
    /// The one that has the lock is taken for dead.
    Unseat(Holder),
    /// Nobody has the lock: tries to get it.
    Take,
}

/// By what was seen of whoever has the lock.
pub(crate) fn next_step(holder: Option<Holder>) -> Step {
    match holder {
        None => Step::Take,
        Some(holder) if holder.silent < SILENT_MAX => Step::Stand,
        Some(holder) => Step::Unseat(holder),
    }
}

/// The database's clock is everybody's: stamps of a machine whose clock is far off are put right by it.
fn set_clock(inner: &Inner, look: &Look) {
    let error_ms = i64::try_from(look.clock_error.as_millis()).unwrap_or(i64::MAX);
    inner.sequencer.set_clock(look.clock_ahead_ms, error_ms);
}

/// `views` are those whose tables the sink has made.
async fn take_over(
    inner: &Arc<Inner>,
    setup: &Setup,
    sink: PostgresSink,
    views: Vec<Arc<View>>,
) -> anyhow::Result<bool> {
    let handle = sink.handle();
    let progress = sink.progress().to_vec();
    let deadline = Instant::now() + REACH_MAX;
    let (until, live) = loop {
        if let Some(until) = setup.tables.gather(&progress) {
            break until;
        }
        if Instant::now() >= deadline {
            tracing::warn!("this replica is behind the tables, and leaves writing them to another");
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    if live != views {
        // They were changed since the sink looked at their tables: it is opened again.
        setup.tables.stand();
        return Ok(false);
    }
    let folding = inner.clone();
    let folded =
        tokio::task::spawn_blocking(move || fold_between(&folding, views, &progress, &until, sink));
    match folded
        .await
        .context("folding for the tables was broken off")?
    {
        Ok(sink) => {
            setup.tables.write(sink);
            if let Some(database) = inner.postgres.get() {
                database.set_sink(Some(handle));
                database.set_trouble(None);
            }
            Ok(true)
        }
        Err(error) => {
            setup.tables.stand();
            Err(error.context("folding for the tables"))
        }
    }
}

struct NoDecisions;

impl DecisionSink for NoDecisions {
    fn decided(&self, _: u32, _: &[Decision]) {}
}

/// Lends a sink to a dataflow.
struct Lent<S>(Arc<Mutex<S>>);

impl<S: EpochSink> EpochSink for Lent<S> {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.0.lock().epoch(epoch);
    }
}

#[derive(Debug, thiserror::Error)]
enum FoldError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Dataflow(#[from] flightline_dataflows::Failure),
}

/// Gives the sink the rows between where its tables are and `until`. Blocking.
pub(crate) fn fold_between<S: EpochSink>(
    inner: &Inner,
    views: Vec<Arc<View>>,
    progress: &[u64],
    until: &[u64],
    sink: S,
) -> anyhow::Result<S> {
    let checkpoints = inner.checkpoints.get();
    let checkpoints = checkpoints.context("the checkpoints are not there")?;
    let (low_waters, is_empty) = (
        inner.log.low_waters()?,
        progress.iter().all(|offset| *offset == 0),
    );
    let is_trimmed = low_waters
        .iter()
        .zip(progress)
        .any(|(low, have)| low > have);
    anyhow::ensure!(
        is_empty || !is_trimmed,
        "the copy of this replica was trimmed beyond where the tables are"
    );
    let from_checkpoint = is_empty && is_trimmed;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let loaded = checkpoint::load(
        checkpoints.store(),
        checkpoints.stream(),
        &low_waters,
        if from_checkpoint { until } else { progress },
        threads,
    )?;
    let snapshot = match &loaded.manifest {
        Some(manifest) if from_checkpoint => manifest.offsets(),
        _ => progress.to_vec(),
    };
    let mut checkers: Vec<_> = loaded.parts.iter().map(|p| p.checker().clone()).collect();
    let folded = loaded.parts.into_iter().map(|part| part.folded).collect();
    let config = flightline_dataflows::Config::new(inner.partitions);
    let sink = Arc::new(Mutex::new(sink));
    // What the views say must come between, as it does in the running dataflow.
    let mut in_sql = ViewsConfig::new(inner.partitions);
    in_sql.views = views;
    in_sql.reference = names::reference();
    in_sql.history = Some(Refold::new(inner));
    let lent = Views::start(in_sql, Lent(sink.clone()))?;
    let views = lent.handle();
    let mut dataflow = Dataflow::resume(config, Arc::new(NoDecisions), lent, folded)?;
    let mut fold = |until: &[u64], each: bool, dataflow: &mut Dataflow| {
        for_each_batch(&*inner.log, &mut checkers, until, |records| {
            dataflow.send(records)?;
            if each {
                dataflow.close_epoch()?;
            }
            Ok::<_, FoldError>(())
        })
    };
    if snapshot.iter().any(|offset| *offset > 0) {
        dataflow.snapshot_epoch(&snapshot);
        fold(&snapshot, false, &mut dataflow)?;
        dataflow.close_epoch()?;
    }
    fold(until, true, &mut dataflow)?;
    dataflow.shutdown()?;
    // They end without handing on all epochs when what was decided before cannot be read.
    if let Some(failure) = views.failure() {
        return Err(failure.into());
    }
    let sink = Arc::into_inner(sink).context("the dataflow did not give the tables back")?;
    Ok(sink.into_inner())
}
