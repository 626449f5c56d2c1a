//! The index beside a naive filter over all rows, for random epochs, and under concurrent readers.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Fold, PROVIDERS, STATIONS, World};
use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::rows::*;
use flightline_ledger::command::SaleStatus;
use flightline_ledger::{Date, FlightKey};
use flightline_sinks::serving::*;
use rand::RngExt;

/// The query, answered by looking at every offer.
fn naive(folds: &Folds, query: &SearchQuery) -> (Vec<OfferRow>, usize) {
    let rows = folds.offers.rows();
    let seats = query.passengers.max(1);
    let by_price = |row: &OfferRow| {
        (
            row.price.currency,
            row.price.exponent,
            row.price.minor,
            row.flight,
            row.provider,
            row.cabin,
            row.class,
        )
    };
    let mut asked: Vec<OfferRow> = rows
        .iter()
        .filter(|row| (row.board, row.off, row.date) == (query.board, query.off, query.date))
        .filter(|row| query.cabin.is_none_or(|cabin| cabin == row.cabin))
        .filter(|row| query.class.is_none_or(|class| Some(class) == row.class))
        .filter(|row| query.provider.is_none_or(|p| p == row.provider))
        .cloned()
        .collect();
    asked.sort_by_key(by_price);
    let has_seats = |row: &OfferRow| row.seats >= seats;
    let mut found: Vec<OfferRow> = asked.iter().filter(|r| has_seats(r)).cloned().collect();
    let mut short = asked.clone();
    short.retain(|row| query.sold_out && !has_seats(row) && can_wait(folds, row, seats));
    if query.best_per_flight {
        short.retain(|row| !found.iter().any(|other| other.flight == row.flight));
    }
    for list in [&mut found, &mut short] {
        if query.best_per_flight {
            let mut seen = Vec::new();
            list.retain(|row| {
                let first = !seen.contains(&row.flight);
                seen.push(row.flight);
                first
            });
        }
        match query.sort {
            Sort::Price => {}
            Sort::Departure => list.sort_by_key(|row| row.departs_s),
            Sort::Arrival => list.sort_by_key(|row| row.arrives_s),
            Sort::Duration => list.sort_by_key(|row| row.arrives_s - row.departs_s),
        }
    }
    found.extend(short);
    let total = found.len();
    found.truncate(query.limit);
    (found, total)
}

/// Can seats of the offer be waited for? By the rows of its flight alone.
fn can_wait(folds: &Folds, offer: &OfferRow, seats: u16) -> bool {
    let flight = folds.flights.rows();
    let flight = flight.iter().find(|row| row.flight == offer.flight);
    if flight.is_none_or(|row| row.status != FlightStatus::Scheduled) {
        return false;
    }
    let mut legs = folds.legs.rows();
    legs.retain(|row| row.flight == offer.flight);
    let boards = |leg: &LegRow| leg.board == offer.board && leg.departs_s == offer.departs_s;
    let Some(first) = legs.iter().position(boards) else {
        return false;
    };
    legs.drain(..first);
    if legs.len() < usize::from(offer.legs) || offer.legs == 0 {
        return false;
    }
    legs.truncate(usize::from(offer.legs));
    let last = legs.last().unwrap();
    if (last.off, last.arrives_s) != (offer.off, offer.arrives_s) {
        return false;
    }
    let inventory = folds.inventory.rows();
    let line = |leg_no, class| {
        inventory.iter().find(move |row| {
            row.flight == offer.flight
                && row.provider == offer.provider
                && row.leg_no == leg_no
                && row.cabin == offer.cabin
                && row.class == class
        })
    };
    let lines: Option<Vec<_>> = legs
        .iter()
        .map(|leg| Some((line(leg.leg_no, None)?, line(leg.leg_no, offer.class)?)))
        .collect();
    let Some(lines) = lines else {
        return false;
    };
    let open = |row: &InventoryRow| row.status == SaleStatus::Open;
    let is_open = lines
        .iter()
        .all(|(cabin, class)| open(cabin) && open(class));
    let loads = folds.load.rows();
    let is_large = legs.iter().all(|leg| {
        let mut of_leg = loads.iter().filter(|row| {
            (row.flight, row.leg_no, row.cabin) == (offer.flight, leg.leg_no, offer.cabin)
        });
        of_leg.all(|row| row.capacity == 0 || row.capacity >= i32::from(seats))
    });
    let is_enough = |row: &InventoryRow| row.authorised.is_none_or(|n| n >= i32::from(seats));
    let has_room = lines.iter().all(|(cabin, _)| is_enough(cabin));
    let left = lines.iter().map(|(_, class)| class.available).min();
    is_open && is_large && has_room && (offer.seats > 0 || left == Some(0))
}

