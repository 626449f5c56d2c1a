//! Provider updates that race bookings.

use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::events;
use crate::harness::{Place, run, stderr, stdout};

/// Starts clients that hold and confirm one seat each; returns how many holds and how many sales
/// were answered with success.
async fn bookings(url: &str, flight: &str, clients: usize, tag: &str) -> JoinSet<(bool, bool)> {
    let mut tasks = JoinSet::new();
    let client = Client::new(url);
    for n in 0..clients {
        let client = client.clone();
        let flight = flight.to_owned();
        let id = format!("{tag}-{n}");
        tasks.spawn(async move {
            let held = client.hold(&flight, &id, 1).await.status == StatusCode::CREATED;
            let sold = held && client.act(&id, "confirm").await.status == StatusCode::OK;
            (held, sold)
        });
    }
    tasks
}

fn line(flight: &serde_json::Value, name: &str) -> i64 {
    let line = crate::client::economy(flight);
    line[name]
        .as_i64()
        .unwrap_or_else(|| panic!("{name} in {line}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_is_cut_while_bookings_run() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push("acme", &[events::schedule(&flight, 200, 1)])
        .await;
    let tasks = bookings(&replica.url, &flight, 300, "cut").await;
    let report = client
        .push("acme", &[events::equipment(&flight, 60, 2)])
        .await;
    assert_eq!(report["accepted"], 1, "{report}");
    let results = tasks.join_all().await;
    let sold = results.iter().filter(|(_, sold)| *sold).count() as i64;
    let after = client.get(&format!("/flights/{flight}")).await.body;
    assert_eq!(
        line(&after, "sold"),
        sold,
        "every sale that was answered counts, and no other"
    );
    assert_eq!(
        line(&after, "held"),
        0,
        "what was not confirmed was displaced"
    );
    assert_eq!(line(&after, "authorised"), 60);
    assert_eq!(line(&after, "oversold"), (sold - 60).max(0));
    assert_eq!(line(&after, "available"), (60 - sold).max(0));
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_is_cancelled_while_bookings_run_and_comes_back() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push("acme", &[events::schedule(&flight, 400, 1)])
        .await;
    let tasks = bookings(&replica.url, &flight, 300, "before").await;
    client
        .push("acme", &[events::status(&flight, "cancel", 2)])
        .await;
    let results = tasks.join_all().await;
    let sold = results.iter().filter(|(_, sold)| *sold).count() as i64;
    let refused = client.hold(&flight, "late", 1).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::CONFLICT, "flight_cancelled")
    );
    let cancelled = client.get(&format!("/flights/{flight}")).await.body;
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(
        (line(&cancelled, "sold"), line(&cancelled, "held")),
        (sold, 0)
    );
    client
        .push("acme", &[events::status(&flight, "reinstate", 3)])
        .await;
    assert_eq!(
        client.hold(&flight, "again", 1).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        client.hold(&flight, "late", 1).await.code(),
        "flight_cancelled"
    );
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_and_duplicate_updates_change_nothing() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push("acme", &[events::schedule(&flight, 100, 5)])
        .await;
    let report = client
        .push(
            "acme",
            &[
                events::equipment(&flight, 10, 4),
                events::equipment(&flight, 80, 6),
                events::equipment(&flight, 80, 6),
                events::schedule(&flight, 100, 5),
                events::equipment(&events::flight(9), 80, 6),
            ],
        )
        .await;
    let counts = ["read", "accepted", "duplicate", "stale", "rejected"];
    let found: Vec<_> = counts
        .iter()
        .map(|c| report[*c].as_u64().unwrap_or(99))
        .collect();
    assert_eq!(found, [5, 1, 2, 1, 1], "{report}");
    assert_eq!(report["rejects"][0]["code"], "not_scheduled", "{report}");
    assert_eq!(report["rejects"][0]["line"], 5);
    let after = client.get(&format!("/flights/{flight}")).await.body;
    assert_eq!(line(&after, "authorised"), 80);
    replica.stop();
    place.verify();
}

#[test]
fn feed_push_and_check_say_where_and_why() {
    let place = Place::new();
    let replica = place.start();
    let good = events::schedule(&events::flight(1), 10, 1).to_string();
    let file = place.file(
        "feed.ndjson",
        &format!("{good}\nnot json\n{good}\n{{\"type\":\"cancel\"}}\n"),
    );
    let output = run(&["feed", "check", "--format", "canonical", &file]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 2, "two events");
    assert!(
        stderr(&output).contains("feed.ndjson:2: bad_json"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("feed.ndjson:4: missing_field"),
        "{}",
        stderr(&output)
    );

    let dir = place.data_dir_text();
    let push = [
        "feed",
        "push",
        "--provider",
        "acme",
        "--format",
        "canonical",
        "--data-dir",
        &dir,
        &file,
    ];
    let output = run(&push);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stdout(&output).trim(),
        "read 4, accepted 1, duplicate 1, stale 0, rejected 2"
    );
    assert!(
        stderr(&output).contains("feed.ndjson:2: bad_json"),
        "{}",
        stderr(&output)
    );

    // Nothing in it is of use: another exit code, and a reader is not flooded.
    let wrong = place.file("wrong.ndjson", &"not json\n".repeat(50));
    let (last, others) = push.split_last().unwrap();
    assert_eq!(last, &&*file);
    let output = run(&[others, &[&*wrong]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 21, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("… and 30 more"),
        "{}",
        stderr(&output)
    );

    let unknown = run(&["feed", "check", "--format", "ssim99", &file]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        stderr(&unknown).contains("canonical"),
        "names the formats there are: {}",
        stderr(&unknown)
    );
    let missing = run(&["feed", "check", "--format", "canonical", "/no/such/file"]);
    assert_eq!(missing.status.code(), Some(2), "{}", stderr(&missing));
    replica.stop();
    let nobody = run(&[
        "feed",
        "push",
        "--provider",
        "acme",
        "--format",
        "canonical",
        "--url",
        "http://127.0.0.1:9",
        &file,
    ]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        stderr(&nobody).contains("flightline serve"),
        "{}",
        stderr(&nobody)
    );
    place.verify();
}
