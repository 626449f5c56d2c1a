//! Ways in for feeds that nobody pushes: files dropped into a folder, and answers that are fetched.
//!
//! - [`folder`]: a watched folder, such as one that an SFTP server writes to. Whole files only; each is
//!   moved to `done/` or `rejected/` with a report beside it.
//! - [`pull`]: requests on a schedule, with ETag, back-off and rate limit. [`breaker`]: when a provider
//!   that fails is left alone. [`days`]: one request for each of the coming days.
//! - [`source`]: how each way in stands, for people.
//!
//! What is taken goes through a [`Door`]: who stands behind it makes it durable. A way in may hand the
//! same feed twice (after a crash, or because a provider says the same again): events are known by
//! what they say, so the second time counts as duplicate.
//!
//! What is deliberately absent: formats. A way in carries bytes and never looks inside.

pub mod breaker;
pub mod days;
pub mod folder;
pub mod pull;
pub mod source;

use std::io::Read;

use flightline_ledger::ProviderCode;
use serde::Serialize;

pub use folder::{DropFolder, FolderConfig};
pub use pull::{Pull, PullConfig, PullError};
pub use source::{Source, SourceState};

/// Whose bytes these are, and how to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedKind {
    /// The provider.
    pub provider: ProviderCode,
    /// Name of the format, as in `--format`.
    pub format: String,
    /// Options of the format.
    pub options: Vec<(String, String)>,
}

/// Takes feeds. Blocks until what was handed in is durable or refused.
pub trait Door: Send + Sync + 'static {
    /// Takes one whole file or message. `message` is how reports and rejects name it.
    ///
    /// # Errors
    ///
    /// [`NotTaken`]; what was taken before the error stands.
    fn take(
        &self,
        kind: &FeedKind,
        message: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<Receipt, NotTaken>;
}

/// What became of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Records read.
    pub read: u64,
    /// Events applied.
    pub accepted: u64,
    /// Events that had come before.
    pub duplicate: u64,
    /// Events older than what was known.
    pub stale: u64,
    /// Records that could not be read, and events that were refused.
    pub rejected: u64,
    /// The first of those that were rejected.
    pub rejects: Vec<RejectedRecord>,
}

impl Receipt {
    /// Was there anything in it that could be used?
    pub const fn is_useful(&self) -> bool {
        self.accepted + self.duplicate + self.stale > 0
    }

    /// Was there something in it, and none of it could be used? Another format, as a rule.
    pub const fn is_all_rejected(&self) -> bool {
        self.rejected > 0 && !self.is_useful()
    }
}

/// A record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedRecord {
    /// Line or record, from 1.
    pub line: u64,
    /// Stable code.
    pub code: String,
    /// What was wrong, and what to do.
    pub message: String,
}

/// Why a feed was not taken to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Not now: the replica takes nothing at the moment. Hand it in again.
    #[error("{0}")]
    Later(String),
    /// Never, as it is. Records before the damage may have been taken.
    #[error("{why}")]
    Refused {
        /// What is wrong with it.
        why: String,
        /// What had been taken.
        receipt: Option<Box<Receipt>>,
    },
}
