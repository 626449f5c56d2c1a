//! Tests of the key stores and of sealing from outside, in one binary.
//!
//! - `conformance`: what every key store must do, run against each.
//! - `file`: the file: torn writes, damage, what is on the disk, a killed process.
//! - `postgres`: several replicas, a server that goes away.
//! - `sealed`: round trips, and that nothing changed opens.

mod conformance;
mod file;
mod postgres;
mod sealed;
mod server;
