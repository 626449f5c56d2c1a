//! Plans as differential operators.
//!
//! Every node becomes a collection of rows, and a stream of faults: rows for which an expression of the
//! node has no value. Both are kept by the plan of the node, and arrangements by plan and key: what two
//! views (or two parts of one) have in common is computed and stored once.

mod aggregate;
pub(crate) mod clock;
mod join;
pub(crate) mod meter;
mod sums;
mod top;

use std::collections::HashMap;

use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{KeySpine, ValSpine};
use differential_dataflow::{AsCollection, VecCollection};
use timely::dataflow::operators::core::{Concatenate, OkErr};
use timely::dataflow::operators::vec::{Broadcast, ToStream};
use timely::dataflow::{Scope, Stream};

use super::datum::Datum;
use super::eval::{Columns, Fault, Program, Scratch};
use super::expr::Expr;
use super::plan::{JoinKind, Plan};
use super::row::{Row, RowWriter};
use crate::part::Updates;
use clock::Dues;
use meter::Meter;

/// Rows that come and go.
pub(crate) type Rows<'scope> = VecCollection<'scope, u64, Row, isize>;

/// Rows by a key.
pub(crate) type ByKey<'scope> = Arranged<'scope, KeyTrace>;

/// Keeps them.
pub(crate) type KeyTrace = TraceAgent<ValSpine<Row, Row, u64, isize>>;

/// Keys, each once.
type Keys<'scope> = Arranged<'scope, TraceAgent<KeySpine<Row, u64, isize>>>;

/// A row that a view has no value for.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct RowFault {
    /// Line of the expression in the view's file.
    pub line: u32,
    /// Column there.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// The row that the expression was computed for, as far as it is known.
    pub row: String,
}

impl RowFault {
    fn new(fault: Fault, rows: &[&Row]) -> Self {
        let rows: Vec<String> = rows.iter().map(|row| row.to_string()).collect();
        Self {
            line: fault.place.line,
            column: fault.place.column,
            what: fault.what,
            row: rows.join(" "),
        }
    }
}

/// Faults that come and go with their rows.
pub(crate) type Faults<'scope> = Stream<'scope, u64, Updates<RowFault>>;

/// What a plan became.
#[derive(Clone)]
pub(crate) struct Rendered<'scope> {
    pub(crate) rows: Rows<'scope>,
    pub(crate) faults: Vec<Faults<'scope>>,
}

/// Gives the rows of a source, by its place. Asked once for each that is read.
pub(crate) type Sources<'scope> = Box<dyn FnMut(usize) -> Rows<'scope> + 'scope>;

/// Rows of a plan by a key, where they are kept already.
pub(crate) type KeptByKey<'scope> =
    Box<dyn FnMut(&Plan, &[Expr]) -> Option<ByKey<'scope>> + 'scope>;

/// Rows of a view's plan, where they are computed for all that read it.
pub(crate) type SharedRows<'scope> = Box<dyn FnMut(&Plan) -> Option<Rendered<'scope>> + 'scope>;

/// Builds operators for plans in one scope.
pub(crate) struct Renderer<'scope> {
    scope: Scope<'scope, u64>,
    sources: Sources<'scope>,
    kept: KeptByKey<'scope>,
    shared: SharedRows<'scope>,
    dues: Dues,
    /// The stream's clock of each epoch, in microseconds from 1970, on every worker.
    clock: Option<Stream<'scope, u64, Vec<i64>>>,
    meter: Meter,
    done: HashMap<Plan, Rendered<'scope>>,
    arranged: HashMap<(Plan, Vec<Expr>), (ByKey<'scope>, Vec<Faults<'scope>>)>,
    keys: HashMap<(Plan, Vec<Expr>), (Keys<'scope>, Vec<Faults<'scope>>)>,
}

