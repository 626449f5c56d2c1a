//! The invariants of the state, checked by counting everything anew.

use std::collections::BTreeMap;

use crate::book::{BookCabin, NO_BOUND, Provider, SegmentKey, Tally};
use crate::flight::{Flight, Found};
use crate::ledger::Ledger;
use crate::mix;
use crate::record::NO_MEMO;
use crate::shelf::{FLIGHT_SEATS_MAX, UNBOUND};
use crate::view::HoldState;

/// Seats counted from the holds alone, per bucket.
#[derive(Default)]
struct Recount {
    cabins: BTreeMap<(u32, u8, u8), Tally>,
    classes: BTreeMap<(u32, u8, u8, u8), Tally>,
    segments: BTreeMap<(u32, SegmentKey), Tally>,
    aircraft: BTreeMap<(u8, u8), i64>,
}

impl Recount {
    fn of(flight: &Flight) -> Self {
        let mut recount = Self::default();
        for hold in &flight.holds {
            if !hold.state.takes_seats() || !hold.segment.is_flown() {
                continue;
            }
            let seats = i64::from(hold.seats);
            let is_sale = hold.state == HoldState::Confirmed;
            let tally = Tally {
                held: if is_sale { 0 } else { seats },
                sold: if is_sale { seats } else { 0 },
                acknowledged: if hold.acknowledged == NO_MEMO {
                    0
                } else {
                    seats
                },
            };
            let (provider, cabin) = (hold.provider, hold.cabin.letter());
            for leg in hold.segment.first..=hold.segment.last {
                let bucket = recount.cabins.entry((provider, leg, cabin));
                bucket.or_default().add(&tally);
                *recount.aircraft.entry((leg, cabin)).or_default() += seats;
                if let Some(class) = hold.class {
                    let bucket = (provider, leg, cabin, class.letter());
                    recount.classes.entry(bucket).or_default().add(&tally);
                }
            }
            let stations = Some((hold.segment.board, hold.segment.off));
            let classes = [None, hold.class];
            for class in &classes[..if hold.class.is_some() { 2 } else { 1 }] {
                let key = SegmentKey::new(stations, hold.cabin, *class);
                recount
                    .segments
                    .entry((provider, key))
                    .or_default()
                    .add(&tally);
            }
        }
        recount
    }
}

impl Ledger {
    /// Counts everything anew from the holds and compares; checks that nothing live is beyond its
    /// bound, that nobody waits for seats that there are, and that every table agrees with every other. Slow: for tests, `verify` and debugging.
    ///
    /// # Panics
    /// When an invariant is broken, with what is wrong and where.
    pub fn check_invariants(&self) {
        let (mut live, mut waiting) = (0, 0);
        let mut ends = 0;
        for (at, flight) in self.flights() {
            let key = flight.key;
            flight.check();
            flight.check_waiting(&self.settings, self.clock_ms);
            for provider in &flight.book.providers {
                let (code, pause) = (provider.code, self.sellers.pause_of(provider.code));
                assert_eq!(provider.pause, pause, "{key}: provider {code} paused");
            }
            if let Some(lapses_ms) = flight.next_lapse_ms() {
                assert!(lapses_ms > self.clock_ms, "{key}: what lapsed is sold");
                // Maybe before its time: then it is queued again.
                let mut queued = self.lapses.range(..=(lapses_ms, at));
                let is_queued = queued.any(|lapse| lapse.1 == at);
                assert!(is_queued, "{key}: not queued to lapse");
            }
            live += flight.live as usize;
            waiting += flight.waiting as usize;
            assert_eq!(self.find(&key), Some(at), "{key}: not found by its key");
            assert_eq!(
                self.flights.keys[at as usize], key,
                "{key}: key kept wrongly"
            );
            assert!(
                self.ends.contains(&(flight.latest_ms(), key, at)),
                "{key}: not queued to retire"
            );
            ends += 1;
        }
        assert_eq!(self.live, live, "live holds of the partition");
        assert_eq!(self.waiting, waiting, "waiting holds of the partition");
        assert_eq!(self.ends.len(), ends, "flights queued to retire");
    }
}

