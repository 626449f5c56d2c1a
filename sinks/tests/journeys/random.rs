//! Small random schedules, made to be hard: few stations, near times, equal prices, several
//! currencies, codeshares that lag, offsets that are wrong, flights of two legs.

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_dataflows::changelog::{Change, Epoch};
use flightline_dataflows::rows::{FlightRow, FlightStatus, OfferRow};
use flightline_ledger::{Cabin, Class, Date, FlightKey, Money, ProviderCode, Station};
use flightline_sinks::serving::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::naive::{Map, Wants};

/// Station, city, offset, coordinates where they are known.
type Known = (&'static str, Option<&'static str>, i16, Option<(f64, f64)>);

const STATIONS: [Known; 10] = [
    ("EWR", Some("NYC"), -300, Some((40.69, -74.17))),
    ("JFK", Some("NYC"), -300, Some((40.64, -73.78))),
    ("LGA", Some("NYC"), -300, Some((40.78, -73.87))),
    ("ORD", Some("CHI"), -360, Some((41.98, -87.90))),
    ("MDW", Some("CHI"), -360, None),
    ("DEN", None, -420, Some((39.86, -104.67))),
    ("SFO", None, -480, Some((37.62, -122.37))),
    ("HNL", None, -600, Some((21.32, -157.92))),
    ("NRT", None, 540, Some((35.76, 140.39))),
    ("XYZ", None, 345, None),
];
const PROVIDERS: [&str; 3] = ["gds-1", "nyc", "x"];
const FIRST_DAY: i32 = 20_800;
const DAY_S: i64 = 86_400;

type OfferKey = (
    FlightKey,
    Station,
    Station,
    ProviderCode,
    Cabin,
    Option<Class>,
);

/// Flight, first and last leg, and who sells what.
type SoldKey = (FlightKey, u8, u8, ProviderCode, Cabin, Option<Class>);

#[derive(Default)]
struct State {
    flights: BTreeMap<FlightKey, FlightRow>,
    offers: BTreeMap<SoldKey, OfferRow>,
}

/// A schedule that changes from epoch to epoch.
pub(crate) struct Schedule {
    pub(crate) rng: StdRng,
    state: State,
    sent: (BTreeMap<FlightKey, FlightRow>, BTreeMap<OfferKey, OfferRow>),
    number: u64,
    next: u16,
    stations: usize,
    prices: i64,
}

fn station(at: usize) -> Station {
    STATIONS[at].0.parse().unwrap()
}

