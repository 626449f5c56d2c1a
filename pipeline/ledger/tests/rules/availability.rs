//! Availability and acknowledgements: totals, what remains, and sales that a report knows of.

use flightline_ledger::command::{Availability, Counts, Equipment, Level, SaleStatus};
use flightline_ledger::{HoldRequest, Outcome, ProviderBody};

use crate::support::*;

fn acknowledge(world: &mut World, from: &str, holds: &[&str]) {
    let ids = holds.iter().map(|hold| id(hold)).collect();
    assert_eq!(
        world.event(from, 0, ProviderBody::Acknowledge(ids)),
        accepted(0)
    );
}

fn remaining(world: &mut World, version: i64, seats: i32) {
    let outcome = world.available(version, count('Y', Counts::Remaining, seats));
    assert_eq!(outcome, accepted(0));
}

/// What cabin Y may sell.
fn bound(world: &World) -> Option<i64> {
    world.line("own", 0, 'Y', None).authorised
}

#[test]
fn a_total_is_what_we_may_sell_in_all() {
    let mut world = World::simple(100);
    world.sold("a", ask(3));
    acknowledge(&mut world, "own", &["a"]);
    world.available(11, count('Y', Counts::Total, 10));
    assert_eq!((bound(&world), world.left(0)), (Some(10), 7));
    world.cancel("a");
    assert_eq!((bound(&world), world.left(0)), (Some(10), 10));
}

#[test]
fn what_remains_is_less_our_sales_that_the_report_cannot_know() {
    let mut world = World::simple(100);
    world.sold("known", ask(3));
    world.sold("unknown", ask(2));
    world.held("held", ask(1));
    acknowledge(&mut world, "own", &["known"]);
    remaining(&mut world, 11, 10);
    // 10 remain beside the 3 it knows of; 2 sold and 1 held it does not know of.
    assert_eq!((bound(&world), world.left(0)), (Some(13), 7));
    acknowledge(&mut world, "own", &["unknown"]);
    assert_eq!(world.left(0), 7);
    // The next report has them off.
    remaining(&mut world, 12, 8);
    assert_eq!((bound(&world), world.left(0)), (Some(13), 7));
}

#[test]
fn a_counted_sale_that_is_cancelled_stays_taken_until_the_next_report() {
    let mut world = World::simple(100);
    world.sold("counted", ask(3));
    world.sold("later", ask(2));
    acknowledge(&mut world, "own", &["counted"]);
    remaining(&mut world, 11, 10);
    acknowledge(&mut world, "own", &["later"]);
    assert_eq!(world.left(0), 8);
    // The report knew of it: its 3 seats are with the provider.
    world.cancel("counted");
    assert_eq!((bound(&world), world.left(0)), (Some(10), 8));
    // It did not know of this one: its 2 seats are free.
    world.cancel("later");
    assert_eq!((bound(&world), world.left(0)), (Some(10), 10));
    // The provider has them all back.
    remaining(&mut world, 12, 13);
    assert_eq!(world.left(0), 13);
}

#[test]
fn whatever_else_sets_the_bound_forgets_the_remaining_count() {
    let y = |authorised| {
        ProviderBody::Equipment(Equipment {
            board: None,
            aircraft: *b"320",
            cabins: vec![flightline_ledger::command::CabinPlan {
                authorised,
                ..plan('Y', 50, &[])
            }],
        })
    };
    let none = ProviderBody::Equipment(Equipment {
        board: None,
        aircraft: *b"320",
        cabins: vec![],
    });
    for (what, steps, expected) in [
        ("nothing", vec![], 10),
        (
            "a total",
            vec![available(count('Y', Counts::Total, 20))],
            20,
        ),
        ("stated", vec![y(Some(20))], 20),
        ("not named", vec![none.clone()], 0),
        ("not named, named again", vec![none, y(None)], 50),
        (
            "a status alone does not",
            vec![available(status('Y', SaleStatus::Open))],
            10,
        ),
        ("seats not taken do not", vec![y(None)], 10),
    ] {
        let mut world = World::simple(100);
        world.sold("a", ask(3));
        acknowledge(&mut world, "own", &["a"]);
        remaining(&mut world, 11, 10);
        for (version, body) in (12..).zip(steps) {
            world.event("own", version, body);
        }
        world.cancel("a");
        assert_eq!(bound(&world), Some(expected), "{what}");
    }
}

