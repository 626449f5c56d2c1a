//! Holds: what is asked, and what is answered.

use std::borrow::Cow;

use flightline_ledger::{
    Cabin, Class, Currency, FlightKey, HoldRequest, Money, ProviderCode, Station,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::codes::{Borrowed, Code, ID_RULE, is_id};
use super::text;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::json;

/// Longest time to hold that is taken to the ledger, in seconds: a year. The ledger's own setting
/// is lower.
pub(crate) const TTL_S_MAX: u64 = 366 * 24 * 3600;

/// The same fields stand in a single hold and in a line of a batch, which also names its flight.
macro_rules! hold_fields {
    ($(#[$doc:meta])* $name:ident { $($more:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name<'a> {
            $($more)*
            /// Your own name for the hold, unique among your holds. Absent: the `Idempotency-Key`,
            /// or else one is made.
            #[serde(borrow, default)]
            #[schema(value_type = Option<String>, min_length = 1, max_length = 200, pattern = "^[ -~]{1,200}$", example = "cart-81723-1")]
            pub(crate) id: Option<Borrowed<'a>>,
            /// Whose allotment to sell from. Absent: the cheapest that has the seats.
            #[serde(default)]
            #[schema(value_type = Option<String>, pattern = "^[a-z0-9][a-z0-9_-]{0,15}$", example = "nyc")]
            pub(crate) provider: Option<Code<ProviderCode>>,
            /// The cabin's letter.
            #[schema(value_type = String, pattern = "^[A-Z]$", example = "Y")]
            pub(crate) cabin: Code<Cabin>,
            /// The booking class. Absent: the cabin as a whole.
            #[serde(default)]
            #[schema(value_type = Option<String>, pattern = "^[A-Z]$")]
            pub(crate) class: Option<Code<Class>>,
            /// Station where the passenger boards. Absent: the first.
            #[serde(default)]
            #[schema(value_type = Option<String>, pattern = "^[A-Z]{3}$", example = "EWR")]
            pub(crate) board: Option<Code<Station>>,
            /// Station where the passenger leaves. Absent: the last.
            #[serde(default)]
            #[schema(value_type = Option<String>, pattern = "^[A-Z]{3}$", example = "IAH")]
            pub(crate) off: Option<Code<Station>>,
            /// How many seats, all or none.
            #[schema(minimum = 1, maximum = 999, example = 2)]
            pub(crate) seats: u16,
            /// Seconds until the hold lapses. Absent: the system's default.
            #[serde(default)]
            #[schema(minimum = 1, maximum = 31622400, example = 600)]
            pub(crate) ttl_s: Option<u64>,
            /// If it is sold out: wait so many seconds for the seats. Absent: sold out is a refusal.
            #[serde(default)]
            #[schema(minimum = 1, maximum = 31622400, example = 3600)]
            pub(crate) wait_s: Option<u64>,
            /// The price of one seat that you were shown: another one refuses the hold.
            #[serde(borrow, default)]
            #[schema(value_type = Option<PriceAsked<'_>>)]
            pub(crate) expected_price: Option<PriceAsked<'a>>,
        }

        impl<'a> $name<'a> {
            /// The request as the ledger takes it, and the client's own id.
            fn check(self) -> Result<(Option<Cow<'a, str>>, HoldRequest), ApiError> {
                if let Some(id) = &self.id && !is_id(id.0.as_bytes()) {
                    return Err(ApiError::new(
                        &faults::VALIDATION_LENGTH,
                        format!("`id` must be {ID_RULE}"),
                    )
                    .field("id"));
                }
                if self.seats == 0 || self.seats > HoldRequest::SEATS_MAX {
                    return Err(ApiError::new(
                        &faults::INVALID_SEATS,
                        format!("`seats` must be 1 to 999, not {}", self.seats),
                    )
                    .field("seats"));
                }
                check_seconds("ttl_s", self.ttl_s)?;
                check_seconds("wait_s", self.wait_s)?;
                let request = HoldRequest {
                    provider: self.provider.map(|code| code.0),
                    cabin: self.cabin.0,
                    class: self.class.map(|code| code.0),
                    board: self.board.map(|code| code.0),
                    off: self.off.map(|code| code.0),
                    seats: self.seats,
                    ttl_ms: self.ttl_s.map(|ttl_s| ttl_s * 1000),
                    expected_price: self.expected_price.map(PriceAsked::check).transpose()?,
                    wait_ms: self.wait_s.map(|wait_s| wait_s * 1000),
                };
                Ok((self.id.map(|id| id.0), request))
            }
        }
    };
}

hold_fields! {
    /// A request for seats.
    HoldBody {}
}

hold_fields! {
    /// One line of a batch: a request for seats and its flight.
    HoldLine {
        /// The flight.
        #[schema(value_type = String, pattern = "^([A-Z][A-Z0-9]|[0-9][A-Z]|[A-Z]{3})[1-9][0-9]{0,3}[A-Z]?[.][0-9]{4}-[0-9]{2}-[0-9]{2}[.][A-Z]{3}$", example = "UA1545.2027-01-05.EWR")]
        pub(crate) flight_key: Code<FlightKey>,
    }
}

/// Refuses a time that no setting of the ledger could allow.
fn check_seconds(field: &'static str, seconds: Option<u64>) -> Result<(), ApiError> {
    match seconds {
        Some(s) if !(1..=TTL_S_MAX).contains(&s) => Err(ApiError::new(
            &faults::INVALID_TTL,
            format!("`{field}` must be 1 to {TTL_S_MAX} seconds, not {s}"),
        )
        .field(field)),
        _ => Ok(()),
    }
}

/// A checked request for seats.
#[derive(Debug)]
pub(crate) struct HoldAsked<'a> {
    /// The id the client gave.
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) flight: FlightKey,
    pub(crate) request: HoldRequest,
}

