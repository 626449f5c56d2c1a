//! The owner changes the stations of the flight.

use flightline_ledger::HoldState::{Confirmed, Displaced, Held};
use flightline_ledger::command::{Availability, Counts, Equipment, Fare, Level, Schedule};
use flightline_ledger::{HoldRequest, Outcome, ProviderBody, Reason};

use crate::support::*;

fn y(route: &str) -> Schedule {
    schedule(route, &[plan('Y', 10, &[('Q', None)])])
}

#[test]
fn holds_keep_their_stations() {
    let mut world = World::with(y("AAA-BBB-CCC"));
    world.held("through", ask(1));
    world.held("first", ask_part(2, "AAA", "BBB"));
    world.held("second", ask_part(3, "BBB", "CCC"));
    world.sold("sale", ask_part(4, "BBB", "CCC"));
    // The stop is left out.
    assert_eq!(world.schedule("own", 11, y("AAA-CCC")), accepted(2));
    assert_eq!(
        world.states(["through", "first", "second", "sale"]),
        [Held, Displaced, Displaced, Confirmed]
    );
    let line = world.line("own", 0, 'Y', None);
    assert_eq!((line.held, line.sold), (1, 0));
    // It comes back: so does the sale, on its leg.
    assert_eq!(world.schedule("own", 12, y("AAA-BBB-CCC")), accepted(0));
    assert_eq!((world.left(0), world.left(1)), (9, 5));
    // The sale without a leg can be undone.
    world.schedule("own", 13, y("AAA-CCC"));
    assert_eq!(
        world.cancel("sale"),
        Outcome::Cancelled {
            seats: 4,
            already: false
        }
    );
    assert_eq!(world.left(0), 9);
}

#[test]
fn a_stop_is_added() {
    let mut world = World::with(y("AAA-CCC"));
    world.held("a", ask(3));
    assert_eq!(world.schedule("own", 11, y("AAA-BBB-CCC")), accepted(0));
    assert_eq!((world.left(0), world.left(1)), (7, 7));
    let hold = world.flight().hold(0);
    assert_eq!((hold.board, hold.off), (station("AAA"), station("CCC")));
}

#[test]
fn legs_with_the_same_stations_keep_their_inventory() {
    let mut world = World::with(y("AAA-BBB-CCC"));
    let on = |board| Level::Leg(station(board));
    world.available(
        50,
        Availability {
            level: on("BBB"),
            ..count('Y', Counts::Total, 4)
        },
    );
    world.schedule("other", 1, y("AAA-BBB-CCC"));
    assert_eq!(world.schedule("own", 51, y("AAA-DDD-BBB-CCC")), accepted(0));
    // The count of B-C moved with its leg, the new legs have the schedule's.
    assert_eq!((world.left(0), world.left(1), world.left(2)), (10, 10, 4));
    // Another provider has nothing on the new legs.
    let others: Vec<_> = world
        .flight()
        .inventory()
        .filter(|l| l.provider == provider("other"))
        .collect();
    assert!(others.iter().all(|line| line.leg == 2));
    let other = HoldRequest {
        provider: Some(provider("other")),
        ..ask(1)
    };
    assert_eq!(world.hold("a", other), refused(Reason::UnknownCabin));
}

#[test]
fn of_legs_that_repeat_the_nth_keeps_the_nths() {
    let mut world = World::with(y("AAA-BBB-AAA-BBB"));
    let body = ProviderBody::Equipment(Equipment {
        board: None,
        aircraft: *b"320",
        cabins: vec![],
    });
    world.event("own", 11, body);
    world.available(50, count('Y', Counts::Total, 7));
    world.available(
        51,
        Availability {
            level: Level::Leg(station("AAA")),
            ..count('Y', Counts::Total, 5)
        },
    );
    let mut bare = schedule("AAA-BBB-AAA-BBB-CCC", &[]);
    for leg in &mut bare.legs[..3] {
        leg.cabins = vec![plan('Y', 10, &[])];
    }
    world.schedule("own", 52, bare);
    let authorised: Vec<_> = world
        .flight()
        .inventory()
        .filter(|l| l.class.is_none())
        .map(|l| (l.leg, l.authorised))
        .collect();
    assert_eq!(authorised, [(0, Some(5)), (1, Some(7)), (2, Some(7))]);
}

