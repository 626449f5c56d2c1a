//! Seats of one provider on one flight: cabins on legs, nested classes, limits on exact segments.
//!
//! A *bound* is the most seats that may be used in a bucket; [`NO_BOUND`] where nothing was stated.
//! Counters are `i64`: sales stay when bounds are lowered and raised again, so no bound limits them.

use std::collections::BTreeMap;

use crate::codes::{Cabin, Class, Money, ProviderCode, Station};
use crate::command::{Counts, SaleStatus, SourceVersion};
use crate::record::Segment;

/// Nothing stated.
pub(crate) const NO_BOUND: i64 = i64::MAX;

/// Seats by what they are to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Of live holds.
    pub(crate) held: i64,
    /// Of sales.
    pub(crate) sold: i64,
    /// Of those sales that the provider has acknowledged.
    pub(crate) acknowledged: i64,
}

impl Tally {
    #[inline(always)]
    pub(crate) const fn used(&self) -> i64 {
        self.held + self.sold
    }

    #[inline(always)]
    pub(crate) const fn add(&mut self, other: &Tally) {
        self.held += other.held;
        self.sold += other.sold;
        self.acknowledged += other.acknowledged;
    }
}

/// What was last said about a bucket, beside its bound and status.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    /// Version of the availability that last touched the bucket.
    pub(crate) version: Option<SourceVersion>,
    /// Offset of the last `Remaining` count, if that is what the bound comes from.
    pub(crate) remaining_at: Option<u64>,
    /// The last count, beside what was expected.
    pub(crate) drift: Option<Drift>,
}

/// See [`DriftLine`](crate::DriftLine).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drift {
    pub(crate) counts: Counts,
    pub(crate) reported: i32,
    pub(crate) expected: Option<i64>,
    pub(crate) offset: u64,
    pub(crate) at_ms: i64,
}

/// A provider's cabin on a leg. The first cache line is what a hold reads and writes.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct CabinSeats {
    pub(crate) leg: u8,
    pub(crate) cabin: Cabin,
    pub(crate) status: SaleStatus,
    pub(crate) is_floor: bool,
    /// The provider has the cabin. Otherwise sales only happen to use it, since the route changed.
    pub(crate) known: bool,
    /// The provider's overbooking allowance for the cabin.
    pub(crate) allowance: u16,
    /// Index in [`Flight::aircraft`](crate::Flight).
    pub(crate) aircraft: u32,
    pub(crate) authorised: i64,
    pub(crate) held: i64,
    pub(crate) sold: i64,
    /// Classes in nesting order.
    pub(crate) nest: Vec<Nested>,
    pub(crate) acknowledged: i64,
    /// The same classes: what is seldom needed.
    pub(crate) classes: Vec<ClassSeats>,
    /// Sales in classes that are not in the nest.
    pub(crate) strays: Vec<(Class, Tally)>,
    pub(crate) report: Report,
}

/// A class in its nest: what every hold in it or in a class after it reads and writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nested {
    pub(crate) class: Class,
    pub(crate) status: SaleStatus,
    pub(crate) is_floor: bool,
    pub(crate) limit: i64,
    /// Seats used by the class and all nested after it.
    pub(crate) used: i64,
}

/// The rest of a class.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClassSeats {
    /// Of exactly this class.
    pub(crate) tally: Tally,
    pub(crate) report: Report,
}

/// A provider's limit on an exact segment, for a cabin or a class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentLimit {
    pub(crate) status: SaleStatus,
    pub(crate) is_floor: bool,
    pub(crate) bound: i64,
    pub(crate) tally: Tally,
    pub(crate) report: Report,
}

/// A price with its version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PricedFare {
    pub(crate) price: Money,
    pub(crate) version: SourceVersion,
}

/// Identity of an exact-segment limit or a fare: stations (absent = whole flight), cabin, class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentKey(u64);

