//! The suite.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::checker::Checker;
use crate::error::StreamError;
use crate::frame::Frame;
use crate::group::{GROUP_BYTES_MAX, Group, RECORD_BYTES_MAX};
use crate::port::{Follower, StreamLog};

/// A log that can be closed and opened again. Dropping it removes what it stored.
pub trait LogUnderTest: Send {
    /// The open log.
    fn log(&self) -> &dyn StreamLog;
    /// Closes and opens it.
    fn reopen(&mut self);
}

/// Puts an implementation through everything that [`StreamLog`] promises. `make` gives a new, empty
/// log with as many partitions as it is told.
///
/// # Panics
/// When a promise is broken.
pub fn conformance<L: LogUnderTest>(mut make: impl FnMut(u32) -> L) {
    type Case = fn(&mut dyn LogUnderTest);
    let cases: &[(&str, u32, Case)] = &[
        ("an empty log is empty", 3, empty),
        ("what was appended is read", 4, append_and_read),
        ("reads keep to their limits", 2, limits),
        ("what cannot be is refused whole", 2, refusals),
        ("a scan gives everything from any offsets", 5, scans),
        ("a follower sees everything once", 3, follows),
        ("a follower that lags is served", 2, lagging_follower),
        (
            "appenders at the same time do not disturb each other",
            7,
            concurrent,
        ),
        (
            "groups are ordered as they were submitted",
            1,
            submission_order,
        ),
        ("a trimmed log refuses what is gone", 3, trims),
        ("a reopened log is the same log", 64, reopens),
    ];
    for (name, partitions, case) in cases {
        // Shown by the test runner when the case fails.
        eprintln!("conformance: {name}");
        let mut log = make(*partitions);
        assert_eq!(log.log().partitions(), *partitions);
        case(&mut log);
    }
}

const ALL: usize = usize::MAX;
const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(30);

fn group(records: &[(u32, &str)]) -> Group {
    let mut group = Group::new();
    for (partition, record) in records {
        group.push(*partition, record.as_bytes());
    }
    group
}

fn append(log: &dyn StreamLog, records: &[(u32, &str)]) -> Vec<(u32, u64)> {
    match log.append(&group(records)) {
        Ok(ticket) => ticket.bases,
        Err(e) => panic!("append failed: {e}"),
    }
}

/// All records of a partition, by reads of a limited size.
fn read_all(log: &dyn StreamLog, partition: u32, from: u64, bytes: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut next = from;
    loop {
        let batch = log.read(partition, next, ALL, bytes).expect("read");
        if batch.is_empty() {
            assert_eq!(batch.next_offset, next, "an empty read does not move");
            assert_eq!(next, log.end_offset(partition).expect("end"));
            return out;
        }
        for (offset, record) in batch.records() {
            assert_eq!(offset, next, "offsets have no gap");
            next += 1;
            out.push(text(record));
        }
        assert_eq!(batch.next_offset, next);
    }
}

fn text(record: &[u8]) -> String {
    String::from_utf8_lossy(record).into_owned()
}

fn read(log: &dyn StreamLog, partition: u32) -> Vec<String> {
    read_all(log, partition, 0, ALL)
}

/// Takes frames of several partitions, each without a gap.
struct Collector {
    next: Vec<u64>,
    records: Vec<(u32, u64, String)>,
}

impl Collector {
    fn new(from: &[u64]) -> Self {
        Self {
            next: from.to_vec(),
            records: Vec::new(),
        }
    }

    fn take(&mut self, frames: &[Frame]) {
        for frame in frames {
            let next = &mut self.next[frame.partition() as usize];
            assert_eq!(frame.base_offset(), *next, "a gap or a double");
            assert!(!frame.is_empty(), "empty frames are not delivered");
            *next = frame.end_offset();
            self.records.extend(
                frame
                    .iter()
                    .map(|(offset, record)| (frame.partition(), offset, text(record))),
            );
        }
    }

    fn follow(&mut self, follower: &mut dyn Follower, upto: &[u64]) {
        let deadline = Instant::now() + LONG;
        while self.next != upto {
            self.take(&follower.next(SOON).expect("follow"));
            assert!(Instant::now() < deadline, "{:?} of {upto:?}", self.next);
        }
    }
}

fn scan(log: &dyn StreamLog, from: &[u64]) -> Collector {
    let mut collector = Collector::new(from);
    for frames in log.scan(from).expect("scan") {
        collector.take(&frames.expect("scan"));
    }
    collector
}

