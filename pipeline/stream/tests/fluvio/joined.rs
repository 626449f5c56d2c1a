//! Several writers of one topic at the same time, while everything breaks.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flightline_stream::fluvio::{delete_topic, servers};
use flightline_stream::testing::{Sampler, fluvio_for_tests, new_topic};
use flightline_stream::{FluvioConfig, FluvioLog, StreamLog};

use crate::load::{Load, PARTITIONS, Told, config, everything};
use crate::proxy::{Proxy, Weather};

/// Both appended and read each other: they hold the same, with everything that was answered in it once.
fn judge_both(configs: [&FluvioConfig; 2], logs: [FluvioLog; 2], told: &[Told]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while logs[0].end_offsets().unwrap() != logs[1].end_offsets().unwrap() {
        assert!(Instant::now() < deadline, "they do not come together");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let found = everything(&logs[0]);
    assert!(found == everything(&logs[1]), "the copies differ");
    let mut times: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    for ((partition, _), record) in &found {
        *times.entry((*partition, record)).or_default() += 1;
    }
    assert!(times.values().all(|n| *n == 1), "a record is there twice");
    for (partition, record) in told.iter().flatten() {
        assert!(
            times.contains_key(&(*partition, record)),
            "partition {partition} lost {record}"
        );
    }
    drop(logs);
    let dir = tempfile::tempdir().unwrap();
    for shared in [true, false] {
        let mut fresh = configs[0].clone();
        fresh.copy.path = dir.path().join(format!("copy-{shared}"));
        fresh.redirects.clear();
        let fresh = match shared {
            true => FluvioLog::join(fresh).unwrap(),
            false => FluvioLog::open(fresh).unwrap(),
        };
        assert!(
            everything(&fresh) == found,
            "the topic and the copies differ"
        );
    }
}

#[test]
fn two_writers_have_one_order_in_any_weather() {
    let Some(controller) = fluvio_for_tests("two writers in bad weather") else {
        return;
    };
    let seed = std::env::var("FLIGHTLINE_TEST_SEED").ok();
    let seed = seed.map_or(1, |s| s.parse().expect("FLIGHTLINE_TEST_SEED is a number"));
    eprintln!("FLIGHTLINE_TEST_SEED={seed}");
    let mut random = Sampler::new(seed);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let url = new_topic(&controller, "joined");
    let [mut bad, good] = dirs.each_ref().map(|dir| config(&url, dir.path()));
    bad.request_timeout = Duration::from_millis(300);
    // Of the two, one has all the weather.
    let good_log = FluvioLog::join(good.clone()).unwrap();
    let proxies: Vec<_> = servers(&bad)
        .unwrap()
        .into_iter()
        .map(|server| (Proxy::to(&server), server))
        .collect();
    bad.redirects = proxies
        .iter()
        .map(|(proxy, server)| (server.clone(), proxy.address()))
        .collect();
    let bad_log = FluvioLog::join(bad.clone()).unwrap();
    assert_eq!(bad_log.stream_id(), good_log.stream_id());
    let mut told_good = Told::new();
    let told_bad = Load::run_shared(&bad_log, "bad", 3, |load| {
        told_good = Load::run_shared(&good_log, "good", 3, |other| {
            for round in 0..40 {
                load.goes_on(10);
                let proxy = &proxies[random.below(proxies.len() as u64) as usize].0;
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
                // The other one goes on whatever happens to the first.
                other.goes_on(10);
                std::thread::park_timeout(Duration::from_millis(random.below(500)));
                proxy.set(Weather::Clear);
                load.goes_on(1);
            }
            load.goes_on(20);
        });
    });
    let stats = bad_log.stats();
    let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    eprintln!(
        "{} and {} records answered; {stats:?}",
        told_bad.len(),
        told_good.len()
    );
    assert!(count(&stats.settled) > 0, "the faults met no append");
    judge_both([&bad, &good], [bad_log, good_log], &[told_bad, told_good]);
    delete_topic(&good).unwrap();
}

#[test]
fn two_writers_go_on_after_the_spu_was_killed() {
    let Some(controller) = fluvio_for_tests("killing the SPU under two writers") else {
        return;
    };
    let Ok(program) = std::env::var("FLIGHTLINE_TEST_FLUVIO_KILL") else {
        eprintln!("SKIPPED: killing the SPU: FLIGHTLINE_TEST_FLUVIO_KILL is not set");
        return;
    };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let url = new_topic(&controller, "joined-kill");
    let configs = dirs.each_ref().map(|dir| {
        let mut config = config(&url, dir.path());
        config.request_timeout = Duration::from_secs(2);
        config
    });
    let logs = configs
        .each_ref()
        .map(|config| FluvioLog::join(config.clone()).unwrap());
    let mut told_two = Told::new();
    let told_one = Load::run_shared(&logs[0], "one", 3, |one| {
        told_two = Load::run_shared(&logs[1], "two", 3, |two| {
            for _ in 0..3 {
                one.goes_on(100);
                two.goes_on(100);
                let status = Command::new(&program).arg("spu").status().unwrap();
                assert!(status.success(), "{program} spu: {status}");
                one.goes_on(100);
                two.goes_on(100);
            }
        });
    });
    eprintln!(
        "{} and {} records answered; {:?}; {:?}",
        told_one.len(),
        told_two.len(),
        logs[0].stats(),
        logs[1].stats()
    );
    assert_eq!(logs[0].partitions(), PARTITIONS);
    judge_both([&configs[0], &configs[1]], logs, &[told_one, told_two]);
    delete_topic(&configs[0]).unwrap();
}
