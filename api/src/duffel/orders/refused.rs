//! Why an order was not made, paid or cancelled, in the codes of the booking API.

use flightline_dataflows::rows::{OrderEnding, OrderRow};
use flightline_ledger::order::OrderReason;

use super::ids;
use crate::duffel::wire::text;
use crate::http::error::ApiError;
use crate::http::faults::{self, Fault};

/// The refusal of a command about an order.
pub(crate) fn command(reason: OrderReason) -> ApiError {
    let (fault, message, field): (&'static Fault, String, &'static str) = match reason {
        OrderReason::UnknownOrder | OrderReason::Retired => (
            &faults::NOT_FOUND,
            "there is no order of this id, or it is over and was forgotten".to_owned(),
            "",
        ),
        OrderReason::Invalid(field) => (
            &faults::VALIDATION_FORMAT,
            format!("the order cannot be made: {} is not possible", field.name()),
            field.name(),
        ),
        OrderReason::AlreadyBooked => (
            &faults::ALREADY_BOOKED,
            "this search has its order already: find it with GET /air/orders?offer_id=, or search again for another".to_owned(),
            "selected_offers",
        ),
        OrderReason::StillUndoing => (
            &faults::CREATION_ATTEMPTED,
            "an earlier attempt at this order failed and is being undone: try again in a moment".to_owned(),
            "",
        ),
        OrderReason::TooManyCommands => (
            &faults::CREATION_ATTEMPTED,
            "the order has had as many commands as one may have".to_owned(),
            "",
        ),
        OrderReason::NotPayable => (
            &faults::NOT_PAYABLE,
            "orders of type instant are paid when they are made".to_owned(),
            "order_id",
        ),
        OrderReason::StillHolding => (
            &faults::CREATION_ATTEMPTED,
            "not all seats of the order are held yet: pay when its state is awaiting_payment".to_owned(),
            "",
        ),
        OrderReason::PaymentInProgress => (
            &faults::ALREADY_PAID,
            "another payment of this order is being made".to_owned(),
            "",
        ),
        OrderReason::AlreadyPaid => (&faults::ALREADY_PAID, "the order is paid".to_owned(), ""),
        OrderReason::AlreadyCancelled => (
            &faults::ORDER_CANCELLED,
            "the order is cancelled".to_owned(),
            "",
        ),
        OrderReason::OrderRefused => (
            &faults::ORDER_CANCELLED,
            "the order never came to be".to_owned(),
            "",
        ),
        OrderReason::PastDeadline => (
            &faults::PAST_PAYMENT_DATE,
            "the order was not paid by payment_required_by: its seats are on sale again".to_owned(),
            "",
        ),
        OrderReason::ScheduleChanged => (
            &faults::SCHEDULE_CHANGED,
            "the airline changed the times: look at the order, and accept its airline-initiated change before you pay".to_owned(),
            "",
        ),
        OrderReason::CurrencyMismatch => (
            &faults::PAYMENT_CURRENCY,
            "the payment is not in the order's currency".to_owned(),
            "payment.currency",
        ),
        OrderReason::AmountMismatch => (
            &faults::PAYMENT_AMOUNT,
            "the payment is not the order's total".to_owned(),
            "payment.amount",
        ),
        OrderReason::NotCancellable => (
            &faults::NOT_CANCELLABLE,
            "the order is being made or paid: try again in a moment".to_owned(),
            "",
        ),
        OrderReason::Departed => (
            &faults::NOT_CANCELLABLE,
            "the first flight has departed".to_owned(),
            "",
        ),
        OrderReason::UnknownQuote => (
            &faults::NOT_FOUND,
            "there is no cancellation of this id".to_owned(),
            "",
        ),
        OrderReason::QuoteStale => (
            &faults::CANCELLATION_STALE,
            "there is a newer cancellation of this order, or it changed since: ask for a new one".to_owned(),
            "",
        ),
        OrderReason::QuoteExpired => (
            &faults::CANCELLATION_STALE,
            "the cancellation was good until its expires_at: ask for a new one".to_owned(),
            "",
        ),
        OrderReason::NothingToAccept => (
            &faults::NOTHING_TO_ACCEPT,
            "there are no changes to accept".to_owned(),
            "",
        ),
        // Answers to replicas.
        OrderReason::NotOutstanding
        | OrderReason::WrongResult
        | OrderReason::ClaimedByAnother { .. }
        | OrderReason::NotDue { .. }
        | OrderReason::ClaimOver
        | OrderReason::NotItsFlight => return ApiError::internal(),
    };
    let error = ApiError::new(fault, message);
    if field.is_empty() {
        error
    } else {
        error.field(field)
    }
}

