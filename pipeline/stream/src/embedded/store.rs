//! What the embedded log needs from a storage library: numbered values, written in order, each
//! durable when the call returns.

use bytes::Bytes;

use crate::error::StreamError;

/// One durable write.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    /// Number of the group: one above that of the commit before.
    pub(super) number: u64,
    /// The group's bytes.
    pub(super) group: Bytes,
    /// End offsets of all partitions before this group, when it gets an index entry.
    pub(super) index: Option<Bytes>,
    /// Marks to overwrite, by name.
    pub(super) marks: Vec<(&'static str, Bytes)>,
}

/// Values with their numbers, in order.
pub(super) type Values = Box<dyn Iterator<Item = Result<(u64, Bytes), StreamError>> + Send>;

/// The storage under an embedded log.
///
/// A trait so that tests can make it fail at will, and so that another library can take its place.
pub(super) trait Store: Send + Sync {
    /// Writes all of the commit or nothing, and returns when it is durable. After an error nothing
    /// more is committed.
    fn commit(&self, commit: Commit) -> Result<(), StreamError>;

    /// The groups numbered from `from` on, that were committed before the call.
    fn groups(&self, from: u64) -> Values;

    /// The last index entry at or below a group number.
    fn index_at_or_below(&self, number: u64) -> Result<Option<(u64, Bytes)>, StreamError>;

    /// The first index entry.
    fn index_first(&self) -> Result<Option<(u64, Bytes)>, StreamError>;

    /// A mark, by name.
    fn mark(&self, name: &str) -> Result<Option<Bytes>, StreamError>;

    /// Forgets groups numbered below, as far as that is cheap.
    fn drop_below(&self, number: u64) -> Result<(), StreamError>;
}
