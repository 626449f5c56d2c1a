//! One connection to the database, made ready for writing batches.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, pin_mut};
use tokio_postgres::{Client, NoTls, Statement, Transaction};

use super::PostgresError;
use super::batch::{Rows, Sealed, TableWrite};
use super::copy::{HEADER, TRAILER};
use super::tables::{self, Table, ViewTable};
use super::{lock, migrate, view_tables};

/// Whom to connect to, and what must be there.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) config: tokio_postgres::Config,
    pub(super) partitions: usize,
    pub(super) stream_id: Option<Arc<str>>,
    pub(super) session_lock: bool,
    /// Views in files and their tables.
    pub(super) views: Arc<[ViewTable]>,
}

impl Target {
    /// Every table, those of views at the end.
    fn tables(&self) -> impl Iterator<Item = &'static Table> {
        let views = self.views.iter().map(|view| view.table);
        tables::ALL.into_iter().chain(views)
    }
}

/// A connection and the statements prepared on it.
pub(super) struct Connection {
    client: Client,
    tables: Vec<&'static Table>,
    statements: Vec<Option<Statements>>,
    progress: (Statement, Statement),
}

/// Statements for one table. The staging ones are absent for tables that are only appended to.
struct Statements {
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
            true => view_tables::install(&mut client, &target.views).await?,
            false => Vec::new(),
        };
        let all: Vec<&'static Table> = target.tables().collect();
        for table in all.iter().filter(|table| has_changes(table)) {
            let sql = format!(
                "CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT false AS gone, {} FROM {} WITH NO DATA",
                stage_of(table),
                table.list(table.columns.len(), ""),
                table.path(),
            );
            let failed = PostgresError::database(format!("staging table for {}", table.name));
            client.batch_execute(&sql).await.map_err(failed)?;
        }
        let failed = || PostgresError::database("preparing statements for sink_progress");
        let read = client.prepare(READ_PROGRESS).await.map_err(failed())?;
        let write = client.prepare(WRITE_PROGRESS).await.map_err(failed())?;
        let connection = Self {
            client,
            statements: all.iter().map(|_| None).collect(),
            tables: all,
            progress: (read, write),
        };
        Ok((connection, progress, fresh))
    }

    /// Have all tables of views their rows?
    pub(super) async fn views_are_filled(&self) -> Result<bool, PostgresError> {
        let sql = "SELECT count(*) FROM flightline.view_state WHERE state = 'filling'";
        let failed = PostgresError::database("reading view_state");
        let row = self.client.query_one(sql, &[]).await.map_err(failed)?;
        Ok(row.get::<_, i64>(0) == 0)
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
        for write in &batch.tables {
            if self.statements[write.table].is_none() {
                let table = self.tables[write.table];
                self.statements[write.table] = Some(prepare(&self.client, table).await?);
            }
        }
        let failed = || PostgresError::database("writing a batch");
        let tx = self.client.transaction().await.map_err(failed())?;
        // Readers are not held up by this; another writer waits here, and then finds that it is not
        // where it believes to be.
        tx.batch_execute("LOCK TABLE flightline.sink_progress IN EXCLUSIVE MODE")
            .await
            .map_err(failed())?;
        let stored = tx.query(&self.progress.0, &[]).await.map_err(failed())?;
        check_progress(&vector(&stored, batch.from.len())?, &batch.from)?;
        for write in &batch.tables {
            let Some(statements) = &self.statements[write.table] else {
                continue;
            };
            write_table(&tx, self.tables[write.table], write, statements).await?;
        }
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
        tx.commit().await.map_err(PostgresError::database("commit"))
    }
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
    // Two schemas may have tables of one name.
    let of = match table.schema {
        "flightline" | "views" => String::new(),
        other => format!("{other}_"),
    };
    format!("pg_temp.\"stage_{of}{}\"", table.name)
}

async fn prepare(client: &Client, table: &Table) -> Result<Statements, PostgresError> {
    let failed = || PostgresError::database(format!("preparing statements for {}", table.name));
    let prepare = |sql: String| async move { client.prepare(&sql).await.map_err(failed()) };
    let columns = table.list(table.columns.len(), "");
    let path = table.path();
    let copy =
        |path: &str, columns: &str| format!("COPY {path} ({columns}) FROM STDIN (FORMAT binary)");
    let insert = prepare(copy(&path, &columns)).await?;
    let stage = if has_changes(table) {
        let stage = stage_of(table);
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
            copy: prepare(copy(&stage, &format!("gone, {columns}"))).await?,
            update: prepare(format!(
                "UPDATE {path} AS t SET {set} FROM {stage} AS s WHERE {keys} AND NOT s.gone"
            ))
            .await?,
            delete: prepare(format!(
                "DELETE FROM {path} AS t USING {stage} AS s WHERE {keys} AND s.gone"
            ))
            .await?,
        })
    } else {
        None
    };
    Ok(Statements { insert, stage })
}

async fn write_table(
    tx: &Transaction<'_>,
    table: &Table,
    write: &TableWrite,
    statements: &Statements,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::database(format!("writing {}", table.path()));
    if let Some(stage) = statements.stage.as_ref().filter(|_| write.staged.count > 0) {
        copy(tx, table, &stage.copy, &write.staged).await?;
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
        copy(tx, table, &statements.insert, &write.inserts).await?;
    }
    Ok(())
}

async fn copy(
    tx: &Transaction<'_>,
    table: &Table,
    statement: &Statement,
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

fn check_progress(stored: &[u64], believed: &[u64]) -> Result<(), PostgresError> {
    let differs = stored.iter().zip(believed).position(|(a, b)| a != b);
    match differs {
        None => Ok(()),
        Some(at) => Err(PostgresError::Fenced {
            partition: at as u32,
            found: stored[at],
            believed: believed[at],
        }),
    }
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
