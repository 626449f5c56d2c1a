//! PAORES: the answer to an availability request, as EDIFACT (PADIS 93.1). Rules:
//! `docs/formats/paores.md`.
//!
//! - `segments`: bytes to segments, with their elements.
//! - `message`: segments to flights and seats, with the counts of the envelope checked.

mod message;
mod segments;

use crate::connector::{Connector, Parser, Source};
use crate::format::{ConfigError, Options};
use crate::market::{CODES, CODES_HELP, COMMON_OPTIONS, CodeTable, Terms, display};

/// The options of the format, each with what it does.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    COMMON_OPTIONS[0],
    COMMON_OPTIONS[1],
    COMMON_OPTIONS[2],
    COMMON_OPTIONS[3],
    (CODES, CODES_HELP),
];

/// The connector.
#[derive(Clone, Debug)]
pub struct Paores {
    terms: Terms,
    codes: CodeTable,
}

impl Paores {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&OPTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
        Ok(Self {
            terms: Terms::from_options(options)?,
            codes: CodeTable::from_options(options, display)?,
        })
    }
}

impl Connector for Paores {
    fn name(&self) -> &'static str {
        "paores"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(message::Messages::new(
            self.terms.clone(),
            self.codes.clone(),
            source,
        ))
    }
}
