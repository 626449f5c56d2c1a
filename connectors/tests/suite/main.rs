//! Tests of the connectors from outside, in one binary.

#[path = "../payments/http.rs"]
#[allow(dead_code, reason = "the payment tests use all of it")]
mod http;

mod canonical;
mod conformance;
mod intake;
mod nycflights13;
mod page;
mod push;
mod round_trip;
mod support;
