//! Deliveries that fail: tried again, given up, asked for again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flightline_connectors::webhooks::{Clock, DeliveryFilter, DeliveryStatus, Engine, Page};

use super::home::Home;
use super::receiver::{Act, Receiver};
use super::support::{START_MS, endpoint};
use super::world::{engine_config, quiet, world};

pub(crate) async fn errors_lost_answers_and_redirects_are_tried_again_with_growing_pauses(
    home: Home,
) {
    let world = world(home);
    let receiver = Receiver::start(|_, before| match before {
        0 => Act::Answer(500),
        1 => Act::Drop,
        2 => Act::Redirect,
        _ => Act::Answer(200),
    })
    .await;
    world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let _engine = world.engine();
    let ids = world.append(1..2);
    let mut pauses = Vec::new();
    for attempt in 1..=3 {
        world
            .settled(&ids[0], DeliveryStatus::Pending, attempt)
            .await;
        let at_ms = world.event(&ids[0]).deliveries[0].at_ms;
        let pause_ms = at_ms - world.clock.now_ms();
        pauses.push(pause_ms);
        // Not a moment earlier.
        world
            .clock
            .advance(Duration::from_millis(pause_ms as u64 - 1));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(receiver.seen().len(), attempt as usize);
        world.clock.advance(Duration::from_millis(1));
    }
    world.settled(&ids[0], DeliveryStatus::Delivered, 4).await;
    for (pause_ms, doubled) in pauses.iter().zip([1_000, 2_000, 4_000]) {
        assert!(
            (doubled * 4 / 5..=doubled * 6 / 5).contains(pause_ms),
            "{pauses:?}"
        );
    }
    let seen = receiver.seen();
    assert_eq!(seen.len(), 4);
    assert!(
        seen.iter().all(|one| one.raw == seen[0].raw),
        "the same bytes each time"
    );
    assert!(
        seen.iter()
            .all(|one| one.signature != seen[0].signature || one.raw == seen[0].raw)
    );
    let log = |success| {
        let filter = DeliveryFilter {
            delivery_success: success,
            ..DeliveryFilter::default()
        };
        world
            .store
            .deliveries("acme", &filter, &Page::default())
            .unwrap()
            .items
    };
    let codes: Vec<_> = log(None).iter().map(|entry| entry.response_code).collect();
    assert_eq!(
        codes,
        [Some(200), Some(307), None, Some(500)],
        "newest first"
    );
    assert_eq!(log(Some(true)).len(), 1);
    assert_eq!(log(Some(false)).len(), 3);
}

pub(crate) async fn a_request_without_an_answer_ends(home: Home) {
    let world = world(home);
    let receiver = Receiver::start(|_, before| match before {
        0 => Act::Hang,
        _ => Act::Answer(200),
    })
    .await;
    world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let mut config = engine_config();
    config.request_timeout = Duration::from_millis(300);
    let _engine = Engine::start(Arc::clone(&world.store), config).unwrap();
    let ids = world.append(1..2);
    world.settled(&ids[0], DeliveryStatus::Pending, 1).await;
    world.clock.advance(Duration::from_secs(2));
    world.settled(&ids[0], DeliveryStatus::Delivered, 2).await;
    let log = world
        .store
        .deliveries("acme", &DeliveryFilter::default(), &Page::default());
    assert_eq!(
        log.unwrap().items[1].error.as_deref(),
        Some("no answer in time")
    );
}

pub(crate) async fn an_endpoint_that_was_away_for_an_hour_gets_everything(home: Home) {
    let world = world(home);
    let is_up = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&is_up);
    let receiver = Receiver::start(move |_, _| match theirs.load(Ordering::SeqCst) {
        true => Act::Answer(200),
        false => Act::Drop,
    })
    .await;
    world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let engine = world.engine();
    let ids = world.append(0..20);
    // An hour, in steps; each attempt ends before the clock goes on.
    let start_ms = world.clock.now_ms();
    while world.clock.now_ms() < start_ms + 3_600_000 {
        for id in &ids {
            quiet(&world, id).await;
        }
        world.clock.advance(Duration::from_secs(120));
    }
    for id in &ids {
        quiet(&world, id).await;
        let delivery = &world.event(id).deliveries[0];
        assert_eq!(delivery.status, DeliveryStatus::Pending);
        assert!((8..=14).contains(&delivery.attempts), "{delivery:?}");
    }
    engine.stop().await;
    // The engine is another one, too.
    is_up.store(true, Ordering::SeqCst);
    let _engine = world.engine();
    world.clock.advance(Duration::from_secs(3_600));
    for id in &ids {
        for _ in 0..6_000 {
            if world.event(id).deliveries[0].status == DeliveryStatus::Delivered {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(
            world.event(id).deliveries[0].status,
            DeliveryStatus::Delivered
        );
    }
}

pub(crate) async fn after_three_days_it_is_given_up_and_can_be_asked_for_again(home: Home) {
    let world = world(home);
    let is_up = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&is_up);
    let receiver = Receiver::start(move |_, _| match theirs.load(Ordering::SeqCst) {
        true => Act::Answer(200),
        false => Act::Answer(503),
    })
    .await;
    let made = world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let _engine = world.engine();
    let id = world.append(1..2).remove(0);
    let mut attempts = 0;
    loop {
        quiet(&world, &id).await;
        let delivery = world.event(&id).deliveries.remove(0);
        assert!(delivery.attempts > attempts);
        attempts = delivery.attempts;
        if delivery.status == DeliveryStatus::Failed {
            break;
        }
        let pause_ms = delivery.at_ms - world.clock.now_ms();
        assert!((800..=3_600_000).contains(&pause_ms));
        world.clock.advance(Duration::from_millis(pause_ms as u64));
    }
    let hours = (world.clock.now_ms() - START_MS) / 3_600_000;
    assert!((70..=72).contains(&hours), "given up after {hours} h");
    assert!((70..=110).contains(&attempts), "{attempts} attempts");
    // It is kept, listed as failed, and nothing happens by itself.
    world.clock.advance(Duration::from_secs(10 * 86_400));
    assert_eq!(world.store.sweep().unwrap(), 0);
    let requests = receiver.seen().len();
    assert_eq!(requests, attempts as usize);
    is_up.store(true, Ordering::SeqCst);
    let count = world
        .store
        .redeliver("acme", &id, Some(&made.endpoint.id))
        .unwrap();
    assert_eq!(count, 1);
    world.settled(&id, DeliveryStatus::Delivered, 1).await;
    // One that was delivered can be asked for again as well.
    assert_eq!(world.store.redeliver("acme", &id, None).unwrap(), 1);
    receiver.wait_for(requests + 2).await;
}

pub(crate) async fn what_is_asked_for_again_during_an_attempt_is_made_again(home: Home) {
    let world = world(home);
    let receiver = Receiver::start(|_, before| match before {
        0 => Act::Hang,
        _ => Act::Answer(200),
    })
    .await;
    world
        .store
        .create_endpoint("acme", &endpoint(&receiver.url))
        .unwrap();
    let mut config = engine_config();
    config.request_timeout = Duration::from_millis(500);
    // The attempt under way would be the last.
    config.backoff.give_up_after = Duration::ZERO;
    let _engine = Engine::start(Arc::clone(&world.store), config).unwrap();
    let id = world.append(1..2).remove(0);
    receiver.wait_for(1).await;
    assert_eq!(world.store.redeliver("acme", &id, None).unwrap(), 1);
    world.settled(&id, DeliveryStatus::Delivered, 1).await;
    assert_eq!(receiver.seen().len(), 2);
}
