//! View and table `inventory_drift`: a provider's last count beside what the ledger expected.
//!
//! A first count has nothing to be compared with and makes no row.

use super::FlightView;
use crate::image::{Bucket, Drift, Image};
use crate::rows::DriftRow;

/// A row per bucket that was reported twice.
pub(crate) struct InventoryDrift;

impl FlightView for InventoryDrift {
    type Line = Drift;
    type Key = Bucket;
    type Row = DriftRow;

    fn lines(image: &Image) -> &[Drift] {
        &image.drift
    }

    fn key(line: &Drift) -> Bucket {
        line.bucket
    }

    fn row(image: &Image, line: &Drift) -> Option<DriftRow> {
        Some(DriftRow {
            flight: image.key,
            provider: line.bucket.provider,
            leg_no: line.bucket.leg + 1,
            cabin: line.bucket.cabin,
            class: line.bucket.class,
            counts: line.counts,
            reported: line.reported,
            expected: line.expected,
            drift: line.reported.saturating_sub(line.expected),
            version: line.version,
            offset: line.offset,
        })
    }
}
