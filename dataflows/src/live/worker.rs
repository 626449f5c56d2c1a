//! A thread that runs views: it takes epochs, makes and drops dataflows, and steps them.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use timely::worker::Worker;

use super::assembler::Report;
use super::board::{OfAll, Progress};
use super::feed::Feed;
use super::index::Indexes;
use super::install::{Stock, install};
use super::recent::{Decided, Past};
use super::shared::Relations;
use crate::changelog::Epoch;
use crate::failure::Shared;
use crate::reference::Reference;
use crate::relational::Plan;
use crate::sql::View;

/// What a worker is told. All hear the same, in the same order.
#[derive(Clone)]
pub(super) enum Message {
    /// The next epoch.
    Epoch(Arc<Epoch>),
    /// A view comes.
    Install(u64, Arc<View>, Arc<Progress>),
    /// It goes.
    Drop(u64),
    /// Decisions that these windows want are put aside from here on: what was decided before is being read.
    PutAside(Arc<Vec<Plan>>),
    /// That is what it is, for the views that come next.
    Remember(Arc<Vec<Decided>>),
    /// They have come, or will not.
    GoOn,
    /// The next epoch is a snapshot: that is what was decided before its end, as soon as it is known.
    Begin(Arc<Past>),
}

pub(super) struct Seed {
    pub(super) inbox: Receiver<Message>,
    pub(super) reports: Sender<Report>,
    pub(super) ready: Sender<(usize, Thread)>,
    pub(super) reference: Reference,
    pub(super) of_all: OfAll,
}

/// How long an idle worker sleeps at most. Everything that gives it work wakes it.
const PARK_MAX: Duration = Duration::from_millis(500);

/// Epochs taken before what they bring is worked on. Those that pile up go through together, which costs less
/// than one after the other.
const EPOCHS_AT_ONCE: usize = 64;

/// Batches that views may be behind before epochs have to wait.
const LAG_MAX: usize = 512;

/// Runs a worker until the last epoch has come out, or everything is given up.
pub(super) fn run(worker: &mut Worker, seed: Seed, shared: &Arc<Shared>) {
    shared.add_worker(std::thread::current());
    let name = format!("worker {} of the views", worker.index());
    let result = catch_unwind(AssertUnwindSafe(|| work(worker, seed, shared)));
    if let Err(panic) = result {
        shared.fail(name, &*panic);
    }
    // Timely would go on to step what is left. What it holds is in an unknown state after a panic, so a second
    // one changes nothing.
    let _: Result<(), Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| {
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    }));
}

fn work(worker: &mut Worker, seed: Seed, shared: &Shared) {
    let Seed {
        inbox,
        reports,
        ready,
        reference,
        of_all,
    } = seed;
    let mut stock = Stock {
        feed: Feed::new(worker, &reference, &of_all),
        indexes: Indexes::default(),
        relations: Relations::default(),
    };
    let mut dataflows: BTreeMap<u64, usize> = BTreeMap::new();
    // Whoever waits for it is gone only when the start was given up.
    let _ = ready.send((worker.index(), std::thread::current()));
    let mut open = true;
    while open && !shared.is_stopped() {
        let mut epochs = 0;
        while epochs < EPOCHS_AT_ONCE && stock.feed.lag.get() < LAG_MAX {
            match inbox.try_recv() {
                Ok(Message::Epoch(epoch)) => {
                    stock.feed.take(&epoch);
                    stock.relations.take(&epoch, &stock.feed);
                    stock.indexes.compact(stock.feed.since());
                    stock.relations.compact(stock.feed.since());
                    epochs += 1;
                }
                Ok(Message::Install(number, view, progress)) => {
                    let of = (number, &view);
                    let dataflow = install(worker, &mut stock, of, &progress, &reports);
                    dataflows.insert(number, dataflow);
                }
                Ok(Message::Drop(number)) => {
                    if let Some(dataflow) = dataflows.remove(&number) {
                        worker.drop_dataflow(dataflow);
                    }
                    stock.relations.release(worker, number);
                    stock.indexes.release(worker, number);
                    stock.feed.tally.forget(worker);
                }
                Ok(Message::PutAside(windows)) => stock.relations.put_aside(&windows),
                Ok(Message::Remember(past)) => stock.relations.remember(past),
                Ok(Message::GoOn) => stock.relations.go_on(),
                Ok(Message::Begin(past)) => stock.relations.begin(&past, &stock.feed, shared),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    open = false;
                    break;
                }
            }
        }
        if epochs == EPOCHS_AT_ONCE || stock.feed.lag.get() >= LAG_MAX {
            worker.step();
        } else if open {
            worker.step_or_park(Some(PARK_MAX));
        }
    }
    drop(stock);
    while worker.has_dataflows() && !shared.is_stopped() {
        worker.step_or_park(Some(PARK_MAX));
    }
}
