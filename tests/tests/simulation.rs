//! Several replicas under faults, simulated: see `docs/simulation.md`. `outward`: on real threads, orders to a provider.

#[path = "simulation/outward.rs"]
mod outward;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use flightline_tests::simulation::{
    Ending, Mutant, Options, Report, Sabotage, conform, simulate, simulate_twice,
};

/// Seeds of an ordinary run. A long one: `cargo run -p flightline-tests --example simulate -- --help`.
const SEEDS: u64 = 150;

/// Seeds with a cluster that loses records.
const LOSSES: u64 = 50;

/// Seeds that once found something, and what.
const FOUND: [(u64, &str); 0] = [];

fn complain(seed: u64, report: &Report) -> String {
    let lines: Vec<&str> = report.trace.lines().collect();
    let last = lines[lines.len().saturating_sub(40)..].join("\n");
    format!(
        "seed {seed}: {}\n\nits last lines:\n{last}\n\nall of it: cargo run -p flightline-tests --example simulate -- \
         --seed {seed} --trace FILE",
        report.wrong.join("; ")
    )
}

/// Runs on both cores: each run is a world of its own.
fn on_all_cores(seeds: impl Iterator<Item = u64> + Send, run: impl Fn(u64) + Sync) {
    let seeds = Mutex::new(seeds);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = seeds.lock().unwrap().next();
                    let Some(seed) = next else { break };
                    run(seed);
                }
            });
        }
    });
}

#[test]
fn every_seed_settles_and_says_the_same_twice() {
    let (answers, records) = (AtomicU64::new(0), AtomicU64::new(0));
    let wrong = Mutex::new(Vec::new());
    let seeds = FOUND.iter().map(|(seed, _)| *seed).chain(0..SEEDS);
    on_all_cores(seeds, |seed| {
        let report = simulate_twice(seed, Options::default());
        answers.fetch_add(report.answers as u64, Ordering::Relaxed);
        records.fetch_add(report.records, Ordering::Relaxed);
        if !report.wrong.is_empty() {
            wrong.lock().unwrap().push(complain(seed, &report));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} seeds fail; {}", wrong.len(), wrong[0]);
    // A run in which nobody gets an answer proves nothing.
    let (answers, records) = (answers.into_inner(), records.into_inner());
    assert!(answers > SEEDS * 15, "{answers} answers");
    assert!(records > SEEDS * 40, "{records} records");
}

/// The cluster loses records that it had acknowledged: somebody finds out, and what was answered is in the
/// copies, unless others had written in its place before.
#[test]
fn a_loss_is_seen_and_mended_from_the_copies() {
    let (rebuilt, parted) = (AtomicU64::new(0), AtomicU64::new(0));
    let wrong = Mutex::new(Vec::new());
    on_all_cores(0..LOSSES, |seed| {
        let options = Options {
            loses_end: true,
            ..Options::default()
        };
        let report = simulate_twice(seed, options);
        rebuilt.fetch_add(
            u64::from(report.ending == Ending::Rebuilt),
            Ordering::Relaxed,
        );
        parted.fetch_add(
            u64::from(report.ending == Ending::Parted),
            Ordering::Relaxed,
        );
        if !report.wrong.is_empty() {
            wrong.lock().unwrap().push(complain(seed, &report));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} seeds fail; {}", wrong.len(), wrong[0]);
    let (rebuilt, parted) = (rebuilt.into_inner(), parted.into_inner());
    assert!(rebuilt > LOSSES / 10, "{rebuilt} rebuilt, {parted} parted");
}

/// The log that the simulation runs on keeps what every log promises, also while its cluster does what clusters do.
#[test]
fn the_simulated_log_conforms() {
    conform(0, 0);
}

#[test]
fn the_simulated_log_conforms_on_a_cluster_that_is_not_well() {
    for seed in 1..5 {
        conform(seed, 60);
    }
}

/// Of a deliberate fault, some seed among the first must complain.
fn is_found(sabotage: Sabotage) {
    let found = (0..60).find(|seed| {
        let options = Options {
            sabotage: Some(sabotage),
            ..Options::default()
        };
        !simulate(*seed, options).wrong.is_empty()
    });
    assert!(found.is_some(), "{sabotage:?} goes unseen in 60 seeds");
}

#[test]
fn an_append_that_is_taken_for_written_is_found() {
    is_found(Sabotage::Stream(Mutant::SettleByGuess));
}

#[test]
fn records_of_an_earlier_term_that_count_are_found() {
    is_found(Sabotage::Stream(Mutant::TakeStale));
}

#[test]
fn doubles_that_count_are_found() {
    is_found(Sabotage::Stream(Mutant::TakeDoubles));
}

#[test]
fn holes_that_are_not_missed_are_found() {
    is_found(Sabotage::Stream(Mutant::FoldHoles));
}

#[test]
fn tables_that_are_written_without_a_fence_are_found() {
    is_found(Sabotage::NoFence);
}

#[test]
fn payments_that_are_asked_for_under_new_ids_are_found() {
    is_found(Sabotage::NewPaymentIds);
}
