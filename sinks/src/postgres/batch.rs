//! Epochs merged on their way to the database, and the bytes of one transaction.
//!
//! A [`Batch`] takes whole epochs. Of a keyed row it keeps the net change: what is in the table
//! before the batch never matters, only whether it is there. Rows that are only ever appended are
//! put into their final form at once. [`Batch::seal`] gives the bytes to send.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use flightline_dataflows::changelog::{Change, Epoch, ViewChanges};
use flightline_dataflows::rows::{
    CheapestRow, DecisionRow, DriftRow, FlightRow, HoldRow, InventoryRow, LegRow, LoadFactorRow,
    OfferRow, OrderRow, OversoldRow, RouteDayRow, is_recorded,
};
use flightline_ledger::Replay;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::copy::Chunks;
use super::tables::{
    DECISION, FEED_REJECT, HoldLine, Keyed, PaymentLine, SegmentLine, Table, ViewTable,
    write_decision, write_reject,
};
use super::view_batch::{ViewNet, ViewStep};

/// Epochs that are merged until they can be written.
#[derive(Debug)]
pub(super) struct Batch {
    from: Vec<u64>,
    to: Vec<u64>,
    epochs: u64,
    flights: Net<FlightRow>,
    legs: Net<LegRow>,
    inventory: Net<InventoryRow>,
    holds: Net<HoldLine>,
    drift: Net<DriftRow>,
    offers: Net<OfferRow>,
    availability: Net<RouteDayRow>,
    cheapest: Net<CheapestRow>,
    load_factor: Net<LoadFactorRow>,
    oversold: Net<OversoldRow>,
    orders: Net<Arc<OrderRow>>,
    segments: Net<SegmentLine>,
    payments: Net<PaymentLine>,
    decisions: Append,
    rejects: Append,
    /// By their places among all views that the sink was ever given.
    views: BTreeMap<usize, ViewNet>,
    /// Views whose tables go.
    dropped: Vec<usize>,
}

#[derive(Debug, Default)]
struct Append {
    rows: u64,
    bytes: Chunks,
}

/// Net changes by key.
#[derive(Debug)]
struct Net<R: Keyed> {
    lines: HashTable<Line<R>>,
    hasher: foldhash::fast::FixedState,
}

#[derive(Debug)]
struct Line<R> {
    /// The table has the row before the batch.
    was: bool,
    /// It has it after the batch.
    is: bool,
    /// The row after the batch, or the last there was.
    row: R,
}

/// What one transaction writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Progress before and after.
    pub(super) from: Vec<u64>,
    pub(super) to: Vec<u64>,
    pub(super) epochs: u64,
    pub(super) rows: u64,
    pub(super) tables: Vec<TableWrite>,
    /// What is done to tables of views as a whole, in this order.
    pub(super) views: Vec<ViewStep>,
}

/// The writes to one table. Pieces are rows in the form of COPY, without head and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableWrite {
    /// Its place in [`super::tables::ALL`]; views come behind those.
    pub(super) table: usize,
    pub(super) inserts: Rows,
    /// For the staging table: whole rows to change, and keys to take away, each with a mark.
    pub(super) staged: Rows,
    pub(super) updates: u64,
    pub(super) deletes: u64,
}

/// Rows in their final form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) count: u64,
    pub(super) pieces: Vec<Bytes>,
}

