//! The OpenAPI document, made from the wire types and the attributes on the handlers.
//!
//! What every call has in common (its errors, the request id, the token) is added here in one place,
//! so that no call can forget it. `tests/openapi.rs` holds the document against a golden file, and
//! the tests over HTTP hold every answer against the document.

use std::sync::OnceLock;

use serde_json::{Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi};

use crate::duffel::handlers::{
    aircraft, airlines, airports, cancellations, offer_requests, offers, orders, payments, places,
    webhooks,
};
use crate::handlers::{batch, changes, feeds, flights, holds, notices, ops, search};
use crate::http::error::ErrorBody;

/// The document, OpenAPI 3.1 as JSON.
pub fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let document = Document::openapi();
        let mut value = serde_json::to_value(&document).unwrap_or_default();
        add_errors(&mut value);
        require_nullable(&mut value);
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
        feeds::reconcile::report,
        feeds::reconcile::reconcile,
        feeds::reconcile::stop,
        feeds::reconcile::resume,
        notices::stripe,
        ops::live,
        ops::ready,
        ops::metrics,
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
        orders::create,
        orders::list,
        orders::get,
        orders::patch,
        orders::explanation,
        orders::accept_changes,
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

/// Errors of each call. Those that any call can have are in [`ERRORS_OF_ALL`].
const ERRORS: &[(&str, &str, &[u16])] = &[
    (
        "post",
        "/flights/{flight_key}/holds",
        &[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504],
    ),
    (
        "get",
        "/holds/{id}",
        &[400, 401, 403, 404, 409, 422, 429, 503, 504],
    ),
    (
        "post",
        "/holds/{id}/confirm",
        &[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504],
    ),
    (
        "post",
        "/holds/{id}/release",
        &[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504],
    ),
    (
        "post",
        "/holds/{id}/cancel",
        &[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504],
    ),
    (
        "post",
        "/holds/batch",
        &[400, 401, 403, 408, 409, 415, 429, 503],
    ),
    (
        "get",
        "/flights/{flight_key}",
        &[400, 401, 404, 409, 422, 429],
    ),
    (
        "get",
        "/flights/{flight_key}/history",
        &[400, 401, 404, 409, 422, 429],
    ),
    ("get", "/search", &[400, 401, 409, 422, 429]),
    ("get", "/changes", &[400, 401, 403, 409, 422, 429]),
    (
        "post",
        "/providers/{provider}/events",
        &[400, 401, 403, 404, 408, 409, 415, 422, 429, 503],
    ),
    (
        "post",
        "/providers/{provider}/files",
        &[400, 401, 403, 404, 408, 409, 415, 422, 429, 503],
    ),
    (
        "get",
        "/providers/{provider}/status",
        &[400, 401, 403, 404, 409, 422, 429],
    ),
    (
        "get",
        "/providers/{provider}/report",
        &[400, 401, 403, 404, 409, 422, 429],
    ),
    (
        "post",
        "/providers/{provider}/reconcile",
        &[400, 401, 403, 404, 408, 415, 422, 429, 503],
    ),
    (
        "post",
        "/providers/{provider}/stop",
        &[400, 401, 403, 404, 422, 429, 503],
    ),
    (
        "post",
        "/providers/{provider}/resume",
        &[400, 401, 403, 404, 422, 429, 503],
    ),
    (
        "post",
        "/payments/stripe/notices",
        &[400, 404, 408, 413, 415, 429, 503],
    ),
    ("get", "/health/live", &[]),
    ("get", "/health/ready", &[]),
    ("get", "/metrics", &[401, 403]),
    ("get", "/openapi.json", &[429]),
    ("get", "/places/suggestions", &[400, 401, 406, 422, 429]),
    ("get", "/air/airports", &[400, 401, 406, 422, 429]),
    ("get", "/air/airports/{id}", &[400, 401, 404, 406, 429]),
    ("get", "/air/airlines", &[400, 401, 406, 422, 429]),
    ("get", "/air/airlines/{id}", &[400, 401, 404, 406, 429]),
    ("get", "/air/aircraft", &[400, 401, 406, 422, 429]),
    ("get", "/air/aircraft/{id}", &[400, 401, 404, 406, 429]),
    (
        "post",
        "/air/offer_requests",
        &[400, 401, 406, 408, 409, 413, 415, 422, 429, 504],
    ),
    ("get", "/air/offer_requests", &[400, 401, 406, 422, 429]),
    (
        "get",
        "/air/offer_requests/{id}",
        &[400, 401, 404, 406, 409, 429, 504],
    ),
    (
        "get",
        "/air/offers",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "get",
        "/air/offers/{id}",
        &[400, 401, 404, 406, 409, 422, 429],
    ),
    (
        "post",
        "/air/orders",
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 502, 503, 504,
        ],
    ),
    (
        "get",
        "/air/orders",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "get",
        "/air/orders/{id}",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "patch",
        "/air/orders/{id}",
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503, 504,
        ],
    ),
    (
        "get",
        "/air/orders/{id}/explanation",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "post",
        "/air/airline_initiated_changes/{id}/actions/accept",
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503, 504,
        ],
    ),
    (
        "post",
        "/air/payments",
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503, 504,
        ],
    ),
    (
        "get",
        "/air/payments",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "get",
        "/air/payments/{id}",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "post",
        "/air/order_cancellations",
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503, 504,
        ],
    ),
    (
        "get",
        "/air/order_cancellations",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "get",
        "/air/order_cancellations/{id}",
        &[400, 401, 404, 406, 409, 422, 429, 504],
    ),
    (
        "post",
        "/air/order_cancellations/{id}/actions/confirm",
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503, 504,
        ],
    ),
    (
        "post",
        "/air/webhooks",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "get",
        "/air/webhooks",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "get",
        "/air/webhooks/{id}",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "patch",
        "/air/webhooks/{id}",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "delete",
        "/air/webhooks/{id}",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "post",
        "/air/webhooks/{id}/actions/ping",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "get",
        "/air/webhooks/events",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "get",
        "/air/webhooks/events/{id}",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "post",
        "/air/webhooks/events/{id}/actions/redeliver",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
    (
        "get",
        "/air/webhooks/deliveries",
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
    ),
];

