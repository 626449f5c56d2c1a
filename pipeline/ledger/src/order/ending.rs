//! Why an order is undone, and the end that it comes to.

use super::effect::Step;
use super::ids::QuoteId;
use super::standing::OrderState;
use crate::outcome::Reason;

/// Why an order is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A flight refused to hold or confirm.
    SeatsRefused {
        /// Which segment, from 0 over all slices.
        segment: u8,
        /// Hold or confirm.
        step: Step,
        /// The flight's reason.
        reason: Reason,
    },
    /// Not all seats were held in time: flights did not answer, or it waited for seats in vain.
    HoldsTimedOut,
    /// Bought at once, it waited, and meanwhile the airline changed times that the client had agreed
    /// with.
    TimesChanged,
    /// The payment of an instant order was declined.
    Declined {
        /// The payment service's code.
        code: Box<str>,
    },
    /// Whether the money is reserved was not known when the seats lapsed.
    PaymentTimedOut,
    /// The money could not be taken.
    CaptureFailed {
        /// The payment service's code.
        code: Box<str>,
    },
    /// The ticket could not be issued.
    TicketFailed {
        /// The ticketing service's code.
        code: Box<str>,
    },
    /// The provider did not take what was sold from its seats, and no other had seats at the price.
    PlacementRefused {
        /// Which segment.
        segment: u8,
        /// The provider's code.
        code: Box<str>,
    },
    /// Not all providers said in time whether they take what was sold from their seats.
    PlacingTimedOut,
    /// The client did not pay in time.
    NotPaid,
    /// The client cancelled.
    ByClient {
        /// By this quote.
        quote: QuoteId,
    },
    /// A flight will not fly.
    FlightCancelled {
        /// Which segment.
        segment: u8,
    },
    /// A hold lost its seats.
    Displaced {
        /// Which segment.
        segment: u8,
    },
}

impl Cause {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Cause::SeatsRefused { .. } => "seats_refused",
            Cause::HoldsTimedOut => "holds_timed_out",
            Cause::TimesChanged => "times_changed",
            Cause::Declined { .. } => "declined",
            Cause::PaymentTimedOut => "payment_timed_out",
            Cause::CaptureFailed { .. } => "capture_failed",
            Cause::TicketFailed { .. } => "ticket_failed",
            Cause::PlacementRefused { .. } => "placement_refused",
            Cause::PlacingTimedOut => "placing_timed_out",
            Cause::NotPaid => "not_paid",
            Cause::ByClient { .. } => "by_client",
            Cause::FlightCancelled { .. } => "flight_cancelled",
            Cause::Displaced { .. } => "displaced",
        }
    }

    /// Did the airline do it?
    pub const fn is_airline(&self) -> bool {
        matches!(
            self,
            Cause::FlightCancelled { .. } | Cause::Displaced { .. }
        )
    }
}

/// The end that an order comes or came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub cause: Cause,
    /// Where it ends: one of [`OrderState::is_end`].
    pub state: OrderState,
    /// What goes back to the client if the money is, or turns out to be, taken: minor units.
    pub refund_minor: i64,
    /// Offset of the record that brought it about.
    pub offset: u64,
    /// When, Unix time in milliseconds by the stream's clock.
    pub at_ms: i64,
}
