//! Holds the replica's writing of tables up, as a busy or absent PostgreSQL would.

use anyhow::Context;
use tokio_postgres::{Client, NoTls};

use crate::server::Replica;

/// While this is there the replica's tables are not written: the sink waits for a lock that this has.
/// The replica goes on; what it cannot write it keeps.
pub struct Paused {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl std::fmt::Debug for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Paused")
    }
}

impl Paused {
    /// Begins a pause; waits until a transaction at hand is over.
    pub fn new(replica: &Replica) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let config = replica.database()?;
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            client
                .batch_execute("BEGIN; LOCK TABLE flightline.sink_progress IN EXCLUSIVE MODE")
                .await?;
            Ok::<_, tokio_postgres::Error>(client)
        });
        Ok(Self {
            client: client.context("pausing the replica's tables")?,
            runtime,
        })
    }

    /// Ends it.
    pub fn end(self) -> anyhow::Result<()> {
        self.runtime
            .block_on(self.client.batch_execute("ROLLBACK"))
            .context("ending the pause")
    }
}
