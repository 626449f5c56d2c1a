//! Records on their way to one worker, grouped by partition.
//!
//! The ledger decides a run of one partition's records faster than one record at a time, and the
//! grouping is done by the thread that sends, which has the time, rather than by the worker.

use std::vec::IntoIter;

use crossbeam_channel::Receiver;
use flightline_ledger::Input;
use timely::Accountable;

use crate::changelog::Record;
use crate::rows::Note;

/// A number of neighbouring records of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) partition: u32,
    pub(crate) len: u32,
}

/// What records carried besides their input, by index of the record in its batch.
pub(crate) type Notes = Vec<(u32, Option<Box<Note>>)>;

/// Records of one epoch, in offset order within each partition.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) runs: Vec<Run>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) notes: Notes,
}

impl Accountable for Batch {
    fn record_count(&self) -> i64 {
        self.inputs.len() as i64
    }
}

impl Batch {
    fn push(&mut self, record: Record) {
        match self.runs.last_mut() {
            Some(run) if run.partition == record.partition => run.len += 1,
            _ => self.runs.push(Run {
                partition: record.partition,
                len: 1,
            }),
        }
        if record.note.is_some() {
            self.notes.push((self.inputs.len() as u32, record.note));
        }
        self.inputs.push(record.input);
    }
}

/// The runs of a batch with their inputs.
pub(crate) fn split<'a>(
    runs: &[Run],
    mut inputs: &'a mut [Input],
) -> impl Iterator<Item = (Run, &'a mut [Input])> {
    runs.iter().map(move |run| {
        let (these, later) = std::mem::take(&mut inputs).split_at_mut(run.len as usize);
        inputs = later;
        (*run, these)
    })
}

/// Sorts records into batches, one per worker.
pub(crate) struct Router {
    workers: usize,
    /// Buffers of inputs that workers have emptied.
    emptied: Receiver<Vec<Input>>,
    /// Records that wait for the rest of their partition's, by partition.
    waiting: Vec<Vec<Record>>,
    /// Records of the call at hand, by partition.
    counts: Vec<u32>,
    /// Partitions that have some.
    touched: Vec<u32>,
}

impl Router {
    pub(crate) fn new(partitions: u32, workers: usize, emptied: Receiver<Vec<Input>>) -> Self {
        Self {
            workers,
            emptied,
            waiting: (0..partitions).map(|_| Vec::new()).collect(),
            counts: vec![0; partitions as usize],
            touched: Vec::new(),
        }
    }

    /// Batches of the first `count` records by worker, each with one run per partition. Partitions
    /// must exist.
    pub(crate) fn route(&mut self, records: &mut IntoIter<Record>, count: usize) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        batches.resize_with(self.workers, Batch::default);
        let mut pieces = 0;
        let mut last = None;
        for record in records.as_slice().iter().take(count) {
            if last != Some(record.partition) {
                pieces += 1;
                last = Some(record.partition);
            }
            let count = &mut self.counts[record.partition as usize];
            if *count == 0 {
                self.touched.push(record.partition);
            }
            *count += 1;
        }
        let mut totals = vec![0; self.workers];
        for partition in &self.touched {
            let count = std::mem::take(&mut self.counts[*partition as usize]);
            totals[*partition as usize % self.workers] += count as usize;
        }
        for (batch, total) in batches.iter_mut().zip(totals) {
            if total > 0 {
                batch.inputs = self.emptied.try_recv().unwrap_or_default();
                batch.inputs.reserve(total);
            }
        }
        if pieces == self.touched.len() {
            // As the stream delivers them, a partition at a time.
            for record in records.take(count) {
                batches[record.partition as usize % self.workers].push(record);
            }
        } else {
            for record in records.take(count) {
                self.waiting[record.partition as usize].push(record);
            }
            for partition in &self.touched {
                let partition = *partition as usize;
                let batch = &mut batches[partition % self.workers];
                for record in self.waiting[partition].drain(..) {
                    batch.push(record);
                }
            }
        }
        self.touched.clear();
        batches
    }
}

#[cfg(test)]
mod tests {
    use flightline_ledger::{Command, CommandId};

    use super::*;

    fn record(partition: u32, offset: u64, note: bool) -> Record {
        Record {
            partition,
            input: Input {
                offset,
                at_ms: 0,
                id: CommandId(1),
                command: Command::Tick,
            },
            note: note.then(Box::default),
        }
    }

    fn look(batch: &Batch) -> (Vec<(u32, u32)>, Vec<u64>, Vec<u32>) {
        (
            batch.runs.iter().map(|r| (r.partition, r.len)).collect(),
            batch.inputs.iter().map(|i| i.offset).collect(),
            batch.notes.iter().map(|n| n.0).collect(),
        )
    }

    #[test]
    fn records_are_grouped_by_partition_and_keep_their_order_and_notes() {
        let mut router = Router::new(4, 2, crossbeam_channel::never());
        for _ in 0..2 {
            let mut records = vec![
                record(2, 10, false),
                record(3, 20, true),
                record(0, 30, false),
                record(2, 11, true),
                record(3, 21, false),
                record(3, 22, false),
            ]
            .into_iter();
            let batches = router.route(&mut records, 5);
            assert_eq!(records.len(), 1, "only so many are taken");
            assert_eq!(
                look(&batches[0]),
                (vec![(2, 2), (0, 1)], vec![10, 11, 30], vec![1])
            );
            assert_eq!(look(&batches[1]), (vec![(3, 2)], vec![20, 21], vec![0]));
        }
        let mut records = vec![record(1, 5, false), record(2, 12, true)].into_iter();
        let batches = router.route(&mut records, 4_096);
        assert_eq!(look(&batches[0]), (vec![(2, 1)], vec![12], vec![0]));
        assert_eq!(look(&batches[1]), (vec![(1, 1)], vec![5], vec![]));
    }
}
