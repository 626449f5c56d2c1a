//! Hold: the checks in their order, what is available, and the price.

use flightline_ledger::command::{Counts, Level, SaleStatus};
use flightline_ledger::{HoldRequest, Outcome, ProviderBody, Reason};

use crate::support::*;

fn is_held(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Held { .. })
}

#[test]
fn the_first_check_that_fails_is_the_reason() {
    // Everything is wrong with the request at first; each row mends one thing.
    let mut world = World::with(flightline_ledger::command::Schedule {
        operating: Some("LH9.2033-05-18.AAA".parse().unwrap()),
        restricted: vec![(station("AAA"), station("CCC"))],
        ..schedule("AAA-BBB-CCC", &[plan('Y', 9, &[('Y', None)])])
    });
    world.event("own", 11, ProviderBody::Cancel);
    let mut request = HoldRequest {
        provider: Some(provider("nobody")),
        cabin: cabin('C'),
        class: Some(class('Q')),
        board: Some(station("XXX")),
        off: Some(station("CCC")),
        seats: 0,
        ttl_ms: Some(0),
        expected_price: Some(usd(1)),
        wait_ms: None,
    };
    assert_eq!(world.hold("1", request), refused(Reason::InvalidSeats));
    request.seats = 1000;
    assert_eq!(world.hold("2", request), refused(Reason::InvalidSeats));
    request.seats = 10;
    assert_eq!(world.hold("3", request), refused(Reason::InvalidTtl));
    request.ttl_ms = Some(1000);
    assert_eq!(world.hold("4", request), refused(Reason::NotOperating));
    let schedule = |restricted: &[(&str, &str)]| flightline_ledger::command::Schedule {
        restricted: restricted
            .iter()
            .map(|(b, o)| (station(b), station(o)))
            .collect(),
        ..schedule("AAA-BBB-CCC", &[plan('Y', 9, &[('Y', None)])])
    };
    let restricted = [("AAA", "CCC")];
    world.schedule("own", 12, schedule(&restricted));
    world.event("own", 13, ProviderBody::Cancel);
    assert_eq!(world.hold("5", request), refused(Reason::FlightCancelled));
    world.event("own", 14, ProviderBody::Reinstate);
    assert_eq!(world.hold("6", request), refused(Reason::UnknownSegment));
    request.board = Some(station("AAA"));
    world.now_ms = DEPARTS_S * 1000;
    assert_eq!(world.hold("7", request), refused(Reason::SegmentRestricted));
    world.schedule("own", 15, schedule(&[]));
    assert_eq!(world.hold("8", request), refused(Reason::Departed));
    request.board = Some(station("BBB"));
    assert_eq!(world.hold("9", request), refused(Reason::UnknownProvider));
    request.provider = Some(provider("own"));
    assert_eq!(world.hold("10", request), refused(Reason::UnknownCabin));
    request.cabin = cabin('Y');
    assert_eq!(world.hold("11", request), refused(Reason::UnknownClass));
    request.class = Some(class('Y'));
    world.available(16, status('Y', SaleStatus::Closed));
    assert_eq!(world.hold("12", request), refused(Reason::Closed));
    world.available(17, status('Y', SaleStatus::Open));
    assert_eq!(world.hold("13", request), sold_out(9));
    request.seats = 9;
    assert_eq!(
        world.hold("14", request),
        refused(Reason::PriceChanged { now: None })
    );
    request.expected_price = None;
    assert!(is_held(&world.hold("15", request)));
}

