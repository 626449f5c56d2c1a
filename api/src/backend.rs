//! What the HTTP layer needs of a replica. The runtime implements it; nothing here knows how.

use std::sync::Arc;

use flightline_ledger::command::Counts;
use flightline_ledger::order::{LogEntry, OrderAction, OrderDecision, OrderId, OrderState};
use flightline_ledger::view::HoldView;
use flightline_ledger::{
    Cabin, Class, Command, CommandId, Date, Decision, FlightKey, InventoryLine, Ledger,
    ProviderCode, Station,
};
use flightline_sinks::followed::ViewFollowers;
use flightline_sinks::serving::Serving;
use tokio::sync::oneshot;

/// A command on its way into the stream.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Identity of the command.
    pub id: CommandId,
    /// What is asked.
    pub command: Command,
    /// The client's or provider's own name for it, kept for people: at most 200 bytes.
    pub ref_text: Option<Box<str>>,
    /// Who asks: the name of a token or a provider, at most 64 bytes.
    pub actor: Option<Box<str>>,
}

/// Where a command landed and what was decided. It is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The partition of its stream.
    pub partition: u32,
    /// The decision, with its offset.
    pub decision: Decision,
}

/// Where a command about an order landed and what was decided. It is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderAnswer {
    /// The partition of the order's stream.
    pub partition: u32,
    /// The decision, with its offset.
    pub decision: OrderDecision,
}

/// An order to which nothing more happens by itself: it awaits payment, is booked, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The partition of the order's stream.
    pub partition: u32,
    /// A read that covers this offset shows it so.
    pub until: u64,
    /// Where it stands.
    pub state: OrderState,
}

/// What an idempotency key stands for that the stream does not remember by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The kind of request.
    pub kind: Box<str>,
    /// Hash of what was asked.
    pub asked: [u8; 32],
    /// What was answered, or what leads to it again.
    pub answer: Box<[u8]>,
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The bounded queue in front of the stream is full: nothing was appended, try again.
    #[error("too many requests are waiting; try again in {retry_after_ms} ms")]
    Overloaded {
        /// When to try again, milliseconds from now.
        retry_after_ms: u64,
    },
    /// The id names a hold of another flight already. Nothing was appended.
    #[error("the id is in use for a hold on {flight}")]
    IdInUse {
        /// That flight.
        flight: FlightKey,
    },
    /// The replica is shutting down, or its stream cannot be written any more. Nothing was
    /// appended, as far as is known; asking again with the same id is safe.
    #[error("the replica takes no commands: {why}")]
    Unavailable {
        /// What happened, for people.
        why: Arc<str>,
    },
}

/// A command about an order on its way into the stream.
#[derive(Clone, Debug)]
pub struct OrderSubmit {
    /// Identity of the command.
    pub id: CommandId,
    /// The order.
    pub order: OrderId,
    /// What is asked.
    pub action: OrderAction,
    /// Who asks: the name of a token, at most 64 bytes.
    pub actor: Option<Box<str>>,
}

/// A call about webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookCall {
    /// Make one. Its secret is in the answer, once.
    Create {
        /// Where events go.
        url: String,
        /// Types of events.
        events: Vec<String>,
    },
    /// All of the client's.
    List(PageArgs),
    /// One.
    Get {
        /// Its id.
        id: String,
    },
    /// Change one; what is absent stays.
    Patch {
        /// Its id.
        id: String,
        /// Whether it gets events.
        active: Option<bool>,
        /// Types of events.
        events: Option<Vec<String>>,
        /// Where events go.
        url: Option<String>,
    },
    /// Remove one.
    Delete {
        /// Its id.
        id: String,
    },
    /// Send it a test event.
    Ping {
        /// Its id.
        id: String,
    },
    /// The client's events.
    Events {
        /// Which.
        filter: WebhookFilter,
        /// Which of these.
        page: PageArgs,
    },
    /// One event.
    Event {
        /// Its id.
        id: String,
    },
    /// Deliver an event again.
    Redeliver {
        /// Its id.
        id: String,
    },
    /// Attempts to deliver.
    Deliveries {
        /// Which.
        filter: WebhookFilter,
        /// Which of these.
        page: PageArgs,
    },
}

