//! Days without a year and message times without a month, settled by when the file was received.

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
                format!("{}: write the year", none())
            })
    }
}

/// When a message was made that says `DDHHMM`: the last such time up to a day after the file was
/// received. Unix time in milliseconds.
pub(super) fn message_ms(text: &str, received_ms: i64) -> Option<i64> {
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) || received_ms <= 0 {
        return None;
    }
    let part = |at: usize| text.get(at..at + 2)?.parse::<u32>().ok();
    let (day, hour, minute) = (part(0)?, part(2)?, part(4)?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let last = received_ms.div_euclid(86_400_000) as i32 + 1;
    (0..62)
        .map(|back| Date(last - back))
        .find(|date| date.ymd().2 == day)
        .map(|date| (i64::from(date.0) * 86_400 + i64::from(hour * 3600 + minute * 60)) * 1000)
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

    #[test]
    fn a_message_time_is_the_last_such_one() {
        let received = i64::from(date("2026-11-22").0) * 86_400_000;
        for (text, want) in [
            ("220912", Some("2026-11-22")),
            ("230001", Some("2026-11-23")),
            ("240001", Some("2026-10-24")),
            ("310000", Some("2026-10-31")),
            ("322400", None),
            ("222400", None),
            ("22091", None),
        ] {
            let got =
                message_ms(text, received).map(|ms| Date((ms / 86_400_000) as i32).to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
        assert_eq!(message_ms("220912", 0), None);
    }
}
