//! The replica's own copy of the stream: what is read from the topic goes in here, or is compared
//! with what is here already.

use std::path::PathBuf;

use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::frame::{Batch, Frame};
use crate::group::Group;
use crate::port::StreamLog;

/// What was read goes into the copy in pieces of about this size, in bytes.
const PIECE_BYTES: usize = 8 << 20;

/// Catches a copy up with a topic.
pub(super) struct CatchUp<'a> {
    copy: &'a EmbeddedLog,
    cluster: String,
    path: PathBuf,
    /// With what is in `piece`.
    ends: Vec<u64>,
    low_waters: Vec<u64>,
    piece: Group,
    /// Records that were new to the copy.
    pub(super) added: u64,
    /// Records that the copy had, and that are the same.
    pub(super) compared: u64,
}

impl<'a> CatchUp<'a> {
    pub(super) fn new(
        copy: &'a EmbeddedLog,
        cluster: String,
        path: PathBuf,
    ) -> Result<Self, StreamError> {
        Ok(Self {
            copy,
            cluster,
            path,
            ends: copy.end_offsets()?,
            low_waters: copy.low_waters()?,
            piece: Group::new(),
            added: 0,
            compared: 0,
        })
    }

    /// Takes the next frame of a partition.
    pub(super) fn take(&mut self, frame: &Frame) -> Result<(), StreamError> {
        let partition = frame.partition();
        let p = partition as usize;
        if frame.base_offset() < self.ends[p] {
            // What is in the piece cannot be read yet.
            self.flush()?;
            self.compare(frame)?;
        }
        let new = frame.from_offset(self.ends[p]);
        if new.is_empty() {
            return Ok(());
        }
        assert_eq!(new.base_offset(), self.ends[p], "the chain has no gap");
        if !self.piece.is_empty() && self.piece.bytes() + new.payload_bytes() > PIECE_BYTES {
            self.flush()?;
        }
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
        self.piece.push_payload(partition, count, new.payload());
        self.ends[p] = new.end_offset();
        self.added += u64::from(count);
        Ok(())
    }

    /// Makes everything that was taken durable.
    pub(super) fn flush(&mut self) -> Result<(), StreamError> {
        if !self.piece.is_empty() {
            self.copy.append(&self.piece)?;
            self.piece.clear();
        }
        Ok(())
    }

    fn compare(&mut self, frame: &Frame) -> Result<(), StreamError> {
        let partition = frame.partition();
        let p = partition as usize;
        let mut next = frame.base_offset().max(self.low_waters[p]);
        let upto = frame.end_offset().min(self.ends[p]);
        while next < upto {
            let count = usize::try_from(upto - next).unwrap_or(usize::MAX);
            let batch = self.copy.read(partition, next, count, usize::MAX)?;
            let theirs = frame.from_offset(next);
            next = batch.next_offset;
            if let Some(offset) = first_difference(&batch, &theirs) {
                return Err(StreamError::CopyDiffers {
                    cluster: self.cluster.clone(),
                    path: self.path.clone(),
                    partition,
                    offset,
                });
            }
            self.compared += batch.len() as u64;
        }
        Ok(())
    }
}

fn first_difference(batch: &Batch, theirs: &Frame) -> Option<u64> {
    let pairs = batch.records().zip(theirs.iter());
    let mut different = pairs.filter(|(ours, theirs)| ours != theirs);
    different.next().map(|((offset, _), _)| offset)
}
