//! Cancellations: first quoted, then confirmed.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Buf;
use flightline_dataflows::rows::{OrderQuote, OrderRow};
use flightline_ledger::order::{OrderAction, OrderOutcome, QuoteId};
use flightline_ledger::outcome::Replay;
use futures_util::Stream;
use warp::reply::Response;

use super::not_found;
use super::orders::finish;
use crate::backend::Caller;
use crate::duffel::body;
use crate::duffel::fields::Object;
use crate::duffel::orders::show::Shower;
use crate::duffel::orders::{desk, ids, refused};
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, CancellationsQuery, IdPath, ListQuery};
use crate::duffel::wire::order::OrderCancellation;
use crate::duffel::wire::ordered::CreateCancellationBody;
use crate::duffel::wire::{Many, One};
use crate::http::access::Need;
use crate::http::error::{ApiError, key_reused};
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::{ReadHeaders, WriteHeaders};

/// What a cancellation would give back
///
/// Changes nothing. Confirm it to cancel; only the newest of an order can be confirmed.
#[utoipa::path(
    post,
    path = "/air/order_cancellations",
    tag = "orders",
    params(BookingHeaders, WriteHeaders),
    request_body(content = CreateCancellationBody, content_type = "application/json"),
    responses((status = 201, description = "The cancellation, not confirmed", body = One<OrderCancellation>))
)]
pub(crate) async fn create<S, B>(request: &Request, body: &mut S) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let caller = request.caller(Need::Sell)?;
    let command = desk::command_id(request, &caller, "order_cancellation")?;
    let data = body::data(request, body).await?;
    let object = Object::root(&data);
    let order = object.text("order_id")?;
    let order = order.ok_or_else(|| object.missing("order_id"))?;
    let row = desk::find_now(request, &caller, ids::parse_order(order)).await?;
    let order = row.order;
    let answer = desk::ask(request, &caller, command, order, OrderAction::QuoteCancel).await?;
    if let Replay::Different { .. } = answer.decision.replay {
        return Err(key_reused(
            "the Idempotency-Key came with another request before: use a new one",
        ));
    }
    let OrderOutcome::Quoted { quote, .. } = answer.decision.outcome else {
        let reason = answer.decision.outcome.reason();
        return Err(reason.map_or_else(ApiError::internal, refused::command));
    };
    desk::shown(request, &answer).await?;
    let row = desk::find(request, &caller, Some(order))?;
    let mut response = respond(request, &row, quote, 201)?;
    finish(
        &mut response,
        &answer,
        0,
        answer.decision.replay != Replay::First,
    );
    Ok(response)
}

/// Cancel
///
/// Gives the seats back and the money as quoted, before it answers.
#[utoipa::path(
    post,
    path = "/air/order_cancellations/{id}/actions/confirm",
    tag = "orders",
    params(BookingHeaders, IdPath, WriteHeaders),
    responses((status = 200, description = "The cancellation, confirmed", body = One<OrderCancellation>))
)]
pub(crate) async fn confirm(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Sell)?;
    let (order, quote) = ids::parse_cancellation(id).ok_or_else(|| not_found("cancellation"))?;
    let row = desk::find_now(request, &caller, Some(order)).await;
    row.map_err(|_| not_found("cancellation"))?;
    // What is asked is its name: a double click is a replay.
    let command = (request.app.config.command_id)(&caller.name, "confirm_cancellation", id);
    let action = OrderAction::ConfirmCancel { quote };
    let answer = desk::ask(request, &caller, command, order, action).await?;
    if let Some(reason) = answer.decision.outcome.reason() {
        return Err(refused::command(reason));
    }
    let settled = desk::settled(request, order).await?;
    let row = desk::find(request, &caller, Some(order))?;
    let mut response = respond(request, &row, quote, 200)?;
    finish(
        &mut response,
        &answer,
        settled.until,
        answer.decision.replay != Replay::First,
    );
    Ok(response)
}

/// A cancellation
#[utoipa::path(
    get,
    path = "/air/order_cancellations/{id}",
    tag = "orders",
    params(BookingHeaders, IdPath, ReadHeaders),
    responses((status = 200, description = "The cancellation", body = One<OrderCancellation>))
)]
pub(crate) async fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let (order, quote) = ids::parse_cancellation(id).ok_or_else(|| not_found("cancellation"))?;
    let row = desk::find_now(request, &caller, Some(order)).await;
    let row = row.map_err(|_| not_found("cancellation"))?;
    respond(request, &row, quote, 200)
}

/// Your cancellations
///
/// Of one order or of all, confirmed or not, the oldest of an order first.
#[utoipa::path(
    get,
    path = "/air/order_cancellations",
    tag = "orders",
    params(BookingHeaders, CancellationsQuery, ListQuery, ReadHeaders),
    responses((status = 200, description = "A page", body = Many<OrderCancellation>))
)]
pub(crate) async fn list(request: &Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let page = Page::parse(&query)?;
    let rows = match query.get("order_id") {
        Some(order) => vec![desk::find_now(request, &caller, ids::parse_order(order)).await?],
        None => {
            request.wait_at_least().await?;
            own(request, &caller)
        }
    };
    let all: Vec<(Arc<OrderRow>, OrderQuote)> = rows
        .iter()
        .flat_map(|row| row.quotes.iter().map(|quote| (row.clone(), quote.clone())))
        .collect();
    let (range, meta) = page.of(&all, |(row, quote)| {
        digest(&ids::cancellation(row.order, quote.id))
    });
    let shower = shower(request);
    let shown = all[range].iter();
    let data = shown
        .map(|(row, quote)| shower.cancellation(row, quote))
        .collect();
    Ok(reply::json(200, &Many { data, meta }))
}

fn own(request: &Request, caller: &Caller) -> Vec<Arc<OrderRow>> {
    let serving = request.app.backend.serving();
    serving.orders_of(&caller.name, Bound::Unbounded, true, usize::MAX, |row| {
        !row.quotes.is_empty()
    })
}

fn shower(request: &Request) -> Shower<'_> {
    Shower {
        booking: &request.app.booking,
        backend: &*request.app.backend,
        now_ms: request.app.config.clock.now_ms(),
    }
}

fn respond(
    request: &Request,
    row: &OrderRow,
    quote: QuoteId,
    status: u16,
) -> Result<Response, ApiError> {
    let found = row.quotes.iter().find(|made| made.id == quote);
    let found = found.ok_or_else(|| not_found("cancellation"))?;
    let data = shower(request).cancellation(row, found);
    Ok(reply::json(status, &One { data }))
}
