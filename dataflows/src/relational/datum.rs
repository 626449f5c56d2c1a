//! One value of a row.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::calendar::{Interval, ShowDay, ShowInstant};
use super::decimal::Decimal;

/// A value, or none. Which type a column has is known from its query; the value tells only as much as
/// it takes to compute with it: integers of all widths are one kind, and so are instants with and
/// without a zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Datum<'a> {
    /// SQL's NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A decimal number.
    Decimal(Decimal),
    /// Text, without zero bytes.
    Text(Text<'a>),
    /// Days from 1970-01-01.
    Date(i32),
    /// Microseconds from 1970-01-01 00:00.
    Instant(i64),
    /// A span of time.
    Interval(Interval),
}

/// Text that lies in a row, or was made on the way.
#[derive(Clone)]
pub enum Text<'a> {
    /// In a row.
    Borrowed(&'a str),
    /// Made.
    Shared(Arc<str>),
}

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text<'_> {}

impl std::hash::Hash for Text<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<'a> Datum<'a> {
    /// Text that was made on the way.
    pub fn made(text: impl Into<Arc<str>>) -> Self {
        Self::Text(Text::Shared(text.into()))
    }

    /// Text that lies somewhere.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Text::Borrowed(text))
    }

    /// Is it NULL?
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The same value, kept for itself.
    pub fn into_owned(self) -> Datum<'static> {
        match self {
            Datum::Null => Datum::Null,
            Datum::Bool(value) => Datum::Bool(value),
            Datum::Int(value) => Datum::Int(value),
            Datum::Decimal(value) => Datum::Decimal(value),
            Datum::Text(Text::Borrowed(text)) => Datum::made(text),
            Datum::Text(Text::Shared(text)) => Datum::Text(Text::Shared(text)),
            Datum::Date(value) => Datum::Date(value),
            Datum::Instant(value) => Datum::Instant(value),
            Datum::Interval(value) => Datum::Interval(value),
        }
    }

    /// Compares two values of one type, neither of them NULL, as SQL does: 1.5 equals 1.50, a month
    /// equals 30 days, text goes by its bytes.
    pub fn compare(&self, other: &Datum<'_>) -> Ordering {
        match (self, other) {
            (Datum::Int(a), Datum::Int(b)) => a.cmp(b),
            (Datum::Text(a), Datum::Text(b)) => a.as_str().cmp(b.as_str()),
            (Datum::Decimal(a), Datum::Decimal(b)) => a.value_cmp(*b),
            (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
            (Datum::Instant(a), Datum::Instant(b)) => a.cmp(b),
            (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
            (Datum::Interval(a), Datum::Interval(b)) => a.total().cmp(&b.total()),
            (a, b) => {
                debug_assert!(false, "{a:?} was compared with {b:?}");
                Ordering::Equal
            }
        }
    }

    /// The value that stands for all that are equal to it.
    #[must_use]
    pub fn normalized(self) -> Self {
        match self {
            Datum::Decimal(value) => Datum::Decimal(value.normalized()),
            other => other,
        }
    }
}

impl fmt::Display for Datum<'_> {
    /// For messages. An instant is shown without a zone, since it does not know whether it has one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Null => f.write_str("NULL"),
            Datum::Bool(value) => write!(f, "{value}"),
            Datum::Int(value) => write!(f, "{value}"),
            Datum::Decimal(value) => write!(f, "{value}"),
            Datum::Text(value) => write!(f, "'{}'", value.as_str()),
            Datum::Date(value) => write!(f, "{}", ShowDay(*value)),
            Datum::Instant(value) => write!(f, "{}", ShowInstant(*value, false)),
            Datum::Interval(value) => write!(f, "{value}"),
        }
    }
}
