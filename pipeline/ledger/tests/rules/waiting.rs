//! Waiting for seats: who may, whose turn it is, how it ends.

use flightline_ledger::HoldState::{Cancelled, Displaced, Expired, Held, Released, Waiting};
use flightline_ledger::command::{Counts, SaleStatus, Schedule, Settings};
use flightline_ledger::{
    Command, CommandId, FlightCommand, HoldRequest, HoldView, Outcome, ProviderBody, Reason, Replay,
};

use crate::support::*;

const WAIT_MS: u64 = 50_000;
const TTL_MS: u64 = 7_000;

/// The request, of somebody who waits.
fn patient(request: HoldRequest) -> HoldRequest {
    HoldRequest {
        wait_ms: Some(WAIT_MS),
        ttl_ms: Some(TTL_MS),
        ..request
    }
}

/// The same of whichever provider.
fn anyone(request: HoldRequest) -> HoldRequest {
    HoldRequest {
        provider: None,
        ..request
    }
}

fn waits(world: &World, ahead: u32) -> Outcome {
    Outcome::Waiting {
        deadline_ms: world.now_ms + WAIT_MS as i64,
        ahead,
    }
}

/// A request that must wait.
fn wait(world: &mut World, name: &str, request: HoldRequest) {
    let ahead = world.ledger.waiting_holds() as u32;
    let outcome = world.hold(name, patient(request));
    assert_eq!(outcome, waits(world, ahead), "{name}");
    assert_eq!(world.state(name), Waiting);
}

fn view(world: &World, hold: &str) -> HoldView {
    let flight = world.flight();
    flight.hold(flight.find_hold(id(hold)).expect("the hold"))
}

/// A flight of so many seats, all sold to `s`.
fn full(seats: u16) -> World {
    let mut world = World::simple(seats);
    world.sold("s", ask(seats));
    world
}

fn configure(world: &mut World, settings: Settings) {
    world.record(CommandId(0), Command::Configure(settings));
}

/// Equal priority on a flight of two providers, each with an allotment in a larger aircraft.
fn two_providers(own: i32, other: i32) -> World {
    let mut world = World::simple(9);
    world.available(11, count('Y', Counts::Total, own));
    world.event("other", 11, available(count('Y', Counts::Total, other)));
    world
}

#[test]
fn the_time_to_wait_has_the_bounds_of_the_time_to_hold() {
    let mut world = full(1);
    let max_ms = Settings::default().hold_ttl_max_ms;
    let asked = |wait_ms| HoldRequest {
        wait_ms: Some(wait_ms),
        ..ask(1)
    };
    for (name, wait_ms) in [("a", 0), ("b", max_ms + 1), ("c", u64::MAX)] {
        assert_eq!(
            world.hold(name, asked(wait_ms)),
            refused(Reason::InvalidTtl)
        );
    }
    for (name, wait_ms) in [("d", 1), ("e", max_ms)] {
        assert!(matches!(
            world.hold(name, asked(wait_ms)),
            Outcome::Waiting { .. }
        ));
    }
    // Also where there are seats.
    let mut world = World::simple(1);
    assert_eq!(world.hold("a", asked(0)), refused(Reason::InvalidTtl));
    world.held("b", asked(1));
}

#[test]
fn only_a_sold_out_request_waits() {
    let mut world = full(2);
    assert_eq!(world.hold("no", ask(1)), sold_out(0));
    for (name, request, reason) in [
        (
            "cabin",
            HoldRequest {
                cabin: cabin('C'),
                ..ask(1)
            },
            Reason::UnknownCabin,
        ),
        ("class", ask_class(1, 'Q'), Reason::UnknownClass),
        (
            "provider",
            HoldRequest {
                provider: Some(provider("nobody")),
                ..ask(1)
            },
            Reason::UnknownProvider,
        ),
        ("segment", ask_part(1, "AAA", "XXX"), Reason::UnknownSegment),
        ("seats", ask(0), Reason::InvalidSeats),
    ] {
        assert_eq!(
            world.hold(name, patient(request)),
            refused(reason),
            "{name}"
        );
    }
    world.available(12, status('Y', SaleStatus::Closed));
    assert_eq!(
        world.hold("closed", patient(ask(1))),
        refused(Reason::Closed)
    );
    world.available(13, status('Y', SaleStatus::Open));
    world.now_ms = DEPARTS_S * 1000;
    assert_eq!(
        world.hold("late", patient(ask(1))),
        refused(Reason::Departed)
    );
    world.event("own", 14, ProviderBody::Cancel);
    assert_eq!(
        world.hold("off", patient(ask(1))),
        refused(Reason::FlightCancelled)
    );
}

