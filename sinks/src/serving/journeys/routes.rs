//! The flights of routes that one search meets, each route and day looked up once.

use flightline_ledger::Date;
use hashbrown::HashMap;

use super::board::{Board, StationNo};
use super::fares::{Fitting, Leg, LegNo, Stock, Work};
use crate::serving::Serving;
use crate::serving::bucket::RouteDay;

/// A flight as the joins want it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    pub(super) departs_s: i64,
    pub(super) arrives_s: i64,
    pub(super) leg: LegNo,
}

/// The flights between two stations on the days looked up, by departure.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) board: StationNo,
    pub(super) off: StationNo,
    pub(super) hops: Vec<Hop>,
    days: Vec<Date>,
}

impl Route {
    /// The flights that depart `from_s..=to_s`.
    pub(super) fn departing(&self, from_s: i64, to_s: i64) -> &[Hop] {
        let first = self.hops.partition_point(|hop| hop.departs_s < from_s);
        // Few are left: counting them is quicker than a second bisection.
        let rest = &self.hops[first..];
        let len = rest.iter().take_while(|hop| hop.departs_s <= to_s).count();
        &rest[..len]
    }

    /// First and last arrival of the flights that depart `from_s..=to_s`.
    pub(super) fn arrivals(&self, from_s: i64, to_s: i64) -> Option<(i64, i64)> {
        let hops = self.departing(from_s, to_s).iter();
        let first = hops.clone().map(|hop| hop.arrives_s).min()?;
        let last = hops.map(|hop| hop.arrives_s).max()?;
        Some((first, last))
    }
}

/// Routes of one kind: the first flights of a search, those in the middle, or the last ones.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_ends: HashMap<(StationNo, StationNo), usize, foldhash::fast::FixedState>,
    routes: Vec<Route>,
}

/// Looks routes up, and keeps what it has seen.
#[derive(Debug)]
pub(super) struct LookUp<'a> {
    pub(super) serving: &'a Serving,
    pub(super) fitting: Fitting,
    pub(super) stock: Stock,
    pub(super) work: Work,
}

impl Routes {
    pub(super) fn get(&self, at: usize) -> &Route {
        &self.routes[at]
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Adds the flights of a route on these days that are to be kept, and returns its place.
    /// Days that it has already are left alone.
    pub(super) fn load(
        &mut self,
        look_up: &mut LookUp<'_>,
        board: &Board<'_>,
        (from, to): (StationNo, StationNo),
        days: &[Date],
        keep: impl Fn(&Leg) -> bool,
    ) -> usize {
        let routes = &mut self.routes;
        let at = *self.by_ends.entry((from, to)).or_insert_with(|| {
            routes.push(Route {
                board: from,
                off: to,
                hops: Vec::new(),
                days: Vec::new(),
            });
            routes.len() - 1
        });
        let route = &mut self.routes[at];
        let before = route.hops.len();
        for date in days {
            if route.days.contains(date) {
                continue;
            }
            let key = RouteDay {
                board: board.station(from),
                off: board.station(to),
                date: *date,
            };
            let LookUp {
                serving,
                fitting,
                stock,
                work,
            } = &mut *look_up;
            let Some(legs) = stock.look_up(serving, &key, fitting, work) else {
                break;
            };
            route.days.push(*date);
            for leg in legs {
                let known = stock.leg(leg);
                if keep(known) {
                    route.hops.push(Hop {
                        departs_s: known.departs_s,
                        arrives_s: known.arrives_s,
                        leg,
                    });
                }
            }
        }
        if route.hops.len() > before {
            let stock = &look_up.stock;
            route.hops.sort_unstable_by(|a, b| {
                let times = (a.departs_s, a.arrives_s).cmp(&(b.departs_s, b.arrives_s));
                times.then_with(|| stock.compare(a.leg, b.leg))
            });
        }
        at
    }
}

/// The local days on which a departure between two instants (Unix time in seconds) may fall,
/// whatever the zone of the station.
pub(super) fn local_days(from_s: i64, to_s: i64) -> (Date, Date) {
    /// No zone is further behind or ahead, now or in the past.
    const BEHIND_S: i64 = 12 * 3600;
    const AHEAD_S: i64 = 14 * 3600;
    let day = |instant_s: i64| {
        let days = instant_s.div_euclid(24 * 3600);
        Date(days.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
    };
    (
        day(from_s.saturating_sub(BEHIND_S)),
        day(to_s.saturating_add(AHEAD_S)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_day_may_be_before_or_after_that_of_utc() {
        let day = 24 * 3600;
        assert_eq!(local_days(0, 0), (Date(-1), Date(0)));
        assert_eq!(local_days(12 * 3600, 12 * 3600), (Date(0), Date(1)));
        assert_eq!(
            local_days(10 * 3600 - 1, 10 * 3600 - 1),
            (Date(-1), Date(0))
        );
        assert_eq!(local_days(10 * day, 12 * day), (Date(9), Date(12)));
        assert_eq!(
            local_days(i64::MIN, i64::MAX),
            (Date(i32::MIN), Date(i32::MAX))
        );
    }
}
