//! Webhooks: what clients are told of their orders, derived from the stream, kept with how far the
//! derivation is, and delivered at least once.
//!
//! Events are made of the milestones of orders, which the stream alone decides. A start goes on where
//! the store says that the last run was; what is derived twice has the same id and is kept once.
//!
//! Of several replicas each derives all events, and they share one store. The one that writes the tables
//! keeps what it derives at once; the others hold theirs until the store says that they are kept, and keep
//! them themselves when nobody has for a while. So nobody has to agree on who does it, and a take-over
//! loses none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use flightline_api::backend::{PageArgs, WebhookAnswer, WebhookCall, WebhookFault};
use flightline_connectors::webhooks::{
    Delivery, DeliveryFilter, Endpoint, EndpointPatch, Engine, EngineConfig, Event, EventFilter,
    EventKind, NewEndpoint, NewEvent, OrderPlace, Page, PageOf, PostgresStore, PostgresStoreConfig,
    Progress, Store, StoreConfig, SystemClock, WebhookStore, WebhooksError, event::instant,
};
use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{Milestone, MilestoneKind};
use serde_json::{Value, json};

use crate::several::tables::Tables;

/// Progress without events is written this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before events that could not be kept are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// For so long a replica leaves what it derived to the one that writes the tables.
const LEFT_TO_ANOTHER: Duration = Duration::from_secs(3);

/// Events of one epoch, and how far it goes.
struct Derived {
    events: Vec<Placed>,
    covers: Vec<u64>,
}

/// An event and the record that it follows from.
struct Placed {
    partition: u32,
    offset: u64,
    event: NewEvent,
}

/// Webhooks of a replica.
pub(crate) struct Webhooks {
    store: Arc<dyn Store>,
    /// By partition, the offset before which everything was derived by an earlier run.
    done: Vec<u64>,
    keeper: Sender<Derived>,
}

/// What ends with the replica.
pub(crate) struct Running {
    engine: Engine,
    keeper: std::thread::JoinHandle<()>,
}

/// What webhooks are started with.
pub(crate) struct Setup {
    pub(crate) data_dir: PathBuf,
    pub(crate) partitions: u32,
    pub(crate) live_mode: bool,
    pub(crate) allow_private: bool,
    /// The database of several replicas, and whether this one writes the tables in it.
    pub(crate) shared: Option<(tokio_postgres::Config, Arc<Tables>)>,
}

impl Setup {
    /// Opens the store. Blocking.
    fn open(&self) -> Result<Arc<dyn Store>, WebhooksError> {
        if let Some((connect, _)) = &self.shared {
            let mut config = PostgresStoreConfig::new(connect.clone());
            config.live_mode = self.live_mode;
            config.allow_private = self.allow_private;
            return Ok(Arc::new(PostgresStore::open(
                config,
                Arc::new(SystemClock),
            )?));
        }
        let mut config = StoreConfig::new(self.data_dir.join("webhooks"));
        config.live_mode = self.live_mode;
        config.allow_private = self.allow_private;
        Ok(Arc::new(WebhookStore::open(config, Arc::new(SystemClock))?))
    }
}

impl Webhooks {
    /// Opens the store and starts to deliver what waits there.
    pub(crate) async fn start(setup: Setup) -> anyhow::Result<(Self, Running)> {
        let (partitions, tables) = (
            setup.partitions,
            setup.shared.as_ref().map(|(_, t)| t.clone()),
        );
        let opening = tokio::task::spawn_blocking(move || {
            let store = setup.open().context("opening the webhooks")?;
            let progress = store.progress().context("reading the webhooks")?;
            anyhow::Ok((store, progress))
        });
        let (store, progress) = opening
            .await
            .context("opening the webhooks was broken off")??;
        let done = (0..partitions).map(|p| progress.of(p)).collect();
        let engine = Engine::start(store.clone(), EngineConfig::default());
        let engine = engine.context("starting to deliver webhooks")?;
        let (keeper, derived) = crossbeam_channel::unbounded();
        let kept = Keeper::new(store.clone(), tables);
        let thread = std::thread::Builder::new()
            .name("flightline-webhooks".to_owned())
            .spawn(move || kept.run(&derived))
            .context("the thread of webhooks cannot be started")?;
        let webhooks = Self {
            store,
            done,
            keeper,
        };
        let running = Running {
            engine,
            keeper: thread,
        };
        Ok((webhooks, running))
    }

