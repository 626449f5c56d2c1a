//! Every answer the orders give.

use super::ids::{OrderId, QuoteId};
use super::reference::BookingReference;
use crate::codes::{CommandId, Money};
use crate::outcome::Replay;

/// What was decided about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderDecision {
    /// Offset of the record in its partition.
    pub offset: u64,
    /// The partition's clock when it was decided, Unix time in milliseconds.
    pub at_ms: i64,
    /// The command's id.
    pub id: CommandId,
    /// The order; absent for records about no order.
    pub order: Option<OrderId>,
    /// What kind of command it was.
    pub kind: OrderKind,
    /// The answer. For a replay: the answer given the first time.
    pub outcome: OrderOutcome,
    /// Whether the id was seen before, for commands of clients.
    pub replay: Replay,
}

/// Kinds of command, as they are named in answers and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderKind {
    /// `create`
    Create = 1,
    /// `pay`
    Pay = 2,
    /// `quote_cancel`
    QuoteCancel = 3,
    /// `confirm_cancel`
    ConfirmCancel = 4,
    /// `set_metadata`
    SetMetadata = 5,
    /// `accept_changes`
    AcceptChanges = 6,
    /// `effect_done`
    EffectDone = 7,
    /// `claim`
    Claim = 8,
    /// `flight_changed`
    FlightChanged = 9,
    /// `tick`
    Tick = 10,
    /// `configure`
    Configure = 11,
}

impl OrderKind {
    /// Every kind, in the order of its number.
    pub const ALL: [OrderKind; 11] = [
        OrderKind::Create,
        OrderKind::Pay,
        OrderKind::QuoteCancel,
        OrderKind::ConfirmCancel,
        OrderKind::SetMetadata,
        OrderKind::AcceptChanges,
        OrderKind::EffectDone,
        OrderKind::Claim,
        OrderKind::FlightChanged,
        OrderKind::Tick,
        OrderKind::Configure,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            OrderKind::Create => "create",
            OrderKind::Pay => "pay",
            OrderKind::QuoteCancel => "quote_cancel",
            OrderKind::ConfirmCancel => "confirm_cancel",
            OrderKind::SetMetadata => "set_metadata",
            OrderKind::AcceptChanges => "accept_changes",
            OrderKind::EffectDone => "effect_done",
            OrderKind::Claim => "claim",
            OrderKind::FlightChanged => "flight_changed",
            OrderKind::Tick => "tick",
            OrderKind::Configure => "configure",
        }
    }
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderOutcome {
    /// The order is being made: what becomes of it shows in its state.
    Created {
        /// Its booking reference.
        booking: BookingReference,
    },
    /// The payment is being made: what becomes of it shows in the order's state.
    PaymentStarted {
        /// Number of the payment among those of the order, from 1.
        payment: u32,
    },
    /// What a cancellation would give back.
    Quoted {
        /// Id of the quote.
        quote: QuoteId,
        /// How much comes back. Zero for an order that is not paid.
        refund: Money,
        /// The order is not paid: there is nothing to give back.
        unpaid: bool,
        /// Until when the quote is good, Unix time in milliseconds.
        expires_at_ms: i64,
    },
    /// The order is being cancelled.
    CancelStarted {
        /// How much comes back.
        refund: Money,
    },
    /// The client's notes are replaced.
    MetadataSet,
    /// The changes of times are agreed with.
    ChangesAccepted,
    /// The result of an effect was taken in, and the order went on.
    Heard,
    /// The outcome of an effect is unknown (or it was refused and must be): it is asked for again.
    AskedAgain {
        /// When, Unix time in milliseconds by the stream's clock.
        at_ms: i64,
    },
    /// The effect is the replica's.
    Claimed {
        /// Until then, Unix time in milliseconds by the stream's clock.
        until_ms: i64,
    },
    /// Nothing changed: the notice is older than what is known, or a repetition, or comes after the
    /// order's end.
    Stale,
    /// A record about no order was noted.
    Noted,
    /// Refused, for this reason.
    Refused(OrderReason),
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderReason {
    /// There is no order of that id.
    UnknownOrder,
    /// The order is over and was forgotten.
    Retired,
    /// A field of the command cannot be right.
    Invalid(Field),
    /// The offer request has its order, made by another command.
    AlreadyBooked,
    /// An attempt at this order was refused and is still being undone: create it again afterwards.
    StillUndoing,
    /// The order has had as many remembered commands as one may have.
    TooManyCommands,
    /// Only orders of type hold are paid so.
    NotPayable,
    /// Not all seats are held yet.
    StillHolding,
    /// A payment is being made.
    PaymentInProgress,
    /// The order is paid.
    AlreadyPaid,
    /// The order is cancelled, or being cancelled.
    AlreadyCancelled,
    /// The order was refused: there is nothing to pay or cancel.
    OrderRefused,
    /// The client took longer to pay than the order allows.
    PastDeadline,
    /// The airline changed the times and the client has not agreed with that.
    ScheduleChanged,
    /// The payment's currency is not the order's.
    CurrencyMismatch,
    /// The payment's amount is not the order's total.
    AmountMismatch,
    /// The order cannot be cancelled now: it is being made or paid.
    NotCancellable,
    /// The first flight has departed.
    Departed,
    /// There is no such quote.
    UnknownQuote,
    /// The quote is not the newest, or the order has changed since.
    QuoteStale,
    /// The quote is too old.
    QuoteExpired,
    /// There are no changes to agree with.
    NothingToAccept,
    /// The order does not wait for this effect: it never asked, or has heard the result.
    NotOutstanding,
    /// This cannot be the result of that effect's step.
    WrongResult,
    /// Another replica has the effect.
    ClaimedByAnother {
        /// Until then, Unix time in milliseconds by the stream's clock.
        until_ms: i64,
    },
    /// The effect is to be asked for again later.
    NotDue {
        /// Then, Unix time in milliseconds by the stream's clock.
        at_ms: i64,
    },
    /// The claim ends before it begins.
    ClaimOver,
    /// The order does not use this flight.
    NotItsFlight,
}

/// Fields of a command that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The order's id is not that of its offer request.
    OrderId,
    /// The offer's text is too long.
    Offer,
    /// The client's text is empty or too long.
    Client,
    /// No slice, an empty slice, or too many segments.
    Slices,
    /// A segment's seats are none, or more than a hold can take.
    Seats,
    /// A price is negative or in another currency than the total.
    Price,
    /// No passengers, or more than there can be.
    Passengers,
    /// The sealed details are empty or too long.
    Sealed,
    /// The total is not above 0, too large, or has too many decimals.
    Total,
    /// The penalty is negative or above the total.
    Refund,
    /// The payment method is empty or too long.
    Method,
    /// The time to pay is 0 or above the maximum.
    PayBy,
    /// The time to wait is 0.
    Wait,
    /// Too many pairs, an empty, repeated or too long key, or a too long value.
    Metadata,
    /// A reference, code or number from outside is empty or too long.
    Result,
}

