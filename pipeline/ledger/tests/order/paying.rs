//! Paying for what is held.

use flightline_ledger::Money;
use flightline_ledger::order::{
    EffectResult, Field, FlightChange, OrderAction, OrderOutcome, OrderReason, OrderState, Payment,
    Step, Terms,
};

use crate::support::{
    DAY_MS, DEPARTS_MS, HOUR_MS, MINUTE_MS, START_MS, World, authorised, declined, flight, held,
    instant, on_hold, refused, text, usd,
};

fn pay_with(world: &mut World, amount: Money, method: &str) -> OrderOutcome {
    world.action(OrderAction::Pay(Payment {
        amount,
        method: text(method),
    }))
}

#[test]
fn the_payment_is_the_total_in_its_currency() {
    let mut world = World::awaiting(2);
    let euros = Money {
        currency: "EUR".parse().unwrap(),
        ..usd(200_00)
    };
    let finer = Money {
        exponent: 3,
        ..usd(200_00)
    };
    let currency = refused(OrderReason::CurrencyMismatch);
    assert_eq!(pay_with(&mut world, euros, "m"), currency);
    assert_eq!(pay_with(&mut world, finer, "m"), currency);
    for minor in [0, 199_99, 200_01, -200_00, i64::MAX] {
        assert_eq!(world.pay(minor), refused(OrderReason::AmountMismatch));
    }
    let method = refused(OrderReason::Invalid(Field::Method));
    assert_eq!(pay_with(&mut world, usd(200_00), ""), method);
    assert_eq!(pay_with(&mut world, usd(200_00), &"m".repeat(257)), method);
    assert_eq!(world.state(), OrderState::AwaitingPayment);
    assert_eq!(world.order().charge().number, 0);
    assert_eq!(
        world.pay(200_00),
        OrderOutcome::PaymentStarted { payment: 1 }
    );
}

#[test]
fn only_held_orders_are_paid_and_once() {
    let mut world = World::with(1, instant());
    assert_eq!(world.pay(100_00), refused(OrderReason::NotPayable));
    let mut world = World::booked(1);
    assert_eq!(world.pay(100_00), refused(OrderReason::NotPayable));

    let mut world = World::with(1, on_hold());
    assert_eq!(world.pay(100_00), refused(OrderReason::StillHolding));
    world.all_well();
    world.pay(100_00);
    for step in [Step::Authorise, Step::Confirm, Step::Capture] {
        world.well_up_to(step);
        assert_eq!(
            world.pay(100_00),
            refused(OrderReason::PaymentInProgress),
            "{step}"
        );
    }
    world.well_up_to(Step::Ticket);
    assert_eq!(world.pay(100_00), refused(OrderReason::AlreadyPaid));
    world.all_well();
    assert_eq!(world.pay(100_00), refused(OrderReason::AlreadyPaid));
}

#[test]
fn a_declined_payment_leaves_the_order_held() {
    let mut world = World::awaiting(1);
    world.pay(100_00);
    let first = world.effect(Step::Authorise);
    world.result(Step::Authorise, declined());
    assert_eq!(world.state(), OrderState::AwaitingPayment);
    assert_eq!(world.waits(), []);
    assert_eq!(
        world.order().charge().code.as_deref(),
        Some("insufficient_funds")
    );
    assert_eq!(
        world.pay(100_00),
        OrderOutcome::PaymentStarted { payment: 2 }
    );
    assert_ne!(world.effect(Step::Authorise), first);
    assert_eq!(world.order().charge().code, None);
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn paying_too_late_is_refused() {
    let mut world = World::awaiting(1);
    world.now_ms += HOUR_MS - 1;
    let mut late = World::awaiting(1);
    late.now_ms += HOUR_MS;
    assert_eq!(late.pay(100_00), refused(OrderReason::PastDeadline));
    assert_eq!(late.waits(), [(Step::Release, 0)]);
    late.all_well();
    assert_eq!(late.pay(100_00), refused(OrderReason::PastDeadline));

    // In the last moment is in time, and there is some time for it to go through.
    assert_eq!(
        world.pay(100_00),
        OrderOutcome::PaymentStarted { payment: 1 }
    );
    world.tick(4 * MINUTE_MS);
    assert_eq!(world.state(), OrderState::Authorising);
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn a_payment_declined_after_the_deadline_ends_the_order() {
    let mut world = World::awaiting(1);
    world.now_ms += HOUR_MS - 1;
    world.pay(100_00);
    world.now_ms += 2;
    world.result(Step::Authorise, declined());
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Undoing, "not_paid")
    );
    world.all_well();
    assert_eq!(world.state(), OrderState::Expired);
}

