//! What a start goes through: the newest checkpoint that the tables are not behind, then the records beyond it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::Record;
use flightline_ledger::{Command, FlightCommand};
use flightline_stream::Checker;

use super::fanout::Fanout;
use crate::backend::Inner;
use crate::checkpoint::{self, Loaded, Part};
use crate::late::Note;
use crate::people::key_named;
use crate::reading::{ReadError, for_each_batch};
use crate::sequencer::report_of;
use crate::waiters::Waiter;

/// What is waited for that another replica wrote a moment ago.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// What a start went through.
pub(super) struct History {
    /// Records folded.
    pub(super) folded: u64,
    /// Records that a checkpoint spared it.
    pub(super) loaded: u64,
    /// By partition, where it ended.
    pub(super) checkers: Vec<Checker>,
}

/// Where a start begins, and up to where its first epoch is one that the tables have already.
struct Beginning {
    loaded: Loaded,
    snapshot: Vec<u64>,
}

/// Finds the newest checkpoint that the tables are not behind.
fn begin(inner: &Inner, progress: Option<&[u64]>, ends: &[u64]) -> anyhow::Result<Beginning> {
    let checkpoints = inner.checkpoints.get();
    let checkpoints = checkpoints.context("the checkpoints are not there")?;
    let low_waters = inner.log.low_waters()?;
    // Another replica writes the tables: whatever there is will do.
    let (progress, stands) = match progress {
        Some(progress) => (progress, false),
        None => (ends, true),
    };
    let is_empty = progress.iter().all(|offset| *offset == 0);
    let trimmed = (0..low_waters.len()).find(|p| low_waters[*p] > progress[*p]);
    if let Some(partition) = trimmed.filter(|_| !is_empty && !stands) {
        anyhow::bail!(
            "PostgreSQL has partition {partition} up to offset {}, but the stream was trimmed up to {}: the rows between \
             cannot be made any more. Drop the schemas flightline and views to have the tables filled from a \
             checkpoint, without the decisions and rejects before it",
            progress[partition],
            low_waters[partition]
        );
    }
    // Empty tables are filled from the first record, unless that is gone.
    let from_checkpoint = stands || is_empty && trimmed.is_some();
    let until = if from_checkpoint { ends } else { progress };
    inner.set_phase("looking for a checkpoint");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (store, stream) = (checkpoints.store(), checkpoints.stream());
    let loaded = checkpoint::load(store, stream, &low_waters, until, threads)?;
    let snapshot = match &loaded.manifest {
        Some(manifest) if from_checkpoint => manifest.offsets(),
        _ if stands => vec![0; ends.len()],
        _ => progress.to_vec(),
    };
    if let Some(manifest) = &loaded.manifest {
        checkpoints.note(manifest);
        inner.set_phase(format!(
            "going on from checkpoint {}, {} records",
            manifest.id,
            manifest.records()
        ));
    }
    Ok(Beginning { loaded, snapshot })
}

/// Fills what is beside the fold with what the partitions of a checkpoint know.
fn note_parts(inner: &Inner, parts: &[Part]) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let claims = parts.iter().map(Part::claims_max).sum();
    inner.holds.fill(threads, claims, |give| {
        parts.iter().for_each(|part| part.each_claim(&mut *give));
    });
    parts.iter().for_each(|part| note_part(inner, part));
}

fn note_part(inner: &Inner, part: &Part) {
    for (_, key) in part.sealed() {
        inner.desk.note_key(*key);
    }
    for (provider, counts) in part.providers() {
        inner.stats.add(provider, counts);
    }
    inner.late.load(part.kept());
}

