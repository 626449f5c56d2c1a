//! Equipment aspect: seats in the aircraft, and what the provider may sell of them.

use flightline_ledger::command::{Availability, CabinPlan, Counts, Equipment, Level, SaleStatus};
use flightline_ledger::{HoldRequest, Outcome, ProviderBody, Reason};

use crate::support::*;

fn equipment(cabins: &[CabinPlan]) -> ProviderBody {
    ProviderBody::Equipment(Equipment {
        board: None,
        aircraft: *b"320",
        cabins: cabins.to_vec(),
    })
}

fn authorised(plan: CabinPlan, authorised: u16) -> CabinPlan {
    CabinPlan {
        authorised: Some(authorised),
        ..plan
    }
}

#[test]
fn seats_are_authorised_unless_stated_or_reported() {
    let y = |seats| plan('Y', seats, &[]);
    let stated = |n| authorised(y(100), n);
    let none = None;
    for (what, steps, expected) in [
        ("from seats", vec![(11, equipment(&[y(50)]))], Some(50)),
        (
            "unknown seats",
            vec![(11, equipment(&[plan('Y', None, &[])]))],
            None,
        ),
        ("stated", vec![(11, equipment(&[stated(7)]))], Some(7)),
        (
            "stated after a report",
            vec![
                (11, available(count('Y', Counts::Total, 3))),
                (12, equipment(&[stated(7)])),
            ],
            Some(7),
        ),
        (
            "stated as of the report",
            vec![
                (11, available(count('Y', Counts::Total, 3))),
                (11, equipment(&[stated(7)])),
            ],
            Some(7),
        ),
        (
            "stated before the report",
            vec![
                (12, available(count('Y', Counts::Total, 3))),
                (11, equipment(&[stated(7)])),
            ],
            Some(3),
        ),
        (
            "seats after a report",
            vec![
                (11, available(count('Y', Counts::Total, 3))),
                (12, equipment(&[y(50)])),
            ],
            Some(3),
        ),
        (
            "seats after stated",
            vec![(11, equipment(&[stated(7)])), (12, equipment(&[y(50)]))],
            Some(7),
        ),
        (
            "a status is a report too",
            vec![
                (11, available(status('Y', SaleStatus::Open))),
                (12, equipment(&[y(50)])),
            ],
            Some(100),
        ),
        ("gone", vec![(11, equipment(&[]))], Some(0)),
        (
            "gone and back",
            vec![
                (11, available(count('Y', Counts::Total, 3))),
                (12, equipment(&[])),
                (13, equipment(&[y(50)])),
            ],
            Some(50),
        ),
        ("nothing", vec![], Some(100)),
    ] {
        let mut world = World::simple(100);
        for (version, body) in steps {
            assert_eq!(world.event("own", version, body), accepted(0), "{what}");
        }
        assert_eq!(
            world.line("own", 0, 'Y', None).authorised,
            expected.or(none),
            "{what}"
        );
    }
}

#[test]
fn the_owners_seats_are_the_aircrafts() {
    let mut world = World::with(schedule(
        "AAA-BBB",
        &[plan('Y', 100, &[]), plan('C', 20, &[])],
    ));
    world.event(
        "own",
        11,
        equipment(&[plan('Y', 50, &[]), plan('F', None, &[])]),
    );
    let seats: Vec<_> = world
        .flight()
        .aircraft()
        .map(|a| (a.cabin, a.seats))
        .collect();
    // C is not on board any more; F has an unknown number.
    let expected = [('C', Some(0)), ('F', None), ('Y', Some(50))];
    assert_eq!(
        seats,
        expected.map(|(letter, seats)| (cabin(letter), seats))
    );
    assert_eq!(world.flight().legs()[0].aircraft, *b"320");
    assert_eq!(world.left(0), 50);
    let business = HoldRequest {
        cabin: cabin('C'),
        ..ask(1)
    };
    assert_eq!(world.hold("a", business), sold_out(0));
}

#[test]
fn anothers_equipment_is_its_own_allotment_only() {
    let mut world = World::simple(100);
    world.event(
        "other",
        1,
        equipment(&[plan('Y', 30, &[]), plan('W', 9, &[])]),
    );
    assert_eq!(world.flight().legs()[0].aircraft, *b"738");
    assert_eq!(world.line("other", 0, 'Y', None).authorised, Some(30));
    let seats: Vec<_> = world
        .flight()
        .aircraft()
        .map(|a| (a.cabin, a.seats))
        .collect();
    assert_eq!(seats, [(cabin('Y'), Some(100))]);
    // The owner never named W: no seats are known of it, and none bound it.
    let w = HoldRequest {
        provider: Some(provider("other")),
        cabin: cabin('W'),
        ..ask(9)
    };
    world.held("a", w);
    // Naming others, the owner says nothing of W either.
    world.event("own", 11, equipment(&[plan('Y', 100, &[])]));
    assert_eq!(world.line("other", 0, 'W', None).oversold, 0);
    assert_eq!(world.flight().aircraft().count(), 1);
    // Naming it, it counts what is used already.
    world.event(
        "own",
        12,
        equipment(&[plan('Y', 100, &[]), plan('W', 20, &[])]),
    );
    let line = world
        .flight()
        .aircraft()
        .find(|a| a.cabin == cabin('W'))
        .unwrap();
    assert_eq!((line.seats, line.used), (Some(20), 9));
}

