//! What is stored as one record of the topic: a run of our records, or a fence.
//!
//! Version 1, little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `FLs1` |
//! | 4..8 | CRC-32 (IEEE) of everything after it |
//! | 8 | kind: 1 = records of the only writer, 2 = its fence, 3 = records of one of several, 4 = its join |
//! | 9..17 | id of the stream |
//! | 17..21 | term |
//! | 21..29 | writer |
//! | 29..37 | sequence: counts the writer's envelopes in this partition and term from 0; 0 in a fence |
//! | 37..45 | kind 1: offset of the first record; kind 3: how far the writer had read; 0 in a fence or join |
//! | 45..61 | running hash of everything before that offset, as [`crate::CheckerState`] has it; 0 in a fence or join |
//! | 61..65 | number of records; 0 in a fence or join |
//! | 65.. | the records, each behind its length (`u32`) |
//!
//! One of several writers cannot know where its records will lie: others write at the same time. Where
//! an envelope of kind 3 lies in the topic is where its records lie in the stream.
//!
//! A value that does not start with `FLs1` was written by somebody else and is passed over.

use bytes::Bytes;

/// What every envelope starts with.
pub(super) const MAGIC: &[u8; 4] = b"FLs1";

/// Size of the fixed part, in bytes.
pub(super) const ENVELOPE_BYTES: usize = 65;

const KIND_RECORDS: u8 = 1;
const KIND_FENCE: u8 = 2;
const KIND_SHARED: u8 = 3;
const KIND_JOIN: u8 = 4;

/// Who may write to a partition: the writer of the highest term, and among those of one term the
/// one with the highest id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    /// Counts how often the right to write was taken.
    pub(super) term: u32,
    /// Id of the writer.
    pub(super) writer: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "writer {:016x} in term {}", self.writer, self.term)
    }
}

/// A decoded envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) stream: u64,
    pub(super) holder: Holder,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// From here on only this holder's records count.
    Fence,
    /// Records of the only writer, which come exactly at `base_offset`.
    Records(Run),
    /// From here on this holder's records count beside those of others; what it sent in earlier terms
    /// does not.
    Join,
    /// Records of one of several writers, which had read up to `base_offset`.
    Shared(Run),
}

/// A run of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) sequence: u64,
    pub(super) base_offset: u64,
    pub(super) hash_before: u128,
    pub(super) count: u32,
    /// As in a [`crate::Frame`].
    pub(super) payload: Bytes,
}

/// Why bytes that begin like an envelope are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadEnvelope {
    /// Not ours at all.
    Foreign,
    /// Ours, and not as it was written.
    Damaged(&'static str),
}

impl Envelope {
    pub(super) fn fence(stream: u64, holder: Holder) -> Self {
        Self {
            stream,
            holder,
            content: Content::Fence,
        }
    }

