//! One order: what is known of it.

use super::command::{CreateOrder, Metadata, RefundTerms, SegmentRequest, Terms};
use super::effect::Step;
use super::ending::Ending;
use super::ids::{EffectId, OrderId, QuoteId};
use super::log::Log;
use super::memo::Memos;
use super::milestone::{Milestone, Told};
use super::observer::OrderIx;
use super::reference::BookingReference;
use super::standing::{MoneyState, OrderState, Outward, Seat, Stage};
use crate::codes::{CommandId, Money, ProviderCode};

/// One segment of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its slice, from 0.
    pub slice: u8,
    /// What was asked for.
    pub request: SegmentRequest,
    /// Where its seats stand.
    pub seat: Seat,
    /// The hold: the id of the effect that makes it.
    pub hold: CommandId,
    /// From whose allotment, once held.
    pub provider: Option<ProviderCode>,
    /// When the hold lapses, Unix time in milliseconds by the flight's clock, once held. While it
    /// waits: until when.
    pub deadline_ms: Option<i64>,
    /// Offset of the hold in the flight's partition, once held.
    pub held_offset: Option<u64>,
    /// Offset, in the flight's partition, of the last word that the flight is cancelled.
    pub gone_offset: Option<u64>,
    /// Departure as known now, Unix time in milliseconds.
    pub departs_ms: i64,
    /// Offset, in the flight's partition, of the last change of times.
    pub times_offset: Option<u64>,
    /// Where the sale stands with the provider.
    pub outward: Outward,
    /// The provider's name for it, once it has taken it.
    pub outward_reference: Option<Box<str>>,
    /// The provider's code when it refused something last.
    pub outward_code: Option<Box<str>>,
    /// How often its seats were looked for elsewhere after a provider refused them.
    pub reseats: u32,
}

/// The payment of an order: the newest when there were several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Its number among the order's payments, from 1; 0 = none yet.
    pub number: u32,
    /// Where it stands.
    pub money: MoneyState,
    /// The method, as the client gave it.
    pub method: Box<str>,
    /// The payment service's name for the authorisation, once there was one.
    pub reference: Option<Box<str>>,
    /// The service's code when it was declined, or when a capture, void or refund failed last.
    pub code: Option<Box<str>>,
    /// How often a void or refund was refused so far. More than a few need a person to look.
    pub failures: u32,
    /// When the money was taken, Unix time in milliseconds by the stream's clock.
    pub captured_ms: Option<i64>,
}

/// A cancellation quote: the newest of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CancelQuote {
    /// Identity.
    pub id: QuoteId,
    /// When it was made, Unix time in milliseconds by the stream's clock.
    pub made_ms: i64,
    /// Until when it is good.
    pub expires_ms: i64,
    /// What would come back, in minor units.
    pub refund_minor: i64,
    /// The order was not paid then.
    pub unpaid: bool,
    /// The order has changed since.
    pub stale: bool,
    /// When it was confirmed.
    pub confirmed_ms: Option<i64>,
}

/// An effect that the order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Identity.
    pub id: EffectId,
    /// What for.
    pub step: Step,
    /// Which segment; 0 for steps about the whole order.
    pub segment: u8,
    /// How often it has been asked for.
    pub asks: u32,
    /// What it waits for.
    pub wait: Wait,
}

/// What an outstanding effect waits for. Times are Unix time in milliseconds by the stream's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For anyone to run it. Asked for again at `again_ms`.
    Ready {
        /// Then.
        again_ms: i64,
    },
    /// Its outcome is unknown, or it was refused and must be: nobody runs it before `at_ms`.
    Later {
        /// Then.
        at_ms: i64,
    },
    /// A replica runs it. Asked for again at `until_ms`.
    Claimed {
        /// Who.
        replica: u64,
        /// Then.
        until_ms: i64,
    },
}

impl Wait {
    /// When the effect is due again if nothing is heard of it.
    pub const fn until_ms(&self) -> i64 {
        match *self {
            Wait::Ready { again_ms } => again_ms,
            Wait::Later { at_ms } => at_ms,
            Wait::Claimed { until_ms, .. } => until_ms,
        }
    }
}

