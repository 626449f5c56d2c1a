//! Displacement: less than is held; newest first, sales stay.

use flightline_ledger::HoldState::{Confirmed, Displaced, Held};
use flightline_ledger::command::{Availability, Counts, Equipment, Level};
use flightline_ledger::{HoldRequest, ProviderBody};

use crate::support::*;

fn equipment(seats: u16) -> ProviderBody {
    ProviderBody::Equipment(Equipment {
        board: None,
        aircraft: *b"320",
        cabins: vec![plan('Y', seats, &[])],
    })
}

/// Holds of 1, 2 and 3 seats in that order, and a sale of 4 after the first.
fn ten() -> World {
    let mut world = World::with(schedule(
        "AAA-BBB",
        &[plan('Y', 10, &[('Y', None), ('Q', Some(10))])],
    ));
    world.held("a", ask(1));
    world.sold("sale", ask(4));
    world.held("b", ask(2));
    world.held("c", ask(3));
    world
}

#[test]
fn the_newest_go_first_and_no_more_than_must() {
    for (seats, displaced, states, left, oversold) in [
        (10, 0, [Held, Held, Held], 0, 0),
        (9, 1, [Held, Held, Displaced], 2, 0),
        (7, 1, [Held, Held, Displaced], 0, 0),
        (6, 2, [Held, Displaced, Displaced], 1, 0),
        (4, 3, [Displaced, Displaced, Displaced], 0, 0),
        (1, 3, [Displaced, Displaced, Displaced], 0, 3),
        (0, 3, [Displaced, Displaced, Displaced], 0, 4),
    ] {
        for body in [
            equipment(seats),
            available(count('Y', Counts::Total, seats.into())),
        ] {
            let mut world = ten();
            assert_eq!(world.event("own", 11, body), accepted(displaced), "{seats}");
            assert_eq!(world.states(["a", "b", "c"]), states, "{seats}");
            assert_eq!(world.state("sale"), Confirmed);
            let line = world.line("own", 0, 'Y', None);
            assert_eq!((line.available, line.oversold), (left, oversold), "{seats}");
        }
    }
}

#[test]
fn a_negative_count_leaves_nothing() {
    let mut world = ten();
    assert_eq!(
        world.available(11, count('Y', Counts::Total, -50)),
        accepted(3)
    );
    let line = world.line("own", 0, 'Y', None);
    assert_eq!((line.available, line.oversold), (0, 4));
}

#[test]
fn oversold_sales_alone_displace_nobody_later() {
    let mut world = ten();
    world.available(11, count('Y', Counts::Total, 1));
    assert_eq!(
        world.available(12, count('Y', Counts::Total, 2)),
        accepted(0)
    );
    assert_eq!(world.line("own", 0, 'Y', None).oversold, 2);
    assert_eq!(world.hold("d", ask(1)), sold_out(0));
    world.cancel("sale");
    world.held("e", ask(2));
}

#[test]
fn only_holds_that_use_the_bucket_go() {
    let mut world = World::with(schedule(
        "AAA-BBB-CCC",
        &[plan('Y', 10, &[('Y', None), ('Q', Some(9))])],
    ));
    world.held(
        "q",
        HoldRequest {
            class: Some(class('Q')),
            ..ask_part(3, "AAA", "BBB")
        },
    );
    world.held("second", ask_part(5, "BBB", "CCC"));
    world.held(
        "y",
        HoldRequest {
            class: Some(class('Y')),
            ..ask_part(3, "AAA", "BBB")
        },
    );
    world.held("plain", ask_part(3, "AAA", "BBB"));
    // The limit of Q binds those nested after it, not those before.
    let report = Availability {
        level: Level::Leg(station("AAA")),
        ..count_class('Y', 'Q', Counts::Total, 2)
    };
    assert_eq!(world.available(11, report), accepted(1));
    let all = ["q", "second", "y", "plain"];
    assert_eq!(world.states(all), [Displaced, Held, Held, Held]);
    // A limit before them does.
    let report = Availability {
        class: Some(class('Y')),
        ..report
    };
    assert_eq!(world.available(12, report), accepted(1));
    assert_eq!(world.states(all), [Displaced, Held, Displaced, Held]);
    // A leg's cabin binds all that fly it.
    let report = Availability {
        class: None,
        ..report
    };
    assert_eq!(world.available(13, report), accepted(1));
    assert_eq!(world.states(all), [Displaced, Held, Displaced, Displaced]);
}

