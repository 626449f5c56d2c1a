//! Single holds: every answer and every refusal.

use flightline_ledger::ProviderBody;
use flightline_ledger::command::{Availability, Counts, Level, SaleStatus, Settings};
use serde_json::json;

use crate::client::{Reply, Request, Server};
use crate::replica::{DEPARTS_S, KEY, LEGS, START_MS};

fn path(flight: &str) -> String {
    format!("/flights/{flight}/holds")
}

async fn act(server: &Server, id: &str, verb: &str) -> Reply {
    server
        .send(Request::new("POST", &format!("/holds/{id}/{verb}")))
        .await
}

#[tokio::test]
async fn a_hold_is_confirmed_and_cancelled() {
    let server = Server::start().await;
    let held = server.hold("a", 2).await;
    assert_eq!(held.status, 201);
    let body = held.json();
    assert_eq!(body["id"], "a");
    assert_eq!(body["state"], "held");
    assert_eq!(body["seats"], 2);
    assert_eq!(body["flight_key"], KEY);
    assert_eq!(body["provider"], "nyc");
    assert_eq!(
        body["price"],
        json!({"amount": "120.00", "currency": "USD"})
    );
    assert_eq!(body["expires_at"], "2027-01-01T00:15:00.000000Z");
    let offset = format!("{}:{}", body["partition"], body["offset"]);
    assert_eq!(held.header("flightline-offset"), Some(offset.as_str()));
    assert_eq!(held.header("idempotency-replayed"), None);

    let confirmed = act(&server, "a", "confirm").await;
    assert_eq!(confirmed.status, 200);
    let body = confirmed.json();
    assert_eq!(
        (&body["state"], &body["seats"], &body["already"]),
        (&json!("confirmed"), &json!(2), &json!(false))
    );
    assert!(confirmed.header("flightline-offset").is_some());

    let cancelled = act(&server, "a", "cancel").await;
    assert_eq!(cancelled.is_ok()["state"], "cancelled");
    let flight = server.get(&format!("/flights/{KEY}")).await.is_ok();
    let economy = &flight["legs"][0]["cabins"][1];
    assert_eq!(
        (
            &economy["cabin"],
            &economy["held"],
            &economy["sold"],
            &economy["available"]
        ),
        (&json!("Y"), &json!(0), &json!(0), &json!(10))
    );
}

