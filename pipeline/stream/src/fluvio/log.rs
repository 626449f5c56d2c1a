//! The log: group commit over topic and copy, and reading from the copy.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::broker::Cluster;
use super::chain::Chain;
use super::cluster::TcpCluster;
use super::config::FluvioConfig;
use super::copy::CatchUp;
use super::cursor;
use super::interrupt::Interrupt;
use super::session::{FluvioStats, Session};
use super::writer::Writer;
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::frame::Batch;
use crate::group::{GROUP_BYTES_MAX, Group};
use crate::key::PartitionId;
use crate::port::{Follower, Scan, StreamLog, Ticket};
use crate::producer::Producer;

/// The place in the topic is written down this often: what a restart after a crash reads again.
const CURSOR_EVERY: Duration = Duration::from_secs(10);

/// Closing waits this long for a cluster that does not answer.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A stream in a Fluvio topic, written by this process, with a copy on this machine.
pub struct FluvioLog {
    copy: EmbeddedLog,
    config: FluvioConfig,
    /// Whoever commits has it.
    writer: Mutex<Writer>,
    state: Mutex<State>,
    changed: Condvar,
    interrupt: Arc<Interrupt>,
    stats: Arc<FluvioStats>,
    stream: u64,
    epoch: u32,
}

struct State {
    pending: Group,
    /// The number that the pending group will get.
    pending_number: u64,
    /// Groups numbered below are durable.
    committed: u64,
    committing: bool,
    /// End offsets with everything submitted.
    submitted_ends: Vec<u64>,
    failed: Option<StreamError>,
    cursor_at: Instant,
}

/// What opening found, for the log file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) added: u64,
    pub(super) compared: u64,
}

impl FluvioLog {
    /// Opens the topic for writing: creates it when it is not there, checks it, takes the right to
    /// write, and brings the copy up to its end.
    pub fn open(config: FluvioConfig) -> Result<Self, StreamError> {
        let cluster = TcpCluster::new(&config)?;
        cluster.prepare()?;
        Self::open_on(config, Arc::new(cluster))
    }

    pub(super) fn open_on(
        config: FluvioConfig,
        cluster: Arc<dyn Cluster>,
    ) -> Result<Self, StreamError> {
        let copy = EmbeddedLog::open(config.copy.clone())?;
        let interrupt = Arc::new(Interrupt::default());
        let (writer, opened) = attach(&config, &copy, cluster, &interrupt, Start::WhereItWas)?;
        let ends = copy.end_offsets()?;
        let topic_ends = writer.chains.iter().map(|c| c.next_offset);
        if let Some((partition, (topic, end))) = (0..)
            .zip(topic_ends.zip(&ends))
            .find(|(_, (topic, end))| topic < *end)
        {
            return Err(StreamError::TopicLost {
                cluster: writer.session.name(),
                partition,
                what: format!(
                    "it ends at offset {topic} of the stream, and the copy in {} at {end}",
                    config.copy.path.display()
                ),
            });
        }
        let stream = writer.chains.first().map_or(0, |c| c.stream);
        tracing::info!(
            topic = writer.session.name(),
            stream = format!("{stream:016x}"),
            term = writer.term(),
            added = opened.added,
            compared = opened.compared,
            "the copy is at the end of the topic"
        );
        let log = Self {
            copy,
            stats: writer.session.stats.clone(),
            stream,
            epoch: writer.term(),
            state: Mutex::new(State {
                pending: Group::new(),
                pending_number: 0,
                committed: 0,
                committing: false,
                submitted_ends: ends,
                failed: None,
                cursor_at: Instant::now(),
            }),
            writer: Mutex::new(writer),
            changed: Condvar::new(),
            interrupt,
            config,
        };
        log.save_cursor(&lock(&log.writer))?;
        Ok(log)
    }

    /// The producer of this opening: its epoch was never used before. Every call gives the same
    /// identity, so call it once, and share what it gives.
    pub fn producer(&self) -> Producer {
        Producer::new(self.copy.producer_id(), self.epoch, self.partitions())
    }

