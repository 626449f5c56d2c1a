//! All flights of a partition: those that are at work side by side in memory, the quiet ones packed.
//!
//! Most flights of a timetable lie months ahead and hear nothing for weeks: what scheduled them, and
//! nobody's hold. Such a flight takes a third of the memory in its stored form. It is unpacked when
//! something is decided about it, and packed again when many others have been since. What is decided
//! does not depend on it.

use std::collections::VecDeque;
use std::ops::Deref;

use crate::codes::{Currency, FlightKey, ProviderCode, Station};
use crate::flight::Flight;
use crate::ledger::Ledger;
use crate::observer::{FlightIx, Observer};
use crate::store::{pack, unpack};

mod blocks;

use blocks::Blocks;

/// Where a flight is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// A [`Place`] taken apart.
enum At {
    Gone,
    /// In this place of the blocks.
    Unpacked(usize),
    /// In this place of the packed.
    Packed(usize),
}

impl Place {
    pub(crate) const GONE: Self = Self(u32::MAX);
    const PACKED: u32 = 1 << 31;

    #[inline(always)]
    const fn at(self) -> At {
        if self.0 & Self::PACKED == 0 {
            At::Unpacked(self.0 as usize)
        } else if self.0 == Self::GONE.0 {
            At::Gone
        } else {
            At::Packed((self.0 & !Self::PACKED) as usize)
        }
    }

    fn unpacked(at: usize) -> Self {
        assert!(at < Self::PACKED as usize, "a partition has 2^31 flights");
        Self(at as u32)
    }

    fn packed(at: usize) -> Self {
        let place = at as u32 | Self::PACKED;
        let fits = at < Self::PACKED as usize && place != Self::GONE.0;
        assert!(fits, "a partition has 2^31 flights");
        Self(place)
    }
}

/// Flights by index.
#[derive(Clone)]
pub(crate) struct Flights {
    /// By index, kept for ever.
    pub(crate) keys: Vec<FlightKey>,
    places: Vec<Place>,
    unpacked: Blocks,
    packed: Vec<Box<[u8]>>,
    /// Places in `packed` with nothing in them.
    packed_free: Vec<u32>,
    /// Unpacked flights that may be packed, in the order in which they were made or unpacked.
    quiet: VecDeque<FlightIx>,
    /// So many may be in `quiet`.
    quiet_max: usize,
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            places: Vec::new(),
            unpacked: Blocks::default(),
            packed: Vec::new(),
            packed_free: Vec::new(),
            quiet: VecDeque::new(),
            quiet_max: Ledger::FLIGHTS_UNPACKED,
        }
    }
}

impl Flights {
    /// A flight that was told more stays unpacked: it will be told even more.
    const MEMOS_MAX: usize = 8;
    /// How many quiet flights are looked at when one comes.
    const LOOKS: usize = 4;

    /// How many there ever were.
    pub(crate) fn len(&self) -> FlightIx {
        self.places.len() as FlightIx
    }

    /// Sets how many quiet flights stay unpacked, at least one.
    pub(crate) fn keep_unpacked(&mut self, flights: usize) {
        self.quiet_max = flights.max(1);
    }

    /// Adds a flight behind all others.
    pub(crate) fn push(&mut self, flight: Flight, observer: &mut dyn Observer) -> FlightIx {
        self.make_room(observer);
        let at = self.len();
        self.keys.push(flight.key);
        self.places.push(self.unpacked.put(flight));
        self.quiet.push_back(at);
        at
    }

    /// Adds a flight behind all others, packed if it is quiet. `stored` is what [`pack`] gives of it.
    pub(crate) fn push_stored(&mut self, flight: Flight, stored: &[u8]) {
        self.keys.push(flight.key);
        let place = if is_quiet(&flight) {
            self.put_packed(stored.into())
        } else {
            self.unpacked.put(flight)
        };
        self.places.push(place);
    }

    /// Leaves the place of a flight that was removed.
    pub(crate) fn push_removed(&mut self, key: FlightKey) {
        self.keys.push(key);
        self.places.push(Place::GONE);
    }

