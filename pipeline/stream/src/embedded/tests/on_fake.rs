//! Ordering, group commit, failure and recovery, on a storage that does as it is told.

use std::time::Duration;

use super::fake_store::{Disk, FakeStore, Mood};
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::group::Group;
use crate::port::StreamLog;

fn group(partition: u32, record: &str) -> Group {
    let mut group = Group::new();
    group.push(partition, record.as_bytes());
    group
}

fn records(log: &dyn StreamLog) -> Vec<String> {
    let low_waters = log.low_waters().unwrap();
    let mut out = Vec::new();
    for frames in log.scan(&low_waters).unwrap() {
        for frame in frames.unwrap() {
            out.extend(
                frame
                    .iter()
                    .map(|(_, r)| String::from_utf8_lossy(r).into_owned()),
            );
        }
    }
    out
}

#[test]
fn callers_that_wait_together_share_one_commit() {
    let store = FakeStore::default();
    let log = store.open(4).unwrap();
    let before = store.disk().commits;
    store.set(Mood::Waits);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| log.append(&group(0, "first")).unwrap());
        store.wait_for_commit();
        let tickets: Vec<_> = (0..50)
            .map(|n| log.submit(&group(n % 4, "more")).unwrap())
            .collect();
        let log = &log;
        let waiters: Vec<_> = tickets
            .into_iter()
            .map(|ticket| scope.spawn(move || log.wait(&ticket).unwrap()))
            .collect();
        assert_eq!(log.end_offsets().unwrap(), [0; 4], "nothing is durable yet");
        store.set(Mood::Well);
        first.join().unwrap();
        waiters.into_iter().for_each(|w| w.join().unwrap());
    });
    assert_eq!(store.disk().commits - before, 2, "the first, and the fifty");
    assert_eq!(log.end_offsets().unwrap().iter().sum::<u64>(), 51);
}

#[test]
fn a_failed_sync_ends_all_writing_and_no_reading() {
    for mood in [Mood::Fails, Mood::FailsAndStores] {
        let store = FakeStore::default();
        let log = store.open(2).unwrap();
        log.append(&group(0, "kept")).unwrap();
        let mut follower = log.follow(&[0, 0]).unwrap();
        store.set(mood);
        let waiting = log.submit(&group(1, "waiting")).unwrap();
        let error = log.append(&group(0, "lost")).unwrap_err();
        assert!(matches!(error, StreamError::Io { .. }), "{error}");
        assert!(!error.nothing_was_written());
        let error = log.wait(&waiting).unwrap_err();
        assert!(
            !error.nothing_was_written(),
            "its outcome is unknown too: {error}"
        );
        // The disk is well again, and it makes no difference.
        store.set(Mood::Well);
        let commits = store.disk().commits;
        let error = log.append(&group(0, "late")).unwrap_err();
        assert!(matches!(error, StreamError::Poisoned { .. }), "{error}");
        assert!(error.nothing_was_written());
        assert!(error.to_string().contains("input/output error"), "{error}");
        assert!(error.to_string().contains("restart"), "{error}");
        assert!(log.trim(0, 1).is_err());
        assert_eq!(store.disk().commits, commits, "no second try");
        assert_eq!(records(&log), ["kept"]);
        assert_eq!(log.end_offsets().unwrap(), [1, 0]);
        assert_eq!(log.read(0, 0, 9, 99).unwrap().len(), 1);
        assert_eq!(follower.next(Duration::ZERO).unwrap().len(), 1);
        drop(log);
        assert_eq!(store.disk().commits, commits, "nor when it is closed");
        // What was not answered may be there after a restart, as a whole, or not.
        let log = store.open(2).unwrap();
        let expected: &[&str] = match mood {
            Mood::Fails => &["kept"],
            _ => &["kept", "waiting", "lost"],
        };
        assert_eq!(records(&log), expected);
        log.append(&group(0, "new")).unwrap();
    }
}

#[test]
fn a_storage_that_panics_leaves_nobody_waiting() {
    let store = FakeStore::default();
    let log = store.open(1).unwrap();
    store.set(Mood::Waits);
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| log.append(&group(0, "a")));
        store.wait_for_commit();
        let follower = scope.spawn(|| log.append(&group(0, "b")));
        store.set(Mood::Panics);
        assert!(leader.join().is_err(), "the panic reaches who caused it");
        let error = follower.join().unwrap().unwrap_err();
        assert!(matches!(
            error,
            StreamError::Storage { .. } | StreamError::Poisoned { .. }
        ));
    });
    store.set(Mood::Well);
    assert!(log.append(&group(0, "c")).is_err());
}

#[test]
fn every_opening_is_an_epoch_of_its_own() {
    let store = FakeStore::default();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let log = store.open(1).unwrap();
        let producer = log.producer();
        assert_eq!(producer.id(), 77);
        assert_eq!(producer.epoch(), log.epoch());
        seen.push(log.epoch());
    }
    assert_eq!(seen, [1, 2, 3, 4]);
    // An opening that cannot write does not give its epoch to anyone.
    store.set(Mood::Fails);
    assert!(store.open(1).is_err());
    store.set(Mood::Well);
    assert_eq!(store.open(1).unwrap().epoch(), 5);
}

/// A log with some hundred groups, closed.
fn filled() -> FakeStore {
    let store = FakeStore::default();
    let log = store.open(3).unwrap();
    for n in 0..300 {
        log.append(&group(n % 3, &format!("r{n}"))).unwrap();
    }
    drop(log);
    store
}

fn is_refused(result: Result<EmbeddedLog, StreamError>, what: &str) {
    match result {
        Err(e @ (StreamError::Corrupt { .. } | StreamError::Hole { .. })) => {
            assert!(e.to_string().contains(what), "{what}: {e}");
        }
        Err(e) => panic!("{what}: {e}"),
        Ok(_) => panic!("{what} was not seen"),
    }
}

