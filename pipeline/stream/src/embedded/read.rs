//! Finding offsets, and reading forward from there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::format::StoredGroup;
use super::state::{Shared, State, offsets_from_bytes};
use super::store::Values;
use crate::error::{Place, StreamError};
use crate::frame::{Batch, Frame};
use crate::key::PartitionId;
use crate::port::Follower;

/// A delivery of a scan or a follower that lags is about this large, in bytes.
const DELIVERY_BYTES: usize = 1 << 20;

/// After this many groups without a record of the wanted partition the index is asked again.
const GROUPS_WITHOUT: usize = 128;

impl Shared {
    /// The group to read from so as to see every record at or above the offsets, and few before.
    pub(super) fn locate(&self, from: &[u64], committed: u64) -> Result<u64, StreamError> {
        let starts_below = |ends: &[u64]| ends.iter().zip(from).all(|(end, from)| end <= from);
        let Some((first, _)) = self.store.index_first()? else {
            return Err(corrupt(0, "the index is empty"));
        };
        let (mut best, mut low, mut high) = (first, first, committed);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.store.index_at_or_below(middle)? {
                None => low = middle + 1,
                Some((number, entry)) => {
                    let ends = self.index_entry(number, &entry)?;
                    if starts_below(&ends) {
                        best = best.max(number);
                        low = middle + 1;
                    } else {
                        high = number;
                    }
                }
            }
        }
        Ok(best)
    }

    pub(super) fn index_entry(&self, number: u64, entry: &[u8]) -> Result<Vec<u64>, StreamError> {
        offsets_from_bytes(entry, self.partitions())
            .ok_or_else(|| corrupt(number, "its index entry has a wrong length"))
    }

    /// Checks a start for reading: one offset per partition, each between low water and end.
    fn check_from(&self, from: &[u64], state: &State) -> Result<(), StreamError> {
        if from.len() != self.partitions() as usize {
            return Err(StreamError::NoSuchPartition {
                partition: from.len() as PartitionId,
                partitions: self.partitions(),
            });
        }
        for (partition, offset) in (0..).zip(from) {
            check_range(state, partition, *offset)?;
        }
        Ok(())
    }

    pub(super) fn scan(self: &Arc<Self>, from: &[u64]) -> Result<GroupScan, StreamError> {
        let upto = {
            let state = self.lock();
            self.check_from(from, &state)?;
            state.committed
        };
        let next = self.locate(from, upto)?;
        Ok(GroupScan {
            shared: self.clone(),
            values: self.store.groups(next),
            next,
            upto,
            from: from.to_vec(),
            failed: false,
        })
    }

    pub(super) fn read(
        &self,
        partition: PartitionId,
        from: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError> {
        let (committed, end) = {
            let state = self.lock();
            check_range(&state, partition, from)?;
            (state.committed, state.ends[partition as usize])
        };
        let mut reading = Reading {
            partition,
            batch: Batch {
                frames: Vec::new(),
                next_offset: from,
            },
            records: records_max.max(1),
            bytes: bytes_max,
        };
        let mut full = false;
        while !full && reading.batch.next_offset < end {
            // All others from far above: only the wanted one decides.
            let mut wanted = vec![u64::MAX; self.partitions() as usize];
            wanted[partition as usize] = reading.batch.next_offset;
            let start = self.locate(&wanted, committed)?;
            let before = reading.batch.next_offset;
            let mut without = 0;
            for (next, value) in (start..committed).zip(self.store.groups(start)) {
                let group = self.expect_group(next, value)?;
                let at = reading.batch.next_offset;
                full = reading.take(&group.frames)?;
                without = if reading.batch.next_offset > at {
                    0
                } else {
                    without + 1
                };
                if full || reading.batch.next_offset >= end || without > GROUPS_WITHOUT {
                    break;
                }
            }
            if !full && reading.batch.next_offset == before {
                return Err(StreamError::Hole {
                    partition,
                    expected: before,
                    found: end,
                });
            }
        }
        Ok(reading.batch)
    }

    /// A value from storage must be the group that comes next.
    fn expect_group(
        &self,
        next: u64,
        value: Result<(u64, Bytes), StreamError>,
    ) -> Result<StoredGroup, StreamError> {
        let (number, bytes) = value?;
        if number != next {
            return Err(corrupt(
                next,
                &format!("it is missing; group {number} follows"),
            ));
        }
        StoredGroup::parse(number, &bytes)
    }
}

