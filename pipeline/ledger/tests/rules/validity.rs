//! Which provider events are valid, and in which order they are refused.

use flightline_ledger::command::{
    Availability, CabinPlan, Counts, Equipment, LegTimes, Level, Schedule,
};
use flightline_ledger::{Outcome, ProviderBody, Reason};

use crate::support::*;

const INVALID: Outcome = Outcome::Refused(Reason::InvalidEvent);

/// Seconds of the first and last moment that a flight can have.
const FIRST_S: i64 = -2_208_988_800;
const LAST_S: i64 = 32_503_679_999;

#[test]
fn a_schedule_must_make_sense() {
    let base = || schedule("AAA-BBB-CCC", &[plan('Y', 9, &[('Q', Some(5))])]);
    let change = |f: &dyn Fn(&mut Schedule)| {
        let mut schedule = base();
        f(&mut schedule);
        schedule
    };
    let too_long = ["AAA"; 14].join("-");
    let longest = ["AAA"; 13].join("-");
    let cabin_of = |f: &dyn Fn(&mut CabinPlan)| change(&|s| f(&mut s.legs[1].cabins[0]));
    for (what, schedule, is_valid) in [
        ("as it is", base(), true),
        ("no legs", change(&|s| s.legs.clear()), false),
        ("13 legs", schedule(&too_long, &[]), false),
        ("12 legs", schedule(&longest, &[]), true),
        ("another first station", schedule("BBB-CCC", &[]), false),
        ("a gap", change(&|s| s.legs[0].off = station("XXX")), false),
        (
            "arrives first",
            change(&|s| s.legs[0].times.arrives_s = DEPARTS_S - 1),
            false,
        ),
        (
            "takes no time",
            change(&|s| s.legs[0].times.arrives_s = DEPARTS_S),
            true,
        ),
        (
            "goes back",
            change(&|s| s.legs[1].times.departs_s = DEPARTS_S - 1),
            false,
        ),
        (
            "leaves at once",
            change(&|s| s.legs[1].times.departs_s = DEPARTS_S),
            true,
        ),
        (
            "year 1899",
            change(&|s| s.legs[0].times.departs_s = FIRST_S - 1),
            false,
        ),
        (
            "year 1900",
            change(&|s| s.legs[0].times.departs_s = FIRST_S),
            true,
        ),
        (
            "year 3000",
            change(&|s| s.legs[1].times.arrives_s = LAST_S + 1),
            false,
        ),
        (
            "year 2999",
            change(&|s| s.legs[1].times.arrives_s = LAST_S),
            true,
        ),
        (
            "times of another station",
            change(&|s| s.legs[1].times.board = station("XXX")),
            true,
        ),
        (
            "lowest time",
            change(&|s| s.legs[0].times.departs_s = i64::MIN),
            false,
        ),
        (
            "highest time",
            change(&|s| s.legs[1].times.arrives_s = i64::MAX),
            false,
        ),
        (
            "cabin twice",
            change(&|s| s.legs[0].cabins.push(plan('Y', 1, &[]))),
            false,
        ),
        (
            "class twice",
            change(&|s| s.legs[0].cabins.push(plan('C', 1, &[('Q', None)]))),
            false,
        ),
        ("2000 seats", cabin_of(&|c| c.seats = Some(2000)), true),
        ("2001 seats", cabin_of(&|c| c.seats = Some(2001)), false),
        (
            "9999 authorised",
            cabin_of(&|c| c.authorised = Some(9999)),
            true,
        ),
        (
            "10000 authorised",
            cabin_of(&|c| c.authorised = Some(10_000)),
            false,
        ),
        (
            "limit of 9999",
            cabin_of(&|c| c.classes[0].limit = Some(9999)),
            true,
        ),
        (
            "limit of 10000",
            cabin_of(&|c| c.classes[0].limit = Some(10_000)),
            false,
        ),
        (
            "restricted",
            change(&|s| s.restricted.push((station("CCC"), station("AAA")))),
            true,
        ),
        (
            "restricted to itself",
            change(&|s| s.restricted.push((station("AAA"), station("AAA")))),
            false,
        ),
        (
            "restricted elsewhere",
            change(&|s| s.restricted.push((station("AAA"), station("XXX")))),
            false,
        ),
        (
            "operated by another",
            change(&|s| s.operating = Some("LH1.2033-05-18.AAA".parse().unwrap())),
            true,
        ),
        (
            "operated by itself",
            change(&|s| s.operating = Some(key())),
            false,
        ),
    ] {
        let expected = if is_valid { accepted(0) } else { INVALID };
        let mut world = World::empty();
        assert_eq!(
            world.schedule("own", 1, schedule.clone()),
            expected,
            "new, {what}"
        );
        let mut world = World::with(base());
        assert_eq!(
            world.schedule("own", 11, schedule),
            expected,
            "known, {what}"
        );
    }
}

