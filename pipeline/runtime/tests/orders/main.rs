//! Orders in a whole replica: a real stream in files, a real PostgreSQL, the sandbox with books of
//! its own. Only HTTP is left out.

mod checkpoints;
mod failpoints;
mod feeds;
mod hints;
mod outward;
mod questions;
mod several;
mod stripe;
mod waiting;
mod webhooks;
mod world;

use flightline_ledger::order::{OrderAction, OrderOutcome, OrderState, Payment, Seat};
use world::{World, usd};

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_order_is_booked_paid_and_ticketed_and_everything_adds_up() {
    let world = World::start().await;
    world.flight("UA1.2027-03-01.EWR", 10).await;
    world.flight("UA2.2027-03-05.IAH", 10).await;
    let order = world.instant(&["UA1.2027-03-01.EWR", "UA2.2027-03-05.IAH"], 2);
    let settled = world.create(&order).await;
    assert_eq!(settled.state, OrderState::Booked);
    let row = world.row(order.id).await;
    assert!(
        row.ticket
            .as_deref()
            .is_some_and(|t| t.starts_with("999") && t.len() == 13)
    );
    assert!(row.segments.iter().all(|s| s.seat == Seat::Confirmed));
    assert_eq!(world.sold("UA1.2027-03-01.EWR").await, 2);
    assert_eq!(world.sold("UA2.2027-03-05.IAH").await, 2);
    assert_eq!(world.captured(), [usd(40_000)]);

    // The tables say the same, and so does a fold of the stream from its start.
    world.replica().flushed(world::PATIENCE).await.unwrap();
    let client = world.replica().database().client().await.unwrap();
    let state: String = client
        .query_one("SELECT state FROM flightline.orders", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(state, "booked");
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_order_is_paid_later_and_cancelled_with_its_money_back() {
    let world = World::start().await;
    world.flight("UA1.2027-03-01.EWR", 10).await;
    let order = world.hold(&["UA1.2027-03-01.EWR"], 3, 3_600_000);
    let settled = world.create(&order).await;
    assert_eq!(settled.state, OrderState::AwaitingPayment);
    assert_eq!(world.held("UA1.2027-03-01.EWR").await, 3);
    let paid = world
        .act(
            order.id,
            "pay",
            OrderAction::Pay(Payment {
                amount: usd(30_000),
                method: "balance".into(),
            }),
        )
        .await;
    assert!(matches!(
        paid.outcome,
        OrderOutcome::PaymentStarted { payment: 1 }
    ));
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    let quoted = world.act(order.id, "quote", OrderAction::QuoteCancel).await;
    let OrderOutcome::Quoted { quote, refund, .. } = quoted.outcome else {
        panic!("{quoted:?}");
    };
    assert_eq!(refund, usd(30_000));
    world
        .act(order.id, "confirm", OrderAction::ConfirmCancel { quote })
        .await;
    assert_eq!(world.settled(order.id).await.state, OrderState::Cancelled);
    assert_eq!(world.sold("UA1.2027-03-01.EWR").await, 0);
    assert_eq!(world.kept(), usd(0));
    world.verify().await;
    world.stop().await;
}
