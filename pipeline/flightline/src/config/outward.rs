//! `[providers.NAME.outward]`: how a provider is told of what was sold from its seats.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use flightline_connectors::outward::{OutwardConfig, Secret};
use serde::{Deserialize, Serialize};

/// The way to a provider. Secrets come from the environment, by the names given here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Outward {
    /// Signed JSON.
    Webhook {
        /// The address.
        url: String,
        /// The environment variable that holds the secret that signs it.
        secret_env: String,
        /// How long an answer may take, in seconds.
        #[serde(default = "ten")]
        timeout_s: u64,
    },
    /// The order interface of Duffel.
    Duffel {
        /// Its base, without `/air`.
        url: String,
        /// The environment variable that holds the bearer token.
        token_env: String,
        /// How long an answer may take, in seconds.
        #[serde(default = "thirty")]
        timeout_s: u64,
    },
    /// Teletype lines in files.
    Teletype {
        /// The folder; `out`, `in` and `journal` are made in it.
        folder: PathBuf,
        /// Where messages go: seven letters or digits.
        address: String,
        /// Where they come from: seven letters or digits.
        origin: String,
    },
}

/// Asks are broken off after this, whatever is configured.
const TIMEOUT_MAX_S: u64 = 40;

impl Outward {
    /// Do messages that name passengers lie in files here, until the provider takes them away?
    pub(crate) fn keeps_messages(&self) -> bool {
        matches!(self, Outward::Teletype { .. })
    }

    /// What the replica is given. Reads secrets from the environment.
    pub(crate) fn config(&self) -> anyhow::Result<OutwardConfig> {
        Ok(match self {
            Outward::Webhook {
                url,
                secret_env,
                timeout_s,
            } => OutwardConfig::Webhook {
                url: url.clone(),
                secret: secret("secret_env", secret_env)?,
                timeout: timeout(*timeout_s)?,
            },
            Outward::Duffel {
                url,
                token_env,
                timeout_s,
            } => OutwardConfig::Duffel {
                url: url.clone(),
                token: secret("token_env", token_env)?,
                timeout: timeout(*timeout_s)?,
            },
            Outward::Teletype {
                folder,
                address,
                origin,
            } => OutwardConfig::Teletype {
                folder: folder.clone(),
                address: address.clone(),
                origin: origin.clone(),
            },
        })
    }
}

fn secret(key: &str, variable: &str) -> anyhow::Result<Secret> {
    let value = std::env::var(variable).ok().filter(|text| !text.is_empty());
    let value = value
        .with_context(|| format!("{key} names {variable}, which is not set in the environment"))?;
    Ok(Secret::new(value))
}

fn timeout(seconds: u64) -> anyhow::Result<Duration> {
    if !(1..=TIMEOUT_MAX_S).contains(&seconds) {
        bail!("timeout_s is {seconds}: it must be 1 to {TIMEOUT_MAX_S}");
    }
    Ok(Duration::from_secs(seconds))
}

const fn ten() -> u64 {
    10
}

const fn thirty() -> u64 {
    30
}
