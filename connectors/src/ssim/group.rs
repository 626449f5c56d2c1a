//! The records of one flight number, and what comes of them.

use std::collections::HashSet;
use std::sync::Arc;

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{Date, Station};

use super::expand::{self, DatedLeg, Findings, Flights};
use super::record::{Key, LegRecord, SegmentRecord};
use super::{Config, GROUP_LEGS_MAX, GROUP_RECORDS_MAX, event};
use crate::connector::{Parsed, Warning};
use crate::reject::{Code, Reject};
use crate::schedule::cabins::{self, Configuration, Seating};
use crate::schedule::clock::Mode;
use crate::schedule::designator::Designator;

/// How many records that were set aside are kept until the flight number is complete.
const HELD_MAX: usize = 1000;

/// A record with what its segment data adds.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) seating: Seating,
    /// Other flights that are sold on it.
    pub(super) marketing: Vec<Designator>,
    /// The flight that it is sold on, when this one only markets it.
    pub(super) operating: Option<Designator>,
    /// Pairs of stations between which nothing is sold, by the number of legs from this one on.
    pub(super) restricted: Vec<usize>,
}

/// What is gathered of one flight number.
#[derive(Default)]
pub(super) struct Group {
    records: Vec<LegRecord>,
    /// As they came, for rejects.
    raws: Vec<Vec<u8>>,
    segments: Vec<SegmentRecord>,
    /// Itineraries of which a leg was set aside, and in which line.
    broken: Vec<(u16, u64)>,
    /// Set aside meanwhile, in the order of lines.
    held: Vec<Parsed>,
    legs: usize,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.held.is_empty()
    }

    /// The number that is gathered.
    pub(super) fn designator(&self) -> Option<Designator> {
        self.records.first().map(|record| record.key.designator)
    }

    /// Whether a leg of so many days still fits.
    pub(super) fn fits(&self, days: usize) -> bool {
        self.records.len() < GROUP_RECORDS_MAX
            && self.legs + days <= GROUP_LEGS_MAX
            && self.held.len() < HELD_MAX
    }

    pub(super) fn add(&mut self, record: LegRecord, raw: &[u8], days: usize) {
        self.records.push(record);
        self.raws.push(raw.to_vec());
        self.legs += days;
    }

    /// Adds segment data, if the leg that it belongs to is here.
    pub(super) fn add_segment(&mut self, segment: SegmentRecord) -> bool {
        let known = self
            .records
            .iter()
            .rev()
            .any(|record| record.key == segment.key);
        if known && self.segments.len() < GROUP_RECORDS_MAX {
            self.segments.push(segment);
        }
        known
    }

    /// Keeps what came between the records.
    pub(super) fn hold(&mut self, item: Parsed) {
        self.held.push(item);
    }

    /// A leg of an itinerary was set aside: its flights would lose it.
    pub(super) fn broke(&mut self, key: Key, line: u64) {
        if self.designator() == Some(key.designator) {
            self.broken.push((key.itinerary, line));
        }
    }

    /// The first line of what is gathered.
    pub(super) fn first_line(&self) -> Option<u64> {
        self.records.first().map(|record| record.line)
    }

    /// What came between the records, when nothing comes of them.
    pub(super) fn into_held(self) -> Vec<Parsed> {
        self.held
    }

    /// Everything that comes of it.
    pub(super) fn expand(
        self,
        config: Config,
        mode: Mode,
        version: SourceVersion,
        open_end: Option<Date>,
        message: &Arc<str>,
        stations_told: &mut HashSet<Station>,
    ) -> Expansion {
        let mut held = self.held;
        let mut found = Findings::default();
        let mut dated: Vec<DatedLeg> = Vec::with_capacity(self.legs);
        for (index, record) in (0..).zip(&self.records) {
            if let Some((_, line)) = self
                .broken
                .iter()
                .find(|(it, _)| *it == record.key.itinerary)
            {
                let reason = format!(
                    "line {line} of the same itinerary was set aside: without it the flights would lose a leg; {}",
                    Code::Inconsistent.remedy()
                );
                held.push(Parsed::Reject(Reject::new(
                    message,
                    record.line,
                    Code::Inconsistent,
                    reason,
                    &self.raws[index as usize],
                )));
                continue;
            }
            // The parser lets no record in whose end is not known.
            let Some(last) = record.last.or(open_end) else {
                continue;
            };
            let before = dated.len();
            dated.extend(
                expand::period(record, last)
                    .dates()
                    .map(|date| expand::dated(mode, record, index, date)),
            );
            if dated.len() == before {
                found.remarks.push((
                    record.line,
                    "no day of the period is a day of operation: no flight comes of it".to_owned(),
                ));
            }
            look_at(record, &dated[before..], &mut found);
            for station in [record.board, record.off] {
                if !event::is_airport(station) && stations_told.insert(station) {
                    found.remarks.push((
                        record.line,
                        format!("{station} is no IATA airport that we know: its UTC variation is believed; further legs with it are marked and not told"),
                    ));
                }
            }
        }
        let mut legs: Vec<Leg> = self
            .records
            .iter()
            .map(|record| leg(record, &self.segments, &mut found))
            .collect();
        add_codeshares(&self.records, &self.segments, &mut legs, &mut found);
        let flights = Flights::of(&self.records, dated, &mut found);
        found.remarks.sort_unstable();
        held.extend(found.remarks.into_iter().map(|(line, text)| {
            Parsed::Warning(Warning {
                line,
                flight: None,
                text,
            })
        }));
        held.sort_by_key(line_of);
        Expansion {
            config,
            version,
            message: Arc::clone(message),
            records: self.records,
            raws: self.raws,
            legs,
            flights,
            at: 0,
            named: Default::default(),
            held: held.into(),
        }
    }
}

