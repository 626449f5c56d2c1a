//! The ledgers of one worker's partitions, and what has changed in them since rows last went out.

use flightline_ledger::command::SourceVersion;
use flightline_ledger::view::{HoldState, HoldView};
use flightline_ledger::{
    Command, Decision, FlightCommand, FlightIx, FlightKey, HoldIx, Input, Ledger, Observer,
};

use crate::batch::Batch;
use crate::decided::Decided;
use crate::image::Image;
use crate::rows::{FeedRejectRow, HoldRow};
use crate::views::{FlightUpdates, hold};

/// Partition `p` lives on worker `p % stride`, at index `p / stride` there.
pub(crate) struct Shard {
    first: u32,
    stride: u32,
    partitions: Vec<Partition>,
    /// Indices of the partitions that had a record in the open epoch.
    touched: Vec<u32>,
    /// Memory for the image of the flight that is being looked at.
    spare: Image,
}

struct Partition {
    id: u32,
    ledger: Ledger,
    watch: Watch,
    /// By flight; a flight that is over leaves nothing.
    shown: Vec<Option<Box<Shown>>>,
}

/// What changed in a partition's ledger in the open epoch.
#[derive(Default)]
struct Watch {
    is_touched: bool,
    next_offset: u64,
    /// Offset of the first record of the partition in the epoch.
    since: u64,
    dirty: Vec<FlightIx>,
    /// By flight: it is on the dirty list.
    marks: Vec<bool>,
    /// Every change of a hold, with the state before.
    holds: Vec<(FlightIx, HoldIx, Option<HoldState>)>,
    retired: Vec<(FlightIx, FlightKey)>,
    /// Offset and version of what providers reported.
    reports: Vec<(u64, SourceVersion)>,
    /// Rejects in the run at hand: place in it, and the clock.
    rejects: Vec<(usize, i64)>,
}

/// What the rows of a flight last said.
#[derive(Default)]
struct Shown {
    image: Image,
    /// Holds last shown as confirmed, and where they became so. It is the one state that a hold
    /// can be in, having changed, and still change from: the row it had is gone from the ledger
    /// then. All other rows that went can be told from the hold as it is.
    confirmed: Vec<Confirmed>,
}

#[derive(Clone, Copy)]
struct Confirmed {
    hold: HoldIx,
    offset: u64,
    at_ms: i64,
}

/// Hears one run of records folded.
struct Listener<'a> {
    partition: u32,
    /// Offset of the first record of the run.
    first: u64,
    watch: &'a mut Watch,
    decisions: &'a mut Vec<Decision>,
}

impl Observer for Listener<'_> {
    #[inline]
    fn decided(&mut self, input: &Input, decision: &Decision) {
        let watch = &mut *self.watch;
        assert_eq!(
            input.offset, watch.next_offset,
            "partition {}: record {} came where record {} was due: the stream has a hole or a double",
            self.partition, input.offset, watch.next_offset
        );
        watch.next_offset += 1;
        match &input.command {
            Command::Flight(_, FlightCommand::Provider(event)) => {
                watch.reports.push((input.offset, event.version));
            }
            Command::FeedReject(_) => {
                let at = (input.offset - self.first) as usize;
                watch.rejects.push((at, decision.at_ms));
            }
            _ => {}
        }
        self.decisions.push(*decision);
    }

    #[inline]
    fn flight_changed(&mut self, flight: FlightIx) {
        let watch = &mut *self.watch;
        let at = flight as usize;
        if at >= watch.marks.len() {
            watch.marks.resize(at + 1, false);
        }
        if !watch.marks[at] {
            watch.marks[at] = true;
            watch.dirty.push(flight);
        }
    }

    #[inline]
    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        self.watch.holds.push((flight, hold, before));
    }

    fn flight_retired(&mut self, flight: FlightIx, key: FlightKey) {
        self.watch.retired.push((flight, key));
    }
}

impl Shard {
    /// The partitions of worker `index` of `workers`, before their first record.
    pub(crate) fn new(partitions: u32, index: usize, workers: usize) -> Self {
        let partitions = (0..partitions).skip(index).step_by(workers);
        Self {
            first: index as u32,
            stride: workers as u32,
            partitions: partitions.map(Partition::new).collect(),
            touched: Vec::new(),
            spare: Image::default(),
        }
    }

    /// The ledger of a partition of this worker.
    pub(crate) fn ledger(&self, partition: u32) -> &Ledger {
        &self.partitions[self.index(partition)].ledger
    }

    #[inline]
    fn index(&self, partition: u32) -> usize {
        debug_assert_eq!(partition % self.stride, self.first);
        (partition / self.stride) as usize
    }

    /// Folds a batch in its order.
    ///
    /// # Panics
    /// When a record does not follow the one before it in its partition.
    pub(crate) fn fold(
        &mut self,
        batch: Batch,
        rejects: &mut Vec<FeedRejectRow>,
        updates: &mut FlightUpdates,
        epoch: u64,
    ) -> Decided {
        let Batch {
            runs,
            mut inputs,
            notes,
        } = batch;
        let mut decisions = Vec::with_capacity(inputs.len());
        let mut rest = &mut inputs[..];
        for run in &runs {
            let (these, later) = rest.split_at_mut(run.len as usize);
            rest = later;
            let index = self.index(run.partition);
            let partition = &mut self.partitions[index];
            if !partition.watch.is_touched {
                partition.watch.is_touched = true;
                partition.watch.since = partition.watch.next_offset;
                self.touched.push(index as u32);
            }
            partition.fold(these, &mut decisions, updates, epoch);
            for (at, at_ms) in partition.watch.rejects.drain(..) {
                rejects.extend(reject(run.partition, &mut these[at], at_ms));
            }
        }
        Decided {
            runs,
            decisions,
            notes,
        }
    }

