//! Compares a ledger with the model, record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use flightline_ledger::{Command, FlightKey, Input};

use super::coverage::Coverage;
use super::generate::Generator;
use super::subject::Subject;
use crate::model::{FlightView, Model, Snapshot};

/// Where and how a ledger and the model differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Index of the record in the history.
    pub step: usize,
    /// Both answers, or what differs in the states.
    pub what: String,
}

/// What became of one history.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The records, up to the difference if there is one.
    pub history: Vec<Input>,
    /// What came up.
    pub coverage: Coverage,
    /// The first difference.
    pub difference: Option<Difference>,
}

/// How closely the states are compared. Answers are compared after every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closeness {
    /// Everything, every so many records and at the end.
    Every(usize),
    /// Everything, after every record.
    Always,
}

impl Closeness {
    fn due(self, step: usize) -> bool {
        match self {
            Closeness::Every(records) => (step + 1).is_multiple_of(records),
            Closeness::Always => true,
        }
    }
}

/// The model beside what it judges.
struct Court<S> {
    model: Model,
    subject: S,
    coverage: Coverage,
    closeness: Closeness,
}

impl<S: Subject> Court<S> {
    fn new(subject: S, closeness: Closeness) -> Self {
        Self {
            model: Model::new(),
            subject,
            coverage: Coverage::default(),
            closeness,
        }
    }

    fn step(&mut self, step: usize, input: &Input) -> Result<(), Difference> {
        let found = self.compare_answer(input);
        let found = found.and_then(|()| match (&input.command, self.closeness) {
            (Command::Flight(key, _), Closeness::Always) if step.is_multiple_of(8) => {
                self.compare_offers(*key)
            }
            _ => Ok(()),
        });
        let found = found.and_then(|()| match &input.command {
            _ if self.closeness.due(step) => self.compare_state(),
            // The flight concerned is looked at more often than the rest: that is cheaper.
            Command::Flight(key, _) if step.is_multiple_of(8) => self.compare_flight(*key),
            _ => Ok(()),
        });
        found.map_err(|what| Difference { step, what })
    }

    fn finish(&mut self, steps: usize) -> Result<(), Difference> {
        self.coverage.count_rules(&self.model);
        let keys: Vec<FlightKey> = self.model.flights.keys().copied().collect();
        let offers = keys
            .into_iter()
            .try_for_each(|key| self.compare_offers(key));
        offers
            .and_then(|()| self.compare_state())
            .map_err(|what| Difference {
                step: steps.saturating_sub(1),
                what,
            })
    }

    fn compare_answer(&mut self, input: &Input) -> Result<(), String> {
        let expected = self.model.decide(input);
        self.coverage.count(&expected);
        let subject = &mut self.subject;
        match guarded(|| subject.decide(input)) {
            Ok(found) if found == expected => Ok(()),
            Ok(found) => Err(format!("model:  {expected:?}\nledger: {found:?}")),
            Err(panic) => Err(format!("model:  {expected:?}\nledger panics: {panic}")),
        }
    }

    fn compare_flight(&mut self, key: FlightKey) -> Result<(), String> {
        let subject = &self.subject;
        let found = guarded(|| subject.flight(key)).map_err(|p| format!("view panics: {p}"))?;
        let expected = self.model.flight(key);
        if expected == found {
            Ok(())
        } else {
            Err(show_flight(key, expected.as_ref(), found.as_ref()))
        }
    }

    fn compare_offers(&mut self, key: FlightKey) -> Result<(), String> {
        let subject = &self.subject;
        let found = guarded(|| subject.offers(key)).map_err(|p| format!("offers panic: {p}"))?;
        let expected = self.model.offers(key);
        if expected == found {
            return Ok(());
        }
        let mut text = format!("offers of flight {key} differ\n");
        show_map(&mut text, "offer", &expected, &found);
        Err(text)
    }

