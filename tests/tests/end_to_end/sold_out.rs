//! A flight that was sold out before anybody searched: found, waited for, had when a seat comes free.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Answer, Client, economy};
use crate::harness::Place;
use crate::{events, trip};

/// Searches for the way there, sold-out flights included.
async fn search(client: &Client, adults: usize) -> Value {
    let mut body = trip::search_body(adults, false);
    body["data"]["include_sold_out"] = json!(true);
    let path = "/air/offer_requests";
    let found = client.call(Method::POST, path, Some(&body)).await;
    assert_eq!(found.status, StatusCode::CREATED, "{found:?}");
    found.body["data"].clone()
}

/// The search, as soon as it finds so many offers.
async fn finds(client: &Client, adults: usize, offers: usize) -> Value {
    let mut last = Value::Null;
    for _ in 0..1000 {
        last = search(client, adults).await;
        if last["offers"].as_array().expect("offers").len() == offers {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a search does not find {offers} offers: {last:#}");
}

fn flight_of(offer: &Value) -> &str {
    let flight = &offer["slices"][0]["segments"][0]["flight_key"];
    flight.as_str().expect("a flight")
}

async fn create(client: &Client, body: &Value) -> Answer {
    client.call(Method::POST, "/air/orders", Some(body)).await
}

async fn order(client: &Client, order: &Value, state: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..3000 {
        last = client.get(&trip::path_of(order)).await.body["data"].clone();
        if last["state"] == state {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {state}: {last:#}");
}

/// The provider closes economy.
fn closed(flight: &str, at: u32) -> Value {
    json!({
        "type": "availability", "flight_key": flight, "source_version": events::version(at),
        "cabin": "Y", "status": "closed",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_that_was_sold_out_before_is_found_waited_for_and_had() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let (full, open, shut) = (events::flight(1), events::flight(2), events::flight(3));
    let sells = |flight: &str, seats, amount| {
        [
            events::schedule(flight, seats, 1),
            events::fares(flight, amount, 1),
        ]
    };
    client.push("acme", &sells(&full, 2, "100.00")).await;
    client.push("acme", &sells(&open, 9, "150.00")).await;
    client.push("acme", &sells(&shut, 9, "90.00")).await;
    client.push("acme", &[closed(&shut, 2)]).await;
    let offers = trip::offers(&client, 2, false).await;
    assert_eq!(offers[0]["waitlist"], Value::Null, "{offers:?}");
    let first = finds(&client, 2, 2).await;
    let blocker = &first["offers"][0];
    assert_eq!(flight_of(blocker), full);
    let blocker = trip::ordered(&client, &trip::order_body(blocker, None)).await;

    // Who does not ask for it sees no sold-out flight; who does sees it last, and never a closed one.
    let mut plain = trip::offers(&client, 1, false).await;
    while plain.len() > 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        plain = trip::offers(&client, 1, false).await;
    }
    assert_eq!(flight_of(&plain[0]), open);
    let found = search(&client, 1).await;
    let offers = found["offers"].as_array().expect("offers");
    let flights: Vec<_> = offers.iter().map(flight_of).collect();
    assert_eq!(flights, [&open, &full]);
    assert_eq!(offers[0]["waitlist"], Value::Null);
    let wanted = &offers[1];
    assert_eq!(
        wanted["waitlist"],
        json!({"wait_s_max": 259_200, "flights": [{"flight_key": full, "seats_left": 0}]})
    );
    // Looked at again it is the same, in the list and alone.
    let listed = client
        .get(&format!(
            "/air/offers?offer_request_id={}&sort=total_amount",
            found["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(listed.body["data"][0]["id"], wanted["id"], "{listed:?}");
    let path = format!("/air/offers/{}", wanted["id"].as_str().expect("an id"));
    let again = client.get(&path).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(again.body["data"]["waitlist"], wanted["waitlist"]);

    // It is not sold to who does not wait, and says what to do.
    let body = trip::order_body(wanted, None);
    let refused = create(&client, &body).await;
    assert_eq!(refused.code(), "offer_no_longer_available", "{refused:?}");
    let message = refused.body["errors"][0]["message"].to_string();
    assert!(
        message.contains(&full) && message.contains("`waitlist`"),
        "{message}"
    );
    let mut waits = body.clone();
    waits["data"]["waitlist"] = json!({"wait_s": 3600});
    let made = create(&client, &waits).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let waiting = made.body["data"].clone();
    assert_eq!(waiting["state"], "waiting");

    // More than the flight could ever have is not offered to wait for.
    let three = finds(&client, 3, 1).await;
    assert_eq!(flight_of(&three["offers"][0]), open);

    // The seats come free: whoever waited has one, and the other is on offer as ever.
    let quoted = trip::quote(&client, &blocker).await;
    let confirmed = trip::confirm(&client, &quoted.body["data"]).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    let held = order(&client, &waiting, "awaiting_payment").await;
    let paid = trip::pay(&client, &held, None).await;
    assert_eq!(paid.status, StatusCode::CREATED, "{paid:?}");
    let seats = client.get(&format!("/flights/{full}")).await;
    assert_eq!(economy(&seats.body)["sold"], 1);
    let found = finds(&client, 1, 2).await;
    assert!(
        found["offers"][0]["waitlist"].is_null() && found["offers"][1]["waitlist"].is_null(),
        "{found:#}"
    );
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_sells_by_flight_finds_what_it_can_wait_for() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let (full, shut) = (events::flight(1), events::flight(2));
    for flight in [&full, &shut] {
        let lines = [
            events::schedule(flight, 2, 1),
            events::fares(flight, "100.00", 1),
        ];
        client.push("acme", &lines).await;
    }
    client.push("acme", &[closed(&shut, 2)]).await;
    let all = client.hold(&full, "all", 2).await;
    let at = all.offset.expect("a place in the stream");
    let path = "/search?origin=JFK&destination=LAX&date=2035-06-01";
    let plain = client.get_at_least(path, &at).await;
    assert_eq!(plain.body["data"], json!([]), "{plain:?}");
    let found = client
        .get_at_least(&format!("{path}&sold_out=true"), &at)
        .await;
    let rows = found.body["data"].as_array().expect("rows");
    assert_eq!(found.body["meta"]["total"], 1, "{found:?}");
    assert_eq!(
        (&rows[0]["flight_key"], &rows[0]["seats"]),
        (&json!(full), &json!(0))
    );

    let body = json!({"id": "late", "cabin": "Y", "seats": 1, "wait_s": 3600});
    let holds = format!("/flights/{full}/holds");
    let late = client.call(Method::POST, &holds, Some(&body)).await;
    assert_eq!(late.status, StatusCode::ACCEPTED, "{late:?}");
    client.act("all", "release").await;
    let late = client.get("/holds/late").await;
    assert_eq!(late.body["state"], "held", "{late:?}");
    replica.stop();
    place.verify();
}