#[tokio::test]
async fn a_double_click_is_a_replay() {
    let server = Server::start().await;
    let first = server.hold("a", 1).await;
    let again = server.hold("a", 1).await;
    assert_eq!(again.status, 201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        (&first.body, first.header("flightline-offset")),
        (&again.body, again.header("flightline-offset"))
    );
    for verb in ["confirm", "cancel"] {
        let first = act(&server, "a", verb).await;
        let again = act(&server, "a", verb).await;
        assert_eq!((first.status, again.status), (200, 200));
        assert_eq!(first.body, again.body);
        assert_eq!(first.header("idempotency-replayed"), None);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    // The same hold with other details.
    let other = server.hold("a", 2).await;
    other.is(409, "idempotency_key_reused");
    // A refusal is for ever too.
    server.hold("big", 11).await.is(409, "sold_out");
    let again = server.hold("big", 11).await;
    again.is(409, "sold_out");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // One id names one hold, whatever the flight.
    let body = r#"{"id":"a","cabin":"Y","seats":1}"#;
    server
        .post(&path(LEGS), body)
        .await
        .is(409, "idempotency_key_reused");
}

#[tokio::test]
async fn idempotency_keys_stand_for_requests() {
    let server = Server::start().await;
    let ask = |key: &str, body: &str| {
        let request = Request::new("POST", &path(KEY))
            .header("Idempotency-Key", key)
            .json(body);
        server.send(request)
    };
    let first = ask("k1", r#"{"cabin":"Y","seats":1}"#).await;
    assert_eq!(first.is_ok()["id"], "k1");
    let again = ask("k1", r#" { "seats": 1, "cabin": "Y" } "#).await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    ask("k1", r#"{"cabin":"Y","seats":2}"#)
        .await
        .is(409, "idempotency_key_reused");
    // With an id beside it, the key is bound to that id.
    ask("k2", r#"{"id":"x","cabin":"Y","seats":1}"#)
        .await
        .is_ok();
    ask("k2", r#"{"id":"y","cabin":"Y","seats":1}"#)
        .await
        .is(409, "idempotency_key_reused");
    let again = ask("k2", r#"{"id":"x","cabin":"Y","seats":1}"#).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));

    let act = |key: &str, path: &str| {
        server.send(Request::new("POST", path).header("idempotency-key", key))
    };
    let confirmed = act("c1", "/holds/k1/confirm").await;
    assert_eq!(confirmed.is_ok()["state"], "confirmed");
    let again = act("c1", "/holds/k1/confirm").await;
    assert_eq!(
        (again.header("idempotency-replayed"), &again.body),
        (Some("true"), &confirmed.body)
    );
    act("c1", "/holds/x/confirm")
        .await
        .is(409, "idempotency_key_reused");
    act("c1", "/holds/k1/cancel")
        .await
        .is(409, "idempotency_key_reused");
    // Another key is another command: the hold was confirmed before.
    let other = act("c2", "/holds/k1/confirm").await.is_ok();
    assert_eq!(other["already"], true);
    for bad in ["", "caf\u{e9}", &"x".repeat(201)] {
        ask(bad, r#"{"cabin":"Y","seats":1}"#)
            .await
            .is(400, "invalid_idempotency_key");
    }
}

#[tokio::test]
async fn ids_are_made_when_none_is_given() {
    let server = Server::start().await;
    let body = r#"{"cabin":"Y","seats":1}"#;
    let first = server.post(&path(KEY), body).await.is_ok();
    let second = server.post(&path(KEY), body).await.is_ok();
    let id = first["id"].as_str().unwrap();
    assert!(id.starts_with("hld_") && id.len() == 30, "{id}");
    assert_ne!(first["id"], second["id"]);
    assert_eq!(
        act(&server, id, "release").await.is_ok()["state"],
        "released"
    );
    // Any printable text is an id, in an address by its percent encoding.
    let strange = r#"a/b c?d"%"#;
    let body = json!({"id": strange, "cabin": "Y", "seats": 1}).to_string();
    assert_eq!(server.post(&path(KEY), &body).await.is_ok()["id"], strange);
    let confirmed = act(&server, "a%2Fb%20c%3Fd%22%25", "confirm").await.is_ok();
    assert_eq!(confirmed["id"], strange);
}

#[tokio::test]
async fn sold_out_says_how_many_are_left() {
    let server = Server::start().await;
    server.hold("a", 7).await.is_ok();
    let refused = server.hold("b", 4).await;
    refused.is(409, "sold_out");
    assert_eq!(refused.json()["errors"][0]["available"], 3);
    assert!(
        refused.header("flightline-offset").is_some(),
        "a refusal is a write too"
    );
    // A class has its own limit.
    let body = r#"{"id":"m","cabin":"Y","class":"M","seats":5}"#;
    let refused = server.post(&path(KEY), body).await;
    assert_eq!(refused.json()["errors"][0]["available"], 3);
    server.hold("c", 3).await.is_ok();
    let none = server.hold("d", 1).await;
    assert_eq!(none.json()["errors"][0]["available"], 0);
}

#[tokio::test]
async fn refusals_of_a_hold() {
    let server = Server::start().await;
    let replica = &server.replica;
    replica.codeshare("LH9000.2027-01-05.EWR");
    let hold = |flight: &str, body: &str| {
        let path = path(flight);
        let body = body.to_owned();
        let server = &server;
        async move { server.post(&path, &body).await }
    };
    let plain = r#"{"cabin":"Y","seats":1}"#;
    hold("UA9.2027-01-05.EWR", plain)
        .await
        .is(404, "unknown_flight");
    hold("UA9", plain).await.is(404, "unknown_flight");
    hold("UA9.2027-02-30.EWR", plain)
        .await
        .is(404, "unknown_flight");
    hold("LH9000.2027-01-05.EWR", plain)
        .await
        .is(409, "not_operating");
    hold(KEY, r#"{"cabin":"W","seats":1}"#)
        .await
        .is(422, "unknown_cabin");
    hold(KEY, r#"{"cabin":"Y","class":"Q","seats":1}"#)
        .await
        .is(422, "unknown_class");
    hold(KEY, r#"{"cabin":"Y","provider":"lon","seats":1}"#)
        .await
        .is(422, "unknown_provider");
    hold(KEY, r#"{"cabin":"Y","board":"JFK","seats":1}"#)
        .await
        .is(422, "unknown_segment");
    hold(LEGS, r#"{"cabin":"Y","board":"JFK","off":"ORD","seats":1}"#)
        .await
        .is(409, "segment_restricted");
    hold(LEGS, r#"{"cabin":"Y","board":"ORD","off":"LAX","seats":1}"#)
        .await
        .is_ok();
    hold(KEY, r#"{"cabin":"Y","seats":0}"#)
        .await
        .is(422, "invalid_seats");
    hold(KEY, r#"{"cabin":"Y","seats":1,"ttl_s":700000}"#)
        .await
        .is(422, "invalid_ttl");
    let shown = |amount: &str| {
        format!(
            r#"{{"cabin":"Y","seats":1,"expected_price":{{"amount":"{amount}","currency":"USD"}}}}"#
        )
    };
    hold(KEY, &shown("120.00")).await.is_ok();
    let changed = hold(KEY, &shown("119.99")).await;
    changed.is(409, "price_changed");
    assert_eq!(
        changed.json()["errors"][0]["price"],
        json!({"amount": "120.00", "currency": "USD"})
    );
    let closed = Availability {
        level: Level::Flight,
        cabin: Some("F".parse().unwrap()),
        class: None,
        status: SaleStatus::Closed,
        seats: None,
        is_floor: false,
        counts: Counts::Total,
        expires_ms: None,
    };
    replica.event(KEY, ProviderBody::Availability(closed));
    hold(KEY, r#"{"cabin":"F","seats":1}"#)
        .await
        .is(409, "closed");
    replica.event(LEGS, ProviderBody::Cancel);
    hold(LEGS, plain).await.is(409, "flight_cancelled");
    // Time passes: first sale ends, then the flight is forgotten.
    replica.advance_s(DEPARTS_S - START_MS / 1000);
    hold(KEY, plain).await.is(409, "departed");
    let keep_s = Settings::default().retire_after_ms as i64 / 1000;
    replica.advance_s(keep_s + 7200);
    hold(KEY, plain).await.is(409, "retired");
}

#[tokio::test]
async fn refusals_of_what_follows_a_hold() {
    let server = Server::start().await;
    for verb in ["confirm", "release", "cancel"] {
        act(&server, "nobody", verb).await.is(404, "unknown_hold");
        act(&server, "%00", verb).await.is(404, "unknown_hold");
    }
    server.hold("refused", 11).await.is(409, "sold_out");
    act(&server, "refused", "confirm")
        .await
        .is(404, "unknown_hold");

    server.hold("r", 1).await.is_ok();
    act(&server, "r", "release").await.is_ok();
    act(&server, "r", "confirm")
        .await
        .is(409, "already_released");
    act(&server, "r", "cancel")
        .await
        .is(409, "already_released");

    server.hold("c", 1).await.is_ok();
    act(&server, "c", "confirm").await.is_ok();
    act(&server, "c", "release")
        .await
        .is(409, "already_confirmed");
    act(&server, "c", "cancel").await.is_ok();
    let again = Request::new("POST", "/holds/c/confirm").header("idempotency-key", "late");
    server.send(again).await.is(409, "already_cancelled");

    server.hold("e", 1).await.is_ok();
    server.replica.advance_s(900);
    act(&server, "e", "confirm").await.is(409, "expired");

    server.hold("d", 1).await.is_ok();
    server.replica.event(KEY, ProviderBody::Cancel);
    act(&server, "d", "confirm").await.is(409, "displaced");
}

#[tokio::test]
async fn bodies_that_are_refused() {
    let server = Server::start().await;
    let post = |content_type: &str, body: &[u8]| {
        let request = Request::new("POST", &path(KEY))
            .header("content-type", content_type)
            .body(body);
        server.send(request)
    };
    let bad = post("application/json", b"{\"cabin\":\"Y\",\n \"seats\":x}").await;
    bad.is(400, "bad_request");
    assert!(
        bad.message().contains("line 2 column 10"),
        "{}",
        bad.message()
    );
    let bad = post(
        "application/json",
        br#"{"cabin":"Y","seats":1,"colour":"red"}"#,
    )
    .await;
    bad.is(422, "unknown_field");
    assert_eq!(
        bad.json()["errors"][0]["source"],
        json!({"field": "colour", "pointer": "/colour"})
    );
    let bad = post("application/json", br#"{"cabin":"y","seats":1}"#).await;
    bad.is(422, "validation_format");
    assert_eq!(bad.json()["errors"][0]["source"]["pointer"], "/cabin");
    post("text/html", b"{}")
        .await
        .is(415, "invalid_content_type_header");
    post("", b"{}").await.is(415, "invalid_content_type_header");
    assert_eq!(
        post(
            "Application/JSON; charset=utf-8",
            br#"{"cabin":"Y","seats":1}"#
        )
        .await
        .status,
        201
    );
    let untyped = Request::new("POST", &path(KEY)).body(br#"{"cabin":"Y","seats":1}"#);
    assert_eq!(server.send(untyped).await.status, 201);
    let packed = Request::new("POST", &path(KEY))
        .header("content-encoding", "gzip")
        .json("{}");
    server
        .send(packed)
        .await
        .is(415, "invalid_content_encoding_header");
    let large = format!(r#"{{"cabin":"Y","seats":1,"id":"{}"}}"#, "x".repeat(20_000));
    post("application/json", large.as_bytes())
        .await
        .is(413, "body_too_large");
    server
        .post("/holds/x/confirm", r#"{"force":true}"#)
        .await
        .is(422, "unknown_field");
    // Nothing of all this was written, but for the two holds.
    let flight = server.get(&format!("/flights/{KEY}")).await.is_ok();
    assert_eq!(flight["legs"][0]["cabins"][1]["held"], 2);
}

#[tokio::test]
async fn trouble_of_the_replica_is_told() {
    use std::sync::atomic::Ordering::SeqCst;
    let server = Server::with(true, |config| config.request_timeout_ms = 200).await;
    let knobs = server.replica.knobs();
    knobs.overloaded.store(1, SeqCst);
    let busy = server.hold("a", 1).await;
    busy.is(429, "rate_limit_exceeded");
    assert_eq!(busy.header("ratelimit-remaining"), Some("0"));
    assert!(busy.header("ratelimit-reset").unwrap().ends_with(" GMT"));
    knobs.unavailable.store(true, SeqCst);
    server.hold("a", 1).await.is(503, "service_unavailable");
    knobs.unavailable.store(false, SeqCst);
    knobs.lose_answers.store(true, SeqCst);
    server.hold("lost", 1).await.is(503, "service_unavailable");
    knobs.lose_answers.store(false, SeqCst);
    knobs.keep_answers.store(true, SeqCst);
    server
        .hold("late", 1)
        .await
        .is(504, "gateway_timeout_error");
    server.replica.let_go();
    // Both were taken: asking again tells.
    for id in ["lost", "late"] {
        let again = server.hold(id, 1).await;
        assert_eq!(
            (again.status, again.header("idempotency-replayed")),
            (201, Some("true"))
        );
    }
    knobs.panics.store(true, SeqCst);
    let mut connection = server.connect().await;
    let request = Request::new("POST", "/holds/a/confirm");
    connection.write(&request.bytes()).await;
    connection
        .reply(&request)
        .await
        .is(500, "internal_server_error");
    knobs.panics.store(false, SeqCst);
    // The connection has survived.
    connection.write(&request.bytes()).await;
    connection.reply(&request).await.is(404, "unknown_hold");
}

#[tokio::test]
async fn every_seat_is_sold_once_to_a_crowd() {
    let server = std::sync::Arc::new(Server::start().await);
    let mut all = tokio::task::JoinSet::new();
    for n in 0..60 {
        let server = std::sync::Arc::clone(&server);
        // Every request three times, on connections of their own.
        all.spawn(async move { server.hold(&format!("crowd-{}", n / 3), 1).await });
    }
    let (mut held, mut replays, mut refused) = (0, 0, 0);
    while let Some(reply) = all.join_next().await {
        let reply = reply.unwrap();
        match (reply.status, reply.header("idempotency-replayed")) {
            (201, None) => held += 1,
            (409, None) => refused += 1,
            (201 | 409, Some("true")) => replays += 1,
            _ => panic!("{}", reply.text()),
        }
    }
    assert_eq!((held, refused, replays), (10, 10, 40));
}
