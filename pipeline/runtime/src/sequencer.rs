//! The one writer of the embedded stream: takes commands from a bounded queue, gives each its place
//! in its partition, makes the whole group durable with one sync, and hands it to the dataflow.
//!
//! While one group is being synced the next one gathers in the queue: the more wait, the larger the
//! groups, so that throughput rises with load and a lone command pays for one sync only. There is no
//! timer and no batch size to tune.
//!
//! A command is answered after it is durable, since its record reaches the dataflow only then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use flightline_api::backend::{Submit, SubmitError};
use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::Record;
use flightline_dataflows::rows::Note;
use flightline_ledger::command::FeedCommand;
use flightline_ledger::{Command, FlightCommand, Input, ProviderCode};
use flightline_stream::{Draft, Group, Producer, StreamError, StreamLog};
use parking_lot::{Condvar, Mutex};

use crate::provider_stats::Report;
use crate::telemetry::Telemetry;
use crate::waiters::{Waiter, Waiters};

/// The most records in one group: bounds the memory of a group and the time until its answers.
pub(crate) const GROUP_RECORDS_MAX: usize = 16_384;

/// The most bytes of records in one group, approximately.
pub(crate) const GROUP_BYTES_MAX: usize = 16 << 20;

/// An epoch is kept open past a group while this many records of closed epochs are not through.
const BACKLOG_RECORDS_MAX: u64 = 4_096;

/// Under load an epoch is kept open this long: what an epoch costs by itself, in the views and in the
/// sinks, is then paid two hundred times a second and not once a group. Answers do not wait for it.
const EPOCH_MIN: Duration = Duration::from_millis(5);

/// The most records in one epoch, however far the dataflow is behind.
const EPOCH_RECORDS_MAX: u64 = 65_536;

/// How far the clock of this machine may be from the one that several replicas share before stamps follow
/// that one, in milliseconds.
const SKEW_MAX_MS: i64 = 2_000;

/// A command, where it goes and who waits for it.
#[derive(Debug)]
pub struct Job {
    /// The partition.
    pub partition: u32,
    /// The command.
    pub submit: Submit,
    /// Who waits.
    pub waiter: Waiter,
}

impl Job {
    /// The record that it becomes.
    pub(crate) fn draft(&self, at_ms: i64) -> Draft<'_> {
        Draft {
            id: self.submit.id,
            at_ms,
            command: &self.submit.command,
            ref_text: self.submit.ref_text.as_deref(),
            actor: self.submit.actor.as_deref(),
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    closed: Option<Arc<str>>,
    idle: bool,
    stop: bool,
    /// Nothing is taken from it any more.
    ended: bool,
}

/// Counters of the writer, for metrics.
#[derive(Debug, Default)]
pub struct SequencerStats {
    /// Groups made durable.
    pub groups: AtomicU64,
    /// Records made durable.
    pub records: AtomicU64,
    /// Time spent in appends, in microseconds.
    pub append_us: AtomicU64,
    /// The longest append so far, in microseconds.
    pub append_us_max: AtomicU64,
    /// Commands turned away because the queue was full.
    pub overloaded: AtomicU64,
}

/// Where the time comes from: Unix time in milliseconds.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Fn() -> i64 + Send + Sync>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&(self.0)()).finish()
    }
}

/// The queue in front of the stream. The thread that empties it runs [`Sequencer::run`].
#[derive(Debug)]
pub struct Sequencer {
    queue: Mutex<Queue>,
    wake: Condvar,
    queue_max: usize,
    clock: Clock,
    last_at_ms: AtomicI64,
    /// What the clock is put right by, in milliseconds.
    correction_ms: AtomicI64,
    /// The latest time that another replica's record has.
    seen_at_ms: AtomicI64,
    running: AtomicBool,
    stats: SequencerStats,
    /// Absent = nothing is recorded in traces.
    telemetry: Option<Arc<Telemetry>>,
}

/// Why the writer ended before it was stopped.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The stream cannot be written.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The dataflow has failed.
    #[error(transparent)]
    Dataflow(#[from] flightline_dataflows::Failure),
}

/// Unix time in milliseconds. The only place of the replica that reads the clock for the stream.
fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

impl Sequencer {
    /// A queue of at most `queue_max` commands. It is closed until [`Sequencer::open`].
    pub fn new(queue_max: usize) -> Self {
        Self::with_clock(queue_max, Clock(Arc::new(now_ms)))
    }

