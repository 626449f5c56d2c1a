//! Deadlines, retirement, and clocks at the end of time.

use flightline_ledger::order::{
    EffectResult, OrderAction, OrderCommand, OrderOutcome, OrderReason, OrderSettings, OrderState,
    Orders, Step, Terms,
};
use flightline_ledger::{CommandId, Silent};

use crate::support::{
    DAY_MS, DEPARTS_MS, HOUR_MS, MINUTE_MS, START_MS, World, create, held, instant, on_hold, one,
    references, refused,
};

#[test]
fn the_clock_never_goes_back() {
    let mut world = World::awaiting(1);
    world.now_ms += HOUR_MS - 1;
    world.tick(0);
    world.now_ms = 0;
    world.tick(0);
    assert_eq!(world.orders.clock_ms(), START_MS + HOUR_MS - 1);
    assert_eq!(world.state(), OrderState::AwaitingPayment);
}

#[test]
fn an_unpaid_order_expires_at_its_deadline() {
    let mut world = World::awaiting(2);
    assert_eq!(
        world.orders.by_deadline().collect::<Vec<_>>(),
        [(START_MS + HOUR_MS, 0)]
    );
    assert_eq!(world.orders.next_deadline_ms(), Some(START_MS + HOUR_MS));
    world.tick(HOUR_MS - 1);
    assert_eq!(world.state(), OrderState::AwaitingPayment);
    world.tick(1);
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Undoing, "not_paid")
    );
    assert_eq!(world.waits(), [(Step::Release, 0), (Step::Release, 1)]);
    assert_eq!(world.ear.changed, [0]);
    assert_eq!(world.orders.by_deadline().count(), 0);
    world.all_well();
    assert_eq!(world.state(), OrderState::Expired);
}

#[test]
fn flights_that_do_not_answer_end_it_too() {
    let mut world = World::with(2, instant());
    world.result(Step::Hold, held(1));
    world.tick(15 * MINUTE_MS);
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Undoing, "holds_timed_out")
    );
    assert_eq!(world.waits(), [(Step::Hold, 1), (Step::Release, 0)]);
    // The hold is still waited for, since it may have been made.
    world.result(Step::Hold, held(2));
    assert_eq!(world.waits(), [(Step::Release, 0), (Step::Release, 1)]);
    world.all_well();
    assert_eq!(world.state(), OrderState::Refused);
}

#[test]
fn a_hold_that_has_lapsed_when_its_answer_comes_is_of_no_use() {
    for terms in [instant(), on_hold()] {
        let mut world = World::with(1, terms);
        world.now_ms += 1_000;
        world.result(
            Step::Hold,
            EffectResult::Held {
                provider: crate::support::provider(),
                deadline_ms: START_MS + 1_000,
                offset: 1,
            },
        );
        assert_eq!(
            (world.state(), world.cause()),
            (OrderState::Undoing, "holds_timed_out")
        );
        world.all_well();
        assert_eq!(world.state(), OrderState::Refused);
    }
}

#[test]
fn settings_hold_for_what_is_made_after_them() {
    let mut world = World::new();
    world.create(create(1, 1, on_hold()));
    let settings = OrderSettings {
        pay_grace_ms: 1,
        pay_by_max_ms: 1_000,
        ..OrderSettings::default()
    };
    assert_eq!(
        world.command(OrderCommand::Configure(settings.clone())),
        OrderOutcome::Noted
    );
    assert_eq!(world.orders.settings(), &settings);
    let ttl_ms = |effect: &flightline_ledger::order::Effect| {
        let (_, command) = effect.work.flight_command().unwrap();
        let flightline_ledger::FlightCommand::Hold(request) = command else {
            panic!();
        };
        request.ttl_ms
    };
    // A hold that is asked for again asks for what it asked for first.
    world.tick(2_000);
    assert_eq!(ttl_ms(&world.ear.due[0]), Some(65 * 60_000));
    let outcome = world.create(create(2, 1, on_hold()));
    assert!(matches!(
        outcome,
        OrderOutcome::Refused(OrderReason::Invalid(_))
    ));
    world.create(create(2, 1, Terms::Hold { pay_by_ms: 1_000 }));
    assert_eq!(ttl_ms(&world.ear.due[0]), Some(1_001));
}

