//! Feeds: what became of them, and how they stand.

use serde::Serialize;
use utoipa::ToSchema;

use flightline_ledger::ProviderCode;
use flightline_ledger::command::Counts;

use crate::backend::{
    FeedRejection, FeedReport, MissingMessages, ProviderDay, ReconcileRow, Reconciliation,
    SaleState,
};
use crate::wire::text;

/// What became of a feed. Everything counted is durable.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedReport)]
pub(crate) struct FeedAnswer<'a> {
    /// Records read.
    read: u64,
    /// Events applied.
    accepted: u64,
    /// Events that had come before.
    duplicate: u64,
    /// Events older than what was known.
    stale: u64,
    /// Records that could not be read, and events that were refused. All are kept with their reason.
    rejected: u64,
    /// The first of those that were rejected, at most 1000.
    #[schema(max_items = 1000)]
    rejects: Vec<RejectAnswer<'a>>,
    /// How many more were rejected than are listed.
    rejects_omitted: u64,
}

/// One record that was set aside.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedReject)]
pub(crate) struct RejectAnswer<'a> {
    /// Line or record number, from 1.
    line: u64,
    /// Stable code.
    code: &'a str,
    /// What was wrong and what to do.
    message: &'a str,
}

impl<'a> RejectAnswer<'a> {
    fn of(reject: &'a FeedRejection) -> Self {
        Self {
            line: reject.line,
            code: &reject.code,
            message: &reject.message,
        }
    }
}

impl<'a> FeedAnswer<'a> {
    pub(crate) fn of(report: &'a FeedReport) -> Self {
        Self {
            read: report.read,
            accepted: report.accepted,
            duplicate: report.duplicate,
            stale: report.stale,
            rejected: report.rejected,
            rejects: report
                .rejects
                .iter()
                .take(FeedReport::REJECTS_MAX)
                .map(RejectAnswer::of)
                .collect(),
            rejects_omitted: report.rejected.saturating_sub(report.rejects.len() as u64),
        }
    }
}

/// How a provider's feed stands.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderStatus)]
pub(crate) struct StatusAnswer<'a> {
    /// The provider.
    pub(crate) provider: &'a str,
    /// Events applied since the stream began.
    pub(crate) accepted: u64,
    /// Events that came again.
    pub(crate) duplicate: u64,
    /// Events older than what was known.
    pub(crate) stale: u64,
    /// Records that could not be read, and events that were refused.
    pub(crate) rejected: u64,
    /// The newest event, in the provider's own order.
    pub(crate) last_sequence: Option<SequenceAnswer<'a>>,
    /// When the last event was taken.
    #[schema(format = DateTime)]
    pub(crate) last_event_at: Option<&'a str>,
    /// Milliseconds since then.
    pub(crate) lag_ms: Option<u64>,
    /// What the provider's counts say beside what the ledger expected.
    pub(crate) drift: DriftAnswer,
    /// Its watched folders and pulls on this replica.
    pub(crate) sources: Vec<SourceAnswer<'a>>,
    /// Whether its seats are sold.
    pub(crate) sale: SaleAnswer,
    /// Messages of its feed that are missing between others.
    pub(crate) missing: Vec<MissingAnswer>,
}

/// Messages that are missing.
#[derive(Serialize, ToSchema)]
#[schema(as = MissingMessages)]
pub(crate) struct MissingAnswer {
    /// Kind, day and group, as in their references; with the numbers in the group when others of it came.
    messages: String,
    /// Since when that is known.
    #[schema(format = DateTime)]
    since: String,
}

impl MissingAnswer {
    pub(crate) fn all(missing: &[MissingMessages]) -> Vec<Self> {
        let each = missing.iter().map(|missing| Self {
            messages: missing.messages.clone(),
            since: text::instant(missing.since_ms).as_str().to_owned(),
        });
        each.collect()
    }
}

/// How a watched folder or a pull stands, since the replica started.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedSource)]
pub(crate) struct SourceAnswer<'a> {
    /// What is read: a folder, or a request.
    pub(crate) source: &'a str,
    /// What it does: `waiting` for the next file or time; `taking`; `backing_off` after a failure;
    /// `open`: so much failed that the provider is left alone, but for one try now and then.
    pub(crate) state: &'a str,
    /// Files or answers taken to their end.
    pub(crate) taken: u64,
    /// Files or answers that were refused as they were.
    pub(crate) refused: u64,
    /// Answers that said that nothing had changed.
    pub(crate) unchanged: u64,
    /// Tries that failed, and were or will be made again.
    pub(crate) failed: u64,
    /// When something was last taken or found unchanged.
    #[schema(format = DateTime)]
    pub(crate) last_good_at: Option<String>,
    /// What last went wrong, unless something worked since.
    pub(crate) last_error: Option<&'a str>,
}

/// A place in a provider's own order.
#[derive(Serialize, ToSchema)]
#[schema(as = Sequence)]
pub(crate) struct SequenceAnswer<'a> {
    /// When the provider made the report.
    #[schema(format = DateTime)]
    pub(crate) time: &'a str,
    /// Message group or file serial.
    pub(crate) group: u32,
    /// Position within the group.
    pub(crate) sequence: u32,
}

/// Drift of a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = Drift)]
pub(crate) struct DriftAnswer {
    /// Counts that differ from what the ledger expected.
    pub(crate) rows: u64,
    /// Sum of the differences, in seats.
    pub(crate) seats: u64,
}

