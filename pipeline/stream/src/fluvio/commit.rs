//! What commits, and what keeps what was read: the hand that writes the topic, the copy, and the groups between them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::broker::Cluster;
use super::chain::Chain;
use super::config::FluvioConfig;
use super::cursor;
use super::interrupt::Interrupt;
use super::joint::Joint;
use super::open::{self, Opened};
use super::session::{FluvioStats, Session, Stopped};
use super::writer::Writer;
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::frame::Frame;
use crate::group::Group;
use crate::key::PartitionId;
use crate::port::StreamLog;

/// The place in the topic is written down this often: what a restart after a crash reads again.
const CURSOR_EVERY: Duration = Duration::from_secs(10);

/// Closing waits this long for a cluster that does not answer.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What was read goes into the copy in pieces of about this size, in bytes.
const PIECE_BYTES: usize = 8 << 20;

pub(super) struct Core {
    pub(super) copy: EmbeddedLog,
    pub(super) config: FluvioConfig,
    /// Whoever commits has it.
    pub(super) hand: Mutex<Hand>,
    pub(super) state: Mutex<State>,
    changed: Condvar,
    pub(super) interrupt: Arc<Interrupt>,
    pub(super) stats: Arc<FluvioStats>,
    pub(super) stream: u64,
    /// Id and epoch of the producer.
    pub(super) producer: (u64, u32),
    pub(super) is_shared: bool,
    /// What time it is there.
    cluster: Arc<dyn Cluster>,
}

/// How the topic is written.
pub(super) enum Hand {
    Alone(Writer),
    Joint(Joint),
}

impl Hand {
    pub(super) fn chains(&self) -> &[Chain] {
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

pub(super) struct State {
    pub(super) pending: Group,
    /// The number that the pending group will get.
    pub(super) pending_number: u64,
    /// Groups numbered below are durable.
    pub(super) committed: u64,
    committing: bool,
    /// End offsets with everything submitted.
    pub(super) submitted_ends: Vec<u64>,
    pub(super) failed: Option<StreamError>,
    cursor_at: Instant,
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

    pub(super) fn new(
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
    pub(super) fn lead_or_wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
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

    /// Writes what was submitted and not waited for.
    pub(super) fn close(&self) {
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
