//! A part on a day to canonical events.

use flightline_ledger::command::{Equipment, Leg, LegTimes, Schedule, quality};
use flightline_ledger::{Date, FlightKey, ProviderBody};

use super::change::{Change, LegLine};
use super::grammar::{Action, Stop};
use crate::canonical::CanonicalEvent;
use crate::connector::Parsed;
use crate::reject::{Code, Fault};
use crate::schedule::calendar::DAY_S;
use crate::schedule::clock::{self, Mode, Moment};
use crate::schedule::designator::Designator;
use crate::unplaced::{Flights, Unplaced};

/// Service types whose seats are sold.
const SOLD: &str = "JGSBQRC";

/// A leg on a day.
struct Flown<'a> {
    line: &'a LegLine,
    departs: Moment,
    arrives: Moment,
    repaired: bool,
}

/// The items of a part for one flight on one day.
pub(super) fn push(
    change: &Change,
    designator: Designator,
    date: Date,
    items: &mut Vec<Parsed>,
) -> Result<(), Fault> {
    let unplaced = |body, marks, but| Parsed::Unplaced {
        line: change.line,
        event: Unplaced {
            flights: Flights {
                carrier: designator.carrier,
                number: designator.number,
                suffix: designator.suffix,
                date,
                utc: !change.is_local_day(),
                but,
            },
            version: change.version,
            quality: marks,
            body,
        },
    };
    match change.action {
        Action::New => items.extend(schedules(change, designator, date)?.1),
        Action::Replace => {
            let (key, schedules) = schedules(change, designator, date)?;
            items.extend(schedules);
            // The flight may have begun somewhere else.
            items.push(unplaced(ProviderBody::Withdraw, 0, Some(key.board)));
        }
        Action::Reinstate
            if !change.legs.is_empty() && change.legs.iter().all(|leg| leg.aircraft.is_some()) =>
        {
            items.extend(schedules(change, designator, date)?.1);
        }
        Action::Cancel => items.push(unplaced(ProviderBody::Cancel, 0, None)),
        Action::Reinstate => items.push(unplaced(ProviderBody::Reinstate, 0, None)),
        Action::Times => {
            let legs = flown(change, date)?;
            let marks = marks(&legs);
            let times = legs.iter().map(times).collect();
            items.push(unplaced(ProviderBody::TimeChange(times), marks, None));
        }
        Action::Equipment => equipment(change, |body, marks| {
            items.push(unplaced(body, marks, None))
        }),
        Action::TimesAndEquipment => {
            let legs = flown(change, date)?;
            let marks = marks(&legs);
            let times = legs.iter().map(times).collect();
            items.push(unplaced(ProviderBody::TimeChange(times), marks, None));
            equipment(change, |body, marks| {
                items.push(unplaced(body, marks, None))
            });
        }
        Action::Administrative | Action::Housekeeping => {}
    }
    Ok(())
}

fn equipment(change: &Change, mut push: impl FnMut(ProviderBody, u32)) {
    let mut one = |board, index: usize, elsewhere: bool| {
        let aircraft = &change.aircraft[index];
        let marks = if aircraft.seating.imputed {
            quality::SEATS_IMPUTED
        } else {
            0
        };
        let mut cabins = aircraft.seating.cabins.clone();
        if elsewhere || !sells(aircraft.service) {
            cabins
                .iter_mut()
                .for_each(|cabin| cabin.authorised = Some(0));
        }
        push(
            ProviderBody::Equipment(Equipment {
                board,
                aircraft: aircraft.kind,
                cabins,
            }),
            marks,
        );
    };
    let last = change.aircraft.len() - 1;
    if !change.legs.is_empty() {
        for leg in &change.legs {
            let elsewhere = change.elsewhere || leg.elsewhere;
            one(
                Some(leg.board.station),
                leg.aircraft.unwrap_or(last),
                elsewhere,
            );
        }
    } else if change.boards.is_empty() {
        one(None, last, change.elsewhere);
    } else {
        for (board, aircraft) in &change.boards {
            one(Some(*board), aircraft.unwrap_or(last), change.elsewhere);
        }
    }
}

fn sells(service: u8) -> bool {
    SOLD.as_bytes().contains(&service)
}

fn times(leg: &Flown<'_>) -> LegTimes {
    LegTimes {
        board: leg.line.board.station,
        departs_s: leg.departs.instant_s,
        arrives_s: leg.arrives.instant_s,
        departs_offset_min: leg.departs.offset_min,
        arrives_offset_min: leg.arrives.offset_min,
    }
}

