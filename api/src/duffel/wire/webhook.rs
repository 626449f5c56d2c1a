//! Webhooks, for the OpenAPI document: the replica writes them. Never built.
#![allow(dead_code)]

use serde::Serialize;
use utoipa::ToSchema;

/// Where events go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Webhook {
    id: String,
    live_mode: bool,
    /// Whether it is told anything.
    active: bool,
    url: String,
    /// Types of events.
    events: Vec<String>,
    created_at: String,
    updated_at: String,
}

/// A webhook that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookCreated {
    #[serde(flatten)]
    webhook: Webhook,
    /// What its deliveries are signed with. Shown once.
    secret: String,
}

/// An event as it is delivered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEvent {
    id: String,
    /// `v2`
    api_version: String,
    r#type: String,
    live_mode: bool,
    created_at: String,
    /// Id of the object that it is about: deliveries of it are the same.
    idempotency_key: String,
    /// The client's name.
    identity_organisation_id: String,
    /// Our own: the order.
    order_id: Option<String>,
    /// Our own: place of the event among those of its order, from 1.
    order_sequence: Option<u64>,
    data: WebhookEventData,
}

/// What an event is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEventData {
    /// Ids: look up the rest.
    object: serde_json::Value,
}

/// An attempt to deliver.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDelivery {
    id: String,
    endpoint_id: String,
    event_id: String,
    r#type: String,
    url: String,
    live_mode: bool,
    created_at: String,
    /// Which attempt, from 1.
    attempt: u32,
    /// Null when there was no answer.
    response_status_code: Option<u16>,
    /// Not kept: empty.
    response_body: String,
    delivery_success: bool,
}

/// A webhook.
#[derive(ToSchema)]
pub(crate) struct CreateWebhookBody {
    data: CreateWebhook,
}

/// Where events go, and which.
#[derive(ToSchema)]
pub(crate) struct CreateWebhook {
    #[schema(example = "https://example.com/flightline")]
    url: String,
    #[schema(min_items = 1)]
    events: Vec<String>,
}

/// Changes of a webhook.
#[derive(ToSchema)]
pub(crate) struct PatchWebhookBody {
    data: PatchWebhook,
}

/// What is changed.
#[derive(ToSchema)]
pub(crate) struct PatchWebhook {
    active: Option<bool>,
    url: Option<String>,
    events: Option<Vec<String>>,
}