impl Flight {
    fn check(&self) {
        let key = self.key;
        let recount = Recount::of(self);
        let live = self.holds.iter().filter(|h| h.state == HoldState::Held);
        assert_eq!(live.count(), self.live as usize, "{key}: live holds");
        assert_eq!(self.holds.len(), self.origins.len(), "{key}: hold parts");
        assert!(!self.book.legs.is_empty(), "{key}: no legs");
        assert!(
            (self.book.owner as usize) < self.book.providers.len(),
            "{key}: owner"
        );
        self.check_ids();
        self.check_providers(&recount);
        self.check_no_oversell();
        for aircraft in &self.book.aircraft {
            let place = (aircraft.leg, aircraft.cabin.letter());
            let used = recount.aircraft.get(&place).copied().unwrap_or(0);
            let row = &self.shelf.rows()[aircraft.row as usize];
            assert_eq!(i64::from(row.used), used, "{key}: aircraft {place:?}");
            let seats = aircraft.seats.map_or(UNBOUND, i32::from);
            assert_eq!(row.bound, seats, "{key}: aircraft {place:?} bound");
            let largest = self.largest_allowance(aircraft.cabin);
            assert_eq!(row.allowance, largest, "{key}: aircraft {place:?} terms");
        }
        for (place, used) in &recount.aircraft {
            let mut places = self.book.aircraft.iter();
            let known = places.any(|a| (a.leg, a.cabin.letter()) == *place);
            assert!(
                known,
                "{key}: {used} seats in aircraft {place:?}, which has no record"
            );
        }
        let taking = self.holds.iter().filter(|h| h.state.takes_seats());
        let seats: u32 = taking.map(|h| u32::from(h.seats)).sum();
        assert_eq!(self.seats, seats, "{key}: seats in all");
        assert!(seats <= FLIGHT_SEATS_MAX, "{key}: too many seats");
        assert_eq!(
            self.is_codeshare,
            self.book.operating.is_some(),
            "{key}: codeshare"
        );
        assert_eq!(
            self.has_restrictions,
            !self.book.restricted.is_empty(),
            "{key}: restrictions"
        );
        assert_eq!(
            self.first_provider, self.book.providers[0].code,
            "{key}: first provider"
        );
        assert_eq!(
            self.departs_ms,
            self.book.legs[0].times.departs_s * 1000,
            "{key}: departure"
        );
        assert_eq!(self.segment(None, None), Some(self.whole), "{key}: whole");
        let stations = (self.whole.board, self.whole.off);
        let last = self.book.legs.len() - 1;
        assert_eq!(
            stations,
            (self.book.legs[0].board, self.book.legs[last].off),
            "{key}: stations"
        );
        assert_eq!(usize::from(self.whole.last), last, "{key}: legs");
        if self.cancelled {
            assert_eq!(self.live, 0, "{key}: cancelled, and holds are live");
            assert_eq!(self.waiting, 0, "{key}: cancelled, and holds wait");
        }
    }

    fn check_ids(&self) {
        let key = self.key;
        for (at, hold) in self.holds.iter().enumerate() {
            let found = self.look_up(mix::hash_id(hold.id), hold.id);
            assert_eq!(
                found,
                Some(Found::Hold(at as u32)),
                "{key}: hold {}",
                hold.id
            );
            if hold.state == HoldState::Held {
                assert!(
                    hold.segment.is_flown(),
                    "{key}: live hold {} has no legs",
                    hold.id
                );
                let sells = self.book.providers[hold.provider as usize].sells;
                assert!(
                    sells,
                    "{key}: live hold {} of a provider that does not sell",
                    hold.id
                );
            }
            if hold.acknowledged != NO_MEMO {
                let at = hold.acknowledged as usize;
                assert!(
                    at < self.memos.len(),
                    "{key}: acknowledgement of {}",
                    hold.id
                );
            }
        }
        for (at, memo) in self.memos.iter().enumerate() {
            let found = self.look_up(mix::hash_id(memo.id), memo.id);
            assert_eq!(found, Some(Found::Memo(at as u32)), "{key}: id {}", memo.id);
        }
    }

