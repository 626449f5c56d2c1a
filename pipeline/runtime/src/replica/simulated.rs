//! A replica in pieces, for simulations: the parts that work on the stream, the same as in a running replica,
//! without the threads that drive them. Whoever simulates says when a piece does its next step, and so in which
//! order everything happens.
//!
//! What is here of a replica: the queue and the appender, the feeder, the dataflow, who waits for what, the
//! desk of orders and the cashier, notices of flights, the index for search, ids of holds, ticks, and who
//! writes the tables. What is not: HTTP, provider feeds and what follows them, webhooks. Providers that are told of
//! sales, and keys of personal data, are there when they are given.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use flightline_api::backend::Backend;
use flightline_connectors::outward::OutwardService;
use flightline_connectors::payments::PaymentService;
use flightline_connectors::vault::KeyStore;
use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_ledger::command::Settings;
use flightline_ledger::order::{OrderSettings, Orders};
use flightline_ledger::{Ledger, ProviderCode};
use flightline_sinks::postgres::Holder;
use flightline_stream::{Checker, Follower, Producer, StreamLog};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::beginning::Beginning;
use super::fanout::Fanout;
use super::history::fold_history;
use super::own::{configure, resume_orders};
use crate::backend::Inner;
use crate::checkpoint::{CheckpointPolicy, Checkpoints, Store, Taken};
use crate::orders::cashier::Cashier;
use crate::orders::courier::{Courier, Ways};
use crate::orders::notices::Notices;
use crate::orders::waits;
use crate::people::People;
use crate::plain::{Plain, both};
use crate::reading::for_each_record;
use crate::sequencer::{Clock, Sequencer};
use crate::several::feeder::{self, Own};
use crate::several::tables::{Tables, ToTables};
use crate::several::takeover::{Step, fold_between, next_step};

/// Passes over the tasks of the replica: more than the longest chain of one waking another.
const TASK_PASSES: usize = 24;

/// What a replica is made of.
pub struct Setup {
    /// The shared stream.
    pub log: Arc<dyn StreamLog>,
    /// Who appends.
    pub producer: Producer,
    /// Names the stream.
    pub stream: u64,
    /// The machine's clock, Unix time in milliseconds.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// The payment service.
    pub payments: Arc<dyn PaymentService>,
    /// Settings of the seats.
    pub settings: Settings,
    /// Settings of the orders.
    pub orders: OrderSettings,
    /// For checkpoints, which are real files.
    pub folder: PathBuf,
    /// Providers that are told of what was sold from their seats. Their asks are not let through one by one: they
    /// run when the replica's tasks do.
    pub ways: Vec<(ProviderCode, Arc<dyn OutwardService>)>,
    /// Keys of personal data, which all replicas share; needed where there are `ways`.
    pub keys: Option<Box<dyn KeyStore>>,
}

/// How far the last epoch went that all sinks have taken, or why there will be no more.
#[derive(Default)]
struct Reached {
    state: Mutex<(Vec<u64>, Option<String>)>,
    changed: Condvar,
}

impl Reached {
    fn note(&self, covers: &[u64]) {
        self.state.lock().0 = covers.to_vec();
        self.changed.notify_all();
    }

    fn fail(&self, why: &str) {
        self.state.lock().1.get_or_insert_with(|| why.to_owned());
        self.changed.notify_all();
    }

    fn wait(&self, until: &[u64]) -> Result<(), String> {
        let mut state = self.state.lock();
        loop {
            if let Some(why) = &state.1 {
                return Err(why.clone());
            }
            let is_there = state.0.iter().zip(until).all(|(have, end)| have >= end);
            if is_there && state.0.len() == until.len() {
                return Ok(());
            }
            self.changed.wait(&mut state);
        }
    }
}

/// The last of the sinks.
struct Last<S> {
    tables: ToTables<S>,
    reached: Arc<Reached>,
}

impl<S: EpochSink> EpochSink for Last<S> {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let covers = epoch.covers.clone();
        self.tables.epoch(epoch);
        if !covers.is_empty() {
            self.reached.note(&covers);
        }
    }
}

