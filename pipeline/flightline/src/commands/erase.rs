//! `flightline erase`: personal data, gone for good.

use anyhow::Context;
use clap::{Args, Subcommand};
use flightline_connectors::outward::OutwardConfig;
use flightline_ledger::ProviderCode;
use flightline_runtime::control::{self, Answer, Question};
use flightline_runtime::offline;

use super::print_line;
use crate::cli::ConfigArgs;
use crate::config::{Config, Overrides};

#[derive(Debug, Subcommand)]
pub(crate) enum EraseCommand {
    /// The passengers of an order: their key is destroyed, and with it the only way to read them,
    /// in this stream and in every copy of it. Seats, money and the order itself stay as they are.
    Order(OrderArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OrderArgs {
    /// The order's id: ord_ and 32 hexadecimal digits.
    id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn run(command: &EraseCommand) -> anyhow::Result<()> {
    let EraseCommand::Order(args) = command;
    let config = args.config.load(Overrides::default())?;
    let runtime = super::serve::async_runtime()?;
    let question = Question::EraseOrder(args.id.clone());
    let erased = match runtime.block_on(control::ask(&config.data_dir, &question))? {
        Some(Answer::Erased(erased)) => erased,
        Some(Answer::Failed(why)) => anyhow::bail!(why),
        Some(_) => anyhow::bail!("the replica answered something else"),
        None if config.stream.shared => anyhow::bail!(
            "the keys of a stream that replicas share are in their database: start a replica on {} first",
            config.data_dir.display()
        ),
        None => {
            let _inside = runtime.enter();
            let (ways, policy) = (messages(&config)?, config.checkpoint.policy());
            offline::erase_order(&config.data_dir, &args.id, &policy, &ways)?
        }
    };
    let Some(keys) = erased else {
        anyhow::bail!("there never was an order '{}'", args.id);
    };
    if args.json {
        let answer = serde_json::json!({"order_id": args.id, "keys_erased": keys});
        return print_line(&answer.to_string());
    }
    print_line(&match keys {
        0 => format!("the passengers of {} were erased before", args.id),
        _ => format!("the passengers of {} are erased", args.id),
    })
}

/// The providers whose messages lie in files here. Of the others no secret has to be known.
fn messages(config: &Config) -> anyhow::Result<Vec<(ProviderCode, OutwardConfig)>> {
    let mut ways = Vec::new();
    for (name, provider) in &config.providers {
        let Some(way) = provider.outward.as_ref().filter(|way| way.keeps_messages()) else {
            continue;
        };
        let about = || format!("[providers.{name}.outward]");
        ways.push((
            name.parse().with_context(about)?,
            way.config().with_context(about)?,
        ));
    }
    Ok(ways)
}
