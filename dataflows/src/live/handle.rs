//! Views from outside: epochs in, views come and go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded, unbounded};
use parking_lot::Mutex;
use timely::communication::WorkerGuards;

use super::assembler::{Assembler, Report};
use super::board::{Board, Progress, Stage, ViewStatus};
use super::inlet::Inlet;
use super::kept::Kept;
use super::recent::{History, Past, Request, windows};
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
    /// Knows what was decided before the first epoch, or before a view came. Without it views that read `decisions`
    /// are only taken before the first epoch, when that is no snapshot.
    pub history: Option<Arc<dyn History>>,
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
            history: None,
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
    /// Reads what was decided before the first epoch.
    looking_back: Option<JoinHandle<()>>,
}

/// Sees how views stand, and makes them come and go. Cheap to clone.
#[derive(Clone)]
pub struct ViewsHandle {
    inlet: Arc<Mutex<Option<Inlet>>>,
    board: Arc<Board>,
    shared: Arc<Shared>,
    history: Option<Arc<dyn History>>,
    /// Nobody waits any more for what was decided before.
    is_leaving: Arc<AtomicBool>,
    /// Held while decisions are put aside, which is done for one preparation at a time.
    aside: Arc<Mutex<()>>,
}

/// Who it is that failed then.
const LOOKING_BACK: &str = "reading what was decided before";

/// A view that comes, the number that it is shown under, and how far it is.
pub(super) type Add = (u64, Arc<View>, Arc<Progress>);

/// Why views do not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One has no value for a row, or breaks its key.
    #[error(transparent)]
    View(Arc<ViewFailure>),
    /// One reads `decisions`, and what was decided before it came cannot be told.
    #[error("what was decided before cannot be read: {0}")]
    Past(String),
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
        let mut inlet = Inlet::new(inboxes.into_iter().zip(threads).collect(), reports);
        inlet.next_number = numbered.len() as u64;
        for (number, view) in numbered {
            let progress = Arc::new(Progress::default());
            let entry = Arc::clone(&progress);
            board.add(number, Arc::clone(&view), entry, Stage::Live);
            let install = Message::Install(number, Arc::clone(&view), progress);
            inlet.install(install, number, &view);
        }
        let handle = ViewsHandle {
            inlet: Arc::new(Mutex::new(Some(inlet))),
            board,
            shared,
            history: config.history,
            is_leaving: Arc::default(),
            aside: Arc::default(),
        };
        Ok(Self {
            handle,
            guards: Some(guards),
            assembler: Some(assembler),
            looking_back: None,
        })
    }

    /// A handle.
    pub fn handle(&self) -> ViewsHandle {
        self.handle.clone()
    }

    /// The workers wait, with the snapshot, for what was decided in it and may still be wanted; others do not.
    fn look_back(&self, inlet: &Inlet, request: Request) -> Option<JoinHandle<()>> {
        let told = Arc::new(Past::default());
        inlet.tell(&Message::Begin(Arc::clone(&told)));
        let handle = self.handle.clone();
        let work = move || {
            let history = handle.history.as_ref();
            let read = AssertUnwindSafe(|| request.read(history, |_, _| !handle.is_over()));
            let shared = &handle.shared;
            match catch_unwind(read) {
                Ok(Ok(Some(rows))) => told.tell(rows),
                // Nothing has gone out: the next start begins at the same place.
                Ok(Ok(None)) => shared.stop(),
                Ok(Err(why)) => shared.fail(LOOKING_BACK.to_owned(), &why),
                Err(panic) => shared.fail(LOOKING_BACK.to_owned(), &*panic),
            }
        };
        let thread = std::thread::Builder::new().name("flightline-past".to_owned());
        match thread.spawn(work) {
            Ok(thread) => Some(thread),
            Err(error) => {
                let shared = &self.handle.shared;
                shared.fail(LOOKING_BACK.to_owned(), &error.to_string());
                None
            }
        }
    }
}

