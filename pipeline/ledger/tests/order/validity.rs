//! Orders that cannot be made, field by field.

use flightline_ledger::order::{
    CreateOrder, Field, OfferRequestId, OrderAction, OrderOutcome, OrderReason, RefundTerms, Terms,
};

use crate::support::{World, create, instant, on_hold, refused, segment, text, usd};

fn try_one(change: impl FnOnce(&mut CreateOrder)) -> OrderOutcome {
    let mut world = World::new();
    let mut details = create(1, 2, instant());
    change(&mut details);
    let outcome = world.action(OrderAction::Create(Box::new(details)));
    let made = matches!(outcome, OrderOutcome::Created { .. });
    assert_eq!(world.orders.orders_ever(), usize::from(made));
    outcome
}

#[track_caller]
fn bad(field: Field, change: impl FnOnce(&mut CreateOrder)) {
    assert_eq!(try_one(change), refused(OrderReason::Invalid(field)));
}

#[track_caller]
fn good(change: impl FnOnce(&mut CreateOrder)) {
    let outcome = try_one(change);
    assert!(
        matches!(outcome, OrderOutcome::Created { .. }),
        "{outcome:?}"
    );
}

fn long(len: usize) -> Box<str> {
    text(&"x".repeat(len))
}

#[test]
fn texts_have_a_length() {
    bad(Field::OrderId, |o| o.offer_request = OfferRequestId(2));
    good(|o| o.offer = long(1024));
    bad(Field::Offer, |o| o.offer = long(1025));
    good(|o| o.client = long(128));
    bad(Field::Client, |o| o.client = long(129));
    bad(Field::Client, |o| o.client = text(""));
    good(|o| o.sealed = long(32_768));
    bad(Field::Sealed, |o| o.sealed = long(32_769));
    bad(Field::Sealed, |o| o.sealed = text(""));
    bad(Field::Method, |o| {
        o.terms = Terms::Instant { method: text("") }
    });
    bad(Field::Method, |o| {
        o.terms = Terms::Instant { method: long(257) }
    });
}

#[test]
fn slices_have_segments() {
    bad(Field::Slices, |o| o.slices.clear());
    bad(Field::Slices, |o| o.slices.push(Vec::new()));
    good(|o| o.slices = vec![(0..16).map(segment).collect()]);
    bad(Field::Slices, |o| {
        o.slices = (0..17).map(|at| vec![segment(at)]).collect()
    });
    // The same flight twice is two holds.
    good(|o| o.slices = vec![vec![segment(0)], vec![segment(0)]]);
}

#[test]
fn seats_and_passengers_are_counted() {
    bad(Field::Seats, |o| o.slices[1][0].seats = 0);
    good(|o| o.slices[1][0].seats = 999);
    bad(Field::Seats, |o| o.slices[1][0].seats = 1000);
    bad(Field::Passengers, |o| o.passengers = 0);
    bad(Field::Passengers, |o| o.passengers = 1000);
}

#[test]
fn money_is_of_one_currency_and_in_bounds() {
    bad(Field::Price, |o| o.slices[0][0].price.minor = -1);
    good(|o| o.slices[0][0].price.minor = 0);
    bad(Field::Price, |o| {
        o.slices[0][0].price.currency = "EUR".parse().unwrap()
    });
    bad(Field::Price, |o| o.slices[0][0].price.exponent = 3);
    bad(Field::Total, |o| o.total = usd(0));
    bad(Field::Total, |o| o.total = usd(-5));
    good(|o| o.total = usd(CreateOrder::MINOR_MAX));
    bad(Field::Total, |o| o.total = usd(CreateOrder::MINOR_MAX + 1));
    bad(Field::Total, |o| {
        o.total.exponent = 5;
        o.slices
            .iter_mut()
            .flatten()
            .for_each(|s| s.price.exponent = 5);
    });
    bad(Field::Refund, |o| o.refund = RefundTerms::Penalty(-1));
    good(|o| o.refund = RefundTerms::Penalty(200_00));
    bad(Field::Refund, |o| o.refund = RefundTerms::Penalty(200_01));
}

#[test]
fn the_time_to_pay_has_bounds() {
    const DAYS_3_MS: u64 = 3 * 24 * 3_600_000;
    bad(Field::PayBy, |o| o.terms = Terms::Hold { pay_by_ms: 0 });
    good(|o| o.terms = Terms::Hold { pay_by_ms: 1 });
    good(|o| {
        o.terms = Terms::Hold {
            pay_by_ms: DAYS_3_MS,
        }
    });
    bad(Field::PayBy, |o| {
        o.terms = Terms::Hold {
            pay_by_ms: DAYS_3_MS + 1,
        };
    });
}

#[test]
fn metadata_has_bounds() {
    let pair = |key: usize| (text(&format!("k{key}")), text("v"));
    good(|o| o.metadata = (0..50).map(pair).collect());
    bad(Field::Metadata, |o| {
        o.metadata = (0..51).map(pair).collect()
    });
    bad(Field::Metadata, |o| {
        o.metadata = vec![(text(""), text("v"))]
    });
    bad(Field::Metadata, |o| {
        o.metadata = vec![pair(1), pair(2), pair(1)]
    });
    good(|o| o.metadata = vec![(long(40), long(2000))]);
    bad(Field::Metadata, |o| {
        o.metadata = vec![(long(41), text("v"))]
    });
    bad(Field::Metadata, |o| {
        o.metadata = vec![(text("k"), long(2001))]
    });
    let mut world = World::with(1, on_hold());
    let metadata = vec![(text(""), text("v"))];
    let outcome = world.action(OrderAction::SetMetadata(metadata));
    assert_eq!(outcome, refused(OrderReason::Invalid(Field::Metadata)));
}