fn random_query(world: &mut World) -> SearchQuery {
    let rng = &mut world.rng;
    let mut station = || {
        STATIONS[rng.random_range(0..STATIONS.len())]
            .parse()
            .unwrap()
    };
    let mut query = SearchQuery::new(station(), station(), Date(20_800));
    query.date = Date(20_799 + rng.random_range(0..6));
    if rng.random_ratio(1, 3) {
        query.cabin = Some(["J", "Y", "F"][rng.random_range(0..3)].parse().unwrap());
    }
    if rng.random_ratio(1, 4) {
        query.class = Some(["M", "Y"][rng.random_range(0..2)].parse().unwrap());
    }
    if rng.random_ratio(1, 3) {
        query.provider = Some(PROVIDERS[rng.random_range(0..3)].parse().unwrap());
    }
    query.passengers = rng.random_range(0..10);
    query.sort = Sort::ALL[rng.random_range(0..4)];
    query.limit = [0, 1, 3, 10, 1000][rng.random_range(0..5)];
    query.best_per_flight = rng.random_ratio(1, 2);
    query.sold_out = rng.random_ratio(1, 2);
    query
}

#[derive(Default)]
struct Folds {
    flights: Fold<FlightRow>,
    legs: Fold<LegRow>,
    inventory: Fold<InventoryRow>,
    drift: Fold<DriftRow>,
    offers: Fold<OfferRow>,
    availability: Fold<RouteDayRow>,
    cheapest: Fold<CheapestRow>,
    load: Fold<LoadFactorRow>,
    oversold: Fold<OversoldRow>,
    holds: Fold<HoldRow>,
}

impl Folds {
    fn add(&mut self, epoch: &Epoch) {
        self.flights.add(&epoch.flights);
        self.legs.add(&epoch.legs);
        self.inventory.add(&epoch.inventory);
        self.drift.add(&epoch.drift);
        self.offers.add(&epoch.offers);
        self.availability.add(&epoch.availability_by_route_day);
        self.cheapest.add(&epoch.cheapest_by_route_day);
        self.load.add(&epoch.load_factor);
        self.oversold.add(&epoch.oversold);
        self.holds.add(&epoch.holds);
    }

    fn view(&self, view: View) -> ViewRows {
        match view {
            View::Flight => ViewRows::Flight(self.flights.rows()),
            View::Leg => ViewRows::Leg(self.legs.rows()),
            View::Inventory => ViewRows::Inventory(self.inventory.rows()),
            View::InventoryDrift => ViewRows::InventoryDrift(self.drift.rows()),
            View::Offers => ViewRows::Offers(self.offers.rows()),
            View::AvailabilityByRouteDay => {
                ViewRows::AvailabilityByRouteDay(self.availability.rows())
            }
            View::CheapestByRouteDay => ViewRows::CheapestByRouteDay(self.cheapest.rows()),
            View::LoadFactor => ViewRows::LoadFactor(self.load.rows()),
            View::Oversold => ViewRows::Oversold(self.oversold.rows()),
            View::Hold | View::Decision | View::FeedReject => ViewRows::NotKept,
        }
    }
}

