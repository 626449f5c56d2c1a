//! Results that are late, doubled, wrong or missing; claims.

use flightline_ledger::order::{
    CreateOrder, EffectId, EffectResult, Field, OrderAction, OrderOutcome, OrderReason, OrderState,
    Step, Wait,
};
use flightline_ledger::outcome::{Decision, Kind, Outcome, Replay};
use flightline_ledger::{CommandId, FlightKey, Reason};

use crate::support::{
    HOUR_MS, MINUTE_MS, START_MS, World, authorised, declined, failed, held, instant, placed,
    refused, success, ticketed,
};

const NOT_OUTSTANDING: OrderOutcome = refused(OrderReason::NotOutstanding);

#[test]
fn a_result_is_heard_once() {
    let mut world = World::with(1, instant());
    let hold = world.effect(Step::Hold);
    assert_eq!(world.done(hold, held(1)), OrderOutcome::Heard);
    let revision = world.order().revision();
    for late in [
        held(1),
        EffectResult::Refused(Reason::Closed),
        EffectResult::Unknown,
    ] {
        assert_eq!(world.done(hold, late), NOT_OUTSTANDING);
    }
    assert_eq!(world.done(EffectId(1), held(1)), NOT_OUTSTANDING);
    assert_eq!(world.order().revision(), revision);
    assert_eq!(world.state(), OrderState::Authorising);
}

#[test]
fn a_step_takes_only_results_of_its_own() {
    let all = [
        held(1),
        EffectResult::Confirmed,
        EffectResult::Released,
        EffectResult::Cancelled,
        EffectResult::Refused(Reason::Closed),
        authorised(),
        declined(),
        EffectResult::Captured,
        EffectResult::Voided,
        EffectResult::Refunded,
        ticketed(),
        failed(),
        placed(),
        EffectResult::Noted,
        EffectResult::Withdrawn,
    ];
    let fits = |step: Step| match step {
        Step::Hold => vec![0, 4],
        Step::Confirm => vec![1, 4],
        Step::Release => vec![2, 3, 4],
        Step::Cancel => vec![3, 4],
        Step::Authorise => vec![5, 6],
        Step::Capture => vec![7, 11],
        Step::Void => vec![8, 11],
        Step::Refund => vec![9, 11],
        Step::Ticket => vec![10, 11],
        Step::Place => vec![11, 12],
        Step::Acknowledge | Step::Refuse => vec![4, 13],
        Step::Withdraw => vec![11, 14],
    };
    let come_to = |step: Step| {
        let at_provider = step >= Step::Place;
        let mut world = if at_provider {
            World::outward(1, instant())
        } else {
            World::with(1, instant())
        };
        match step {
            Step::Refuse => {
                world.well_up_to(Step::Place);
                world.result(Step::Place, failed());
            }
            Step::Withdraw => {
                world.well_up_to(Step::Capture);
                world.result(Step::Capture, failed());
            }
            Step::Release => {
                world.well_up_to(Step::Authorise);
                world.result(Step::Authorise, declined());
            }
            Step::Void | Step::Cancel => {
                world.well_up_to(Step::Capture);
                world.result(Step::Capture, failed());
            }
            Step::Refund => {
                world.well_up_to(Step::Ticket);
                world.result(Step::Ticket, failed());
            }
            _ => world.well_up_to(step),
        }
        world
    };
    for step in Step::ALL {
        for (at, result) in all.iter().enumerate() {
            let mut world = come_to(step);
            let outcome = world.result(step, result.clone());
            let wrong = outcome == refused(OrderReason::WrongResult);
            assert_eq!(wrong, !fits(step).contains(&at), "{step}: {result:?}");
        }
    }
}

#[test]
fn texts_from_outside_have_a_length() {
    let mut world = World::with(1, instant());
    world.well_up_to(Step::Authorise);
    let long = "x".repeat(CreateOrder::RESULT_MAX + 1);
    for reference in ["", long.as_str()] {
        let reference = reference.into();
        let outcome = world.result(Step::Authorise, EffectResult::Authorised { reference });
        assert_eq!(outcome, refused(OrderReason::Invalid(Field::Result)));
    }
    let reference = long[1..].into();
    let outcome = world.result(Step::Authorise, EffectResult::Authorised { reference });
    assert_eq!(outcome, OrderOutcome::Heard);
}

