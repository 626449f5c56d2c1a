//! Records out of the stream, checked and decoded.

use flightline_dataflows::changelog::Record;
use flightline_stream::{Checker, Fault, RecordView, StreamError, StreamLog};

use crate::sequencer::note_of;

/// Records read at a time.
pub(crate) const READ_RECORDS: usize = 16_384;
const READ_BYTES: usize = 8 << 20;

/// Why a partition could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream cannot be read.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The stream is damaged.
    #[error(transparent)]
    Damaged(#[from] Fault),
    /// The beginning was trimmed away, so the state before it is unknown.
    #[error(
        "partition {partition} begins at offset {low_water}: what came before was trimmed away behind checkpoints, \
         and this is answered by folding from the first record"
    )]
    Trimmed {
        /// The partition.
        partition: u32,
        /// Its first offset.
        low_water: u64,
    },
}

/// Takes the next record of a partition: continuity, checksum and the producer's sequence are
/// checked, then it is decoded.
pub fn take(
    checker: &mut Checker,
    partition: u32,
    offset: u64,
    bytes: &[u8],
) -> Result<Record, Fault> {
    let view = checker.check(offset, bytes)?;
    take_view(&view, partition, offset)
}

/// Decodes a record that was checked.
pub(crate) fn take_view(
    view: &RecordView<'_>,
    partition: u32,
    offset: u64,
) -> Result<Record, Fault> {
    let input = view.input(offset).map_err(|error| Fault::Record {
        partition,
        offset,
        error,
    })?;
    Ok(Record {
        partition,
        input,
        note: note_of(
            view.ref_text().map(Into::into),
            view.actor().map(Into::into),
        ),
    })
}

/// Calls `visit` for every record of a partition below `until`, in order, until it says `false`.
/// Returns the checker with the partition's running hash.
pub fn for_each_record(
    log: &dyn StreamLog,
    partition: u32,
    until: u64,
    visit: impl FnMut(Record) -> bool,
) -> Result<Checker, ReadError> {
    for_each_record_from(log, Checker::new(partition), until, visit)
}

/// As [`for_each_record`], from where the checker is.
pub fn for_each_record_from(
    log: &dyn StreamLog,
    mut checker: Checker,
    until: u64,
    mut visit: impl FnMut(Record) -> bool,
) -> Result<Checker, ReadError> {
    let partition = checker.partition();
    let low_water = log.low_water(partition)?;
    let mut next = checker.state().next_offset;
    if low_water > next {
        return Err(ReadError::Trimmed {
            partition,
            low_water,
        });
    }
    while next < until {
        let batch = log.read(partition, next, READ_RECORDS, READ_BYTES)?;
        let before = next;
        for (offset, bytes) in batch.records() {
            if offset >= until {
                return Ok(checker);
            }
            let record = take(&mut checker, partition, offset, bytes)?;
            next = offset + 1;
            if !visit(record) {
                return Ok(checker);
            }
        }
        assert!(
            next > before,
            "partition {partition} ends at offset {next}, before the end {until} that the stream stated"
        );
    }
    Ok(checker)
}

/// Calls `visit` with batches of records of all partitions, in storage order: of each partition
/// those from where its checker is to the offset in `until`.
pub fn for_each_batch<E: From<ReadError>>(
    log: &dyn StreamLog,
    checkers: &mut [Checker],
    until: &[u64],
    mut visit: impl FnMut(Vec<Record>) -> Result<(), E>,
) -> Result<(), E> {
    const BATCH: usize = 8_192;
    for (partition, low_water) in log
        .low_waters()
        .map_err(ReadError::from)?
        .into_iter()
        .enumerate()
    {
        if low_water > checkers[partition].state().next_offset {
            return Err(ReadError::Trimmed {
                partition: partition as u32,
                low_water,
            }
            .into());
        }
    }
    let next = |c: &Checker| c.state().next_offset;
    let from: Vec<u64> = checkers.iter().map(next).collect();
    let mut missing: u64 = from
        .iter()
        .zip(until)
        .map(|(f, u)| u.saturating_sub(*f))
        .sum();
    let mut batch = Vec::with_capacity(BATCH);
    for frames in log.scan(&from).map_err(ReadError::from)? {
        if missing == 0 {
            break;
        }
        for frame in frames.map_err(ReadError::from)? {
            let partition = frame.partition();
            let checker = &mut checkers[partition as usize];
            for (offset, bytes) in frame.iter() {
                if offset >= until[partition as usize] {
                    break;
                }
                let record = take(checker, partition, offset, bytes).map_err(ReadError::from)?;
                missing -= 1;
                batch.push(record);
            }
            if batch.len() >= BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                visit(full)?;
            }
        }
    }
    if !batch.is_empty() {
        visit(batch)?;
    }
    assert!(
        missing == 0,
        "the stream ended {missing} records before the end that it stated"
    );
    Ok(())
}
