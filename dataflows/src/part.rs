//! One worker's share of an epoch, on its way to the collector.

use std::collections::VecDeque;
use std::sync::Arc;

use flightline_ledger::Decision;

use crate::decided::Decided;
use crate::rows::{
    CheapestRow, DriftRow, FareRow, FeedRejectRow, FlightRow, HoldRow, InventoryRow, LegRow,
    LoadFactorRow, OfferRow, OrderRow, OversoldRow, RouteDayRow,
};

/// Updates of a differential collection as timely carries them: row, epoch, difference.
pub(crate) type Updates<R> = Vec<(R, u64, isize)>;

/// Containers of updates, moved as they came out of the dataflow.
pub(crate) type Chunks<R> = Vec<Updates<R>>;

/// What one worker has to say about one epoch.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) flights: Chunks<FlightRow>,
    pub(crate) legs: Chunks<LegRow>,
    pub(crate) inventory: Chunks<InventoryRow>,
    pub(crate) holds: Chunks<HoldRow>,
    pub(crate) drift: Chunks<DriftRow>,
    pub(crate) fares: Chunks<FareRow>,
    pub(crate) offers: Chunks<OfferRow>,
    pub(crate) availability: Chunks<RouteDayRow>,
    pub(crate) cheapest: Chunks<CheapestRow>,
    pub(crate) load_factor: Chunks<LoadFactorRow>,
    pub(crate) oversold: Chunks<OversoldRow>,
    pub(crate) orders: Chunks<Arc<OrderRow>>,
    pub(crate) decisions: Vec<Decided>,
    pub(crate) rejects: Vec<Vec<FeedRejectRow>>,
    /// The latest time of its records, Unix milliseconds.
    pub(crate) clock_ms: Option<i64>,
}

/// Buffers kept of a kind, and the most elements that a kept one may have room for: enough for the
/// epochs of a running system, not for a whole history.
const KEPT_MAX: usize = 4;
const KEPT_CAPACITY_MAX: usize = 1 << 16;

fn keep<T>(kept: &mut Vec<Vec<T>>, emptied: Vec<Vec<T>>) {
    for buffer in emptied {
        let fits = buffer.is_empty() && (1..=KEPT_CAPACITY_MAX).contains(&buffer.capacity());
        if fits && kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    }
}

/// Emptied buffers that came back from the collector, to be filled again: memory that is fresh from
/// the system costs more than what is written to it.
#[derive(Default)]
pub(crate) struct Spares {
    pub(crate) flights: Chunks<FlightRow>,
    pub(crate) legs: Chunks<LegRow>,
    pub(crate) inventory: Chunks<InventoryRow>,
    pub(crate) holds: Chunks<HoldRow>,
    pub(crate) drift: Chunks<DriftRow>,
    pub(crate) offers: Chunks<OfferRow>,
    pub(crate) load_factor: Chunks<LoadFactorRow>,
    pub(crate) oversold: Chunks<OversoldRow>,
    pub(crate) decisions: Vec<Vec<Decision>>,
}

impl Spares {
    /// Takes the buffers of a part whose rows have been taken.
    pub(crate) fn take(&mut self, emptied: Part) {
        keep(&mut self.flights, emptied.flights);
        keep(&mut self.legs, emptied.legs);
        keep(&mut self.inventory, emptied.inventory);
        keep(&mut self.holds, emptied.holds);
        keep(&mut self.drift, emptied.drift);
        keep(&mut self.offers, emptied.offers);
        keep(&mut self.load_factor, emptied.load_factor);
        keep(&mut self.oversold, emptied.oversold);
        let decided = emptied.decisions.into_iter();
        keep(
            &mut self.decisions,
            decided.map(|decided| decided.decisions).collect(),
        );
    }
}

/// The parts of epochs that are not complete on this worker, from the oldest on.
#[derive(Default)]
pub(crate) struct Parts {
    first: u64,
    parts: VecDeque<Part>,
}

impl Parts {
    /// The part of an epoch that has not been taken.
    pub(crate) fn at(&mut self, epoch: u64) -> &mut Part {
        assert!(
            epoch >= self.first,
            "rows of epoch {epoch} came out after it was complete (next is {})",
            self.first
        );
        let index = (epoch - self.first) as usize;
        while self.parts.len() <= index {
            self.parts.push_back(Part::default());
        }
        &mut self.parts[index]
    }

    /// The oldest part, if its epoch is before `frontier`.
    pub(crate) fn take_before(&mut self, frontier: u64) -> Option<(u64, Part)> {
        (self.first < frontier).then(|| {
            let epoch = self.first;
            self.first += 1;
            (epoch, self.parts.pop_front().unwrap_or_default())
        })
    }
}
