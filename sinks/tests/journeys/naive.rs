//! The judge: every chain of flights is tried, and the rules of `docs/journeys.md` are asked of each,
//! one by one and as they are written there.

use std::collections::{BTreeMap, BTreeSet};

use flightline_dataflows::rows::{FlightRow, OfferRow};
use flightline_ledger::{Cabin, Currency, Date, FlightKey, Money, Station};
use flightline_sinks::serving::*;

/// Offers of one departure that fit a party, the best of each number, provider and currency.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    operating: FlightKey,
    board: Station,
    off: Station,
    date: Date,
    departs_s: i64,
    departs_offset_min: i16,
    arrives_s: i64,
    arrives_offset_min: i16,
    offers: Vec<OfferRow>,
}

/// What a party wants of an offer.
pub(crate) type Wants = (u16, Option<Cabin>, Option<Currency>);

type Money3 = ([u8; 3], u8, i64);

fn money(row: &OfferRow) -> Money3 {
    let price = row.price;
    (price.currency.bytes(), price.exponent, price.minor)
}

/// All departures of a schedule, for one kind of party.
pub(crate) struct Judge {
    departures: BTreeMap<Station, BTreeMap<Station, Vec<Departure>>>,
    numbers: BTreeMap<FlightKey, Vec<FlightKey>>,
}

impl Judge {
    pub(crate) fn new<'a>(
        flights: impl Iterator<Item = &'a FlightRow>,
        offers: impl Iterator<Item = &'a OfferRow>,
        (seats, cabin, currency): Wants,
    ) -> Self {
        let mut operating = BTreeMap::new();
        let mut numbers: BTreeMap<FlightKey, Vec<FlightKey>> = BTreeMap::new();
        for row in flights {
            if let Some(by) = row.operating {
                operating.insert(row.flight, by);
                numbers.entry(by).or_default().push(row.flight);
            }
        }
        numbers.values_mut().for_each(|list| list.sort());
        let mut together: BTreeMap<_, Vec<&OfferRow>> = BTreeMap::new();
        for row in offers {
            let fits = row.seats >= seats.max(1)
                && cabin.is_none_or(|cabin| cabin == row.cabin)
                && currency.is_none_or(|currency| currency == row.price.currency);
            if fits {
                let by = *operating.get(&row.flight).unwrap_or(&row.flight);
                let departure = (row.board, row.off, row.date, by);
                together.entry(departure).or_default().push(row);
            }
        }
        let mut departures: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
        for ((board, off, date, by), rows) in together {
            let own = rows.iter().find(|row| row.flight == by);
            let first = rows.iter().min_by_key(|row| row.flight).unwrap();
            let lead = own.unwrap_or(first);
            let mut best: BTreeMap<_, &OfferRow> = BTreeMap::new();
            for row in &rows {
                if (row.departs_s, row.arrives_s) != (lead.departs_s, lead.arrives_s) {
                    continue;
                }
                let price = row.price;
                let whose = (row.flight, row.provider, price.currency, price.exponent);
                let known = best.entry(whose).or_insert(row);
                let worth = |row: &OfferRow| (row.price.minor, row.cabin, row.class);
                if worth(row) < worth(known) {
                    *known = row;
                }
            }
            let departure = Departure {
                operating: by,
                board,
                off,
                date,
                departs_s: lead.departs_s,
                departs_offset_min: lead.departs_offset_min,
                arrives_s: lead.arrives_s,
                arrives_offset_min: lead.arrives_offset_min,
                offers: best.into_values().cloned().collect(),
            };
            let of_board = departures.entry(board).or_default();
            of_board.entry(off).or_default().push(departure);
        }
        Self {
            departures,
            numbers,
        }
    }

    /// The journeys of an answer, and how many there are in all.
    pub(crate) fn search(&self, query: &JourneyQuery, map: &Map) -> (Vec<Journey>, usize) {
        let mut chains = Vec::new();
        let first = Trying {
            judge: self,
            query,
            map,
            origins: query.origins.iter().copied().collect(),
            destinations: query.destinations.iter().copied().collect(),
        };
        first.depart(&mut chains);
        let mut found: Vec<Tried> = chains
            .into_iter()
            .filter_map(|chain| Tried::new(&chain))
            .collect();
        if !query.keep_dominated {
            found = undominated(found);
        }
        let total = found.len();
        (self.answer(found, query), total)
    }

    fn answer(&self, mut found: Vec<Tried>, query: &JourneyQuery) -> Vec<Journey> {
        found.sort_by_key(|tried| tried.order(Sort::Price));
        let mut cheapest = BTreeMap::new();
        for tried in &found {
            let kind = (tried.price.0, tried.price.1);
            cheapest.entry(kind).or_insert_with(|| tried.clone());
        }
        let fastest = found.iter().min_by_key(|tried| tried.order(Sort::Duration));
        let fastest = fastest.cloned();
        found.sort_by_key(|tried| tried.order(query.sort));
        found.truncate(query.limit);
        for best in cheapest.values().chain(&fastest) {
            if !found.iter().any(|tried| tried.chain == best.chain) {
                found.push(best.clone());
            }
        }
        let is = |a: &Tried, b: &Tried| a.chain == b.chain;
        let journeys = found.iter().map(|tried| Journey {
            segments: tried.segments(&self.numbers),
            price: tried.money(),
            is_cheapest: cheapest.values().any(|best| is(best, tried)),
            is_fastest: fastest.as_ref().is_some_and(|best| is(best, tried)),
        });
        journeys.collect()
    }
}

