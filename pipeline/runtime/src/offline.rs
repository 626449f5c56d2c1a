//! Looking at a replica's data while no replica runs.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flightline_connectors::outward::OutwardConfig;
use flightline_connectors::vault::KeyId;
use flightline_dataflows::sql::View;
use flightline_ledger::ProviderCode;
use flightline_stream::{EmbeddedConfig, EmbeddedLog, StreamError, StreamLog};

use crate::checkpoint::{CheckpointPolicy, Checkpoints, Store, Taken};
use crate::control::OrderName;
use crate::database::Database;
use crate::verify::{Folded, VerifyReport, verify as verify_stream};

/// Name of a stream, from its id.
pub(crate) fn stream_id(id: u64) -> String {
    format!("{id:016x}")
}

/// Opens the stream of a data directory, which must exist.
fn open(data_dir: &Path) -> anyhow::Result<EmbeddedLog> {
    let path = data_dir.join("stream");
    anyhow::ensure!(
        path.is_dir(),
        "{} holds no stream: name the data directory of a replica with --data-dir",
        data_dir.display()
    );
    let mut config = EmbeddedConfig::new(&path);
    // The number of partitions is the stream's, not ours to know.
    let opened = match EmbeddedLog::open(config.clone()) {
        Err(StreamError::PartitionCountMismatch { stored, .. }) => {
            config.partitions = stored;
            EmbeddedLog::open(config)
        }
        other => other,
    };
    opened.context("opening the stream")
}

/// Verifies the stream, and the tables when there is a database: the one at `database_url`, else the
/// private one of the data directory. `views`: whose tables are compared too.
pub async fn verify(
    data_dir: &Path,
    database_url: Option<&str>,
    policy: &CheckpointPolicy,
    views: Vec<Arc<View>>,
) -> anyhow::Result<VerifyReport> {
    let log = open(data_dir)?;
    let checkpoints = checkpoints_of(data_dir, policy, &log)?;
    let log: Arc<dyn StreamLog> = Arc::new(log);
    let ends = log.end_offsets()?;
    let database = Database::of_stopped(data_dir, database_url)
        .await?
        .map(Arc::new);
    let report = verify_stream(log, ends, database.clone(), Some(checkpoints), views).await;
    if let Some(database) = database {
        database.stop().await?;
    }
    Ok(report?)
}

/// Folds the stream of a data directory up to these offsets, to compare it with another replica's. Blocking.
pub fn digest(data_dir: &Path, until: Option<&[u64]>) -> anyhow::Result<Vec<Folded>> {
    let log = open(data_dir)?;
    let ends = log.end_offsets()?;
    let found = crate::verify::digest(&log, until, |partition| ends[partition as usize])?;
    Ok(found.iter().map(Folded::of).collect())
}

fn checkpoints_of(
    data_dir: &Path,
    policy: &CheckpointPolicy,
    log: &EmbeddedLog,
) -> anyhow::Result<Arc<Checkpoints>> {
    let store = Store::open(policy.url.as_deref(), data_dir)?;
    Ok(Checkpoints::new(
        store,
        &stream_id(log.stream_id()),
        policy.clone(),
    ))
}

/// Makes a checkpoint of what the tables have: those at `database_url`, else those of the private
/// PostgreSQL of the data directory, which is started for as long.
pub async fn take_checkpoint(
    data_dir: &Path,
    database_url: Option<&str>,
    policy: &CheckpointPolicy,
) -> anyhow::Result<Taken> {
    let log = open(data_dir)?;
    let checkpoints = checkpoints_of(data_dir, policy, &log)?;
    let database = Database::of_stopped(data_dir, database_url).await?;
    let database =
        database.context("this data directory has no tables yet: start the replica once")?;
    let covered = covered_by(&database).await;
    database.stop().await?;
    let covered = covered?;
    tokio::task::spawn_blocking(move || Ok(checkpoints.take(&log, &covered)?))
        .await
        .context("making a checkpoint was broken off")?
}

async fn covered_by(database: &Database) -> anyhow::Result<Vec<u64>> {
    let client = database.client().await?;
    let covered = flightline_sinks::postgres::progress(&client).await?;
    covered.context("the database has no tables of Flightline: start the replica once")
}

/// Trims the stream behind the oldest checkpoint that is kept. Returns how many records went.
pub async fn trim(data_dir: &Path, policy: &CheckpointPolicy) -> anyhow::Result<u64> {
    let log = open(data_dir)?;
    let checkpoints = checkpoints_of(data_dir, policy, &log)?;
    tokio::task::spawn_blocking(move || Ok(checkpoints.trim(&log)?))
        .await
        .context("trimming was broken off")?
}

/// Explains the decisions on a command, by its id or its text.
pub fn explain(data_dir: &Path, name: &str) -> anyhow::Result<Vec<serde_json::Value>> {
    let log = open(data_dir)?;
    let ends = log.end_offsets()?;
    let found = crate::refold::explain(&log, &ends, name)?;
    Ok(found.iter().map(crate::explanation::json).collect())
}

/// Explains an order, by its id or booking reference; null when there is no such order.
pub fn explain_order(data_dir: &Path, name: &str) -> anyhow::Result<serde_json::Value> {
    let name = crate::control::order_named(name)?;
    let log = open(data_dir)?;
    let ends = log.end_offsets()?;
    let found = crate::refold::explain_named_order(&log, &ends, name)?;
    Ok(found.map_or(serde_json::Value::Null, |found| {
        flightline_api::explanation::order_explanation(&found)
    }))
}

/// Erases the persons of an order. Says how many keys there were to drop; `None` when there is no such
/// order. `ways`: providers of which messages may lie here.
/// Blocking; must be called within the async runtime.
pub fn erase_order(
    data_dir: &Path,
    name: &str,
    policy: &CheckpointPolicy,
    ways: &[(ProviderCode, OutwardConfig)],
) -> anyhow::Result<Option<usize>> {
    let OrderName::Id(order) = crate::control::order_named(name)? else {
        anyhow::bail!("name the order by its id, ord_ and 32 hexadecimal digits");
    };
    let log = open(data_dir)?;
    let ends = log.end_offsets()?;
    let checkpoints = checkpoints_of(data_dir, policy, &log)?;
    let Some(keys) = crate::people::keys_of(&log, &checkpoints, &ends, order)? else {
        return Ok(None);
    };
    let people = crate::people::People::open(data_dir, KeyId(0))?;
    let ways = crate::replica::ways(data_dir, ways)?;
    let dropped = people.erase(&keys)?;
    crate::orders::kept::erase(&ways, order)?;
    Ok(Some(dropped))
}
