//! Deliveries to receivers of many kinds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::webhooks::{
    DeliveryFilter, DeliveryStatus, EndpointPatch, Engine, EventKind, Page, Progress,
};

use super::home::{Home, Rules};
use super::receiver::{Act, Receiver};
use super::support::{START_MS, clock, endpoint, event};
use super::world::{engine_config, quiet, world};

pub(crate) async fn a_delivery_is_signed_and_complete(home: Home) {
    let world = world(home);
    let receiver = Receiver::start(|_, _| Act::Answer(204)).await;
    let made = world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let _engine = world.engine();
    let ids = world.append(1..2);
    let seen = receiver.wait_for(1).await;
    assert_eq!(seen[0].verify(&made.secret), START_MS / 1_000);
    assert_eq!(seen[0].id, ids[0]);
    let body = &seen[0].body;
    assert_eq!(body["type"], "order.created");
    assert_eq!(body["created_at"], "2027-01-05T00:00:00.000000Z");
    assert_eq!(body["data"]["object"]["id"], "ord_1");
    assert_eq!(body["order_sequence"], 1);
    world.settled(&ids[0], DeliveryStatus::Delivered, 1).await;
    let log = world
        .store
        .deliveries("acme", &DeliveryFilter::default(), &Page::default())
        .unwrap();
    assert_eq!(log.items.len(), 1);
    assert_eq!(log.items[0].response_code, Some(204));
    assert!(log.items[0].is_success());
    assert_eq!(log.items[0].endpoint_id, made.endpoint.id);
}

pub(crate) async fn a_slow_endpoint_fills_its_own_lane_only(home: Home) {
    let world = world(home);
    let slow = Receiver::start(|_, _| Act::Hang).await;
    let quick = Receiver::start(|_, _| Act::Answer(200)).await;
    world
        .store
        .create_endpoint("acme", &endpoint(&slow.url))
        .unwrap();
    world
        .store
        .create_endpoint("acme", &endpoint(&quick.url))
        .unwrap();
    let mut config = engine_config();
    // It hangs for as long as this test runs.
    config.request_timeout = Duration::from_secs(600);
    let engine = Engine::start(Arc::clone(&world.store), config).unwrap();
    let ids = world.append(0..600);
    let seen = quick.wait_for(600).await;
    let arrived: HashSet<_> = seen.iter().map(|one| one.id.clone()).collect();
    assert_eq!(arrived, ids.into_iter().collect());
    slow.wait_for(4).await;
    assert_eq!(slow.seen().len(), 4, "four places");
    engine.stop().await;
}

pub(crate) async fn ping_goes_to_one_endpoint_whatever_it_wants(home: Home) {
    let world = world(home);
    let receivers = [
        Receiver::start(|_, _| Act::Answer(200)).await,
        Receiver::start(|_, _| Act::Answer(200)).await,
    ];
    let made: Vec<_> = receivers
        .iter()
        .map(|r| {
            world
                .store
                .create_endpoint("acme", &endpoint(&r.url))
                .unwrap()
        })
        .collect();
    let _engine = world.engine();
    let id = world.store.ping("acme", &made[1].endpoint.id).unwrap();
    let seen = receivers[1].wait_for(1).await;
    assert_eq!(seen[0].id, id);
    assert_eq!(seen[0].body["type"], "ping.triggered");
    seen[0].verify(&made[1].secret);
    world.settled(&id, DeliveryStatus::Delivered, 1).await;
    assert!(receivers[0].seen().is_empty());
}

