//! Appending to a topic that others append to at the same time.
//!
//! Nobody has the right to write alone: every writer joins each partition under an id of its own, and has
//! terms and sequences of its own. Where a record of this process lies is known when it has been read
//! back, with all that others wrote before it; whoever appends reads, and what was read goes into the copy
//! in the topic's order.
//!
//! An unknown outcome is settled as by the only writer (`writer.rs`), with a join in a new term in the
//! place of the fence: it makes what was sent before and comes later stale, and nobody else's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::broker::{BrokerError, Fetched};
use super::chain::{Chain, PassedOver, Taken};
use super::envelope::{Envelope, Holder};
use super::interrupt::Interrupt;
use super::naming::Naming;
use super::session::{Session, Stopped};
use super::topic::REQUEST_BYTES_MAX;
use super::writer::{Part, Tries, announce, lost_end};
use crate::error::StreamError;
use crate::frame::Frame;
use crate::group::Group;
use crate::key::PartitionId;
use crate::mutant::{Mutant, is_on};

/// The most that is asked of a partition when many are asked for at once. What is larger is read by
/// itself.
pub(super) const TAIL_BYTES: u32 = 256 << 10;

/// Partitions that are asked for at once: their answers fit into one.
pub(super) const TAIL_PARTITIONS: usize = 128;

/// One of several writers of the topic.
pub(super) struct Joint {
    pub(super) session: Session,
    id: u64,
    pub(super) chains: Vec<Chain>,
    /// What the stream is named, and what it must be named.
    pub(super) naming: Naming,
    /// The highest term that was tried.
    term: u32,
    interrupt: Arc<Interrupt>,
    /// When to stop trying; absent = when interrupted.
    pub(super) give_up: Option<Instant>,
}

/// Takes frames in the order of each partition, and says whether they are this writer's.
type OnFrame<'a> = &'a mut dyn FnMut(Frame, bool) -> Result<(), StreamError>;

impl Joint {
    /// `id`: no other writer has it or had it.
    pub(super) fn new(
        session: Session,
        id: u64,
        chains: Vec<Chain>,
        interrupt: Arc<Interrupt>,
    ) -> Self {
        Self {
            session,
            id,
            chains,
            naming: Naming::any(id),
            term: 0,
            interrupt,
            give_up: None,
        }
    }

    /// Who it is.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Joins all partitions, and reads everything that was written before.
    pub(super) fn open(
        &mut self,
        on_frame: &mut dyn FnMut(Frame) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        let mut on_frame = |frame, _| on_frame(frame);
        // As the only writer does: the first partition decides on the id of a new stream, and looking
        // comes before joining.
        let all: Vec<PartitionId> = (0..).take(self.chains.len()).collect();
        let (first, rest) = all.split_at(1);
        let mut tries = Tries::default();
        loop {
            match self.read_to_end(first, &mut on_frame) {
                Ok(()) => break,
                Err(Stopped::Failed(e)) => return Err(e),
                Err(Stopped::Away(e)) => self.pause(&mut tries, "reading the topic", &e)?,
                Err(Stopped::AtEnd) => unreachable!("the end is what was read to"),
            }
        }
        self.naming.check(&self.session, &self.chains[0])?;
        self.join_all(first, &mut on_frame)?;
        self.naming.check(&self.session, &self.chains[0])?;
        let stream = self.chains[0].stream;
        for chain in &mut self.chains {
            if chain.stream == 0 {
                chain.stream = stream;
            }
        }
        self.join_all(rest, &mut on_frame)
    }

    fn join_all(
        &mut self,
        partitions: &[PartitionId],
        on_frame: OnFrame<'_>,
    ) -> Result<(), StreamError> {
        let mut left = partitions.to_vec();
        let mut tries = Tries::default();
        while !left.is_empty() {
            match self.join(&left, on_frame) {
                Ok(()) => {}
                Err(Stopped::Failed(e)) => return Err(e),
                Err(Stopped::Away(e)) => self.pause(&mut tries, "joining the writers", &e)?,
                Err(Stopped::AtEnd) => {
                    let e = BrokerError::passing("a join that was acknowledged is not there");
                    self.pause(&mut tries, "joining the writers", &e)?;
                }
            }
            left.retain(|p| !self.is_in(*p));
        }
        Ok(())
    }

