//! The log: group commit over topic and copy, and reading from the copy.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::broker::Cluster;
use super::chain::Chain;
use super::cluster::TcpCluster;
use super::config::FluvioConfig;
use super::cursor;
use super::interrupt::Interrupt;
use super::joint::Joint;
use super::open::{self, Opened, Start};
use super::session::{FluvioStats, Session, Stopped};
use super::tail::Tail;
use super::writer::Writer;
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::frame::{Batch, Frame};
use crate::group::{GROUP_BYTES_MAX, Group};
use crate::key::PartitionId;
use crate::port::{Follower, Scan, StreamLog, Ticket};
use crate::producer::Producer;

/// The place in the topic is written down this often: what a restart after a crash reads again.
const CURSOR_EVERY: Duration = Duration::from_secs(10);

/// Closing waits this long for a cluster that does not answer.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What was read goes into the copy in pieces of about this size, in bytes.
const PIECE_BYTES: usize = 8 << 20;

/// A stream in a Fluvio topic, with a copy on this machine.
pub struct FluvioLog {
    /// Ends before the rest does.
    tail: Option<Tail>,
    core: Arc<Core>,
}

pub(super) struct Core {
    copy: EmbeddedLog,
    config: FluvioConfig,
    /// Whoever commits has it.
    hand: Mutex<Hand>,
    state: Mutex<State>,
    changed: Condvar,
    interrupt: Arc<Interrupt>,
    pub(super) stats: Arc<FluvioStats>,
    stream: u64,
    /// Id and epoch of the producer.
    producer: (u64, u32),
    is_shared: bool,
    /// What time it is there.
    cluster: Arc<dyn Cluster>,
}

/// How the topic is written.
enum Hand {
    Alone(Writer),
    Joint(Joint),
}

impl Hand {
    fn chains(&self) -> &[Chain] {
        match self {
            Hand::Alone(writer) => &writer.chains,
            Hand::Joint(joint) => &joint.chains,
        }
    }

    fn session(&self) -> &Session {
        match self {
            Hand::Alone(writer) => &writer.session,
            Hand::Joint(joint) => &joint.session,
        }
    }

    fn give_up(&mut self, at: Instant) {
        match self {
            Hand::Alone(writer) => writer.give_up = Some(at),
            Hand::Joint(joint) => joint.give_up = Some(at),
        }
    }
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

impl FluvioLog {
    /// Opens the topic for writing alone: creates it when it is not there, checks it, takes the right to
    /// write, and brings the copy up to its end.
    pub fn open(config: FluvioConfig) -> Result<Self, StreamError> {
        let cluster = TcpCluster::new(&config)?;
        cluster.prepare()?;
        Self::open_on(config, Arc::new(cluster))
    }

    /// As [`FluvioLog::open`], for writing beside others. Tickets tell no offsets: where records lie is
    /// known when they were read back, see [`StreamLog::is_shared`]. What others write comes into the copy
    /// by itself.
    pub fn join(config: FluvioConfig) -> Result<Self, StreamError> {
        let cluster = TcpCluster::new(&config)?;
        cluster.prepare()?;
        Self::join_on(config, Arc::new(cluster))
    }

    pub(super) fn open_on(
        config: FluvioConfig,
        cluster: Arc<dyn Cluster>,
    ) -> Result<Self, StreamError> {
        let copy = EmbeddedLog::open(config.copy.clone())?;
        let interrupt = Arc::new(Interrupt::default());
        let attached = open::attach(&config, &copy, cluster, &interrupt, Start::WhereItWas);
        let (writer, opened) = attached?;
        let producer = (copy.producer_id(), writer.term());
        let core = Core::new(
            config,
            copy,
            Hand::Alone(writer),
            opened,
            interrupt,
            producer,
        )?;
        Ok(Self {
            tail: None,
            core: Arc::new(core),
        })
    }

