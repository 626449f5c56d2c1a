//! Periods to dated legs, and dated legs to flights.
//!
//! Legs are put together by place and time, not by their numbers alone: the same schedule written in
//! local time and in UTC numbers its legs differently wherever a leg departs on another day than
//! the one before, and must give the same flights.

use std::collections::HashMap;

use flightline_ledger::command::Schedule;
use flightline_ledger::{Date, Station};

use super::record::LegRecord;
use crate::schedule::calendar::{DAY_S, Period};
use crate::schedule::clock::{self, Mode, Moment};

/// Legs of one number that follow each other within so long are one flight: 10 hours.
const GROUND_S_MAX: i64 = 10 * 3600;

/// Legs that are numbered as following each other may be so far apart: 2 days.
const STATED_GROUND_S_MAX: i64 = 2 * DAY_S;

/// How many legs before a leg are looked at for the one that it follows.
const LOOK_BACK: usize = 64;

/// One leg on one day.
#[derive(Clone, Copy, Debug)]
pub(super) struct DatedLeg {
    /// Which record.
    pub(super) record: u32,
    /// Its day as the record counts it.
    pub(super) date: Date,
    pub(super) departs: Moment,
    pub(super) arrives: Moment,
    /// The day of arrival was worked out, or was wrong.
    pub(super) repaired: bool,
    /// What follows it in the flight.
    next: Option<u32>,
    follows: bool,
}

/// What was found while records were expanded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// (line, what).
    pub(super) remarks: Vec<(u64, String)>,
}

/// The dates of a record whose open end is filled in.
pub(super) fn period(record: &LegRecord, last: Date) -> Period {
    Period {
        first: record.first,
        last,
        days: record.days,
        every_second_week: record.every_second_week,
    }
}

/// What a time of a record means.
fn moment(mode: Mode, written_s: i64, stated_min: Option<i16>, station: Station) -> Moment {
    // A record is read without an offset only where the zone of the station is known.
    let unstated = stated_min
        .is_none()
        .then(|| clock::unstated(mode, written_s, station))
        .flatten();
    unstated
        .unwrap_or_else(|| clock::stated(mode, written_s, stated_min.unwrap_or_default(), station))
}

/// A record on one day.
pub(super) fn dated(mode: Mode, record: &LegRecord, index: u32, date: Date) -> DatedLeg {
    let departure_s = i64::from(date.0) * DAY_S + i64::from(record.departs_min) * 60;
    let departs = moment(mode, departure_s, record.departs_offset_min, record.board);
    let days_later = record
        .arrives_day
        .map(|day| i64::from(day) - i64::from(record.departs_day.unwrap_or(0)));
    let arrival = |days: i64| {
        let written_s = (i64::from(date.0) + days) * DAY_S + i64::from(record.arrives_min) * 60;
        moment(mode, written_s, record.arrives_offset_min, record.off)
    };
    let stated = arrival(days_later.unwrap_or(0));
    let block_s = stated.instant_s - departs.instant_s;
    let sound = block_s > 0 && (days_later.is_some() || block_s <= DAY_S);
    let arrives = if sound {
        stated
    } else {
        // The first time after the departure at which the clock shows the time of arrival.
        let days = days_later.unwrap_or(0) - (block_s - 1).div_euclid(DAY_S);
        let first = arrival(days);
        // A change of clocks on the way can move it by an hour.
        if first.instant_s > departs.instant_s {
            first
        } else {
            arrival(days + 1)
        }
    };
    DatedLeg {
        record: index,
        date,
        departs,
        arrives,
        repaired: !sound,
        next: None,
        follows: false,
    }
}

/// The flights of some records: legs, and the first leg of each flight in the order of their lines
/// and days.
#[derive(Debug, Default)]
pub(super) struct Flights {
    legs: Vec<DatedLeg>,
    heads: Vec<u32>,
}

