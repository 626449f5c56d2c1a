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
use flightline_api::backend::{Authenticator, Backend};
use flightline_api::trace::Tracing;
use flightline_connectors::payments::{PaymentService, PaymentsUrl};
use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::EpochSink;
use flightline_dataflows::sql::View;
use flightline_ledger::order::OrderSettings;
use flightline_sinks::postgres::OnCommit;
use flightline_sinks::serving::Serving;
use flightline_stream::{Checker, Producer};
use parking_lot::{Mutex, RwLock};
use rand::RngExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::Inner;
use crate::booking::BookingData;
use crate::checkpoint::{self, Checkpoints, Keeper, Store};
use crate::config::{AuthMode, ReplicaConfig};
use crate::database::{Database, Opened};
use crate::hold_index::HoldIndex;
use crate::intake::Intakes;
use crate::late::LateDesk;
use crate::orders::OrderDesk;
use crate::orders::cashier::Cashier;
use crate::orders::courier::{Courier, Ways};
use crate::orders::hints::Hints;
use crate::orders::notices::Notices;
use crate::orders::waits;
use crate::people::People;
use crate::provider_stats::ProviderStats;
use crate::sequencer::Sequencer;
use crate::several::answers::Answers;
use crate::several::digests::{self, Comparer};
use crate::several::feeder;
use crate::several::rings::Rings;
use crate::several::shared;
use crate::several::tables::{Tables, ToTables};
use crate::several::takeover::{Setup, Turn, Watcher};
use crate::several::tokens::SharedAuthenticator;
use crate::stream::OpenStream;
use crate::telemetry::Telemetry;
use crate::tokens::{OpenAuthenticator, TokenAuthenticator};
use crate::views::{LiveViews, Watching};
use crate::waiters::Waiters;
use crate::webhooks::Webhooks;

mod fanout;
mod history;
mod own;
#[cfg(feature = "simulation")]
pub(crate) mod simulated;

