//! The saga itself: what an order asks for next, forwards and backwards.
//!
//! Forwards, each step waits for all of the one before: hold every segment, reserve the money,
//! confirm every segment, place what was sold at the providers that want to be told (`outward`), take the
//! money, issue the ticket. Backwards there are no steps: whatever is
//! held is released, whatever is sold is cancelled, money reserved is let go and money taken is given
//! back, each as soon as it is known to be so. What is asked for and not answered is waited for,
//! never assumed. An order has ended when it waits for nothing.

use super::command::OrderSettings;
use super::command::Terms;
use super::effect::{Effect, MoneyAsk, SeatsAsk, Step, Work};
use super::ending::{Cause, Ending};
use super::ids::EffectId;
use super::observer::OrderObserver;
use super::standing::{MoneyState, OrderState, Seat, Stage};
use super::state::{Charge, Order, Pending, Wait};
use crate::codes::Money;
use crate::command::HoldRequest;

/// What a change of an order happens within.
pub(super) struct Context<'a> {
    pub(super) offset: u64,
    pub(super) clock_ms: i64,
    pub(super) settings: &'a OrderSettings,
    pub(super) observer: &'a mut dyn OrderObserver,
}

impl Context<'_> {
    /// When an effect that was asked for so often is asked for again.
    fn again_ms(&self, asks: u32) -> i64 {
        let first_ms = self.settings.ask_again_first_ms.max(1);
        let doublings = asks.saturating_sub(1).min(40);
        let wait_ms = first_ms.saturating_mul(1 << doublings);
        let wait_ms = wait_ms.min(self.settings.ask_again_max_ms.max(1));
        self.clock_ms.saturating_add_unsigned(wait_ms)
    }
}

