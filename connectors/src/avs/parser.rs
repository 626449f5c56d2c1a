//! Envelope and lines to events.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use flightline_ledger::command::{Availability, Counts, Level, SaleStatus, SourceVersion};
use flightline_ledger::{Cabin, Carrier, Class, Date, FlightKey, ProviderBody, Station};

use super::line::{self, FORMS, Line, Named, Pair};
use super::{Config, LINE_BYTES_MAX};
use crate::canonical::CanonicalEvent;
use crate::connector::{Parsed, Source, Warning};
use crate::lines;
use crate::market::{Meaning, Scope, Seats};
use crate::reject::{Code, Fault, Reject, quoted};
use crate::schedule::calendar;
use crate::sections::{Sections, Told};

/// The most flights of which the first station is remembered.
const FLIGHTS_MAX: usize = 100_000;

type Flight = (Carrier, u16, u8, Date);

/// What a statement is about.
type About = (FlightKey, Level, Option<Cabin>, Option<Class>);

/// The iterator over a source.
pub(super) struct Lines<'a> {
    config: Config,
    message: Arc<str>,
    lines: lines::Lines<'a>,
    ready: VecDeque<Parsed>,
    /// When the message was made, as its envelope says.
    made_ms: Option<i64>,
    /// The envelope in sections, where there is one.
    sections: Sections,
    /// Addresses may go on, up to the line with the origin.
    in_addresses: bool,
    /// A line of data was read since the last envelope.
    in_text: bool,
    /// The flight to which tokens belong, with its stations; absent when its line was bad.
    context: Option<(FlightKey, Pair)>,
    /// Where a flight was last boarded in this source: for lines without stations.
    boards: HashMap<Flight, Station>,
    /// What was said at a time of what is sold where.
    said: HashMap<(i64, About), Said>,
}

/// Messages have minutes and no more: what is said again in one, with something else between, comes behind it.
#[derive(Default)]
struct Said {
    all: Vec<Availability>,
    sequence: u32,
}

impl Said {
    /// The place of a statement among those of its time.
    fn place(&mut self, statement: &Availability) -> u32 {
        if self.all.last() != Some(statement) {
            if self.all.contains(statement) {
                self.sequence = self.sequence.saturating_add(1);
                self.all.clear();
            }
            self.all.push(*statement);
        }
        self.sequence
    }
}

/// One statement.
struct Status {
    cabin: Option<Cabin>,
    class: Option<Class>,
    meaning: Meaning,
    pair: Option<Pair>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(config: Config, source: Source<'a>) -> Self {
        Self {
            config,
            message: source.message,
            lines: lines::Lines::new(source.reader, LINE_BYTES_MAX),
            ready: VecDeque::new(),
            made_ms: None,
            sections: Sections::default(),
            in_addresses: false,
            in_text: false,
            context: None,
            boards: HashMap::new(),
            said: HashMap::new(),
        }
    }

    /// Reads one line into `ready`; false at the end of the input.
    fn advance(&mut self) -> bool {
        let Some(line) = self.lines.next_line() else {
            return false;
        };
        let (number, complete) = (line.number, line.complete);
        // The borrowed line ends here: reading it changes the state.
        let raw = line.raw.to_vec();
        let taken = match line.text.map(lines::telegram) {
            Ok(text) if text.is_empty() => return true,
            Ok(text) => {
                let mut flight = None;
                self.line(number, &text, complete, &mut flight)
                    .map_err(|fault| {
                        if !complete && fault.code != Code::Truncated {
                            return (truncated(&fault.reason), None);
                        }
                        (fault, flight)
                    })
            }
            Err(fault) => Err((fault, None)),
        };
        if let Err((fault, flight)) = taken {
            let mut reject = Reject::new(&self.message, number, fault.code, fault.reason, &raw);
            reject.flight = flight;
            self.ready.push_back(Parsed::Reject(reject));
        }
        true
    }

