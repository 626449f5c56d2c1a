//! Going on from a checkpoint: the newest one that is whole and fits.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::CheckpointError;
use super::manifest::Manifest;
use super::part::Part;
use super::store::Store;

/// Partitions as a start goes on from them.
pub(crate) struct Loaded {
    /// The checkpoint; absent = the state before the first record.
    pub(crate) manifest: Option<Manifest>,
    /// Every partition.
    pub(crate) parts: Vec<Part>,
}

/// Why a checkpoint does not serve for a fold up to `until` of a stream that begins at `low_waters`.
pub(super) fn unfit(
    manifest: &Manifest,
    stream: &str,
    low_waters: &[u64],
    until: &[u64],
) -> Option<CheckpointError> {
    let id = manifest.id;
    if manifest.stream != stream {
        return Some(CheckpointError::Foreign {
            id,
            found: manifest.stream.clone(),
            expected: stream.to_owned(),
        });
    }
    let unfit = |why| Some(CheckpointError::Unfit { id, why });
    let offsets = manifest.offsets();
    if offsets.len() != until.len() {
        return unfit(format!(
            "it has {} partitions, the stream has {}",
            offsets.len(),
            until.len()
        ));
    }
    for (partition, offset) in offsets.iter().enumerate() {
        if *offset > until[partition] {
            return unfit(format!(
                "it is at offset {offset} of partition {partition}, beyond {}",
                until[partition]
            ));
        }
        if *offset < low_waters[partition] {
            return unfit(format!(
                "it is at offset {offset} of partition {partition}, and the stream was trimmed up to {}",
                low_waters[partition]
            ));
        }
    }
    None
}

/// Loads the newest checkpoint that is whole and not beyond `until`. Every other one that is newer is
/// said why it was passed over.
pub(crate) fn load(
    store: &Store,
    stream: &str,
    low_waters: &[u64],
    until: &[u64],
    threads: usize,
) -> Result<Loaded, CheckpointError> {
    let mut why = "there are none".to_owned();
    let entries = store.list().unwrap_or_else(|error| {
        // Slower without them, but no reason not to start while the stream is whole.
        tracing::error!("{error}; the stream is folded without checkpoints");
        why = error.to_string();
        Vec::new()
    });
    for entry in entries {
        let loaded = entry.manifest.and_then(|manifest| {
            if let Some(error) = unfit(&manifest, stream, low_waters, until) {
                return Err(error);
            }
            let parts = load_parts(store, &manifest, threads)?;
            Ok(Loaded {
                manifest: Some(manifest),
                parts,
            })
        });
        match loaded {
            Ok(loaded) => return Ok(loaded),
            Err(error @ CheckpointError::Unfit { .. }) => {
                tracing::info!("{error}");
                why = error.to_string();
            }
            Err(error) => {
                tracing::error!("{error}; an older one is looked for");
                why = error.to_string();
            }
        }
    }
    if let Some(partition) = low_waters.iter().position(|offset| *offset > 0) {
        return Err(CheckpointError::Uncovered {
            partition: partition as u32,
            low_water: low_waters[partition],
            why,
        });
    }
    Ok(Loaded {
        manifest: None,
        parts: Part::all(until.len() as u32),
    })
}

/// Reads all parts, on several threads.
fn load_parts(
    store: &Store,
    manifest: &Manifest,
    threads: usize,
) -> Result<Vec<Part>, CheckpointError> {
    let partitions = manifest.parts.len() as u32;
    let next = AtomicU32::new(0);
    let found: Mutex<Vec<Part>> = Mutex::default();
    let failed: Mutex<Option<CheckpointError>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, partitions.max(1) as usize) {
            scope.spawn(|| {
                loop {
                    let partition = next.fetch_add(1, Ordering::Relaxed);
                    if partition >= partitions || failed.lock().is_some() {
                        return;
                    }
                    match store.get_part(manifest, partition) {
                        Ok(part) => found.lock().push(part),
                        Err(error) => {
                            failed.lock().get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner() {
        return Err(error);
    }
    let mut parts = found.into_inner();
    parts.sort_by_key(|part| part.folded.partition());
    Ok(parts)
}

/// A partition as the newest good checkpoint has it; `None` when there is none.
pub(crate) fn newest_part(
    store: &Store,
    stream: &str,
    partition: u32,
) -> Result<Option<Part>, CheckpointError> {
    for entry in store.list()? {
        let Ok(manifest) = entry.manifest else {
            continue;
        };
        if manifest.stream != stream {
            continue;
        }
        match store.get_part(&manifest, partition) {
            Ok(part) => return Ok(Some(part)),
            Err(error @ CheckpointError::Damaged { .. }) => tracing::error!("{error}"),
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// A partition as the newest good checkpoint has it that is not beyond an offset; `None` = it is to be folded from
/// its first record. When its records do not go back as far any more, of the oldest checkpoint from which they do.
pub(crate) fn part_for(
    store: &Store,
    stream: &str,
    partition: u32,
    offset: u64,
    low_water: u64,
) -> Result<Option<Part>, CheckpointError> {
    let mut beyond = Vec::new();
    let mut why = "there are none".to_owned();
    for entry in store.list()? {
        let Ok(manifest) = entry.manifest else {
            continue;
        };
        let at = manifest.offsets().get(partition as usize).copied();
        let Some(at) = at.filter(|at| manifest.stream == stream && *at >= low_water) else {
            continue;
        };
        if at > offset {
            beyond.push(manifest);
            continue;
        }
        match store.get_part(&manifest, partition) {
            Ok(part) => return Ok(Some(part)),
            Err(error) => {
                tracing::error!("{error}; an older one is looked for");
                why = error.to_string();
            }
        }
    }
    if low_water == 0 {
        return Ok(None);
    }
    for manifest in beyond.iter().rev() {
        match store.get_part(manifest, partition) {
            Ok(part) => return Ok(Some(part)),
            Err(error) => why = error.to_string(),
        }
    }
    Err(CheckpointError::Uncovered {
        partition,
        low_water,
        why,
    })
}