#[test]
fn segments_are_found_by_their_stations() {
    for (route, board, off, legs) in [
        ("AAA-BBB-CCC", None, None, Ok((0, 1))),
        ("AAA-BBB-CCC", None, Some("BBB"), Ok((0, 0))),
        ("AAA-BBB-CCC", Some("BBB"), None, Ok((1, 1))),
        ("AAA-BBB-CCC", Some("CCC"), None, Err(())),
        ("AAA-BBB-CCC", None, Some("AAA"), Err(())),
        ("AAA-BBB-CCC", Some("BBB"), Some("BBB"), Err(())),
        ("AAA-BBB-AAA", Some("AAA"), Some("AAA"), Ok((0, 1))),
        ("AAA-BBB-AAA-BBB", Some("AAA"), Some("BBB"), Ok((0, 0))),
        // Without names it is all legs, where a station repeats too.
        ("AAA-BBB-AAA-BBB", None, None, Ok((0, 2))),
        ("AAA-BBB-AAA-BBB", Some("BBB"), Some("BBB"), Ok((1, 2))),
    ] {
        let mut world = World::with(schedule(route, &[plan('Y', 9, &[])]));
        let request = HoldRequest {
            board: board.map(station),
            off: off.map(station),
            ..ask(1)
        };
        let outcome = world.hold("a", request);
        let what = format!("{route} {board:?} {off:?}");
        match legs {
            Err(()) => assert_eq!(outcome, refused(Reason::UnknownSegment), "{what}"),
            Ok((first, last)) => {
                assert!(is_held(&outcome), "{what}");
                let used = world.flight().inventory().filter(|line| line.held > 0);
                let used: Vec<u8> = used.map(|line| line.leg).collect();
                assert_eq!(used, (first..=last).collect::<Vec<_>>(), "{what}");
            }
        }
    }
}

#[test]
fn a_restricted_pair_has_a_direction() {
    let mut world = World::with(flightline_ledger::command::Schedule {
        restricted: vec![
            (station("AAA"), station("BBB")),
            (station("CCC"), station("BBB")),
        ],
        ..schedule("AAA-BBB-CCC", &[plan('Y', 9, &[])])
    });
    let part = |b, o| ask_part(1, b, o);
    assert_eq!(
        world.hold("a", part("AAA", "BBB")),
        refused(Reason::SegmentRestricted)
    );
    assert!(is_held(&world.hold("b", part("BBB", "CCC"))));
    assert!(is_held(&world.hold("c", part("AAA", "CCC"))));
}

#[test]
fn legs_share_their_seats() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 10, &[])]));
    world.held("through", ask(4));
    world.held("first", ask_part(5, "AAA", "BBB"));
    assert_eq!((world.left(0), world.left(1)), (1, 6));
    assert_eq!(world.hold("through2", ask(2)), sold_out(1));
    world.held("second", ask_part(6, "BBB", "CCC"));
    assert_eq!((world.left(0), world.left(1)), (1, 0));
    world.release("through");
    assert_eq!((world.left(0), world.left(1)), (5, 4));
}

#[test]
fn classes_are_nested() {
    let nest = [('Y', None), ('B', Some(6)), ('M', Some(4)), ('Q', Some(2))];
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 10, &nest)]));
    let left = |world: &World| ['Y', 'B', 'M', 'Q'].map(|of| world.left_in(of));
    assert_eq!(left(&world), [10, 6, 4, 2]);
    world.held("q", ask_class(2, 'Q'));
    assert_eq!(left(&world), [8, 4, 2, 0]);
    world.held("m", ask_class(2, 'M'));
    assert_eq!(left(&world), [6, 2, 0, 0]);
    assert_eq!(world.hold("m2", ask_class(1, 'M')), sold_out(0));
    world.held("b", ask_class(1, 'B'));
    assert_eq!(left(&world), [5, 1, 0, 0]);
    world.held("y", ask_class(5, 'Y'));
    assert_eq!(left(&world), [0, 0, 0, 0]);
    let line = world.line("own", 0, 'Y', Some('B'));
    assert_eq!((line.authorised, line.held, line.sold), (Some(6), 1, 0));
    world.release("q");
    assert_eq!(left(&world), [2, 2, 2, 2]);
}

#[test]
fn without_a_class_only_the_cabin_bounds() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 10, &[('Q', Some(1))])]));
    world.held("a", ask(9));
    assert_eq!((world.left(0), world.left_in('Q')), (1, 1));
}

