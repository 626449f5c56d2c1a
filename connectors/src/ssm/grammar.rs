//! The lines of a part of a message.

use flightline_ledger::Station;

use crate::schedule::calendar;
use crate::schedule::designator::Designator;

/// What a part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A new flight, or one in another form.
    New,
    /// The flight as it is now, whatever it was.
    Replace,
    Cancel,
    Reinstate,
    Times,
    /// Another type of aircraft, or another configuration.
    Equipment,
    /// Data that says nothing of times and seats.
    Administrative,
    /// Answers and questions between systems.
    Housekeeping,
}

impl Action {
    /// Reads the first line of a part; `Err` for one that is known and not read here.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let word = line.split(' ').next().unwrap_or_default();
        Ok(match word {
            "NEW" => Self::New,
            "RPL" => Self::Replace,
            "CNL" => Self::Cancel,
            "RIN" => Self::Reinstate,
            "TIM" => Self::Times,
            "EQT" | "CON" => Self::Equipment,
            "ADM" => Self::Administrative,
            "RSD" | "ACK" | "NAC" => Self::Housekeeping,
            "FLT" | "REV" | "SKD" | "RRT" => {
                return Err(format!(
                    "{word} is not read: send what it changes as CNL of the old and NEW of the new flights"
                ));
            }
            _ => {
                return Err(format!(
                    "{} is no action: NEW, RPL, CNL, RIN, TIM, EQT, CON, ADM",
                    crate::reject::quoted(word)
                ));
            }
        })
    }
}

/// A day, with or without a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    Full(flightline_ledger::Date),
    NoYear((u32, u32)),
    /// `00XXX00`.
    Open,
}

impl Day {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text == "00XXX00" {
            return Some(Self::Open);
        }
        if !text.is_ascii() {
            return None;
        }
        match text.len() {
            7 => calendar::date(text).map(Self::Full),
            5 => calendar::day_and_month(text).map(Self::NoYear),
            _ => None,
        }
    }
}

/// A line of a part, behind its first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// SSM: `UT422 1/OW1`. ASM: `UT422/21JAN AER/UFA`.
    Flight {
        designator: Designator,
        day: Option<Day>,
        leg: Option<(Station, Station)>,
    },
    /// `25APR18 03MAY21 123456 /W2`.
    Period {
        from: Day,
        to: Day,
        days: calendar::Days,
        every_second_week: bool,
    },
    /// `J 735 GV.Y126 REG`.
    Equipment {
        service: u8,
        aircraft: [u8; 3],
        classes: String,
        configuration: String,
    },
    /// `UFA1515/M1/1520 AER1500/1`.
    Leg { board: Stop, off: Stop },
    /// `UFAAER 505/ET`.
    Segment {
        board: Option<Station>,
        off: Option<Station>,
        element: u16,
        data: String,
    },
    /// `SI ...` and lines behind it.
    Remark,
}

/// A station with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) station: Station,
    /// Day of the month, where the time has one.
    pub(super) day_of_month: Option<u32>,
    pub(super) minutes: i32,
    /// Days behind the flight's own.
    pub(super) variation: Option<i32>,
}

impl Line {
    /// Reads a line.
    pub(super) fn read(text: &str, is_asm: bool) -> Option<Self> {
        if text.starts_with("SI ") || text == "SI" {
            return Some(Self::Remark);
        }
        let mut tokens = text.split(' ').filter(|t| !t.is_empty());
        let first = tokens.next()?;
        let rest: Vec<&str> = tokens.collect();
        if first.len() == 1 && first.as_bytes()[0].is_ascii_uppercase() {
            return equipment(first, &rest);
        }
        if let Some(from) = Day::read(first) {
            return period(from, &rest);
        }
        if rest.len() >= 2 || rest.len() == 1 {
            if let (Some(board), Some(off)) =
                (Stop::read(first, is_asm), Stop::read(rest[0], is_asm))
            {
                return Some(Self::Leg { board, off });
            }
            if let Some(segment) = segment(first, &rest) {
                return Some(segment);
            }
        }
        flight(first, &rest, is_asm)
    }
}

fn equipment(service: &str, rest: &[&str]) -> Option<Line> {
    let aircraft: [u8; 3] = rest.first()?.as_bytes().try_into().ok()?;
    if !aircraft
        .iter()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    {
        return None;
    }
    let text = rest.get(1).copied().unwrap_or_default();
    // Classes, behind `/` their modifiers, behind `.` the configuration.
    let (classes, configuration) = text.split_once('.').unwrap_or((text, ""));
    let classes = classes.split('/').next().unwrap_or_default();
    Some(Line::Equipment {
        service: service.as_bytes()[0],
        aircraft,
        classes: classes.to_owned(),
        configuration: configuration.to_owned(),
    })
}

fn period(from: Day, rest: &[&str]) -> Option<Line> {
    let to = Day::read(rest.first()?)?;
    let days = rest.get(1)?;
    let (digits, week) = match days.split_once('/') {
        Some((digits, week)) => (digits, Some(week)),
        None => (*days, rest.get(2).and_then(|t| t.strip_prefix('/'))),
    };
    let every_second_week = match week {
        None => false,
        Some("W2") => true,
        Some(_) => return None,
    };
    Some(Line::Period {
        from,
        to,
        days: calendar::Days::read(digits)?,
        every_second_week,
    })
}

