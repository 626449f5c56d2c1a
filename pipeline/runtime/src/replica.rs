//! A replica from start to stop.
//!
//! Start: open the stream (which locks its folder), bind the address, answer health checks, ask
//! PostgreSQL how far its tables are, fold the history, append what the configuration changed, take
//! commands. Stop: take no more, answer what is in flight, let the sinks finish, stop PostgreSQL.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use flightline_api::backend::{Authenticator, Backend, Submit};
use flightline_connectors::payments::{PaymentService, PaymentsUrl};
use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::{Epoch, EpochSink, Record};
use flightline_dataflows::sql::View;
use flightline_ledger::command::Settings;
use flightline_ledger::order::{OrderSettings, Wait, Work};
use flightline_ledger::{Command, CommandId, FlightCommand, FlightKey};
use flightline_sinks::postgres::PostgresSink;
use flightline_sinks::serving::Serving;
use parking_lot::{Mutex, RwLock};
use rand::RngExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::Inner;
use crate::booking::BookingData;
use crate::checkpoint::{self, Checkpoints, Keeper, Loaded, Part, Store};
use crate::config::{AuthMode, ReplicaConfig};
use crate::database::Database;
use crate::hold_index::HoldIndex;
use crate::intake::Intakes;
use crate::orders::OrderDesk;
use crate::orders::cashier::Cashier;
use crate::orders::hints::Hints;
use crate::orders::notices::Notices;
use crate::orders::waits;
use crate::people::{People, key_named};
use crate::provider_stats::ProviderStats;
use crate::reading::{ReadError, for_each_batch};
use crate::sequencer::{Job, Sequencer, report_of};
use crate::stream::OpenStream;
use crate::tokens::{OpenAuthenticator, TokenAuthenticator};
use crate::waiters::{Waiter, Waiters};
use crate::webhooks::Webhooks;

/// Retired flights whose hold ids are dropped together.
const FORGET_TOGETHER: usize = 256;

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

/// Hands every epoch to the sinks.
struct Fanout {
    serving: Arc<Serving>,
    holds: Arc<HoldIndex>,
    notices: Arc<Notices>,
    webhooks: Arc<Webhooks>,
    postgres: PostgresSink,
    retired: Vec<FlightKey>,
}

impl EpochSink for Fanout {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.serving.apply(&epoch);
        self.notices.epoch(&epoch);
        self.webhooks.epoch(&epoch);
        self.forget(&epoch);
        self.postgres.epoch(epoch);
    }
}

impl Fanout {
    /// Drops hold ids of flights that are gone. Rows are sorted by flight, so a flight that went
    /// and came stands in neighbouring rows.
    fn forget(&mut self, epoch: &Epoch) {
        let mut rows = epoch.flights.iter().peekable();
        while let Some((row, diff)) = rows.next() {
            let mut sum = *diff;
            while let Some((_, diff)) = rows.next_if(|(next, _)| next.flight == row.flight) {
                sum += diff;
            }
            if sum < 0 {
                self.retired.push(row.flight);
            }
        }
        if self.retired.len() >= FORGET_TOGETHER {
            self.holds.forget(&self.retired);
            self.retired.clear();
        }
    }
}

impl Replica {
    /// Starts a replica and returns when it is ready.
    pub async fn start(config: ReplicaConfig) -> anyhow::Result<Self> {
        Self::start_paid_by(config, None).await
    }

    /// As [`Replica::start`], with this payment service and not the one that the configuration names.
    pub async fn start_with(
        config: ReplicaConfig,
        service: Arc<dyn PaymentService>,
    ) -> anyhow::Result<Self> {
        Self::start_paid_by(config, Some(service)).await
    }

    async fn start_paid_by(
        config: ReplicaConfig,
        service: Option<Arc<dyn PaymentService>>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("data directory {}", config.data_dir.display()))?;
        let opening = config.clone();
        let opened = tokio::task::spawn_blocking(move || crate::stream::open(&opening))
            .await
            .context("opening the stream was broken off")??;
        let OpenStream { log, producer, id } = opened;
        let partitions = log.partitions();
        let stream_id = crate::offline::stream_id(id);