/// What a replica that does not write the tables does next about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: another one writes.
    Stand,
    /// It ends the session of the one that has the lock.
    Unseat,
    /// It tries to get the lock.
    Take,
}

/// A replica; `S` stands for the tables.
pub struct Simulated<S: EpochSink> {
    inner: Arc<Inner>,
    own: Own,
    producer: Mutex<Producer>,
    folding: Mutex<Folding>,
    tables: Arc<Tables<S>>,
    reached: Arc<Reached>,
    runtime: Mutex<Runtime>,
    /// What runs for as long as the replica does.
    tasks: Vec<JoinHandle<()>>,
}

struct Folding {
    dataflow: Dataflow,
    checkers: Vec<Checker>,
    follower: Box<dyn Follower>,
}

impl<S: EpochSink> Simulated<S> {
    /// Starts one as a replica starts: folds what the stream has, writes the settings, takes up what orders wait
    /// for. `tables`: what writes them and how far they are, when it is this replica that does.
    ///
    /// # Errors
    /// As a replica's start.
    pub fn start(setup: Setup, tables: Option<(S, Vec<u64>)>) -> anyhow::Result<Self> {
        let Setup { log, producer, .. } = setup;
        anyhow::ensure!(log.is_shared(), "the stream is not shared");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let partitions = log.partitions();
        let sequencer = Arc::new(Sequencer::with_clock(100_000, Clock(setup.clock)));
        let beginning = Beginning {
            log,
            sequencer: sequencer.clone(),
            telemetry: None,
            authorities: Vec::new(),
            feeds: Vec::new(),
            phase: "simulated",
        };
        let (inner, wanted) = beginning.inner();
        inner.ready.store(true, Ordering::Release);
        let desk = inner.desk.clone();
        let cashier = Cashier::new(setup.payments, desk.clone(), sequencer, Some(producer.id()));
        let mut tasks = vec![runtime.spawn(cashier.clone().run(wanted.effects))];
        if let Some(keys) = setup.keys {
            let _ = inner.people.set(People::with(keys));
        }
        let ways: Arc<Ways> = Arc::new(setup.ways.into_iter().collect());
        let courier = Courier::new(ways, desk.clone(), &inner, Some(producer.id()));
        tasks.push(runtime.spawn(courier.clone().run(wanted.outward)));
        let notices = Arc::new(Notices::new(
            partitions,
            inner.serving.clone(),
            desk.clone(),
        ));
        let store = {
            let _on = runtime.enter();
            Store::open(None, &setup.folder)?
        };
        let stream_id = crate::offline::stream_id(setup.stream);
        let checkpoints = Checkpoints::new(store, &stream_id, CheckpointPolicy::default());
        let _ = inner.checkpoints.set(checkpoints);
        let (sink, progress) = tables.unzip();
        let tables = Arc::new(Tables::new(sink, partitions, Vec::new()));
        let reached = Arc::new(Reached::default());
        reached.note(&vec![0; partitions as usize]);
        let fanout = Fanout {
            serving: inner.serving.clone(),
            holds: inner.holds.clone(),
            notices: notices.clone(),
            webhooks: None,
            telemetry: None,
            tables: Box::new(Last {
                tables: ToTables(tables.clone()),
                reached: reached.clone(),
            }),
            retired: Vec::new(),
        };
        let failing = reached.clone();
        // One worker: with several, who is told first is not the same every time.
        let (dataflow, history) =
            fold_history(&inner, 1, progress.as_deref(), fanout, move |why| {
                failing.fail(why)
            })?;
        let ends: Vec<u64> = offsets(&history.checkers);
        reached.wait(&ends).map_err(anyhow::Error::msg)?;
        configure(&inner, setup.settings, setup.orders)?;
        let reader = inner.dataflow.get().context("the dataflow is not there")?;
        tasks.push(runtime.spawn(waits::run_in_turn(
            desk,
            reader.clone(),
            partitions,
            wanted.looks,
        )));
        resume_orders(&inner, &notices, &cashier, &courier)?;
        inner.sequencer.open();
        let follower = inner.log.follow(&ends)?;
        Ok(Self {
            own: Own::new(&producer, partitions),
            producer: Mutex::new(producer),
            folding: Mutex::new(Folding {
                dataflow,
                checkers: history.checkers,
                follower,
            }),
            inner,
            tables,
            reached,
            runtime: Mutex::new(runtime),
            tasks,
        })
    }