fn empty(log: &mut dyn LogUnderTest) {
    let log = log.log();
    for partition in 0..3 {
        assert_eq!(log.end_offset(partition).expect("end"), 0);
        assert_eq!(log.low_water(partition).expect("low water"), 0);
        assert_eq!(read(log, partition), [""; 0]);
    }
    assert_eq!(log.end_offsets().expect("ends"), [0, 0, 0]);
    assert!(scan(log, &[0, 0, 0]).records.is_empty());
    let mut follower = log.follow(&[0, 0, 0]).expect("follow");
    assert!(follower.next(NOW).expect("next").is_empty());
    assert!(append(log, &[]).is_empty(), "an empty group is nothing");
    assert!(follower.next(SOON).expect("next").is_empty());
    assert_eq!(log.end_offsets().expect("ends"), [0, 0, 0]);
}

fn append_and_read(log: &mut dyn LogUnderTest) {
    let log = log.log();
    assert_eq!(append(log, &[(1, "a")]), [(1, 0)]);
    assert_eq!(
        append(log, &[(3, "b"), (1, "c"), (3, "d"), (0, "")]),
        [(3, 0), (1, 1), (0, 0)]
    );
    let ticket = log.append(&group(&[(1, "e")])).expect("append");
    assert_eq!((ticket.base(1), ticket.base(3)), (Some(2), None));
    assert_eq!(log.end_offsets().expect("ends"), [1, 3, 0, 2]);
    assert_eq!(read(log, 0), [""]);
    assert_eq!(read(log, 1), ["a", "c", "e"]);
    assert_eq!(read(log, 2), [""; 0]);
    assert_eq!(read(log, 3), ["b", "d"]);
    assert_eq!(read_all(log, 1, 1, ALL), ["c", "e"]);
    // Many groups, so that a backend's own batches and indexes come into play.
    for n in 0..500 {
        append(log, &[(2, &format!("r{n}"))]);
    }
    for from in [0, 1, 63, 64, 65, 499, 500] {
        let expected: Vec<_> = (from..500).map(|n| format!("r{n}")).collect();
        assert_eq!(read_all(log, 2, from, ALL), expected);
        assert_eq!(read_all(log, 2, from, 40), expected, "in small reads");
    }
    assert_eq!(read(log, 3), ["b", "d"], "far from the end");
    let large = "x".repeat(RECORD_BYTES_MAX);
    append(log, &[(3, &large)]);
    assert_eq!(read_all(log, 3, 2, 10), [large]);
}

fn limits(log: &mut dyn LogUnderTest) {
    let log = log.log();
    append(
        log,
        &[(0, "aaaaaaaaaa"), (0, "bbbbbbbbbb"), (0, "cccccccccc")],
    );
    append(log, &[(0, "dddddddddd"), (1, "eeeeeeeeee")]);
    for (records, bytes, expected) in [
        (1, ALL, 1),
        (2, ALL, 2),
        (4, ALL, 4),
        (9, ALL, 4),
        (ALL, 1, 1),
        (ALL, 30, 2),
        (0, 0, 1),
    ] {
        let batch = log.read(0, 0, records, bytes).expect("read");
        assert_eq!(batch.len(), expected, "{records} records, {bytes} bytes");
        assert_eq!(batch.next_offset, expected as u64);
    }
}