fn line_of(item: &Parsed) -> u64 {
    match item {
        Parsed::Reject(reject) => reject.line,
        Parsed::Warning(warning) => warning.line,
        Parsed::Event { line, .. }
        | Parsed::Unplaced { line, .. }
        | Parsed::Numbered { line, .. }
        | Parsed::ReplaceBegin { line, .. }
        | Parsed::ReplaceEnd { line, .. } => *line,
    }
}

/// Tells what had to be repaired of a record, once for all its days.
fn look_at(record: &LegRecord, dated: &[DatedLeg], found: &mut Findings) {
    let first = |what: fn(&DatedLeg) -> bool| {
        let days = dated.iter().filter(|leg| what(leg)).count();
        let first = dated.iter().find(|leg| what(leg))?;
        Some((first.date, days))
    };
    for (place, what) in [
        (
            record.board,
            (|leg| leg.departs.disagrees) as fn(&DatedLeg) -> bool,
        ),
        (record.off, |leg| leg.arrives.disagrees),
    ] {
        if let Some((date, days)) = first(what) {
            found.remarks.push((
                record.line,
                format!(
                    "the UTC variation at {place} is not the one that holds there, first on {date}, on {days} days: an hour off, the zone's is taken and the time stands as it is written; else it is believed"
                ),
            ));
        }
    }
    if record.arrives_day.is_some()
        && let Some((date, _)) = first(|leg| leg.repaired)
    {
        found.remarks.push((
            record.line,
            format!("by its date variation (193-194) it arrives before it departs, first on {date}: the next time that the clock shows that time is taken"),
        ));
    }
    if record.adjusted {
        found.remarks.push((
            record.line,
            "the record has not 200 characters: it was cut, or filled with blanks".to_owned(),
        ));
    }
}

fn leg(record: &LegRecord, segments: &[SegmentRecord], found: &mut Findings) -> Leg {
    let own = |element: u16| {
        segments
            .iter()
            .find(|segment| segment.element == element && segment.key == record.key)
            .map(|segment| segment.data.as_str())
    };
    let text = if record.configuration.bytes().any(|b| b.is_ascii_digit()) {
        record.configuration.as_str()
    } else {
        own(108).unwrap_or(&record.configuration)
    };
    let configuration = Configuration::read(text).unwrap_or_else(|why| {
        found.remarks.push((
            record.line,
            format!("the aircraft configuration {text:?} cannot be read ({why}): passed over, as if there were none"),
        ));
        Configuration::default()
    });
    let classes = match record.classes.as_str() {
        "XX" => own(106).unwrap_or_default(),
        classes => classes,
    };
    let seating = cabins::seating(&configuration, classes, record.aircraft);
    let restricted = (0..)
        .zip(record.restrictions)
        .filter(|(legs, code)| match code {
            b' ' => false,
            // The code stands in segment data, for passengers or for freight and mail only.
            b'Z' => !freight_only(record, segments, *legs),
            _ => true,
        })
        .map(|(legs, _)| legs)
        .collect();
    Leg {
        seating,
        marketing: Vec::new(),
        operating: None,
        restricted,
    }
}

