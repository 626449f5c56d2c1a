//! What is sold from: the book's bounds and statuses beside the seats used, in flat rows.
//!
//! A hold reads and writes a handful of neighbouring bytes here and nothing of the book. A cabin's
//! row is followed by those of its classes in nesting order, then by those of its strays. The rows of
//! the aircraft come first.

use crate::book::{NO_BOUND, SegmentKey, Tally};
use crate::codes::{Cabin, Class, Money};
use crate::command::SaleStatus;
use crate::flight::Flight;
use crate::record::{PackedMoney, Take};

/// Not on the shelf yet.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// No bound, on the shelf.
pub(crate) const UNBOUND: i32 = i32::MAX;

/// The most seats that holds and sales of one flight can take together. It keeps every count, and
/// every sum of counts and bounds, within 32 bits; no aircraft comes near it.
pub(crate) const FLIGHT_SEATS_MAX: u32 = 1_000_000_000;

/// A bucket: an aircraft's cabin on a leg, a provider's, or a class.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Row {
    /// With the provider's allowance for its cabin; without for the aircraft's and for classes.
    pub(crate) bound: i32,
    /// Seats used: by the cabin, or by the class and all nested after it.
    pub(crate) used: i32,
    /// Of live holds, of exactly this class.
    pub(crate) held: i32,
    /// Of sales, of exactly this class.
    pub(crate) sold: i32,
    /// Allowance of the provider for its cabin; of the aircraft's cabin the largest of any.
    pub(crate) allowance: u16,
    /// Row of the aircraft's cabin.
    pub(crate) aircraft: u16,
    /// Class letter; 0 for a cabin.
    class: u8,
    /// How many classes are in the nest, and then how many strays.
    nested: u8,
    strays: u8,
    /// [`Row::OPEN`] and the like.
    flags: u8,
}

/// Where a provider's cabin on a leg is.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    provider: u32,
    leg: u8,
    cabin: u8,
    row: u32,
}

/// The places of a flight's cabins, the first of them at hand.
#[derive(Clone, Default)]
pub(crate) struct Places {
    near: [Place; Places::NEAR],
    all: Vec<Place>,
}

impl Places {
    const NEAR: usize = 4;

    fn set(&mut self, places: Vec<Place>) {
        // No provider has this index: an empty place is never found.
        self.near = [Place {
            provider: u32::MAX,
            ..Place::default()
        }; Self::NEAR];
        for (near, place) in self.near.iter_mut().zip(&places) {
            *near = *place;
        }
        self.all = places;
    }

    /// The row of a cabin, known or not.
    #[inline(always)]
    pub(crate) fn find(&self, provider: u32, leg: u8, cabin: Cabin) -> Option<usize> {
        let letter = cabin.letter();
        let is = |p: &Place| p.provider == provider && p.leg == leg && p.cabin == letter;
        for place in &self.near {
            if is(place) {
                return Some(place.row as usize);
            }
        }
        if self.all.len() <= Self::NEAR {
            return None;
        }
        let key = (provider, leg, letter);
        let at = self
            .all
            .binary_search_by_key(&key, |p| (p.provider, p.leg, p.cabin));
        at.ok().map(|at| self.all[at].row as usize)
    }
}

/// A request against one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnLeg {
    UnknownCabin,
    UnknownClass,
    Closed,
    /// With the row whose price it is.
    Open(usize),
}

/// The least of some bounds.
pub(crate) struct Least<const FLOOR: bool> {
    pub(crate) seats: i64,
    /// Every bound that gives the least is a floor. Only worked out with `FLOOR`.
    pub(crate) is_floor: bool,
}

impl<const FLOOR: bool> Least<FLOOR> {
    pub(crate) const NONE: Self = Self {
        seats: i64::MAX,
        is_floor: true,
    };

    #[inline(always)]
    pub(crate) fn bound(&mut self, seats: i64, is_floor: bool) {
        if FLOOR {
            if seats < self.seats {
                self.is_floor = is_floor;
            } else if seats == self.seats {
                self.is_floor &= is_floor;
            }
        }
        self.seats = self.seats.min(seats);
    }
}

impl Row {
    /// It is for sale.
    const OPEN: u8 = 1;
    /// Its bound is a floor.
    const FLOOR: u8 = 2;
    /// The provider has the cabin.
    const KNOWN: u8 = 4;

    fn new(bound: i64) -> Self {
        Self {
            bound: on_shelf(bound),
            used: 0,
            held: 0,
            sold: 0,
            allowance: 0,
            aircraft: 0,
            class: 0,
            nested: 0,
            strays: 0,
            flags: 0,
        }
    }

    fn set(&mut self, flag: u8, is_set: bool) {
        self.flags = if is_set {
            self.flags | flag
        } else {
            self.flags & !flag
        };
    }

    #[inline(always)]
    const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Used beyond its bound?
    pub(crate) fn exceeds(&self) -> bool {
        self.bound != UNBOUND && self.used > self.bound.max(0)
    }

    /// The aircraft is used beyond its seats and the largest allowance?
    pub(crate) const fn aircraft_exceeds(&self) -> bool {
        self.bound != UNBOUND && self.used > self.bound + self.allowance as i32
    }
}

