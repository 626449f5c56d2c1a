//! What clients ask of an order.

use super::command::{CreateOrder, Metadata, OrderSettings, Payment, Terms};
use super::effect::Step;
use super::ending::Cause;
use super::ids::{OrderId, QuoteId};
use super::log::Log;
use super::memo::Memos;
use super::milestone::Told;
use super::observer::OrderIx;
use super::outcome::{Field, OrderOutcome, OrderReason};
use super::reference::BookingReference;
use super::saga::Context;
use super::standing::{OrderState, Outward, Seat, Stage};
use super::state::{CancelQuote, Charge, Order, Queued, Segment};
use super::valid;
use crate::codes::Money;

impl Order {
    /// An order that has asked for nothing yet: [`Order::begin`] does.
    pub(super) fn new(
        id: OrderId,
        at: OrderIx,
        booking: BookingReference,
        details: &CreateOrder,
        cx: &Context<'_>,
    ) -> Self {
        let mut order = Self {
            id,
            at,
            booking,
            attempt: 0,
            created_offset: 0,
            created_ms: 0,
            seated_ms: 0,
            waited: false,
            hold_ttl_ms: 0,
            details: Box::new(without_slices(details)),
            segments: Vec::new(),
            stage: Stage::Holding,
            charge: Charge::none(),
            ticket: None,
            ticketed_ms: None,
            ending: None,
            ended_ms: None,
            place_by_ms: None,
            changes_pending: false,
            quote: None,
            quotes: 0,
            pending: Vec::new(),
            revision: 0,
            milestones: Vec::new(),
            retimed: 0,
            told: Told::default(),
            memos: Memos::default(),
            log: Log::default(),
            retired: false,
            queued: Queued::default(),
        };
        order.begin(details, cx);
        order
    }

    /// Takes up an attempt. What belongs to the order and not to the attempt stays: its booking
    /// reference, remembered commands, history, and the numbers that ids are made of.
    fn begin(&mut self, details: &CreateOrder, cx: &Context<'_>) {
        self.attempt += 1;
        self.created_offset = cx.offset;
        self.created_ms = cx.clock_ms;
        self.seated_ms = cx.clock_ms;
        self.waited = false;
        self.hold_ttl_ms = hold_ttl_ms(&details.terms, cx.settings);
        *self.details = without_slices(details);
        self.stage = Stage::Holding;
        self.charge = Charge {
            number: self.charge.number,
            ..Charge::none()
        };
        (self.ticket, self.ticketed_ms) = (None, None);
        (self.ending, self.ended_ms) = (None, None);
        self.place_by_ms = None;
        self.changes_pending = false;
        self.quote = None;
        self.segments.clear();
        for (slice, segments) in details.slices.iter().enumerate() {
            for request in segments {
                let hold = self.effect_id(Step::Hold, self.segments.len() as u8);
                self.segments.push(Segment {
                    slice: slice as u8,
                    request: request.clone(),
                    seat: Seat::Holding,
                    hold: hold.into(),
                    provider: None,
                    deadline_ms: None,
                    held_offset: None,
                    gone_offset: None,
                    departs_ms: request.departs_ms,
                    times_offset: None,
                    outward: Outward::None,
                    outward_reference: None,
                    outward_code: None,
                    reseats: 0,
                });
            }
        }
    }

    /// Asks for the seats.
    pub(super) fn ask_for_seats(&mut self, cx: &mut Context<'_>) -> OrderOutcome {
        for at in 0..self.segments.len() {
            self.ask(Step::Hold, at as u8, cx);
        }
        self.advance(cx);
        OrderOutcome::Created {
            booking: self.booking,
        }
    }

    /// Creates it again, which is possible when it was refused and everything is back.
    pub(super) fn create_again(
        &mut self,
        details: &CreateOrder,
        cx: &mut Context<'_>,
    ) -> Result<OrderOutcome, OrderReason> {
        match self.state() {
            OrderState::Refused => {}
            OrderState::Undoing if self.ends_in(OrderState::Refused) => {
                return Err(OrderReason::StillUndoing);
            }
            _ => return Err(OrderReason::AlreadyBooked),
        }
        details
            .valid(self.id, cx.settings)
            .map_err(OrderReason::Invalid)?;
        self.begin(details, cx);
        Ok(self.ask_for_seats(cx))
    }

    fn ends_in(&self, state: OrderState) -> bool {
        self.ending.as_ref().is_some_and(|e| e.state == state)
    }

    /// Why nothing can be asked of an order that is over or on its way there.
    fn not_over(&self) -> Result<(), OrderReason> {
        match self.ending.as_ref().map(|ending| ending.state) {
            None => Ok(()),
            Some(OrderState::Expired) => Err(OrderReason::PastDeadline),
            Some(OrderState::Refused) => Err(OrderReason::OrderRefused),
            Some(_) => Err(OrderReason::AlreadyCancelled),
        }
    }

