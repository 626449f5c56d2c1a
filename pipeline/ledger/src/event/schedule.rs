//! Schedules: who owns the flight, and the three aspects that a schedule has.

use super::{Aspects, Told, is_fresh, valid};
use crate::command::{ProviderEvent, Schedule};
use crate::flight::Flight;
use crate::outcome::Reason;
use crate::view::LegView;

/// A leg as planned.
fn leg_view(leg: &crate::command::Leg) -> LegView {
    LegView {
        board: leg.board,
        off: leg.off,
        times: crate::command::LegTimes {
            board: leg.board,
            ..leg.times
        },
        aircraft: leg.aircraft,
        service: leg.service,
    }
}

impl Flight {
    pub(super) fn hear_schedule(
        &mut self,
        event: &ProviderEvent,
        plan: &Schedule,
        step: &mut Told<'_>,
    ) -> Result<Aspects, Reason> {
        let is_owner = self.is_owner(event);
        let takes_over = !is_owner && event.authority > self.book.authority;
        let leads = is_owner || takes_over;
        let same_route = valid::same_route(&self.book.legs, &plan.legs);
        if !valid::schedule(&self.key, plan) || !(leads || same_route) {
            return Err(Reason::InvalidEvent);
        }

        let known = self
            .provider_at(event.provider)
            .map(|at| &self.book.providers[at]);
        let fresh = |stored| is_fresh(stored, event.version);
        let mut timing = fresh(known.and_then(|provider| provider.timing));
        let mut equipment = fresh(known.and_then(|provider| provider.equipment));
        let status = fresh(known.and_then(|provider| provider.status));
        let reroutes = leads && !same_route;
        if reroutes {
            // Cabins without their legs, or legs without cabins, would be nonsense.
            timing &= equipment;
            equipment = timing;
        }
        let mut aspects = Aspects::default();
        for aspect in [timing, equipment, status] {
            aspects.note(aspect);
        }
        if aspects.applied == 0 {
            return Ok(aspects);
        }

        let at = self.provider_or_new(event.provider);
        if leads {
            self.book.owner = at as u32;
            self.book.authority = self.book.authority.max(event.authority);
            self.book.quality = event.quality;
        }
        if timing {
            self.book.providers[at].timing = Some(event.version);
            if leads {
                self.set_timing(plan, reroutes, step);
            }
        }
        if equipment {
            self.book.providers[at].equipment = Some(event.version);
            for (leg, planned) in plan.legs.iter().enumerate() {
                self.equip(at, leg as u8, &planned.cabins, event.version);
                if leads {
                    self.book.legs[leg].aircraft = planned.aircraft;
                }
            }
        }
        if status {
            self.set_status(at, true, event.version, step);
        }
        if takes_over {
            // Its own earlier word on status may be newer than this schedule.
            self.cancelled = !self.book.providers[at].sells;
            if self.cancelled {
                self.displace_all(None, step);
            }
        }
        Ok(aspects)
    }

    /// The timing aspect of the owner's schedule; with a new route also the route.
    fn set_timing(&mut self, plan: &Schedule, reroutes: bool, step: &mut Told<'_>) {
        if reroutes {
            self.reroute(plan.legs.iter().map(leg_view).collect(), step);
        } else {
            let legs = self.book.legs.iter().zip(&plan.legs);
            let with_times = |(leg, planned): (&LegView, _)| LegView {
                aircraft: leg.aircraft,
                ..leg_view(planned)
            };
            self.set_legs(legs.map(with_times).collect());
        }
        self.book.restricted.clone_from(&plan.restricted);
        self.has_restrictions = !plan.restricted.is_empty();
        self.book.operating = plan.operating;
        self.is_codeshare = plan.operating.is_some();
    }
}
