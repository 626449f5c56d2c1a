//! Errors on their way to a client: always in Duffel's shape, always with what was wrong, where,
//! and what to do.

use std::borrow::Cow;
use std::time::SystemTime;

use flightline_ledger::{Money, Reason};
use serde::Serialize;
use utoipa::ToSchema;
use warp::http::HeaderValue;
use warp::http::header::{ALLOW, HeaderName, WWW_AUTHENTICATE};
use warp::reply::Response;

use super::faults::{self, Fault};
use super::reply::json_bytes;
use crate::backend::{FeedReport, SubmitError};
use crate::wire::hold::Price;
use crate::wire::provider::FeedAnswer;
use crate::wire::text;

/// Where the codes are explained.
pub(crate) const DOCS: &str =
    "https://github.com/flightline/flightline/blob/main/docs/booking-client.md#errors";

/// An error and all that is said about it. Boxed, so that results stay small.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    fault: &'static Fault,
    message: Cow<'static, str>,
    /// Path of the field, dots between levels; empty = the body as a whole.
    field: Option<Cow<'static, str>>,
    detail: Detail,
}

/// What some errors say beside the message.
#[derive(Debug)]
enum Detail {
    None,
    /// Seats that could be had.
    Available(u16),
    /// The price now.
    Price(Option<Money>),
    /// When to try again.
    RetryAfterMs(u64),
    /// What the resource takes.
    Allow(&'static str),
    /// What was taken before the feed broke off.
    Report(Box<FeedReport>),
}

impl ApiError {
    pub(crate) fn new(fault: &'static Fault, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            fault,
            message: message.into(),
            field: None,
            detail: Detail::None,
        }))
    }

    /// Names the field that is at fault.
    pub(crate) fn field(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.0.field = Some(path.into());
        self
    }

    fn detail(mut self, detail: Detail) -> Self {
        self.0.detail = detail;
        self
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            &faults::METHOD_NOT_ALLOWED,
            format!("this address takes {allow} only"),
        )
        .detail(Detail::Allow(allow))
    }

    pub(crate) fn overloaded(retry_after_ms: u64) -> Self {
        Self::new(
            &faults::RATE_LIMIT,
            "more requests are waiting than can be kept; nothing was done: try again at the time in the ratelimit-reset header",
        )
        .detail(Detail::RetryAfterMs(retry_after_ms))
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            &faults::INTERNAL,
            "a fault of ours; the operator finds it in the log by the request id",
        )
    }

    pub(crate) fn feed_broke_off(why: &str, report: Box<FeedReport>) -> Self {
        Self::new(
            &faults::FEED_BROKE_OFF,
            format!(
                "the feed broke off after {} records: {why}; what was read is kept: send the whole feed again, records that came before are counted as duplicates",
                report.read
            ),
        )
        .detail(Detail::Report(report))
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.0.fault.status
    }

    /// What was wrong, for people.
    pub(crate) fn text(&self) -> &str {
        &self.0.message
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.0.fault.code
    }

    #[cfg(test)]
    pub(crate) fn field_path(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The refusal of a command about a flight or hold.
    pub(crate) fn refused(reason: Reason) -> Self {
        use faults as f;
        let (fault, message, field): (_, &'static str, &'static str) = match reason {
            Reason::SoldOut { available } => {
                return Self::new(
                    &f::SOLD_OUT,
                    format!("{available} seats are left for this request; this id stays refused: ask for fewer under a new id"),
                )
                .detail(Detail::Available(available));
            }
            Reason::PriceChanged { now } => {
                let message = match now {
                    Some(now) => Cow::Owned(format!(
                        "one seat costs {} {} now; ask again under a new id with that as the expected price",
                        text::amount(&now).as_str(),
                        now.currency
                    )),
                    None => Cow::Borrowed(
                        "there is no price for this request any more; leave the expected price out or search again",
                    ),
                };
                return Self::new(&f::PRICE_CHANGED, message).detail(Detail::Price(now));
            }
            Reason::UnknownFlight => (
                &f::UNKNOWN_FLIGHT,
                "no provider has scheduled this flight",
                "",
            ),
            Reason::FlightCancelled => (&f::FLIGHT_CANCELLED, "the flight will not fly", ""),
            Reason::Departed => (&f::DEPARTED, "sale of this flight has ended", ""),
            Reason::Retired => (&f::RETIRED, "the flight is over", ""),
            Reason::UnknownSegment => (
                &f::UNKNOWN_SEGMENT,
                "the flight does not go from `board` to `off`: see its legs under GET /flights/{flight_key}",
                "board",
            ),
            Reason::SegmentRestricted => (
                &f::SEGMENT_RESTRICTED,
                "seats are not sold between these two stations",
                "",
            ),
            Reason::UnknownCabin => (
                &f::UNKNOWN_CABIN,
                "the flight does not have this cabin on all legs asked for: see GET /flights/{flight_key}",
                "cabin",
            ),
            Reason::UnknownClass => (
                &f::UNKNOWN_CLASS,
                "the cabin does not have this booking class on all legs asked for: see GET /flights/{flight_key}",
                "class",
            ),
            Reason::UnknownProvider => (
                &f::UNKNOWN_PROVIDER,
                "this provider does not sell the flight: leave `provider` out to take the cheapest that does",
                "provider",
            ),
            Reason::Closed => (&f::CLOSED, "the provider has closed this for sale", ""),
            Reason::NotOperating => (
                &f::NOT_OPERATING,
                "this is a codeshare number: seats are sold under the operating flight, which GET /flights/{flight_key} names",
                "",
            ),
            Reason::InvalidSeats => (&f::INVALID_SEATS, "seats must be 1 to 999", "seats"),
            Reason::InvalidTtl => (
                &f::INVALID_TTL,
                "the time to hold (`ttl_s`) or to wait (`wait_s`) is longer than this system allows",
                "",
            ),
            Reason::UnknownHold => (
                &f::UNKNOWN_HOLD,
                "there is no hold of this id: it was refused, or this client never asked for it",
                "",
            ),
            Reason::Expired => (
                &f::EXPIRED,
                "the hold lapsed at its deadline and its seats are on sale again; make a new one",
                "",
            ),
            Reason::AlreadyReleased => (&f::ALREADY_RELEASED, "the hold was given back before", ""),
            Reason::AlreadyCancelled => (&f::ALREADY_CANCELLED, "the sale was undone before", ""),
            Reason::AlreadyConfirmed => (
                &f::ALREADY_CONFIRMED,
                "the hold is a sale by now: cancel it instead",
                "",
            ),
            Reason::Displaced => (
                &f::DISPLACED,
                "the hold lost its seats when the provider cut capacity or cancelled the flight; search again",
                "",
            ),
            Reason::InvalidEvent => (
                &f::INVALID_EVENT,
                "the event contradicts itself or the flight",
                "",
            ),
            Reason::NotScheduled => (
                &f::NOT_SCHEDULED,
                "a change to a flight that was never scheduled: send its schedule first",
                "",
            ),
            Reason::NotOwner => (
                &f::NOT_OWNER,
                "another provider owns the flight's schedule",
                "",
            ),
            Reason::StillWaiting => (
                &f::STILL_WAITING,
                "the hold still waits for its seats: confirm it when it is held",
                "",
            ),
            Reason::ProviderStopped => (
                &f::PROVIDER_STOPPED,
                "the provider sells nothing for now: take another one, or try again later under another id",
                "",
            ),
            Reason::ProviderSilent => (
                &f::PROVIDER_SILENT,
                "nothing was heard of the provider for longer than is relied on: take another one, or try again later under another id",
                "",
            ),
        };
        let error = Self::new(fault, message);
        if field.is_empty() {
            error
        } else {
            error.field(field)
        }
    }

    /// The error as a response. `request_id` is repeated in the body.
    pub(crate) fn into_response(self, request_id: &str) -> Response {
        let mut body = Vec::with_capacity(512);
        self.write(&mut body, request_id, None);
        let mut response = json_bytes(self.0.fault.status, body);
        let headers = response.headers_mut();
        match self.0.detail {
            Detail::RetryAfterMs(after_ms) => {
                for (name, value) in rate_limit_headers(after_ms) {
                    headers.insert(name, value);
                }
            }
            Detail::Allow(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            _ => {}
        }
        if self.0.fault.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// Appends the error as one JSON object. `line` is set for a line of a batch.
    pub(crate) fn write(&self, out: &mut Vec<u8>, request_id: &str, line: Option<u64>) {
        let inner = &*self.0;
        let price = match inner.detail {
            Detail::Price(price) => price,
            _ => None,
        };
        let pointer = inner.field.as_ref().map(|field| pointer(field));
        let body = ErrorBody {
            errors: [ErrorItem {
                family: inner.fault.family.name(),
                code: inner.fault.code,
                title: inner.fault.title,
                message: &inner.message,
                documentation_url: DOCS,
                source: inner
                    .field
                    .as_deref()
                    .zip(pointer.as_deref())
                    .map(|(field, pointer)| ErrorSource { field, pointer }),
                available: match inner.detail {
                    Detail::Available(available) => Some(available),
                    _ => None,
                },
                price: price.as_ref().map(Price::of),
                report: match &inner.detail {
                    Detail::Report(report) => Some(FeedAnswer::of(report)),
                    _ => None,
                },
            }],
            meta: ErrorMeta {
                status: inner.fault.status,
                request_id,
                line,
            },
        };
        // Writing to memory fails only when a value cannot be serialised, and these all can.
        let written = serde_json::to_writer(out, &body);
        assert!(written.is_ok(), "an error body can be serialised");
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Overloaded { retry_after_ms } => Self::overloaded(retry_after_ms),
            SubmitError::IdInUse { flight } => key_reused(format!(
                "this id or key names a hold on {} already; give every request an id of its own",
                text::flight_key(&flight).as_str()
            )),
            SubmitError::Unavailable { why } => Self::new(
                &faults::UNAVAILABLE,
                format!("no commands are taken: {why}; ask again with the same id"),
            ),
        }
    }
}

/// The same id or key came with another request.
pub(crate) fn key_reused(message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(&faults::KEY_REUSED, message)
}

fn pointer(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!("/{}", field.replace('.', "/"))
    }
}

