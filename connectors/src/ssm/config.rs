//! Options of the connector.

use flightline_ledger::Date;

use crate::format::{ConfigError, Options};

/// Name of the option that says when the messages were received.
pub const RECEIVED: &str = "received";

/// What [`RECEIVED`] does, for help texts.
pub const RECEIVED_HELP: &str = "day on which the messages were received, as 2027-01-05: dates without a year are those nearest to it (default today)";

/// Configuration of the connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Absent: the year of a message follows from the first day with a year that it names.
    pub(super) received: Option<Date>,
}

impl Config {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&[RECEIVED])?;
        let Some(text) = options.get(RECEIVED) else {
            return Ok(Self::default());
        };
        match text.parse() {
            Ok(date) => Ok(Self {
                received: Some(date),
            }),
            Err(_) => Err(ConfigError::BadValue {
                name: RECEIVED,
                value: text.to_owned(),
                expected: "a day such as 2027-01-05".to_owned(),
            }),
        }
    }
}
