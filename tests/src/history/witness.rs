//! Holds a ledger to what it tells while it folds.

use std::collections::{BTreeMap, BTreeSet};

use flightline_ledger::{
    Decision, FlightIx, FlightKey, HoldIx, HoldState, Input, Ledger, Observer,
};

use super::subject::view;
use crate::model::FlightView;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Hold(FlightIx, HoldIx, Option<HoldState>),
    Retired(FlightIx, FlightKey),
    Decided(Decision),
}

/// Listens to a ledger and keeps its own copy of the holds from what it hears. Then checks:
/// every change of a hold was told, with the state before; what expired was told in order of
/// deadline and offset, then what retired in order of its time and key, then the rest, then the
/// decision, once; and a flight that was not told to have changed has not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    told: Vec<Told>,
    changed: BTreeSet<FlightIx>,
    holds: BTreeMap<(FlightIx, HoldIx), HoldState>,
    views: BTreeMap<FlightIx, FlightView>,
    faults: Vec<String>,
}

/// Does a hold in this state end by its deadline?
fn is_open(state: HoldState) -> bool {
    matches!(state, HoldState::Held | HoldState::Waiting)
}

impl Observer for Witness {
    fn decided(&mut self, _: &Input, decision: &Decision) {
        self.told.push(Told::Decided(*decision));
    }

    fn flight_changed(&mut self, flight: FlightIx) {
        self.changed.insert(flight);
    }

    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        self.told.push(Told::Hold(flight, hold, before));
    }

    fn flight_retired(&mut self, flight: FlightIx, key: FlightKey) {
        self.told.push(Told::Retired(flight, key));
    }
}

impl Witness {
    /// After a record was folded.
    pub(crate) fn after(&mut self, ledger: &Ledger, input: &Input, decision: &Decision) {
        let told = std::mem::take(&mut self.told);
        // A hold that got its seats may change again within the record: a state between is told as
        // that before the next change.
        let after = |at: usize, of: (FlightIx, HoldIx)| {
            told[at + 1..].iter().find_map(|what| match what {
                Told::Hold(flight, hold, before) if (*flight, *hold) == of => *before,
                _ => None,
            })
        };
        let mut expired = Vec::new();
        let mut retired = Vec::new();
        let mut decided = 0;
        for (at, what) in told.iter().cloned().enumerate() {
            if decided > 0 {
                self.fault(input, format!("told after the decision: {what:?}"));
            }
            match what {
                Told::Hold(flight, hold, before) => {
                    let known = self.holds.get(&(flight, hold)).copied();
                    if known != before {
                        let text = format!("a hold was {before:?} before, and known as {known:?}");
                        self.fault(input, text);
                    }
                    let now = ledger.flight(flight).hold(hold);
                    let state = after(at, (flight, hold)).unwrap_or(now.state);
                    self.holds.insert((flight, hold), state);
                    // Retirement lets the rest of a flight's holds expire, whatever their deadline.
                    if state == HoldState::Expired && now.deadline_ms <= decision.at_ms {
                        expired.push((now.deadline_ms, now.offset));
                        if !retired.is_empty() {
                            self.fault(input, "a hold expired after a retirement".into());
                        }
                    }
                }
                Told::Retired(flight, key) => {
                    let over = ledger.flight(flight);
                    if over.key() != key || !ledger.is_retired(&key) {
                        self.fault(input, format!("{key} is not what retired"));
                    }
                    let after_ms = ledger.settings().retire_after_ms;
                    let retire_at_ms = over.ends_at_ms().saturating_add_unsigned(after_ms);
                    retired.push((retire_at_ms, key));
                    if over.holds().any(|hold| is_open(hold.state)) {
                        self.fault(input, format!("{key} retired with an open hold"));
                    }
                    self.holds.retain(|(ix, _), _| *ix != flight);
                    self.views.remove(&flight);
                    self.changed.remove(&flight);
                }
                Told::Decided(told) => {
                    decided += 1;
                    if told != *decision {
                        self.fault(input, format!("told {told:?}, answered {decision:?}"));
                    }
                }
            }
        }
        if decided != 1 {
            self.fault(input, format!("{decided} decisions were told"));
        }
        if !expired.is_sorted() || !retired.is_sorted() {
            let text = format!("not in order: expired {expired:?}, retired {retired:?}");
            self.fault(input, text);
        }
    }

