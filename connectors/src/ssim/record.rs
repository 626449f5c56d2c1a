//! The fields of each type of record. Places are counted from 1, ends included, as the manual does.

use flightline_ledger::{Carrier, Date, Station};

use super::RECORD_CHARS;
use crate::airports::airports;
use crate::reject::{Code, Fault, quoted};
use crate::schedule::calendar::{self, Days};
use crate::schedule::clock::Mode;
use crate::schedule::designator::{self, Designator};

/// A record as it came, brought to 200 characters.
#[derive(Clone)]
pub(super) struct Card {
    bytes: [u8; RECORD_CHARS],
    /// It had another length.
    pub(super) adjusted: bool,
}

/// Characters that a record must have: those behind hold only its serial number.
pub(super) const CHARS_MIN: usize = 194;

/// The longest record that is taken, its end cut.
pub(super) const CHARS_MAX: usize = 204;

impl Card {
    /// Takes a line. Characters outside of ASCII, which only titles and remarks have, become `?`.
    pub(super) fn read(line: &str) -> Result<Self, Fault> {
        let mut bytes = [b' '; RECORD_CHARS];
        let mut chars = 0;
        for char in line.chars() {
            if let Some(byte) = bytes.get_mut(chars) {
                *byte = u8::try_from(char).ok().filter(u8::is_ascii).unwrap_or(b'?');
            }
            chars += 1;
        }
        if !matches!(bytes[0], b'0'..=b'5') || chars < 2 {
            return Err(bad(format_args!(
                "the line begins with {}, not with a record type 1 to 5",
                quoted(line.get(..1).unwrap_or_default())
            )));
        }
        if chars > CHARS_MAX {
            return Err(Fault::new(
                Code::LineTooLong,
                format!(
                    "the record has {chars} characters; {}",
                    Code::BadRecord.remedy()
                ),
            ));
        }
        if chars < CHARS_MIN {
            return Err(bad(format_args!("the record has {chars} characters only")));
        }
        Ok(Self {
            bytes,
            adjusted: chars != RECORD_CHARS,
        })
    }

    /// The record type, `0` for padding.
    pub(super) fn kind(&self) -> u8 {
        self.bytes[0]
    }

    /// Whether it only fills a block of the file.
    pub(super) fn is_padding(&self) -> bool {
        self.bytes.iter().all(|byte| matches!(byte, b'0' | b' '))
    }

    /// The characters of a field.
    pub(super) fn field(&self, first: usize, last: usize) -> &str {
        // All bytes are ASCII.
        std::str::from_utf8(&self.bytes[first - 1..last]).unwrap_or_default()
    }

    fn letter(&self, at: usize) -> u8 {
        self.bytes[at - 1]
    }

    /// What the record says, without its serial number.
    pub(super) fn content(&self) -> &[u8] {
        &self.bytes[..RECORD_CHARS - 6]
    }

    /// Its serial number, where it has one.
    pub(super) fn serial(&self) -> Option<u32> {
        self.field(195, 200).trim().parse().ok()
    }

    fn carrier(&self) -> Result<Carrier, Fault> {
        let text = self.field(3, 5).trim();
        text.parse()
            .map_err(|e| at(Code::BadCode, "airline (3-5)", text, e))
    }

    fn station(&self, name: &str, first: usize) -> Result<Station, Fault> {
        let text = self.field(first, first + 2);
        text.parse().map_err(|e| at(Code::BadCode, name, text, e))
    }

    /// A date, or `None` for `00XXX00` or, where `blank` says so, for blanks.
    fn date(&self, name: &str, first: usize, blank: bool) -> Result<Option<Date>, Fault> {
        let text = self.field(first, first + 6);
        if text == "00XXX00" || (blank && text.trim().is_empty()) {
            return Ok(None);
        }
        match calendar::date(text) {
            Some(date) => Ok(Some(date)),
            None => Err(at(
                Code::BadTime,
                name,
                text,
                "write a day as 05JAN27, or 00XXX00 for no end",
            )),
        }
    }
}

/// A fault of a record as a whole.
pub(super) fn bad(reason: std::fmt::Arguments<'_>) -> Fault {
    Fault::new(
        Code::BadRecord,
        format!("{reason}; {}", Code::BadRecord.remedy()),
    )
}

fn at(code: Code, name: &str, text: &str, reason: impl std::fmt::Display) -> Fault {
    Fault::at(code, name, format!("{}: {reason}", quoted(text)))
}

/// What legs and segment data are matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) designator: Designator,
    /// Itinerary variation, the overflow included.
    pub(super) itinerary: u16,
    /// Place of the leg in it, from 1.
    pub(super) sequence: u8,
}

