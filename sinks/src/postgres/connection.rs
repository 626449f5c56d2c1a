//! One connection to the database, made ready for writing batches.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use flightline_failpoints::{Point, reach};
use futures_util::{SinkExt, pin_mut};
use parking_lot::Mutex;
use tokio_postgres::{Client, NoTls, Statement, ToStatement, Transaction};

use super::PostgresError;
use super::batch::{Rows, Sealed, TableWrite};
use super::copy::{HEADER, TRAILER};
use super::fence::check_progress;
use super::tables::{self, Table, ViewTable};
use super::view_batch::ViewStep;
use super::{lock, migrate, view_tables};

/// Whom to connect to, and what must be there.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) config: tokio_postgres::Config,
    pub(super) partitions: usize,
    pub(super) stream_id: Option<Arc<str>>,
    pub(super) session_lock: bool,
    /// Every view that the sink was ever given, and its table, by its place.
    pub(super) views: Arc<Mutex<Vec<ViewTable>>>,
    /// Places of views whose tables cannot be made, since there are others of that name.
    pub(super) refused: Arc<Mutex<BTreeSet<usize>>>,
}

impl Target {
    fn view(&self, place: usize) -> ViewTable {
        self.views.lock()[place].clone()
    }
}

/// A connection and the statements prepared on it.
pub(super) struct Connection {
    client: Client,
    target: Target,
    /// By the place of the table.
    statements: HashMap<usize, Statements>,
    progress: (Statement, Statement),
}

/// Statements for one table. The staging ones are absent for tables that are only appended to.
struct Statements {
    table: &'static Table,
    insert: Statement,
    stage: Option<Staging>,
}

struct Staging {
    copy: Statement,
    update: Statement,
    delete: Statement,
}

/// The staging tables are joined by key with tables of any size. Of a temporary table the planner
/// knows nothing, and it keeps a plan that was made when the tables were empty: leave it only one,
/// a look-up per staged row.
const SESSION: &str = "\
SET temp_buffers = '32MB';
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_material = off;
SET jit = off;
SET client_min_messages = warning;
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET default_transaction_isolation = 'read committed';
";

