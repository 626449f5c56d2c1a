//! A full disk and a disk that cannot be written to, on small file systems in memory.
//!
//! They are mounted in a mount namespace of the test's own (`unshare`), which root may make, and on
//! most systems everyone in a user namespace; it goes away with the test. Where that is not
//! possible the tests are skipped, and say so loudly.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};

use flightline_ledger::{Command, CommandId};
use flightline_stream::{
    Checker, Draft, EmbeddedConfig, EmbeddedLog, Group, Producer, StreamError, StreamLog,
};

const INSIDE: &str = "FLIGHTLINE_TEST_INSIDE_NAMESPACE";

/// Runs the named test of this file again in a namespace of its own. True when this is that run.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |how: &str, what: &[&str]| -> std::io::Result<Output> {
        let mut process = Process::new("unshare");
        process
            .arg(how)
            .arg("--")
            .args(what)
            .env(INSIDE, "1")
            .output()
    };
    let works = |how: &&str| {
        let probe = unshare(how, &["mount", "-t", "tmpfs", "none", "/mnt"]);
        probe.is_ok_and(|output| output.status.success())
    };
    let Some(how) = ["-m", "-Urm"].into_iter().find(|how| works(how)) else {
        let text = format!(
            "\n####################################################################\n\
             ## SKIPPED: {test}: no namespace for mounting could be made here.\n\
             ####################################################################\n"
        );
        let _ = std::io::stderr().write_all(text.as_bytes());
        return false;
    };
    let exe = std::env::current_exe().unwrap();
    let args = [exe.to_str().unwrap(), test, "--exact", "--nocapture"];
    let output = unshare(how, &args).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "it did not run: {text}");
    false
}

/// A file system of a size, in memory.
fn mount(dir: &Path, mebibytes: u64) -> PathBuf {
    let target = dir.join("small");
    fs::create_dir_all(&target).unwrap();
    let status = Process::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "none"])
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success());
    target
}

fn config(folder: &Path) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(folder.join("log"));
    config.partitions = 4;
    config.memtable_bytes = 4 << 20;
    config.reserve_bytes = 0;
    config
}

/// Appends until it is refused.
fn fill(log: &EmbeddedLog, producer: &mut Producer, answered: &mut u64) -> StreamError {
    let mut group = Group::new();
    let command = Command::Tick;
    for _ in 0..1_000_000 {
        group.clear();
        for n in 0..500 {
            let draft = Draft {
                ref_text: Some("a text that makes the record as long as they usually are, or so"),
                ..Draft::new(CommandId(u128::from(*answered) + n), 0, &command)
            };
            producer.push(&mut group, (n % 4) as u32, &draft).unwrap();
        }
        match producer.append(log, &group) {
            Ok(_) => *answered += 500,
            Err(e) => return e,
        }
    }
    panic!("the disk never got full");
}

/// Every record, checked. How many there are.
fn verify(log: &EmbeddedLog) -> u64 {
    let mut checkers: Vec<_> = (0..4).map(Checker::new).collect();
    let mut count = 0;
    for frames in log.scan(&[0; 4]).unwrap() {
        for frame in frames.unwrap() {
            for (offset, record) in &frame {
                checkers[frame.partition() as usize]
                    .check(offset, record)
                    .unwrap();
                count += 1;
            }
        }
    }
    assert_eq!(log.end_offsets().unwrap().iter().sum::<u64>(), count);
    count
}

