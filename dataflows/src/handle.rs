//! The dataflow from outside: records in, epochs closed, questions asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{JoinHandle, Thread};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use flightline_ledger::Ledger;
use flightline_ledger::order::Orders;
use parking_lot::Mutex;
use timely::communication::WorkerGuards;
use timely::scheduling::SyncActivator;

use crate::batch::Router;
use crate::changelog::{DecisionSink, EpochSink, Record};
use crate::collector::{self, Closed, Report};
use crate::config::{Config, StartError};
use crate::failure::{Failure, Shared};
use crate::folded::Folded;
use crate::source::Message;
use crate::worker::{self, Query, Ready, Seed};

/// A running dataflow: the one way in for records, in the order of the stream.
///
/// Dropping it abandons what has not come out yet; [`Dataflow::shutdown`] finishes it first.
pub struct Dataflow {
    inlets: Vec<Inlet>,
    router: Router,
    reports: Option<Sender<Report>>,
    reader: Reader,
    /// By partition, the offset of the next record.
    next: Vec<u64>,
    epoch: u64,
    /// The first epoch has rows before any record was sent.
    is_resumed: bool,
    /// Records sent in the open epoch.
    open_records: u64,
    /// Where the snapshot that is the open epoch must end.
    snapshot: Option<Vec<u64>>,
    guards: Option<WorkerGuards<()>>,
    collector: Option<JoinHandle<()>>,
}

/// More records than this in one call go to the workers in several batches, so that a worker looks
/// around between them, and buffers have a size worth keeping.
const RECORDS_PER_BATCH_MAX: usize = 4_096;

/// Emptied buffers of inputs that may wait for the sender, for each worker.
const EMPTIED_MAX: usize = 8;

/// The way into one worker.
struct Inlet {
    inbox: Sender<Message>,
    activator: SyncActivator,
}

/// What has been sent but has not come out as a whole epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Epochs that are closed but not complete.
    pub epochs: u64,
    /// Records of epochs that are not complete, the open one included.
    pub records: u64,
}

/// Reads a running dataflow from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
    workers: Arc<[(Sender<Query>, Thread)]>,
    partitions: u32,
}

impl Dataflow {
    /// Starts the workers. Decisions are told to `decisions` as they are made, whole epochs to
    /// `epochs` in order.
    pub fn start(
        config: Config,
        decisions: Arc<dyn DecisionSink>,
        epochs: impl EpochSink,
    ) -> Result<Self, StartError> {
        Self::resume(config, decisions, epochs, Vec::new())
    }

    /// As [`Dataflow::start`], with partitions that were folded before, each at most once; those not
    /// named begin at their first record. Unless `folded` is empty the first epoch must be a snapshot:
    /// see [`Dataflow::snapshot_epoch`].
    ///
    /// # Panics
    /// When a partition is not one of the stream's, or comes twice.
    pub fn resume(
        config: Config,
        decisions: Arc<dyn DecisionSink>,
        epochs: impl EpochSink,
        folded: Vec<Folded>,
    ) -> Result<Self, StartError> {
        config.check()?;
        let mut next = vec![0; config.partitions as usize];
        let mut folded_of: Vec<Vec<Folded>> = Vec::new();
        folded_of.resize_with(config.workers, Vec::new);
        for one in folded {
            let partition = one.partition();
            assert!(
                partition < config.partitions,
                "partition {partition} of {} was folded",
                config.partitions
            );
            let known = std::mem::replace(&mut next[partition as usize], one.next_offset());
            assert_eq!(known, 0, "partition {partition} was folded twice");
            folded_of[partition as usize % config.workers].push(one);
        }
        let is_resumed = next.iter().any(|offset| *offset > 0);
        let shared = Arc::new(Shared::new(config.on_failure.clone()));
        let (reports, collected) = bounded(config.queue_epochs);
        let (ready, readied) = unbounded();
        let (emptied, empties) = bounded(config.workers * EMPTIED_MAX);
        let mut seeds = Vec::with_capacity(config.workers);
        let mut ends = Vec::with_capacity(config.workers);
        for folded in folded_of {
            let (inbox, messages) = bounded(config.queue_batches);
            let (asked, queries) = unbounded();
            ends.push((inbox, asked));
            seeds.push(Some(Seed {
                inbox: messages,
                queries,
                reports: reports.clone(),
                decisions: Arc::clone(&decisions),
                ready: ready.clone(),
                emptied: emptied.clone(),
                partitions: config.partitions,
                flights_unpacked: config.flights_unpacked,
                folded,
            }));
        }
        drop(ready);
        let guards = start_workers(config.workers, seeds, &shared)?;
        let collector = start_collector(collected, config.workers, epochs, &shared)
            .inspect_err(|_| shared.stop())?;
        let mut handles = wait_until_ready(&readied, config.workers, &shared)?;
        handles.sort_by_key(|ready| ready.index);
        let mut inlets = Vec::with_capacity(config.workers);
        let mut asked = Vec::with_capacity(config.workers);
        for ((inbox, queries), ready) in ends.into_iter().zip(handles) {
            let activator = ready.activator;
            inlets.push(Inlet { inbox, activator });
            asked.push((queries, ready.thread));
        }
        Ok(Self {
            inlets,
            router: Router::new(config.partitions, config.workers, empties),
            reports: Some(reports),
            reader: Reader {
                shared,
                workers: asked.into(),
                partitions: config.partitions,
            },
            next,
            is_resumed,
            epoch: 0,
            open_records: 0,
            snapshot: None,
            guards: Some(guards),
            collector: Some(collector),
        })
    }