/// A read of one partition under way.
struct Reading {
    partition: PartitionId,
    batch: Batch,
    /// How many more fit.
    records: usize,
    bytes: usize,
}

impl Reading {
    /// Takes what is wanted of a group; true when the limits are reached.
    fn take(&mut self, frames: &[Frame]) -> Result<bool, StreamError> {
        for frame in frames {
            let next = self.batch.next_offset;
            if frame.partition() != self.partition || frame.end_offset() <= next {
                continue;
            }
            if frame.base_offset() > next {
                return Err(StreamError::Hole {
                    partition: self.partition,
                    expected: next,
                    found: frame.base_offset(),
                });
            }
            let rest = frame.from_offset(next);
            let mut part = rest.first(self.records, self.bytes);
            if part.is_empty() && self.batch.frames.is_empty() {
                // The first record comes whatever its size: a reader must get on.
                part = rest.first(1, usize::MAX);
            }
            self.records -= part.len();
            self.bytes = self.bytes.saturating_sub(part.payload_bytes());
            self.batch.next_offset = part.end_offset();
            let cut = part.len() < rest.len();
            if !part.is_empty() {
                self.batch.frames.push(part);
            }
            if cut || self.records == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn check_range(state: &State, partition: PartitionId, offset: u64) -> Result<(), StreamError> {
    let p = partition as usize;
    let (Some(low_water), Some(end)) = (state.low_water.get(p), state.ends.get(p)) else {
        return Err(StreamError::NoSuchPartition {
            partition,
            partitions: state.ends.len() as u32,
        });
    };
    if offset < *low_water {
        return Err(StreamError::Trimmed {
            partition,
            offset,
            low_water: *low_water,
        });
    }
    if offset > *end {
        return Err(StreamError::BeyondEnd {
            partition,
            offset,
            end: *end,
        });
    }
    Ok(())
}

pub(super) fn corrupt(number: u64, what: &str) -> StreamError {
    StreamError::Corrupt {
        place: Place::Group(number),
        what: what.to_owned(),
    }
}

/// Keeps what a reader has not seen, and sees to it that nothing is missing: `from` moves along.
fn admit(from: &mut [u64], frames: Vec<Frame>, out: &mut Vec<Frame>) -> Result<(), StreamError> {
    for frame in frames {
        let partition = frame.partition();
        let Some(next) = from.get_mut(partition as usize) else {
            return Err(StreamError::NoSuchPartition {
                partition,
                partitions: from.len() as u32,
            });
        };
        if frame.is_empty() || frame.end_offset() <= *next {
            continue;
        }
        if frame.base_offset() > *next {
            return Err(StreamError::Hole {
                partition,
                expected: *next,
                found: frame.base_offset(),
            });
        }
        let frame = if frame.base_offset() < *next {
            frame.from_offset(*next)
        } else {
            frame
        };
        *next = frame.end_offset();
        out.push(frame);
    }
    Ok(())
}

/// Everything up to the moment it was asked for.
pub(super) struct GroupScan {
    shared: Arc<Shared>,
    values: Values,
    next: u64,
    upto: u64,
    from: Vec<u64>,
    failed: bool,
}

impl GroupScan {
    /// Reads on until about `bytes` are together; nothing at the end.
    fn deliver(&mut self, bytes: usize) -> Result<Vec<Frame>, StreamError> {
        let mut out = Vec::new();
        let mut gathered = 0;
        while self.next < self.upto && gathered < bytes {
            let Some(value) = self.values.next() else {
                return Err(self.explain_missing("it is missing, and so is all after it"));
            };
            let group = match self.shared.expect_group(self.next, value) {
                Err(StreamError::Corrupt {
                    place: Place::Group(_),
                    what,
                }) => return Err(self.explain_missing(&what)),
                other => other?,
            };
            self.next += 1;
            gathered += group.frames.iter().map(Frame::payload_bytes).sum::<usize>();
            // What a group without records costs, so that many of them do not look like nothing.
            gathered += 64;
            admit(&mut self.from, group.frames, &mut out)?;
        }
        Ok(out)
    }

    /// A group may be gone because it was trimmed while it was still to be read.
    fn explain_missing(&self, what: &str) -> StreamError {
        let state = self.shared.lock();
        match self.shared.check_from(&self.from, &state) {
            Err(trimmed @ StreamError::Trimmed { .. }) => trimmed,
            _ => corrupt(self.next, what),
        }
    }
}

impl Iterator for GroupScan {
    type Item = Result<Vec<Frame>, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed && self.next < self.upto {
            match self.deliver(DELIVERY_BYTES) {
                Ok(frames) if frames.is_empty() => {}
                Ok(frames) => return Some(Ok(frames)),
                Err(e) => {
                    self.failed = true;
                    return Some(Err(e));
                }
            }
        }
        None
    }
}

/// Follows the log: from storage while it is behind, from memory once it is not.
pub(super) struct GroupFollower {
    shared: Arc<Shared>,
    from: Vec<u64>,
    next: u64,
    behind: Option<GroupScan>,
}

impl GroupFollower {
    pub(super) fn new(shared: &Arc<Shared>, from: &[u64]) -> Result<Self, StreamError> {
        let scan = shared.scan(from)?;
        Ok(Self {
            shared: shared.clone(),
            from: from.to_vec(),
            next: scan.next,
            behind: Some(scan),
        })
    }

    /// From storage. Empty when there is nothing for this reader in it.
    fn catch_up(&mut self, mut scan: GroupScan) -> Result<Vec<Frame>, StreamError> {
        let frames = scan.deliver(DELIVERY_BYTES)?;
        self.next = scan.next;
        self.from.copy_from_slice(&scan.from);
        self.behind = (scan.next < scan.upto).then_some(scan);
        Ok(frames)
    }
}

/// The groups in memory from a number on, a delivery's worth.
fn recent_from(state: &State, next: u64) -> Vec<Bytes> {
    let skip = (next - state.recent_first()) as usize;
    let recent: &VecDeque<Bytes> = &state.recent;
    let mut bytes = 0;
    let wanted = recent.iter().skip(skip).take_while(|group| {
        let fits = bytes < DELIVERY_BYTES;
        bytes += group.len();
        fits
    });
    wanted.cloned().collect()
}

impl Follower for GroupFollower {
    fn next(&mut self, timeout: Duration) -> Result<Vec<Frame>, StreamError> {
        // Far enough away that nobody notices when the clock cannot count there.
        let far = Duration::from_secs(365 * 24 * 3600);
        let deadline = Instant::now() + timeout.min(far);
        let shared = self.shared.clone();
        loop {
            if let Some(scan) = self.behind.take() {
                let frames = self.catch_up(scan)?;
                if !frames.is_empty() {
                    return Ok(frames);
                }
                continue;
            }
            let mut state = shared.lock();
            while state.committed == self.next {
                let (guard, in_time) = shared.wait_until(state, deadline);
                state = guard;
                if !in_time && state.committed == self.next {
                    return Ok(Vec::new());
                }
            }
            if self.next < state.recent_first() {
                drop(state);
                self.behind = Some(GroupScan {
                    shared: shared.clone(),
                    values: shared.store.groups(self.next),
                    next: self.next,
                    upto: shared.lock().committed,
                    from: self.from.clone(),
                    failed: false,
                });
                continue;
            }
            let groups = recent_from(&state, self.next);
            drop(state);
            let mut out = Vec::new();
            for bytes in groups {
                let group = StoredGroup::parse(self.next, &bytes)?;
                self.next += 1;
                admit(&mut self.from, group.frames, &mut out)?;
            }
            if !out.is_empty() {
                return Ok(out);
            }
        }
    }
}
