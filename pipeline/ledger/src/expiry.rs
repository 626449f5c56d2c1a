//! Which hold lapses next.
//!
//! Deadlines come in almost sorted: most holds of a partition share one time to hold. So the queue is
//! a few sorted lanes, each a plain ring: a new deadline goes behind the latest one that it does not
//! precede, and with one time to hold there is one lane. What fits no lane goes to a heap. Nothing is
//! taken out early: whoever takes an entry looks whether its hold is still live.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::observer::{FlightIx, HoldIx};

/// A hold with its deadline. The order is that in which holds lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) deadline_ms: i64,
    /// Of the command that made the hold.
    pub(crate) offset: u64,
    pub(crate) flight: FlightIx,
    pub(crate) hold: HoldIx,
}

/// Deadlines of a partition's holds.
#[derive(Clone, Default)]
pub(crate) struct Expiry {
    lanes: Vec<VecDeque<Due>>,
    heap: BinaryHeap<Reverse<Due>>,
}

impl Expiry {
    const LANES_MAX: usize = 8;

    /// Adds a hold.
    #[inline]
    pub(crate) fn push(&mut self, due: Due) {
        // One lane that fits is by far the usual case.
        if let [lane] = self.lanes.as_mut_slice()
            && lane.back().is_none_or(|last| *last <= due)
        {
            lane.push_back(due);
            return;
        }
        self.push_slowly(due);
    }

    #[inline(never)]
    fn push_slowly(&mut self, due: Due) {
        // The latest back that still fits leaves the others free for earlier deadlines.
        let lanes = self.lanes.iter().enumerate();
        let best = lanes
            .filter(|(_, lane)| lane.back().is_none_or(|last| *last <= due))
            .max_by_key(|(_, lane)| lane.back().copied());
        match best.map(|(at, _)| at) {
            Some(at) => self.lanes[at].push_back(due),
            None if self.lanes.len() < Self::LANES_MAX => self.lanes.push(VecDeque::from([due])),
            None => self.heap.push(Reverse(due)),
        }
    }

    /// The earliest deadline, whether or not its hold is still live.
    pub(crate) fn first(&self) -> Option<Due> {
        let lanes = self.lanes.iter().filter_map(|lane| lane.front().copied());
        lanes.chain(self.heap.peek().map(|due| due.0)).min()
    }

    /// Takes the earliest hold if its deadline is not after `clock_ms`. `ahead` is shown what comes
    /// some places later, when that is known.
    #[inline]
    pub(crate) fn pop_due(
        &mut self,
        clock_ms: i64,
        mut ahead: impl FnMut(usize, Due),
    ) -> Option<Due> {
        let first = self.first().filter(|due| due.deadline_ms <= clock_ms)?;
        for lane in &mut self.lanes {
            if lane.front() == Some(&first) {
                for distance in [8, 16] {
                    if let Some(due) = lane.get(distance) {
                        ahead(distance, *due);
                    }
                }
                return lane.pop_front();
            }
        }
        self.heap.pop().map(|due| due.0)
    }

    /// The earliest deadline of an entry for which `is_live` holds; of the first entries only, so
    /// that the answer comes quickly: it is never later than the right one.
    pub(crate) fn first_live(&self, is_live: impl Fn(&Due) -> bool) -> Option<i64> {
        const LOOKS: usize = 1024;
        let lane = |lane: &VecDeque<Due>| {
            let mut looks = lane.iter().enumerate();
            looks
                .find(|(i, due)| *i == LOOKS || is_live(due))
                .map(|(_, due)| due.deadline_ms)
        };
        let lanes = self.lanes.iter().filter_map(lane);
        lanes
            .chain(self.heap.peek().map(|due| due.0.deadline_ms))
            .min()
    }

    /// Forgets all: no hold is live.
    pub(crate) fn clear(&mut self) {
        self.lanes.iter_mut().for_each(VecDeque::clear);
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(deadline_ms: i64, offset: u64) -> Due {
        Due {
            deadline_ms,
            offset,
            flight: 0,
            hold: 0,
        }
    }

    #[test]
    fn comes_out_by_deadline_and_offset_whatever_the_order_in() {
        let mut state = 1_u64;
        for spread in [1, 3, 50, 10_000] {
            let mut queue = Expiry::default();
            let mut all = Vec::new();
            for offset in 0..2_000_u64 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let deadline = (offset / 4) as i64 + ((state >> 33) % spread) as i64 * 7;
                queue.push(due(deadline, offset));
                all.push(due(deadline, offset));
            }
            all.sort();
            assert!(queue.lanes.len() <= Expiry::LANES_MAX);
            assert_eq!(queue.first_live(|_| true), Some(all[0].deadline_ms));
            let middle = all[1_000].deadline_ms;
            let mut out = Vec::new();
            while let Some(due) = queue.pop_due(middle, |_, _| {}) {
                out.push(due);
            }
            assert!(out.iter().all(|due| due.deadline_ms <= middle));
            while let Some(due) = queue.pop_due(i64::MAX, |_, _| {}) {
                out.push(due);
            }
            assert_eq!(out, all);
        }
    }

    #[test]
    fn one_time_to_hold_is_one_lane_and_two_are_two() {
        let mut queue = Expiry::default();
        for offset in 0..1_000 {
            queue.push(due(offset as i64 + 900, offset));
        }
        assert_eq!((queue.lanes.len(), queue.heap.len()), (1, 0));
        for offset in 1_000..2_000 {
            let ttl = if offset % 2 == 0 { 900 } else { 600_000 };
            queue.push(due(offset as i64 + ttl, offset));
        }
        assert_eq!((queue.lanes.len(), queue.heap.len()), (2, 0));
        queue.clear();
        assert_eq!(queue.first(), None);
    }
}
