//! The calls, one file per group.

pub(crate) mod batch;
pub(crate) mod changes;
pub(crate) mod command;
pub(crate) mod dataflows;
pub(crate) mod feeds;
pub(crate) mod flights;
pub(crate) mod holds;
pub(crate) mod notices;
pub(crate) mod ops;
pub(crate) mod search;
