//! What a part of a message says, with its days.

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{Date, Station};

use super::PART_FLIGHTS_MAX;
use super::aircraft::{Aircraft, Elements};
use super::config::Config;
use super::grammar::{Action, Day, Line, Stop, disclosed};
use super::message::Part;
use crate::reject::{Code, Fault, quoted};
use crate::schedule::calendar::{self, DAY_S, Period};
use crate::schedule::clock::Mode;
use crate::schedule::designator::Designator;

/// How long "until further notice" is, in days.
const NO_END_DAYS: i32 = 364;

/// Places for parts in a message's sequence numbers.
const PARTS_MAX: u32 = 10_000;

/// Places for messages without a reference in the sequence numbers of an input.
const MESSAGES_MAX: u32 = u32::MAX / PARTS_MAX - 1;

/// What a line of a part may be, for people.
const FORMS: &str = "such as UT422 (in an ASM UT422/21JAN), 25APR27 03MAY27 1234567, J 735 GV.Y126, UFA1515 AER1700, UFA/AER or UFAAER 10/KL2561";

/// A leg as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LegLine {
    pub(super) board: Stop,
    pub(super) off: Stop,
    /// Which of the aircraft.
    pub(super) aircraft: Option<usize>,
    /// Another airline's aircraft flies it, which counts the seats.
    pub(super) elsewhere: bool,
}

/// A part, read.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) line: u64,
    pub(super) action: Action,
    pub(super) mode: Mode,
    pub(super) version: SourceVersion,
    /// Flight numbers, each with its days.
    pub(super) flights: Vec<(Designator, Vec<Date>)>,
    pub(super) aircraft: Vec<Aircraft>,
    pub(super) legs: Vec<LegLine>,
    /// Stations of legs that are named without times, each with which of the aircraft.
    pub(super) boards: Vec<(Station, Option<usize>)>,
    /// Another airline's aircraft flies all of it.
    pub(super) elsewhere: bool,
    /// Data elements 10 and 50.
    pub(super) operating: Option<Designator>,
    pub(super) marketing: Vec<(Option<Station>, Option<Station>, Designator)>,
    /// Other data elements that are read.
    pub(super) elements: Elements,
    pub(super) remarks: Vec<String>,
}