#[test]
fn an_unknown_outcome_is_asked_again_by_the_same_id_ever_more_rarely() {
    let mut world = World::with(1, instant());
    world.well_up_to(Step::Capture);
    let capture = world.effect(Step::Capture);
    let mut wait_ms = 1_000;
    for asks in 1..=15 {
        let at_ms = world.now_ms + wait_ms;
        let outcome = world.result(Step::Capture, EffectResult::Unknown);
        assert_eq!(outcome, OrderOutcome::AskedAgain { at_ms });
        assert_eq!(world.ear.due, []);
        // Heard again, it does not wait any longer.
        world.now_ms += 1;
        let outcome = world.result(Step::Capture, EffectResult::Unknown);
        assert_eq!(outcome, OrderOutcome::AskedAgain { at_ms });
        world.tick(wait_ms - 2);
        assert_eq!(world.ear.due, []);
        world.tick(1);
        assert_eq!(world.ear.due.len(), 1);
        assert_eq!(
            (world.ear.due[0].id, world.ear.due[0].asks),
            (capture, asks + 1)
        );
        wait_ms = (wait_ms * 2).min(10 * MINUTE_MS);
    }
    assert_eq!(world.state(), OrderState::Capturing);
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

/// The payment service is down for hours: nothing is guessed, seats are not kept for ever.
#[test]
fn money_that_turns_up_after_the_seats_lapsed_is_let_go() {
    let mut world = World::with(2, instant());
    world.result(Step::Hold, held(1));
    let deadline_ms = START_MS + 15 * MINUTE_MS;
    world.result(
        Step::Hold,
        EffectResult::Held {
            provider: crate::support::provider(),
            deadline_ms,
            offset: 3,
        },
    );
    world.result(Step::Authorise, EffectResult::Unknown);
    world.tick(15 * MINUTE_MS - 1);
    assert_eq!(world.state(), OrderState::Authorising);
    world.tick(1);
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Undoing, "payment_timed_out")
    );
    assert_eq!(
        world.waits(),
        [(Step::Authorise, 0), (Step::Release, 0), (Step::Release, 1)]
    );
    world.result(Step::Release, EffectResult::Refused(Reason::Expired));
    world.result(Step::Release, EffectResult::Refused(Reason::Expired));
    for _ in 0..20 {
        world.tick(HOUR_MS);
        assert_eq!(world.ear.due.len(), 1, "it is still asked for");
        world.result(Step::Authorise, EffectResult::Unknown);
    }
    world.tick(HOUR_MS);
    world.result(Step::Authorise, authorised());
    assert_eq!(world.waits(), [(Step::Void, 0)]);
    world.all_well();
    assert_eq!(world.state(), OrderState::Refused);
}

#[test]
fn what_nobody_runs_is_due_again() {
    let mut world = World::with(1, instant());
    assert_eq!(
        world.wait(Step::Hold),
        Wait::Ready {
            again_ms: START_MS + 1_000
        }
    );
    assert_eq!(world.orders.next_deadline_ms(), Some(START_MS + 1_000));
    world.tick(999);
    assert_eq!(world.ear.due, []);
    world.tick(1);
    assert_eq!(world.ear.due[0].asks, 2);
    // The hold is asked for in the same words whatever the time.
    let first = world.orders.outstanding().next().unwrap().effect.work;
    world.tick(5_000);
    assert_eq!(world.ear.due[0].work, first);
}

fn claim(world: &mut World, replica: u64, until_ms: i64) -> OrderOutcome {
    let effect = world.order().pending()[0].id;
    world.action(OrderAction::Claim {
        effect,
        replica,
        until_ms,
    })
}

