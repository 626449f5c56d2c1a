//! Table `flight`: what is said of a flight once.

use crate::image::Image;
use crate::rows::FlightRow;

fn row(image: &Image) -> Option<FlightRow> {
    let head = image.head?;
    Some(FlightRow {
        flight: image.key,
        status: head.status,
        owner: head.owner,
        operating: head.operating,
        quality: head.quality,
    })
}

/// The row that went and the one that came, if they differ.
pub(super) fn changes(before: &Image, after: &Image, mut give: impl FnMut(FlightRow, isize)) {
    if before.head == after.head {
        return;
    }
    if let Some(row) = row(before) {
        give(row, -1);
    }
    if let Some(row) = row(after) {
        give(row, 1);
    }
}
