//! View and table `inventory`: every bucket of seats with its counts.

use super::FlightView;
use crate::image::{Bucket, Image, Line};
use crate::rows::InventoryRow;

/// A row per bucket.
pub(crate) struct Inventory;

impl FlightView for Inventory {
    type Line = Line;
    type Key = Bucket;
    type Row = InventoryRow;

    fn lines(image: &Image) -> &[Line] {
        &image.lines
    }

    fn key(line: &Line) -> Bucket {
        line.bucket
    }

    fn row(image: &Image, line: &Line) -> Option<InventoryRow> {
        let leg = image.legs.get(usize::from(line.bucket.leg))?;
        Some(InventoryRow {
            flight: image.key,
            provider: line.bucket.provider,
            leg_no: line.bucket.leg + 1,
            board: leg.board,
            off: leg.off,
            cabin: line.bucket.cabin,
            class: line.bucket.class,
            authorised: line.authorised,
            held: line.held,
            sold: line.sold,
            available: line.available,
            oversold: line.oversold,
            status: line.status,
        })
    }
}
