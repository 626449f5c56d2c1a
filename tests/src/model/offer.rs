//! Who can sell what, at which price.

use std::collections::{BTreeMap, BTreeSet};

use flightline_ledger::command::SaleStatus;
use flightline_ledger::{Cabin, Class, HoldRequest, Money, ProviderCode, Reason, Station};

use super::Fault;
use super::flight::Flight;
use super::snapshot::{OfferKey, OfferView};

/// A count as it is shown.
fn shown(available: i64) -> u16 {
    available.clamp(0, i64::from(u16::MAX)) as u16
}

/// A segment of the flight, found.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) legs: (usize, usize),
    pub(crate) stations: (Station, Station),
}

impl Flight {
    /// Seats that the provider can sell; signed.
    pub(crate) fn sellable(
        &self,
        code: ProviderCode,
        segment: Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Result<(i64, &'static str), Reason> {
        let provider = &self.providers[&code];
        let mut lines = Vec::new();
        for leg in segment.legs.0..=segment.legs.1 {
            lines.push(
                provider
                    .cabins
                    .get(&(leg, cabin))
                    .ok_or(Reason::UnknownCabin)?,
            );
        }
        let mut said = Vec::new();
        for line in lines {
            said.push(&line.own);
            if let Some(class) = class {
                said.push(line.class(class).ok_or(Reason::UnknownClass)?);
            }
        }
        let (board, off) = segment.stations;
        for class in BTreeSet::from([None, class]) {
            if let Some(limit) = provider.segments.get(&(board, off, cabin, class)) {
                said.push(limit);
            }
        }
        let sells = provider.sells || self.fault == Fault::SellsWithdrawn;
        if let Some(reason) = self.paused.get(&code) {
            self.met(match reason {
                Reason::ProviderStopped => "provider that was stopped passed over",
                _ => "provider that is silent passed over",
            });
            return Err(*reason);
        }
        let clock_ms = match self.fault {
            Fault::NothingLapses => i64::MIN,
            _ => self.now.clock_ms,
        };
        let closed = said.iter().any(|one| !one.is_open(clock_ms));
        if !sells || closed {
            if said.iter().all(|one| one.status == SaleStatus::Open) && sells {
                self.met("what was seen lapsed");
            }
            return Err(Reason::Closed);
        }
        Ok(self.available(code, segment.legs, Some(segment.stations), cabin, class))
    }

    /// Whether the provider can sell what is asked for.
    pub(crate) fn offer(
        &self,
        code: ProviderCode,
        segment: Segment,
        request: &HoldRequest,
    ) -> Result<(), Reason> {
        let cabin = request.cabin;
        let (available, by) = self.sellable(code, segment, cabin, request.class)?;
        if available < i64::from(request.seats) {
            match by {
                "aircraft" => self.met("hold limited by the aircraft"),
                "nest" => self.met("hold limited by a class before it in the nest"),
                "segment" => self.met("hold limited by an exact segment"),
                "nothing" => self.met("leg without authorised offers nothing"),
                _ => {}
            }
            return Err(Reason::SoldOut {
                available: shown(available),
            });
        }
        let unstated = |leg: usize| {
            self.providers[&code].cabins[&(leg, cabin)]
                .own
                .bound
                .is_none()
        };
        if (segment.legs.0..=segment.legs.1).any(unstated) {
            self.met("leg without authorised but with a class limit");
        }
        Ok(())
    }

    /// Everything that has a price, with the seats that a hold would get.
    pub(crate) fn offers(&self) -> BTreeMap<OfferKey, OfferView> {
        let mut all = BTreeMap::new();
        if self.operating.is_some() {
            return all;
        }
        for (code, provider) in &self.providers {
            let named: BTreeSet<(Cabin, Option<Class>)> = provider
                .cabins
                .iter()
                .flat_map(|((_, cabin), line)| {
                    let classes = line.classes.iter().map(|(class, _)| Some(*class));
                    classes.chain([None]).map(|class| (*cabin, class))
                })
                .collect();
            for legs in self.all_segments() {
                let segment = Segment {
                    legs,
                    stations: (self.legs[legs.0].board, self.legs[legs.1].off),
                };
                if self.restricted.contains(&segment.stations) {
                    continue;
                }
                for (cabin, class) in &named {
                    let Some(price) = self.price(*code, segment, *cabin, *class) else {
                        continue;
                    };
                    let seats = match self.sellable(*code, segment, *cabin, *class) {
                        Ok((available, _)) => shown(available),
                        Err(Reason::Closed | Reason::ProviderStopped | Reason::ProviderSilent) => 0,
                        Err(_) => continue,
                    };
                    let view = OfferView {
                        price,
                        seats: if self.cancelled { 0 } else { seats },
                    };
                    all.insert((*code, legs, *cabin, *class), view);
                }
            }
        }
        all
    }

    /// The legs of every segment that can be asked for: by its stations, or as the whole flight.
    fn all_segments(&self) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for from in 0..self.legs.len() {
            for to in from..self.legs.len() {
                let (board, off) = (self.legs[from].board, self.legs[to].off);
                let whole = (from, to) == (0, self.legs.len() - 1);
                if whole || self.find_segment(Some(board), Some(off)) == Some((from, to)) {
                    all.push((from, to));
                }
            }
        }
        all
    }