impl Order {
    /// Goes as far as what is known allows.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        loop {
            self.heed_deadline(cx);
            if self.ending.is_some() {
                return self.undo(cx);
            }
            let all = |seat: Seat| self.segments.iter().all(|s| s.seat == seat);
            match self.stage {
                Stage::Holding if self.is_outdated() => self.stop(Cause::TimesChanged, cx),
                Stage::Holding if all(Seat::Held) => match &self.details.terms {
                    Terms::Hold { .. } => self.stage = Stage::Awaiting,
                    Terms::Instant { method } => {
                        let method = method.clone();
                        self.start_charge(method, cx);
                    }
                },
                Stage::Authorising if self.charge.money == MoneyState::Authorised => {
                    self.stage = Stage::Confirming;
                    for at in 0..self.segments.len() {
                        self.segments[at].seat = Seat::Confirming;
                        self.ask(Step::Confirm, at as u8, cx);
                    }
                }
                Stage::Authorising if self.charge.money == MoneyState::Declined => {
                    self.stage = Stage::Awaiting;
                }
                Stage::Confirming if all(Seat::Confirmed) => self.start_placing(cx),
                Stage::Placing if !self.is_placed() => return self.place(cx),
                Stage::Placing => {
                    self.stage = Stage::Capturing;
                    self.charge.money = MoneyState::Capturing;
                    self.ask(Step::Capture, 0, cx);
                }
                Stage::Capturing if self.charge.money == MoneyState::Captured => {
                    self.stage = Stage::Ticketing;
                    self.ask(Step::Ticket, 0, cx);
                }
                Stage::Ticketing if self.ticket.is_some() => self.stage = Stage::Booked,
                _ => return,
            }
        }
    }

    /// Begins to pay.
    pub(super) fn start_charge(&mut self, method: Box<str>, cx: &mut Context<'_>) {
        if let Some(quote) = &mut self.quote {
            // It was made of an order that nothing was paid for.
            quote.stale = true;
        }
        self.charge = Charge {
            number: self.charge.number + 1,
            money: MoneyState::Authorising,
            method,
            ..Charge::none()
        };
        self.stage = Stage::Authorising;
        self.ask(Step::Authorise, 0, cx);
    }

    /// Would it be bought at once at times that its client has not seen? Who waits for long cannot be
    /// asked again.
    fn is_outdated(&self) -> bool {
        let instant = matches!(self.details.terms, Terms::Instant { .. });
        instant && self.waited && self.changes_pending
    }

    /// Turns around, unless it has already. The caller advances.
    pub(super) fn stop(&mut self, cause: Cause, cx: &Context<'_>) {
        if self.ending.is_some() {
            return;
        }
        let state = match cause {
            Cause::ByClient { .. } => OrderState::Cancelled,
            _ if !self.is_established() => OrderState::Refused,
            Cause::NotPaid | Cause::PaymentTimedOut => OrderState::Expired,
            _ => OrderState::Cancelled,
        };
        if self.stage == Stage::Booked && cause.is_airline() {
            for segment in &mut self.segments {
                let flown = segment.departs_ms <= cx.clock_ms && segment.gone_offset.is_none();
                if segment.seat == Seat::Confirmed && flown {
                    segment.seat = Seat::Kept;
                }
            }
        }
        let refund_minor = match cause {
            Cause::ByClient { .. } => self.refund_quote_minor(),
            _ => self.unflown_minor(),
        };
        if let Some(quote) = &mut self.quote {
            quote.stale = quote.confirmed_ms.is_none();
        }
        self.ending = Some(Ending {
            cause,
            state,
            refund_minor,
            offset: cx.offset,
            at_ms: cx.clock_ms,
        });
    }

    /// The total, less nothing; or, when something was flown, the prices of what was not.
    fn unflown_minor(&self) -> i64 {
        let total = self.details.total.minor;
        if self.segments.iter().all(|s| s.seat != Seat::Kept) {
            return total;
        }
        let unflown = self.segments.iter().filter(|s| s.seat != Seat::Kept);
        let price = |minor: i64, seats: u16| minor.saturating_mul(i64::from(seats));
        let prices = unflown.map(|s| price(s.request.price.minor, s.request.seats));
        prices.fold(0, i64::saturating_add).min(total)
    }

    /// Asks for everything that can be undone now.
    fn undo(&mut self, cx: &mut Context<'_>) {
        for at in 0..self.segments.len() {
            if self.withdraw(at, cx) {
                // The seats are ours again when the provider does not have them sold any more.
                continue;
            }
            let (seat, step) = match self.segments[at].seat {
                Seat::Held => (Seat::Releasing, Step::Release),
                Seat::Waiting => {
                    // Whatever became of the hold meanwhile, releasing it settles it.
                    let waits = |p: &Pending| (p.step, p.segment) == (Step::Hold, at as u8);
                    self.pending.retain(|pending| !waits(pending));
                    (Seat::Releasing, Step::Release)
                }
                Seat::Confirmed => (Seat::Cancelling, Step::Cancel),
                _ => continue,
            };
            self.segments[at].seat = seat;
            self.ask(step, at as u8, cx);
        }
        match self.charge.money {
            MoneyState::Authorised => {
                self.charge.money = MoneyState::Voiding;
                self.ask(Step::Void, 0, cx);
            }
            MoneyState::Captured if self.refund_due_minor() > 0 => {
                self.charge.money = MoneyState::Refunding;
                self.ask(Step::Refund, 0, cx);
            }
            _ => {}
        }
        if self.pending.is_empty() && self.ended_ms.is_none() {
            self.ended_ms = Some(cx.clock_ms);
        }
    }

    /// Stops when what the order waits for is too late.
    fn heed_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        if self.deadline_ms().is_none_or(|at_ms| at_ms > cx.clock_ms) {
            return false;
        }
        let cause = match self.stage {
            Stage::Holding => Cause::HoldsTimedOut,
            Stage::Awaiting => Cause::NotPaid,
            Stage::Placing => Cause::PlacingTimedOut,
            _ => Cause::PaymentTimedOut,
        };
        self.stop(cause, cx);
        true
    }

    /// Does what is due by the clock. Says whether a deadline passed.
    pub(super) fn wake(&mut self, cx: &mut Context<'_>) -> bool {
        let late = self.heed_deadline(cx);
        for at in 0..self.pending.len() {
            if self.pending[at].wait.until_ms() <= cx.clock_ms {
                self.emit(at, cx);
            }
        }
        if late {
            self.advance(cx);
        }
        late
    }

    /// When the clock next has something to do here.
    pub(super) fn wake_ms(&self, settings: &OrderSettings) -> Option<i64> {
        let waits = self.pending.iter().map(|pending| pending.wait.until_ms());
        let times = waits.chain(self.deadline_ms());
        times.chain(self.retires_at_ms(settings)).min()
    }

    /// When it is forgotten, if nothing more happens.
    pub(super) fn retires_at_ms(&self, settings: &OrderSettings) -> Option<i64> {
        let over = self.state().is_settled() && !self.retired;
        let after_ms = settings.retire_after_ms;
        over.then(|| self.last_departure_ms().saturating_add_unsigned(after_ms))
    }

    /// Asks for something for the first time.
    pub(super) fn ask(&mut self, step: Step, segment: u8, cx: &mut Context<'_>) {
        let id = self.effect_id(step, segment);
        assert!(
            self.pending.iter().all(|pending| pending.id != id),
            "order {}: {step} of segment {segment} is asked for twice",
            self.id,
        );
        self.pending.push(Pending {
            id,
            step,
            segment,
            asks: 0,
            wait: Wait::Later { at_ms: cx.clock_ms },
        });
        self.emit(self.pending.len() - 1, cx);
    }

    /// A void or refund was refused, and must be done all the same: it is tried anew, under another
    /// id, since under this one the service would only repeat its answer. Says when.
    pub(super) fn try_anew(&mut self, at: usize, cx: &Context<'_>) -> i64 {
        self.charge.failures = self.charge.failures.saturating_add(1);
        let at_ms = cx.again_ms(self.charge.failures);
        let Pending { step, segment, .. } = self.pending[at];
        self.pending[at] = Pending {
            id: self.effect_id(step, segment),
            step,
            segment,
            asks: 0,
            wait: Wait::Later { at_ms },
        };
        at_ms
    }

    /// Nobody knows what became of it: it is asked for again, by the same id. Says when.
    pub(super) fn ask_again(&mut self, at: usize, cx: &Context<'_>) -> i64 {
        let pending = &mut self.pending[at];
        match pending.wait {
            // Heard twice: the first word counts, or repetitions could put it off for ever.
            Wait::Later { at_ms } => at_ms,
            Wait::Ready { .. } | Wait::Claimed { .. } => {
                let at_ms = cx.again_ms(pending.asks);
                pending.wait = Wait::Later { at_ms };
                at_ms
            }
        }
    }

    fn emit(&mut self, at: usize, cx: &mut Context<'_>) {
        let pending = &mut self.pending[at];
        pending.asks = pending.asks.saturating_add(1);
        pending.wait = Wait::Ready {
            again_ms: cx.again_ms(pending.asks),
        };
        let effect = self.effect(&self.pending[at]);
        cx.observer.effect_due(&effect);
    }

    pub(super) fn effect_id(&self, step: Step, segment: u8) -> EffectId {
        let attempt = match step {
            Step::Authorise | Step::Capture => u64::from(self.charge.number) << 32,
            Step::Void | Step::Refund => {
                u64::from(self.charge.number) << 32 | u64::from(self.charge.failures)
            }
            Step::Ticket => u64::from(self.attempt),
            _ => {
                // While an attempt begins there is no segment yet.
                let reseats = self.segments.get(usize::from(segment));
                let reseats = reseats.map_or(0, |segment| segment.reseats);
                return self.seats_effect_id(step, segment, reseats);
            }
        };
        EffectId::derive(self.id, step, segment, attempt)
    }

    /// The effect with all that is needed to run it.
    pub(super) fn effect(&self, pending: &Pending) -> Effect {
        let total = self.details.total;
        let reference = || self.charge.reference.clone().unwrap_or_default();
        let seats = |ask: SeatsAsk| Work::Seats {
            segment: pending.segment,
            flight: self.segments[usize::from(pending.segment)].request.flight,
            ask,
        };
        let hold = || self.segments[usize::from(pending.segment)].hold;
        let work = match pending.step {
            Step::Hold => seats(self.hold_ask(pending.segment)),
            Step::Acknowledge | Step::Refuse => seats(self.word_of_provider(pending)),
            Step::Place | Step::Withdraw => self.outward_work(pending),
            Step::Confirm => seats(SeatsAsk::Confirm { hold: hold() }),
            Step::Release => seats(SeatsAsk::Release { hold: hold() }),
            Step::Cancel => seats(SeatsAsk::Cancel { hold: hold() }),
            Step::Authorise => Work::Money(MoneyAsk::Authorise {
                amount: total,
                method: self.charge.method.clone(),
            }),
            Step::Capture => Work::Money(MoneyAsk::Capture {
                amount: total,
                reference: reference(),
            }),
            Step::Void => Work::Money(MoneyAsk::Void {
                reference: reference(),
            }),
            Step::Refund => Work::Money(MoneyAsk::Refund {
                amount: Money {
                    minor: self.refund_due_minor(),
                    ..total
                },
                reference: reference(),
            }),
            Step::Ticket => Work::Ticket {
                booking: self.booking,
            },
        };
        Effect {
            id: pending.id,
            order: self.id,
            since_ms: self.created_ms,
            asks: pending.asks,
            work,
        }
    }

    /// Made of what never changes, so that every run of the effect asks for the same.
    pub(super) fn hold_request(&self, segment: u8) -> HoldRequest {
        let request = &self.segments[usize::from(segment)].request;
        HoldRequest {
            provider: request.provider,
            cabin: request.cabin,
            class: request.class,
            board: request.board,
            off: request.off,
            seats: request.seats,
            ttl_ms: Some(self.hold_ttl_ms),
            expected_price: Some(request.price),
            wait_ms: self.details.wait_ms,
        }
    }
}

impl Charge {
    /// No payment yet.
    pub(super) fn none() -> Self {
        Self {
            number: 0,
            money: MoneyState::None,
            method: Box::default(),
            reference: None,
            code: None,
            failures: 0,
            captured_ms: None,
        }
    }
}