        let control_token = control_token();
        let auth: Arc<dyn Authenticator> = match config.auth {
            AuthMode::Open => Arc::new(OpenAuthenticator::default()),
            AuthMode::Tokens => {
                Arc::new(TokenAuthenticator::new(&config.data_dir, &control_token)?)
            }
        };
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}: is another replica running? choose another address with --listen", config.listen))?;
        let address = listener.local_addr()?;

        let stats = Arc::new(ProviderStats::default());
        let sequencer = Arc::new(Sequencer::new(config.queue_max));
        let holds = Arc::new(HoldIndex::default());
        let (desk, effects, looks) = OrderDesk::new(partitions, sequencer.clone(), holds.clone());
        let inner = Arc::new(Inner {
            log,
            partitions,
            waiters: Arc::new(Waiters::new(partitions, stats.clone(), desk.clone())),
            sequencer: sequencer.clone(),
            desk: desk.clone(),
            holds,
            people: OnceLock::new(),
            late: Mutex::default(),
            hints: OnceLock::new(),
            webhooks: RwLock::new(None),
            serving: Arc::new(Serving::new(partitions)),
            stats,
            authorities: config.authorities.clone(),
            sources: OnceLock::new(),
            feeds: config.feeds.clone(),
            dataflow: OnceLock::new(),
            postgres: OnceLock::new(),
            checkpoints: OnceLock::new(),
            ready: AtomicBool::new(false),
            phase: Mutex::new("starting".to_owned()),
        });

        let booking = BookingData::load(&config.data_dir)?;
        let service = match service {
            Some(service) => service,
            None => payments(&config)?,
        };
        let mut config = config;
        config.booking.is_live = !service.is_test();
        let (stop_http, http) = start_http(&config, &inner, auth, listener, booking);
        inner.set_phase("starting PostgreSQL");
        let (database, sink) = Database::start(&config, partitions, &stream_id).await?;
        let progress = sink.progress().to_vec();
        if inner.postgres.set(Arc::new(database)).is_err() {
            unreachable!("the database is set once, here");
        }

        let cashier = Cashier::new(service, desk.clone(), sequencer);
        tokio::spawn(cashier.clone().run(effects));
        let hints = Hints::new(config.payment_notices.clone(), cashier.clone());
        if inner.hints.set(hints).is_err() {
            unreachable!("notices of the payment service are set up once, here");
        }
        let (webhooks, delivering) = Webhooks::start(
            &config.data_dir,
            partitions,
            config.booking.is_live,
            config.webhooks_private,
        )?;
        let webhooks = Arc::new(webhooks);
        *inner.webhooks.write() = Some(webhooks.clone());
        let notices = Arc::new(Notices::new(
            partitions,
            inner.serving.clone(),
            desk.clone(),
        ));

        let store = Store::open(config.checkpoints.url.as_deref(), &config.data_dir)?;
        let checkpoints = Checkpoints::new(store, &stream_id, config.checkpoints.clone());
        if inner.checkpoints.set(checkpoints.clone()).is_err() {
            unreachable!("the checkpoints are set once, here");
        }
        let (tell_failure, failed) = watch::channel(None);
        let started = Instant::now();
        let folding = inner.clone();
        let (workers, views) = (config.workers, config.views.clone());
        // Weak: the replica holds the dataflow, and would never let go of its stream otherwise.
        let failure_inner = Arc::downgrade(&inner);
        let failure_told = tell_failure.clone();
        let fanned = notices.clone();
        let (dataflow, history) = tokio::task::spawn_blocking(move || {
            let fanout = Fanout {
                serving: folding.serving.clone(),
                holds: folding.holds.clone(),
                notices: fanned,
                webhooks,
                postgres: sink,
                retired: Vec::new(),
            };
            fold_history(&folding, workers, views, &progress, fanout, move |why| {
                if let Some(inner) = failure_inner.upgrade() {
                    fail(&inner, &failure_told, why);
                }
            })
        })
        .await
        .context("folding the history was broken off")??;
        inner.set_phase(format!(
            "folded {} records in {:.1} s{}",
            history.folded,
            started.elapsed().as_secs_f64(),
            match history.loaded {
                0 => String::new(),
                loaded => format!(", after {loaded} of a checkpoint"),
            }
        ));

        let intakes = Intakes::open(&inner, &config.intakes)?;
        if inner.sources.set(intakes.sources()).is_err() {
            unreachable!("the ways in are set once, here");
        }
        let people = People::open(&config.data_dir, inner.desk.last_key())?;
        if inner.people.set(people).is_err() {
            unreachable!("the keys are opened once, here");
        }
        configure(&inner, config.settings, config.orders)?;
        let writer_inner = inner.clone();
        let writer = std::thread::Builder::new()
            .name("flightline-stream".to_owned())
            .spawn(move || {
                let inner = writer_inner;
                let mut dataflow = dataflow;
                let done =
                    inner
                        .sequencer
                        .run(&*inner.log, producer, &mut dataflow, &inner.waiters);
                if let Err(why) = &done {
                    // What is folded stays readable; nothing more is taken.
                    fail_writes(&inner, &why.to_string());
                    inner.sequencer.wait_for_stop();
                }
                if let Err(failure) = dataflow.shutdown() {
                    fail(&inner, &tell_failure, &failure.to_string());
                }
            })
            .context("the stream's thread cannot be started")?;
        let reader = inner.dataflow.get().context("the dataflow is not there")?;
        tokio::spawn(waits::run(
            inner.desk.clone(),
            reader.clone(),
            partitions,
            looks,
        ));
        resume_orders(&inner, &notices, &cashier)?;
        inner.sequencer.open();
        inner.ready.store(true, Ordering::Release);
        let ticker = Ticker::start(inner.clone(), config.tick)?;
        let covered = {
            let inner = Arc::downgrade(&inner);
            move || Some(inner.upgrade()?.postgres.get()?.sink()?.written())
        };
        let keeper = checkpoints
            .start(inner.log.clone(), covered)
            .context("the thread of checkpoints cannot be started")?;
        let control = crate::control::serve(&config.data_dir, &inner)?;
        let intakes = intakes.start()?;
        tracing::info!(%address, "ready");
        Ok(Self {
            inner,
            address,
            control_token,
            stop_http,
            http,
            failed,
            writer,
            ticker,
            keeper,
            control,
            delivering,
            intakes,
            data_dir: config.data_dir,
            shutdown_timeout: config.shutdown_timeout,
            history_records: history.folded,
            from_checkpoint: history.loaded,
        })
    }

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
        crate::verify::verify(inner.log.clone(), ends.collect(), database, checkpoints).await
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
        self.intakes.stop().await;
        let keeper = self.keeper;
        tokio::task::spawn_blocking(move || keeper.stop())
            .await
            .context("waiting for the thread of checkpoints")?;
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
        Ok(())
    }
}

