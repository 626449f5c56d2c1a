//! Lines to messages and their parts.

use crate::lines::Lines;
use crate::reject::{Code, Fault};
use crate::schedule::calendar;
use crate::schedule::clock::Mode;

use super::PART_LINES_MAX;
use super::grammar::Line;

/// The head of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// About flights of a day, not of a period.
    pub(super) is_asm: bool,
    pub(super) mode: Mode,
    pub(super) reference: Option<Reference>,
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
}

impl<'a> Messages<'a> {
    pub(super) fn new(lines: Lines<'a>) -> Self {
        Self {
            lines,
            head: None,
            part: None,
        }
    }

    /// The next part of a message, or what is none.
    pub(super) fn next(&mut self) -> Option<Item> {
        loop {
            let Some(line) = self.lines.next_line() else {
                return self.part.take().map(Item::Part);
            };
            let number = line.number;
            let text = match line.text {
                Ok(text) => text.trim_end(),
                Err(fault) => {
                    let raw = line.raw.to_vec();
                    match &mut self.part {
                        Some(part) => part.broken(number, fault, &raw),
                        None => return Some(Item::Bad(number, fault, raw)),
                    }
                    continue;
                }
            };
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
                let raw = line.raw.to_vec();
                if let Some(part) = &mut self.part {
                    part.broken(number, fault, &raw);
                }
                continue;
            }
            if envelope(text) {
                self.head = None;
                if let Some(part) = self.part.take() {
                    return Some(Item::Part(part));
                }
                continue;
            }
            match text {
                "SSM" | "ASM" => {
                    self.head = Some(Head {
                        is_asm: text == "ASM",
                        mode: Mode::Utc,
                        reference: None,
                        parts: 0,
                    });
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
                return Some(Item::Bad(number, fault, line.raw.to_vec()));
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
        || (matches!(first, "QU" | "QK" | "QD" | "QN" | "QP" | "QX" | "QS" | "QC")
            && text.len() > 3)
}

/// Whether a last line without line end can be whole: it reads as one of its kind, and a flight
/// stands only behind the action.
fn whole(text: &str, behind_action: bool) -> bool {
    [true, false].into_iter().any(|is_asm| {
        Line::read(text, is_asm)
            .is_some_and(|line| behind_action || !matches!(line, Line::Flight { .. }))
    })
}
