//! Which provider events are valid.

use std::collections::BTreeSet;

use flightline_ledger::codes::Date;
use flightline_ledger::command::{
    Availability, CabinPlan, Fare, LegTimes, Level, ProviderBody, Schedule,
};
use flightline_ledger::{Cabin, FlightKey, ProviderCode, ProviderEvent, Station};

use super::flight::Flight;

/// The legs that an availability event concerns and, for a segment, its stations.
#[derive(Clone, Debug)]
pub(crate) struct Concerned {
    pub(crate) legs: Vec<usize>,
    pub(crate) segment: Option<(Station, Station)>,
}

fn all_different<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

fn in_years(seconds: i64) -> bool {
    let day = i128::from(seconds).div_euclid(24 * 3600);
    let first = Date::from_ymd(1900, 1, 1).map(|d| i128::from(d.0));
    let last = Date::from_ymd(2999, 12, 31).map(|d| i128::from(d.0));
    first.is_some_and(|first| day >= first) && last.is_some_and(|last| day <= last)
}

pub(crate) fn times_valid(times: &[LegTimes]) -> bool {
    let each = times
        .iter()
        .all(|t| t.departs_s <= t.arrives_s && in_years(t.departs_s) && in_years(t.arrives_s));
    each && times.windows(2).all(|w| w[0].departs_s <= w[1].departs_s)
}

pub(crate) fn cabins_valid(cabins: &[CabinPlan]) -> bool {
    let classes = || cabins.iter().flat_map(|c| c.classes.iter());
    all_different(cabins.iter().map(|c| c.cabin))
        && all_different(classes().map(|c| c.class))
        && cabins.len() <= 26
        && classes().count() <= 26
        && cabins.iter().all(|c| c.seats.unwrap_or(0) <= 2000)
        && cabins.iter().all(|c| c.authorised.unwrap_or(0) <= 9999)
        && classes().all(|c| c.limit.unwrap_or(0) <= 9999)
}

/// Valid in itself, for this flight.
pub(crate) fn schedule_valid(key: FlightKey, schedule: &Schedule) -> bool {
    let legs = &schedule.legs;
    if legs.is_empty() || legs.len() > 12 || legs[0].board != key.board {
        return false;
    }
    let times: Vec<LegTimes> = legs.iter().map(|leg| leg.times).collect();
    let stations: BTreeSet<Station> = legs.iter().flat_map(|l| [l.board, l.off]).collect();
    legs.windows(2).all(|w| w[0].off == w[1].board)
        && times_valid(&times)
        && legs.iter().all(|leg| cabins_valid(&leg.cabins))
        && schedule
            .restricted
            .iter()
            .all(|(a, b)| a != b && stations.contains(a) && stations.contains(b))
        && schedule.operating != Some(key)
}

impl Flight {
    pub(crate) fn same_stations(&self, schedule: &Schedule) -> bool {
        schedule.legs.len() == self.legs.len()
            && self
                .legs
                .iter()
                .zip(&schedule.legs)
                .all(|(a, b)| a.board == b.board && a.off == b.off)
    }

    /// Would the event's schedule be the flight's: of the owner, or of who takes over?
    pub(crate) fn speaks_for_flight(&self, event: &ProviderEvent) -> bool {
        event.provider == self.owner || self.takes_over(event)
    }

    pub(crate) fn valid(&self, event: &ProviderEvent) -> bool {
        match &event.body {
            ProviderBody::Schedule(schedule) => {
                schedule_valid(self.key, schedule)
                    && (self.speaks_for_flight(event) || self.same_stations(schedule))
            }
            ProviderBody::TimeChange(changes) => self.times_after(changes).is_some(),
            ProviderBody::Equipment(equipment) => {
                let exists = |station| self.legs.iter().any(|leg| leg.board == station);
                equipment.board.is_none_or(exists) && cabins_valid(&equipment.cabins)
            }
            ProviderBody::Availability(availability) => {
                self.availability_valid(event.provider, availability)
            }
            ProviderBody::Fares(fares) => {
                !fares.is_empty() && fares.iter().all(|fare| self.fare_valid(fare))
            }
            ProviderBody::Terms(terms) => {
                all_different(terms.iter().map(|(cabin, _)| *cabin))
                    && terms.iter().all(|(_, allowance)| *allowance <= 9999)
            }
            ProviderBody::Cancel
            | ProviderBody::Reinstate
            | ProviderBody::Withdraw
            | ProviderBody::Acknowledge(_)
            | ProviderBody::Refuse(_) => true,
        }
    }

    /// The times of all legs after a change, when that is a valid one.
    pub(crate) fn times_after(&self, changes: &[LegTimes]) -> Option<Vec<LegTimes>> {
        if !all_different(changes.iter().map(|change| change.board)) {
            return None;
        }
        let mut times: Vec<LegTimes> = self.legs.iter().map(|leg| leg.times).collect();
        for change in changes {
            let leg = self.legs.iter().position(|leg| leg.board == change.board)?;
            times[leg] = *change;
        }
        times_valid(&times).then_some(times)
    }

    fn fare_valid(&self, fare: &Fare) -> bool {
        fare.segment.is_none_or(|segment| self.is_segment(segment))
            && fare.price.minor >= 0
            && fare.price.exponent <= 4
    }

    pub(crate) fn concerned(&self, level: Level) -> Option<Concerned> {
        match level {
            Level::Leg(station) => {
                let leg = self.legs.iter().position(|leg| leg.board == station)?;
                Some(Concerned {
                    legs: vec![leg],
                    segment: None,
                })
            }
            Level::Segment(board, off) => {
                let (from, to) = self.find_segment(Some(board), Some(off))?;
                Some(Concerned {
                    legs: (from..=to).collect(),
                    segment: Some((board, off)),
                })
            }
            Level::Flight => Some(Concerned {
                legs: (0..self.legs.len()).collect(),
                segment: None,
            }),
        }
    }

    /// The cabins concerned on each of the legs.
    pub(crate) fn cabins_concerned(
        &self,
        code: ProviderCode,
        availability: &Availability,
        legs: &[usize],
    ) -> Vec<(usize, Cabin)> {
        let known: Vec<(usize, Cabin)> = match self.providers.get(&code) {
            Some(provider) => provider
                .cabins
                .keys()
                .copied()
                .filter(|(leg, _)| legs.contains(leg))
                .collect(),
            None => Vec::new(),
        };
        let everywhere = |cabin| legs.iter().map(|leg| (*leg, cabin)).collect();
        match (availability.cabin, availability.class) {
            (Some(cabin), _) => everywhere(cabin),
            (None, Some(class)) => {
                let has = |key: &&(usize, Cabin)| {
                    key.0 == legs[0] && self.providers[&code].cabins[*key].class(class).is_some()
                };
                match known.iter().find(has) {
                    Some((_, cabin)) => everywhere(*cabin),
                    None => Vec::new(),
                }
            }
            (None, None) => known,
        }
    }

    fn availability_valid(&self, code: ProviderCode, availability: &Availability) -> bool {
        let Some(concerned) = self.concerned(availability.level) else {
            return false;
        };
        if availability
            .seats
            .is_some_and(|seats| !(-9999..=9999).contains(&seats))
        {
            return false;
        }
        let cabins: BTreeSet<Cabin> = self
            .cabins_concerned(code, availability, &concerned.legs)
            .into_iter()
            .map(|(_, cabin)| cabin)
            .collect();
        match availability.seats {
            Some(_) => cabins.len() == 1,
            None => !cabins.is_empty(),
        }
    }
}
