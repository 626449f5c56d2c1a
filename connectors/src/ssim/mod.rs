//! Airline schedules as files: chapter 7 of the industry's Standard Schedules Information Manual.
//!
//! A file is made of records of 200 characters: a header (type 1), and for each airline a carrier
//! record (type 2), flight legs (type 3) with segment data (type 4), and a trailer (type 5). What is
//! read, left out and refused is in `docs/formats/ssim.md`.
//!
//! - `config`: which services are sold.
//! - `record`: the fields of each type of record.
//! - `parser`: record after record to items; what belongs to one flight number is gathered.
//! - `block`: one airline of the file: its version, its scope, and whether it came whole.
//! - `group`: the records of one flight number.
//! - `expand`: periods to dated legs, dated legs to flights.
//! - `event`: a flight to canonical events.
//!
//! # Versions
//! The version of everything in an airline's block is the moment of creation that its carrier record
//! states, taken as UTC, with the serial number of the data set as the group. A block without such a moment is older
//! than everything and replaces nothing.
//!
//! # Full replacement
//! A block that came whole (carrier record to trailer, serial numbers without a gap, nothing set
//! aside) is everything that the airline flies in its period: flights of the provider that it does
//! not name are withdrawn, with the version of the block.
//!
//! # Memory
//! Bounded by the records of one flight number, of which [`GROUP_RECORDS_MAX`] are held together and
//! [`GROUP_LEGS_MAX`] dated legs, and by the digests of [`REPEATS_MAX`] records, by which repeated ones are known.

mod block;
mod config;
mod event;
mod expand;
mod group;
mod parser;
mod record;
#[cfg(test)]
mod tests {
    mod rustyssim;
}

use crate::connector::{Connector, Parser, Source};

pub use config::{Config, SELL, SELL_HELP};

/// The most bytes a line may have. A record has 200 characters.
pub const LINE_BYTES_MAX: usize = 4096;

/// Characters of a record.
pub const RECORD_CHARS: usize = 200;

/// The most records of one flight number that are looked at together.
pub const GROUP_RECORDS_MAX: usize = 4_000;

/// The most dated legs of one flight number that are looked at together.
pub const GROUP_LEGS_MAX: usize = 60_000;

/// How many records of an airline are remembered to know those that come again.
pub const REPEATS_MAX: usize = 200_000;

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ssim {
    config: Config,
}

impl Ssim {
    /// With its configuration.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Connector for Ssim {
    fn name(&self) -> &'static str {
        "ssim"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(parser::Records::new(self.config, source))
    }
}
