//! Which flight a hold's id belongs to.
//!
//! Clients name a hold by its id alone, while its stream is that of a flight: this index leads from
//! one to the other. It also sees to it that an id names a hold of one flight only: the first to
//! claim it has it. The claim is made before the command is appended and stays when the hold is
//! refused, since a refused id stays refused.
//!
//! The index is derived: a start fills it from the stream. Ids of retired flights are dropped.

use std::hash::BuildHasher;

use flightline_ledger::{CommandId, FlightKey};
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

const SHARDS: usize = 64;

/// 16 bytes without the alignment of `u128`, which would waste a quarter of every entry.
type Id = [u64; 2];

#[derive(Debug, Default)]
struct Flights {
    number_of: HashMap<FlightKey, u32, foldhash::fast::FixedState>,
    keys: Vec<FlightKey>,
}

/// The index; shared between threads.
#[derive(Debug)]
pub struct HoldIndex {
    shards: Vec<Mutex<HashMap<Id, u32, foldhash::fast::FixedState>>>,
    flights: RwLock<Flights>,
}

impl Default for HoldIndex {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            flights: RwLock::default(),
        }
    }
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody had the id.
    New,
    /// It is this flight's already.
    Same,
    /// It is another flight's.
    Taken(FlightKey),
}

impl HoldIndex {
    /// Claims an id for a flight.
    pub fn claim(&self, id: CommandId, flight: &FlightKey) -> Claim {
        let number = self.number(flight);
        let key = split(id);
        let mut shard = self.shard(&key).lock();
        match shard.get(&key) {
            None => {
                shard.insert(key, number);
                Claim::New
            }
            Some(n) if *n == number => Claim::Same,
            Some(n) => {
                let n = *n;
                drop(shard);
                Claim::Taken(self.flights.read().keys[n as usize])
            }
        }
    }

    /// Gives up a claim that was [`Claim::New`] and whose command was not appended.
    pub fn unclaim(&self, id: CommandId) {
        let key = split(id);
        self.shard(&key).lock().remove(&key);
    }

    /// The flight that an id belongs to.
    pub fn find(&self, id: CommandId) -> Option<FlightKey> {
        let key = split(id);
        let number = *self.shard(&key).lock().get(&key)?;
        Some(self.flights.read().keys[number as usize])
    }

    /// Drops the ids of flights that are over. Takes time proportional to the whole index: call it
    /// for many flights at once.
    pub fn forget(&self, flights: &[FlightKey]) {
        let mut numbers: Vec<u32> = {
            let known = self.flights.read();
            flights
                .iter()
                .filter_map(|f| known.number_of.get(f).copied())
                .collect()
        };
        numbers.sort_unstable();
        for shard in &self.shards {
            shard
                .lock()
                .retain(|_, n| numbers.binary_search(n).is_err());
        }
    }

    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().len()).sum()
    }

    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn number(&self, flight: &FlightKey) -> u32 {
        if let Some(n) = self.flights.read().number_of.get(flight) {
            return *n;
        }
        let mut flights = self.flights.write();
        let next = flights.keys.len() as u32;
        let number = *flights.number_of.entry(*flight).or_insert(next);
        if number == next {
            flights.keys.push(*flight);
        }
        number
    }

    fn shard(&self, key: &Id) -> &Mutex<HashMap<Id, u32, foldhash::fast::FixedState>> {
        // Ids are hashes already where they come from clients; a fixed mix serves the others.
        let hash = foldhash::fast::FixedState::with_seed(7).hash_one(key);
        &self.shards[(hash >> 58) as usize % SHARDS]
    }
}

fn split(id: CommandId) -> Id {
    [(id.0 >> 64) as u64, id.0 as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_the_first_flight_that_claims_it() {
        let index = HoldIndex::default();
        let a: FlightKey = "UA1.2027-01-05.EWR".parse().unwrap();
        let b: FlightKey = "UA2.2027-01-05.EWR".parse().unwrap();
        assert_eq!(index.claim(CommandId(1), &a), Claim::New);
        assert_eq!(index.claim(CommandId(1), &a), Claim::Same);
        assert_eq!(index.claim(CommandId(1), &b), Claim::Taken(a));
        assert_eq!(index.find(CommandId(1)), Some(a));
        assert_eq!(index.find(CommandId(2)), None);
        index.unclaim(CommandId(1));
        assert_eq!(index.claim(CommandId(1), &b), Claim::New);
    }

    #[test]
    fn ids_of_flights_that_are_over_are_dropped() {
        let index = HoldIndex::default();
        let a: FlightKey = "UA1.2027-01-05.EWR".parse().unwrap();
        let b: FlightKey = "UA2.2027-01-05.EWR".parse().unwrap();
        for n in 0..1000 {
            index.claim(CommandId(n), if n % 2 == 0 { &a } else { &b });
        }
        index.forget(&[a]);
        assert_eq!(index.len(), 500);
        assert_eq!(index.find(CommandId(0)), None);
        assert_eq!(index.find(CommandId(1)), Some(b));
    }
}
