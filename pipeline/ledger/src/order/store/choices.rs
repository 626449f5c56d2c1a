//! What an order can be, be told and answer: enums, by their numbers.

use super::super::command::{FlightChange, RefundTerms, Terms};
use super::super::effect::Step;
use super::super::ending::Cause;
use super::super::log::LogEvent;
use super::super::milestone::MilestoneKind;
use super::super::outcome::{Field, OrderKind, OrderOutcome, OrderReason};
use super::super::standing::{MoneyState, OrderState, Outward, Seat, Stage};
use super::super::state::Wait;
use crate::store::{BadState, Reader, Stored, Writer, variants};

variants!(Terms {
    1 = Instant { method },
    2 = Hold { pay_by_ms },
});
variants!(RefundTerms {
    1 = Full,
    2 = Penalty(minor),
    3 = Nothing,
});
variants!(Wait {
    1 = Ready { again_ms },
    2 = Later { at_ms },
    3 = Claimed { replica, until_ms },
});
variants!(Cause {
    1 = SeatsRefused { segment, step, reason },
    2 = HoldsTimedOut,
    3 = Declined { code },
    4 = PaymentTimedOut,
    5 = CaptureFailed { code },
    6 = TicketFailed { code },
    7 = NotPaid,
    8 = ByClient { quote },
    9 = FlightCancelled { segment },
    10 = Displaced { segment },
    11 = TimesChanged,
    12 = PlacementRefused { segment, code },
    13 = PlacingTimedOut,
});
variants!(MilestoneKind {
    1 = Created,
    2 = CreationFailed { attempt },
    3 = Paid { payment },
    4 = CancellationQuoted { quote },
    5 = CancellationConfirmed { quote },
    6 = AirlineChange { number },
});
variants!(FlightChange {
    1 = Cancelled,
    2 = Displaced { hold },
    3 = Times { board, departs_ms },
});
variants!(OrderState {
    1 = Holding,
    2 = AwaitingPayment,
    3 = Authorising,
    4 = Confirming,
    5 = Capturing,
    6 = Ticketing,
    7 = Booked,
    8 = Undoing,
    9 = Refused,
    10 = Expired,
    11 = Cancelled,
    12 = Waiting,
    13 = Placing,
});
variants!(Stage {
    1 = Holding,
    2 = Awaiting,
    3 = Authorising,
    4 = Confirming,
    5 = Placing,
    6 = Capturing,
    7 = Ticketing,
    8 = Booked,
});
variants!(Outward {
    1 = None,
    2 = Due,
    3 = Placing,
    4 = Placed,
    5 = Acknowledged,
    6 = Refused,
    7 = Withdrawing,
    8 = Withdrawn,
    9 = Kept,
});
variants!(Seat {
    1 = Holding,
    2 = Held,
    3 = Confirming,
    4 = Confirmed,
    5 = Releasing,
    6 = Cancelling,
    7 = Free,
    8 = Kept,
    9 = Waiting,
    10 = Refusing,
});
variants!(MoneyState {
    1 = None,
    2 = Authorising,
    3 = Declined,
    4 = Authorised,
    5 = Capturing,
    6 = Captured,
    7 = Voiding,
    8 = Voided,
    9 = Refunding,
    10 = Refunded,
});
variants!(Step {
    1 = Hold,
    2 = Confirm,
    3 = Release,
    4 = Cancel,
    5 = Authorise,
    6 = Capture,
    7 = Void,
    8 = Refund,
    9 = Ticket,
    10 = Place,
    11 = Acknowledge,
    12 = Refuse,
    13 = Withdraw,
});
variants!(OrderKind {
    1 = Create,
    2 = Pay,
    3 = QuoteCancel,
    4 = ConfirmCancel,
    5 = SetMetadata,
    6 = AcceptChanges,
    7 = EffectDone,
    8 = Claim,
    9 = FlightChanged,
    10 = Tick,
    11 = Configure,
});
variants!(OrderOutcome {
    1 = Created { booking },
    2 = PaymentStarted { payment },
    3 = Quoted { quote, refund, unpaid, expires_at_ms },
    4 = CancelStarted { refund },
    5 = MetadataSet,
    6 = ChangesAccepted,
    7 = Heard,
    8 = AskedAgain { at_ms },
    9 = Claimed { until_ms },
    10 = Stale,
    11 = Noted,
    12 = Refused(reason),
});
variants!(OrderReason {
    1 = UnknownOrder,
    2 = Retired,
    3 = Invalid(field),
    4 = AlreadyBooked,
    5 = StillUndoing,
    6 = TooManyCommands,
    7 = NotPayable,
    8 = StillHolding,
    9 = PaymentInProgress,
    10 = AlreadyPaid,
    11 = AlreadyCancelled,
    12 = OrderRefused,
    13 = PastDeadline,
    14 = ScheduleChanged,
    15 = CurrencyMismatch,
    16 = AmountMismatch,
    17 = NotCancellable,
    18 = Departed,
    19 = UnknownQuote,
    20 = QuoteStale,
    21 = QuoteExpired,
    22 = NothingToAccept,
    23 = NotOutstanding,
    24 = WrongResult,
    25 = ClaimedByAnother { until_ms },
    26 = NotDue { at_ms },
    27 = ClaimOver,
    28 = NotItsFlight,
});
variants!(Field {
    1 = OrderId,
    2 = Offer,
    3 = Client,
    4 = Slices,
    5 = Seats,
    6 = Price,
    7 = Passengers,
    8 = Sealed,
    9 = Total,
    10 = Refund,
    11 = Method,
    12 = PayBy,
    13 = Metadata,
    14 = Result,
    15 = Wait,
});