#[test]
fn the_aircraft_bounds_all_providers_together() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 10, &[])]));
    world.schedule("other", 1, schedule("AAA-BBB", &[plan('Y', 8, &[])]));
    world.held("a", ask(7));
    let other = HoldRequest {
        provider: Some(provider("other")),
        ..ask(4)
    };
    assert_eq!(world.hold("b", other), sold_out(3));
    world.held("c", HoldRequest { seats: 3, ..other });
    assert_eq!(world.hold("d", ask(1)), sold_out(0));
    let lines: Vec<_> = world.flight().aircraft().collect();
    assert_eq!(
        (lines.len(), lines[0].seats, lines[0].used),
        (1, Some(10), 10)
    );
}

#[test]
fn unknown_seats_bound_nothing_and_offer_nothing() {
    let mut world = World::with(schedule(
        "AAA-BBB",
        &[plan('Y', None, &[('Q', None), ('K', Some(3))])],
    ));
    assert_eq!(world.line("own", 0, 'Y', None).authorised, None);
    assert_eq!(world.hold("a", ask(1)), sold_out(0));
    assert_eq!(world.hold("b", ask_class(1, 'Q')), sold_out(0));
    // A class with a limit does.
    assert_eq!(world.left_in('K'), 3);
    world.held("c", ask_class(3, 'K'));
    world.available(11, count('Y', Counts::Total, 5));
    assert_eq!(world.left(0), 2);
}

#[test]
fn an_allowance_overbooks_the_cabin_and_the_aircraft() {
    let mut world = World::simple(10);
    let terms = |n| ProviderBody::Terms(vec![(cabin('Y'), n)]);
    assert_eq!(world.event("own", 1, terms(3)), accepted(0));
    assert_eq!(world.flight().allowance(provider("own"), cabin('Y')), 3);
    assert_eq!(world.left(0), 13);
    world.sold("a", ask(13));
    assert_eq!(world.hold("b", ask(1)), sold_out(0));
    let line = world.line("own", 0, 'Y', None);
    assert_eq!((line.authorised, line.oversold), (Some(13), 0));
    // Terms are replaced as a whole.
    assert_eq!(
        world.event("own", 2, ProviderBody::Terms(vec![])),
        accepted(0)
    );
    assert_eq!(world.line("own", 0, 'Y', None).oversold, 3);
    assert_eq!(world.flight().aircraft().next().unwrap().oversold, 3);
}

#[test]
fn exact_segments_are_bounded_apart() {
    let nest = [('Q', None)];
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 10, &nest)]));
    world.held("before", ask_part(1, "AAA", "BBB"));
    let limit = |of: Option<char>, seats| flightline_ledger::command::Availability {
        level: Level::Segment(station("AAA"), station("BBB")),
        class: of.map(class),
        ..count('Y', Counts::Total, seats)
    };
    // What is held already uses the limit.
    world.available(11, limit(None, 4));
    assert_eq!(world.hold("a", ask_part(4, "AAA", "BBB")), sold_out(3));
    world.available(11, limit(Some('Q'), 2));
    let in_class = |seats| HoldRequest {
        class: Some(class('Q')),
        ..ask_part(seats, "AAA", "BBB")
    };
    assert_eq!(world.hold("b", in_class(3)), sold_out(2));
    world.held("c", in_class(2));
    // Both limits were used by it.
    assert_eq!(world.hold("d", in_class(1)), sold_out(0));
    assert_eq!(world.hold("e", ask_part(2, "AAA", "BBB")), sold_out(1));
    // Other segments over the same leg are not.
    world.held("f", ask(7));
    assert_eq!(world.flight().segment_limits(provider("own")).count(), 2);
}

