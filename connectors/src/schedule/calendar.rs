//! Days as the industry writes them, days of operation, and periods.

use flightline_ledger::Date;

/// Months as they are written.
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 86_400;

/// Reads `DDMMM`: day and month.
pub(crate) fn day_and_month(text: &str) -> Option<(u32, u32)> {
    let day = two(text.get(..2)?)?;
    let month = MONTHS
        .iter()
        .position(|name| Some(*name) == text.get(2..))?;
    Some((day, u32::try_from(month).ok()? + 1))
}

/// Reads `DDMMMYY`; years are those of 2000 to 2099.
pub(crate) fn date(text: &str) -> Option<Date> {
    if text.len() != 7 || !text.is_ascii() {
        return None;
    }
    let (day, month) = day_and_month(&text[..5])?;
    let year = two(&text[5..])?;
    Date::from_ymd(2000 + year.cast_signed(), month, day)
}

/// The day of that name which is nearest to another day: for texts without a year.
pub(crate) fn nearest((day, month): (u32, u32), to: Date) -> Option<Date> {
    let (year, _, _) = to.ymd();
    // A 29 February can be up to eight years away.
    (year - 8..=year + 8)
        .filter_map(|year| Date::from_ymd(year, month, day))
        .min_by_key(|date| ((date.0 - to.0).abs(), date.0))
}

/// Reads two digits.
pub(crate) fn two(text: &str) -> Option<u32> {
    match text.as_bytes() {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    }
}

/// The day of that name that was last, up to another day: for texts without a year that speak of what was.
pub(crate) fn last((day, month): (u32, u32), up_to: Date) -> Option<Date> {
    let (year, _, _) = up_to.ymd();
    (year - 8..=year)
        .rev()
        .filter_map(|year| Date::from_ymd(year, month, day))
        .find(|date| *date <= up_to)
}

/// The next day of the month of that number, from a few days before another day to four weeks behind it.
pub(crate) fn of_month(wanted: u32, near: Date) -> Option<Date> {
    (-3..=28)
        .map(|days| Date(near.0 + days))
        .find(|date| date.ymd().2 == wanted)
}

/// When a message was made that says `DDHHMM`: the last such time up to a day after the file was
/// received. Unix time in milliseconds.
pub(crate) fn message_ms(text: &str, received_ms: i64) -> Option<i64> {
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

/// Minutes since midnight of `HHMM`; `2400` is the end of the day.
pub(crate) fn minutes(text: &str) -> Option<i32> {
    let (hour, minute) = (two(text.get(..2)?)?, two(text.get(2..)?)?);
    let in_day = (hour < 24 && minute < 60) || (hour == 24 && minute == 0);
    in_day.then(|| (hour * 60 + minute).cast_signed())
}

/// Minutes of `+HHMM` or `-HHMM`, at most 14 hours.
pub(crate) fn variation(text: &str) -> Option<i16> {
    let (sign, rest) = text.split_at_checked(1)?;
    let minutes = i16::try_from(minutes(rest)?)
        .ok()
        .filter(|n| *n <= 14 * 60)?;
    match sign {
        "+" => Some(minutes),
        "-" => Some(-minutes),
        _ => None,
    }
}

/// Days of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days(u8);

impl Days {
    /// Reads digits `1` (Monday) to `7`; blanks and repeated digits do not matter, nor the points and
    /// zeros that some write for other days. At least one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut days = 0;
        for byte in text.bytes() {
            match byte {
                b'1'..=b'7' => days |= 1 << (byte - b'1'),
                b' ' | b'.' | b'0' => {}
                _ => return None,
            }
        }
        (days != 0).then_some(Self(days))
    }

    /// The digits of the days.
    #[cfg(test)]
    pub(crate) fn digits(self) -> Vec<u8> {
        (1..=7).filter(|n| self.0 & (1 << (n - 1)) != 0).collect()
    }

    fn has(self, date: Date) -> bool {
        // 1970-01-01 was a Thursday.
        self.0 & (1 << (date.0 + 3).rem_euclid(7)) != 0
    }
}

/// Days on which something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) first: Date,
    pub(crate) last: Date,
    pub(crate) days: Days,
    /// Only every second week, counted from the first day.
    pub(crate) every_second_week: bool,
}

impl Period {
    /// The longest that is taken, in days: ten years.
    pub(crate) const DAYS_MAX: i32 = 3660;

    /// The days, in order.
    pub(crate) fn dates(self) -> impl Iterator<Item = Date> {
        (self.first.0..=self.last.0).map(Date).filter(move |date| {
            let week = (date.0 - self.first.0) / 7;
            self.days.has(*date) && !(self.every_second_week && week % 2 == 1)
        })
    }
}

