//! What providers report: validity, whose word counts, versions, and what it changes.
//! Rules: `docs/ledger.md`.

mod availability;
mod displacement;
mod equipment;
mod refusal;
mod route;
mod schedule;
mod valid;

use crate::book::{PricedFare, SegmentKey};
use crate::codes::{Cabin, CommandId, FlightKey};
use crate::command::{Fare, LegTimes, ProviderBody, ProviderEvent, SourceVersion};
use crate::flight::{Flight, Step};
use crate::observer::Observer;
use crate::outcome::{Outcome, Reason};
use crate::record::NO_MEMO;
use crate::view::HoldState;

type Told<'a> = Step<'a, dyn Observer + 'a>;

/// May an event of this version touch what was stored with another?
fn is_fresh(stored: Option<SourceVersion>, version: SourceVersion) -> bool {
    stored.is_none_or(|stored| stored <= version)
}

/// How much of an event was applied.
#[derive(Clone, Copy, Default)]
struct Aspects {
    applied: usize,
    stale: usize,
}

impl Aspects {
    /// Notes an aspect, and tells whether to apply it.
    fn note(&mut self, is_fresh: bool) -> bool {
        if is_fresh {
            self.applied += 1;
        } else {
            self.stale += 1;
        }
        is_fresh
    }
}

impl Flight {
    /// The flight that a valid schedule makes; its outcome.
    pub(crate) fn create(
        key: FlightKey,
        event: &ProviderEvent,
        step: &mut Told<'_>,
    ) -> Option<(Self, Outcome)> {
        let ProviderBody::Schedule(plan) = &event.body else {
            return None;
        };
        if !valid::schedule(&key, plan) {
            return None;
        }
        let mut flight = Self::new(key);
        let provider = flight.provider_or_new(event.provider);
        flight.book.owner = provider as u32;
        flight.book.authority = event.authority;
        let outcome = flight.hear(event, step);
        Some((flight, outcome))
    }

    /// Decides a provider's event about this flight.
    pub(crate) fn hear(&mut self, event: &ProviderEvent, step: &mut Told<'_>) -> Outcome {
        let (live, waiting) = (self.live, self.waiting);
        let aspects = match &event.body {
            ProviderBody::Schedule(plan) => self.hear_schedule(event, plan, step),
            ProviderBody::TimeChange(times) => self.hear_times(event, times),
            ProviderBody::Equipment(equipment) => self.hear_equipment(event, equipment),
            ProviderBody::Availability(report) => self.hear_availability(event, report, step),
            ProviderBody::Fares(fares) => self.hear_fares(event, fares),
            ProviderBody::Terms(terms) => self.hear_terms(event, terms),
            ProviderBody::Cancel | ProviderBody::Withdraw => self.hear_status(event, false, step),
            ProviderBody::Reinstate => self.hear_status(event, true, step),
            ProviderBody::Acknowledge(ids) => Ok(self.hear_acknowledgement(event, ids)),
            ProviderBody::Refuse(ids) => Ok(self.hear_refusal(event, ids, step)),
        };
        let aspects = match aspects {
            Err(reason) => return Outcome::Refused(reason),
            Ok(Aspects { applied: 0, .. }) => return Outcome::Stale,
            Ok(aspects) => aspects,
        };
        self.stock();
        if let ProviderBody::Schedule(_)
        | ProviderBody::Equipment(_)
        | ProviderBody::Availability(_)
        | ProviderBody::Terms(_) = event.body
        {
            self.displace_excess(step);
        }
        Outcome::Accepted {
            displaced: live - self.live + (waiting - self.waiting),
            partly_stale: aspects.stale > 0,
        }
    }

    /// Is the provider the owner?
    fn is_owner(&self, event: &ProviderEvent) -> bool {
        self.provider_at(event.provider) == Some(self.book.owner as usize)
    }

