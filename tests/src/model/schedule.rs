//! Schedule, equipment, status, and who owns the flight.

use std::cell::RefCell;
use std::collections::BTreeMap;

use flightline_ledger::command::{
    CabinPlan, ClassPlan, Equipment, Leg, LegTimes, Schedule, SourceVersion,
};
use flightline_ledger::{Class, FlightKey, ProviderCode, ProviderEvent};

use super::Fault;
use super::event::Aspects;
use super::flight::{Allotment, CabinOnLeg, Flight, FlownLeg, HoldState, Moment};
use super::valid::schedule_valid;

fn flown(legs: &[Leg]) -> Vec<FlownLeg> {
    legs.iter()
        .map(|leg| FlownLeg {
            board: leg.board,
            off: leg.off,
            times: LegTimes {
                board: leg.board,
                ..leg.times
            },
            aircraft: leg.aircraft,
            service: leg.service,
        })
        .collect()
}

impl Flight {
    /// The flight that a first schedule makes; none when it is not valid.
    pub(crate) fn create(
        key: FlightKey,
        event: &ProviderEvent,
        schedule: &Schedule,
        now: Moment,
        fault: Fault,
    ) -> Option<Self> {
        if !schedule_valid(key, schedule) {
            return None;
        }
        let mut flight = Flight {
            key,
            now,
            memory: BTreeMap::new(),
            creator: event.provider,
            owner: event.provider,
            authority: event.authority,
            cancelled: false,
            operating: None,
            restricted: Vec::new(),
            legs: flown(&schedule.legs),
            aircraft: BTreeMap::new(),
            providers: BTreeMap::new(),
            holds: Vec::new(),
            paused: BTreeMap::new(),
            met: RefCell::default(),
            fault,
        };
        flight.provider(event.provider);
        flight.schedule(event, schedule);
        Some(flight)
    }

    pub(crate) fn takes_over(&self, event: &ProviderEvent) -> bool {
        event.authority > self.authority
            || (self.fault == Fault::TieTakesOwnership && event.authority == self.authority)
    }

    pub(crate) fn schedule(&mut self, event: &ProviderEvent, schedule: &Schedule) -> Aspects {
        let code = event.provider;
        let version = event.version;
        let owners = self.speaks_for_flight(event);
        let stored = &self.providers[&code];
        let mut timing = self.fresh(version, stored.timing);
        let mut equipment = self.fresh(version, stored.equipment);
        let status = self.fresh(version, stored.status);
        let stations_change = owners && !self.same_stations(schedule);
        if stations_change && timing != equipment && self.fault != Fault::HalfStationChange {
            self.met("station change left alone as half of it was stale");
            timing = false;
            equipment = false;
        }
        let mut aspects = Aspects::default();
        for applied in [timing, equipment, status] {
            if applied {
                aspects.applied += 1;
            } else {
                aspects.stale += 1;
            }
        }
        if aspects.applied == 0 {
            return aspects;
        }
        let taken_over = code != self.owner;
        if self.takes_over(event) {
            self.owner = code;
            self.authority = event.authority;
        }
        let taken_over = taken_over && code == self.owner;
        if !owners {
            self.met("another's schedule changed its own allotment");
        }
        if timing {
            self.provider(code).timing = Some(version);
            if owners {
                self.restricted = schedule.restricted.clone();
                self.operating = schedule.operating;
                if stations_change {
                    aspects.displaced += self.change_stations(&schedule.legs);
                } else {
                    for (leg, new) in self.legs.iter_mut().zip(flown(&schedule.legs)) {
                        *leg = FlownLeg {
                            aircraft: leg.aircraft,
                            ..new
                        };
                    }
                }
            }
        }
        if equipment {
            self.provider(code).equipment = Some(version);
            if owners {
                for (leg, plan) in self.legs.iter_mut().zip(&schedule.legs) {
                    leg.aircraft = plan.aircraft;
                }
            }
            for (leg, plan) in schedule.legs.iter().enumerate().take(self.legs.len()) {
                self.equip(leg, code, version, &plan.cabins);
            }
        }
        if status {
            let provider = self.provider(code);
            provider.status = Some(version);
            provider.sells = true;
            if owners && !(taken_over && self.fault == Fault::TakeoverKeepsStatus) {
                self.cancelled = false;
            }
        }
        if taken_over {
            self.met("ownership taken over");
            if !self.providers[&code].sells {
                self.met("ownership taken over while the new owner does not sell");
                self.cancelled = true;
                aspects.displaced += self.displace_all(None);
            } else if self.fault != Fault::TakeoverKeepsStatus {
                self.cancelled = false;
            }
        }
        aspects
    }

