//! The rules of `docs/ledger.md`, one by one, in the order of that page.
//!
//! Every step of every test checks the ledger's invariants; every world, when it is dropped, folds
//! its records again in one batch and in two pieces, and must end in the same state.

mod support;

mod availability;
mod client_answers;
mod displacement;
mod equipment;
mod feeds;
mod folding;
mod holds;
mod ids;
mod observer;
mod ownership;
mod reading;
mod route;
mod status;
mod storing;
mod time;
mod validity;
mod waiting;
