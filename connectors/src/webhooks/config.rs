//! Settings.

use std::path::PathBuf;
use std::time::Duration;

use super::backoff::Backoff;

/// How events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The folder; made when it is missing. One process uses it at a time.
    pub path: PathBuf,
    /// `live_mode` of every event: does the deployment sell real seats?
    pub live_mode: bool,
    /// Take plain `http` and addresses on this machine and in private networks. For a deployment
    /// that is open or on loopback; anywhere else a client could reach what only the server may.
    pub allow_private: bool,
    /// Endpoints that one client may have.
    pub endpoints_per_client_max: usize,
    /// Entries kept in the log of deliveries of an endpoint.
    pub log_entries_max: u64,
    /// How long an event is kept whose deliveries are all done.
    pub delivered_retention: Duration,
    /// How long an event is kept of which a delivery was given up.
    pub failed_retention: Duration,
}

impl StoreConfig {
    /// The usual settings: 20 endpoints a client, 1,000 log entries, 7 and 30 days.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            path: path.into(),
            live_mode: false,
            allow_private: false,
            endpoints_per_client_max: 20,
            log_entries_max: 1_000,
            delivered_retention: 7 * DAY,
            failed_retention: 30 * DAY,
        }
    }
}

/// How events are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Requests to one endpoint at the same time.
    pub in_flight_per_endpoint: usize,
    /// How long one request may take, from its start to the answer's headers.
    pub request_timeout: Duration,
    /// When to try again, and for how long.
    pub backoff: Backoff,
    /// How often what is past its retention is removed, on the store's clock.
    pub sweep_interval: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            in_flight_per_endpoint: 4,
            request_timeout: Duration::from_secs(10),
            backoff: Backoff::default(),
            sweep_interval: Duration::from_secs(3_600),
        }
    }
}
