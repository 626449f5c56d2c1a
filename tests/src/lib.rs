//! What Flightline is judged with.
//!
//! - [`model`]: a naive seat ledger, written from `docs/ledger.md` alone.
//! - [`history`]: seeded random histories, and the comparison of a ledger with the model over them.
//! - `simulation`, with the feature of that name: several replicas and everything around them, under faults.

pub mod history;
pub mod model;
#[cfg(feature = "simulation")]
pub mod simulation;
