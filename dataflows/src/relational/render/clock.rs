//! Rows that are seen between two instants of the stream's clock.
//!
//! A row that comes is put on the list of what happens when: it appears at one instant and goes at
//! another. When an epoch moves the clock past them, it does. A row that is taken back takes the same
//! off the list: nothing is kept of a row whose time is over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use differential_dataflow::AsCollection;
use parking_lot::Mutex;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::{Expr, Plan, Rendered, Renderer, Row, RowFault, Scratch, split};
use crate::part::Updates;
use crate::relational::datum::Datum;
use crate::relational::eval::{Compiled, Fault, compile};

/// A row and when it is seen: from the first instant on, before the second.
type Span = (Row, (i64, i64));

/// When time will next change something, over all operators that watch the clock. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dues(Arc<Mutex<Vec<Weak<AtomicI64>>>>);

/// Nothing is due.
const NEVER: i64 = i64::MAX;

impl Dues {
    /// The place of one operator. It counts for as long as the operator is there.
    pub(crate) fn place(&self) -> Arc<AtomicI64> {
        let place = Arc::new(AtomicI64::new(NEVER));
        let mut all = self.0.lock();
        all.retain(|place| place.strong_count() > 0);
        all.push(Arc::downgrade(&place));
        place
    }

    /// The earliest instant, in microseconds from 1970, at which a row appears or goes; `None` = nothing waits.
    pub(crate) fn next(&self) -> Option<i64> {
        let all = self.0.lock();
        let due = all.iter().filter_map(Weak::upgrade);
        let due = due.map(|place| place.load(Ordering::Relaxed)).min();
        due.filter(|due| *due < NEVER)
    }
}

/// What is to come.
#[derive(Default)]
struct Schedule {
    clock: i64,
    /// By instant: rows that appear (+) or go (−) then.
    due: BTreeMap<(i64, Row), isize>,
}

impl Schedule {
    /// When something happens next.
    fn next(&self) -> i64 {
        self.due.first_key_value().map_or(NEVER, |((at, _), _)| *at)
    }

    fn put(&mut self, at: i64, row: Row, diff: isize) {
        match self.due.entry((at, row)) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(diff);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                *entry.get_mut() += diff;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// A row comes or goes, as seen at the present clock.
    fn take(&mut self, (row, (from, until)): Span, diff: isize, give: &mut impl FnMut(Row, isize)) {
        if from >= until || until <= self.clock {
            return;
        }
        if from <= self.clock {
            give(row.clone(), diff);
        } else {
            self.put(from, row.clone(), diff);
        }
        if until < i64::MAX {
            self.put(until, row, -diff);
        }
    }

    /// Time passes.
    fn advance(&mut self, clock: i64, give: &mut impl FnMut(Row, isize)) {
        if clock <= self.clock {
            return;
        }
        self.clock = clock;
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= clock
        {
            let ((_, row), diff) = entry.remove_entry();
            give(row, diff);
        }
    }
}

impl<'scope> Renderer<'scope> {
    pub(super) fn clock(
        &mut self,
        input: &Plan,
        from: &[Expr],
        until: &[Expr],
    ) -> Rendered<'scope> {
        let Rendered { rows, mut faults } = self.plan(input);
        let Some(clock) = self.clock.clone() else {
            panic!("the clock was not connected");
        };
        let compiled = |all: &[Expr]| -> Vec<Compiled> { all.iter().map(compile).collect() };
        let mut scratch = Scratch::of(from.iter().chain(until));
        let (from, until) = (compiled(from), compiled(until));
        let spans = rows.flat_map(move |row| {
            let span = scratch.with(&row, |values| bounds(values, &from, &until));
            match span {
                Ok(span) => span.map(|span| Ok((row, span))),
                Err(fault) => Some(Err(RowFault::new(fault, &[&row]))),
            }
        });
        let (spans, span_faults) = split(spans);
        faults.push(span_faults);

        let place = self.dues.place();
        let mut builder = OperatorBuilder::new("Clock".to_owned(), self.scope);
        let mut spans = builder.new_input(spans.inner, Pipeline);
        let mut clock = builder.new_input(clock, Pipeline);
        let (output, stream) = builder.new_output();
        let mut output = OutputBuilder::<u64, CapacityContainerBuilder<Updates<Row>>>::from(output);
        builder.build(move |initial| {
            drop(initial);
            let mut schedule = Schedule {
                clock: i64::MIN,
                due: BTreeMap::new(),
            };
            // What came for epochs that are not complete.
            let mut open: BTreeMap<u64, Open> = BTreeMap::new();
            move |frontiers| {
                spans.for_each(|capability, data| {
                    let Some(least) = capability.least().copied() else {
                        return;
                    };
                    for (span, epoch, diff) in data.drain(..) {
                        // Updates carry their epochs; a container may bring several.
                        let at = open.entry(epoch).or_default();
                        at.spans.push((span, diff));
                        if at.capability.is_none() {
                            at.capability = Some(capability.delayed(&epoch.max(least), 0));
                        }
                    }
                });
                clock.for_each(|capability, data| {
                    let Some(epoch) = capability.least().copied() else {
                        return;
                    };
                    let at = open.entry(epoch).or_default();
                    at.clock = at.clock.max(data.drain(..).max());
                    if at.capability.is_none() {
                        at.capability = Some(capability.delayed(&epoch, 0));
                    }
                });
                while let Some(entry) = open.first_entry()
                    && !frontiers
                        .iter()
                        .any(|frontier| frontier.less_equal(entry.key()))
                {
                    let (epoch, done) = entry.remove_entry();
                    let mut updates: Updates<Row> = Vec::new();
                    let mut give = |row, diff| updates.push((row, epoch, diff));
                    schedule.advance(done.clock.unwrap_or(i64::MIN), &mut give);
                    for (span, diff) in done.spans {
                        schedule.take(span, diff, &mut give);
                    }
                    differential_dataflow::consolidation::consolidate_updates(&mut updates);
                    if let Some(capability) = done.capability.filter(|_| !updates.is_empty()) {
                        let mut output = output.activate();
                        output.session(&capability).give_container(&mut updates);
                    }
                }
                place.store(schedule.next(), Ordering::Relaxed);
            }
        });
        let rows = stream.as_collection();
        Rendered { rows, faults }
    }
}

/// What came for an epoch.
#[derive(Default)]
struct Open {
    spans: Vec<(Span, isize)>,
    clock: Option<i64>,
    capability: Option<Capability<u64>>,
}

/// From when and until when a row is seen, in microseconds; `None` when it never is.
fn bounds(
    row: &[Datum<'_>],
    from: &[Compiled],
    until: &[Compiled],
) -> Result<Option<(i64, i64)>, Fault> {
    let (mut begin, mut end) = (i64::MIN, i64::MAX);
    for bound in from {
        match bound(row)? {
            Datum::Instant(at) => begin = begin.max(at),
            _ => return Ok(None),
        }
    }
    for bound in until {
        match bound(row)? {
            Datum::Instant(at) => end = end.min(at),
            _ => return Ok(None),
        }
    }
    Ok(Some((begin, end)))
}
