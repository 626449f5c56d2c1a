//! Killed at any moment, the log holds everything that it answered, once, without gaps.
//!
//! The child appends from several threads and tells the parent about every answer over a pipe. The
//! parent kills it with SIGKILL at a random moment, now and then while it is still opening, opens
//! the log itself, and compares. The log grows over all rounds.
//!
//! 10 rounds; `FLIGHTLINE_KILL_ROUNDS=200` for the documented run, `FLIGHTLINE_KILL_SEED=n` for
//! another sequence of moments.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use flightline_ledger::{Command, CommandId};
use flightline_stream::testing::Sampler;
use flightline_stream::{Checker, Draft, EmbeddedConfig, EmbeddedLog, Group, Producer, StreamLog};

const PARTITIONS: u32 = 8;
const THREADS: u64 = 4;
const FOLDER: &str = "FLIGHTLINE_KILL_FOLDER";
const SEED: &str = "FLIGHTLINE_KILL_SEED";

fn config(folder: &Path) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(folder);
    config.partitions = PARTITIONS;
    // Small, so that flushes and new journals happen while it is killed.
    config.memtable_bytes = 1 << 20;
    config.reserve_bytes = 0;
    config
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| v.parse().unwrap())
}

/// Not a test of its own: what the parent runs.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let log = EmbeddedLog::open(config(folder.as_ref())).unwrap();
    let producer = Mutex::new((log.producer(), 0_u64));
    let seed = env(SEED, 0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (log, producer) = (&log, &producer);
            scope
                .spawn(move || append_for_ever(log, producer, Sampler::new(seed ^ (thread << 32))));
        }
    });
}

fn append_for_ever(log: &EmbeddedLog, producer: &Mutex<(Producer, u64)>, mut sampler: Sampler) {
    let mut group = Group::new();
    let mut names = Vec::new();
    let mut line = String::new();
    loop {
        group.clear();
        names.clear();
        let ticket = {
            let mut guard = producer.lock().unwrap();
            let (producer, count) = &mut *guard;
            // Usually a few; now and then a large group.
            let records = match sampler.below(20) {
                0 => 2_000,
                n => n,
            };
            for _ in 0..records {
                *count += 1;
                let id = CommandId(u128::from(producer.epoch()) << 64 | u128::from(*count));
                let command = match sampler.below(50) {
                    0 => sampler.command(),
                    _ => Command::Tick,
                };
                let partition = sampler.below(u64::from(PARTITIONS)) as u32;
                let position = producer
                    .push(&mut group, partition, &Draft::new(id, 0, &command))
                    .unwrap();
                names.push((partition, position, id));
            }
            producer.submit(log, &group).unwrap()
        };
        log.wait(&ticket).unwrap();
        line.clear();
        for (partition, position, id) in &names {
            let offset = ticket.base(*partition).unwrap() + u64::from(*position);
            line.push_str(&format!(" {partition}:{offset}:{id}"));
        }
        // The pipe takes it in pieces; only a line with its end counts.
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack{line}").unwrap();
        out.flush().unwrap();
    }
}

/// What the parent has been told and has seen, over all rounds.
struct Ledger {
    answered: Vec<(u32, u64, CommandId)>,
    answered_in_all: usize,
    seen: HashSet<CommandId>,
    checkers: Vec<Checker>,
    from: Vec<u64>,
}

impl Ledger {
    fn verify(&mut self, folder: &Path) {
        let log = EmbeddedLog::open(config(folder)).unwrap();
        let mut records: HashMap<(u32, u64), CommandId> = HashMap::new();
        for frames in log.scan(&self.from).unwrap() {
            for frame in frames.unwrap() {
                let p = frame.partition();
                for (offset, record) in &frame {
                    let view = self.checkers[p as usize].check(offset, record).unwrap();
                    view.command().unwrap();
                    let id = view.header().id;
                    assert!(self.seen.insert(id), "{id} is there twice");
                    records.insert((p, offset), id);
                }
                self.from[p as usize] = frame.end_offset();
            }
        }
        assert_eq!(
            log.end_offsets().unwrap(),
            self.from,
            "the ends are what a scan reaches"
        );
        for (partition, offset, id) in self.answered.drain(..) {
            let found = records.get(&(partition, offset));
            assert_eq!(
                found,
                Some(&id),
                "answered, and not there: {partition}:{offset}"
            );
            self.answered_in_all += 1;
        }
    }
}

#[test]
fn everything_answered_survives_sigkill() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let (rounds, seed) = (env("FLIGHTLINE_KILL_ROUNDS", 10), env(SEED, 1));
    eprintln!("{rounds} rounds, seed {seed}");
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("log");
    let mut sampler = Sampler::new(seed);
    let new_ledger = || Ledger {
        answered: Vec::new(),
        answered_in_all: 0,
        seen: HashSet::new(),
        checkers: (0..PARTITIONS).map(Checker::new).collect(),
        from: vec![0; PARTITIONS as usize],
    };
    let mut ledger = new_ledger();
    for round in 0..rounds {
        run_and_kill(&folder, &mut sampler, round, &mut ledger);
        // Not always: then the next child is the one that recovers.
        if sampler.below(4) != 0 || round + 1 == rounds {
            ledger.verify(&folder);
        }
    }
    // Once more from the start, as a new replica would.
    let mut whole = new_ledger();
    whole.verify(&folder);
    assert_eq!(whole.from, ledger.from);
    assert_eq!(whole.checkers, ledger.checkers, "the running hashes agree");
    let in_log: u64 = whole.from.iter().sum();
    assert!(ledger.answered_in_all as u64 <= in_log);
    assert!(
        ledger.answered_in_all > 100 * rounds as usize,
        "the children hardly ran"
    );
    let summary = format!(
        "kill test: {rounds} rounds, {} records answered, {in_log} in the log, none lost or doubled\n",
        ledger.answered_in_all
    );
    let _ = std::io::stderr().write_all(summary.as_bytes());
}

fn run_and_kill(folder: &Path, sampler: &mut Sampler, round: u64, ledger: &mut Ledger) {
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(SEED, sampler.bits().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (tell, told) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut answered = Vec::new();
        for line in output.split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            if let Some(rest) = line.strip_prefix("ack") {
                answered.push(rest.to_owned());
                let _ = tell.send(());
            }
        }
        answered
    });
    // Usually some time after its first answer; now and then before.
    let opening = sampler.below(5) == 0;
    let delay = Duration::from_micros(sampler.below(if opening { 60_000 } else { 300_000 }));
    if !opening {
        told.recv_timeout(Duration::from_secs(60))
            .unwrap_or_else(|_| {
                panic!(
                    "round {round}: the child never answered: {:?}",
                    child.try_wait()
                )
            });
    }
    let until = Instant::now() + delay;
    while told
        .recv_timeout(until.saturating_duration_since(Instant::now()))
        .is_ok()
    {}
    assert_eq!(
        child.try_wait().unwrap(),
        None,
        "round {round}: the child died by itself"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let mut lines = reader.join().unwrap();
    // The last one may have been cut; a cut number would be a wrong one.
    lines.pop();
    for line in lines {
        for answer in line.split_whitespace() {
            let mut parts = answer.split(':');
            let mut part = || parts.next().unwrap();
            let (partition, offset, id) = (part(), part(), part());
            ledger.answered.push((
                partition.parse().unwrap(),
                offset.parse().unwrap(),
                id.parse().unwrap(),
            ));
        }
    }
}
