//! End-to-end tests: the real program, real HTTP, a real PostgreSQL, real kill -9.

#![allow(missing_docs)]

mod balanced;
mod balancer;
mod booking;
mod checkpoint;
mod client;
mod crash;
mod diverged;
mod events;
mod harness;
mod keys;
mod operations;
mod order_answers;
mod order_crash;
mod orders;
mod outward;
mod program;
mod provider;
mod reconcile;
mod replicas;
mod shared_views;
mod sold_out;
mod tables;
mod traces;
mod trip;
mod views;
mod waiting;
mod ways_in;
mod without_database;
