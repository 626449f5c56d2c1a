//! Joins flights to journeys: direct ones first, then with one connection, then with two.

use flightline_ledger::{Date, Station};

use super::JourneyQuery;
use super::board::{Board, StationNo};
use super::dominated::{self, Front};
use super::fares::{Fitting, Leg, LegNo, MoneyKind, Stock, Work};
use super::routes::{Hop, LookUp, Route, Routes, local_days};
use crate::serving::Serving;

/// A journey, before it is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) departs_s: i64,
    pub(super) arrives_s: i64,
    pub(super) minor: i64,
    pub(super) kind: MoneyKind,
    /// First and last station.
    pub(super) ends: (StationNo, StationNo),
    /// The flights; those after `connections + 1` mean nothing.
    legs: [LegNo; 3],
    pub(super) connections: u8,
}

impl Found {
    pub(super) fn legs(&self) -> &[LegNo] {
        &self.legs[..=usize::from(self.connections)]
    }

    pub(super) fn duration_s(&self) -> i64 {
        self.arrives_s.saturating_sub(self.departs_s)
    }
}

/// What a search found, in no order.
#[derive(Debug)]
pub(super) struct AllFound {
    pub(super) journeys: Vec<Found>,
    pub(super) stock: Stock,
    pub(super) work: Work,
}

/// Above so many journeys the dominated ones are dropped before more are looked for: the memory of
/// a search stays small.
const DROP_ABOVE: usize = 1 << 15;

struct Search<'a> {
    query: &'a JourneyQuery,
    board: Board<'a>,
    look_up: LookUp<'a>,
    first: Routes,
    middle: Routes,
    last: Routes,
    /// By station, whether it is a place to change from which, or from whose city, a destination
    /// can be reached on some day.
    reaches: Vec<bool>,
    journeys: Vec<Found>,
    drop_above: usize,
    /// By first flight and destination, the best journeys so far.
    fronts: Vec<Front>,
}

pub(super) fn search(serving: &Serving, query: &JourneyQuery) -> AllFound {
    let mut search = Search {
        query,
        board: Board::new(query),
        look_up: LookUp {
            serving,
            fitting: Fitting::new(query),
            stock: Stock::default(),
            work: Work::new(query.work_max),
        },
        first: Routes::default(),
        middle: Routes::default(),
        last: Routes::default(),
        reaches: Vec::new(),
        journeys: Vec::new(),
        drop_above: DROP_ABOVE,
        fronts: Vec::new(),
    };
    search.direct();
    if query.connections_max > 0 {
        search.first_flights();
        search.one_connection();
    }
    if query.connections_max > 1 {
        search.two_connections();
    }
    if !query.keep_dominated {
        dominated::drop(&mut search.journeys);
    }
    AllFound {
        journeys: search.journeys,
        stock: search.look_up.stock,
        work: search.look_up.work,
    }
}

/// When a passenger may go on: from the first arrival and the least layover to the last arrival and
/// the greatest.
fn window((first_s, last_s): (i64, i64), (least_s, most_s): (i64, i64)) -> (i64, i64) {
    (
        first_s.saturating_add(least_s),
        last_s.saturating_add(most_s),
    )
}

const ALWAYS: (i64, i64) = (i64::MIN, i64::MAX);

impl<'a> Search<'a> {
    /// Where one can go from a station on these days.
    fn onward(
        &mut self,
        from: StationNo,
        (first, last): (Date, Date),
    ) -> Vec<(Station, Vec<Date>)> {
        let mut onward = Vec::new();
        let board = self.board.station(from);
        let network = &self.look_up.serving.routes.network;
        network.onward(board, first, last, |off, days| {
            onward.push((off, days.to_vec()));
        });
        if !self.look_up.work.take(onward.len() as u64) {
            onward.clear();
        }
        onward
    }

    fn departs_in_time(query: &JourneyQuery) -> impl Fn(&Leg) -> bool + use<> {
        let window = query.departure;
        move |leg| window.is_none_or(|w| w.contains(leg.departs_s, leg.departs_offset_min))
    }

    fn arrives_in_time(query: &JourneyQuery) -> impl Fn(&Leg) -> bool + use<> {
        let window = query.arrival;
        move |leg| window.is_none_or(|w| w.contains(leg.arrives_s, leg.arrives_offset_min))
    }

    fn direct(&mut self) {
        let departs = Self::departs_in_time(self.query);
        let arrives = Self::arrives_in_time(self.query);
        let mut routes = Routes::default();
        for from in self.board.origins.clone() {
            for to in self.board.destinations.clone() {
                if from == to {
                    continue;
                }
                let days = [self.query.date];
                let (look_up, board) = (&mut self.look_up, &self.board);
                routes.load(look_up, board, (from, to), &days, |leg| {
                    departs(leg) && arrives(leg)
                });
            }
        }
        for at in 0..routes.len() {
            let route = routes.get(at);
            for hop in &route.hops {
                self.found((route.board, route.off), &[*hop], None);
            }
        }
    }

