//! A naive seat ledger, written from `docs/ledger.md` alone, that judges the real one.
//!
//! It is slow and obvious on purpose, and differs from the implementation in kind: plain ordered
//! maps, the full list of holds of every flight, and no counter anywhere. How much of a bucket is
//! used is found by going through all the holds each time it is asked.
//!
//! - State: what is known about a flight (`flight.rs`), how much of it is used (`usage.rs`).
//! - Commands: `hold.rs` (hold, confirm, release, cancel), `offer.rs` (who can sell, and at which
//!   price), `waiting.rs` (who waits, and whose turn it is), `valid.rs` (which provider events are
//!   valid), `event.rs` (their order of checks and the small ones), `schedule.rs` (schedule,
//!   equipment, status, ownership), `availability.rs`, `seller.rs` (who does not sell for now),
//!   `refusal.rs` (sales that their provider does not take).
//! - [`Snapshot`]: the whole state in plain values, to compare with.
//! - [`Fault`]: ways in which the model can be made wrong, to prove that a wrong ledger is noticed.

mod availability;
mod event;
mod fault;
mod flight;
mod hold;
mod offer;
mod refusal;
mod schedule;
mod seller;
mod snapshot;
mod usage;
mod valid;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use flightline_ledger::command::{FeedCommand, Settings};
use flightline_ledger::outcome::Kind;
use flightline_ledger::{
    Command, Decision, FlightCommand, FlightKey, Input, Outcome, ProviderBody, ProviderCode,
    Reason, Replay,
};

pub use fault::Fault;
pub use flight::HoldState;
pub use snapshot::{
    DriftView, FlightView, HoldView, LegView, LimitKey, LimitView, Line, LineKey, OfferKey,
    OfferView, ProviderView, Snapshot,
};

use flight::Moment;
pub(crate) use flight::{CabinOnLeg, Flight, Hold};
pub(crate) use seller::Seller;

/// The rules that a run must have exercised, by name; see [`Model::rules`].
pub const RULES: [&str; 64] = [
    "hold expired by the clock",
    "flight retired",
    "live hold expired by retirement",
    "clock went back",
    "cheapest of several providers taken",
    "no provider named and none passes",
    "hold limited by the aircraft",
    "hold limited by a class before it in the nest",
    "hold limited by an exact segment",
    "leg without authorised offers nothing",
    "leg without authorised but with a class limit",
    "price by exact segment and class",
    "price by exact segment",
    "price by whole flight and class",
    "price by whole flight",
    "ownership taken over",
    "ownership taken over while the new owner does not sell",
    "another's schedule changed its own allotment",
    "stations changed",
    "station change left alone as half of it was stale",
    "hold kept its segment over a station change",
    "live hold displaced by a station change",
    "sale without a segment after a station change",
    "exact-segment limit dropped by a station change",
    "fare dropped by a station change",
    "cabin no longer named",
    "authorised left to a newer availability",
    "class no longer named",
    "seats taken as authorised",
    "aircraft cabin no longer named",
    "remaining count with counted sales",
    "counted sale cancelled",
    "cancelled sale not counted by a bucket with a remaining count",
    "live hold displaced by a smaller bound",
    "live hold displaced by the flight's cancellation",
    "live hold displaced by another's withdrawal",
    "oversold after displacement",
    "availability created a cabin",
    "availability created a class",
    "sale acknowledged",
    "sale refused by its provider",
    "refused sale closed its exact segment",
    "refused sale closed its class",
    "refused sale closed its cabin",
    "refused sale seated elsewhere",
    "refused sale too dear elsewhere",
    "no room to wait for",
    "waiting hold got seats that lapsed",
    "waiting hold got seats that a command made free",
    "waiting hold got seats by new settings",
    "waiting hold passed over for a younger one",
    "waiting hold waited on for its price",
    "waiting hold outlived the sale",
    "waiting hold expired by the clock",
    "waiting hold expired by retirement",
    "waiting hold displaced by a station change",
    "waiting hold displaced by the flight's cancellation",
    "waiting hold displaced by another's withdrawal",
    "provider that was stopped passed over",
    "provider that is silent passed over",
    "silent provider heard again",
    "silent provider answers an order",
    "stopped provider resumed",
    "what was seen lapsed",
];