    /// What clients ask.
    pub fn backend(&self) -> Arc<dyn Backend> {
        self.inner.clone()
    }

    /// Commands that wait to be appended.
    pub fn waiting(&self) -> usize {
        self.inner.sequencer.waiting()
    }

    /// Appends what waits.
    ///
    /// # Errors
    /// The stream cannot be written.
    pub fn append(&self) -> Result<(), String> {
        let mut taken = Vec::new();
        self.inner.sequencer.next(Some(Duration::ZERO), &mut taken);
        let mut producer = self.producer.lock();
        feeder::append_taken(&self.inner, &self.own, &mut producer, &mut taken)
            .map_err(|e| e.to_string())
    }

    /// Folds what has come, as one epoch, and returns when every sink has taken it. Gives the number of records.
    ///
    /// # Errors
    /// The stream cannot be read, or an invariant is broken.
    pub fn fold(&self) -> Result<usize, String> {
        let folding = &mut *self.folding.lock();
        let frames = folding.follower.next(Duration::ZERO);
        let frames = frames.map_err(|e| e.to_string())?;
        let mut records = Vec::new();
        let mut count = 0;
        for frame in &frames {
            let (dataflow, checkers) = (&mut folding.dataflow, &mut folding.checkers);
            feeder::take_frame(
                &self.inner,
                &self.own,
                checkers,
                frame,
                &mut records,
                |full| Ok(dataflow.send(full)?),
            )
            .map_err(|e| e.to_string())?;
            count += frame.len();
        }
        if count == 0 {
            return Ok(0);
        }
        let sent = folding.dataflow.send(records);
        sent.map_err(|e| e.to_string())?;
        let closed = folding.dataflow.close_epoch();
        closed.map_err(|e| e.to_string())?;
        self.reached.wait(&offsets(&folding.checkers))?;
        Ok(count)
    }

    /// Runs the replica's tasks until none has anything to do.
    pub fn run_tasks(&self) {
        self.runtime.lock().block_on(async {
            for _ in 0..TASK_PASSES {
                tokio::task::yield_now().await;
            }
        });
        if self.tasks.iter().any(JoinHandle::is_finished) {
            self.reached
                .fail("a task of the replica has ended, which it does by a panic only");
        }
        self.quiet();
    }

    /// Waits for questions that were put to the folds.
    pub fn quiet(&self) {
        if let Some(reader) = self.inner.dataflow.get() {
            // There is one worker, which answers in the order in which it was asked.
            let _ = reader.with_ledger(0, |_| ());
        }
    }

    /// Appends ticks where something is due.
    ///
    /// # Errors
    /// The dataflow has failed.
    pub fn tick(&self) -> Result<(), String> {
        self.inner.tick().map_err(|e| e.to_string())
    }

    /// The clock that all share is so far ahead of this machine's.
    pub fn set_clock(&self, ahead_ms: i64) {
        self.inner.sequencer.set_clock(ahead_ms, 0);
    }

    /// Offset after the last record that was folded, by partition.
    pub fn folded(&self) -> Vec<u64> {
        offsets(&self.folding.lock().checkers)
    }

    /// Running hashes of the records that were folded, by partition.
    pub fn hashes(&self) -> Vec<u128> {
        let folding = self.folding.lock();
        folding.checkers.iter().map(|c| c.state().hash).collect()
    }

