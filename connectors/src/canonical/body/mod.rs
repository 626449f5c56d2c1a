//! The checks and conversions of each type of event.
//!
//! What the ledger would refuse as contradicting itself is refused here already, where the reason
//! can name the field: the ledger only sees values. What depends on the flight's state (does the
//! station belong to it, does the provider own it) is the ledger's to judge.
//!
//! `plan`: what flies when and with what (schedule, times, equipment). `sale`: what is sold for how
//! much (availability, fares, terms). `seen`: how an observation was made.

mod plan;
mod sale;
mod seen;

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use flightline_ledger::codes::BadCode;
use flightline_ledger::{FlightKey, ProviderBody};

use super::HOLDS_MAX;
use super::read::Notes;
use super::wire::{self, Count};
use crate::ids;
use crate::reject::{Code, Fault, quoted};

pub(super) use plan::{equipment, schedule, time_change};
pub(super) use sale::{availability, fares, status_text, terms};
pub(super) use seen::observed;

const SEATS_MAX: i64 = 2000;
const LIMIT_MAX: i64 = 9999;

/// Reads a code.
pub(super) fn code<T: FromStr<Err = BadCode>>(field: impl Display, text: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|e| Fault::at(Code::BadCode, field, format!("{}: {e}", quoted(text))))
}

fn optional<T: FromStr<Err = BadCode>>(
    field: impl Display,
    text: Option<&Cow<'_, str>>,
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