impl EpochSink for Views {
    /// Blocks only while more epochs wait for the views than [`ViewsConfig::queue_epochs`].
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let mut inlet = self.handle.inlet.lock();
        let Some(inlet) = inlet.as_mut() else {
            return;
        };
        inlet.note(&epoch);
        if epoch.is_snapshot {
            let windows = inlet.windows();
            if !windows.is_empty() {
                self.looking_back = self.look_back(inlet, inlet.looks_back(windows));
            }
        }
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
        if let Some(looking_back) = self.looking_back.take() {
            // It has said so if it panicked.
            let _ = looking_back.join();
        }
    }
}

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
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

    /// Whoever runs the views is about to end: what was decided before is read no further. Views that wait for it do
    /// not come, and at a start, which goes nowhere without it, all views stop.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire) || self.shared.is_stopped()
    }

    /// Brings views in. They are not seen before [`Preparation::commit`]. Blocks while it is read what was decided
    /// before, when one of them is the first to ask for it.
    ///
    /// # Errors
    /// When the views are not run any more, or what was decided before cannot be read.
    pub fn prepare(&self, views: Vec<Arc<View>>) -> Result<Preparation, Refusal> {
        let wanted = windows(views.iter().map(|view| view.running_plan()));
        let _alone = (!wanted.is_empty()).then(|| self.aside.lock());
        let mut lock = self.inlet.lock();
        let inlet = lock.as_mut().ok_or_else(|| self.stopped())?;
        let adds = inlet.number(views);
        // Before the first epoch there is nothing to look back at; and when that is a snapshot, it is done then.
        if inlet.covers.is_empty() || !inlet.lacks(&wanted) {
            return self.bring(inlet, adds);
        }
        inlet.tell(&Message::PutAside(Arc::new(wanted.clone())));
        // As far as the longest needs, for all of them: what is kept now may go meanwhile.
        let request = inlet.looks_back(wanted);
        drop(lock);
        let mut looking = LookingBack::begin(self, &adds);
        looking.show(0, request.records());
        let history = self.history.as_ref();
        let read = request.read(history, |read, of| {
            looking.show(read, of);
            !self.is_over()
        });
        let rows = read.map_err(Refusal::Past)?;
        let rows = rows.ok_or_else(|| self.stopped())?;
        let mut lock = self.inlet.lock();
        let inlet = lock.as_mut().ok_or_else(|| self.stopped())?;
        inlet.tell(&Message::Remember(Arc::new(rows)));
        let brought = self.bring(inlet, adds.clone())?;
        looking.is_done = true;
        inlet.tell(&Message::GoOn);
        Ok(brought)
    }

    fn bring(&self, inlet: &mut Inlet, adds: Vec<Add>) -> Result<Preparation, Refusal> {
        let (told, ready) = bounded(1);
        let prepare = Report::Prepare {
            adds: adds.clone(),
            told,
        };
        inlet.assembler.send(prepare).map_err(|_| self.stopped())?;
        for (number, view, progress) in adds.iter().cloned() {
            let install = Message::Install(number, Arc::clone(&view), progress);
            inlet.install(install, number, &view);
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

/// Views for which it is read what was decided before. Whatever comes of it, workers go on afterwards, and what did not
/// come is not shown.
struct LookingBack<'h> {
    handle: &'h ViewsHandle,
    adds: &'h [Add],
    /// The assembler has them.
    is_done: bool,
}

impl<'h> LookingBack<'h> {
    fn begin(handle: &'h ViewsHandle, adds: &'h [Add]) -> Self {
        for (number, view, progress) in adds {
            let (view, progress) = (Arc::clone(view), Arc::clone(progress));
            handle
                .board
                .add(*number, view, progress, Stage::LookingBack);
        }
        Self {
            handle,
            adds,
            is_done: false,
        }
    }

    fn show(&self, read: u64, of: u64) {
        for (_, _, progress) in self.adds {
            progress.past.0.store(read, Ordering::Relaxed);
            progress.past.1.store(of, Ordering::Relaxed);
        }
    }
}

impl Drop for LookingBack<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        for (number, ..) in self.adds {
            self.handle.board.remove(*number);
        }
        if let Some(inlet) = self.handle.inlet.lock().as_ref() {
            inlet.tell(&Message::GoOn);
        }
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
            inlet.assembler.send(commit).map_err(|_| self.stopped())?;
        }
        let result = done.recv().map_err(|_| self.stopped())?;
        let over = if result.is_ok() { drops } else { adds };
        if let Some(inlet) = self.inlet.lock().as_mut() {
            for number in over {
                inlet.drop_view(number);
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
        if let Some(inlet) = self.handle.inlet.lock().as_mut() {
            for number in &adds {
                inlet.drop_view(*number);
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
