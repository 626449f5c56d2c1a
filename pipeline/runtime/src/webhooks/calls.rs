//! What the booking API asks of webhooks, and how what is kept is shown to it.

use flightline_api::backend::{PageArgs, WebhookAnswer, WebhookCall, WebhookFault};
use flightline_connectors::webhooks::{
    Delivery, DeliveryFilter, Endpoint, EndpointPatch, Event, EventFilter, EventKind, NewEndpoint,
    Page, PageOf, WebhooksError, event::instant,
};
use serde_json::{Value, json};

use super::Webhooks;

impl Webhooks {
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