fn control_token() -> String {
    let mut rng = rand::rng();
    format!("flightline_control_{:032x}", rng.random::<u128>())
}

fn start_http(
    config: &ReplicaConfig,
    inner: &Arc<Inner>,
    auth: Arc<dyn Authenticator>,
    listener: tokio::net::TcpListener,
    booking: BookingData,
) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, mut stopped) = watch::channel(false);
    let mut api = flightline_api::ApiConfig::new(flightline_connectors::ids::client_command_id);
    api.offer_key = booking.key;
    api.reference = booking.reference;
    api.booking = config.booking.clone();
    api.drain_timeout_ms = u64::try_from(config.shutdown_timeout.as_millis()).unwrap_or(u64::MAX);
    let server = flightline_api::serve(
        api,
        inner.clone() as Arc<dyn Backend>,
        auth,
        listener,
        async move {
            // A closed channel means that the replica is gone: stop as well.
            let _ = stopped.wait_for(|stop| *stop).await;
        },
    );
    let served = async move {
        let drained = server.await;
        tracing::debug!(?drained, "HTTP has ended");
    };
    (stop, tokio::spawn(served))
}

/// What a start went through.
struct History {
    /// Records folded.
    folded: u64,
    /// Records that a checkpoint spared it.
    loaded: u64,
}

