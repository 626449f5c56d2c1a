//! Orders among flights through the dataflow: the rows, decisions and effects of a plain fold, for
//! any workers, batches, epochs and restarts.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flightline_dataflows::OrderChange;
use flightline_dataflows::changelog::{Epoch, Record};
use flightline_dataflows::rows::{DecisionRow, OrderRow};
use flightline_ledger::order::{OrderDecision, OrderId, OrderState};
use flightline_ledger::{Command, outcome::Kind};
use support::naive_orders::Judge;
use support::sinks::{Feed, Rows, Word, Words};
use support::{Dice, order_history};

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

fn history(seed: u64, flight_records: usize) -> Vec<Record> {
    order_history::random(seed, PARTITIONS, flight_records)
}

fn epochs(feed: &Feed, history: &[Record]) -> Vec<Arc<Epoch>> {
    feed.run_into(history, Arc::new(Words::default()))
}

fn apply(rows: &mut Rows<Arc<OrderRow>>, epoch: &Epoch) {
    rows.apply(&epoch.orders, |row| row.order);
}

fn assert_same(found: &Rows<Arc<OrderRow>>, expected: &Rows<Arc<OrderRow>>, at: &str) {
    let surplus = found.0.difference(&expected.0).next();
    let missing = expected.0.difference(&found.0).next();
    assert!(
        surplus.is_none() && missing.is_none(),
        "{at}: orders differ\nsurplus {surplus:?}\nmissing {missing:?}"
    );
}

/// Follows the epochs of a run; at each one's end the rows must be those of a plain fold.
fn follow(seed: u64, history: &[Record], epochs: &[Arc<Epoch>]) {
    let mut judge = Judge::new(PARTITIONS);
    let mut rows = Rows::default();
    for epoch in epochs {
        let at = format!("seed {seed}, epoch {}", epoch.number);
        apply(&mut rows, epoch);
        judge.fold(history, &epoch.covers);
        assert_same(&rows, &judge.rows(), &at);
        for row in &epoch.decisions {
            let expected = judge.decision(row.partition, row.decision.offset);
            assert_eq!(row.order.as_deref(), expected.as_ref(), "{at}: {row:?}");
            assert_eq!(row.decision.kind == Kind::Order, row.order.is_some());
        }
    }
    let told: usize = epochs.iter().map(|e| orders_of(&e.decisions).count()).sum();
    let first = epochs.first().filter(|epoch| epoch.is_snapshot);
    let from = |partition: u32| first.map_or(0, |epoch| epoch.covers[partition as usize]);
    let is_told = |r: &&Record| {
        matches!(r.input.command, Command::Order(..)) && r.input.offset >= from(r.partition)
    };
    assert_eq!(
        told,
        history.iter().filter(is_told).count(),
        "seed {seed}: not every decision about an order came out, and once"
    );
}

fn orders_of(rows: &[DecisionRow]) -> impl Iterator<Item = &OrderDecision> {
    rows.iter().filter_map(|row| row.order.as_deref())
}

#[test]
fn rows_and_decisions_of_every_epoch_are_those_of_a_plain_fold() {
    for seed in 0..12 {
        let history = history(seed, 600);
        let feed = feed(1 + seed as usize % 4, 40, &[1, 7, 100, 3]);
        follow(seed, &history, &epochs(&feed, &history));
    }
}

/// What must come up for any of this to mean something.
const MUST_COME_UP: &[&str] = &[
    "created",
    "payment_started",
    "quoted",
    "cancel_started",
    "metadata_set",
    "changes_accepted",
    "heard",
    "asked_again",
    "claimed",
    "stale",
    "refused unknown_order",
    "refused retired",
    "refused invalid",
    "refused already_booked",
    "refused not_outstanding",
    "refused wrong_result",
    "refused past_deadline",
    "refused amount_mismatch",
    "refused quote_stale",
    "refused claimed_by_another",
    "replay same",
    "replay different",
    "row awaiting_payment",
    "row capturing",
    "row booked",
    "row undoing",
    "row refused",
    "row expired",
    "row cancelled",
    "row with changes pending",
    "row at a later attempt",
    "retired",
    "came and went within an epoch",
    "retired by a record about no order",
    "effect due by a record about no order",
    "settings",
];

