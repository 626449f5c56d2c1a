//! Tables in PostgreSQL.
//!
//! [`PostgresSink`] takes epochs from the dataflow and writes them in large transactions, each with
//! the `sink_progress` that it brings the tables to. After any crash, of the replica or of the
//! database, the tables equal the fold of the stream up to `sink_progress`, and readers see whole
//! epochs only. While the database is away or slow, epochs are merged and wait, in memory up to a
//! bound and then on disk; the dataflow is not held up. One writer at a time: another one is found by
//! `sink_progress` not being where it should, and the later of the two stops.
//!
//! Several replicas on one database take turns: [`PostgresConfig::session_lock`], [`LockWatch`].
//!
//! - `sink`: what the dataflow and everyone else hold. `writer`: the thread behind it.
//! - `batch`: epochs merged. `spool`: batches that wait. `copy`, `tables`: rows as bytes.
//! - `connection`: statements and the transaction. `migrate`: versions of the schema.
//! - `lock`: who of several replicas writes. [`compare()`]: are the tables what they should be?
//! - [`PrivatePostgres`]: a server of the replica's own.
//!
//! What is deliberately absent: reading. Nothing that Flightline decides or answers comes from these
//! tables; they are for everyone else.

mod batch;
mod compare;
mod config;
mod connection;
mod copy;
mod error;
pub mod fence;
mod lock;
mod migrate;
mod private;
mod sink;
mod spool;
mod status;
mod tables;
mod view_batch;
mod view_tables;
mod writer;

pub use compare::{Difference, Expected, compare, progress};
pub use config::{Committed, OnCommit, PostgresConfig};
pub use error::PostgresError;
pub use lock::{Holder, LockWatch, Look};
pub use migrate::SCHEMA_VERSION;
pub use private::{PrivateAddress, PrivateConfig, PrivateError, PrivatePostgres, installation};
pub use sink::{PostgresHandle, PostgresSink};
pub use status::PostgresStatus;
pub use view_tables::rehearse;