    pub(super) fn pay(
        &mut self,
        payment: &Payment,
        cx: &mut Context<'_>,
    ) -> Result<OrderOutcome, OrderReason> {
        if !matches!(self.details.terms, Terms::Hold { .. }) {
            return Err(OrderReason::NotPayable);
        }
        self.not_over()?;
        match self.stage {
            Stage::Holding => return Err(OrderReason::StillHolding),
            Stage::Awaiting => {}
            Stage::Ticketing | Stage::Booked => return Err(OrderReason::AlreadyPaid),
            _ => return Err(OrderReason::PaymentInProgress),
        }
        if self.changes_pending {
            return Err(OrderReason::ScheduleChanged);
        }
        let total = self.details.total;
        if (payment.amount.currency, payment.amount.exponent) != (total.currency, total.exponent) {
            return Err(OrderReason::CurrencyMismatch);
        }
        if payment.amount.minor != total.minor {
            return Err(OrderReason::AmountMismatch);
        }
        if !valid::is_method(&payment.method) {
            return Err(OrderReason::Invalid(Field::Method));
        }
        self.start_charge(payment.method.clone(), cx);
        Ok(OrderOutcome::PaymentStarted {
            payment: self.charge.number,
        })
    }

    fn cancellable(&self, cx: &Context<'_>) -> Result<(), OrderReason> {
        self.not_over()?;
        match self.stage {
            Stage::Awaiting => Ok(()),
            Stage::Holding if self.is_waiting() => Ok(()),
            Stage::Booked if self.segments.iter().any(|s| s.departs_ms <= cx.clock_ms) => {
                Err(OrderReason::Departed)
            }
            Stage::Booked => Ok(()),
            _ => Err(OrderReason::NotCancellable),
        }
    }

    pub(super) fn quote_cancel(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<OrderOutcome, OrderReason> {
        self.cancellable(cx)?;
        self.quotes += 1;
        let quote = CancelQuote {
            id: QuoteId::derive(self.id, self.quotes),
            made_ms: cx.clock_ms,
            expires_ms: cx.clock_ms.saturating_add_unsigned(cx.settings.quote_ms),
            refund_minor: self.refund_quote_minor(),
            unpaid: self.stage != Stage::Booked,
            stale: false,
            confirmed_ms: None,
        };
        self.quote = Some(quote);
        Ok(OrderOutcome::Quoted {
            quote: quote.id,
            refund: self.money(quote.refund_minor),
            unpaid: quote.unpaid,
            expires_at_ms: quote.expires_ms,
        })
    }

    pub(super) fn confirm_cancel(
        &mut self,
        id: QuoteId,
        cx: &mut Context<'_>,
    ) -> Result<OrderOutcome, OrderReason> {
        let ours = (1..=self.quotes).any(|number| QuoteId::derive(self.id, number) == id);
        if !ours {
            return Err(OrderReason::UnknownQuote);
        }
        self.not_over()?;
        let Some(quote) = self.quote.filter(|quote| quote.id == id && !quote.stale) else {
            return Err(OrderReason::QuoteStale);
        };
        if quote.expires_ms <= cx.clock_ms {
            return Err(OrderReason::QuoteExpired);
        }
        self.cancellable(cx)?;
        self.quote = Some(CancelQuote {
            confirmed_ms: Some(cx.clock_ms),
            ..quote
        });
        self.stop(Cause::ByClient { quote: id }, cx);
        self.advance(cx);
        Ok(OrderOutcome::CancelStarted {
            refund: self.money(quote.refund_minor),
        })
    }

    pub(super) fn set_metadata(
        &mut self,
        metadata: &Metadata,
    ) -> Result<OrderOutcome, OrderReason> {
        if !valid::is_metadata(metadata) {
            return Err(OrderReason::Invalid(Field::Metadata));
        }
        self.details.metadata.clone_from(metadata);
        Ok(OrderOutcome::MetadataSet)
    }

    pub(super) fn accept_changes(&mut self) -> Result<OrderOutcome, OrderReason> {
        self.not_over()?;
        if !self.changes_pending {
            return Err(OrderReason::NothingToAccept);
        }
        self.changes_pending = false;
        Ok(OrderOutcome::ChangesAccepted)
    }

    fn money(&self, minor: i64) -> Money {
        Money {
            minor,
            ..self.details.total
        }
    }
}

/// The slices live on as segments.
fn without_slices(details: &CreateOrder) -> CreateOrder {
    CreateOrder {
        slices: Vec::new(),
        ..details.clone()
    }
}

/// How long the flights hold the seats.
fn hold_ttl_ms(terms: &Terms, settings: &OrderSettings) -> u64 {
    match terms {
        Terms::Instant { .. } => settings.instant_hold_ms,
        Terms::Hold { pay_by_ms } => pay_by_ms.saturating_add(settings.pay_grace_ms),
    }
}
