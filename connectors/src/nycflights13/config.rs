//! Options of the connector.

use crate::format::{ConfigError, Options};

/// Name of the option that moves every date.
pub const SHIFT_DAYS: &str = "shift_days";

/// What [`SHIFT_DAYS`] does, for help texts.
pub const SHIFT_DAYS_HELP: &str =
    "days to add to every date; local times stay, UTC offsets are those of the new date";

/// The furthest shift either way, in days: about 980 years.
const SHIFT_DAYS_MAX: i64 = 358_000;

/// Configuration of the connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    shift_days: i32,
}

impl Config {
    /// Moves every date by this many days. A multiple of 7 keeps the days of the week.
    pub fn new(shift_days: i64) -> Result<Self, ConfigError> {
        match i32::try_from(shift_days) {
            Ok(days) if i64::from(days).abs() <= SHIFT_DAYS_MAX => Ok(Self { shift_days: days }),
            _ => Err(bad_shift(&shift_days.to_string())),
        }
    }

    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&[SHIFT_DAYS])?;
        match options.get(SHIFT_DAYS) {
            None => Ok(Self::default()),
            Some(text) => Self::new(text.parse().map_err(|_| bad_shift(text))?),
        }
    }

    /// Days to add to every date.
    pub fn shift_days(&self) -> i32 {
        self.shift_days
    }
}

fn bad_shift(value: &str) -> ConfigError {
    ConfigError::BadValue {
        name: SHIFT_DAYS,
        value: value.to_owned(),
        expected: format!("a whole number of days from -{SHIFT_DAYS_MAX} to {SHIFT_DAYS_MAX}"),
    }
}