#[test]
fn exact_segments_displace_their_own() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 10, &[])]));
    world.held("part", ask_part(3, "AAA", "BBB"));
    world.held("through", ask(3));
    let level = Level::Segment(station("AAA"), station("BBB"));
    let report = Availability {
        level,
        ..count('Y', Counts::Total, 2)
    };
    assert_eq!(world.available(11, report), accepted(1));
    assert_eq!(world.states(["part", "through"]), [Displaced, Held]);
}

#[test]
fn a_smaller_aircraft_displaces_over_all_providers() {
    let mut world = World::simple(10);
    world.schedule("other", 1, schedule("AAA-BBB", &[plan('Y', 10, &[])]));
    let other = HoldRequest {
        provider: Some(provider("other")),
        ..ask(4)
    };
    world.held("own1", ask(2));
    world.held("other1", other);
    world.held("own2", ask(4));
    // The allotments themselves are large enough.
    world.available(11, count('Y', Counts::Total, 100));
    world.event("other", 12, available(count('Y', Counts::Total, 100)));
    assert_eq!(world.event("own", 13, equipment(5)), accepted(2));
    assert_eq!(
        world.states(["own1", "other1", "own2"]),
        [Held, Displaced, Displaced]
    );
}

#[test]
fn the_largest_allowance_of_any_provider_is_the_aircrafts() {
    let mut world = World::simple(10);
    world.schedule("other", 1, schedule("AAA-BBB", &[plan('Y', 10, &[])]));
    let terms = |n| ProviderBody::Terms(vec![(cabin('Y'), n)]);
    world.event("other", 1, terms(5));
    let other = |seats| HoldRequest {
        provider: Some(provider("other")),
        ..ask(seats)
    };
    world.held("own", ask(8));
    world.held("other", other(7));
    assert_eq!(world.hold("own2", ask(1)), sold_out(0));
    // 15 are used of 10 + 5: nobody goes.
    assert_eq!(world.event("own", 11, equipment(10)), accepted(0));
    // Terms that end displace.
    assert_eq!(world.event("other", 2, terms(4)), accepted(1));
    assert_eq!(world.states(["own", "other"]), [Held, Displaced]);
}

#[test]
fn terms_displace_in_the_providers_own_cabin() {
    let mut world = World::simple(10);
    world.event("own", 1, ProviderBody::Terms(vec![(cabin('Y'), 2)]));
    world.held("a", ask(11));
    world.held("b", ask(1));
    assert_eq!(
        world.event("own", 2, ProviderBody::Terms(vec![(cabin('C'), 5)])),
        accepted(2)
    );
    assert_eq!(world.states(["a", "b"]), [Displaced, Displaced]);
}

#[test]
fn displaced_counts_every_cause_once() {
    // A new route and a smaller aircraft in one schedule.
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 10, &[])]));
    world.held("lost", ask_part(1, "BBB", "CCC"));
    world.held("kept", ask_part(2, "AAA", "BBB"));
    world.held("cut", ask_part(2, "AAA", "BBB"));
    let outcome = world.schedule("own", 11, schedule("AAA-BBB", &[plan('Y', 3, &[])]));
    assert_eq!(outcome, accepted(2));
    assert_eq!(
        world.states(["lost", "kept", "cut"]),
        [Displaced, Held, Displaced]
    );
}
