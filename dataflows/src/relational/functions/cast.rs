//! From one type to another.

use Type::{Bool, Date, Int2, Int4, Int8, Interval, Numeric, Text, Timestamp, TimestampTz};

use super::{Error, Function, date, decimal, instant, int, partial, str, total};
use crate::relational::calendar::{
    self, DAY, ShowDay, ShowInstant, day_of_instant, parse_day, parse_instant,
};
use crate::relational::datum::Datum;
use crate::relational::decimal::Decimal;
use crate::relational::expr::Type;

/// The cast, if there is one. Called as a function it is named `cast` and takes one value.
pub(crate) fn find(from: Type, to: Type) -> Option<&'static Function> {
    CASTS
        .iter()
        .find(|cast| cast.args == [from] && cast.result == to)
}

/// Rounds to a scale and refuses what does not fit into so many digits: `numeric(p, s)`.
pub(crate) static FIT: Function = partial(
    "numeric",
    &[Numeric, Int4, Int4],
    Numeric,
    "rounded to a precision and scale",
    |a| {
        let (precision, scale) = (int(&a[1])?, int(&a[2])?);
        let rounded = decimal(&a[0])?.round(scale as i32);
        let fits = |value: &Decimal| {
            value.digits().unsigned_abs() < 10_u128.saturating_pow(precision.clamp(0, 38) as u32)
        };
        match rounded.ok().filter(fits) {
            Some(value) => Ok(Datum::Decimal(value)),
            None => Err(format!("numeric field overflow: it has more than {precision} digits, {scale} of them decimals").into()),
        }
    },
);

/// The value that a literal in quotes stands for.
pub(crate) fn parse(text: &str, ty: Type) -> Result<Datum<'static>, Error> {
    let bad = || Error::from(format!("invalid input syntax for type {ty}: \"{text}\""));
    let plain = text.trim();
    Ok(match ty {
        Text | Type::Unknown => Datum::made(text),
        Bool => match plain.to_ascii_lowercase().as_str() {
            "t" | "true" | "yes" | "y" | "on" | "1" => Datum::Bool(true),
            "f" | "false" | "no" | "n" | "off" | "0" => Datum::Bool(false),
            _ => return Err(bad()),
        },
        Int2 | Int4 | Int8 => {
            let value: i128 = plain.parse().map_err(|_| bad())?;
            let (min, max): (i128, i128) = match ty {
                Int2 => (i16::MIN.into(), i16::MAX.into()),
                Int4 => (i32::MIN.into(), i32::MAX.into()),
                _ => (i64::MIN.into(), i64::MAX.into()),
            };
            if !(min..=max).contains(&value) {
                return Err(format!("value \"{text}\" is out of range for type {ty}").into());
            }
            Datum::Int(value as i64)
        }
        Numeric => Datum::Decimal(Decimal::parse(plain).ok_or_else(bad)?),
        Date => match parse_instant(plain, false) {
            Some(micros) => Datum::Date(day_of_instant(micros)),
            None => Datum::Date(parse_day(plain).ok_or_else(bad)?),
        },
        Timestamp => Datum::Instant(parse_instant(plain, false).ok_or_else(bad)?),
        TimestampTz => Datum::Instant(parse_instant(plain, true).ok_or_else(bad)?),
        Interval => Datum::Interval(calendar::Interval::parse(plain).ok_or_else(bad)?),
    })
}

fn narrow(value: Option<i64>, ty: Type) -> Result<Datum<'static>, Error> {
    let fits = value.filter(|value| match ty {
        Int2 => i16::try_from(*value).is_ok(),
        Int4 => i32::try_from(*value).is_ok(),
        _ => true,
    });
    match fits {
        Some(value) => Ok(Datum::Int(value)),
        None => Err(format!("{ty} out of range").into()),
    }
}

const HELP: &str = "cast";

macro_rules! same {
    ($from:ident, $to:ident) => {
        total("cast", &[$from], $to, HELP, |a| Ok(a[0].clone()))
    };
}