#[test]
fn equals_a_naive_filter_after_every_epoch() {
    let mut sold_out = 0;
    for seed in 0..4 {
        let mut world = World::new(seed, 4);
        let serving = Serving::new(4);
        let mut folds = Folds::default();
        for steps in [1, 200, 3, 0, 40, 40, 40, 5, 1] {
            let epoch = world.epoch(steps);
            folds.add(&epoch);
            serving.apply(&epoch);
            for _ in 0..40 {
                let query = random_query(&mut world);
                let (expected, total) = naive(&folds, &query);
                let seats = query.passengers.max(1);
                sold_out += expected.iter().filter(|row| row.seats < seats).count();
                let found = serving.search(&query);
                assert_eq!(found.offers, expected, "seed {seed}, {query:?}");
                assert_eq!(found.total, total, "seed {seed}, {query:?}");
                assert_eq!(found.covers.offsets[..], epoch.covers[..]);
            }
            for view in View::ALL {
                let snapshot = serving.snapshot(view);
                assert_eq!(snapshot.next_epoch, epoch.number + 1);
                assert_eq!(snapshot.rows, folds.view(view), "seed {seed}, {view:?}");
            }
            check_flights(&serving, &folds);
            check_providers(&serving, &folds);
            let counts = serving.counts();
            assert_eq!(counts.flights as usize, folds.flights.0.len());
            assert_eq!(counts.offers as usize, folds.offers.0.len());
            for (status, n) in counts.holds {
                let expected = folds.holds.rows();
                let expected = expected.iter().filter(|row| row.status == status).count();
                assert_eq!(n as usize, expected, "seed {seed}, {status:?}");
            }
        }
    }
    // The random rows of a flight rarely fit together.
    assert!(sold_out > 0, "nothing was ever to be waited for");
}

fn check_flights(serving: &Serving, folds: &Folds) {
    let unknown: FlightKey = "ZZ9.2027-01-05.EWR".parse().unwrap();
    assert_eq!(serving.flight(&unknown), None);
    for row in folds.flights.rows() {
        let key = row.flight;
        let view = serving.flight(&key).unwrap();
        assert_eq!(view.flight, row);
        fn of<R: Ord + Clone + std::fmt::Debug>(fold: &Fold<R>, is: impl Fn(&R) -> bool) -> Vec<R> {
            fold.rows().into_iter().filter(|row| is(row)).collect()
        }
        assert_eq!(view.legs, of(&folds.legs, |r| r.flight == key));
        assert_eq!(view.inventory, of(&folds.inventory, |r| r.flight == key));
        assert_eq!(view.drift, of(&folds.drift, |r| r.flight == key));
        assert_eq!(view.load_factor, of(&folds.load, |r| r.flight == key));
        assert_eq!(view.oversold, of(&folds.oversold, |r| r.flight == key));
        // Offers that the world moved to another day than their leg's are not the flight's.
        let mut offers = view.offers.clone();
        offers.sort();
        let local = |r: &OfferRow| (r.departs_s + i64::from(r.departs_offset_min) * 60) / 86_400;
        let expected = of(&folds.offers, |r| {
            r.flight == key && i64::from(r.date.0) == local(r)
        });
        assert_eq!(offers, expected);
    }
}

