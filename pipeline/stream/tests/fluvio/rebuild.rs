//! A topic is lost, and filled again from a copy.

use flightline_stream::fluvio::{delete_topic, rebuild};
use flightline_stream::testing::{fluvio_for_tests, new_topic};
use flightline_stream::{EmbeddedLog, FluvioLog, StreamLog};

use crate::load::{Load, config, everything};

#[test]
fn a_deleted_topic_is_filled_again() {
    let Some(controller) = fluvio_for_tests("filling a topic from a copy") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = config(&new_topic(&controller, "rebuild"), dir.path());
    let log = FluvioLog::open(config.clone()).unwrap();
    let answers = Load::run(&log, 4, |load| load.goes_on(500));
    let stream = log.stream_id();
    drop(log);
    delete_topic(&config).unwrap();
    let mut other = config.clone();
    other.topic = format!("{}-2", config.topic);
    let mut told = (0, 0);
    let report = rebuild(&other, &mut |done, all| told = (done, all)).unwrap();
    assert_eq!(report.added_to_topic, answers.len() as u64);
    assert_eq!(told, (report.added_to_topic, report.added_to_topic));
    let fresh = tempfile::tempdir().unwrap();
    let mut reader = other.clone();
    reader.copy.path = fresh.path().join("copy");
    let log = FluvioLog::open(reader).unwrap();
    assert!(
        everything(&log) == answers,
        "the new topic holds what was answered"
    );
    assert_eq!(log.stream_id(), stream);
    drop(log);
    delete_topic(&other).unwrap();
}

/// A stream that began on one machine moves into a cluster.
#[test]
fn an_embedded_stream_moves_into_a_topic() {
    let Some(controller) = fluvio_for_tests("moving an embedded stream into a topic") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = config(&new_topic(&controller, "move"), dir.path());
    let embedded = EmbeddedLog::open(config.copy.clone()).unwrap();
    let mut group = flightline_stream::Group::new();
    for n in 0..1000_u32 {
        group.push(n % 5, format!("record {n}").as_bytes());
    }
    embedded.append(&group).unwrap();
    let before = everything(&embedded);
    let id = embedded.producer().id();
    drop(embedded);
    let error = FluvioLog::open(config.clone())
        .err()
        .expect("the topic is empty");
    assert!(error.to_string().contains("stream rebuild"), "{error}");
    rebuild(&config, &mut |_, _| {}).unwrap();
    let log = FluvioLog::open(config.clone()).unwrap();
    assert!(everything(&log) == before);
    assert_eq!(log.stream_id(), id, "tables go on with it");
    drop(log);
    delete_topic(&config).unwrap();
}
