//! The connectors by name.

use std::collections::BTreeMap;
use std::fmt;

use crate::amadeus::{self, AmadeusAvailability, AmadeusMultiAvailability, AmadeusOffers};
use crate::avs::{self, Avs};
use crate::canonical::{self, Canonical};
use crate::connector::Connector;
use crate::duffel::{self, Duffel};
use crate::ndc::{self, Ndc};
use crate::nycflights13::{self, NycFlights13};
use crate::paores::{self, Paores};
use crate::ssim::{self, Ssim};
use crate::ssm::{self, Ssm};

/// A provider format that is known here.
#[derive(Clone, Copy)]
pub struct Format {
    /// The name, as in `--format NAME` and `?format=NAME`.
    pub name: &'static str,
    /// What it is, one line.
    pub description: &'static str,
    /// Its options, each with what it does.
    pub options: &'static [(&'static str, &'static str)],
    make: fn(&Options) -> Result<Box<dyn Connector>, ConfigError>,
}

/// Name of the option with the time of receipt, in the formats that have it.
pub const OBSERVED_AT: &str = crate::market::OBSERVED_AT;

impl Format {
    /// Whether it has an option of that name.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|(known, _)| *known == name)
    }

    /// The connector with these options.
    pub fn connector(&self, options: &Options) -> Result<Box<dyn Connector>, ConfigError> {
        (self.make)(options)
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Format")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Every format.
pub const FORMATS: &[Format] = &[
    Format {
        name: "canonical",
        description: "newline-delimited JSON, one event about one flight per line",
        options: &[],
        make: |options| {
            let config = canonical::Config::from_options(options)?;
            Ok(Box::new(Canonical::new(config)))
        },
    },
    Format {
        name: "nycflights13",
        description: "departures from New York in 2013 as CSV (dataset nycflights13), with made-up fares and booking classes",
        options: &[(nycflights13::SHIFT_DAYS, nycflights13::SHIFT_DAYS_HELP)],
        make: |options| {
            let config = nycflights13::Config::from_options(options)?;
            Ok(Box::new(NycFlights13::new(config)))
        },
    },
    Format {
        name: "ssim",
        description: "an airline's schedule as a file (SSIM chapter 7)",
        options: &[(ssim::SELL, ssim::SELL_HELP)],
        make: |options| {
            let config = ssim::Config::from_options(options)?;
            Ok(Box::new(Ssim::new(config)))
        },
    },
    Format {
        name: "ssm",
        description: "changes of schedules as teletype messages, SSM and ASM",
        options: &[(ssm::RECEIVED, ssm::RECEIVED_HELP)],
        make: |options| {
            let config = ssm::Config::from_options(options)?;
            Ok(Box::new(Ssm::new(config)))
        },
    },
    Format {
        name: "avs",
        description: "availability status messages as teletype lines: AVS, AVA, context form",
        options: avs::OPTIONS,
        make: |options| Ok(Box::new(Avs::from_options(options)?)),
    },
    Format {
        name: "duffel",
        description: "Duffel offers and airline-initiated changes, JSON",
        options: duffel::OPTIONS,
        make: |options| Ok(Box::new(Duffel::from_options(options)?)),
    },
    Format {
        name: "amadeus-offers",
        description: "Amadeus flight offers, JSON",
        options: amadeus::OPTIONS,
        make: |options| Ok(Box::new(AmadeusOffers::from_options(options)?)),
    },
    Format {
        name: "amadeus-availability",
        description: "Amadeus flight availabilities, JSON",
        options: amadeus::OPTIONS,
        make: |options| Ok(Box::new(AmadeusAvailability::from_options(options)?)),
    },
    Format {
        name: "amadeus-multiavailability",
        description: "Amadeus availability display (Air_MultiAvailabilityReply), XML",
        options: amadeus::MULTI_OPTIONS,
        make: |options| Ok(Box::new(AmadeusMultiAvailability::from_options(options)?)),
    },
    Format {
        name: "ndc",
        description: "NDC AirShoppingRS and OfferPriceRS, XML",
        options: ndc::OPTIONS,
        make: |options| Ok(Box::new(Ndc::from_options(options)?)),
    },
    Format {
        name: "paores",
        description: "availability response PAORES, EDIFACT",
        options: paores::OPTIONS,
        make: |options| Ok(Box::new(Paores::from_options(options)?)),
    },
];

/// The format of a name.
pub fn format(name: &str) -> Result<&'static Format, UnknownFormat> {
    FORMATS
        .iter()
        .find(|format| format.name == name)
        .ok_or_else(|| UnknownFormat {
            name: name.to_owned(),
        })
}

/// There is no format of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format {name:?}; known formats: {}", known())]
pub struct UnknownFormat {
    /// The name.
    pub name: String,
}

fn known() -> String {
    let names: Vec<_> = FORMATS
        .iter()
        .map(|format| format!("{} ({})", format.name, format.description))
        .collect();
    names.join(", ")
}

/// Options of a connector by name, as they come from a command line or a query string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more; a name given twice keeps the last value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Refuses every option that is not one of these.
    pub(crate) fn only(&self, known: &[&'static str]) -> Result<(), ConfigError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(ConfigError::UnknownOption {
                name: name.clone(),
                known: known.to_vec(),
            }),
        }
    }
}

/// What is wrong with the options of a connector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The format has no such option.
    #[error("the format has no option {name:?}; {}", known_options(.known))]
    UnknownOption {
        /// The name that was given.
        name: String,
        /// Those it has.
        known: Vec<&'static str>,
    },
    /// The value is not what it should be.
    #[error("{name}: {value:?} is not {expected}")]
    BadValue {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
        /// What should stand there.
        expected: String,
    },
}

fn known_options(known: &[&str]) -> String {
    if known.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_name_and_others_are_told_what_there_is() {
        for known in FORMATS {
            let connector = format(known.name)
                .unwrap()
                .connector(&Options::new())
                .unwrap();
            assert_eq!(connector.name(), known.name);
        }
        let error = format("ssim7").unwrap_err().to_string();
        assert!(error.contains("\"ssim7\""), "{error}");
        for known in FORMATS {
            assert!(error.contains(known.name), "{error}");
        }
    }

    #[test]
    fn unknown_options_and_bad_values_are_refused() {
        let options = Options::new().with("shift_days", "3");
        let error = format("canonical").unwrap().connector(&options);
        assert_eq!(
            error.unwrap_err().to_string(),
            "the format has no option \"shift_days\"; it has none"
        );
        let nyc = format("nycflights13").unwrap();
        assert!(nyc.connector(&options).is_ok());
        for (name, value, want) in [
            ("shift_day", "3", "it has shift_days"),
            ("shift_days", "x", "shift_days: \"x\" is not a whole number"),
            ("shift_days", "99999999", "is not a whole number"),
        ] {
            let error = nyc
                .connector(&Options::new().with(name, value))
                .unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        }
    }
}
