//! One partition of the topic, read record by record: what counts, what is passed over, and what
//! must never be.
//!
//! Every reader comes to the same records at the same offsets, since all that decides is in the
//! topic itself:
//! - a fence of a higher holder gives it the right to write; what others write after it is stale;
//! - an envelope of the holder counts when its sequence is the next one; a lower one is a double
//!   (a retry of the broker's or ours) and is passed over; a higher one means that envelopes are
//!   missing, and nothing after a hole is ever given to a reader;
//! - when several write at the same time, each has joined, and has terms and sequences of its own: what
//!   it sent in an earlier term is stale, and so is everything of those that joined before somebody
//!   took the right to write alone;
//! - every envelope says at which offset its writer was and the hash of everything before it, so
//!   that two replicas that folded different records find out at the next one.

use std::collections::VecDeque;

use bytes::Bytes;

use super::envelope::{BadEnvelope, Content, Envelope, Holder, Run};
use crate::checker::running_hash;
use crate::frame::Frame;
use crate::key::PartitionId;
use crate::mutant::{Mutant, is_on};

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
    /// The holder writes alone: nobody has joined since.
    pub(super) alone: bool,
    /// Everybody who ever joined, in the order of their first joins.
    pub(super) joined: Vec<Joined>,
    /// Offsets at which envelopes ended, and the hash there: what writers had read that are a little
    /// behind. Decides nothing, and begins empty after a restart.
    recent: VecDeque<(u64, u128)>,
}

/// One of several writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) holder: Holder,
    /// Its next sequence.
    pub(super) sequence: u64,
    /// False since somebody took the right to write alone.
    pub(super) open: bool,
}

/// Ends of envelopes that are remembered.
const RECENT_MAX: usize = 256;