#[test]
fn who_finds_seats_does_not_wait() {
    let mut world = World::simple(2);
    world.held("a", patient(ask(2)));
    assert_eq!(view(&world, "a").deadline_ms, world.now_ms + TTL_MS as i64);
    assert_eq!(world.ledger.waiting_holds(), 0);
}

#[test]
fn more_than_an_empty_flight_has_is_refused_at_once() {
    let mut world = full(3);
    wait(&mut world, "all", ask(3));
    assert_eq!(world.hold("more", patient(ask(4))), sold_out(0));
    // What may be overbooked is room.
    world.event("own", 11, ProviderBody::Terms(vec![(cabin('Y'), 1)]));
    wait(&mut world, "over", ask(4));
    assert_eq!(world.hold("beyond", patient(ask(5))), sold_out(1));
    // So is what is authorised, and the aircraft where less is known of it.
    let mut world = full(3);
    world.available(11, count('Y', Counts::Total, 2));
    assert_eq!(world.hold("more", patient(ask(3))), sold_out(0));
    world.available(12, count('Y', Counts::Total, 9));
    assert_eq!(world.hold("above", patient(ask(4))), sold_out(0));
    wait(&mut world, "all", ask(3));
}

#[test]
fn room_at_any_provider_that_sells_is_enough() {
    let mut world = two_providers(1, 3);
    world.sold("s", ask(1));
    world.sold(
        "t",
        HoldRequest {
            provider: Some(provider("other")),
            ..ask(3)
        },
    );
    assert_eq!(world.hold("own", patient(ask(2))), sold_out(0));
    wait(&mut world, "any", anyone(ask(3)));
    assert_eq!(world.hold("more", patient(anyone(ask(4)))), sold_out(0));
    let closed = status('Y', SaleStatus::Closed);
    world.event("other", 12, available(closed));
    assert_eq!(world.hold("shut", patient(anyone(ask(3)))), sold_out(0));
}

#[test]
fn room_is_asked_of_every_leg_but_classes_and_segments_may_open() {
    let mut world = World::with(schedule(
        "AAA-BBB-CCC",
        &[plan('Y', 3, &[('Y', None), ('Q', Some(0))])],
    ));
    wait(&mut world, "class", ask_class(2, 'Q'));
    world.available(11, count_class('Y', 'Q', Counts::Total, 2));
    assert_eq!(world.state("class"), Held);
}

#[test]
fn a_waiting_hold_has_no_seats_and_no_price() {
    let mut world = full(3);
    world.event("own", 20, ProviderBody::Fares(vec![fare('Y', None, 6)]));
    wait(&mut world, "w", ask(2));
    let line = world.line("own", 0, 'Y', None);
    assert_eq!((line.held, line.sold, line.available), (0, 3, 0));
    assert_eq!(world.flight().live_holds(), 0);
    let waiting = view(&world, "w");
    assert_eq!((waiting.seats, waiting.price), (2, None));
    assert_eq!(waiting.deadline_ms, world.now_ms + WAIT_MS as i64);
    assert_eq!(waiting.provider, provider("own"));
    world.now_ms += 100;
    world.cancel("s");
    let held = view(&world, "w");
    assert_eq!((held.state, held.price), (Held, Some(usd(6))));
    assert_eq!(held.deadline_ms, world.now_ms + TTL_MS as i64);
    assert_eq!(held.changed_at_ms, world.now_ms);
    assert_eq!(held.changed_offset, world.records.len() as u64 - 1);
    assert_eq!(
        (held.offset, held.created_at_ms),
        (waiting.offset, waiting.created_at_ms)
    );
    let line = world.line("own", 0, 'Y', None);
    assert_eq!((line.held, line.sold, line.available), (2, 0, 1));
}