impl<'scope> Renderer<'scope> {
    /// `clock` gives each worker the latest time of the records of an epoch that it folded.
    pub(crate) fn new(
        scope: Scope<'scope, u64>,
        sources: Sources<'scope>,
        clock: Option<Stream<'scope, u64, Vec<i64>>>,
    ) -> Self {
        Self {
            scope,
            sources,
            kept: Box::new(|_, _| None),
            shared: Box::new(|_| None),
            dues: Dues::default(),
            clock: clock.map(Broadcast::broadcast),
            meter: Meter::default(),
            done: HashMap::new(),
            arranged: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    /// The same with rows that are kept already. Only of plans and keys that cannot fail.
    pub(crate) fn with_indexes(mut self, kept: KeptByKey<'scope>) -> Self {
        self.kept = kept;
        self
    }

    /// The same with views whose rows are computed already.
    pub(crate) fn with_shared(mut self, shared: SharedRows<'scope>) -> Self {
        self.shared = shared;
        self
    }

    /// The same, telling when time will next change something.
    pub(crate) fn with_dues(mut self, dues: Dues) -> Self {
        self.dues = dues;
        self
    }

    /// The same, with somebody who wants to know how long rows are that are kept.
    pub(crate) fn with_meter(mut self, meter: Meter) -> Self {
        self.meter = meter;
        self
    }

    /// The rows of a plan.
    pub(crate) fn plan(&mut self, plan: &Plan) -> Rendered<'scope> {
        if let Some(done) = self.done.get(plan) {
            return done.clone();
        }
        let rendered = self.build(plan);
        self.done.insert(plan.clone(), rendered.clone());
        rendered
    }

    fn build(&mut self, plan: &Plan) -> Rendered<'scope> {
        match plan {
            Plan::Source(index) => Rendered {
                rows: (self.sources)(*index),
                faults: Vec::new(),
            },
            Plan::Rows(rows, _) => Rendered {
                rows: self.constant(rows.clone()),
                faults: Vec::new(),
            },
            Plan::Map {
                input,
                filters,
                outputs,
            } => {
                let arity = input.arity();
                let input = self.plan(input);
                map(input, arity, filters, outputs.as_deref())
            }
            Plan::Shared { plan, .. } => match (self.shared)(plan) {
                Some(shared) => shared,
                None => self.plan(plan),
            },
            Plan::Clock { input, from, until } => self.clock(input, from, until),
            Plan::Join {
                kind,
                left,
                right,
                on,
                residual,
            } => self.join(*kind, left, right, on, residual),
            Plan::Aggregate {
                input,
                keys,
                aggregates,
            } => {
                let input = self.plan(input);
                self.aggregate(input, keys, aggregates)
            }
            Plan::Top {
                input,
                partition,
                order,
                offset,
                limit,
                numbered,
            } => {
                let input = self.plan(input);
                let end = limit.map_or(u64::MAX, |limit| offset.saturating_add(limit));
                let range = *offset..end;
                top::top(
                    input,
                    partition,
                    order,
                    range,
                    *numbered,
                    self.meter.clone(),
                )
            }
            Plan::Distinct(input) => {
                let Rendered { rows, faults } = self.plan(input);
                let rows = distinct(rows.map(normalized), &self.meter)
                    .as_collection(|row, ()| row.clone());
                Rendered { rows, faults }
            }
            Plan::Union(inputs) => {
                let mut faults = Vec::new();
                let mut rows = Vec::new();
                for input in inputs {
                    let input = self.plan(input);
                    rows.push(input.rows.inner);
                    faults.extend(input.faults);
                }
                let rows = self.scope.concatenate(rows).as_collection();
                Rendered { rows, faults }
            }
            Plan::Except { left, right, all } => {
                let (left, right) = (self.plan(left), self.plan(right));
                let mut faults = left.faults;
                faults.extend(right.faults);
                let (left, right) = (left.rows.map(normalized), right.rows.map(normalized));
                let rows = if *all {
                    let less = left.concat(right.negate());
                    less.threshold_named("ExceptAll", |_, count| (*count).max(0))
                } else {
                    let left = distinct(left, &self.meter);
                    let kept = left.clone().as_collection(|row, ()| row.clone());
                    let gone = left.join_core(distinct(right, &self.meter), |row, (), ()| {
                        Some(row.clone())
                    });
                    kept.concat(gone.negate())
                };
                Rendered { rows, faults }
            }
        }
    }

    /// Rows that are there from the beginning.
    fn constant(&self, rows: Vec<Row>) -> Rows<'scope> {
        let rows = if self.scope.index() == 0 {
            rows
        } else {
            Vec::new()
        };
        let updates = rows.into_iter().map(|row| (row, 0, 1));
        let updates: Vec<(Row, u64, isize)> = updates.collect();
        updates.to_stream(self.scope).as_collection()
    }

    /// Rows of a plan by a key; those with a NULL in it are left out, since NULL equals nothing.
    pub(crate) fn arrange(
        &mut self,
        plan: &Plan,
        key: &[Expr],
    ) -> (ByKey<'scope>, Vec<Faults<'scope>>) {
        let name = (plan.clone(), key.to_vec());
        if let Some(done) = self.arranged.get(&name) {
            return done.clone();
        }
        let arranged = match (self.kept)(plan, key) {
            Some(kept) => (kept, Vec::new()),
            None => {
                let (pairs, faults) = keyed(self.plan(plan), key, self.meter.clone());
                (pairs.arrange_by_key_named("ByKey"), faults)
            }
        };
        self.arranged.insert(name, arranged.clone());
        arranged
    }

    /// The different keys of a plan's rows, without NULLs.
    fn distinct_keys(&mut self, plan: &Plan, key: &[Expr]) -> (Keys<'scope>, Vec<Faults<'scope>>) {
        let name = (plan.clone(), key.to_vec());
        if let Some(done) = self.keys.get(&name) {
            return done.clone();
        }
        let (pairs, faults) = keyed(self.plan(plan), key, Meter::default());
        let keys = distinct(pairs.map(|(key, _)| key), &self.meter);
        let keys = (keys, faults);
        self.keys.insert(name, keys.clone());
        keys
    }
}

