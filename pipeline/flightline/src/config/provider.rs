//! `[providers.NAME]`: who sends, and how what he sends comes in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use flightline_ledger::Cabin;
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
    /// How counts of seats are to be read, where the format does not say: `total` or `remaining`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How long it may be silent before its seats are off sale, in seconds. Absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staleness_limit_s: Option<u64>,
    /// Seats that may be sold beyond its counts, by cabin, on flights of which it states no terms.
    pub overbooking: BTreeMap<String, u16>,
    /// How it numbers the groups of its messages: `daily`, from 1 on each day without gaps for us. Absent: nobody
    /// knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbered: Option<String>,
    /// How late a message that is numbered may be before it counts as missing, in seconds. Absent: 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_after_s: Option<u64>,
    /// A folder that it drops files into.
    pub folder: Option<Folder>,
    /// What is fetched from it.
    pub pull: Vec<PullRequest>,
    /// How it is told of what was sold from its seats. Absent: it is not.
    pub outward: Option<super::outward::Outward>,
}

impl Provider {
    /// The format is known, and its options are options that it has.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.staleness_limit_s == Some(0) {
            bail!("staleness_limit_s is 0: nothing could ever be sold; leave it out for no limit");
        }
        self.overbooking()?;
        self.numbered_daily()?;
        let options = self.options()?;
        let Some(name) = &self.format else {
            if let Some(option) = self.options.keys().next() {
                bail!("options.{option} is set, but no format that has it");
            }
            return Ok(());
        };
        let format = flightline_connectors::format(name)?;
        let options = options.iter().fold(
            flightline_connectors::Options::new(),
            |all, (name, value)| all.with(name, value),
        );
        format.connector(&options).context("options")?;
        Ok(())
    }
}

impl Provider {
    /// The options of the format, with the mode among them.
    pub(crate) fn options(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut options = self.options.clone();
        let Some(mode) = &self.mode else {
            return Ok(options);
        };
        if mode != "total" && mode != "remaining" {
            bail!("mode is '{mode}': it must be \"total\" or \"remaining\"");
        }
        let Some(name) = &self.format else {
            bail!("mode is set, but no format whose counts it could tell how to read");
        };
        let format = flightline_connectors::format(name)?;
        if !format.has_option("counts") {
            bail!(
                "mode is set, but counts of format {name} say themselves how they are to be read"
            );
        }
        if options.insert("counts".to_owned(), mode.clone()).is_some() {
            bail!("mode and options.counts say the same thing: leave one out");
        }
        Ok(options)
    }

    /// Does it number the groups of each day without gaps?
    pub(crate) fn numbered_daily(&self) -> anyhow::Result<bool> {
        match self.numbered.as_deref() {
            None => Ok(false),
            Some("daily") => Ok(true),
            Some(other) => bail!(
                "numbered is '{other}': it must be \"daily\", or be left out when groups of messages are not numbered without gaps for you"
            ),
        }
    }

    /// The overbooking allowance, by cabin.
    pub(crate) fn overbooking(&self) -> anyhow::Result<Vec<(Cabin, u16)>> {
        let cabins = self.overbooking.iter().map(|(cabin, seats)| {
            let code: Cabin = cabin.parse().map_err(|_| {
                anyhow::anyhow!("overbooking.{cabin}: a cabin is one capital letter, such as Y")
            })?;
            if *seats > 9999 {
                bail!("overbooking.{cabin} is {seats}: it must be 0 to 9999");
            }
            Ok((code, *seats))
        });
        cabins.collect()
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
