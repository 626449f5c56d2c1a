//! Payments of orders that were held first.

use std::sync::Arc;

use bytes::Buf;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::Money;
use flightline_ledger::order::{OrderAction, OrderReason, OrderState};
use flightline_ledger::outcome::Replay;
use futures_util::Stream;
use warp::reply::Response;

use super::not_found;
use super::orders::finish;
use crate::duffel::body;
use crate::duffel::fields::Object;
use crate::duffel::orders::show::Shower;
use crate::duffel::orders::{asked, desk, ids, make, refused};
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, IdPath, ListQuery, PaymentsQuery};
use crate::duffel::wire::order::Payment;
use crate::duffel::wire::ordered::CreatePaymentBody;
use crate::duffel::wire::{Many, One};
use crate::http::access::Need;
use crate::http::error::{ApiError, key_reused};
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::{ReadHeaders, WriteHeaders};

/// Pay an order of type hold
///
/// Answers when the money is taken and the ticket issued. A declined payment leaves the order held.
#[utoipa::path(
    post,
    path = "/air/payments",
    tag = "orders",
    params(BookingHeaders, WriteHeaders),
    request_body(content = CreatePaymentBody, content_type = "application/json"),
    responses((status = 201, description = "The payment", body = One<Payment>, headers(
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
    let command = desk::command_id(request, &caller, "payment")?;
    let data = body::data(request, body).await?;
    let object = Object::root(&data);
    let order = object.text("order_id")?;
    let order = order.ok_or_else(|| object.missing("order_id"))?;
    let payment = object.object("payment")?;
    let payment = asked::payment(&payment.ok_or_else(|| object.missing("payment"))?)?;
    let row = desk::find_now(request, &caller, ids::parse_order(order)).await?;
    let order = row.order;
    // State goes before amounts: what is paid or cancelled needs no right amount.
    let total = row.asked.total;
    let matches = make::check_payment(&payment, total);
    let terms = &request.app.booking.terms;
    let by_balance = payment.card.is_none();
    let method = payment
        .card
        .as_deref()
        .unwrap_or_else(|| terms.balance_of(&row.asked.client));
    let amount = match (&matches, payment.currency.parse()) {
        (Ok(()), _) => total,
        // An amount that cannot be right: the order refuses it, unless it has a reason that goes before.
        (Err(_), Ok(currency)) if currency != total.currency => Money { currency, ..total },
        (Err(_), _) => Money {
            minor: total.minor.wrapping_add(1),
            ..total
        },
    };
    let action = OrderAction::Pay(flightline_ledger::order::Payment {
        amount,
        method: method.into(),
    });
    let answer = desk::ask(request, &caller, command, order, action).await?;
    if let Replay::Different { .. } = answer.decision.replay {
        return Err(key_reused(
            "the Idempotency-Key came with another payment before: use a new one",
        ));
    }
    match answer.decision.outcome.reason() {
        None => {}
        Some(OrderReason::AmountMismatch | OrderReason::CurrencyMismatch) => {
            return Err(match matches {
                Err(error) => error,
                Ok(()) => ApiError::internal(),
            });
        }
        Some(reason) => return Err(refused::command(reason)),
    }
    let settled = desk::settled(request, order).await?;
    let row = request.app.backend.serving().order(order);
    let row = row.ok_or_else(|| not_found("order"))?;
    match settled.state {
        OrderState::Booked => {}
        OrderState::AwaitingPayment => {
            return Err(refused::declined(by_balance, row.payment.code.as_deref()));
        }
        _ => return Err(refused::not_paid(&row)),
    }
    let data = shower(request, |shower| shower.payment(&row));
    let data = data.ok_or_else(ApiError::internal)?;
    let mut response = reply::json(201, &One { data });
    finish(
        &mut response,
        &answer,
        settled.until,
        answer.decision.replay != Replay::First,
    );
    Ok(response)
}

fn shower<T>(request: &Request, show: impl FnOnce(&Shower<'_>) -> T) -> T {
    show(&Shower {
        booking: &request.app.booking,
        backend: &*request.app.backend,
        now_ms: request.app.config.clock.now_ms(),
    })
}

/// A payment
#[utoipa::path(
    get,
    path = "/air/payments/{id}",
    tag = "orders",
    params(BookingHeaders, IdPath, ReadHeaders),
    responses((status = 200, description = "The payment", body = One<Payment>))
)]
pub(crate) async fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let (order, number) = ids::parse_payment(id).ok_or_else(|| not_found("payment"))?;
    let row = desk::find_now(request, &caller, Some(order)).await;
    let row = row.map_err(|_| not_found("payment"))?;
    let data =
        shower(request, |shower| shower.payment(&row)).filter(|_| row.payment.number == number);
    let data = data.ok_or_else(|| not_found("payment"))?;
    Ok(reply::json(200, &One { data }))
}

/// Payments of an order
///
/// The newest: earlier ones were declined.
#[utoipa::path(
    get,
    path = "/air/payments",
    tag = "orders",
    params(BookingHeaders, PaymentsQuery, ListQuery, ReadHeaders),
    responses((status = 200, description = "A page", body = Many<Payment>))
)]
pub(crate) async fn list(request: &Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let page = Page::parse(&query)?;
    let order: String = query.required("order_id")?;
    let row: Arc<OrderRow> = desk::find_now(request, &caller, ids::parse_order(&order)).await?;
    let all: Vec<Payment> = shower(request, |shower| shower.payment(&row))
        .into_iter()
        .collect();
    let (range, meta) = page.of(&all, |payment| digest(&payment.id));
    let data = all[range].to_vec();
    Ok(reply::json(200, &Many { data, meta }))
}
