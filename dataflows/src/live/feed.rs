//! Rows of the sources, from epochs into traces that all views share.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::input::InputSession;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::TraceReader;
use differential_dataflow::trace::implementations::KeySpine;
use timely::progress::Antichain;
use timely::worker::Worker;

use super::board::{OfAll, Progress};
use super::install::Around;
use super::kept::{Size, Tally};
use crate::changelog::Epoch;
use crate::reference::Reference;
use crate::relational::render::clock::Dues;
use crate::relational::render::meter::Meter;
use crate::relational::sources::{ALL, SourceWriter, id};
use crate::relational::{Datum, Row};

/// Rows of one source, each once.
pub(super) type SourceTrace = TraceAgent<KeySpine<Row, u64, isize>>;

/// The sources of one worker: the way in for their rows, and the traces that keep them.
pub(super) struct Feed {
    inputs: Vec<InputSession<u64, Row, isize>>,
    pub(super) traces: Vec<SourceTrace>,
    clock: InputSession<u64, Row, isize>,
    pub(super) clock_trace: SourceTrace,
    /// What the clock shows, on the worker that tells it.
    shown: Option<i64>,
    /// The stream's clock, Unix milliseconds.
    pub(super) clock_ms: i64,
    writer: SourceWriter,
    /// Batches that views which are filled have not read: while there are many, no more epochs are taken.
    pub(super) lag: Rc<Cell<usize>>,
    /// The epoch that is open.
    pub(super) open: u64,
    pub(super) index: usize,
    pub(super) peers: usize,
    /// Counts what is kept, and what is kept for all views together.
    pub(super) tally: Tally,
    pub(super) shared: Arc<Size>,
    meter: Meter,
    pub(super) dues: Dues,
}

impl Feed {
    pub(super) fn new(worker: &mut Worker, reference: &Reference, of_all: &OfAll) -> Self {
        let tally = Tally::new(worker);
        let mut meter = of_all.shared.meter();
        let (mut inputs, mut traces) = (Vec::new(), Vec::new());
        let (index, peers) = (worker.index(), worker.peers());
        let mut clock = InputSession::new();
        let sources = |worker: &mut Worker| {
            worker.dataflow_named("Sources", |scope| {
                for source in &ALL {
                    let mut input = InputSession::new();
                    let rows = input.to_collection(scope);
                    traces.push(rows.arrange_by_self_named(source.name).trace);
                    inputs.push(input);
                }
                let rows = clock.to_collection(scope);
                rows.arrange_by_self_named("clock").trace
            })
        };
        let clock_trace = tally.of(worker, &of_all.shared, sources);
        // Not while the dataflow is being made: what is sent then is not counted.
        for (number, input) in inputs.iter_mut().enumerate() {
            for row in share(reference.rows(number), index, peers) {
                meter.see(row.bytes().len());
                input.insert(row.clone());
            }
        }
        Self {
            inputs,
            traces,
            clock,
            clock_trace,
            shown: None,
            clock_ms: i64::MIN,
            writer: SourceWriter::default(),
            lag: Rc::default(),
            open: 0,
            index,
            peers,
            tally,
            meter: of_all.shared.meter(),
            shared: Arc::clone(&of_all.shared),
            dues: of_all.dues.clone(),
        }
    }

    /// Takes this worker's share of an epoch, and closes it. Epochs come in order, from 0 on.
    pub(super) fn take(&mut self, epoch: &Epoch) {
        let (index, peers) = (self.index, self.peers);
        self.clock_ms = self.clock_ms.max(epoch.clock_ms.unwrap_or(i64::MIN));
        for (source, input) in self.inputs.iter_mut().enumerate() {
            if source == id::DECISIONS {
                // What is wanted of them is kept apart: see `recent`.
                continue;
            }
            let meter = &mut self.meter;
            let give = &mut |row: Row, diff| {
                meter.see(row.bytes().len());
                input.update(row, diff);
            };
            rows_of_source(source, epoch, (index, peers), &mut self.writer, give);
        }
        if self.index == 0
            && let Some(clock_ms) = epoch.clock_ms
            && self.shown.is_none_or(|shown| shown < clock_ms)
        {
            if let Some(shown) = self.shown.replace(clock_ms) {
                self.clock.update(clock_row(shown), -1);
            }
            self.clock.update(clock_row(clock_ms), 1);
        }
        self.open += 1;
        for input in self.inputs.iter_mut().chain([&mut self.clock]) {
            input.advance_to(self.open);
            input.flush();
        }
        self.compact();
    }

