//! Which flight numbers are codeshares of which flights.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use flightline_dataflows::changelog::Change;
use flightline_dataflows::rows::FlightRow;
use flightline_ledger::FlightKey;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::rows::take_run;

type Hasher = foldhash::fast::FixedState;

/// What is known of one number.
#[derive(Debug, Default)]
struct Entry {
    /// The flight that it is only a number of.
    operating: Option<FlightKey>,
    /// Numbers under which it is sold besides its own.
    numbers: BTreeSet<FlightKey>,
}

#[derive(Debug)]
pub(crate) struct Codeshares {
    hash: Hasher,
    shards: Box<[RwLock<HashMap<FlightKey, Entry, Hasher>>]>,
    /// How many codeshares there are: a search looks nothing up when there are none.
    count: AtomicUsize,
}

impl Codeshares {
    pub(crate) fn new(shards: usize) -> Self {
        let hash = Hasher::with_seed(0x636f_6465_7368);
        Self {
            shards: (0..shards)
                .map(|_| RwLock::new(HashMap::with_hasher(hash.clone())))
                .collect(),
            hash,
            count: AtomicUsize::new(0),
        }
    }

    fn shard(&self, flight: &FlightKey) -> &RwLock<HashMap<FlightKey, Entry, Hasher>> {
        // The upper bits: hashbrown takes the lower ones for the place in the table.
        &self.shards[(self.hash.hash_one(flight) >> 40) as usize % self.shards.len()]
    }

    /// Takes the flights of an epoch.
    pub(crate) fn apply(&self, mut changes: &[Change<FlightRow>]) {
        while let Some((first, _)) = changes.first() {
            let flight = first.flight;
            let run = take_run(&mut changes, |row| row.flight == flight);
            let of = |sign: isize| {
                let row = run.iter().find(|(_, diff)| *diff == sign);
                row.and_then(|(row, _)| row.operating)
            };
            let (old, new) = (of(-1), of(1));
            if old == new {
                continue;
            }
            self.edit(flight, |entry| entry.operating = new);
            if let Some(old) = old {
                self.edit(old, |entry| _ = entry.numbers.remove(&flight));
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
            if let Some(new) = new {
                self.edit(new, |entry| _ = entry.numbers.insert(flight));
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn edit(&self, flight: FlightKey, change: impl FnOnce(&mut Entry)) {
        let mut shard = self.shard(&flight).write();
        let entry = shard.entry(flight).or_default();
        change(entry);
        if entry.operating.is_none() && entry.numbers.is_empty() {
            shard.remove(&flight);
        }
    }

    /// Are there none at all?
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// The flight that a number stands for: its operating flight, else itself.
    pub(crate) fn operating(&self, flight: &FlightKey) -> FlightKey {
        let shard = self.shard(flight).read();
        shard
            .get(flight)
            .and_then(|entry| entry.operating)
            .unwrap_or(*flight)
    }

    /// The numbers under which a flight is sold besides its own, in order.
    pub(crate) fn numbers(&self, flight: &FlightKey) -> Vec<FlightKey> {
        let shard = self.shard(flight).read();
        shard
            .get(flight)
            .map(|entry| entry.numbers.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Bytes on the heap, near enough.
    pub(crate) fn heap_bytes(&self) -> usize {
        let mut bytes = 0;
        for shard in &self.shards {
            let shard = shard.read();
            bytes += shard.allocation_size();
            let numbers: usize = shard.values().map(|entry| entry.numbers.len()).sum();
            bytes += numbers * size_of::<FlightKey>();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use flightline_dataflows::rows::FlightStatus;

    use super::*;

    fn row(flight: &str, operating: Option<&str>) -> FlightRow {
        FlightRow {
            flight: flight.parse().unwrap(),
            status: FlightStatus::Scheduled,
            owner: "x".parse().unwrap(),
            operating: operating.map(|key| key.parse().unwrap()),
            quality: 0,
        }
    }

    #[test]
    fn numbers_follow_the_rows() {
        const UA1: &str = "UA1.2027-01-05.EWR";
        const UA2: &str = "UA2.2027-01-05.EWR";
        const LH7: &str = "LH7.2027-01-05.EWR";
        let codeshares = Codeshares::new(4);
        let key = |text: &str| text.parse::<FlightKey>().unwrap();
        codeshares.apply(&[(row(UA1, None), 1), (row(LH7, Some(UA1)), 1)]);
        assert_eq!(codeshares.operating(&key(LH7)), key(UA1));
        assert_eq!(codeshares.operating(&key(UA1)), key(UA1));
        assert_eq!(codeshares.numbers(&key(UA1)), [key(LH7)]);
        // The new row stands before the old one.
        codeshares.apply(&[(row(LH7, Some(UA2)), 1), (row(LH7, Some(UA1)), -1)]);
        assert_eq!(codeshares.operating(&key(LH7)), key(UA2));
        assert_eq!(codeshares.numbers(&key(UA1)), []);
        assert!(!codeshares.is_empty());
        codeshares.apply(&[(row(LH7, Some(UA2)), -1), (row(LH7, None), 1)]);
        assert_eq!(codeshares.operating(&key(LH7)), key(LH7));
        assert!(codeshares.is_empty());
        assert!(codeshares.shards.iter().all(|s| s.read().is_empty()));
    }
}