/// Which events or deliveries; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookFilter {
    /// Of this type.
    pub kind: Option<String>,
    /// To this webhook.
    pub endpoint_id: Option<String>,
    /// Delivered, or not.
    pub delivery_success: Option<bool>,
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageArgs {
    /// The most items, 1 to 200.
    pub limit: usize,
    /// Cursor of what comes before.
    pub after: Option<String>,
    /// Cursor of what comes after.
    pub before: Option<String>,
}

/// The answer to a [`WebhookCall`].
#[derive(Clone, Debug, PartialEq)]
pub enum WebhookAnswer {
    /// One thing.
    One(serde_json::Value),
    /// A page of things.
    Page {
        /// The things.
        items: Vec<serde_json::Value>,
        /// The most that were asked for.
        limit: usize,
        /// Cursor of the next page.
        after: Option<String>,
        /// Cursor of the page before.
        before: Option<String>,
    },
    /// It is done.
    Done,
}

/// A view in SQL, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewLine {
    /// Its name.
    pub name: String,
    /// What a row is.
    pub description: String,
    /// Its file.
    pub file: String,
    /// Where its rows go, such as `views.fare_calendar`.
    pub table: String,
    /// `backfilling`, `live` or `failed`.
    pub state: &'static str,
    /// Why it has stopped.
    pub reason: Option<String>,
    /// While it is backfilling: rows of sources read, and how many there were.
    pub backfill: Option<(u64, u64)>,
    /// Rows it has.
    pub rows: u64,
    /// Rows that came and went since the replica started or the view came.
    pub updates: u64,
    /// Epochs that came in and that it has not been through.
    pub epochs_behind: u64,
    /// What it keeps that no other view has.
    pub kept: ViewSize,
}

/// What views keep in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewSize {
    /// Updates (rows by key, with when they came) in arrangements.
    pub records: u64,
    /// About how many bytes that is.
    pub bytes: u64,
}

/// Files of views, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewFolder {
    /// Files and folders, as configured.
    pub paths: Vec<String>,
    /// Changes there are followed.
    pub is_watched: bool,
    /// Why they cannot be looked through.
    pub problem: Option<String>,
    /// By name.
    pub files: Vec<ViewFileLine>,
    /// Changes taken since the start.
    pub taken: u64,
    /// Changes refused since the start.
    pub refused: u64,
    /// Views removed with their files since the start.
    pub removed: u64,
}

/// What became of a file of a view when it was last tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewFileLine {
    /// The file.
    pub file: String,
    /// Why it was refused; `None` = its view is the one that runs.
    pub reason: Option<String>,
    /// When, Unix time in milliseconds.
    pub at_ms: i64,
}

/// What an operator wants of the views in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewChange {
    /// A new one.
    Add {
        /// Its name; must be that in the file.
        name: String,
        /// The file.
        text: String,
    },
    /// Another in the place of one.
    Replace {
        /// Its name; must be that in the file.
        name: String,
        /// The file.
        text: String,
    },
    /// One less.
    Remove {
        /// Its name.
        name: String,
    },
}

/// Why a [`ViewChange`] was not done: then nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewFault {
    /// The replica runs no views.
    Off(String),
    /// There is no view of that name.
    Unknown(String),
    /// What is wrong with the file, with places.
    Problems(String),
    /// It does not go with what is there.
    Conflict(String),
    /// A row that is there has no value, or a key is there twice.
    Failed(String),
    /// Not now.
    Unavailable(String),
}

impl std::fmt::Display for ViewFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Off(why)
        | Self::Unknown(why)
        | Self::Problems(why)
        | Self::Conflict(why)
        | Self::Failed(why)
        | Self::Unavailable(why)) = self;
        f.write_str(why)
    }
}

/// Why a [`WebhookCall`] was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// There is no such thing.
    NotFound(String),
    /// This field is wrong.
    Invalid(&'static str, String),
    /// The store does not answer.
    Unavailable(String),
}

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

