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

/// A notice was heeded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticeAnswer {
    /// Always true.
    pub(crate) received: bool,
    /// How many of our own questions to the service it made us ask again at once.
    pub(crate) asked: u64,
}