    /// Id of the stream in the topic: the same for every replica.
    pub fn stream_id(&self) -> u64 {
        self.stream
    }

    /// Counters.
    pub fn stats(&self) -> &FluvioStats {
        &self.stats
    }

    fn save_cursor(&self, writer: &Writer) -> Result<(), StreamError> {
        let path = self.config.cursor_path();
        cursor::save(&path, &self.config.topic, &writer.chains)
    }

    /// Commits what is pending, or waits for whoever is at it.
    fn lead_or_wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.committing {
            return wait(&self.changed, state);
        }
        state.committing = true;
        state.pending_number += 1;
        let number = state.pending_number;
        let group = std::mem::take(&mut state.pending);
        let is_cursor_due = state.cursor_at.elapsed() >= CURSOR_EVERY;
        drop(state);

        // If anything panics, others must not wait for ever.
        let guard = PanicGuard(self);
        let result = self.commit(&group, is_cursor_due);
        std::mem::forget(guard);

        let mut state = lock(&self.state);
        state.committing = false;
        match result {
            Ok(()) => state.committed = number,
            Err(e) => {
                tracing::error!(error = %e, "an append failed; the stream takes no more");
                state.failed = Some(e);
            }
        }
        if is_cursor_due {
            state.cursor_at = Instant::now();
        }
        self.changed.notify_all();
        state
    }

    fn commit(&self, group: &Group, is_cursor_due: bool) -> Result<(), StreamError> {
        let mut writer = lock(&self.writer);
        writer.append(group)?;
        self.copy.append(group)?;
        if is_cursor_due && let Err(e) = self.save_cursor(&writer) {
            // Only makes the next start slower.
            tracing::warn!(error = %e, "the place in the topic cannot be written down");
        }
        Ok(())
    }
}

/// From where the topic is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// From what was written down, if that can be.
    WhereItWas,
    /// From its start, comparing everything.
    Zero,
}

/// Opens the topic for writing and brings the copy to its end.
pub(super) fn attach(
    config: &FluvioConfig,
    copy: &EmbeddedLog,
    cluster: Arc<dyn Cluster>,
    interrupt: &Arc<Interrupt>,
    start: Start,
) -> Result<(Writer, Opened), StreamError> {
    let partitions = config.copy.partitions;
    let ends = copy.end_offsets()?;
    let saved = cursor::load(&config.cursor_path(), partitions);
    // A stream keeps its id in whatever topic it is, and when it comes from an embedded one.
    let stream = saved.as_ref().map_or(0, |s| s.chains[0].stream);
    let stream = if stream == 0 {
        copy.producer_id()
    } else {
        stream
    };
    let saved = saved.filter(|s| start == Start::WhereItWas && s.topic == config.topic);
    // A copy that was put back from a backup may be older than what was written down.
    let is_in_copy = |chains: &Vec<Chain>| {
        let mut pairs = chains.iter().zip(&ends);
        pairs.all(|(c, end)| c.next_offset <= *end)
    };
    let saved = saved.map(|s| s.chains).filter(is_in_copy);
    let chains = saved.unwrap_or_else(|| (0..partitions).map(Chain::new).collect());
    let session = Session::new(cluster);
    let name = session.name();
    let mut catch_up = CatchUp::new(copy, name, config.copy.path.clone())?;
    // Not the copy's id: a folder that was copied to another machine must not pass for this one.
    let id = RandomState::new().build_hasher().finish();
    let mut writer = Writer::new(session, id, chains, interrupt.clone());
    writer.new_stream = stream.max(1);
    writer.give_up = Some(Instant::now() + config.open_patience);
    let read = writer.open(&mut |frame| catch_up.take(&frame));
    // What was read is right, whatever came after it.
    catch_up.flush()?;
    read?;
    writer.give_up = None;
    let opened = Opened {
        added: catch_up.added,
        compared: catch_up.compared,
    };
    Ok((writer, opened))
}

