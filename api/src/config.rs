//! What can be set.

use std::sync::Arc;

use flightline_ledger::CommandId;

use crate::duffel::reference::Reference;
use crate::duffel::terms::{BookingTerms, Clock, OfferKey};
use crate::trace::Tracing;

/// Makes the id of a command from (client, kind of command, the client's own text). The one
/// function for it lives with the connectors, so that feeds and clients agree.
pub type CommandIdOf = fn(&str, &str, &str) -> CommandId;

/// Settings of the HTTP layer.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Makes ids of commands.
    pub command_id: CommandIdOf,
    /// Requests worked on at once, over all connections; more are answered 429. Health and metrics
    /// are let through.
    pub in_flight_max: usize,
    /// Connections kept at once; more wait in the listener's backlog.
    pub connections_max: usize,
    /// From the first byte of a request to the end of its headers, in milliseconds; then the
    /// connection is closed.
    pub head_timeout_ms: u64,
    /// How long a connection may wait for its next request, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long a small body may take in all, and a streamed one between two pieces, in
    /// milliseconds; then the answer is 408.
    pub body_timeout_ms: u64,
    /// How long a client may leave an answer unread, in milliseconds; then the connection is closed.
    pub write_timeout_ms: u64,
    /// How long a command may take until it is durable and decided, in milliseconds; then the
    /// answer is 504, and the client asks again with the same id.
    pub request_timeout_ms: u64,
    /// How long a read waits for the offset it asked for, in milliseconds; then the answer is 409
    /// `not_yet`.
    pub at_least_timeout_ms: u64,
    /// How long connections may finish what they are doing on shutdown, in milliseconds; then they
    /// are closed.
    pub drain_timeout_ms: u64,
    /// Heartbeats of `/changes`, in milliseconds.
    pub heartbeat_ms: u64,
    /// Feeds taken at once; more are answered 429. Each has a thread of its own.
    pub feeds_max: usize,
    /// Histories read at once; more wait. Each refolds a partition.
    pub histories_max: usize,
    /// Followers of `/changes` at once; more are answered 429.
    pub followers_max: usize,
    /// Answers of batches kept for clients that have not read them yet, in bytes: for one
    /// connection. Such a client is not read from until it reads.
    pub batch_unread_bytes_max: usize,
    /// The same over all connections together.
    pub batch_unread_total_bytes_max: usize,
    /// Idempotency keys remembered beside what the stream remembers by itself.
    pub keys_max: usize,
    /// What time it is. Only the booking API asks: for the age of offers.
    pub clock: Clock,
    /// Signs ids of offers and offer requests. Replicas that share it take each other's.
    pub offer_key: OfferKey,
    /// Airports, cities, airlines and aircraft. Codes that are not in it work, and are their own names.
    pub reference: Arc<Reference>,
    /// Terms of the booking API.
    pub booking: BookingTerms,
    /// Collects traces; absent = nobody does.
    pub tracing: Option<Arc<dyn Tracing>>,
}

impl ApiConfig {
    /// Defaults, with the function that makes ids. The key of offers is a random one, so that ids of
    /// offers do not outlive the process unless another is set; there is no reference data.
    pub fn new(command_id: CommandIdOf) -> Self {
        Self {
            command_id,
            in_flight_max: 65_536,
            connections_max: 16_384,
            head_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            body_timeout_ms: 30_000,
            write_timeout_ms: 60_000,
            request_timeout_ms: 30_000,
            at_least_timeout_ms: 5_000,
            drain_timeout_ms: 30_000,
            heartbeat_ms: 15_000,
            feeds_max: 16,
            histories_max: 2,
            followers_max: 256,
            batch_unread_bytes_max: 64 << 20,
            batch_unread_total_bytes_max: 256 << 20,
            keys_max: 1 << 17,
            clock: Clock::system(),
            offer_key: OfferKey::random(),
            reference: Arc::default(),
            booking: BookingTerms::default(),
            tracing: None,
        }
    }
}
