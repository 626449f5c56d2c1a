//! Appending to the topic: the right to write, one batch in flight per partition, and finding out
//! what became of those that were not answered.
//!
//! When the outcome of a batch is unknown, a fence in a new term is appended, over new connections,
//! and the partition is read up to it. What is found before the fence is in the stream. What is not
//! found can no longer come: should the lost request still arrive, it is of an older term, and every
//! reader passes over it. So what is missing is sent again without a risk of a double.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::broker::BrokerError;
use super::chain::{Chain, PassedOver, Taken};
use super::envelope::{ENVELOPE_BYTES, Envelope, Holder};
use super::interrupt::Interrupt;
use super::naming::Naming;
use super::session::{Session, Stopped};
use super::topic::{BATCH_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::error::StreamError;
use crate::frame::{Frame, RECORD_PREFIX_BYTES};
use crate::group::Group;
use crate::key::PartitionId;

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The one writer of the topic, as long as nobody takes the right from it.
pub(super) struct Writer {
    pub(super) session: Session,
    id: u64,
    pub(super) chains: Vec<Chain>,
    /// What the stream is named, and what it must be named.
    pub(super) naming: Naming,
    /// The highest term that was seen or tried.
    term: u32,
    interrupt: Arc<Interrupt>,
    /// When to stop trying; absent = when interrupted.
    pub(super) give_up: Option<Instant>,
}

/// What is still to be appended to a partition, in pieces that fit into a batch.
pub(super) struct Part {
    pub(super) partition: PartitionId,
    pub(super) chunks: VecDeque<(u32, Bytes)>,
}

impl Writer {
    pub(super) fn new(
        session: Session,
        id: u64,
        chains: Vec<Chain>,
        interrupt: Arc<Interrupt>,
    ) -> Self {
        let term = chains.iter().map(|c| c.holder.term).max().unwrap_or(0);
        Self {
            session,
            id,
            chains,
            naming: Naming::any(id),
            term,
            interrupt,
            give_up: None,
        }
    }

    /// The highest term so far: the next opening's is higher.
    pub(super) fn term(&self) -> u32 {
        self.term
    }

    /// Takes the right to write to all partitions and reads everything that was written before.
    /// Frames are given in the order of each partition.
    pub(super) fn open(
        &mut self,
        on_frame: &mut dyn FnMut(Frame) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        // The first partition first: its first fence decides on the id of a new stream. Looking comes
        // before fencing, so that nobody names a stream that has a name.
        let all: Vec<PartitionId> = (0..).take(self.chains.len()).collect();
        let (first, rest) = all.split_at(1);
        let mut tries = Tries::default();
        loop {
            match self.read_to_end(first, on_frame) {
                Ok(()) => break,
                Err(Stopped::Failed(e)) => return Err(e),
                Err(Stopped::Away(e)) => self.pause(&mut tries, "reading the topic", &e)?,
                Err(Stopped::AtEnd) => unreachable!("the end is what was read to"),
            }
        }
        self.naming.check(&self.session, &self.chains[0])?;
        self.take_right(first, on_frame)?;
        self.naming.check(&self.session, &self.chains[0])?;
        let stream = self.chains[0].stream;
        for chain in &mut self.chains {
            if chain.stream == 0 {
                chain.stream = stream;
            }
        }
        self.take_right(rest, on_frame)
    }

    /// Fences the partitions until all are ours. Another's higher fence is overbid: whoever opens
    /// last has the right.
    fn take_right(
        &mut self,
        partitions: &[PartitionId],
        on_frame: &mut dyn FnMut(Frame) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        let mut left = partitions.to_vec();
        let mut tries = Tries::default();
        while !left.is_empty() {
            match self.fence(&left, on_frame) {
                Ok(()) => {}
                Err(Stopped::Failed(e)) => return Err(e),
                Err(Stopped::Away(e)) => self.pause(&mut tries, "taking the right to write", &e)?,
                Err(Stopped::AtEnd) => {
                    let e = BrokerError::passing("a fence that was acknowledged is not there");
                    self.pause(&mut tries, "taking the right to write", &e)?;
                }
            }
            left.retain(|p| {
                let holder = self.chains[*p as usize].holder;
                holder.writer != self.id
                    || holder.term != self.term
                    || !self.chains[*p as usize].alone
            });
            // An even start in every partition: one term for all that are left.
        }
        Ok(())
    }

    /// Appends a fence in a new term to each partition and reads up to it.
    fn fence(
        &mut self,
        partitions: &[PartitionId],
        on_frame: &mut dyn FnMut(Frame) -> Result<(), StreamError>,
    ) -> Result<(), Stopped> {
        let seen = partitions
            .iter()
            .map(|p| self.chains[*p as usize].holder.term);
        self.term = seen.max().unwrap_or(0).max(self.term).saturating_add(1);
        let ours = Holder {
            term: self.term,
            writer: self.id,
        };
        let (session, chains) = (&mut self.session, &mut self.chains);
        announce(session, chains, partitions, self.naming.new, |stream| {
            Envelope::fence(stream, ours)
        })?;
        for partition in partitions {
            let chain = &mut self.chains[*partition as usize];
            self.session.read_until(chain, |taken| match taken {
                Taken::Records(frame) | Taken::Shared(frame, _) => on_frame(frame).map(|()| false),
                Taken::Fence(holder) | Taken::PassedOver(PassedOver::OtherStream(holder)) => {
                    Ok(holder == ours)
                }
                Taken::Joined(_) | Taken::PassedOver(_) => Ok(false),
            })?;
        }
        Ok(())
    }

    /// Reads what the partitions hold now.
    fn read_to_end(
        &mut self,
        partitions: &[PartitionId],
        on_frame: &mut dyn FnMut(Frame) -> Result<(), StreamError>,
    ) -> Result<(), Stopped> {
        for partition in partitions {
            let chain = &mut self.chains[*partition as usize];
            self.session
                .read_what_is_there(chain, |taken| match taken {
                    Taken::Records(frame) | Taken::Shared(frame, _) => on_frame(frame),
                    Taken::Fence(_) | Taken::Joined(_) | Taken::PassedOver(_) => Ok(()),
                })?;
        }
        Ok(())
    }

    /// Appends the group to the topic. Returns when the cluster has acknowledged all of it, however
    /// long that takes; on an error, or when interrupted, any part of it may be in the topic.
    pub(super) fn append(&mut self, group: &Group) -> Result<(), StreamError> {
        let mut parts: Vec<Part> = group
            .parts()
            .map(|(p, _, payload)| Part::new(p, payload))
            .collect();
        while !parts.is_empty() {
            let unknown = self.send_round(&mut parts)?;
            if !unknown.is_empty() {
                self.settle(&unknown, &mut parts)?;
            }
            parts.retain(|p| !p.chunks.is_empty());
        }
        Ok(())
    }

    /// Sends the next batch of as many partitions as fit into a request. Returns the partitions
    /// whose outcome is unknown.
    fn send_round(&mut self, parts: &mut [Part]) -> Result<Vec<PartitionId>, StreamError> {
        let mut batches = Vec::with_capacity(parts.len());
        let mut bytes = 0;
        for part in parts.iter() {
            let Some((count, payload)) = part.chunks.front() else {
                continue;
            };
            bytes += payload.len();
            if bytes > REQUEST_BYTES_MAX && !batches.is_empty() {
                break;
            }
            let chain = &self.chains[part.partition as usize];
            let envelope = chain.next_envelope(*count, payload.clone());
            batches.push((part.partition, vec![envelope.encode()]));
        }
        let answers = match self.session.broker() {
            Ok(broker) => broker.produce(&batches),
            Err(e) => batches.iter().map(|_| Err(e.clone())).collect(),
        };
        let mut unknown = Vec::new();
        for ((partition, values), answer) in batches.iter().zip(answers) {
            let chain = &mut self.chains[*partition as usize];
            match answer {
                Ok(at) if at == chain.topic_next => {
                    // The same as what every reader does with it.
                    let taken = chain.take(at, &values[0]);
                    match taken {
                        Ok(Taken::Records(_)) => {
                            let part = parts.iter_mut().find(|p| p.partition == *partition);
                            part.and_then(|p| p.chunks.pop_front());
                        }
                        other => {
                            return Err(self.session.failed(
                                &self.chains[*partition as usize],
                                &format!("our own envelope is not the next: {other:?}"),
                            ));
                        }
                    }
                }
                Ok(at) if at < chain.topic_next => {
                    return Err(lost_end(&self.session, chain, at));
                }
                // Something else was written before it: it takes reading to know what counts.
                Ok(_) => unknown.push(*partition),
                Err(e) if e.is_final() => return Err(self.session.failed(chain, &e.what)),
                Err(e) => {
                    tracing::warn!(partition, error = %e, "an append was not answered");
                    unknown.push(*partition);
                }
            }
        }
        Ok(unknown)
    }

    /// Finds out what became of the first chunk of these partitions, and takes off what is in the
    /// topic. Tries until it knows.
    fn settle(&mut self, unknown: &[PartitionId], parts: &mut [Part]) -> Result<(), StreamError> {
        let stats = self.session.stats.clone();
        stats
            .settled
            .fetch_add(unknown.len() as u64, Ordering::Relaxed);
        let mut tries = Tries::default();
        let mut found_of_all = 0;
        loop {
            self.session.drop_connections();
            let mut found = Vec::new();
            let mut on_frame = |frame| {
                found.push(frame);
                Ok(())
            };
            // First only look: a right that another has taken is not taken back.
            let looked = self.read_to_end(unknown, &mut on_frame);
            let fenced = match looked.and_then(|()| Ok(self.superseded(unknown)?)) {
                Ok(()) => self.fence(unknown, &mut on_frame),
                Err(stopped) => Err(stopped),
            };
            // What another wrote after he took over is none of ours.
            self.superseded(unknown)?;
            found_of_all += found.len();
            for frame in found {
                self.take_off(&frame, parts)?;
            }
            match fenced {
                Ok(()) => break,
                Err(Stopped::Failed(e)) => return Err(e),
                Err(Stopped::Away(e)) => {
                    self.pause(&mut tries, "finding out what was appended", &e)?;
                }
                Err(Stopped::AtEnd) => {
                    let e = BrokerError::passing("a fence that was acknowledged is not there");
                    self.pause(&mut tries, "finding out what was appended", &e)?;
                }
            }
        }
        self.superseded(unknown)?;
        let missing = unknown.len().saturating_sub(found_of_all);
        stats.resent.fetch_add(missing as u64, Ordering::Relaxed);
        tracing::info!(
            partitions = unknown.len(),
            tries = tries.count,
            "what was not answered is settled"
        );
        Ok(())
    }

    /// A frame of ours that was found in the topic is not sent again.
    fn take_off(&mut self, frame: &Frame, parts: &mut [Part]) -> Result<(), StreamError> {
        let part = parts.iter_mut().find(|p| p.partition == frame.partition());
        let sent = part.and_then(|p| p.chunks.pop_front());
        let is_ours = sent.is_some_and(|(count, payload)| {
            Frame::from_payload(frame.partition(), frame.base_offset(), count, payload).as_ref()
                == Some(frame)
        });
        if !is_ours {
            let chain = &self.chains[frame.partition() as usize];
            return Err(self.session.failed(
                chain,
                "records were found that this writer did not write, under its own name",
            ));
        }
        self.session.stats.found.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Has somebody else taken the right to write?
    fn superseded(&self, partitions: &[PartitionId]) -> Result<(), StreamError> {
        for partition in partitions {
            let chain = &self.chains[*partition as usize];
            let last = chain.joined.iter().rfind(|j| j.open);
            let holder = last.map_or(chain.holder, |joined| joined.holder);
            if chain.holder.writer != self.id || !chain.alone {
                return Err(StreamError::Superseded {
                    cluster: self.session.name(),
                    partition: *partition,
                    holder: holder.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Waits before another try, or gives up.
    fn pause(
        &self,
        tries: &mut Tries,
        doing: &'static str,
        error: &BrokerError,
    ) -> Result<(), StreamError> {
        tries.pause(&self.session, &self.interrupt, self.give_up, doing, error)
    }
}

#[derive(Default)]
pub(super) struct Tries {
    pub(super) count: u32,
}

impl Tries {
    /// Waits before another try, or gives up: when interrupted, or late.
    pub(super) fn pause(
        &mut self,
        session: &Session,
        interrupt: &Interrupt,
        give_up: Option<Instant>,
        doing: &'static str,
        error: &BrokerError,
    ) -> Result<(), StreamError> {
        self.count += 1;
        let pause = PAUSE_MIN.saturating_mul(1 << self.count.min(10));
        let cluster = session.cluster();
        let is_interrupted = cluster.wait(pause.min(PAUSE_MAX), Some(interrupt));
        let is_late = give_up.is_some_and(|at| cluster.now() >= at);
        if is_late || is_interrupted || error.is_final() {
            return Err(StreamError::Cluster {
                cluster: session.name(),
                what: format!("{doing}: {error} (gave up after {} tries)", self.count),
            });
        }
        // Loud at first, then every time that the count doubles.
        if self.count.is_power_of_two() {
            tracing::warn!(tries = self.count, %error, "{doing}: trying again");
        }
        Ok(())
    }
}

/// Appends to each partition what a writer says of itself, under the partition's stream; under
/// `new_stream` where there is none yet.
pub(super) fn announce(
    session: &mut Session,
    chains: &mut [Chain],
    partitions: &[PartitionId],
    new_stream: u64,
    word: impl Fn(u64) -> Envelope,
) -> Result<(), Stopped> {
    let batches: Vec<_> = partitions
        .iter()
        .map(|p| {
            let stream = match chains[*p as usize].stream {
                0 => new_stream,
                stream => stream,
            };
            (*p, vec![word(stream).encode()])
        })
        .collect();
    let answers = session.broker().map_err(Stopped::Away)?.produce(&batches);
    for (partition, answer) in partitions.iter().zip(answers) {
        let chain = &mut chains[*partition as usize];
        match answer {
            Ok(at) if at < chain.topic_next => return Err(lost_end(session, chain, at).into()),
            Ok(_) => {}
            Err(e) if e.is_final() => return Err(session.failed(chain, &e.what).into()),
            Err(e) => {
                session.drop_connections();
                return Err(Stopped::Away(e));
            }
        }
    }
    Ok(())
}

/// What is appended now is in front of what was there before.
pub(super) fn lost_end(session: &Session, chain: &Chain, at: u64) -> StreamError {
    let what = format!(
        "what is appended now gets offset {at} of the topic, and {} were there before",
        chain.topic_next
    );
    session.lost(chain, &what)
}

impl Part {
    pub(super) fn new(partition: PartitionId, payload: &[u8]) -> Self {
        let mut chunks = VecDeque::new();
        let (mut start, mut end, mut count) = (0, 0, 0_u32);
        let room = BATCH_BYTES_MAX - ENVELOPE_BYTES;
        while let Some(prefix) = payload
            .get(end..)
            .and_then(|r| r.first_chunk::<RECORD_PREFIX_BYTES>())
        {
            let next = end + RECORD_PREFIX_BYTES + u32::from_le_bytes(*prefix) as usize;
            if next - start > room && count > 0 {
                chunks.push_back((count, Bytes::copy_from_slice(&payload[start..end])));
                (start, count) = (end, 0);
            }
            end = next;
            count += 1;
        }
        if count > 0 {
            chunks.push_back((count, Bytes::copy_from_slice(&payload[start..])));
        }
        Self { partition, chunks }
    }
}
