//! The connection: a thread that runs it, and calls that wait for their answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};
use zeroize::Zeroizing;

use crate::vault::error::VaultError;

const VERSION: i32 = 1;
/// Any number that nobody else is likely to lock.
const LOCK: i64 = 0x666c_6b65_7973;

/// Durable whatever the server's default is; a stricter default stays. Short patience with locks:
/// there are none to wait for in daily work.
const SESSION: &str = "\
SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') IN ('off', 'local');
SET statement_timeout = '10s';
SET lock_timeout = '5s';
";

const CREATE: &str = "\
CREATE SCHEMA flightline_keys;
REVOKE ALL ON SCHEMA flightline_keys FROM PUBLIC;
COMMENT ON SCHEMA flightline_keys IS 'Keys of personal data in flightline''s stream. Secret: keep it from everyone but flightline.';
CREATE TABLE flightline_keys.key (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        bytea CHECK (octet_length(key) = 32),
    erased_at  timestamptz,
    CHECK (key IS NULL OR erased_at IS NULL)
);
ALTER TABLE flightline_keys.key ALTER COLUMN key SET STORAGE PLAIN;
COMMENT ON TABLE flightline_keys.key IS 'One key per order. Rows are never deleted, so that no number is used again.';
COMMENT ON COLUMN flightline_keys.key.id IS 'Number of the key, as the sealed data names it.';
COMMENT ON COLUMN flightline_keys.key.key IS 'The key, 32 bytes; null = erased.';
COMMENT ON COLUMN flightline_keys.key.erased_at IS 'When it was erased.';
CREATE TABLE flightline_keys.schema_version (version integer PRIMARY KEY);
COMMENT ON TABLE flightline_keys.schema_version IS 'Version of these tables.';
COMMENT ON COLUMN flightline_keys.schema_version.version IS 'The version.';
INSERT INTO flightline_keys.schema_version VALUES (1);
";

pub(super) struct Link {
    config: Config,
    call_timeout: Duration,
    /// One thread drives all I/O. `None` only while it is dropped.
    runtime: Option<Runtime>,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Link {
    pub(super) fn start(config: Config, call_timeout: Duration) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("key database")
            .enable_all()
            .build()?;
        Ok(Self {
            config,
            call_timeout,
            runtime: Some(runtime),
            client: Arc::default(),
        })
    }

    /// Connects now, to find faults early.
    pub(super) fn connect(&self) -> Result<(), VaultError> {
        self.call("connecting", |_| async { Ok(()) })
    }

    pub(super) fn query(
        &self,
        doing: &'static str,
        sql: &'static str,
        id: i64,
    ) -> Result<Vec<Row>, VaultError> {
        self.call(doing, move |client| async move {
            let statement = client.prepare(sql).await?;
            client.query(&statement, &[&id]).await
        })
    }

    pub(super) fn execute(
        &self,
        doing: &'static str,
        sql: &'static str,
        id: i64,
    ) -> Result<u64, VaultError> {
        self.call(doing, move |client| async move {
            let statement = client.prepare(sql).await?;
            client.execute(&statement, &[&id]).await
        })
    }

    pub(super) fn insert(
        &self,
        doing: &'static str,
        sql: &'static str,
        keys: Vec<Vec<u8>>,
    ) -> Result<Vec<Row>, VaultError> {
        let keys: Vec<Zeroizing<Vec<u8>>> = keys.into_iter().map(Zeroizing::new).collect();
        self.call(doing, move |client| async move {
            let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_slice()).collect();
            let parameters: [&(dyn ToSql + Sync); 1] = [&keys];
            client.query(sql, &parameters).await
        })
    }

    /// Runs one call on the thread and waits. Safe from any thread, those of other runtimes too.
    fn call<T, F, W>(&self, doing: &'static str, work: W) -> Result<T, VaultError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send,
        W: FnOnce(Arc<Client>) -> F + Send + 'static,
    {
        let Some(runtime) = &self.runtime else {
            return Err(VaultError::Stopped);
        };
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let (config, shared) = (self.config.clone(), Arc::clone(&self.client));
        let timeout = self.call_timeout;
        runtime.spawn(async move {
            let work = async {
                let client = connected(&config, &shared).await?;
                work(client).await.map_err(|error| database(doing, &error))
            };
            let done = tokio::time::timeout(timeout, work).await;
            let done = done.unwrap_or_else(|_| {
                let reason = format!("no answer in {} s", timeout.as_secs());
                Err(VaultError::Database { doing, reason })
            });
            if done.is_err() {
                // A connection that swallows calls is of no use either.
                *shared.lock().await = None;
            }
            // Whoever asked waits.
            let _ = tell.send(done);
        });
        told.recv().unwrap_or(Err(VaultError::Stopped))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropping it here would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

async fn connected(
    config: &Config,
    shared: &Mutex<Option<Arc<Client>>>,
) -> Result<Arc<Client>, VaultError> {
    let mut shared = shared.lock().await;
    if let Some(client) = shared.as_ref().filter(|client| !client.is_closed()) {
        return Ok(Arc::clone(client));
    }
    let failed = |error| database("connecting", &error);
    let (mut client, connection) = config.connect(NoTls).await.map_err(failed)?;
    // Ends with the client, or with the connection.
    Handle::current().spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the key database ended");
        }
    });
    let failed = |error| database("setting the session up", &error);
    client.batch_execute(SESSION).await.map_err(failed)?;
    prepare_schema(&mut client).await?;
    let client = Arc::new(client);
    *shared = Some(Arc::clone(&client));
    Ok(client)
}

async fn prepare_schema(client: &mut Client) -> Result<(), VaultError> {
    let failed = |error| database("preparing schema flightline_keys", &error);
    let tx = client.transaction().await.map_err(failed)?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(failed)?;
    let there = "SELECT to_regclass('flightline_keys.schema_version') IS NOT NULL";
    let there = tx.query_one(there, &[]).await.map_err(failed)?;
    if !there.try_get::<_, bool>(0).map_err(failed)? {
        tx.batch_execute(CREATE).await.map_err(failed)?;
    }
    let version = "SELECT max(version) FROM flightline_keys.schema_version";
    let row = tx.query_one(version, &[]).await.map_err(failed)?;
    let found: Option<i32> = row.try_get(0).map_err(failed)?;
    match found {
        Some(found) if found > VERSION => Err(VaultError::NewerSchema {
            found,
            known: VERSION,
        }),
        _ => tx.commit().await.map_err(failed),
    }
}

/// The server's message with its code, which `Display` leaves out. Never the parameters: they are
/// keys.
fn database(doing: &'static str, error: &tokio_postgres::Error) -> VaultError {
    let mut reason = match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => error.to_string(),
    };
    if error.as_db_error().is_none() {
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason.push_str(&format!(": {cause}"));
            source = cause.source();
        }
    }
    VaultError::Database { doing, reason }
}