/// Where a start begins, and up to where its first epoch is one that the tables have already.
struct Beginning {
    loaded: Loaded,
    snapshot: Vec<u64>,
}

/// Finds the newest checkpoint that the tables are not behind.
fn begin(inner: &Inner, progress: &[u64], ends: &[u64]) -> anyhow::Result<Beginning> {
    let checkpoints = inner.checkpoints.get();
    let checkpoints = checkpoints.context("the checkpoints are not there")?;
    let low_waters = inner.log.low_waters()?;
    let is_empty = progress.iter().all(|offset| *offset == 0);
    let trimmed = (0..low_waters.len()).find(|p| low_waters[*p] > progress[*p]);
    if let Some(partition) = trimmed.filter(|_| !is_empty) {
        anyhow::bail!(
            "PostgreSQL has partition {partition} up to offset {}, but the stream was trimmed up to {}: the rows between \
             cannot be made any more. Drop the schemas flightline and views to have the tables filled from a \
             checkpoint, without the decisions and rejects before it",
            progress[partition],
            low_waters[partition]
        );
    }
    // Empty tables are filled from the first record, unless that is gone.
    let from_checkpoint = is_empty && trimmed.is_some();
    let until = if from_checkpoint { ends } else { progress };
    inner.set_phase("looking for a checkpoint");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (store, stream) = (checkpoints.store(), checkpoints.stream());
    let loaded = checkpoint::load(store, stream, &low_waters, until, threads)?;
    let snapshot = match &loaded.manifest {
        Some(manifest) if from_checkpoint => manifest.offsets(),
        _ => progress.to_vec(),
    };
    if let Some(manifest) = &loaded.manifest {
        checkpoints.note(manifest);
        inner.set_phase(format!(
            "going on from checkpoint {}, {} records",
            manifest.id,
            manifest.records()
        ));
    }
    Ok(Beginning { loaded, snapshot })
}

/// Fills what is beside the fold with what a partition of a checkpoint knows.
fn note_part(inner: &Inner, part: &Part) {
    part.each_claim(|flight, id| {
        inner.holds.claim(id, flight);
    });
    for (_, key) in part.sealed() {
        inner.desk.note_key(*key);
    }
    for (provider, counts) in part.providers() {
        inner.stats.add(provider, counts);
    }
}

/// Folds what the stream holds beyond the newest checkpoint. What the tables have already is one epoch
/// of its own.
fn fold_history(
    inner: &Arc<Inner>,
    workers: usize,
    views: Vec<Arc<View>>,
    progress: &[u64],
    fanout: Fanout,
    on_failure: impl Fn(&str) + Send + Sync + 'static,
) -> anyhow::Result<(Dataflow, History)> {
    let ends = inner.log.end_offsets()?;
    for (partition, (have, end)) in progress.iter().zip(&ends).enumerate() {
        anyhow::ensure!(
            have <= end,
            "PostgreSQL has partition {partition} up to offset {have}, but the stream ends at {end}: \
             these tables belong to another stream, or the stream lost its end. \
             Give the replica its own database, or drop the schemas flightline and views to have them filled anew"
        );
    }
    let mut flow_config = flightline_dataflows::Config::new(inner.partitions)
        .with_workers(workers)
        .with_views(views);
    flow_config.on_failure = Some(Arc::new(move |failure| on_failure(&failure.to_string())));
    let Beginning { loaded, snapshot } = begin(inner, progress, &ends)?;
    let from: Vec<u64> = loaded
        .parts
        .iter()
        .map(|part| part.folded.next_offset())
        .collect();
    let spared: u64 = from.iter().sum();
    inner.waiters.resume(&from);
    let mut checkers: Vec<_> = loaded.parts.iter().map(|p| p.checker().clone()).collect();
    loaded.parts.iter().for_each(|part| note_part(inner, part));
    let folded = loaded.parts.into_iter().map(|part| part.folded).collect();
    let mut dataflow = Dataflow::resume(flow_config, inner.waiters.clone(), fanout, folded)?;
    if inner.dataflow.set(dataflow.reader()).is_err() {
        unreachable!("the dataflow is set once, here");
    }
    let total = ends.iter().sum::<u64>() - spared;
    let mut folded = 0_u64;
    let mut fold =
        |dataflow: &mut Dataflow, records: Vec<Record>, epochs: bool| -> Result<(), FoldError> {
            folded += records.len() as u64;
            for record in &records {
                note_record(inner, record);
            }
            dataflow.send(records)?;
            if epochs {
                dataflow.close_epoch()?;
            }
            if folded.is_multiple_of(1 << 20) || folded == total {
                inner.set_phase(format!("folding history: {folded} of {total} records"));
            }
            Ok(())
        };
    if snapshot.iter().any(|offset| *offset > 0) {
        dataflow.snapshot_epoch(&snapshot);
        for_each_batch(&*inner.log, &mut checkers, &snapshot, |records| {
            fold(&mut dataflow, records, false)
        })?;
        dataflow.close_epoch()?;
    }
    for_each_batch(&*inner.log, &mut checkers, &ends, |records| {
        fold(&mut dataflow, records, true)
    })?;
    inner.await_index_at(&ends);
    let history = History {
        folded,
        loaded: spared,
    };
    Ok((dataflow, history))
}

