//! The in-memory index that search and reads are answered from.
//!
//! One thread applies epochs, any number read. Locks are held for one route and day or one flight at
//! a time, so that a search waits microseconds at most, whatever an epoch holds. A reader sees every
//! bucket (route and day) and every flight before or after an epoch; two buckets may be an epoch
//! apart. What an answer reflects at least is said with it, and [`Serving::wait_for`] waits for more.
//!
//! - `routes`, `bucket`: offers by route and day, sorted by price.
//! - `network`: which routes have offers on which days; `codeshares`: numbers of one aircraft;
//!   `journeys`: flights joined to journeys over both.
//! - `flights`: rows by flight, flights by provider, drift by provider.
//! - `waiting`: which sold-out offers can be waited for.
//! - `orders`: orders that are not retired.
//! - `covers`: how far the index has got, and who waits.
//! - `changes`, `views`: following a view, and its rows now.
//!
//! Memory: measured with 1,000,000 offers on 333,000 flights, 104 bytes an offer for search, and
//! 601 bytes a flight with three rows of inventory for everything else. To measure again:
//! `cargo test -p flightline-sinks --release --test speed -- --ignored --nocapture serving`.
//!
//! What is deliberately absent: holds and decisions. They grow with history; their place is
//! PostgreSQL and the stream.

mod bucket;
mod changes;
mod codeshares;
mod covers;
mod flights;
mod journeys;
mod network;
mod orders;
mod routes;
mod rows;
mod search;
mod views;
mod waiting;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_dataflows::rows::{HoldStatus, LegRow, OfferRow, OrderRow};
use flightline_ledger::order::{BookingReference, OrderId};
use flightline_ledger::{Carrier, CommandId, Date, FlightKey, ProviderCode};
use parking_lot::Mutex;

pub use changes::{Event, EventId, RingLimits, Subscription};
pub use covers::{Covers, NotYet};
pub use flights::{DriftSummary, FlightPlan, FlightView};
pub use journeys::{
    BadPlace, ConnectionRules, Detour, Journey, JourneyQuery, JourneyResult, JourneySegment, Place,
    Places, TimeWindow, WORK_MAX,
};
pub use orders::OrderPlace;
pub use search::{SearchQuery, SearchResult, Sort};
pub use views::{Snapshot, View, ViewRows};

use bucket::RouteDay;
use changes::Ring;
use codeshares::Codeshares;
use covers::Progress;
use flights::Flights;
use routes::Routes;

/// Parts of the index that lock apart.
const SHARDS: usize = 256;

/// The index.
#[derive(Debug)]
pub struct Serving {
    boot: u64,
    routes: Routes,
    flights: Flights,
    codeshares: Codeshares,
    orders: orders::Orders,
    holds: [AtomicI64; HOLD_STATUS.len()],
    progress: Progress,
    ring: Ring,
    /// Held while an epoch is applied.
    writer: Mutex<()>,
}

const HOLD_STATUS: [HoldStatus; 7] = [
    HoldStatus::Held,
    HoldStatus::Confirmed,
    HoldStatus::Released,
    HoldStatus::Cancelled,
    HoldStatus::Expired,
    HoldStatus::Displaced,
    HoldStatus::Waiting,
];

/// How much there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Flights.
    pub flights: u64,
    /// Offers, closed and sold out ones included.
    pub offers: u64,
    /// Holds by state.
    pub holds: [(HoldStatus, u64); HOLD_STATUS.len()],
}

/// Memory of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapBytes {
    /// Offers, views by route and day, and the network of routes.
    pub offers: usize,
    /// Flights, legs, inventory, codeshares and views by flight.
    pub flights: usize,
}

impl Serving {
    /// An empty index over so many partitions.
    pub fn new(partitions: u32) -> Self {
        Self::with_limits(partitions, RingLimits::default())
    }