#[test]
fn only_own_confirmed_sales_are_acknowledged_and_once() {
    let mut world = World::simple(100);
    world.schedule("other", 1, schedule("AAA-BBB", &[plan('Y', 50, &[])]));
    world.sold("sale", ask(1));
    world.held("held", ask(1));
    world.sold("gone", ask(1));
    world.cancel("gone");
    let other = HoldRequest {
        provider: Some(provider("other")),
        ..ask(1)
    };
    world.sold("others", other);
    let offset = world.records.len() as u64;
    acknowledge(
        &mut world,
        "own",
        &["sale", "sale", "held", "gone", "others", "nobody"],
    );
    acknowledge(&mut world, "own", &["sale"]);
    let marks: Vec<_> = world
        .flight()
        .holds()
        .map(|hold| hold.acknowledged_offset)
        .collect();
    assert_eq!(marks, [Some(offset), None, None, None]);
    // Confirmed later, it is still not acknowledged.
    world.confirm("held");
    assert_eq!(world.flight().hold(1).acknowledged_offset, None);
}

#[test]
fn a_class_counts_the_sales_of_those_nested_after_it() {
    let nest = [('Y', None), ('B', Some(50)), ('Q', Some(50))];
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 100, &nest)]));
    for (name, of) in [("y", 'Y'), ("b", 'B'), ("q", 'Q')] {
        world.sold(name, ask_class(2, of));
    }
    acknowledge(&mut world, "own", &["y", "b", "q"]);
    for of in ['Y', 'B', 'Q'] {
        world.available(11, count_class('Y', of, Counts::Remaining, 10));
    }
    let limits = |world: &World| {
        ['Y', 'B', 'Q'].map(|of| world.line("own", 0, 'Y', Some(of)).authorised.unwrap())
    };
    assert_eq!(limits(&world), [16, 14, 12]);
    assert_eq!(['Y', 'B', 'Q'].map(|of| world.left_in(of)), [10, 10, 10]);
    world.cancel("b");
    assert_eq!(limits(&world), [14, 12, 12]);
    world.cancel("q");
    assert_eq!(limits(&world), [12, 10, 10]);
}

#[test]
fn an_exact_segment_counts_its_own_sales() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 100, &[('Q', None)])]));
    let part = ask_part(2, "AAA", "BBB");
    world.sold("none", part);
    world.sold(
        "q",
        HoldRequest {
            class: Some(class('Q')),
            ..part
        },
    );
    world.sold("through", ask(2));
    acknowledge(&mut world, "own", &["none", "q", "through"]);
    let level = Level::Segment(station("AAA"), station("BBB"));
    for of in [None, Some(class('Q'))] {
        let report = Availability {
            level,
            class: of,
            ..count('Y', Counts::Remaining, 5)
        };
        world.available(11, report);
    }
    let limits = |world: &World| -> Vec<_> {
        let limits = world.flight().segment_limits(provider("own"));
        limits
            .map(|limit| (limit.2, limit.3.unwrap(), limit.5))
            .collect()
    };
    assert_eq!(limits(&world), [(None, 9, 4), (Some(class('Q')), 7, 2)]);
    world.cancel("q");
    world.cancel("through");
    assert_eq!(limits(&world), [(None, 7, 2), (Some(class('Q')), 5, 0)]);
}

#[test]
fn cabins_and_classes_that_were_not_there_are_created_on_legs() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 10, &[('Y', None)])]));
    let leg = |board| Level::Leg(station(board));
    world.available(
        11,
        Availability {
            level: leg("BBB"),
            ..count('C', Counts::Total, 4)
        },
    );
    let business = HoldRequest {
        cabin: cabin('C'),
        ..ask_part(1, "BBB", "CCC")
    };
    world.held("a", business);
    let through = HoldRequest {
        board: None,
        ..business
    };
    assert_eq!(
        world.hold("b", through),
        refused(flightline_ledger::Reason::UnknownCabin)
    );
    // A class, at the end of the nest; the cabin around it without a count.
    let report = Availability {
        status: SaleStatus::Closed,
        ..count_class('W', 'K', Counts::Total, 3)
    };
    world.available(
        11,
        Availability {
            level: leg("AAA"),
            ..report
        },
    );
    let line = world.line("own", 0, 'W', None);
    assert_eq!((line.authorised, line.status), (None, SaleStatus::Open));
    let line = world.line("own", 0, 'W', Some('K'));
    assert_eq!(
        (line.authorised, line.status),
        (Some(3), SaleStatus::Closed)
    );
    world.available(12, count_class('Y', 'Q', Counts::Total, 2));
    let classes: Vec<_> = world
        .flight()
        .inventory()
        .filter(|l| l.leg == 0 && l.cabin == cabin('Y'))
        .collect();
    assert_eq!(
        classes.iter().map(|l| l.class).collect::<Vec<_>>(),
        [None, Some(class('Y')), Some(class('Q'))]
    );
    // On an exact segment nothing is created.
    let lines = world.flight().inventory().count();
    let level = Level::Segment(station("AAA"), station("CCC"));
    world.available(
        13,
        Availability {
            level,
            ..count('F', Counts::Total, 9)
        },
    );
    assert_eq!(world.flight().inventory().count(), lines);
    let first = HoldRequest {
        cabin: cabin('F'),
        ..ask(1)
    };
    assert_eq!(
        world.hold("c", first),
        refused(flightline_ledger::Reason::UnknownCabin)
    );
}

