//! Table `leg`: the route and its times, as the flight's owner has them.

use flightline_ledger::view::LegView;

use super::FlightView;
use crate::image::Image;
use crate::rows::LegRow;

/// Legs are their own lines, numbered by their place.
pub(crate) struct Legs;

impl FlightView for Legs {
    type Line = LegView;
    type Key = ();
    type Row = LegRow;

    fn lines(image: &Image) -> &[LegView] {
        &image.legs
    }

    // Legs are compared place by place.
    fn key(_: &LegView) {}

    fn row(image: &Image, line: &LegView) -> Option<LegRow> {
        let place = image.legs.iter().position(|leg| std::ptr::eq(leg, line))?;
        Some(LegRow {
            flight: image.key,
            leg_no: place as u8 + 1,
            board: line.board,
            off: line.off,
            departs_s: line.times.departs_s,
            arrives_s: line.times.arrives_s,
            departs_offset_min: line.times.departs_offset_min,
            arrives_offset_min: line.times.arrives_offset_min,
            aircraft: line.aircraft,
            service: line.service,
        })
    }
}
