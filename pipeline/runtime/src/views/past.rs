//! What was decided before a view came that asks for it, or before a start: folded once more.
//!
//! Not read from PostgreSQL, though it has a table of it: that may be behind, away, or cut short by somebody, and what
//! views show follows from the stream alone. A fold begins at the newest checkpoint that is older than what is asked for,
//! or else at the first record; decisions, answers and the other views go on meanwhile.

use std::sync::Arc;

use flightline_dataflows::Folded;
use flightline_dataflows::live::History;
use flightline_dataflows::rows::{DecisionRow, is_recorded};
use flightline_stream::{Checker, StreamLog};

use crate::backend::Inner;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest, Part};
use crate::reading::{ReadError, for_each_record_from};

/// Why what was decided before cannot be told.
#[derive(Debug, thiserror::Error)]
enum PastError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Folds a stream again.
pub(crate) struct Refold {
    log: Arc<dyn StreamLog>,
    checkpoints: Option<Arc<Checkpoints>>,
}

impl Refold {
    pub(crate) fn new(inner: &Inner) -> Arc<Self> {
        Arc::new(Self {
            log: inner.log.clone(),
            checkpoints: inner.checkpoints.get().cloned(),
        })
    }

    /// Gives the decisions of a partition from offset `next` on, and moves that on. Says whether more are wanted.
    fn partition(
        &self,
        manifests: &[Manifest],
        (partition, until): (u32, u64),
        after_ms: i64,
        next: &mut u64,
        give: &mut dyn FnMut(DecisionRow) -> bool,
    ) -> Result<bool, PastError> {
        let (mut folded, checker) = self.beginning(manifests, partition, until, after_ms)?;
        let mut goes_on = true;
        for_each_record_from(&*self.log, checker, until, |record| {
            let (decision, order) = folded.apply(&record.input);
            if record.input.offset >= *next && is_recorded(decision.kind) {
                goes_on = give(DecisionRow {
                    partition,
                    decision,
                    order: order.map(Box::new),
                    note: record.note,
                });
            }
            *next = (*next).max(record.input.offset + 1);
            goes_on
        })?;
        Ok(goes_on)
    }

    fn low_water(&self, partition: u32) -> Result<u64, String> {
        self.log.low_water(partition).map_err(|e| e.to_string())
    }

    /// Checkpoints of this stream, newest first.
    fn manifests(&self) -> Vec<Manifest> {
        let Some(checkpoints) = &self.checkpoints else {
            return Vec::new();
        };
        let entries = checkpoints.store().list().unwrap_or_else(|error| {
            tracing::warn!("{error}; what was decided before is folded without checkpoints");
            Vec::new()
        });
        let good = entries.into_iter().filter_map(|entry| entry.manifest.ok());
        let partitions = self.log.partitions() as usize;
        good.filter(|m| m.stream == checkpoints.stream() && m.parts.len() == partitions)
            .collect()
    }

    /// Where the fold of a partition begins.
    fn beginning(
        &self,
        manifests: &[Manifest],
        partition: u32,
        until: u64,
        after_ms: i64,
    ) -> Result<(Folded, Checker), CheckpointError> {
        let low_water = self.log.low_water(partition)?;
        let is_whole = low_water == 0;
        let mut oldest: Option<Part> = None;
        for manifest in manifests {
            let offset = manifest.parts[partition as usize].next_offset;
            // Its time is that of the machine, and only spares reading one that will not do.
            let may_do = !is_whole || manifest.taken_at_ms <= after_ms;
            if !(low_water..=until).contains(&offset) || !may_do {
                continue;
            }
            let Some(checkpoints) = &self.checkpoints else {
                break;
            };
            match checkpoints.store().get_part(manifest, partition) {
                Ok(part) if part.folded.ledger().clock_ms() <= after_ms => {
                    let checker = part.checker().clone();
                    return Ok((part.folded, checker));
                }
                Ok(part) => oldest = Some(part),
                Err(error) => tracing::warn!("{error}; an older one is looked for"),
            }
        }
        if is_whole {
            let folded = Folded::new(partition, self.log.partitions());
            return Ok((folded, Checker::new(partition)));
        }
        let Some(part) = oldest else {
            return Err(CheckpointError::Uncovered {
                partition,
                low_water,
                why: "none of them can be read".to_owned(),
            });
        };
        tracing::warn!(
            partition,
            from = part.folded.next_offset(),
            "the stream was trimmed: views do not see what was decided before"
        );
        let checker = part.checker().clone();
        Ok((part.folded, checker))
    }
}