    fn fault(&mut self, input: &Input, text: String) {
        self.faults
            .push(format!("at offset {}: {text}", input.offset));
    }

    /// Checks what was heard against what there is.
    pub(crate) fn check(&mut self, ledger: &Ledger) -> Result<(), String> {
        if !self.faults.is_empty() {
            return Err(format!("what it told is wrong: {:?}", self.faults));
        }
        let mut there = BTreeMap::new();
        for (ix, flight) in ledger.flights() {
            for at in 0..flight.hold_count() as HoldIx {
                there.insert((ix, at), flight.hold(at).state);
            }
            let now = view(&flight);
            match self.views.get(&ix) {
                Some(before) if !self.changed.contains(&ix) && *before != now => {
                    return Err(format!("{} changed untold", flight.key()));
                }
                _ => self.views.insert(ix, now),
            };
        }
        self.changed.clear();
        if there != self.holds {
            return Err("holds changed untold".into());
        }
        let holds = ledger
            .unpacked_flights()
            .flat_map(|(_, flight)| flight.holds());
        let deadlines = holds.filter(|h| is_open(h.state)).map(|h| h.deadline_ms);
        let after_ms = ledger.settings().retire_after_ms;
        let ends = ledger.flights().map(|(_, flight)| flight.ends_at_ms());
        let retirements = ends.map(|end| end.saturating_add_unsigned(after_ms));
        let due = deadlines.chain(retirements).min();
        if due.is_some_and(|due| ledger.next_deadline_ms().is_none_or(|next| next > due)) {
            let next = ledger.next_deadline_ms();
            return Err(format!(
                "something is due at {due:?}, the next deadline is {next:?}"
            ));
        }
        let live = there.values().filter(|s| **s == HoldState::Held).count();
        if live != ledger.live_holds() {
            return Err(format!("{live} live holds, {} told", ledger.live_holds()));
        }
        let waiting = there.values().filter(|s| **s == HoldState::Waiting).count();
        if waiting != ledger.waiting_holds() {
            let told = ledger.waiting_holds();
            return Err(format!("{waiting} waiting holds, {told} told"));
        }
        Ok(())
    }
}

/// Writes down everything it hears, in order. That the same flight changed twice within a record
/// is no news.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protocol {
    told: Vec<Told>,
    changed: BTreeSet<FlightIx>,
    changes: Vec<(u64, BTreeSet<FlightIx>)>,
}

impl Protocol {
    /// The first thing that was told otherwise.
    pub(crate) fn differs(&self, other: &Protocol) -> Option<String> {
        let pairs = self.told.iter().zip(&other.told);
        let mut all = pairs
            .filter(|(a, b)| a != b)
            .map(|(a, b)| format!("{a:?}\n{b:?}"));
        let sets = self.changes.iter().zip(&other.changes);
        let mut flights = sets
            .filter(|(a, b)| a != b)
            .map(|(a, b)| format!("changed by offset {a:?}\n{b:?}"));
        let lengths = (self.told.len(), other.told.len());
        let missing = (lengths.0 != lengths.1).then(|| format!("told {lengths:?} things"));
        all.next().or(flights.next()).or(missing)
    }
}

impl Observer for Protocol {
    fn decided(&mut self, input: &Input, decision: &Decision) {
        self.told.push(Told::Decided(*decision));
        self.changes
            .push((input.offset, std::mem::take(&mut self.changed)));
    }

    fn flight_changed(&mut self, flight: FlightIx) {
        self.changed.insert(flight);
    }

    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        self.told.push(Told::Hold(flight, hold, before));
    }

    fn flight_retired(&mut self, flight: FlightIx, key: FlightKey) {
        self.told.push(Told::Retired(flight, key));
    }
}
