//! Deriving events from the stream once more.
//!
//! Events follow from the milestones of orders, and those from the records of the orders' partition. So a
//! partition's orders are folded beside the running replica, from the checkpoint that goes before the first
//! event that is wanted, or from the first record. It costs the memory of one partition's orders while it lasts.

use std::sync::Weak;

use flightline_connectors::webhooks::NewEvent;
use flightline_dataflows::changelog::Record;
use flightline_dataflows::references;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::Command;
use flightline_ledger::order::{OrderCommand, OrderIx, OrderObserver, Orders};
use flightline_stream::{Checker, StreamLog};

use super::events::event;
use super::keeper::{KeepError, Source};
use crate::backend::Inner;
use crate::checkpoint::{CheckpointError, Checkpoints, part_for};
use crate::reading::for_each_record_from;

/// Events that are given together.
const PIECE_EVENTS: usize = 500;
/// Something is given after so many records at the latest.
const PIECE_RECORDS: u64 = 50_000;

/// Derives from the stream of a replica.
pub(super) struct FromStream {
    inner: Weak<Inner>,
}

impl FromStream {
    pub(super) fn new(inner: Weak<Inner>) -> Self {
        Self { inner }
    }
}

impl Source for FromStream {
    fn derive(
        &self,
        partition: u32,
        from: u64,
        until: u64,
        give: &mut dyn FnMut(Vec<NewEvent>, u64) -> Result<(), KeepError>,
    ) -> Result<(), KeepError> {
        let inner = self.inner.upgrade().ok_or(KeepError::Stopping)?;
        let checkpoints = inner.checkpoints.get().ok_or(KeepError::Starting)?;
        derive(&*inner.log, checkpoints, partition, from, until, give)
    }
}

/// Which orders a record changed.
#[derive(Default)]
struct Changed(Vec<OrderIx>);

impl OrderObserver for Changed {
    fn order_changed(&mut self, order: OrderIx) {
        if self.0.last() != Some(&order) {
            self.0.push(order);
        }
    }
}

/// The orders of a partition, and the events that follow from them.
struct Derived {
    partition: u32,
    orders: Orders,
    changed: Changed,
    events: Vec<NewEvent>,
}

impl Derived {
    /// The milestones of an order from an offset on.
    fn tell(&mut self, order: OrderIx, from: u64) {
        let Some(order) = self.orders.get(order) else {
            return;
        };
        let new = |offset: u64| offset >= from;
        if !order.milestones().last().is_some_and(|m| new(m.offset)) {
            return;
        }
        let row = OrderRow::of(order, self.partition, None);
        let all = row.milestones.iter().enumerate();
        let told = all.filter(|(_, milestone)| new(milestone.offset));
        let told = told.map(|(at, milestone)| event(&row, at, milestone));
        self.events.extend(told);
    }

    fn apply(&mut self, record: &Record, from: u64) {
        let input = &record.input;
        let is_ours = matches!(
            input.command,
            Command::Order(..) | Command::ConfigureOrders(_)
        );
        if !is_ours && self.orders.pass(input.at_ms) {
            return;
        }
        let command = OrderCommand::of(&input.command);
        self.changed.0.clear();
        self.orders.apply(
            input.offset,
            input.at_ms,
            input.id,
            &command,
            &mut self.changed,
        );
        if input.offset < from {
            return;
        }
        let mut changed = std::mem::take(&mut self.changed.0);
        changed.sort_unstable();
        changed.dedup();
        for order in &changed {
            // What this record added.
            self.tell(*order, input.offset);
        }
        self.changed.0 = changed;
    }
}

fn derive(
    log: &dyn StreamLog,
    checkpoints: &Checkpoints,
    partition: u32,
    from: u64,
    until: u64,
    give: &mut dyn FnMut(Vec<NewEvent>, u64) -> Result<(), KeepError>,
) -> Result<(), KeepError> {
    let low_water = log.low_water(partition).map_err(CheckpointError::from)?;
    let (store, stream) = (checkpoints.store(), checkpoints.stream());
    let part = part_for(store, stream, partition, from, low_water)?;
    let mut checker = Checker::new(partition);
    let mut derived = Derived {
        partition,
        orders: Orders::new(partition, references(log.partitions())),
        changed: Changed::default(),
        events: Vec::new(),
    };
    if let Some(part) = part {
        checker = part.checker().clone();
        derived.orders = part.folded.into_orders();
        // A stream that was trimmed meanwhile: what its orders went through stands in the checkpoint.
        if checker.state().next_offset > from {
            let all: Vec<OrderIx> = derived.orders.orders().map(|(at, _)| at).collect();
            for order in all {
                derived.tell(order, from);
            }
        }
    }
    let mut failed = None;
    let mut given = checker.state().next_offset;
    for_each_record_from(log, checker, until, |record| {
        derived.apply(&record, from);
        let next = record.input.offset + 1;
        if derived.events.len() < PIECE_EVENTS && next - given < PIECE_RECORDS {
            return true;
        }
        given = next;
        let events = std::mem::take(&mut derived.events);
        // Below what is wanted there is nothing to keep.
        match give(events, next.max(from)) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    })
    .map_err(CheckpointError::from)?;
    match failed {
        Some(error) => Err(error),
        None => give(derived.events, until),
    }
}
