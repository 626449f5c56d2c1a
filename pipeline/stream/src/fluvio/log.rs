//! The log: what is submitted is committed by the core, and read from the copy.

use std::sync::Arc;
use std::time::Duration;

use super::broker::Cluster;
use super::cluster::TcpCluster;
use super::commit::{Core, Hand, lock};
use super::config::FluvioConfig;
use super::interrupt::Interrupt;
use super::open::{self, Start};
use super::session::FluvioStats;
use super::tail::Tail;
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::frame::{Batch, Frame};
use crate::group::{GROUP_BYTES_MAX, Group};
use crate::key::PartitionId;
use crate::port::{Follower, Scan, StreamLog, Ticket};
use crate::producer::Producer;

/// A stream in a Fluvio topic, with a copy on this machine.
pub struct FluvioLog {
    /// Ends before the rest does.
    tail: Option<Tail>,
    core: Arc<Core>,
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
