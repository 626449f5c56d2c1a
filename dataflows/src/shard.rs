//! The ledgers of one worker's partitions, and the rows that their changes make.

use std::hint::black_box;

use flightline_ledger::order::Orders;
use flightline_ledger::{Command, Decision, FlightIx, HoldIx, Input, Ledger};

use crate::folded::Folded;
use crate::image::Image;
use crate::orders::{OrderNews, OrderShard};
use crate::rows::FeedRejectRow;
use crate::shown::Shown;
use crate::views::FlightUpdates;
use crate::watch::{Extent, HoldChange, Listener, Watch};

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
    flights_unpacked: usize,
    ledger: Ledger,
    orders: OrderShard,
    watch: Watch,
    /// By flight; a flight that is over leaves nothing, nor does one that its ledger has packed, where what
    /// was shown of it follows from its state.
    shown: Vec<Option<Box<Shown>>>,
}

impl Shard {
    /// The partitions of worker `index` of `workers`, before their first record.
    /// Their ledgers keep so many quiet flights unpacked.
    pub(crate) fn new(
        partitions: u32,
        flights_unpacked: usize,
        index: usize,
        workers: usize,
    ) -> Self {
        let own = (0..partitions).skip(index).step_by(workers);
        let make = |id| Partition::new(id, partitions, flights_unpacked);
        Self {
            first: index as u32,
            stride: workers as u32,
            partitions: own.map(make).collect(),
            touched: Vec::new(),
            spare: Image::default(),
        }
    }

    /// Goes on with a partition that was folded before. Its rows belong to the first epoch.
    pub(crate) fn resume(&mut self, folded: Folded) {
        if folded.next_offset() == 0 {
            return;
        }
        let index = self.index(folded.partition());
        self.partitions[index].resume(folded);
        self.touched.push(index as u32);
    }

    /// The ledger of a partition of this worker.
    pub(crate) fn ledger(&self, partition: u32) -> &Ledger {
        &self.partitions[self.index(partition)].ledger
    }

    /// The orders of a partition of this worker.
    pub(crate) fn orders(&self, partition: u32) -> &Orders {
        self.partitions[self.index(partition)].orders.orders()
    }

    #[inline]
    fn index(&self, partition: u32) -> usize {
        debug_assert_eq!(partition % self.stride, self.first);
        (partition / self.stride) as usize
    }

    /// Folds neighbouring records of a partition. Adds their decisions, and the rows of flights
    /// that retired, under `epoch`.
    ///
    /// # Panics
    /// When a record does not follow the one before it in its partition.
    pub(crate) fn fold(
        &mut self,
        partition: u32,
        inputs: &[Input],
        decisions: &mut Vec<Decision>,
        updates: &mut FlightUpdates,
        epoch: u64,
    ) {
        let index = self.index(partition);
        let partition = &mut self.partitions[index];
        if !partition.watch.is_touched {
            partition.watch.begin();
            self.touched.push(index as u32);
        }
        partition.fold(inputs, decisions, updates, epoch);
    }

    /// Folds the records that were folded last into the partition's orders. `first` is the index of
    /// the first of them in its batch. Takes commands about orders out of their records.
    pub(crate) fn fold_orders(
        &mut self,
        partition: u32,
        inputs: &mut [Input],
        first: u32,
        updates: &mut FlightUpdates,
        epoch: u64,
    ) -> Option<OrderNews> {
        let index = self.index(partition);
        let partition = &mut self.partitions[index];
        let about_orders = std::mem::take(&mut partition.watch.about_orders);
        let clock_ms = partition.ledger.clock_ms();
        let orders = &mut updates.orders;
        partition
            .orders
            .fold(inputs, first, about_orders, clock_ms, orders, epoch)
    }

    /// Takes the rejects out of the records that were folded last.
    pub(crate) fn take_rejects(
        &mut self,
        partition: u32,
        inputs: &mut [Input],
        rejects: &mut Vec<FeedRejectRow>,
    ) {
        let index = self.index(partition);
        for (at, at_ms) in self.partitions[index].watch.rejects.drain(..) {
            rejects.extend(reject(partition, &mut inputs[at], at_ms));
        }
    }

    /// The latest clock of the partitions that had records in the open epoch, in milliseconds.
    pub(crate) fn clock_ms(&self) -> i64 {
        let touched = self.touched.iter();
        let clocks = touched.map(|index| self.partitions[*index as usize].ledger.clock_ms());
        clocks.max().unwrap_or(i64::MIN)
    }

    /// Closes the epoch: adds what changed in it to `updates`.
    pub(crate) fn flush(&mut self, updates: &mut FlightUpdates, epoch: u64) {
        for index in self.touched.drain(..) {
            let partition = &mut self.partitions[index as usize];
            partition.flush(&mut self.spare, updates, epoch);
            partition.orders.flush(&mut updates.orders, epoch);
        }
    }
}

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

/// How many flights are warmed before they are looked at.
const WARMED: usize = 32;

impl Partition {
    fn new(id: u32, partitions: u32, flights_unpacked: usize) -> Self {
        let mut ledger = Ledger::new();
        ledger.keep_unpacked(flights_unpacked);
        Self {
            id,
            flights_unpacked,
            ledger,
            orders: OrderShard::new(id, partitions),
            watch: Watch::default(),
            shown: Vec::new(),
        }
    }