/// Whether a provider's seats are sold.
#[derive(Serialize, ToSchema)]
#[schema(as = Sale)]
pub(crate) struct SaleAnswer {
    /// `open`; `stopped`: somebody said so; `silent`: nothing was heard of it for longer than it may
    /// be silent, and it goes on with its next report.
    state: &'static str,
    /// How long it may be silent, in seconds.
    silence_max_s: Option<u64>,
    /// When it was last heard, where that matters.
    #[schema(format = DateTime)]
    heard_at: Option<String>,
}

impl SaleAnswer {
    pub(crate) fn of(sale: &SaleState) -> Self {
        Self {
            state: match (sale.stopped, sale.silent) {
                (true, _) => "stopped",
                (false, true) => "silent",
                (false, false) => "open",
            },
            silence_max_s: sale.silence_max_ms.map(|ms| ms / 1000),
            heard_at: sale
                .silence_max_ms
                .and(sale.heard_at_ms)
                .map(|at_ms| text::instant(at_ms).as_str().to_owned()),
        }
    }
}

/// What a provider's feed did on a day, and how it stands now.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderDay)]
pub(crate) struct DayAnswer<'a> {
    /// The provider.
    provider: &'a str,
    /// The day, in UTC, by the clock of the stream.
    #[schema(format = Date)]
    day: &'a str,
    /// Events applied on the day.
    accepted: u64,
    /// Events that came again.
    duplicate: u64,
    /// Events older than what was known.
    stale: u64,
    /// Records that could not be read, and events that were refused.
    rejected: u64,
    /// When the last event of the feed was taken, on whatever day.
    #[schema(format = DateTime)]
    last_event_at: Option<&'a str>,
    /// What the provider's counts say beside what the ledger expected, now.
    drift: DriftAnswer,
    /// Whether its seats are sold, now.
    sale: SaleAnswer,
    /// Messages of its feed that are missing, now.
    missing: Vec<MissingAnswer>,
}

impl<'a> DayAnswer<'a> {
    pub(crate) fn of(
        provider: &'a ProviderCode,
        day: &'a str,
        found: &ProviderDay,
        last_event_at: Option<&'a str>,
    ) -> Self {
        Self {
            provider: provider.as_str(),
            day,
            accepted: found.accepted,
            duplicate: found.duplicate,
            stale: found.stale,
            rejected: found.rejected,
            last_event_at,
            drift: DriftAnswer {
                rows: found.drifting,
                seats: found.drift_seats,
            },
            sale: SaleAnswer::of(&found.sale),
            missing: MissingAnswer::all(&found.missing),
        }
    }
}

/// A provider's file beside the ledger.
#[derive(Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub(crate) struct ReconciliationAnswer<'a> {
    /// The provider.
    provider: &'a str,
    /// Records read.
    read: u64,
    /// Records that could not be read.
    rejected: u64,
    /// The first of them, at most 1000.
    #[schema(max_items = 1000)]
    rejects: Vec<RejectAnswer<'a>>,
    /// Flights that the file names.
    flights: u64,
    /// Counts that were compared.
    compared: u64,
    /// Counts that are of no single cabin on a leg, and were not compared.
    not_compared: u64,
    /// Differences with a known cause.
    explained: u64,
    /// Differences without.
    unexplained: u64,
    /// The differences, those without a cause first, at most 10000.
    #[schema(max_items = 10000)]
    differences: Vec<DifferenceAnswer>,
    /// How many more there are.
    differences_omitted: u64,
    /// Messages of the feed that are missing: what they say is not in what was expected.
    missing: Vec<MissingAnswer>,
}

/// A difference between a provider's word and the ledger.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
pub(crate) struct DifferenceAnswer {
    /// The flight.
    flight_key: String,
    /// Where the leg begins; null: it is about the flight.
    board: Option<String>,
    /// The cabin.
    cabin: Option<String>,
    /// The booking class; null: the whole cabin.
    class: Option<String>,
    /// How the count is to be read: `total` or `remaining`.
    counts: Option<&'static str>,
    /// What the provider says.
    reported: Option<i64>,
    /// What it should say, as far as the ledger knows.
    expected: Option<i64>,
    /// The first less the second.
    difference: Option<i64>,
    /// `unexplained`, `unacknowledged_sales`, `stale_report`, `oversale`, `unknown_to_us`,
    /// `unknown_to_them` or `no_count_yet`.
    cause: &'static str,
}

impl DifferenceAnswer {
    fn of(row: &ReconcileRow) -> Self {
        Self {
            flight_key: row.flight.to_string(),
            board: row.board.map(|board| board.to_string()),
            cabin: row.cabin.map(|cabin| cabin.to_string()),
            class: row.class.map(|class| class.to_string()),
            counts: row.counts.map(|counts| match counts {
                Counts::Total => "total",
                Counts::Remaining => "remaining",
            }),
            reported: row.reported,
            expected: row.expected,
            difference: row.reported.zip(row.expected).map(|(r, e)| r - e),
            cause: row.cause.name(),
        }
    }
}

impl<'a> ReconciliationAnswer<'a> {
    pub(crate) fn of(provider: &'a ProviderCode, found: &'a Reconciliation) -> Self {
        Self {
            provider: provider.as_str(),
            read: found.read,
            rejected: found.rejected,
            rejects: found.rejects.iter().map(RejectAnswer::of).collect(),
            flights: found.flights,
            compared: found.compared,
            not_compared: found.not_compared,
            explained: found.explained,
            unexplained: found.unexplained,
            differences: found.rows.iter().map(DifferenceAnswer::of).collect(),
            differences_omitted: found.omitted,
            missing: MissingAnswer::all(&found.missing),
        }
    }
}