pub(crate) async fn an_endpoint_that_is_switched_off_gets_its_events_when_it_is_on_again(
    home: Home,
) {
    let world = world(home);
    let receiver = Receiver::start(|_, before| match before {
        0 => Act::Answer(500),
        _ => Act::Answer(200),
    })
    .await;
    let made = world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let _engine = world.engine();
    let id = world.append(1..2).remove(0);
    world.settled(&id, DeliveryStatus::Pending, 1).await;
    let switch = |active| EndpointPatch {
        active: Some(active),
        ..EndpointPatch::default()
    };
    let end = made.endpoint.id.as_str();
    world
        .store
        .patch_endpoint("acme", end, &switch(false))
        .unwrap();
    world.clock.advance(Duration::from_secs(3_600));
    let other = world.append(2..3).remove(0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(receiver.seen().len(), 1);
    world
        .store
        .patch_endpoint("acme", end, &switch(true))
        .unwrap();
    world.settled(&id, DeliveryStatus::Delivered, 2).await;
    assert!(
        world.event(&other).deliveries.is_empty(),
        "it came while it was off"
    );
    // Deleted: what waits is gone, and the engine goes on.
    world.store.delete_endpoint("acme", end).unwrap();
    let again = world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let id = world.append(3..4).remove(0);
    world.settled(&id, DeliveryStatus::Pending, 1).await;
    world.clock.advance(Duration::from_secs(2));
    world.settled(&id, DeliveryStatus::Delivered, 2).await;
    receiver.seen().last().unwrap().verify(&again.secret);
}

pub(crate) async fn the_order_sequence_lets_the_receiver_restore_order(home: Home) {
    let world = world(home);
    // The first try of odd ones fails, so that they come late.
    let receiver = Receiver::start(|seen, before| {
        let is_odd = seen.body["order_sequence"].as_u64().unwrap() % 2 == 1;
        match is_odd && before == 0 {
            true => Act::Answer(500),
            false => Act::Answer(200),
        }
    })
    .await;
    world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let _engine = world.engine();
    let orders = ["ord_a", "ord_b", "ord_c"];
    for sequence in 1..=8 {
        let events = orders.map(|order| event("acme", order, sequence));
        world.store.append(&events, &Progress::default()).unwrap();
    }
    // 12 of 24 come twice.
    receiver.wait_for(24).await;
    for order in orders {
        for sequence in 1..=8 {
            quiet(&world, &event("acme", order, sequence).id()).await;
        }
    }
    world.clock.advance(Duration::from_secs(2));
    let seen = receiver.wait_for(36).await;
    let mut taken: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut waiting: HashMap<String, BTreeMap<u64, ()>> = HashMap::new();
    let mut out_of_order = 0;
    let mut last = HashMap::new();
    // Delivered ones only: a receiver that fails does not count.
    let mut tries: HashMap<String, usize> = HashMap::new();
    for one in &seen {
        let order = one.body["order_id"].as_str().unwrap().to_owned();
        let sequence = one.body["order_sequence"].as_u64().unwrap();
        let tried = tries.entry(one.id.clone()).or_default();
        *tried += 1;
        if sequence % 2 == 1 && *tried == 1 {
            continue;
        }
        out_of_order += usize::from(last.insert(order.clone(), sequence) > Some(sequence));
        let queue = waiting.entry(order.clone()).or_default();
        queue.insert(sequence, ());
        let done = taken.entry(order).or_default();
        while queue.remove(&(done.len() as u64 + 1)).is_some() {
            done.push(done.len() as u64 + 1);
        }
    }
    assert!(out_of_order > 0, "nothing had to be put in order");
    for order in orders {
        assert_eq!(taken[order], (1..=8).collect::<Vec<_>>(), "{order}");
    }
}

pub(crate) async fn the_log_is_bounded(home: Home) {
    let short = Rules {
        log_entries_max: 7,
        ..Rules::default()
    };
    let clock = clock();
    let store = home.open_with(&clock, short);
    let receiver = Receiver::start(|_, _| Act::Answer(200)).await;
    store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let engine = Engine::start(Arc::clone(&store), engine_config()).unwrap();
    let events: Vec<_> = (0..40)
        .map(|n| event("acme", &format!("ord_{n}"), 1))
        .collect();
    store.append(&events, &Progress::default()).unwrap();
    receiver.wait_for(40).await;
    let is_done = |id: &str| {
        let deliveries = store.event("acme", id).unwrap().deliveries;
        deliveries
            .iter()
            .all(|d| d.status == DeliveryStatus::Delivered)
    };
    for event in &events {
        while !is_done(&event.id()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let log = || store.deliveries("acme", &DeliveryFilter::default(), &Page::default());
    assert_eq!(log().unwrap().items.len(), 7);
    assert!(
        log()
            .unwrap()
            .items
            .iter()
            .all(|d| d.kind == EventKind::OrderCreated)
    );
    engine.stop().await;
}

pub(crate) async fn an_address_that_is_not_public_is_not_called(home: Home) {
    let clock = clock();
    let receiver = Receiver::start(|_, _| Act::Answer(200)).await;
    let store = home.open(&clock);
    store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    store.create_endpoint("acme", &endpoint(&by_name)).unwrap();
    let by_name = by_name.replace("http:", "https:");
    store.create_endpoint("acme", &endpoint(&by_name)).unwrap();
    drop(store);
    // The setting is another one now.
    let strict = Rules {
        allow_private: false,
        ..Rules::default()
    };
    let store = home.open_with(&clock, strict);
    let _engine = Engine::start(Arc::clone(&store), engine_config()).unwrap();
    let event = event("acme", "ord_1", 1);
    store
        .append(std::slice::from_ref(&event), &Progress::default())
        .unwrap();
    let log = loop {
        let log = store.deliveries("acme", &DeliveryFilter::default(), &Page::default());
        let log = log.unwrap().items;
        if log.len() >= 3 {
            break log;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    for entry in log {
        assert_eq!(entry.response_code, None);
        let error = entry.error.unwrap();
        let says = match entry.url.starts_with("https:") {
            true => "not a public address",
            false => "must begin with https://",
        };
        assert!(error.contains(says), "{}: {error}", entry.url);
    }
    assert!(receiver.seen().is_empty());
}
