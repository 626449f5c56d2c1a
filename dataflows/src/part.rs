//! One worker's share of an epoch, on its way to the collector.

use std::collections::VecDeque;

use crate::decided::Decided;
use crate::rows::{
    CheapestRow, DriftRow, FeedRejectRow, FlightRow, HoldRow, InventoryRow, LegRow, LoadFactorRow,
    OfferRow, OversoldRow, RouteDayRow,
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
    pub(crate) offers: Chunks<OfferRow>,
    pub(crate) availability: Chunks<RouteDayRow>,
    pub(crate) cheapest: Chunks<CheapestRow>,
    pub(crate) load_factor: Chunks<LoadFactorRow>,
    pub(crate) oversold: Chunks<OversoldRow>,
    pub(crate) decisions: Vec<Decided>,
    pub(crate) rejects: Vec<Vec<FeedRejectRow>>,
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
