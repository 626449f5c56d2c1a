//! Changes of schedules as teletype messages: SSM, for flights of a period, and ASM, for flights of
//! a day. What is read, left out and refused is in `docs/formats/ssm.md`.
//!
//! - `config`: when the messages were received, since most of their dates have no year.
//! - `message`: lines to messages and their parts.
//! - `grammar`: the lines of a part.
//! - `change`: what a part says, with its days.
//! - `event`: a part on a day to canonical events.
//! - `parser`: the iterator.
//!
//! # Versions
//! The version of a change is the last second (UTC) of the day of the message's reference, the number of
//! its group, and its own number in the group with its place in the message. A message states no time of day: one that is made on the day of
//! a schedule file counts as newer than the file, and is not lost when the file was made before it. The origin line of the
//! envelope has a time, but tells when a message was sent, which for one that is sent again is too late.

mod aircraft;
mod change;
mod config;
mod event;
mod grammar;
mod message;
mod parser;

use crate::connector::{Connector, Parser, Source};

pub use config::{Config, RECEIVED, RECEIVED_HELP};

/// The most bytes a line may have. Teletype lines have 69.
pub const LINE_BYTES_MAX: usize = 4096;

/// The most lines of one part of a message.
pub const PART_LINES_MAX: usize = 1000;

/// The most dated flights that one part of a message may change.
pub const PART_FLIGHTS_MAX: usize = 20_000;

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ssm {
    config: Config,
}

impl Ssm {
    /// With its configuration.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Connector for Ssm {
    fn name(&self) -> &'static str {
        "ssm"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(parser::Parts::new(self.config, source))
    }
}
