//! Tests of the connectors from outside, in one binary.

mod any_order;
mod canonical;
mod conformance;
mod feeds;
mod nycflights13;
mod page;
mod push;
mod round_trip;
mod schedules_conform;
mod ssim;
mod ssim_file;
mod ssim_samples;
mod ssm;
mod support;
