//! Tests of the connectors from outside, in one binary.

mod canonical;
mod conformance;
mod nycflights13;
mod page;
mod push;
mod round_trip;
mod support;
