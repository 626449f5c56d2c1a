//! Times as texts: `2027-01-05T05:15:00-05:00`, `2027-01-05T10:15:00Z`, `2027-01-05T05:15`.
//!
//! Read by hand: there is one form, it is met four times per schedule line, and the reason of a
//! fault must say which part of it is wrong.

use std::fmt::{Arguments, Display};

use flightline_ledger::{Date, Station};

use crate::airports::{LocalTime, airports};
use crate::reject::{Code, Fault, quoted};

/// How far from UTC any place keeps its clocks, in minutes, with room to spare.
const OFFSET_MIN_MAX: i16 = 14 * 60;

const FORM: &str = "write it as 2027-01-05T05:15:00-05:00";

/// The offset a text states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stated {
    /// None: a local time.
    Nothing,
    /// `Z`: UTC, and nothing about local time.
    Utc,
    /// `+hh:mm` or `-hh:mm`, in minutes.
    Minutes(i16),
}

/// A text's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// Date and time of day as if they were UTC, in seconds.
    wall_s: i64,
    /// Fraction of the second, cut to milliseconds.
    milliseconds: i64,
    stated: Stated,
}

/// An instant with the local time of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Unix time in seconds.
    pub(crate) instant_s: i64,
    /// Local time minus UTC, in minutes.
    pub(crate) offset_min: i16,
    /// The offset that the zone database has there then, when the stated one is another.
    pub(crate) zone_disagrees: Option<i16>,
}

/// The last second of 2999, the last instant that the ledger takes.
const INSTANT_S_MAX: i64 = 32_503_679_999;
/// The first second of 1900.
const INSTANT_S_MIN: i64 = -2_208_988_800;

