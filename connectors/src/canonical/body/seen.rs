//! How an observation was made: the field `observed`.

use flightline_ledger::FlightKey;

use super::{count, inconsistent, optional, sale};
use crate::canonical::read::Notes;
use crate::canonical::{time, wire};
use crate::observed::{JOURNEY_FLIGHTS_MAX, Observed, TEXT_BYTES_MAX};
use crate::reject::{Code, Fault, quoted};

pub(in crate::canonical) fn observed(
    wire: &wire::Observed<'_>,
    notes: &mut Notes,
) -> Result<Observed, Fault> {
    let short = |field: &str, text: Option<&str>| match text {
        Some(text) if text.is_empty() || text.len() > TEXT_BYTES_MAX => Err(Fault::at(
            Code::BadCode,
            format_args!("observed.{field}"),
            format_args!("has {} bytes; 1 to {TEXT_BYTES_MAX} are taken", text.len()),
        )),
        text => Ok(text.map(Into::into)),
    };
    if wire.journey.len() > JOURNEY_FLIGHTS_MAX {
        return Err(Fault::at(
            Code::BadCount,
            "observed.journey",
            format_args!(
                "{} flights; name at most {JOURNEY_FLIGHTS_MAX}",
                wire.journey.len()
            ),
        ));
    }
    let mut journey: Vec<FlightKey> = Vec::with_capacity(wire.journey.len());
    for (n, text) in wire.journey.iter().enumerate() {
        journey.push(text.parse().map_err(|e| {
            Fault::at(
                Code::BadFlightKey,
                format_args!("observed.journey[{n}]"),
                format_args!("{}: {e}", quoted(text)),
            )
        })?);
    }
    let total = match (&wire.total_amount, &wire.total_currency) {
        (None, None) => None,
        (Some(amount), Some(currency)) => Some(sale::price(
            format_args!("observed.total"),
            amount,
            currency,
            notes,
        )?),
        _ => {
            return Err(inconsistent(
                "observed.total_amount",
                "name both total_amount and total_currency, or neither",
            ));
        }
    };
    Ok(Observed {
        expires_ms: match &wire.expires_at {
            None => None,
            Some(text) => Some(time::instant_ms("observed.expires_at", text)?),
        },
        offer: short("offer", wire.offer.as_deref())?,
        origin: optional("observed.origin", wire.origin.as_ref())?,
        destination: optional("observed.destination", wire.destination.as_ref())?,
        point_of_sale: short("point_of_sale", wire.point_of_sale.as_deref())?,
        journey,
        total,
        passengers: match wire.passengers {
            None => None,
            Some(n) => Some(count("observed.passengers", n, 999)?),
        },
    })
}
