//! The bodies of a provider's events: after the flight key the provider, its version (time as a
//! signed integer, group, sequence), authority, quality marks, and then by kind:
//!
//! | kind | what follows |
//! |---|---|
//! | 32 schedule | bits (1 = operated by another key, which follows), legs, restricted pairs |
//! | 33 time change | list of leg times |
//! | 34 equipment | bits (1 = board station follows), aircraft, cabins |
//! | 35 availability | level, status, counts, bits (cabin 1, class 2, seats 4, floor 8, expiry 16), then those present |
//! | 36 fares | list: bits (segment 1, class 2), cabin, then those present, price |
//! | 37 terms | list: cabin, seats |
//! | 38 cancel, 39 reinstate, 40 withdraw | – |
//! | 41 acknowledge, 42 refuse | list of ids |
//!
//! An absent count is 0 and a present one is stored one higher. Lists begin with their length.

use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Equipment, Fare, Leg, LegTimes, Level,
    ProviderBody, ProviderEvent, SaleStatus, Schedule, SourceVersion,
};

use super::body::{
    get_cabin, get_class, get_flight, get_id, get_money, get_provider, get_station, put_flight,
    put_money, put_provider, put_station,
};
use super::error::{DecodeError, EncodeError};
use super::wire::{Reader, put_int, put_uint};

const SCHEDULE: u8 = 32;
const TIME_CHANGE: u8 = 33;
const EQUIPMENT: u8 = 34;
const AVAILABILITY: u8 = 35;
const FARES: u8 = 36;
const TERMS: u8 = 37;
const CANCEL: u8 = 38;
const REINSTATE: u8 = 39;
const WITHDRAW: u8 = 40;
const ACKNOWLEDGE: u8 = 41;
const REFUSE: u8 = 42;

const PRESENT: u8 = 1;

mod availability_bits {
    pub(super) const CABIN: u8 = 1;
    pub(super) const CLASS: u8 = 2;
    pub(super) const SEATS: u8 = 4;
    pub(super) const FLOOR: u8 = 8;
    pub(super) const EXPIRES: u8 = 16;
    pub(super) const ALL: u8 = 31;
}

mod fare_bits {
    pub(super) const SEGMENT: u8 = 1;
    pub(super) const CLASS: u8 = 2;
    pub(super) const ALL: u8 = 3;
}

pub(super) fn is_kind(kind: u8) -> bool {
    (SCHEDULE..=REFUSE).contains(&kind)
}

pub(super) fn kind_of(body: &ProviderBody) -> u8 {
    match body {
        ProviderBody::Schedule(_) => SCHEDULE,
        ProviderBody::TimeChange(_) => TIME_CHANGE,
        ProviderBody::Equipment(_) => EQUIPMENT,
        ProviderBody::Availability(_) => AVAILABILITY,
        ProviderBody::Fares(_) => FARES,
        ProviderBody::Terms(_) => TERMS,
        ProviderBody::Cancel => CANCEL,
        ProviderBody::Reinstate => REINSTATE,
        ProviderBody::Withdraw => WITHDRAW,
        ProviderBody::Acknowledge(_) => ACKNOWLEDGE,
        ProviderBody::Refuse(_) => REFUSE,
    }
}

pub(super) fn put(out: &mut Vec<u8>, event: &ProviderEvent) -> Result<(), EncodeError> {
    put_provider(out, event.provider)?;
    put_int(out, event.version.time_ms);
    put_uint(out, u64::from(event.version.group));
    put_uint(out, u64::from(event.version.sequence));
    out.push(event.authority);
    put_uint(out, u64::from(event.quality));
    match &event.body {
        ProviderBody::Schedule(schedule) => put_schedule(out, schedule),
        ProviderBody::TimeChange(times) => put_list(out, times, put_times),
        ProviderBody::Equipment(equipment) => {
            out.push(u8::from(equipment.board.is_some()));
            if let Some(board) = equipment.board {
                put_station(out, board)?;
            }
            out.extend_from_slice(&equipment.aircraft);
            put_list(out, &equipment.cabins, put_cabin_plan)
        }
        ProviderBody::Availability(availability) => put_availability(out, availability),
        ProviderBody::Fares(fares) => put_list(out, fares, put_fare),
        ProviderBody::Terms(terms) => put_list(out, terms, |out, (cabin, seats)| {
            out.push(cabin.letter());
            put_uint(out, u64::from(*seats));
            Ok(())
        }),
        ProviderBody::Cancel | ProviderBody::Reinstate | ProviderBody::Withdraw => Ok(()),
        ProviderBody::Acknowledge(ids) | ProviderBody::Refuse(ids) => {
            put_list(out, ids, |out, id| {
                out.extend_from_slice(&id.0.to_le_bytes());
                Ok(())
            })
        }
    }
}

