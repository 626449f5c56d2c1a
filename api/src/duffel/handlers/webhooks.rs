//! Webhooks: where clients are told what happens to their orders.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use serde_json::Value;
use warp::reply::Response;

use super::flag;
use crate::backend::{PageArgs, WebhookAnswer, WebhookCall, WebhookFault, WebhookFilter};
use crate::duffel::body;
use crate::duffel::fields::Object;
use crate::duffel::params::{BookingHeaders, IdPath, ListQuery, WebhookQuery};
use crate::duffel::wire::webhook::{
    CreateWebhookBody, PatchWebhookBody, Webhook, WebhookCreated, WebhookDelivery, WebhookEvent,
};
use crate::duffel::wire::{Many, One};
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;

/// Make a webhook
///
/// Events are posted to its url, signed with the secret in the answer, which is shown once.
#[utoipa::path(
    post,
    path = "/air/webhooks",
    tag = "webhooks",
    params(BookingHeaders),
    request_body(content = CreateWebhookBody, content_type = "application/json"),
    responses((status = 201, description = "The webhook, with its secret", body = One<WebhookCreated>))
)]
pub(crate) async fn create<S, B>(request: &Request, body: &mut S) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    request.caller(Need::Sell)?;
    let data = body::data(request, body).await?;
    let asked = Object::root(&data);
    let url = asked.short_text("url", 2_000)?;
    let url = url.ok_or_else(|| asked.missing("url"))?.to_owned();
    let events = events(&asked)?.ok_or_else(|| asked.missing("events"))?;
    answer(request, WebhookCall::Create { url, events }, 201).await
}

/// Your webhooks
#[utoipa::path(
    get,
    path = "/air/webhooks",
    tag = "webhooks",
    params(BookingHeaders, ListQuery),
    responses((status = 200, description = "A page", body = Many<Webhook>))
)]
pub(crate) async fn list(request: &Request) -> Result<Response, ApiError> {
    let page = page(&Query::parse_any(request.uri.query())?)?;
    answer(request, WebhookCall::List(page), 200).await
}

/// A webhook
#[utoipa::path(
    get,
    path = "/air/webhooks/{id}",
    tag = "webhooks",
    params(BookingHeaders, IdPath),
    responses((status = 200, description = "The webhook", body = One<Webhook>))
)]
pub(crate) async fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    answer(request, WebhookCall::Get { id: id.to_owned() }, 200).await
}

/// Change a webhook
///
/// What is left out stays. One that is not active is told nothing, later neither.
#[utoipa::path(
    patch,
    path = "/air/webhooks/{id}",
    tag = "webhooks",
    params(BookingHeaders, IdPath),
    request_body(content = PatchWebhookBody, content_type = "application/json"),
    responses((status = 200, description = "The webhook", body = One<Webhook>))
)]
pub(crate) async fn patch<S, B>(
    request: &Request,
    id: &str,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    request.caller(Need::Sell)?;
    let data = body::data(request, body).await?;
    let asked = Object::root(&data);
    let call = WebhookCall::Patch {
        id: id.to_owned(),
        active: asked.flag("active")?,
        events: events(&asked)?,
        url: asked.short_text("url", 2_000)?.map(str::to_owned),
    };
    answer(request, call, 200).await
}

/// Remove a webhook
///
/// What still waits to be delivered to it is dropped.
#[utoipa::path(
    delete,
    path = "/air/webhooks/{id}",
    tag = "webhooks",
    params(BookingHeaders, IdPath),
    responses((status = 204, description = "It is gone"))
)]
pub(crate) async fn delete(request: &Request, id: &str) -> Result<Response, ApiError> {
    answer(request, WebhookCall::Delete { id: id.to_owned() }, 204).await
}

/// Send a webhook a test event
#[utoipa::path(
    post,
    path = "/air/webhooks/{id}/actions/ping",
    tag = "webhooks",
    params(BookingHeaders, IdPath),
    responses((status = 204, description = "The event is on its way"))
)]
pub(crate) async fn ping(request: &Request, id: &str) -> Result<Response, ApiError> {
    answer(request, WebhookCall::Ping { id: id.to_owned() }, 204).await
}

