//! Everything known of each flight, and which flights a provider sells.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flightline_dataflows::changelog::{Change, Epoch};
use flightline_dataflows::rows::{
    DriftRow, FlightRow, FlightStatus, InventoryRow, LegRow, LoadFactorRow, OfferRow, OversoldRow,
};
use flightline_ledger::{Carrier, Date, FlightKey, ProviderCode, Station};
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::covers::Covers;
use super::rows::{replace_exact, take_run};

/// A flight as the index knows it: the rows of one moment between two epochs.
///
/// `offers` are looked up after the rest and may be newer by an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightView {
    /// The flight itself.
    pub flight: FlightRow,
    /// Its legs, in flying order.
    pub legs: Vec<LegRow>,
    /// Inventory, by provider, leg, stations, cabin, class.
    pub inventory: Vec<InventoryRow>,
    /// Load by leg and cabin.
    pub load_factor: Vec<LoadFactorRow>,
    /// What is oversold, if anything.
    pub oversold: Vec<OversoldRow>,
    /// The providers' last counts beside the ledger's.
    pub drift: Vec<DriftRow>,
    /// What is on offer, sold out ones included, by segment, then provider, cabin, class.
    pub offers: Vec<OfferRow>,
    /// What the view reflects at least.
    pub covers: Arc<Covers>,
}

/// Whether and when a flight flies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightPlan {
    /// Does it fly?
    pub status: FlightStatus,
    /// Where its legs depart, and when: Unix time in seconds.
    pub departures: Vec<(Station, i64)>,
}

/// Drift of one provider over all its counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriftSummary {
    /// Counts that are compared.
    pub rows: u64,
    /// Those that differ from what the ledger expected.
    pub drifting: u64,
    /// Sum of the differences' absolute values, in seats.
    pub seats: u64,
}

/// The rows of one flight. There may be millions, so that lists have no room to spare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlightEntry {
    pub(crate) flight: Box<[FlightRow]>,
    pub(crate) legs: Box<[LegRow]>,
    pub(crate) inventory: Box<[InventoryRow]>,
    pub(crate) load_factor: Box<[LoadFactorRow]>,
    pub(crate) oversold: Box<[OversoldRow]>,
    pub(crate) drift: Box<[DriftRow]>,
}

impl FlightEntry {
    fn is_empty(&self) -> bool {
        self.flight.is_empty()
            && self.legs.is_empty()
            && self.inventory.is_empty()
            && self.load_factor.is_empty()
            && self.oversold.is_empty()
            && self.drift.is_empty()
    }

    /// Bytes on the heap, its own included.
    fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.flight)
            + size_of_val(&*self.legs)
            + size_of_val(&*self.inventory)
            + size_of_val(&*self.load_factor)
            + size_of_val(&*self.oversold)
            + size_of_val(&*self.drift)
    }
}

type Shard = RwLock<HashMap<FlightKey, Box<FlightEntry>, foldhash::fast::FixedState>>;

/// Flights with an inventory row of one provider, by carrier and origin date. A file that replaces a
/// schedule asks for those of one carrier, and there may be hundreds in it.
type ByCarrier = BTreeMap<Carrier, BTreeSet<(Date, FlightKey)>>;

#[derive(Debug)]
pub(crate) struct Flights {
    hash: foldhash::fast::FixedState,
    shards: Box<[Shard]>,
    by_provider: RwLock<BTreeMap<ProviderCode, ByCarrier>>,
    drift: RwLock<BTreeMap<ProviderCode, DriftSummary>>,
    count: AtomicI64,
}

/// The changes of one flight in one epoch.
struct FlightChanges<'a> {
    flight: &'a [Change<FlightRow>],
    legs: &'a [Change<LegRow>],
    inventory: &'a [Change<InventoryRow>],
    load_factor: &'a [Change<LoadFactorRow>],
    oversold: &'a [Change<OversoldRow>],
    drift: &'a [Change<DriftRow>],
}

