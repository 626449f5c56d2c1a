//! Availability status messages (AVS), numeric availability (AVA), and the form in which a flight line
//! gives the context for tokens, as teletype text. Rules: `docs/formats/avs.md`.
//!
//! A line closes, opens or counts booking classes of a flight that is known already: it says neither
//! times nor stations of the route, so it never makes a flight.
//!
//! - `line`: the forms of a line.
//! - `codes`: what the codes mean unless the provider's table says otherwise.
//! - `date`: days without year, message times without month.
//! - `parser`: envelope and lines to events.

mod codes;
mod date;
mod line;
mod parser;

use flightline_ledger::command::Counts;

use crate::connector::{Connector, Parser, Source};
use crate::format::{ConfigError, Options};
use crate::market::{CODES, CODES_HELP, COMMON_OPTIONS, CodeTable, observed_at};

/// Name of the option that says how counts are to be read.
pub const COUNTS: &str = "counts";

/// The most bytes a line may have. Real ones have at most 69.
pub const LINE_BYTES_MAX: usize = 4096;

/// The options of the format, each with what it does.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    COMMON_OPTIONS[0],
    (CODES, CODES_HELP),
    (
        COUNTS,
        "how counts are to be read: remaining (left for anyone, the default) or total (an allotment)",
    ),
];

#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// When the file was received, Unix time in milliseconds; 0 when nobody said.
    pub(crate) observed_ms: i64,
    pub(crate) lines: CodeTable,
    pub(crate) tokens: CodeTable,
    pub(crate) counts: Counts,
}

/// The connector.
#[derive(Clone, Debug)]
pub struct Avs {
    config: Config,
}

impl Avs {
    /// From options given by name.
    pub fn from_options(options: &Options) -> Result<Self, ConfigError> {
        options.only(&OPTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
        let counts = match options.get(COUNTS) {
            None | Some("remaining") => Counts::Remaining,
            Some("total") => Counts::Total,
            Some(other) => {
                return Err(ConfigError::BadValue {
                    name: COUNTS,
                    value: other.to_owned(),
                    expected: "remaining or total".to_owned(),
                });
            }
        };
        Ok(Self {
            config: Config {
                observed_ms: observed_at(options)?,
                lines: CodeTable::from_options(options, codes::of_lines)?,
                tokens: CodeTable::from_options(options, codes::of_tokens)?,
                counts,
            },
        })
    }
}

impl Connector for Avs {
    fn name(&self) -> &'static str {
        "avs"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(parser::Lines::new(self.config.clone(), source))
    }
}