#[test]
fn what_is_not_open_is_closed() {
    for closed in [
        SaleStatus::Request,
        SaleStatus::WaitlistOpen,
        SaleStatus::Closed,
        SaleStatus::NotOperating,
    ] {
        let nest = [('Q', None)];
        let route = "AAA-BBB-CCC";
        let segment = Level::Segment(station("AAA"), station("BBB"));
        let leg = Level::Leg(station("BBB"));
        for (level, of, whole, first, in_class) in [
            (Level::Flight, None, false, false, false),
            (leg, None, false, true, false),
            (leg, Some('Q'), true, true, false),
            (segment, None, true, false, true),
            (segment, Some('Q'), true, true, true),
        ] {
            let mut world = World::with(schedule(route, &[plan('Y', 10, &nest)]));
            world.available(
                11,
                flightline_ledger::command::Availability {
                    level,
                    class: of.map(class),
                    ..status('Y', closed)
                },
            );
            for (name, request, is_open) in [
                ("a", ask(1), whole),
                ("b", ask_part(1, "AAA", "BBB"), first),
                ("c", ask_class(1, 'Q'), in_class),
            ] {
                let outcome = world.hold(name, request);
                let expected = if is_open {
                    is_held(&outcome)
                } else {
                    outcome == refused(Reason::Closed)
                };
                assert!(expected, "{closed:?} {level:?} {of:?} {name}: {outcome:?}");
            }
        }
    }
}

#[test]
fn with_no_provider_named_the_cheapest_that_has_the_seats_is_taken() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 100, &[])]));
    for (code, seats) in [("b2", 5), ("b1", 5), ("a9", 9), ("z", 9)] {
        world.schedule(code, 1, schedule("AAA-BBB", &[plan('Y', seats, &[])]));
    }
    let price = |world: &mut World, code: &str, version, minor| {
        let fares = ProviderBody::Fares(vec![fare('Y', None, minor)]);
        assert_eq!(world.event(code, version, fares), accepted(0));
    };
    price(&mut world, "own", 20, 900);
    price(&mut world, "b2", 20, 500);
    price(&mut world, "b1", 20, 500);
    let any = |seats| HoldRequest {
        provider: None,
        ..ask(seats)
    };
    let taken = |outcome| match outcome {
        Outcome::Held {
            provider, price, ..
        } => (provider.to_string(), price.map(|p| p.minor)),
        other => panic!("{other:?}"),
    };
    // Equal prices: by code. Then the next, then the dearer, then those without a price.
    assert_eq!(taken(world.hold("1", any(5))), ("b1".into(), Some(500)));
    assert_eq!(taken(world.hold("2", any(5))), ("b2".into(), Some(500)));
    assert_eq!(taken(world.hold("3", any(5))), ("own".into(), Some(900)));
    world.available(30, status('Y', SaleStatus::Closed));
    assert_eq!(taken(world.hold("4", any(5))), ("a9".into(), None));
    assert_eq!(taken(world.hold("5", any(5))), ("z".into(), None));
    assert_eq!(world.hold("6", any(5)), sold_out(4));
}

#[test]
fn currency_and_exponent_come_before_the_amount() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 9, &[])]));
    world.schedule("eur", 1, schedule("AAA-BBB", &[plan('Y', 9, &[])]));
    let mut euro = fare('Y', None, 9_999);
    euro.price.currency = "EUR".parse().unwrap();
    world.event("eur", 1, ProviderBody::Fares(vec![euro]));
    world.event("own", 1, ProviderBody::Fares(vec![fare('Y', None, 1)]));
    let outcome = world.hold(
        "a",
        HoldRequest {
            provider: None,
            ..ask(1)
        },
    );
    assert!(matches!(outcome, Outcome::Held { provider: p, .. } if p == provider("eur")));
}

