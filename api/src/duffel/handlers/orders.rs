//! Orders: listed, looked at, labelled, explained.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Buf;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{OrderAction, OrderState};
use flightline_ledger::outcome::Replay;
use futures_util::Stream;
use serde_json::Value;
use warp::reply::Response;

use super::{Job, TIMEOUT_MS, flag, not_found, off_thread, one_of};
use crate::backend::{Backend, OrderAnswer, Role};
use crate::duffel::body;
use crate::duffel::fields::Object;
use crate::duffel::orders::show::Shower;
use crate::duffel::orders::{asked, desk, ids, refused};
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, IdPath, ListQuery, OrdersQuery};
use crate::duffel::wire::order::Order;
use crate::duffel::wire::ordered::PatchOrderBody;
use crate::duffel::wire::{Many, One};
use crate::http::access::Need;
use crate::http::error::{ApiError, key_reused};
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::{ReadHeaders, WriteHeaders};

/// The answer with an order in it.
pub(super) async fn respond(
    request: &Request,
    row: &Arc<OrderRow>,
    status: u16,
    write: Option<(&OrderAnswer, u64, bool)>,
) -> Result<Response, ApiError> {
    let data = show(request, vec![row.clone()]).await?;
    let data = data.into_iter().next().ok_or_else(ApiError::internal)?;
    let mut response = reply::json(status, &One { data });
    if let Some((answer, until, is_replay)) = write {
        finish(&mut response, answer, until, is_replay);
    }
    Ok(response)
}

/// Says what a read must cover to show what is answered (where the write landed, or what came before `until`,
/// when more happened before it was answered), and whether it was asked before.
pub(super) fn finish(response: &mut Response, answer: &OrderAnswer, until: u64, is_replay: bool) {
    let offset = match answer.decision.replay {
        Replay::First => answer.decision.offset,
        Replay::Same { first_offset } | Replay::Different { first_offset } => first_offset,
    };
    let last = until.saturating_sub(1);
    reply::set_offset(response, answer.partition, offset.max(last));
    if is_replay {
        reply::set_replayed(response);
    }
}

async fn show(request: &Request, rows: Vec<Arc<OrderRow>>) -> Result<Vec<Order>, ApiError> {
    let booking = Arc::clone(&request.app.booking);
    let backend = Arc::clone(&request.app.backend);
    let now_ms = request.app.config.clock.now_ms();
    let shown = tokio::task::spawn_blocking(move || {
        let shower = Shower {
            booking: &booking,
            backend: &*backend,
            now_ms,
        };
        rows.iter().filter_map(|row| shower.order(row)).collect()
    });
    shown.await.map_err(|_| ApiError::internal())
}

/// An order
#[utoipa::path(
    get,
    path = "/air/orders/{id}",
    tag = "orders",
    params(BookingHeaders, IdPath, ReadHeaders),
    responses((status = 200, description = "The order", body = One<Order>))
)]
pub(crate) async fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let row = desk::find_now(request, &caller, ids::parse_order(id)).await?;
    respond(request, &row, 200, None).await
}

/// Label an order
///
/// Replaces its `metadata`, your own notes. Keep personal data out of them.
#[utoipa::path(
    patch,
    path = "/air/orders/{id}",
    tag = "orders",
    params(BookingHeaders, IdPath, WriteHeaders),
    request_body(content = PatchOrderBody, content_type = "application/json"),
    responses((status = 200, description = "The order", body = One<Order>))
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
    let caller = request.caller(Need::Sell)?;
    let command = desk::command_id(request, &caller, "order_metadata")?;
    let data = body::data(request, body).await?;
    let asked = Object::root(&data);
    // One client library wraps its fields in `options`.
    let options = asked.object("options")?;
    let metadata = match options {
        Some(options) => asked::metadata(&options)?,
        None => asked::metadata(&asked)?,
    };
    let metadata = metadata.ok_or_else(|| asked.missing("metadata"))?;
    let order = desk::find_now(request, &caller, ids::parse_order(id))
        .await?
        .order;
    let action = OrderAction::SetMetadata(metadata);
    let answer = desk::ask(request, &caller, command, order, action).await?;
    if let Some(reason) = answer.decision.outcome.reason() {
        return Err(refused::command(reason));
    }
    if let Replay::Different { .. } = answer.decision.replay {
        return Err(key_reused(
            "the Idempotency-Key came with other metadata before: use a new one",
        ));
    }
    desk::shown(request, &answer).await?;
    let row = desk::find(request, &caller, Some(order))?;
    let is_replay = answer.decision.replay != Replay::First;
    respond(request, &row, 200, Some((&answer, 0, is_replay))).await
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Created,
    PayBy,
    Amount,
}