impl Change {
    /// Reads a part. `year_from` is the day of its message's reference, where an earlier part told it.
    pub(super) fn read(
        part: &Part,
        config: Config,
        reference_day: &mut Option<Date>,
    ) -> Result<Self, Fault> {
        let action = part.lines.first().map(|line| Action::read(line));
        let action = match action {
            Some(Ok(action)) => action,
            Some(Err(why)) => return Err(Fault::new(Code::UnknownType, why)),
            None => return Err(Fault::new(Code::BadRecord, "an empty part")),
        };
        if part.head.reference.is_none() && config.received.is_none() {
            return Err(Fault::new(
                Code::MissingField,
                "the message has no reference such as 21JAN00052E001 behind its first line: its place among others is not known; add one, or say when it was received, with the option received=2027-01-05",
            ));
        }
        let mut change = Self {
            line: part.line,
            action,
            mode: part.head.mode,
            version: SourceVersion::default(),
            flights: Vec::new(),
            aircraft: Vec::new(),
            legs: Vec::new(),
            boards: Vec::new(),
            elsewhere: false,
            operating: None,
            marketing: Vec::new(),
            elements: Elements::default(),
            remarks: Vec::new(),
        };
        let mut flights: Vec<(Designator, Option<Day>)> = Vec::new();
        let mut periods = Vec::new();
        if action != Action::Housekeeping {
            for (n, text) in part.lines.iter().enumerate().skip(1) {
                let line = Line::read(text, part.head.is_asm);
                let Some(line) = line else {
                    return Err(Fault::new(
                        Code::BadRecord,
                        format!(
                            "line {}: {} is no flight, period, aircraft, leg or segment, {FORMS}",
                            part.line + n as u64,
                            quoted(text)
                        ),
                    ));
                };
                let own = match &line {
                    Line::Flight { designator, .. } => Some(*designator),
                    _ => flights.first().map(|(designator, _)| *designator),
                };
                let disclosed = disclosed(text).is_some_and(|airline| is_other(airline, own));
                change.elsewhere |= disclosed && !matches!(line, Line::Leg { .. });
                match line {
                    Line::Remark => break,
                    Line::Flight { .. }
                        if !(periods.is_empty()
                            && change.aircraft.is_empty()
                            && change.legs.is_empty()) =>
                    {
                        return Err(Fault::new(
                            Code::BadRecord,
                            format!(
                                "line {}: {} is a flight behind its days, aircraft and legs: separate parts with //",
                                part.line + n as u64,
                                quoted(text)
                            ),
                        ));
                    }
                    Line::Flight {
                        designator,
                        day,
                        boards,
                    } => {
                        change
                            .boards
                            .extend(boards.iter().map(|board| (*board, None)));
                        flights.push((designator, day));
                    }
                    Line::Legs(boards) => {
                        let aircraft = change.aircraft.len().checked_sub(1);
                        change
                            .boards
                            .extend(boards.iter().map(|board| (*board, aircraft)));
                    }
                    Line::Period {
                        from,
                        to,
                        days,
                        every_second_week,
                    } => {
                        periods.push((from, to, days, every_second_week));
                    }
                    Line::Equipment {
                        service,
                        aircraft,
                        classes,
                        configuration,
                    } => {
                        change.add_aircraft(service, aircraft, &classes, &configuration)?;
                    }
                    Line::Leg { board, off } => {
                        let aircraft = change.aircraft.len().checked_sub(1);
                        change.legs.push(LegLine {
                            board,
                            off,
                            aircraft,
                            elsewhere: disclosed,
                        });
                    }
                    Line::Segment {
                        board,
                        off,
                        element,
                        data,
                    } => {
                        change.add_segment((board, off), element, &data, own);
                    }
                }
            }
        }
        change.settle_aircraft()?;
        change.days(part, config, reference_day, &flights, &periods)?;
        if change.action != Action::Housekeeping {
            change.complete()?;
        }
        if matches!(action, Action::Cancel | Action::Reinstate) && !change.boards.is_empty() {
            change.remarks.push(
                "it names legs, and is taken for the whole flight: where other legs of it fly all the same, send them as RPL".to_owned(),
            );
        }
        Ok(change)
    }

    fn add_aircraft(
        &mut self,
        service: u8,
        kind: [u8; 3],
        classes: &str,
        configuration: &str,
    ) -> Result<(), Fault> {
        let aircraft = Aircraft::read(service, kind, classes, configuration)?;
        self.aircraft.push(aircraft);
        Ok(())
    }

    fn add_segment(
        &mut self,
        (board, off): (Option<Station>, Option<Station>),
        element: u16,
        data: &str,
        own: Option<Designator>,
    ) {
        self.elsewhere |= element == 2 && is_other(data, own);
        if !matches!(element, 10 | 50) {
            self.elements.add((board, off), element, data);
            return;
        }
        for item in data.split('/') {
            match Designator::read(item) {
                Some(designator) if element == 50 => {
                    self.operating.get_or_insert(designator);
                }
                Some(designator) => self.marketing.push((board, off, designator)),
                None => self.remarks.push(format!(
                    "{} in data element {element} is no flight number: passed over",
                    quoted(item)
                )),
            }
        }
    }

