//! The booking API, in Duffel's conventions (version 2): places, offer requests, offers and orders.
//!
//! Of searches nothing is stored. An offer request and an offer are their ids: what was asked and what was
//! offered, signed, so that any replica with the same key answers for them, after a restart too.
//!
//! - `route`: which call an address means; `gate`: what holds for every call (version, format,
//!   caller, headers); `body`, `fields`: requests, with errors that point at the field; `page`:
//!   lists by cursor.
//! - `terms`: what an operator sets; [`reference`]: airports, cities, airlines, aircraft.
//! - `party`: passengers, and which of them take a seat; `cabin`: cabin classes.
//! - `token`: the signed ids. `search`: journeys joined to offers. `price`: an offer, priced again.
//! - `orders`: from an offer to an order, and orders as clients see them.
//! - `recent`: the latest offer requests of a client.
//! - `wire`: what stands in answers; `present`: writes it. `handlers`: the calls.
//!
//! What is deliberately absent: names and other personal data in ids, fares by type of passenger,
//! extra services.

pub(crate) mod body;
pub(crate) mod cabin;
pub(crate) mod fields;
pub(crate) mod gate;
pub(crate) mod handlers;
pub(crate) mod orders;
pub(crate) mod page;
pub(crate) mod params;
pub(crate) mod party;
pub(crate) mod present;
pub(crate) mod price;
pub(crate) mod recent;
pub mod reference;
pub(crate) mod route;
pub(crate) mod search;
pub(crate) mod terms;
pub(crate) mod token;
pub(crate) mod wire;

use std::sync::Arc;

use bytes::Buf;
use flightline_sinks::serving::ConnectionRules;
use futures_util::Stream;
use tokio::sync::Semaphore;
use warp::reply::Response;

use crate::config::ApiConfig;
use crate::http::error::ApiError;
use crate::http::request::Request;
use handlers::{
    aircraft, airline_changes, airlines, airports, cancellations, extras, offer_requests, offers,
    ordering, orders as order_calls, payments, places, webhooks,
};
use recent::Recent;
use reference::Reference;
use route::Call;
use terms::BookingTerms;
use token::Signer;

pub(crate) use gate::add_rate_limit;

/// What the calls of the booking API share.
#[derive(Debug)]
pub(crate) struct Booking {
    pub(crate) reference: Arc<Reference>,
    pub(crate) terms: BookingTerms,
    pub(crate) signer: Signer,
    pub(crate) rules: Arc<ConnectionRules>,
    pub(crate) recent: Recent,
    /// Searches that may run at once; others wait.
    pub(crate) searches: Arc<Semaphore>,
}

impl Booking {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let mut rules = config.booking.connections.clone();
        rules.places = config.reference.places();
        Self {
            reference: Arc::clone(&config.reference),
            terms: config.booking.clone(),
            signer: Signer::new(&config.offer_key),
            rules: Arc::new(rules),
            recent: Recent::new(config.booking.requests_kept),
            searches: Arc::new(Semaphore::new(config.booking.searches_max.max(1))),
        }
    }
}

/// Runs a call.
pub(crate) async fn call<S, B>(
    request: &mut Request,
    call: Call<'_>,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    gate::check(&request.headers)?;
    match call {
        Call::PlaceSuggestions => places::suggestions(request),
        Call::Airports => airports::list(request),
        Call::Airport(id) => airports::get(request, &id),
        Call::Airlines => airlines::list(request),
        Call::Airline(id) => airlines::get(request, &id),
        Call::AircraftList => aircraft::list(request),
        Call::Aircraft(id) => aircraft::get(request, &id),
        Call::CreateOfferRequest => offer_requests::create(request, body).await,
        Call::OfferRequests => offer_requests::list(request),
        Call::OfferRequest(id) => offer_requests::get(request, &id).await,
        Call::Offers => offers::list(request).await,
        Call::Offer(id) => offers::get(request, &id).await,
        Call::CreateOrder => ordering::create(request, body).await,
        Call::Orders => order_calls::list(request).await,
        Call::Order(id) => order_calls::get(request, &id).await,
        Call::PatchOrder(id) => order_calls::patch(request, &id, body).await,
        Call::Explanation(id) => order_calls::explanation(request, &id).await,
        Call::AvailableServices(id) => extras::services(request, &id).await,
        Call::SeatMaps => extras::seat_maps(request),
        Call::AirlineChanges => airline_changes::list(request).await,
        Call::AcceptChanges(id) => {
            body::none(request, body).await?;
            airline_changes::accept(request, &id).await
        }
        Call::CreatePayment => payments::create(request, body).await,
        Call::Payments => payments::list(request).await,
        Call::Payment(id) => payments::get(request, &id).await,
        Call::CreateWebhook => webhooks::create(request, body).await,
        Call::Webhooks => webhooks::list(request).await,
        Call::Webhook(id) => webhooks::get(request, &id).await,
        Call::PatchWebhook(id) => webhooks::patch(request, &id, body).await,
        Call::DeleteWebhook(id) => {
            body::none(request, body).await?;
            webhooks::delete(request, &id).await
        }
        Call::PingWebhook(id) => {
            body::none(request, body).await?;
            webhooks::ping(request, &id).await
        }
        Call::WebhookEvents => webhooks::events_list(request).await,
        Call::WebhookEvent(id) => webhooks::event(request, &id).await,
        Call::RedeliverEvent(id) => {
            body::none(request, body).await?;
            webhooks::redeliver(request, &id).await
        }
        Call::WebhookDeliveries => webhooks::deliveries(request).await,
        Call::CreateCancellation => cancellations::create(request, body).await,
        Call::Cancellations => cancellations::list(request).await,
        Call::Cancellation(id) => cancellations::get(request, &id).await,
        Call::ConfirmCancellation(id) => {
            body::none(request, body).await?;
            cancellations::confirm(request, &id).await
        }
    }
}
