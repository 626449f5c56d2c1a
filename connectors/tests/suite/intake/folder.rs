//! Files that are dropped into a folder.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use flightline_connectors::intake::source::Doing;
use flightline_connectors::intake::{DropFolder, FolderConfig};
use flightline_connectors::webhooks::ManualClock;
use serde_json::Value;

use super::{Desk, desk, kind, line};

struct World {
    dir: tempfile::TempDir,
    clock: ManualClock,
    desk: Arc<Desk>,
    folder: DropFolder,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_800_000_000_000);
    let desk = desk();
    let folder = open(dir.path(), &desk, &clock);
    World {
        dir,
        clock,
        desk,
        folder,
    }
}

fn open(path: &Path, desk: &Arc<Desk>, clock: &ManualClock) -> DropFolder {
    let config = FolderConfig {
        path: path.join("in"),
        settle: Duration::from_secs(10),
        every: Duration::from_secs(1),
    };
    DropFolder::open(config, kind(), desk.clone(), Arc::new(clock.clone())).unwrap()
}

impl World {
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.dir.path().join("in").join(name), bytes).unwrap();
    }

    fn turn(&mut self, after_s: u64) {
        self.clock.advance(Duration::from_secs(after_s));
        self.folder.turn(&|| false);
    }

    /// One turn to see what is there, one to take it.
    fn settle(&mut self) {
        self.turn(1);
        self.turn(10);
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("in").join(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn report(&self, path: &str) -> Value {
        let path = self.dir.path().join("in").join(path);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }
}

#[test]
fn a_whole_file_is_taken_and_moved_with_its_report() {
    let mut world = world();
    world.write("a.ndjson", format!("{}not json\n{}", line(1), line(2)));
    world.turn(1);
    assert!(world.desk.names().is_empty(), "it has not stood still yet");
    world.turn(9);
    assert!(
        world.desk.names().is_empty(),
        "it has not stood still for 10 s"
    );
    world.turn(1);
    assert_eq!(world.desk.names(), ["a.ndjson"]);
    assert_eq!(world.names("done"), ["a.ndjson", "a.ndjson.report.json"]);
    assert_eq!(world.names(""), ["done", "rejected"]);
    let report = world.report("done/a.ndjson.report.json");
    assert_eq!(report["outcome"], "taken");
    assert_eq!(report["provider"], "acme");
    assert_eq!(
        (&report["read"], &report["accepted"], &report["rejected"]),
        (&3.into(), &2.into(), &1.into())
    );
    let state = world.folder.source().state();
    assert_eq!((state.taken, state.doing), (1, Doing::Waiting));
}

#[test]
fn a_file_that_grows_or_has_an_unfinished_name_is_left_alone() {
    let mut world = world();
    for name in [".hidden", "a.part", "b.tmp", "c.FilePart"] {
        world.write(name, line(9));
    }
    let mut text = String::new();
    for number in 0..5 {
        text.push_str(&line(number));
        world.write("grows.ndjson", &text);
        world.turn(9);
        assert!(world.desk.names().is_empty(), "taken after {number}");
    }
    world.turn(10);
    assert_eq!(world.desk.names(), ["grows.ndjson"]);
    fs::rename(
        world.dir.path().join("in/a.part"),
        world.dir.path().join("in/a.ndjson"),
    )
    .unwrap();
    world.settle();
    assert_eq!(world.desk.names(), ["grows.ndjson", "a.ndjson"]);
    assert_eq!(
        world.names(""),
        [".hidden", "b.tmp", "c.FilePart", "done", "rejected"]
    );
}

#[test]
fn what_cannot_be_used_is_moved_to_rejected_with_the_reason() {
    let mut world = world();
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut gz, (0..500).map(line).collect::<String>().as_bytes()).unwrap();
    let whole = gz.finish().unwrap();
    world.write("cut.ndjson.gz", &whole[..whole.len() / 2]);
    world.write("empty.ndjson", "");
    world.write("nonsense.ndjson", "a\nb\n");
    world.settle();
    assert_eq!(
        world.names("rejected"),
        [
            "cut.ndjson.gz",
            "cut.ndjson.gz.report.json",
            "empty.ndjson",
            "empty.ndjson.report.json",
            "nonsense.ndjson",
            "nonsense.ndjson.report.json"
        ]
    );
    let reason =
        |name: &str| world.report(&format!("rejected/{name}.report.json"))["reason"].clone();
    assert!(!reason("cut.ndjson.gz").as_str().unwrap().is_empty());
    assert_eq!(reason("empty.ndjson"), "there is no record in it");
    assert_eq!(reason("nonsense.ndjson"), "every record was rejected");
    let state = world.folder.source().state();
    assert_eq!((state.taken, state.refused), (0, 3));
    assert!(state.last_error.is_some());
}

