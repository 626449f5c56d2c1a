//! An offer, its price now and the passengers become the command that makes an order.

use flightline_ledger::Money;
use flightline_ledger::order::{
    CreateOrder, Metadata, OfferRequestId, OrderId, SegmentRequest, Terms,
};

use super::asked::{OrderType, PaymentAsked};
use crate::duffel::Booking;
use crate::duffel::token;
use crate::http::error::ApiError;
use crate::http::faults;

/// The order that an offer becomes: there is one for its search.
pub(crate) fn order_of(offer: &token::Offer) -> (OfferRequestId, OrderId) {
    let request = OfferRequestId(u128::from_be_bytes(offer.request));
    (request, OrderId::of(request))
}

/// Checks that a payment pays what is to be paid.
pub(crate) fn check_payment(payment: &PaymentAsked, total: Money) -> Result<(), ApiError> {
    if payment.currency != total.currency.as_str() {
        return Err(ApiError::new(
            &faults::PAYMENT_CURRENCY,
            format!(
                "the payment is in {}, the order in {}",
                crate::http::query::printable(&payment.currency),
                total.currency
            ),
        )
        .field(format!("{}currency", payment.path)));
    }
    if minor(&payment.amount, total.exponent) == Some(total.minor) {
        return Ok(());
    }
    Err(wrong_amount(payment, total))
}

fn wrong_amount(payment: &PaymentAsked, total: Money) -> ApiError {
    ApiError::new(
        &faults::PAYMENT_AMOUNT,
        format!(
            "the payment is {}, the order costs {}",
            crate::http::query::printable(&payment.amount),
            crate::duffel::wire::text::amount(total)
        ),
    )
    .field(format!("{}amount", payment.path))
}

/// A decimal text in minor units: `120.00`, `120`, `120.0`. More decimals than the currency has must
/// be zeros.
pub(crate) fn minor(text: &str, exponent: u8) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let exponent = usize::from(exponent);
    let (kept, dropped) = fraction.split_at(fraction.len().min(exponent));
    if dropped.bytes().any(|b| b != b'0') {
        return None;
    }
    let digits = format!("{whole}{kept:0<exponent$}");
    digits.parse().ok()
}

/// The command. `offer` is at the price that the client agreed with.
#[allow(clippy::too_many_arguments)]
pub(crate) fn create(
    booking: &Booking,
    client: &str,
    offer_id: &str,
    offer: &token::Offer,
    kind: OrderType,
    wait_ms: Option<u64>,
    payment: Option<&PaymentAsked>,
    sealed: String,
    metadata: Metadata,
) -> CreateOrder {
    let (offer_request, _) = order_of(offer);
    let seats = offer.seats();
    let segment = |segment: &token::Segment| SegmentRequest {
        flight: segment.flight,
        provider: Some(segment.provider),
        cabin: segment.cabin,
        class: segment.class,
        board: Some(segment.board),
        off: Some(segment.off),
        seats,
        price: offer.price_of(segment),
        departs_ms: segment.departs_s.saturating_mul(1000),
    };
    let slices = offer.slices.iter();
    CreateOrder {
        offer_request,
        offer: offer_id.into(),
        client: client.into(),
        terms: match kind {
            OrderType::Hold => Terms::Hold {
                pay_by_ms: booking.terms.pay_by_ms,
            },
            OrderType::Instant => {
                let card = payment.and_then(|payment| payment.card.as_deref());
                let method = card.unwrap_or_else(|| booking.terms.balance_of(client));
                Terms::Instant {
                    method: method.into(),
                }
            }
        },
        wait_ms,
        slices: slices
            .map(|slice| slice.segments.iter().map(segment).collect())
            .collect(),
        passengers: u16::try_from(offer.passengers.len()).unwrap_or(u16::MAX),
        sealed: sealed.into(),
        total: offer.total,
        refund: match booking.terms.refund {
            flightline_ledger::order::RefundTerms::Penalty(penalty) => {
                flightline_ledger::order::RefundTerms::Penalty(penalty.min(offer.total.minor))
            }
            other => other,
        },
        metadata,
    }
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn amounts_are_read_to_the_last_cent() {
        for (text, exponent, want) in [
            ("120.00", 2, Some(12_000)),
            ("120", 2, Some(12_000)),
            ("120.5", 2, Some(12_050)),
            ("120.500", 2, Some(12_050)),
            ("120.505", 2, None),
            ("12000.00", 0, Some(12_000)),
            ("12000.01", 0, None),
            ("1.234", 3, Some(1_234)),
            ("0.00", 2, Some(0)),
            ("-1.00", 2, None),
            ("1e3", 2, None),
            ("", 2, None),
            (".5", 2, None),
            ("5.", 2, None),
            ("99999999999999999999.00", 2, None),
        ] {
            assert_eq!(minor(text, exponent), want, "{text}");
        }
    }
}
