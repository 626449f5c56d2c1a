//! What is sold from: the book's bounds and statuses beside the seats used, in flat rows.
//!
//! A hold reads and writes a handful of neighbouring bytes here and nothing of the book. The rows of
//! the aircraft come first. Then, for every provider's cabin on a leg, its row is followed by those of
//! its classes in nesting order and those of its strays.

use crate::book::NO_BOUND;
use crate::codes::{Cabin, Class};
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
    /// Index of the provider.
    pub(crate) provider: u32,
    /// Allowance of the provider for its cabin; of the aircraft's cabin the largest of any.
    pub(crate) allowance: u16,
    /// Row of the aircraft's cabin.
    pub(crate) aircraft: u16,
    pub(crate) leg: u8,
    /// Of the cabin, or of the class.
    pub(crate) letter: u8,
    /// How many classes are in the nest, at most 26, below [`Row::OPEN`] and the like.
    pub(crate) nest: u8,
    /// How many strays follow the nest.
    pub(crate) strays: u8,
}

/// The rows, the first of them in place.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Shelf {
    /// How many rows there are.
    len: u32,
    /// How many of them are the aircraft's.
    aircraft: u32,
    /// All rows, when there are more than have a place here.
    far: Box<Far>,
    near: [Row; Shelf::NEAR],
    /// By row: of a seat on the whole flight, when no fare names its stations.
    near_prices: [PackedMoney; Shelf::NEAR],
}

/// A large flight's shelf.
#[derive(Clone, Default)]
struct Far {
    rows: Vec<Row>,
    prices: Vec<PackedMoney>,
    /// Rows of cabins, by (provider, leg, cabin).
    places: Vec<u32>,
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
    pub(crate) const OPEN: u8 = 1 << 5;
    /// Its bound is a floor.
    pub(crate) const FLOOR: u8 = 1 << 6;
    /// The provider has the cabin.
    pub(crate) const KNOWN: u8 = 1 << 7;
    const NESTED: u8 = (1 << 5) - 1;

    pub(crate) fn new(letter: u8, bound: i64) -> Self {
        Self {
            bound: on_shelf(bound),
            used: 0,
            held: 0,
            sold: 0,
            provider: 0,
            allowance: 0,
            aircraft: 0,
            leg: 0,
            letter,
            nest: 0,
            strays: 0,
        }
    }

    pub(crate) fn set(&mut self, flag: u8, is_set: bool) {
        self.nest = if is_set {
            self.nest | flag
        } else {
            self.nest & !flag
        };
    }

    /// Sets how many classes follow.
    pub(crate) fn set_classes(&mut self, nested: usize, strays: usize) {
        assert!(
            nested <= usize::from(Self::NESTED),
            "more classes than letters"
        );
        self.nest |= nested as u8;
        self.strays = strays as u8;
    }

    #[inline(always)]
    pub(crate) const fn is(&self, flag: u8) -> bool {
        self.nest & flag != 0
    }

    #[inline(always)]
    pub(crate) const fn nested(&self) -> usize {
        (self.nest & Self::NESTED) as usize
    }

    /// Used beyond its bound?
    pub(crate) fn exceeds(&self) -> bool {
        self.bound != UNBOUND && self.used > self.bound.max(0)
    }

    /// The aircraft is used beyond its seats and the largest allowance?
    pub(crate) const fn aircraft_exceeds(&self) -> bool {
        self.bound != UNBOUND && self.used > self.bound + self.allowance as i32
    }

    const fn place(&self) -> (u32, u8, u8) {
        (self.provider, self.leg, self.letter)
    }
}

