//! What is known about one flight.

use std::cell::RefCell;
use std::collections::BTreeMap;

use flightline_ledger::command::{Counts, LegTimes, SaleStatus, Settings, SourceVersion};
use flightline_ledger::{
    Cabin, Class, CommandId, FlightCommand, FlightKey, Money, Outcome, ProviderCode, Reason,
    Station,
};

use super::Fault;

/// Where a hold is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldState {
    /// Live: waits for confirmation until its deadline.
    Held,
    /// A sale.
    Confirmed,
    /// Given back before it was a sale.
    Released,
    /// Undone.
    Cancelled,
    /// Its deadline passed.
    Expired,
    /// It lost its seats, or the hope of them.
    Displaced,
    /// It has no seats yet.
    Waiting,
}

#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) id: CommandId,
    pub(crate) provider: ProviderCode,
    pub(crate) cabin: Cabin,
    pub(crate) class: Option<Class>,
    pub(crate) stations: (Station, Station),
    /// First and last leg; none when its stations are no segment any more.
    pub(crate) legs: Option<(usize, usize)>,
    pub(crate) seats: u16,
    pub(crate) deadline_ms: i64,
    pub(crate) price: Option<Money>,
    pub(crate) state: HoldState,
    /// Of one that waits or once did.
    pub(crate) wait: Option<Wait>,
    pub(crate) acknowledged_at: Option<u64>,
    pub(crate) made: Moment,
    /// When it came to its state.
    pub(crate) changed: Moment,
}

/// What a hold waits for, or once did, beside its seats.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    pub(crate) named: Option<ProviderCode>,
    pub(crate) expected_price: Option<Money>,
    pub(crate) ttl_ms: u64,
    /// It has had no seats so far.
    pub(crate) in_vain: bool,
}

/// A record: its offset and the clock at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) offset: u64,
    pub(crate) clock_ms: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct FlownLeg {
    pub(crate) board: Station,
    pub(crate) off: Station,
    pub(crate) times: LegTimes,
    pub(crate) aircraft: [u8; 3],
    pub(crate) service: u8,
}

/// A bound on seats with what goes with it: of a cabin or class on a leg, or of an exact segment.
#[derive(Clone, Debug)]
pub(crate) struct Allotment {
    /// None = not stated (cabin), no limit (class, segment).
    pub(crate) bound: Option<i64>,
    pub(crate) status: SaleStatus,
    pub(crate) version: Option<SourceVersion>,
    /// Offset of the last remaining count, while that is what set the bound.
    pub(crate) remaining_at: Option<u64>,
    /// The count that set the bound is a floor.
    pub(crate) is_floor: bool,
    /// The last count reported.
    pub(crate) reported: Option<Reported>,
    /// Until when what was said of it holds.
    pub(crate) until_ms: Option<i64>,
}

/// A count that a provider reported, beside what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) counts: Counts,
    pub(crate) seats: i32,
    pub(crate) expected: Option<i64>,
    pub(crate) at: Moment,
}

impl Allotment {
    pub(crate) fn open() -> Self {
        Self {
            bound: None,
            status: SaleStatus::Open,
            version: None,
            remaining_at: None,
            is_floor: false,
            reported: None,
            until_ms: None,
        }
    }

    /// Is it for sale at that time, as far as was said of it alone?
    pub(crate) fn is_open(&self, clock_ms: i64) -> bool {
        let lapsed = self.until_ms.is_some_and(|until| until <= clock_ms);
        self.status == SaleStatus::Open && !lapsed
    }

    /// A bound that is not a provider's count.
    pub(crate) fn set_bound(&mut self, bound: Option<i64>) {
        self.bound = bound;
        self.remaining_at = None;
        self.is_floor = false;
        self.until_ms = None;
    }
}

#[derive(Clone, Debug)]
pub(crate) struct CabinOnLeg {
    pub(crate) own: Allotment,
    /// In nesting order, highest first.
    pub(crate) classes: Vec<(Class, Allotment)>,
}

impl CabinOnLeg {
    pub(crate) fn new() -> Self {
        Self {
            own: Allotment::open(),
            classes: Vec::new(),
        }
    }

    pub(crate) fn class(&self, class: Class) -> Option<&Allotment> {
        self.classes
            .iter()
            .find(|(c, _)| *c == class)
            .map(|(_, allotment)| allotment)
    }

    pub(crate) fn rank(&self, class: Class) -> Option<usize> {
        self.classes.iter().position(|(c, _)| *c == class)
    }
}

pub(crate) type SegmentKey = (Station, Station, Cabin, Option<Class>);
pub(crate) type FareKey = (Option<(Station, Station)>, Cabin, Option<Class>);

