//! Every step refused, and what is undone then.

use flightline_ledger::Reason;
use flightline_ledger::order::{
    Cause, EffectId, EffectResult, MoneyAsk, OrderOutcome, OrderReason, OrderState, Seat, Step,
    Terms, Wait, Work,
};

use crate::support::{
    START_MS, World, authorised, create, declined, failed, held, instant, on_hold, one, refused,
    success, text, usd,
};

const SOLD_OUT: Reason = Reason::SoldOut { available: 0 };

#[test]
fn a_segment_that_is_refused_releases_the_others() {
    let mut world = World::with(3, instant());
    world.result(Step::Hold, held(1));
    world.result(Step::Hold, EffectResult::Refused(SOLD_OUT));
    // The third has not answered: what it holds, if it does, goes back when it has.
    assert_eq!(world.state(), OrderState::Undoing);
    assert_eq!(world.waits(), [(Step::Hold, 2), (Step::Release, 0)]);
    world.result(Step::Release, EffectResult::Released);
    assert_eq!(world.state(), OrderState::Undoing);
    world.result(Step::Hold, held(1));
    assert_eq!(world.waits(), [(Step::Release, 2)]);
    world.result(Step::Release, EffectResult::Released);
    assert_eq!(world.state(), OrderState::Refused);
    let ending = world.order().ending().unwrap();
    let cause = Cause::SeatsRefused {
        segment: 1,
        step: Step::Hold,
        reason: SOLD_OUT,
    };
    assert_eq!(ending.cause, cause);
    assert_eq!(ending.state, OrderState::Refused);
    assert_eq!(world.order().ended_ms(), Some(START_MS));
}

#[test]
fn the_first_cause_is_the_cause() {
    let mut world = World::with(2, instant());
    world.result(Step::Hold, EffectResult::Refused(Reason::Closed));
    world.result(Step::Hold, EffectResult::Refused(SOLD_OUT));
    assert_eq!(world.state(), OrderState::Refused);
    let Cause::SeatsRefused {
        segment, reason, ..
    } = world.order().ending().unwrap().cause
    else {
        panic!();
    };
    assert_eq!((segment, reason), (0, Reason::Closed));
}

#[test]
fn a_declined_payment_releases() {
    let mut world = World::with(2, instant());
    world.well_up_to(Step::Authorise);
    world.result(Step::Authorise, declined());
    assert_eq!(world.waits(), [(Step::Release, 0), (Step::Release, 1)]);
    world.all_well();
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Refused, "declined")
    );
    assert_eq!(
        world.order().charge().code.as_deref(),
        Some("insufficient_funds")
    );
}

#[test]
fn a_refused_confirmation_voids_and_cancels_the_confirmed() {
    let mut world = World::with(3, instant());
    world.well_up_to(Step::Confirm);
    world.result(Step::Confirm, EffectResult::Confirmed);
    world.result(Step::Confirm, EffectResult::Refused(Reason::Expired));
    assert_eq!(
        world.waits(),
        [(Step::Confirm, 2), (Step::Cancel, 0), (Step::Void, 0)]
    );
    world.result(Step::Confirm, EffectResult::Confirmed);
    assert_eq!(
        world.waits(),
        [(Step::Cancel, 0), (Step::Void, 0), (Step::Cancel, 2)]
    );
    world.all_well();
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Refused, "seats_refused")
    );
    assert_eq!(world.order().kept(), usd(0));
}

#[test]
fn a_failed_capture_cancels_and_voids() {
    let mut world = World::with(2, instant());
    world.well_up_to(Step::Capture);
    world.result(Step::Capture, failed());
    assert_eq!(
        world.waits(),
        [(Step::Cancel, 0), (Step::Cancel, 1), (Step::Void, 0)]
    );
    world.all_well();
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Refused, "capture_failed")
    );
    assert_eq!(world.order().kept(), usd(0));
}

#[test]
fn a_failed_ticket_cancels_and_refunds_everything() {
    let mut world = World::with(1, instant());
    world.well_up_to(Step::Ticket);
    world.result(Step::Ticket, failed());
    assert_eq!(world.waits(), [(Step::Cancel, 0), (Step::Refund, 0)]);
    let refund = Work::Money(MoneyAsk::Refund {
        amount: usd(100_00),
        reference: text("auth_1"),
    });
    assert_eq!(world.ear.due[1].work, refund);
    assert_eq!(world.order().kept(), usd(100_00));
    world.all_well();
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Refused, "ticket_failed")
    );
    assert_eq!(world.order().kept(), usd(0));
}

