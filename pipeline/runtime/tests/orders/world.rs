//! A replica with flights to book, and orders for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flightline_api::backend::{Backend, OrderSubmit, Settled, Submit};
use flightline_connectors::outward::OutwardConfig;
use flightline_connectors::payments::stripe::webhook::Webhook;
use flightline_connectors::payments::{PaymentService, PaymentState, PaymentsUrl, Sandbox};
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::command::Settings;
use flightline_ledger::order::{
    CreateOrder, OfferRequestId, OrderAction, OrderDecision, OrderId, OrderOutcome, OrderSettings,
    OrderState, RefundTerms, SegmentRequest, Terms,
};
use flightline_ledger::{
    Command, CommandId, Decision, FlightCommand, FlightKey, Money, ProviderCode,
};
use flightline_runtime::checkpoint::CheckpointPolicy;
use flightline_runtime::{
    AuthMode, FluvioOptions, ProviderFeed, Replica, ReplicaConfig, StreamPlace,
};
use flightline_stream::FluvioUrl;
use tempfile::TempDir;

/// Far more than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Price of a seat on every flight.
pub(crate) const FARE_MINOR: i64 = 10_000;

pub(crate) fn usd(minor: i64) -> Money {
    Money {
        minor,
        currency: "USD".parse().unwrap(),
        exponent: 2,
    }
}

pub(crate) fn key(text: &str) -> FlightKey {
    text.parse().unwrap()
}

/// An order that is about to be made.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: OrderId,
    pub(crate) create: CreateOrder,
}

pub(crate) struct World {
    folder: PathBuf,
    /// Removes the folder when the world ends.
    _removed: Option<TempDir>,
    replica: Option<Replica>,
    /// Outlives the replica, as a real service does.
    pub(crate) sandbox: Arc<Sandbox>,
    setup: Setup,
    next: AtomicU64,
}

/// What a test may have otherwise.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) settings: OrderSettings,
    pub(crate) notices: Option<Webhook>,
    /// Stands in front of the sandbox.
    pub(crate) service: Option<Arc<dyn PaymentService>>,
    pub(crate) checkpoints: CheckpointPolicy,
    /// A database of somebody else's; absent = a private one.
    pub(crate) database: Option<String>,
    /// The stream and the database are shared with another replica.
    pub(crate) joined: Option<Joined>,
    /// Providers to which orders are sent.
    pub(crate) outward: Vec<(ProviderCode, OutwardConfig)>,
    /// Events for webhooks that are held in memory.
    pub(crate) events_held_max: usize,
    /// How feeds are read.
    pub(crate) feeds: Vec<ProviderFeed>,
}

/// What replicas share.
#[derive(Clone)]
pub(crate) struct Joined {
    pub(crate) url: FluvioUrl,
    pub(crate) database: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: settings(),
            notices: None,
            service: None,
            checkpoints: CheckpointPolicy::default(),
            database: None,
            joined: None,
            outward: Vec::new(),
            events_held_max: 10_000,
            feeds: Vec::new(),
        }
    }
}

fn config(folder: &Path, setup: &Setup) -> ReplicaConfig {
    ReplicaConfig {
        telemetry: None,
        views: None,
        data_dir: folder.join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        auth: AuthMode::Open,
        stream: match &setup.joined {
            None => StreamPlace::Embedded,
            Some(joined) => StreamPlace::Fluvio(Box::new(FluvioOptions {
                url: joined.url.clone(),
                replication: 1,
                all_replicas: true,
                request_timeout: Duration::from_secs(10),
                shared: true,
                tls: None,
            })),
        },
        partitions: 8,
        database_url: {
            let joined = setup.joined.as_ref().map(|j| j.database.clone());
            joined.or_else(|| setup.database.clone())
        },
        workers: 2,
        queue_max: 100_000,
        shutdown_timeout: Duration::from_secs(5),
        settings: Settings::default(),
        orders: setup.settings.clone(),
        webhooks_private: true,
        webhook_events_held_max: setup.events_held_max,
        payments: PaymentsUrl::Sandbox(None),
        payment_notices: setup.notices.clone(),
        checkpoints: setup.checkpoints.clone(),
        booking: flightline_api::BookingTerms::default(),
        tick: Duration::from_millis(20),
        intakes: Vec::new(),
        authorities: Vec::new(),
        feeds: setup.feeds.clone(),
        outward: setup.outward.clone(),
    }
}

