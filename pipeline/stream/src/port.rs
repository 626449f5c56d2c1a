//! The port: what a stream can do, whatever is under it.

use std::time::Duration;

use crate::error::StreamError;
use crate::frame::{Batch, Frame};
use crate::group::Group;
use crate::key::PartitionId;

/// A set of partitions, each one totally ordered log of records.
///
/// Calls block; whoever is asynchronous runs them on a thread of his own. Every method can be called
/// from any thread at any time. Records are bytes here; what they mean is [`crate::record`]'s
/// business.
///
/// What every implementation promises, and the suite in `testing` checks:
/// - offsets of a partition count from 0 without gaps, and never change their record;
/// - what [`StreamLog::append`] answered is durable and is seen by every later read;
/// - records of one group keep their order within a partition, and groups of one caller too;
/// - a reader gets every record once and in order, or an error; never a gap.
pub trait StreamLog: Send + Sync {
    /// How many partitions. Fixed when the stream is created.
    fn partitions(&self) -> u32;

    /// Gives the group its place in the order, without waiting until it is durable.
    ///
    /// Groups are ordered as this is called, so that a caller can fix the order under a lock of its
    /// own and wait outside of it. A ticket that nobody waits for is written all the same, with the
    /// next one that is waited for.
    fn submit(&self, group: &Group) -> Result<Ticket, StreamError>;

    /// Waits until the submitted group is durable. Callers that wait at the same time share one
    /// sync.
    fn wait(&self, ticket: &Ticket) -> Result<(), StreamError>;

    /// Appends the group and returns when all of it is durable.
    ///
    /// On an error for which [`StreamError::nothing_was_written`] is false the outcome is unknown:
    /// the records may be in the stream after a restart, all of them or, on a backend that cannot
    /// write groups atomically, some.
    fn append(&self, group: &Group) -> Result<Ticket, StreamError> {
        let ticket = self.submit(group)?;
        self.wait(&ticket)?;
        Ok(ticket)
    }

    /// Do other processes append to it at the same time? Then tickets have no [`Ticket::bases`], and an
    /// appender finds its records by their stamps, in its order, among those that it follows.
    fn is_shared(&self) -> bool {
        false
    }

    /// Reads one partition from an offset on: at least one record if there is one, then as many as
    /// fit into both limits. At the end the answer is empty.
    fn read(
        &self,
        partition: PartitionId,
        from_offset: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError>;

    /// Everything from the given offsets (one for each partition) up to now, in the order it was
    /// stored. The way a replica starts.
    fn scan(&self, from: &[u64]) -> Result<Scan, StreamError>;

    /// Everything from the given offsets on, and then what is appended, as it becomes durable.
    ///
    /// A follower that does not keep up costs no memory: it is served from storage until it has
    /// caught up.
    fn follow(&self, from: &[u64]) -> Result<Box<dyn Follower>, StreamError>;

    /// The offset that the next record of the partition will get.
    fn end_offset(&self, partition: PartitionId) -> Result<u64, StreamError>;

    /// The first offset of the partition that can still be read.
    fn low_water(&self, partition: PartitionId) -> Result<u64, StreamError>;

    /// Allows everything below the offset to be forgotten. From now on it cannot be read; when its
    /// space comes back is up to the backend. Never goes back, and never above the end.
    fn trim(&self, partition: PartitionId, before_offset: u64) -> Result<(), StreamError> {
        self.trim_all(&[(partition, before_offset)])
    }

    /// [`StreamLog::trim`] for several partitions, at the price of one.
    fn trim_all(&self, before: &[(PartitionId, u64)]) -> Result<(), StreamError>;

    /// Asks those who wait for a backend that does not answer to give up: their appends fail, and
    /// the log takes no more. A log whose waits end by themselves has nothing to do.
    fn interrupt(&self) {}

    /// By partition, how far the backend's own order was read, and the running hash of all records up to
    /// there as the backend has them. A reader that came to another hash at that offset has folded
    /// other records. `None` where readers are given the backend's records themselves, and while a
    /// group is on its way.
    fn backend_hashes(&self) -> Option<Vec<(u64, u128)>> {
        None
    }

    /// What happened on the way to a backend: names, what they mean, and counts. For metrics.
    fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
        Vec::new()
    }

    /// [`StreamLog::end_offset`] of every partition, taken at one moment.
    fn end_offsets(&self) -> Result<Vec<u64>, StreamError>;

    /// [`StreamLog::low_water`] of every partition, taken at one moment.
    fn low_waters(&self) -> Result<Vec<u64>, StreamError>;
}

/// Frames in storage order. Stops for good after an error.
pub type Scan = Box<dyn Iterator<Item = Result<Vec<Frame>, StreamError>> + Send>;

/// Waits for what is appended. See [`StreamLog::follow`].
pub trait Follower: Send {
    /// The next groups, whole and in order; empty when nothing came within the time.
    ///
    /// After an error the follower is of no further use.
    fn next(&mut self, timeout: Duration) -> Result<Vec<Frame>, StreamError>;
}

/// A group's place in the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// For [`StreamLog::wait`]; means nothing to others.
    pub number: u64,
    /// Offset of the group's first record in each partition that it touches; none in a log that is
    /// shared ([`StreamLog::is_shared`]).
    pub bases: Vec<(PartitionId, u64)>,
}

impl Ticket {
    /// Offset of the group's first record in the partition; `None` when it touches it not.
    pub fn base(&self, partition: PartitionId) -> Option<u64> {
        let found = self.bases.iter().find(|(p, _)| *p == partition);
        found.map(|(_, base)| *base)
    }
}
