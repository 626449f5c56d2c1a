//! The PostgreSQL of a replica: its own, or one that is given; the sink that writes it; and a
//! connection for those who compare and summarise.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flightline_dataflows::sql::View;
use flightline_sinks::postgres::{
    OnCommit, PostgresConfig, PostgresError, PostgresHandle, PostgresSink, PrivateAddress,
    PrivateConfig, PrivatePostgres,
};
use parking_lot::{Mutex, RwLock};
use tokio_postgres::{Client, NoTls};

use crate::config::ReplicaConfig;

/// How long a shutdown waits for PostgreSQL to take what is left.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A database and, for a running replica, the sink that writes it.
pub struct Database {
    connect: tokio_postgres::Config,
    url: String,
    private: Mutex<Option<PrivatePostgres>>,
    sink: RwLock<Option<PostgresHandle>>,
    /// Why this replica does not write the tables although none does.
    trouble: Mutex<Option<String>>,
}

/// What a start of a replica's database gives.
pub(crate) struct Opened {
    /// Absent = another replica writes the tables.
    pub(crate) sink: Option<PostgresSink>,
    /// How to open the sink again.
    pub(crate) postgres: PostgresConfig,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// How far the private server steps back behind the replica, whose answers do not wait for it: tables that
/// are late by a little more are no loss, and under a load that it can bear it gets all that it wants.
const PRIVATE_NICE: u8 = 5;

/// Starts the private server of a data directory.
async fn start_private(data_dir: &Path) -> anyhow::Result<PrivatePostgres> {
    let mut config = PrivateConfig::new(data_dir);
    config.nice = PRIVATE_NICE;
    let started = tokio::task::spawn_blocking(move || PrivatePostgres::start(&config));
    Ok(started
        .await
        .context("starting PostgreSQL was broken off")??)
}

pub(crate) fn parse(url: &str) -> anyhow::Result<tokio_postgres::Config> {
    // The URL may hold a password: it is not repeated in the message.
    tokio_postgres::Config::from_str(url).context(
        "database.url is not a PostgreSQL URL such as postgres://user:password@host/database",
    )
}

impl Database {
    /// Finds or starts the database of a replica and opens the sink. Tables that were filled from
    /// another stream than `stream_id` are refused. `is_away`: the database that several replicas share is not
    /// there; whoever of them finds it back first takes the tables over.
    pub(crate) async fn start(
        config: &ReplicaConfig,
        views: &[Arc<View>],
        partitions: u32,
        stream_id: &str,
        on_commit: Option<OnCommit>,
        is_away: bool,
    ) -> anyhow::Result<(Self, Opened)> {
        anyhow::ensure!(
            config.database_url.is_some() || !config.stream.is_shared(),
            crate::replica::NEEDS_DATABASE
        );
        let (connect, url, private) = match &config.database_url {
            Some(url) => (parse(url)?, url.clone(), None),
            None => {
                let private = start_private(&config.data_dir).await?;
                let address = private.address().clone();
                (address.config(), address.url(), Some(private))
            }
        };
        let spool = config.data_dir.join("postgres-spool");
        let mut sink_config = PostgresConfig::new(connect.clone(), partitions, spool);
        sink_config.stream_id = Some(stream_id.into());
        sink_config.on_commit = on_commit;
        sink_config.views = views.to_vec();
        sink_config.session_lock = config.stream.is_shared();
        let sink = match is_away {
            true => None,
            false => match PostgresSink::open(sink_config.clone()).await {
                Ok(sink) => Some(sink),
                Err(PostgresError::HeldByAnother) => None,
                Err(error) => return Err(error).context("the tables in PostgreSQL"),
            },
        };
        let trouble = is_away.then(|| "PostgreSQL was away when the replica started".to_owned());
        let database = Self {
            connect,
            url,
            private: Mutex::new(private),
            sink: RwLock::new(sink.as_ref().map(PostgresSink::handle)),
            trouble: Mutex::new(trouble),
        };
        let postgres = sink_config;
        Ok((database, Opened { sink, postgres }))
    }

    /// The database of a replica that does not run: the one at `url`, else the private one of the
    /// data directory, which is started; `None` when there is neither.
    pub async fn of_stopped(data_dir: &Path, url: Option<&str>) -> anyhow::Result<Option<Self>> {
        let (connect, url, private) = match url {
            Some(url) => (parse(url)?, url.to_owned(), None),
            None if PrivateAddress::of(data_dir).is_none() => return Ok(None),
            None => {
                let private = start_private(data_dir).await?;
                let address = private.address().clone();
                (address.config(), address.url(), Some(private))
            }
        };
        Ok(Some(Self {
            connect,
            url,
            private: Mutex::new(private),
            sink: RwLock::new(None),
            trouble: Mutex::default(),
        }))
    }