#[test]
fn the_same_name_again_overwrites_nothing() {
    let mut world = world();
    for number in 1..=3 {
        world.write("daily.ndjson", line(number));
        world.settle();
    }
    assert_eq!(
        world.names("done"),
        [
            "daily.ndjson",
            "daily.ndjson.2",
            "daily.ndjson.2.report.json",
            "daily.ndjson.3",
            "daily.ndjson.3.report.json",
            "daily.ndjson.report.json"
        ]
    );
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_again_to_its_end() {
    let mut world = world();
    world.write("a.ndjson", line(1));
    let path = world.dir.path().join("in/a.ndjson");
    *world.desk.meanwhile.lock() = Some(Box::new(move || {
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(line(2).as_bytes()).unwrap();
    }));
    world.settle();
    assert_eq!(world.names("done"), [""; 0], "its end would be lost there");
    let state = world.folder.source().state();
    assert!(state.last_error.unwrap().contains("a.ndjson has grown"));
    world.turn(60);
    world.turn(10);
    let report = world.report("done/a.ndjson.report.json");
    assert_eq!(
        (&report["duplicate"], &report["accepted"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn a_file_that_cannot_be_moved_holds_up_no_other() {
    let mut world = world();
    for name in ["a.ndjson", "b.ndjson"] {
        world.write(name, line(1));
    }
    fs::create_dir_all(world.dir.path().join("in/done/a.ndjson.report.json/x")).unwrap();
    world.settle();
    assert!(world.names("done").contains(&"b.ndjson".to_owned()));
    assert_eq!(world.names(""), ["a.ndjson", "done", "rejected"]);
    let state = world.folder.source().state();
    assert!(
        state
            .last_error
            .unwrap()
            .contains("a.ndjson was read, but cannot be moved")
    );
}

#[test]
fn a_file_named_like_a_report_is_not_overwritten_by_one() {
    let mut world = world();
    world.write("a.ndjson.report.json", line(7));
    world.settle();
    world.write("a.ndjson", line(8));
    world.settle();
    let kept = fs::read_to_string(world.dir.path().join("in/done/a.ndjson.report.json.2"));
    assert_eq!(kept.unwrap(), line(7));
    assert_eq!(world.report("done/a.ndjson.report.json")["accepted"], 1);
}

#[test]
fn what_the_replica_cannot_take_now_stays_and_is_taken_later() {
    let mut world = world();
    *world.desk.later.lock() = 3;
    world.write("a.ndjson", line(1));
    world.settle();
    let state = world.folder.source().state();
    assert_eq!((state.failed, state.doing), (1, Doing::BackingOff));
    assert!(state.last_error.unwrap().contains("the queue is full"));
    assert!(world.names("").contains(&"a.ndjson".to_owned()));
    for _ in 0..10 {
        world.turn(60);
    }
    assert_eq!(world.names("done"), ["a.ndjson", "a.ndjson.report.json"]);
    assert_eq!(world.folder.source().state().last_error, None);
}

/// A crash after a file was taken and before it was moved: it is taken again, which changes nothing.
#[test]
fn a_file_that_was_taken_but_not_moved_counts_as_duplicate_after_a_restart() {
    let mut world = world();
    world.write("a.ndjson", line(1) + &line(2));
    world.settle();
    let moved = world.dir.path().join("in/done/a.ndjson");
    fs::rename(&moved, world.dir.path().join("in/a.ndjson")).unwrap();
    world.folder = open(world.dir.path(), &world.desk, &world.clock);
    world.settle();
    let report = world.report("done/a.ndjson.report.json");
    assert_eq!(
        (&report["accepted"], &report["duplicate"]),
        (&0.into(), &2.into())
    );
}

#[test]
fn a_stop_is_heeded_between_files_and_older_files_come_first() {
    let mut world = world();
    for (name, age_s) in [("new", 1), ("old", 1_000), ("middle", 100)] {
        world.write(name, line(age_s as u32));
        let file = fs::File::open(world.dir.path().join("in").join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age_s))
            .unwrap();
    }
    world.turn(1);
    world.clock.advance(Duration::from_secs(10));
    let desk = world.desk.clone();
    world.folder.turn(&|| desk.names().len() == 2);
    assert_eq!(world.desk.names(), ["old", "middle"]);
    world.turn(1);
    assert_eq!(world.desk.names(), ["old", "middle", "new"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in"), "a file").unwrap();
    let config = FolderConfig {
        path: dir.path().join("in"),
        settle: Duration::ZERO,
        every: Duration::from_secs(1),
    };
    let clock = Arc::new(ManualClock::at(0));
    let error = DropFolder::open(config, kind(), desk(), clock).unwrap_err();
    assert!(error.to_string().contains("in/done"), "{error}");
}
