//! Views from outside: epochs in, views come and go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{JoinHandle, Thread};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use parking_lot::Mutex;
use timely::communication::WorkerGuards;

use super::assembler::{Assembler, Report};
use super::board::{Board, Progress, Stage, ViewStatus};
use super::kept::Kept;
use super::worker::{self, Message, Seed};
use crate::changelog::{Epoch, EpochSink, ViewFailure};
use crate::config::{OnFailure, StartError};
use crate::failure::{Failure, Shared};
use crate::reference::Reference;
use crate::sql::View;

/// How views are run.
pub struct ViewsConfig {
    /// Partitions of the stream.
    pub partitions: u32,
    /// Threads, 1 to [`crate::WORKERS_MAX`].
    pub workers: usize,
    /// Views that are there from the beginning.
    pub views: Vec<Arc<View>>,
    /// Names of codes that views can read.
    pub reference: Reference,
    /// Epochs that may wait for the views. Beyond, whoever brings them is held up.
    pub queue_epochs: usize,
    /// Told at once when a thread or the sink panics.
    pub on_failure: Option<OnFailure>,
}

impl ViewsConfig {
    /// One worker, no views yet.
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions,
            workers: 1,
            views: Vec::new(),
            reference: Reference::default(),
            queue_epochs: 1_024,
            on_failure: None,
        }
    }
}

impl std::fmt::Debug for ViewsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewsConfig")
            .field("workers", &self.workers)
            .field("views", &self.views.len())
            .finish_non_exhaustive()
    }
}

/// Runs views: takes epochs, puts in what the views say, and hands them on. Dropping it lets what came go out
/// first.
pub struct Views {
    handle: ViewsHandle,
    guards: Option<WorkerGuards<()>>,
    assembler: Option<JoinHandle<()>>,
}

/// Sees how views stand, and makes them come and go. Cheap to clone.
#[derive(Clone)]
pub struct ViewsHandle {
    inlet: Arc<Mutex<Option<Inlet>>>,
    board: Arc<Board>,
    shared: Arc<Shared>,
}

/// The ways to the threads. One lock: all of them must hear everything in the same order.
struct Inlet {
    workers: Vec<(Sender<Message>, Thread)>,
    assembler: Sender<Report>,
    next_number: u64,
}

/// Why views do not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One has no value for a row, or breaks its key.
    #[error(transparent)]
    View(Arc<ViewFailure>),
    /// The views are not run any more.
    #[error("{0}")]
    Stopped(Failure),
}

/// Views that have come and are not live yet. Dropped, they are gone without a trace.
pub struct Preparation {
    handle: ViewsHandle,
    adds: Vec<u64>,
    ready: Receiver<Result<(), Arc<ViewFailure>>>,
}