impl Field {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Field::OrderId => "order_id",
            Field::Offer => "offer",
            Field::Client => "client",
            Field::Slices => "slices",
            Field::Seats => "seats",
            Field::Price => "price",
            Field::Passengers => "passengers",
            Field::Sealed => "sealed",
            Field::Total => "total",
            Field::Refund => "refund",
            Field::Method => "method",
            Field::PayBy => "pay_by",
            Field::Wait => "wait",
            Field::Metadata => "metadata",
            Field::Result => "result",
        }
    }
}

impl OrderOutcome {
    /// The stable name, as tables and answers show it.
    pub const fn name(&self) -> &'static str {
        match self {
            OrderOutcome::Created { .. } => "created",
            OrderOutcome::PaymentStarted { .. } => "payment_started",
            OrderOutcome::Quoted { .. } => "quoted",
            OrderOutcome::CancelStarted { .. } => "cancel_started",
            OrderOutcome::MetadataSet => "metadata_set",
            OrderOutcome::ChangesAccepted => "changes_accepted",
            OrderOutcome::Heard => "heard",
            OrderOutcome::AskedAgain { .. } => "asked_again",
            OrderOutcome::Claimed { .. } => "claimed",
            OrderOutcome::Stale => "stale",
            OrderOutcome::Noted => "noted",
            OrderOutcome::Refused(_) => "refused",
        }
    }

    /// The refusal, if it is one.
    pub const fn reason(&self) -> Option<OrderReason> {
        match self {
            OrderOutcome::Refused(reason) => Some(*reason),
            _ => None,
        }
    }
}

impl OrderReason {
    /// The stable code, as tables and answers show it.
    pub const fn code(&self) -> &'static str {
        match self {
            OrderReason::UnknownOrder => "unknown_order",
            OrderReason::Retired => "retired",
            OrderReason::Invalid(_) => "invalid",
            OrderReason::AlreadyBooked => "already_booked",
            OrderReason::StillUndoing => "still_undoing",
            OrderReason::TooManyCommands => "too_many_commands",
            OrderReason::NotPayable => "not_payable",
            OrderReason::StillHolding => "still_holding",
            OrderReason::PaymentInProgress => "payment_in_progress",
            OrderReason::AlreadyPaid => "already_paid",
            OrderReason::AlreadyCancelled => "already_cancelled",
            OrderReason::OrderRefused => "order_refused",
            OrderReason::PastDeadline => "past_deadline",
            OrderReason::ScheduleChanged => "schedule_changed",
            OrderReason::CurrencyMismatch => "currency_mismatch",
            OrderReason::AmountMismatch => "amount_mismatch",
            OrderReason::NotCancellable => "not_cancellable",
            OrderReason::Departed => "departed",
            OrderReason::UnknownQuote => "unknown_quote",
            OrderReason::QuoteStale => "quote_stale",
            OrderReason::QuoteExpired => "quote_expired",
            OrderReason::NothingToAccept => "nothing_to_accept",
            OrderReason::NotOutstanding => "not_outstanding",
            OrderReason::WrongResult => "wrong_result",
            OrderReason::ClaimedByAnother { .. } => "claimed_by_another",
            OrderReason::NotDue { .. } => "not_due",
            OrderReason::ClaimOver => "claim_over",
            OrderReason::NotItsFlight => "not_its_flight",
        }
    }
}
