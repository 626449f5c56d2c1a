//! What a replica is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flightline_api::BookingTerms;
use flightline_connectors::outward::OutwardConfig;
use flightline_connectors::payments::PaymentsUrl;
use flightline_connectors::payments::stripe::webhook::Webhook;
use flightline_dataflows::sql::{Text, View};
use flightline_ledger::command::Settings;
use flightline_ledger::order::OrderSettings;
use flightline_ledger::{Cabin, ProviderCode};

use crate::checkpoint::CheckpointPolicy;
use crate::stream::StreamPlace;
use crate::telemetry::TelemetryConfig;

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Who has a token.
    Tokens,
    /// Everybody, as an operator. Only for a loopback address; the caller sees to that.
    Open,
}

/// How a provider's feed is read when a push does not say.
#[derive(Clone, Debug)]
pub struct ProviderFeed {
    /// The provider.
    pub provider: ProviderCode,
    /// Name of its format.
    pub format: Option<String>,
    /// Options of that format.
    pub options: Vec<(String, String)>,
    /// How long it may be silent before its seats are off sale, in milliseconds; `None` = for ever.
    pub silence_max_ms: Option<u64>,
    /// Seats that may be sold beyond its counts, by cabin, on flights for which it states no terms.
    pub overbooking: Vec<(Cabin, u16)>,
    /// It numbers the groups of its messages from 1 on each day, without gaps for us.
    pub numbered_daily: bool,
    /// How late a message that is numbered may be before it is missing, in milliseconds.
    pub missing_after_ms: u64,
}

/// How late a message that is numbered may be, where nothing else is said: ten minutes.
pub const MISSING_AFTER_MS: u64 = 600_000;

/// Views in SQL and their files.
#[derive(Clone, Debug)]
pub struct ViewFiles {
    /// Where views are added, and can be replaced and removed.
    pub folder: Option<PathBuf>,
    /// Files and folders of such files, which the views follow while the replica runs.
    pub paths: Vec<PathBuf>,
    /// The files.
    pub texts: Vec<Text>,
    /// The views, compiled from them.
    pub views: Vec<Arc<View>>,
}

/// Everything that a replica is started with.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// Folder of the stream, the private PostgreSQL and the tokens.
    pub data_dir: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who is let in.
    pub auth: AuthMode,
    /// Where the stream is.
    pub stream: StreamPlace,
    /// Partitions of a new stream.
    pub partitions: u32,
    /// A PostgreSQL to write to; `None` = a private one in the data directory.
    pub database_url: Option<String>,
    /// Worker threads of the dataflow.
    pub workers: usize,
    /// Views in SQL to maintain; `None` = none, and none can be added.
    pub views: Option<ViewFiles>,
    /// The most commands that may wait for the stream.
    pub queue_max: usize,
    /// How long a shutdown waits for requests in flight.
    pub shutdown_timeout: Duration,
    /// Settings of the fold; written into the stream where it has others.
    pub settings: Settings,
    /// Settings of orders; written into the stream where it has others.
    pub orders: OrderSettings,
    /// Webhooks may go to this machine and private networks, without encryption.
    pub webhooks_private: bool,
    /// Events for webhooks that wait in memory while they cannot be kept. Beyond that they are derived from the
    /// stream again; 0 = always.
    pub webhook_events_held_max: usize,
    /// The payment service.
    pub payments: PaymentsUrl,
    /// Takes the payment service's notices; `None` = none are taken.
    pub payment_notices: Option<Webhook>,
    /// How often idle partitions are looked at for what is due.
    pub tick: Duration,
    /// Weight of providers' words on schedules; those not named have 0.
    pub authorities: Vec<(ProviderCode, u8)>,
    /// Feeds that come by themselves: watched folders and pulls.
    pub intakes: Vec<crate::intake::IntakeConfig>,
    /// How checkpoints are kept.
    pub checkpoints: CheckpointPolicy,
    /// What is known of providers' feeds.
    pub feeds: Vec<ProviderFeed>,
    /// Providers to which orders are sent, and how.
    pub outward: Vec<(ProviderCode, OutwardConfig)>,
    /// Terms of the booking API.
    pub booking: BookingTerms,
    /// Where traces go; `None` = there are none.
    pub telemetry: Option<TelemetryConfig>,
}
