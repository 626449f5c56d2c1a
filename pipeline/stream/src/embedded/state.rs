//! What the embedded log holds in memory, and group commit over it.
//!
//! Groups are ordered when they are submitted: they get their offsets and go into the pending
//! commit. The first caller that waits writes everything pending in one go, for all; those who
//! submit meanwhile are in the next one. One commit is under way at a time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use bytes::Bytes;

use super::config::EmbeddedConfig;
use super::folder::Notes;
use super::format::{FRAME_HEADER_BYTES, GroupWriter, Kind};
use super::store::{Commit, Store};
use crate::error::{StreamError, free_bytes};
use crate::group::{GROUP_BYTES_MAX, Group};
use crate::key::PartitionId;
use crate::port::Ticket;

/// An index entry is due after this many groups, or this many bytes: what finding an offset has to
/// read at most.
const INDEX_GROUPS: u64 = 64;
const INDEX_BYTES: usize = 1 << 20;

/// Submitters wait while this much is pending.
const PENDING_BYTES_MAX: usize = GROUP_BYTES_MAX;

/// How often free space is looked at.
const FREE_CHECK_BYTES: u64 = 4 << 20;

/// Names of marks.
pub(super) const MARK_LOW_WATER: &str = "low_water";
pub(super) const MARK_EPOCH: &str = "epoch";

/// Everything that the log's handles and followers share.
pub(super) struct Shared {
    pub(super) config: EmbeddedConfig,
    pub(super) epoch: u32,
    pub(super) store: Box<dyn Store>,
    state: Mutex<State>,
    /// A commit ended, well or not.
    changed: Condvar,
    /// Last, so that the folder stays locked while anyone, a follower or a scan, still has the
    /// storage open.
    pub(super) notes: Option<Box<dyn Notes>>,
}

pub(super) struct State {
    pending: GroupWriter,
    /// The number that the pending group will get.
    pending_number: u64,
    /// End offsets with everything submitted.
    submitted_ends: Vec<u64>,
    committing: bool,
    /// Groups numbered below are durable.
    pub(super) committed: u64,
    /// End offsets with everything durable.
    pub(super) ends: Vec<u64>,
    pub(super) low_water: Vec<u64>,
    /// The latest groups, for followers; the last one is `committed - 1`.
    pub(super) recent: VecDeque<Bytes>,
    recent_bytes: usize,
    indexed: u64,
    unindexed_bytes: usize,
    accepted_since_check: u64,
    last_refusal: Option<StreamError>,
    failed: Option<StreamError>,
}

/// What the log was found to be when it was opened.
pub(super) struct Found {
    pub(super) committed: u64,
    pub(super) ends: Vec<u64>,
    pub(super) low_water: Vec<u64>,
}

impl Shared {
    pub(super) fn new(
        config: EmbeddedConfig,
        epoch: u32,
        store: Box<dyn Store>,
        found: Found,
        notes: Option<Box<dyn Notes>>,
    ) -> Self {
        Self {
            config,
            epoch,
            store,
            state: Mutex::new(State {
                pending: GroupWriter::new(),
                pending_number: found.committed,
                submitted_ends: found.ends.clone(),
                committing: false,
                committed: found.committed,
                ends: found.ends,
                low_water: found.low_water,
                recent: VecDeque::new(),
                recent_bytes: 0,
                indexed: 0,
                unindexed_bytes: 0,
                // Look before the first append.
                accepted_since_check: FREE_CHECK_BYTES,
                last_refusal: None,
                failed: None,
            }),
            changed: Condvar::new(),
            notes,
        }
    }

    pub(super) fn partitions(&self) -> u32 {
        self.config.partitions
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics is done under the lock but our own assertions, and after one of those
        // nobody should go on.
        match self.state.lock() {
            Ok(guard) => guard,
            Err(_) => panic!("a thread died while it changed the state of the log"),
        }
    }