/// What a record of the topic turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The next records.
    Records(Frame),
    /// The next records, of one of several writers.
    Shared(Frame, u64),
    /// A fence. It counts when it is the chain's holder now.
    Fence(Holder),
    /// A join that counts.
    Joined(Holder),
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
            alone: false,
            joined: Vec::new(),
            recent: VecDeque::new(),
        }
    }

    /// What is known of one of several writers.
    pub(super) fn joined(&self, writer: u64) -> Option<&Joined> {
        // Those that write now came last.
        self.joined.iter().rfind(|j| j.holder.writer == writer)
    }

    /// The envelope that one of several writers would write next with these records; `None` when it
    /// may not write.
    pub(super) fn shared_envelope(
        &self,
        writer: u64,
        count: u32,
        payload: Bytes,
    ) -> Option<Envelope> {
        let joined = self.joined(writer).filter(|j| j.open)?;
        Some(Envelope {
            stream: self.stream,
            holder: joined.holder,
            content: Content::Shared(Run {
                sequence: joined.sequence,
                base_offset: self.next_offset,
                hash_before: self.hash,
                count,
                payload,
            }),
        })
    }

    /// The envelope that the holder would write next with these records.
    pub(super) fn next_envelope(&self, count: u32, payload: Bytes) -> Envelope {
        Envelope {
            stream: self.stream,
            holder: self.holder,
            content: Content::Records(Run {
                sequence: self.sequence,
                base_offset: self.next_offset,
                hash_before: self.hash,
                count,
                payload,
            }),
        }
    }

    /// Takes the topic's next record. On a fault nothing has changed.
    pub(super) fn take(&mut self, topic_offset: u64, value: &Bytes) -> Result<Taken, ChainFault> {
        if topic_offset != self.topic_next && !is_on(Mutant::FoldHoles) {
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
            if matches!(envelope.content, Content::Fence | Content::Join) {
                return Ok(Taken::PassedOver(PassedOver::OtherStream(holder)));
            }
            return Err(ChainFault::OtherStream {
                expected: self.stream,
                found: envelope.stream,
            });
        }
        match envelope.content {
            Content::Fence => {
                self.stream = envelope.stream;
                if holder > self.holder {
                    self.holder = holder;
                    self.sequence = 0;
                    self.alone = true;
                    self.joined.iter_mut().for_each(|j| j.open = false);
                }
                Ok(Taken::Fence(holder))
            }
            Content::Join => {
                self.stream = envelope.stream;
                Ok(self.join(holder))
            }
            Content::Records(run) => self.take_records(holder, run),
            Content::Shared(run) => self.take_shared(holder, run),
        }
    }

    fn join(&mut self, holder: Holder) -> Taken {
        let known = self.joined.iter_mut();
        let known = known.rev().find(|j| j.holder.writer == holder.writer);
        let fresh = Joined {
            holder,
            sequence: 0,
            open: true,
        };
        match known {
            Some(known) if holder.term <= known.holder.term => {
                return Taken::PassedOver(PassedOver::Stale(holder));
            }
            Some(known) => *known = fresh,
            None => self.joined.push(fresh),
        }
        self.alone = false;
        Taken::Joined(holder)
    }

    /// Records of whoever writes alone.
    fn take_records(&mut self, holder: Holder, run: Run) -> Result<Taken, ChainFault> {
        if holder > self.holder {
            return Err(ChainFault::NoFence(holder));
        }
        if holder < self.holder || !self.alone {
            return Ok(Taken::PassedOver(PassedOver::Stale(holder)));
        }
        if let Some(double) = in_sequence(holder, self.sequence, run.sequence)? {
            return Ok(double);
        }
        if (run.base_offset, run.hash_before) != (self.next_offset, self.hash) {
            return Err(self.diverged(holder, &run, self.next_offset, self.hash));
        }
        let frame = self.fold(run)?;
        self.sequence += 1;
        Ok(Taken::Records(frame))
    }

    /// Records of one of several writers. They come here, wherever it thought that they would.
    fn take_shared(&mut self, holder: Holder, run: Run) -> Result<Taken, ChainFault> {
        let at = self.joined.iter();
        let Some(at) = at.rev().position(|j| j.holder.writer == holder.writer) else {
            return Err(ChainFault::NoFence(holder));
        };
        let at = self.joined.len() - 1 - at;
        let known = self.joined[at];
        if holder > known.holder {
            return Err(ChainFault::NoFence(holder));
        }
        if (holder < known.holder || !known.open) && !is_on(Mutant::TakeStale) {
            return Ok(Taken::PassedOver(PassedOver::Stale(holder)));
        }
        if let Some(double) = in_sequence(holder, known.sequence, run.sequence)? {
            return Ok(double);
        }
        self.check_seen(holder, &run)?;
        let frame = self.fold(run)?;
        self.joined[at].sequence += 1;
        Ok(Taken::Shared(frame, holder.writer))
    }

    /// Was what the writer had read the same as what was read here?
    fn check_seen(&self, holder: Holder, run: &Run) -> Result<(), ChainFault> {
        let seen = run.base_offset;
        let hash = if seen >= self.next_offset {
            // More than there is: something is missing here.
            Some(self.hash).filter(|_| seen == self.next_offset)
        } else {
            let found = self.recent.iter().rfind(|(offset, _)| *offset == seen);
            match found {
                Some((_, hash)) => Some(*hash),
                // Long ago, or before a restart: nothing to compare with.
                None => return Ok(()),
            }
        };
        match hash {
            Some(hash) if hash == run.hash_before => Ok(()),
            Some(hash) => Err(self.diverged(holder, run, seen, hash)),
            None => Err(self.diverged(holder, run, self.next_offset, self.hash)),
        }
    }

    fn diverged(&self, holder: Holder, run: &Run, offset: u64, hash: u128) -> ChainFault {
        ChainFault::Diverged {
            holder,
            its_offset: run.base_offset,
            its_hash: run.hash_before,
            offset,
            hash,
        }
    }

    /// The records that come next.
    fn fold(&mut self, run: Run) -> Result<Frame, ChainFault> {
        let frame = Frame::from_payload(self.partition, self.next_offset, run.count, run.payload);
        let frame = frame.ok_or(ChainFault::Damaged(
            "its records are not as many as it says",
        ))?;
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((self.next_offset, self.hash));
        self.next_offset = frame.end_offset();
        self.hash = frame.iter().fold(self.hash, |h, (_, r)| running_hash(h, r));
        Ok(frame)
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

/// Is this envelope its writer's next? A double is passed over.
fn in_sequence(holder: Holder, expected: u64, found: u64) -> Result<Option<Taken>, ChainFault> {
    if found < expected && !is_on(Mutant::TakeDoubles) {
        return Ok(Some(Taken::PassedOver(PassedOver::Double)));
    }
    if found > expected && !is_on(Mutant::FoldHoles) {
        return Err(ChainFault::SequenceHole {
            holder,
            expected,
            found,
        });
    }
    Ok(None)
}
