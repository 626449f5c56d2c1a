//! Checkpoints: the fold at an offset of every partition, kept so that a start need not fold the
//! stream from its beginning.
//!
//! # How one is made
//! Not from the running dataflow. A thread beside it takes the checkpoint before, folds what has come
//! since into it, one partition after the other, and writes each as an object of its own. Decisions
//! are not stopped, not even for the time of a copy; memory is needed for one partition and a piece
//! of the stream; and a command line can do the same while no replica runs. It costs a second fold of
//! every record, which is cheap beside the first one's views and tables.
//!
//! # Where it ends
//! At the offsets that PostgreSQL has committed. A start must fold from there on whatever it has, for
//! the rows that the tables lack; so nothing is gained by a checkpoint that is further, and none is
//! ever ahead of the tables, unless these went back.
//!
//! # What keeps it safe
//! Every part carries a checksum of all its bytes, and the manifest names each part with it. The
//! manifest is written last, in one piece: before, there is no checkpoint. A checkpoint that cannot
//! be read is said so and passed over for the one before. What is kept of them is what trimming the
//! stream leaves to be folded from, so trimming reads them first, whole.
//!
//! - `part`: one partition, and its bytes. `manifest`: what belongs together. `store`: where objects
//!   lie. `take`: making one. `load`: going on from one. `keeper`: when, how many, and trimming.

mod keeper;
mod kept;
mod load;
mod manifest;
mod part;
mod store;
mod take;

pub use keeper::{CheckpointPolicy, Taken};
pub(crate) use keeper::{Checkpoints, Keeper, Stats};
pub(crate) use load::{Loaded, load, newest_part, part_for};
pub use manifest::Manifest;
pub(crate) use part::Part;
pub use store::{Entry, Store};

use crate::reading::ReadError;

/// Version of a checkpoint's layout: of manifest and parts. The state within has its own,
/// [`flightline_ledger::STATE_FORMAT`].
pub const FORMAT: u32 = 4;

/// Why a checkpoint could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Objects cannot be read or written.
    #[error("cannot {what}: {error}")]
    Store {
        /// What was being done, to which object.
        what: String,
        /// What the store said.
        error: object_store::Error,
    },
    /// The place cannot be used.
    #[error("checkpoint.url: {0}")]
    Url(String),
    /// Bytes are not what was written.
    #[error("checkpoint {id} is damaged: {what}")]
    Damaged {
        /// Its number.
        id: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Another release wrote it.
    #[error(
        "checkpoint {id} was written by release {release} in format {found}, this release reads {expected}: \
         it cannot be used. `flightline checkpoint take` makes a new one when the stream is there from its start; \
         when it was trimmed, run release {release} on this data directory"
    )]
    Format {
        /// Its number.
        id: u64,
        /// The release that wrote it.
        release: String,
        /// Its format.
        found: String,
        /// Ours.
        expected: String,
    },
    /// It was made of another stream.
    #[error(
        "checkpoint {id} was made of stream {found}, this is stream {expected}: \
         give every stream a checkpoint.url of its own, or move away what lies there of a stream that is no more"
    )]
    Foreign {
        /// Its number.
        id: u64,
        /// Its stream.
        found: String,
        /// Ours.
        expected: String,
    },
    /// It does not fit the stream or the tables.
    #[error("checkpoint {id} is not used: {why}")]
    Unfit {
        /// Its number.
        id: u64,
        /// Why.
        why: String,
    },
    /// The beginning of the stream is gone, and nothing stands for it.
    #[error(
        "partition {partition} begins at offset {low_water}, since the stream was trimmed, and no good checkpoint \
         covers what came before: {why}. Restore the checkpoints of this data directory from a backup, or the stream"
    )]
    Uncovered {
        /// The partition.
        partition: u32,
        /// Where it begins.
        low_water: u64,
        /// What became of the checkpoints that there are.
        why: String,
    },
    /// The stream cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No thread for it.
    #[error(
        "the thread that makes a checkpoint cannot be started: {0}; raise the limit of threads of this user or container"
    )]
    Thread(std::io::Error),
    /// The replica stops.
    #[error("the replica stops")]
    Stopped,
}

impl From<flightline_stream::StreamError> for CheckpointError {
    fn from(error: flightline_stream::StreamError) -> Self {
        Self::Read(error.into())
    }
}