/// Cities and coordinates, as plain lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    pub(crate) cities: BTreeMap<Station, Station>,
    pub(crate) degrees: BTreeMap<Station, (f64, f64)>,
}

impl Map {
    fn city(&self, station: Station) -> Station {
        *self.cities.get(&station).unwrap_or(&station)
    }

    /// Great-circle distance by the haversine formula.
    fn distance_m(&self, a: Station, b: Station) -> Option<f64> {
        let ((lat_a, lon_a), (lat_b, lon_b)) = (*self.degrees.get(&a)?, *self.degrees.get(&b)?);
        let half = |x: f64, y: f64| ((x - y).to_radians() / 2.0).sin().powi(2);
        let h = half(lat_a, lat_b)
            + lat_a.to_radians().cos() * lat_b.to_radians().cos() * half(lon_a, lon_b);
        Some((2.0 * 6_371_008.8 * h.sqrt().min(1.0).asin()).round())
    }

    pub(crate) fn places(&self) -> Places {
        let stations: BTreeSet<_> = self.cities.keys().chain(self.degrees.keys()).collect();
        let place = |station: &Station| Place {
            station: *station,
            city: self.cities.get(station).copied(),
            coordinates: self.degrees.get(station).copied(),
        };
        Places::new(stations.into_iter().map(place)).unwrap()
    }
}

struct Trying<'a> {
    judge: &'a Judge,
    query: &'a JourneyQuery,
    map: &'a Map,
    origins: BTreeSet<Station>,
    destinations: BTreeSet<Station>,
}

fn in_window(window: Option<TimeWindow>, at_s: i64, offset_min: i16) -> bool {
    let Some(TimeWindow { from_min, to_min }) = window else {
        return true;
    };
    let minute = (at_s.div_euclid(60) + i64::from(offset_min)).rem_euclid(1440);
    let (from, to) = (i64::from(from_min), i64::from(to_min));
    if from <= to {
        from <= minute && minute <= to
    } else {
        minute >= from || minute <= to
    }
}

impl<'a> Trying<'a> {
    fn depart(&self, chains: &mut Vec<Vec<&'a Departure>>) {
        for origin in &self.origins {
            for list in self.judge.departures.get(origin).into_iter().flatten() {
                for first in list.1 {
                    let in_time = in_window(
                        self.query.departure,
                        first.departs_s,
                        first.departs_offset_min,
                    );
                    if first.date == self.query.date && in_time {
                        self.go_on(vec![first], chains);
                    }
                }
            }
        }
    }

