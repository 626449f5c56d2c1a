//! Orders: bought, held, paid, refused, cancelled; and what PostgreSQL says of them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Answer, Client, economy};
use crate::harness::{Place, Replica, run, stderr, stdout};
use crate::{events, tables, trip};

/// A replica with one flight there and one back, and a client of it.
async fn open(place: &Place) -> (Replica, Client) {
    let replica = place.start();
    let client = Client::new(&replica.url);
    sell(&client).await;
    (replica, client)
}

async fn sell(client: &Client) {
    let (out, back) = (events::flight(1), events::flight_back(2));
    let events = [
        events::schedule(&out, 9, 1),
        events::fares(&out, "120.00", 1),
        events::schedule_back(&back, 9, 1),
        events::fares(&back, "80.00", 1),
    ];
    client.push("acme", &events).await;
}

/// Seats sold and held on a flight.
async fn seats(client: &Client, flight: &str) -> (i64, i64) {
    let answer = client.get(&format!("/flights/{flight}")).await;
    let economy = economy(&answer.body);
    (
        economy["sold"].as_i64().expect("sold"),
        economy["held"].as_i64().expect("held"),
    )
}

fn refused(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (status, code),
        "{answer:?}"
    );
    let message = answer.body["errors"][0]["message"].as_str();
    message.expect("a message").to_owned()
}

