//! Ids: one answer for as long as the flight lives.

use flightline_ledger::{
    CommandId, FlightCommand, HoldRequest, Outcome, ProviderBody, Reason, Replay,
};

use crate::support::*;

#[test]
fn the_same_again_is_answered_the_same_and_changes_nothing() {
    let mut world = World::simple(5);
    let first = world.hold("a", ask(2));
    let offset = world.records.len() as u64 - 1;
    world.release("a");
    let state = world.left(0);
    let decision = world.about(key(), "a", FlightCommand::Hold(ask(2)));
    assert_eq!(decision.outcome, first);
    assert_eq!(
        decision.replay,
        Replay::Same {
            first_offset: offset
        }
    );
    assert_eq!(world.left(0), state);
}

#[test]
fn every_detail_of_a_hold_counts() {
    let changed = [
        HoldRequest {
            provider: None,
            ..ask(2)
        },
        HoldRequest {
            provider: Some(provider("other")),
            ..ask(2)
        },
        HoldRequest {
            cabin: cabin('C'),
            ..ask(2)
        },
        HoldRequest {
            class: Some(class('Y')),
            ..ask(2)
        },
        HoldRequest {
            board: Some(station("AAA")),
            ..ask(2)
        },
        HoldRequest {
            off: Some(station("AAA")),
            ..ask(2)
        },
        ask(3),
        HoldRequest {
            ttl_ms: Some(0),
            ..ask(2)
        },
        HoldRequest {
            ttl_ms: Some(1),
            ..ask(2)
        },
        HoldRequest {
            expected_price: Some(usd(0)),
            ..ask(2)
        },
        HoldRequest {
            expected_price: Some(usd(1)),
            ..ask(2)
        },
        HoldRequest {
            wait_ms: Some(1),
            ..ask(2)
        },
        HoldRequest {
            wait_ms: Some(2),
            ..ask(2)
        },
    ];
    let mut world = World::simple(5);
    let first = world.hold("a", ask(2));
    let first_offset = world.records.len() as u64 - 1;
    for request in changed {
        let decision = world.about(key(), "a", FlightCommand::Hold(request));
        assert_eq!(
            decision.replay,
            Replay::Different { first_offset },
            "{request:?}"
        );
        assert_eq!(decision.outcome, first);
    }
    assert_eq!(world.left(0), 3);
    // A command of another kind with that id is another command too.
    let decision = world.about(key(), "a", FlightCommand::Cancel { hold: id("a") });
    assert_eq!(decision.replay, Replay::Different { first_offset });
}

#[test]
fn commands_about_neighbouring_holds_are_told_apart() {
    // Kinds of command and ids of holds that differ in the same low bits.
    let commands = |hold: u128| {
        let hold = CommandId(hold);
        [
            FlightCommand::Confirm { hold },
            FlightCommand::Release { hold },
            FlightCommand::Cancel { hold },
        ]
    };
    let mut world = World::simple(9);
    for (at, first) in commands(64).into_iter().enumerate() {
        let name = format!("x{at}");
        world.about(key(), &name, first.clone());
        for hold in (0..128).chain([64 << 64]) {
            for again in commands(hold) {
                let decision = world.about(key(), &name, again.clone());
                let is_same = matches!(decision.replay, Replay::Same { .. });
                assert_eq!(is_same, again == first, "{first:?} and {again:?}");
            }
        }
    }
}

#[test]
fn every_detail_of_an_event_counts() {
    let body = |minor| ProviderBody::Fares(vec![fare('Y', None, minor)]);
    let mut world = World::simple(5);
    let first = world.about(key(), "e", event(10, "own", 11, body(5)));
    let first_offset = first.offset;
    for (command, replay) in [
        (event(10, "own", 11, body(5)), Replay::Same { first_offset }),
        (
            event(10, "own", 11, body(6)),
            Replay::Different { first_offset },
        ),
        (
            event(10, "own", 12, body(5)),
            Replay::Different { first_offset },
        ),
        (
            event(11, "own", 11, body(5)),
            Replay::Different { first_offset },
        ),
        (
            event(10, "out", 11, body(5)),
            Replay::Different { first_offset },
        ),
        (
            event(10, "own", 11, ProviderBody::Cancel),
            Replay::Different { first_offset },
        ),
        (
            event(10, "own", 11, ProviderBody::Withdraw),
            Replay::Different { first_offset },
        ),
    ] {
        let decision = world.about(key(), "e", command);
        assert_eq!(decision.replay, replay);
        assert_eq!(decision.outcome, first.outcome);
    }
}

#[test]
fn a_refusal_stays_refused_even_when_a_seat_frees_up() {
    let mut world = World::simple(1);
    world.held("a", ask(1));
    assert_eq!(world.hold("b", ask(1)), sold_out(0));
    world.release("a");
    let decision = world.about(key(), "b", FlightCommand::Hold(ask(1)));
    assert_eq!(decision.outcome, sold_out(0));
    assert!(matches!(decision.replay, Replay::Same { .. }));
    world.held("c", ask(1));
}

