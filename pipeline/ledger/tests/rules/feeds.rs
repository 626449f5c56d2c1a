//! Providers that do not sell for now, and what holds for a time only.

use flightline_ledger::command::{Availability, Counts, FeedCommand, Numbered, SaleStatus, Series};
use flightline_ledger::{
    Command, CommandId, Date, HoldRequest, HoldState, Outcome, ProviderBody, Reason,
};

use crate::support::*;

impl World {
    fn feed(&mut self, from: &str, command: FeedCommand) {
        let command = Command::Feed(provider(from), Box::new(command));
        assert_eq!(self.record(CommandId(7), command).outcome, Outcome::Noted);
    }

    fn limit(&mut self, from: &str, silence_max_ms: impl Into<Option<u64>>) {
        let silence_max_ms = silence_max_ms.into();
        self.feed(from, FeedCommand::Configure { silence_max_ms });
    }

    /// Seats that the offer of `own` shows, at a price.
    fn offered(&self) -> u16 {
        let mut offers = self.flight().offers();
        let own = offers.find(|offer| offer.provider == provider("own"));
        own.expect("an offer").seats
    }
}

/// Ten seats of `own`, dearer than ten of `other`.
fn two_providers() -> World {
    let mut world = World::simple(10);
    world.event("own", 11, ProviderBody::Fares(vec![fare('Y', None, 200)]));
    world.event("other", 11, available(count('Y', Counts::Total, 10)));
    world.event("other", 11, ProviderBody::Fares(vec![fare('Y', None, 100)]));
    world
}

fn anybody(seats: u16) -> HoldRequest {
    HoldRequest {
        provider: None,
        ..ask(seats)
    }
}

#[test]
fn a_silent_provider_sells_nothing_until_it_is_heard() {
    let mut world = two_providers();
    world.limit("own", 1_000);
    let heard_ms = world.now_ms;
    world.held("before", ask(1));
    assert_eq!(world.offered(), 9);
    assert_eq!(world.ledger.next_deadline_ms(), Some(heard_ms + 1_000));
    world.tick(heard_ms + 999);
    world.held("last moment", ask(1));
    world.tick(heard_ms + 1_000);
    assert_eq!(world.offered(), 0);
    let silent = refused(Reason::ProviderSilent);
    assert_eq!(world.hold("after", ask(1)), silent);
    // What it had sold goes on, and what it holds can be confirmed.
    let confirmed = Outcome::Confirmed {
        seats: 1,
        already: false,
    };
    assert_eq!(world.confirm("before"), confirmed);
    // Its next report is enough, also one that is stale.
    let stale = ProviderBody::Fares(vec![fare('Y', None, 300)]);
    assert_eq!(world.event("own", 5, stale), Outcome::Stale);
    assert_eq!(world.offered(), 8);
    world.held("again", ask(1));
}

/// An order that the provider answers shows that its way for orders works, and not that its feed does.
#[test]
fn what_a_provider_answers_to_orders_is_no_word_of_its_feed() {
    let mut world = two_providers();
    world.limit("own", 1_000);
    let heard_ms = world.now_ms;
    world.held("a", ask(1));
    world.confirm("a");
    world.held("b", ask(1));
    world.confirm("b");
    // Without a version, as orders send it.
    let unversioned = 0;
    world.now_ms = heard_ms + 900;
    let outcome = world.event("own", unversioned, ProviderBody::Acknowledge(vec![id("a")]));
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    world.tick(heard_ms + 999);
    assert_eq!(world.offered(), 8);
    world.tick(heard_ms + 1_000);
    assert_eq!(world.offered(), 0, "silent, whatever it answered to orders");
    // Nor does it go on by one.
    for (name, body) in [
        ("c", ProviderBody::Acknowledge(vec![id("b")])),
        ("d", ProviderBody::Refuse(vec![id("nobody's")])),
    ] {
        let outcome = world.event("own", unversioned, body);
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        assert_eq!(world.hold(name, ask(1)), refused(Reason::ProviderSilent));
    }
    let feed = world.ledger.feed(provider("own")).expect("a limit");
    assert_eq!((feed.heard_ms, feed.silent), (heard_ms, true));
    // The same in its feed, which has versions, is a word like any other.
    world.event("own", 12, ProviderBody::Acknowledge(vec![id("a")]));
    assert_eq!(world.offered(), 8);
}

/// That a message came says nothing of seats: all of it may have been unreadable, and that is no word.
#[test]
fn a_message_that_came_is_no_word_beyond_what_it_says() {
    let mut world = two_providers();
    world.limit("own", 1_000);
    let heard_ms = world.now_ms;
    let came = Numbered {
        series: Series::Ssm,
        day: Date(20_839),
        group: 1,
        number: 1,
        is_last: true,
    };
    world.now_ms = heard_ms + 900;
    world.feed("own", FeedCommand::Numbered(came));
    world.tick(heard_ms + 1_000);
    world.feed("own", FeedCommand::Numbered(came));
    let feed = world.ledger.feed(provider("own")).expect("a limit");
    assert_eq!((feed.heard_ms, feed.silent), (heard_ms, true));
    assert_eq!(world.offered(), 0);
}