/// Your events
///
/// The newest first, as they were delivered. Kept for a week after their delivery.
#[utoipa::path(
    get,
    path = "/air/webhooks/events",
    tag = "webhooks",
    params(BookingHeaders, WebhookQuery, ListQuery),
    responses((status = 200, description = "A page", body = Many<WebhookEvent>))
)]
pub(crate) async fn events_list(request: &Request) -> Result<Response, ApiError> {
    let query = Query::parse_any(request.uri.query())?;
    let call = WebhookCall::Events {
        filter: filter(&query)?,
        page: page(&query)?,
    };
    answer(request, call, 200).await
}

/// An event
#[utoipa::path(
    get,
    path = "/air/webhooks/events/{id}",
    tag = "webhooks",
    params(BookingHeaders, IdPath),
    responses((status = 200, description = "The event", body = One<WebhookEvent>))
)]
pub(crate) async fn event(request: &Request, id: &str) -> Result<Response, ApiError> {
    answer(request, WebhookCall::Event { id: id.to_owned() }, 200).await
}

/// Deliver an event again
#[utoipa::path(
    post,
    path = "/air/webhooks/events/{id}/actions/redeliver",
    tag = "webhooks",
    params(BookingHeaders, IdPath),
    responses((status = 204, description = "The event is on its way"))
)]
pub(crate) async fn redeliver(request: &Request, id: &str) -> Result<Response, ApiError> {
    answer(request, WebhookCall::Redeliver { id: id.to_owned() }, 204).await
}

/// Attempts to deliver
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/air/webhooks/deliveries",
    tag = "webhooks",
    params(BookingHeaders, WebhookQuery, ListQuery),
    responses((status = 200, description = "A page", body = Many<WebhookDelivery>))
)]
pub(crate) async fn deliveries(request: &Request) -> Result<Response, ApiError> {
    let query = Query::parse_any(request.uri.query())?;
    let call = WebhookCall::Deliveries {
        filter: filter(&query)?,
        page: page(&query)?,
    };
    answer(request, call, 200).await
}

fn page(query: &Query<'_>) -> Result<PageArgs, ApiError> {
    let limit = query.number("limit", 1, 200)?;
    Ok(PageArgs {
        limit: limit.unwrap_or(50) as usize,
        after: query.get("after").map(str::to_owned),
        before: query.get("before").map(str::to_owned),
    })
}

fn filter(query: &Query<'_>) -> Result<WebhookFilter, ApiError> {
    Ok(WebhookFilter {
        kind: query.get("type").map(str::to_owned),
        endpoint_id: query.get("endpoint_id").map(str::to_owned),
        delivery_success: flag(query, "delivery_success")?,
    })
}

fn events(asked: &Object<'_>) -> Result<Option<Vec<String>>, ApiError> {
    let wrong = || {
        asked.fault(
            &faults::VALIDATION_TYPE,
            "events",
            "must be a list of types",
        )
    };
    let items = match asked.get("events") {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong()),
    };
    let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
    texts
        .collect::<Option<Vec<String>>>()
        .map(Some)
        .ok_or_else(wrong)
}

async fn answer(request: &Request, call: WebhookCall, status: u16) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Sell)?;
    let backend = Arc::clone(&request.app.backend);
    let done = tokio::task::spawn_blocking(move || backend.webhooks(&caller.name, call)).await;
    let done = done.map_err(|_| ApiError::internal())?;
    match done {
        Ok(WebhookAnswer::One(data)) => Ok(reply::json(status, &One { data })),
        Ok(WebhookAnswer::Page {
            items,
            limit,
            after,
            before,
        }) => {
            let page = serde_json::json!({
                "data": items,
                "meta": {"limit": limit, "after": after, "before": before},
            });
            Ok(reply::json(status, &page))
        }
        Ok(WebhookAnswer::Done) => Ok(reply::empty(status)),
        Err(WebhookFault::NotFound(why)) => Err(ApiError::new(&faults::NOT_FOUND, why)),
        Err(WebhookFault::Invalid(field, why)) => {
            Err(ApiError::new(&faults::VALIDATION_FORMAT, why).field(field))
        }
        Err(WebhookFault::Unavailable(why)) => Err(ApiError::new(&faults::UNAVAILABLE, why)),
    }
}
