//! Holds that wait for seats: asked for, looked at, given up, and answered again.

use flightline_ledger::ProviderBody;
use serde_json::{Value, json};

use crate::client::{Reply, Request, Server};
use crate::replica::KEY;

async fn ask(server: &Server, id: &str, seats: u16, wait_s: u64) -> Reply {
    let body = json!({"id": id, "cabin": "Y", "seats": seats, "wait_s": wait_s}).to_string();
    server.post(&format!("/flights/{KEY}/holds"), &body).await
}

async fn look(server: &Server, id: &str) -> Value {
    server.get(&format!("/holds/{id}")).await.is_ok()
}

async fn act(server: &Server, id: &str, verb: &str) -> Reply {
    let path = format!("/holds/{id}/{verb}");
    server.send(Request::new("POST", &path)).await
}

#[tokio::test]
async fn a_hold_waits_is_held_in_its_turn_and_sold() {
    let server = Server::start().await;
    server.hold("all", 10).await.is_ok();
    let waiting = ask(&server, "a", 2, 3600).await;
    assert_eq!(waiting.status, 202);
    let body = waiting.is_ok();
    assert_eq!(
        (
            &body["id"],
            &body["state"],
            &body["seats"],
            &body["ahead"],
            &body["waits_until"]
        ),
        (
            &json!("a"),
            &json!("waiting"),
            &json!(2),
            &json!(0),
            &json!("2027-01-01T01:00:00.000000Z")
        )
    );
    let offset = format!("{}:{}", body["partition"], body["offset"]);
    assert_eq!(waiting.header("flightline-offset"), Some(offset.as_str()));
    let second = ask(&server, "b", 1, 3600).await.is_ok();
    assert_eq!(second["ahead"], 1);

    let now = look(&server, "b").await;
    assert_eq!(
        (&now["state"], &now["ahead"], &now["provider"]),
        (&json!("waiting"), &json!(1), &Value::Null)
    );
    assert_eq!(now["waits_until"], second["waits_until"]);
    assert_eq!(now["expires_at"], Value::Null);
    for _ in 0..2 {
        act(&server, "a", "confirm").await.is(409, "still_waiting");
    }

    // Everything comes free: both are held in the same step.
    act(&server, "all", "release").await.is_ok();
    for id in ["a", "b"] {
        let now = look(&server, id).await;
        assert_eq!(
            (&now["state"], &now["provider"], &now["expires_at"]),
            (
                &json!("held"),
                &json!("nyc"),
                &json!("2027-01-01T00:15:00.000000Z")
            ),
            "{id}"
        );
        assert_eq!(now["price"], json!({"amount": "120.00", "currency": "USD"}));
        assert_eq!(
            (&now["waits_until"], &now["ahead"]),
            (&Value::Null, &Value::Null)
        );
    }
    // It was confirmed too early before, which is no reason to refuse it now.
    let confirmed = act(&server, "a", "confirm").await.is_ok();
    assert_eq!(confirmed["already"], false);
    assert_eq!(act(&server, "a", "confirm").await.is_ok()["already"], true);
    let now = look(&server, "a").await;
    assert_eq!(
        (&now["state"], &now["expires_at"]),
        (&json!("confirmed"), &Value::Null)
    );

    // Asked again, it is answered as it was.
    let again = ask(&server, "a", 2, 3600).await;
    assert_eq!((again.status, &again.body), (202, &waiting.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    ask(&server, "a", 2, 3601)
        .await
        .is(409, "idempotency_key_reused");
    server.hold("a", 2).await.is(409, "idempotency_key_reused");
}

#[tokio::test]
async fn who_gives_up_or_waits_in_vain_gets_no_seats() {
    let server = Server::start().await;
    server.hold("all", 10).await.is_ok();
    for (id, wait_s) in [("a", 60), ("b", 120), ("c", 3600)] {
        assert_eq!(ask(&server, id, 1, wait_s).await.status, 202);
    }
    let released = act(&server, "c", "release").await.is_ok();
    assert_eq!(
        (&released["state"], &released["seats"]),
        (&json!("released"), &json!(0))
    );
    assert_eq!(look(&server, "c").await["state"], "released");
    act(&server, "c", "confirm")
        .await
        .is(409, "already_released");

    server.replica.advance_s(61);
    server.hold("tick", 99).await.is(409, "sold_out");
    assert_eq!(look(&server, "a").await["state"], "expired");
    act(&server, "a", "confirm").await.is(409, "expired");
    assert_eq!(look(&server, "b").await["state"], "waiting");
    assert_eq!(look(&server, "b").await["ahead"], 0);

    // The flight is cancelled: nobody waits any more.
    server.replica.event(KEY, ProviderBody::Cancel);
    server.replica.settle();
    assert_eq!(look(&server, "b").await["state"], "displaced");
    ask(&server, "d", 1, 60).await.is(409, "flight_cancelled");
}

#[tokio::test]
async fn only_what_could_be_sold_some_day_waits() {
    let server = Server::start().await;
    // There are seats: nothing to wait for.
    assert_eq!(ask(&server, "now", 4, 60).await.status, 201);
    // More than the aircraft has: it would wait in vain.
    ask(&server, "big", 11, 60).await.is(409, "sold_out");
    let too_long = ask(&server, "long", 7, 31 * 86_400).await;
    too_long.is(422, "invalid_ttl");
    assert!(
        too_long.message().contains("wait_s"),
        "{}",
        too_long.message()
    );
    ask(&server, "zero", 7, 0).await.is(422, "invalid_ttl");
}

#[tokio::test]
async fn a_batch_says_which_of_its_lines_wait() {
    let server = Server::start().await;
    let line = |id: &str, seats: u16, wait: &str| {
        format!(
            "{{\"flight_key\":\"{KEY}\",\"id\":\"{id}\",\"cabin\":\"Y\",\"seats\":{seats}{wait}}}\n"
        )
    };
    let body = line("a", 10, "") + &line("b", 1, ",\"wait_s\":60") + &line("c", 1, "");
    let request = || {
        Request::new("POST", "/holds/batch")
            .header("content-type", "application/x-ndjson")
            .body(body.as_bytes())
    };
    let lines = server.send(request()).await.lines();
    assert_eq!(lines[0]["state"], "held");
    assert_eq!(
        (&lines[1]["state"], &lines[1]["seats"], &lines[1]["ahead"]),
        (&json!("waiting"), &json!(1), &json!(0))
    );
    assert_eq!(lines[2]["errors"][0]["code"], "sold_out");
    let again = server.send(request()).await.lines();
    assert_eq!(again[1]["idempotency_replayed"], true);
}

#[tokio::test]
async fn holds_are_looked_at_by_those_who_made_them() {
    let server = Server::with_tokens().await;
    let body = r#"{"id":"mine","cabin":"Y","seats":1}"#;
    let path = format!("/flights/{KEY}/holds");
    let hold = Request::new("POST", &path).json(body).token("client");
    let held = server.send(hold).await.is_ok();
    let ask = |id: &str, token: &str| {
        server.send(Request::new("GET", &format!("/holds/{id}")).token(token))
    };
    let now = ask("mine", "client").await.is_ok();
    assert_eq!(
        (&now["state"], &now["offset"]),
        (&held["state"], &held["offset"])
    );
    ask("mine", "other").await.is(404, "unknown_hold");
    ask("mine", "nyc").await.is(403, "insufficient_permissions");
    ask("none", "client").await.is(404, "unknown_hold");
    server
        .get("/holds/mine")
        .await
        .is(401, "missing_authorization_header");
    let id = crate::replica::command_id("client", "hold", "mine");
    let now = ask(&id.to_string(), "operator").await.is_ok();
    assert_eq!(now["state"], "held");
    // A refused hold is none.
    let big = r#"{"id":"big","cabin":"Y","seats":99}"#;
    let request = Request::new("POST", &path).json(big).token("client");
    server.send(request).await.is(409, "sold_out");
    ask("big", "client").await.is(404, "unknown_hold");
    let late = Request::new("GET", "/holds/mine").token("client");
    let late = late.header("flightline-at-least", "0:999999");
    server.send(late).await.is(409, "not_yet");
    let odd = Request::new("GET", "/holds/mine?x=1").token("client");
    assert_eq!(server.send(odd).await.status, 422);
    server
        .replica
        .knobs()
        .lose_answers
        .store(true, std::sync::atomic::Ordering::SeqCst);
    ask("mine", "client").await.is(503, "service_unavailable");
}
