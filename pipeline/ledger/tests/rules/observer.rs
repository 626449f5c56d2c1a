//! What an observer hears.

use flightline_ledger::command::Settings;
use flightline_ledger::{
    Command, CommandId, Decision, FlightCommand, FlightIx, FlightKey, HoldIx, HoldRequest,
    HoldState, Input, Observer, Outcome, ProviderBody,
};

use crate::support::*;

#[derive(Debug, PartialEq)]
enum Heard {
    Decided(Outcome),
    Flight(FlightIx),
    Hold(HoldIx, Option<HoldState>),
    Retired(FlightKey),
}

#[derive(Default)]
struct Ear(Vec<Heard>);

impl Observer for Ear {
    fn decided(&mut self, _: &Input, decision: &Decision) {
        self.0.push(Heard::Decided(decision.outcome));
    }
    fn flight_changed(&mut self, flight: FlightIx) {
        self.0.push(Heard::Flight(flight));
    }
    fn hold_changed(&mut self, _: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        self.0.push(Heard::Hold(hold, before));
    }
    fn flight_retired(&mut self, _: FlightIx, key: FlightKey) {
        self.0.push(Heard::Retired(key));
    }
}

/// What is heard of the last record of a world.
fn hear(world: World) -> Vec<Heard> {
    let (last, before) = world.records.split_last().unwrap();
    for by_batch in [false, true] {
        let mut ledger = flightline_ledger::Ledger::new();
        ledger.apply_batch(before, &mut Ear::default());
        let mut ear = Ear::default();
        if by_batch {
            ledger.apply_batch(std::slice::from_ref(last), &mut ear);
            return ear.0;
        }
        ledger.apply(last, &mut ear);
        assert!(matches!(ear.0.last(), Some(Heard::Decided(_))));
    }
    unreachable!()
}

#[test]
fn a_hold_and_what_becomes_of_it() {
    let mut world = World::simple(9);
    let outcome = world.hold("a", ask(1));
    let heard = [
        Heard::Hold(0, None),
        Heard::Flight(0),
        Heard::Decided(outcome),
    ];
    assert_eq!(hear(world), heard);

    let mut world = World::simple(9);
    world.held("a", ask(1));
    let outcome = world.confirm("a");
    let heard = [
        Heard::Hold(0, Some(HoldState::Held)),
        Heard::Flight(0),
        Heard::Decided(outcome),
    ];
    assert_eq!(hear(world), heard);
}

#[test]
fn seats_that_lapsed_go_to_who_waits_before_the_command() {
    let mut world = World::simple(1);
    let held = HoldRequest {
        ttl_ms: Some(500),
        ..ask(1)
    };
    world.held("h", held);
    let waits = HoldRequest {
        wait_ms: Some(900),
        ..held
    };
    let outcome = world.hold("w", waits);
    let heard = [
        Heard::Hold(1, None),
        Heard::Flight(0),
        Heard::Decided(outcome),
    ];
    assert!(matches!(outcome, Outcome::Waiting { .. }));
    let records = world.records.clone();
    assert_eq!(hear(world), heard);

    let mut world = World::empty();
    for record in records {
        world.record(record.id, record.command);
    }
    world.now_ms += 500;
    let outcome = world.say("c", FlightCommand::Confirm { hold: id("w") });
    let heard = [
        Heard::Hold(0, Some(HoldState::Held)),
        Heard::Flight(0),
        Heard::Hold(1, Some(HoldState::Waiting)),
        Heard::Flight(0),
        Heard::Hold(1, Some(HoldState::Held)),
        Heard::Flight(0),
        Heard::Decided(outcome),
    ];
    assert_eq!(hear(world), heard);
}

#[test]
fn a_refusal_or_replay_changes_nothing() {
    let mut world = World::simple(9);
    let outcome = world.hold("a", ask(10));
    assert_eq!(hear(world), [Heard::Decided(outcome)]);
    let mut world = World::simple(9);
    let outcome = world.hold("a", ask(1));
    world.about(key(), "a", FlightCommand::Hold(ask(1)));
    assert_eq!(hear(world), [Heard::Decided(outcome)]);
    let mut world = World::simple(9);
    world.event("own", 1, ProviderBody::Cancel);
    assert_eq!(hear(world), [Heard::Decided(Outcome::Stale)]);
}

#[test]
fn holds_lapse_by_deadline_then_offset_before_the_decision() {
    let mut world = World::simple(9);
    for (name, ttl_ms) in [("a", 30), ("b", 10), ("c", 10), ("d", 99), ("e", 20)] {
        world.held(
            name,
            HoldRequest {
                ttl_ms: Some(ttl_ms),
                ..ask(1)
            },
        );
    }
    world.tick(1_030);
    let holds: Vec<_> = hear(world)
        .into_iter()
        .filter(|h| matches!(h, Heard::Hold(..)))
        .collect();
    let held = Some(HoldState::Held);
    assert_eq!(
        holds,
        [
            Heard::Hold(1, held),
            Heard::Hold(2, held),
            Heard::Hold(4, held),
            Heard::Hold(0, held)
        ]
    );
}

#[test]
fn the_newest_is_displaced_first() {
    let mut world = World::simple(9);
    for name in ["a", "b", "c"] {
        world.held(name, ask(1));
    }
    world.event("own", 11, ProviderBody::Withdraw);
    let holds: Vec<_> = hear(world)
        .into_iter()
        .filter(|h| matches!(h, Heard::Hold(..)))
        .collect();
    let held = Some(HoldState::Held);
    assert_eq!(
        holds,
        [
            Heard::Hold(2, held),
            Heard::Hold(1, held),
            Heard::Hold(0, held)
        ]
    );
}

#[test]
fn flights_retire_by_time_then_key() {
    let mut world = World::empty();
    for (number, late_s) in [(3, 0), (2, 5), (1, 0)] {
        let key: FlightKey = format!("UA{number}.2033-05-18.AAA").parse().unwrap();
        let mut body = schedule("AAA-BBB", &[plan('Y', 9, &[])]);
        body.legs[0].times.arrives_s += late_s;
        world.about(key, "s", event(1, "own", 1, ProviderBody::Schedule(body)));
        world.about(key, "h", FlightCommand::Hold(ask(1)));
    }
    let settings = Settings {
        retire_after_ms: 0,
        ..Settings::default()
    };
    // The last two holds are still live then.
    world.now_ms = DEPARTS_S * 1000 + HOUR_MS + 5_000;
    world.record(CommandId(9), Command::Configure(settings));
    let retired: Vec<_> = hear(world)
        .into_iter()
        .filter_map(|heard| match heard {
            Heard::Retired(key) => Some(key.number),
            _ => None,
        })
        .collect();
    assert_eq!(retired, [1, 3, 2]);
}