/// One order.
#[derive(Clone, Debug)]
pub struct Order {
    pub(super) id: OrderId,
    pub(super) at: OrderIx,
    pub(super) booking: BookingReference,
    /// Number of the attempt, from 1.
    pub(super) attempt: u32,
    pub(super) created_offset: u64,
    pub(super) created_ms: i64,
    /// When it last got seats that it had waited for, else when it was created: what time there is
    /// to pay counts from here.
    pub(super) seated_ms: i64,
    /// It waits for seats, or has.
    pub(super) waited: bool,
    /// How long seats are held, as every run of a hold effect must ask for it.
    pub(super) hold_ttl_ms: u64,
    /// What was asked for; the slices are in `segments`.
    pub(super) details: Box<CreateOrder>,
    pub(super) segments: Vec<Segment>,
    pub(super) stage: Stage,
    pub(super) charge: Charge,
    pub(super) ticket: Option<Box<str>>,
    pub(super) ticketed_ms: Option<i64>,
    pub(super) ending: Option<Ending>,
    pub(super) ended_ms: Option<i64>,
    /// When providers have to have taken the order's seats, once they were told.
    pub(super) place_by_ms: Option<i64>,
    /// The airline changed times, and the client has not agreed.
    pub(super) changes_pending: bool,
    pub(super) quote: Option<CancelQuote>,
    pub(super) quotes: u32,
    pub(super) pending: Vec<Pending>,
    pub(super) revision: u64,
    pub(super) milestones: Vec<Milestone>,
    /// How often times changed.
    pub(super) retimed: u32,
    pub(super) told: Told,
    pub(super) memos: Memos,
    pub(super) log: Log,
    pub(super) retired: bool,
    /// Where the order stands in the fold's queues.
    pub(super) queued: Queued,
}

/// Where an order stands in the queues of the fold: derived from the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) wake_ms: Option<i64>,
    pub(super) deadline_ms: Option<i64>,
    pub(super) flights: bool,
}

impl Order {
    /// Its id.
    pub fn id(&self) -> OrderId {
        self.id
    }

    /// Its booking reference. Worth showing once the order is held or booked.
    pub fn booking(&self) -> BookingReference {
        self.booking
    }

    /// Where it stands.
    pub fn state(&self) -> OrderState {
        match (&self.ending, self.ended_ms, self.stage) {
            (Some(ending), Some(_), _) => ending.state,
            (Some(_), None, _) => OrderState::Undoing,
            (None, _, Stage::Holding) if self.is_waiting() && !self.has(Seat::Holding) => {
                OrderState::Waiting
            }
            (None, _, Stage::Holding) => OrderState::Holding,
            (None, _, Stage::Awaiting) => OrderState::AwaitingPayment,
            (None, _, Stage::Authorising) => OrderState::Authorising,
            (None, _, Stage::Confirming) => OrderState::Confirming,
            (None, _, Stage::Placing) => OrderState::Placing,
            (None, _, Stage::Capturing) => OrderState::Capturing,
            (None, _, Stage::Ticketing) => OrderState::Ticketing,
            (None, _, Stage::Booked) => OrderState::Booked,
        }
    }

    /// Why it was or is being undone, and what that gives back.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// When everything was undone, Unix time in milliseconds by the stream's clock.
    pub fn ended_ms(&self) -> Option<i64> {
        self.ended_ms
    }

    /// Number of the attempt, from 1: one more each time the order was created again after a refusal.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Offset of the record that created it (this attempt).
    pub fn created_offset(&self) -> u64 {
        self.created_offset
    }

    /// When it was created (this attempt), Unix time in milliseconds by the stream's clock.
    pub fn created_ms(&self) -> i64 {
        self.created_ms
    }

    /// What was asked for, with the client's notes as they are now. Its slices are empty: see
    /// [`Order::segments`].
    pub fn details(&self) -> &CreateOrder {
        &self.details
    }

    /// The client's notes.
    pub fn metadata(&self) -> &Metadata {
        &self.details.metadata
    }

    /// The segments of all slices, in flying order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The payment.
    pub fn charge(&self) -> &Charge {
        &self.charge
    }

    /// Number of the ticket, once issued. It is void when the order is being undone.
    pub fn ticket(&self) -> Option<&str> {
        self.ticket.as_deref()
    }

    /// When the ticket was issued, Unix time in milliseconds by the stream's clock.
    pub fn ticketed_ms(&self) -> Option<i64> {
        self.ticketed_ms
    }

    /// The newest cancellation quote.
    pub fn quote(&self) -> Option<&CancelQuote> {
        self.quote.as_ref()
    }

