//! `[providers.NAME]`: who sends, and how what he sends comes in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Provider {
    /// Weight of its word on schedules when several providers report a flight; 0 to 255.
    pub authority: u8,
    /// The format of its files, when a push does not name one, and of its watched folder and pulls,
    /// where they name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Options of that format: code tables, how counts are to be read, and so on.
    pub options: BTreeMap<String, String>,
    /// A folder that it drops files into.
    pub folder: Option<Folder>,
    /// What is fetched from it.
    pub pull: Vec<PullRequest>,
}

impl Provider {
    /// The format is known, and its options are options that it has.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Some(name) = &self.format else {
            if let Some(option) = self.options.keys().next() {
                bail!("options.{option} is set, but no format that has it");
            }
            return Ok(());
        };
        let format = flightline_connectors::format(name)?;
        let options = self.options.iter().fold(
            flightline_connectors::Options::new(),
            |all, (name, value)| all.with(name, value),
        );
        format.connector(&options).context("options")?;
        Ok(())
    }
}

/// A watched folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    /// The folder; `done` and `rejected` are made in it.
    pub path: PathBuf,
    /// How long a file must have stood still before it is taken, in seconds.
    #[serde(default = "ten")]
    pub settle_s: u64,
    /// How often the folder is looked through, in seconds.
    #[serde(default = "two")]
    pub every_s: u64,
}

/// A request on a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PullRequest {
    /// The address. `{date}` in it or in the body: one request for each of `days`.
    pub url: String,
    /// From one round to the next, in seconds.
    pub every_s: u64,
    /// Send this with POST.
    pub body: Option<String>,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The environment variable that holds the bearer token.
    pub token_env: Option<String>,
    /// The days that stand for `{date}`, from today on: FROM..TO.
    pub days: Option<String>,
    /// The most requests in a second.
    #[serde(default = "ten_per_s")]
    pub rate_per_s: f64,
    /// How long an answer may take, in seconds.
    #[serde(default = "sixty")]
    pub timeout_s: u64,
    /// The longest answer, in MiB.
    #[serde(default = "sixty_four")]
    pub answer_max_mib: u32,
    /// Format, where it is another than the provider's.
    pub format: Option<String>,
    /// Options of that format.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

const fn two() -> u64 {
    2
}

const fn ten() -> u64 {
    10
}

const fn sixty() -> u64 {
    60
}

const fn sixty_four() -> u32 {
    64
}

const fn ten_per_s() -> f64 {
    10.0
}