    /// Takes what an epoch tells of orders. Quick: it is kept on another thread.
    pub(crate) fn epoch(&self, epoch: &Epoch) {
        if epoch.orders.is_empty() {
            return;
        }
        let gone = epoch.orders.iter().filter(|(_, diff)| *diff < 0);
        let before: HashMap<_, _> = gone
            .map(|(row, _)| (row.order, row.milestones.len()))
            .collect();
        let mut events = Vec::new();
        for (row, _) in epoch.orders.iter().filter(|(_, diff)| *diff > 0) {
            let told = before.get(&row.order).copied().unwrap_or(0);
            let done = self.done[row.partition as usize];
            for (at, milestone) in row.milestones.iter().enumerate().skip(told) {
                if milestone.offset >= done {
                    events.push(Placed {
                        partition: row.partition,
                        offset: milestone.offset,
                        event: event(row, at, milestone),
                    });
                }
            }
        }
        let covers = epoch.covers.clone();
        // The keeper goes last.
        let _ = self.keeper.send(Derived { events, covers });
    }

    /// Answers a call of the booking API. Blocking.
    pub(crate) fn call(
        &self,
        client: &str,
        call: WebhookCall,
    ) -> Result<WebhookAnswer, WebhookFault> {
        let store = &self.store;
        let one = |value: Value| Ok(WebhookAnswer::One(value));
        match call {
            WebhookCall::Create { url, events } => {
                let events = kinds(&events)?;
                let made = store.create_endpoint(client, &NewEndpoint { url, events });
                let made = made.map_err(fault)?;
                let mut shown = endpoint(&made.endpoint);
                shown["secret"] = json!(made.secret);
                one(shown)
            }
            WebhookCall::List(page) => {
                let found = store.endpoints(client, &page_of(page)).map_err(fault)?;
                Ok(paged(found, endpoint))
            }
            WebhookCall::Get { id } => one(endpoint(&store.endpoint(client, &id).map_err(fault)?)),
            WebhookCall::Patch {
                id,
                active,
                events,
                url,
            } => {
                let events = events.map(|events| kinds(&events)).transpose()?;
                let patch = EndpointPatch {
                    active,
                    events,
                    url,
                };
                one(endpoint(
                    &store.patch_endpoint(client, &id, &patch).map_err(fault)?,
                ))
            }
            WebhookCall::Delete { id } => {
                store.delete_endpoint(client, &id).map_err(fault)?;
                Ok(WebhookAnswer::Done)
            }
            WebhookCall::Ping { id } => {
                store.ping(client, &id).map_err(fault)?;
                Ok(WebhookAnswer::Done)
            }
            WebhookCall::Events { filter, page } => {
                let filter = EventFilter {
                    kind: filter.kind.as_deref().map(kind).transpose()?,
                    endpoint_id: filter.endpoint_id,
                    delivery_success: filter.delivery_success,
                };
                let found = store
                    .events(client, &filter, &page_of(page))
                    .map_err(fault)?;
                Ok(paged(found, event_shown))
            }
            WebhookCall::Event { id } => {
                one(event_shown(&store.event(client, &id).map_err(fault)?))
            }
            WebhookCall::Redeliver { id } => {
                store.redeliver(client, &id, None).map_err(fault)?;
                Ok(WebhookAnswer::Done)
            }
            WebhookCall::Deliveries { filter, page } => {
                let filter = DeliveryFilter {
                    kind: filter.kind.as_deref().map(kind).transpose()?,
                    endpoint_id: filter.endpoint_id,
                    delivery_success: filter.delivery_success,
                };
                let live_mode = store.live_mode();
                let found = store
                    .deliveries(client, &filter, &page_of(page))
                    .map_err(fault)?;
                Ok(paged(found, |entry| delivery(entry, live_mode)))
            }
        }
    }
}

