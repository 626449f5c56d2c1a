//! What flies when and with what: schedule, times, equipment.

use std::fmt::{Arguments, Display};

use flightline_ledger::command::{
    CabinPlan, ClassPlan, Equipment, Leg, LegTimes, Schedule, quality,
};
use flightline_ledger::{Cabin, Class, FlightKey, ProviderBody, Station};

use super::{LIMIT_MAX, Notes, SEATS_MAX, code, count, inconsistent, optional};
use crate::airports::airports;
use crate::canonical::{time, wire};
use crate::reject::{Code, Fault, quoted};

pub(in crate::canonical) fn schedule(
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
    let at = format_args!("legs[{n}]");
    let board: Station = code(format_args!("{at}.board"), &wire.board)?;
    let off: Station = code(format_args!("{at}.off"), &wire.off)?;
    for station in [board, off] {
        if airports().get(station).is_none() {
            notes.quality |= quality::UNKNOWN_CODE;
            notes.stations_unknown.push(station);
        }
    }
    let times = times(at, board, Some(off), &wire.departs, &wire.arrives, notes)?;
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
        cabins: cabins(format_args!("{at}.cabins"), &wire.cabins)?,
    })
}

fn times(
    at: Arguments<'_>,
    board: Station,
    off: Option<Station>,
    departs: &str,
    arrives: &str,
    notes: &mut Notes,
) -> Result<LegTimes, Fault> {
    let mut read = |name: &str, text: &str, station: Option<Station>| {
        let field = format_args!("{at}.{name}");
        let moment = time::moment(field, text, station)?;
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

fn cabins(
    at: Arguments<'_>,
    wire: &[wire::Object<wire::Cabin<'_>>],
) -> Result<Vec<CabinPlan>, Fault> {
    let mut plans: Vec<CabinPlan> = Vec::with_capacity(wire.len());
    let mut classes_seen = 0_u32;
    for (n, wire) in wire.iter().enumerate() {
        let at = format_args!("{at}[{n}]");
        let cabin: Cabin = code(format_args!("{at}.cabin"), &wire.cabin)?;
        if plans.iter().any(|plan| plan.cabin == cabin) {
            return Err(inconsistent(
                format_args!("{at}.cabin"),
                format_args!("cabin {cabin} stands twice on the leg"),
            ));
        }
        let mut classes = Vec::with_capacity(wire.classes.len());
        for (n, wire) in wire.classes.iter().enumerate() {
            let at = format_args!("{at}.classes[{n}]");
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

pub(in crate::canonical) fn time_change(
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
        let at = format_args!("legs[{n}]");
        let board: Station = code(format_args!("{at}.board"), &leg.board)?;
        if legs.iter().any(|other| other.board == board) {
            return Err(inconsistent(
                format_args!("{at}.board"),
                format_args!("{board} stands twice"),
            ));
        }
        let off = optional(format_args!("{at}.off"), leg.off.as_ref())?;
        legs.push(times(at, board, off, &leg.departs, &leg.arrives, notes)?);
    }
    Ok(ProviderBody::TimeChange(legs))
}

pub(in crate::canonical) fn equipment(
    _: &FlightKey,
    wire: &wire::Equipment<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    Ok(ProviderBody::Equipment(Equipment {
        board: optional("board", wire.board.as_ref())?,
        aircraft: aircraft("aircraft", wire.aircraft.as_deref())?,
        cabins: cabins(format_args!("cabins"), &wire.cabins)?,
    }))
}
