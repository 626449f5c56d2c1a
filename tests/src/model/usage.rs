//! How much of a bucket is used, what is left, and who loses seats when it is too much.

use flightline_ledger::{Cabin, Class, ProviderCode, Station};

use super::Fault;
use super::flight::{Flight, Hold, HoldState};

/// Something that seats are counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bucket {
    /// The aircraft's seats of a cabin on a leg, over all providers.
    Aircraft(usize, Cabin),
    /// A provider's cabin on a leg.
    Cabin(ProviderCode, usize, Cabin),
    /// A provider's class on a leg: the class and all nested after it.
    Class(ProviderCode, usize, Cabin, Class),
    /// An exact segment.
    Segment(ProviderCode, Station, Station, Cabin, Option<Class>),
}

impl Flight {
    /// Does the hold, while it counts at all, use the bucket?
    pub(crate) fn uses(&self, hold: &Hold, bucket: Bucket) -> bool {
        let Some((from, to)) = hold.legs else {
            return false;
        };
        let over = |leg: usize| (from..=to).contains(&leg);
        match bucket {
            Bucket::Aircraft(leg, cabin) => over(leg) && hold.cabin == cabin,
            Bucket::Cabin(provider, leg, cabin) => {
                over(leg) && hold.cabin == cabin && hold.provider == provider
            }
            Bucket::Class(provider, leg, cabin, class) => {
                if !over(leg) || hold.cabin != cabin || hold.provider != provider {
                    return false;
                }
                let Some(held_class) = hold.class else {
                    return false;
                };
                let line = &self.providers[&provider].cabins[&(leg, cabin)];
                if self.fault == Fault::IgnoresNest {
                    return held_class == class;
                }
                match (line.rank(class), line.rank(held_class)) {
                    (Some(bucket), Some(held)) => bucket <= held,
                    _ => false,
                }
            }
            Bucket::Segment(provider, board, off, cabin, class) => {
                hold.provider == provider
                    && hold.stations == (board, off)
                    && hold.cabin == cabin
                    && (class.is_none() || hold.class == class)
            }
        }
    }

    fn sum(&self, bucket: Bucket, counts: impl Fn(&Hold) -> bool) -> i64 {
        self.holds
            .iter()
            .filter(|hold| counts(hold) && self.uses(hold, bucket))
            .map(|hold| i64::from(hold.seats))
            .sum()
    }

    /// Seats of live holds.
    pub(crate) fn held(&self, bucket: Bucket) -> i64 {
        self.sum(bucket, |hold| hold.state == HoldState::Held)
    }

    /// Seats of sales.
    pub(crate) fn sold(&self, bucket: Bucket) -> i64 {
        self.sum(bucket, |hold| hold.state == HoldState::Confirmed)
    }

    pub(crate) fn used(&self, bucket: Bucket) -> i64 {
        self.held(bucket) + self.sold(bucket)
    }

    /// Seats of the sales that a remaining count knows of.
    pub(crate) fn counted(&self, bucket: Bucket) -> i64 {
        let all = self.fault == Fault::CountsUnacknowledgedSales;
        self.sum(bucket, |hold| {
            hold.state == HoldState::Confirmed && (all || hold.acknowledged_at.is_some())
        })
    }

    /// Beyond which live holds are displaced and sales are oversold; none = no bound.
    pub(crate) fn bound(&self, bucket: Bucket) -> Option<i64> {
        let allowed = self.fault != Fault::DisplacesWithoutAllowance;
        let bound = match bucket {
            Bucket::Aircraft(leg, cabin) => {
                let seats = (*self.aircraft.get(&(leg, cabin))?)?;
                let largest = self.providers.values().map(|p| p.allowance(cabin)).max();
                i64::from(seats) + largest.filter(|_| allowed).unwrap_or(0)
            }
            Bucket::Cabin(provider, leg, cabin) => {
                let provider = &self.providers[&provider];
                let allowance = if allowed {
                    provider.allowance(cabin)
                } else {
                    0
                };
                provider.cabins[&(leg, cabin)].own.bound? + allowance
            }
            Bucket::Class(provider, leg, cabin, class) => {
                self.providers[&provider].cabins[&(leg, cabin)]
                    .class(class)?
                    .bound?
            }
            Bucket::Segment(provider, board, off, cabin, class) => {
                self.providers[&provider].segments[&(board, off, cabin, class)].bound?
            }
        };
        Some(bound.max(0))
    }

    pub(crate) fn oversold(&self, bucket: Bucket) -> i64 {
        match self.bound(bucket) {
            Some(bound) => (self.used(bucket) - bound).max(0),
            None => 0,
        }
    }

    /// Every bucket there is.
    pub(crate) fn buckets(&self) -> Vec<Bucket> {
        let mut all = Vec::new();
        for (leg, cabin) in self.aircraft.keys() {
            all.push(Bucket::Aircraft(*leg, *cabin));
        }
        for (code, provider) in &self.providers {
            for ((leg, cabin), line) in &provider.cabins {
                all.push(Bucket::Cabin(*code, *leg, *cabin));
                for (class, _) in &line.classes {
                    all.push(Bucket::Class(*code, *leg, *cabin, *class));
                }
            }
            for (board, off, cabin, class) in provider.segments.keys() {
                all.push(Bucket::Segment(*code, *board, *off, *cabin, *class));
            }
        }
        all
    }

