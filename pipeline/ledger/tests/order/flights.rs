//! Word of the flights: cancelled, displaced, retimed.

use flightline_ledger::order::{
    EffectResult, FlightChange, OrderOutcome, OrderReason, OrderState, Seat, Step,
};
use flightline_ledger::{CommandId, Reason};

use crate::support::{
    DEPARTS_MS, HOUR_MS, World, create, flight, held, instant, on_hold, refused, usd,
};

const CANCELLED: FlightChange = FlightChange::Cancelled;

fn times(number: usize, departs_ms: i64) -> FlightChange {
    FlightChange::Times {
        board: flight(number).board,
        departs_ms,
    }
}

fn hold_of(world: &World, segment: usize) -> CommandId {
    world.order().segments()[segment].hold
}

#[test]
fn a_cancelled_flight_cancels_the_whole_order_and_gives_everything_back() {
    let mut world = World::booked(3);
    assert_eq!(world.notice(1, 50, CANCELLED), OrderOutcome::Heard);
    assert_eq!(
        world.waits(),
        [
            (Step::Cancel, 0),
            (Step::Cancel, 1),
            (Step::Cancel, 2),
            (Step::Refund, 0)
        ]
    );
    world.all_well();
    // Though the client's own cancellation would have cost 30.00.
    assert_eq!(world.order().kept(), usd(0));
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Cancelled, "flight_cancelled")
    );
    assert_eq!(world.notice(1, 51, CANCELLED), OrderOutcome::Stale);
}

#[test]
fn what_was_flown_is_kept_and_paid_for() {
    let mut details = create(1, 3, instant());
    details.slices[1][0].seats = 2;
    details.total = usd(450_00);
    let mut world = World::new();
    world.create(details);
    world.all_well();
    world.now_ms = DEPARTS_MS + HOUR_MS;
    world.notice(2, 50, CANCELLED);
    assert_eq!(world.order().segments()[0].seat, Seat::Kept);
    assert_eq!(
        world.waits(),
        [(Step::Cancel, 1), (Step::Cancel, 2), (Step::Refund, 0)]
    );
    world.all_well();
    // Two seats and one at 100.00 were not flown.
    assert_eq!(world.order().kept(), usd(150_00));
    assert_eq!(world.state(), OrderState::Cancelled);
}

#[test]
fn a_flight_that_leaves_at_this_moment_is_flown() {
    let mut world = World::booked(2);
    world.now_ms = DEPARTS_MS;
    world.notice(1, 50, CANCELLED);
    world.all_well();
    assert_eq!(world.order().kept(), usd(100_00));
    let mut world = World::booked(2);
    world.now_ms = DEPARTS_MS - 1;
    world.notice(1, 50, CANCELLED);
    world.all_well();
    assert_eq!(world.order().kept(), usd(0));
}

#[test]
fn a_quote_is_stale_once_the_airline_cancelled() {
    let mut world = World::booked(1);
    let quote = world.quote();
    assert!(!world.order().quote().unwrap().stale);
    world.notice(0, 50, CANCELLED);
    assert!(world.order().quote().unwrap().stale);
    let confirm = flightline_ledger::order::OrderAction::ConfirmCancel { quote };
    assert_eq!(
        world.action(confirm),
        refused(OrderReason::AlreadyCancelled)
    );
}

#[test]
fn no_more_than_the_total_comes_back() {
    let mut details = create(1, 2, instant());
    details.total = usd(90_00);
    let mut world = World::new();
    world.create(details);
    world.all_well();
    world.now_ms = DEPARTS_MS;
    world.notice(1, 50, CANCELLED);
    world.all_well();
    assert_eq!(world.order().kept(), usd(0));
}

#[test]
fn a_flight_that_should_have_left_and_is_cancelled_was_not_flown() {
    let mut world = World::booked(1);
    world.now_ms = DEPARTS_MS + HOUR_MS;
    world.notice(0, 50, CANCELLED);
    world.all_well();
    assert_eq!(world.order().kept(), usd(0));
}

#[test]
fn a_cancelled_flight_ends_what_is_not_yet_paid_whatever_the_step() {
    for (step, state) in [
        (Step::Authorise, OrderState::Refused),
        (Step::Confirm, OrderState::Refused),
        (Step::Capture, OrderState::Refused),
        (Step::Ticket, OrderState::Refused),
    ] {
        let mut world = World::with(2, instant());
        world.well_up_to(step);
        world.notice(0, 50, CANCELLED);
        assert_eq!(world.state(), OrderState::Undoing, "{step}");
        assert!(
            world.waits().iter().any(|wait| wait.0 == step),
            "{step} is waited for"
        );
        world.all_well();
        assert_eq!(
            (world.state(), world.cause()),
            (state, "flight_cancelled"),
            "{step}"
        );
        assert_eq!(world.order().kept(), usd(0), "{step}");
    }
    let mut world = World::awaiting(2);
    world.notice(0, 50, CANCELLED);
    world.all_well();
    assert_eq!(world.state(), OrderState::Cancelled);
}