fn refusals(log: &mut dyn LogUnderTest) {
    let log = log.log();
    append(log, &[(0, "kept")]);
    let too_large = "x".repeat(RECORD_BYTES_MAX + 1);
    for (records, is_expected) in [
        (
            group(&[(0, "a"), (2, "b")]),
            (|e| matches!(e, StreamError::NoSuchPartition { partition: 2, .. }))
                as fn(&StreamError) -> bool,
        ),
        (group(&[(1, "a"), (0, &too_large)]), |e| {
            matches!(e, StreamError::TooLarge { .. })
        }),
        (
            {
                let mut group = Group::new();
                let record = vec![0; RECORD_BYTES_MAX];
                (0..=GROUP_BYTES_MAX / RECORD_BYTES_MAX).for_each(|_| {
                    group.push(0, &record);
                });
                group
            },
            |e| matches!(e, StreamError::TooLarge { .. }),
        ),
    ] {
        let error = log.append(&records).expect_err("must be refused");
        assert!(is_expected(&error), "{error}");
        assert!(error.nothing_was_written(), "{error}");
        assert_eq!(log.end_offsets().expect("ends"), [1, 0]);
    }
    let beyond = |e| {
        matches!(
            e,
            StreamError::BeyondEnd {
                partition: 0,
                offset: 2,
                end: 1
            }
        )
    };
    assert!(beyond(log.read(0, 2, 1, ALL).expect_err("beyond the end")));
    assert!(beyond(log.scan(&[2, 0]).err().expect("beyond the end")));
    assert!(beyond(log.follow(&[2, 0]).err().expect("beyond the end")));
    assert!(beyond(log.trim(0, 2).expect_err("beyond the end")));
    let none = |e| matches!(e, StreamError::NoSuchPartition { .. });
    assert!(none(log.read(2, 0, 1, ALL).expect_err("no partition")));
    assert!(none(log.end_offset(2).expect_err("no partition")));
    assert!(none(log.low_water(2).expect_err("no partition")));
    assert!(none(log.scan(&[0]).err().expect("one offset too few")));
    assert!(none(log.scan(&[0, 0, 0]).err().expect("one too many")));
    append(log, &[(0, "after"), (1, "after")]);
    assert_eq!(read(log, 0), ["kept", "after"]);
}

fn scans(log: &mut dyn LogUnderTest) {
    let log = log.log();
    let mut expected: Vec<Vec<String>> = vec![Vec::new(); 5];
    let mut order = Vec::new();
    for n in 0..300_u32 {
        let records: Vec<_> = (0..n % 7)
            .map(|k| ((n * 3 + k * k) % 5, format!("{n}.{k}")))
            .collect();
        let borrowed: Vec<_> = records.iter().map(|(p, r)| (*p, r.as_str())).collect();
        append(log, &borrowed);
        for (partition, record) in records {
            expected[partition as usize].push(record.clone());
            order.push((n, record));
        }
    }
    let ends: Vec<u64> = expected.iter().map(|e| e.len() as u64).collect();
    for from in [
        vec![0; 5],
        ends.clone(),
        ends.iter().map(|e| e / 2).collect(),
        vec![0, ends[1], 17, ends[3] - 1, 1],
    ] {
        let seen = scan(log, &from);
        assert_eq!(seen.next, ends);
        for partition in 0..5_u32 {
            let p = partition as usize;
            let records = seen.records.iter().filter(|r| r.0 == partition);
            let records: Vec<_> = records.map(|r| r.2.clone()).collect();
            assert_eq!(records, expected[p][from[p] as usize..]);
        }
    }
    // Over all partitions a scan keeps the order in which groups were stored.
    let groups = scan(log, &[0; 5])
        .records
        .into_iter()
        .map(|(_, _, record)| {
            let number = record.split('.').next().unwrap_or_default();
            number.parse::<u32>().expect("made above")
        });
    let groups: Vec<_> = groups.collect();
    assert!(groups.is_sorted(), "storage order");
    assert_eq!(groups.len(), order.len());
}

fn follows(log: &mut dyn LogUnderTest) {
    let log = log.log();
    append(log, &[(0, "a"), (1, "b")]);
    append(log, &[(1, "c")]);
    let mut all = log.follow(&[0, 0, 0]).expect("follow");
    let mut late = log.follow(&[1, 1, 0]).expect("follow");
    let mut all_seen = Collector::new(&[0, 0, 0]);
    let mut late_seen = Collector::new(&[1, 1, 0]);
    all_seen.follow(&mut *all, &[1, 2, 0]);
    late_seen.follow(&mut *late, &[1, 2, 0]);
    assert_eq!(late_seen.records, [(1, 1, "c".to_owned())]);
    let started = Instant::now();
    assert!(all.next(SOON).expect("next").is_empty());
    assert!(started.elapsed() >= SOON, "it waits");
    std::thread::scope(|scope| {
        let woken = scope.spawn(|| {
            let started = Instant::now();
            let frames = all.next(LONG).expect("next");
            (frames, started.elapsed())
        });
        append(log, &[(2, "d"), (0, "e")]);
        let (frames, took) = woken.join().expect("the follower");
        all_seen.take(&frames);
        assert!(took < LONG / 2, "woken by the append");
    });
    assert_eq!(all_seen.next, [2, 2, 1], "a group is delivered whole");
    for n in 0..1000 {
        append(log, &[(n % 3, &format!("f{n}"))]);
    }
    let ends = log.end_offsets().expect("ends");
    all_seen.follow(&mut *all, &ends);
    late_seen.follow(&mut *late, &ends);
    assert_eq!(late_seen.records.len() + 2, all_seen.records.len());
    assert_eq!(all_seen.records[2..], late_seen.records[..]);
    assert_eq!(scan(log, &[0, 0, 0]).records, all_seen.records);
}