    fn go_on(&self, chain: Vec<&'a Departure>, chains: &mut Vec<Vec<&'a Departure>>) {
        let last = chain[chain.len() - 1];
        if self.destinations.contains(&last.off) {
            if self.is_journey(&chain) {
                chains.push(chain);
            }
            return;
        }
        let more = usize::from(self.query.connections_max.min(2)) + 1 - chain.len();
        if more == 0 || self.origins.contains(&last.off) {
            return;
        }
        for (board, onward) in &self.judge.departures {
            if self.map.city(*board) != self.map.city(last.off) {
                continue;
            }
            for (off, list) in onward {
                // Only the last flight goes to a destination, and the last one must.
                if more == 1 && !self.destinations.contains(off) {
                    continue;
                }
                for next in list {
                    if self.connects(last, next) {
                        let mut longer = chain.clone();
                        longer.push(next);
                        self.go_on(longer, chains);
                    }
                }
            }
        }
    }

    fn connects(&self, arrival: &Departure, next: &Departure) -> bool {
        let rules = &self.query.rules;
        let least_at = |station: Station| {
            let own = rules.min_connection_at.get(&station).copied();
            i64::from(own.unwrap_or(rules.min_connection_min))
        };
        let mut least = least_at(arrival.off);
        if arrival.off != next.board {
            least = least
                .max(least_at(next.board))
                .max(i64::from(rules.airport_change_min));
        }
        let layover_s = next.departs_s - arrival.arrives_s;
        let most = i64::from(rules.max_layover_min);
        (least * 60..=most * 60).contains(&layover_s)
            && !self.origins.contains(&next.board)
            && !self.destinations.contains(&next.board)
    }

    fn is_journey(&self, chain: &[&Departure]) -> bool {
        let (first, last) = (chain[0], chain[chain.len() - 1]);
        if !in_window(self.query.arrival, last.arrives_s, last.arrives_offset_min) {
            return false;
        }
        if chain.len() == 1 {
            return first.board != first.off;
        }
        let flights: BTreeSet<_> = chain.iter().map(|d| d.operating).collect();
        let mut cities: BTreeSet<_> = chain.iter().map(|d| self.map.city(d.off)).collect();
        cities.insert(self.map.city(first.board));
        if flights.len() != chain.len() || cities.len() != chain.len() + 1 {
            return false;
        }
        let Some(detour) = self.query.rules.detour else {
            return true;
        };
        let flown = chain.iter().map(|d| self.map.distance_m(d.board, d.off));
        let (Some(flown), Some(straight)) = (
            flown.sum::<Option<f64>>(),
            self.map.distance_m(first.board, last.off),
        ) else {
            return true;
        };
        let most = (straight * f64::from(detour.factor_permille) / 1000.0).floor();
        flown <= most + f64::from(detour.slack_km) * 1000.0
    }
}

/// A departure's identity: flight, stations, day.
type Which = (FlightKey, Station, Station, Date);

/// A chain with its price.
#[derive(Clone, Debug)]
struct Tried {
    chain: Vec<Which>,
    departures: Vec<Departure>,
    price: Money3,
}

type Order = (i64, Money3, i64, usize, i64, Vec<Which>);

impl Tried {
    /// `None` when there is no currency in which all flights are sold, or the sum fits in none.
    fn new(chain: &[&Departure]) -> Option<Self> {
        let kinds_of = |departure: &Departure| -> BTreeSet<([u8; 3], u8)> {
            let offers = departure.offers.iter().map(money);
            offers.map(|(code, exponent, _)| (code, exponent)).collect()
        };
        let mut kinds = kinds_of(chain[0]);
        for departure in &chain[1..] {
            kinds = &kinds & &kinds_of(departure);
        }
        let sum = |kind: &([u8; 3], u8)| {
            let mut sum = 0_i128;
            for departure in chain {
                let offers = departure.offers.iter().map(money);
                let of_kind = offers.filter(|m| (m.0, m.1) == *kind);
                sum += i128::from(of_kind.map(|m| m.2).min().unwrap());
            }
            i64::try_from(sum).ok()
        };
        let found = kinds.iter().find_map(|kind| Some((*kind, sum(kind)?)));
        let ((code, exponent), minor) = found?;
        Some(Self {
            chain: chain
                .iter()
                .map(|d| (d.operating, d.board, d.off, d.date))
                .collect(),
            departures: chain.iter().map(|d| (*d).clone()).collect(),
            price: (code, exponent, minor),
        })
    }

