//! Options of the connector.

use crate::format::{ConfigError, Options};

/// Name of the option that says which services are sold.
pub const SELL: &str = "sell";

/// What [`SELL`] does, for help texts.
pub const SELL_HELP: &str = "service types whose seats are sold, as letters (default JGSBQRC); flights of others are shown with none";

/// Service types whose seats are sold unless the option says otherwise: scheduled and additional
/// passenger services, shuttles, mixed configurations, and charters.
const SOLD: &str = "JGSBQRC";

/// Configuration of the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A bit for each letter.
    sold: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { sold: bits(SOLD) }
    }
}

impl Config {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&[SELL])?;
        match options.get(SELL) {
            None => Ok(Self::default()),
            Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase()) => {
                Ok(Self { sold: bits(text) })
            }
            Some(text) => Err(ConfigError::BadValue {
                name: SELL,
                value: text.to_owned(),
                expected: "one or more capital letters, such as JGSBQRC".to_owned(),
            }),
        }
    }

    /// Whether seats on a service of this type are sold.
    pub fn sells(&self, service: u8) -> bool {
        service.is_ascii_uppercase() && self.sold & bit(service) != 0
    }
}

fn bits(letters: &str) -> u32 {
    letters.bytes().fold(0, |all, letter| all | bit(letter))
}

const fn bit(letter: u8) -> u32 {
    1 << (letter - b'A')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passenger_services_are_sold_unless_the_option_says_otherwise() {
        let config = Config::default();
        for (letter, sold) in [
            (b'J', true),
            (b'C', true),
            (b'F', false),
            (b'P', false),
            (b' ', false),
        ] {
            assert_eq!(config.sells(letter), sold);
        }
        let only = Config::from_options(&Options::new().with("sell", "J")).unwrap();
        assert!(only.sells(b'J') && !only.sells(b'G'));
        for bad in ["", "j", "J1"] {
            let error = Config::from_options(&Options::new().with("sell", bad)).unwrap_err();
            assert!(error.to_string().contains("JGSBQRC"), "{error}");
        }
    }
}