    /// May it write to the partition?
    fn is_in(&self, partition: PartitionId) -> bool {
        let joined = self.chains[partition as usize].joined(self.id);
        joined.is_some_and(|j| j.open)
    }

    /// Joins the partitions in a new term and reads up to there.
    fn join(&mut self, partitions: &[PartitionId], on_frame: OnFrame<'_>) -> Result<(), Stopped> {
        self.term = self.term.saturating_add(1);
        let (id, ours) = (
            self.id,
            Holder {
                term: self.term,
                writer: self.id,
            },
        );
        let (session, chains) = (&mut self.session, &mut self.chains);
        announce(session, chains, partitions, self.naming.new, |stream| {
            Envelope::join(stream, ours)
        })?;
        for partition in partitions {
            let chain = &mut self.chains[*partition as usize];
            self.session.read_until(chain, |taken| match taken {
                Taken::Joined(holder)
                | Taken::PassedOver(PassedOver::OtherStream(holder) | PassedOver::Stale(holder)) => {
                    Ok(holder == ours)
                }
                other => hand_on(other, id, on_frame).map(|_| false),
            })?;
        }
        Ok(())
    }

    /// Reads what the partitions hold now.
    fn read_to_end(
        &mut self,
        partitions: &[PartitionId],
        on_frame: OnFrame<'_>,
    ) -> Result<(), Stopped> {
        let id = self.id;
        for partition in partitions {
            let chain = &mut self.chains[*partition as usize];
            self.session
                .read_what_is_there(chain, |taken| hand_on(taken, id, on_frame))?;
        }
        Ok(())
    }

    /// Appends the group and reads it back: `out` gets what came, others' records too, in the order of
    /// each partition; also on an error. Returns when the cluster has acknowledged all of it, however
    /// long that takes; on an error, or when interrupted, any part of it may be in the topic.
    pub(super) fn append(
        &mut self,
        group: &Group,
        out: &mut Vec<Frame>,
    ) -> Result<(), StreamError> {
        let mut parts: Vec<Part> = group
            .parts()
            .map(|(p, _, payload)| Part::new(p, payload))
            .collect();
        while !parts.is_empty() {
            let unknown = self.send_round(&mut parts, out)?;
            if !unknown.is_empty() {
                self.settle(&unknown, &mut parts, out)?;
            }
            parts.retain(|p| !p.chunks.is_empty());
        }
        Ok(())
    }