#[test]
fn a_price_that_changed_is_remembered_with_the_price() {
    let mut world = World::simple(9);
    for (name, expected) in [("none", None), ("some", Some(usd(777)))] {
        if expected.is_some() {
            world.event("own", 11, ProviderBody::Fares(vec![fare('Y', None, 777)]));
        }
        let request = HoldRequest {
            expected_price: Some(usd(1)),
            ..ask(1)
        };
        let first = world.hold(name, request);
        assert_eq!(first, refused(Reason::PriceChanged { now: expected }));
        let again = world.about(key(), name, FlightCommand::Hold(request));
        assert_eq!(again.outcome, first);
    }
}

#[test]
fn every_kind_of_command_is_remembered() {
    let mut world = World::simple(9);
    world.held("a", ask(1));
    world.held("b", ask(1));
    for (name, command) in [
        ("confirm", FlightCommand::Confirm { hold: id("a") }),
        ("cancel", FlightCommand::Cancel { hold: id("a") }),
        ("release", FlightCommand::Release { hold: id("b") }),
        ("unknown", FlightCommand::Release { hold: id("nobody") }),
        ("stale", event(10, "own", 1, ProviderBody::Cancel)),
        ("invalid", event(10, "own", 20, ProviderBody::Fares(vec![]))),
        (
            "ack",
            event(10, "own", 20, ProviderBody::Acknowledge(vec![id("a")])),
        ),
    ] {
        let first = world.about(key(), name, command.clone());
        let again = world.about(key(), name, command);
        assert_eq!(first.replay, Replay::First);
        assert_eq!(
            again.replay,
            Replay::Same {
                first_offset: first.offset
            }
        );
        assert_eq!(again.outcome, first.outcome);
        assert_eq!(again.kind, first.kind);
    }
}

#[test]
fn the_schedule_that_creates_a_flight_is_remembered() {
    let mut world = World::empty();
    let body = ProviderBody::Schedule(schedule("AAA-BBB", &[]));
    let command = event(1, "own", 1, body);
    assert_eq!(
        world.about(key(), "s", command.clone()).replay,
        Replay::First
    );
    let again = world.about(key(), "s", command);
    assert_eq!(again.replay, Replay::Same { first_offset: 0 });
    assert_eq!(again.outcome, accepted(0));
}

#[test]
fn what_is_said_of_a_flight_that_is_not_there_is_not_remembered() {
    let mut world = World::empty();
    let mut invalid = schedule("AAA-BBB", &[]);
    invalid.legs.clear();
    for _ in 0..2 {
        for (command, reason) in [
            (FlightCommand::Hold(ask(1)), Reason::UnknownFlight),
            (FlightCommand::Hold(ask(0)), Reason::UnknownFlight),
            (
                FlightCommand::Confirm { hold: id("a") },
                Reason::UnknownFlight,
            ),
            (
                FlightCommand::Release { hold: id("a") },
                Reason::UnknownFlight,
            ),
            (
                FlightCommand::Cancel { hold: id("a") },
                Reason::UnknownFlight,
            ),
            (
                event(1, "own", 1, ProviderBody::Cancel),
                Reason::NotScheduled,
            ),
            (
                event(1, "own", 1, ProviderBody::Fares(vec![])),
                Reason::NotScheduled,
            ),
            (
                event(1, "own", 1, ProviderBody::Schedule(invalid.clone())),
                Reason::InvalidEvent,
            ),
        ] {
            let decision = world.about(key(), "x", command);
            assert_eq!(decision.outcome, refused(reason));
            assert_eq!(decision.replay, Replay::First);
        }
    }
    assert_eq!(
        world.schedule("own", 1, schedule("AAA-BBB", &[])),
        accepted(0)
    );
}

#[test]
fn ids_are_of_the_flight_and_all_128_bits_count() {
    let mut world = World::simple(100);
    for bit in 0..128 {
        let command = flightline_ledger::Command::Flight(key(), FlightCommand::Hold(ask(1)));
        let decision = world.record(CommandId(1 << bit), command);
        let expected_first = bit < 100;
        assert_eq!(decision.replay, Replay::First);
        let is_held = matches!(decision.outcome, Outcome::Held { .. });
        assert_eq!(is_held, expected_first, "bit {bit}");
    }
    let other = "UA2.2033-05-18.AAA".parse().unwrap();
    let body = ProviderBody::Schedule(schedule("AAA-BBB", &[plan('Y', 9, &[])]));
    world.about(other, "#1", event(1, "own", 1, body));
    let hold = flightline_ledger::Command::Flight(other, FlightCommand::Hold(ask(1)));
    assert_eq!(world.record(CommandId(1), hold).replay, Replay::First);
}
