//! The owner changed the stations of the flight: what stays, what goes.

use super::Told;
use crate::flight::Flight;
use crate::inventory::{SegmentKey, Tally};
use crate::record::NO_MEMO;
use crate::view::{HoldState, LegView};

/// For every old leg the new one that takes its inventory over: the n-th with the same stations.
fn successors(old: &[LegView], new: &[LegView]) -> Vec<Option<u8>> {
    let mut taken = vec![false; new.len()];
    old.iter()
        .map(|leg| {
            let mut candidates = new.iter().enumerate();
            let (at, _) = candidates
                .find(|(at, n)| !taken[*at] && (n.board, n.off) == (leg.board, leg.off))?;
            taken[at] = true;
            Some(at as u8)
        })
        .collect()
}

impl Flight {
    /// Puts the flight on new legs, all providers' inventory and all holds with it.
    pub(super) fn reroute(&mut self, legs: Vec<LegView>, step: &mut Told<'_>) {
        let successors = successors(&self.legs, &legs);
        self.legs = legs;

        // Cabins that nobody named are made again where sales use them.
        self.aircraft.retain_mut(|cabin| {
            cabin.used = 0;
            let successor = successors[usize::from(cabin.leg)];
            cabin.leg = successor.unwrap_or(cabin.leg);
            successor.is_some() && cabin.named
        });
        for at in 0..self.providers.len() {
            let provider = &mut self.providers[at];
            provider.cabins.retain_mut(|cabin| {
                cabin.clear_tallies();
                let successor = successors[usize::from(cabin.leg)];
                cabin.leg = successor.unwrap_or(cabin.leg);
                successor.is_some() && cabin.known
            });
            provider.cabins.sort_by_key(|cabin| (cabin.leg, cabin.cabin));
            provider.index_cabins();
            self.keep_segments(at);
            for cabin in 0..self.providers[at].cabins.len() {
                let seats = &self.providers[at].cabins[cabin];
                let aircraft = self.aircraft_or_new(seats.leg, seats.cabin);
                self.providers[at].cabins[cabin].aircraft = aircraft as u32;
            }
        }
        for at in (0..self.holds.len() as u32).rev() {
            self.put_on_route(at, step);
        }
    }

    /// Drops exact-segment limits and fares of what is no segment any more.
    fn keep_segments(&mut self, provider: usize) {
        let mut fares = std::mem::take(&mut self.providers[provider].fares);
        let mut segments = std::mem::take(&mut self.providers[provider].segments);
        let is_segment = |key: &SegmentKey| {
            key.stations()
                .is_none_or(|(board, off)| self.segment(Some(board), Some(off)).is_some())
        };
        fares.retain(|key, _| is_segment(key));
        segments.retain(|key, _| is_segment(key));
        segments
            .values_mut()
            .for_each(|limit| limit.tally = Tally::default());
        let provider = &mut self.providers[provider];
        provider.segment_fares = fares.keys().any(|key| key.stations().is_some());
        provider.fares = fares;
        provider.segments = segments;
    }

    /// Finds a hold's or sale's legs anew by its stations, and counts its seats there.
    fn put_on_route(&mut self, at: u32, step: &mut Told<'_>) {
        let hold = &self.holds[at as usize];
        let state = hold.state;
        if !state.takes_seats() {
            return;
        }
        let segment = self.segment_between(hold.segment.board, hold.segment.off);
        let hold = &mut self.holds[at as usize];
        hold.segment = segment;
        if !segment.is_flown() {
            if state == HoldState::Held {
                self.settle(at, HoldState::Displaced, step);
            }
            return;
        }
        let take = hold.take();
        let is_acknowledged = hold.acknowledged != NO_MEMO;
        let mut change = Tally::default();
        match state {
            HoldState::Held => change.held = take.seats,
            _ => change.sold = take.seats,
        }
        if is_acknowledged {
            change.acknowledged = take.seats;
        }
        for leg in segment.first..=segment.last {
            self.cabin_or_new(take.provider as usize, leg, take.cabin, false);
        }
        self.count(&take, &change);
    }
}
