//! Several replicas at work on one stream, and on one database.
//!
//! - `feeder`: what this replica and others append comes back in the stream's order, and is folded.
//! - `tables`: where the rows of epochs go: into the tables, or nowhere while another replica writes them.
//! - `takeover`: who writes the tables, and how the next one goes on where the last one ended.
//!
//! What all replicas must agree on is in the stream. Nothing here decides about a seat or an order, and
//! nothing here waits for another replica.

pub(crate) mod feeder;
pub(crate) mod tables;
pub(crate) mod takeover;
