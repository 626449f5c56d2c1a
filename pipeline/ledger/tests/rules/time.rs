//! A step: clock, expiry, retirement; settings.

use flightline_ledger::command::{FeedReject, Settings};
use flightline_ledger::outcome::Kind;
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, HoldState, Outcome, Reason, Replay,
};

use crate::support::*;

#[test]
fn the_clock_starts_lowest_and_never_goes_back() {
    let mut world = World::empty();
    assert_eq!(world.ledger.clock_ms(), i64::MIN);
    for (at_ms, clock_ms) in [
        (i64::MIN, i64::MIN),
        (-5, -5),
        (7, 7),
        (3, 7),
        (i64::MAX, i64::MAX),
    ] {
        world.tick(at_ms);
        assert_eq!(world.ledger.clock_ms(), clock_ms);
    }
}

#[test]
fn records_about_no_flight_are_noted() {
    let mut world = World::empty();
    let reject = FeedReject {
        provider: provider("own"),
        message: "a file".into(),
        line: 3,
        code: "bad_time".into(),
        reason: "25:00 is no time".into(),
        raw: vec![1],
    };
    for (command, kind) in [
        (Command::Tick, Kind::Tick),
        (Command::Fence, Kind::Fence),
        (Command::FeedReject(Box::new(reject)), Kind::FeedReject),
        (Command::Configure(Settings::default()), Kind::Configure),
    ] {
        let decision = world.record(CommandId(1), command);
        assert_eq!(decision.kind, kind);
        assert_eq!(decision.outcome, Outcome::Noted);
        assert_eq!(decision.replay, Replay::First);
        assert_eq!(decision.flight, FlightKey::NONE);
    }
}

#[test]
fn a_hold_lapses_at_its_deadline_and_not_before() {
    let mut world = World::simple(10);
    world.now_ms = 1_000;
    let request = HoldRequest {
        ttl_ms: Some(500),
        ..ask(4)
    };
    let outcome = world.hold("a", request);
    assert!(matches!(
        outcome,
        Outcome::Held {
            deadline_ms: 1_500,
            seats: 4,
            ..
        }
    ));
    assert_eq!(world.ledger.next_deadline_ms(), Some(1_500));
    world.tick(1_499);
    assert_eq!((world.state("a"), world.left(0)), (HoldState::Held, 6));
    world.tick(1_500);
    assert_eq!((world.state("a"), world.left(0)), (HoldState::Expired, 10));
    let hold = world.flight().hold(0);
    assert_eq!((hold.changed_at_ms, hold.changed_offset), (1_500, 3));
}

#[test]
fn a_hold_lapses_before_the_command_of_the_same_record() {
    let mut world = World::simple(1);
    world.held(
        "a",
        HoldRequest {
            ttl_ms: Some(10),
            ..ask(1)
        },
    );
    world.now_ms += 10;
    world.held("b", ask(1));
    assert_eq!(world.confirm("a"), refused(Reason::Expired));
}

#[test]
fn deadlines_stop_at_the_highest_time_there_is() {
    let mut world = World::empty();
    let settings = Settings {
        hold_ttl_max_ms: u64::MAX,
        ..Settings::default()
    };
    world.record(CommandId(1), Command::Configure(settings));
    world.schedule("own", 10, schedule("AAA-BBB", &[plan('Y', 9, &[])]));
    let request = HoldRequest {
        ttl_ms: Some(u64::MAX),
        ..ask(1)
    };
    let outcome = world.hold("a", request);
    assert!(matches!(
        outcome,
        Outcome::Held {
            deadline_ms: i64::MAX,
            ..
        }
    ));
}

#[test]
fn the_time_to_hold_is_the_default_unless_asked_for() {
    for (ttl_ms, expected) in [
        (None, Ok(15 * 60 * 1000)),
        (Some(1), Ok(1)),
        (Some(7 * 24 * HOUR_MS as u64), Ok(7 * 24 * HOUR_MS)),
        (Some(7 * 24 * HOUR_MS as u64 + 1), Err(Reason::InvalidTtl)),
        (Some(0), Err(Reason::InvalidTtl)),
        (Some(u64::MAX), Err(Reason::InvalidTtl)),
    ] {
        let mut world = World::simple(9);
        let now_ms = world.now_ms;
        let found = match world.hold("a", HoldRequest { ttl_ms, ..ask(1) }) {
            Outcome::Held { deadline_ms, .. } => Ok(deadline_ms - now_ms),
            Outcome::Refused(reason) => Err(reason),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{ttl_ms:?}");
    }
}

#[test]
fn a_default_time_to_hold_beyond_the_maximum_is_no_time_to_hold() {
    let mut world = World::simple(9);
    let settings = Settings {
        hold_ttl_default_ms: 100,
        hold_ttl_max_ms: 99,
        ..Settings::default()
    };
    world.record(CommandId(1), Command::Configure(settings));
    assert_eq!(world.hold("a", ask(1)), refused(Reason::InvalidTtl));
    world.held(
        "b",
        HoldRequest {
            ttl_ms: Some(99),
            ..ask(1)
        },
    );
}

#[test]
fn holds_keep_their_deadline_when_settings_change() {
    let mut world = World::simple(9);
    world.held("a", ask(1));
    let settings = Settings {
        hold_ttl_default_ms: 1,
        ..Settings::default()
    };
    world.record(CommandId(1), Command::Configure(settings));
    assert_eq!(*world.ledger.settings(), settings);
    world.tick(2_000);
    assert_eq!(world.state("a"), HoldState::Held);
}

#[test]
fn sale_ends_before_departure_by_the_configured_time() {
    let departs_ms = DEPARTS_S * 1000;
    for (close_ms, at_ms, board, is_open) in [
        (0, departs_ms - 1, "AAA", true),
        (0, departs_ms, "AAA", false),
        (600_000, departs_ms - 600_001, "AAA", true),
        (600_000, departs_ms - 600_000, "AAA", false),
        // The second leg leaves two hours later.
        (0, departs_ms + 1, "BBB", true),
        (0, departs_ms + 2 * HOUR_MS, "BBB", false),
        (u64::MAX, 0, "AAA", false),
    ] {
        let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 9, &[])]));
        let settings = Settings {
            close_before_departure_ms: close_ms,
            ..Settings::default()
        };
        world.record(CommandId(1), Command::Configure(settings));
        world.now_ms = at_ms;
        let outcome = world.hold("a", ask_part(1, board, "CCC"));
        let is_held = matches!(outcome, Outcome::Held { .. });
        assert_eq!(is_held, is_open, "close {close_ms} at {at_ms} from {board}");
        if !is_open {
            assert_eq!(outcome, refused(Reason::Departed));
        }
    }
}

