//! Making the shelf from the book.

use crate::book::{NO_BOUND, Provider, Report, SegmentKey};
use crate::codes::Cabin;
use crate::command::SaleStatus;
use crate::flight::Flight;
use crate::record::PackedMoney;
use crate::shelf::Row;

/// Is a bucket for sale, as far as was said of it alone?
pub(crate) fn is_open(status: SaleStatus, report: &Report) -> bool {
    status == SaleStatus::Open && !report.has_lapsed()
}

impl Flight {
    /// Makes the shelf from the book. Seats already counted move over by the rows the book knows.
    pub(crate) fn stock(&mut self) {
        self.add_aircraft_of_cabins();
        self.book.fit();
        let old = self.shelf.rows().to_vec();
        let old = |row: u32| old.get(row as usize);
        let book = &mut *self.book;
        let mut rows = Vec::with_capacity(self.shelf.rows().len().max(book.aircraft.len()));
        let none = PackedMoney::new(None);
        let mut row_prices = Vec::with_capacity(rows.capacity());
        for cabin in &mut book.aircraft {
            let bound = cabin.seats.map_or(NO_BOUND, i64::from);
            let mut row = Row::new(cabin.cabin.letter(), bound);
            row.used = old(cabin.row).map_or(0, |old| old.used);
            row.allowance = largest_allowance(&book.providers, cabin.cabin);
            cabin.row = rows.len() as u32;
            rows.push(row);
        }
        for (provider_at, provider) in book.providers.iter_mut().enumerate() {
            // Out of the way, and back below: the provider is asked for terms and prices meanwhile.
            let mut cabins = std::mem::take(&mut provider.cabins);
            for cabin in &mut cabins {
                let allowance = provider.allowance(cabin.cabin);
                let bound = if cabin.authorised == NO_BOUND {
                    NO_BOUND
                } else {
                    cabin.authorised + i64::from(allowance)
                };
                let mut aircraft = book.aircraft.iter();
                let Some(aircraft) = aircraft
                    .find(|a| (a.leg, a.cabin) == (cabin.leg, cabin.cabin))
                    .and_then(|a| u16::try_from(a.row).ok())
                else {
                    unreachable!("a cabin without its aircraft");
                };
                let counted = |row: &mut Row, from: u32| {
                    if let Some(old) = old(from) {
                        (row.held, row.sold) = (old.held, old.sold);
                        row.used = old.held + old.sold;
                    }
                };
                let mut row = Row::new(cabin.cabin.letter(), bound);
                counted(&mut row, cabin.row);
                row.allowance = allowance;
                row.aircraft = aircraft;
                (row.provider, row.leg) = (provider_at as u32, cabin.leg);
                row.set_classes(cabin.nest.len(), cabin.strays.len());
                row.set(
                    Row::OPEN,
                    provider.sells
                        && provider.pause.is_none()
                        && is_open(cabin.status, &cabin.report),
                );
                row.set(Row::FLOOR, cabin.is_floor);
                row.set(Row::KNOWN, cabin.known);
                cabin.row = rows.len() as u32;
                row_prices.resize(rows.len(), none);
                row_prices.push(PackedMoney::new(provider.flight_price(cabin.cabin, None)));
                rows.push(row);
                let first = rows.len();
                for class in &mut cabin.nest {
                    let price = provider.flight_price(cabin.cabin, Some(class.class));
                    let mut row = Row::new(class.class.letter(), class.limit);
                    counted(&mut row, class.row);
                    row.set(Row::OPEN, is_open(class.status, &class.report));
                    row.set(Row::FLOOR, class.is_floor);
                    row_prices.resize(rows.len(), none);
                    row_prices.push(PackedMoney::new(price));
                    class.row = rows.len() as u32;
                    rows.push(row);
                }
                // From the last: each uses what those nested after it use.
                let mut used = 0;
                for row in rows[first..].iter_mut().rev() {
                    used += row.used;
                    row.used = used;
                }
                for stray in &mut cabin.strays {
                    let mut row = Row::new(stray.class.letter(), NO_BOUND);
                    counted(&mut row, stray.row);
                    stray.row = rows.len() as u32;
                    rows.push(row);
                }
            }
            provider.cabins = cabins;
        }
        row_prices.resize(rows.len(), none);
        self.shelf.set(self.book.aircraft.len(), rows, row_prices);
        let mut providers = self.book.providers.iter();
        self.has_limits = providers.any(|provider| !provider.segments.is_empty());
        let names_segment = |key: &SegmentKey| key.stations().is_some();
        let mut providers = self.book.providers.iter();
        self.has_segment_fares = providers.any(|provider| provider.fares.keys().any(names_segment));
    }

    /// Every cabin of a provider has a cabin of the aircraft, whose seats may be unknown.
    fn add_aircraft_of_cabins(&mut self) {
        for provider in 0..self.book.providers.len() {
            for at in 0..self.book.providers[provider].cabins.len() {
                let cabin = &self.book.providers[provider].cabins[at];
                self.aircraft_or_new(cabin.leg, cabin.cabin);
            }
        }
    }

    /// The most that any provider may overbook the cabin by.
    pub(crate) fn largest_allowance(&self, cabin: Cabin) -> u16 {
        largest_allowance(&self.book.providers, cabin)
    }
}

fn largest_allowance(providers: &[Provider], cabin: Cabin) -> u16 {
    let largest = providers.iter().map(|provider| provider.allowance(cabin));
    largest.max().unwrap_or(0)
}
