//! The same command again.

use flightline_ledger::CommandId;
use flightline_ledger::order::{
    OfferRequestId, OrderAction, OrderCommand, OrderDecision, OrderId, OrderOutcome, OrderReason,
    OrderState, Payment, Step,
};
use flightline_ledger::outcome::Replay;

use crate::support::{World, create, instant, on_hold, one, refused, text, usd};

fn with_id(world: &mut World, id: u128, action: OrderAction) -> OrderDecision {
    world.record(CommandId(id), OrderCommand::Order(one(), action))
}

#[test]
fn a_repeated_command_has_its_first_answer() {
    let mut world = World::new();
    let create = || OrderAction::Create(Box::new(create(1, 1, on_hold())));
    let pay = || {
        OrderAction::Pay(Payment {
            amount: usd(100_00),
            method: text("card_2"),
        })
    };
    let created = with_id(&mut world, 1, create());
    assert_eq!(created.replay, Replay::First);
    let again = with_id(&mut world, 1, create());
    assert_eq!(again.replay, Replay::Same { first_offset: 0 });
    assert_eq!(again.outcome, created.outcome);
    assert_eq!(world.ear.due, []);
    assert_eq!(world.ear.changed, []);
    world.all_well();
    let paid = with_id(&mut world, 2, pay());
    world.all_well();
    let offset = paid.offset;
    let again = with_id(&mut world, 2, pay());
    assert_eq!(
        again.replay,
        Replay::Same {
            first_offset: offset
        }
    );
    assert_eq!(again.outcome, OrderOutcome::PaymentStarted { payment: 1 });
    assert_eq!(world.state(), OrderState::Booked);
    assert_eq!(world.orders.orders_ever(), 1);
}

#[test]
fn a_used_id_with_other_details_does_nothing() {
    let mut world = World::new();
    let first = create(1, 2, on_hold());
    with_id(&mut world, 1, OrderAction::Create(Box::new(first.clone())));
    let mut others = Vec::new();
    for change in 0..10 {
        let mut other = first.clone();
        match change {
            0 => other.offer = text("off_2"),
            1 => other.client = text("other"),
            2 => other.sealed = text("other"),
            3 => other.passengers = 2,
            4 => other.total = usd(201_00),
            5 => other.metadata.clear(),
            6 => other.slices = vec![other.slices.concat()],
            7 => other.slices[1][0].seats = 2,
            8 => other.terms = instant(),
            _ => other.refund = flightline_ledger::order::RefundTerms::Full,
        }
        others.push(OrderAction::Create(Box::new(other)));
    }
    others.push(OrderAction::QuoteCancel);
    others.push(OrderAction::SetMetadata(Vec::new()));
    for other in others {
        let decision = with_id(&mut world, 1, other);
        assert_eq!(decision.replay, Replay::Different { first_offset: 0 });
        assert!(matches!(decision.outcome, OrderOutcome::Created { .. }));
        assert_eq!(world.ear.changed, []);
    }
    assert_eq!(world.order().metadata(), &first.metadata);
}

#[test]
fn a_refused_command_stays_refused() {
    let mut world = World::with(1, on_hold());
    let pay = || {
        OrderAction::Pay(Payment {
            amount: usd(100_00),
            method: text("card_2"),
        })
    };
    let early = with_id(&mut world, 5, pay());
    assert_eq!(early.outcome, refused(OrderReason::StillHolding));
    world.all_well();
    let again = with_id(&mut world, 5, pay());
    assert_eq!(again.outcome, refused(OrderReason::StillHolding));
    assert!(matches!(again.replay, Replay::Same { .. }));
    assert_eq!(world.state(), OrderState::AwaitingPayment);
}

#[test]
fn an_offer_request_has_one_order() {
    let mut world = World::with(1, instant());
    let outcome = world.create(create(1, 1, instant()));
    assert_eq!(outcome, refused(OrderReason::AlreadyBooked));
    assert!(matches!(
        world.create(create(2, 1, instant())),
        OrderOutcome::Created { .. }
    ));
    assert_eq!(world.orders.orders_ever(), 2);
    let stranger = OrderId(5);
    let action = OrderAction::Create(Box::new(create(3, 1, instant())));
    let outcome = world.command(OrderCommand::Order(stranger, action));
    let field = flightline_ledger::order::Field::OrderId;
    assert_eq!(outcome, refused(OrderReason::Invalid(field)));
}

#[test]
fn ids_belong_to_their_order() {
    let mut world = World::new();
    for request in [1, 2] {
        let order = OrderId::of(OfferRequestId(request));
        let action = OrderAction::Create(Box::new(create(request, 1, instant())));
        let decision = world.record(CommandId(7), OrderCommand::Order(order, action));
        assert_eq!(decision.replay, Replay::First);
    }
}

#[test]
fn commands_for_no_order_are_refused_and_forgotten() {
    let mut world = World::new();
    let unknown = refused(OrderReason::UnknownOrder);
    let decision = with_id(&mut world, 1, OrderAction::QuoteCancel);
    assert_eq!(decision.outcome, unknown);
    assert_eq!(decision.order, Some(one()));
    assert_eq!(world.action(OrderAction::AcceptChanges), unknown);
    let decision = with_id(
        &mut world,
        1,
        OrderAction::Create(Box::new(create(1, 1, instant()))),
    );
    assert!(matches!(decision.outcome, OrderOutcome::Created { .. }));
}

/// What an order remembers is bounded, and notes do not use up what a cancellation needs.
#[test]
fn an_order_remembers_so_many_commands() {
    let mut world = World::booked(1);
    let full = refused(OrderReason::TooManyCommands);
    for _ in 0..191 {
        let outcome = world.action(OrderAction::SetMetadata(Vec::new()));
        assert_eq!(outcome, OrderOutcome::MetadataSet);
    }
    assert_eq!(world.action(OrderAction::SetMetadata(Vec::new())), full);
    for _ in 0..63 {
        world.quote();
    }
    let quote = world.quote();
    assert_eq!(world.action(OrderAction::ConfirmCancel { quote }), full);
    // What the replicas say is never too much.
    assert_eq!(world.waits(), []);
    world.notice(0, 50, flightline_ledger::order::FlightChange::Cancelled);
    assert_eq!(world.waits()[0].0, Step::Cancel);
    let log = world.order().log();
    assert!(log.dropped() > 0);
    assert_eq!(log.iter().count(), 96);
    let offsets: Vec<_> = log.iter().map(|entry| entry.offset).collect();
    assert!(offsets.is_sorted());
    assert_eq!(offsets[0], 0);
    assert_eq!(*offsets.last().unwrap(), world.records.len() as u64 - 1);
}