    /// Declares that the open epoch is a snapshot: it takes the whole history before `until` (by
    /// partition, the offset after its last record), comes out as [`Epoch::is_snapshot`] with the
    /// keyed rows as they stand then, those of partitions that were folded before included, and leaves decisions and rejects out. The decision sink
    /// hears of its decisions all the same. Closed by [`Dataflow::close_epoch`] like any other.
    ///
    /// # Panics
    /// When something was sent before, or `until` has not one offset for every partition.
    ///
    /// [`Epoch::is_snapshot`]: crate::changelog::Epoch::is_snapshot
    pub fn snapshot_epoch(&mut self, until: &[u64]) {
        assert!(
            self.epoch == 0 && self.open_records == 0,
            "only the first epoch can be a snapshot, and must be declared before records are sent"
        );
        assert_eq!(
            until.len(),
            self.next.len(),
            "a snapshot needs one offset for each partition"
        );
        self.reader.shared.set_snapshot();
        self.snapshot = Some(until.to_vec());
    }

    /// Sends records under the open epoch, in the order given. Blocks while too much waits.
    ///
    /// # Panics
    /// When a record does not follow the one before it in its partition, or is of no partition:
    /// folding a stream with a hole would make wrong counts.
    ///
    /// # Errors
    /// When the dataflow has failed; the records may or may not have been folded.
    pub fn send(&mut self, records: Vec<Record>) -> Result<(), Failure> {
        for record in &records {
            let offset = record.input.offset;
            let Some(next) = self.next.get_mut(record.partition as usize) else {
                let partitions = self.next.len();
                panic!(
                    "record {offset} of partition {}: there are {partitions} partitions",
                    record.partition
                );
            };
            assert_eq!(
                offset, *next,
                "partition {}: record {offset} came where record {next} was due: the stream has a hole or a double",
                record.partition
            );
            *next += 1;
        }
        if records.is_empty() {
            return Ok(());
        }
        let count = records.len() as u64;
        self.open_records += count;
        let sent = &self.reader.shared.records_sent;
        sent.fetch_add(count, Ordering::Relaxed);
        let mut records = records.into_iter();
        while records.len() > 0 {
            let batches = self.router.route(&mut records, RECORDS_PER_BATCH_MAX);
            for (inlet, batch) in self.inlets.iter().zip(batches) {
                if !batch.inputs.is_empty() {
                    inlet.push(Message::Records(batch), &self.reader.shared)?;
                }
            }
        }
        Ok(())
    }

