//! Several replicas on one database of webhooks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::webhooks::{Appended, Clock, DeliveryStatus, Engine, Progress, Store};

use super::home::{Home, Rules};
use super::receiver::{Act, Receiver};
use super::server;
use super::support::{clock, endpoint, event};
use super::world::engine_config;

async fn settled(store: &Arc<impl Store>, id: &str) {
    for _ in 0..6_000 {
        let event = store.event("acme", id).unwrap();
        let mut all = event.deliveries.iter();
        if all.all(|d| d.status == DeliveryStatus::Delivered) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} is never delivered");
}

/// Two that both deliver at once, as after a take-over that one of them has not noticed: each event arrives
/// once all the same. Both keep what both derived: it is kept once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_deliver_and_keep_comes_once() {
    let server = tokio::task::spawn_blocking(server::start).await.unwrap();
    let home = Home::database(&server, "both_lead").await;
    let clock = clock();
    let stores = [
        home.replica(&clock, Rules::default()),
        home.replica(&clock, Rules::default()),
    ];
    let receiver = Receiver::start(|_, _| Act::Answer(200)).await;
    let made = stores[0].create_endpoint("acme", &endpoint(&receiver.url));
    let made = made.unwrap();
    assert_eq!(
        stores[1].endpoint("acme", &made.endpoint.id).unwrap(),
        made.endpoint
    );
    let mut engines = Vec::new();
    for store in &stores {
        store.set_leading(true);
        engines.push(Engine::start(store.clone(), engine_config()).unwrap());
    }
    let events: Vec<_> = (0..200)
        .map(|n| event("acme", &format!("ord_{n}"), 1))
        .collect();
    for (n, piece) in (1_u64..).zip(events.chunks(10)) {
        let progress = Progress([(0, n * 10)].into());
        let (one, two) = (stores[0].clone(), stores[1].clone());
        let (for_one, for_two) = (piece.to_vec(), piece.to_vec());
        let theirs = progress.clone();
        let one = tokio::task::spawn_blocking(move || one.append(&for_one, &progress).unwrap());
        let two = tokio::task::spawn_blocking(move || two.append(&for_two, &theirs).unwrap());
        let (one, two): (Appended, Appended) = (one.await.unwrap(), two.await.unwrap());
        assert_eq!((one.new + two.new, one.repeated + two.repeated), (10, 10));
    }
    // One that is late takes nothing back.
    stores[1].append(&[], &Progress([(0, 50)].into())).unwrap();
    assert_eq!(stores[0].progress().unwrap().of(0), 200);
    for event in &events {
        settled(&stores[0], &event.id()).await;
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for one in receiver.seen() {
        *times.entry(one.id.clone()).or_default() += 1;
    }
    assert_eq!(times.len(), 200);
    assert!(times.values().all(|n| *n == 1), "{times:?}");
    for engine in engines {
        engine.stop().await;
    }
    drop(stores);
    tokio::task::spawn_blocking(move || drop(server))
        .await
        .unwrap();
}

/// The one that leads took a delivery and is gone: another makes it when the claim has run out. Until it has,
/// and while one leads, the others leave everything to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_took_and_did_not_make_another_makes() {
    let server = tokio::task::spawn_blocking(server::start).await.unwrap();
    let home = Home::database(&server, "left_lying").await;
    let clock = clock();
    let (leads, stands) = (
        home.replica(&clock, Rules::default()),
        home.replica(&clock, Rules::default()),
    );
    leads.set_leading(true);
    let receiver = Receiver::start(|_, _| Act::Answer(200)).await;
    leads
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let lost = event("acme", "ord_1", 1);
    leads
        .append(std::slice::from_ref(&lost), &Progress::default())
        .unwrap();
    let now_ms = clock.now_ms();
    assert_eq!(leads.due(1, now_ms, 5).unwrap().sequences, [1]);
    let none = stands.due(1, now_ms, 5).unwrap();
    assert!(none.sequences.is_empty(), "it stands by");
    assert_eq!(none.next_ms, Some(now_ms + 3_000), "for so long");
    assert!(leads.begin(1, 1).unwrap().is_some());
    assert!(stands.begin(1, 1).unwrap().is_none(), "it is another's");
    assert!(leads.begin(1, 1).unwrap().is_none(), "it is under way");
    // Gone, with the claim: the time for which it holds has passed.
    let Home::Database(connect) = &home else {
        unreachable!()
    };
    let (client, connection) = connect.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let lapse = "UPDATE flightline_webhooks.delivery SET claimed_until = clock_timestamp() - interval '1 ms'";
    assert_eq!(client.execute(lapse, &[]).await.unwrap(), 1);
    clock.advance(Duration::from_secs(4));
    let engine = Engine::start(stands.clone(), engine_config()).unwrap();
    settled(&stands, &lost.id()).await;
    assert_eq!(receiver.seen().len(), 1);
    engine.stop().await;
    drop((leads, stands));
    tokio::task::spawn_blocking(move || drop(server))
        .await
        .unwrap();
}
