//! The stream of decisions: what it is made of, and the operator at which the outside hears it.

use std::sync::Arc;

use flightline_ledger::Decision;
use flightline_ledger::order::OrderDecision;
use flightline_ledger::outcome::Kind;
use timely::Accountable;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use crate::batch::{Notes, Run};
use crate::changelog::DecisionSink;
use crate::orders::OrderNews;
use crate::rows::{DecisionRow, is_recorded};

/// Decisions of one batch, in its order. Columns rather than rows: the sink reads the plain decisions
/// of a run as one slice, and the same memory then waits for its epoch.
#[derive(Default)]
pub(crate) struct Decided {
    pub(crate) runs: Vec<Run>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) notes: Notes,
    /// What the orders of a run's partition have to tell, in the order of the runs.
    pub(crate) orders: Vec<(u32, OrderNews)>,
}

impl Accountable for Decided {
    fn record_count(&self) -> i64 {
        self.decisions.len() as i64
    }
}

impl Decided {
    fn tell(&mut self, sink: &dyn DecisionSink) {
        for (partition, news) in &mut self.orders {
            sink.orders(*partition, news);
        }
        let mut rest = &self.decisions[..];
        for run in &self.runs {
            let (these, later) = rest.split_at(run.len as usize);
            sink.decided(run.partition, these);
            rest = later;
        }
    }
}

/// The rows of table `decision` of one epoch, in order of (partition, offset).
pub(crate) fn rows(mut batches: Vec<&mut Decided>) -> Vec<DecisionRow> {
    // Runs are in offset order for each partition as they come, so a stable sort of the runs by
    // partition alone sorts the rows, and each row is moved once.
    struct Piece {
        partition: u32,
        batch: u32,
        from: u32,
        to: u32,
    }
    let mut pieces = Vec::new();
    let mut total = 0;
    for (batch, decided) in batches.iter().enumerate() {
        let mut from = 0;
        for run in &decided.runs {
            let to = from + run.len;
            pieces.push(Piece {
                partition: run.partition,
                batch: batch as u32,
                from,
                to,
            });
            from = to;
        }
        total += decided.decisions.len();
    }
    pieces.sort_by_key(|piece| piece.partition);
    let mut rows = Vec::with_capacity(total);
    for piece in pieces {
        let Decided {
            decisions,
            notes,
            orders,
            ..
        } = &mut *batches[piece.batch as usize];
        // Runs of a batch are of different partitions as a rule, and news are few.
        let news = orders.iter().filter(|(p, _)| *p == piece.partition);
        let about: Vec<&(u32, OrderDecision)> =
            news.flat_map(|(_, news)| &news.decisions).collect();
        let mut next_note = notes.partition_point(|(at, _)| *at < piece.from);
        for index in piece.from..piece.to {
            let note = match notes.get_mut(next_note) {
                Some((at, note)) if *at == index => {
                    next_note += 1;
                    note.take()
                }
                _ => None,
            };
            let decision = decisions[index as usize];
            let order = match decision.kind {
                Kind::Order => about
                    .binary_search_by_key(&index, |(at, _)| *at)
                    .ok()
                    .map(|at| Box::new(about[at].1)),
                _ => None,
            };
            if is_recorded(decision.kind) {
                rows.push(DecisionRow {
                    partition: piece.partition,
                    decision,
                    order,
                    note,
                });
            }
        }
    }
    for batch in batches {
        batch.decisions.clear();
    }
    rows
}

/// Tells the sink of every decision as it passes, and lets those of epochs that keep them pass.
pub(crate) fn announce<'scope>(
    stream: Stream<'scope, u64, Decided>,
    sink: Arc<dyn DecisionSink>,
    keeps: impl Fn(u64) -> bool + 'static,
) -> Stream<'scope, u64, Decided> {
    stream.unary::<CapacityContainerBuilder<Decided>, _, _, _>(Pipeline, "Decisions", |_, _| {
        move |input, output| {
            input.for_each(|capability, decided| {
                decided.tell(&*sink);
                if capability.least().is_some_and(|epoch| keeps(*epoch)) {
                    output.session(&capability).give_container(decided);
                }
            });
        }
    })
}