    pub(crate) fn equipment(&mut self, event: &ProviderEvent, equipment: &Equipment) -> Aspects {
        let mut aspects = Aspects::default();
        let code = event.provider;
        if !self.fresh(event.version, self.providers[&code].equipment) {
            aspects.stale += 1;
            return aspects;
        }
        aspects.applied += 1;
        self.provider(code).equipment = Some(event.version);
        let legs: Vec<usize> = match equipment.board {
            None => (0..self.legs.len()).collect(),
            Some(station) => (0..self.legs.len())
                .filter(|leg| self.legs[*leg].board == station)
                .take(1)
                .collect(),
        };
        for leg in legs {
            if code == self.owner {
                self.legs[leg].aircraft = equipment.aircraft;
            }
            self.equip(leg, code, event.version, &equipment.cabins);
        }
        aspects
    }

    /// The equipment aspect on one leg.
    fn equip(
        &mut self,
        leg: usize,
        code: ProviderCode,
        version: SourceVersion,
        plans: &[CabinPlan],
    ) {
        let named = |cabin| plans.iter().any(|plan| plan.cabin == cabin);
        if code == self.owner {
            for plan in plans {
                self.aircraft.insert((leg, plan.cabin), plan.seats);
            }
            let gone: Vec<_> = self
                .aircraft
                .keys()
                .copied()
                .filter(|(l, cabin)| *l == leg && !named(*cabin))
                .collect();
            for key in gone {
                self.aircraft.insert(key, Some(0));
                self.met("aircraft cabin no longer named");
            }
        }
        let fault = self.fault;
        let mut met = Vec::new();
        let provider = self.provider(code);
        for ((_, _), line) in provider
            .cabins
            .iter_mut()
            .filter(|((l, cabin), _)| *l == leg && !named(*cabin))
        {
            met.push("cabin no longer named");
            if fault != Fault::KeepsUnnamedCabins {
                line.own.set_bound(Some(0));
                line.own.version = None;
            }
        }
        for plan in plans {
            let line = provider
                .cabins
                .entry((leg, plan.cabin))
                .or_insert_with(CabinOnLeg::new);
            match plan.authorised {
                None if line.own.version.is_none() => {
                    line.own.set_bound(plan.seats.map(i64::from));
                    met.push("seats taken as authorised");
                }
                stated => met.extend(state_bound(&mut line.own, stated, version, fault)),
            }
            if !plan.classes.is_empty() {
                met.extend(nest(line, &plan.classes, version, fault));
            }
        }
        self.met.get_mut().extend(met);
    }

    /// New legs under the flight. Returns the live holds that lost their segment.
    fn change_stations(&mut self, legs: &[Leg]) -> u32 {
        self.met("stations changed");
        let old = std::mem::replace(&mut self.legs, flown(legs));
        let ends = |leg: &FlownLeg| (leg.board, leg.off);
        // Where each new leg's inventory comes from: the n-th leg between two stations takes that
        // of the n-th before.
        let mut from = Vec::new();
        for (i, leg) in self.legs.iter().enumerate() {
            let nth = self.legs[..i]
                .iter()
                .filter(|l| ends(l) == ends(leg))
                .count();
            let source = (0..old.len())
                .filter(|o| ends(&old[*o]) == ends(leg))
                .nth(nth);
            from.push(source.filter(|_| self.fault != Fault::StationChangeDropsInventory));
        }
        let sources = || from.iter().enumerate();
        let old_aircraft = std::mem::take(&mut self.aircraft);
        for ((leg, cabin), seats) in old_aircraft {
            for (new, _) in sources().filter(|(_, source)| **source == Some(leg)) {
                self.aircraft.insert((new, cabin), seats);
            }
        }
        for provider in self.providers.values_mut() {
            let old_cabins = std::mem::take(&mut provider.cabins);
            for ((leg, cabin), line) in old_cabins {
                for (new, _) in sources().filter(|(_, source)| **source == Some(leg)) {
                    provider.cabins.insert((new, cabin), line.clone());
                }
            }
        }
        let codes: Vec<ProviderCode> = self.providers.keys().copied().collect();
        for code in codes {
            let provider = &self.providers[&code];
            let dropped_limits: Vec<_> = provider
                .segments
                .keys()
                .copied()
                .filter(|(board, off, _, _)| !self.is_segment((*board, *off)))
                .collect();
            let dropped_fares: Vec<_> = provider
                .fares
                .keys()
                .copied()
                .filter(|(segment, _, _)| segment.is_some_and(|s| !self.is_segment(s)))
                .collect();
            for key in dropped_limits {
                self.provider(code).segments.remove(&key);
                self.met("exact-segment limit dropped by a station change");
            }
            for key in dropped_fares {
                self.provider(code).fares.remove(&key);
                self.met("fare dropped by a station change");
            }
        }
        let mut displaced = 0;
        for i in 0..self.holds.len() {
            let (board, off) = self.holds[i].stations;
            let legs = self.find_segment(Some(board), Some(off));
            self.holds[i].legs = legs;
            match (self.holds[i].state, legs) {
                (HoldState::Waiting, None) => {
                    self.set_state(i, HoldState::Displaced);
                    displaced += 1;
                    self.met("waiting hold displaced by a station change");
                }
                (HoldState::Held, None) => {
                    self.set_state(i, HoldState::Displaced);
                    displaced += 1;
                    self.met("live hold displaced by a station change");
                }
                (HoldState::Confirmed, None) => {
                    self.met("sale without a segment after a station change");
                }
                (HoldState::Held | HoldState::Confirmed, Some(_)) => {
                    self.met("hold kept its segment over a station change");
                }
                _ => {}
            }
        }
        displaced
    }

