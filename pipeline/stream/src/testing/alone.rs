//! A log that others could write, and nobody does.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StreamError;
use crate::frame::Batch;
use crate::group::Group;
use crate::key::PartitionId;
use crate::port::{Follower, Scan, StreamLog, Ticket};

/// Tells where records lie before they are read back, which a log with several writers cannot: so that it can be put
/// through [`super::conformance`]. Right only while nobody else writes.
pub struct Alone {
    log: Arc<dyn StreamLog>,
    /// End offsets with everything submitted.
    ends: Mutex<Vec<u64>>,
}

impl Alone {
    /// Over a log that several could write.
    ///
    /// # Errors
    /// When the log does not know where it ends.
    pub fn new(log: Arc<dyn StreamLog>) -> Result<Self, StreamError> {
        let ends = Mutex::new(log.end_offsets()?);
        Ok(Self { log, ends })
    }
}

impl StreamLog for Alone {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn submit(&self, group: &Group) -> Result<Ticket, StreamError> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ticket = self.log.submit(group)?;
        assert!(ticket.bases.is_empty(), "nobody can know");
        for (partition, count, _) in group.parts() {
            let end = &mut ends[partition as usize];
            ticket.bases.push((partition, *end));
            *end += u64::from(count);
        }
        Ok(ticket)
    }

    fn wait(&self, ticket: &Ticket) -> Result<(), StreamError> {
        self.log.wait(ticket)
    }

    fn read(
        &self,
        partition: PartitionId,
        from_offset: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError> {
        self.log
            .read(partition, from_offset, records_max, bytes_max)
    }

    fn scan(&self, from: &[u64]) -> Result<Scan, StreamError> {
        self.log.scan(from)
    }

    fn follow(&self, from: &[u64]) -> Result<Box<dyn Follower>, StreamError> {
        self.log.follow(from)
    }

    fn end_offset(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.log.end_offset(partition)
    }

    fn low_water(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.log.low_water(partition)
    }

    fn trim_all(&self, before: &[(PartitionId, u64)]) -> Result<(), StreamError> {
        self.log.trim_all(before)
    }

    fn end_offsets(&self) -> Result<Vec<u64>, StreamError> {
        self.log.end_offsets()
    }

    fn low_waters(&self) -> Result<Vec<u64>, StreamError> {
        self.log.low_waters()
    }
}
