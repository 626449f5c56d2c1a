//! Feeds that come by themselves: files in a folder, answers that are fetched.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::events;
use crate::harness::{Place, run, stderr};

async fn until(what: &str, mut wish: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if wish().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never came to that: {what}");
}

fn drop_file(folder: &Path, name: &str, events: &[Value]) {
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    fs::write(folder.join(format!(".{name}")), text).expect("a file is written");
    fs::rename(folder.join(format!(".{name}")), folder.join(name)).expect("a file is renamed");
}

fn config(drop: &Path, more: &str) -> String {
    format!(
        "[providers.acme]\nformat = \"canonical\"\n\
         [providers.acme.folder]\npath = {:?}\nsettle_s = 0\nevery_s = 1\n{more}",
        drop.display().to_string()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_becomes_seats_for_sale_and_survives_kill_9() {
    let outside = tempfile::tempdir().expect("a folder");
    let drop = outside.path().join("acme");
    let place = Place::with_config(&config(&drop, ""));
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flights: Vec<_> = (1..=3).map(events::flight).collect();
    drop_file(&drop, "one.ndjson", &[events::schedule(&flights[0], 50, 1)]);
    until("the file is moved", async || {
        drop.join("done/one.ndjson").exists()
    })
    .await;
    // Moved means: durable, and found by who looks for it.
    let flight = client.get(&format!("/flights/{}", flights[0])).await;
    assert_eq!(crate::client::economy(&flight.body)["authorised"], 50);
    replica.kill();

    drop_file(&drop, "two.ndjson", &[events::schedule(&flights[1], 60, 1)]);
    fs::write(drop.join("bad.ndjson"), "no feed at all\n").expect("a file is written");
    let replica = place.start();
    let client = Client::new(&replica.url);
    until("both files are moved", async || {
        drop.join("done/two.ndjson").exists() && drop.join("rejected/bad.ndjson").exists()
    })
    .await;
    let report = fs::read(drop.join("rejected/bad.ndjson.report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["rejects"][0]["code"], "bad_json", "{report}");
    until("both files are counted", async || {
        let status = client.get("/providers/acme/status").await.body;
        let source = &status["sources"][0];
        source["taken"] == 1 && source["refused"] == 1
    })
    .await;
    let metrics = client.text("/metrics").await;
    assert!(
        metrics
            .lines()
            .any(|line| line.starts_with("flightline_feed_source_total{")
                && line.contains("outcome=\"refused\"")
                && line.ends_with(" 1")),
        "{metrics}"
    );
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_answers_is_fetched_and_becomes_seats_for_sale() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "http://{}/feed?on={{date}}",
        listener.local_addr().expect("bound")
    );
    let flight = events::flight(7);
    let body = format!("{}\n", events::schedule(&flight, 70, 1));
    let provider = tokio::spawn(async move {
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.expect("a request");
            heads.push(String::from_utf8_lossy(&head[..read]).to_ascii_lowercase());
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.expect("answered");
        }
        heads
    });
    let outside = tempfile::tempdir().expect("a folder");
    let pull = format!("[[providers.acme.pull]]\nurl = {url:?}\nevery_s = 3600\ndays = \"1..2\"\n");
    let place = Place::with_config(&config(&outside.path().join("acme"), &pull));
    let replica = place.start();
    let client = Client::new(&replica.url);
    let heads = provider
        .await
        .expect("the provider was asked for both days");
    assert!(
        heads[0].contains("get /feed?on=2") && heads[0] != heads[1],
        "{heads:?}"
    );
    until("the flight is there", async || {
        let answer = client.get(&format!("/flights/{flight}")).await;
        answer.status.is_success()
    })
    .await;
    until("both answers are counted", async || {
        let status = client.get("/providers/acme/status").await.body;
        status["sources"][1]["taken"] == 2 && status["duplicate"] == 1
    })
    .await;
    replica.stop();
    place.verify();
}

#[test]
fn a_way_in_that_is_configured_wrongly_is_told_before_anything_starts() {
    let place = Place::new();
    let file = place.file(
        "ways.toml",
        "[[providers.acme.pull]]\nurl = \"http://127.0.0.1:1/\"\nevery_s = 60\n",
    );
    let output = run(&["serve", "--config", &file]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.contains("[[providers.acme.pull]] number 1") && text.contains("set format"),
        "{text}"
    );
}
