//! Making a checkpoint: the one before, and what has come since.

use std::time::{Instant, SystemTime};

use flightline_ledger::STATE_FORMAT;
use flightline_stream::StreamLog;

use super::load::unfit;
use super::manifest::{Manifest, PartEntry};
use super::part::Part;
use super::store::Store;
use super::{CheckpointError, FORMAT};

/// Records of the stream that are held in memory while their partitions are folded. More than these
/// are read in several passes.
const RECORDS_AT_ONCE: u64 = 1 << 20;

/// Records that are folded between two looks whether the replica stops.
const RECORDS_BETWEEN_LOOKS: u64 = 1 << 10;

/// What is to be made.
pub(super) struct Order<'a> {
    pub(super) log: &'a dyn StreamLog,
    pub(super) store: &'a Store,
    pub(super) stream: &'a str,
    /// By partition, the offset to end at.
    pub(super) until: &'a [u64],
    /// Asked all the time: whoever waits for a stop waits for a thread that gives way to all others.
    pub(super) is_stopped: &'a dyn Fn() -> bool,
}

impl Order<'_> {
    fn go_on(&self) -> Result<(), CheckpointError> {
        match (self.is_stopped)() {
            true => Err(CheckpointError::Stopped),
            false => Ok(()),
        }
    }
}

/// Makes a checkpoint; `None` when there is one at these offsets.
pub(super) fn take(order: &Order<'_>) -> Result<Option<Manifest>, CheckpointError> {
    let listing = order.store.look()?;
    // Two streams in one place would remove each other's checkpoints as surplus.
    for manifest in listing.entries.iter().flat_map(|entry| &entry.manifest) {
        if manifest.stream != order.stream {
            return Err(CheckpointError::Foreign {
                id: manifest.id,
                found: manifest.stream.clone(),
                expected: order.stream.to_owned(),
            });
        }
    }
    // Left by an attempt that was broken off.
    for id in &listing.unfinished {
        order.store.remove(*id)?;
    }
    let known = listing.entries.iter().map(|entry| entry.id);
    let id = known
        .chain(listing.unfinished.iter().copied())
        .max()
        .unwrap_or(0)
        + 1;
    let low_waters = order.log.low_waters()?;
    let mut why = "there are none".to_owned();
    for entry in &listing.entries {
        let base = match &entry.manifest {
            Ok(base) => base,
            Err(error) => {
                tracing::warn!("{error}");
                why = error.to_string();
                continue;
            }
        };
        if let Some(error) = unfit(base, order.stream, &low_waters, order.until) {
            tracing::warn!("{error}");
            why = error.to_string();
            continue;
        }
        if base.offsets() == order.until {
            return Ok(None);
        }
        match build(order, id, Some(base)) {
            Err(error @ CheckpointError::Damaged { .. }) => {
                tracing::error!("{error}; the one before is used");
                order.store.remove(id)?;
                why = error.to_string();
            }
            other => return finished(order, id, other),
        }
    }
    if let Some(partition) = low_waters.iter().position(|offset| *offset > 0) {
        return Err(CheckpointError::Uncovered {
            partition: partition as u32,
            low_water: low_waters[partition],
            why,
        });
    }
    finished(order, id, build(order, id, None))
}

/// What was written of one that failed goes at once: it may be what fills the disk.
fn finished(
    order: &Order<'_>,
    id: u64,
    built: Result<Manifest, CheckpointError>,
) -> Result<Option<Manifest>, CheckpointError> {
    if built.is_err()
        && let Err(error) = order.store.remove(id)
    {
        tracing::warn!("{error}; it is removed before the next one is made");
    }
    built.map(Some)
}

fn build(order: &Order<'_>, id: u64, base: Option<&Manifest>) -> Result<Manifest, CheckpointError> {
    let started = Instant::now();
    let partitions = order.until.len() as u32;
    let from = base.map_or_else(|| vec![0; order.until.len()], Manifest::offsets);
    let mut parts: Vec<Option<PartEntry>> = vec![None; order.until.len()];
    let mut pass = Vec::new();
    let mut records = 0;
    for partition in 0..partitions {
        let at = partition as usize;
        if let Some(base) = base
            && from[at] == order.until[at]
        {
            order.store.copy_part(base.id, id, partition)?;
            parts[at] = Some(base.parts[at].clone());
            continue;
        }
        pass.push(partition);
        records += order.until[at] - from[at];
        if records >= RECORDS_AT_ONCE {
            fold(order, id, base, &from, &pass, &mut parts)?;
            pass.clear();
            records = 0;
        }
    }
    fold(order, id, base, &from, &pass, &mut parts)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let manifest = Manifest {
        id,
        format: FORMAT,
        state_format: STATE_FORMAT,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        stream: order.stream.to_owned(),
        taken_at_ms: now.map_or(0, |now| now.as_millis() as i64),
        took_ms: started.elapsed().as_millis() as u64,
        parts: parts.into_iter().flatten().collect(),
    };
    assert_eq!(manifest.offsets(), order.until, "a partition was left out");
    order.store.publish(&manifest)?;
    Ok(manifest)
}

