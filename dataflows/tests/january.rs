//! The real schedule of January through the dataflow, with simulated bookings on it: all 27,004
//! flights, the same whatever the workers, batches and restarts.

mod support;

use std::collections::BTreeMap;

use flightline_dataflows::rows::FlightStatus;
use flightline_ledger::{FlightKey, Outcome};
use support::Dice;
use support::january::{FLIGHTS, NOW_MS, PARTITIONS, history};
use support::naive::{Naive, Tables};
use support::sinks::{Feed, Run};

fn feed(workers: usize, batch: usize) -> Feed {
    Feed {
        partitions: PARTITIONS,
        workers,
        batch,
        // The schedule in two large epochs, the bookings in small ones.
        epochs: vec![40_000, 25_000, 700, 1_300],
        snapshot: None,
        resume: None,
    }
}

fn end(run: &Run) -> Tables {
    let mut tables = Tables::default();
    for epoch in &run.epochs {
        tables.apply(epoch);
    }
    tables
}

#[test]
fn the_real_january_comes_out_the_same_in_every_way() {
    let history = history(|place| NOW_MS + place as i64 * 20);
    let one = feed(1, 10_000).run(&history);
    for (workers, batch) in [(1, 1), (2, 10_000), (4, 1), (4, 10_000)] {
        let other = feed(workers, batch).run(&history);
        assert!(
            other == one,
            "{workers} workers with batches of {batch} gave something else"
        );
    }

    let tables = end(&one);
    let mut naive = Naive::new(PARTITIONS);
    let until = &one.epochs.last().unwrap().covers;
    naive.fold(&history, until);
    tables.assert_equals(&naive.tables(), "the end of January");
    assert!(one.decisions == naive.decisions);

    // What a user would look at.
    assert_eq!(tables.flights.0.len(), FLIGHTS);
    let cancelled: Vec<FlightKey> = tables
        .flights
        .0
        .iter()
        .filter(|row| row.status == FlightStatus::Cancelled)
        .map(|row| row.flight)
        .collect();
    assert_eq!(cancelled.len(), 521, "flights of January without departure");
    let sold_on_cancelled = tables
        .offers
        .0
        .iter()
        .filter(|row| row.seats > 0 && cancelled.binary_search(&row.flight).is_ok());
    assert_eq!(sold_on_cancelled.count(), 0);
    assert!(tables.oversold.0.is_empty());
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for decision in one.decisions.values().flatten() {
        let name = match decision.outcome {
            Outcome::Refused(reason) => reason.code(),
            ref outcome => outcome.name(),
        };
        *outcomes.entry(name).or_default() += 1;
    }
    for expected in ["held", "confirmed", "sold_out", "expired", "released"] {
        assert!(outcomes.contains_key(expected), "{outcomes:?}");
    }

    // Restarts, from offsets of which some are among the bookings.
    let mut dice = Dice(31);
    for round in 0..2 {
        let cut: Vec<u64> = until
            .iter()
            .map(|end| end - dice.below(1 + end / [1, 10][round]))
            .collect();
        let restart = Feed {
            snapshot: Some(cut.clone()),
            ..feed(1 + round, 5_000)
        };
        let resumed = restart.run(&history);
        end(&resumed).assert_equals(&tables, "after a restart");
        let rows = |run: &Run| {
            let epochs = run.epochs.iter();
            let mut rows: Vec<_> = epochs.flat_map(|e| e.decisions.iter().cloned()).collect();
            rows.retain(|row| row.decision.offset >= cut[row.partition as usize]);
            rows.sort_by_key(|row| (row.partition, row.decision.offset));
            rows
        };
        assert!(rows(&resumed) == rows(&one), "decisions after {cut:?}");
    }
}
