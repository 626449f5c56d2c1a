//! Puts the parts of all workers together into whole epochs, and hands them on in order.
//!
//! It runs on a thread of its own: sorting an epoch's rows takes the workers' time otherwise.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;

use crate::changelog::{Change, Epoch, EpochSink};
use crate::decided;
use crate::failure::Shared;
use crate::part::{Chunks, Part};

/// What the collector hears.
pub(crate) enum Report {
    /// The handle closed an epoch.
    Closed(Closed),
    /// A worker has said all it has to say about an epoch.
    Part {
        /// Number of the epoch.
        epoch: u64,
        /// Its share.
        part: Box<Part>,
    },
}

/// What the handle knows of an epoch that it closed.
pub(crate) struct Closed {
    pub(crate) number: u64,
    pub(crate) covers: Vec<u64>,
    pub(crate) is_snapshot: bool,
    /// Records in it.
    pub(crate) records: u64,
}

#[derive(Default)]
struct Pending {
    closed: Option<Closed>,
    parts: Vec<Part>,
}

/// Collects until every sender of reports is gone.
pub(crate) fn run(
    reports: &Receiver<Report>,
    workers: usize,
    sink: &mut impl EpochSink,
    shared: &Shared,
) {
    let mut first = 0;
    let mut pending: VecDeque<Pending> = VecDeque::new();
    while let Ok(report) = reports.recv() {
        let number = match &report {
            Report::Closed(closed) => closed.number,
            Report::Part { epoch, .. } => *epoch,
        };
        assert!(number >= first, "epoch {number} was complete already");
        let index = (number - first) as usize;
        while pending.len() <= index {
            pending.push_back(Pending::default());
        }
        match report {
            Report::Closed(closed) => pending[index].closed = Some(closed),
            Report::Part { part, .. } => pending[index].parts.push(*part),
        }
        while let Some(head) = pending.front()
            && head.parts.len() == workers
            && head.closed.is_some()
            && let Some(Pending {
                closed: Some(closed),
                parts,
            }) = pending.pop_front()
        {
            first += 1;
            let records = closed.records;
            if shared.is_stopped() {
                return;
            }
            sink.epoch(Arc::new(assemble(closed, parts)));
            shared.records_done.fetch_add(records, Ordering::Relaxed);
            shared.epochs_done.fetch_add(1, Ordering::Release);
        }
    }
}

fn assemble(closed: Closed, parts: Vec<Part>) -> Epoch {
    let mut all = Part::default();
    for part in parts {
        all.flights.extend(part.flights);
        all.legs.extend(part.legs);
        all.inventory.extend(part.inventory);
        all.holds.extend(part.holds);
        all.drift.extend(part.drift);
        all.offers.extend(part.offers);
        all.availability.extend(part.availability);
        all.cheapest.extend(part.cheapest);
        all.load_factor.extend(part.load_factor);
        all.oversold.extend(part.oversold);
        all.decisions.extend(part.decisions);
        all.rejects.extend(part.rejects);
    }
    let mut rejects: Vec<_> = all.rejects.into_iter().flatten().collect();
    rejects.sort_by_key(|row| (row.partition, row.offset));
    Epoch {
        number: closed.number,
        covers: closed.covers,
        is_snapshot: closed.is_snapshot,
        flights: consolidate(all.flights),
        legs: consolidate(all.legs),
        inventory: consolidate(all.inventory),
        holds: consolidate(all.holds),
        drift: consolidate(all.drift),
        offers: consolidate(all.offers),
        availability_by_route_day: consolidate(all.availability),
        cheapest_by_route_day: consolidate(all.cheapest),
        load_factor: consolidate(all.load_factor),
        oversold: consolidate(all.oversold),
        decisions: decided::rows(all.decisions),
        rejects,
    }
}

/// One sorted list without doubles or zeros. This is what makes an epoch independent of how its
/// rows were spread over workers and containers.
fn consolidate<R: Ord>(chunks: Chunks<R>) -> Vec<Change<R>> {
    let total = chunks.iter().map(Vec::len).sum();
    let mut rows: Vec<Change<R>> = Vec::with_capacity(total);
    for chunk in chunks {
        rows.extend(chunk.into_iter().map(|(row, _, diff)| (row, diff)));
    }
    // Stable on purpose: this sort finds the runs that are in order, and most are.
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 += later.1;
        }
        same
    });
    rows.retain(|(_, diff)| *diff != 0);
    rows
}

#[cfg(test)]
mod tests {
    use super::consolidate;

    #[test]
    fn rows_of_many_chunks_become_one_sorted_list_without_zeros() {
        let chunks = vec![
            vec![(5, 0, 1), (3, 0, -1)],
            vec![],
            vec![(3, 0, 1), (5, 0, 1), (1, 0, -1)],
        ];
        assert_eq!(consolidate(chunks), vec![(1, -1), (5, 2)]);
    }
}