fn read(text: &str) -> Result<Stamp, String> {
    let bytes = text.as_bytes();
    let number = |at: usize| -> Option<i64> {
        match bytes.get(at..at + 2)? {
            [a @ b'0'..=b'9', b @ b'0'..=b'9'] => {
                Some(i64::from(a - b'0') * 10 + i64::from(b - b'0'))
            }
            _ => None,
        }
    };
    let date: Date = text
        .get(..10)
        .ok_or(FORM)?
        .parse()
        .map_err(|_| format!("there is no such date between 1900 and 2999; {FORM}"))?;
    if bytes.get(10) != Some(&b'T') || bytes.get(13) != Some(&b':') {
        return Err(FORM.to_owned());
    }
    let hour = number(11).filter(|n| *n < 24);
    let minute = number(14).filter(|n| *n < 60);
    let (Some(hour), Some(minute)) = (hour, minute) else {
        return Err(format!("hours are 00 to 23 and minutes 00 to 59; {FORM}"));
    };
    let mut at = 16;
    let mut second = 0;
    let mut milliseconds = 0;
    if bytes.get(at) == Some(&b':') {
        second = number(at + 1)
            .filter(|n| *n < 60)
            .ok_or_else(|| format!("seconds are 00 to 59; {FORM}"))?;
        at += 3;
        if bytes.get(at) == Some(&b'.') {
            let digits = bytes[at + 1..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            if digits == 0 {
                return Err(format!("no digits after the point; {FORM}"));
            }
            for n in 0..3 {
                let digit = bytes.get(at + 1 + n).filter(|_| n < digits);
                milliseconds = milliseconds * 10 + digit.map_or(0, |b| i64::from(b - b'0'));
            }
            at += 1 + digits;
        }
    }
    let stated = match &bytes[at..] {
        [] => Stated::Nothing,
        [b'Z'] => Stated::Utc,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let minutes = number(at + 1)
                .zip(number(at + 4).filter(|n| *n < 60))
                .and_then(|(h, m)| i16::try_from(h * 60 + m).ok())
                .filter(|n| *n <= OFFSET_MIN_MAX)
                .ok_or_else(|| format!("an offset is -14:00 to +14:00; {FORM}"))?;
            Stated::Minutes(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => return Err(FORM.to_owned()),
    };
    Ok(Stamp {
        wall_s: i64::from(date.0) * 86_400 + hour * 3600 + minute * 60 + second,
        milliseconds,
        stated,
    })
}

/// Date and time of day as if they were UTC, in seconds, and the stated offset in minutes. `Err` says
/// what is wrong.
pub(crate) fn wall_and_offset(text: &str) -> Result<(i64, Option<i16>), String> {
    let stamp = read(text)?;
    Ok((
        stamp.wall_s,
        match stamp.stated {
            Stated::Nothing => None,
            Stated::Utc => Some(0),
            Stated::Minutes(minutes) => Some(minutes),
        },
    ))
}

/// The milliseconds of a time's second; 0 where there are none.
pub(crate) fn milliseconds(text: &str) -> i64 {
    read(text).map_or(0, |stamp| stamp.milliseconds)
}

fn fault(field: impl Display, text: &str, reason: impl Display) -> Fault {
    Fault::at(Code::BadTime, field, format!("{}: {reason}", quoted(text)))
}

/// An instant in milliseconds. The text must state its offset.
pub(crate) fn instant_ms(field: &str, text: &str) -> Result<i64, Fault> {
    let stamp = read(text).map_err(|e| fault(field, text, e))?;
    let offset_min = match stamp.stated {
        Stated::Utc => 0,
        Stated::Minutes(minutes) => minutes,
        Stated::Nothing => {
            return Err(fault(
                field,
                text,
                "the time needs an offset, such as Z at its end for UTC",
            ));
        }
    };
    let instant_s = in_range(field, text, stamp.wall_s - i64::from(offset_min) * 60)?;
    Ok(instant_s * 1000 + stamp.milliseconds)
}

fn in_range(field: impl Display, text: &str, instant_s: i64) -> Result<i64, Fault> {
    if (INSTANT_S_MIN..=INSTANT_S_MAX).contains(&instant_s) {
        Ok(instant_s)
    } else {
        Err(fault(
            field,
            text,
            "the time is outside of 1900 to 2999 in UTC",
        ))
    }
}

/// A time at a station.
///
/// With an offset: the instant is as stated. `Z` says nothing about local time: the offset is the
/// zone's (0 when the station is unknown). Without offset: local time at the station; it must be
/// known, and the time must exist there and once only.
pub(crate) fn moment(
    field: Arguments<'_>,
    text: &str,
    station: Option<Station>,
) -> Result<Moment, Fault> {
    let stamp = read(text).map_err(|e| fault(field, text, e))?;
    let zone = station
        .and_then(|station| airports().get(station))
        .map(|airport| airport.zone);
    let (instant_s, offset_min, zone_disagrees) = match stamp.stated {
        Stated::Minutes(minutes) => {
            let instant_s = stamp.wall_s - i64::from(minutes) * 60;
            let there = zone.map(|zone| zone.offset_min(instant_s));
            (instant_s, minutes, there.filter(|there| *there != minutes))
        }
        Stated::Utc => {
            let offset_min = zone.map_or(0, |zone| zone.offset_min(stamp.wall_s));
            (stamp.wall_s, offset_min, None)
        }
        Stated::Nothing => {
            let offset_min = local_offset_min(field, text, stamp.wall_s, station)?;
            (stamp.wall_s - i64::from(offset_min) * 60, offset_min, None)
        }
    };
    Ok(Moment {
        instant_s: in_range(field, text, instant_s)?,
        offset_min,
        zone_disagrees,
    })
}

fn local_offset_min(
    field: Arguments<'_>,
    text: &str,
    wall_s: i64,
    station: Option<Station>,
) -> Result<i16, Fault> {
    let Some(station) = station else {
        return Err(fault(
            field,
            text,
            "a local time needs its station: name off, or state the offset as in 2027-01-05T05:15:00-05:00",
        ));
    };
    let Some(airport) = airports().get(station) else {
        return Err(Fault::at(
            Code::UnknownAirport,
            field,
            format!(
                "{}: the time zone of {station} is unknown; state the offset as in 2027-01-05T05:15:00-05:00",
                quoted(text)
            ),
        ));
    };
    let zone = airport.zone;
    match zone.local(wall_s) {
        LocalTime::Once(offset_min) => Ok(offset_min),
        LocalTime::Twice(..) => Err(fault(
            field,
            text,
            format_args!(
                "clocks are turned back then in {}, so that this time comes twice; state the offset",
                zone.name()
            ),
        )),
        LocalTime::Never(_) => Err(fault(
            field,
            text,
            format_args!(
                "clocks are turned forward then in {}, so that there is no such time; state the offset",
                zone.name()
            ),
        )),
    }
}

/// The text of a time at a place.
pub(crate) fn moment_text(instant_s: i64, offset_min: i16) -> String {
    let (date, h, m, s) = wall(instant_s + i64::from(offset_min) * 60);
    format!("{date}T{h:02}:{m:02}:{s:02}{}", offset_text(offset_min))
}

/// An offset as it is written: `-05:00`.
pub(crate) fn offset_text(offset_min: i16) -> String {
    let sign = if offset_min < 0 { '-' } else { '+' };
    let minutes = offset_min.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The text of an instant in milliseconds, in UTC.
pub(crate) fn instant_text(instant_ms: i64) -> String {
    let (date, h, m, s) = wall(instant_ms.div_euclid(1000));
    match instant_ms.rem_euclid(1000) {
        0 => format!("{date}T{h:02}:{m:02}:{s:02}Z"),
        ms => format!("{date}T{h:02}:{m:02}:{s:02}.{ms:03}Z"),
    }
}

/// The calendar day on which a clock shows `wall_s`, and the time of day.
fn wall(wall_s: i64) -> (Date, i64, i64, i64) {
    let second = wall_s.rem_euclid(86_400);
    (
        date_of(wall_s),
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}

/// The calendar day on which a clock shows `wall_s`.
pub(crate) fn date_of(wall_s: i64) -> Date {
    // Saturates far outside of the years that are ever read.
    let days = wall_s.div_euclid(86_400);
    Date(days.clamp(i64::from(i32::MIN / 2), i64::from(i32::MAX / 2)) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, station: &str) -> Result<(String, Option<i16>), Fault> {
        let moment = moment(format_args!("departs"), text, station.parse().ok())?;
        Ok((
            moment_text(moment.instant_s, moment.offset_min),
            moment.zone_disagrees,
        ))
    }

    #[test]
    fn times_are_read_in_their_three_forms() {
        for (text, station, want, disagrees) in [
            (
                "2027-01-05T05:15:00-05:00",
                "EWR",
                "2027-01-05T05:15:00-05:00",
                None,
            ),
            (
                "2027-01-05T05:15-05:00",
                "EWR",
                "2027-01-05T05:15:00-05:00",
                None,
            ),
            (
                "2027-01-05T10:15:00Z",
                "EWR",
                "2027-01-05T05:15:00-05:00",
                None,
            ),
            (
                "2027-01-05T10:15:00.000000Z",
                "EWR",
                "2027-01-05T05:15:00-05:00",
                None,
            ),
            ("2027-01-05T05:15", "EWR", "2027-01-05T05:15:00-05:00", None),
            (
                "2027-07-05T05:15:00",
                "EWR",
                "2027-07-05T05:15:00-04:00",
                None,
            ),
            (
                "2027-01-05T05:15:00-06:00",
                "EWR",
                "2027-01-05T05:15:00-06:00",
                Some(-300),
            ),
            (
                "2027-01-05T05:15:00+00:00",
                "XXX",
                "2027-01-05T05:15:00+00:00",
                None,
            ),
            (
                "2027-01-05T05:15:00Z",
                "XXX",
                "2027-01-05T05:15:00+00:00",
                None,
            ),
            (
                "2027-01-05T05:15:00+05:45",
                "KTM",
                "2027-01-05T05:15:00+05:45",
                None,
            ),
            // Through the fold with an offset.
            (
                "2026-11-01T01:30:00-04:00",
                "EWR",
                "2026-11-01T01:30:00-04:00",
                None,
            ),
            (
                "2026-11-01T01:30:00-05:00",
                "EWR",
                "2026-11-01T01:30:00-05:00",
                None,
            ),
        ] {
            assert_eq!(
                at(text, station).unwrap(),
                (want.to_owned(), disagrees),
                "{text}"
            );
        }
    }

    #[test]
    fn faults_of_times_say_what_is_wrong() {
        for (text, station, want) in [
            ("", "EWR", FORM),
            ("2027-02-30T05:15:00Z", "EWR", "no such date"),
            ("1899-12-31T05:15:00Z", "EWR", "no such date"),
            ("1900-01-01T00:00:00+01:00", "XXX", "outside of 1900"),
            ("2027-01-05 05:15:00Z", "EWR", FORM),
            ("2027-01-05T24:00:00Z", "EWR", "hours are"),
            ("2027-01-05T05:60:00Z", "EWR", "hours are"),
            ("2027-01-05T05:15:60Z", "EWR", "seconds are"),
            ("2027-01-05T05:15:00.Z", "EWR", "no digits"),
            ("2027-01-05T05:15:00+0500", "EWR", FORM),
            ("2027-01-05T05:15:00+14:01", "EWR", "an offset is"),
            ("2027-01-05T05:15:00Zx", "EWR", FORM),
            ("2027-01-05T05:1", "EWR", "minutes 00"),
            ("２027-01-05T05:15:00Z", "EWR", FORM),
            ("2027-03-14T02:30:00", "EWR", "no such time"),
            ("2026-11-01T01:30:00", "EWR", "comes twice"),
            ("2027-01-05T05:15:00", "XXX", "time zone of XXX"),
            ("2027-01-05T05:15:00", "", "needs its station"),
        ] {
            let fault = at(text, station).unwrap_err();
            assert!(fault.reason.contains(want), "{text}: {}", fault.reason);
            assert!(fault.reason.starts_with("departs: "), "{}", fault.reason);
        }
    }

    #[test]
    fn instants_keep_milliseconds_and_need_an_offset() {
        for (text, want) in [
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00.1239Z", "2026-11-22T10:00:00.123Z"),
            ("2026-11-22T10:00:00.5+01:00", "2026-11-22T09:00:00.500Z"),
        ] {
            let ms = instant_ms("time", text).unwrap();
            assert_eq!(instant_text(ms), want);
            assert_eq!(instant_ms("time", want), Ok(ms));
        }
        let fault = instant_ms("time", "2026-11-22T10:00:00").unwrap_err();
        assert_eq!(fault.code, Code::BadTime);
        assert!(fault.reason.contains("needs an offset"));
        assert_eq!(instant_text(-1), "1969-12-31T23:59:59.999Z");
    }
}
