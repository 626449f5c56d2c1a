//! Health.

use serde::Serialize;
use utoipa::ToSchema;

/// The process runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Live)]
pub(crate) struct LiveAnswer {
    /// Always `live`.
    #[schema(pattern = "^live$")]
    pub(crate) status: &'static str,
}

/// Whether the replica is fit to serve.
#[derive(Serialize, ToSchema)]
#[schema(as = Ready)]
pub(crate) struct ReadyAnswer<'a> {
    /// `ready` or `starting`.
    #[schema(pattern = "^(ready|starting)$")]
    pub(crate) status: &'static str,
    /// Its parts.
    pub(crate) parts: Vec<PartAnswer<'a>>,
}

/// One part of the replica.
#[derive(Serialize, ToSchema)]
#[schema(as = Part)]
pub(crate) struct PartAnswer<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Is it fine?
    pub(crate) ready: bool,
    /// What is going on.
    pub(crate) detail: &'a str,
}

/// What the stream holds, by partition, to compare replicas.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamDigest)]
pub(crate) struct DigestAnswer {
    /// Every partition, in order.
    pub(crate) partitions: Vec<PartitionAnswer>,
}

/// One partition of the stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PartitionDigest)]
pub(crate) struct PartitionAnswer {
    /// The offset after the last record that was folded.
    pub(crate) next_offset: u64,
    /// Running hash of the records, 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub(crate) stream_hash: String,
    /// Digest of the seats and orders that they make, 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub(crate) state_hash: String,
}

/// A notice was heeded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticeAnswer {
    /// Always true.
    pub(crate) received: bool,
    /// How many of our own questions to the service it made us ask again at once.
    pub(crate) asked: u64,
}
