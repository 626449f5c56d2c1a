//! One partition of the topic, read record by record: what counts, what is passed over, and what
//! must never be.
//!
//! Every reader comes to the same records at the same offsets, since all that decides is in the
//! topic itself:
//! - a fence of a higher holder gives it the right to write; what others write after it is stale;
//! - an envelope of the holder counts when its sequence is the next one; a lower one is a double
//!   (a retry of the broker's or ours) and is passed over; a higher one means that envelopes are
//!   missing, and nothing after a hole is ever given to a reader;
//! - every envelope says at which offset its writer was and the hash of everything before it, so
//!   that two replicas that folded different records find out at the next one.

use bytes::Bytes;

use super::envelope::{BadEnvelope, Content, Envelope, Holder};
use crate::checker::running_hash;
use crate::frame::Frame;
use crate::key::PartitionId;

/// How far one partition was read, and what has to come next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) partition: PartitionId,
    /// Offset, in the topic, of what comes next.
    pub(super) topic_next: u64,
    /// Id of the stream; 0 before the first fence.
    pub(super) stream: u64,
    /// Who may write.
    pub(super) holder: Holder,
    /// The holder's next sequence.
    pub(super) sequence: u64,
    /// Offset of the next record of ours.
    pub(super) next_offset: u64,
    /// Hash of everything before.
    pub(super) hash: u128,
}

/// What a record of the topic turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The next records.
    Records(Frame),
    /// A fence. It counts when it is the chain's holder now.
    Fence(Holder),
    /// Nothing that counts.
    PassedOver(PassedOver),
}

/// Why a record of the topic does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PassedOver {
    /// Somebody else's.
    Foreign,
    /// Of a writer that was replaced.
    Stale(Holder),
    /// Came again.
    Double,
    /// A fence of this holder, who took the topic for another stream's: two opened a new topic at the
    /// same time, and the other was first.
    OtherStream(Holder),
}

/// What the topic must not do. Reading again may heal it; going on without may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChainFault {
    #[error("it has a hole: {expected} was expected and {found} came")]
    TopicHole { expected: u64, found: u64 },
    #[error("an envelope is not as it was written: {0}")]
    Damaged(&'static str),
    #[error(
        "{holder} has reached envelope {found} where {expected} is next: {} of them are missing",
        found - expected
    )]
    SequenceHole {
        holder: Holder,
        expected: u64,
        found: u64,
    },
    #[error(
        "{holder} writes that offset {its_offset} with hash {its_hash:032x} comes here, and this \
         replica is at offset {offset} with hash {hash:032x}: they folded different records"
    )]
    Diverged {
        holder: Holder,
        its_offset: u64,
        its_hash: u128,
        offset: u64,
        hash: u128,
    },
    #[error("an envelope of stream {found:016x} is in the topic of stream {expected:016x}")]
    OtherStream { expected: u64, found: u64 },
    #[error("records of {0} come before any fence: the start of the topic is missing")]
    NoFence(Holder),
}

impl Chain {
    /// For a partition that is read from the start of the topic.
    pub(super) fn new(partition: PartitionId) -> Self {
        Self {
            partition,
            topic_next: 0,
            stream: 0,
            holder: Holder::default(),
            sequence: 0,
            next_offset: 0,
            hash: 0,
        }
    }

    /// The envelope that the holder would write next with these records.
    pub(super) fn next_envelope(&self, count: u32, payload: Bytes) -> Envelope {
        Envelope {
            stream: self.stream,
            holder: self.holder,
            content: Content::Records {
                sequence: self.sequence,
                base_offset: self.next_offset,
                hash_before: self.hash,
                count,
                payload,
            },
        }
    }

    /// Takes the topic's next record. On a fault nothing has changed.
    pub(super) fn take(&mut self, topic_offset: u64, value: &Bytes) -> Result<Taken, ChainFault> {
        if topic_offset != self.topic_next {
            return Err(ChainFault::TopicHole {
                expected: self.topic_next,
                found: topic_offset,
            });
        }
        let taken = match Envelope::decode(value) {
            Err(BadEnvelope::Foreign) => Taken::PassedOver(PassedOver::Foreign),
            Err(BadEnvelope::Damaged(what)) => return Err(ChainFault::Damaged(what)),
            Ok(envelope) => self.take_envelope(envelope)?,
        };
        self.topic_next = topic_offset + 1;
        Ok(taken)
    }

    fn take_envelope(&mut self, envelope: Envelope) -> Result<Taken, ChainFault> {
        let holder = envelope.holder;
        if self.stream != 0 && envelope.stream != self.stream {
            if envelope.content == Content::Fence {
                return Ok(Taken::PassedOver(PassedOver::OtherStream(holder)));
            }
            return Err(ChainFault::OtherStream {
                expected: self.stream,
                found: envelope.stream,
            });
        }
        let (sequence, base_offset, hash_before, count, payload) = match envelope.content {
            Content::Fence => {
                self.stream = envelope.stream;
                if holder > self.holder {
                    self.holder = holder;
                    self.sequence = 0;
                }
                return Ok(Taken::Fence(holder));
            }
            Content::Records {
                sequence,
                base_offset,
                hash_before,
                count,
                payload,
            } => (sequence, base_offset, hash_before, count, payload),
        };
        if holder > self.holder {
            return Err(ChainFault::NoFence(holder));
        }
        if holder < self.holder {
            return Ok(Taken::PassedOver(PassedOver::Stale(holder)));
        }
        if sequence < self.sequence {
            return Ok(Taken::PassedOver(PassedOver::Double));
        }
        if sequence > self.sequence {
            return Err(ChainFault::SequenceHole {
                holder,
                expected: self.sequence,
                found: sequence,
            });
        }
        if (base_offset, hash_before) != (self.next_offset, self.hash) {
            return Err(ChainFault::Diverged {
                holder,
                its_offset: base_offset,
                its_hash: hash_before,
                offset: self.next_offset,
                hash: self.hash,
            });
        }
        let frame = Frame::from_payload(self.partition, base_offset, count, payload).ok_or(
            ChainFault::Damaged("its records are not as many as it says"),
        )?;
        self.sequence += 1;
        self.next_offset = frame.end_offset();
        self.hash = frame.iter().fold(self.hash, |h, (_, r)| running_hash(h, r));
        Ok(Taken::Records(frame))
    }

    /// What was here before, for messages.
    pub(super) fn before(&self) -> String {
        format!(
            "before it: {} records with hash {:032x}, last written by {} (envelope {} is next), up \
             to offset {} of the topic",
            self.next_offset, self.hash, self.holder, self.sequence, self.topic_next
        )
    }
}
