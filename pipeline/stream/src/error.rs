//! Everything that can go wrong with a stream, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::key::PartitionId;

/// Where in a stream something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A record.
    Record {
        /// Its partition.
        partition: PartitionId,
        /// Its offset.
        offset: u64,
    },
    /// A group of records that were written together, by its number.
    Group(u64),
    /// A byte of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Distance from its start, in bytes.
        byte: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Record { partition, offset } => {
                write!(f, "partition {partition} at offset {offset}")
            }
            Place::Group(number) => write!(f, "group {number}"),
            Place::File { path, byte } => write!(f, "{} at byte {byte}", path.display()),
        }
    }
}

/// Why a stream could not do what was asked.
///
/// Cloning is cheap: one failed write is told to everyone who waited for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The records asked for were trimmed.
    #[error(
        "partition {partition} is trimmed up to offset {low_water}, and {offset} was asked for: \
         start from a checkpoint at or above {low_water}"
    )]
    Trimmed {
        /// The partition.
        partition: PartitionId,
        /// What was asked for.
        offset: u64,
        /// The first offset that is still there.
        low_water: u64,
    },

    /// An offset above the end was asked for.
    #[error(
        "partition {partition} ends at offset {end}, and {offset} was asked for: this log is older \
         than what the reader folded; do not go on with it, restore the right log or rebuild the \
         reader's state"
    )]
    BeyondEnd {
        /// The partition.
        partition: PartitionId,
        /// What was asked for.
        offset: u64,
        /// The offset that the next record will get.
        end: u64,
    },

    /// There is no such partition.
    #[error(
        "there is no partition {partition}: the stream has {partitions}, numbered from 0; compute \
         partitions from stream keys with the count that the stream reports"
    )]
    NoSuchPartition {
        /// What was asked for.
        partition: PartitionId,
        /// How many there are.
        partitions: u32,
    },

    /// Stored bytes are not what was written.
    #[error(
        "the log is damaged: {place}: {what}. Stop this replica, keep a copy of the folder, and \
         restore the log from another replica or a backup"
    )]
    Corrupt {
        /// Where.
        place: Place,
        /// What is wrong.
        what: String,
    },

    /// Records are missing.
    #[error(
        "partition {partition} has a hole: offset {expected} was expected and {found} came. Stop \
         this replica and restore the log from another replica or a backup"
    )]
    Hole {
        /// The partition.
        partition: PartitionId,
        /// The offset that should have come.
        expected: u64,
        /// The offset that came.
        found: u64,
    },

    /// No room to write.
    #[error(
        "the disk under {} is full ({free_bytes} bytes free): nothing was accepted; free some \
         space, then {}", path.display(), if *reopen { "restart the program" } else { "try again" }
    )]
    DiskFull {
        /// The log's folder.
        path: PathBuf,
        /// What the file system says is free.
        free_bytes: u64,
        /// The log takes no more writes until it is opened again.
        reopen: bool,
    },

    /// The folder cannot be written to.
    #[error(
        "{} cannot be written to ({source}): give the program a folder that it may write to, or \
         mount the file system for writing", path.display()
    )]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },

    /// Too much at once.
    #[error("{what} of {bytes} bytes is above the limit of {limit}: split it")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The most there can be.
        limit: u64,
    },

    /// Another process has the log open.
    #[error(
        "{} is in use by {holder}: stop it, or give this one another data directory", path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who has it, as far as is known.
        holder: String,
    },

    /// The stream exists with another number of partitions.
    #[error(
        "{} was created with {stored} partitions and {asked} are configured: the count is fixed \
         when the stream is created; set it to {stored}", path.display()
    )]
    PartitionCountMismatch {
        /// The folder.
        path: PathBuf,
        /// What it was created with.
        stored: u32,
        /// What was asked for.
        asked: u32,
    },

    /// A configuration that cannot be.
    #[error("{setting}: {what}")]
    BadConfig {
        /// The setting.
        setting: &'static str,
        /// What is wrong, and what can be.
        what: String,
    },

    /// The folder holds something else, or a log of a newer program.
    #[error("{}: {what}", path.display())]
    NotALog {
        /// The folder.
        path: PathBuf,
        /// What was found, and what to do.
        what: String,
    },

    /// An earlier write failed, so that nobody knows what is on disk. Reading still works.
    #[error(
        "the log takes no more writes because an earlier one failed ({first}): what was answered is \
         safe; mend the cause and restart the program"
    )]
    Poisoned {
        /// The first failure.
        first: String,
    },

    /// The system failed us.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },

    /// A cluster that the stream is in cannot be used.
    #[error("{cluster} cannot be used: {what}")]
    Cluster {
        /// Where it is.
        cluster: String,
        /// What is wrong.
        what: String,
    },

    /// The topic is not one that a stream can be kept in.
    #[error("topic {topic} cannot hold the stream: {what}")]
    TopicMismatch {
        /// The topic.
        topic: String,
        /// What is wrong, and what to set.
        what: String,
    },

    /// The topic holds something that must not be folded.
    #[error(
        "partition {partition} of {cluster} cannot be read on at offset {topic_offset} of the topic: \
         {what}; {before}. Nothing after it was folded. Fill a new topic from a replica's copy with \
         `flightline stream rebuild --topic NEW`, and name it in stream.url"
    )]
    TopicFault {
        /// The topic and where it is.
        cluster: String,
        /// The partition.
        partition: PartitionId,
        /// Where, in the topic.
        topic_offset: u64,
        /// What was found there.
        what: String,
        /// What was read before.
        before: String,
    },

    /// The topic has lost records that were acknowledged.
    #[error(
        "partition {partition} of {cluster} has lost records that it had acknowledged: {what}. This \
         replica's own copy has them: `flightline stream rebuild` puts them back, and where something \
         was written behind the loss, `flightline stream rebuild --topic NEW` fills a new topic"
    )]
    TopicLost {
        /// The topic and where it is.
        cluster: String,
        /// The partition.
        partition: PartitionId,
        /// How that was found out.
        what: String,
    },

    /// This replica's copy and the topic hold different records at one place.
    #[error(
        "partition {partition} at offset {offset}: {cluster} and the copy in {} hold different \
         records. One of them belongs to another stream, or records were lost and others took their \
         place: compare with another replica, and keep both until it is clear which one clients \
         were answered from", path.display()
    )]
    CopyDiffers {
        /// The topic and where it is.
        cluster: String,
        /// The copy's folder.
        path: PathBuf,
        /// The partition.
        partition: PartitionId,
        /// The first offset that differs.
        offset: u64,
    },

    /// There is nothing to fill a topic with.
    #[error(
        "the copy in {} is empty: there is nothing to fill {topic} with, and it knows no stream's name; use the \
         copy of a replica that has records", path.display()
    )]
    NothingToFill {
        /// The topic.
        topic: String,
        /// The copy's folder.
        path: PathBuf,
    },

    /// A new topic would be filled under a name that the stream does not have.
    #[error(
        "{cluster} is empty, and of which stream {} has the records is not known: its file {} is lost. \
         Filled under another name than the stream's, neither checkpoints nor tables nor the copies of other \
         replicas would go on with the topic. Put the file back from a backup, or do it with the data \
         directory of another replica", path.display(), place.display()
    )]
    NameLost {
        /// The topic and where it is.
        cluster: String,
        /// The copy's folder.
        path: PathBuf,
        /// The file that has the name.
        place: PathBuf,
    },

    /// The topic is another stream's.
    #[error(
        "{cluster} holds the stream {found:016x}, and {} the records of {ours:016x}: name the topic of that \
         stream in stream.url, or a new one to have it filled by `flightline stream rebuild`", path.display()
    )]
    OtherStream {
        /// The topic and where it is.
        cluster: String,
        /// The copy's folder.
        path: PathBuf,
        /// The copy's stream.
        ours: u64,
        /// The topic's stream.
        found: u64,
    },

    /// Another process writes to the topic now.
    #[error(
        "{holder} has taken over partition {partition} of {cluster}: this process writes no more. \
         One process at a time writes to a topic; if the other one should not be there, stop it and \
         restart this one"
    )]
    Superseded {
        /// The topic and where it is.
        cluster: String,
        /// The partition.
        partition: PartitionId,
        /// Who writes now.
        holder: String,
    },

    /// The storage library failed in a way that has no name here.
    #[error("the storage under {} failed while {doing}: {what}", path.display())]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// The log's folder.
        path: PathBuf,
        /// What it said.
        what: String,
    },
}

impl StreamError {
    /// Was the write refused before anything was stored? Then the same group may be appended again.
    /// Otherwise its outcome is unknown until the log was reopened and read to its end.
    pub fn nothing_was_written(&self) -> bool {
        matches!(
            self,
            StreamError::DiskFull { reopen: false, .. }
                | StreamError::TooLarge { .. }
                | StreamError::NoSuchPartition { .. }
                | StreamError::Poisoned { .. }
        )
    }

    /// An I/O error by its kind: full disk, no permission, or anything else.
    pub(crate) fn from_io(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => StreamError::DiskFull {
                path: path.to_owned(),
                free_bytes: free_bytes(path).unwrap_or(0),
                reopen: true,
            },
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => StreamError::ReadOnly {
                path: path.to_owned(),
                source: Arc::new(source),
            },
            _ => StreamError::Io {
                doing,
                path: path.to_owned(),
                source: Arc::new(source),
            },
        }
    }
}

/// What the file system under a folder says is free for this user, in bytes.
pub(crate) fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
