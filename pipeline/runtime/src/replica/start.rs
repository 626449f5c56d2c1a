//! From a configuration to a replica that takes commands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context;
use flightline_api::backend::{Authenticator, Backend};
use flightline_api::trace::Tracing;
use flightline_connectors::payments::PaymentService;
use flightline_dataflows::changelog::EpochSink;
use flightline_dataflows::sql::View;
use flightline_sinks::postgres::OnCommit;
use rand::RngExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::Inner;
use crate::booking::BookingData;
use crate::checkpoint::{Checkpoints, Store};
use crate::config::{ReplicaConfig, ViewFiles};
use crate::database::{Database, Opened};
use crate::intake::Intakes;
use crate::orders::cashier::Cashier;
use crate::orders::courier::Courier;
use crate::orders::hints::Hints;
use crate::orders::notices::Notices;
use crate::orders::waits;
use crate::people::People;
use crate::sequencer::Sequencer;
use crate::several::digests::{self, Comparer};
use crate::several::rings::Rings;
use crate::several::tables::{Tables, ToTables};
use crate::several::takeover::{Setup, Watcher};
use crate::several::views::SharedViews;
use crate::stream::OpenStream;
use crate::telemetry::Telemetry;
use crate::views::{LiveViews, Refold, Together, Watching};
use crate::webhooks::Webhooks;

use super::Replica;
use super::beginning::Beginning;
use super::fanout::Fanout;
use super::history::fold_history;
use super::outside::{
    authenticator, booking_data, check_keys, common, order_settings, payments, ways,
};
use super::own::{Ticker, configure, resume_feeds, resume_orders};
use super::writer::{fail, start_writer};

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
        let common = match is_shared {
            true => Some(Arc::new(common(&config).await?)),
            false => None,
        };
        let is_away = common.as_ref().is_some_and(|common| common.is_away);
        let auth = authenticator(&config, common.as_ref(), &control_token).await?;
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}: is another replica running? choose another address with --listen", config.listen))?;
        let address = listener.local_addr()?;

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
        let beginning = Beginning {
            log,
            sequencer: sequencer.clone(),
            telemetry: telemetry.clone(),
            authorities: config.authorities.clone(),
            feeds: config.feeds.clone(),
            phase: "starting",
        };
        let (inner, wanted) = beginning.inner();
        let desk = inner.desk.clone();

        let booking = booking_data(&config, common.as_deref(), &inner)?;
        let service = match service {
            Some(service) => service,
            None => payments(&config)?,
        };
        let mut config = config;
        config.booking.is_live = !service.is_test();
        let (stop_http, http) = start_http(&config, &inner, auth, listener, booking);
        let (views, shared_views) = match &common {
            None => (config.views.take().map(|files| (files, None)), None),
            Some(common) => {
                let by = format!("{:016x}", producer.id());
                let store = SharedViews::later(&common.connect, by)
                    .context("the views that the replicas share")?;
                let store = Arc::new(store);
                let begun = begin_together(&mut config, is_away, store.clone()).await?;
                (begun, Some(store))
            }
        };
        let from_start: Vec<Arc<View>> = views
            .iter()
            .flat_map(|(files, _)| files.views.iter().cloned())
            .collect();
        inner.set_phase("starting PostgreSQL");
        let on_commit = telemetry
            .clone()
            .map(|telemetry| OnCommit(Arc::new(move |committed| telemetry.committed(committed))));
        let (database, opened) = Database::start(
            &config,
            &from_start,
            partitions,
            &stream_id,
            on_commit,
            is_away,
        )
        .await?;
        let Opened { sink, postgres } = opened;
        let progress = sink.as_ref().map(|sink| sink.progress().to_vec());
        if sink.is_none() && !is_away {
            tracing::info!("another replica writes the tables");
        }
        let tables = Arc::new(Tables::new(sink, partitions, from_start));
        let shared_in = is_shared.then(|| postgres.connect.clone());
        if inner.postgres.set(Arc::new(database)).is_err() {
            unreachable!("the database is set once, here");
        }

        let cashier = Cashier::new(service, desk.clone(), sequencer, claims_as);
        tokio::spawn(cashier.clone().run(wanted.effects));
        let ways = Arc::new(ways(&config.data_dir, &config.outward)?);
        if inner.ways.set(ways.clone()).is_err() {
            unreachable!("the ways to providers are set once, here");
        }
        let courier = Courier::new(ways, desk.clone(), &inner, claims_as);
        tokio::spawn(courier.clone().run(wanted.outward));
        let hints = Hints::new(config.payment_notices.clone(), cashier.clone());
        if inner.hints.set(hints).is_err() {
            unreachable!("notices of the payment service are set up once, here");
        }
        let (webhooks, delivering) = Webhooks::start(crate::webhooks::Setup {
            data_dir: config.data_dir.clone(),
            inner: Arc::downgrade(&inner),
            ends: inner.log.end_offsets()?,
            held_max: config.webhook_events_held_max,
            is_away,
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
        let to_tables = ToTables(tables.clone());
        let rows: Box<dyn EpochSink> = match views {
            None => Box::new(to_tables),
            Some((files, together)) => {
                let (failing, told) = (Arc::downgrade(&inner), tell_failure.clone());
                let setup = crate::views::Setup {
                    partitions,
                    workers,
                    data_dir: &config.data_dir,
                    together,
                    past: Refold::new(&inner),
                };
                let (views, live) = LiveViews::start(setup, files, to_tables, move |why| {
                    if let Some(inner) = failing.upgrade() {
                        fail(&inner, &told, why);
                    }
                })?;
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
                if let Some(common) = common.as_ref().filter(|_| !is_away) {
                    check_keys(&inner).await?;
                    common.notes.begin(config.auth)?;
                }
                tokio::task::spawn_blocking(move || People::open_shared(connect, is_away))
                    .await
                    .context("opening the keys of personal data was broken off")??
            }
            None => People::open(&config.data_dir, inner.desk.last_key())?,
        };
        if inner.people.set(people).is_err() {
            unreachable!("the keys are opened once, here");
        }
        configure(&inner, config.settings, order_settings(&config))?;
        let watcher = shared_views.map(|common| {
            let setup = Setup {
                postgres,
                tables,
                common,
            };
            Watcher::start(&inner, setup)
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
            wanted.looks,
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
}

/// The views of a start that several replicas share, if this one runs any.
async fn begin_together(
    config: &mut ReplicaConfig,
    is_away: bool,
    store: Arc<SharedViews>,
) -> anyhow::Result<Option<(ViewFiles, Option<Together>)>> {
    let (files, data_dir) = (config.views.take(), config.data_dir.clone());
    let beginning = tokio::task::spawn_blocking(move || {
        if let Some(files) = files {
            let (files, together) = crate::views::begin(store, is_away, &data_dir, files)?;
            return Ok(Some((files, Some(together))));
        }
        if !is_away {
            let there = store
                .read()
                .context("the views that the replicas share")?
                .views;
            anyhow::ensure!(
                there.is_empty(),
                "the replicas of this stream have views in SQL ({}), and each of them may have to write their tables: start \
                 this one with `--views DIR` (setting dataflow.views), too; an empty folder will do",
                there.keys().cloned().collect::<Vec<_>>().join(", ")
            );
        }
        Ok(None)
    });
    beginning
        .await
        .context("reading the views that the replicas share was broken off")?
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
