//! What Fluvio and its client were seen to do, done to the adapter.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::rebuild::rebuild_for_tests;
use super::scripted::{OnFetch, OnProduce, Scripted};
use crate::error::StreamError;
use crate::group::Group;
use crate::port::StreamLog;

pub(super) fn group(records: &[(u32, &str)]) -> Group {
    let mut group = Group::new();
    for (partition, record) in records {
        group.push(*partition, record.as_bytes());
    }
    group
}

pub(super) fn read(log: &dyn StreamLog, partition: u32) -> Vec<String> {
    let batch = log.read(partition, 0, usize::MAX, usize::MAX).unwrap();
    let texts = batch
        .records()
        .map(|(_, r)| String::from_utf8_lossy(r).into_owned());
    texts.collect()
}

/// What a replica without any history reads from the topic.
pub(super) fn read_fresh(cluster: &Scripted, partition: u32) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    read(&cluster.open(dir.path()).unwrap(), partition)
}

/// Whatever happens to a request, its records are in the topic once, and the caller hears of it.
#[test]
fn an_unknown_outcome_is_settled_without_loss_or_double() {
    use OnProduce::{Delay, Double, Good, Half, LoseAnswer, LoseRequest};
    let cases: &[&[OnProduce]] = &[
        &[LoseAnswer],
        &[LoseRequest],
        &[Delay],
        &[Half],
        &[Double],
        // The fence is lost too, in every way.
        &[LoseAnswer, LoseRequest],
        &[LoseAnswer, LoseAnswer],
        &[LoseRequest, LoseAnswer, LoseRequest, LoseAnswer],
        &[Delay, LoseRequest],
        &[Delay, Delay, LoseAnswer],
        &[Half, LoseAnswer],
        // What is sent again is lost again.
        &[LoseRequest, Good, LoseRequest, Good, LoseAnswer],
        &[Delay, Good, Delay, Good, Delay],
        &[Half, Good, Half, Good, Double],
    ];
    for case in cases {
        let cluster = Scripted::new(3);
        let dir = tempfile::tempdir().unwrap();
        let log = cluster.open(dir.path()).unwrap();
        log.append(&group(&[(0, "before"), (2, "before")])).unwrap();
        cluster.next_produce(case);
        let ticket = log.append(&group(&[(0, "a"), (2, "b"), (0, "c")])).unwrap();
        assert_eq!(ticket.bases, [(0, 1), (2, 1)], "{case:?}");
        log.append(&group(&[(2, "after"), (0, "after")])).unwrap();
        let expected = [
            vec!["before", "a", "c", "after"],
            vec![],
            vec!["before", "b", "after"],
        ];
        for (partition, expected) in (0..).zip(&expected) {
            assert_eq!(read(&log, partition), *expected, "{case:?}");
            assert_eq!(read_fresh(&cluster, partition), *expected, "{case:?}");
        }
        assert!(log.stats().settled.load(Ordering::Relaxed) > 0, "{case:?}");
    }
}

#[test]
fn a_cluster_that_is_away_is_waited_for() {
    let cluster = Scripted::new(1);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.open(dir.path()).unwrap();
    cluster.next_produce(&[OnProduce::LoseRequest]);
    cluster.lock().away = 4;
    log.append(&group(&[(0, "a")])).unwrap();
    assert_eq!(read(&log, 0), ["a"]);
}

#[test]
fn who_waits_for_a_cluster_that_is_away_can_be_let_go() {
    let cluster = Scripted::new(1);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.open(dir.path()).unwrap();
    log.append(&group(&[(0, "before")])).unwrap();
    cluster.next_produce(&[OnProduce::LoseAnswer]);
    cluster.lock().away = u32::MAX;
    let error = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| log.append(&group(&[(0, "lost sight of")])));
        while cluster.lock().away > u32::MAX - 3 {
            std::thread::yield_now();
        }
        log.interrupt();
        waiting.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, StreamError::Cluster { .. }), "{error}");
    assert!(!error.nothing_was_written());
    assert!(log.append(&group(&[(0, "no more")])).is_err());
    assert_eq!(read(&log, 0), ["before"], "what was answered can be read");
    drop(log);
    // It was in the topic after all, and the next opening finds it.
    cluster.lock().away = 0;
    let log = cluster.open(dir.path()).unwrap();
    assert_eq!(read(&log, 0), ["before", "lost sight of"]);
}

/// A consumer that skips, a damaged answer, a batch that does not fit: reading again heals them.
#[test]
fn a_reader_heals_what_reading_again_can_heal() {
    let cluster = Scripted::new(2);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.open(dir.path()).unwrap();
    for n in 0..40 {
        log.append(&group(&[(n % 2, &format!("r{n}"))])).unwrap();
    }
    let expected = [read(&log, 0), read(&log, 1)];
    drop(log);
    use OnFetch::{Break, Cut, Flip, Good, Skip};
    for what in [Skip, Flip, Cut, Break] {
        let script = [what, Good, what, what, Good, Good, what];
        cluster.next_fetch(&script);
        let dir = tempfile::tempdir().unwrap();
        let log = cluster.open(dir.path()).unwrap();
        assert_eq!([read(&log, 0), read(&log, 1)], expected, "{what:?}");
        assert!(cluster.lock().on_fetch.is_empty(), "every fault was met");
        let healed = log.stats().healed.load(Ordering::Relaxed);
        assert_eq!(
            healed > 0,
            matches!(what, Skip | Flip),
            "{what:?}: {healed}"
        );
    }
}

