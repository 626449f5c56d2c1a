//! Tests of the connectors from outside, in one binary.

#[path = "../payments/http.rs"]
#[allow(dead_code, reason = "the payment tests use all of it")]
mod http;

mod any_order;
mod canonical;
mod conformance;
mod documents;
mod feeds;
mod foreign_shapes;
mod intake;
mod mutations;
mod nycflights13;
mod offers;
mod outward;
mod page;
mod push;
mod round_trip;
mod samples;
mod schedules_conform;
mod ssim;
mod ssim_file;
mod ssim_samples;
mod ssm;
mod support;
