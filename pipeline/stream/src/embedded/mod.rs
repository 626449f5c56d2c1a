//! The embedded log: a [`StreamLog`] for one machine.
//!
//! All partitions share one sequence of groups. A group holds what was appended together, by one
//! caller or by several that waited at the same time, and is one atomic, durable write: one sync
//! for everyone. Every 64 groups or 1 MiB an index entry says how far each partition had come.
//!
//! - `folder.rs`: the lock and what the log was created as
//! - `preflight.rs`: what a crash may have left, and what only damage can have left
//! - `open.rs`: from a folder to a log
//! - `state.rs`: what is in memory, ordering, group commit
//! - `read.rs`: finding offsets, scanning, following
//! - `format.rs`: a stored group; `store.rs`, `fjall_store.rs`: the storage library
//!
//! After a failed write or sync the log takes no more: nobody can know what is on disk before it was
//! opened again. Reading goes on.

mod config;
mod fjall_store;
mod folder;
mod format;
mod open;
mod preflight;
mod read;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use config::EmbeddedConfig;
use flightline_failpoints::{Point, reach};
use format::{GroupWriter, Kind};
use read::GroupFollower;
use state::{MARK_LOW_WATER, Shared, offsets_to_bytes, trim_group};

use crate::error::StreamError;
use crate::frame::Batch;
use crate::group::Group;
use crate::key::PartitionId;
use crate::port::{Follower, Scan, StreamLog, Ticket};
use crate::producer::Producer;

/// A log in a folder of this machine. One process has it open at a time; the folder stays locked
/// until the log and all its followers and scans are dropped.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    producer: u64,
}

impl EmbeddedLog {
    /// The producer of this opening: its epoch was never used before. Every call gives the same
    /// identity, so call it once, and share what it gives.
    pub fn producer(&self) -> Producer {
        Producer::new(self.producer, self.shared.epoch, self.shared.partitions())
    }

    /// Id of the log's producer.
    pub(crate) fn producer_id(&self) -> u64 {
        self.producer
    }

    /// Id of the stream that these are records of: the log's own, unless it is a copy of a stream that is
    /// kept elsewhere.
    pub fn stream_id(&self) -> u64 {
        self.copy_of().unwrap_or(self.producer)
    }

    /// Of which stream it is a copy, if that was noted.
    pub(crate) fn copy_of(&self) -> Option<u64> {
        self.shared.notes.as_ref()?.copy_of()
    }

    /// Notes beside the records of which stream it is a copy, durably.
    pub(crate) fn note_copy_of(&self, stream: u64) -> Result<(), StreamError> {
        match &self.shared.notes {
            Some(notes) => notes.note_copy_of(stream),
            None => Ok(()),
        }
    }

    /// Refuses when an append of so many bytes would be refused for want of room.
    pub(crate) fn check_room(&self, bytes: usize) -> Result<(), StreamError> {
        self.shared.check_room_for(bytes as u64)
    }

    /// How many times the log was opened, counting this one.
    pub fn epoch(&self) -> u32 {
        self.shared.epoch
    }
}

impl StreamLog for EmbeddedLog {
    fn partitions(&self) -> u32 {
        self.shared.partitions()
    }

    fn submit(&self, group: &Group) -> Result<Ticket, StreamError> {
        self.shared.submit(group)
    }

    fn wait(&self, ticket: &Ticket) -> Result<(), StreamError> {
        self.shared.wait(ticket)
    }

    fn read(
        &self,
        partition: PartitionId,
        from_offset: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError> {
        self.shared
            .read(partition, from_offset, records_max, bytes_max)
    }

    fn scan(&self, from: &[u64]) -> Result<Scan, StreamError> {
        Ok(Box::new(self.shared.scan(from)?))
    }

    fn follow(&self, from: &[u64]) -> Result<Box<dyn Follower>, StreamError> {
        Ok(Box::new(GroupFollower::new(&self.shared, from)?))
    }

    fn end_offset(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.of(partition, &self.shared.lock().ends)
    }

    fn low_water(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.of(partition, &self.shared.lock().low_water)
    }

    fn end_offsets(&self) -> Result<Vec<u64>, StreamError> {
        Ok(self.shared.lock().ends.clone())
    }

    fn low_waters(&self) -> Result<Vec<u64>, StreamError> {
        Ok(self.shared.lock().low_water.clone())
    }

    fn trim_all(&self, before: &[(PartitionId, u64)]) -> Result<(), StreamError> {
        let (mut low_water, ends) = {
            let state = self.shared.lock();
            (state.low_water.clone(), state.ends.clone())
        };
        let mut changed = Vec::new();
        for (partition, offset) in before {
            let end = self.of(*partition, &ends)?;
            if *offset > end {
                return Err(StreamError::BeyondEnd {
                    partition: *partition,
                    offset: *offset,
                    end,
                });
            }
            let mark = &mut low_water[*partition as usize];
            if *offset > *mark {
                *mark = *offset;
                changed.push((*partition, *offset));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        reach(Point::StreamTrim)
            .map_err(|e| StreamError::from_io("trimming", &self.shared.config.path, e.into()))?;
        self.shared.commit_own(
            Kind::Trim,
            trim_group(&changed),
            vec![(MARK_LOW_WATER, offsets_to_bytes(&low_water))],
            |state| state.low_water.clone_from(&low_water),
        )?;
        let committed = self.shared.lock().committed;
        let keep = self.shared.locate(&low_water, committed)?;
        self.shared.store.drop_below(keep)
    }
}

impl EmbeddedLog {
    fn of(&self, partition: PartitionId, offsets: &[u64]) -> Result<u64, StreamError> {
        let found = offsets.get(partition as usize).copied();
        found.ok_or(StreamError::NoSuchPartition {
            partition,
            partitions: self.shared.partitions(),
        })
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        // Writes what was submitted and not waited for, and puts something behind the last group:
        // damage to it can then be told from a half-written one.
        let closed = self
            .shared
            .commit_own(Kind::Closed, GroupWriter::new(), Vec::new(), |_| {});
        if let Err(e) = closed {
            tracing::warn!(error = %e, "the log was not closed cleanly");
        }
    }
}
