//! Many records at once, with memory asked for ahead.
//!
//! A decision about a random flight would wait for memory several times in a row: the flight's slot
//! in the key table, the flight, the slots of the command's id and of the hold's id, the hold. So
//! each record is looked at some places before its turn, once per stage, and each stage asks for what
//! the next one reads. Nothing is decided ahead, and what a stage found is checked when the turn comes:
//! the results are those of one record after the other.

use crate::codes::CommandId;
use crate::command::{Command, FlightCommand, Input};
use crate::flight::{Flight, Found};
use crate::flights::Place;
use crate::ledger::Ledger;
use crate::mix;
use crate::observer::{FlightIx, HoldIx, Observer};
use crate::prefetch::{fetch, fetch_lines, fetch_next};

/// What is believed of a record before its turn. [`UNKNOWN`] where nothing is.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    key_hash: u32,
    /// Hash of its id.
    pub(crate) id_hash: u32,
    target_hash: u32,
    /// Where its flight probably is.
    pub(crate) flight: FlightIx,
    /// Where that one lies, if it is unpacked.
    pub(crate) place: Place,
    /// Where the hold that it is about probably is.
    pub(crate) hold: HoldIx,
}

/// No flight and no hold has this index.
const UNKNOWN: u32 = u32::MAX;

impl Ahead {
    /// Of a record whose turn it is already.
    pub(crate) fn now(input: &Input) -> Self {
        Self {
            id_hash: mix::hash_id(input.id),
            ..Self::NOTHING
        }
    }

    const NOTHING: Self = Self {
        key_hash: 0,
        id_hash: 0,
        target_hash: 0,
        flight: UNKNOWN,
        place: Place::GONE,
        hold: UNKNOWN,
    };
}

/// How far ahead of its turn a record reaches each stage.
const RECORD: usize = 36;
const KEY: usize = 24;
const FLIGHT: usize = 18;
const IDS: usize = 11;
const HOLD: usize = 5;
/// Length of the ring in which records wait for their turn: a power of two above the distances.
const RING: usize = 32;

impl Ledger {
    /// Decides records one after the other: the same as [`Ledger::apply`] on each, but faster. The
    /// observer is the only one to hear the decisions.
    pub fn apply_batch<O: Observer>(&mut self, inputs: &[Input], observer: &mut O) {
        self.bury();
        let mut ring = [Ahead::NOTHING; RING];
        // The first turns are at records before the first: stages only.
        for turn in 0..inputs.len() + KEY {
            if let Some(input) = inputs.get(turn + RECORD - KEY) {
                fetch_lines(input, size_of::<Input>());
            }
            if let Some(input) = inputs.get(turn) {
                ring[turn % RING] = self.ask_key(input);
            }
            let at = |distance: usize| (turn + distance).checked_sub(KEY);
            if let Some((at, input)) = at(FLIGHT).and_then(|at| Some((at, inputs.get(at)?))) {
                self.ask_flight(input, &mut ring[at % RING]);
            }
            if let Some((at, input)) = at(IDS).and_then(|at| Some((at, inputs.get(at)?))) {
                self.ask_ids(input, &mut ring[at % RING]);
            }
            if let Some((at, input)) = at(HOLD).and_then(|at| Some((at, inputs.get(at)?))) {
                self.ask_hold(input, &mut ring[at % RING]);
            }
            if let Some(at) = at(0) {
                let ahead = ring[at % RING];
                self.step(&inputs[at], &ahead, observer);
            }
        }
    }

    #[inline(always)]
    fn ask_key(&self, input: &Input) -> Ahead {
        let mut ahead = Ahead::now(input);
        if let Command::Flight(key, _) = &input.command {
            ahead.key_hash = mix::hash_key(key);
            fetch(self.slot_address(ahead.key_hash));
        }
        ahead
    }

    #[inline(always)]
    fn ask_flight(&self, input: &Input, ahead: &mut Ahead) {
        if !matches!(input.command, Command::Flight(..)) {
            return;
        }
        let Some(at) = self.guess(ahead.key_hash) else {
            return;
        };
        ahead.flight = at;
        ahead.place = self.flights.place(at);
        if let Some(flight) = self.flights.address(ahead.place) {
            fetch_lines(flight, Flight::HOT_BYTES);
        }
    }

    #[inline(always)]
    fn ask_ids(&self, input: &Input, ahead: &mut Ahead) {
        let Command::Flight(_, command) = &input.command else {
            return;
        };
        let Some(flight) = self.flights.at_place(ahead.place) else {
            return;
        };
        fetch(flight.ids.address(ahead.id_hash));
        match target(command) {
            Some(hold) => {
                ahead.target_hash = mix::hash_id(hold);
                fetch(flight.ids.address(ahead.target_hash));
                fetch_next(&flight.memos);
            }
            None => {
                fetch_next(&flight.holds);
                fetch_next(&flight.origins);
            }
        }
    }

    #[inline(always)]
    fn ask_hold(&self, input: &Input, ahead: &mut Ahead) {
        let Command::Flight(_, command) = &input.command else {
            return;
        };
        if target(command).is_some()
            && let Some(flight) = self.flights.at_place(ahead.place)
            && let Some(Found::Hold(at)) = flight.guess(ahead.target_hash)
            && let Some(hold) = flight.holds.get(at as usize)
        {
            ahead.hold = at;
            fetch(hold);
        }
    }
}

/// The hold that a command is about.
#[inline(always)]
fn target(command: &FlightCommand) -> Option<CommandId> {
    match command {
        FlightCommand::Confirm { hold }
        | FlightCommand::Release { hold }
        | FlightCommand::Cancel { hold } => Some(*hold),
        FlightCommand::Hold(_) | FlightCommand::Reseat(_) | FlightCommand::Provider(_) => None,
    }
}
