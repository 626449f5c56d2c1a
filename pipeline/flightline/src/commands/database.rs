//! `flightline database`: where the tables are.

use clap::Subcommand;

use super::print_line;
use crate::cli::ConfigArgs;
use crate::config::Overrides;

#[derive(Debug, Subcommand)]
pub(crate) enum DatabaseCommand {
    /// Print a URL for psql: `psql "$(flightline database url)"`. The private PostgreSQL answers
    /// while its replica runs.
    Url {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(crate) fn run(command: &DatabaseCommand) -> anyhow::Result<()> {
    let DatabaseCommand::Url { config } = command;
    let config = config.load(Overrides::default())?;
    match config.database.url {
        Some(url) => print_line(&url),
        None => match flightline_runtime::database::private_url(&config.data_dir) {
            Some(url) => print_line(&url),
            None => anyhow::bail!(
                "{} has no PostgreSQL yet: start the replica once, or set database.url",
                config.data_dir.display()
            ),
        },
    }
}
