//! The seat ledger before its judge, the naive model of `docs/ledger.md`.
//!
//! The long run is `cargo run --release -p flightline-tests --bin model-check -- --commands
//! 10000000 --seed 1`; this is a short one, together with what shows that the judge can fail, and
//! with what must hold whatever the model says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command as Process;

use flightline_ledger::command::FeedCommand;
use flightline_ledger::outcome::Kind;
use flightline_ledger::{Command, CommandId, Decision, FlightKey, Input, Outcome, Reason, Replay};
use flightline_tests::history::{
    Closeness, Coverage, LedgerSubject, Rng, StoredSubject, Subject, batches_agree, derive,
    history, judge, judge_history, renumber, shrink,
};
use flightline_tests::model::{Fault, FlightView, Model, OfferKey, OfferView, Snapshot};

/// Judges histories until the subject is found out, and says after how many commands.
fn found_out<S: Subject>(subject: impl Fn() -> S, histories: u64) -> Option<u64> {
    let mut commands = 0;
    for index in 0..histories {
        let closeness = if index % 4 == 0 {
            Closeness::Always
        } else {
            Closeness::Every(64)
        };
        let judged = judge_history(derive(7, index), 1000, subject(), closeness);
        commands += judged.history.len() as u64;
        if judged.difference.is_some() {
            return Some(commands);
        }
    }
    None
}

#[test]
fn ledger_agrees_with_the_model_and_everything_comes_up() {
    const SEED: u64 = 1;
    let mut coverage = Coverage::default();
    for index in 0..100 {
        let seed = derive(SEED, index);
        let closeness = if index % 8 == 0 {
            Closeness::Always
        } else {
            Closeness::Every(64)
        };
        let judged = judge_history(seed, 2000, LedgerSubject::default(), closeness);
        if let Some(difference) = judged.difference {
            let least = shrink(&judged.history, LedgerSubject::default);
            panic!(
                "seed {SEED}, history {index}, step {}:\n{}\nshortest history:\n{least:#?}",
                difference.step, difference.what,
            );
        }
        if let Err(difference) = batches_agree(&judged.history, seed) {
            panic!("seed {SEED}, history {index}: {}", difference.what);
        }
        coverage.add(&judged.coverage);
    }
    let missing = coverage.missing();
    assert!(
        missing.is_empty(),
        "these never came up: {missing:#?}\n{coverage}"
    );
    assert!(
        coverage.held_share() > 0.15,
        "hardly a hold got seats:\n{coverage}"
    );
}

/// A checkpoint at any offset changes no answer: the judge sees a ledger that is stored and read back
/// before every record, or before every few.
#[test]
fn a_ledger_that_is_stored_and_read_back_at_every_offset_agrees_with_the_model() {
    const SEED: u64 = 2;
    for index in 0..16 {
        let seed = derive(SEED, index);
        let (len, every) = if index % 4 == 0 { (400, 1) } else { (2000, 37) };
        let judged = judge_history(seed, len, StoredSubject::new(every), Closeness::Every(64));
        if let Some(difference) = judged.difference {
            panic!(
                "seed {SEED}, history {index}, step {}:\n{}",
                difference.step, difference.what,
            );
        }
    }
}

#[test]
fn coverage_notices_what_did_not_come_up() {
    let missing = Coverage::default().missing();
    assert!(missing.contains(&"hold: held (first)".to_owned()));
    assert!(missing.contains(&"rule: counted sale cancelled".to_owned()));
    let mut coverage = Coverage::default();
    let judged = judge_history(3, 50, Model::new(), Closeness::Every(64));
    coverage.add(&judged.coverage);
    let some = coverage.missing().len();
    assert!(
        0 < some && some < missing.len(),
        "{some} of {}",
        missing.len()
    );
}

#[test]
fn every_fault_of_a_model_is_noticed() {
    for fault in Fault::ALL {
        let found = found_out(|| Model::with_fault(fault), 600);
        assert!(found.is_some(), "{fault:?} is not noticed");
    }
    assert_eq!(
        found_out(Model::new, 3),
        None,
        "the model differs from itself"
    );
}

