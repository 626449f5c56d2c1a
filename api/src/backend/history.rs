//! How something came about: what is folded again to be shown.

use flightline_ledger::order::LogEntry;
use flightline_ledger::{CommandId, Decision, InventoryLine};

/// Why an order is as it is.
#[derive(Clone, Debug)]
pub struct OrderExplanation {
    /// The order as it stands.
    pub order: flightline_dataflows::rows::OrderRow,
    /// Its decisions, oldest first.
    pub steps: Vec<OrderStep>,
    /// Decisions of a long history that are left out, after the first ones.
    pub dropped: u64,
}

/// One decision about an order.
#[derive(Clone, Debug)]
pub struct OrderStep {
    /// The decision.
    pub entry: LogEntry,
    /// For a result about seats: what the flight decided, the inventory that it saw, and the events
    /// that led there.
    pub flight: Option<FlightStep>,
}

/// What a flight decided about an effect of an order.
#[derive(Clone, Debug)]
pub struct FlightStep {
    /// Partition of the flight's stream.
    pub partition: u32,
    /// The record and its decision.
    pub entry: HistoryEntry,
    /// The flight's inventory just before.
    pub inventory_before: Vec<InventoryLine>,
    /// The last commands of the flight before it that changed something, oldest first.
    pub led_there: Vec<HistoryEntry>,
}

/// Commands and decisions of one flight, in stream order: what `history` and `explain` show.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// The record.
    pub record: flightline_dataflows::changelog::Record,
    /// What was decided.
    pub decision: Decision,
    /// Ids of holds that changed state in this step though the command was not about them (expiry,
    /// displacement), with their new state.
    pub side_effects: Vec<(CommandId, flightline_dataflows::rows::HoldStatus)>,
}

/// What a fold of one partition gives: equal on all replicas that folded the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionDigest {
    /// The offset after the last record.
    pub next_offset: u64,
    /// Running hash of the records.
    pub stream_hash: u128,
    /// Digest of seats and orders.
    pub state_hash: u128,
}
