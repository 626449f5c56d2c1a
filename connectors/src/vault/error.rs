//! What can go wrong with a key store, and what to do about it.

use std::path::{Path, PathBuf};

use super::key::KeyId;

/// Why a key store could not do what was asked. No message shows a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The file cannot be read or written.
    #[error("{doing} the keys in {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has the file.
    #[error(
        "the keys in {} are in use by another process: stop it, or give this one a file of its own",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read the file.
    #[error(
        "the keys in {} can be read by other accounts (mode {mode:03o}): run chmod 600 on the file \
         and consider who may have read it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else, or its first bytes are damaged.
    #[error(
        "{} is not a file of keys: {what}; restore it from a backup, or name another file",
        path.display()
    )]
    NotKeys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// One key cannot be read any more; others are not concerned.
    #[error(
        "key {id} in {} (byte {byte}) is damaged: restore the file from a backup that is newer than \
         this key, or erase the key if its order can be given up",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The key's number.
        id: KeyId,
        /// Where it stands in the file.
        byte: u64,
    },
    /// The database does not answer, or not as it should.
    #[error("the key database, {doing}: {reason}; check its address and that the server runs")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database or the network says.
        reason: String,
    },
    /// The tables were made by a newer release.
    #[error(
        "the keys in schema flightline_keys are of version {found}, this program knows version \
         {known}: run the newer release"
    )]
    NewerSchema {
        /// What the database has.
        found: i32,
        /// What this release knows.
        known: i32,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers for keys: {0}")]
    Random(String),
    /// The thread that makes keys ahead of need has ended.
    #[error("the key store has stopped: restart the replica")]
    Stopped,
}

impl VaultError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
