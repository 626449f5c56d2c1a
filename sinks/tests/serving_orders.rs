//! Orders in the index beside a naive filter over all rows, for random epochs of a real fold.

mod common;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use common::orders::CLIENTS;
use common::{Fold, World};
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{BookingReference, OrderId, Seat};
use flightline_ledger::{CommandId, FlightKey};
use flightline_sinks::serving::*;
use rand::RngExt;

type Rows = Vec<Arc<OrderRow>>;

fn sorted(mut rows: Rows) -> Rows {
    rows.sort();
    rows
}

/// Everything that was ever known, to ask for what is gone as well.
#[derive(Default)]
struct Ever {
    orders: BTreeSet<OrderId>,
    bookings: BTreeSet<BookingReference>,
    flights: BTreeSet<FlightKey>,
    holds: BTreeSet<CommandId>,
}

impl Ever {
    fn add(&mut self, row: &OrderRow) {
        self.orders.insert(row.order);
        self.bookings.insert(row.booking);
        for segment in &row.segments {
            self.flights.insert(segment.flight);
            self.holds.insert(segment.hold);
        }
    }
}

#[test]
fn orders_are_found_as_a_naive_filter_finds_them() {
    let (mut found, mut gone, mut pages) = (0, 0, 0);
    let mut states = BTreeSet::new();
    for seed in 0..4 {
        let mut world = World::new(seed, 4);
        let serving = Serving::new(4);
        let mut fold = Fold::default();
        let mut ever = Ever::default();
        for steps in [1, 120, 3, 0, 40, 40, 600, 5, 600, 1] {
            let epoch = world.epoch(steps);
            serving.apply(&epoch);
            fold.add(&epoch.orders);
            epoch.orders.iter().for_each(|(row, _)| ever.add(row));
            let rows = fold.rows();
            check_keys(&serving, &rows, &ever, seed);
            pages += check_clients(&serving, &rows, &mut world, seed);
            states.extend(rows.iter().map(|row| row.state));
            found += rows.len();
            gone += ever.orders.len() - rows.len();
        }
    }
    // What never happens proves nothing.
    assert!(
        found > 500 && gone > 20 && pages > 500 && states.len() == 12,
        "{found} found, {gone} gone, {pages} pages, states {states:?}"
    );
}

fn check_keys(serving: &Serving, rows: &Rows, ever: &Ever, seed: u64) {
    assert_eq!(serving.order_count(), rows.len(), "seed {seed}");
    assert_eq!(sorted(serving.all_orders()), *rows, "seed {seed}");
    for order in &ever.orders {
        let expected = rows.iter().find(|row| row.order == *order);
        assert_eq!(serving.order(*order).as_ref(), expected, "seed {seed}");
    }
    for booking in &ever.bookings {
        let expected = rows.iter().find(|row| row.booking == *booking);
        assert_eq!(serving.order_named(booking).as_ref(), expected);
    }
    let open = |row: &&Arc<OrderRow>| !row.state.is_end();
    for flight in &ever.flights {
        let on = |row: &&Arc<OrderRow>| row.segments.iter().any(|s| s.flight == *flight);
        let expected: Rows = rows.iter().filter(open).filter(on).cloned().collect();
        assert_eq!(sorted(serving.orders_on(flight)), expected, "seed {seed}");
    }
    for hold in &ever.holds {
        let has = |row: &&Arc<OrderRow>| {
            let mut segments = row.segments.iter();
            segments.any(|s| s.hold == *hold && s.seat != Seat::Free)
        };
        let expected = rows.iter().filter(open).find(has);
        let found = serving.order_of_hold(*hold);
        assert_eq!(found.as_ref(), expected, "seed {seed}, hold {hold}");
    }
}

fn place(row: &OrderRow) -> OrderPlace {
    (row.created_ms, row.order)
}

/// Walks every client's orders both ways, in pages, and looks at some pages from odd places.
fn check_clients(serving: &Serving, rows: &Rows, world: &mut World, seed: u64) -> usize {
    let mut pages = 0;
    for client in CLIENTS.into_iter().chain(["nobody"]) {
        let unpaid = world.rng.random_ratio(1, 2);
        let keep = |row: &OrderRow| !unpaid || row.payment.captured_ms.is_none();
        let is_theirs = |row: &&Arc<OrderRow>| &*row.asked.client == client && keep(row);
        let mut theirs: Rows = rows.iter().filter(is_theirs).cloned().collect();
        theirs.sort_by_key(|row| place(row));
        for newest_first in [false, true] {
            let limit = world.rng.random_range(1..5);
            let mut walked: Rows = Vec::new();
            let mut from = Bound::Unbounded;
            loop {
                let page = serving.orders_of(client, from, newest_first, limit, keep);
                pages += 1;
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                from = Bound::Excluded(place(last));
                walked.extend(page);
            }
            if newest_first {
                walked.reverse();
            }
            assert_eq!(walked, theirs, "seed {seed}, {client:?}, {newest_first}");
        }
        if theirs.is_empty() {
            continue;
        }
        let at = world.rng.random_range(0..theirs.len());
        let here = place(&theirs[at]);
        let all = |from, newest_first| {
            sorted_by_place(serving.orders_of(client, from, newest_first, usize::MAX, keep))
        };
        assert_eq!(all(Bound::Included(here), false), theirs[at..]);
        assert_eq!(all(Bound::Excluded(here), false), theirs[at + 1..]);
        assert_eq!(all(Bound::Included(here), true), theirs[..=at]);
        assert_eq!(all(Bound::Excluded(here), true), theirs[..at]);
        assert!(
            serving
                .orders_of(client, Bound::Unbounded, true, 0, keep)
                .is_empty()
        );
    }
    pages
}

fn sorted_by_place(mut rows: Rows) -> Rows {
    rows.sort_by_key(|row| place(row));
    rows
}
