//! The tables as they should be: rows folded by counting, values written as PostgreSQL shows them, by
//! code that shares nothing with the sink.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::rows::*;
use flightline_ledger::command::{Counts, SaleStatus, quality};
use flightline_ledger::outcome::{Outcome, Reason, Replay};
use flightline_ledger::{Class, Date, FlightKey, Money};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Fold, naive_orders};

/// A row as text, by column.
pub(crate) type Line = Vec<Option<String>>;

#[derive(Default)]
pub(crate) struct Tables {
    flights: Fold<FlightRow>,
    legs: Fold<LegRow>,
    inventory: Fold<InventoryRow>,
    holds: Fold<HoldRow>,
    drift: Fold<DriftRow>,
    offers: Fold<OfferRow>,
    availability: Fold<RouteDayRow>,
    cheapest: Fold<CheapestRow>,
    load: Fold<LoadFactorRow>,
    oversold: Fold<OversoldRow>,
    orders: Fold<Arc<OrderRow>>,
    pub(crate) decisions: Vec<DecisionRow>,
    pub(crate) rejects: Vec<FeedRejectRow>,
    covers: Vec<u64>,
}

pub(super) fn some(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

pub(super) fn class(class: Option<Class>) -> Option<String> {
    Some(class.map_or_else(String::new, |c| c.to_string()))
}

pub(super) fn clean(text: &str) -> Option<String> {
    Some(text.replace('\0', "\u{fffd}"))
}

/// `2026-12-25 10:00:00.5+00` as PostgreSQL shows it.
pub(super) fn instant(ms: i64, zone: &str) -> Option<String> {
    if ms == i64::MAX || ms == i64::MIN {
        return some(if ms < 0 { "-infinity" } else { "infinity" });
    }
    let date = Date(ms.div_euclid(86_400_000) as i32);
    let ms = ms.rem_euclid(86_400_000);
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let fraction = format!(".{:03}", ms % 1000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    Some(format!("{date} {h:02}:{m:02}:{s:02}{fraction}{zone}"))
}

fn at_s(s: i64) -> Option<String> {
    instant(s * 1000, "+00")
}

fn local_s(s: i64, offset_min: i16) -> Option<String> {
    instant((s + i64::from(offset_min) * 60) * 1000, "")
}

fn three(code: [u8; 3]) -> Option<String> {
    Some(
        String::from_utf8_lossy(&code)
            .trim_end_matches('\0')
            .to_owned(),
    )
}

pub(super) fn key(flight: FlightKey) -> Option<String> {
    some(flight)
}

fn price(price: Option<Money>) -> [Option<String>; 2] {
    [
        price.map(|p| p.to_string()),
        price.map(|p| p.currency.to_string()),
    ]
}

impl Tables {
    pub(crate) fn add(&mut self, epoch: &Epoch) {
        self.flights.add(&epoch.flights);
        self.legs.add(&epoch.legs);
        self.inventory.add(&epoch.inventory);
        self.holds.add(&epoch.holds);
        self.drift.add(&epoch.drift);
        self.offers.add(&epoch.offers);
        self.availability.add(&epoch.availability_by_route_day);
        self.cheapest.add(&epoch.cheapest_by_route_day);
        self.load.add(&epoch.load_factor);
        self.oversold.add(&epoch.oversold);
        self.orders.add(&epoch.orders);
        self.decisions.extend(epoch.decisions.iter().cloned());
        self.rejects.extend(epoch.rejects.iter().cloned());
        self.covers.clone_from(&epoch.covers);
    }

    /// Table, its columns, and its rows in the order of their text.
    pub(crate) fn lines(
        &self,
        ids: &BTreeMap<(u32, u64), String>,
    ) -> Vec<(&'static str, &'static str, BTreeSet<Line>)> {
        let mut tables = Vec::new();
        let mut table = |name, columns, rows: Vec<Line>| {
            let count = rows.len();
            let rows: BTreeSet<Line> = rows.into_iter().collect();
            assert_eq!(rows.len(), count, "{name}: rows that look the same");
            tables.push((name, columns, rows));
        };
        let flight = |r: &FlightRow| {
            let marks = (0..7).filter(|bit| r.quality & (1 << bit) != 0);
            let marks: Vec<&str> = marks.map(|bit| quality::NAMES[bit]).collect();
            vec![
                key(r.flight),
                some(r.flight.carrier),
                some(r.flight.number),
                some(if r.flight.suffix == 0 { "" } else { "A" }),
                some(r.flight.origin_date),
                some(r.flight.board),
                some(r.status.name()),
                some(r.owner),
                r.operating.map(|o| o.to_string()),
                Some(format!("{{{}}}", marks.join(","))),
            ]
        };
        table(
            "flightline.flight",
            "flight_key, carrier, number, suffix, origin_date, board, status, owner, operating, quality",
            self.flights.rows().iter().map(flight).collect(),
        );
        let leg = |r: &LegRow| {
            vec![
                key(r.flight),
                some(r.leg_no),
                some(r.board),
                some(r.off),
                at_s(r.departs_s),
                at_s(r.arrives_s),
                local_s(r.departs_s, r.departs_offset_min),
                local_s(r.arrives_s, r.arrives_offset_min),
                three(r.aircraft),
                some(if r.service == 0 { "" } else { "J" }),
            ]
        };
        table(
            "flightline.leg",
            "flight_key, leg_no, board, off, departs_at, arrives_at, departs_local, arrives_local, aircraft, service",
            self.legs.rows().iter().map(leg).collect(),
        );
        let inventory = |r: &InventoryRow| {
            let status = match r.status {
                SaleStatus::Open => "open",
                SaleStatus::Request => "request",
                SaleStatus::WaitlistOpen => "waitlist_open",
                SaleStatus::Closed => "closed",
                SaleStatus::NotOperating => "not_operating",
            };
            vec![
                key(r.flight),
                some(r.provider),
                some(r.leg_no),
                some(r.cabin),
                class(r.class),
                some(r.board),
                some(r.off),
                r.authorised.map(|n| n.to_string()),
                some(r.held),
                some(r.sold),
                some(r.available),
                some(r.oversold),
                some(status),
            ]
        };
        table(
            "flightline.inventory",
            "flight_key, provider, leg_no, cabin, class, board, off, authorised, held, sold, available, oversold, status",
            self.inventory.rows().iter().map(inventory).collect(),
        );
        let hold = |r: &HoldRow| {
            let [price, currency] = price(r.price);
            vec![
                some(r.partition),
                some(r.offset),
                ids.get(&(r.partition, r.offset)).cloned(),
                key(r.flight),
                some(r.provider),
                some(r.cabin),
                class(r.class),
                some(r.board),
                some(r.off),
                some(r.seats),
                some(r.status.name()),
                instant(r.deadline_ms, "+00"),
                price,
                currency,
                instant(r.created_at_ms, "+00"),
                instant(r.changed_at_ms, "+00"),
                some(r.changed_offset),
            ]
        };
        table(
            "flightline.hold",
            "partition, \"offset\", id, flight_key, provider, cabin, class, board, off, seats, status, deadline, price, currency, created_at, changed_at, changed_offset",
            self.holds.rows().iter().map(hold).collect(),
        );
        let drift = |r: &DriftRow| {
            let counts = match r.counts {
                Counts::Total => "total",
                Counts::Remaining => "remaining",
            };
            vec![
                key(r.flight),
                some(r.provider),
                some(r.leg_no),
                some(r.cabin),
                class(r.class),
                some(counts),
                some(r.reported),
                some(r.expected),
                some(r.drift),
                instant(r.version.time_ms, "+00"),
                some(r.version.group),
                some(r.version.sequence),
                some(r.offset),
            ]
        };
        table(
            "flightline.inventory_drift",
            "flight_key, provider, leg_no, cabin, class, counts, reported, expected, drift, version_at, version_group, version_sequence, \"offset\"",
            self.drift.rows().iter().map(drift).collect(),
        );
        let offer = |r: &OfferRow| {
            let [price, currency] = price(Some(r.price));
            vec![
                key(r.flight),
                some(r.board),
                some(r.off),
                some(r.provider),
                some(r.cabin),
                class(r.class),
                some(r.date),
                price,
                currency,
                some(r.seats),
                some(if r.seats_is_floor { "t" } else { "f" }),
                at_s(r.departs_s),
                at_s(r.arrives_s),
                local_s(r.departs_s, r.departs_offset_min),
                local_s(r.arrives_s, r.arrives_offset_min),
                three(r.aircraft),
                some(r.legs),
            ]
        };
        table(
            "views.offers",
            "flight_key, board, off, provider, cabin, class, date, price, currency, seats, seats_is_floor, departs_at, arrives_at, departs_local, arrives_local, aircraft, legs",
            self.offers.rows().iter().map(offer).collect(),
        );
        let availability = |r: &RouteDayRow| {
            vec![
                some(r.board),
                some(r.off),
                some(r.date),
                some(r.cabin),
                some(r.flights),
                some(r.flights_open),
                some(r.seats),
            ]
        };
        table(
            "views.availability_by_route_day",
            "board, off, date, cabin, flights, flights_open, seats",
            self.availability.rows().iter().map(availability).collect(),
        );
        let cheapest = |r: &CheapestRow| {
            let [price, currency] = price(Some(r.price));
            vec![
                some(r.board),
                some(r.off),
                some(r.date),
                some(r.cabin),
                currency,
                price,
                key(r.flight),
                some(r.provider),
                class(r.class),
            ]
        };
        table(
            "views.cheapest_by_route_day",
            "board, off, date, cabin, currency, price, flight_key, provider, class",
            self.cheapest.rows().iter().map(cheapest).collect(),
        );
        let load = |r: &LoadFactorRow| {
            vec![
                key(r.flight),
                some(r.leg_no),
                some(r.cabin),
                some(r.capacity),
                some(r.held),
                some(r.sold),
                some(r.load_permille),
            ]
        };
        table(
            "views.load_factor",
            "flight_key, leg_no, cabin, capacity, held, sold, load_permille",
            self.load.rows().iter().map(load).collect(),
        );
        let oversold = |r: &OversoldRow| {
            vec![
                key(r.flight),
                some(r.leg_no),
                some(r.cabin),
                some(r.provider.map_or_else(String::new, |p| p.to_string())),
                class(r.class),
                some(r.oversold),
            ]
        };
        table(
            "views.oversold",
            "flight_key, leg_no, cabin, provider, class, oversold",
            self.oversold.rows().iter().map(oversold).collect(),
        );
        table(
            "flightline.decision",
            "partition, \"offset\", command_id, flight_key, kind, outcome, reason, at, replay, first_offset, detail, ref_text, actor, order_id",
            self.decisions.iter().map(decision).collect(),
        );
        let orders = self.orders.rows();
        table(
            "flightline.orders",
            naive_orders::ORDERS,
            orders.iter().map(|r| naive_orders::order(r)).collect(),
        );
        table(
            "flightline.order_segment",
            naive_orders::SEGMENTS,
            orders
                .iter()
                .flat_map(|r| naive_orders::segments(r))
                .collect(),
        );
        table(
            "flightline.payment",
            naive_orders::PAYMENTS,
            orders
                .iter()
                .filter_map(|r| naive_orders::payment(r))
                .collect(),
        );
        let reject = |r: &FeedRejectRow| {
            vec![
                some(r.partition),
                some(r.offset),
                instant(r.at_ms, "+00"),
                some(r.provider),
                clean(&r.message),
                some(r.line),
                some(&r.code),
                clean(&r.reason),
                some("\\x00ff78"),
            ]
        };
        table(
            "flightline.feed_reject",
            "partition, \"offset\", at, provider, message, line, code, reason, raw",
            self.rejects.iter().map(reject).collect(),
        );
        let covers = self.covers.iter().enumerate();
        table(
            "flightline.sink_progress",
            "partition, next_offset",
            covers
                .map(|(at, covers)| vec![some(at), some(covers)])
                .collect(),
        );
        tables
    }

    /// Reads every table and compares.
    pub(crate) async fn check(&self, client: &Client, ids: &BTreeMap<(u32, u64), String>) {
        client.batch_execute("SET timezone = 'UTC'").await.unwrap();
        for (table, columns, expected) in self.lines(ids) {
            let sql = format!("SELECT {columns} FROM {table}");
            let found: Vec<Line> = client
                .simple_query(&sql)
                .await
                .unwrap()
                .into_iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(
                        (0..row.len())
                            .map(|at| row.get(at).map(str::to_owned))
                            .collect(),
                    ),
                    _ => None,
                })
                .collect();
            let count = found.len();
            let found: BTreeSet<Line> = found.into_iter().collect();
            let missing = expected.difference(&found).next();
            let surplus = found.difference(&expected).next();
            assert!(
                missing.is_none() && surplus.is_none() && count == expected.len(),
                "{table}\n missing {missing:?}\n surplus {surplus:?}\n {} rows expected, {count} found",
                expected.len()
            );
        }
    }
}