/// The ledger, made wrong from outside.
struct Wrong<F> {
    ledger: LedgerSubject,
    decide: F,
}

impl<F: FnMut(&mut LedgerSubject, &Input) -> Decision> Subject for Wrong<F> {
    fn decide(&mut self, input: &Input) -> Decision {
        (self.decide)(&mut self.ledger, input)
    }
    fn snapshot(&self) -> Snapshot {
        self.ledger.snapshot()
    }
    fn flight(&self, key: FlightKey) -> Option<FlightView> {
        self.ledger.flight(key)
    }
    fn offers(&self, key: FlightKey) -> BTreeMap<OfferKey, OfferView> {
        self.ledger.offers(key)
    }
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
}

fn wrong<F: FnMut(&mut LedgerSubject, &Input) -> Decision>(decide: F) -> Wrong<F> {
    Wrong {
        ledger: LedgerSubject::default(),
        decide,
    }
}

#[test]
fn a_ledger_that_oversells_by_one_is_noticed() {
    // Asks for one seat less than the client did, and says that all were held.
    let oversells = |ledger: &mut LedgerSubject, input: &Input| {
        let decision = ledger.clone().decide(input);
        let Outcome::Refused(Reason::SoldOut { available }) = decision.outcome else {
            return ledger.decide(input);
        };
        let mut fewer = input.clone();
        if let Command::Flight(_, flightline_ledger::FlightCommand::Hold(request)) =
            &mut fewer.command
        {
            if available == 0 || available + 1 != request.seats {
                return ledger.decide(input);
            }
            request.seats = available;
        }
        let mut decision = ledger.decide(&fewer);
        if let Outcome::Held { seats, .. } = &mut decision.outcome {
            *seats += 1;
        }
        decision
    };
    assert!(found_out(|| wrong(oversells), 20).is_some());
}

#[test]
fn a_ledger_that_forgets_an_id_is_noticed() {
    let found = found_out(
        || {
            let mut fresh = 0_u128;
            wrong(move |ledger, input| {
                // Every id looks new, as it would to a ledger without memory.
                fresh += 1;
                let mut input = input.clone();
                let id = input.id;
                if matches!(input.command, Command::Flight(..)) {
                    let known = ledger.clone().decide(&input).replay != Replay::First;
                    if known {
                        input.id = CommandId(u128::MAX / 2 + fresh);
                    }
                }
                Decision {
                    id,
                    ..ledger.decide(&input)
                }
            })
        },
        5,
    );
    assert!(found.is_some());
}

#[test]
fn a_ledger_that_loses_a_record_is_noticed() {
    let found = found_out(
        || {
            let mut count = 0;
            wrong(move |ledger, input| {
                count += 1;
                let decision = ledger.clone().decide(input);
                let loses = count > 300 && matches!(decision.outcome, Outcome::Confirmed { .. });
                let mut input = input.clone();
                if loses {
                    input.command = Command::Fence;
                }
                ledger.decide(&input);
                decision
            })
        },
        5,
    );
    assert!(found.is_some());
}

#[test]
fn shrinking_keeps_the_difference_and_drops_the_rest() {
    let fault = || Model::with_fault(Fault::ConfirmsExpired);
    let long = history(derive(11, 0), 1500);
    assert!(judge(&long, fault(), Closeness::Every(64)).is_some());
    let (least, difference) = shrink(&long, fault).expect("it still differs");
    assert!(
        least.len() <= 5,
        "a schedule, a hold, a confirmation: {least:#?}"
    );
    assert_eq!(difference.step, least.len() - 1);
    assert!(judge(&least, fault(), Closeness::Always).is_some());
    assert!(judge(&least, Model::new(), Closeness::Always).is_none());
}

#[test]
fn a_seed_always_gives_the_same_history() {
    assert_eq!(history(5, 800), history(5, 800));
    assert_ne!(history(5, 800), history(6, 800));
}

/// What a flight's clients and providers heard, in order, without places in the partition.
type Heard = BTreeMap<FlightKey, Vec<(CommandId, Kind, Outcome, u8)>>;