#[test]
fn every_way_in_which_seats_come_free_gives_the_turn_in_the_same_record() {
    let event = |version, body| event(10, "own", version, body);
    let terms = || ProviderBody::Terms(vec![(cabin('Y'), 2)]);
    let more = || available(count('Y', Counts::Total, 4));
    let larger = || ProviderBody::Schedule(schedule("AAA-BBB", &[plan('Y', 4, &[])]));
    for (name, command) in [
        ("release", FlightCommand::Release { hold: id("h") }),
        ("cancel a hold", FlightCommand::Cancel { hold: id("h") }),
        ("cancel a sale", FlightCommand::Cancel { hold: id("s") }),
        ("terms", event(11, terms())),
        ("schedule", event(11, larger())),
    ] {
        let mut world = World::simple(2);
        world.sold("s", ask(1));
        world.held("h", ask(1));
        wait(&mut world, "w", ask(1));
        world.say("now", command);
        assert_eq!(world.state("w"), Held, "{name}");
    }
    let mut world = World::with(schedule("AAA-BBB", &[plan('Y', None, &[])]));
    world.available(11, count('Y', Counts::Total, 2));
    world.sold("s", ask(2));
    wait(&mut world, "w", ask(1));
    world.say("now", event(12, more()));
    assert_eq!(world.state("w"), Held, "a count");
}

#[test]
fn lapsed_seats_go_to_who_waits_before_the_command_is_decided() {
    let mut world = World::simple(1);
    world.held(
        "h",
        HoldRequest {
            ttl_ms: Some(500),
            ..ask(1)
        },
    );
    wait(&mut world, "w", ask(1));
    world.now_ms += 500;
    assert_eq!(world.hold("new", ask(1)), sold_out(0));
    assert_eq!(world.states(["h", "w"]), [Expired, Held]);
    // What was held can be confirmed in the very record that gave it its seats.
    let mut world = World::simple(1);
    world.held(
        "h",
        HoldRequest {
            ttl_ms: Some(500),
            ..ask(1)
        },
    );
    wait(&mut world, "w", ask(1));
    world.now_ms += 500;
    assert!(matches!(
        world.confirm("w"),
        Outcome::Confirmed {
            seats: 1,
            already: false
        }
    ));
}

#[test]
fn the_oldest_that_fits_is_next_and_one_that_does_not_keeps_its_place() {
    let mut world = World::simple(4);
    for name in ["a", "b", "c", "d"] {
        world.sold(name, ask(1));
    }
    wait(&mut world, "two", ask(2));
    wait(&mut world, "one", ask(1));
    wait(&mut world, "too", ask(1));
    world.cancel("a");
    assert_eq!(
        world.states(["two", "one", "too"]),
        [Waiting, Held, Waiting]
    );
    world.release("one");
    assert_eq!(world.states(["two", "too"]), [Waiting, Held]);
    // Both seats at once: the first in the queue has its place still.
    wait(&mut world, "last", ask(1));
    world.say(
        "#more",
        event(10, "own", 11, ProviderBody::Terms(vec![(cabin('Y'), 2)])),
    );
    assert_eq!(world.states(["two", "last"]), [Held, Waiting]);
}

#[test]
fn one_record_can_be_the_turn_of_many() {
    let mut world = full(3);
    for name in ["a", "b", "c", "d"] {
        wait(&mut world, name, ask(1));
    }
    world.cancel("s");
    assert_eq!(
        world.states(["a", "b", "c", "d"]),
        [Held, Held, Held, Waiting]
    );
    assert_eq!(world.ledger.live_holds(), 3);
}

#[test]
fn with_no_provider_named_the_cheapest_gives_the_seats() {
    let mut world = two_providers(1, 1);
    world.event("own", 20, ProviderBody::Fares(vec![fare('Y', None, 9)]));
    world.event("other", 20, ProviderBody::Fares(vec![fare('Y', None, 5)]));
    let other = HoldRequest {
        provider: Some(provider("other")),
        ..ask(1)
    };
    world.sold("s", ask(1));
    world.sold("t", other);
    wait(&mut world, "w", anyone(ask(1)));
    assert_eq!(view(&world, "w").provider, provider("own"));
    world.cancel("t");
    let held = view(&world, "w");
    assert_eq!(
        (held.state, held.provider, held.price),
        (Held, provider("other"), Some(usd(5)))
    );
}

