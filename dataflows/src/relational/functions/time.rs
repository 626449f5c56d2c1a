//! Days, instants and intervals.

use Type::{Date, Int4, Int8, Interval, Numeric, Text, Timestamp, TimestampTz};

use super::{Error, Function, date, instant, int, interval, partial, str, total};
use crate::relational::calendar::{
    self, DAY, HOUR, MINUTE, SECOND, add_interval, between, check_day, check_instant, civil,
    day_of, day_of_instant,
};
use crate::relational::datum::Datum;
use crate::relational::decimal::Decimal;
use crate::relational::expr::Type;

const DATE_RANGE: Error = Error::Borrowed("date out of range (years 1 to 9999)");
const INSTANT_RANGE: Error = Error::Borrowed("timestamp out of range (years 1 to 9999)");
const INTERVAL_RANGE: Error = Error::Borrowed("interval out of range");

fn told(micros: Option<i64>) -> Result<Datum<'static>, Error> {
    micros.map(Datum::Instant).ok_or(INSTANT_RANGE)
}

fn day(days: Option<i64>) -> Result<Datum<'static>, Error> {
    days.and_then(check_day).map(Datum::Date).ok_or(DATE_RANGE)
}

fn span(value: Option<calendar::Interval>) -> Result<Datum<'static>, Error> {
    value.map(Datum::Interval).ok_or(INTERVAL_RANGE)
}

fn later(micros: i64, by: calendar::Interval) -> Result<Datum<'static>, Error> {
    told(add_interval(micros, by))
}

fn earlier(micros: i64, by: calendar::Interval) -> Result<Datum<'static>, Error> {
    told(by.negated().and_then(|by| add_interval(micros, by)))
}

fn midnight(days: i32) -> i64 {
    i64::from(days) * DAY
}

macro_rules! instants {
    ($ty:ident) => {
        [
            partial("+", &[$ty, Interval], $ty, "later", |a| {
                later(instant(&a[0])?, interval(&a[1])?)
            }),
            partial("+", &[Interval, $ty], $ty, "later", |a| {
                later(instant(&a[1])?, interval(&a[0])?)
            }),
            partial("-", &[$ty, Interval], $ty, "earlier", |a| {
                earlier(instant(&a[0])?, interval(&a[1])?)
            }),
            total(
                "-",
                &[$ty, $ty],
                Interval,
                "time between, in days and hours",
                |a| Ok(Datum::Interval(between(instant(&a[0])?, instant(&a[1])?))),
            ),
            partial(
                "date_trunc",
                &[Text, $ty],
                $ty,
                "the start of its `hour`, `day`, `week`, `month`, ... (in UTC)",
                |a| trunc(str(&a[0])?, instant(&a[1])?),
            ),
            partial(
                "extract",
                &[Text, $ty],
                Numeric,
                "a field: `year`, `month`, `dow`, `hour`, `epoch`, ... (in UTC)",
                |a| extract(str(&a[0])?, instant(&a[1])?, false),
            ),
        ]
    };
}

static TIMESTAMP: [Function; 6] = instants!(Timestamp);
static TIMESTAMPTZ: [Function; 6] = instants!(TimestampTz);

static REST: [Function; 15] = [
    partial("+", &[Date, Int4], Date, "so many days later", |a| {
        day(i64::from(date(&a[0])?).checked_add(int(&a[1])?))
    }),
    partial("+", &[Int4, Date], Date, "so many days later", |a| {
        day(i64::from(date(&a[1])?).checked_add(int(&a[0])?))
    }),
    partial("-", &[Date, Int4], Date, "so many days earlier", |a| {
        day(i64::from(date(&a[0])?).checked_sub(int(&a[1])?))
    }),
    total("-", &[Date, Date], Int4, "days between", |a| {
        Ok(Datum::Int(
            i64::from(date(&a[0])?) - i64::from(date(&a[1])?),
        ))
    }),
    partial("+", &[Date, Interval], Timestamp, "later", |a| {
        later(midnight(date(&a[0])?), interval(&a[1])?)
    }),
    partial("+", &[Interval, Date], Timestamp, "later", |a| {
        later(midnight(date(&a[1])?), interval(&a[0])?)
    }),
    partial("-", &[Date, Interval], Timestamp, "earlier", |a| {
        earlier(midnight(date(&a[0])?), interval(&a[1])?)
    }),
    partial("+", &[Interval, Interval], Interval, "both together", |a| {
        span(interval(&a[0])?.plus(interval(&a[1])?))
    }),
    partial(
        "-",
        &[Interval, Interval],
        Interval,
        "one less the other",
        |a| {
            let less = interval(&a[1])?.negated().ok_or(INTERVAL_RANGE)?;
            span(interval(&a[0])?.plus(less))
        },
    ),
    partial("-", &[Interval], Interval, "backwards", |a| {
        span(interval(&a[0])?.negated())
    }),
    partial("*", &[Interval, Int8], Interval, "so many times", |a| {
        span(interval(&a[0])?.times(int(&a[1])?))
    }),
    partial("*", &[Int8, Interval], Interval, "so many times", |a| {
        span(interval(&a[1])?.times(int(&a[0])?))
    }),
    partial(
        "extract",
        &[Text, Date],
        Numeric,
        "a field: `year`, `month`, `day`, `dow`, `week`, ...",
        |a| extract(str(&a[0])?, midnight(date(&a[1])?), true),
    ),
    partial(
        "extract",
        &[Text, Interval],
        Numeric,
        "a field: `day`, `hour`, `epoch`, ...",
        |a| extract_interval(str(&a[0])?, interval(&a[1])?),
    ),
    partial(
        "make_date",
        &[Int4, Int4, Int4],
        Date,
        "the day of year, month, day",
        |a| {
            let narrow = |n: i64| u32::try_from(n).unwrap_or(0);
            let (month, of_month) = (narrow(int(&a[1])?), narrow(int(&a[2])?));
            match day_of(int(&a[0])?, month, of_month) {
                Some(days) => Ok(Datum::Date(days)),
                None => Err(Error::Borrowed("date field value out of range")),
            }
        },
    ),
];