impl Connection {
    /// Connects, brings the schema up to date, and reads how far the tables are.
    /// `first`: make the tables of views too, and say which are new.
    pub(super) async fn open(
        target: &Target,
        first: bool,
    ) -> Result<(Self, Vec<u64>, Vec<bool>), PostgresError> {
        let failed = PostgresError::database("connecting");
        let (mut client, connection) = target.config.connect(NoTls).await.map_err(failed)?;
        // Ends with the client, or with the connection.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = super::error::explain(&error), "connection ended");
            }
        });
        migrate::run(&mut client).await?;
        let failed = PostgresError::database("setting the session up");
        client.batch_execute(SESSION).await.map_err(failed)?;
        if target.session_lock {
            lock::take(&client).await?;
        }
        check_stream(&client, target.stream_id.as_deref()).await?;
        let progress = begin_progress(&client, target.partitions).await?;
        let fresh = match first {
            true => {
                let views = target.views.lock().clone();
                view_tables::install(&mut client, &views).await?
            }
            false => Vec::new(),
        };
        for table in tables::ALL.into_iter().filter(|table| has_changes(table)) {
            make_stage(&client, table, &stage_of(table)).await?;
        }
        let failed = || PostgresError::database("preparing statements for sink_progress");
        let read = client.prepare(READ_PROGRESS).await.map_err(failed())?;
        let write = client.prepare(WRITE_PROGRESS).await.map_err(failed())?;
        let connection = Self {
            client,
            target: target.clone(),
            statements: HashMap::new(),
            progress: (read, write),
        };
        Ok((connection, progress, fresh))
    }

    /// Says something, so that nobody takes this session for a dead one.
    pub(super) async fn say(&self) -> Result<(), PostgresError> {
        let failed = PostgresError::database("holding the lock of the tables");
        self.client.simple_query("").await.map_err(failed)?;
        Ok(())
    }

    /// Writes a batch and its progress in one transaction. When this fails the connection is not to
    /// be used again, and whether the transaction was committed is to be read from `sink_progress`.
    pub(super) async fn write(&mut self, batch: &Sealed) -> Result<(), PostgresError> {
        let refused = self.target.refused.lock().clone();
        let is_refused = |view: usize| refused.contains(&view);
        let writes = batch.tables.iter().filter(|write| {
            let view = write.table.checked_sub(tables::ALL.len());
            !view.is_some_and(is_refused)
        });
        for write in writes.clone() {
            if !self.statements.contains_key(&write.table) {
                let prepared = self.prepare(write.table).await?;
                self.statements.insert(write.table, prepared);
            }
        }
        let failed = || PostgresError::database("writing a batch");
        reach(Point::TablesBegin)?;
        let tx = self.client.transaction().await.map_err(failed())?;
        // Readers are not held up by this; another writer waits here, and then finds that it is not
        // where it believes to be.
        tx.batch_execute("LOCK TABLE flightline.sink_progress IN EXCLUSIVE MODE")
            .await
            .map_err(failed())?;
        let stored = tx.query(&self.progress.0, &[]).await.map_err(failed())?;
        check_progress(&vector(&stored, batch.from.len())?, &batch.from)?;
        for write in writes {
            let Some(statements) = self.statements.get(&write.table) else {
                continue;
            };
            write_table(&tx, write, statements).await?;
        }
        let mut newly_refused = Vec::new();
        for step in &batch.views {
            match step {
                ViewStep::Drop { view } if !is_refused(*view) => {
                    view_tables::drop_table(&tx, &self.target.view(*view)).await?;
                }
                ViewStep::Fill { view, rows } => {
                    let table = self.target.view(*view);
                    if !view_tables::fill(&tx, &table, rows).await? {
                        newly_refused.push((*view, table));
                    }
                }
                ViewStep::Fail { view, message } if !is_refused(*view) => {
                    view_tables::fail(&tx, &self.target.view(*view), message).await?;
                }
                _ => {}
            }
        }
        reach(Point::TablesRows)?;
        let moved = batch.from.iter().zip(&batch.to).zip(0_i32..);
        let moved = moved.filter(|((from, to), _)| from != to);
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = moved
            .map(|((_, to), partition)| (partition, *to as i64))
            .unzip();
        let updated = tx
            .execute(&self.progress.1, &[&partitions, &offsets])
            .await
            .map_err(failed())?;
        altered("sink_progress", "changed", partitions.len() as u64, updated)?;
        reach(Point::TablesCommit)?;
        tx.commit()
            .await
            .map_err(PostgresError::database("commit"))?;
        reach(Point::TablesCommitted)?;
        for (view, table) in newly_refused {
            tracing::error!(
                view = table.view.name,
                table = table.table.path(),
                "the table exists and is not a view's: it is left alone, and the view is not written; \
                 name another one under sink.postgres.table"
            );
            self.target.refused.lock().insert(view);
        }
        Ok(())
    }

    /// Statements for the table at a place. What changes tables of views needs comes with the first change.
    async fn prepare(&self, place: usize) -> Result<Statements, PostgresError> {
        let client = &self.client;
        let Some(view) = place.checked_sub(tables::ALL.len()) else {
            let table = tables::ALL[place];
            return prepare(client, table, &stage_of(table)).await;
        };
        let table = self.target.view(view).table;
        // Two views may have had a table of the same name, with other columns.
        let stage = format!("pg_temp.\"stage_view_{view}\"");
        make_stage(client, table, &stage).await?;
        prepare(client, table, &stage).await
    }
}