impl Batch {
    /// An empty batch after `from`.
    pub(super) fn new(from: Vec<u64>) -> Self {
        Self {
            to: from.clone(),
            from,
            epochs: 0,
            flights: Net::default(),
            legs: Net::default(),
            inventory: Net::default(),
            holds: Net::default(),
            drift: Net::default(),
            offers: Net::default(),
            availability: Net::default(),
            cheapest: Net::default(),
            load_factor: Net::default(),
            oversold: Net::default(),
            orders: Net::default(),
            segments: Net::default(),
            payments: Net::default(),
            decisions: Append::default(),
            rejects: Append::default(),
            views: BTreeMap::new(),
            dropped: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.epochs == 0
    }

    /// Progress once it is written.
    pub(super) fn to(&self) -> &[u64] {
        &self.to
    }

    /// Rows to write, near enough.
    pub(super) fn rows(&self) -> u64 {
        let views: usize = self.views.values().map(ViewNet::rows).sum();
        self.decisions.rows + self.rejects.rows + (views + self.keyed(|len, _| len)) as u64
    }

    /// Memory taken, near enough: rows and their places in the tables of keys.
    pub(super) fn bytes(&self) -> usize {
        let keyed = self.keyed(|len, size| len * size);
        let views: usize = self.views.values().map(ViewNet::bytes).sum();
        views + keyed + self.decisions.bytes.len() + self.rejects.bytes.len()
    }

    fn keyed(&self, sum: impl Fn(usize, usize) -> usize) -> usize {
        fn of<R: Keyed>(net: &Net<R>, sum: &impl Fn(usize, usize) -> usize) -> usize {
            // Tables of keys are between seven sixteenths and seven eighths full.
            sum(net.lines.len(), size_of::<Line<R>>() * 3 / 2)
        }
        of(&self.flights, &sum)
            + of(&self.legs, &sum)
            + of(&self.inventory, &sum)
            + of(&self.holds, &sum)
            + of(&self.drift, &sum)
            + of(&self.offers, &sum)
            + of(&self.availability, &sum)
            + of(&self.cheapest, &sum)
            + of(&self.load_factor, &sum)
            + of(&self.oversold, &sum)
            + of(&self.orders, &sum)
            + of(&self.segments, &sum)
            + of(&self.payments, &sum)
    }

    /// Takes the next epoch.
    ///
    /// # Panics
    /// When its rows do not fit those of the epochs before: the changelog is broken.
    pub(super) fn absorb(&mut self, epoch: &Epoch) {
        assert_eq!(
            epoch.covers.len(),
            self.to.len(),
            "epoch {} covers another number of partitions than sink_progress",
            epoch.number
        );
        for (at, (before, after)) in self.to.iter().zip(&epoch.covers).enumerate() {
            assert!(
                before <= after,
                "epoch {} takes partition {at} back from {before} to {after}",
                epoch.number
            );
        }
        self.to.clone_from(&epoch.covers);
        self.epochs += 1;
        self.flights.absorb(&epoch.flights);
        self.legs.absorb(&epoch.legs);
        self.inventory.absorb(&epoch.inventory);
        self.absorb_holds(epoch);
        self.drift.absorb(&epoch.drift);
        self.offers.absorb(&epoch.offers);
        self.availability.absorb(&epoch.availability_by_route_day);
        self.cheapest.absorb(&epoch.cheapest_by_route_day);
        self.load_factor.absorb(&epoch.load_factor);
        self.oversold.absorb(&epoch.oversold);
        self.absorb_orders(&epoch.orders);
        let recorded = epoch.decisions.iter();
        for line in recorded.filter(|line| is_recorded(line.decision.kind)) {
            self.decisions.rows += 1;
            let bytes = &mut self.decisions.bytes;
            bytes.row(DECISION.columns.len(), |row| write_decision(line, row));
        }
        for line in &epoch.rejects {
            self.rejects.rows += 1;
            let bytes = &mut self.rejects.bytes;
            bytes.row(FEED_REJECT.columns.len(), |row| write_reject(line, row));
        }
    }

    /// Takes the changes of a view, which is at `place`. `fills`: they are all its rows, and its table is to be made.
    /// `failed_before`: it is known to have failed.
    pub(super) fn absorb_view(
        &mut self,
        place: usize,
        table: &ViewTable,
        changes: &ViewChanges,
        fills: bool,
        failed_before: bool,
    ) {
        let net = self.views.entry(place);
        let net = net.or_insert_with(|| ViewNet::new(table.clone()));
        net.absorb(changes, fills, failed_before);
    }

    /// What came for the table of a view does not matter any more: another is made in its place.
    pub(super) fn forget_view(&mut self, place: usize) {
        self.views.remove(&place);
    }

    /// A view is over: its table goes.
    pub(super) fn end_view(&mut self, place: usize) {
        self.views.remove(&place);
        self.dropped.push(place);
    }

    /// Counts an epoch of which only the views were taken.
    pub(super) fn count_epoch(&mut self) {
        self.epochs += 1;
    }

    /// One row of the changelog is one of `orders`, some of `order_segment` and perhaps one of
    /// `payment`. Rows are sorted by their order first, so its old and new row stand together.
    fn absorb_orders(&mut self, changes: &[Change<Arc<OrderRow>>]) {
        let mut rest = changes;
        while let Some((old, new, tail)) = next_pair(rest, |row| row.order) {
            rest = tail;
            self.orders.change(old, new);
            let segments = |row: Option<&Arc<OrderRow>>| -> Vec<SegmentLine> {
                row.map(|row| SegmentLine::all(row).collect())
                    .unwrap_or_default()
            };
            self.segments.changes(&segments(old), &segments(new));
            let payment = |row: Option<&Arc<OrderRow>>| -> Vec<PaymentLine> {
                row.and_then(|row| PaymentLine::of(row))
                    .into_iter()
                    .collect()
            };
            self.payments.changes(&payment(old), &payment(new));
        }
    }

    /// A hold's id is told by the decision that made it, in the same epoch.
    fn absorb_holds(&mut self, epoch: &Epoch) {
        let mut decisions = epoch.decisions.iter().peekable();
        let line = |row: &HoldRow, id| HoldLine {
            row: row.clone(),
            id,
        };
        let mut changes = &epoch.holds[..];
        while let Some((old, new, rest)) = next_pair(changes, |row| (row.partition, row.offset)) {
            changes = rest;
            let old = old.map(|row| line(row, None));
            let new = new.map(|row| {
                let key = (row.partition, row.offset);
                // Both are in the order of (partition, offset).
                let before = |line: &&DecisionRow| (line.partition, line.decision.offset) < key;
                while decisions.next_if(before).is_some() {}
                let made = decisions.peek().filter(|line| {
                    (line.partition, line.decision.offset) == key
                        && line.decision.outcome.makes_hold()
                        && line.decision.replay == Replay::First
                });
                let id = made.and_then(|line| line.ref_text()).map(Box::from);
                line(row, id)
            });
            self.holds.change(old.as_ref(), new.as_ref());
        }
    }

    /// The bytes to write. Rows are in the order of their keys, so that the same epochs give the
    /// same bytes and the database finds its pages one after the other.
    pub(super) fn seal(self) -> Sealed {
        let mut tables = Vec::new();
        self.flights.seal(0, &mut tables);
        self.legs.seal(1, &mut tables);
        self.inventory.seal(2, &mut tables);
        self.holds.seal(3, &mut tables);
        self.drift.seal(4, &mut tables);
        self.offers.seal(5, &mut tables);
        self.availability.seal(6, &mut tables);
        self.cheapest.seal(7, &mut tables);
        self.load_factor.seal(8, &mut tables);
        self.oversold.seal(9, &mut tables);
        self.orders.seal(10, &mut tables);
        self.segments.seal(11, &mut tables);
        self.payments.seal(12, &mut tables);
        self.decisions.seal(13, &mut tables);
        self.rejects.seal(14, &mut tables);
        let drops = self
            .dropped
            .iter()
            .map(|view| ViewStep::Drop { view: *view });
        let mut views: Vec<ViewStep> = drops.collect();
        for (place, view) in self.views {
            view.seal(place, &mut views, &mut tables);
        }
        let filled = views.iter().map(|step| match step {
            ViewStep::Fill { rows, .. } => rows.count,
            _ => 0,
        });
        Sealed {
            from: self.from,
            to: self.to,
            epochs: self.epochs,
            rows: filled
                .chain(tables.iter().map(|t| t.inserts.count + t.staged.count))
                .sum(),
            tables,
            views,
        }
    }
}

impl Sealed {
    /// Memory taken.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.tables.iter().flat_map(|t| [&t.inserts, &t.staged]);
        let filled = self.views.iter().filter_map(|step| match step {
            ViewStep::Fill { rows, .. } => Some(rows),
            _ => None,
        });
        rows.chain(filled)
            .flat_map(|rows| &rows.pieces)
            .map(Bytes::len)
            .sum()
    }
}