impl Running {
    /// Ends delivering. What was not delivered is, after the next start. The webhooks must be gone, so
    /// that the keeper ends.
    pub(crate) async fn stop(self) {
        self.engine.stop().await;
        let _ = tokio::task::spawn_blocking(move || self.keeper.join()).await;
    }
}

/// Keeps events and progress, many epochs with one sync.
struct Keeper {
    store: Arc<dyn Store>,
    /// Absent = no other replica.
    tables: Option<Arc<Tables>>,
    /// Not kept yet, as far as is known.
    events: Vec<Placed>,
    /// Since when the oldest of them waits.
    since: Instant,
    covers: Vec<u64>,
    /// `covers` has gone on since it was written.
    is_behind: bool,
    /// When the store was last written, or asked how far it is.
    looked: Instant,
    is_away: bool,
}

impl Keeper {
    fn new(store: Arc<dyn Store>, tables: Option<Arc<Tables>>) -> Self {
        Self {
            store,
            tables,
            events: Vec::new(),
            since: Instant::now(),
            covers: Vec::new(),
            is_behind: false,
            looked: Instant::now(),
            is_away: false,
        }
    }

    fn run(mut self, derived: &Receiver<Derived>) {
        let mut pause = PROGRESS_EVERY;
        loop {
            match derived.recv_timeout(pause) {
                Ok(first) => self.take(first),
                Err(RecvTimeoutError::Timeout) => {}
                // What is not kept is derived again by the next start.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(next) = derived.try_recv() {
                self.take(next);
            }
            pause = PROGRESS_EVERY;
            match self.turn() {
                Ok(()) => self.is_away = false,
                Err(error) => {
                    if !std::mem::replace(&mut self.is_away, true) {
                        tracing::error!(%error, "events for webhooks cannot be kept; trying again");
                    }
                    pause = RETRY;
                }
            }
        }
    }

    fn take(&mut self, derived: Derived) {
        if self.events.is_empty() {
            self.since = Instant::now();
        }
        self.events.extend(derived.events);
        self.covers = derived.covers;
        self.is_behind = true;
    }

    fn turn(&mut self) -> Result<(), WebhooksError> {
        let is_due = self.looked.elapsed() >= PROGRESS_EVERY;
        if let Some(tables) = &self.tables {
            let is_leading = tables.is_writing();
            self.store.set_leading(is_leading);
            if !is_leading {
                return match is_due {
                    true => self.stand_by(),
                    false => Ok(()),
                };
            }
        }
        match self.is_behind && (is_due || !self.events.is_empty()) {
            true => self.keep(),
            false => Ok(()),
        }
    }

    /// Drops what another replica has kept, and keeps what none has for too long.
    fn stand_by(&mut self) -> Result<(), WebhooksError> {
        self.looked = Instant::now();
        if self.events.is_empty() {
            return Ok(());
        }
        let progress = self.store.progress()?;
        self.events
            .retain(|placed| placed.offset >= progress.of(placed.partition));
        match self.events.is_empty() || self.since.elapsed() < LEFT_TO_ANOTHER {
            true => Ok(()),
            false => self.keep(),
        }
    }

    fn keep(&mut self) -> Result<(), WebhooksError> {
        // Who has no webhook is told nothing, later neither.
        let clients: BTreeSet<String> = self
            .events
            .iter()
            .map(|placed| placed.event.client.clone())
            .collect();
        let listening = self.store.with_endpoints(&clients)?;
        let events: Vec<NewEvent> = self
            .events
            .iter()
            .filter(|placed| listening.contains(&placed.event.client))
            .map(|placed| placed.event.clone())
            .collect();
        let progress = (0..).zip(self.covers.iter().copied());
        let progress = Progress(progress.collect::<BTreeMap<_, _>>());
        self.store.append(&events, &progress)?;
        self.events.clear();
        self.is_behind = false;
        self.looked = Instant::now();
        Ok(())
    }
}

