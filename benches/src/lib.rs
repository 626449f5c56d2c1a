//! What the benchmarks share. The benchmarks themselves are the targets under `benches/`; what each
//! measures, and the last figures, are in `README.md`.
//!
//! - [`args`]: the command line of a benchmark. [`machine`]: what it ran on.
//! - [`report`]: figures with their spread, ratios and goals; a table, and JSON under `runs/`.
//! - [`latency`], [`pace`]: open-loop latencies, counted from when a request was due.
//! - [`random`], [`fleet`], [`traffic`]: seeded numbers, flights, and mixed records about them.
//! - [`http`]: a load generator; [`holds`]: requests for seats and the check of the answers.
//! - [`server`], [`postgres`]: the real program, and what it is compared with.
//! - [`booking`]: orders and holds inside one process.
//! - [`chaos`]: a replica under load and faults, and everything compared afterwards.
//! - [`flow`]: records as the dataflow takes them, and sinks that only count.
//! - [`memory`], [`threads`], [`stopwatch`], [`scratch`]: what a process and its threads use, time of one core, folders that go away.
//!
//! The habits that every benchmark keeps: subject and baseline run in the same process on the same
//! machine, by turns and several times; ratios are taken turn by turn, since the machine's other
//! load changes between turns; the medians are stated with the lowest and highest turn. The small
//! mode (`--smoke`) checks that what is measured is right, and never how long it takes.

pub mod args;
pub mod booking;
pub mod chaos;
pub mod fleet;
pub mod flow;
pub mod holds;
pub mod http;
pub mod latency;
pub mod machine;
pub mod memory;
pub mod offers;
pub mod pace;
pub mod pause;
pub mod postgres;
pub mod random;
pub mod report;
pub mod scratch;
pub mod server;
pub mod stopwatch;
pub mod threads;
pub mod traffic;
pub mod world;
