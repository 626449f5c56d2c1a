//! Record after record to items.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use flightline_ledger::Station;

use super::block::Block;
use super::group::{Expansion, Group};
use super::record::{self, Card, CarrierRecord, Key, LegRecord, SegmentRecord, Trailer};
use super::{Config, LINE_BYTES_MAX, expand};
use crate::connector::{Parsed, Source, Warning};
use crate::lines::Lines;
use crate::reject::{Code, Fault, Reject};
use crate::schedule::calendar::Period;

/// The iterator over a source.
pub(super) struct Records<'a> {
    config: Config,
    message: Arc<str>,
    lines: Lines<'a>,
    /// To hand out.
    ready: VecDeque<Parsed>,
    /// To hand out behind.
    expansion: Option<Box<Expansion>>,
    /// Read, and to be looked at when everything before it is out.
    waiting: Option<Read>,
    group: Group,
    block: Option<Block>,
    /// Serial number of the data set.
    data_set: u32,
    /// A header or carrier record was seen.
    begun: bool,
    /// The line of a trailer that says that another airline follows, until it does.
    announced: Option<u64>,
    /// A block that came whole, and what is said instead when the input breaks off right behind it:
    /// packed data that is not whole may be wrong all over.
    closing: Option<(Parsed, Parsed)>,
    /// Stations that are no airport, for which it was said.
    stations_told: HashSet<Station>,
}

/// A line that was read.
struct Read {
    line: u64,
    raw: Vec<u8>,
    what: Result<What, Fault>,
    /// Of a leg that was set aside: which.
    key: Option<Key>,
}

enum What {
    Header,
    Carrier(Box<CarrierRecord>, Box<Card>),
    Leg(Box<LegRecord>, Box<Card>),
    Segment(Box<SegmentRecord>, Box<Card>),
    Trailer(Trailer, Box<Card>),
}

impl<'a> Records<'a> {
    pub(super) fn new(config: Config, source: Source<'a>) -> Self {
        Self {
            config,
            message: source.message,
            lines: Lines::new(source.reader, LINE_BYTES_MAX),
            ready: VecDeque::new(),
            expansion: None,
            waiting: None,
            group: Group::default(),
            block: None,
            data_set: 0,
            begun: false,
            announced: None,
            closing: None,
            stations_told: HashSet::new(),
        }
    }

    /// The next record that is no padding.
    fn read(&mut self) -> Option<Read> {
        loop {
            let line = self.lines.next_line()?;
            let (number, complete) = (line.number, line.complete);
            let mut key = None;
            // Titles and remarks come in the letters of other times, one byte each.
            let text = match line.text {
                Err(fault) if fault.code == Code::NotUtf8 && is_record(line.raw) => Ok(Cow::Owned(
                    line.raw.iter().copied().map(char::from).collect::<String>(),
                )),
                text => text.map(Cow::Borrowed),
            };
            let what = text.and_then(|text| {
                let text = text.as_ref();
                // What ends a file on old systems.
                if text.trim() == "\u{1a}" {
                    return Ok(None);
                }
                if !complete && text.chars().count() < super::RECORD_CHARS {
                    return Err(Fault::new(
                        Code::Truncated,
                        format!(
                            "the last record has {} characters and no line end; {}",
                            text.chars().count(),
                            Code::Truncated.remedy()
                        ),
                    ));
                }
                if text.bytes().all(|b| b == b'0') && text.len() > 1 {
                    return Ok(None);
                }
                let card = Box::new(Card::read(text)?);
                if card.is_padding() {
                    return Ok(None);
                }
                let read = what(card, number);
                if read.is_err() {
                    key = Card::read(text)
                        .ok()
                        .filter(|card| card.kind() == b'3')
                        .and_then(|card| Key::read(&card, record::LEG_OVERFLOW).ok());
                }
                read.map(Some)
            });
            let what = match what {
                Ok(None) => continue,
                Ok(Some(what)) => Ok(what),
                Err(fault) => Err(fault),
            };
            return Some(Read {
                line: number,
                raw: line.raw.to_vec(),
                what,
                key,
            });
        }
    }

