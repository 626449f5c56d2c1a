//! Commands on their way into the stream, and what becomes of them.

use std::sync::Arc;

use flightline_ledger::order::{OrderAction, OrderDecision, OrderId, OrderState};
use flightline_ledger::view::HoldView;
use flightline_ledger::{Command, CommandId, Decision, FlightKey, Ledger};

/// A command on its way into the stream.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Identity of the command.
    pub id: CommandId,
    /// What is asked.
    pub command: Command,
    /// The client's or provider's own name for it, kept for people: at most 200 bytes.
    pub ref_text: Option<Box<str>>,
    /// Who asks: the name of a token or a provider, at most 64 bytes.
    pub actor: Option<Box<str>>,
}

/// Where a command landed and what was decided. It is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The partition of its stream.
    pub partition: u32,
    /// The decision, with its offset.
    pub decision: Decision,
}

/// Where a command about an order landed and what was decided. It is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderAnswer {
    /// The partition of the order's stream.
    pub partition: u32,
    /// The decision, with its offset.
    pub decision: OrderDecision,
}

/// An order to which nothing more happens by itself: it awaits payment, is booked, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The partition of the order's stream.
    pub partition: u32,
    /// A read that covers this offset shows it so.
    pub until: u64,
    /// Where it stands.
    pub state: OrderState,
}

/// What an idempotency key stands for that the stream does not remember by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The kind of request.
    pub kind: Box<str>,
    /// Hash of what was asked.
    pub asked: [u8; 32],
    /// What was answered, or what leads to it again.
    pub answer: Box<[u8]>,
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The bounded queue in front of the stream is full: nothing was appended, try again.
    #[error("too many requests are waiting; try again in {retry_after_ms} ms")]
    Overloaded {
        /// When to try again, milliseconds from now.
        retry_after_ms: u64,
    },
    /// The id names a hold of another flight already. Nothing was appended.
    #[error("the id is in use for a hold on {flight}")]
    IdInUse {
        /// That flight.
        flight: FlightKey,
    },
    /// The replica is shutting down, or its stream cannot be written any more. Nothing was
    /// appended, as far as is known; asking again with the same id is safe.
    #[error("the replica takes no commands: {why}")]
    Unavailable {
        /// What happened, for people.
        why: Arc<str>,
    },
}

/// A command about an order on its way into the stream.
#[derive(Clone, Debug)]
pub struct OrderSubmit {
    /// Identity of the command.
    pub id: CommandId,
    /// The order.
    pub order: OrderId,
    /// What is asked.
    pub action: OrderAction,
    /// Who asks: the name of a token, at most 64 bytes.
    pub actor: Option<Box<str>>,
}

/// A hold as it stands.
#[derive(Clone, Copy, Debug)]
pub struct HoldNow {
    /// Partition of the flight's stream.
    pub partition: u32,
    /// The hold.
    pub hold: HoldView,
    /// While it waits: how many holds of its flight have waited longer.
    pub ahead: Option<u32>,
    /// It has had seats at some time. Else its provider means nothing.
    pub has_had_seats: bool,
}

impl HoldNow {
    /// Reads it from the ledger of its partition.
    pub fn read(
        ledger: &Ledger,
        partition: u32,
        flight: &FlightKey,
        hold: CommandId,
    ) -> Option<Self> {
        let flight = ledger.flight(ledger.find(flight)?);
        let at = flight.find_hold(hold)?;
        Some(Self {
            partition,
            hold: flight.hold(at),
            ahead: flight.waiting_before(at),
            has_had_seats: flight.has_had_seats(at),
        })
    }
}

/// The most commands in one [`Backend::submit_batch`](super::Backend::submit_batch).
pub const BATCH_MAX: usize = 4096;
