//! Looking at a replica's data while no replica runs.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flightline_connectors::vault::KeyId;
use flightline_stream::{EmbeddedConfig, EmbeddedLog, StreamError, StreamLog};

use crate::control::OrderName;
use crate::database::Database;
use crate::verify::{VerifyReport, verify as verify_stream};

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
/// private one of the data directory.
pub async fn verify(data_dir: &Path, database_url: Option<&str>) -> anyhow::Result<VerifyReport> {
    let log: Arc<dyn StreamLog> = Arc::new(open(data_dir)?);
    let ends = log.end_offsets()?;
    let database = Database::of_stopped(data_dir, database_url)
        .await?
        .map(Arc::new);
    let report = verify_stream(log, ends, database.clone()).await;
    if let Some(database) = database {
        database.stop().await?;
    }
    Ok(report?)
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
/// order.
pub fn erase_order(data_dir: &Path, name: &str) -> anyhow::Result<Option<usize>> {
    let OrderName::Id(order) = crate::control::order_named(name)? else {
        anyhow::bail!("name the order by its id, ord_ and 32 hexadecimal digits");
    };
    let log = open(data_dir)?;
    let ends = log.end_offsets()?;
    let Some(keys) = crate::people::keys_of(&log, &ends, order)? else {
        return Ok(None);
    };
    let people = crate::people::People::open(data_dir, KeyId(0))?;
    people.erase(&keys).map(Some)
}
