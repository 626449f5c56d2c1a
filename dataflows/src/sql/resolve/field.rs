//! Fields of moments and spans of time: `extract` and `date_trunc`.

use super::super::problem::Issue;
use super::types::call;
use crate::relational::{Datum, Expr, Kind, Place, Type};

/// Fields of `extract` and `date_trunc`.
const EXTRACT: &[&str] = &[
    "year",
    "isoyear",
    "quarter",
    "month",
    "week",
    "day",
    "dow",
    "isodow",
    "doy",
    "epoch",
    "decade",
    "hour",
    "minute",
    "second",
    "milliseconds",
    "microseconds",
];
/// Those that only a clock has.
const CLOCK: &[&str] = &["hour", "minute", "second", "milliseconds", "microseconds"];
/// Those that a span of time has not.
const NOT_OF_INTERVAL: &[&str] = &["isoyear", "week", "dow", "isodow", "doy"];
pub(super) const TRUNC: &[&str] = &[
    "microseconds",
    "milliseconds",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
];

/// A field of a moment or a span.
pub(super) fn extract(field: &str, value: Expr, place: Place) -> Result<Expr, Issue> {
    let field = field.to_lowercase();
    let field = match field.trim_matches('\'') {
        "years" => "year",
        "months" => "month",
        "days" => "day",
        "hours" => "hour",
        "minutes" => "minute",
        "seconds" => "second",
        "millisecond" => "milliseconds",
        "microsecond" => "microseconds",
        other => other,
    };
    let known: Vec<&str> = match value.ty {
        Type::Date => EXTRACT
            .iter()
            .filter(|f| !CLOCK.contains(f))
            .copied()
            .collect(),
        Type::Interval => {
            let of = EXTRACT.iter().filter(|f| !NOT_OF_INTERVAL.contains(f));
            of.copied().collect()
        }
        _ => EXTRACT.to_vec(),
    };
    if !known.contains(&field) {
        let what = format!("{} has no field \"{field}\"", value.ty);
        return Err(Issue::new(place, what).help(format!("there are: {}", known.join(", "))));
    }
    let field = Expr::literal(Datum::made(field), Type::Text, place);
    call("extract", vec![field, value], place)
}

pub(super) fn check_field(field: &Expr, known: &[&str], what: &str) -> Result<(), Issue> {
    match &field.kind {
        Kind::Literal(Datum::Text(text)) if known.contains(&text.as_str()) => Ok(()),
        Kind::Literal(Datum::Text(text)) => {
            let what = format!("{what} has no field '{}'", text.as_str());
            Err(Issue::new(field.place, what).help(format!("there are: {}", known.join(", "))))
        }
        _ => Err(Issue::new(
            field.place,
            format!("the field of {what} must be written out"),
        )
        .help(format!("there are: {}", known.join(", ")))),
    }
}
