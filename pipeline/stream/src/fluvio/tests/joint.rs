//! Several writers of one topic at the same time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::chain::{Chain, ChainFault, PassedOver, Taken};
use super::super::envelope::{Envelope, Holder};
use super::super::log::FluvioLog;
use super::faults::{group, read, read_fresh};
use super::scripted::{OnFetch, OnProduce, Scripted};
use crate::error::StreamError;
use crate::group::Group;
use crate::port::StreamLog;

const A: Holder = Holder { term: 1, writer: 5 };
const B: Holder = Holder { term: 1, writer: 9 };

fn payload(text: &str) -> Bytes {
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.into()
}

fn take(chain: &mut Chain, value: &Bytes) -> Result<Taken, ChainFault> {
    chain.take(chain.topic_next, value)
}

fn both_in() -> Chain {
    let mut chain = Chain::new(0);
    for holder in [A, B] {
        let joined = take(&mut chain, &Envelope::join(7, holder).encode());
        assert_eq!(joined, Ok(Taken::Joined(holder)));
    }
    chain
}

fn next(chain: &Chain, who: Holder, text: &str) -> Bytes {
    let envelope = chain.shared_envelope(who.writer, 1, payload(text));
    envelope.unwrap().encode()
}

/// Waits until the log has so many records in the partition.
fn wait_for(log: &FluvioLog, partition: u32, end: u64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while log.end_offset(partition).unwrap() < end {
        assert!(Instant::now() < deadline, "nothing comes");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn records_lie_where_the_topic_has_them_whatever_their_writer_thought() {
    let mut chain = both_in();
    // Both write at the same time, having read nothing.
    let (a, b) = (next(&chain, A, "a"), next(&chain, B, "b"));
    for (value, who, offset) in [(b, B, 0), (a, A, 1)] {
        let Ok(Taken::Shared(frame, writer)) = take(&mut chain, &value) else {
            panic!("not taken");
        };
        assert_eq!((frame.base_offset(), writer), (offset, who.writer));
    }
    assert_eq!(chain.next_offset, 2);
}

#[test]
fn each_writer_has_a_sequence_of_its_own() {
    let mut chain = both_in();
    let first = next(&chain, A, "first");
    take(&mut chain, &first).unwrap();
    let double = take(&mut chain, &first);
    assert_eq!(double, Ok(Taken::PassedOver(PassedOver::Double)));
    let mut ahead = chain.clone();
    let lost = next(&ahead, B, "lost");
    take(&mut ahead, &lost).unwrap();
    let second = next(&ahead, B, "second");
    let fault = take(&mut chain, &second);
    assert!(
        matches!(fault, Err(ChainFault::SequenceHole { holder: B, .. })),
        "{fault:?}"
    );
}

#[test]
fn a_join_in_a_new_term_makes_only_its_own_late_records_stale() {
    let mut chain = both_in();
    let (late, others) = (next(&chain, A, "late"), next(&chain, B, "others"));
    let again = Holder { term: 2, ..A };
    take(&mut chain, &Envelope::join(7, again).encode()).unwrap();
    let stale = Ok(Taken::PassedOver(PassedOver::Stale(A)));
    assert_eq!(take(&mut chain, &late), stale);
    assert!(matches!(take(&mut chain, &others), Ok(Taken::Shared(_, 9))));
    // The lost join of the term before comes now.
    assert_eq!(take(&mut chain, &Envelope::join(7, A).encode()), stale);
    let value = next(&chain, again, "on");
    assert!(matches!(take(&mut chain, &value), Ok(Taken::Shared(_, 5))));
}

#[test]
fn records_without_a_join_are_a_hole() {
    let chain = both_in();
    let value = next(&chain, A, "a");
    let mut without = Chain::new(0);
    take(&mut without, &Envelope::join(7, B).encode()).unwrap();
    let fault = take(&mut without, &value);
    assert_eq!(fault, Err(ChainFault::NoFence(A)));
}

#[test]
fn a_writer_that_read_something_else_is_found_at_its_next_record() {
    let mut chain = both_in();
    let mut other = chain.clone();
    let ours = next(&chain, A, "ours");
    take(&mut chain, &ours).unwrap();
    let theirs = next(&other, A, "theirs");
    take(&mut other, &theirs).unwrap();
    // At the end, a little behind it, and with more than there is here.
    let at_end = next(&other, B, "b");
    let fault = take(&mut chain, &at_end).unwrap_err();
    assert!(matches!(fault, ChainFault::Diverged { .. }), "{fault}");
    let more = next(&chain, A, "more");
    take(&mut chain, &more).unwrap();
    let fault = take(&mut chain, &at_end).unwrap_err();
    assert!(
        matches!(fault, ChainFault::Diverged { offset: 1, .. }),
        "{fault}"
    );
    for text in ["x", "y"] {
        let value = next(&other, A, text);
        take(&mut other, &value).unwrap();
    }
    let beyond = next(&other, B, "b");
    let fault = take(&mut chain, &beyond).unwrap_err();
    assert!(matches!(fault, ChainFault::Diverged { .. }), "{fault}");
    assert!(fault.to_string().contains("folded different records"));
}

#[test]
fn whoever_takes_the_right_to_write_alone_shuts_out_those_that_joined() {
    let mut chain = both_in();
    let late = next(&chain, A, "late");
    let alone = Holder { term: 1, writer: 3 };
    take(&mut chain, &Envelope::fence(7, alone).encode()).unwrap();
    assert_eq!(
        take(&mut chain, &late),
        Ok(Taken::PassedOver(PassedOver::Stale(A)))
    );
    assert_eq!(chain.shared_envelope(A.writer, 1, payload("no")), None);
    let value = chain.next_envelope(1, payload("alone")).encode();
    assert!(matches!(take(&mut chain, &value), Ok(Taken::Records(_))));
    // And the other way round.
    let late = chain.next_envelope(1, payload("late")).encode();
    let newcomer = Holder { term: 1, writer: 4 };
    take(&mut chain, &Envelope::join(7, newcomer).encode()).unwrap();
    assert_eq!(
        take(&mut chain, &late),
        Ok(Taken::PassedOver(PassedOver::Stale(alone)))
    );
    let value = next(&chain, newcomer, "in");
    assert!(matches!(take(&mut chain, &value), Ok(Taken::Shared(_, 4))));
}

/// Two processes append as fast as they can; each reads the other's, and both have the same.
#[test]
fn writers_at_the_same_time_have_one_order() {
    const EACH: u64 = 300;
    let cluster = Scripted::new(3);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let logs = [0, 1].map(|n: usize| cluster.join(dirs[n].path()).unwrap());
    assert_eq!(logs[0].stream_id(), logs[1].stream_id());
    std::thread::scope(|scope| {
        for (log, name) in logs.iter().zip(["a", "b"]) {
            scope.spawn(move || {
                for n in 0..EACH {
                    let own = format!("{name}{n}");
                    let partition = (n % 2) as u32;
                    log.append(&group(&[(partition, &own), (2, &own)])).unwrap();
                }
            });
        }
    });
    for (partition, end) in [(0, EACH), (1, EACH), (2, 2 * EACH)] {
        let all = logs.each_ref().map(|log| {
            wait_for(log, partition, end);
            read(log, partition)
        });
        assert!(all[0] == all[1], "partition {partition} differs");
        for name in ["a", "b"] {
            let own: Vec<_> = all[0].iter().filter(|r| r.starts_with(name)).collect();
            let numbers = own.iter().map(|r| r[1..].parse::<u64>().unwrap());
            assert!(numbers.is_sorted(), "{name} lost its order");
        }
        assert_eq!(all[0].len() as u64, end);
    }
    let [mut last, _] = logs;
    // A restart goes on where it was.
    drop(last);
    last = cluster.join(dirs[0].path()).unwrap();
    last.append(&group(&[(0, "more")])).unwrap();
    assert_eq!(last.end_offset(0).unwrap(), EACH + 1);
}

/// Whatever happens to a request, its records are in the topic once, while another writes on.
#[test]
fn an_unknown_outcome_is_settled_beside_another_writer() {
    use OnProduce::{Delay, Double, Good, Half, LoseAnswer, LoseRequest};
    let cases: &[&[OnProduce]] = &[
        &[LoseAnswer],
        &[LoseRequest],
        &[Delay],
        &[Half],
        &[Double],
        &[LoseAnswer, LoseRequest],
        &[LoseAnswer, LoseAnswer],
        &[LoseRequest, LoseAnswer, LoseRequest, LoseAnswer],
        &[Delay, Delay, LoseAnswer],
        &[LoseRequest, Good, LoseRequest, Good, LoseAnswer],
        &[Delay, Good, Delay, Good, Delay],
        &[Half, Good, Half, Good, Double],
    ];
    for case in cases {
        let cluster = Scripted::new(3);
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let log = cluster.join(dirs[0].path()).unwrap();
        let other = cluster.join(dirs[1].path()).unwrap();
        log.append(&group(&[(0, "before"), (2, "before")])).unwrap();
        other.append(&group(&[(0, "other"), (2, "other")])).unwrap();
        cluster.next_produce(case);
        let ticket = log.append(&group(&[(0, "a"), (2, "b"), (0, "c")])).unwrap();
        assert!(ticket.bases.is_empty(), "nobody knew");
        cluster.lock().on_produce.clear();
        other.append(&group(&[(2, "on"), (0, "on")])).unwrap();
        log.append(&group(&[(2, "after"), (0, "after")])).unwrap();
        let expected = [
            vec!["before", "other", "a", "c", "on", "after"],
            vec![],
            vec!["before", "other", "b", "on", "after"],
        ];
        for (partition, expected) in (0..).zip(&expected) {
            assert_eq!(read(&log, partition), *expected, "{case:?}");
            wait_for(&other, partition, expected.len() as u64);
            assert_eq!(read(&other, partition), *expected, "{case:?}");
            let dir = tempfile::tempdir().unwrap();
            let third = cluster.join(dir.path()).unwrap();
            assert_eq!(read(&third, partition), *expected, "{case:?}");
        }
        assert!(log.stats().settled.load(Ordering::Relaxed) > 0 || *case == [Double]);
        drop((log, other));
        assert_eq!(read_fresh(&cluster, 0), expected[0], "{case:?}");
    }
}

/// Answers to fetches are skipped in, cut, changed and broken off while records come.
#[test]
fn what_others_write_comes_whole_through_bad_fetches() {
    use OnFetch::{Break, Cut, Flip, Skip};
    let cluster = Scripted::new(1);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let writer = cluster.join(dirs[0].path()).unwrap();
    let reader = cluster.join(dirs[1].path()).unwrap();
    for n in 0..200_u64 {
        cluster.next_fetch(match n % 5 {
            0 => &[Skip],
            1 => &[Flip, Skip],
            2 => &[Break],
            3 => &[Cut, Flip],
            _ => &[],
        });
        writer.append(&group(&[(0, &format!("r{n}"))])).unwrap();
        if n % 20 == 19 {
            wait_for(&reader, 0, n + 1);
        }
    }
    let expected: Vec<_> = (0..200).map(|n| format!("r{n}")).collect();
    assert_eq!(read(&reader, 0), expected);
}

/// The cluster loses its end while nothing is appended here: whoever follows is told.
#[test]
fn a_topic_that_lost_its_end_ends_those_who_follow() {
    let cluster = Scripted::new(1);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.join(dir.path()).unwrap();
    for n in 0..3 {
        log.append(&group(&[(0, &format!("r{n}"))])).unwrap();
    }
    let mut follower = log.follow(&[0]).unwrap();
    let mut seen = 0;
    while seen < 3 {
        let frames = follower.next(Duration::from_millis(20)).unwrap();
        seen += frames.iter().map(|f| f.len()).sum::<usize>();
    }
    cluster.lock().topic[0].truncate(2);
    let deadline = Instant::now() + Duration::from_secs(30);
    let error = loop {
        assert!(Instant::now() < deadline, "nobody is told");
        match follower.next(Duration::from_millis(20)) {
            Ok(frames) => assert!(frames.is_empty()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StreamError::TopicLost { .. }), "{error}");
    let error = log.append(&group(&[(0, "more")])).unwrap_err();
    assert!(matches!(error, StreamError::TopicLost { .. }), "{error}");
}

#[test]
fn who_writes_alone_stops_those_that_joined() {
    let cluster = Scripted::new(2);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let joined = cluster.join(dirs[0].path()).unwrap();
    joined.append(&group(&[(0, "a"), (1, "a")])).unwrap();
    let alone = cluster.open(dirs[1].path()).unwrap();
    alone.append(&group(&[(0, "b")])).unwrap();
    let error = joined.append(&group(&[(0, "late")])).unwrap_err();
    assert!(matches!(error, StreamError::Superseded { .. }), "{error}");
    alone.append(&group(&[(0, "c"), (1, "c")])).unwrap();
    drop(joined);
    // And the other way round.
    let again = cluster.join(dirs[0].path()).unwrap();
    again.append(&group(&[(0, "d")])).unwrap();
    let error = alone.append(&group(&[(0, "late")])).unwrap_err();
    assert!(matches!(error, StreamError::Superseded { .. }), "{error}");
    again.append(&group(&[(1, "e")])).unwrap();
    assert_eq!(read(&again, 0), ["a", "b", "c", "d"]);
    assert_eq!(read(&again, 1), ["a", "c", "e"]);
}

/// Pieces of a large group lie between those of others, in their order.
#[test]
fn a_large_group_is_cut_into_batches_beside_another_writer() {
    let cluster = Scripted::new(2);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let log = cluster.join(dirs[0].path()).unwrap();
    let other = cluster.join(dirs[1].path()).unwrap();
    let mut large = Group::new();
    for n in 0..7_u8 {
        large.push(u32::from(n % 2), &vec![n; 900_000]);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..50_u32 {
                other.append(&group(&[(n % 2, "small")])).unwrap();
            }
        });
        use OnProduce::{Good, LoseAnswer, LoseRequest};
        cluster.next_produce(&[Good, LoseAnswer, Good, LoseRequest, Good]);
        log.append(&large).unwrap();
    });
    for (partition, end) in [(0, 4 + 25), (1, 3 + 25)] {
        wait_for(&log, partition, end);
        let batch = log.read(partition, 0, usize::MAX, usize::MAX).unwrap();
        let large = batch.records().filter(|(_, r)| r.len() == 900_000);
        let firsts: Vec<u8> = large.map(|(_, r)| r[0]).collect();
        let expected: Vec<u8> = (0..7).filter(|n| u32::from(n % 2) == partition).collect();
        assert_eq!(firsts, expected);
    }
}

/// Another writes all the time: neither joining nor settling waits for a pause.
#[test]
fn nobody_waits_for_the_others_to_be_quiet() {
    let cluster = Scripted::new(1);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let busy = cluster.join(dirs[0].path()).unwrap();
    busy.append(&group(&[(0, "first")])).unwrap();
    // From now on every answer to a question for records has one more behind it.
    cluster.lock().grows = true;
    let log = cluster.join(dirs[1].path()).unwrap();
    cluster.next_produce(&[OnProduce::LoseAnswer]);
    log.append(&group(&[(0, "mine")])).unwrap();
    log.append(&group(&[(0, "mine too")])).unwrap();
    cluster.lock().grows = false;
    let mine = read(&log, 0).into_iter().filter(|r| r.starts_with("mine"));
    assert_eq!(mine.collect::<Vec<_>>(), ["mine", "mine too"]);
}
