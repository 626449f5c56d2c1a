//! Days, instants and intervals as PostgreSQL has them, with the session's time zone set to UTC.

use std::fmt;

/// Microseconds of a second, a minute, an hour, a day.
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Years that can be told: others are refused, so that all arithmetic stays in bounds.
const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;
/// 0001-01-01 and the day after 9999-12-31, in days from 1970.
const DAYS: std::ops::Range<i64> = -719_162..2_932_897;

/// A span of time whose months, days and microseconds are kept apart: months and days differ in
/// length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Interval {
    /// What intervals compare by: a month counts 30 days, a day 24 hours.
    pub fn total(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(DAY) + i128::from(self.micros)
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    /// So many times.
    pub fn times(self, times: i64) -> Option<Self> {
        let wide = |n: i32| i32::try_from(i64::from(n).checked_mul(times)?).ok();
        Some(Self {
            months: wide(self.months)?,
            days: wide(self.days)?,
            micros: self.micros.checked_mul(times)?,
        })
    }

    /// The same backwards.
    pub fn negated(self) -> Option<Self> {
        self.times(-1)
    }

    /// Reads `1 day`, `2 hours 30 minutes`, `1 year 2 mons 3 days 04:05:06.7`, `-1 day`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().peekable();
        let mut all = Self::default();
        words.peek()?;
        while let Some(word) = words.next() {
            if word.contains(':') {
                let (sign, clock) = match word.strip_prefix('-') {
                    Some(rest) => (-1, rest),
                    None => (1, word.strip_prefix('+').unwrap_or(word)),
                };
                let micros = parse_clock(clock, i64::from(i32::MAX))?;
                all.micros = all.micros.checked_add(sign * micros)?;
                continue;
            }
            let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let unit = match &word[digits.len()..] {
                "" => words.next()?,
                unit => unit,
            };
            all = all.plus(Self::of(digits, unit)?)?;
        }
        Some(all)
    }

    /// `count` of a unit; only of hours and shorter ones there may be parts.
    pub fn of(count: &str, unit: &str) -> Option<Self> {
        let unit = unit.to_ascii_lowercase();
        let unit = match &unit[..] {
            "ms" => "millisecond",
            "us" => "microsecond",
            "s" => "second",
            "m" => "minute",
            unit => unit.strip_suffix('s').unwrap_or(unit),
        };
        let micros = match unit {
            "microsecond" => 1,
            "millisecond" => 1_000,
            "second" | "sec" => SECOND,
            "minute" | "min" => MINUTE,
            "hour" | "hr" | "h" => HOUR,
            _ => 0,
        };
        if micros > 0 {
            let (whole, fraction) = count.split_once('.').unwrap_or((count, ""));
            let negative = whole.starts_with('-');
            let whole: i64 = match whole {
                "" | "-" | "+" => 0,
                whole => whole.parse().ok()?,
            };
            let mut part = 0;
            let mut unit = micros;
            for byte in fraction.bytes() {
                if !byte.is_ascii_digit() {
                    return None;
                }
                unit /= 10;
                part += unit * i64::from(byte - b'0');
            }
            let whole = whole.checked_mul(micros)?;
            let micros = whole.checked_add(if negative { -part } else { part })?;
            return Some(Self {
                micros,
                ..Self::default()
            });
        }
        let count: i32 = count.parse().ok()?;
        let (months, days) = match unit {
            "day" | "d" => (0, 1),
            "week" | "w" => (0, 7),
            "month" | "mon" => (1, 0),
            "year" | "yr" | "y" => (12, 0),
            "decade" => (120, 0),
            "century" | "centurie" => (1200, 0),
            _ => return None,
        };
        Some(Self {
            months: count.checked_mul(months)?,
            days: count.checked_mul(days)?,
            micros: 0,
        })
    }
}