    /// Seats that (provider, segment, cabin, class) can still sell. The provider knows the cabin
    /// and the class on every leg. Signed. Without stations, limits on exact segments do not count.
    pub(crate) fn available(
        &self,
        code: ProviderCode,
        legs: (usize, usize),
        stations: Option<(Station, Station)>,
        cabin: Cabin,
        class: Option<Class>,
    ) -> (i64, &'static str) {
        let provider = &self.providers[&code];
        let allowance = provider.allowance(cabin);
        let mut offers: Vec<(i64, &'static str)> = Vec::new();
        for leg in legs.0..=legs.1 {
            let line = &provider.cabins[&(leg, cabin)];
            let rank = class.and_then(|class| line.rank(class));
            let up_to: Vec<Class> = match rank {
                Some(rank) => line.classes[..=rank].iter().map(|(c, _)| *c).collect(),
                None => Vec::new(),
            };
            let mut limited = false;
            for before in up_to {
                if let Some(limit) = line.class(before).and_then(|allotment| allotment.bound) {
                    limited = true;
                    let left = limit - self.used(Bucket::Class(code, leg, cabin, before));
                    offers.push((
                        left,
                        if Some(before) == class {
                            "class"
                        } else {
                            "nest"
                        },
                    ));
                }
            }
            match line.own.bound {
                Some(authorised) => {
                    let used = self.used(Bucket::Cabin(code, leg, cabin));
                    offers.push((authorised + allowance - used, "cabin"));
                }
                None if limited => offers.push((i64::MAX, "unstated")),
                None => offers.push((0, "nothing")),
            }
            let seats = self.aircraft.get(&(leg, cabin)).copied().flatten();
            if let (Some(seats), true) = (seats, self.fault != Fault::IgnoresAircraft) {
                let used = self.used(Bucket::Aircraft(leg, cabin));
                offers.push((i64::from(seats) + allowance - used, "aircraft"));
            }
        }
        if let (Some((board, off)), true) = (stations, self.fault != Fault::IgnoresSegmentLimits) {
            let kinds = if class.is_some() {
                vec![None, class]
            } else {
                vec![None]
            };
            for kind in kinds {
                let limit = provider.segments.get(&(board, off, cabin, kind));
                if let Some(bound) = limit.and_then(|allotment| allotment.bound) {
                    let used = self.used(Bucket::Segment(code, board, off, cabin, kind));
                    offers.push((bound - used, "segment"));
                }
            }
        }
        let (least, by) = offers
            .into_iter()
            .min_by_key(|(seats, _)| *seats)
            .unwrap_or((0, "nothing"));
        let extra = i64::from(self.fault == Fault::OversellsByOne);
        (least.saturating_add(extra), by)
    }

    /// Takes the seats of live holds, newest first, while a bucket they use is used beyond its
    /// bound. Returns how many holds lost theirs.
    pub(crate) fn displace_over_bound(&mut self) -> u32 {
        let mut displaced = 0;
        let buckets = self.buckets();
        loop {
            let over: Vec<Bucket> = buckets
                .iter()
                .copied()
                .filter(|bucket| self.oversold(*bucket) > 0)
                .collect();
            if over.is_empty() {
                break;
            }
            let loses = |hold: &Hold| {
                hold.state == HoldState::Held && over.iter().any(|b| self.uses(hold, *b))
            };
            let next = if self.fault == Fault::DisplacesOldestFirst {
                self.holds.iter().position(loses)
            } else {
                self.holds.iter().rposition(loses)
            };
            let Some(next) = next else {
                self.met("oversold after displacement");
                break;
            };
            self.set_state(next, HoldState::Displaced);
            self.met("live hold displaced by a smaller bound");
            displaced += 1;
        }
        displaced
    }

    /// Ends every live or waiting hold of the provider, or of all.
    pub(crate) fn displace_all(&mut self, only: Option<ProviderCode>) -> u32 {
        let mut displaced = 0;
        for i in 0..self.holds.len() {
            let hold = &self.holds[i];
            let of = match (hold.state, &hold.wait) {
                (HoldState::Held, _) => Some(hold.provider),
                (HoldState::Waiting, _) if self.fault == Fault::WaitsOverCancellation => continue,
                (HoldState::Waiting, Some(wait)) => wait.named,
                _ => continue,
            };
            if only.is_some() && of != only {
                continue;
            }
            if hold.state == HoldState::Waiting {
                self.met(match only {
                    Some(_) => "waiting hold displaced by another's withdrawal",
                    None => "waiting hold displaced by the flight's cancellation",
                });
            }
            self.set_state(i, HoldState::Displaced);
            displaced += 1;
        }
        displaced
    }
}
