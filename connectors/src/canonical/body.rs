//! The checks and conversions of each type of event.
//!
//! What the ledger would refuse as contradicting itself is refused here already, where the reason
//! can name the field: the ledger only sees values. What depends on the flight's state (does the
//! station belong to it, does the provider own it) is the ledger's to judge.

use std::collections::HashSet;
use std::fmt::Display;
use std::str::FromStr;

use flightline_ledger::codes::BadCode;
use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Equipment, Fare, Leg, LegTimes, Level, SaleStatus,
    Schedule, quality,
};
use flightline_ledger::{Cabin, Class, Currency, FlightKey, Money, ProviderBody, Station};

use super::read::Notes;
use super::wire::{self, Count};
use super::{HOLDS_MAX, time};
use crate::airports::airports;
use crate::currency;
use crate::ids;
use crate::reject::{Code, Fault, quoted};

const SEATS_MAX: i64 = 2000;
const LIMIT_MAX: i64 = 9999;

/// Reads a code.
pub(super) fn code<T: FromStr<Err = BadCode>>(field: impl Display, text: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|e| Fault::at(Code::BadCode, field, format!("{}: {e}", quoted(text))))
}

fn optional<T: FromStr<Err = BadCode>>(
    field: impl Display,
    text: Option<&std::borrow::Cow<'_, str>>,
) -> Result<Option<T>, Fault> {
    text.map(|text| code(field, text)).transpose()
}

fn count(field: impl Display, count: Count, max: i64) -> Result<u16, Fault> {
    u16::try_from(count.0)
        .ok()
        .filter(|n| i64::from(*n) <= max)
        .ok_or_else(|| {
            Fault::at(
                Code::BadCount,
                field,
                format!("{} is not 0 to {max}", count.0),
            )
        })
}

fn inconsistent(field: impl Display, reason: impl Display) -> Fault {
    Fault::at(Code::Inconsistent, field, reason)
}

pub(super) fn schedule(
    flight: &FlightKey,
    wire: &wire::Schedule<'_>,
    notes: &mut Notes,
) -> Result<ProviderBody, Fault> {
    let given = wire.legs.len();
    if given == 0 || given > Schedule::LEGS_MAX {
        return Err(inconsistent(
            "legs",
            format_args!("{given} legs; a flight has 1 to {}", Schedule::LEGS_MAX),
        ));
    }
    let mut legs: Vec<Leg> = Vec::with_capacity(given);
    for (n, wire_leg) in wire.legs.iter().enumerate() {
        let leg = leg(n, wire_leg, notes)?;
        let (from, what) = match legs.last() {
            None => (flight.board, "the flight key's station is"),
            Some(previous) => (previous.off, "the leg before arrives at"),
        };
        if leg.board != from {
            return Err(inconsistent(
                format_args!("legs[{n}].board"),
                format_args!("departs at {}, but {what} {from}", leg.board),
            ));
        }
        if let Some(previous) = legs.last()
            && leg.times.departs_s < previous.times.departs_s
        {
            return Err(inconsistent(
                format_args!("legs[{n}].departs"),
                "is before the departure of the leg before",
            ));
        }
        legs.push(leg);
    }
    let first = &legs[0].times;
    let local = time::date_of(first.departs_s + i64::from(first.departs_offset_min) * 60);
    if local != flight.origin_date {
        notes.warnings.push(format!(
            "the flight departs on {local}, local time; the origin date in its key was taken, {}",
            flight.origin_date
        ));
    }
    let mut restricted = Vec::with_capacity(wire.restricted.len());
    for (n, (board, off)) in wire.restricted.iter().enumerate() {
        let board: Station = code(format_args!("restricted[{n}][0]"), board)?;
        let off: Station = code(format_args!("restricted[{n}][1]"), off)?;
        let on_flight = |station| legs.iter().any(|l| l.board == station || l.off == station);
        if board == off || !on_flight(board) || !on_flight(off) {
            return Err(inconsistent(
                format_args!("restricted[{n}]"),
                format_args!("{board} and {off} are not two stations of the flight"),
            ));
        }
        restricted.push((board, off));
    }
    let operating: Option<FlightKey> = match &wire.operating {
        None => None,
        Some(text) => Some(text.parse().map_err(|e| {
            Fault::at(
                Code::BadFlightKey,
                "operating",
                format!("{}: {e}", quoted(text)),
            )
        })?),
    };
    if operating.as_ref() == Some(flight) {
        return Err(inconsistent(
            "operating",
            "is the flight itself; leave it out",
        ));
    }
    Ok(ProviderBody::Schedule(Schedule {
        legs,
        restricted,
        operating,
    }))
}