    /// The airline changed times, and the client has not agreed: an unpaid order cannot be paid.
    pub fn changes_pending(&self) -> bool {
        self.changes_pending
    }

    /// Until when the client can pay, Unix time in milliseconds by the stream's clock; absent when
    /// there is nothing to pay (any more).
    pub fn payment_required_by_ms(&self) -> Option<i64> {
        match self.state() {
            OrderState::AwaitingPayment => self.deadline_ms(),
            _ => None,
        }
    }

    /// Counts the changes that can be read: orders the states of one order for those who hear of
    /// them out of order.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The effects that it waits for.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// What was decided about it, with offsets, oldest first. Long histories lose their middle.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Was it retired by the last call?
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// The money of the client that is with us: taken and not given back.
    pub fn kept(&self) -> Money {
        let total = self.details.total;
        let minor = match self.charge.money {
            MoneyState::Captured | MoneyState::Refunding => total.minor,
            MoneyState::Refunded => total.minor - self.refund_due_minor(),
            _ => 0,
        };
        Money { minor, ..total }
    }

    /// What goes back when the order is undone as its ending says.
    pub(super) fn refund_due_minor(&self) -> i64 {
        self.ending.as_ref().map_or(0, |ending| ending.refund_minor)
    }

    /// Does it wait for seats, or has it (in this attempt)? Such an order is shown to its client, whatever
    /// became of it.
    pub fn has_waited(&self) -> bool {
        self.waited
    }

    /// Is the flight of any segment sold out, and waited for?
    pub(super) fn is_waiting(&self) -> bool {
        self.has(Seat::Waiting)
    }

    fn has(&self, seat: Seat) -> bool {
        self.segments.iter().any(|segment| segment.seat == seat)
    }

    /// Until when it waits for seats, Unix time in milliseconds; absent when it does not wait.
    pub fn waits_until_ms(&self) -> Option<i64> {
        match self.state() {
            OrderState::Waiting => self.wait_until_ms(),
            _ => None,
        }
    }

    /// Until when it waits for seats: as long as the flights keep it on their waitlists, and as the
    /// seats that it has been given have half of their time left. The other half is for paying.
    fn wait_until_ms(&self) -> Option<i64> {
        let half_ms = self.hold_ttl_ms / 2;
        let times = self.segments.iter().filter_map(|segment| {
            let deadline_ms = segment.deadline_ms?;
            Some(match segment.seat {
                Seat::Waiting => deadline_ms,
                _ => deadline_ms.saturating_sub_unsigned(half_ms),
            })
        });
        times.min()
    }

    /// Has the client been told that it has an order? One that has not can be tried again.
    pub fn is_established(&self) -> bool {
        match self.details.terms {
            Terms::Hold { .. } => self.stage > Stage::Holding,
            Terms::Instant { .. } => self.stage == Stage::Booked,
        }
    }

    /// When what it waits for is too late, by the stream's clock.
    pub(super) fn deadline_ms(&self) -> Option<i64> {
        if self.ending.is_some() {
            return None;
        }
        let pay_by_ms = match self.details.terms {
            Terms::Instant { .. } => self.hold_ttl_ms,
            Terms::Hold { pay_by_ms } => pay_by_ms,
        };
        let own_ms = self.seated_ms.saturating_add_unsigned(pay_by_ms);
        let seats_ms = self.segments.iter().filter_map(|s| s.deadline_ms).min();
        match self.stage {
            Stage::Holding if self.is_waiting() => self.wait_until_ms(),
            Stage::Holding | Stage::Awaiting => {
                Some(seats_ms.map_or(own_ms, |seats_ms| seats_ms.min(own_ms)))
            }
            Stage::Authorising => seats_ms,
            Stage::Placing => self.place_by_ms,
            _ => None,
        }
    }

    /// What comes back when the client cancels now, in minor units.
    pub(super) fn refund_quote_minor(&self) -> i64 {
        if self.stage != Stage::Booked {
            return 0;
        }
        match self.details.refund {
            RefundTerms::Full => self.details.total.minor,
            RefundTerms::Penalty(minor) => self.details.total.minor - minor,
            RefundTerms::Nothing => 0,
        }
    }

    /// The last departure, Unix time in milliseconds.
    pub(super) fn last_departure_ms(&self) -> i64 {
        let departures = self.segments.iter().map(|s| s.departs_ms);
        departures.max().unwrap_or(self.created_ms)
    }
}
