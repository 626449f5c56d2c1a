//! The owner changed the stations of the flight: what stays, what goes.

use super::Told;
use crate::book::{SegmentKey, Tally};
use crate::flight::Flight;
use crate::record::NO_MEMO;
use crate::shelf::NO_ROW;
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
        let successors = successors(&self.book.legs, &legs);
        self.set_legs(legs);

        // What is only there because sales use it is made again where they still do.
        self.book.aircraft.retain_mut(|cabin| {
            cabin.row = NO_ROW;
            let successor = successors[usize::from(cabin.leg)];
            cabin.leg = successor.unwrap_or(cabin.leg);
            successor.is_some() && cabin.named
        });
        for at in 0..self.book.providers.len() {
            let cabins = &mut self.book.providers[at].cabins;
            cabins.retain_mut(|cabin| {
                cabin.forget_counts();
                let successor = successors[usize::from(cabin.leg)];
                cabin.leg = successor.unwrap_or(cabin.leg);
                successor.is_some() && cabin.known
            });
            cabins.sort_by_key(|cabin| (cabin.leg, cabin.cabin));
            self.keep_segments(at);
        }
        for at in (0..self.holds.len() as u32).rev() {
            self.put_on_route(at, step);
        }

        self.shelf.clear();
        self.stock();
        for at in 0..self.holds.len() {
            self.count_anew(at);
        }
    }

    /// Drops exact-segment limits and fares of what is no segment any more.
    fn keep_segments(&mut self, provider: usize) {
        let mut fares = std::mem::take(&mut self.book.providers[provider].fares);
        let mut segments = std::mem::take(&mut self.book.providers[provider].segments);
        let is_segment = |key: &SegmentKey| {
            key.stations()
                .is_none_or(|(board, off)| self.segment(Some(board), Some(off)).is_some())
        };
        fares.retain(|key, _| is_segment(key));
        segments.retain(|key, _| is_segment(key));
        segments
            .values_mut()
            .for_each(|limit| limit.tally = Tally::default());
        let provider = &mut self.book.providers[provider];
        provider.fares = fares;
        provider.segments = segments;
    }

    /// Finds the legs of a hold or sale anew by its stations, and makes room for it there.
    fn put_on_route(&mut self, at: u32, step: &mut Told<'_>) {
        let hold = &self.holds[at as usize];
        let (state, stations) = (hold.state, (hold.segment.board, hold.segment.off));
        let waits = state == HoldState::Waiting;
        if !(state.takes_seats() || waits) {
            return;
        }
        let segment = self.segment_between(stations.0, stations.1);
        self.holds[at as usize].segment = segment;
        if segment.is_flown() && waits {
            // It uses no cabin yet.
        } else if segment.is_flown() {
            let take = self.holds[at as usize].take();
            let provider = &mut self.book.providers[take.provider as usize];
            for leg in segment.first..=segment.last {
                let cabin = provider.cabin_or_new(leg, take.cabin, false);
                if let Some(class) = take.class {
                    provider.cabins[cabin].allow_stray(class);
                }
            }
        } else if state == HoldState::Held || waits {
            self.settle(at, HoldState::Displaced, step);
        }
    }

    /// Counts a hold or sale on a shelf that was emptied.
    fn count_anew(&mut self, at: usize) {
        let hold = &self.holds[at];
        let take = hold.take();
        let is_acknowledged = hold.acknowledged != NO_MEMO;
        match hold.state {
            HoldState::Held => self.count(&take, take.seats, 0),
            HoldState::Confirmed => {
                self.count(&take, 0, take.seats);
                if is_acknowledged {
                    self.count_acknowledged(&take, take.seats);
                }
            }
            _ => {}
        }
    }
}
