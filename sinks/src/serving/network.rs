//! Which routes are flown on which days: what a search with connections walks over.
//!
//! Only the shape: a route and day is in here while its bucket of offers has a row, open or not. It
//! changes with schedules and not with bookings, so that keeping it up costs a booking nothing.
//! Locks are held for one station at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hash};

use flightline_ledger::{Date, Station};
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::bucket::RouteDay;

type Hasher = foldhash::fast::FixedState;

/// A map in parts that lock apart.
#[derive(Debug)]
struct Sharded<V> {
    hash: Hasher,
    shards: Box<[RwLock<HashMap<Station, V, Hasher>>]>,
}

impl<V> Sharded<V> {
    fn new(shards: usize, seed: u64) -> Self {
        let hash = Hasher::with_seed(seed);
        Self {
            shards: (0..shards)
                .map(|_| RwLock::new(HashMap::with_hasher(hash.clone())))
                .collect(),
            hash,
        }
    }

    fn shard(&self, key: impl Hash) -> &RwLock<HashMap<Station, V, Hasher>> {
        // The upper bits: hashbrown takes the lower ones for the place in the table.
        &self.shards[(self.hash.hash_one(key) >> 40) as usize % self.shards.len()]
    }
}

/// Where one can go from a station, and on which days, in order.
type Onward = BTreeMap<Station, Vec<Date>>;

#[derive(Debug)]
pub(crate) struct Network {
    onward: Sharded<Onward>,
    /// From where one can come to a station, on any day.
    into: Sharded<BTreeSet<Station>>,
}

/// Parts of the index that lock apart.
const SHARDS: usize = 64;

impl Network {
    pub(crate) fn new() -> Self {
        Self {
            onward: Sharded::new(SHARDS, 0x6f6e_7761_7264),
            into: Sharded::new(SHARDS, 0x696e_746f),
        }
    }

    /// A route and day has offers now.
    ///
    /// # Panics
    /// When it had some before.
    pub(crate) fn add(&self, key: &RouteDay) {
        let is_new = {
            let mut shard = self.onward.shard(key.board).write();
            let days = shard.entry(key.board).or_default();
            let days = days.entry(key.off).or_default();
            match days.binary_search(&key.date) {
                Err(at) => days.insert(at, key.date),
                Ok(_) => panic!("the network has {key:?} already"),
            }
            days.len() == 1
        };
        if is_new {
            let mut shard = self.into.shard(key.off).write();
            shard.entry(key.off).or_default().insert(key.board);
        }
    }

    /// A route and day has no offers any more.
    ///
    /// # Panics
    /// When it had none before.
    pub(crate) fn remove(&self, key: &RouteDay) {
        let is_last = {
            let mut shard = self.onward.shard(key.board).write();
            let onward = shard.get_mut(&key.board);
            let days = onward.and_then(|onward| onward.get_mut(&key.off));
            let Some((days, Ok(at))) = days.map(|days| {
                let at = days.binary_search(&key.date);
                (days, at)
            }) else {
                panic!("the network does not have {key:?}");
            };
            days.remove(at);
            let is_last = days.is_empty();
            if is_last && let Some(onward) = shard.get_mut(&key.board) {
                onward.remove(&key.off);
                if onward.is_empty() {
                    shard.remove(&key.board);
                }
            }
            is_last
        };
        if is_last {
            let mut shard = self.into.shard(key.off).write();
            if let Some(boards) = shard.get_mut(&key.off) {
                boards.remove(&key.board);
                if boards.is_empty() {
                    shard.remove(&key.off);
                }
            }
        }
    }

    /// Shows where one can go from a station on days `from..=to`, in order.
    pub(crate) fn onward(
        &self,
        board: Station,
        from: Date,
        to: Date,
        mut see: impl FnMut(Station, &[Date]),
    ) {
        let shard = self.onward.shard(board).read();
        for (off, days) in shard.get(&board).into_iter().flatten() {
            let days = between(days, from, to);
            if !days.is_empty() {
                see(*off, days);
            }
        }
    }

