//! Where records lie in an answer, and what each is.

use super::wire;
use super::{change, offer};
use crate::documents::{self, Path};
use crate::market::{Found, Gather, provider_error};
use crate::reject::Fault;

/// A document, what it is about, a list of that, and the offers of an offer request.
pub(super) const PATHS: &[Path] = &[
    &[],
    &["data"],
    &["data", "[]"],
    &["data", "offers", "[]"],
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
    if let Some(slices) = &wire.slices {
        offer::take(gather, place, &wire, slices)?;
        return Ok(Found::Taken);
    }
    if wire.added.is_some() || wire.removed.is_some() {
        change::take(gather, place, &wire)?;
        return Ok(Found::Taken);
    }
    Ok(Found::Nothing(
        "this is neither an offer (with slices) nor an airline-initiated change (with added and removed)"
            .to_owned(),
    ))
}
