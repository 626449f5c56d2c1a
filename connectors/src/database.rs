//! A connection to PostgreSQL for what is not the tables of reports: a schema of its own, one call at a
//! time, from any thread that may wait.
//!
//! A connection that was lost is made again by the next call, and the schema is brought to this
//! release's version then. A call that gets no answer in time fails and its connection is given up, so
//! that nobody waits for a server that is gone.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

/// Short patience with locks.
const SESSION: &str = "\
SET statement_timeout = '10s';
SET lock_timeout = '5s';
";

/// Durable whatever the server's default is; a stricter default stays.
const DURABLE: &str = "\
SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// The last moments before the server's power is cut may be lost, and commits do not wait for its disk.
const RELAXED: &str = "SET synchronous_commit = off";

/// A schema and the steps that lead to its version.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Its name: lower-case letters and `_`. It must not be another's.
    pub name: &'static str,
    /// What makes each version of the one before, in order; the version is the place, from 1. The
    /// first makes the schema too. Steps that were released are never changed.
    pub steps: &'static [&'static str],
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The server, or the way to it.
    #[error("{doing} in PostgreSQL: {reason}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What the server or the library says.
        reason: String,
    },
    /// The server did not answer in time. Whether it did what it was asked is not known.
    #[error("{doing} in PostgreSQL: no answer in {after_ms} ms")]
    Unanswered {
        /// What was being done.
        doing: &'static str,
        /// For how long it was waited.
        after_ms: u128,
    },
    /// No server answers, or one that does not take connections now.
    #[error("PostgreSQL cannot be reached: {0}")]
    Away(String),
    /// The tables are of a newer release.
    #[error(
        "the tables in schema {schema} are of version {found}, and this release knows {known}: start the newer release"
    )]
    Newer {
        /// The schema.
        schema: &'static str,
        /// Its version.
        found: i32,
        /// What this release knows.
        known: i32,
    },
    /// The thread that runs the connection cannot be started.
    #[error("the thread of a connection to PostgreSQL cannot be started: {0}")]
    Thread(String),
}

impl DatabaseError {
    /// Is it a matter of time?
    pub fn is_away(&self) -> bool {
        matches!(self, DatabaseError::Away(_))
    }
}

/// The connection. Calls wait for each other.
pub struct Session {
    connect: Config,
    call_timeout: Duration,
    schema: Schema,
    commits: &'static str,
    client: Mutex<Option<Client>>,
    /// Drives all I/O. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("schema", &self.schema.name)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects, and makes the schema when it is missing. Blocking.
    ///
    /// # Errors
    /// The database cannot be reached, or its tables are of a newer release.
    pub fn open(
        connect: Config,
        schema: Schema,
        call_timeout: Duration,
    ) -> Result<Self, DatabaseError> {
        let session = Self::start(connect, schema, call_timeout, DURABLE)?;
        session.connect()?;
        Ok(session)
    }

    /// As [`Session::open`], but the first call connects.
    ///
    /// # Errors
    /// The thread of the connection cannot be started.
    pub fn later(
        connect: Config,
        schema: Schema,
        call_timeout: Duration,
    ) -> Result<Self, DatabaseError> {
        Self::start(connect, schema, call_timeout, DURABLE)
    }

    /// As [`Session::later`], for what may be lost with the last moments of a server whose power is cut.
    ///
    /// # Errors
    /// The thread of the connection cannot be started.
    pub fn later_relaxed(
        connect: Config,
        schema: Schema,
        call_timeout: Duration,
    ) -> Result<Self, DatabaseError> {
        Self::start(connect, schema, call_timeout, RELAXED)
    }

    fn connect(&self) -> Result<(), DatabaseError> {
        match self.call("connecting", async |_| Ok(())) {
            // Nothing but connecting was done.
            Err(DatabaseError::Unanswered { after_ms, .. }) => {
                Err(DatabaseError::Away(format!("no answer in {after_ms} ms")))
            }
            other => other,
        }
    }