impl Flights {
    /// Puts the legs together.
    pub(super) fn of(records: &[LegRecord], legs: Vec<DatedLeg>, found: &mut Findings) -> Self {
        let mut legs = without_overridden(records, legs, found);
        let record = |leg: &DatedLeg| &records[leg.record as usize];
        legs.sort_by_key(|leg| (leg.departs.instant_s, leg.record));
        let mut length = vec![1_u8; legs.len()];
        let mut lonely: HashMap<u32, (Date, u32)> = HashMap::new();
        for n in 0..legs.len() {
            let (leg, its) = (legs[n], record(&legs[n]));
            let mut best: Option<(bool, i64, usize)> = None;
            for before in (n.saturating_sub(LOOK_BACK)..n).rev() {
                let other = &legs[before];
                let ground_s = leg.departs.instant_s - other.arrives.instant_s;
                if other.next.is_some()
                    || record(other).off != its.board
                    || usize::from(length[before]) >= Schedule::LEGS_MAX
                    || ground_s < 0
                {
                    continue;
                }
                let key = record(other).key;
                let stated = key.itinerary == its.key.itinerary
                    && key.sequence + 1 == its.key.sequence
                    && ground_s <= STATED_GROUND_S_MAX;
                if !stated && ground_s > GROUND_S_MAX {
                    continue;
                }
                // Stated before guessed, near before far.
                let rank = (!stated, ground_s, before);
                if best.is_none_or(|best| rank < best) {
                    best = Some(rank);
                }
            }
            if let Some((_, _, before)) = best {
                legs[before].next = u32::try_from(n).ok();
                legs[n].follows = true;
                length[n] = length[before] + 1;
            } else if its.key.sequence > 1 {
                lonely.entry(leg.record).or_insert((leg.date, 0)).1 += 1;
            }
        }
        for (index, (date, days)) in lonely {
            let its = &records[index as usize];
            found.remarks.push((
                its.line,
                format!(
                    "leg {:02} from {} follows no leg that arrives there before it departs, on {date}{}: taken as a flight of its own",
                    its.key.sequence,
                    its.board,
                    and_more(days)
                ),
            ));
        }
        let mut heads: Vec<u32> = (0..)
            .zip(&legs)
            .filter(|(_, leg)| !leg.follows)
            .map(|(n, _)| n)
            .collect();
        heads.sort_by_key(|n| {
            let leg = &legs[*n as usize];
            (record(leg).line, leg.departs.instant_s)
        });
        Self { legs, heads }
    }

    /// How many flights there are.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The legs of a flight, in flying order.
    pub(super) fn legs(&self, flight: usize) -> Vec<DatedLeg> {
        let mut legs = Vec::with_capacity(2);
        let mut at = self.heads.get(flight).copied();
        while let Some(leg) = at.and_then(|n| self.legs.get(n as usize)) {
            legs.push(*leg);
            at = leg.next;
        }
        legs
    }
}

/// Of legs between the same stations on the same day in different variations the last one counts.
fn without_overridden(
    records: &[LegRecord],
    mut legs: Vec<DatedLeg>,
    found: &mut Findings,
) -> Vec<DatedLeg> {
    let place = |leg: &DatedLeg| -> (Station, Station, Date) {
        let record = &records[leg.record as usize];
        (record.board, record.off, leg.date)
    };
    legs.sort_by_key(|leg| (place(leg), leg.record));
    let mut overridden: HashMap<(u32, u32), (Date, u32)> = HashMap::new();
    let mut kept: Vec<DatedLeg> = Vec::with_capacity(legs.len());
    for leg in legs {
        if let Some(last) = kept.last()
            && place(last) == place(&leg)
        {
            let (a, b) = (
                records[last.record as usize].key,
                records[leg.record as usize].key,
            );
            let one_flight_twice_there = a.itinerary == b.itinerary && a.sequence != b.sequence;
            if !one_flight_twice_there {
                let pair = (last.record, leg.record);
                overridden.entry(pair).or_insert((leg.date, 0)).1 += 1;
                kept.pop();
            }
        }
        kept.push(leg);
    }
    for ((a, b), (date, days)) in overridden {
        found.remarks.push((
            records[b as usize].line,
            format!(
                "overlaps the leg of line {} on {date}{}: this one counts",
                records[a as usize].line,
                and_more(days)
            ),
        ));
    }
    kept
}

fn and_more(days: u32) -> String {
    match days {
        0 | 1 => String::new(),
        2 => " and one more day".to_owned(),
        days => format!(" and {} more days", days - 1),
    }
}
