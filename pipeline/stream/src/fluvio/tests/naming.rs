//! A topic that is filled again has the stream's name, whichever replica fills it and whatever was lost beside
//! its copy.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flightline_ledger::{Command, CommandId};

use super::super::log::FluvioLog;
use super::super::rebuild::rebuild_for_tests;
use super::scripted::Scripted;
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::group::Group;
use crate::port::StreamLog;
use crate::record::Draft;

const LONG: Duration = Duration::from_secs(60);

/// Appends so many records that say who wrote them.
fn write(log: &FluvioLog, records: u32) {
    let mut producer = log.producer();
    for n in 0..records {
        let mut group = Group::new();
        let draft = Draft::new(CommandId(n.into()), 1, &Command::Tick);
        producer.push(&mut group, n % 2, &draft).unwrap();
        producer.append(log, &group).unwrap();
    }
}

fn lose_place(dir: &Path) {
    fs::remove_file(dir.join("copy.fluvio")).unwrap();
}

/// As a copy of a release that noted nothing in it.
fn lose_note(dir: &Path) {
    let path = dir.join("copy/stream");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\ncopy-of "), "{text}");
    let kept = |line: &&str| !line.starts_with("copy-of ") && !line.starts_with("crc32 ");
    let body: Vec<&str> = text.lines().filter(kept).collect();
    let body = body.join("\n");
    let crc = crc32fast::hash(body.as_bytes());
    fs::write(&path, format!("{body}\ncrc32 {crc:08x}\n")).unwrap();
}

/// Two replicas on one topic, the second not the one that named the stream; then both are stopped.
fn two_replicas(cluster: &Scripted) -> ([tempfile::TempDir; 2], u64) {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = cluster.join(dirs[0].path()).unwrap();
    let stream = first.stream_id();
    let second = cluster.join(dirs[1].path()).unwrap();
    assert_eq!(second.stream_id(), stream);
    write(&second, 10);
    // What others wrote comes by itself, a moment later; what it does not have when it is stopped, its copy has not.
    let begun = Instant::now();
    while first.end_offsets().unwrap() != [5, 5] {
        assert!(begun.elapsed() < LONG, "the first never saw the records");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    (dirs, stream)
}

/// An empty topic of the same cluster.
fn refill(dir: &Path) -> (Scripted, Result<u64, StreamError>) {
    let empty = Scripted::new(2);
    let mut config = empty.config(dir);
    config.topic = "new".to_owned();
    let filled = rebuild_for_tests(&config, Arc::new(empty.clone()));
    (empty, filled.map(|report| report.added_to_topic))
}

#[test]
fn a_topic_filled_without_the_place_has_the_streams_name() {
    let cluster = Scripted::new(2);
    let (dirs, stream) = two_replicas(&cluster);
    lose_place(dirs[1].path());
    let (filled, added) = refill(dirs[1].path());
    assert_eq!(added.unwrap(), 10);
    for dir in [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()] {
        let log = filled.join(dir.path()).unwrap();
        assert_eq!(log.stream_id(), stream, "checkpoints and tables go by it");
    }
    // The other replica goes on with the new topic, with its own copy.
    let mut config = filled.config(dirs[0].path());
    config.topic = "new".to_owned();
    let log = FluvioLog::join_on(config, Arc::new(filled)).unwrap();
    assert_eq!(log.stream_id(), stream);
    assert_eq!(log.end_offsets().unwrap(), [5, 5]);
}

#[test]
fn a_name_that_is_lost_is_not_replaced_by_another() {
    let cluster = Scripted::new(2);
    let (dirs, stream) = two_replicas(&cluster);
    lose_place(dirs[1].path());
    lose_note(dirs[1].path());
    let (empty, filled) = refill(dirs[1].path());
    let error = filled.unwrap_err();
    assert!(matches!(error, StreamError::NameLost { .. }), "{error}");
    for said in ["copy.fluvio", "another replica"] {
        assert!(error.to_string().contains(said), "{error}");
    }
    // Nor does a replica that is started on the empty topic name it.
    for error in [
        empty.join(dirs[1].path()).err().unwrap(),
        empty.open(dirs[1].path()).err().unwrap(),
    ] {
        assert!(matches!(error, StreamError::NameLost { .. }), "{error}");
    }
    assert!(empty.lock().topic.iter().all(Vec::is_empty), "left alone");
    // The topic that was there knows it.
    let log = cluster.join(dirs[1].path()).unwrap();
    assert_eq!(log.stream_id(), stream);
    drop(log);
    lose_place(dirs[1].path());
    assert_eq!(refill(dirs[1].path()).1.unwrap(), 10, "and it is noted now");
}

#[test]
fn a_stream_that_began_here_alone_needs_no_note() {
    let cluster = Scripted::new(2);
    let dir = tempfile::tempdir().unwrap();
    let log = cluster.open(dir.path()).unwrap();
    write(&log, 10);
    let stream = log.stream_id();
    drop(log);
    lose_place(dir.path());
    lose_note(dir.path());
    let (filled, added) = refill(dir.path());
    assert_eq!(added.unwrap(), 10);
    let log = filled.open(dir.path()).unwrap();
    assert_eq!(log.stream_id(), stream);
}

#[test]
fn the_topic_of_another_stream_is_left_alone() {
    let cluster = Scripted::new(2);
    let (dirs, stream) = two_replicas(&cluster);
    let (other, named) = named_by_another();
    assert_ne!(named, stream);
    let before = other.lock().topic.clone();
    lose_place(dirs[1].path());
    let config = other.config(dirs[1].path());
    let filled = rebuild_for_tests(&config, Arc::new(other.clone()));
    for error in [
        filled.unwrap_err(),
        other.join(dirs[1].path()).err().unwrap(),
    ] {
        let text = error.to_string();
        for said in [format!("{named:016x}"), format!("{stream:016x}")] {
            assert!(text.contains(&said), "{said} is not in: {text}");
        }
    }
    assert_eq!(other.lock().topic, before, "nobody was fenced off");
}

/// A topic with a name and nothing else, as of a replica that was started on it with an empty folder.
fn named_by_another() -> (Scripted, u64) {
    let cluster = Scripted::new(2);
    let elsewhere = tempfile::tempdir().unwrap();
    let log = cluster.open(elsewhere.path()).unwrap();
    let named = log.stream_id();
    drop(log);
    (cluster, named)
}

#[test]
fn a_stream_of_one_disk_gets_no_other_streams_name() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = Scripted::new(2);
    let copy = EmbeddedLog::open(fresh.config(dir.path()).copy).unwrap();
    let (mut producer, mut group) = (copy.producer(), Group::new());
    let draft = Draft::new(CommandId(1), 1, &Command::Tick);
    producer.push(&mut group, 0, &draft).unwrap();
    producer.append(&copy, &group).unwrap();
    let stream = copy.stream_id();
    drop(copy);
    let (other, named) = named_by_another();
    let before = other.lock().topic.clone();
    for error in [
        other.open(dir.path()).err().unwrap(),
        other.join(dir.path()).err().unwrap(),
        rebuild_for_tests(&other.config(dir.path()), Arc::new(other.clone())).unwrap_err(),
    ] {
        assert!(
            matches!(error, StreamError::OtherStream { ours, found, .. } if (ours, found) == (stream, named)),
            "{error}"
        );
    }
    assert_eq!(other.lock().topic, before);
    let config = fresh.config(dir.path());
    rebuild_for_tests(&config, Arc::new(fresh.clone())).unwrap();
    assert_eq!(fresh.open(dir.path()).unwrap().stream_id(), stream);
}

