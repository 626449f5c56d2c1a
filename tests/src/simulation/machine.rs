//! One machine: its disk, which stays, and the process that runs on it, which comes and goes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use flightline_connectors::payments::Sandbox;
use flightline_ledger::command::Settings;
use flightline_ledger::order::OrderSettings;
use flightline_runtime::simulation::{Setup, Simulated};
use flightline_stream::embedded::simulated::Disk;
use flightline_stream::fluvio::simulated::{SimulatedLog, Surroundings};
use flightline_stream::mutant::Mutant;
use flightline_stream::{StreamError, StreamLog};

use super::baton::{At, Runner};
use super::database::Sink;
use super::payments::Service;
use super::topic::Host;
use super::world::Shared;

/// Which thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The one that appends.
    Writer,
    /// The one that reads what others write.
    Reader,
}

/// What a process is made of once it has started.
struct Parts {
    log: Option<Arc<SimulatedLog>>,
    replica: Option<Arc<Simulated<Sink>>>,
    sink: Option<Sink>,
    failed: Option<String>,
}

/// A machine.
pub(super) struct Machine {
    index: usize,
    world: Shared,
    books: Arc<Sandbox>,
    folder: PathBuf,
    partitions: u32,
    around: Surroundings,
    mutants: Mutants,
    writer: Option<Runner>,
    reader: Option<Runner>,
    parts: Arc<Mutex<Parts>>,
}

/// Faults of our own that are turned on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mutants {
    pub(super) stream: Option<Mutant>,
    pub(super) forgets_ids: bool,
}

impl Machine {
    pub(super) fn new(
        index: usize,
        world: Shared,
        books: Arc<Sandbox>,
        folder: PathBuf,
        partitions: u32,
        mutants: Mutants,
    ) -> Self {
        let host = Arc::new(Host {
            world: world.clone(),
            machine: index,
        });
        let producer = world.lock().new_id();
        Self {
            index,
            books,
            folder,
            partitions,
            around: Surroundings {
                topic: "topic".to_owned(),
                cluster: host.clone(),
                disk: Disk::default(),
                disk_host: host,
                producer,
            },
            mutants,
            writer: None,
            reader: None,
            parts: Arc::new(Mutex::new(Parts {
                log: None,
                replica: None,
                sink: None,
                failed: None,
            })),
            world,
        }
    }

