//! Reads: flights, histories, search, and what they wait for.

use std::time::Instant;

use serde_json::json;

use crate::client::{Request, Server};
use crate::replica::{KEY, LEGS};

#[tokio::test]
async fn a_flight_shows_what_was_just_answered() {
    let server = Server::start().await;
    for n in 1..=10 {
        server.hold(&format!("h{n}"), 1).await.is_ok();
        let reply = server.get(&format!("/flights/{KEY}")).await;
        let flight = reply.is_ok();
        let cabin = &flight["legs"][0]["cabins"][1];
        assert_eq!(
            (&cabin["held"], &cabin["available"]),
            (&json!(n), &json!(10 - n))
        );
        let position = format!("{}:{}", flight["partition"], flight["offset"]);
        assert_eq!(reply.header("flightline-offset"), Some(position.as_str()));
    }
    server
        .replica
        .event(KEY, flightline_ledger::ProviderBody::Cancel);
    server.replica.settle();
    let flight = server.get(&format!("/flights/{KEY}")).await.is_ok();
    assert_eq!(flight["status"], "cancelled");
}

#[tokio::test]
async fn a_flight_has_legs_cabins_and_classes() {
    let server = Server::start().await;
    let body = r#"{"id":"m","cabin":"Y","class":"M","seats":2}"#;
    server
        .post(&format!("/flights/{KEY}/holds"), body)
        .await
        .is_ok();
    server
        .send(Request::new("POST", "/holds/m/confirm"))
        .await
        .is_ok();
    let flight = server.get(&format!("/flights/{KEY}")).await.is_ok();
    assert_eq!(flight["flight_key"], KEY);
    assert_eq!(flight["owner"], "nyc");
    assert_eq!(flight["operating"], json!(null));
    let leg = &flight["legs"][0];
    assert_eq!(leg["departs_at"], "2027-01-05T10:00:00.000000Z");
    assert_eq!(leg["departing_at"], "2027-01-05T05:00:00");
    assert_eq!(leg["arriving_at"], "2027-01-05T06:00:00");
    let economy = &leg["cabins"][1];
    assert_eq!(economy["capacity"], 10);
    assert_eq!(
        (
            &economy["authorised"],
            &economy["sold"],
            &economy["available"]
        ),
        (&json!(10), &json!(2), &json!(8))
    );
    let class = economy["classes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["class"] == "M")
        .unwrap();
    assert_eq!(
        (
            &class["authorised"],
            &class["sold"],
            &class["available"],
            &class["status"]
        ),
        (&json!(4), &json!(2), &json!(2), &json!("open"))
    );
    assert!(
        flight["offers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|offer| offer["class"] == "M" && offer["seats"] == 2)
    );
    server
        .get("/flights/UA9.2027-01-05.EWR")
        .await
        .is(404, "unknown_flight");
    server
        .get("/flights/nonsense")
        .await
        .is(404, "unknown_flight");
    server
        .get(&format!("/flights/{KEY}?x=1"))
        .await
        .is(422, "unknown_field");
}

#[tokio::test]
async fn at_least_waits_and_gives_up() {
    let server = Server::with(true, |config| config.at_least_timeout_ms = 150).await;
    let position = server
        .hold("a", 1)
        .await
        .header("flightline-offset")
        .unwrap()
        .to_owned();
    let ask = |path: &str, position: &str| {
        server.send(Request::new("GET", path).header("flightline-at-least", position))
    };
    let search = "/search?origin=EWR&destination=IAH&date=2027-01-05";
    let offers = ask(search, &position).await.is_ok();
    assert_eq!(
        offers["data"][0]["seats"].as_u64().map(|seats| seats <= 9),
        Some(true)
    );
    assert_eq!(
        ask(search, &format!("{position}, {position}")).await.status,
        200
    );
    let started = Instant::now();
    let paths = [
        search.to_owned(),
        format!("/flights/{KEY}"),
        format!("/flights/{KEY}/history"),
        "/providers/nyc/status".into(),
    ];
    for path in &paths {
        ask(path, "0:999999").await.is(409, "not_yet");
        // There is no such partition, and never will be.
        ask(path, "99:0").await.is(409, "not_yet");
        for bad in [
            "",
            "1",
            "a:b",
            "1:",
            ":1",
            "-1:0",
            "1:2:3",
            "0:99999999999999999999999",
        ] {
            ask(path, bad).await.is(400, "bad_request");
        }
    }
    assert!(started.elapsed().as_millis() >= 4 * 150);
    // A hold that is not here may have been made at another replica.
    for verb in ["confirm", "release", "cancel"] {
        let act = |position: &str| {
            let request = Request::new("POST", &format!("/holds/nowhere/{verb}"));
            server.send(request.header("flightline-at-least", position))
        };
        act("0:999999").await.is(409, "not_yet");
        act(&position).await.is(404, "unknown_hold");
        act("x").await.is(400, "bad_request");
    }
}

#[tokio::test]
async fn search_filters_sorts_and_limits() {
    let server = Server::start().await;
    for (n, minor) in [(1, 9_900), (2, 15_000)] {
        let key = format!("UA{n}.2027-01-05.EWR");
        server.replica.schedule(&key, 20);
        server.replica.fare(&key, minor);
    }
    server.hold("wait", 1).await.is_ok();
    server.replica.settle();
    let ask = |more: &str| {
        let path = format!("/search?origin=EWR&destination=IAH&date=2027-01-05{more}");
        server.send(Request::new("GET", &path).header("flightline-at-least", "0:0"))
    };
    // Wait until all is reflected: the flight's own read does.
    for n in [1, 2] {
        server
            .get(&format!("/flights/UA{n}.2027-01-05.EWR"))
            .await
            .is_ok();
    }
    server.get(&format!("/flights/{KEY}")).await.is_ok();
    let found = ask("").await.is_ok();
    let keys: Vec<_> = found["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["flight_key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["UA1.2027-01-05.EWR", KEY, "UA2.2027-01-05.EWR"]);
    assert_eq!(found["meta"], json!({"limit": 50, "total": 3}));
    let offer = &found["data"][1];
    assert_eq!(
        offer["price"],
        json!({"amount": "120.00", "currency": "USD"})
    );
    assert_eq!(offer["origin"], "EWR");
    assert_eq!(offer["duration_min"], 120);
    let found = ask("&limit=1&sort=departure").await.is_ok();
    assert_eq!(
        (
            found["data"].as_array().unwrap().len(),
            &found["meta"]["total"]
        ),
        (1, &json!(3))
    );
    // KEY has 9 of its 10 seats left.
    let found = ask("&passengers=10").await.is_ok();
    assert_eq!(found["meta"]["total"], 2);
    let found = ask("&cabin=F").await.is_ok();
    assert_eq!(found["meta"]["total"], 0, "cabin F has no fare");
    let all = ask("&all_offers=true").await.is_ok();
    assert!(all["meta"]["total"].as_u64().unwrap() > 3);
    server
        .get("/search?origin=EWR")
        .await
        .is(422, "validation_required");
    server
        .get("/search?origin=EWR&destination=IAH&date=2027-13-01")
        .await
        .is(422, "validation_format");
}

#[tokio::test]
async fn history_tells_commands_and_outcomes_in_pages() {
    let server = Server::start().await;
    for n in 0..5 {
        server.hold(&format!("h{n}"), 3).await;
    }
    server
        .send(Request::new("POST", "/holds/h0/confirm"))
        .await
        .is_ok();
    server.hold("h0", 1).await.is(409, "idempotency_key_reused");
    let path = format!("/flights/{KEY}/history");
    let whole = server.get(&path).await.is_ok();
    let items = whole["data"].as_array().unwrap();
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            (
                item["kind"].as_str().unwrap(),
                item["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("schedule", "accepted"),
            ("fares", "accepted"),
            ("hold", "held"),
            ("hold", "held"),
            ("hold", "held"),
            ("hold", "refused"),
            ("hold", "refused"),
            ("confirm", "confirmed"),
            ("hold", "held"),
        ]
    );
    assert_eq!(items[2]["ref"], "h0");
    assert_eq!(items[2]["actor"], "open");
    assert_eq!(items[2]["hold"]["seats"], 3);
    assert_eq!(items[5]["reason"], "sold_out");
    assert_eq!(items[5]["available"], 1);
    assert_eq!(items[7]["hold_id"], items[2]["command_id"]);
    assert_eq!(
        (&items[8]["differs"], &items[8]["replay_of"]),
        (&json!(true), &items[2]["offset"])
    );
    assert_eq!(items[0]["event"]["summary"], "schedule EWR-IAH");
    assert_eq!(
        whole["meta"],
        json!({"limit": 50, "after": null, "before": null})
    );

    // Forward page by page, then back.
    let page = |cursor: String| server.get_owned(format!("{path}?limit=4{cursor}"));
    let first = page(String::new()).await;
    assert_eq!(first["meta"]["before"], json!(null));
    let second = page(format!(
        "&after={}",
        first["meta"]["after"].as_str().unwrap()
    ))
    .await;
    let third = page(format!(
        "&after={}",
        second["meta"]["after"].as_str().unwrap()
    ))
    .await;
    assert_eq!(third["meta"]["after"], json!(null));
    let mut offsets = Vec::new();
    for page in [&first, &second, &third] {
        offsets.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["offset"].clone()),
        );
    }
    assert_eq!(
        offsets,
        items
            .iter()
            .map(|item| item["offset"].clone())
            .collect::<Vec<_>>()
    );
    let back = page(format!(
        "&before={}",
        third["meta"]["before"].as_str().unwrap()
    ))
    .await;
    assert_eq!(back["data"], second["data"]);
    let back = page(format!(
        "&before={}",
        back["meta"]["before"].as_str().unwrap()
    ))
    .await;
    assert_eq!(
        (&back["data"], &back["meta"]["before"]),
        (&first["data"], &json!(null))
    );
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "after=1",
        "after=oG",
        "before=",
    ] {
        let reply = server.get(&format!("{path}?{bad}")).await;
        assert_eq!(reply.status, 422, "{bad}");
    }
    server
        .get("/flights/UA9.2027-01-05.EWR/history")
        .await
        .is(404, "unknown_flight");
    let legs = server
        .get(&format!("/flights/{LEGS}/history"))
        .await
        .is_ok();
    assert_eq!(legs["data"][0]["event"]["summary"], "schedule JFK-ORD-LAX");
}

impl Server {
    async fn get_owned(&self, path: String) -> serde_json::Value {
        self.get(&path).await.is_ok()
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start().await;
    for path in ["/health/live", "/openapi.json", &format!("/flights/{KEY}")] {
        let reply = server.send(Request::new("HEAD", path)).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        assert!(
            reply
                .header("content-length")
                .unwrap()
                .parse::<usize>()
                .unwrap()
                > 0
        );
    }
}
