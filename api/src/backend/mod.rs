//! What the HTTP layer needs of a replica. The runtime implements it; nothing here knows how.

mod access;
mod commands;
mod feeds;
mod history;
mod views;
mod webhooks;

use std::sync::Arc;

pub use access::{Authenticator, Caller, Readiness, Role};
pub use commands::{
    Answer, BATCH_MAX, HoldNow, OrderAnswer, OrderSubmit, Remembered, Settled, Submit, SubmitError,
};
pub use feeds::{
    Cause, FeedError, FeedRejection, FeedReport, MissingMessages, ProviderDay, ProviderStatus,
    ReconcileRow, Reconciliation, SaleState, SourceStatus,
};
use flightline_ledger::order::OrderId;
use flightline_ledger::{CommandId, Date, FlightKey, ProviderCode};
use flightline_sinks::followed::ViewFollowers;
use flightline_sinks::serving::Serving;
pub use history::{FlightStep, HistoryEntry, OrderExplanation, OrderStep, PartitionDigest};
use tokio::sync::oneshot;
pub use views::{
    Backfill, BackfillUnit, ViewChange, ViewFault, ViewFileLine, ViewFolder, ViewLine, ViewSize,
};
pub use webhooks::{
    NoticeFault, PageArgs, WebhookAnswer, WebhookCall, WebhookFault, WebhookFilter,
};

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
