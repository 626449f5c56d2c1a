//! Tests of the webhooks from outside, in one binary.
//!
//! - `store`: endpoints, events, lists, retention; what survives a reopened folder.
//! - `delivery`: against receivers of many kinds, slow ones too.
//! - `retry`: against a receiver that is broken or away, on a clock that is moved by hand.
//! - `kill`: a process that is killed while it delivers.
//! - `receiver`: the receiver, which checks signatures on its own.

#[path = "../payments/http.rs"]
#[allow(dead_code, reason = "the payment tests use all of it")]
mod http;

mod delivery;
mod kill;
mod receiver;
mod retry;
mod store;
mod support;
mod world;