    /// As [`Serving::new`], with other bounds for the recent epochs kept for `/changes`.
    pub fn with_limits(partitions: u32, limits: RingLimits) -> Self {
        Self {
            // Only tells runs apart; nothing is derived from it.
            boot: RandomState::new().hash_one(std::process::id()),
            routes: Routes::new(SHARDS),
            flights: Flights::new(SHARDS),
            codeshares: Codeshares::new(SHARDS),
            orders: orders::Orders::default(),
            holds: Default::default(),
            progress: Progress::new(partitions),
            ring: Ring::new(limits),
            writer: Mutex::new(()),
        }
    }

    /// Applies the next epoch. One thread does this; a second one waits for the first.
    ///
    /// # Panics
    /// When the epoch is not the next, covers another number of partitions, or does not fit the
    /// rows: the changelog is broken, and a wrong count costs more than a restart.
    pub fn apply(&self, epoch: &Arc<Epoch>) {
        let _writer = self.writer.lock();
        let next = self.next_epoch();
        assert_eq!(
            epoch.number, next,
            "epoch {} came when {next} was due",
            epoch.number
        );
        assert!(
            !epoch.is_snapshot || next == 0,
            "epoch {next} is a snapshot, but only the first can be one"
        );
        self.flights.apply(epoch);
        self.codeshares.apply(&epoch.flights);
        self.routes.apply(epoch);
        self.orders.apply(&epoch.orders);
        for (row, diff) in &epoch.holds {
            self.holds[row.status as usize].fetch_add(*diff as i64, Ordering::Relaxed);
        }
        // In the ring before it is published: who sees that an epoch is covered finds it there.
        self.ring.push(epoch);
        self.progress.publish(epoch.number, &epoch.covers);
    }

    /// Offers on one route and day.
    pub fn search(&self, query: &SearchQuery) -> SearchResult {
        let covers = self.progress.covers();
        let (mut offers, mut total, short) = self.routes.search(query);
        let short = self.sold_out(query, short);
        total += short.len();
        offers.extend(short);
        offers.truncate(query.limit);
        SearchResult {
            offers,
            total,
            covers,
        }
    }

    /// Of offers with too few seats those that can be waited for, in the order asked for.
    fn sold_out(&self, query: &SearchQuery, mut short: Vec<OfferRow>) -> Vec<OfferRow> {
        short.retain(|row| self.can_wait(row, query.passengers.max(1)));
        if query.best_per_flight {
            let mut seen = HashSet::new();
            short.retain(|row| seen.insert(row.flight));
        }
        short.sort_by_key(|row| query.sort.key(row));
        short
    }

    /// Everything known of a flight.
    pub fn flight(&self, flight: &FlightKey) -> Option<FlightView> {
        let covers = self.progress.covers();
        let entry = self.flights.get(flight)?;
        let row = entry.flight.into_iter().next()?;
        let mut offers = Vec::new();
        for key in segments(&entry.legs) {
            let from = offers.len();
            self.routes.of_flight(&key, flight, &mut offers);
            offers[from..].sort_unstable();
        }
        Some(FlightView {
            flight: row,
            legs: entry.legs.into_vec(),
            inventory: entry.inventory.into_vec(),
            load_factor: entry.load_factor.into_vec(),
            oversold: entry.oversold.into_vec(),
            drift: entry.drift.into_vec(),
            offers,
            covers,
        })
    }

    /// Flights with inventory of the provider whose origin date is `from..=to`, by date, then key.
    pub fn flights_of_provider(
        &self,
        provider: ProviderCode,
        carrier: Option<Carrier>,
        from: Date,
        to: Date,
    ) -> Vec<FlightKey> {
        self.flights.of_provider(&provider, carrier, from, to)
    }

    /// Every provider with inventory or a drift row, now or since the start, by code.
    pub fn providers(&self) -> Vec<ProviderCode> {
        self.flights.providers()
    }

    /// Drift of one provider.
    pub fn drift(&self, provider: ProviderCode) -> DriftSummary {
        self.flights.drift(&provider)
    }

    /// An order that is not retired.
    pub fn order(&self, order: OrderId) -> Option<Arc<OrderRow>> {
        self.orders.get(order)
    }