impl Key {
    /// Of a record of type 3 or 4; `overflow` is where the overflow of its variation stands.
    pub(super) fn read(card: &Card, overflow: usize) -> Result<Self, Fault> {
        let suffix = match card.letter(2) {
            b' ' => 0,
            letter @ b'A'..=b'Z' => letter,
            _ => {
                return Err(at(
                    Code::BadCode,
                    "suffix (2)",
                    card.field(2, 2),
                    "a suffix is a capital letter or blank",
                ));
            }
        };
        let number = card.field(6, 9);
        let number = designator::number(number).ok_or_else(|| {
            at(
                Code::BadFlightKey,
                "flight number (6-9)",
                number,
                "a flight number is 1 to 9999",
            )
        })?;
        let part = |name, first, last| {
            let text = card.field(first, last);
            text.trim()
                .parse::<u8>()
                .ok()
                .filter(|n| *n <= 99)
                .ok_or_else(|| at(Code::BadCount, name, text, "write two digits"))
        };
        let hundreds = card
            .field(overflow, overflow)
            .trim()
            .parse::<u16>()
            .unwrap_or(0);
        Ok(Self {
            designator: Designator {
                carrier: card.carrier()?,
                number,
                suffix,
            },
            itinerary: hundreds * 100 + u16::from(part("itinerary variation (10-11)", 10, 11)?),
            sequence: part("leg sequence (12-13)", 12, 13)?,
        })
    }
}

/// Where the overflow of the variation stands in a leg.
pub(super) const LEG_OVERFLOW: usize = 128;
/// And in segment data.
const SEGMENT_OVERFLOW: usize = 28;

/// Type 2.
#[derive(Clone, Debug)]
pub(super) struct CarrierRecord {
    pub(super) mode: Mode,
    pub(super) carrier: Carrier,
    pub(super) season: String,
    pub(super) first: Option<Date>,
    pub(super) last: Option<Date>,
    /// When the data was made, in milliseconds, where it says so.
    pub(super) created_ms: Option<i64>,
    /// Another airline of the same designator is about.
    pub(super) shared_designator: bool,
    /// What could not be read, and what is done without it.
    pub(super) remarks: Vec<String>,
}

impl CarrierRecord {
    pub(super) fn read(card: &Card) -> Result<Self, Fault> {
        let mode = match card.letter(2) {
            b'U' => Mode::Utc,
            b'L' => Mode::Local,
            _ => {
                return Err(at(
                    Code::BadCode,
                    "time mode (2)",
                    card.field(2, 2),
                    "write U for UTC or L for local times",
                ));
            }
        };
        // Without its stamps and its period a block still says what flies.
        let mut remarks = Vec::new();
        let day = card
            .date("creation date (29-35)", 29, true)
            .unwrap_or_else(|fault| {
                remarks.push(format!("{}: passed over", fault.reason));
                None
            });
        let time = card.field(191, 194);
        let minutes = match calendar::minutes(time) {
            Some(minutes) => minutes,
            None => {
                if !time.trim().is_empty() {
                    remarks.push(format!(
                        "creation time (191-194): {} is no time as HHMM: the beginning of the day is taken",
                        quoted(time)
                    ));
                }
                0
            }
        };
        let valid = card
            .date("valid from (15-21)", 15, true)
            .and_then(|first| Ok((first, card.date("valid to (22-28)", 22, true)?)));
        let (first, last) = valid.unwrap_or_else(|fault| {
            remarks.push(format!("{}: passed over", fault.reason));
            (None, None)
        });
        Ok(Self {
            mode,
            carrier: card.carrier()?,
            season: card.field(11, 13).trim().to_owned(),
            first,
            last,
            created_ms: day
                .map(|day| i64::from(day.0) * calendar::DAY_S * 1000 + i64::from(minutes) * 60_000),
            shared_designator: card.letter(108) != b' ',
            remarks,
        })
    }
}

/// Type 3.
#[derive(Clone, Debug)]
pub(super) struct LegRecord {
    pub(super) line: u64,
    pub(super) key: Key,
    pub(super) service: u8,
    pub(super) first: Date,
    /// `None` = until further notice.
    pub(super) last: Option<Date>,
    pub(super) days: Days,
    pub(super) every_second_week: bool,
    pub(super) board: Station,
    pub(super) off: Station,
    pub(super) departs_min: i32,
    /// `None` = that of the station's zone.
    pub(super) departs_offset_min: Option<i16>,
    pub(super) arrives_min: i32,
    pub(super) arrives_offset_min: Option<i16>,
    pub(super) aircraft: [u8; 3],
    pub(super) classes: String,
    pub(super) configuration: String,
    /// A code for each place where passengers leave, from the end of this leg on.
    pub(super) restrictions: [u8; 11],
    /// Days that departure and arrival lie behind the flight's origin.
    pub(super) departs_day: Option<i8>,
    pub(super) arrives_day: Option<i8>,
    /// How the operating airline is disclosed.
    pub(super) disclosure: u8,
    pub(super) adjusted: bool,
}

