//! What the dataflow tells its sinks: per epoch, the row changes of every view and the offsets they
//! cover.
//!
//! Invariants, relied on by every sink and tested: within an epoch each collection is consolidated
//! (no row twice, no zero difference) and sorted, so that the same epochs give the same bytes; for
//! keyed rows an epoch holds at most one −1 and one +1 of a key; decisions and rejects are in order
//! of (partition, offset). Applying all epochs in order gives the fold of the stream up to `covers`.

use std::sync::Arc;

use flightline_ledger::{Decision, Input};

use crate::orders::OrderNews;
use crate::relational::Row;
use crate::rows::{
    CheapestRow, DecisionRow, DriftRow, FareRow, FeedRejectRow, FlightRow, HoldRow, InventoryRow,
    LegRow, LoadFactorRow, Note, OfferRow, OrderRow, OversoldRow, RouteDayRow,
};
use crate::sql::View;

/// A row that came (+1) or went (−1).
pub type Change<R> = (R, isize);

/// One record on its way into the dataflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The partition it belongs to.
    pub partition: u32,
    /// What the ledger folds.
    pub input: Input,
    /// What it does not.
    pub note: Option<Box<Note>>,
}

/// The changes of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// Number of the epoch, rising by one. The first after a start is 0 and may be a whole history:
    /// see [`Epoch::is_snapshot`].
    pub number: u64,
    /// By partition, the offset after the last record that is covered. Empty when views come and go between two
    /// epochs: then nothing else is told, under the number of the one before.
    pub covers: Vec<u64>,
    /// True for the first epoch after a start when it stands for everything before `covers` that
    /// a sink may have taken already: keyed rows come as the state then, decisions and rejects are
    /// left out.
    pub is_snapshot: bool,
    /// The stream's clock: the latest time of the records that are covered, Unix milliseconds. `None` when
    /// the epoch has no records.
    pub clock_ms: Option<i64>,
    /// Table `flight`.
    pub flights: Vec<Change<FlightRow>>,
    /// Table `leg`.
    pub legs: Vec<Change<LegRow>>,
    /// Table `inventory`.
    pub inventory: Vec<Change<InventoryRow>>,
    /// Table `hold`.
    pub holds: Vec<Change<HoldRow>>,
    /// Table `inventory_drift`.
    pub drift: Vec<Change<DriftRow>>,
    /// Fares as they were filed: no table, but a source of views in SQL.
    pub fares: Vec<Change<FareRow>>,
    /// View `offers`.
    pub offers: Vec<Change<OfferRow>>,
    /// View `availability_by_route_day`.
    pub availability_by_route_day: Vec<Change<RouteDayRow>>,
    /// View `cheapest_by_route_day`.
    pub cheapest_by_route_day: Vec<Change<CheapestRow>>,
    /// View `load_factor`.
    pub load_factor: Vec<Change<LoadFactorRow>>,
    /// View `oversold`.
    pub oversold: Vec<Change<OversoldRow>>,
    /// Tables `orders`, `order_segment`, `payment`.
    pub orders: Vec<Change<Arc<OrderRow>>>,
    /// Views in SQL: all that are live, always. Put in by [`crate::live::Views`]; before it there are none.
    pub views: Vec<ViewChanges>,
    /// Views in SQL that are over, before those of `views` that begin.
    pub ended_views: Vec<Arc<View>>,
    /// Table `decision`, append-only.
    pub decisions: Vec<DecisionRow>,
    /// Table `feed_reject`, append-only.
    pub rejects: Vec<FeedRejectRow>,
}

/// The changes of a view in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewChanges {
    /// The view.
    pub view: Arc<View>,
    /// It becomes live with this epoch, while others run: `rows` are all that it has.
    pub begins: bool,
    /// Its rows.
    pub rows: Vec<Change<Row>>,
    /// Why it has stopped, in this epoch or before: there are no rows from then on.
    pub failed: Option<Arc<ViewFailure>>,
}

/// Why a view in SQL has stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}; the row: {row}")]
pub struct ViewFailure {
    /// Its file.
    pub file: String,
    /// Line there; 0 = the file as a whole.
    pub line: u32,
    /// Column there.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// The row that it is wrong with.
    pub row: String,
}

/// Hears of decisions as soon as they are made, before their epoch closes. Called on a worker's
/// thread, in offset order for each partition: it must be quick and must not block.
pub trait DecisionSink: Send + Sync + 'static {
    /// These were decided, in this order.
    fn decided(&self, partition: u32, decisions: &[Decision]);

    /// The orders of the partition have news, from records that are about to be told to
    /// [`DecisionSink::decided`].
    fn orders(&self, partition: u32, news: &mut OrderNews) {
        let _ = (partition, news);
    }
}

/// Hears of whole epochs, in order. Called on a thread of the dataflow: it must not block for long.
pub trait EpochSink: Send + 'static {
    /// The next epoch is complete.
    fn epoch(&mut self, epoch: Arc<Epoch>);
}
