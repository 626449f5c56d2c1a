//! What the stream in a topic is named. Checkpoints, tables and the copies of other replicas go by the name, so
//! a topic that is filled again must get the old one.
//!
//! The first fence or join of a topic names it. Whoever opens a topic gives the name of the stream whose records it
//! has, and a new name only when it has none.

use std::path::PathBuf;

use super::chain::Chain;
use super::config::FluvioConfig;
use super::cursor::Saved;
use super::session::Session;
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::port::StreamLog;
use crate::record::RecordView;

/// What to name a stream that has no name, and what the name must be.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    /// For a topic in which nothing is. 0 = it must not be named from here.
    pub(super) new: u64,
    /// Of the records in the copy, as far as there are any and it is known.
    ours: Option<u64>,
    /// That is what it says of itself, and no topic or other replica has said so.
    unsaid: bool,
    copy: PathBuf,
    place: PathBuf,
}

impl Naming {
    /// For a copy in which nothing is.
    pub(super) fn any(new: u64) -> Self {
        Self {
            new,
            ours: None,
            unsaid: false,
            copy: PathBuf::new(),
            place: PathBuf::new(),
        }
    }

    /// By what is in the copy, and in the file beside it.
    pub(super) fn of(
        config: &FluvioConfig,
        copy: &EmbeddedLog,
        saved: Option<&Saved>,
    ) -> Result<Self, StreamError> {
        // The copy's own word first: the file may be another folder's.
        let noted = copy.copy_of().or_else(|| named_in(saved?));
        let is_empty = copy.end_offsets()?.iter().all(|end| *end == 0);
        let known = match noted {
            None if is_empty || began_here(copy)? => Some(copy.producer_id().max(1)),
            noted => noted,
        };
        Ok(Self {
            new: known.unwrap_or(0),
            ours: known.filter(|_| !is_empty),
            unsaid: noted.is_none(),
            copy: config.copy.path.clone(),
            place: config.cursor_path(),
        })
    }

    /// Looks before anything is written: is the topic this stream's, or may it be named from here? And once more
    /// when it has been named, since somebody else may have been faster.
    pub(super) fn check(&self, session: &Session, first: &Chain) -> Result<(), StreamError> {
        if self.unsaid && first.stream != 0 && first.next_offset > 0 {
            // Compared with what is there, record by record.
            return Ok(());
        }
        match (first.stream, self.ours) {
            (0, _) if self.new == 0 => Err(StreamError::NameLost {
                cluster: session.name(),
                path: self.copy.clone(),
                place: self.place.clone(),
            }),
            (found, Some(ours)) if found != 0 && found != ours => Err(StreamError::OtherStream {
                cluster: session.name(),
                path: self.copy.clone(),
                ours,
                found,
            }),
            _ => Ok(()),
        }
    }
}

fn named_in(saved: &Saved) -> Option<u64> {
    let first = saved.chains.first()?;
    (first.stream != 0).then_some(first.stream)
}

/// Did the stream begin in this folder? Then it has the folder's name. Its first record says who wrote it.
fn began_here(copy: &EmbeddedLog) -> Result<bool, StreamError> {
    for partition in 0..copy.partitions() {
        let low = copy.low_water(partition)?;
        let batch = copy.read(partition, low, 1, usize::MAX)?;
        if let Some((_, bytes)) = batch.records().next() {
            // What is no record of ours was not written by another replica either.
            let writer = RecordView::parse(bytes).map(|view| view.header().stamp.producer);
            if writer.is_ok_and(|writer| writer != copy.producer_id()) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
