//! The Fluvio adapter against a real cluster, while everything between and behind breaks.
//!
//! `FLIGHTLINE_TEST_FLUVIO=HOST:PORT` names the controller of a cluster that may be filled with test
//! topics (each is deleted afterwards). `FLIGHTLINE_TEST_FLUVIO_REPLICATION` is how many copies of each
//! partition they get (1). Tests that kill servers also need to be told how, see `kills.rs`. Without
//! the variables the tests are skipped, and say so.

mod faults;
mod joined;
mod kills;
mod load;
mod proxy;
mod rebuild;