fn check_providers(serving: &Serving, folds: &Folds) {
    for provider in PROVIDERS {
        let provider = provider.parse().unwrap();
        let rows = folds.inventory.rows();
        for (from, to) in [
            (20_800, 20_803),
            (20_801, 20_801),
            (20_803, 20_800),
            (0, i32::MAX),
        ] {
            let (from, to) = (Date(from), Date(to));
            for carrier in [None, Some("9E".parse().unwrap())] {
                let mut expected: Vec<_> = rows
                    .iter()
                    .filter(|row| row.provider == provider)
                    .map(|row| (row.flight.origin_date, row.flight))
                    .filter(|(date, _)| (from..=to).contains(date))
                    .filter(|(_, key)| carrier.is_none_or(|c| c == key.carrier))
                    .collect();
                expected.sort();
                expected.dedup();
                let expected: Vec<_> = expected.into_iter().map(|(_, key)| key).collect();
                let found = serving.flights_of_provider(provider, carrier, from, to);
                assert_eq!(found, expected);
            }
        }
        let mut expected = DriftSummary::default();
        for row in folds.drift.rows().iter().filter(|r| r.provider == provider) {
            expected.rows += 1;
            expected.drifting += u64::from(row.drift != 0);
            expected.seats += u64::from(row.drift.unsigned_abs());
        }
        assert_eq!(serving.drift(provider), expected);
    }
}

