//! The views again, from scratch and without cleverness: all flights of the ledgers at one moment,
//! and for each table or view the rows that its definition asks for. It shares the row types with
//! the dataflow and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use flightline_dataflows::changelog::{Epoch, Record};
use flightline_dataflows::rows::{
    CheapestRow, DriftRow, FareRow, FlightRow, FlightStatus, HoldRow, HoldStatus, InventoryRow,
    LegRow, LoadFactorRow, OfferRow, OversoldRow, RouteDayRow,
};
use flightline_ledger::command::SourceVersion;
use flightline_ledger::{
    Command, Date, Decision, Flight, FlightCommand, FlightKey, HoldState, Ledger, LegView, Silent,
};

use super::sinks::Rows;

/// All tables and views at one moment.
#[derive(Debug, Default)]
pub struct Tables {
    pub flights: Rows<FlightRow>,
    pub legs: Rows<LegRow>,
    pub inventory: Rows<InventoryRow>,
    pub holds: Rows<HoldRow>,
    pub drift: Rows<DriftRow>,
    pub fares: Rows<FareRow>,
    pub offers: Rows<OfferRow>,
    pub availability: Rows<RouteDayRow>,
    pub cheapest: Rows<CheapestRow>,
    pub load_factor: Rows<LoadFactorRow>,
    pub oversold: Rows<OversoldRow>,
}

impl Tables {
    /// Applies an epoch, checking what is promised of it.
    pub fn apply(&mut self, epoch: &Epoch) {
        self.flights.apply(&epoch.flights, |r| r.flight);
        self.legs.apply(&epoch.legs, |r| (r.flight, r.leg_no));
        self.inventory.apply(&epoch.inventory, |r| {
            (r.flight, r.provider, r.leg_no, r.cabin, r.class)
        });
        self.holds.apply(&epoch.holds, |r| (r.partition, r.offset));
        self.drift.apply(&epoch.drift, |r| {
            (r.flight, r.provider, r.leg_no, r.cabin, r.class)
        });
        self.fares.apply(&epoch.fares, |r| {
            (r.flight, r.provider, r.segment, r.cabin, r.class)
        });
        self.offers.apply(&epoch.offers, |r| {
            (r.flight, r.board, r.off, r.provider, r.cabin, r.class)
        });
        self.availability
            .apply(&epoch.availability_by_route_day, |r| {
                (r.board, r.off, r.date, r.cabin)
            });
        self.cheapest.apply(&epoch.cheapest_by_route_day, |r| {
            (r.board, r.off, r.date, r.cabin, r.price.currency)
        });
        self.load_factor
            .apply(&epoch.load_factor, |r| (r.flight, r.leg_no, r.cabin));
        self.oversold.apply(&epoch.oversold, |r| {
            (r.flight, r.leg_no, r.cabin, r.provider, r.class)
        });
    }

    /// Fails at the first table that differs.
    pub fn assert_equals(&self, other: &Tables, at: &str) {
        fn same<R: PartialEq + Debug>(table: &str, at: &str, a: &Rows<R>, b: &Rows<R>) {
            if let Some((left, right)) = a.0.iter().zip(&b.0).find(|(a, b)| a != b) {
                panic!("{at}: {table} differs:\n{left:?}\n{right:?}");
            }
            assert_eq!(a.0.len(), b.0.len(), "{at}: {table} has other rows");
        }
        same("flight", at, &self.flights, &other.flights);
        same("leg", at, &self.legs, &other.legs);
        same("inventory", at, &self.inventory, &other.inventory);
        same("hold", at, &self.holds, &other.holds);
        same("inventory_drift", at, &self.drift, &other.drift);
        same("fares", at, &self.fares, &other.fares);
        same("offers", at, &self.offers, &other.offers);
        same("availability", at, &self.availability, &other.availability);
        same("cheapest", at, &self.cheapest, &other.cheapest);
        same("load_factor", at, &self.load_factor, &other.load_factor);
        same("oversold", at, &self.oversold, &other.oversold);
    }
}

/// Folds a history up to a vector, beside the dataflow.
pub struct Naive {
    ledgers: Vec<Ledger>,
    next: Vec<u64>,
    versions: BTreeMap<(usize, u64), SourceVersion>,
    pub decisions: BTreeMap<u32, Vec<Decision>>,
}

impl Naive {
    pub fn new(partitions: u32) -> Self {
        Self {
            ledgers: (0..partitions).map(|_| Ledger::new()).collect(),
            next: vec![0; partitions as usize],
            versions: BTreeMap::new(),
            decisions: BTreeMap::new(),
        }
    }

