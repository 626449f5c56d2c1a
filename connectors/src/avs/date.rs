//! Days without a year, settled by when the file was received.

use flightline_ledger::Date;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// A day as it is written: `25DEC` or `25DEC26`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    day: u32,
    month: u32,
    year: Option<i32>,
}

/// Reads one; `None` when the text is none.
pub(super) fn read(text: &str) -> Option<Day> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || !matches!(bytes.len(), 5 | 7) {
        return None;
    }
    let number = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let day: u32 = number(&text[..2])?;
    let month = MONTHS.iter().position(|name| *name == &text[2..5])? as u32 + 1;
    let year = match &text[5..] {
        "" => None,
        digits => Some(2000 + number(digits)? as i32),
    };
    Some(Day { day, month, year })
}

impl Day {
    /// The calendar day. Without a year it is the one from three days before the file was received to
    /// a year after: seats are sold for the future, and late messages are late by hours.
    pub(super) fn settle(self, received: Option<Date>) -> Result<Date, String> {
        let none = || {
            format!(
                "there is no {} {} then",
                self.day,
                MONTHS[self.month as usize - 1]
            )
        };
        if let Some(year) = self.year {
            return Date::from_ymd(year, self.month, self.day).ok_or_else(none);
        }
        let Some(received) = received else {
            return Err(
                "the day has no year, and when the file was received is not known: write the year, or give observed_at".to_owned(),
            );
        };
        let (year, ..) = received.ymd();
        (year - 1..=year + 1)
            .filter_map(|year| Date::from_ymd(year, self.month, self.day))
            .find(|date| (received.0 - 3..received.0 + 363).contains(&date.0))
            .ok_or_else(|| {
                // 29 February of another year, or the two days that lie in no window.
                match Date::from_ymd(2000, self.month, self.day) {
                    Some(_) => format!("{}: write the year", none()),
                    None => none(),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_without_year_is_the_next_one() {
        let settle = |text: &str, received: &str| {
            read(text)
                .unwrap()
                .settle(Some(date(received)))
                .map(|d| d.to_string())
        };
        for (text, received, want) in [
            ("25DEC", "2026-11-22", "2026-12-25"),
            ("27SEP", "2026-11-22", "2027-09-27"),
            ("20NOV", "2026-11-22", "2026-11-20"),
            ("02JAN", "2026-12-31", "2027-01-02"),
            ("31DEC", "2027-01-02", "2026-12-31"),
            ("29FEB", "2027-11-22", "2028-02-29"),
            ("26DEC26", "2029-01-01", "2026-12-26"),
        ] {
            assert_eq!(
                settle(text, received).as_deref(),
                Ok(want),
                "{text} {received}"
            );
        }
        assert!(settle("29FEB", "2026-11-22").is_err());
        assert!(settle("31FEB26", "2026-11-22").is_err());
        assert!(
            read("25DEC")
                .unwrap()
                .settle(None)
                .unwrap_err()
                .contains("observed_at")
        );
        for bad in [
            "25DEZ", "5DEC", "25DEC2", "25DEC026", "2xDEC", "25dec", "à5DEC",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
