//! What providers said of their seats on one flight: cabins on legs, nested classes, limits on exact
//! segments, prices. How many seats are used stands on the [shelf](crate::shelf), which is made from
//! the book whenever the book changes.
//!
//! A *bound* is the most seats that may be used in a bucket; [`NO_BOUND`] where nothing was stated.

use std::collections::BTreeMap;

use crate::codes::{Cabin, Class, FlightKey, Money, ProviderCode, Station};
use crate::command::{Counts, SaleStatus, SourceVersion};
use crate::outcome::Outcome;
use crate::record::Segment;
use crate::seller::Pause;
use crate::shelf::NO_ROW;
use crate::view::LegView;
use crate::waiting::Waitlist;

/// Nothing stated.
pub(crate) const NO_BOUND: i64 = i64::MAX;

/// What providers said of a flight, and whatever else is seldom read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) legs: Vec<LegView>,
    pub(crate) restricted: Vec<(Station, Station)>,
    pub(crate) providers: Vec<Provider>,
    pub(crate) aircraft: Vec<AircraftCabin>,
    /// The authority by which the owner owns the flight.
    pub(crate) authority: u8,
    /// Index of the owner in `providers`.
    pub(crate) owner: u32,
    pub(crate) operating: Option<FlightKey>,
    pub(crate) quality: u32,
    /// Offset and outcome of the commands whose memo has no room for them.
    pub(crate) answers: BTreeMap<u32, (u64, Outcome)>,
    /// Absent = no hold ever waited.
    pub(crate) waitlist: Option<Box<Waitlist>>,
}

impl Book {
    /// Gives back the room by which lists grew. They are made once or twice in a flight's life, and there
    /// may be millions of flights.
    pub(crate) fn fit(&mut self) {
        self.legs.shrink_to_fit();
        self.restricted.shrink_to_fit();
        self.aircraft.shrink_to_fit();
        self.providers.shrink_to_fit();
        for provider in &mut self.providers {
            provider.allowances.shrink_to_fit();
            provider.cabins.shrink_to_fit();
            for cabin in &mut provider.cabins {
                cabin.nest.shrink_to_fit();
                cabin.strays.shrink_to_fit();
            }
        }
    }
}

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
    pub(crate) const fn used(&self) -> i64 {
        self.held + self.sold
    }

    pub(crate) const fn add(&mut self, other: &Tally) {
        self.held += other.held;
        self.sold += other.sold;
        self.acknowledged += other.acknowledged;
    }
}

/// What was last said about a bucket, beside its bound and status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// Version of the availability that last touched the bucket.
    pub(crate) version: Option<SourceVersion>,
    /// Offset of the last `Remaining` count, if that is what the bound comes from.
    pub(crate) remaining_at: Option<u64>,
    /// The last count, beside what was expected.
    pub(crate) drift: Option<Drift>,
    /// When what was said does not hold any more; [`NEVER`] when it holds for good, [`LAPSED`] when it
    /// does not by now.
    pub(crate) lapses_ms: i64,
}

/// What was said holds for good.
const NEVER: i64 = i64::MAX;

/// What was said does not hold any more.
const LAPSED: i64 = i64::MIN;

impl Default for Report {
    fn default() -> Self {
        Self {
            version: None,
            remaining_at: None,
            drift: None,
            lapses_ms: NEVER,
        }
    }
}

impl Report {
    /// Did the count behind the bound know of a sale that was acknowledged at that offset?
    pub(crate) fn knew(&self, acknowledged_at: u64) -> bool {
        self.remaining_at.is_some_and(|at| at > acknowledged_at)
    }

    /// Something was said that holds until then; absent = for good.
    pub(crate) fn holds_until(&mut self, expires_ms: Option<i64>, clock_ms: i64) {
        self.lapses_ms = expires_ms.unwrap_or(NEVER);
        self.lapse(clock_ms);
    }

    /// Lapses if it is time. Gives whether it did now.
    pub(crate) fn lapse(&mut self, clock_ms: i64) -> bool {
        let is_due = self.lapses_ms <= clock_ms && self.lapses_at().is_some();
        if is_due {
            self.lapses_ms = LAPSED;
        }
        is_due
    }

