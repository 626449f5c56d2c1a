//! Orders: made, listed, looked at, labelled, explained.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Buf;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{OrderAction, OrderId, OrderReason, OrderState};
use flightline_ledger::outcome::{Kind, Replay};
use flightline_ledger::{Date, FlightKey};
use futures_util::Stream;
use serde_json::Value;
use warp::reply::Response;

use super::offers::wait_seen;
use super::{Job, TIMEOUT_MS, flag, not_found, off_thread, one_of};
use crate::backend::{Backend, OrderAnswer, Role};
use crate::duffel::fields::Object;
use crate::duffel::orders::asked::{self, OrderType, PaymentAsked};
use crate::duffel::orders::people::{self, Sealed};
use crate::duffel::orders::show::Shower;
use crate::duffel::orders::{desk, ids, make, refused};
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, IdPath, ListQuery, OrdersQuery};
use crate::duffel::wire::order::Order;
use crate::duffel::wire::ordered::{CreateOrderBody, PatchOrderBody};
use crate::duffel::wire::{Many, One, text};
use crate::duffel::{body, price, token};
use crate::http::access::Need;
use crate::http::error::{ApiError, key_reused};
use crate::http::faults;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::{ReadHeaders, WriteHeaders};

/// Order an offer
///
/// `instant` holds every flight, takes the payment and issues the ticket before it answers; `hold` holds
/// the seats until `payment_required_by`. All flights or none. One search has one order. With `waitlist` an
/// order for sold-out flights is answered in state `waiting`, and goes on when its turn comes.
#[utoipa::path(
    post,
    path = "/air/orders",
    tag = "orders",
    params(BookingHeaders, WriteHeaders),
    request_body(content = CreateOrderBody, content_type = "application/json"),
    responses((status = 201, description = "The order", body = One<Order>, headers(
        ("flightline-offset" = String, description = "PARTITION:OFFSET of the write"),
        ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
    )))
)]
pub(crate) async fn create<S, B>(request: &Request, body: &mut S) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let caller = request.caller(Need::Sell)?;
    let id = desk::command_id(request, &caller, "order")?;
    let data = body::data(request, body).await?;
    let asked = Object::root(&data);
    let offer_id = asked::selected_offer(&asked)?;
    let kind = asked::order_type(&asked)?;
    asked::no_services(&asked, kind)?;
    let payment = asked::payments(&asked, kind)?;
    let metadata = asked::metadata(&asked)?.unwrap_or_default();
    let booking = &request.app.booking;
    let wait_ms = asked::wait_ms(&asked, &booking.terms)?;
    let offer = token::Offer::decode(&booking.signer, &caller.name, offer_id);
    let offer = offer.ok_or_else(|| not_found("offer").field("selected_offers"))?;
    let now_ms = request.app.config.clock.now_ms();
    let today = Date(i32::try_from(now_ms.div_euclid(86_400_000)).unwrap_or(i32::MAX));
    let passengers = people::parse(&asked, &offer, today)?;
    let (_, order) = make::order_of(&offer);
    let sealed = Sealed {
        request: blake3::hash(Value::Object(data.clone()).to_string().as_bytes()).to_string(),
        passengers,
    };
    let by_balance = payment.as_ref().is_some_and(|p| p.card.is_none());

    // A key that was used before leads to the order that it made, whatever became of the offer since.
    let is_known = request.key()?.is_some() && is_taken(request, order);
    let offer = if is_known {
        offer
    } else {
        let deal = Deal {
            kind,
            wait_ms,
            payment: payment.as_ref(),
        };
        agreed(request, &offer, &deal, now_ms).await?
    };
    let plain = serde_json::to_vec(&sealed).map_err(|_| ApiError::internal())?;
    let text = seal(request, order, plain).await?;
    let create = make::create(
        booking,
        &caller.name,
        offer_id,
        &offer,
        kind,
        wait_ms,
        payment.as_ref(),
        text,
        metadata,
    );
    let action = OrderAction::Create(Box::new(create));
    let answer = desk::ask(request, &caller, id, order, action).await?;
    let is_replay = replayed(request, &answer, order, &sealed).await?;
    if let Some(reason) = answer.decision.outcome.reason() {
        return Err(refused::command(reason));
    }
    let settled = desk::settled(request, order).await?;
    let row = request.app.backend.serving().order(order);
    let row = row.ok_or_else(ApiError::internal)?;
    if settled.state == OrderState::Refused {
        let since = changed_by(request, &row).await;
        return Err(refused::not_made(&row, by_balance, since.as_deref()));
    }
    respond(request, &row, 201, Some((&answer, is_replay))).await
}

