//! The bodies of what concerns a provider's feed as a whole: after the provider, by kind:
//!
//! | kind | what follows |
//! |---|---|
//! | 6 configure | the longest silence in ms, one higher; 0 = it has no limit |
//! | 7 heard | time, ms, signed |
//! | 8 stop, 9 resume | – |
//! | 10 unplaced | bits (1 = the day is counted in UTC, 2 = a station follows that is not meant), airline, number, suffix, day, that station, kind of the event, the event as in `provider.rs` |
//! | 11 replaced | version, bits (1 = an airline follows), that airline, first day, last day |
//! | 12 numbered | series (1 = SSM, 2 = ASM), bits (1 = the last of its group), day, group, number |
//!
//! An airline has three bytes, a day is counted from 1970-01-01.

use flightline_ledger::codes::{Carrier, Date, FlightKey, ProviderCode, Station};
use flightline_ledger::command::{
    FeedCommand, Numbered, Replaced, Series, SourceVersion, UnplacedReport,
};

use super::body::{get_provider, get_station, put_flight, put_provider, put_station};
use super::error::{DecodeError, EncodeError};
use super::provider;
use super::wire::{Reader, code, put_int, put_uint};

const CONFIGURE: u8 = 6;
const HEARD: u8 = 7;
const STOP: u8 = 8;
const RESUME: u8 = 9;
const UNPLACED: u8 = 10;
const REPLACED: u8 = 11;
const NUMBERED: u8 = 12;

const UTC: u8 = 1;
const BUT: u8 = 2;
const CARRIER: u8 = 1;
const LAST: u8 = 1;

/// Stands where a report names no station.
const ANY: [u8; 3] = *b"ZZZ";

pub(super) fn is_kind(kind: u8) -> bool {
    (CONFIGURE..=NUMBERED).contains(&kind)
}

pub(super) fn kind_of(command: &FeedCommand) -> u8 {
    match command {
        FeedCommand::Configure { .. } => CONFIGURE,
        FeedCommand::Heard { .. } => HEARD,
        FeedCommand::Stop => STOP,
        FeedCommand::Resume => RESUME,
        FeedCommand::Unplaced(_) => UNPLACED,
        FeedCommand::Replaced(_) => REPLACED,
        FeedCommand::Numbered(_) => NUMBERED,
    }
}

pub(super) fn put(
    out: &mut Vec<u8>,
    provider: ProviderCode,
    command: &FeedCommand,
) -> Result<(), EncodeError> {
    put_provider(out, provider)?;
    match command {
        FeedCommand::Configure { silence_max_ms } => {
            let one_higher = silence_max_ms.map_or(Some(0), |ms| ms.checked_add(1));
            let Some(one_higher) = one_higher else {
                return Err(EncodeError::Bad {
                    field: "silence_max_ms",
                    what: "is out of range",
                });
            };
            put_uint(out, one_higher);
        }
        FeedCommand::Heard { at_ms } => put_int(out, *at_ms),
        FeedCommand::Stop | FeedCommand::Resume => {}
        FeedCommand::Unplaced(report) => put_unplaced(out, provider, report)?,
        FeedCommand::Replaced(replaced) => {
            put_int(out, replaced.version.time_ms);
            put_uint(out, u64::from(replaced.version.group));
            put_uint(out, u64::from(replaced.version.sequence));
            out.push(u8::from(replaced.carrier.is_some()));
            if let Some(carrier) = replaced.carrier {
                put_carrier(out, carrier)?;
            }
            put_day(out, replaced.from);
            put_day(out, replaced.to);
        }
        FeedCommand::Numbered(numbered) => {
            out.push(numbered.series as u8);
            out.push(if numbered.is_last { LAST } else { 0 });
            put_day(out, numbered.day);
            put_uint(out, u64::from(numbered.group));
            put_uint(out, u64::from(numbered.number));
        }
    }
    Ok(())
}

