//! A world that makes random epochs as the dataflow would, and the naive fold that judges sinks.
//!
//! The rows are no ledger's: values are drawn at random, hostile ones included; only those of orders
//! come from a real fold (`orders`). What holds are the
//! invariants of the changelog: consolidated, sorted, one −1 and one +1 a key at most.
#![allow(dead_code, reason = "every test file uses its part")]

pub(crate) mod naive;
mod naive_orders;
pub(crate) mod orders;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_dataflows::changelog::{Change, Epoch};
use flightline_dataflows::rows::*;
use flightline_ledger::command::{Counts, SaleStatus, SourceVersion};
use flightline_ledger::outcome::{Kind, Outcome, Reason, Replay};
use flightline_ledger::{
    Cabin, Class, CommandId, Date, Decision, FlightKey, Money, ProviderCode, Station,
};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

pub(crate) const STATIONS: [&str; 6] = ["EWR", "JFK", "LGA", "SFO", "LAX", "ORD"];
pub(crate) const PROVIDERS: [&str; 3] = ["nyc", "gds-1", "x"];

/// Rows of one table and what they were when the epoch began.
pub(crate) struct Table<K, R> {
    pub(crate) rows: BTreeMap<K, R>,
    before: BTreeMap<K, Option<R>>,
}

impl<K, R> Default for Table<K, R> {
    fn default() -> Self {
        let (rows, before) = Default::default();
        Self { rows, before }
    }
}

impl<K: Ord + Clone, R: Ord + Clone> Table<K, R> {
    pub(crate) fn set(&mut self, key: K, row: Option<R>) {
        let old = match row {
            Some(row) => self.rows.insert(key.clone(), row),
            None => self.rows.remove(&key),
        };
        self.before.entry(key).or_insert(old);
    }

    pub(crate) fn close(&mut self) -> Vec<Change<R>> {
        let mut changes = Vec::new();
        for (key, old) in std::mem::take(&mut self.before) {
            let new = self.rows.get(&key).cloned();
            if old != new {
                changes.extend(old.map(|row| (row, -1)));
                changes.extend(new.map(|row| (row, 1)));
            }
        }
        changes.sort();
        changes
    }
}

pub(crate) type OfferKey = (
    FlightKey,
    Station,
    Station,
    ProviderCode,
    Cabin,
    Option<Class>,
);
pub(crate) type BucketKey = (FlightKey, ProviderCode, u8, Cabin, Option<Class>);

pub(crate) type OversoldKey = (FlightKey, u8, Cabin, Option<ProviderCode>, Option<Class>);

pub(crate) struct World {
    pub(crate) rng: StdRng,
    pub(crate) number: u64,
    pub(crate) covers: Vec<u64>,
    pub(crate) flights: Table<FlightKey, FlightRow>,
    pub(crate) legs: Table<(FlightKey, u8), LegRow>,
    pub(crate) inventory: Table<BucketKey, InventoryRow>,
    pub(crate) holds: Table<(u32, u64), HoldRow>,
    pub(crate) drift: Table<BucketKey, DriftRow>,
    pub(crate) offers: Table<OfferKey, OfferRow>,
    pub(crate) availability: Table<(Station, Station, Date, Cabin), RouteDayRow>,
    pub(crate) cheapest: Table<(Station, Station, Date, Cabin, [u8; 3]), CheapestRow>,
    pub(crate) load: Table<(FlightKey, u8, Cabin), LoadFactorRow>,
    pub(crate) oversold: Table<OversoldKey, OversoldRow>,
    pub(crate) orders: orders::OrderWorld,
    decisions: Vec<DecisionRow>,
    rejects: Vec<FeedRejectRow>,
    next_flight: u16,
    /// Text of the ids of holds, by place.
    pub(crate) hold_ids: BTreeMap<(u32, u64), String>,
}

impl World {
    pub(crate) fn new(seed: u64, partitions: u32) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            number: 0,
            covers: vec![0; partitions as usize],
            flights: Table::default(),
            legs: Table::default(),
            inventory: Table::default(),
            holds: Table::default(),
            drift: Table::default(),
            offers: Table::default(),
            availability: Table::default(),
            cheapest: Table::default(),
            load: Table::default(),
            oversold: Table::default(),
            orders: orders::OrderWorld::new(partitions),
            decisions: Vec::new(),
            rejects: Vec::new(),
            next_flight: 1,
            hold_ids: BTreeMap::new(),
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    fn partition_of(&self, flight: &FlightKey) -> u32 {
        u32::from(flight.number) % self.covers.len() as u32
    }

