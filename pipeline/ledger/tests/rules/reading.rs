//! What can be read: offers, quotes, holds.

use flightline_ledger::command::{Availability, Counts, Fare, SaleStatus, Schedule};
use flightline_ledger::{HoldRequest, HoldState, Money, Outcome, ProviderBody};

use crate::support::*;

/// Offers in short: segment, provider, class, price, seats, floor.
fn offers(world: &World) -> Vec<(String, String, Option<char>, i64, u16, bool)> {
    let offers = world.flight().offers();
    offers
        .map(|o| {
            let Money { minor, .. } = o.price;
            let segment = format!("{}-{}", o.board, o.off);
            let class = o.class.map(|class| class.letter() as char);
            (
                segment,
                o.provider.to_string(),
                class,
                minor,
                o.seats,
                o.seats_is_floor,
            )
        })
        .collect()
}

fn offer(
    segment: &str,
    class: Option<char>,
    minor: i64,
    seats: u16,
) -> (String, String, Option<char>, i64, u16, bool) {
    (segment.into(), "own".into(), class, minor, seats, false)
}

#[test]
fn what_has_a_price_is_offered() {
    let nest = [('Y', None), ('Q', Some(3))];
    let mut world = World::with(Schedule {
        restricted: vec![(station("BBB"), station("CCC"))],
        ..schedule("AAA-BBB-CCC", &[plan('Y', 10, &nest)])
    });
    assert_eq!(offers(&world), []);
    let part = |b, o, minor| Fare {
        segment: Some((station(b), station(o))),
        ..fare('Y', None, minor)
    };
    let fares = vec![
        fare('Y', Some('Q'), 70),
        part("AAA", "BBB", 50),
        part("BBB", "CCC", 60),
    ];
    world.event("own", 11, ProviderBody::Fares(fares));
    let part = "AAA-BBB";
    let expected = [
        offer(part, None, 50, 10),
        offer(part, Some('Y'), 50, 10),
        offer(part, Some('Q'), 50, 3),
        offer("AAA-CCC", Some('Q'), 70, 3),
    ];
    assert_eq!(offers(&world), expected);
    let filed = world.flight().fares().map(|f| {
        let segment = f.segment.map(|(board, off)| format!("{board}-{off}"));
        (
            segment,
            f.class.map(|class| class.letter() as char),
            f.price.minor,
        )
    });
    let expected = [
        (None, Some('Q'), 70),
        (Some("AAA-BBB".to_owned()), None, 50),
        (Some("BBB-CCC".to_owned()), None, 60),
    ];
    assert_eq!(
        filed.collect::<Vec<_>>(),
        expected,
        "also where nothing is sold"
    );
    world.held("a", ask_class(2, 'Q'));
    let seats: Vec<_> = offers(&world).into_iter().map(|offer| offer.4).collect();
    assert_eq!(seats, [8, 8, 1, 1]);
}

