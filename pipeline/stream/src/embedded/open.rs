//! From a folder to a log that can be used.

use std::sync::Arc;

use bytes::Bytes;

use super::EmbeddedLog;
use super::config::EmbeddedConfig;
use super::fjall_store::FjallStore;
use super::folder::{Folder, Notes};
use super::format::{GroupWriter, Kind, StoredGroup};
use super::preflight::{self, Preflight};
use super::read::corrupt;
use super::state::{
    Found, MARK_EPOCH, MARK_LOW_WATER, Shared, offsets_from_bytes, offsets_to_bytes,
};
use super::store::{Commit, Store};
use crate::error::StreamError;

impl EmbeddedLog {
    /// Opens the log in the configured folder, or creates it.
    ///
    /// A half-written end that was never acknowledged is cut off, with a warning. Anything else
    /// that is not as it was written is refused, and left as it is.
    pub fn open(config: EmbeddedConfig) -> Result<Self, StreamError> {
        config.check()?;
        let folder = Folder::open(&config)?;
        let seen = if preflight::is_created(&folder.data)? {
            preflight::check(&folder.data)?
        } else {
            Preflight::default()
        };
        let store = FjallStore::open(&folder.data, &config)?;
        preflight::sync_folder(&config.path)?;
        let producer = folder.identity.producer;
        let notes: Box<dyn Notes> = Box::new(folder);
        Self::on_store(config, Box::new(store), &seen, producer, Some(notes))
    }

    pub(super) fn on_store(
        config: EmbeddedConfig,
        store: Box<dyn Store>,
        seen: &Preflight,
        producer: u64,
        notes: Option<Box<dyn Notes>>,
    ) -> Result<Self, StreamError> {
        let mut found = recover(&*store, config.partitions)?;
        if let Some((_, last)) = seen.groups
            && found.committed <= last
        {
            return Err(corrupt(last, "it is in the journal but not in the log"));
        }
        if let Some(bytes) = &seen.salvaged {
            write_again(&*store, bytes, &mut found)?;
        }
        let epoch = match store.mark(MARK_EPOCH)? {
            None if found.committed == 0 => 1,
            mark => {
                let last = mark
                    .as_deref()
                    .and_then(|m| Some(u32::from_le_bytes(m.try_into().ok()?)));
                let last = last.ok_or_else(|| corrupt(0, "the producer's epoch is lost"))?;
                last.checked_add(1)
                    .ok_or_else(|| corrupt(0, "the producer's epochs are used up"))?
            }
        };
        let shared = Shared::new(config, epoch, store, found, notes);
        shared.commit_own(
            Kind::Opened,
            GroupWriter::new(),
            vec![(MARK_EPOCH, epoch.to_le_bytes().to_vec().into())],
            |_| {},
        )?;
        Ok(Self {
            shared: Arc::new(shared),
            producer,
        })
    }
}

/// Writes a group again whose batch was lost, with the marks that were in the batch.
fn write_again(store: &dyn Store, bytes: &Bytes, found: &mut Found) -> Result<(), StreamError> {
    let group = StoredGroup::parse(found.committed, bytes)?;
    // With an index entry, as if the log had been opened here.
    let index = offsets_to_bytes(&found.ends);
    advance(found, &group)?;
    store.commit(Commit {
        number: group.number,
        group: bytes.clone(),
        index: Some(index),
        marks: vec![
            (
                MARK_EPOCH,
                Bytes::copy_from_slice(&group.epoch.to_le_bytes()),
            ),
            (MARK_LOW_WATER, offsets_to_bytes(&found.low_water)),
        ],
    })
}

/// How far the log goes: from the last index entry, verifying every group after it.
fn recover(store: &dyn Store, partitions: u32) -> Result<Found, StreamError> {
    let lost = |what: &str| corrupt(0, what);
    let low_water = match store.mark(MARK_LOW_WATER)? {
        None => vec![0; partitions as usize],
        Some(mark) => offsets_from_bytes(&mark, partitions)
            .ok_or_else(|| lost("the low-water marks are damaged"))?,
    };
    let Some((number, entry)) = store.index_at_or_below(u64::MAX)? else {
        return match store.groups(0).next() {
            None => Ok(Found {
                committed: 0,
                ends: vec![0; partitions as usize],
                low_water,
            }),
            Some(_) => Err(lost("there are groups and no index")),
        };
    };
    let mut found = Found {
        committed: number,
        ends: offsets_from_bytes(&entry, partitions)
            .ok_or_else(|| corrupt(number, "its index entry has a wrong length"))?,
        low_water,
    };
    for value in store.groups(number) {
        let (number, bytes) = value?;
        if number != found.committed {
            let what = format!("it is missing; group {number} follows");
            return Err(corrupt(found.committed, &what));
        }
        advance(&mut found, &StoredGroup::parse(number, &bytes)?)?;
    }
    if found.committed == number {
        return Err(corrupt(number, "its index entry is there and it is not"));
    }
    for (partition, (low, end)) in found.low_water.iter().zip(&found.ends).enumerate() {
        if low > end {
            let what = format!("partition {partition} is trimmed above its end");
            return Err(corrupt(found.committed, &what));
        }
    }
    Ok(found)
}

fn advance(found: &mut Found, group: &StoredGroup) -> Result<(), StreamError> {
    found.committed = group.number + 1;
    match group.kind {
        Kind::Opened | Kind::Closed => return Ok(()),
        Kind::Trim => {
            for frame in &group.frames {
                if let Some(mark) = found.low_water.get_mut(frame.partition() as usize) {
                    *mark = frame.base_offset().max(*mark);
                }
            }
            return Ok(());
        }
        Kind::Records => {}
    }
    for frame in &group.frames {
        let Some(end) = found.ends.get_mut(frame.partition() as usize) else {
            return Err(corrupt(
                group.number,
                "it names a partition that is not there",
            ));
        };
        if frame.base_offset() != *end {
            return Err(StreamError::Hole {
                partition: frame.partition(),
                expected: *end,
                found: frame.base_offset(),
            });
        }
        *end = frame.end_offset();
    }
    Ok(())
}