    pub(super) fn join_on(
        config: FluvioConfig,
        cluster: Arc<dyn Cluster>,
    ) -> Result<Self, StreamError> {
        let copy = EmbeddedLog::open(config.copy.clone())?;
        let core = Core::join(config, copy, cluster.clone())?;
        let tail = Tail::start(core.clone(), cluster)?;
        Ok(Self {
            tail: Some(tail),
            core,
        })
    }

    /// A log on this core; what others write is read by the caller.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn untailed(core: Arc<Core>) -> Self {
        Self { tail: None, core }
    }

    /// The producer of this opening: its epoch was never used before. Every call gives the same
    /// identity, so call it once, and share what it gives.
    pub fn producer(&self) -> Producer {
        let (id, epoch) = self.core.producer;
        Producer::new(id, epoch, self.partitions())
    }

    /// Id of the stream in the topic: the same for every replica.
    pub fn stream_id(&self) -> u64 {
        self.core.stream
    }

    /// Counters.
    pub fn stats(&self) -> &FluvioStats {
        &self.core.stats
    }
}

impl Core {
    /// Joins the topic's writers with this copy.
    pub(super) fn join(
        config: FluvioConfig,
        copy: EmbeddedLog,
        cluster: Arc<dyn Cluster>,
    ) -> Result<Arc<Self>, StreamError> {
        let interrupt = Arc::new(Interrupt::default());
        let (joint, opened) = open::join(&config, &copy, cluster, &interrupt)?;
        // Its id was never used before: the first of its epochs is the only one.
        let producer = (joint.id(), 1);
        let core = Core::new(
            config,
            copy,
            Hand::Joint(joint),
            opened,
            interrupt,
            producer,
        )?;
        Ok(Arc::new(core))
    }

    fn new(
        config: FluvioConfig,
        copy: EmbeddedLog,
        hand: Hand,
        opened: Opened,
        interrupt: Arc<Interrupt>,
        producer: (u64, u32),
    ) -> Result<Self, StreamError> {
        let ends = copy.end_offsets()?;
        let topic_ends = hand.chains().iter().map(|c| c.next_offset);
        if let Some((partition, (topic, end))) = (0..)
            .zip(topic_ends.zip(&ends))
            .find(|(_, (topic, end))| topic < *end)
        {
            return Err(StreamError::TopicLost {
                cluster: hand.session().name(),
                partition,
                what: format!(
                    "it ends at offset {topic} of the stream, and the copy in {} at {end}",
                    config.copy.path.display()
                ),
            });
        }
        let stream = hand.chains().first().map_or(0, |c| c.stream);
        let cluster = hand.session().cluster().clone();
        tracing::info!(
            topic = hand.session().name(),
            stream = format!("{stream:016x}"),
            writer = format!("{:016x}", producer.0),
            added = opened.added,
            compared = opened.compared,
            "the copy is at the end of the topic"
        );
        let core = Self {
            copy,
            stats: hand.session().stats.clone(),
            stream,
            producer,
            is_shared: matches!(hand, Hand::Joint(_)),
            state: Mutex::new(State {
                pending: Group::new(),
                pending_number: 0,
                committed: 0,
                committing: false,
                submitted_ends: ends,
                failed: None,
                cursor_at: cluster.now(),
            }),
            hand: Mutex::new(hand),
            changed: Condvar::new(),
            interrupt,
            config,
            cluster,
        };
        core.save_cursor(&lock(&core.hand))?;
        Ok(core)
    }

    fn save_cursor(&self, hand: &Hand) -> Result<(), StreamError> {
        let path = self.config.cursor_path();
        cursor::save(&path, &self.config.topic, hand.chains())
    }

    /// Where reading of the topic goes on, by partition.
    pub(super) fn places(&self) -> Vec<(PartitionId, u64)> {
        let hand = lock(&self.hand);
        let chains = hand.chains().iter();
        chains.map(|c| (c.partition, c.topic_next)).collect()
    }

