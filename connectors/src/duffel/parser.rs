//! Where records lie in an answer, and what each is.

use super::wire::{self, Slices};
use super::{change, offer};
use crate::documents::{self, Path};
use crate::market::{Found, Gather, provider_error};
use crate::reject::Fault;

/// A document, what it is about, a list of that, the offers of offer requests, and the changes of orders.
pub(super) const PATHS: &[Path] = &[
    &[],
    &["data"],
    &["data", "[]"],
    &["data", "offers", "[]"],
    &["data", "[]", "offers", "[]"],
    &["data", "airline_initiated_changes", "[]"],
    &["data", "[]", "airline_initiated_changes", "[]"],
    &["offers", "[]"],
    &["airline_initiated_changes", "[]"],
    &["[]"],
];

/// Takes an offer or an airline-initiated change.
pub(super) fn take(gather: &mut Gather, record: &documents::Record) -> Result<Found, Fault> {
    let place = (record.line, record.bytes.as_slice());
    let wire: wire::Record<'_> = documents::json(&record.bytes)?;
    if let Some(errors) = &wire.errors {
        let first = errors.first();
        let parts = first.map(|e| [e.code.as_deref(), e.title.as_deref()]);
        return Err(provider_error(parts));
    }
    if wire.offers.is_some() {
        // An offer request has slices too: what counts are its offers, which came before, or there are
        // none.
        return Ok(Found::Taken);
    }
    if wire.added.is_some() || wire.removed.is_some() {
        change::take(gather, place, &wire)?;
        return Ok(Found::Taken);
    }
    if wire.airline_initiated_changes.is_some() {
        // An order: what counts are its changes, which came before, or there are none.
        return Ok(Found::Taken);
    }
    if wire.booking_reference.is_some() {
        return Ok(Found::Nothing(
            "this is an order, which tells what was bought and not what is for sale; send offers, or the airline-initiated changes of orders"
                .to_owned(),
        ));
    }
    match &wire.slices {
        Some(Slices::List(slices))
            if wire.total_amount.is_none()
                && !slices.is_empty()
                && slices.iter().all(|slice| slice.segments.is_none()) =>
        {
            Ok(Found::Nothing(
                "this is an offer request without its offers, which tells what was asked for; send its offers"
                    .to_owned(),
            ))
        }
        Some(Slices::List(slices)) => {
            offer::take(gather, place, &wire, slices)?;
            Ok(Found::Taken)
        }
        Some(Slices::Other) => Ok(Found::Nothing(
            "this is about the change of an order (its slices are none of an offer); send offers, or airline-initiated changes"
                .to_owned(),
        )),
        None => Ok(Found::Nothing(
            "this is neither an offer (with slices) nor an airline-initiated change (with added and removed)"
                .to_owned(),
        )),
    }
}