/// Its mark of rows that go has a name that no column of a view can have.
async fn make_stage(client: &Client, table: &Table, stage: &str) -> Result<(), PostgresError> {
    let sql = format!(
        "CREATE TEMPORARY TABLE {stage} ON COMMIT DELETE ROWS AS SELECT false AS \"gone?\", {} FROM {} WITH NO DATA",
        table.list(table.columns.len(), ""),
        table.path(),
    );
    let failed = PostgresError::database(format!("staging table for {}", table.name));
    client.batch_execute(&sql).await.map_err(failed)
}

const READ_PROGRESS: &str =
    "SELECT partition, next_offset FROM flightline.sink_progress ORDER BY partition";
const WRITE_PROGRESS: &str = "\
UPDATE flightline.sink_progress AS t SET next_offset = s.next_offset
FROM unnest($1::integer[], $2::bigint[]) AS s (partition, next_offset)
WHERE t.partition = s.partition";

/// Tables whose rows change have a staging table.
fn has_changes(table: &Table) -> bool {
    !std::ptr::eq(table, &tables::DECISION) && !std::ptr::eq(table, &tables::FEED_REJECT)
}

fn stage_of(table: &Table) -> String {
    format!("pg_temp.\"stage_{}\"", table.name)
}

async fn prepare(
    client: &Client,
    table: &'static Table,
    stage: &str,
) -> Result<Statements, PostgresError> {
    let failed = || PostgresError::database(format!("preparing statements for {}", table.name));
    let prepare = |sql: String| async move { client.prepare(&sql).await.map_err(failed()) };
    let columns = table.list(table.columns.len(), "");
    let path = table.path();
    let copy =
        |path: &str, columns: &str| format!("COPY {path} ({columns}) FROM STDIN (FORMAT binary)");
    let insert = prepare(copy(&path, &columns)).await?;
    let staging = if has_changes(table) {
        let keys: Vec<String> = table.columns[..table.key]
            .iter()
            .map(|(name, _)| format!("t.\"{name}\" = s.\"{name}\""))
            .collect();
        let keys = keys.join(" AND ");
        let set: Vec<String> = table.columns[table.key..]
            .iter()
            .filter(|(name, _)| !table.fixed.contains(name))
            .map(|(name, _)| format!("\"{name}\" = s.\"{name}\""))
            .collect();
        // A row that is all key never changes; the statement must be one all the same.
        let set = match &set[..] {
            [] => format!("\"{0}\" = s.\"{0}\"", table.columns[0].0),
            set => set.join(", "),
        };
        Some(Staging {
            copy: prepare(copy(stage, &format!("\"gone?\", {columns}"))).await?,
            update: prepare(format!(
                "UPDATE {path} AS t SET {set} FROM {stage} AS s WHERE {keys} AND NOT s.\"gone?\""
            ))
            .await?,
            delete: prepare(format!(
                "DELETE FROM {path} AS t USING {stage} AS s WHERE {keys} AND s.\"gone?\""
            ))
            .await?,
        })
    } else {
        None
    };
    Ok(Statements {
        table,
        insert,
        stage: staging,
    })
}

async fn write_table(
    tx: &Transaction<'_>,
    write: &TableWrite,
    statements: &Statements,
) -> Result<(), PostgresError> {
    let table = statements.table;
    let failed = || PostgresError::database(format!("writing {}", table.path()));
    if let Some(stage) = statements.stage.as_ref().filter(|_| write.staged.count > 0) {
        copy_rows(tx, table, &stage.copy, &write.staged).await?;
        // What goes makes room before what comes: a key may do both in the course of a batch only
        // as a change, but the order costs nothing.
        if write.deletes > 0 {
            let removed = tx.execute(&stage.delete, &[]).await.map_err(failed())?;
            altered(&table.path(), "removed", write.deletes, removed)?;
        }
        if write.updates > 0 {
            let changed = tx.execute(&stage.update, &[]).await.map_err(failed())?;
            altered(&table.path(), "changed", write.updates, changed)?;
        }
    }
    if write.inserts.count > 0 {
        copy_rows(tx, table, &statements.insert, &write.inserts).await?;
    }
    Ok(())
}