    pub(crate) fn cheapest(
        &self,
        segment: Segment,
        request: &HoldRequest,
    ) -> Result<ProviderCode, Reason> {
        let codes: Vec<ProviderCode> = self.providers.keys().copied().collect();
        let mut passing = Vec::new();
        let mut refusals = Vec::new();
        for code in codes {
            match self.offer(code, segment, request) {
                Ok(()) => {
                    let price = self.price(code, segment, request.cabin, request.class);
                    let order = match price {
                        Some(p) => (0, Some((p.currency, p.exponent, p.minor)), code),
                        None => (1, None, code),
                    };
                    passing.push(order);
                }
                Err(reason) => refusals.push(reason),
            }
        }
        if passing.len() > 1 {
            self.met("cheapest of several providers taken");
        }
        let best = if self.fault == Fault::CheapestByCode {
            passing.iter().map(|(_, _, code)| *code).min()
        } else {
            passing.iter().min().map(|(_, _, code)| *code)
        };
        if let Some(best) = best {
            return Ok(best);
        }
        self.met("no provider named and none passes");
        let most = refusals
            .iter()
            .filter_map(|reason| match reason {
                Reason::SoldOut { available } => Some(*available),
                _ => None,
            })
            .max();
        if let Some(available) = most {
            return Err(Reason::SoldOut { available });
        }
        for reason in [
            Reason::Closed,
            Reason::ProviderStopped,
            Reason::ProviderSilent,
            Reason::UnknownClass,
        ] {
            if refusals.contains(&reason) {
                return Err(reason);
            }
        }
        Err(Reason::UnknownCabin)
    }

    fn fares(
        &self,
        code: ProviderCode,
        segment: Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) -> [Option<Money>; 4] {
        let fares = &self.providers[&code].fares;
        let whole = segment.legs == (0, self.legs.len() - 1);
        let class = class.filter(|_| self.fault != Fault::PriceIgnoresClass);
        let fare = |exact: bool, class: Option<Class>| {
            let stations = exact.then_some(segment.stations);
            fares
                .get(&(stations, cabin, class))
                .map(|(price, _)| *price)
        };
        [
            class.and_then(|class| fare(true, Some(class))),
            fare(true, None),
            class
                .filter(|_| whole)
                .and_then(|class| fare(false, Some(class))),
            if whole { fare(false, None) } else { None },
        ]
    }

    pub(crate) fn price(
        &self,
        code: ProviderCode,
        segment: Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Option<Money> {
        self.fares(code, segment, cabin, class)
            .into_iter()
            .flatten()
            .next()
    }

    pub(crate) fn note_price_rule(
        &self,
        code: ProviderCode,
        segment: Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) {
        let fares = self.fares(code, segment, cabin, class);
        match fares.iter().position(Option::is_some) {
            Some(0) => self.met("price by exact segment and class"),
            Some(1) => self.met("price by exact segment"),
            Some(2) => self.met("price by whole flight and class"),
            Some(_) => self.met("price by whole flight"),
            None => {}
        }
    }
}
