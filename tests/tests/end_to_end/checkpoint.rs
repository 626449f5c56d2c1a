//! `flightline checkpoint`: made and listed beside a replica and without one, refused where it must be.

use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::events;
use crate::harness::{Place, run, stderr, stdout};
use crate::tables::{connect, until};
use crate::trip;

const BY_HAND: &str = "[checkpoint]\nevery_records = 0\nevery_s = 0\n";

fn checkpoint(place: &Place, what: &[&str]) -> Value {
    let dir = place.data_dir_text();
    let args = [&["checkpoint"], what, &["--json", "--data-dir", &dir]].concat();
    let output = run(&args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let text = stdout(&output);
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    match what {
        ["list"] => lines.collect(),
        _ => lines.next().expect("a line"),
    }
}

async fn sell(client: &Client) {
    let flight = events::flight(1);
    let events = [
        events::schedule(&flight, 9, 1),
        events::fares(&flight, "120.00", 1),
    ];
    client.push("acme", &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_made_and_listed_beside_a_replica_and_without_one() {
    let place = Place::with_config(BY_HAND);
    let replica = place.start();
    let client = Client::new(&replica.url);
    sell(&client).await;
    assert_eq!(checkpoint(&place, &["list"]), Value::Array(Vec::new()));
    // It covers what the tables have, which are behind what was answered by a moment.
    let mut first = checkpoint(&place, &["take"]);
    for _ in 0..600 {
        if first["records"].as_u64() > Some(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        first = checkpoint(&place, &["take"]);
    }
    assert_eq!(first["is_new"], true, "{first}");
    assert!(first["records"].as_u64() > Some(0), "{first}");
    assert_eq!(client.hold(&events::flight(1), "h-1", 2).await.status, 201);
    replica.kill();
    // None runs, and the tables are where the kill left them.
    let second = checkpoint(&place, &["take"]);
    let listed = checkpoint(&place, &["list"]);
    let newest = &listed[0];
    assert_eq!(
        (&newest["id"], &newest["records"]),
        (&second["id"], &second["records"])
    );
    assert!(
        newest["offsets"].as_array().is_some_and(|o| o.len() == 64),
        "{newest}"
    );
    let replica = place.start();
    let client = Client::new(&replica.url);
    let again = client.hold(&events::flight(1), "h-1", 2).await;
    assert!(again.replayed, "{again:?}");
    let log = replica.stop();
    assert!(log.contains("going on from checkpoint"), "{log}");
    let report = place.verify();
    assert!(
        report["checkpoints"]
            .as_array()
            .is_some_and(|c| !c.is_empty()),
        "{report}"
    );
    // A place that is none, and one that this program cannot reach.
    for (url, word) in [
        ("file://relative", "absolute"),
        ("ftp://x/y", "file:///PATH"),
    ] {
        let config = place.file("wrong.toml", &format!("[checkpoint]\nurl = \"{url}\"\n"));
        let dir = place.data_dir_text();
        let output = run(&[
            "checkpoint",
            "list",
            "--config",
            &config,
            "--data-dir",
            &dir,
        ]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trimmed_stream_serves_on_and_forgets_persons_and_says_what_it_cannot_do() {
    let place = Place::with_config(BY_HAND);
    let replica = place.start();
    let client = Client::new(&replica.url);
    sell(&client).await;
    let dir = place.data_dir_text();
    let refused = run(&["checkpoint", "trim", "--yes", "--data-dir", &dir]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("checkpoint take"),
        "{}",
        stderr(&refused)
    );
    let offer = trip::offer(&client, 1, false).await;
    let order = trip::bought(&client, &offer).await;
    assert_eq!(client.hold(&events::flight(1), "h-1", 2).await.status, 201);
    // It covers what the tables have, which are behind what was answered by a moment; what it does not cover stays.
    let tables = connect(&place).await;
    let held = "SELECT count(*) FROM flightline.hold WHERE seats = 2";
    until(&tables, held, &[&["1"]]).await;
    while checkpoint(&place, &["take"])["is_new"] == true {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let trimmed = checkpoint(&place, &["trim", "--yes"]);
    assert!(trimmed["trimmed"].as_u64() > Some(0), "{trimmed}");
    replica.stop();

    let replica = place.start();
    let client = Client::new(&replica.url);
    assert!(client.hold(&events::flight(1), "h-1", 2).await.replayed);
    assert_eq!(
        client.hold(&events::flight(1), "h-2", 7).await.code(),
        "sold_out"
    );
    let shown = client.get(&trip::path_of(&order)).await.body;
    assert_eq!(shown["data"]["passengers"][0]["family_name"], trip::FAMILY);
    // The record that named the order's key is gone; a checkpoint knows it.
    let id = order["id"].as_str().expect("an id");
    let erased = run(&["erase", "order", id, "--data-dir", &dir]);
    assert!(erased.status.success(), "{}", stderr(&erased));
    let shown = client.get(&trip::path_of(&order)).await.body;
    assert_eq!(shown["data"]["passengers"][0]["family_name"], "erased");
    let history = client
        .get(&format!("/flights/{}/history", events::flight(1)))
        .await;
    assert!(!history.status.is_success(), "{history:?}");
    replica.stop();
    let verify = run(&["verify", "--data-dir", &dir]);
    assert_eq!(verify.status.code(), Some(1));
    assert!(stderr(&verify).contains("trimmed"), "{}", stderr(&verify));
}
