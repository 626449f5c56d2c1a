//! Seeded random histories of one partition, and the comparison of a ledger with the model over
//! them.
//!
//! - [`Generator`]: the next record, aimed by a look at the model's state so that a good share of
//!   the commands succeeds, and that every outcome, reason and replay comes up.
//! - [`Subject`]: what is judged: the ledger, or a model that is wrong on purpose.
//! - [`judge`]: compares answer by answer and state by state, and [`shrink`]s what differs.
//! - [`Coverage`]: what came up, and what should have but did not.

mod aim;
mod coverage;
mod events;
mod feeds;
mod generate;
mod judge;
mod requests;
mod rng;
mod schedules;
mod shrink;
mod subject;
mod witness;

pub use coverage::{Cell, Coverage, required};
pub use generate::{Generator, history};
pub use judge::{Closeness, Difference, Judged, judge, judge_history};
pub use rng::{Rng, derive};
pub use shrink::{renumber, shrink};
pub use subject::{LedgerSubject, StoredSubject, Subject, batches_agree};