impl LegRecord {
    pub(super) fn read(card: &Card, line: u64) -> Result<Self, Fault> {
        let key = Key::read(card, LEG_OVERFLOW)?;
        let service = card.letter(14);
        if !service.is_ascii_uppercase() {
            return Err(at(
                Code::BadCode,
                "service type (14)",
                card.field(14, 14),
                "a service type is a capital letter",
            ));
        }
        let Some(first) = card.date("period from (15-21)", 15, false)? else {
            return Err(at(
                Code::BadTime,
                "period from (15-21)",
                card.field(15, 21),
                "a period has a first day",
            ));
        };
        let last = card.date("period to (22-28)", 22, false)?;
        let days = card.field(29, 35);
        let days = Days::read(days).ok_or_else(|| {
            at(
                Code::BadTime,
                "days of operation (29-35)",
                days,
                "write the digits of the days, 1 for Monday",
            )
        })?;
        let time = |name: &str, passenger: usize, aircraft: usize| {
            let text = match card.field(passenger, passenger + 3) {
                blank if blank.trim().is_empty() => card.field(aircraft, aircraft + 3),
                text => text,
            };
            calendar::minutes(text)
                .ok_or_else(|| at(Code::BadTime, name, text, "write HHMM, 0000 to 2359"))
        };
        let board = card.station("departure station (37-39)", 37)?;
        let off = card.station("arrival station (55-57)", 55)?;
        let offset = |name: &str, first: usize, station: Station| {
            let text = card.field(first, first + 4);
            if text.trim().is_empty() && airports().get(station).is_some() {
                return Ok(None);
            }
            calendar::variation(text).map(Some).ok_or_else(|| {
                at(
                    Code::BadTime,
                    name,
                    text,
                    "write +HHMM or -HHMM, at most 14 hours",
                )
            })
        };
        let aircraft = card.field(73, 75);
        let mut kind = [0; 3];
        if aircraft
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        {
            kind.copy_from_slice(aircraft.as_bytes());
        } else if !aircraft.trim().is_empty() {
            return Err(at(
                Code::BadCode,
                "aircraft type (73-75)",
                aircraft,
                "a type is three letters or digits",
            ));
        }
        let mut restrictions = [b' '; 11];
        restrictions.copy_from_slice(card.field(150, 160).as_bytes());
        Ok(Self {
            line,
            key,
            service,
            first,
            last,
            days,
            every_second_week: card.letter(36) == b'2',
            board,
            off,
            departs_min: time("departure (40-43)", 40, 44)?,
            departs_offset_min: offset("UTC variation of departure (48-52)", 48, board)?,
            arrives_min: time("arrival (62-65)", 62, 58)?,
            arrives_offset_min: offset("UTC variation of arrival (66-70)", 66, off)?,
            aircraft: kind,
            classes: card.field(76, 95).trim().to_owned(),
            configuration: card.field(173, 192).trim().to_owned(),
            restrictions,
            departs_day: day_variation(card, 193)?,
            arrives_day: day_variation(card, 194)?,
            disclosure: card.letter(149),
            adjusted: card.adjusted,
        })
    }
}

fn day_variation(card: &Card, place: usize) -> Result<Option<i8>, Fault> {
    match card.letter(place) {
        b' ' => Ok(None),
        digit @ b'0'..=b'9' => Ok(Some((digit - b'0').cast_signed())),
        b'A' | b'J' => Ok(Some(-1)),
        _ => Err(at(
            Code::BadTime,
            if place == 193 {
                "date variation (193)"
            } else {
                "date variation (194)"
            },
            card.field(place, place),
            "write 0 to 9, or A for the day before",
        )),
    }
}

/// Type 4.
#[derive(Clone, Debug)]
pub(super) struct SegmentRecord {
    pub(super) line: u64,
    pub(super) key: Key,
    /// What the data is.
    pub(super) element: u16,
    /// Where it ends.
    pub(super) off: Option<Station>,
    pub(super) data: String,
}

impl SegmentRecord {
    pub(super) fn read(card: &Card, line: u64) -> Result<Self, Fault> {
        let element = card.field(31, 33);
        Ok(Self {
            line,
            key: Key::read(card, SEGMENT_OVERFLOW)?,
            element: element.parse().map_err(|_| {
                at(
                    Code::BadCode,
                    "data element (31-33)",
                    element,
                    "write three digits",
                )
            })?,
            off: card.field(37, 39).parse().ok(),
            data: card.field(40, 194).trim().to_owned(),
        })
    }
}

/// Type 5.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trailer {
    pub(super) carrier: Carrier,
    /// The serial number that it says the record before it has.
    pub(super) before: Option<u32>,
    /// Another airline follows.
    pub(super) continues: bool,
}

impl Trailer {
    pub(super) fn read(card: &Card) -> Result<Self, Fault> {
        Ok(Self {
            carrier: card.carrier()?,
            before: card.field(188, 193).trim().parse().ok(),
            continues: card.letter(194) == b'C',
        })
    }
}