#[test]
fn an_opening_reads_the_end_and_refuses_what_is_wrong_there() {
    type Damage = fn(&mut Disk, u64);
    let damages: &[(&str, Damage)] = &[
        ("it is missing", |disk, last| {
            disk.groups.remove(&(last - 1));
        }),
        ("bytes were changed", |disk, last| {
            let mut bytes = disk.groups[&(last - 2)].to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            disk.groups.insert(last - 2, bytes.into());
        }),
        ("another group stands in its place", |disk, last| {
            let other = disk.groups[&(last - 2)].clone();
            disk.groups.insert(last - 1, other);
        }),
        ("there are groups and no index", |disk, _| {
            disk.index.clear()
        }),
        ("index entry has a wrong length", |disk, _| {
            let (n, entry) = disk.index.last_key_value().unwrap();
            let (n, cut) = (*n, entry.slice(8..));
            disk.index.insert(n, cut);
        }),
        ("has a hole", |disk, _| {
            let (n, entry) = disk.index.last_key_value().unwrap();
            let (n, mut entry) = (*n, entry.to_vec());
            entry[0] ^= 1;
            disk.index.insert(n, entry.into());
        }),
        ("epoch is lost", |disk, _| disk.marks.clear()),
        ("trimmed above its end", |disk, _| {
            let marks = [9_999_u64, 0, 0].iter().flat_map(|n| n.to_le_bytes());
            disk.marks
                .insert("low_water", marks.collect::<Vec<_>>().into());
        }),
    ];
    for (what, damage) in damages {
        let store = filled();
        {
            let mut disk = store.disk();
            let last = *disk.groups.last_key_value().unwrap().0;
            damage(&mut disk, last);
        }
        let before = store.disk().commits;
        is_refused(store.open(3), what);
        assert_eq!(store.disk().commits, before, "{what}: nothing was written");
    }
    let store = filled();
    assert_eq!(
        records(&store.open(3).unwrap()).len(),
        300,
        "undamaged it opens"
    );
}

#[test]
fn damage_far_from_the_end_is_found_by_whoever_reads_there() {
    for missing in [true, false] {
        let store = filled();
        {
            let mut disk = store.disk();
            let mut bytes = disk.groups.remove(&20).unwrap().to_vec();
            if !missing {
                bytes[30] ^= 4;
                disk.groups.insert(20, bytes.into());
            }
        }
        let log = store.open(3).unwrap();
        let mut scan = log.scan(&[0; 3]).unwrap();
        let error = scan.find_map(Result::err).unwrap();
        assert!(matches!(error, StreamError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("group 20"), "{error}");
        assert!(scan.next().is_none(), "it does not go on after an error");
        assert!(log.follow(&[0; 3]).unwrap().next(Duration::ZERO).is_err());
        assert!(log.read(0, 0, 100, 10_000).is_err());
        // Elsewhere it can be read.
        let ends = log.end_offsets().unwrap();
        assert_eq!(log.read(0, ends[0] - 5, 100, 10_000).unwrap().len(), 5);
    }
}

#[test]
fn a_reader_that_is_overtaken_by_trimming_is_told_so() {
    let store = filled();
    let log = store.open(3).unwrap();
    let mut scan = log.scan(&[0; 3]).unwrap();
    let mut follower = log.follow(&[0; 3]).unwrap();
    log.trim_all(&[(0, 90), (1, 90), (2, 90)]).unwrap();
    assert!(store.disk().groups.len() < 100, "groups were dropped");
    assert_eq!(records(&log).len(), 30);
    // The fake gives a scan a copy from before, so this one reads on undisturbed.
    assert!(scan.all(|frames| frames.is_ok()));
    assert!(follower.next(Duration::ZERO).is_ok());
    // One that is behind and comes back after its groups went.
    let mut late = log.follow(&[90, 90, 90]).unwrap();
    for n in 0..200 {
        log.append(&group(n % 3, "x")).unwrap();
    }
    assert!(!late.next(Duration::ZERO).unwrap().is_empty());
}

#[test]
fn stamps_of_a_refused_group_are_used_again() {
    let store = FakeStore::default();
    let log = store.open(2).unwrap();
    let mut producer = log.producer();
    let push = |producer: &mut crate::Producer, group: &mut Group, partition| {
        let command = flightline_ledger::Command::Tick;
        let draft = crate::Draft::new(flightline_ledger::CommandId(1), 0, &command);
        producer.push(group, partition, &draft).unwrap();
    };
    let mut good = Group::new();
    push(&mut producer, &mut good, 1);
    producer.append(&log, &good).unwrap();
    let mut refused = Group::new();
    push(&mut producer, &mut refused, 1);
    push(&mut producer, &mut refused, 1);
    refused.push(0, &vec![0; crate::group::RECORD_BYTES_MAX + 1]);
    // The large one was not stamped here; in partition 0 nothing was.
    let mut stamped = Group::new();
    refused
        .parts()
        .filter(|(p, ..)| *p == 1)
        .for_each(|(p, count, _)| {
            (0..count).for_each(|_| {
                stamped.push(p, b"");
            });
        });
    assert!(log.append(&refused).unwrap_err().nothing_was_written());
    producer.take_back(&stamped);
    good.clear();
    push(&mut producer, &mut good, 1);
    producer.append(&log, &good).unwrap();
    let mut checker = crate::Checker::new(1);
    for (offset, record) in log.read(1, 0, 9, 999).unwrap().records() {
        checker.check(offset, record).unwrap();
    }
    assert_eq!(checker.state().next_offset, 2);
}