pub(super) fn get(kind: u8, reader: &mut Reader<'_>) -> Result<ProviderEvent, DecodeError> {
    let provider = get_provider(reader)?;
    let version = SourceVersion {
        time_ms: reader.int("version time")?,
        group: reader.small("version group")?,
        sequence: reader.small("version sequence")?,
    };
    let authority = reader.byte()?;
    let quality = reader.small("quality")?;
    let body = match kind {
        SCHEDULE => ProviderBody::Schedule(get_schedule(reader)?),
        TIME_CHANGE => ProviderBody::TimeChange(reader.list("times", get_times)?),
        EQUIPMENT => ProviderBody::Equipment(Equipment {
            board: if reader.bits("equipment", PRESENT)? == PRESENT {
                Some(get_station(reader)?)
            } else {
                None
            },
            aircraft: reader.array()?,
            cabins: reader.list("cabins", get_cabin_plan)?,
        }),
        AVAILABILITY => ProviderBody::Availability(get_availability(reader)?),
        FARES => ProviderBody::Fares(reader.list("fares", get_fare)?),
        TERMS => ProviderBody::Terms(
            reader.list("terms", |r| Ok((get_cabin(r)?, r.small("allowance")?)))?,
        ),
        CANCEL => ProviderBody::Cancel,
        REINSTATE => ProviderBody::Reinstate,
        WITHDRAW => ProviderBody::Withdraw,
        ACKNOWLEDGE => ProviderBody::Acknowledge(reader.list("ids", get_id)?),
        REFUSE => ProviderBody::Refuse(reader.list("ids", get_id)?),
        other => return Err(DecodeError::UnknownKind(other)),
    };
    Ok(ProviderEvent {
        provider,
        version,
        authority,
        quality,
        body,
    })
}

fn put_list<T>(
    out: &mut Vec<u8>,
    items: &[T],
    mut each: impl FnMut(&mut Vec<u8>, &T) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    put_uint(out, items.len() as u64);
    items.iter().try_for_each(|item| each(out, item))
}

fn put_schedule(out: &mut Vec<u8>, schedule: &Schedule) -> Result<(), EncodeError> {
    out.push(u8::from(schedule.operating.is_some()));
    if let Some(operating) = &schedule.operating {
        put_flight(out, operating)?;
    }
    put_list(out, &schedule.legs, |out, leg| {
        put_station(out, leg.board)?;
        put_station(out, leg.off)?;
        put_times(out, &leg.times)?;
        out.extend_from_slice(&leg.aircraft);
        out.push(leg.service);
        put_list(out, &leg.cabins, put_cabin_plan)
    })?;
    put_list(out, &schedule.restricted, |out, (board, off)| {
        put_station(out, *board)?;
        put_station(out, *off)
    })
}

fn get_schedule(reader: &mut Reader<'_>) -> Result<Schedule, DecodeError> {
    let operating = if reader.bits("schedule", PRESENT)? == PRESENT {
        Some(get_flight(reader)?)
    } else {
        None
    };
    let legs = reader.list("legs", |r| {
        Ok(Leg {
            board: get_station(r)?,
            off: get_station(r)?,
            times: get_times(r)?,
            aircraft: r.array()?,
            service: r.byte()?,
            cabins: r.list("cabins", get_cabin_plan)?,
        })
    })?;
    let restricted = reader.list("restricted", |r| Ok((get_station(r)?, get_station(r)?)))?;
    Ok(Schedule {
        legs,
        restricted,
        operating,
    })
}

fn put_times(out: &mut Vec<u8>, times: &LegTimes) -> Result<(), EncodeError> {
    put_station(out, times.board)?;
    put_int(out, times.departs_s);
    put_int(out, times.arrives_s);
    put_int(out, i64::from(times.departs_offset_min));
    put_int(out, i64::from(times.arrives_offset_min));
    Ok(())
}

fn get_times(reader: &mut Reader<'_>) -> Result<LegTimes, DecodeError> {
    Ok(LegTimes {
        board: get_station(reader)?,
        departs_s: reader.int("departure")?,
        arrives_s: reader.int("arrival")?,
        departs_offset_min: reader.small_int("departure offset")?,
        arrives_offset_min: reader.small_int("arrival offset")?,
    })
}

/// Absent is 0, present one higher.
fn put_count(out: &mut Vec<u8>, count: Option<u16>) {
    put_uint(out, count.map_or(0, |n| u64::from(n) + 1));
}

fn get_count(reader: &mut Reader<'_>, field: &'static str) -> Result<Option<u16>, DecodeError> {
    match reader.uint(field)?.checked_sub(1) {
        None => Ok(None),
        Some(n) => u16::try_from(n)
            .map(Some)
            .map_err(|_| DecodeError::bad(field, "is out of range")),
    }
}