    fn start(
        connect: Config,
        schema: Schema,
        call_timeout: Duration,
        commits: &'static str,
    ) -> Result<Self, DatabaseError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("database")
            .enable_all()
            .build()
            .map_err(|error| DatabaseError::Thread(error.to_string()))?;
        Ok(Self {
            connect,
            call_timeout,
            schema,
            commits,
            client: Mutex::default(),
            runtime: Some(runtime),
        })
    }

    /// Makes one call. Blocking, but safe from any thread, those of asynchronous tasks too.
    ///
    /// # Errors
    /// The database, or no answer in time. Whether what was asked for was done is not known then.
    pub fn call<T: Send>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error> + Send,
    ) -> Result<T, DatabaseError> {
        let Some(runtime) = &self.runtime else {
            unreachable!("it is there until this is dropped");
        };
        // A thread that runs tasks may not wait for another runtime; one of its own may.
        std::thread::scope(|scope| {
            let call = || runtime.block_on(self.within_time(doing, work));
            let thread = std::thread::Builder::new().name("database call".to_owned());
            let called = thread
                .spawn_scoped(scope, call)
                .map_err(|error| DatabaseError::Thread(error.to_string()))?;
            called
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    async fn within_time<T>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DatabaseError> {
        let work = async {
            let mut slot = self.client.lock().await;
            let mut client = match slot.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => self.connected().await?,
            };
            let done = work(&mut client).await;
            // After an error the connection goes, and whatever was begun on it is undone.
            if done.is_ok() {
                *slot = Some(client);
            }
            done.map_err(|error| failed(doing, &error))
        };
        let done = tokio::time::timeout(self.call_timeout, work).await;
        done.unwrap_or_else(|_| {
            Err(DatabaseError::Unanswered {
                doing,
                after_ms: self.call_timeout.as_millis(),
            })
        })
    }

    async fn connected(&self) -> Result<Client, DatabaseError> {
        let connecting = |error| match is_away(&error) {
            true => DatabaseError::Away(reason_of(&error)),
            false => failed("connecting", &error),
        };
        let (mut client, connection) = self.connect.connect(NoTls).await.map_err(connecting)?;
        // Ends with the client, or with the connection.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        for set in [SESSION, self.commits] {
            client.batch_execute(set).await.map_err(connecting)?;
        }
        self.migrate(&mut client).await?;
        Ok(client)
    }

    async fn migrate(&self, client: &mut Client) -> Result<(), DatabaseError> {
        let failed = |error| failed("preparing its tables", &error);
        let Schema { name, steps } = self.schema;
        let tx = client.transaction().await.map_err(failed)?;
        tx.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            &[&name],
        )
        .await
        .map_err(failed)?;
        let version_table = format!("{name}.schema_version");
        let there = "SELECT to_regclass($1) IS NOT NULL";
        let there = tx.query_one(there, &[&version_table]).await;
        let mut found = 0;
        if there.map_err(failed)?.get(0) {
            let version = format!("SELECT coalesce(max(version), 0) FROM {version_table}");
            found = tx.query_one(&version, &[]).await.map_err(failed)?.get(0);
        }
        let known = i32::try_from(steps.len()).unwrap_or(i32::MAX);
        if found > known {
            let schema = name;
            return Err(DatabaseError::Newer {
                schema,
                found,
                known,
            });
        }
        for (version, step) in (1..=known).zip(steps).filter(|(v, _)| *v > found) {
            tx.batch_execute(step).await.map_err(failed)?;
            let note = format!("INSERT INTO {version_table} (version) VALUES ($1)");
            tx.execute(&note, &[&version]).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropping it here would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}

/// The server's message with its code, which `Display` leaves out. Never the parameters: they may be
/// secrets.
fn failed(doing: &'static str, error: &tokio_postgres::Error) -> DatabaseError {
    let reason = reason_of(error);
    DatabaseError::Failed { doing, reason }
}

/// Does nobody answer, or somebody who starts or stops?
fn is_away(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // The way broke, or time ran out. What the configuration lacks, such as a password, does not come by itself.
        None => {
            let cause = std::error::Error::source(error);
            cause.is_none_or(|cause| cause.is::<std::io::Error>())
        }
        Some(code) => [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code),
    }
}

fn reason_of(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => {
            let mut reason = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                reason.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            reason
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn open(port: u16) -> DatabaseError {
        let connect = format!("host=127.0.0.1 port={port} user=flightline");
        let schema = Schema {
            name: "test",
            steps: &[],
        };
        let opened = Session::open(connect.parse().unwrap(), schema, Duration::from_secs(30));
        opened.err().unwrap()
    }

    #[test]
    fn a_server_that_is_away_is_told_from_one_that_wants_what_is_not_configured() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let read = client.read(&mut [0; 1024]).unwrap();
            assert!(read > 0);
            // Asks for a password in clear text.
            client.write_all(b"R\0\0\0\x08\0\0\0\x03").unwrap();
            // And breaks the second connection off.
            drop(listener.accept().unwrap());
        });
        let error = open(port);
        assert!(!error.is_away(), "{error}");
        assert!(error.to_string().contains("password missing"), "{error}");
        let error = open(port);
        assert!(error.is_away(), "{error}");
        server.join().unwrap();
        let error = open(port);
        assert!(error.is_away(), "nobody listens: {error}");
    }
}
