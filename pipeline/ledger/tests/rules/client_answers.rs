//! Confirm, release, cancel: the whole table, and what gives seats back.

use flightline_ledger::HoldState::{
    self, Cancelled, Confirmed, Displaced, Expired, Held, Released, Waiting,
};
use flightline_ledger::{FlightCommand, HoldRequest, Outcome, ProviderBody, Reason};

use crate::support::*;

/// A hold of 3 in each state.
fn world_in(state: HoldState) -> World {
    let mut world = World::simple(10);
    world.held(
        "h",
        HoldRequest {
            ttl_ms: Some(5_000),
            ..ask(3)
        },
    );
    match state {
        Held => {}
        Confirmed => drop(world.confirm("h")),
        Released => drop(world.release("h")),
        Cancelled => drop(world.cancel("h")),
        Expired => world.tick(1_000_000),
        Displaced => {
            world.event("own", 11, ProviderBody::Cancel);
            world.event("own", 12, ProviderBody::Reinstate);
        }
        Waiting => unreachable!("there are seats"),
    }
    assert_eq!(world.state("h"), state);
    world
}

fn confirmed(already: bool) -> Outcome {
    Outcome::Confirmed { seats: 3, already }
}

fn released(already: bool) -> Outcome {
    Outcome::Released { seats: 3, already }
}

fn cancelled(already: bool) -> Outcome {
    Outcome::Cancelled { seats: 3, already }
}

#[test]
fn the_table_of_states() {
    use Reason::{AlreadyCancelled, AlreadyConfirmed, AlreadyReleased};
    let table = [
        (Held, confirmed(false), released(false), cancelled(false)),
        (
            Confirmed,
            confirmed(true),
            refused(AlreadyConfirmed),
            cancelled(false),
        ),
        (
            Released,
            refused(AlreadyReleased),
            released(true),
            refused(AlreadyReleased),
        ),
        (
            Cancelled,
            refused(AlreadyCancelled),
            refused(AlreadyCancelled),
            cancelled(true),
        ),
        (
            Expired,
            refused(Reason::Expired),
            refused(Reason::Expired),
            refused(Reason::Expired),
        ),
        (
            Displaced,
            refused(Reason::Displaced),
            refused(Reason::Displaced),
            refused(Reason::Displaced),
        ),
    ];
    for (state, confirm, release, cancel) in table {
        for (name, expected) in [
            ("confirm", confirm),
            ("release", release),
            ("cancel", cancel),
        ] {
            let mut world = world_in(state);
            let outcome = match name {
                "confirm" => world.confirm("h"),
                "release" => world.release("h"),
                _ => world.cancel("h"),
            };
            assert_eq!(
                outcome,
                expected,
                "{name} of a hold that is {}",
                state.name()
            );
            let after = match outcome {
                Outcome::Confirmed { .. } => Confirmed,
                Outcome::Released { .. } => Released,
                Outcome::Cancelled { .. } => Cancelled,
                _ => state,
            };
            assert_eq!(world.state("h"), after);
            let left = if after.takes_seats() { 7 } else { 10 };
            assert_eq!(
                world.left(0),
                left,
                "{name} of a hold that is {}",
                state.name()
            );
        }
    }
}

#[test]
fn held_and_sold_are_told_apart() {
    let mut world = World::simple(10);
    world.held("a", ask(3));
    let seats = |world: &World| {
        let line = world.line("own", 0, 'Y', None);
        (line.held, line.sold, line.available)
    };
    assert_eq!(seats(&world), (3, 0, 7));
    world.confirm("a");
    assert_eq!(seats(&world), (0, 3, 7));
    world.cancel("a");
    assert_eq!(seats(&world), (0, 0, 10));
}

#[test]
fn a_hold_is_found_on_its_flight_by_its_own_id() {
    let mut world = World::simple(1);
    world.held("a", ask(1));
    assert_eq!(world.hold("refused", ask(1)), sold_out(0));
    world.say("c", FlightCommand::Confirm { hold: id("a") });
    for unknown in ["nobody", "refused", "c"] {
        for outcome in [
            world.confirm(unknown),
            world.release(unknown),
            world.cancel(unknown),
        ] {
            assert_eq!(outcome, refused(Reason::UnknownHold), "{unknown}");
        }
    }
    // Its own id names nothing yet.
    let outcome = world.say("self", FlightCommand::Confirm { hold: id("self") });
    assert_eq!(outcome, refused(Reason::UnknownHold));
    let other = "UA2.2033-05-18.AAA".parse().unwrap();
    let body = ProviderBody::Schedule(schedule("AAA-BBB", &[]));
    world.about(other, "s2", event(1, "own", 1, body));
    let decision = world.about(other, "x2", FlightCommand::Confirm { hold: id("a") });
    assert_eq!(decision.outcome, refused(Reason::UnknownHold));
}

#[test]
fn a_hold_can_be_confirmed_after_departure_while_it_lives() {
    let mut world = World::simple(3);
    world.now_ms = DEPARTS_S * 1000 - 1;
    world.held("a", ask(1));
    world.now_ms = DEPARTS_S * 1000 + 1;
    assert_eq!(world.hold("b", ask(1)), refused(Reason::Departed));
    assert_eq!(
        world.confirm("a"),
        Outcome::Confirmed {
            seats: 1,
            already: false
        }
    );
}
