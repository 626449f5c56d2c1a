//! One airline of the file: its version, its scope, and whether it came whole.

use std::collections::HashSet;
use std::sync::Arc;

use flightline_ledger::Date;
use flightline_ledger::command::SourceVersion;

use super::REPEATS_MAX;
use super::record::{Card, CarrierRecord, Trailer};
use crate::connector::Parsed;
use crate::reject::{Code, Reject};
use crate::replacement::{Replacement, Scope};
use crate::schedule::calendar;
use crate::schedule::clock::Mode;

/// What stands in the file after the last record: after this one they begin again with 2.
const SERIAL_MAX: u32 = 999_999;

/// An airline's block that is being read.
pub(super) struct Block {
    pub(super) line: u64,
    raw: Vec<u8>,
    pub(super) carrier: CarrierRecord,
    pub(super) version: SourceVersion,
    replacement: Option<Replacement>,
    serial: Option<u32>,
    /// Why it does not replace anything.
    not_whole: Option<String>,
    /// Digests of the legs so far.
    seen: HashSet<[u8; 16]>,
}

impl Block {
    /// Begins, with what is to be told of it. `group` is the serial number of the data set.
    pub(super) fn begin(
        carrier: CarrierRecord,
        card: &Card,
        line: u64,
        group: u32,
    ) -> (Self, Vec<String>) {
        let mut remarks = carrier.remarks.clone();
        let version = SourceVersion {
            time_ms: carrier.created_ms.unwrap_or(0),
            group,
            sequence: 0,
        };
        let mut replaced = scope(&carrier);
        if carrier.created_ms.is_none() {
            remarks.push(
                "the carrier record says not when it was made (29-35): what it says is older than everything else, and nothing is withdrawn".to_owned(),
            );
            replaced = None;
        } else if carrier.shared_designator {
            remarks.push(format!(
                "two airlines share the designator {} (108): their flights cannot be told apart, and nothing is withdrawn",
                carrier.carrier
            ));
            replaced = None;
        } else if replaced.is_none() {
            remarks.push(
                "the period of the carrier record (15-28) has no local day of which it surely names every flight: nothing is withdrawn".to_owned(),
            );
        }
        let block = Self {
            line,
            raw: card.content().to_vec(),
            version,
            replacement: replaced.map(|scope| Replacement {
                scope,
                version,
                message_id: None,
            }),
            serial: card.serial(),
            not_whole: None,
            seen: HashSet::new(),
            carrier,
        };
        (block, remarks)
    }

    /// The mark with which its replacement begins.
    pub(super) fn begin_mark(&self) -> Option<Parsed> {
        Some(Parsed::ReplaceBegin {
            line: self.line,
            replacement: self.replacement.clone()?,
        })
    }

    /// The last day of what is valid until further notice.
    pub(super) fn open_end(&self) -> Option<Date> {
        self.carrier
            .last
            .or_else(|| calendar::season_end(&self.carrier.season))
    }

    /// Looks at the serial number of its next record.
    pub(super) fn count(&mut self, card: &Card, line: u64) {
        let now = card.serial();
        if let (Some(before), Some(now)) = (self.serial, now) {
            let wanted = if before == SERIAL_MAX { 2 } else { before + 1 };
            if now != wanted {
                self.spoil(format!(
                    "line {line} has the serial number {now} where {wanted} belongs: records may be missing"
                ));
            }
        }
        if now.is_some() {
            self.serial = now;
        }
    }

    /// Something of it is not known.
    pub(super) fn spoil(&mut self, why: String) {
        self.not_whole.get_or_insert(why);
    }

    /// Whether the same record came before in the block.
    pub(super) fn repeats(&mut self, card: &Card) -> bool {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(card.content()).as_bytes()[..16]);
        if self.seen.len() >= REPEATS_MAX {
            return self.seen.contains(&digest);
        }
        !self.seen.insert(digest)
    }

    /// Its trailer came, whose own serial number was counted before.
    pub(super) fn end(
        mut self,
        trailer: &Trailer,
        line: u64,
        message: &Arc<str>,
    ) -> Option<Parsed> {
        if trailer.carrier != self.carrier.carrier {
            self.spoil(format!(
                "the trailer in line {line} is that of {}",
                trailer.carrier
            ));
        }
        if let (Some(before), Some(own)) = (trailer.before, self.serial) {
            let fits = before + 1 == own || (before == SERIAL_MAX && own == 2);
            if !fits {
                self.spoil(format!(
                    "the trailer in line {line} says that {before} is the serial number of the record before it, and its own is {own}: records are missing"
                ));
            }
        }
        match self.not_whole.take() {
            None => self
                .replacement
                .map(|replacement| Parsed::ReplaceEnd { line, replacement }),
            Some(why) => Some(self.refusal(&why, message)),
        }
    }

    /// It ended without a trailer.
    pub(super) fn break_off(self, message: &Arc<str>) -> Parsed {
        let why = "no trailer (type 5) ends it: the file may be cut";
        self.refusal(why, message)
    }

    /// Why it replaces nothing.
    pub(super) fn refusal(&self, why: &str, message: &Arc<str>) -> Parsed {
        let reason = format!(
            "the block of {} that begins here is no full replacement, since {why}; its flights were taken, nothing was withdrawn; {}",
            self.carrier.carrier,
            Code::BadReplace.remedy()
        );
        Parsed::Reject(Reject::new(
            message,
            self.line,
            Code::BadReplace,
            reason,
            &self.raw,
        ))
    }
}

/// The days for which the block names every flight, by the flights' own local days. A block of UTC
/// days names those of its first and last day in part only, wherever local days are others.
fn scope(carrier: &CarrierRecord) -> Option<Scope> {
    let from = carrier.first?;
    let to = carrier.last.or_else(|| Date::from_ymd(2999, 12, 31))?;
    let inwards = i32::from(carrier.mode == Mode::Utc);
    let (from, to) = (Date(from.0 + inwards), Date(to.0 - inwards));
    (from <= to).then_some(Scope {
        carrier: Some(carrier.carrier),
        from,
        to,
    })
}
