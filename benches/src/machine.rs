//! What a benchmark ran on, so that figures can be compared.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// The machine and the code.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Operating system and kernel.
    pub kernel: String,
    /// Version of the compiler.
    pub rustc: String,
    /// Commit of the working tree; `+` when it has changes, absent without git.
    pub commit: Option<String>,
    /// Processes running or waiting to run, average of a minute, when the benchmark began.
    pub load_before: f64,
}

impl Machine {
    /// This one.
    pub fn look() -> Self {
        Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib * 1024),
            kernel: run("uname", &["-sr"]).unwrap_or_else(|| std::env::consts::OS.to_owned()),
            rustc: run("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
            commit: commit(),
            load_before: load(),
        }
    }
}

/// Processes running or waiting to run, average of a minute; 0 where nobody tells.
pub fn load() -> f64 {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(0.0)
}

/// Today by the system's clock, in UTC, as `YYYY-MM-DD`.
pub fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let days = now.map_or(0, |d| d.as_secs() / 86_400);
    flightline_ledger::Date(i32::try_from(days).unwrap_or(0)).to_string()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

fn commit() -> Option<String> {
    let commit = run("git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = run("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if changed {
        format!("{commit}+")
    } else {
        commit
    })
}
