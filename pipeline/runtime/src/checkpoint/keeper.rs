//! When checkpoints are made, how many are kept, and what of the stream goes with the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flightline_stream::StreamLog;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::CheckpointError;
use super::manifest::Manifest;
use super::store::Store;
use super::take::{Order, take};

/// How checkpoints are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointPolicy {
    /// Where; absent = a folder in the data directory.
    pub url: Option<String>,
    /// One is made when the tables have so many records more than the last one; 0 = never by number.
    pub every_records: u64,
    /// One is made when the last one is so old and the tables have more; zero = never by time.
    pub every: Duration,
    /// How many are kept, at least 1.
    pub keep: usize,
    /// Forget what of the stream is before the oldest checkpoint that is kept.
    pub trim: bool,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self {
            url: None,
            every_records: 1_000_000,
            every: Duration::from_secs(900),
            keep: 3,
            trim: false,
        }
    }
}

/// Counters, for metrics.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Checkpoints made since the start.
    pub(crate) taken: AtomicU64,
    /// Attempts that failed since the start.
    pub(crate) failed: AtomicU64,
    /// Size of the newest, in bytes.
    pub(crate) bytes: AtomicU64,
    /// How long the newest took, in milliseconds.
    pub(crate) took_ms: AtomicU64,
    /// When the newest was made, Unix time in milliseconds; 0 = there is none.
    pub(crate) taken_at_ms: AtomicI64,
    /// Records that the newest covers.
    pub(crate) records: AtomicU64,
    /// Records of the stream that were trimmed away, in all.
    pub(crate) trimmed: AtomicU64,
}

/// What came of making a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its number.
    pub id: u64,
    /// Records that it covers.
    pub records: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// False: there was one at these offsets already.
    pub is_new: bool,
    /// Records of the stream that were trimmed away behind the oldest one kept.
    pub trimmed: u64,
}

/// Makes and keeps the checkpoints of one stream.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    store: Store,
    stream: String,
    policy: CheckpointPolicy,
    stats: Stats,
    stopped: AtomicBool,
    /// One at a time.
    busy: Mutex<()>,
}

/// After a failure the next attempt waits so long.
const RETRY: Duration = Duration::from_secs(30);

/// How far the thread that makes a checkpoint steps back behind all others of the machine; 19 is the most.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// How often the keeper looks.
const LOOK: Duration = Duration::from_millis(500);