fn put_unplaced(
    out: &mut Vec<u8>,
    provider: ProviderCode,
    report: &UnplacedReport,
) -> Result<(), EncodeError> {
    if report.event.provider != provider {
        return Err(EncodeError::Bad {
            field: "provider",
            what: "is another than the report's",
        });
    }
    // What is no flight key but for its station is caught as one is.
    let any = FlightKey {
        carrier: report.carrier,
        number: report.number,
        suffix: report.suffix,
        origin_date: report.date,
        board: report
            .but
            .unwrap_or(Station::from_bytes(ANY).unwrap_or_default()),
    };
    put_flight(&mut Vec::new(), &any)?;
    let utc = if report.utc { UTC } else { 0 };
    let but = if report.but.is_some() { BUT } else { 0 };
    out.push(utc | but);
    put_carrier(out, report.carrier)?;
    put_uint(out, u64::from(report.number));
    out.push(report.suffix);
    put_day(out, report.date);
    if let Some(but) = report.but {
        put_station(out, but)?;
    }
    out.push(provider::kind_of(&report.event.body));
    provider::put(out, &report.event)
}

pub(super) fn get(
    kind: u8,
    reader: &mut Reader<'_>,
) -> Result<(ProviderCode, FeedCommand), DecodeError> {
    let provider = get_provider(reader)?;
    let command = match kind {
        CONFIGURE => FeedCommand::Configure {
            silence_max_ms: reader.uint("silence_max_ms")?.checked_sub(1),
        },
        HEARD => FeedCommand::Heard {
            at_ms: reader.int("heard at")?,
        },
        STOP => FeedCommand::Stop,
        RESUME => FeedCommand::Resume,
        UNPLACED => FeedCommand::Unplaced(Box::new(get_unplaced(provider, reader)?)),
        REPLACED => FeedCommand::Replaced(Replaced {
            version: SourceVersion {
                time_ms: reader.int("version time")?,
                group: reader.small("version group")?,
                sequence: reader.small("version sequence")?,
            },
            carrier: match reader.bits("replaced", CARRIER)? {
                CARRIER => Some(get_carrier(reader)?),
                _ => None,
            },
            from: get_day(reader)?,
            to: get_day(reader)?,
        }),
        NUMBERED => {
            let series = match reader.byte()? {
                1 => Series::Ssm,
                2 => Series::Asm,
                _ => return Err(DecodeError::bad("series", "is none that is known")),
            };
            FeedCommand::Numbered(Numbered {
                series,
                is_last: reader.bits("numbered", LAST)? == LAST,
                day: get_day(reader)?,
                group: reader.small("group")?,
                number: reader.small("number")?,
            })
        }
        other => return Err(DecodeError::UnknownKind(other)),
    };
    Ok((provider, command))
}

fn get_unplaced(
    provider: ProviderCode,
    reader: &mut Reader<'_>,
) -> Result<UnplacedReport, DecodeError> {
    let bits = reader.bits("unplaced", UTC | BUT)?;
    let carrier = get_carrier(reader)?;
    let number = reader.small("flight number")?;
    let suffix = reader.byte()?;
    let date = get_day(reader)?;
    let but = match bits & BUT {
        BUT => Some(get_station(reader)?),
        _ => None,
    };
    let any = FlightKey {
        carrier,
        number,
        suffix,
        origin_date: date,
        board: but.unwrap_or(Station::from_bytes(ANY).unwrap_or_default()),
    };
    code("flights", FlightKey::from_bytes(any.to_bytes()))?;
    let kind = reader.byte()?;
    let event = provider::get(kind, reader)?;
    if event.provider != provider {
        return Err(DecodeError::bad("provider", "is another than the report's"));
    }
    Ok(UnplacedReport {
        carrier,
        number,
        suffix,
        date,
        utc: bits & UTC != 0,
        but,
        event,
    })
}

fn put_carrier(out: &mut Vec<u8>, carrier: Carrier) -> Result<(), EncodeError> {
    let bytes = carrier.bytes();
    if bytes[0] == 0 {
        return Err(EncodeError::Bad {
            field: "airline",
            what: "is empty",
        });
    }
    out.extend_from_slice(&bytes);
    Ok(())
}

fn get_carrier(reader: &mut Reader<'_>) -> Result<Carrier, DecodeError> {
    code("airline", Carrier::from_bytes(reader.array()?))
}

fn put_day(out: &mut Vec<u8>, day: Date) {
    put_int(out, i64::from(day.0));
}

fn get_day(reader: &mut Reader<'_>) -> Result<Date, DecodeError> {
    reader.small_int("day").map(Date)
}
