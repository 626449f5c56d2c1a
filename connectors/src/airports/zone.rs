//! Time zones: from local times to instants and back, in whole minutes of offset.

use chrono::offset::Offset;
use chrono::{DateTime, MappedLocalTime, TimeZone};
use chrono_tz::Tz;

/// A time zone of the IANA database, in the edition that is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

/// What a local time means in a zone. Offsets are local time minus UTC, in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTime {
    /// One instant.
    Once(i16),
    /// Two instants: clocks were turned back. The offsets of the earlier and the later.
    Twice(i16, i16),
    /// None: clocks were turned forward over it. The offset that held before.
    Never(i16),
}

impl Zone {
    /// The zone of a name such as `America/New_York`.
    pub fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Local time minus UTC at an instant (Unix time in seconds), in minutes.
    ///
    /// Offsets with seconds (local mean times, up to the first decades of the 20th century) are
    /// cut to the minute. Instants that the calendar does not reach have offset 0.
    pub fn offset_min(self, instant_s: i64) -> i16 {
        DateTime::from_timestamp(instant_s, 0).map_or(0, |instant| {
            minutes(self.0.offset_from_utc_datetime(&instant.naive_utc()))
        })
    }

    /// What a local time means here. `local_s` counts the seconds that a clock on the wall has
    /// gone since 1970-01-01 00:00 by itself: date and time of day as if they were UTC.
    pub fn local(self, local_s: i64) -> LocalTime {
        let Some(local) = DateTime::from_timestamp(local_s, 0).map(|t| t.naive_utc()) else {
            return LocalTime::Once(0);
        };
        match self.0.offset_from_local_datetime(&local) {
            MappedLocalTime::Single(offset) => LocalTime::Once(minutes(offset)),
            MappedLocalTime::Ambiguous(earlier, later) => {
                LocalTime::Twice(minutes(earlier), minutes(later))
            }
            MappedLocalTime::None => {
                // No zone has an offset beyond a day, so a day earlier is surely before the gap,
                // and no zone changes twice within a day.
                LocalTime::Never(self.offset_min(local_s - DAY_S))
            }
        }
    }
}

const DAY_S: i64 = 24 * 3600;

fn minutes(offset: impl Offset) -> i16 {
    // An offset is less than a day, so its minutes fit.
    (offset.fix().local_minus_utc().div_euclid(60)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local_s(text: &str) -> i64 {
        chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
            .unwrap()
            .and_utc()
            .timestamp()
    }

    #[test]
    fn gaps_and_folds_are_told_apart() {
        let zone = Zone::named("America/New_York").unwrap();
        for (text, want) in [
            ("2013-03-10 01:59", LocalTime::Once(-300)),
            ("2013-03-10 02:00", LocalTime::Never(-300)),
            ("2013-03-10 02:59", LocalTime::Never(-300)),
            ("2013-03-10 03:00", LocalTime::Once(-240)),
            ("2013-11-03 00:59", LocalTime::Once(-240)),
            ("2013-11-03 01:30", LocalTime::Twice(-240, -300)),
            ("2013-11-03 02:00", LocalTime::Once(-300)),
        ] {
            assert_eq!(zone.local(local_s(text)), want, "{text}");
        }
        let honolulu = Zone::named("Pacific/Honolulu").unwrap();
        assert_eq!(
            honolulu.local(local_s("2013-07-01 12:00")),
            LocalTime::Once(-600)
        );
        assert!(Zone::named("Mars/Base").is_none());
    }

    #[test]
    fn instants_that_no_calendar_reaches_do_not_panic() {
        let zone = Zone::named("Europe/London").unwrap();
        assert_eq!(zone.offset_min(i64::MAX), 0);
        assert_eq!(zone.local(i64::MIN), LocalTime::Once(0));
    }

    #[test]
    fn instants_have_offsets() {
        let zone = Zone::named("Asia/Kathmandu").unwrap();
        assert_eq!(zone.offset_min(local_s("2027-01-01 00:00")), 345);
        let london = Zone::named("Europe/London").unwrap();
        assert_eq!(london.offset_min(local_s("2027-07-01 00:00")), 60);
    }
}
