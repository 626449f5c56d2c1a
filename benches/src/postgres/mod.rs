//! PostgreSQL as the engine that Flightline is compared with, on a private server of the benchmark's
//! own with the same durability.
//!
//! - [`Rival`]: the server. `pgbench`: PostgreSQL's own load generator, the lightest there is.
//! - [`booking`]: seats in a table. [`search`]: offers in a table.

pub mod booking;
mod pgbench;
pub mod search;

use std::path::Path;

use anyhow::Context;
use flightline_sinks::postgres::{PrivateConfig, PrivatePostgres};
use tokio_postgres::{Client, NoTls};

pub use pgbench::{Pgbench, Run};

/// A private server.
pub struct Rival {
    server: PrivatePostgres,
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl std::fmt::Debug for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rival")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// What differs from the settings that a replica's own server gets: room for many clients, and enough
/// shared memory for all tables of the benchmarks.
const SETTINGS: [&str; 2] = [
    "ALTER SYSTEM SET max_connections = 150",
    "ALTER SYSTEM SET checkpoint_timeout = '30min'",
];
const SHARED_BUFFERS_MIB: u32 = 1024;

impl Rival {
    /// Starts a server in a folder.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut config = PrivateConfig::new(folder);
        config.shared_buffers_mib = SHARED_BUFFERS_MIB;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let server = PrivatePostgres::start(&config)?;
        let client = runtime.block_on(connect(&server))?;
        for setting in SETTINGS {
            runtime.block_on(client.batch_execute(setting))?;
        }
        drop(client);
        // These take a new start.
        server.stop();
        let server = PrivatePostgres::start(&config)?;
        let client = runtime.block_on(connect(&server))?;
        Ok(Self {
            server,
            runtime,
            client,
        })
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) -> anyhow::Result<()> {
        self.runtime
            .block_on(self.client.batch_execute(sql))
            .with_context(|| sql.to_owned())
    }

    /// Does something with a connection.
    pub(crate) fn block_on<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> anyhow::Result<T> {
        Ok(self.runtime.block_on(work(&self.client))?)
    }

    /// Asks for one number.
    pub fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let row = self.runtime.block_on(self.client.query_one(sql, &[]));
        Ok(row.with_context(|| sql.to_owned())?.get(0))
    }

    /// Its load generator.
    pub fn pgbench(&self) -> anyhow::Result<Pgbench> {
        Pgbench::find(self.server.address().socket_dir())
    }

    /// Whom to connect to.
    pub fn config(&self) -> tokio_postgres::Config {
        self.server.address().config()
    }
}

async fn connect(server: &PrivatePostgres) -> anyhow::Result<Client> {
    let (client, connection) = server.address().config().connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
