//! The equipment aspect: what is in the aircraft, and what the provider may sell of it.

use super::{Aspects, is_fresh, valid};
use crate::book::{BookCabin, NO_BOUND, Report};
use crate::codes::Class;
use crate::command::{CabinPlan, ClassPlan, Equipment, ProviderEvent, SourceVersion};
use crate::flight::Flight;
use crate::outcome::Reason;

/// The bound that a plan gives a bucket, if it may. `otherwise`: the bound when nothing is stated
/// and no availability was ever reported.
fn planned(
    report: &mut Report,
    version: SourceVersion,
    stated: Option<u16>,
    otherwise: i64,
) -> Option<i64> {
    let bound = match stated {
        Some(stated) => {
            if !is_fresh(report.version, version) {
                return None;
            }
            report.version = Some(version);
            i64::from(stated)
        }
        None if report.version.is_none() => otherwise,
        None => return None,
    };
    report.remaining_at = None;
    report.holds_until(None, 0);
    Some(bound)
}

impl BookCabin {
    /// The cabin is not named any more.
    fn close(&mut self) {
        self.authorised = 0;
        self.is_floor = false;
        self.report.version = None;
        self.report.remaining_at = None;
        self.report.holds_until(None, 0);
    }

    fn plan(&mut self, plan: &CabinPlan, version: SourceVersion) {
        let seats = plan.seats.map_or(NO_BOUND, i64::from);
        if let Some(bound) = planned(&mut self.report, version, plan.authorised, seats) {
            self.authorised = bound;
            self.is_floor = false;
        }
        if !plan.classes.is_empty() {
            self.plan_classes(&plan.classes, version);
        }
    }

    /// The classes named become the nest, the others follow without seats.
    fn plan_classes(&mut self, plans: &[ClassPlan], version: SourceVersion) {
        for plan in plans {
            self.class_or_new(plan.class);
        }
        let rank = |class: Class| plans.iter().position(|plan| plan.class == class);
        // Stable: those that are not named keep their order.
        self.nest
            .sort_by_key(|class| rank(class.class).unwrap_or(usize::MAX));
        for class in &mut self.nest {
            let bound = match rank(class.class) {
                Some(at) => planned(&mut class.report, version, plans[at].limit, NO_BOUND),
                None => {
                    class.report.remaining_at = None;
                    class.report.holds_until(None, 0);
                    Some(0)
                }
            };
            if let Some(bound) = bound {
                class.limit = bound;
                class.is_floor = false;
            }
        }
    }
}

impl Flight {
    pub(super) fn hear_equipment(
        &mut self,
        event: &ProviderEvent,
        equipment: &Equipment,
    ) -> Result<Aspects, Reason> {
        let legs = match equipment.board {
            None => 0..self.book.legs.len(),
            Some(board) => {
                let mut legs = self.book.legs.iter();
                let at = legs
                    .position(|leg| leg.board == board)
                    .ok_or(Reason::InvalidEvent)?;
                at..at + 1
            }
        };
        if !valid::cabins(&equipment.cabins) {
            return Err(Reason::InvalidEvent);
        }
        let mut aspects = Aspects::default();
        let known = self.provider_at(event.provider);
        let stored = known.and_then(|at| self.book.providers[at].equipment);
        if aspects.note(is_fresh(stored, event.version)) {
            let at = self.provider_or_new(event.provider);
            self.book.providers[at].equipment = Some(event.version);
            for leg in legs {
                self.equip(at, leg as u8, &equipment.cabins, event.version);
                if at == self.book.owner as usize {
                    self.book.legs[leg].aircraft = equipment.aircraft;
                }
            }
        }
        Ok(aspects)
    }

    /// The equipment aspect on one leg; from the owner it is the aircraft's too.
    pub(super) fn equip(
        &mut self,
        provider: usize,
        leg: u8,
        plans: &[CabinPlan],
        version: SourceVersion,
    ) {
        let is_named = |cabin| plans.iter().any(|plan| plan.cabin == cabin);
        if provider == self.book.owner as usize {
            for cabin in &mut self.book.aircraft {
                if cabin.leg == leg && cabin.named && !is_named(cabin.cabin) {
                    cabin.seats = Some(0);
                }
            }
            for plan in plans {
                let at = self.aircraft_or_new(leg, plan.cabin);
                self.book.aircraft[at].named = true;
                self.book.aircraft[at].seats = plan.seats;
            }
        }
        for cabin in &mut self.book.providers[provider].cabins {
            if cabin.leg == leg && cabin.known && !is_named(cabin.cabin) {
                cabin.close();
            }
        }
        for plan in plans {
            let provider = &mut self.book.providers[provider];
            let at = provider.cabin_or_new(leg, plan.cabin, true);
            provider.cabins[at].plan(plan, version);
        }
    }
}
