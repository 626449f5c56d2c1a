//! The answer: the order, the limit, the cheapest and the fastest, written out.

use std::cmp::Ordering;

use super::fares::{MoneyKind, Stock};
use super::join::{AllFound, Found};
use super::{Journey, JourneyQuery, JourneySegment};
use crate::serving::Serving;
use crate::serving::search::Sort;

/// The journeys of an answer.
pub(super) fn answer(serving: &Serving, query: &JourneyQuery, found: AllFound) -> Vec<Journey> {
    let AllFound {
        journeys: all,
        stock,
        ..
    } = found;
    let stock = &stock;
    let by = |sort: Sort| move |a: &&Found, b: &&Found| compare(sort, stock, a, b);
    let fastest = all.iter().min_by(by(Sort::Duration));
    let cheapest = cheapest(&all, stock);
    let mut chosen: Vec<&Found> = all.iter().collect();
    if chosen.len() > query.limit {
        if query.limit > 0 {
            chosen.select_nth_unstable_by(query.limit - 1, by(query.sort));
        }
        chosen.truncate(query.limit);
    }
    chosen.sort_unstable_by(by(query.sort));
    for best in cheapest.iter().copied().chain(fastest) {
        if !chosen.contains(&best) {
            chosen.push(best);
        }
    }
    let written = chosen.into_iter().filter_map(|found| {
        let mut journey = write(serving, stock, found)?;
        journey.is_cheapest = cheapest.contains(&found);
        journey.is_fastest = fastest == Some(found);
        Some(journey)
    });
    written.collect()
}

/// The cheapest of each currency, in the order of currencies.
fn cheapest<'a>(all: &'a [Found], stock: &Stock) -> Vec<&'a Found> {
    let mut best: Vec<&Found> = Vec::new();
    for found in all {
        match best.iter_mut().find(|best| best.kind == found.kind) {
            None => best.push(found),
            Some(best) => {
                if compare(Sort::Price, stock, found, best).is_lt() {
                    *best = found;
                }
            }
        }
    }
    best.sort_unstable_by_key(|found| found.kind);
    best
}

/// The order of an answer. No two journeys are equal in it.
fn compare(sort: Sort, stock: &Stock, a: &Found, b: &Found) -> Ordering {
    let price = |found: &Found| -> (MoneyKind, i64) { (found.kind, found.minor) };
    let first = match sort {
        Sort::Price => Ordering::Equal,
        Sort::Departure => a.departs_s.cmp(&b.departs_s),
        Sort::Arrival => a.arrives_s.cmp(&b.arrives_s),
        Sort::Duration => a.duration_s().cmp(&b.duration_s()),
    };
    let rest = |found: &Found| {
        (
            price(found),
            found.duration_s(),
            found.connections,
            found.departs_s,
        )
    };
    first.then_with(|| rest(a).cmp(&rest(b))).then_with(|| {
        let legs = a.legs().iter().zip(b.legs());
        legs.map(|(a, b)| stock.compare(*a, *b))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

/// `None` never happens: a journey is found by its fares.
fn write(serving: &Serving, stock: &Stock, found: &Found) -> Option<Journey> {
    let mut segments = Vec::with_capacity(found.legs().len());
    for leg in found.legs() {
        let (offer, alternatives) = stock.offers(*leg, found.kind)?;
        let operating = stock.leg(*leg).operating;
        segments.push(JourneySegment {
            operating,
            offer,
            alternatives,
            codeshares: serving.codeshares.numbers(&operating),
        });
    }
    Some(Journey {
        segments,
        price: stock.money(found.legs()[0], found.kind, found.minor)?,
        is_cheapest: false,
        is_fastest: false,
    })
}
