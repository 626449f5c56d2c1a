//! A view as a dataflow of its own: from the traces of the sources to what the assembler hears.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use differential_dataflow::{AsCollection, VecCollection};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

use super::assembler::Report;
use super::board::Progress;
use super::feed::{Feed, SourceTrace};
use super::index::Indexes;
use super::shared::{Relations, Traces};
use crate::part::Updates;
use crate::relational::render::{Rendered, Renderer};
use crate::relational::{Datum, Expr, Plan, Row, RowFault};
use crate::sql::View;

/// Rows that a view reads of a source in one activation. Then others get their turn.
const ROWS_PER_ACTIVATION: usize = 8_192;

/// What reading a trace takes beside it.
#[derive(Clone)]
pub(super) struct Around {
    /// What came before comes as if it came then.
    pub(super) since: u64,
    /// Batches that wait to be read.
    pub(super) lag: Rc<Cell<usize>>,
    /// Who wants to know how many rows are read, and were there.
    pub(super) progress: Option<Arc<Progress>>,
}

/// What a worker has for views.
pub(super) struct Stock {
    pub(super) feed: Feed,
    pub(super) indexes: Indexes,
    pub(super) relations: Relations,
}

/// Makes operators of plans over what there is.
pub(super) fn renderer<'scope>(
    scope: Scope<'scope, u64>,
    feed: &mut Feed,
    indexes: &Indexes,
    mut relations: Traces,
    around: Around,
    plan: &Plan,
) -> Renderer<'scope> {
    let clock = plan.reads_clock().then(|| {
        let trace = &mut feed.clock_trace;
        clock(import(scope, trace, around.since, &around.lag, None))
    });
    let mut traces = feed.traces.clone();
    let of_sources = around.clone();
    let source = move |source: usize| {
        let Around {
            since,
            lag,
            progress,
        } = &of_sources;
        import(scope, &mut traces[source], *since, lag, progress.as_ref())
    };
    let mut kept = indexes.traces();
    let index_of = move |plan: &Plan, key: &[Expr]| {
        let trace = kept.get_mut(&(plan.clone(), key.to_vec()))?;
        Some(trace.import(scope))
    };
    let shared = move |plan: &Plan| relations.get(plan, scope, &around);
    Renderer::new(scope, Box::new(source), clock)
        .with_indexes(Box::new(index_of))
        .with_shared(Box::new(shared))
        .with_dues(feed.dues.clone())
}

/// Makes a worker's part of the dataflow of a view. Returns what [`Worker::drop_dataflow`] takes.
pub(super) fn install(
    worker: &mut Worker,
    stock: &mut Stock,
    (number, view): (u64, &Arc<View>),
    progress: &Arc<Progress>,
    reports: &Sender<Report>,
) -> usize {
    let Stock {
        feed,
        indexes,
        relations,
    } = stock;
    let plan = view.running_plan();
    progress.from.fetch_max(feed.open, Ordering::AcqRel);
    indexes.provide(worker, feed, number, plan);
    relations.provide(worker, feed, indexes, number, plan);
    let dataflow = worker.next_dataflow_index();
    let index = worker.index();
    let tally = feed.tally.clone();
    tally.of(worker, &progress.size, |worker| {
        worker.dataflow_named(&view.name, |scope| {
            let around = feed.around(Some(progress));
            let traces = relations.traces();
            let mut renderer = renderer(scope, feed, indexes, traces, around, plan)
                .with_meter(progress.size.meter());
            let rendered = renderer.plan(plan);
            tell(scope, rendered, number, index, reports.clone());
        });
    });
    dataflow
}

type BatchOf = <SourceTrace as TraceReader>::Batch;

/// A batch and how far it was read.
struct Reading {
    capability: Capability<u64>,
    cursor: <BatchOf as Navigable>::Cursor,
    batch: BatchOf,
}

/// Batches that are to be read.
struct Waiting {
    batches: VecDeque<Reading>,
    /// What was there when the view came has been read: from now on what waits is counted.
    is_filled: bool,
    lag: Rc<Cell<usize>>,
}

impl Waiting {
    fn push(&mut self, reading: Reading) {
        self.batches.push_back(reading);
        self.lag.set(self.lag.get() + usize::from(self.is_filled));
    }

    fn pop(&mut self) {
        if self.batches.pop_front().is_some() {
            self.lag.set(self.lag.get() - usize::from(self.is_filled));
        }
        self.is_filled |= self.batches.is_empty();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.is_filled {
            self.lag.set(self.lag.get() - self.batches.len());
        }
    }
}

