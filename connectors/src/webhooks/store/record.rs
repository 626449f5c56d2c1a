//! What is stored of events and deliveries.

use serde::{Deserialize, Serialize};

use crate::webhooks::event::EventKind;

/// An event as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) client: String,
    pub(super) kind: EventKind,
    pub(super) object_id: String,
    pub(super) created_at_ms: i64,
    /// When it came here: what its retention counts from.
    pub(super) appended_at_ms: i64,
    pub(super) body: String,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Still to be made.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// Given up.
    Failed,
}

/// How far the delivery of an event to an endpoint is, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) status: DeliveryStatus,
    /// Attempts since it was last asked for.
    pub(super) attempts: u32,
    /// When it was first due: what giving up counts from.
    pub(super) first_due_ms: i64,
    /// When it is due while it is pending; otherwise when it ended.
    pub(super) at_ms: i64,
    /// How often it was asked for again.
    pub(super) asked: u32,
}

impl State {
    pub(super) fn due_now(now_ms: i64) -> Self {
        Self {
            status: DeliveryStatus::Pending,
            attempts: 0,
            first_due_ms: now_ms,
            at_ms: now_ms,
            asked: 0,
        }
    }
}

/// How far the delivery of an event to an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryState {
    /// The endpoint.
    pub endpoint_id: String,
    /// How far.
    pub status: DeliveryStatus,
    /// Attempts since it was last asked for.
    pub attempts: u32,
    /// When the next attempt is due while it is pending; otherwise when it ended. Unix milliseconds.
    pub at_ms: i64,
}

/// One attempt to deliver an event: an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// `del_...`.
    pub id: String,
    /// The endpoint.
    pub endpoint_id: String,
    /// The event.
    pub event_id: String,
    /// The event's type.
    pub kind: EventKind,
    /// Where it went.
    pub url: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it began, in Unix milliseconds.
    pub at_ms: i64,
    /// The answer's status; `None` when there was no answer.
    pub response_code: Option<u16>,
    /// Why it did not count as delivered.
    pub error: Option<String>,
    /// When the next attempt is due, in Unix milliseconds; `None` after success or giving up.
    pub next_at_ms: Option<i64>,
}

impl Delivery {
    /// Did the endpoint take it?
    pub fn is_success(&self) -> bool {
        self.error.is_none()
    }
}