    fn wait_for_change<'a>(&self, guard: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        match self.changed.wait(guard) {
            Ok(guard) => guard,
            Err(_) => panic!("a thread died while it changed the state of the log"),
        }
    }

    /// Waits until something was committed or the time has come; false when it has.
    pub(super) fn wait_until<'a>(
        &self,
        guard: MutexGuard<'a, State>,
        deadline: Instant,
    ) -> (MutexGuard<'a, State>, bool) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return (guard, false);
        }
        match self.changed.wait_timeout(guard, left) {
            Ok((guard, _)) => (guard, true),
            Err(_) => panic!("a thread died while it changed the state of the log"),
        }
    }

    pub(super) fn submit(&self, group: &Group) -> Result<Ticket, StreamError> {
        group.check(self.partitions())?;
        let mut state = self.lock();
        loop {
            if let Some(first) = &state.failed {
                return Err(poisoned(first));
            }
            let after = state.pending.len() + group.bytes();
            if state.pending.is_empty() || after <= PENDING_BYTES_MAX {
                break;
            }
            state = self.lead_or_wait(state);
        }
        self.check_room(&mut state, group.bytes() as u64)?;
        let state = &mut *state;
        let mut bases = Vec::new();
        for (partition, count, payload) in group.parts() {
            let end = &mut state.submitted_ends[partition as usize];
            state.pending.frame(partition, *end, count, payload);
            bases.push((partition, *end));
            *end += u64::from(count);
        }
        Ok(Ticket {
            // An empty group waits for nothing.
            number: if bases.is_empty() {
                state.committed.saturating_sub(1)
            } else {
                state.pending_number
            },
            bases,
        })
    }

    /// Is there room for so many bytes? For those who store something elsewhere first.
    pub(super) fn check_room_for(&self, bytes: u64) -> Result<(), StreamError> {
        self.check_room(&mut self.lock(), bytes)
    }

    /// Refuses while there is little room, before anything is written, so that the log stays whole.
    fn check_room(&self, state: &mut State, bytes: u64) -> Result<(), StreamError> {
        let reserve = self.config.reserve_bytes;
        if reserve == 0 {
            return Ok(());
        }
        state.accepted_since_check = state.accepted_since_check.saturating_add(bytes);
        if state.last_refusal.is_none() && state.accepted_since_check < FREE_CHECK_BYTES {
            return Ok(());
        }
        state.accepted_since_check = 0;
        // A file system that cannot say is not a reason to refuse.
        let free = free_bytes(&self.config.path).unwrap_or(u64::MAX);
        state.last_refusal = (free < reserve + bytes).then(|| StreamError::DiskFull {
            path: self.config.path.clone(),
            free_bytes: free,
            reopen: false,
        });
        state.last_refusal.clone().map_or(Ok(()), Err)
    }

    pub(super) fn wait(&self, ticket: &Ticket) -> Result<(), StreamError> {
        let mut state = self.lock();
        loop {
            if ticket.number < state.committed || ticket.bases.is_empty() {
                return Ok(());
            }
            if let Some(first) = &state.failed {
                return Err(first.clone());
            }
            state = self.lead_or_wait(state);
        }
    }

    /// Commits what is pending, or waits for whoever is at it.
    fn lead_or_wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.committing {
            return self.wait_for_change(state);
        }
        let group = std::mem::replace(&mut state.pending, GroupWriter::new());
        let ends = state.submitted_ends.clone();
        self.commit(state, group, Kind::Records, ends, Vec::new())
    }

    /// Commits a group of the log's own, after everything that was submitted before.
    pub(super) fn commit_own(
        &self,
        kind: Kind,
        group: GroupWriter,
        marks: Vec<(&'static str, Bytes)>,
        done: impl FnOnce(&mut State),
    ) -> Result<(), StreamError> {
        let mut state = self.lock();
        while state.failed.is_none() && (state.committing || !state.pending.is_empty()) {
            state = self.lead_or_wait(state);
        }
        if let Some(first) = &state.failed {
            return Err(poisoned(first));
        }
        let ends = state.ends.clone();
        let mut state = self.commit(state, group, kind, ends, marks);
        match &state.failed {
            Some(e) => Err(e.clone()),
            None => {
                done(&mut state);
                Ok(())
            }
        }
    }

    fn commit<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        group: GroupWriter,
        kind: Kind,
        ends: Vec<u64>,
        marks: Vec<(&'static str, Bytes)>,
    ) -> MutexGuard<'a, State> {
        assert!(!state.committing, "one commit at a time");
        let number = state.pending_number;
        assert_eq!(number, state.committed, "groups are numbered without gaps");
        state.committing = true;
        state.pending_number += 1;
        // Every opening leaves an entry, so there always is a first one, and the next opening reads
        // little.
        let due = kind == Kind::Opened
            || number - state.indexed >= INDEX_GROUPS
            || state.unindexed_bytes >= INDEX_BYTES;
        let index = due.then(|| offsets_to_bytes(&state.ends));
        drop(state);

        // If the storage panics, others must not wait for ever.
        let guard = PanicGuard(self);
        let bytes = group.finish(kind, number, self.epoch);
        let result = self.store.commit(Commit {
            number,
            group: bytes.clone(),
            index,
            marks,
        });
        std::mem::forget(guard);

        let mut state = self.lock();
        state.committing = false;
        match result {
            Ok(()) => {
                if due {
                    state.indexed = number;
                    state.unindexed_bytes = 0;
                }
                state.unindexed_bytes += bytes.len();
                state.committed = number + 1;
                state.ends = ends;
                state.remember(bytes, self.config.recent_bytes);
            }
            Err(e) => {
                // After a failed sync the page cache and the disk may differ in ways that nobody
                // can tell: a second try that works would prove nothing.
                tracing::error!(error = %e, group = number, "append failed, the log takes no more");
                state.failed = Some(e);
            }
        }
        self.changed.notify_all();
        state
    }
}

