//! The two JSON formats: where their records lie, and what each is.

use super::wire;
use super::{availability, offers};
use crate::documents::{self, Path};
use crate::market::{Found, Gather, provider_error};
use crate::reject::{Fault, quoted};

/// A document, the list in it, and the offers of a pricing; the same as Amadeus' own clients keep an answer.
pub(super) const PATHS: &[Path] = &[
    &[],
    &["data"],
    &["data", "[]"],
    &["data", "flightOffers", "[]"],
    &["result", "data", "[]"],
    &["result", "data", "flightOffers", "[]"],
    &["[]"],
    &["result", "data"],
];

/// Takes a flight offer.
pub(super) fn take_offer(gather: &mut Gather, record: &documents::Record) -> Result<Found, Fault> {
    let wire = read(record)?;
    let place = (record.line, record.bytes.as_slice());
    match &wire.itineraries {
        Some(itineraries) => {
            offers::take(gather, place, &wire, itineraries)?;
            Ok(Found::Taken)
        }
        None => Ok(other(&wire)),
    }
}

/// Takes a flight availability.
pub(super) fn take_availability(
    gather: &mut Gather,
    record: &documents::Record,
) -> Result<Found, Fault> {
    let wire = read(record)?;
    let place = (record.line, record.bytes.as_slice());
    match &wire.segments {
        Some(segments) => {
            availability::take(gather, place, segments)?;
            Ok(Found::Taken)
        }
        None => Ok(other(&wire)),
    }
}

fn read(record: &documents::Record) -> Result<wire::Record<'_>, Fault> {
    let wire: wire::Record<'_> = documents::json(&record.bytes)?;
    match &wire.errors {
        None => Ok(wire),
        Some(errors) => {
            let first = errors.first();
            let parts = first.map(|e| [e.title.as_deref(), e.detail.as_deref()]);
            Err(provider_error(parts))
        }
    }
}

fn other(wire: &wire::Record<'_>) -> Found {
    if wire.r#type.as_deref() == Some("flight-order") {
        return Found::Other(
            "a flight-order holds what was sold, in the words of the offers that it was sold from: nothing of it is on offer"
                .to_owned(),
        );
    }
    let kind = match wire.r#type.as_deref() {
        Some(kind) => format!("a record of type {}", quoted(kind)),
        None => "a record of no type".to_owned(),
    };
    Found::Nothing(format!(
        "{kind} is none that this format has: a flight-offer has itineraries (amadeus-offers), a flight-availability has segments (amadeus-availability)"
    ))
}