#[derive(Debug, thiserror::Error)]
enum FoldError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Dataflow(#[from] flightline_dataflows::Failure),
}

/// What a record of history means to the indexes beside the fold.
fn note_record(inner: &Inner, record: &Record) {
    if let Command::Flight(flight, FlightCommand::Hold(_)) = &record.input.command {
        inner.holds.claim(record.input.id, flight);
    }
    if let Some(key) = key_named(&record.input.command) {
        inner.desk.note_key(key);
    }
    let report = report_of(&record.input.command);
    if report.is_some() {
        inner
            .waiters
            .register(record.partition, record.input.offset, Waiter::None, report);
    }
}

/// Appends the configured settings to every partition that folds with others.
fn configure(inner: &Inner, settings: Settings, orders: OrderSettings) -> anyhow::Result<()> {
    let reader = inner.dataflow.get().context("the dataflow is not there")?;
    let mut changed = 0;
    for partition in 0..inner.partitions {
        let folded = reader.with_ledger(partition, |ledger| *ledger.settings())?;
        if folded != settings {
            inner
                .sequencer
                .push_own(own(partition, Command::Configure(settings)));
            changed += 1;
        }
        let folded = reader.with_orders(partition, |orders| *orders.settings())?;
        if folded != orders {
            let command = Command::ConfigureOrders(Box::new(orders));
            inner.sequencer.push_own(own(partition, command));
            changed += 1;
        }
    }
    if changed > 0 {
        tracing::info!(partitions = changed, "settings written into the stream");
    }
    Ok(())
}

/// From here on orders are run: what they wait for is asked for, whether or not it was before, and
/// what happened to their flights is told where they do not know it.
fn resume_orders(inner: &Inner, notices: &Notices, cashier: &Cashier) -> anyhow::Result<()> {
    let reader = inner.dataflow.get().context("the dataflow is not there")?;
    inner.desk.go_live();
    let mut resumed = 0;
    for partition in 0..inner.partitions {
        let outstanding =
            reader.with_orders(partition, |orders| orders.outstanding().collect::<Vec<_>>())?;
        // What waits until later becomes due by the clock. One process writes this stream, so a
        // claim that stands is one of its own.
        let (later, due): (Vec<_>, Vec<_>) = outstanding
            .into_iter()
            .partition(|o| matches!(o.wait, Wait::Later { .. }));
        resumed += due.len();
        for outstanding in due {
            inner.desk.run(outstanding.effect);
        }
        for outstanding in later {
            // Unless the payment service tells of it before.
            if matches!(outstanding.effect.work, Work::Money(_)) {
                cashier.note(outstanding.effect);
            }
        }
    }
    notices.go_live(|partition| inner.waiters.answered(partition));
    if resumed > 0 {
        tracing::info!(effects = resumed, "orders go on where they were");
    }
    Ok(())
}