    /// Looks up every first flight that may lead to a connection.
    fn first_flights(&mut self) {
        self.find_what_reaches();
        let departs = Self::departs_in_time(self.query);
        let any = self.query.connections_max > 1;
        for from in self.board.origins.clone() {
            for (off, days) in self.onward(from, (self.query.date, self.query.date)) {
                let to = self.board.no(off);
                if self.board.is_end(to) || self.board.same_city(from, to) {
                    continue;
                }
                if any || self.reaches(to) {
                    let (look_up, board) = (&mut self.look_up, &self.board);
                    self.first.load(look_up, board, (from, to), &days, &departs);
                }
            }
        }
        let fronts = self.look_up.stock.legs() * self.board.destinations.len();
        self.fronts.resize_with(fronts, Front::default);
    }

    fn find_what_reaches(&mut self) {
        let mut boards = Vec::new();
        for to in self.board.destinations.clone() {
            let to = self.board.station(to);
            self.look_up
                .serving
                .routes
                .network
                .boards_into(to, &mut boards);
        }
        for board in boards {
            let no = self.board.no(board);
            if self.board.is_end(no) {
                continue;
            }
            for no in self.board.onward(no) {
                let at = usize::from(no);
                if self.reaches.len() <= at {
                    self.reaches.resize(at + 1, false);
                }
                self.reaches[at] = true;
            }
        }
    }

    fn reaches(&self, no: StationNo) -> bool {
        self.reaches.get(usize::from(no)).copied().unwrap_or(false)
    }

    /// Looks up the flights to the destinations after arriving at a station between two instants,
    /// and returns their routes.
    fn last_flights(&mut self, arrival: StationNo, arrivals: (i64, i64)) -> Vec<usize> {
        let mut found = Vec::new();
        if !self.reaches(arrival) {
            return found;
        }
        let arrives = Self::arrives_in_time(self.query);
        let mut days = Vec::new();
        for from in self.board.onward(arrival) {
            let (first_s, last_s) = window(arrivals, self.board.layover_s(arrival, from));
            let (first, last) = local_days(first_s, last_s);
            for to in self.board.destinations.clone() {
                let (board, off) = (self.board.station(from), self.board.station(to));
                days.clear();
                let network = &self.look_up.serving.routes.network;
                network.days(board, off, first, last, &mut days);
                if !days.is_empty() {
                    let (look_up, board) = (&mut self.look_up, &self.board);
                    let last = &mut self.last;
                    found.push(last.load(look_up, board, (from, to), &days, &arrives));
                }
            }
        }
        found
    }

    fn one_connection(&mut self) {
        let mut pairs = Vec::new();
        for at in 0..self.first.len() {
            let first = self.first.get(at);
            let (origin, change) = (first.board, first.off);
            let Some(arrivals) = first.arrivals(ALWAYS.0, ALWAYS.1) else {
                continue;
            };
            for last_at in self.last_flights(change, arrivals) {
                let last = self.last.get(last_at);
                let (board, to) = (last.board, last.off);
                if self.board.same_city(origin, to) || self.board.same_city(change, to) {
                    continue;
                }
                if let Some(way) = self.way(&[(origin, change), (board, to)]) {
                    pairs.push((way, at, last_at));
                }
            }
        }
        pairs.sort_unstable();
        let (first, last) = (
            std::mem::take(&mut self.first),
            std::mem::take(&mut self.last),
        );
        for (_, at, last_at) in pairs {
            if !self.join_two(first.get(at), last.get(last_at)) {
                break;
            }
        }
        (self.first, self.last) = (first, last);
    }

    /// How long a way is, as far as that is known, if it is not too long.
    fn way(&self, flights: &[(StationNo, StationNo)]) -> Option<u64> {
        let way_m = self.board.way_m(flights);
        let (from, to) = (flights[0].0, flights[flights.len() - 1].1);
        let allowed = way_m.is_none_or(|way_m| self.board.allows(way_m, from, to));
        allowed.then_some(way_m.unwrap_or(u64::MAX))
    }

    /// False when the bound on the work is met.
    fn join_two(&mut self, first: &Route, last: &Route) -> bool {
        let (least_s, most_s) = self.board.layover_s(first.off, last.board);
        let ends = (first.board, last.off);
        let to = self.destination(last.off);
        for a in &first.hops {
            let (from_s, to_s) = window((a.arrives_s, a.arrives_s), (least_s, most_s));
            let next = last.departing(from_s, to_s);
            if !self.look_up.work.take(1 + next.len() as u64) {
                return false;
            }
            for b in next {
                if !self.same_flight(a, b) {
                    self.found(ends, &[*a, *b], Some(self.front(a, to)));
                }
            }
        }
        true
    }

