//! The dataflow.

mod batch;
pub mod changelog;
mod collector;
mod config;
mod decided;
mod export;
mod failure;
mod fold;
mod graph;
mod handle;
mod image;
mod part;
pub mod rows;
mod shard;
mod shown;
mod source;
mod views;
mod watch;
mod worker;

pub use config::{Config, OnFailure, PARTITIONS_MAX, StartError, WORKERS_MAX};
pub use failure::Failure;
pub use handle::{Backlog, Dataflow, Reader};
