//! Runs pgbench and reads what it measured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use flightline_sinks::postgres::installation;

use crate::latency::Latencies;

/// The program, and the server that it is for.
#[derive(Clone, Debug)]
pub struct Pgbench {
    program: PathBuf,
    socket: PathBuf,
}

/// What a run measured.
#[derive(Clone, Debug)]
pub struct Run {
    /// Transactions in a second, connecting left aside.
    pub per_second: f64,
    /// Of single transactions.
    pub latencies: Latencies,
}

impl Pgbench {
    pub(super) fn find(socket: &Path) -> anyhow::Result<Self> {
        let (folder, _) = installation(None)?;
        let program = folder.join("pgbench");
        ensure!(
            program.exists(),
            "{} is missing: it comes with PostgreSQL's server or its contrib package",
            program.display()
        );
        Ok(Self {
            program,
            socket: socket.to_owned(),
        })
    }

    /// Runs a script with so many clients for so long.
    pub fn run(&self, script: &str, clients: usize, length: Duration) -> anyhow::Result<Run> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("script.sql");
        std::fs::write(&file, script)?;
        let output = Command::new(&self.program)
            .current_dir(folder.path())
            .args([
                "--no-vacuum",
                "--protocol=prepared",
                "--log",
                "--random-seed=1",
            ])
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(2)))
            .arg(format!("--time={}", length.as_secs().max(1)))
            .arg(format!("--file={}", file.display()))
            .arg(format!("--host={}", self.socket.display()))
            .args(["--username=flightline", "flightline"])
            .output()
            .context("pgbench does not run")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let per_second = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .with_context(|| format!("pgbench states no rate: {said}"))?;
        let failed = said
            .lines()
            .find(|line| line.starts_with("number of failed transactions"));
        ensure!(
            failed.is_none_or(|line| line.contains(": 0 ")),
            "transactions failed: {said}"
        );
        let mut latencies = Latencies::default();
        for entry in std::fs::read_dir(folder.path())? {
            let entry = entry?;
            if !entry
                .file_name()
                .to_string_lossy()
                .starts_with("pgbench_log")
            {
                continue;
            }
            // client, number, time in µs, script, and when
            for line in std::fs::read_to_string(entry.path())?.lines() {
                let us = line.split(' ').nth(2).and_then(|text| text.parse().ok());
                latencies.record(Duration::from_micros(
                    us.context("a line of pgbench's log")?,
                ));
            }
        }
        Ok(Run {
            per_second,
            latencies,
        })
    }

    /// The client count of these with the highest rate.
    pub fn best_clients(
        &self,
        script: &str,
        counts: &[usize],
        length: Duration,
    ) -> anyhow::Result<usize> {
        let mut best = (0.0, 1);
        for clients in counts {
            let rate = self.run(script, *clients, length)?.per_second;
            if rate > best.0 {
                best = (rate, *clients);
            }
        }
        Ok(best.1)
    }
}
