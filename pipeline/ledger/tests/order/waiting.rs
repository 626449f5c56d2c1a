//! Orders that wait for seats of flights that are sold out.

use flightline_ledger::Reason;
use flightline_ledger::order::{
    EffectResult, Field, FlightChange, OrderAction, OrderOutcome, OrderReason, OrderState, Seat,
    SeatsAsk, Step, Terms, Wait, Work,
};

use crate::support::{
    DAY_MS, DEPARTS_MS, HOUR_MS, MINUTE_MS, START_MS, World, create, held, instant, on_hold,
    provider, refused,
};

/// An order that may wait for a day.
fn world(segments: usize, terms: Terms) -> World {
    let mut world = World::new();
    let mut details = create(1, segments, terms);
    details.wait_ms = Some(DAY_MS as u64);
    assert!(matches!(
        world.create(details),
        OrderOutcome::Created { .. }
    ));
    world
}

fn waiting(deadline_ms: i64) -> EffectResult {
    EffectResult::Waiting { deadline_ms }
}

fn held_until(deadline_ms: i64) -> EffectResult {
    EffectResult::Held {
        provider: provider(),
        deadline_ms,
        offset: 1,
    }
}

const DAY_END_MS: i64 = START_MS + DAY_MS;

#[test]
fn flights_are_asked_to_let_it_wait_and_a_held_order_pays_when_it_has_its_seats() {
    let mut world = world(1, on_hold());
    let ask = world.ear.due[0].work.clone();
    let Work::Seats {
        ask: SeatsAsk::Hold(request),
        ..
    } = ask
    else {
        panic!("{ask:?}");
    };
    assert_eq!(request.wait_ms, Some(DAY_MS as u64));
    assert_eq!(
        world.result(Step::Hold, waiting(DAY_END_MS)),
        OrderOutcome::Heard
    );
    assert_eq!(world.state(), OrderState::Waiting);
    assert_eq!(world.order().waits_until_ms(), Some(DAY_END_MS));
    assert_eq!(world.order().payment_required_by_ms(), None);
    assert_eq!(world.pay(100_00), refused(OrderReason::StillHolding));
    // Nobody asks meanwhile, and what is heard again changes nothing.
    world.tick(20 * HOUR_MS);
    assert!(world.ear.due.is_empty());
    let revision = world.order().revision();
    assert_eq!(
        world.result(Step::Hold, waiting(DAY_END_MS)),
        OrderOutcome::Stale
    );
    assert!(matches!(
        world.result(Step::Hold, EffectResult::Unknown),
        OrderOutcome::AskedAgain { at_ms } if at_ms > DAY_END_MS
    ));
    assert!(matches!(world.wait(Step::Hold), Wait::Later { at_ms } if at_ms > DAY_END_MS));
    assert_eq!(world.order().revision(), revision);
    // The hour to pay begins with the seats.
    assert_eq!(
        world.result(Step::Hold, held_until(i64::MAX)),
        OrderOutcome::Heard
    );
    assert_eq!(world.state(), OrderState::AwaitingPayment);
    let until_ms = START_MS + 21 * HOUR_MS;
    assert_eq!(world.order().payment_required_by_ms(), Some(until_ms));
    world.pay(100_00);
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn one_bought_at_once_is_paid_when_all_its_flights_have_seats() {
    let mut world = world(3, instant());
    world.result(Step::Hold, held(1));
    world.result(Step::Hold, waiting(DAY_END_MS));
    assert_eq!(world.state(), OrderState::Holding, "one has not answered");
    // The second of the hold effects that are outstanding is that of the third segment.
    let third = world.order().pending()[1].id;
    world.done(third, held(2));
    assert_eq!(world.state(), OrderState::Waiting);
    assert_eq!(world.waits(), [(Step::Hold, 1)]);
    world.result(Step::Hold, held(9));
    assert_eq!(world.state(), OrderState::Authorising);
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn it_waits_while_its_other_seats_have_half_of_their_time_left() {
    // Held for 15 minutes.
    let mut world = world(2, instant());
    world.result(Step::Hold, held_until(START_MS + 15 * MINUTE_MS));
    world.result(Step::Hold, waiting(DAY_END_MS));
    let until_ms = START_MS + 7 * MINUTE_MS + 30_000;
    assert_eq!(world.order().waits_until_ms(), Some(until_ms));
    world.tick(7 * MINUTE_MS + 29_999);
    assert_eq!(world.state(), OrderState::Waiting);
    world.tick(1);
    assert_eq!(world.state(), OrderState::Undoing);
    assert_eq!(world.cause(), "holds_timed_out");
    // Both are given back, the one that waits too.
    assert_eq!(world.waits(), [(Step::Release, 0), (Step::Release, 1)]);
    world.all_well();
    assert_eq!(world.state(), OrderState::Refused);
    assert_eq!(world.order().waits_until_ms(), None);
    assert!(world.order().has_waited());
}

#[test]
fn seats_that_come_while_it_gives_up_are_given_back() {
    let mut world = world(1, on_hold());
    let hold = world.effect(Step::Hold);
    world.result(Step::Hold, waiting(DAY_END_MS));
    world.tick(DAY_MS);
    assert_eq!(world.cause(), "holds_timed_out");
    assert_eq!(world.waits(), [(Step::Release, 0)]);
    assert_eq!(
        world.done(hold, held(1)),
        refused(OrderReason::NotOutstanding)
    );
    world.result(Step::Release, EffectResult::Released);
    assert_eq!(world.state(), OrderState::Refused);
}

#[test]
fn a_wait_that_the_flight_ends_is_a_refusal() {
    for reason in [Reason::Expired, Reason::Displaced, Reason::AlreadyReleased] {
        let mut world = world(2, on_hold());
        world.result(Step::Hold, waiting(DAY_END_MS));
        world.result(Step::Hold, EffectResult::Refused(reason));
        assert_eq!(world.cause(), "seats_refused");
        assert_eq!(world.order().segments()[0].seat, Seat::Free);
        world.all_well();
        assert_eq!(world.state(), OrderState::Refused);
    }
    // Word of it may come before the answer.
    let mut world = world(1, on_hold());
    world.result(Step::Hold, waiting(DAY_END_MS));
    let hold = world.order().segments()[0].hold;
    world.notice(0, 5, FlightChange::Displaced { hold });
    assert_eq!(world.cause(), "displaced");
    world.result(Step::Release, EffectResult::Refused(Reason::Displaced));
    assert_eq!(world.state(), OrderState::Refused);
}

#[test]
fn an_answer_that_it_waits_comes_too_late() {
    let mut world = world(2, on_hold());
    world.result(Step::Hold, EffectResult::Refused(Reason::Closed));
    assert_eq!(world.state(), OrderState::Undoing);
    world.result(Step::Hold, waiting(DAY_END_MS));
    assert_eq!(world.waits(), [(Step::Release, 1)]);
    world.all_well();
    assert_eq!(world.state(), OrderState::Refused);
}

#[test]
fn its_client_can_cancel_while_it_waits() {
    let mut world = world(2, instant());
    assert_eq!(
        world.action(OrderAction::QuoteCancel),
        refused(OrderReason::NotCancellable)
    );
    world.result(Step::Hold, waiting(DAY_END_MS));
    let quote = world.quote();
    let quoted = world.order().quote().unwrap();
    assert!(quoted.unpaid && quoted.refund_minor == 0);
    world.action(OrderAction::ConfirmCancel { quote });
    assert_eq!(world.waits(), [(Step::Hold, 1), (Step::Release, 0)]);
    world.result(Step::Hold, waiting(DAY_END_MS));
    world.all_well();
    assert_eq!(world.state(), OrderState::Cancelled);
    let again = create(1, 1, instant());
    assert_eq!(world.create(again), refused(OrderReason::AlreadyBooked));
}

#[test]
fn changed_times_end_a_wait_that_would_be_bought_at_once() {
    let change = FlightChange::Times {
        board: crate::support::flight(0).board,
        departs_ms: DEPARTS_MS + HOUR_MS,
    };
    let mut bought = world(1, instant());
    bought.result(Step::Hold, waiting(DAY_END_MS));
    bought.notice(0, 5, change);
    assert_eq!(bought.cause(), "times_changed");
    // One that was moved before it was known to wait, too.
    let mut early = world(1, instant());
    early.notice(0, 5, change);
    assert_eq!(early.state(), OrderState::Holding);
    early.result(Step::Hold, waiting(DAY_END_MS));
    assert_eq!(early.cause(), "times_changed");
    // Who pays later is asked.
    let mut later = world(1, on_hold());
    later.result(Step::Hold, waiting(DAY_END_MS));
    later.notice(0, 5, change);
    assert_eq!(later.state(), OrderState::Waiting);
    later.result(Step::Hold, held(9));
    assert_eq!(later.pay(100_00), refused(OrderReason::ScheduleChanged));
    later.action(OrderAction::AcceptChanges);
    assert!(matches!(
        later.pay(100_00),
        OrderOutcome::PaymentStarted { .. }
    ));
}

#[test]
fn an_order_that_did_not_ask_does_not_wait() {
    let mut world = World::with(1, on_hold());
    assert_eq!(
        world.result(Step::Hold, waiting(DAY_END_MS)),
        refused(OrderReason::WrongResult)
    );
    assert_eq!(world.state(), OrderState::Holding);
    let mut none = create(2, 1, on_hold());
    none.wait_ms = Some(0);
    assert_eq!(
        world.create(none),
        refused(OrderReason::Invalid(Field::Wait))
    );
}

#[test]
fn another_attempt_starts_anew() {
    let mut world = world(1, on_hold());
    world.result(Step::Hold, waiting(DAY_END_MS));
    world.result(Step::Hold, EffectResult::Refused(Reason::Expired));
    assert_eq!(world.state(), OrderState::Refused);
    world.tick(HOUR_MS);
    world.create(create(1, 1, on_hold()));
    assert!(!world.order().has_waited());
    assert_eq!(
        world.result(Step::Hold, waiting(DAY_END_MS)),
        refused(OrderReason::WrongResult)
    );
    world.result(Step::Hold, held(3));
    let until_ms = START_MS + 2 * HOUR_MS;
    assert_eq!(world.order().payment_required_by_ms(), Some(until_ms));
}

#[test]
fn what_was_quoted_while_it_waited_is_stale_when_it_is_paid() {
    let mut details = create(1, 1, instant());
    details.wait_ms = Some(HOUR_MS as u64);
    let mut world = World::new();
    world.create(details);
    let deadline_ms = world.now_ms + HOUR_MS;
    world.result(Step::Hold, EffectResult::Waiting { deadline_ms });
    let quote = world.quote();
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
    let confirmed = world.action(OrderAction::ConfirmCancel { quote });
    assert_eq!(confirmed, refused(OrderReason::QuoteStale));
}
