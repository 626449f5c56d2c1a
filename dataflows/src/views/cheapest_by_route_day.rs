//! View `cheapest_by_route_day`: the lowest price with a seat left, by route, day, cabin, currency.
//!
//! Only a flight's best open price goes in, not how many seats there are at it: seats change with
//! every booking, the best open price seldom, and each change costs a look at the whole group. The
//! group is the flights of a route and day, a few dozen at most.

use differential_dataflow::AsCollection;
use flightline_ledger::{Class, FlightKey, Money, ProviderCode};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;

use super::route::{self, RouteKey};
use crate::image::{Image, Offer};
use crate::part::Updates;
use crate::rows::CheapestRow;

/// A price and who has it, as plain bytes that can cross workers. Sorts by what is cheaper, then by
/// flight, provider and class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Best {
    /// The amount in ten-thousandths of the currency, so that providers that count it in
    /// different decimals compare.
    amount: i128,
    flight: [u8; 13],
    provider: [u8; 16],
    /// Its letter; 0 = none.
    class: u8,
    exponent: u8,
}

/// A flight's best open price came or went.
pub(crate) type Update = ((RouteKey, Best), u64, isize);

/// The most decimals of a currency.
const EXPONENT_MAX: u8 = 4;

fn scale(exponent: u8) -> i128 {
    10_i128.pow(u32::from(EXPONENT_MAX.saturating_sub(exponent)))
}

fn best(flight: FlightKey, offer: &Offer) -> Best {
    Best {
        amount: i128::from(offer.price.minor) * scale(offer.price.exponent),
        flight: flight.to_bytes(),
        provider: offer.at.provider.bytes(),
        class: offer.at.class.map_or(0, Class::letter),
        exponent: offer.price.exponent,
    }
}

/// The best open prices of a flight, sorted: one for each segment, cabin and currency. `seats`
/// tells what is left of an offer, by its index.
pub(crate) fn collect(
    image: &Image,
    seats: impl Fn(usize) -> u16,
    out: &mut Vec<(RouteKey, Best)>,
) {
    for (index, offer) in image.offers.iter().enumerate() {
        if seats(index) == 0 {
            continue;
        }
        let (Some(first), Some(last)) = (
            image.legs.get(usize::from(offer.at.first_leg)),
            image.legs.get(usize::from(offer.at.last_leg)),
        ) else {
            continue;
        };
        let (day, currency) = (route::local_day(first), Some(offer.price.currency));
        let key = route::pack(first.board, last.off, day, offer.at.cabin, currency);
        out.push((key, best(image.key, offer)));
    }
    out.sort_unstable();
    out.dedup_by_key(|(key, _)| *key);
}

/// Gives out what came and went between the best prices of a flight before and after.
pub(crate) fn changes(bests: &[Vec<(RouteKey, Best)>; 2], epoch: u64, out: &mut Vec<Update>) {
    let [old, new] = bests;
    let gone = old.iter().filter(|row| new.binary_search(row).is_err());
    out.extend(gone.map(|row| (*row, epoch, -1)));
    let come = new.iter().filter(|row| old.binary_search(row).is_err());
    out.extend(come.map(|row| (*row, epoch, 1)));
}

/// The rows of the view.
pub(crate) fn render<'scope>(
    bests: Stream<'scope, u64, Vec<Update>>,
) -> Stream<'scope, u64, Updates<CheapestRow>> {
    bests
        .as_collection()
        .reduce_named("CheapestByRouteDay", |_, bests, out| {
            // The group comes sorted.
            out.push((*bests[0].0, 1_isize));
        })
        .map(|(key, best)| row(key, &best))
        .inner
}

/// # Panics
/// When key and value were not made here.
fn row(key: RouteKey, best: &Best) -> CheapestRow {
    let route = route::unpack(key);
    let amount = best.amount / scale(best.exponent);
    let (Some(currency), Ok(minor), Ok(flight), Ok(provider)) = (
        route.currency,
        i64::try_from(amount),
        FlightKey::from_bytes(best.flight),
        provider(best.provider),
    ) else {
        panic!("{key:x}, {best:?} is no best price");
    };
    CheapestRow {
        board: route.board,
        off: route.off,
        date: route.date,
        cabin: route.cabin,
        price: Money {
            minor,
            currency,
            exponent: best.exponent,
        },
        flight,
        provider,
        class: Class::new(best.class).ok(),
    }
}

fn provider(bytes: [u8; 16]) -> Result<ProviderCode, String> {
    let len = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..len]).map_err(|e| e.to_string())?;
    text.parse::<ProviderCode>().map_err(|e| e.to_string())
}