/// `hh:mm[:ss[.ffffff]]` in microseconds.
fn parse_clock(text: &str, hours_max: i64) -> Option<i64> {
    let mut parts = text.split(':');
    let number = |part: &str| -> Option<i64> {
        let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    };
    let hours = number(parts.next()?)?;
    let minutes = number(parts.next()?)?;
    let mut micros = hours.checked_mul(HOUR)?.checked_add(minutes * MINUTE)?;
    let mut second = 0;
    if let Some(seconds) = parts.next() {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        second = number(whole)?;
        number(fraction)?;
        let mut digits = fraction
            .bytes()
            .take(6)
            .fold(0, |n, b| n * 10 + i64::from(b - b'0'));
        for _ in fraction.len()..6 {
            digits *= 10;
        }
        micros += second * SECOND + digits;
    }
    (parts.next().is_none() && hours <= hours_max && minutes < 60 && second < 60).then_some(micros)
}

/// Days from 1970 of a day in the calendar.
pub fn day_of(year: i64, month: u32, day: u32) -> Option<i32> {
    if !YEARS.contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month)
    {
        return None;
    }
    Some(civil_to_days(year, month, day) as i32)
}

fn civil_to_days(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of days from 1970.
pub fn civil(days: i32) -> (i64, u32, u32) {
    let z = i64::from(days) + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let mp = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The day, if it is one that can be told.
pub fn check_day(days: i64) -> Option<i32> {
    DAYS.contains(&days).then_some(days as i32)
}

/// The instant, if it is one that can be told.
pub fn check_instant(micros: i64) -> Option<i64> {
    DAYS.contains(&micros.div_euclid(DAY)).then_some(micros)
}

/// The day of an instant.
pub fn day_of_instant(micros: i64) -> i32 {
    micros.div_euclid(DAY) as i32
}

/// An instant and an interval later: months first, then days, then the rest.
pub fn add_interval(micros: i64, interval: Interval) -> Option<i64> {
    let (mut day, clock) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    if interval.months != 0 {
        let (year, month, of_month) = civil(day as i32);
        let months = year * 12 + i64::from(month) - 1 + i64::from(interval.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
        let of_month = of_month.min(days_in(year, month));
        day = day_of(year, month, of_month)?.into();
    }
    let day = check_day(day + i64::from(interval.days))?;
    let micros = i64::from(day) * DAY + clock;
    check_instant(micros.checked_add(interval.micros)?)
}

/// From `b` to `a`, in days and the rest of a day.
pub fn between(a: i64, b: i64) -> Interval {
    let micros = a - b;
    Interval {
        months: 0,
        days: (micros / DAY) as i32,
        micros: micros % DAY,
    }
}

/// Reads `2027-01-05`.
pub fn parse_day(text: &str) -> Option<i32> {
    let text = text.trim();
    let mut parts = text.splitn(3, '-');
    let mut number = |len: std::ops::RangeInclusive<usize>| -> Option<u32> {
        let part = parts.next()?;
        let plain = len.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    };
    let (year, month, day) = (number(4..=4)?, number(1..=2)?, number(1..=2)?);
    day_of(year.into(), month, day)
}

/// Reads `2027-01-05[ hh:mm[:ss[.f]]][zone]`. A zone (`Z`, `+02`, `-05:30`) counts where `zoned`; otherwise
/// it is dropped, as PostgreSQL does.
pub fn parse_instant(text: &str, zoned: bool) -> Option<i64> {
    let text = text.trim();
    let (day, rest) = match text.find([' ', 'T', 't']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    let day = i64::from(parse_day(day)?);
    let (clock, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (rest[..at].trim_end(), &rest[at..]),
        None => (rest.trim_end_matches(" UTC"), ""),
    };
    let clock = if clock.is_empty() {
        0
    } else {
        parse_clock(clock, 23)?
    };
    let zone = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let (sign, zone) = zone.split_at(1);
            let zone = if zone.contains(':') {
                parse_clock(zone, 15)?
            } else if zone.len() == 4 {
                parse_clock(&format!("{}:{}", zone.get(..2)?, zone.get(2..)?), 15)?
            } else {
                parse_clock(&format!("{zone}:00"), 15)?
            };
            if sign == "-" { -zone } else { zone }
        }
    };
    check_instant(day * DAY + clock - if zoned { zone } else { 0 })
}

/// A day as PostgreSQL prints it.
pub struct ShowDay(pub i32);

impl fmt::Display for ShowDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

fn write_clock(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    let (h, m, s) = (micros / HOUR, micros / MINUTE % 60, micros / SECOND % 60);
    write!(f, "{h:02}:{m:02}:{s:02}")?;
    let fraction = format!("{:06}", micros % SECOND);
    match fraction.trim_end_matches('0') {
        "" => Ok(()),
        fraction => write!(f, ".{fraction}"),
    }
}

/// An instant as PostgreSQL prints it; the flag: with its zone, which is UTC.
pub struct ShowInstant(pub i64, pub bool);

impl fmt::Display for ShowInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", ShowDay(day_of_instant(self.0)))?;
        write_clock(f, self.0.rem_euclid(DAY))?;
        if self.1 { f.write_str("+00") } else { Ok(()) }
    }
}

