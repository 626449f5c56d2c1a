//! Proof that a replica's data is what it should be: folds the stream from its start and compares.
//!
//! What is checked: every record (continuity, checksum, the producer's sequence), every invariant
//! of the ledger's state, that a plain fold and the dataflow arrive at the same state, and that
//! every table of PostgreSQL holds what the fold says at the offsets that the tables claim to cover.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::{DecisionSink, Epoch, EpochSink, Record, ViewChanges};
use flightline_dataflows::live::rows_of;
use flightline_dataflows::rows::{DecisionRow, FeedRejectRow, is_recorded};
use flightline_dataflows::sql::View;
use flightline_ledger::{Command, Decision};
use flightline_sinks::postgres;
use flightline_stream::{Checker, StreamLog};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::database::{Database, Paused, SharedDatabase};
use crate::plain::{Plain, both, disagreement};
use crate::reading::{ReadError, for_each_batch, for_each_record};

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
    /// What was compared: table and number of rows.
    pub tables: Vec<(String, u64)>,
    /// Tables of views in SQL that were not compared, and why not.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
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

struct NoDecisions;

impl DecisionSink for NoDecisions {
    fn decided(&self, _: u32, _: &[Decision]) {}
}

/// Keeps the one epoch there is.
#[derive(Clone, Default)]
struct Keep(Arc<Mutex<Option<Arc<Epoch>>>>);

impl EpochSink for Keep {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let before = self.0.lock().replace(epoch);
        assert!(before.is_none(), "one epoch was asked for");
    }
}

/// Verifies a stream below `ends`, its checkpoints, and the tables when a database is given.
pub(crate) async fn verify(
    log: Arc<dyn StreamLog>,
    ends: Vec<u64>,
    database: Option<SharedDatabase>,
    checkpoints: Option<Arc<Checkpoints>>,
    views: Vec<Arc<View>>,
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
            views: &views,
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
    views: &'a [Arc<View>],
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
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
    }
    // The oldest first: the fold passes them in this order.
    kept.reverse();
    let whole = whole_fold(log, ends, &kept)?;
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
            && let Some(differs) = compare_parts(checkpoints, &manifest)?
        {
            return Ok(Some(differs));
        }
        report.checkpoints.push((manifest.id, manifest.records()));
    }
    match given.database {
        Some(database) => compare_tables(given, database, handle, report),
        None => Ok(None),
    }
}

/// Tries, since a transaction of the sink may end after it was told to pause.
const ATTEMPTS: usize = 5;

