//! What came up in a run, and what had to.

use std::collections::BTreeMap;
use std::fmt;

use flightline_ledger::outcome::Kind;
use flightline_ledger::{Decision, Outcome, Reason, Replay};

use crate::model::{Model, RULES};

/// Kind of command, answer, and whether it was a replay.
pub type Cell = (Kind, &'static str, &'static str);

/// Counts what came up.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    cells: BTreeMap<Cell, u64>,
    rules: BTreeMap<&'static str, u64>,
}

fn answer(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Held { price: None, .. } => "held without price",
        Outcome::Held { price: Some(_), .. } => "held",
        // One that never got seats gives none back.
        Outcome::Released { seats: 0, already } => match already {
            false => "released, waiting",
            true => "released already, waiting",
        },
        Outcome::Cancelled { seats: 0, already } => match already {
            false => "cancelled, waiting",
            true => "cancelled already, waiting",
        },
        Outcome::Confirmed { already: true, .. } => "confirmed already",
        Outcome::Released { already: true, .. } => "released already",
        Outcome::Cancelled { already: true, .. } => "cancelled already",
        Outcome::Accepted {
            displaced,
            partly_stale,
        } => match (*displaced > 0, partly_stale) {
            (false, false) => "accepted",
            (true, false) => "accepted, displaced",
            (false, true) => "accepted, partly stale",
            (true, true) => "accepted, displaced, partly stale",
        },
        Outcome::Refused(Reason::SoldOut { available: 0 }) => "sold_out of 0",
        Outcome::Refused(Reason::PriceChanged { now: None }) => "price_changed to none",
        Outcome::Refused(reason) => reason.code(),
        other => other.name(),
    }
}

fn replay_name(replay: Replay) -> &'static str {
    match replay {
        Replay::First => "first",
        Replay::Same { .. } => "same",
        Replay::Different { .. } => "different",
    }
}

/// What kind of command can be answered how, at first.
fn first_answers(kind: Kind) -> Vec<&'static str> {
    let event = |more: &[&'static str]| {
        let mut all = vec!["accepted", "retired", "not_scheduled"];
        all.extend(more);
        all
    };
    match kind {
        Kind::Hold => vec![
            "held",
            "held without price",
            "waiting",
            "sold_out",
            "sold_out of 0",
            "unknown_flight",
            "flight_cancelled",
            "departed",
            "retired",
            "unknown_segment",
            "segment_restricted",
            "unknown_cabin",
            "unknown_class",
            "unknown_provider",
            "closed",
            "price_changed",
            "price_changed to none",
            "not_operating",
            "invalid_seats",
            "invalid_ttl",
            "provider_stopped",
            "provider_silent",
        ],
        Kind::Confirm => vec![
            "confirmed",
            "confirmed already",
            "still_waiting",
            "already_released",
            "already_cancelled",
            "expired",
            "displaced",
            "unknown_hold",
            "unknown_flight",
            "retired",
        ],
        Kind::Release => vec![
            "released",
            "released already",
            "released, waiting",
            "released already, waiting",
            "already_confirmed",
            "already_cancelled",
            "expired",
            "displaced",
            "unknown_hold",
            "unknown_flight",
            "retired",
        ],
        Kind::Cancel => vec![
            "cancelled",
            "cancelled already",
            "cancelled, waiting",
            "cancelled already, waiting",
            "already_released",
            "expired",
            "displaced",
            "unknown_hold",
            "unknown_flight",
            "retired",
        ],
        Kind::Schedule => vec![
            "accepted",
            "accepted, displaced",
            "accepted, partly stale",
            "accepted, displaced, partly stale",
            "stale",
            "invalid_event",
            "retired",
        ],
        Kind::TimeChange => event(&["stale", "invalid_event", "not_owner"]),
        Kind::Equipment => event(&["accepted, displaced", "stale", "invalid_event"]),
        Kind::Availability => event(&[
            "accepted, displaced",
            "accepted, partly stale",
            "stale",
            "invalid_event",
        ]),
        Kind::Fares => event(&["accepted, partly stale", "stale", "invalid_event"]),
        Kind::Terms => event(&["accepted, displaced", "stale", "invalid_event"]),
        Kind::FlightCancel | Kind::FlightWithdraw => event(&["accepted, displaced", "stale"]),
        Kind::FlightReinstate => event(&["stale"]),
        Kind::Acknowledge | Kind::Refuse => event(&[]),
        Kind::Reseat => vec![
            "held",
            "sold_out of 0",
            "closed",
            "unknown_cabin",
            "price_changed",
            "already_confirmed",
            "already_released",
            "still_waiting",
            "expired",
            "displaced",
            "unknown_hold",
            "unknown_flight",
            "flight_cancelled",
            "departed",
            "retired",
        ],
        Kind::Tick
        | Kind::Configure
        | Kind::FeedReject
        | Kind::Fence
        | Kind::Order
        | Kind::ConfigureOrders
        | Kind::FeedConfigure
        | Kind::FeedHeard
        | Kind::FeedStop
        | Kind::FeedResume
        | Kind::FeedUnplaced
        | Kind::FeedReplaced
        | Kind::FeedNumbered => vec!["noted"],
    }
}

