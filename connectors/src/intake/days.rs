//! One request for each of the coming days: `{date}` in an address or body.

use std::str::FromStr;

use chrono::{Days, NaiveDate};

/// What stands for the day, which is written as `2027-01-05`.
pub const DATE: &str = "{date}";

/// The most days ahead: sales open about a year before.
pub const AHEAD_MAX: u16 = 400;

/// Days from today on, in UTC, both included: `1..30` is tomorrow and the 29 days after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaysAhead {
    from: u16,
    to: u16,
}

/// What is wrong with a range of days.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no range of days: write FROM..TO, days from today on, such as 1..30; at most {AHEAD_MAX}"
)]
pub struct BadDays {
    text: String,
}

impl DaysAhead {
    /// The dates, from the first to the last.
    pub fn dates(self, today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
        let ahead = (self.from..=self.to).map(u64::from);
        ahead.filter_map(move |days| today.checked_add_days(Days::new(days)))
    }
}

impl FromStr for DaysAhead {
    type Err = BadDays;

    fn from_str(text: &str) -> Result<Self, BadDays> {
        let bad = || BadDays {
            text: text.to_owned(),
        };
        let (from, to) = text.split_once("..").ok_or_else(bad)?;
        let number = |part: &str| part.trim().parse::<u16>().map_err(|_| bad());
        let days = Self {
            from: number(from)?,
            to: number(to)?,
        };
        if days.from > days.to || days.to > AHEAD_MAX {
            return Err(bad());
        }
        Ok(days)
    }
}

/// Puts a day where [`DATE`] stands.
pub fn fill(template: &str, date: NaiveDate) -> String {
    template.replace(DATE, &date.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_counted_from_today() {
        let today = NaiveDate::from_ymd_opt(2026, 12, 30).unwrap();
        let days: DaysAhead = "1..3".parse().unwrap();
        let texts: Vec<_> = days
            .dates(today)
            .map(|date| fill("/offers?on={date}&again={date}", date))
            .collect();
        assert_eq!(
            texts,
            [
                "/offers?on=2026-12-31&again=2026-12-31",
                "/offers?on=2027-01-01&again=2027-01-01",
                "/offers?on=2027-01-02&again=2027-01-02"
            ]
        );
        let days: DaysAhead = "0..0".parse().unwrap();
        assert_eq!(days.dates(today).collect::<Vec<_>>(), [today]);
        for bad in ["", "1", "3..1", "-1..2", "1..401", "a..b", "1...3"] {
            let error = bad.parse::<DaysAhead>().unwrap_err().to_string();
            assert!(error.contains("FROM..TO"), "{bad}: {error}");
        }
    }
}
