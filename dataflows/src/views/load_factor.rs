//! View `load_factor`: how full each cabin of each leg is, over all providers.

use flightline_ledger::Cabin;

use super::FlightView;
use crate::image::{CabinLine, Image};
use crate::rows::LoadFactorRow;

/// A row per leg and cabin of the aircraft.
pub(crate) struct LoadFactor;

impl FlightView for LoadFactor {
    type Line = CabinLine;
    type Key = (u8, Cabin);
    type Row = LoadFactorRow;

    fn lines(image: &Image) -> &[CabinLine] {
        &image.cabins
    }

    fn key(line: &CabinLine) -> (u8, Cabin) {
        (line.leg, line.cabin)
    }

    fn row(image: &Image, line: &CabinLine) -> Option<LoadFactorRow> {
        let load = match line.seats {
            0 => 0,
            seats => i64::from(line.sold) * 1000 / i64::from(seats),
        };
        Some(LoadFactorRow {
            flight: image.key,
            leg_no: line.leg + 1,
            cabin: line.cabin,
            capacity: line.seats,
            held: line.held,
            sold: line.sold,
            load_permille: i32::try_from(load).unwrap_or(i32::MAX),
        })
    }
}
