//! What PostgreSQL is asked when views come, and waited for when they have.

use std::sync::Arc;
use std::time::Duration;

use flightline_api::backend::ViewFault;
use flightline_dataflows::sql::View;
use flightline_sinks::postgres::{PostgresError, rehearse};

use crate::database::Database;

/// How long an answer waits for the tables. They follow in any case.
const TABLES_WAIT: Duration = Duration::from_secs(60);

/// Waits until the tables of views are as it was just decided.
pub(super) fn await_tables(database: &Database) {
    let (Some(sink), Ok(runtime)) = (database.sink(), tokio::runtime::Handle::try_current()) else {
        return;
    };
    if !runtime.block_on(sink.wait_taken(TABLES_WAIT)) {
        tracing::warn!("PostgreSQL is behind: the tables of views follow when it has caught up");
    }
}

/// Asks PostgreSQL whether it would make these tables.
pub(super) fn ask(database: &Database, views: &[Arc<View>]) -> Result<(), ViewFault> {
    let away = |error: &dyn std::fmt::Display| {
        ViewFault::Unavailable(format!(
            "PostgreSQL cannot be asked about the table, so nothing was changed: {error}"
        ))
    };
    let failed = database.sink().and_then(|sink| sink.status().failed);
    if let Some(error) = failed {
        return Err(ViewFault::Unavailable(format!(
            "the tables are not written any more, so nothing was changed: {error}"
        )));
    }
    let asked = async {
        let mut client = database
            .client()
            .await
            .map_err(|e| away(&format!("{e:#}")))?;
        match rehearse(&mut client, views).await {
            Ok(()) => Ok(()),
            Err(error @ PostgresError::TableNotOurs { .. }) => {
                Err(ViewFault::Conflict(error.to_string()))
            }
            Err(error) if error.is_passing() => Err(away(&error)),
            Err(error) => Err(ViewFault::Conflict(format!(
                "PostgreSQL refuses the table: {error}"
            ))),
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.block_on(asked),
        Err(error) => Err(away(&error)),
    }
}
