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

/// Whose operators are whose: by the first number, the one after the last, and who counts.
type Ranges = BTreeMap<usize, (usize, Arc<Size>)>;

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
                        count(&ranges.borrow(), &event);
                    }
                },
            );
        }
        tally
    }

    /// Counts what operators keep that `make` makes.
    pub(super) fn of<T>(
        &self,
        worker: &mut Worker,
        size: &Arc<Size>,
        make: impl FnOnce(&mut Worker) -> T,
    ) -> T {
        let first = worker.peek_identifier();
        let made = make(worker);
        let range = (worker.peek_identifier(), Arc::clone(size));
        self.0.borrow_mut().insert(first, range);
        made
    }

    /// Forgets what nobody counts any more.
    pub(super) fn forget(&self) {
        // What is left here is the last that knows of a view that is gone.
        self.0
            .borrow_mut()
            .retain(|_, (_, size)| Arc::strong_count(size) > 1 || size.kept().records > 0);
    }
}

fn count(ranges: &Ranges, event: &DifferentialEvent) {
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
    let of = ranges.range(..=operator).next_back();
    if let Some((_, (end, size))) = of
        && operator < *end
    {
        size.records.fetch_add(change, Ordering::Relaxed);
    }
}
