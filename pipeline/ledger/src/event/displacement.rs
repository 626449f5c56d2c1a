//! Capacity went below what is held: live holds lose their seats, newest first.

use super::Told;
use crate::codes::Cabin;
use crate::flight::Flight;
use crate::inventory::{NO_BOUND, SegmentKey};
use crate::record::Hold;
use crate::view::HoldState;

/// Is a bucket used beyond its bound?
const fn exceeds(used: i64, bound: i64) -> bool {
    bound != NO_BOUND && used > if bound > 0 { bound } else { 0 }
}

impl Flight {
    /// Displaces every live hold, or every one of a provider.
    pub(super) fn displace_all(&mut self, provider: Option<u32>, step: &mut Told<'_>) {
        self.displace_where(step, |_, hold| {
            provider.is_none_or(|provider| hold.provider == provider)
        });
    }

    /// Displaces live holds that use a bucket used beyond its bound, newest first, until none does.
    pub(super) fn displace_excess(&mut self, step: &mut Told<'_>) {
        if self.live > 0 && self.has_excess() {
            self.displace_where(step, Self::uses_excess);
        }
    }

    fn displace_where(&mut self, step: &mut Told<'_>, goes: impl Fn(&Self, &Hold) -> bool) {
        let mut to_visit = self.live;
        let mut at = self.holds.len();
        while to_visit > 0 {
            assert!(at > 0, "fewer holds are live than were counted");
            at -= 1;
            let hold = &self.holds[at];
            if hold.state == HoldState::Held {
                to_visit -= 1;
                if goes(self, hold) {
                    self.settle(at as u32, HoldState::Displaced, step);
                }
            }
        }
    }

    /// Does a live hold use some bucket beyond its bound? Answered without a look at the holds:
    /// sales alone may exceed a bound for long.
    fn has_excess(&self) -> bool {
        self.providers.iter().any(|provider| {
            provider.cabins.iter().any(|cabin| {
                let classes = cabin.nest.iter().enumerate();
                cabin.held > 0
                    && (exceeds(cabin.used(), cabin.bound())
                        || self.aircraft_exceeds(cabin.aircraft as usize)
                        || classes.into_iter().any(|(at, nested)| {
                            let held = |class: &crate::inventory::ClassSeats| class.tally.held > 0;
                            exceeds(nested.used, nested.limit)
                                && cabin.classes[at..].iter().any(held)
                        }))
            }) || provider
                .segments
                .values()
                .any(|limit| limit.tally.held > 0 && exceeds(limit.tally.used(), limit.bound))
        })
    }

    pub(crate) fn uses_excess(&self, hold: &Hold) -> bool {
        let provider = &self.providers[hold.provider as usize];
        let on_leg = |leg: u8| {
            let Some(at) = provider.cabin_at(leg, hold.cabin) else {
                unreachable!("a live hold is in a cabin that has no record");
            };
            let cabin = &provider.cabins[at];
            let classes = match hold.class.and_then(|class| cabin.class_at(class)) {
                Some(at) => &cabin.nest[..=at],
                None => &[],
            };
            exceeds(cabin.used(), cabin.bound())
                || self.aircraft_exceeds(cabin.aircraft as usize)
                || classes
                    .iter()
                    .any(|nested| exceeds(nested.used, nested.limit))
        };
        let stations = Some((hold.segment.board, hold.segment.off));
        let on_segment = |class| {
            let key = SegmentKey::new(stations, hold.cabin, class);
            let limit = provider.segments.get(&key);
            limit.is_some_and(|limit| exceeds(limit.tally.used(), limit.bound))
        };
        (hold.segment.first..=hold.segment.last).any(on_leg)
            || on_segment(None)
            || (hold.class.is_some() && on_segment(hold.class))
    }

    fn aircraft_exceeds(&self, at: usize) -> bool {
        let cabin = &self.aircraft[at];
        cabin.seats.is_some_and(|seats| {
            cabin.used > i64::from(seats)
                && cabin.used > i64::from(seats) + self.largest_allowance(cabin.cabin)
        })
    }

    /// The most that any provider may overbook the cabin by.
    pub(crate) fn largest_allowance(&self, cabin: Cabin) -> i64 {
        let providers = self.providers.iter();
        let largest = providers.map(|provider| provider.allowance(cabin)).max();
        largest.map_or(0, i64::from)
    }
}