fn leg(n: usize, wire: &wire::Leg<'_>, notes: &mut Notes) -> Result<Leg, Fault> {
    let at = format!("legs[{n}]");
    let board: Station = code(format_args!("{at}.board"), &wire.board)?;
    let off: Station = code(format_args!("{at}.off"), &wire.off)?;
    for station in [board, off] {
        if airports().get(station).is_none() {
            notes.quality |= quality::UNKNOWN_CODE;
            notes
                .warnings
                .push(format!("{at}: {station} is no IATA airport that we know"));
        }
    }
    let times = times(&at, board, Some(off), &wire.departs, &wire.arrives, notes)?;
    let service = match &wire.service {
        None => b'J',
        Some(text) => match text.as_bytes() {
            [letter @ b'A'..=b'Z'] => *letter,
            _ => {
                return Err(Fault::at(
                    Code::BadCode,
                    format_args!("{at}.service"),
                    format_args!(
                        "{}: a service type is one capital letter, such as J",
                        quoted(text)
                    ),
                ));
            }
        },
    };
    Ok(Leg {
        board,
        off,
        times,
        aircraft: aircraft(format_args!("{at}.aircraft"), wire.aircraft.as_deref())?,
        service,
        cabins: cabins(&format!("{at}.cabins"), &wire.cabins)?,
    })
}

fn times(
    at: &str,
    board: Station,
    off: Option<Station>,
    departs: &str,
    arrives: &str,
    notes: &mut Notes,
) -> Result<LegTimes, Fault> {
    let mut read = |name: &str, text: &str, station: Option<Station>| {
        let field = format!("{at}.{name}");
        let moment = time::moment(&field, text, station)?;
        if let (Some(there), Some(station)) = (moment.zone_disagrees, station) {
            notes.quality |= quality::OFFSET_MISMATCH;
            notes.warnings.push(format!(
                "{field}: {}: the offset at {station} is {} then; the instant was taken as stated",
                quoted(text),
                time::offset_text(there)
            ));
        }
        Ok(moment)
    };
    let departs = read("departs", departs, Some(board))?;
    let arrives = read("arrives", arrives, off)?;
    if arrives.instant_s < departs.instant_s {
        return Err(inconsistent(
            format_args!("{at}.arrives"),
            format_args!(
                "is {} minutes before the departure; state the day of arrival, and offsets or local times of each station",
                (departs.instant_s - arrives.instant_s) / 60
            ),
        ));
    }
    Ok(LegTimes {
        board,
        departs_s: departs.instant_s,
        arrives_s: arrives.instant_s,
        departs_offset_min: departs.offset_min,
        arrives_offset_min: arrives.offset_min,
    })
}

fn aircraft(field: impl Display, text: Option<&str>) -> Result<[u8; 3], Fault> {
    let Some(text) = text else {
        return Ok([0; 3]);
    };
    <[u8; 3]>::try_from(text.as_bytes())
        .ok()
        .filter(|b| {
            b.iter()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        })
        .ok_or_else(|| {
            Fault::at(
                Code::BadCode,
                field,
                format_args!(
                    "{}: an aircraft type is three capital letters or digits, such as 738",
                    quoted(text)
                ),
            )
        })
}