/// Records of one partition, one behind the other.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Folds these partitions and writes their parts.
fn fold(
    order: &Order<'_>,
    id: u64,
    base: Option<&Manifest>,
    from: &[u64],
    pass: &[u32],
    parts: &mut [Option<PartEntry>],
) -> Result<(), CheckpointError> {
    if pass.is_empty() {
        return Ok(());
    }
    let partitions = order.until.len() as u32;
    // The others from where they are to end: they are not looked at.
    let mut wanted = order.until.to_vec();
    let mut tails: Vec<Option<Tail>> = Vec::new();
    tails.resize_with(order.until.len(), || None);
    let mut missing = 0;
    for partition in pass {
        let at = *partition as usize;
        wanted[at] = from[at];
        tails[at] = Some(Tail::default());
        missing += order.until[at] - from[at];
    }
    for frames in order.log.scan(&wanted)? {
        if missing == 0 {
            break;
        }
        order.go_on()?;
        for frame in frames? {
            let at = frame.partition() as usize;
            let Some(tail) = &mut tails[at] else { continue };
            for (offset, bytes) in &frame {
                if (from[at]..order.until[at]).contains(&offset) {
                    tail.bytes.extend_from_slice(bytes);
                    tail.ends.push(tail.bytes.len());
                    missing -= 1;
                }
            }
        }
    }
    assert!(
        missing == 0,
        "the stream ended {missing} records before the end that it stated"
    );
    for partition in pass {
        order.go_on()?;
        let at = *partition as usize;
        let mut part = match base {
            Some(base) => order.store.get_part(base, *partition)?,
            None => Part::new(*partition, partitions),
        };
        let tail = tails[at].take().unwrap_or_default();
        let mut begin = 0;
        for (end, offset) in tail.ends.iter().zip(from[at]..) {
            if offset.is_multiple_of(RECORDS_BETWEEN_LOOKS) {
                order.go_on()?;
            }
            part.take(offset, &tail.bytes[begin..*end])?;
            begin = *end;
        }
        drop(tail);
        parts[at] = Some(order.store.put_part(id, &mut part, partitions)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use flightline_ledger::{Command, CommandId};
    use flightline_stream::{Draft, EmbeddedConfig, EmbeddedLog, Group};

    use super::*;

    const RECORDS: u64 = 5_000;

    #[test]
    fn a_stop_waits_for_no_whole_partition() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = EmbeddedConfig::new(dir.path().join("stream"));
        config.partitions = 1;
        let log = EmbeddedLog::open(config).unwrap();
        let (mut producer, mut group) = (log.producer(), Group::new());
        for n in 0..RECORDS {
            let draft = Draft::new(CommandId(u128::from(n)), 1, &Command::Tick);
            producer.push(&mut group, 0, &draft).unwrap();
        }
        producer.append(&log, &group).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let store = {
            let _on = runtime.enter();
            Store::open(None, dir.path()).unwrap()
        };
        let made = |looks_before_stop: u64| {
            let looks = Cell::new(0);
            let order = Order {
                log: &log,
                store: &store,
                stream: "s",
                until: &[RECORDS],
                is_stopped: &|| looks.replace(looks.get() + 1) >= looks_before_stop,
            };
            (take(&order), looks.get())
        };
        // It is told while it folds, and nothing of what it began stays.
        let (stopped, _) = made(4);
        assert!(
            matches!(stopped, Err(CheckpointError::Stopped)),
            "{stopped:?}"
        );
        assert!(store.list().unwrap().is_empty());
        let (whole, looks) = made(u64::MAX);
        assert_eq!(whole.unwrap().unwrap().records(), RECORDS);
        assert!(looks > RECORDS / RECORDS_BETWEEN_LOOKS, "{looks} looks");
    }
}
