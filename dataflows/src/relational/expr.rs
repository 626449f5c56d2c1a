//! Expressions over the values of a row: resolved and typed, as a tree. `eval` compiles them.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::datum::Datum;
use super::functions::Function;

/// Types of columns and expressions, by PostgreSQL's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `numeric`
    Numeric,
    /// `text`
    Text,
    /// `date`
    Date,
    /// `timestamp`, on somebody's clock.
    Timestamp,
    /// `timestamptz`, an instant.
    TimestampTz,
    /// `interval`
    Interval,
    /// A literal in quotes, or NULL, that takes the type that its place needs.
    Unknown,
}

impl Type {
    /// PostgreSQL's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Interval => "interval",
            Self::Unknown => "unknown",
        }
    }

    /// Is it an integer of some width?
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// Is it a number?
    pub fn is_number(self) -> bool {
        self.is_integer() || self == Self::Numeric
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place in a view's file, both from 1. All places are equal: where an expression was written is
/// no part of what it means.
#[derive(Clone, Copy, Default)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Compare {
    /// With its sides exchanged.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }

    /// Does this order of the sides satisfy it?
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// An expression with its type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Its type.
    pub ty: Type,
    /// Can it be NULL?
    pub nullable: bool,
    /// Where it was written.
    pub place: Place,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A column of the row, from 0.
    Column(usize),
    /// A column of the row of the query around, while a subquery is being taken apart.
    Outer(usize),
    /// A constant.
    Literal(Datum<'static>),
    /// The clock, while a filter is being taken apart.
    Now,
    /// A function or an operator.
    Call(&'static Function, Vec<Expr>),
    /// A comparison of two values of one type.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// `IS NOT DISTINCT FROM`: equal, NULL equal to NULL.
    Same(Box<Expr>, Box<Expr>),
    /// All of them.
    And(Vec<Expr>),
    /// One of them.
    Or(Vec<Expr>),
    /// Not.
    Not(Box<Expr>),
    /// `IS NULL`
    IsNull(Box<Expr>),
    /// `IS TRUE`, `IS FALSE`: never NULL.
    Is(bool, Box<Expr>),
    /// The first branch whose condition is true, or the last expression.
    Case(Vec<(Expr, Expr)>, Box<Expr>),
    /// The first that is not NULL.
    Coalesce(Vec<Expr>),
    /// The greatest (`true`) or least of those that are not NULL.
    Extreme(bool, Vec<Expr>),
}

impl Expr {
    /// A column.
    pub fn column(index: usize, ty: Type, nullable: bool, place: Place) -> Self {
        Self {
            kind: Kind::Column(index),
            ty,
            nullable,
            place,
        }
    }

    /// A constant.
    pub fn literal(value: Datum<'static>, ty: Type, place: Place) -> Self {
        Self {
            nullable: value.is_null(),
            kind: Kind::Literal(value),
            ty,
            place,
        }
    }

    /// A truth value computed from others.
    pub fn truth(kind: Kind, nullable: bool, place: Place) -> Self {
        Self {
            kind,
            ty: Type::Bool,
            nullable,
            place,
        }
    }

    /// The expressions that it is made of.
    pub fn parts(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Column(_) | Kind::Outer(_) | Kind::Literal(_) | Kind::Now => Vec::new(),
            Kind::Call(_, args) | Kind::And(args) | Kind::Or(args) | Kind::Coalesce(args) => {
                args.iter().collect()
            }
            Kind::Extreme(_, args) => args.iter().collect(),
            Kind::Compare(_, a, b) | Kind::Same(a, b) => vec![a, b],
            Kind::Not(a) | Kind::IsNull(a) | Kind::Is(_, a) => vec![a],
            Kind::Case(branches, otherwise) => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                branches.chain([&**otherwise]).collect()
            }
        }
    }

    /// As [`Expr::parts`], to be changed.
    pub fn parts_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.kind {
            Kind::Column(_) | Kind::Outer(_) | Kind::Literal(_) | Kind::Now => Vec::new(),
            Kind::Call(_, args) | Kind::And(args) | Kind::Or(args) | Kind::Coalesce(args) => {
                args.iter_mut().collect()
            }
            Kind::Extreme(_, args) => args.iter_mut().collect(),
            Kind::Compare(_, a, b) | Kind::Same(a, b) => vec![a, b],
            Kind::Not(a) | Kind::IsNull(a) | Kind::Is(_, a) => vec![a],
            Kind::Case(branches, otherwise) => {
                let branches = branches.iter_mut().flat_map(|(when, then)| [when, then]);
                branches.chain([&mut **otherwise]).collect()
            }
        }
    }

    /// Calls `visit` with it and everything in it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Expr)) {
        visit(self);
        for part in self.parts() {
            part.walk(visit);
        }
    }

    /// Is there one like this in it?
    pub fn any(&self, test: impl Fn(&Expr) -> bool) -> bool {
        let mut found = false;
        self.walk(&mut |expr| found |= test(expr));
        found
    }

    /// Puts another column (or expression) in the place of every column.
    pub fn replace_columns(&mut self, with: &dyn Fn(usize) -> Option<Kind>) {
        if let Kind::Column(index) = self.kind {
            if let Some(kind) = with(index) {
                self.kind = kind;
            }
            return;
        }
        for part in self.parts_mut() {
            part.replace_columns(with);
        }
    }

    /// Moves every column by so many places.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        self.replace_columns(&|index| Some(Kind::Column(index + by)));
        self
    }

    /// The columns that it reads.
    pub fn columns(&self) -> std::collections::BTreeSet<usize> {
        let mut all = std::collections::BTreeSet::new();
        self.walk(&mut |expr| {
            if let Kind::Column(index) = expr.kind {
                all.insert(index);
            }
        });
        all
    }

    /// Can computing it fail for some row?
    pub fn can_fail(&self) -> bool {
        self.any(|expr| matches!(expr.kind, Kind::Call(function, _) if function.can_fail))
    }
}