const ERRORS_OF_ALL: [u16; 1] = [500];

const fn describe(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed",
        401 => "There is no token, or an unknown one",
        403 => "The token may not do this",
        404 => "There is nothing of this name or id",
        406 => "The header `Accept` leaves no room for JSON",
        408 => "The body did not arrive in time",
        409 => {
            "Refused: the state of the flight or hold, or a key that was used for something else"
        }
        413 => "The body is too large",
        415 => "The body is of a type or encoding that is not taken",
        422 => "A field or parameter is wrong",
        429 => "Too many requests: try again at the time in `ratelimit-reset`",
        502 => "The order could not be completed: seats and money are back",
        503 => "No commands are taken now: ask again with the same id",
        504 => "Not decided in time: ask again with the same id",
        _ => "A fault of ours",
    }
}

/// Adds to every call the errors that it can give, and to every answer its request id.
fn add_errors(document: &mut Value) {
    for (method, path, errors) in ERRORS {
        let operation = &mut document["paths"][path][method];
        assert!(
            operation.is_object(),
            "{method} {path} has errors but is not described"
        );
        for status in errors.iter().chain(&ERRORS_OF_ALL) {
            let mut response = json!({
                "description": describe(*status),
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}},
            });
            if *status == 429 {
                for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
                    response["headers"][name] = json!({"schema": {"type": "string"}});
                }
            }
            operation["responses"][status.to_string()] = response;
        }
        let Some(responses) = operation["responses"].as_object_mut() else {
            continue;
        };
        for response in responses.values_mut() {
            response["headers"]["x-request-id"] = json!({
                "description": "Yours if you sent a sane one, else made here",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            });
        }
    }
}

/// Fields of answers that can be null are always there: says so. Fields that may be missing are
/// never null, and requests may leave out what may be null.
fn require_nullable(document: &mut Value) {
    const REQUESTS: [&str; 16] = [
        "HoldBody",
        "HoldLine",
        "ExpectedPrice",
        "CreateOfferRequest",
        "CreateSlice",
        "CreateTimeRange",
        "CreatePassenger",
        "CreateOrder",
        "CreateOrderPassenger",
        "CreateWaitlist",
        "CreatePaymentDetails",
        "PatchOrder",
        "CreatePayment",
        "CreateCancellation",
        "CreateWebhook",
        "PatchWebhook",
    ];
    let is_nullable = |property: &Value| {
        let has_null = |list: &Value| {
            list.as_array()
                .is_some_and(|list| list.contains(&json!("null")))
        };
        let options = property["oneOf"].as_array();
        has_null(&property["type"])
            || options.is_some_and(|all| all.iter().any(|one| one["type"] == "null"))
    };
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    for (name, schema) in schemas {
        if REQUESTS.contains(&name.as_str()) {
            continue;
        }
        let is_composed = schema.get("allOf").is_some();
        let part = if is_composed {
            schema["allOf"]
                .as_array_mut()
                .and_then(|parts| parts.last_mut())
        } else {
            Some(schema)
        };
        let Some(part) = part else {
            continue;
        };
        let properties = part["properties"].as_object().into_iter().flatten();
        let nullable = properties.filter(|(_, property)| is_nullable(property));
        let names: Vec<Value> = nullable.map(|(name, _)| json!(name)).collect();
        if names.is_empty() {
            continue;
        }
        match part["required"].as_array_mut() {
            Some(required) => required.extend(names),
            None => part["required"] = Value::Array(names),
        }
    }
}

// Described here, never built.

