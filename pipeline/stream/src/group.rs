//! What is appended: records for any partitions, durable together.

use crate::error::StreamError;
use crate::frame::RECORD_PREFIX_BYTES;
use crate::key::{PARTITIONS_MAX, PartitionId};

/// The largest record, in bytes.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The largest group, in bytes of records and their prefixes.
pub const GROUP_BYTES_MAX: usize = 64 << 20;

/// Records to append in one go. Keeps its buffers when cleared, so one is used again and again.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Partitions in the order of their first record.
    touched: Vec<PartitionId>,
    /// By partition.
    parts: Vec<Part>,
    records: usize,
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Part {
    count: u32,
    payload: Vec<u8>,
}

impl Group {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one record. `encode` appends its bytes to the buffer; when it fails nothing is added.
    /// Returns its position among the group's records of that partition: its offset will be the
    /// partition's base offset plus this.
    ///
    /// # Panics
    /// When the partition is above [`PARTITIONS_MAX`], or `encode` shortens the buffer.
    pub fn push_with<E>(
        &mut self,
        partition: PartitionId,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<u32, E> {
        assert!(
            partition < PARTITIONS_MAX,
            "partition {partition} cannot be"
        );
        let index = partition as usize;
        if index >= self.parts.len() {
            self.parts.resize_with(index + 1, Part::default);
        }
        let part = &mut self.parts[index];
        let start = part.payload.len();
        part.payload.extend_from_slice(&[0; RECORD_PREFIX_BYTES]);
        if let Err(e) = encode(&mut part.payload) {
            part.payload.truncate(start);
            return Err(e);
        }
        let body = start + RECORD_PREFIX_BYTES;
        assert!(part.payload.len() >= body, "a record was cut off");
        // A record that does not fit is refused by the log, with its size; the prefix only has to
        // not lie for those that do.
        let len = u32::try_from(part.payload.len() - body).unwrap_or(u32::MAX);
        part.payload[start..body].copy_from_slice(&len.to_le_bytes());
        if part.count == 0 {
            self.touched.push(partition);
        }
        let position = part.count;
        part.count += 1;
        self.records += 1;
        self.bytes += part.payload.len() - start;
        Ok(position)
    }

    /// Adds one record that is already encoded. See [`Group::push_with`].
    pub fn push(&mut self, partition: PartitionId, record: &[u8]) -> u32 {
        let done = self.push_with(partition, |buffer| {
            buffer.extend_from_slice(record);
            Ok::<_, std::convert::Infallible>(())
        });
        match done {
            Ok(position) => position,
            Err(never) => match never {},
        }
    }

    /// Adds records of a partition that are laid out as in [`crate::Frame`].
    pub(crate) fn push_payload(&mut self, partition: PartitionId, count: u32, payload: &[u8]) {
        let index = partition as usize;
        if index >= self.parts.len() {
            self.parts.resize_with(index + 1, Part::default);
        }
        let part = &mut self.parts[index];
        if part.count == 0 && count > 0 {
            self.touched.push(partition);
        }
        part.payload.extend_from_slice(payload);
        part.count += count;
        self.records += count as usize;
        self.bytes += payload.len();
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.records
    }

    /// No records.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Size of the records and their prefixes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the records, keeps the buffers.
    pub fn clear(&mut self) {
        for partition in self.touched.drain(..) {
            let part = &mut self.parts[partition as usize];
            part.count = 0;
            part.payload.clear();
        }
        self.records = 0;
        self.bytes = 0;
    }

    /// Every partition with its number of records and its payload, in the order of first records.
    pub fn parts(&self) -> impl Iterator<Item = (PartitionId, u32, &[u8])> {
        self.touched.iter().map(|p| {
            let part = &self.parts[*p as usize];
            (*p, part.count, &part.payload[..])
        })
    }

    /// Refuses a group for a stream of so many partitions: one that names another, or is too large.
    pub(crate) fn check(&self, partitions: u32) -> Result<(), StreamError> {
        if let Some((partition, ..)) = self.parts().find(|(p, ..)| *p >= partitions) {
            return Err(StreamError::NoSuchPartition {
                partition,
                partitions,
            });
        }
        let limits = [
            ("a record", self.largest_record(), RECORD_BYTES_MAX),
            ("a group", self.bytes(), GROUP_BYTES_MAX),
        ];
        for (what, bytes, limit) in limits {
            if bytes > limit {
                return Err(StreamError::TooLarge {
                    what,
                    bytes: bytes as u64,
                    limit: limit as u64,
                });
            }
        }
        Ok(())
    }

    /// The largest record, in bytes.
    pub(crate) fn largest_record(&self) -> usize {
        let mut largest = 0;
        for (_, _, payload) in self.parts() {
            // A part as a whole is an upper bound, and nearly always settles it.
            if payload.len() <= RECORD_BYTES_MAX {
                continue;
            }
            let mut rest = payload;
            while let Some((prefix, tail)) = rest.split_first_chunk::<RECORD_PREFIX_BYTES>() {
                let len = u32::from_le_bytes(*prefix) as usize;
                largest = largest.max(len);
                rest = tail.get(len..).unwrap_or_default();
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_group_is_like_a_new_one() {
        let mut group = Group::new();
        assert_eq!(group.push(5, b"a"), 0);
        assert_eq!(group.push(2, b"bb"), 0);
        assert_eq!(group.push(5, b"c"), 1);
        let refused = group.push_with(7, |buffer| {
            buffer.push(1);
            Err("no")
        });
        assert_eq!(refused, Err("no"));
        assert_eq!((group.len(), group.bytes()), (3, 16));
        let seen: Vec<_> = group.parts().map(|(p, n, b)| (p, n, b.len())).collect();
        assert_eq!(seen, [(5, 2, 10), (2, 1, 6)]);
        group.clear();
        assert!(group.is_empty() && group.bytes() == 0 && group.parts().next().is_none());
        assert_eq!(group.push(5, b"x"), 0);
        assert_eq!(
            group.parts().collect::<Vec<_>>(),
            [(5, 1, &b"\x01\0\0\0x"[..])]
        );
    }

    #[test]
    fn the_largest_record_is_found() {
        let mut group = Group::new();
        group.push(0, &vec![1; RECORD_BYTES_MAX + 7]);
        group.push(0, b"x");
        assert_eq!(group.largest_record(), RECORD_BYTES_MAX + 7);
    }
}