    /// Takes what others wrote, and looks at partitions that could not be read. `false`: the cluster went
    /// away meanwhile.
    pub(super) fn take_tail(
        &self,
        came: &[(PartitionId, super::broker::Fetched)],
        suspect: &[PartitionId],
    ) -> Result<bool, StreamError> {
        let is_cursor_due = {
            let mut state = lock(&self.state);
            if state.failed.is_some() {
                return Ok(false);
            }
            let now = self.cluster.now();
            let is_due = now >= state.cursor_at + CURSOR_EVERY;
            if is_due {
                state.cursor_at = now;
            }
            is_due
        };
        let mut hand = lock(&self.hand);
        let Hand::Joint(joint) = &mut *hand else {
            return Ok(true);
        };
        let mut frames = Vec::new();
        let mut result = Ok(());
        for (partition, fetched) in came {
            result = joint.take_tail(*partition, fetched, &mut frames);
            if result.is_err() {
                break;
            }
        }
        for partition in suspect {
            if result.is_ok() {
                result = joint.catch_up(*partition, &mut frames);
            }
        }
        // What was read is right, whatever came after it.
        self.keep(&frames)?;
        if is_cursor_due {
            self.try_save_cursor(&hand);
        }
        match result {
            Ok(()) | Err(Stopped::AtEnd) => Ok(true),
            Err(Stopped::Away(_)) => Ok(false),
            Err(Stopped::Failed(error)) => Err(error),
        }
    }

    /// Puts frames into the copy, durably, in the order given.
    fn keep(&self, frames: &[Frame]) -> Result<(), StreamError> {
        let mut piece = Group::new();
        for frame in frames {
            if !piece.is_empty() && piece.bytes() + frame.payload_bytes() > PIECE_BYTES {
                self.copy.append(&piece)?;
                piece.clear();
            }
            let count = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            piece.push_payload(frame.partition(), count, frame.payload());
        }
        if !piece.is_empty() {
            self.copy.append(&piece)?;
        }
        Ok(())
    }

    /// The end, found by whoever reads.
    pub(super) fn fail(&self, error: StreamError) {
        let mut state = lock(&self.state);
        if state.failed.is_none() {
            tracing::error!(%error, "the topic cannot be read on; the stream takes no more");
            state.failed = Some(error);
        }
        self.changed.notify_all();
    }

    fn try_save_cursor(&self, hand: &Hand) {
        if let Err(e) = self.save_cursor(hand) {
            // Only makes the next start slower.
            tracing::warn!(error = %e, "the place in the topic cannot be written down");
        }
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
        let is_cursor_due = self.cluster.now() >= state.cursor_at + CURSOR_EVERY;
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
            state.cursor_at = self.cluster.now();
        }
        self.changed.notify_all();
        state
    }

    fn commit(&self, group: &Group, is_cursor_due: bool) -> Result<(), StreamError> {
        let mut hand = lock(&self.hand);
        match &mut *hand {
            Hand::Alone(writer) => {
                writer.append(group)?;
                self.copy.append(group)?;
            }
            Hand::Joint(joint) => {
                let mut frames = Vec::new();
                let done = joint.append(group, &mut frames);
                // What was read is right, whatever came after it.
                self.keep(&frames)?;
                done?;
            }
        }
        if is_cursor_due {
            self.try_save_cursor(&hand);
        }
        Ok(())
    }
}

impl StreamLog for FluvioLog {
    fn partitions(&self) -> u32 {
        self.core.config.copy.partitions
    }

