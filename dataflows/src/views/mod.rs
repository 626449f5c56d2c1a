//! The views, one file each.
//!
//! Two kinds. Views of one flight (`flight`, `leg`, `inventory`, `inventory_drift`, `offers`,
//! `load_factor`, `oversold`, `hold`) are functions from two images of the flight, before and
//! after an epoch, to the rows that went and came: the ledger operator calls them, since it has the
//! flight at hand, and an arrangement would keep every row once more only to find it again. Views
//! across flights (`availability_by_route_day`, `cheapest_by_route_day`) are differential
//! operators over small collections that the ledger operator gives out for them.
//!
//! Either way a view is a differential collection: rows with the epoch at which they came or went.

pub(crate) mod availability_by_route_day;
pub(crate) mod cheapest_by_route_day;
pub(crate) mod flight;
pub(crate) mod hold;
pub(crate) mod inventory;
pub(crate) mod inventory_drift;
pub(crate) mod leg;
pub(crate) mod load_factor;
pub(crate) mod offers;
pub(crate) mod oversold;
mod route;

use std::cmp::Ordering;

use crate::image::Image;
use crate::part::Updates;

/// A view of one flight, as a list of lines in the order of their keys, each of which is a row.
pub(crate) trait FlightView {
    /// What the image keeps of a row.
    type Line: PartialEq;
    /// What tells the rows of a flight apart.
    type Key: Ord;
    /// The row.
    type Row: PartialEq;

    /// The lines of a flight, sorted by key.
    fn lines(image: &Image) -> &[Self::Line];
    /// The key of a line.
    fn key(line: &Self::Line) -> Self::Key;
    /// The row of a line, or none when the view leaves it out.
    fn row(image: &Image, line: &Self::Line) -> Option<Self::Row>;
}

/// The rows that went and came between two images of a flight. `same_frame`: what rows take from
/// the image besides their line (its key and legs) is equal in both.
pub(crate) fn changes<V: FlightView>(
    before: &Image,
    after: &Image,
    same_frame: bool,
    mut give: impl FnMut(V::Row, isize),
) {
    let (mut old, mut new) = (V::lines(before).iter(), V::lines(after).iter());
    let (mut was, mut is) = (old.next(), new.next());
    loop {
        let order = match (was, is) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) if same_frame && a == b => {
                (was, is) = (old.next(), new.next());
                continue;
            }
            (Some(a), Some(b)) => V::key(a).cmp(&V::key(b)),
        };
        let gone = was.filter(|_| order.is_le());
        let come = is.filter(|_| order.is_ge());
        let gone_row = gone.and_then(|line| V::row(before, line));
        let come_row = come.and_then(|line| V::row(after, line));
        if gone_row != come_row {
            if let Some(row) = gone_row {
                give(row, -1);
            }
            if let Some(row) = come_row {
                give(row, 1);
            }
        }
        if gone.is_some() {
            was = old.next();
        }
        if come.is_some() {
            is = new.next();
        }
    }
}

/// Everything the ledger operator gives out in one epoch, by collection.
#[derive(Default)]
pub(crate) struct FlightUpdates {
    pub(crate) flights: Updates<crate::rows::FlightRow>,
    pub(crate) legs: Updates<crate::rows::LegRow>,
    pub(crate) inventory: Updates<crate::rows::InventoryRow>,
    pub(crate) holds: Updates<crate::rows::HoldRow>,
    pub(crate) drift: Updates<crate::rows::DriftRow>,
    pub(crate) offers: Updates<crate::rows::OfferRow>,
    pub(crate) load_factor: Updates<crate::rows::LoadFactorRow>,
    pub(crate) oversold: Updates<crate::rows::OversoldRow>,
    pub(crate) seats: Vec<availability_by_route_day::Update>,
    pub(crate) prices: Vec<cheapest_by_route_day::Update>,
    scratch: [Vec<(route::RouteKey, cheapest_by_route_day::Best)>; 2],
}

impl FlightUpdates {
    /// Adds what differs between two images of a flight, under `epoch`.
    pub(crate) fn compare(&mut self, before: &Image, after: &Image, epoch: u64) {
        let same_frame = before.legs == after.legs && before.key == after.key;
        flight::changes(before, after, |row, diff| {
            self.flights.push((row, epoch, diff));
        });
        if !same_frame {
            changes::<leg::Legs>(before, after, false, |row, diff| {
                self.legs.push((row, epoch, diff));
            });
        }
        changes::<inventory::Inventory>(before, after, same_frame, |row, diff| {
            self.inventory.push((row, epoch, diff));
        });
        changes::<oversold::Allotments>(before, after, same_frame, |row, diff| {
            self.oversold.push((row, epoch, diff));
        });
        changes::<oversold::Aircraft>(before, after, same_frame, |row, diff| {
            self.oversold.push((row, epoch, diff));
        });
        changes::<load_factor::LoadFactor>(before, after, same_frame, |row, diff| {
            self.load_factor.push((row, epoch, diff));
        });
        changes::<inventory_drift::InventoryDrift>(before, after, same_frame, |row, diff| {
            self.drift.push((row, epoch, diff));
        });
        if !(same_frame && before.offers == after.offers) {
            changes::<offers::Offers>(before, after, same_frame, |row, diff| {
                self.offers.push((row, epoch, diff));
            });
            availability_by_route_day::changes(before, after, epoch, &mut self.seats);
            let scratch = &mut self.scratch;
            cheapest_by_route_day::changes(before, after, epoch, scratch, &mut self.prices);
        }
    }
}