/// Unknown outcomes are asked for again soon.
pub(crate) fn settings() -> OrderSettings {
    OrderSettings {
        ask_again_first_ms: 50,
        ask_again_max_ms: 400,
        pay_grace_ms: 1_000,
        ..OrderSettings::default()
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_as(Arc::new(Sandbox::in_memory()), Setup::default()).await
    }

    /// With this policy for checkpoints.
    pub(crate) async fn keeping(checkpoints: CheckpointPolicy) -> Self {
        let setup = Setup {
            checkpoints,
            ..Setup::default()
        };
        Self::start_as(Arc::new(Sandbox::in_memory()), setup).await
    }

    pub(crate) async fn start_as(sandbox: Arc<Sandbox>, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self::start_in(folder.path(), sandbox, setup).await;
        world._removed = Some(folder);
        world
    }

    /// In a folder that stays, and may have been another world's.
    pub(crate) async fn start_in(folder: &Path, sandbox: Arc<Sandbox>, setup: Setup) -> Self {
        let mut world = Self {
            folder: folder.to_owned(),
            _removed: None,
            sandbox,
            setup,
            replica: None,
            next: AtomicU64::new(1),
        };
        world.resume().await.unwrap_or_else(|e| panic!("{e:#}"));
        world
    }

    /// Numbers events and orders from here on, so that those of another world are others.
    pub(crate) fn count_from(&mut self, first: u64) {
        self.next = AtomicU64::new(first);
    }

    /// Waits until this replica has folded what the other one has.
    pub(crate) async fn catch_up_with(&self, other: &World) {
        let (ours, theirs) = (self.backend(), other.backend());
        for partition in 0..ours.partitions() {
            let until = theirs.answered(partition);
            let folded = async {
                while ours.answered(partition) < until {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let folded = tokio::time::timeout(PATIENCE, folded).await;
            assert!(folded.is_ok(), "partition {partition} does not follow");
        }
        self.index().await;
    }

    /// Cancels a booked order, and waits until it is.
    pub(crate) async fn cancel_booking(&self, order: OrderId) {
        let quoted = self.act(order, "quote", OrderAction::QuoteCancel).await;
        let OrderOutcome::Quoted { quote, .. } = quoted.outcome else {
            panic!("{quoted:?}");
        };
        self.act(order, "confirm", OrderAction::ConfirmCancel { quote })
            .await;
        assert_eq!(self.settled(order).await.state, OrderState::Cancelled);
    }

    pub(crate) fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        self.replica().backend()
    }

    /// Stops the replica and starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        self.pause().await;
        self.resume().await.unwrap_or_else(|e| panic!("{e:#}"));
    }

    /// Stops the replica, and leaves its data.
    pub(crate) async fn pause(&mut self) {
        self.replica.take().unwrap().shutdown().await.unwrap();
    }

    /// Starts a replica that was paused.
    pub(crate) async fn resume(&mut self) -> anyhow::Result<()> {
        let config = config(&self.folder, &self.setup);
        let service = self.setup.service.clone();
        let service = service.unwrap_or_else(|| self.sandbox.clone());
        self.replica = Some(Replica::start_with(config, service).await?);
        Ok(())
    }

    /// The time by which this machine stamps records, Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_millis() as i64
    }

    /// Where the replica keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) async fn stop(mut self) {
        self.replica.take().unwrap().shutdown().await.unwrap();
    }

    /// The fold of the whole stream agrees with itself and with every table.
    pub(crate) async fn verify(&self) {
        self.replica().flushed(PATIENCE).await.unwrap();
        let report = self.replica().verify().await.unwrap();
        assert_eq!(report.difference, None);
        assert!(report.clean);
    }

    /// Pushes events of provider `acme`.
    pub(crate) async fn push(&self, lines: &[String]) {
        self.push_as("acme", lines).await;
    }

    /// Pushes events of a provider.
    pub(crate) async fn push_as(&self, provider: &str, lines: &[String]) {
        let provider: ProviderCode = provider.parse().unwrap();
        let (backend, body) = (self.backend(), lines.join("\n").into_bytes());
        let count = lines.len() as u64;
        let report = tokio::task::spawn_blocking(move || {
            let body = Box::new(std::io::Cursor::new(body));
            backend.ingest(provider, "canonical", &[], "test", body)
        });
        let report = report.await.unwrap().unwrap();
        assert_eq!(report.accepted, count, "{report:?}");
    }

    pub(crate) fn head(&self, kind: &str, flight: &str) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!(
            "\"type\":\"{kind}\",\"flight_key\":\"{flight}\",\"source_version\":{{\"time\":\"2026-11-22T10:00:00Z\",\"sequence\":{n}}}"
        )
    }

    /// A flight from its board to IAH (or from IAH to EWR) at noon, with seats at [`FARE_MINOR`].
    pub(crate) async fn flight(&self, flight: &str, seats: u16) {
        let schedule = self.schedule(flight, seats, 12);
        let fares = format!(
            "{{{},\"fares\":[{{\"cabin\":\"Y\",\"amount\":\"100.00\",\"currency\":\"USD\"}}]}}",
            self.head("fares", flight)
        );
        self.push(&[schedule, fares]).await;
        self.index().await;
    }

    /// The line of a schedule.
    pub(crate) fn schedule(&self, flight: &str, seats: u16, hour: u8) -> String {
        let parsed = key(flight);
        let (board, date) = (parsed.board, parsed.origin_date);
        let off = if board.as_str() == "IAH" {
            "EWR"
        } else {
            "IAH"
        };
        format!(
            "{{{},\"legs\":[{{\"board\":\"{board}\",\"off\":\"{off}\",\"departs\":\"{date}T{hour:02}:00\",\"arrives\":\"{date}T{:02}:00\",\"cabins\":[{{\"cabin\":\"Y\",\"seats\":{seats}}}]}}]}}",
            self.head("schedule", flight),
            hour + 4
        )
    }

    pub(crate) async fn cancel_flight(&self, flight: &str) {
        self.push(&[format!("{{{}}}", self.head("cancel", flight))])
            .await;
    }

    pub(crate) async fn fare(&self, flight: &str, amount: &str) {
        let line = format!(
            "{{{},\"fares\":[{{\"cabin\":\"Y\",\"amount\":\"{amount}\",\"currency\":\"USD\"}}]}}",
            self.head("fares", flight)
        );
        self.push(&[line]).await;
    }

    fn draft(&self, flights: &[&str], seats: u16, terms: Terms) -> Draft {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let request = OfferRequestId(u128::from(n) << 64 | 77);
        let segment = |flight: &&str| {
            let view = self.backend().serving().flight(&key(flight));
            let departs_s = view.map_or(0, |view| view.legs[0].departs_s);
            vec![SegmentRequest {
                flight: key(flight),
                provider: None,
                cabin: "Y".parse().unwrap(),
                class: None,
                board: None,
                off: None,
                seats,
                price: usd(FARE_MINOR),
                departs_ms: departs_s * 1000,
            }]
        };
        let total = FARE_MINOR * i64::from(seats) * flights.len() as i64;
        Draft {
            id: OrderId::of(request),
            create: CreateOrder {
                offer_request: request,
                offer: format!("off_{n}").into(),
                client: "shop".into(),
                terms,
                wait_ms: None,
                slices: flights.iter().map(segment).collect(),
                passengers: seats,
                sealed: "sealed".into(),
                total: usd(total),
                refund: RefundTerms::Full,
                metadata: Vec::new(),
            },
        }
    }

    pub(crate) fn instant(&self, flights: &[&str], seats: u16) -> Draft {
        self.paid_by(flights, seats, "balance")
    }

    pub(crate) fn paid_by(&self, flights: &[&str], seats: u16, method: &str) -> Draft {
        let method = method.into();
        self.draft(flights, seats, Terms::Instant { method })
    }

    pub(crate) fn hold(&self, flights: &[&str], seats: u16, pay_by_ms: u64) -> Draft {
        self.draft(flights, seats, Terms::Hold { pay_by_ms })
    }

    /// The same, but it waits for seats that are sold out.
    pub(crate) fn waiting(mut draft: Draft, wait_ms: u64) -> Draft {
        draft.create.wait_ms = Some(wait_ms);
        draft
    }

    /// Waits until an order stands so.
    pub(crate) async fn until(&self, order: OrderId, state: OrderState) {
        let reached = async {
            while self.row(order).await.state != state {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!("never {}: {:#?}", state.name(), self.row(order).await);
        }
    }

    /// Asks for an order, and waits until nothing more happens to it by itself.
    pub(crate) async fn create(&self, draft: &Draft) -> Settled {
        let action = OrderAction::Create(Box::new(draft.create.clone()));
        let decision = self.act(draft.id, "create", action).await;
        assert_eq!(decision.outcome.reason(), None);
        self.settled(draft.id).await
    }

    /// Something that a client asks of an order. `name` tells commands apart.
    pub(crate) async fn act(
        &self,
        order: OrderId,
        name: &str,
        action: OrderAction,
    ) -> OrderDecision {
        let hash = blake3::hash(format!("{order} {name}").as_bytes());
        let id = u128::from_le_bytes(hash.as_bytes()[..16].try_into().unwrap());
        let answer = self.backend().submit_order(OrderSubmit {
            id: CommandId(id),
            order,
            action,
            actor: Some("shop".into()),
        });
        answer.unwrap().await.unwrap().decision
    }

    pub(crate) async fn settled(&self, order: OrderId) -> Settled {
        let settled = self.backend().settled(order);
        let Ok(settled) = tokio::time::timeout(PATIENCE, settled).await else {
            panic!("it never settled: {:#?}", self.row(order).await);
        };
        let settled = settled.unwrap();
        self.covers(settled.partition, settled.until).await;
        settled
    }

    /// The order, with everything that was answered so far.
    pub(crate) async fn row(&self, order: OrderId) -> Arc<OrderRow> {
        self.index().await;
        self.backend().serving().order(order).unwrap()
    }

    /// Waits until the index shows everything that was answered.
    pub(crate) async fn index(&self) {
        let backend = self.backend();
        for partition in 0..backend.partitions() {
            self.covers(partition, backend.answered(partition)).await;
        }
    }

    async fn covers(&self, partition: u32, until: u64) {
        let serving = self.backend().serving().clone();
        let Some(last) = until.checked_sub(1) else {
            return;
        };
        let waited = serving.wait_for(partition, last, PATIENCE).await;
        assert!(waited.is_ok(), "the index does not follow: {waited:?}");
    }

    async fn line(&self, flight: &str) -> (i32, i32, i32) {
        self.index().await;
        let view = self.backend().serving().flight(&key(flight)).unwrap();
        let line = &view.inventory[0];
        (line.held, line.sold, line.available)
    }

    pub(crate) async fn held(&self, flight: &str) -> i32 {
        self.line(flight).await.0
    }

    pub(crate) async fn sold(&self, flight: &str) -> i32 {
        self.line(flight).await.1
    }

    pub(crate) async fn available(&self, flight: &str) -> i32 {
        self.line(flight).await.2
    }

    /// A command straight to a flight.
    pub(crate) async fn flight_command(&self, flight: &str, command: FlightCommand) -> Decision {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.backend().submit(Submit {
            id: CommandId(u128::from(n) << 96),
            command: Command::Flight(key(flight), command),
            ref_text: None,
            actor: None,
        });
        answer.unwrap().await.unwrap().decision
    }

    /// What was taken, payment by payment.
    pub(crate) fn captured(&self) -> Vec<Money> {
        let books = self.sandbox.payments();
        let taken = books.iter().filter(|p| p.captured_minor > 0);
        taken.map(|p| usd(p.captured_minor)).collect()
    }

    /// What was taken and not given back, all in all; nothing may be reserved.
    pub(crate) fn kept(&self) -> Money {
        let books = self.sandbox.payments();
        for payment in &books {
            assert_ne!(payment.state, PaymentState::Authorised, "{payment:?}");
        }
        let kept = books.iter().map(|p| p.captured_minor - p.refunded_minor);
        usd(kept.sum())
    }
}