/// Is there an order of this search that has not failed? It may still be in the making, and hold the
/// very seats that a second request would look for.
fn is_taken(request: &Request, order: OrderId) -> bool {
    let row = request.app.backend.serving().order(order);
    row.is_some_and(|row| row.established || !row.state.is_end())
}

/// How an offer is to be ordered.
struct Deal<'a> {
    kind: OrderType,
    /// How long it may wait for seats, in milliseconds.
    wait_ms: Option<u64>,
    payment: Option<&'a PaymentAsked>,
}

/// The offer at the price that the client agrees with: the one that it was shown, or, when it moved, the
/// one that it pays.
async fn agreed(
    request: &Request,
    offer: &token::Offer,
    deal: &Deal<'_>,
    now_ms: i64,
) -> Result<token::Offer, ApiError> {
    let payment = deal.payment;
    if offer.expires_at_ms <= now_ms {
        let until = text::instant(offer.expires_at_ms);
        return Err(ApiError::new(
            &faults::OFFER_EXPIRED,
            format!("the offer was good until {until}: search again"),
        ));
    }
    let (_, order) = make::order_of(offer);
    if is_taken(request, order) {
        return Err(refused::command(OrderReason::AlreadyBooked));
    }
    wait_seen(request, offer).await?;
    let booking = &request.app.booking;
    let priced = price::price(request.app.backend.serving(), offer, deal.wait_ms.is_some())?;
    if priced.is_changed {
        let pays_new = payment.is_some_and(|p| make::check_payment(p, priced.offer.total).is_ok());
        if !pays_new {
            let before = offer.segments();
            let changed = before
                .zip(priced.offer.segments())
                .find(|(old, new)| old.price_minor != new.price_minor);
            let Some((old, new)) = changed else {
                return Err(ApiError::internal());
            };
            let since = fare_event(request, old.flight).await;
            let now = format!(
                "{} {}",
                text::amount(priced.offer.price_of(new)),
                priced.offer.total.currency
            );
            let flight = format!("flight {}", old.flight);
            return Err(refused::price_changed(
                &flight,
                Some(&now),
                since.as_deref(),
            ));
        }
    }
    if let Some(payment) = payment {
        make::check_payment(payment, priced.offer.total)?;
    }
    check_time(&priced.offer, deal, booking.terms.pay_by_ms, now_ms)?;
    Ok(priced.offer)
}

/// Is there time to wait and to pay before the first flight departs?
fn check_time(
    offer: &token::Offer,
    deal: &Deal<'_>,
    pay_by_ms: u64,
    now_ms: i64,
) -> Result<(), ApiError> {
    let first_s = offer.segments().map(|s| s.departs_s).min().unwrap_or(0);
    let left_ms = first_s.saturating_mul(1000).saturating_sub(now_ms);
    let pay_ms = match deal.kind {
        OrderType::Hold => pay_by_ms,
        OrderType::Instant => 0,
    };
    let is_enough = |ms: u64| left_ms > i64::try_from(ms).unwrap_or(i64::MAX);
    if deal.kind == OrderType::Hold && !is_enough(pay_ms) {
        return Err(ApiError::new(
            &faults::INVALID_ORDER_TYPE,
            "the first flight departs too soon to be held first: make an order of type instant",
        ));
    }
    match deal.wait_ms {
        Some(wait_ms) if !is_enough(wait_ms.saturating_add(pay_ms)) => Err(ApiError::new(
            &faults::VALIDATION_INCLUSION,
            format!(
                "`waitlist.wait_s` is too long: the first flight departs in {} s, and an order of type hold has {} s to be paid",
                left_ms.div_euclid(1000).max(0),
                pay_by_ms / 1000
            ),
        )
        .field("waitlist.wait_s")),
        _ => Ok(()),
    }
}

async fn seal(request: &Request, order: OrderId, plain: Vec<u8>) -> Result<String, ApiError> {
    let backend = Arc::clone(&request.app.backend);
    let sealed = tokio::task::spawn_blocking(move || backend.seal(order, &plain)).await;
    match sealed {
        Ok(Ok(sealed)) => Ok(sealed),
        Ok(Err(why)) => Err(ApiError::new(
            &faults::UNAVAILABLE,
            format!("the passengers' details cannot be kept safe now ({why}): nothing was done"),
        )),
        Err(_) => Err(ApiError::internal()),
    }
}

