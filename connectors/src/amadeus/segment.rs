//! A segment as a flight.

use std::fmt::Display;

use flightline_ledger::{Carrier, Station};

use super::wire::Segment;
use crate::market::{Operator, Shown, aircraft_code, flight_number, local, minutes_of};
use crate::reject::{Code, Fault, quoted};

pub(super) fn needed(field: impl Display, text: Option<&str>) -> Result<&str, Fault> {
    text.filter(|text| !text.is_empty())
        .ok_or_else(|| Fault::new(Code::MissingField, format!("missing field `{field}`")))
}

fn code<T: std::str::FromStr<Err = flightline_ledger::codes::BadCode>>(
    field: &str,
    text: Option<&str>,
) -> Result<T, Fault> {
    let text = needed(field, text)?;
    text.parse()
        .map_err(|e| Fault::at(Code::BadCode, field, format_args!("{}: {e}", quoted(text))))
}

pub(super) fn shown(at: &str, segment: &Segment<'_>) -> Result<Shown, Fault> {
    let field = |name: &str| format!("{at}.{name}");
    let carrier: Carrier = code(&field("carrierCode"), segment.carrier_code.as_deref())?;
    let name = field("number");
    let number = flight_number(&name, needed(&name, segment.number.as_deref())?, carrier)?;
    let (departure, arrival) = (segment.departure.as_ref(), segment.arrival.as_ref());
    let board: Station = code(
        &field("departure.iataCode"),
        departure.and_then(|end| end.iata_code.as_deref()),
    )?;
    let off: Station = code(
        &field("arrival.iataCode"),
        arrival.and_then(|end| end.iata_code.as_deref()),
    )?;
    let time = |name: String, text: Option<&str>, station| {
        local(&*name, needed(&name, text)?, station, None)
    };
    let departs = time(
        field("departure.at"),
        departure.and_then(|end| end.at.as_deref()),
        board,
    )?;
    let arrives = time(
        field("arrival.at"),
        arrival.and_then(|end| end.at.as_deref()),
        off,
    )?;
    let operating = segment.operating.as_ref();
    let operating_carrier: Option<Carrier> = match operating.and_then(|o| o.carrier_code.as_deref())
    {
        None => None,
        text => Some(code(&field("operating.carrierCode"), text)?),
    };
    let operating_number = match (
        operating_carrier,
        operating.and_then(|o| o.number.as_deref()),
    ) {
        (Some(carrier), Some(text)) => {
            Some(flight_number(field("operating.number"), text, carrier)?)
        }
        _ => None,
    };
    let operator = Operator::told(carrier, operating_carrier, operating_number);
    let aircraft = aircraft_code(segment.aircraft.as_ref().and_then(|a| a.code.as_deref()));
    let minutes = segment.duration.as_deref().and_then(minutes_of);

    // Stops are legs where each has its times; otherwise the flight is taken as one leg.
    let stops: Option<Vec<_>> = segment
        .stops
        .iter()
        .map(|stop| {
            let station: Station = stop.iata_code.as_deref()?.parse().ok()?;
            let at = |text: Option<&str>| local("stops", text?, station, None).ok();
            Some((
                station,
                at(stop.arrival_at.as_deref())?,
                at(stop.departure_at.as_deref())?,
            ))
        })
        .collect();
    let stops = stops.unwrap_or_default();
    let announced = segment.number_of_stops.unwrap_or(0).max(0);
    let flight = (carrier, number);
    let mut shown: Option<Shown> = None;
    let mut from = (board, departs);
    for (station, arrives, departs) in stops {
        let to = (station, arrives);
        match &mut shown {
            None => {
                shown = Some(Shown::one_leg(
                    at, flight, from, to, aircraft, operator, None,
                )?);
            }
            Some(shown) => shown.add_leg(at, from, to, aircraft, None)?,
        }
        from = (station, departs);
    }
    let to = (off, arrives);
    let mut shown = match shown {
        None => Shown::one_leg(at, flight, from, to, aircraft, operator, minutes)?,
        Some(mut shown) => {
            shown.add_leg(at, from, to, aircraft, None)?;
            shown
        }
    };
    if shown.legs.len() == 1 && announced > 0 {
        shown.warnings.push(format!(
            "{at}: it stops {announced} times on the way, where and when is not told: taken as one leg"
        ));
    }
    Ok(shown)
}

/// Bookable seats: 1 to 9, and 9 means nine or more.
pub(super) fn seats(field: &str, count: i64) -> Result<i32, Fault> {
    i32::try_from(count)
        .ok()
        .filter(|n| (0..=9).contains(n))
        .ok_or_else(|| Fault::at(Code::BadCount, field, format_args!("{count} is not 0 to 9")))
}
