//! What is stored as one record of the topic: a run of our records, or a fence.
//!
//! Version 1, little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `FLs1` |
//! | 4..8 | CRC-32 (IEEE) of everything after it |
//! | 8 | kind: 1 = records, 2 = fence |
//! | 9..17 | id of the stream |
//! | 17..21 | term |
//! | 21..29 | writer |
//! | 29..37 | sequence: counts the writer's envelopes in this partition and term from 0; 0 in a fence |
//! | 37..45 | offset of the first record; 0 in a fence |
//! | 45..61 | running hash of everything before it, as [`crate::CheckerState`] has it; 0 in a fence |
//! | 61..65 | number of records; 0 in a fence |
//! | 65.. | the records, each behind its length (`u32`) |
//!
//! A value that does not start with `FLs1` was written by somebody else and is passed over.

use bytes::Bytes;

/// What every envelope starts with.
pub(super) const MAGIC: &[u8; 4] = b"FLs1";

/// Size of the fixed part, in bytes.
pub(super) const ENVELOPE_BYTES: usize = 65;

const KIND_RECORDS: u8 = 1;
const KIND_FENCE: u8 = 2;

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
    Records {
        sequence: u64,
        base_offset: u64,
        hash_before: u128,
        count: u32,
        /// As in a [`crate::Frame`].
        payload: Bytes,
    },
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

    pub(super) fn encode(&self) -> Bytes {
        let fence = (KIND_FENCE, 0, 0, 0, 0, &[][..]);
        let (kind, sequence, base_offset, hash, count, payload) = match &self.content {
            Content::Fence => fence,
            Content::Records {
                sequence,
                base_offset,
                hash_before,
                count,
                payload,
            } => (
                KIND_RECORDS,
                *sequence,
                *base_offset,
                *hash_before,
                *count,
                &payload[..],
            ),
        };
        let mut out = Vec::with_capacity(ENVELOPE_BYTES + payload.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.push(kind);
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&self.holder.term.to_le_bytes());
        out.extend_from_slice(&self.holder.writer.to_le_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
        out.extend_from_slice(&base_offset.to_le_bytes());
        out.extend_from_slice(&hash.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
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
        let content = match kind {
            KIND_FENCE if payload.is_empty() => Content::Fence,
            KIND_RECORDS if count > 0 => Content::Records {
                sequence,
                base_offset,
                hash_before,
                count,
                payload,
            },
            KIND_FENCE | KIND_RECORDS => {
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
            content: Content::Records {
                sequence: 7,
                base_offset: 41,
                hash_before: 1 << 100,
                count: 1,
                payload: Bytes::from_static(b"\x02\0\0\0ab"),
            },
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let fence = Envelope::fence(5, Holder { term: 1, writer: 2 });
        for envelope in [records(), fence] {
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
