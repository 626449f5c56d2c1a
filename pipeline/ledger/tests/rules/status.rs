//! Status aspect: cancelled, withdrawn, back again.

use flightline_ledger::{FlightStatus, HoldRequest, HoldState, Outcome, ProviderBody, Reason};

use crate::support::*;

/// Two providers, with a hold and a sale each.
fn two() -> World {
    let mut world = World::simple(100);
    world.schedule("other", 1, schedule("AAA-BBB", &[plan('Y', 50, &[])]));
    let other = HoldRequest {
        provider: Some(provider("other")),
        ..ask(1)
    };
    world.held("own-held", ask(1));
    world.sold("own-sold", ask(1));
    world.held("other-held", other);
    world.sold("other-sold", other);
    world
}

#[test]
fn the_owner_cancels_the_flight_for_all() {
    for body in [ProviderBody::Cancel, ProviderBody::Withdraw] {
        let mut world = two();
        assert_eq!(world.event("own", 11, body), accepted(2));
        assert_eq!(world.flight().status(), FlightStatus::Cancelled);
        assert_eq!(
            world.states(["own-held", "own-sold", "other-held", "other-sold"]),
            [
                HoldState::Displaced,
                HoldState::Confirmed,
                HoldState::Displaced,
                HoldState::Confirmed
            ]
        );
        assert_eq!(world.hold("a", ask(1)), refused(Reason::FlightCancelled));
        // Sales can still be undone.
        let outcome = world.cancel("own-sold");
        assert_eq!(
            outcome,
            Outcome::Cancelled {
                seats: 1,
                already: false
            }
        );
        assert_eq!(world.event("own", 12, ProviderBody::Reinstate), accepted(0));
        assert_eq!(world.flight().status(), FlightStatus::Scheduled);
        assert_eq!(world.state("own-held"), HoldState::Displaced);
        world.held("b", ask(1));
    }
}

#[test]
fn another_provider_only_stops_selling_its_own() {
    for body in [ProviderBody::Cancel, ProviderBody::Withdraw] {
        let mut world = two();
        assert_eq!(world.event("other", 2, body), accepted(1));
        assert_eq!(world.flight().status(), FlightStatus::Scheduled);
        assert_eq!(
            world.states(["own-held", "own-sold", "other-held", "other-sold"]),
            [
                HoldState::Held,
                HoldState::Confirmed,
                HoldState::Displaced,
                HoldState::Confirmed
            ]
        );
        let other = HoldRequest {
            provider: Some(provider("other")),
            ..ask(1)
        };
        assert_eq!(world.hold("a", other), refused(Reason::Closed));
        world.held("b", ask(1));
        let sells: Vec<_> = world
            .flight()
            .providers()
            .map(|p| (p.sells, p.owner))
            .collect();
        assert_eq!(sells, [(true, true), (false, false)]);
        // A schedule brings it back as a reinstatement does.
        world.schedule("other", 3, schedule("AAA-BBB", &[plan('Y', 50, &[])]));
        world.held("c", other);
    }
}

#[test]
fn a_schedule_of_the_owner_reinstates_unless_the_cancellation_is_newer() {
    let mut world = World::simple(9);
    world.event("own", 20, ProviderBody::Cancel);
    let body = schedule("AAA-BBB", &[plan('Y', 9, &[])]);
    assert_eq!(world.schedule("own", 15, body.clone()), partly(0));
    assert_eq!(world.flight().status(), FlightStatus::Cancelled);
    assert_eq!(world.schedule("own", 20, body), accepted(0));
    assert_eq!(world.flight().status(), FlightStatus::Scheduled);
}

#[test]
fn a_provider_that_is_new_on_the_flight_sells() {
    let mut world = World::simple(9);
    world.event("new", 1, ProviderBody::Acknowledge(vec![]));
    world.event("gone", 1, ProviderBody::Cancel);
    let sells: Vec<_> = world
        .flight()
        .providers()
        .map(|p| (p.code.to_string(), p.sells))
        .collect();
    let expected = [("own", true), ("new", true), ("gone", false)];
    assert_eq!(
        sells,
        expected.map(|(code, sells)| (code.to_owned(), sells))
    );
}