    fn line(
        &mut self,
        number: u64,
        text: &str,
        complete: bool,
        told: &mut Option<FlightKey>,
    ) -> Result<(), Fault> {
        if self.envelope(number, text) {
            return Ok(());
        }
        let Some(line) = line::read(text) else {
            self.context = None;
            return Err(Fault::new(
                Code::BadLine,
                format!("{} has none of the forms of a line, {FORMS}", quoted(text)),
            ));
        };
        self.in_text = true;
        // What is cut at its end can read as another code, or as the whole flight.
        let cut_shows = matches!(
            line,
            Line::Status { pair: Some(_), .. } | Line::Context { .. } | Line::Numeric { .. }
        );
        if !complete && !cut_shows {
            return Err(truncated("the last line may be cut"));
        }
        match line {
            Line::Status {
                flight,
                class,
                code,
                pair,
            } => {
                let key = self.key(flight, pair)?;
                *told = Some(key);
                let meaning = self.config.lines.read("status", code)?;
                self.push(
                    number,
                    key,
                    &Status {
                        cabin: None,
                        class,
                        meaning,
                        pair,
                    },
                );
            }
            Line::Context { flight, pair } => {
                self.context = None;
                let key = self.key(flight, Some(pair))?;
                self.context = Some((key, pair));
            }
            Line::Tokens(tokens) => {
                let Some((key, pair)) = self.context else {
                    return Err(Fault::new(
                        Code::BadLine,
                        "tokens without a flight: the line before must name it, such as BA0175/27SEP/LHRJFK",
                    ));
                };
                *told = Some(key);
                // A code that nobody knows takes nothing from what the others close. Of a line that may be cut
                // all are held.
                let mut all = Vec::with_capacity(tokens.len());
                let mut fault: Option<Fault> = None;
                for (class, code) in tokens {
                    match self.config.tokens.read(&format!("class {class}"), code) {
                        Ok(meaning) => all.push((class, meaning)),
                        Err(why) => match &mut fault {
                            None => fault = Some(why),
                            Some(first) => {
                                first.reason = format!("{}; {}", first.reason, why.reason);
                            }
                        },
                    }
                }
                for (class, meaning) in all {
                    let class = Some(class);
                    let pair = Some(pair);
                    self.push(
                        number,
                        key,
                        &Status {
                            cabin: None,
                            class,
                            meaning,
                            pair,
                        },
                    );
                }
                if let Some(fault) = fault {
                    return Err(fault);
                }
            }
            Line::Single {
                flight,
                pair,
                class,
                code,
            } => {
                let key = self.key(flight, Some(pair))?;
                *told = Some(key);
                let meaning = self.config.tokens.read(&format!("class {class}"), code)?;
                let class = Some(class);
                let pair = Some(pair);
                self.push(
                    number,
                    key,
                    &Status {
                        cabin: None,
                        class,
                        meaning,
                        pair,
                    },
                );
            }
            Line::Numeric {
                flight,
                cabin,
                pair,
                announced,
                counts,
            } => {
                let key = self.key(flight, Some(pair))?;
                *told = Some(key);
                if announced != counts.len() {
                    return Err(Fault::new(
                        Code::Inconsistent,
                        format!(
                            "{announced} classes are announced, but {} stand in the line",
                            counts.len()
                        ),
                    ));
                }
                for (class, count) in counts {
                    let meaning = Meaning {
                        scope: Scope::Segment,
                        status: SaleStatus::Open,
                        seats: Some(Seats {
                            count,
                            is_floor: count == 9,
                        }),
                    };
                    let status = Status {
                        cabin: Some(cabin),
                        class: Some(class),
                        meaning,
                        pair: Some(pair),
                    };
                    self.push(number, key, &status);
                }
            }
        }
        Ok(())
    }