    /// Where a flight is now.
    #[inline(always)]
    pub(crate) fn place(&self, at: FlightIx) -> Place {
        self.places.get(at as usize).copied().unwrap_or(Place::GONE)
    }

    #[inline(always)]
    fn at(&self, at: FlightIx) -> At {
        self.place(at).at()
    }

    /// The flight that lies there, if one does: another one by now, perhaps.
    #[inline(always)]
    pub(crate) fn at_place(&self, place: Place) -> Option<&Flight> {
        match place.at() {
            At::Unpacked(place) => self.unpacked.get(place),
            At::Gone | At::Packed(_) => None,
        }
    }

    /// A flight that was not removed, if it is unpacked. One with holds is.
    #[inline(always)]
    pub(crate) fn at_work(&self, at: FlightIx) -> Option<&Flight> {
        self.at_place(self.place(at))
    }

    /// Is the flight there and not over?
    pub(crate) fn is_there(&self, at: FlightIx) -> bool {
        match self.at(at) {
            At::Gone => false,
            At::Unpacked(place) => self.unpacked.get(place).is_some_and(|f| !f.retired),
            At::Packed(_) => true,
        }
    }

    /// A flight that was not removed.
    #[inline]
    pub(crate) fn get(&self, at: FlightIx) -> Option<FlightRef<'_>> {
        let found = match self.at(at) {
            At::Unpacked(place) => Found::Unpacked(self.unpacked.get(place)?),
            At::Packed(place) => Found::Packed(Box::new(unpack(
                self.keys[at as usize],
                &self.packed[place],
            ))),
            At::Gone => return None,
        };
        Some(FlightRef(found))
    }

    /// A flight that was not removed, unpacked from now on.
    #[inline(always)]
    pub(crate) fn get_mut<O: Observer>(
        &mut self,
        at: FlightIx,
        observer: &mut O,
    ) -> Option<&mut Flight> {
        let mut place = self.at(at);
        if let At::Packed(packed) = place {
            place = At::Unpacked(self.wake(at, packed, observer));
        }
        let At::Unpacked(place) = place else {
            return None;
        };
        let flight = self.unpacked.get_mut(place)?;
        flight.is_recent = true;
        Some(flight)
    }

    /// Changes a flight if it is one to be changed, and leaves it packed if it is. Gives whether it did.
    /// `may_be` says of the stored form of a flight whether it can be such a one at all.
    pub(crate) fn change(
        &mut self,
        at: FlightIx,
        may_be: impl Fn(&[u8]) -> bool,
        is: impl Fn(&Flight) -> bool,
        change: impl FnOnce(&mut Flight),
        observer: &mut dyn Observer,
    ) -> bool {
        match self.at(at) {
            At::Unpacked(place) => match self.unpacked.get_mut(place) {
                Some(flight) if is(flight) => {
                    change(flight);
                    true
                }
                _ => false,
            },
            At::Packed(place) if may_be(&self.packed[place]) => {
                let mut flight = unpack(self.keys[at as usize], &self.packed[place]);
                let is_changed = is(&flight);
                if is_changed {
                    observer.flight_unpacked(at, &flight);
                    change(&mut flight);
                    self.packed[place] = pack(&flight);
                    observer.flight_packed(at);
                }
                is_changed
            }
            At::Gone | At::Packed(_) => false,
        }
    }

    /// Where a flight lies in memory, if it is unpacked, without a look at it.
    #[inline(always)]
    pub(crate) fn address(&self, place: Place) -> Option<*const Option<Flight>> {
        match place.at() {
            At::Unpacked(place) => self.unpacked.address(place),
            At::Gone | At::Packed(_) => None,
        }
    }

    /// Removes a flight.
    pub(crate) fn remove(&mut self, at: FlightIx) {
        match self.at(at) {
            At::Gone => return,
            At::Unpacked(place) => drop(self.unpacked.take(place)),
            At::Packed(place) => drop(self.take_packed(place)),
        }
        self.places[at as usize] = Place::GONE;
    }

    /// Those that were not removed, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FlightIx, FlightRef<'_>)> {
        (0..self.len()).filter_map(|at| Some((at, self.get(at)?)))
    }

    /// Those that are unpacked, in order: all that have holds among them.
    pub(crate) fn all_at_work(&self) -> impl Iterator<Item = (FlightIx, &Flight)> {
        (0..self.len()).filter_map(|at| Some((at, self.at_work(at)?)))
    }

    /// The stored form of a flight, if it is packed.
    pub(crate) fn stored(&self, at: FlightIx) -> Option<&[u8]> {
        match self.at(at) {
            At::Packed(place) => Some(&self.packed[place]),
            At::Gone | At::Unpacked(_) => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&mut self, at: FlightIx, packed: usize, observer: &mut dyn Observer) -> usize {
        self.make_room(observer);
        let bytes = self.take_packed(packed);
        let flight = unpack(self.keys[at as usize], &bytes);
        observer.flight_unpacked(at, &flight);
        let place = self.unpacked.put(flight);
        self.places[at as usize] = place;
        self.quiet.push_back(at);
        place.0 as usize
    }

    /// Packs quiet flights about which nothing was decided lately, so that there is room for one.
    fn make_room(&mut self, observer: &mut dyn Observer) {
        for _ in 0..Self::LOOKS {
            if self.quiet.len() < self.quiet_max {
                return;
            }
            let Some(at) = self.quiet.pop_front() else {
                return;
            };
            let At::Unpacked(place) = self.at(at) else {
                continue;
            };
            let Some(flight) = self.unpacked.get_mut(place) else {
                continue;
            };
            if !is_quiet(flight) {
                continue;
            }
            if std::mem::take(&mut flight.is_recent) {
                self.quiet.push_back(at);
                continue;
            }
            let stored = pack(flight);
            self.unpacked.take(place);
            self.places[at as usize] = self.put_packed(stored);
            observer.flight_packed(at);
        }
    }

    fn put_packed(&mut self, stored: Box<[u8]>) -> Place {
        if let Some(free) = self.packed_free.pop() {
            self.packed[free as usize] = stored;
            return Place::packed(free as usize);
        }
        self.packed.push(stored);
        Place::packed(self.packed.len() - 1)
    }

    fn take_packed(&mut self, place: usize) -> Box<[u8]> {
        self.packed_free.push(place as u32);
        std::mem::take(&mut self.packed[place])
    }
}

