//! What a query computes, as a tree of relational operators over sources.

use std::fmt;
use std::hash::Hash;

use super::expr::{Expr, Kind, Type};
use super::row::Row;
use super::sources;

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Plan {
    /// A source, by its place in [`sources::ALL`].
    Source(usize),
    /// Constant rows of so many columns.
    Rows(Vec<Row>, usize),
    /// Rows that pass all filters, as other rows. Outputs see the input's columns.
    Map {
        /// Where rows come from.
        input: Box<Plan>,
        /// All of them must be true.
        filters: Vec<Expr>,
        /// The new columns; `None` = as they are.
        outputs: Option<Vec<Expr>>,
    },
    /// The rows of a view, computed once for all that read it. Nothing moves into it from outside, since others
    /// read it too.
    Shared {
        /// The view's name.
        view: String,
        /// What it computes.
        plan: Box<Plan>,
    },
    /// Rows while the stream's clock is between two instants that follow from the row: from the latest
    /// of `from` on, before the earliest of `until`. NULL is never.
    Clock {
        /// Where rows come from.
        input: Box<Plan>,
        /// Seen from then on.
        from: Vec<Expr>,
        /// Not seen from then on.
        until: Vec<Expr>,
    },
    /// Pairs of rows, or rows that have (no) partner.
    Join {
        /// Which.
        kind: JoinKind,
        /// The left side.
        left: Box<Plan>,
        /// The right side.
        right: Box<Plan>,
        /// Equal on both sides: an expression over each side's columns.
        on: Vec<(Expr, Expr)>,
        /// Further conditions over the columns of both, the left ones first.
        residual: Vec<Expr>,
    },
    /// A row for each group: its keys, then its aggregates. Without keys there is one group, always.
    Aggregate {
        /// Where rows come from.
        input: Box<Plan>,
        /// What makes a group.
        keys: Vec<Expr>,
        /// What is computed of each.
        aggregates: Vec<Aggregate>,
    },
    /// The first rows of each partition.
    Top {
        /// Where rows come from.
        input: Box<Plan>,
        /// What makes a partition.
        partition: Vec<Expr>,
        /// What rows are ordered by. Rows that are equal in it go by all their columns.
        order: Vec<Order>,
        /// Rows left out at the beginning.
        offset: u64,
        /// Rows taken; `None` = as many as there are, which only a plan in the making may say.
        limit: Option<u64>,
        /// Appends the number of the row in its partition, from 1.
        numbered: bool,
    },
    /// Every row once.
    Distinct(Box<Plan>),
    /// The rows of all.
    Union(Vec<Plan>),
    /// Rows of the left that are not on the right: each at most once, or (`all`) as often as there are
    /// more of it.
    Except {
        /// The left side.
        left: Box<Plan>,
        /// The right side.
        right: Box<Plan>,
        /// Counting.
        all: bool,
    },
}

/// Which rows a join gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without a partner.
    Left,
    /// Pairs, and rows of both sides without a partner.
    Full,
    /// Left rows with a partner.
    Semi,
    /// Left rows without a partner.
    Anti,
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// By this.
    pub by: Expr,
    /// Greatest first.
    pub descending: bool,
    /// NULLs first.
    pub nulls_first: bool,
}

/// A value computed of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// Which.
    pub function: AggregateFunction,
    /// Of what; absent = of the row.
    pub of: Option<Expr>,
    /// Only of rows for which this is true.
    pub filter: Option<Expr>,
    /// Equal values count once.
    pub distinct: bool,
    /// Type of the value.
    pub ty: Type,
    /// Where it was written.
    pub place: super::expr::Place,
}

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// How many.
    Count,
    /// The sum.
    Sum,
    /// The mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// All are true.
    BoolAnd,
    /// One is true.
    BoolOr,
}

impl AggregateFunction {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::BoolAnd => "bool_and",
            Self::BoolOr => "bool_or",
        }
    }
}

/// The plans in a plan, borrowed as it is.
macro_rules! inputs {
    ($plan:expr, $iter:ident) => {
        match $plan {
            Plan::Source(_) | Plan::Rows(..) => Vec::new(),
            Plan::Map { input, .. }
            | Plan::Clock { input, .. }
            | Plan::Aggregate { input, .. }
            | Plan::Top { input, .. }
            | Plan::Distinct(input)
            | Plan::Shared { plan: input, .. } => vec![input],
            Plan::Join { left, right, .. } | Plan::Except { left, right, .. } => vec![left, right],
            Plan::Union(inputs) => inputs.$iter().collect(),
        }
    };
}