fn flight(first: &str, rest: &[&str], is_asm: bool) -> Option<Line> {
    if !is_asm {
        // Behind the number stand data elements, such as `1/OW1`.
        let element = |token: &&str| {
            token
                .split_once('/')
                .is_some_and(|(number, _)| number.parse::<u16>().is_ok())
        };
        if !rest.iter().all(element) {
            return None;
        }
        return Some(Line::Flight {
            designator: Designator::read(first)?,
            day: None,
            leg: None,
        });
    }
    let (number, day) = first.split_once('/')?;
    let leg = rest.iter().find_map(|token| {
        let (board, off) = token.split_once('/')?;
        Some((board.parse().ok()?, off.parse().ok()?))
    });
    Some(Line::Flight {
        designator: Designator::read(number)?,
        day: Some(Day::read(day)?).filter(|day| *day != Day::Open),
        leg,
    })
}

fn segment(first: &str, rest: &[&str]) -> Option<Line> {
    if first.len() != 6 || !first.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let (element, data) = rest.first()?.split_once('/')?;
    let mut text = data.to_owned();
    for more in &rest[1..] {
        text.push(' ');
        text.push_str(more);
    }
    Some(Line::Segment {
        board: first[..3].parse().ok().filter(|_| &first[..3] != "QQQ"),
        off: first[3..].parse().ok().filter(|_| &first[3..] != "QQQ"),
        element: element.parse().ok()?,
        data: text,
    })
}

impl Stop {
    fn read(text: &str, is_asm: bool) -> Option<Self> {
        if !text.is_ascii() || text.len() < 7 {
            return None;
        }
        let mut parts = text.split('/');
        let first = parts.next()?;
        let station = first[..3.min(first.len())].parse().ok()?;
        let time = first.get(3..)?;
        let (day_of_month, time) = match (is_asm, time.len()) {
            (true, 6) => (
                Some(time[..2].parse().ok().filter(|d| (1..=31).contains(d))?),
                &time[2..],
            ),
            (_, 4) => (None, time),
            _ => return None,
        };
        let mut minutes = calendar::minutes(time)?;
        let mut variation = None;
        for part in parts {
            match part.len() {
                1 | 2 if variation.is_none() => {
                    let (sign, digits) = match part.strip_prefix('M') {
                        Some(digits) => (-1, digits),
                        None => (1, part),
                    };
                    let days = digits.parse::<u8>().ok().filter(|n| *n <= 9)?;
                    variation = Some(sign * i32::from(days));
                }
                // What passengers are told, where the aircraft's own time differs.
                4 => minutes = calendar::minutes(part)?,
                _ => return None,
            }
        }
        Some(Self {
            station,
            day_of_month,
            minutes,
            variation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let kind = |text: &str, asm| match Line::read(text, asm) {
            None => "none",
            Some(Line::Flight { .. }) => "flight",
            Some(Line::Period { .. }) => "period",
            Some(Line::Equipment { .. }) => "equipment",
            Some(Line::Leg { .. }) => "leg",
            Some(Line::Segment { .. }) => "segment",
            Some(Line::Remark) => "remark",
        };
        for (text, asm, want) in [
            ("UT422", false, "flight"),
            ("UT422 1/OW1/OW2 4/XX", false, "flight"),
            ("UT422/21JAN", true, "flight"),
            ("UT422/21JAN27 AER/UFA", true, "flight"),
            ("UT422", true, "none"),
            ("25APR18 03MAY21 123456 /W2", false, "period"),
            ("25APR18 03MAY21 123456/W2", false, "period"),
            ("25APR 00XXX00 1", false, "period"),
            ("25APR18 03MAY21 8", false, "none"),
            ("CDG0800 AMS2520", false, "none"),
            ("J 735 GV.Y126", false, "equipment"),
            ("J 735 GV/XX.Y126 VPBXX", false, "equipment"),
            ("UFA1515/M1/1520 AER1500/1", false, "leg"),
            ("UFA211515 AER211700", true, "leg"),
            ("UFA211515 AER211700", false, "none"),
            ("UFAAER 505/ET", false, "segment"),
            ("QQQQQQ 10/KL2561", false, "segment"),
            ("SI ANY WORDS", false, "remark"),
            ("HELLO WORLD", false, "none"),
        ] {
            assert_eq!(kind(text, asm), want, "{text}");
        }
    }

    #[test]
    fn a_stop_has_day_variation_and_the_passengers_time() {
        let stop = |text, asm| {
            let stop = Stop::read(text, asm)?;
            Some((stop.day_of_month, stop.minutes, stop.variation))
        };
        assert_eq!(stop("UFA1515", false), Some((None, 915, None)));
        assert_eq!(stop("UFA1515/M1/1520", false), Some((None, 920, Some(-1))));
        assert_eq!(stop("UFA1515/1520", false), Some((None, 920, None)));
        assert_eq!(stop("AER1500/1", false), Some((None, 900, Some(1))));
        assert_eq!(stop("AER211500", true), Some((Some(21), 900, None)));
        for bad in [
            "UFA",
            "UFA15",
            "UFA2515",
            "UFA1515/X",
            "UFA1515/M",
            "ufa1515",
        ] {
            assert_eq!(stop(bad, false), None, "{bad}");
        }
    }

    #[test]
    fn actions_that_are_not_read_say_what_to_send() {
        assert_eq!(Action::read("NEW XASM"), Ok(Action::New));
        assert!(Action::read("FLT").unwrap_err().contains("CNL"));
        assert!(Action::read("HELLO").unwrap_err().contains("no action"));
    }
}
