//! What was decided about an order, for people who ask why.

use std::collections::VecDeque;

use super::command::FlightNotice;
use super::effect::Step;
use super::ids::EffectId;
use super::outcome::{OrderKind, OrderOutcome};
use super::standing::OrderState;
use crate::codes::CommandId;
use crate::outcome::Reason;

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Offset of the record.
    pub offset: u64,
    /// The stream's clock then, Unix time in milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub event: LogEvent,
    /// Where the order stood afterwards.
    pub state: OrderState,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A client's command was decided.
    Command {
        /// Its kind.
        kind: OrderKind,
        /// Its id.
        id: CommandId,
        /// The answer.
        outcome: OrderOutcome,
    },
    /// An effect's result was heard.
    Result {
        /// The effect: for seats also the id of the command in the flight's stream.
        effect: EffectId,
        /// Its step.
        step: Step,
        /// Its segment; 0 for steps about the whole order.
        segment: u8,
        /// Name of the result.
        result: &'static str,
        /// The flight's reason when it refused.
        reason: Option<Reason>,
    },
    /// A notice about a flight changed something.
    Notice(FlightNotice),
    /// Time passed: a deadline.
    Deadline,
}

/// The decisions about an order, oldest first: the first and the last few of a long history.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub(super) first: Vec<LogEntry>,
    pub(super) last: VecDeque<LogEntry>,
    pub(super) dropped: u64,
}

impl Log {
    /// How many of the first decisions are kept.
    pub const FIRST_MAX: usize = 48;
    /// How many of the last are kept besides.
    pub const LAST_MAX: usize = 48;

    pub(super) fn push(&mut self, entry: LogEntry) {
        if self.first.len() < Self::FIRST_MAX {
            self.first.push(entry);
            return;
        }
        if self.last.len() == Self::LAST_MAX {
            self.last.pop_front();
            self.dropped += 1;
        }
        self.last.push_back(entry);
    }

    /// The decisions that are kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &LogEntry> + '_ {
        self.first.iter().chain(&self.last)
    }

    /// How many were dropped, after the first [`Log::FIRST_MAX`]. The stream still has them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
