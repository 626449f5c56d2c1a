//! The tables of PostgreSQL held against what the dataflow and a plain fold give.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use flightline_dataflows::Dataflow;
use flightline_dataflows::changelog::{DecisionSink, Epoch, EpochSink, Record};
use flightline_dataflows::live::rows_of;
use flightline_dataflows::rows::{DecisionRow, FeedRejectRow, is_recorded};
use flightline_ledger::{Command, Decision};
use flightline_sinks::postgres;
use flightline_stream::{Checker, StreamLog};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Given, VerifyError, VerifyReport, views};
use crate::database::{Database, Paused};
use crate::plain::{Plain, both};
use crate::reading::{ReadError, for_each_batch, for_each_record};

/// Tries, since a transaction of the sink may end after it was told to pause.
const ATTEMPTS: usize = 5;

/// Between two of them, for what another replica wrote a moment ago.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Compares every table; the first difference if any.
pub(super) fn compare_tables(
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
    for tries in (0..ATTEMPTS).rev() {
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
            if log.is_shared() && tries > 0 {
                // Another replica writes them: what it has is on its way here.
                std::thread::park_timeout(ON_ITS_WAY);
                continue;
            }
            return Ok(Some(format!(
                "the tables cover partition {partition} up to offset {}, the stream ends at {}",
                covers[partition], ends[partition]
            )));
        }
        report.covered = covers.iter().sum();
        let (epoch, differs) = snapshot(log, &covers)?;
        if differs.is_some() {
            return Ok(differs);
        }
        let mut epoch = Arc::unwrap_or_clone(epoch);
        epoch.decisions = recent(given, &covers, epoch.clock_ms)?;
        let names = crate::names::reference();
        let views = given.views.iter();
        epoch.views = views.map(|view| rows_of(view, &epoch, &names)).collect();
        report.left_out = handle
            .block_on(views::left_out(&client, &epoch.views))
            .map_err(|e| failed(&e))?;
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
        let compared = views::compared(&epoch.views, &report.left_out);
        report.tables.extend(compared);
        if found
            .as_ref()
            .is_none_or(|d| d.table != "flightline.sink_progress")
        {
            break;
        }
    }
    Ok(found.map(|difference| difference.to_string()))
}

/// What was decided as far back as the views look.
fn recent(
    given: &Given<'_>,
    covers: &[u64],
    clock_ms: Option<i64>,
) -> Result<Vec<DecisionRow>, ReadError> {
    let longest_ms = given.views.iter().filter_map(|view| view.looks_back_ms());
    let (Some(longest_ms), Some(clock_ms)) = (longest_ms.max(), clock_ms) else {
        return Ok(Vec::new());
    };
    let after_ms = clock_ms.saturating_sub(longest_ms);
    let mut recent = Vec::new();
    for (partition, until) in (0..).zip(covers) {
        let all = appended(given.log, partition, *until)?
            .decisions
            .into_iter();
        recent.extend(all.filter(|row| row.at_ms() >= after_ms));
    }
    Ok(recent)
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