impl StreamLog for FluvioLog {
    fn partitions(&self) -> u32 {
        self.config.copy.partitions
    }

    fn submit(&self, group: &Group) -> Result<Ticket, StreamError> {
        group.check(self.partitions())?;
        let mut state = lock(&self.state);
        loop {
            if let Some(first) = &state.failed {
                return Err(poisoned(first));
            }
            let after = state.pending.bytes() + group.bytes();
            if state.pending.is_empty() || after <= GROUP_BYTES_MAX {
                break;
            }
            state = self.lead_or_wait(state);
        }
        // Before it is in the topic, where it could not be taken back.
        self.copy
            .check_room(state.pending.bytes() + group.bytes())?;
        let state = &mut *state;
        let mut bases = Vec::new();
        for (partition, count, payload) in group.parts() {
            let end = &mut state.submitted_ends[partition as usize];
            state.pending.push_payload(partition, count, payload);
            bases.push((partition, *end));
            *end += u64::from(count);
        }
        Ok(Ticket {
            number: state.pending_number,
            bases,
        })
    }

    fn wait(&self, ticket: &Ticket) -> Result<(), StreamError> {
        let mut state = lock(&self.state);
        loop {
            if ticket.number < state.committed || ticket.bases.is_empty() {
                return Ok(());
            }
            if let Some(first) = &state.failed {
                return Err(first.clone());
            }
            state = self.lead_or_wait(state);
        }
    }

    fn read(
        &self,
        partition: PartitionId,
        from_offset: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError> {
        self.copy
            .read(partition, from_offset, records_max, bytes_max)
    }

    fn scan(&self, from: &[u64]) -> Result<Scan, StreamError> {
        self.copy.scan(from)
    }

    fn follow(&self, from: &[u64]) -> Result<Box<dyn Follower>, StreamError> {
        self.copy.follow(from)
    }

    fn end_offset(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.copy.end_offset(partition)
    }

    fn low_water(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.copy.low_water(partition)
    }

    /// Trims the copy. The topic keeps everything.
    fn trim_all(&self, before: &[(PartitionId, u64)]) -> Result<(), StreamError> {
        self.copy.trim_all(before)
    }

    fn end_offsets(&self) -> Result<Vec<u64>, StreamError> {
        self.copy.end_offsets()
    }

    fn low_waters(&self) -> Result<Vec<u64>, StreamError> {
        self.copy.low_waters()
    }

    fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.stats.named()
    }

    fn interrupt(&self) {
        self.interrupt.say();
    }
}

impl Drop for FluvioLog {
    fn drop(&mut self) {
        // Writes what was submitted and not waited for.
        lock(&self.writer).give_up = Some(Instant::now() + CLOSE_PATIENCE);
        let mut state = lock(&self.state);
        while state.failed.is_none() && (state.committing || !state.pending.is_empty()) {
            state = self.lead_or_wait(state);
        }
        if state.failed.is_some() {
            return;
        }
        drop(state);
        if let Err(e) = self.save_cursor(&lock(&self.writer)) {
            tracing::warn!(error = %e, "the place in the topic cannot be written down");
        }
    }
}

/// After a failed append nobody knows what is in the topic before it is opened again.
fn poisoned(first: &StreamError) -> StreamError {
    match first {
        // These say what to do better than anything that could be put around them.
        StreamError::DiskFull { .. }
        | StreamError::TopicFault { .. }
        | StreamError::TopicLost { .. }
        | StreamError::Superseded { .. } => first.clone(),
        other => StreamError::Poisoned {
            first: other.to_string(),
        },
    }
}

struct PanicGuard<'a>(&'a FluvioLog);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.committing = false;
        state.failed = Some(StreamError::Storage {
            doing: "appending to the topic",
            path: self.0.config.copy.path.clone(),
            what: "it panicked".to_owned(),
        });
        self.0.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // After a panic the state says that it has failed, and nothing is done with it any more.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed
        .wait(guard)
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