use fanout::Fanout;
use history::fold_history;
pub(crate) use history::note_record;
use own::{Ticker, configure, resume_feeds, resume_orders};

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
        let is_shared = log.is_shared();
        let claims_as = is_shared.then(|| producer.id());
        let partitions = log.partitions();
        let stream_id = crate::offline::stream_id(id);

        let control_token = control_token();
        let auth = authenticator(&config, &control_token).await?;
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}: is another replica running? choose another address with --listen", config.listen))?;
        let address = listener.local_addr()?;

        let stats = Arc::new(ProviderStats::default());
        let telemetry = match &config.telemetry {
            Some(telemetry) => {
                let replica = format!("{:016x}", producer.id());
                let telemetry = Telemetry::start(telemetry, partitions, replica)?;
                Some(Arc::new(telemetry))
            }
            None => None,
        };
        let sequencer = Sequencer::new(config.queue_max).recorded(telemetry.clone());
        let sequencer = Arc::new(sequencer);
        let holds = Arc::new(HoldIndex::default());
        let (desk, effects, outward, looks) =
            OrderDesk::new(partitions, sequencer.clone(), holds.clone(), is_shared);
        let late = Arc::new(LateDesk::default());
        let inner = Arc::new(Inner {
            log,
            partitions,
            waiters: Arc::new(Waiters::new(
                partitions,
                stats.clone(),
                desk.clone(),
                late.clone(),
                is_shared,
            )),
            sequencer: sequencer.clone(),
            telemetry: telemetry.clone(),
            desk: desk.clone(),
            holds,
            people: OnceLock::new(),
            late,
            hints: OnceLock::new(),
            webhooks: RwLock::new(None),
            serving: Arc::new(Serving::new(partitions)),
            stats,
            authorities: config.authorities.clone(),
            sources: OnceLock::new(),
            feeds: config.feeds.clone(),
            dataflow: OnceLock::new(),
            turn: Turn::default(),
            postgres: OnceLock::new(),
            views: OnceLock::new(),
            rings: OnceLock::new(),
            digests: Arc::default(),
            answers: OnceLock::new(),
            checkpoints: OnceLock::new(),
            ready: AtomicBool::new(false),
            phase: Mutex::new("starting".to_owned()),
        });

        let booking = booking_data(&config, &inner).await?;
        let service = match service {
            Some(service) => service,
            None => payments(&config)?,
        };
        let mut config = config;
        config.booking.is_live = !service.is_test();
        let (stop_http, http) = start_http(&config, &inner, auth, listener, booking);
        inner.set_phase("starting PostgreSQL");
        let on_commit = telemetry
            .clone()
            .map(|telemetry| OnCommit(Arc::new(move |committed| telemetry.committed(committed))));
        let (database, opened) =
            Database::start(&config, partitions, &stream_id, on_commit).await?;
        let Opened { sink, postgres } = opened;
        let progress = sink.as_ref().map(|sink| sink.progress().to_vec());
        if sink.is_none() {
            tracing::info!("another replica writes the tables");
        }
        let tables = Arc::new(Tables::new(sink, partitions));
        let shared_in = is_shared.then(|| postgres.connect.clone());
        if inner.postgres.set(Arc::new(database)).is_err() {
            unreachable!("the database is set once, here");
        }

        let cashier = Cashier::new(service, desk.clone(), sequencer, claims_as);
        tokio::spawn(cashier.clone().run(effects));
        let courier = Courier::new(ways(&config)?, desk.clone(), &inner, claims_as);
        tokio::spawn(courier.clone().run(outward));
        let hints = Hints::new(config.payment_notices.clone(), cashier.clone());
        if inner.hints.set(hints).is_err() {
            unreachable!("notices of the payment service are set up once, here");
        }
        let (webhooks, delivering) = Webhooks::start(crate::webhooks::Setup {
            data_dir: config.data_dir.clone(),
            partitions,
            live_mode: config.booking.is_live,
            allow_private: config.webhooks_private,
            shared: shared_in.clone().map(|connect| (connect, tables.clone())),
        })
        .await?;
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
        let workers = config.workers;
        let views = config.views.take();
        let from_start: Vec<Arc<View>> = views
            .iter()
            .flat_map(|files| files.views.iter().cloned())
            .collect();
        let to_tables = ToTables(tables.clone());
        let rows: Box<dyn EpochSink> = match views {
            None => Box::new(to_tables),
            Some(files) => {
                let (failing, told) = (Arc::downgrade(&inner), tell_failure.clone());
                let (views, live) = LiveViews::start(
                    partitions,
                    workers,
                    files,
                    &config.data_dir,
                    is_shared,
                    to_tables,
                    move |why| {
                        if let Some(inner) = failing.upgrade() {
                            fail(&inner, &told, why);
                        }
                    },
                )?;
                if inner.views.set(live).is_err() {
                    unreachable!("the views are set once, here");
                }
                Box::new(views)
            }
        };
        // Weak: the replica holds the dataflow, and would never let go of its stream otherwise.
        let failure_inner = Arc::downgrade(&inner);
        let failure_told = tell_failure.clone();
        let fanned = notices.clone();
        let (dataflow, history) = tokio::task::spawn_blocking(move || {
            let fanout = Fanout {
                serving: folding.serving.clone(),
                holds: folding.holds.clone(),
                notices: fanned,
                webhooks: Some(webhooks),
                telemetry,
                tables: rows,
                retired: Vec::new(),
            };
            fold_history(&folding, workers, progress.as_deref(), fanout, move |why| {
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
        let people = match shared_in.clone() {
            // A client may read an order at any replica.
            Some(connect) => {
                check_keys(&inner).await?;
                tokio::task::spawn_blocking(move || People::open_shared(connect))
                    .await
                    .context("opening the keys of personal data was broken off")??
            }
            None => People::open(&config.data_dir, inner.desk.last_key())?,
        };
        if inner.people.set(people).is_err() {
            unreachable!("the keys are opened once, here");
        }
        configure(&inner, config.settings, order_settings(&config))?;
        let watcher = is_shared.then(|| {
            let views = from_start;
            Watcher::start(
                &inner,
                Setup {
                    postgres,
                    views,
                    tables,
                },
            )
        });
        let comparer = match shared_in {
            Some(connect) => {
                let replica = format!("{:016x}", producer.id());
                let ends = history.checkers.iter();
                let ends = ends.map(|c| (c.state().next_offset, c.state().hash));
                let rings = Arc::new(Rings::new(ends));
                let _ = inner.rings.set(rings.clone());
                let (failing, told) = (Arc::downgrade(&inner), tell_failure.clone());
                let setup = digests::Setup {
                    log: inner.log.clone(),
                    rings,
                    connect,
                    stream: stream_id.clone(),
                    replica,
                    stats: inner.digests.clone(),
                };
                Some(Comparer::start(setup, move |why| {
                    if let Some(inner) = failing.upgrade() {
                        fail(&inner, &told, why);
                    }
                })?)
            }
            None => None,
        };
        let writer = start_writer(&inner, dataflow, history.checkers, producer, tell_failure)?;
        let reader = inner.dataflow.get().context("the dataflow is not there")?;
        tokio::spawn(waits::run(
            inner.desk.clone(),
            reader.clone(),
            partitions,
            looks,
        ));
        resume_orders(&inner, &notices, &cashier, &courier)?;
        inner.sequencer.open();
        resume_feeds(&inner).await?;
        inner.ready.store(true, Ordering::Release);
        let ticker = Ticker::start(inner.clone(), config.tick)?;
        let covered = {
            let inner = Arc::downgrade(&inner);
            move || inner.upgrade()?.covered()
        };
        let keeper = checkpoints
            .start(inner.log.clone(), covered)
            .context("the thread of checkpoints cannot be started")?;
        let control = crate::control::serve(&config.data_dir, &inner)?;
        let intakes = intakes.start()?;
        let view_files = Watching::start(&inner)?;
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
            view_files,
            watcher,
            comparer,
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

/// Who is let in. Tokens of several replicas are in the database that they share.
async fn authenticator(
    config: &ReplicaConfig,
    control_token: &str,
) -> anyhow::Result<Arc<dyn Authenticator>> {
    if config.auth == AuthMode::Open {
        return Ok(Arc::new(OpenAuthenticator::default()));
    }
    if !config.stream.is_shared() {
        let tokens = TokenAuthenticator::new(&config.data_dir, control_token)?;
        return Ok(Arc::new(tokens));
    }
    let url = config.database_url.clone().context(NEEDS_DATABASE)?;
    let (data_dir, control_token) = (config.data_dir.clone(), control_token.to_owned());
    let tokens = tokio::task::spawn_blocking(move || {
        SharedAuthenticator::start(&url, &data_dir, &control_token)
    });
    let tokens = tokens
        .await
        .context("reading the tokens was broken off")??;
    Ok(Arc::new(tokens))
}

/// What the booking API is given; at several replicas with the key of offers that they share, and with the
/// memory of idempotency keys.
async fn booking_data(config: &ReplicaConfig, inner: &Arc<Inner>) -> anyhow::Result<BookingData> {
    let mut booking = BookingData::load(&config.data_dir)?;
    if config.stream.is_shared() {
        let url = config.database_url.clone().context(NEEDS_DATABASE)?;
        let (data_dir, inner) = (config.data_dir.clone(), inner.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let connect = crate::database::parse(&url)?;
            let session = shared::open(&connect).context("what the replicas share")?;
            let key = shared::offer_key(&session, &data_dir)?;
            let answers = Answers::open(&connect).context("what the replicas share")?;
            let _ = inner.answers.set(answers);
            anyhow::Ok(key)
        });
        booking.key = reading
            .await
            .context("reading what the replicas share was broken off")??;
    }
    Ok(booking)
}

/// Are the keys that the stream names in the database? Those of a file have the same numbers: to take the one
/// for the other would erase the wrong person.
async fn check_keys(inner: &Inner) -> anyhow::Result<()> {
    let named = inner.desk.last_key().0;
    if named == 0 {
        return Ok(());
    }
    let database = inner.postgres.get().context("the database is not there")?;
    let client = database.client().await?;
    let there = "SELECT to_regclass('flightline_keys.key') IS NOT NULL";
    let mut last: i64 = 0;
    if client.query_one(there, &[]).await?.get(0) {
        let max = "SELECT coalesce(max(id), 0)::bigint FROM flightline_keys.key";
        last = client.query_one(max, &[]).await?.get(0);
    }
    anyhow::ensure!(
        named <= u64::try_from(last).unwrap_or(0),
        "the stream has orders whose passengers are sealed with keys up to number {named}, and the database has keys up \
         to {last}: they are in the file `keys` of the replica that was alone. Such a stream cannot be shared; run \
         one replica on it (stream.shared = false), or use the database that has its keys"
    );
    Ok(())
}

/// Starts the thread that folds what comes, and on a stream of several replicas the one that appends.
fn start_writer(
    inner: &Arc<Inner>,
    mut dataflow: Dataflow,
    mut checkers: Vec<Checker>,
    producer: Producer,
    tell_failure: watch::Sender<Option<Arc<str>>>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let inner = inner.clone();
    let thread = std::thread::Builder::new().name("flightline-stream".to_owned());
    let started = thread.spawn(move || {
        let done = match inner.log.is_shared() {
            false => inner
                .sequencer
                .run(&*inner.log, producer, &mut dataflow, &inner.waiters)
                .map_err(|e| e.to_string()),
            true => run_shared(&inner, producer, &mut checkers, &mut dataflow),
        };
        if let Err(why) = &done {
            // What is folded stays readable; nothing more is taken.
            fail_writes(&inner, why);
            inner.sequencer.wait_for_stop();
        }
        if let Err(failure) = dataflow.shutdown() {
            fail(&inner, &tell_failure, &failure.to_string());
        }
    });
    started.context("the stream's thread cannot be started")
}

/// Appends and folds side by side, until the sequencer is stopped or either fails.
fn run_shared(
    inner: &Inner,
    producer: Producer,
    checkers: &mut [Checker],
    dataflow: &mut Dataflow,
) -> Result<(), String> {
    let own = feeder::Own::new(&producer, inner.partitions);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("flightline-append".to_owned());
        let appending = thread.spawn_scoped(scope, || feeder::append(inner, &own, producer));
        let appending = appending.map_err(|e| format!("the thread of appends: {e}"))?;
        let folded = feeder::fold(inner, &own, checkers, dataflow);
        if let Err(why) = &folded {
            // Nothing is appended that cannot be answered.
            fail_writes(inner, &why.to_string());
            inner.sequencer.stop_taking();
        }
        let appended = match appending.join() {
            Ok(appended) => appended,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        own.drop_all();
        folded.map_err(|e| e.to_string())?;
        appended.map_err(|e| e.to_string())
    })
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
    api.tracing = inner.telemetry.clone().map(|t| t as Arc<dyn Tracing>);
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

/// The ways to the providers that are told of what was sold from their seats.
fn ways(config: &ReplicaConfig) -> anyhow::Result<Ways> {
    let journals = config.data_dir.join("outward");
    let connected = config.outward.iter().map(|(provider, way)| {
        let service = way.connect(journals.join(provider.as_str()));
        let service = service.with_context(|| format!("[providers.{provider}.outward]"))?;
        Ok((*provider, service))
    });
    connected.collect()
}

/// The settings of orders, with the providers that are told in them: what is decided by them has to be in
/// the stream.
fn order_settings(config: &ReplicaConfig) -> OrderSettings {
    let mut outward: Vec<_> = config
        .outward
        .iter()
        .map(|(provider, _)| *provider)
        .collect();
    outward.sort_unstable();
    outward.dedup();
    OrderSettings {
        outward,
        ..config.orders.clone()
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