impl SegmentKey {
    #[inline(always)]
    pub(crate) fn new(
        stations: Option<(Station, Station)>,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Self {
        let three = |s: Station| {
            let [a, b, c] = s.bytes();
            u64::from(a) << 16 | u64::from(b) << 8 | u64::from(c)
        };
        let segment = stations.map_or(0, |(board, off)| three(board) << 24 | three(off));
        let class = class.map_or(0, |class| u64::from(class.letter()));
        Self(segment << 16 | u64::from(cabin.letter()) << 8 | class)
    }

    /// The stations, unless it is about the whole flight.
    pub(crate) fn stations(self) -> Option<(Station, Station)> {
        let [a, b, c, d, e, f, _, _] = self.0.to_be_bytes();
        let board = Station::from_bytes([a, b, c]).ok()?;
        Some((board, Station::from_bytes([d, e, f]).ok()?))
    }

    /// The cabin and class.
    pub(crate) fn cabin_class(self) -> (Option<Cabin>, Option<Class>) {
        let [.., cabin, class] = self.0.to_be_bytes();
        (Cabin::new(cabin).ok(), Class::new(class).ok())
    }

    pub(crate) const fn raw(self) -> u64 {
        self.0
    }
}

/// A provider on a flight.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Provider {
    pub(crate) code: ProviderCode,
    /// It has not cancelled or withdrawn the flight.
    pub(crate) sells: bool,
    /// Some fare names its segment.
    pub(crate) segment_fares: bool,
    /// (leg, cabin) of the first cabins, so that one is found without touching the others.
    directory: [u16; Provider::DIRECTORY],
    /// Sorted by (leg, cabin).
    pub(crate) cabins: Vec<CabinSeats>,
    pub(crate) fares: BTreeMap<SegmentKey, PricedFare>,
    pub(crate) segments: BTreeMap<SegmentKey, SegmentLimit>,
    /// Overbooking allowances.
    pub(crate) allowances: Vec<(Cabin, u16)>,
    pub(crate) timing: Option<SourceVersion>,
    pub(crate) equipment: Option<SourceVersion>,
    pub(crate) status: Option<SourceVersion>,
    pub(crate) terms: Option<SourceVersion>,
}

/// A cabin in a leg's aircraft.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AircraftCabin {
    pub(crate) leg: u8,
    pub(crate) cabin: Cabin,
    /// The owner has named it on this leg.
    pub(crate) named: bool,
    /// Absent = unknown.
    pub(crate) seats: Option<u16>,
    /// Seats used, over all providers.
    pub(crate) used: i64,
}

impl CabinSeats {
    /// A new cabin without a count.
    pub(crate) fn new(leg: u8, cabin: Cabin, allowance: u16, known: bool) -> Self {
        Self {
            leg,
            cabin,
            status: SaleStatus::Open,
            is_floor: false,
            known,
            allowance,
            aircraft: u32::MAX,
            authorised: NO_BOUND,
            held: 0,
            sold: 0,
            nest: Vec::new(),
            acknowledged: 0,
            classes: Vec::new(),
            strays: Vec::new(),
            report: Report::default(),
        }
    }

    #[inline(always)]
    pub(crate) const fn used(&self) -> i64 {
        self.held + self.sold
    }

    pub(crate) const fn tally(&self) -> Tally {
        Tally {
            held: self.held,
            sold: self.sold,
            acknowledged: self.acknowledged,
        }
    }

    /// The cabin's bound with the allowance.
    #[inline(always)]
    pub(crate) const fn bound(&self) -> i64 {
        if self.authorised == NO_BOUND {
            NO_BOUND
        } else {
            self.authorised + self.allowance as i64
        }
    }

    #[inline(always)]
    pub(crate) fn class_at(&self, class: Class) -> Option<usize> {
        self.nest.iter().position(|nested| nested.class == class)
    }

    /// Adds a class at the end of the nest; sales that strayed into it count from now on.
    pub(crate) fn add_class(&mut self, class: Class, limit: i64) -> usize {
        let tally = match self.strays.iter().position(|(stray, _)| *stray == class) {
            Some(at) => self.strays.swap_remove(at).1,
            None => Tally::default(),
        };
        self.nest.push(Nested {
            class,
            status: SaleStatus::Open,
            is_floor: false,
            limit,
            used: 0,
        });
        self.classes.push(ClassSeats {
            tally,
            report: Report::default(),
        });
        self.sum_nest();
        self.nest.len() - 1
    }

