//! Orders, for those who read them: by id, booking reference, client, flight and hold.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use flightline_dataflows::changelog::Change;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{BookingReference, OrderId, Seat};
use flightline_ledger::{CommandId, FlightKey};
use parking_lot::RwLock;

/// Place of an order among those of its client: when it was created, and its id.
pub type OrderPlace = (i64, OrderId);

/// Orders that are not retired.
#[derive(Debug, Default)]
pub(super) struct Orders {
    maps: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    rows: HashMap<OrderId, Arc<OrderRow>>,
    named: HashMap<BookingReference, OrderId>,
    clients: HashMap<Box<str>, BTreeSet<OrderPlace>>,
    /// Flights and holds of orders that have not ended.
    flights: HashMap<FlightKey, BTreeSet<OrderId>>,
    holds: HashMap<CommandId, OrderId>,
}

impl Orders {
    pub(super) fn apply(&self, changes: &[Change<Arc<OrderRow>>]) {
        if changes.is_empty() {
            return;
        }
        let mut maps = self.maps.write();
        // Whatever goes, goes first: the new row of an order may come before its old one.
        for (row, _) in changes.iter().filter(|(_, diff)| *diff < 0) {
            maps.remove(row);
        }
        for (row, _) in changes.iter().filter(|(_, diff)| *diff > 0) {
            maps.add(row);
        }
    }

    pub(super) fn get(&self, order: OrderId) -> Option<Arc<OrderRow>> {
        self.maps.read().rows.get(&order).cloned()
    }

    pub(super) fn named(&self, booking: &BookingReference) -> Option<Arc<OrderRow>> {
        let maps = self.maps.read();
        maps.rows.get(maps.named.get(booking)?).cloned()
    }

    pub(super) fn of_hold(&self, hold: CommandId) -> Option<Arc<OrderRow>> {
        let maps = self.maps.read();
        maps.rows.get(maps.holds.get(&hold)?).cloned()
    }

    pub(super) fn on_flight(&self, flight: &FlightKey) -> Vec<Arc<OrderRow>> {
        let maps = self.maps.read();
        let orders = maps.flights.get(flight).into_iter().flatten();
        orders
            .filter_map(|order| maps.rows.get(order).cloned())
            .collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<OrderRow>> {
        let mut all: Vec<_> = self.maps.read().rows.values().cloned().collect();
        // What a start does about them it does in the same order every time.
        all.sort_unstable_by_key(|row| row.order);
        all
    }

    pub(super) fn len(&self) -> usize {
        self.maps.read().rows.len()
    }

    pub(super) fn of_client(
        &self,
        client: &str,
        from: Bound<OrderPlace>,
        newest_first: bool,
        limit: usize,
        keep: impl Fn(&OrderRow) -> bool,
    ) -> Vec<Arc<OrderRow>> {
        let maps = self.maps.read();
        let Some(places) = maps.clients.get(client) else {
            return Vec::new();
        };
        let row = |place: &OrderPlace| maps.rows.get(&place.1);
        if newest_first {
            let rows = places.range((Bound::Unbounded, from)).rev().filter_map(row);
            rows.filter(|row| keep(row)).take(limit).cloned().collect()
        } else {
            let rows = places.range((from, Bound::Unbounded)).filter_map(row);
            rows.filter(|row| keep(row)).take(limit).cloned().collect()
        }
    }
}

impl Maps {
    fn add(&mut self, row: &Arc<OrderRow>) {
        let order = row.order;
        self.named.insert(row.booking, order);
        let place = (row.created_ms, order);
        match self.clients.get_mut(&row.asked.client) {
            Some(places) => {
                places.insert(place);
            }
            None => {
                let client = row.asked.client.clone();
                self.clients.insert(client, BTreeSet::from([place]));
            }
        }
        if !row.state.is_end() {
            for segment in &row.segments {
                self.flights
                    .entry(segment.flight)
                    .or_default()
                    .insert(order);
                if segment.seat != Seat::Free {
                    self.holds.insert(segment.hold, order);
                }
            }
        }
        let before = self.rows.insert(order, row.clone());
        assert!(before.is_none(), "order {order} came twice");
    }

    fn remove(&mut self, row: &Arc<OrderRow>) {
        let order = row.order;
        let before = self.rows.remove(&order);
        assert!(
            before.as_ref() == Some(row),
            "order {order} goes, but another row of it is there"
        );
        self.named.remove(&row.booking);
        if let Some(places) = self.clients.get_mut(&row.asked.client) {
            places.remove(&(row.created_ms, order));
            if places.is_empty() {
                self.clients.remove(&row.asked.client);
            }
        }
        for segment in &row.segments {
            if let Some(orders) = self.flights.get_mut(&segment.flight) {
                orders.remove(&order);
                if orders.is_empty() {
                    self.flights.remove(&segment.flight);
                }
            }
            self.holds.remove(&segment.hold);
        }
    }
}