/// The flight in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(crate) struct FlightPath {
    /// `CARRIER NUMBER SUFFIX? . YYYY-MM-DD . STATION`: origin date and first station.
    #[param(
        pattern = "^([A-Z][A-Z0-9]|[0-9][A-Z]|[A-Z]{3})[1-9][0-9]{0,3}[A-Z]?[.][0-9]{4}-[0-9]{2}-[0-9]{2}[.][A-Z]{3}$",
        example = "UA1545.2027-01-05.EWR"
    )]
    flight_key: String,
}

/// The hold in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(crate) struct HoldPath {
    /// The hold's id.
    #[param(pattern = "^[A-Za-z0-9_-]{1,200}$", example = "cart-81723-1")]
    id: String,
}

/// The provider in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(crate) struct ProviderPath {
    /// The provider's code.
    #[param(pattern = "^[a-z0-9][a-z0-9_-]{0,15}$", example = "nyc")]
    provider: String,
}

/// The day of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct DayQuery {
    /// The day, in UTC.
    #[param(format = Date, example = "2027-01-05")]
    day: String,
}

/// Headers of calls that write.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct WriteHeaders {
    /// Your name for this request: sent again with the same content it gives the same answer, with
    /// other content 409.
    #[param(
        rename = "Idempotency-Key",
        pattern = "^[!-~]{1,180}$",
        nullable = false
    )]
    idempotency_key: Option<String>,
}

/// Headers of calls that read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct ReadHeaders {
    /// `PARTITION:OFFSET` as it came in `flightline-offset`: the answer waits until it reflects this.
    #[param(
        rename = "flightline-at-least",
        pattern = "^[0-9]{1,9}:[0-9]{1,18}$",
        example = "0:0",
        nullable = false
    )]
    at_least: Option<String>,
}

/// A place in a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct PageQuery {
    /// Most items in the page.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u16>,
    /// Cursor from `meta.after` of another page: what comes after it.
    #[param(pattern = "^o[0-9a-f]{1,16}$", nullable = false)]
    after: Option<String>,
    /// Cursor from `meta.before` of another page: what comes before it.
    #[param(pattern = "^o[0-9a-f]{1,16}$", nullable = false)]
    before: Option<String>,
}

/// What is searched for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct SearchParameters {
    /// Station where the passenger boards.
    #[param(pattern = "^[A-Z]{3}$", example = "EWR")]
    origin: String,
    /// Station where the passenger leaves.
    #[param(pattern = "^[A-Z]{3}$", example = "IAH")]
    destination: String,
    /// Local day of departure.
    #[param(format = Date, pattern = "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$", example = "2027-01-05")]
    date: String,
    /// Only this cabin.
    #[param(pattern = "^[A-Z]$", nullable = false)]
    cabin: Option<String>,
    /// Only this booking class.
    #[param(pattern = "^[A-Z]$", nullable = false)]
    class: Option<String>,
    /// Only from this provider.
    #[param(pattern = "^[a-z0-9][a-z0-9_-]{0,15}$", nullable = false)]
    provider: Option<String>,
    /// Seats needed.
    #[param(minimum = 1, maximum = 999, default = 1, nullable = false)]
    passengers: Option<u16>,
    /// `price` (the default), `departure`, `arrival` or `duration`.
    #[param(pattern = "^(price|departure|arrival|duration)$", nullable = false)]
    sort: Option<String>,
    /// Most offers in the answer.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u16>,
    /// Every offer, not only the cheapest of each flight.
    #[param(default = false, nullable = false)]
    all_offers: Option<bool>,
}

/// What is followed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct ChangesQuery {
    /// The view.
    #[param(
        pattern = "^(flight|leg|inventory|hold|inventory_drift|offers|availability_by_route_day|cheapest_by_route_day|load_factor|oversold|decision|feed_reject)$",
        example = "offers"
    )]
    view: String,
}

/// Where a follower of changes left off.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub(crate) struct ChangesHeaders {
    /// The id of the last event you saw.
    #[param(
        rename = "Last-Event-ID",
        pattern = "^[0-9a-f]{16}-[0-9]{1,18}$",
        nullable = false
    )]
    last_event_id: Option<String>,
}

/// What is said of a feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct FeedQuery {
    /// Name of the file or message, for people. Absent: the request's id.
    #[param(pattern = "^[ -~]{1,200}$", nullable = false)]
    message: Option<String>,
}

/// What is said of a provider's file.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct FileQuery {
    /// The connector that reads it. Absent: the one that is configured for the provider. Parameters
    /// of other names are the connector's own.
    #[param(pattern = "^[a-z0-9-]{1,40}$", example = "canonical", nullable = false)]
    format: Option<String>,
    /// Name of the file or message, for people. Absent: the request's id.
    #[param(pattern = "^[ -~]{1,200}$", nullable = false)]
    message: Option<String>,
}