/// A hold as it stands.
#[derive(Clone, Copy, Debug)]
pub struct HoldNow {
    /// Partition of the flight's stream.
    pub partition: u32,
    /// The hold.
    pub hold: HoldView,
    /// While it waits: how many holds of its flight have waited longer.
    pub ahead: Option<u32>,
    /// It has had seats at some time. Else its provider means nothing.
    pub has_had_seats: bool,
}

impl HoldNow {
    /// Reads it from the ledger of its partition.
    pub fn read(
        ledger: &Ledger,
        partition: u32,
        flight: &FlightKey,
        hold: CommandId,
    ) -> Option<Self> {
        let flight = ledger.flight(ledger.find(flight)?);
        let at = flight.find_hold(hold)?;
        Some(Self {
            partition,
            hold: flight.hold(at),
            ahead: flight.waiting_before(at),
            has_had_seats: flight.has_had_seats(at),
        })
    }
}

/// Why a notice of the payment service is not taken. Each says what to do, to who set it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeFault {
    /// None are taken here.
    Off(String),
    /// It is not the service's, or too old.
    Forged(String),
    /// It is the service's, but cannot be read.
    Unreadable(String),
    /// The replica is starting or stopping: the service sends it again.
    Unavailable(String),
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

/// Is the replica fit to serve?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// True when history is folded, the index is filled and writes are taken.
    pub ready: bool,
    /// One line per part: name, fine or not, what is going on.
    pub parts: Vec<(&'static str, bool, String)>,
}

/// A caller that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token, or `open` when the replica asks for none.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// For a provider's token: the only provider it may speak for.
    pub provider: Option<ProviderCode>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Push feeds of one provider, and read.
    Provider,
    /// Hold, book and read.
    Client,
    /// Everything.
    Operator,
}

/// Checks bearer tokens.
pub trait Authenticator: Send + Sync + 'static {
    /// Who is it? `bearer` is the token without the word `Bearer`. `Err` says what is wrong with it
    /// (`access_token_not_found`, `missing_authorization_header`).
    fn authenticate(&self, bearer: Option<&str>) -> Result<Caller, &'static str>;
}