#[test]
fn new_times_must_fit_the_legs() {
    let times = |board: &str, departs_s, arrives_s| LegTimes {
        board: station(board),
        departs_s,
        arrives_s,
        departs_offset_min: 0,
        arrives_offset_min: 0,
    };
    let (first, second) = (DEPARTS_S, DEPARTS_S + 7200);
    for (what, changes, is_valid) in [
        (
            "both",
            vec![
                times("BBB", second + 9, second + 10),
                times("AAA", first, first),
            ],
            true,
        ),
        ("none", vec![], true),
        ("the last station", vec![times("CCC", first, first)], false),
        (
            "twice",
            vec![times("AAA", first, first), times("AAA", first, first)],
            false,
        ),
        (
            "goes back",
            vec![times("AAA", second + 1, second + 2)],
            false,
        ),
        ("arrives first", vec![times("AAA", first, first - 1)], false),
        ("year 3000", vec![times("BBB", second, LAST_S + 1)], false),
    ] {
        let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 9, &[])]));
        let expected = if is_valid { accepted(0) } else { INVALID };
        let outcome = world.event("own", 11, ProviderBody::TimeChange(changes));
        assert_eq!(outcome, expected, "{what}");
    }
}

#[test]
fn equipment_must_name_a_leg_and_make_sense() {
    for (what, board, cabins, is_valid) in [
        ("all legs", None, vec![plan('Y', 5, &[])], true),
        ("one leg", Some("BBB"), vec![plan('Y', 5, &[])], true),
        ("no cabins", None, vec![], true),
        ("the last station", Some("CCC"), vec![], false),
        (
            "cabin twice",
            None,
            vec![plan('Y', 5, &[]), plan('Y', 5, &[])],
            false,
        ),
        ("too many seats", None, vec![plan('Y', 2001, &[])], false),
    ] {
        let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 9, &[])]));
        let equipment = Equipment {
            board: board.map(station),
            aircraft: *b"320",
            cabins,
        };
        let expected = if is_valid { accepted(0) } else { INVALID };
        let outcome = world.event("own", 11, ProviderBody::Equipment(equipment));
        assert_eq!(outcome, expected, "{what}");
    }
}

#[test]
fn the_buckets_of_an_availability_must_be_told() {
    let base = || {
        schedule(
            "AAA-BBB-CCC",
            &[plan('Y', 9, &[('Q', None)]), plan('C', 3, &[])],
        )
    };
    let none = Availability {
        cabin: None,
        ..count('Y', Counts::Total, 5)
    };
    let status_only = Availability {
        seats: None,
        ..none
    };
    let leg = |text| Level::Leg(station(text));
    let part = |b, o| Level::Segment(station(b), station(o));
    let of = |letter| Some(class(letter));
    for (what, report, is_valid) in [
        ("a cabin", count('Y', Counts::Total, 5), true),
        (
            "a cabin that it has not",
            count('F', Counts::Total, 5),
            true,
        ),
        (
            "a leg",
            Availability {
                level: leg("BBB"),
                ..count('Y', Counts::Total, 5)
            },
            true,
        ),
        (
            "no leg",
            Availability {
                level: leg("CCC"),
                ..count('Y', Counts::Total, 5)
            },
            false,
        ),
        (
            "a segment",
            Availability {
                level: part("AAA", "CCC"),
                ..count('Y', Counts::Total, 5)
            },
            true,
        ),
        (
            "no segment",
            Availability {
                level: part("CCC", "AAA"),
                ..count('Y', Counts::Total, 5)
            },
            false,
        ),
        ("9999", count('Y', Counts::Total, 9999), true),
        ("10000", count('Y', Counts::Total, 10_000), false),
        ("-9999", count('Y', Counts::Remaining, -9999), true),
        ("-10000", count('Y', Counts::Remaining, -10_000), false),
        (
            "lowest count",
            count('Y', Counts::Remaining, i32::MIN),
            false,
        ),
        (
            "cabin by class",
            Availability {
                class: of('Q'),
                ..none
            },
            true,
        ),
        (
            "no cabin has the class",
            Availability {
                class: of('Z'),
                ..none
            },
            false,
        ),
        ("a count for two cabins", none, false),
        ("a status for two cabins", status_only, true),
    ] {
        let mut world = World::with(base());
        let expected = if is_valid { accepted(0) } else { INVALID };
        assert_eq!(world.available(11, report), expected, "{what}");
    }
    // A provider without cabins has none that could be meant.
    let mut world = World::with(base());
    assert_eq!(world.event("new", 1, available(status_only)), INVALID);
    assert_eq!(world.flight().providers().count(), 1);
    // With one cabin a count is enough.
    world.event("new", 1, available(count('Y', Counts::Total, 1)));
    assert_eq!(world.event("new", 2, available(none)), accepted(0));
    assert_eq!(world.line("new", 0, 'Y', None).authorised, Some(5));
}

