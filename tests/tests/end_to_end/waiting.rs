//! Orders that wait for a sold-out flight, over HTTP and over kill -9.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Answer, Client, economy};
use crate::harness::Place;
use crate::{events, tables, trip};

/// A flight with one seat, alone on its day's route until it is sold.
async fn sell(client: &Client, number: u32) -> String {
    let flight = events::flight(number);
    let line = [
        events::schedule(&flight, 1, 1),
        events::fares(&flight, "120.00", 1),
    ];
    client.push("acme", &line).await;
    flight
}

/// Two offers, of two searches, of the one seat of a flight.
async fn two_offers(client: &Client, flight: &str) -> (Value, Value) {
    let mut found = Vec::new();
    while found.len() < 2 {
        let offers = trip::offers(client, 1, false).await;
        let of_flight = |offer: &Value| offer["slices"][0]["segments"][0]["flight_key"] == flight;
        match offers.into_iter().find(of_flight) {
            Some(offer) => found.push(offer),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    let second = found.swap_remove(1);
    (found.swap_remove(0), second)
}

fn waiting(body: &Value, wait_s: u64) -> Value {
    let mut body = body.clone();
    body["data"]["waitlist"] = json!({"wait_s": wait_s});
    body
}

async fn create(client: &Client, body: &Value) -> Answer {
    client.call(Method::POST, "/air/orders", Some(body)).await
}

/// The order, as soon as it stands so.
async fn until(client: &Client, order: &Value, state: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..3000 {
        let answer = client.get(&trip::path_of(order)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        last = answer.body["data"].clone();
        if last["state"] == state {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {state}: {last:#}");
}

async fn cancel(client: &Client, order: &Value) {
    let quoted = trip::quote(client, order).await;
    assert_eq!(quoted.status, StatusCode::CREATED, "{quoted:?}");
    let confirmed = trip::confirm(client, &quoted.body["data"]).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_for_a_sold_out_flight_and_is_paid_when_it_has_its_seats() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = sell(&client, 1).await;
    let (first, second) = two_offers(&client, &flight).await;
    let blocker = trip::ordered(&client, &trip::order_body(&first, None)).await;
    assert_eq!(blocker["state"], "awaiting_payment");
    assert_eq!(blocker["waits_until"], Value::Null);

    let plain = trip::order_body(&second, None);
    let refused = create(&client, &plain).await;
    assert_eq!(refused.code(), "offer_no_longer_available", "{refused:?}");
    for (wrong, code, pointer) in [
        (
            waiting(&plain, 0),
            "validation_inclusion",
            "/waitlist/wait_s",
        ),
        (
            waiting(&plain, 259_201),
            "validation_inclusion",
            "/waitlist/wait_s",
        ),
    ] {
        let answer = create(&client, &wrong).await;
        let error = &answer.body["errors"][0];
        assert_eq!(answer.status.as_u16(), 422, "{answer:?}");
        assert_eq!(
            (&error["code"], &error["source"]["pointer"]),
            (&json!(code), &json!(pointer)),
            "{answer:?}"
        );
    }
    let mut empty = plain.clone();
    empty["data"]["waitlist"] = json!({});
    assert_eq!(create(&client, &empty).await.code(), "validation_required");

    let body = waiting(&plain, 86_400);
    let keyed = |body: Value| {
        let client = &client;
        async move {
            let made = client.try_keyed(Method::POST, "/air/orders", Some(&body), Some("cart-1"));
            made.await.expect("an answer")
        }
    };
    let made = keyed(body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let order = made.body["data"].clone();
    assert_eq!(order["state"], "waiting");
    assert!(order["waits_until"].is_string(), "{order}");
    assert_eq!(order["payment_status"]["awaiting_payment"], false);
    assert_eq!(order["available_actions"], json!(["cancel", "update"]));
    // The same again is the same order; another wait is another request.
    let again = keyed(body.clone()).await;
    assert!(again.replayed, "{again:?}");
    assert_eq!(again.body["data"]["id"], order["id"]);
    let other = keyed(waiting(&plain, 3600)).await;
    assert_eq!(other.code(), "idempotency_key_reused");
    let listed = client.get("/air/orders").await;
    let ids: Vec<&Value> = listed.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["id"])
        .collect();
    assert_eq!(ids, [&order["id"], &blocker["id"]], "the newest first");
    let early = trip::pay(&client, &order, None).await;
    assert_eq!(
        early.code(),
        "order_creation_already_attempted",
        "{early:?}"
    );

    let sql = tables::connect(&place).await;
    let id = order["id"].as_str().expect("an id");
    let segment = format!(
        "SELECT o.state, s.state, h.status FROM flightline.orders o
         JOIN flightline.order_segment s USING (order_id)
         JOIN flightline.hold h ON h.id = s.hold_id WHERE order_id = '{id}'"
    );
    tables::until(&sql, &segment, &[&["waiting", "waiting", "waiting"]]).await;

    cancel(&client, &blocker).await;
    let held = until(&client, &order, "awaiting_payment").await;
    assert!(held["payment_status"]["payment_required_by"].is_string());
    assert_eq!(held["waits_until"], Value::Null);
    let paid = trip::pay(&client, &held, None).await;
    assert_eq!(paid.status, StatusCode::CREATED, "{paid:?}");
    let seats = client.get(&format!("/flights/{flight}")).await;
    assert_eq!(economy(&seats.body)["sold"], 1);
    tables::until(&sql, &segment, &[&["booked", "confirmed", "confirmed"]]).await;
    // Why it came so: the wait and the seats are both there.
    let why = client
        .get(&format!("{}/explanation", trip::path_of(&order)))
        .await;
    let why = why.body.to_string();
    for word in ["\"waiting\"", "\"held\"", "\"ticketed\""] {
        assert!(why.contains(word), "{word} is not in {why}");
    }
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_vain_or_gives_up_can_see_so() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = sell(&client, 1).await;
    let (first, second) = two_offers(&client, &flight).await;
    let (third, _) = two_offers(&client, &flight).await;
    trip::ordered(&client, &trip::order_body(&first, None)).await;
    let pays = trip::payment(&second, None);
    let vain = waiting(&trip::order_body(&second, Some(pays)), 1);
    let vain = trip::ordered(&client, &vain).await;
    assert_eq!(vain["state"], "waiting");
    let gives_up = trip::ordered(&client, &waiting(&trip::order_body(&third, None), 3600)).await;
    let ended = until(&client, &vain, "refused").await;
    assert_eq!(ended["available_actions"], json!([]));
    cancel(&client, &gives_up).await;
    let ended = until(&client, &gives_up, "cancelled").await;
    assert!(ended["cancelled_at"].is_string());
    let seats = client.get(&format!("/flights/{flight}")).await;
    assert_eq!(economy(&seats.body)["held"], 1);
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_of_a_wait_loses_neither_place_nor_seats() {
    let place = Place::new();
    let mut replica = place.start();
    for (round, pause_ms) in [0_u64, 1, 3, 8, 20].into_iter().enumerate() {
        let client = Client::new(&replica.url);
        let flight = sell(&client, round as u32 + 1).await;
        let (first, second) = two_offers(&client, &flight).await;
        let blocker = trip::ordered(&client, &trip::order_body(&first, None)).await;
        // Killed while the order is being made: it is there and waits, or it is not.
        let body = waiting(&trip::order_body(&second, None), 86_400);
        let request = {
            let (client, body) = (Client::new(&replica.url), body.clone());
            let key = format!("cart-{round}");
            tokio::spawn(async move {
                let path = "/air/orders";
                let made = client.try_keyed(Method::POST, path, Some(&body), Some(&key));
                made.await.ok()
            })
        };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        replica.kill();
        let answered = request.await.expect("the request ends");
        replica = place.start();
        let client = Client::new(&replica.url);
        let made = client
            .try_keyed(
                Method::POST,
                "/air/orders",
                Some(&body),
                Some(&format!("cart-{round}")),
            )
            .await
            .expect("an answer");
        assert_eq!(made.status, StatusCode::CREATED, "round {round}: {made:?}");
        let order = made.body["data"].clone();
        assert_eq!(order["state"], "waiting", "round {round}");
        if let Some(answered) = answered.filter(|a| a.status == StatusCode::CREATED) {
            assert_eq!(answered.body["data"]["id"], order["id"]);
        }

        // Killed while the seat comes free: whoever waits has it afterwards.
        let quoted = trip::quote(&client, &blocker).await.body["data"].clone();
        let confirming = {
            let (url, quote) = (replica.url.clone(), quoted["id"].clone());
            tokio::spawn(async move {
                let quote = quote.as_str().expect("an id");
                let path = format!("/air/order_cancellations/{quote}/actions/confirm");
                let client = Client::new(&url);
                client.try_call(Method::POST, &path, None).await.is_ok()
            })
        };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        replica.kill();
        confirming.await.expect("the request ends");
        replica = place.start();
        let client = Client::new(&replica.url);
        // Asked again, which does no harm.
        let confirmed = trip::confirm(&client, &quoted).await;
        assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
        let held = until(&client, &order, "awaiting_payment").await;
        let paid = trip::pay(&client, &held, None).await;
        assert_eq!(paid.status, StatusCode::CREATED, "round {round}: {paid:?}");
    }
    replica.stop();
    place.verify();
}
