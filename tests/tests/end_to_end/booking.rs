//! Booking clients against the real program.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Answer, Client};
use crate::events;
use crate::harness::Place;

/// What economy of the flight's only leg has: authorised, held, sold, available.
pub(crate) async fn cabin(client: &Client, flight: &str) -> (i64, i64, i64, i64) {
    let answer = client.get(&format!("/flights/{flight}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    cabin_of(&answer.body)
}

/// The same of an answer that is there.
pub(crate) fn cabin_of(body: &serde_json::Value) -> (i64, i64, i64, i64) {
    let line = crate::client::economy(body);
    let number = |name: &str| line[name].as_i64().expect("a number");
    (
        number("authorised"),
        number("held"),
        number("sold"),
        number("available"),
    )
}

/// Sends one hold for each id, all at once over a bounded number of connections.
pub(crate) async fn hold_all(
    client: &Client,
    flight: &str,
    ids: Vec<String>,
) -> HashMap<String, Answer> {
    let flight: Arc<str> = flight.into();
    let mut tasks = JoinSet::new();
    for id in ids {
        let client = client.clone();
        let flight = flight.clone();
        tasks.spawn(async move {
            let answer = client.hold(&flight, &id, 1).await;
            (id, answer)
        });
    }
    tasks.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_clients_want_one_of_180_seats_and_a_crash_changes_nothing() {
    let place = Place::new();
    let flight = events::flight(1);
    let replica = place.start();
    let client = Client::new(&replica.url);
    let report = client
        .push(
            "acme",
            &[
                events::schedule(&flight, 180, 1),
                events::fares(&flight, "99.00", 1),
            ],
        )
        .await;
    assert_eq!(report["accepted"], 2, "{report}");

    let ids: Vec<String> = (0..5_000).map(|n| format!("client-{n}")).collect();
    let answers = hold_all(&client, &flight, ids.clone()).await;
    assert_eq!(answers.len(), 5_000, "everybody was answered");
    let held = answers
        .values()
        .filter(|a| a.status == StatusCode::CREATED)
        .count();
    let sold_out = answers
        .values()
        .filter(|a| a.status == StatusCode::CONFLICT && a.code() == "sold_out")
        .count();
    assert_eq!((held, sold_out), (180, 4_820));
    assert_eq!(cabin(&client, &flight).await, (180, 180, 0, 0));

    replica.kill();
    let replica = place.start();
    let client = Client::new(&replica.url);
    assert_eq!(cabin(&client, &flight).await, (180, 180, 0, 0));
    let again = hold_all(&client, &flight, ids).await;
    for (id, answer) in &again {
        let first = &answers[id];
        assert_eq!(answer.status, first.status, "{id}");
        assert_eq!(
            answer.offset, first.offset,
            "{id}: the same place in the stream"
        );
        assert!(answer.replayed, "{id} was told that it is a replay");
        assert_eq!(
            answer.body, first.body,
            "{id}: the same answer, byte for byte"
        );
    }
    assert_eq!(cabin(&client, &flight).await, (180, 180, 0, 0));
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_storm_books_nothing_twice() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flights: Vec<String> = (10..20).map(events::flight).collect();
    let schedules: Vec<_> = flights.iter().map(|f| events::schedule(f, 50, 1)).collect();
    client.push("acme", &schedules).await;

    // Every request three times, over connections of their own, in another order each.
    let mut tasks = JoinSet::new();
    for round in 0..3_usize {
        let client = Client::new(&replica.url);
        for n in 0..600_usize {
            // A step that has no factor in common with 600 visits every number once.
            let n = (n * [1, 7, 599][round] + round * 201) % 600;
            let client = client.clone();
            let flight = flights[n % flights.len()].clone();
            tasks.spawn(async move {
                let id = format!("storm-{n}");
                let held = client.hold(&flight, &id, 1).await;
                let confirmed = client.act(&id, "confirm").await;
                (id, held, confirmed)
            });
        }
    }
    let mut by_id: HashMap<String, Vec<(Answer, Answer)>> = HashMap::new();
    for (id, held, confirmed) in tasks.join_all().await {
        by_id.entry(id).or_default().push((held, confirmed));
    }
    assert_eq!(by_id.len(), 600);
    let mut sold = 0;
    for (id, answers) in &by_id {
        assert_eq!(answers.len(), 3);
        let (first, _) = &answers[0];
        for (held, confirmed) in answers {
            assert_eq!(
                (held.status, &held.body, &held.offset),
                (first.status, &first.body, &first.offset),
                "{id}"
            );
            let expected = if first.status == StatusCode::CREATED {
                StatusCode::OK
            } else {
                StatusCode::CONFLICT
            };
            // A hold that was refused is unknown to confirm.
            if first.status == StatusCode::CREATED {
                assert_eq!(confirmed.status, expected, "{id}: {confirmed:?}");
            } else {
                assert!(confirmed.status.is_client_error(), "{id}: {confirmed:?}");
            }
        }
        let fresh = answers.iter().filter(|(held, _)| !held.replayed).count();
        assert_eq!(fresh, 1, "{id}: one of the three was the first");
        sold += usize::from(first.status == StatusCode::CREATED);
    }
    assert_eq!(sold, 500, "ten flights of 50 seats, 600 clients");
    for flight in &flights {
        assert_eq!(cabin(&client, flight).await, (50, 0, 50, 0), "{flight}");
    }
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_with_another_request_is_refused_wherever_it_is_sent() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let (a, b) = (events::flight(1), events::flight(2));
    client
        .push(
            "acme",
            &[events::schedule(&a, 5, 1), events::schedule(&b, 5, 1)],
        )
        .await;
    assert_eq!(client.hold(&a, "k", 1).await.status, StatusCode::CREATED);
    let other_seats = client.hold(&a, "k", 2).await;
    assert_eq!(other_seats.status, StatusCode::CONFLICT, "{other_seats:?}");
    let other_flight = client.hold(&b, "k", 1).await;
    assert_eq!(
        other_flight.status,
        StatusCode::CONFLICT,
        "{other_flight:?}"
    );
    assert_eq!(cabin(&client, &a).await, (5, 1, 0, 4));
    assert_eq!(cabin(&client, &b).await, (5, 0, 0, 5));
    replica.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_lapses_by_itself_and_its_seat_is_sold_again() {
    let place = Place::with_config("[ledger]\ntick_ms = 50\n");
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push("acme", &[events::schedule(&flight, 1, 1)])
        .await;
    let body = json!({"id": "short", "cabin": "Y", "seats": 1, "ttl_s": 1});
    let path = format!("/flights/{flight}/holds");
    let held = client.call(reqwest::Method::POST, &path, Some(&body)).await;
    assert_eq!(held.status, StatusCode::CREATED, "{held:?}");
    let refused = client.hold(&flight, "second", 1).await;
    assert_eq!(refused.code(), "sold_out");
    let mut available = 0;
    for _ in 0..200 {
        (.., available) = cabin(&client, &flight).await;
        if available == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(available, 1, "the hold lapsed without any other command");
    assert_eq!(client.act("short", "confirm").await.code(), "expired");
    // A refusal stays one, even when a seat is free; another id gets it.
    assert_eq!(client.hold(&flight, "second", 1).await.code(), "sold_out");
    assert_eq!(
        client.hold(&flight, "third", 1).await.status,
        StatusCode::CREATED
    );
    replica.stop();
    place.verify();
}
