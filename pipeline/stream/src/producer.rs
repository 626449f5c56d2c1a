//! The writing side's half of "every record once": who wrote it and which of his it is.

use crate::error::StreamError;
use crate::group::Group;
use crate::key::PartitionId;
use crate::port::{StreamLog, Ticket};
use crate::record::{self, Draft, EncodeError, Stamp};

/// Stamps records with a producer's id, epoch and next sequence.
///
/// An epoch is one life of a producer. Sequences count per partition and begin at 0 in every epoch,
/// so nothing but the epoch has to be remembered between lives. Two writers never share an epoch:
/// the log hands each one out once.
///
/// A producer shared by threads lives under a lock together with the order of its groups: stamp and
/// [`StreamLog::submit`] inside, [`StreamLog::wait`] outside.
#[derive(Debug)]
pub struct Producer {
    id: u64,
    epoch: u32,
    /// By partition.
    next: Vec<u64>,
}

impl Producer {
    /// A producer at the start of an epoch that nobody else has or will have.
    pub fn new(id: u64, epoch: u32, partitions: u32) -> Self {
        Self {
            id,
            epoch,
            next: vec![0; partitions as usize],
        }
    }

    /// The producer's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The life it is in.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Encodes the draft with the next stamp of the partition and adds it to the group. Returns its
    /// position among the group's records of that partition. On an error nothing has changed.
    ///
    /// # Panics
    /// When the stream has no such partition.
    pub fn push(
        &mut self,
        group: &mut Group,
        partition: PartitionId,
        draft: &Draft<'_>,
    ) -> Result<u32, EncodeError> {
        let sequence = self.next[partition as usize];
        let stamp = Stamp {
            producer: self.id,
            epoch: self.epoch,
            sequence,
        };
        let position = group.push_with(partition, |out| record::encode(out, stamp, draft))?;
        self.next[partition as usize] = sequence + 1;
        Ok(position)
    }

    /// Takes the stamps of a group back that was not appended, so that the next records get them.
    /// Only for the group stamped last, and only when it is certain that nothing was written.
    ///
    /// # Panics
    /// When the group has more records than were stamped.
    pub fn take_back(&mut self, group: &Group) {
        for (partition, count, _) in group.parts() {
            let next = &mut self.next[partition as usize];
            let before = next.checked_sub(u64::from(count));
            assert!(before.is_some(), "the group was not stamped here");
            *next = before.unwrap_or_default();
        }
    }

    /// Gives the group its place; when it is refused whole, its stamps are taken back.
    pub fn submit(&mut self, log: &dyn StreamLog, group: &Group) -> Result<Ticket, StreamError> {
        log.submit(group).inspect_err(|e| {
            if e.nothing_was_written() {
                self.take_back(group);
            }
        })
    }

    /// Appends the group and waits until it is durable; when it is refused whole, its stamps are
    /// taken back.
    pub fn append(&mut self, log: &dyn StreamLog, group: &Group) -> Result<Ticket, StreamError> {
        let ticket = self.submit(log, group)?;
        log.wait(&ticket)?;
        Ok(ticket)
    }
}