#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) sells: bool,
    pub(crate) timing: Option<SourceVersion>,
    pub(crate) equipment: Option<SourceVersion>,
    pub(crate) status: Option<SourceVersion>,
    pub(crate) terms: Option<SourceVersion>,
    pub(crate) allowance: BTreeMap<Cabin, u16>,
    pub(crate) cabins: BTreeMap<(usize, Cabin), CabinOnLeg>,
    pub(crate) segments: BTreeMap<SegmentKey, Allotment>,
    pub(crate) fares: BTreeMap<FareKey, (Money, SourceVersion)>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self {
            sells: true,
            timing: None,
            equipment: None,
            status: None,
            terms: None,
            allowance: BTreeMap::new(),
            cabins: BTreeMap::new(),
            segments: BTreeMap::new(),
            fares: BTreeMap::new(),
        }
    }

    pub(crate) fn allowance(&self, cabin: Cabin) -> i64 {
        self.allowance.get(&cabin).copied().map_or(0, i64::from)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) offset: u64,
    pub(crate) command: FlightCommand,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) key: FlightKey,
    /// The record that is being folded.
    pub(crate) now: Moment,
    pub(crate) memory: BTreeMap<CommandId, Remembered>,
    /// Whose schedule made the flight.
    pub(crate) creator: ProviderCode,
    pub(crate) owner: ProviderCode,
    pub(crate) authority: u8,
    pub(crate) cancelled: bool,
    pub(crate) operating: Option<FlightKey>,
    pub(crate) restricted: Vec<(Station, Station)>,
    pub(crate) legs: Vec<FlownLeg>,
    /// Seats of the aircraft; none = unknown.
    pub(crate) aircraft: BTreeMap<(usize, Cabin), Option<u16>>,
    pub(crate) providers: BTreeMap<ProviderCode, Provider>,
    /// Every hold there ever was, by offset.
    pub(crate) holds: Vec<Hold>,
    /// Providers that do not sell for now, and what their clients are told.
    pub(crate) paused: BTreeMap<ProviderCode, Reason>,
    /// Rules that decided something since they were last collected.
    pub(crate) met: RefCell<Vec<&'static str>>,
    pub(crate) fault: Fault,
}

impl Flight {
    pub(crate) fn met(&self, rule: &'static str) {
        self.met.borrow_mut().push(rule);
    }

    pub(crate) fn set_state(&mut self, hold: usize, state: HoldState) {
        self.holds[hold].state = state;
        self.holds[hold].changed = self.now;
    }

    pub(crate) fn remember(&mut self, id: CommandId, command: &FlightCommand, outcome: Outcome) {
        if self.fault == Fault::ForgetsRefusedIds && matches!(outcome, Outcome::Refused(_)) {
            return;
        }
        let first = Remembered {
            offset: self.now.offset,
            command: command.clone(),
            outcome,
        };
        self.memory.insert(id, first);
    }

    pub(crate) fn decide(
        &mut self,
        settings: &Settings,
        id: CommandId,
        command: &FlightCommand,
    ) -> Outcome {
        match command {
            FlightCommand::Hold(request) => self.hold(settings, id, request),
            FlightCommand::Confirm { hold } => self.confirm(*hold),
            FlightCommand::Release { hold } => self.release(*hold),
            FlightCommand::Cancel { hold } => self.cancel(*hold),
            FlightCommand::Reseat(ask) => self.reseat(settings, id, ask),
            FlightCommand::Provider(event) => self.provider_event(event),
        }
    }

    /// Lets the holds expire whose deadline has come.
    pub(crate) fn expire(&mut self) {
        let late = i64::from(self.fault == Fault::ExpiresLate);
        for i in 0..self.holds.len() {
            let hold = &self.holds[i];
            let deadline_ms = hold.deadline_ms.saturating_add(late);
            let met = match hold.state {
                HoldState::Held => "hold expired by the clock",
                HoldState::Waiting if self.fault == Fault::WaitsForEver => continue,
                HoldState::Waiting => "waiting hold expired by the clock",
                _ => continue,
            };
            if deadline_ms <= self.now.clock_ms {
                self.set_state(i, HoldState::Expired);
                self.met(met);
            }
        }
    }

    pub(crate) fn retire_at_ms(&self, settings: &Settings) -> i64 {
        let last_s = self
            .legs
            .iter()
            .flat_map(|leg| [leg.times.departs_s, leg.times.arrives_s])
            .max()
            .unwrap_or(i64::MIN);
        clamp(i128::from(last_s) * 1000 + i128::from(settings.retire_after_ms))
    }

    /// The legs of a segment: the first that departs at `board`, the first from there on that
    /// arrives at `off`. An absent station is the flight's end.
    pub(crate) fn find_segment(
        &self,
        board: Option<Station>,
        off: Option<Station>,
    ) -> Option<(usize, usize)> {
        let from = match board {
            Some(station) => self.legs.iter().position(|leg| leg.board == station)?,
            None => 0,
        };
        let to = match off {
            Some(station) => (from..self.legs.len()).find(|i| self.legs[*i].off == station)?,
            None => self.legs.len() - 1,
        };
        Some((from, to))
    }

    pub(crate) fn is_segment(&self, (board, off): (Station, Station)) -> bool {
        self.find_segment(Some(board), Some(off)).is_some()
    }
}

/// To the bounds of an `i64`.
pub(crate) fn clamp(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}
