//! Columns of a flight, nulls and times.

use std::borrow::Cow;

use flightline_ledger::{Carrier, Date, Station};

use crate::reject::{Code, Fault, quoted};

/// The text of a null.
const NULL: &str = "NA";

macro_rules! columns {
    ($($field:ident),+) => {
        /// Places of the columns that are read, in a line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) struct Columns {
            /// How many columns the header has.
            count: usize,
            $($field: usize,)+
        }

        impl Columns {
            /// From the fields of a header; `Err` names the columns that are missing.
            pub(super) fn from_header(fields: &[Cow<'_, str>]) -> Result<Self, Vec<&'static str>> {
                let mut missing = Vec::new();
                let mut find = |name: &'static str| {
                    fields.iter().position(|field| field.trim() == name).unwrap_or_else(|| {
                        missing.push(name);
                        0
                    })
                };
                let columns = Self { count: fields.len(), $($field: find(stringify!($field)),)+ };
                if missing.is_empty() { Ok(columns) } else { Err(missing) }
            }
        }
    };
}

columns!(
    year,
    month,
    day,
    dep_time,
    sched_dep_time,
    arr_time,
    sched_arr_time,
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    distance,
    time_hour
);

/// The columns as the dataset publishes them.
pub(super) const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,\
sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour";

impl Columns {
    /// Those of [`HEADER`].
    pub(super) fn published() -> Self {
        let fields: Vec<_> = HEADER.split(',').map(Cow::Borrowed).collect();
        Self::from_header(&fields).expect("the published header has every column")
    }
}

/// A flight, as the line says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// Local day of the scheduled departure.
    pub(super) date: Date,
    /// Scheduled departure, local, in minutes of the day; 24:00 is 1440.
    pub(super) departs_min: i32,
    /// Scheduled arrival, local at the destination, in minutes of the day.
    pub(super) arrives_min: i32,
    pub(super) carrier: Carrier,
    pub(super) number: u16,
    /// Registration of the aircraft, where it is known.
    pub(super) tail: Option<&'a str>,
    pub(super) origin: Station,
    pub(super) dest: Station,
    /// Great circle, in statute miles.
    pub(super) distance_miles: i64,
    /// The scheduled hour in UTC as the dataset states it, Unix time in seconds.
    pub(super) hour_s: Option<i64>,
    /// The scheduled hour as copies of the dataset state it that lost the zone: mostly local, as if it were UTC.
    pub(super) hour_unzoned_s: Option<i64>,
    /// It did not depart.
    pub(super) cancelled: bool,
}

impl<'a> Row<'a> {
    /// Reads the fields of a line.
    pub(super) fn read(columns: &Columns, fields: &'a [Cow<'a, str>]) -> Result<Self, Fault> {
        if fields.len() != columns.count {
            return Err(Fault::new(
                Code::BadCsv,
                format!(
                    "the line has {} columns and the header {}; {}",
                    fields.len(),
                    columns.count,
                    Code::BadCsv.remedy()
                ),
            ));
        }
        let field = |place: usize| fields[place].trim();
        let date = date(
            field(columns.year),
            field(columns.month),
            field(columns.day),
        )?;
        let origin: Station = code("origin", field(columns.origin))?;
        let dest: Station = code("dest", field(columns.dest))?;
        if origin == dest {
            return Err(Fault::at(
                Code::Inconsistent,
                "dest",
                format!("{dest} is the origin too"),
            ));
        }
        let departed = clock("dep_time", field(columns.dep_time))?;
        // Read for its faults only: a line with a damaged column is not trusted with the rest.
        clock("arr_time", field(columns.arr_time))?;
        let scheduled = |name, place| {
            clock(name, field(place))?.ok_or_else(|| {
                Fault::at(
                    Code::BadTime,
                    name,
                    "is NA; a flight needs its scheduled times",
                )
            })
        };
        let flight = field(columns.flight);
        let number = number(flight)
            .and_then(|n| u16::try_from(n).ok())
            .filter(|n| (1..=9999).contains(n))
            .ok_or_else(|| {
                Fault::at(
                    Code::BadFlightKey,
                    "flight",
                    format!("{} is not 1 to 9999", quoted(flight)),
                )
            })?;
        let distance = field(columns.distance);
        let (hour_s, hour_unzoned_s) = match hour(field(columns.time_hour))? {
            Some((hour_s, true)) => (Some(hour_s), None),
            Some((hour_s, false)) => (None, Some(hour_s)),
            None => (None, None),
        };
        Ok(Self {
            date,
            departs_min: scheduled("sched_dep_time", columns.sched_dep_time)?,
            arrives_min: scheduled("sched_arr_time", columns.sched_arr_time)?,
            carrier: code("carrier", field(columns.carrier))?,
            number,
            tail: Some(field(columns.tailnum)).filter(|tail| !tail.is_empty() && *tail != NULL),
            origin,
            dest,
            // Half way round the world is 12,450 miles.
            distance_miles: self::number(distance)
                .filter(|n| (1..=13_000).contains(n))
                .ok_or_else(|| {
                    Fault::at(
                        Code::BadCount,
                        "distance",
                        format!("{} is not 1 to 13000 miles", quoted(distance)),
                    )
                })?,
            hour_s,
            hour_unzoned_s,
            cancelled: departed.is_none(),
        })
    }
}