impl History for Refold {
    fn decisions(
        &self,
        until: &[u64],
        after_ms: i64,
        give: &mut dyn FnMut(DecisionRow) -> bool,
    ) -> Result<(), String> {
        let mut manifests = self.manifests();
        for of in (0..).zip(until.iter().copied()) {
            let (partition, mut next) = (of.0, 0);
            loop {
                let low_water = self.low_water(partition)?;
                match self.partition(&manifests, of, after_ms, &mut next, give) {
                    Ok(true) => break,
                    Ok(false) => return Ok(()),
                    // It was trimmed meanwhile, behind a checkpoint: that has the rest.
                    Err(error) if self.low_water(partition)? > low_water => {
                        tracing::warn!(
                            "{error}; what was decided before is read on from a checkpoint"
                        );
                        manifests = self.manifests();
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flightline_ledger::outcome::Kind;
    use flightline_ledger::{Command, CommandId, FlightCommand, FlightKey};
    use flightline_stream::{Draft, EmbeddedConfig, EmbeddedLog, Group};

    use super::*;
    use crate::checkpoint::{CheckpointPolicy, Store};
    use crate::reading::READ_RECORDS;

    /// More than are read at once.
    const RECORDS: u64 = 40_000;
    const PIECE: u64 = 10_000;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stream_that_is_trimmed_while_it_is_read_is_read_on_from_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = EmbeddedConfig::new(folder.path().join("stream"));
        config.partitions = 1;
        let log = EmbeddedLog::open(config).unwrap();
        let mut producer = log.producer();
        let flight: FlightKey = "UA1.2035-01-05.EWR".parse().unwrap();
        for piece in 0..RECORDS / PIECE {
            let mut group = Group::new();
            for offset in piece * PIECE..(piece + 1) * PIECE {
                let hold = CommandId(1);
                let draft = Draft {
                    id: CommandId(u128::from(offset) + 2),
                    at_ms: 1_000 + offset as i64,
                    command: &Command::Flight(flight, FlightCommand::Confirm { hold }),
                    ref_text: None,
                    actor: None,
                };
                producer.push(&mut group, 0, &draft).unwrap();
            }
            producer.append(&log, &group).unwrap();
        }
        let log: Arc<dyn StreamLog> = Arc::new(log);
        let store = Store::open(None, folder.path()).unwrap();
        let checkpoints = Checkpoints::new(store, "a", CheckpointPolicy::default());
        let past = Refold {
            log: Arc::clone(&log),
            checkpoints: Some(Arc::clone(&checkpoints)),
        };
        let read = move || {
            let (mut given, mut trims) = (Vec::new(), [(100, 90), (16_000, 20_000)].iter());
            let mut trim = trims.next();
            let give = &mut |row: DecisionRow| {
                assert_eq!(row.decision.kind, Kind::Confirm);
                given.push(row.decision.offset);
                if let Some((at, until)) = trim
                    && row.decision.offset == *at
                {
                    checkpoints.take(&*log, &[*until]).unwrap();
                    log.trim(0, *until).unwrap();
                    trim = trims.next();
                }
                true
            };
            past.decisions(&[RECORDS], i64::MIN, give).unwrap();
            // What was not read before it was gone is lacking, and no more; nothing is told twice.
            let lacking = READ_RECORDS as u64..20_000;
            let expected = (0..RECORDS).filter(|offset| !lacking.contains(offset));
            assert!(given.iter().copied().eq(expected));
        };
        tokio::task::spawn_blocking(read).await.unwrap();
    }
}
