//! Local times, and offsets that lie.

use std::fmt::Display;

use flightline_ledger::{Date, Station};

use crate::airports::{LocalTime, Zone, airports};
use crate::canonical::time;
use crate::reference;
use crate::reject::{Code, Fault, quoted};

/// A time at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Unix time in seconds.
    pub(crate) instant_s: i64,
    /// Local time minus UTC, in minutes.
    pub(crate) offset_min: i16,
}

impl Moment {
    /// The local day.
    pub(crate) fn day(&self) -> Date {
        time::date_of(self.instant_s + i64::from(self.offset_min) * 60)
    }
}

/// A time as it was written, settled as local time at its station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    /// The local time taken at its word.
    pub(crate) moment: Moment,
    /// The same with the stated offset, where one is stated and is not that of the zone.
    pub(crate) as_stated: Option<Moment>,
    /// What was decided where clocks change.
    pub(crate) warning: Option<String>,
}

/// The time zone of a station; `stated`: what the message calls it.
fn zone(field: impl Display, station: Station, stated: Option<&str>) -> Result<Zone, Fault> {
    if let Some(airport) = airports().get(station) {
        return Ok(airport.zone);
    }
    if let Some(zone) = stated.and_then(Zone::named) {
        return Ok(zone);
    }
    // A city with several airports is the usual mistake.
    let reason = match reference::cities().iter().find(|city| city.iata == station) {
        Some(city) => format!(
            "{station} is the city of {}, not an airport: name one of {}",
            city.name,
            city.airports
                .iter()
                .map(Station::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        None => format!(
            "the time zone of {station} is unknown; {}",
            Code::UnknownAirport.remedy()
        ),
    };
    Err(Fault::at(Code::UnknownAirport, field, reason))
}

/// Reads a time at a station, written as `2027-01-05T05:15:00` with or without an offset.
pub(crate) fn local(
    field: impl Display + Copy,
    text: &str,
    station: Station,
    stated_zone: Option<&str>,
) -> Result<Local, Fault> {
    let (wall_s, offset_min) = time::wall_and_offset(text)
        .map_err(|why| Fault::at(Code::BadTime, field, format!("{}: {why}", quoted(text))))?;
    let zone = zone(field, station, stated_zone)?;
    let (moment, remark) = settle_wall(zone, wall_s);
    let as_stated = offset_min
        .map(|offset_min| Moment {
            instant_s: wall_s - i64::from(offset_min) * 60,
            offset_min: zone.offset_min(wall_s - i64::from(offset_min) * 60),
        })
        .filter(|stated| stated.instant_s != moment.instant_s);
    Ok(Local {
        moment: in_range(field, text, moment)?,
        as_stated,
        warning: remark.map(|remark| format!("{field}: {}: {remark}", quoted(text))),
    })
}

/// A local time given as day and minute of the day.
pub(crate) fn settle(
    field: impl Display + Copy,
    day: Date,
    minute: i64,
    station: Station,
) -> Result<Local, Fault> {
    let zone = zone(field, station, None)?;
    let (moment, remark) = settle_wall(zone, i64::from(day.0) * 86_400 + minute * 60);
    Ok(Local {
        moment,
        as_stated: None,
        warning: remark.map(|remark| format!("{field}: {remark}")),
    })
}

/// An instant in milliseconds. Without an offset it is taken as UTC, which the caller may remark on.
pub(crate) fn instant_ms(field: impl Display, text: &str) -> Result<(i64, bool), Fault> {
    let (wall_s, offset_min) = time::wall_and_offset(text)
        .map_err(|why| Fault::at(Code::BadTime, &field, format!("{}: {why}", quoted(text))))?;
    let instant_s = wall_s - i64::from(offset_min.unwrap_or(0)) * 60;
    let ms = time::milliseconds(text);
    Ok((instant_s * 1000 + ms, offset_min.is_some()))
}

/// Minutes of an ISO 8601 duration such as `PT7H35M` or `P0Y0M0DT0H59M0S`; `None` where it is none, or
/// has years or months, which have no length.
pub(crate) fn minutes_of(text: &str) -> Option<i64> {
    let rest = text.strip_prefix('P')?;
    let (days, times) = rest.split_once('T').unwrap_or((rest, ""));
    let mut minutes = 0_i64;
    let mut part = |text: &str, units: &[(char, i64)]| -> Option<()> {
        let mut number = String::new();
        for c in text.chars() {
            if c.is_ascii_digit() {
                if number.len() > 6 {
                    return None;
                }
                number.push(c);
                continue;
            }
            let (_, worth) = units.iter().find(|(unit, _)| *unit == c)?;
            let n: i64 = number.parse().ok()?;
            if *worth == 0 && n != 0 {
                return None;
            }
            // Seconds are no part of a timetable.
            minutes += n * worth.max(&0);
            number.clear();
        }
        number.is_empty().then_some(())
    };
    part(days, &[('Y', 0), ('M', 0), ('W', 7 * 1440), ('D', 1440)])?;
    part(times, &[('H', 60), ('M', 1), ('S', 0)])?;
    Some(minutes)
}

/// Minutes of the day of a time written HHMM; 2400 is the end of the day.
pub(crate) fn minutes_hhmm(text: &str) -> Option<i64> {
    if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hhmm: i64 = text.parse().ok()?;
    let (hours, minutes) = (hhmm / 100, hhmm % 100);
    (minutes < 60 && (hours < 24 || hhmm == 2400)).then_some(hours * 60 + minutes)
}

/// A day written DDMMYY.
pub(crate) fn day_ddmmyy(text: &str) -> Option<Date> {
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let year = part(4..6)? as i32;
    // Displays of the last century are kept as examples: nothing is shown seventy years ahead.
    let century = if year >= 70 { 1900 } else { 2000 };
    Date::from_ymd(century + year, part(2..4)?, part(0..2)?)
}

fn settle_wall(zone: Zone, wall_s: i64) -> (Moment, Option<&'static str>) {
    let (offset_min, remark) = match zone.local(wall_s) {
        LocalTime::Once(offset_min) => (offset_min, None),
        // The earlier of the two: sale closes too early rather than too late.
        LocalTime::Twice(earlier, _) => (
            earlier,
            Some("clocks are turned back then and the time comes twice: the first was taken"),
        ),
        LocalTime::Never(before) => (
            before,
            Some("clocks are turned forward over it: taken as not yet turned"),
        ),
    };
    let instant_s = wall_s - i64::from(offset_min) * 60;
    let moment = Moment {
        instant_s,
        offset_min: zone.offset_min(instant_s),
    };
    (moment, remark)
}

fn in_range(field: impl Display, text: &str, moment: Moment) -> Result<Moment, Fault> {
    // Days of the first and last year are left out, so that every local day is one, too.
    let (first, last) = (Date::from_ymd(1901, 1, 1), Date::from_ymd(2998, 12, 31));
    let day = Some(moment.day());
    if first <= day && day <= last {
        Ok(moment)
    } else {
        Err(Fault::at(
            Code::BadTime,
            field,
            format!("{}: the year is not 1901 to 2998", quoted(text)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, station: &str) -> Result<Local, Fault> {
        local("departs", text, station.parse().unwrap(), None)
    }

    #[test]
    fn a_bare_local_time_is_one_of_its_station() {
        let kathmandu = read("2027-01-05T05:15:00", "KTM").unwrap();
        assert_eq!(kathmandu.moment.offset_min, 345);
        assert_eq!(kathmandu.moment.instant_s, 1_799_105_400);
        assert_eq!(kathmandu.as_stated, None);
    }

    #[test]
    fn a_metropolitan_code_is_no_airport() {
        let fault = read("2027-01-05T05:15:00", "LON").unwrap_err();
        assert_eq!(fault.code, Code::UnknownAirport);
        assert!(fault.reason.contains("LHR"), "{}", fault.reason);
        let fault = read("2027-01-05T05:15:00", "QQQ").unwrap_err();
        assert!(fault.reason.contains("QQQ"), "{}", fault.reason);
        // A message may say more than the list of airports knows.
        let stated = local(
            "departs",
            "2027-01-05T05:15:00",
            "QQQ".parse().unwrap(),
            Some("Europe/Paris"),
        );
        assert_eq!(stated.unwrap().moment.offset_min, 60);
    }

    #[test]
    fn an_offset_of_another_place_is_kept_beside_the_local_time() {
        let auh = read("2027-01-05T02:30:00+01:00", "AUH").unwrap();
        assert_eq!(auh.moment.offset_min, 240);
        let stated = auh.as_stated.unwrap();
        assert_eq!(stated.instant_s - auh.moment.instant_s, 3 * 3600);
        assert_eq!(
            read("2027-01-05T02:30:00+04:00", "AUH").unwrap().as_stated,
            None
        );
    }

    #[test]
    fn changes_of_clocks_are_settled_and_told() {
        let gap = read("2027-03-28T02:30:00", "CDG").unwrap();
        assert_eq!(gap.moment.offset_min, 120);
        assert!(gap.warning.unwrap().contains("forward"));
        let fold = read("2027-10-31T02:30:00", "CDG").unwrap();
        assert_eq!(fold.moment.offset_min, 120);
        assert!(fold.warning.unwrap().contains("twice"));
    }

    #[test]
    fn durations_are_minutes() {
        for (text, want) in [
            ("PT7H35M", Some(455)),
            ("PT02H26M", Some(146)),
            ("P0Y0M0DT0H59M0S", Some(59)),
            ("P1DT1H", Some(1500)),
            ("P1M", None),
            ("7H", None),
            ("PT7", None),
            ("PT99999999999H", None),
        ] {
            assert_eq!(minutes_of(text), want, "{text}");
        }
    }

    #[test]
    fn instants_keep_their_milliseconds() {
        assert_eq!(
            instant_ms("x", "2021-12-21T15:25:13.167715Z").unwrap(),
            (1_640_100_313_167, true)
        );
        assert_eq!(
            instant_ms("x", "2021-12-21T15:25:13").unwrap(),
            (1_640_100_313_000, false)
        );
        assert!(instant_ms("x", "soon").is_err());
    }
}
