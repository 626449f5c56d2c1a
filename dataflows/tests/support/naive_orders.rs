//! The orders again, record by record: every record of a partition goes to its fold, and rows are
//! made anew of every order that there is. It shares the fold and the row with the dataflow, and
//! nothing of what decides when to look.

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_dataflows::changelog::Record;
use flightline_dataflows::references;
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{
    Effect, OrderCommand, OrderDecision, OrderId, OrderIx, OrderObserver, OrderState, Orders,
};

use super::sinks::Rows;

/// What one record did.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Its decision; also when it is about no order.
    pub decision: Option<OrderDecision>,
    pub effects: Vec<Effect>,
    /// Where the orders stand that changed. Absent: over and forgotten.
    pub changed: BTreeMap<OrderId, Option<OrderState>>,
}

/// A partition's orders, and what each of its records did.
pub struct NaiveOrders {
    partition: u32,
    orders: Orders,
    pub steps: Vec<Step>,
}

#[derive(Default)]
struct Ear {
    step: Step,
    changed: Vec<OrderIx>,
    retired: Vec<OrderId>,
}

impl OrderObserver for Ear {
    fn decided(&mut self, decision: &OrderDecision) {
        self.step.decision = Some(*decision);
    }

    fn effect_due(&mut self, effect: &Effect) {
        self.step.effects.push(effect.clone());
    }

    fn order_changed(&mut self, order: OrderIx) {
        self.changed.push(order);
    }

    fn order_retired(&mut self, _: OrderIx, id: OrderId) {
        self.retired.push(id);
    }
}

impl NaiveOrders {
    pub fn new(partition: u32, partitions: u32) -> Self {
        Self {
            partition,
            orders: Orders::new(partition, references(partitions)),
            steps: Vec::new(),
        }
    }

    pub fn fold(&mut self, record: &Record) {
        let input = &record.input;
        assert_eq!(
            (record.partition, input.offset),
            (self.partition, self.steps.len() as u64)
        );
        let mut ear = Ear::default();
        let command = OrderCommand::of(&input.command);
        self.orders
            .apply(input.offset, input.at_ms, input.id, &command, &mut ear);
        let changed = ear.changed.iter().filter_map(|at| self.orders.get(*at));
        ear.step
            .changed
            .extend(changed.map(|order| (order.id(), Some(order.state()))));
        for id in ear.retired {
            ear.step.changed.insert(id, None);
        }
        self.steps.push(ear.step);
    }

    /// The rows as they stand.
    pub fn rows(&self) -> impl Iterator<Item = Arc<OrderRow>> + '_ {
        let orders = self.orders.orders();
        orders.map(|(_, order)| Arc::new(OrderRow::of(order, self.partition, None)))
    }
}

/// All partitions, folded up to a vector.
pub struct Judge {
    pub partitions: Vec<NaiveOrders>,
}

impl Judge {
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions: (0..partitions)
                .map(|p| NaiveOrders::new(p, partitions))
                .collect(),
        }
    }

    /// Folds what lies before `until`, once.
    pub fn fold(&mut self, history: &[Record], until: &[u64]) {
        for record in history {
            let at = record.partition as usize;
            let offset = record.input.offset;
            if offset >= self.partitions[at].steps.len() as u64 && offset < until[at] {
                self.partitions[at].fold(record);
            }
        }
    }

    pub fn fold_all(&mut self, history: &[Record]) {
        self.fold(history, &vec![u64::MAX; self.partitions.len()]);
    }

    pub fn rows(&self) -> Rows<Arc<OrderRow>> {
        Rows(self.partitions.iter().flat_map(NaiveOrders::rows).collect())
    }

    /// The decision about an order at a place.
    pub fn decision(&self, partition: u32, offset: u64) -> Option<OrderDecision> {
        let step = &self.partitions[partition as usize].steps[offset as usize];
        step.decision.filter(|decision| decision.order.is_some())
    }
}