    /// Works out what classes use together, after the nest or its seats changed.
    pub(crate) fn sum_nest(&mut self) {
        let mut used = 0;
        for (nested, class) in self.nest.iter_mut().zip(&self.classes).rev() {
            used += class.tally.used();
            nested.used = used;
        }
    }

    /// The acknowledged sales that use the bucket of the class at `at`.
    pub(crate) fn acknowledged_from(&self, at: usize) -> i64 {
        let after = self.classes[at..].iter();
        after.map(|class| class.tally.acknowledged).sum()
    }

    /// Counts seats in the cabin and its classes.
    #[inline(always)]
    pub(crate) fn count(&mut self, class: Option<Class>, change: &Tally) {
        self.held += change.held;
        self.sold += change.sold;
        if change.acknowledged != 0 {
            self.acknowledged += change.acknowledged;
        }
        let Some(class) = class else { return };
        match self.class_at(class) {
            Some(at) => {
                self.classes[at].tally.add(change);
                let used = change.used();
                if used != 0 {
                    for nested in &mut self.nest[..=at] {
                        nested.used += used;
                    }
                }
            }
            None => self.count_stray(class, change),
        }
    }

    #[cold]
    fn count_stray(&mut self, class: Class, change: &Tally) {
        match self.strays.iter_mut().find(|(stray, _)| *stray == class) {
            Some((_, tally)) => tally.add(change),
            None => self.strays.push((class, *change)),
        }
        self.strays.retain(|(_, tally)| *tally != Tally::default());
    }

    /// Takes a counted sale's seats off the bounds of the buckets it uses, where the last count was
    /// a remaining one that knew of it.
    pub(crate) fn lower_bounds(&mut self, class: Option<Class>, acknowledged_at: u64, seats: i64) {
        let knew = |report: &Report| report.remaining_at.is_some_and(|at| at > acknowledged_at);
        if knew(&self.report) && self.authorised != NO_BOUND {
            self.authorised -= seats;
        }
        if let Some(at) = class.and_then(|class| self.class_at(class)) {
            for (nested, class) in self.nest[..=at].iter_mut().zip(&self.classes) {
                if knew(&class.report) && nested.limit != NO_BOUND {
                    nested.limit -= seats;
                }
            }
        }
    }

    /// Forgets all counted seats, before they are counted anew.
    pub(crate) fn clear_tallies(&mut self) {
        (self.held, self.sold, self.acknowledged) = (0, 0, 0);
        self.strays.clear();
        for (nested, class) in self.nest.iter_mut().zip(&mut self.classes) {
            nested.used = 0;
            class.tally = Tally::default();
        }
    }
}

impl SegmentLimit {
    /// Open and without a bound.
    pub(crate) fn new(tally: Tally) -> Self {
        Self {
            status: SaleStatus::Open,
            is_floor: false,
            bound: NO_BOUND,
            tally,
            report: Report::default(),
        }
    }
}

impl Provider {
    const DIRECTORY: usize = 16;

    pub(crate) fn new(code: ProviderCode) -> Self {
        Self {
            code,
            sells: true,
            segment_fares: false,
            directory: [0; Self::DIRECTORY],
            cabins: Vec::new(),
            fares: BTreeMap::new(),
            segments: BTreeMap::new(),
            allowances: Vec::new(),
            timing: None,
            equipment: None,
            status: None,
            terms: None,
        }
    }

    const fn entry(leg: u8, cabin: Cabin) -> u16 {
        (leg as u16) << 8 | cabin.letter() as u16
    }

    /// Index of a cabin, known or not.
    #[inline(always)]
    pub(crate) fn cabin_at(&self, leg: u8, cabin: Cabin) -> Option<usize> {
        let entry = Self::entry(leg, cabin);
        let first = self.cabins.len().min(Self::DIRECTORY);
        match self.directory[..first].iter().position(|e| *e == entry) {
            None if self.cabins.len() > Self::DIRECTORY => {
                let rest = self.cabins[Self::DIRECTORY..].iter();
                rest.into_iter()
                    .position(|c| c.leg == leg && c.cabin == cabin)
                    .map(|at| at + Self::DIRECTORY)
            }
            found => found,
        }
    }

