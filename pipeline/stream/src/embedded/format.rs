//! A stored group: what one commit writes, as one value.
//!
//! Little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `FLG1` |
//! | 4..8 | CRC-32 of everything after it |
//! | 8..12 | length of the whole, in bytes |
//! | 12 | kind: 1 records, 2 the log was opened, 3 trim, 4 the log was closed |
//! | 13..16 | zero |
//! | 16..24 | number of the group: counts from 0, without gaps |
//! | 24..28 | epoch of the log's producer |
//! | 28.. | frames: partition `u32`, count `u32`, base offset `u64`, payload length `u32`, payload |
//!
//! The group carries its own number and checksum so that it can be told from anything else in a
//! file of the storage library, at any position. Groups of kind 3 hold a frame without records per
//! partition, whose base offset is the new low-water mark.

use bytes::Bytes;

use crate::error::{Place, StreamError};
use crate::frame::Frame;
use crate::key::PartitionId;

pub(super) const MAGIC: [u8; 4] = *b"FLG1";
pub(super) const GROUP_HEADER_BYTES: usize = 28;
pub(super) const FRAME_HEADER_BYTES: usize = 20;
const CRC_END: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Records = 1,
    Opened = 2,
    Trim = 3,
    Closed = 4,
}

/// Builds a group in a buffer.
#[derive(Debug)]
pub(super) struct GroupWriter {
    bytes: Vec<u8>,
}

impl GroupWriter {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; GROUP_HEADER_BYTES],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.len() == GROUP_HEADER_BYTES
    }

    pub(super) fn frame(&mut self, partition: PartitionId, base: u64, count: u32, payload: &[u8]) {
        let mut header = [0; FRAME_HEADER_BYTES];
        header[0..4].copy_from_slice(&partition.to_le_bytes());
        header[4..8].copy_from_slice(&count.to_le_bytes());
        header[8..16].copy_from_slice(&base.to_le_bytes());
        // The sizes of groups are limited far below 4 GiB.
        header[16..20].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(payload);
    }

    pub(super) fn finish(mut self, kind: Kind, number: u64, epoch: u32) -> Bytes {
        let len = self.bytes.len() as u32;
        let header = &mut self.bytes[..GROUP_HEADER_BYTES];
        header[0..4].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&len.to_le_bytes());
        header[12] = kind as u8;
        header[16..24].copy_from_slice(&number.to_le_bytes());
        header[24..28].copy_from_slice(&epoch.to_le_bytes());
        let crc = crc32fast::hash(&self.bytes[CRC_END..]);
        self.bytes[4..CRC_END].copy_from_slice(&crc.to_le_bytes());
        self.bytes.into()
    }
}

/// A group as read, its checksum verified.
#[derive(Clone, Debug)]
pub(super) struct StoredGroup {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) epoch: u32,
    pub(super) frames: Vec<Frame>,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(field.try_into().ok()?))
}

/// The number and length of the whole group that begins here, if one does.
pub(super) fn recognise(bytes: &[u8]) -> Option<(u64, usize)> {
    if !bytes.starts_with(&MAGIC) {
        return None;
    }
    let len = u32_at(bytes, 8)? as usize;
    if len < GROUP_HEADER_BYTES {
        return None;
    }
    let whole = bytes.get(..len)?;
    (u32_at(whole, 4)? == crc32fast::hash(&whole[CRC_END..])).then_some((u64_at(whole, 16)?, len))
}

impl StoredGroup {
    /// Takes the value stored for group `number` apart. The frames share its bytes.
    pub(super) fn parse(number: u64, bytes: &Bytes) -> Result<Self, StreamError> {
        Self::try_parse(number, bytes).map_err(|what| StreamError::Corrupt {
            place: Place::Group(number),
            what: what.to_owned(),
        })
    }

    fn try_parse(number: u64, bytes: &Bytes) -> Result<Self, &'static str> {
        let (stored, len) = recognise(bytes).ok_or("its bytes were changed")?;
        if stored != number || len != bytes.len() {
            return Err("another group stands in its place");
        }
        let kind = match bytes[12] {
            1 => Kind::Records,
            2 => Kind::Opened,
            3 => Kind::Trim,
            4 => Kind::Closed,
            _ => return Err("its kind is unknown: a newer program wrote it"),
        };
        let epoch = u32_at(bytes, 24).ok_or("its header is cut off")?;
        let mut frames = Vec::with_capacity(1);
        let mut at = GROUP_HEADER_BYTES;
        while at < len {
            const CUT: &str = "a frame in it is cut off";
            let partition = u32_at(bytes, at).ok_or(CUT)?;
            let count = u32_at(bytes, at + 4).ok_or(CUT)?;
            let base = u64_at(bytes, at + 8).ok_or(CUT)?;
            let payload = u32_at(bytes, at + 16).ok_or(CUT)? as usize;
            at += FRAME_HEADER_BYTES;
            if payload > len - at {
                return Err(CUT);
            }
            let frame = Frame::from_payload(partition, base, count, bytes.slice(at..at + payload))
                .ok_or("a frame in it does not hold the records it says")?;
            frames.push(frame);
            at += payload;
        }
        Ok(Self {
            number,
            kind,
            epoch,
            frames,
        })
    }
}
