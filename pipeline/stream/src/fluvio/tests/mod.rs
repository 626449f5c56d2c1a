//! The adapter against a cluster that does on purpose what Fluvio was seen to do.

mod chain;
mod faults;
mod joint;
mod naming;
mod scripted;
