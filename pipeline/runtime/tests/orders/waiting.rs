//! Orders that wait for seats of flights that are sold out.

use std::time::Duration;

use flightline_api::backend::{WebhookAnswer, WebhookCall};
use flightline_ledger::FlightCommand;
use flightline_ledger::order::{
    OrderAction, OrderOutcome, OrderReason, OrderState, Payment, Seat, Terms,
};
use tokio::net::TcpListener;

use super::webhooks::{Heard, listen, told};
use super::world::{Draft, PATIENCE, World, usd};

const A: &str = "UA1.2027-03-01.EWR";
const B: &str = "UA2.2027-03-05.IAH";
const HOUR_MS: u64 = 3_600_000;

/// A held order that has all seats of a flight; cancelling it gives them back.
async fn fill(world: &World, flight: &str, seats: u16) -> Draft {
    let order = world.hold(&[flight], seats, HOUR_MS);
    let settled = world.create(&order).await;
    assert_eq!(settled.state, OrderState::AwaitingPayment);
    order
}

async fn cancel(world: &World, order: &Draft) {
    let quoted = world.act(order.id, "quote", OrderAction::QuoteCancel).await;
    let OrderOutcome::Quoted { quote, refund, .. } = quoted.outcome else {
        panic!("{quoted:?}");
    };
    assert_eq!(refund, usd(0));
    let confirm = OrderAction::ConfirmCancel { quote };
    let answer = world.act(order.id, "cancel", confirm).await;
    assert_eq!(answer.outcome.reason(), None);
}