/// What stays wrong stops the reader, who says where, and what it had before.
#[test]
fn a_hole_that_stays_is_never_read_past() {
    for (hurt, says) in [
        // The end of a promoted follower: an envelope is missing and offsets go on.
        (
            (|topic: &mut Vec<bytes::Bytes>| {
                topic.remove(6);
            }) as fn(&mut Vec<bytes::Bytes>),
            "1 of them are missing",
        ),
        (
            |topic| {
                topic.drain(3..9);
            },
            "6 of them are missing",
        ),
        (
            |topic| {
                let mut bytes = topic[6].to_vec();
                bytes[70] ^= 4;
                topic[6] = bytes.into();
            },
            "not as it was written: its checksum",
        ),
        (
            |topic| {
                let cut = topic[6].len() - 3;
                topic[6].truncate(cut);
            },
            "not as it was written",
        ),
        (
            |topic| {
                topic.drain(0..2);
            },
            "the start of the topic is missing",
        ),
    ] {
        let cluster = Scripted::new(1);
        let dir = tempfile::tempdir().unwrap();
        let log = cluster.open(dir.path()).unwrap();
        for n in 0..20 {
            log.append(&group(&[(0, &format!("record {n}"))])).unwrap();
        }
        drop(log);
        hurt(&mut cluster.lock().topic[0]);
        let fresh = tempfile::tempdir().unwrap();
        let Err(error) = cluster.open(fresh.path()) else {
            panic!("a hole was read past: {says}");
        };
        assert!(matches!(error, StreamError::TopicFault { .. }), "{error}");
        let text = error.to_string();
        for part in [says, "partition 0", "before it: ", "stream rebuild --topic"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        // Everything before it is kept, nothing behind it.
        let copy = cluster.config(fresh.path()).copy;
        let kept = read(&crate::EmbeddedLog::open(copy).unwrap(), 0);
        let expected: Vec<_> = (0..20).map(|n| format!("record {n}")).collect();
        assert!(expected.starts_with(&kept), "{kept:?}");
        assert!(kept.len() <= 5, "{kept:?}");
    }
}

/// Acknowledged records that the cluster lost: found at the next append, or at the next start, and
/// put back from the copy.
#[test]
fn a_lost_end_is_found_and_put_back() {
    for (restart, lost) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let cluster = Scripted::new(2);
        let dir = tempfile::tempdir().unwrap();
        let log = cluster.open(dir.path()).unwrap();
        for n in 0..20 {
            log.append(&group(&[(n % 2, &format!("r{n}"))])).unwrap();
        }
        let expected = [read(&log, 0), read(&log, 1)];
        let mut log = Some(log);
        if restart {
            log = None;
        }
        cluster.lock().topic[lost as usize].truncate(6);
        let error = match log.take() {
            Some(log) => log.append(&group(&[(lost, "new")])).unwrap_err(),
            None => cluster.open(dir.path()).err().expect("a lost end"),
        };
        assert!(
            matches!(error, StreamError::TopicLost { partition, .. } if partition == lost),
            "{error}"
        );
        assert!(error.to_string().contains("stream rebuild"), "{error}");
        // Until it is put back, nothing starts on it.
        assert!(cluster.open(dir.path()).is_err());
        let mut config = cluster.config(dir.path());
        if !restart {
            // The append that found it is behind the loss now: that topic cannot be mended.
            let error = rebuild_for_tests(&config, Arc::new(cluster.clone())).unwrap_err();
            assert!(matches!(error, StreamError::TopicFault { .. }), "{error}");
            cluster.lock().topic = vec![Vec::new(); 2];
            config.topic = "new".to_owned();
        }
        let report = rebuild_for_tests(&config, Arc::new(cluster.clone())).unwrap();
        assert_eq!(report.compared + report.added_to_topic, 20);
        assert!(report.added_to_topic >= 5, "{report:?}");
        let log = cluster.open(dir.path()).unwrap();
        log.append(&group(&[(lost, "after")])).unwrap();
        drop(log);
        let mut expected = expected;
        expected[lost as usize].push("after".to_owned());
        assert_eq!([read_fresh(&cluster, 0), read_fresh(&cluster, 1)], expected);
    }
}

