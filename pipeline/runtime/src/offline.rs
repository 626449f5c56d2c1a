//! Looking at a replica's data while no replica runs.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flightline_stream::{EmbeddedConfig, EmbeddedLog, StreamError, StreamLog};

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