    /// As [`Sequencer::new`], by another clock than this machine's.
    pub fn with_clock(queue_max: usize, clock: Clock) -> Self {
        Self {
            clock,
            queue: Mutex::new(Queue {
                closed: Some("it is still folding its history".into()),
                ..Queue::default()
            }),
            wake: Condvar::new(),
            queue_max,
            last_at_ms: AtomicI64::new(i64::MIN),
            correction_ms: AtomicI64::new(0),
            seen_at_ms: AtomicI64::new(i64::MIN),
            telemetry: None,
            running: AtomicBool::new(false),
            stats: SequencerStats::default(),
        }
    }

    /// From now on commands are taken.
    pub fn open(&self) {
        self.queue.lock().closed = None;
    }

    /// From now on commands are refused with this reason; those in the queue are still appended.
    pub fn close(&self, why: &str) {
        let mut queue = self.queue.lock();
        if queue.closed.is_none() {
            queue.closed = Some(why.into());
        }
    }

    /// Why commands are refused, if they are.
    pub fn closed(&self) -> Option<Arc<str>> {
        self.queue.lock().closed.clone()
    }

    /// Ends [`Sequencer::run`] once the queue is empty.
    pub fn stop(&self) {
        let mut queue = self.queue.lock();
        queue.stop = true;
        self.wake.notify_one();
    }

    /// Commands that wait now.
    pub fn waiting(&self) -> usize {
        self.queue.lock().jobs.len()
    }

    /// Counters.
    pub fn stats(&self) -> &SequencerStats {
        &self.stats
    }

    /// The same, with commands recorded in traces.
    pub(crate) fn recorded(self, telemetry: Option<Arc<Telemetry>>) -> Self {
        Self { telemetry, ..self }
    }

    pub(crate) fn telemetry(&self) -> Option<&Telemetry> {
        self.telemetry.as_deref()
    }

    /// Queues one command.
    pub fn push(&self, job: Job) -> Result<(), SubmitError> {
        self.push_with(1, |jobs| jobs.push(job))
    }