/// Which of a cabin's class rows is the class's.
pub(crate) fn row_of_class(classes: &[Row], class: Class) -> Option<usize> {
    let letter = class.letter();
    classes.iter().position(|row| row.class == letter)
}

/// A bound as it stands on the shelf.
fn on_shelf(bound: i64) -> i32 {
    if bound == NO_BOUND {
        return UNBOUND;
    }
    match i32::try_from(bound) {
        Ok(bound) if bound != UNBOUND => bound,
        _ => unreachable!("a bound of {bound} seats"),
    }
}

impl Flight {
    /// The row of a provider's cabin, known or not.
    #[inline(always)]
    pub(crate) fn row_of(&self, provider: u32, leg: u8, cabin: Cabin) -> Option<usize> {
        self.places.find(provider, leg, cabin)
    }

    /// The rows of the classes in a cabin's nest.
    #[inline(always)]
    pub(crate) fn nest_of(&self, row: usize) -> &[Row] {
        &self.rows[row + 1..row + 1 + usize::from(self.rows[row].nested)]
    }

    /// Takes the bounds of one leg into account for a request.
    #[inline(always)]
    pub(crate) fn ask_leg<const FLOOR: bool>(
        &self,
        provider: u32,
        leg: u8,
        cabin: Cabin,
        class: Option<Class>,
        least: &mut Least<FLOOR>,
    ) -> OnLeg {
        let Some(at) = self.row_of(provider, leg, cabin) else {
            return OnLeg::UnknownCabin;
        };
        let row = &self.rows[at];
        if !row.is(Row::KNOWN) {
            return OnLeg::UnknownCabin;
        }
        let mut stated = row.bound != UNBOUND;
        if stated {
            least.bound(
                i64::from(row.bound) - i64::from(row.used),
                row.is(Row::FLOOR),
            );
        }
        let aircraft = &self.rows[usize::from(row.aircraft)];
        if aircraft.bound != UNBOUND {
            let bound = i64::from(aircraft.bound) + i64::from(row.allowance);
            least.bound(bound - i64::from(aircraft.used), false);
        }
        let mut open = row.is(Row::OPEN);
        let mut price_at = at;
        if let Some(class) = class {
            let letter = class.letter();
            let mut found = false;
            for (i, nested) in self.nest_of(at).iter().enumerate() {
                if nested.bound != UNBOUND {
                    stated = true;
                    let left = i64::from(nested.bound) - i64::from(nested.used);
                    least.bound(left, nested.is(Row::FLOOR));
                }
                if nested.class == letter {
                    open &= nested.is(Row::OPEN);
                    price_at = at + 1 + i;
                    found = true;
                    break;
                }
            }
            if !found {
                return OnLeg::UnknownClass;
            }
        }
        if !stated {
            least.bound(0, false);
        }
        if open {
            OnLeg::Open(price_at)
        } else {
            OnLeg::Closed
        }
    }

    /// Counts seats in every bucket that a hold or sale uses.
    #[inline(always)]
    pub(crate) fn count(&mut self, take: &Take, held: i32, sold: i32) {
        let segment = take.segment;
        if !segment.is_flown() {
            return;
        }
        for leg in segment.first..=segment.last {
            self.count_on_leg(take, leg, held, sold);
        }
        if self.has_limits {
            self.count_segment(take, held, sold);
        }
    }

    #[inline(always)]
    fn count_on_leg(&mut self, take: &Take, leg: u8, held: i32, sold: i32) {
        let Some(at) = self.row_of(take.provider, leg, take.cabin) else {
            unreachable!("seats are counted in a cabin without a row");
        };
        let used = held + sold;
        let row = &mut self.rows[at];
        row.held += held;
        row.sold += sold;
        row.used += used;
        let (aircraft, nested, strays) = (row.aircraft, row.nested, row.strays);
        if used != 0 {
            self.rows[usize::from(aircraft)].used += used;
        }
        let Some(class) = take.class else { return };
        let letter = class.letter();
        let classes = &mut self.rows[at + 1..at + 1 + usize::from(nested) + usize::from(strays)];
        let Some(found) = classes.iter().position(|row| row.class == letter) else {
            unreachable!("seats are counted in a class without a row");
        };
        classes[found].held += held;
        classes[found].sold += sold;
        if used != 0 && found < usize::from(nested) {
            for row in &mut classes[..=found] {
                row.used += used;
            }
        }
    }

    #[cold]
    fn count_segment(&mut self, take: &Take, held: i32, sold: i32) {
        let provider = &mut self.providers[take.provider as usize];
        for key in SegmentKey::both(&take.segment, take.cabin, take.class) {
            if let Some(limit) = provider.segments.get_mut(&key) {
                limit.tally.add(&Tally {
                    held: i64::from(held),
                    sold: i64::from(sold),
                    acknowledged: 0,
                });
            }
        }
    }

