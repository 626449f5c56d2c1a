//! Feeds: what became of them, and how they stand.

use serde::Serialize;
use utoipa::ToSchema;

use crate::backend::FeedReport;

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
                .map(|reject| RejectAnswer {
                    line: reject.line,
                    code: &reject.code,
                    message: &reject.message,
                })
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
