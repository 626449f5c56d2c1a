//! What is sold for how much: availability, fares, terms.

use std::collections::HashSet;
use std::fmt::Arguments;

use flightline_ledger::command::{Availability, Counts, Fare, Level, SaleStatus, quality};
use flightline_ledger::{Cabin, Class, Currency, FlightKey, Money, ProviderBody, Station};

use super::{LIMIT_MAX, Notes, code, count, inconsistent, optional};
use crate::canonical::wire;
use crate::currency;
use crate::reject::{Code, Fault, quoted};

const STATUSES: [(&str, SaleStatus); 5] = [
    ("open", SaleStatus::Open),
    ("request", SaleStatus::Request),
    ("waitlist_open", SaleStatus::WaitlistOpen),
    ("closed", SaleStatus::Closed),
    ("not_operating", SaleStatus::NotOperating),
];

/// The text of a sale status.
pub(in crate::canonical) fn status_text(status: SaleStatus) -> &'static str {
    match status {
        SaleStatus::Open => "open",
        SaleStatus::Request => "request",
        SaleStatus::WaitlistOpen => "waitlist_open",
        SaleStatus::Closed => "closed",
        SaleStatus::NotOperating => "not_operating",
    }
}

pub(in crate::canonical) fn availability(
    _: &FlightKey,
    wire: &wire::Availability<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    let level = match segment(format_args!(""), wire.board.as_deref(), wire.off.as_deref())? {
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
        expires_ms: None,
    }))
}

enum Place {
    Flight,
    Board(Station),
    Segment(Station, Station),
}

fn segment(at: Arguments<'_>, board: Option<&str>, off: Option<&str>) -> Result<Place, Fault> {
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

pub(in crate::canonical) fn fares(
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
        let at = format_args!("fares[{n}]");
        let segment = match segment(
            format_args!("{at}."),
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
                at,
                "has segment, cabin and class of one before it",
            ));
        }
        fares.push(Fare {
            segment,
            cabin,
            class,
            price: price(at, &wire.amount, &wire.currency, notes)?,
        });
    }
    Ok(ProviderBody::Fares(fares))
}

pub(super) fn price(
    at: Arguments<'_>,
    amount: &str,
    currency: &str,
    notes: &mut Notes,
) -> Result<Money, Fault> {
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

pub(in crate::canonical) fn terms(
    _: &FlightKey,
    wire: &wire::Terms<'_>,
    _: &mut Notes,
) -> Result<ProviderBody, Fault> {
    let mut terms: Vec<(Cabin, u16)> = Vec::with_capacity(wire.overbooking.len().min(26));
    for (n, wire) in wire.overbooking.iter().enumerate() {
        let at = format_args!("overbooking[{n}]");
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