    /// The order that a booking reference names.
    pub fn order_named(&self, booking: &BookingReference) -> Option<Arc<OrderRow>> {
        self.orders.named(booking)
    }

    /// The order that has not ended and whose hold this is.
    pub fn order_of_hold(&self, hold: CommandId) -> Option<Arc<OrderRow>> {
        self.orders.of_hold(hold)
    }

    /// Whether and when a flight flies.
    pub fn plan(&self, flight: &FlightKey) -> Option<FlightPlan> {
        self.flights.plan(flight)
    }

    /// Orders with a segment on the flight that have not ended.
    pub fn orders_on(&self, flight: &FlightKey) -> Vec<Arc<OrderRow>> {
        self.orders.on_flight(flight)
    }

    /// Every order that is not retired, in no order.
    pub fn all_orders(&self) -> Vec<Arc<OrderRow>> {
        self.orders.all()
    }

    /// How many orders there are that are not retired.
    pub fn order_count(&self) -> usize {
        self.orders.len()
    }

    /// Orders of a client that `keep` keeps, at most `limit`, in the order of their creation or the
    /// other way round, beginning at `from`.
    pub fn orders_of(
        &self,
        client: &str,
        from: Bound<OrderPlace>,
        newest_first: bool,
        limit: usize,
        keep: impl Fn(&OrderRow) -> bool,
    ) -> Vec<Arc<OrderRow>> {
        self.orders
            .of_client(client, from, newest_first, limit, keep)
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        let hold = |at: usize| self.holds[at].load(Ordering::Relaxed).max(0) as u64;
        Counts {
            flights: self.flights.count(),
            offers: self.routes.offers(),
            holds: std::array::from_fn(|at| (HOLD_STATUS[at], hold(at))),
        }
    }

    /// The offset after the last record of the partition that is reflected; 0 for a partition that
    /// does not exist.
    pub fn covers(&self, partition: u32) -> u64 {
        self.progress.of(partition)
    }

    /// What the index reflects.
    pub fn covers_all(&self) -> Arc<Covers> {
        self.progress.covers()
    }

    /// Number of partitions.
    pub fn partitions(&self) -> u32 {
        self.progress.partitions() as u32
    }

    /// Waits until the record at `offset` is reflected, that is until `covers(partition) > offset`.
    /// Costs one atomic load when it is already.
    ///
    /// # Errors
    /// [`NotYet`] after `timeout`, and for a partition that does not exist at once.
    pub async fn wait_for(
        &self,
        partition: u32,
        offset: u64,
        timeout: Duration,
    ) -> Result<(), NotYet> {
        self.progress.wait_for(partition, offset, timeout).await
    }

    /// The name of an epoch of this run.
    pub fn event_id(&self, epoch: u64) -> EventId {
        let boot = self.boot;
        EventId { boot, epoch }
    }

    /// Bytes that the index holds, recent epochs left aside. Walks everything: for reports.
    pub fn heap_bytes(&self) -> HeapBytes {
        HeapBytes {
            offers: self.routes.heap_bytes(),
            flights: self.flights.heap_bytes() + self.codeshares.heap_bytes(),
        }
    }

    /// Number of the next epoch.
    fn next_epoch(&self) -> u64 {
        self.progress.covers().epoch.map_or(0, |epoch| epoch + 1)
    }
}

/// Feeds an index from the dataflow.
#[derive(Clone, Debug)]
pub struct ServingSink(pub Arc<Serving>);

impl EpochSink for ServingSink {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.0.apply(&epoch);
    }
}

/// Where the offers of a flight are: every segment on its local day of departure.
fn segments(legs: &[LegRow]) -> impl Iterator<Item = RouteDay> {
    legs.iter().enumerate().flat_map(move |(from, board)| {
        let local_s = board
            .departs_s
            .saturating_add(i64::from(board.departs_offset_min) * 60);
        let days = local_s.div_euclid(24 * 3600);
        let date = Date(days.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32);
        legs[from..].iter().map(move |off| RouteDay {
            board: board.board,
            off: off.off,
            date,
        })
    })
}
