//! What views need of a source by a key, kept once for all of them.
//!
//! Only what cannot fail is shared: rows of a source, filtered and projected, by a key. An index is a dataflow of
//! its own, there for as long as a view reads it.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use timely::worker::Worker;

use super::feed::{Feed, forget_before};
use super::install::import;
use crate::relational::plan::JoinKind;
use crate::relational::render::{KeyTrace, Renderer};
use crate::relational::{Expr, Plan};

/// What an index has: rows of a plan, by a key.
type Name = (Plan, Vec<Expr>);

struct Index {
    trace: KeyTrace,
    dataflow: usize,
    /// Numbers of the views that read it.
    users: BTreeSet<u64>,
}

/// The indexes of one worker. Every worker makes and drops the same ones in the same order.
#[derive(Default)]
pub(super) struct Indexes {
    all: HashMap<Name, Index>,
}

/// Can it be shared?
fn is_plain(plan: &Plan, key: &[Expr]) -> bool {
    let of_source = match plan {
        Plan::Source(_) => true,
        Plan::Map {
            input,
            filters,
            outputs,
        } => {
            let mut exprs = filters.iter().chain(outputs.iter().flatten());
            matches!(**input, Plan::Source(_)) && !exprs.any(Expr::can_fail)
        }
        _ => false,
    };
    of_source && !key.is_empty() && !key.iter().any(Expr::can_fail)
}

/// What the joins of a plan look up, in the order in which they stand there.
fn needs(plan: &Plan) -> Vec<Name> {
    let mut found = Vec::new();
    plan.walk(&mut |plan| {
        let Plan::Join {
            kind,
            left,
            right,
            on,
            residual,
        } = plan
        else {
            return;
        };
        let by = |side: fn(&(Expr, Expr)) -> &Expr| on.iter().map(side).cloned().collect();
        let sides = [
            (&**left, by(|(left, _)| left)),
            (&**right, by(|(_, right)| right)),
        ];
        // Whether there is a partner at all is told by the keys alone.
        let by_keys = matches!(kind, JoinKind::Semi | JoinKind::Anti) && residual.is_empty();
        for (plan, key) in sides.into_iter().take(if by_keys { 1 } else { 2 }) {
            let name: Name = (plan.clone(), key);
            if is_plain(&name.0, &name.1) && !found.contains(&name) {
                found.push(name);
            }
        }
    });
    found
}

impl Indexes {
    /// Sees that what a view needs is there.
    pub(super) fn provide(&mut self, worker: &mut Worker, feed: &mut Feed, view: u64, plan: &Plan) {
        for name in needs(plan) {
            if let Some(index) = self.all.get_mut(&name) {
                index.users.insert(view);
                continue;
            }
            let dataflow = worker.next_dataflow_index();
            let (tally, size) = (feed.tally.clone(), Arc::clone(&feed.shared));
            let trace = tally.of(worker, &size, |worker| {
                worker.dataflow_named("Index", |scope| {
                    let (mut traces, since) = (feed.traces.clone(), feed.since());
                    let lag = Rc::clone(&feed.lag);
                    let source =
                        move |source: usize| import(scope, &mut traces[source], since, &lag, None);
                    let mut renderer =
                        Renderer::new(scope, Box::new(source), None).with_meter(size.meter());
                    let (by_key, faults) = renderer.arrange(&name.0, &name.1);
                    debug_assert!(faults.is_empty(), "what is shared cannot fail");
                    by_key.trace
                })
            });
            let users = BTreeSet::from([view]);
            let index = Index {
                trace,
                dataflow,
                users,
            };
            self.all.insert(name, index);
        }
    }

    /// The traces, to be imported.
    pub(super) fn traces(&self) -> HashMap<Name, KeyTrace> {
        let all = self.all.iter();
        all.map(|(name, index)| (name.clone(), index.trace.clone()))
            .collect()
    }

    /// A view is gone: so are the indexes that nobody else reads.
    pub(super) fn release(&mut self, worker: &mut Worker, view: u64) {
        let mut idle = Vec::new();
        self.all.retain(|_, index| {
            index.users.remove(&view);
            let is_used = !index.users.is_empty();
            if !is_used {
                idle.push(index.dataflow);
            }
            is_used
        });
        for dataflow in idle {
            worker.drop_dataflow(dataflow);
        }
    }

    /// Lets the traces forget when rows came, before `since`.
    pub(super) fn compact(&mut self, since: u64) {
        for index in self.all.values_mut() {
            forget_before(&mut index.trace, since);
        }
    }
}