    /// What was said does not hold any more.
    pub(crate) fn end(&mut self) {
        self.lapses_ms = LAPSED;
    }

    /// When it will lapse, if it will.
    pub(crate) fn lapses_at(&self) -> Option<i64> {
        let holds = self.lapses_ms != NEVER && self.lapses_ms != LAPSED;
        holds.then_some(self.lapses_ms)
    }

    pub(crate) const fn has_lapsed(&self) -> bool {
        self.lapses_ms == LAPSED
    }
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

/// A provider's cabin on a leg.
#[derive(Clone, Debug)]
pub(crate) struct BookCabin {
    pub(crate) leg: u8,
    pub(crate) cabin: Cabin,
    pub(crate) status: SaleStatus,
    pub(crate) is_floor: bool,
    /// The provider has the cabin. Otherwise sales only happen to use it, since the route changed.
    pub(crate) known: bool,
    /// On the shelf.
    pub(crate) row: u32,
    pub(crate) authorised: i64,
    /// Seats of acknowledged sales.
    pub(crate) acknowledged: i64,
    pub(crate) report: Report,
    /// Classes in nesting order.
    pub(crate) nest: Vec<BookClass>,
    /// Classes that are not in the nest, though sales use them.
    pub(crate) strays: Vec<BookClass>,
}

/// A booking class in a cabin on a leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookClass {
    pub(crate) class: Class,
    pub(crate) status: SaleStatus,
    pub(crate) is_floor: bool,
    /// On the shelf.
    pub(crate) row: u32,
    pub(crate) limit: i64,
    /// Seats of acknowledged sales of exactly this class.
    pub(crate) acknowledged: i64,
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

/// A cabin in a leg's aircraft.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AircraftCabin {
    pub(crate) leg: u8,
    pub(crate) cabin: Cabin,
    /// The owner has named it on this leg.
    pub(crate) named: bool,
    /// Absent = unknown.
    pub(crate) seats: Option<u16>,
    /// On the shelf.
    pub(crate) row: u32,
}

/// A provider on a flight.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) code: ProviderCode,
    /// It has not cancelled or withdrawn the flight.
    pub(crate) sells: bool,
    /// Why it sells nothing at all for now.
    pub(crate) pause: Option<Pause>,
    /// Sorted by (leg, cabin).
    pub(crate) cabins: Vec<BookCabin>,
    pub(crate) fares: BTreeMap<SegmentKey, PricedFare>,
    pub(crate) segments: BTreeMap<SegmentKey, SegmentLimit>,
    /// Overbooking allowances, by cabin.
    pub(crate) allowances: Vec<(Cabin, u16)>,
    pub(crate) timing: Option<SourceVersion>,
    pub(crate) equipment: Option<SourceVersion>,
    pub(crate) status: Option<SourceVersion>,
    pub(crate) terms: Option<SourceVersion>,
}

/// Identity of an exact-segment limit or a fare: stations (absent = whole flight), cabin, class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentKey(u64);

impl SegmentKey {
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

    /// The buckets or fares that seats on a segment are about: that of the cabin, that of the class.
    pub(crate) fn both(
        segment: &Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) -> impl Iterator<Item = Self> {
        let stations = Some((segment.board, segment.off));
        let of_class = class.map(|class| Self::new(stations, cabin, Some(class)));
        std::iter::once(Self::new(stations, cabin, None)).chain(of_class)
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

    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(self) -> u64 {
        self.0
    }
}

impl BookClass {
    fn new(class: Class, limit: i64) -> Self {
        Self {
            class,
            status: SaleStatus::Open,
            is_floor: false,
            row: NO_ROW,
            limit,
            acknowledged: 0,
            report: Report::default(),
        }
    }
}

impl BookCabin {
    /// A new cabin without a count.
    fn new(leg: u8, cabin: Cabin, known: bool) -> Self {
        Self {
            leg,
            cabin,
            status: SaleStatus::Open,
            is_floor: false,
            known,
            row: NO_ROW,
            authorised: NO_BOUND,
            acknowledged: 0,
            report: Report::default(),
            nest: Vec::new(),
            strays: Vec::new(),
        }
    }

    pub(crate) fn class_at(&self, class: Class) -> Option<usize> {
        self.nest.iter().position(|nested| nested.class == class)
    }