fn cabins(at: &str, wire: &[wire::Cabin<'_>]) -> Result<Vec<CabinPlan>, Fault> {
    let mut plans: Vec<CabinPlan> = Vec::with_capacity(wire.len());
    let mut classes_seen = 0_u32;
    for (n, wire) in wire.iter().enumerate() {
        let at = format!("{at}[{n}]");
        let cabin: Cabin = code(format_args!("{at}.cabin"), &wire.cabin)?;
        if plans.iter().any(|plan| plan.cabin == cabin) {
            return Err(inconsistent(
                format_args!("{at}.cabin"),
                format_args!("cabin {cabin} stands twice on the leg"),
            ));
        }
        let mut classes = Vec::with_capacity(wire.classes.len());
        for (n, wire) in wire.classes.iter().enumerate() {
            let at = format!("{at}.classes[{n}]");
            let class: Class = code(format_args!("{at}.class"), &wire.class)?;
            let bit = 1 << (class.letter() - b'A');
            if classes_seen & bit != 0 {
                return Err(inconsistent(
                    format_args!("{at}.class"),
                    format_args!("class {class} stands twice on the leg"),
                ));
            }
            classes_seen |= bit;
            classes.push(ClassPlan {
                class,
                limit: wire
                    .limit
                    .map(|n| count(format_args!("{at}.limit"), n, LIMIT_MAX))
                    .transpose()?,
            });
        }
        plans.push(CabinPlan {
            cabin,
            seats: wire
                .seats
                .map(|n| count(format_args!("{at}.seats"), n, SEATS_MAX))
                .transpose()?,
            authorised: wire
                .authorised
                .map(|n| count(format_args!("{at}.authorised"), n, LIMIT_MAX))
                .transpose()?,
            classes,
        });
    }
    Ok(plans)
}

pub(super) fn time_change(
    _: &FlightKey,
    wire: &wire::TimeChange<'_>,
    notes: &mut Notes,
) -> Result<ProviderBody, Fault> {
    if wire.legs.is_empty() || wire.legs.len() > Schedule::LEGS_MAX {
        return Err(inconsistent(
            "legs",
            format_args!("{} legs; name 1 to {}", wire.legs.len(), Schedule::LEGS_MAX),
        ));
    }
    let mut legs: Vec<LegTimes> = Vec::with_capacity(wire.legs.len());
    for (n, leg) in wire.legs.iter().enumerate() {
        let at = format!("legs[{n}]");
        let board: Station = code(format_args!("{at}.board"), &leg.board)?;
        if legs.iter().any(|other| other.board == board) {
            return Err(inconsistent(
                format_args!("{at}.board"),
                format_args!("{board} stands twice"),
            ));
        }
        let off = optional(format_args!("{at}.off"), leg.off.as_ref())?;
        legs.push(times(&at, board, off, &leg.departs, &leg.arrives, notes)?);
    }
    Ok(ProviderBody::TimeChange(legs))
}

pub(super) fn equipment(
    _: &FlightKey,
    wire: &wire::Equipment<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    Ok(ProviderBody::Equipment(Equipment {
        board: optional("board", wire.board.as_ref())?,
        aircraft: aircraft("aircraft", wire.aircraft.as_deref())?,
        cabins: cabins("cabins", &wire.cabins)?,
    }))
}

const STATUSES: [(&str, SaleStatus); 5] = [
    ("open", SaleStatus::Open),
    ("request", SaleStatus::Request),
    ("waitlist_open", SaleStatus::WaitlistOpen),
    ("closed", SaleStatus::Closed),
    ("not_operating", SaleStatus::NotOperating),
];

/// The text of a sale status.
pub(super) fn status_text(status: SaleStatus) -> &'static str {
    match status {
        SaleStatus::Open => "open",
        SaleStatus::Request => "request",
        SaleStatus::WaitlistOpen => "waitlist_open",
        SaleStatus::Closed => "closed",
        SaleStatus::NotOperating => "not_operating",
    }
}