/// Readers on other threads only ever see the rows of one epoch in a bucket, and never go back.
#[test]
fn readers_see_whole_buckets_while_epochs_are_applied() {
    let mut world = World::new(7, 2);
    for _ in 0..60 {
        world.new_flight();
    }
    let serving = Arc::new(Serving::new(2));
    // Every offer of a bucket gets the number of its epoch as seats.
    let stamp = |world: &mut World, n: u16| {
        let keys: Vec<_> = world.offers.rows.keys().copied().collect();
        for key in keys {
            let mut row = world.offers.rows[&key].clone();
            row.seats = n;
            world.offers.set(key, Some(row));
        }
    };
    stamp(&mut world, 1);
    serving.apply(&world.close());
    let row = world.offers.rows.values().next().unwrap().clone();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (serving, done, row) = (Arc::clone(&serving), Arc::clone(&done), row.clone());
            std::thread::spawn(move || {
                let mut query = SearchQuery::new(row.board, row.off, row.date);
                query.best_per_flight = false;
                query.limit = usize::MAX;
                let (mut last, mut reads) = (0, 0_u64);
                while !done.load(Ordering::Relaxed) {
                    let found = serving.search(&query);
                    let seats = found.offers[0].seats;
                    assert!(found.offers.iter().all(|row| row.seats == seats), "torn");
                    assert!(seats >= last, "went back from {last} to {seats}");
                    assert!(
                        u64::from(seats) > found.covers.epoch.unwrap(),
                        "older than said"
                    );
                    let view = serving.flight(&row.flight).unwrap();
                    assert!(!view.inventory.is_empty());
                    last = seats;
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for n in 2..150 {
        stamp(&mut world, n);
        serving.apply(&world.close());
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
}

#[tokio::test]
async fn waiting_ends_when_the_offset_is_covered() {
    let serving = Arc::new(Serving::new(2));
    let covers = |number, offsets: [u64; 2]| {
        Arc::new(Epoch {
            number,
            covers: offsets.to_vec(),
            ..Epoch::default()
        })
    };
    serving.apply(&covers(0, [5, 0]));
    let long = Duration::from_secs(60);
    serving.wait_for(0, 4, long).await.unwrap();
    let short = Duration::from_millis(20);
    let late = serving.wait_for(0, 5, short).await.unwrap_err();
    assert_eq!((late.partition, late.offset, late.covers), (0, 5, 5));
    assert!(serving.wait_for(9, 0, long).await.is_err());

    let wait = |partition, offset| {
        let serving = Arc::clone(&serving);
        tokio::spawn(async move { serving.wait_for(partition, offset, long).await })
    };
    let near = wait(0, 5);
    let far = wait(0, 9);
    let other = wait(1, 0);
    tokio::task::yield_now().await;
    serving.apply(&covers(1, [6, 0]));
    near.await.unwrap().unwrap();
    assert!(!far.is_finished() && !other.is_finished());
    serving.apply(&covers(2, [10, 1]));
    far.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(serving.covers(0), 10);
}

/// Whatever a reader of changes is told, its copy equals the fold, whenever it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_of_changes_end_with_the_fold() {
    let mut world = World::new(11, 3);
    let limits = RingLimits {
        epochs: 20,
        bytes: 16 << 20,
    };
    let serving = Arc::new(Serving::with_limits(3, limits));
    let last = 150;
    let mut folds = Folds::default();
    let mut epochs = Vec::new();
    for _ in 0..=last {
        let epoch = world.epoch(12);
        folds.add(&epoch);
        epochs.push(epoch);
    }
    let writer = {
        let serving = Arc::clone(&serving);
        tokio::spawn(async move {
            for epoch in epochs {
                serving.apply(&epoch);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let (written, _) = tokio::sync::watch::channel(false);
    let follow = |view: View, after: Option<EventId>, slow: bool| {
        let serving = Arc::clone(&serving);
        let mut all_written = written.subscribe();
        tokio::spawn(async move {
            let mut copy: BTreeMap<OfferRow, isize> = BTreeMap::new();
            let (mut resets, mut expect) = (0, None);
            let mut subscription = serving.subscribe(view, after);
            loop {
                let at = match subscription.next().await {
                    Event::Reset { id, rows } => {
                        let ViewRows::Offers(rows) = rows else {
                            panic!("other rows")
                        };
                        copy = rows.into_iter().map(|row| (row, 1)).collect();
                        resets += 1;
                        id.map(|id| id.epoch)
                    }
                    Event::Epoch { id, epoch } => {
                        if let Some(expect) = expect {
                            assert_eq!(id.epoch, expect, "an epoch was left out");
                        }
                        for (row, diff) in &epoch.offers {
                            *copy.entry(row.clone()).or_default() += diff;
                        }
                        copy.retain(|_, n| *n != 0);
                        assert!(copy.values().all(|n| *n == 1), "a change came twice");
                        Some(id.epoch)
                    }
                };
                if at == Some(last) {
                    return (copy, resets);
                }
                expect = at.map(|at| at + 1);
                if slow {
                    // Sleeps through everything after its first event.
                    let _ = all_written.wait_for(|all| *all).await;
                }
            }
        })
    };
    let from_start = follow(View::Offers, None, false);
    tokio::time::sleep(Duration::from_millis(60)).await;
    let later = follow(View::Offers, None, false);
    let slow = follow(View::Offers, None, true);
    let recent = serving.covers_all().epoch.unwrap();
    let other_run = EventId {
        boot: serving.event_id(0).boot ^ 1,
        epoch: recent,
    };
    let stranger = follow(View::Offers, Some(other_run), false);
    writer.await.unwrap();
    written.send_replace(true);
    let expected = folds.offers.0;
    for who in [from_start, later, stranger] {
        let (copy, resets) = who.await.unwrap();
        assert_eq!(copy, expected);
        assert!(resets >= 1, "it was never told the rows");
    }
    let (copy, resets) = slow.await.unwrap();
    assert_eq!(copy, expected);
    assert!(resets > 1, "the slow reader should have fallen behind");

    // Who comes back in time goes on where it was; who comes too late, or from the future, does not.
    let mut back = serving.subscribe(View::Decision, Some(serving.event_id(last - 5)));
    let Event::Epoch { id, .. } = back.next().await else {
        panic!("reset")
    };
    assert_eq!(id.epoch, last - 4);
    for gone in [0, last + 1, u64::MAX - 1, u64::MAX] {
        let mut late = serving.subscribe(View::Decision, Some(serving.event_id(gone)));
        let Event::Reset { id, rows } = late.next().await else {
            panic!("no reset")
        };
        assert_eq!((id.unwrap().epoch, rows), (last, ViewRows::NotKept));
    }
    let id = serving.event_id(77);
    assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
    for bad in [
        "",
        "12",
        "zz-1",
        "0123456789abcdef-",
        "0123456789abcdef-+1",
        "0123456789abcdef",
    ] {
        assert!(bad.parse::<EventId>().is_err(), "{bad}");
    }
}
