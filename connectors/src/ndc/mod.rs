//! NDC: offers as IATA's XML messages, AirShoppingRS and OfferPriceRS of 17.2, 18.1 and its relatives,
//! 19.2 and 21.3. Rules: `docs/formats/ndc.md`.
//!
//! The versions differ in names and in what points to what, not in what is said; providers differ from
//! their version besides. So elements are found by their local names, and each thing is looked for in
//! every place where a version has it.
//!
//! - `lists`: what offers point to: segments, journeys, price classes, travellers, decimals.
//! - `segment`: a segment as a flight.
//! - `offer`: an offer as flights, seats and price.

mod lists;
mod offer;
mod parser;
mod segment;

use crate::connector::{Connector, Parser, Source};
use crate::format::{ConfigError, Options};
use crate::market::{COMMON_OPTIONS, Terms};

/// The options of the format, each with what it does.
pub(crate) const OPTIONS: &[(&str, &str)] = COMMON_OPTIONS;

/// The connector.
#[derive(Clone, Debug)]
pub struct Ndc {
    terms: Terms,
}

impl Ndc {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&OPTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
        Ok(Self {
            terms: Terms::from_options(options)?,
        })
    }
}

impl Connector for Ndc {
    fn name(&self) -> &'static str {
        "ndc"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(parser::Messages::new(self.terms.clone(), source))
    }
}
