//! Cancellation by the client: a quote, then its confirmation.

use flightline_ledger::order::{
    EffectResult, MoneyState, OrderAction, OrderOutcome, OrderReason, OrderState, QuoteId,
    RefundTerms, Step,
};

use crate::support::{
    DEPARTS_MS, HOUR_MS, START_MS, World, create, instant, on_hold, refused, usd,
};

fn confirm(world: &mut World, quote: QuoteId) -> OrderOutcome {
    world.action(OrderAction::ConfirmCancel { quote })
}

#[test]
fn a_paid_order_gives_back_what_its_terms_say() {
    for (refund, minor) in [
        (RefundTerms::Full, 200_00),
        (RefundTerms::Penalty(0), 200_00),
        (RefundTerms::Penalty(30_00), 170_00),
        (RefundTerms::Penalty(200_00), 0),
        (RefundTerms::Nothing, 0),
    ] {
        let mut world = World::new();
        let mut details = create(1, 2, instant());
        details.refund = refund;
        world.create(details);
        world.all_well();
        let outcome = world.action(OrderAction::QuoteCancel);
        let OrderOutcome::Quoted {
            quote,
            refund,
            unpaid,
            expires_at_ms,
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!((refund, unpaid), (usd(minor), false));
        assert_eq!(expires_at_ms, START_MS + HOUR_MS);
        assert_eq!(world.state(), OrderState::Booked);
        assert_eq!(world.waits(), []);

        let outcome = confirm(&mut world, quote);
        assert_eq!(outcome, OrderOutcome::CancelStarted { refund: usd(minor) });
        let mut expected = vec![(Step::Cancel, 0), (Step::Cancel, 1)];
        if minor > 0 {
            expected.push((Step::Refund, 0));
        }
        assert_eq!(world.waits(), expected);
        world.all_well();
        assert_eq!(
            (world.state(), world.cause()),
            (OrderState::Cancelled, "by_client")
        );
        assert_eq!(world.order().kept(), usd(200_00 - minor));
        assert_eq!(world.order().quote().unwrap().confirmed_ms, Some(START_MS));
    }
}

#[test]
fn an_unpaid_order_has_nothing_to_give_back() {
    let mut world = World::awaiting(1);
    let outcome = world.action(OrderAction::QuoteCancel);
    let OrderOutcome::Quoted {
        quote,
        refund,
        unpaid,
        ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!((refund, unpaid), (usd(0), true));
    confirm(&mut world, quote);
    assert_eq!(world.waits(), [(Step::Release, 0)]);
    world.all_well();
    assert_eq!(world.state(), OrderState::Cancelled);
    assert_eq!(world.order().charge().money, MoneyState::None);
}

#[test]
fn only_the_newest_quote_is_good() {
    let mut world = World::booked(1);
    let first = world.quote();
    let second = world.quote();
    assert_ne!(first, second);
    assert_eq!(confirm(&mut world, first), refused(OrderReason::QuoteStale));
    assert_eq!(
        confirm(&mut world, QuoteId(1)),
        refused(OrderReason::UnknownQuote)
    );
    assert!(matches!(
        confirm(&mut world, second),
        OrderOutcome::CancelStarted { .. }
    ));
    assert_eq!(
        confirm(&mut world, second),
        refused(OrderReason::AlreadyCancelled)
    );
    assert!(matches!(
        world.order().quoted(first),
        Some(OrderOutcome::Quoted { quote, .. }) if quote == first
    ));
    assert_eq!(world.order().quoted(QuoteId(1)), None);
}

#[test]
fn a_quote_runs_out() {
    let mut world = World::booked(1);
    let quote = world.quote();
    world.now_ms += HOUR_MS;
    assert_eq!(
        confirm(&mut world, quote),
        refused(OrderReason::QuoteExpired)
    );
    let quote = world.quote();
    world.now_ms += HOUR_MS - 1;
    assert!(matches!(
        confirm(&mut world, quote),
        OrderOutcome::CancelStarted { .. }
    ));
}

#[test]
fn a_quote_for_an_unpaid_order_is_stale_once_it_is_paid() {
    let mut world = World::awaiting(1);
    let quote = world.quote();
    world.pay(100_00);
    assert_eq!(confirm(&mut world, quote), refused(OrderReason::QuoteStale));
    world.result(Step::Authorise, crate::support::declined());
    assert_eq!(confirm(&mut world, quote), refused(OrderReason::QuoteStale));
    world.pay(100_00);
    world.all_well();
    assert_eq!(confirm(&mut world, quote), refused(OrderReason::QuoteStale));
    assert_eq!(world.state(), OrderState::Booked);
}

#[test]
fn an_order_under_way_is_not_cancelled() {
    let not_now = refused(OrderReason::NotCancellable);
    for terms in [instant(), on_hold()] {
        let mut world = World::with(1, terms);
        assert_eq!(world.action(OrderAction::QuoteCancel), not_now);
    }
    let mut world = World::awaiting(1);
    world.pay(100_00);
    for step in [Step::Authorise, Step::Confirm, Step::Capture, Step::Ticket] {
        world.well_up_to(step);
        assert_eq!(world.action(OrderAction::QuoteCancel), not_now, "{step}");
    }
}

#[test]
fn a_paid_order_is_not_cancelled_after_the_first_departure() {
    let mut world = World::booked(2);
    world.now_ms = DEPARTS_MS - 1;
    let quote = world.quote();
    world.now_ms = DEPARTS_MS;
    assert_eq!(confirm(&mut world, quote), refused(OrderReason::Departed));
    assert_eq!(
        world.action(OrderAction::QuoteCancel),
        refused(OrderReason::Departed)
    );
}

#[test]
fn what_is_over_is_not_cancelled() {
    let mut expired = World::awaiting(1);
    expired.tick(HOUR_MS);
    assert_eq!(
        expired.action(OrderAction::QuoteCancel),
        refused(OrderReason::PastDeadline)
    );
    let mut refused_one = World::with(1, instant());
    let closed = EffectResult::Refused(flightline_ledger::Reason::Closed);
    refused_one.result(Step::Hold, closed);
    assert_eq!(
        refused_one.action(OrderAction::QuoteCancel),
        refused(OrderReason::OrderRefused)
    );
}
