//! What a folder can be, other than a log that nobody uses.

use std::fs;
use std::path::Path;
use std::time::Duration;

use flightline_stream::{EmbeddedConfig, EmbeddedLog, Group, StreamError, StreamLog};
use tempfile::TempDir;

fn config(folder: &Path) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(folder);
    config.partitions = 4;
    config
}

fn filled(dir: &TempDir) -> EmbeddedConfig {
    let config = config(&dir.path().join("log"));
    let log = EmbeddedLog::open(config.clone()).unwrap();
    let mut group = Group::new();
    for n in 0..100 {
        group.clear();
        group.push(n % 4, format!("record {n}").as_bytes());
        log.append(&group).unwrap();
    }
    config
}

fn refused(config: &EmbeddedConfig) -> StreamError {
    EmbeddedLog::open(config.clone())
        .err()
        .expect("must be refused")
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let config = filled(&dir);
    let log = EmbeddedLog::open(config.clone()).unwrap();
    let error = refused(&config);
    assert!(matches!(error, StreamError::Locked { .. }), "{error}");
    let told = error.to_string();
    assert!(told.contains(&std::process::id().to_string()), "{told}");
    assert!(told.contains("stop it"), "{told}");
    // A follower still reads from it.
    let mut follower = log.follow(&[0; 4]).unwrap();
    drop(log);
    assert!(matches!(refused(&config), StreamError::Locked { .. }));
    assert!(!follower.next(Duration::ZERO).unwrap().is_empty());
    drop(follower);
    EmbeddedLog::open(config).unwrap();
}

#[test]
fn the_number_of_partitions_is_fixed() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = filled(&dir);
    config.partitions = 8;
    let error = refused(&config);
    assert!(
        matches!(
            error,
            StreamError::PartitionCountMismatch {
                stored: 4,
                asked: 8,
                ..
            }
        ),
        "{error}"
    );
    for partitions in [0, 5_000] {
        config.partitions = partitions;
        assert!(matches!(refused(&config), StreamError::BadConfig { .. }));
    }
    config.partitions = 4;
    config.memtable_bytes = 1;
    assert!(matches!(refused(&config), StreamError::BadConfig { .. }));
}

#[test]
fn a_folder_with_other_things_is_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("holiday.jpg"), "…").unwrap();
    let error = refused(&config(dir.path()));
    assert!(matches!(error, StreamError::NotALog { .. }), "{error}");
    assert!(error.to_string().contains("holiday.jpg"), "{error}");
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(EmbeddedLog::open(config(&file)).is_err());
}

#[test]
fn a_lost_or_changed_description_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = filled(&dir);
    let path = config.path.join("stream");
    let text = fs::read_to_string(&path).unwrap();
    for (what, changed) in [
        ("was changed", text.replace("partitions 4", "partitions 5")),
        ("was changed", text.replace("crc32 ", "crc32 f")),
        ("restore it", String::new()),
        ("restore it", "partitions 4".to_owned()),
    ] {
        fs::write(&path, changed).unwrap();
        let error = refused(&config);
        assert!(matches!(error, StreamError::NotALog { .. }), "{error}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    let newer = text.replace("format 1", "format 2");
    let body = newer.rsplit_once("\ncrc32").unwrap().0;
    let crc = crc32fast::hash(body.as_bytes());
    fs::write(&path, format!("{body}\ncrc32 {crc:08x}\n")).unwrap();
    assert!(refused(&config).to_string().contains("newer format"));
    fs::remove_file(&path).unwrap();
    assert!(matches!(refused(&config), StreamError::NotALog { .. }));
    fs::write(&path, text).unwrap();
    let log = EmbeddedLog::open(config).unwrap();
    assert_eq!(log.end_offsets().unwrap(), [25; 4]);
}

#[test]
fn a_creation_that_was_interrupted_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir.path().join("log"));
    // The description was written, and the storage was not finished.
    fs::create_dir_all(&config.path).unwrap();
    fs::write(config.path.join("stream.new"), "half").unwrap();
    drop(EmbeddedLog::open(config.clone()).unwrap());
    let data = config.path.join("data");
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir_all(data.join("keyspaces")).unwrap();
    fs::write(data.join("lock"), "").unwrap();
    fs::write(data.join("0.jnl"), [0; 4096]).unwrap();
    let log = EmbeddedLog::open(config.clone()).unwrap();
    assert_eq!(log.end_offsets().unwrap(), [0; 4]);
    drop(log);
    // With records in it, it is no unfinished creation.
    fs::remove_file(data.join("version")).unwrap();
    assert!(matches!(refused(&config), StreamError::NotALog { .. }));
}

#[test]
fn a_missing_file_of_the_storage_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir.path().join("log"));
    config.memtable_bytes = 1 << 20;
    {
        let log = EmbeddedLog::open(config.clone()).unwrap();
        let mut group = Group::new();
        group.push(0, &[7; 100_000]);
        (0..60).for_each(|_| drop(log.append(&group).unwrap()));
    }
    // Empty journals: all that was not moved to tables yet is gone.
    for entry in fs::read_dir(config.path.join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jnl") {
            fs::write(&path, "").unwrap();
        }
    }
    match EmbeddedLog::open(config) {
        Err(e) => assert!(matches!(e, StreamError::Corrupt { .. }), "{e}"),
        // Nothing that could tell is left: the log is shorter, but it is a log, and a replica's
        // checkpoint is beyond its end.
        Ok(log) => {
            let end = log.end_offset(0).unwrap();
            assert!(end < 60);
            let from = [60, 0, 0, 0];
            assert!(matches!(
                log.scan(&from),
                Err(StreamError::BeyondEnd { .. })
            ));
            assert_eq!(log.read(0, 0, 100, usize::MAX).unwrap().len() as u64, end);
        }
    }
}
