//! Clients hear of their orders at least once, also of what happened while nobody listened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flightline_api::backend::{WebhookAnswer, WebhookCall};
use flightline_connectors::payments::Sandbox;
use flightline_ledger::order::{OrderAction, OrderOutcome, OrderState};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::world::{PATIENCE, Setup, World};

const A: &str = "UA1.2027-03-01.EWR";

/// Events by id: a repeated delivery changes nothing.
pub(crate) type Heard = Arc<Mutex<BTreeMap<String, Value>>>;

/// Takes deliveries and answers 200.
pub(crate) async fn listen(listener: TcpListener, heard: Heard) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let heard = heard.clone();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            let mut chunk = [0; 4096];
            while let Ok(n) = stream.read(&mut chunk).await {
                bytes.extend_from_slice(&chunk[..n]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                assert!(head.to_lowercase().contains("x-duffel-signature: t="));
                if let Ok(event) = serde_json::from_str::<Value>(body) {
                    let id = event["id"].as_str().unwrap().to_owned();
                    heard.lock().insert(id, event);
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                    return;
                }
                if n == 0 {
                    return;
                }
            }
        });
    }
}

/// The types that were heard of an order, in the order of their sequence.
pub(crate) fn told(heard: &Heard, order: &str) -> Vec<String> {
    let heard = heard.lock();
    let mut events: Vec<(u64, String)> = heard
        .values()
        .filter(|event| event["order_id"] == order)
        .map(|event| {
            let sequence = event["order_sequence"].as_u64().unwrap();
            (sequence, event["type"].as_str().unwrap().to_owned())
        })
        .collect();
    events.sort();
    let sequences: Vec<u64> = events.iter().map(|(sequence, _)| *sequence).collect();
    let expected: Vec<u64> = (1..=events.len() as u64).collect();
    assert_eq!(sequences, expected, "numbered from 1 without gaps");
    events.into_iter().map(|(_, kind)| kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_an_order_is_told_in_order_and_not_lost_by_a_restart() {
    told_in_order(Setup::default()).await;
}

/// Without any room in memory every event is derived from the stream again, from its first record or from a
/// checkpoint: the same ones.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_find_no_room_are_derived_from_the_stream() {
    let setup = Setup {
        events_held_max: 0,
        ..Setup::default()
    };
    told_in_order(setup).await;
}

async fn told_in_order(setup: Setup) {
    let mut world = World::start_as(Arc::new(Sandbox::in_memory()), setup).await;
    world.flight(A, 5).await;
    // Nobody listens at that address yet.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let kinds = [
        "order.created",
        "payment.created",
        "order_cancellation.created",
        "order_cancellation.confirmed",
    ];
    let call = WebhookCall::Create {
        url: format!("http://{address}/hook"),
        events: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    let backend = world.backend();
    let made = tokio::task::spawn_blocking(move || backend.webhooks("shop", call));
    let made = made.await.unwrap().unwrap();
    assert!(matches!(made, WebhookAnswer::One(webhook) if webhook["secret"].is_string()));

    let order = world.instant(&[A], 1);
    assert_eq!(world.create(&order).await.state, OrderState::Booked);
    // What comes now is behind a checkpoint, in the middle of the order.
    world.replica().flushed(PATIENCE).await.unwrap();
    world.replica().checkpoint().await.unwrap();
    let quoted = world.act(order.id, "quote", OrderAction::QuoteCancel).await;
    let OrderOutcome::Quoted { quote, .. } = quoted.outcome else {
        panic!("{quoted:?}");
    };
    world
        .act(order.id, "cancel", OrderAction::ConfirmCancel { quote })
        .await;
    world.settled(order.id).await;
    world.restart().await;

    let heard = Heard::default();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(listen(listener, heard.clone()));
    let name = format!("ord_{}", order.id);
    let all = async {
        while heard.lock().len() < kinds.len() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // The pauses between attempts grow.
    tokio::time::timeout(6 * PATIENCE, all).await.unwrap();
    assert_eq!(told(&heard, &name), kinds);
    world.stop().await;
}
