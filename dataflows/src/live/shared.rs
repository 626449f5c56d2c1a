//! Views that other views read, computed once for all of them.
//!
//! Such a view is a dataflow of its own that keeps all its rows, there for as long as a view reads it. The view itself
//! takes its rows from there too, if it was read by others when it came.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use differential_dataflow::AsCollection;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::implementations::KeySpine;
use timely::dataflow::Scope;
use timely::dataflow::operators::core::Concatenate;
use timely::worker::Worker;

use super::feed::{Feed, SourceTrace, forget_before};
use super::index::Indexes;
use super::install::{Around, import, renderer};
use crate::relational::render::Rendered;
use crate::relational::{Plan, RowFault};

/// Rows for which the view has no value.
type FaultTrace = TraceAgent<KeySpine<RowFault, u64, isize>>;

struct Relation {
    rows: SourceTrace,
    faults: FaultTrace,
    dataflow: usize,
    /// Numbers of the views that read it.
    users: BTreeSet<u64>,
}

/// The relations of one worker. Every worker makes and drops the same ones in the same order.
#[derive(Default)]
pub(super) struct Relations {
    all: HashMap<Plan, Relation>,
}

/// The traces, to be imported.
#[derive(Clone, Default)]
pub(super) struct Traces {
    all: HashMap<Plan, (SourceTrace, FaultTrace)>,
}

impl Traces {
    /// The rows of a plan, if they are there.
    pub(super) fn get<'scope>(
        &mut self,
        plan: &Plan,
        scope: Scope<'scope, u64>,
        around: &Around,
    ) -> Option<Rendered<'scope>> {
        let (rows, faults) = self.all.get_mut(plan)?;
        let rows = import(
            scope,
            rows,
            around.since,
            &around.lag,
            around.progress.as_ref(),
        );
        let faults = faults
            .import(scope)
            .as_collection(|fault, ()| fault.clone());
        Some(Rendered {
            rows,
            faults: vec![faults.inner],
        })
    }
}

/// The views that a plan reads, the innermost first, each once.
fn needs(plan: &Plan) -> Vec<Plan> {
    let mut found = Vec::new();
    fn look(plan: &Plan, found: &mut Vec<Plan>) {
        for input in plan.inputs() {
            look(input, found);
        }
        if let Plan::Shared { plan, .. } = plan
            && !found.contains(plan)
        {
            found.push((**plan).clone());
        }
    }
    look(plan, &mut found);
    found
}

impl Relations {
    /// Sees that what a view reads is there.
    pub(super) fn provide(
        &mut self,
        worker: &mut Worker,
        feed: &mut Feed,
        indexes: &Indexes,
        view: u64,
        plan: &Plan,
    ) {
        for plan in needs(plan) {
            if let Some(relation) = self.all.get_mut(&plan) {
                relation.users.insert(view);
                continue;
            }
            let dataflow = worker.next_dataflow_index();
            let around = feed.around(None);
            let (tally, size) = (feed.tally.clone(), Arc::clone(&feed.shared));
            let traces = self.traces();
            let (rows, faults) = tally.of(worker, &size, |worker| {
                worker.dataflow_named("View", |scope| {
                    let mut renderer = renderer(scope, feed, indexes, traces, around, &plan)
                        .with_meter(size.meter());
                    let Rendered { rows, faults } = renderer.plan(&plan);
                    let faults = scope.concatenate(faults).as_collection();
                    let mut meter = size.meter();
                    let rows = rows.inspect(move |(row, ..)| meter.see(row.bytes().len()));
                    (
                        rows.arrange_by_self_named("Rows").trace,
                        faults.arrange_by_self_named("Faults").trace,
                    )
                })
            });
            let users = BTreeSet::from([view]);
            let relation = Relation {
                rows,
                faults,
                dataflow,
                users,
            };
            self.all.insert(plan, relation);
        }
    }

    /// The traces, to be imported.
    pub(super) fn traces(&self) -> Traces {
        let all = self.all.iter().map(|(plan, relation)| {
            let traces = (relation.rows.clone(), relation.faults.clone());
            (plan.clone(), traces)
        });
        Traces { all: all.collect() }
    }

    /// A view is gone: so is what nobody else reads.
    pub(super) fn release(&mut self, worker: &mut Worker, view: u64) {
        let mut idle = Vec::new();
        self.all.retain(|_, relation| {
            relation.users.remove(&view);
            let is_used = !relation.users.is_empty();
            if !is_used {
                idle.push(relation.dataflow);
            }
            is_used
        });
        for dataflow in idle {
            worker.drop_dataflow(dataflow);
        }
    }

    /// Lets the traces forget when rows came, before `since`.
    pub(super) fn compact(&mut self, since: u64) {
        for relation in self.all.values_mut() {
            forget_before(&mut relation.rows, since);
            forget_before(&mut relation.faults, since);
        }
    }
}