fn marks(legs: &[Flown<'_>]) -> u32 {
    if legs.iter().any(|leg| leg.repaired) {
        quality::REPAIRED_ARRIVAL_DAY
    } else {
        0
    }
}

/// The schedule of a flight, and of those that are sold on it.
fn schedules(
    change: &Change,
    designator: Designator,
    date: Date,
) -> Result<(FlightKey, Vec<Parsed>), Fault> {
    let flown = flown(change, date)?;
    let first = &flown[0];
    let local_day = first.departs.wall_s().div_euclid(DAY_S) as i32;
    // Days from the departure to the flight's own day are counted from its own day on local clocks, also where the
    // times are UTC: `HND2355/M1` on 10 January departs there on the morning of the 10th.
    let origin = if change.is_local_day() {
        date
    } else {
        Date(local_day)
    };
    let key = designator.on(origin, first.line.board.station);
    let operating = change
        .operating
        .map(|other| other.on(origin, key.board))
        .filter(|other| *other != key);
    let mut bits = marks(&flown);
    let mut legs: Vec<Leg> = Vec::with_capacity(flown.len());
    for leg in &flown {
        if let Some(before) = legs.last()
            && (before.off != leg.line.board.station
                || leg.departs.instant_s < before.times.arrives_s)
        {
            return Err(Fault::new(
                Code::Inconsistent,
                format!(
                    "the leg from {} does not follow the one to {}: legs stand in flying order, and a later day is written as /1",
                    leg.line.board.station, before.off
                ),
            ));
        }
        let aircraft = leg.line.aircraft.and_then(|n| change.aircraft.get(n));
        let Some(aircraft) = aircraft else {
            return Err(Fault::new(Code::MissingField, "a leg without an aircraft"));
        };
        let mut cabins = Vec::new();
        if operating.is_none() {
            cabins.clone_from(&aircraft.seating.cabins);
            if aircraft.seating.imputed {
                bits |= quality::SEATS_IMPUTED;
            }
            if change.elsewhere || leg.line.elsewhere || !sells(aircraft.service) {
                cabins
                    .iter_mut()
                    .for_each(|cabin| cabin.authorised = Some(0));
            }
        }
        legs.push(Leg {
            board: leg.line.board.station,
            off: leg.line.off.station,
            times: times(leg),
            aircraft: aircraft.kind,
            service: aircraft.service,
            cabins,
        });
    }
    if legs.len() > Schedule::LEGS_MAX {
        return Err(Fault::new(
            Code::BadCount,
            format!("the flight has more than {} legs", Schedule::LEGS_MAX),
        ));
    }
    let event = |flight, legs, restricted, operating, quality| Parsed::Event {
        line: change.line,
        event: CanonicalEvent {
            observed: None,
            flight,
            version: change.version,
            message_id: None,
            quality,
            body: ProviderBody::Schedule(Schedule {
                legs,
                restricted,
                operating,
            }),
        },
    };
    let restricted = change.elements.restricted(&legs);
    let mut items = vec![event(key, legs.clone(), restricted, operating, bits)];
    for (board, off, marketing) in &change.marketing {
        let from = board.map_or(Some(0), |b| legs.iter().position(|leg| leg.board == b));
        let Some(from) = from else { continue };
        let to = off.map_or(Some(legs.len() - 1), |o| {
            (from..legs.len()).find(|n| legs[*n].off == o)
        });
        let Some(to) = to else { continue };
        let departs = flown[from].departs.wall_s().div_euclid(DAY_S) as i32;
        let flight = marketing.on(Date(departs), legs[from].board);
        let sold = legs[from..=to]
            .iter()
            .map(|leg| Leg {
                cabins: Vec::new(),
                ..leg.clone()
            })
            .collect();
        if flight != key {
            items.push(event(
                flight,
                sold,
                Vec::new(),
                Some(operating.unwrap_or(key)),
                bits & !quality::SEATS_IMPUTED,
            ));
        }
    }
    Ok((key, items))
}

/// The legs on a day.
fn flown(change: &Change, date: Date) -> Result<Vec<Flown<'_>>, Fault> {
    change
        .legs
        .iter()
        .map(|line| {
            let departs = moment(change.mode, date, &line.board, 0)?;
            let stated = moment(change.mode, date, &line.off, 0)?;
            if stated.instant_s > departs.instant_s {
                return Ok(Flown {
                    line,
                    departs,
                    arrives: stated,
                    repaired: false,
                });
            }
            // The first time after the departure at which the clock shows the time of arrival.
            let days = (departs.instant_s - stated.instant_s).div_euclid(DAY_S) as i32 + 1;
            let mut arrives = moment(change.mode, date, &line.off, days)?;
            if arrives.instant_s <= departs.instant_s {
                arrives = moment(change.mode, date, &line.off, days + 1)?;
            }
            Ok(Flown {
                line,
                departs,
                arrives,
                repaired: true,
            })
        })
        .collect()
}

fn moment(mode: Mode, date: Date, stop: &Stop, more_days: i32) -> Result<Moment, Fault> {
    let day = match stop.day_of_month {
        None => date.0,
        // The day of that number that is nearest to the flight's own.
        Some(wanted) => (-15..=15)
            .map(|days| date.0 + days)
            .filter(|day| Date(*day).ymd().2 == wanted)
            .min_by_key(|day| (day - date.0).abs())
            .ok_or_else(|| Fault::new(Code::BadTime, format!("no day {wanted} is near {date}")))?,
    };
    let day = day + stop.variation.unwrap_or(0) + more_days;
    let written_s = i64::from(day) * DAY_S + i64::from(stop.minutes) * 60;
    clock::unstated(mode, written_s, stop.station).ok_or_else(|| {
        Fault::new(
            Code::UnknownAirport,
            format!(
                "the time zone of {} is unknown; {}",
                stop.station,
                Code::UnknownAirport.remedy()
            ),
        )
    })
}