    /// Folds what lies before `until`, once.
    pub fn fold(&mut self, history: &[Record], until: &[u64]) {
        for record in history {
            let (partition, input) = (record.partition as usize, &record.input);
            if input.offset < self.next[partition] || input.offset >= until[partition] {
                continue;
            }
            self.next[partition] += 1;
            if let Command::Flight(_, FlightCommand::Provider(event)) = &input.command {
                self.versions
                    .insert((partition, input.offset), event.version);
            }
            let decision = self.ledgers[partition].apply(input, &mut Silent);
            self.decisions
                .entry(record.partition)
                .or_default()
                .push(decision);
        }
        assert_eq!(self.next, until, "the history is shorter than that");
    }

    /// Everything as it stands.
    pub fn tables(&self) -> Tables {
        let mut t = Tables::default();
        for (partition, ledger) in self.ledgers.iter().enumerate() {
            for (_, flight) in ledger.flights() {
                self.flight(partition, &flight, &mut t);
            }
        }
        t.availability.0 = availability(&t.offers.0);
        t.cheapest.0 = cheapest(&t.offers.0);
        t
    }

    fn flight(&self, partition: usize, flight: &Flight, t: &mut Tables) {
        let key = flight.key();
        t.flights.0.insert(FlightRow {
            flight: key,
            status: match flight.status() {
                flightline_ledger::FlightStatus::Scheduled => FlightStatus::Scheduled,
                flightline_ledger::FlightStatus::Cancelled => FlightStatus::Cancelled,
            },
            owner: flight.owner(),
            operating: flight.operating(),
            quality: flight.quality(),
        });
        let legs = flight.legs();
        for (index, leg) in legs.iter().enumerate() {
            t.legs.0.insert(LegRow {
                flight: key,
                leg_no: index as u8 + 1,
                board: leg.board,
                off: leg.off,
                departs_s: leg.times.departs_s,
                arrives_s: leg.times.arrives_s,
                departs_offset_min: leg.times.departs_offset_min,
                arrives_offset_min: leg.times.arrives_offset_min,
                aircraft: leg.aircraft,
                service: leg.service,
            });
        }
        for line in flight.inventory() {
            t.inventory.0.insert(InventoryRow {
                flight: key,
                provider: line.provider,
                leg_no: line.leg + 1,
                board: legs[line.leg as usize].board,
                off: legs[line.leg as usize].off,
                cabin: line.cabin,
                class: line.class,
                authorised: line.authorised.map(|n| n as i32),
                held: line.held as i32,
                sold: line.sold as i32,
                available: line.available as i32,
                oversold: line.oversold as i32,
                status: line.status,
            });
            if line.oversold > 0 {
                t.oversold.0.insert(OversoldRow {
                    flight: key,
                    leg_no: line.leg + 1,
                    cabin: line.cabin,
                    provider: Some(line.provider),
                    class: line.class,
                    oversold: line.oversold as i32,
                });
            }
        }
        for cabin in flight.aircraft() {
            let of_cabin = |line: &flightline_ledger::InventoryLine| {
                (line.leg, line.cabin, line.class) == (cabin.leg, cabin.cabin, None)
            };
            let held: i64 = flight
                .inventory()
                .filter(of_cabin)
                .map(|line| line.held)
                .sum();
            let sold: i64 = flight
                .inventory()
                .filter(of_cabin)
                .map(|line| line.sold)
                .sum();
            let capacity = i32::from(cabin.seats.unwrap_or(0));
            t.load_factor.0.insert(LoadFactorRow {
                flight: key,
                leg_no: cabin.leg + 1,
                cabin: cabin.cabin,
                capacity,
                held: held as i32,
                sold: sold as i32,
                load_permille: if capacity == 0 {
                    0
                } else {
                    sold as i32 * 1000 / capacity
                },
            });
            if cabin.oversold > 0 {
                t.oversold.0.insert(OversoldRow {
                    flight: key,
                    leg_no: cabin.leg + 1,
                    cabin: cabin.cabin,
                    provider: None,
                    class: None,
                    oversold: cabin.oversold as i32,
                });
            }
        }
        for fare in flight.fares() {
            t.fares.0.insert(FareRow {
                flight: key,
                provider: fare.provider,
                segment: fare.segment,
                cabin: fare.cabin,
                class: fare.class,
                price: fare.price,
                version: fare.version,
            });
        }
        for line in flight.drift() {
            let Some(expected) = line.expected else {
                continue;
            };
            t.drift.0.insert(DriftRow {
                flight: key,
                provider: line.provider,
                leg_no: line.leg + 1,
                cabin: line.cabin,
                class: line.class,
                counts: line.counts,
                reported: line.reported,
                expected: expected as i32,
                drift: line.reported - expected as i32,
                version: self.versions[&(partition, line.offset)],
                offset: line.offset,
            });
        }
        for line in flight.offers() {
            // A pair of stations means the first segment between them, priced or not.
            let mut segments = (0..legs.len()).flat_map(|a| (a..legs.len()).map(move |b| (a, b)));
            let named =
                segments.find(|(a, b)| (legs[*a].board, legs[*b].off) == (line.board, line.off));
            if named != Some((line.first_leg.into(), line.last_leg.into())) {
                continue;
            }
            let (first, last) = (
                &legs[line.first_leg as usize],
                &legs[line.last_leg as usize],
            );
            t.offers.0.insert(OfferRow {
                board: line.board,
                off: line.off,
                date: day(first),
                flight: key,
                provider: line.provider,
                cabin: line.cabin,
                class: line.class,
                price: line.price,
                seats: line.seats,
                seats_is_floor: line.seats_is_floor,
                departs_s: first.times.departs_s,
                departs_offset_min: first.times.departs_offset_min,
                arrives_s: last.times.arrives_s,
                arrives_offset_min: last.times.arrives_offset_min,
                aircraft: first.aircraft,
                legs: line.last_leg - line.first_leg + 1,
            });
        }
        for hold in flight.holds() {
            t.holds.0.insert(HoldRow {
                partition: partition as u32,
                offset: hold.offset,
                id: hold.id,
                flight: key,
                provider: hold.provider,
                cabin: hold.cabin,
                class: hold.class,
                board: hold.board,
                off: hold.off,
                seats: hold.seats,
                status: match hold.state {
                    HoldState::Held => HoldStatus::Held,
                    HoldState::Confirmed => HoldStatus::Confirmed,
                    HoldState::Released => HoldStatus::Released,
                    HoldState::Cancelled => HoldStatus::Cancelled,
                    HoldState::Expired => HoldStatus::Expired,
                    HoldState::Displaced => HoldStatus::Displaced,
                    HoldState::Waiting => HoldStatus::Waiting,
                },
                deadline_ms: hold.deadline_ms,
                price: hold.price,
                created_at_ms: hold.created_at_ms,
                changed_at_ms: hold.changed_at_ms,
                changed_offset: hold.changed_offset,
            });
        }
    }
}