async fn create(client: &Client, body: &Value) -> Answer {
    client.call(Method::POST, "/air/orders", Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_trip_is_bought_at_once_stands_in_the_tables_and_is_cancelled_with_its_money_back()
{
    let place = Place::new();
    let (replica, client) = open(&place).await;
    let (out, back) = (events::flight(1), events::flight_back(2));
    let offer = trip::offer(&client, 2, true).await;
    assert_eq!(offer["total_amount"], "400.00");
    let order = trip::bought(&client, &offer).await;
    assert_eq!(order["state"], "booked");
    assert_eq!(order["payment_status"]["awaiting_payment"], false);
    assert!(order["payment_status"]["paid_at"].is_string(), "{order}");
    assert_eq!(order["documents"][0]["type"], "electronic_ticket");
    assert_eq!(order["passengers"][0]["given_name"], trip::GIVEN);
    assert_eq!(
        (seats(&client, &out).await, seats(&client, &back).await),
        ((2, 0), (2, 0))
    );
    let id = order["id"].as_str().expect("an id");
    let reference = order["booking_reference"].as_str().expect("a reference");

    let sql = tables::connect(&place).await;
    let orders = format!(
        "SELECT booking_reference, type, state, passengers, total, currency, ticket
         FROM flightline.orders WHERE order_id = '{id}'"
    );
    let ticket = order["documents"][0]["unique_identifier"].as_str();
    let ticket = ticket.expect("a ticket");
    let booked = [reference, "instant", "booked", "2", "400.00", "USD", ticket];
    tables::until(&sql, &orders, &[&booked]).await;
    let segments = format!(
        "SELECT s.segment, s.slice, s.flight_key, s.seats, s.price, s.state, h.status, h.seats
         FROM flightline.order_segment s JOIN flightline.hold h ON h.id = s.hold_id
         WHERE order_id = '{id}' ORDER BY segment"
    );
    let there = ["0", "0", &out, "2", "120.00", "confirmed", "confirmed", "2"];
    let home = ["1", "1", &back, "2", "80.00", "confirmed", "confirmed", "2"];
    tables::until(&sql, &segments, &[&there, &home]).await;
    let payments = format!(
        "SELECT number, state, method, amount FROM flightline.payment WHERE order_id = '{id}'"
    );
    let captured = ["1", "captured", "balance", "400.00"];
    tables::until(&sql, &payments, &[&captured]).await;
    // Decisions in the order's stream and those of its flights lead to it.
    let kinds = format!(
        "SELECT kind, outcome, count(*) FROM flightline.decision WHERE order_id = '{id}'
         GROUP BY 1, 2 ORDER BY 1, 2"
    );
    let found = tables::rows(&sql, &kinds).await;
    let count = |kind: &str, outcome: &str| {
        let row = found
            .iter()
            .find(|row| row[0].as_deref() == Some(kind) && row[1].as_deref() == Some(outcome));
        row.and_then(|row| row[2].clone()).unwrap_or_default()
    };
    assert_eq!(count("order_create", "created"), "1", "{found:?}");
    // Two holds, an authorisation, two confirmations, a capture, a ticket.
    assert_eq!(count("order_effect_done", "heard"), "7", "{found:?}");

    let quoted = trip::quote(&client, &order).await;
    assert_eq!(quoted.status, StatusCode::CREATED, "{quoted:?}");
    let quote = &quoted.body["data"];
    assert_eq!(quote["refund_amount"], "400.00");
    assert_eq!(
        seats(&client, &out).await,
        (2, 0),
        "a quote changes nothing"
    );
    let confirmed = trip::confirm(&client, quote).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    assert!(!confirmed.replayed);
    assert_eq!(
        (seats(&client, &out).await, seats(&client, &back).await),
        ((0, 0), (0, 0))
    );
    let twice = trip::confirm(&client, quote).await;
    assert_eq!(twice.status, StatusCode::OK, "{twice:?}");
    assert!(twice.replayed, "{twice:?}");
    let cancelled = [
        reference,
        "instant",
        "cancelled",
        "2",
        "400.00",
        "USD",
        ticket,
    ];
    tables::until(&sql, &orders, &[&cancelled]).await;
    let refunded = ["1", "refunded", "balance", "400.00"];
    tables::until(&sql, &payments, &[&refunded]).await;
    drop(sql);
    replica.stop();
    let report = place.verify();
    assert_eq!(report["orders"], 1, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_held_survives_a_restart_and_is_paid_later() {
    let place = Place::new();
    let (replica, client) = open(&place).await;
    let flight = events::flight(1);
    let offer = trip::offer(&client, 3, false).await;
    let order = trip::ordered(&client, &trip::order_body(&offer, None)).await;
    assert_eq!(order["state"], "awaiting_payment");
    assert_eq!(order["documents"], json!([]));
    assert_eq!(seats(&client, &flight).await, (0, 3));
    replica.kill();

    let replica = place.start();
    let client = Client::new(&replica.url);
    let again = client.get(&trip::path_of(&order)).await.body;
    for field in ["booking_reference", "passengers", "total_amount", "state"] {
        assert_eq!(again["data"][field], order[field], "{field}");
    }
    let half = json!({"total_amount": "180.00", "total_currency": "USD", "id": order["id"]});
    let answer = trip::pay(&client, &half, None).await;
    refused(&answer, 422, "payment_amount_does_not_match_order_amount");
    let answer = trip::pay(&client, &order, Some("sandbox_declined")).await;
    let message = refused(&answer, 422, "payment_declined");
    assert!(message.contains("card_declined"), "{message}");
    assert_eq!(seats(&client, &flight).await, (0, 3), "it stays held");
    let paid = trip::pay(&client, &order, Some("tok_visa")).await;
    assert_eq!(paid.status, StatusCode::CREATED, "{paid:?}");
    assert_eq!(paid.body["data"]["type"], "card");
    assert_eq!(seats(&client, &flight).await, (3, 0));
    let answer = trip::pay(&client, &order, None).await;
    refused(&answer, 422, "already_paid");
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_makes_one_order_and_another_body_under_it_is_refused() {
    let place = Place::new();
    let (replica, client) = open(&place).await;
    let offer = trip::offer(&client, 1, false).await;
    let body = trip::order_body(&offer, Some(trip::payment(&offer, None)));
    let keyed = async |body: &Value, key: &str| {
        let answer = client.try_keyed(Method::POST, "/air/orders", Some(body), Some(key));
        answer.await.expect("an answer")
    };
    let (first, twin) = tokio::join!(keyed(&body, "click"), keyed(&body, "click"));
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    assert_eq!(twin.status, StatusCode::CREATED, "{twin:?}");
    assert!(first.replayed != twin.replayed, "one of them was first");
    let id = first.body["data"]["id"].clone();
    assert_eq!(twin.body["data"]["id"], id);
    let later = keyed(&body, "click").await;
    assert_eq!(later.status, StatusCode::CREATED, "{later:?}");
    assert!(later.replayed);
    assert_eq!(later.body["data"]["id"], id);
    // The order is shown as it stands, and its place with it: that may be behind the first answer's.
    let place_of = |answer: &Answer| {
        let (partition, offset) = answer.offset.as_deref()?.split_once(':')?;
        Some((partition.parse::<u32>().ok()?, offset.parse::<u64>().ok()?))
    };
    let (then, now) = (place_of(&first).unwrap(), place_of(&later).unwrap());
    assert!(then.0 == now.0 && then.1 <= now.1, "{then:?} {now:?}");
    let mut other = body.clone();
    other["data"]["passengers"][0]["email"] = json!("other@example.com");
    refused(&keyed(&other, "click").await, 409, "idempotency_key_reused");
    refused(
        &keyed(&body, "second").await,
        422,
        "offer_request_already_booked",
    );
    assert_eq!(seats(&client, &events::flight(1)).await, (1, 0));
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_books_nothing_and_the_same_offer_can_be_paid_in_another_way() {
    let place = Place::new();
    let (replica, client) = open(&place).await;
    let flight = events::flight(1);
    let offer = trip::offer(&client, 1, false).await;
    let by = |method| trip::order_body(&offer, Some(trip::payment(&offer, Some(method))));
    let message = refused(
        &create(&client, &by("sandbox_declined")).await,
        422,
        "payment_declined",
    );
    assert!(message.contains("nothing was charged"), "{message}");
    assert_eq!(seats(&client, &flight).await, (0, 0));
    let listed = client.get("/air/orders").await;
    assert_eq!(listed.body["data"], json!([]), "it never came to be");
    let order = trip::ordered(&client, &by("tok_visa")).await;
    assert_eq!(order["state"], "booked");
    assert_eq!(seats(&client, &flight).await, (1, 0));
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_moved_is_refused_with_the_event_that_moved_it_and_the_new_one_is_taken() {
    let place = Place::new();
    let (replica, client) = open(&place).await;
    let flight = events::flight(1);
    let first = trip::offer(&client, 2, false).await;
    let second = trip::offer(&client, 2, false).await;
    let fares = events::fares(&flight, "150.00", 2);
    client.push("acme", &[fares]).await;
    // Prices follow the stream.
    let mut now = Value::Null;
    for _ in 0..1000 {
        let path = format!("/air/offers/{}", first["id"].as_str().expect("an id"));
        now = client.get(&path).await.body["data"].clone();
        if now["total_amount"] == "300.00" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(now["total_amount"], "300.00");
    assert_ne!(now["id"], first["id"], "another price has another id");

    let old = trip::order_body(&first, Some(trip::payment(&first, None)));
    let answer = create(&client, &old).await;
    let message = refused(&answer, 422, "price_changed");
    assert!(
        message.contains(&flight) && message.contains("150.00 USD") && message.contains("acme"),
        "{message}"
    );
    let sql = tables::connect(&place).await;
    let last = format!(
        "SELECT count(*), (array_agg(partition || ':' || \"offset\" ORDER BY \"offset\" DESC))[1]
         FROM flightline.decision WHERE flight_key = '{flight}' AND kind = 'fares'"
    );
    let named = message
        .split(" at ")
        .nth(1)
        .and_then(|m| m.split(' ').next());
    let named = named.expect("PARTITION:OFFSET of the event");
    tables::until(&sql, &last, &[&["2", named]]).await;
    // A hold at the old price is refused too.
    let held = create(&client, &trip::order_body(&first, None)).await;
    refused(&held, 422, "price_changed");
    assert_eq!(seats(&client, &flight).await, (0, 0));

    // Either the offer as it is now, or the one of then for the money of now.
    let by_new_id = trip::bought(&client, &now).await;
    assert_eq!(by_new_id["total_amount"], "300.00");
    let order = trip::order_body(&second, Some(trip::payment(&now, None)));
    let by_amount = trip::ordered(&client, &order).await;
    assert_eq!(by_amount["total_amount"], "300.00");
    assert_eq!(seats(&client, &flight).await, (4, 0));
    drop(sql);
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_good_for_its_time_and_only_as_it_was_signed() {
    let place = Place::with_config("[booking]\noffer_ttl_s = 1\n");
    let (replica, client) = open(&place).await;
    let offer = trip::offer(&client, 1, false).await;
    let id = offer["id"].as_str().expect("an id").to_owned();
    let mut changed = offer.clone();
    let last = if id.ends_with('A') { 'B' } else { 'A' };
    changed["id"] = json!(format!("{}{last}", &id[..id.len() - 1]));
    let body = |offer: &Value| trip::order_body(offer, Some(trip::payment(offer, None)));
    refused(&create(&client, &body(&changed)).await, 404, "not_found");
    let mut seen = String::new();
    for _ in 0..1000 {
        let answer = client.get(&format!("/air/offers/{id}")).await;
        seen = answer.code().to_owned();
        if seen == "offer_expired" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen, "offer_expired");
    let message = refused(&create(&client, &body(&offer)).await, 422, "offer_expired");
    assert!(message.contains("search again"), "{message}");
    let answer = client
        .get("/air/orders/ord_00000000000000000000000000000000")
        .await;
    refused(&answer, 404, "not_found");
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_their_clients_own() {
    let place = Place::with_config("[auth]\nmode = \"tokens\"\n");
    let dir = place.data_dir_text();
    std::fs::create_dir_all(place.data_dir()).expect("a folder is made");
    let token = |args: &[&str]| {
        let all = [&["token", "create", "--data-dir", &dir], args].concat();
        let output = run(&all);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    let provider = token(&["--role", "provider", "--provider", "acme"]);
    let mine = token(&["--role", "client", "--name", "mine"]);
    let theirs = token(&["--role", "client", "--name", "theirs"]);
    let operator = token(&["--role", "operator", "--name", "ops"]);
    let replica = place.start();
    sell(&Client::with_token(&replica.url, &provider)).await;
    let mine = Client::with_token(&replica.url, &mine);
    let theirs = Client::with_token(&replica.url, &theirs);
    let operator = Client::with_token(&replica.url, &operator);

    let offer = trip::offer(&mine, 1, false).await;
    let body = trip::order_body(&offer, Some(trip::payment(&offer, None)));
    refused(&create(&theirs, &body).await, 404, "not_found");
    let order = trip::ordered(&mine, &body).await;
    let path = trip::path_of(&order);
    for path in [path.clone(), format!("{path}/explanation")] {
        assert_eq!(mine.get(&path).await.status, StatusCode::OK, "{path}");
        assert_eq!(operator.get(&path).await.status, StatusCode::OK, "{path}");
        refused(&theirs.get(&path).await, 404, "not_found");
    }
    refused(&trip::pay(&theirs, &order, None).await, 404, "not_found");
    refused(&trip::quote(&theirs, &order).await, 404, "not_found");
    let quote = trip::quote(&mine, &order).await.body["data"].clone();
    refused(&trip::confirm(&theirs, &quote).await, 404, "not_found");
    let metadata = json!({"data": {"metadata": {"note": "x"}}});
    let patched = theirs.call(Method::PATCH, &path, Some(&metadata)).await;
    refused(&patched, 404, "not_found");
    assert_eq!(theirs.get("/air/orders").await.body["data"], json!([]));
    let own = mine.get("/air/orders").await.body;
    assert_eq!(own["data"][0]["id"], order["id"], "{own}");
    assert_eq!(mine.get(&path).await.body["data"]["state"], "booked");
    replica.stop();
    place.verify();
}
