//! The row of an order: all that can be read of it.

use std::sync::Arc;

use flightline_ledger::order::{
    BookingReference, CancelQuote, Cause, Metadata, Milestone, MoneyState, OfferRequestId, Order,
    OrderId, OrderOutcome, OrderState, Outward, QuoteId, RefundTerms, Seat, Terms,
};
use flightline_ledger::{Cabin, Class, CommandId, FlightKey, Money, ProviderCode, Station};

/// Tables `orders`, `order_segment` and `payment`: key = order. One row for the three, since they
/// change together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderRow {
    /// The order.
    pub order: OrderId,
    /// Partition of its stream.
    pub partition: u32,
    /// Its booking reference.
    pub booking: BookingReference,
    /// What never changes within an attempt.
    pub asked: Arc<OrderAsked>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Offset of the record that created it (this attempt).
    pub created_offset: u64,
    /// When it was created, Unix time in milliseconds.
    pub created_ms: i64,
    /// Counts the changes that can be read.
    pub revision: u64,
    /// Where it stands.
    pub state: OrderState,
    /// The client has been told that it has the order: all seats were held (hold) or it was booked
    /// (instant). Otherwise it is being made, or was refused.
    pub established: bool,
    /// It waits for seats of a flight that is sold out, or has.
    pub waited: bool,
    /// Until when it waits for seats; absent when it does not wait.
    pub waits_until_ms: Option<i64>,
    /// Why it is or was undone.
    pub ending: Option<OrderEnding>,
    /// When everything was undone.
    pub ended_ms: Option<i64>,
    /// Until when it can be paid; absent when there is nothing to pay.
    pub payment_required_by_ms: Option<i64>,
    /// The airline changed times, and the client has not agreed.
    pub changes_pending: bool,
    /// Number of the ticket.
    pub ticket: Option<Box<str>>,
    /// When it was issued, Unix time in milliseconds.
    pub ticketed_ms: Option<i64>,
    /// The newest cancellation quote.
    pub quote: Option<CancelQuote>,
    /// Every quote that is remembered, oldest first.
    pub quotes: Vec<OrderQuote>,
    /// The newest payment; number 0 = none yet.
    pub payment: OrderPayment,
    /// What its client is told of it, in order. The list only grows.
    pub milestones: Vec<Milestone>,
    /// The client's notes.
    pub metadata: Metadata,
    /// The segments of all slices, in flying order.
    pub segments: Vec<OrderSegment>,
}

/// What an order was made with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderAsked {
    /// The search it came from.
    pub offer_request: OfferRequestId,
    /// The offer, as the client named it.
    pub offer: Box<str>,
    /// Who asked.
    pub client: Box<str>,
    /// Paid at once, or held first.
    pub terms: Terms,
    /// How many travellers.
    pub passengers: u16,
    /// Their details, sealed.
    pub sealed: Box<str>,
    /// What the client pays in all.
    pub total: Money,
    /// What comes back when the client cancels.
    pub refund: RefundTerms,
}

/// Why an order is undone, and what comes back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderEnding {
    /// Stable name of the cause.
    pub cause: &'static str,
    /// The segment that it is about, from 0 over all slices.
    pub segment: Option<u8>,
    /// The reason or code of whoever refused.
    pub code: Option<Box<str>>,
    /// The price of one seat now, when the flight refused because it is another one.
    pub price_now: Option<Money>,
    /// What goes back if the money is taken, in minor units.
    pub refund_minor: i64,
    /// Offset of the record that brought it about.
    pub offset: u64,
    /// When, Unix time in milliseconds.
    pub at_ms: i64,
}

/// What a cancellation would give back, as it was quoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderQuote {
    /// The quote.
    pub id: QuoteId,
    /// What comes back.
    pub refund: Money,
    /// The order was not paid then.
    pub unpaid: bool,
    /// Until when the quote is good, Unix time in milliseconds.
    pub expires_ms: i64,
}

/// The money.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderPayment {
    /// Its number among the order's payments, from 1; 0 = none yet.
    pub number: u32,
    /// Where it stands.
    pub state: MoneyState,
    /// The method, as the client gave it.
    pub method: Box<str>,
    /// The payment service's name for it.
    pub reference: Option<Box<str>>,
    /// The service's code when it refused last.
    pub code: Option<Box<str>>,
    /// How often a void or refund was refused so far.
    pub failures: u32,
    /// When the money was taken, Unix time in milliseconds.
    pub captured_ms: Option<i64>,
}

/// Seats on one flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderSegment {
    /// Its slice, from 0.
    pub slice: u8,
    /// The flight.
    pub flight: FlightKey,
    /// Whose allotment: as asked for, or as held.
    pub provider: Option<ProviderCode>,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class.
    pub class: Option<Class>,
    /// Where the passenger boards; absent = the first station.
    pub board: Option<Station>,
    /// Where the passenger leaves; absent = the last station.
    pub off: Option<Station>,
    /// Seats.
    pub seats: u16,
    /// Price of one.
    pub price: Money,
    /// Departure as known to the order, Unix time in milliseconds.
    pub departs_ms: i64,
    /// Where the seats stand.
    pub seat: Seat,
    /// The hold.
    pub hold: CommandId,
    /// When the hold lapses, once held, Unix time in milliseconds.
    pub deadline_ms: Option<i64>,
    /// Offset of the hold in the flight's partition, once held.
    pub held_offset: Option<u64>,
    /// Offset of the last word that the flight is cancelled.
    pub gone_offset: Option<u64>,
    /// Where the sale stands with the provider that granted the seats.
    pub outward: Outward,
    /// The provider's name for it, once it has taken it.
    pub outward_reference: Option<Box<str>>,
    /// The provider's code when it refused something last.
    pub outward_code: Option<Box<str>>,
}

