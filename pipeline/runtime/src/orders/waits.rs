//! Holds of orders that wait for seats: their orders hear what becomes of them.
//!
//! A flight answers such a hold at once, with its place on the waitlist; that it got its seats, or will
//! get none, shows in the rows of an epoch. Who has to be told is remembered here and found again at a
//! start. What is told twice changes nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use flightline_api::backend::HoldNow;
use flightline_dataflows::Reader;
use flightline_dataflows::rows::{HoldRow, HoldStatus};
use flightline_ledger::order::{EffectId, EffectResult, OrderId};
use flightline_ledger::{CommandId, FlightKey, Ledger, Reason};
use flightline_stream::partition_of_flight;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::desk::OrderDesk;

/// A hold of an order that has waited for a while: how does it stand?
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) order: OrderId,
    pub(crate) effect: EffectId,
    pub(crate) flight: FlightKey,
}

/// Holds of orders that wait.
#[derive(Debug)]
pub(crate) struct Waits {
    orders: Mutex<HashMap<CommandId, OrderId>>,
    /// How many there are: most of the time none.
    count: AtomicUsize,
    looks: mpsc::UnboundedSender<Look>,
}

impl Waits {
    /// And the holds that have to be looked at.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Look>) {
        let (looks, to_look) = mpsc::unbounded_channel();
        let waits = Self {
            orders: Mutex::default(),
            count: AtomicUsize::new(0),
            looks,
        };
        (waits, to_look)
    }

    /// The hold of an effect waits.
    pub(crate) fn add(&self, order: OrderId, effect: EffectId) {
        let mut orders = self.orders.lock();
        orders.insert(effect.into(), order);
        self.count.store(orders.len(), Ordering::Release);
    }

    /// It waits no more, or its order does not care.
    pub(crate) fn remove(&self, hold: CommandId) -> Option<OrderId> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut orders = self.orders.lock();
        let order = orders.remove(&hold);
        self.count.store(orders.len(), Ordering::Release);
        order
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// It may have got its seats before anybody listened.
    pub(crate) fn look(&self, look: Look) {
        self.add(look.order, look.effect);
        // Whoever looks goes last.
        let _ = self.looks.send(look);
    }

    /// A changed row of a hold: whom to tell what.
    pub(crate) fn hear(&self, row: &HoldRow) -> Option<(OrderId, EffectId, EffectResult)> {
        if row.status == HoldStatus::Waiting {
            return None;
        }
        let order = self.remove(row.id)?;
        Some((order, EffectId(row.id.0), result_of(row)))
    }
}

fn result_of(row: &HoldRow) -> EffectResult {
    match row.status {
        HoldStatus::Held | HoldStatus::Confirmed => EffectResult::Held {
            provider: row.provider,
            deadline_ms: row.deadline_ms,
            offset: row.changed_offset,
        },
        HoldStatus::Waiting => EffectResult::Waiting {
            deadline_ms: row.deadline_ms,
        },
        HoldStatus::Released => EffectResult::Refused(Reason::AlreadyReleased),
        HoldStatus::Cancelled => EffectResult::Refused(Reason::AlreadyCancelled),
        HoldStatus::Expired => EffectResult::Refused(Reason::Expired),
        HoldStatus::Displaced => EffectResult::Refused(Reason::Displaced),
    }
}

/// Looks at holds in the ledger until the dataflow ends.
pub(crate) async fn run(
    desk: std::sync::Arc<OrderDesk>,
    reader: Reader,
    partitions: u32,
    mut looks: mpsc::UnboundedReceiver<Look>,
) {
    while let Some(look) = looks.recv().await {
        let partition = partition_of_flight(&look.flight, partitions);
        let desk = desk.clone();
        reader.post(partition, move |ledger| {
            let result = looked_up(ledger, partition, &look);
            desk.looked(look.order, look.effect, result);
        });
    }
}

/// As [`run`], but stands still until each is answered: what other tasks do meanwhile would come before or behind
/// the answer by chance, which a simulation must not have.
#[cfg(feature = "simulation")]
pub(crate) async fn run_in_turn(
    desk: std::sync::Arc<OrderDesk>,
    reader: Reader,
    partitions: u32,
    mut looks: mpsc::UnboundedReceiver<Look>,
) {
    while let Some(look) = looks.recv().await {
        let partition = partition_of_flight(&look.flight, partitions);
        let (order, effect) = (look.order, look.effect);
        let result =
            reader.with_ledger(partition, move |ledger| looked_up(ledger, partition, &look));
        if let Ok(result) = result {
            desk.looked(order, effect, result);
        }
    }
}

/// How the hold that an order waits for stands.
fn looked_up(ledger: &Ledger, partition: u32, look: &Look) -> EffectResult {
    match HoldNow::read(
        ledger,
        partition,
        &look.flight,
        CommandId::from(look.effect),
    ) {
        Some(now) => EffectResult::of_hold(&now.hold),
        // The flight is over, and forgotten with all that waited for it.
        None => EffectResult::Refused(Reason::Retired),
    }
}