fn fold(history: &[Input]) -> (Heard, Snapshot) {
    let mut ledger = LedgerSubject::default();
    let mut heard = Heard::new();
    for input in history {
        let decision = ledger.decide(input);
        let replay = match decision.replay {
            Replay::First => 0,
            Replay::Same { .. } => 1,
            Replay::Different { .. } => 2,
        };
        let told = (decision.id, decision.kind, decision.outcome, replay);
        heard.entry(decision.flight).or_default().push(told);
    }
    (heard, without_places(ledger.snapshot()))
}

/// The state without offsets and the times that go with them.
fn without_places(mut snapshot: Snapshot) -> Snapshot {
    for flight in snapshot.flights.values_mut() {
        for hold in flight.holds.values_mut() {
            hold.made = (0, 0);
            hold.changed = (0, 0);
            hold.acknowledged_at = hold.acknowledged_at.map(|_| 0);
        }
        for drift in flight.drift.values_mut() {
            drift.at = (0, 0);
        }
    }
    snapshot
}

/// The records in stretches of equal time. A record about no flight has a stretch of its own.
fn stretches(history: &[Input], longest: usize) -> Vec<Vec<Input>> {
    let mut all: Vec<Vec<Input>> = Vec::new();
    let mut clock_ms = i64::MIN;
    for input in history {
        clock_ms = clock_ms.max(input.at_ms);
        let alone = !matches!(input.command, Command::Flight(..));
        let last_is_full = all.last().is_none_or(|last: &Vec<Input>| {
            last.len() >= longest || !matches!(last[0].command, Command::Flight(..))
        });
        if alone || last_is_full {
            all.push(Vec::new());
        }
        if let Some(last) = all.last_mut() {
            // Everything in a stretch happens when its first record did.
            let at_ms = last.first().map_or(clock_ms, |first: &Input| first.at_ms);
            last.push(Input {
                at_ms,
                ..input.clone()
            });
        }
    }
    all
}

#[test]
fn flights_do_not_see_each_other() {
    let mut moved = 0;
    for index in 0..30 {
        let seed = derive(13, index);
        let mut rng = Rng::new(seed);
        let mut history = history(seed, 1200);
        // But for this: whoever is heard of one flight is not silent on another.
        history.retain(|input| match &input.command {
            Command::Feed(_, command) => !matches!(**command, FeedCommand::Configure { .. }),
            _ => true,
        });
        let mut stretches = stretches(&history, 25);
        // Settles what is due at the end: a flight scheduled into the past retires at the record
        // after, whichever flight that is about.
        let mut tick = stretches.concat().pop().expect("a history");
        tick.command = Command::Tick;
        stretches.push(vec![tick]);
        let straight = renumber(stretches.concat());
        let mut mixed = Vec::new();
        for stretch in stretches {
            // Another interleaving: flights in another order, each one's records in their own.
            let mut by_flight: BTreeMap<FlightKey, Vec<Input>> = BTreeMap::new();
            for input in stretch {
                let key = match &input.command {
                    Command::Flight(key, _) => *key,
                    _ => FlightKey::NONE,
                };
                by_flight.entry(key).or_default().push(input);
            }
            let mut queues: Vec<_> = by_flight.into_values().map(Vec::into_iter).collect();
            while !queues.is_empty() {
                let at = rng.below(queues.len());
                match queues[at].next() {
                    Some(input) => mixed.push(input),
                    None => drop(queues.swap_remove(at)),
                }
            }
        }
        let mixed = renumber(mixed);
        moved += straight
            .iter()
            .zip(&mixed)
            .filter(|(a, b)| a.id != b.id)
            .count();
        let ((heard_a, state_a), (heard_b, state_b)) = (fold(&straight), fold(&mixed));
        for (key, heard) in &heard_a {
            assert_eq!(Some(heard), heard_b.get(key), "flight {key}, index {index}");
        }
        assert!(state_a == state_b, "states differ, index {index}");
    }
    assert!(
        moved > 1000,
        "the interleavings were hardly different: {moved}"
    );
}