impl Checkpoints {
    pub(crate) fn new(store: Store, stream: &str, policy: CheckpointPolicy) -> Arc<Self> {
        Arc::new(Self {
            store,
            stream: stream.to_owned(),
            policy,
            stats: Stats::default(),
            stopped: AtomicBool::new(false),
            busy: Mutex::new(()),
        })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// A start went on from this one.
    pub(crate) fn note(&self, manifest: &Manifest) {
        let stats = &self.stats;
        stats.bytes.store(manifest.bytes(), Ordering::Relaxed);
        stats.took_ms.store(manifest.took_ms, Ordering::Relaxed);
        stats.records.store(manifest.records(), Ordering::Relaxed);
        stats
            .taken_at_ms
            .store(manifest.taken_at_ms, Ordering::Relaxed);
    }

    /// Makes a checkpoint at these offsets, removes what is not kept, trims. Blocking; the work is done by
    /// a thread of its own, whoever asked for it, which gives way to all others.
    pub(crate) fn take(
        &self,
        log: &dyn StreamLog,
        until: &[u64],
    ) -> Result<Taken, CheckpointError> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("flightline-checkpoints".to_owned())
                .spawn_scoped(scope, || {
                    // Of this thread alone, which only Linux can. Where it is not allowed, the work is as urgent
                    // as any other.
                    #[cfg(target_os = "linux")]
                    let _ = rustix::process::nice(NICE);
                    self.take_here(log, until)
                })
                .map_err(CheckpointError::Thread)?;
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn take_here(&self, log: &dyn StreamLog, until: &[u64]) -> Result<Taken, CheckpointError> {
        let _one_at_a_time = self.busy.lock();
        let order = Order {
            log,
            store: &self.store,
            stream: &self.stream,
            until,
            is_stopped: &|| self.stopped.load(Ordering::Relaxed),
        };
        let made = take(&order);
        if made.is_err() {
            self.stats.failed.fetch_add(1, Ordering::Relaxed);
        }
        let made = made?;
        if let Some(manifest) = &made {
            self.note(manifest);
            self.stats.taken.fetch_add(1, Ordering::Relaxed);
            tracing::info!(
                checkpoint = manifest.id,
                records = manifest.records(),
                bytes = manifest.bytes(),
                took_ms = manifest.took_ms,
                "checkpoint made"
            );
        }
        self.remove_surplus()?;
        let trimmed = if self.policy.trim {
            self.trim_behind(log, self.policy.keep)?
        } else {
            0
        };
        let newest = match &made {
            Some(manifest) => manifest.clone(),
            None => self.newest()?,
        };
        Ok(Taken {
            id: newest.id,
            records: newest.records(),
            bytes: newest.bytes(),
            took_ms: newest.took_ms,
            is_new: made.is_some(),
            trimmed,
        })
    }

    fn newest(&self) -> Result<Manifest, CheckpointError> {
        let entries = self.store.list()?;
        let mut good = entries.into_iter().filter_map(|entry| entry.manifest.ok());
        good.next().ok_or(CheckpointError::Damaged {
            id: 0,
            what: "the checkpoint that was there a moment ago is gone".to_owned(),
        })
    }

    /// Keeps the newest good ones. One that cannot be read is not counted, and goes with those that
    /// are older than what is kept.
    fn remove_surplus(&self) -> Result<(), CheckpointError> {
        let mut good = 0;
        for entry in self.store.list()? {
            if good >= self.policy.keep.max(1) {
                self.store.remove(entry.id)?;
                continue;
            }
            good += usize::from(entry.manifest.is_ok());
        }
        Ok(())
    }

    /// Trims the stream behind the oldest checkpoint that is kept, after reading every one of them
    /// whole. Returns how many records went.
    pub(crate) fn trim(&self, log: &dyn StreamLog) -> Result<u64, CheckpointError> {
        let _one_at_a_time = self.busy.lock();
        self.trim_behind(log, 1)
    }

    /// As [`Checkpoints::trim`]; does nothing while there are fewer than so many.
    fn trim_behind(&self, log: &dyn StreamLog, at_least: usize) -> Result<u64, CheckpointError> {
        let low_waters = log.low_waters()?;
        let mut offsets: Option<Vec<u64>> = None;
        let mut good = 0;
        for entry in self.store.list()? {
            let Ok(manifest) = entry.manifest else {
                continue;
            };
            if manifest.stream != self.stream || manifest.parts.len() != low_waters.len() {
                continue;
            }
            match self.check(&manifest) {
                Ok(()) => {
                    offsets = Some(manifest.offsets());
                    good += 1;
                }
                // The next run trims.
                Err(CheckpointError::Stopped) => return Ok(0),
                // What a damaged one covers must stay, or the next older one is of no use.
                Err(error) => {
                    tracing::error!("{error}; nothing is trimmed while it is there");
                    return Ok(0);
                }
            }
        }
        let Some(offsets) = offsets else {
            return Err(CheckpointError::Unfit {
                id: 0,
                why: "there is no good checkpoint to trim the stream behind; make one with `flightline checkpoint take`".to_owned(),
            });
        };
        if good < at_least {
            return Ok(0);
        }
        let before: Vec<(u32, u64)> = (0..).zip(offsets.iter().copied()).collect();
        log.trim_all(&before)?;
        let gone = low_waters.iter().zip(&offsets);
        let gone = gone.map(|(low, now)| now.saturating_sub(*low)).sum();
        self.stats.trimmed.fetch_add(gone, Ordering::Relaxed);
        if gone > 0 {
            tracing::info!(
                records = gone,
                "the stream was trimmed behind the oldest checkpoint"
            );
        }
        Ok(gone)
    }

    /// Reads a checkpoint whole, one partition after the other, and forgets it again.
    fn check(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        for partition in 0..manifest.parts.len() as u32 {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(CheckpointError::Stopped);
            }
            self.store.get_part(manifest, partition)?;
        }
        Ok(())
    }

    /// Starts the thread that makes checkpoints by the policy. `covered` says what the tables have.
    pub(crate) fn start(
        self: &Arc<Self>,
        log: Arc<dyn StreamLog>,
        covered: impl Fn() -> Option<Arc<[u64]>> + Send + 'static,
    ) -> std::io::Result<Keeper> {
        let (stop, stopped) = crossbeam_channel::bounded::<()>(1);
        let checkpoints = self.clone();
        let thread = std::thread::Builder::new()
            .name("flightline-keeper".to_owned())
            .spawn(move || {
                let mut last = Instant::now();
                let mut not_before = Instant::now();
                while stopped.recv_timeout(LOOK)
                    == Err(crossbeam_channel::RecvTimeoutError::Timeout)
                {
                    let Some(until) = covered() else { continue };
                    if Instant::now() < not_before || !checkpoints.is_due(&until, last) {
                        continue;
                    }
                    match checkpoints.take(&*log, &until) {
                        Ok(_) => last = Instant::now(),
                        Err(CheckpointError::Stopped) => break,
                        Err(error) => {
                            tracing::error!(
                                "no checkpoint was made: {error}; a start folds from the one before. Tried again in {} s",
                                RETRY.as_secs()
                            );
                            not_before = Instant::now() + RETRY;
                        }
                    }
                }
            })?;
        Ok(Keeper {
            checkpoints: self.clone(),
            stop,
            thread,
        })
    }

    fn is_due(&self, until: &[u64], last: Instant) -> bool {
        let have = self.stats.records.load(Ordering::Relaxed);
        let more = until.iter().sum::<u64>().saturating_sub(have);
        let policy = &self.policy;
        let by_number = policy.every_records > 0 && more >= policy.every_records;
        let by_time = !policy.every.is_zero() && more > 0 && last.elapsed() >= policy.every;
        by_number || by_time
    }
}

/// The thread that makes checkpoints.
pub(crate) struct Keeper {
    checkpoints: Arc<Checkpoints>,
    stop: crossbeam_channel::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Keeper {
    /// Ends it; a checkpoint that is being made is given up.
    pub(crate) fn stop(self) {
        self.checkpoints.stopped.store(true, Ordering::Relaxed);
        let _ = self.stop.try_send(());
        let _ = self.thread.join();
    }
}
