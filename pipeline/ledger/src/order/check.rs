//! The invariants of the state, checked anew from what is known.

use std::collections::BTreeSet;

use super::command::Terms;
use super::effect::Step;
use super::memo::Memos;
use super::observer::OrderIx;
use super::orders::Orders;
use super::standing::{MoneyState, OrderState, Outward, Seat, Stage};
use super::state::Order;

impl Orders {
    /// Checks that every order is where its seats and money are, that an order at its end has both
    /// back or paid for, and that every table agrees with every other. Slow: for tests, `verify` and
    /// debugging.
    ///
    /// # Panics
    /// When an invariant is broken, with what is wrong and where.
    pub fn check_invariants(&self) {
        let mut wakes = BTreeSet::new();
        let mut deadlines = BTreeSet::new();
        let mut flights = BTreeSet::new();
        assert_eq!(self.ids.len(), self.orders.len(), "orders and their ids");
        for (at, order) in self.orders() {
            order.check();
            let id = order.id();
            assert_eq!(self.ids[at as usize], id, "order {id}: id kept wrongly");
            assert_eq!(order.at, at, "order {id}: index");
            assert_eq!(self.find(id), Some(at), "order {id}: not found by its id");
            let named = self.named(&order.booking);
            assert_eq!(
                named,
                Some((at, id)),
                "order {id}: not found by its reference"
            );
            let belongs = order.belongs(&self.settings);
            assert_eq!(order.queued, belongs, "order {id}: queues");
            wakes.extend(belongs.wake_ms.map(|at_ms| (at_ms, at)));
            deadlines.extend(belongs.deadline_ms.map(|at_ms| (at_ms, at)));
            if belongs.flights {
                let keys = order.segments.iter().map(|s| s.request.flight);
                flights.extend(keys.map(|flight| (flight, at as OrderIx)));
            }
            // Saturated sums may stay at the end of time.
            let late = belongs.wake_ms.is_some_and(|at_ms| at_ms <= self.clock_ms);
            let retiring = order.retires_at_ms(&self.settings).is_some();
            let busy = order.deadline_ms().is_some() || !order.pending.is_empty();
            assert!(
                !late || self.clock_ms == i64::MAX || (retiring && !busy),
                "order {id}: overslept"
            );
        }
        assert_eq!(self.wakes, wakes, "queue of times");
        assert_eq!(self.deadlines, deadlines, "queue of deadlines");
        assert_eq!(self.flights, flights, "index of flights");
    }
}

impl Order {
    fn check(&self) {
        let id = self.id;
        self.check_pending();
        self.check_stage();
        self.check_end();
        assert!(!self.segments.is_empty(), "order {id}: no segments");
        assert!(
            self.memos.as_slice().len() <= Memos::LEN_MAX,
            "order {id}: remembers too much"
        );
        let mut ids: Vec<_> = self.memos.as_slice().iter().map(|memo| memo.id).collect();
        ids.sort_unstable();
        let unique = ids.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(unique, "order {id}: remembers a command twice");
        assert!(
            self.waited || !self.is_waiting() && self.seated_ms == self.created_ms,
            "order {id}: waits, and never did"
        );
        assert!(
            !self.waited || self.details.wait_ms.is_some(),
            "order {id}: waited unasked"
        );
        for (segment, at) in self.segments.iter().zip(0..) {
            let hold = self.effect_id(Step::Hold, at).into();
            assert_eq!(segment.hold, hold, "order {id}: hold of segment {at}");
        }
    }

    /// What is waited for is exactly what seats, money and ticket say.
    fn check_pending(&self) {
        let id = self.id;
        let mut expected = Vec::new();
        for (segment, at) in self.segments.iter().zip(0..) {
            match segment.seat {
                Seat::Holding | Seat::Waiting => expected.push((Step::Hold, at)),
                Seat::Confirming => expected.push((Step::Confirm, at)),
                Seat::Releasing => expected.push((Step::Release, at)),
                Seat::Cancelling => expected.push((Step::Cancel, at)),
                Seat::Refusing => expected.push((Step::Refuse, at)),
                Seat::Held | Seat::Confirmed | Seat::Free | Seat::Kept => {}
            }
            match segment.outward {
                Outward::Placing => expected.push((Step::Place, at)),
                Outward::Placed => expected.push((Step::Acknowledge, at)),
                Outward::Withdrawing => expected.push((Step::Withdraw, at)),
                _ => {}
            }
        }
        match self.charge.money {
            MoneyState::Authorising => expected.push((Step::Authorise, 0)),
            MoneyState::Capturing => expected.push((Step::Capture, 0)),
            MoneyState::Voiding => expected.push((Step::Void, 0)),
            MoneyState::Refunding => expected.push((Step::Refund, 0)),
            _ => {}
        }
        // Once the order turns around, whether the ticket was refused shows nowhere else.
        if self
            .pending
            .iter()
            .any(|pending| pending.step == Step::Ticket)
        {
            assert_eq!(self.stage, Stage::Ticketing, "order {id}: ticket asked for");
            assert_eq!(self.ticket, None, "order {id}: ticket asked for again");
            expected.push((Step::Ticket, 0));
        }
        expected.sort_unstable();
        let mut waited: Vec<_> = self.pending.iter().map(|p| (p.step, p.segment)).collect();
        waited.sort_unstable();
        assert_eq!(waited, expected, "order {id}: what is waited for");
        for pending in &self.pending {
            let derived = self.effect_id(pending.step, pending.segment);
            assert_eq!(pending.id, derived, "order {id}: id of {}", pending.step);
        }
    }

