//! A proxy between the adapter and the cluster's servers cuts, stalls, halves and resets.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flightline_stream::fluvio::{delete_topic, servers};
use flightline_stream::testing::{Sampler, fluvio_for_tests, new_topic};
use flightline_stream::{FluvioLog, StreamError, StreamLog};

use crate::load::{Load, config, judge};
use crate::proxy::{Proxy, Weather};

#[test]
fn nothing_is_lost_or_doubled_in_any_weather() {
    let Some(controller) = fluvio_for_tests("the fault suite") else {
        return;
    };
    let seed = std::env::var("FLIGHTLINE_TEST_SEED").ok();
    let seed = seed.map_or(1, |s| s.parse().expect("FLIGHTLINE_TEST_SEED is a number"));
    eprintln!("FLIGHTLINE_TEST_SEED={seed}");
    let mut random = Sampler::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&new_topic(&controller, "faults"), dir.path());
    config.request_timeout = Duration::from_millis(300);
    let proxies: Vec<_> = servers(&config)
        .unwrap()
        .into_iter()
        .map(|server| (Proxy::to(&server), server))
        .collect();
    config.redirects = proxies
        .iter()
        .map(|(proxy, server)| (server.clone(), proxy.address()))
        .collect();
    let log = FluvioLog::open(config.clone()).unwrap();
    let answers = Load::run(&log, 4, |load| {
        for round in 0..60 {
            load.goes_on(20);
            let proxy = &proxies[random.below(proxies.len() as u64) as usize].0;
            // The first bytes are the length of the answer, the next its number.
            let cut_at = random.below(200) as usize;
            match round % 7 {
                0 => proxy.cut(),
                1 => proxy.reset(),
                2 => proxy.set(Weather::HalfAnswers(cut_at)),
                3 => proxy.set(Weather::HalfRequests(cut_at)),
                4 => proxy.set(Weather::NoAnswers),
                5 => proxy.set(Weather::Stalled),
                _ => {
                    proxy.set(Weather::Refused);
                    proxy.cut();
                }
            }
            std::thread::park_timeout(Duration::from_millis(random.below(900)));
            proxy.set(Weather::Clear);
            if round % 7 >= 2 {
                // What was held back arrives, or the connection ends.
                load.goes_on(1);
            }
        }
        load.goes_on(50);
    });
    let stats = log.stats();
    let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    eprintln!("{} records answered; {stats:?}", answers.len());
    assert!(count(&stats.settled) > 0, "the faults met no append");
    assert!(
        count(&stats.found) > 0 && count(&stats.resent) > 0,
        "{stats:?}"
    );
    judge(&config, log, &answers);
    delete_topic(&config).unwrap();
}

/// Opening through bad weather either works in the end or says what is wrong.
#[test]
fn opening_is_tried_again_and_then_explained() {
    let Some(controller) = fluvio_for_tests("opening through faults") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let direct = config(&new_topic(&controller, "opening"), dir.path());
    let proxy = Proxy::to(&controller);
    let mut config = direct.clone();
    config.controller = proxy.address();
    config.request_timeout = Duration::from_millis(300);
    config.open_patience = Duration::from_secs(2);
    for weather in [
        Weather::Refused,
        Weather::Stalled,
        Weather::HalfAnswers(3),
        Weather::HalfAnswers(40),
        Weather::NoAnswers,
    ] {
        proxy.set(weather);
        let Err(error) = FluvioLog::open(config.clone()) else {
            panic!("opened through {weather:?}");
        };
        assert!(matches!(error, StreamError::Cluster { .. }), "{error}");
        assert!(error.to_string().contains(&proxy.address()), "{error}");
        proxy.set(Weather::Clear);
        proxy.cut();
    }
    // The weather clears while it is opened.
    proxy.set(Weather::Stalled);
    config.open_patience = Duration::from_secs(60);
    let log = std::thread::scope(|scope| {
        let opening = scope.spawn(|| FluvioLog::open(config.clone()));
        std::thread::park_timeout(Duration::from_secs(1));
        proxy.set(Weather::Clear);
        opening.join().unwrap()
    });
    let log = log.unwrap();
    assert_eq!(log.end_offsets().unwrap(), [0; 5]);
    drop(log);
    delete_topic(&direct).unwrap();
}

/// A topic that a stream cannot be kept in is refused before anything is written to it.
#[test]
fn a_topic_of_another_shape_is_refused() {
    let Some(controller) = fluvio_for_tests("refusing a topic of another shape") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let right = config(&new_topic(&controller, "shape"), dir.path());
    drop(FluvioLog::open(right.clone()).unwrap());
    let other = tempfile::tempdir().unwrap();
    let mut wrong = config(
        &format!("fluvio://{controller}/{}", right.topic)
            .parse()
            .unwrap(),
        other.path(),
    );
    wrong.copy.partitions = 7;
    let error = FluvioLog::open(wrong)
        .err()
        .expect("another partition count");
    assert!(
        matches!(error, StreamError::TopicMismatch { .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("5 partitions") && text.contains("set stream.partitions"),
        "{text}"
    );
    delete_topic(&right).unwrap();
}
