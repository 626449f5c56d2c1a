//! Settings of the embedded log.

use std::path::PathBuf;

use crate::error::StreamError;
use crate::key::{PARTITIONS_DEFAULT, PARTITIONS_MAX};

/// Settings of the embedded log. [`EmbeddedConfig::new`] has values that suit a machine with a few
/// cores and a disk of its own.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// The log's folder; created when it is not there.
    pub path: PathBuf,
    /// Partitions of a new log; an existing one must have as many.
    pub partitions: u32,
    /// Recent groups kept in memory for followers, in bytes.
    pub recent_bytes: usize,
    /// Writes kept in memory before they go from the journal to tables, in bytes.
    pub memtable_bytes: u64,
    /// Blocks of tables kept in memory, in bytes.
    pub cache_bytes: u64,
    /// Appends are refused while the file system has less room than this, in bytes: what was
    /// accepted must still find room when it moves from the journal to tables. 0 = no check.
    pub reserve_bytes: u64,
    /// Id for the producer of a new log; absent = random.
    pub producer_id: Option<u64>,
}

impl EmbeddedConfig {
    /// The defaults for a log in the folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            partitions: PARTITIONS_DEFAULT,
            recent_bytes: 16 << 20,
            memtable_bytes: 64 << 20,
            cache_bytes: 16 << 20,
            reserve_bytes: 256 << 20,
            producer_id: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), StreamError> {
        let bad = |setting, what: String| Err(StreamError::BadConfig { setting, what });
        if self.partitions == 0 || self.partitions > PARTITIONS_MAX {
            return bad(
                "partitions",
                format!(
                    "{} given; 1 to {PARTITIONS_MAX} are possible",
                    self.partitions
                ),
            );
        }
        if self.memtable_bytes < 1 << 20 {
            return bad(
                "memtable_bytes",
                format!("{} given; at least 1 MiB is needed", self.memtable_bytes),
            );
        }
        Ok(())
    }
}
