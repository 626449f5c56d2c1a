//! The dataset nycflights13 as a provider: every scheduled departure from New York (EWR, JFK, LGA)
//! in 2013, one CSV line per flight, as published by the US Department of Transportation.
//!
//! A row gives a `schedule` (one leg), `fares`, and, when the flight did not depart, a `cancel`.
//! What the dataset does not say is worked out by stated rules and marked in the event's quality:
//! - `row`: columns, nulls (`NA`), times as `HHMM`.
//! - `times`: zones, and the day of arrival, which is not given.
//! - `seats`: seats and type of the aircraft from the FAA registry, with its junk.
//! - `cabins`: cabins and booking classes. Made up.
//! - `fares`: prices. Made up.
//!
//! There are no bookings in this data, and none are made up here.
//!
//! # Versions
//! The dataset has no version stamp. An event's version is midnight (UTC) of the flight's own day
//! in 2013, before any shift; the sequence is 1 for schedule and fares and 2 for the cancellation.
//! It depends on the row alone, so that a file pushed again, under another name or in parts, gives
//! the same ids, and everything that is reported about the flights at a later time is newer.

mod cabins;
mod config;
mod fares;
mod parser;
mod row;
mod seats;
mod times;

use flightline_ledger::Date;

use crate::connector::{Connector, Parser, Source};

pub use config::{Config, SHIFT_DAYS, SHIFT_DAYS_HELP};

/// January 2013 as it is published, gzipped CSV: 27,004 flights.
pub const JANUARY_CSV_GZ: &[u8] = include_bytes!("../../data/nycflights13/flights-2013-01.csv.gz");

/// The name under which [`JANUARY_CSV_GZ`] is pushed.
pub const JANUARY_NAME: &str = "flights-2013-01.csv.gz";

/// The most bytes a line may have. Real ones have about 90.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct NycFlights13 {
    config: Config,
}

impl NycFlights13 {
    /// With its configuration.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Connector for NycFlights13 {
    fn name(&self) -> &'static str {
        "nycflights13"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(parser::Rows::new(self.config, source))
    }
}

/// How many days to shift the dataset so that it begins on the first Tuesday after `today`, as
/// 1 January 2013 was one: weekdays are kept, and every flight of January lies in the future.
pub fn default_shift(today: Date) -> i64 {
    let first = i64::from(first_day().0);
    let least = i64::from(today.0) + 1 - first;
    least.div_euclid(7) * 7 + if least.rem_euclid(7) == 0 { 0 } else { 7 }
}

fn first_day() -> Date {
    Date::from_ymd(2013, 1, 1).expect("a day of the calendar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_shift_is_the_next_tuesday() {
        for (today, first) in [
            ("2026-11-22", "2026-11-24"),
            ("2026-11-23", "2026-11-24"),
            ("2026-11-24", "2026-12-01"),
            ("2012-12-31", "2013-01-01"),
            ("2013-01-01", "2013-01-08"),
            ("2012-12-24", "2012-12-25"),
        ] {
            let today: Date = today.parse().unwrap();
            let shift = default_shift(today);
            let shifted = Date(first_day().0 + i32::try_from(shift).unwrap());
            assert_eq!(shifted.to_string(), first);
            assert_eq!(shift % 7, 0);
            assert!(shifted > today);
        }
    }
}
