//! The iterator over a source.

use std::collections::VecDeque;
use std::sync::Arc;

use flightline_ledger::Date;
use flightline_ledger::command::{Numbered, Series};

use super::change::Change;
use super::event;
use super::grammar::Action;
use super::message::{Item, Messages, Part, Reference};
use super::{Config, LINE_BYTES_MAX};
use crate::connector::{Parsed, Source, Warning};
use crate::lines::Lines;
use crate::reject::{Fault, Reject};

/// The iterator.
pub(super) struct Parts<'a> {
    config: Config,
    message: Arc<str>,
    messages: Messages<'a>,
    ready: VecDeque<Parsed>,
    /// A part whose flights are being handed out.
    open: Option<Open>,
    /// The day of a reference, so that all parts of a message have one version.
    made: Option<(Reference, Date)>,
    /// The message that was told last, and whether it is an ASM.
    told: Option<(bool, Reference)>,
}

struct Open {
    change: Change,
    raw: Vec<u8>,
    flight: usize,
    day: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn new(config: Config, source: Source<'a>) -> Self {
        Self {
            config,
            message: source.message,
            messages: Messages::new(Lines::new(source.reader, LINE_BYTES_MAX)),
            ready: VecDeque::new(),
            open: None,
            made: None,
            told: None,
        }
    }

    fn set_aside(&mut self, line: u64, fault: Fault, raw: &[u8]) {
        self.ready.push_back(Parsed::Reject(Reject::new(
            &self.message,
            line,
            fault.code,
            fault.reason,
            raw,
        )));
    }

    /// Tells of a message that is numbered, when its first part comes: also when no part of it can be read.
    fn tell(&mut self, part: &Part) {
        let Some(reference) = part.head.reference else {
            return;
        };
        let message = Some((part.head.is_asm, reference));
        if self.told == message {
            return;
        }
        self.told = message;
        // Numbers count from 1; of a day without a year nothing can be said.
        let received = self.config.received.filter(|_| reference.number > 0);
        let Some(day) = received.and_then(|day| reference.made(day)) else {
            return;
        };
        let series = match part.head.is_asm {
            false => Series::Ssm,
            true => Series::Asm,
        };
        self.ready.push_back(Parsed::Numbered {
            line: part.line,
            numbered: Numbered {
                series,
                day,
                group: reference.group,
                number: reference.number,
                is_last: reference.is_last,
            },
        });
    }

    fn begin(&mut self, mut part: Part) {
        self.tell(&part);
        let raw = part.raw();
        if let Some(fault) = part.fault.take() {
            return self.set_aside(part.line, fault, &raw);
        }
        // Words that are added to all parts of the message.
        if part.is_words() {
            return;
        }
        let reference = part.head.reference;
        let mut day = self
            .made
            .filter(|(known, _)| Some(*known) == reference)
            .map(|(_, day)| day);
        let read = Change::read(&part, self.config, &mut day);
        self.made = reference.zip(day);
        match read {
            Err(fault) => self.set_aside(part.line, fault, &raw),
            Ok(change) => {
                let mut remarks = change.remarks.clone();
                match change.action {
                    Action::Administrative => remarks
                        .push("ADM changes nothing that is counted here: passed over".to_owned()),
                    Action::Housekeeping => remarks
                        .push("a question or an answer between systems: passed over".to_owned()),
                    _ => {}
                }
                let line = change.line;
                self.ready.extend(remarks.into_iter().map(|text| {
                    Parsed::Warning(Warning {
                        line,
                        flight: None,
                        text,
                    })
                }));
                self.open = Some(Open {
                    change,
                    raw,
                    flight: 0,
                    day: 0,
                });
            }
        }
    }

    /// The next flight and day of the part that is open.
    fn go_on(&mut self, mut open: Open) {
        let Some((designator, days)) = open.change.flights.get(open.flight) else {
            return;
        };
        let Some(date) = days.get(open.day).copied() else {
            open.flight += 1;
            open.day = 0;
            self.open = Some(open);
            return;
        };
        open.day += 1;
        let mut items = Vec::with_capacity(2);
        match event::push(&open.change, *designator, date, &mut items) {
            Ok(()) => {
                self.ready.extend(items);
                self.open = Some(open);
            }
            // What is wrong with one day is wrong with all, or the zone of one is unknown: the
            // part is set aside from there on.
            Err(fault) => {
                let reason = format!("{} (from {date} on)", fault.reason);
                self.set_aside(open.change.line, Fault::new(fault.code, reason), &open.raw);
            }
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if let Some(open) = self.open.take() {
                self.go_on(open);
                continue;
            }
            match self.messages.next()? {
                Item::Part(part) => self.begin(part),
                Item::Bad(line, fault, raw) => {
                    self.set_aside(line, fault, &raw);
                }
            }
        }
    }
}
