//! Random histories through the dataflow: the same whatever the workers, batches and restarts, and
//! always equal to the views computed from scratch.

mod support;

use flightline_dataflows::changelog::{Epoch, Record};
use flightline_dataflows::rows::{HoldRow, HoldStatus};
use flightline_ledger::Command;
use flightline_ledger::command::FeedCommand;
use support::naive::{Naive, Tables};
use support::sinks::{Feed, Run};
use support::{Dice, history};

const PARTITIONS: u32 = 5;

fn feed(workers: usize, batch: usize, epochs: &[usize]) -> Feed {
    Feed {
        partitions: PARTITIONS,
        workers,
        batch,
        epochs: epochs.to_vec(),
        snapshot: None,
        resume: None,
    }
}

/// Follows the epochs of a run, comparing every one with the naive views at the offsets it covers.
fn follow(seed: u64, history: &[Record], run: &Run) {
    let mut naive = Naive::new(PARTITIONS);
    let mut tables = Tables::default();
    for (number, epoch) in run.epochs.iter().enumerate() {
        assert_eq!(epoch.number, number as u64, "seed {seed}");
        tables.apply(epoch);
        naive.fold(history, &epoch.covers);
        let at = format!("seed {seed}, epoch {number}");
        tables.assert_equals(&naive.tables(), &at);
    }
    assert_eq!(run.decisions, naive.decisions, "seed {seed}: decisions");
}

#[test]
fn every_epoch_equals_the_views_computed_from_scratch() {
    for seed in 0..12 {
        let history = history::random(seed, PARTITIONS, 1_500);
        let run = feed(1 + seed as usize % 3, 40, &[1, 7, 100, 3]).run(&history);
        follow(seed, &history, &run);
    }
}

#[test]
fn every_epoch_equals_the_views_computed_from_scratch_where_most_flights_lie_packed() {
    let mut paused = 0;
    for seed in 0..12 {
        let history = history::quiet(seed, PARTITIONS, 1_500);
        // Of some twenty flights of a partition, the dataflow keeps one unpacked with two workers.
        let run = feed(2, 40, &[1, 7, 100, 3]).run(&history);
        follow(seed, &history, &run);
        let feeds = history.iter().filter(|record| {
            let Command::Feed(_, command) = &record.input.command else {
                return false;
            };
            matches!(**command, FeedCommand::Stop | FeedCommand::Resume)
        });
        paused += feeds.count();
    }
    assert!(paused > 200, "providers stopped or went on {paused} times");
}

fn went(epoch: &Epoch, is: impl Fn(&HoldRow) -> bool) -> usize {
    let holds = epoch.holds.iter();
    holds.filter(|(row, diff)| *diff < 0 && is(row)).count()
}

fn came(epoch: &Epoch, is: impl Fn(&HoldRow) -> bool) -> usize {
    let holds = epoch.holds.iter();
    holds.filter(|(row, diff)| *diff > 0 && is(row)).count()
}