#[test]
fn an_order_that_the_client_had_is_cancelled_and_not_refused() {
    for (step, answer) in [
        (Step::Confirm, EffectResult::Refused(Reason::Displaced)),
        (Step::Capture, failed()),
        (Step::Ticket, failed()),
    ] {
        let mut world = World::awaiting(2);
        world.pay(200_00);
        world.well_up_to(step);
        world.result(step, answer);
        world.all_well();
        assert_eq!(world.state(), OrderState::Cancelled, "{step}");
        assert_eq!(world.order().kept(), usd(0), "{step}");
    }
}

#[test]
fn seats_that_are_not_there_need_no_giving_back() {
    for reason in [
        Reason::Expired,
        Reason::Displaced,
        Reason::UnknownFlight,
        Reason::Retired,
    ] {
        let mut world = World::with(1, instant());
        world.well_up_to(Step::Authorise);
        world.result(Step::Authorise, declined());
        world.result(Step::Release, EffectResult::Refused(reason));
        assert_eq!(world.state(), OrderState::Refused);

        let mut world = World::booked(1);
        let quote = world.quote();
        world.action(flightline_ledger::order::OrderAction::ConfirmCancel { quote });
        world.result(Step::Cancel, EffectResult::Refused(reason));
        assert_eq!(world.order().segments()[0].seat, Seat::Free);
        world.all_well();
        assert_eq!(world.state(), OrderState::Cancelled);
    }
}

#[test]
fn a_hold_that_turns_out_to_be_sold_is_cancelled() {
    let mut world = World::with(1, instant());
    world.well_up_to(Step::Authorise);
    world.result(Step::Authorise, declined());
    world.result(
        Step::Release,
        EffectResult::Refused(Reason::AlreadyConfirmed),
    );
    assert_eq!(world.waits(), [(Step::Cancel, 0)]);
    world.result(Step::Cancel, EffectResult::Cancelled);
    assert_eq!(world.state(), OrderState::Refused);
}

/// A service repeats its answer under one key, so giving money back is tried under the next.
#[test]
fn refused_voids_and_refunds_are_tried_anew_for_ever() {
    for step in [Step::Void, Step::Refund] {
        let mut world = World::with(1, instant());
        match step {
            Step::Void => {
                world.well_up_to(Step::Capture);
                world.result(Step::Capture, failed());
            }
            _ => {
                world.well_up_to(Step::Ticket);
                world.result(Step::Ticket, failed());
            }
        }
        world.result(Step::Cancel, EffectResult::Cancelled);
        let mut waits_ms = Vec::new();
        for refusals in 1..=12_u64 {
            let before = world.effect(step);
            let at_ms = world.now_ms + (1000 << (refusals - 1).min(20)).min(600_000);
            let outcome = world.result(step, failed());
            assert_eq!(outcome, OrderOutcome::AskedAgain { at_ms });
            let now = world.effect(step);
            assert_ne!(now, before);
            assert_eq!(now, EffectId::derive(one(), step, 0, 1 << 32 | refusals));
            assert_eq!(world.ear.due, []);
            waits_ms.push(at_ms - world.now_ms);
            assert_eq!(world.wait(step), Wait::Later { at_ms });
            world.tick(at_ms - world.now_ms - 1);
            assert_eq!(world.ear.due, []);
            world.tick(1);
            assert_eq!(world.ear.due[0].id, now);
        }
        assert!(
            waits_ms.is_sorted() && waits_ms[11] == 600_000,
            "{waits_ms:?}"
        );
        assert_eq!(world.order().charge().failures, 12);
        assert_eq!(world.state(), OrderState::Undoing);
        world.all_well();
        assert_eq!(world.state(), OrderState::Refused);
    }
}