    /// Closes the open epoch, so that its views come out, and opens the next. Returns the number
    /// of the closed one.
    ///
    /// # Panics
    /// When the epoch is a snapshot and what was sent does not end where it must.
    ///
    /// # Errors
    /// When the dataflow has failed.
    pub fn close_epoch(&mut self) -> Result<u64, Failure> {
        let snapshot = self.snapshot.take();
        assert!(
            snapshot.is_some() || !self.is_resumed || self.epoch > 0,
            "what was folded before must begin with a snapshot"
        );
        if let Some(until) = &snapshot {
            assert_eq!(
                &self.next, until,
                "the snapshot must end at the offsets it was declared with"
            );
        }
        let number = self.epoch;
        let shared = &self.reader.shared;
        shared.epochs_closed.fetch_add(1, Ordering::Relaxed);
        let closed = Report::Closed(Closed {
            number,
            covers: self.next.clone(),
            is_snapshot: snapshot.is_some(),
            records: self.open_records,
        });
        let delivered = self.reports.as_ref().map(|reports| reports.send(closed));
        if !matches!(delivered, Some(Ok(()))) {
            return Err(shared.failure_or_stopped());
        }
        for inlet in &self.inlets {
            inlet.push(Message::Close, shared)?;
        }
        self.epoch += 1;
        self.open_records = 0;
        Ok(number)
    }

    /// Number of the open epoch.
    pub fn open_epoch(&self) -> u64 {
        self.epoch
    }

    /// Records sent in the open epoch.
    pub fn open_records(&self) -> u64 {
        self.open_records
    }

    /// By partition, the offset of the record that is due next.
    pub fn next_offsets(&self) -> &[u64] {
        &self.next
    }

    /// What has been sent but is not complete: when it grows, make epochs larger.
    pub fn backlog(&self) -> Backlog {
        self.reader.backlog()
    }

    /// For other threads.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Finishes: closes the open epoch if anything was sent in it, waits until everything has come
    /// out, and ends the threads.
    ///
    /// # Errors
    /// When the dataflow has failed, now or before.
    pub fn shutdown(mut self) -> Result<(), Failure> {
        if self.open_records > 0 || self.snapshot.is_some() {
            self.close_epoch()?;
        }
        self.join();
        match self.reader.shared.failure() {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Ends the input and waits for the threads.
    fn join(&mut self) {
        self.reports = None;
        for inlet in self.inlets.drain(..) {
            drop(inlet.inbox);
            // A worker that is gone needs no waking.
            let _ = inlet.activator.activate();
        }
        if let Some(guards) = self.guards.take() {
            // Panics were caught and kept as the failure.
            guards.join();
        }
        if let Some(collector) = self.collector.take() {
            let _ = collector.join();
        }
    }
}

impl Drop for Dataflow {
    fn drop(&mut self) {
        if self.guards.is_some() {
            self.reader.shared.stop();
            self.join();
        }
    }
}

impl Inlet {
    fn push(&self, message: Message, shared: &Shared) -> Result<(), Failure> {
        let sent = self.inbox.send(message);
        if sent.is_err() || self.activator.activate().is_err() {
            return Err(shared.failure_or_stopped());
        }
        Ok(())
    }
}

impl std::fmt::Debug for Dataflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataflow")
            .field("partitions", &self.next.len())
            .field("workers", &self.inlets.len())
            .field("open_epoch", &self.epoch)
            .field("backlog", &self.backlog())
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// What has been sent but is not complete.
    pub fn backlog(&self) -> Backlog {
        let shared = &self.shared;
        // Read what is done first: it never exceeds what was sent by then.
        let epochs_done = shared.epochs_done.load(Ordering::Acquire);
        let records_done = shared.records_done.load(Ordering::Relaxed);
        let epochs = shared.epochs_closed.load(Ordering::Relaxed);
        let records = shared.records_sent.load(Ordering::Relaxed);
        Backlog {
            epochs: epochs.saturating_sub(epochs_done),
            records: records.saturating_sub(records_done),
        }
    }

    /// Why the dataflow is dead, if it is.
    pub fn failure(&self) -> Option<Failure> {
        self.shared.failure().cloned()
    }

    /// Asks for `question` to be run on the ledger of a partition, between two steps of its worker,
    /// and returns at once. The ledger then holds the records that the worker has folded, which are
    /// at least those whose decisions were told before this call. The question must be quick; it
    /// is dropped unasked when the dataflow stops.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn post(&self, partition: u32, question: impl FnOnce(&Ledger) + Send + 'static) {
        self.ask(partition, move |ledger, _| question(ledger));
    }

