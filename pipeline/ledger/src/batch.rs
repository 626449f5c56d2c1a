//! Many records at once, with memory asked for ahead.
//!
//! A decision about a random flight would wait for memory several times in a row: the flight's slot
//! in the key table, the flight, the slots of the command's id and of the hold's id, the hold. So
//! each record is looked at some places before its turn, once per stage, and each stage asks for what
//! the next one reads. Nothing is decided ahead: the results are those of one record after the other.

use crate::codes::CommandId;
use crate::command::{Command, FlightCommand, Input};
use crate::flight::{Flight, Found};
use crate::ledger::Ledger;
use crate::mix;
use crate::observer::{FlightIx, HoldIx, Observer};
use crate::prefetch::{fetch, fetch_next};

/// What is known of a record before its turn.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ahead {
    key_hash: u32,
    target_hash: u32,
    /// Where its flight is: this does not change once it is known.
    pub(crate) flight: Option<FlightIx>,
    /// Hash of its id.
    pub(crate) id_hash: Option<u32>,
    /// Where the hold that it is about probably is.
    pub(crate) hold: Option<HoldIx>,
}

/// How far ahead of its turn a record reaches each stage.
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
        let mut ring = [Ahead::default(); RING];
        // The first turns are at records before the first: stages only.
        for turn in 0..inputs.len() + KEY {
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
        let mut ahead = Ahead::default();
        if let Command::Flight(key, _) = &input.command {
            ahead.key_hash = mix::hash_key(key);
            if let Some(slot) = self.slot_of(ahead.key_hash) {
                fetch(slot);
            }
        }
        ahead
    }

    #[inline(always)]
    fn ask_flight(&self, input: &Input, ahead: &mut Ahead) {
        let Command::Flight(key, _) = &input.command else {
            return;
        };
        ahead.flight = self.locate(ahead.key_hash, key);
        if let Some(flight) = self.state_of(ahead) {
            let lines = (&raw const *flight).cast::<[u8; 64]>();
            for line in 0..4 {
                fetch(lines.wrapping_add(line));
            }
        }
    }

    #[inline(always)]
    fn ask_ids(&self, input: &Input, ahead: &mut Ahead) {
        let Command::Flight(_, command) = &input.command else {
            return;
        };
        let Some(flight) = self.state_of(ahead) else {
            return;
        };
        let hash = mix::hash_id(input.id);
        ahead.id_hash = Some(hash);
        if let Some(slot) = flight.ids.slot_of(hash) {
            fetch(slot);
        }
        let rows = flight.rows.as_ptr().cast::<[u8; 64]>();
        for line in 0..(size_of_val(flight.rows.as_slice()) / 64).min(3) + 1 {
            fetch(rows.wrapping_add(line));
        }
        match target(command) {
            Some(hold) => {
                ahead.target_hash = mix::hash_id(hold);
                if let Some(slot) = flight.ids.slot_of(ahead.target_hash) {
                    fetch(slot);
                }
                fetch_next(&flight.memos);
            }
            None => {
                fetch_next(&flight.holds);
                fetch_next(&flight.origins);
                fetch(flight.prices.as_ptr());
            }
        }
    }

    #[inline(always)]
    fn ask_hold(&self, input: &Input, ahead: &mut Ahead) {
        let Command::Flight(_, command) = &input.command else {
            return;
        };
        if target(command).is_some()
            && let Some(flight) = self.state_of(ahead)
            && let Some(Found::Hold(at)) = flight.guess(ahead.target_hash)
            && let Some(hold) = flight.holds.get(at as usize)
        {
            ahead.hold = Some(at);
            fetch(hold);
        }
    }

    #[inline(always)]
    fn state_of(&self, ahead: &Ahead) -> Option<&Flight> {
        self.flights[ahead.flight? as usize].as_deref()
    }
}

/// The hold that a command is about.
#[inline(always)]
fn target(command: &FlightCommand) -> Option<CommandId> {
    match command {
        FlightCommand::Confirm { hold }
        | FlightCommand::Release { hold }
        | FlightCommand::Cancel { hold } => Some(*hold),
        FlightCommand::Hold(_) | FlightCommand::Provider(_) => None,
    }
}
