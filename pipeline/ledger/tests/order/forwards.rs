//! All goes well.

use flightline_ledger::order::{
    EffectId, EffectResult, MoneyAsk, MoneyState, OrderOutcome, OrderState, Seat, SeatsAsk, Step,
    Work,
};
use flightline_ledger::{CommandId, FlightCommand};

use crate::support::{
    HOUR_MS, START_MS, World, authorised, create, flight, held, instant, on_hold, one, provider,
    segment, success, text, ticketed, usd,
};

#[test]
fn an_instant_order_holds_authorises_confirms_captures_and_tickets() {
    let mut world = World::with(2, instant());
    assert_eq!(world.waits(), [(Step::Hold, 0), (Step::Hold, 1)]);
    assert_eq!(world.state(), OrderState::Holding);

    world.result(Step::Hold, held(4));
    assert_eq!(world.waits(), [(Step::Hold, 1)]);
    world.result(Step::Hold, held(9));
    assert_eq!(world.waits(), [(Step::Authorise, 0)]);
    assert_eq!(world.state(), OrderState::Authorising);

    world.result(Step::Authorise, authorised());
    assert_eq!(world.waits(), [(Step::Confirm, 0), (Step::Confirm, 1)]);
    assert_eq!(world.state(), OrderState::Confirming);

    world.result(Step::Confirm, EffectResult::Confirmed);
    assert_eq!(world.waits(), [(Step::Confirm, 1)]);
    world.result(Step::Confirm, EffectResult::Confirmed);
    assert_eq!(world.waits(), [(Step::Capture, 0)]);
    assert_eq!(world.state(), OrderState::Capturing);
    assert_eq!(world.order().kept(), usd(0));

    world.result(Step::Capture, EffectResult::Captured);
    assert_eq!(world.waits(), [(Step::Ticket, 0)]);
    assert_eq!(world.state(), OrderState::Ticketing);
    assert_eq!(world.order().kept(), usd(200_00));

    world.result(Step::Ticket, ticketed());
    assert_eq!(world.waits(), []);
    assert_eq!(world.state(), OrderState::Booked);
    let order = world.order();
    assert_eq!(order.ticket(), Some("016-1"));
    assert_eq!(order.charge().money, MoneyState::Captured);
    assert_eq!(order.charge().captured_ms, Some(START_MS));
    assert!(order.segments().iter().all(|s| s.seat == Seat::Confirmed));
}

#[test]
fn segments_may_answer_in_any_order() {
    let mut world = World::with(3, instant());
    let holds: Vec<_> = world.order().pending().iter().map(|p| p.id).collect();
    for effect in holds.into_iter().rev() {
        world.done(effect, held(1));
    }
    assert_eq!(world.state(), OrderState::Authorising);
}

#[test]
fn a_held_order_stops_until_it_is_paid() {
    let mut world = World::with(2, on_hold());
    world.result(Step::Hold, held(4));
    assert_eq!(world.state(), OrderState::Holding);
    assert_eq!(world.order().payment_required_by_ms(), None);
    world.result(Step::Hold, held(9));
    assert_eq!(world.state(), OrderState::AwaitingPayment);
    assert_eq!(world.waits(), []);
    assert_eq!(
        world.order().payment_required_by_ms(),
        Some(START_MS + HOUR_MS)
    );

    assert_eq!(
        world.pay(200_00),
        OrderOutcome::PaymentStarted { payment: 1 }
    );
    assert_eq!(world.state(), OrderState::Authorising);
    assert_eq!(world.order().payment_required_by_ms(), None);
    world.all_well();
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn effects_say_all_that_is_needed_to_run_them() {
    let mut details = create(1, 2, on_hold());
    details.slices[1][0].seats = 3;
    let mut world = World::new();
    world.create(details);
    let ids: Vec<_> = world.ear.due.iter().map(|effect| effect.id).collect();
    let [
        Work::Seats { segment: 0, .. },
        Work::Seats {
            segment: 1,
            flight: key,
            ask,
        },
    ] = [&world.ear.due[0].work, &world.ear.due[1].work]
    else {
        panic!("{:?}", world.ear.due);
    };
    assert_eq!(*key, flight(1));
    let SeatsAsk::Hold(request) = ask else {
        panic!("{ask:?}");
    };
    assert_eq!(request.provider, Some(provider()));
    assert_eq!((request.cabin, request.class), (segment(1).cabin, None));
    assert_eq!((request.board, request.off), (None, None));
    assert_eq!(request.seats, 3);
    // An hour to pay, and five minutes for a payment made in the last moment.
    assert_eq!(request.ttl_ms, Some(65 * 60_000));
    assert_eq!(request.expected_price, Some(usd(100_00)));
    let command = world.ear.due[1].work.flight_command();
    assert_eq!(command, Some((flight(1), FlightCommand::Hold(*request))));
    world.all_well();
    world.pay(200_00);

    let mut works = Vec::new();
    while let Some(pending) = world.order().pending().first().copied() {
        let order = world.order();
        let due = order
            .outstanding()
            .find(|o| o.effect.id == pending.id)
            .unwrap();
        assert_eq!(due.effect.order, one());
        works.push(due.effect.work);
        world.done(pending.id, success(pending.step));
    }
    let hold = CommandId::from(ids[0]);
    assert_eq!(
        works,
        [
            Work::Money(MoneyAsk::Authorise {
                amount: usd(200_00),
                method: text("card_2"),
            }),
            Work::Seats {
                segment: 0,
                flight: flight(0),
                ask: SeatsAsk::Confirm { hold },
            },
            Work::Seats {
                segment: 1,
                flight: flight(1),
                ask: SeatsAsk::Confirm {
                    hold: ids[1].into(),
                },
            },
            Work::Money(MoneyAsk::Capture {
                amount: usd(200_00),
                reference: text("auth_1"),
            }),
            Work::Ticket {
                booking: world.order().booking(),
            },
        ]
    );
    assert_eq!(
        works[1].flight_command(),
        Some((flight(0), FlightCommand::Confirm { hold }))
    );
}

#[test]
fn effect_ids_follow_from_order_step_segment_and_attempt() {
    let mut world = World::with(2, instant());
    let id = |step, segment, attempt| EffectId::derive(one(), step, segment, attempt);
    let pending =
        |world: &World| -> Vec<_> { world.order().pending().iter().map(|p| p.id).collect() };
    assert_eq!(
        pending(&world),
        [id(Step::Hold, 0, 1), id(Step::Hold, 1, 1)]
    );
    world.well_up_to(Step::Authorise);
    assert_eq!(pending(&world), [id(Step::Authorise, 0, 1 << 32)]);
    world.well_up_to(Step::Confirm);
    assert_eq!(
        pending(&world),
        [id(Step::Confirm, 0, 1), id(Step::Confirm, 1, 1)]
    );
    world.well_up_to(Step::Ticket);
    assert_eq!(pending(&world), [id(Step::Ticket, 0, 1)]);
}

#[test]
fn what_is_told_is_what_is_outstanding() {
    let mut world = World::with(2, instant());
    while !world.waits().is_empty() {
        let told = world.ear.due.clone();
        let waiting: Vec<_> = world.orders.outstanding().map(|o| o.effect).collect();
        assert!(told.iter().all(|effect| waiting.contains(effect)));
        let first = world.order().pending()[0];
        world.done(first.id, success(first.step));
    }
    assert_eq!(world.orders.outstanding().count(), 0);
}