/// Your orders
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/air/orders",
    tag = "orders",
    params(BookingHeaders, OrdersQuery, ListQuery, ReadHeaders),
    responses((status = 200, description = "A page", body = Many<Order>))
)]
pub(crate) async fn list(request: &Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let page = Page::parse(&query)?;
    let awaiting = flag(&query, "awaiting_payment")?;
    let (sort, is_downwards) = sort(&query)?;
    let owned = |name: &str| query.get(name).map(str::to_owned);
    let (booking_reference, offer_id) = (owned("booking_reference"), owned("offer_id"));
    let names: Vec<String> = query
        .all("passenger_name")
        .map(|name| name.to_lowercase())
        .collect();
    let user = owned("user_id");
    request.wait_at_least().await?;
    let everybody = caller.role == Role::Operator;
    let answer = off_thread(request, caller.name, TIMEOUT_MS, move |job: &Job| {
        let keep = |row: &OrderRow| {
            let fits = |filter: &Option<String>, text: &str| {
                filter.as_deref().is_none_or(|filter| filter == text)
            };
            let is_awaiting = row.state == OrderState::AwaitingPayment;
            (row.established || row.waited)
                && awaiting.is_none_or(|awaiting| awaiting == is_awaiting)
                && fits(&booking_reference, row.booking.as_str())
                && fits(&offer_id, &row.asked.offer)
        };
        let serving = job.backend.serving();
        let mut rows: Vec<Arc<OrderRow>> = if everybody {
            let mut all = serving.all_orders();
            all.retain(|row| keep(row));
            all
        } else {
            serving.orders_of(&job.client, Bound::Unbounded, true, usize::MAX, keep)
        };
        let shower = Shower {
            booking: &job.booking,
            backend: &*job.backend,
            now_ms: job.now_ms,
        };
        if !names.is_empty() || user.is_some() {
            rows.retain(|row| is_about(&shower, row, &names, user.as_deref()));
        }
        order_rows(&mut rows, sort, is_downwards);
        let (range, meta) = page.of(&rows, |row| digest(&row.order.to_string()));
        let data: Vec<Order> = rows[range]
            .iter()
            .filter_map(|row| shower.order(row))
            .collect();
        reply::to_json(&Many { data, meta }, 4096)
    });
    Ok(reply::json_bytes(200, answer.await?))
}

/// Does one of the passengers have one of the names, or the user id?
fn is_about(shower: &Shower<'_>, row: &OrderRow, names: &[String], user: Option<&str>) -> bool {
    let people = shower.people(row).unwrap_or_default();
    let named = |text: &String| {
        people.iter().any(|person| {
            let (given, family) = (
                person.given_name.to_lowercase(),
                person.family_name.to_lowercase(),
            );
            let whole = format!("{given} {family}");
            whole == *text || given == *text || family == *text
        })
    };
    let is_user = |user: &str| people.iter().any(|p| p.user_id.as_deref() == Some(user));
    names.iter().all(named) && user.is_none_or(is_user)
}

fn sort(query: &Query<'_>) -> Result<(Sort, bool), ApiError> {
    let Some(text) = query.get("sort") else {
        return Ok((Sort::Created, true));
    };
    let (name, is_downwards) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    match name {
        "pay_by" | "payment_required_by" => Ok((Sort::PayBy, is_downwards)),
        "total_amount" => Ok((Sort::Amount, is_downwards)),
        "created_at" => Ok((Sort::Created, is_downwards)),
        _ => Err(one_of(
            "sort",
            "payment_required_by, pay_by, total_amount or created_at, downwards with a minus",
            text,
        )),
    }
}

fn order_rows(rows: &mut [Arc<OrderRow>], sort: Sort, is_downwards: bool) {
    let key = |row: &OrderRow| match sort {
        Sort::Created => (None, row.created_ms),
        Sort::PayBy => (None, row.payment_required_by_ms.unwrap_or(i64::MAX)),
        Sort::Amount => (Some(row.asked.total.currency), row.asked.total.minor),
    };
    rows.sort_by(|a, b| {
        let first = key(a).cmp(&key(b));
        let first = if is_downwards { first.reverse() } else { first };
        first.then_with(|| a.order.cmp(&b.order))
    });
}

/// Why an order is as it is
///
/// Every decision with its offset; for those about seats, the inventory that the flight saw and the events
/// that led there.
#[utoipa::path(
    get,
    path = "/air/orders/{id}/explanation",
    tag = "orders",
    params(BookingHeaders, IdPath, ReadHeaders),
    responses((status = 200, description = "The explanation", body = One<Value>))
)]
pub(crate) async fn explanation(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    request.wait_at_least().await?;
    let order = ids::parse_order(id).ok_or_else(|| not_found("order"))?;
    let backend: Arc<dyn Backend> = Arc::clone(&request.app.backend);
    let found = tokio::task::spawn_blocking(move || backend.explain_order(order)).await;
    match found {
        Ok(Ok(Some(found))) if desk::may_see(&caller, &found.order) => {
            let data = crate::explanation::order_explanation(&found);
            Ok(reply::json(200, &One { data }))
        }
        Ok(Ok(_)) => Err(not_found("order")),
        Ok(Err(why)) => {
            tracing::error!(%order, why, "an order cannot be explained");
            Err(ApiError::internal())
        }
        Err(_) => Err(ApiError::internal()),
    }
}
