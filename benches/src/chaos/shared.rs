//! What several replicas of a run share: a topic of a cluster, a PostgreSQL, a payment service.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use flightline_sinks::postgres::{PrivateConfig, PrivatePostgres};

use super::plan::{Fault, Plan};

/// Partitions of the topic.
const PARTITIONS: u32 = 16;

/// What the replicas share.
#[derive(Debug)]
pub struct Shared {
    postgres: PrivatePostgres,
    settings: String,
    books: PathBuf,
    faults: Option<PathBuf>,
}

impl Shared {
    /// Starts the database, and names a topic that nobody has. `None`: the plan has no cluster.
    pub(super) fn new(plan: &Plan, folder: &Path) -> anyhow::Result<Option<Self>> {
        let Some(controller) = &plan.fluvio else {
            return Ok(None);
        };
        let place = folder.join("database");
        std::fs::create_dir_all(&place)?;
        let postgres = PrivatePostgres::start(&PrivateConfig::new(&place))?;
        let books = folder.join("books");
        let begun = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let topic = format!("chaos-{}-{}", plan.seed, begun.as_millis());
        let settings = format!(
            "[stream]\nurl = \"fluvio://{controller}/{topic}\"\nshared = true\npartitions = {PARTITIONS}\n\
             replication = {}\nrequest_timeout_ms = 3000\n[database]\nurl = \"{}\"\n\
             [payments]\nurl = \"sandbox:{}\"\n",
            plan.replication,
            postgres.address().url(),
            books.display()
        );
        Ok(Some(Self {
            postgres,
            settings,
            books,
            faults: plan.cluster_faults.clone(),
        }))
    }

    /// The configuration of every replica.
    pub(super) fn settings(&self) -> &str {
        &self.settings
    }

    /// The books of the payment service.
    pub(super) fn books(&self) -> &Path {
        &self.books
    }

    /// Whom to connect to for the tables.
    pub(super) fn database(&self) -> tokio_postgres::Config {
        self.postgres.address().config()
    }

    /// The same, for `--database-url`.
    pub(super) fn database_url(&self) -> String {
        self.postgres.address().url()
    }

    /// Does a fault to a server of the cluster.
    pub(super) fn strike(&self, fault: Fault) -> anyhow::Result<()> {
        let program = self.faults.as_ref();
        let program = program.with_context(|| {
            format!(
                "{} needs a program that does it: name one with --cluster-faults",
                fault.name()
            )
        })?;
        let status = Command::new(program).arg(fault.name()).status();
        let status = status.with_context(|| format!("{} does not run", program.display()))?;
        ensure!(
            status.success(),
            "{} {}: {status}",
            program.display(),
            fault.name()
        );
        Ok(())
    }
}
