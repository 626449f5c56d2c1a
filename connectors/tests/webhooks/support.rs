//! A store in a folder of its own, and events to put into it.

use std::path::Path;
use std::sync::Arc;

use flightline_connectors::webhooks::{
    Clock, EventKind, ManualClock, NewEndpoint, NewEvent, OrderPlace, StoreConfig, WebhookStore,
};
use serde_json::json;

/// 2027-01-05T00:00:00Z.
pub(crate) const START_MS: i64 = 1_799_107_200_000;

pub(crate) fn open(folder: &Path, clock: &Arc<ManualClock>) -> WebhookStore {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    WebhookStore::open(config(folder), clock).unwrap()
}

pub(crate) fn config(folder: &Path) -> StoreConfig {
    let mut config = StoreConfig::new(folder.join("webhooks"));
    config.allow_private = true;
    config.endpoints_per_client_max = 5;
    config
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START_MS))
}

/// The `sequence`th event of an order.
pub(crate) fn event(client: &str, order: &str, sequence: u64) -> NewEvent {
    NewEvent {
        client: client.into(),
        kind: EventKind::OrderCreated,
        object_id: order.into(),
        order: OrderPlace {
            order_id: order.into(),
            sequence,
        },
        created_at_ms: START_MS,
        object: json!({"id": order}),
    }
}

pub(crate) fn endpoint(url: &str) -> NewEndpoint {
    NewEndpoint {
        url: url.into(),
        events: vec![EventKind::OrderCreated, EventKind::PaymentCreated],
    }
}
