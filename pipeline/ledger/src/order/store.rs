//! The stored form of the orders of a partition; see [`crate::store`].

use super::command::{
    CreateOrder, FlightChange, FlightNotice, OrderSettings, RefundTerms, SegmentRequest, Terms,
};
use super::effect::Step;
use super::ids::{EffectId, OfferRequestId, OrderId, QuoteId};
use super::log::{Log, LogEntry, LogEvent};
use super::memo::{Memo, Memos};
use super::milestone::{Milestone, MilestoneKind, Told};
use super::observer::OrderIx;
use super::orders::Orders;
use super::outcome::{Field, OrderKind, OrderOutcome, OrderReason};
use super::reference::{BookingReference, References};
use super::state::{
    CancelQuote, Cause, Charge, Ending, MoneyState, Order, OrderState, Pending, Queued, Seat,
    Segment, Stage, Wait,
};
use crate::store::{BadState, Reader, STATE_FORMAT, Stored, Writer, stored, variants};

macro_rules! ids {
    ($($name:ident),*) => { $(
        impl Stored for $name {
            fn put(&self, out: &mut Writer) {
                self.0.put(out);
            }
            fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
                Stored::get(input).map(Self)
            }
        }
    )* };
}

ids!(OrderId, EffectId, QuoteId, OfferRequestId, Memos);

impl Stored for BookingReference {
    fn put(&self, out: &mut Writer) {
        let text: Box<str> = self.as_str().into();
        text.put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let text: Box<str> = Stored::get(input)?;
        text.parse().map_err(|_| input.bad("no booking reference"))
    }
}