    /// Index of a class, made at the end of the nest when it is not there; sales that strayed into
    /// it count from now on.
    pub(crate) fn class_or_new(&mut self, class: Class) -> usize {
        self.class_at(class).unwrap_or_else(|| {
            let stray = self.strays.iter().position(|stray| stray.class == class);
            let class = match stray {
                Some(at) => self.strays.remove(at),
                None => BookClass::new(class, NO_BOUND),
            };
            self.nest.push(class);
            self.nest.len() - 1
        })
    }

    /// A sale uses the class: makes sure that there is a place to count it.
    pub(crate) fn allow_stray(&mut self, class: Class) {
        let mut strays = self.strays.iter();
        if self.class_at(class).is_none() && !strays.any(|stray| stray.class == class) {
            self.strays.push(BookClass::new(class, NO_BOUND));
        }
    }

    /// Counts acknowledged seats.
    pub(crate) fn acknowledge(&mut self, class: Option<Class>, seats: i64) {
        self.acknowledged += seats;
        let mut classes = self.nest.iter_mut().chain(&mut self.strays);
        if let Some(found) = classes.find(|found| Some(found.class) == class) {
            found.acknowledged += seats;
        }
    }

    /// The acknowledged sales that use the bucket of the class at `at`.
    pub(crate) fn acknowledged_from(&self, at: usize) -> i64 {
        self.nest[at..].iter().map(|class| class.acknowledged).sum()
    }

    /// The legs of the flight changed: everything is counted anew.
    pub(crate) fn forget_counts(&mut self) {
        self.row = NO_ROW;
        self.acknowledged = 0;
        self.strays.clear();
        for class in &mut self.nest {
            class.row = NO_ROW;
            class.acknowledged = 0;
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
    pub(crate) fn new(code: ProviderCode) -> Self {
        Self {
            code,
            sells: true,
            pause: None,
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

    /// Index of a cabin, known or not; or where it would be.
    pub(crate) fn cabin_at(&self, leg: u8, cabin: Cabin) -> Result<usize, usize> {
        self.cabins
            .binary_search_by_key(&(leg, cabin), |c| (c.leg, c.cabin))
    }

    /// A cabin that the provider has.
    pub(crate) fn cabin(&self, leg: u8, cabin: Cabin) -> Option<&BookCabin> {
        let cabin = &self.cabins[self.cabin_at(leg, cabin).ok()?];
        cabin.known.then_some(cabin)
    }

    /// Index of a cabin, made when it is not there. `known`: the provider has it, it is not only
    /// that sales use it.
    pub(crate) fn cabin_or_new(&mut self, leg: u8, cabin: Cabin, known: bool) -> usize {
        match self.cabin_at(leg, cabin) {
            Ok(at) => {
                self.cabins[at].known |= known;
                at
            }
            Err(at) => {
                self.cabins.insert(at, BookCabin::new(leg, cabin, known));
                at
            }
        }
    }

    pub(crate) fn allowance(&self, cabin: Cabin) -> u16 {
        let mut allowances = self.allowances.iter();
        allowances
            .find(|(named, _)| *named == cabin)
            .map_or(0, |(_, allowance)| *allowance)
    }

    /// Price of a seat on a segment, which may be the whole flight.
    pub(crate) fn price(
        &self,
        segment: &Segment,
        is_whole: bool,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Option<Money> {
        let exact = Some((segment.board, segment.off));
        let fare = |stations, class| self.fares.get(&SegmentKey::new(stations, cabin, class));
        let in_scope = |stations| {
            let of_class = class.and_then(|class| fare(stations, Some(class)));
            of_class.or_else(|| fare(stations, None))
        };
        let whole = || if is_whole { in_scope(None) } else { None };
        in_scope(exact).or_else(whole).map(|fare| fare.price)
    }

    /// Price of a seat on the whole flight, where no fare names its stations.
    pub(crate) fn flight_price(&self, cabin: Cabin, class: Option<Class>) -> Option<Money> {
        let fare = |class| self.fares.get(&SegmentKey::new(None, cabin, class));
        let of_class = class.and_then(|class| fare(Some(class)));
        of_class.or_else(|| fare(None)).map(|fare| fare.price)
    }
}