#[test]
fn another_price_than_expected_keeps_it_waiting() {
    let mut world = World::simple(1);
    world.event("own", 20, ProviderBody::Fares(vec![fare('Y', None, 5)]));
    world.sold("s", ask(1));
    wait(
        &mut world,
        "w",
        HoldRequest {
            expected_price: Some(usd(6)),
            ..ask(1)
        },
    );
    world.cancel("s");
    assert_eq!(world.state("w"), Waiting);
    // Nobody waits for these seats at this price.
    world.held("new", ask(1));
    world.event("own", 21, ProviderBody::Fares(vec![fare('Y', None, 6)]));
    assert_eq!(world.state("w"), Waiting);
    world.release("new");
    assert_eq!(world.state("w"), Held);
    // A fare alone can be the turn too.
    let mut world = World::simple(1);
    world.sold("s", ask(1));
    wait(
        &mut world,
        "w",
        HoldRequest {
            expected_price: Some(usd(6)),
            ..ask(1)
        },
    );
    world.cancel("s");
    world.event("own", 21, ProviderBody::Fares(vec![fare('Y', None, 6)]));
    assert_eq!(world.state("w"), Held);
}

#[test]
fn a_turn_or_a_hold_can_change_the_cheapest_price_for_an_older_one() {
    let expecting = |minor| {
        anyone(HoldRequest {
            expected_price: Some(usd(minor)),
            ..ask(1)
        })
    };
    let start = || {
        let mut world = two_providers(1, 1);
        world.event("own", 20, ProviderBody::Fares(vec![fare('Y', None, 9)]));
        world.event("other", 20, ProviderBody::Fares(vec![fare('Y', None, 5)]));
        world.sold("s", anyone(ask(1)));
        world.sold("t", anyone(ask(1)));
        world
    };
    let other = HoldRequest {
        provider: Some(provider("other")),
        ..ask(1)
    };
    // The younger takes the seat of 5, and the cheapest that is left is the one of 9.
    let mut world = start();
    wait(&mut world, "old", expecting(9));
    wait(&mut world, "young", other);
    world.cancel("s");
    assert_eq!(world.states(["old", "young"]), [Waiting, Held]);
    world.cancel("t");
    assert_eq!(world.state("old"), Held);
    // A hold that does not wait does the same.
    let mut world = start();
    wait(&mut world, "old", expecting(9));
    world.cancel("s");
    world.cancel("t");
    assert_eq!(world.state("old"), Waiting);
    world.held("new", other);
    assert_eq!(world.state("old"), Held);
}

#[test]
fn one_turn_gives_an_older_one_its_own_in_the_same_record() {
    let mut world = two_providers(1, 1);
    world.event("own", 20, ProviderBody::Fares(vec![fare('Y', None, 9)]));
    world.event("other", 20, ProviderBody::Fares(vec![fare('Y', None, 5)]));
    let other = HoldRequest {
        provider: Some(provider("other")),
        ttl_ms: Some(500),
        ..ask(1)
    };
    world.held("s", other);
    world.held(
        "t",
        HoldRequest {
            ttl_ms: Some(500),
            ..ask(1)
        },
    );
    wait(
        &mut world,
        "old",
        anyone(HoldRequest {
            expected_price: Some(usd(9)),
            ..ask(1)
        }),
    );
    wait(&mut world, "young", other);
    // Both seats lapse: the older is passed over, the younger takes the cheap one.
    world.tick(world.now_ms + 500);
    assert_eq!(world.states(["old", "young"]), [Held, Held]);
    assert_eq!(view(&world, "old").price, Some(usd(9)));
}