#[test]
fn equipment_of_one_leg_leaves_the_others() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 100, &[])]));
    let body = ProviderBody::Equipment(Equipment {
        board: Some(station("BBB")),
        aircraft: *b"E90",
        cabins: vec![plan('Y', 40, &[])],
    });
    world.event("own", 11, body);
    assert_eq!((world.left(0), world.left(1)), (100, 40));
    let types: Vec<_> = world
        .flight()
        .legs()
        .iter()
        .map(|leg| leg.aircraft)
        .collect();
    assert_eq!(types, [*b"738", *b"E90"]);
}

/// Classes of cabin Y in their order, with limits.
fn nest(world: &World) -> Vec<(char, Option<i64>)> {
    let lines = world.flight().inventory();
    let classes = lines.filter_map(|line| Some((line.class?.letter() as char, line.authorised)));
    classes.collect()
}

#[test]
fn named_classes_become_the_nest_and_the_others_follow_without_seats() {
    let first = [('Y', None), ('B', Some(6)), ('M', Some(4))];
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 10, &first)]));
    world.held("m", ask_class(1, 'M'));
    let event = |classes: &[(char, Option<u16>)]| equipment(&[plan('Y', 10, classes)]);
    world.event("own", 11, event(&[('M', Some(5)), ('K', None)]));
    let expected = [('M', Some(5)), ('K', None), ('Y', Some(0)), ('B', Some(0))];
    assert_eq!(nest(&world), expected);
    assert_eq!(world.line("own", 0, 'Y', Some('M')).held, 1);
    assert_eq!(world.left_in('K'), 4);
    assert_eq!(world.hold("b", ask_class(1, 'B')), sold_out(0));
    // None named: they stay.
    world.event("own", 12, event(&[]));
    assert_eq!(nest(&world), expected);
    // Y had no version of its own: without a limit it has none again. B keeps its version, and with
    // it the limit.
    world.event(
        "own",
        13,
        event(&[('Y', None), ('B', None), ('M', None), ('K', None)]),
    );
    assert_eq!(
        nest(&world),
        [('Y', None), ('B', Some(0)), ('M', Some(5)), ('K', None)]
    );
}

#[test]
fn a_limit_follows_the_versions_of_its_class() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 10, &[('Q', Some(5))])]));
    world.available(20, count_class('Y', 'Q', Counts::Total, 3));
    let event = |limit| equipment(&[plan('Y', 10, &[('Q', limit)])]);
    world.event("own", 15, event(Some(9)));
    assert_eq!(nest(&world), [('Q', Some(3))]);
    world.event("own", 21, event(None));
    assert_eq!(nest(&world), [('Q', Some(3))]);
    world.event("own", 22, event(Some(9)));
    assert_eq!(nest(&world), [('Q', Some(9))]);
    // And is the class's version from now on.
    assert_eq!(
        world.available(21, count_class('Y', 'Q', Counts::Total, 1)),
        Outcome::Stale
    );
}

#[test]
fn statuses_stay() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 10, &[('Q', None)])]));
    world.available(20, status('Y', SaleStatus::Closed));
    let in_class = Availability {
        class: Some(class('Q')),
        ..status('Y', SaleStatus::Request)
    };
    world.available(20, in_class);
    world.event(
        "own",
        30,
        equipment(&[plan('Y', 10, &[('Q', None), ('K', None)])]),
    );
    assert_eq!(world.line("own", 0, 'Y', None).status, SaleStatus::Closed);
    assert_eq!(
        world.line("own", 0, 'Y', Some('Q')).status,
        SaleStatus::Request
    );
    assert_eq!(
        world.line("own", 0, 'Y', Some('K')).status,
        SaleStatus::Open
    );
    world.event("own", 31, equipment(&[]));
    assert_eq!(world.line("own", 0, 'Y', None).status, SaleStatus::Closed);
    assert_eq!(world.hold("a", ask(1)), refused(Reason::Closed));
}

#[test]
fn a_class_can_be_in_two_cabins_and_is_then_found_in_the_first() {
    let mut world = World::with(schedule(
        "AAA-BBB",
        &[plan('Y', 10, &[('Q', None)]), plan('C', 9, &[])],
    ));
    world.event(
        "own",
        11,
        equipment(&[plan('Y', 10, &[('K', None)]), plan('C', 9, &[('Q', None)])]),
    );
    let report = Availability {
        cabin: None,
        ..count_class('Y', 'Q', Counts::Total, 4)
    };
    world.available(12, report);
    assert_eq!(world.line("own", 0, 'C', Some('Q')).authorised, Some(4));
    assert_eq!(world.line("own", 0, 'Y', Some('Q')).authorised, Some(0));
    let at_level = Availability {
        level: Level::Leg(station("AAA")),
        ..report
    };
    assert_eq!(world.available(13, at_level), accepted(0));
}
