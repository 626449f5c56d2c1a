//! Making, replacing and removing the tables of views in SQL.
//!
//! At the start ([`install`]), in one transaction: what is new or means something else than before is to be filled
//! from the first epoch; a table that does not exist is made at once, one that exists stays as it is until then. A
//! table of the same name that is not ours is left alone, and refused. Tables whose views are gone are removed.
//!
//! While the sink runs ([`fill`], [`drop_table`]), as a part of the transaction of a batch: a table is filled in a schema that
//! nobody else sees, and then moved to its place, where it takes that of the one before. Readers see the one or the
//! other, and wait for the change of names only.

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_dataflows::sql::View;
use tokio_postgres::{Client, Transaction};

use super::PostgresError;
use super::batch::Rows;
use super::connection::copy_rows;
use super::tables::ViewTable;

/// Where tables are while they are filled. It is there within a transaction only.
const FILLING: &str = "flightline_filling";

/// Where it is tried whether they can be made.
const REHEARSAL: &str = "flightline_rehearsal";

const REMEMBER: &str = "\
INSERT INTO flightline.view_state (schema_name, table_name, view, fingerprint, state)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (schema_name, table_name)
DO UPDATE SET view = $3, fingerprint = $4, state = $5, message = NULL";

const FORGET: &str = "DELETE FROM flightline.view_state WHERE schema_name = $1 AND table_name = $2";

fn failed(what: &str) -> impl FnOnce(tokio_postgres::Error) -> PostgresError + use<> {
    PostgresError::database(format!("tables of views: {what}"))
}

fn not_ours(view: &ViewTable) -> PostgresError {
    PostgresError::TableNotOurs {
        table: format!("{}.{}", view.table.schema, view.table.name),
        view: view.view.file.clone(),
    }
}

async fn exists(tx: &Transaction<'_>, path: &str) -> Result<bool, PostgresError> {
    let row = tx
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&path])
        .await
        .map_err(failed("looking"))?;
    Ok(row.get(0))
}

/// Looks at the tables when a sink is opened; by view, whether it is to be filled from the first epoch.
pub(super) async fn install(
    client: &mut Client,
    views: &[ViewTable],
) -> Result<Vec<bool>, PostgresError> {
    let tx = client.transaction().await.map_err(failed("begin"))?;
    tx.batch_execute("LOCK TABLE flightline.view_state IN EXCLUSIVE MODE")
        .await
        .map_err(failed("waiting for other replicas"))?;
    let read = "SELECT schema_name, table_name, fingerprint, state FROM flightline.view_state";
    let rows = tx
        .query(read, &[])
        .await
        .map_err(failed("reading view_state"))?;
    let mut known: BTreeMap<(String, String), (i64, String)> = rows
        .iter()
        .map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3))))
        .collect();
    let mut fresh = Vec::with_capacity(views.len());
    for view in views {
        let (schema, name) = (view.table.schema, view.table.name);
        let fingerprint = view.view.fingerprint as i64;
        let path = view.table.path();
        let exists = exists(&tx, &path).await?;
        let before = known.remove(&(schema.to_owned(), name.to_owned()));
        fresh.push(!exists || before != Some((fingerprint, "live".to_owned())));
        if exists && before.is_none() {
            return Err(not_ours(view));
        }
        if !exists {
            let sql = format!(
                "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; {}",
                view.create(schema)
            );
            tx.batch_execute(&sql)
                .await
                .map_err(failed(&format!("making {path}")))?;
            let state = "filling";
            let view = &view.view.name;
            tx.execute(REMEMBER, &[&schema, &name, view, &fingerprint, &state])
                .await
                .map_err(failed("writing view_state"))?;
        }
    }
    for (schema, name) in known.keys() {
        remove(&tx, schema, name).await?;
    }
    tx.commit().await.map_err(failed("commit"))?;
    Ok(fresh)
}

async fn remove(tx: &Transaction<'_>, schema: &str, name: &str) -> Result<(), PostgresError> {
    let sql = format!("DROP TABLE IF EXISTS \"{schema}\".\"{name}\"");
    tx.batch_execute(&sql).await.map_err(failed(&format!(
        "removing {schema}.{name}, whose view is gone"
    )))?;
    tx.execute(FORGET, &[&schema, &name])
        .await
        .map_err(failed("writing view_state"))?;
    Ok(())
}