impl OrderRow {
    /// The row of an order. `before` is the one shown last: what has not changed is shared.
    pub fn of(order: &Order, partition: u32, before: Option<&OrderRow>) -> Self {
        let same = before.filter(|row| row.created_offset == order.created_offset());
        let asked = same.map_or_else(|| Arc::new(OrderAsked::of(order)), |row| row.asked.clone());
        let charge = order.charge();
        Self {
            order: order.id(),
            partition,
            booking: order.booking(),
            asked,
            attempt: order.attempt(),
            created_offset: order.created_offset(),
            created_ms: order.created_ms(),
            revision: order.revision(),
            state: order.state(),
            established: order.is_established(),
            waited: order.has_waited(),
            waits_until_ms: order.waits_until_ms(),
            ending: order.ending().map(|ending| {
                let (segment, code, price_now) = of_cause(&ending.cause);
                OrderEnding {
                    cause: ending.cause.name(),
                    segment,
                    code,
                    price_now,
                    refund_minor: ending.refund_minor,
                    offset: ending.offset,
                    at_ms: ending.at_ms,
                }
            }),
            ended_ms: order.ended_ms(),
            payment_required_by_ms: order.payment_required_by_ms(),
            changes_pending: order.changes_pending(),
            ticket: order.ticket().map(Into::into),
            ticketed_ms: order.ticketed_ms(),
            quote: order.quote().copied(),
            quotes: order.quotes().filter_map(|o| OrderQuote::of(&o)).collect(),
            payment: OrderPayment {
                number: charge.number,
                state: charge.money,
                method: charge.method.clone(),
                reference: charge.reference.clone(),
                code: charge.code.clone(),
                failures: charge.failures,
                captured_ms: charge.captured_ms,
            },
            milestones: order.milestones().to_vec(),
            metadata: order.metadata().clone(),
            segments: order
                .segments()
                .iter()
                .map(|segment| OrderSegment {
                    slice: segment.slice,
                    flight: segment.request.flight,
                    provider: segment.provider.or(segment.request.provider),
                    cabin: segment.request.cabin,
                    class: segment.request.class,
                    board: segment.request.board,
                    off: segment.request.off,
                    seats: segment.request.seats,
                    price: segment.request.price,
                    departs_ms: segment.departs_ms,
                    seat: segment.seat,
                    hold: segment.hold,
                    deadline_ms: segment.deadline_ms,
                    held_offset: segment.held_offset,
                    gone_offset: segment.gone_offset,
                    outward: segment.outward,
                    outward_reference: segment.outward_reference.clone(),
                    outward_code: segment.outward_code.clone(),
                })
                .collect(),
        }
    }

    /// Seats, money and ticket are the client's.
    pub fn is_booked(&self) -> bool {
        self.state == OrderState::Booked
    }
}

impl OrderQuote {
    fn of(outcome: &OrderOutcome) -> Option<Self> {
        let OrderOutcome::Quoted {
            quote,
            refund,
            unpaid,
            expires_at_ms,
        } = *outcome
        else {
            return None;
        };
        Some(Self {
            id: quote,
            refund,
            unpaid,
            expires_ms: expires_at_ms,
        })
    }
}

impl OrderAsked {
    fn of(order: &Order) -> Self {
        let details = order.details();
        Self {
            offer_request: details.offer_request,
            offer: details.offer.clone(),
            client: details.client.clone(),
            terms: details.terms.clone(),
            passengers: details.passengers,
            sealed: details.sealed.clone(),
            total: details.total,
            refund: details.refund,
        }
    }
}

/// Segment, code and price that a cause tells of.
fn of_cause(cause: &Cause) -> (Option<u8>, Option<Box<str>>, Option<Money>) {
    use flightline_ledger::Reason;
    match cause {
        Cause::SeatsRefused {
            segment, reason, ..
        } => {
            let now = match reason {
                Reason::PriceChanged { now } => *now,
                _ => None,
            };
            (Some(*segment), Some(reason.code().into()), now)
        }
        Cause::Declined { code } | Cause::CaptureFailed { code } | Cause::TicketFailed { code } => {
            (None, Some(code.clone()), None)
        }
        Cause::PlacementRefused { segment, code } => (Some(*segment), Some(code.clone()), None),
        Cause::FlightCancelled { segment } | Cause::Displaced { segment } => {
            (Some(*segment), None, None)
        }
        Cause::HoldsTimedOut
        | Cause::TimesChanged
        | Cause::PaymentTimedOut
        | Cause::PlacingTimedOut
        | Cause::NotPaid
        | Cause::ByClient { .. } => (None, None, None),
    }
}
