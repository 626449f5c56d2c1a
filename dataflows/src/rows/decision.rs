//! Rows of decisions, and what they say in words: the same in tables and to views.

use std::fmt;

use flightline_ledger::order::{OrderDecision, OrderId, OrderOutcome, OrderReason};
use flightline_ledger::outcome::{Decision, Kind, Outcome, Reason, Replay};
use flightline_ledger::{CommandId, FlightKey};

use super::Note;

/// Table `decision`: append-only, key = partition, offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// The partition.
    pub partition: u32,
    /// What was decided, with offset, id, flight, kind, outcome and time.
    pub decision: Decision,
    /// What was decided about an order, if the record was about one: then it is this that counts.
    pub order: Option<Box<OrderDecision>>,
    /// What the record carried for people and audit.
    pub note: Option<Box<Note>>,
}

/// Kinds of decision that the `decision` table leaves out: they are noise there (a tick an idle
/// second a partition) and say nothing about a flight.
pub const fn is_recorded(kind: Kind) -> bool {
    !matches!(kind, Kind::Tick | Kind::Fence | Kind::FeedHeard)
}

/// What was asked, by its stable name.
#[derive(Clone, Copy, Debug)]
pub struct KindName<'a> {
    of_order: &'static str,
    name: &'a str,
}

impl fmt::Display for KindName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of_order)?;
        f.write_str(self.name)
    }
}

/// What an outcome adds to its name, such as `available=3`.
#[derive(Clone, Copy, Debug)]
pub enum Detail<'a> {
    /// About a flight.
    Flight(&'a Outcome),
    /// About an order.
    Order(&'a OrderOutcome),
}

impl DecisionRow {
    /// The client's own text for the command.
    pub fn ref_text(&self) -> Option<&str> {
        self.note.as_ref()?.ref_text.as_deref()
    }

    /// Who sent it: the name of a token, or a provider.
    pub fn actor(&self) -> Option<&str> {
        self.note.as_ref()?.actor.as_deref()
    }

    /// The command's id.
    pub fn id(&self) -> CommandId {
        self.order
            .as_ref()
            .map_or(self.decision.id, |order| order.id)
    }

    /// The flight; absent for records about no flight.
    pub fn flight(&self) -> Option<&FlightKey> {
        let flight = &self.decision.flight;
        (self.order.is_none() && !flight.is_none()).then_some(flight)
    }

    /// The order; absent for records about no order.
    pub fn order_id(&self) -> Option<OrderId> {
        self.order.as_ref()?.order
    }

    /// What was asked.
    pub fn kind(&self) -> KindName<'_> {
        match &self.order {
            Some(order) => KindName {
                of_order: "order_",
                name: order.kind.name(),
            },
            None => KindName {
                of_order: "",
                name: self.decision.kind.name(),
            },
        }
    }

    /// The answer's name.
    pub fn outcome(&self) -> &'static str {
        match &self.order {
            Some(order) => order.outcome.name(),
            None => self.decision.outcome.name(),
        }
    }

    /// Why it was refused, if it was.
    pub fn reason(&self) -> Option<&'static str> {
        match &self.order {
            Some(order) => order.outcome.reason().as_ref().map(OrderReason::code),
            None => self.decision.outcome.reason().as_ref().map(Reason::code),
        }
    }

    /// The partition's clock when it was decided, Unix time in milliseconds.
    pub fn at_ms(&self) -> i64 {
        self.order
            .as_ref()
            .map_or(self.decision.at_ms, |order| order.at_ms)
    }

    /// `same` or `different`, and where it was first decided, when the id was seen before.
    pub fn replay(&self) -> Option<(&'static str, u64)> {
        let order = self.order.as_ref();
        match order.map_or(self.decision.replay, |order| order.replay) {
            Replay::First => None,
            Replay::Same { first_offset } => Some(("same", first_offset)),
            Replay::Different { first_offset } => Some(("different", first_offset)),
        }
    }

    /// What the outcome adds to its name, if it adds something.
    pub fn detail(&self) -> Option<Detail<'_>> {
        let detail = match &self.order {
            Some(order) => Detail::Order(&order.outcome),
            None => Detail::Flight(&self.decision.outcome),
        };
        detail.is_some().then_some(detail)
    }
}

impl Detail<'_> {
    fn is_some(&self) -> bool {
        match self {
            Self::Flight(outcome) => match outcome {
                Outcome::Confirmed { already, .. }
                | Outcome::Released { already, .. }
                | Outcome::Cancelled { already, .. } => *already,
                Outcome::Accepted {
                    displaced,
                    partly_stale,
                } => *displaced > 0 || *partly_stale,
                Outcome::Refused(Reason::SoldOut { .. } | Reason::PriceChanged { .. })
                | Outcome::Waiting { .. } => true,
                Outcome::Held { .. } | Outcome::Stale | Outcome::Noted | Outcome::Refused(_) => {
                    false
                }
            },
            Self::Order(outcome) => match outcome {
                OrderOutcome::Created { .. }
                | OrderOutcome::PaymentStarted { .. }
                | OrderOutcome::Quoted { .. }
                | OrderOutcome::CancelStarted { .. }
                | OrderOutcome::Refused(OrderReason::Invalid(_)) => true,
                OrderOutcome::MetadataSet
                | OrderOutcome::ChangesAccepted
                | OrderOutcome::Heard
                | OrderOutcome::AskedAgain { .. }
                | OrderOutcome::Claimed { .. }
                | OrderOutcome::Stale
                | OrderOutcome::Noted
                | OrderOutcome::Refused(_) => false,
            },
        }
    }
}

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flight(outcome) => match outcome {
                Outcome::Accepted {
                    displaced,
                    partly_stale,
                } => {
                    let stale = if *partly_stale { " partly_stale" } else { "" };
                    write!(f, "displaced={displaced}{stale}")
                }
                Outcome::Refused(Reason::SoldOut { available }) => {
                    write!(f, "available={available}")
                }
                Outcome::Refused(Reason::PriceChanged { now: Some(now) }) => {
                    write!(f, "now={now} {}", now.currency)
                }
                Outcome::Refused(Reason::PriceChanged { now: None }) => f.write_str("now=none"),
                Outcome::Waiting { ahead, .. } => write!(f, "ahead={ahead}"),
                Outcome::Confirmed { .. }
                | Outcome::Released { .. }
                | Outcome::Cancelled { .. } => f.write_str("already"),
                Outcome::Held { .. } | Outcome::Stale | Outcome::Noted | Outcome::Refused(_) => {
                    Ok(())
                }
            },
            Self::Order(outcome) => match outcome {
                OrderOutcome::Created { booking } => write!(f, "booking={booking}"),
                OrderOutcome::PaymentStarted { payment } => write!(f, "payment={payment}"),
                OrderOutcome::Quoted { quote, refund, .. } => {
                    write!(f, "quote={quote} refund={refund} {}", refund.currency)
                }
                OrderOutcome::CancelStarted { refund } => {
                    write!(f, "refund={refund} {}", refund.currency)
                }
                OrderOutcome::Refused(OrderReason::Invalid(field)) => {
                    write!(f, "field={}", field.name())
                }
                OrderOutcome::MetadataSet
                | OrderOutcome::ChangesAccepted
                | OrderOutcome::Heard
                | OrderOutcome::AskedAgain { .. }
                | OrderOutcome::Claimed { .. }
                | OrderOutcome::Stale
                | OrderOutcome::Noted
                | OrderOutcome::Refused(_) => Ok(()),
            },
        }
    }
}
