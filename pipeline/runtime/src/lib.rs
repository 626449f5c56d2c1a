//! A replica: the wiring of stream, dataflow, sinks and API.
//!
//! - [`Replica`]: from start to stop.
//! - [`sequencer`]: the one writer of the stream; [`waiters`]: who waits for which decision.
//! - [`hold_index`]: from a hold's id to its flight. [`provider_stats`]: counts of feeds. [`serials`]: messages that are missing in them.
//! - [`orders`]: what orders ask for, and what becomes of it.
//! - [`checkpoint`]: the fold, kept, so that a start need not begin at the first record.
//! - [`reading`]: records out of the stream, checked; [`refold`]: history and explanations.
//! - [`stream`]: where the stream is. [`control`]: questions of commands on the same machine; [`offline`]: the same without a replica.
//! - `several`: several replicas at work on one stream.
//! - [`feed`]: provider feeds in. [`intake`]: those that come by themselves. [`tokens`]: who may call.
//!
//! Everything here may do I/O and read the clock; nothing here decides about a seat.

mod backend;
mod booking;
pub mod checkpoint;
pub mod config;
pub mod control;
pub mod database;
mod explanation;
pub mod feed;
pub mod hold_index;
pub mod intake;
mod late;
mod metrics;
mod names;
pub mod offline;
pub mod orders;
mod people;
mod plain;
pub mod provider_stats;
pub mod reading;
mod reconcile;
pub mod refold;
mod replica;
mod sale;
pub mod sequencer;
pub mod serials;
mod several;
#[cfg(feature = "simulation")]
pub mod simulation {
    //! A replica in pieces, for simulations.
    pub use crate::replica::simulated::*;
}
pub mod stream;
mod telemetry;
mod terms;
pub mod tokens;
pub mod verify;
mod views;
pub mod waiters;
mod webhooks;

pub use config::{AuthMode, MISSING_AFTER_MS, ProviderFeed, ReplicaConfig, ViewFiles};
pub use intake::{IntakeConfig, Way};
pub use replica::Replica;
pub use stream::{FluvioOptions, StreamPlace};
pub use telemetry::TelemetryConfig;