/// Folds what the stream holds beyond the newest checkpoint. What the tables have already is one epoch
/// of its own.
pub(super) fn fold_history(
    inner: &Arc<Inner>,
    workers: usize,
    progress: Option<&[u64]>,
    fanout: Fanout,
    on_failure: impl Fn(&str) + Send + Sync + 'static,
) -> anyhow::Result<(Dataflow, History)> {
    let ends = ends_beyond(inner, progress.unwrap_or_default())?;
    for (partition, (have, end)) in progress.unwrap_or_default().iter().zip(&ends).enumerate() {
        anyhow::ensure!(
            have <= end,
            "PostgreSQL has partition {partition} up to offset {have}, but the stream ends at {end}: \
             these tables belong to another stream, or the stream lost its end. \
             Give the replica its own database, or drop the schemas flightline and views to have them filled anew"
        );
    }
    let mut flow_config = flightline_dataflows::Config::new(inner.partitions).with_workers(workers);
    flow_config.on_failure = Some(Arc::new(move |failure| on_failure(&failure.to_string())));
    let Beginning { loaded, snapshot } = begin(inner, progress, &ends)?;
    let from: Vec<u64> = loaded
        .parts
        .iter()
        .map(|part| part.folded.next_offset())
        .collect();
    let spared: u64 = from.iter().sum();
    inner.waiters.resume(&from);
    let mut checkers: Vec<_> = loaded.parts.iter().map(|p| p.checker().clone()).collect();
    note_parts(inner, &loaded.parts);
    let folded = loaded.parts.into_iter().map(|part| part.folded).collect();
    let mut dataflow = Dataflow::resume(flow_config, inner.waiters.clone(), fanout, folded)?;
    if inner.dataflow.set(dataflow.reader()).is_err() {
        unreachable!("the dataflow is set once, here");
    }
    let total = ends.iter().sum::<u64>() - spared;
    let mut folded = 0_u64;
    let mut fold =
        |dataflow: &mut Dataflow, records: Vec<Record>, epochs: bool| -> Result<(), FoldError> {
            folded += records.len() as u64;
            for record in &records {
                note_record(inner, record);
            }
            dataflow.send(records)?;
            if epochs {
                dataflow.close_epoch()?;
            }
            if folded.is_multiple_of(1 << 20) || folded == total {
                inner.set_phase(format!("folding history: {folded} of {total} records"));
            }
            Ok(())
        };
    if snapshot.iter().any(|offset| *offset > 0) {
        dataflow.snapshot_epoch(&snapshot);
        for_each_batch(&*inner.log, &mut checkers, &snapshot, |records| {
            fold(&mut dataflow, records, false)
        })?;
        dataflow.close_epoch()?;
    }
    for_each_batch(&*inner.log, &mut checkers, &ends, |records| {
        fold(&mut dataflow, records, true)
    })?;
    inner.await_index_at(&ends);
    let history = History {
        folded,
        loaded: spared,
        checkers,
    };
    Ok((dataflow, history))
}

/// How far the stream is. On one that is shared, what the tables have may still be on its way here.
fn ends_beyond(inner: &Inner, progress: &[u64]) -> anyhow::Result<Vec<u64>> {
    let deadline = Instant::now() + ON_ITS_WAY;
    loop {
        let ends = inner.log.end_offsets()?;
        let is_there = progress.iter().zip(&ends).all(|(have, end)| have <= end);
        if is_there || !inner.log.is_shared() || Instant::now() >= deadline {
            return Ok(ends);
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[derive(Debug, thiserror::Error)]
enum FoldError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Dataflow(#[from] flightline_dataflows::Failure),
}

/// What a record of history means to the indexes beside the fold.
pub(crate) fn note_record(inner: &Inner, record: &Record) {
    if let Command::Flight(flight, FlightCommand::Hold(_) | FlightCommand::Reseat(_)) =
        &record.input.command
    {
        inner.holds.claim(record.input.id, flight);
    }
    if let Some(key) = key_named(&record.input.command) {
        inner.desk.note_key(key);
    }
    if let Some(note) = Note::of(record.input.at_ms, &record.input.command) {
        inner.late.note(note);
    }
    let report = report_of(&record.input.command);
    if report.is_some() {
        let waiter = match &record.input.command {
            Command::Flight(flight, FlightCommand::Provider(event)) => {
                Waiter::Past(Box::new((*flight, (**event).clone())))
            }
            _ => Waiter::None,
        };
        inner
            .waiters
            .register(record.partition, record.input.offset, waiter, report);
    }
}
