//! A private PostgreSQL for a test, and a sink on it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flightline_sinks::postgres::*;
use tokio_postgres::{Client, NoTls};

pub(crate) struct Server {
    pub(crate) postgres: Option<PrivatePostgres>,
    pub(crate) dir: tempfile::TempDir,
}

/// In memory when there is plenty, where a new cluster takes one second and not ten.
fn parent() -> PathBuf {
    let free = Command::new("df")
        .args(["--output=avail", "-k", "/dev/shm"])
        .output();
    let free = free.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let free_kib = free
        .ok()
        .and_then(|text| text.lines().nth(1)?.trim().parse::<u64>().ok());
    if free_kib.is_some_and(|kib| kib > 4 << 20) {
        return "/dev/shm".into();
    }
    std::env::temp_dir()
}

/// A folder that the server's account can reach when the test runs as root.
pub(crate) fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in(parent()).unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    dir
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_in(folder(), 32)
    }

    /// As a replica has it: on disk, with the usual memory.
    pub(crate) fn start_on_disk() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        Self::start_in(dir, 256)
    }

    fn start_in(dir: tempfile::TempDir, shared_buffers_mib: u32) -> Self {
        let mut config = PrivateConfig::new(dir.path());
        config.shared_buffers_mib = shared_buffers_mib;
        let postgres = Some(PrivatePostgres::start(&config).unwrap());
        Self { postgres, dir }
    }

    pub(crate) fn address(&self) -> PrivateAddress {
        PrivateAddress::of(self.dir.path()).unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        client(&self.address()).await
    }

    pub(crate) fn config(&self, partitions: u32, spool: &str) -> PostgresConfig {
        let spool = self.dir.path().join(spool);
        let mut config = PostgresConfig::new(self.address().config(), partitions, spool);
        config.retry_first = Duration::from_millis(20);
        config.retry_last = Duration::from_millis(200);
        config.commit_interval_min = Duration::from_millis(1);
        config
    }

    /// The process that listens.
    pub(crate) fn postmaster(&self) -> u32 {
        postmaster(&self.dir.path().join("postgres/cluster"))
    }
}

pub(crate) fn postmaster(cluster: &Path) -> u32 {
    let text = std::fs::read_to_string(cluster.join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

pub(crate) async fn client(address: &PrivateAddress) -> Client {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        match address.config().connect(NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                return client;
            }
            Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

pub(crate) fn kill9(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// A process that has ended but that nobody has asked after does not count as alive.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}
