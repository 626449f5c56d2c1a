//! What must be true when everything has settled.

use std::collections::BTreeMap;

use flightline_connectors::payments::PaymentState;
use flightline_dataflows::rows::HoldStatus;
use flightline_ledger::order::OrderState;
use flightline_runtime::simulation::fold_plainly;
use flightline_stream::StreamLog;

use super::clients::{FARE_MINOR, FLIGHTS};
use super::run::{PARTITIONS, Run};

/// What keeps a run from being over, in words; empty when nothing does.
pub(super) fn what_is_left(run: &Run) -> String {
    let mut left = Vec::new();
    let mut ends: Option<Vec<u64>> = None;
    for (m, machine) in run.machines.iter().enumerate() {
        let Some(replica) = machine.replica() else {
            left.push(format!("m{m} is down"));
            continue;
        };
        let folded = replica.folded();
        if machine.is_behind() || ends.as_ref().is_some_and(|ends| *ends != folded) {
            left.push(format!("m{m} is behind"));
        }
        ends = Some(folded);
    }
    let Some(ends) = ends else {
        return left.join(", ");
    };
    if run.world.lock().database.progress != ends {
        left.push(format!(
            "the tables are at {:?} of {ends:?}",
            run.world.lock().database.progress
        ));
    }
    if let Some(replica) = run.machines[0].replica() {
        for partition in 0..PARTITIONS {
            let unsettled = replica.ask_orders(partition, |orders| {
                let all = orders.orders();
                let open = all.filter(|(_, order)| {
                    let state = order.state();
                    !state.is_settled() && state != OrderState::AwaitingPayment
                });
                open.map(|(_, order)| format!("order {} is {:?}", order.id(), order.state()))
                    .collect::<Vec<_>>()
            });
            left.extend(unsettled.unwrap_or_default());
        }
    }
    left.join(", ")
}

pub(super) fn judge(run: &mut Run) {
    let wrong = [
        agree(run),
        answered(run),
        seats(run),
        money(run),
        tables(run),
    ];
    for wrong in wrong.into_iter().flatten() {
        run.world.lock().blame(wrong);
    }
}

/// All replicas have the same records and the same state, which is the plain fold's.
fn agree(run: &Run) -> Option<String> {
    let mut first: Option<(Vec<u64>, Vec<u128>, Vec<u128>)> = None;
    for (m, machine) in run.machines.iter().enumerate() {
        let (Some(replica), Some(log)) = (machine.replica(), machine.log()) else {
            return Some(format!("m{m} is down"));
        };
        let plainly = match fold_plainly(&**log.log()) {
            Ok(digests) => digests,
            Err(why) => return Some(format!("m{m}: {why}")),
        };
        let digests = match replica.digests() {
            Ok(digests) => digests,
            Err(why) => return Some(format!("m{m}: {why}")),
        };
        if digests != plainly {
            return Some(format!(
                "m{m} does not have the state that its stream says, at {:?}",
                log.log().end_offsets()
            ));
        }
        let all = (replica.folded(), replica.hashes(), digests);
        match &first {
            None => first = Some(all),
            Some(first) if *first != all => {
                return Some(format!("m0 and m{m} differ: {first:?} and {all:?}"));
            }
            Some(_) => {}
        }
    }
    None
}

/// Every answer that a client got is what was decided at that place, by everybody.
fn answered(run: &Run) -> Option<String> {
    let world = run.world.lock();
    for told in &run.clients.told {
        let place = (told.partition, told.offset);
        let Some(row) = world.database.decisions.get(&place) else {
            return Some(format!("{told:?} was answered, and nothing is there"));
        };
        let (id, outcome) = match &row.order {
            Some(order) if told.of_order => (order.id, format!("{:?}", order.outcome)),
            _ => (row.decision.id, format!("{:?}", row.decision.outcome)),
        };
        if id != told.id || outcome != told.outcome {
            return Some(format!(
                "{told:?} was answered, and {outcome} of {} was decided there",
                id.0 >> 64
            ));
        }
    }
    None
}

/// No flight has more seats held and sold than it has; counted from the rows of holds.
fn seats(run: &Run) -> Option<String> {
    let world = run.world.lock();
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    for hold in world.database.holds.values() {
        if matches!(hold.status, HoldStatus::Held | HoldStatus::Confirmed) {
            *taken.entry(hold.flight.to_string()).or_default() += u32::from(hold.seats);
        }
    }
    let each = FLIGHTS.iter();
    let over = each.map(|(flight, seats)| (flight, seats, taken.get(*flight).copied()));
    for (flight, seats, taken) in over {
        if taken.is_some_and(|taken| taken > u32::from(*seats)) {
            return Some(format!(
                "{flight} has {seats} seats, and {taken:?} are taken"
            ));
        }
    }
    None
}

/// Whoever is booked has paid once, and nobody else has; nothing stays reserved but for orders that are being
/// paid for.
fn money(run: &Run) -> Option<String> {
    let world = run.world.lock();
    let mut owed = 0;
    for order in world.database.orders.values() {
        if order.state == OrderState::Booked {
            let seats: i64 = order.segments.len() as i64;
            let each = order.segments.first().map_or(0, |s| i64::from(s.seats));
            owed += FARE_MINOR * seats * each;
        }
    }
    let mut kept = 0;
    for payment in run.books.payments() {
        if payment.state == PaymentState::Authorised {
            return Some(format!("money stays reserved: {payment:?}"));
        }
        kept += payment.captured_minor - payment.refunded_minor;
    }
    (kept != owed).then(|| format!("{kept} was taken and kept, and {owed} is owed by the booked"))
}

/// The tables are what a replica says that folds the stream from its first record.
fn tables(run: &mut Run) -> Option<String> {
    let before = std::mem::take(&mut run.world.lock().database.rows);
    let decisions = std::mem::take(&mut run.world.lock().database.decisions);
    for machine in &mut run.machines {
        machine.kill();
    }
    run.world.lock().database = super::database::Database::new(PARTITIONS);
    run.machines[0].start();
    for _ in 0..100_000 {
        run.settle_first();
        if let Some(why) = run.machines[0].failed() {
            return Some(format!("m0 cannot start again: {why}"));
        }
        let folded = run.machines[0].replica().map(|r| r.folded());
        let progress = run.world.lock().database.progress.clone();
        if folded.is_some_and(|folded| folded == progress) {
            break;
        }
    }
    let world = run.world.lock();
    let again = &world.database;
    if decisions != again.decisions {
        return Some("the decisions in the tables are not those of the stream".to_owned());
    }
    if before == again.rows {
        return None;
    }
    let only = |a: &BTreeMap<String, isize>, b: &BTreeMap<String, isize>| {
        let found = a.iter().find(|(row, n)| b.get(*row) != Some(n));
        found.map(|(row, n)| format!("{n} x {row}"))
    };
    Some(format!(
        "the tables are not the fold of the stream: they have {:?}, it says {:?}",
        only(&before, &again.rows),
        only(&again.rows, &before)
    ))
}
