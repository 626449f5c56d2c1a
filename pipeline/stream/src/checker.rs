//! The reading side's half of "every record once": a hole, a double, a changed byte, or two replicas
//! that saw different streams are found, whatever the backend did.

use crate::key::PartitionId;
use crate::record::{DecodeError, RecordView};
use xxhash_rust::xxh3::xxh3_128;

/// What a reader found wrong with a partition. None of these can be read past: a replica that folded
/// on would hold another truth than the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An offset was left out.
    #[error(
        "partition {partition} has a hole: offset {expected} was expected and {found} came. \
         Stop this replica and rebuild the partition from another's copy"
    )]
    OffsetHole {
        /// The partition.
        partition: PartitionId,
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// An offset came again.
    #[error(
        "partition {partition} went back: offset {expected} was expected and {found} came. \
         Stop this replica and read again from its checkpoint"
    )]
    OffsetDouble {
        /// The partition.
        partition: PartitionId,
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A record is not what was written, or cannot be understood.
    #[error("partition {partition} at offset {offset}: {error}")]
    Record {
        /// The partition.
        partition: PartitionId,
        /// Its offset.
        offset: u64,
        /// Why.
        error: DecodeError,
    },
    /// The producer wrote records that are not here.
    #[error(
        "partition {partition} at offset {offset}: producer {producer:016x} in epoch {epoch} has \
         reached sequence {found} where {expected} is next: {} of its records are missing. Stop \
         this replica and rebuild the partition from another's copy", found - expected
    )]
    SequenceHole {
        /// The partition.
        partition: PartitionId,
        /// Where.
        offset: u64,
        /// Whose.
        producer: u64,
        /// In which of his lives.
        epoch: u32,
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A record of the producer is here twice.
    #[error(
        "partition {partition} at offset {offset}: producer {producer:016x} in epoch {epoch} comes \
         again with sequence {found} where {expected} is next: the backend doubled a record. Stop \
         this replica and rebuild the partition from a copy without it"
    )]
    SequenceDouble {
        /// The partition.
        partition: PartitionId,
        /// Where.
        offset: u64,
        /// Whose.
        producer: u64,
        /// In which of his lives.
        epoch: u32,
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A producer that was replaced wrote on.
    #[error(
        "partition {partition} at offset {offset}: producer {producer:016x} writes in epoch {found} \
         although epoch {current} has begun: two writers run under one identity. Stop one of them"
    )]
    StaleEpoch {
        /// The partition.
        partition: PartitionId,
        /// Where.
        offset: u64,
        /// Whose.
        producer: u64,
        /// The latest epoch seen.
        current: u32,
        /// What came.
        found: u32,
    },
}

/// Follows one partition record by record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checker {
    partition: PartitionId,
    state: CheckerState,
}

/// What a [`Checker`] knows; save it with a checkpoint and go on from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckerState {
    /// The offset that comes next.
    pub next_offset: u64,
    /// The running hash of everything before it: `(hash + XXH3_128(record)) × MULTIPLIER`, modulo
    /// 2^128, from 0. It depends on every byte, on the order and on the number of records.
    pub hash: u128,
    /// What each producer writes next, in the order in which producers first came.
    pub producers: Vec<ProducerState>,
}

/// What one producer writes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub id: u64,
    /// Its latest epoch.
    pub epoch: u32,
    /// The sequence that comes next in that epoch.
    pub next_sequence: u64,
}

/// An odd number without a pattern (the 128-bit FNV prime would have long runs of zeros).
const MULTIPLIER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Version of [`CheckerState::to_bytes`].
const STATE_VERSION: u8 = 1;

