//! Two threads in the place of the one writer: one appends what this replica's clients ask, the other folds
//! the stream as it is, this replica's records among those of others.
//!
//! Where an own record lies is known when it comes back. Own records of a partition come back in the order
//! in which they were appended, so that a queue for each partition is all that leads from a record to
//! who waits for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::Record;
use flightline_ledger::Input;
use flightline_stream::{Checker, Fault, Frame, Group, Producer, StreamError};
use parking_lot::Mutex;

use crate::backend::Inner;
use crate::reading::take_view;
use crate::replica::note_record;
use crate::sequencer::{
    GROUP_BYTES_MAX, GROUP_RECORDS_MAX, Job, is_due, note_of, patience, report_of,
};
use crate::waiters::Waiter;

/// Between two looks at a stream in which nothing happens.
const IDLE: Duration = Duration::from_millis(50);

/// Records folded together.
const BATCH: usize = 8_192;

/// What this replica appended and has not folded yet.
#[derive(Debug)]
pub(crate) struct Own {
    producer: u64,
    /// By partition.
    queues: Vec<Mutex<VecDeque<Job>>>,
    /// Nothing more will be appended.
    done: AtomicBool,
}

/// Why the stream is not folded on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Damaged(#[from] Fault),
    #[error(transparent)]
    Dataflow(#[from] flightline_dataflows::Failure),
}

impl Own {
    pub(crate) fn new(producer: &Producer, partitions: u32) -> Self {
        Self {
            producer: producer.id(),
            queues: (0..partitions).map(|_| Mutex::default()).collect(),
            done: AtomicBool::new(false),
        }
    }

    fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.lock().is_empty())
    }

    /// Lets go of everybody who waits for what was not folded.
    pub(crate) fn drop_all(&self) {
        for queue in &self.queues {
            queue.lock().clear();
        }
    }
}

/// Appends what is queued until the sequencer is stopped, or the stream fails: then the queue is closed
/// with the reason, and everybody who waits is let go.
pub(crate) fn append(inner: &Inner, own: &Own, mut producer: Producer) -> Result<(), StreamError> {
    let mut taken = Vec::new();
    while inner.sequencer.next(None, &mut taken) {
        append_taken(inner, own, &mut producer, &mut taken)?;
    }
    own.done.store(true, Ordering::Release);
    Ok(())
}

/// Appends what was taken from the queue, and leaves it empty.
pub(crate) fn append_taken(
    inner: &Inner,
    own: &Own,
    producer: &mut Producer,
    taken: &mut Vec<Job>,
) -> Result<(), StreamError> {
    let sequencer = &inner.sequencer;
    let mut group = Group::new();
    let mut rest = taken.drain(..).peekable();
    while rest.peek().is_some() {
        group.clear();
        let at_ms = sequencer.stamp();
        let mut jobs = Vec::with_capacity(rest.len().min(GROUP_RECORDS_MAX));
        while group.len() < GROUP_RECORDS_MAX && group.bytes() < GROUP_BYTES_MAX {
            let Some(job) = rest.next() else { break };
            match producer.push(&mut group, job.partition, &job.draft(at_ms)) {
                Ok(_) => jobs.push(job),
                // Sizes are checked where commands come in. One that slips through is dropped with
                // its waiter, whose request fails; nothing was appended.
                Err(error) => tracing::error!(%error, "a command cannot be written"),
            }
        }
        let (records, tracing) = (group.len(), sequencer.telemetry());
        let mut recorded = Vec::new();
        if let Some(telemetry) = tracing {
            let begun = SystemTime::now();
            let of = jobs
                .iter_mut()
                .filter_map(|job| telemetry.begun(job, begun));
            recorded.extend(of);
        }
        // Before they can come back.
        for job in jobs {
            own.queues[job.partition as usize].lock().push_back(job);
        }
        let started = Instant::now();
        if let Err(error) = producer.append(&*inner.log, &group) {
            sequencer.close(&format!("its stream cannot be written: {error}"));
            drop(rest);
            sequencer.forget_waiting();
            own.drop_all();
            tracing::error!(%error, "the stream cannot be written; no more commands are taken");
            own.done.store(true, Ordering::Release);
            return Err(error);
        }
        sequencer.note(started.elapsed(), records);
        if let Some(telemetry) = tracing {
            telemetry.group(&recorded, started.elapsed(), records);
        }
    }
    Ok(())
}

