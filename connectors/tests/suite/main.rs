//! Tests of the connectors from outside, in one binary.

mod canonical;
mod conformance;
mod feeds;
mod nycflights13;
mod page;
mod push;
mod round_trip;
mod ssim_file;
mod ssim_samples;
mod support;
