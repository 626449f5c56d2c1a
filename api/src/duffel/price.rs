//! An offer, priced again by what the index says now.

use flightline_dataflows::rows::{FlightStatus, OfferRow};
use flightline_sinks::serving::{FlightView, Serving};

use super::search::{Detail, flown};
use super::token::{Offer, Segment};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::wire::text;

/// An offer at today's prices.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    /// As it was, but for the prices of its segments and the total.
    pub(crate) offer: Offer,
    /// By slice and segment.
    pub(crate) details: Vec<Vec<Detail>>,
    /// Does any seat cost something else than was offered?
    pub(crate) is_changed: bool,
}

/// What a flight with too few seats means for an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// It is no longer available; it could be waited for, or not.
    Refused { may_wait: bool },
    /// It is, as long as it can be waited for, if it was offered so.
    AsOffered,
    /// It is: its order waits.
    Waits,
}

/// Prices an offer again: the same seats of the same provider in the same class, at the same times.
///
/// # Errors
/// `offer_no_longer_available` says which flight is the reason.
pub(crate) fn price(serving: &Serving, offer: &Offer, short: Short) -> Result<Priced, ApiError> {
    let mut new = offer.clone();
    let seats = offer.seats();
    let mut details = Vec::with_capacity(new.slices.len());
    for slice in &mut new.slices {
        let mut of_slice = Vec::with_capacity(slice.segments.len());
        for segment in &mut slice.segments {
            let view = serving.flight(&segment.flight);
            let view = view.ok_or_else(|| gone(segment, "is not scheduled any more"))?;
            if view.flight.status != FlightStatus::Scheduled {
                return Err(gone(segment, "will not fly"));
            }
            let row = find(&view, segment).ok_or_else(|| {
                gone(
                    segment,
                    "is not sold like this any more, or flies at another time",
                )
            })?;
            if row.seats < seats {
                let can_wait = || serving.can_wait(row, seats);
                match short {
                    Short::Waits => {}
                    Short::AsOffered if segment.is_sold_out && can_wait() => {}
                    Short::Refused { may_wait: true } if can_wait() => {
                        return Err(to_wait_for(segment));
                    }
                    Short::AsOffered | Short::Refused { .. } => {
                        return Err(gone(segment, "has not enough seats left"));
                    }
                }
            }
            let same_money = row.price.currency == offer.total.currency
                && row.price.exponent == offer.total.exponent;
            if !same_money {
                return Err(gone(segment, "is sold in another currency now"));
            }
            segment.price_minor = row.price.minor;
            segment.aircraft = row.aircraft;
            of_slice.push(Detail {
                legs: flown(&view.legs, row),
                alternatives: alternatives(&view, row, seats),
                seats: row.seats,
            });
        }
        details.push(of_slice);
    }
    new.total.minor = new.sum().ok_or_else(|| {
        ApiError::new(
            &faults::OFFER_GONE,
            "the price of the offer has no end: search again",
        )
    })?;
    let prices = |offer: &Offer| -> Vec<i64> { offer.segments().map(|s| s.price_minor).collect() };
    Ok(Priced {
        is_changed: prices(&new) != prices(offer),
        offer: new,
        details,
    })
}

/// The offer's row as it stands now.
fn find<'a>(view: &'a FlightView, segment: &Segment) -> Option<&'a OfferRow> {
    view.offers.iter().find(|row| {
        row.provider == segment.provider
            && row.cabin == segment.cabin
            && row.class == segment.class
            && row.board == segment.board
            && row.off == segment.off
            && row.departs_s == segment.departs_s
            && row.arrives_s == segment.arrives_s
    })
}

/// Of every other provider the cheapest that has the seats.
fn alternatives(view: &FlightView, chosen: &OfferRow, seats: u16) -> Vec<OfferRow> {
    let mut out: Vec<OfferRow> = view
        .offers
        .iter()
        .filter(|row| {
            row.provider != chosen.provider
                && row.cabin == chosen.cabin
                && (row.board, row.off) == (chosen.board, chosen.off)
                && row.departs_s == chosen.departs_s
                && row.seats >= seats
        })
        .cloned()
        .collect();
    let own = chosen.price.currency;
    out.sort_by_key(|row| (row.provider, row.price.currency != own, row.price.minor));
    out.dedup_by_key(|row| row.provider);
    out
}

fn to_wait_for(segment: &Segment) -> ApiError {
    ApiError::new(
        &faults::OFFER_GONE,
        format!(
            "flight {} has not enough seats left: search again, or order the offer with `waitlist` to wait for them",
            text::flight_key(&segment.flight).as_str()
        ),
    )
}

fn gone(segment: &Segment, what: &str) -> ApiError {
    ApiError::new(
        &faults::OFFER_GONE,
        format!(
            "flight {} {what}: search again",
            text::flight_key(&segment.flight).as_str()
        ),
    )
}
