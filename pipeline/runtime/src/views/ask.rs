//! What PostgreSQL is asked when views come, and waited for when they have.

use std::sync::Arc;
use std::time::Duration;

use flightline_api::backend::ViewFault;
use flightline_dataflows::sql::View;
use flightline_sinks::postgres::{PostgresError, rehearse};

use crate::database::Database;

/// How long an answer waits for the tables. They follow in any case.
const TABLES_WAIT: Duration = Duration::from_secs(60);

/// How often it is looked whether another replica has written them.
const OTHERS_LOOK: Duration = Duration::from_millis(100);

/// Waits until the tables of views are as it was just decided.
pub(super) fn await_tables(database: &Database) {
    let (Some(sink), Ok(runtime)) = (database.sink(), tokio::runtime::Handle::try_current()) else {
        return;
    };
    if !runtime.block_on(sink.wait_taken(TABLES_WAIT)) {
        tracing::warn!("PostgreSQL is behind: the tables of views follow when it has caught up");
    }
}

/// The same at a replica that does not write the tables: waits until whoever does has done it.
pub(super) fn await_others(database: &Database, before: &[Arc<View>], after: &[Arc<View>]) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let is_done = async |client: &tokio_postgres::Client| {
        let sql = "SELECT schema_name, table_name, fingerprint, state FROM flightline.view_state";
        let rows = client.query(sql, &[]).await?;
        let is_told = |view: &&Arc<View>| {
            rows.iter().any(|row| {
                let name: (&str, &str) = (row.get(0), row.get(1));
                let state = (row.get::<_, i64>(2), row.get::<_, &str>(3));
                name == (&view.schema, &view.table)
                    && state.0 == view.fingerprint as i64
                    && state.1 != "filling"
            })
        };
        let is_gone = |view: &&Arc<View>| {
            let name =
                |row: &tokio_postgres::Row| (row.get::<_, String>(0), row.get::<_, String>(1));
            let table = (view.schema.clone(), view.table.clone());
            !rows.iter().any(|row| name(row) == table)
        };
        let table = |view: &Arc<View>| (view.schema.clone(), view.table.clone());
        let stays = |view: &&Arc<View>| after.iter().any(|v| table(v) == table(view));
        let is_new = |view: &&Arc<View>| !before.contains(view);
        let come = after.iter().filter(is_new).all(|view| is_told(&view));
        let gone = before.iter().filter(|v| !stays(v)).all(|v| is_gone(&v));
        Ok::<bool, tokio_postgres::Error>(come && gone)
    };
    let waiting = async {
        let client = database.client().await.ok()?;
        // Without the database nobody writes: the tables follow when it is back.
        while !is_done(&client).await.ok()? {
            tokio::time::sleep(OTHERS_LOOK).await;
        }
        Some(())
    };
    let waited = runtime.block_on(tokio::time::timeout(TABLES_WAIT, waiting));
    if !matches!(waited, Ok(Some(()))) {
        tracing::warn!("the replica that writes the tables is behind: the tables of views follow");
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
