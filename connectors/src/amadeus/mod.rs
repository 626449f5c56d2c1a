//! Amadeus: flight offers and flight availabilities as the Self-Service API answers (JSON), and the
//! availability display of its web services (XML). Rules: `docs/formats/amadeus.md`.
//!
//! - `wire`: the JSON fields that are read; others are passed over.
//! - `segment`: a segment as a flight.
//! - `offers`, `availability`: what is seen on it.
//! - `json`: where the records of both lie, and what each is.
//! - `multi`: the XML display.

mod availability;
mod json;
mod multi;
mod offers;
mod segment;
mod wire;

use crate::connector::{Connector, Parser, Source};
use crate::format::{ConfigError, Options};
use crate::market::{Answers, CODES, CODES_HELP, COMMON_OPTIONS, CodeTable, Terms, display};

/// The options of the JSON formats, each with what it does.
pub(crate) const OPTIONS: &[(&str, &str)] = COMMON_OPTIONS;

/// The options of the XML display, each with what it does.
pub(crate) const MULTI_OPTIONS: &[(&str, &str)] = &[
    COMMON_OPTIONS[0],
    COMMON_OPTIONS[1],
    COMMON_OPTIONS[2],
    COMMON_OPTIONS[3],
    (CODES, CODES_HELP),
];

fn names(options: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    options.iter().map(|(name, _)| *name).collect()
}

/// Flight offers with price and bookable seats.
#[derive(Clone, Debug)]
pub struct AmadeusOffers {
    terms: Terms,
}

impl AmadeusOffers {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&names(OPTIONS))?;
        Ok(Self {
            terms: Terms::from_options(options)?,
        })
    }
}

impl Connector for AmadeusOffers {
    fn name(&self) -> &'static str {
        "amadeus-offers"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        let answers = Answers::new(self.terms.clone(), source, json::PATHS, json::take_offer);
        Box::new(answers.waiting_in("flightOffers"))
    }
}

/// Flight availabilities: bookable seats by booking class.
#[derive(Clone, Debug)]
pub struct AmadeusAvailability {
    terms: Terms,
}

impl AmadeusAvailability {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&names(OPTIONS))?;
        Ok(Self {
            terms: Terms::from_options(options)?,
        })
    }
}

impl Connector for AmadeusAvailability {
    fn name(&self) -> &'static str {
        "amadeus-availability"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(Answers::new(
            self.terms.clone(),
            source,
            json::PATHS,
            json::take_availability,
        ))
    }
}

/// The availability display, `Air_MultiAvailabilityReply`.
#[derive(Clone, Debug)]
pub struct AmadeusMultiAvailability {
    terms: Terms,
    codes: CodeTable,
}

impl AmadeusMultiAvailability {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&names(MULTI_OPTIONS))?;
        Ok(Self {
            terms: Terms::from_options(options)?,
            codes: CodeTable::from_options(options, display)?,
        })
    }
}

impl Connector for AmadeusMultiAvailability {
    fn name(&self) -> &'static str {
        "amadeus-multiavailability"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(multi::Display::new(
            self.terms.clone(),
            self.codes.clone(),
            source,
        ))
    }
}