#[test]
fn a_refused_order_can_be_made_again_when_all_is_back() {
    let mut world = World::with(2, instant());
    let booking = world.order().booking();
    world.result(Step::Hold, held(1));
    let first: Vec<_> = world.order().segments().iter().map(|s| s.hold).collect();
    world.result(Step::Hold, EffectResult::Refused(SOLD_OUT));
    let outcome = world.create(create(1, 1, on_hold()));
    assert_eq!(outcome, refused(OrderReason::StillUndoing));
    world.result(Step::Release, EffectResult::Released);

    let outcome = world.create(create(1, 1, on_hold()));
    assert_eq!(outcome, OrderOutcome::Created { booking });
    assert_eq!(world.order().attempt(), 2);
    assert_eq!(world.order().segments().len(), 1);
    let hold = world.order().segments()[0].hold;
    assert!(!first.contains(&hold));
    assert!(matches!(world.order().details().terms, Terms::Hold { .. }));
    world.all_well();
    assert_eq!(world.state(), OrderState::AwaitingPayment);
    // What is heard of the first attempt now is of no concern.
    let stale = EffectId::derive(one(), Step::Hold, 1, 1);
    let outcome = world.done(stale, held(7));
    assert_eq!(outcome, refused(OrderReason::NotOutstanding));
    assert_eq!(
        world.create(create(1, 1, on_hold())),
        refused(OrderReason::AlreadyBooked)
    );
}

#[test]
fn payments_of_a_later_attempt_have_other_ids() {
    let mut world = World::with(1, instant());
    world.well_up_to(Step::Authorise);
    let first = world.effect(Step::Authorise);
    world.result(Step::Authorise, declined());
    world.all_well();
    world.create(create(1, 1, instant()));
    world.well_up_to(Step::Authorise);
    assert_ne!(world.effect(Step::Authorise), first);
    world.result(Step::Authorise, authorised());
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn an_order_that_came_to_be_is_never_made_again() {
    let mut booked = World::booked(1);
    assert_eq!(
        booked.create(create(1, 1, instant())),
        refused(OrderReason::AlreadyBooked)
    );
    let mut expired = World::awaiting(1);
    expired.tick(crate::support::HOUR_MS);
    expired.all_well();
    assert_eq!(expired.state(), OrderState::Expired);
    assert_eq!(
        expired.create(create(1, 1, instant())),
        refused(OrderReason::AlreadyBooked)
    );
    let mut making = World::with(1, instant());
    assert_eq!(
        making.create(create(1, 1, instant())),
        refused(OrderReason::AlreadyBooked)
    );
    let quote = booked.quote();
    booked.action(flightline_ledger::order::OrderAction::ConfirmCancel { quote });
    assert_eq!(
        booked.create(create(1, 1, instant())),
        refused(OrderReason::AlreadyBooked)
    );
    booked.all_well();
    assert_eq!(
        booked.create(create(1, 1, instant())),
        refused(OrderReason::AlreadyBooked)
    );
}

/// Each step refused at each place, everything else answered in both orders, results twice.
#[test]
fn whatever_is_refused_seats_and_money_are_back() {
    for terms in [instant(), on_hold()] {
        for segments in 1..4 {
            for refusal in 0..(2 * segments + 3) {
                for backwards in [false, true] {
                    let mut world = World::with(segments, terms.clone());
                    let mut answered = 0;
                    loop {
                        if world.state() == OrderState::AwaitingPayment {
                            world.pay(100_00 * segments as i64);
                        }
                        let pending = world.order().pending();
                        let next = if backwards {
                            pending.last()
                        } else {
                            pending.first()
                        };
                        let Some(next) = next.copied() else { break };
                        let forwards = world.order().ending().is_none();
                        let refuse = forwards && answered == refusal;
                        let result = match next.step {
                            step if !refuse => success(step),
                            Step::Hold | Step::Confirm => EffectResult::Refused(Reason::Displaced),
                            Step::Authorise => declined(),
                            _ => failed(),
                        };
                        answered += 1;
                        world.done(next.id, result.clone());
                        let twice = world.done(next.id, result);
                        assert_eq!(twice, refused(OrderReason::NotOutstanding));
                    }
                    let order = world.order();
                    let paid_anew = matches!(terms, Terms::Hold { .. }) && refusal == segments;
                    if paid_anew {
                        assert_eq!(order.state(), OrderState::Booked);
                        continue;
                    }
                    assert!(
                        order.state().is_end(),
                        "{refusal}: {}",
                        order.state().name()
                    );
                    assert_eq!(order.kept(), usd(0));
                    assert!(order.segments().iter().all(|s| s.seat == Seat::Free));
                }
            }
        }
    }
}
