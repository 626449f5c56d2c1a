//! Provider events: the order of checks, and those that take a few lines.

use std::collections::BTreeMap;

use flightline_ledger::command::{Fare, LegTimes, SourceVersion};
use flightline_ledger::{
    Cabin, CommandId, Outcome, ProviderBody, ProviderCode, ProviderEvent, Reason,
};

use super::Fault;
use super::flight::{Flight, HoldState, Provider};

/// What became of the aspects of an event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aspects {
    pub(crate) applied: usize,
    pub(crate) stale: usize,
    pub(crate) displaced: u32,
}

impl Flight {
    /// Is an event of this version to be applied over the stored one?
    pub(crate) fn fresh(&self, version: SourceVersion, stored: Option<SourceVersion>) -> bool {
        match stored {
            None => true,
            Some(stored) if self.fault == Fault::EqualVersionIsStale => version > stored,
            Some(stored) => version >= stored,
        }
    }

    pub(crate) fn provider(&mut self, code: ProviderCode) -> &mut Provider {
        self.providers.entry(code).or_insert_with(Provider::new)
    }

    pub(crate) fn provider_event(&mut self, event: &ProviderEvent) -> Outcome {
        if !self.valid(event) {
            return Outcome::Refused(Reason::InvalidEvent);
        }
        if matches!(event.body, ProviderBody::TimeChange(_)) && event.provider != self.owner {
            return Outcome::Refused(Reason::NotOwner);
        }
        let code = event.provider;
        self.provider(code);
        let mut aspects = match &event.body {
            ProviderBody::Schedule(schedule) => self.schedule(event, schedule),
            ProviderBody::TimeChange(changes) => self.time_change(code, event.version, changes),
            ProviderBody::Equipment(equipment) => self.equipment(event, equipment),
            ProviderBody::Availability(availability) => self.availability(event, availability),
            ProviderBody::Fares(fares) => self.set_fares(code, event.version, fares),
            ProviderBody::Terms(terms) => self.set_terms(code, event.version, terms),
            ProviderBody::Cancel | ProviderBody::Withdraw => self.stop(code, event.version),
            ProviderBody::Reinstate => self.reinstate(code, event.version),
            ProviderBody::Acknowledge(ids) => self.acknowledge(code, ids),
            ProviderBody::Refuse(ids) => self.refuse(code, ids),
        };
        if aspects.applied == 0 {
            // Nothing to undo: what is stale has a stored version, so its provider and buckets exist.
            return Outcome::Stale;
        }
        if matches!(
            event.body,
            ProviderBody::Schedule(_)
                | ProviderBody::Equipment(_)
                | ProviderBody::Availability(_)
                | ProviderBody::Terms(_)
        ) {
            aspects.displaced += self.displace_over_bound();
        }
        Outcome::Accepted {
            displaced: aspects.displaced,
            partly_stale: aspects.stale > 0,
        }
    }

    fn time_change(
        &mut self,
        code: ProviderCode,
        version: SourceVersion,
        changes: &[LegTimes],
    ) -> Aspects {
        let mut aspects = Aspects::default();
        if !self.fresh(version, self.providers[&code].timing) {
            aspects.stale += 1;
            return aspects;
        }
        aspects.applied += 1;
        self.provider(code).timing = Some(version);
        if let Some(times) = self.times_after(changes) {
            for (leg, times) in self.legs.iter_mut().zip(times) {
                leg.times = times;
            }
        }
        aspects
    }

    fn set_fares(&mut self, code: ProviderCode, version: SourceVersion, fares: &[Fare]) -> Aspects {
        let mut aspects = Aspects::default();
        for fare in fares {
            let key = (fare.segment, fare.cabin, fare.class);
            let stored = self.providers[&code].fares.get(&key).map(|(_, v)| *v);
            if self.fresh(version, stored) {
                aspects.applied += 1;
                self.provider(code).fares.insert(key, (fare.price, version));
            } else {
                aspects.stale += 1;
            }
        }
        aspects
    }

    fn set_terms(
        &mut self,
        code: ProviderCode,
        version: SourceVersion,
        terms: &[(Cabin, u16)],
    ) -> Aspects {
        let mut aspects = Aspects::default();
        if self.fresh(version, self.providers[&code].terms) {
            aspects.applied += 1;
            let provider = self.provider(code);
            provider.terms = Some(version);
            provider.allowance = BTreeMap::from_iter(terms.iter().copied());
        } else {
            aspects.stale += 1;
        }
        aspects
    }

    fn acknowledge(&mut self, code: ProviderCode, ids: &[CommandId]) -> Aspects {
        for i in 0..self.holds.len() {
            let hold = &mut self.holds[i];
            let sale = hold.state == HoldState::Confirmed && hold.provider == code;
            if sale && ids.contains(&hold.id) && hold.acknowledged_at.is_none() {
                hold.acknowledged_at = Some(self.now.offset);
                self.met("sale acknowledged");
            }
        }
        Aspects {
            applied: 1,
            ..Aspects::default()
        }
    }
}
