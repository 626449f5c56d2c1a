//! Tests of the connectors from outside, in one binary.

mod canonical;
mod conformance;
mod documents;
mod nycflights13;
mod offers;
mod page;
mod push;
mod round_trip;
mod samples;
mod support;
