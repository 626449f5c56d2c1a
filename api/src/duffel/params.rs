//! Headers, paths and queries of the booking API, as the OpenAPI document describes them. Never built.
#![allow(dead_code)]

use utoipa::IntoParams;

/// Headers of every call of the booking API.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct BookingHeaders {
    /// `v2`; `v1` gives the same answers.
    #[param(rename = "Duffel-Version", pattern = "^v[12]$", example = "v2")]
    version: String,
}

/// A place in a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Most items in the page.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u16>,
    /// Cursor from `meta.after` of another page: what comes after it.
    #[param(pattern = "^[A-Za-z0-9_-]{16}$", nullable = false)]
    after: Option<String>,
    /// Cursor from `meta.before` of another page: what comes before it.
    #[param(pattern = "^[A-Za-z0-9_-]{16}$", nullable = false)]
    before: Option<String>,
}

/// What places are looked for. Either `query`, or all of `lat`, `lng` and `rad`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SuggestionQuery {
    /// A code or the beginning of a name.
    #[param(max_length = 100, nullable = false, example = "lon")]
    query: Option<String>,
    /// The same as `query`.
    #[param(max_length = 100, nullable = false)]
    name: Option<String>,
    /// Latitude in degrees.
    #[param(minimum = -90, maximum = 90, nullable = false)]
    lat: Option<f64>,
    /// Longitude in degrees.
    #[param(minimum = -180, maximum = 180, nullable = false)]
    lng: Option<f64>,
    /// How far around, in metres.
    #[param(minimum = 1, maximum = 1_000_000, nullable = false)]
    rad: Option<u32>,
}

/// Which airports.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AirportQuery {
    /// Only of this country, ISO 3166.
    #[param(pattern = "^[A-Z]{2}$", nullable = false, example = "GB")]
    iata_country_code: Option<String>,
    /// Only this one.
    #[param(pattern = "^[A-Z]{3}$", nullable = false, example = "LHR")]
    iata_code: Option<String>,
}

/// The thing in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IdPath {
    /// Its id.
    #[param(pattern = "^[A-Za-z0-9_-]{1,1500}$")]
    id: String,
}

/// How a search is answered.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CreateQuery {
    /// Whether offers are in the answer.
    #[param(default = true, nullable = false)]
    return_offers: Option<bool>,
    /// How long to wait for the search, in milliseconds.
    #[param(minimum = 2000, maximum = 60000, default = 20000, nullable = false)]
    supplier_timeout: Option<u32>,
    /// `offers` or `itineraries`; both give offers.
    #[param(pattern = "^(offers|itineraries)$", nullable = false)]
    view: Option<String>,
}

/// Which offers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OffersQuery {
    /// The offer request.
    #[param(pattern = "^[A-Za-z0-9_-]{1,1500}$")]
    offer_request_id: String,
    /// The order: by total amount or total duration, downwards with a minus. Absent: by id.
    #[param(pattern = "^-?total_(amount|duration)$", nullable = false)]
    sort: Option<String>,
    /// Only offers whose slices have at most so many connections.
    #[param(minimum = 0, maximum = 2, nullable = false)]
    max_connections: Option<u8>,
}

/// How an offer is answered.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfferQuery {
    /// Taken and without effect: there are no extra services.
    #[param(nullable = false)]
    return_available_services: Option<bool>,
}

/// Which orders.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersQuery {
    /// Only orders that can be paid, or only others.
    #[param(nullable = false)]
    awaiting_payment: Option<bool>,
    /// Only the order of this reference.
    #[param(nullable = false)]
    booking_reference: Option<String>,
    /// Only the order of this offer: tells what became of a lost answer.
    #[param(nullable = false)]
    offer_id: Option<String>,
    /// Only orders with a passenger of this given name, family name, or both with a space between.
    /// May stand several times.
    #[param(rename = "passenger_name[]", nullable = false)]
    passenger_name: Option<String>,
    /// Only orders with a passenger of this user id of yours.
    #[param(nullable = false)]
    user_id: Option<String>,
    /// The order: by time to pay, total or creation, downwards with a minus. Absent: the newest first.
    #[param(
        pattern = "^-?(payment_required_by|pay_by|total_amount|created_at)$",
        nullable = false
    )]
    sort: Option<String>,
}

/// Whose payments.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PaymentsQuery {
    /// The order.
    order_id: String,
}

/// Whose changes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AirlineChangesQuery {
    /// The order.
    order_id: String,
}

/// Whose seat maps.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeatMapsQuery {
    /// The offer.
    #[param(pattern = "^[A-Za-z0-9_-]{1,1500}$")]
    offer_id: String,
}

/// Whose cancellations.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CancellationsQuery {
    /// Only of this order.
    #[param(nullable = false)]
    order_id: Option<String>,
}

/// Which events or deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WebhookQuery {
    /// Only to this webhook.
    #[param(nullable = false)]
    endpoint_id: Option<String>,
    /// Only of this type.
    #[param(rename = "type", nullable = false)]
    kind: Option<String>,
    /// Only those that were delivered, or were not.
    #[param(nullable = false)]
    delivery_success: Option<bool>,
}
