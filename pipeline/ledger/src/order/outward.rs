//! Seats that were sold go to the provider that granted them, before any money is taken.
//!
//! For each segment whose provider wants to be told: place it there, note in the flight's stream that the
//! provider has it, go on. A refusal is noted in the flight's stream too, which cancels the sale and closes
//! what it was sold from; then the seats are looked for at another provider of the flight, at no
//! higher price, and when there are none the order is undone. On the way back, what was placed, or may have
//! been, is withdrawn before the flight sells the seats again.

use super::effect::{EffectResult, OutwardAsk, OutwardWork, SeatsAsk, Step, Work};
use super::ending::Cause;
use super::ids::EffectId;
use super::saga::Context;
use super::standing::{Outward, Seat, Stage};
use super::state::{Order, Pending};
use crate::command::Reseat;

/// How often the seats of a segment are looked for elsewhere.
pub(super) const RESEATS_MAX: u32 = 8;

impl Order {
    /// Everything is sold.
    pub(super) fn start_placing(&mut self, cx: &Context<'_>) {
        self.stage = Stage::Placing;
        if !self.is_placed() {
            let within_ms = cx.settings.place_within_ms;
            self.place_by_ms = Some(cx.clock_ms.saturating_add_unsigned(within_ms));
        }
    }

    /// Is every seat sold, and known to the provider if it wants to be told?
    pub(super) fn is_placed(&self) -> bool {
        self.segments.iter().all(|segment| {
            let is_known = matches!(segment.outward, Outward::None | Outward::Acknowledged);
            segment.seat == Seat::Confirmed && is_known
        })
    }

    /// Asks for what can be asked for while providers are told.
    pub(super) fn place(&mut self, cx: &mut Context<'_>) {
        for at in 0..self.segments.len() {
            let segment = &mut self.segments[at];
            match (segment.seat, segment.outward) {
                (Seat::Confirmed, Outward::Due) => {
                    segment.outward = Outward::Placing;
                    self.ask(Step::Place, at as u8, cx);
                }
                // Found elsewhere.
                (Seat::Held, _) => {
                    segment.seat = Seat::Confirming;
                    self.ask(Step::Confirm, at as u8, cx);
                }
                _ => {}
            }
        }
    }

    /// The seats of a segment are sold: is the provider to be told?
    pub(super) fn sold(&mut self, at: u8, cx: &Context<'_>) {
        let segment = &mut self.segments[usize::from(at)];
        segment.seat = Seat::Confirmed;
        let is_outward = segment.provider.is_some_and(|p| cx.settings.is_outward(p));
        if is_outward {
            segment.outward = Outward::Due;
        }
    }

    /// What a provider, or a flight that was told of a provider's word, said.
    pub(super) fn hear_of_placing(
        &mut self,
        step: Step,
        at: u8,
        result: &EffectResult,
        cx: &mut Context<'_>,
    ) {
        let segment = &mut self.segments[usize::from(at)];
        match (step, result) {
            (Step::Place, EffectResult::Placed { reference }) => {
                segment.outward = Outward::Placed;
                segment.outward_reference = Some(reference.clone());
                segment.outward_code = None;
                self.ask(Step::Acknowledge, at, cx);
            }
            (Step::Place, EffectResult::Failed { code }) => {
                segment.outward = Outward::Refused;
                segment.outward_code = Some(code.clone());
                segment.seat = Seat::Refusing;
                self.ask(Step::Refuse, at, cx);
            }
            // Whatever the flight says: the provider has it.
            (Step::Acknowledge, _) => segment.outward = Outward::Acknowledged,
            (Step::Refuse, _) => {
                segment.seat = Seat::Free;
                if self.ending.is_none() {
                    self.seek_elsewhere(at, cx);
                }
            }
            (Step::Withdraw, EffectResult::Failed { code }) => {
                segment.outward = Outward::Kept;
                segment.outward_code = Some(code.clone());
            }
            (Step::Withdraw, _) => segment.outward = Outward::Withdrawn,
            _ => unreachable!("order {}: {step} is not about a provider", self.id),
        }
    }