#[test]
fn the_first_claim_has_the_effect_until_its_deadline() {
    let mut world = World::with(1, instant());
    let until_ms = START_MS + 20_000;
    assert_eq!(
        claim(&mut world, 1, until_ms),
        OrderOutcome::Claimed { until_ms }
    );
    let taken = refused(OrderReason::ClaimedByAnother { until_ms });
    assert_eq!(claim(&mut world, 2, until_ms + 1), taken);
    world.tick(19_999);
    assert_eq!(world.ear.due, [], "a claimed effect is left alone");
    assert_eq!(claim(&mut world, 2, until_ms + 9_000), taken);
    world.tick(1);
    assert_eq!(world.ear.due.len(), 1, "the claim is over");
    let until_ms = until_ms + 9_000;
    assert_eq!(
        claim(&mut world, 2, until_ms),
        OrderOutcome::Claimed { until_ms }
    );
    // The first is back with its result: a result is a result.
    assert_eq!(world.result(Step::Hold, held(1)), OrderOutcome::Heard);
}

#[test]
fn a_claim_can_be_prolonged_by_its_holder_but_not_without_end() {
    let mut world = World::with(1, instant());
    let until_ms = START_MS + 20_000;
    claim(&mut world, 1, until_ms);
    world.now_ms += 10_000;
    let until_ms = until_ms + 20_000;
    assert_eq!(
        claim(&mut world, 1, until_ms),
        OrderOutcome::Claimed { until_ms }
    );
    let until_ms = world.now_ms + MINUTE_MS;
    assert_eq!(
        claim(&mut world, 1, i64::MAX),
        OrderOutcome::Claimed { until_ms }
    );
}

#[test]
fn claims_that_make_no_sense_are_refused() {
    let mut world = World::with(1, instant());
    let over = refused(OrderReason::ClaimOver);
    assert_eq!(claim(&mut world, 1, START_MS), over);
    assert_eq!(claim(&mut world, 1, i64::MIN), over);
    let nothing = OrderAction::Claim {
        effect: EffectId(4),
        replica: 1,
        until_ms: START_MS + 1,
    };
    assert_eq!(world.action(nothing), NOT_OUTSTANDING);
    world.result(Step::Hold, EffectResult::Unknown);
    let not_due = refused(OrderReason::NotDue {
        at_ms: START_MS + 1_000,
    });
    assert_eq!(claim(&mut world, 1, START_MS + 5_000), not_due);
}

#[test]
fn claims_change_nothing_that_clients_see() {
    let mut world = World::with(1, instant());
    let revision = world.order().revision();
    claim(&mut world, 1, START_MS + 5_000);
    world.result(Step::Hold, EffectResult::Unknown);
    assert_eq!(world.order().revision(), revision);
    assert_eq!(world.ear.changed, []);
    world.tick(5_000);
    world.all_well();
    assert_eq!(world.ear.changed, [0]);
    assert!(world.order().revision() > revision);
}

#[test]
fn answers_of_flights_are_results() {
    let mut decision = Decision {
        offset: 9,
        at_ms: 0,
        id: CommandId(1),
        flight: FlightKey::NONE,
        kind: Kind::Hold,
        outcome: Outcome::Held {
            provider: crate::support::provider(),
            seats: 1,
            deadline_ms: 5,
            price: None,
        },
        replay: Replay::Same { first_offset: 4 },
    };
    let expected = EffectResult::Held {
        provider: crate::support::provider(),
        deadline_ms: 5,
        offset: 4,
    };
    assert_eq!(EffectResult::of_flight(&decision), Some(expected));
    decision.replay = Replay::Different { first_offset: 4 };
    assert_eq!(EffectResult::of_flight(&decision), None);
    decision.replay = Replay::First;
    for (outcome, result) in [
        (
            Outcome::Confirmed {
                seats: 1,
                already: true,
            },
            Some(success(Step::Confirm)),
        ),
        (
            Outcome::Released {
                seats: 1,
                already: false,
            },
            Some(success(Step::Release)),
        ),
        (
            Outcome::Cancelled {
                seats: 1,
                already: false,
            },
            Some(success(Step::Cancel)),
        ),
        (
            Outcome::Refused(Reason::Closed),
            Some(EffectResult::Refused(Reason::Closed)),
        ),
        (Outcome::Noted, None),
        (Outcome::Stale, None),
    ] {
        decision.outcome = outcome;
        assert_eq!(EffectResult::of_flight(&decision), result);
    }
}