#[test]
fn random_histories_come_to_everything() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut add = |what: String| *seen.entry(what).or_default() += 1;
    for seed in 0..40 {
        let history = history(seed, 600);
        let mut judge = Judge::new(PARTITIONS);
        judge.fold_all(&history);
        for record in &history {
            let partition = &judge.partitions[record.partition as usize];
            let step = &partition.steps[record.input.offset as usize];
            let is_order = matches!(record.input.command, Command::Order(..));
            if !is_order && step.changed.values().any(Option::is_none) {
                add("retired by a record about no order".to_owned());
            }
            if !is_order && !step.effects.is_empty() {
                add("effect due by a record about no order".to_owned());
            }
            if matches!(record.input.command, Command::ConfigureOrders(_)) {
                add("settings".to_owned());
            }
        }
        let mut ever = BTreeSet::new();
        for epoch in epochs(&feed(1, 2_000, &[64]), &history) {
            for decision in orders_of(&epoch.decisions) {
                let outcome = decision.outcome;
                add(match outcome.reason() {
                    Some(reason) => format!("refused {}", reason.code()),
                    None => outcome.name().to_owned(),
                });
                match decision.replay {
                    flightline_ledger::Replay::First => {}
                    flightline_ledger::Replay::Same { .. } => add("replay same".to_owned()),
                    flightline_ledger::Replay::Different { .. } => {
                        add("replay different".to_owned());
                    }
                }
            }
            let mut sums: BTreeMap<OrderId, isize> = BTreeMap::new();
            for (row, diff) in &epoch.orders {
                *sums.entry(row.order).or_default() += diff;
                if *diff > 0 {
                    ever.insert(row.order);
                    add(format!("row {}", row.state.name()));
                    if row.changes_pending {
                        add("row with changes pending".to_owned());
                    }
                    if row.attempt > 1 {
                        add("row at a later attempt".to_owned());
                    }
                }
            }
            sums.values()
                .filter(|sum| **sum < 0)
                .for_each(|_| add("retired".to_owned()));
        }
        let steps = judge.partitions.iter().flat_map(|p| &p.steps);
        let made: BTreeSet<OrderId> = steps
            .flat_map(|step| step.changed.keys().copied())
            .collect();
        made.difference(&ever)
            .for_each(|_| add("came and went within an epoch".to_owned()));
    }
    let missing: Vec<_> = MUST_COME_UP
        .iter()
        .filter(|what| !seen.contains_key(**what))
        .collect();
    assert!(missing.is_empty(), "never came up: {missing:?}\n{seen:#?}");
}

#[test]
fn workers_and_batches_change_nothing() {
    for seed in 100..103 {
        let history = history(seed, 800);
        let borders = [300, 1, 900];
        let one = epochs(&feed(1, 10_000, &borders), &history);
        let bytes = format!("{one:?}");
        for (workers, batch) in [(1, 1), (2, 1), (2, 10_000), (3, 33), (4, 1), (4, 7)] {
            let other = epochs(&feed(workers, batch, &borders), &history);
            assert!(
                format!("{other:?}") == bytes,
                "seed {seed}: epochs differ with {workers} workers, batches of {batch}"
            );
        }
    }
}

#[test]
fn epoch_borders_change_only_the_steps_not_the_sum() {
    for seed in 200..204 {
        let history = history(seed, 500);
        let end = |borders: &[usize]| {
            let mut rows = Rows::default();
            let mut decisions = Vec::new();
            for epoch in epochs(&feed(2, 100, borders), &history) {
                apply(&mut rows, &epoch);
                let about = |row: &&DecisionRow| row.order.is_some();
                decisions.extend(epoch.decisions.iter().filter(about).cloned());
            }
            decisions.sort_by_key(|row| (row.partition, row.decision.offset));
            (rows, decisions)
        };
        let (whole, decided) = end(&[history.len()]);
        assert!(!whole.0.is_empty() && !decided.is_empty());
        for borders in [&[1][..], &[17], &[600]] {
            let (rows, also) = end(borders);
            assert_same(
                &rows,
                &whole,
                &format!("seed {seed}, epochs of {borders:?}"),
            );
            assert!(also == decided, "seed {seed}, epochs of {borders:?}");
        }
    }
}

#[test]
fn a_start_from_any_offsets_shows_the_orders_as_they_stand_there() {
    let mut rows_at_start = 0;
    for seed in 300..312 {
        let history = history(seed, 500);
        let mut dice = Dice(seed);
        let mut until = vec![0; PARTITIONS as usize];
        for record in &history {
            until[record.partition as usize] += 1;
        }
        until.iter_mut().for_each(|len| *len = dice.below(*len + 1));
        let restart = Feed {
            snapshot: Some(until.clone()),
            ..feed(
                1 + dice.below(4) as usize,
                1 + dice.below(400) as usize,
                &[33, 200],
            )
        };
        let resumed = epochs(&restart, &history);
        let first = &resumed[0];
        assert!(first.is_snapshot && first.covers == until, "seed {seed}");
        assert!(first.decisions.is_empty(), "seed {seed}");
        assert!(first.orders.iter().all(|(_, diff)| *diff == 1));
        rows_at_start += first.orders.len();
        // The snapshot, and all after it, are the state at the offsets that they cover.
        follow(seed, &history, &resumed);
    }
    assert!(rows_at_start > 100, "{rows_at_start} orders in 12 starts");
}