    /// Reads on; false at the end.
    fn advance(&mut self) -> bool {
        let next = self.waiting.take().or_else(|| self.read());
        if let Some((end, refusal)) = self.closing.take() {
            let broken = matches!(&next, Some(Read { what: Err(fault), .. })
                if matches!(fault.code, Code::Truncated | Code::Unreadable));
            self.ready.push_back(if broken { refusal } else { end });
            self.waiting = next;
            return true;
        }
        let Some(read) = next else {
            if !self.group.is_empty() {
                self.flush();
                return true;
            }
            let Some(block) = self.block.take() else {
                let Some(line) = self.announced.take() else {
                    return false;
                };
                self.ready.push_back(warning(line, "the trailer says that another airline follows, and none does: the file may be cut".to_owned()));
                return true;
            };
            self.ready.push_back(block.break_off(&self.message));
            return true;
        };
        if self.goes_on(&read) {
            self.take_into_group(read);
        } else if self.group.is_empty() {
            self.take(read);
        } else {
            self.waiting = Some(read);
            self.flush();
        }
        true
    }

    /// Whether a record belongs to the flight number that is being gathered, or begins one.
    fn goes_on(&self, read: &Read) -> bool {
        let Some(block) = &self.block else {
            return false;
        };
        match &read.what {
            Ok(What::Leg(leg, _)) => {
                let same = self
                    .group
                    .designator()
                    .is_none_or(|d| d == leg.key.designator);
                same && self.group.fits(days(leg, block))
            }
            Ok(What::Segment(..)) => self.group.designator().is_some(),
            Ok(_) => false,
            Err(fault) => {
                self.group.designator().is_some()
                    && self.group.fits(0)
                    && !matches!(fault.code, Code::Truncated | Code::Unreadable)
            }
        }
    }

    fn take_into_group(&mut self, read: Read) {
        let Some(block) = &mut self.block else { return };
        let line = read.line;
        match read.what {
            Ok(What::Leg(leg, card)) => {
                block.count(&card, line);
                if block.repeats(&card) {
                    self.group.hold(warning(
                        line,
                        "the same record came before: passed over".to_owned(),
                    ));
                } else if let Err(fault) = ends(&leg, block) {
                    self.group.broke(leg.key, line);
                    block.spoil(format!("line {line} was set aside ({})", fault.code));
                    self.group
                        .hold(reject(&self.message, line, fault, &read.raw));
                } else {
                    let days = days(&leg, block);
                    self.group.add(*leg, &read.raw, days);
                }
            }
            Ok(What::Segment(segment, card)) => {
                block.count(&card, line);
                let text = format!(
                    "no leg before it has its key ({} variation {:02} leg {:02}): passed over",
                    segment.key.designator, segment.key.itinerary, segment.key.sequence
                );
                if !self.group.add_segment(*segment) {
                    self.group.hold(warning(line, text));
                }
            }
            Ok(_) => {}
            Err(fault) => {
                if let Some(key) = read.key {
                    self.group.broke(key, line);
                }
                block.spoil(format!("line {line} was set aside ({})", fault.code));
                self.group
                    .hold(reject(&self.message, line, fault, &read.raw));
            }
        }
    }

    /// Takes a record while nothing is being gathered.
    fn take(&mut self, read: Read) {
        let line = read.line;
        match read.what {
            Ok(What::Header) => {
                self.begun = true;
                let text = std::str::from_utf8(&read.raw).unwrap_or_default();
                self.data_set = text.get(191..194).and_then(|s| s.trim().parse().ok()).unwrap_or(0);
                self.end_without_trailer();
            }
            Ok(What::Carrier(carrier, card)) => {
                self.end_without_trailer();
                self.announced = None;
                if !self.begun {
                    self.ready.push_back(warning(line, "the file has no header (type 1): taken all the same".to_owned()));
                }
                self.begun = true;
                let (block, remarks) = Block::begin(*carrier, &card, line, self.data_set);
                self.ready.extend(block.begin_mark());
                self.ready.extend(remarks.into_iter().map(|text| warning(line, text)));
                self.block = Some(block);
            }
            Ok(What::Trailer(trailer, card)) => match self.block.take() {
                Some(mut block) => {
                    block.count(&card, line);
                    self.announced = trailer.continues.then_some(line);
                    let refusal = block.refusal("the input broke off behind its trailer", &self.message);
                    match block.end(&trailer, line, &self.message) {
                        Some(end @ Parsed::ReplaceEnd { .. }) => self.closing = Some((end, refusal)),
                        other => self.ready.extend(other),
                    }
                }
                None => self.set_aside(
                    line,
                    record::bad(format_args!("a trailer (type 5) ends an airline, and none has begun")),
                    &read.raw,
                ),
            },
            Ok(What::Segment(segment, card)) => {
                if let Some(block) = &mut self.block {
                    block.count(&card, line);
                }
                let text = format!(
                    "no leg before it has its key ({} variation {:02} leg {:02}): passed over",
                    segment.key.designator, segment.key.itinerary, segment.key.sequence
                );
                self.ready.push_back(warning(line, text));
            }
            Ok(What::Leg(..)) => self.set_aside(
                line,
                record::bad(format_args!(
                    "a leg (type 3) stands behind a carrier record (type 2), which says in which clock its times are, and there is none that was taken"
                )),
                &read.raw,
            ),
            Err(fault) => {
                if let Some(block) = &mut self.block {
                    block.spoil(format!("line {line} was set aside ({})", fault.code));
                }
                // A carrier record that cannot be read ends the one before it.
                if read.raw.first() == Some(&b'2') && read.raw.len() >= super::RECORD_CHARS - 6 {
                    self.end_without_trailer();
                }
                self.set_aside(line, fault, &read.raw);
            }
        }
    }