/// The payment service. The sandbox keeps its books in the data directory, as a real service would
/// keep them: what was taken before a restart can be given back after it.
fn payments(config: &ReplicaConfig) -> anyhow::Result<Arc<dyn PaymentService>> {
    let url = match &config.payments {
        PaymentsUrl::Sandbox(None) => {
            PaymentsUrl::Sandbox(Some(config.data_dir.join("sandbox-payments")))
        }
        other => other.clone(),
    };
    let service = url
        .connect()
        .with_context(|| format!("the payment service of payments.url, {url}"))?;
    if service.is_test() {
        tracing::info!(service = service.name(), "payments move no real money");
    }
    Ok(service)
}

/// A record of the replica's own.
fn own(partition: u32, command: Command) -> Job {
    Job {
        partition,
        submit: Submit {
            id: CommandId(0),
            command,
            ref_text: None,
            actor: None,
        },
        waiter: Waiter::None,
    }
}

/// The stream cannot be written any more: reads go on.
fn fail_writes(inner: &Inner, why: &str) {
    inner
        .sequencer
        .close(&format!("its stream cannot be written: {why}"));
    inner.waiters.drop_all();
}

/// A broken invariant or a dead part: nothing this replica says can be trusted any more.
fn fail(inner: &Inner, tell: &watch::Sender<Option<Arc<str>>>, why: &str) {
    tracing::error!("the replica failed: {why}");
    inner.sequencer.close(why);
    inner.ready.store(false, Ordering::Release);
    inner.waiters.drop_all();
    tell.send_if_modified(|told| {
        let first = told.is_none();
        if first {
            *told = Some(why.into());
        }
        first
    });
}

/// Appends a tick to partitions in which something is due and nothing else is appended.
struct Ticker {
    stop: crossbeam_channel::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Ticker {
    fn start(inner: Arc<Inner>, every: Duration) -> anyhow::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded(1);
        let thread = std::thread::Builder::new()
            .name("flightline-ticks".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(every)
                    == Err(crossbeam_channel::RecvTimeoutError::Timeout)
                {
                    if inner.tick().is_err() {
                        break;
                    }
                }
            })
            .context("the thread of ticks cannot be started")?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

impl Inner {
    /// Makes a checkpoint of what the tables have. Blocking.
    pub(crate) fn take_checkpoint(&self) -> anyhow::Result<checkpoint::Taken> {
        let checkpoints = self.checkpoints.get();
        let checkpoints = checkpoints.context("the replica is still starting")?;
        let sink = self.postgres.get().and_then(|database| database.sink());
        let covered = sink.context("the replica has no tables")?.written();
        Ok(checkpoints.take(&*self.log, &covered)?)
    }

    fn tick(&self) -> Result<(), flightline_dataflows::Failure> {
        let Some(reader) = self.dataflow.get() else {
            return Ok(());
        };
        let now = self.sequencer.now_ms();
        for partition in 0..self.partitions {
            let seats = reader.with_ledger(partition, |ledger| ledger.next_deadline_ms())?;
            let orders = reader.with_orders(partition, |orders| orders.next_deadline_ms())?;
            if seats.into_iter().chain(orders).any(|due| due <= now) {
                self.sequencer.push_own(own(partition, Command::Tick));
            }
        }
        Ok(())
    }

    /// Waits until the index shows everything that was answered before this call. Blocking.
    pub(crate) fn await_index(&self) {
        let until: Vec<u64> = (0..self.partitions)
            .map(|p| self.waiters.answered(p))
            .collect();
        self.await_index_at(&until);
    }

    /// Waits until the index covers these offsets, or the dataflow has failed. Blocking.
    pub(crate) fn await_index_at(&self, until: &[u64]) {
        let failed = || self.dataflow.get().is_none_or(|r| r.failure().is_some());
        let behind = || {
            until
                .iter()
                .zip(0_u32..)
                .any(|(offset, p)| self.serving.covers(p) < *offset)
        };
        while behind() && !failed() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}