    /// Is it a line of the envelope?
    fn envelope(&mut self, number: u64, text: &str) -> bool {
        match self.sections.take(text) {
            None => {}
            Some(Told::Begin) => {
                self.new_message();
                return true;
            }
            Some(Told::Made(time)) => {
                self.made_ms = calendar::message_ms(&time, self.config.observed_ms);
                return true;
            }
            Some(Told::Text(_) | Told::Nothing) => return true,
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let is_address = |word: &&str| {
            word.len() == 7
                && word
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        };
        match words.as_slice() {
            [first, ..] if first.starts_with('#') => {}
            ["ZCZC", ..] => self.new_message(),
            ["NNNN"] => self.new_message(),
            [priority, addresses @ ..]
                if priority.len() == 2
                    && priority.starts_with('Q')
                    && !addresses.is_empty()
                    && addresses.iter().all(is_address) =>
            {
                self.new_message();
                self.in_addresses = true;
            }
            [first, rest @ ..] if first.starts_with('.') && first.len() == 8 => {
                if self.in_text {
                    self.new_message();
                }
                self.in_addresses = false;
                self.made_ms = rest
                    .first()
                    .and_then(|time| calendar::message_ms(time, self.config.observed_ms));
            }
            ["AVS" | "AVA" | "AVN"] => {
                // A second one without an envelope of its own is another message.
                if self.in_text {
                    self.new_message();
                }
            }
            ["PDM" | "="] => {}
            ["RVR" | "RAS", ..] => {
                self.ready.push_back(Parsed::Warning(Warning {
                    line: number,
                    flight: None,
                    text: "a request to send availability again: nothing to read in it".to_owned(),
                }));
            }
            addresses if self.in_addresses && addresses.iter().all(is_address) => {}
            _ => return false,
        }
        true
    }

    fn new_message(&mut self) {
        self.made_ms = None;
        self.in_text = false;
        self.in_addresses = false;
        self.context = None;
    }

    /// The key of the flight: the station where the line boards is taken for its first.
    fn key(&mut self, named: Named, pair: Option<Pair>) -> Result<FlightKey, Fault> {
        let received = (self.config.observed_ms > 0)
            .then(|| Date(self.config.observed_ms.div_euclid(86_400_000) as i32));
        let day = named
            .day
            .settle(received)
            .map_err(|why| Fault::at(Code::BadTime, "date", why))?;
        let flight = (named.carrier, named.number, named.suffix, day);
        let board = match pair {
            Some((board, _)) => {
                if self.boards.len() < FLIGHTS_MAX {
                    self.boards.entry(flight).or_insert(board);
                }
                board
            }
            None => *self.boards.get(&flight).ok_or_else(|| {
                Fault::new(
                    Code::MissingField,
                    format!(
                        "the line names no stations, and no line before it tells where {}{} of {day} departs; add them, such as LHEKHI",
                        named.carrier, named.number
                    ),
                )
            })?,
        };
        Ok(FlightKey {
            carrier: named.carrier,
            number: named.number,
            suffix: named.suffix,
            origin_date: day,
            board,
        })
    }

    fn place(&mut self, time_ms: i64, flight: FlightKey, statement: &Availability) -> u32 {
        let about = (flight, statement.level, statement.cabin, statement.class);
        if self.said.len() >= FLIGHTS_MAX && !self.said.contains_key(&(time_ms, about)) {
            self.said.clear();
        }
        let said = self.said.entry((time_ms, about)).or_default();
        said.place(statement)
    }

    fn push(&mut self, line: u64, flight: FlightKey, status: &Status) {
        let level = match (status.pair, status.meaning.scope) {
            (None, _) => Level::Flight,
            (Some((board, off)), Scope::Segment) => Level::Segment(board, off),
            (Some((board, _)), Scope::Leg) => Level::Leg(board),
        };
        let seats = status.meaning.seats;
        let statement = Availability {
            level,
            cabin: status.cabin,
            class: status.class,
            status: status.meaning.status,
            seats: seats.map(|seats| seats.count),
            is_floor: seats.is_some_and(|seats| seats.is_floor),
            counts: if seats.is_some() {
                self.config.counts
            } else {
                Counts::Total
            },
            expires_ms: None,
        };
        let time_ms = self.made_ms.unwrap_or(self.config.observed_ms);
        let event = CanonicalEvent {
            flight,
            version: SourceVersion {
                time_ms,
                group: 0,
                sequence: self.place(time_ms, flight, &statement),
            },
            message_id: None,
            quality: 0,
            body: ProviderBody::Availability(statement),
            observed: None,
        };
        self.ready.push_back(Parsed::Event { line, event });
    }
}

fn truncated(why: &str) -> Fault {
    Fault::new(
        Code::Truncated,
        format!(
            "the last line has no line end ({why}); {}",
            Code::Truncated.remedy()
        ),
    )
}

impl Iterator for Lines<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        while self.ready.is_empty() {
            if !self.advance() {
                return None;
            }
        }
        self.ready.pop_front()
    }
}