    fn compare_state(&mut self) -> Result<(), String> {
        let subject = &mut self.subject;
        guarded(|| subject.check())
            .unwrap_or_else(|panic| Err(format!("it panics: {panic}")))
            .map_err(|fault| format!("the ledger's own check fails: {fault}"))?;
        let subject = &self.subject;
        let found = guarded(|| subject.snapshot()).map_err(|p| format!("view panics: {p}"))?;
        let expected = self.model.snapshot();
        if expected == found {
            Ok(())
        } else {
            Err(show_state(&expected, &found))
        }
    }
}

/// Judges a subject over given records.
pub fn judge<S: Subject>(
    history: &[Input],
    subject: S,
    closeness: Closeness,
) -> Option<Difference> {
    let mut court = Court::new(subject, closeness);
    for (step, input) in history.iter().enumerate() {
        if let Err(difference) = court.step(step, input) {
            return Some(difference);
        }
    }
    court.finish(history.len()).err()
}

/// Judges a subject over a random history of so many records, made while it is judged.
pub fn judge_history<S: Subject>(
    seed: u64,
    commands: u64,
    subject: S,
    closeness: Closeness,
) -> Judged {
    let mut generator = Generator::new(seed, commands);
    let mut court = Court::new(subject, closeness);
    let mut history = Vec::new();
    let mut difference = None;
    for step in 0..commands as usize {
        let input = generator.next(&court.model);
        let verdict = court.step(step, &input);
        history.push(input);
        if let Err(found) = verdict {
            difference = Some(found);
            break;
        }
    }
    if difference.is_none() {
        difference = court.finish(history.len()).err();
    }
    Judged {
        history,
        coverage: court.coverage,
        difference,
    }
}

/// Runs what may panic, as a ledger does whose own assertion fails, and gives the message.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("no message").to_owned()
    })
}

fn show_state(model: &Snapshot, ledger: &Snapshot) -> String {
    let mut text = String::new();
    show_field(&mut text, "clock", &model.clock_ms, &ledger.clock_ms);
    let keys: BTreeSet<FlightKey> = model
        .flights
        .keys()
        .chain(ledger.flights.keys())
        .copied()
        .collect();
    for key in keys {
        let (a, b) = (model.flights.get(&key), ledger.flights.get(&key));
        if a != b {
            text += &show_flight(key, a, b);
        }
    }
    text
}

fn show_flight(key: FlightKey, model: Option<&FlightView>, ledger: Option<&FlightView>) -> String {
    let mut text = format!("state of flight {key} differs\n");
    let (Some(a), Some(b)) = (model, ledger) else {
        let exists = |view: Option<&FlightView>| if view.is_some() { "exists" } else { "is none" };
        let _ = writeln!(
            text,
            "model:  {}\nledger: {}",
            exists(model),
            exists(ledger)
        );
        return text;
    };
    show_field(&mut text, "cancelled", &a.cancelled, &b.cancelled);
    show_field(&mut text, "authority", &a.authority, &b.authority);
    show_field(&mut text, "restricted", &a.restricted, &b.restricted);
    show_field(&mut text, "operating", &a.operating, &b.operating);
    show_field(&mut text, "legs", &a.legs, &b.legs);
    show_map(&mut text, "aircraft", &a.aircraft, &b.aircraft);
    show_map(&mut text, "provider", &a.providers, &b.providers);
    show_map(&mut text, "line", &a.lines, &b.lines);
    show_map(&mut text, "limit", &a.limits, &b.limits);
    show_map(&mut text, "hold", &a.holds, &b.holds);
    show_map(&mut text, "drift", &a.drift, &b.drift);
    text
}

fn show_field<T: Debug + PartialEq>(text: &mut String, name: &str, model: &T, ledger: &T) {
    if model != ledger {
        let _ = writeln!(text, "{name}\n  model:  {model:?}\n  ledger: {ledger:?}");
    }
}

fn show_map<K: Debug + Ord, V: Debug + PartialEq>(
    text: &mut String,
    name: &str,
    model: &BTreeMap<K, V>,
    ledger: &BTreeMap<K, V>,
) {
    let keys: BTreeSet<&K> = model.keys().chain(ledger.keys()).collect();
    for key in keys {
        let name = format!("{name} {key:?}");
        show_field(text, &name, &model.get(key), &ledger.get(key));
    }
}
