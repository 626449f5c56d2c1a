//! Journeys beside an exhaustive search that is written another way: over small random schedules
//! that change from epoch to epoch, and over a large generated one.
//!
//! The long run (10,000 queries over the large schedule, 3,000 small ones):
//! `cargo test -p flightline-sinks --release --test journeys -- --ignored`.

mod hubs;
mod naive;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flightline_sinks::serving::*;
use hubs::{Hubs, Seeded, Size};
use naive::{Judge, Map, Wants};
use random::Schedule;

/// What an answer says, in few words.
fn short(journeys: &[Journey]) -> Vec<String> {
    let journeys = journeys.iter().map(|journey| {
        let segments = journey.segments.iter().map(|s| {
            let also = s.alternatives.len();
            let offer = &s.offer;
            format!(
                "{} {}-{} {}..{} {}+{also}",
                offer.flight, offer.board, offer.off, offer.departs_s, offer.arrives_s, s.operating
            )
        });
        let segments: Vec<_> = segments.collect();
        format!(
            "{} {} {}{}{}",
            journey.price.currency,
            journey.price,
            segments.join(", "),
            if journey.is_cheapest { " cheapest" } else { "" },
            if journey.is_fastest { " fastest" } else { "" },
        )
    });
    journeys.collect()
}

fn compare(serving: &Serving, judge: &Judge, query: &JourneyQuery, map: &Map, what: &str) -> usize {
    let found = serving.journeys(query);
    let (expected, total) = judge.search(query, map);
    assert!(!found.truncated, "{what}: truncated, {query:?}");
    if found.journeys != expected || found.total != total {
        assert_eq!(
            (found.total, short(&found.journeys)),
            (total, short(&expected)),
            "{what}: {query:?}"
        );
        assert_eq!(found.journeys, expected, "{what}: {query:?}");
    }
    total
}

/// What the random runs met, so that they are known to have met it.
#[derive(Debug, Default)]
struct Met {
    journeys: usize,
    connections: [usize; 3],
    changes_of_airport: usize,
    overnight: usize,
    alternatives: usize,
    under_another_number: usize,
    currencies: BTreeSet<String>,
}

impl Met {
    fn see(&mut self, journeys: &[Journey]) {
        for journey in journeys {
            self.journeys += 1;
            self.connections[journey.segments.len() - 1] += 1;
            self.currencies.insert(journey.price.currency.to_string());
            for pair in journey.segments.windows(2) {
                let (a, b) = (&pair[0].offer, &pair[1].offer);
                self.changes_of_airport += usize::from(a.off != b.board);
                self.overnight += usize::from(b.departs_s - a.arrives_s > 10 * 3600);
            }
            for segment in &journey.segments {
                self.alternatives += segment.alternatives.len();
                let other = segment.operating != segment.offer.flight;
                self.under_another_number += usize::from(other);
            }
        }
    }
}

fn small_schedules(seeds: std::ops::Range<u64>) {
    let map = random::map();
    let mut met = Met::default();
    for seed in seeds {
        let mut schedule = Schedule::new(seed);
        let serving = Serving::new(1);
        for _ in 0..20 + seed % 60 {
            schedule.add();
        }
        for step in 0..4 {
            serving.apply(&schedule.epoch());
            for _ in 0..4 {
                let wants = schedule.wants();
                let judge = Judge::new(schedule.flights(), schedule.offers(), wants);
                for _ in 0..4 {
                    let query = schedule.query(wants, &map);
                    let what = format!("seed {seed}, epoch {step}");
                    compare(&serving, &judge, &query, &map, &what);
                    met.see(&serving.journeys(&query).journeys);
                }
            }
            for _ in 0..25 {
                schedule.change();
            }
        }
        // When all flights go, so do all journeys.
        schedule.clear();
        serving.apply(&schedule.epoch());
        let mut query = schedule.query((1, None, None), &map);
        query.connections_max = 2;
        let found = serving.journeys(&query);
        assert_eq!(
            (found.total, found.journeys),
            (0, Vec::new()),
            "seed {seed}"
        );
    }
    assert!(
        met.connections.iter().all(|n| *n > 100)
            && met.changes_of_airport > 100
            && met.overnight > 100
            && met.alternatives > 100
            && met.under_another_number > 100
            && met.currencies.len() > 1,
        "the random schedules do not reach everything: {met:?}"
    );
}

#[test]
fn equals_an_exhaustive_search_over_small_schedules() {
    small_schedules(0..300);
}

#[test]
#[ignore = "takes minutes: cargo test --release -p flightline-sinks --test journeys -- --ignored"]
fn equals_an_exhaustive_search_over_many_small_schedules() {
    small_schedules(1_000..4_000);
}