#[test]
fn a_payment_that_is_never_known_expires_with_the_seats() {
    let mut world = World::with(1, on_hold());
    let deadline_ms = START_MS + HOUR_MS + 5 * MINUTE_MS;
    world.result(
        Step::Hold,
        EffectResult::Held {
            provider: crate::support::provider(),
            deadline_ms,
            offset: 1,
        },
    );
    world.pay(100_00);
    world.now_ms = deadline_ms;
    world.tick(0);
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Undoing, "payment_timed_out")
    );
    world.result(
        Step::Release,
        EffectResult::Refused(flightline_ledger::Reason::Expired),
    );
    world.result(Step::Authorise, authorised());
    world.all_well();
    assert_eq!(world.state(), OrderState::Expired);
    assert_eq!(world.order().kept(), usd(0));
}

/// An hour by the stream's clock in which nobody knows what became of the payment: it is asked for by the
/// same id, ever more slowly. An order whose seats are held longer is booked when the service is back;
/// one whose seats have lapsed meanwhile ends with neither seats nor money.
#[test]
fn the_payment_service_is_down_for_an_hour() {
    for (pay_by_ms, ends) in [
        (DAY_MS, OrderState::Booked),
        (HOUR_MS / 2, OrderState::Expired),
    ] {
        let pay_by = Terms::Hold {
            pay_by_ms: pay_by_ms as u64,
        };
        let mut world = World::with(1, pay_by);
        world.result(
            Step::Hold,
            EffectResult::Held {
                provider: crate::support::provider(),
                deadline_ms: START_MS + pay_by_ms + 5 * MINUTE_MS,
                offset: 1,
            },
        );
        world.pay(100_00);
        let payment = world.effect(Step::Authorise);
        let mut asks_ms = Vec::new();
        let mut is_asked = |world: &World| {
            let asked = world.ear.due.iter().any(|effect| effect.id == payment);
            if asked {
                asks_ms.push(world.now_ms - START_MS);
            }
            asked
        };
        assert!(is_asked(&world), "at once");
        world.done(payment, EffectResult::Unknown);
        while world.now_ms < START_MS + HOUR_MS {
            world.tick(1_000);
            if is_asked(&world) {
                world.done(payment, EffectResult::Unknown);
            }
        }
        // The service is back, and hears of it when it is asked the next time.
        while !is_asked(&world) {
            world.tick(1_000);
        }
        world.done(payment, authorised());
        world.all_well();
        assert_eq!(world.state(), ends, "{pay_by_ms} ms to pay");
        let kept = if ends == OrderState::Booked {
            100_00
        } else {
            0
        };
        assert_eq!(world.order().kept(), usd(kept));
        assert_eq!(world.waits(), []);
        let pauses = asks_ms.windows(2).map(|two| two[1] - two[0]);
        let pauses: Vec<i64> = pauses.collect();
        assert!(pauses.is_sorted(), "ever more slowly: {pauses:?}");
        assert_eq!((pauses[0], pauses.last()), (1_000, Some(&(10 * MINUTE_MS))));
    }
}

#[test]
fn an_order_that_is_over_is_not_paid() {
    let mut world = World::with(1, on_hold());
    world.result(
        Step::Hold,
        EffectResult::Refused(flightline_ledger::Reason::Closed),
    );
    assert_eq!(world.pay(100_00), refused(OrderReason::OrderRefused));
    let mut world = World::awaiting(1);
    let quote = world.quote();
    world.action(OrderAction::ConfirmCancel { quote });
    assert_eq!(world.pay(100_00), refused(OrderReason::AlreadyCancelled));
}

#[test]
fn changed_times_must_be_agreed_with_before_paying() {
    let mut world = World::awaiting(2);
    let change = FlightChange::Times {
        board: flight(1).board,
        departs_ms: DEPARTS_MS + 9 * HOUR_MS,
    };
    assert_eq!(
        world.action(OrderAction::AcceptChanges),
        refused(OrderReason::NothingToAccept)
    );
    assert_eq!(world.notice(1, 50, change), OrderOutcome::Heard);
    assert!(world.order().changes_pending());
    assert_eq!(world.pay(200_00), refused(OrderReason::ScheduleChanged));
    assert_eq!(
        world.action(OrderAction::AcceptChanges),
        OrderOutcome::ChangesAccepted
    );
    assert!(matches!(
        world.pay(200_00),
        OrderOutcome::PaymentStarted { .. }
    ));
}

#[test]
fn seats_that_lapse_earlier_than_agreed_end_it_earlier() {
    let mut world = World::with(2, on_hold());
    world.result(Step::Hold, held(1));
    let deadline_ms = START_MS + 10 * MINUTE_MS;
    world.result(
        Step::Hold,
        EffectResult::Held {
            provider: crate::support::provider(),
            deadline_ms,
            offset: 1,
        },
    );
    assert_eq!(world.order().payment_required_by_ms(), Some(deadline_ms));
    world.tick(10 * MINUTE_MS);
    assert_eq!(world.cause(), "not_paid");
}
