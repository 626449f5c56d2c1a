//! Orders, made: an offer, priced again, becomes an order once.

use std::sync::Arc;

use bytes::Buf;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{OrderAction, OrderId, OrderReason, OrderState};
use flightline_ledger::outcome::{Kind, Replay};
use flightline_ledger::{Date, FlightKey};
use futures_util::Stream;
use serde_json::Value;
use warp::reply::Response;

use super::not_found;
use super::offers::wait_seen;
use super::orders::respond;
use crate::backend::OrderAnswer;
use crate::duffel::fields::Object;
use crate::duffel::orders::asked::{self, OrderType, PaymentAsked};
use crate::duffel::orders::people::{self, Sealed};
use crate::duffel::orders::{desk, make, refused};
use crate::duffel::params::BookingHeaders;
use crate::duffel::price::Short;
use crate::duffel::wire::order::Order;
use crate::duffel::wire::ordered::CreateOrderBody;
use crate::duffel::wire::{One, text};
use crate::duffel::{body, price, token};
use crate::http::access::Need;
use crate::http::error::{ApiError, key_reused};
use crate::http::faults;
use crate::http::keys;
use crate::http::request::Request;
use crate::openapi::WriteHeaders;

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
    let hash = blake3::hash(Value::Object(data.clone()).to_string().as_bytes());
    let sealed = Sealed {
        request: hash.to_string(),
        passengers,
    };
    let told = request.key()?.map(|key| {
        let name = format!("told {}", caller.name);
        let told = keys::Request::Told(id, *hash.as_bytes());
        (keys::hash(&name, key.as_bytes()), told)
    });
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
    let app = &request.app;
    let was_told = told.as_ref();
    let was_told = was_told.is_some_and(|(key, told)| app.keys.get(key).as_ref() == Some(told));
    let is_replay = match answer.decision.replay {
        // This very request was answered here before.
        Replay::Different { .. } if was_told => true,
        _ => replayed(request, &answer, order, &sealed).await?,
    };
    if let Some((key, told)) = told {
        let _ = app.keys.bind(key, told);
    }
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
    respond(
        request,
        &row,
        201,
        Some((&answer, settled.until, is_replay)),
    )
    .await
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
    let short = match deal.wait_ms {
        Some(_) => Short::Waits,
        None => Short::Refused {
            may_wait: booking.terms.wait_max_ms > 0,
        },
    };
    let priced = price::price(request.app.backend.serving(), offer, short)?;
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
        let Some(row) = backend.serving().order(order) else {
            return Ok(None);
        };
        let opened = backend.unseal(order, &row.asked.sealed)?;
        Ok::<_, String>(opened.and_then(|opened| serde_json::from_slice::<Sealed>(&opened).ok()))
    });
    let before = before.await.map_err(|_| ApiError::internal())?;
    let before = before.map_err(|why| {
        ApiError::new(
            &faults::UNAVAILABLE,
            format!(
                "the Idempotency-Key made order ord_{order}; whether by this same request cannot be told now ({why}): look at \
                 the order, or ask again"
            ),
        )
    })?;
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
