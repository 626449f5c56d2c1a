//! Where a test keeps its store: a folder, or a database.

use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::webhooks::{
    Clock, ManualClock, PostgresStore, PostgresStoreConfig, Store, WebhookStore,
};

use super::server::Server;
use super::support::config;

pub(crate) enum Home {
    Folder(tempfile::TempDir),
    Database(Box<tokio_postgres::Config>),
}

/// What a test may set.
pub(crate) struct Rules {
    pub(crate) allow_private: bool,
    pub(crate) log_entries_max: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            allow_private: true,
            log_entries_max: 1_000,
        }
    }
}

impl Home {
    pub(crate) fn folder() -> Self {
        Home::Folder(tempfile::tempdir().unwrap())
    }

    /// A database of its own.
    pub(crate) async fn database(server: &Server, purpose: &str) -> Self {
        let mut connect = server.postgres.as_ref().unwrap().address().config();
        let (client, connection) = connect.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let name: String = purpose.chars().take(60).collect();
        let create = format!("CREATE DATABASE {name}");
        client.batch_execute(&create).await.unwrap();
        connect.dbname(name);
        Home::Database(Box::new(connect))
    }

    pub(crate) fn open(&self, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
        self.open_with(clock, Rules::default())
    }

    pub(crate) fn open_with(&self, clock: &Arc<ManualClock>, rules: Rules) -> Arc<dyn Store> {
        match self {
            Home::Folder(dir) => {
                let clock = Arc::clone(clock) as Arc<dyn Clock>;
                let mut config = config(dir.path());
                config.allow_private = rules.allow_private;
                config.log_entries_max = rules.log_entries_max;
                Arc::new(WebhookStore::open(config, clock).unwrap())
            }
            Home::Database(_) => {
                let store = self.replica(clock, rules);
                store.set_leading(true);
                store
            }
        }
    }

    /// The store of one replica among several.
    pub(crate) fn replica(&self, clock: &Arc<ManualClock>, rules: Rules) -> Arc<PostgresStore> {
        let Home::Database(connect) = self else {
            panic!("a folder is one process's");
        };
        let mut config = PostgresStoreConfig::new((**connect).clone());
        config.allow_private = rules.allow_private;
        config.log_entries_max = rules.log_entries_max;
        config.endpoints_per_client_max = 5;
        config.look_every = Duration::from_millis(20);
        config.call_timeout = Duration::from_secs(60);
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        // It makes its connection on a thread that may wait.
        let opened = std::thread::spawn(move || PostgresStore::open(config, clock));
        Arc::new(opened.join().unwrap().unwrap())
    }
}
