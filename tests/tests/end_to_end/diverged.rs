//! Replicas that have folded different records of one stream find out while they run, and stop.
//!
//! Needs a Fluvio cluster, as `replicas` does.

use std::path::Path;

use flightline_stream::record::encode;
use flightline_stream::{EmbeddedConfig, EmbeddedLog, Group, Record, RecordView, StreamLog};

use crate::booking::hold_all;
use crate::client::Client;
use crate::events;
use crate::replicas::{Shared, wait_until};

const PARTITIONS: u32 = 8;

/// Writes the copy of a stream anew with one record changed: whole and well-formed, as no checksum could tell.
fn alter(data_dir: &Path) {
    let (old, new) = (data_dir.join("stream"), data_dir.join("stream.new"));
    let config = |path: &Path| {
        let mut config = EmbeddedConfig::new(path);
        config.partitions = PARTITIONS;
        config
    };
    let from = EmbeddedLog::open(config(&old)).expect("the copy");
    let to = EmbeddedLog::open(config(&new)).expect("a new folder");
    let mut altered = 0;
    for frames in from.scan(&[0; PARTITIONS as usize]).expect("a scan") {
        for frame in frames.expect("frames") {
            let mut group = Group::new();
            for (_, bytes) in &frame {
                let view = RecordView::parse(bytes).expect("a record");
                // The first that a client asked for.
                if altered == 0 && view.actor().is_some_and(|actor| actor == "open") {
                    altered += 1;
                    let record = Record::decode(bytes).expect("a record");
                    let mut draft = record.draft();
                    draft.at_ms += 1;
                    let mut other = Vec::new();
                    encode(&mut other, view.header().stamp, &draft).expect("a record");
                    assert_eq!(other.len(), bytes.len());
                    group.push(frame.partition(), &other);
                } else {
                    group.push(frame.partition(), bytes);
                }
            }
            to.append(&group).expect("written");
        }
    }
    assert_eq!(altered, 1, "there is a record to alter");
    drop((from, to));
    std::fs::rename(&old, data_dir.join("stream.old")).expect("moved away");
    std::fs::rename(&new, &old).expect("put in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_folded_other_records_stops_and_says_where() {
    let Some(shared) = Shared::new("diverged").await else {
        return;
    };
    let (place_a, place_b) = (shared.place(), shared.place());
    let (a, b) = (place_a.start(), place_b.start());
    let client = Client::new(&a.url);
    let flight = events::flight(1);
    let schedule = [events::schedule(&flight, 180, 1)];
    client.push("acme", &schedule).await;
    let ids = (0..50).map(|n| format!("client-{n}")).collect();
    assert_eq!(hold_all(&client, &flight, ids).await.len(), 50);
    wait_until("both are compared, and agree", || async {
        let mut agree = 0;
        for url in [&a.url, &b.url] {
            let metrics = Client::new(url).text("/metrics").await;
            agree += usize::from(
                metrics.contains("flightline_replicas_seen 1\n")
                    && metrics.contains("flightline_replicas_differing 0\n")
                    && !metrics.contains("flightline_stream_hashes_compared_total 0\n"),
            );
        }
        agree == 2
    })
    .await;

    // The copy of one is altered while it is stopped.
    b.stop();
    alter(&place_b.data_dir());
    let log = place_b.start().fails();
    let says = "the copy of the stream in the data directory holds other records than the topic: partition ";
    assert!(log.contains(says), "{log}");
    assert!(log.contains("between offsets 0 and "), "{log}");
    assert!(
        log.contains("start it with an empty data directory"),
        "{log}"
    );
    // The other goes on, and so does this one when it has read the topic anew.
    let ids = (50..60).map(|n| format!("client-{n}")).collect();
    assert_eq!(hold_all(&client, &flight, ids).await.len(), 10);
    std::fs::remove_dir_all(place_b.data_dir()).expect("an empty data directory");
    let b = place_b.start();
    wait_until("it is seen again, and agrees", || async {
        let metrics = Client::new(&b.url).text("/metrics").await;
        metrics.contains("flightline_replicas_seen 1\n")
            && metrics.contains("flightline_replicas_differing 0\n")
    })
    .await;

    // Somebody says otherwise, and is not outvoted by nobody: with one at its side a replica goes on.
    let (client, connection) = tokio_postgres::connect(&shared.url, tokio_postgres::NoTls)
        .await
        .expect("the database");
    tokio::spawn(connection);
    let ghost = "INSERT INTO flightline_shared.digest
        SELECT stream, 'ghost', partition, next_offset, decode(repeat('5a', 16), 'hex'), now() + interval '1 hour'
        FROM flightline_shared.digest WHERE next_offset > 0 ORDER BY next_offset DESC LIMIT 1";
    assert_eq!(client.execute(ghost, &[]).await.expect("said"), 1);
    wait_until("the difference is seen", || async {
        let metrics = Client::new(&a.url).text("/metrics").await;
        metrics.contains("flightline_replicas_differing 1\n")
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    for url in [&a.url, &b.url] {
        let ready = Client::new(url).get("/health/ready").await;
        assert_eq!(ready.status, 200, "two against one: {ready:?}");
    }
    // Alone against one, nothing says which is right: it stops.
    b.stop();
    let log = a.fails();
    assert!(
        log.contains("replica ghost have folded different records"),
        "{log}"
    );
    assert!(log.contains("partition "), "{log}");
}