    fn hear_times(&mut self, event: &ProviderEvent, times: &[LegTimes]) -> Result<Aspects, Reason> {
        let legs = valid::new_times(&self.book.legs, times).ok_or(Reason::InvalidEvent)?;
        if !self.is_owner(event) {
            return Err(Reason::NotOwner);
        }
        let owner = &mut self.book.providers[self.book.owner as usize];
        let mut aspects = Aspects::default();
        if aspects.note(is_fresh(owner.timing, event.version)) {
            owner.timing = Some(event.version);
            self.set_legs(legs);
        }
        Ok(aspects)
    }

    fn hear_fares(&mut self, event: &ProviderEvent, fares: &[Fare]) -> Result<Aspects, Reason> {
        let is_segment = |fare: &Fare| {
            fare.segment
                .is_none_or(|(board, off)| self.segment(Some(board), Some(off)).is_some())
        };
        if !valid::fares(fares) || !fares.iter().all(is_segment) {
            return Err(Reason::InvalidEvent);
        }
        let mut aspects = Aspects::default();
        let known = self.provider_at(event.provider);
        let fresh: Vec<_> = fares
            .iter()
            .map(|fare| (SegmentKey::new(fare.segment, fare.cabin, fare.class), fare))
            .filter(|(key, _)| {
                let stored = known.and_then(|at| self.book.providers[at].fares.get(key));
                aspects.note(is_fresh(stored.map(|fare| fare.version), event.version))
            })
            .collect();
        if !fresh.is_empty() {
            let at = self.provider_or_new(event.provider);
            let provider = &mut self.book.providers[at];
            for (key, fare) in fresh {
                let fare_now = PricedFare {
                    price: fare.price,
                    version: event.version,
                };
                provider.fares.insert(key, fare_now);
            }
        }
        Ok(aspects)
    }

    fn hear_terms(
        &mut self,
        event: &ProviderEvent,
        terms: &[(Cabin, u16)],
    ) -> Result<Aspects, Reason> {
        if !valid::terms(terms) {
            return Err(Reason::InvalidEvent);
        }
        let mut aspects = Aspects::default();
        let known = self.provider_at(event.provider);
        let stored = known.and_then(|at| self.book.providers[at].terms);
        if aspects.note(is_fresh(stored, event.version)) {
            let at = self.provider_or_new(event.provider);
            let provider = &mut self.book.providers[at];
            provider.terms = Some(event.version);
            provider.allowances = terms.to_vec();
            provider.allowances.sort_unstable();
        }
        Ok(aspects)
    }

    fn hear_status(
        &mut self,
        event: &ProviderEvent,
        sells: bool,
        step: &mut Told<'_>,
    ) -> Result<Aspects, Reason> {
        let mut aspects = Aspects::default();
        let known = self.provider_at(event.provider);
        let stored = known.and_then(|at| self.book.providers[at].status);
        if aspects.note(is_fresh(stored, event.version)) {
            let at = self.provider_or_new(event.provider);
            self.set_status(at, sells, event.version, step);
        }
        Ok(aspects)
    }

    /// The status aspect of an event.
    fn set_status(
        &mut self,
        provider: usize,
        sells: bool,
        version: SourceVersion,
        step: &mut Told<'_>,
    ) {
        let is_owner = provider == self.book.owner as usize;
        self.book.providers[provider].status = Some(version);
        self.book.providers[provider].sells = sells;
        if is_owner {
            self.cancelled = !sells;
        }
        if !sells {
            let only = (!is_owner).then_some(provider as u32);
            self.displace_all(only, step);
        }
    }

    /// The provider knows of these sales. The mark is the memo that this command is about to get.
    fn hear_acknowledgement(&mut self, event: &ProviderEvent, ids: &[CommandId]) -> Aspects {
        let provider = self.provider_or_new(event.provider) as u32;
        let mark = self.memos.len() as u32;
        for id in ids {
            let Some(at) = self.hold_named(*id) else {
                continue;
            };
            let hold = &mut self.holds[at as usize];
            if hold.state != HoldState::Confirmed
                || hold.provider != provider
                || hold.acknowledged != NO_MEMO
            {
                continue;
            }
            hold.acknowledged = mark;
            let take = hold.take();
            self.count_acknowledged(&take, take.seats);
        }
        Aspects {
            applied: 1,
            stale: 0,
        }
    }
}