/// A replica, as the HTTP layer sees it.
pub trait Backend: Send + Sync + 'static {
    /// Appends one command; the answer comes when it is durable and decided.
    fn submit(&self, submit: Submit) -> Result<oneshot::Receiver<Answer>, SubmitError>;

    /// Appends many, answered together in the order given once all are durable and decided. All or
    /// none are taken. At most [`BATCH_MAX`] at once: split longer ones, so that memory
    /// stays bounded and answers flow.
    fn submit_batch(
        &self,
        batch: Vec<Submit>,
    ) -> Result<oneshot::Receiver<Vec<Answer>>, SubmitError>;

    /// Appends a command about an order; the answer comes when it is durable and decided. What the
    /// order then does (hold seats, take money) shows in its state: see [`Backend::settled`].
    ///
    /// The default takes none, as do those after it: a replica that only counts seats.
    fn submit_order(
        &self,
        submit: OrderSubmit,
    ) -> Result<oneshot::Receiver<OrderAnswer>, SubmitError> {
        let _ = submit;
        Err(SubmitError::Unavailable {
            why: NO_ORDERS.into(),
        })
    }

    /// Is told when nothing more happens to the order by itself, at once when that is so already.
    /// Nobody is told when there is no such order.
    fn settled(&self, order: OrderId) -> oneshot::Receiver<Settled> {
        let _ = order;
        oneshot::channel().1
    }

    /// The partition an order's stream lies in.
    fn partition_of_order(&self, order: OrderId) -> u32 {
        let _ = order;
        0
    }

    /// Seals the personal data of an order with a key of its own: the text may go into the stream.
    fn seal(&self, order: OrderId, personal: &[u8]) -> Result<String, String> {
        let _ = (order, personal);
        Err(NO_ORDERS.to_owned())
    }

    /// Opens what was sealed; `None` when it was erased.
    fn unseal(&self, order: OrderId, sealed: &str) -> Result<Option<Vec<u8>>, String> {
        let _ = (order, sealed);
        Err(NO_ORDERS.to_owned())
    }

    /// A client's webhooks. Blocking: call it off the async threads.
    fn webhooks(&self, client: &str, call: WebhookCall) -> Result<WebhookAnswer, WebhookFault> {
        let _ = (client, call);
        Err(WebhookFault::Unavailable(NO_ORDERS.to_owned()))
    }

    /// Everything that was decided about an order, by refolding its partition and those of its
    /// flights. Blocking and slow, as [`Backend::history`]. `None` when there never was one.
    fn explain_order(&self, order: OrderId) -> Result<Option<OrderExplanation>, String> {
        let _ = order;
        Err(NO_ORDERS.to_owned())
    }

    /// Are notices of the payment service taken here?
    ///
    /// # Errors
    /// Why not. The default takes none.
    fn takes_payment_notices(&self) -> Result<(), NoticeFault> {
        Err(NoticeFault::Off(NO_ORDERS.to_owned()))
    }

    /// Checks a notice of the payment service (its signature, and the body byte for byte as it came) and
    /// asks at once what it hints at. Gives how many asks that were. Quick.
    ///
    /// # Errors
    /// Why it is not taken. The default takes none.
    fn payment_notice(&self, signature: Option<&str>, body: &[u8]) -> Result<usize, NoticeFault> {
        let _ = (signature, body);
        Err(NoticeFault::Off(NO_ORDERS.to_owned()))
    }

    /// A hold as it stands: at least everything that was answered before this call is in it. `None`
    /// when the flight has no such hold, because it was refused or the flight is over. The sender is
    /// dropped when nobody can tell any more.
    ///
    /// The default never tells.
    fn hold_now(&self, flight: &FlightKey, hold: CommandId) -> oneshot::Receiver<Option<HoldNow>> {
        let _ = (flight, hold);
        oneshot::channel().1
    }

    /// The flight a hold belongs to, when the id names one.
    fn flight_of_hold(&self, hold: CommandId) -> Option<FlightKey>;

    /// The index that reads are answered from.
    fn serving(&self) -> &Arc<Serving>;

    /// The partition a flight's stream lies in.
    fn partition_of(&self, flight: &FlightKey) -> u32;

    /// How many partitions there are.
    fn partitions(&self) -> u32;

    /// By partition, the offset after the last decision that was answered: what a read must cover
    /// to show everything that any client of this replica was told.
    fn answered(&self, partition: u32) -> u64;

    /// Commands and outcomes of one flight by refolding its partition. Blocking and slow (tens of
    /// milliseconds and more): call it off the async threads. Entries with
    /// offset ≥ `from_offset`, at most `limit`.
    fn history(
        &self,
        flight: &FlightKey,
        from_offset: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, String>;

    /// As [`Backend::history`], but the last `limit` entries with offset < `before_offset`, oldest
    /// first. The default reads everything before it; an implementation that keeps only the last
    /// `limit` while it refolds needs less memory.
    fn history_before(
        &self,
        flight: &FlightKey,
        before_offset: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, String> {
        let mut entries = self.history(flight, 0, usize::MAX)?;
        entries.retain(|entry| entry.decision.offset < before_offset);
        entries.drain(..entries.len().saturating_sub(limit));
        Ok(entries)
    }

    /// Counts of a provider's feed since the stream began; `None` when it never sent anything.
    fn provider_status(&self, provider: ProviderCode) -> Option<ProviderStatus>;

    /// What a provider's feed did on a day; `None` when it never sent anything. The default knows
    /// nothing, as those after it do.
    fn provider_day(&self, provider: ProviderCode, day: Date) -> Option<ProviderDay> {
        let _ = (provider, day);
        None
    }

    /// Stops the sale of a provider's seats, or lets it go on. Blocking: it returns when that is
    /// decided in every partition.
    ///
    /// # Errors
    /// When the stream takes nothing now.
    fn set_sale(
        &self,
        provider: ProviderCode,
        sells: bool,
        actor: &str,
    ) -> Result<SaleState, SubmitError> {
        let _ = (provider, sells, actor);
        Err(SubmitError::Unavailable {
            why: NO_FEEDS.into(),
        })
    }

    /// Compares a provider's file with the ledger, and appends nothing. Blocking. The arguments are
    /// those of [`Backend::ingest`].
    ///
    /// # Errors
    /// As [`Backend::ingest`].
    fn reconcile(
        &self,
        provider: ProviderCode,
        format: &str,
        options: &[(String, String)],
        message: &str,
        body: Box<dyn std::io::Read + Send>,
    ) -> Result<Reconciliation, FeedError> {
        let _ = (provider, format, options, message, body);
        Err(FeedError::Submit(SubmitError::Unavailable {
            why: NO_FEEDS.into(),
        }))
    }

    /// Takes a provider's feed to its end, with back-pressure on `body`. Blocking: call it off the
    /// async threads. Returns when everything is durable and decided. `format` names a connector,
    /// `message` the file or message for people (`feed_reject.message`). The body may be gzipped.
    /// `options` are the connector's own, such as `shift_days` for `nycflights13`: every query
    /// parameter of the call that is not `format` or `message`. An unknown one is an error.
    fn ingest(
        &self,
        provider: ProviderCode,
        format: &str,
        options: &[(String, String)],
        message: &str,
        body: Box<dyn std::io::Read + Send>,
    ) -> Result<FeedReport, FeedError>;

    /// Views in SQL whose changes can be followed. The default has none.
    fn view_followers(&self) -> Option<&Arc<ViewFollowers>> {
        None
    }

    /// The views in SQL.
    ///
    /// # Errors
    /// When there are none here. The default has none.
    fn views(&self) -> Result<Vec<ViewLine>, ViewFault> {
        Err(ViewFault::Off(NO_VIEWS.to_owned()))
    }

    /// The files of the views, when this replica runs any. The default has none.
    fn view_folder(&self) -> Option<ViewFolder> {
        None
    }

    /// What views keep together, when this replica runs any. The default has none.
    fn views_shared(&self) -> Option<ViewSize> {
        None
    }

    /// Adds, replaces or removes a view, and returns when that is done: what is added is live then. Blocking, for
    /// as long as reading the rows that there are takes.
    ///
    /// # Errors
    /// Why not; then all is as it was. The default takes none.
    fn change_view(&self, change: ViewChange) -> Result<Option<ViewLine>, ViewFault> {
        let _ = change;
        Err(ViewFault::Off(NO_VIEWS.to_owned()))
    }

    /// Folds the stream from its start up to these offsets (one for each partition; those beyond its end
    /// count as its end), to compare replicas. Blocking and slow. The default has nothing to compare.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn stream_digest(&self, until: Option<&[u64]>) -> Result<Vec<PartitionDigest>, String> {
        let _ = until;
        Err("this replica has no stream to compare".to_owned())
    }

    /// Is the replica fit to serve?
    fn readiness(&self) -> Readiness;

    /// Are idempotency keys that the stream does not remember by itself remembered for several replicas?
    /// Asked before [`Backend::recall`] and [`Backend::remember`].
    fn has_shared_memory(&self) -> bool {
        false
    }

    /// What an idempotency key stands for at any replica, if anything. Blocking, for a second at most.
    ///
    /// # Errors
    /// It cannot be found out now: the caller goes by what it remembers itself.
    fn recall(&self, key: &[u8; 16]) -> Result<Option<Remembered>, String> {
        let _ = key;
        Ok(None)
    }

    /// Remembers what a new idempotency key stands for, at all replicas. Says what it stands for from now
    /// on, whoever was first. Blocking, for a second at most.
    ///
    /// # Errors
    /// As [`Backend::recall`].
    fn remember(&self, key: &[u8; 16], new: Remembered) -> Result<Remembered, String> {
        let _ = key;
        Ok(new)
    }

    /// The replica's own metrics in the Prometheus text format, appended to those of the HTTP layer.
    fn metrics(&self) -> String;
}

const NO_VIEWS: &str = "this replica runs no views in SQL";

const NO_ORDERS: &str = "this replica takes no orders";
const NO_FEEDS: &str = "this replica takes no feeds";

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

/// The most commands in one [`Backend::submit_batch`].
pub const BATCH_MAX: usize = 4096;