/// Removes the table of a view, if it is one that was made for a view.
pub(super) async fn drop_table(
    tx: &Transaction<'_>,
    view: &ViewTable,
) -> Result<(), PostgresError> {
    if is_ours(tx, view).await? {
        remove(tx, view.table.schema, view.table.name).await?;
    }
    Ok(())
}

async fn is_ours(tx: &Transaction<'_>, view: &ViewTable) -> Result<bool, PostgresError> {
    let known =
        "SELECT count(*) FROM flightline.view_state WHERE schema_name = $1 AND table_name = $2";
    let (schema, name) = (view.table.schema, view.table.name);
    let row = tx
        .query_one(known, &[&schema, &name])
        .await
        .map_err(failed("reading view_state"))?;
    Ok(row.get::<_, i64>(0) > 0)
}

/// Makes the table of a view with these rows, in the place of the one that may be there. `false`: there is one that
/// is not ours, and nothing was done.
pub(super) async fn fill(
    tx: &Transaction<'_>,
    view: &ViewTable,
    rows: &Rows,
) -> Result<bool, PostgresError> {
    let (schema, name, path) = (view.table.schema, view.table.name, view.table.path());
    if exists(tx, &path).await? && !is_ours(tx, view).await? {
        return Ok(false);
    }
    make(tx, view, FILLING).await?;
    let copy = format!(
        "COPY {FILLING}.\"{name}\" ({}) FROM STDIN (FORMAT binary)",
        view.table.list(view.table.columns.len(), "")
    );
    copy_rows(tx, view.table, &copy, rows).await?;
    // From here on readers of the one before wait, until the transaction ends.
    let sql = format!(
        "DROP TABLE IF EXISTS {path}; ALTER TABLE {FILLING}.\"{name}\" SET SCHEMA \"{schema}\"; DROP SCHEMA {FILLING}"
    );
    tx.batch_execute(&sql)
        .await
        .map_err(failed(&format!("putting {path} into its place")))?;
    let (of, fingerprint) = (&view.view.name, view.view.fingerprint as i64);
    tx.execute(REMEMBER, &[&schema, &name, of, &fingerprint, &"live"])
        .await
        .map_err(failed("writing view_state"))?;
    Ok(true)
}

/// Makes an empty table apart from where it belongs, in a schema that must not exist.
async fn make(tx: &Transaction<'_>, view: &ViewTable, apart: &str) -> Result<(), PostgresError> {
    let (schema, path) = (view.table.schema, view.table.path());
    let sql = format!(
        "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; CREATE SCHEMA {apart}; {}",
        view.create(apart)
    );
    let making = failed(&format!("making {path}"));
    tx.batch_execute(&sql).await.map_err(making)
}

/// Writes down why a view has stopped. Its table stays as it is.
pub(super) async fn fail(
    tx: &Transaction<'_>,
    view: &ViewTable,
    message: &str,
) -> Result<(), PostgresError> {
    let update = "\
UPDATE flightline.view_state SET state = 'failed', message = $3
WHERE schema_name = $1 AND table_name = $2";
    let (schema, name) = (view.table.schema, view.table.name);
    tx.execute(update, &[&schema, &name, &message])
        .await
        .map_err(failed("writing view_state"))?;
    Ok(())
}

/// Would these tables be made? Makes and forgets them, so that whatever the database has against them is said
/// before anything is done.
///
/// # Errors
/// What it has against them, or that it cannot be asked.
pub async fn rehearse(client: &mut Client, views: &[Arc<View>]) -> Result<(), PostgresError> {
    let views = views.iter().cloned().map(ViewTable::new);
    let tx = client.transaction().await.map_err(failed("begin"))?;
    tx.batch_execute("SET LOCAL client_min_messages = warning")
        .await
        .map_err(failed("begin"))?;
    for view in views {
        if exists(&tx, &view.table.path()).await? && !is_ours(&tx, &view).await? {
            return Err(not_ours(&view));
        }
        make(&tx, &view, REHEARSAL).await?;
        let forget = format!("DROP SCHEMA {REHEARSAL} CASCADE");
        tx.batch_execute(&forget)
            .await
            .map_err(failed("rehearsing"))?;
    }
    tx.rollback().await.map_err(failed("roll back"))
}