    fn check_providers(&self, recount: &Recount) {
        let key = self.key;
        let mut rows = self.book.aircraft.len();
        for (provider_at, provider) in self.book.providers.iter().enumerate() {
            let code = provider.code;
            let index = provider_at as u32;
            assert_eq!(
                self.provider_at(code),
                Some(provider_at),
                "{key}: {code} twice"
            );
            let mut places = provider.cabins.windows(2);
            let sorted = places.all(|p| (p[0].leg, p[0].cabin) < (p[1].leg, p[1].cabin));
            assert!(sorted, "{key} {code}: cabins out of order");
            for cabin in &provider.cabins {
                rows += 1 + cabin.nest.len() + cabin.strays.len();
                self.check_cabin(index, provider, cabin, recount);
            }
            for (bucket, limit) in &provider.segments {
                let tally = recount.segments.get(&(index, *bucket)).copied();
                let tally = tally.unwrap_or_default();
                assert_eq!(limit.tally, tally, "{key} {code} {bucket:?}: seats");
            }
        }
        assert_eq!(self.shelf.rows().len(), rows, "{key}: rows");
        assert_eq!(
            self.providers as usize,
            self.book.providers.len(),
            "{key}: providers"
        );
        let has_limits = self.book.providers.iter().any(|p| !p.segments.is_empty());
        assert_eq!(self.has_limits, has_limits, "{key}: exact-segment limits");
        for ((provider, leg, cabin), tally) in &recount.cabins {
            let provider = &self.book.providers[*provider as usize];
            let known = provider
                .cabins
                .iter()
                .any(|c| (c.leg, c.cabin.letter()) == (*leg, *cabin));
            assert!(known, "{key} {}: {tally:?} without a cabin", provider.code);
        }
        for ((provider, leg, cabin, class), tally) in &recount.classes {
            let provider = &self.book.providers[*provider as usize];
            let mut cabins = provider.cabins.iter();
            let known = cabins
                .find(|c| (c.leg, c.cabin.letter()) == (*leg, *cabin))
                .is_some_and(|c| {
                    let mut classes = c.nest.iter().chain(&c.strays);
                    classes.any(|found| found.class.letter() == *class)
                });
            assert!(known, "{key} {}: {tally:?} without a class", provider.code);
        }
    }

    fn check_cabin(
        &self,
        provider_at: u32,
        provider: &Provider,
        cabin: &BookCabin,
        recount: &Recount,
    ) {
        let (leg, letter) = (cabin.leg, cabin.cabin.letter());
        let place = format!(
            "{} {} leg {leg} cabin {}",
            self.key, provider.code, cabin.cabin
        );
        let on_shelf = |bound: i64| i32::try_from(bound).unwrap_or(UNBOUND);
        assert!(
            usize::from(leg) < self.book.legs.len(),
            "{place}: no such leg"
        );
        let at = self.shelf.row_of(provider_at, leg, cabin.cabin);
        assert_eq!(at, Some(cabin.row as usize), "{place}: row");
        let row = &self.shelf.rows()[cabin.row as usize];
        let allowance = provider.allowance(cabin.cabin);
        assert_eq!(row.allowance, allowance, "{place}: terms");
        let bound = match cabin.authorised {
            NO_BOUND => NO_BOUND,
            authorised => authorised + i64::from(allowance),
        };
        assert_eq!(row.bound, on_shelf(bound), "{place}: bound");
        let mut aircraft = self.book.aircraft.iter();
        let aircraft = aircraft.find(|a| (a.leg, a.cabin) == (leg, cabin.cabin));
        let aircraft = aircraft.map(|a| a.row);
        assert_eq!(aircraft, Some(u32::from(row.aircraft)), "{place}: aircraft");
        let bucket = recount.cabins.get(&(provider_at, leg, letter));
        let bucket = bucket.copied().unwrap_or_default();
        let seats = |held: i32, sold: i32, acknowledged| Tally {
            held: i64::from(held),
            sold: i64::from(sold),
            acknowledged,
        };
        let counted = seats(row.held, row.sold, cabin.acknowledged);
        assert_eq!(counted, bucket, "{place}: seats");
        assert_eq!(row.used, row.held + row.sold, "{place}: used");
        assert_eq!(
            self.shelf.nest_of(cabin.row as usize).len(),
            cabin.nest.len(),
            "{place}: nest"
        );
        let mut used = 0;
        let classes = cabin.strays.iter().rev().chain(cabin.nest.iter().rev());
        for (i, class) in classes.enumerate() {
            let name = class.class;
            let row = &self.shelf.rows()[class.row as usize];
            let bucket = (provider_at, leg, letter, name.letter());
            let bucket = recount.classes.get(&bucket).copied().unwrap_or_default();
            let counted = seats(row.held, row.sold, class.acknowledged);
            assert_eq!(counted, bucket, "{place} class {name}: seats");
            if i >= cabin.strays.len() {
                used += row.held + row.sold;
                assert_eq!(row.used, used, "{place} class {name}: nested seats");
                assert_eq!(
                    row.bound,
                    on_shelf(class.limit),
                    "{place} class {name}: limit"
                );
            } else {
                assert!(
                    cabin.class_at(name).is_none(),
                    "{place} class {name}: twice"
                );
            }
        }
    }

    /// No live hold is in a bucket that is used beyond its bound: what is beyond is sales alone.
    fn check_no_oversell(&self) {
        for hold in self.holds.iter().filter(|h| h.state == HoldState::Held) {
            let excess = self.uses_excess(hold);
            assert!(
                !excess,
                "{}: live hold {} is beyond a bound",
                self.key, hold.id
            );
        }
    }
}
