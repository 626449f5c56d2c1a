//! Making the shelf from the book.

use crate::book::{NO_BOUND, Report, SegmentKey};
use crate::codes::{Cabin, Money};
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
        let aircraft = self.book.aircraft.iter();
        let largest: Vec<u16> = aircraft
            .map(|cabin| self.largest_allowance(cabin.cabin))
            .collect();
        let old = self.shelf.rows().to_vec();
        let old = |row: u32| old.get(row as usize);
        let mut rows = Vec::with_capacity(self.book.aircraft.len());
        let none = PackedMoney::new(None);
        let mut row_prices = Vec::new();
        for (cabin, largest) in self.book.aircraft.iter_mut().zip(largest) {
            let bound = cabin.seats.map_or(NO_BOUND, i64::from);
            let mut row = Row::new(cabin.cabin.letter(), bound);
            row.used = old(cabin.row).map_or(0, |old| old.used);
            row.allowance = largest;
            cabin.row = rows.len() as u32;
            rows.push(row);
        }
        for (provider_at, provider) in self.book.providers.iter_mut().enumerate() {
            let allowances = provider.allowances.clone();
            let prices: Vec<Vec<Option<Money>>> = provider
                .cabins
                .iter()
                .map(|cabin| {
                    let classes = cabin.nest.iter().map(|class| Some(class.class));
                    std::iter::once(None)
                        .chain(classes)
                        .map(|class| provider.flight_price(cabin.cabin, class))
                        .collect()
                })
                .collect();
            for (cabin, prices) in provider.cabins.iter_mut().zip(prices) {
                let mut named = allowances.iter();
                let allowance = named
                    .find(|(named, _)| *named == cabin.cabin)
                    .map_or(0, |(_, allowance)| *allowance);
                let bound = if cabin.authorised == NO_BOUND {
                    NO_BOUND
                } else {
                    cabin.authorised + i64::from(allowance)
                };
                let mut aircraft = self.book.aircraft.iter();
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
                row_prices.push(PackedMoney::new(prices[0]));
                rows.push(row);
                let first = rows.len();
                for (class, price) in cabin.nest.iter_mut().zip(&prices[1..]) {
                    let mut row = Row::new(class.class.letter(), class.limit);
                    counted(&mut row, class.row);
                    row.set(Row::OPEN, is_open(class.status, &class.report));
                    row.set(Row::FLOOR, class.is_floor);
                    row_prices.resize(rows.len(), none);
                    row_prices.push(PackedMoney::new(*price));
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
        let providers = self.book.providers.iter();
        let largest = providers.map(|provider| provider.allowance(cabin)).max();
        largest.unwrap_or(0)
    }
}