/// Reads the body of a single hold.
pub(crate) fn parse_hold(flight: FlightKey, body: &[u8]) -> Result<HoldAsked<'_>, ApiError> {
    let (id, request) = json::parse::<HoldBody<'_>>(body)?.check()?;
    Ok(HoldAsked {
        id,
        flight,
        request,
    })
}

/// Reads one line of a batch.
pub(crate) fn parse_line(line: &[u8]) -> Result<HoldAsked<'_>, ApiError> {
    let line = json::parse::<HoldLine<'_>>(line)?;
    let flight = line.flight_key.0;
    let (id, request) = line.check()?;
    Ok(HoldAsked {
        id,
        flight,
        request,
    })
}

/// A price as it was shown.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ExpectedPrice)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceAsked<'a> {
    /// The amount, with as many decimals as it was shown with.
    #[serde(borrow)]
    #[schema(value_type = String, pattern = "^[0-9]{1,12}([.][0-9]{1,4})?$", example = "120.00")]
    amount: Borrowed<'a>,
    /// Its currency.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
    currency: Code<Currency>,
}

impl PriceAsked<'_> {
    fn check(self) -> Result<Money, ApiError> {
        let amount = &*self.amount.0;
        let bad = |why: &str| {
            ApiError::new(
                &faults::VALIDATION_FORMAT,
                format!("`expected_price.amount`: {why}"),
            )
            .field("expected_price.amount")
        };
        // Prices are compared with their decimals, so they are taken from the text.
        let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
        let points_to_nothing = decimals.is_empty() && amount.contains('.');
        if amount.starts_with('-') || whole.len() > 12 || decimals.len() > 4 || points_to_nothing {
            return Err(bad("a price is a number such as 120.00, as it was shown"));
        }
        Money::from_decimal(amount, self.currency.0, decimals.len() as u8).map_err(|why| bad(why.0))
    }
}

