//! The questions that everybody asks of a booking system, one test each.

use std::time::Duration;

use flightline_connectors::payments::PaymentState;
use flightline_ledger::FlightCommand;
use flightline_ledger::order::{OrderAction, OrderOutcome, OrderReason, OrderState, Payment, Seat};
use flightline_ledger::outcome::Replay;

use super::world::{World, key, usd};

const A: &str = "UA1.2027-03-01.EWR";
const B: &str = "UA2.2027-03-05.IAH";

fn pay(minor: i64, method: &str) -> OrderAction {
    OrderAction::Pay(Payment {
        amount: usd(minor),
        method: method.into(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_succeeds_but_seat_confirmation_fails() {
    let world = World::start().await;
    world.flight(A, 5).await;
    let order = world.hold(&[A], 1, 3_600_000);
    world.create(&order).await;
    // Somebody with the right to do so gives the hold back behind the order's back.
    let hold = world.row(order.id).await.segments[0].hold;
    world
        .flight_command(A, FlightCommand::Release { hold })
        .await;
    world.act(order.id, "pay", pay(10_000, "balance")).await;
    let settled = world.settled(order.id).await;
    assert_eq!(settled.state, OrderState::Cancelled);
    let row = world.row(order.id).await;
    let ending = row.ending.as_ref().unwrap();
    assert_eq!(ending.cause, "seats_refused");
    assert_eq!(ending.code.as_deref(), Some("already_released"));
    assert_eq!(world.kept(), usd(0));
    assert!(world.captured().is_empty(), "nothing was ever taken");
    let books = world.sandbox.payments();
    let states: Vec<_> = books.iter().map(|payment| payment.state).collect();
    assert_eq!(
        states,
        [PaymentState::Voided],
        "it was reserved, and let go"
    );
    assert_eq!(world.available(A).await, 5);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_abandons() {
    let world = World::start().await;
    world.flight(A, 2).await;
    let order = world.hold(&[A], 2, 300);
    assert_eq!(
        world.create(&order).await.state,
        OrderState::AwaitingPayment
    );
    let other = world.instant(&[A], 1);
    assert_eq!(world.create(&other).await.state, OrderState::Refused);
    // Nobody says anything; the stream's clock does.
    while world.row(order.id).await.state != OrderState::Expired {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.available(A).await, 2);
    let again = world.instant(&[A], 2);
    assert_eq!(world.create(&again).await.state, OrderState::Booked);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_update_races_a_booking() {
    let world = World::start().await;
    world.flight(A, 40).await;
    let drafts: Vec<_> = (0..40).map(|_| world.instant(&[A], 1)).collect();
    let orders = async {
        let all = drafts.iter().map(|draft| world.create(draft));
        futures_util::future::join_all(all).await
    };
    let cuts = async {
        for seats in [30, 20, 10] {
            world.push(&[world.schedule(A, seats, 12)]).await;
        }
    };
    let (settled, ()) = tokio::join!(orders, cuts);
    let booked = settled
        .iter()
        .filter(|s| s.state == OrderState::Booked)
        .count();
    let refused = settled
        .iter()
        .filter(|s| s.state == OrderState::Refused)
        .count();
    assert_eq!(booked + refused, 40, "{settled:?}");
    assert!(booked >= 10, "{booked}: ten seats were there all the time");
    assert_eq!(world.sold(A).await, booked as i32);
    assert_eq!(world.kept(), usd(booked as i64 * 10_000));
    // Who was booked before a cut stays so, and it is said that there are too many; nobody comes after it.
    world.index().await;
    let view = world.backend().serving().flight(&key(A)).unwrap();
    let oversold = view.inventory[0].oversold;
    assert_eq!(oversold, booked as i32 - 10);
    let late = world.create(&world.instant(&[A], 1)).await;
    assert_eq!(late.state, OrderState::Refused);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn price_moves_between_search_and_order() {
    let world = World::start().await;
    world.flight(A, 5).await;
    let order = world.instant(&[A], 1);
    world.fare(A, "120.00").await;
    assert_eq!(world.create(&order).await.state, OrderState::Refused);
    let row = world.row(order.id).await;
    let ending = row.ending.as_ref().unwrap();
    assert_eq!(ending.code.as_deref(), Some("price_changed"));
    assert_eq!(ending.price_now, Some(usd(12_000)));
    assert_eq!(world.kept(), usd(0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn double_click() {
    let world = World::start().await;
    world.flight(A, 5).await;
    let order = world.instant(&[A], 1);
    let create = || OrderAction::Create(Box::new(order.create.clone()));
    // The same click twice, and another one on the same offer request.
    let (first, second, other) = tokio::join!(
        world.act(order.id, "click", create()),
        world.act(order.id, "click", create()),
        world.act(order.id, "other tab", create()),
    );
    assert_eq!(first.outcome, second.outcome);
    assert!(matches!(second.replay, Replay::Same { .. }));
    assert_eq!(other.outcome.reason(), Some(OrderReason::AlreadyBooked));
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    assert_eq!(world.sold(A).await, 1);
    assert_eq!(world.captured(), [usd(10_000)]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answer() {
    let world = World::start().await;
    world.flight(A, 50).await;
    // The service acts and its answer is lost, at each of its steps.
    for method in [
        "sandbox_lost",
        "sandbox_slow",
        "sandbox_capture_lost",
        "sandbox_capture_slow",
    ] {
        let order = world.paid_by(&[A], 1, method);
        assert_eq!(
            world.create(&order).await.state,
            OrderState::Booked,
            "{method}"
        );
    }
    assert_eq!(world.captured(), [usd(10_000); 4]);
    for method in ["sandbox_refund_lost", "sandbox_refund_slow"] {
        let order = world.paid_by(&[A], 1, method);
        world.create(&order).await;
        let quoted = world.act(order.id, "quote", OrderAction::QuoteCancel).await;
        let OrderOutcome::Quoted { quote, .. } = quoted.outcome else {
            panic!("{quoted:?}");
        };
        world
            .act(order.id, "cancel", OrderAction::ConfirmCancel { quote })
            .await;
        assert_eq!(
            world.settled(order.id).await.state,
            OrderState::Cancelled,
            "{method}"
        );
    }
    assert_eq!(world.kept(), usd(40_000));
    assert_eq!(world.sold(A).await, 4);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_want_the_last_seat_on_the_second_leg() {
    let world = World::start().await;
    world.flight(A, 100).await;
    world.flight(B, 1).await;
    let drafts: Vec<_> = (0..20).map(|_| world.instant(&[A, B], 1)).collect();
    let all = drafts.iter().map(|draft| world.create(draft));
    let settled = futures_util::future::join_all(all).await;
    let booked = settled
        .iter()
        .filter(|s| s.state == OrderState::Booked)
        .count();
    assert_eq!(booked, 1, "{settled:?}");
    // Those who lost have given back their seat on the first leg, and paid nothing.
    assert_eq!((world.sold(A).await, world.held(A).await), (1, 0));
    assert_eq!((world.sold(B).await, world.held(B).await), (1, 0));
    assert_eq!(world.kept(), usd(20_000));
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payment_service_is_down_for_a_while() {
    let world = World::start().await;
    world.flight(A, 5).await;
    let order = world.hold(&[A], 1, 3_600_000);
    world.create(&order).await;
    world.sandbox.set_down(true);
    world.act(order.id, "pay", pay(10_000, "balance")).await;
    // Asked again and again, by the same id, ever more slowly. A whole hour of it, by the stream's clock, is
    // in the ledger's tests (`order/paying.rs`).
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(world.row(order.id).await.state, OrderState::Authorising);
    }
    // Nothing else waits for it.
    let quick = world.hold(&[A], 1, 3_600_000);
    assert_eq!(
        world.create(&quick).await.state,
        OrderState::AwaitingPayment
    );
    world.sandbox.set_down(false);
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    assert_eq!(world.captured(), [usd(10_000)]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_stops_while_the_payment_service_does_not_answer() {
    let mut world = World::start().await;
    world.flight(A, 5).await;
    let order = world.hold(&[A], 1, 3_600_000);
    world.create(&order).await;
    world.sandbox.set_down(true);
    world.act(order.id, "pay", pay(10_000, "balance")).await;
    world.restart().await;
    assert_eq!(world.row(order.id).await.state, OrderState::Authorising);
    world.sandbox.set_down(false);
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    assert_eq!(world.captured(), [usd(10_000)]);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_is_declined() {
    let world = World::start().await;
    world.flight(A, 5).await;
    let order = world.paid_by(&[A], 1, "sandbox_declined");
    assert_eq!(world.create(&order).await.state, OrderState::Refused);
    assert_eq!(world.available(A).await, 5);
    // A held order stays held, and is paid in another way.
    let held = world.hold(&[A], 1, 3_600_000);
    world.create(&held).await;
    world
        .act(held.id, "pay", pay(10_000, "sandbox_declined"))
        .await;
    assert_eq!(
        world.settled(held.id).await.state,
        OrderState::AwaitingPayment
    );
    world.act(held.id, "again", pay(10_000, "balance")).await;
    assert_eq!(world.settled(held.id).await.state, OrderState::Booked);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_money_cannot_be_taken_after_the_seats_are_sold() {
    let world = World::start().await;
    world.flight(A, 5).await;
    let order = world.paid_by(&[A], 1, "sandbox_capture_refused");
    assert_eq!(world.create(&order).await.state, OrderState::Refused);
    let row = world.row(order.id).await;
    assert_eq!(row.ending.as_ref().unwrap().cause, "capture_failed");
    assert_eq!(row.segments[0].seat, Seat::Free);
    assert_eq!(world.available(A).await, 5);
    assert_eq!(world.kept(), usd(0));
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_airline_cancels_a_flight() {
    let mut world = World::start().await;
    world.flight(A, 5).await;
    world.flight(B, 5).await;
    let booked = world.instant(&[A, B], 1);
    let held = world.hold(&[B], 1, 3_600_000);
    world.create(&booked).await;
    world.create(&held).await;
    world.cancel_flight(B).await;
    for order in [booked.id, held.id] {
        while world.row(order).await.state != OrderState::Cancelled {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    // Both flights are given back, and all of the money.
    assert_eq!(world.sold(A).await, 0);
    assert_eq!(world.kept(), usd(0));
    world.verify().await;
    world.restart().await;
    assert_eq!(world.row(booked.id).await.state, OrderState::Cancelled);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_airline_changes_times() {
    let world = World::start().await;
    world.flight(A, 5).await;
    let held = world.hold(&[A], 1, 3_600_000);
    world.create(&held).await;
    world.push(&[world.schedule(A, 5, 14)]).await;
    while !world.row(held.id).await.changes_pending {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = world.act(held.id, "pay", pay(10_000, "balance")).await;
    assert_eq!(refused.outcome.reason(), Some(OrderReason::ScheduleChanged));
    world
        .act(held.id, "accept", OrderAction::AcceptChanges)
        .await;
    world
        .act(held.id, "pay again", pay(10_000, "balance"))
        .await;
    assert_eq!(world.settled(held.id).await.state, OrderState::Booked);
    world.verify().await;
    world.stop().await;
}