    /// Queues `count` commands, all or none. `fill` pushes exactly so many.
    pub fn push_with(
        &self,
        count: usize,
        fill: impl FnOnce(&mut Vec<Job>),
    ) -> Result<(), SubmitError> {
        let mut queue = self.queue.lock();
        if let Some(why) = &queue.closed {
            return Err(SubmitError::Unavailable { why: why.clone() });
        }
        if queue.jobs.len() + count > self.queue_max {
            self.stats
                .overloaded
                .fetch_add(count as u64, Ordering::Relaxed);
            return Err(SubmitError::Overloaded {
                retry_after_ms: self.drain_ms(queue.jobs.len()),
            });
        }
        fill(&mut queue.jobs);
        if queue.idle {
            queue.idle = false;
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Queues a record of the replica's own, whatever the queue's bound and even while it is closed
    /// to others.
    pub fn push_own(&self, job: Job) {
        let mut queue = self.queue.lock();
        queue.jobs.push(job);
        if queue.idle {
            queue.idle = false;
            self.wake.notify_one();
        }
    }

    /// How long so many commands will take, from the rate so far.
    fn drain_ms(&self, waiting: usize) -> u64 {
        let records = self.stats.records.load(Ordering::Relaxed).max(1);
        let us = self.stats.append_us.load(Ordering::Relaxed).max(1);
        (waiting as u64 * us / records / 1000).clamp(20, 2_000)
    }

    /// The next commands, or `None` when there are no more and there will be none. With `patience`
    /// an empty answer is given when nothing came in that time.
    pub(crate) fn next(&self, patience: Option<Duration>, taken: &mut Vec<Job>) -> bool {
        let mut queue = self.queue.lock();
        while queue.jobs.is_empty() {
            if queue.stop || queue.ended {
                return false;
            }
            queue.idle = true;
            match patience {
                None => self.wake.wait(&mut queue),
                Some(d) => {
                    let timed_out = self.wake.wait_for(&mut queue, d).timed_out();
                    queue.idle = false;
                    if timed_out && queue.jobs.is_empty() {
                        return true;
                    }
                }
            }
        }
        queue.idle = false;
        std::mem::swap(&mut queue.jobs, taken);
        true
    }

    /// Appends what is queued until [`Sequencer::stop`], or until the stream fails. On failure the
    /// queue is closed with the reason, and everybody who waits is let go: their outcome is unknown,
    /// and asking again with the same id finds it out.
    pub fn run(
        &self,
        log: &dyn StreamLog,
        mut producer: Producer,
        dataflow: &mut Dataflow,
        waiters: &Waiters,
    ) -> Result<(), WriteError> {
        assert!(
            !self.running.swap(true, Ordering::AcqRel),
            "a stream has one writer: two were started"
        );
        let mut taken = Vec::new();
        let mut group = Group::new();
        let mut places = Vec::new();
        let mut bases = vec![0; log.partitions() as usize];
        let mut epoch_open = false;
        // The first epoch after a pause is closed at once.
        let mut closed_at: Option<Instant> = None;
        loop {
            let patience = epoch_open.then(|| patience(closed_at));
            if !self.next(patience, &mut taken) {
                break;
            }
            let mut rest = taken.drain(..).peekable();
            while rest.peek().is_some() {
                group.clear();
                places.clear();
                let at_ms = self.stamp();
                let mut jobs = Vec::with_capacity(rest.len().min(GROUP_RECORDS_MAX));
                while group.len() < GROUP_RECORDS_MAX && group.bytes() < GROUP_BYTES_MAX {
                    let Some(job) = rest.next() else { break };
                    match producer.push(&mut group, job.partition, &job.draft(at_ms)) {
                        Ok(place) => {
                            places.push(place);
                            jobs.push(job);
                        }
                        // Sizes are checked where commands come in. One that slips through is
                        // dropped with its waiter, whose request fails; nothing was appended.
                        Err(error) => tracing::error!(%error, "a command cannot be written"),
                    }
                }
                let (started, tracing) = (Instant::now(), self.telemetry());
                let mut recorded = Vec::new();
                if let Some(telemetry) = tracing {
                    let begun = SystemTime::now();
                    let of = jobs
                        .iter_mut()
                        .filter_map(|job| telemetry.begun(job, begun));
                    recorded.extend(of);
                }
                let ticket = match producer.append(log, &group) {
                    Ok(ticket) => ticket,
                    Err(error) => {
                        self.close(&format!("its stream cannot be written: {error}"));
                        drop(jobs);
                        drop(rest);
                        self.queue.lock().jobs.clear();
                        tracing::error!(%error, "the stream cannot be written; no more commands are taken");
                        return Err(error.into());
                    }
                };
                self.note(started.elapsed(), group.len());
                if let Some(telemetry) = tracing {
                    telemetry.group(&recorded, started.elapsed(), group.len());
                }
                for (partition, base) in &ticket.bases {
                    bases[*partition as usize] = *base;
                }
                let mut records = Vec::with_capacity(jobs.len());
                for (job, place) in jobs.into_iter().zip(&places) {
                    let offset = bases[job.partition as usize] + u64::from(*place);
                    let report = report_of(&job.submit.command);
                    let waiter = match tracing {
                        None => job.waiter,
                        Some(telemetry) => {
                            let command = &job.submit.command;
                            telemetry.placed(job.waiter, command, job.partition, offset)
                        }
                    };
                    if report.is_some() || !matches!(waiter, Waiter::None) {
                        waiters.register(job.partition, offset, waiter, report);
                    }
                    records.push(Record {
                        partition: job.partition,
                        input: Input {
                            offset,
                            at_ms,
                            id: job.submit.id,
                            command: job.submit.command,
                        },
                        note: note_of(job.submit.ref_text, job.submit.actor),
                    });
                }
                dataflow.send(records)?;
                epoch_open = true;
                if is_due(dataflow, closed_at) {
                    dataflow.close_epoch()?;
                    epoch_open = false;
                    closed_at = Some(Instant::now());
                }
            }
            drop(rest);
            if epoch_open && is_due(dataflow, closed_at) {
                dataflow.close_epoch()?;
                epoch_open = false;
                closed_at = Some(Instant::now());
            }
        }
        if epoch_open {
            dataflow.close_epoch()?;
        }
        Ok(())
    }

    /// The time that a record would get now, Unix time in milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.clock_ms()
            .max(self.last_at_ms.load(Ordering::Relaxed))
            .max(self.seen_at_ms.load(Ordering::Relaxed))
    }

    /// The clock, put right where it is known to be far off.
    fn clock_ms(&self) -> i64 {
        let clock_ms = (self.clock.0)();
        clock_ms.saturating_add(self.correction_ms.load(Ordering::Relaxed))
    }

    /// A record of this time is in the stream.
    pub(crate) fn note_clock(&self, at_ms: i64) {
        self.seen_at_ms.fetch_max(at_ms, Ordering::Relaxed);
    }

    /// The clock that several replicas share is so far ahead of this machine's, give or take the error.
    /// Stamps stay within [`SKEW_MAX_MS`] of it.
    pub(crate) fn set_clock(&self, ahead_ms: i64, error_ms: i64) {
        let limit = SKEW_MAX_MS.saturating_add(error_ms);
        let correction = match ahead_ms.saturating_abs() > limit {
            true => ahead_ms,
            false => 0,
        };
        let before = self.correction_ms.swap(correction, Ordering::Relaxed);
        if (before == 0) != (correction == 0) {
            match correction {
                0 => tracing::info!("the clock of this machine is right again"),
                _ => tracing::error!(
                    ahead_ms,
                    "the clock of this machine differs from the database's: records get the database's time. Set \
                     the clock"
                ),
            }
        }
    }

    /// What the clock is put right by, in milliseconds; 0 = it is right.
    pub(crate) fn correction_ms(&self) -> i64 {
        self.correction_ms.load(Ordering::Relaxed)
    }

    /// Lets go of everybody whose command was not taken.
    pub(crate) fn forget_waiting(&self) {
        self.queue.lock().jobs.clear();
    }

    /// Ends [`Sequencer::next`] for good, and lets go of all who wait.
    pub(crate) fn stop_taking(&self) {
        let mut queue = self.queue.lock();
        queue.jobs.clear();
        queue.ended = true;
        self.wake.notify_all();
    }

    /// Waits for [`Sequencer::stop`] without taking anything.
    pub fn wait_for_stop(&self) {
        let mut queue = self.queue.lock();
        while !queue.stop {
            queue.jobs.clear();
            queue.idle = true;
            self.wake.wait(&mut queue);
        }
    }

    /// The time of the next group: the clock's, but never earlier than the last.
    pub(crate) fn stamp(&self) -> i64 {
        let now = self.clock_ms();
        self.last_at_ms.fetch_max(now, Ordering::Relaxed).max(now)
    }

    pub(crate) fn note(&self, took: Duration, records: usize) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.stats.groups.fetch_add(1, Ordering::Relaxed);
        self.stats
            .records
            .fetch_add(records as u64, Ordering::Relaxed);
        self.stats.append_us.fetch_add(us, Ordering::Relaxed);
        self.stats.append_us_max.fetch_max(us, Ordering::Relaxed);
    }
}

