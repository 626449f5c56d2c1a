//! Addresses of the booking API.

use std::borrow::Cow;

use warp::http::Method;

use crate::http::error::ApiError;
use crate::http::route::{RouteName, decode, no_such_address};

/// The most segments that an address has.
const SEGMENTS_MAX: usize = 6;

/// A call, with what its address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call<'a> {
    PlaceSuggestions,
    Airports,
    Airport(Cow<'a, str>),
    Airlines,
    Airline(Cow<'a, str>),
    AircraftList,
    Aircraft(Cow<'a, str>),
    CreateOfferRequest,
    OfferRequests,
    OfferRequest(Cow<'a, str>),
    Offers,
    Offer(Cow<'a, str>),
    CreateOrder,
    Orders,
    Order(Cow<'a, str>),
    PatchOrder(Cow<'a, str>),
    Explanation(Cow<'a, str>),
    AvailableServices(Cow<'a, str>),
    SeatMaps,
    AirlineChanges,
    AcceptChanges(Cow<'a, str>),
    CreatePayment,
    Payments,
    Payment(Cow<'a, str>),
    CreateCancellation,
    Cancellations,
    Cancellation(Cow<'a, str>),
    ConfirmCancellation(Cow<'a, str>),
    CreateWebhook,
    Webhooks,
    Webhook(Cow<'a, str>),
    PatchWebhook(Cow<'a, str>),
    DeleteWebhook(Cow<'a, str>),
    PingWebhook(Cow<'a, str>),
    WebhookEvents,
    WebhookEvent(Cow<'a, str>),
    RedeliverEvent(Cow<'a, str>),
    WebhookDeliveries,
}

impl<'a> Call<'a> {
    /// Finds the call. A slash at the end means nothing: a client of Duffel's sends one.
    pub(crate) fn parse(method: &Method, path: &'a str) -> Result<Self, ApiError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = [""; SEGMENTS_MAX];
        let mut count = 0;
        for segment in path.split('/').skip(1) {
            *segments.get_mut(count).ok_or_else(no_such_address)? = segment;
            count += 1;
        }
        let is_post = method == Method::POST;
        let (call, allow) = match segments[..count] {
            ["places", "suggestions"] => (Call::PlaceSuggestions, READ),
            ["air", "airports"] => (Call::Airports, READ),
            ["air", "airports", id] => (Call::Airport(decode(id)?), READ),
            ["air", "airlines"] => (Call::Airlines, READ),
            ["air", "airlines", id] => (Call::Airline(decode(id)?), READ),
            ["air", "aircraft"] => (Call::AircraftList, READ),
            ["air", "aircraft", id] => (Call::Aircraft(decode(id)?), READ),
            ["air", "offer_requests"] if is_post => (Call::CreateOfferRequest, "GET, HEAD, POST"),
            ["air", "offer_requests"] => (Call::OfferRequests, "GET, HEAD, POST"),
            ["air", "offer_requests", id] => (Call::OfferRequest(decode(id)?), READ),
            ["air", "offers"] => (Call::Offers, READ),
            ["air", "offers", id] => (Call::Offer(decode(id)?), READ),
            ["air", "orders"] if is_post => (Call::CreateOrder, MAKE),
            ["air", "orders"] => (Call::Orders, MAKE),
            ["air", "orders", id] if method == Method::PATCH => {
                (Call::PatchOrder(decode(id)?), "GET, HEAD, PATCH")
            }
            ["air", "orders", id] => (Call::Order(decode(id)?), "GET, HEAD, PATCH"),
            ["air", "orders", id, "explanation"] => (Call::Explanation(decode(id)?), READ),
            ["air", "orders", id, "available_services"] => {
                (Call::AvailableServices(decode(id)?), READ)
            }
            ["air", "seat_maps"] => (Call::SeatMaps, READ),
            ["air", "airline_initiated_changes"] => (Call::AirlineChanges, READ),
            ["air", "airline_initiated_changes", id, "actions", "accept"] => {
                (Call::AcceptChanges(decode(id)?), "POST")
            }
            ["air", "payments"] if is_post => (Call::CreatePayment, MAKE),
            ["air", "payments"] => (Call::Payments, MAKE),
            ["air", "payments", id] => (Call::Payment(decode(id)?), READ),
            ["air", "order_cancellations"] if is_post => (Call::CreateCancellation, MAKE),
            ["air", "order_cancellations"] => (Call::Cancellations, MAKE),
            ["air", "order_cancellations", id] => (Call::Cancellation(decode(id)?), READ),
            ["air", "order_cancellations", id, "actions", "confirm"] => {
                (Call::ConfirmCancellation(decode(id)?), "POST")
            }
            ["air", "webhooks"] if is_post => (Call::CreateWebhook, MAKE),
            ["air", "webhooks"] => (Call::Webhooks, MAKE),
            ["air", "webhooks", "events"] => (Call::WebhookEvents, READ),
            ["air", "webhooks", "deliveries"] => (Call::WebhookDeliveries, READ),
            ["air", "webhooks", "events", id] => (Call::WebhookEvent(decode(id)?), READ),
            ["air", "webhooks", "events", id, "actions", "redeliver"] => {
                (Call::RedeliverEvent(decode(id)?), "POST")
            }
            ["air", "webhooks", id] => {
                let id = decode(id)?;
                let call = match method.as_str() {
                    "PATCH" => Call::PatchWebhook(id),
                    "DELETE" => Call::DeleteWebhook(id),
                    _ => Call::Webhook(id),
                };
                (call, "GET, HEAD, PATCH, DELETE")
            }
            ["air", "webhooks", id, "actions", "ping"] => (Call::PingWebhook(decode(id)?), "POST"),
            _ => return Err(no_such_address()),
        };
        let allowed = match method.as_str() {
            "HEAD" => "GET",
            other => other,
        };
        if allow.split(", ").any(|name| name == allowed) {
            Ok(call)
        } else {
            Err(ApiError::method_not_allowed(allow))
        }
    }

    pub(crate) const fn name(&self) -> RouteName {
        match self {
            Call::PlaceSuggestions => RouteName::PlaceSuggestions,
            Call::Airports => RouteName::Airports,
            Call::Airport(_) => RouteName::Airport,
            Call::Airlines => RouteName::Airlines,
            Call::Airline(_) => RouteName::Airline,
            Call::AircraftList => RouteName::AircraftList,
            Call::Aircraft(_) => RouteName::Aircraft,
            Call::CreateOfferRequest | Call::OfferRequests => RouteName::OfferRequests,
            Call::OfferRequest(_) => RouteName::OfferRequest,
            Call::Offers => RouteName::Offers,
            Call::Offer(_) => RouteName::Offer,
            Call::CreateOrder | Call::Orders => RouteName::Orders,
            Call::Order(_) | Call::PatchOrder(_) => RouteName::Order,
            Call::Explanation(_) => RouteName::OrderExplanation,
            Call::AvailableServices(_) => RouteName::AvailableServices,
            Call::SeatMaps => RouteName::SeatMaps,
            Call::AirlineChanges => RouteName::AirlineChanges,
            Call::AcceptChanges(_) => RouteName::AcceptChanges,
            Call::CreatePayment | Call::Payments => RouteName::Payments,
            Call::Payment(_) => RouteName::Payment,
            Call::CreateCancellation | Call::Cancellations => RouteName::Cancellations,
            Call::Cancellation(_) => RouteName::Cancellation,
            Call::ConfirmCancellation(_) => RouteName::ConfirmCancellation,
            Call::CreateWebhook | Call::Webhooks => RouteName::Webhooks,
            Call::Webhook(_) | Call::PatchWebhook(_) | Call::DeleteWebhook(_) => RouteName::Webhook,
            Call::PingWebhook(_) => RouteName::PingWebhook,
            Call::WebhookEvents => RouteName::WebhookEvents,
            Call::WebhookEvent(_) => RouteName::WebhookEvent,
            Call::RedeliverEvent(_) => RouteName::RedeliverEvent,
            Call::WebhookDeliveries => RouteName::WebhookDeliveries,
        }
    }
}

const READ: &str = "GET, HEAD";
const MAKE: &str = "GET, HEAD, POST";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_mean_calls_with_and_without_a_slash_at_the_end() {
        let get = |path| Call::parse(&Method::GET, path).unwrap();
        assert_eq!(get("/air/offer_requests"), Call::OfferRequests);
        assert_eq!(get("/air/offers/off_1"), Call::Offer("off_1".into()));
        for path in ["/air/offer_requests", "/air/offer_requests/"] {
            let call = Call::parse(&Method::POST, path).unwrap();
            assert_eq!(call, Call::CreateOfferRequest);
        }
        for (path, status) in [
            ("/air/offers", 405),
            ("/air/airports/arp_ewr_us", 405),
            ("/air/offers/a/b", 404),
            ("/air/", 404),
            ("/places/", 404),
            ("/air/a/b/c/d/e/f/g", 404),
            ("/air/offers/%zz", 404),
        ] {
            let error = Call::parse(&Method::POST, path).unwrap_err();
            assert_eq!(error.status(), status, "{path}");
        }
    }
}
