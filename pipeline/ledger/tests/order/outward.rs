//! Sales that go to the provider that granted the seats, step by step.

use flightline_ledger::order::{
    EffectResult, OrderCommand, OrderSettings, OrderState, Outward, OutwardAsk, Seat, SeatsAsk,
    Step, Work,
};
use flightline_ledger::{ProviderBody, Reason};

use crate::support::{
    HOUR_MS, MINUTE_MS, World, failed, instant, on_hold, other, placed, provider, success, text,
    usd,
};

fn held_by_other(offset: u64) -> EffectResult {
    EffectResult::Held {
        provider: other(),
        deadline_ms: i64::MAX,
        offset,
    }
}

#[test]
fn all_is_sold_first_then_placed_then_paid() {
    let mut world = World::outward(2, instant());
    world.well_up_to(Step::Confirm);
    world.result(Step::Confirm, EffectResult::Confirmed);
    assert_eq!(world.state(), OrderState::Confirming);
    world.result(Step::Confirm, EffectResult::Confirmed);
    assert_eq!(world.state(), OrderState::Placing);
    assert_eq!(world.waits(), [(Step::Place, 0), (Step::Place, 1)]);
    let due = world.ear.due[1].clone();
    let Work::Outward(work) = &due.work else {
        panic!("{due:?}");
    };
    assert_eq!((work.segment, work.provider), (1, provider()));
    assert_eq!((work.placement, &work.ask), (due.id, &OutwardAsk::Place));
    assert_eq!(work.hold, world.order().segments()[1].hold);
    world.result(Step::Place, placed());
    let told = world.ear.due[0].work.flight_command().unwrap();
    let flightline_ledger::FlightCommand::Provider(event) = told.1 else {
        panic!("{told:?}");
    };
    let hold = world.order().segments()[0].hold;
    assert_eq!(event.body, ProviderBody::Acknowledge(vec![hold]));
    assert_eq!(event.provider, provider());
    world.result(Step::Acknowledge, EffectResult::Noted);
    assert_eq!(world.state(), OrderState::Placing);
    world.well_up_to(Step::Capture);
    let segment = &world.order().segments()[0];
    assert_eq!(segment.outward, Outward::Acknowledged);
    assert_eq!(segment.outward_reference.as_deref(), Some("theirs_1"));
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn who_does_not_want_to_be_told_is_not() {
    let mut world = World::with(2, instant());
    world.well_up_to(Step::Capture);
    assert_eq!(world.order().segments()[0].outward, Outward::None);
    // Sold before the provider wanted to be told.
    let mut world = World::with(2, instant());
    world.well_up_to(Step::Confirm);
    world.result(Step::Confirm, EffectResult::Confirmed);
    world.command(OrderCommand::Configure(OrderSettings {
        outward: vec![provider()],
        ..OrderSettings::default()
    }));
    world.result(Step::Confirm, EffectResult::Confirmed);
    assert_eq!(world.waits(), [(Step::Place, 1)]);
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn a_refused_seat_is_looked_for_elsewhere_at_no_higher_price() {
    let mut world = World::outward(1, instant());
    world.well_up_to(Step::Place);
    let first = world.order().segments()[0].hold;
    let place = world.effect(Step::Place);
    assert!(world.order().may_ask_about(place));
    world.result(Step::Place, failed());
    assert_eq!(world.waits(), [(Step::Refuse, 0)]);
    assert_eq!(world.order().segments()[0].seat, Seat::Refusing);
    world.result(Step::Refuse, EffectResult::Noted);
    assert_eq!(world.waits(), [(Step::Hold, 0)]);
    let Work::Seats {
        ask: SeatsAsk::Reseat(ask),
        ..
    } = world.ear.due[0].work
    else {
        panic!("{:?}", world.ear.due);
    };
    assert_eq!((ask.hold, ask.price_max), (first, usd(100_00)));
    assert!(!world.order().may_ask_about(place), "it is another's now");
    let hold = world.order().segments()[0].hold;
    assert_eq!(hold, world.effect(Step::Hold).into());
    assert_ne!(hold, first);
    world.result(Step::Hold, held_by_other(9));
    assert_eq!(world.waits(), [(Step::Confirm, 0)]);
    // The other one does not want to be told.
    world.result(Step::Confirm, EffectResult::Confirmed);
    assert_eq!(world.waits(), [(Step::Capture, 0)]);
    let segment = &world.order().segments()[0];
    assert_eq!(segment.provider, Some(other()));
    assert_eq!(segment.outward_code.as_deref(), Some("broken"));
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn when_nobody_else_has_it_everything_goes_back() {
    let mut world = World::outward(2, on_hold());
    world.all_well();
    world.pay(200_00);
    world.well_up_to(Step::Place);
    world.result(Step::Place, placed());
    world.result(Step::Acknowledge, EffectResult::Noted);
    world.result(Step::Place, failed());
    world.result(Step::Refuse, EffectResult::Noted);
    let sold_out = Reason::SoldOut { available: 0 };
    world.result(Step::Hold, EffectResult::Refused(sold_out));
    assert_eq!(world.cause(), "placement_refused");
    // The first is withdrawn before its seats are given back; the money does not wait for that.
    assert_eq!(world.waits(), [(Step::Withdraw, 0), (Step::Void, 0)]);
    world.result(Step::Withdraw, EffectResult::Withdrawn);
    assert_eq!(world.waits(), [(Step::Void, 0), (Step::Cancel, 0)]);
    world.all_well();
    assert_eq!(world.state(), OrderState::Cancelled);
    assert_eq!(world.order().kept().minor, 0);
}

#[test]
fn a_provider_that_is_silent_for_too_long_gets_the_withdrawal() {
    let mut world = World::outward(1, instant());
    world.well_up_to(Step::Place);
    let place = world.effect(Step::Place);
    world.tick(15 * MINUTE_MS);
    assert_eq!(world.cause(), "placing_timed_out");
    assert_eq!(world.waits(), [(Step::Withdraw, 0), (Step::Void, 0)]);
    // Its word comes too late.
    let outcome = world.done(place, placed());
    assert_eq!(outcome.name(), "refused");
    // It is asked for ever, until it says something.
    for _ in 0..40 {
        world.result(Step::Withdraw, EffectResult::Unknown);
        world.tick(HOUR_MS);
    }
    assert!(world.waits().contains(&(Step::Withdraw, 0)));
    world.result(Step::Withdraw, failed());
    assert_eq!(world.order().segments()[0].outward, Outward::Kept);
    world.all_well();
    assert_eq!(world.state(), OrderState::Refused);
}

#[test]
fn a_cancelled_booking_is_withdrawn_first() {
    let mut world = World::outward(1, instant());
    world.well_up_to(Step::Place);
    let place = world.effect(Step::Place);
    world.all_well();
    assert!(world.order().may_ask_about(place), "it can be cancelled");
    let quote = world.quote();
    world.action(flightline_ledger::order::OrderAction::ConfirmCancel { quote });
    assert_eq!(world.waits(), [(Step::Withdraw, 0), (Step::Refund, 0)]);
    let due = world.ear.due[0].clone();
    let Work::Outward(work) = due.work else {
        panic!("{due:?}");
    };
    let reference = Some(text("theirs_1"));
    assert_eq!(work.ask, OutwardAsk::Withdraw { reference });
    assert_eq!(world.order().segments()[0].seat, Seat::Confirmed);
    assert!(world.order().may_ask_about(place));
    world.all_well();
    assert_eq!(world.state(), OrderState::Cancelled);
    assert!(!world.order().may_ask_about(place));
    assert_eq!(world.order().segments()[0].seat, Seat::Free);
}

#[test]
fn seats_are_not_looked_for_without_end() {
    let mut world = World::outward(1, instant());
    world.command(OrderCommand::Configure(OrderSettings {
        outward: vec![provider()],
        place_within_ms: u64::MAX,
        ..OrderSettings::default()
    }));
    for round in 0.. {
        assert!(round < 20, "it never ends");
        world.well_up_to(Step::Place);
        world.result(Step::Place, failed());
        world.result(Step::Refuse, success(Step::Refuse));
        if world.order().ending().is_some() {
            assert_eq!(round, 8);
            break;
        }
    }
    assert_eq!(world.cause(), "placement_refused");
}