    /// Closes the epoch: adds what changed in it to `updates`.
    pub(crate) fn flush(&mut self, updates: &mut FlightUpdates, epoch: u64) {
        for index in self.touched.drain(..) {
            self.partitions[index as usize].flush(&mut self.spare, updates, epoch);
        }
    }
}

/// Takes the reject out of its record.
fn reject(partition: u32, input: &mut Input, at_ms: i64) -> Option<FeedRejectRow> {
    let command = std::mem::replace(&mut input.command, Command::Fence);
    let Command::FeedReject(reject) = command else {
        return None;
    };
    Some(FeedRejectRow {
        partition,
        offset: input.offset,
        at_ms,
        provider: reject.provider,
        message: reject.message.into(),
        line: reject.line,
        code: reject.code.into(),
        reason: reject.reason.into(),
        raw: reject.raw.into(),
    })
}

impl Partition {
    fn new(id: u32) -> Self {
        Self {
            id,
            ledger: Ledger::new(),
            watch: Watch::default(),
            shown: Vec::new(),
        }
    }

    /// Folds neighbouring records.
    fn fold(
        &mut self,
        inputs: &[Input],
        decisions: &mut Vec<Decision>,
        updates: &mut FlightUpdates,
        epoch: u64,
    ) {
        let mut listener = Listener {
            partition: self.id,
            first: self.watch.next_offset,
            watch: &mut self.watch,
            decisions,
        };
        self.ledger.apply_batch(inputs, &mut listener);
        if !self.watch.retired.is_empty() {
            self.retire(updates, epoch);
        }
    }

    /// Takes back every row of the flights that the last record retired, while they can be read.
    #[cold]
    fn retire(&mut self, updates: &mut FlightUpdates, epoch: u64) {
        for (flight, key) in std::mem::take(&mut self.watch.retired) {
            let Some(shown) = self.shown.get_mut(flight as usize).and_then(Option::take) else {
                // It came and went within the epoch.
                continue;
            };
            let gone = Image {
                key,
                ..Image::default()
            };
            updates.compare(&shown.image, &gone, epoch);
            if let Some(state) = self.ledger.get(flight) {
                for (index, hold) in state.holds().enumerate() {
                    let row = row_before(
                        self.id,
                        key,
                        index as HoldIx,
                        &hold,
                        &shown,
                        self.watch.since,
                    );
                    if let Some(row) = row {
                        updates.holds.push((row, epoch, -1));
                    }
                }
            }
        }
    }

    fn flush(&mut self, spare: &mut Image, updates: &mut FlightUpdates, epoch: u64) {
        let Self {
            id,
            ledger,
            watch,
            shown,
            ..
        } = self;
        watch.is_touched = false;
        for flight in watch.dirty.drain(..) {
            let at = flight as usize;
            watch.marks[at] = false;
            let Some(state) = ledger.get(flight).filter(|flight| !flight.is_retired()) else {
                continue;
            };
            if at >= shown.len() {
                shown.resize_with(at + 1, || None);
            }
            let shown = shown[at].get_or_insert_default();
            let reports = &watch.reports;
            spare.read(state, &shown.image, |offset| {
                let found = reports.binary_search_by_key(&offset, |(at, _)| *at);
                found.ok().map(|index| reports[index].1)
            });
            updates.compare(&shown.image, spare, epoch);
            std::mem::swap(&mut shown.image, spare);
        }
        for (flight, index, before) in watch.holds.drain(..) {
            let Some(state) = ledger.get(flight).filter(|flight| !flight.is_retired()) else {
                continue;
            };
            let Some(shown) = shown.get_mut(flight as usize).and_then(Option::as_mut) else {
                unreachable!("a flight whose holds changed was not told to have changed");
            };
            let hold = state.hold(index);
            // Of several changes of one hold in an epoch, the first is taken.
            let is_first = match before {
                None => true,
                Some(_) if hold.offset >= watch.since => false,
                Some(HoldState::Confirmed) => shown.confirmed.iter().any(|c| c.hold == index),
                Some(_) => true,
            };
            if !is_first {
                continue;
            }
            let key = state.key();
            if let Some(row) = row_before(*id, key, index, &hold, shown, watch.since) {
                updates.holds.push((row, epoch, -1));
            }
            updates.holds.push((hold::row(*id, key, &hold), epoch, 1));
            if before == Some(HoldState::Confirmed) {
                shown.confirmed.retain(|c| c.hold != index);
            }
            if hold.state == HoldState::Confirmed {
                shown.confirmed.push(Confirmed {
                    hold: index,
                    offset: hold.changed_offset,
                    at_ms: hold.changed_at_ms,
                });
            }
        }
        watch.reports.clear();
    }
}

/// The row that a hold had before the records from `since` on, told from what it is now.
fn row_before(
    partition: u32,
    flight: FlightKey,
    index: HoldIx,
    hold: &HoldView,
    shown: &Shown,
    since: u64,
) -> Option<HoldRow> {
    if hold.offset >= since {
        return None;
    }
    let mut before = *hold;
    if hold.changed_offset >= since {
        match shown.confirmed.iter().find(|c| c.hold == index) {
            Some(confirmed) => {
                before.state = HoldState::Confirmed;
                before.changed_offset = confirmed.offset;
                before.changed_at_ms = confirmed.at_ms;
            }
            None => {
                before.state = HoldState::Held;
                before.changed_offset = hold.offset;
                before.changed_at_ms = hold.created_at_ms;
            }
        }
    }
    Some(hold::row(partition, flight, &before))
}
