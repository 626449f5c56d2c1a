//! Duffel's offers and airline-initiated changes, as its API v2 (and any other Flightline) answers.
//!
//! Taken: an offer, a list of offers, an offer request with its offers, a list of airline-initiated
//! changes; one document or several behind each other. Rules: `docs/formats/duffel.md`.
//!
//! - `parser`: where records lie, and what each is.
//! - `wire`: the fields that are read; others are passed over, since Duffel adds some now and then.
//! - `offer`: an offer as flights, seats and price.
//! - `change`: a change as new times, closed and new flights.

mod change;
mod offer;
mod parser;
mod wire;

use crate::connector::{Connector, Parser, Source};
use crate::format::{ConfigError, Options};
use crate::market::{Answers, COMMON_OPTIONS, Terms};

/// The options of the format, each with what it does.
pub(crate) const OPTIONS: &[(&str, &str)] = COMMON_OPTIONS;

/// The connector.
#[derive(Clone, Debug)]
pub struct Duffel {
    terms: Terms,
}

impl Duffel {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&OPTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
        Ok(Self {
            terms: Terms::from_options(options)?,
        })
    }
}

impl Connector for Duffel {
    fn name(&self) -> &'static str {
        "duffel"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(Answers::new(
            self.terms.clone(),
            source,
            parser::PATHS,
            parser::take,
        ))
    }
}
