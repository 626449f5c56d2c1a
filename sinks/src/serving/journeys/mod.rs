//! Journeys: one to three flights from one set of stations to another, for one slice of a trip.
//!
//! A search walks the network of routes and days, takes from each bucket of offers that it meets
//! what fits the party, and joins flights by the rules of connection. Nothing is precomputed: what
//! an epoch changes is seen by the next search.
//!
//! - `rules`: when flights connect.
//! - `board`: stations of one search, their cities and distances.
//! - `fares`: what one flight is sold for, by whom, under which numbers.
//! - `routes`: the flights of the routes that a search meets.
//! - `join`: joins them, under a bound on the work.
//! - `dominated`: journeys that nobody would take.
//! - `answer`: the order, the limit, the cheapest and the fastest.
//!
//! A search sees every bucket before or after an epoch, never between; two buckets may be an epoch
//! apart, as with any other answer of the index. It holds one lock at a time and only to copy.
//!
//! The rules that the joins keep are in `docs/journeys.md`; an exhaustive search written from that
//! page judges them (`tests/journeys`).

mod answer;
mod board;
mod dominated;
mod fares;
mod join;
mod routes;
mod rules;

use std::sync::Arc;

use flightline_dataflows::rows::OfferRow;
use flightline_ledger::{Cabin, Currency, Date, FlightKey, Money, Station};

use super::Serving;
use super::covers::Covers;
use super::search::Sort;

pub use rules::{BadPlace, ConnectionRules, Detour, Place, Places};

/// A search for journeys on one day.
#[derive(Clone, Debug)]
pub struct JourneyQuery {
    /// Where the journey may begin. A city stands here as its stations.
    pub origins: Vec<Station>,
    /// Where it may end.
    pub destinations: Vec<Station>,
    /// Local day of departure of the first flight.
    pub date: Date,
    /// Seats needed on every flight; 0 is read as 1.
    pub passengers: u16,
    /// Only this cabin, on every flight.
    pub cabin: Option<Cabin>,
    /// Only offers in this currency.
    pub currency: Option<Currency>,
    /// Also flights on which no offer has the seats, by what a hold could wait for; see
    /// [`Serving::can_wait`]. Nothing tells them from others but the seats of their offers.
    pub sold_out: bool,
    /// At most so many connections: 0, 1 or 2; more is read as 2.
    pub connections_max: u8,
    /// When the first flight may depart, by local time there.
    pub departure: Option<TimeWindow>,
    /// When the last flight may arrive, by local time there, on whatever day.
    pub arrival: Option<TimeWindow>,
    /// The order of the answer.
    pub sort: Sort,
    /// At most so many journeys, the cheapest and the fastest left aside: they are always there.
    pub limit: usize,
    /// Keeps journeys that another one beats in everything; see [`JourneyResult::journeys`].
    pub keep_dominated: bool,
    /// Bound on the work, in steps: an offer looked at, or a combination of flights or routes.
    pub work_max: u64,
    /// When flights connect.
    pub rules: Arc<ConnectionRules>,
}

/// The bound on the work of a search when nobody says: some 40 ms of a core. A day of 3,000 flights
/// stays below a quarter of it with two connections.
pub const WORK_MAX: u64 = 1_000_000;

impl JourneyQuery {
    /// Between two stations for one passenger: at most one connection, cheapest first, at most 50.
    pub fn new(
        origin: Station,
        destination: Station,
        date: Date,
        rules: Arc<ConnectionRules>,
    ) -> Self {
        Self {
            origins: vec![origin],
            destinations: vec![destination],
            date,
            passengers: 1,
            cabin: None,
            currency: None,
            sold_out: false,
            connections_max: 1,
            departure: None,
            arrival: None,
            sort: Sort::Price,
            limit: 50,
            keep_dominated: false,
            work_max: WORK_MAX,
            rules,
        }
    }
}

/// A part of the day, in minutes since local midnight, both ends included. When `from_min` is
/// greater than `to_min` it reaches over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    /// First minute.
    pub from_min: u16,
    /// Last minute.
    pub to_min: u16,
}