    /// As [`Search::join_two`], with a flight in the middle.
    fn join_three(&mut self, first: &Route, middle: &Route, last: &Route) -> bool {
        let layover = self.board.layover_s(first.off, middle.board);
        let layover_then = self.board.layover_s(middle.off, last.board);
        let ends = (first.board, last.off);
        let to = self.destination(last.off);
        for a in &first.hops {
            let (from_s, to_s) = window((a.arrives_s, a.arrives_s), layover);
            let next = middle.departing(from_s, to_s);
            if !self.look_up.work.take(1 + next.len() as u64) {
                return false;
            }
            for b in next {
                let (from_s, to_s) = window((b.arrives_s, b.arrives_s), layover_then);
                let then = last.departing(from_s, to_s);
                if !self.look_up.work.take(then.len() as u64) {
                    return false;
                }
                if self.same_flight(a, b) {
                    continue;
                }
                for c in then {
                    if !self.same_flight(a, c) && !self.same_flight(b, c) {
                        self.found(ends, &[*a, *b, *c], Some(self.front(a, to)));
                    }
                }
            }
        }
        true
    }

    fn two_connections(&mut self) {
        // First and middle routes that connect, and when the passenger may go on after each middle
        // one's arrivals.
        let mut pairs = Vec::new();
        let mut onward_s: Vec<(i64, i64)> = Vec::new();
        for at in 0..self.first.len() {
            let first = self.first.get(at);
            let (origin, change) = (first.board, first.off);
            let Some(arrivals) = first.arrivals(ALWAYS.0, ALWAYS.1) else {
                continue;
            };
            for board in self.board.onward(change) {
                let (from_s, to_s) = window(arrivals, self.board.layover_s(change, board));
                for (off, days) in self.onward(board, local_days(from_s, to_s)) {
                    let then = self.board.no(off);
                    let again = [origin, change]
                        .iter()
                        .any(|no| self.board.same_city(*no, then));
                    if again || !self.reaches(then) {
                        continue;
                    }
                    let ends = (board, then);
                    let (look_up, board) = (&mut self.look_up, &self.board);
                    let middle = &mut self.middle;
                    let middle_at = middle.load(look_up, board, ends, &days, |_| true);
                    if onward_s.len() <= middle_at {
                        onward_s.push((i64::MAX, i64::MIN));
                    }
                    let window = &mut onward_s[middle_at];
                    *window = (window.0.min(from_s), window.1.max(to_s));
                    pairs.push((at, middle_at));
                }
            }
        }
        let onward: Vec<Vec<usize>> = (0..self.middle.len())
            .map(|at| {
                let middle = self.middle.get(at);
                let arrivals = middle.arrivals(onward_s[at].0, onward_s[at].1);
                let change = middle.off;
                arrivals.map_or(Vec::new(), |arrivals| self.last_flights(change, arrivals))
            })
            .collect();
        let mut ways = Vec::new();
        for (at, middle_at) in pairs {
            let (first, middle) = (self.first.get(at), self.middle.get(middle_at));
            let (origin, change, then) = (first.board, first.off, middle.off);
            if !self.look_up.work.take(onward[middle_at].len() as u64) {
                break;
            }
            for last_at in &onward[middle_at] {
                let last = self.last.get(*last_at);
                let to = last.off;
                let again = [origin, change, then]
                    .iter()
                    .any(|no| self.board.same_city(*no, to));
                if again {
                    continue;
                }
                let flights = [(origin, change), (middle.board, then), (last.board, to)];
                if let Some(way) = self.way(&flights) {
                    ways.push((way, at, middle_at, *last_at));
                }
            }
        }
        ways.sort_unstable();
        let (first, middle, last) = (
            std::mem::take(&mut self.first),
            std::mem::take(&mut self.middle),
            std::mem::take(&mut self.last),
        );
        for (_, at, middle_at, last_at) in ways {
            if !self.join_three(first.get(at), middle.get(middle_at), last.get(last_at)) {
                break;
            }
        }
    }

    fn same_flight(&self, a: &Hop, b: &Hop) -> bool {
        self.look_up.stock.leg(a.leg).operating == self.look_up.stock.leg(b.leg).operating
    }

    /// A destination's place among the destinations.
    fn destination(&self, no: StationNo) -> usize {
        let at = self.board.destinations.iter().position(|to| *to == no);
        at.unwrap_or_else(|| panic!("station {no} is no destination"))
    }

    fn front(&self, first: &Hop, to: usize) -> usize {
        first.leg as usize * self.board.destinations.len() + to
    }

    /// Takes a journey, if it has a price and is not dominated by one with the same first flight.
    fn found(&mut self, ends: (StationNo, StationNo), hops: &[Hop], front: Option<usize>) {
        let mut legs = [0; 3];
        for (leg, hop) in legs.iter_mut().zip(hops) {
            *leg = hop.leg;
        }
        let Some((kind, minor)) = self.look_up.stock.price(&legs[..hops.len()]) else {
            return;
        };
        let found = Found {
            departs_s: hops[0].departs_s,
            arrives_s: hops[hops.len() - 1].arrives_s,
            minor,
            kind,
            ends,
            legs,
            connections: (hops.len() - 1) as u8,
        };
        if self.query.keep_dominated {
            self.journeys.push(found);
            return;
        }
        if front.is_some_and(|front| !self.fronts[front].take(&found)) {
            return;
        }
        self.journeys.push(found);
        if self.journeys.len() > self.drop_above {
            dominated::drop(&mut self.journeys);
            self.drop_above = DROP_ABOVE.max(2 * self.journeys.len());
        }
    }
}