    /// Gives legs the classes and configurations that data elements have for them.
    fn settle_aircraft(&mut self) -> Result<(), Fault> {
        if !self.elements.are_of_aircraft() {
            return Ok(());
        }
        let written = self.aircraft.clone();
        let mut one = |at: Option<usize>, board: Option<Station>, off: Option<Station>| {
            let Some(at) = at else { return Ok(None) };
            let settled = self.elements.settle(&written[at], board, off)?;
            Ok(settled.map(|aircraft| {
                self.aircraft.push(aircraft);
                self.aircraft.len() - 1
            }))
        };
        for leg in &mut self.legs {
            let (board, off) = (leg.board.station, leg.off.station);
            leg.aircraft = one(leg.aircraft, Some(board), Some(off))?.or(leg.aircraft);
        }
        for (board, aircraft) in &mut self.boards {
            let which = aircraft.or(written.len().checked_sub(1));
            *aircraft = one(which, Some(*board), None)?.or(*aircraft);
        }
        if self.legs.is_empty()
            && self.boards.is_empty()
            && let [only] = written.as_slice()
            && let Some(settled) = self.elements.settle(only, None, None)?
        {
            self.aircraft = vec![settled];
        }
        Ok(())
    }

    /// Whether the day of the flights is that of their first station's clocks: the message says so, or counts in
    /// UTC how many days its departure is from it.
    pub(super) fn is_local_day(&self) -> bool {
        let variation = self.legs.first().and_then(|leg| leg.board.variation);
        self.mode == Mode::Local || variation.is_some_and(|days| days != 0)
    }

    /// The place of the part among others. `made`: the day of its message.
    fn version(&mut self, part: &Part, made: Date) -> SourceVersion {
        let day_ends_ms = (i64::from(made.0) + 1) * DAY_S * 1000 - 1000;
        let head = &part.head;
        let place = head.parts.min(PARTS_MAX - 1);
        if let Some(reference) = head.reference {
            return SourceVersion {
                time_ms: day_ends_ms,
                group: reference.group,
                sequence: reference.number * PARTS_MAX + place,
            };
        }
        let origin = head.origin.as_deref();
        let origin_ms = origin.and_then(|time| calendar::message_ms(time, day_ends_ms));
        if head.parts == 1 {
            self.remarks.push(match origin_ms {
                Some(_) => "the message has no reference such as 21JAN00052E001: it counts from the time of its origin line".to_owned(),
                None => format!("the message has no reference such as 21JAN00052E001, and no origin line with a time: it counts from the day of its receipt, {made}, and sent again on another day as a new one"),
            });
        }
        SourceVersion {
            time_ms: origin_ms.unwrap_or(day_ends_ms),
            group: 0,
            sequence: head.ordinal.min(MESSAGES_MAX) * PARTS_MAX + place,
        }
    }