#[test]
fn whoever_is_heard_elsewhere_is_heard_at_that_time() {
    let mut world = two_providers();
    world.limit("own", 1_000);
    let start_ms = world.now_ms;
    world.now_ms = start_ms + 900;
    world.feed(
        "own",
        FeedCommand::Heard {
            at_ms: start_ms + 500,
        },
    );
    world.tick(start_ms + 1_499);
    assert_eq!(world.offered(), 10);
    world.tick(start_ms + 1_500);
    assert_eq!(world.offered(), 0);
    // Told late, but heard in time: it goes on from then.
    world.feed(
        "own",
        FeedCommand::Heard {
            at_ms: start_ms + 1_400,
        },
    );
    assert_eq!(world.offered(), 10);
    // Nobody is heard in the future.
    world.feed("own", FeedCommand::Heard { at_ms: i64::MAX });
    world.tick(start_ms + 2_500);
    assert_eq!(world.offered(), 0);
    world.limit("own", None);
    assert_eq!(world.offered(), 10);
    world.tick(start_ms + 1_000_000);
    assert_eq!(world.offered(), 10);
}

#[test]
fn a_stopped_provider_is_passed_over_and_the_next_takes_its_place() {
    let mut world = two_providers();
    world.feed("other", FeedCommand::Stop);
    let from = |outcome| match outcome {
        Outcome::Held { provider, .. } => provider,
        other => panic!("{other:?}"),
    };
    assert_eq!(from(world.hold("a", anybody(1))), provider("own"));
    let request = HoldRequest {
        provider: Some(provider("other")),
        ..ask(1)
    };
    let stopped = refused(Reason::ProviderStopped);
    assert_eq!(world.hold("b", request), stopped);
    // A stop outranks silence, and silence of the one stop of the other.
    world.limit("other", 1);
    world.limit("own", 1);
    world.tick(world.now_ms + 1);
    assert_eq!(world.hold("c", request), stopped);
    assert_eq!(world.hold("d", anybody(1)), stopped);
    world.feed("other", FeedCommand::Resume);
    let silent = refused(Reason::ProviderSilent);
    assert_eq!(world.hold("e", anybody(1)), silent);
    // A flight and a provider on a flight that come meanwhile are no way around it.
    world.feed("third", FeedCommand::Stop);
    world.event("third", 12, available(count('Y', Counts::Total, 5)));
    let third = HoldRequest {
        provider: Some(provider("third")),
        ..ask(1)
    };
    assert_eq!(world.hold("f", third), stopped);
}

#[test]
fn whoever_waits_gets_the_seats_of_a_provider_that_goes_on_in_the_same_record() {
    let mut world = two_providers();
    world.sold("full", ask(10));
    world.limit("own", 1_000);
    let request = HoldRequest {
        wait_ms: Some(50_000),
        ..ask(1)
    };
    assert_eq!(world.hold("w", request).name(), "waiting");
    let start_ms = world.now_ms;
    world.tick(start_ms + 1_000);
    world.cancel("full");
    assert_eq!(world.state("w"), HoldState::Waiting, "it is silent");
    world.available(20, count('Y', Counts::Total, 10));
    assert_eq!(world.state("w"), HoldState::Held);
}

#[test]
fn what_was_seen_until_a_time_is_not_sold_from_then_on() {
    let mut world = two_providers();
    let until_ms = world.now_ms + 500;
    let seen = Availability {
        expires_ms: Some(until_ms),
        ..count('Y', Counts::Remaining, 4)
    };
    assert_eq!(world.available(20, seen), accepted(0));
    assert_eq!(world.ledger.next_deadline_ms(), Some(until_ms));
    world.tick(until_ms - 1);
    world.held("in time", ask(1));
    world.tick(until_ms);
    assert_eq!(world.offered(), 0);
    assert_eq!(world.hold("late", ask(1)), refused(Reason::Closed));
    assert_eq!(world.state("in time"), HoldState::Held);
    assert_eq!(world.line("own", 0, 'Y', None).status, SaleStatus::Open);
    // Whatever is newer counts: another look, one that is over when it comes, or a word for good.
    let again = Availability {
        expires_ms: Some(until_ms + 500),
        ..count('Y', Counts::Remaining, 3)
    };
    world.available(21, again);
    assert_eq!(world.offered(), 2);
    let over = Availability {
        expires_ms: Some(until_ms),
        ..again
    };
    world.available(22, over);
    assert_eq!(world.offered(), 0);
    world.available(23, count('Y', Counts::Remaining, 3));
    assert_eq!(world.offered(), 2);
    world.tick(until_ms + 1_000);
    assert_eq!(world.offered(), 2);
}

#[test]
fn a_schedule_that_sets_the_bound_holds_for_good() {
    let mut world = two_providers();
    let until_ms = world.now_ms + 500;
    let mut authorised = plan('Y', 10, &[]);
    authorised.authorised = Some(6);
    world.available(
        20,
        Availability {
            expires_ms: Some(until_ms),
            ..count('Y', Counts::Total, 4)
        },
    );
    world.schedule("own", 21, schedule("AAA-BBB", &[authorised]));
    world.tick(until_ms);
    assert_eq!(world.offered(), 6);
}
