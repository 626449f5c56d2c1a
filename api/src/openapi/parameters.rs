//! Parameters of calls: in the path, the query and the headers. Described here, never built.

use utoipa::IntoParams;

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
    /// Also offers with too few seats that a hold with `wait_s` can wait for, after the others.
    #[param(default = false, nullable = false)]
    sold_out: Option<bool>,
}

/// What is followed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct ChangesQuery {
    /// The view.
    /// One of `flight`, `leg`, `inventory`, `hold`, `inventory_drift`, `offers`, `availability_by_route_day`,
    /// `cheapest_by_route_day`, `load_factor`, `oversold`, `decision`, `feed_reject`, or a view in SQL whose file says
    /// `changes: true`.
    #[param(pattern = "^[a-z0-9_]+$", example = "offers")]
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
