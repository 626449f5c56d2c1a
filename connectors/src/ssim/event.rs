//! A flight to canonical events.

use flightline_ledger::command::{Leg, LegTimes, Schedule, quality};
use flightline_ledger::{Date, FlightKey, ProviderBody, Station};

use super::expand::DatedLeg;
use super::group::Expansion;
use crate::airports::airports;
use crate::canonical::CanonicalEvent;
use crate::connector::Parsed;
use crate::schedule::calendar::DAY_S;
use crate::schedule::designator::Designator;

/// The local day of a departure.
fn local_day(leg: &DatedLeg) -> Date {
    // Within a day of a date of the calendar.
    Date(leg.departs.wall_s().div_euclid(DAY_S) as i32)
}

/// Whether a station is a known airport. Codes of whole cities, such as LON, are not.
pub(super) fn is_airport(station: Station) -> bool {
    airports().get(station).is_some()
}

/// The key of a flight.
pub(super) fn key(from: &Expansion, legs: &[DatedLeg]) -> FlightKey {
    let head = &legs[0];
    let record = &from.records[head.record as usize];
    // A later leg whose flight came without the legs before it still names its flight's day.
    let days = i32::from(record.departs_day.unwrap_or(0));
    let date = Date(local_day(head).0 - days);
    record.key.designator.on(date, record.board)
}

/// The events of a flight: its own, and those of the flights that are sold on it.
pub(super) fn push(
    from: &Expansion,
    legs: &[DatedLeg],
    key: FlightKey,
    line: u64,
    items: &mut Vec<Parsed>,
) {
    let facts = |leg: &DatedLeg| {
        let n = leg.record as usize;
        (&from.records[n], &from.legs[n])
    };
    let operating = {
        let first = facts(&legs[0]).1.operating;
        first.filter(|_| legs.iter().all(|leg| facts(leg).1.operating == first))
    };
    let mut marks = 0;
    let mut planned = Vec::with_capacity(legs.len());
    for leg in legs {
        let (record, more) = facts(leg);
        if leg.repaired {
            marks |= quality::REPAIRED_ARRIVAL_DAY;
        }
        if leg.departs.disagrees || leg.arrives.disagrees {
            marks |= quality::OFFSET_MISMATCH;
        }
        if !is_airport(record.board) || !is_airport(record.off) {
            marks |= quality::UNKNOWN_CODE;
        }
        if record.adjusted {
            marks |= quality::TRUNCATED_LINE;
        }
        // Another airline's aircraft, of which only the operating flight counts the seats.
        let elsewhere = more.operating.is_some() || matches!(record.disclosure, b'L' | b'Z');
        let mut cabins = Vec::new();
        if operating.is_none() {
            cabins.clone_from(&more.seating.cabins);
            if more.seating.imputed {
                marks |= quality::SEATS_IMPUTED;
            }
            if elsewhere || !from.config.sells(record.service) {
                for cabin in &mut cabins {
                    cabin.authorised = Some(0);
                }
            }
        }
        planned.push(Leg {
            board: record.board,
            off: record.off,
            times: LegTimes {
                board: record.board,
                departs_s: leg.departs.instant_s,
                arrives_s: leg.arrives.instant_s,
                departs_offset_min: leg.departs.offset_min,
                arrives_offset_min: leg.arrives.offset_min,
            },
            aircraft: record.aircraft,
            service: record.service,
            cabins,
        });
    }
    let mut restricted: Vec<(Station, Station)> = Vec::new();
    for (n, leg) in legs.iter().enumerate() {
        for behind in &facts(leg).1.restricted {
            if let Some(off) = planned.get(n + behind).map(|leg| leg.off) {
                let pair = (planned[n].board, off);
                if pair.0 != pair.1 && !restricted.contains(&pair) {
                    restricted.push(pair);
                }
            }
        }
    }
    let event = |flight, legs, restricted, operating, marks| Parsed::Event {
        line,
        event: CanonicalEvent {
            observed: None,
            flight,
            version: from.version,
            message_id: None,
            quality: marks,
            body: ProviderBody::Schedule(Schedule {
                legs,
                restricted,
                operating,
            }),
        },
    };
    let own_operating = operating.map(|other: Designator| other.on(key.origin_date, key.board));
    let own_operating = own_operating.filter(|other| *other != key);
    for (first, last, designator) in runs(from, legs) {
        let flight = designator.on(local_day(&legs[first]), planned[first].board);
        let sold: Vec<Leg> = planned[first..=last]
            .iter()
            .map(|leg| Leg {
                cabins: Vec::new(),
                ..leg.clone()
            })
            .collect();
        if flight != key {
            let marks = marks & !quality::SEATS_IMPUTED;
            items.push(event(
                flight,
                sold,
                Vec::new(),
                Some(own_operating.unwrap_or(key)),
                marks,
            ));
        }
    }
    // The flight itself goes first: it is the one that the others point to.
    items.insert(0, event(key, planned, restricted, own_operating, marks));
}

/// Which other flight numbers are sold on which legs in a row: first and last leg.
fn runs(from: &Expansion, legs: &[DatedLeg]) -> Vec<(usize, usize, Designator)> {
    let mut runs: Vec<(usize, usize, Designator)> = Vec::new();
    for (n, leg) in legs.iter().enumerate() {
        for designator in &from.legs[leg.record as usize].marketing {
            let open = runs
                .iter_mut()
                .find(|(_, last, known)| known == designator && *last + 1 == n);
            match open {
                Some((_, last, _)) => *last = n,
                None => runs.push((n, n, *designator)),
            }
        }
    }
    runs
}
