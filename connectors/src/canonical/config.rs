//! The options of the canonical format: there are none, and any that is given is refused.

use crate::format::{ConfigError, Options};

/// Configuration of the connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {}

impl Config {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&[])?;
        Ok(Self {})
    }
}
