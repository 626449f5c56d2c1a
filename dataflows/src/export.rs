//! Where everything leaves a worker: one operator that all collections end in.
//!
//! One operator rather than one per view, because what an epoch of few records costs is mostly the
//! number of operators that wake for it. It takes containers as they are, files them by epoch, and
//! when no input can bring anything more for an epoch, sends this worker's part to the collector.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crossbeam_channel::Sender;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

use crate::collector::Report;
use crate::part::{Chunks, Part, Parts, Updates};

type Drain = Box<dyn FnMut()>;

/// The operator while its inputs are being connected.
pub(crate) struct Export<'scope> {
    builder: OperatorBuilder<'scope, u64>,
    drains: Vec<Drain>,
    parts: Rc<RefCell<Parts>>,
}

impl<'scope> Export<'scope> {
    pub(crate) fn new(scope: Scope<'scope, u64>) -> Self {
        Self {
            builder: OperatorBuilder::new("Export".to_owned(), scope),
            drains: Vec::new(),
            parts: Rc::default(),
        }
    }

    /// Containers whose rows all belong to the epoch they travel under.
    pub(crate) fn whole<C: timely::Container>(
        &mut self,
        stream: Stream<'scope, u64, C>,
        file: impl Fn(&mut Part, C) + 'static,
    ) {
        let mut input = self.builder.new_input(stream, Pipeline);
        let parts = Rc::clone(&self.parts);
        self.drains.push(Box::new(move || {
            input.for_each(|capability, container| {
                if let Some(epoch) = capability.least() {
                    file(parts.borrow_mut().at(*epoch), std::mem::take(container));
                }
            });
        }));
    }

    /// Updates that carry their epoch: a differential operator that caught up with several epochs
    /// at once may send them in one container.
    pub(crate) fn timed<R: 'static>(
        &mut self,
        stream: Stream<'scope, u64, Updates<R>>,
        chunks: impl Fn(&mut Part) -> &mut Chunks<R> + 'static,
    ) {
        let mut input = self.builder.new_input(stream, Pipeline);
        let parts = Rc::clone(&self.parts);
        self.drains.push(Box::new(move || {
            input.for_each(|_, updates| {
                let mut parts = parts.borrow_mut();
                let mut rest = std::mem::take(updates);
                // As a rule one epoch is all there is, and the container goes on as it is.
                rest.sort_by_key(|(_, epoch, _)| *epoch);
                while let Some((_, epoch, _)) = rest.first() {
                    let epoch = *epoch;
                    let end = rest.partition_point(|(_, e, _)| *e <= epoch);
                    let later = rest.split_off(end);
                    chunks(parts.at(epoch)).push(std::mem::replace(&mut rest, later));
                }
            });
        }));
    }

    /// Connects the operator to the collector. `opened` is the newest epoch that the worker's
    /// source has opened: all before it are closed, also when the stream has ended.
    pub(crate) fn build(
        self,
        reports: Sender<Report>,
        home: Sender<Box<Part>>,
        opened: Rc<Cell<u64>>,
    ) {
        let Self {
            builder,
            mut drains,
            parts,
        } = self;
        builder.build(move |_| {
            move |frontiers| {
                for drain in &mut drains {
                    drain();
                }
                // The least epoch that any input can still bring something for.
                let reached = frontiers
                    .iter()
                    .filter_map(|frontier| frontier.frontier().iter().min().copied())
                    .min()
                    .unwrap_or_else(|| opened.get());
                let mut parts = parts.borrow_mut();
                while let Some((epoch, part)) = parts.take_before(reached) {
                    // The collector is gone when the dataflow is being abandoned.
                    let report = Report::Part {
                        epoch,
                        part: Box::new(part),
                        home: home.clone(),
                    };
                    if reports.send(report).is_err() {
                        return;
                    }
                }
            }
        });
    }
}
