//! A flight as it is shown, and its key.

use std::fmt::Display;

use flightline_ledger::command::{CabinPlan, Leg, LegTimes, Schedule, quality};
use flightline_ledger::{Cabin, Carrier, FlightKey, Station};

use super::clock::{Local, Moment};
use crate::reject::{Code, Fault, quoted};

/// The number of a flight, with its operational suffix: it tells flights apart that have one number on
/// one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    number: u16,
    /// A letter, or 0.
    suffix: u8,
}

impl Number {
    /// With the suffix that a format has in a field of its own.
    pub(crate) fn with_suffix(
        self,
        field: impl Display,
        suffix: Option<&str>,
    ) -> Result<Self, Fault> {
        let suffix = match suffix.unwrap_or_default().trim().as_bytes() {
            [] => return Ok(self),
            [letter @ b'A'..=b'Z'] if self.suffix == 0 || self.suffix == *letter => *letter,
            other => {
                return Err(Fault::at(
                    Code::BadCode,
                    field,
                    format_args!(
                        "{}: an operational suffix is one capital letter, told once",
                        quoted(&String::from_utf8_lossy(other))
                    ),
                ));
            }
        };
        Ok(Self { suffix, ..self })
    }
}

/// Who flies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// Nothing is said.
    Unknown,
    /// The airline whose number it has.
    Itself,
    /// Another airline, under this number.
    Flight(Carrier, Number),
    /// Another airline, under a number that is not told.
    Airline(Carrier),
}

impl Operator {
    /// From what a message says beside a flight's own carrier.
    pub(crate) fn told(
        marketing: Carrier,
        operating: Option<Carrier>,
        number: Option<Number>,
    ) -> Self {
        match (operating, number) {
            (None, _) => Self::Unknown,
            (Some(carrier), _) if carrier == marketing => Self::Itself,
            (Some(carrier), Some(number)) => Self::Flight(carrier, number),
            (Some(carrier), None) => Self::Airline(carrier),
        }
    }
}

/// One leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShownLeg {
    pub(crate) board: Station,
    pub(crate) off: Station,
    pub(crate) departs: Moment,
    pub(crate) arrives: Moment,
    /// IATA type, or zeros.
    pub(crate) aircraft: [u8; 3],
}

/// A flight between the stations of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) carrier: Carrier,
    pub(crate) number: Number,
    /// At least one.
    pub(crate) legs: Vec<ShownLeg>,
    pub(crate) operator: Operator,
    /// Marks about what was repaired.
    pub(crate) quality: u32,
    pub(crate) warnings: Vec<String>,
}

impl Shown {
    /// A flight of one leg. `minutes`: how long it takes, where that is told: it settles which of two
    /// readings of a time with a strange offset is right.
    pub(crate) fn one_leg(
        at: impl Display,
        (carrier, number): (Carrier, Number),
        (board, departs): (Station, Local),
        (off, arrives): (Station, Local),
        aircraft: [u8; 3],
        operator: Operator,
        minutes: Option<i64>,
    ) -> Result<Self, Fault> {
        let mut shown = Self {
            carrier,
            number,
            legs: Vec::with_capacity(1),
            operator,
            quality: 0,
            warnings: Vec::new(),
        };
        shown.add_leg(at, (board, departs), (off, arrives), aircraft, minutes)?;
        Ok(shown)
    }

    /// Adds a leg behind those there are.
    pub(crate) fn add_leg(
        &mut self,
        at: impl Display,
        (board, departs): (Station, Local),
        (off, arrives): (Station, Local),
        aircraft: [u8; 3],
        minutes: Option<i64>,
    ) -> Result<(), Fault> {
        if board == off {
            return Err(Fault::at(
                Code::Inconsistent,
                at,
                format_args!("departs from and arrives at {board}"),
            ));
        }
        self.warnings
            .extend(departs.warning.iter().chain(&arrives.warning).cloned());
        let (mut from, mut to) = (departs.moment, arrives.moment);
        if departs.as_stated.is_some() || arrives.as_stated.is_some() {
            self.quality |= quality::OFFSET_MISMATCH;
            let stated = (
                departs.as_stated.unwrap_or(from),
                arrives.as_stated.unwrap_or(to),
            );
            let fits = |(from, to): (Moment, Moment)| {
                minutes.is_some_and(|minutes| to.instant_s - from.instant_s == minutes * 60)
            };
            let taken = if fits(stated) && !fits((from, to)) {
                (from, to) = stated;
                "the instants were taken, since only they fit the stated duration"
            } else {
                "the local times were taken"
            };
            self.warnings.push(format!(
                "{at}: the offsets of the times are not those of {board} and {off}: {taken}"
            ));
        }
        if to.instant_s < from.instant_s {
            return Err(Fault::at(
                Code::Inconsistent,
                at,
                format_args!(
                    "arrives {} minutes before it departs",
                    (from.instant_s - to.instant_s) / 60
                ),
            ));
        }
        if let Some(last) = self.legs.last()
            && (last.off != board || from.instant_s < last.arrives.instant_s)
        {
            return Err(Fault::at(
                Code::Inconsistent,
                at,
                "does not go on from where and when the leg before arrives",
            ));
        }
        self.legs.push(ShownLeg {
            board,
            off,
            departs: from,
            arrives: to,
            aircraft,
        });
        Ok(())
    }

