//! Many records at once, with memory asked for ahead.
//!
//! A decision about a random flight would wait for memory several times in a row: the flight's slot
//! in the key table, the flight, the slots of the command's id and of the hold's id, the hold. So
//! each record is looked at some places before its turn, once per stage, and each stage asks for what
//! the next one reads. Nothing is decided ahead: the results are those of one record after the other.

use crate::codes::CommandId;
use crate::command::{Command, FlightCommand, Input};
use crate::flight::Found;
use crate::ledger::Ledger;
use crate::mix;
use crate::observer::{FlightIx, Observer};
use crate::prefetch::fetch;

/// How far ahead of its turn a record reaches each stage.
const KEY: usize = 24;
const FLIGHT: usize = 18;
const IDS: usize = 10;
const HOLD: usize = 5;
/// Length of the ring in which found flights wait: a power of two above the distances.
const RING: usize = 32;

impl Ledger {
    /// Decides records one after the other: the same as [`Ledger::apply`] on each, but faster. The
    /// observer is the only one to hear the decisions.
    pub fn apply_batch<O: Observer>(&mut self, inputs: &[Input], observer: &mut O) {
        self.bury();
        let mut ring: [Option<FlightIx>; RING] = [None; RING];
        for input in inputs.iter().take(KEY) {
            self.ask_key(input);
        }
        for (at, input) in inputs.iter().take(FLIGHT).enumerate() {
            ring[at % RING] = self.ask_flight(input);
        }
        for (at, input) in inputs.iter().take(IDS).enumerate() {
            self.ask_ids(input, ring[at % RING]);
        }
        for (at, input) in inputs.iter().enumerate() {
            if let Some(later) = inputs.get(at + KEY) {
                self.ask_key(later);
            }
            if let Some(later) = inputs.get(at + FLIGHT) {
                ring[(at + FLIGHT) % RING] = self.ask_flight(later);
            }
            if let Some(later) = inputs.get(at + IDS) {
                self.ask_ids(later, ring[(at + IDS) % RING]);
            }
            if let Some(later) = inputs.get(at + HOLD) {
                self.ask_hold(later, ring[(at + HOLD) % RING]);
            }
            self.step(input, ring[at % RING], observer);
        }
    }

    #[inline(always)]
    fn ask_key(&self, input: &Input) {
        if let Command::Flight(key, _) = &input.command
            && let Some(slot) = self.slot_of(mix::hash_key(key))
        {
            fetch(slot);
        }
    }

    /// Where the flight is, which does not change once it is known, and the start of its state.
    #[inline(always)]
    fn ask_flight(&self, input: &Input) -> Option<FlightIx> {
        let Command::Flight(key, _) = &input.command else {
            return None;
        };
        let at = self.locate(key)?;
        if let Some(flight) = &self.flights[at as usize] {
            let lines = (&raw const **flight).cast::<[u8; 64]>();
            for line in 0..4 {
                fetch(lines.wrapping_add(line));
            }
        }
        Some(at)
    }

    #[inline(always)]
    fn ask_ids(&self, input: &Input, flight: Option<FlightIx>) {
        let Command::Flight(_, command) = &input.command else {
            return;
        };
        let Some(Some(flight)) = flight.map(|at| &self.flights[at as usize]) else {
            return;
        };
        if let Some(slot) = flight.ids.slot_of(mix::hash_id(input.id)) {
            fetch(slot);
        }
        match target(command) {
            Some(hold) => {
                if let Some(slot) = flight.ids.slot_of(mix::hash_id(hold)) {
                    fetch(slot);
                }
            }
            None => fetch(flight.holds.as_ptr().wrapping_add(flight.holds.len())),
        }
        let rows = flight.rows.as_ptr().cast::<[u8; 64]>();
        for line in 0..(size_of_val(flight.rows.as_slice()) / 64).min(5) + 1 {
            fetch(rows.wrapping_add(line));
        }
    }

    #[inline(always)]
    fn ask_hold(&self, input: &Input, flight: Option<FlightIx>) {
        let Command::Flight(_, command) = &input.command else {
            return;
        };
        let Some(Some(flight)) = flight.map(|at| &self.flights[at as usize]) else {
            return;
        };
        if let Some(hold) = target(command)
            && let Some(Found::Hold(at)) = flight.guess(mix::hash_id(hold))
            && let Some(hold) = flight.holds.get(at as usize)
        {
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
        FlightCommand::Hold(_) | FlightCommand::Provider(_) => None,
    }
}
