//! What happened to an order that its client wants to be told of, each once and in order.
//!
//! Derived from the order after each record that changed it, so that the list depends on the stream
//! alone: its places number the messages that are made of it.

use super::ids::QuoteId;
use super::saga::Context;
use super::standing::OrderState;
use super::state::Order;

/// Something that the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milestone {
    /// What.
    pub kind: MilestoneKind,
    /// Offset of the record that brought it about.
    pub offset: u64,
    /// When, Unix time in milliseconds by the stream's clock.
    pub at_ms: i64,
}

/// Kinds of [`Milestone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MilestoneKind {
    /// The client has the order: held, or booked at once.
    Created,
    /// An attempt at it failed, and is undone.
    CreationFailed {
        /// Number of the attempt, from 1.
        attempt: u32,
    },
    /// It is paid and ticketed.
    Paid {
        /// Number of the payment among those of the order, from 1.
        payment: u32,
    },
    /// A cancellation was quoted.
    CancellationQuoted {
        /// The quote.
        quote: QuoteId,
    },
    /// A cancellation was confirmed.
    CancellationConfirmed {
        /// Its quote.
        quote: QuoteId,
    },
    /// The airline changed its times, or cancelled it.
    AirlineChange {
        /// How many of these there were before.
        number: u32,
    },
}

/// What the list has already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) created: bool,
    pub(super) failed_attempt: u32,
    pub(super) payment: u32,
    pub(super) quotes: u32,
    pub(super) confirmed: bool,
    pub(super) gone: bool,
    pub(super) retimed: u32,
    pub(super) changes: u32,
}

impl Order {
    /// Adds what is new since the last time.
    pub(super) fn reach_milestones(&mut self, cx: &Context<'_>) {
        let mut told = self.told;
        let mut reached = Vec::new();
        if self.is_established() && !told.created {
            told.created = true;
            reached.push(MilestoneKind::Created);
        }
        if self.state() == OrderState::Refused && told.failed_attempt < self.attempt {
            told.failed_attempt = self.attempt;
            let attempt = self.attempt;
            reached.push(MilestoneKind::CreationFailed { attempt });
        }
        let is_paid = self.ticket.is_some() && self.is_established();
        if is_paid && told.payment < self.charge.number {
            told.payment = self.charge.number;
            let payment = self.charge.number;
            reached.push(MilestoneKind::Paid { payment });
        }
        if self.changes_pending && told.retimed < self.retimed {
            told.retimed = self.retimed;
            reached.push(MilestoneKind::AirlineChange {
                number: told.changes,
            });
            told.changes += 1;
        }
        if let Some(quote) = self.quote {
            if told.quotes < self.quotes {
                told.quotes = self.quotes;
                reached.push(MilestoneKind::CancellationQuoted { quote: quote.id });
            }
            if quote.confirmed_ms.is_some() && !told.confirmed {
                told.confirmed = true;
                reached.push(MilestoneKind::CancellationConfirmed { quote: quote.id });
            }
        }
        let by_airline = self.ending.as_ref().is_some_and(|e| e.cause.is_airline());
        if by_airline && self.is_established() && !told.gone {
            told.gone = true;
            reached.push(MilestoneKind::AirlineChange {
                number: told.changes,
            });
            told.changes += 1;
        }
        self.told = told;
        let (offset, at_ms) = (cx.offset, cx.clock_ms);
        self.milestones
            .extend(reached.into_iter().map(|kind| Milestone {
                kind,
                offset,
                at_ms,
            }));
    }

    /// What the client is told of it, in order. The list only grows.
    pub fn milestones(&self) -> &[Milestone] {
        &self.milestones
    }
}