fn lagging_follower(log: &mut dyn LogUnderTest) {
    let log = log.log();
    let mut follower = log.follow(&[0, 0]).expect("follow");
    // More than anyone should keep for a follower: 48 MiB.
    let large = "x".repeat(64 << 10);
    for n in 0..48 {
        let mut group = Group::new();
        for k in 0..16 {
            group.push(k % 2, format!("{n}.{k}{large}").as_bytes());
        }
        log.append(&group).expect("append");
    }
    let mut seen = Collector::new(&[0, 0]);
    seen.follow(&mut *follower, &[384, 384]);
    append(log, &[(0, "last")]);
    seen.follow(&mut *follower, &[385, 384]);
    assert_eq!(seen.records.last().map(|r| r.2.as_str()), Some("last"));
}

fn concurrent(log: &mut dyn LogUnderTest) {
    const THREADS: u32 = 6;
    const GROUPS: u32 = 60;
    let log = log.log();
    let answers = Mutex::new(BTreeMap::new());
    let done = AtomicBool::new(false);
    let followed = std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut follower = log.follow(&[0; 7]).expect("follow");
            let mut seen = Collector::new(&[0; 7]);
            loop {
                let finished = done.load(Ordering::SeqCst);
                let frames = follower.next(SOON).expect("next");
                if finished && frames.is_empty() {
                    return seen;
                }
                seen.take(&frames);
            }
        });
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let answers = &answers;
                scope.spawn(move || {
                    for n in 0..GROUPS {
                        let mut group = Group::new();
                        let mut names = Vec::new();
                        for k in 0..1 + n % 4 {
                            let partition = (thread + n * k) % 7;
                            let name = format!("t{thread}.{n:04}.{k}");
                            let position = group.push(partition, name.as_bytes());
                            names.push((partition, position, name));
                        }
                        let ticket = log.append(&group).expect("append");
                        let mut answers = answers.lock().expect("answers");
                        for (partition, position, name) in names {
                            let base = ticket.base(partition).expect("a base");
                            let old = answers.insert((partition, base + u64::from(position)), name);
                            assert_eq!(old, None, "an offset was given twice");
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("a writer");
        }
        done.store(true, Ordering::SeqCst);
        follower.join().expect("the follower")
    });
    let answers = answers.into_inner().expect("answers");
    let by_place = |records: &[(u32, u64, String)]| -> BTreeMap<(u32, u64), String> {
        records
            .iter()
            .map(|(p, o, r)| ((*p, *o), r.clone()))
            .collect()
    };
    let scanned = scan(log, &[0; 7]);
    assert_eq!(by_place(&scanned.records), answers);
    assert_eq!(scanned.records, followed.records);
    for thread in 0..THREADS {
        let prefix = format!("t{thread}.");
        for partition in 0..7 {
            let mine = scanned.records.iter().filter(|r| r.0 == partition);
            let mine: Vec<_> = mine
                .filter(|r| r.2.starts_with(&prefix))
                .map(|r| &r.2)
                .collect();
            assert!(mine.is_sorted(), "a caller's groups keep their order");
        }
    }
}

fn submission_order(log: &mut dyn LogUnderTest) {
    let log = log.log();
    let tickets: Vec<_> = (0..50)
        .map(|n| {
            log.submit(&group(&[(0, &format!("s{n:02}"))]))
                .expect("submit")
        })
        .collect();
    // Waiting for the last in the order makes all before it durable.
    for ticket in tickets.iter().rev() {
        log.wait(ticket).expect("wait");
    }
    for (n, ticket) in tickets.iter().enumerate() {
        assert_eq!(ticket.base(0), Some(n as u64));
    }
    let expected: Vec<_> = (0..50).map(|n| format!("s{n:02}")).collect();
    assert_eq!(read(log, 0), expected);
}