/// Headers of a 429, as Duffel names them. The limit is what is left to a client that is told to
/// wait: none.
fn rate_limit_headers(after_ms: u64) -> [(HeaderName, HeaderValue); 3] {
    let now_ms = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64);
    // The header has whole seconds: rounded up, so that a client that waits is never too early.
    let at_s = now_ms.saturating_add(after_ms).div_ceil(1000);
    let date = text::http_date(at_s as i64);
    let date = HeaderValue::from_str(date.as_str()).unwrap_or(HeaderValue::from_static("0"));
    [
        (
            HeaderName::from_static("ratelimit-limit"),
            HeaderValue::from_static("0"),
        ),
        (
            HeaderName::from_static("ratelimit-remaining"),
            HeaderValue::from_static("0"),
        ),
        (HeaderName::from_static("ratelimit-reset"), date),
    ]
}

/// Errors, in Duffel's shape. Never empty.
#[derive(Serialize, ToSchema)]
#[schema(as = Errors)]
pub(crate) struct ErrorBody<'a> {
    #[schema(min_items = 1, max_items = 1, value_type = Vec<ErrorItem<'_>>)]
    errors: [ErrorItem<'a>; 1],
    meta: ErrorMeta<'a>,
}

/// One error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorItem<'a> {
    /// The family of the error.
    #[serde(rename = "type")]
    #[schema(schema_with = family_schema)]
    family: &'static str,
    /// Stable code: test this.
    #[schema(schema_with = code_schema)]
    code: &'static str,
    /// A few words, always the same for a code.
    title: &'static str,
    /// What was wrong and what to do, for people.
    message: &'a str,
    /// Where the codes are explained.
    documentation_url: &'static str,
    /// The field at fault, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<ErrorSource<'a>>,
    /// `sold_out`: how many seats there are for exactly this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, maximum = 9999)]
    available: Option<u16>,
    /// `price_changed`: the price of one seat now, absent when there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    price: Option<Price>,
    /// `feed_broke_off`: what had been taken by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    report: Option<FeedAnswer<'a>>,
}

/// Where a field is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorSource<'a> {
    /// Its name, dots between levels.
    field: &'a str,
    /// Its JSON pointer in the body.
    pointer: &'a str,
}

/// About the answer as a whole.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorMeta<'a> {
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The `x-request-id` of the answer: quote it when you ask for help.
    request_id: &'a str,
    /// In answers to a batch: the line at fault, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    line: Option<u64>,
}

fn code_schema() -> utoipa::openapi::Object {
    let mut codes: Vec<_> = faults::ALL.iter().map(|fault| fault.code).collect();
    codes.sort_unstable();
    codes.dedup();
    one_of(codes.into_iter())
}

fn family_schema() -> utoipa::openapi::Object {
    let mut names: Vec<_> = faults::ALL
        .iter()
        .map(|fault| fault.family.name())
        .collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    one_of(names.into_iter())
}

fn one_of(values: impl Iterator<Item = &'static str>) -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .enum_values(Some(values))
        .build()
}
