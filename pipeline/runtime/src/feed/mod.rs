//! Provider feeds in: a file or body becomes commands, and the commands' decisions become a report.
//!
//! - here: which connector reads a feed, with which options. `intake`: a feed to its end. `closing`: full
//!   replacements that have ended. `around`: flights by their numbers. `check`: what a file holds, without
//!   sending it.

mod around;
mod check;
mod closing;
mod intake;

pub(crate) use around::flights_around;
pub use check::{CheckError, Checked, bundled_routes, check};
pub(crate) use intake::{ingest, submit_patiently};

use std::time::SystemTime;

use flightline_connectors::{Connector, OBSERVED_AT, Options, observed::time_text, ssm};
use flightline_ledger::Date;

use crate::config::ProviderFeed;

/// The connector of a format with these options.
fn connector(
    format: &str,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<Box<dyn Connector>, String> {
    let format = flightline_connectors::format(format).map_err(|e| e.to_string())?;
    let options = options
        .into_iter()
        .fold(Options::new(), |all, (name, value)| all.with(name, value));
    let options = match options.get(ssm::RECEIVED) {
        // Days without a year are those nearest to today, unless it is said when they were sent.
        None if format
            .options
            .iter()
            .any(|(name, _)| *name == ssm::RECEIVED) =>
        {
            options.with(ssm::RECEIVED, today().to_string())
        }
        _ => options,
    };
    format.connector(&options).map_err(|e| e.to_string())
}

fn today() -> Date {
    Date((now_ms() / 86_400_000) as i32)
}

/// Format and options of a push: what it says, and for the rest what is configured for the provider.
fn agreed(
    feed: Option<&ProviderFeed>,
    format: &str,
    options: &[(String, String)],
) -> Result<(String, Vec<(String, String)>), String> {
    let configured = feed.and_then(|feed| feed.format.as_deref());
    let format = match (format, configured) {
        ("", Some(configured)) => configured,
        ("", None) => {
            return Err(
                "no format is given and none is configured for the provider: name one (format=...), or set it in [providers.NAME]"
                    .to_owned(),
            );
        }
        (given, _) => given,
    };
    let mut all = options.to_vec();
    // Options are of a format: those of another one say nothing about this one.
    if let Some(feed) = feed.filter(|_| configured == Some(format)) {
        for (name, value) in &feed.options {
            if !options.iter().any(|(given, _)| given == name) {
                all.push((name.clone(), value.clone()));
            }
        }
    }
    Ok((format.to_owned(), all))
}

/// With the time of receipt, where the format wants it and nobody gave it.
fn received(
    format: &str,
    mut options: Vec<(String, String)>,
    now_ms: i64,
) -> Vec<(String, String)> {
    let wants = flightline_connectors::format(format).is_ok_and(|f| f.has_option(OBSERVED_AT));
    if wants && !options.iter().any(|(name, _)| name == OBSERVED_AT) {
        options.push((OBSERVED_AT.to_owned(), time_text(now_ms)));
    }
    options
}

/// A format with its options, as a push and the configuration agree on them.
pub(crate) struct ConfiguredFormat {
    format: String,
    options: Vec<(String, String)>,
}

impl ConfiguredFormat {
    pub(crate) fn agreed(
        feed: Option<&ProviderFeed>,
        format: &str,
        options: &[(String, String)],
    ) -> Result<Self, String> {
        let (format, options) = agreed(feed, format, options)?;
        let options = received(&format, options, now_ms());
        Ok(Self { format, options })
    }

    pub(crate) fn connector(self) -> Result<Box<dyn Connector>, String> {
        connector(&self.format, self.options)
    }
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