fn code<T: std::str::FromStr<Err = flightline_ledger::codes::BadCode>>(
    name: &str,
    text: &str,
) -> Result<T, Fault> {
    text.parse()
        .map_err(|e| Fault::at(Code::BadCode, name, format!("{}: {e}", quoted(text))))
}

/// Digits only, at most nine.
fn number(text: &str) -> Option<i64> {
    let sound = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

fn date(year: &str, month: &str, day: &str) -> Result<Date, Fault> {
    let part = |text| number(text).and_then(|n| u32::try_from(n).ok());
    part(year)
        .zip(part(month))
        .zip(part(day))
        .and_then(|((y, m), d)| Date::from_ymd(i32::try_from(y).ok()?, m, d))
        .ok_or_else(|| {
            let text = format!("{year}-{month}-{day}");
            Fault::at(
                Code::BadTime,
                "year, month, day",
                format!("{} is no date between 1900 and 2999", quoted(&text)),
            )
        })
}

/// A time of day as `HHMM` without leading zeros (`517` is 05:17, `5` is 00:05, `2400` is the end
/// of the day), in minutes; `None` for a null.
fn clock(name: &str, text: &str) -> Result<Option<i32>, Fault> {
    if text == NULL {
        return Ok(None);
    }
    number(text)
        .and_then(|n| i32::try_from(n).ok())
        .filter(|n| (n / 100 < 24 && n % 100 < 60) || *n == 2400)
        .map(|n| Some(n / 100 * 60 + n % 100))
        .ok_or_else(|| {
            Fault::at(
                Code::BadTime,
                name,
                format!(
                    "{} is no time of day; write HHMM, such as 517, or NA",
                    quoted(text)
                ),
            )
        })
}

/// `2013-01-01T10:00:00Z` in seconds, and whether it says that it is in UTC: `2013-01-01 05:00:00` does
/// not. `None` for a null.
fn hour(text: &str) -> Result<Option<(i64, bool)>, Fault> {
    if text == NULL {
        return Ok(None);
    }
    let read = || {
        let day: Date = text.get(..10)?.parse().ok()?;
        let hour = number(text.get(11..13)?).filter(|h| *h < 24)?;
        let in_utc = match (text.get(10..11)?, text.get(13..)?) {
            ("T", ":00:00Z") => true,
            (" ", ":00:00") => false,
            _ => return None,
        };
        Some((i64::from(day.0) * 86_400 + hour * 3600, in_utc))
    };
    read().map(Some).ok_or_else(|| {
        Fault::at(
            Code::BadTime,
            "time_hour",
            format!(
                "{} is no hour; write it as 2013-01-01T10:00:00Z, or NA",
                quoted(text)
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";

    fn fault(column: &str, value: &str) -> Option<Fault> {
        let names: Vec<_> = HEADER.split(',').collect();
        let place = names.iter().position(|n| *n == column).unwrap();
        let mut fields: Vec<_> = GOOD.split(',').map(Cow::Borrowed).collect();
        fields[place] = Cow::Borrowed(value);
        Row::read(&Columns::published(), &fields).err()
    }

    #[test]
    fn a_row_is_read() {
        let fields: Vec<_> = GOOD.split(',').map(Cow::Borrowed).collect();
        let row = Row::read(&Columns::published(), &fields).unwrap();
        assert_eq!(row.date.to_string(), "2013-01-01");
        assert_eq!((row.departs_min, row.arrives_min), (315, 499));
        assert_eq!((row.carrier.as_str(), row.number), ("UA", 1545));
        assert_eq!(row.tail, Some("N14228"));
        assert_eq!(row.hour_s, Some(1_357_034_400));
        assert!(!row.cancelled);
    }

    #[test]
    fn times_of_day_have_no_leading_zeros() {
        for (text, minutes) in [
            ("517", Some(317)),
            ("5", Some(5)),
            ("0", Some(0)),
            ("106", Some(66)),
            ("0106", Some(66)),
            ("2359", Some(1439)),
            ("2400", Some(1440)),
            ("NA", None),
        ] {
            assert_eq!(clock("x", text), Ok(minutes), "{text}");
        }
        for text in [
            "",
            "60",
            "2360",
            "2401",
            "-5",
            "5:17",
            "517.0",
            "99999999999",
        ] {
            assert_eq!(clock("x", text).unwrap_err().code, Code::BadTime, "{text}");
        }
    }

    #[test]
    fn every_column_is_checked() {
        for (column, value, code) in [
            ("year", "13", Code::BadTime),
            ("month", "13", Code::BadTime),
            ("day", "NA", Code::BadTime),
            ("dep_time", "570", Code::BadTime),
            ("arr_time", "x", Code::BadTime),
            ("sched_dep_time", "NA", Code::BadTime),
            ("sched_arr_time", "NA", Code::BadTime),
            ("carrier", "ua", Code::BadCode),
            ("flight", "0", Code::BadFlightKey),
            ("flight", "10000", Code::BadFlightKey),
            ("flight", "+5", Code::BadFlightKey),
            ("origin", "NEWARK", Code::BadCode),
            ("dest", "EWR", Code::Inconsistent),
            ("distance", "0", Code::BadCount),
            ("distance", "1e3", Code::BadCount),
            ("time_hour", "2013-01-01T10:00:0", Code::BadTime),
        ] {
            let fault = fault(column, value).expect(column);
            assert_eq!(fault.code, code, "{column}: {}", fault.reason);
        }
        assert_eq!(fault("time_hour", "2013-01-01 05:00:00"), None);
        for bad in [
            "2013-01-01 05:00:00Z",
            "2013-01-01T05:00:00",
            "2013-01-01 05:00",
            "2013-01-01 24:00:00",
        ] {
            assert_eq!(
                fault("time_hour", bad).unwrap().code,
                Code::BadTime,
                "{bad}"
            );
        }
        assert_eq!(fault("tailnum", "NA"), None);
        assert_eq!(fault("dep_time", "NA"), None);
        assert_eq!(
            fault("air_time", "whatever"),
            None,
            "a column that is not read"
        );
    }

    #[test]
    fn columns_are_found_by_name() {
        let shuffled = "time_hour,distance,dest,origin,tailnum,flight,carrier,sched_arr_time,arr_time,sched_dep_time,dep_time,day,month,year";
        let fields: Vec<_> = shuffled.split(',').map(Cow::Borrowed).collect();
        assert!(Columns::from_header(&fields).is_ok());
        assert_eq!(
            Columns::from_header(&fields[2..]).unwrap_err(),
            ["distance", "time_hour"]
        );
    }
}