impl Flights {
    pub(crate) fn new(shards: usize) -> Self {
        let hash = foldhash::fast::FixedState::with_seed(0x666c_6967_6874);
        Self {
            shards: (0..shards)
                .map(|_| RwLock::new(HashMap::with_hasher(hash.clone())))
                .collect(),
            hash,
            by_provider: RwLock::default(),
            drift: RwLock::default(),
            count: AtomicI64::new(0),
        }
    }

    fn shard(&self, flight: &FlightKey) -> &Shard {
        // The upper bits: hashbrown takes the lower ones for the place in the table.
        &self.shards[(self.hash.hash_one(flight) >> 40) as usize % self.shards.len()]
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed).max(0) as u64
    }

    /// Whether and when a flight flies: less than a view, and cheap.
    pub(crate) fn plan(&self, flight: &FlightKey) -> Option<FlightPlan> {
        let shard = self.shard(flight).read();
        let entry = shard.get(flight)?;
        let departures = entry.legs.iter().map(|leg| (leg.board, leg.departs_s));
        Some(FlightPlan {
            status: entry.flight.first()?.status,
            departures: departures.collect(),
        })
    }

    /// Applies an epoch, flight by flight: a reader sees each flight before or after, never between.
    pub(crate) fn apply(&self, epoch: &Epoch) {
        let mut flights = &epoch.flights[..];
        let mut legs = &epoch.legs[..];
        let mut inventory = &epoch.inventory[..];
        let mut load_factor = &epoch.load_factor[..];
        let mut oversold = &epoch.oversold[..];
        let mut drift = &epoch.drift[..];
        loop {
            let next = [
                flights.first().map(|(row, _)| row.flight),
                legs.first().map(|(row, _)| row.flight),
                inventory.first().map(|(row, _)| row.flight),
                load_factor.first().map(|(row, _)| row.flight),
                oversold.first().map(|(row, _)| row.flight),
                drift.first().map(|(row, _)| row.flight),
            ];
            let Some(flight) = next.into_iter().flatten().min() else {
                break;
            };
            self.apply_flight(
                flight,
                &FlightChanges {
                    flight: take_run(&mut flights, |row| row.flight == flight),
                    legs: take_run(&mut legs, |row| row.flight == flight),
                    inventory: take_run(&mut inventory, |row| row.flight == flight),
                    load_factor: take_run(&mut load_factor, |row| row.flight == flight),
                    oversold: take_run(&mut oversold, |row| row.flight == flight),
                    drift: take_run(&mut drift, |row| row.flight == flight),
                },
            );
        }
        self.apply_drift(&epoch.drift);
    }

    fn apply_flight(&self, flight: FlightKey, changes: &FlightChanges<'_>) {
        let mut shard = self.shard(&flight).write();
        let entry = shard.entry(flight).or_default();
        replace_exact(&mut entry.flight, changes.flight);
        assert!(entry.flight.len() <= 1, "two rows for flight {flight}");
        replace_exact(&mut entry.legs, changes.legs);
        replace_exact(&mut entry.inventory, changes.inventory);
        replace_exact(&mut entry.load_factor, changes.load_factor);
        replace_exact(&mut entry.oversold, changes.oversold);
        replace_exact(&mut entry.drift, changes.drift);
        let flights: isize = changes.flight.iter().map(|(_, diff)| diff).sum();
        self.count.fetch_add(flights as i64, Ordering::Relaxed);
        self.apply_providers(flight, entry, changes.inventory);
        if entry.is_empty() {
            shard.remove(&flight);
        }
    }

    /// Keeps `by_provider` in step. Looks only when a row came without one of the same provider
    /// going, or the other way round: bookings replace rows one by one.
    fn apply_providers(
        &self,
        flight: FlightKey,
        entry: &FlightEntry,
        mut changes: &[Change<InventoryRow>],
    ) {
        while let Some((first, _)) = changes.first() {
            let provider = first.provider;
            let run = take_run(&mut changes, |row| row.provider == provider);
            if run.iter().map(|(_, diff)| diff).sum::<isize>() == 0 {
                continue;
            }
            let sells = entry.inventory.iter().any(|row| row.provider == provider);
            let mut by_provider = self.by_provider.write();
            let carriers = by_provider.entry(provider).or_default();
            let flights = carriers.entry(flight.carrier).or_default();
            let key = (flight.origin_date, flight);
            if sells {
                flights.insert(key);
            } else {
                flights.remove(&key);
                if flights.is_empty() {
                    carriers.remove(&flight.carrier);
                }
            }
        }
    }

    fn apply_drift(&self, changes: &[Change<DriftRow>]) {
        if changes.is_empty() {
            return;
        }
        let mut drift = self.drift.write();
        for (row, diff) in changes {
            let summary = drift.entry(row.provider).or_default();
            let drifting = u64::from(row.drift != 0);
            let seats = u64::from(row.drift.unsigned_abs());
            // Within an epoch a row may come before its predecessor goes, and the other way round.
            let by = |count: u64| -> u64 {
                if *diff > 0 {
                    count
                } else {
                    count.wrapping_neg()
                }
            };
            summary.rows = summary.rows.wrapping_add(by(1));
            summary.drifting = summary.drifting.wrapping_add(by(drifting));
            summary.seats = summary.seats.wrapping_add(by(seats));
        }
    }

    pub(crate) fn drift(&self, provider: &ProviderCode) -> DriftSummary {
        self.drift.read().get(provider).copied().unwrap_or_default()
    }

    /// Looks at one flight, if it is there. Its lock is held meanwhile.
    pub(crate) fn look<R>(
        &self,
        flight: &FlightKey,
        look: impl FnOnce(&FlightEntry) -> R,
    ) -> Option<R> {
        self.shard(flight)
            .read()
            .get(flight)
            .map(|entry| look(entry))
    }

    pub(crate) fn get(&self, flight: &FlightKey) -> Option<FlightEntry> {
        self.look(flight, FlightEntry::clone)
    }

    pub(crate) fn of_provider(
        &self,
        provider: &ProviderCode,
        carrier: Option<Carrier>,
        from: Date,
        to: Date,
    ) -> Vec<FlightKey> {
        if from > to {
            return Vec::new();
        }
        let by_provider = self.by_provider.read();
        let Some(carriers) = by_provider.get(provider) else {
            return Vec::new();
        };
        let in_days = |flights: &BTreeSet<(Date, FlightKey)>| {
            let flights = flights.range((from, FlightKey::NONE)..);
            let flights = flights.take_while(|(date, _)| *date <= to);
            flights.map(|(_, flight)| *flight).collect::<Vec<_>>()
        };
        if let Some(carrier) = carrier {
            return carriers.get(&carrier).map(in_days).unwrap_or_default();
        }
        let mut flights: Vec<_> = carriers.values().flat_map(in_days).collect();
        flights.sort_unstable_by_key(|flight| (flight.origin_date, *flight));
        flights
    }

    pub(crate) fn providers(&self) -> Vec<ProviderCode> {
        let by_provider = self.by_provider.read();
        let drift = self.drift.read();
        let mut providers: Vec<ProviderCode> =
            by_provider.keys().chain(drift.keys()).copied().collect();
        providers.sort_unstable();
        providers.dedup();
        providers
    }

    /// Shows every entry, shard by shard.
    pub(crate) fn each(&self, mut see: impl FnMut(&FlightEntry)) {
        for shard in &self.shards {
            shard.read().values().for_each(|entry| see(entry));
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let mut bytes = 0;
        for shard in &self.shards {
            let shard = shard.read();
            bytes += shard.allocation_size();
            bytes += shard
                .values()
                .map(|entry| entry.heap_bytes())
                .sum::<usize>();
        }
        bytes
    }
}
