//! View `offers`: what search reads. A row per segment, provider, cabin and class that has a price,
//! also when nothing is left (`seats` is 0 then), so that a sold-out flight can be shown as such.

use super::{FlightView, route};
use crate::image::{Image, Offer, OfferKey};
use crate::rows::OfferRow;

/// A row per priced segment, cabin, class and provider.
pub(crate) struct Offers;

impl FlightView for Offers {
    type Line = Offer;
    type Key = OfferKey;
    type Row = OfferRow;

    fn lines(image: &Image) -> &[Offer] {
        &image.offers
    }

    fn key(line: &Offer) -> OfferKey {
        line.at
    }

    fn row(image: &Image, line: &Offer) -> Option<OfferRow> {
        let OfferKey {
            first_leg,
            last_leg,
            cabin,
            class,
            provider,
        } = line.at;
        let first = image.legs.get(usize::from(first_leg))?;
        let last = image.legs.get(usize::from(last_leg))?;
        Some(OfferRow {
            board: first.board,
            off: last.off,
            date: route::local_day(first),
            flight: image.key,
            provider,
            cabin,
            class,
            price: line.price,
            seats: line.seats,
            seats_is_floor: line.seats_is_floor,
            departs_s: first.times.departs_s,
            departs_offset_min: first.times.departs_offset_min,
            arrives_s: last.times.arrives_s,
            arrives_offset_min: last.times.arrives_offset_min,
            aircraft: first.aircraft,
            legs: last_leg - first_leg + 1,
        })
    }
}