    fn submit(&self, group: &Group) -> Result<Ticket, StreamError> {
        group.check(self.partitions())?;
        let mut state = lock(&self.core.state);
        loop {
            if let Some(first) = &state.failed {
                return Err(poisoned(first));
            }
            let after = state.pending.bytes() + group.bytes();
            if state.pending.is_empty() || after <= GROUP_BYTES_MAX {
                break;
            }
            state = self.core.lead_or_wait(state);
        }
        // Before it is in the topic, where it could not be taken back.
        self.core
            .copy
            .check_room(state.pending.bytes() + group.bytes())?;
        let state = &mut *state;
        let mut bases = Vec::new();
        for (partition, count, payload) in group.parts() {
            let end = &mut state.submitted_ends[partition as usize];
            state.pending.push_payload(partition, count, payload);
            bases.push((partition, *end));
            *end += u64::from(count);
        }
        if self.core.is_shared {
            // Nobody knows before they are read back.
            bases.clear();
        }
        Ok(Ticket {
            number: state.pending_number,
            bases,
        })
    }

    fn wait(&self, ticket: &Ticket) -> Result<(), StreamError> {
        let mut state = lock(&self.core.state);
        loop {
            let is_empty = ticket.bases.is_empty() && !self.core.is_shared;
            if ticket.number < state.committed || is_empty {
                return Ok(());
            }
            if let Some(first) = &state.failed {
                return Err(first.clone());
            }
            state = self.core.lead_or_wait(state);
        }
    }

    fn read(
        &self,
        partition: PartitionId,
        from_offset: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError> {
        self.core
            .copy
            .read(partition, from_offset, records_max, bytes_max)
    }

    fn scan(&self, from: &[u64]) -> Result<Scan, StreamError> {
        self.core.copy.scan(from)
    }

    fn follow(&self, from: &[u64]) -> Result<Box<dyn Follower>, StreamError> {
        let copied = self.core.copy.follow(from)?;
        Ok(match self.core.is_shared {
            false => copied,
            true => Box::new(Following {
                copied,
                core: Arc::clone(&self.core),
            }),
        })
    }

    fn is_shared(&self) -> bool {
        self.core.is_shared
    }

    fn end_offset(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.core.copy.end_offset(partition)
    }

    fn low_water(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.core.copy.low_water(partition)
    }

    /// Trims the copy. The topic keeps everything.
    fn trim_all(&self, before: &[(PartitionId, u64)]) -> Result<(), StreamError> {
        self.core.copy.trim_all(before)
    }

    fn end_offsets(&self) -> Result<Vec<u64>, StreamError> {
        self.core.copy.end_offsets()
    }

    fn low_waters(&self) -> Result<Vec<u64>, StreamError> {
        self.core.copy.low_waters()
    }

    /// Readers are given the copy; this is the topic.
    fn backend_hashes(&self) -> Option<Vec<(u64, u128)>> {
        let hand = self.core.hand.try_lock().ok()?;
        let chains = hand.chains().iter();
        Some(chains.map(|c| (c.next_offset, c.hash)).collect())
    }

    fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.core.stats.named()
    }

    fn interrupt(&self) {
        self.core.interrupt.say();
    }
}

/// Follows the copy, and hears when nothing more will come.
struct Following {
    copied: Box<dyn Follower>,
    core: Arc<Core>,
}

impl Follower for Following {
    fn next(&mut self, timeout: Duration) -> Result<Vec<Frame>, StreamError> {
        let frames = self.copied.next(timeout)?;
        if frames.is_empty()
            && let Some(error) = &lock(&self.core.state).failed
        {
            return Err(error.clone());
        }
        Ok(frames)
    }
}

impl Drop for FluvioLog {
    fn drop(&mut self) {
        // Ends the reading of what others write.
        self.tail = None;
        self.core.close();
    }
}

impl Core {
    /// Writes what was submitted and not waited for.
    fn close(&self) {
        lock(&self.hand).give_up(self.cluster.now() + CLOSE_PATIENCE);
        let mut state = lock(&self.state);
        while state.failed.is_none() && (state.committing || !state.pending.is_empty()) {
            state = self.lead_or_wait(state);
        }
        if state.failed.is_some() {
            return;
        }
        drop(state);
        self.try_save_cursor(&lock(&self.hand));
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

struct PanicGuard<'a>(&'a Core);

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
