//! Webhooks: what clients are told of their orders, derived from the stream, kept with how far the
//! derivation is, and delivered at least once.
//!
//! Events are made of the milestones of orders, which the stream alone decides. A start goes on where
//! the store says that the last run was; what is derived twice has the same id and is kept once.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use flightline_api::backend::{PageArgs, WebhookAnswer, WebhookCall, WebhookFault};
use flightline_connectors::webhooks::{
    Delivery, DeliveryFilter, Endpoint, EndpointPatch, Engine, EngineConfig, Event, EventFilter,
    EventKind, NewEndpoint, NewEvent, OrderPlace, Page, PageOf, Progress, StoreConfig, SystemClock,
    WebhookStore, WebhooksError, event::instant,
};
use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{Milestone, MilestoneKind};
use serde_json::{Value, json};

/// Progress without events is written this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before events that could not be kept are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Events of one epoch, and how far it goes.
struct Derived {
    events: Vec<NewEvent>,
    covers: Vec<u64>,
}

/// Webhooks of a replica.
pub(crate) struct Webhooks {
    store: Arc<WebhookStore>,
    /// By partition, the offset before which everything was derived by an earlier run.
    done: Vec<u64>,
    keeper: Sender<Derived>,
}

/// What ends with the replica.
pub(crate) struct Running {
    engine: Engine,
    keeper: std::thread::JoinHandle<()>,
}

impl Webhooks {
    /// Opens the store in the data directory and starts to deliver what waits there. Must be called
    /// on the async runtime.
    pub(crate) fn start(
        data_dir: &Path,
        partitions: u32,
        live_mode: bool,
        allow_private: bool,
    ) -> anyhow::Result<(Self, Running)> {
        let mut config = StoreConfig::new(data_dir.join("webhooks"));
        config.live_mode = live_mode;
        config.allow_private = allow_private;
        let store = WebhookStore::open(config, Arc::new(SystemClock));
        let store = Arc::new(store.context("opening the webhooks")?);
        let progress = store.progress().context("reading the webhooks")?;
        let done = (0..partitions)
            .map(|partition| offset_of(progress.0.get(&partition)))
            .collect();
        let engine = Engine::start(store.clone(), EngineConfig::default());
        let engine = engine.context("starting to deliver webhooks")?;
        let (keeper, derived) = crossbeam_channel::unbounded();
        let kept = store.clone();
        let thread = std::thread::Builder::new()
            .name("flightline-webhooks".to_owned())
            .spawn(move || keep(&kept, &derived))
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
                    events.push(event(row, at, milestone));
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
                let live_mode = store.config().live_mode;
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
fn keep(store: &WebhookStore, derived: &Receiver<Derived>) {
    let mut covers: Option<Vec<u64>> = None;
    let mut written = Instant::now();
    loop {
        let mut events = Vec::new();
        match derived.recv_timeout(PROGRESS_EVERY) {
            Ok(first) => {
                events.extend(first.events);
                covers = Some(first.covers);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while let Ok(next) = derived.try_recv() {
            events.extend(next.events);
            covers = Some(next.covers);
        }
        // Who has no webhook is told nothing, later neither.
        let mut wanted = HashMap::new();
        events.retain(|event| {
            *wanted
                .entry(event.client.clone())
                .or_insert_with(|| has_endpoints(store, &event.client))
        });
        let is_due = written.elapsed() >= PROGRESS_EVERY;
        let Some(until) = covers.as_ref().filter(|_| is_due || !events.is_empty()) else {
            continue;
        };
        let progress = Progress(
            (0..)
                .zip(until)
                .map(|(partition, offset)| (partition, offset.to_le_bytes().to_vec()))
                .collect::<BTreeMap<_, _>>(),
        );
        while let Err(error) = store.append(&events, &progress) {
            tracing::error!(%error, "events for webhooks cannot be kept; trying again");
            if derived
                .recv_timeout(RETRY)
                .is_err_and(|e| e == RecvTimeoutError::Disconnected)
            {
                // The next start derives them again.
                return;
            }
        }
        covers = None;
        written = Instant::now();
    }
}

fn has_endpoints(store: &WebhookStore, client: &str) -> bool {
    let page = Page {
        limit: 1,
        ..Page::default()
    };
    let found = store.endpoints(client, &page);
    found.is_ok_and(|found| !found.items.is_empty())
}

fn offset_of(bytes: Option<&Vec<u8>>) -> u64 {
    let bytes: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
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
