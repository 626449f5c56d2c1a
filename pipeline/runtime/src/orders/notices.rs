//! Tells orders what happened to their flights.
//!
//! An order does not see the streams of its flights. What is told is what an epoch shows of a flight
//! at its end, with the last offset that the epoch covers: whatever held at that offset, holds for
//! every earlier hold. A notice that was told before is stale and changes nothing, so none is
//! remembered: at a start, everything that orders do not know is told (again).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::rows::{FlightStatus, HoldStatus, OrderRow, OrderSegment};
use flightline_ledger::order::{FlightChange, FlightNotice, OrderAction, Seat};
use flightline_ledger::{CommandId, FlightKey};
use flightline_sinks::serving::{FlightPlan, Serving};
use flightline_stream::partition_of_flight;
use parking_lot::Mutex;

use super::desk::OrderDesk;

/// What orders are to be told of their flights.
#[derive(Debug)]
pub(crate) struct Notices {
    partitions: u32,
    serving: Arc<Serving>,
    desk: Arc<OrderDesk>,
    live: AtomicBool,
    /// Holds of orders that were displaced in the history that is being folded.
    displaced: Mutex<BTreeMap<CommandId, FlightKey>>,
}

impl Notices {
    pub(crate) fn new(partitions: u32, serving: Arc<Serving>, desk: Arc<OrderDesk>) -> Self {
        Self {
            partitions,
            serving,
            desk,
            live: AtomicBool::new(false),
            displaced: Mutex::default(),
        }
    }

    /// Looks at an epoch that the index has applied.
    pub(crate) fn epoch(&self, epoch: &Epoch) {
        let came = |diff: &isize| *diff > 0;
        let displaced = epoch
            .holds
            .iter()
            .filter(|(row, diff)| came(diff) && row.status == HoldStatus::Displaced);
        if !self.live.load(Ordering::Acquire) {
            let mut known = self.displaced.lock();
            for (row, _) in displaced {
                if self.serving.order_of_hold(row.id).is_some() {
                    known.insert(row.id, row.flight);
                }
            }
            return;
        }
        if self.serving.order_count() == 0 {
            return;
        }
        self.desk.holds_changed(&epoch.holds);
        let covers = |flight: &FlightKey| {
            epoch.covers[partition_of_flight(flight, self.partitions) as usize]
        };
        for (row, _) in displaced {
            self.displaced(row.id, row.flight, covers(&row.flight));
        }
        let mut flights: Vec<FlightKey> = Vec::new();
        flights.extend(
            epoch
                .flights
                .iter()
                .filter(|(_, d)| came(d))
                .map(|(r, _)| r.flight),
        );
        flights.extend(
            epoch
                .legs
                .iter()
                .filter(|(_, d)| came(d))
                .map(|(r, _)| r.flight),
        );
        flights.sort_unstable();
        flights.dedup();
        for flight in flights {
            let orders = self.serving.orders_on(&flight);
            if orders.is_empty() {
                continue;
            }
            let Some(plan) = self.serving.plan(&flight) else {
                continue;
            };
            for order in orders {
                self.compare(&order, &plan, flight, covers(&flight), true);
            }
        }
        // An order looks at its flights when it has begun to want, or got, seats on them: what changes
        // later, the flight's own change tells.
        let gone = epoch.orders.iter().filter(|(_, diff)| *diff < 0);
        let before: HashMap<_, _> = gone.map(|(row, _)| (row.order, row)).collect();
        for (order, _) in epoch.orders.iter().filter(|(_, d)| came(d)) {
            if self.desk.is_shared() {
                // Another replica may have asked for the seats that it waits for, and be gone.
                self.desk.resume_waits(std::slice::from_ref(order));
            }
            let seats = |row: &OrderRow| -> Vec<_> {
                row.segments.iter().map(|s| (s.hold, s.seat)).collect()
            };
            let known = before.get(&order.order);
            if known.is_none_or(|known| seats(known) != seats(order)) {
                self.look_at(order, &covers);
            }
        }
    }

    /// The history is folded: tells orders what they do not know.
    pub(crate) fn go_live(&self, answered: impl Fn(u32) -> u64) {
        let covers = |flight: &FlightKey| answered(partition_of_flight(flight, self.partitions));
        for (hold, flight) in std::mem::take(&mut *self.displaced.lock()) {
            self.displaced(hold, flight, covers(&flight));
        }
        let orders = self.serving.all_orders();
        self.desk.resume_waits(&orders);
        for order in orders {
            self.look_at(&order, &covers);
        }
        self.live.store(true, Ordering::Release);
    }

    fn look_at(&self, order: &Arc<OrderRow>, covers: &impl Fn(&FlightKey) -> u64) {
        if order.state.is_end() {
            return;
        }
        let mut last = None;
        for segment in &order.segments {
            if last.replace(segment.flight) == Some(segment.flight) {
                continue;
            }
            if let Some(plan) = self.serving.plan(&segment.flight) {
                let covers = covers(&segment.flight);
                self.compare(order, &plan, segment.flight, covers, false);
            }
        }
    }

    fn displaced(&self, hold: CommandId, flight: FlightKey, covers: u64) {
        let Some(order) = self.serving.order_of_hold(hold) else {
            return;
        };
        let is_ours = |segment: &OrderSegment| {
            segment.hold == hold && matches!(segment.seat, Seat::Holding | Seat::Held)
        };
        if order.segments.iter().any(is_ours) {
            self.tell(&order, flight, covers, FlightChange::Displaced { hold });
        }
    }

    /// Tells an order what it does not know of a flight. `fresh`: the flight has just changed.
    fn compare(
        &self,
        order: &OrderRow,
        plan: &FlightPlan,
        flight: FlightKey,
        covers: u64,
        fresh: bool,
    ) {
        let ours = order.segments.iter().filter(|s| s.flight == flight);
        let ours: Vec<&OrderSegment> = ours
            .filter(|s| !matches!(s.seat, Seat::Free | Seat::Kept))
            .collect();
        if plan.status == FlightStatus::Cancelled {
            if ours.iter().any(|s| fresh || s.gone_offset.is_none()) {
                self.tell(order, flight, covers, FlightChange::Cancelled);
            }
            return;
        }
        for segment in ours {
            let board = segment.board.unwrap_or(flight.board);
            let leg = plan.departures.iter().find(|leg| leg.0 == board);
            let Some((_, departs_s)) = leg else {
                // The flight goes on, but not from there: to the order it is cancelled.
                if fresh || segment.gone_offset.is_none() {
                    self.tell(order, flight, covers, FlightChange::Cancelled);
                }
                continue;
            };
            let departs_ms = departs_s.saturating_mul(1000);
            if departs_ms != segment.departs_ms {
                self.tell(
                    order,
                    flight,
                    covers,
                    FlightChange::Times { board, departs_ms },
                );
            }
        }
    }

    fn tell(&self, order: &OrderRow, flight: FlightKey, covers: u64, change: FlightChange) {
        let notice = FlightNotice {
            flight,
            // The epoch covers at least the record that did it.
            offset: covers.saturating_sub(1),
            change,
        };
        self.desk
            .tell(order.order, OrderAction::FlightChanged(notice));
    }
}