    pub(super) fn join(stream: u64, holder: Holder) -> Self {
        Self {
            stream,
            holder,
            content: Content::Join,
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        let (kind, run) = match &self.content {
            Content::Fence => (KIND_FENCE, None),
            Content::Join => (KIND_JOIN, None),
            Content::Records(run) => (KIND_RECORDS, Some(run)),
            Content::Shared(run) => (KIND_SHARED, Some(run)),
        };
        let payload = run.map_or(&[][..], |run| &run.payload[..]);
        let mut out = Vec::with_capacity(ENVELOPE_BYTES + payload.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.push(kind);
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&self.holder.term.to_le_bytes());
        out.extend_from_slice(&self.holder.writer.to_le_bytes());
        out.extend_from_slice(&run.map_or(0, |r| r.sequence).to_le_bytes());
        out.extend_from_slice(&run.map_or(0, |r| r.base_offset).to_le_bytes());
        out.extend_from_slice(&run.map_or(0, |r| r.hash_before).to_le_bytes());
        out.extend_from_slice(&run.map_or(0, |r| r.count).to_le_bytes());
        out.extend_from_slice(payload);
        let crc = crc32fast::hash(&out[8..]);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        out.into()
    }

    /// Takes any bytes and never panics. The payload shares them.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, BadEnvelope> {
        if !bytes.starts_with(MAGIC) {
            return Err(BadEnvelope::Foreign);
        }
        const SHORT: BadEnvelope = BadEnvelope::Damaged("it is cut off");
        let mut fields = Fields(bytes.get(4..ENVELOPE_BYTES).ok_or(SHORT)?);
        let crc = u32::from_le_bytes(fields.take().ok_or(SHORT)?);
        if crc != crc32fast::hash(&bytes[8..]) {
            return Err(BadEnvelope::Damaged("its checksum does not match"));
        }
        let [kind] = fields.take().ok_or(SHORT)?;
        let stream = u64::from_le_bytes(fields.take().ok_or(SHORT)?);
        let holder = Holder {
            term: u32::from_le_bytes(fields.take().ok_or(SHORT)?),
            writer: u64::from_le_bytes(fields.take().ok_or(SHORT)?),
        };
        let sequence = u64::from_le_bytes(fields.take().ok_or(SHORT)?);
        let base_offset = u64::from_le_bytes(fields.take().ok_or(SHORT)?);
        let hash_before = u128::from_le_bytes(fields.take().ok_or(SHORT)?);
        let count = u32::from_le_bytes(fields.take().ok_or(SHORT)?);
        let payload = bytes.slice(ENVELOPE_BYTES..);
        let is_run = count > 0;
        let run = Run {
            sequence,
            base_offset,
            hash_before,
            count,
            payload,
        };
        let content = match kind {
            KIND_FENCE if run.payload.is_empty() => Content::Fence,
            KIND_JOIN if run.payload.is_empty() => Content::Join,
            KIND_RECORDS if is_run => Content::Records(run),
            KIND_SHARED if is_run => Content::Shared(run),
            KIND_FENCE | KIND_RECORDS | KIND_JOIN | KIND_SHARED => {
                return Err(BadEnvelope::Damaged("its kind and its content differ"));
            }
            _ => {
                return Err(BadEnvelope::Damaged(
                    "its kind is not known here: it was written by a newer program",
                ));
            }
        };
        Ok(Self {
            stream,
            holder,
            content,
        })
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Envelope {
        Envelope {
            stream: 0x0102_0304_0506_0708,
            holder: Holder {
                term: 9,
                writer: 0xfeed,
            },
            content: Content::Records(Run {
                sequence: 7,
                base_offset: 41,
                hash_before: 1 << 100,
                count: 1,
                payload: Bytes::from_static(b"\x02\0\0\0ab"),
            }),
        }
    }

    fn shared() -> Envelope {
        let Content::Records(run) = records().content else {
            unreachable!("made above")
        };
        Envelope {
            content: Content::Shared(run),
            ..records()
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let fence = Envelope::fence(5, Holder { term: 1, writer: 2 });
        let join = Envelope::join(5, Holder { term: 1, writer: 2 });
        for envelope in [records(), fence, shared(), join] {
            assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
        }
    }

    /// The format lives as long as topics do.
    #[test]
    fn version_1_is_what_it_was() {
        let hex: String = records()
            .encode()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            hex,
            "464c7331bb6a00ea01080706050403020109000000edfe000000000000070000000000000029000000\
             000000000000000000000000000000001000000001000000020000006162"
        );
    }

    #[test]
    fn kinds_of_several_writers_are_what_they_were() {
        let (one, several) = (records().encode(), shared().encode());
        assert_eq!((one[8], several[8]), (1, 3));
        assert_eq!(one[9..], several[9..], "only the kind differs");
        let holder = Holder { term: 1, writer: 2 };
        assert_eq!(Envelope::join(5, holder).encode()[8], 4);
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_found() {
        let good = records().encode();
        for byte in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.to_vec();
                bad[byte] ^= 1 << bit;
                let read = Envelope::decode(&bad.into());
                match read {
                    Err(BadEnvelope::Foreign) => assert!(byte < 4),
                    Err(BadEnvelope::Damaged(_)) => assert!(byte >= 4),
                    Ok(e) => panic!("bit {bit} of byte {byte} went unseen: {e:?}"),
                }
            }
            assert!(
                Envelope::decode(&good.slice(..byte)).is_err(),
                "cut at {byte}"
            );
        }
    }
}