#[test]
fn a_new_topic_is_filled_from_a_copy_whatever_the_old_one_has_become() {
    let cluster = Scripted::new(2);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.open(dir.path()).unwrap();
    for n in 0..30 {
        log.append(&group(&[(n % 2, &format!("r{n}"))])).unwrap();
    }
    let (expected, id) = ([read(&log, 0), read(&log, 1)], log.stream_id());
    drop(log);
    let other = Scripted::new(2);
    let mut config = other.config(dir.path());
    config.topic = "other".to_owned();
    let fill = || rebuild_for_tests(&config, Arc::new(other.clone())).unwrap();
    assert_eq!(fill().added_to_topic, 30);
    // As if it had been broken off between the two partitions.
    other.lock().topic[1].truncate(1);
    let rest = fill();
    assert_eq!((rest.compared, rest.added_to_topic), (15, 15));
    let again = fill();
    assert_eq!((again.compared, again.added_to_topic), (30, 0));
    assert_eq!([read_fresh(&other, 0), read_fresh(&other, 1)], expected);
    let fresh = tempfile::tempdir().unwrap();
    assert_eq!(
        other.open(fresh.path()).unwrap().stream_id(),
        id,
        "the same stream"
    );
}

#[test]
fn a_topic_with_other_records_is_left_alone() {
    let cluster = Scripted::new(1);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.open(dir.path()).unwrap();
    for n in 0..10 {
        log.append(&group(&[(0, &format!("r{n}"))])).unwrap();
    }
    let stream = log.stream_id();
    drop(log);
    // The end is lost, and another replica without it writes on.
    cluster.lock().topic[0].truncate(8);
    let other = tempfile::tempdir().unwrap();
    let log = cluster.open(other.path()).unwrap();
    assert_eq!(log.stream_id(), stream);
    for n in 0..10 {
        log.append(&group(&[(0, &format!("other {n}"))])).unwrap();
    }
    drop(log);
    let rebuilt = rebuild_for_tests(&cluster.config(dir.path()), Arc::new(cluster.clone()));
    let error = rebuilt.unwrap_err();
    assert!(
        matches!(
            error,
            StreamError::CopyDiffers {
                partition: 0,
                offset: 7,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        cluster.open(dir.path()).is_err(),
        "nor does a replica start on it"
    );
}

/// Whoever opens last writes; the one before stops, and what it wrote late is no record.
#[test]
fn a_replaced_writer_stops() {
    let cluster = Scripted::new(2);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = cluster.open(one.path()).unwrap();
    first.append(&group(&[(0, "a"), (1, "a")])).unwrap();
    let second = cluster.open(two.path()).unwrap();
    second.append(&group(&[(0, "b")])).unwrap();
    let error = first
        .append(&group(&[(0, "late"), (1, "late")]))
        .unwrap_err();
    assert!(matches!(error, StreamError::Superseded { .. }), "{error}");
    assert!(error.to_string().contains("taken over"), "{error}");
    assert!(first.append(&group(&[(1, "later")])).is_err());
    second.append(&group(&[(0, "c"), (1, "c")])).unwrap();
    assert_eq!(read(&second, 0), ["a", "b", "c"]);
    assert_eq!(read(&second, 1), ["a", "c"]);
    drop(second);
    assert_eq!(read_fresh(&cluster, 0), ["a", "b", "c"]);
    assert_eq!(read_fresh(&cluster, 1), ["a", "c"]);
}

/// A restart goes on where it was, reads what it missed, and compares what it has.
#[test]
fn a_copy_that_lags_is_caught_up_and_one_from_a_backup_too() {
    let cluster = Scripted::new(1);
    let (one, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = cluster.open(one.path()).unwrap();
    for n in 0..10 {
        log.append(&group(&[(0, &format!("r{n}"))])).unwrap();
    }
    drop(log);
    // An older copy with the newer place beside it.
    let old = cluster.open(backup.path()).unwrap();
    drop(old);
    let log = cluster.open(one.path()).unwrap();
    for n in 10..20 {
        log.append(&group(&[(0, &format!("r{n}"))])).unwrap();
    }
    drop(log);
    std::fs::copy(
        one.path().join("copy.fluvio"),
        backup.path().join("copy.fluvio"),
    )
    .unwrap();
    let expected: Vec<_> = (0..20).map(|n| format!("r{n}")).collect();
    assert_eq!(read(&cluster.open(backup.path()).unwrap(), 0), expected);
    assert_eq!(read(&cluster.open(one.path()).unwrap(), 0), expected);
}

/// Large groups go out in several batches; each is settled by itself.
#[test]
fn a_large_group_is_cut_into_batches() {
    let cluster = Scripted::new(2);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.open(dir.path()).unwrap();
    let mut large = Group::new();
    for n in 0..7_u8 {
        large.push(u32::from(n % 2), &vec![n; 900_000]);
    }
    use OnProduce::{Good, LoseAnswer, LoseRequest};
    cluster.next_produce(&[Good, LoseAnswer, Good, LoseRequest, Good]);
    log.append(&large).unwrap();
    assert_eq!(log.end_offsets().unwrap(), [4, 3]);
    let fresh = tempfile::tempdir().unwrap();
    let read = cluster.open(fresh.path()).unwrap();
    for partition in 0..2 {
        let batch = read.read(partition, 0, usize::MAX, usize::MAX).unwrap();
        let firsts: Vec<u8> = batch.records().map(|(_, r)| r[0]).collect();
        let expected: Vec<u8> = (0..7).filter(|n| u32::from(n % 2) == partition).collect();
        assert_eq!(firsts, expected);
        assert!(batch.records().all(|(_, r)| r.len() == 900_000));
    }
}
