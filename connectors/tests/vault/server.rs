//! A private PostgreSQL for a test.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use flightline_connectors::vault::PostgresKeyStoreConfig;
use flightline_sinks::postgres::{PrivateConfig, PrivatePostgres};

pub(crate) struct Server {
    // The order matters: the server ends before its folder goes.
    pub(crate) postgres: Option<PrivatePostgres>,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) fn start() -> Server {
    let dir = tempfile::tempdir().unwrap();
    // The server's account must reach it when the test runs as root.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let mut server = Server {
        postgres: None,
        dir,
    };
    server.run();
    server
}

impl Server {
    pub(crate) fn run(&mut self) {
        let mut config = PrivateConfig::new(self.dir.path());
        config.shared_buffers_mib = 32;
        self.postgres = Some(PrivatePostgres::start(&config).unwrap());
    }

    pub(crate) fn stop(&mut self) {
        self.postgres = None;
    }
}

pub(crate) fn config(server: &Server) -> PostgresKeyStoreConfig {
    let address = server.postgres.as_ref().unwrap().address();
    let mut config = PostgresKeyStoreConfig::new(address.config());
    config.block_keys = 20;
    config.call_timeout = Duration::from_secs(60);
    config
}
