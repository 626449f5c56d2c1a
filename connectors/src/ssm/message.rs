//! Lines to messages and their parts.

use std::collections::VecDeque;

use flightline_ledger::Date;

use crate::lines::{self, Lines, telegram};
use crate::reject::{Code, Fault};
use crate::schedule::calendar;
use crate::schedule::clock::Mode;
use crate::sections::{Sections, Told};

use super::PART_LINES_MAX;
use super::grammar::Line;

/// How many days a message may seem to come from behind the day of its receipt.
const CLOCKS_DAYS: i32 = 3;

/// The most lines of addresses that a message has.
const ADDRESS_LINES_MAX: usize = 100;

/// The head of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// About flights of a day, not of a period.
    pub(super) is_asm: bool,
    pub(super) mode: Mode,
    pub(super) reference: Option<Reference>,
    /// Day and time of the origin line before it, `DDHHMM`, as they are written.
    pub(super) origin: Option<String>,
    /// Which message of the input it is, from 1.
    pub(super) ordinal: u32,
    /// How many parts of it were read.
    pub(super) parts: u32,
}

/// `21JAN00052E001/reference`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) day: (u32, u32),
    pub(super) group: u32,
    pub(super) number: u32,
    /// The last of its group.
    pub(super) is_last: bool,
}

impl Reference {
    /// The day of the message when it was received on another day. Messages are about days to come
    /// and are made before they are received, but for clocks that differ.
    pub(super) fn made(self, received: Date) -> Option<Date> {
        calendar::last(self.day, Date(received.0 + CLOCKS_DAYS))
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.split('/').next().unwrap_or_default().trim_end();
        if text.len() != 14 || !text.is_ascii() {
            return None;
        }
        let digits = |part: &str| {
            part.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| part.parse().ok())
                .flatten()
        };
        let group = digits(&text[5..10])?;
        let number = digits(&text[11..14])?;
        Some(Self {
            day: calendar::day_and_month(&text[..5])?,
            group,
            number,
            is_last: match &text[10..11] {
                "E" => true,
                "C" => false,
                _ => return None,
            },
        })
    }
}

/// A part of a message: what stands between two `//`.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) head: Head,
    /// Line of its first line, from 1.
    pub(super) line: u64,
    /// Without the line that separates it from the next.
    pub(super) lines: Vec<String>,
    /// It does not come to its end.
    pub(super) fault: Option<Fault>,
}

impl Part {
    /// One of its lines is bad: it is set aside as one.
    fn broken(&mut self, line: u64, fault: Fault, raw: &[u8]) {
        self.lines.push(String::from_utf8_lossy(raw).into_owned());
        self.fault.get_or_insert_with(|| {
            Fault::new(fault.code, format!("line {line}: {}", fault.reason))
        });
    }

    /// Whether it begins with `SI`: words that say nothing to a program.
    pub(super) fn is_words(&self) -> bool {
        self.lines
            .first()
            .is_some_and(|line| matches!(Line::read(line, false), Some(Line::Remark)))
    }

    /// As it came.
    pub(super) fn raw(&self) -> Vec<u8> {
        self.lines.join("\n").into_bytes()
    }
}

/// What is read.
pub(super) enum Item {
    Part(Part),
    /// A line that cannot be read.
    Bad(u64, Fault, Vec<u8>),
}

/// Reads messages.
pub(super) struct Messages<'a> {
    lines: Lines<'a>,
    head: Option<Head>,
    part: Option<Part>,
    /// Of the envelope that was read last.
    origin: Option<String>,
    /// Messages so far.
    messages: u32,
    /// The envelope in sections, where there is one.
    sections: Sections,
    /// Lines that were read to see what follows others.
    looked_at: VecDeque<Text>,
}

/// A line, kept.
struct Text {
    number: u64,
    text: Result<String, Fault>,
    raw: Vec<u8>,
    complete: bool,
}

impl Text {
    fn of(line: lines::Line<'_>) -> Self {
        Self {
            number: line.number,
            text: line.text.map(telegram),
            raw: line.raw.to_vec(),
            complete: line.complete,
        }
    }

    fn has_addresses(&self) -> bool {
        self.text.as_ref().is_ok_and(|text| is_addresses(text))
    }

    fn is_origin(&self) -> bool {
        self.text.as_ref().is_ok_and(|text| text.starts_with('.'))
    }
}

impl<'a> Messages<'a> {
    pub(super) fn new(lines: Lines<'a>) -> Self {
        Self {
            lines,
            head: None,
            part: None,
            origin: None,
            messages: 0,
            sections: Sections::default(),
            looked_at: VecDeque::new(),
        }
    }

    /// The next line that is no address of an envelope.
    fn next_line(&mut self) -> Option<Text> {
        loop {
            if let Some(line) = self.looked_at.pop_front() {
                return Some(line);
            }
            let line = Text::of(self.lines.next_line()?);
            if !line.has_addresses() {
                return Some(line);
            }
            // Addresses stand before the origin, with a priority in front of them or without.
            let mut addresses = vec![line];
            loop {
                let next = self.lines.next_line().map(Text::of);
                if next.as_ref().is_some_and(Text::is_origin) {
                    self.looked_at.extend(next);
                    break;
                }
                let goes_on = next.as_ref().is_some_and(Text::has_addresses);
                if goes_on && addresses.len() < ADDRESS_LINES_MAX {
                    addresses.extend(next);
                    continue;
                }
                self.looked_at.extend(addresses);
                self.looked_at.extend(next);
                break;
            }
        }
    }

