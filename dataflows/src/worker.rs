//! A worker thread: it builds its copy of the graph, steps it, and answers queries between steps.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use flightline_ledger::order::Orders;
use flightline_ledger::{Input, Ledger};
use timely::scheduling::SyncActivator;
use timely::worker::Worker;

use crate::changelog::DecisionSink;
use crate::collector::Report;
use crate::failure::Shared;
use crate::folded::Folded;
use crate::graph;
use crate::shard::Shard;
use crate::source::Message;

/// A question about one partition's ledger and orders, answered on the worker that owns it.
pub(crate) type Query = (u32, Box<dyn FnOnce(&Ledger, &Orders) + Send>);

/// What a worker is made from.
pub(crate) struct Seed {
    pub(crate) inbox: Receiver<Message>,
    pub(crate) queries: Receiver<Query>,
    pub(crate) reports: Sender<Report>,
    pub(crate) decisions: Arc<dyn DecisionSink>,
    pub(crate) ready: Sender<Ready>,
    pub(crate) emptied: Sender<Vec<Input>>,
    pub(crate) partitions: u32,
    pub(crate) flights_unpacked: usize,
    /// Partitions of this worker that were folded before; the others begin at their first record.
    pub(crate) folded: Vec<Folded>,
}

/// What the handle needs from a worker that has started.
pub(crate) struct Ready {
    pub(crate) index: usize,
    pub(crate) activator: SyncActivator,
    pub(crate) thread: Thread,
}

/// How long an idle worker sleeps at most. Everything that gives it work wakes it.
const PARK_MAX: Duration = Duration::from_millis(500);

/// Runs a worker until its stream has ended and everything has come out, or the dataflow stops.
pub(crate) fn run(worker: &mut Worker, seed: Seed, shared: &Arc<Shared>) {
    shared.add_worker(std::thread::current());
    let name = format!("worker {}", worker.index());
    // Questions outlive the work, so that whoever asks a failed worker learns why it failed.
    let queries = seed.queries.clone();
    let result = catch_unwind(AssertUnwindSafe(|| work(worker, seed, shared)));
    if let Err(panic) = result {
        shared.fail(name, &*panic);
    }
    // Timely would go on to step what is left; an abandoned graph is dropped instead. What it
    // holds is in an unknown state after a panic, so a second one changes nothing.
    let _: Result<(), Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| {
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    }));
    drop(queries);
}

fn work(worker: &mut Worker, seed: Seed, shared: &Arc<Shared>) {
    let Seed {
        inbox,
        queries,
        reports,
        decisions,
        ready,
        emptied,
        partitions,
        flights_unpacked,
        folded,
    } = seed;
    let index = worker.index();
    let mut shard = Shard::new(partitions, flights_unpacked, index, worker.peers());
    let is_resumed = !folded.is_empty();
    folded.into_iter().for_each(|folded| shard.resume(folded));
    let shard = Rc::new(RefCell::new(shard));
    let opened = Rc::new(Cell::new(0));
    worker.dataflow(|scope| {
        graph::render(
            scope,
            graph::Ends {
                inbox,
                hand_out: Box::new(move |activator| {
                    let thread = std::thread::current();
                    // The handle is gone only when the start was given up.
                    let _ = ready.send(Ready {
                        index,
                        activator,
                        thread,
                    });
                }),
                opened,
                decisions,
                reports,
                emptied,
                is_resumed,
            },
            Rc::clone(&shard),
            Arc::clone(shared),
        );
    });
    while worker.has_dataflows() && !shared.is_stopped() {
        worker.step_or_park(Some(PARK_MAX));
        while !shared.is_stopped()
            && let Ok((partition, query)) = queries.try_recv()
        {
            let shard = shard.borrow();
            query(shard.ledger(partition), shard.orders(partition));
        }
    }
}
