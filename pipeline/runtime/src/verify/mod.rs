//! Proof that a replica's data is what it should be: folds the stream from its start and compares.
//!
//! What is checked: every record (continuity, checksum, the producer's sequence), every invariant
//! of the ledger's state, that a plain fold and the dataflow arrive at the same state, and that
//! every table of PostgreSQL holds what the fold says at the offsets that the tables claim to cover.
//!
//! - `fold`: the plain fold, and checkpoints beside it. `tables`: PostgreSQL beside the dataflow.

mod fold;
mod tables;

pub(crate) use fold::digest;

use std::sync::Arc;
use std::time::Instant;

use flightline_api::backend::PartitionDigest;
use flightline_stream::StreamLog;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::database::{Database, SharedDatabase};
use crate::reading::ReadError;

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Nothing was wrong.
    pub clean: bool,
    /// The first thing that was wrong.
    pub difference: Option<String>,
    /// Records of the stream.
    pub records: u64,
    /// Records that the tables cover.
    pub covered: u64,
    /// Partitions.
    pub partitions: u32,
    /// Flights that are known at the end of the stream.
    pub flights: u64,
    /// Orders that are known there.
    #[serde(default)]
    pub orders: u64,
    /// Seats of live holds and sales there.
    pub seats_used: i64,
    /// Seats held or sold beyond what a provider or aircraft allows.
    pub oversold: i64,
    /// XXH3 chain over the running hashes of all partitions: equal on replicas that saw the same
    /// stream.
    pub stream_hash: String,
    /// Digest of the folded state.
    pub state_hash: String,
    /// Checkpoints that were compared with the fold at their offsets: number and records.
    #[serde(default)]
    pub checkpoints: Vec<(u64, u64)>,
    /// Checkpoints that were not, since another release wrote them in a format of its own.
    #[serde(default)]
    pub passed_over: Vec<String>,
    /// What was compared: table and number of rows.
    pub tables: Vec<(String, u64)>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What a fold of one partition gives, as `GET /stream/digest` answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// The offset after the last record.
    pub next_offset: u64,
    /// Running hash of the records, in hexadecimal.
    pub stream_hash: String,
    /// Digest of seats and orders, in hexadecimal.
    pub state_hash: String,
}

impl Folded {
    pub(crate) fn of(digest: &PartitionDigest) -> Self {
        Self {
            next_offset: digest.next_offset,
            stream_hash: format!("{:032x}", digest.stream_hash),
            state_hash: format!("{:032x}", digest.state_hash),
        }
    }
}

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The dataflow did not start or died.
    #[error("the dataflow failed: {0}")]
    Dataflow(String),
    /// PostgreSQL did not answer.
    #[error("PostgreSQL: {0}")]
    Database(String),
    /// The stream cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Checkpoints cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl From<flightline_dataflows::Failure> for VerifyError {
    fn from(failure: flightline_dataflows::Failure) -> Self {
        VerifyError::Dataflow(failure.to_string())
    }
}

/// Verifies a stream below `ends`, its checkpoints, and the tables when a database is given.
pub(crate) async fn verify(
    log: Arc<dyn StreamLog>,
    ends: Vec<u64>,
    database: Option<SharedDatabase>,
    checkpoints: Option<Arc<Checkpoints>>,
) -> Result<VerifyReport, VerifyError> {
    let started = Instant::now();
    let mut report = VerifyReport {
        partitions: log.partitions(),
        records: ends.iter().sum(),
        ..VerifyReport::default()
    };
    // Folding blocks; the comparison in between waits for PostgreSQL.
    let handle = tokio::runtime::Handle::current();
    let (mut report, outcome) = tokio::task::spawn_blocking(move || {
        let given = Given {
            log: &*log,
            ends: &ends,
            database: database.as_deref(),
            checkpoints: checkpoints.as_deref(),
        };
        let outcome = run(&given, &handle, &mut report);
        (report, outcome)
    })
    .await
    .map_err(|e| VerifyError::Dataflow(e.to_string()))?;
    report.seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(difference) => {
            report.clean = difference.is_none();
            report.difference = difference;
            Ok(report)
        }
        // A damaged stream is a finding, not a failure to look.
        Err(VerifyError::Read(ReadError::Damaged(fault))) => {
            report.difference = Some(fault.to_string());
            Ok(report)
        }
        Err(other) => Err(other),
    }
}

/// What is verified.
struct Given<'a> {
    log: &'a dyn StreamLog,
    ends: &'a [u64],
    database: Option<&'a Database>,
    checkpoints: Option<&'a Checkpoints>,
}

fn run(
    given: &Given<'_>,
    handle: &Handle,
    report: &mut VerifyReport,
) -> Result<Option<String>, VerifyError> {
    let Given { log, ends, .. } = *given;
    let mut kept = Vec::new();
    if let Some(checkpoints) = given.checkpoints {
        for entry in checkpoints.store().list()? {
            match entry.manifest {
                Ok(manifest) => kept.push(manifest),
                // It says nothing that this release could check, and no start uses it.
                Err(error @ CheckpointError::Format { .. }) => {
                    report.passed_over.push(error.to_string());
                }
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
    }
    // The oldest first: the fold passes them in this order.
    kept.reverse();
    let whole = fold::whole_fold(log, ends, &kept)?;
    report.flights = whole.flights;
    report.orders = whole.orders;
    report.seats_used = whole.seats_used;
    report.oversold = whole.oversold;
    report.stream_hash = format!("{:032x}", whole.stream_hash);
    report.state_hash = format!("{:032x}", whole.state_hash);
    if whole.broken.is_some() {
        return Ok(whole.broken);
    }
    for manifest in kept {
        if let Some(checkpoints) = given.checkpoints
            && let Some(differs) = fold::compare_parts(checkpoints, &manifest)?
        {
            return Ok(Some(differs));
        }
        report.checkpoints.push((manifest.id, manifest.records()));
    }
    match given.database {
        Some(database) => tables::compare_tables(log, database, handle, report),
        None => Ok(None),
    }
}