/// The price of one seat.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Price {
    /// A decimal number.
    #[schema(value_type = String, pattern = "^[0-9]+([.][0-9]+)?$", example = "120.00")]
    amount: text::Text<24>,
    /// Its currency, by ISO 4217.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
    currency: text::Text<3>,
}

impl Price {
    pub(crate) fn of(money: &Money) -> Self {
        let mut currency = text::Text::new();
        currency.push_str(money.currency.as_str());
        Self {
            amount: text::amount(money),
            currency,
        }
    }
}

/// Seats are held.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
pub(crate) struct HoldAnswer<'a> {
    /// The hold's id: name it to confirm, release or cancel.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) id: &'a str,
    /// Always `held`.
    #[schema(pattern = "^held$")]
    pub(crate) state: &'static str,
    /// The flight.
    pub(crate) flight_key: &'a str,
    /// Whose allotment the seats are from.
    pub(crate) provider: &'a str,
    /// Seats held.
    #[schema(minimum = 1, maximum = 999)]
    pub(crate) seats: u16,
    /// When the hold lapses.
    #[schema(format = DateTime)]
    pub(crate) expires_at: &'a str,
    /// Price of one seat, when the provider gave one.
    pub(crate) price: Option<Price>,
    /// Partition of the flight's stream.
    pub(crate) partition: u32,
    /// Offset of the hold in it.
    pub(crate) offset: u64,
    /// In a batch: this line's id was asked before, and this is the answer of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) idempotency_replayed: Option<bool>,
}

/// There are no seats now: the hold waits for them.
#[derive(Serialize, ToSchema)]
#[schema(as = HoldWaiting)]
pub(crate) struct WaitingAnswer<'a> {
    /// The hold's id: name it to look at it, or to release it.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) id: &'a str,
    /// Always `waiting`.
    #[schema(pattern = "^waiting$")]
    pub(crate) state: &'static str,
    /// The flight.
    pub(crate) flight_key: &'a str,
    /// Seats waited for.
    #[schema(minimum = 1, maximum = 999)]
    pub(crate) seats: u16,
    /// How many holds of the flight waited already, for whatever seats.
    pub(crate) ahead: u32,
    /// When it gives up.
    #[schema(format = DateTime)]
    pub(crate) waits_until: &'a str,
    /// Partition of the flight's stream.
    pub(crate) partition: u32,
    /// Offset of the hold in it.
    pub(crate) offset: u64,
    /// In a batch: this line's id was asked before, and this is the answer of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) idempotency_replayed: Option<bool>,
}

/// A hold as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = HoldNow)]
pub(crate) struct HoldNowAnswer<'a> {
    /// The hold's id.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) id: &'a str,
    /// Where it stands. Only `held` and `confirmed` have seats.
    #[schema(pattern = "^(waiting|held|confirmed|released|cancelled|expired|displaced)$")]
    pub(crate) state: &'static str,
    /// The flight.
    pub(crate) flight_key: &'a str,
    /// Whose allotment the seats are or were from; absent when it never had any.
    pub(crate) provider: Option<&'a str>,
    /// The cabin's letter.
    #[schema(pattern = "^[A-Z]$")]
    pub(crate) cabin: char,
    /// The booking class, when one was asked for.
    #[schema(pattern = "^[A-Z]$")]
    pub(crate) class: Option<char>,
    /// Station where the passenger boards.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub(crate) board: &'a str,
    /// Station where the passenger leaves.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub(crate) off: &'a str,
    /// Seats held, sold or waited for.
    #[schema(minimum = 1, maximum = 999)]
    pub(crate) seats: u16,
    /// While it is held: when it lapses.
    #[schema(format = DateTime)]
    pub(crate) expires_at: Option<&'a str>,
    /// While it waits: when it gives up.
    #[schema(format = DateTime)]
    pub(crate) waits_until: Option<&'a str>,
    /// While it waits: how many holds of the flight have waited longer, for whatever seats.
    pub(crate) ahead: Option<u32>,
    /// Price of one seat when they were held.
    pub(crate) price: Option<Price>,
    /// When it came to stand so.
    #[schema(format = DateTime)]
    pub(crate) changed_at: &'a str,
    /// Partition of the flight's stream.
    pub(crate) partition: u32,
    /// Offset of the hold in it.
    pub(crate) offset: u64,
}

