//! The API over real sockets, in front of a small replica that really decides.
#![allow(missing_docs, unreachable_pub)]

mod client;
mod replica;

mod access;
mod batch;
mod booking;
mod changes;
mod feeds;
mod holds;
mod limits;
mod openapi;
mod operations;
mod reads;
mod shutdown;
mod waiting;
