//! How much memory an epoch takes, near enough for bounds.

use std::mem::size_of;

use flightline_dataflows::changelog::{Change, Epoch};
use flightline_dataflows::rows::{DecisionRow, FeedRejectRow};

/// Bytes of an epoch on the heap, allocator overhead left out.
pub(crate) fn epoch_bytes(epoch: &Epoch) -> usize {
    fn rows<R>(rows: &Vec<Change<R>>) -> usize {
        rows.capacity() * size_of::<Change<R>>()
    }
    size_of::<Epoch>()
        + epoch.covers.capacity() * size_of::<u64>()
        + rows(&epoch.flights)
        + rows(&epoch.legs)
        + rows(&epoch.inventory)
        + rows(&epoch.holds)
        + rows(&epoch.drift)
        + rows(&epoch.fares)
        + rows(&epoch.offers)
        + rows(&epoch.availability_by_route_day)
        + rows(&epoch.cheapest_by_route_day)
        + rows(&epoch.load_factor)
        + rows(&epoch.oversold)
        + epoch
            .views
            .iter()
            .flat_map(|view| &view.rows)
            .map(|(row, _)| row.bytes().len() + 48)
            .sum::<usize>()
        + epoch.decisions.iter().map(decision_bytes).sum::<usize>()
        + epoch.rejects.iter().map(reject_bytes).sum::<usize>()
}

fn decision_bytes(row: &DecisionRow) -> usize {
    let text = |t: &Option<Box<str>>| t.as_ref().map_or(0, |t| t.len());
    let note = row.note.as_ref().map_or(0, |note| {
        size_of_val(&**note) + text(&note.ref_text) + text(&note.actor)
    });
    size_of::<DecisionRow>() + note
}

fn reject_bytes(row: &FeedRejectRow) -> usize {
    size_of::<FeedRejectRow>()
        + row.message.len()
        + row.code.len()
        + row.reason.len()
        + row.raw.len()
}