#[test]
fn orders_that_were_stored_at_any_offsets_go_on_the_same() {
    for seed in 500..512 {
        let history = history(seed, 500);
        let mut dice = Dice(seed);
        let mut until = vec![0; PARTITIONS as usize];
        for record in &history {
            until[record.partition as usize] += 1;
        }
        until.iter_mut().for_each(|len| *len = dice.below(*len + 1));
        let from: Vec<u64> = until.iter().map(|len| dice.below(*len + 1)).collect();
        for until in [&until, &from] {
            let whole = Feed {
                snapshot: Some(until.clone()),
                ..feed(1 + dice.below(3) as usize, 90, &[33, 200])
            };
            let resumed = Feed {
                resume: Some(from.clone()),
                ..whole.clone()
            };
            let (words, also) = (Arc::new(Words::default()), Arc::new(Words::default()));
            let one = whole.run_into(&history, words.clone());
            let other = resumed.run_into(&history, also.clone());
            assert!(
                format!("{one:?}") == format!("{other:?}"),
                "seed {seed}: epochs differ, stored at {from:?}, snapshot at {until:?}"
            );
            // What was told after the stored state: decisions, effects and changes of orders.
            let news = |words: &Words| -> Vec<String> {
                let all = words.0.lock().unwrap();
                let mut told = Vec::new();
                for (partition, words) in &*all {
                    let from = from[*partition as usize];
                    for word in words {
                        if let Word::News {
                            decisions, effects, ..
                        } = word
                        {
                            let after = decisions.iter().filter(|d| d.offset >= from);
                            told.extend(after.map(|d| format!("{partition}: {d:?}")));
                            if decisions.first().is_some_and(|d| d.offset >= from) {
                                told.push(format!("{partition}: {effects:?}"));
                            }
                        }
                    }
                }
                told
            };
            // Batches may be cut elsewhere: effects are compared where the cuts are the same.
            if *until == from {
                assert_eq!(news(&words), news(&also), "seed {seed}");
            }
        }
    }
}

#[test]
fn the_decision_sink_hears_of_orders_once_in_time_and_what_a_plain_fold_emits() {
    for (seed, workers, batch) in [(400, 1, 1), (401, 1, 64), (402, 2, 7), (403, 4, 300)] {
        for snapshot in [false, true] {
            let history = history(seed, 600);
            let mut judge = Judge::new(PARTITIONS);
            judge.fold_all(&history);
            let mut feed = feed(workers, batch, &[1, 50, 400]);
            if snapshot {
                // What is told does not depend on it.
                let half = judge.partitions.iter().map(|p| p.steps.len() as u64 / 2);
                feed.snapshot = Some(half.collect());
            }
            let words = Arc::new(Words::default());
            feed.run_into(&history, words.clone());
            let words = words.0.lock().unwrap();
            for (partition, words) in &*words {
                listen(seed, *partition, words, &judge);
            }
        }
    }
}

/// Holds what one partition told to what its plain fold did.
fn listen(seed: u64, partition: u32, words: &[Word], judge: &Judge) {
    let steps = &judge.partitions[partition as usize].steps;
    let at = format!("seed {seed}, partition {partition}");
    // Decided so far, and told of orders so far.
    let (mut decided, mut told) = (0, 0);
    for word in words {
        match word {
            Word::Decided(until) => {
                // Whatever was not told had nothing to tell.
                for step in &steps[told.min(*until as usize)..*until as usize] {
                    let about = step.decision.filter(|decision| decision.order.is_some());
                    assert_eq!(about, None, "{at}: decided before it was told");
                    assert!(step.effects.is_empty(), "{at}: effects not told: {step:?}");
                    assert!(step.changed.is_empty(), "{at}: changes not told: {step:?}");
                }
                decided = *until as usize;
                told = told.max(decided);
            }
            Word::News {
                until,
                decisions,
                effects,
                changed,
            } => {
                let until = *until as usize;
                assert!(
                    decided <= told && told < until,
                    "{at}: news until {until}, told {told}, decided {decided}"
                );
                let these = &steps[told..until];
                let expected: Vec<OrderDecision> = these
                    .iter()
                    .filter_map(|step| step.decision.filter(|d| d.order.is_some()))
                    .collect();
                assert_eq!(*decisions, expected, "{at}, until {until}");
                let due: Vec<_> = these.iter().flat_map(|step| &step.effects).collect();
                assert_eq!(
                    effects.iter().collect::<Vec<_>>(),
                    due,
                    "{at}, until {until}"
                );
                check_changed(changed, these, &at);
                told = until;
            }
        }
    }
    assert_eq!(decided, steps.len(), "{at}: not everything was decided");
}

/// Every order that changed and is not over stands there once, as it is at the end.
fn check_changed(changed: &[OrderChange], steps: &[support::naive_orders::Step], at: &str) {
    let mut last: BTreeMap<OrderId, Option<OrderState>> = BTreeMap::new();
    for step in steps {
        last.extend(step.changed.iter().map(|(id, state)| (*id, *state)));
    }
    let mut found = BTreeMap::new();
    for change in changed {
        let before = found.insert(change.order, change.state);
        assert_eq!(before, None, "{at}: told twice of one order");
        assert!(last.contains_key(&change.order), "{at}: {change:?}");
    }
    for (order, state) in last {
        // One that is over may be told of, since it can still be read for a while.
        if let Some(state) = state {
            assert_eq!(found.get(&order), Some(&state), "{at}: order {order}");
        }
    }
}