#[test]
fn an_order_is_forgotten_some_time_after_its_last_departure() {
    let mut world = World::booked(2);
    let booking = world.order().booking();
    let over_ms = DEPARTS_MS + 3 * HOUR_MS + 30 * DAY_MS;
    assert_eq!(world.orders.next_deadline_ms(), Some(over_ms));
    world.now_ms = over_ms - 1;
    world.tick(0);
    assert_eq!(world.state(), OrderState::Booked);
    world.tick(1);
    assert_eq!(world.ear.retired, [one()]);
    // It can be read once more.
    assert!(world.orders.get(0).unwrap().is_retired());
    assert_eq!(world.orders.find(one()), None);
    assert!(world.orders.is_retired(one()));
    world.tick(0);
    assert!(world.orders.get(0).is_none());
    assert_eq!(world.orders.named(&booking), Some((0, one())));
    for action in [
        OrderAction::QuoteCancel,
        OrderAction::Create(Box::new(create(1, 1, instant()))),
    ] {
        assert_eq!(world.action(action), refused(OrderReason::Retired));
    }
    // The next order has the next number.
    world.create(create(2, 1, instant()));
    assert_ne!(world.orders.get(1).unwrap().booking(), booking);
    assert_eq!(world.orders.orders_ever(), 2);
}

#[test]
fn an_order_is_not_forgotten_while_it_waits_for_something() {
    let mut world = World::with(1, instant());
    world.well_up_to(Step::Ticket);
    world.result(Step::Ticket, crate::support::failed());
    world.result(Step::Cancel, EffectResult::Cancelled);
    world.tick(400 * DAY_MS);
    assert_eq!(world.state(), OrderState::Undoing);
    assert_eq!(world.ear.retired, []);
    world.all_well();
    world.tick(0);
    assert_eq!(world.ear.retired, [one()]);
}

#[test]
fn another_retirement_holds_for_orders_that_exist() {
    let mut world = World::booked(1);
    world.now_ms = DEPARTS_MS + DAY_MS;
    let settings = OrderSettings {
        retire_after_ms: DAY_MS as u64,
        ..OrderSettings::default()
    };
    world.command(OrderCommand::Configure(settings));
    assert_eq!(world.ear.retired, [one()]);
}

/// Times at the ends of what a number holds: no panic, no endless work, the same state again.
#[test]
fn hostile_times_do_no_harm() {
    let settings = OrderSettings {
        instant_hold_ms: u64::MAX,
        pay_by_max_ms: u64::MAX,
        pay_grace_ms: u64::MAX,
        quote_ms: u64::MAX,
        ask_again_first_ms: u64::MAX,
        ask_again_max_ms: u64::MAX,
        claim_max_ms: u64::MAX,
        retire_after_ms: u64::MAX,
        place_within_ms: u64::MAX,
        outward: vec![crate::support::provider()],
    };
    for first_ms in [i64::MIN, -1, 0, i64::MAX - 1, i64::MAX] {
        for second_ms in [i64::MIN, 0, i64::MAX] {
            let mut world = World::new();
            world.now_ms = first_ms;
            world.command(OrderCommand::Configure(settings.clone()));
            let mut details = create(
                1,
                2,
                Terms::Hold {
                    pay_by_ms: u64::MAX,
                },
            );
            details.slices[0][0].departs_ms = i64::MAX;
            details.slices[1][0].departs_ms = i64::MIN;
            world.create(details);
            world.now_ms = second_ms;
            world.tick(0);
            world.tick(0);
            let pending = world.order().pending()[0].id;
            world.action(OrderAction::Claim {
                effect: pending,
                replica: 1,
                until_ms: i64::MAX,
            });
            world.done(pending, EffectResult::Unknown);
            world.all_well();
            world.pay(200_00);
            world.all_well();
            world.action(OrderAction::QuoteCancel);
        }
    }
}

#[test]
fn nothing_happens_while_nothing_is_due() {
    let mut orders = Orders::new(0, references());
    assert_eq!(orders.next_deadline_ms(), None);
    for offset in 0..3 {
        let at_ms = START_MS + offset as i64;
        orders.apply(
            offset,
            at_ms,
            CommandId(0),
            &OrderCommand::Tick,
            &mut Silent,
        );
    }
    assert_eq!(orders.next_deadline_ms(), None);
    assert_eq!(orders.orders().count(), 0);
}
