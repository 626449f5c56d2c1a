//! Buckets of offers by route and day, in shards that lock apart.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, Ordering};

use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::rows::OfferRow;
use flightline_ledger::FlightKey;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::bucket::{Bucket, RouteDay};
use super::network::Network;
use super::rows::take_run;
use super::search::SearchQuery;

type Shard = RwLock<HashMap<RouteDay, Bucket, foldhash::fast::FixedState>>;

#[derive(Debug)]
pub(crate) struct Routes {
    hash: foldhash::fast::FixedState,
    shards: Box<[Shard]>,
    offers: AtomicI64,
    /// Which buckets have offers.
    pub(crate) network: Network,
}

impl Routes {
    pub(crate) fn new(shards: usize) -> Self {
        let hash = foldhash::fast::FixedState::with_seed(0x726f_7574_6573);
        Self {
            shards: (0..shards)
                .map(|_| RwLock::new(HashMap::with_hasher(hash.clone())))
                .collect(),
            hash,
            offers: AtomicI64::new(0),
            network: Network::new(),
        }
    }

    fn shard(&self, key: &RouteDay) -> &Shard {
        // The upper bits: hashbrown takes the lower ones for the place in the table.
        &self.shards[(self.hash.hash_one(key) >> 40) as usize % self.shards.len()]
    }

    /// Offers there are, closed and sold out ones included.
    pub(crate) fn offers(&self) -> u64 {
        self.offers.load(Ordering::Relaxed).max(0) as u64
    }

    /// Applies an epoch, bucket by bucket: a search sees each before or after, never between.
    pub(crate) fn apply(&self, epoch: &Epoch) {
        let mut offers = &epoch.offers[..];
        let mut availability = &epoch.availability_by_route_day[..];
        let mut cheapest = &epoch.cheapest_by_route_day[..];
        loop {
            let key = |board, off, date| RouteDay { board, off, date };
            let next = [
                offers.first().map(|(r, _)| key(r.board, r.off, r.date)),
                availability
                    .first()
                    .map(|(r, _)| key(r.board, r.off, r.date)),
                cheapest.first().map(|(r, _)| key(r.board, r.off, r.date)),
            ];
            let Some(next) = next.into_iter().flatten().min() else {
                break;
            };
            let offers = take_run(&mut offers, |r| key(r.board, r.off, r.date) == next);
            let availability = take_run(&mut availability, |r| key(r.board, r.off, r.date) == next);
            let cheapest = take_run(&mut cheapest, |r| key(r.board, r.off, r.date) == next);
            let mut shard = self.shard(&next).write();
            let bucket = shard.entry(next).or_default();
            let had_offers = !bucket.rows().is_empty();
            bucket.apply(offers, availability, cheapest);
            let has_offers = !bucket.rows().is_empty();
            if bucket.is_empty() {
                shard.remove(&next);
            }
            drop(shard);
            match (had_offers, has_offers) {
                (false, true) => self.network.add(&next),
                (true, false) => self.network.remove(&next),
                _ => {}
            }
        }
        let offers: isize = epoch.offers.iter().map(|(_, diff)| diff).sum();
        self.offers.fetch_add(offers as i64, Ordering::Relaxed);
    }

    /// See [`Bucket::search`]; and when sold-out offers are wanted, those of [`Bucket::short`] as they
    /// were at the same moment.
    pub(crate) fn search(&self, query: &SearchQuery) -> (Vec<OfferRow>, usize, Vec<OfferRow>) {
        let key = RouteDay {
            board: query.board,
            off: query.off,
            date: query.date,
        };
        match self.shard(&key).read().get(&key) {
            Some(bucket) => {
                let (offers, total) = bucket.search(query);
                let short = if query.sold_out {
                    bucket.short(query)
                } else {
                    Vec::new()
                };
                (offers, total, short)
            }
            None => (Vec::new(), 0, Vec::new()),
        }
    }

    /// Looks at one bucket, if there is one. Its lock is held meanwhile.
    pub(crate) fn with_bucket<R>(
        &self,
        key: &RouteDay,
        look: impl FnOnce(&Bucket) -> R,
    ) -> Option<R> {
        self.shard(key).read().get(key).map(look)
    }

    /// Offers of one flight on one route and day.
    pub(crate) fn of_flight(&self, key: &RouteDay, flight: &FlightKey, out: &mut Vec<OfferRow>) {
        if let Some(bucket) = self.shard(key).read().get(key) {
            let rows = bucket.rows().iter();
            out.extend(rows.filter(|row| row.flight == *flight).cloned());
        }
    }

    /// Shows every bucket, shard by shard.
    pub(crate) fn each(&self, mut see: impl FnMut(&Bucket)) {
        for shard in &self.shards {
            shard.read().values().for_each(&mut see);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let mut bytes = 0;
        for shard in &self.shards {
            let shard = shard.read();
            bytes += shard.allocation_size();
            bytes += shard.values().map(Bucket::heap_bytes).sum::<usize>();
        }
        bytes + self.network.heap_bytes()
    }
}