    fn departs_s(&self) -> i64 {
        self.departures[0].departs_s
    }

    fn arrives_s(&self) -> i64 {
        self.departures[self.departures.len() - 1].arrives_s
    }

    fn order(&self, sort: Sort) -> Order {
        let duration = self.arrives_s() - self.departs_s();
        let first = match sort {
            Sort::Price => 0,
            Sort::Departure => self.departs_s(),
            Sort::Arrival => self.arrives_s(),
            Sort::Duration => duration,
        };
        let connections = self.chain.len() - 1;
        let chain = self.chain.clone();
        (
            first,
            self.price,
            duration,
            connections,
            self.departs_s(),
            chain,
        )
    }

    fn money(&self) -> Money {
        Money {
            minor: self.price.2,
            currency: Currency::from_bytes(self.price.0).unwrap(),
            exponent: self.price.1,
        }
    }

    fn segments(&self, numbers: &BTreeMap<FlightKey, Vec<FlightKey>>) -> Vec<JourneySegment> {
        let by_price =
            |row: &OfferRow| (money(row), row.flight, row.provider, row.cabin, row.class);
        let segments = self.departures.iter().map(|departure| {
            let mut offers = departure.offers.clone();
            offers.sort_by_key(by_price);
            let is_kind = |row: &OfferRow| {
                let (code, exponent, _) = money(row);
                (code, exponent) == (self.price.0, self.price.1)
            };
            let offer = offers.iter().find(|row| is_kind(row)).unwrap().clone();
            let mut sellers: BTreeMap<_, OfferRow> = BTreeMap::new();
            // Those in the right currency first, so that they are the ones that stay.
            offers.sort_by_key(|row| (!is_kind(row), by_price(row)));
            for row in offers {
                sellers.entry((row.flight, row.provider)).or_insert(row);
            }
            sellers.remove(&(offer.flight, offer.provider));
            let mut alternatives: Vec<_> = sellers.into_values().collect();
            alternatives.sort_by_key(by_price);
            JourneySegment {
                operating: departure.operating,
                offer,
                alternatives,
                codeshares: numbers
                    .get(&departure.operating)
                    .cloned()
                    .unwrap_or_default(),
            }
        });
        segments.collect()
    }
}

/// Leaves out what another journey dominates. It is enough to compare with those that stay, when
/// whatever dominates a journey is seen before it.
fn undominated(mut all: Vec<Tried>) -> Vec<Tried> {
    let what = |t: &Tried| (t.price.2, t.arrives_s(), t.chain.len(), -t.departs_s());
    all.sort_by_key(what);
    let ends = |t: &Tried| {
        let stations = (t.chain[0].1, t.chain[t.chain.len() - 1].2);
        (stations, t.price.0, t.price.1)
    };
    let mut best: BTreeMap<_, Vec<(i64, i64, usize, i64)>> = BTreeMap::new();
    all.retain(|tried| {
        let best = best.entry(ends(tried)).or_default();
        let me = what(tried);
        let no_worse = |other: &(i64, i64, usize, i64)| {
            other.0 <= me.0 && other.1 <= me.1 && other.2 <= me.2 && other.3 <= me.3
        };
        let is_dominated = best.iter().any(|other| *other != me && no_worse(other));
        if !is_dominated && best.last() != Some(&me) {
            best.push(me);
        }
        !is_dominated || tried.chain.len() == 1
    });
    all
}