/// The last day of a season such as `S27` (last Saturday of October) or `W27` (last Saturday of
/// March of the next year).
pub(crate) fn season_end(text: &str) -> Option<Date> {
    let (kind, year) = text.split_at_checked(1)?;
    let year = 2000 + two(year)?.cast_signed();
    let last = match kind {
        "S" => Date::from_ymd(year, 10, 31),
        "W" => Date::from_ymd(year + 1, 3, 31),
        _ => None,
    }?;
    // Back to a Saturday; the season that follows begins on the last Sunday of the month, so that
    // a month that ends with a Saturday ends with the new season's first week.
    let sunday = last.0 - (last.0 + 4).rem_euclid(7);
    Some(Date(sunday - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_and_times_are_read_strictly() {
        assert_eq!(date("05JAN27"), Some(day("2027-01-05")));
        for bad in [
            "5JAN27", "31APR27", "05jan27", "05JAN2", "05JAN277", "00XXX00", "",
        ] {
            assert_eq!(date(bad), None, "{bad}");
        }
        assert_eq!(minutes("0000"), Some(0));
        assert_eq!(minutes("2359"), Some(1439));
        assert_eq!(minutes("2400"), Some(1440));
        for bad in ["2401", "0960", "123", "12345", "+100", ""] {
            assert_eq!(minutes(bad), None, "{bad}");
        }
        assert_eq!(variation("+0545"), Some(345));
        assert_eq!(variation("-0930"), Some(-570));
        for bad in ["0545", "+1401", "+054", " 0545", ""] {
            assert_eq!(variation(bad), None, "{bad}");
        }
    }

    #[test]
    fn periods_keep_their_days_and_weeks() {
        let period = |days: &str, every_second_week| Period {
            first: day("2027-01-05"),
            last: day("2027-01-31"),
            days: Days::read(days).unwrap(),
            every_second_week,
        };
        let dates = |p: Period| {
            p.dates()
                .map(|d| d.to_string()[8..].to_owned())
                .collect::<Vec<_>>()
        };
        // 5 January 2027 is a Tuesday.
        assert_eq!(dates(period(" 2     ", false)), ["05", "12", "19", "26"]);
        assert_eq!(dates(period(" 2     ", true)), ["05", "19"]);
        // Weeks are counted from the first day of the period, not from a Monday.
        assert_eq!(dates(period("1", true)), ["11", "25"]);
        assert_eq!(dates(period("1234567", false)).len(), 27);
        assert_eq!(Days::read("       "), None);
        assert_eq!(Days::read("8"), None);
        for text in ["1.3.5..", "1030500", "135"] {
            assert_eq!(Days::read(text).unwrap().digits(), [1, 3, 5], "{text}");
        }
        assert_eq!(Days::read("0000000"), None);
        assert_eq!(Days::read("1-3"), None);
    }

    #[test]
    fn seasons_end_on_the_eve_of_the_next() {
        assert_eq!(season_end("S26"), Some(day("2026-10-24")));
        assert_eq!(season_end("W26"), Some(day("2027-03-27")));
        assert_eq!(season_end("S20"), Some(day("2020-10-24")));
        assert_eq!(season_end("W18"), Some(day("2019-03-30")));
        for bad in ["", "S", "X26", "S2", "Sab"] {
            assert_eq!(season_end(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_day_without_year_is_the_nearest_one() {
        let of = |text: &str, to: &str| nearest(day_and_month(text).unwrap(), day(to)).unwrap();
        assert_eq!(of("31DEC", "2027-01-02"), day("2026-12-31"));
        assert_eq!(of("02JAN", "2026-12-31"), day("2027-01-02"));
        assert_eq!(of("29FEB", "2027-01-02"), day("2028-02-29"));
        assert_eq!(day_and_month("31XXX"), None);
    }

    #[test]
    fn a_day_that_was_is_the_last_one_and_a_day_of_the_month_the_next() {
        let last = |text: &str, up_to: &str| {
            super::last(day_and_month(text).unwrap(), day(up_to)).map(|d| d.to_string())
        };
        for (text, up_to, want) in [
            ("20APR", "2026-11-23", "2026-04-20"),
            ("23NOV", "2026-11-23", "2026-11-23"),
            ("24NOV", "2026-11-23", "2025-11-24"),
            ("29FEB", "2027-11-23", "2024-02-29"),
        ] {
            assert_eq!(last(text, up_to).as_deref(), Some(want), "{text}");
        }
        let next = |n, near: &str| of_month(n, day(near)).map(|d| d.to_string());
        assert_eq!(next(28, "2026-11-21").as_deref(), Some("2026-11-28"));
        assert_eq!(next(19, "2026-11-21").as_deref(), Some("2026-11-19"));
        assert_eq!(next(2, "2026-11-21").as_deref(), Some("2026-12-02"));
        assert_eq!(next(17, "2026-11-21").as_deref(), Some("2026-12-17"));
        assert_eq!(next(31, "2026-02-02"), Some("2026-01-31".to_owned()));
        assert_eq!(next(31, "2026-02-05"), None);
    }

    #[test]
    fn a_message_time_is_the_last_such_one() {
        let received = i64::from(day("2026-11-22").0) * 86_400_000;
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
