//! Tests of the payment services from outside, in one binary.
//!
//! - `conformance`: what every service must do, run against each.
//! - `faults`: the same money, through a network that breaks.
//! - `fake`, `world`: two Stripes to run against: a small one in this process, always, and
//!   stripe-world, when `FLIGHTLINE_TEST_STRIPE` gives its address.
//! - `shape`: what is sent to Stripe, and what its answers are taken for.
//! - `sandbox`, `webhook`: what only those have.

mod conformance;
mod fake;
mod faults;
mod http;
mod proxy;
mod sandbox;
mod shape;
mod support;
mod webhook;
mod world;
