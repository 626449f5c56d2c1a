//! The body of a new order.

use flightline_ledger::order::Metadata;
use serde_json::Value;

use crate::duffel::fields::Object;
use crate::duffel::terms::BookingTerms;
use crate::http::error::ApiError;
use crate::http::faults;

/// Held first, or paid at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderType {
    Instant,
    Hold,
}

/// A payment as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaymentAsked {
    /// Where it stands in the body.
    pub(crate) path: String,
    /// `None` = the client's balance.
    pub(crate) card: Option<String>,
    pub(crate) amount: String,
    pub(crate) currency: String,
}

/// The offer that is ordered: exactly one.
pub(crate) fn selected_offer<'a>(body: &Object<'a>) -> Result<&'a str, ApiError> {
    let wrong = |fault, what: &str| body.fault(fault, "selected_offers", what);
    match body.get("selected_offers") {
        None => Err(body.missing("selected_offers")),
        Some(Value::Array(offers)) => match &offers[..] {
            [] => Err(body.missing("selected_offers")),
            [Value::String(offer)] => Ok(offer),
            [_] => Err(wrong(
                &faults::VALIDATION_TYPE,
                "must hold the id of an offer",
            )),
            _ => Err(wrong(
                &faults::VALIDATION_LENGTH,
                "must hold exactly one offer: an order is made of one",
            )),
        },
        Some(_) => Err(wrong(
            &faults::VALIDATION_TYPE,
            "must be a list with the id of an offer",
        )),
    }
}

/// The type; `pay_later` is how one client library calls `hold`.
pub(crate) fn order_type(body: &Object<'_>) -> Result<OrderType, ApiError> {
    let choices = [
        ("instant", OrderType::Instant),
        ("hold", OrderType::Hold),
        ("pay_later", OrderType::Hold),
    ];
    Ok(body.one_of("type", &choices)?.unwrap_or(OrderType::Instant))
}

/// No extra services are sold here; an empty list is fine.
pub(crate) fn no_services(body: &Object<'_>, kind: OrderType) -> Result<(), ApiError> {
    if body.objects("services")?.is_empty() {
        return Ok(());
    }
    Err(match kind {
        OrderType::Hold => body.fault(
            &faults::SERVICES_NOT_ALLOWED,
            "services",
            "cannot be had with an order that is held",
        ),
        OrderType::Instant => body.fault(
            &faults::VALIDATION_INCLUSION,
            "services",
            "names a service that the offer does not have: available_services is empty",
        ),
    })
}

/// How long the order may wait for seats of flights that are sold out, in milliseconds.
pub(crate) fn wait_ms(body: &Object<'_>, terms: &BookingTerms) -> Result<Option<u64>, ApiError> {
    let Some(waitlist) = body.object("waitlist")? else {
        return Ok(None);
    };
    let max_s = terms.wait_max_ms / 1000;
    if max_s == 0 {
        return Err(ApiError::new(
            &faults::UNAVAILABLE_FEATURE,
            "orders cannot wait for sold-out flights here: leave `waitlist` out",
        ));
    }
    let wait_s = waitlist.number("wait_s", 1, max_s)?;
    let wait_s = wait_s.ok_or_else(|| waitlist.missing("wait_s"))?;
    Ok(Some(wait_s * 1000))
}

/// The payments of a new order: one for an instant order, none for one of type hold.
pub(crate) fn payments(
    body: &Object<'_>,
    kind: OrderType,
) -> Result<Option<PaymentAsked>, ApiError> {
    let payments = body.objects("payments")?;
    match (kind, &payments[..]) {
        (OrderType::Hold, []) => Ok(None),
        (OrderType::Hold, _) => Err(body.fault(
            &faults::PAYMENTS_NOT_ALLOWED,
            "payments",
            "must be left out of an order of type hold: pay it later with POST /air/payments",
        )),
        (OrderType::Instant, []) => Err(body.missing("payments")),
        (OrderType::Instant, [one]) => payment(one).map(Some),
        (OrderType::Instant, _) => Err(body.fault(
            &faults::VALIDATION_LENGTH,
            "payments",
            "must hold exactly one payment",
        )),
    }
}

/// One payment.
pub(crate) fn payment(object: &Object<'_>) -> Result<PaymentAsked, ApiError> {
    #[derive(Clone, Copy)]
    enum Kind {
        Balance,
        Card,
        Agency,
    }
    let choices = [
        ("balance", Kind::Balance),
        ("card", Kind::Card),
        ("arc_bsp_cash", Kind::Agency),
    ];
    let kind = object.one_of("type", &choices)?;
    let kind = kind.ok_or_else(|| object.missing("type"))?;
    let card = match kind {
        Kind::Balance => None,
        Kind::Card => {
            let method = object.short_text("payment_method_id", 200)?;
            let method = method.ok_or_else(|| object.missing("payment_method_id"))?;
            if !method.bytes().all(|b| b.is_ascii_graphic()) {
                let what = "must be visible ASCII characters";
                return Err(object.fault(&faults::VALIDATION_FORMAT, "payment_method_id", what));
            }
            Some(method.to_owned())
        }
        Kind::Agency => {
            return Err(ApiError::new(
                &faults::UNAVAILABLE_FEATURE,
                "payment type arc_bsp_cash is for travel agencies with an airline's own ticketing: pay with balance or card",
            ));
        }
    };
    let amount = object.short_text("amount", 24)?;
    let currency = object.short_text("currency", 3)?;
    Ok(PaymentAsked {
        path: object.path(""),
        card,
        amount: amount.ok_or_else(|| object.missing("amount"))?.to_owned(),
        currency: currency
            .ok_or_else(|| object.missing("currency"))?
            .to_owned(),
    })
}

const METADATA_MAX: usize = 50;
const KEY_MAX: usize = 40;
const VALUE_MAX: usize = 500;

/// The client's notes: pairs of texts.
pub(crate) fn metadata(body: &Object<'_>) -> Result<Option<Metadata>, ApiError> {
    let pairs = match body.get("metadata") {
        None => return Ok(None),
        Some(Value::Object(pairs)) => pairs,
        Some(_) => {
            return Err(body.fault(&faults::VALIDATION_TYPE, "metadata", "must be an object"));
        }
    };
    if pairs.len() > METADATA_MAX {
        let what = format!("has {} pairs, but may have {METADATA_MAX}", pairs.len());
        return Err(body.fault(&faults::VALIDATION_LENGTH, "metadata", &what));
    }
    let mut metadata = Metadata::new();
    for (key, value) in pairs {
        let is_key = (1..=KEY_MAX).contains(&key.len())
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !is_key {
            let what = format!("has a key that is not 1 to {KEY_MAX} letters, digits, _ or -");
            return Err(body.fault(&faults::VALIDATION_FORMAT, "metadata", &what));
        }
        let Value::String(value) = value else {
            let what = format!("must hold texts: the value of `{key}` is none");
            return Err(body.fault(&faults::VALIDATION_TYPE, "metadata", &what));
        };
        if value.chars().count() > VALUE_MAX {
            let what = format!("has a value of more than {VALUE_MAX} characters under `{key}`");
            return Err(body.fault(&faults::VALIDATION_LENGTH, "metadata", &what));
        }
        metadata.push((key.as_str().into(), value.as_str().into()));
    }
    Ok(Some(metadata))
}
