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
    /// New times and other equipment at once: `TIM/EQT`.
    TimesAndEquipment,
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
            several if several.contains('/') => return Self::of_several(several),
            "FLT" | "REV" | "SKD" | "RRT" => {
                return Err(format!(
                    "{word} is not read: send what it changes as CNL of the old and NEW of the new flights"
                ));
            }
            _ => return Err(no_action(word)),
        })
    }

    /// `TIM/EQT`: the action, and which others it does at once.
    fn of_several(words: &str) -> Result<Self, String> {
        let mut times = false;
        let mut equipment = false;
        for word in words.split('/') {
            match Self::read(word)? {
                // Behind it stands what of the flight has changed: the whole of it is there anyway.
                Self::Replace if !times && !equipment => return Ok(Self::Replace),
                Self::Times => times = true,
                Self::Equipment => equipment = true,
                Self::Administrative => {}
                _ => return Err(no_action(words)),
            }
        }
        Ok(match (times, equipment) {
            (true, true) => Self::TimesAndEquipment,
            (true, false) => Self::Times,
            (false, true) => Self::Equipment,
            (false, false) => Self::Administrative,
        })
    }
}

fn no_action(word: &str) -> String {
    format!(
        "{} is no action: NEW, RPL, CNL, RIN, TIM, EQT, CON, ADM, or several such as TIM/EQT",
        crate::reject::quoted(word)
    )
}

