//! Both folds of a partition, one record after the other: the plain way, to compare with.

use flightline_dataflows::references;
use flightline_ledger::order::{
    OrderCommand, OrderDecision, OrderObserver, OrderState, Orders, Seat,
};
use flightline_ledger::{Decision, HoldState, Input, Ledger, Silent};
use flightline_stream::partition_of_flight;

/// Seats and orders of one partition.
pub(crate) struct Plain {
    pub(crate) ledger: Ledger,
    pub(crate) orders: Orders,
}

/// Keeps the decision about an order.
#[derive(Default)]
struct Keep(Option<OrderDecision>);

impl OrderObserver for Keep {
    fn decided(&mut self, decision: &OrderDecision) {
        self.0 = decision.order.is_some().then_some(*decision);
    }
}

impl Plain {
    pub(crate) fn new(partition: u32, partitions: u32) -> Self {
        Self {
            ledger: Ledger::new(),
            orders: Orders::new(partition, references(partitions)),
        }
    }

    /// Every partition of a stream.
    pub(crate) fn all(partitions: u32) -> Vec<Self> {
        (0..partitions)
            .map(|partition| Self::new(partition, partitions))
            .collect()
    }

    /// Folds the next record.
    pub(crate) fn apply(&mut self, input: &Input) -> (Decision, Option<OrderDecision>) {
        let decision = self.ledger.apply(input, &mut Silent);
        let mut keep = Keep::default();
        let command = OrderCommand::of(&input.command);
        self.orders
            .apply(input.offset, input.at_ms, input.id, &command, &mut keep);
        (decision, keep.0)
    }

    /// Digest of both states.
    pub(crate) fn hash_state(&self) -> u128 {
        both(self.ledger.hash_state(), self.orders.hash_state())
    }
}

/// One digest of the digests of seats and orders.
pub(crate) fn both(seats: u128, orders: u128) -> u128 {
    seats.rotate_left(1) ^ orders
}

/// The first order whose seats are not what the flights say, if any: a booked order has sold seats
/// on every flight that is still known, and an order that ended holds none.
pub(crate) fn disagreement(folds: &[Plain]) -> Option<String> {
    for fold in folds {
        for (_, order) in fold.orders.orders() {
            let state = order.state();
            if !(state == OrderState::Booked || state.is_end()) {
                continue;
            }
            for segment in order.segments() {
                let flight = segment.request.flight;
                let partition = partition_of_flight(&flight, folds.len() as u32);
                let ledger = &folds[partition as usize].ledger;
                let Some(flight_state) = ledger.find(&flight).and_then(|at| ledger.get(at)) else {
                    continue;
                };
                let hold = flight_state.find_hold(segment.hold);
                let hold = hold.map(|at| flight_state.hold(at));
                let is_sold = hold
                    .as_ref()
                    .is_some_and(|hold| hold.state == HoldState::Confirmed);
                let is_held = hold.is_some_and(|hold| hold.state == HoldState::Held);
                let should_be = matches!(segment.seat, Seat::Confirmed | Seat::Kept);
                if is_sold != should_be || is_held {
                    return Some(format!(
                        "order ord_{} is {}, its seats on {flight} are {}, but the flight says otherwise of hold {}",
                        order.id(),
                        state.name(),
                        segment.seat.name(),
                        segment.hold
                    ));
                }
            }
        }
    }
    None
}
