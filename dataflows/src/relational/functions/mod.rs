//! What expressions can call: operators, functions and casts, each with its types.
//!
//! Results and errors are PostgreSQL's. What depends on floating point, on a locale or on the session is
//! left out on purpose: a view has to be the same on every machine.

pub(crate) mod cast;
mod number;
mod text;
mod time;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::datum::Datum;
use super::expr::Type;

/// Why a value cannot be computed.
pub type Error = Cow<'static, str>;

/// Computes a value from values, none of which is NULL unless the function takes them.
pub type Eval = for<'r> fn(&[Datum<'r>]) -> Result<Datum<'r>, Error>;

/// A function of given types.
pub struct Function {
    /// Its name, in lower case; an operator's symbol.
    pub name: &'static str,
    /// Types of its arguments.
    pub args: &'static [Type],
    /// Type of its value.
    pub result: Type,
    /// There are values that it cannot be computed for.
    pub can_fail: bool,
    /// It may be NULL though no argument is.
    pub may_be_null: bool,
    /// What it does.
    pub eval: Eval,
    /// One line for the reference.
    pub help: &'static str,
}

impl Function {
    /// Is it written between its arguments?
    pub fn is_operator(&self) -> bool {
        !self.name.starts_with(|c: char| c.is_ascii_alphabetic())
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.args == other.args && self.result == other.result
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.args.hash(state);
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<&str> = self.args.iter().map(|ty| ty.name()).collect();
        write!(f, "{}({})", self.name, args.join(", "))
    }
}

/// Every operator and function, casts left out.
pub fn all() -> impl Iterator<Item = &'static Function> {
    [number::ALL, text::ALL, time::ALL]
        .into_iter()
        .flatten()
        .copied()
        .flatten()
}

/// A function that cannot fail.
const fn total(
    name: &'static str,
    args: &'static [Type],
    result: Type,
    help: &'static str,
    eval: Eval,
) -> Function {
    Function {
        name,
        args,
        result,
        can_fail: false,
        may_be_null: false,
        eval,
        help,
    }
}

/// A function that some values have no result for.
const fn partial(
    name: &'static str,
    args: &'static [Type],
    result: Type,
    help: &'static str,
    eval: Eval,
) -> Function {
    Function {
        name,
        args,
        result,
        can_fail: true,
        may_be_null: false,
        eval,
        help,
    }
}

// What a function is given has been typed: a value of another type is a fault of ours. These say so
// in the one place where a view can be stopped for it.

fn mistyped(value: &Datum<'_>, wanted: &str) -> Error {
    format!("internal: {value:?} where {wanted} was due").into()
}

fn int(value: &Datum<'_>) -> Result<i64, Error> {
    match value {
        Datum::Int(value) => Ok(*value),
        other => Err(mistyped(other, "an integer")),
    }
}

fn decimal(value: &Datum<'_>) -> Result<super::Decimal, Error> {
    match value {
        Datum::Decimal(value) => Ok(*value),
        Datum::Int(value) => Ok(super::Decimal::from_i64(*value)),
        other => Err(mistyped(other, "a decimal")),
    }
}

fn str<'a>(value: &'a Datum<'_>) -> Result<&'a str, Error> {
    match value {
        Datum::Text(text) => Ok(text.as_str()),
        other => Err(mistyped(other, "a text")),
    }
}

fn date(value: &Datum<'_>) -> Result<i32, Error> {
    match value {
        Datum::Date(days) => Ok(*days),
        other => Err(mistyped(other, "a date")),
    }
}

fn instant(value: &Datum<'_>) -> Result<i64, Error> {
    match value {
        Datum::Instant(micros) => Ok(*micros),
        other => Err(mistyped(other, "an instant")),
    }
}

fn interval(value: &Datum<'_>) -> Result<super::calendar::Interval, Error> {
    match value {
        Datum::Interval(interval) => Ok(*interval),
        other => Err(mistyped(other, "an interval")),
    }
}
