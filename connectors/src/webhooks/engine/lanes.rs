//! Which endpoint has a place free, and what goes there next. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use crate::webhooks::store::Due;

/// Lanes of all endpoints that have something to do.
pub(super) struct Lanes {
    places: usize,
    lanes: BTreeMap<u32, Lane>,
    /// Lanes whose next events have to be read, by when.
    to_fill: BTreeSet<(i64, u32)>,
    /// Lanes that may have both an event and a place.
    to_start: BTreeSet<u32>,
}

#[derive(Default)]
struct Lane {
    in_flight: HashSet<u64>,
    ready: VecDeque<u64>,
    /// When to read on, while nothing is ready.
    fill_at_ms: Option<i64>,
}

impl Lanes {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            lanes: BTreeMap::new(),
            to_fill: BTreeSet::new(),
            to_start: BTreeSet::new(),
        }
    }

    /// Something about the endpoint has changed.
    pub(super) fn look_at(&mut self, endpoint: u32) {
        self.lanes.entry(endpoint).or_default();
        self.set_fill(endpoint, Some(i64::MIN));
    }

    /// Reads on at that time.
    pub(super) fn rest(&mut self, endpoint: u32, until_ms: i64) {
        self.lanes.entry(endpoint).or_default().ready.clear();
        self.set_fill(endpoint, Some(until_ms));
    }

    /// An endpoint whose due events are to be read now.
    pub(super) fn next_to_fill(&mut self, now_ms: i64) -> Option<u32> {
        let (at_ms, endpoint) = *self.to_fill.first()?;
        (at_ms <= now_ms).then(|| {
            self.set_fill(endpoint, None);
            endpoint
        })
    }

    /// What was read for it.
    pub(super) fn fill(&mut self, endpoint: u32, due: Due) {
        let lane = self.lanes.entry(endpoint).or_default();
        let fresh = due.sequences.into_iter();
        lane.ready = fresh.filter(|s| !lane.in_flight.contains(s)).collect();
        let is_done = lane.ready.is_empty() && lane.in_flight.is_empty() && due.next_ms.is_none();
        self.set_fill(endpoint, due.next_ms);
        if is_done {
            self.lanes.remove(&endpoint);
        } else {
            self.to_start.insert(endpoint);
        }
    }

    /// An event to be sent now; it has its place from here on.
    pub(super) fn next_to_start(&mut self) -> Option<(u32, u64)> {
        while let Some(endpoint) = self.to_start.first().copied() {
            if let Some(lane) = self.lanes.get_mut(&endpoint)
                && lane.in_flight.len() < self.places
                && let Some(sequence) = lane.ready.pop_front()
            {
                lane.in_flight.insert(sequence);
                if lane.ready.is_empty() {
                    let fill_at_ms = lane.fill_at_ms;
                    self.set_fill(endpoint, fill_at_ms);
                }
                return Some((endpoint, sequence));
            }
            self.to_start.remove(&endpoint);
        }
        None
    }

    /// A request has ended. Its event may be due again later.
    pub(super) fn end(&mut self, endpoint: u32, sequence: u64) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else {
            return;
        };
        lane.in_flight.remove(&sequence);
        self.to_start.insert(endpoint);
        if lane.ready.is_empty() {
            self.set_fill(endpoint, Some(i64::MIN));
        } else {
            // What is due again is found once these are through.
            lane.fill_at_ms = Some(i64::MIN);
        }
    }

    /// When the next lane has to be read.
    pub(super) fn wake_ms(&self) -> Option<i64> {
        self.to_fill.first().map(|(at_ms, _)| *at_ms)
    }

    /// A lane is read when nothing in it is ready and it has a place.
    fn set_fill(&mut self, endpoint: u32, at_ms: Option<i64>) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else {
            return;
        };
        if let Some(old) = lane.fill_at_ms {
            self.to_fill.remove(&(old, endpoint));
        }
        lane.fill_at_ms = at_ms;
        let has_place = lane.in_flight.len() < self.places;
        if let Some(at_ms) = at_ms
            && lane.ready.is_empty()
            && has_place
        {
            self.to_fill.insert((at_ms, endpoint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(sequences: &[u64], next_ms: Option<i64>) -> Due {
        Due {
            sequences: sequences.to_vec(),
            next_ms,
        }
    }

    fn started(lanes: &mut Lanes) -> Vec<(u32, u64)> {
        std::iter::from_fn(|| lanes.next_to_start()).collect()
    }

    #[test]
    fn a_full_lane_holds_up_nobody() {
        let mut lanes = Lanes::new(2);
        lanes.look_at(1);
        lanes.look_at(2);
        assert_eq!(lanes.next_to_fill(0), Some(1));
        lanes.fill(1, due(&[10, 11, 12], None));
        assert_eq!(lanes.next_to_fill(0), Some(2));
        lanes.fill(2, due(&[20], None));
        assert_eq!(lanes.next_to_fill(0), None);
        assert_eq!(started(&mut lanes), [(1, 10), (1, 11), (2, 20)]);
        lanes.end(2, 20);
        assert_eq!(lanes.next_to_fill(0), Some(2));
        lanes.fill(2, due(&[21], None));
        assert_eq!(started(&mut lanes), [(2, 21)]);
        lanes.end(1, 11);
        assert_eq!(started(&mut lanes), [(1, 12)]);
    }

    #[test]
    fn what_is_in_flight_is_not_sent_twice() {
        let mut lanes = Lanes::new(3);
        lanes.look_at(1);
        lanes.next_to_fill(0);
        lanes.fill(1, due(&[10, 11], None));
        assert_eq!(started(&mut lanes), [(1, 10), (1, 11)]);
        lanes.look_at(1);
        assert_eq!(lanes.next_to_fill(0), Some(1));
        lanes.fill(1, due(&[10, 11, 12], None));
        assert_eq!(started(&mut lanes), [(1, 12)]);
        assert_eq!(lanes.next_to_fill(0), None, "there is no place");
        lanes.end(1, 10);
        assert_eq!(lanes.next_to_fill(0), Some(1));
    }

    #[test]
    fn a_lane_wakes_when_its_next_event_is_due() {
        let mut lanes = Lanes::new(1);
        lanes.look_at(1);
        lanes.next_to_fill(0);
        lanes.fill(1, due(&[], Some(500)));
        assert_eq!(lanes.wake_ms(), Some(500));
        assert_eq!(lanes.next_to_fill(499), None);
        assert_eq!(lanes.next_to_fill(500), Some(1));
        lanes.fill(1, due(&[], None));
        assert_eq!(lanes.wake_ms(), None);
        assert!(
            lanes.lanes.is_empty(),
            "nothing is kept of an idle endpoint"
        );
    }
}
