//! What an order is made of: structs and identities.

use super::super::command::{CreateOrder, FlightNotice, OrderSettings, SegmentRequest};
use super::super::ending::Ending;
use super::super::ids::{EffectId, OfferRequestId, OrderId, QuoteId};
use super::super::log::{Log, LogEntry};
use super::super::memo::{Memo, Memos};
use super::super::milestone::{Milestone, Told};
use super::super::reference::BookingReference;
use super::super::state::{CancelQuote, Charge, Pending, Segment};
use crate::store::{BadState, Reader, Stored, Writer, stored, wrapped};

wrapped!(OrderId, EffectId, QuoteId, OfferRequestId, Memos);

stored!(OrderSettings {
    instant_hold_ms,
    pay_by_max_ms,
    pay_grace_ms,
    quote_ms,
    ask_again_first_ms,
    ask_again_max_ms,
    claim_max_ms,
    retire_after_ms,
    place_within_ms,
    outward,
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
    outward,
    outward_reference,
    outward_code,
    reseats,
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