fn decision(r: &DecisionRow) -> Line {
    if let Some(order) = &r.order {
        return naive_orders::decision(r, order);
    }
    let d = &r.decision;
    let text = r.note.as_ref().and_then(|n| n.ref_text.as_deref());
    let actor = r.note.as_ref().and_then(|n| n.actor.as_deref());
    let (replay, first) = match d.replay {
        Replay::First => (None, None),
        Replay::Same { first_offset } => (some("same"), some(first_offset)),
        Replay::Different { first_offset } => (some("different"), some(first_offset)),
    };
    let detail = match d.outcome {
        Outcome::Accepted { .. } => some("displaced=2 partly_stale"),
        Outcome::Released { already: true, .. } => some("already"),
        Outcome::Refused(Reason::SoldOut { available }) => Some(format!("available={available}")),
        Outcome::Waiting { ahead, .. } => Some(format!("ahead={ahead}")),
        Outcome::Refused(Reason::PriceChanged { now: Some(now) }) => {
            Some(format!("now={now} {}", now.currency))
        }
        Outcome::Refused(Reason::PriceChanged { now: None }) => some("now=none"),
        _ => None,
    };
    vec![
        some(r.partition),
        some(d.offset),
        Some(text.map_or_else(|| d.id.to_string(), |t| t.replace('\0', "\u{fffd}"))),
        (!d.flight.is_none()).then(|| d.flight.to_string()),
        some(d.kind.name()),
        some(d.outcome.name()),
        d.outcome.reason().map(|r| r.code().to_owned()),
        instant(d.at_ms, "+00"),
        replay,
        first,
        detail,
        text.and_then(clean),
        actor.and_then(clean),
        None,
    ]
}
