//! Capacity went below what is held: live holds lose their seats, newest first.

use super::Told;
use crate::book::{BookCabin, NO_BOUND, SegmentKey};
use crate::flight::Flight;
use crate::observer::HoldIx;
use crate::record::Hold;
use crate::shelf::{Row, row_of_class};
use crate::view::HoldState;

/// Is an exact segment used beyond its limit?
const fn exceeds(used: i64, bound: i64) -> bool {
    bound != NO_BOUND && used > if bound > 0 { bound } else { 0 }
}

impl Flight {
    /// Displaces every live and waiting hold, or every one of a provider.
    pub(super) fn displace_all(&mut self, provider: Option<u32>, step: &mut Told<'_>) {
        self.displace_where(step, |flight, at| {
            let hold = &flight.holds[at as usize];
            let is_of = |provider| match hold.state {
                HoldState::Held => hold.provider == provider,
                HoldState::Waiting => flight.waits_for(at, flight.code_of(provider)),
                _ => false,
            };
            provider.is_none_or(is_of)
        });
    }

    /// Displaces live holds that use a bucket used beyond its bound, newest first, until none does.
    pub(super) fn displace_excess(&mut self, step: &mut Told<'_>) {
        if self.live > 0 && self.has_excess() {
            self.displace_where(step, |flight, at| {
                let hold = &flight.holds[at as usize];
                hold.state == HoldState::Held && flight.uses_excess(hold)
            });
        }
    }

    fn displace_where(&mut self, step: &mut Told<'_>, goes: impl Fn(&Self, HoldIx) -> bool) {
        let mut to_visit = self.live + self.waiting;
        let mut at = self.holds.len();
        while to_visit > 0 {
            assert!(at > 0, "fewer holds are live or wait than were counted");
            at -= 1;
            let state = self.holds[at].state;
            if matches!(state, HoldState::Held | HoldState::Waiting) {
                to_visit -= 1;
                if goes(self, at as HoldIx) {
                    self.settle(at as HoldIx, HoldState::Displaced, step);
                }
            }
        }
    }

    /// Does a live hold use some bucket beyond its bound? Answered without a look at the holds:
    /// sales alone may exceed a bound for long.
    fn has_excess(&self) -> bool {
        let cabin_exceeds = |cabin: &BookCabin| {
            let at = cabin.row as usize;
            let (row, nest) = (&self.shelf.rows()[at], self.shelf.nest_of(at));
            let class_exceeds =
                |i: usize| nest[i].exceeds() && nest[i..].iter().any(|class| class.held > 0);
            row.held > 0
                && (row.exceeds()
                    || self.shelf.rows()[usize::from(row.aircraft)].aircraft_exceeds()
                    || (0..nest.len()).any(class_exceeds))
        };
        self.book.providers.iter().any(|provider| {
            provider.cabins.iter().any(cabin_exceeds)
                || provider
                    .segments
                    .values()
                    .any(|limit| limit.tally.held > 0 && exceeds(limit.tally.used(), limit.bound))
        })
    }

    pub(crate) fn uses_excess(&self, hold: &Hold) -> bool {
        let on_leg = |leg: u8| {
            let Some(at) = self.shelf.row_of(hold.provider, leg, hold.cabin) else {
                unreachable!("a live hold is in a cabin without a row");
            };
            let row = &self.shelf.rows()[at];
            let nest = self.shelf.nest_of(at);
            let last = hold.class.and_then(|class| row_of_class(nest, class));
            row.exceeds()
                || self.shelf.rows()[usize::from(row.aircraft)].aircraft_exceeds()
                || last.is_some_and(|last| nest[..=last].iter().any(Row::exceeds))
        };
        let segments = &self.book.providers[hold.provider as usize].segments;
        let on_segment = |key| {
            let limit = segments.get(&key);
            limit.is_some_and(|limit| exceeds(limit.tally.used(), limit.bound))
        };
        (hold.segment.first..=hold.segment.last).any(on_leg)
            || SegmentKey::both(&hold.segment, hold.cabin, hold.class).any(on_segment)
    }
}