/// The rows of a trace, those that are there a piece at a time, then those that come. What came before `since`
/// comes as if it came then.
pub(super) fn import<'scope>(
    scope: Scope<'scope, u64>,
    trace: &mut SourceTrace,
    since: u64,
    lag: &Rc<Cell<usize>>,
    progress: Option<&Arc<Progress>>,
) -> VecCollection<'scope, u64, Row, isize> {
    if let Some(progress) = progress {
        let mut there = 0;
        trace.map_spans(|span| {
            if let Some(batch) = &span.inner {
                there += keys_of(batch);
            }
        });
        progress.of.fetch_add(there, Ordering::Relaxed);
    }
    let (progress, lag) = (progress.cloned(), Rc::clone(lag));
    let arranged = trace.import(scope);
    let rows: Stream<'scope, u64, Updates<Row>> =
        arranged.stream.unary(Pipeline, "Read", move |_, info| {
            let again = scope.activator_for(info.address);
            let mut waiting = Waiting {
                batches: VecDeque::new(),
                is_filled: false,
                lag,
            };
            move |input, output| {
                input.for_each(|capability, spans| {
                    for batch in spans.drain(..).filter_map(|span| span.inner) {
                        if let Some(capability) = capability.retain_least(0) {
                            let cursor = batch.cursor();
                            waiting.push(Reading {
                                capability,
                                cursor,
                                batch,
                            });
                        }
                    }
                });
                let mut left = ROWS_PER_ACTIVATION;
                while let Some(reading) = waiting.batches.front_mut() {
                    let Reading {
                        capability,
                        cursor,
                        batch,
                    } = reading;
                    let mut session = output.session(&*capability);
                    while left > 0
                        && let Some(row) = cursor.get_key(batch)
                    {
                        while cursor.get_val(batch).is_some() {
                            cursor.map_times(batch, |time, diff| {
                                session.give((row.clone(), (*time).max(since), *diff));
                            });
                            cursor.step_val(batch);
                        }
                        cursor.step_key(batch);
                        left -= 1;
                    }
                    let is_read = cursor.get_key(batch).is_none();
                    drop(session);
                    if is_read {
                        waiting.pop();
                    }
                    if left == 0 {
                        break;
                    }
                }
                if let Some(progress) = &progress {
                    let read = (ROWS_PER_ACTIVATION - left) as u64;
                    progress.read.fetch_add(read, Ordering::Relaxed);
                }
                if !waiting.batches.is_empty() {
                    again.activate();
                }
            }
        });
    rows.as_collection()
}

/// Rows of a batch, by walking it: batches do not tell.
fn keys_of(batch: &BatchOf) -> u64 {
    let mut cursor = batch.cursor();
    let mut keys = 0;
    while cursor.get_key(batch).is_some() {
        keys += 1;
        cursor.step_key(batch);
    }
    keys
}

/// The clock as the renderer takes it: instants, each under its epoch.
fn clock<'scope>(rows: VecCollection<'scope, u64, Row, isize>) -> Stream<'scope, u64, Vec<i64>> {
    rows.inner.unary(Pipeline, "Clock", |_, _| {
        move |input, output| {
            input.for_each(|capability, updates| {
                for (row, epoch, diff) in updates.drain(..) {
                    let instant = match row.values().next() {
                        Some(Datum::Instant(at)) if diff > 0 => at,
                        _ => continue,
                    };
                    if let Some(capability) = capability.retain_least(0) {
                        output.session(&capability.delayed(&epoch)).give(instant);
                    }
                }
            });
        }
    })
}

/// Tells the assembler what comes out, and how far it is.
fn tell<'scope>(
    scope: Scope<'scope, u64>,
    rendered: Rendered<'scope>,
    number: u64,
    worker: usize,
    reports: Sender<Report>,
) {
    let mut builder = OperatorBuilder::new("Tell".to_owned(), scope);
    let mut rows_in = builder.new_input(rendered.rows.inner, Pipeline);
    let mut faults_in = Vec::new();
    for faults in rendered.faults {
        faults_in.push(builder.new_input(faults, Pipeline));
    }
    builder.build(move |_| {
        let mut told = 0;
        move |frontiers| {
            let mut rows: Updates<Row> = Vec::new();
            let mut faults: Updates<RowFault> = Vec::new();
            rows_in.for_each(|_, updates| match rows.is_empty() {
                true => rows = std::mem::take(updates),
                false => rows.append(updates),
            });
            for input in &mut faults_in {
                input.for_each(|_, updates| faults.append(updates));
            }
            let reached = frontiers
                .iter()
                .filter_map(|frontier| frontier.frontier().iter().min().copied())
                .min()
                .unwrap_or(u64::MAX);
            if reached > told || !rows.is_empty() || !faults.is_empty() {
                told = reached;
                // Nobody hears when everything is being abandoned.
                let _ = reports.send(Report::View {
                    number,
                    worker,
                    rows,
                    faults,
                    reached,
                });
            }
        }
    });
}