/// Why an order that was to be made did not come to be. `by_balance`: it was to be paid so.
/// `since`: what is known of the event that changed a price.
pub(crate) fn not_made(row: &OrderRow, by_balance: bool, since: Option<&str>) -> ApiError {
    let Some(ending) = &row.ending else {
        return ApiError::internal();
    };
    let flight = flight_of(row, ending);
    match ending.cause {
        "seats_refused" => match ending.code.as_deref() {
            Some("price_changed") => price_changed(
                &flight,
                ending.price_now.map(text::amount).as_deref(),
                since,
            ),
            Some("sold_out") => ApiError::new(
                &faults::OFFER_GONE,
                format!("{flight} is sold out: nothing was booked and nothing paid; search again"),
            ),
            other => ApiError::new(
                &faults::OFFER_GONE,
                format!(
                    "{flight} cannot be had any more ({}): nothing was booked and nothing paid; search again",
                    other.unwrap_or("refused")
                ),
            ),
        },
        "flight_cancelled" | "displaced" | "times_changed" => ApiError::new(
            &faults::OFFER_GONE,
            format!(
                "{flight} was cancelled, cut or moved by the airline meanwhile: nothing was booked and nothing paid; search again"
            ),
        ),
        "placement_refused" => ApiError::new(
            &faults::OFFER_GONE,
            format!(
                "the provider of {flight} does not take the booking ({}), and no other has seats at the price: nothing was booked and nothing paid; search again",
                ending.code.as_deref().unwrap_or("refused")
            ),
        ),
        "declined" => declined(by_balance, ending.code.as_deref()),
        _ => ApiError::new(
            &faults::ORDER_NOT_CREATED,
            format!(
                "the order could not be completed ({}{}): its seats are given back and no money was kept; try again",
                ending.cause,
                ending
                    .code
                    .as_deref()
                    .map_or(String::new(), |code| format!(": {code}"))
            ),
        ),
    }
}

/// A price that is another one by now.
pub(crate) fn price_changed(flight: &str, now: Option<&str>, since: Option<&str>) -> ApiError {
    let now = now.map_or_else(
        || "has no price any more".to_owned(),
        |now| format!("costs {now} a seat now"),
    );
    let since = since.map_or(String::new(), |since| format!(", since {since}"));
    ApiError::new(
        &faults::BOOKING_PRICE_CHANGED,
        format!(
            "{flight} {now}{since}: nothing was booked; get the offer again to see its price, and order it by the id in that answer"
        ),
    )
}

/// A payment that was refused.
pub(crate) fn declined(by_balance: bool, code: Option<&str>) -> ApiError {
    let code = code.unwrap_or("declined");
    if by_balance {
        return ApiError::new(
            &faults::INSUFFICIENT_BALANCE,
            format!("the balance did not pay ({code}): nothing was charged"),
        );
    }
    ApiError::new(
        &faults::PAYMENT_DECLINED,
        format!(
            "the payment was declined ({code}): nothing was charged; try another payment method"
        ),
    )
}

/// An order that ended while it was being paid.
pub(crate) fn not_paid(row: &OrderRow) -> ApiError {
    let why = row
        .ending
        .as_ref()
        .map_or("it ended", |ending| ending.cause);
    let fault = match why {
        "not_paid" | "payment_timed_out" => &faults::PAST_PAYMENT_DATE,
        _ => &faults::ORDER_CANCELLED,
    };
    ApiError::new(
        fault,
        format!(
            "order {} was cancelled while it was being paid ({why}): what was charged is given back",
            ids::order(row.order)
        ),
    )
}

fn flight_of(row: &OrderRow, ending: &OrderEnding) -> String {
    let segment = ending
        .segment
        .and_then(|at| row.segments.get(usize::from(at)));
    segment.map_or_else(
        || "a flight of the offer".to_owned(),
        |segment| format!("flight {}", segment.flight),
    )
}