pub(super) async fn copy_rows<S: ToStatement + ?Sized>(
    tx: &Transaction<'_>,
    table: &Table,
    statement: &S,
    rows: &Rows,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::database(format!("copying rows of {}", table.path()));
    let sink = tx.copy_in::<_, Bytes>(statement).await.map_err(failed())?;
    pin_mut!(sink);
    sink.feed(Bytes::from_static(HEADER))
        .await
        .map_err(failed())?;
    for piece in &rows.pieces {
        sink.feed(piece.clone()).await.map_err(failed())?;
    }
    sink.feed(Bytes::from_static(TRAILER))
        .await
        .map_err(failed())?;
    let copied = sink.finish().await.map_err(failed())?;
    assert_eq!(copied, rows.count, "{}: rows were miscounted", table.path());
    Ok(())
}

fn altered(
    table: &str,
    what: &'static str,
    expected: u64,
    found: u64,
) -> Result<(), PostgresError> {
    if expected == found {
        return Ok(());
    }
    Err(PostgresError::Altered {
        table: table.to_owned(),
        what,
        expected,
        found,
    })
}

/// The stored vector; it must have exactly the partitions of the stream.
fn vector(rows: &[tokio_postgres::Row], partitions: usize) -> Result<Vec<u64>, PostgresError> {
    let in_order = rows
        .iter()
        .enumerate()
        .all(|(at, row)| row.get::<_, i32>(0) == at as i32);
    if rows.len() != partitions || !in_order {
        return Err(PostgresError::OtherPartitions {
            found: rows.len(),
            expected: partitions,
        });
    }
    Ok(rows
        .iter()
        .map(|row| row.get::<_, i64>(1).max(0) as u64)
        .collect())
}

/// Reads the vector of an existing schema, for tools. `None` when there is none.
pub(super) async fn read_progress(client: &Client) -> Result<Option<Vec<u64>>, PostgresError> {
    let failed = || PostgresError::database("reading sink_progress");
    let there = "SELECT to_regclass('flightline.sink_progress') IS NOT NULL";
    let there = client.query_one(there, &[]).await.map_err(failed())?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let rows = client.query(READ_PROGRESS, &[]).await.map_err(failed())?;
    if rows.is_empty() {
        return Ok(None);
    }
    vector(&rows, rows.len()).map(Some)
}

/// Reads the vector; an empty table gets one of zeros first.
async fn begin_progress(client: &Client, partitions: usize) -> Result<Vec<u64>, PostgresError> {
    let failed = || PostgresError::database("reading sink_progress");
    let rows = client.query(READ_PROGRESS, &[]).await.map_err(failed())?;
    if !rows.is_empty() {
        return vector(&rows, partitions);
    }
    let insert = "\
INSERT INTO flightline.sink_progress (partition, next_offset)
SELECT partition, 0 FROM generate_series(0, $1::integer - 1) AS partition
ON CONFLICT DO NOTHING";
    let count = partitions as i32;
    client.execute(insert, &[&count]).await.map_err(failed())?;
    let rows = client.query(READ_PROGRESS, &[]).await.map_err(failed())?;
    vector(&rows, partitions)
}

/// Remembers the stream, and refuses another.
async fn check_stream(client: &Client, stream_id: Option<&str>) -> Result<(), PostgresError> {
    let Some(expected) = stream_id else {
        return Ok(());
    };
    let failed = || PostgresError::database("reading stream_identity");
    let insert =
        "INSERT INTO flightline.stream_identity (identity) VALUES ($1) ON CONFLICT DO NOTHING";
    client
        .execute(insert, &[&expected])
        .await
        .map_err(failed())?;
    let read = "SELECT identity FROM flightline.stream_identity";
    let row = client.query_one(read, &[]).await.map_err(failed())?;
    let found: String = row.get(0);
    if found == expected {
        return Ok(());
    }
    Err(PostgresError::OtherStream {
        found,
        expected: expected.to_owned(),
    })
}
