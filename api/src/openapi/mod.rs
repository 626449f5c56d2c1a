//! The OpenAPI document, made from the wire types and the attributes on the handlers.
//!
//! What every call has in common (its errors, the request id, the token) is added here in one place,
//! so that no call can forget it. `tests/openapi.rs` holds the document against a golden file, and
//! the tests over HTTP hold every answer against the document.
//!
//! - `parameters`: what calls take besides a body. `errors`: what they can refuse with. `nullable`: which
//!   fields are always there.

mod errors;
mod nullable;
mod parameters;

use std::sync::OnceLock;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::duffel::handlers::{
    aircraft, airline_changes, airlines, airports, cancellations, extras, offer_requests, offers,
    ordering, orders, payments, places, webhooks,
};
use crate::handlers::{batch, changes, dataflows, feeds, flights, holds, notices, ops, search};
use crate::http::error::ErrorBody;

pub(crate) use parameters::{
    ChangesHeaders, ChangesQuery, DayQuery, FeedQuery, FileQuery, FlightPath, HoldPath, PageQuery,
    ProviderPath, ReadHeaders, SearchParameters, WriteHeaders,
};

/// The document, OpenAPI 3.1 as JSON.
pub fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let document = Document::openapi();
        let mut value = serde_json::to_value(&document).unwrap_or_default();
        errors::add(&mut value);
        nullable::require(&mut value);
        let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
        text
    })
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flightline",
        description = "Holds, sales and search of airline seats over one exact count of them. \
            Errors have one shape everywhere; their codes are explained in docs/booking-client.md.",
    ),
    paths(
        holds::hold,
        holds::look,
        holds::confirm,
        holds::release,
        holds::cancel,
        batch::batch,
        flights::flight,
        flights::history,
        search::search,
        changes::changes,
        feeds::events,
        feeds::files,
        feeds::status,
        dataflows::list,
        dataflows::put,
        dataflows::delete,
        feeds::reconcile::report,
        feeds::reconcile::reconcile,
        feeds::reconcile::stop,
        feeds::reconcile::resume,
        notices::stripe,
        ops::live,
        ops::ready,
        ops::metrics,
        ops::digest,
        ops::openapi,
        places::suggestions,
        airports::list,
        airports::get,
        airlines::list,
        airlines::get,
        aircraft::list,
        aircraft::get,
        offer_requests::create,
        offer_requests::list,
        offer_requests::get,
        offers::list,
        offers::get,
        ordering::create,
        orders::list,
        orders::get,
        orders::patch,
        orders::explanation,
        extras::services,
        extras::seat_maps,
        airline_changes::list,
        airline_changes::accept,
        payments::create,
        payments::list,
        payments::get,
        cancellations::create,
        cancellations::list,
        cancellations::get,
        cancellations::confirm,
        webhooks::create,
        webhooks::list,
        webhooks::get,
        webhooks::patch,
        webhooks::delete,
        webhooks::ping,
        webhooks::events_list,
        webhooks::event,
        webhooks::redeliver,
        webhooks::deliveries,
    ),
    components(schemas(ErrorBody<'_>, crate::wire::hold::HoldLine<'_>)),
    tags(
        (name = "holds", description = "Taking seats off sale, and selling them"),
        (name = "flights", description = "Flights as they stand, and how they came to"),
        (name = "search", description = "What is on offer"),
        (name = "offers", description = "Booking API: searching for trips, and pricing them"),
        (name = "orders", description = "Booking API: seats held, bought, paid and given back"),
        (name = "webhooks", description = "Booking API: being told what happens to orders"),
        (name = "reference", description = "Booking API: airports, cities, airlines, aircraft"),
        (name = "providers", description = "Feeds of those who own the seats"),
        (name = "operations", description = "Health and metrics"),
    ),
    security(("token" = [])),
    modifiers(&Token),
)]
struct Document;

/// Tokens are made with `flightline token create`.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token made with `flightline token create`"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}
