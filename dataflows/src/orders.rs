//! The orders of one partition, and the rows that their changes make.
//!
//! Orders fold every record of the partition, since each moves their clock; most of them do nothing
//! else, and cost a comparison.

use std::sync::Arc;

use flightline_ledger::order::{
    Effect, OrderCommand, OrderDecision, OrderId, OrderIx, OrderObserver, OrderState, Orders,
    References,
};
use flightline_ledger::{Command, Input};

use crate::part::Updates;
use crate::rows::OrderRow;

/// Key of the booking references. It hides how many orders there are; see [`References`].
const REFERENCE_KEY: u64 = u64::from_le_bytes(*b"flghtln1");

/// The booking references of a stream with so many partitions.
pub const fn references(partitions: u32) -> References {
    References::new(REFERENCE_KEY, partitions)
}

/// What the orders of a partition decided and asked for in neighbouring records.
#[derive(Debug, Default)]
pub struct OrderNews {
    /// Offset after the last of the records.
    pub until: u64,
    /// Index of the record in its batch, and what was decided about its order.
    pub(crate) decisions: Vec<(u32, OrderDecision)>,
    /// Effects that became due.
    pub effects: Vec<Effect>,
    /// Of each effect, the offset of the record with which it became due.
    pub effects_at: Vec<u64>,
    /// Orders that changed, once each, as they are after the last of the records.
    pub changed: Vec<OrderChange>,
}

/// An order that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderChange {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub state: OrderState,
}

impl OrderNews {
    /// Decisions about orders, in offset order.
    pub fn decisions(&self) -> impl Iterator<Item = &OrderDecision> + '_ {
        self.decisions.iter().map(|(_, decision)| decision)
    }

    fn is_empty(&self) -> bool {
        self.decisions.is_empty() && self.effects.is_empty() && self.changed.is_empty()
    }
}

/// The orders of a partition beside what was last shown of them.
pub(crate) struct OrderShard {
    partition: u32,
    orders: Orders,
    /// By order; one that is over leaves nothing.
    shown: Vec<Option<Arc<OrderRow>>>,
    /// Orders that changed in the open epoch, more than once perhaps.
    dirty: Vec<OrderIx>,
}

/// Hears one record.
struct Ear<'a> {
    index: u32,
    offset: u64,
    news: &'a mut OrderNews,
    dirty: &'a mut Vec<OrderIx>,
    changed: &'a mut Vec<OrderIx>,
    retired: Vec<OrderIx>,
}

impl OrderObserver for Ear<'_> {
    fn decided(&mut self, decision: &OrderDecision) {
        if decision.order.is_some() {
            self.news.decisions.push((self.index, *decision));
        }
    }

    fn effect_due(&mut self, effect: &Effect) {
        self.news.effects.push(effect.clone());
        self.news.effects_at.push(self.offset);
    }

    fn order_changed(&mut self, order: OrderIx) {
        if self.changed.last() != Some(&order) {
            self.changed.push(order);
        }
        if self.dirty.last() != Some(&order) {
            self.dirty.push(order);
        }
    }

    fn order_retired(&mut self, order: OrderIx, _: OrderId) {
        self.retired.push(order);
    }
}

impl OrderShard {
    pub(crate) fn new(partition: u32, partitions: u32) -> Self {
        Self {
            partition,
            orders: Orders::new(partition, references(partitions)),
            shown: Vec::new(),
            dirty: Vec::new(),
        }
    }

    /// Goes on with orders that were folded before: all their rows are new.
    pub(crate) fn resume(&mut self, orders: Orders) {
        self.dirty = orders.orders().map(|(at, _)| at).collect();
        self.orders = orders;
    }

    pub(crate) fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Folds neighbouring records. `about_orders`: some of them are about orders. `clock_ms`: the
    /// partition's clock after them. `first` is the index of the first of them in its batch. Takes
    /// the commands about orders out of their records.
    pub(crate) fn fold(
        &mut self,
        inputs: &mut [Input],
        first: u32,
        about_orders: bool,
        clock_ms: i64,
        updates: &mut Updates<Arc<OrderRow>>,
        epoch: u64,
    ) -> Option<OrderNews> {
        if !about_orders && self.orders.pass(clock_ms) {
            return None;
        }
        let mut news = OrderNews {
            until: inputs.last().map_or(0, |input| input.offset + 1),
            ..OrderNews::default()
        };
        let mut changed = Vec::new();
        for (input, index) in inputs.iter_mut().zip(first..) {
            let is_ours = matches!(
                input.command,
                Command::Order(..) | Command::ConfigureOrders(_)
            );
            if !is_ours && self.orders.pass(input.at_ms) {
                continue;
            }
            let mut ear = Ear {
                index,
                offset: input.offset,
                news: &mut news,
                dirty: &mut self.dirty,
                changed: &mut changed,
                retired: Vec::new(),
            };
            let command = take(&mut input.command);
            self.orders
                .apply(input.offset, input.at_ms, input.id, &command, &mut ear);
            for order in ear.retired {
                self.retire(order, updates, epoch);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        let orders = changed.iter().filter_map(|at| self.orders.get(*at));
        news.changed.extend(orders.map(|order| OrderChange {
            order: order.id(),
            state: order.state(),
        }));
        (!news.is_empty()).then_some(news)
    }

    /// Takes back the row of an order that is over.
    fn retire(&mut self, order: OrderIx, updates: &mut Updates<Arc<OrderRow>>, epoch: u64) {
        let shown = self.shown.get_mut(order as usize).and_then(Option::take);
        updates.extend(shown.map(|row| (row, epoch, -1)));
    }

    /// Closes the epoch: adds what changed in it.
    pub(crate) fn flush(&mut self, updates: &mut Updates<Arc<OrderRow>>, epoch: u64) {
        if self.dirty.is_empty() {
            return;
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for at in dirty.drain(..) {
            let Some(order) = self.orders.get(at).filter(|order| !order.is_retired()) else {
                continue;
            };
            let index = at as usize;
            if self.shown.len() <= index {
                self.shown.resize(index + 1, None);
            }
            let before = self.shown[index].take();
            let now = OrderRow::of(order, self.partition, before.as_deref());
            if before.as_deref() == Some(&now) {
                self.shown[index] = before;
                continue;
            }
            let now = Arc::new(now);
            updates.extend(before.map(|row| (row, epoch, -1)));
            updates.push((now.clone(), epoch, 1));
            self.shown[index] = Some(now);
        }
        self.dirty = dirty;
    }
}

/// What a command is to orders, taken out of its record where it is about one: the seats have had
/// their part of it, which is the time.
fn take(command: &mut Command) -> OrderCommand {
    match command {
        Command::Order(..) => match std::mem::replace(command, Command::Fence) {
            Command::Order(id, action) => OrderCommand::Order(id, *action),
            _ => OrderCommand::Tick,
        },
        Command::ConfigureOrders(settings) => OrderCommand::Configure((**settings).clone()),
        _ => OrderCommand::Tick,
    }
}
