//! What is read: consecutive records of one partition, sharing the bytes they were read in.

use bytes::Bytes;

use crate::key::PartitionId;

/// Bytes in front of every record in a frame: its length, `u32` little-endian.
pub const RECORD_PREFIX_BYTES: usize = 4;

/// Consecutive records of one partition. Cloning and cutting share the bytes.
///
/// The payload is a sequence of `length (u32, little-endian), record`; that it is one, and that it
/// has as many records as the frame says, is an invariant of the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    partition: PartitionId,
    base_offset: u64,
    count: u32,
    payload: Bytes,
}

impl Frame {
    /// From a payload as described above; `None` when it is not one of `count` records.
    pub fn from_payload(
        partition: PartitionId,
        base_offset: u64,
        count: u32,
        payload: Bytes,
    ) -> Option<Self> {
        let mut rest = &payload[..];
        let mut found = 0_u32;
        while !rest.is_empty() {
            let (prefix, tail) = rest.split_first_chunk::<RECORD_PREFIX_BYTES>()?;
            rest = tail.get(u32::from_le_bytes(*prefix) as usize..)?;
            found = found.checked_add(1)?;
        }
        base_offset.checked_add(u64::from(count))?;
        (found == count).then_some(Self {
            partition,
            base_offset,
            count,
            payload,
        })
    }

    /// The partition.
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> u64 {
        self.base_offset
    }

    /// Offset after the last record.
    pub fn end_offset(&self) -> u64 {
        self.base_offset + u64::from(self.count)
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// No records at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size of the records and their length prefixes, in bytes.
    pub fn payload_bytes(&self) -> usize {
        self.payload.len()
    }

    /// The records as they are laid out.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The records with their offsets, borrowed.
    #[inline]
    pub fn iter(&self) -> Records<'_> {
        Records {
            rest: &self.payload,
            offset: self.base_offset,
        }
    }

    /// The records with their offsets, each sharing the frame's bytes: for those who keep them.
    pub fn iter_shared(&self) -> impl Iterator<Item = (u64, Bytes)> + '_ {
        self.iter()
            .map(|(offset, record)| (offset, self.payload.slice_ref(record)))
    }

    /// The records at or above an offset. Nothing left: an empty frame at its end.
    #[must_use]
    pub fn from_offset(&self, offset: u64) -> Self {
        let skip = offset.saturating_sub(self.base_offset);
        let skip = u32::try_from(skip).unwrap_or(u32::MAX).min(self.count);
        let at = self.byte_of(skip);
        Self {
            partition: self.partition,
            base_offset: self.base_offset + u64::from(skip),
            count: self.count - skip,
            payload: self.payload.slice(at..),
        }
    }

    /// The first records: at most `records`, and no more than fit into `bytes` of payload.
    #[must_use]
    pub fn first(&self, records: usize, bytes: usize) -> Self {
        let mut count = 0_u32;
        let mut end = 0;
        for (_, record) in self.iter().take(records) {
            let next = end + RECORD_PREFIX_BYTES + record.len();
            if next > bytes {
                break;
            }
            end = next;
            count += 1;
        }
        Self {
            partition: self.partition,
            base_offset: self.base_offset,
            count,
            payload: self.payload.slice(..end),
        }
    }

    fn byte_of(&self, index: u32) -> usize {
        if index == self.count {
            return self.payload.len();
        }
        let skipped = self.iter().take(index as usize);
        skipped.map(|(_, r)| RECORD_PREFIX_BYTES + r.len()).sum()
    }
}

impl<'a> IntoIterator for &'a Frame {
    type Item = (u64, &'a [u8]);
    type IntoIter = Records<'a>;
    fn into_iter(self) -> Records<'a> {
        self.iter()
    }
}

/// Iterator over the records of a [`Frame`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (prefix, tail) = self.rest.split_first_chunk::<RECORD_PREFIX_BYTES>()?;
        let (record, rest) = tail.split_at_checked(u32::from_le_bytes(*prefix) as usize)?;
        self.rest = rest;
        let offset = self.offset;
        self.offset += 1;
        Some((offset, record))
    }
}

/// The answer to a read: frames of one partition in offset order, without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records.
    pub frames: Vec<Frame>,
    /// Where to go on reading.
    pub next_offset: u64,
}

impl Batch {
    /// The records with their offsets.
    pub fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.frames.iter().flat_map(Frame::iter)
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.frames.iter().map(Frame::len).sum()
    }

    /// Nothing was there.
    pub fn is_empty(&self) -> bool {
        self.frames.iter().all(Frame::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(records: &[&[u8]]) -> Frame {
        let mut payload = Vec::new();
        for record in records {
            payload.extend_from_slice(&(record.len() as u32).to_le_bytes());
            payload.extend_from_slice(record);
        }
        Frame::from_payload(3, 10, records.len() as u32, payload.into()).unwrap()
    }

    #[test]
    fn frames_are_cut_at_records() {
        let whole = frame(&[b"a", b"", b"ccc", b"dd"]);
        assert_eq!(whole.end_offset(), 14);
        let cut = whole.from_offset(11).first(2, 100);
        assert_eq!(
            cut.iter().collect::<Vec<_>>(),
            [(11, &b""[..]), (12, &b"ccc"[..])]
        );
        assert_eq!(cut.end_offset(), 13);
        // 4 + 0 and 4 + 3 bytes: one byte short of both.
        assert_eq!(whole.from_offset(11).first(2, 10).len(), 1);
        assert!(whole.from_offset(99).is_empty());
        assert_eq!(whole.from_offset(99).base_offset(), 14);
        assert_eq!(whole.from_offset(0), whole);
        let shared: Vec<_> = whole.iter_shared().map(|(_, b)| b).collect();
        assert_eq!(shared[2], &b"ccc"[..]);
    }

    #[test]
    fn a_payload_that_is_none_is_refused() {
        let good = frame(&[b"abc", b"de"]).payload;
        for count in [0, 1, 3] {
            assert!(Frame::from_payload(0, 0, count, good.clone()).is_none());
        }
        for len in 1..good.len() {
            if len != 7 {
                assert!(Frame::from_payload(0, 0, 2, good.slice(..len)).is_none());
                assert!(Frame::from_payload(0, 0, 1, good.slice(..len)).is_none());
            }
        }
        assert!(Frame::from_payload(0, u64::MAX, 2, good).is_none());
    }
}