#[test]
fn random_histories_reach_every_view() {
    let mut seen = [0_usize; 15];
    for seed in 0..40 {
        let history = history::random(seed, PARTITIONS, 1_500);
        let run = feed(1, 500, &[64]).run(&history);
        for epoch in &run.epochs {
            let counts = [
                epoch.flights.len(),
                epoch.legs.len(),
                epoch.inventory.len(),
                epoch.holds.len(),
                epoch.drift.len(),
                epoch.offers.len(),
                epoch.availability_by_route_day.len(),
                epoch.cheapest_by_route_day.len(),
                epoch.load_factor.len(),
                epoch.oversold.len(),
                epoch.decisions.len(),
                epoch.rejects.len(),
                went(epoch, |row| row.status == HoldStatus::Waiting),
                // Held since a record that did not make it: it had waited.
                went(epoch, |row| {
                    row.status == HoldStatus::Held && row.changed_offset != row.offset
                }),
                came(epoch, |row| {
                    row.status == HoldStatus::Held && row.changed_offset != row.offset
                }),
            ];
            for (sum, count) in seen.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    // What never happens proves nothing.
    assert!(
        seen.iter().all(|count| *count > 15),
        "changes by view: {seen:?}"
    );
}

#[test]
fn workers_and_batches_change_nothing() {
    for seed in 100..104 {
        let history = history::random(seed, PARTITIONS, 2_500);
        let epochs = [300, 1, 900];
        let one = feed(1, 10_000, &epochs).run(&history);
        let bytes = format!("{:?}", one.epochs);
        for (workers, batch) in [(1, 1), (2, 1), (2, 10_000), (4, 1), (4, 10_000), (7, 33)] {
            let other = feed(workers, batch, &epochs).run(&history);
            assert!(
                other.decisions == one.decisions,
                "seed {seed}: decisions differ with {workers} workers, batches of {batch}"
            );
            assert!(
                format!("{:?}", other.epochs) == bytes,
                "seed {seed}: epochs differ with {workers} workers, batches of {batch}"
            );
        }
    }
}

#[test]
fn epoch_boundaries_change_only_the_steps_not_the_sum() {
    for seed in 200..204 {
        let history = history::random(seed, PARTITIONS, 1_200);
        let end = |epochs: &[usize]| {
            let mut tables = Tables::default();
            let mut decisions = Vec::new();
            for epoch in feed(2, 100, epochs).run(&history).epochs {
                tables.apply(&epoch);
                decisions.extend(epoch.decisions.iter().cloned());
            }
            decisions.sort_by_key(|row| (row.partition, row.decision.offset));
            (tables, decisions)
        };
        let (whole, decided) = end(&[1_200]);
        for epochs in [&[1][..], &[17], &[600]] {
            let (steps, also_decided) = end(epochs);
            steps.assert_equals(&whole, &format!("seed {seed}, epochs of {epochs:?}"));
            assert!(also_decided == decided, "seed {seed}, epochs of {epochs:?}");
        }
    }
}

#[test]
fn a_restart_from_any_offsets_goes_on_as_if_nothing_had_happened() {
    for seed in 300..312 {
        let history = history::random(seed, PARTITIONS, 1_200);
        let whole = feed(1, 200, &[50]).run(&history);
        let mut dice = Dice(seed);
        let mut lengths = vec![0; PARTITIONS as usize];
        for record in &history {
            lengths[record.partition as usize] += 1;
        }
        let until: Vec<u64> = lengths.iter().map(|len| dice.below(len + 1)).collect();
        let restart = Feed {
            workers: 1 + dice.below(4) as usize,
            batch: 1 + dice.below(400) as usize,
            snapshot: Some(until.clone()),
            ..feed(1, 1, &[33, 200])
        };
        let resumed = restart.run(&history);
        let first = &resumed.epochs[0];
        assert!(first.is_snapshot && first.covers == until, "seed {seed}");
        assert!(first.decisions.is_empty() && first.rejects.is_empty());
        assert!(resumed.epochs[1..].iter().all(|epoch| !epoch.is_snapshot));
        // The snapshot, and all after it, are the state at the offsets they cover.
        follow(seed, &history, &resumed);
        // Every decision after the vector comes once, the same as without the restart.
        let rows = |run: &Run, is_after: &dyn Fn(u32, u64) -> bool| {
            let epochs = run.epochs.iter();
            let mut rows: Vec<_> = epochs.flat_map(|e| e.decisions.clone()).collect();
            rows.retain(|row| is_after(row.partition, row.decision.offset));
            rows.sort_by_key(|row| (row.partition, row.decision.offset));
            let epochs = run.epochs.iter();
            let mut rejects: Vec<_> = epochs.flat_map(|e| e.rejects.clone()).collect();
            rejects.retain(|row| is_after(row.partition, row.offset));
            rejects.sort();
            (rows, rejects)
        };
        let after = rows(&whole, &|partition, offset| {
            offset >= until[partition as usize]
        });
        assert!(rows(&resumed, &|_, _| true) == after, "seed {seed}");
    }
}

/// By partition, how many of the records are of it.
fn vector(history: &[Record]) -> Vec<u64> {
    let mut lengths = vec![0; PARTITIONS as usize];
    for record in history {
        lengths[record.partition as usize] += 1;
    }
    lengths
}

/// A run that goes on from a stored state must be, byte for byte, the one that folded everything.
fn assert_resumes(seed: u64, history: &[Record], from: &[u64], until: &[u64], restart: &Feed) {
    let at = format!("seed {seed}, stored at {from:?}, snapshot at {until:?}");
    let whole = restart.run(history);
    let resumed = Feed {
        resume: Some(from.to_vec()),
        ..restart.clone()
    };
    let resumed = resumed.run(history);
    assert!(
        format!("{:?}", resumed.epochs) == format!("{:?}", whole.epochs),
        "{at}: epochs differ"
    );
    let mut decisions = whole.decisions;
    for (partition, decided) in &mut decisions {
        decided.retain(|decision| decision.offset >= from[*partition as usize]);
    }
    decisions.retain(|_, decided| !decided.is_empty());
    assert!(resumed.decisions == decisions, "{at}: decisions differ");
}

#[test]
fn a_dataflow_that_goes_on_from_stored_partitions_tells_the_same() {
    for seed in 400..412 {
        let history = history::random(seed, PARTITIONS, 1_500);
        let mut dice = Dice(seed);
        let lengths = vector(&history);
        let until: Vec<u64> = lengths.iter().map(|len| dice.below(len + 1)).collect();
        let from: Vec<u64> = until.iter().map(|until| dice.below(until + 1)).collect();
        let restart = Feed {
            workers: 1 + dice.below(4) as usize,
            batch: 1 + dice.below(400) as usize,
            snapshot: Some(until.clone()),
            ..feed(1, 1, &[33, 200])
        };
        assert_resumes(seed, &history, &from, &until, &restart);
        // Nothing comes between the stored state and the snapshot: as a replica that was up to date.
        let exact = Feed {
            snapshot: Some(from.clone()),
            ..restart
        };
        assert_resumes(seed, &history, &from, &from, &exact);
    }
}

#[test]
fn every_offset_of_a_history_can_be_gone_on_from() {
    for seed in 500..502 {
        let history = history::random(seed, PARTITIONS, 220);
        for len in 1..history.len() {
            let from = vector(&history[..len]);
            let restart = Feed {
                snapshot: Some(from.clone()),
                ..feed(1, 50, &[40])
            };
            assert_resumes(seed, &history, &from, &from, &restart);
        }
    }
}

#[test]
fn decision_rows_carry_notes_and_leave_out_ticks_and_fences() {
    let history = history::random(7, PARTITIONS, 1_000);
    let run = feed(2, 64, &[100]).run(&history);
    let mut rows = run.epochs.iter().flat_map(|epoch| {
        let key =
            |row: &flightline_dataflows::rows::DecisionRow| (row.partition, row.decision.offset);
        assert!(epoch.decisions.is_sorted_by_key(key));
        epoch.decisions.clone()
    });
    let mut expected = 0;
    let mut all: Vec<_> = rows.by_ref().collect();
    all.sort_by_key(|row| (row.partition, row.decision.offset));
    for record in &history {
        let found = all.binary_search_by_key(&(record.partition, record.input.offset), |row| {
            (row.partition, row.decision.offset)
        });
        let is_recorded = match &record.input.command {
            flightline_ledger::Command::Tick | flightline_ledger::Command::Fence => false,
            // Told by the replica to itself, as often as it likes.
            flightline_ledger::Command::Feed(_, command) => !matches!(
                **command,
                flightline_ledger::command::FeedCommand::Heard { .. }
            ),
            _ => true,
        };
        assert_eq!(found.is_ok(), is_recorded, "{record:?}");
        if let Ok(at) = found {
            assert_eq!(all[at].note, record.note);
            expected += 1;
        }
    }
    assert_eq!(all.len(), expected);
}
