//! Several replicas at work on one stream, and on one database.
//!
//! - `feeder`: what this replica and others append comes back in the stream's order, and is folded.
//! - `tables`: where the rows of epochs go: into the tables, or nowhere while another replica writes them.
//! - `takeover`: who writes the tables, and how the next one goes on where the last one ended.
//! - `shared`: what all must know and the stream must not hold, in their common database: the key of offers;
//!   `tokens`; `views` in SQL; `answers` under idempotency keys. `known`: a copy of what a start needs of it.
//! - `digests`: do all fold the same records? `rings`: the hashes of what was folded last.
//!
//! What all replicas must agree on is in the stream. Nothing here decides about a seat or an order, and
//! nothing here waits for another replica.

pub(crate) mod answers;
pub(crate) mod digests;
pub(crate) mod feeder;
pub(crate) mod known;
pub(crate) mod rings;
pub(crate) mod shared;
pub(crate) mod tables;
pub(crate) mod takeover;
pub(crate) mod tokens;
pub(crate) mod views;