    fn parts<R>(&self, look: impl FnOnce(&mut Parts) -> R) -> R {
        look(&mut self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Is there a process, started or starting?
    pub(super) fn is_up(&self) -> bool {
        self.writer.is_some()
    }

    /// The replica, once it has started.
    pub(super) fn replica(&self) -> Option<Arc<Simulated<Sink>>> {
        self.parts(|parts| parts.replica.clone())
    }

    pub(super) fn log(&self) -> Option<Arc<SimulatedLog>> {
        self.parts(|parts| parts.log.clone())
    }

    /// Its way to the tables, if it writes them.
    pub(super) fn sink(&self) -> Option<Sink> {
        self.parts(|parts| parts.sink.clone())
    }

    pub(super) fn set_sink(&self, sink: Option<Sink>) {
        self.parts(|parts| parts.sink = sink);
    }

    /// Why the process cannot go on.
    pub(super) fn failed(&self) -> Option<String> {
        self.parts(|parts| parts.failed.clone())
    }

    pub(super) fn fail(&self, why: String) {
        self.parts(|parts| {
            parts.failed.get_or_insert(why);
        });
    }

    /// Records that are in the copy and not folded.
    pub(super) fn is_behind(&self) -> bool {
        let (Some(replica), Some(log)) = (self.replica(), self.log()) else {
            return false;
        };
        log.log()
            .end_offsets()
            .is_ok_and(|ends| ends != replica.folded())
    }

    /// Starts a process.
    pub(super) fn start(&mut self) {
        let outside = &mut self.world.lock().machines[self.index];
        outside.is_killed = false;
        outside.disk_failed = false;
        self.writer = Some(Runner::start(self.mutants.stream));
        self.reader = Some(Runner::start(self.mutants.stream));
        let (around, folder, partitions) =
            (self.around.clone(), self.folder.clone(), self.partitions);
        let (world, books, parts) = (self.world.clone(), self.books.clone(), self.parts.clone());
        let (index, forgets_ids) = (self.index, self.mutants.forgets_ids);
        self.run(Which::Writer, move || {
            let starting = Starting {
                world,
                books,
                around,
                folder,
                partitions,
                index,
                forgets_ids,
            };
            let mut all = parts.lock().unwrap_or_else(PoisonError::into_inner);
            drop(std::mem::replace(
                &mut *all,
                Parts {
                    log: None,
                    replica: None,
                    sink: None,
                    failed: None,
                },
            ));
            drop(all);
            let started = starting.run(&parts);
            let mut all = parts.lock().unwrap_or_else(PoisonError::into_inner);
            match started {
                Ok((replica, sink)) => {
                    all.replica = Some(Arc::new(replica));
                    all.sink = sink;
                }
                Err(why) => all.failed = Some(why),
            }
        });
    }

    fn runner(&self, which: Which) -> Option<&Runner> {
        match which {
            Which::Writer => self.writer.as_ref(),
            Which::Reader => self.reader.as_ref(),
        }
    }

    /// Where a thread is.
    pub(super) fn at(&self, which: Which) -> At {
        self.runner(which).map_or(At::Idle, Runner::at)
    }

    /// May a thread go on, or begin, now?
    pub(super) fn may_run(&self, which: Which, now_ms: u64) -> bool {
        let other = match which {
            Which::Writer => Which::Reader,
            Which::Reader => Which::Writer,
        };
        let is_awake = match self.at(which) {
            At::Asleep { until_ms, .. } => until_ms <= now_ms,
            _ => true,
        };
        is_awake && !self.at(other).writes()
    }

    fn run(&self, which: Which, job: impl FnOnce() + Send + 'static) {
        if let Some(runner) = self.runner(which)
            && let Err(panic) = runner.go_on(Some(Box::new(job)))
        {
            self.fail(format!("PANIC {panic}"));
        }
    }

    /// Lets a thread go on from where it stopped.
    pub(super) fn go_on(&self, which: Which) {
        if let Some(runner) = self.runner(which)
            && let Err(panic) = runner.go_on(None)
        {
            self.fail(format!("PANIC {panic}"));
        }
    }

    /// Begins to append what waits.
    pub(super) fn append(&self) {
        let (Some(replica), parts) = (self.replica(), self.parts.clone()) else {
            return;
        };
        self.run(Which::Writer, move || {
            if let Err(why) = replica.append() {
                let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
                parts.failed.get_or_insert(why);
            }
        });
    }

    /// Begins to read what others wrote.
    pub(super) fn look(&self) {
        let (Some(log), parts) = (self.log(), self.parts.clone()) else {
            return;
        };
        self.run(Which::Reader, move || {
            if let Err(why) = log.look() {
                let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
                parts.failed.get_or_insert(why.to_string());
            }
        });
    }

    /// Ends the process, wherever it is. What is on its disk stays.
    pub(super) fn kill(&mut self) {
        self.world.lock().machines[self.index].is_killed = true;
        let mut steps = 0;
        let both = [Which::Writer, Which::Reader];
        // The one that the other may wait for goes first.
        while let Some(which) = both
            .into_iter()
            .find(|which| self.at(*which) != At::Idle && self.may_run(*which, u64::MAX))
        {
            self.go_on(which);
            steps += 1;
            assert!(
                steps < 100_000,
                "machine {}: a thread does not end: it stands at {:?}",
                self.index,
                self.at(which)
            );
        }
        let (replica, log) = self.parts(|parts| {
            parts.sink = None;
            (parts.replica.take(), parts.log.take())
        });
        if let Some(log) = &log {
            log.kill();
        }
        drop(replica);
        drop(log);
        self.writer = None;
        self.reader = None;
    }

    /// The records of its copy, by partition. Only while there is no process.
    pub(super) fn copied(&self) -> Result<Vec<Vec<Vec<u8>>>, String> {
        self.world.lock().machines[self.index].is_killed = false;
        let copy = self.around.copy(&self.folder, self.partitions);
        let copy = copy.map_err(|e| e.to_string())?;
        let each = 0..self.partitions;
        each.map(|partition| {
            let batch = copy.read(partition, 0, usize::MAX, usize::MAX);
            let batch = batch.map_err(|e| e.to_string())?;
            Ok(batch.records().map(|(_, record)| record.to_vec()).collect())
        })
        .collect()
    }

    /// Fills a topic of this name from its copy, and works on that one from then on. Only while there is no
    /// process.
    pub(super) fn rebuild(&mut self, topic: &str) -> Result<u64, StreamError> {
        self.around.topic = topic.to_owned();
        self.world.lock().machines[self.index].is_killed = false;
        let report = self.around.rebuild(&self.folder, self.partitions);
        report.map(|r| r.added_to_topic)
    }

    /// Its disk is another, and empty. Only while there is no process.
    pub(super) fn lose_disk(&self) {
        self.around.disk.wipe();
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = std::fs::create_dir_all(&self.folder);
    }

    /// The place in the topic that was written down is lost.
    pub(super) fn lose_place(&self) {
        let _ = std::fs::remove_file(self.folder.join("stream.fluvio"));
    }
}

/// A start that is under way, on the writer's thread.
struct Starting {
    world: Shared,
    books: Arc<Sandbox>,
    around: Surroundings,
    folder: PathBuf,
    partitions: u32,
    index: usize,
    forgets_ids: bool,
}

impl Starting {
    fn run(self, parts: &Mutex<Parts>) -> Result<(Simulated<Sink>, Option<Sink>), String> {
        let joined = SimulatedLog::join(&self.around, &self.folder, self.partitions);
        let log = Arc::new(joined.map_err(|e| e.to_string())?);
        parts.lock().unwrap_or_else(PoisonError::into_inner).log = Some(log.clone());
        let tables = self.open_tables();
        let progress = tables.as_ref().map(|(_, progress)| progress.clone());
        // What the tables have may be on its way here.
        loop {
            let ends = log.log().end_offsets().map_err(|e| e.to_string())?;
            let progress = progress.iter().flatten();
            if progress.zip(&ends).all(|(have, end)| have <= end) {
                break;
            }
            if self.world.lock().machines[self.index].is_killed {
                return Err("it was ended while it started".to_owned());
            }
            log.look().map_err(|e| e.to_string())?;
        }
        let (world, index) = (self.world.clone(), self.index);
        let setup = Setup {
            log: log.log().clone(),
            producer: log.log().producer(),
            stream: log.log().stream_id(),
            clock: Arc::new(move || world.lock().clock_of(index)),
            payments: Arc::new(Service {
                world: self.world.clone(),
                machine: self.index,
                books: self.books,
                forgets_ids: self.forgets_ids,
            }),
            settings: Settings::default(),
            orders: OrderSettings {
                ask_again_max_ms: 5_000,
                ..OrderSettings::default()
            },
            folder: self.folder,
            ways: Vec::new(),
            keys: None,
        };
        let sink = tables.as_ref().map(|(sink, _)| sink.clone());
        let replica = Simulated::start(setup, tables).map_err(|e| format!("{e:#}"))?;
        Ok((replica, sink))
    }

    fn open_tables(&self) -> Option<(Sink, Vec<u64>)> {
        let world = &mut *self.world.lock();
        if world.machines[self.index].is_cut_from_tables {
            return None;
        }
        let session = world.database.take_lock(self.index, world.now_ms)?;
        let progress = world.database.progress.clone();
        Some((Sink::new(self.index, session, &progress), progress))
    }
}
