//! What can be read: history, references, the number for the whole state.

use std::collections::BTreeSet;

use flightline_ledger::order::{
    EffectResult, LogEvent, OfferRequestId, OrderAction, OrderCommand, OrderId, OrderKind,
    OrderOutcome, OrderState, Orders, References, Step,
};
use flightline_ledger::{CommandId, Reason, Silent};

use crate::support::{START_MS, World, create, held, instant, on_hold, one, references, text};

#[test]
fn the_log_tells_why() {
    let mut world = World::with(2, instant());
    world.result(Step::Hold, held(1));
    world.result(Step::Hold, EffectResult::Unknown);
    let second = world.effect(Step::Hold);
    world.result(Step::Hold, EffectResult::Refused(Reason::Closed));
    world.all_well();
    let told: Vec<_> = world
        .order()
        .log()
        .iter()
        .map(|entry| {
            let what = match entry.event {
                LogEvent::Command { kind, outcome, .. } => {
                    assert_eq!(kind, OrderKind::Create);
                    outcome.name()
                }
                LogEvent::Result { result, .. } => result,
                _ => panic!("{entry:?}"),
            };
            assert_eq!(entry.at_ms, START_MS);
            (entry.offset, what, entry.state)
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, "created", OrderState::Holding),
            (1, "held", OrderState::Holding),
            (2, "unknown", OrderState::Holding),
            (3, "refused", OrderState::Undoing),
            (4, "released", OrderState::Refused),
        ]
    );
    let refusal = world.order().log().iter().nth(3).unwrap().event;
    let LogEvent::Result {
        effect,
        step,
        segment,
        reason,
        ..
    } = refusal
    else {
        panic!("{refusal:?}");
    };
    assert_eq!((effect, step, segment), (second, Step::Hold, 1));
    assert_eq!(reason, Some(Reason::Closed));
}

#[test]
fn deadlines_are_in_the_log() {
    let mut world = World::awaiting(1);
    world.tick(crate::support::HOUR_MS);
    let last = *world.order().log().iter().last().unwrap();
    assert_eq!(last.event, LogEvent::Deadline);
    assert_eq!(last.state, OrderState::Undoing);
    assert_eq!(last.offset, world.records.len() as u64 - 1);
}

#[test]
fn what_changes_nothing_is_not_in_the_log() {
    let mut world = World::with(1, instant());
    let before = world.order().log().iter().count();
    let effect = world.effect(Step::Hold);
    world.action(OrderAction::Claim {
        effect,
        replica: 1,
        until_ms: START_MS + 9,
    });
    world.done(effect, EffectResult::Captured);
    world.tick(2_000);
    assert_eq!(world.order().log().iter().count(), before);
}

#[test]
fn metadata_is_replaced_at_any_time() {
    let mut world = World::booked(1);
    let pairs = vec![(text("a"), text("1")), (text("b"), text(""))];
    let outcome = world.action(OrderAction::SetMetadata(pairs.clone()));
    assert_eq!(outcome, OrderOutcome::MetadataSet);
    assert_eq!(world.order().metadata(), &pairs);
}

#[test]
fn booking_references_are_unique_over_partitions_and_lead_back() {
    let mut seen = BTreeSet::new();
    for partition in 0..4 {
        let mut orders = Orders::new(partition, references());
        for request in 0..200_u128 {
            let id = OrderId::of(OfferRequestId(request));
            let action = OrderAction::Create(Box::new(create(request, 1, instant())));
            let command = OrderCommand::Order(id, action);
            let decision =
                orders.apply(request as u64, 0, CommandId(request), &command, &mut Silent);
            let OrderOutcome::Created { booking } = decision.outcome else {
                panic!("{decision:?}");
            };
            assert!(seen.insert(booking), "{booking} twice");
            assert_eq!(orders.named(&booking), Some((request as u32, id)));
        }
        let unused = references().name(partition, 200);
        assert_eq!(orders.named(&unused), None);
        let elsewhere = references().name((partition + 1) % 4, 3);
        assert_eq!(orders.named(&elsewhere), None);
    }
}

#[test]
fn the_key_of_references_is_fixed_by_whoever_makes_the_fold() {
    let named = |key| {
        let mut orders = Orders::new(0, References::new(key, 4));
        let action = OrderAction::Create(Box::new(create(1, 1, instant())));
        let command = OrderCommand::Order(one(), action);
        orders.apply(0, 0, CommandId(1), &command, &mut Silent);
        orders.get(0).unwrap().booking()
    };
    assert_eq!(named(1), named(1));
    assert_ne!(named(1), named(2));
}

/// Every kind of difference shows in the number.
#[test]
fn the_digest_tells_states_apart() {
    let mut seen = BTreeSet::new();
    let mut note = |world: &World, what: &str| {
        assert!(seen.insert(world.orders.hash_state()), "{what}");
    };
    let mut world = World::with(2, on_hold());
    note(&world, "created");
    let effect = world.effect(Step::Hold);
    world.action(OrderAction::Claim {
        effect,
        replica: 1,
        until_ms: START_MS + 100,
    });
    note(&world, "claimed");
    world.result(Step::Hold, EffectResult::Unknown);
    note(&world, "unknown");
    world.tick(1);
    note(&world, "time");
    world.all_well();
    note(&world, "held");
    world.quote();
    note(&world, "quoted");
    world.quote();
    note(&world, "quoted again");
    world.action(OrderAction::SetMetadata(Vec::new()));
    note(&world, "notes");
    world.pay(1);
    note(&world, "a refused command is remembered");
    world.pay(200_00);
    note(&world, "paid");
    world.all_well();
    note(&world, "booked");
    let settings = flightline_ledger::order::OrderSettings {
        quote_ms: 9,
        ..Default::default()
    };
    world.command(OrderCommand::Configure(settings));
    note(&world, "settings");
    let again = world.orders.clone();
    assert_eq!(again.hash_state(), world.orders.hash_state());
}

/// Cut anywhere, the fold goes on as if it had not been.
#[test]
fn every_prefix_can_be_resumed() {
    let mut world = World::awaiting(2);
    world.pay(200_00);
    world.well_up_to(Step::Ticket);
    world.result(Step::Ticket, crate::support::failed());
    world.tick(5_000);
    world.all_well();
    let fold = |orders: &mut Orders, from: usize, to: usize| {
        for (offset, (at_ms, id, command)) in world.records.iter().enumerate().take(to).skip(from) {
            orders.apply(offset as u64, *at_ms, *id, command, &mut Silent);
        }
    };
    let all = world.records.len();
    for cut in 0..=all {
        let mut orders = Orders::new(2, references());
        fold(&mut orders, 0, cut);
        let mut resumed = orders.clone();
        fold(&mut resumed, cut, all);
        assert_eq!(
            resumed.hash_state(),
            world.orders.hash_state(),
            "cut at {cut}"
        );
    }
}
