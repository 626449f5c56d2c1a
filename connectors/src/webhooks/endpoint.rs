//! Where a client wants to be told.

use serde::{Deserialize, Serialize};

use super::error::WebhooksError;
use super::event::EventKind;

/// An endpoint as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Where to deliver.
    pub url: String,
    /// What to deliver.
    pub events: Vec<EventKind>,
}

/// Changes to an endpoint; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// Deliver or not. What waits goes on waiting while it is false.
    pub active: Option<bool>,
    /// What to deliver, from now on.
    pub events: Option<Vec<EventKind>>,
    /// Where to deliver, what waits too.
    pub url: Option<String>,
}

/// An endpoint. Its secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `end_...`.
    pub id: String,
    /// Whose it is.
    pub client: String,
    /// Where to deliver.
    pub url: String,
    /// What to deliver.
    pub events: Vec<EventKind>,
    /// Is anything delivered?
    pub active: bool,
    /// As every event's.
    pub live_mode: bool,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub updated_at_ms: i64,
}

/// An endpoint that was just made, with its secret: nobody is shown it again.
#[derive(Clone, PartialEq, Eq)]
pub struct CreatedEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What deliveries are signed with.
    pub secret: String,
}

impl std::fmt::Debug for CreatedEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedEndpoint")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// An endpoint as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) number: u32,
    pub(super) id: String,
    pub(super) client: String,
    pub(super) url: String,
    pub(super) events: Vec<EventKind>,
    pub(super) active: bool,
    pub(super) secret: String,
    pub(super) created_at_ms: i64,
    pub(super) updated_at_ms: i64,
    /// What belongs to it is being removed.
    pub(super) deleted: bool,
}

impl Record {
    pub(super) fn endpoint(&self, live_mode: bool) -> Endpoint {
        Endpoint {
            id: self.id.clone(),
            client: self.client.clone(),
            url: self.url.clone(),
            events: self.events.clone(),
            active: self.active,
            live_mode,
            created_at_ms: self.created_at_ms,
            updated_at_ms: self.updated_at_ms,
        }
    }

    pub(super) fn wants(&self, kind: EventKind) -> bool {
        self.active && self.events.contains(&kind)
    }
}

pub(super) fn check_events(events: &[EventKind]) -> Result<(), WebhooksError> {
    let mut sorted = events.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if events.is_empty() || sorted.len() != events.len() {
        return Err(WebhooksError::NoEvents);
    }
    Ok(())
}