/// Answers that a flight does not remember, since it does not exist.
const FORGOTTEN: [&str; 3] = ["unknown_flight", "retired", "not_scheduled"];

/// Everything that a run has to have met.
///
/// A replay `same` is required of every answer that a command of its kind can get and that is
/// remembered; a replay with other details of every kind, with any answer.
pub fn required() -> Vec<Cell> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        for answer in first_answers(kind) {
            all.push((kind, answer, "first"));
            let forgotten = FORGOTTEN.contains(&answer) || answer == "noted";
            // A rare answer that was also sent twice would take too long to wait for.
            let rare = answer.contains(", ");
            if !forgotten && !rare {
                all.push((kind, answer, "same"));
            }
        }
    }
    all
}

/// The kinds whose commands are about a flight, hence can be replays.
fn about_flights() -> impl Iterator<Item = Kind> {
    let alone = [
        Kind::Tick,
        Kind::Configure,
        Kind::FeedReject,
        Kind::Fence,
        Kind::Order,
        Kind::ConfigureOrders,
        Kind::FeedConfigure,
        Kind::FeedHeard,
        Kind::FeedStop,
        Kind::FeedResume,
        Kind::FeedUnplaced,
        Kind::FeedReplaced,
        Kind::FeedNumbered,
    ];
    Kind::ALL.into_iter().filter(move |k| !alone.contains(k))
}

impl Coverage {
    /// Counts a decision.
    pub fn count(&mut self, decision: &Decision) {
        let cell = (
            decision.kind,
            answer(&decision.outcome),
            replay_name(decision.replay),
        );
        *self.cells.entry(cell).or_default() += 1;
    }

    /// Counts the rules that a model exercised.
    pub fn count_rules(&mut self, model: &Model) {
        for (rule, times) in model.rules() {
            *self.rules.entry(rule).or_default() += times;
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Coverage) {
        for (cell, times) in &other.cells {
            *self.cells.entry(*cell).or_default() += times;
        }
        for (rule, times) in &other.rules {
            *self.rules.entry(rule).or_default() += times;
        }
    }

    /// How often the cell came up.
    pub fn times(&self, cell: Cell) -> u64 {
        self.cells.get(&cell).copied().unwrap_or(0)
    }

    /// The required cells that came up least, and how often.
    pub fn rarest(&self) -> Vec<(u64, Cell)> {
        let mut all: Vec<_> = required().into_iter().map(|c| (self.times(c), c)).collect();
        all.sort();
        all.truncate(5);
        all
    }

    /// Share of the first holds that got seats.
    pub fn held_share(&self) -> f64 {
        let (mut held, mut all) = (0, 0);
        for ((kind, answer, replay), times) in &self.cells {
            if *kind == Kind::Hold && *replay == "first" {
                all += times;
                if answer.starts_with("held") {
                    held += times;
                }
            }
        }
        held as f64 / all.max(1) as f64
    }

    /// What should have come up and did not.
    pub fn missing(&self) -> Vec<String> {
        let mut all: Vec<String> = required()
            .into_iter()
            .filter(|cell| self.times(*cell) == 0)
            .map(|(kind, answer, replay)| format!("{}: {answer} ({replay})", kind.name()))
            .collect();
        for kind in about_flights() {
            let different = |(k, _, replay): &Cell| *k == kind && *replay == "different";
            if !self.cells.keys().any(different) {
                all.push(format!("{}: any (different)", kind.name()));
            }
        }
        for rule in RULES {
            if !self.rules.contains_key(rule) {
                all.push(format!("rule: {rule}"));
            }
        }
        all
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: BTreeMap<(Kind, &str), [u64; 2]> = BTreeMap::new();
        for ((kind, answer, replay), times) in &self.cells {
            // A replay with other details repeats another kind's answer: all in one row.
            let (answer, column) = match *replay {
                "first" => (*answer, 0),
                "same" => (*answer, 1),
                _ => ("~ the first one's (other details)", 1),
            };
            rows.entry((*kind, answer)).or_default()[column] += times;
        }
        writeln!(
            f,
            "{:<17} {:<34} {:>10} {:>9}",
            "kind", "answer", "first", "replay"
        )?;
        for ((kind, answer), [first, again]) in rows {
            let kind = kind.name();
            writeln!(f, "{kind:<17} {answer:<34} {first:>10} {again:>9}")?;
        }
        writeln!(f, "\n{:<62} {:>10}", "rule", "times")?;
        for rule in RULES {
            let times = self.rules.get(rule).copied().unwrap_or(0);
            writeln!(f, "{rule:<62} {times:>10}")?;
        }
        writeln!(f, "\nrarest of what must come up:")?;
        for (times, (kind, answer, replay)) in self.rarest() {
            let kind = kind.name();
            writeln!(f, "{kind:<17} {answer:<34} {replay:<10} {times:>9}")?;
        }
        write!(
            f,
            "\nholds that got seats: {:.1} %",
            100.0 * self.held_share()
        )
    }
}
