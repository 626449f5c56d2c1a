//! Rows of decisions, and what they say in words: the same in tables and to views.

use std::fmt;

use flightline_ledger::codes::Money;
use flightline_ledger::order::{
    BookingReference, Field, OrderDecision, OrderId, OrderOutcome, OrderReason, QuoteId,
};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Holds that lost their seats, and whether parts of the event were older than what is known.
    Displaced(u32, bool),
    /// Seats that there are for exactly this request.
    Available(u16),
    /// The price of one seat now, if there is one.
    Now(Option<Money>),
    /// Who waits before it.
    Ahead(u32),
    /// It was so before.
    Already,
    /// An order's booking reference.
    Booking(BookingReference),
    /// Number of an order's payment.
    Payment(u32),
    /// What comes back of an order's money, and by which quote, when it was only asked.
    Refund(Option<QuoteId>, Money),
    /// What of a command is wrong.
    Field(Field),
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
    pub fn detail(&self) -> Option<Detail> {
        match &self.order {
            Some(order) => of_order(&order.outcome),
            None => of_flight(&self.decision.outcome),
        }
    }
}

fn of_flight(outcome: &Outcome) -> Option<Detail> {
    match *outcome {
        Outcome::Accepted {
            displaced,
            partly_stale,
        } => (displaced > 0 || partly_stale).then_some(Detail::Displaced(displaced, partly_stale)),
        Outcome::Confirmed { already, .. }
        | Outcome::Released { already, .. }
        | Outcome::Cancelled { already, .. } => already.then_some(Detail::Already),
        Outcome::Waiting { ahead, .. } => Some(Detail::Ahead(ahead)),
        Outcome::Refused(Reason::SoldOut { available }) => Some(Detail::Available(available)),
        Outcome::Refused(Reason::PriceChanged { now }) => Some(Detail::Now(now)),
        Outcome::Held { .. } | Outcome::Stale | Outcome::Noted | Outcome::Refused(_) => None,
    }
}

fn of_order(outcome: &OrderOutcome) -> Option<Detail> {
    match *outcome {
        OrderOutcome::Created { booking } => Some(Detail::Booking(booking)),
        OrderOutcome::PaymentStarted { payment } => Some(Detail::Payment(payment)),
        OrderOutcome::Quoted { quote, refund, .. } => Some(Detail::Refund(Some(quote), refund)),
        OrderOutcome::CancelStarted { refund } => Some(Detail::Refund(None, refund)),
        OrderOutcome::Refused(OrderReason::Invalid(field)) => Some(Detail::Field(field)),
        OrderOutcome::MetadataSet
        | OrderOutcome::ChangesAccepted
        | OrderOutcome::Heard
        | OrderOutcome::AskedAgain { .. }
        | OrderOutcome::Claimed { .. }
        | OrderOutcome::Stale
        | OrderOutcome::Noted
        | OrderOutcome::Refused(_) => None,
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Displaced(displaced, false) => write!(f, "displaced={displaced}"),
            Self::Displaced(displaced, true) => write!(f, "displaced={displaced} partly_stale"),
            Self::Available(available) => write!(f, "available={available}"),
            Self::Now(Some(now)) => write!(f, "now={now} {}", now.currency),
            Self::Now(None) => f.write_str("now=none"),
            Self::Ahead(ahead) => write!(f, "ahead={ahead}"),
            Self::Already => f.write_str("already"),
            Self::Booking(booking) => write!(f, "booking={booking}"),
            Self::Payment(payment) => write!(f, "payment={payment}"),
            Self::Refund(Some(quote), refund) => {
                write!(f, "quote={quote} refund={refund} {}", refund.currency)
            }
            Self::Refund(None, refund) => write!(f, "refund={refund} {}", refund.currency),
            Self::Field(field) => write!(f, "field={}", field.name()),
        }
    }
}
