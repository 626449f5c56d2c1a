//! Waiting for seats, as the page has it under that name.

use flightline_ledger::command::Settings;
use flightline_ledger::{CommandId, HoldRequest, Money, Outcome, ProviderCode};

use super::Fault;
use super::flight::{Flight, Hold, HoldState, Wait, clamp};
use super::offer::Segment;

impl Flight {
    /// Those who may sell what is asked for: the one named, or all on the flight.
    fn sellers(&self, named: Option<ProviderCode>) -> Vec<ProviderCode> {
        match named {
            Some(code) => vec![code],
            None => self.providers.keys().copied().collect(),
        }
    }

    /// Could so many seats be sold if the flight were empty?
    fn has_room(&self, segment: Segment, request: &HoldRequest) -> bool {
        let wanted = i64::from(request.seats);
        let room = |code: ProviderCode, leg: usize| {
            let provider = &self.providers[&code];
            let line = &provider.cabins[&(leg, request.cabin)];
            let allowance = provider.allowance(request.cabin);
            let aircraft = self.aircraft.get(&(leg, request.cabin));
            let aircraft = aircraft.copied().flatten().map(i64::from);
            let bounds = [line.own.bound, aircraft];
            bounds
                .into_iter()
                .flatten()
                .all(|b| wanted <= b + allowance)
        };
        let (from, to) = segment.legs;
        self.sellers(request.provider).into_iter().any(|code| {
            self.sellable(code, segment, request.cabin, request.class)
                .is_ok()
                && (from..=to).all(|leg| room(code, leg))
        })
    }

    /// Lets a request wait that is sold out, if it may and there is room for it.
    pub(crate) fn wait(
        &mut self,
        settings: &Settings,
        id: CommandId,
        segment: Segment,
        request: &HoldRequest,
    ) -> Option<Outcome> {
        let wait_ms = request.wait_ms?;
        if !self.has_room(segment, request) && self.fault != Fault::WaitsWithoutRoom {
            self.met("no room to wait for");
            return None;
        }
        let waiting = self.holds.iter().filter(|h| h.state == HoldState::Waiting);
        let ahead = waiting.count() as u32;
        let deadline_ms = clamp(i128::from(self.now.clock_ms) + i128::from(wait_ms));
        self.holds.push(Hold {
            id,
            provider: request.provider.unwrap_or(self.creator),
            cabin: request.cabin,
            class: request.class,
            stations: segment.stations,
            legs: Some(segment.legs),
            seats: request.seats,
            deadline_ms,
            price: None,
            state: HoldState::Waiting,
            wait: Some(Wait {
                named: request.provider,
                expected_price: request.expected_price,
                ttl_ms: request.ttl_ms.unwrap_or(settings.hold_ttl_default_ms),
                in_vain: true,
            }),
            acknowledged_at: None,
            made: self.now,
            changed: self.now,
        });
        Some(Outcome::Waiting { deadline_ms, ahead })
    }

    /// From whom and at which price a waiting hold would get its seats now.
    fn turn_of(&self, settings: &Settings, hold: &Hold) -> Option<(ProviderCode, Option<Money>)> {
        let wait = hold
            .wait
            .as_ref()
            .filter(|_| hold.state == HoldState::Waiting)?;
        if self.operating.is_some() || self.cancelled || self.restricted.contains(&hold.stations) {
            return None;
        }
        let segment = Segment {
            legs: hold.legs?,
            stations: hold.stations,
        };
        let departs_ms = i128::from(self.legs[segment.legs.0].times.departs_s) * 1000;
        let closes_ms = departs_ms - i128::from(settings.close_before_departure_ms);
        if closes_ms <= i128::from(self.now.clock_ms) {
            self.met("waiting hold outlived the sale");
            return None;
        }
        let mut offers = Vec::new();
        for code in self.sellers(wait.named) {
            match self.sellable(code, segment, hold.cabin, hold.class) {
                Ok((seats, _)) if seats >= i64::from(hold.seats) => {
                    let price = self.price(code, segment, hold.cabin, hold.class);
                    let rank = price.map(|p| (p.currency, p.exponent, p.minor));
                    offers.push((rank.is_none(), rank, code, price));
                }
                _ => {}
            }
        }
        let (_, _, code, price) = *offers
            .iter()
            .min_by_key(|(none, rank, code, _)| (*none, *rank, *code))?;
        let is_as_expected = wait.expected_price.is_none() || wait.expected_price == price;
        if !is_as_expected && self.fault != Fault::WaiterTakesAnyPrice {
            self.met("waiting hold waited on for its price");
            return None;
        }
        if !self.counts_stay_finite(hold.seats) {
            return None;
        }
        Some((code, price))
    }

    /// Gives waiting holds the seats that are free: one after the other, the oldest that fits.
    pub(crate) fn take_turns(&mut self, settings: &Settings, when: &'static str) {
        loop {
            let mut queue: Vec<usize> = (0..self.holds.len())
                .filter(|i| self.holds[*i].state == HoldState::Waiting)
                .collect();
            match self.fault {
                Fault::YoungestWaiterFirst => queue.reverse(),
                Fault::HeadOfQueueBlocks => queue.truncate(1),
                _ => {}
            }
            let turn = queue
                .into_iter()
                .enumerate()
                .find_map(|(place, i)| Some((place, i, self.turn_of(settings, &self.holds[i])?)));
            let Some((place, i, (provider, price))) = turn else {
                break;
            };
            self.met(when);
            if place > 0 {
                self.met("waiting hold passed over for a younger one");
            }
            let hold = &mut self.holds[i];
            hold.provider = provider;
            hold.price = price;
            if let Some(wait) = &mut hold.wait {
                wait.in_vain = false;
                if self.fault != Fault::TurnKeepsDeadline {
                    let deadline_ms = i128::from(self.now.clock_ms) + i128::from(wait.ttl_ms);
                    hold.deadline_ms = clamp(deadline_ms);
                }
            }
            self.set_state(i, HoldState::Held);
        }
    }

    /// What a hold that waited would be answered by [`Fault::ReplaysTheTurn`].
    pub(crate) fn told_anew(&self, id: CommandId) -> Outcome {
        let first = self.memory[&id].outcome;
        let hold = self.holds.iter().find(|hold| hold.id == id);
        match hold.filter(|hold| hold.state == HoldState::Held) {
            Some(hold) => Outcome::Held {
                provider: hold.provider,
                seats: hold.seats,
                deadline_ms: hold.deadline_ms,
                price: hold.price,
            },
            None => first,
        }
    }

    /// Are the seats of the flight's live holds and sales, with so many more, few enough to count?
    pub(crate) fn counts_stay_finite(&self, more: u16) -> bool {
        let taken = self
            .holds
            .iter()
            .filter(|hold| matches!(hold.state, HoldState::Held | HoldState::Confirmed));
        let taken: i64 = taken.map(|hold| i64::from(hold.seats)).sum();
        taken + i64::from(more) <= 1_000_000_000
    }
}

impl Hold {
    /// Seats that it has or had.
    pub(crate) fn seats_had(&self) -> u16 {
        match &self.wait {
            Some(wait) if wait.in_vain => 0,
            _ => self.seats,
        }
    }
}