pub(super) fn availability(
    _: &FlightKey,
    wire: &wire::Availability<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    let level = match segment("", wire.board.as_deref(), wire.off.as_deref())? {
        Place::Flight => Level::Flight,
        Place::Board(board) => Level::Leg(board),
        Place::Segment(board, off) => Level::Segment(board, off),
    };
    let status = STATUSES
        .iter()
        .find(|(name, _)| *name == wire.status)
        .map(|(_, status)| *status)
        .ok_or_else(|| {
            let known = STATUSES.map(|(name, _)| name).join(", ");
            Fault::at(
                Code::BadCode,
                "status",
                format_args!("{} is none of {known}", quoted(&wire.status)),
            )
        })?;
    let seats = match wire.seats {
        None => None,
        Some(count) => Some(
            i32::try_from(count.0)
                .ok()
                .filter(|n| i64::from(n.unsigned_abs()) <= LIMIT_MAX)
                .ok_or_else(|| {
                    Fault::at(
                        Code::BadCount,
                        "seats",
                        format_args!("{} is not -{LIMIT_MAX} to {LIMIT_MAX}", count.0),
                    )
                })?,
        ),
    };
    let counts = match (wire.counts.as_deref(), seats) {
        (Some("total"), Some(_)) => Counts::Total,
        (Some("remaining"), Some(_)) => Counts::Remaining,
        (None, None) => Counts::Total,
        // Without a default on purpose: guessing wrong here sells seats twice.
        (None, Some(_)) => {
            return Err(Fault::new(
                Code::MissingField,
                "missing field `counts`: say whether seats is the total that we may sell or what is remaining for anyone",
            ));
        }
        (Some(_), None) => {
            return Err(inconsistent(
                "counts",
                "says how to read seats, which is not there",
            ));
        }
        (Some(other), Some(_)) => {
            return Err(Fault::at(
                Code::BadCode,
                "counts",
                format_args!("{} is neither total nor remaining", quoted(other)),
            ));
        }
    };
    if wire.seats_is_floor && seats.is_none() {
        return Err(inconsistent(
            "seats_is_floor",
            "says how to read seats, which is not there",
        ));
    }
    Ok(ProviderBody::Availability(Availability {
        level,
        cabin: optional("cabin", wire.cabin.as_ref())?,
        class: optional("class", wire.class.as_ref())?,
        status,
        seats,
        is_floor: wire.seats_is_floor,
        counts,
    }))
}

enum Place {
    Flight,
    Board(Station),
    Segment(Station, Station),
}

fn segment(at: &str, board: Option<&str>, off: Option<&str>) -> Result<Place, Fault> {
    let (Some(board), off) = (board, off) else {
        return match off {
            None => Ok(Place::Flight),
            Some(_) => Err(inconsistent(
                format_args!("{at}off"),
                "stands without board; name both, or neither for the whole flight",
            )),
        };
    };
    let board: Station = code(format_args!("{at}board"), board)?;
    let Some(off) = off else {
        return Ok(Place::Board(board));
    };
    let off: Station = code(format_args!("{at}off"), off)?;
    if board == off {
        return Err(inconsistent(
            format_args!("{at}off"),
            format_args!("{off} is the board station too"),
        ));
    }
    Ok(Place::Segment(board, off))
}