/// Was the command asked before? Sealing the same persons again gives another text, so what looks like
/// another request is compared by what was sealed.
async fn replayed(
    request: &Request,
    answer: &OrderAnswer,
    order: OrderId,
    sealed: &Sealed,
) -> Result<bool, ApiError> {
    match answer.decision.replay {
        Replay::First => return Ok(false),
        Replay::Same { .. } => return Ok(true),
        Replay::Different { .. } => {}
    }
    desk::shown(request, answer).await?;
    let backend = Arc::clone(&request.app.backend);
    let before = tokio::task::spawn_blocking(move || {
        let row = backend.serving().order(order)?;
        let opened = backend.unseal(order, &row.asked.sealed).ok()??;
        serde_json::from_slice::<Sealed>(&opened).ok()
    });
    let before = before.await.map_err(|_| ApiError::internal())?;
    if before.is_some_and(|before| before.request == sealed.request) {
        return Ok(true);
    }
    Err(key_reused(
        "the Idempotency-Key came with another order before: use a new one",
    ))
}

/// What is known of the event that changed the price of a refused order's flight.
async fn changed_by(request: &Request, row: &OrderRow) -> Option<String> {
    let ending = row.ending.as_ref()?;
    if ending.code.as_deref() != Some("price_changed") {
        return None;
    }
    let segment = row.segments.get(usize::from(ending.segment?))?;
    fare_event(request, segment.flight).await
}

/// The last event that set prices of a flight: who sent it, and where it stands in the stream.
async fn fare_event(request: &Request, flight: FlightKey) -> Option<String> {
    let backend = Arc::clone(&request.app.backend);
    let found = tokio::task::spawn_blocking(move || {
        let entries = backend.history_before(&flight, u64::MAX, 500).ok()?;
        let mut fares = entries.into_iter().rev().filter(|entry| {
            entry.decision.kind == Kind::Fares && entry.decision.outcome.reason().is_none()
        });
        let entry = fares.next()?;
        let note = entry.record.note.as_deref();
        let actor = note
            .and_then(|n| n.actor.as_deref())
            .unwrap_or("its provider");
        let name = note.and_then(|n| n.ref_text.as_deref());
        let named = name.map_or(String::new(), |name| format!(" `{name}`"));
        Some(format!(
            "the fares{named} of {actor} at {}:{} ({})",
            entry.record.partition,
            entry.decision.offset,
            text::instant(entry.decision.at_ms)
        ))
    });
    found.await.ok()?
}

/// The answer with an order in it.
async fn respond(
    request: &Request,
    row: &Arc<OrderRow>,
    status: u16,
    write: Option<(&OrderAnswer, bool)>,
) -> Result<Response, ApiError> {
    let data = show(request, vec![row.clone()]).await?;
    let data = data.into_iter().next().ok_or_else(ApiError::internal)?;
    let mut response = reply::json(status, &One { data });
    if let Some((answer, is_replay)) = write {
        finish(&mut response, answer, is_replay);
    }
    Ok(response)
}

/// Says where a write landed, and whether it was asked before.
pub(super) fn finish(response: &mut Response, answer: &OrderAnswer, is_replay: bool) {
    let offset = match answer.decision.replay {
        Replay::First => answer.decision.offset,
        Replay::Same { first_offset } | Replay::Different { first_offset } => first_offset,
    };
    reply::set_offset(response, answer.partition, offset);
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
    respond(request, &row, 200, Some((&answer, is_replay))).await
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

/// Accept the times that the airline changed
///
/// An unpaid order cannot be paid before.
#[utoipa::path(
    post,
    path = "/air/airline_initiated_changes/{id}/actions/accept",
    tag = "orders",
    params(BookingHeaders, IdPath, WriteHeaders),
    responses((status = 200, description = "The order", body = One<Order>))
)]
pub(crate) async fn accept_changes(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Sell)?;
    let command = desk::command_id(request, &caller, "accept_changes")?;
    let order = ids::parse_change(id);
    let order = desk::find_now(request, &caller, order).await?.order;
    let answer = desk::ask(request, &caller, command, order, OrderAction::AcceptChanges).await?;
    if let Some(reason) = answer.decision.outcome.reason() {
        return Err(refused::command(reason));
    }
    desk::shown(request, &answer).await?;
    let row = desk::find(request, &caller, Some(order))?;
    let is_replay = answer.decision.replay != Replay::First;
    respond(request, &row, 200, Some((&answer, is_replay))).await
}
