//! Line after line to items, with the marks of full replacements matched.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use flightline_ledger::{FlightKey, Station};

use super::read::{self, Notes};
use super::{CanonicalEvent, Config, LINE_BYTES_MAX, LineItem};
use crate::connector::{Parsed, Source, Warning};
use crate::lines;
use crate::reject::{Code, Fault, RAW_BYTES_MAX, Reject};
use crate::replacement::Replacement;

/// The iterator over a canonical source.
pub(super) struct Lines<'a> {
    message: Arc<str>,
    lines: lines::Lines<'a>,
    /// What the last line gave and was not handed out yet.
    ready: VecDeque<Parsed>,
    open: Option<Open>,
    /// Unknown stations that were warned of. There are at most 26^3.
    stations_told: HashSet<Station>,
}

/// A full replacement that has begun.
struct Open {
    replacement: Replacement,
    line: u64,
    /// The begin mark as it came, cut.
    raw: Vec<u8>,
    /// Lines since the begin that held an event, good or bad.
    events: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(_: Config, source: Source<'a>) -> Self {
        Self {
            message: source.message,
            lines: lines::Lines::new(source.reader, LINE_BYTES_MAX),
            ready: VecDeque::new(),
            open: None,
            stations_told: HashSet::new(),
        }
    }

    /// Reads one line into `ready`; false at the end of the input.
    fn advance(&mut self) -> bool {
        let Some(line) = self.lines.next_line() else {
            if let Some(open) = self.open.take() {
                let reason = format!(
                    "the replacement that begins here has no end mark: nothing was withdrawn; {}",
                    Code::BadReplace.remedy()
                );
                self.ready.push_back(Parsed::Reject(Reject::new(
                    &self.message,
                    open.line,
                    Code::BadReplace,
                    reason,
                    &open.raw,
                )));
                return true;
            }
            return false;
        };
        let (number, raw) = (line.number, line.raw);
        let mut notes = Notes::default();
        let mut named = None;
        let item = line.text.and_then(|text| {
            read::line(text, &mut notes).map_err(|fault| {
                named = read::flight_named(text);
                if line.complete || fault.code != Code::BadJson {
                    return fault;
                }
                Fault::new(
                    Code::Truncated,
                    format!(
                        "the last line has no line end and is not whole ({}); {}",
                        fault.reason,
                        Code::Truncated.remedy()
                    ),
                )
            })
        });
        let ready = &mut self.ready;
        let mut reject = |fault: Fault, flight: Option<FlightKey>| {
            let mut reject = Reject::new(&self.message, number, fault.code, fault.reason, raw);
            reject.flight = flight;
            ready.push_back(Parsed::Reject(reject));
        };
        match item {
            Ok(LineItem::Event(event)) => {
                if let Some(open) = &mut self.open {
                    open.events += 1;
                }
                for station in notes.stations_unknown {
                    if self.stations_told.insert(station) {
                        notes.warnings.push(format!(
                            "{station} is no IATA airport that we know; further events with it are marked and not warned of"
                        ));
                    }
                }
                push_event(ready, number, event, notes.warnings);
            }
            Ok(LineItem::ReplaceBegin(replacement)) => match self.open.take() {
                None => {
                    self.open = Some(Open {
                        replacement: replacement.clone(),
                        line: number,
                        raw: raw[..raw.len().min(RAW_BYTES_MAX)].to_vec(),
                        events: 0,
                    });
                    ready.push_back(Parsed::ReplaceBegin {
                        line: number,
                        replacement,
                    });
                }
                Some(open) => reject(
                    bad_replace(format_args!(
                        "the replacement of line {} has not ended: neither withdraws anything",
                        open.line
                    )),
                    None,
                ),
            },
            Ok(LineItem::ReplaceEnd(replacement, events)) => {
                match matches(self.open.take(), &replacement, events) {
                    Ok(()) => ready.push_back(Parsed::ReplaceEnd {
                        line: number,
                        replacement,
                    }),
                    Err(fault) => reject(fault, None),
                }
            }
            Err(fault) => {
                if let Some(open) = &mut self.open {
                    open.events += 1;
                }
                reject(fault, named);
            }
        }
        true
    }
}

fn push_event(
    ready: &mut VecDeque<Parsed>,
    line: u64,
    event: CanonicalEvent,
    warnings: Vec<String>,
) {
    let flight = Some(event.flight);
    ready.push_back(Parsed::Event { line, event });
    ready.extend(
        warnings
            .into_iter()
            .map(|text| Parsed::Warning(Warning { line, flight, text })),
    );
}

fn bad_replace(reason: std::fmt::Arguments<'_>) -> Fault {
    Fault::new(
        Code::BadReplace,
        format!("{reason}; {}", Code::BadReplace.remedy()),
    )
}

/// Whether the end mark ends what has begun, whole.
fn matches(open: Option<Open>, end: &Replacement, events: Option<u64>) -> Result<(), Fault> {
    let Some(open) = open else {
        return Err(bad_replace(format_args!(
            "no replacement has begun: nothing was withdrawn"
        )));
    };
    let begin = &open.replacement;
    if begin.scope != end.scope || begin.version != end.version {
        return Err(bad_replace(format_args!(
            "carrier, from, to and source_version are not those of the begin mark in line {}: nothing was withdrawn",
            open.line
        )));
    }
    match events {
        Some(events) if events != open.events => Err(bad_replace(format_args!(
            "{events} events are announced, but {} lines with events came since line {}: nothing was withdrawn",
            open.events, open.line
        ))),
        _ => Ok(()),
    }
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