#[test]
fn fares_and_terms_must_make_sense() {
    let exponent = |exponent| {
        let mut fare = fare('Y', None, 1);
        fare.price.exponent = exponent;
        fare
    };
    let part = |b, o| flightline_ledger::command::Fare {
        segment: Some((station(b), station(o))),
        ..fare('Y', None, 1)
    };
    let fares = ProviderBody::Fares;
    let terms = ProviderBody::Terms;
    for (what, body, is_valid) in [
        ("no fares", fares(vec![]), false),
        ("free", fares(vec![fare('Y', None, 0)]), true),
        (
            "negative",
            fares(vec![fare('Y', None, 5), fare('Y', None, -1)]),
            false,
        ),
        ("4 decimals", fares(vec![exponent(4)]), true),
        ("5 decimals", fares(vec![exponent(5)]), false),
        ("255 decimals", fares(vec![exponent(255)]), false),
        ("a segment", fares(vec![part("AAA", "BBB")]), true),
        ("no segment", fares(vec![part("BBB", "AAA")]), false),
        ("no terms", terms(vec![]), true),
        (
            "9999",
            terms(vec![(cabin('Y'), 9999), (cabin('C'), 0)]),
            true,
        ),
        ("10000", terms(vec![(cabin('Y'), 10_000)]), false),
        (
            "cabin twice",
            terms(vec![(cabin('Y'), 1), (cabin('Y'), 1)]),
            false,
        ),
    ] {
        let mut world = World::simple(9);
        let expected = if is_valid { accepted(0) } else { INVALID };
        assert_eq!(world.event("own", 11, body), expected, "{what}");
    }
}

#[test]
fn invalid_comes_before_not_the_owner_and_that_before_stale() {
    let mut world = World::simple(9);
    let times = |departs_s| LegTimes {
        board: station("AAA"),
        departs_s,
        arrives_s: DEPARTS_S,
        departs_offset_min: 0,
        arrives_offset_min: 0,
    };
    let invalid = || ProviderBody::TimeChange(vec![times(DEPARTS_S + 1)]);
    let valid = || ProviderBody::TimeChange(vec![times(DEPARTS_S)]);
    assert_eq!(world.event("other", 1, invalid()), INVALID);
    assert_eq!(world.event("other", 1, valid()), refused(Reason::NotOwner));
    assert_eq!(world.event("own", 1, invalid()), INVALID);
    assert_eq!(world.event("own", 1, valid()), Outcome::Stale);
    assert_eq!(world.event("own", 10, valid()), accepted(0));
    // Whoever was refused is not on the flight.
    assert_eq!(world.flight().providers().count(), 1);
}

