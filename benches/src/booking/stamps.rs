//! What the stream of a stopped replica says of its orders: whether all is right, and when each step
//! of an order was heard of.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::ensure;
use flightline_dataflows::references;
use flightline_ledger::order::{LogEvent, Order, OrderCommand, OrderState, Orders, Step};
use flightline_ledger::{Ledger, Silent};
use flightline_stream::{Checker, EmbeddedConfig, EmbeddedLog, StreamLog};

/// Steps of an instant order, in their order.
pub const STEPS: [Step; 5] = [
    Step::Hold,
    Step::Authorise,
    Step::Confirm,
    Step::Capture,
    Step::Ticket,
];

/// Times between the stamps of records, of the orders of one tag.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    /// Orders.
    pub orders: u64,
    /// By step, milliseconds in all from the step before to its (last) result; the first from the
    /// creation.
    pub ms: [f64; STEPS.len()],
}

impl Spent {
    /// Milliseconds of a step, in the mean.
    pub fn mean_ms(&self, step: usize) -> f64 {
        self.ms[step] / self.orders.max(1) as f64
    }
}

/// Everything that a stream says.
#[derive(Debug, Default)]
pub struct Story {
    /// Times by the tag of the orders.
    pub spent: BTreeMap<String, Spent>,
    /// Seats held on all flights.
    pub held: i64,
    /// Seats sold on all flights.
    pub sold: i64,
    /// What the orders keep, in minor units.
    pub kept_minor: i64,
}

/// Folds the stream in a folder.
///
/// # Errors
/// When it cannot be read, or an order is not booked.
pub fn read(stream: &Path) -> anyhow::Result<Story> {
    let log = EmbeddedLog::open(EmbeddedConfig::new(stream))?;
    let partitions = log.partitions();
    let mut checkers: Vec<_> = (0..partitions).map(Checker::new).collect();
    let mut ledgers: Vec<_> = (0..partitions).map(|_| Ledger::new()).collect();
    let mut orders: Vec<_> = (0..partitions)
        .map(|p| Orders::new(p, references(partitions)))
        .collect();
    for frames in log.scan(&vec![0; partitions as usize])? {
        for frame in frames? {
            let at = frame.partition() as usize;
            for (offset, bytes) in &frame {
                let input = checkers[at].check(offset, bytes)?.input(offset)?;
                ledgers[at].apply(&input, &mut Silent);
                let command = OrderCommand::of(&input.command);
                orders[at].apply(offset, input.at_ms, input.id, &command, &mut Silent);
            }
        }
    }
    let mut story = Story::default();
    for ledger in &ledgers {
        ledger.check_invariants();
        for (_, flight) in ledger.flights() {
            for line in flight.inventory() {
                story.held += line.held;
                story.sold += line.sold;
            }
        }
    }
    for fold in &orders {
        fold.check_invariants();
        for (_, order) in fold.orders() {
            ensure!(
                order.state() == OrderState::Booked,
                "order {} is {}, and its client was told that it is booked",
                order.id(),
                order.state().name()
            );
            story.kept_minor += order.kept().minor;
            let tag = order.details().offer.to_string();
            add(story.spent.entry(tag).or_default(), order);
        }
    }
    Ok(story)
}

/// Adds the times of a booked order.
fn add(spent: &mut Spent, order: &Order) {
    let mut heard_ms = [order.created_ms(); STEPS.len()];
    for entry in order.log().iter() {
        if let LogEvent::Result { step, .. } = entry.event
            && let Some(at) = STEPS.iter().position(|known| *known == step)
        {
            heard_ms[at] = entry.at_ms;
        }
    }
    let mut before_ms = order.created_ms();
    for (ms, heard_ms) in spent.ms.iter_mut().zip(heard_ms) {
        *ms += (heard_ms - before_ms) as f64;
        before_ms = heard_ms;
    }
    spent.orders += 1;
}
