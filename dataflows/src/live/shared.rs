//! Views that other views read, computed once for all of them.
//!
//! Such a view is a dataflow of its own that keeps all its rows, there for as long as a view reads it. The view itself
//! takes its rows from there too, if it was read by others when it came. What views want of decisions is such a relation,
//! too, filled from epochs (`recent`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use differential_dataflow::AsCollection;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::implementations::KeySpine;
use timely::dataflow::Scope;
use timely::dataflow::operators::core::Concatenate;
use timely::worker::Worker;

use super::feed::{Feed, SourceTrace, forget_before, share};
use super::index::Indexes;
use super::install::{Around, import, renderer};
use super::recent::{Decided, Past, Recent, Sieve, own, written};
use crate::changelog::Epoch;
use crate::failure::Shared;
use crate::relational::recent::window;
use crate::relational::render::Rendered;
use crate::relational::sources::SourceWriter;
use crate::relational::{Plan, RowFault};

/// Rows for which the view has no value.
type FaultTrace = TraceAgent<KeySpine<RowFault, u64, isize>>;

struct Relation {
    rows: SourceTrace,
    /// Absent of what cannot fail.
    faults: Option<FaultTrace>,
    /// Of decisions: what fills it.
    recent: Option<Recent>,
    dataflow: usize,
    /// Numbers of the views that read it.
    users: BTreeSet<u64>,
}

/// The relations of one worker. Every worker makes and drops the same ones in the same order.
#[derive(Default)]
pub(super) struct Relations {
    all: HashMap<Plan, Relation>,
    /// How many of them are windows on decisions.
    recent: usize,
    writer: SourceWriter,
    /// What was decided, and is wanted, while somebody reads what was decided before.
    aside: Option<(Sieve, Vec<Decided>)>,
    /// What was decided before that, once it is read.
    past: Option<Arc<Vec<Decided>>>,
}

/// The traces, to be imported.
#[derive(Clone, Default)]
pub(super) struct Traces {
    all: HashMap<Plan, (SourceTrace, Option<FaultTrace>)>,
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
        let faults = faults.iter_mut().map(|faults| {
            let faults = faults.import(scope);
            faults.as_collection(|fault, ()| fault.clone()).inner
        });
        Some(Rendered {
            rows,
            faults: faults.collect(),
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
            let users = BTreeSet::from([view]);
            let dataflow = worker.next_dataflow_index();
            if window(&plan).is_some() {
                let relation = self.window(worker, feed, &plan, (dataflow, users));
                self.all.insert(plan, relation);
                continue;
            }
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
            let relation = Relation {
                rows,
                faults: Some(faults),
                recent: None,
                dataflow,
                users,
            };
            self.all.insert(plan, relation);
        }
    }

    /// What is wanted of decisions: with what was decided before, if that was read.
    fn window(
        &mut self,
        worker: &mut Worker,
        feed: &Feed,
        plan: &Plan,
        (dataflow, users): (usize, BTreeSet<u64>),
    ) -> Relation {
        let Some(wanted) = window(plan) else {
            unreachable!("it is a window on decisions")
        };
        let (mut recent, rows) = Recent::new(worker, feed, wanted, &feed.shared);
        let past = self.past.iter().flat_map(|past| own(past, feed));
        let aside = self.aside.iter().flat_map(|(_, aside)| aside);
        past.chain(aside).for_each(|row| recent.put(row));
        recent.close(feed.open);
        self.recent += 1;
        Relation {
            rows,
            faults: None,
            recent: Some(recent),
            dataflow,
            users,
        }
    }

    /// From now on decisions that these windows want are put aside, until [`Relations::go_on`].
    pub(super) fn put_aside(&mut self, windows: &[Plan]) {
        self.aside = Some((Sieve::new(windows), Vec::new()));
    }

    /// What comes next begins with what was decided before.
    pub(super) fn remember(&mut self, past: Arc<Vec<Decided>>) {
        self.past = Some(past);
    }

    /// What was put aside has found its place.
    pub(super) fn go_on(&mut self) {
        (self.aside, self.past) = (None, None);
    }

    /// The next epoch begins where a fold ended that it does not tell of: waits for what was decided in it.
    pub(super) fn begin(&mut self, past: &Past, feed: &Feed, shared: &Shared) {
        let Some(rows) = past.wait(shared) else {
            return;
        };
        for recent in self.all.values_mut().flat_map(|r| &mut r.recent) {
            own(&rows, feed).iter().for_each(|row| recent.put(row));
        }
    }

    /// Takes this worker's share of the decisions of an epoch that the feed has taken.
    pub(super) fn take(&mut self, epoch: &Epoch, feed: &Feed) {
        if self.recent == 0 && self.aside.is_none() {
            return;
        }
        let rows = share(&epoch.decisions, feed.index, feed.peers).iter();
        let writer = &mut self.writer;
        let rows: Vec<Decided> = rows.map(|row| written(writer, row)).collect();
        for recent in self.all.values_mut().flat_map(|r| &mut r.recent) {
            recent.take(epoch, &rows);
            recent.close(feed.open);
        }
        if let Some((sieve, aside)) = &mut self.aside {
            let wanted = |decided: &Decided| sieve.wants(decided, feed.clock_ms);
            aside.extend(rows.into_iter().filter(wanted));
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
        let (mut idle, mut recent) = (Vec::new(), 0);
        self.all.retain(|_, relation| {
            relation.users.remove(&view);
            let is_used = !relation.users.is_empty();
            if !is_used {
                idle.push(relation.dataflow);
                recent += usize::from(relation.recent.is_some());
            }
            is_used
        });
        self.recent -= recent;
        for dataflow in idle {
            worker.drop_dataflow(dataflow);
        }
    }

    /// Lets the traces forget when rows came, before `since`.
    pub(super) fn compact(&mut self, since: u64) {
        for relation in self.all.values_mut() {
            forget_before(&mut relation.rows, since);
            if let Some(faults) = &mut relation.faults {
                forget_before(faults, since);
            }
        }
    }
}