fn trims(under_test: &mut dyn LogUnderTest) {
    let log = under_test.log();
    for n in 0..400 {
        append(log, &[(n % 2, &format!("r{n}"))]);
    }
    append(log, &[(2, "only")]);
    let trimmed = |e| {
        matches!(
            e,
            StreamError::Trimmed {
                partition: 0,
                offset: 149,
                low_water: 150
            }
        )
    };
    let mut follower = log.follow(&[150, 0, 0]).expect("follow");
    log.trim(0, 150).expect("trim");
    log.trim(0, 100).expect("going back does nothing");
    log.trim(0, 150).expect("a second time does nothing");
    let check = |log: &dyn StreamLog| {
        assert_eq!(log.low_waters().expect("low waters"), [150, 0, 0]);
        assert_eq!(log.low_water(0).expect("low water"), 150);
        assert!(trimmed(log.read(0, 149, 1, ALL).expect_err("trimmed")));
        assert!(trimmed(log.scan(&[149, 0, 0]).err().expect("trimmed")));
        assert!(trimmed(log.follow(&[149, 0, 0]).err().expect("trimmed")));
        assert_eq!(read_all(log, 0, 150, ALL).len(), 50);
        assert_eq!(read(log, 1).len(), 200, "another partition is whole");
        assert_eq!(scan(log, &[150, 0, 0]).records.len(), 251);
    };
    check(log);
    let mut seen = Collector::new(&[150, 0, 0]);
    seen.follow(&mut *follower, &[200, 200, 1]);
    drop(follower);
    // More than once: what an opening finds must not depend on what is still near the end.
    for _ in 0..3 {
        under_test.reopen();
        check(under_test.log());
    }
    let log = under_test.log();
    log.trim_all(&[(0, 200), (1, 200), (2, 1)])
        .expect("trim all");
    assert!(scan(log, &[200, 200, 1]).records.is_empty());
    assert_eq!(append(log, &[(0, "new")]), [(0, 200)]);
    under_test.reopen();
    let log = under_test.log();
    assert_eq!(log.low_waters().expect("low waters"), [200, 200, 1]);
    assert_eq!(log.end_offsets().expect("ends"), [201, 200, 1]);
    assert_eq!(read_all(log, 0, 200, ALL), ["new"]);
}

fn reopens(under_test: &mut dyn LogUnderTest) {
    let mut checkers: Vec<_> = (0..64).map(Checker::new).collect();
    let mut sampler = super::Sampler::new(7);
    let mut expected = Vec::new();
    for life in 0..4_u32 {
        under_test.reopen();
        let log = under_test.log();
        let mut group = Group::new();
        // Any producer that keeps its identity apart does.
        let mut producer = crate::Producer::new(1, life, 64);
        for n in 0..50 + life {
            group.clear();
            for _ in 0..n % 5 {
                let command = sampler.command();
                let partition = sampler.below(64) as u32;
                let draft = crate::Draft::new(sampler.id(), i64::from(n), &command);
                producer
                    .push(&mut group, partition, &draft)
                    .expect("encode");
                expected.push(command);
            }
            producer.append(log, &group).expect("append");
        }
        // Submitted and not waited for: closing writes it.
        group.clear();
        group
            .push_with(0, |out| {
                let draft = crate::Draft::new(sampler.id(), 0, &flightline_ledger::Command::Tick);
                let stamp = crate::Stamp {
                    producer: 2,
                    epoch: life,
                    sequence: 0,
                };
                crate::record::encode(out, stamp, &draft)
            })
            .expect("encode");
        log.submit(&group).expect("submit");
    }
    under_test.reopen();
    let log = under_test.log();
    let mut commands = Vec::new();
    for frames in log.scan(&[0; 64]).expect("scan") {
        for frame in frames.expect("scan") {
            for (offset, record) in &frame {
                let view = checkers[frame.partition() as usize].check(offset, record);
                commands.push(view.expect("a clean stream").command().expect("decodes"));
            }
        }
    }
    commands.retain(|c| *c != flightline_ledger::Command::Tick);
    expected.retain(|c| *c != flightline_ledger::Command::Tick);
    let sorted = |commands: &[flightline_ledger::Command]| {
        let mut texts: Vec<_> = commands.iter().map(|c| format!("{c:?}")).collect();
        texts.sort_unstable();
        texts
    };
    assert_eq!(sorted(&commands), sorted(&expected));
    let ends = log.end_offsets().expect("ends");
    let reached: Vec<_> = checkers.iter().map(|c| c.state().next_offset).collect();
    assert_eq!(ends, reached);
}