impl fmt::Display for Interval {
    /// In PostgreSQL's own style: `1 year 2 mons 3 days 04:05:06.7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (years, months) = (self.months / 12, self.months % 12);
        let mut is_first = true;
        let mut before_was_negative = false;
        for (count, name) in [(years, "year"), (months, "mon"), (self.days, "day")] {
            if count == 0 {
                continue;
            }
            let space = if is_first { "" } else { " " };
            let plus = if before_was_negative && count > 0 {
                "+"
            } else {
                ""
            };
            let s = if count == 1 { "" } else { "s" };
            write!(f, "{space}{plus}{count} {name}{s}")?;
            before_was_negative = count < 0;
            is_first = false;
        }
        if self.micros != 0 || is_first {
            let space = if is_first { "" } else { " " };
            let sign = match self.micros {
                ..0 => "-",
                _ if before_was_negative => "+",
                _ => "",
            };
            write!(f, "{space}{sign}")?;
            write_clock(f, self.micros.abs())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_come_back() {
        for days in [-719_162, -1, 0, 59, 11_016, 20_000, 2_932_896] {
            let (year, month, day) = civil(days);
            assert_eq!(day_of(year, month, day), Some(days));
        }
        assert_eq!(day_of(2023, 2, 29), None);
        assert_eq!(
            day_of(2024, 2, 29).map(|d| ShowDay(d).to_string()).unwrap(),
            "2024-02-29"
        );
    }

    #[test]
    fn instants_are_read_and_shown() {
        let at = |text| parse_instant(text, true).map(|at| ShowInstant(at, true).to_string());
        assert_eq!(at("2027-01-05").unwrap(), "2027-01-05 00:00:00+00");
        assert_eq!(at("2027-01-05 10:30").unwrap(), "2027-01-05 10:30:00+00");
        assert_eq!(
            at("2027-01-05T10:30:00.25Z").unwrap(),
            "2027-01-05 10:30:00.25+00"
        );
        assert_eq!(at("2027-01-05 00:30+02").unwrap(), "2027-01-04 22:30:00+00");
        for bad in [
            "",
            "2027-1",
            "2027-13-01",
            "2027-01-05 25:00",
            "2027-01-05 10:61",
            "now",
            "infinity",
        ] {
            assert_eq!(parse_instant(bad, true), None, "{bad}");
        }
    }

    #[test]
    fn intervals_are_read_and_shown() {
        for (text, shown) in [
            ("1 day", "1 day"),
            ("90 minutes", "01:30:00"),
            ("1 year 2 months -3 days", "1 year 2 mons -3 days"),
            ("1.5 hours", "01:30:00"),
            ("-1 hour", "-01:00:00"),
            ("2 weeks 04:05:06.7", "14 days 04:05:06.7"),
            ("0 days", "00:00:00"),
            ("-1 month 2 days 03:00", "-1 mons +2 days 03:00:00"),
        ] {
            assert_eq!(Interval::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for bad in ["", "1", "day", "1 parsec", "1.5 days"] {
            assert_eq!(Interval::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_end_of_a_month_stays_the_end() {
        let at = parse_instant("2024-01-31 08:00", false).unwrap();
        let month = Interval::parse("1 month").unwrap();
        let later = add_interval(at, month).unwrap();
        assert_eq!(ShowInstant(later, false).to_string(), "2024-02-29 08:00:00");
    }
}
