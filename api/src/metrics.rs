//! Metrics of the HTTP layer, by call and status.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::http::route::RouteName;

/// Upper bounds of the latency buckets, in seconds: where a hold (0.2 ms) and a history (0.1 s) lie,
/// five to a decade.
const BUCKETS_S: [f64; 22] = [
    0.000_1, 0.000_16, 0.000_25, 0.000_4, 0.000_63, 0.001, 0.001_6, 0.002_5, 0.004, 0.006_3, 0.01,
    0.016, 0.025, 0.04, 0.063, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Statuses that are counted apart; others count as the last.
const STATUSES: [u16; 21] = [
    200, 201, 204, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 429, 499, 500, 502, 503,
    504, 0,
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

/// The registry, and handles into it that need no look-up on the way of a request.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    by_route: [PerRoute; RouteName::COUNT],
    in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connections_overdue: Counter,
    pub(crate) batch_lines: Counter,
    pub(crate) panics: Counter,
}

struct PerRoute {
    by_status: [OnceLock<Counter>; STATUSES.len()],
    seconds: Histogram,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("flightline_http");
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register(
            "requests",
            "Requests answered, by call and status",
            requests.clone(),
        );
        let seconds: Family<RouteLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS_S));
        registry.register(
            "request_seconds",
            "From the end of a request's head to the head of its answer, by call",
            seconds.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("in_flight", "Requests being worked on", in_flight.clone());
        let connections = Gauge::<i64>::default();
        registry.register("connections", "Open connections", connections.clone());
        let connections_overdue = Counter::<u64, AtomicU64>::default();
        registry.register(
            "connections_overdue",
            "Connections closed because their client was too slow or idle",
            connections_overdue.clone(),
        );
        let batch_lines = Counter::<u64, AtomicU64>::default();
        registry.register(
            "batch_lines",
            "Lines of batches answered",
            batch_lines.clone(),
        );
        let panics = Counter::<u64, AtomicU64>::default();
        registry.register(
            "panics",
            "Requests that met a fault of ours",
            panics.clone(),
        );
        let by_route = RouteName::ALL.map(|route| PerRoute {
            by_status: [const { OnceLock::new() }; STATUSES.len()],
            seconds: seconds
                .get_or_create(&RouteLabels {
                    route: route.template(),
                })
                .clone(),
        });
        Self {
            registry,
            requests,
            by_route,
            in_flight,
            connections,
            connections_overdue,
            batch_lines,
            panics,
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, route: RouteName, status: u16, took: Duration) {
        let per_route = &self.by_route[route as usize];
        let other = STATUSES.len() - 1;
        let at = STATUSES.iter().position(|s| *s == status).unwrap_or(other);
        per_route.by_status[at]
            .get_or_init(|| {
                let labels = RequestLabels {
                    route: route.template(),
                    status: STATUSES[at],
                };
                self.requests.get_or_create(&labels).clone()
            })
            .inc();
        per_route.seconds.observe(took.as_secs_f64());
    }

    /// All of it in the Prometheus text format, without the end mark.
    pub(crate) fn text(&self, app: &App) -> String {
        self.in_flight
            .set(app.in_flight.load(Ordering::Relaxed) as i64);
        let mut out = String::new();
        // Writing to a string cannot fail.
        let written = encode(&mut out, &self.registry);
        assert!(written.is_ok(), "metrics can be encoded");
        out.truncate(out.strip_suffix("# EOF\n").map_or(out.len(), str::len));
        out
    }
}