fn day(leg: &LegView) -> Date {
    let local_s = leg.times.departs_s + 60 * i64::from(leg.times.departs_offset_min);
    Date(local_s.div_euclid(24 * 3600) as i32)
}

/// Per flight the best of its offers, then the sums.
fn availability(offers: &BTreeSet<OfferRow>) -> BTreeSet<RouteDayRow> {
    let mut routes: BTreeMap<_, BTreeMap<FlightKey, u16>> = BTreeMap::new();
    for offer in offers {
        let route = (offer.board, offer.off, offer.date, offer.cabin);
        let flights = routes.entry(route).or_default();
        let best = flights.entry(offer.flight).or_default();
        *best = offer.seats.max(*best);
    }
    let rows = routes.into_iter().map(|(route, flights)| RouteDayRow {
        board: route.0,
        off: route.1,
        date: route.2,
        cabin: route.3,
        flights: flights.len() as i64,
        flights_open: flights.values().filter(|seats| **seats > 0).count() as i64,
        seats: flights.values().map(|seats| i64::from(*seats)).sum(),
    });
    rows.collect()
}

/// Of the offers with a seat, the cheapest of each route, day, cabin and currency.
fn cheapest(offers: &BTreeSet<OfferRow>) -> BTreeSet<CheapestRow> {
    let mut best: BTreeMap<_, &OfferRow> = BTreeMap::new();
    let rank = |o: &OfferRow| {
        let ten_thousandths =
            i128::from(o.price.minor) * [10_000, 1_000, 100, 10, 1][o.price.exponent as usize];
        (ten_thousandths, o.flight, o.provider, o.class)
    };
    for offer in offers.iter().filter(|offer| offer.seats > 0) {
        let currency = offer.price.currency;
        let key = (offer.board, offer.off, offer.date, offer.cabin, currency);
        let kept = best.entry(key).or_insert(offer);
        if rank(offer) < rank(kept) {
            *kept = offer;
        }
    }
    let rows = best.into_values().map(|offer| CheapestRow {
        board: offer.board,
        off: offer.off,
        date: offer.date,
        cabin: offer.cabin,
        price: offer.price,
        flight: offer.flight,
        provider: offer.provider,
        class: offer.class,
    });
    rows.collect()
}