impl Plan {
    /// Number of columns.
    pub fn arity(&self) -> usize {
        match self {
            Self::Source(index) => sources::ALL[*index].columns.len(),
            Self::Rows(_, arity) => *arity,
            Self::Map { input, outputs, .. } => match outputs {
                Some(outputs) => outputs.len(),
                None => input.arity(),
            },
            Self::Clock { input, .. } | Self::Distinct(input) => input.arity(),
            Self::Shared { plan, .. } => plan.arity(),
            Self::Join {
                kind, left, right, ..
            } => match kind {
                JoinKind::Semi | JoinKind::Anti => left.arity(),
                _ => left.arity() + right.arity(),
            },
            Self::Aggregate {
                keys, aggregates, ..
            } => keys.len() + aggregates.len(),
            Self::Top {
                input, numbered, ..
            } => input.arity() + usize::from(*numbered),
            Self::Union(inputs) => inputs.first().map_or(0, Self::arity),
            Self::Except { left, .. } => left.arity(),
        }
    }

    /// What it is made of.
    pub fn inputs(&self) -> Vec<&Plan> {
        inputs!(self, iter)
    }

    /// As [`Plan::inputs`], to be changed.
    pub(crate) fn inputs_mut(&mut self) -> Vec<&mut Plan> {
        inputs!(self, iter_mut)
    }

    /// Calls `visit` with it and everything in it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Plan)) {
        visit(self);
        for input in self.inputs() {
            input.walk(visit);
        }
    }

    /// Does it look at the clock?
    pub fn reads_clock(&self) -> bool {
        let mut found = false;
        self.walk(&mut |plan| found |= matches!(plan, Plan::Clock { .. }));
        found
    }

    /// The rows for which `filter` is true. It goes as far down as it can: what is filtered out early
    /// is neither joined nor kept.
    #[must_use]
    pub fn filtered(self, filter: Expr) -> Self {
        // One that can fail stays behind those written before it.
        if filter.can_fail() {
            return self.kept_by(filter);
        }
        match self {
            Self::Top {
                input,
                partition,
                order,
                offset,
                limit: None,
                numbered: true,
            } => {
                let arity = input.arity();
                let bound = bound(&filter, arity);
                let plan = Self::Top {
                    input,
                    partition,
                    order,
                    offset,
                    limit: bound,
                    numbered: true,
                };
                plan.kept_by(filter)
            }
            Self::Map {
                input,
                filters,
                outputs: None,
            } => {
                let input = input.filtered(filter);
                match input {
                    // It came to rest right below: in one operator with the others.
                    Self::Map {
                        input,
                        filters: mut below,
                        outputs: None,
                    } => {
                        below.extend(filters);
                        Self::Map {
                            input,
                            filters: below,
                            outputs: None,
                        }
                    }
                    input if filters.is_empty() => input,
                    input => Self::Map {
                        input: Box::new(input),
                        filters,
                        outputs: None,
                    },
                }
            }
            Self::Map {
                input,
                filters,
                outputs: Some(outputs),
            } => {
                let reads = filter.columns();
                if reads.iter().any(|column| outputs[*column].can_fail()) {
                    let plan = Self::Map {
                        input,
                        filters,
                        outputs: Some(outputs),
                    };
                    return plan.kept_by(filter);
                }
                let mut filter = filter;
                filter.replace_columns(&|column| Some(outputs[column].kind.clone()));
                if filters.iter().any(Expr::can_fail) {
                    let mut filters = filters;
                    filters.push(filter);
                    return Self::Map {
                        input,
                        filters,
                        outputs: Some(outputs),
                    };
                }
                Self::Map {
                    input: Box::new(input.filtered(filter)),
                    filters,
                    outputs: Some(outputs),
                }
            }
            Self::Join {
                kind,
                left,
                right,
                mut on,
                mut residual,
            } => {
                let split = left.arity();
                let reads = filter.columns();
                let of_left = reads.iter().all(|column| *column < split);
                let of_right = reads.iter().all(|column| *column >= split);
                let (mut left, mut right) = (left, right);
                match kind {
                    _ if of_left && kind != JoinKind::Full => {
                        left = Box::new(left.filtered(filter))
                    }
                    JoinKind::Inner if of_right => {
                        right = Box::new(right.filtered(unshifted(filter, split)));
                    }
                    JoinKind::Inner => match equality(&filter, split) {
                        Some(pair) => on.push(pair),
                        None => residual.push(filter),
                    },
                    _ => {
                        let plan = Self::Join {
                            kind,
                            left,
                            right,
                            on,
                            residual,
                        };
                        return plan.kept_by(filter);
                    }
                }
                Self::Join {
                    kind,
                    left,
                    right,
                    on,
                    residual,
                }
            }
            Self::Clock { input, from, until } => Self::Clock {
                input: Box::new(input.filtered(filter)),
                from,
                until,
            },
            Self::Union(inputs) => {
                let each = inputs.into_iter();
                Self::Union(each.map(|input| input.filtered(filter.clone())).collect())
            }
            Self::Distinct(input) => Self::Distinct(Box::new(input.filtered(filter))),
            other => other.kept_by(filter),
        }
    }

    fn kept_by(self, filter: Expr) -> Self {
        match self {
            Self::Map {
                input,
                mut filters,
                outputs: None,
            } => {
                filters.push(filter);
                Self::Map {
                    input,
                    filters,
                    outputs: None,
                }
            }
            other => Self::Map {
                input: Box::new(other),
                filters: vec![filter],
                outputs: None,
            },
        }
    }

    /// Other columns, computed from these.
    #[must_use]
    pub fn projected(self, outputs: Vec<Expr>) -> Self {
        let is_plain = |outputs: &[Expr], arity: usize| {
            let mut at = outputs.iter().enumerate();
            outputs.len() == arity && at.all(|(at, expr)| expr.kind == Kind::Column(at))
        };
        if is_plain(&outputs, self.arity()) {
            return self;
        }
        match self {
            Self::Map {
                input,
                filters,
                outputs: None,
            } => Self::Map {
                input,
                filters,
                outputs: Some(outputs),
            },
            // Columns picked from columns: one step does.
            Self::Map {
                input,
                filters,
                outputs: Some(inner),
            } if outputs
                .iter()
                .all(|expr| matches!(expr.kind, Kind::Column(_))) =>
            {
                let outputs = outputs.into_iter().map(|mut expr| {
                    let place = expr.place;
                    expr.replace_columns(&|column| Some(inner[column].kind.clone()));
                    // What may fail was written there.
                    expr.place = match expr.kind {
                        Kind::Column(_) => place,
                        _ => inner_place(&inner, &expr).unwrap_or(place),
                    };
                    expr
                });
                Self::Map {
                    input,
                    filters,
                    outputs: Some(outputs.collect()),
                }
            }
            other => Self::Map {
                input: Box::new(other),
                filters: Vec::new(),
                outputs: Some(outputs),
            },
        }
    }
}

