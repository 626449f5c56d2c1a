//! Packing and unpacking, and where flights lie.

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
fn a_flight_with_codes_that_no_record_carries_stays_unpacked() {
    assert!(is_quiet(&scheduled(1)));
    let mut nobodys = scheduled(1);
    nobodys.book.providers[0].code = ProviderCode::default();
    let mut nowhere = scheduled(1);
    nowhere.book.legs[0].off = Station::default();
    let mut unnumbered = scheduled(1);
    unnumbered.book.operating = Some(FlightKey {
        number: 0,
        ..key(1)
    });
    for flight in [nobodys, nowhere, unnumbered] {
        assert!(!is_quiet(&flight), "{:?}", flight.book);
    }
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