pub(crate) fn map() -> Map {
    let mut map = Map::default();
    for (code, city, _, degrees) in STATIONS {
        let station: Station = code.parse().unwrap();
        map.cities
            .extend(city.map(|city| (station, city.parse().unwrap())));
        map.degrees.extend(degrees.map(|at| (station, at)));
    }
    map
}

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let stations = rng.random_range(4..=STATIONS.len());
        let prices = if rng.random_ratio(1, 2) { 5 } else { 400 };
        Self {
            rng,
            state: State::default(),
            sent: Default::default(),
            number: 0,
            next: 1,
            stations,
            prices,
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    fn any(&mut self) -> Option<FlightKey> {
        let n = self.state.flights.len();
        let at = self.rng.random_range(0..n.max(1));
        self.state.flights.keys().nth(at).copied()
    }

    pub(crate) fn flights(&self) -> impl Iterator<Item = &FlightRow> {
        self.state.flights.values()
    }

    pub(crate) fn offers(&self) -> impl Iterator<Item = &OfferRow> {
        self.sent.1.values()
    }

    /// One or two legs on a day, sold by somebody.
    pub(crate) fn add(&mut self) {
        let date = Date(FIRST_DAY + self.rng.random_range(0..4));
        let legs = if self.rng.random_ratio(1, 6) { 2 } else { 1 };
        let mut calls = Vec::new();
        while calls.len() <= legs {
            let at = self.rng.random_range(0..self.stations);
            // Mostly from and to the first ones, which are hubs then.
            let at = if self.rng.random_ratio(1, 3) {
                at % 4
            } else {
                at
            };
            if calls.last() != Some(&at) {
                calls.push(at);
            }
        }
        let carrier = self.pick(&["UA", "9E", "BAW"]).parse().unwrap();
        let flight = FlightKey {
            carrier,
            number: self.next,
            suffix: 0,
            origin_date: date,
            board: station(calls[0]),
        };
        self.next += 1;
        let minute = self.rng.random_range(0..1440) / 15 * 15;
        let departs_s =
            i64::from(date.0) * DAY_S + minute * 60 - i64::from(STATIONS[calls[0]].2) * 60;
        self.sell(flight, None, &calls, departs_s);
        if self.rng.random_ratio(1, 5) {
            let number = FlightKey {
                carrier: "LH".parse().unwrap(),
                number: self.next,
                ..flight
            };
            self.next += 1;
            let lags = if self.rng.random_ratio(1, 4) { 900 } else { 0 };
            self.sell(number, Some(flight), &calls, departs_s + lags);
        }
    }

    fn sell(
        &mut self,
        flight: FlightKey,
        operating: Option<FlightKey>,
        calls: &[usize],
        departs_s: i64,
    ) {
        let row = FlightRow {
            flight,
            status: FlightStatus::Scheduled,
            owner: PROVIDERS[0].parse().unwrap(),
            operating,
            quality: 0,
        };
        self.state.flights.insert(flight, row);
        if operating.is_some() && self.rng.random_ratio(1, 3) {
            // As the ledger has it: only a number.
            return;
        }
        let mut legs = Vec::new();
        let mut at_s = departs_s;
        for pair in calls.windows(2) {
            let block_s = [1, 2, 4, 9][self.rng.random_range(0..4)] * 3600;
            let wrong = self.rng.random_ratio(1, 40);
            let offset = |at: usize| if wrong { 0 } else { STATIONS[at].2 };
            legs.push((
                station(pair[0]),
                station(pair[1]),
                (at_s, offset(pair[0])),
                (at_s + block_s, offset(pair[1])),
            ));
            at_s += block_s + 2700;
        }
        for provider in PROVIDERS {
            if !self.rng.random_ratio(3, 5) {
                continue;
            }
            let provider: ProviderCode = provider.parse().unwrap();
            let kind = self.pick(&[("USD", 2), ("USD", 2), ("USD", 2), ("EUR", 2), ("USD", 3)]);
            for cabin in [b'J', b'Y'].map(|letter| Cabin::new(letter).unwrap()) {
                for class in [None, Class::new(b'M').ok(), Class::new(b'Y').ok()] {
                    if self.rng.random_ratio(1, 3) {
                        continue;
                    }
                    for from in 0..legs.len() {
                        for to in from..legs.len() {
                            let (board, _, departs, _) = legs[from];
                            let (_, off, _, arrives) = legs[to];
                            let local_s = departs.0 + i64::from(departs.1) * 60;
                            let row = OfferRow {
                                board,
                                off,
                                date: Date(local_s.div_euclid(DAY_S) as i32),
                                flight,
                                provider,
                                cabin,
                                class,
                                price: self.price(kind),
                                seats: self.rng.random_range(0..9),
                                seats_is_floor: false,
                                departs_s: departs.0,
                                departs_offset_min: departs.1,
                                arrives_s: arrives.0,
                                arrives_offset_min: arrives.1,
                                aircraft: *b"320",
                                legs: (to - from + 1) as u8,
                            };
                            let key = (flight, from as u8, to as u8, provider, cabin, class);
                            self.state.offers.insert(key, row);
                        }
                    }
                }
            }
        }
    }

    fn price(&mut self, (code, exponent): (&str, u8)) -> Money {
        let minor = match self.rng.random_range(0..60) {
            0 => i64::MAX,
            1 => 0,
            _ => self.rng.random_range(1..=self.prices) * 1000,
        };
        Money {
            minor,
            currency: code.parse().unwrap(),
            exponent,
        }
    }

    /// Something happens to a flight.
    pub(crate) fn change(&mut self) {
        let what = self.rng.random_range(0..10);
        let Some(flight) = self.any() else {
            return self.add();
        };
        let keys = self.state.offers.keys().copied();
        let keys: Vec<_> = keys.filter(|key| key.0 == flight).collect();
        match what {
            0 | 1 => self.add(),
            2 => {
                self.state.flights.remove(&flight);
                self.state.offers.retain(|key, _| key.0 != flight);
            }
            3 => {
                let by = self.rng.random_range(-30..30) * 1800;
                for key in keys {
                    let row = self.state.offers.get_mut(&key).unwrap();
                    row.departs_s += by;
                    row.arrives_s += by;
                    let local_s = row.departs_s + i64::from(row.departs_offset_min) * 60;
                    row.date = Date(local_s.div_euclid(DAY_S) as i32);
                }
            }
            4 => {
                let other = self.any().filter(|other| *other != flight);
                let row = self.state.flights.get_mut(&flight).unwrap();
                row.operating = if row.operating.is_some() { None } else { other };
            }
            5 | 6 => {
                for key in keys {
                    let kind = self.pick(&[("USD", 2), ("EUR", 2)]);
                    let price = self.price(kind);
                    self.state.offers.get_mut(&key).unwrap().price = price;
                }
            }
            _ => {
                for key in keys {
                    let seats = self.rng.random_range(0..9);
                    self.state.offers.get_mut(&key).unwrap().seats = seats;
                }
            }
        }
    }

    /// Everything goes.
    pub(crate) fn clear(&mut self) {
        self.state = State::default();
    }

    /// What changed since the last epoch.
    pub(crate) fn epoch(&mut self) -> Arc<Epoch> {
        // Two legs of a flight may make the same segment: A to B, B to A, A to B. The first counts.
        let mut offers = BTreeMap::new();
        for row in self.state.offers.values() {
            let key = (
                row.flight,
                row.board,
                row.off,
                row.provider,
                row.cabin,
                row.class,
            );
            offers.entry(key).or_insert_with(|| row.clone());
        }
        let epoch = Epoch {
            number: self.number,
            covers: vec![self.number + 1],
            flights: difference(&self.sent.0, &self.state.flights),
            offers: difference(&self.sent.1, &offers),
            ..Epoch::default()
        };
        self.number += 1;
        self.sent = (self.state.flights.clone(), offers);
        Arc::new(epoch)
    }

    pub(crate) fn wants(&mut self) -> Wants {
        let cabin = self.pick(&[None, Some("Y"), Some("J")]);
        let currency = self.pick(&[None, None, None, Some("USD"), Some("EUR")]);
        (
            self.rng.random_range(0..6),
            cabin.map(|cabin| cabin.parse().unwrap()),
            currency.map(|currency| currency.parse().unwrap()),
        )
    }

    pub(crate) fn query(&mut self, wants: Wants, map: &Map) -> JourneyQuery {
        let rules = ConnectionRules {
            min_connection_min: self.pick(&[0, 30, 60, 90]),
            min_connection_at: [(station(3), 45), (station(4), 200), (station(6), 0)].into(),
            airport_change_min: self.pick(&[60, 120, 240]),
            max_layover_min: self.pick(&[240, 1440, 1440, 2000]),
            detour: self.pick(&[
                None,
                Some(Detour {
                    factor_permille: 1300,
                    slack_km: 0,
                }),
                Some(Detour {
                    factor_permille: 2000,
                    slack_km: 500,
                }),
            ]),
            places: map.places(),
        };
        let mut ends = || {
            let n = self.rng.random_range(1..=3);
            let all = (0..n).map(|_| station(self.rng.random_range(0..self.stations)));
            all.collect::<Vec<_>>()
        };
        let (origins, destinations) = (ends(), ends());
        let mut window = || {
            self.rng.random_ratio(1, 4).then(|| TimeWindow {
                from_min: self.rng.random_range(0..1440),
                to_min: self.rng.random_range(0..1440),
            })
        };
        let (departure, arrival) = (window(), window());
        JourneyQuery {
            origins,
            destinations,
            date: Date(FIRST_DAY + self.rng.random_range(0..4)),
            passengers: wants.0,
            cabin: wants.1,
            currency: wants.2,
            sold_out: false,
            connections_max: self.pick(&[0, 1, 2, 2, 2, 7]),
            departure,
            arrival,
            sort: self.pick(&Sort::ALL),
            limit: self.pick(&[0, 1, 3, 10, 1000]),
            keep_dominated: self.rng.random_ratio(1, 3),
            work_max: WORK_MAX,
            rules: Arc::new(rules),
        }
    }
}

fn difference<K: Ord, R: Ord + Clone>(
    old: &BTreeMap<K, R>,
    new: &BTreeMap<K, R>,
) -> Vec<Change<R>> {
    let gone = old.iter().filter(|(key, row)| new.get(*key) != Some(*row));
    let come = new.iter().filter(|(key, row)| old.get(*key) != Some(*row));
    let gone = gone.map(|(_, row)| (row.clone(), -1));
    let mut changes: Vec<_> = gone.chain(come.map(|(_, row)| (row.clone(), 1))).collect();
    changes.sort();
    changes
}