    /// A connection.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let (client, connection) = self
            .connect
            .connect(NoTls)
            .await
            .context("connecting to PostgreSQL")?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        Ok(client)
    }

    /// A URL that psql takes. It may hold a password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What to type to look into it.
    pub fn psql_command(&self) -> String {
        format!("psql '{}'", self.url)
    }

    /// The sink of a running replica that writes the tables.
    pub fn sink(&self) -> Option<PostgresHandle> {
        self.sink.read().clone()
    }

    /// The replica has another sink from now on, or none.
    pub(crate) fn set_sink(&self, sink: Option<PostgresHandle>) {
        *self.sink.write() = sink;
    }

    /// Says why nobody writes the tables, or that somebody does.
    pub(crate) fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock() = why;
    }

    pub(crate) async fn wait_covered(
        &self,
        until: &[u64],
        timeout: Duration,
    ) -> anyhow::Result<()> {
        let Some(sink) = self.sink() else {
            return Ok(());
        };
        if sink.wait_covered(until, timeout).await {
            return Ok(());
        }
        let status = sink.status();
        let why = status
            .failed
            .map(|e| e.to_string())
            .or(status.trouble)
            .unwrap_or_else(|| format!("{} epochs wait", status.pending_epochs));
        anyhow::bail!("PostgreSQL did not take everything within {timeout:?}: {why}")
    }

    /// Ends the sink when it has written what there is, then the private server.
    pub async fn stop(&self) -> anyhow::Result<()> {
        if let Some(sink) = self.sink()
            && let Err(error) = sink.stop(STOP_TIMEOUT).await
        {
            tracing::warn!(%error, "the tables are behind the stream; the next start brings them up to date");
        }
        let private = self.private.lock().take();
        if let Some(private) = private {
            tokio::task::spawn_blocking(move || private.stop())
                .await
                .context("stopping PostgreSQL")?;
        }
        Ok(())
    }

    /// Fine or not, and how it stands, in words.
    pub(crate) fn state(&self) -> (bool, String) {
        let Some(sink) = self.sink() else {
            return match self.trouble.lock().clone() {
                Some(why) => (false, format!("the tables are not written: {why}")),
                None => (true, "another replica writes the tables".to_owned()),
            };
        };
        let status = sink.status();
        if let Some(failed) = &status.failed {
            return (false, format!("the sink has stopped: {failed}"));
        }
        let lag = format!(
            "{} epochs wait, lag {} ms",
            status.pending_epochs,
            status.lag.as_millis()
        );
        match &status.trouble {
            Some(trouble) => (false, format!("{lag}; {trouble}")),
            None => (status.connected, lag),
        }
    }

    pub(crate) fn metrics(&self) -> Vec<(&'static str, &'static str, i64)> {
        let Some(sink) = self.sink() else {
            return Vec::new();
        };
        let status = sink.status();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        vec![
            (
                "postgres_connected",
                "1 when the sink has a connection",
                i64::from(status.connected),
            ),
            (
                "postgres_failed",
                "1 when the sink has stopped for good",
                i64::from(status.failed.is_some()),
            ),
            (
                "postgres_lag_milliseconds",
                "Age of the oldest epoch that is not committed",
                millis(status.lag),
            ),
            (
                "postgres_pending_epochs",
                "Epochs that are not committed",
                number(status.pending_epochs),
            ),
            (
                "postgres_pending_bytes",
                "Memory that they take",
                number(status.pending_bytes),
            ),
            (
                "postgres_spooled_bytes",
                "Disk that they take",
                number(status.spooled_bytes),
            ),
            (
                "postgres_commits",
                "Transactions since the start",
                number(status.commits),
            ),
            (
                "postgres_rows_written",
                "Rows inserted, changed and removed since the start",
                number(status.rows_written),
            ),
            (
                "postgres_reconnects",
                "Connections made after the first",
                number(status.reconnects),
            ),
            (
                "postgres_last_commit_lag_milliseconds",
                "Age of the oldest epoch of the last transaction when it was committed",
                millis(status.last_commit_lag),
            ),
        ]
    }
}

/// Keeps the sink from writing while tables are compared; it goes on when this is dropped.
pub(crate) struct Paused(Option<PostgresHandle>);

impl Paused {
    pub(crate) fn new(database: &Database) -> Self {
        let sink = database.sink();
        if let Some(sink) = &sink {
            sink.pause();
        }
        Self(sink)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(sink) = &self.0 {
            sink.resume();
        }
    }
}

/// Shared by the replica and whoever verifies it.
pub type SharedDatabase = Arc<Database>;

/// A URL of the private PostgreSQL of a data directory, if there is one. It may not be running.
pub fn private_url(data_dir: &Path) -> Option<String> {
    PrivateAddress::of(data_dir).map(|address| address.url())
}