    /// Begins a message, if its kind is one of those that are read.
    fn begin(&mut self, kind: &str) {
        if !matches!(kind, "SSM" | "ASM") {
            return;
        }
        // Its envelope may have named the kind already.
        let begun = |head: &Head| head.parts == 0 && head.reference.is_none();
        if !self.head.as_ref().is_some_and(begun) {
            self.messages = self.messages.saturating_add(1);
        }
        self.head = Some(Head {
            is_asm: kind == "ASM",
            mode: Mode::Utc,
            reference: None,
            origin: self.origin.clone(),
            ordinal: self.messages,
            parts: 0,
        });
    }

    /// The next part of a message, or what is none.
    pub(super) fn next(&mut self) -> Option<Item> {
        loop {
            let Some(line) = self.next_line() else {
                return self.part.take().map(Item::Part);
            };
            let number = line.number;
            let text = match line.text {
                Ok(text) => text,
                Err(fault) => {
                    let raw = line.raw;
                    match &mut self.part {
                        Some(part) => part.broken(number, fault, &raw),
                        None => return Some(Item::Bad(number, fault, raw)),
                    }
                    continue;
                }
            };
            let text = text.as_str();
            if text.is_empty() {
                continue;
            }
            // A short last line without an end may be cut in the middle of a time.
            if !line.complete
                && self.part.is_some()
                && !text.starts_with("NNNN")
                && text != "//"
                && !whole(
                    text,
                    self.part.as_ref().is_some_and(|part| part.lines.len() == 1),
                )
            {
                let fault = Fault::new(
                    Code::Truncated,
                    format!(
                        "the last line has no line end and is not whole; {}",
                        Code::Truncated.remedy()
                    ),
                );
                let raw = line.raw;
                if let Some(part) = &mut self.part {
                    part.broken(number, fault, &raw);
                }
                continue;
            }
            if let Some(told) = self.sections.take(text) {
                match told {
                    Told::Begin => {
                        self.head = None;
                        self.origin = None;
                    }
                    Told::Made(time) => self.origin = Some(time),
                    Told::Text(Some(kind)) => self.begin(&kind),
                    Told::Text(None) | Told::Nothing => {}
                }
                if let Some(part) = self.part.take() {
                    return Some(Item::Part(part));
                }
                continue;
            }
            if envelope(text) {
                self.head = None;
                // Its day and time, behind who sent it.
                let origin = text.strip_prefix('.');
                self.origin = origin.and_then(|text| text.split(' ').nth(1).map(str::to_owned));
                if let Some(part) = self.part.take() {
                    return Some(Item::Part(part));
                }
                continue;
            }
            match text {
                "SSM" | "ASM" => {
                    self.begin(text);
                    if let Some(part) = self.part.take() {
                        return Some(Item::Part(part));
                    }
                    continue;
                }
                "//" => {
                    if let Some(part) = self.part.take() {
                        return Some(Item::Part(part));
                    }
                    continue;
                }
                _ => {}
            }
            let Some(head) = &mut self.head else {
                let fault = Fault::new(
                    Code::BadRecord,
                    format!(
                        "the line stands in no message: one begins with a line SSM or ASM; {}",
                        Code::BadRecord.remedy()
                    ),
                );
                return Some(Item::Bad(number, fault, line.raw));
            };
            if head.parts == 0 && self.part.is_none() {
                match text {
                    "LT" => {
                        head.mode = Mode::Local;
                        continue;
                    }
                    "UTC" => continue,
                    _ => {}
                }
                if head.reference.is_none()
                    && let Some(reference) = Reference::read(text)
                {
                    head.reference = Some(reference);
                    continue;
                }
            }
            match &mut self.part {
                Some(part) if part.lines.len() < PART_LINES_MAX => part.lines.push(text.to_owned()),
                Some(part) => {
                    part.fault.get_or_insert_with(|| {
                        Fault::new(
                            Code::BadCount,
                            format!(
                                "the part has more than {PART_LINES_MAX} lines: split it with //"
                            ),
                        )
                    });
                }
                None => {
                    head.parts += 1;
                    self.part = Some(Part {
                        head: head.clone(),
                        line: number,
                        lines: vec![text.to_owned()],
                        fault: None,
                    });
                }
            }
        }
    }
}

/// Lines around a message.
fn envelope(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    text.starts_with('.')
        || text.starts_with("ZCZC")
        || text.starts_with("NNNN")
        || text.starts_with('=')
        || text == "PDM"
        || (matches!(first, "QU" | "QK" | "QD" | "QN" | "QP" | "QX" | "QS" | "QC")
            && text.len() > 3)
}

/// Whether a line has addresses only: a city, a department and an airline each, such as `MOWRMSU`.
fn is_addresses(text: &str) -> bool {
    !text.is_empty()
        && text.split_ascii_whitespace().all(|word| {
            let bytes = word.as_bytes();
            bytes.len() == 7
                && bytes[..5].iter().all(u8::is_ascii_uppercase)
                && bytes[5..].iter().all(u8::is_ascii_alphanumeric)
        })
}

/// Whether a last line without line end can be whole: it reads as one of its kind, and a flight
/// stands only behind the action.
fn whole(text: &str, behind_action: bool) -> bool {
    [true, false].into_iter().any(|is_asm| {
        Line::read(text, is_asm)
            .is_some_and(|line| behind_action || !matches!(line, Line::Flight { .. }))
    })
}
