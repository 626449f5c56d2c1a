//! Cut anywhere, the log is a prefix of what was written: never garbage, and never less than what
//! was synced before the cut.
//!
//! Copies of a log that was not closed, its journal cut at the edges of every group and at seeded
//! places between; `FLIGHTLINE_CUTS=all` cuts at every byte.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use flightline_ledger::{Command, CommandId};
use flightline_stream::testing::Sampler;
use flightline_stream::{Checker, Draft, EmbeddedConfig, EmbeddedLog, Group, StreamLog};

const PARTITIONS: u32 = 3;
const GROUPS: u64 = 25;

fn config(folder: &Path) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(folder);
    config.partitions = PARTITIONS;
    config.reserve_bytes = 0;
    config
}

fn copy(from: &Path, to: &Path, journal_bytes: u64) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, journal_bytes);
        } else if target.extension().is_some_and(|e| e == "jnl") {
            let mut bytes = Vec::new();
            let journal = fs::File::open(entry.path()).unwrap();
            journal.take(journal_bytes).read_to_end(&mut bytes).unwrap();
            fs::File::create(target).unwrap().write_all(&bytes).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The ids of all records with their places, in storage order.
fn records(log: &dyn StreamLog) -> Vec<(u32, u64, CommandId)> {
    let mut checkers: Vec<_> = (0..PARTITIONS).map(Checker::new).collect();
    let mut out = Vec::new();
    for frames in log.scan(&[0; PARTITIONS as usize]).unwrap() {
        for frame in frames.unwrap() {
            for (offset, record) in &frame {
                let view = checkers[frame.partition() as usize]
                    .check(offset, record)
                    .unwrap();
                view.command().unwrap();
                out.push((frame.partition(), offset, view.header().id));
            }
        }
    }
    let ends: Vec<_> = checkers.iter().map(|c| c.state().next_offset).collect();
    assert_eq!(log.end_offsets().unwrap(), ends);
    out
}

#[test]
fn a_cut_log_is_a_prefix() {
    let dir = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let folder = dir.path().join("log");
    let log = EmbeddedLog::open(config(&folder)).unwrap();
    let mut producer = log.producer();
    let mut sampler = Sampler::new(11);
    let mut group = Group::new();
    // How many records there are once each group is durable.
    let mut records_after = Vec::new();
    for n in 0..GROUPS {
        group.clear();
        for _ in 0..=n % 6 {
            let command = if n % 3 == 0 {
                sampler.command()
            } else {
                Command::Tick
            };
            let draft = Draft::new(sampler.id(), 0, &command);
            let partition = sampler.below(u64::from(PARTITIONS)) as u32;
            producer.push(&mut group, partition, &draft).unwrap();
        }
        producer.append(&log, &group).unwrap();
        records_after.push(log.end_offsets().unwrap().iter().sum::<u64>() as usize);
    }
    let written = records(&log);

    // Where each group stands in the journal, found by its first bytes.
    let mut head = vec![0; 1 << 20];
    let journal = folder.join("data/0.jnl");
    let read = fs::File::open(&journal).unwrap().read(&mut head).unwrap();
    let used = head[..read].iter().rposition(|b| *b != 0).unwrap() + 1;
    let starts: Vec<usize> = (0..used)
        .filter(|at| head[*at..].starts_with(b"FLG1"))
        .collect();
    // The opening comes first.
    assert_eq!(starts.len() as u64, GROUPS + 1);

    let mut cuts: BTreeSet<usize> = if std::env::var_os("FLIGHTLINE_CUTS").is_some() {
        (0..=used + 1).collect()
    } else {
        let edges = starts.iter().flat_map(|at| [at - 1, *at, at + 1]);
        edges
            .chain((0..60).map(|_| sampler.below(used as u64) as usize))
            .collect()
    };
    cuts.extend([0, 1, used - 1, used, used + 1]);
    for cut in &cuts {
        let name = format!("cut-{cut}");
        let target = dir.path().join(&name);
        copy(&folder, &target, *cut as u64);
        let log = EmbeddedLog::open(config(&target)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let kept = records(&log);
        assert!(written.starts_with(&kept), "{name}: not a prefix");
        assert!(
            kept.is_empty() || records_after.contains(&kept.len()),
            "{name}: half a group"
        );
        // A group was synced before the next one was begun.
        let begun = starts.iter().filter(|start| *start < cut).count();
        let synced = begun.checked_sub(2).filter(|n| *n > 0);
        let least = synced.map_or(0, |n| records_after[n - 1]);
        assert!(
            kept.len() >= least,
            "{name}: {} of {least} records",
            kept.len()
        );
        if *cut >= used {
            assert_eq!(kept, written, "{name}: nothing was cut");
        }
        // And it can be written to, and read again.
        let mut group = Group::new();
        let mut producer = log.producer();
        let draft = Draft::new(CommandId(7), 0, &Command::Fence);
        producer.push(&mut group, 2, &draft).unwrap();
        producer.append(&log, &group).unwrap();
        drop(log);
        let log = EmbeddedLog::open(config(&target)).unwrap();
        assert_eq!(records(&log).len(), kept.len() + 1, "{name}");
        drop(log);
        fs::remove_dir_all(&target).unwrap();
    }
    eprintln!("{} cuts", cuts.len());
}