#[test]
fn it_lapses_at_its_waiting_deadline_and_not_before() {
    let mut world = full(1);
    wait(&mut world, "w", ask(1));
    let deadline_ms = view(&world, "w").deadline_ms;
    assert_eq!(world.ledger.next_deadline_ms(), Some(deadline_ms));
    world.tick(deadline_ms - 1);
    assert_eq!(world.state("w"), Waiting);
    world.tick(deadline_ms);
    assert_eq!(world.state("w"), Expired);
    for outcome in [world.confirm("w"), world.release("w"), world.cancel("w")] {
        assert_eq!(outcome, refused(Reason::Expired));
    }
    world.cancel("s");
    assert_eq!((world.state("w"), world.left(0)), (Expired, 1));
}

#[test]
fn after_its_turn_only_the_new_deadline_counts() {
    for (ttl_ms, freed_after) in [(TTL_MS, 10), (2 * WAIT_MS, 10), (WAIT_MS, 0)] {
        let mut world = full(1);
        let request = HoldRequest {
            ttl_ms: Some(ttl_ms),
            ..patient(ask(1))
        };
        assert_eq!(world.hold("w", request), waits(&world, 0));
        world.now_ms += freed_after;
        world.cancel("s");
        let deadline_ms = world.now_ms + ttl_ms as i64;
        assert_eq!(view(&world, "w").deadline_ms, deadline_ms);
        assert_eq!(world.ledger.next_deadline_ms(), Some(deadline_ms));
        world.tick(deadline_ms - 1);
        assert_eq!(world.state("w"), Held);
        world.tick(deadline_ms);
        assert_eq!((world.state("w"), world.left(0)), (Expired, 1));
        world.tick(deadline_ms + 3 * WAIT_MS as i64);
    }
}

#[test]
fn the_default_time_to_hold_is_that_of_when_it_was_asked() {
    let mut world = full(1);
    let request = HoldRequest {
        ttl_ms: None,
        ..patient(ask(1))
    };
    assert_eq!(world.hold("w", request), waits(&world, 0));
    let asked = Settings::default();
    configure(
        &mut world,
        Settings {
            hold_ttl_default_ms: 1,
            hold_ttl_max_ms: 1,
            ..asked
        },
    );
    world.cancel("s");
    assert_eq!(
        view(&world, "w").deadline_ms,
        world.now_ms + asked.hold_ttl_default_ms as i64
    );
}

#[test]
fn when_sale_has_closed_it_waits_on_and_settings_or_times_can_open_it_again() {
    for opens in ["never", "settings", "times"] {
        let mut world = full(1);
        let start_ms = DEPARTS_S * 1000 - 2 * HOUR_MS;
        world.now_ms = start_ms;
        wait(&mut world, "w", ask(1));
        let closing = |close_before_departure_ms| Settings {
            close_before_departure_ms,
            ..Settings::default()
        };
        configure(&mut world, closing(2 * HOUR_MS as u64));
        world.cancel("s");
        assert_eq!((world.state("w"), world.left(0)), (Waiting, 1));
        match opens {
            "settings" => configure(&mut world, closing(0)),
            "times" => {
                let mut later = schedule("AAA-BBB", &[]).legs[0].times;
                later.departs_s += 60;
                later.arrives_s += 60;
                world.event("own", 11, ProviderBody::TimeChange(vec![later]));
            }
            _ => {
                world.tick(start_ms + WAIT_MS as i64);
                assert_eq!(world.state("w"), Expired);
                continue;
            }
        }
        assert_eq!(world.state("w"), Held, "{opens}");
    }
}

#[test]
fn what_a_client_can_do_while_it_waits() {
    let mut world = full(2);
    wait(&mut world, "w", ask(2));
    assert_eq!(world.confirm("w"), refused(Reason::StillWaiting));
    assert_eq!(world.state("w"), Waiting);
    let released = |already| Outcome::Released { seats: 0, already };
    assert_eq!(world.release("w"), released(false));
    assert_eq!(world.release("w"), released(true));
    assert_eq!(world.cancel("w"), refused(Reason::AlreadyReleased));
    wait(&mut world, "x", ask(2));
    let cancelled = |already| Outcome::Cancelled { seats: 0, already };
    assert_eq!(world.cancel("x"), cancelled(false));
    assert_eq!(world.cancel("x"), cancelled(true));
    assert_eq!(world.confirm("x"), refused(Reason::AlreadyCancelled));
    world.cancel("s");
    assert_eq!(world.states(["w", "x"]), [Released, Cancelled]);
    assert_eq!(world.left(0), 2);
    // With seats it is a hold like any other.
    let mut world = full(2);
    wait(&mut world, "w", ask(2));
    world.cancel("s");
    let confirmed = Outcome::Confirmed {
        seats: 2,
        already: false,
    };
    assert_eq!(world.confirm("w"), confirmed);
    let cancelled = |already| Outcome::Cancelled { seats: 2, already };
    assert_eq!(world.cancel("w"), cancelled(false));
    assert_eq!(world.cancel("w"), cancelled(true));
}