/// Why bytes are not a saved [`CheckerState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a saved state of a partition's checker: {0}")]
pub struct BadState(&'static str);

/// The running hash after one more record.
#[inline]
pub(crate) fn running_hash(before: u128, record: &[u8]) -> u128 {
    before
        .wrapping_add(xxh3_128(record))
        .wrapping_mul(MULTIPLIER)
}

impl Checker {
    /// For a partition that is read from offset 0.
    pub fn new(partition: PartitionId) -> Self {
        Self::resume(partition, CheckerState::default())
    }

    /// For a partition that was read before.
    pub fn resume(partition: PartitionId, state: CheckerState) -> Self {
        Self { partition, state }
    }

    /// The partition that it follows.
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// What was seen so far.
    pub fn state(&self) -> &CheckerState {
        &self.state
    }

    /// Takes the next record. On a fault nothing has changed.
    #[inline]
    pub fn check<'a>(&mut self, offset: u64, bytes: &'a [u8]) -> Result<RecordView<'a>, Fault> {
        let partition = self.partition;
        let expected = self.state.next_offset;
        if offset != expected {
            return Err(if offset > expected {
                Fault::OffsetHole {
                    partition,
                    expected,
                    found: offset,
                }
            } else {
                Fault::OffsetDouble {
                    partition,
                    expected,
                    found: offset,
                }
            });
        }
        let view = RecordView::parse(bytes).map_err(|error| Fault::Record {
            partition,
            offset,
            error,
        })?;
        self.check_sequence(offset, &view)?;
        self.state.hash = running_hash(self.state.hash, bytes);
        self.state.next_offset = offset + 1;
        Ok(view)
    }

    fn check_sequence(&mut self, offset: u64, view: &RecordView<'_>) -> Result<(), Fault> {
        let partition = self.partition;
        let stamp = view.header().stamp;
        // Few producers ever write to one partition, and nearly always the last one.
        let known = self
            .state
            .producers
            .iter_mut()
            .rfind(|p| p.id == stamp.producer);
        let (current, expected) = match &known {
            Some(p) if stamp.epoch == p.epoch => (p.epoch, p.next_sequence),
            Some(p) => (p.epoch, 0),
            None => (0, 0),
        };
        if stamp.epoch < current {
            return Err(Fault::StaleEpoch {
                partition,
                offset,
                producer: stamp.producer,
                current,
                found: stamp.epoch,
            });
        }
        if stamp.sequence > expected {
            return Err(Fault::SequenceHole {
                partition,
                offset,
                producer: stamp.producer,
                epoch: stamp.epoch,
                expected,
                found: stamp.sequence,
            });
        }
        if stamp.sequence < expected {
            return Err(Fault::SequenceDouble {
                partition,
                offset,
                producer: stamp.producer,
                epoch: stamp.epoch,
                expected,
                found: stamp.sequence,
            });
        }
        let seen = ProducerState {
            id: stamp.producer,
            epoch: stamp.epoch,
            next_sequence: expected + 1,
        };
        match known {
            Some(p) => *p = seen,
            None => self.state.producers.push(seen),
        }
        Ok(())
    }
}

impl CheckerState {
    /// For a checkpoint: version, next offset, hash, then per producer id, epoch, next sequence; all
    /// little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![STATE_VERSION];
        out.extend_from_slice(&self.next_offset.to_le_bytes());
        out.extend_from_slice(&self.hash.to_le_bytes());
        for p in &self.producers {
            out.extend_from_slice(&p.id.to_le_bytes());
            out.extend_from_slice(&p.epoch.to_le_bytes());
            out.extend_from_slice(&p.next_sequence.to_le_bytes());
        }
        out
    }

    /// Back from [`CheckerState::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadState> {
        const SHORT: BadState = BadState("it is cut off");
        let (version, rest) = bytes.split_first().ok_or(SHORT)?;
        if *version != STATE_VERSION {
            return Err(BadState("its version is not known here"));
        }
        let (next_offset, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (hash, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let mut producers = Vec::new();
        let mut rest = rest;
        while !rest.is_empty() {
            let (id, tail) = rest.split_first_chunk().ok_or(SHORT)?;
            let (epoch, tail) = tail.split_first_chunk().ok_or(SHORT)?;
            let (next_sequence, tail) = tail.split_first_chunk().ok_or(SHORT)?;
            rest = tail;
            producers.push(ProducerState {
                id: u64::from_le_bytes(*id),
                epoch: u32::from_le_bytes(*epoch),
                next_sequence: u64::from_le_bytes(*next_sequence),
            });
        }
        Ok(Self {
            next_offset: u64::from_le_bytes(*next_offset),
            hash: u128::from_le_bytes(*hash),
            producers,
        })
    }
}