    /// Makes the shelf from the book. Seats already counted move over by the rows the book knows.
    pub(crate) fn stock(&mut self) {
        self.add_aircraft_of_cabins();
        let largest: Vec<u16> = self
            .aircraft
            .iter()
            .map(|cabin| self.largest_allowance(cabin.cabin))
            .collect();
        let old = std::mem::take(&mut self.rows);
        let old = |row: u32| old.get(row as usize);
        let mut rows = Vec::with_capacity(self.aircraft.len());
        let mut places = Vec::new();
        let none = PackedMoney::new(None);
        let mut row_prices = Vec::new();
        for (cabin, largest) in self.aircraft.iter_mut().zip(largest) {
            let mut row = Row::new(cabin.seats.map_or(NO_BOUND, i64::from));
            row.used = old(cabin.row).map_or(0, |old| old.used);
            row.allowance = largest;
            cabin.row = rows.len() as u32;
            rows.push(row);
        }
        for (provider_at, provider) in self.providers.iter_mut().enumerate() {
            let allowances = provider.allowances.clone();
            let prices: Vec<Vec<Option<Money>>> = provider
                .cabins
                .iter()
                .map(|cabin| {
                    let classes = cabin.nest.iter().map(|class| Some(class.class));
                    std::iter::once(None)
                        .chain(classes)
                        .map(|class| provider.flight_price(cabin.cabin, class))
                        .collect()
                })
                .collect();
            for (cabin, prices) in provider.cabins.iter_mut().zip(prices) {
                let mut named = allowances.iter();
                let allowance = named
                    .find(|(named, _)| *named == cabin.cabin)
                    .map_or(0, |(_, allowance)| *allowance);
                let bound = if cabin.authorised == NO_BOUND {
                    NO_BOUND
                } else {
                    cabin.authorised + i64::from(allowance)
                };
                let mut aircraft = self.aircraft.iter();
                let Some(aircraft) = aircraft
                    .find(|a| (a.leg, a.cabin) == (cabin.leg, cabin.cabin))
                    .and_then(|a| u16::try_from(a.row).ok())
                else {
                    unreachable!("a cabin without its aircraft");
                };
                let counted = |row: &mut Row, from: u32| {
                    if let Some(old) = old(from) {
                        (row.held, row.sold) = (old.held, old.sold);
                        row.used = old.held + old.sold;
                    }
                };
                let mut row = Row::new(bound);
                counted(&mut row, cabin.row);
                row.allowance = allowance;
                row.aircraft = aircraft;
                row.nested = cabin.nest.len() as u8;
                row.strays = cabin.strays.len() as u8;
                row.set(
                    Row::OPEN,
                    provider.sells && cabin.status == SaleStatus::Open,
                );
                row.set(Row::FLOOR, cabin.is_floor);
                row.set(Row::KNOWN, cabin.known);
                cabin.row = rows.len() as u32;
                places.push(Place {
                    provider: provider_at as u32,
                    leg: cabin.leg,
                    cabin: cabin.cabin.letter(),
                    row: cabin.row,
                });
                row_prices.resize(rows.len(), none);
                row_prices.push(PackedMoney::new(prices[0]));
                rows.push(row);
                let first = rows.len();
                for (class, price) in cabin.nest.iter_mut().zip(&prices[1..]) {
                    let mut row = Row::new(class.limit);
                    counted(&mut row, class.row);
                    row.class = class.class.letter();
                    row.set(Row::OPEN, class.status == SaleStatus::Open);
                    row.set(Row::FLOOR, class.is_floor);
                    row_prices.resize(rows.len(), none);
                    row_prices.push(PackedMoney::new(*price));
                    class.row = rows.len() as u32;
                    rows.push(row);
                }
                // From the last: each uses what those nested after it use.
                let mut used = 0;
                for row in rows[first..].iter_mut().rev() {
                    used += row.used;
                    row.used = used;
                }
                for stray in &mut cabin.strays {
                    let mut row = Row::new(NO_BOUND);
                    counted(&mut row, stray.row);
                    row.class = stray.class.letter();
                    stray.row = rows.len() as u32;
                    rows.push(row);
                }
            }
        }
        row_prices.resize(rows.len(), none);
        self.rows = rows;
        self.prices = row_prices;
        self.places.set(places);
        self.has_limits = self.providers.iter().any(|p| !p.segments.is_empty());
        let names_segment = |key: &SegmentKey| key.stations().is_some();
        self.has_segment_fares = self
            .providers
            .iter()
            .any(|provider| provider.fares.keys().any(names_segment));
    }

    /// Every cabin of a provider has a cabin of the aircraft, whose seats may be unknown.
    fn add_aircraft_of_cabins(&mut self) {
        for provider in 0..self.providers.len() {
            for at in 0..self.providers[provider].cabins.len() {
                let cabin = &self.providers[provider].cabins[at];
                self.aircraft_or_new(cabin.leg, cabin.cabin);
            }
        }
    }

    /// The most that any provider may overbook the cabin by.
    pub(crate) fn largest_allowance(&self, cabin: Cabin) -> u16 {
        let providers = self.providers.iter();
        let largest = providers.map(|provider| provider.allowance(cabin)).max();
        largest.unwrap_or(0)
    }
}
