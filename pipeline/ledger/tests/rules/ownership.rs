//! Owner: whose word the flight follows.

use flightline_ledger::{FlightStatus, HoldState, Outcome, ProviderBody, Reason};

use crate::support::*;

fn one(seats: u16) -> flightline_ledger::command::Schedule {
    schedule("AAA-BBB", &[plan('Y', seats, &[])])
}

fn scheduled(body: flightline_ledger::command::Schedule) -> ProviderBody {
    ProviderBody::Schedule(body)
}

#[test]
fn whoever_schedules_first_owns() {
    let mut world = World::with(one(9));
    assert_eq!(world.flight().owner(), provider("own"));
    assert_eq!(world.flight().owner_authority(), 10);
    // Equal authority does not.
    assert_eq!(
        world.event_of(10, "other", 99, scheduled(one(5))),
        accepted(0)
    );
    assert_eq!(world.flight().owner(), provider("own"));
    assert_eq!(world.flight().aircraft().next().unwrap().seats, Some(9));
    assert_eq!(world.line("other", 0, 'Y', None).authorised, Some(5));
}

#[test]
fn a_higher_authority_takes_over() {
    let mut world = World::with(one(9));
    assert_eq!(
        world.event_of(11, "high", 1, scheduled(one(5))),
        accepted(0)
    );
    assert_eq!(world.flight().owner(), provider("high"));
    assert_eq!(world.flight().aircraft().next().unwrap().seats, Some(5));
    // The former owner's schedule now changes its own allotment only.
    let mut late = one(7);
    late.legs[0].times.arrives_s += 60;
    assert_eq!(world.schedule("own", 20, late), accepted(0));
    assert_eq!(world.flight().aircraft().next().unwrap().seats, Some(5));
    assert_eq!(world.flight().legs()[0].times.arrives_s, DEPARTS_S + 3600);
    assert_eq!(world.line("own", 0, 'Y', None).authorised, Some(7));
    let times = vec![one(1).legs[0].times];
    let outcome = world.event("own", 30, ProviderBody::TimeChange(times));
    assert_eq!(outcome, refused(Reason::NotOwner));
}

#[test]
fn the_owner_raises_its_authority_and_never_lowers_it() {
    let mut world = World::with(one(9));
    world.event_of(20, "own", 11, scheduled(one(9)));
    world.event_of(5, "own", 12, scheduled(one(9)));
    assert_eq!(world.flight().owner_authority(), 20);
    world.event_of(20, "other", 1, scheduled(one(9)));
    assert_eq!(world.flight().owner(), provider("own"));
    world.event_of(21, "other", 2, scheduled(one(9)));
    assert_eq!(world.flight().owner(), provider("other"));
}

#[test]
fn a_stale_schedule_takes_nothing_over() {
    let mut world = World::with(one(9));
    world.event_of(1, "other", 50, scheduled(one(5)));
    assert_eq!(
        world.event_of(99, "other", 49, scheduled(one(5))),
        Outcome::Stale
    );
    assert_eq!(world.flight().owner(), provider("own"));
    assert_eq!(world.flight().owner_authority(), 10);
    // The owner's own neither.
    assert_eq!(
        world.event_of(99, "own", 1, scheduled(one(5))),
        Outcome::Stale
    );
    assert_eq!(world.flight().owner_authority(), 10);
}

#[test]
fn on_takeover_the_flight_follows_the_new_owner() {
    let mut world = World::with(one(9));
    world.event("own", 11, ProviderBody::Cancel);
    assert_eq!(world.flight().status(), FlightStatus::Cancelled);
    world.event_of(11, "high", 1, scheduled(one(9)));
    assert_eq!(world.flight().status(), FlightStatus::Scheduled);
    // The former owner still does not sell.
    assert_eq!(world.hold("a", ask(1)), refused(Reason::Closed));
}

#[test]
fn a_new_owner_that_had_withdrawn_later_cancels_the_flight() {
    let mut world = World::with(one(9));
    world.held("a", ask(1));
    world.event("high", 50, ProviderBody::Withdraw);
    assert_eq!(world.event_of(99, "high", 40, scheduled(one(9))), partly(1));
    assert_eq!(world.flight().owner(), provider("high"));
    assert_eq!(world.flight().status(), FlightStatus::Cancelled);
    assert_eq!(world.state("a"), HoldState::Displaced);
    assert_eq!(world.hold("b", ask(1)), refused(Reason::FlightCancelled));
}

#[test]
fn anothers_schedule_must_have_the_flights_stations() {
    let mut world = World::with(one(9));
    let elsewhere = schedule("AAA-CCC", &[]);
    let longer = schedule("AAA-BBB-CCC", &[]);
    for body in [elsewhere, longer] {
        assert_eq!(
            world.event("other", 1, scheduled(body)),
            refused(Reason::InvalidEvent)
        );
    }
    assert_eq!(world.flight().providers().count(), 1);
}

#[test]
fn a_codeshare_number_is_not_sold() {
    let mut body = one(9);
    body.operating = Some("LH9.2033-05-18.AAA".parse().unwrap());
    let mut world = World::with(body.clone());
    assert_eq!(world.hold("a", ask(1)), refused(Reason::NotOperating));
    assert_eq!(world.flight().operating(), body.operating);
    // Another provider's schedule does not change that; the owner's does.
    world.schedule("other", 1, one(9));
    assert_eq!(world.hold("b", ask(1)), refused(Reason::NotOperating));
    world.schedule("own", 11, one(9));
    world.held("c", ask(1));
}

#[test]
fn restrictions_are_the_owners() {
    let mut world = World::with(one(9));
    let mut restricted = one(9);
    restricted.restricted.push((station("AAA"), station("BBB")));
    world.schedule("other", 1, restricted.clone());
    world.held("a", ask(1));
    world.schedule("own", 11, restricted);
    assert_eq!(world.hold("b", ask(1)), refused(Reason::SegmentRestricted));
    assert_eq!(world.flight().restricted().len(), 1);
}

#[test]
fn quality_marks_are_those_of_the_owners_schedule() {
    let marked = |authority, from: &str, version, quality| {
        let mut command = event(authority, from, version, scheduled(one(9)));
        if let flightline_ledger::FlightCommand::Provider(event) = &mut command {
            event.quality = quality;
        }
        command
    };
    let mut world = World::empty();
    world.say("1", marked(1, "own", 1, 3));
    assert_eq!(world.flight().quality(), 3);
    world.say("2", marked(1, "other", 1, 8));
    assert_eq!(world.flight().quality(), 3);
    world.say("3", marked(1, "own", 0, 16));
    assert_eq!(world.flight().quality(), 3);
    world.say("4", marked(1, "own", 2, 0));
    assert_eq!(world.flight().quality(), 0);
}
