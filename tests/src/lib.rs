//! What Flightline is judged with.
//!
//! - [`model`]: a naive seat ledger, written from `docs/ledger.md` alone.
//! - [`history`]: seeded random histories, and the comparison of a ledger with the model over them.

pub mod history;
pub mod model;