    /// Like [`Reader::post`], about the orders of a partition.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn post_orders(&self, partition: u32, question: impl FnOnce(&Orders) + Send + 'static) {
        self.ask(partition, move |_, orders| question(orders));
    }

    fn ask(&self, partition: u32, question: impl FnOnce(&Ledger, &Orders) + Send + 'static) {
        assert!(
            partition < self.partitions,
            "partition {partition} of {}",
            self.partitions
        );
        if self.shared.is_stopped() {
            return;
        }
        let (queries, thread) = &self.workers[partition as usize % self.workers.len()];
        // When the worker is gone the question is dropped, and its channel tells the asker.
        if queries.send((partition, Box::new(question))).is_ok() {
            thread.unpark();
        }
    }

    /// Like [`Reader::post`], and waits for the answer.
    ///
    /// # Errors
    /// When the dataflow has failed or was shut down.
    pub fn with_ledger<R: Send + 'static>(
        &self,
        partition: u32,
        question: impl FnOnce(&Ledger) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        self.with_fold(partition, move |ledger, _| question(ledger))
    }

    /// Like [`Reader::with_ledger`], about the orders of a partition.
    ///
    /// # Errors
    /// When the dataflow has failed or was shut down.
    pub fn with_orders<R: Send + 'static>(
        &self,
        partition: u32,
        question: impl FnOnce(&Orders) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        self.with_fold(partition, move |_, orders| question(orders))
    }

    fn with_fold<R: Send + 'static>(
        &self,
        partition: u32,
        question: impl FnOnce(&Ledger, &Orders) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let (answer, answered) = bounded(1);
        self.ask(partition, move |ledger, orders| {
            // The asker waits below, unless its thread is gone.
            let _ = answer.send(question(ledger, orders));
        });
        answered
            .recv()
            .map_err(|_| self.shared.failure_or_stopped())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("partitions", &self.partitions)
            .field("workers", &self.workers.len())
            .field("backlog", &self.backlog())
            .finish_non_exhaustive()
    }
}

fn start_workers(
    workers: usize,
    seeds: Vec<Option<Seed>>,
    shared: &Arc<Shared>,
) -> Result<WorkerGuards<()>, StartError> {
    let config = if workers == 1 {
        timely::Config::thread()
    } else {
        timely::Config::process(workers)
    };
    let seeds = Mutex::new(seeds);
    let shared = Arc::clone(shared);
    timely::execute(config, move |worker| {
        let seed = seeds.lock()[worker.index()].take();
        if let Some(seed) = seed {
            worker::run(worker, seed, &shared);
        }
    })
    .map_err(StartError::Threads)
}

fn start_collector(
    reports: Receiver<Report>,
    workers: usize,
    mut sink: impl EpochSink,
    shared: &Arc<Shared>,
) -> Result<JoinHandle<()>, StartError> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name("flightline-epochs".to_owned())
        .spawn(move || {
            let collect =
                AssertUnwindSafe(|| collector::run(&reports, workers, &mut sink, &shared));
            if let Err(panic) = catch_unwind(collect) {
                shared.fail("the collector of epochs".to_owned(), &*panic);
            }
        })
        .map_err(|e| StartError::Threads(e.to_string()))
}

fn wait_until_ready(
    ready: &Receiver<Ready>,
    workers: usize,
    shared: &Shared,
) -> Result<Vec<Ready>, StartError> {
    let mut all = Vec::with_capacity(workers);
    while all.len() < workers {
        match ready.recv() {
            Ok(one) => all.push(one),
            Err(_) => return Err(StartError::Failed(shared.failure_or_stopped())),
        }
    }
    Ok(all)
}
