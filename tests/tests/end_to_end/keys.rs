//! One idempotency key on different requests, each of which goes to another replica: whatever a key was used for
//! before and wherever, nobody is given the answer of another request.
//!
//! The tests with two replicas need a Fluvio cluster, as `replicas` does.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::balanced::Service;
use crate::client::{Answer, Client};
use crate::harness::{Place, Replica};
use crate::replicas::wait_until;
use crate::{events, trip};

/// A request of a kind that can be made under any key.
struct Kind {
    name: &'static str,
    path: String,
    body: Value,
    /// The same path, and another body.
    other: Value,
}

async fn ask(client: &Client, path: &str, body: &Value, key: &str) -> Answer {
    let call = client.try_keyed(Method::POST, path, Some(body), Some(key));
    call.await.expect("an answer")
}

/// Something that tells the answers to different requests apart.
fn what(answer: &Answer) -> Value {
    let data = answer.body.get("data").unwrap_or(&answer.body);
    match data.get("id") {
        Some(id) => json!([answer.status.as_u16(), id]),
        None => json!([answer.status.as_u16(), data]),
    }
}

fn is_reused(answer: &Answer) -> bool {
    answer.status == StatusCode::CONFLICT && answer.code() == "idempotency_key_reused"
}

/// Every kind, for an order that is held and a hold that is made.
async fn kinds(client: &Client, other: &Client, tag: &str) -> Vec<Kind> {
    let offer = trip::offer(client, 1, false).await;
    let order = trip::ordered(client, &trip::order_body(&offer, None)).await;
    let path = trip::path_of(&order);
    wait_until("the other replica knows the order", || async {
        other.get(&path).await.status == StatusCode::OK
    })
    .await;
    // One search has one order.
    let offer = trip::offer(client, 1, false).await;
    let flight = events::flight(1);
    let payment = trip::payment(&order, None);
    let mut less = payment.clone();
    less["amount"] = json!("1.00");
    let hold = |seats: u32| json!({"id": format!("h-{tag}-{seats}"), "cabin": "Y", "seats": seats});
    vec![
        Kind {
            name: "search",
            path: "/air/offer_requests".to_owned(),
            body: trip::search_body(1, false),
            other: trip::search_body(2, false),
        },
        Kind {
            name: "order",
            path: "/air/orders".to_owned(),
            body: trip::order_body(&offer, None),
            other: trip::order_body(&offer, Some(trip::payment(&offer, None))),
        },
        Kind {
            name: "payment",
            path: "/air/payments".to_owned(),
            body: json!({"data": {"order_id": order["id"], "payment": payment}}),
            other: json!({"data": {"order_id": order["id"], "payment": less}}),
        },
        Kind {
            name: "hold",
            path: format!("/flights/{flight}/holds"),
            body: hold(1),
            other: hold(2),
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_never_brings_the_answer_of_another_request() {
    let Some(service) = Service::start("keys", 2).await else {
        return;
    };
    service.sell(200).await;
    let [one, two] = [0, 1].map(|n: usize| {
        let replica: &Replica = &service.replicas[n];
        Client::with_token(&replica.url, &service.token)
    });
    let mut noticed = 0;
    for first in 0..4 {
        for second in 0..4 {
            let key = format!("key-{first}-{second}");
            let kinds = kinds(&one, &two, &key).await;
            let (a, b) = (&kinds[first], &kinds[second]);
            let case = format!("{} then {}", a.name, b.name);
            let begun = ask(&one, &a.path, &a.body, &key).await;
            assert_eq!(begun.status, StatusCode::CREATED, "{case}: {begun:?}");
            if first == second {
                // The same request is the same answer at the other replica, and another one is refused there.
                wait_until(&case, || async {
                    let again = ask(&two, &a.path, &a.body, &key).await;
                    what(&again) == what(&begun) && again.replayed
                })
                .await;
                let other = ask(&two, &a.path, &a.other, &key).await;
                assert!(is_reused(&other), "{case}: {other:?}");
                continue;
            }
            // Another kind: refused, or done as what it is.
            let then = ask(&two, &b.path, &b.body, &key).await;
            assert!(
                is_reused(&then) || then.status == StatusCode::CREATED && !then.replayed,
                "{case}: {then:?}"
            );
            noticed += u32::from(is_reused(&then));
            // Whatever is asked again, anywhere, is answered as before, or refused.
            for (kind, told) in [(a, &begun), (b, &then)] {
                for client in [&one, &two, &one] {
                    let again = ask(client, &kind.path, &kind.body, &key).await;
                    let is_same = what(&again) == what(told) && again.replayed;
                    assert!(
                        is_same || is_reused(&again) || is_reused(told),
                        "{case}, {} again: {again:?} after {told:?}",
                        kind.name
                    );
                }
                let other = ask(&two, &kind.path, &kind.other, &key).await;
                assert!(
                    is_reused(&other) || is_reused(told),
                    "{case}, another {}: {other:?}",
                    kind.name
                );
            }
        }
    }
    // A key of one order is none of another's.
    let key = "key-orders";
    let mut made = Vec::new();
    for _ in 0..2 {
        let offer = trip::offer(&one, 1, false).await;
        let body = trip::order_body(&offer, None);
        made.push(ask(&one, "/air/orders", &body, key).await);
    }
    assert_eq!(made[0].status, StatusCode::CREATED, "{:?}", made[0]);
    assert!(is_reused(&made[1]), "{:?}", made[1]);
    eprintln!("{noticed} of 12 pairs of kinds were refused at the other replica");
    for replica in service.replicas {
        replica.stop();
    }
}

/// The stream remembers a key by what it was used for; that it was used for something else, the replica does.
#[tokio::test(flavor = "multi_thread")]
async fn one_replica_notices_a_key_that_was_used_for_something_else() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    let said = [
        events::schedule(&flight, 20, 1),
        events::fares(&flight, "120.00", 1),
    ];
    client.push("acme", &said).await;
    let (first, second) = (
        trip::offer(&client, 1, false).await,
        trip::offer(&client, 1, false).await,
    );
    let [one, other] = [&first, &second].map(|offer| trip::order_body(offer, None));
    let made = ask(&client, "/air/orders", &one, "k").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let again = ask(&client, "/air/orders", &one, "k").await;
    assert!(again.replayed && what(&again) == what(&made), "{again:?}");
    let order = &made.body["data"];
    let payment = json!({"data": {"order_id": order["id"], "payment": trip::payment(order, None)}});
    let quote = json!({"data": {"order_id": order["id"]}});
    let hold = json!({"id": "h", "cabin": "Y", "seats": 1});
    let holds = format!("/flights/{flight}/holds");
    let search = trip::search_body(1, false);
    for (path, body) in [
        ("/air/orders", &other),
        ("/air/payments", &payment),
        ("/air/order_cancellations", &quote),
        ("/air/offer_requests", &search),
        (&holds, &hold),
    ] {
        let refused = ask(&client, path, body, "k").await;
        assert!(is_reused(&refused), "{path}: {refused:?}");
    }
    // Nothing of it was done: there is one order, and nobody paid.
    let all = client.get("/air/orders").await;
    assert_eq!(
        all.body["data"].as_array().map(Vec::len),
        Some(1),
        "{all:?}"
    );
    let paid = ask(&client, "/air/payments", &payment, "k2").await;
    assert_eq!(paid.status, StatusCode::CREATED, "{paid:?}");
    assert!(!paid.replayed);
    replica.stop();
}