pub(super) fn fares(
    _: &FlightKey,
    wire: &wire::Fares<'_>,
    notes: &mut Notes,
) -> Result<ProviderBody, Fault> {
    if wire.fares.is_empty() {
        return Err(inconsistent("fares", "is empty; name at least one"));
    }
    let mut seen = HashSet::with_capacity(wire.fares.len());
    let mut fares = Vec::with_capacity(wire.fares.len());
    for (n, wire) in wire.fares.iter().enumerate() {
        let at = format!("fares[{n}]");
        let segment = match segment(
            &format!("{at}."),
            wire.board.as_deref(),
            wire.off.as_deref(),
        )? {
            Place::Flight => None,
            Place::Segment(board, off) => Some((board, off)),
            Place::Board(_) => {
                return Err(inconsistent(
                    format_args!("{at}.board"),
                    "stands without off; name both, or neither for the whole flight",
                ));
            }
        };
        let cabin: Cabin = code(format_args!("{at}.cabin"), &wire.cabin)?;
        let class: Option<Class> = optional(format_args!("{at}.class"), wire.class.as_ref())?;
        if !seen.insert((segment, cabin, class)) {
            return Err(inconsistent(
                &at,
                "has segment, cabin and class of one before it",
            ));
        }
        fares.push(Fare {
            segment,
            cabin,
            class,
            price: price(&at, &wire.amount, &wire.currency, notes)?,
        });
    }
    Ok(ProviderBody::Fares(fares))
}

fn price(at: &str, amount: &str, currency: &str, notes: &mut Notes) -> Result<Money, Fault> {
    let known: Currency = code(format_args!("{at}.currency"), currency)?;
    let exponent = currency::exponent(currency).unwrap_or_else(|| {
        notes.quality |= quality::UNKNOWN_CODE;
        notes.warnings.push(format!(
            "{at}.currency: {known} is no currency that we know; two decimals were assumed"
        ));
        2
    });
    let price = Money::from_decimal(amount, known, exponent).map_err(|e| {
        Fault::at(
            Code::BadAmount,
            format_args!("{at}.amount"),
            format_args!("{}: {e} ({known} has {exponent})", quoted(amount)),
        )
    })?;
    if price.minor < 0 {
        return Err(Fault::at(
            Code::BadAmount,
            format_args!("{at}.amount"),
            format_args!("{} is below 0", quoted(amount)),
        ));
    }
    Ok(price)
}

pub(super) fn terms(
    _: &FlightKey,
    wire: &wire::Terms<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    let mut terms: Vec<(Cabin, u16)> = Vec::with_capacity(wire.overbooking.len().min(26));
    for (n, wire) in wire.overbooking.iter().enumerate() {
        let at = format!("overbooking[{n}]");
        let cabin: Cabin = code(format_args!("{at}.cabin"), &wire.cabin)?;
        if terms.iter().any(|(other, _)| *other == cabin) {
            return Err(inconsistent(
                format_args!("{at}.cabin"),
                format_args!("cabin {cabin} stands twice"),
            ));
        }
        terms.push((
            cabin,
            count(format_args!("{at}.seats"), wire.seats, LIMIT_MAX)?,
        ));
    }
    Ok(ProviderBody::Terms(terms))
}

pub(super) fn status(
    _: &FlightKey,
    wire: &wire::Status<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    match &*wire.r#type {
        "cancel" => Ok(ProviderBody::Cancel),
        "reinstate" => Ok(ProviderBody::Reinstate),
        _ => Ok(ProviderBody::Withdraw),
    }
}

pub(super) fn acknowledge(
    _: &FlightKey,
    wire: &wire::Acknowledge<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    if wire.holds.is_empty() || wire.holds.len() > HOLDS_MAX {
        return Err(Fault::at(
            Code::BadCount,
            "holds",
            format_args!("{} holds; name 1 to {HOLDS_MAX}", wire.holds.len()),
        ));
    }
    let client = wire.client.as_deref().unwrap_or(ids::UNNAMED_CLIENT);
    let holds = wire.holds.iter().enumerate().map(|(n, text)| {
        if text.is_empty() {
            return Err(Fault::at(
                Code::BadCode,
                format_args!("holds[{n}]"),
                "is empty; name the hold by its id",
            ));
        }
        Ok(ids::hold_id(client, text))
    });
    Ok(ProviderBody::Acknowledge(holds.collect::<Result<_, _>>()?))
}