impl fmt::Display for Expr {
    /// For plans: close to SQL, columns as `#n` from 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list(f: &mut fmt::Formatter<'_>, of: &[Expr], between: &str) -> fmt::Result {
            for (at, expr) in of.iter().enumerate() {
                let between = if at > 0 { between } else { "" };
                write!(f, "{between}{expr}")?;
            }
            Ok(())
        }
        match &self.kind {
            Kind::Column(index) => write!(f, "#{index}"),
            Kind::Outer(index) => write!(f, "outer #{index}"),
            Kind::Literal(value) => write!(f, "{value}"),
            Kind::Now => f.write_str("now()"),
            Kind::Call(function, args) => match (&args[..], function.is_operator()) {
                ([a, b], true) => write!(f, "({a} {} {b})", function.name),
                ([a], true) => write!(f, "({}{a})", function.name),
                _ => {
                    write!(f, "{}(", function.name)?;
                    list(f, args, ", ")?;
                    f.write_str(")")
                }
            },
            Kind::Compare(op, a, b) => write!(f, "({a} {} {b})", op.symbol()),
            Kind::Same(a, b) => write!(f, "({a} IS NOT DISTINCT FROM {b})"),
            Kind::And(all) => {
                f.write_str("(")?;
                list(f, all, " AND ")?;
                f.write_str(")")
            }
            Kind::Or(all) => {
                f.write_str("(")?;
                list(f, all, " OR ")?;
                f.write_str(")")
            }
            Kind::Not(a) => write!(f, "NOT {a}"),
            Kind::IsNull(a) => write!(f, "({a} IS NULL)"),
            Kind::Is(truth, a) => write!(f, "({a} IS {})", if *truth { "TRUE" } else { "FALSE" }),
            Kind::Case(branches, otherwise) => {
                f.write_str("CASE")?;
                for (when, then) in branches {
                    write!(f, " WHEN {when} THEN {then}")?;
                }
                write!(f, " ELSE {otherwise} END")
            }
            Kind::Coalesce(all) => {
                f.write_str("coalesce(")?;
                list(f, all, ", ")?;
                f.write_str(")")
            }
            Kind::Extreme(greatest, all) => {
                f.write_str(if *greatest { "greatest(" } else { "least(" })?;
                list(f, all, ", ")?;
                f.write_str(")")
            }
        }
    }
}