#[test]
fn an_aspect_is_stale_when_a_newer_one_was_applied() {
    let segment = Level::Segment(station("AAA"), station("BBB"));
    type Body = Box<dyn Fn() -> ProviderBody>;
    let bodies: Vec<(&str, Body)> = vec![
        (
            "schedule",
            Box::new(|| ProviderBody::Schedule(schedule("AAA-BBB", &[plan('Y', 9, &[])]))),
        ),
        ("times", Box::new(|| ProviderBody::TimeChange(vec![]))),
        (
            "equipment",
            Box::new(|| {
                ProviderBody::Equipment(Equipment {
                    board: None,
                    aircraft: *b"320",
                    cabins: vec![],
                })
            }),
        ),
        ("cancel", Box::new(|| ProviderBody::Cancel)),
        ("reinstate", Box::new(|| ProviderBody::Reinstate)),
        ("withdraw", Box::new(|| ProviderBody::Withdraw)),
        ("terms", Box::new(|| ProviderBody::Terms(vec![]))),
        (
            "fares",
            Box::new(|| ProviderBody::Fares(vec![fare('Y', None, 1)])),
        ),
        (
            "cabin",
            Box::new(|| available(count('Y', Counts::Total, 1))),
        ),
        (
            "class",
            Box::new(|| available(count_class('Y', 'Q', Counts::Total, 1))),
        ),
        (
            "segment",
            Box::new(move || {
                available(Availability {
                    level: segment,
                    ..count('Y', Counts::Total, 1)
                })
            }),
        ),
    ];
    for (what, body) in bodies {
        let mut world = World::simple(9);
        assert_eq!(world.event("own", 50, body()), accepted(0), "{what}");
        let state = world.ledger.hash_state();
        let clock = world.ledger.clone();
        assert_eq!(world.event("own", 49, body()), Outcome::Stale, "{what}");
        assert_eq!(world.flight().inventory().collect::<Vec<_>>(), {
            let at = clock.find(&key()).unwrap();
            clock.flight(at).inventory().collect::<Vec<_>>()
        });
        assert_ne!(world.ledger.hash_state(), state, "the id is remembered");
        // The same version again is applied again.
        assert_eq!(world.event("own", 50, body()), accepted(0), "{what}");
    }
    // Acknowledgements have no version.
    let mut world = World::simple(9);
    for version in [50, 1, 50] {
        assert_eq!(
            world.event("own", version, ProviderBody::Acknowledge(vec![])),
            accepted(0)
        );
    }
}

#[test]
fn aspects_are_versioned_apart_and_per_provider() {
    let mut world = World::simple(9);
    world.event("own", 90, ProviderBody::Terms(vec![]));
    world.event("own", 80, ProviderBody::Fares(vec![fare('Y', None, 1)]));
    world.event("own", 70, available(count('Y', Counts::Total, 4)));
    world.event("own", 60, ProviderBody::Reinstate);
    world.event("own", 50, ProviderBody::TimeChange(vec![]));
    // Timing and status are newer than this, equipment is not.
    let plans = [plan('Y', 7, &[])];
    assert_eq!(
        world.schedule("own", 40, schedule("AAA-BBB", &plans)),
        partly(0)
    );
    assert_eq!(world.flight().aircraft().next().unwrap().seats, Some(7));
    // Another provider's versions are its own.
    assert_eq!(
        world.schedule("other", 1, schedule("AAA-BBB", &plans)),
        accepted(0)
    );
    // Of fares, the new one is taken.
    let fares = vec![fare('Y', None, 5), fare('C', None, 6)];
    assert_eq!(
        world.event("own", 75, ProviderBody::Fares(fares)),
        partly(0)
    );
    let quote = world
        .flight()
        .quote(provider("own"), None, None, cabin('Y'), None);
    assert_eq!(quote.unwrap().price, Some(usd(1)));
}

#[test]
fn of_several_buckets_the_fresh_ones_are_set() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 9, &[])]));
    let on_leg = Availability {
        level: Level::Leg(station("AAA")),
        ..count('Y', Counts::Total, 1)
    };
    world.available(50, on_leg);
    assert_eq!(world.available(40, count('Y', Counts::Total, 2)), partly(0));
    assert_eq!((world.left(0), world.left(1)), (1, 2));
    assert_eq!(
        world.available(39, count('Y', Counts::Total, 3)),
        Outcome::Stale
    );
}

#[test]
fn versions_compare_time_then_group_then_sequence() {
    use flightline_ledger::command::SourceVersion;
    let version = |time_ms, group, sequence| SourceVersion {
        time_ms,
        group,
        sequence,
    };
    let mut world = World::simple(9);
    for (name, version, expected) in [
        ("1", version(5, 1, 1), accepted(0)),
        ("2", version(5, 1, 0), Outcome::Stale),
        ("3", version(5, 0, 9), Outcome::Stale),
        ("4", version(4, 9, 9), Outcome::Stale),
        ("5", version(5, 1, 2), accepted(0)),
        ("6", version(5, 2, 0), accepted(0)),
        ("7", version(6, 0, 0), accepted(0)),
    ] {
        let mut command = event(1, "own", 0, ProviderBody::Terms(vec![]));
        if let flightline_ledger::FlightCommand::Provider(event) = &mut command {
            event.version = version;
        }
        assert_eq!(world.say(name, command), expected, "{name}");
    }
}