/// A day, with or without a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    Full(flightline_ledger::Date),
    NoYear((u32, u32)),
    /// The day of the month alone, which only an ASM has: `UT422/21`.
    OfMonth(u32),
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
            2 => calendar::two(text)
                .filter(|day| (1..=31).contains(day))
                .map(Self::OfMonth),
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
        /// The legs that are meant, as the stations where they depart; none: all.
        boards: Vec<Station>,
    },
    /// `UFA/AER`, `UFA/AER/MOW`: legs without times, as the stations where they depart.
    Legs(Vec<Station>),
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
        let with_elements = rest.iter().all(element);
        if let Some(boards) = route(first).filter(|_| with_elements) {
            return Some(Self::Legs(boards));
        }
        if let [off] = rest.as_slice()
            && let Some(boards) = route(&format!("{first}/{off}"))
        {
            return Some(Self::Legs(boards));
        }
        if first.len() == 1 && first.as_bytes()[0].is_ascii_uppercase() {
            return equipment(first, &rest);
        }
        if let Some(from) = Day::read(first).filter(|day| !matches!(day, Day::OfMonth(_))) {
            return period(from, &rest);
        }
        if !rest.is_empty() {
            if let (Some(board), Some(off)) =
                (Stop::read(first, is_asm), Stop::read(rest[0], is_asm))
            {
                return rest[1..]
                    .iter()
                    .all(element)
                    .then_some(Self::Leg { board, off });
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
    let text = rest
        .get(1)
        .copied()
        .filter(|text| !element(text))
        .unwrap_or_default();
    // Classes, behind `/` their modifiers, behind `.` the configuration, which may stand apart.
    let (classes, configuration) = text.split_once('.').unwrap_or((text, ""));
    let apart = rest.get(2).and_then(|text| text.strip_prefix('.'));
    let configuration = match apart {
        Some(apart) if configuration.is_empty() => apart,
        _ => configuration,
    };
    let classes = classes.split('/').next().unwrap_or_default();
    // Classes have no digits: cabins with their seats, in front of the name of the version. Who writes them
    // once more as the configuration does not have them twice.
    let (classes, configuration) = if !classes.bytes().any(|b| b.is_ascii_digit()) {
        (classes, configuration.to_owned())
    } else if configuration.is_empty() || configuration.starts_with("VV") {
        ("", format!("{classes}{configuration}"))
    } else if configuration.split("VV").next() == classes.split("VV").next() {
        ("", configuration.to_owned())
    } else {
        // No letter and no digit: it is refused as a configuration, as it was written.
        ("", format!("{classes}.{configuration}"))
    };
    Some(Line::Equipment {
        service: service.as_bytes()[0],
        aircraft,
        classes: classes.to_owned(),
        configuration,
    })
}

fn period(from: Day, rest: &[&str]) -> Option<Line> {
    let to = Day::read(rest.first()?).filter(|day| !matches!(day, Day::OfMonth(_)))?;
    let mut digits = String::new();
    let mut every_second_week = false;
    let mut behind = false;
    // `135`, `135/W2`, `1 3 5 /W2`, and data elements behind.
    for token in &rest[1..] {
        if element(token) {
            behind = true;
        } else if let Some(days) = token.strip_suffix("/W2") {
            digits.push_str(days);
            every_second_week = true;
        } else if behind || every_second_week {
            return None;
        } else {
            digits.push_str(token);
        }
    }
    Some(Line::Period {
        from,
        to,
        days: calendar::Days::read(&digits)?,
        every_second_week,
    })
}

fn flight(first: &str, rest: &[&str], is_asm: bool) -> Option<Line> {
    if !is_asm {
        if !rest.iter().all(element) {
            return None;
        }
        return Some(Line::Flight {
            designator: Designator::read(first)?,
            day: None,
            boards: Vec::new(),
        });
    }
    let (number, day) = first.split_once('/')?;
    let mut boards = Vec::new();
    for token in rest {
        match route(token) {
            Some(legs) => boards.extend(legs),
            None if element(token) => {}
            None => return None,
        }
    }
    Some(Line::Flight {
        designator: Designator::read(number)?,
        day: Some(Day::read(day)?).filter(|day| *day != Day::Open),
        boards,
    })
}

/// A data element behind a flight, a period, an aircraft or a leg: `1/OW1`.
fn element(token: &&str) -> bool {
    token.split_once('/').is_some_and(|(number, data)| {
        number.parse::<u16>().is_ok_and(|n| n <= 999) && !matches!(data, "" | "W2")
    })
}

/// The airline whose aircraft flies, as data elements behind the first word say: `2/AF`.
pub(super) fn disclosed(text: &str) -> Option<&str> {
    let mut elements = text.split(' ').skip(1).filter(element);
    elements.find_map(|token| token.strip_prefix("2/"))
}

/// `UFA/AER/MOW`: where each leg departs.
fn route(text: &str) -> Option<Vec<Station>> {
    let stations: Vec<Station> = text
        .split('/')
        .map(|station| station.parse().ok())
        .collect::<Option<_>>()?;
    let (_, boards) = stations.split_last()?;
    (!boards.is_empty()).then(|| boards.to_vec())
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
            Some(Line::Legs(_)) => "legs",
            Some(Line::Remark) => "remark",
        };
        for (text, asm, want) in [
            ("UT422", false, "flight"),
            ("UT422 1/OW1/OW2 4/XX", false, "flight"),
            ("UT422/21JAN", true, "flight"),
            ("UT422/21JAN27 AER/UFA", true, "flight"),
            ("UT422/21JAN27 AER/UFA/MOW 2/KL", true, "flight"),
            ("UT422/21", true, "flight"),
            ("UT422/32", true, "none"),
            ("UT422/21JAN27 SOMEWHERE", true, "none"),
            ("AER/UFA", false, "legs"),
            ("AER/UFA/MOW 2/KL", false, "legs"),
            ("AER UFA", true, "legs"),
            ("AERUFA", false, "none"),
            ("UT422", true, "none"),
            ("25APR18 03MAY21 123456 /W2", false, "period"),
            ("25APR18 03MAY21 123456/W2", false, "period"),
            ("25APR 00XXX00 1", false, "period"),
            ("25APR18 03MAY21 1 3 5 /W2 2/KL", false, "period"),
            ("25APR18 03MAY21 1.3.5..", false, "period"),
            ("25APR18 03MAY21 2/KL 3", false, "none"),
            ("25APR18 03MAY21 135/W3", false, "none"),
            ("25APR18 03MAY21", false, "none"),
            ("21 22 135", false, "none"),
            ("25APR18 03MAY21 8", false, "none"),
            ("CDG0800 AMS2520", false, "none"),
            ("J 735 GV.Y126", false, "equipment"),
            ("J 735 GV/XX.Y126 VPBXX", false, "equipment"),
            ("UFA1515/M1/1520 AER1500/1", false, "leg"),
            ("UFA211515 AER211700", true, "leg"),
            ("UFA1515 AER1700 2/KL 6/UT423", false, "leg"),
            ("UFA1515 AER1700 735", false, "none"),
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
    fn legs_are_named_by_where_they_depart() {
        let boards = |text: &str| match Line::read(text, true) {
            Some(Line::Legs(boards) | Line::Flight { boards, .. }) => boards
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            other => format!("{other:?}"),
        };
        assert_eq!(boards("AER/UFA/MOW"), "AER UFA");
        assert_eq!(boards("AER UFA"), "AER");
        assert_eq!(boards("UT422/21JAN AER/UFA"), "AER");
        assert_eq!(boards("UT422/21JAN AER/UFA/MOW"), "AER UFA");
        assert_eq!(boards("UT422/21JAN"), "");
    }

    #[test]
    fn a_configuration_may_stand_apart_or_in_the_place_of_the_classes() {
        let read = |text: &str| match Line::read(text, false) {
            Some(Line::Equipment {
                classes,
                configuration,
                ..
            }) => format!("{classes}|{configuration}"),
            other => format!("{other:?}"),
        };
        assert_eq!(read("J 320 CY.C8Y162VV582 VNA001"), "CY|C8Y162VV582");
        assert_eq!(read("J 320 CY .C8Y162VV582"), "CY|C8Y162VV582");
        assert_eq!(read("J 320 C8Y162.VV582"), "|C8Y162VV582");
        assert_eq!(read("J 320 C8Y162 .VV582"), "|C8Y162VV582");
        assert_eq!(read("J 320 C8Y162.C8Y162"), "|C8Y162");
        assert_eq!(read("J 320 C8Y162.C8Y162VV582"), "|C8Y162VV582");
        assert_eq!(read("J 320 C8Y162.C8Y150"), "|C8Y162.C8Y150");
        assert_eq!(read("J 320 CY/BN 2/KL"), "CY|");
        assert_eq!(read("J 320 2/KL"), "|");
        assert_eq!(read("J 320"), "|");
    }

    #[test]
    fn another_airline_is_told_by_a_data_element() {
        for (text, told) in [
            ("UT422 2/KL", true),
            ("25APR27 03MAY27 123 1/OW1 2/KL", true),
            ("J 735 Y.Y126 2/KL", true),
            ("25APR27 03MAY27 2/W2", false),
            ("UT422 3/KL 9/KL", false),
            ("2/KL", false),
        ] {
            assert_eq!(disclosed(text).is_some(), told, "{text}");
        }
    }

    #[test]
    fn several_actions_at_once() {
        for (words, want) in [
            ("TIM/EQT COMM", Some(Action::TimesAndEquipment)),
            ("EQT/TIM", Some(Action::TimesAndEquipment)),
            ("EQT/CON", Some(Action::Equipment)),
            ("TIM/ADM", Some(Action::Times)),
            ("RPL/EQT/TIM", Some(Action::Replace)),
            ("CNL/TIM", None),
            ("EQT/RPL", None),
            ("EQT/RRT", None),
            ("EQT/XXX", None),
            ("EQT/", None),
        ] {
            assert_eq!(Action::read(words).ok(), want, "{words}");
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