#[test]
fn a_copy_keeps_its_name_when_another_names_the_topic_meanwhile() {
    let cluster = Scripted::new(2);
    let (dirs, stream) = two_replicas(&cluster);
    let (other, _) = named_by_another();
    lose_place(dirs[1].path());
    let first_word = other.lock().topic[0][0].clone();
    for opens_alone in [false, true] {
        let topic = Scripted::new(2);
        topic.lock().before_produce = vec![(0, first_word.clone())];
        let error = match opens_alone {
            true => topic.open(dirs[1].path()),
            false => topic.join(dirs[1].path()),
        };
        let error = error.err().unwrap();
        assert!(matches!(error, StreamError::OtherStream { .. }), "{error}");
    }
    let (filled, added) = refill(dirs[1].path());
    assert_eq!(added.unwrap(), 10);
    let log = filled.join(tempfile::tempdir().unwrap().path()).unwrap();
    assert_eq!(log.stream_id(), stream);
}

#[test]
fn an_empty_copy_names_no_topic() {
    let cluster = Scripted::new(2);
    let (dirs, stream) = two_replicas(&cluster);
    let other = Scripted::new(2);
    let empty = tempfile::tempdir().unwrap();
    let refused = rebuild_for_tests(&other.config(empty.path()), Arc::new(other.clone()));
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, StreamError::NothingToFill { .. }),
        "{refused}"
    );
    let said = refused.to_string();
    assert!(
        said.contains("is empty") && said.contains("a replica that has records"),
        "{said}"
    );
    // Whoever has the records still can, and the topic gets their name.
    lose_place(dirs[0].path());
    let config = other.config(dirs[0].path());
    let report = rebuild_for_tests(&config, Arc::new(other.clone())).unwrap();
    assert!(report.added_to_topic > 0, "{report:?}");
    let log = FluvioLog::join_on(config, Arc::new(other)).unwrap();
    assert_eq!(log.stream_id(), stream);
}
