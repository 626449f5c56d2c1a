//! Slices joined to trips.
//!
//! Every journey of a slice may go with every one of the next that begins late enough, in the same
//! currency. There are too many to make them all: of each slice the cheapest and the fastest few are
//! joined, as many as keep the number of combinations under a bound. The cheapest combination of each
//! currency and the fastest of all are found exactly, beside that, and are always in the answer.

use std::collections::BTreeSet;

use flightline_ledger::{Currency, Station};
use flightline_sinks::serving::Journey;

/// The most combinations that are looked at for one currency.
const COMBINATIONS_MAX: usize = 20_000;

/// A journey, as far as joining cares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) first: Station,
    pub(super) last: Station,
    pub(super) departs_s: i64,
    pub(super) arrives_s: i64,
    /// Currency and its decimals.
    pub(super) kind: (Currency, u8),
    /// Price of one seat.
    pub(super) minor: i64,
}

impl Choice {
    /// `None` never happens: a journey has segments.
    pub(super) fn of(journey: &Journey) -> Option<Self> {
        let (first, last) = (journey.segments.first()?, journey.segments.last()?);
        Some(Self {
            first: first.offer.board,
            last: last.offer.off,
            departs_s: first.offer.departs_s,
            arrives_s: last.offer.arrives_s,
            kind: (journey.price.currency, journey.price.exponent),
            minor: journey.price.minor,
        })
    }

    fn duration_s(&self) -> i64 {
        self.arrives_s.saturating_sub(self.departs_s)
    }
}

/// A combination: one choice of each slice by its place there.
type Trip = Vec<usize>;

/// What trips are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    kind: (Currency, u8),
    minor: i64,
    duration_s: i64,
    trip: Trip,
}

/// Trips by currency, price and duration: at most `max`, and after them the cheapest of each
/// currency and the fastest where they are not among these.
pub(super) fn combine(
    slices: &[Vec<Choice>],
    max: usize,
    connects: impl Fn(&Choice, &Choice) -> bool,
) -> Vec<Trip> {
    let kinds: BTreeSet<_> = slices
        .first()
        .into_iter()
        .flatten()
        .map(|c| c.kind)
        .collect();
    let mut all: Vec<Ranked> = Vec::new();
    let mut kept: Vec<Ranked> = Vec::new();
    for kind in kinds {
        let of_kind: Vec<Vec<usize>> = slices
            .iter()
            .map(|slice| {
                (0..slice.len())
                    .filter(|at| slice[*at].kind == kind)
                    .collect()
            })
            .collect();
        let cheapest = best(slices, &of_kind, &connects, |choice| choice.minor);
        let fastest = best(slices, &of_kind, &connects, Choice::duration_s);
        for trip in [cheapest, fastest].into_iter().flatten() {
            kept.extend(ranked(slices, kind, trip));
        }
        let short: Vec<Vec<usize>> = of_kind
            .iter()
            .zip(slices)
            .map(|(list, slice)| shortlist(slice, list, slices.len()))
            .collect();
        let mut trip = Vec::with_capacity(slices.len());
        join(slices, &short, &connects, &mut trip, &mut |trip| {
            all.extend(ranked(slices, kind, trip.to_vec()));
        });
    }
    all.extend(kept);
    all.sort_unstable();
    all.dedup();
    let mut fastest: Option<&Ranked> = None;
    for trip in &all {
        if fastest.is_none_or(|best| trip.duration_s < best.duration_s) {
            fastest = Some(trip);
        }
    }
    let must: Vec<&Ranked> = all
        .iter()
        .enumerate()
        .filter(|(at, trip)| *at == 0 || all[*at - 1].kind != trip.kind)
        .map(|(_, trip)| trip)
        .chain(fastest)
        .collect();
    let mut out: Vec<&Ranked> = all.iter().take(max).collect();
    for trip in must {
        if !out.contains(&trip) {
            out.push(trip);
        }
    }
    out.into_iter().map(|ranked| ranked.trip.clone()).collect()
}