fn compare_tables(
    given: &Given<'_>,
    database: &Database,
    handle: &Handle,
    report: &mut VerifyReport,
) -> Result<Option<String>, VerifyError> {
    let log = given.log;
    let failed = |e: &dyn std::fmt::Display| VerifyError::Database(e.to_string());
    let _paused = Paused::new(database);
    let mut client = handle
        .block_on(database.client())
        .map_err(|e| failed(&format!("{e:#}")))?;
    let mut found = None;
    for _ in 0..ATTEMPTS {
        let covers = handle
            .block_on(postgres::progress(&client))
            .map_err(|e| failed(&e))?;
        let Some(covers) = covers else {
            return Ok(Some(
                "the database has no tables of Flightline; start the replica to have them made"
                    .to_owned(),
            ));
        };
        // The stream may have grown since it was looked at, and the tables with it.
        let ends = log.end_offsets().map_err(ReadError::from)?;
        if covers.len() != ends.len() {
            return Ok(Some(format!(
                "sink_progress has {} partitions, the stream has {}",
                covers.len(),
                ends.len()
            )));
        }
        if let Some(partition) = (0..ends.len()).find(|p| covers[*p] > ends[*p]) {
            return Ok(Some(format!(
                "the tables cover partition {partition} up to offset {}, the stream ends at {}",
                covers[partition], ends[partition]
            )));
        }
        report.covered = covers.iter().sum();
        let (epoch, differs) = snapshot(log, &covers)?;
        let mut epoch = Arc::unwrap_or_clone(epoch);
        epoch.views = given
            .views
            .iter()
            .map(|view| rows_of(view, &epoch))
            .collect();
        report.left_out = handle
            .block_on(left_out(&client, &epoch.views))
            .map_err(|e| failed(&e))?;
        if differs.is_some() {
            return Ok(differs);
        }
        let broken = RefCell::new(None);
        let counts = [Cell::new(0_u64), Cell::new(0_u64)];
        let fold = |partition: u32| {
            appended(log, partition, covers[partition as usize]).unwrap_or_else(|e| {
                broken.borrow_mut().get_or_insert(e);
                Appended::default()
            })
        };
        let counted = |n: usize| counts[n].set(counts[n].get() + 1);
        let partitions = 0..log.partitions();
        let mut decisions = partitions
            .clone()
            .flat_map(|p| fold(p).decisions)
            .inspect(|_| counted(0));
        let mut rejects = partitions
            .flat_map(|p| fold(p).rejects)
            .inspect(|_| counted(1));
        let expected = postgres::Expected {
            state: &epoch,
            decisions: &mut decisions,
            rejects: &mut rejects,
        };
        found = handle
            .block_on(postgres::compare(&mut client, expected))
            .map_err(|e| failed(&e))?;
        if let Some(error) = broken.take() {
            return Err(error.into());
        }
        report.tables = tables_of(&epoch, counts[0].get(), counts[1].get());
        let is_compared = |path: &String| {
            let of = |line: &String| line.starts_with(&format!("{path}: "));
            !report.left_out.iter().any(of)
        };
        let of_views = epoch.views.iter().map(|changes| {
            let path = format!("{}.{}", changes.view.schema, changes.view.table);
            (path, changes.rows.len() as u64)
        });
        let of_views: Vec<_> = of_views.filter(|(path, _)| is_compared(path)).collect();
        report.tables.extend(of_views);
        if found
            .as_ref()
            .is_none_or(|d| d.table != "flightline.sink_progress")
        {
            break;
        }
    }
    Ok(found.map(|difference| difference.to_string()))
}

/// Tables of views that cannot be compared, and why.
async fn left_out(
    client: &tokio_postgres::Client,
    views: &[ViewChanges],
) -> Result<Vec<String>, tokio_postgres::Error> {
    let there = "SELECT to_regclass('flightline.view_state') IS NOT NULL";
    if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let read = "\
SELECT schema_name, table_name, fingerprint, state, message FROM flightline.view_state
ORDER BY schema_name, table_name";
    let rows = client.query(read, &[]).await?;
    let why = |row: &tokio_postgres::Row| {
        let (schema, table): (String, String) = (row.get(0), row.get(1));
        let (fingerprint, state): (i64, String) = (row.get(2), row.get(3));
        let named = views
            .iter()
            .find(|changes| changes.view.schema == schema && changes.view.table == table);
        let why = match named {
            None => "its file is not among the views given".to_owned(),
            Some(changes) if changes.view.fingerprint as i64 != fingerprint => {
                "it was made from another version of its file; the next start makes it anew"
                    .to_owned()
            }
            Some(_) if state == "failed" => {
                let message: Option<String> = row.get(4);
                format!("the view has stopped: {}", message.unwrap_or_default())
            }
            Some(_) if state != "live" => "it has not all its rows yet".to_owned(),
            Some(changes) => match &changes.failed {
                None => return None,
                Some(failure) => format!("the view has no rows here: {failure}"),
            },
        };
        Some(format!("{schema}.{table}: {why}"))
    };
    Ok(rows.iter().filter_map(why).collect())
}