/// The event of an order's milestone, the `at`th from 0. Ids only: bodies are kept as they are sent.
fn event(row: &OrderRow, at: usize, milestone: &Milestone) -> NewEvent {
    let order = format!("ord_{}", row.order);
    let (kind, object_id, mut object) = match milestone.kind {
        MilestoneKind::Created => (
            EventKind::OrderCreated,
            order.clone(),
            json!({"booking_reference": row.booking.as_str(), "offer_id": &*row.asked.offer}),
        ),
        MilestoneKind::CreationFailed { attempt } => (
            EventKind::OrderCreationFailed,
            order.clone(),
            json!({"offer_id": &*row.asked.offer, "attempt": attempt}),
        ),
        MilestoneKind::Paid { payment } => (
            EventKind::PaymentCreated,
            format!("pay_{}{payment:08x}", row.order),
            json!({"status": "succeeded"}),
        ),
        MilestoneKind::CancellationQuoted { quote } => (
            EventKind::CancellationCreated,
            format!("ore_{}{quote}", row.order),
            json!({}),
        ),
        MilestoneKind::CancellationConfirmed { quote } => (
            EventKind::CancellationConfirmed,
            format!("ore_{}{quote}", row.order),
            json!({}),
        ),
        MilestoneKind::AirlineChange { number } => (
            EventKind::AirlineInitiatedChange,
            format!("aic_{}", row.order),
            json!({"number": number}),
        ),
    };
    object["id"] = json!(object_id);
    object["order_id"] = json!(order);
    NewEvent {
        client: row.asked.client.to_string(),
        kind,
        object_id,
        order: OrderPlace {
            order_id: order,
            sequence: at as u64 + 1,
        },
        created_at_ms: milestone.at_ms,
        object,
    }
}

fn kind(text: &str) -> Result<EventKind, WebhookFault> {
    text.parse().map_err(fault)
}

fn kinds(texts: &[String]) -> Result<Vec<EventKind>, WebhookFault> {
    texts.iter().map(|text| kind(text)).collect()
}

fn page_of(page: PageArgs) -> Page {
    Page {
        limit: page.limit,
        after: page.after,
        before: page.before,
    }
}

fn paged<T>(found: PageOf<T>, show: impl Fn(&T) -> Value) -> WebhookAnswer {
    WebhookAnswer::Page {
        items: found.items.iter().map(show).collect(),
        limit: found.limit,
        after: found.after,
        before: found.before,
    }
}

fn endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "id": endpoint.id,
        "live_mode": endpoint.live_mode,
        "active": endpoint.active,
        "url": endpoint.url,
        "events": endpoint.events,
        "created_at": instant(endpoint.created_at_ms),
        "updated_at": instant(endpoint.updated_at_ms),
    })
}

/// As it was delivered.
fn event_shown(event: &Event) -> Value {
    serde_json::from_str(&event.body).unwrap_or(Value::Null)
}

fn delivery(entry: &Delivery, live_mode: bool) -> Value {
    json!({
        "id": entry.id,
        "endpoint_id": entry.endpoint_id,
        "event_id": entry.event_id,
        "type": entry.kind,
        "url": entry.url,
        "live_mode": live_mode,
        "created_at": instant(entry.at_ms),
        "attempt": entry.attempt,
        "response_status_code": entry.response_code,
        "response_body": "",
        "delivery_success": entry.response_code.is_some_and(|code| (200..300).contains(&code)),
    })
}

fn fault(error: WebhooksError) -> WebhookFault {
    let message = error.to_string();
    match error {
        WebhooksError::NotFound { .. } => WebhookFault::NotFound(message),
        WebhooksError::Url(_) => WebhookFault::Invalid("url", message),
        WebhooksError::NoEvents | WebhooksError::UnknownKind { .. } => {
            WebhookFault::Invalid("events", message)
        }
        WebhooksError::TooManyEndpoints { .. } => WebhookFault::Invalid("url", message),
        WebhooksError::Inactive { .. } => WebhookFault::Invalid("active", message),
        WebhooksError::Limit(_) => WebhookFault::Invalid("limit", message),
        WebhooksError::Cursor => WebhookFault::Invalid("after", message),
        _ => WebhookFault::Unavailable(message),
    }
}