    /// A cabin that the provider has.
    #[inline(always)]
    pub(crate) fn cabin(&self, leg: u8, cabin: Cabin) -> Option<&CabinSeats> {
        let cabin = &self.cabins[self.cabin_at(leg, cabin)?];
        cabin.known.then_some(cabin)
    }

    pub(crate) fn allowance(&self, cabin: Cabin) -> u16 {
        let mut allowances = self.allowances.iter();
        allowances
            .find(|(named, _)| *named == cabin)
            .map_or(0, |(_, allowance)| *allowance)
    }

    /// Replaces the allowances as a whole.
    pub(crate) fn set_allowances(&mut self, allowances: &[(Cabin, u16)]) {
        self.allowances = allowances.to_vec();
        self.allowances.sort_unstable();
        for at in 0..self.cabins.len() {
            self.cabins[at].allowance = self.allowance(self.cabins[at].cabin);
        }
    }

    /// Index of a cabin, made when it is not there. Told apart by the flag: the aircraft's cabins
    /// must then be linked again.
    pub(crate) fn cabin_or_new(&mut self, leg: u8, cabin: Cabin, known: bool) -> (usize, bool) {
        if let Some(at) = self.cabin_at(leg, cabin) {
            self.cabins[at].known |= known;
            return (at, false);
        }
        let seats = CabinSeats::new(leg, cabin, self.allowance(cabin), known);
        let at = self
            .cabins
            .partition_point(|c| (c.leg, c.cabin) < (leg, cabin));
        self.cabins.insert(at, seats);
        self.index_cabins();
        (at, true)
    }

    /// Rebuilds the directory after the cabins changed.
    pub(crate) fn index_cabins(&mut self) {
        self.directory = [0; Self::DIRECTORY];
        for (entry, cabin) in self.directory.iter_mut().zip(&self.cabins) {
            *entry = Self::entry(cabin.leg, cabin.cabin);
        }
    }

    /// Price of a seat on a segment, which may be the whole flight.
    #[inline(always)]
    pub(crate) fn price(
        &self,
        segment: &Segment,
        is_whole: bool,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Option<Money> {
        if self.fares.is_empty() {
            return None;
        }
        let stations = Some((segment.board, segment.off));
        let scopes = [(self.segment_fares, stations), (is_whole, None)];
        for (_, stations) in scopes.into_iter().filter(|(applies, _)| *applies) {
            let fare = |class| self.fares.get(&SegmentKey::new(stations, cabin, class));
            let found = match class {
                Some(_) => fare(class).or_else(|| fare(None)),
                None => fare(None),
            };
            if let Some(fare) = found {
                return Some(fare.price);
            }
        }
        None
    }

    /// Counts seats in the exact-segment limits, if there are any.
    #[inline(always)]
    pub(crate) fn count_segment(
        &mut self,
        segment: &Segment,
        cabin: Cabin,
        class: Option<Class>,
        change: &Tally,
    ) {
        if self.segments.is_empty() {
            return;
        }
        for_each_limit(&mut self.segments, segment, cabin, class, |limit| {
            limit.tally.add(change);
        });
    }
}

/// Visits the exact-segment limits that seats on a segment use.
pub(crate) fn for_each_limit(
    segments: &mut BTreeMap<SegmentKey, SegmentLimit>,
    segment: &Segment,
    cabin: Cabin,
    class: Option<Class>,
    mut visit: impl FnMut(&mut SegmentLimit),
) {
    let stations = Some((segment.board, segment.off));
    let classes = [None, class];
    let scopes = if class.is_some() { 2 } else { 1 };
    for class in &classes[..scopes] {
        if let Some(limit) = segments.get_mut(&SegmentKey::new(stations, cabin, *class)) {
            visit(limit);
        }
    }
}
