//! An offer as flights, seats and price.

use std::fmt::Display;

use flightline_ledger::codes::Money;
use flightline_ledger::command::SaleStatus;
use flightline_ledger::{Cabin, Carrier, Station};

use super::wire::{Passenger, Place, Record, Segment, Slice, Stop};
use crate::market::{
    Gather, Look, Operator, Seats, Shown, aircraft_code, cabin_named, flight_number, instant_ms,
    local, minutes_of,
};
use crate::money;
use crate::observed::Observed;
use crate::reject::{Code, Fault, quoted};

/// Takes an offer.
pub(super) fn take(
    gather: &mut Gather,
    (line, raw): (u64, &[u8]),
    offer: &Record<'_>,
    slices: &[Slice<'_>],
) -> Result<(), Fault> {
    let own_ms = made_at(offer)?;
    let expires_at = needed("expires_at", offer.expires_at.as_deref())?;
    let (expires_ms, _) = instant_ms("expires_at", expires_at)?;
    let passengers = offer.passengers.as_deref().unwrap_or_default();
    let count = u16::try_from(passengers.len()).unwrap_or(u16::MAX).max(1);
    if count > 9 {
        return Err(Fault::at(
            Code::BadCount,
            "passengers",
            format_args!("{count}: an offer is for 1 to 9"),
        ));
    }
    let total = money::read(
        "total_amount",
        needed("total_amount", offer.total_amount.as_deref())?,
        needed("total_currency", offer.total_currency.as_deref())?,
    )?;
    let flights_in_all: usize = slices.iter().map(|slice| slice.all().len()).sum();
    if flights_in_all == 0 {
        return Err(Fault::at(Code::MissingField, "slices", "has no segments"));
    }
    // Only of an offer of one flight is it known what the flight costs, and only where all travellers
    // pay the same.
    let is_adult = |passenger: &Passenger<'_>| match passenger.r#type.as_deref() {
        Some(kind) => kind == "adult",
        None => passenger.age.is_none_or(|age| age >= 18),
    };
    let adults = passengers.iter().all(is_adult);
    // Infants on laps are passengers without a seat of their own.
    let on_laps = passengers
        .iter()
        .filter(|p| p.r#type.as_deref() == Some("infant_without_seat"))
        .count();
    let on_laps = u16::try_from(on_laps).unwrap_or(count);
    let seated = count.saturating_sub(on_laps).max(1);
    let price = (flights_in_all == 1 && (adults || count == 1))
        .then(|| money::share(total, count))
        .flatten();
    // All of an offer is read before anything of it is taken.
    let mut journeys = Vec::with_capacity(slices.len());
    for (n, slice) in slices.iter().enumerate() {
        let at = format!("slices[{n}]");
        let mut flights = Vec::with_capacity(slice.all().len());
        for (m, segment) in slice.all().iter().enumerate() {
            let at = format!("{at}.segments[{m}]");
            let shown = shown(&at, segment)?;
            let looks = looks(&at, segment, seated, price)?;
            flights.push((shown, looks));
        }
        let observed = Observed {
            expires_ms: Some(expires_ms),
            offer: offer.id.as_deref().map(|id| id.chars().take(64).collect()),
            origin: code_of(slice.origin.as_ref()),
            destination: code_of(slice.destination.as_ref()),
            total: Some(total),
            passengers: Some(count),
            ..Observed::default()
        };
        journeys.push((observed, flights));
    }
    for (observed, flights) in journeys {
        gather.journey((line, raw), own_ms, &observed, flights);
    }
    Ok(())
}

/// When the record was made: the newest of its stamps.
pub(super) fn made_at(record: &Record<'_>) -> Result<Option<i64>, Fault> {
    let stamp = |field: &str, text: Option<&str>| -> Result<Option<i64>, Fault> {
        text.map(|text| instant_ms(field, text).map(|(ms, _)| ms))
            .transpose()
    };
    Ok(stamp("updated_at", record.updated_at.as_deref())?
        .max(stamp("created_at", record.created_at.as_deref())?))
}

pub(super) fn needed(field: impl Display, text: Option<&str>) -> Result<&str, Fault> {
    text.filter(|text| !text.is_empty())
        .ok_or_else(|| Fault::new(Code::MissingField, format!("missing field `{field}`")))
}

/// A station where one is told and well-formed; a city is one here.
fn code_of(place: Option<&Place<'_>>) -> Option<Station> {
    place?.iata_code.as_deref()?.parse().ok()
}

fn station(field: impl Display, place: Option<&Place<'_>>) -> Result<Station, Fault> {
    let text = needed(
        format_args!("{field}.iata_code"),
        place.and_then(|place| place.iata_code.as_deref()),
    )?;
    text.parse().map_err(|e| {
        Fault::at(
            Code::BadCode,
            format_args!("{field}.iata_code"),
            format_args!("{}: {e}", quoted(text)),
        )
    })
}

fn carrier(field: impl Display, text: &str) -> Result<Carrier, Fault> {
    text.parse()
        .map_err(|e| Fault::at(Code::BadCode, field, format_args!("{}: {e}", quoted(text))))
}

/// A segment as a flight.
pub(super) fn shown(at: &str, segment: &Segment<'_>) -> Result<Shown, Fault> {
    let field = |name: &str| format!("{at}.{name}");
    let zone = |place: Option<&Place<'_>>| {
        place
            .and_then(|place| place.time_zone.as_deref())
            .map(str::to_owned)
    };
    let moment = |name: &str, text: Option<&str>, place: Option<&Place<'_>>, station| {
        let name = field(name);
        local(
            &*name,
            needed(&name, text)?,
            station,
            zone(place).as_deref(),
        )
    };
    let name = field("marketing_carrier.iata_code");
    let code = segment
        .marketing_carrier
        .as_ref()
        .and_then(|c| c.iata_code.as_deref());
    let marketing = carrier(&name, needed(&name, code)?)?;
    let name = field("marketing_carrier_flight_number");
    let number = segment.marketing_carrier_flight_number.as_deref();
    let number = flight_number(&name, needed(&name, number)?, marketing)?;
    let operating = match segment
        .operating_carrier
        .as_ref()
        .and_then(|c| c.iata_code.as_deref())
    {
        None => None,
        Some(code) => Some(carrier(field("operating_carrier.iata_code"), code)?),
    };
    let operating_number = match (operating, &segment.operating_carrier_flight_number) {
        (Some(carrier), Some(text)) => Some(flight_number(
            field("operating_carrier_flight_number"),
            text,
            carrier,
        )?),
        _ => None,
    };
    let board = station(field("origin"), segment.origin.as_ref())?;
    let off = station(field("destination"), segment.destination.as_ref())?;
    let departs = moment(
        "departing_at",
        (segment.departing_at.as_deref()).or(segment.departure_datetime.as_deref()),
        segment.origin.as_ref(),
        board,
    )?;
    let arrives = moment(
        "arriving_at",
        (segment.arriving_at.as_deref()).or(segment.arrival_datetime.as_deref()),
        segment.destination.as_ref(),
        off,
    )?;
    let aircraft = aircraft_code(
        segment
            .aircraft
            .as_ref()
            .and_then(|c| c.iata_code.as_deref()),
    );
    let operator = Operator::told(marketing, operating, operating_number);
    let minutes = segment.duration.as_deref().and_then(minutes_of);
    let all = segment.stops.as_deref().unwrap_or_default();
    // Stops are legs where each has its times; otherwise the flight is taken as one leg.
    let is_timed = |stop: &Stop<'_>| stop.arriving_at.is_some() && stop.departing_at.is_some();
    let stops = match all.iter().all(is_timed) {
        true => all,
        false => &[],
    };
    let mut from = (board, departs);
    let mut shown: Option<Shown> = None;
    for (n, stop) in stops.iter().enumerate() {
        let at = format!("{at}.stops[{n}]");
        let there = station(format_args!("{at}.airport"), stop.airport.as_ref())?;
        let name = format!("{at}.arriving_at");
        let zone = zone(stop.airport.as_ref());
        let to = local(
            &*name,
            needed(&name, stop.arriving_at.as_deref())?,
            there,
            zone.as_deref(),
        )?;
        let name = format!("{at}.departing_at");
        let on = local(
            &*name,
            needed(&name, stop.departing_at.as_deref())?,
            there,
            zone.as_deref(),
        )?;
        let leg_to = (there, to);
        match &mut shown {
            None => {
                shown = Some(Shown::one_leg(
                    &at,
                    (marketing, number),
                    from,
                    leg_to,
                    aircraft,
                    operator,
                    None,
                )?);
            }
            Some(shown) => shown.add_leg(&at, from, leg_to, aircraft, None)?,
        }
        from = (there, on);
    }
    match shown {
        None => {
            let mut shown = Shown::one_leg(
                at,
                (marketing, number),
                from,
                (off, arrives),
                aircraft,
                operator,
                minutes,
            )?;
            if !all.is_empty() {
                shown.warnings.push(format!(
                    "{at}: it stops {} times on the way, when is not told: taken as one leg",
                    all.len()
                ));
            }
            Ok(shown)
        }
        Some(mut shown) => {
            shown.add_leg(at, from, (off, arrives), aircraft, None)?;
            Ok(shown)
        }
    }
}

