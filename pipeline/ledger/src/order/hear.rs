//! What comes back: results of effects, claims, and word of the flights.

use super::command::{FlightChange, FlightNotice};
use super::effect::{EffectResult, Step};
use super::ending::Cause;
use super::ids::EffectId;
use super::log::LogEvent;
use super::outcome::{Field, OrderOutcome, OrderReason};
use super::saga::Context;
use super::standing::{MoneyState, Seat};
use super::state::{Order, Pending, Segment, Wait};
use super::valid;
use crate::outcome::Reason;

impl Order {
    /// Hears what became of an effect, and goes on.
    pub(super) fn hear(
        &mut self,
        effect: EffectId,
        result: &EffectResult,
        cx: &mut Context<'_>,
    ) -> OrderOutcome {
        let Some(at) = self.pending.iter().position(|p| p.id == effect) else {
            return OrderOutcome::Refused(OrderReason::NotOutstanding);
        };
        let Pending { step, segment, .. } = self.pending[at];
        let asked_to_wait = self.details.wait_ms.is_some();
        let waits = matches!(result, EffectResult::Waiting { .. });
        let is_elsewhere = self.segments[usize::from(segment)].reseats > 0;
        if !result.answers(step) || waits && (!asked_to_wait || is_elsewhere) {
            return OrderOutcome::Refused(OrderReason::WrongResult);
        }
        if !valid::is_result(result) {
            return OrderOutcome::Refused(OrderReason::Invalid(Field::Result));
        }
        let outcome = match (step, result) {
            (_, EffectResult::Waiting { deadline_ms }) => {
                let known = &mut self.segments[usize::from(segment)];
                if known.seat == Seat::Waiting {
                    return OrderOutcome::Stale;
                }
                known.seat = Seat::Waiting;
                known.deadline_ms = Some(*deadline_ms);
                self.waited = true;
                // Nobody asks again meanwhile: what becomes of it comes unasked.
                let at_ms = deadline_ms.saturating_add_unsigned(cx.settings.ask_again_max_ms);
                self.pending[at].wait = Wait::Later { at_ms };
                self.advance(cx);
                OrderOutcome::Heard
            }
            (_, EffectResult::Unknown) => OrderOutcome::AskedAgain {
                at_ms: self.ask_again(at, cx),
            },
            (Step::Void | Step::Refund, EffectResult::Failed { code }) => {
                self.charge.code = Some(code.clone());
                OrderOutcome::AskedAgain {
                    at_ms: self.try_anew(at, cx),
                }
            }
            _ => {
                self.pending.remove(at);
                if step.is_outward() || matches!(step, Step::Acknowledge | Step::Refuse) {
                    self.hear_of_placing(step, segment, result, cx);
                } else if step.is_about_seats() {
                    self.hear_of_seats(step, segment, result, cx);
                } else {
                    self.hear_of_money(result, cx);
                }
                self.advance(cx);
                OrderOutcome::Heard
            }
        };
        let reason = match result {
            EffectResult::Refused(reason) => Some(*reason),
            _ => None,
        };
        let event = LogEvent::Result {
            effect,
            step,
            segment,
            result: result.name(),
            reason,
        };
        self.note(event, cx);
        outcome
    }

    fn hear_of_seats(&mut self, step: Step, at: u8, result: &EffectResult, cx: &mut Context<'_>) {
        let segment = &mut self.segments[usize::from(at)];
        match (step, result) {
            (
                Step::Hold,
                EffectResult::Held {
                    provider,
                    deadline_ms,
                    offset,
                },
            ) => {
                if segment.seat == Seat::Waiting {
                    self.seated_ms = cx.clock_ms;
                }
                segment.seat = Seat::Held;
                segment.provider = Some(*provider);
                segment.deadline_ms = Some(*deadline_ms);
                segment.held_offset = Some(*offset);
                if segment.gone_offset.is_some_and(|gone| gone > *offset) {
                    self.stop(Cause::FlightCancelled { segment: at }, cx);
                }
            }
            (Step::Hold, EffectResult::Refused(_)) if segment.reseats > 0 => {
                segment.seat = Seat::Free;
                let cause = self.refused_by_provider(at);
                self.stop(cause, cx);
            }
            (Step::Hold | Step::Confirm, EffectResult::Refused(reason)) => {
                segment.seat = Seat::Free;
                let cause = Cause::SeatsRefused {
                    segment: at,
                    step,
                    reason: *reason,
                };
                self.stop(cause, cx);
            }
            (Step::Confirm, _) => self.sold(at, cx),
            // Cannot be, since a confirmation is waited for; but then cancelling is the way back.
            (Step::Release, EffectResult::Refused(Reason::AlreadyConfirmed)) => {
                segment.seat = Seat::Confirmed;
            }
            // Whatever else a flight says to giving back, nothing of ours is there afterwards.
            _ => segment.seat = Seat::Free,
        }
    }