    /// What reading the traces now takes.
    pub(super) fn around(&self, progress: Option<&Arc<Progress>>) -> Around {
        Around {
            since: self.since(),
            lag: Rc::clone(&self.lag),
            progress: progress.cloned(),
        }
    }

    /// The oldest epoch at which the traces can be read.
    pub(super) fn since(&self) -> u64 {
        self.open.saturating_sub(1)
    }

    /// Lets the traces forget when rows came, before the last closed epoch.
    fn compact(&mut self) {
        let since = self.since();
        for trace in self.traces.iter_mut().chain([&mut self.clock_trace]) {
            forget_before(trace, since);
        }
    }
}

/// Lets a trace forget when its updates came, before `since`. What has not arrived there stays apart: who imports the
/// trace begins where it has come to.
pub(super) fn forget_before<Tr: TraceReader<Time = u64>>(trace: &mut Tr, since: u64) {
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    let until = upper
        .iter()
        .copied()
        .min()
        .map_or(since, |at| at.min(since));
    trace.set_logical_compaction(Antichain::from_elem(since).borrow());
    trace.set_physical_compaction(Antichain::from_elem(until).borrow());
}

fn clock_row(clock_ms: i64) -> Row {
    Row::of(&[Datum::Instant(clock_ms.saturating_mul(1_000))])
}

/// What one of several workers takes.
pub(super) fn share<T>(all: &[T], index: usize, peers: usize) -> &[T] {
    let at = |index: usize| all.len() * index / peers;
    &all[at(index)..at(index + 1)]
}

/// One worker's share of the changes of a source in an epoch: `(index, peers)` say which.
pub(super) fn rows_of_source(
    source: usize,
    epoch: &Epoch,
    (index, peers): (usize, usize),
    writer: &mut SourceWriter,
    give: &mut dyn FnMut(Row, isize),
) {
    macro_rules! each {
        ($rows:expr, $write:ident) => {
            for (row, diff) in share($rows, index, peers) {
                give(writer.$write(row), *diff);
            }
        };
    }
    match source {
        id::FLIGHTS => each!(&epoch.flights, flights),
        id::LEGS => each!(&epoch.legs, legs),
        id::INVENTORY => each!(&epoch.inventory, inventory),
        id::CABINS => each!(&epoch.load_factor, cabins),
        id::OFFERS => each!(&epoch.offers, offers),
        // They are there from the beginning.
        id::AIRPORTS | id::AIRLINES => {}
        id::FARES => each!(&epoch.fares, fares),
        id::HOLDS => each!(&epoch.holds, holds),
        id::DECISIONS => {
            for row in share(&epoch.decisions, index, peers) {
                give(writer.decisions(row), 1);
            }
        }
        id::PROVIDER_REPORTS => each!(&epoch.drift, provider_reports),
        id::ORDERS => each!(&epoch.orders, orders),
        // Most changes of an order leave its segments and payment as they are: the traces cancel them.
        id::ORDER_SEGMENTS => {
            for (row, diff) in share(&epoch.orders, index, peers) {
                for segment in writer.order_segments(row) {
                    give(segment, *diff);
                }
            }
        }
        id::PAYMENTS => {
            for (row, diff) in share(&epoch.orders, index, peers) {
                if let Some(payment) = writer.payments(row) {
                    give(payment, *diff);
                }
            }
        }
        other => panic!("source {other} is not fed"),
    }
}

/// All rows of a source in an epoch that has every row as coming.
pub(super) fn whole_source(source: usize, epoch: &Epoch, reference: &Reference) -> Vec<Row> {
    if Reference::has(source) {
        return reference.rows(source).to_vec();
    }
    let (mut rows, mut writer) = (Vec::new(), SourceWriter::default());
    rows_of_source(source, epoch, (0, 1), &mut writer, &mut |row, diff| {
        debug_assert_eq!(diff, 1, "a state has rows that are there");
        rows.push(row);
    });
    rows
}