/// A key's old and new row, and the changes after them.
type Pair<'a, R> = (Option<&'a R>, Option<&'a R>, &'a [Change<R>]);

/// Takes the changes of the next key. Rows are sorted, mostly by their keys: the changes of a key
/// nearly always stand side by side. Where they do not, they are taken one by one.
fn next_pair<R, K: PartialEq>(changes: &[Change<R>], key: impl Fn(&R) -> K) -> Option<Pair<'_, R>> {
    let ((first, diff), rest) = changes.split_first()?;
    let partner = rest
        .split_first()
        .filter(|((row, other), _)| *other == -*diff && key(row) == key(first));
    Some(match (diff, partner) {
        (-1, Some(((new, _), rest))) => (Some(first), Some(new), rest),
        (1, Some(((old, _), rest))) => (Some(old), Some(first), rest),
        (-1, None) => (Some(first), None, rest),
        (1, None) => (None, Some(first), rest),
        _ => panic!("an epoch changes a row by {diff}"),
    })
}

impl<R: Keyed> Default for Net<R> {
    fn default() -> Self {
        Self {
            lines: HashTable::new(),
            hasher: foldhash::fast::FixedState::with_seed(0x6261_7463_6865),
        }
    }
}

impl<R: Keyed> Net<R> {
    fn absorb(&mut self, changes: &[Change<R>]) {
        // Within an epoch a key's new row may come before its old one, with others between them: what
        // comes without its partner beside it waits for what goes.
        let mut alone = Vec::new();
        let mut rest = changes;
        while let Some((old, new, tail)) = next_pair(rest, R::key) {
            rest = tail;
            if old.is_none() {
                alone.extend(new);
            } else {
                self.change(old, new);
            }
        }
        for new in alone {
            self.change(None, Some(new));
        }
    }