impl TimeWindow {
    /// Is a time in it? An instant (Unix time in seconds), and local time minus UTC in minutes.
    /// Seconds do not count: 10:00:59 is 10:00.
    pub fn contains(self, instant_s: i64, offset_min: i16) -> bool {
        let local_s = instant_s.saturating_add(i64::from(offset_min) * 60);
        let minute = (local_s.rem_euclid(24 * 3600) / 60) as u16;
        if self.from_min <= self.to_min {
            (self.from_min..=self.to_min).contains(&minute)
        } else {
            minute >= self.from_min || minute <= self.to_min
        }
    }
}

/// A journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// Its flights, one to three.
    pub segments: Vec<JourneySegment>,
    /// One seat on all of them: the sum of the prices of the segments' offers.
    pub price: Money,
    /// Nothing in its currency is cheaper; among equals the first by duration.
    pub is_cheapest: bool,
    /// Nothing takes less time; among equals the first by price.
    pub is_fastest: bool,
}

impl Journey {
    /// From the first departure to the last arrival, in seconds.
    pub fn duration_s(&self) -> i64 {
        let first = self.segments.first().map_or(0, |s| s.offer.departs_s);
        let last = self.segments.last().map_or(0, |s| s.offer.arrives_s);
        last.saturating_sub(first)
    }
}

/// One flight of a journey: one departure of one aircraft, whoever sells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneySegment {
    /// The flight that operates. The offer's number may be a codeshare of it.
    pub operating: FlightKey,
    /// The offer that the price is made of: the cheapest with enough seats in the cabin. When no
    /// offer has them, and sold-out ones are asked for, the cheapest to wait for.
    pub offer: OfferRow,
    /// Who else sells the flight with enough seats, under which number: for every other number and
    /// provider its cheapest offer, in the journey's currency where there is one; in the order of
    /// currency, price, flight, provider. These are the same seats, not more of them.
    pub alternatives: Vec<OfferRow>,
    /// Numbers under which the flight is sold besides its own, with offers or without.
    pub codeshares: Vec<FlightKey>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyResult {
    /// The first `limit` journeys in the order asked for, and after them the cheapest of each
    /// currency and the fastest where they are not among these.
    ///
    /// A journey with connections is left out when another one between the same two stations
    /// departs no earlier, arrives no later, costs no more in the same currency and has no more
    /// connections, and is not equal to it in all four.
    pub journeys: Vec<Journey>,
    /// How many there are, the limit left aside.
    pub total: usize,
    /// The bound on the work was met: there may be more journeys, cheaper or faster ones too.
    /// Those with fewer connections were looked at first, and of each the straightest ways.
    pub truncated: bool,
    /// Steps of work done.
    pub work: u64,
    /// What the answer reflects at least.
    pub covers: Arc<Covers>,
}

impl Serving {
    /// Journeys for one slice. Takes up to some milliseconds of a core: see [`WORK_MAX`].
    pub fn journeys(&self, query: &JourneyQuery) -> JourneyResult {
        let covers = self.progress.covers();
        let found = join::search(self, query);
        let total = found.journeys.len();
        let (work, truncated) = (found.work.done(), found.work.is_over());
        JourneyResult {
            journeys: answer::answer(self, query, found),
            total,
            truncated,
            work,
            covers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_know_midnight_and_offsets() {
        let window = |from_min, to_min| TimeWindow { from_min, to_min };
        let at = |h: i64, m: i64, s: i64| h * 3600 + m * 60 + s;
        let morning = window(8 * 60, 10 * 60);
        assert!(morning.contains(at(8, 0, 0), 0));
        assert!(morning.contains(at(10, 0, 59), 0));
        assert!(!morning.contains(at(10, 1, 0), 0));
        assert!(!morning.contains(at(7, 59, 59), 0));
        assert!(morning.contains(at(13, 30, 0), -300));
        assert!(morning.contains(at(2, 30, 0) - 86_400, 345));
        let night = window(22 * 60, 2 * 60);
        assert!(night.contains(at(23, 0, 0), 0) && night.contains(at(1, 0, 0), 0));
        assert!(!night.contains(at(12, 0, 0), 0));
        assert!(window(0, 1439).contains(i64::MAX, i16::MAX));
    }
}