/// Cancelled at 50, back at 60, held at 70: the word of 50 is late and wrong.
#[test]
fn a_notice_older_than_the_hold_is_stale() {
    let mut world = World::with(1, on_hold());
    world.result(Step::Hold, held(70));
    assert_eq!(world.notice(0, 50, CANCELLED), OrderOutcome::Stale);
    assert_eq!(world.state(), OrderState::AwaitingPayment);

    let mut world = World::with(1, on_hold());
    assert_eq!(world.notice(0, 50, CANCELLED), OrderOutcome::Heard);
    assert_eq!(world.state(), OrderState::Holding);
    world.result(Step::Hold, held(70));
    assert_eq!(world.state(), OrderState::AwaitingPayment);

    let mut world = World::with(1, on_hold());
    world.notice(0, 90, CANCELLED);
    world.result(Step::Hold, held(70));
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Undoing, "flight_cancelled")
    );
    world.result(Step::Release, EffectResult::Refused(Reason::Displaced));
    assert_eq!(world.state(), OrderState::Refused);
}

#[test]
fn a_displaced_hold_ends_the_order() {
    let mut world = World::awaiting(2);
    let hold = hold_of(&world, 1);
    let other = FlightChange::Displaced { hold: CommandId(3) };
    assert_eq!(world.notice(1, 50, other), OrderOutcome::Stale);
    let change = FlightChange::Displaced { hold };
    assert_eq!(world.notice(1, 50, change), OrderOutcome::Heard);
    // The lost seats need no giving back.
    assert_eq!(world.waits(), [(Step::Release, 0)]);
    assert_eq!(world.notice(1, 50, change), OrderOutcome::Stale);
    world.all_well();
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Cancelled, "displaced")
    );
}

#[test]
fn a_hold_displaced_before_its_answer_came_is_given_back_when_it_comes() {
    let mut world = World::with(2, instant());
    let change = FlightChange::Displaced {
        hold: hold_of(&world, 0),
    };
    assert_eq!(world.notice(0, 50, change), OrderOutcome::Heard);
    assert_eq!(world.waits(), [(Step::Hold, 0), (Step::Hold, 1)]);
    world.result(Step::Hold, held(40));
    world.result(Step::Hold, held(40));
    assert_eq!(world.waits(), [(Step::Release, 0), (Step::Release, 1)]);
    world.all_well();
    assert_eq!(
        (world.state(), world.cause()),
        (OrderState::Refused, "displaced")
    );
}

#[test]
fn while_confirming_the_flight_itself_says_whether_it_is_displaced() {
    let mut world = World::with(1, instant());
    world.well_up_to(Step::Confirm);
    let change = FlightChange::Displaced {
        hold: hold_of(&world, 0),
    };
    assert_eq!(world.notice(0, 50, change), OrderOutcome::Stale);
    world.all_well();
    assert_eq!(world.notice(0, 50, change), OrderOutcome::Stale);
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn new_times_are_taken_in_order_and_from_the_right_station() {
    let mut world = World::booked(2);
    let later = DEPARTS_MS + 9 * HOUR_MS;
    assert_eq!(world.notice(1, 50, times(1, later)), OrderOutcome::Heard);
    assert_eq!(world.order().segments()[1].departs_ms, later);
    assert_eq!(world.order().segments()[0].departs_ms, DEPARTS_MS);
    assert!(world.order().changes_pending());
    for offset in [49, 50] {
        assert_eq!(world.notice(1, offset, times(1, 7)), OrderOutcome::Stale);
    }
    let elsewhere = FlightChange::Times {
        board: "ORD".parse().unwrap(),
        departs_ms: 7,
    };
    assert_eq!(world.notice(1, 60, elsewhere), OrderOutcome::Stale);
    assert_eq!(world.order().segments()[1].departs_ms, later);
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn times_that_did_not_change_need_no_agreement() {
    let mut world = World::awaiting(1);
    assert_eq!(
        world.notice(0, 50, times(0, DEPARTS_MS)),
        OrderOutcome::Heard
    );
    assert!(!world.order().changes_pending());
    // Nor do they make up for a change that does.
    world.notice(0, 51, times(0, DEPARTS_MS + HOUR_MS));
    world.notice(0, 52, times(0, DEPARTS_MS + HOUR_MS));
    assert!(world.order().changes_pending());
}

#[test]
fn flights_of_others_are_refused() {
    let mut world = World::booked(1);
    assert_eq!(
        world.notice(5, 50, CANCELLED),
        refused(OrderReason::NotItsFlight)
    );
}

#[test]
fn orders_are_found_by_their_flights_while_they_live() {
    let mut world = World::awaiting(2);
    let on = |world: &World, number| world.orders.on_flight(&flight(number)).collect::<Vec<_>>();
    assert_eq!(on(&world, 0), [0]);
    assert_eq!(on(&world, 1), [0]);
    assert_eq!(on(&world, 2), [0; 0]);
    world.create(create(2, 1, instant()));
    assert_eq!(on(&world, 0), [0, 1]);
    world.notice(1, 50, CANCELLED);
    assert_eq!(on(&world, 0), [0, 1], "it is being undone");
    world.all_well();
    assert_eq!(on(&world, 0), [1]);
    assert_eq!(on(&world, 1), [0; 0]);
}