    /// On the way forwards, seats and money go together.
    fn check_stage(&self) {
        if self.ending.is_some() {
            return;
        }
        let id = self.id;
        let all = |seats: &[Seat]| self.segments.iter().all(|s| seats.contains(&s.seat));
        let money = self.charge.money;
        let is_held = matches!(self.details.terms, Terms::Hold { .. });
        let (seats, monies): (&[Seat], &[MoneyState]) = match self.stage {
            Stage::Holding => (
                &[Seat::Holding, Seat::Waiting, Seat::Held],
                &[MoneyState::None],
            ),
            Stage::Awaiting => (&[Seat::Held], &[MoneyState::None, MoneyState::Declined]),
            Stage::Authorising => (&[Seat::Held], &[MoneyState::Authorising]),
            Stage::Confirming => (
                &[Seat::Confirming, Seat::Confirmed],
                &[MoneyState::Authorised],
            ),
            Stage::Placing => (
                &[
                    Seat::Confirmed,
                    Seat::Refusing,
                    Seat::Holding,
                    Seat::Confirming,
                ],
                &[MoneyState::Authorised],
            ),
            Stage::Capturing => (&[Seat::Confirmed], &[MoneyState::Capturing]),
            Stage::Ticketing | Stage::Booked => (&[Seat::Confirmed], &[MoneyState::Captured]),
        };
        let stage = self.stage;
        assert!(all(seats), "order {id}: {stage:?} with other seats");
        assert!(
            monies.contains(&money),
            "order {id}: {stage:?} with {money:?} money"
        );
        assert!(
            is_held || stage != Stage::Awaiting,
            "order {id}: awaits no payment"
        );
        let waits_for_providers = self.place_by_ms.is_some() && !self.is_placed();
        assert!(
            stage != Stage::Placing || waits_for_providers,
            "order {id}: places nothing"
        );
        assert!(
            stage <= Stage::Placing || self.is_placed(),
            "order {id}: {stage:?}, and a provider does not know"
        );
        let missing = |seat: Seat| matches!(seat, Seat::Holding | Seat::Waiting);
        assert!(
            self.segments.iter().any(|s| missing(s.seat)) || stage != Stage::Holding,
            "order {id}: all is held"
        );
        let ticketed = self.ticket.is_some();
        assert_eq!(ticketed, stage == Stage::Booked, "order {id}: ticket");
        assert!(self.ended_ms.is_none(), "order {id}: ended without a cause");
    }

    /// On the way back nothing is kept but what was flown; at the end seats and money are both back.
    fn check_end(&self) {
        let Some(ending) = &self.ending else {
            return;
        };
        let (id, money) = (self.id, self.charge.money);
        assert!(
            ending.state.is_end(),
            "order {id}: ends in {:?}",
            ending.state
        );
        let (total, refund) = (self.details.total.minor, ending.refund_minor);
        assert!(
            (0..=total).contains(&refund),
            "order {id}: refund {refund} of {total}"
        );
        assert_eq!(
            self.ended_ms.is_some(),
            self.pending.is_empty(),
            "order {id}: has ended when it waits for nothing, and not before"
        );
        assert_ne!(
            money,
            MoneyState::Authorised,
            "order {id}: money left reserved"
        );
        assert!(
            money != MoneyState::Captured || refund == 0,
            "order {id}: money left taken"
        );
        for segment in &self.segments {
            let is_settling = matches!(segment.outward, Outward::Placed | Outward::Withdrawing);
            let is_taken = matches!(segment.seat, Seat::Held | Seat::Waiting | Seat::Confirmed);
            assert!(!is_taken || is_settling, "order {id}: seats left taken");
            let is_kept = segment.seat == Seat::Kept;
            let is_left = segment.outward == Outward::Placing
                || segment.outward == Outward::Acknowledged && !is_kept;
            assert!(!is_left, "order {id}: left at a provider");
        }
        if self.ended_ms.is_none() {
            return;
        }
        let settled = |seat: Seat| matches!(seat, Seat::Free | Seat::Kept);
        let seats = self.segments.iter().all(|s| settled(s.seat));
        assert!(seats, "order {id}: ended with seats under way");
        let taken = matches!(money, MoneyState::Captured | MoneyState::Refunded);
        let kept = if taken { total - refund } else { 0 };
        assert_eq!(self.kept().minor, kept, "order {id}: money kept");
        if ending.state != OrderState::Cancelled {
            assert_eq!(kept, 0, "order {id}: money kept for nothing");
        }
    }
}