fn inner_place(inner: &[Expr], expr: &Expr) -> Option<super::expr::Place> {
    let found = inner.iter().find(|other| other.kind == expr.kind);
    found.map(|other| other.place)
}

fn unshifted(mut filter: Expr, by: usize) -> Expr {
    filter.replace_columns(&|column| Some(Kind::Column(column - by)));
    filter
}

/// The greatest number that a condition on a row's number lets pass.
fn bound(filter: &Expr, number: usize) -> Option<u64> {
    use super::expr::Compare;
    let Kind::Compare(op, a, b) = &filter.kind else {
        return None;
    };
    let (Kind::Column(column), Kind::Literal(super::Datum::Int(n))) = (&a.kind, &b.kind) else {
        return None;
    };
    let n = match op {
        Compare::Le | Compare::Eq => *n,
        Compare::Lt => n.saturating_sub(1),
        _ => return None,
    };
    (*column == number).then(|| u64::try_from(n).unwrap_or(0))
}

/// An equation between the two sides of a join: an expression over each.
pub(crate) fn equality(filter: &Expr, split: usize) -> Option<(Expr, Expr)> {
    let Kind::Compare(super::expr::Compare::Eq, a, b) = &filter.kind else {
        return None;
    };
    // Intervals that are equal may look different, as keys must not.
    if a.ty == Type::Interval || a.can_fail() || b.can_fail() {
        return None;
    }
    let (of_a, of_b) = (a.columns(), b.columns());
    let left = |set: &std::collections::BTreeSet<usize>| {
        !set.is_empty() && set.iter().all(|column| *column < split)
    };
    let right = |set: &std::collections::BTreeSet<usize>| {
        !set.is_empty() && set.iter().all(|column| *column >= split)
    };
    if left(&of_a) && right(&of_b) {
        return Some(((**a).clone(), unshifted((**b).clone(), split)));
    }
    if right(&of_a) && left(&of_b) {
        return Some(((**b).clone(), unshifted((**a).clone(), split)));
    }
    None
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        write!(f, "{}({distinct}", self.function.name())?;
        match &self.of {
            Some(of) => write!(f, "{of})")?,
            None => f.write_str("*)")?,
        }
        match &self.filter {
            Some(filter) => write!(f, " FILTER {filter}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let descending = if self.descending { " DESC" } else { "" };
        let nulls = match (self.nulls_first, self.descending) {
            (true, false) => " NULLS FIRST",
            (false, true) => " NULLS LAST",
            _ => "",
        };
        write!(f, "{}{descending}{nulls}", self.by)
    }
}
