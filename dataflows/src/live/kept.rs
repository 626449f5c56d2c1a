//! How much views keep in memory.
//!
//! Differential says of every batch of an arrangement how many updates it has, when it comes, when two become one,
//! and when it goes: what is kept is known exactly, in updates. The operators of a dataflow have numbers that follow
//! each other, so that they are told apart by when they were made. How many bytes an update takes is estimated: the
//! mean length of the rows that were seen on their way in, and what stands around them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use timely::worker::Worker;

use crate::relational::render::meter::{Meter, Sample};

/// What an update takes beside its bytes: a key and a value (16 bytes each, and 16 in front of what they point to),
/// when (8), how often (8), and where it begins (8).
const AROUND_BYTES: u64 = 88;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Updates in arrangements: a row by its key, at a time.
    pub records: u64,
    /// About how many bytes they take.
    pub bytes: u64,
}

/// What one view keeps, or all of them together, over all workers.
#[derive(Debug, Default)]
pub(super) struct Size {
    records: AtomicI64,
    sample: Arc<Sample>,
}

impl Size {
    pub(super) fn kept(&self) -> Kept {
        let records = self.records.load(Ordering::Relaxed).max(0) as u64;
        let each = self.sample.mean() + AROUND_BYTES;
        Kept {
            records,
            bytes: records.saturating_mul(each),
        }
    }

    /// Looks at what goes in.
    pub(super) fn meter(&self) -> Meter {
        Meter::new(Arc::clone(&self.sample))
    }
}

/// Operators that were made together.
struct Range {
    /// The number after the last of them.
    end: usize,
    /// The dataflow that they are in.
    dataflow: usize,
    /// Who counts.
    size: Arc<Size>,
    /// What they keep.
    records: i64,
}

/// Whose operators are whose, by the number of the first.
type Ranges = BTreeMap<usize, Range>;

/// Counts on one worker.
#[derive(Clone, Default)]
pub(super) struct Tally(Rc<RefCell<Ranges>>);

impl Tally {
    /// Listens to a worker.
    pub(super) fn new(worker: &Worker) -> Self {
        let tally = Self::default();
        let ranges = Rc::clone(&tally.0);
        if let Some(mut register) = worker.log_register() {
            register.insert::<DifferentialEventBuilder, _>(
                "differential/arrange",
                move |_, events| {
                    for (_, event) in events.iter_mut().flat_map(|events| events.drain(..)) {
                        count(&mut ranges.borrow_mut(), &event);
                    }
                },
            );
        }
        tally
    }

    /// Counts what operators keep that `make` makes, in the next dataflow.
    pub(super) fn of<T>(
        &self,
        worker: &mut Worker,
        size: &Arc<Size>,
        make: impl FnOnce(&mut Worker) -> T,
    ) -> T {
        let (first, dataflow) = (worker.peek_identifier(), worker.next_dataflow_index());
        let made = make(worker);
        let range = Range {
            end: worker.peek_identifier(),
            dataflow,
            size: Arc::clone(size),
            records: 0,
        };
        self.0.borrow_mut().insert(first, range);
        made
    }

    /// Forgets dataflows that are gone, once what they kept is.
    pub(super) fn forget(&self, worker: &Worker) {
        let there = worker.installed_dataflows();
        self.0
            .borrow_mut()
            .retain(|_, range| range.records != 0 || there.contains(&range.dataflow));
    }
}

fn count(ranges: &mut Ranges, event: &DifferentialEvent) {
    let (operator, change) = match event {
        DifferentialEvent::Batch(batch) => (batch.operator, batch.length as i64),
        DifferentialEvent::Drop(gone) => (gone.operator, -(gone.length as i64)),
        DifferentialEvent::Merge(merge) => match merge.complete {
            Some(length) => (
                merge.operator,
                length as i64 - (merge.length1 + merge.length2) as i64,
            ),
            None => return,
        },
        _ => return,
    };
    let of = ranges.range_mut(..=operator).next_back();
    if let Some((_, range)) = of
        && operator < range.end
    {
        range.records += change;
        range.size.records.fetch_add(change, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::input::InputSession;

    use super::*;

    #[test]
    fn of_dataflows_that_are_gone_nothing_is_remembered() {
        timely::execute_directly(|worker| {
            let tally = Tally::new(worker);
            // One size for all, as that of what views share.
            let size = Arc::new(Size::default());
            for _ in 0..50 {
                let mut input: InputSession<u64, u64, isize> = InputSession::new();
                let dataflow = worker.next_dataflow_index();
                let trace = tally.of(worker, &size, |worker| {
                    worker.dataflow(|scope| input.to_collection(scope).arrange_by_self().trace)
                });
                (0..100).for_each(|row| input.insert(row));
                input.advance_to(1);
                input.flush();
                while size.kept().records < 100 {
                    worker.step();
                }
                assert_eq!(tally.0.borrow().len(), 1);
                tally.forget(worker);
                assert_eq!(tally.0.borrow().len(), 1, "it is there");
                drop((input, trace));
                worker.drop_dataflow(dataflow);
                while size.kept().records > 0 {
                    worker.step();
                }
                tally.forget(worker);
                assert!(tally.0.borrow().is_empty(), "it is gone");
            }
        });
    }
}
