//! Tests of the webhooks from outside, in one binary.
//!
//! - `both`: what stores of both kinds must do, run against a folder and against a real PostgreSQL.
//! - `several`: what only several processes on one database can get wrong.
//! - `store`: endpoints, events, lists, retention; what survives a reopened folder.
//! - `delivery`: against receivers of many kinds, slow ones too.
//! - `retry`: against a receiver that is broken or away, on a clock that is moved by hand.
//! - `kill`: a process that is killed while it delivers.
//! - `receiver`: the receiver, which checks signatures on its own.

#[path = "../payments/http.rs"]
#[allow(dead_code, reason = "the payment tests use all of it")]
mod http;

#[path = "../vault/server.rs"]
#[allow(dead_code, reason = "the tests of the vault use all of it")]
mod server;

mod both;
mod delivery;
mod home;
mod kill;
mod receiver;
mod retry;
mod several;
mod store;
mod support;
mod world;
