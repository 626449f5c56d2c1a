//! Puts the parts of all workers together into whole epochs, and hands them on in order.
//!
//! It runs on a thread of its own: sorting an epoch's rows takes the workers' time otherwise.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender};

use crate::changelog::{Change, Epoch, EpochSink};
use crate::decided;
use crate::failure::Shared;
use crate::part::{Part, Updates};
use crate::prefix::Prefix;

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
        /// Where its emptied buffers go.
        home: Sender<Box<Part>>,
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
    parts: Vec<(Box<Part>, Sender<Box<Part>>)>,
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
            Report::Part { part, home, .. } => pending[index].parts.push((part, home)),
        }
        while let Some(head) = pending.front()
            && head.parts.len() == workers
            && head.closed.is_some()
            && let Some(Pending {
                closed: Some(closed),
                mut parts,
            }) = pending.pop_front()
        {
            first += 1;
            let records = closed.records;
            if shared.is_stopped() {
                return;
            }
            sink.epoch(Arc::new(assemble(closed, &mut parts)));
            for (part, home) in parts {
                // A worker that has enough of them, or is gone, needs none.
                let _ = home.try_send(part);
            }
            shared.records_done.fetch_add(records, Ordering::Relaxed);
            shared.epochs_done.fetch_add(1, Ordering::Release);
        }
    }
}

fn assemble(closed: Closed, parts: &mut [(Box<Part>, Sender<Box<Part>>)]) -> Epoch {
    /// The containers of one collection, from all workers.
    macro_rules! all {
        ($name:ident) => {
            parts.iter_mut().flat_map(|(part, _)| &mut part.$name)
        };
    }
    let mut rejects: Vec<_> = all!(rejects).flat_map(|rows| rows.drain(..)).collect();
    rejects.sort_by_key(|row| (row.partition, row.offset));
    let clock_ms = parts
        .iter_mut()
        .filter_map(|(part, _)| part.clock_ms.take())
        .max();
    Epoch {
        number: closed.number,
        covers: closed.covers,
        is_snapshot: closed.is_snapshot,
        clock_ms,
        flights: consolidate(all!(flights)),
        legs: consolidate(all!(legs)),
        inventory: consolidate(all!(inventory)),
        holds: consolidate(all!(holds)),
        drift: consolidate(all!(drift)),
        fares: consolidate(all!(fares)),
        offers: consolidate(all!(offers)),
        availability_by_route_day: consolidate(all!(availability)),
        cheapest_by_route_day: consolidate(all!(cheapest)),
        load_factor: consolidate(all!(load_factor)),
        oversold: consolidate(all!(oversold)),
        orders: consolidate(all!(orders)),
        views: Vec::new(),
        ended_views: Vec::new(),
        decisions: decided::rows(all!(decisions).collect()),
        rejects,
    }
}

/// One sorted list without doubles or zeros. This is what makes an epoch independent of how its
/// rows were spread over workers and containers. Leaves the containers empty.
pub(crate) fn consolidate<'a, R: Prefix + Clone + 'a>(
    chunks: impl Iterator<Item = &'a mut Updates<R>>,
) -> Vec<Change<R>> {
    let mut chunks: Vec<_> = chunks.filter(|chunk| !chunk.is_empty()).collect();
    let mut order = Vec::with_capacity(chunks.iter().map(|chunk| chunk.len()).sum());
    for (chunk, updates) in chunks.iter().enumerate() {
        let rows = updates.iter().enumerate();
        order.extend(rows.map(|(at, (row, _, _))| (row.prefix(), chunk as u32, at as u32)));
    }
    let update = |chunk: u32, at: u32| &chunks[chunk as usize][at as usize];
    order.sort_unstable_by(|a, b| {
        let by_row = || update(a.1, a.2).0.cmp(&update(b.1, b.2).0);
        a.0.cmp(&b.0).then_with(by_row)
    });
    let mut rows: Vec<Change<R>> = Vec::with_capacity(order.len());
    for (_, chunk, at) in order {
        let (row, _, diff) = update(chunk, at);
        match rows.last_mut() {
            Some((last, sum)) if last == row => *sum += diff,
            _ => {
                // What came before is complete by now.
                rows.pop_if(|(_, sum)| *sum == 0);
                rows.push((row.clone(), *diff));
            }
        }
    }
    rows.pop_if(|(_, sum)| *sum == 0);
    for chunk in &mut chunks {
        chunk.clear();
    }
    debug_assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "a prefix misled");
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Prefix for u32 {
        fn prefix(&self) -> u128 {
            u128::from(*self / 4)
        }
    }

    #[test]
    fn rows_of_many_chunks_become_one_sorted_list_without_zeros() {
        let mut chunks = [
            vec![(5, 0, 1), (3, 0, -1)],
            vec![],
            vec![(3, 0, 1), (5, 0, 1), (1, 0, -1), (9_u32, 0, 1), (9, 0, -1)],
        ];
        assert_eq!(consolidate(chunks.iter_mut()), vec![(1, -1), (5, 2)]);
        assert!(chunks.iter().all(Vec::is_empty), "buffers go back empty");
    }
}