/// `None` when the price does not fit.
fn ranked(slices: &[Vec<Choice>], kind: (Currency, u8), trip: Trip) -> Option<Ranked> {
    let (mut minor, mut duration_s) = (0_i64, 0_i64);
    for (slice, at) in slices.iter().zip(&trip) {
        minor = minor.checked_add(slice[*at].minor)?;
        duration_s = duration_s.saturating_add(slice[*at].duration_s());
    }
    Some(Ranked {
        kind,
        minor,
        duration_s,
        trip,
    })
}

/// The combination with the least sum of costs, slice by slice from the last: exact.
fn best(
    slices: &[Vec<Choice>],
    lists: &[Vec<usize>],
    connects: &impl Fn(&Choice, &Choice) -> bool,
    cost: impl Fn(&Choice) -> i64,
) -> Option<Trip> {
    // By place in the list of the slice after: its least cost to the end, and the place it goes on at.
    let mut onward: Vec<Vec<Option<(i64, usize)>>> = Vec::new();
    for (depth, list) in lists.iter().enumerate().rev() {
        let own = list.iter().map(|at| {
            let choice = &slices[depth][*at];
            let Some(next) = onward.last() else {
                return Some((cost(choice), 0));
            };
            let next_list = &lists[depth + 1];
            let reachable = next.iter().enumerate().filter_map(|(place, rest)| {
                let (rest, _) = (*rest)?;
                let follower = &slices[depth + 1][next_list[place]];
                connects(choice, follower).then_some((rest, place))
            });
            let (rest, place) = reachable.min()?;
            Some((cost(choice).saturating_add(rest), place))
        });
        let own = own.collect();
        onward.push(own);
    }
    onward.reverse();
    let starts = onward.first()?.iter().enumerate();
    let (_, mut place) = starts.filter_map(|(p, best)| Some(((*best)?.0, p))).min()?;
    let mut trip = Vec::with_capacity(lists.len());
    for (list, onward) in lists.iter().zip(&onward) {
        trip.push(*list.get(place)?);
        place = (*onward.get(place)?)?.1;
    }
    Some(trip)
}

/// The choices of a slice that are joined: half the cheapest, half the fastest.
fn shortlist(slice: &[Choice], list: &[usize], slices: usize) -> Vec<usize> {
    let mut most = 1;
    while (most + 1_usize)
        .checked_pow(slices as u32)
        .is_some_and(|n| n <= COMBINATIONS_MAX)
    {
        most += 1;
    }
    if list.len() <= most {
        return list.to_vec();
    }
    let mut by_price = list.to_vec();
    by_price.sort_by_key(|at| (slice[*at].minor, slice[*at].duration_s()));
    let mut by_duration = list.to_vec();
    by_duration.sort_by_key(|at| (slice[*at].duration_s(), slice[*at].minor));
    let mut out = BTreeSet::new();
    for (cheap, fast) in by_price.into_iter().zip(by_duration) {
        for at in [cheap, fast] {
            if out.len() < most {
                out.insert(at);
            }
        }
    }
    out.into_iter().collect()
}

