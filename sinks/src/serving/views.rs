//! The views by name, and their rows as they are now.

use std::collections::HashMap;
use std::hash::Hash;

use flightline_dataflows::changelog::{Change, Epoch};
use flightline_dataflows::rows::{
    CheapestRow, DriftRow, FlightRow, InventoryRow, LegRow, LoadFactorRow, OfferRow, OversoldRow,
    RouteDayRow,
};

use super::Serving;
use super::changes::Since;

/// A view whose changes can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// `flight`
    Flight,
    /// `leg`
    Leg,
    /// `inventory`
    Inventory,
    /// `hold`
    Hold,
    /// `inventory_drift`
    InventoryDrift,
    /// `offers`
    Offers,
    /// `availability_by_route_day`
    AvailabilityByRouteDay,
    /// `cheapest_by_route_day`
    CheapestByRouteDay,
    /// `load_factor`
    LoadFactor,
    /// `oversold`
    Oversold,
    /// `decision`
    Decision,
    /// `feed_reject`
    FeedReject,
}

impl View {
    /// Every view.
    pub const ALL: [View; 12] = [
        View::Flight,
        View::Leg,
        View::Inventory,
        View::Hold,
        View::InventoryDrift,
        View::Offers,
        View::AvailabilityByRouteDay,
        View::CheapestByRouteDay,
        View::LoadFactor,
        View::Oversold,
        View::Decision,
        View::FeedReject,
    ];

    /// The stable name, that of its table.
    pub const fn name(self) -> &'static str {
        match self {
            View::Flight => "flight",
            View::Leg => "leg",
            View::Inventory => "inventory",
            View::Hold => "hold",
            View::InventoryDrift => "inventory_drift",
            View::Offers => "offers",
            View::AvailabilityByRouteDay => "availability_by_route_day",
            View::CheapestByRouteDay => "cheapest_by_route_day",
            View::LoadFactor => "load_factor",
            View::Oversold => "oversold",
            View::Decision => "decision",
            View::FeedReject => "feed_reject",
        }
    }

    /// The view of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }

    /// Whether the index keeps the view's rows. The others (`hold`, `decision`, `feed_reject`) grow
    /// with history and are read from PostgreSQL: a reader without a place gets what comes from now
    /// on, and is told so by a reset without rows.
    pub const fn has_snapshot(self) -> bool {
        !matches!(self, View::Hold | View::Decision | View::FeedReject)
    }
}

/// Rows of one view, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewRows {
    /// `flight`
    Flight(Vec<FlightRow>),
    /// `leg`
    Leg(Vec<LegRow>),
    /// `inventory`
    Inventory(Vec<InventoryRow>),
    /// `inventory_drift`
    InventoryDrift(Vec<DriftRow>),
    /// `offers`
    Offers(Vec<OfferRow>),
    /// `availability_by_route_day`
    AvailabilityByRouteDay(Vec<RouteDayRow>),
    /// `cheapest_by_route_day`
    CheapestByRouteDay(Vec<CheapestRow>),
    /// `load_factor`
    LoadFactor(Vec<LoadFactorRow>),
    /// `oversold`
    Oversold(Vec<OversoldRow>),
    /// A view whose rows are not kept here.
    NotKept,
}

/// A view as it was between two epochs.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The first epoch that is not in it.
    pub next_epoch: u64,
    /// The rows.
    pub rows: ViewRows,
}