async fn pay(world: &World, order: &Draft, minor: i64) -> OrderOutcome {
    let payment = Payment {
        amount: usd(minor),
        method: "balance".into(),
    };
    let name = format!("pay {minor} {}", world.row(order.id).await.revision);
    let answer = world.act(order.id, &name, OrderAction::Pay(payment)).await;
    answer.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_gets_its_seats_and_is_bought() {
    let world = World::start().await;
    world.flight(A, 2).await;
    let first = fill(&world, A, 2).await;
    let order = World::waiting(world.instant(&[A], 1), HOUR_MS);
    assert_eq!(world.create(&order).await.state, OrderState::Waiting);
    let row = world.row(order.id).await;
    assert!(row.waited && !row.established);
    assert_eq!(row.segments[0].seat, Seat::Waiting);
    assert_eq!(row.waits_until_ms, row.segments[0].deadline_ms);
    assert!(
        world.sandbox.payments().is_empty(),
        "nobody is asked for money"
    );
    // Whoever does not wait is refused.
    let other = world.instant(&[A], 1);
    assert_eq!(world.create(&other).await.state, OrderState::Refused);
    cancel(&world, &first).await;
    world.until(order.id, OrderState::Booked).await;
    assert_eq!(world.sold(A).await, 1);
    assert_eq!(world.captured(), [usd(10_000)]);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_between_loses_no_promotion() {
    let mut world = World::start().await;
    world.flight(A, 1).await;
    world.flight(B, 1).await;
    let (on_a, on_b) = (fill(&world, A, 1).await, fill(&world, B, 1).await);
    let late = World::waiting(world.hold(&[A], 1, HOUR_MS), HOUR_MS);
    let later = World::waiting(world.hold(&[B], 1, HOUR_MS), HOUR_MS);
    for order in [&late, &later] {
        assert_eq!(world.create(order).await.state, OrderState::Waiting);
    }
    // One gets its seats in the last moment of this run, the other in the next one.
    cancel(&world, &on_a).await;
    world.restart().await;
    world.until(late.id, OrderState::AwaitingPayment).await;
    assert_eq!(world.row(later.id).await.state, OrderState::Waiting);
    cancel(&world, &on_b).await;
    world.until(later.id, OrderState::AwaitingPayment).await;
    world.restart().await;
    let paid = pay(&world, &late, 10_000).await;
    assert!(
        matches!(paid, OrderOutcome::PaymentStarted { .. }),
        "{paid:?}"
    );
    assert_eq!(world.settled(late.id).await.state, OrderState::Booked);
    // The time to pay counts from the seats, not from the order.
    let row = world.row(later.id).await;
    let Terms::Hold { pay_by_ms } = row.asked.terms else {
        panic!("{:?}", row.asked.terms);
    };
    let left_ms = row.payment_required_by_ms.unwrap() - row.created_ms;
    assert!(left_ms > pay_by_ms as i64, "{left_ms}");
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_while_it_waits() {
    let world = World::start().await;
    world.flight(A, 5).await;
    world.flight(B, 1).await;
    let first = fill(&world, B, 1).await;
    let order = World::waiting(world.hold(&[A, B], 1, HOUR_MS), HOUR_MS);
    assert_eq!(world.create(&order).await.state, OrderState::Waiting);
    // The flight that has seats holds them meanwhile.
    assert_eq!((world.held(A).await, world.held(B).await), (1, 1));
    assert_eq!(
        pay(&world, &order, 20_000).await.reason(),
        Some(OrderReason::StillHolding)
    );
    let row = world.row(order.id).await;
    let until_ms = row.waits_until_ms.unwrap();
    let held_until_ms = row.segments[0].deadline_ms.unwrap();
    assert!(
        until_ms < held_until_ms,
        "seats on A are not kept for nothing"
    );
    cancel(&world, &first).await;
    world.until(order.id, OrderState::AwaitingPayment).await;
    let paid = pay(&world, &order, 20_000).await;
    assert!(
        matches!(paid, OrderOutcome::PaymentStarted { .. }),
        "{paid:?}"
    );
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    assert_eq!((world.sold(A).await, world.sold(B).await), (1, 1));
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_vain_keeps_no_seats_anywhere() {
    let world = World::start().await;
    world.flight(A, 5).await;
    world.flight(B, 1).await;
    fill(&world, B, 1).await;
    // Until the wait is over.
    let short = World::waiting(world.hold(&[A, B], 1, HOUR_MS), 200);
    let settled = world.create(&short).await.state;
    assert!(
        matches!(settled, OrderState::Waiting | OrderState::Refused),
        "{settled:?}"
    );
    world.until(short.id, OrderState::Refused).await;
    // Until half of the time of the seats elsewhere is over.
    let half = World::waiting(world.hold(&[A, B], 1, 400), HOUR_MS);
    world.create(&half).await;
    world.until(half.id, OrderState::Refused).await;
    let row = world.row(half.id).await;
    assert_eq!(row.ending.as_ref().unwrap().cause, "holds_timed_out");
    assert_eq!(world.held(A).await, 0);
    // Nobody is left in the queue: the seat is free for whoever comes.
    let waiting = "order_holds_waiting 0\n";
    assert!(world.backend().metrics().contains(waiting));
    assert_eq!(world.held(B).await, 1);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_while_it_waits_leaves_the_queue() {
    let world = World::start().await;
    world.flight(A, 5).await;
    world.flight(B, 1).await;
    let first = fill(&world, B, 1).await;
    let order = World::waiting(world.instant(&[A, B], 1), HOUR_MS);
    let next = World::waiting(world.instant(&[B], 1), HOUR_MS);
    for order in [&order, &next] {
        assert_eq!(world.create(order).await.state, OrderState::Waiting);
    }
    cancel(&world, &order).await;
    assert_eq!(world.settled(order.id).await.state, OrderState::Cancelled);
    assert_eq!(world.held(A).await, 0);
    cancel(&world, &first).await;
    world.until(next.id, OrderState::Booked).await;
    assert_eq!(world.row(order.id).await.state, OrderState::Cancelled);
    assert_eq!((world.sold(A).await, world.sold(B).await), (0, 1));
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_airline_ends_a_wait() {
    let world = World::start().await;
    world.flight(A, 5).await;
    world.flight(B, 1).await;
    fill(&world, B, 1).await;
    let order = World::waiting(world.instant(&[A, B], 1), HOUR_MS);
    assert_eq!(world.create(&order).await.state, OrderState::Waiting);
    world.cancel_flight(B).await;
    world.until(order.id, OrderState::Refused).await;
    assert_eq!(world.settled(order.id).await.state, OrderState::Refused);
    assert_eq!((world.held(A).await, world.sold(A).await), (0, 0));

    // Moved while it waits: what is bought at once is not bought at other times than were agreed.
    const C: &str = "UA3.2027-03-09.EWR";
    world.flight(C, 1).await;
    let first = fill(&world, C, 1).await;
    let moved = World::waiting(world.instant(&[C], 1), HOUR_MS);
    assert_eq!(world.create(&moved).await.state, OrderState::Waiting);
    world.push(&[world.schedule(C, 1, 14)]).await;
    world.until(moved.id, OrderState::Refused).await;
    let row = world.row(moved.id).await;
    assert_eq!(row.ending.as_ref().unwrap().cause, "times_changed");
    cancel(&world, &first).await;
    // The answer to a cancellation comes before its seats are given back.
    let cancelled = world.settled(first.id).await;
    assert_eq!(cancelled.state, OrderState::Cancelled);
    assert_eq!(world.settled(moved.id).await.state, OrderState::Refused);
    assert_eq!(world.available(C).await, 1);
    assert!(world.sandbox.payments().is_empty());
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_given_back_behind_the_orders_back_ends_its_wait() {
    let world = World::start().await;
    world.flight(A, 1).await;
    fill(&world, A, 1).await;
    let order = World::waiting(world.instant(&[A], 1), HOUR_MS);
    assert_eq!(world.create(&order).await.state, OrderState::Waiting);
    let hold = world.row(order.id).await.segments[0].hold;
    let released = FlightCommand::Release { hold };
    world.flight_command(A, released).await;
    world.until(order.id, OrderState::Refused).await;
    let row = world.row(order.id).await;
    let ending = row.ending.as_ref().unwrap();
    assert_eq!(ending.code.as_deref(), Some("already_released"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_is_told_when_a_waiting_order_is_held_or_has_waited_in_vain() {
    let world = World::start().await;
    world.flight(A, 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    tokio::spawn(listen(listener, heard.clone()));
    let call = WebhookCall::Create {
        url: format!("http://{address}/hook"),
        events: vec!["order.created".into(), "order.creation_failed".into()],
    };
    let backend = world.backend();
    let made = tokio::task::spawn_blocking(move || backend.webhooks("shop", call));
    assert!(matches!(made.await.unwrap(), Ok(WebhookAnswer::One(_))));

    let first = fill(&world, A, 1).await;
    let held = World::waiting(world.hold(&[A], 1, HOUR_MS), HOUR_MS);
    let vain = World::waiting(world.hold(&[A], 1, HOUR_MS), 1_000);
    for order in [&held, &vain] {
        assert_eq!(world.create(order).await.state, OrderState::Waiting);
    }
    world.until(vain.id, OrderState::Refused).await;
    cancel(&world, &first).await;
    world.until(held.id, OrderState::AwaitingPayment).await;
    let name = |order: &Draft| format!("ord_{}", order.id);
    let all = async {
        // That of the first order too.
        while heard.lock().len() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(6 * PATIENCE, all).await.unwrap();
    assert_eq!(told(&heard, &name(&held)), ["order.created"]);
    assert_eq!(told(&heard, &name(&vain)), ["order.creation_failed"]);
    world.stop().await;
}