    fn offset(&mut self, partition: u32) -> u64 {
        // Records that leave no row (ticks) take offsets too.
        let skip = u64::from(self.rng.random_ratio(1, 10));
        let at = &mut self.covers[partition as usize];
        let offset = *at + skip;
        *at = offset + 1;
        offset
    }

    fn any_flight(&mut self) -> Option<FlightKey> {
        let n = self.flights.rows.len();
        if n == 0 {
            return None;
        }
        let at = self.rng.random_range(0..n);
        self.flights.rows.keys().nth(at).copied()
    }

    fn time_ms(&mut self) -> i64 {
        match self.rng.random_range(0..40) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => -1,
            _ => 1_798_000_000_000 + self.rng.random_range(0..10_000_000_000),
        }
    }

    fn text(&mut self) -> String {
        let odd = [
            "A\0B",
            "Zürich ✈",
            "tab\tand\nline",
            "'; drop table flight --",
            "\\N",
            "",
            "x",
        ];
        match self.rng.random_range(0..3) {
            0 => self.pick(&odd).to_owned(),
            1 => format!("booking-{}", self.rng.next_u32()),
            _ => "long ".repeat(self.rng.random_range(1..60)),
        }
    }

    fn money(&mut self) -> Money {
        let (code, exponent) = self.pick(&[("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)]);
        let minor = match self.rng.random_range(0..30) {
            0 => i64::MAX,
            1 => 0,
            2 => 1,
            3 => 10_000,
            4 => 99_990_000,
            _ => self.rng.random_range(0..200_000),
        };
        let currency = code.parse().unwrap();
        Money {
            minor,
            currency,
            exponent,
        }
    }

    fn decide(
        &mut self,
        partition: u32,
        offset: u64,
        id: CommandId,
        flight: FlightKey,
        kind: Kind,
        outcome: Outcome,
    ) {
        // A replay makes no hold.
        let made = self.holds.rows.contains_key(&(partition, offset));
        let replay = match self.rng.random_range(0..20) {
            0 if !made => Replay::Same { first_offset: 3 },
            1 if !made => Replay::Different { first_offset: 4 },
            _ => Replay::First,
        };
        let note = self.rng.random_ratio(1, 2).then(|| {
            Box::new(Note {
                ref_text: self.rng.random_ratio(3, 4).then(|| self.text().into()),
                actor: self.rng.random_ratio(1, 4).then(|| "token é".into()),
            })
        });
        let at_ms = self.time_ms();
        self.decisions.push(DecisionRow {
            partition,
            decision: Decision {
                offset,
                at_ms,
                id,
                flight,
                kind,
                outcome,
                replay,
            },
            order: None,
            note,
        });
    }

    /// One random thing happens.
    pub(crate) fn step(&mut self) {
        if self.rng.random_ratio(2, 5) {
            return self.order_step();
        }
        match self.rng.random_range(0..100) {
            0..=7 => self.new_flight(),
            8..=9 => self.forget_flight(),
            10..=54 => self.hold(),
            55..=74 => self.change_hold(),
            75..=84 => self.reprice(),
            85..=89 => self.count(),
            90..=92 => self.reject(),
            93..=96 => self.refuse(),
            _ => self.route_views(),
        }
    }

    pub(crate) fn new_flight(&mut self) {
        let number = self.next_flight;
        self.next_flight = number % 9999 + 1;
        let stations = self.rng.random_range(2..=4);
        let first = self.rng.random_range(0..STATIONS.len());
        let at = |i: usize| -> Station { STATIONS[(first + i) % STATIONS.len()].parse().unwrap() };
        let date = Date(20_800 + self.rng.random_range(0..4));
        let key = FlightKey {
            carrier: self.pick(&["UA", "9E", "BAW"]).parse().unwrap(),
            number,
            suffix: self.pick(&[0, 0, 0, b'A']),
            origin_date: date,
            board: at(0),
        };
        if self.flights.rows.contains_key(&key) {
            return;
        }
        let providers = self.rng.random_range(1..=PROVIDERS.len());
        let operating = self.rng.random_ratio(1, 9).then_some(key);
        let quality = self.rng.random_range(0..=127);
        self.flights.set(
            key,
            Some(FlightRow {
                flight: key,
                status: FlightStatus::Scheduled,
                owner: PROVIDERS[0].parse().unwrap(),
                operating,
                quality,
            }),
        );
        let departs = i64::from(date.0) * 86_400 + 6 * 3600;
        let mut legs = Vec::new();
        for leg in 0..stations - 1 {
            let departs_s = departs + leg as i64 * 3 * 3600 + self.rng.random_range(0..3600);
            let row = LegRow {
                flight: key,
                leg_no: leg as u8 + 1,
                board: at(leg),
                off: at(leg + 1),
                departs_s,
                arrives_s: departs_s + 7200,
                departs_offset_min: -300,
                arrives_offset_min: 330,
                aircraft: self.pick(&[*b"320", *b"E90", [0; 3]]),
                service: self.pick(&[b'J', 0]),
            };
            legs.push(row.clone());
            self.legs.set((key, row.leg_no), Some(row));
        }
        let classes = [None, Class::new(b'Y').ok(), Class::new(b'M').ok()];
        for provider in &PROVIDERS[..providers] {
            let provider: ProviderCode = provider.parse().unwrap();
            for cabin in [b'J', b'Y'].map(|c| Cabin::new(c).unwrap()) {
                for class in classes {
                    for leg in &legs {
                        self.set_inventory(leg, provider, cabin, class);
                    }
                    for from in 0..legs.len() {
                        for to in from..legs.len() {
                            self.set_offer(&legs[from], &legs[to], provider, cabin, class);
                        }
                    }
                }
            }
        }
        for leg in &legs {
            let cabin = Cabin::new(b'Y').unwrap();
            let row = LoadFactorRow {
                flight: key,
                leg_no: leg.leg_no,
                cabin,
                capacity: 180,
                held: 0,
                sold: 0,
                load_permille: 0,
            };
            self.load.set((key, leg.leg_no, cabin), Some(row));
        }
        let partition = self.partition_of(&key);
        let offset = self.offset(partition);
        let outcome = Outcome::Accepted {
            displaced: 2,
            partly_stale: true,
        };
        let id = CommandId(u128::from(offset) << 64 | u128::from(partition));
        self.decide(partition, offset, id, key, Kind::Schedule, outcome);
    }

    fn set_inventory(
        &mut self,
        leg: &LegRow,
        provider: ProviderCode,
        cabin: Cabin,
        class: Option<Class>,
    ) {
        let row = InventoryRow {
            flight: leg.flight,
            provider,
            leg_no: leg.leg_no,
            board: leg.board,
            off: leg.off,
            cabin,
            class,
            authorised: self.rng.random_ratio(2, 3).then_some(180),
            held: self.rng.random_range(0..9),
            sold: self.rng.random_range(0..9),
            available: self.rng.random_range(0..180),
            oversold: self.rng.random_range(0..2),
            status: self.pick(&[
                SaleStatus::Open,
                SaleStatus::Request,
                SaleStatus::WaitlistOpen,
                SaleStatus::Closed,
                SaleStatus::NotOperating,
            ]),
        };
        let key = (leg.flight, provider, leg.leg_no, cabin, class);
        self.inventory.set(key, Some(row));
    }

    fn set_offer(
        &mut self,
        from: &LegRow,
        to: &LegRow,
        provider: ProviderCode,
        cabin: Cabin,
        class: Option<Class>,
    ) {
        let local = from.departs_s + i64::from(from.departs_offset_min) * 60;
        let row = OfferRow {
            board: from.board,
            off: to.off,
            date: Date(local.div_euclid(86_400) as i32),
            flight: from.flight,
            provider,
            cabin,
            class,
            price: self.money(),
            seats: self.rng.random_range(0..9),
            seats_is_floor: self.rng.random_ratio(1, 5),
            departs_s: from.departs_s,
            departs_offset_min: from.departs_offset_min,
            arrives_s: to.arrives_s,
            arrives_offset_min: to.arrives_offset_min,
            aircraft: from.aircraft,
            legs: to.leg_no - from.leg_no + 1,
        };
        let key = (from.flight, row.board, row.off, provider, cabin, class);
        self.offers.set(key, Some(row));
    }

    fn forget_flight(&mut self) {
        let Some(key) = self.any_flight() else { return };
        fn of<K: Ord + Clone, R: Ord + Clone>(table: &mut Table<K, R>, is: impl Fn(&K) -> bool) {
            let keys: Vec<K> = table.rows.keys().filter(|k| is(k)).cloned().collect();
            for key in keys {
                table.set(key, None);
            }
        }
        of(&mut self.flights, |k| *k == key);
        of(&mut self.legs, |k| k.0 == key);
        of(&mut self.inventory, |k| k.0 == key);
        of(&mut self.offers, |k| k.0 == key);
        of(&mut self.load, |k| k.0 == key);
        of(&mut self.oversold, |k| k.0 == key);
        of(&mut self.drift, |k| k.0 == key);
    }

    /// Seats of one flight move: inventory, offers and load with them.
    fn touch(&mut self, key: FlightKey) {
        let first = (
            key,
            ProviderCode::default(),
            0,
            Cabin::new(b'A').unwrap(),
            None,
        );
        let buckets: Vec<BucketKey> = self
            .inventory
            .rows
            .range(first..)
            .take_while(|(k, _)| k.0 == key)
            .map(|(k, _)| *k)
            .collect();
        for bucket in buckets {
            let mut row = self.inventory.rows[&bucket].clone();
            row.held = (row.held + self.rng.random_range(-1..=1)).max(0);
            row.available = self.rng.random_range(0..180);
            self.inventory.set(bucket, Some(row));
        }
        let offers: Vec<OfferKey> = self
            .offers
            .rows
            .range(
                (
                    key,
                    Station::default(),
                    Station::default(),
                    ProviderCode::default(),
                    Cabin::new(b'A').unwrap(),
                    None,
                )..,
            )
            .take_while(|(k, _)| k.0 == key)
            .map(|(k, _)| *k)
            .collect();
        for offer in offers {
            let mut row = self.offers.rows[&offer].clone();
            row.seats = self.rng.random_range(0..9);
            self.offers.set(offer, Some(row));
        }
        let cabin = Cabin::new(b'Y').unwrap();
        if let Some(mut row) = self.load.rows.get(&(key, 1, cabin)).cloned() {
            row.sold = self.rng.random_range(0..180);
            row.load_permille = row.sold * 1000 / 180;
            self.load.set((key, 1, cabin), Some(row));
        }
        let provider = self
            .rng
            .random_ratio(1, 2)
            .then(|| PROVIDERS[0].parse().unwrap());
        let over = (key, 1, cabin, provider, None);
        let row = OversoldRow {
            flight: key,
            leg_no: 1,
            cabin,
            provider,
            class: None,
            oversold: self.rng.random_range(1..5),
        };
        let row = self.rng.random_ratio(1, 3).then_some(row);
        if row.is_some() || self.oversold.rows.contains_key(&over) {
            self.oversold.set(over, row);
        }
    }

    pub(crate) fn hold(&mut self) {
        let Some(key) = self.any_flight() else { return };
        let partition = self.partition_of(&key);
        let offset = self.offset(partition);
        let id = CommandId(u128::from(self.rng.next_u64()));
        let seats = self.rng.random_range(1..=999);
        let deadline_ms = self.time_ms();
        let price = self.rng.random_ratio(4, 5).then(|| self.money());
        let provider = PROVIDERS[0].parse().unwrap();
        let row = HoldRow {
            partition,
            offset,
            id,
            flight: key,
            provider,
            cabin: Cabin::new(b'Y').unwrap(),
            class: self.pick(&[None, Class::new(b'M').ok()]),
            board: key.board,
            off: "ORD".parse().unwrap(),
            seats,
            status: HoldStatus::Held,
            deadline_ms,
            price,
            created_at_ms: 1_798_000_000_000,
            changed_at_ms: 1_798_000_000_000,
            changed_offset: offset,
        };
        self.holds.set((partition, offset), Some(row));
        let outcome = if offset.is_multiple_of(3) {
            Outcome::Waiting {
                deadline_ms,
                ahead: offset as u32 % 5,
            }
        } else {
            Outcome::Held {
                provider,
                seats,
                deadline_ms,
                price,
            }
        };
        self.decide(partition, offset, id, key, Kind::Hold, outcome);
        let text = self
            .decisions
            .last()
            .and_then(|d| d.note.as_ref()?.ref_text.clone());
        let text = text.map_or_else(|| id.to_string(), |text| text.replace('\0', "\u{fffd}"));
        self.hold_ids.insert((partition, offset), text);
        self.touch(key);
    }

    fn change_hold(&mut self) {
        let n = self.holds.rows.len();
        if n == 0 {
            return;
        }
        let at = n - 1 - self.rng.random_range(0..n.min(50));
        let mut row = self.holds.rows.values().nth(at).cloned().unwrap();
        let offset = self.offset(row.partition);
        let (kind, outcome) = match self.rng.random_range(0..3) {
            0 => (
                Kind::Confirm,
                Outcome::Confirmed {
                    seats: row.seats,
                    already: false,
                },
            ),
            1 => (
                Kind::Release,
                Outcome::Released {
                    seats: row.seats,
                    already: true,
                },
            ),
            _ => (Kind::Cancel, Outcome::Refused(Reason::AlreadyCancelled)),
        };
        row.status = self.pick(&[
            HoldStatus::Held,
            HoldStatus::Confirmed,
            HoldStatus::Released,
            HoldStatus::Cancelled,
            HoldStatus::Expired,
            HoldStatus::Displaced,
            HoldStatus::Waiting,
        ]);
        row.changed_at_ms += 1;
        row.changed_offset = offset;
        let (partition, flight) = (row.partition, row.flight);
        self.holds.set((row.partition, row.offset), Some(row));
        let id = CommandId(u128::from(self.rng.next_u64()));
        self.decide(partition, offset, id, flight, kind, outcome);
        self.touch(flight);
    }

    fn reprice(&mut self) {
        let n = self.offers.rows.len();
        if n == 0 {
            return;
        }
        for _ in 0..self.rng.random_range(1..8) {
            let at = self.rng.random_range(0..n);
            let (key, mut row) = self
                .offers
                .rows
                .iter()
                .nth(at)
                .map(|(k, r)| (*k, r.clone()))
                .unwrap();
            row.price = self.money();
            if self.rng.random_ratio(1, 6) {
                row.date = Date(row.date.0 + 1);
            }
            self.offers.set(key, Some(row));
        }
    }

    fn count(&mut self) {
        let n = self.inventory.rows.len();
        if n == 0 {
            return;
        }
        let at = self.rng.random_range(0..n);
        let key = *self.inventory.rows.keys().nth(at).unwrap();
        let partition = self.partition_of(&key.0);
        let offset = self.offset(partition);
        let (reported, expected) = (self.rng.random_range(-5..200), self.rng.random_range(0..5));
        let row = DriftRow {
            flight: key.0,
            provider: key.1,
            leg_no: key.2,
            cabin: key.3,
            class: key.4,
            counts: self.pick(&[Counts::Total, Counts::Remaining]),
            reported,
            expected,
            drift: if self.rng.random_ratio(1, 3) {
                0
            } else {
                reported - expected
            },
            version: SourceVersion {
                time_ms: 1_798_000_000_123,
                group: u32::MAX,
                sequence: 7,
            },
            offset,
        };
        self.drift.set(key, Some(row));
        let id = CommandId(u128::MAX - u128::from(offset));
        let outcome = Outcome::Stale;
        self.decide(partition, offset, id, key.0, Kind::Availability, outcome);
    }

    fn reject(&mut self) {
        let partition = self.rng.random_range(0..self.covers.len() as u32);
        let offset = self.offset(partition);
        let at_ms = self.time_ms();
        let row = FeedRejectRow {
            partition,
            offset,
            at_ms,
            provider: PROVIDERS[1].parse().unwrap(),
            message: self.text().into(),
            line: self.rng.random_range(1..=u64::from(u32::MAX)),
            code: "bad_time".into(),
            reason: self.text().into(),
            raw: vec![0, 255, b'x'].into(),
        };
        self.rejects.push(row);
        let id = CommandId(7);
        let none = FlightKey::NONE;
        self.decide(
            partition,
            offset,
            id,
            none,
            Kind::FeedReject,
            Outcome::Noted,
        );
    }

    fn refuse(&mut self) {
        let flight: FlightKey = "ZZ1.2027-01-05.EWR".parse().unwrap();
        let partition = self.partition_of(&flight);
        let offset = self.offset(partition);
        let now = self.rng.random_ratio(1, 2).then(|| self.money());
        let reason = self.pick(&[
            Reason::SoldOut { available: 3 },
            Reason::PriceChanged { now },
            Reason::UnknownFlight,
        ]);
        let id = CommandId(9);
        self.decide(
            partition,
            offset,
            id,
            flight,
            Kind::Hold,
            Outcome::Refused(reason),
        );
    }

    fn route_views(&mut self) {
        let Some(flight) = self.any_flight() else {
            return;
        };
        let board: Station = self.pick(&STATIONS).parse().unwrap();
        let off: Station = self.pick(&STATIONS).parse().unwrap();
        let date = Date(20_800 + self.rng.random_range(0..4));
        let cabin = Cabin::new(b'Y').unwrap();
        let row = RouteDayRow {
            board,
            off,
            date,
            cabin,
            flights: 9,
            flights_open: self.rng.random_range(0..9),
            seats: self.rng.random_range(0..1000),
        };
        let row = self.rng.random_ratio(5, 6).then_some(row);
        self.availability.set((board, off, date, cabin), row);
        let price = self.money();
        let row = CheapestRow {
            board,
            off,
            date,
            cabin,
            price,
            flight,
            provider: PROVIDERS[2].parse().unwrap(),
            class: self.pick(&[None, Class::new(b'M').ok()]),
        };
        let row = self.rng.random_ratio(5, 6).then_some(row);
        self.cheapest
            .set((board, off, date, cabin, price.currency.bytes()), row);
    }

    /// Closes the epoch.
    pub(crate) fn close(&mut self) -> Arc<Epoch> {
        let number = self.number;
        self.number += 1;
        let mut decisions = std::mem::take(&mut self.decisions);
        decisions.sort_by_key(|d| (d.partition, d.decision.offset));
        let mut rejects = std::mem::take(&mut self.rejects);
        rejects.sort_by_key(|r| (r.partition, r.offset));
        Arc::new(Epoch {
            views: Vec::new(),
            clock_ms: None,
            ended_views: Vec::new(),
            number,
            covers: self.covers.clone(),
            is_snapshot: false,
            flights: self.flights.close(),
            legs: self.legs.close(),
            inventory: self.inventory.close(),
            holds: self.holds.close(),
            drift: self.drift.close(),
            offers: self.offers.close(),
            availability_by_route_day: self.availability.close(),
            cheapest_by_route_day: self.cheapest.close(),
            fares: Vec::new(),
            load_factor: self.load.close(),
            oversold: self.oversold.close(),
            orders: self.orders.rows.close(),
            decisions,
            rejects,
        })
    }

    /// The next epoch, of about `steps` things.
    pub(crate) fn epoch(&mut self, steps: usize) -> Arc<Epoch> {
        if steps > 0 {
            // Rows change by records: whoever waits for the epoch waits for their offsets.
            self.offset(0);
        }
        for _ in 0..steps {
            self.step();
        }
        self.close()
    }

    /// What a replica tells first after a restart: the state, decisions left out.
    pub(crate) fn snapshot(&self, number: u64) -> Epoch {
        fn all<K, R: Ord + Clone>(table: &Table<K, R>) -> Vec<Change<R>> {
            let mut rows: Vec<_> = table.rows.values().map(|row| (row.clone(), 1)).collect();
            rows.sort();
            rows
        }
        Epoch {
            views: Vec::new(),
            clock_ms: None,
            ended_views: Vec::new(),
            number,
            covers: self.covers.clone(),
            is_snapshot: true,
            flights: all(&self.flights),
            legs: all(&self.legs),
            inventory: all(&self.inventory),
            holds: all(&self.holds),
            drift: all(&self.drift),
            offers: all(&self.offers),
            availability_by_route_day: all(&self.availability),
            cheapest_by_route_day: all(&self.cheapest),
            fares: Vec::new(),
            load_factor: all(&self.load),
            oversold: all(&self.oversold),
            orders: all(&self.orders.rows),
            decisions: Vec::new(),
            rejects: Vec::new(),
        }
    }
}

/// The naive fold: a multiset of rows.
pub(crate) struct Fold<R>(pub(crate) BTreeMap<R, isize>);

impl<R: Ord + Clone> Default for Fold<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Ord + Clone + std::fmt::Debug> Fold<R> {
    pub(crate) fn add(&mut self, changes: &[Change<R>]) {
        for (row, diff) in changes {
            *self.0.entry(row.clone()).or_default() += diff;
        }
        self.0.retain(|_, n| *n != 0);
    }

    /// The rows; every one is there once.
    pub(crate) fn rows(&self) -> Vec<R> {
        assert!(self.0.values().all(|n| *n == 1), "the changelog is broken");
        self.0.keys().cloned().collect()
    }
}