fn large_schedule(queries: usize, seed: u64) {
    let hubs = Hubs::new(Size::default(), 1);
    let days = Size::default().days as usize;
    let daily = hubs.flown / days;
    assert!((2_800..3_400).contains(&daily), "{daily} flights a day");
    let map = Map {
        cities: hubs.cities.iter().copied().collect(),
        degrees: hubs
            .stations
            .iter()
            .filter_map(|s| Some((*s, hubs::degrees(*s)?)))
            .collect(),
    };
    let serving = Serving::new(1);
    serving.apply(&Arc::new(hubs.epoch()));
    let rules = Arc::new(ConnectionRules {
        min_connection_at: BTreeMap::from([(hubs.stations[0], 90), (hubs.stations[1], 45)]),
        places: hubs.places(),
        ..ConnectionRules::default()
    });
    let mut dice = Seeded(seed);
    let (mut found, mut most) = (0, 0);
    let parties: [Wants; 4] = [
        (1, "Y".parse().ok(), None),
        (2, "Y".parse().ok(), None),
        (4, None, None),
        (1, "J".parse().ok(), None),
    ];
    for (party, wants) in parties.into_iter().enumerate() {
        let judge = Judge::new(hubs.flights.iter(), hubs.offers.iter(), wants);
        for n in 0..queries.div_ceil(parties.len()) {
            let window = |dice: &mut Seeded| {
                (dice.below(6) == 0).then(|| TimeWindow {
                    from_min: dice.below(1440) as u16,
                    to_min: dice.below(1440) as u16,
                })
            };
            let mut query = JourneyQuery {
                origins: hubs.ends(&mut dice),
                destinations: hubs.ends(&mut dice),
                date: Size::default().first,
                passengers: wants.0,
                cabin: wants.1,
                connections_max: [0, 1, 2, 2, 2][dice.below(5) as usize],
                departure: window(&mut dice),
                arrival: window(&mut dice),
                sort: Sort::ALL[dice.below(4) as usize],
                limit: [1, 10, 50, 200][dice.below(4) as usize],
                keep_dominated: dice.below(8) == 0,
                ..JourneyQuery::new(
                    hubs.stations[0],
                    hubs.stations[0],
                    Size::default().first,
                    Arc::clone(&rules),
                )
            };
            query.date.0 += dice.below(2) as i32;
            let what = format!("party {party}, query {n}");
            found += compare(&serving, &judge, &query, &map, &what);
            most = most.max(serving.journeys(&query).work);
        }
    }
    assert!(found > queries * 5, "only {found} journeys");
    assert!(most < WORK_MAX / 4, "{most} steps of work");
}

#[test]
fn equals_an_exhaustive_search_over_a_large_schedule() {
    large_schedule(240, 5);
}

#[test]
#[ignore = "takes minutes: cargo test --release -p flightline-sinks --test journeys -- --ignored"]
fn equals_an_exhaustive_search_on_10_000_queries() {
    large_schedule(10_000, 6);
}

/// When the bound on the work is met, the answer says so, and what it has is right.
#[test]
fn what_is_found_within_the_bound_is_right() {
    let map = random::map();
    let mut cut = 0;
    for seed in 0..12 {
        let mut schedule = Schedule::new(seed);
        (0..80).for_each(|_| schedule.add());
        let serving = Serving::new(1);
        serving.apply(&schedule.epoch());
        for _ in 0..6 {
            let mut query = schedule.query((1, None, None), &map);
            (query.connections_max, query.limit) = (2, usize::MAX);
            query.keep_dominated = true;
            let all = serving.journeys(&query);
            assert!(!all.truncated);
            let chain = |journey: &Journey| {
                let segments = journey.segments.iter();
                let segments = segments.map(|s| (s.operating, s.offer.clone()));
                segments.collect::<Vec<_>>()
            };
            let known: BTreeSet<_> = all.journeys.iter().map(chain).collect();
            let mut last = 0;
            for work_max in (0..=all.work).step_by(all.work as usize / 40 + 1) {
                query.work_max = work_max;
                let part = serving.journeys(&query);
                assert!(part.work <= work_max);
                assert_eq!(part.truncated, work_max < all.work, "bound {work_max}");
                assert!(part.total >= last, "more work finds no less");
                assert!(part.journeys.iter().all(|j| known.contains(&chain(j))));
                last = part.total;
                cut += usize::from(part.total < all.total);
            }
            query.work_max = all.work;
            assert_eq!(serving.journeys(&query), all);
        }
    }
    assert!(cut > 100, "the bound was met {cut} times");
}

/// Searches beside a writer see prices and seats of whole epochs, and never hinder it for good.
#[test]
fn searches_beside_a_writer_are_sound() {
    let map = random::map();
    let mut schedule = Schedule::new(77);
    (0..120).for_each(|_| schedule.add());
    let serving = Arc::new(Serving::new(1));
    serving.apply(&schedule.epoch());
    let queries: Vec<_> = (0..40)
        .map(|_| {
            let mut query = schedule.query((2, None, None), &map);
            query.connections_max = 2;
            query
        })
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (serving, done) = (Arc::clone(&serving), Arc::clone(&done));
            let queries = queries.clone();
            std::thread::spawn(move || {
                let (mut seen, mut last) = (0, None);
                for query in queries.iter().cycle() {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let found = serving.journeys(query);
                    assert!(found.covers.epoch >= last, "went back");
                    last = found.covers.epoch;
                    for journey in &found.journeys {
                        check(journey, query);
                        seen += 1;
                    }
                }
                seen
            })
        })
        .collect();
    for _ in 0..300 {
        (0..10).for_each(|_| schedule.change());
        serving.apply(&schedule.epoch());
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
}

fn check(journey: &Journey, query: &JourneyQuery) {
    let mut sum = 0;
    for segment in &journey.segments {
        assert_eq!(segment.offer.price.currency, journey.price.currency);
        sum += segment.offer.price.minor;
        for offer in segment.alternatives.iter().chain([&segment.offer]) {
            assert!(offer.seats >= query.passengers);
            let times = |row: &flightline_dataflows::rows::OfferRow| (row.departs_s, row.arrives_s);
            assert_eq!(times(offer), times(&segment.offer));
        }
    }
    assert_eq!(sum, journey.price.minor);
    let first = &journey.segments[0].offer;
    assert_eq!(first.date, query.date);
    assert!(query.origins.contains(&first.board));
    for pair in journey.segments.windows(2) {
        let (a, b) = (&pair[0].offer, &pair[1].offer);
        let layover_s = b.departs_s - a.arrives_s;
        assert!(layover_s >= query.rules.minimum_s(a.off, b.board));
        assert!(layover_s <= i64::from(query.rules.max_layover_min) * 60);
    }
}