/// Names of results in the log, by number.
const RESULTS: [&str; 17] = [
    "held",
    "confirmed",
    "released",
    "cancelled",
    "refused",
    "authorised",
    "declined",
    "captured",
    "voided",
    "refunded",
    "ticketed",
    "failed",
    "unknown",
    "waiting",
    "placed",
    "noted",
    "withdrawn",
];

impl Stored for &'static str {
    fn put(&self, out: &mut Writer) {
        match RESULTS.iter().position(|name| name == self) {
            Some(at) => out.byte(at as u8),
            None => unreachable!("a result without a number: {self}"),
        }
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let at = usize::from(input.byte()?);
        let name = RESULTS.get(at);
        name.copied().ok_or_else(|| input.bad("an unknown result"))
    }
}

variants!(LogEvent {
    1 = Command { kind, id, outcome },
    2 = Result { effect, step, segment, result, reason },
    3 = Notice(notice),
    4 = Deadline,
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::EffectResult;
    use crate::outcome::Reason;

    /// A result that is added has to be given a number here.
    #[test]
    fn every_result_has_a_number() {
        let provider = "own".parse().unwrap();
        let text = || Box::<str>::from("x");
        let all = [
            EffectResult::Held {
                provider,
                deadline_ms: 1,
                offset: 1,
            },
            EffectResult::Confirmed,
            EffectResult::Released,
            EffectResult::Cancelled,
            EffectResult::Refused(Reason::Closed),
            EffectResult::Authorised { reference: text() },
            EffectResult::Declined { code: text() },
            EffectResult::Captured,
            EffectResult::Voided,
            EffectResult::Refunded,
            EffectResult::Ticketed { number: text() },
            EffectResult::Failed { code: text() },
            EffectResult::Unknown,
            EffectResult::Waiting { deadline_ms: 1 },
            EffectResult::Placed { reference: text() },
            EffectResult::Noted,
            EffectResult::Withdrawn,
        ];
        for (at, result) in all.iter().enumerate() {
            assert_eq!(result.name(), RESULTS[at]);
            match result {
                EffectResult::Held { .. }
                | EffectResult::Confirmed
                | EffectResult::Released
                | EffectResult::Cancelled
                | EffectResult::Refused(_)
                | EffectResult::Authorised { .. }
                | EffectResult::Declined { .. }
                | EffectResult::Captured
                | EffectResult::Voided
                | EffectResult::Refunded
                | EffectResult::Ticketed { .. }
                | EffectResult::Failed { .. }
                | EffectResult::Unknown
                | EffectResult::Waiting { .. }
                | EffectResult::Placed { .. }
                | EffectResult::Noted
                | EffectResult::Withdrawn => {}
            }
        }
    }
}