impl Views {
    /// Starts the threads. Whole epochs go to `sink`.
    ///
    /// # Errors
    /// When a setting is out of range, or the system gives no threads.
    pub fn start(config: ViewsConfig, sink: impl EpochSink) -> Result<Self, StartError> {
        let mut check = crate::Config::new(config.partitions).with_workers(config.workers);
        check.queue_epochs = config.queue_epochs;
        check.check()?;
        let shared = Arc::new(Shared::new(config.on_failure));
        let board = Arc::new(Board::default());
        let (reports, reported) = unbounded();
        let (ready, readied) = unbounded();
        let (mut seeds, mut inboxes) = (Vec::new(), Vec::new());
        for _ in 0..config.workers {
            let (sender, inbox) = bounded(config.queue_epochs);
            inboxes.push(sender);
            seeds.push(Some(Seed {
                inbox,
                reports: reports.clone(),
                ready: ready.clone(),
                reference: config.reference.clone(),
                of_all: board.of_all.clone(),
            }));
        }
        drop(ready);
        let numbered: Vec<(u64, Arc<View>)> = (0..).zip(config.views).collect();
        let assembler = Assembler::new(sink, Arc::clone(&board), config.workers, numbered.clone());
        let assembling = Arc::clone(&shared);
        let assembler = std::thread::Builder::new()
            .name("flightline-views".to_owned())
            .spawn(move || {
                let work = AssertUnwindSafe(|| assembler.run(&reported, &assembling));
                if let Err(panic) = catch_unwind(work) {
                    assembling.fail("the assembler of views".to_owned(), &*panic);
                }
            })
            .map_err(|error| StartError::Threads(error.to_string()))?;
        let timely = match config.workers {
            1 => timely::Config::thread(),
            workers => timely::Config::process(workers),
        };
        let (seeds, working) = (Mutex::new(seeds), Arc::clone(&shared));
        let guards = timely::execute(timely, move |worker| {
            let seed = seeds.lock()[worker.index()].take();
            if let Some(seed) = seed {
                worker::run(worker, seed, &working);
            }
        })
        .map_err(StartError::Threads)?;
        let mut threads = Vec::with_capacity(config.workers);
        while threads.len() < config.workers {
            match readied.recv() {
                Ok(thread) => threads.push(thread),
                Err(_) => return Err(StartError::Failed(shared.failure_or_stopped())),
            }
        }
        threads.sort_by_key(|(index, _)| *index);
        let threads = threads.into_iter().map(|(_, thread)| thread);
        let inlet = Inlet {
            workers: inboxes.into_iter().zip(threads).collect(),
            assembler: reports,
            next_number: numbered.len() as u64,
        };
        for (number, view) in numbered {
            let progress = Arc::new(Progress::default());
            let entry = Arc::clone(&progress);
            board.add(number, Arc::clone(&view), entry, Stage::Live);
            inlet.tell(&Message::Install(number, view, progress));
        }
        let handle = ViewsHandle {
            inlet: Arc::new(Mutex::new(Some(inlet))),
            board,
            shared,
        };
        Ok(Self {
            handle,
            guards: Some(guards),
            assembler: Some(assembler),
        })
    }

    /// A handle.
    pub fn handle(&self) -> ViewsHandle {
        self.handle.clone()
    }
}

impl EpochSink for Views {
    /// Blocks only while more epochs wait for the views than [`ViewsConfig::queue_epochs`].
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let inlet = self.handle.inlet.lock();
        let Some(inlet) = inlet.as_ref() else {
            return;
        };
        let board = &self.handle.board;
        board.epochs.store(epoch.number + 1, Ordering::Release);
        // When they have failed they have said so: the dataflow goes on without them.
        let _ = inlet.assembler.send(Report::Epoch(Arc::clone(&epoch)));
        inlet.tell(&Message::Epoch(epoch));
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        if let Some(inlet) = self.handle.inlet.lock().take() {
            inlet.close();
        }
        if let Some(guards) = self.guards.take() {
            // Panics were caught and kept as the failure.
            guards.join();
        }
        if let Some(assembler) = self.assembler.take() {
            let _ = assembler.join();
        }
    }
}

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

impl Inlet {
    fn tell(&self, message: &Message) {
        for (inbox, thread) in &self.workers {
            // A worker that is gone has said why.
            let _ = inbox.send(message.clone());
            thread.unpark();
        }
    }

    fn close(self) {
        let Self {
            workers, assembler, ..
        } = self;
        drop(assembler);
        for (inbox, thread) in workers {
            drop(inbox);
            thread.unpark();
        }
    }
}

impl ViewsHandle {
    /// How all views stand, in the order in which they came.
    pub fn list(&self) -> Vec<ViewStatus> {
        self.board.list()
    }

    /// What all views keep together: rows of sources, what several need of them by the same key, and views that
    /// others read.
    pub fn shared(&self) -> Kept {
        self.board.of_all.shared.kept()
    }

    /// When time will next change a view, with no event, in milliseconds from 1970: a record is needed then for it to
    /// be seen. `None` = it will not.
    pub fn due_ms(&self) -> Option<i64> {
        let due = self.board.of_all.dues.next()?;
        // Not before.
        Some(due.div_euclid(1_000) + i64::from(due.rem_euclid(1_000) > 0))
    }

    /// The views that are installed: live, or failed.
    pub fn installed(&self) -> Vec<Arc<View>> {
        let installed = self.board.installed().into_iter();
        installed.map(|(_, view)| view).collect()
    }

    /// Why views are not run any more, if that is so.
    pub fn failure(&self) -> Option<Failure> {
        self.shared.failure().cloned()
    }

