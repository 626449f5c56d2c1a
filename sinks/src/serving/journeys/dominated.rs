//! Journeys that nobody would take: another one is at least as good in everything, and better in
//! something. See [`super::JourneyResult::journeys`] for the rule.

use std::cmp::Reverse;

use super::fares::MoneyKind;
use super::join::Found;

/// The best journeys so far that share the first flight and the last station: arrival, price and
/// connections, of which none dominates another.
#[derive(Debug, Default)]
pub(super) struct Front(Vec<Point>);

#[derive(Clone, Copy, Debug)]
struct Point {
    arrives_s: i64,
    minor: i64,
    kind: MoneyKind,
    connections: u8,
}

impl Front {
    /// Takes a journey; false when it is dominated. Those with fewer connections come first.
    pub(super) fn take(&mut self, found: &Found) -> bool {
        let new = Point {
            arrives_s: found.arrives_s,
            minor: found.minor,
            kind: found.kind,
            connections: found.connections,
        };
        let what = |p: &Point| (p.arrives_s, p.minor, p.connections);
        for point in &self.0 {
            if point.is_no_worse(&new) {
                // Equals stay both, and one of them is enough to know.
                return what(point) == what(&new);
            }
        }
        self.0.retain(|point| !new.is_no_worse(point));
        self.0.push(new);
        true
    }
}

impl Point {
    fn is_no_worse(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.arrives_s <= other.arrives_s
            && self.minor <= other.minor
            && self.connections <= other.connections
    }
}

/// Drops the journeys that are dominated by others in the list.
///
/// Sorted so that whatever dominates a journey stands before it, with its departure no earlier; what
/// is left to compare is arrival, price and connections.
pub(super) fn drop(journeys: &mut Vec<Found>) {
    journeys.sort_unstable_by_key(|found| {
        (
            found.ends,
            found.kind,
            Reverse(found.departs_s),
            found.arrives_s,
            found.minor,
            found.connections,
        )
    });
    let mut kept = Vec::with_capacity(journeys.len());
    for group in journeys.chunk_by(|a, b| (a.ends, a.kind) == (b.ends, b.kind)) {
        let mut stairs: [Stairs; 3] = Default::default();
        for equals in group.chunk_by(|a, b| point(a) == point(b)) {
            let found = &equals[0];
            let connections = usize::from(found.connections);
            if stairs[connections].is_below(found) {
                if connections == 0 {
                    kept.extend_from_slice(equals);
                }
                continue;
            }
            kept.extend_from_slice(equals);
            for stairs in &mut stairs[connections..] {
                stairs.add(found);
            }
        }
    }
    *journeys = kept;
}

fn point(found: &Found) -> (i64, i64, i64, u8) {
    let Found {
        departs_s,
        arrives_s,
        minor,
        connections,
        ..
    } = *found;
    (departs_s, arrives_s, minor, connections)
}

/// The lowest price up to each arrival: arrivals rise, prices fall.
#[derive(Default)]
struct Stairs(Vec<(i64, i64)>);

impl Stairs {
    /// Does anything arrive no later at no higher price?
    fn is_below(&self, found: &Found) -> bool {
        let after = self.0.partition_point(|step| step.0 <= found.arrives_s);
        after > 0 && self.0[after - 1].1 <= found.minor
    }

    fn add(&mut self, found: &Found) {
        if self.is_below(found) {
            return;
        }
        let at = self.0.partition_point(|step| step.0 < found.arrives_s);
        let rest = &self.0[at..];
        let beaten = rest.iter().take_while(|step| step.1 >= found.minor).count();
        self.0
            .splice(at..at + beaten, [(found.arrives_s, found.minor)]);
    }
}