fn tables_of(epoch: &Epoch, decisions: u64, rejects: u64) -> Vec<(String, u64)> {
    [
        ("flightline.flight", epoch.flights.len()),
        ("flightline.leg", epoch.legs.len()),
        ("flightline.inventory", epoch.inventory.len()),
        ("flightline.hold", epoch.holds.len()),
        ("flightline.decision", decisions as usize),
        ("flightline.feed_reject", rejects as usize),
        ("flightline.inventory_drift", epoch.drift.len()),
        ("flightline.orders", epoch.orders.len()),
        (
            "flightline.order_segment",
            epoch.orders.iter().map(|(row, _)| row.segments.len()).sum(),
        ),
        (
            "flightline.payment",
            epoch
                .orders
                .iter()
                .filter(|(row, _)| row.payment.number > 0)
                .count(),
        ),
        ("views.offers", epoch.offers.len()),
        (
            "views.availability_by_route_day",
            epoch.availability_by_route_day.len(),
        ),
        (
            "views.cheapest_by_route_day",
            epoch.cheapest_by_route_day.len(),
        ),
        ("views.load_factor", epoch.load_factor.len()),
        ("views.oversold", epoch.oversold.len()),
    ]
    .into_iter()
    .map(|(name, rows)| (name.to_owned(), rows as u64))
    .collect()
}

struct Whole {
    flights: u64,
    orders: u64,
    seats_used: i64,
    oversold: i64,
    stream_hash: u128,
    state_hash: u128,
    broken: Option<String>,
}

/// Folds everything plainly, and checks the invariants of the result.
fn whole_fold(log: &dyn StreamLog, ends: &[u64], kept: &[Manifest]) -> Result<Whole, ReadError> {
    let mut folds = Plain::all(log.partitions());
    let mut checkers: Vec<_> = (0..log.partitions()).map(Checker::new).collect();
    let mut differs = None;
    let fold_to = |folds: &mut [Plain], checkers: &mut [Checker], until: &[u64]| {
        for_each_batch(log, checkers, until, |records| {
            for record in records {
                folds[record.partition as usize].apply(&record.input);
            }
            Ok::<_, ReadError>(())
        })
    };
    for manifest in kept {
        let offsets = manifest.offsets();
        let fits = offsets.len() == ends.len() && offsets.iter().zip(ends).all(|(a, b)| a <= b);
        if !fits {
            let id = manifest.id;
            differs.get_or_insert(format!("checkpoint {id} is beyond the end of the stream"));
            continue;
        }
        fold_to(&mut folds, &mut checkers, &offsets)?;
        differs = differs.or_else(|| compare_checkpoint(manifest, &folds, &checkers));
    }
    fold_to(&mut folds, &mut checkers, ends)?;
    let mut whole = Whole {
        flights: 0,
        orders: 0,
        seats_used: 0,
        oversold: 0,
        stream_hash: 0,
        state_hash: 0,
        broken: differs,
    };
    // An odd number without a pattern keeps the order of partitions in the sum.
    let mix = |sum: u128, part: u128| {
        sum.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            .wrapping_add(part)
    };
    for (partition, (fold, checker)) in folds.iter().zip(&checkers).enumerate() {
        let Plain { ledger, orders } = fold;
        whole.stream_hash = mix(whole.stream_hash, checker.state().hash);
        whole.state_hash = mix(whole.state_hash, fold.hash_state());
        whole.orders += orders.orders().count() as u64;
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ledger.check_invariants();
            orders.check_invariants();
        }));
        if checked.is_err() && whole.broken.is_none() {
            whole.broken = Some(format!(
                "partition {partition}: an invariant of the ledger is broken (the message stands in the log)"
            ));
        }
        for (_, flight) in ledger.flights() {
            whole.flights += 1;
            for line in flight.inventory().filter(|line| line.class.is_none()) {
                whole.seats_used += line.held + line.sold;
                whole.oversold += line.oversold;
            }
        }
    }
    if whole.broken.is_none() {
        whole.broken = disagreement(&folds);
    }
    Ok(whole)
}

/// What differs between a checkpoint's manifest and a fold that is where it is.
fn compare_checkpoint(
    manifest: &Manifest,
    folds: &[Plain],
    checkers: &[Checker],
) -> Option<String> {
    let id = manifest.id;
    let all = manifest.parts.iter().zip(folds).zip(checkers).enumerate();
    for (partition, ((part, fold), checker)) in all {
        let state = checker.state();
        if state.next_offset != part.next_offset {
            return Some(format!(
                "checkpoint {id} is behind an older one in partition {partition}"
            ));
        }
        let at = format!(
            "checkpoint {id}, partition {partition} at offset {}",
            part.next_offset
        );
        if format!("{:032x}", state.hash) != part.stream_hash {
            return Some(format!("{at}: it was made of other records"));
        }
        if format!("{:032x}", fold.hash_state()) != part.state_hash {
            return Some(format!(
                "{at}: its state is not that of a fold from the start"
            ));
        }
    }
    None
}