impl Serving {
    /// All rows of a view after one epoch. Takes time and memory in proportion to them (100 ms and
    /// 100 MB for a million offers): call it off the async threads. Epochs go on meanwhile.
    pub fn snapshot(&self, view: View) -> Snapshot {
        let (next_epoch, rows) = match view {
            View::Flight => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.flights.each(|e| out.extend_from_slice(&e.flight)),
                    |epoch| &epoch.flights,
                    |row| row.flight,
                );
                (n, ViewRows::Flight(rows))
            }
            View::Leg => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.flights.each(|e| out.extend_from_slice(&e.legs)),
                    |epoch| &epoch.legs,
                    |row| (row.flight, row.leg_no),
                );
                (n, ViewRows::Leg(rows))
            }
            View::Inventory => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.flights.each(|e| out.extend_from_slice(&e.inventory)),
                    |epoch| &epoch.inventory,
                    |row| (row.flight, row.provider, row.leg_no, row.cabin, row.class),
                );
                (n, ViewRows::Inventory(rows))
            }
            View::InventoryDrift => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.flights.each(|e| out.extend_from_slice(&e.drift)),
                    |epoch| &epoch.drift,
                    |row| (row.flight, row.provider, row.leg_no, row.cabin, row.class),
                );
                (n, ViewRows::InventoryDrift(rows))
            }
            View::LoadFactor => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.flights.each(|e| out.extend_from_slice(&e.load_factor)),
                    |epoch| &epoch.load_factor,
                    |row| (row.flight, row.leg_no, row.cabin),
                );
                (n, ViewRows::LoadFactor(rows))
            }
            View::Oversold => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.flights.each(|e| out.extend_from_slice(&e.oversold)),
                    |epoch| &epoch.oversold,
                    |row| (row.flight, row.leg_no, row.cabin, row.provider, row.class),
                );
                (n, ViewRows::Oversold(rows))
            }
            View::Offers => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.routes.each(|b| out.extend_from_slice(b.rows())),
                    |epoch| &epoch.offers,
                    |row| {
                        let segment = (row.flight, row.board, row.off, row.date);
                        (segment, row.provider, row.cabin, row.class)
                    },
                );
                (n, ViewRows::Offers(rows))
            }
            View::AvailabilityByRouteDay => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.routes.each(|b| out.extend_from_slice(&b.availability)),
                    |epoch| &epoch.availability_by_route_day,
                    |row| (row.board, row.off, row.date, row.cabin),
                );
                (n, ViewRows::AvailabilityByRouteDay(rows))
            }
            View::CheapestByRouteDay => {
                let (n, rows) = self.rows_after_epoch(
                    |out| self.routes.each(|b| out.extend_from_slice(&b.cheapest)),
                    |epoch| &epoch.cheapest_by_route_day,
                    |row| (row.board, row.off, row.date, row.cabin, row.price.currency),
                );
                (n, ViewRows::CheapestByRouteDay(rows))
            }
            View::Hold | View::Decision | View::FeedReject => {
                (self.next_epoch(), ViewRows::NotKept)
            }
        };
        Snapshot { next_epoch, rows }
    }

    /// Copies rows part by part while epochs go on, then corrects the copy: each part was copied
    /// after some epoch between the first and the last that ran meanwhile, so what these epochs
    /// touched is replaced by what they left. Whatever they did not touch is right already.
    fn rows_after_epoch<R: Ord + Clone, K: Hash + Eq>(
        &self,
        copy: impl Fn(&mut Vec<R>),
        changes: impl Fn(&Epoch) -> &Vec<Change<R>>,
        key: impl Fn(&R) -> K,
    ) -> (u64, Vec<R>) {
        loop {
            let first = self.next_epoch();
            let mut rows = Vec::new();
            copy(&mut rows);
            // An epoch that runs now may be in the copy in part: let it end.
            let next = {
                let _no_epoch_runs = self.writer.lock();
                self.next_epoch()
            };
            let Since::Here(epochs) = self.ring.since(first, (next - first) as usize) else {
                // So many epochs ran that some are gone from the ring: copy again.
                continue;
            };
            let mut touched: HashMap<K, Option<&R>> = HashMap::new();
            for epoch in &epochs {
                // Within an epoch a key's old row may come after its new one.
                for (row, diff) in changes(epoch) {
                    if *diff < 0 {
                        touched.insert(key(row), None);
                    }
                }
                for (row, diff) in changes(epoch) {
                    if *diff > 0 {
                        touched.insert(key(row), Some(row));
                    }
                }
            }
            if !touched.is_empty() {
                rows.retain(|row| !touched.contains_key(&key(row)));
                rows.extend(touched.into_values().flatten().cloned());
            }
            rows.sort_unstable();
            return (next, rows);
        }
    }
}