    fn resume(&mut self, folded: Folded) {
        let next_offset = folded.next_offset();
        let (ledger, orders, versions) = folded.into_parts();
        let flights = ledger.indices();
        self.watch.resume(next_offset, flights, versions);
        self.orders.resume(orders);
        self.ledger = ledger;
        self.ledger.keep_unpacked(self.flights_unpacked);
    }

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
            shown: &mut self.shown,
            decisions,
        };
        self.ledger.apply_batch(inputs, &mut listener);
        if !self.watch.retired.is_empty() {
            self.retire(updates, epoch);
        }
    }

    /// Takes back every row of the flights that the last call retired, while they can be read.
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
            let state = self.ledger.flight(flight);
            for (index, hold) in state.holds().enumerate() {
                let index = index as HoldIx;
                if let Some(row) = shown.before(self.id, key, index, &hold, self.watch.since) {
                    updates.holds.push((row, epoch, -1));
                }
            }
        }
    }

    fn flush(&mut self, spare: &mut Image, updates: &mut FlightUpdates, epoch: u64) {
        let dirty = std::mem::take(&mut self.watch.dirty);
        for flights in dirty.chunks(WARMED) {
            self.warm(flights);
            for flight in flights {
                self.look_at(*flight, spare, updates, epoch);
                self.let_go(*flight, spare);
            }
        }
        self.watch.end(dirty);
        for flight in std::mem::take(&mut self.watch.packed) {
            self.let_go(flight, spare);
        }
    }

    /// Forgets what was last shown of a flight that lies packed: it is worked out again before the flight
    /// changes.
    fn let_go(&mut self, flight: FlightIx, spare: &mut Image) {
        let Some(place) = self.shown.get_mut(flight as usize) else {
            return;
        };
        let is_packed = self.ledger.get_unpacked(flight).is_none();
        // The versions of reports are not in the flight's state.
        if !is_packed || !place.as_ref().is_some_and(|shown| shown.is_told()) {
            return;
        }
        if cfg!(debug_assertions)
            && let (Some(state), Some(shown)) = (self.ledger.get(flight), &*place)
        {
            spare.read(&state, &Image::default(), |_| None);
            assert_eq!(
                shown.image, *spare,
                "what was shown does not follow from the state"
            );
        }
        *place = None;
    }

    /// Adds what differs in a flight from what was last shown of it.
    fn look_at(
        &mut self,
        flight: FlightIx,
        spare: &mut Image,
        updates: &mut FlightUpdates,
        epoch: u64,
    ) {
        let Self {
            id,
            ledger,
            watch,
            shown,
            ..
        } = self;
        let at = flight as usize;
        let mark = std::mem::take(&mut watch.marks[at]);
        let state = ledger.get(flight).filter(|flight| !flight.is_retired());
        let Some(state) = state.as_deref() else {
            return;
        };
        if at >= shown.len() {
            shown.resize_with(at + 1, || None);
        }
        let shown = shown[at].get_or_insert_default();
        if mark.extent == Extent::Seats && shown.image.head.is_some() {
            updates.recount(&mut shown.image, state, epoch);
            debug_assert_eq!(shown.image, {
                spare.read(state, &shown.image, |_| None);
                // A stray that went leaves this set until the next full reading, which costs time
                // and nothing else.
                spare.has_strays |= shown.image.has_strays;
                spare.clone()
            });
        } else {
            let reports = &watch.reports;
            spare.read(state, &shown.image, |offset| {
                let found = reports.binary_search_by_key(&offset, |(at, _)| *at);
                found.ok().map(|index| reports[index].1)
            });
            updates.compare(&shown.image, spare, epoch);
            if shown.image.head.is_none() {
                // As large as it must be, where swapping would leave it the room of others; there may be
                // millions of flights, and most are read whole once.
                shown.image = spare.clone();
            } else {
                std::mem::swap(&mut shown.image, spare);
            }
        }
        if watch.is_whole {
            for hold in 0..state.hold_count() as HoldIx {
                let change = HoldChange {
                    hold,
                    before: None,
                    previous: 0,
                };
                shown.change(*id, state, change, watch.since, |row, diff| {
                    updates.holds.push((row, epoch, diff));
                });
            }
        }
        for change in watch.holds_of(mark) {
            shown.change(*id, state, change, watch.since, |row, diff| {
                updates.holds.push((row, epoch, diff));
            });
        }
    }

    /// Reads a little of each of these flights, one pointer further with each round. A flight lies
    /// behind several pointers, and following them for one flight after the other would wait for
    /// memory at each; the reads of one round do not depend on each other and wait together.
    fn warm(&self, flights: &[FlightIx]) {
        let shown = || {
            let shown = flights.iter().filter_map(|at| self.shown.get(*at as usize));
            shown.filter_map(|shown| shown.as_deref())
        };
        let states = || {
            let flights = flights.iter();
            flights.filter_map(|at| self.ledger.get_unpacked(*at))
        };
        let mut sum = 0;
        for shown in shown() {
            sum += shown.image.lines.len() + shown.image.offer_order.len();
        }
        for state in states() {
            sum += state.legs().len();
        }
        for shown in shown() {
            let image = &shown.image;
            sum += image.lines.first().map_or(0, |line| line.held as usize);
            sum += image.lines.last().map_or(0, |line| line.held as usize);
            sum += image.offers.first().map_or(0, |offer| offer.seats.into());
            sum += image.offers.last().map_or(0, |offer| offer.seats.into());
            sum += image.line_order.first().map_or(0, |at| *at as usize);
            sum += image.offer_order.first().map_or(0, |at| *at as usize);
        }
        for state in states() {
            sum += state.providers().count();
        }
        for state in states() {
            sum += state
                .inventory()
                .next()
                .map_or(0, |line| line.held as usize);
        }
        for flight in flights {
            let mark = self.watch.marks[*flight as usize];
            let change = self.watch.holds_of(mark).next();
            if let (Some(change), Some(state)) = (change, self.ledger.get_unpacked(*flight)) {
                sum += usize::from(state.hold(change.hold).seats);
            }
        }
        black_box(sum);
    }
}