/// The judge: folds one partition as `docs/ledger.md` says.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) clock_ms: i64,
    pub(crate) settings: Settings,
    pub(crate) flights: BTreeMap<FlightKey, Flight>,
    pub(crate) retired: BTreeSet<FlightKey>,
    pub(crate) sellers: BTreeMap<ProviderCode, Seller>,
    rules: BTreeMap<&'static str, u64>,
    fault: Fault,
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// The empty partition.
    pub fn new() -> Self {
        Self::with_fault(Fault::None)
    }

    /// A model that is wrong in one way.
    pub fn with_fault(fault: Fault) -> Self {
        Self {
            clock_ms: i64::MIN,
            settings: Settings::default(),
            flights: BTreeMap::new(),
            retired: BTreeSet::new(),
            sellers: BTreeMap::new(),
            rules: BTreeMap::new(),
            fault,
        }
    }

    /// How often each of [`RULES`] decided something so far.
    pub fn rules(&self) -> &BTreeMap<&'static str, u64> {
        &self.rules
    }

    /// Folds one record and answers it.
    pub fn decide(&mut self, input: &Input) -> Decision {
        self.turn_clock(input.at_ms);
        let now = Moment {
            offset: input.offset,
            clock_ms: self.clock_ms,
        };
        self.listen(&input.command);
        let paused = self.paused();
        for flight in self.flights.values_mut() {
            flight.paused = paused.clone();
            flight.now = now;
            flight.expire();
        }
        if let (Command::Configure(settings), true) =
            (&input.command, self.fault != Fault::SettingsAfterRetirement)
        {
            self.settings = *settings;
        }
        self.retire();
        if let Command::Configure(settings) = &input.command {
            self.settings = *settings;
        }
        if self.fault != Fault::NewRequestsFirst {
            let is_new = matches!(input.command, Command::Configure(_));
            self.take_turns(if is_new {
                "waiting hold got seats by new settings"
            } else {
                "waiting hold got seats that lapsed"
            });
        }
        let (flight, outcome, replay) = match &input.command {
            Command::Flight(key, command) => {
                let (outcome, replay) = self.decide_flight(*key, command, input);
                (*key, outcome, replay)
            }
            Command::Tick
            | Command::Configure(_)
            | Command::FeedReject(_)
            | Command::Fence
            | Command::Order(..)
            | Command::ConfigureOrders(_)
            | Command::Feed(..) => (FlightKey::NONE, Outcome::Noted, Replay::First),
        };
        self.take_turns("waiting hold got seats that a command made free");
        self.collect_rules();
        Decision {
            offset: input.offset,
            at_ms: self.clock_ms,
            id: input.id,
            flight,
            kind: kind_of(&input.command),
            outcome,
            replay,
        }
    }

    /// Waiting holds get their seats, on every flight.
    fn take_turns(&mut self, when: &'static str) {
        for flight in self.flights.values_mut() {
            flight.take_turns(&self.settings, when);
        }
    }

    fn met(&mut self, rule: &'static str) {
        *self.rules.entry(rule).or_default() += 1;
    }

    fn collect_rules(&mut self) {
        for flight in self.flights.values_mut() {
            for rule in flight.met.get_mut().drain(..) {
                *self.rules.entry(rule).or_default() += 1;
            }
        }
    }

    fn turn_clock(&mut self, at_ms: i64) {
        if at_ms < self.clock_ms {
            self.met("clock went back");
        }
        if at_ms > self.clock_ms || self.fault == Fault::ClockGoesBack {
            self.clock_ms = at_ms;
        }
    }

    fn retire(&mut self) {
        if self.fault == Fault::NeverRetires {
            return;
        }
        let over: Vec<FlightKey> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.retire_at_ms(&self.settings) <= self.clock_ms)
            .map(|(key, _)| *key)
            .collect();
        for key in over {
            if let Some(flight) = self.flights.remove(&key) {
                self.met("flight retired");
                if flight.holds.iter().any(|h| h.state == HoldState::Held) {
                    self.met("live hold expired by retirement");
                }
                if flight.holds.iter().any(|h| h.state == HoldState::Waiting) {
                    self.met("waiting hold expired by retirement");
                }
            }
            self.retired.insert(key);
        }
    }

    fn decide_flight(
        &mut self,
        key: FlightKey,
        command: &FlightCommand,
        input: &Input,
    ) -> (Outcome, Replay) {
        if self.retired.contains(&key) {
            return (Outcome::Refused(Reason::Retired), Replay::First);
        }
        let now = Moment {
            offset: input.offset,
            clock_ms: self.clock_ms,
        };
        let paused = self.paused();
        let Some(flight) = self.flights.get_mut(&key) else {
            let outcome = match command {
                FlightCommand::Provider(event) => match &event.body {
                    ProviderBody::Schedule(schedule) => {
                        match Flight::create(key, event, schedule, now, self.fault) {
                            Some(mut flight) => {
                                flight.paused = paused;
                                let outcome = Outcome::Accepted {
                                    displaced: 0,
                                    partly_stale: false,
                                };
                                flight.remember(input.id, command, outcome);
                                self.flights.insert(key, flight);
                                outcome
                            }
                            None => Outcome::Refused(Reason::InvalidEvent),
                        }
                    }
                    _ => Outcome::Refused(Reason::NotScheduled),
                },
                _ => Outcome::Refused(Reason::UnknownFlight),
            };
            return (outcome, Replay::First);
        };
        if let Some(first) = flight.memory.get(&input.id) {
            let first_offset = first.offset;
            let same = first.command == *command || self.fault == Fault::ReplayByIdAlone;
            let replay = if same {
                Replay::Same { first_offset }
            } else {
                Replay::Different { first_offset }
            };
            let outcome = match (self.fault, first.outcome) {
                (Fault::ReplaysTheTurn, Outcome::Waiting { .. }) => flight.told_anew(input.id),
                (_, outcome) => outcome,
            };
            return (outcome, replay);
        }
        let outcome = flight.decide(&self.settings, input.id, command);
        flight.remember(input.id, command, outcome);
        (outcome, Replay::First)
    }
}

