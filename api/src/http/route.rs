//! Which call an address and method mean.

use std::borrow::Cow;

use warp::http::Method;

use super::error::ApiError;
use super::faults;
use crate::duffel::route::Call;

/// What to do with a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Confirm,
    Release,
    Cancel,
}

impl Verb {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Verb::Confirm => "confirm",
            Verb::Release => "release",
            Verb::Cancel => "cancel",
        }
    }

    /// The kind under which the id of a command that an idempotency key names is made: apart from
    /// that of commands named by their hold, so that a key may read like an id of a hold.
    pub(crate) const fn key_kind(self) -> &'static str {
        match self {
            Verb::Confirm => "confirm_key",
            Verb::Release => "release_key",
            Verb::Cancel => "cancel_key",
        }
    }
}

/// A call, with what its address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Hold(Cow<'a, str>),
    Verb(Cow<'a, str>, Verb),
    HoldNow(Cow<'a, str>),
    Search,
    Flight(Cow<'a, str>),
    History(Cow<'a, str>),
    Batch,
    Events(Cow<'a, str>),
    Files(Cow<'a, str>),
    ProviderStatus(Cow<'a, str>),
    ProviderReport(Cow<'a, str>),
    Reconcile(Cow<'a, str>),
    StopProvider(Cow<'a, str>),
    ResumeProvider(Cow<'a, str>),
    Changes,
    Dataflows,
    PutDataflow(Cow<'a, str>),
    DeleteDataflow(Cow<'a, str>),
    StripeNotices,
    Live,
    Ready,
    Metrics,
    StreamDigest,
    OpenApi,
    /// A call of the booking API.
    Booking(Call<'a>),
}

/// A call without what its address names, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum RouteName {
    Hold,
    Verb,
    HoldNow,
    Search,
    Flight,
    History,
    Batch,
    Events,
    Files,
    ProviderStatus,
    ProviderReport,
    Reconcile,
    StopProvider,
    ResumeProvider,
    Changes,
    Dataflows,
    Dataflow,
    StripeNotices,
    Live,
    Ready,
    Metrics,
    StreamDigest,
    OpenApi,
    PlaceSuggestions,
    Airports,
    Airport,
    Airlines,
    Airline,
    AircraftList,
    Aircraft,
    OfferRequests,
    OfferRequest,
    Offers,
    Offer,
    Orders,
    Order,
    OrderExplanation,
    AvailableServices,
    SeatMaps,
    AirlineChanges,
    AcceptChanges,
    Payments,
    Payment,
    Cancellations,
    Cancellation,
    ConfirmCancellation,
    Webhooks,
    Webhook,
    PingWebhook,
    WebhookEvents,
    WebhookEvent,
    RedeliverEvent,
    WebhookDeliveries,
    None,
}

impl RouteName {
    pub(crate) const COUNT: usize = Self::None as usize + 1;

    pub(crate) const ALL: [RouteName; Self::COUNT] = [
        RouteName::Hold,
        RouteName::Verb,
        RouteName::HoldNow,
        RouteName::Search,
        RouteName::Flight,
        RouteName::History,
        RouteName::Batch,
        RouteName::Events,
        RouteName::Files,
        RouteName::ProviderStatus,
        RouteName::ProviderReport,
        RouteName::Reconcile,
        RouteName::StopProvider,
        RouteName::ResumeProvider,
        RouteName::Changes,
        RouteName::Dataflows,
        RouteName::Dataflow,
        RouteName::StripeNotices,
        RouteName::Live,
        RouteName::Ready,
        RouteName::Metrics,
        RouteName::StreamDigest,
        RouteName::OpenApi,
        RouteName::PlaceSuggestions,
        RouteName::Airports,
        RouteName::Airport,
        RouteName::Airlines,
        RouteName::Airline,
        RouteName::AircraftList,
        RouteName::Aircraft,
        RouteName::OfferRequests,
        RouteName::OfferRequest,
        RouteName::Offers,
        RouteName::Offer,
        RouteName::Orders,
        RouteName::Order,
        RouteName::OrderExplanation,
        RouteName::AvailableServices,
        RouteName::SeatMaps,
        RouteName::AirlineChanges,
        RouteName::AcceptChanges,
        RouteName::Payments,
        RouteName::Payment,
        RouteName::Cancellations,
        RouteName::Cancellation,
        RouteName::ConfirmCancellation,
        RouteName::Webhooks,
        RouteName::Webhook,
        RouteName::PingWebhook,
        RouteName::WebhookEvents,
        RouteName::WebhookEvent,
        RouteName::RedeliverEvent,
        RouteName::WebhookDeliveries,
        RouteName::None,
    ];

    pub(crate) const fn template(self) -> &'static str {
        match self {
            RouteName::Hold => "/flights/{flight_key}/holds",
            RouteName::Verb => "/holds/{id}/{verb}",
            RouteName::HoldNow => "/holds/{id}",
            RouteName::Search => "/search",
            RouteName::Flight => "/flights/{flight_key}",
            RouteName::History => "/flights/{flight_key}/history",
            RouteName::Batch => "/holds/batch",
            RouteName::Events => "/providers/{provider}/events",
            RouteName::Files => "/providers/{provider}/files",
            RouteName::ProviderStatus => "/providers/{provider}/status",
            RouteName::ProviderReport => "/providers/{provider}/report",
            RouteName::Reconcile => "/providers/{provider}/reconcile",
            RouteName::StopProvider => "/providers/{provider}/stop",
            RouteName::ResumeProvider => "/providers/{provider}/resume",
            RouteName::Changes => "/changes",
            RouteName::Dataflows => "/dataflows",
            RouteName::Dataflow => "/dataflows/{name}",
            RouteName::StripeNotices => "/payments/stripe/notices",
            RouteName::Live => "/health/live",
            RouteName::Ready => "/health/ready",
            RouteName::Metrics => "/metrics",
            RouteName::StreamDigest => "/stream/digest",
            RouteName::OpenApi => "/openapi.json",
            RouteName::PlaceSuggestions => "/places/suggestions",
            RouteName::Airports => "/air/airports",
            RouteName::Airport => "/air/airports/{id}",
            RouteName::Airlines => "/air/airlines",
            RouteName::Airline => "/air/airlines/{id}",
            RouteName::AircraftList => "/air/aircraft",
            RouteName::Aircraft => "/air/aircraft/{id}",
            RouteName::OfferRequests => "/air/offer_requests",
            RouteName::OfferRequest => "/air/offer_requests/{id}",
            RouteName::Offers => "/air/offers",
            RouteName::Offer => "/air/offers/{id}",
            RouteName::Orders => "/air/orders",
            RouteName::Order => "/air/orders/{id}",
            RouteName::OrderExplanation => "/air/orders/{id}/explanation",
            RouteName::AvailableServices => "/air/orders/{id}/available_services",
            RouteName::SeatMaps => "/air/seat_maps",
            RouteName::AirlineChanges => "/air/airline_initiated_changes",
            RouteName::AcceptChanges => "/air/airline_initiated_changes/{id}/actions/accept",
            RouteName::Payments => "/air/payments",
            RouteName::Payment => "/air/payments/{id}",
            RouteName::Cancellations => "/air/order_cancellations",
            RouteName::Cancellation => "/air/order_cancellations/{id}",
            RouteName::ConfirmCancellation => "/air/order_cancellations/{id}/actions/confirm",
            RouteName::Webhooks => "/air/webhooks",
            RouteName::Webhook => "/air/webhooks/{id}",
            RouteName::PingWebhook => "/air/webhooks/{id}/actions/ping",
            RouteName::WebhookEvents => "/air/webhooks/events",
            RouteName::WebhookEvent => "/air/webhooks/events/{id}",
            RouteName::RedeliverEvent => "/air/webhooks/events/{id}/actions/redeliver",
            RouteName::WebhookDeliveries => "/air/webhooks/deliveries",
            RouteName::None => "none",
        }
    }

    /// Calls that are let through when everything else is refused for load.
    pub(crate) const fn is_vital(self) -> bool {
        matches!(
            self,
            RouteName::Live | RouteName::Ready | RouteName::Metrics
        )
    }
}

impl<'a> Route<'a> {
    /// Finds the call. 404 when there is no such address, 405 when it takes another method.
    pub(crate) fn parse(method: &Method, path: &'a str) -> Result<Self, ApiError> {
        if is_booking(path) {
            return Call::parse(method, path).map(Route::Booking);
        }
        let segments = split(path)?;
        let reads = method == Method::GET || method == Method::HEAD;
        let route = match segments {
            // Before the batch: a hold may have that name.
            [Some("holds"), Some(id), None, None] if reads && !id.is_empty() => {
                Route::HoldNow(decode(id)?)
            }
            [Some("flights"), Some(key), Some("holds"), None] => Route::Hold(decode(key)?),
            [Some("holds"), Some("batch"), None, None] => Route::Batch,
            [Some("holds"), Some(id), Some("confirm"), None] => {
                Route::Verb(decode(id)?, Verb::Confirm)
            }
            [Some("holds"), Some(id), Some("release"), None] => {
                Route::Verb(decode(id)?, Verb::Release)
            }
            [Some("holds"), Some(id), Some("cancel"), None] => {
                Route::Verb(decode(id)?, Verb::Cancel)
            }
            [Some("holds"), Some(id), None, None] if !id.is_empty() => Route::HoldNow(decode(id)?),
            [Some("search"), None, None, None] => Route::Search,
            [Some("flights"), Some(key), None, None] => Route::Flight(decode(key)?),
            [Some("flights"), Some(key), Some("history"), None] => Route::History(decode(key)?),
            [Some("providers"), Some(provider), Some("events"), None] => {
                Route::Events(decode(provider)?)
            }
            [Some("providers"), Some(provider), Some("files"), None] => {
                Route::Files(decode(provider)?)
            }
            [Some("providers"), Some(provider), Some("status"), None] => {
                Route::ProviderStatus(decode(provider)?)
            }
            [Some("providers"), Some(provider), Some("report"), None] => {
                Route::ProviderReport(decode(provider)?)
            }
            [Some("providers"), Some(provider), Some("reconcile"), None] => {
                Route::Reconcile(decode(provider)?)
            }
            [Some("providers"), Some(provider), Some("stop"), None] => {
                Route::StopProvider(decode(provider)?)
            }
            [Some("providers"), Some(provider), Some("resume"), None] => {
                Route::ResumeProvider(decode(provider)?)
            }
            [Some("changes"), None, None, None] => Route::Changes,
            [Some("dataflows"), None, None, None] => Route::Dataflows,
            [Some("dataflows"), Some(name), None, None] if !name.is_empty() => match *method {
                Method::PUT => return Ok(Route::PutDataflow(decode(name)?)),
                Method::DELETE => return Ok(Route::DeleteDataflow(decode(name)?)),
                _ => return Err(ApiError::method_not_allowed("PUT, DELETE")),
            },
            [Some("payments"), Some("stripe"), Some("notices"), None] => Route::StripeNotices,
            [Some("health"), Some("live"), None, None] => Route::Live,
            [Some("health"), Some("ready"), None, None] => Route::Ready,
            [Some("metrics"), None, None, None] => Route::Metrics,
            [Some("stream"), Some("digest"), None, None] => Route::StreamDigest,
            [Some("openapi.json"), None, None, None] => Route::OpenApi,
            _ => return Err(no_such_address()),
        };
        let writes = matches!(
            route,
            Route::Hold(_)
                | Route::Verb(..)
                | Route::Batch
                | Route::Events(_)
                | Route::Files(_)
                | Route::Reconcile(_)
                | Route::StopProvider(_)
                | Route::ResumeProvider(_)
                | Route::StripeNotices
        );
        if writes && method != Method::POST {
            return Err(ApiError::method_not_allowed("POST"));
        }
        if !writes && !reads {
            return Err(ApiError::method_not_allowed("GET, HEAD"));
        }
        Ok(route)
    }

    pub(crate) const fn name(&self) -> RouteName {
        match self {
            Route::Hold(_) => RouteName::Hold,
            Route::Verb(..) => RouteName::Verb,
            Route::HoldNow(_) => RouteName::HoldNow,
            Route::Search => RouteName::Search,
            Route::Flight(_) => RouteName::Flight,
            Route::History(_) => RouteName::History,
            Route::Batch => RouteName::Batch,
            Route::Events(_) => RouteName::Events,
            Route::Files(_) => RouteName::Files,
            Route::ProviderStatus(_) => RouteName::ProviderStatus,
            Route::ProviderReport(_) => RouteName::ProviderReport,
            Route::Reconcile(_) => RouteName::Reconcile,
            Route::StopProvider(_) => RouteName::StopProvider,
            Route::ResumeProvider(_) => RouteName::ResumeProvider,
            Route::Changes => RouteName::Changes,
            Route::Dataflows => RouteName::Dataflows,
            Route::PutDataflow(_) | Route::DeleteDataflow(_) => RouteName::Dataflow,
            Route::StripeNotices => RouteName::StripeNotices,
            Route::Live => RouteName::Live,
            Route::Ready => RouteName::Ready,
            Route::Metrics => RouteName::Metrics,
            Route::StreamDigest => RouteName::StreamDigest,
            Route::OpenApi => RouteName::OpenApi,
            Route::Booking(call) => call.name(),
        }
    }
}

/// Is the address one of the booking API? Errors and headers there follow its conventions, whether
/// there is something at the address or not.
pub(crate) fn is_booking(path: &str) -> bool {
    path.starts_with("/air/") || path.starts_with("/places/")
}

pub(crate) fn no_such_address() -> ApiError {
    ApiError::new(
        &faults::NOT_FOUND,
        "there is nothing at this address; GET /openapi.json lists all there is",
    )
}

/// The segments of a path: at most four are ever meant.
fn split(path: &str) -> Result<[Option<&str>; 4], ApiError> {
    let rest = path.strip_prefix('/').ok_or_else(no_such_address)?;
    let mut out = [None; 4];
    for (at, segment) in rest.split('/').enumerate() {
        *out.get_mut(at).ok_or_else(no_such_address)? = Some(segment);
    }
    Ok(out)
}

/// A segment without its percent encoding.
pub(crate) fn decode(segment: &str) -> Result<Cow<'_, str>, ApiError> {
    percent_decode(segment, false).ok_or_else(|| {
        ApiError::new(
            &faults::NOT_FOUND,
            "the address is not well-formed: a '%' must be followed by two hexadecimal digits, and the text must be UTF-8",
        )
    })
}

/// `None` when the encoding is broken or what it stands for is not UTF-8.
pub(crate) fn percent_decode(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    let special = |b: &u8| *b == b'%' || (plus_is_space && *b == b'+');
    if !text.as_bytes().iter().any(special) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push((high * 16 + low) as u8);
            }
            b'+' if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_mean_calls() {
        let table = [
            (
                "/flights/UA1.2027-01-05.EWR/holds",
                Route::Hold("UA1.2027-01-05.EWR".into()),
            ),
            (
                "/holds/batch/confirm",
                Route::Verb("batch".into(), Verb::Confirm),
            ),
            (
                "/holds/a%2Fb/release",
                Route::Verb("a/b".into(), Verb::Release),
            ),
            ("/holds/x/cancel", Route::Verb("x".into(), Verb::Cancel)),
            ("/providers/nyc/events", Route::Events("nyc".into())),
            ("/providers/nyc/files", Route::Files("nyc".into())),
            ("/payments/stripe/notices", Route::StripeNotices),
        ];
        for (path, route) in table {
            assert_eq!(Route::parse(&Method::POST, path).unwrap(), route);
            assert_eq!(Route::parse(&Method::GET, path).unwrap_err().status(), 405);
        }
        assert_eq!(
            Route::parse(&Method::POST, "/holds/batch").unwrap(),
            Route::Batch
        );
        assert_eq!(
            Route::parse(&Method::GET, "/holds/batch").unwrap(),
            Route::HoldNow("batch".into())
        );
        for path in [
            "/search",
            "/flights/X",
            "/flights/X/history",
            "/providers/x/status",
            "/changes",
            "/dataflows",
            "/health/live",
            "/health/ready",
            "/metrics",
            "/stream/digest",
            "/openapi.json",
            "/holds/x",
        ] {
            for method in [Method::GET, Method::HEAD] {
                Route::parse(&method, path).unwrap();
            }
            for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::PUT] {
                assert_eq!(Route::parse(&method, path).unwrap_err().status(), 405);
            }
        }
    }

    #[test]
    fn views_are_put_and_deleted() {
        let path = "/dataflows/fare_calendar";
        let put = Route::parse(&Method::PUT, path).unwrap();
        assert_eq!(put, Route::PutDataflow("fare_calendar".into()));
        let delete = Route::parse(&Method::DELETE, path).unwrap();
        assert_eq!(delete, Route::DeleteDataflow("fare_calendar".into()));
        for method in [Method::GET, Method::POST] {
            assert_eq!(Route::parse(&method, path).unwrap_err().status(), 405);
        }
    }

    #[test]
    fn other_addresses_are_not_found() {
        for path in [
            "",
            "*",
            "/",
            "//",
            "/search/",
            "/flights",
            "/flights/X/holds/1",
            "/holds//confirm/x",
            "/holds/x/undo",
            "/holds/%/confirm",
            "/holds/%zz/confirm",
            "/holds/%ff/confirm",
            "/a/b/c/d/e/f",
            "/Search",
        ] {
            assert_eq!(
                Route::parse(&Method::POST, path).unwrap_err().status(),
                404,
                "{path}"
            );
        }
    }

    #[test]
    fn names_are_in_order() {
        for (at, name) in RouteName::ALL.into_iter().enumerate() {
            assert_eq!(name as usize, at);
        }
    }
}