#[test]
fn what_is_not_sold_has_no_seats() {
    let world = || {
        let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 10, &[])]));
        world.event("own", 11, ProviderBody::Fares(vec![fare('Y', None, 5)]));
        world
    };
    for (what, body, seats) in [
        ("open", available(status('Y', SaleStatus::Open)), Some(10)),
        (
            "closed",
            available(status('Y', SaleStatus::Closed)),
            Some(0),
        ),
        ("cancelled", ProviderBody::Cancel, Some(0)),
        (
            "oversold",
            available(count('Y', Counts::Total, -5)),
            Some(0),
        ),
        (
            "codeshare",
            ProviderBody::Schedule(Schedule {
                operating: Some("LH9.2033-05-18.AAA".parse().unwrap()),
                ..schedule("AAA-BBB", &[plan('Y', 10, &[])])
            }),
            None,
        ),
    ] {
        let mut world = world();
        world.event("own", 12, body);
        let found: Vec<_> = offers(&world).into_iter().map(|offer| offer.4).collect();
        assert_eq!(found, seats.into_iter().collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn a_floor_is_told_while_it_bounds() {
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', 100, &[('Q', Some(5))])]));
    world.event("own", 11, ProviderBody::Fares(vec![fare('Y', None, 5)]));
    world.available(
        11,
        Availability {
            is_floor: true,
            ..count('Y', Counts::Remaining, 9)
        },
    );
    let told: Vec<_> = offers(&world)
        .into_iter()
        .map(|o| (o.2, o.4, o.5))
        .collect();
    assert_eq!(told, [(None, 9, true), (Some('Q'), 5, false)]);
    assert!(world.line("own", 0, 'Y', None).is_floor);
    // Where an exact bound gives the same number, that is exact.
    world.available(12, count_class('Y', 'Q', Counts::Total, 9));
    let told: Vec<_> = offers(&world)
        .into_iter()
        .map(|o| (o.2, o.4, o.5))
        .collect();
    assert_eq!(told, [(None, 9, true), (Some('Q'), 9, false)]);
    world.available(13, count('Y', Counts::Remaining, 4));
    assert_eq!(offers(&world)[0], offer("AAA-BBB", None, 5, 4));
}

#[test]
fn an_offer_is_what_a_hold_gets() {
    let nest = [('Y', None), ('Q', Some(3))];
    let mut world = World::with(schedule(
        "AAA-BBB-CCC",
        &[plan('Y', 10, &nest), plan('C', 2, &[])],
    ));
    let fares = vec![
        fare('Y', None, 5),
        fare('Y', Some('Q'), 4),
        fare('C', None, 9),
    ];
    world.event("own", 11, ProviderBody::Fares(fares));
    world.held("x", ask_part(7, "BBB", "CCC"));
    let offers: Vec<_> = world.flight().offers().collect();
    assert_eq!(offers.len(), 4);
    for (i, offer) in offers.into_iter().enumerate() {
        let request = HoldRequest {
            provider: Some(offer.provider),
            cabin: offer.cabin,
            class: offer.class,
            board: Some(offer.board),
            off: Some(offer.off),
            seats: offer.seats,
            ttl_ms: None,
            expected_price: Some(offer.price),
            wait_ms: None,
        };
        let mut ledger = world.ledger.clone();
        let mut say = |seats, name: &str| {
            let command = flightline_ledger::FlightCommand::Hold(HoldRequest { seats, ..request });
            let input = flightline_ledger::Input {
                offset: 100 + i as u64,
                at_ms: 0,
                id: id(name),
                command: flightline_ledger::Command::Flight(key(), command),
            };
            ledger.apply(&input, &mut flightline_ledger::Silent).outcome
        };
        assert_eq!(say(offer.seats + 1, "more"), sold_out(offer.seats));
        assert!(matches!(say(offer.seats, "all"), Outcome::Held { .. }));
    }
}

#[test]
fn a_hold_can_be_read_in_full() {
    let mut world = World::simple(9);
    world.event("own", 11, ProviderBody::Fares(vec![fare('Y', None, 5)]));
    world.now_ms = 2_000;
    world.held(
        "a",
        HoldRequest {
            ttl_ms: Some(100),
            ..ask(2)
        },
    );
    let offset = world.records.len() as u64 - 1;
    world.now_ms = 2_050;
    world.confirm("a");
    let hold = world
        .flight()
        .hold(world.flight().find_hold(id("a")).unwrap());
    assert_eq!(
        (hold.id, hold.provider, hold.seats),
        (id("a"), provider("own"), 2)
    );
    assert_eq!((hold.cabin, hold.class), (cabin('Y'), None));
    assert_eq!((hold.board, hold.off), (station("AAA"), station("BBB")));
    assert_eq!((hold.deadline_ms, hold.price), (2_100, Some(usd(5))));
    assert_eq!((hold.offset, hold.created_at_ms), (offset, 2_000));
    assert_eq!(
        (hold.changed_offset, hold.changed_at_ms),
        (offset + 1, 2_050)
    );
    assert_eq!(
        (hold.state, hold.acknowledged_offset),
        (HoldState::Confirmed, None)
    );
    assert_eq!(world.flight().holds().count(), 1);
    assert_eq!(world.flight().find_hold(id("b")), None);
    assert_eq!(
        (world.flight().hold_count(), world.flight().live_holds()),
        (1, 0)
    );
    assert_eq!(world.flight().command_count(), world.records.len());
}

#[test]
fn the_next_deadline_is_that_of_a_live_hold() {
    let mut world = World::simple(9);
    let retires_ms = world.ledger.next_deadline_ms();
    world.held(
        "a",
        HoldRequest {
            ttl_ms: Some(10),
            ..ask(1)
        },
    );
    world.held(
        "b",
        HoldRequest {
            ttl_ms: Some(20),
            ..ask(1)
        },
    );
    assert_eq!(world.ledger.next_deadline_ms(), Some(world.now_ms + 10));
    world.confirm("a");
    assert_eq!(world.ledger.next_deadline_ms(), Some(world.now_ms + 20));
    world.release("b");
    assert_eq!(world.ledger.next_deadline_ms(), retires_ms);
    assert_eq!(world.ledger.live_holds(), 0);
}
