//! Folders that go away.

use std::path::PathBuf;

use anyhow::Context;
use tempfile::TempDir;

/// A new folder on a real disk: in `FLIGHTLINE_BENCH_DIR`, or else in the build folder. It is removed
/// when dropped. The system's temporary folder may be in memory, where a sync costs nothing.
pub fn folder() -> anyhow::Result<TempDir> {
    let base = std::env::var_os("FLIGHTLINE_BENCH_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tmp"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&base)
        .and_then(|()| base.canonicalize())
        .and_then(|base| TempDir::with_prefix_in("bench-", base))
        .with_context(|| {
            format!(
                "no folder can be made in {}: set FLIGHTLINE_BENCH_DIR to one that can be written",
                base.display()
            )
        })
}