    /// Settles years, the version, and the days of every flight.
    fn days(
        &mut self,
        part: &Part,
        config: Config,
        reference_day: &mut Option<Date>,
        flights: &[(Designator, Option<Day>)],
        periods: &[(Day, Day, calendar::Days, bool)],
    ) -> Result<(), Fault> {
        let full = |day: &Day| match day {
            Day::Full(date) => Some(*date),
            _ => None,
        };
        let first_full = periods
            .iter()
            .flat_map(|(from, to, ..)| [from, to])
            .chain(flights.iter().filter_map(|(_, day)| day.as_ref()))
            .find_map(full);
        let made = match (
            *reference_day,
            part.head.reference,
            config.received,
            first_full,
        ) {
            (Some(day), ..) => Some(day),
            (None, Some(reference), Some(received), _) => reference.made(received),
            // Messages are about days to come, at most a year ahead.
            (None, Some(reference), None, Some(date)) => {
                calendar::nearest(reference.day, Date(date.0 - 150))
            }
            (None, None, received, _) => received,
            (None, Some(_), None, None) => None,
        };
        let Some(made) = made else {
            return Err(Fault::new(
                Code::BadTime,
                "no day of the message has a year: say when it was received, with the option received=2027-01-05",
            ));
        };
        *reference_day = Some(made);
        self.version = self.version(part, made);
        let resolve = |day: Day| match day {
            Day::Full(date) => Ok(Some(date)),
            Day::NoYear(day) => match calendar::nearest(day, made) {
                Some(date) => Ok(Some(date)),
                None => Err(Fault::new(
                    Code::BadTime,
                    "there is no such day in any near year",
                )),
            },
            Day::OfMonth(day) => match calendar::of_month(day, made) {
                Some(date) => Ok(Some(date)),
                None => Err(Fault::new(
                    Code::BadTime,
                    format!("no day {day} comes within four weeks of {made}: write its month"),
                )),
            },
            Day::Open => Ok(None),
        };
        let mut dates = Vec::new();
        for (from, to, days, every_second_week) in periods {
            let Some(first) = resolve(*from)? else {
                return Err(Fault::new(Code::BadTime, "a period has a first day"));
            };
            let last = match resolve(*to)? {
                Some(last) if last < first && matches!(to, Day::NoYear(_)) => {
                    calendar::nearest(day_of(last), Date(first.0 + 180)).unwrap_or(last)
                }
                Some(last) => last,
                None => {
                    self.remarks.push(format!(
                        "until further notice is taken as {NO_END_DAYS} days from {first} on"
                    ));
                    Date(first.0 + NO_END_DAYS)
                }
            };
            if last < first || last.0 - first.0 > Period::DAYS_MAX {
                return Err(Fault::new(
                    Code::BadTime,
                    format!("the period {first} to {last} is empty, or longer than ten years"),
                ));
            }
            let period = Period {
                first,
                last,
                days: *days,
                every_second_week: *every_second_week,
            };
            dates.extend(period.dates());
        }
        dates.sort_unstable();
        dates.dedup();
        let mut count = 0;
        for (designator, day) in flights {
            let own = match day {
                Some(day) => resolve(*day)?.into_iter().collect(),
                None => dates.clone(),
            };
            count += own.len();
            if count > PART_FLIGHTS_MAX {
                return Err(Fault::new(
                    Code::BadCount,
                    format!(
                        "the part changes more than {PART_FLIGHTS_MAX} dated flights: split it with //"
                    ),
                ));
            }
            self.flights.push((*designator, own));
        }
        Ok(())
    }

    /// Whether what the action needs is there.
    fn complete(&self) -> Result<(), Fault> {
        let missing = |what: &str| Err(Fault::new(Code::MissingField, what));
        if self.flights.is_empty() {
            return missing("no flight: write one as UT422, in an ASM as UT422/21JAN");
        }
        if self.action == Action::Administrative {
            return Ok(());
        }
        if self.flights.iter().any(|(_, days)| days.is_empty()) {
            return missing(
                "no day: write a period as 25APR27 03MAY27 1234567, of which at least one day is a day of operation",
            );
        }
        match self.action {
            Action::New | Action::Replace if self.legs.is_empty() => {
                missing("no leg: write one as UFA1515 AER1700")
            }
            Action::New | Action::Replace if self.legs.iter().any(|leg| leg.aircraft.is_none()) => {
                missing("no aircraft before the first leg: write one as J 735 Y.Y126")
            }
            Action::Times | Action::TimesAndEquipment if self.legs.is_empty() => {
                missing("no leg with new times: write one as UFA1515 AER1700")
            }
            Action::Equipment | Action::TimesAndEquipment if self.aircraft.is_empty() => {
                missing("no aircraft: write one as J 735 Y.Y126")
            }
            Action::Equipment | Action::TimesAndEquipment
                if self.aircraft.iter().any(|a| a.seating.cabins.is_empty()) =>
            {
                missing(
                    "the aircraft has no configuration, and what its type usually has is not known: write J 735 Y.Y126",
                )
            }
            Action::Equipment
                if self.aircraft.len() > 1
                    && self.legs.is_empty()
                    && (self.boards.is_empty()
                        || self.boards.iter().any(|(_, aircraft)| aircraft.is_none())) =>
            {
                missing("several aircraft, and no legs that say which flies where")
            }
            _ => Ok(()),
        }
    }
}

/// Whether an airline is another than that of the flight.
fn is_other(airline: &str, own: Option<Designator>) -> bool {
    own.is_none_or(|own| own.carrier.to_string() != airline)
}

fn day_of(date: Date) -> (u32, u32) {
    let (_, month, day) = date.ymd();
    (day, month)
}