    /// Few lines go and come, sorted by their keys; those that stay as they are, stay.
    fn changes(&mut self, old: &[R], new: &[R]) {
        let partner = |line: &R, lines: &[R]| -> Option<usize> {
            lines.iter().position(|other| other.key() == line.key())
        };
        for line in old.iter().filter(|line| partner(line, new).is_none()) {
            self.change(Some(line), None);
        }
        for line in new {
            let before = partner(line, old).map(|at| &old[at]);
            if before != Some(line) {
                self.change(before, Some(line));
            }
        }
    }

    fn hash(hasher: &foldhash::fast::FixedState, key: &R::Key) -> u64 {
        let mut hasher = hasher.build_hasher();
        R::hash(key, &mut hasher);
        hasher.finish()
    }

    /// A row goes, comes, or is replaced by another of the same key.
    fn change(&mut self, old: Option<&R>, new: Option<&R>) {
        let table = R::TABLE.name;
        let Some(row) = new.or(old) else {
            return;
        };
        let key = row.key();
        let hash = Self::hash(&self.hasher, &key);
        let place = self.lines.entry(
            hash,
            |line| line.row.key() == key,
            |line| Self::hash(&self.hasher, &line.row.key()),
        );
        match place {
            Entry::Vacant(place) => {
                place.insert(Line {
                    was: old.is_some(),
                    is: new.is_some(),
                    row: row.clone(),
                });
            }
            Entry::Occupied(mut place) => {
                let line = place.get_mut();
                match old {
                    Some(old) => assert!(
                        line.is && line.row.is(old),
                        "{table}: {old:?} goes, but {:?} is there",
                        line.is.then_some(&line.row)
                    ),
                    None => assert!(
                        !line.is,
                        "{table}: {row:?} comes, but {:?} is there already",
                        line.row
                    ),
                }
                line.is = new.is_some();
                if let Some(new) = new {
                    line.row.become_row(new);
                }
            }
        }
    }

    fn seal(self, table: usize, out: &mut Vec<TableWrite>) {
        let columns = R::TABLE.columns.len();
        let mut lines: Vec<(R::Key, Line<R>)> = self
            .lines
            .into_iter()
            .map(|line| (line.row.key(), line))
            .collect();
        lines.sort_unstable_by_key(|(key, _)| *key);
        let (mut inserts, mut staged) = (Append::default(), Append::default());
        let (mut updates, mut deletes) = (0, 0);
        for (key, Line { was, is, row: now }) in lines {
            match (was, is) {
                (false, false) => {}
                (false, true) => {
                    inserts.rows += 1;
                    inserts.bytes.row(columns, |row| {
                        R::write_key(&key, row);
                        now.write_rest(row);
                    });
                }
                (true, true) => {
                    updates += 1;
                    staged.bytes.row(columns + 1, |row| {
                        row.bool(false);
                        R::write_key(&key, row);
                        now.write_rest(row);
                    });
                }
                (true, false) => {
                    deletes += 1;
                    staged.bytes.row(columns + 1, |row| {
                        row.bool(true);
                        R::write_key(&key, row);
                        (R::TABLE.key..columns).for_each(|_| row.null());
                    });
                }
            }
        }
        staged.rows = updates + deletes;
        push(out, table, R::TABLE, inserts, staged, (updates, deletes));
    }
}

impl Append {
    fn seal(self, table: usize, out: &mut Vec<TableWrite>) {
        let spec = super::tables::ALL[table];
        push(out, table, spec, self, Append::default(), (0, 0));
    }
}

fn push(
    out: &mut Vec<TableWrite>,
    table: usize,
    spec: &'static Table,
    inserts: Append,
    staged: Append,
    (updates, deletes): (u64, u64),
) {
    assert!(
        std::ptr::eq(super::tables::ALL[table], spec),
        "{} is not table {table}",
        spec.name
    );
    if inserts.rows + staged.rows == 0 {
        return;
    }
    let rows = |append: Append| Rows {
        count: append.rows,
        pieces: append.bytes.into_pieces(),
    };
    out.push(TableWrite {
        table,
        inserts: rows(inserts),
        staged: rows(staged),
        updates,
        deletes,
    });
}
