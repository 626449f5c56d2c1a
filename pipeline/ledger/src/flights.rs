//! All flights of a partition: those that are at work side by side in memory, the quiet ones packed.
//!
//! Most flights of a timetable lie months ahead and hear nothing for weeks: what scheduled them, and
//! nobody's hold. Such a flight takes a third of the memory in its stored form. It is unpacked when
//! something is decided about it, and packed again when many others have been since. What is decided
//! does not depend on it.

use std::collections::VecDeque;
use std::ops::Deref;

use crate::codes::FlightKey;
use crate::flight::Flight;
use crate::ledger::Ledger;
use crate::observer::{FlightIx, Observer};
use crate::store::{pack, unpack};

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
    flight.holds.is_empty() && flight.memos.len() <= Flights::MEMOS_MAX && !flight.retired
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

/// Unpacked flights. They lie in blocks that never move: neighbours share pages, and a block goes
/// back to the system when the last of its flights has gone.
#[derive(Clone, Default)]
struct Blocks {
    blocks: Vec<Block>,
    /// Every place with nothing in it is here; so may others be, which were given away since.
    free: Vec<u32>,
    /// Blocks that went back.
    returned: Vec<usize>,
}

#[derive(Clone, Default)]
struct Block {
    flights: Vec<Option<Flight>>,
    /// How many there are.
    len: usize,
}

impl Block {
    const LEN: usize = 64;
}

impl Blocks {
    #[inline(always)]
    fn get(&self, place: usize) -> Option<&Flight> {
        let block = self.blocks.get(place / Block::LEN)?;
        block.flights.get(place % Block::LEN)?.as_ref()
    }

    #[inline(always)]
    fn get_mut(&mut self, place: usize) -> Option<&mut Flight> {
        let block = self.blocks.get_mut(place / Block::LEN)?;
        block.flights.get_mut(place % Block::LEN)?.as_mut()
    }

    #[inline(always)]
    fn address(&self, place: usize) -> Option<*const Option<Flight>> {
        let block = self.blocks.get(place / Block::LEN)?;
        let start = block.flights.as_ptr();
        Some(start.wrapping_add(place % Block::LEN))
    }

    fn put(&mut self, flight: Flight) -> Place {
        loop {
            let Some(free) = self.free.pop() else {
                self.add_block();
                continue;
            };
            let block = &mut self.blocks[free as usize / Block::LEN];
            let place = block.flights.get_mut(free as usize % Block::LEN);
            if let Some(place @ None) = place {
                *place = Some(flight);
                block.len += 1;
                return Place::unpacked(free as usize);
            }
        }
    }