/// The new state of a hold.
#[derive(Serialize, ToSchema)]
#[schema(as = HoldState)]
pub(crate) struct StateAnswer<'a> {
    /// The hold's id.
    pub(crate) id: &'a str,
    /// `confirmed`, `released` or `cancelled`.
    #[schema(pattern = "^(confirmed|released|cancelled)$")]
    pub(crate) state: &'static str,
    /// The flight.
    pub(crate) flight_key: &'a str,
    /// Seats of the hold; 0 when it gave up waiting for them.
    #[schema(minimum = 0, maximum = 999)]
    pub(crate) seats: u16,
    /// It was in this state before another request of yours already.
    pub(crate) already: bool,
    /// Partition of the flight's stream.
    pub(crate) partition: u32,
    /// Offset of the command in it.
    pub(crate) offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> FlightKey {
        "UA1545.2027-01-05.EWR".parse().unwrap()
    }

    #[test]
    fn a_full_request_is_read() {
        let body = br#" {"id":"a\u0041","provider":"nyc","cabin":"Y","class":"M","board":"EWR","off":"IAH",
            "seats":2,"ttl_s":600,"expected_price":{"amount":"120.50","currency":"USD"}} "#;
        let asked = parse_hold(key(), body).unwrap();
        assert_eq!(asked.id.as_deref(), Some("aA"));
        let request = asked.request;
        assert_eq!((request.seats, request.ttl_ms), (2, Some(600_000)));
        let price = request.expected_price.unwrap();
        assert_eq!((price.minor, price.exponent), (12_050, 2));
        assert_eq!(request.provider.unwrap().as_str(), "nyc");
    }

    #[test]
    fn null_is_absent() {
        let body = br#"{"id":null,"cabin":"Y","class":null,"seats":1,"ttl_s":null}"#;
        let asked = parse_hold(key(), body).unwrap();
        assert!(asked.id.is_none() && asked.request.class.is_none());
    }

    #[test]
    fn faults_are_named_with_code_field_and_place() {
        // (body, status, code, field, part of the message)
        let table: &[(&str, u16, &str, &str)] = &[
            ("", 400, "bad_request", "empty"),
            ("{", 400, "bad_request", "line 1 column 1"),
            (
                "{\"cabin\":\"Y\",\n\"seats\":}",
                400,
                "bad_request",
                "line 2 column 9",
            ),
            (
                "{\"cabin\":\"Y\",\"seats\":1} x",
                400,
                "bad_request",
                "line 1 column 25",
            ),
            ("\u{0}", 400, "bad_request", "line 1 column 1"),
            ("[]", 422, "validation_type", "object"),
            ("null", 422, "validation_type", "object"),
            ("3", 422, "validation_type", "object"),
            (r#"{"seats":1}"#, 422, "validation_required", "`cabin`"),
            (r#"{"cabin":"Y"}"#, 422, "validation_required", "`seats`"),
            (
                r#"{"cabin":"y","seats":1}"#,
                422,
                "validation_format",
                "`cabin`: a cabin is one capital letter",
            ),
            (
                r#"{"cabin":1,"seats":1}"#,
                422,
                "validation_type",
                "`cabin`",
            ),
            (
                r#"{"cabin":"Y","seats":"1"}"#,
                422,
                "validation_type",
                "`seats`",
            ),
            (
                r#"{"cabin":"Y","seats":1.5}"#,
                422,
                "validation_type",
                "`seats`",
            ),
            (
                r#"{"cabin":"Y","seats":-1}"#,
                422,
                "validation_type",
                "`seats`",
            ),
            (
                r#"{"cabin":"Y","seats":70000}"#,
                422,
                "validation_type",
                "`seats`",
            ),
            (
                r#"{"cabin":"Y","seats":0}"#,
                422,
                "invalid_seats",
                "1 to 999",
            ),
            (
                r#"{"cabin":"Y","seats":1000}"#,
                422,
                "invalid_seats",
                "1 to 999",
            ),
            (
                r#"{"cabin":"Y","seats":1,"ttl_s":0}"#,
                422,
                "invalid_ttl",
                "seconds",
            ),
            (
                r#"{"cabin":"Y","seats":1,"wait_s":0}"#,
                422,
                "invalid_ttl",
                "`wait_s`",
            ),
            (
                r#"{"cabin":"Y","seats":1,"wait_s":true}"#,
                422,
                "validation_type",
                "`wait_s`",
            ),
            (
                r#"{"cabin":"Y","seats":1,"colour":"red"}"#,
                422,
                "unknown_field",
                "`colour`",
            ),
            (
                r#"{"cabin":"Y","cabin":"Y","seats":1}"#,
                422,
                "validation_format",
                "duplicate",
            ),
            (
                r#"{"cabin":"Y","seats":1,"id":""}"#,
                422,
                "validation_length",
                "`id`",
            ),
            (
                r#"{"cabin":"Y","seats":1,"id":"a\n"}"#,
                422,
                "validation_length",
                "`id`",
            ),
            (
                r#"{"cabin":"Y","seats":1,"board":"Ewr"}"#,
                422,
                "validation_format",
                "`board`: a station",
            ),
            (
                r#"{"cabin":"Y","seats":1,"provider":"NYC"}"#,
                422,
                "validation_format",
                "`provider`: a provider",
            ),
            (
                r#"{"cabin":"Y","seats":1,"expected_price":{"amount":"1"}}"#,
                422,
                "validation_required",
                "`expected_price.currency`",
            ),
            (
                r#"{"cabin":"Y","seats":1,"expected_price":{"amount":"1","currency":"usd"}}"#,
                422,
                "validation_format",
                "`expected_price.currency`: a currency",
            ),
            (
                r#"{"cabin":"Y","seats":1,"expected_price":{"amount":"1","currency":"USD","x":1}}"#,
                422,
                "unknown_field",
                "`expected_price.x`",
            ),
            (
                r#"{"cabin":"Y","seats":1,"expected_price":{"amount":"-1","currency":"USD"}}"#,
                422,
                "validation_format",
                "expected_price.amount",
            ),
            (
                r#"{"cabin":"Y","seats":1,"expected_price":{"amount":"1.","currency":"USD"}}"#,
                422,
                "validation_format",
                "expected_price.amount",
            ),
            (
                r#"{"cabin":"Y","seats":1,"expected_price":{"amount":"1.23456","currency":"USD"}}"#,
                422,
                "validation_format",
                "expected_price.amount",
            ),
            (
                r#"{"cabin":"Y","seats":1,"expected_price":{"amount":"x","currency":"USD"}}"#,
                422,
                "validation_format",
                "expected_price.amount",
            ),
        ];
        for (body, status, code, message) in table {
            let error = parse_hold(key(), body.as_bytes()).expect_err(body);
            let mut out = Vec::new();
            error.write(&mut out, "r", None);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(
                (error.status(), error.code()),
                (*status, *code),
                "{body}: {out}"
            );
            assert!(out.contains(message), "{body}: {out}");
        }
    }

    #[test]
    fn a_line_names_its_flight() {
        let line = br#"{"flight_key":"UA1545.2027-01-05.EWR","cabin":"Y","seats":1}"#;
        assert_eq!(parse_line(line).unwrap().flight, key());
        let error = parse_line(br#"{"flight_key":"UA1545","cabin":"Y","seats":1}"#).unwrap_err();
        assert_eq!(error.code(), "validation_format");
        let error = parse_line(br#"{"cabin":"Y","seats":1}"#).unwrap_err();
        assert_eq!(error.code(), "validation_required");
    }
}