/// Whether the segment data of a restriction speaks of freight or mail, and not of passengers.
fn freight_only(record: &LegRecord, segments: &[SegmentRecord], legs: usize) -> bool {
    let of = |elements: [u16; 2]| {
        segments.iter().any(|segment| {
            segment.key == record.key
                && elements.contains(&segment.element)
                // Which place it is about is only sure for the leg itself.
                && (legs > 0 || segment.off.is_none_or(|off| off == record.off))
        })
    };
    of([172, 173]) && !of([170, 171])
}

/// Data elements 010 and 050, for each leg between their stations.
fn add_codeshares(
    records: &[LegRecord],
    segments: &[SegmentRecord],
    legs: &mut [Leg],
    found: &mut Findings,
) {
    for segment in segments.iter().filter(|s| matches!(s.element, 10 | 50)) {
        let mut flights = Vec::new();
        for item in segment
            .data
            .split('/')
            .filter(|item| !item.trim().is_empty())
        {
            match Designator::read(item) {
                Some(designator) => flights.push(designator),
                None => found.remarks.push((
                    segment.line,
                    format!(
                        "{item:?} in data element {:03} is no flight number: passed over",
                        segment.element
                    ),
                )),
            }
        }
        for index in covered(records, segment) {
            let leg = &mut legs[index];
            if segment.element == 50 {
                leg.operating = flights.first().copied().or(leg.operating);
            } else {
                for designator in &flights {
                    if !leg.marketing.contains(designator) {
                        leg.marketing.push(*designator);
                    }
                }
            }
        }
    }
}

/// The legs between the stations of a segment: the one that it names, and those behind it in the
/// same itinerary up to where the segment ends.
fn covered(records: &[LegRecord], segment: &SegmentRecord) -> Vec<usize> {
    let same = |sequence: u8| {
        records.iter().position(|record| {
            record.key
                == Key {
                    sequence,
                    ..segment.key
                }
        })
    };
    let Some(first) = same(segment.key.sequence) else {
        return Vec::new();
    };
    let mut legs = vec![first];
    let Some(off) = segment.off else { return legs };
    let mut sequence = segment.key.sequence;
    while records[legs[legs.len() - 1]].off != off {
        sequence += 1;
        match same(sequence) {
            Some(next) => legs.push(next),
            // The stations do not fit the legs: the leg that is named it is.
            None => return vec![first],
        }
    }
    legs
}

/// Flights on their way out, with what was set aside, in the order of lines.
pub(super) struct Expansion {
    pub(super) config: Config,
    pub(super) version: SourceVersion,
    message: Arc<str>,
    pub(super) records: Vec<LegRecord>,
    raws: Vec<Vec<u8>>,
    pub(super) legs: Vec<Leg>,
    flights: Flights,
    at: usize,
    /// Flights that went out, to find two of one key.
    named: HashSet<(Date, Station)>,
    held: std::collections::VecDeque<Parsed>,
}

impl Expansion {
    /// The next items; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Vec<Parsed>> {
        let flight = (self.at < self.flights.len()).then(|| self.flights.legs(self.at));
        let line = flight
            .as_ref()
            .and_then(|legs| legs.first())
            .map(|leg| self.records[leg.record as usize].line);
        if let Some(held) = self.held.front()
            && line.is_none_or(|line| line_of(held) < line)
        {
            return self.held.pop_front().map(|item| vec![item]);
        }
        let (legs, line) = (flight?, line?);
        self.at += 1;
        let mut items = Vec::with_capacity(1);
        let key = event::key(self, &legs);
        if self.named.insert((key.origin_date, key.board)) {
            event::push(self, &legs, key, line, &mut items);
        } else {
            let record = legs[0].record as usize;
            let mut reject = Reject::new(
                &self.message,
                line,
                Code::Inconsistent,
                format!(
                    "{key} departs a second time on {}: a flight number departs a station once a day; {}",
                    key.origin_date,
                    Code::Inconsistent.remedy()
                ),
                &self.raws[record],
            );
            reject.flight = Some(key);
            items.push(Parsed::Reject(reject));
        }
        Some(items)
    }
}