    /// Looks for the seats of a segment at another provider of the flight.
    fn seek_elsewhere(&mut self, at: u8, cx: &mut Context<'_>) {
        if self.segments[usize::from(at)].reseats >= RESEATS_MAX {
            let cause = self.refused_by_provider(at);
            return self.stop(cause, cx);
        }
        let reseats = self.segments[usize::from(at)].reseats + 1;
        let hold = self.seats_effect_id(Step::Hold, at, reseats).into();
        let segment = &mut self.segments[usize::from(at)];
        segment.reseats = reseats;
        segment.hold = hold;
        segment.seat = Seat::Holding;
        segment.outward = Outward::None;
        segment.provider = None;
        segment.deadline_ms = None;
        segment.held_offset = None;
        self.ask(Step::Hold, at, cx);
    }

    /// May its provider still be asked about a placement of the order's (named by its [`Step::Place`])? Not
    /// when all is over, nor about one that was refused, and whose seats were found elsewhere.
    pub fn may_ask_about(&self, placement: EffectId) -> bool {
        let mut segments = 0..self.segments.len();
        !self.state().is_end()
            && segments.any(|at| self.effect_id(Step::Place, at as u8) == placement)
    }

    /// A provider refused the segment, and nobody else has it.
    pub(super) fn refused_by_provider(&self, at: u8) -> Cause {
        let code = &self.segments[usize::from(at)].outward_code;
        Cause::PlacementRefused {
            segment: at,
            code: code.clone().unwrap_or_default(),
        }
    }

    /// On the way back: has the provider to forget the segment, or to be waited for, before its seats
    /// are given back?
    pub(super) fn withdraw(&mut self, at: usize, cx: &mut Context<'_>) -> bool {
        let segment = &mut self.segments[at];
        match segment.outward {
            Outward::Placed | Outward::Withdrawing => true,
            Outward::Acknowledged if segment.seat == Seat::Kept => false,
            Outward::Placing | Outward::Acknowledged => {
                segment.outward = Outward::Withdrawing;
                // Whatever became of the placement meanwhile, withdrawing it settles it.
                let places = |p: &Pending| (p.step, usize::from(p.segment)) == (Step::Place, at);
                self.pending.retain(|pending| !places(pending));
                self.ask(Step::Withdraw, at as u8, cx);
                true
            }
            _ => false,
        }
    }

    /// The id of an effect on the seats of a segment that were looked for so often.
    pub(super) fn seats_effect_id(&self, step: Step, segment: u8, reseats: u32) -> EffectId {
        let attempt = u64::from(reseats) << 32 | u64::from(self.attempt);
        EffectId::derive(self.id, step, segment, attempt)
    }

    /// How seats are asked for: at first as the client did, after a refusal from somebody else.
    pub(super) fn hold_ask(&self, at: u8) -> SeatsAsk {
        let segment = &self.segments[usize::from(at)];
        match segment.reseats.checked_sub(1) {
            None => SeatsAsk::Hold(self.hold_request(at)),
            Some(before) => SeatsAsk::Reseat(Reseat {
                hold: self.seats_effect_id(Step::Hold, at, before).into(),
                ttl_ms: self.hold_ttl_ms,
                price_max: segment.request.price,
            }),
        }
    }

    /// What a flight is told that a provider said of a sale.
    pub(super) fn word_of_provider(&self, pending: &Pending) -> SeatsAsk {
        let segment = &self.segments[usize::from(pending.segment)];
        let (hold, provider) = (segment.hold, segment.provider.unwrap_or_default());
        match pending.step {
            Step::Acknowledge => SeatsAsk::Acknowledge { hold, provider },
            _ => SeatsAsk::Refuse { hold, provider },
        }
    }

    /// What a provider is asked.
    pub(super) fn outward_work(&self, pending: &Pending) -> Work {
        let at = pending.segment;
        let segment = &self.segments[usize::from(at)];
        Work::Outward(Box::new(OutwardWork {
            segment: at,
            provider: segment.provider.unwrap_or_default(),
            placement: self.effect_id(Step::Place, at),
            booking: self.booking,
            request: segment.request.clone(),
            hold: segment.hold,
            passengers: self.details.passengers,
            sealed: self.details.sealed.clone(),
            ask: match pending.step {
                Step::Place => OutwardAsk::Place,
                _ => OutwardAsk::Withdraw {
                    reference: segment.outward_reference.clone(),
                },
            },
        }))
    }
}
