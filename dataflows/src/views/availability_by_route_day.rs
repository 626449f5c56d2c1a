//! View `availability_by_route_day`: how many flights and seats are left on a route, day and cabin.
//!
//! A linear sum, so nothing is grouped: each flight contributes a difference of three numbers, and
//! differential keeps the totals in the arrangement of the count. What providers and classes of
//! one flight offer is reduced to its best inside the ledger operator, since they are the same
//! seats.

use differential_dataflow::AsCollection;
use differential_dataflow::operators::CountTotal;
use timely::dataflow::Stream;

use super::route::{self, RouteKey};
use crate::image::{Image, Offer, OfferKey};
use crate::part::Updates;
use crate::rows::RouteDayRow;

/// Flights, flights with a seat left, seats left.
pub(crate) type Totals = (i64, i64, i64);

/// What a flight adds to a route, day and cabin.
pub(crate) type Update = (RouteKey, u64, Totals);

/// Are two offers of the same segment and cabin, hence of the same seats?
fn same_seats(a: &Offer, b: &Offer) -> bool {
    (a.at.first_leg, a.at.last_leg, a.at.cabin) == (b.at.first_leg, b.at.last_leg, b.at.cabin)
}

/// The key under which an offer of a flight is summed.
fn key(image: &Image, at: OfferKey) -> Option<RouteKey> {
    let first = image.legs.get(usize::from(at.first_leg))?;
    let last = image.legs.get(usize::from(at.last_leg))?;
    let day = route::local_day(first);
    Some(route::pack(first.board, last.off, day, at.cabin, None))
}

fn totals(best: u16) -> Totals {
    (1, i64::from(best > 0), i64::from(best))
}

/// The contributions of a flight, in the order of its segments and cabins.
fn contributions(image: &Image) -> impl Iterator<Item = (RouteKey, Totals)> {
    image.offers.chunk_by(same_seats).filter_map(|offers| {
        let best = offers.iter().map(|offer| offer.seats).max()?;
        Some((key(image, offers.first()?.at)?, totals(best)))
    })
}

/// Gives out what the totals change by when only seats have: `before` holds the seats of each offer
/// before.
pub(crate) fn recount(before: &[u16], image: &Image, epoch: u64, out: &mut Vec<Update>) {
    let mut before = before.iter();
    for offers in image.offers.chunk_by(same_seats) {
        let was = before.by_ref().take(offers.len()).max();
        let is = offers.iter().map(|offer| &offer.seats).max();
        if let (Some(was), Some(is), Some(first)) = (was, is, offers.first())
            && was != is
            && let Some(key) = key(image, first.at)
        {
            let (was, is) = (totals(*was), totals(*is));
            out.push((key, epoch, (0, is.1 - was.1, is.2 - was.2)));
        }
    }
}

/// Gives out what the totals change by when a flight changes.
pub(crate) fn changes(before: &Image, after: &Image, epoch: u64, out: &mut Vec<Update>) {
    let (mut old, mut new) = (contributions(before), contributions(after));
    loop {
        match (old.next(), new.next()) {
            (None, None) => return,
            // As a rule a flight keeps its segments and only seats differ.
            (Some((key, was)), Some((same, is))) if key == same => {
                if was != is {
                    out.push((key, epoch, (is.0 - was.0, is.1 - was.1, is.2 - was.2)));
                }
            }
            (was, is) => {
                if let Some((key, was)) = was {
                    out.push((key, epoch, (-was.0, -was.1, -was.2)));
                }
                if let Some((key, is)) = is {
                    out.push((key, epoch, is));
                }
            }
        }
    }
}

/// The rows of the view.
pub(crate) fn render<'scope>(
    contributions: Stream<'scope, u64, Vec<Update>>,
) -> Stream<'scope, u64, Updates<RouteDayRow>> {
    contributions
        .as_collection()
        .count_total()
        .map(|(key, (flights, flights_open, seats))| {
            let route = route::unpack(key);
            RouteDayRow {
                board: route.board,
                off: route.off,
                date: route.date,
                cabin: route.cabin,
                flights,
                flights_open,
                seats,
            }
        })
        .inner
}