    /// The days `from..=to` on which a route is flown, added to `out`.
    pub(crate) fn days(
        &self,
        board: Station,
        off: Station,
        from: Date,
        to: Date,
        out: &mut Vec<Date>,
    ) {
        let shard = self.onward.shard(board).read();
        if let Some(days) = shard.get(&board).and_then(|onward| onward.get(&off)) {
            out.extend_from_slice(between(days, from, to));
        }
    }

    /// From where one can come to a station on some day, added to `out` in order.
    pub(crate) fn boards_into(&self, off: Station, out: &mut Vec<Station>) {
        let shard = self.into.shard(off).read();
        out.extend(shard.get(&off).into_iter().flatten());
    }

    /// Bytes on the heap, near enough: nodes of trees counted by what they hold.
    pub(crate) fn heap_bytes(&self) -> usize {
        let mut bytes = 0;
        for shard in &self.onward.shards {
            let shard = shard.read();
            bytes += shard.allocation_size();
            for days in shard.values().flat_map(BTreeMap::values) {
                bytes += size_of::<(Station, Vec<Date>)>() + days.capacity() * size_of::<Date>();
            }
        }
        for shard in &self.into.shards {
            let shard = shard.read();
            bytes += shard.allocation_size();
            bytes += shard.values().map(BTreeSet::len).sum::<usize>() * size_of::<Station>();
        }
        bytes
    }
}

fn between(days: &[Date], from: Date, to: Date) -> &[Date] {
    let first = days.partition_point(|day| *day < from);
    let end = days.partition_point(|day| *day <= to);
    &days[first..end.max(first)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(board: &str, off: &str, day: i32) -> RouteDay {
        RouteDay {
            board: board.parse().unwrap(),
            off: off.parse().unwrap(),
            date: Date(day),
        }
    }

    fn onward(network: &Network, board: &str, from: i32, to: i32) -> Vec<(String, Vec<i32>)> {
        let mut seen = Vec::new();
        network.onward(board.parse().unwrap(), Date(from), Date(to), |off, days| {
            seen.push((off.to_string(), days.iter().map(|day| day.0).collect()));
        });
        seen
    }

    fn into(network: &Network, off: &str) -> Vec<String> {
        let mut out = Vec::new();
        network.boards_into(off.parse().unwrap(), &mut out);
        out.iter().map(Station::to_string).collect()
    }

    #[test]
    fn what_came_and_went_leaves_nothing() {
        let network = Network::new();
        let all = [
            key("EWR", "ORD", 3),
            key("EWR", "ORD", 1),
            key("EWR", "DEN", 2),
            key("SFO", "ORD", 2),
        ];
        all.iter().for_each(|key| network.add(key));
        assert_eq!(
            onward(&network, "EWR", 2, 9),
            [("DEN".to_owned(), vec![2]), ("ORD".to_owned(), vec![3])]
        );
        assert_eq!(onward(&network, "EWR", 9, 2), []);
        assert_eq!(into(&network, "ORD"), ["EWR", "SFO"]);
        let mut days = Vec::new();
        let (board, off) = (all[0].board, all[0].off);
        network.days(board, off, Date(0), Date(9), &mut days);
        assert_eq!(days, [Date(1), Date(3)]);
        network.remove(&all[0]);
        assert_eq!(into(&network, "ORD"), ["EWR", "SFO"]);
        network.remove(&all[1]);
        assert_eq!(into(&network, "ORD"), ["SFO"]);
        all[2..].iter().for_each(|key| network.remove(key));
        let is_empty = |shard: &RwLock<HashMap<Station, Onward, Hasher>>| shard.read().is_empty();
        assert!(network.onward.shards.iter().all(is_empty));
        assert!(network.into.shards.iter().all(|s| s.read().is_empty()));
    }

    #[test]
    #[should_panic(expected = "does not have")]
    fn what_is_not_there_cannot_go() {
        Network::new().remove(&key("EWR", "ORD", 3));
    }
}