/// Every combination of the lists that connects.
fn join(
    slices: &[Vec<Choice>],
    lists: &[Vec<usize>],
    connects: &impl Fn(&Choice, &Choice) -> bool,
    trip: &mut Trip,
    found: &mut impl FnMut(&[usize]),
) {
    let depth = trip.len();
    let Some(list) = lists.get(depth) else {
        found(trip);
        return;
    };
    for at in list {
        let before = depth
            .checked_sub(1)
            .map(|before| &slices[before][trip[before]]);
        if before.is_none_or(|before| connects(before, &slices[depth][*at])) {
            trip.push(*at);
            join(slices, lists, connects, trip, found);
            trip.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    fn choice(rng: &mut StdRng, slice: i64, currencies: u8) -> Choice {
        let departs_s = slice * 1000 + rng.random_range(0..1500);
        Choice {
            first: "AAA".parse().unwrap(),
            last: "BBB".parse().unwrap(),
            departs_s,
            arrives_s: departs_s + rng.random_range(1..900),
            kind: match rng.random_range(0..currencies) {
                0 => ("EUR".parse().unwrap(), 2),
                _ => ("USD".parse().unwrap(), 2),
            },
            minor: rng.random_range(1..1000),
        }
    }

    fn connects(a: &Choice, b: &Choice) -> bool {
        a.arrives_s + 60 <= b.departs_s
    }

    /// Every combination, by counting through all places.
    fn everything(slices: &[Vec<Choice>]) -> Vec<Trip> {
        let mut out: Vec<Trip> = vec![vec![]];
        for slice in slices {
            out = out
                .into_iter()
                .flat_map(|trip| (0..slice.len()).map(move |at| [trip.clone(), vec![at]].concat()))
                .collect();
        }
        out.retain(|trip| {
            let flown: Vec<&Choice> = trip.iter().zip(slices).map(|(at, s)| &s[*at]).collect();
            flown
                .windows(2)
                .all(|w| w[0].kind == w[1].kind && connects(w[0], w[1]))
        });
        out
    }

    fn price(slices: &[Vec<Choice>], trip: &[usize]) -> i64 {
        trip.iter().zip(slices).map(|(at, s)| s[*at].minor).sum()
    }

    fn duration(slices: &[Vec<Choice>], trip: &[usize]) -> i64 {
        trip.iter()
            .zip(slices)
            .map(|(at, s)| s[*at].duration_s())
            .sum()
    }

    #[test]
    fn small_searches_give_every_combination_and_large_ones_the_best() {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let n = rng.random_range(1..=3);
            let per_slice = rng.random_range(0..=8);
            let slices: Vec<Vec<Choice>> = (0..n)
                .map(|slice| (0..per_slice).map(|_| choice(&mut rng, slice, 2)).collect())
                .collect();
            let mut want = everything(&slices);
            let mut got = combine(&slices, usize::MAX, connects);
            want.sort();
            got.sort();
            assert_eq!(got, want, "seed {seed}");
            let few = combine(&slices, 1, connects);
            let cheapest = want
                .iter()
                .map(|t| (slices[0][t[0]].kind, price(&slices, t)));
            for kind in cheapest.clone().map(|(kind, _)| kind) {
                let least = cheapest.clone().filter(|(k, _)| *k == kind).min();
                let has = few
                    .iter()
                    .map(|t| (slices[0][t[0]].kind, price(&slices, t)));
                assert_eq!(has.filter(|(k, _)| *k == kind).min(), least, "seed {seed}");
            }
            let fastest = |all: &[Trip]| all.iter().map(|t| duration(&slices, t)).min();
            assert_eq!(fastest(&few), fastest(&want), "seed {seed}");
        }
    }

    #[test]
    fn the_best_are_found_beyond_the_bound() {
        for seed in 0..5 {
            let mut rng = StdRng::seed_from_u64(seed);
            let slices: Vec<Vec<Choice>> = (0..2)
                .map(|slice| (0..400).map(|_| choice(&mut rng, slice, 1)).collect())
                .collect();
            let got = combine(&slices, 50, connects);
            assert!((50..=52).contains(&got.len()));
            let all = everything(&slices);
            assert!(all.len() > COMBINATIONS_MAX);
            for cost in [price, duration] {
                let least = |trips: &[Trip]| trips.iter().map(|t| cost(&slices, t)).min();
                assert_eq!(least(&got), least(&all), "seed {seed}");
            }
            assert!(
                got.windows(2)
                    .take(49)
                    .all(|w| price(&slices, &w[0]) <= price(&slices, &w[1]))
            );
        }
    }

    #[test]
    fn a_trip_of_what_is_neither_cheap_nor_fast_is_found() {
        let at = |departs_s, arrives_s, minor| Choice {
            first: "AAA".parse().unwrap(),
            last: "BBB".parse().unwrap(),
            departs_s,
            arrives_s,
            kind: ("USD".parse().unwrap(), 2),
            minor,
        };
        // Many that come too late for the way on, and one that does not.
        let mut out: Vec<Choice> = (0..400).map(|n| at(9_000, 9_010, 10 + n)).collect();
        out.push(at(0, 1_000, 9_999));
        let slices = [out, vec![at(2_000, 3_000, 5)]];
        assert_eq!(combine(&slices, 50, connects), [[400, 0]]);
    }
}
