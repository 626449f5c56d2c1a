//! Values and types as they are written.

use sqlparser::ast::{self, DataType, ExactNumberInfo, TimezoneInfo, Value};

use super::super::problem::Issue;
use super::Resolver;
use super::types::made;
use crate::relational::calendar::Interval;
use crate::relational::functions::cast;
use crate::relational::{Datum, Decimal, Expr, Place, Type};

impl Resolver<'_> {
    pub(super) fn interval(
        &mut self,
        interval: &ast::Interval,
        place: Place,
    ) -> Result<Expr, Issue> {
        let ast::Expr::Value(value) = &*interval.value else {
            return Err(Issue::new(place, "an interval that is computed")
                .help("multiply instead: x * INTERVAL '1 hour'"));
        };
        let text = match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        };
        let parsed = match &interval.leading_field {
            Some(unit) => Interval::of(text.trim(), &unit.to_string()),
            None => Interval::parse(&text),
        };
        match parsed {
            Some(value) => Ok(Expr::literal(Datum::Interval(value), Type::Interval, place)),
            None => Err(Issue::new(place, format!("'{text}' is no interval"))
                .help("write such as INTERVAL '1 day 02:30' or INTERVAL '90 minutes'")),
        }
    }

    /// The type that a cast or a literal names.
    pub(super) fn data_type(&self, ty: &DataType, place: Place) -> Result<Type, Issue> {
        Ok(match ty {
            DataType::Bool | DataType::Boolean => Type::Bool,
            DataType::Int2(_) | DataType::SmallInt(_) => Type::Int2,
            DataType::Int(_) | DataType::Int4(_) | DataType::Integer(_) => Type::Int4,
            DataType::Int8(_) | DataType::BigInt(_) => Type::Int8,
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => Type::Numeric,
            DataType::Text | DataType::Varchar(None) | DataType::CharacterVarying(None) => {
                Type::Text
            }
            DataType::Date => Type::Date,
            DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                Type::Timestamp
            }
            DataType::Timestamp(None, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
                Type::TimestampTz
            }
            DataType::Interval {
                fields: None,
                precision: None,
            } => Type::Interval,
            DataType::Float(_)
            | DataType::Real
            | DataType::Float4
            | DataType::Float8
            | DataType::Double(_)
            | DataType::DoublePrecision => {
                return Err(Issue::new(place, format!("the type {ty}: floating point is not exact, and its sums depend on the order of rows"))
                    .help("use numeric"));
            }
            other => {
                return Err(Issue::new(place, format!("the type {other} is not supported")).help(
                    "there are boolean, smallint, integer, bigint, numeric, text, date, timestamp, timestamptz and interval",
                ));
            }
        })
    }
}

/// `numeric(p, s)` rounds, and refuses what is too large.
pub(super) fn fit(value: Expr, ty: &DataType, place: Place) -> Result<Expr, Issue> {
    let (DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info)) = ty else {
        return Ok(value);
    };
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(value),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if !(1..=38).contains(&precision) || !(0..=precision as i64).contains(&scale) {
        return Err(Issue::new(place, format!("{ty}: more than there can be"))
            .help("numeric has 1 to 38 digits, and no more decimals than digits"));
    }
    let int = |n: i64| Expr::literal(Datum::Int(n), Type::Int4, place);
    Ok(made(
        &cast::FIT,
        vec![value, int(precision as i64), int(scale)],
        place,
    ))
}

pub(super) fn number(digits: &str, place: Place) -> Result<Expr, Issue> {
    if let Ok(value) = digits.parse::<i64>() {
        let ty = match i32::try_from(value) {
            Ok(_) => Type::Int4,
            Err(_) => Type::Int8,
        };
        return Ok(Expr::literal(Datum::Int(value), ty, place));
    }
    match Decimal::parse(digits) {
        Some(value) => Ok(Expr::literal(Datum::Decimal(value), Type::Numeric, place)),
        None => Err(Issue::new(
            place,
            format!("{digits} is no number of at most 38 digits"),
        )),
    }
}

pub(super) fn literal(value: &Value, place: Place) -> Result<Expr, Issue> {
    Ok(match value {
        Value::Number(digits, _) => return number(digits, place),
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
            Expr::literal(Datum::made(text.as_str()), Type::Unknown, place)
        }
        Value::DollarQuotedString(text) => {
            Expr::literal(Datum::made(text.value.as_str()), Type::Unknown, place)
        }
        Value::Boolean(value) => Expr::literal(Datum::Bool(*value), Type::Bool, place),
        Value::Null => Expr::literal(Datum::Null, Type::Unknown, place),
        Value::Placeholder(name) => {
            return Err(
                Issue::new(place, format!("a view has no parameters ({name})"))
                    .help("write the value itself"),
            );
        }
        other => return Err(Issue::new(place, format!("not supported: {other}"))),
    })
}