/// When the simple flight arrives.
const ARRIVES_MS: i64 = DEPARTS_S * 1000 + HOUR_MS;

#[test]
fn a_flight_retires_after_its_last_arrival_and_only_its_key_is_remembered() {
    let keep_ms = Settings::default().retire_after_ms as i64;
    let mut world = World::simple(9);
    world.now_ms = DEPARTS_S * 1000 - 1;
    world.held(
        "live",
        HoldRequest {
            ttl_ms: Some(7 * 24 * HOUR_MS as u64),
            ..ask(1)
        },
    );
    world.sold("sold", ask(1));
    world.tick(ARRIVES_MS + keep_ms - 1);
    assert_eq!(world.ledger.next_deadline_ms(), Some(ARRIVES_MS + keep_ms));
    assert_eq!(world.state("live"), HoldState::Held);
    world.tick(ARRIVES_MS + keep_ms);
    assert_eq!(world.ledger.find(&key()), None);
    assert!(world.ledger.is_retired(&key()));
    assert_eq!(
        (world.ledger.live_holds(), world.ledger.next_deadline_ms()),
        (0, None)
    );

    // Refused for ever, and not remembered: no replay.
    for _ in 0..2 {
        for command in [
            FlightCommand::Hold(ask(1)),
            FlightCommand::Cancel { hold: id("sold") },
            event(
                9,
                "own",
                99,
                flightline_ledger::ProviderBody::Schedule(schedule("AAA-BBB", &[])),
            ),
        ] {
            let decision = world.about(key(), "again", command);
            assert_eq!(decision.outcome, refused(Reason::Retired));
            assert_eq!(decision.replay, Replay::First);
        }
    }
}

#[test]
fn what_a_flight_was_can_be_read_until_the_next_record() {
    let mut world = World::simple(9);
    world.held("a", ask(1));
    let at = world.ledger.find(&key()).unwrap();
    world.tick(i64::MAX);
    let flight = world.ledger.get(at).expect("still there");
    assert!(flight.is_retired());
    assert_eq!(flight.hold(0).state, HoldState::Expired);
    assert_eq!(world.ledger.flights().count(), 0);
    world.tick(i64::MAX);
    assert!(world.ledger.get(at).is_none());
}

#[test]
fn configure_decides_the_retirement_of_its_own_record() {
    let mut world = World::simple(9);
    world.now_ms = ARRIVES_MS;
    world.tick(ARRIVES_MS);
    let settings = Settings {
        retire_after_ms: 0,
        ..Settings::default()
    };
    world.record(CommandId(1), Command::Configure(settings));
    assert!(world.ledger.is_retired(&key()));
}

#[test]
fn a_flight_never_retires_when_it_is_kept_for_ever() {
    let mut world = World::simple(9);
    let settings = Settings {
        retire_after_ms: u64::MAX,
        ..Settings::default()
    };
    world.record(CommandId(1), Command::Configure(settings));
    world.tick(i64::MAX - 1);
    assert!(world.ledger.find(&key()).is_some());
    world.tick(i64::MAX);
    assert!(world.ledger.is_retired(&key()));
}

#[test]
fn a_flight_scheduled_too_late_is_forgotten_by_the_next_record() {
    let mut world = World::empty();
    world.now_ms = i64::MAX / 2;
    assert_eq!(
        world.schedule("own", 1, schedule("AAA-BBB", &[])),
        accepted(0)
    );
    assert!(world.ledger.find(&key()).is_some());
    world.tick(0);
    assert!(world.ledger.is_retired(&key()));
}

#[test]
fn new_times_change_when_a_flight_retires() {
    let keep_ms = Settings::default().retire_after_ms as i64;
    let mut world = World::simple(9);
    let mut times = schedule("AAA-BBB", &[]).legs[0].times;
    times.arrives_s += 86_400;
    world.event(
        "own",
        11,
        flightline_ledger::ProviderBody::TimeChange(vec![times]),
    );
    world.tick(ARRIVES_MS + keep_ms);
    assert!(world.ledger.find(&key()).is_some());
    world.tick(ARRIVES_MS + keep_ms + 86_400_000);
    assert!(world.ledger.is_retired(&key()));
}