    fn add_block(&mut self) {
        let at = self.returned.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            self.blocks.len() - 1
        });
        self.blocks[at].flights.resize_with(Block::LEN, || None);
        let first = at * Block::LEN;
        let _ = Place::unpacked(first + Block::LEN);
        self.free
            .extend((first..first + Block::LEN).rev().map(|place| place as u32));
    }

    fn take(&mut self, place: usize) -> Option<Flight> {
        let block = self.blocks.get_mut(place / Block::LEN)?;
        let flight = block.flights.get_mut(place % Block::LEN)?.take()?;
        block.len -= 1;
        if block.len == 0 {
            block.flights = Vec::new();
            self.returned.push(place / Block::LEN);
        } else {
            self.free.push(place as u32);
        }
        Some(flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::CommandId;
    use crate::command::{Leg, LegTimes, ProviderBody, ProviderEvent, Schedule, SourceVersion};
    use crate::flight::Step;
    use crate::observer::Silent;
    use crate::outcome::Outcome;

    fn key(number: u32) -> FlightKey {
        format!("UA{number}.2033-05-18.AAA").parse().unwrap()
    }

    #[test]
    fn flights_are_found_until_removed_and_blocks_go_when_empty() {
        let mut flights = Flights::default();
        for number in 0..150 {
            assert_eq!(
                flights.push(Flight::new(key(number + 1)), &mut Silent),
                number
            );
        }
        for number in 0..150 {
            assert_eq!(flights.get(number).unwrap().key, key(number + 1));
        }
        let start = flights.address(flights.place(130));
        let copy = flights.clone();
        for number in (0..140).filter(|number| number % 2 == 0 || *number < 64) {
            flights.remove(number);
        }
        assert_eq!(flights.unpacked.blocks[0].flights.capacity(), 0);
        assert_eq!(flights.address(flights.place(130)), None);
        let start_of_131 = start.map(|start| start.wrapping_add(1));
        assert_eq!(flights.address(flights.place(131)), start_of_131);
        assert!(flights.get(64).is_none() && flights.get(65).is_some());
        assert!(flights.get(150).is_none() && flights.get(u32::MAX).is_none());
        let left: Vec<_> = flights
            .iter()
            .map(|(at, flight)| (at, flight.key))
            .collect();
        assert_eq!(left.len(), 38 + 10);
        assert!(left.iter().all(|(at, found)| *found == key(at + 1)));
        assert_eq!(copy.iter().count(), 150);
        let mut copy = flights.clone();
        for number in 150..400 {
            assert_eq!(copy.push(Flight::new(key(number + 1)), &mut Silent), number);
        }
        assert_eq!(copy.iter().count(), 48 + 250);
        assert!(copy.iter().all(|(at, flight)| flight.key == key(at + 1)));
        // What was free is used first.
        assert_eq!(copy.unpacked.blocks.len(), 5);
        assert!(copy.unpacked.returned.is_empty());
    }

    /// A flight as it stands after its schedule.
    fn scheduled(number: u32) -> Flight {
        let event = ProviderEvent {
            provider: "own".parse().unwrap(),
            version: SourceVersion::default(),
            authority: 0,
            quality: 0,
            body: ProviderBody::Schedule(Schedule {
                legs: vec![Leg {
                    board: "AAA".parse().unwrap(),
                    off: "BBB".parse().unwrap(),
                    times: LegTimes {
                        board: "AAA".parse().unwrap(),
                        departs_s: 2_000_000_000,
                        arrives_s: 2_000_003_600,
                        departs_offset_min: 60,
                        arrives_offset_min: -60,
                    },
                    aircraft: *b"789",
                    service: b'J',
                    cabins: Vec::new(),
                }],
                restricted: Vec::new(),
                operating: None,
            }),
        };
        let mut step = Step {
            offset: 0,
            clock_ms: 0,
            flight: number,
            observer: &mut Silent as &mut dyn Observer,
        };
        Flight::create(key(number), &event, &mut step).unwrap().0
    }

    /// What was told: flights with the seats they had, and flights.
    #[derive(Default)]
    struct Seen {
        unpacked: Vec<(FlightIx, u32)>,
        packed: Vec<FlightIx>,
    }

    impl Observer for Seen {
        fn flight_unpacked(&mut self, flight: FlightIx, as_it_was: &Flight) {
            self.unpacked.push((flight, as_it_was.seats));
        }
        fn flight_packed(&mut self, flight: FlightIx) {
            self.packed.push(flight);
        }
    }

    /// How many are packed.
    fn packed(flights: &Flights) -> usize {
        let all = 0..flights.len();
        all.filter(|at| flights.stored(*at).is_some()).count()
    }

    #[test]
    fn quiet_flights_are_packed_and_come_back_as_they_were() {
        let mut flights = Flights::default();
        flights.keep_unpacked(10);
        for number in 0..100 {
            flights.push(scheduled(number + 1), &mut Silent);
        }
        // Each has been passed over once, since something was decided about it.
        assert!(packed(&flights) >= 80, "{}", packed(&flights));
        for at in 0..100 {
            let expected = scheduled(at + 1);
            let found = flights.get(at).unwrap();
            assert_eq!((found.key, pack(&found)), (expected.key, pack(&expected)));
            assert!(flights.is_there(at));
        }
        let before = packed(&flights);
        flights.get_mut(3, &mut Silent).unwrap().seats = 1;
        assert!(flights.at_work(3).is_some());
        assert_eq!(flights.get(3).unwrap().seats, 1);
        // It made room for itself.
        assert!(packed(&flights) >= before - 1);
        for at in 20..60 {
            flights.get_mut(at, &mut Silent).unwrap();
        }
        assert_eq!(flights.get(3).unwrap().seats, 1, "packed again");
        assert!(flights.stored(3).is_some());

        let mut seen = Seen::default();
        let mut change = |at: FlightIx, may_be: bool, is: bool| {
            let is_it = |flight: &Flight| flight.key == key(at + 1) && is;
            let seven = |flight: &mut Flight| flight.seats = 7;
            flights.change(at, |_| may_be, is_it, seven, &mut seen)
        };
        assert!(change(3, true, true));
        assert!(!change(4, false, true) && !change(5, true, false));
        // It was told with the seat that it had.
        assert_eq!((seen.unpacked, seen.packed), (vec![(3, 1)], vec![3]));
        assert_eq!(flights.get(3).unwrap().seats, 7);
        assert!(flights.stored(3).is_some() && flights.stored(4).is_some());

        flights.remove(3);
        assert!(flights.get(3).is_none() && !flights.is_there(3));
        flights.push(scheduled(101), &mut Silent);
        assert_eq!(flights.iter().count(), 100);
    }

    #[test]
    fn a_flight_that_somebody_held_or_that_was_told_much_or_is_over_stays_unpacked() {
        let mut told = scheduled(1);
        for id in 0..Flights::MEMOS_MAX as u32 {
            assert!(is_quiet(&told));
            told.remember(id, CommandId(id.into()), 0, 0, &Outcome::Noted);
        }
        told.remember(99, CommandId(99), 0, 0, &Outcome::Noted);
        let mut over = scheduled(2);
        over.retired = true;
        assert!(!is_quiet(&told) && !is_quiet(&over));
        let mut flights = Flights::default();
        flights.keep_unpacked(1);
        flights.push(told, &mut Silent);
        flights.push(over, &mut Silent);
        for number in 2..40 {
            flights.push(scheduled(number + 1), &mut Silent);
        }
        assert!(flights.at_work(0).is_some() && flights.at_work(1).is_some());
        assert!(packed(&flights) > 30);
    }
}
