//! Local times to instants, and the day of arrival.

use flightline_ledger::{Date, Station};

use super::row::Row;
use crate::airports::{LocalTime, Zone, airports};
use crate::reject::{Code, Fault};

const DAY_S: i64 = 86_400;

/// A local time at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Unix time in seconds.
    pub(super) instant_s: i64,
    /// Local time minus UTC, in minutes.
    pub(super) offset_min: i16,
    /// What was decided about a local time that falls into a change of clocks.
    pub(super) clock_change: Option<&'static str>,
}

/// Times of a flight, with what had to be worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) departs: Moment,
    pub(super) arrives: Moment,
    /// Local day of departure, after the shift.
    pub(super) origin_date: Date,
    /// It arrives on another local day than it departs: worked out, since no day is given.
    pub(super) arrival_day_repaired: bool,
    /// The hour that the dataset states in UTC is another one than the zone gives.
    pub(super) hour_mismatch: bool,
}

/// Works the times out. `shift_days` moves the local date; offsets are those of the new date.
pub(super) fn times(row: &Row<'_>, shift_days: i32) -> Result<Times, Fault> {
    let departure_zone = zone("origin", row.origin)?;
    let arrival_zone = zone("dest", row.dest)?;
    let midnight_s = i64::from(row.date.0) * DAY_S;
    let shifted_s = midnight_s + i64::from(shift_days) * DAY_S;
    let departs = moment(departure_zone, shifted_s, row.departs_min);

    // The day whose block time is nearest to what the distance takes at 450 miles an hour plus 35
    // minutes on the ground; of two as near, the earlier. Fifteenths of a minute keep it whole.
    let expected = 2 * row.distance_miles + 35 * 15;
    let mut best: Option<(i64, Moment)> = None;
    for day in -1..=2 {
        let arrives = moment(arrival_zone, shifted_s + day * DAY_S, row.arrives_min);
        let block_min = (arrives.instant_s - departs.instant_s).div_euclid(60);
        let off_by = (15 * block_min - expected).abs();
        if block_min > 0 && best.is_none_or(|(least, _)| off_by < least) {
            best = Some((off_by, arrives));
        }
    }
    let Some((_, arrives)) = best else {
        return Err(Fault::at(
            Code::Inconsistent,
            "sched_arr_time",
            "on no day does it come after the departure",
        ));
    };
    let origin_date = local_day(departs);
    // Two days from the ends of what the ledger takes, so that every instant lies inside.
    let first = Date::from_ymd(1900, 1, 3).unwrap_or_default();
    let last = Date::from_ymd(2999, 12, 29).unwrap_or_default();
    if !(first..=last).contains(&origin_date) {
        return Err(Fault::at(
            Code::BadTime,
            "year, month, day",
            format!(
                "{} shifted by {shift_days} days is not between {first} and {last}",
                row.date
            ),
        ));
    }
    Ok(Times {
        departs,
        arrives,
        origin_date,
        arrival_day_repaired: local_day(arrives) != origin_date,
        hour_mismatch: row.hour_s.or(row.hour_unzoned_s).is_some_and(|stated_s| {
            let own_s = if shift_days == 0 {
                departs.instant_s
            } else {
                moment(departure_zone, midnight_s, row.departs_min).instant_s
            };
            let hour = |s: i64| s.div_euclid(3600) * 3600;
            let local = row.hour_unzoned_s.is_some()
                && hour(midnight_s + i64::from(row.departs_min) * 60) == stated_s;
            hour(own_s) != stated_s && !local
        }),
    })
}

fn zone(column: &str, station: Station) -> Result<Zone, Fault> {
    match airports().get(station) {
        Some(airport) => Ok(airport.zone),
        None => Err(Fault::at(
            Code::UnknownAirport,
            column,
            format!(
                "the time zone of {station} is unknown; {}",
                Code::UnknownAirport.remedy()
            ),
        )),
    }
}

fn moment(zone: Zone, day_s: i64, minutes: i32) -> Moment {
    let wall_s = day_s + i64::from(minutes) * 60;
    let (offset_min, clock_change) = match zone.local(wall_s) {
        LocalTime::Once(offset_min) => (offset_min, None),
        // The earlier of the two: sale closes too early rather than too late.
        LocalTime::Twice(earlier, _) => (earlier, Some("comes twice: the first was taken")),
        LocalTime::Never(before) => (
            before,
            Some("does not exist: the clock was taken as not yet changed"),
        ),
    };
    let instant_s = wall_s - i64::from(offset_min) * 60;
    Moment {
        instant_s,
        // In a gap, the offset that holds at the instant is the one after the change.
        offset_min: match clock_change {
            None => offset_min,
            Some(_) => zone.offset_min(instant_s),
        },
        clock_change,
    }
}