fn put_cabin_plan(out: &mut Vec<u8>, plan: &CabinPlan) -> Result<(), EncodeError> {
    out.push(plan.cabin.letter());
    put_count(out, plan.seats);
    put_count(out, plan.authorised);
    put_list(out, &plan.classes, |out, class| {
        out.push(class.class.letter());
        put_count(out, class.limit);
        Ok(())
    })
}

fn get_cabin_plan(reader: &mut Reader<'_>) -> Result<CabinPlan, DecodeError> {
    Ok(CabinPlan {
        cabin: get_cabin(reader)?,
        seats: get_count(reader, "seats")?,
        authorised: get_count(reader, "authorised")?,
        classes: reader.list("classes", |r| {
            Ok(ClassPlan {
                class: get_class(r)?,
                limit: get_count(r, "limit")?,
            })
        })?,
    })
}

fn put_availability(out: &mut Vec<u8>, a: &Availability) -> Result<(), EncodeError> {
    match a.level {
        Level::Flight => out.push(0),
        Level::Leg(board) => {
            out.push(1);
            put_station(out, board)?;
        }
        Level::Segment(board, off) => {
            out.push(2);
            put_station(out, board)?;
            put_station(out, off)?;
        }
    }
    out.push(match a.status {
        SaleStatus::Open => 0,
        SaleStatus::Request => 1,
        SaleStatus::WaitlistOpen => 2,
        SaleStatus::Closed => 3,
        SaleStatus::NotOperating => 4,
    });
    out.push(match a.counts {
        Counts::Total => 0,
        Counts::Remaining => 1,
    });
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    out.push(
        bit(a.cabin.is_some(), availability_bits::CABIN)
            | bit(a.class.is_some(), availability_bits::CLASS)
            | bit(a.seats.is_some(), availability_bits::SEATS)
            | bit(a.is_floor, availability_bits::FLOOR)
            | bit(a.expires_ms.is_some(), availability_bits::EXPIRES),
    );
    if let Some(cabin) = a.cabin {
        out.push(cabin.letter());
    }
    if let Some(class) = a.class {
        out.push(class.letter());
    }
    if let Some(seats) = a.seats {
        put_int(out, i64::from(seats));
    }
    if let Some(expires_ms) = a.expires_ms {
        put_int(out, expires_ms);
    }
    Ok(())
}

fn get_availability(reader: &mut Reader<'_>) -> Result<Availability, DecodeError> {
    let level = match reader.byte()? {
        0 => Level::Flight,
        1 => Level::Leg(get_station(reader)?),
        2 => Level::Segment(get_station(reader)?, get_station(reader)?),
        _ => return Err(DecodeError::bad("level", "is unknown")),
    };
    let status = match reader.byte()? {
        0 => SaleStatus::Open,
        1 => SaleStatus::Request,
        2 => SaleStatus::WaitlistOpen,
        3 => SaleStatus::Closed,
        4 => SaleStatus::NotOperating,
        _ => return Err(DecodeError::bad("status", "is unknown")),
    };
    let counts = match reader.byte()? {
        0 => Counts::Total,
        1 => Counts::Remaining,
        _ => return Err(DecodeError::bad("counts", "is unknown")),
    };
    let bits = reader.bits("availability", availability_bits::ALL)?;
    let has = |bit: u8| bits & bit != 0;
    Ok(Availability {
        level,
        cabin: has(availability_bits::CABIN)
            .then(|| get_cabin(reader))
            .transpose()?,
        class: has(availability_bits::CLASS)
            .then(|| get_class(reader))
            .transpose()?,
        status,
        seats: has(availability_bits::SEATS)
            .then(|| reader.small_int("seats"))
            .transpose()?,
        is_floor: has(availability_bits::FLOOR),
        counts,
        expires_ms: has(availability_bits::EXPIRES)
            .then(|| reader.int("expiry"))
            .transpose()?,
    })
}

fn put_fare(out: &mut Vec<u8>, fare: &Fare) -> Result<(), EncodeError> {
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    out.push(
        bit(fare.segment.is_some(), fare_bits::SEGMENT)
            | bit(fare.class.is_some(), fare_bits::CLASS),
    );
    out.push(fare.cabin.letter());
    if let Some((board, off)) = fare.segment {
        put_station(out, board)?;
        put_station(out, off)?;
    }
    if let Some(class) = fare.class {
        out.push(class.letter());
    }
    put_money(out, fare.price)
}

fn get_fare(reader: &mut Reader<'_>) -> Result<Fare, DecodeError> {
    let bits = reader.bits("fare", fare_bits::ALL)?;
    Ok(Fare {
        cabin: get_cabin(reader)?,
        segment: if bits & fare_bits::SEGMENT != 0 {
            Some((get_station(reader)?, get_station(reader)?))
        } else {
            None
        },
        class: if bits & fare_bits::CLASS != 0 {
            Some(get_class(reader)?)
        } else {
            None
        },
        price: get_money(reader)?,
    })
}