#[test]
fn a_retry_of_every_command_changes_nothing() {
    for index in 0..20 {
        let history = history(derive(17, index), 1000);
        let mut twice = Vec::new();
        let mut clock_ms = i64::MIN;
        for input in &history {
            clock_ms = clock_ms.max(input.at_ms);
            twice.push(input.clone());
            // Tells the time again, later than an earlier record's lower one.
            twice.push(Input {
                at_ms: clock_ms,
                ..input.clone()
            });
        }
        let mut ledger = LedgerSubject::default();
        let mut again = LedgerSubject::default();
        let mut first_answers = BTreeMap::new();
        for (pair, input) in renumber(twice).chunks(2).zip(&history) {
            let once = ledger.decide(input);
            let first = again.decide(&pair[0]);
            let second = again.decide(&pair[1]);
            let flights_answer = matches!(input.command, Command::Flight(..));
            assert_eq!(once.outcome, first.outcome, "index {index}: {input:?}");
            if flights_answer && first.replay == Replay::First {
                first_answers.insert(first.offset, first.outcome);
            }
            let remembered = matches!(
                second.replay,
                Replay::Same { .. } | Replay::Different { .. }
            );
            if remembered {
                assert_eq!(second.outcome, first.outcome, "index {index}: {input:?}");
            }
        }
        assert!(!first_answers.is_empty());
        let (a, b) = (
            without_places(ledger.snapshot()),
            without_places(again.snapshot()),
        );
        assert!(a == b, "a retry changed the state, index {index}");
    }
}

#[test]
fn the_digest_of_the_state_tells_every_decided_record() {
    let mut told = 0;
    for index in 0..10 {
        let history = history(derive(29, index), 400);
        let mut ledger = LedgerSubject::default();
        let decisions: Vec<Decision> = history.iter().map(|i| ledger.decide(i)).collect();
        let there = ledger.snapshot().flights;
        for (at, decision) in decisions.iter().enumerate().step_by(7) {
            // What was decided anew on a flight that still exists is part of the state.
            let is_event_before_flight = matches!(
                decision.outcome,
                Outcome::Refused(
                    Reason::NotScheduled | Reason::InvalidEvent | Reason::UnknownFlight
                )
            );
            if decision.replay != Replay::First
                || is_event_before_flight
                || !there.contains_key(&decision.flight)
            {
                continue;
            }
            let mut other = history.clone();
            other[at].command = Command::Fence;
            let mut without = LedgerSubject::default();
            for input in &other {
                without.decide(input);
            }
            assert_ne!(
                without.hash_state(),
                ledger.hash_state(),
                "{:?}",
                history[at]
            );
            told += 1;
        }
    }
    assert!(told > 100, "hardly a record was tried: {told}");
}

#[test]
fn partitions_fold_alone() {
    // Two partitions of one stream, folded record by record in turn and one after the other.
    for index in 0..10 {
        let parts = [
            history(derive(19, index), 600),
            history(derive(23, index), 600),
        ];
        let mut in_turn = [LedgerSubject::default(), LedgerSubject::default()];
        for at in 0..600 {
            for (ledger, part) in in_turn.iter_mut().zip(&parts) {
                ledger.decide(&part[at]);
            }
        }
        for (ledger, part) in in_turn.iter().zip(&parts) {
            let mut alone = LedgerSubject::default();
            for input in part {
                alone.decide(input);
            }
            assert_eq!(alone.hash_state(), ledger.hash_state());
        }
    }
}

#[test]
fn the_ledger_depends_on_nothing_that_could_spoil_it() {
    let output = Process::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "flightline-ledger",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let crates: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    // What may be there is short, so it is that which is listed: anything else, a runtime, a clock,
    // random numbers, serialisation or a crate of our own, must be argued for here.
    let allowed = BTreeSet::from(["flightline-ledger", "foldhash", "hashbrown"]);
    assert!(
        crates.contains("flightline-ledger"),
        "cargo tree said: {text}"
    );
    let others: Vec<_> = crates.difference(&allowed).collect();
    assert!(others.is_empty(), "the ledger depends on {others:?}");
}
