//! Expressions compiled once into closures over the values of a row.

use std::cmp::Ordering;
use std::rc::Rc;

use super::datum::Datum;
use super::expr::{Compare, Expr, Kind, Place, Type};
use super::row::{Row, RowWriter};

/// Why an expression has no value for a row, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where the expression was written.
    pub place: Place,
    /// What PostgreSQL would say.
    pub what: String,
}

/// A compiled expression.
pub(crate) type Compiled = Rc<dyn for<'r> Fn(&[Datum<'r>]) -> Result<Datum<'r>, Fault>>;

const NULL: Datum<'static> = Datum::Null;

/// A function boxed with the lifetimes that [`Compiled`] needs.
fn made(f: impl for<'r> Fn(&[Datum<'r>]) -> Result<Datum<'r>, Fault> + 'static) -> Compiled {
    Rc::new(f)
}

/// Compiles an expression.
pub(crate) fn compile(expr: &Expr) -> Compiled {
    let place = expr.place;
    match &expr.kind {
        Kind::Column(index) => {
            let index = *index;
            made(move |row| Ok(row[index].clone()))
        }
        Kind::Literal(value) => {
            let value = value.clone();
            made(move |_| Ok(value.clone()))
        }
        Kind::Outer(_) | Kind::Now => made(move |_| {
            let what = "internal: a part that the planner should have taken out".to_owned();
            Err(Fault { place, what })
        }),
        Kind::Call(function, args) => call(function.eval, args, place),
        Kind::Compare(op, a, b) => comparison(*op, a, b),
        Kind::Same(a, b) => {
            let (a, b) = (compile(a), compile(b));
            made(move |row| {
                let (a, b) = (a(row)?, b(row)?);
                let same = match (a.is_null(), b.is_null()) {
                    (false, false) => a.compare(&b).is_eq(),
                    (a, b) => a == b,
                };
                Ok(Datum::Bool(same))
            })
        }
        Kind::And(all) => junction(all, false),
        Kind::Or(all) => junction(all, true),
        Kind::Not(a) => {
            let a = compile(a);
            made(move |row| {
                Ok(match a(row)? {
                    Datum::Bool(value) => Datum::Bool(!value),
                    _ => NULL,
                })
            })
        }
        Kind::IsNull(a) => {
            let a = compile(a);
            made(move |row| Ok(Datum::Bool(a(row)?.is_null())))
        }
        Kind::Is(truth, a) => {
            let (truth, a) = (*truth, compile(a));
            made(move |row| Ok(Datum::Bool(a(row)? == Datum::Bool(truth))))
        }
        Kind::Case(branches, otherwise) => {
            let branches = branches
                .iter()
                .map(|(when, then)| (compile(when), compile(then)));
            let branches: Vec<(Compiled, Compiled)> = branches.collect();
            let otherwise = compile(otherwise);
            made(move |row| {
                for (when, then) in &branches {
                    if when(row)? == Datum::Bool(true) {
                        return then(row);
                    }
                }
                otherwise(row)
            })
        }
        Kind::Coalesce(all) => {
            let all: Vec<Compiled> = all.iter().map(compile).collect();
            made(move |row| {
                for expr in &all {
                    let value = expr(row)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(NULL)
            })
        }
        Kind::Extreme(greatest, all) => {
            let wanted = if *greatest {
                Ordering::Greater
            } else {
                Ordering::Less
            };
            let all: Vec<Compiled> = all.iter().map(compile).collect();
            made(move |row| {
                let mut best = Datum::Null;
                for expr in &all {
                    let value = expr(row)?;
                    if !value.is_null() && (best.is_null() || value.compare(&best) == wanted) {
                        best = value;
                    }
                }
                Ok(best)
            })
        }
    }
}

fn call(eval: super::functions::Eval, args: &[Expr], place: Place) -> Compiled {
    let fault = move |what: super::functions::Error| Fault {
        place,
        what: what.into_owned(),
    };
    // One and two arguments are nearly all there are: they need no memory of their own.
    match args {
        [a] => {
            let a = compile(a);
            made(move |row| match a(row)? {
                Datum::Null => Ok(NULL),
                a => eval(&[a]).map_err(fault),
            })
        }
        [a, b] => {
            let (a, b) = (compile(a), compile(b));
            made(move |row| match (a(row)?, b(row)?) {
                (Datum::Null, _) | (_, Datum::Null) => Ok(NULL),
                (a, b) => eval(&[a, b]).map_err(fault),
            })
        }
        args => {
            let args: Vec<Compiled> = args.iter().map(compile).collect();
            made(move |row| {
                let mut values = Vec::with_capacity(args.len());
                for arg in &args {
                    match arg(row)? {
                        Datum::Null => return Ok(NULL),
                        value => values.push(value),
                    }
                }
                eval(&values).map_err(fault)
            })
        }
    }
}

fn comparison(op: Compare, a: &Expr, b: &Expr) -> Compiled {
    // A column against a constant is what most filters are.
    if let (Kind::Column(index), Kind::Literal(constant)) = (&a.kind, &b.kind) {
        let (index, constant) = (*index, constant.clone());
        if constant.is_null() {
            return made(|_| Ok(NULL));
        }
        return made(move |row| {
            Ok(match &row[index] {
                Datum::Null => NULL,
                value => Datum::Bool(op.holds(value.compare(&constant))),
            })
        });
    }
    let (a, b) = (compile(a), compile(b));
    made(move |row| {
        let (a, b) = (a(row)?, b(row)?);
        Ok(if a.is_null() || b.is_null() {
            NULL
        } else {
            Datum::Bool(op.holds(a.compare(&b)))
        })
    })
}

/// AND (`decides` = false) or OR (`decides` = true): the deciding value settles it, whatever is unknown.
fn junction(all: &[Expr], decides: bool) -> Compiled {
    let all: Vec<Compiled> = all.iter().map(compile).collect();
    made(move |row| {
        let mut unknown = false;
        for expr in &all {
            match expr(row)? {
                Datum::Bool(value) if value == decides => return Ok(Datum::Bool(decides)),
                Datum::Bool(_) => {}
                _ => unknown = true,
            }
        }
        Ok(if unknown { NULL } else { Datum::Bool(!decides) })
    })
}

/// Values that are kept between rows, for their memory.
pub(crate) struct Scratch {
    values: Vec<Datum<'static>>,
    /// The columns that somebody reads, up to the last of them.
    wanted: Vec<bool>,
}

impl Scratch {
    /// For expressions that are computed of the rows: of all other columns they see NULL, or nothing at all.
    pub(crate) fn of<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Self {
        let mut wanted = Vec::new();
        for column in exprs.into_iter().flat_map(Expr::columns) {
            if wanted.len() <= column {
                wanted.resize(column + 1, false);
            }
            wanted[column] = true;
        }
        Self {
            values: Vec::new(),
            wanted,
        }
    }

    /// Calls `f` with the values of a row.
    pub(crate) fn with<R>(&mut self, row: &Row, f: impl for<'r> FnOnce(&[Datum<'r>]) -> R) -> R {
        let mut values: Vec<Datum<'_>> = recycle(std::mem::take(&mut self.values));
        row.unpack_some(&self.wanted, &mut values);
        let result = f(&values);
        self.values = recycle(values);
        result
    }

    /// Calls `f` with all values of two rows, one after the other.
    pub(crate) fn with_both<R>(
        &mut self,
        rows: [&Row; 2],
        f: impl for<'r> FnOnce(&[Datum<'r>]) -> R,
    ) -> R {
        let mut values: Vec<Datum<'_>> = recycle(std::mem::take(&mut self.values));
        for row in rows {
            row.unpack(&mut values);
        }
        let result = f(&values);
        self.values = recycle(values);
        result
    }
}

