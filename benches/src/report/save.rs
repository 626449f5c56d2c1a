//! The report as JSON under `runs/`: raw turns, so that later readers can judge for themselves.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;

use super::Report;

/// Writes a new file; what was kept before is never overwritten.
pub(super) fn save(report: &Report) -> anyhow::Result<()> {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs");
    std::fs::create_dir_all(&runs).with_context(|| runs.display().to_string())?;
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    for n in 1.. {
        let name = format!("{}-{}-{n}.json", report.date, report.bench);
        let path = runs.join(&name);
        let opened = std::fs::File::options()
            .write(true)
            .create_new(true)
            .open(&path);
        match opened {
            Ok(mut file) => {
                file.write_all(&json)
                    .with_context(|| path.display().to_string())?;
                writeln!(std::io::stdout(), "\n  kept as benches/runs/{name}")?;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(())
}
