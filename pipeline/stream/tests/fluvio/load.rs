//! Appends by several threads, and what they were answered.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flightline_stream::{EmbeddedConfig, FluvioConfig, FluvioLog, Group, StreamLog};

pub(crate) const PARTITIONS: u32 = 5;

/// Something must happen within this, or the test fails rather than hangs.
const LONG: Duration = Duration::from_secs(120);

/// Records that were answered, by place.
pub(crate) type Answers = BTreeMap<(u32, u64), String>;

/// Records that were answered without a place, and their partitions.
pub(crate) type Told = Vec<(u32, String)>;

#[derive(Default)]
pub(crate) struct Load {
    /// Tells writers apart.
    tag: &'static str,
    told: Mutex<Told>,
    answers: Mutex<Answers>,
    answered: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Runs `meanwhile` while threads append, and returns all that was answered. The first error of
    /// an append ends the test unless `errors` are expected.
    pub(crate) fn run(log: &FluvioLog, threads: u32, meanwhile: impl FnOnce(&Load)) -> Answers {
        Self::default()
            .go(log, threads, meanwhile)
            .answers
            .into_inner()
            .unwrap()
    }

    /// As [`Load::run`] at a log that others write to as well.
    pub(crate) fn run_shared(
        log: &FluvioLog,
        tag: &'static str,
        threads: u32,
        meanwhile: impl FnOnce(&Load),
    ) -> Told {
        let load = Self {
            tag,
            ..Self::default()
        };
        load.go(log, threads, meanwhile).told.into_inner().unwrap()
    }

    fn go(self, log: &FluvioLog, threads: u32, meanwhile: impl FnOnce(&Load)) -> Self {
        let load = self;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let load = &load;
                scope.spawn(move || load.append(log, thread));
            }
            // Also when it panics, or the threads would never end.
            let _stop = StopOnDrop(&load);
            meanwhile(&load);
        });
        load
    }

    fn append(&self, log: &FluvioLog, thread: u32) {
        let _stop = StopOnDrop(self);
        let mut n = 0_u32;
        while !self.stop.load(Ordering::SeqCst) {
            let mut group = Group::new();
            let mut names = Vec::new();
            for k in 0..1 + n % 4 {
                let partition = (thread + n * k) % PARTITIONS;
                let name = format!(
                    "{}{thread}.{n:07}.{k} {}",
                    self.tag,
                    "x".repeat((n % 90) as usize)
                );
                let position = group.push(partition, name.as_bytes());
                names.push((partition, position, name));
            }
            let ticket = log.append(&group).expect("append");
            if log.is_shared() {
                let names = names
                    .into_iter()
                    .map(|(partition, _, name)| (partition, name));
                self.told.lock().unwrap().extend(names);
                self.answered.fetch_add(1, Ordering::SeqCst);
                n += 1;
                continue;
            }
            let mut answers = self.answers.lock().unwrap();
            for (partition, position, name) in names {
                let base = ticket.base(partition).expect("a base");
                let old = answers.insert((partition, base + u64::from(position)), name);
                assert_eq!(old, None, "an offset was given twice");
            }
            self.answered.fetch_add(1, Ordering::SeqCst);
            n += 1;
        }
    }

    /// Waits until so many more appends were answered.
    pub(crate) fn goes_on(&self, appends: u64) {
        let upto = self.answered.load(Ordering::SeqCst) + appends;
        let deadline = Instant::now() + LONG;
        while self.answered.load(Ordering::SeqCst) < upto {
            assert!(!self.stop.load(Ordering::SeqCst), "an appender has died");
            assert!(Instant::now() < deadline, "nothing is answered any more");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

struct StopOnDrop<'a>(&'a Load);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

/// A configuration for a topic, with a copy in the folder.
pub(crate) fn config(url: &flightline_stream::FluvioUrl, dir: &std::path::Path) -> FluvioConfig {
    let mut copy = EmbeddedConfig::new(dir.join("copy"));
    copy.partitions = PARTITIONS;
    copy.reserve_bytes = 0;
    let mut config = FluvioConfig::new(url, copy);
    config.tls = flightline_stream::testing::fluvio_tls_for_tests();
    if let Ok(replicas) = std::env::var("FLIGHTLINE_TEST_FLUVIO_REPLICATION") {
        config.replication = replicas.parse().expect("a number of replicas");
    }
    config
}

/// Everything in a log, by place.
pub(crate) fn everything(log: &dyn StreamLog) -> Answers {
    let mut found = Answers::new();
    for frames in log.scan(&vec![0; log.partitions() as usize]).unwrap() {
        for frame in frames.unwrap() {
            for (offset, record) in &frame {
                let text = String::from_utf8_lossy(record).into_owned();
                found.insert((frame.partition(), offset), text);
            }
        }
    }
    found
}

/// Every answer is in the log at its place, no record is there twice, and a replica that begins
/// without anything reads the same from the topic.
pub(crate) fn judge(config: &FluvioConfig, log: FluvioLog, answers: &Answers) {
    let found = everything(&log);
    drop(log);
    for (place, record) in answers {
        assert_eq!(found.get(place), Some(record), "lost at {place:?}");
    }
    let mut records: Vec<_> = found.values().collect();
    records.sort_unstable();
    let count = records.len();
    records.dedup();
    assert_eq!(records.len(), count, "a record is there twice");
    let dir = tempfile::tempdir().unwrap();
    let mut fresh = config.clone();
    fresh.copy.path = dir.path().join("copy");
    fresh.redirects.clear();
    let fresh = FluvioLog::open(fresh).unwrap();
    assert!(everything(&fresh) == found, "the topic and the copy differ");
}