    /// Where it is boarded.
    pub(crate) fn board(&self) -> Station {
        self.legs[0].board
    }

    /// Where it is left.
    pub(crate) fn off(&self) -> Station {
        self.legs[self.legs.len() - 1].off
    }

    /// Its key, taking the station where it is boarded for its first.
    pub(crate) fn key(&self) -> FlightKey {
        self.key_of(self.carrier, self.number)
    }

    /// The key under another airline's number.
    pub(crate) fn key_of(&self, carrier: Carrier, number: Number) -> FlightKey {
        FlightKey {
            carrier,
            number: number.number,
            suffix: number.suffix,
            origin_date: self.legs[0].departs.day(),
            board: self.board(),
        }
    }

    /// The schedule that follows from it, with every cabin and no seats.
    pub(crate) fn schedule(&self, cabins: &[Cabin], operating: Option<FlightKey>) -> Schedule {
        let plans: Vec<CabinPlan> = cabins
            .iter()
            .map(|cabin| CabinPlan {
                cabin: *cabin,
                seats: None,
                authorised: None,
                classes: Vec::new(),
            })
            .collect();
        let legs: Vec<Leg> = self
            .legs
            .iter()
            .map(|leg| Leg {
                board: leg.board,
                off: leg.off,
                times: LegTimes {
                    board: leg.board,
                    departs_s: leg.departs.instant_s,
                    arrives_s: leg.arrives.instant_s,
                    departs_offset_min: leg.departs.offset_min,
                    arrives_offset_min: leg.arrives.offset_min,
                },
                aircraft: leg.aircraft,
                service: b'J',
                cabins: plans.clone(),
            })
            .collect();
        // Seats were seen from end to end; nothing is known of parts of the way.
        let mut restricted = Vec::new();
        for (n, from) in legs.iter().enumerate() {
            for to in &legs[n..] {
                let pair = (from.board, to.off);
                if pair != (self.board(), self.off()) && pair.0 != pair.1 {
                    restricted.push(pair);
                }
            }
        }
        Schedule {
            legs,
            restricted,
            operating,
        }
    }
}

/// A flight number: digits, perhaps with the carrier glued to its front (`W29896`) and an operational
/// suffix behind it (`476A`).
pub(crate) fn flight_number(
    field: impl Display,
    text: &str,
    carrier: Carrier,
) -> Result<Number, Fault> {
    let text = text.trim();
    let rest = text.strip_prefix(carrier.as_str()).unwrap_or(text);
    let (digits, suffix) = match rest.as_bytes() {
        [.., letter @ b'A'..=b'Z'] => (&rest[..rest.len() - 1], *letter),
        _ => (rest, 0),
    };
    digits
        .parse()
        .ok()
        .filter(|n| (1..=9999).contains(n) && digits.bytes().all(|b| b.is_ascii_digit()))
        .map(|number| Number { number, suffix })
        .ok_or_else(|| {
            Fault::at(
                Code::BadCode,
                field,
                format!(
                    "{}: a flight number is 1 to 9999, perhaps with a letter as suffix",
                    quoted(text)
                ),
            )
        })
}

/// A type of aircraft, or zeros where it is none.
pub(crate) fn aircraft_code(text: Option<&str>) -> [u8; 3] {
    text.and_then(|text| <[u8; 3]>::try_from(text.trim().as_bytes()).ok())
        .filter(|code| {
            code.iter()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
        .unwrap_or_default()
}

/// The cabin of a name.
pub(crate) fn cabin_named(field: impl Display, name: &str) -> Result<Cabin, Fault> {
    let letter = match name.to_ascii_lowercase().as_str() {
        "economy" => b'Y',
        "premium_economy" => b'W',
        "business" => b'J',
        "first" => b'F',
        _ => {
            return Err(Fault::at(
                Code::BadCode,
                field,
                format_args!(
                    "{}: a cabin is economy, premium_economy, business or first",
                    quoted(name)
                ),
            ));
        }
    };
    Cabin::new(letter).map_err(|e| Fault::new(Code::BadCode, e.to_string()))
}
