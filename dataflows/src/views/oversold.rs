//! View `oversold`: where more is held or sold than may be, as a provider's cut can leave it.

use flightline_ledger::Cabin;

use super::FlightView;
use crate::image::{Bucket, CabinLine, Image, Line};
use crate::rows::OversoldRow;

/// Buckets of a provider's allotment.
pub(crate) struct Allotments;

impl FlightView for Allotments {
    type Line = Line;
    type Key = Bucket;
    type Row = OversoldRow;

    fn lines(image: &Image) -> &[Line] {
        &image.lines
    }

    fn key(line: &Line) -> Bucket {
        line.bucket
    }

    fn row(image: &Image, line: &Line) -> Option<OversoldRow> {
        (line.oversold > 0).then_some(OversoldRow {
            flight: image.key,
            leg_no: line.bucket.leg + 1,
            cabin: line.bucket.cabin,
            provider: Some(line.bucket.provider),
            class: line.bucket.class,
            oversold: line.oversold,
        })
    }
}

/// Cabins of the aircraft, over all providers.
pub(crate) struct Aircraft;

impl FlightView for Aircraft {
    type Line = CabinLine;
    type Key = (u8, Cabin);
    type Row = OversoldRow;

    fn lines(image: &Image) -> &[CabinLine] {
        &image.cabins
    }

    fn key(line: &CabinLine) -> (u8, Cabin) {
        (line.leg, line.cabin)
    }

    fn row(image: &Image, line: &CabinLine) -> Option<OversoldRow> {
        (line.oversold > 0).then_some(OversoldRow {
            flight: image.key,
            leg_no: line.leg + 1,
            cabin: line.cabin,
            provider: None,
            class: None,
            oversold: line.oversold,
        })
    }
}
