//! Stated times, stated offsets and the zone database brought together.

use flightline_ledger::Station;

use crate::airports::{LocalTime, airports};

/// In which clock the times of a source are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// UTC.
    Utc,
    /// Local time of each station.
    Local,
}

/// A time at a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Unix time in seconds.
    pub(crate) instant_s: i64,
    /// Local time minus UTC, in minutes.
    pub(crate) offset_min: i16,
    /// The zone database has another offset there and then than was stated.
    pub(crate) disagrees: bool,
}

impl Moment {
    /// Date and time of day on the wall there, as if they were UTC.
    pub(crate) fn wall_s(self) -> i64 {
        self.instant_s + i64::from(self.offset_min) * 60
    }
}

/// What a written time means. `written_s` is date and time of day as they are written, as if they
/// were UTC; `stated_min` the offset that is written beside them.
///
/// Where the zone disagrees by exactly one hour, the source has not split its period at a change of
/// clocks: passengers go by the local time, so it stands in a source of local times, and the
/// offset of the zone is taken. Any other disagreement is more likely a fault of the zone (a
/// station that moved, a list that is old), and what is stated stands.
pub(crate) fn stated(mode: Mode, written_s: i64, stated_min: i16, station: Station) -> Moment {
    let as_stated = Moment {
        instant_s: match mode {
            Mode::Utc => written_s,
            Mode::Local => written_s - i64::from(stated_min) * 60,
        },
        offset_min: stated_min,
        disagrees: false,
    };
    let Some(zone) = airports().get(station).map(|airport| airport.zone) else {
        return as_stated;
    };
    let there_min = zone.offset_min(as_stated.instant_s);
    if there_min == stated_min {
        return as_stated;
    }
    if (i32::from(there_min) - i32::from(stated_min)).abs() != 60 {
        return Moment {
            disagrees: true,
            ..as_stated
        };
    }
    let own = match mode {
        Mode::Utc => Moment {
            offset_min: there_min,
            ..as_stated
        },
        Mode::Local => local(written_s, station).unwrap_or(as_stated),
    };
    Moment {
        disagrees: own != as_stated,
        ..own
    }
}

/// What a time means that comes without an offset; `None` when the zone of the station is unknown.
pub(crate) fn unstated(mode: Mode, written_s: i64, station: Station) -> Option<Moment> {
    match mode {
        Mode::Local => local(written_s, station),
        Mode::Utc => {
            let zone = airports().get(station)?.zone;
            Some(Moment {
                instant_s: written_s,
                offset_min: zone.offset_min(written_s),
                disagrees: false,
            })
        }
    }
}

fn local(wall_s: i64, station: Station) -> Option<Moment> {
    let zone = airports().get(station)?.zone;
    let before_min = match zone.local(wall_s) {
        LocalTime::Once(offset_min) => offset_min,
        // Of two, the earlier: sale closes too early rather than too late.
        LocalTime::Twice(earlier, _) => earlier,
        LocalTime::Never(before) => before,
    };
    let instant_s = wall_s - i64::from(before_min) * 60;
    Some(Moment {
        instant_s,
        offset_min: zone.offset_min(instant_s),
        disagrees: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        let (date, time) = text.split_once(' ').unwrap();
        let date: flightline_ledger::Date = date.parse().unwrap();
        let minutes = super::super::calendar::minutes(&time.replace(':', "")).unwrap();
        i64::from(date.0) * 86_400 + i64::from(minutes) * 60
    }

    #[test]
    fn an_hour_off_is_a_change_of_clocks_and_anything_else_is_believed() {
        let cdg: Station = "CDG".parse().unwrap();
        let of = |mode, text: &str, stated_min| {
            let moment = stated(mode, at(text), stated_min, cdg);
            (moment.instant_s, moment.offset_min, moment.disagrees)
        };
        let noon = at("2027-01-05 12:00");
        // As it is.
        assert_eq!(of(Mode::Local, "2027-01-05 13:00", 60), (noon, 60, false));
        assert_eq!(of(Mode::Utc, "2027-01-05 12:00", 60), (noon, 60, false));
        // Summer's offset in winter: the local time stands, or the instant.
        assert_eq!(of(Mode::Local, "2027-01-05 13:00", 120), (noon, 60, true));
        assert_eq!(of(Mode::Utc, "2027-01-05 12:00", 120), (noon, 60, true));
        // Two hours off.
        assert_eq!(of(Mode::Local, "2027-01-05 15:00", 180), (noon, 180, true));
        // A station that nobody knows.
        let moment = stated(Mode::Local, noon, 540, "QQQ".parse().unwrap());
        assert_eq!(
            (moment.instant_s, moment.disagrees),
            (noon - 9 * 3600, false)
        );
    }

    #[test]
    fn local_times_without_offset_need_a_zone() {
        let cdg: Station = "CDG".parse().unwrap();
        let moment = unstated(Mode::Local, at("2027-07-05 12:00"), cdg).unwrap();
        assert_eq!(moment.instant_s, at("2027-07-05 10:00"));
        assert_eq!(moment.wall_s(), at("2027-07-05 12:00"));
        // 28 March 2027, 02:30 does not exist in Paris.
        let gap = unstated(Mode::Local, at("2027-03-28 02:30"), cdg).unwrap();
        assert_eq!(
            (gap.instant_s, gap.offset_min),
            (at("2027-03-28 01:30"), 120)
        );
        assert_eq!(unstated(Mode::Utc, 0, "QQQ".parse().unwrap()), None);
    }
}