    /// Digests of the state, by partition; the invariants of all of it are checked on the way.
    ///
    /// # Errors
    /// The dataflow has failed.
    pub fn digests(&self) -> Result<Vec<u128>, String> {
        let each = 0..self.inner.partitions;
        each.map(|partition| {
            let seats = self.ask(partition, |ledger: &Ledger| {
                ledger.check_invariants();
                ledger.hash_state()
            })?;
            let orders = self.ask_orders(partition, |orders| {
                orders.check_invariants();
                orders.hash_state()
            })?;
            Ok(both(seats, orders))
        })
        .collect()
    }

    /// Asks the folds of a partition.
    ///
    /// # Errors
    /// The dataflow has failed.
    pub fn ask<R: Send + 'static>(
        &self,
        partition: u32,
        question: impl FnOnce(&Ledger) -> R + Send + 'static,
    ) -> Result<R, String> {
        let reader = self.inner.dataflow.get().ok_or("no dataflow")?;
        reader
            .with_ledger(partition, question)
            .map_err(|e| e.to_string())
    }

    /// Asks the orders of a partition.
    ///
    /// # Errors
    /// The dataflow has failed.
    pub fn ask_orders<R: Send + 'static>(
        &self,
        partition: u32,
        question: impl FnOnce(&Orders) -> R + Send + 'static,
    ) -> Result<R, String> {
        let reader = self.inner.dataflow.get().ok_or("no dataflow")?;
        reader
            .with_orders(partition, question)
            .map_err(|e| e.to_string())
    }

    /// Makes a checkpoint of what the tables have.
    ///
    /// # Errors
    /// As a running replica's.
    pub fn checkpoint(&self, covered: &[u64]) -> anyhow::Result<Taken> {
        let checkpoints = self.inner.checkpoints.get();
        let checkpoints = checkpoints.context("the checkpoints are not there")?;
        Ok(checkpoints.take(&*self.inner.log, covered)?)
    }

    /// Does it write the tables?
    pub fn is_writing(&self) -> bool {
        self.tables.is_writing()
    }

    /// Another one writes the tables from now on.
    pub fn stand(&self) {
        self.tables.stand();
    }

    /// Begins to take the tables over, when it is as far as they are: gives how far it is itself, and keeps its
    /// epochs from there on.
    pub fn gather(&self, progress: &[u64]) -> Option<Vec<u64>> {
        self.tables.gather(progress).map(|(until, _)| until)
    }

    /// Takes the tables over: gives the sink what lies between, and its own epochs from then on.
    ///
    /// # Errors
    /// The stream cannot be folded.
    pub fn take_over(&self, progress: &[u64], until: &[u64], sink: S) -> anyhow::Result<()> {
        match fold_between(&self.inner, Vec::new(), progress, until, sink) {
            Ok(sink) => {
                self.tables.write(sink);
                Ok(())
            }
            Err(error) => {
                self.tables.stand();
                Err(error)
            }
        }
    }
}

fn offsets(checkers: &[Checker]) -> Vec<u64> {
    checkers.iter().map(|c| c.state().next_offset).collect()
}

/// What a replica that does not write the tables does, when the one that has the lock has been silent for so
/// long; `None` = nobody has it.
pub fn turn(silent: Option<Duration>) -> Next {
    match next_step(silent.map(|silent| Holder { pid: 0, silent })) {
        Step::Stand => Next::Stand,
        Step::Unseat(_) => Next::Unseat,
        Step::Take => Next::Take,
    }
}

/// Folds the whole log the plain way: the decisions' digest and state of each partition, and whether orders and
/// seats agree.
///
/// # Errors
/// The stream cannot be read, or what it says cannot be.
pub fn fold_plainly(log: &dyn StreamLog) -> Result<Vec<u128>, String> {
    let partitions = log.partitions();
    let mut folds = Plain::all(partitions);
    for (partition, fold) in (0..).zip(&mut folds) {
        let end = log.end_offset(partition).map_err(|e| e.to_string())?;
        for_each_record(log, partition, end, |record| {
            fold.apply(&record.input);
            true
        })
        .map_err(|e| e.to_string())?;
    }
    if let Some(difference) = crate::plain::disagreement(&folds) {
        return Err(difference);
    }
    Ok(folds.iter().map(Plain::hash_state).collect())
}