    /// Brings views in. They are not seen before [`Preparation::commit`].
    ///
    /// # Errors
    /// When the views are not run any more.
    pub fn prepare(&self, views: Vec<Arc<View>>) -> Result<Preparation, Refusal> {
        let (told, ready) = bounded(1);
        let mut lock = self.inlet.lock();
        let inlet = lock.as_mut().ok_or_else(|| self.stopped())?;
        let mut adds = Vec::new();
        for view in views {
            let number = inlet.next_number;
            inlet.next_number += 1;
            adds.push((number, view, Arc::new(Progress::default())));
        }
        let prepare = Report::Prepare {
            adds: adds.clone(),
            told,
        };
        inlet.send(prepare, self)?;
        for (number, view, progress) in adds.iter().cloned() {
            inlet.tell(&Message::Install(number, view, progress));
        }
        Ok(Preparation {
            handle: self.clone(),
            adds: adds.into_iter().map(|(number, ..)| number).collect(),
            ready,
        })
    }

    fn stopped(&self) -> Refusal {
        Refusal::Stopped(self.shared.failure_or_stopped())
    }
}

impl Inlet {
    fn send(&self, report: Report, handle: &ViewsHandle) -> Result<(), Refusal> {
        self.assembler.send(report).map_err(|_| handle.stopped())
    }
}

impl std::fmt::Debug for ViewsHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewsHandle")
            .field("views", &self.board.list().len())
            .finish_non_exhaustive()
    }
}

impl Preparation {
    /// Waits until the views have read what there is, and keep up. Blocking.
    ///
    /// # Errors
    /// When one cannot be: then none of them is wanted, and this should be dropped.
    pub fn wait(&self) -> Result<(), Refusal> {
        match self.ready.recv() {
            Ok(ready) => ready.map_err(Refusal::View),
            Err(_) => Err(self.handle.stopped()),
        }
    }

    /// Makes them live, and ends the views of these names, in one epoch. Blocking. Only after [`Self::wait`].
    ///
    /// # Errors
    /// When one of them has failed meanwhile: then all is as it was before they came.
    pub fn commit(mut self, ended: &[String]) -> Result<(), Refusal> {
        let adds = std::mem::take(&mut self.adds);
        self.handle.change(adds, ended)
    }
}

impl ViewsHandle {
    /// Ends the views of these names. Blocking.
    ///
    /// # Errors
    /// When the views are not run any more.
    pub fn remove(&self, ended: &[String]) -> Result<(), Refusal> {
        self.change(Vec::new(), ended)
    }

    fn change(&self, adds: Vec<u64>, ended: &[String]) -> Result<(), Refusal> {
        let (told, done) = bounded(1);
        let drops: Vec<u64> = self
            .board
            .installed()
            .into_iter()
            .filter(|(number, view)| ended.contains(&view.name) && !adds.contains(number))
            .map(|(number, _)| number)
            .collect();
        let commit = Report::Commit {
            adds: adds.clone(),
            drops: drops.clone(),
            told,
        };
        {
            let lock = self.inlet.lock();
            let inlet = lock.as_ref().ok_or_else(|| self.stopped())?;
            inlet.send(commit, self)?;
        }
        let result = done.recv().map_err(|_| self.stopped())?;
        let over = if result.is_ok() { drops } else { adds };
        if let Some(inlet) = self.inlet.lock().as_ref() {
            for number in over {
                inlet.tell(&Message::Drop(number));
            }
        }
        result.map_err(Refusal::View)
    }
}

impl Drop for Preparation {
    fn drop(&mut self) {
        if self.adds.is_empty() {
            return;
        }
        let adds = std::mem::take(&mut self.adds);
        if let Some(inlet) = self.handle.inlet.lock().as_ref() {
            for number in &adds {
                inlet.tell(&Message::Drop(*number));
            }
            // When nobody hears it any more there is nothing to give up.
            let _ = inlet.assembler.send(Report::Abort { adds });
        }
    }
}

impl std::fmt::Debug for Preparation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparation")
            .field("views", &self.adds.len())
            .finish_non_exhaustive()
    }
}