macro_rules! narrow {
    ($from:ident, $to:ident) => {
        partial("cast", &[$from], $to, HELP, |a| {
            narrow(Some(int(&a[0])?), $to)
        })
    };
}

macro_rules! read {
    ($to:ident) => {
        partial("cast", &[Text], $to, HELP, |a| parse(str(&a[0])?, $to))
    };
}

macro_rules! show {
    ($from:ident, $show:expr) => {
        total("cast", &[$from], Text, HELP, |a| {
            Ok(Datum::made($show(&a[0])?))
        })
    };
}

fn plain(value: &Datum<'_>) -> Result<String, Error> {
    Ok(value.to_string())
}

static CASTS: [Function; 47] = [
    same!(Int2, Int4),
    same!(Int2, Int8),
    same!(Int4, Int8),
    narrow!(Int4, Int2),
    narrow!(Int8, Int2),
    narrow!(Int8, Int4),
    total("cast", &[Int2], Numeric, HELP, |a| {
        Ok(Datum::Decimal(decimal(&a[0])?))
    }),
    total("cast", &[Int4], Numeric, HELP, |a| {
        Ok(Datum::Decimal(decimal(&a[0])?))
    }),
    total("cast", &[Int8], Numeric, HELP, |a| {
        Ok(Datum::Decimal(decimal(&a[0])?))
    }),
    partial("cast", &[Numeric], Int2, HELP, |a| {
        narrow(decimal(&a[0])?.to_i64(), Int2)
    }),
    partial("cast", &[Numeric], Int4, HELP, |a| {
        narrow(decimal(&a[0])?.to_i64(), Int4)
    }),
    partial("cast", &[Numeric], Int8, HELP, |a| {
        narrow(decimal(&a[0])?.to_i64(), Int8)
    }),
    total("cast", &[Bool], Int4, HELP, |a| {
        Ok(Datum::Int((a[0] == Datum::Bool(true)).into()))
    }),
    total("cast", &[Int4], Bool, HELP, |a| {
        Ok(Datum::Bool(int(&a[0])? != 0))
    }),
    total("cast", &[Date], Timestamp, HELP, |a| {
        Ok(Datum::Instant(i64::from(date(&a[0])?) * DAY))
    }),
    total("cast", &[Date], TimestampTz, HELP, |a| {
        Ok(Datum::Instant(i64::from(date(&a[0])?) * DAY))
    }),
    total("cast", &[Timestamp], Date, HELP, |a| {
        Ok(Datum::Date(day_of_instant(instant(&a[0])?)))
    }),
    total("cast", &[TimestampTz], Date, HELP, |a| {
        Ok(Datum::Date(day_of_instant(instant(&a[0])?)))
    }),
    same!(Timestamp, TimestampTz),
    same!(TimestampTz, Timestamp),
    read!(Bool),
    read!(Int2),
    read!(Int4),
    read!(Int8),
    read!(Numeric),
    read!(Date),
    read!(Timestamp),
    read!(TimestampTz),
    read!(Interval),
    show!(Bool, plain),
    show!(Int2, plain),
    show!(Int4, plain),
    show!(Int8, plain),
    show!(Numeric, plain),
    show!(Interval, plain),
    show!(Date, |value: &Datum<'_>| -> Result<String, Error> {
        Ok(ShowDay(date(value)?).to_string())
    }),
    show!(Timestamp, |value: &Datum<'_>| -> Result<String, Error> {
        Ok(ShowInstant(instant(value)?, false).to_string())
    }),
    show!(TimestampTz, |value: &Datum<'_>| -> Result<String, Error> {
        Ok(ShowInstant(instant(value)?, true).to_string())
    }),
    same!(Bool, Bool),
    same!(Int2, Int2),
    same!(Int4, Int4),
    same!(Int8, Int8),
    same!(Numeric, Numeric),
    same!(Text, Text),
    same!(Date, Date),
    same!(Interval, Interval),
    same!(Timestamp, Timestamp),
];