/// That an offer exists says that there are seats for as many as it is for; no more is told.
fn looks(
    at: &str,
    segment: &Segment<'_>,
    travellers: u16,
    price: Option<Money>,
) -> Result<Vec<Look>, Fault> {
    let seated = segment.passengers.as_deref().unwrap_or_default();
    let mut looks: Vec<Look> = Vec::with_capacity(1);
    let mut counts: Vec<(Cabin, u16)> = Vec::with_capacity(1);
    for (n, one) in seated.iter().enumerate() {
        let field = format!("{at}.passengers[{n}].cabin_class");
        let cabin = cabin_named(&field, needed(&field, one.cabin_class.as_deref())?)?;
        match counts.iter_mut().find(|(known, _)| *known == cabin) {
            Some((_, count)) => *count += 1,
            None => counts.push((cabin, 1)),
        }
    }
    // The list of the segment may be of all passengers, or of those with a seat.
    let one_cabin = counts.len() == 1;
    for (cabin, count) in counts {
        looks.push(Look {
            cabin: Some(cabin),
            class: None,
            status: SaleStatus::Open,
            seats: Some(Seats {
                count: i32::from(count.min(travellers)),
                is_floor: true,
            }),
            price: price.filter(|_| one_cabin),
        });
    }
    Ok(looks)
}
