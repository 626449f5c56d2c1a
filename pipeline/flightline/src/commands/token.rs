//! `flightline token`: make, list and take away bearer tokens.

use clap::{Subcommand, ValueEnum};
use flightline_api::backend::Role;
use flightline_runtime::tokens::{self, SharedTokens};

use super::{print, print_line};
use crate::cli::{ConfigArgs, Usage};
use crate::config::{Config, Overrides};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once: only its hash is stored.
    Create {
        /// What the token may do.
        #[arg(long)]
        role: RoleArg,
        /// The provider that a provider's token speaks for.
        #[arg(long, value_name = "P")]
        provider: Option<String>,
        /// Name of the token; stands in the stream as the one who asked. Default: role and number.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List the tokens there are, without their secrets.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Take a token away; every running replica refuses it within a second.
    Revoke {
        /// The token's name.
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleArg {
    Provider,
    Client,
    Operator,
}

/// The tokens of several replicas, when the configuration is one of several.
fn shared(config: &Config) -> anyhow::Result<Option<SharedTokens>> {
    if !config.stream.shared {
        return Ok(None);
    }
    let url = config.database.url.as_deref();
    let url = url.ok_or_else(|| {
        Usage(anyhow::anyhow!(
            "stream.shared needs database.url: the tokens of all replicas are in their PostgreSQL"
        ))
    })?;
    Ok(Some(SharedTokens::open(url)?))
}

pub(crate) fn run(command: &TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create {
            role,
            provider,
            name,
            config,
        } => {
            let config = config.load(Overrides::default())?;
            let provider = provider
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|e| Usage(anyhow::anyhow!("--provider: {e}")))?;
            let role = match role {
                RoleArg::Provider => Role::Provider,
                RoleArg::Client => Role::Client,
                RoleArg::Operator => Role::Operator,
            };
            let made = match shared(&config)? {
                Some(shared) => shared.create(name.as_deref(), role, provider),
                None => tokens::create(&config.data_dir, name.as_deref(), role, provider),
            };
            let token = made.map_err(|e| match e {
                tokens::TokenError::Name(_) | tokens::TokenError::Provider(_) => {
                    anyhow::Error::new(Usage(e.into()))
                }
                other => other.into(),
            })?;
            print_line(&token)
        }
        TokenCommand::List { json, config } => {
            let config = config.load(Overrides::default())?;
            let all = match shared(&config)? {
                Some(shared) => shared.list()?,
                None => {
                    tokens::check_own(&config.data_dir)?;
                    tokens::list(&config.data_dir)?
                }
            };
            if *json {
                return print_line(&serde_json::to_string_pretty(&all)?);
            }
            let mut text = String::new();
            for t in &all {
                let provider = t.provider.as_deref().unwrap_or("-");
                text.push_str(&format!("{:<24} {:<9} {provider}\n", t.name, t.role));
            }
            print(text.as_bytes())
        }
        TokenCommand::Revoke { name, config } => {
            let config = config.load(Overrides::default())?;
            match shared(&config)? {
                Some(shared) => shared.revoke(name)?,
                None => tokens::revoke(&config.data_dir, name)?,
            }
            Ok(())
        }
    }
}