/// Filters and projects.
fn map<'scope>(
    input: Rendered<'scope>,
    arity: usize,
    filters: &[Expr],
    outputs: Option<&[Expr]>,
) -> Rendered<'scope> {
    let can_fail = filters
        .iter()
        .chain(outputs.unwrap_or_default())
        .any(Expr::can_fail);
    let Rendered { rows, mut faults } = input;
    let keeps = outputs.is_none();
    let mut columns = outputs.and_then(Columns::of);
    let computed = outputs.filter(|_| columns.is_none()).unwrap_or_default();
    let program = Program::new(filters, computed);
    let (mut scratch, mut out) = (
        Scratch::of(filters.iter().chain(computed)),
        RowWriter::default(),
    );
    let mut run = move |row: Row| {
        let done = scratch.with(&row, |values| program.run(values, &mut out));
        match done {
            Ok(true) if keeps => Some(Ok(row)),
            Ok(true) => {
                if let Some(columns) = &mut columns {
                    columns.copy(&row, &mut out);
                }
                Some(Ok(out.finish()))
            }
            Ok(false) => None,
            Err(fault) => {
                // What was written before the fault is no row.
                let _ = out.finish();
                Some(Err(RowFault::new(fault, &[&row])))
            }
        }
    };
    let rows = if can_fail {
        let (ok, err) = split(rows.flat_map(run));
        faults.push(err);
        ok
    } else {
        rows.flat_map(move |row| run(row).and_then(Result::ok))
    };
    // A row that changed in columns that are no longer there has not changed.
    let rows = match outputs {
        Some(outputs) if outputs.len() < arity => rows.consolidate_stream(),
        _ => rows,
    };
    Rendered { rows, faults }
}

/// Separates rows from faults.
fn split<'scope, D: differential_dataflow::Data>(
    results: VecCollection<'scope, u64, Result<D, RowFault>, isize>,
) -> (VecCollection<'scope, u64, D, isize>, Faults<'scope>) {
    let (ok, err) = results.inner.ok_err(|(result, time, diff)| match result {
        Ok(row) => Ok((row, time, diff)),
        Err(fault) => Err((fault, time, diff)),
    });
    (ok.as_collection(), err)
}

/// Rows with their key in front.
type Pairs<'scope> = VecCollection<'scope, u64, (Row, Row), isize>;

fn keyed<'scope>(
    input: Rendered<'scope>,
    key: &[Expr],
    mut meter: Meter,
) -> (Pairs<'scope>, Vec<Faults<'scope>>) {
    let Rendered { rows, mut faults } = input;
    let can_fail = key.iter().any(Expr::can_fail);
    let may_be_null = key.iter().any(|expr| expr.nullable);
    let mut columns = Columns::of_key(key);
    let computed = if columns.is_some() { &[] } else { key };
    let program = Program::key(computed);
    let (mut scratch, mut out) = (Scratch::of(computed), RowWriter::default());
    let mut run = move |row: Row| {
        let done = scratch.with(&row, |values| program.run(values, &mut out));
        if let Some(columns) = &mut columns {
            columns.copy(&row, &mut out);
        }
        let key = out.finish();
        match done {
            Ok(_) if may_be_null && key.values().any(|value| value.is_null()) => None,
            Ok(_) => {
                meter.see(key.bytes().len() + row.bytes().len());
                Some(Ok((key, row)))
            }
            Err(fault) => Some(Err(RowFault::new(fault, &[&row]))),
        }
    };
    if can_fail {
        let (ok, err) = split(rows.flat_map(run));
        faults.push(err);
        (ok, faults)
    } else {
        (
            rows.flat_map(move |row| run(row).and_then(Result::ok)),
            faults,
        )
    }
}

/// Every row once.
fn distinct<'scope>(rows: Rows<'scope>, meter: &Meter) -> Keys<'scope> {
    use differential_dataflow::trace::implementations::KeyBuilder;
    let mut meter = meter.clone();
    rows.inspect(move |(row, ..)| meter.see(row.bytes().len()))
        .arrange_by_self_named("Rows")
        .reduce_abelian::<_, KeyBuilder<Row, u64, isize>, KeySpine<Row, u64, isize>, _, _>(
            "Distinct",
            |_, input, output| {
                if input[0].1 > 0 {
                    output.push(((), 1));
                }
            },
            |buffer, key, updates| {
                buffer.clear();
                let each = updates.drain(..);
                buffer.extend(each.map(|(value, time, diff)| ((key.clone(), value), time, diff)));
            },
        )
}

/// The row that stands for all that are equal to it.
fn normalized(row: Row) -> Row {
    let changes = |value: Datum<'_>| match value {
        Datum::Decimal(value) => value.normalized().scale() != value.scale(),
        _ => false,
    };
    if !row.values().any(changes) {
        return row;
    }
    let values: Vec<Datum<'_>> = row.values().map(Datum::normalized).collect();
    Row::of(&values)
}

/// Two rows, one after the other.
fn joined(out: &mut RowWriter, left: &Row, right: &Row) -> Row {
    out.raw(left);
    out.raw(right);
    out.finish()
}

/// A row of so many NULLs.
fn nulls(arity: usize) -> Row {
    Row::of(std::iter::repeat_n(&Datum::Null, arity))
}