impl State {
    fn remember(&mut self, group: Bytes, bytes_max: usize) {
        self.recent_bytes += group.len();
        self.recent.push_back(group);
        while self.recent_bytes > bytes_max && self.recent.len() > 1 {
            if let Some(old) = self.recent.pop_front() {
                self.recent_bytes -= old.len();
            }
        }
    }

    /// The number of the first group in `recent`.
    pub(super) fn recent_first(&self) -> u64 {
        self.committed - self.recent.len() as u64
    }
}

struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.committing = false;
        state.failed = Some(StreamError::Storage {
            doing: "appending to the log",
            path: self.0.config.path.clone(),
            what: "the storage library panicked".to_owned(),
        });
        self.0.changed.notify_all();
    }
}

fn poisoned(first: &StreamError) -> StreamError {
    match first {
        // Says what to do better than anything that could be put around it.
        StreamError::DiskFull { .. } => first.clone(),
        other => StreamError::Poisoned {
            first: other.to_string(),
        },
    }
}

/// A frame without records per partition that changes, for a group of kind trim.
pub(super) fn trim_group(before: &[(PartitionId, u64)]) -> GroupWriter {
    let mut group = GroupWriter::new();
    for (partition, offset) in before {
        group.frame(*partition, *offset, 0, &[]);
    }
    debug_assert!(group.len() >= before.len() * FRAME_HEADER_BYTES);
    group
}

pub(super) fn offsets_to_bytes(offsets: &[u64]) -> Bytes {
    let bytes: Vec<u8> = offsets.iter().flat_map(|o| o.to_le_bytes()).collect();
    bytes.into()
}

/// `None` when there are not as many as there should be.
pub(super) fn offsets_from_bytes(bytes: &[u8], count: u32) -> Option<Vec<u64>> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || chunks.len() != count as usize {
        return None;
    }
    Some(chunks.iter().map(|c| u64::from_le_bytes(*c)).collect())
}
