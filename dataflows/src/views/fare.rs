//! Source `fares`: what providers ask for a seat, as they filed it. No table has it: search reads prices in
//! `offers`, and views in SQL read these rows.

use flightline_ledger::view::FareLine;
use flightline_ledger::{Cabin, Class, ProviderCode, Station};

use super::FlightView;
use crate::image::Image;
use crate::rows::FareRow;

/// A row per provider, segment, cabin and class that has a price of its own.
pub(crate) struct Fares;

/// What tells the fares of a flight apart.
pub(crate) type FareKey = (
    ProviderCode,
    Option<(Station, Station)>,
    Cabin,
    Option<Class>,
);

/// The key of a fare.
pub(crate) fn key(line: &FareLine) -> FareKey {
    (line.provider, line.segment, line.cabin, line.class)
}

impl FlightView for Fares {
    type Line = FareLine;
    type Key = FareKey;
    type Row = FareRow;

    fn lines(image: &Image) -> &[FareLine] {
        &image.fares
    }

    fn key(line: &FareLine) -> FareKey {
        key(line)
    }

    fn row(image: &Image, line: &FareLine) -> Option<FareRow> {
        Some(FareRow {
            flight: image.key,
            provider: line.provider,
            segment: line.segment,
            cabin: line.cabin,
            class: line.class,
            price: line.price,
            version: line.version,
        })
    }
}
