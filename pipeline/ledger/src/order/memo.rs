//! The commands of clients that an order remembers, with their answers.

use super::outcome::OrderOutcome;
use crate::codes::CommandId;

/// One remembered command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memo {
    pub(super) id: CommandId,
    /// Print of what was asked.
    pub(super) details: u128,
    pub(super) offset: u64,
    pub(super) outcome: OrderOutcome,
}

/// The remembered commands of an order, in the order in which they were decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Memos(pub(super) Vec<Memo>);

impl Memos {
    /// How many commands an order remembers.
    pub(super) const LEN_MAX: usize = 256;
    /// From here on only what moves seats or money is taken: notes must not use up what a
    /// cancellation needs.
    pub(super) const NOTES_MAX: usize = 192;

    /// A few at most in the life of most orders: a scan is quicker than a table.
    pub(super) fn find(&self, id: CommandId) -> Option<&Memo> {
        self.0.iter().find(|memo| memo.id == id)
    }

    pub(super) fn push(&mut self, memo: Memo) {
        assert!(
            self.0.len() < Self::LEN_MAX,
            "command {} is one too many",
            memo.id
        );
        self.0.push(memo);
    }

    pub(super) fn as_slice(&self) -> &[Memo] {
        &self.0
    }
}