/// Expressions that are columns and nothing else: they are copied as they are encoded.
pub(crate) struct Columns {
    /// In the order of the output.
    wanted: Vec<usize>,
    /// Where the values of the row at hand end, up to the last that is wanted.
    ends: Vec<usize>,
}

impl Columns {
    /// `None` when something must be computed.
    pub(crate) fn of(exprs: &[Expr]) -> Option<Self> {
        let column = |expr: &Expr| match expr.kind {
            Kind::Column(index) => Some(index),
            _ => None,
        };
        let wanted: Option<Vec<usize>> = exprs.iter().map(column).collect();
        wanted.map(|wanted| Self {
            wanted,
            ends: Vec::new(),
        })
    }

    /// The same for keys, where equal values must be equal bytes.
    pub(crate) fn of_key(exprs: &[Expr]) -> Option<Self> {
        let as_it_is = exprs.iter().all(|expr| expr.ty != Type::Numeric);
        as_it_is.then(|| Self::of(exprs)).flatten()
    }

    /// Appends them.
    ///
    /// # Panics
    /// When the row has fewer columns.
    pub(crate) fn copy(&mut self, row: &Row, out: &mut RowWriter) {
        let Some(last) = self.wanted.iter().max() else {
            return;
        };
        let bytes = row.bytes();
        let mut values = row.values();
        self.ends.clear();
        while self.ends.len() <= *last && values.skip_one() {
            self.ends.push(bytes.len() - values.rest().len());
        }
        for column in &self.wanted {
            let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
            out.raw_values(&bytes[start..self.ends[*column]]);
        }
    }
}

/// An empty vector for values of other rows, in the same memory.
fn recycle<'to>(mut values: Vec<Datum<'_>>) -> Vec<Datum<'to>> {
    values.clear();
    values.into_iter().map(|_| Datum::Null).collect()
}

/// Filters and projections over one row (or two, one after the other), compiled together.
#[derive(Clone)]
pub(crate) struct Program {
    filters: Rc<[Compiled]>,
    outputs: Rc<[Compiled]>,
    /// Output columns that are compared and grouped by their value.
    normalize: bool,
}

impl Program {
    pub(crate) fn new(filters: &[Expr], outputs: &[Expr]) -> Self {
        Self {
            filters: filters.iter().map(compile).collect(),
            outputs: outputs.iter().map(compile).collect(),
            normalize: false,
        }
    }

    /// The outputs as a key: equal values become equal bytes.
    pub(crate) fn key(outputs: &[Expr]) -> Self {
        Self {
            normalize: outputs.iter().any(|expr| expr.ty == Type::Numeric),
            ..Self::new(&[], outputs)
        }
    }

    /// Writes the outputs, if the filters let the row pass.
    pub(crate) fn run(&self, row: &[Datum<'_>], out: &mut RowWriter) -> Result<bool, Fault> {
        for filter in &*self.filters {
            if filter(row)? != Datum::Bool(true) {
                return Ok(false);
            }
        }
        for output in &*self.outputs {
            let value = output(row)?;
            if self.normalize {
                out.push(&value.normalized());
            } else {
                out.push(&value);
            }
        }
        Ok(true)
    }
}