    fn set_aside(&mut self, line: u64, fault: Fault, raw: &[u8]) {
        self.ready
            .push_back(reject(&self.message, line, fault, raw));
    }

    fn end_without_trailer(&mut self) {
        if let Some(block) = self.block.take() {
            self.ready.push_back(block.break_off(&self.message));
        }
    }

    /// Hands out what was gathered.
    fn flush(&mut self) {
        let group = std::mem::take(&mut self.group);
        let Some(block) = &self.block else { return };
        // The input ends inside a record: whether the flights before it had more legs is not known.
        if let Some(waiting) = &mut self.waiting
            && let Err(fault) = &mut waiting.what
            && matches!(fault.code, Code::Truncated | Code::Unreadable)
            && let Some(first) = group.first_line()
        {
            fault.reason = format!(
                "{}; the flights from line {first} on, of the number that was being read, may have had more legs and were left as they are",
                fault.reason
            );
            self.ready.extend(group.into_held());
            return;
        }
        self.expansion = Some(Box::new(group.expand(
            self.config,
            block.carrier.mode,
            block.version,
            block.open_end(),
            &self.message,
            &mut self.stations_told,
        )));
    }
}

/// Whether a line has the length of a record when each byte is one character, and none is what no text has.
fn is_record(raw: &[u8]) -> bool {
    (record::CHARS_MIN..=record::CHARS_MAX).contains(&raw.len()) && !raw.contains(&0)
}

fn what(card: Box<Card>, line: u64) -> Result<What, Fault> {
    Ok(match card.kind() {
        b'1' => What::Header,
        b'2' => What::Carrier(Box::new(CarrierRecord::read(&card)?), card),
        b'3' => What::Leg(Box::new(LegRecord::read(&card, line)?), card),
        b'4' => What::Segment(Box::new(SegmentRecord::read(&card, line)?), card),
        b'5' => What::Trailer(Trailer::read(&card)?, card),
        _ => {
            return Err(record::bad(format_args!(
                "a record of type 0 is padding and holds zeros only"
            )));
        }
    })
}

/// How many days a leg could fly on, at most.
fn days(leg: &LegRecord, block: &Block) -> usize {
    match leg.last.or_else(|| block.open_end()) {
        Some(last) if ends(leg, block).is_ok() => expand::period(leg, last).dates().count(),
        _ => 0,
    }
}

/// Whether a leg ends, after it begins and before it is too long.
fn ends(leg: &LegRecord, block: &Block) -> Result<(), Fault> {
    let Some(last) = leg.last.or_else(|| block.open_end()) else {
        return Err(Fault::at(
            Code::BadTime,
            "period to (22-28)",
            "the leg flies until further notice, and neither the period nor the season of the carrier record says how long that is",
        ));
    };
    if last < leg.first {
        return Err(Fault::at(
            Code::BadTime,
            "period to (22-28)",
            format!("{last} is before the first day, {}", leg.first),
        ));
    }
    if last.0 - leg.first.0 > Period::DAYS_MAX {
        return Err(Fault::at(
            Code::BadTime,
            "period to (22-28)",
            format!("{} to {last} is longer than ten years", leg.first),
        ));
    }
    Ok(())
}

fn warning(line: u64, text: String) -> Parsed {
    Parsed::Warning(Warning {
        line,
        flight: None,
        text,
    })
}

fn reject(message: &Arc<str>, line: u64, fault: Fault, raw: &[u8]) -> Parsed {
    Parsed::Reject(Reject::new(message, line, fault.code, fault.reason, raw))
}

impl Iterator for Records<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if let Some(expansion) = &mut self.expansion {
                match expansion.next() {
                    Some(items) => self.ready.extend(items),
                    None => self.expansion = None,
                }
            } else if !self.advance() {
                return None;
            }
        }
    }
}