#[test]
fn a_disk_that_gets_full_is_refused_in_time() {
    if !inside("a_disk_that_gets_full_is_refused_in_time") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let small = mount(dir.path(), 200);
    let filler = small.join("filler");
    fs::write(&filler, vec![1; 60 << 20]).unwrap();
    let mut config = config(&small);
    config.reserve_bytes = 48 << 20;
    let log = EmbeddedLog::open(config.clone()).unwrap();
    let (mut producer, mut answered) = (log.producer(), 0);
    for _ in 0..2 {
        let error = fill(&log, &mut producer, &mut answered);
        assert!(
            matches!(error, StreamError::DiskFull { reopen: false, .. }),
            "{error}"
        );
        assert!(error.nothing_was_written());
        let told = error.to_string();
        assert!(
            told.contains("nothing was accepted; free some space, then try again"),
            "{told}"
        );
        assert!(told.contains(small.to_str().unwrap()), "{told}");
        assert_eq!(verify(&log), answered, "all that was answered is there");
    }
    assert!(
        answered > 100_000,
        "only {answered}: it was refused too early"
    );
    // Without a restart it goes on as soon as there is room, with the stamps of what was refused.
    fs::remove_file(&filler).unwrap();
    let before = answered;
    let error = fill(&log, &mut producer, &mut answered);
    assert!(
        matches!(error, StreamError::DiskFull { reopen: false, .. }),
        "{error}"
    );
    assert!(answered > before);
    assert_eq!(verify(&log), answered);
    drop(log);
    let log = EmbeddedLog::open(config).unwrap();
    assert_eq!(verify(&log), answered);
}

#[test]
fn a_full_disk_loses_nothing_that_was_answered() {
    if !inside("a_full_disk_loses_nothing_that_was_answered") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let small = mount(dir.path(), 160);
    let filler = small.join("filler");
    fs::write(&filler, vec![1; 40 << 20]).unwrap();
    // No reserve: the wall itself, wherever it is hit.
    let config = config(&small);
    let log = EmbeddedLog::open(config.clone()).unwrap();
    let (mut producer, mut answered) = (log.producer(), 0);
    let error = fill(&log, &mut producer, &mut answered);
    assert!(
        matches!(error, StreamError::DiskFull { reopen: true, .. }),
        "{error}"
    );
    let told = error.to_string();
    assert!(told.contains("free some space, then restart"), "{told}");
    assert!(answered > 100_000, "only {answered}");
    assert_eq!(verify(&log), answered, "reading goes on");
    let mut group = Group::new();
    group.push(0, b"late");
    for _ in 0..3 {
        let error = log.append(&group).unwrap_err();
        assert!(matches!(error, StreamError::DiskFull { .. }), "{error}");
    }
    drop(log);
    // Still full: an opening either works or says why.
    match EmbeddedLog::open(config.clone()) {
        Ok(log) => assert!(verify(&log) >= answered),
        Err(e) => assert!(matches!(e, StreamError::DiskFull { .. }), "{e}"),
    }
    fs::remove_file(&filler).unwrap();
    let log = EmbeddedLog::open(config.clone()).unwrap();
    let there = verify(&log);
    // What was under way when it got full may be there, as a whole.
    assert!(
        there == answered || there == answered + 500,
        "{there} of {answered}"
    );
    let (mut producer, mut group) = (log.producer(), Group::new());
    let draft = Draft::new(CommandId(1), 0, &Command::Fence);
    producer.push(&mut group, 0, &draft).unwrap();
    producer.append(&log, &group).unwrap();
    assert_eq!(verify(&log), there + 1);
    drop(log);
    assert_eq!(verify(&EmbeddedLog::open(config).unwrap()), there + 1);
}

#[test]
fn a_folder_that_cannot_be_written_to_says_so() {
    if !inside("a_folder_that_cannot_be_written_to_says_so") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let small = mount(dir.path(), 100);
    let config = config(&small);
    let log = EmbeddedLog::open(config.clone()).unwrap();
    let mut group = Group::new();
    group.push(1, b"kept");
    log.append(&group).unwrap();
    drop(log);
    let remount = |how: &str| {
        let mut process = Process::new("mount");
        process.args(["-o", &format!("remount,{how}")]).arg(&small);
        assert!(process.status().unwrap().success());
    };
    remount("ro");
    let mut other = config.clone();
    other.path = small.join("another");
    for config in [&config, &other] {
        let error = EmbeddedLog::open(config.clone()).err().unwrap();
        assert!(matches!(error, StreamError::ReadOnly { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains("cannot be written to"), "{told}");
        assert!(told.contains("mount the file system for writing"), "{told}");
    }
    remount("rw");
    let log = EmbeddedLog::open(config).unwrap();
    assert_eq!(log.read(1, 0, 9, 99).unwrap().len(), 1);
}
