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
pub(crate) mod fare;
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

use flightline_ledger::Flight;

use crate::image::{self, CabinLine, Image, Line, Offer};
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
    pub(crate) fares: Updates<crate::rows::FareRow>,
    pub(crate) offers: Updates<crate::rows::OfferRow>,
    pub(crate) load_factor: Updates<crate::rows::LoadFactorRow>,
    pub(crate) oversold: Updates<crate::rows::OversoldRow>,
    pub(crate) orders: Updates<std::sync::Arc<crate::rows::OrderRow>>,
    pub(crate) seats: Vec<availability_by_route_day::Update>,
    pub(crate) prices: Vec<cheapest_by_route_day::Update>,
    best: [Vec<(route::RouteKey, cheapest_by_route_day::Best)>; 2],
    seats_before: Vec<u16>,
    cabins_before: Vec<CabinLine>,
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
        changes::<fare::Fares>(before, after, same_frame, |row, diff| {
            self.fares.push((row, epoch, diff));
        });
        if !(same_frame && before.offers == after.offers) {
            changes::<offers::Offers>(before, after, same_frame, |row, diff| {
                self.offers.push((row, epoch, diff));
            });
            availability_by_route_day::changes(before, after, epoch, &mut self.seats);
            let best = &mut self.best;
            for (bests, image) in best.iter_mut().zip([before, after]) {
                bests.clear();
                cheapest_by_route_day::collect(image, |offer| image.offers[offer].seats, bests);
            }
            cheapest_by_route_day::changes(best, epoch, &mut self.prices);
        }
    }

    /// Brings the image of a flight up to date of which nothing but seats has changed, and adds
    /// what differs, under `epoch`. The same as reading it anew and comparing, but without looking
    /// at what cannot have changed: nearly every command is of this kind.
    pub(crate) fn recount(&mut self, image: &mut Image, flight: &Flight, epoch: u64) {
        self.cabins_before.clone_from(&image.cabins);
        let (mut count, mut is_supply_changed) = (0, false);
        // Walked from inside: the ledger's nested iterators are much slower when pulled.
        flight.inventory().for_each(|line| {
            let new = Line::of(&line);
            let at = image.line_order[count] as usize;
            count += 1;
            let old = image.lines[at];
            assert_eq!(old.bucket, new.bucket, "buckets changed with the seats");
            if old == new {
                return;
            }
            let rows = [(&old, -1), (&new, 1)];
            for (line, diff) in rows {
                let row = inventory::Inventory::row(image, line);
                self.inventory.extend(row.map(|row| (row, epoch, diff)));
            }
            if old.oversold != new.oversold {
                for (line, diff) in rows {
                    let row = oversold::Allotments::row(image, line);
                    self.oversold.extend(row.map(|row| (row, epoch, diff)));
                }
            }
            if new.bucket.class.is_none()
                && let Some(cabin) = image::cabin_at(&mut image.cabins, new.bucket)
            {
                cabin.held += new.held - old.held;
                cabin.sold += new.sold - old.sold;
            }
            is_supply_changed |= old.available != new.available;
            image.lines[at] = new;
        });
        assert_eq!(count, image.lines.len(), "buckets went with the seats");
        self.recount_cabins(image, flight, epoch);
        // A sale of held seats, the most usual change, leaves as many as before.
        if is_supply_changed || image.supply.is_none() {
            self.recount_offers(image, flight, epoch);
        }
    }

    fn recount_cabins(&mut self, image: &mut Image, flight: &Flight, epoch: u64) {
        let is_tight = |c: &CabinLine| c.oversold > 0 || c.held + c.sold > c.seats;
        if image.has_strays || image.cabins.iter().any(is_tight) {
            for (cabin, line) in image.cabins.iter_mut().zip(flight.aircraft()) {
                cabin.oversold = image::narrow(line.oversold);
            }
        }
        for (old, new) in self.cabins_before.iter().zip(&image.cabins) {
            if old == new {
                continue;
            }
            for (line, diff) in [(old, -1), (new, 1)] {
                let row = load_factor::LoadFactor::row(image, line);
                self.load_factor.extend(row.map(|row| (row, epoch, diff)));
                if old.oversold != new.oversold {
                    let row = oversold::Aircraft::row(image, line);
                    self.oversold.extend(row.map(|row| (row, epoch, diff)));
                }
            }
        }
    }

    fn recount_offers(&mut self, image: &mut Image, flight: &Flight, epoch: u64) {
        let before = &mut self.seats_before;
        before.clear();
        before.extend(image.offers.iter().map(|offer| offer.seats));
        let (mut changed, mut flipped) = (false, false);
        let offers = &mut self.offers;
        let mut update = |image: &mut Image, at: usize, new: Offer| {
            let old = image.offers[at];
            if old == new {
                return;
            }
            changed = true;
            flipped |= (old.seats == 0) != (new.seats == 0);
            for (line, diff) in [(&old, -1), (&new, 1)] {
                let row = offers::Offers::row(image, line);
                offers.extend(row.map(|row| (row, epoch, diff)));
            }
            image.offers[at] = new;
        };
        if let Some(supply) = image.supply.take() {
            for at in 0..image.offers.len() {
                let seats = supply.seats(at, &image.lines);
                let new = Offer {
                    seats,
                    ..image.offers[at]
                };
                update(image, at, new);
            }
            image.supply = Some(supply);
        } else {
            let mut count = 0;
            Image::offers_of(flight).for_each(|new| {
                let at = image.offer_order[count] as usize;
                count += 1;
                let old = image.offers[at];
                assert!(
                    (old.at, old.price) == (new.at, new.price),
                    "offers changed with the seats"
                );
                update(image, at, new);
            });
            assert_eq!(count, image.offers.len(), "offers went with the seats");
        }
        if changed {
            availability_by_route_day::recount(before, image, epoch, &mut self.seats);
        }
        if flipped {
            for bests in &mut self.best {
                bests.clear();
            }
            let [old, new] = &mut self.best;
            cheapest_by_route_day::collect(image, |offer| before[offer], old);
            cheapest_by_route_day::collect(image, |offer| image.offers[offer].seats, new);
            cheapest_by_route_day::changes(&self.best, epoch, &mut self.prices);
        }
    }
}
