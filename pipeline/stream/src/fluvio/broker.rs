//! What is asked of a Fluvio cluster, as the adapter sees it: the real one behind a socket, or a
//! scripted one in tests.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::interrupt::Interrupt;
use crate::key::PartitionId;

/// A cluster that holds the topic; and with it the time and the chance that what is done about it depends
/// on, so that a simulation can give all of them.
pub(super) trait Cluster: Send + Sync {
    /// New connections: asks the controller who leads which partition, and forgets what was known.
    fn connect(&self) -> Result<Box<dyn Broker>, BrokerError>;

    /// For messages: where it is.
    fn name(&self) -> String;

    /// Waits before something is tried again; true when the word was said meanwhile.
    fn wait(&self, time: Duration, interrupt: Option<&Interrupt>) -> bool {
        match interrupt {
            Some(interrupt) => interrupt.wait(time),
            None => {
                std::thread::park_timeout(time);
                false
            }
        }
    }

    /// The time by which patience ends.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// An id that no other writer has or had; not 0.
    fn new_id(&self) -> u64 {
        RandomState::new().build_hasher().finish().max(1)
    }
}

/// Connections to the leaders of the topic's partitions. One request at a time.
pub(super) trait Broker: Send {
    /// Appends the values to their partitions, each as one batch. The answers are in the order of
    /// the batches: the offset of the first value, or why nobody knows.
    fn produce(&mut self, batches: &[(PartitionId, Vec<Bytes>)]) -> Vec<Result<u64, BrokerError>>;

    /// Reads whole batches from an offset on, those too that are not known to be replicated.
    fn fetch(
        &mut self,
        partition: PartitionId,
        from: u64,
        bytes_max: u32,
    ) -> Result<Fetched, BrokerError>;

    /// [`Broker::fetch`] of several partitions, each from its offset on: one question to each server
    /// where the cluster takes that. The answers are in the order of what was asked.
    fn fetch_all(
        &mut self,
        asked: &[(PartitionId, u64)],
        bytes_max: u32,
    ) -> Vec<Result<Fetched, BrokerError>> {
        let each = asked.iter();
        each.map(|(partition, from)| self.fetch(*partition, *from, bytes_max))
            .collect()
    }
}

/// The answer to a fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    /// Values with their offsets, in the order in which they came.
    pub(super) values: Vec<(u64, Bytes)>,
    /// Offset after the last whole batch; `None` when there was none.
    pub(super) next: Option<u64>,
    /// Bytes at the end that were not a whole batch: cut by the limit, or damaged.
    pub(super) left_over: usize,
    /// The first offset that the topic still has.
    pub(super) start: u64,
}

/// Why the cluster did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(super) struct BrokerError {
    pub(super) kind: BrokerErrorKind,
    pub(super) what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokerErrorKind {
    /// Time, or another connection, may mend it. Whether something was written is not known.
    Passing,
    /// What was asked for is behind the end of the topic.
    BeyondEnd,
    /// Asking again gives the same answer.
    Final,
}

impl BrokerError {
    pub(super) fn passing(what: impl Into<String>) -> Self {
        Self {
            kind: BrokerErrorKind::Passing,
            what: what.into(),
        }
    }

    pub(super) fn beyond_end(what: impl Into<String>) -> Self {
        Self {
            kind: BrokerErrorKind::BeyondEnd,
            what: what.into(),
        }
    }

    pub(super) fn last(what: impl Into<String>) -> Self {
        Self {
            kind: BrokerErrorKind::Final,
            what: what.into(),
        }
    }

    pub(super) fn is_final(&self) -> bool {
        self.kind == BrokerErrorKind::Final
    }
}