#[test]
fn a_replay_repeats_the_first_answer_whatever_became_of_it() {
    let mut world = full(1);
    let request = patient(ask(1));
    wait(&mut world, "a", ask(1));
    wait(&mut world, "w", ask(1));
    let first = world.records.len() as u64 - 1;
    let answer = waits(&world, 1);
    let again = |world: &mut World, request| {
        let decision = world.about(key(), "w", FlightCommand::Hold(request));
        (decision.outcome, decision.replay)
    };
    let same = (
        answer,
        Replay::Same {
            first_offset: first,
        },
    );
    assert_eq!(again(&mut world, request), same);
    world.release("a");
    world.cancel("s");
    assert_eq!(world.state("w"), Held);
    assert_eq!(again(&mut world, request), same);
    world.confirm("w");
    world.now_ms += 10;
    assert_eq!(again(&mut world, request), same);
    let other = HoldRequest {
        wait_ms: Some(WAIT_MS + 1),
        ..request
    };
    let different = Replay::Different {
        first_offset: first,
    };
    assert_eq!(again(&mut world, other), (answer, different));
    let impatient = HoldRequest {
        wait_ms: None,
        ..request
    };
    assert_eq!(again(&mut world, impatient), (answer, different));
}

#[test]
fn a_refusal_for_want_of_room_is_remembered() {
    let mut world = full(1);
    let asked = patient(ask(2));
    assert_eq!(world.hold("w", asked), sold_out(0));
    world.schedule("own", 11, schedule("AAA-BBB", &[plan('Y', 9, &[])]));
    let decision = world.about(key(), "w", FlightCommand::Hold(asked));
    assert_eq!(decision.outcome, sold_out(0));
    assert!(matches!(decision.replay, Replay::Same { .. }));
}

#[test]
fn a_cancelled_flight_displaces_those_who_wait() {
    for body in [ProviderBody::Cancel, ProviderBody::Withdraw] {
        let mut world = World::simple(2);
        world.held("h", ask(2));
        wait(&mut world, "w", ask(1));
        wait(&mut world, "x", anyone(ask(1)));
        assert_eq!(world.event("own", 11, body), accepted(3));
        assert_eq!(world.states(["h", "w", "x"]), [Displaced; 3]);
        world.event("own", 12, ProviderBody::Reinstate);
        assert_eq!(world.states(["w", "x"]), [Displaced; 2]);
        assert_eq!(world.confirm("w"), refused(Reason::Displaced));
    }
}

#[test]
fn a_providers_withdrawal_displaces_those_who_wait_for_it_alone() {
    let mut world = two_providers(1, 1);
    let other = |seats| HoldRequest {
        provider: Some(provider("other")),
        ..ask(seats)
    };
    world.sold("s", ask(1));
    world.held("t", other(1));
    wait(&mut world, "own", ask(1));
    wait(&mut world, "other", other(1));
    wait(&mut world, "any", anyone(ask(1)));
    assert_eq!(
        world.event("other", 12, ProviderBody::Withdraw),
        accepted(2)
    );
    assert_eq!(
        world.states(["own", "other", "any"]),
        [Waiting, Displaced, Waiting]
    );
    world.release("own");
    world.cancel("s");
    assert_eq!(world.state("any"), Held);
}

#[test]
fn another_owner_that_does_not_sell_displaces_those_who_wait() {
    let mut world = full(1);
    world.event("other", 30, ProviderBody::Cancel);
    wait(&mut world, "w", ask(1));
    let plan = schedule("AAA-BBB", &[plan('Y', 1, &[])]);
    let outcome = world.event_of(99, "other", 20, ProviderBody::Schedule(plan));
    assert_eq!(outcome, partly(1));
    assert_eq!(world.state("w"), Displaced);
}