pub(super) static ALL: &[&[Function]] = &[&TIMESTAMP, &TIMESTAMPTZ, &REST];

fn trunc(field: &str, micros: i64) -> Result<Datum<'static>, Error> {
    let unit = match field {
        "microseconds" => 1,
        "milliseconds" => 1_000,
        "second" => SECOND,
        "minute" => MINUTE,
        "hour" => HOUR,
        "day" => DAY,
        _ => 0,
    };
    if unit > 0 {
        return told(check_instant(micros.div_euclid(unit) * unit));
    }
    let days = day_of_instant(micros);
    let (year, month, _) = civil(days);
    let start = match field {
        "week" => Some(days - (days + 3).rem_euclid(7)),
        "month" => day_of(year, month, 1),
        "quarter" => day_of(year, (month - 1) / 3 * 3 + 1, 1),
        "year" => day_of(year, 1, 1),
        _ => return Err(format!("unit \"{field}\" not recognized").into()),
    };
    told(start.and_then(|days| check_instant(midnight(days))))
}

fn whole(value: i64) -> Result<Datum<'static>, Error> {
    Ok(Datum::Decimal(Decimal::from_i64(value)))
}

/// `micros` as a number with six decimals, three for milliseconds.
fn parts(micros: i64, scale: u32) -> Result<Datum<'static>, Error> {
    let value = Decimal::new(micros.into(), scale);
    value
        .map(Datum::Decimal)
        .map_err(|_| Error::Borrowed("numeric out of range"))
}

/// The ISO week of a day and the year that it belongs to.
fn iso_week(days: i32) -> (i64, i64) {
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil(thursday);
    let first = day_of(year, 1, 1).unwrap_or(thursday);
    (year, i64::from(thursday - first) / 7 + 1)
}

fn extract(field: &str, micros: i64, of_date: bool) -> Result<Datum<'static>, Error> {
    let days = day_of_instant(micros);
    let clock = micros.rem_euclid(DAY);
    let (year, month, of_month) = civil(days);
    let weekday = i64::from((days + 4).rem_euclid(7));
    whole(match field {
        "year" => year,
        "isoyear" => iso_week(days).0,
        "decade" => year.div_euclid(10),
        "quarter" => i64::from((month - 1) / 3 + 1),
        "month" => month.into(),
        "week" => iso_week(days).1,
        "day" => of_month.into(),
        "dow" => weekday,
        "isodow" => (weekday + 6) % 7 + 1,
        "doy" => i64::from(days - day_of(year, 1, 1).unwrap_or(days)) + 1,
        "epoch" if of_date => micros.div_euclid(SECOND),
        "epoch" => return parts(micros, 6),
        "hour" if !of_date => clock / HOUR,
        "minute" if !of_date => clock / MINUTE % 60,
        "second" if !of_date => return parts(clock % MINUTE, 6),
        "milliseconds" if !of_date => return parts(clock % MINUTE, 3),
        "microseconds" if !of_date => clock % MINUTE,
        _ => return Err(format!("unit \"{field}\" not recognized").into()),
    })
}

fn extract_interval(field: &str, value: calendar::Interval) -> Result<Datum<'static>, Error> {
    whole(match field {
        "year" => i64::from(value.months / 12),
        "decade" => i64::from(value.months / 120),
        "quarter" => i64::from(value.months % 12 / 3 + 1),
        "month" => i64::from(value.months % 12),
        "day" => value.days.into(),
        "hour" => value.micros / HOUR,
        "minute" => value.micros / MINUTE % 60,
        "second" => return parts(value.micros % MINUTE, 6),
        "milliseconds" => return parts(value.micros % MINUTE, 3),
        "microseconds" => value.micros % MINUTE,
        "epoch" => {
            // A year counts 365.25 days here, and a month that is none 30.
            let years = i128::from(value.months / 12) * 36_525 * i128::from(DAY) / 100;
            let days = i128::from(value.months % 12) * 30 + i128::from(value.days);
            let total = years + days * i128::from(DAY) + i128::from(value.micros);
            return Decimal::new(total, 6)
                .map(Datum::Decimal)
                .map_err(|_| INTERVAL_RANGE);
        }
        _ => return Err(format!("unit \"{field}\" not recognized for type interval").into()),
    })
}
