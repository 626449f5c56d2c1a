//! Providers: their feeds, the sale of their seats, and their files beside the ledger.

use flightline_ledger::command::Counts;
use flightline_ledger::{Cabin, Class, FlightKey, Station};

use super::SubmitError;

/// What is known of a provider's feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Events applied.
    pub accepted: u64,
    /// Events that came again.
    pub duplicate: u64,
    /// Events older than what was known.
    pub stale: u64,
    /// Events refused by the ledger and records that could not be read.
    pub rejected: u64,
    /// Version of the newest event, Unix time in milliseconds, group, sequence.
    pub last_version: Option<(i64, u32, u32)>,
    /// When the last event was appended, Unix time in milliseconds.
    pub last_event_at_ms: Option<i64>,
    /// Rows of `inventory_drift` that are not 0.
    pub drifting: u64,
    /// Sum of their absolute values, in seats.
    pub drift_seats: u64,
    /// Watched folders and pulls, as configured.
    pub sources: Vec<SourceStatus>,
    /// Whether its seats are sold.
    pub sale: SaleState,
    /// Messages of its feed that are missing.
    pub missing: Vec<MissingMessages>,
}

/// Messages of a provider's that are missing between others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingMessages {
    /// How the provider names them: kind, day and group, and the numbers in it when the others came.
    pub messages: String,
    /// Since when that is known, Unix time in milliseconds.
    pub since_ms: i64,
}

/// Whether a provider's seats are sold, over all partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaleState {
    /// It was told to stop.
    pub stopped: bool,
    /// It was silent for too long; it goes on with its next report.
    pub silent: bool,
    /// How long it may be silent, in milliseconds; absent = for ever.
    pub silence_max_ms: Option<u64>,
    /// When it was last heard, Unix time in milliseconds, where that matters.
    pub heard_at_ms: Option<i64>,
}

/// What a provider's feed did on a day, and how it stands now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderDay {
    /// Events applied on the day, by the clock of the stream, in UTC.
    pub accepted: u64,
    /// Events that came again.
    pub duplicate: u64,
    /// Events older than what was known.
    pub stale: u64,
    /// Events refused and records that could not be read.
    pub rejected: u64,
    /// When the last event of the feed was taken, on whatever day, Unix time in milliseconds.
    pub last_event_at_ms: Option<i64>,
    /// Counts that differ from what was expected, now.
    pub drifting: u64,
    /// Sum of the differences, in seats.
    pub drift_seats: u64,
    /// Whether its seats are sold, now.
    pub sale: SaleState,
    /// Messages of its feed that are missing, now.
    pub missing: Vec<MissingMessages>,
}

/// A provider's file beside the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Records read.
    pub read: u64,
    /// Records that could not be read.
    pub rejected: u64,
    /// The first of them, at most [`FeedReport::REJECTS_MAX`].
    pub rejects: Vec<FeedRejection>,
    /// Flights that the file names.
    pub flights: u64,
    /// Counts that were compared.
    pub compared: u64,
    /// Counts that are of no single cabin on a leg, and were not.
    pub not_compared: u64,
    /// Differences with a known cause.
    pub explained: u64,
    /// Differences without.
    pub unexplained: u64,
    /// The differences, those without a cause first, at most [`Reconciliation::ROWS_MAX`].
    pub rows: Vec<ReconcileRow>,
    /// How many more there are.
    pub omitted: u64,
    /// Messages of its feed that are missing: what they say is not in what was expected.
    pub missing: Vec<MissingMessages>,
}

impl Reconciliation {
    /// The most differences that are listed.
    pub const ROWS_MAX: usize = 10_000;
}

/// A difference between a provider's word and the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconcileRow {
    /// The flight.
    pub flight: FlightKey,
    /// Where the leg begins; absent = it is about the flight.
    pub board: Option<Station>,
    /// The cabin.
    pub cabin: Option<Cabin>,
    /// The booking class; absent = the whole cabin.
    pub class: Option<Class>,
    /// How the count is to be read.
    pub counts: Option<Counts>,
    /// What the provider says.
    pub reported: Option<i64>,
    /// What it should say, as far as the ledger knows.
    pub expected: Option<i64>,
    /// Why they differ.
    pub cause: Cause,
}

/// Why a provider's word differs from the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nobody knows.
    Unexplained,
    /// Sales of ours that the provider has not acknowledged, but has taken off its count.
    UnacknowledgedSales,
    /// The file is older than what the provider reported since.
    StaleReport,
    /// More is held and sold than the provider allows.
    Oversale,
    /// The flight or cabin was never reported before.
    UnknownToUs,
    /// The provider sells the flight as far as we know, and does not name it.
    UnknownToThem,
    /// No count was reported before.
    NoCountYet,
}

impl Cause {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Unexplained => "unexplained",
            Cause::UnacknowledgedSales => "unacknowledged_sales",
            Cause::StaleReport => "stale_report",
            Cause::Oversale => "oversale",
            Cause::UnknownToUs => "unknown_to_us",
            Cause::UnknownToThem => "unknown_to_them",
            Cause::NoCountYet => "no_count_yet",
        }
    }
}

/// How a watched folder or a pull stands, since the replica started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// What is read.
    pub source: String,
    /// `waiting`, `taking`, `backing_off` or `open`.
    pub state: &'static str,
    /// Files or answers taken to their end.
    pub taken: u64,
    /// Files or answers that were refused as they were.
    pub refused: u64,
    /// Answers that said that nothing had changed.
    pub unchanged: u64,
    /// Tries that failed, and were or will be made again.
    pub failed: u64,
    /// When something was last taken or found unchanged, Unix time in milliseconds.
    pub last_good_at_ms: Option<i64>,
    /// What last went wrong, unless something worked since.
    pub last_error: Option<String>,
}

/// What became of a provider's file or message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedReport {
    /// Records read.
    pub read: u64,
    /// Events applied.
    pub accepted: u64,
    /// Events that had come before.
    pub duplicate: u64,
    /// Events older than what was known.
    pub stale: u64,
    /// Records that could not be read and events that the ledger refused.
    pub rejected: u64,
    /// The first of those that were rejected, at most [`FeedReport::REJECTS_MAX`].
    pub rejects: Vec<FeedRejection>,
}

impl FeedReport {
    /// The most rejects listed in a report; all are counted, and all are kept in `feed_reject`.
    pub const REJECTS_MAX: usize = 1000;
}

/// One record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRejection {
    /// Line or record number, from 1.
    pub line: u64,
    /// Stable code.
    pub code: String,
    /// What was wrong and what to do.
    pub message: String,
}

/// Why a feed was not taken to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// No connector of that name, or an option that it does not have. The message lists those
    /// there are.
    #[error("{0}")]
    UnknownFormat(String),
    /// The body broke off or could not be unpacked after `report.read` records, which are kept.
    #[error("the feed broke off after {} records: {why}", report.read)]
    BrokeOff {
        /// What was wrong.
        why: String,
        /// What had been taken by then.
        report: Box<FeedReport>,
    },
    /// The stream takes nothing now.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}
