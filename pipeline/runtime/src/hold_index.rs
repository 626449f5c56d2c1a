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

/// So many ids of a shard are put into it together when many are known beforehand: one shard stays in the processor's
/// caches meanwhile, where the whole index would not.
const TOGETHER: usize = 4096;

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

    /// Claims what `each` gives, as [`Self::claim`] on one after the other would, on several threads. Each of them goes through all
    /// of it and takes some shards, so that who is first does not depend on their pace. `len` is how many ids there are, or a little less
    /// than that: it saves growing.
    pub(crate) fn fill(
        &self,
        threads: usize,
        len: usize,
        each: impl Fn(&mut dyn FnMut(&FlightKey, CommandId)) + Sync,
    ) {
        let (threads, each) = (threads.clamp(1, SHARDS), &each);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || self.fill_shards(thread, threads, len, each));
            }
        });
    }

    /// Those whose number is `thread` modulo `threads`.
    fn fill_shards(
        &self,
        thread: usize,
        threads: usize,
        len: usize,
        each: impl Fn(&mut dyn FnMut(&FlightKey, CommandId)),
    ) {
        for shard in self.shards.iter().skip(thread).step_by(threads) {
            shard.lock().reserve(len / SHARDS);
        }
        let mut waiting: Vec<Vec<(Id, u32)>> = (0..SHARDS).map(|_| Vec::new()).collect();
        let put = |at: usize, waiting: &mut Vec<(Id, u32)>| {
            let mut shard = self.shards[at].lock();
            for (key, number) in waiting.drain(..) {
                shard.entry(key).or_insert(number);
            }
        };
        let mut last: Option<(FlightKey, u32)> = None;
        each(&mut |flight, id| {
            let key = split(id);
            let at = Self::shard_of(&key);
            if at % threads != thread {
                return;
            }
            let number = match last {
                Some((known, number)) if known == *flight => number,
                _ => self.number(flight),
            };
            last = Some((*flight, number));
            waiting[at].push((key, number));
            if waiting[at].len() == TOGETHER {
                put(at, &mut waiting[at]);
            }
        });
        for (at, waiting) in waiting.iter_mut().enumerate() {
            put(at, waiting);
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
        &self.shards[Self::shard_of(key)]
    }

    fn shard_of(key: &Id) -> usize {
        // Ids are hashes already where they come from clients; a fixed mix serves the others.
        let hash = foldhash::fast::FixedState::with_seed(7).hash_one(key);
        (hash >> 58) as usize % SHARDS
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
    fn filled_on_any_number_of_threads_it_is_as_claimed_one_by_one() {
        let flights: Vec<FlightKey> = (1..=50)
            .map(|n| format!("UA{n}.2027-01-05.EWR").parse().unwrap())
            .collect();
        // Some ids come twice, for another flight; the numbers of a linear congruence pick them.
        let mut state = 7_u64;
        let mut next = move |below: u64| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let claims: Vec<(FlightKey, CommandId)> = (0..300_000)
            .map(|_| {
                let flight = flights[next(50) as usize];
                (flight, CommandId(u128::from(next(280_000)) << 70))
            })
            .collect();
        let one_by_one = HoldIndex::default();
        for (flight, id) in &claims {
            one_by_one.claim(*id, flight);
        }
        for threads in [2, 1000] {
            let filled = HoldIndex::default();
            // Something is there before.
            filled.claim(claims[0].1, &claims[0].0);
            filled.fill(threads, claims.len() / 2, |give| {
                claims.iter().for_each(|(flight, id)| give(flight, *id));
            });
            assert_eq!(filled.len(), one_by_one.len());
            for (_, id) in claims.iter().step_by(7) {
                assert_eq!(filled.find(*id), one_by_one.find(*id), "{threads} threads");
            }
        }
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