/// How long to wait for more before the open epoch is looked at again.
pub(crate) fn patience(closed_at: Option<Instant>) -> Duration {
    let left = closed_at.map(|at| EPOCH_MIN.saturating_sub(at.elapsed()));
    // Not zero: when it is time already, the dataflow is behind, and looking again needs a pause.
    left.unwrap_or_default().max(Duration::from_millis(1))
}

/// Is it time to close the open epoch? While the dataflow is behind, epochs grow, which makes each
/// record cheaper; but never beyond a bound, so that views keep coming.
pub(crate) fn is_due(dataflow: &Dataflow, closed_at: Option<Instant>) -> bool {
    let open = dataflow.open_records();
    let closed = dataflow.backlog().records.saturating_sub(open);
    let is_long_open = closed_at.is_none_or(|at| at.elapsed() >= EPOCH_MIN);
    let is_full = open >= BACKLOG_RECORDS_MAX;
    (closed < BACKLOG_RECORDS_MAX && (is_long_open || is_full)) || open >= EPOCH_RECORDS_MAX
}

/// What a record carries besides its command.
pub fn note_of(ref_text: Option<Box<str>>, actor: Option<Box<str>>) -> Option<Box<Note>> {
    (ref_text.is_some() || actor.is_some()).then(|| Box::new(Note { ref_text, actor }))
}

/// The provider that a record is counted for, if any.
pub fn report_of(command: &Command) -> Option<(ProviderCode, Report)> {
    match command {
        Command::Flight(_, FlightCommand::Provider(event)) => {
            // What a provider answers to orders is no report of its feed.
            let report = (event.provider, Report::Event(event.version));
            (!event.answers_order()).then_some(report)
        }
        Command::FeedReject(reject) => Some((reject.provider, Report::Reject)),
        Command::Feed(provider, command) => match **command {
            FeedCommand::Numbered(numbered) => Some((*provider, Report::Numbered(numbered))),
            _ => None,
        },
        _ => None,
    }
}