/// Which of a cabin's class rows is the class's.
#[inline(always)]
pub(crate) fn row_of_class(classes: &[Row], class: Class) -> Option<usize> {
    let letter = class.letter();
    classes.iter().position(|row| row.letter == letter)
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

impl Default for Shelf {
    fn default() -> Self {
        Self {
            near: [Row::new(0, 0); Self::NEAR],
            near_prices: [PackedMoney::new(None); Self::NEAR],
            len: 0,
            aircraft: 0,
            far: Box::default(),
        }
    }
}

impl Shelf {
    /// A single leg with two cabins and five classes has as many.
    pub(crate) const NEAR: usize = 9;
    /// Bytes before the prices.
    pub(crate) const HOT_BYTES: usize = core::mem::offset_of!(Shelf, near_prices);

    #[inline(always)]
    fn is_near(&self) -> bool {
        self.len as usize <= Self::NEAR
    }

    #[inline(always)]
    pub(crate) fn rows(&self) -> &[Row] {
        if self.is_near() {
            &self.near[..self.len as usize]
        } else {
            &self.far.rows
        }
    }

    #[inline(always)]
    pub(crate) fn rows_mut(&mut self) -> &mut [Row] {
        if self.is_near() {
            &mut self.near[..self.len as usize]
        } else {
            &mut self.far.rows
        }
    }

    #[inline(always)]
    pub(crate) fn price(&self, row: usize) -> PackedMoney {
        if self.is_near() {
            self.near_prices[row]
        } else {
            self.far.prices[row]
        }
    }

    /// How many rows are the aircraft's.
    pub(crate) const fn aircraft(&self) -> usize {
        self.aircraft as usize
    }

    /// Replaces everything. The first rows are the aircraft's.
    pub(crate) fn set(&mut self, aircraft: usize, rows: Vec<Row>, prices: Vec<PackedMoney>) {
        assert_eq!(rows.len(), prices.len(), "a row without its price");
        self.len = rows.len() as u32;
        self.aircraft = aircraft as u32;
        if self.is_near() {
            self.near[..rows.len()].copy_from_slice(&rows);
            self.near_prices[..rows.len()].copy_from_slice(&prices);
            if !self.far.rows.is_empty() {
                *self.far = Far::default();
            }
            return;
        }
        let mut places = Vec::new();
        let mut at = aircraft;
        while let Some(row) = rows.get(at) {
            places.push(at as u32);
            at += 1 + row.nested() + usize::from(row.strays);
        }
        places.sort_by_key(|at| rows[*at as usize].place());
        *self.far = Far {
            rows,
            prices,
            places,
        };
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        self.set(0, Vec::new(), Vec::new());
    }

    /// The row of a provider's cabin, known or not.
    #[inline(always)]
    pub(crate) fn row_of(&self, provider: u32, leg: u8, cabin: Cabin) -> Option<usize> {
        let place = (provider, leg, cabin.letter());
        if !self.is_near() {
            return self.far_row_of(place);
        }
        let rows = &self.near[..self.len as usize];
        let mut at = self.aircraft as usize;
        while let Some(row) = rows.get(at) {
            if row.place() == place {
                return Some(at);
            }
            at += 1 + row.nested() + usize::from(row.strays);
        }
        None
    }

    #[inline(never)]
    fn far_row_of(&self, place: (u32, u8, u8)) -> Option<usize> {
        let far = &self.far;
        let key = |at: &u32| far.rows[*at as usize].place();
        let at = far.places.binary_search_by_key(&place, key).ok()?;
        Some(far.places[at] as usize)
    }

    /// The rows of the classes in a cabin's nest.
    #[inline(always)]
    pub(crate) fn nest_of(&self, row: usize) -> &[Row] {
        let rows = self.rows();
        &rows[row + 1..row + 1 + rows[row].nested()]
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
        let rows = self.rows();
        let row = &rows[at];
        if !row.is(Row::KNOWN) {
            return OnLeg::UnknownCabin;
        }
        let mut stated = row.bound != UNBOUND;
        if stated {
            let left = i64::from(row.bound) - i64::from(row.used);
            least.bound(left, row.is(Row::FLOOR));
        }
        let aircraft = &rows[usize::from(row.aircraft)];
        if aircraft.bound != UNBOUND {
            let bound = i64::from(aircraft.bound) + i64::from(row.allowance);
            least.bound(bound - i64::from(aircraft.used), false);
        }
        let mut open = row.is(Row::OPEN);
        let mut price_at = at;
        if let Some(class) = class {
            let letter = class.letter();
            let mut found = false;
            for (nested, at) in rows[at + 1..at + 1 + row.nested()].iter().zip(at + 1..) {
                if nested.bound != UNBOUND {
                    stated = true;
                    let left = i64::from(nested.bound) - i64::from(nested.used);
                    least.bound(left, nested.is(Row::FLOOR));
                }
                if nested.letter == letter {
                    open &= nested.is(Row::OPEN);
                    price_at = at;
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

    /// The most seats that a provider could ever sell in a cabin of a leg, as far as its bound and the
    /// aircraft's tell.
    pub(crate) fn room_on(&self, provider: u32, leg: u8, cabin: Cabin) -> i64 {
        let Some(at) = self.row_of(provider, leg, cabin) else {
            return 0;
        };
        let row = &self.rows()[at];
        let aircraft = &self.rows()[usize::from(row.aircraft)];
        let mut room = i64::MAX;
        if row.bound != UNBOUND {
            room = i64::from(row.bound);
        }
        if aircraft.bound != UNBOUND {
            room = room.min(i64::from(aircraft.bound) + i64::from(row.allowance));
        }
        room
    }

    /// Counts seats in the buckets of one leg.
    #[inline(always)]
    pub(crate) fn count_on_leg(&mut self, take: &Take, leg: u8, held: i32, sold: i32) {
        let Some(at) = self.row_of(take.provider, leg, take.cabin) else {
            unreachable!("seats are counted in a cabin without a row");
        };
        let used = held + sold;
        let rows = self.rows_mut();
        let row = &mut rows[at];
        row.held += held;
        row.sold += sold;
        row.used += used;
        let (aircraft, nested, strays) = (row.aircraft, row.nested(), usize::from(row.strays));
        if used != 0 {
            rows[usize::from(aircraft)].used += used;
        }
        let Some(class) = take.class else { return };
        let classes = &mut rows[at + 1..at + 1 + nested + strays];
        let Some(found) = row_of_class(classes, class) else {
            unreachable!("seats are counted in a class without a row");
        };
        classes[found].held += held;
        classes[found].sold += sold;
        if used != 0 && found < nested {
            for row in &mut classes[..=found] {
                row.used += used;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_small_as_the_layout_was_chosen_for() {
        assert_eq!(size_of::<Row>(), 28);
    }

    #[test]
    fn cabins_are_found_near_and_far() {
        for providers in [1, 3, 40] {
            let mut rows = vec![Row::new(b'Y', 9)];
            let mut expected = Vec::new();
            for provider in 0..providers {
                for (leg, letter) in [(0, b'C'), (0, b'Y'), (1, b'Y')] {
                    let mut row = Row::new(letter, 9);
                    (row.provider, row.leg) = (provider, leg);
                    let nested = usize::from(letter == b'Y' && leg == 0);
                    row.set_classes(nested, 0);
                    expected.push((provider, leg, letter, rows.len()));
                    rows.push(row);
                    rows.extend((0..nested).map(|_| Row::new(b'Q', 9)));
                }
            }
            let prices = vec![PackedMoney::new(None); rows.len()];
            let mut shelf = Shelf::default();
            shelf.set(1, rows, prices);
            for (provider, leg, letter, at) in expected {
                let cabin = Cabin::new(letter).unwrap();
                assert_eq!(shelf.row_of(provider, leg, cabin), Some(at));
                assert_eq!(shelf.row_of(providers, leg, cabin), None);
                assert_eq!(shelf.row_of(provider, 2, cabin), None);
            }
            shelf.clear();
            assert_eq!(shelf.row_of(0, 0, Cabin::new(b'Y').unwrap()), None);
        }
    }
}