#[test]
fn without_cabin_and_class_the_cabins_it_has_are_meant() {
    let mut plans = schedule("AAA-BBB-CCC", &[plan('Y', 10, &[])]);
    plans.legs[1].cabins.push(plan('C', 5, &[]));
    let mut world = World::with(plans);
    let closed = Availability {
        cabin: None,
        ..status('Y', SaleStatus::Closed)
    };
    assert_eq!(world.available(11, closed), accepted(0));
    let statuses: Vec<_> = world
        .flight()
        .inventory()
        .map(|l| (l.leg, l.cabin, l.status))
        .collect();
    assert_eq!(
        statuses,
        [
            (0, cabin('Y'), SaleStatus::Closed),
            (1, cabin('C'), SaleStatus::Closed),
            (1, cabin('Y'), SaleStatus::Closed),
        ]
    );
}

#[test]
fn a_status_alone_leaves_the_count_and_a_count_may_be_negative() {
    let mut world = World::simple(100);
    world.available(11, count('Y', Counts::Total, 7));
    world.available(12, status('Y', SaleStatus::Request));
    assert_eq!((bound(&world), world.left(0)), (Some(7), 7));
    world.available(13, count('Y', Counts::Total, -4));
    let line = world.line("own", 0, 'Y', None);
    assert_eq!(
        (line.authorised, line.available, line.oversold),
        (Some(-4), 0, 0)
    );
    assert_eq!(world.hold("a", ask(1)), sold_out(0));
}

#[test]
fn drift_is_what_was_reported_beside_what_was_expected() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 100, &[('Q', None)])]));
    world.now_ms = 5_000;
    let last = |world: &World, of: Option<char>| {
        let mut drift = world.flight().drift().filter(|d| d.class == of.map(class));
        drift
            .next()
            .map(|d| (d.counts, d.reported, d.expected, d.difference(), d.at_ms))
    };
    assert_eq!(last(&world, None), None);
    remaining(&mut world, 11, 90);
    assert_eq!(
        last(&world, None),
        Some((Counts::Remaining, 90, Some(100), Some(-10), 5_000))
    );
    world.sold("a", ask(4));
    acknowledge(&mut world, "own", &["a"]);
    // 4 of ours are known: 86 are expected; one more went elsewhere.
    remaining(&mut world, 12, 85);
    assert_eq!(
        last(&world, None),
        Some((Counts::Remaining, 85, Some(86), Some(-1), 5_000))
    );
    world.available(13, count('Y', Counts::Total, 95));
    assert_eq!(
        last(&world, None),
        Some((Counts::Total, 95, Some(89), Some(6), 5_000))
    );
    world.available(13, count_class('Y', 'Q', Counts::Total, 5));
    assert_eq!(
        last(&world, Some('Q')),
        Some((Counts::Total, 5, None, None, 5_000))
    );
    // A stale report, or a status alone, is none.
    let stale = world.available(1, count('Y', Counts::Total, 1));
    assert_eq!(stale, Outcome::Stale);
    world.available(14, status('Y', SaleStatus::Closed));
    assert_eq!(
        last(&world, None),
        Some((Counts::Total, 95, Some(89), Some(6), 5_000))
    );
    let offset = world.flight().drift().next().unwrap().offset;
    assert!(matches!(
        world.records[offset as usize].command,
        flightline_ledger::Command::Flight(..)
    ));
}