/// Folds the stream from where the checkers are, until everything that this replica appended is folded
/// and nothing more will be.
pub(crate) fn fold(
    inner: &Inner,
    own: &Own,
    checkers: &mut [Checker],
    dataflow: &mut Dataflow,
) -> Result<(), FeedError> {
    let from: Vec<u64> = checkers.iter().map(|c| c.state().next_offset).collect();
    let mut follower = inner.log.follow(&from)?;
    let mut epoch_open = false;
    // The first epoch after a pause is closed at once.
    let mut closed_at: Option<Instant> = None;
    loop {
        let wait = match epoch_open {
            true => patience(closed_at),
            false => IDLE,
        };
        // Looked at before: what is appended then is in what comes, or was folded.
        let is_done = own.done.load(Ordering::Acquire);
        let frames = follower.next(wait)?;
        if frames.is_empty() && is_done && own.is_empty() {
            break;
        }
        for frame in &frames {
            let mut records = Vec::with_capacity(frame.len().min(BATCH));
            take_frame(inner, own, checkers, frame, &mut records, |full| {
                dataflow.send(full)?;
                if is_due(dataflow, closed_at) {
                    dataflow.close_epoch()?;
                    closed_at = Some(Instant::now());
                }
                Ok(())
            })?;
            if !records.is_empty() {
                dataflow.send(records)?;
            }
            epoch_open = true;
        }
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

/// Makes records of a frame, and leads those that this replica appended to who waits for them. `full` gets
/// them as they become many; the rest stays in `records`.
pub(crate) fn take_frame(
    inner: &Inner,
    own: &Own,
    checkers: &mut [Checker],
    frame: &Frame,
    records: &mut Vec<Record>,
    mut full: impl FnMut(Vec<Record>) -> Result<(), FeedError>,
) -> Result<(), FeedError> {
    let partition = frame.partition();
    let checker = &mut checkers[partition as usize];
    let mut hashes = Vec::with_capacity(frame.len());
    for (offset, bytes) in frame {
        let view = checker.check(offset, bytes)?;
        hashes.push((checker.state().next_offset, checker.state().hash));
        let header = *view.header();
        inner.sequencer.note_clock(header.at_ms);
        if header.stamp.producer == own.producer {
            let job = own.queues[partition as usize].lock().pop_front();
            // After a failure nobody waits any more: it is folded as another's would be.
            if let Some(job) = job {
                assert!(
                    job.submit.id == header.id,
                    "partition {partition}: offset {offset} is not what this replica appended there"
                );
                inner.waiters.note_own(partition, offset);
                let report = report_of(&job.submit.command);
                let waiter = match inner.sequencer.telemetry() {
                    None => job.waiter,
                    Some(telemetry) => {
                        let command = &job.submit.command;
                        telemetry.placed(job.waiter, command, partition, offset)
                    }
                };
                if report.is_some() || !matches!(waiter, Waiter::None) {
                    inner.waiters.register(partition, offset, waiter, report);
                }
                records.push(Record {
                    partition,
                    input: Input {
                        offset,
                        at_ms: header.at_ms,
                        id: job.submit.id,
                        command: job.submit.command,
                    },
                    note: note_of(job.submit.ref_text, job.submit.actor),
                });
                continue;
            }
        }
        let record = take_view(&view, partition, offset)?;
        note_record(inner, &record);
        records.push(record);
        if records.len() >= BATCH {
            full(std::mem::take(records))?;
        }
    }
    if let Some(rings) = inner.rings.get() {
        rings.note(partition, &hashes);
    }
    Ok(())
}