/// The kind by which a command is named in its decision. Said again here, and not asked of the ledger: one that it
/// names wrongly differs.
pub fn kind_of(command: &Command) -> Kind {
    match command {
        Command::Flight(_, FlightCommand::Hold(_)) => Kind::Hold,
        Command::Flight(_, FlightCommand::Confirm { .. }) => Kind::Confirm,
        Command::Flight(_, FlightCommand::Release { .. }) => Kind::Release,
        Command::Flight(_, FlightCommand::Cancel { .. }) => Kind::Cancel,
        Command::Flight(_, FlightCommand::Reseat(_)) => Kind::Reseat,
        Command::Flight(_, FlightCommand::Provider(event)) => match &event.body {
            ProviderBody::Schedule(_) => Kind::Schedule,
            ProviderBody::TimeChange(_) => Kind::TimeChange,
            ProviderBody::Equipment(_) => Kind::Equipment,
            ProviderBody::Availability(_) => Kind::Availability,
            ProviderBody::Fares(_) => Kind::Fares,
            ProviderBody::Terms(_) => Kind::Terms,
            ProviderBody::Cancel => Kind::FlightCancel,
            ProviderBody::Reinstate => Kind::FlightReinstate,
            ProviderBody::Withdraw => Kind::FlightWithdraw,
            ProviderBody::Acknowledge(_) => Kind::Acknowledge,
            ProviderBody::Refuse(_) => Kind::Refuse,
        },
        Command::Tick => Kind::Tick,
        Command::Configure(_) => Kind::Configure,
        Command::FeedReject(_) => Kind::FeedReject,
        Command::Fence => Kind::Fence,
        Command::Order(..) => Kind::Order,
        Command::ConfigureOrders(_) => Kind::ConfigureOrders,
        Command::Feed(_, command) => match **command {
            FeedCommand::Configure { .. } => Kind::FeedConfigure,
            FeedCommand::Heard { .. } => Kind::FeedHeard,
            FeedCommand::Stop => Kind::FeedStop,
            FeedCommand::Resume => Kind::FeedResume,
            FeedCommand::Unplaced(_) => Kind::FeedUnplaced,
            FeedCommand::Replaced(_) => Kind::FeedReplaced,
            FeedCommand::Numbered(_) => Kind::FeedNumbered,
        },
    }
}