    pub(crate) fn stop(&mut self, code: ProviderCode, version: SourceVersion) -> Aspects {
        let mut aspects = Aspects::default();
        if !self.fresh(version, self.providers[&code].status) {
            aspects.stale += 1;
            return aspects;
        }
        aspects.applied += 1;
        let provider = self.provider(code);
        provider.status = Some(version);
        provider.sells = false;
        if code == self.owner {
            self.cancelled = true;
            aspects.displaced = self.displace_all(None);
            if aspects.displaced > 0 {
                self.met("live hold displaced by the flight's cancellation");
            }
        } else {
            aspects.displaced = self.displace_all(Some(code));
            if aspects.displaced > 0 {
                self.met("live hold displaced by another's withdrawal");
            }
        }
        aspects
    }

    pub(crate) fn reinstate(&mut self, code: ProviderCode, version: SourceVersion) -> Aspects {
        let mut aspects = Aspects::default();
        if !self.fresh(version, self.providers[&code].status) {
            aspects.stale += 1;
            return aspects;
        }
        aspects.applied += 1;
        let provider = self.provider(code);
        provider.status = Some(version);
        provider.sells = true;
        if code == self.owner {
            self.cancelled = false;
        }
        aspects
    }
}

/// An authorised count or limit that equipment states: taken unless a newer availability is known.
fn state_bound(
    allotment: &mut Allotment,
    stated: Option<u16>,
    version: SourceVersion,
    fault: Fault,
) -> Option<&'static str> {
    match stated {
        Some(count) if allotment.version.is_none_or(|known| known <= version) => {
            let mark = allotment.remaining_at;
            allotment.set_bound(Some(i64::from(count)));
            allotment.version = Some(version);
            if fault == Fault::KeepsRemainingMark {
                allotment.remaining_at = mark;
            }
            None
        }
        _ => Some("authorised left to a newer availability"),
    }
}

/// The classes named become the nest, followed by the old ones, which get nothing.
fn nest(
    line: &mut CabinOnLeg,
    plans: &[ClassPlan],
    version: SourceVersion,
    fault: Fault,
) -> Vec<&'static str> {
    let mut met = Vec::new();
    let mut old: Vec<(Class, Allotment)> = std::mem::take(&mut line.classes);
    for plan in plans {
        let mut allotment = match old.iter().position(|(class, _)| *class == plan.class) {
            Some(i) => old.remove(i).1,
            None => Allotment::open(),
        };
        match plan.limit {
            None if allotment.version.is_none() => {
                allotment.set_bound(None);
            }
            stated => met.extend(state_bound(&mut allotment, stated, version, fault)),
        }
        line.classes.push((plan.class, allotment));
    }
    for (class, mut allotment) in old {
        met.push("class no longer named");
        allotment.set_bound(Some(0));
        line.classes.push((class, allotment));
    }
    met
}