stored!(OrderSettings {
    instant_hold_ms,
    pay_by_max_ms,
    pay_grace_ms,
    quote_ms,
    ask_again_first_ms,
    ask_again_max_ms,
    claim_max_ms,
    retire_after_ms,
});
stored!(CreateOrder {
    offer_request,
    offer,
    client,
    terms,
    slices,
    passengers,
    sealed,
    total,
    refund,
    metadata,
    wait_ms,
});
stored!(SegmentRequest {
    flight,
    provider,
    cabin,
    class,
    board,
    off,
    seats,
    price,
    departs_ms,
});
stored!(Segment {
    slice,
    request,
    seat,
    hold,
    provider,
    deadline_ms,
    held_offset,
    gone_offset,
    departs_ms,
    times_offset,
});
stored!(Charge {
    number,
    money,
    method,
    reference,
    code,
    failures,
    captured_ms,
});
stored!(Ending {
    cause,
    state,
    refund_minor,
    offset,
    at_ms,
});
stored!(CancelQuote {
    id,
    made_ms,
    expires_ms,
    refund_minor,
    unpaid,
    stale,
    confirmed_ms,
});
stored!(Pending {
    id,
    step,
    segment,
    asks,
    wait,
});
stored!(Milestone {
    kind,
    offset,
    at_ms,
});
stored!(Told {
    created,
    failed_attempt,
    payment,
    quotes,
    confirmed,
    gone,
    retimed,
    changes,
});
stored!(Memo {
    id,
    details,
    offset,
    outcome,
});
stored!(LogEntry {
    offset,
    at_ms,
    event,
    state,
});
stored!(FlightNotice {
    flight,
    offset,
    change,
});

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
});
variants!(Stage {
    1 = Holding,
    2 = Awaiting,
    3 = Authorising,
    4 = Confirming,
    5 = Capturing,
    6 = Ticketing,
    7 = Booked,
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
const RESULTS: [&str; 14] = [
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

impl Stored for Log {
    fn put(&self, out: &mut Writer) {
        let Self {
            first,
            last,
            dropped,
        } = self;
        first.put(out);
        out.len(last.len());
        last.iter().for_each(|entry| entry.put(out));
        dropped.put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let first = Stored::get(input)?;
        let last: Vec<LogEntry> = Stored::get(input)?;
        Ok(Self {
            first,
            last: last.into(),
            dropped: Stored::get(input)?,
        })
    }
}

fn put(order: &Order, out: &mut Writer) {
    // Taken apart, so that nothing added later is forgotten here.
    let Order {
        // These two follow from the order's place, like its booking reference.
        id: _,
        at: _,
        booking: _,
        attempt,
        created_offset,
        created_ms,
        seated_ms,
        waited,
        hold_ttl_ms,
        details,
        segments,
        stage,
        charge,
        ticket,
        ticketed_ms,
        ending,
        ended_ms,
        changes_pending,
        quote,
        quotes,
        pending,
        revision,
        milestones,
        retimed,
        told,
        memos,
        log,
        retired: _,
        // Derived from the rest.
        queued: _,
    } = order;
    attempt.put(out);
    created_offset.put(out);
    created_ms.put(out);
    seated_ms.put(out);
    waited.put(out);
    hold_ttl_ms.put(out);
    details.put(out);
    segments.put(out);
    stage.put(out);
    charge.put(out);
    ticket.put(out);
    ticketed_ms.put(out);
    ending.put(out);
    ended_ms.put(out);
    changes_pending.put(out);
    quote.put(out);
    quotes.put(out);
    pending.put(out);
    revision.put(out);
    milestones.put(out);
    retimed.put(out);
    told.put(out);
    memos.put(out);
    log.put(out);
}

fn get(
    id: OrderId,
    at: OrderIx,
    booking: BookingReference,
    input: &mut Reader<'_>,
) -> Result<Order, BadState> {
    let order = Order {
        id,
        at,
        booking,
        attempt: Stored::get(input)?,
        created_offset: Stored::get(input)?,
        created_ms: Stored::get(input)?,
        seated_ms: Stored::get(input)?,
        waited: Stored::get(input)?,
        hold_ttl_ms: Stored::get(input)?,
        details: Stored::get(input)?,
        segments: Stored::get(input)?,
        stage: Stored::get(input)?,
        charge: Stored::get(input)?,
        ticket: Stored::get(input)?,
        ticketed_ms: Stored::get(input)?,
        ending: Stored::get(input)?,
        ended_ms: Stored::get(input)?,
        changes_pending: Stored::get(input)?,
        quote: Stored::get(input)?,
        quotes: Stored::get(input)?,
        pending: Stored::get(input)?,
        revision: Stored::get(input)?,
        milestones: Stored::get(input)?,
        retimed: Stored::get(input)?,
        told: Stored::get(input)?,
        memos: Stored::get(input)?,
        log: Stored::get(input)?,
        retired: false,
        queued: Queued::default(),
    };
    let segments = order.segments.len();
    let is_segment = |pending: &Pending| usize::from(pending.segment) < segments.max(1);
    if segments == 0 || !order.pending.iter().all(is_segment) {
        return Err(input.bad("an order whose parts do not belong together"));
    }
    Ok(order)
}

impl Orders {
    /// Appends the stored form of the state to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut writer = Writer(core::mem::take(out));
        writer.number(u64::from(STATE_FORMAT));
        self.clock_ms.put(&mut writer);
        self.settings.put(&mut writer);
        writer.len(self.ids.len());
        for (id, order) in self.ids.iter().zip(&self.orders) {
            id.put(&mut writer);
            let order = order.as_deref().filter(|order| !order.retired);
            order.is_some().put(&mut writer);
            if let Some(order) = order {
                put(order, &mut writer);
            }
        }
        *out = writer.0;
    }

    /// Reads what [`Orders::save`] wrote, of the same partition and with the same references: a state
    /// that decides every further record alike.
    ///
    /// # Errors
    /// When the bytes are not a state of this version, with where. Bytes whose checksum was right
    /// are trusted to be as they were written.
    pub fn load(partition: u32, references: References, bytes: &[u8]) -> Result<Self, BadState> {
        let mut input = Reader::new(bytes);
        if input.number()? != u64::from(STATE_FORMAT) {
            return Err(input.bad("its version is not the one of this release"));
        }
        let mut orders = Self::new(partition, references);
        orders.clock_ms = Stored::get(&mut input)?;
        orders.settings = Stored::get(&mut input)?;
        let len = input.len()?;
        for at in 0..len as OrderIx {
            let id = Stored::get(&mut input)?;
            let order = if bool::get(&mut input)? {
                let booking = references.name(partition, u64::from(at));
                Some(Box::new(get(id, at, booking, &mut input)?))
            } else {
                None
            };
            orders.put_back(id, order);
        }
        input.end()?;
        Ok(orders)
    }
}

#[cfg(test)]
mod tests {
    use super::super::effect::EffectResult;
    use super::*;
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
                | EffectResult::Waiting { .. } => {}
            }
        }
    }
}