#[test]
fn when_no_provider_passes_the_furthest_reason_is_given() {
    let nest = [('Q', None)];
    let any = |letter, of: Option<char>| HoldRequest {
        provider: None,
        cabin: cabin(letter),
        class: of.map(class),
        ..ask(5)
    };
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 50, &[])]));
    assert_eq!(
        world.hold("1", any('C', None)),
        refused(Reason::UnknownCabin)
    );
    assert_eq!(
        world.hold("2", any('Y', Some('Q'))),
        refused(Reason::UnknownClass)
    );
    world.schedule("closed", 1, schedule("AAA-BBB", &[plan('Y', 9, &nest)]));
    world.event("closed", 2, ProviderBody::Withdraw);
    assert_eq!(
        world.hold("3", any('Y', Some('Q'))),
        refused(Reason::Closed)
    );
    for (code, seats) in [("few", 2), ("more", 4)] {
        world.schedule(code, 1, schedule("AAA-BBB", &[plan('Y', seats, &nest)]));
    }
    assert_eq!(world.hold("4", any('Y', Some('Q'))), sold_out(4));
}

#[test]
fn a_closed_exact_segment_hides_no_unknown_class_or_cabin() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 9, &[])]));
    for letter in ['Y', 'C'] {
        world.available(
            11,
            flightline_ledger::command::Availability {
                level: Level::Segment(station("AAA"), station("BBB")),
                ..status(letter, SaleStatus::Closed)
            },
        );
    }
    assert_eq!(
        world.hold("a", ask_class(1, 'Q')),
        refused(Reason::UnknownClass)
    );
    let business = HoldRequest {
        cabin: cabin('C'),
        ..ask(1)
    };
    assert_eq!(world.hold("b", business), refused(Reason::UnknownCabin));
    assert_eq!(world.hold("c", ask(1)), refused(Reason::Closed));
}

#[test]
fn the_closest_fare_is_the_price() {
    let segment = |b, o| Some((station(b), station(o)));
    let exact = |of, minor, b, o| flightline_ledger::command::Fare {
        segment: segment(b, o),
        ..fare('Y', of, minor)
    };
    // In the order in which they win for class Q on the whole flight.
    let fares = [
        exact(Some('Q'), 1, "AAA", "CCC"),
        exact(None, 2, "AAA", "CCC"),
        fare('Y', Some('Q'), 3),
        fare('Y', None, 4),
    ];
    let through = ask_class(1, 'Q');
    let part = HoldRequest {
        class: Some(class('Q')),
        ..ask_part(1, "AAA", "BBB")
    };
    for (known, request, expected) in [
        (&fares[..], through, Some(1)),
        (&fares[1..], through, Some(2)),
        (&fares[2..], through, Some(3)),
        (&fares[3..], through, Some(4)),
        (&fares[..], ask(1), Some(2)),
        (&fares[2..], ask(1), Some(4)),
        (&fares[..1], ask(1), None),
        (&fares[2..3], ask(1), None),
        // A fare for the whole flight is none for a part of it.
        (&fares[..], part, None),
        (&[exact(None, 5, "AAA", "BBB")], part, Some(5)),
        (&[], through, None),
    ] {
        let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 9, &[('Q', None)])]));
        if !known.is_empty() {
            world.event("own", 20, ProviderBody::Fares(known.to_vec()));
        }
        match world.hold("a", request) {
            Outcome::Held { price, .. } => assert_eq!(price.map(|p| p.minor), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_expected_price_must_be_the_price() {
    let mut world = World::simple(9);
    let expecting = |minor| HoldRequest {
        expected_price: Some(usd(minor)),
        ..ask(1)
    };
    assert_eq!(
        world.hold("a", expecting(5)),
        refused(Reason::PriceChanged { now: None })
    );
    world.event("own", 20, ProviderBody::Fares(vec![fare('Y', None, 6)]));
    let now = Some(usd(6));
    assert_eq!(
        world.hold("b", expecting(5)),
        refused(Reason::PriceChanged { now })
    );
    let outcome = world.hold("c", expecting(6));
    assert!(matches!(outcome, Outcome::Held { price, .. } if price == now));
    // Seats come first.
    let many = HoldRequest {
        seats: 50,
        ..expecting(5)
    };
    assert_eq!(world.hold("d", many), sold_out(8));
}