/// May it be packed? Nobody holds anything of it, nor did, and it was not told much. A flight that is over
/// is read once more before it goes.
fn is_quiet(flight: &Flight) -> bool {
    flight.holds.is_empty()
        && flight.memos.len() <= Flights::MEMOS_MAX
        && !flight.retired
        && comes_back(flight)
}

/// Can its stored form be read again? Codes that no record can carry can be made all the same, by
/// `Default` and by hand, and are not read.
fn comes_back(flight: &Flight) -> bool {
    let book = &*flight.book;
    let is_station = |station: &Station| *station != Station::default();
    let is_key = |key: &FlightKey| FlightKey::from_bytes(key.to_bytes()).is_ok();
    let legs = book.legs.iter();
    let mut stations = legs.flat_map(|leg| [leg.board, leg.off, leg.times.board]);
    // Stations that are restricted are those of legs.
    stations.all(|station| is_station(&station))
        && book.operating.as_ref().is_none_or(is_key)
        && book.providers.iter().all(|provider| {
            let mut fares = provider.fares.values();
            provider.code != ProviderCode::default()
                && fares.all(|fare| fare.price.currency != Currency::default())
        })
}

/// A flight of a [`Ledger`](crate::Ledger), to be read: see [`Flight`].
///
/// A quiet flight is kept packed, and is unpacked to be read. So keep this for as long as you read.
pub struct FlightRef<'a>(Found<'a>);

enum Found<'a> {
    Unpacked(&'a Flight),
    Packed(Box<Flight>),
}

impl Deref for FlightRef<'_> {
    type Target = Flight;

    #[inline(always)]
    fn deref(&self) -> &Flight {
        match &self.0 {
            Found::Unpacked(flight) => flight,
            Found::Packed(flight) => flight,
        }
    }
}

#[cfg(test)]
mod tests;