#[test]
fn another_route_keeps_or_displaces_those_who_wait() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 1, &[])]));
    world.sold("s", ask(1));
    wait(&mut world, "first", ask_part(1, "AAA", "BBB"));
    wait(&mut world, "last", ask_part(1, "BBB", "CCC"));
    wait(&mut world, "whole", ask(1));
    let route = schedule("AAA-CCC", &[plan('Y', 1, &[])]);
    assert_eq!(world.schedule("own", 11, route), accepted(2));
    assert_eq!(
        world.states(["first", "last", "whole"]),
        [Displaced, Displaced, Waiting]
    );
    world.cancel("s");
    assert_eq!(world.state("whole"), Held);
    assert_eq!(world.left(0), 0);
}

#[test]
fn seats_on_all_legs_are_waited_for() {
    let mut world = World::with(schedule("AAA-BBB-CCC", &[plan('Y', 1, &[])]));
    world.sold("a", ask_part(1, "AAA", "BBB"));
    world.sold("b", ask_part(1, "BBB", "CCC"));
    wait(&mut world, "w", ask(1));
    wait(&mut world, "x", ask_part(1, "BBB", "CCC"));
    world.cancel("b");
    assert_eq!(world.states(["w", "x"]), [Waiting, Held]);
    world.cancel("a");
    assert_eq!(world.state("w"), Waiting);
    world.release("x");
    assert_eq!(world.state("w"), Held);
}

#[test]
fn a_smaller_bound_does_not_touch_those_who_wait() {
    let mut world = World::simple(3);
    world.held("h", ask(3));
    wait(&mut world, "w", ask(1));
    assert_eq!(
        world.schedule("own", 11, schedule("AAA-BBB", &[plan('Y', 2, &[])])),
        accepted(1)
    );
    // The seats that displacement left over are the turn of who waits.
    assert_eq!(world.states(["h", "w"]), [Displaced, Held]);
    wait(&mut world, "x", ask(2));
    assert_eq!(
        world.schedule("own", 12, schedule("AAA-BBB", &[plan('Y', 0, &[])])),
        accepted(1)
    );
    assert_eq!(world.states(["w", "x"]), [Displaced, Waiting]);
}

#[test]
fn a_restriction_or_codeshare_only_bars_for_the_time_being() {
    let plan = |restricted: &[_], operating| Schedule {
        restricted: restricted.to_vec(),
        operating,
        ..schedule("AAA-BBB", &[plan('Y', 1, &[])])
    };
    let pair = [(station("AAA"), station("BBB"))];
    let codeshare = "LH9.2033-05-18.AAA".parse().unwrap();
    for barred in [plan(&pair, None), plan(&[], Some(codeshare))] {
        let mut world = full(1);
        wait(&mut world, "w", ask(1));
        world.schedule("own", 11, barred);
        world.cancel("s");
        assert_eq!((world.state("w"), world.left(0)), (Waiting, 1));
        world.schedule("own", 12, plan(&[], None));
        assert_eq!(world.state("w"), Held);
    }
}

#[test]
fn retirement_ends_and_forgets_those_who_wait() {
    let mut world = full(1);
    world.now_ms = DEPARTS_S * 1000 - 1_000;
    configure(
        &mut world,
        Settings {
            retire_after_ms: 0,
            ..Settings::default()
        },
    );
    let request = HoldRequest {
        wait_ms: Some(24 * HOUR_MS as u64),
        ..ask(1)
    };
    assert!(matches!(world.hold("w", request), Outcome::Waiting { .. }));
    assert_eq!(world.ledger.waiting_holds(), 1);
    world.tick(DEPARTS_S * 1000 + HOUR_MS);
    assert!(world.ledger.is_retired(&key()));
    assert_eq!(world.ledger.waiting_holds(), 0);
    assert_eq!(world.ledger.next_deadline_ms(), None);
    let decision = world.about(key(), "w", FlightCommand::Hold(request));
    assert_eq!(decision.outcome, refused(Reason::Retired));
}
