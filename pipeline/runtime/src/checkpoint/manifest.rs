//! What belongs to a checkpoint. A line of JSON for people and programs, and a line with its checksum.

use flightline_ledger::STATE_FORMAT;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::{CheckpointError, FORMAT};

/// What belongs to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Number of the checkpoint: a later one has a higher number.
    pub id: u64,
    /// Version of the layout.
    pub format: u32,
    /// Version of the state's stored form.
    pub state_format: u32,
    /// The release that wrote it.
    pub release: String,
    /// The stream that it was made of.
    pub stream: String,
    /// When it was made, Unix time in milliseconds.
    pub taken_at_ms: i64,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
    /// Its parts, one for each partition.
    pub parts: Vec<PartEntry>,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEntry {
    /// The offset before which every record is folded in.
    pub next_offset: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// XXH3-128 of its bytes, hexadecimal.
    pub digest: String,
    /// Running hash of the partition's records, hexadecimal.
    pub stream_hash: String,
    /// Digest of the folded state, hexadecimal.
    pub state_hash: String,
}

/// The fields that no release may move, so that every one can say which wrote it.
#[derive(Deserialize)]
struct Versions {
    format: u32,
    state_format: u32,
    release: String,
}

impl Manifest {
    /// By partition, the offset before which every record is folded in.
    pub fn offsets(&self) -> Vec<u64> {
        self.parts.iter().map(|part| part.next_offset).collect()
    }

    /// Records that are folded in.
    pub fn records(&self) -> u64 {
        self.parts.iter().map(|part| part.next_offset).sum()
    }

    /// Size of all parts, in bytes.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        let digest = xxh3_128(text.as_bytes());
        text.push_str(&format!("{digest:032x}\n"));
        text.into_bytes()
    }

    pub(crate) fn from_bytes(id: u64, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let damaged = |what: &str| CheckpointError::Damaged {
            id,
            what: format!("its manifest {what}"),
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("is no text"))?;
        let (json, digest) = text
            .trim_end()
            .rsplit_once('\n')
            .ok_or_else(|| damaged("is cut off"))?;
        let json = format!("{json}\n");
        if format!("{:032x}", xxh3_128(json.as_bytes())) != digest {
            return Err(damaged("has another checksum"));
        }
        let versions: Versions =
            serde_json::from_str(&json).map_err(|error| damaged(&error.to_string()))?;
        if (versions.format, versions.state_format) != (FORMAT, STATE_FORMAT) {
            return Err(CheckpointError::Format {
                id,
                release: versions.release,
                found: format!("{}.{}", versions.format, versions.state_format),
                expected: format!("{FORMAT}.{STATE_FORMAT}"),
            });
        }
        let manifest: Self =
            serde_json::from_str(&json).map_err(|error| damaged(&error.to_string()))?;
        if manifest.id != id {
            return Err(damaged(&format!("is of checkpoint {}", manifest.id)));
        }
        Ok(manifest)
    }
}
