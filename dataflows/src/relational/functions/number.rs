//! Arithmetic.

use Type::{Int2, Int4, Int8, Numeric};

use super::{Error, Function, decimal, int, partial, total};
use crate::relational::datum::Datum;
use crate::relational::decimal::{Decimal, TooLarge};
use crate::relational::expr::Type;

const ZERO: Error = Error::Borrowed("division by zero");

fn overflow(ty: Type) -> Error {
    format!("{ty} out of range").into()
}

fn fit(value: Option<i64>, ty: Type) -> Result<Datum<'static>, Error> {
    let range = match ty {
        Int2 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        Int4 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        _ => i64::MIN..=i64::MAX,
    };
    match value.filter(|value| range.contains(value)) {
        Some(value) => Ok(Datum::Int(value)),
        None => Err(overflow(ty)),
    }
}

fn exact(value: Result<Decimal, TooLarge>) -> Result<Datum<'static>, Error> {
    match value {
        Ok(value) => Ok(Datum::Decimal(value)),
        Err(TooLarge) => Err(Error::Borrowed("a number of more than 38 digits")),
    }
}

fn divided(value: Option<Result<Decimal, TooLarge>>) -> Result<Datum<'static>, Error> {
    value.map_or(Err(ZERO), exact)
}

macro_rules! integers {
    ($ty:ident) => {
        [
            partial("+", &[$ty, $ty], $ty, "sum", |a| {
                fit(int(&a[0])?.checked_add(int(&a[1])?), $ty)
            }),
            partial("-", &[$ty, $ty], $ty, "difference", |a| {
                fit(int(&a[0])?.checked_sub(int(&a[1])?), $ty)
            }),
            partial("*", &[$ty, $ty], $ty, "product", |a| {
                fit(int(&a[0])?.checked_mul(int(&a[1])?), $ty)
            }),
            partial(
                "/",
                &[$ty, $ty],
                $ty,
                "quotient; of integers the whole part",
                |a| match int(&a[1])? {
                    0 => Err(ZERO),
                    divisor => fit(int(&a[0])?.checked_div(divisor), $ty),
                },
            ),
            partial(
                "%",
                &[$ty, $ty],
                $ty,
                "rest of a division, with the sign of what is divided",
                |a| match int(&a[1])? {
                    0 => Err(ZERO),
                    divisor => Ok(Datum::Int(int(&a[0])?.wrapping_rem(divisor))),
                },
            ),
            partial(
                "mod",
                &[$ty, $ty],
                $ty,
                "rest of a division",
                |a| match int(&a[1])? {
                    0 => Err(ZERO),
                    divisor => Ok(Datum::Int(int(&a[0])?.wrapping_rem(divisor))),
                },
            ),
            partial("-", &[$ty], $ty, "negative", |a| {
                fit(int(&a[0])?.checked_neg(), $ty)
            }),
            partial("abs", &[$ty], $ty, "without its sign", |a| {
                fit(int(&a[0])?.checked_abs(), $ty)
            }),
        ]
    };
}

static INT2: [Function; 8] = integers!(Int2);
static INT4: [Function; 8] = integers!(Int4);
static INT8: [Function; 8] = integers!(Int8);

fn places(value: &Datum<'_>) -> Result<i32, Error> {
    // No number has as many digits: beyond this nothing changes.
    Ok(int(value)?.clamp(-100, 100) as i32)
}

static NUMERIC: [Function; 15] = [
    partial("+", &[Numeric, Numeric], Numeric, "sum", |a| {
        exact(decimal(&a[0])?.plus(decimal(&a[1])?))
    }),
    partial("-", &[Numeric, Numeric], Numeric, "difference", |a| {
        exact(decimal(&a[0])?.minus(decimal(&a[1])?))
    }),
    partial("*", &[Numeric, Numeric], Numeric, "product", |a| {
        exact(decimal(&a[0])?.times(decimal(&a[1])?))
    }),
    partial("/", &[Numeric, Numeric], Numeric, "quotient", |a| {
        divided(decimal(&a[0])?.over(decimal(&a[1])?))
    }),
    partial(
        "%",
        &[Numeric, Numeric],
        Numeric,
        "rest of a division",
        |a| divided(decimal(&a[0])?.rest(decimal(&a[1])?)),
    ),
    partial(
        "mod",
        &[Numeric, Numeric],
        Numeric,
        "rest of a division",
        |a| divided(decimal(&a[0])?.rest(decimal(&a[1])?)),
    ),
    total("-", &[Numeric], Numeric, "negative", |a| {
        Ok(Datum::Decimal(decimal(&a[0])?.negated()))
    }),
    total("abs", &[Numeric], Numeric, "without its sign", |a| {
        let value = decimal(&a[0])?;
        Ok(Datum::Decimal(if value.digits() < 0 {
            value.negated()
        } else {
            value
        }))
    }),
    total("sign", &[Numeric], Numeric, "-1, 0 or 1", |a| {
        Ok(Datum::Decimal(Decimal::from_i64(
            decimal(&a[0])?.digits().signum() as i64,
        )))
    }),
    partial(
        "round",
        &[Numeric],
        Numeric,
        "to a whole number, half away from zero",
        |a| exact(decimal(&a[0])?.round(0)),
    ),
    partial(
        "round",
        &[Numeric, Int4],
        Numeric,
        "to so many decimals, half away from zero",
        |a| exact(decimal(&a[0])?.round(places(&a[1])?)),
    ),
    partial("trunc", &[Numeric], Numeric, "without decimals", |a| {
        exact(decimal(&a[0])?.trunc(0))
    }),
    partial(
        "trunc",
        &[Numeric, Int4],
        Numeric,
        "cut off after so many decimals",
        |a| exact(decimal(&a[0])?.trunc(places(&a[1])?)),
    ),
    partial(
        "ceil",
        &[Numeric],
        Numeric,
        "the least whole number not below",
        |a| exact(decimal(&a[0])?.ceil()),
    ),
    partial(
        "floor",
        &[Numeric],
        Numeric,
        "the greatest whole number not above",
        |a| exact(decimal(&a[0])?.floor()),
    ),
];

pub(super) static ALL: &[&[Function]] = &[&INT2, &INT4, &INT8, &NUMERIC];