#[test]
fn what_is_no_segment_any_more_is_dropped() {
    let mut world = World::with(y("AAA-BBB-CCC"));
    for (b, o) in [("AAA", "BBB"), ("AAA", "CCC")] {
        let level = Level::Segment(station(b), station(o));
        world.available(
            50,
            Availability {
                level,
                ..count('Y', Counts::Total, 1)
            },
        );
        let fare = Fare {
            segment: Some((station(b), station(o))),
            ..fare('Y', None, 9)
        };
        world.event("own", 50, ProviderBody::Fares(vec![fare]));
    }
    world.schedule("own", 51, y("AAA-CCC"));
    assert_eq!(world.flight().segment_limits(provider("own")).count(), 1);
    assert_eq!(world.hold("a", ask(2)), sold_out(1));
    world.schedule("own", 52, y("AAA-BBB-CCC"));
    let quote = |b: &str, o: &str| {
        let (b, o) = (Some(station(b)), Some(station(o)));
        world
            .flight()
            .quote(provider("own"), b, o, cabin('Y'), None)
            .unwrap()
    };
    assert_eq!(
        (quote("AAA", "BBB").available, quote("AAA", "BBB").price),
        (10, None)
    );
    assert_eq!(
        (quote("AAA", "CCC").available, quote("AAA", "CCC").price),
        (1, Some(usd(9)))
    );
}

#[test]
fn the_owner_changes_route_as_a_whole_or_not_at_all() {
    for newer in [
        ProviderBody::TimeChange(vec![]),
        ProviderBody::Equipment(Equipment {
            board: None,
            aircraft: *b"320",
            cabins: vec![plan('Y', 5, &[])],
        }),
    ] {
        let mut world = World::with(y("AAA-BBB"));
        world.event("own", 50, newer);
        // Status is still applied.
        assert_eq!(world.schedule("own", 40, y("AAA-CCC")), partly(0));
        assert_eq!(world.flight().legs()[0].off, station("BBB"));
        // The version of what was not applied was not stored.
        assert_eq!(world.schedule("own", 30, y("AAA-CCC")), Outcome::Stale);
        assert_eq!(world.schedule("own", 50, y("AAA-CCC")), accepted(0));
        assert_eq!(world.flight().legs()[0].off, station("CCC"));
    }
}

#[test]
fn a_takeover_may_change_the_route() {
    let mut world = World::with(y("AAA-BBB"));
    world.held("a", ask(1));
    let outcome = world.event_of(11, "high", 1, ProviderBody::Schedule(y("AAA-CCC")));
    assert_eq!(outcome, accepted(1));
    assert_eq!(world.flight().owner(), provider("high"));
    assert_eq!(world.state("a"), Displaced);
}

#[test]
fn a_takeover_that_is_stale_as_a_whole_is_stale_even_elsewhere() {
    let mut world = World::with(y("AAA-BBB"));
    world.schedule("other", 50, y("AAA-BBB"));
    let outcome = world.event_of(99, "other", 40, ProviderBody::Schedule(y("AAA-CCC")));
    assert_eq!(outcome, Outcome::Stale);
}

#[test]
fn a_sale_counts_in_what_is_created_under_it_later() {
    // Only `own` has cabin Y on A-B; after the change B is gone, and A-C has no Y of `other`.
    let mut world = World::with(y("AAA-BBB-CCC"));
    world.schedule("other", 1, y("AAA-BBB-CCC"));
    let other = HoldRequest {
        provider: Some(provider("other")),
        class: Some(class('Q')),
        ..ask(3)
    };
    world.sold("sale", other);
    world.held("hold", other);
    world.schedule("own", 11, y("AAA-CCC"));
    // Both still are a segment; the cabin they are in is nobody's.
    assert_eq!(world.states(["sale", "hold"]), [Confirmed, Held]);
    assert!(
        world
            .flight()
            .inventory()
            .all(|line| line.provider == provider("own"))
    );
    assert_eq!(world.left(0), 4);
    // The cabin is created, and counts them; then the class.
    world.event("other", 12, available(count('Y', Counts::Total, 8)));
    let line = world.line("other", 0, 'Y', None);
    assert_eq!((line.held, line.sold, line.available), (3, 3, 2));
    world.event(
        "other",
        12,
        available(count_class('Y', 'Q', Counts::Total, 7)),
    );
    let line = world.line("other", 0, 'Y', Some('Q'));
    assert_eq!((line.held, line.sold, line.available), (3, 3, 1));
    world.cancel("sale");
    assert_eq!(world.line("other", 0, 'Y', Some('Q')).sold, 0);
}

#[test]
fn times_alone_change_no_route() {
    let mut world = World::with(y("AAA-BBB-CCC"));
    world.held("a", ask(1));
    let mut times = y("AAA-BBB-CCC").legs[1].times;
    (times.departs_s, times.arrives_s) = (DEPARTS_S + 9000, DEPARTS_S + 9900);
    assert_eq!(
        world.event("own", 11, ProviderBody::TimeChange(vec![times])),
        accepted(0)
    );
    let legs = world.flight().legs();
    assert_eq!((legs[0].times.departs_s, legs[1].times), (DEPARTS_S, times));
    assert_eq!(world.state("a"), Held);
}