    /// Sends the next batch of as many partitions as fit into a request, and reads them back. Returns the
    /// partitions whose outcome is unknown.
    fn send_round(
        &mut self,
        parts: &mut [Part],
        out: &mut Vec<Frame>,
    ) -> Result<Vec<PartitionId>, StreamError> {
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
            let envelope = chain.shared_envelope(self.id, *count, payload.clone());
            let Some(envelope) = envelope else {
                return Err(self.superseded(part.partition));
            };
            batches.push((part.partition, vec![envelope.encode()]));
        }
        let answers = match self.session.broker() {
            Ok(broker) => broker.produce(&batches),
            Err(e) => batches.iter().map(|_| Err(e.clone())).collect(),
        };
        let mut unknown = Vec::new();
        let mut behind = Vec::new();
        for ((partition, values), answer) in batches.iter().zip(answers) {
            let chain = &mut self.chains[*partition as usize];
            let answer = match answer {
                Err(e) if !e.is_final() && is_on(Mutant::SettleByGuess) => Ok(chain.topic_next),
                answer => answer,
            };
            match answer {
                // Nobody else wrote meanwhile: no need to read it.
                Ok(at) if at == chain.topic_next => {
                    let taken = chain.take(at, &values[0]);
                    match taken {
                        Ok(Taken::Shared(frame, _)) => {
                            out.push(frame.clone());
                            take_off(&self.session, chain, &frame, parts)?;
                        }
                        other => {
                            let what = format!("our own envelope is not the next: {other:?}");
                            return Err(self.session.failed(chain, &what));
                        }
                    }
                }
                Ok(at) if at < chain.topic_next => {
                    return Err(lost_end(&self.session, chain, at));
                }
                Ok(_) => behind.push(*partition),
                Err(e) if e.is_final() => return Err(self.session.failed(chain, &e.what)),
                Err(e) => {
                    tracing::warn!(partition, error = %e, "an append was not answered");
                    unknown.push(*partition);
                }
            }
        }
        self.read_back(&behind, parts, out, &mut unknown)?;
        Ok(unknown)
    }

    /// Reads what others wrote before what was just appended to these partitions, and that.
    fn read_back(
        &mut self,
        behind: &[PartitionId],
        parts: &mut [Part],
        out: &mut Vec<Frame>,
        unknown: &mut Vec<PartitionId>,
    ) -> Result<(), StreamError> {
        for some in behind.chunks(TAIL_PARTITIONS) {
            let asked: Vec<_> = some
                .iter()
                .map(|p| (*p, self.chains[*p as usize].topic_next))
                .collect();
            let answers = match self.session.broker() {
                Ok(broker) => broker.fetch_all(&asked, TAIL_BYTES),
                Err(e) => asked.iter().map(|_| Err(e.clone())).collect(),
            };
            for (partition, answer) in some.iter().zip(answers) {
                let mut own = None;
                let mut on_frame = |frame: Frame, is_ours| {
                    if is_ours {
                        own = Some(frame.clone());
                    }
                    out.push(frame);
                    Ok(())
                };
                if let Ok(fetched) = &answer {
                    self.take_fetched(*partition, fetched, &mut on_frame)?;
                }
                let mut read = Ok(());
                if own.is_none() {
                    // Reading by itself waits, heals, or says what is wrong.
                    let chain = &mut self.chains[*partition as usize];
                    let id = self.id;
                    read = self.session.read_until(chain, |taken| {
                        let is_ours = matches!(taken, Taken::Shared(_, writer) if writer == id);
                        let mut on_frame = |frame: Frame, is_ours| {
                            if is_ours {
                                own = Some(frame.clone());
                            }
                            out.push(frame);
                            Ok(())
                        };
                        hand_on(taken, id, &mut on_frame)?;
                        Ok(is_ours)
                    });
                }
                let chain = &self.chains[*partition as usize];
                match (own, read) {
                    (Some(frame), _) => take_off(&self.session, chain, &frame, parts)?,
                    (None, Err(Stopped::Failed(e))) => return Err(e),
                    // Acknowledged, and not there, or not to be read now: settled.
                    (None, _) => unknown.push(*partition),
                }
            }
        }
        Ok(())
    }

    /// Takes what came in an answer, as far as it is right and follows on what was read. Says whether
    /// all of it was.
    fn take_fetched(
        &mut self,
        partition: PartitionId,
        fetched: &Fetched,
        on_frame: OnFrame<'_>,
    ) -> Result<bool, StreamError> {
        let chain = &mut self.chains[partition as usize];
        for (offset, value) in &fetched.values {
            if *offset < chain.topic_next {
                continue;
            }
            match chain.take(*offset, value) {
                Ok(taken) => {
                    self.session.note(chain, &taken);
                    hand_on(taken, self.id, on_frame)?;
                }
                Err(_) => return Ok(false),
            }
        }
        Ok(fetched.left_over == 0 || !fetched.values.is_empty())
    }

    /// Takes what somebody else fetched. What is not right there is read again by itself, which heals it or
    /// says it.
    pub(super) fn take_tail(
        &mut self,
        partition: PartitionId,
        fetched: &Fetched,
        out: &mut Vec<Frame>,
    ) -> Result<(), Stopped> {
        let mut on_frame = |frame, _| {
            out.push(frame);
            Ok(())
        };
        if self.take_fetched(partition, fetched, &mut on_frame)? {
            return Ok(());
        }
        self.read_to_end(&[partition], &mut on_frame)
    }

    /// The end of the topic seems to lie before what was read from it: reads it again by itself.
    pub(super) fn catch_up(
        &mut self,
        partition: PartitionId,
        out: &mut Vec<Frame>,
    ) -> Result<(), Stopped> {
        self.read_to_end(&[partition], &mut |frame, _| {
            out.push(frame);
            Ok(())
        })
    }

    /// Finds out what became of the first chunk of these partitions, and takes off what is in the
    /// topic. Tries until it knows.
    fn settle(
        &mut self,
        unknown: &[PartitionId],
        parts: &mut [Part],
        out: &mut Vec<Frame>,
    ) -> Result<(), StreamError> {
        let stats = self.session.stats.clone();
        stats
            .settled
            .fetch_add(unknown.len() as u64, Ordering::Relaxed);
        let mut tries = Tries::default();
        let mut found_of_all = 0;
        loop {
            self.session.drop_connections();
            let mut found = Vec::new();
            let mut on_frame = |frame: Frame, is_ours| {
                if is_ours {
                    found.push(frame.clone());
                }
                out.push(frame);
                Ok(())
            };
            // First only look: who was shut out does not come back by itself.
            let looked = self.read_to_end(unknown, &mut on_frame);
            let shut_out = unknown.iter().find(|p| !self.is_in(**p)).copied();
            let joined = match (looked, shut_out) {
                (Ok(()), None) => self.join(unknown, &mut on_frame),
                (stopped, _) => stopped,
            };
            found_of_all += found.len();
            for frame in found {
                let chain = &self.chains[frame.partition() as usize];
                take_off(&self.session, chain, &frame, parts)?;
                stats.found.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(partition) = shut_out {
                return Err(self.superseded(partition));
            }
            match joined {
                Ok(()) => break,
                Err(Stopped::Failed(e)) => return Err(e),
                Err(Stopped::Away(e)) => {
                    self.pause(&mut tries, "finding out what was appended", &e)?;
                }
                Err(Stopped::AtEnd) => {
                    let e = BrokerError::passing("a join that was acknowledged is not there");
                    self.pause(&mut tries, "finding out what was appended", &e)?;
                }
            }
        }
        let missing = unknown.len().saturating_sub(found_of_all);
        stats.resent.fetch_add(missing as u64, Ordering::Relaxed);
        tracing::info!(
            partitions = unknown.len(),
            tries = tries.count,
            "what was not answered is settled"
        );
        Ok(())
    }

    /// Somebody took the right to write alone.
    fn superseded(&self, partition: PartitionId) -> StreamError {
        StreamError::Superseded {
            cluster: self.session.name(),
            partition,
            holder: self.chains[partition as usize].holder.to_string(),
        }
    }

    fn pause(
        &self,
        tries: &mut Tries,
        doing: &'static str,
        error: &BrokerError,
    ) -> Result<(), StreamError> {
        tries.pause(&self.session, &self.interrupt, self.give_up, doing, error)
    }
}

/// Gives a frame on, if it is one.
fn hand_on(taken: Taken, id: u64, on_frame: OnFrame<'_>) -> Result<(), StreamError> {
    match taken {
        Taken::Records(frame) => on_frame(frame, false),
        Taken::Shared(frame, writer) => on_frame(frame, writer == id),
        Taken::Fence(_) | Taken::Joined(_) | Taken::PassedOver(_) => Ok(()),
    }
}

/// A frame of ours that was read back is not sent again.
fn take_off(
    session: &Session,
    chain: &Chain,
    frame: &Frame,
    parts: &mut [Part],
) -> Result<(), StreamError> {
    let part = parts.iter_mut().find(|p| p.partition == frame.partition());
    let sent = part.and_then(|p| p.chunks.pop_front());
    if sent.is_some_and(|(_, payload)| payload == frame.payload()) {
        return Ok(());
    }
    Err(session.failed(
        chain,
        "records were found that this writer did not write, under its own name",
    ))
}