fn local_day(moment: Moment) -> Date {
    let wall_s = moment.instant_s + i64::from(moment.offset_min) * 60;
    Date(wall_s.div_euclid(DAY_S) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(date: &str, departs: i32, arrives: i32, dest: &str, miles: i64) -> Row<'static> {
        let minutes = |hhmm: i32| hhmm / 100 * 60 + hhmm % 100;
        Row {
            date: date.parse().unwrap(),
            departs_min: minutes(departs),
            arrives_min: minutes(arrives),
            carrier: "UA".parse().unwrap(),
            number: 1,
            tail: None,
            origin: "EWR".parse().unwrap(),
            dest: dest.parse().unwrap(),
            distance_miles: miles,
            hour_s: None,
            hour_unzoned_s: None,
            cancelled: false,
        }
    }

    /// (block time in minutes, origin date, offsets, repaired)
    fn worked(row: &Row<'_>, shift: i32) -> (i64, String, (i16, i16), bool) {
        let t = times(row, shift).unwrap();
        (
            (t.arrives.instant_s - t.departs.instant_s) / 60,
            t.origin_date.to_string(),
            (t.departs.offset_min, t.arrives.offset_min),
            t.arrival_day_repaired,
        )
    }

    #[test]
    fn the_day_of_arrival_is_worked_out() {
        for (row, want) in [
            // Houston, the same day.
            (
                row("2013-01-01", 515, 819, "IAH", 1400),
                (244, "2013-01-01", (-300, -360), false),
            ),
            // Overnight to San Juan.
            (
                row("2013-01-01", 2359, 437, "SJU", 1608),
                (218, "2013-01-01", (-300, -240), true),
            ),
            // Honolulu: eleven hours that look like six.
            (
                row("2013-01-01", 900, 1540, "HNL", 4963),
                (700, "2013-01-01", (-300, -600), false),
            ),
            // The end of the day, written 2400.
            (
                row("2013-01-01", 1800, 2400, "SFO", 2565),
                (540, "2013-01-01", (-300, -480), true),
            ),
        ] {
            let (block, date, offsets, repaired) = worked(&row, 0);
            assert_eq!((block, &*date, offsets, repaired), want);
        }
    }

    #[test]
    fn a_shift_keeps_local_times_and_takes_the_offsets_of_the_new_date() {
        let row = row("2013-01-01", 515, 819, "IAH", 1400);
        let (block, date, offsets, _) = worked(&row, 189);
        assert_eq!((block, &*date, offsets), (244, "2013-07-09", (-240, -300)));
        assert_eq!(
            times(&row, 358_000).unwrap().origin_date.to_string(),
            "2993-03-04"
        );
        let far = super::super::row::Row {
            date: "2900-01-01".parse().unwrap(),
            ..row
        };
        assert_eq!(times(&far, 358_000).unwrap_err().code, Code::BadTime);
    }

    #[test]
    fn changes_of_clocks_are_settled_and_told() {
        // 10 March 2013, 02:30 does not exist: taken as 03:30 summer time.
        let gap = times(&row("2013-03-10", 230, 800, "IAH", 1400), 0).unwrap();
        assert!(gap.departs.clock_change.is_some());
        assert_eq!(gap.departs.offset_min, -240);
        let after = times(&row("2013-03-10", 330, 800, "IAH", 1400), 0).unwrap();
        assert_eq!(gap.departs.instant_s, after.departs.instant_s);
        // 3 November 2013, 01:30 comes twice: the first.
        let fold = times(&row("2013-11-03", 130, 500, "IAH", 1400), 0).unwrap();
        assert!(fold.departs.clock_change.is_some());
        assert_eq!(fold.departs.offset_min, -240);
    }

    #[test]
    fn the_stated_hour_is_compared_on_the_original_date() {
        let hour_s = |text: &str| {
            chrono::DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp()
        };
        let mut row = row("2013-01-01", 515, 819, "IAH", 1400);
        row.hour_s = Some(hour_s("2013-01-01T10:00:00Z"));
        assert!(!times(&row, 0).unwrap().hour_mismatch);
        assert!(!times(&row, 189).unwrap().hour_mismatch);
        row.hour_s = Some(hour_s("2013-01-01T09:00:00Z"));
        assert!(times(&row, 0).unwrap().hour_mismatch);
        assert!(times(&row, 189).unwrap().hour_mismatch);
        // Copies without the zone: the local hour, or the one in UTC.
        row.hour_s = None;
        for (text, mismatch) in [
            ("2013-01-01T05:00:00Z", false),
            ("2013-01-01T10:00:00Z", false),
            ("2013-01-01T09:00:00Z", true),
        ] {
            row.hour_unzoned_s = Some(hour_s(text));
            assert_eq!(times(&row, 0).unwrap().hour_mismatch, mismatch, "{text}");
            assert_eq!(times(&row, 189).unwrap().hour_mismatch, mismatch, "{text}");
        }
    }

    #[test]
    fn a_station_without_zone_is_refused() {
        let fault = times(&row("2013-01-01", 515, 819, "QQQ", 1400), 0).unwrap_err();
        assert_eq!(fault.code, Code::UnknownAirport);
        assert!(fault.reason.starts_with("dest: "), "{}", fault.reason);
    }
}