    fn hear_of_money(&mut self, result: &EffectResult, cx: &mut Context<'_>) {
        let charge = &mut self.charge;
        match result {
            EffectResult::Authorised { reference } => {
                charge.money = MoneyState::Authorised;
                charge.reference = Some(reference.clone());
            }
            EffectResult::Declined { code } => {
                charge.money = MoneyState::Declined;
                charge.code = Some(code.clone());
                // A held order stays held, and can be paid in another way.
                if !self.is_established() {
                    self.stop(Cause::Declined { code: code.clone() }, cx);
                }
            }
            EffectResult::Captured => {
                charge.money = MoneyState::Captured;
                charge.captured_ms = Some(cx.clock_ms);
            }
            EffectResult::Voided => charge.money = MoneyState::Voided,
            EffectResult::Refunded => charge.money = MoneyState::Refunded,
            EffectResult::Ticketed { number } => {
                self.ticket = Some(number.clone());
                self.ticketed_ms = Some(cx.clock_ms);
            }
            // Of a capture: the money is still reserved, and is let go on the way back.
            EffectResult::Failed { code } if charge.money == MoneyState::Capturing => {
                charge.money = MoneyState::Authorised;
                charge.code = Some(code.clone());
                self.stop(Cause::CaptureFailed { code: code.clone() }, cx);
            }
            EffectResult::Failed { code } => {
                self.stop(Cause::TicketFailed { code: code.clone() }, cx);
            }
            _ => unreachable!("order {}: {} is not about money", self.id, result.name()),
        }
    }

    /// A replica wants to run an effect.
    pub(super) fn claim(
        &mut self,
        effect: EffectId,
        replica: u64,
        until_ms: i64,
        cx: &Context<'_>,
    ) -> OrderOutcome {
        let Some(pending) = self.pending.iter_mut().find(|p| p.id == effect) else {
            return OrderOutcome::Refused(OrderReason::NotOutstanding);
        };
        match pending.wait {
            Wait::Later { at_ms } => {
                return OrderOutcome::Refused(OrderReason::NotDue { at_ms });
            }
            Wait::Claimed {
                replica: holder,
                until_ms,
            } if holder != replica => {
                return OrderOutcome::Refused(OrderReason::ClaimedByAnother { until_ms });
            }
            Wait::Claimed { .. } | Wait::Ready { .. } => {}
        }
        let latest_ms = cx
            .clock_ms
            .saturating_add_unsigned(cx.settings.claim_max_ms);
        let until_ms = until_ms.min(latest_ms);
        if until_ms <= cx.clock_ms {
            return OrderOutcome::Refused(OrderReason::ClaimOver);
        }
        pending.wait = Wait::Claimed { replica, until_ms };
        OrderOutcome::Claimed { until_ms }
    }

    /// Something happened to a flight.
    pub(super) fn notice(&mut self, notice: &FlightNotice, cx: &mut Context<'_>) -> OrderOutcome {
        let mut flights = self.segments.iter().map(|s| s.request.flight);
        if !flights.any(|flight| flight == notice.flight) {
            return OrderOutcome::Refused(OrderReason::NotItsFlight);
        }
        if self.ended_ms.is_some() {
            return OrderOutcome::Stale;
        }
        let mut news = false;
        let mut cause = None;
        for at in 0..self.segments.len() {
            let segment = &mut self.segments[at];
            if segment.request.flight != notice.flight {
                continue;
            }
            let at = at as u8;
            match notice.change {
                FlightChange::Cancelled => {
                    if segment.cancelled(notice.offset) {
                        news = true;
                        // A hold whose answer is still on its way may be newer than the notice: it
                        // is seen when it comes.
                        if segment.held_offset.is_some() {
                            cause.get_or_insert(Cause::FlightCancelled { segment: at });
                        }
                    }
                }
                FlightChange::Displaced { hold } => {
                    // When the hold's own answer comes later, what it held is released then.
                    let asked = matches!(segment.seat, Seat::Holding | Seat::Waiting);
                    let awaited = asked && self.ending.is_none();
                    if segment.hold == hold && (segment.displaced() || awaited) {
                        news = true;
                        cause.get_or_insert(Cause::Displaced { segment: at });
                    }
                }
                FlightChange::Times { board, departs_ms } => {
                    let boards = segment.request.board.unwrap_or(notice.flight.board);
                    let known_ms = segment.departs_ms;
                    if boards == board && segment.retimed(notice.offset, departs_ms) {
                        news = true;
                        let differs = known_ms != departs_ms;
                        self.changes_pending |= differs;
                        self.retimed += u32::from(differs);
                    }
                }
            }
        }
        if !news {
            return OrderOutcome::Stale;
        }
        if let Some(cause) = cause {
            self.stop(cause, cx);
        }
        self.advance(cx);
        self.note(LogEvent::Notice(*notice), cx);
        OrderOutcome::Heard
    }

    /// Writes down what was decided.
    pub(super) fn note(&mut self, event: LogEvent, cx: &Context<'_>) {
        self.log.push(super::log::LogEntry {
            offset: cx.offset,
            at_ms: cx.clock_ms,
            event,
            state: self.state(),
        });
    }
}

impl Segment {
    /// Hears that its flight will not fly. Says whether it was news.
    fn cancelled(&mut self, offset: u64) -> bool {
        let held_later = self.held_offset.is_some_and(|held| held > offset);
        if self.gone_offset >= Some(offset) || held_later {
            return false;
        }
        self.gone_offset = Some(offset);
        true
    }

    /// Hears that its hold lost its seats. Says whether it had any. While it is being confirmed, the
    /// flight's answer to that tells; sold seats cannot be displaced.
    fn displaced(&mut self) -> bool {
        let held = self.seat == Seat::Held;
        if held {
            self.seat = Seat::Free;
        }
        held
    }

    /// Hears of another departure. Says whether it was news.
    fn retimed(&mut self, offset: u64, departs_ms: i64) -> bool {
        if self.times_offset >= Some(offset) || self.seat == Seat::Free {
            return false;
        }
        self.times_offset = Some(offset);
        self.departs_ms = departs_ms;
        true
    }
}