/// Reads a checkpoint back: are its bytes the state that its manifest tells of?
fn compare_parts(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
) -> Result<Option<String>, VerifyError> {
    for (entry, partition) in manifest.parts.iter().zip(0..) {
        let part = match checkpoints.store().get_part(manifest, partition) {
            Err(error @ CheckpointError::Damaged { .. }) => return Ok(Some(error.to_string())),
            other => other?,
        };
        let state_hash = format!("{:032x}", part.folded.hash_state());
        if state_hash != entry.state_hash {
            return Ok(Some(format!(
                "checkpoint {}, partition {partition}: what was stored is not what was folded",
                manifest.id
            )));
        }
    }
    Ok(None)
}

/// The rows of every keyed table at the given offsets, by the dataflow; and what differs when its
/// ledgers are not those of a plain fold.
fn snapshot(
    log: &dyn StreamLog,
    until: &[u64],
) -> Result<(Arc<Epoch>, Option<String>), VerifyError> {
    let keep = Keep::default();
    let config = flightline_dataflows::Config::new(log.partitions());
    let mut dataflow = Dataflow::start(config, Arc::new(NoDecisions), keep.clone())
        .map_err(|e| VerifyError::Dataflow(e.to_string()))?;
    dataflow.snapshot_epoch(until);
    let mut plain = Plain::all(log.partitions());
    let mut checkers: Vec<_> = (0..log.partitions()).map(Checker::new).collect();
    for_each_batch(log, &mut checkers, until, |records: Vec<Record>| {
        for record in &records {
            plain[record.partition as usize].apply(&record.input);
        }
        dataflow.send(records).map_err(VerifyError::from)
    })?;
    dataflow.close_epoch()?;
    let reader = dataflow.reader();
    // What was sent is folded on other threads: only a complete epoch says that all of it is.
    while reader.backlog().epochs > 0 {
        if let Some(failure) = reader.failure() {
            return Err(failure.into());
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    let mut differs = None;
    for (partition, fold) in (0..).zip(&plain) {
        let offset = until[partition as usize];
        let seats = reader.with_ledger(partition, |l| l.hash_state())?;
        let orders = reader.with_orders(partition, |o| o.hash_state())?;
        if both(seats, orders) != fold.hash_state() && differs.is_none() {
            differs = Some(format!(
                "partition {partition} at offset {offset}: the dataflow's state is not that of a plain fold"
            ));
        }
    }
    dataflow.shutdown()?;
    let epoch = keep.0.lock().take();
    let epoch = epoch.ok_or_else(|| VerifyError::Dataflow("no epoch came out".to_owned()))?;
    Ok((epoch, differs))
}

#[derive(Default)]
struct Appended {
    decisions: Vec<DecisionRow>,
    rejects: Vec<FeedRejectRow>,
}

/// The rows of the append-only tables of one partition.
fn appended(log: &dyn StreamLog, partition: u32, until: u64) -> Result<Appended, ReadError> {
    let mut fold = Plain::new(partition, log.partitions());
    let mut rows = Appended::default();
    for_each_record(log, partition, until, |record| {
        let (decision, order) = fold.apply(&record.input);
        if let Command::FeedReject(reject) = &record.input.command {
            rows.rejects.push(FeedRejectRow {
                partition,
                offset: decision.offset,
                at_ms: decision.at_ms,
                provider: reject.provider,
                message: reject.message.as_str().into(),
                line: reject.line,
                code: reject.code.as_str().into(),
                reason: reject.reason.as_str().into(),
                raw: reject.raw.as_slice().into(),
            });
        }
        if is_recorded(decision.kind) {
            rows.decisions.push(DecisionRow {
                partition,
                decision,
                order: order.map(Box::new),
                note: record.note,
            });
        }
        true
    })?;
    Ok(rows)
}
