//! Making the tables of views in files: once, when the sink is opened.
//!
//! A table is made when its view is new or means something else than before, and then filled from the
//! first epoch. A table of the same name that is not ours is left alone, and refused. Tables whose views are
//! gone are removed. Everything is done in one transaction, or nothing.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::PostgresError;
use super::tables::ViewTable;

/// Makes the tables; by view, whether its table is new and empty.
pub(super) async fn install(
    client: &mut Client,
    views: &[ViewTable],
) -> Result<Vec<bool>, PostgresError> {
    let failed = |what: &str| PostgresError::database(format!("tables of views: {what}"));
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
        let exists = "SELECT to_regclass($1) IS NOT NULL";
        let exists = tx
            .query_one(exists, &[&path])
            .await
            .map_err(failed("looking"))?;
        let exists: bool = exists.get(0);
        let before = known.remove(&(schema.to_owned(), name.to_owned()));
        if exists && before == Some((fingerprint, "live".to_owned())) {
            fresh.push(false);
            continue;
        }
        if exists && before.is_none() {
            return Err(PostgresError::TableNotOurs {
                table: format!("{schema}.{name}"),
                view: view.view.file.clone(),
            });
        }
        let sql = format!(
            "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; DROP TABLE IF EXISTS {path}; {}",
            view.create()
        );
        tx.batch_execute(&sql)
            .await
            .map_err(failed(&format!("making {path}")))?;
        let upsert = "\
INSERT INTO flightline.view_state (schema_name, table_name, view, fingerprint, state)
VALUES ($1, $2, $3, $4, 'filling')
ON CONFLICT (schema_name, table_name)
DO UPDATE SET view = $3, fingerprint = $4, state = 'filling', message = NULL";
        tx.execute(upsert, &[&schema, &name, &view.view.name, &fingerprint])
            .await
            .map_err(failed("writing view_state"))?;
        fresh.push(true);
    }
    for (schema, name) in known.keys() {
        let sql = format!("DROP TABLE IF EXISTS \"{schema}\".\"{name}\"");
        tx.batch_execute(&sql).await.map_err(failed(&format!(
            "removing {schema}.{name}, whose view is gone"
        )))?;
        let delete = "DELETE FROM flightline.view_state WHERE schema_name = $1 AND table_name = $2";
        tx.execute(delete, &[schema, name])
            .await
            .map_err(failed("writing view_state"))?;
    }
    tx.commit().await.map_err(failed("commit"))?;
    Ok(fresh)
}
